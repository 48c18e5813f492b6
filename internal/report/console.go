package report

import (
	"cmp"
	"io"
	"maps"
	"slices"
	"strconv"
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
	// Verbose prints every step, and whole exchanges of failures.
	Verbose bool
	// Quiet prints failures and the last line only.
	Quiet bool
	// Progress shows what is running in live lines, on a terminal and without
	// Quiet.
	Progress bool
	// Reports are the files that are written beside, for the summary.
	Reports []string
}

// NewConsole gives a Reporter for people.
//
// With live lines, scenarios are printed as they end. Without them they are
// printed in the order of ScenarioID, each as soon as those before it have
// ended: the same results give the same bytes, but for durations, whatever ran
// side by side. For that a data row has a ScenarioID of its own; rows that
// share one are ordered by name. Failures stand at the end, in the order of
// ScenarioID. Only what failed, and the lines that wait for their turn, are
// kept in memory.
//
// With live lines a goroutine draws ten times a second; Close ends it and is
// what leaves the terminal clean, so it has to be called.
func NewConsole(o ConsoleOptions) Reporter {
	c := &console{
		options: o, next: 1,
		units: map[unitKey]*consoleUnit{}, running: map[int]int{}, waiting: map[int][]*consoleUnit{},
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
	current   *consoleUnit           // the one of the last event, of those that run
	running   map[int]int            // how many units of a ScenarioID run
	waiting   map[int][]*consoleUnit // ended, not printed: an earlier one runs
	next      int                    // the ScenarioID that is printed next
	failed    []heldFailure
	slowest   []slowStep
	scenarios runner.Counts
	steps     runner.Counts
	info      runner.RunInfo
	first     time.Time // by the events
	last      time.Time
	finished  bool
	fault     fault
	screen    screen
}

// consoleUnit is a scenario, or a row of one, until its line is printed.
type consoleUnit struct {
	key      unitKey
	start    runner.Event
	started  bool      // a scenario-start came
	began    time.Time // by the clock, for live lines
	steps    stepQueue
	counts   runner.Counts
	details  strings.Builder // lines of steps, with Verbose
	failures strings.Builder
	reason   string
	line     string // once it ended
}

// heldFailure is what is printed of a scenario at the end.
type heldFailure struct {
	key  unitKey
	text string
}

type slowStep struct {
	ms   float64
	text string
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
		if s := c.unit(e).steps.find(e); s != nil {
			s.attempt = cmp.Or(e.Attempts, s.attempt+1)
		}
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
	return c.fault.tell()
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
	if _, err := io.WriteString(c.options.Out, text); err != nil {
		c.fault.set(err)
	}
}

func (c *console) paint(color, s string) string { return paint(c.options.Color, color, s) }

func (c *console) runStart(e *runner.Event) {
	if e.Info == nil {
		return
	}
	c.info = copyInfo(e.Info)
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
		u = &consoleUnit{key: key, began: time.Now(), start: scenarioOf(e)}
		c.units[key] = u
		c.running[key.id]++
	}
	c.current = u
	return u
}

// scenarioStart begins a scenario, or begins it again: what its former run
// did is forgotten then, as its last run counts.
func (c *console) scenarioStart(e *runner.Event) {
	u := c.unit(e)
	u.started = true
	u.steps, u.counts, u.reason = stepQueue{}, runner.Counts{}, ""
	u.details.Reset()
	u.failures.Reset()
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
	if c.options.Verbose && !c.options.Quiet {
		s.text = append(s.text, c.stepLine(e)...)
	}
	if e.Outcome != runner.Pass && e.Outcome != runner.Skip {
		s.failure = c.failure(e)
	}
	for done := u.steps.pop(); done != nil; done = u.steps.pop() {
		u.details.Write(done.text)
		u.failures.WriteString(done.failure)
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
	if len(c.slowest) == shownSlow && e.DurationMs <= c.slowest[shownSlow-1].ms {
		return
	}
	s := slowStep{e.DurationMs, e.File + "  " + title(e)}
	at, _ := slices.BinarySearchFunc(c.slowest, s, func(a, b slowStep) int { return cmp.Compare(b.ms, a.ms) })
	c.slowest = slices.Insert(c.slowest, at, s)
	c.slowest = c.slowest[:min(len(c.slowest), shownSlow)]
}

// stepLine gives the line of a step for Verbose.
func (c *console) stepLine(e *runner.Event) string {
	s := "  " + c.outcome(e.Outcome, e.Flaky) + " " + oneLine(e.Step)
	if e.Cleanup {
		s += " (cleanup)"
	}
	switch {
	case e.Outcome == runner.Skip:
		if e.Reason != "" {
			s += ": " + oneLine(e.Reason)
		}
		return s + "\n"
	case e.Exchange != nil:
		s += "  " + exchangeLine(e)
		if e.Exchange.Status == 0 || e.Attempts > 1 {
			s += c.paint(dim, "  "+duration(e.DurationMs))
		}
	default:
		s += c.paint(dim, "  "+duration(e.DurationMs))
	}
	if e.Attempts > 1 {
		s += ", " + plural(e.Attempts, "attempt")
	}
	return s + "\n"
}

// outcome gives the word a line begins with, five columns wide.
func (c *console) outcome(o runner.Outcome, flaky bool) string {
	switch {
	case o == runner.Pass && flaky:
		return c.paint(yellow, "FLAKY")
	case o == runner.Pass:
		return c.paint(green, "PASS ")
	case o == runner.Fail:
		return c.paint(red, "FAIL ")
	case o == runner.Skip:
		return c.paint(yellow, "SKIP ")
	}
	return c.paint(red, "ERROR")
}

// failure gives a step that failed as it is shown at the end.
func (c *console) failure(e *runner.Event) string {
	head := e.File
	if head != "" {
		head += "  "
	}
	s := c.outcome(e.Outcome, false) + " " + c.paint(bold, head+title(e)) + "\n" + problems(e, c.options.Color)
	if c.options.Verbose && !c.options.Quiet {
		if x := exchangeText(e.Exchange, verboseBody); x != "" {
			s += "\n" + indent(x, "    ")
		}
	}
	return s + "\n"
}

// verboseBody is how much of a body Verbose shows, in bytes.
const verboseBody = 4 << 10

func (c *console) scenarioEnd(u *consoleUnit, e *runner.Event) {
	c.interrupt(u, e.Time)
	own := u.counts.Failed+u.counts.Errors == 0 && (e.Outcome == runner.Fail || e.Outcome == runner.Error)
	if e.Err != nil || own {
		whole := *e
		whole.Reason = cmp.Or(e.Reason, u.reason)
		u.failures.WriteString(c.failure(&whole))
	}
	if u.started {
		tally(&c.scenarios, e)
	}
	add(&c.steps, u.counts)
	u.line = c.scenarioLine(u, e)
	delete(c.units, u.key)
	c.current = nil
	if c.running[u.key.id]--; c.running[u.key.id] == 0 {
		delete(c.running, u.key.id)
	}
	c.release(u)
}

// interrupt ends the steps that are still open as errors.
func (c *console) interrupt(u *consoleUnit, now time.Time) {
	for s := u.steps.current(); s != nil; s = u.steps.current() {
		c.stepEnd(u, s.interrupted(now))
	}
}

// scenarioLine gives "PASS  scenarios/orders.yaml  Order intake  (6 steps, 123 ms)".
func (c *console) scenarioLine(u *consoleUnit, e *runner.Event) string {
	s := c.outcome(e.Outcome, e.Flaky) + " "
	if file := cmp.Or(e.File, u.start.File); file != "" {
		s += file + "  "
	}
	s += cmp.Or(scenarioTitle(e), "outside of scenarios")
	if e.Outcome == runner.Skip {
		if reason := cmp.Or(e.Reason, u.reason); reason != "" {
			s += c.paint(dim, "  ("+oneLine(reason)+")")
		}
		return s + "\n"
	}
	return s + c.paint(dim, "  ("+unitDetails(u, e)+")") + "\n"
}

func unitDetails(u *consoleUnit, e *runner.Event) string {
	n := u.counts
	var parts []string
	if bad := n.Failed + n.Errors; bad > 0 {
		parts = append(parts, strconv.Itoa(bad)+" of "+plural(n.Total, "step")+" failed")
	} else {
		parts = append(parts, plural(n.Total, "step"))
	}
	if n.Skipped > 0 {
		parts = append(parts, strconv.Itoa(n.Skipped)+" skipped")
	}
	if e.Attempts > 1 {
		parts = append(parts, plural(e.Attempts, "attempt"))
	}
	return strings.Join(append(parts, duration(e.DurationMs)), ", ")
}

// release prints u, or keeps it until those before it have ended.
func (c *console) release(u *consoleUnit) {
	if c.live || u.key.id < c.next {
		c.printUnit(u)
		return
	}
	c.waiting[u.key.id] = append(c.waiting[u.key.id], u)
	for c.running[c.next] == 0 && len(c.waiting[c.next]) > 0 {
		c.printUnits(c.waiting[c.next])
		delete(c.waiting, c.next)
		c.next++
	}
}

func (c *console) printUnits(units []*consoleUnit) {
	sortUnits(units)
	for _, u := range units {
		c.printUnit(u)
	}
}

// sortedUnits gives what runs in the order of ScenarioID.
func sortedUnits(running map[unitKey]*consoleUnit) []*consoleUnit {
	units := slices.Collect(maps.Values(running))
	sortUnits(units)
	return units
}

func sortUnits(units []*consoleUnit) {
	slices.SortStableFunc(units, func(a, b *consoleUnit) int { return a.key.compare(b.key) })
}

func (c *console) printUnit(u *consoleUnit) {
	if u.failures.Len() > 0 {
		c.failed = append(c.failed, heldFailure{u.key, u.failures.String()})
	}
	if !c.options.Quiet {
		c.print(u.line + u.details.String())
	}
}

// finish prints what is left; e is run-end, nil when none came.
func (c *console) finish(e *runner.Event) {
	c.finished = true
	for _, u := range sortedUnits(c.units) {
		outcome := worst(u.counts.Passed, u.counts.Failed, u.counts.Errors)
		c.scenarioEnd(u, unended(&u.start, u.started, u.steps.current() != nil, outcome, c.last))
	}
	for _, id := range slices.Sorted(maps.Keys(c.waiting)) {
		c.printUnits(c.waiting[id])
	}
	clear(c.waiting)
	c.printFailures()
	c.printSummary(e)
}

func (c *console) printFailures() {
	if len(c.failed) == 0 {
		return
	}
	slices.SortStableFunc(c.failed, func(a, b heldFailure) int { return a.key.compare(b.key) })
	if !c.options.Quiet {
		c.print("\n" + c.paint(bold, "Failures") + "\n\n")
	}
	for _, f := range c.failed {
		c.print(f.text)
	}
}
