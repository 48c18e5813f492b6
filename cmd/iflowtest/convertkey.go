package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	conversion "iflowtest/internal/convert"
	"iflowtest/internal/diag"
	"iflowtest/internal/gate"
	"iflowtest/internal/servicekey"
	"iflowtest/runner"
)

// convertFlags are the flags of the command convert-key.
type convertFlags struct {
	to, name, out string
	secrets       bool
}

func (p *program) convertKeyCommand(g *global) *cobra.Command {
	f := &convertFlags{}
	forms := conversion.Forms()
	cmd := &cobra.Command{
		Use:   "convert-key KEY",
		Short: "write a service key as a BTP destination, a Postman environment or an environment file",
		Long: `Write a service key in the form that another tool imports. Nothing is sent but
what reading a KEY of Cloud Foundry takes.

KEY is a file, - for standard input, env:NAME for a variable of the environment,
or cf:INSTANCE/KEY for a key in the space of the environment (-e).

` + convertFormsHelp(forms) + `

Secrets are left out, and their places marked: ***(NAME.client-secret), or for an
environment file the variable that is to hold it. --with-secrets puts them in,
and needs --out: they go to a file, never to a terminal or a pipe. The file
appears whole or not at all, with mode 0600; one that is there is replaced, and
with it a mode that let others read it. A FILE that is no plain file (a link, a
device, a folder) is refused, and so is KEY itself.

The certificate of a key cannot stand in a destination or in an environment of
Postman: what is to be uploaded where is said on standard error.`,
		Example: `  iflowtest convert-key sender.json --name CPI_ORDERS > CPI_ORDERS.properties
  iflowtest convert-key sender.json --to destination-json --with-secrets --out CPI_ORDERS.json
  iflowtest convert-key env:SENDER_KEY --to postman --name acme-dev --out acme-dev.postman_environment.json
  cf service-key my-instance my-key | iflowtest convert-key - --name sender --to environment --out environments/dev.yaml
  iflowtest convert-key cf:my-instance/my-key -e dev`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage("convert-key wants one KEY: a file, -, env:NAME or cf:INSTANCE/KEY")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return p.convertKey(cmd.Context(), g, f, args[0]) },
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.to, "to", string(forms[0].Target), "the form: "+strings.Join(formNames(forms), ", "))
	flags.StringVar(&f.name, "name", "", "name of the destination, the environment or the credential (default: that of KEY)")
	flags.StringVar(&f.out, "out", "", "write to this file, with mode 0600, instead of standard output")
	flags.BoolVar(&f.secrets, "with-secrets", false, "put the secrets in; needs --out")
	return cmd
}

func formNames(forms []conversion.Form) []string {
	var names []string
	for _, f := range forms {
		names = append(names, string(f.Target))
	}
	return names
}

func convertFormsHelp(forms []conversion.Form) string {
	var b strings.Builder
	b.WriteString("The forms (--to):\n")
	for _, f := range forms {
		fmt.Fprintf(&b, "  %-16s  %s\n", f.Target, f.Doc)
	}
	return strings.TrimRight(b.String(), "\n")
}

func (f *convertFlags) check(g *global, arg string) error {
	names := formNames(conversion.Forms())
	known := false
	for _, n := range names {
		known = known || n == f.to
	}
	switch {
	case g.verbose && g.quiet:
		return usage("--verbose and --quiet contradict each other")
	case !known:
		e := &exitError{status: runner.ExitUsage, message: fmt.Sprintf("--to %q is not one of %s", f.to, strings.Join(names, ", "))}
		if s := diag.Suggest(f.to, names); s != "" {
			e.message += fmt.Sprintf("; did you mean %q?", s)
		}
		return e
	case f.secrets && (f.out == "" || f.out == "-"):
		return usage("--with-secrets needs --out FILE: secrets go to a file that only you can read, never to a terminal or a pipe")
	case f.out == "-":
		return usage("--out wants a file; without it the result goes to standard output")
	}
	if f.name != "" {
		if err := conversion.CheckName(f.name); err != nil {
			return usage("--name: %s", err)
		}
	}
	return f.checkOut(arg)
}

// checkOut refuses a FILE that must not be replaced.
func (f *convertFlags) checkOut(arg string) error {
	if f.out == "" {
		return nil
	}
	info, err := os.Lstat(f.out)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return cannotWrite(f.out, err)
	case !info.Mode().IsRegular():
		return usage("--out %s: is not a plain file, but %s; name the file itself", f.out, modeWords(info.Mode()))
	}
	if key, err := os.Stat(arg); err == nil && os.SameFile(key, info) {
		return usage("--out %s: is the KEY itself, and would be replaced; name another file", f.out)
	}
	return nil
}

func modeWords(m fs.FileMode) string {
	switch {
	case m&fs.ModeSymlink != 0:
		return "a symbolic link"
	case m.IsDir():
		return "a folder"
	}
	return "a device or a pipe"
}

// convertKey writes a service key in another form.
func (p *program) convertKey(ctx context.Context, g *global, f *convertFlags, arg string) error {
	if err := f.check(g, arg); err != nil {
		return err
	}
	s, err := p.resolve(g)
	if err != nil {
		return err
	}
	found := &gateSources{p: p, g: g, s: s}
	defer found.close()
	if err := found.one(ctx, arg); err != nil {
		return err
	}
	key, err := p.readConverted(f, arg, found.inputs[0])
	if err != nil {
		return err
	}
	document, err := conversion.Key(conversion.Target(f.to), key, conversion.Options{Name: f.name, Secrets: f.secrets})
	if err != nil {
		return &exitError{status: runner.ExitInvalid, message: p.redactor.Text(fmt.Sprintf("%s: %s", found.inputs[0].File, err))}
	}
	if err := p.writeConverted(f, document); err != nil {
		return err
	}
	if !g.quiet {
		for _, n := range document.Notes {
			p.warn(p.redactor.Text("note: " + n))
		}
	}
	return nil
}

// one reads a single KEY.
func (k *gateSources) one(ctx context.Context, arg string) error {
	if info, err := os.Stat(arg); err == nil && info.IsDir() {
		return usage("KEY %s: is a folder; convert-key wants one key", arg)
	}
	args := []string{arg}
	if len(k.stored(args)) == 0 {
		return k.read(ctx, args)
	}
	return k.collect(ctx, args)
}

// readConverted reads the key, and tells the redactor its secrets.
func (p *program) readConverted(f *convertFlags, arg string, in gate.Input) (*servicekey.Key, error) {
	if in.Unread != nil {
		return nil, p.platformProblem(in.Unread)
	}
	if f.name == "" {
		name := in.Name
		if strings.HasPrefix(arg, fromCF) {
			name = arg[strings.LastIndexByte(arg, '/')+1:]
		}
		f.name = conversion.Name(name)
	}
	key, err := servicekey.Parse(f.name, in.Key)
	if err == nil {
		for _, s := range key.Secrets {
			p.redactor.Add(s.Name(), s.Reveal())
		}
		return key, nil
	}
	e := &exitError{status: runner.ExitInvalid, message: in.File + ": " + err.Error()}
	if wrong, ok := errors.AsType[*servicekey.Error](err); ok && len(wrong.Problems) > 0 {
		place := ""
		if wrong.Line > 0 {
			place = fmt.Sprintf("%d:%d: ", wrong.Line, wrong.Column)
			e.message = in.File + ":"
		} else {
			e.message = in.File + ": "
		}
		e.message += place + "the service key " + wrong.Problems[0]
		e.hints = wrong.Problems[1:]
	}
	e.message = p.redactor.Text(e.message)
	return nil, e
}

// writeConverted writes the result. What is to hold no secret is looked
// through once more: a key may hold one where nobody expects it.
func (p *program) writeConverted(f *convertFlags, d conversion.Document) error {
	text := d.Text
	if !f.secrets && !p.unredacted {
		text = []byte(p.redactor.String(string(text)))
	}
	if f.out == "" {
		if _, err := p.out.Write(text); err != nil {
			return &exitError{status: runner.ExitReport, message: fmt.Sprintf("the result could not be written: %s", plain(err))}
		}
		return nil
	}
	if info, err := os.Lstat(f.out); err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		p.warn(p.redactor.Text(fmt.Sprintf("%s had mode %04o; it is replaced by a file with mode 0600", f.out, info.Mode().Perm())))
	}
	if err := replacePrivate(f.out, text); err != nil {
		return cannotWrite(f.out, err)
	}
	return nil
}

// replacePrivate writes a file with mode 0600 that is there whole or not at
// all. What had the name is replaced, not written into: whoever holds it open,
// or another name of it, sees nothing.
func replacePrivate(file string, data []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(file), ".iflowtest-*") // 0600
	if err != nil {
		return err
	}
	_, err = tmp.Write(data)
	if err == nil {
		err = tmp.Sync()
	}
	err = errors.Join(err, tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	return nil
}
