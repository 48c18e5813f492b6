package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"iflowtest/internal/diag"
	"iflowtest/internal/report"
	"iflowtest/runner"
	"iflowtest/scenarios"
)

// runFlags are the flags of the command run.
type runFlags struct {
	selectionFlags
	parallel    int
	retries     int
	rate        float64
	keep        string
	journal     string
	bail        bool
	timeout     time.Duration
	junit       string
	junitPlaces string
	json        string
	html        string
	github      bool
	noProgress  bool
	update      bool
}

func (p *program) runCommand(g *global) *cobra.Command {
	f := &runFlags{}
	cmd := &cobra.Command{
		Use:   "run [PATH…]",
		Short: "run scenarios and report",
		Long: `Run the scenarios of files and folders, scenarios/ without a PATH. FILE.yaml:LINE
runs the scenario at that line. Everything wrong in the files is told before the
first request is sent.`,
		Example: `  iflowtest run --sandbox scenarios --junit out/TEST-all.xml
  iflowtest run -e dev --tags 'smoke && !slow' --parallel 8
  iflowtest run -e dev scenarios/orders.yaml:14 -v`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.runScenarios(cmd.Context(), g, f, args)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	f.selectionFlags.add(flags)
	flags.IntVar(&f.parallel, "parallel", min(32, 4*runtime.NumCPU()), "how many scenarios run at the same time")
	flags.BoolVar(&f.bail, "bail", false, "stop after the first scenario that does not pass")
	flags.DurationVar(&f.timeout, "timeout", 0, "limit of the whole run, e.g. 10m; cleanup is not counted (default none)")
	flags.IntVar(&f.retries, "retry", 0, "run a scenario that does not pass again, up to this many times; it is flaky when it then passes")
	flags.Float64Var(&f.rate, "rate", 0, "most requests per second to one host (default: limits of the environment, or none)")
	flags.StringVar(&f.keep, "keep", "", "never, on-failure or always: when what steps create stays, whatever they say (default: as each step says)")
	flags.StringVar(&f.journal, "journal", "", journalHelp)
	flags.StringVar(&f.junit, "junit", "", "write a JUnit report to this file")
	flags.StringVar(&f.junitPlaces, "junit-places", "auto", "put file and line on test cases: auto, always or never; auto is on in GitLab CI and GitHub Actions")
	flags.StringVar(&f.json, "json", "", "write the events as JSON lines to this file")
	flags.StringVar(&f.html, "html", "", "write an HTML report to this file: one page that needs no network")
	flags.BoolVar(&f.github, "github", false, "annotate the job of GitHub Actions, and add counts, failures and what was slow to its summary; in GitLab CI and Azure Pipelines the log has their sections and issues without a flag")
	flags.BoolVar(&f.update, "update-expected", false, "write the files of matches-file anew where an answer differs from them; never a secret, nor the payloads of two steps into one file")
	flags.BoolVar(&f.noProgress, "no-progress", false, "no live lines on a terminal")
	return cmd
}

func (f *runFlags) check(g *global, paths []string) error {
	switch {
	case g.verbose && g.quiet:
		return usage("--verbose and --quiet contradict each other")
	case !g.sandbox && len(g.faults) > 0:
		return usage("--fault needs --sandbox: only the sandbox misbehaves on request")
	case !g.sandbox && g.sandboxConfig != "":
		return usage("--sandbox-config needs --sandbox")
	case !slices.Contains([]string{"", "never", "on-failure", "always"}, f.keep):
		return usage("--keep %q is not one of never, on-failure, always", f.keep)
	case f.retries < 0:
		return usage("--retry %d: at least 0 is wanted", f.retries)
	case !(f.rate >= 0) || math.IsInf(f.rate, 0):
		return usage("--rate %g: a number of requests per second is wanted", f.rate)
	}
	if err := f.distinct(paths); err != nil {
		return err
	}
	if f.parallel < 1 {
		return usage("--parallel %d: at least 1 is wanted", f.parallel)
	}
	if f.timeout < 0 {
		return usage("--timeout %s: a time that passes is wanted", f.timeout)
	}
	switch f.junitPlaces {
	case "auto", "always", "never":
		return nil
	}
	return usage("--junit-places %q is not one of auto, always, never", f.junitPlaces)
}

// distinct reports two reports that would be written to one file, and one that
// would be written over what the run reads.
func (f *runFlags) distinct(paths []string) error {
	outputs := []output{{"--junit", f.junit}, {"--json", f.json}, {"--html", f.html}}
	inputs := []output{{"--data", f.data}}
	for _, path := range f.rerunFailed {
		inputs = append(inputs, output{"--rerun-failed", path})
	}
	for _, path := range f.durations {
		inputs = append(inputs, output{"--durations", path})
	}
	for _, path := range paths {
		inputs = append(inputs, output{"PATH", path})
	}
	for i, o := range outputs {
		if o.path == "" {
			continue
		}
		for _, other := range outputs[:i] {
			if other.path != "" && sameFile(o.path, other.path) {
				return usage("%s and %s name the same file, %s", other.flag, o.flag, o.path)
			}
		}
		for _, in := range inputs {
			if in.path != "" && sameFile(o.path, in.path) {
				return usage("%s would be written over what %s names, %s", o.flag, in.flag, o.path)
			}
		}
		if ext := strings.ToLower(filepath.Ext(o.path)); ext == ".yaml" || ext == ".yml" {
			if _, err := os.Stat(o.path); err == nil {
				return usage("%s %s: a YAML file is there, and it would be lost", o.flag, o.path)
			}
		}
	}
	return nil
}

func (p *program) runScenarios(ctx context.Context, g *global, f *runFlags, paths []string) error {
	if err := f.check(g, paths); err != nil {
		return err
	}
	s, err := p.resolve(g)
	if err != nil {
		return err
	}
	o := runner.Options{Parallel: f.parallel, Bail: f.bail, Timeout: f.timeout, Retries: f.retries, Rate: f.rate, Keep: f.keep, Environment: g.env, JournalShown: f.journal, UpdateExpected: f.update, Stop: p.second}
	// A tenant that dies with the run takes all with it.
	if !g.sandbox || f.journal != "" {
		if o.Journal, err = p.journalFolder(f.journal); err != nil {
			return err
		}
	}
	if err := p.selection(&f.selectionFlags, &o); err != nil {
		return err
	}
	plan, err := p.compile(ctx, g, s, paths, o)
	if err != nil {
		if e, ok := errors.AsType[*exitError](err); ok && len(e.diags) > 0 {
			return errors.Join(err, p.reportWithout(f, e))
		}
		return err
	}
	defer plan.close()
	p.lost(plan)
	if plan.Len() == 0 {
		return p.empty(plan, f)
	}
	reports, err := p.openReports(g, f)
	if err != nil {
		return err
	}
	summary, err := plan.Run(ctx, reports.events)
	reports.close()
	if err != nil {
		return &exitError{status: runner.ExitUnknown, message: err.Error()}
	}
	status := summary.ExitStatus
	if reports.err != nil {
		fmt.Fprintf(p.err, "iflowtest: %s\n", reports.err)
		if status == runner.ExitOK {
			status = runner.ExitReport
		}
	}
	if status != runner.ExitOK {
		return &exitError{status: status}
	}
	return nil
}

// empty is a run without a scenario.
func (p *program) empty(plan *compiled, f *runFlags) error {
	err := p.nothing(plan, f.allowEmpty)
	if e, ok := errors.AsType[*exitError](err); ok {
		return errors.Join(e, p.reportWithout(f, e))
	}
	return p.reportWithout(f, &exitError{message: emptiness(plan)})
}

// emptiness says why no scenario runs.
func emptiness(plan *compiled) string {
	if plan.loaded == 0 {
		return "no scenario there"
	}
	return "no scenario matches the selection"
}

// nothing is the error of a selection without a scenario; nil where that is
// allowed.
func (p *program) nothing(plan *compiled, allowed bool) error {
	message := emptiness(plan)
	if allowed {
		p.warn(message + " (allowed by --allow-empty)")
		return nil
	}
	e := &exitError{status: runner.ExitNoScenario, message: message}
	if plan.loaded > 0 {
		e.hints = []string{fmt.Sprintf("%d are there; look at --tags, --name, --rerun-failed, --shard and the PATH", plan.loaded)}
	}
	return e
}

// lost tells what a former run names and the files do not hold any more.
func (p *program) lost(plan *compiled) {
	for _, id := range plan.Lost() {
		name := id.Scenario
		if id.Row != "" {
			name = "[" + id.Row + "] " + name
		}
		p.warn(p.redactor.Text(fmt.Sprintf("%s: %s did not pass in the former run, and is not among what is there now", id.File, name)))
	}
}

// reportWithout writes the reports of a run that did not take place, so that
// those of a former run are not taken for its own: what is wrong with a file
// is an error of a suite of that name.
func (p *program) reportWithout(f *runFlags, e *exitError) error {
	r, err := p.openAnnotated(f, false)
	if err != nil {
		return err
	}
	now, id := time.Now().UTC(), runner.NewID()
	summary := &runner.Summary{ExitStatus: e.status, ExitReason: e.message}
	events := []*runner.Event{{Event: runner.RunStart, Info: &runner.RunInfo{Version: version()}}}
	byFile := map[string]diag.List{}
	for _, d := range e.diags.Sorted() {
		if d.Severity == diag.Error {
			byFile[d.Pos.File] = append(byFile[d.Pos.File], d)
		}
	}
	for i, file := range slices.Sorted(maps.Keys(byFile)) {
		first := byFile[file][0]
		problem := &runner.Problem{Type: runner.TypeInvalid, Message: p.redactor.Text(first.Message + "  [" + first.Code + "]")}
		if n := len(byFile[file]) - 1; n > 0 {
			problem.Cure = fmt.Sprintf("%s more in this file; iflowtest validate shows them all", count(n, "mistake"))
		}
		at := runner.Event{ScenarioID: i + 1, Scenario: p.redactor.Text(file), File: p.redactor.Text(file), Line: first.Pos.Line, Column: first.Pos.Column}
		start, step, end := at, at, at
		start.Event, step.Event, end.Event = runner.ScenarioStart, runner.StepEnd, runner.ScenarioEnd
		step.Step, step.Index, step.Outcome, step.Err = "is a valid file", 1, runner.Error, problem
		end.Outcome = runner.Error
		events = append(events, &start, &step, &end)
		summary.Scenarios.Total, summary.Scenarios.Errors = i+1, i+1
		summary.Steps.Total, summary.Steps.Errors = i+1, i+1
	}
	events = append(events, &runner.Event{Event: runner.RunEnd, Summary: summary})
	for _, event := range events {
		event.Time, event.Run = now, id
	}
	r.events(events)
	r.close()
	if r.err != nil {
		return &exitError{status: runner.ExitReport, message: r.err.Error()}
	}
	return nil
}

// compiled is a plan, how many scenarios were loaded, and the sandbox it may
// need.
type compiled struct {
	*runner.Plan
	loaded int
	close  func()
}

// compile loads and compiles the paths; everything that is wrong is printed.
func (p *program) compile(ctx context.Context, g *global, s *settings, paths []string, o runner.Options) (*compiled, error) {
	if len(paths) == 0 {
		paths = []string{"scenarios"}
	}
	defer smallHeap()()
	var kinds []string
	for _, k := range runner.Kinds() {
		kinds = append(kinds, k.Name)
	}
	suite, environment, diags, err := scenarios.Load(paths, scenarios.LoadOptions{Root: g.root, Environment: g.env, Kinds: kinds})
	if err != nil {
		return nil, err
	}
	o.Version = version()
	o.Env, o.Vars = s.getenv, s.vars
	o.Redactor, o.Unredacted, o.Log = p.redactor, p.unredacted, s.log
	out := &compiled{loaded: len(suite.Scenarios), close: func() {}}
	if g.sandbox {
		tenant, err := p.startSandbox(ctx, g)
		if err != nil {
			return nil, err
		}
		out.close = tenant.close
		o.Sandbox = tenant.environment
	}
	plan, more, err := runner.Compile(suite, environment, o)
	diags = append(diags, more...)
	if plan != nil {
		stop := out.close
		out.close = func() { _ = plan.Close(); stop() }
	}
	if len(diags) > 0 {
		p.diagnostics(diags, suite.Sources, p.color(g, p.err))
	}
	switch {
	case diags.HasErrors():
		out.close()
		return nil, &exitError{status: runner.ExitInvalid, message: invalid(diags), diags: diags}
	case err != nil:
		out.close()
		return nil, err
	}
	out.Plan = plan
	return out, nil
}

// smallHeap collects often while files are read and compiled, which leaves
// much garbage behind; the function that it gives lets the heap grow afterwards
// by what is in use then, or by a bound, whichever is less.
func smallHeap() (done func()) {
	const bound = 8 << 20
	debug.SetGCPercent(30)
	return func() {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		debug.SetGCPercent(int(max(30, min(400, 100*bound/max(m.HeapAlloc, 1)))))
	}
}

func invalid(l diag.List) string {
	if n := l.Errors(); n != 1 {
		return fmt.Sprintf("%d mistakes in the files; nothing was sent", n)
	}
	return "1 mistake in the files; nothing was sent"
}

// hostname names this machine in reports; empty when it has no name.
func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return ""
	}
	return name
}

// reports are the reporters of a run and the files they write to.
type reports struct {
	console report.Reporter
	// written are the reporters that write files; nil when they are closed.
	written report.Reporter
	files   []io.Closer
	// lines is what the JSON lines are written to; nil without --json.
	lines       *bufio.Writer
	flushFailed bool
	err         error
}

// openReports opens every report before the first request.
func (p *program) openReports(g *global, f *runFlags) (*reports, error) {
	r, err := p.openAnnotated(f, !g.quiet)
	if err != nil {
		return nil, err
	}
	terminal := p.isTerminal(p.out)
	width, height := terminalSize(p.out)
	var written []string
	for _, path := range []string{f.junit, f.json, f.html} {
		if path != "" {
			written = append(written, p.redactor.Text(path))
		}
	}
	r.console = report.Tee(r.console, report.NewConsole(report.ConsoleOptions{
		Out: p.out, Terminal: terminal, Progress: terminal && !f.noProgress, Color: p.color(g, p.out),
		Verbose: g.verbose, Quiet: g.quiet, Width: width, Height: height, Reports: written,
	}))
	return r, nil
}

// openAnnotated opens the reports that are files, and the annotations, which
// stand before what the console says.
func (p *program) openAnnotated(f *runFlags, sections bool) (*reports, error) {
	r, err := p.openFiles(f)
	if err != nil {
		return nil, err
	}
	annotations, err := p.annotations(f.github, sections)
	if err != nil {
		r.close()
		return nil, err
	}
	r.console = annotations
	return r, nil
}

// openFiles opens the reports that are files.
func (p *program) openFiles(f *runFlags) (*reports, error) {
	r := &reports{console: report.Tee()}
	var all []report.Reporter
	open := func(path string, make func(o *report.Output) (report.Reporter, error)) error {
		if path == "" {
			return nil
		}
		o, err := report.Create(path)
		if err == nil {
			r.files = append(r.files, o)
			var reporter report.Reporter
			if reporter, err = make(o); err == nil {
				all = append(all, reporter)
			}
		}
		if err != nil {
			return &exitError{status: runner.ExitReport, message: err.Error() + "; nothing was sent"}
		}
		return nil
	}
	err := errors.Join(
		open(f.junit, func(o *report.Output) (report.Reporter, error) {
			return report.NewJUnit(o, report.JUnitOptions{Places: p.junitPlaces(f.junitPlaces), Hostname: hostname()})
		}),
		open(f.json, func(o *report.Output) (report.Reporter, error) {
			r.lines = bufio.NewWriterSize(o, 32<<10)
			return report.NewJSONLines(r.lines), nil
		}),
		open(f.html, func(o *report.Output) (report.Reporter, error) {
			return report.NewHTML(o, report.HTMLOptions{})
		}),
	)
	if err != nil {
		r.close()
		return nil, err
	}
	r.written = report.Tee(all...)
	return r, nil
}

// events hands a batch to the reporters. The JSON lines are flushed behind it:
// who reads them along, or after a crash, finds what has happened. The files
// are complete before the console has the last word.
func (r *reports) events(batch []*runner.Event) {
	for _, e := range batch {
		if r.written != nil {
			r.note(r.written.Event(e))
		}
		if e.Event == runner.RunEnd {
			r.closeFiles()
			e = r.last(e)
		}
		r.note(r.console.Event(e))
	}
	r.flush()
}

// last gives the end of the run as it is now that the reports are written, or
// are not.
func (r *reports) last(e *runner.Event) *runner.Event {
	if r.err == nil || e.Summary == nil || e.Summary.ExitStatus != runner.ExitOK {
		return e
	}
	end, summary := *e, *e.Summary
	summary.ExitStatus, summary.ExitReason = runner.ExitReport, "a report could not be written"
	end.Summary = &summary
	return &end
}

// note keeps what went wrong with a report.
func (r *reports) note(err error) {
	if err != nil && (r.err == nil || !strings.Contains(r.err.Error(), err.Error())) {
		r.err = errors.Join(r.err, err)
	}
}

func (r *reports) flush() {
	if r.lines == nil || r.flushFailed {
		return
	}
	if err := r.lines.Flush(); err != nil {
		r.flushFailed = true
		r.note(err)
	}
}

// closeFiles completes and closes the files; closing twice does nothing.
func (r *reports) closeFiles() {
	if r.written == nil {
		return
	}
	r.note(r.written.Close())
	r.flush()
	for _, f := range r.files {
		r.note(f.Close())
	}
	r.written, r.files, r.lines = nil, nil, nil
}

// close ends every report.
func (r *reports) close() {
	r.closeFiles()
	r.note(r.console.Close())
	if r.err != nil {
		r.err = errors.New(strings.ReplaceAll(r.err.Error(), "\n", "; "))
	}
}
