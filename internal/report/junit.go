package report

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
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
// kept in a temporary file, so that memory does not grow with the steps. The
// error is that of making this file.
//
// The file is whole whatever ended the run: a step that was started and did
// not end is an error of type "interrupted". Suites stand in the order of
// ScenarioID, whatever order scenarios ended in; the rows of a scenario share
// a suite. A scenario that is started again (a retry of the whole scenario)
// replaces what was reported of it; what had failed is a flakyFailure of the
// case that then passes.
func NewJUnit(w io.Writer, o JUnitOptions) (Reporter, error) {
	s, err := newSpool()
	if err != nil {
		return nil, err
	}
	o.Name = cmp.Or(o.Name, "iflowtest")
	return &junitReporter{w: w, options: o, spool: s, units: map[unitKey]*junitUnit{}, cases: newElementWriter("\t\t")}, nil
}

type junitReporter struct {
	w       io.Writer
	options JUnitOptions
	spool   *spool
	units   map[unitKey]*junitUnit // running
	current *junitUnit             // the one of the last event, of those that run
	index   []unitEntry            // ended
	cases   *elementWriter
	info    runner.RunInfo
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
	buffer  []byte                 // cases that are not in the spool yet
	former  map[string]flakyResult // what failed before the scenario was started again
	reason  string                 // why the first of the skipped steps was skipped
}

// unitRecord is what the spool keeps of a scenario that ended.
type unitRecord struct {
	Name, File, Class, Row           string
	Start                            time.Time
	Ms                               float64
	Tests, Failures, Errors, Skipped int
	Flaky                            bool
	Tags                             []string
	Cases                            []span
}

// unitEntry finds a unitRecord.
type unitEntry struct {
	key    unitKey
	record span
}

// keptAttempts is how many failed attempts of a flaky step are shown.
const keptAttempts = 10

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
	j.run = cmp.Or(e.Run, j.run)
	j.fault.set(j.take(e))
	return j.fault.tell()
}

func (j *junitReporter) take(e *runner.Event) error {
	switch e.Event {
	case runner.RunStart:
		if e.Info != nil {
			j.info = copyInfo(e.Info)
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
		u = &junitUnit{key: key, start: scenarioOf(e), names: names{}, record: unitRecord{
			Name: oneLine(e.Scenario), File: e.File, Class: className(e), Row: e.Row, Start: e.Time,
		}}
		j.units[key] = u
	}
	j.current = u
	return u
}

func (j *junitReporter) start(e *runner.Event) {
	u := j.unit(e)
	if u.started {
		u.again()
	}
	u.started = true
	u.record.Tags = slices.Clone(e.Tags)
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
		c.Flaky = u.flaky(s, e)
	}
	return j.endCase(u, s, &c)
}

// flaky gives what failed before the step passed: in the former run of the
// scenario, and the attempts of a retry. Attempts of a poll are no failures.
func (u *junitUnit) flaky(s *queuedStep, e *runner.Event) []flakyResult {
	var failed []flakyResult
	if f, ok := u.former[s.name]; ok {
		failed = append(failed, f)
	}
	if e.Flaky {
		for i := range s.failed {
			failed = append(failed, flakyOf(&s.failed[i]))
		}
	}
	return failed
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

func (j *junitReporter) add(u *junitUnit, c *junitCase) error {
	text, err := j.cases.element("testcase", c)
	if err != nil {
		return err
	}
	return j.addText(u, text)
}

func (j *junitReporter) addText(u *junitUnit, text []byte) error {
	u.buffer = append(append(u.buffer, text...), '\n')
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
	if text := exchangeText(e.Exchange, shownBody); text != "" {
		c.SystemOut = &junit.Output{Data: xmlText(text)}
	}
	if u.former == nil {
		u.former = map[string]flakyResult{}
	}
	u.former[c.Name] = flaky(cmp.Or(c.Failure, c.Error))
}

func resultOf(e *runner.Event) *junit.Result {
	return &junit.Result{Message: xmlText(messageOf(e)), Type: xmlText(typeOf(e)), Data: xmlText(problems(e, false))}
}

func flakyOf(e *runner.Event) flakyResult {
	return flaky(resultOf(e))
}

func flaky(r *junit.Result) flakyResult {
	return flakyResult{Message: r.Message, Type: r.Type, StackTrace: junit.Output{Data: r.Data}}
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
		if err := j.add(u, &c); err != nil {
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
	text, err := json.Marshal(&u.record)
	if err != nil {
		return err
	}
	at, err := j.spool.add(text)
	if err != nil {
		return err
	}
	j.index = append(j.index, unitEntry{u.key, at})
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
	if err == nil {
		err = j.spool.close()
	} else {
		_ = j.spool.close()
	}
	if err != nil && j.fault.err == nil {
		j.fault.set(err)
	}
	return j.fault.tell()
}

// endAll ends the scenarios that are still running.
func (j *junitReporter) endAll() error {
	for _, u := range j.units {
		r := &u.record
		outcome := worst(r.Tests-r.Failures-r.Errors-r.Skipped, r.Failures, r.Errors)
		if err := j.endScenario(u, unended(&u.start, u.started, u.steps.current() != nil, outcome, j.last)); err != nil {
			return err
		}
	}
	return nil
}

// write puts the file together.
func (j *junitReporter) write() error {
	j.index = slices.DeleteFunc(j.index, func(e unitEntry) bool { return e.record.At+e.record.Size > j.spool.size() })
	slices.SortStableFunc(j.index, func(a, b unitEntry) int { return a.key.compare(b.key) })
	f := &junitFile{junitReporter: j, out: bufio.NewWriterSize(j.w, spooled), heads: newElementWriter("\t"), used: map[uint64]names{}}
	if err := f.survey(); err != nil {
		return err
	}
	if err := f.root(); err != nil {
		return err
	}
	if err := f.suites(); err != nil {
		return err
	}
	if err := f.broken(); err != nil {
		return err
	}
	f.text("</testsuites>\n")
	return f.out.Flush()
}

// junitFile is the writing of the file from the spool.
type junitFile struct {
	*junitReporter
	out    *bufio.Writer
	heads  *elementWriter
	totals unitRecord
	suiteN int
	// used has the names of cases for those class names and rows that several
	// units have (orders.yaml and orders.yml): only these can hold the same
	// name twice.
	used map[uint64]names
}

func (f *junitFile) text(s string) { _, _ = f.out.WriteString(s) } // Flush gives the error

func (f *junitFile) record(i int) (*unitRecord, error) {
	p := f.index[i].record
	text := make([]byte, p.Size)
	if _, err := io.ReadFull(f.spool.reader(p), text); err != nil {
		return nil, fmt.Errorf("temporary file of the report cannot be read: %w", cause(err))
	}
	r := new(unitRecord)
	return r, json.Unmarshal(text, r)
}

// survey sums up all units and finds those that may repeat a name.
func (f *junitFile) survey() error {
	seen := map[uint64]bool{}
	for i := range f.index {
		r, err := f.record(i)
		if err != nil {
			return err
		}
		f.totals.sum(r)
		k := r.hash()
		if seen[k] {
			f.used[k] = names{}
		}
		seen[k] = true
	}
	return nil
}

func (r *unitRecord) sum(o *unitRecord) {
	r.Tests += o.Tests
	r.Failures += o.Failures
	r.Errors += o.Errors
	r.Skipped += o.Skipped
	r.Ms += o.Ms
	r.Flaky = r.Flaky || o.Flaky
}

// hash stands for class name and row; that two share one costs a little time
// and nothing else.
func (r *unitRecord) hash() uint64 {
	h := fnv.New64a()
	_, _ = io.WriteString(h, r.Class+"\x00"+r.Row)
	return h.Sum64()
}

func (f *junitFile) root() error {
	ms := f.ms
	if ms == 0 {
		ms = float64(f.last.Sub(f.first)) / float64(time.Millisecond)
	}
	root := junitRoot{Time: seconds(ms), Tests: f.totals.Tests, Errors: f.totals.Errors, Failures: f.totals.Failures}
	if f.fault.err != nil {
		root.Tests, root.Errors = root.Tests+1, root.Errors+1
	}
	root.Name = xmlText(f.options.Name)
	text, err := newElementWriter("").element("testsuites", root)
	if err != nil {
		return err
	}
	f.text(xml.Header)
	f.text(strings.TrimSuffix(string(text), "</testsuites>") + "\n")
	return nil
}

// suites writes a suite for each unit; the rows of a scenario share one.
func (f *junitFile) suites() error {
	for i := 0; i < len(f.index); {
		suite, err := f.record(i)
		if err != nil {
			return err
		}
		end := i + 1
		for ; end < len(f.index); end++ {
			r, err := f.record(end)
			if err != nil {
				return err
			}
			if suite.Row == "" || r.Row == "" || r.Name != suite.Name || r.File != suite.File || r.Class != suite.Class {
				break
			}
			suite.sum(r)
			if r.Start.Before(suite.Start) {
				suite.Start = r.Start
			}
		}
		if err := f.suite(suite, i, end); err != nil {
			return err
		}
		i = end
	}
	return nil
}

func (f *junitFile) suite(r *unitRecord, from, to int) error {
	if err := f.head(r); err != nil {
		return err
	}
	for i := from; i < to; i++ {
		r, err := f.record(i)
		if err != nil {
			return err
		}
		if err := f.unitCases(r); err != nil {
			return err
		}
	}
	f.text("\t</testsuite>\n")
	return nil
}

func (f *junitFile) head(r *unitRecord) error {
	s := junitSuite{Skipped: r.Skipped, Testsuite: junit.Testsuite{
		Name: xmlText(cmp.Or(r.Name, r.Class)), File: xmlText(r.File), ID: f.suiteN,
		Tests: r.Tests, Failures: r.Failures, Errors: r.Errors,
		Time: seconds(r.Ms), Hostname: xmlText(f.options.Hostname),
	}}
	f.suiteN++
	if !r.Start.IsZero() {
		s.SetTimestamp(r.Start.UTC())
	}
	f.properties(&s.Testsuite, r)
	text, err := f.heads.element("testsuite", s)
	if err != nil {
		return err
	}
	head := bytes.TrimSuffix(text, []byte("</testsuite>"))
	f.text(string(bytes.TrimRight(head, "\n\t")) + "\n")
	return nil
}

func (f *junitFile) properties(s *junit.Testsuite, r *unitRecord) {
	add := func(name, value string) {
		if value != "" {
			s.AddProperty(name, xmlText(value))
		}
	}
	add("environment", f.info.Environment)
	add("run", f.run)
	add("hosts", strings.Join(f.info.Hosts, ", "))
	add("version", f.info.Version)
	add("tags", strings.Join(r.Tags, ", "))
	add("selection", f.info.Tags)
	if f.info.Seed != 0 {
		add("seed", strconv.FormatInt(f.info.Seed, 10))
	}
	if r.Flaky {
		add("flaky", "true")
	}
	for _, w := range f.info.Warnings {
		add("warning", w)
	}
}

// unitCases copies the cases of a unit, renamed where another unit has cases
// of the same class name and row.
func (f *junitFile) unitCases(r *unitRecord) error {
	used := f.used[r.hash()]
	for _, p := range r.Cases {
		if used != nil {
			if err := f.rename(p, used); err != nil {
				return err
			}
			continue
		}
		if _, err := io.Copy(f.out, f.spool.reader(p)); err != nil {
			return err
		}
	}
	return nil
}

func (f *junitFile) rename(p span, used names) error {
	d := xml.NewDecoder(bufio.NewReader(f.spool.reader(p)))
	for {
		var c junitCase
		err := d.Decode(&c)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		c.Name = used.unique(c.Name)
		text, err := f.cases.element("testcase", c)
		if err != nil {
			return err
		}
		f.text(string(text) + "\n")
	}
}

// broken says in the file itself that it is not whole.
func (f *junitFile) broken() error {
	if f.fault.err == nil {
		return nil
	}
	if err := f.head(&unitRecord{Name: f.options.Name, Tests: 1, Errors: 1, Start: f.last}); err != nil {
		return err
	}
	text, err := f.cases.element("testcase", junitCase{Testcase: junit.Testcase{
		Name: "report", Classname: xmlText(f.options.Name), Time: seconds(0),
		Error: &junit.Result{Type: runner.TypeInternal, Message: xmlText("this report lacks results: " + f.fault.err.Error())},
	}})
	if err != nil {
		return err
	}
	f.text(string(text) + "\n\t</testsuite>\n")
	return nil
}
