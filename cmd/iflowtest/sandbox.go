package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"iflowtest/internal/diag"
	"iflowtest/internal/sandbox"
	"iflowtest/runner"
	"iflowtest/scenarios"
)

// tenant is a sandbox that serves in this process.
type tenant struct {
	*sandbox.Tenant
	environment *scenarios.Environment
	close       func()
}

// newTenant makes a tenant as the flags say. Mistakes in the configuration
// file or in a fault are told, and nothing starts.
func (p *program) newTenant(g *global, allowRemote, tls bool) (*sandbox.Tenant, error) {
	o := sandbox.Options{AllowRemote: allowRemote, TLS: tls}
	if g.sandboxConfig != "" {
		info, err := os.Stat(g.sandboxConfig)
		if err != nil {
			return nil, usage("--sandbox-config %s: %s", g.sandboxConfig, plain(err))
		}
		data, err := readFile(g.sandboxConfig, info, maxEnvFile)
		if err != nil {
			return nil, &exitError{status: runner.ExitInvalid, message: fmt.Sprintf("%s: %s", g.sandboxConfig, plain(err))}
		}
		config, diags := sandbox.ParseConfig(filepath.ToSlash(g.sandboxConfig), data)
		if len(diags) > 0 {
			src := diag.Sources{}
			src.Add(filepath.ToSlash(g.sandboxConfig), data)
			p.diagnostics(diags, src, p.color(g, p.err))
		}
		if diags.HasErrors() {
			return nil, &exitError{status: runner.ExitInvalid, message: invalid(diags)}
		}
		o.Config = config
	}
	for _, text := range g.faults {
		f, err := sandbox.ParseFault(text)
		if err != nil {
			return nil, usage("--fault %s: %s", text, err)
		}
		o.Faults = append(o.Faults, f)
	}
	t, err := sandbox.New(o)
	if err != nil {
		return nil, usage("%s", err)
	}
	return t, nil
}

// plain takes the operation and the path off an error of the file system.
func plain(err error) error {
	if e, ok := errors.AsType[*os.PathError](err); ok {
		return e.Err
	}
	return err
}

// startSandbox serves a tenant on free loopback ports until it is closed.
func (p *program) startSandbox(ctx context.Context, g *global) (*tenant, error) {
	t, err := p.newTenant(g, false, false)
	if err != nil {
		return nil, err
	}
	if err := t.Listen("127.0.0.1:0"); err != nil {
		return nil, &exitError{status: runner.ExitUnknown, message: "the sandbox cannot start: " + err.Error()}
	}
	ca, err := t.CA()
	if err != nil {
		return nil, errors.Join(&exitError{status: runner.ExitUnknown, message: "the sandbox cannot start: " + err.Error()}, t.Close())
	}
	env, diags := scenarios.ReadEnvironment("sandbox", ".", t.Environment(sandbox.EnvironmentOptions{CA: string(ca)}))
	if diags.HasErrors() {
		return nil, errors.Join(&exitError{status: runner.ExitInvalid, message: "the environment of the sandbox cannot be read: " + diags[0].String()}, t.Close())
	}
	ended := make(chan struct{})
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	go func() {
		defer close(ended)
		if err := t.Serve(serving); err != nil {
			fmt.Fprintf(p.err, "iflowtest: the sandbox: %s\n", err)
		}
	}()
	return &tenant{t, env, func() { stop(); <-ended }}, nil
}

// sandboxFlags are the flags of the command sandbox.
type sandboxFlags struct {
	listen      string
	proxy       string
	writeEnv    string
	writeKeys   string
	tls         bool
	writeCA     string
	allowRemote bool
}

func (p *program) sandboxCommand(g *global) *cobra.Command {
	f := &sandboxFlags{}
	cmd := &cobra.Command{
		Use:   "sandbox",
		Short: "serve a sandbox tenant until interrupted",
		Long: `Serve a tenant on loopback: Cloud Foundry with its sign-in, entitlements,
authorization server, integration runtime with flows, OData API, destinations.
It prints the origin of each part, then "ready", and serves until SIGINT or
SIGTERM. /_sandbox/ on the part control shows requests, state and faults.`,
		Example: `  iflowtest sandbox --listen 127.0.0.1:8787 --write-env environments/sandbox.yaml
  iflowtest sandbox --write-keys keys --fault token-short:seconds=2
  iflowtest sandbox --tls --proxy 127.0.0.1:8080 --write-ca ca.pem --write-keys keys`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.serveSandbox(cmd.Context(), g, f)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.listen, "listen", "127.0.0.1:8787", "HOST:PORT; the parts take the ports from PORT on, with port 0 free ones")
	flags.StringVar(&f.proxy, "proxy", "", "HOST:PORT of a proxy for clients that insist on HTTPS at port 443: CONNECT PART.sandbox.example:443 leads to the part, all else is refused; wants --tls")
	flags.StringVar(&f.writeEnv, "write-env", "", "write the environment to this file, for -e")
	flags.StringVar(&f.writeKeys, "write-keys", "", "write the service keys to this folder")
	flags.BoolVar(&f.tls, "tls", false, "speak TLS everywhere, and not at token-mtls alone")
	flags.StringVar(&f.writeCA, "write-ca", "", "write the certificate of the authority that signs certificates, of parts and of keys, to this file (PEM; default: beside --write-env)")
	flags.BoolVar(&f.allowRemote, "allow-remote", false, "allow addresses that are not loopback")
	return cmd
}

func (p *program) serveSandbox(ctx context.Context, g *global, f *sandboxFlags) error {
	t, err := p.newTenant(g, f.allowRemote, f.tls)
	if err != nil {
		return err
	}
	if err := t.Listen(f.listen); err != nil {
		return usage("--listen %s", err)
	}
	if f.proxy != "" {
		if err := t.ListenProxy(f.proxy, p.refusedByProxy); err != nil {
			return errors.Join(usage("--proxy %s", err), t.Close())
		}
	}
	if err := p.writeTenant(t, f); err != nil {
		return errors.Join(err, t.Close())
	}
	for _, part := range sandbox.Parts() {
		fmt.Fprintf(p.out, "%s %s\n", part, t.URL(part))
	}
	if f.proxy != "" {
		fmt.Fprintf(p.out, "proxy %s\n", t.URL(sandbox.Proxy))
	}
	fmt.Fprintln(p.out, "ready")
	return t.Serve(ctx)
}

// refusedByProxy tells what a client wanted that is not of the sandbox.
func (p *program) refusedByProxy(reason string) {
	fmt.Fprintf(p.err, "iflowtest: the proxy refused %s\n", reason)
}

// writeTenant writes the keys and the environment, complete before anybody is
// told that the sandbox is ready.
func (p *program) writeTenant(t *sandbox.Tenant, f *sandboxFlags) error {
	if f.writeKeys != "" {
		if err := os.MkdirAll(f.writeKeys, 0o700); err != nil {
			return cannotWrite(f.writeKeys, err)
		}
		for _, k := range t.Keys() {
			file := filepath.Join(f.writeKeys, k.Name+".json")
			if err := writePrivate(file, k.JSON); err != nil {
				return cannotWrite(file, err)
			}
		}
	}
	if f.writeEnv == "" {
		return writeCA(t, f.writeCA)
	}
	if err := os.MkdirAll(filepath.Dir(f.writeEnv), 0o755); err != nil {
		return cannotWrite(f.writeEnv, err)
	}
	ca := cmp.Or(f.writeCA, besideEnvironment(f.writeEnv))
	if err := writeCA(t, ca); err != nil {
		return err
	}
	if err := writePrivate(f.writeEnv, t.Environment(sandbox.EnvironmentOptions{CA: pathFrom(f.writeEnv, ca)})); err != nil {
		return cannotWrite(f.writeEnv, err)
	}
	return nil
}

// besideEnvironment gives the file for the certificate authority beside an
// environment; none beside a device or a pipe.
func besideEnvironment(env string) string {
	if info, err := os.Stat(env); err == nil && !info.Mode().IsRegular() {
		return ""
	}
	return strings.TrimSuffix(env, filepath.Ext(env)) + "-ca.pem"
}

// pathFrom gives the path of a file as it stands in another file, to which it
// is relative. None stays none.
func pathFrom(from, file string) string {
	if file == "" || filepath.IsAbs(file) {
		return file
	}
	relative, err := filepath.Rel(filepath.Dir(from), file)
	if err != nil {
		absolute, err := filepath.Abs(file)
		if err != nil {
			return file
		}
		return absolute
	}
	return filepath.ToSlash(relative)
}

// writeCA writes the certificate authority, which is no secret.
func writeCA(t *sandbox.Tenant, file string) error {
	if file == "" {
		return nil
	}
	ca, err := t.CA()
	if err == nil {
		err = os.WriteFile(file, ca, 0o644)
	}
	if err != nil {
		return cannotWrite(file, err)
	}
	return nil
}

func cannotWrite(file string, err error) error {
	return &exitError{status: runner.ExitReport, message: fmt.Sprintf("%s cannot be written: %s", file, plain(err))}
}

// writePrivate writes a file that nobody else may read. The content appears
// at once: whoever waits for the file never sees half of it.
func writePrivate(file string, data []byte) error {
	if target, err := filepath.EvalSymlinks(file); err == nil {
		file = target
	}
	if info, err := os.Stat(file); err == nil && !info.Mode().IsRegular() {
		// A device or a pipe is written to, not replaced.
		return os.WriteFile(file, data, 0o600)
	}
	tmp, err := os.CreateTemp(filepath.Dir(file), ".iflowtest-*")
	if err != nil {
		return err
	}
	_, err = tmp.Write(data)
	err = errors.Join(err, tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	return nil
}

// terminalSize gives the columns and rows of a terminal, each time it is
// asked; 0 when w is none.
func terminalSize(w io.Writer) (width, height func() int) {
	size := func() (int, int) {
		f, ok := w.(*os.File)
		if !ok {
			return 0, 0
		}
		columns, rows, err := term.GetSize(int(f.Fd()))
		if err != nil {
			return 0, 0
		}
		return columns, rows
	}
	return func() int { w, _ := size(); return w }, func() int { _, h := size(); return h }
}
