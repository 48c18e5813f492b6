package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"iflowtest/internal/report"
	"iflowtest/runner"
)

// reportFlags are the flags of the command report.
type reportFlags struct {
	junit, junitPlaces, html, json string
}

func (p *program) reportCommand(g *global) *cobra.Command {
	f := &reportFlags{}
	cmd := &cobra.Command{
		Use:   "report FILE.jsonl…",
		Short: "render or merge recorded runs",
		Long: `Render runs that were recorded with run --json, without running anything again.
Several files become one report: the shards of a run, or a run and the repetition
of what failed in it. A scenario that stands in several files has the result of
the last one. A file that was cut off, as that of a run that was killed, is used
as far as it goes: what had not ended is reported as interrupted, and what the
run had not come to as skipped.

Without --junit, --html or --json the report goes to standard output as text.
The status of the recorded runs is its last line; the exit status of this command
says only whether it could render them.`,
		Example: `  iflowtest report out/run.jsonl
  iflowtest report out/run.jsonl --html out/report.html
  iflowtest report shard-*.jsonl --junit out/TEST-all.xml --html out/report.html
  iflowtest report run.jsonl rerun.jsonl --json out/merged.jsonl`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage("report wants the name of at least one file that run --json wrote")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.report(cmd.Context(), g, f, args)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.junit, "junit", "", "write a JUnit report to this file")
	flags.StringVar(&f.junitPlaces, "junit-places", "auto", "put file and line on test cases: auto, always or never; auto is on in GitLab CI and GitHub Actions")
	flags.StringVar(&f.html, "html", "", "write an HTML report to this file; it needs nothing else")
	flags.StringVar(&f.json, "json", "", "write the runs, merged, as JSON lines to this file")
	return cmd
}

// outputs gives the files that are written, by flag.
func (f *reportFlags) outputs() []output {
	return []output{{"--junit", f.junit}, {"--html", f.html}, {"--json", f.json}}
}

type output struct{ flag, path string }

func (f *reportFlags) check(g *global, inputs []string) error {
	if g.verbose && g.quiet {
		return usage("--verbose and --quiet contradict each other")
	}
	all := f.outputs()
	for i, o := range all {
		if o.path == "" {
			continue
		}
		for _, other := range all[:i] {
			if other.path != "" && sameFile(o.path, other.path) {
				return usage("%s and %s name the same file, %s", other.flag, o.flag, o.path)
			}
		}
		for _, in := range inputs {
			if sameFile(o.path, in) {
				return usage("%s %s is one of the files to read; it would be lost", o.flag, o.path)
			}
		}
	}
	switch f.junitPlaces {
	case "auto", "always", "never":
		return nil
	}
	return usage("--junit-places %q is not one of auto, always, never", f.junitPlaces)
}

// sameFile reports whether two names lead to one file. Devices are written as
// often as one likes.
func sameFile(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	if errX == nil && errY == nil {
		return x.Mode().IsRegular() && os.SameFile(x, y)
	}
	return filepath.Clean(a) == filepath.Clean(b)
}

// report renders recorded runs.
func (p *program) report(ctx context.Context, g *global, f *reportFlags, files []string) error {
	if err := f.check(g, files); err != nil {
		return err
	}
	recording, err := report.OpenRecording(files, report.RecordedOptions{
		Version: version(),
		Clean:   p.redactor.Text,
		Warn:    func(m string) { fmt.Fprintf(p.err, "iflowtest: %s\n", m) },
	})
	if err != nil {
		return p.notRecorded(err)
	}
	reporter, err := p.renderers(g, f)
	if err != nil {
		return &exitError{status: runner.ExitReport, message: oneMessage(err)}
	}
	// What fails while it is written is told once, by Event or by Close; the
	// others are completed all the same.
	var faults []error
	err = recording.Replay(func(e *runner.Event) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := reporter.Event(e); err != nil {
			faults = append(faults, err)
		}
		return nil
	})
	if fault := errors.Join(append(faults, reporter.Close())...); fault != nil {
		return &exitError{status: runner.ExitReport, message: oneMessage(fault)}
	}
	if errors.Is(err, runner.Interrupted()) {
		return &exitError{status: runner.ExitInterrupted, message: "interrupted; the reports are not complete"}
	}
	return p.notRecorded(err)
}

// notRecorded gives the exit status of what is wrong with the files.
func (p *program) notRecorded(err error) error {
	e, ok := errors.AsType[*report.RecordedError](err)
	if !ok {
		return err
	}
	status := runner.ExitInvalid
	if e.Absent {
		status = runner.ExitUsage
	}
	return &exitError{status: status, message: p.redactor.Text(e.Error())}
}

// openRendered gives the reporters that the flags ask for.
func (p *program) renderers(g *global, f *reportFlags) (report.Reporter, error) {
	var all []report.Reporter
	for _, o := range []struct {
		path string
		make func(o *report.Output) (report.Reporter, error)
	}{
		{f.junit, func(o *report.Output) (report.Reporter, error) {
			return report.NewJUnit(o, report.JUnitOptions{Places: p.junitPlaces(f.junitPlaces), Hostname: hostname()})
		}},
		{f.html, func(o *report.Output) (report.Reporter, error) { return report.NewHTML(o, report.HTMLOptions{}) }},
		{f.json, func(o *report.Output) (report.Reporter, error) { return newBufferedLines(o), nil }},
	} {
		if o.path == "" {
			continue
		}
		r, err := openRendered(o.path, o.make)
		if err != nil {
			return nil, errors.Join(err, report.Tee(all...).Close())
		}
		all = append(all, r)
	}
	if len(all) > 0 {
		return report.Tee(all...), nil
	}
	return report.NewConsole(report.ConsoleOptions{Out: p.out, Color: p.color(g, p.out), Verbose: g.verbose, Quiet: g.quiet}), nil
}

// openRendered opens a file and the reporter that writes to it.
func openRendered(path string, make func(o *report.Output) (report.Reporter, error)) (report.Reporter, error) {
	o, err := report.Create(path)
	if err != nil {
		return nil, err
	}
	r, err := make(o)
	if err != nil {
		return nil, errors.Join(err, o.Close())
	}
	return rendered{r, o}, nil
}

// junitPlaces decides whether test cases have file and line.
func (p *program) junitPlaces(mode string) bool {
	if mode != "auto" {
		return mode == "always"
	}
	gitlab, _ := p.getenv("GITLAB_CI")
	github, _ := p.getenv("GITHUB_ACTIONS")
	return cmp.Or(gitlab, github) != ""
}

// rendered is a reporter and the file that it writes.
type rendered struct {
	report.Reporter
	file *report.Output
}

// Close completes the report and closes its file.
func (r rendered) Close() error { return errors.Join(r.Reporter.Close(), r.file.Close()) }

// bufferedLines writes JSON lines of a run that is over: nobody waits for them.
type bufferedLines struct {
	report.Reporter
	out *bufio.Writer
}

func newBufferedLines(w io.Writer) report.Reporter {
	out := bufio.NewWriterSize(w, 64<<10)
	return bufferedLines{report.NewJSONLines(out), out}
}

// Close writes what is left.
func (b bufferedLines) Close() error { return errors.Join(b.Reporter.Close(), b.out.Flush()) }

// oneMessage gives what went wrong with several reports in one line, each once.
func oneMessage(err error) string {
	var lines []string
	for l := range strings.Lines(err.Error()) {
		if l = strings.TrimSpace(l); !slices.Contains(lines, l) {
			lines = append(lines, l)
		}
	}
	return strings.Join(lines, "; ")
}
