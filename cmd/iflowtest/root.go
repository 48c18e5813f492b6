package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"iflowtest/internal/diag"
	"iflowtest/runner"
)

// global holds the flags that every command has.
type global struct {
	env           string
	envFiles      []string
	vars          []string
	root          string
	sandbox       bool
	sandboxConfig string
	faults        []string
	color         string
	verbose       bool
	quiet         bool
}

// noFallback are the flags that only the command line sets.
func noFallback(flag string) bool {
	switch flag {
	case "help", "version", "update-expected", "allow-empty":
		return true
	}
	return false
}

func (p *program) rootCommand() *cobra.Command {
	g := &global{}
	root := &cobra.Command{
		Use:   "iflowtest",
		Short: "run declarative tests of SAP Integration Suite (Cloud Integration)",
		Long: `iflowtest runs declarative tests of SAP Integration Suite (Cloud Integration):
YAML scenarios acquire OAuth tokens, call integration flows and assert on the
answers; the result is a console report, JUnit XML and JSON lines.

It carries a sandbox tenant, so everything can be tried without an account:

  iflowtest run --sandbox scenarios --junit out/TEST-all.xml

Every flag can also be set as IFLOWTEST_<FLAG> in the environment, such as
IFLOWTEST_ENV=dev; the command line wins.

` + exitHelp(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if err := p.fallbacks(cmd.Flags()); err != nil {
				return err
			}
			switch g.color {
			case "auto", "always", "never":
				return nil
			}
			return usage("--color %q is not one of auto, always, never", g.color)
		},
	}
	f := root.PersistentFlags()
	f.SortFlags = false
	f.StringVarP(&g.env, "env", "e", "", "environment: a file, or NAME for environments/NAME.yaml")
	f.StringArrayVar(&g.envFiles, "env-file", nil, "dotenv file laid over the process environment (may be repeated)")
	f.StringArrayVar(&g.vars, "var", nil, "name=value: a variable that wins over all others (may be repeated)")
	f.StringVar(&g.root, "root", "", "project folder; payload files are read below it only (default: the nearest folder with environments/ or .git)")
	f.BoolVar(&g.sandbox, "sandbox", false, "use a sandbox tenant on loopback; nothing leaves this machine")
	f.StringVar(&g.sandboxConfig, "sandbox-config", "", "YAML file with flows and faults of one's own for the sandbox")
	f.StringArrayVar(&g.faults, "fault", nil, "let the sandbox misbehave, e.g. runtime-503:path=/http/orders,count=2 (may be repeated)")
	f.StringVar(&g.color, "color", "auto", "auto, always or never; NO_COLOR is honoured")
	f.BoolVarP(&g.verbose, "verbose", "v", false, "show every step, and a log on standard error")
	f.BoolVarP(&g.quiet, "quiet", "q", false, "show failures and the result only")
	root.SetFlagErrorFunc(flagError)
	root.CompletionOptions.HiddenDefaultCmd = false
	root.AddCommand(
		p.runCommand(g),
		p.gateCommand(g),
		p.keysCommand(g),
		p.convertKeyCommand(g),
		p.validateCommand(g),
		p.reportCommand(g),
		p.planCommand(g),
		p.cleanupCommand(g),
		p.sandboxCommand(g),
		p.schemaCommand(),
		p.docsCommand(),
		p.versionCommand(),
	)
	return root
}

func exitHelp() string {
	var b strings.Builder
	b.WriteString("Exit status:\n")
	for _, e := range runner.Exits() {
		fmt.Fprintf(&b, "  %3d  %s\n", e.Status, e.Doc)
	}
	return strings.TrimRight(b.String(), "\n")
}

func unknownCommand(cmd *cobra.Command, name string) error {
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	e := &exitError{status: runner.ExitUsage, message: fmt.Sprintf("unknown command %q", name)}
	if s := diag.Suggest(name, names); s != "" {
		e.message += fmt.Sprintf("; did you mean %q?", s)
	} else {
		e.hints = []string{"the commands are " + strings.Join(names, ", ")}
	}
	return e
}

// flagError says what is wrong with a flag, and proposes the nearest one.
func flagError(cmd *cobra.Command, err error) error {
	e := &exitError{status: runner.ExitUsage, message: err.Error()}
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		name := unknown.GetSpecifiedName()
		dashes := "--"
		if unknown.GetSpecifiedShortnames() != "" {
			dashes = "-"
		}
		e.message = fmt.Sprintf("unknown flag %s%s", dashes, name)
		if s := diag.Suggest(name, names); s != "" && len(name) > 1 {
			e.message += fmt.Sprintf("; did you mean --%s?", s)
		}
	}
	if invalid, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		e.message = fmt.Sprintf("--%s %q: want %s", invalid.GetFlag().Name, invalid.GetValue(), wanted(invalid.GetFlag()))
	}
	e.hints = []string{fmt.Sprintf("%s --help shows all flags", cmd.CommandPath())}
	return e
}

// wanted says what values a flag takes.
func wanted(f *pflag.Flag) string {
	switch f.Value.Type() {
	case "duration":
		return "a duration such as 90s or 5m"
	case "int", "int64":
		return "a whole number"
	case "bool":
		return "true or false"
	}
	return "text"
}

// fallbacks sets flags that the command line leaves alone from
// IFLOWTEST_<FLAG>; a flag that may be repeated takes one value a line.
func (p *program) fallbacks(flags *pflag.FlagSet) error {
	var err error
	flags.VisitAll(func(f *pflag.Flag) {
		name := "IFLOWTEST_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		value, ok := p.getenv(name)
		if err != nil || f.Changed || !ok || value == "" || noFallback(f.Name) {
			return
		}
		values := []string{value}
		if f.Value.Type() == "stringArray" {
			values = strings.Split(strings.TrimRight(value, "\n"), "\n")
		}
		for _, v := range values {
			if e := flags.Set(f.Name, v); e != nil {
				err = usage("%s: %q is not a value of --%s: want %s", name, v, f.Name, wanted(f))
			}
		}
	})
	return err
}

// getenv looks a variable of the process environment up.
func (p *program) getenv(name string) (string, bool) {
	for i := len(p.environ) - 1; i >= 0; i-- {
		if k, v, ok := strings.Cut(p.environ[i], "="); ok && k == name {
			return v, true
		}
	}
	return "", false
}

// isTerminal reports whether w is a terminal that understands escape
// sequences.
func (p *program) isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return false
	}
	t, _ := p.getenv("TERM")
	return t != "dumb"
}

// color decides whether to colour what goes to w.
func (p *program) color(g *global, w io.Writer) bool {
	switch g.color {
	case "always":
		return true
	case "never":
		return false
	}
	if no, _ := p.getenv("NO_COLOR"); no != "" {
		return false
	}
	return p.isTerminal(w)
}
