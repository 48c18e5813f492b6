package report

import (
	"cmp"
	"encoding/binary"
	"errors"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jstemmer/go-junit-report/v2/junit"

	"iflowtest/runner"
)

// JUnitOptions says what a JUnit file holds. The zero value is fine.
type JUnitOptions struct {
	// Places writes file and line on every testcase: GitLab and the GitHub
	// publishers read them, the schema of Jenkins' xUnit plugin refuses them.
	Places bool
	// Hostname is that of the machine; empty: no hostname is written.
	Hostname string
	// Name is that of the root; empty: "iflowtest".
	Name string
}

// NewJUnit gives a Reporter that writes a JUnit file to w when it is closed,
// and nothing before; w is not closed. Each step is encoded when it ends and
// kept in a temporary file once there are many, so that memory does not grow
// with steps and rows. The error is that there can be no such file.
//
// The file is whole whatever ended the run: a step that was started and did
// not end is an error of type "interrupted". Suites stand in the order of
// ScenarioID, whatever order scenarios ended in; the rows of a scenario share
// a suite. A scenario that is started again (a retry of the whole scenario)
// replaces what was reported of it; what had failed is a flakyFailure or
// flakyError of the case that then passes, as are the attempts of a step that
// was retried. Attempts of a poll are no failures.
func NewJUnit(w io.Writer, o JUnitOptions) (Reporter, error) {
	s, err := newSpool()
	if err != nil {
		return nil, err
	}
	o.Name = cmp.Or(o.Name, "iflowtest")
	return &junitReporter{
		w: w, options: o, spool: s, index: newSpanIndex(),
		units: map[unitKey]*junitUnit{}, cases: newElementWriter("\t\t"),
	}, nil
}

type junitReporter struct {
	w       io.Writer
	options JUnitOptions
	spool   *spool
	units   map[unitKey]*junitUnit // running
	current *junitUnit             // the one of the last event, of those that run
	spare   []*junitUnit           // to be used again
	index   *spanIndex             // the records of those that ended, by ScenarioID
	cases   *elementWriter
	class   classOf
	record  []byte // used again
	info    runner.RunInfo
	blocks  rowBlocks
	run     string
	first   time.Time
	last    time.Time
	ms      float64 // of the run, when run-end told it
	fault   fault
}

// junitUnit is a scenario, or a row of one, that runs.
type junitUnit struct {
	key     unitKey
	start   runner.Event
	started bool // a scenario-start came
	record  unitRecord
	steps   stepQueue
	names   names
	buffer  []byte                  // cases that are not in the spool yet
	former  map[string]*formerCases // what failed before the scenario was started again
	kept    int                     // how many results of these are kept
	tries   int                     // how often the scenario was started
	reason  string                  // why the first of the skipped steps was skipped
}

// formerCases is how a case ended each time that it did not pass.
type formerCases struct {
	count int
	kept  []formerCase
}

// formerCase is how a case ended that did not pass.
type formerCase struct {
	result  flakyResult
	isError bool
}

const (
	// keptAttempts is how many failed attempts of a flaky step are shown, and
	// how many failed cases of one name.
	keptAttempts = 10
	// keptFormer is how many failed cases of a scenario are kept for the case
	// that it is started again.
	keptFormer = 100
	// keptUnits is how many units that ended are kept to be used again, and
	// keptNames how many names such a unit may have.
	keptUnits = 64
	keptNames = 1000
)

func (j *junitReporter) Event(e *runner.Event) error {
	if j.fault.err != nil {
		return nil
	}
	if j.first.IsZero() {
		j.first = e.Time
	}
	if e.Time.After(j.last) {
		j.last = e.Time
	}
	if e.Run != "" {
		j.run = e.Run
	}
	j.fault.set(j.take(e))
	return j.fault.tell()
}

func (j *junitReporter) take(e *runner.Event) error {
	switch e.Event {
	case runner.RunStart:
		if e.Info != nil {
			j.info, j.blocks = copyInfo(e.Info), rowBlocksOf(e.Info)
		}
	case runner.ScenarioStart:
		j.start(e)
	case runner.StepStart:
		j.unit(e).begin(e)
	case runner.Attempt:
		j.unit(e).attempt(e)
	case runner.StepEnd:
		return j.endStep(j.unit(e), e)
	case runner.ScenarioEnd:
		return j.endScenario(j.unit(e), e)
	case runner.RunEnd:
		j.ms = e.DurationMs
	}
	return nil
}

// unit gives the running scenario that e belongs to.
func (j *junitReporter) unit(e *runner.Event) *junitUnit {
	key := keyOf(e)
	if u := j.current; u != nil && u.key == key {
		return u
	}
	u := j.units[key]
	if u == nil {
		u = j.emptyUnit()
		u.key, u.start = key, scenarioOf(e)
		r := &u.record
		r.Name, r.File, r.Class, r.Row, r.Start = oneLine(e.Scenario), e.File, j.class.name(e), e.Row, e.Time
		r.Base = j.blocks.firstRow(e)
		j.units[key] = u
	}
	j.current = u
	return u
}

func (j *junitReporter) emptyUnit() *junitUnit {
	n := len(j.spare)
	if n == 0 {
		return &junitUnit{names: names{}}
	}
	u := j.spare[n-1]
	j.spare = j.spare[:n-1]
	return u
}

// recycle keeps u to be used again.
func (j *junitReporter) recycle(u *junitUnit) {
	if len(j.spare) == keptUnits || len(u.names) > keptNames {
		return
	}
	clear(u.names)
	buffer := u.buffer[:0]
	if cap(buffer) > spooled/4 {
		buffer = nil
	}
	*u = junitUnit{
		names: u.names, buffer: buffer, steps: u.steps,
		record: unitRecord{Cases: u.record.Cases[:0], Tags: u.record.Tags[:0]},
	}
	j.spare = append(j.spare, u)
}

func (j *junitReporter) start(e *runner.Event) {
	u := j.unit(e)
	if u.started {
		u.again()
	}
	u.started = true
	u.tries++
	u.record.Tags = append(u.record.Tags[:0], e.Tags...)
}

// again forgets what the scenario did so far but what failed in it.
func (u *junitUnit) again() {
	r := &u.record
	r.Tests, r.Failures, r.Errors, r.Skipped, r.Cases = 0, 0, 0, 0, nil
	u.buffer, u.steps, u.names, u.reason = u.buffer[:0], stepQueue{}, names{}, ""
}

func (u *junitUnit) begin(e *runner.Event) *queuedStep {
	s := u.steps.begin(e)
	s.name = u.names.unique(caseName(e))
	return s
}

func (u *junitUnit) attempt(e *runner.Event) {
	s := u.steps.find(e)
	if s == nil || e.Outcome != runner.Fail && e.Outcome != runner.Error || len(s.failed) == keptAttempts {
		return
	}
	s.failed = append(s.failed, brief(e))
}

// brief copies what is shown of a failed attempt; the event's own parts are
// not kept.
func brief(e *runner.Event) runner.Event {
	c := *e
	c.Failures = slices.Clone(e.Failures)
	if e.Err != nil {
		c.Err = new(*e.Err)
	}
	if x := e.Exchange; x != nil {
		c.Exchange = &runner.Exchange{Method: x.Method, URL: x.URL, Status: x.Status, MessageID: x.MessageID}
		if x.Timings != nil {
			c.Exchange.Timings = new(*x.Timings)
		}
	}
	return c
}

func (j *junitReporter) endStep(u *junitUnit, e *runner.Event) error {
	s := u.steps.find(e)
	if s == nil {
		s = u.begin(e)
	}
	if u.plain(s, e) {
		return j.endPlain(u, s, e)
	}
	c := j.newCase(u, e, s.name)
	u.count(&c, e)
	if e.Outcome == runner.Pass {
		u.flaky(&c, s, e)
	}
	return j.endCase(u, s, &c)
}

// flaky gives what failed before the step passed: in the former run of the
// scenario, and the attempts of a retry. Attempts of a poll are no failures.
func (u *junitUnit) flaky(c *junitCase, s *queuedStep, e *runner.Event) {
	add := func(f formerCase) {
		if f.isError {
			c.FlakyErrors = append(c.FlakyErrors, f.result)
		} else {
			c.Flaky = append(c.Flaky, f.result)
		}
	}
	if f, ok := u.former[s.name]; ok {
		for _, result := range f.kept {
			add(result)
		}
	}
	if e.Flaky {
		for i := range s.failed {
			add(formerOf(resultOf(&s.failed[i]), s.failed[i].Outcome))
		}
	}
}

// plain reports whether the case of the step has nothing but that it passed or
// was skipped.
func (u *junitUnit) plain(s *queuedStep, e *runner.Event) bool {
	if e.Outcome == runner.Skip {
		return true
	}
	_, before := u.former[s.name]
	return e.Outcome == runner.Pass && !before && !(e.Flaky && len(s.failed) > 0)
}

// endPlain is endCase for a plain case, which most are.
func (j *junitReporter) endPlain(u *junitUnit, s *queuedStep, e *runner.Event) error {
	c := plainCase{name: s.name, class: u.record.Class, ms: e.DurationMs}
	u.record.Tests++
	if e.Outcome == runner.Skip {
		u.record.Skipped++
		u.reason = cmp.Or(u.reason, e.Reason)
		c.skipped = xmlText(cmp.Or(e.Reason, "skipped"))
	}
	if j.options.Places {
		c.file, c.line = xmlText(cmp.Or(e.File, u.record.File)), e.Line
	}
	s.text = appendPlainCase(s.text, &c)
	return j.ended(u, s)
}

// endCase encodes the case of a step and spools what is complete.
func (j *junitReporter) endCase(u *junitUnit, s *queuedStep, c *junitCase) error {
	text, err := j.cases.element("testcase", c)
	if err != nil {
		return err
	}
	s.text = append(s.text, text...)
	return j.ended(u, s)
}

func (j *junitReporter) ended(u *junitUnit, s *queuedStep) error {
	s.ended, s.failed = true, nil
	for done := u.steps.pop(); done != nil; done = u.steps.pop() {
		if err := j.addText(u, done.text); err != nil {
			return err
		}
	}
	return nil
}

// addText adds a case: its length and its text.
func (j *junitReporter) addText(u *junitUnit, text []byte) error {
	u.buffer = binary.AppendUvarint(u.buffer, uint64(len(text)))
	u.buffer = append(u.buffer, text...)
	if len(u.buffer) < spooled {
		return nil
	}
	return j.flush(u)
}

func (j *junitReporter) flush(u *junitUnit) error {
	if len(u.buffer) == 0 {
		return nil
	}
	at, err := j.spool.add(u.buffer)
	u.buffer = u.buffer[:0]
	if err == nil {
		u.record.Cases = append(u.record.Cases, at)
	}
	return err
}

func (j *junitReporter) newCase(u *junitUnit, e *runner.Event, name string) junitCase {
	c := junitCase{Testcase: junit.Testcase{Name: name, Classname: u.record.Class, Time: seconds(e.DurationMs)}}
	if j.options.Places {
		c.File, c.Line = xmlText(cmp.Or(e.File, u.record.File)), e.Line
	}
	return c
}

// count sets how a case ended and counts it.
func (u *junitUnit) count(c *junitCase, e *runner.Event) {
	u.record.Tests++
	switch e.Outcome {
	case runner.Pass:
		return
	case runner.Skip:
		u.record.Skipped++
		u.reason = cmp.Or(u.reason, e.Reason)
		c.Skipped = &junit.Result{Message: xmlText(cmp.Or(e.Reason, "skipped"))}
		return
	case runner.Fail:
		u.record.Failures++
		c.Failure = resultOf(e)
	default:
		u.record.Errors++
		c.Error = resultOf(e)
	}
	u.fail(c.Name, formerOf(cmp.Or(c.Failure, c.Error), e.Outcome))
	text := exchangeText(e.Exchange, shownBody)
	if f := u.former[c.Name]; u.tries > 1 && f != nil {
		text = strings.TrimSuffix(f.times(u.tries)+"\n\n"+text, "\n\n")
	}
	if text != "" {
		c.SystemOut = &junit.Output{Data: xmlText(text)}
	}
}

// fail keeps how a case ended that did not pass.
func (u *junitUnit) fail(name string, how formerCase) {
	if u.former == nil {
		u.former = map[string]*formerCases{}
	}
	f := u.former[name]
	if f == nil {
		if len(u.former) == keptFormer {
			return
		}
		f = new(formerCases)
		u.former[name] = f
	}
	f.count++
	if len(f.kept) < keptAttempts && u.kept < keptFormer {
		f.kept = append(f.kept, how)
		u.kept++
	}
}

// times says how often the case failed in so many runs of the scenario.
func (f *formerCases) times(tries int) string {
	if f.count >= tries {
		return "failed " + strconv.Itoa(tries) + " times"
	}
	return "failed in " + strconv.Itoa(f.count) + " of " + strconv.Itoa(tries) + " runs of the scenario"
}

func resultOf(e *runner.Event) *junit.Result {
	return &junit.Result{Message: xmlText(messageOf(e)), Type: xmlText(typeOf(e)), Data: xmlText(problems(e, false))}
}

func formerOf(r *junit.Result, o runner.Outcome) formerCase {
	return formerCase{flakyResult{Message: r.Message, Type: r.Type, StackTrace: junit.Output{Data: r.Data}}, o != runner.Fail}
}

// typeOf gives "assertion" or the type of the problem.
func typeOf(e *runner.Event) string {
	if e.Err != nil && (e.Outcome != runner.Fail || len(e.Failures) == 0) {
		return cmp.Or(e.Err.Type, runner.TypeInternal)
	}
	if len(e.Failures) > 0 {
		return cmp.Or(e.Failures[0].Code, "assertion")
	}
	return runner.TypeInternal
}

func (j *junitReporter) endScenario(u *junitUnit, e *runner.Event) error {
	if err := j.interrupt(u, e.Time); err != nil {
		return err
	}
	if u.silent(e) {
		whole := *e
		whole.Step, whole.Kind, whole.Reason = e.Scenario, "scenario", cmp.Or(e.Reason, u.reason)
		c := j.newCase(u, &whole, u.names.unique(caseName(&whole)))
		u.count(&c, &whole)
		text, err := j.cases.element("testcase", c)
		if err == nil {
			err = j.addText(u, text)
		}
		if err != nil {
			return err
		}
	}
	u.record.Name = cmp.Or(oneLine(e.Scenario), u.record.Name)
	u.record.Ms = e.DurationMs
	u.record.Flaky = e.Flaky
	return j.end(u)
}

// silent reports whether the scenario ended with something that none of its
// cases says: it gets a case of its own then, named like it.
func (u *junitUnit) silent(e *runner.Event) bool {
	switch {
	case e.Err != nil:
		return true
	case e.Outcome == runner.Skip:
		return u.record.Tests == 0
	case e.Outcome == runner.Fail || e.Outcome == runner.Error:
		return u.record.Failures+u.record.Errors == 0
	}
	return false
}

// interrupt ends the steps that are still open as errors.
func (j *junitReporter) interrupt(u *junitUnit, now time.Time) error {
	for {
		s := u.steps.current()
		if s == nil {
			return nil
		}
		e := s.interrupted(now)
		c := j.newCase(u, e, s.name)
		u.count(&c, e)
		if err := j.endCase(u, s, &c); err != nil {
			return err
		}
	}
}

// end moves what is left of the scenario to the spool.
func (j *junitReporter) end(u *junitUnit) error {
	delete(j.units, u.key)
	j.current = nil
	if err := j.flush(u); err != nil {
		return err
	}
	r := &u.record
	var err error
	if r.Former, err = j.index.get(u.key.id); err != nil {
		return err
	}
	j.record = r.append(j.record[:0])
	at, err := j.spool.add(j.record)
	if err != nil {
		return err
	}
	if err := j.index.put(u.key.id, at); err != nil {
		return err
	}
	j.recycle(u)
	return nil
}

// Close writes the file.
func (j *junitReporter) Close() error {
	if j.fault.err == nil {
		j.fault.set(j.endAll())
	}
	if j.fault.err == nil {
		j.fault.set(j.spool.flush())
	}
	err := j.write()
	if e := errors.Join(j.spool.close(), j.index.close()); err == nil {
		err = e
	}
	if err != nil {
		j.fault.set(err)
	}
	return j.fault.tell()
}

// endAll ends the scenarios that are still running.
func (j *junitReporter) endAll() error {
	for _, u := range slices.SortedFunc(maps.Values(j.units), func(a, b *junitUnit) int { return a.key.compare(b.key) }) {
		r := &u.record
		outcome := worst(r.Tests-r.Failures-r.Errors-r.Skipped, r.Failures, r.Errors)
		if err := j.endScenario(u, unended(&u.start, u.started, u.steps.current() != nil, outcome, j.last)); err != nil {
			return err
		}
	}
	return nil
}
