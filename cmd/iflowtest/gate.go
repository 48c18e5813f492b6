package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"iflowtest/internal/gate"
	"iflowtest/internal/httpx"
	"iflowtest/internal/servicekey"
	"iflowtest/runner"
	"iflowtest/scenarios"
)

// gateFlags are the flags of the command gate.
type gateFlags struct {
	gate.Options
	junit, json string
	github      bool
}

func (p *program) gateCommand(g *global) *cobra.Command {
	f := &gateFlags{}
	cmd := &cobra.Command{
		Use:   "gate [KEY…]",
		Short: "tell whether service keys are still good, before a deployment needs them",
		Long: `Look at service keys, several side by side, and end with 0 when all of them are
good, with 6 when one is not, and with 5 when that could not be found out: a
server that is down or busy makes no key invalid, and none good. When one of them
is no service key, or lacks something, the status is 3 and nothing is sent for any.

KEY is a file, a folder of keys (*.json, *.txt), - for standard input, env:NAME
for a variable of the environment, or cf:INSTANCE/KEY for a key in the space of
the environment (-e). Without KEY: the credentials that the environment declares,
or with --sandbox every key of the sandbox. A key is what the cockpit shows or cf
service-key prints, or that in base64. One with an external certificate does not
hold its private key: declare it in the environment, with service-key and key.

--negative asks for one more token for each key, with a client secret that is
wrong, or with a certificate that was just made, signs itself and has the same
subject. A server that grants it does not look, and its tokens prove nothing.

--probe sends GET with "X-CSRF-Token: Fetch", first without a token and then with
it: a flow with CSRF protection answers that without processing a message. One
without CSRF protection does process one, so probe a flow that may.

` + gateChecksHelp(),
		Example: `  iflowtest gate sender.json api.json --junit gate.xml
  iflowtest gate keys/ --scope ESBMessaging.send --min-days 30 --min-lifetime 10m --probe /http/health
  iflowtest gate -e prod --negative --expect-tenant acme --json gate.jsonl
  iflowtest gate env:SENDER_KEY --github
  iflowtest gate cf:my-instance/my-key -e dev
  iflowtest gate --sandbox`,
		RunE: func(cmd *cobra.Command, args []string) error { return p.gateKeys(cmd.Context(), g, f, args) },
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringArrayVar(&f.Scopes, "scope", nil, "a scope that the token must hold, e.g. ESBMessaging.send (may be repeated)")
	flags.IntVar(&f.MinDays, "min-days", 0, "days that a certificate must still be valid; 0: it has not ended")
	flags.DurationVar(&f.MinLifetime, "min-lifetime", gate.DefaultMinLifetime, "time that a token must live at least, from its issue")
	flags.StringVar(&f.Probe, "probe", "", "a path below the url of each key, or an https URL, that must accept the token")
	flags.BoolVar(&f.ProbeLenient, "probe-lenient", false, "let a probe pass that proves nothing: 404 or a failed flow with and without the token")
	flags.BoolVar(&f.Negative, "negative", false, "ask with a wrong secret or a wrong certificate as well, which must be refused")
	flags.StringVar(&f.Tenant, "expect-tenant", "", "the tenant of each token: its zid, its zdn (subdomain) or the ID of its subaccount")
	flags.StringVar(&f.Audience, "expect-audience", "", "an audience that aud of each token must name")
	flags.IntVar(&f.Parallel, "parallel", gate.DefaultParallel, "how many keys are looked at side by side")
	flags.StringVar(&f.junit, "junit", "", "write a JUnit report to this file: a suite for each key, a case for each check")
	flags.StringVar(&f.json, "json", "", "write the events as JSON lines to this file")
	flags.BoolVar(&f.github, "github", false, "annotate the job of GitHub Actions, and add the table to its summary")
	return cmd
}

func gateChecksHelp() string {
	var b strings.Builder
	b.WriteString("The checks of each key, in this order:\n\n")
	for _, c := range gate.Checks() {
		fmt.Fprintf(&b, "    %-12s %s\n", c.ID, c.Name)
	}
	return strings.TrimRight(b.String(), "\n")
}

func (f *gateFlags) check(g *global, args []string) error {
	switch {
	case g.verbose && g.quiet:
		return usage("--verbose and --quiet contradict each other")
	case !g.sandbox && len(g.faults) > 0:
		return usage("--fault needs --sandbox: only the sandbox misbehaves on request")
	case !g.sandbox && g.sandboxConfig != "":
		return usage("--sandbox-config needs --sandbox")
	case len(args) == 0 && g.env == "" && !g.sandbox:
		return usage("gate wants a KEY: a file, a folder, -, env:NAME or cf:INSTANCE/KEY; or the credentials of an environment (-e), or --sandbox")
	case slices.Contains(args, ""):
		return usage("a KEY is empty: is a variable of the shell not set? want a file, a folder, -, env:NAME or cf:INSTANCE/KEY")
	case slices.Contains(args, fromEnv):
		return usage("KEY env: names no variable; want env:NAME")
	case f.Parallel < 1:
		return usage("--parallel %d: at least 1 is wanted", f.Parallel)
	case f.MinDays < 0:
		return usage("--min-days %d: at least 0 is wanted", f.MinDays)
	case f.MinLifetime < 0:
		return usage("--min-lifetime %s: a time that passes is wanted", f.MinLifetime)
	case f.ProbeLenient && f.Probe == "":
		return usage("--probe-lenient needs --probe")
	}
	for _, s := range f.Scopes {
		if strings.TrimSpace(s) != s || s == "" || strings.ContainsAny(s, ", \t") {
			return usage("--scope %q: one scope is wanted, such as ESBMessaging.send; repeat the flag for more", s)
		}
	}
	if err := f.reportFlags().distinct(args); err != nil {
		return err
	}
	return f.spare(args)
}

// reportFlags are those of a run that writes the same reports.
func (f *gateFlags) reportFlags() *runFlags {
	return &runFlags{junit: f.junit, json: f.json, junitPlaces: "auto", github: f.github}
}

// spare keeps reports from being written over a service key or a private key,
// wherever that was named, and from lying where they would be taken for keys.
func (f *gateFlags) spare(args []string) error {
	for _, o := range []output{{"--junit", f.junit}, {"--json", f.json}} {
		if o.path == "" {
			continue
		}
		if holdsKey(o.path) {
			return usage("%s %s: a key is there, and it would be lost", o.flag, o.path)
		}
		for _, folder := range args {
			if info, err := os.Stat(folder); err == nil && info.IsDir() && isKeyFile(o.path) && samePlace(filepath.Dir(o.path), folder) {
				return usage("%s %s lies in a folder of keys, and would be taken for one the next time; name another folder", o.flag, o.path)
			}
		}
	}
	return nil
}

// samePlace reports whether two paths lead to one folder.
func samePlace(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}

// holdsKey reports whether a file is a service key, or begins as PEM does.
func holdsKey(file string) bool {
	info, err := os.Stat(file)
	if err != nil {
		return false
	}
	data, err := readFile(file, info, maxKeyFile)
	if err != nil {
		return false
	}
	if strings.HasPrefix(strings.TrimSpace(string(data)), "-----BEGIN ") {
		return true
	}
	_, err = servicekey.Parse("report", data)
	return err == nil
}

// gateKeys looks at service keys.
func (p *program) gateKeys(ctx context.Context, g *global, f *gateFlags, args []string) error {
	if err := f.check(g, args); err != nil {
		return err
	}
	s, err := p.resolve(g)
	if err != nil {
		return err
	}
	found := &gateSources{p: p, g: g, s: s}
	defer found.close()
	if err := found.collect(ctx, args); err != nil {
		return err
	}
	o := f.Options
	o.Version, o.Environment, o.HTTP = version(), found.environment, found.http
	o.Redactor, o.Log = p.redactor, s.log
	if p.unredacted {
		o.Redactor = nil
	}
	keys, err := gate.New(o, found.inputs)
	if err != nil {
		return usage("%s", err)
	}
	defer keys.Close()
	reports, err := p.openGateReports(g, f)
	if err != nil {
		return err
	}
	started := time.Now()
	result := keys.Run(ctx, reports.events)
	reports.close()
	return p.gated(g, f, reports, &result, time.Since(started))
}

// openGateReports opens the reports before the first request. What -q shows is
// no report.
func (p *program) openGateReports(g *global, f *gateFlags) (*reports, error) {
	if g.quiet {
		return p.openAnnotated(f.reportFlags(), false)
	}
	return p.openReports(g, f.reportFlags())
}

// gated prints the table and gives the status.
func (p *program) gated(g *global, f *gateFlags, r *reports, result *gate.Result, took time.Duration) error {
	status := result.Summary.ExitStatus
	var failed error
	if g.quiet {
		failed = gate.WriteLine(p.out, result, took)
	} else {
		failed = gate.WriteTable(p.out, result, p.color(g, p.out))
	}
	if file, ok := p.getenv("GITHUB_STEP_SUMMARY"); ok && file != "" && f.github {
		failed = errors.Join(failed, appendSummary(file, result))
	}
	for _, err := range []error{r.err, failed} {
		if err == nil {
			continue
		}
		p.warn(p.redactor.Text(oneMessage(err)))
		if status == runner.ExitOK {
			status = runner.ExitReport
		}
	}
	if status != runner.ExitOK {
		return &exitError{status: status}
	}
	return nil
}

// gateSources are the keys that a command line names, and the way to their
// servers.
type gateSources struct {
	p *program
	g *global
	s *settings

	environment string
	http        httpx.Options
	inputs      []gate.Input
	closers     []func()
	// What Cloud Foundry is reached with.
	suite   *scenarios.Suite
	target  *scenarios.Environment
	options runner.Options
}

func (k *gateSources) close() {
	for _, c := range k.closers {
		c()
	}
}

// collect reads every key. What is on this machine comes first: when it cannot
// be read, nobody is asked.
func (k *gateSources) collect(ctx context.Context, args []string) error {
	stored := k.stored(args)
	if err := k.read(ctx, args); err != nil {
		return err
	}
	access, err := k.access(ctx, len(args) == 0, len(stored) > 0)
	if err != nil {
		return err
	}
	k.http, k.environment = access.HTTP, access.Environment
	if len(args) == 0 && !k.g.sandbox {
		k.declared(access)
		if len(k.inputs) == 0 {
			return usage("the environment %s declares no credentials", k.g.env)
		}
	}
	if len(stored) > 0 {
		return k.platform(ctx, stored)
	}
	return nil
}

// read reads the KEYs that are on this machine. Standard input and pipes may
// wait for ever: a signal ends that.
func (k *gateSources) read(ctx context.Context, args []string) error {
	done := make(chan error, 1)
	go func() { done <- k.local(args) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return &exitError{status: runner.ExitInterrupted, message: "interrupted while the keys were read; nothing was sent"}
	}
}

// access reads the environment, and starts the sandbox where its keys are
// wanted.
func (k *gateSources) access(ctx context.Context, all, stored bool) (*runner.Access, error) {
	suite, environment, diags, err := scenarios.Load(nil, scenarios.LoadOptions{Root: k.g.root, Environment: k.g.env})
	if err != nil {
		return nil, err
	}
	o := runner.Options{
		Version: version(), Env: k.s.getenv, Vars: k.s.vars, Redactor: k.p.redactor, Unredacted: k.p.unredacted, Log: k.s.log,
	}
	var ca []byte
	if k.g.sandbox {
		environment = &scenarios.Environment{Name: "sandbox"}
		if all || stored {
			tenant, err := k.p.startSandbox(ctx, k.g)
			if err != nil {
				return nil, err
			}
			k.closers = append(k.closers, tenant.close)
			environment = tenant.environment
			if all {
				k.issued(tenant)
			}
			if ca, err = tenant.CA(); err != nil {
				return nil, &exitError{status: runner.ExitUnknown, message: "the sandbox has no authority: " + err.Error()}
			}
		}
		o.Sandbox = environment
	}
	k.suite, k.target, k.options = suite, environment, o
	access, more, err := runner.OpenAccess(suite, environment, o)
	if diags = append(diags, more...); len(diags) > 0 {
		k.p.diagnostics(diags, suite.Sources, k.p.color(k.g, k.p.err))
	}
	if access != nil && ca != nil {
		access.HTTP.CA = ca
	}
	return access, errors.Join(err, invalidEnvironment(diags))
}

// declared takes the credentials of the environment.
func (k *gateSources) declared(access *runner.Access) {
	for _, c := range access.Credentials {
		k.inputs = append(k.inputs, gate.Input{
			Name: c.Name, File: c.Pos.File, Line: c.Pos.Line, Column: c.Pos.Column, Document: c.Name,
			Key: c.Document, Written: c.Written, Password: c.Password, AuthStyle: c.AuthStyle, Scope: c.Scope, Params: c.Params,
		})
	}
}

// issued takes every key of the sandbox.
func (k *gateSources) issued(t *tenant) {
	for _, key := range t.Keys() {
		k.inputs = append(k.inputs, gate.Input{Name: k.unique(key.Name), Key: key.JSON})
	}
}

// unique gives a name that no other key has.
func (k *gateSources) unique(name string) string {
	taken := func(n string) bool {
		for _, in := range k.inputs {
			if in.Name == n {
				return true
			}
		}
		return false
	}
	out := name
	for i := 2; taken(out); i++ {
		out = fmt.Sprintf("%s (%d)", name, i)
	}
	return out
}

// appendSummary adds the table to the summary of a job of GitHub Actions.
func appendSummary(file string, result *gate.Result) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("the summary of the job, %s, cannot be written: %w", file, plain(err))
	}
	return errors.Join(gate.WriteSummary(f, result), f.Close())
}
