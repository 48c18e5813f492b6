package report

import (
	"cmp"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"iflowtest/runner"
)

// ConsoleOptions says where and how the console is written. The zero value
// but for Out gives plain lines.
type ConsoleOptions struct {
	Out io.Writer
	// Terminal is whether Out is a terminal; the caller knows.
	Terminal bool
	// Width and Height give the columns and rows of the terminal, asked each
	// time live lines are drawn; nil or 0: 80 and 24.
	Width, Height func() int
	// Color turns colours on; it is the only source of escape sequences but
	// for live lines.
	Color bool
	// Verbose prints every step, attempt and data row, and whole exchanges of
	// failures.
	Verbose bool
	// Quiet prints failures and the last line only.
	Quiet bool
	// Progress shows what is running in live lines, on a terminal and without
	// Quiet.
	Progress bool
	// Reports are the files that are written beside, for the summary. Where
	// there is one, the console shows the first hundred failures only.
	Reports []string
}

// NewConsole gives a Reporter for people.
//
// With live lines, scenarios are printed as they end. Without them they are
// printed in the order of ScenarioID, each as soon as those before it have
// ended: the same results give the same bytes, but for durations, whatever ran
// side by side. Of a scenario with data rows there is a line for each row that
// failed or was flaky (with Verbose, for each), and one for all of them.
// Failures stand at the end, in the order of ScenarioID. They, and the lines
// that wait for their turn, go to temporary files when they are many: memory
// does not grow with steps and rows.
//
// With live lines a goroutine draws ten times a second; Close ends it and is
// what leaves the terminal clean, so it has to be called.
func NewConsole(o ConsoleOptions) Reporter {
	c := &console{
		options: o, next: 1, waiting: newShelf(), failed: newShelf(),
		units: map[unitKey]*consoleUnit{}, running: map[int]int{}, groups: map[int]*rowGroup{},
	}
	c.live = o.Terminal && o.Progress && !o.Quiet
	if c.live {
		c.startDrawing()
	}
	return c
}

type console struct {
	options ConsoleOptions
	live    bool

	mu        sync.Mutex // what follows is shared with the drawing goroutine
	units     map[unitKey]*consoleUnit
	current   *consoleUnit      // the one of the last event, of those that run
	spare     []*consoleUnit    // to be used again
	running   map[int]int       // how many units of a ScenarioID run
	groups    map[int]*rowGroup // by the ScenarioID of the first row, until their line is printed
	front     *rowGroup         // the one that next is of
	waiting   *shelf            // ended, not printed: an earlier one runs
	next      int               // the ScenarioID that is printed next
	failed    *shelf
	failures  int // how many
	slowest   []rankedStep
	scenarios runner.Counts // rows are counted one by one
	done      int           // scenarios, all their rows together
	steps     runner.Counts
	info      runner.RunInfo
	blocks    rowBlocks
	first     time.Time // by the events
	last      time.Time
	finished  bool
	fault     fault
	screen    screen
}

// consoleUnit is a scenario, or a row of one, until its line is printed.
type consoleUnit struct {
	key     unitKey
	start   runner.Event
	started bool      // a scenario-start came
	group   *rowGroup // nil when it is no row
	began   time.Time // by the clock, for live lines
	steps   stepQueue
	counts  runner.Counts
	details []span   // lines of steps, with Verbose
	failed  []span   // what is shown at the end
	bad     int      // how many failures that is, or would be
	reason  string   // why the first of the skipped steps was skipped
	cause   string   // what failed first before it was tried again
	attempt int      // the one that the first step passed at that was tried again
	again   int      // how often the scenario was started again
	tries   []string // what failed first in each run of it before the last
	failure string   // what failed first in this run of it
}

// keptConsoleUnits is how many units that ended are kept to be used again.
const keptConsoleUnits = 64

type slowStep struct {
	ms   float64
	text string
}

// rankedStep is a slow step with what orders it among those that took as long.
type rankedStep struct {
	slowStep
	id, index int
}

// compare orders the slowest first, and as the steps stand in the files.
func (s rankedStep) compare(o rankedStep) int {
	return cmp.Or(cmp.Compare(o.ms, s.ms), cmp.Compare(s.id, o.id), cmp.Compare(s.index, o.index))
}

// shownSlow is how many of the slowest steps are listed.
const shownSlow = 5

func (c *console) Event(e *runner.Event) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fault.err != nil {
		return c.fault.tell()
	}
	if c.first.IsZero() {
		c.first = e.Time
	}
	if e.Time.After(c.last) {
		c.last = e.Time
	}
	switch e.Event {
	case runner.RunStart:
		c.runStart(e)
	case runner.ScenarioStart:
		c.scenarioStart(e)
	case runner.StepStart:
		c.unit(e).steps.begin(e)
	case runner.Attempt:
		c.attempt(c.unit(e), e)
	case runner.StepEnd:
		c.stepEnd(c.unit(e), e)
	case runner.ScenarioEnd:
		c.scenarioEnd(c.unit(e), e)
	case runner.RunEnd:
		c.finish(e)
	}
	return c.fault.tell()
}

// Close prints what is missing when the run ended without saying so.
func (c *console) Close() error {
	c.mu.Lock()
	if !c.finished {
		c.finish(nil)
	}
	c.mu.Unlock()
	c.stopDrawing()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range []*shelf{c.waiting, c.failed} {
		c.set(s.close())
	}
	return c.fault.tell()
}

// set keeps the first error.
func (c *console) set(err error) {
	if err != nil {
		c.fault.set(err)
	}
}

// print writes permanent text: at once, or with the next drawing.
func (c *console) print(text string) {
	if text == "" || c.fault.err != nil {
		return
	}
	if c.live {
		c.screen.pending.WriteString(text)
		if c.screen.pending.Len() > spooled {
			c.draw()
		}
		return
	}
	_, err := io.WriteString(c.options.Out, text)
	c.set(err)
}

// printParts prints a text of a shelf.
func (c *console) printParts(s *shelf, parts []span) {
	c.set(s.read(parts, func(text []byte) { c.print(string(text)) }))
}

func (c *console) paint(color, s string) string { return paint(c.options.Color, color, s) }

func (c *console) runStart(e *runner.Event) {
	if e.Info == nil {
		return
	}
	c.info, c.blocks = copyInfo(e.Info), rowBlocksOf(e.Info)
	var b strings.Builder
	if line := c.target(); line != "" && !c.options.Quiet {
		b.WriteString(line + "\n")
	}
	for _, w := range e.Info.Warnings {
		b.WriteString(c.paint(yellow, "warning: "+w) + "\n")
	}
	c.print(b.String())
}

// target says what is tested. The sandbox's hosts are not shown: they have
// other ports each time.
func (c *console) target() string {
	if c.info.Environment == "" && len(c.info.Hosts) == 0 {
		return ""
	}
	s := "environment " + cmp.Or(c.info.Environment, "none")
	if len(c.info.Hosts) > 0 && c.info.Environment != "sandbox" {
		s += ": " + strings.Join(c.info.Hosts, ", ")
	}
	return s
}

func (c *console) unit(e *runner.Event) *consoleUnit {
	key := keyOf(e)
	if u := c.current; u != nil && u.key == key {
		return u
	}
	u := c.units[key]
	if u == nil {
		u = c.emptyUnit()
		u.key, u.start = key, scenarioOf(e)
		if c.live {
			u.began = time.Now()
		}
		c.units[key] = u
		c.running[key.id]++
	}
	c.current = u
	return u
}

func (c *console) emptyUnit() *consoleUnit {
	n := len(c.spare)
	if n == 0 {
		return new(consoleUnit)
	}
	u := c.spare[n-1]
	c.spare = c.spare[:n-1]
	return u
}

// recycle keeps u to be used again; its steps have all ended.
func (c *console) recycle(u *consoleUnit) {
	if len(c.spare) < keptConsoleUnits {
		*u = consoleUnit{steps: u.steps, details: u.details[:0], failed: u.failed[:0]}
		c.spare = append(c.spare, u)
	}
}

// scenarioStart begins a scenario, or begins it again: what its former run
// did is forgotten then, as its last run counts.
func (c *console) scenarioStart(e *runner.Event) {
	u := c.unit(e)
	if u.started {
		c.startAgain(u)
		return
	}
	u.started = true
	if e.RowIndex > 0 && e.Rows > 1 {
		u.group = c.group(e)
		u.group.running++
	}
}

func (c *console) startAgain(u *consoleUnit) {
	u.again++
	if len(u.tries) < keptAttempts {
		u.tries = append(u.tries, u.failure)
	}
	u.failure = ""
	c.waiting.drop(u.details)
	c.failed.drop(u.failed)
	u.details, u.failed, u.bad = u.details[:0], u.failed[:0], 0
	u.steps, u.counts, u.reason, u.attempt = stepQueue{}, runner.Counts{}, "", 0
}

// attempt takes what an attempt came to that was not the last.
func (c *console) attempt(u *consoleUnit, e *runner.Event) {
	s := u.steps.find(e)
	if s == nil {
		return
	}
	s.attempt = cmp.Or(e.Attempts, s.attempt+1)
	if s.cause == "" && e.Outcome != runner.Pass {
		s.cause = oneLine(messageOf(e))
	}
	if c.options.Verbose && !c.options.Quiet {
		s.attempts = append(s.attempts, c.attemptLine(e, s.attempt)...)
	}
}

func (c *console) stepEnd(u *consoleUnit, e *runner.Event) {
	s := u.steps.find(e)
	if s == nil {
		s = u.steps.begin(e)
	}
	tally(&u.counts, e)
	if e.Outcome == runner.Skip {
		u.reason = cmp.Or(u.reason, e.Reason)
	} else {
		c.slow(e)
	}
	s.ended = true
	if e.Outcome == runner.Pass && e.Flaky && u.attempt == 0 {
		u.attempt = e.Attempts
		u.cause = cmp.Or(u.cause, causeOf(e, s.cause))
	}
	if c.options.Verbose && !c.options.Quiet {
		s.text = append(append(s.text, c.stepLine(e)...), s.attempts...)
		s.attempts = s.attempts[:0]
	}
	if e.Outcome != runner.Pass && e.Outcome != runner.Skip {
		s.failure = c.failure(e)
		cause := causeOf(e, oneLine(messageOf(e)))
		u.cause, u.failure = cmp.Or(u.cause, cause), cmp.Or(u.failure, cause)
	}
	for done := u.steps.pop(); done != nil; done = u.steps.pop() {
		c.keep(u, done.text, done.failure)
	}
}

// causeOf gives the line that says why something was tried again.
func causeOf(e *runner.Event, message string) string {
	if message == "" {
		return ""
	}
	if step := oneLine(e.Step); step != "" {
		return step + ": " + message
	}
	return message
}

// keep puts aside what a step has to say.
func (c *console) keep(u *consoleUnit, line []byte, failure string) {
	var err error
	u.details, err = c.waiting.keep(u.details, line, true)
	c.set(err)
	if failure == "" {
		return
	}
	u.bad++
	if limit := c.limit(); limit == 0 || len(u.failed) < limit {
		u.failed, err = c.failed.keep(u.failed, []byte(failure), limit == 0)
		c.set(err)
	}
}

// tally counts one step or scenario.
func tally(n *runner.Counts, e *runner.Event) {
	n.Total++
	switch e.Outcome {
	case runner.Pass:
		n.Passed++
	case runner.Fail:
		n.Failed++
	case runner.Skip:
		n.Skipped++
	default:
		n.Errors++
	}
	if e.Flaky {
		n.Flaky++
	}
}

func add(n *runner.Counts, m runner.Counts) {
	n.Total += m.Total
	n.Passed += m.Passed
	n.Failed += m.Failed
	n.Errors += m.Errors
	n.Skipped += m.Skipped
	n.Flaky += m.Flaky
}

// slow keeps the slowest steps.
func (c *console) slow(e *runner.Event) {
	if !c.options.Terminal && !c.options.Verbose || c.options.Quiet {
		return
	}
	s := rankedStep{slowStep: slowStep{ms: e.DurationMs}, id: e.ScenarioID, index: e.Index}
	if len(c.slowest) == shownSlow && s.compare(c.slowest[shownSlow-1]) >= 0 {
		return
	}
	s.text = e.File + "  " + title(e)
	at, _ := slices.BinarySearchFunc(c.slowest, s, rankedStep.compare)
	c.slowest = slices.Insert(c.slowest, at, s)
	c.slowest = c.slowest[:min(len(c.slowest), shownSlow)]
}

func (c *console) scenarioEnd(u *consoleUnit, e *runner.Event) {
	c.interrupt(u, e.Time)
	own := u.counts.Failed+u.counts.Errors == 0 && (e.Outcome == runner.Fail || e.Outcome == runner.Error)
	if e.Err != nil || own {
		whole := *e
		whole.Reason = cmp.Or(e.Reason, u.reason)
		c.keep(u, nil, c.failure(&whole))
	}
	if u.started {
		tally(&c.scenarios, e)
	}
	add(&c.steps, u.counts)
	delete(c.units, u.key)
	c.current = nil
	if c.running[u.key.id]--; c.running[u.key.id] == 0 {
		delete(c.running, u.key.id)
	}
	if u.bad > 0 {
		c.failures += u.bad
		c.set(c.failed.put(u.key.id, u.failed))
	}
	if u.group != nil {
		c.rowEnd(u, e)
	} else if u.started {
		c.done++
	}
	if !c.options.Quiet {
		c.show(u, e)
	}
	c.recycle(u)
}

// interrupt ends the steps that are still open as errors.
func (c *console) interrupt(u *consoleUnit, now time.Time) {
	for s := u.steps.current(); s != nil; s = u.steps.current() {
		c.stepEnd(u, s.interrupted(now))
	}
}

// sortedUnits gives what runs in the order of ScenarioID.
func sortedUnits(running map[unitKey]*consoleUnit) []*consoleUnit {
	return slices.SortedFunc(maps.Values(running), func(a, b *consoleUnit) int { return a.key.compare(b.key) })
}

// finish prints what is left; e is run-end, nil when none came.
func (c *console) finish(e *runner.Event) {
	c.finished = true
	for _, u := range sortedUnits(c.units) {
		outcome := worst(u.counts.Passed, u.counts.Failed, u.counts.Errors)
		c.scenarioEnd(u, unended(&u.start, u.started, u.steps.current() != nil, outcome, c.last))
	}
	c.releaseAll()
	c.printFailures()
	c.printSummary(e)
}
