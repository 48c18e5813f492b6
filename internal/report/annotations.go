package report

import (
	"cmp"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"iflowtest/runner"
)

// Agent is what runs a pipeline and reads commands in the output of its jobs.
// The zero Agent reads none.
type Agent string

// The agents.
const (
	// GitHub reads workflow commands: "::error file=…,line=…::message".
	GitHub Agent = "github"
	// GitLab folds the part of a log between two section markers.
	GitLab Agent = "gitlab"
	// Azure reads logging commands: "##vso[task.logissue type=error]message".
	Azure Agent = "azure"
)

// AnnotationOptions says what annotations are written, and where to.
type AnnotationOptions struct {
	// Out is what the agent reads, the standard output of a job.
	Out io.Writer
	// Agent is whose commands are written; none: only the Summary is.
	Agent Agent
	// Folder is the working folder as the repository sees it, with forward
	// slashes; empty when they are the same.
	Folder string
	// Sections folds the lines of the scenarios, where the agent can: what a
	// console writes between run-start and run-end.
	Sections bool
	// Summary takes the Markdown of the job's summary; nil: none is written.
	Summary io.Writer
}

const (
	// shownAnnotations is how many errors, and how many warnings, are
	// annotated: GitHub shows ten of each for a step of a job.
	shownAnnotations = 10
	// shownRows bounds each table of the summary: it may hold 1 MiB.
	shownRows = 50
	// annotatedBytes bounds the message of an annotation.
	annotatedBytes = 4 << 10
)

// NewAnnotations gives a Reporter that shows what did not pass where the people
// of a pipeline look: at the lines of the files, and on the page of the job.
//
// Annotations are written at run-end, errors before warnings, each in the order
// of ScenarioID, the first ten of each: the same results give the same bytes,
// but for the times of sections. What is flaky is a warning. A Tee has it
// before the console, whose last line then is the last one of the log.
//
// An event becomes one command whatever its texts hold. On the console they
// are no commands either: the runner has taken the power from all of them.
func NewAnnotations(o AnnotationOptions) Reporter {
	return &annotations{options: o, units: map[unitKey]*annotatedUnit{}}
}

type annotations struct {
	options   AnnotationOptions
	units     map[unitKey]*annotatedUnit // running
	errors    issueList
	warnings  issueList
	slowest   []rankedStep
	scenarios runner.Counts
	steps     runner.Counts
	info      runner.RunInfo
	run       string
	folding   bool
	finished  bool
	first     time.Time
	last      time.Time
	fault     fault
}

// annotatedUnit is a scenario, or a row of one, that runs.
type annotatedUnit struct {
	start   runner.Event
	started bool
	issues  issueList
	counts  runner.Counts
	cause   string // what failed first before it was tried again
}

// issue is one annotation.
type issue struct {
	key          unitKey
	index        int
	file         string
	line, column int
	title        string
	lines        []string // the first alone is enough
}

func (i *issue) compare(o *issue) int {
	return cmp.Or(i.key.compare(o.key), cmp.Compare(i.index, o.index))
}

// issueList keeps the first issues and counts all of them.
type issueList struct {
	kept  []*issue
	total int
}

func (l *issueList) add(i *issue) {
	l.total++
	at, _ := slices.BinarySearchFunc(l.kept, i, (*issue).compare)
	for at < len(l.kept) && l.kept[at].compare(i) == 0 {
		at++
	}
	if at < shownRows {
		l.kept = slices.Insert(l.kept, at, i)
		l.kept = l.kept[:min(len(l.kept), shownRows)]
	}
}

// lead puts an issue before all others.
func (l *issueList) lead(i *issue) {
	l.kept = append([]*issue{i}, l.kept...)
	l.total++
}

// join adds the issues of another list.
func (l *issueList) join(m *issueList) {
	hidden := m.total - len(m.kept)
	for _, i := range m.kept {
		l.add(i)
	}
	l.total += hidden
}

func (a *annotations) Event(e *runner.Event) error {
	if a.fault.err != nil || a.finished {
		return a.fault.tell()
	}
	if a.first.IsZero() {
		a.first = e.Time
	}
	if e.Time.After(a.last) {
		a.last = e.Time
	}
	switch e.Event {
	case runner.RunStart:
		a.runStart(e)
	case runner.ScenarioStart:
		a.scenarioStart(e)
	case runner.Attempt:
		a.attempt(e)
	case runner.StepEnd:
		a.stepEnd(e)
	case runner.ScenarioEnd:
		a.scenarioEnd(e)
	case runner.RunEnd:
		a.finish(e)
	}
	return a.fault.tell()
}

// Close writes what there is when the run ended without saying so.
func (a *annotations) Close() error {
	if !a.finished {
		a.finish(nil)
	}
	return a.fault.tell()
}

func (a *annotations) runStart(e *runner.Event) {
	a.run = e.Run
	if e.Info != nil {
		a.info = copyInfo(e.Info)
	}
	if a.options.Sections {
		a.folding = true
		a.print(a.openSection(e.Time))
	}
}

func (a *annotations) unit(e *runner.Event) *annotatedUnit {
	key := keyOf(e)
	u := a.units[key]
	if u == nil {
		u = &annotatedUnit{start: scenarioOf(e)}
		a.units[key] = u
	}
	return u
}

// scenarioStart begins a scenario, or begins it again: its last run counts.
func (a *annotations) scenarioStart(e *runner.Event) {
	u := a.unit(e)
	if u.started {
		if len(u.issues.kept) > 0 {
			u.cause = cmp.Or(u.cause, u.issues.kept[0].lines[0])
		}
		u.issues, u.counts = issueList{}, runner.Counts{}
	}
	u.started, u.start = true, scenarioOf(e)
}

func (a *annotations) attempt(e *runner.Event) {
	if e.Outcome == runner.Pass {
		return
	}
	u := a.unit(e)
	u.cause = cmp.Or(u.cause, causeOf(e, oneLine(messageOf(e))))
}

func (a *annotations) stepEnd(e *runner.Event) {
	u := a.unit(e)
	tally(&u.counts, e)
	if e.Outcome != runner.Skip {
		a.slow(e)
	}
	if e.Outcome != runner.Pass && e.Outcome != runner.Skip {
		u.issues.add(issueOf(e))
	}
}

func (a *annotations) slow(e *runner.Event) {
	s := rankedStep{slowStep: slowStep{ms: e.DurationMs}, id: e.ScenarioID, index: e.Index}
	if len(a.slowest) == shownSlow && s.compare(a.slowest[shownSlow-1]) >= 0 {
		return
	}
	s.text = title(e)
	at, _ := slices.BinarySearchFunc(a.slowest, s, rankedStep.compare)
	a.slowest = slices.Insert(a.slowest, at, s)
	a.slowest = a.slowest[:min(len(a.slowest), shownSlow)]
}

func (a *annotations) scenarioEnd(e *runner.Event) {
	u := a.unit(e)
	bad := e.Outcome == runner.Fail || e.Outcome == runner.Error
	if e.Err != nil || bad && u.issues.total == 0 {
		whole := *e
		whole.Line, whole.Column = cmp.Or(e.Line, u.start.Line), cmp.Or(e.Column, u.start.Column)
		i := issueOf(&whole)
		i.index = lastIndex
		u.issues.add(i)
	}
	if e.Outcome == runner.Pass && (e.Flaky || u.counts.Flaky > 0) {
		a.warnings.add(&issue{
			key: keyOf(e), file: cmp.Or(e.File, u.start.File), line: u.start.Line, column: u.start.Column,
			title: "flaky: " + numberedTitle(e), lines: []string{cmp.Or(u.cause, "it passed only after it was tried again")},
		})
	}
	if u.started {
		tally(&a.scenarios, e)
	}
	add(&a.steps, u.counts)
	a.errors.join(&u.issues)
	delete(a.units, keyOf(e))
}

// lastIndex stands behind every step.
const lastIndex = 1 << 30

// issueOf gives the annotation of a step or scenario that did not pass, at the
// first place that is known.
func issueOf(e *runner.Event) *issue {
	i := &issue{key: keyOf(e), index: e.Index, file: e.File, line: e.Line, column: e.Column, title: title(e)}
	if e.Err != nil {
		i.say(e.Err.Message)
		i.say(e.Err.Cure)
	}
	for n, f := range e.Failures {
		if n == 0 && f.File != "" && e.Err == nil {
			i.file, i.line, i.column = f.File, f.Line, f.Column
		}
		i.say(f.Message)
		for _, note := range f.Notes {
			i.say(note)
		}
	}
	if len(i.lines) == 0 {
		i.say(messageOf(e))
	}
	for _, note := range exchangeNotes(e) {
		i.say(note)
	}
	return i
}

func (i *issue) say(text string) {
	if text != "" && len(i.lines) < shownRows {
		i.lines = append(i.lines, cut(oneLine(text), annotatedBytes, 0))
	}
}

// text gives the whole message.
func (i *issue) text() string { return cut(strings.Join(i.lines, "\n"), annotatedBytes, 0) }

// finish writes what was found; e is run-end, nil when none came.
func (a *annotations) finish(e *runner.Event) {
	a.finished = true
	a.endUnits()
	if a.folding {
		a.print(a.closeSection(a.last))
	}
	sum, ms := a.summaryOf(e)
	a.print(a.issueText(sum))
	if a.options.Summary != nil && a.fault.err == nil {
		_, err := io.WriteString(a.options.Summary, a.markdown(sum, ms))
		a.set(err)
	}
}

// endUnits ends what never said that it ended.
func (a *annotations) endUnits() {
	var keys []unitKey
	for k := range a.units {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, unitKey.compare)
	for _, k := range keys {
		u := a.units[k]
		a.scenarioEnd(unended(&u.start, u.started, false, worst(u.counts.Passed, u.counts.Failed, u.counts.Errors), a.last))
	}
}

func (a *annotations) summaryOf(e *runner.Event) (sum *runner.Summary, ms float64) {
	switch {
	case e == nil:
		return &runner.Summary{
			Scenarios: a.scenarios, Steps: a.steps, ExitStatus: -1, ExitReason: "the run ended before it was complete",
		}, float64(a.last.Sub(a.first)) / float64(time.Millisecond)
	case e.Summary == nil:
		return &runner.Summary{Scenarios: a.scenarios, Steps: a.steps}, e.DurationMs
	}
	return e.Summary, e.DurationMs
}

func (a *annotations) print(text string) {
	if text == "" || a.fault.err != nil {
		return
	}
	_, err := io.WriteString(a.options.Out, text)
	a.set(err)
}

func (a *annotations) set(err error) {
	if err != nil {
		a.fault.set(err)
	}
}

// issueText gives the commands of all issues.
func (a *annotations) issueText(sum *runner.Summary) string {
	if a.options.Agent != GitHub && a.options.Agent != Azure {
		return ""
	}
	var b strings.Builder
	errors, warnings := a.errors, a.warnings
	if left := leftBehind(sum); left != nil && sum.ExitStatus == runner.ExitOK {
		warnings.lead(left) // it was to be kept
	} else if left != nil {
		errors.lead(left)
	}
	a.writeIssues(&b, "error", &errors)
	a.writeIssues(&b, "warning", &warnings)
	return b.String()
}

// writeIssues writes the first issues. When there are more than are shown, the
// last of those that are shown says so.
func (a *annotations) writeIssues(b *strings.Builder, level string, l *issueList) {
	for n, i := range l.kept[:min(len(l.kept), shownAnnotations)] {
		text := i.text()
		if hidden := l.total - shownAnnotations; hidden > 0 && n == shownAnnotations-1 {
			text += "\n(and " + plural(hidden, "more "+level) + ", in the log and in the reports)"
		}
		b.WriteString(a.command(level, i, text))
	}
}

// leftBehind is the issue of what was created and not removed; nil without.
func leftBehind(sum *runner.Summary) *issue {
	if len(sum.LeftBehind) == 0 {
		return nil
	}
	i := &issue{title: plural(len(sum.LeftBehind), "resource") + " left behind"}
	i.say(strings.Join(sum.LeftBehind, ", "))
	if sum.CleanupCommand != "" {
		i.say("remove with: " + sum.CleanupCommand)
	}
	return i
}

// command gives the line that tells the agent of an issue.
func (a *annotations) command(level string, i *issue, text string) string {
	file := i.file
	if file != "" && a.options.Folder != "" && !strings.HasPrefix(file, "/") {
		file = a.options.Folder + "/" + file
	}
	if a.options.Agent == GitHub {
		return gitHubCommand(level, [][2]string{
			{"file", file}, {"line", number(i.line)}, {"col", number(i.column)}, {"title", i.title},
		}, text)
	}
	// A title is not among the properties of Azure.
	return azureCommand("task.logissue", [][2]string{
		{"type", level}, {"sourcepath", file}, {"linenumber", number(i.line)}, {"columnnumber", number(i.column)},
	}, i.title+": "+text)
}

// number gives a line or column; empty when it is not known.
func number(n int) string {
	if n <= 0 {
		return ""
	}
	return strconv.Itoa(n)
}
