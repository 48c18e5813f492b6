// Command iflowtest runs declarative tests of SAP Integration Suite (Cloud
// Integration): YAML scenarios in, JUnit and other reports out.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"iflowtest/internal/diag"
	"iflowtest/internal/secret"
	"iflowtest/runner"
	"iflowtest/scenarios"
)

func main() {
	// A reader of standard output that goes away must not end the cleanup: the
	// write fails instead, and is told as such.
	signal.Ignore(syscall.SIGPIPE)
	ctx, second, stop := untilSignal(context.Background(), os.Exit, os.Stderr)
	p := &program{
		in: os.Stdin, out: os.Stdout, err: os.Stderr,
		environ: os.Environ(), redactor: secret.NewRedactor(), second: second,
	}
	status := p.run(ctx, os.Args[1:])
	stop()
	os.Exit(status)
}

// hardStop is how long the program has after a second signal to write its
// reports and to name what is left behind.
const hardStop = time.Second

// untilSignal gives a context that the first SIGINT or SIGTERM cancels with
// the cause [runner.Interrupted]. A second signal of the same kind closes
// second: all cleanup ends as not done. When that has not brought the program
// to its end within [hardStop], or at a further signal, exit ends it. CI agents
// send SIGINT and some seconds later SIGTERM, which is not a second wish.
func untilSignal(parent context.Context, exit func(status int), log io.Writer) (ctx context.Context, second <-chan struct{}, stop func()) {
	ctx, cancel := context.WithCancelCause(parent)
	again := make(chan struct{})
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	ended := make(chan struct{})
	go heed(signals, ended, func() { cancel(runner.Interrupted()) }, func() { close(again) }, func() {
		fmt.Fprintln(log, "iflowtest: ended before the reports were complete; iflowtest cleanup removes what a run has left behind")
		exit(runner.ExitInterrupted)
	})
	return ctx, again, func() {
		signal.Stop(signals)
		close(ended)
		cancel(nil)
	}
}

// heed calls first for the first signal of a kind, second for one of a kind that
// was there before, and last for one after that, or when [hardStop] has passed,
// unless ended was closed until then.
func heed(signals <-chan os.Signal, ended <-chan struct{}, first, second, last func()) {
	seen := map[os.Signal]bool{}
	for {
		select {
		case s := <-signals:
			if seen[s] {
				second()
				select {
				case <-signals:
				case <-time.After(hardStop):
				case <-ended:
					return
				}
				last()
				return
			}
			seen[s] = true
			first()
		case <-ended:
			return
		}
	}
}

// program is what the commands share: the outside world, and the redactor
// that everything printed passes.
type program struct {
	in       io.Reader
	out, err io.Writer
	environ  []string
	redactor *secret.Redactor
	// second is closed when what is under way is to end at once; nil: never.
	second <-chan struct{}
	// unredacted shows every secret, for the test that proves what is hidden.
	unredacted bool
}

// exitError ends the program with a status. What is to be said has been said
// when its message is empty.
type exitError struct {
	status  int
	message string
	hints   []string
	// diags are what makes the files invalid; they have been printed.
	diags diag.List
}

// Error gives the message.
func (e *exitError) Error() string { return e.message }

// usage is wrong usage of the command line.
func usage(format string, args ...any) error {
	return &exitError{status: runner.ExitUsage, message: fmt.Sprintf(format, args...)}
}

// run runs one command line and gives its exit status. What goes to standard
// error passes the redactor.
func (p *program) run(ctx context.Context, args []string) int {
	for _, kv := range p.environ {
		if k, v, ok := strings.Cut(kv, "="); ok {
			p.learn(k, v)
		}
	}
	gated := p.redactor.Writer(p.err)
	p.err = gated
	defer func() { _ = gated.Flush() }() // nowhere left to complain to
	root := p.rootCommand()
	root.SetArgs(args)
	root.SetIn(p.in)
	root.SetOut(p.out)
	root.SetErr(p.err)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return runner.ExitOK
	}
	e := asExit(err)
	if e.message != "" {
		fmt.Fprintf(p.err, "iflowtest: %s\n", e.message)
		for _, h := range e.hints {
			fmt.Fprintf(p.err, "   = %s\n", h)
		}
	}
	return e.status
}

// asExit gives the exit status and the message of any error of a command.
func asExit(err error) *exitError {
	if e, ok := errors.AsType[*exitError](err); ok {
		return e
	}
	if e, ok := errors.AsType[*scenarios.UsageError](err); ok {
		return &exitError{status: runner.ExitUsage, message: e.Message, hints: e.Hints}
	}
	if e, ok := errors.AsType[*runner.UsageError](err); ok {
		return &exitError{status: runner.ExitUsage, message: e.Message}
	}
	if e, ok := errors.AsType[*os.PathError](err); ok {
		return &exitError{status: runner.ExitReport, message: fmt.Sprintf("%s cannot be written: %s", e.Path, e.Err)}
	}
	// What is left comes from cobra: an unknown command or flag, a wrong
	// number of arguments.
	message, rest, _ := strings.Cut(err.Error(), "\n")
	e := &exitError{status: runner.ExitUsage, message: message}
	if names := strings.Fields(strings.TrimPrefix(strings.TrimSpace(rest), "Did you mean this?")); len(names) > 0 {
		e.hints = append(e.hints, "did you mean "+strings.Join(names, " or ")+"?")
	}
	return e
}

// diagnostics prints diagnostics to standard error.
func (p *program) diagnostics(l diag.List, src diag.Sources, color bool) {
	_ = diag.Print(p.err, l, src, diag.Style{Color: color}) // nowhere left to complain to
}
