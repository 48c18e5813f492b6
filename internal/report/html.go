package report

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"iflowtest/runner"
)

// HTMLOptions says what an HTML report holds. The zero value is fine.
type HTMLOptions struct {
	// Title is that of the page; empty: "iflowtest".
	Title string
}

// NewHTML gives a Reporter that writes a page to w when it is closed, and
// nothing before; w is not closed. What happened is kept in a temporary file,
// so that memory does not grow with the steps. The error is that of there being
// no folder for it.
//
// The page is one file: it asks for nothing from elsewhere, and its content
// security policy forbids that it does. It is whole whatever ended the run: a
// step that was started and did not end is an error of type "interrupted".
// Scenarios stand in the order of ScenarioID; the same events give the same
// bytes. A scenario that is started again replaces what was reported of it, and
// tells what had failed.
func NewHTML(w io.Writer, o HTMLOptions) (Reporter, error) {
	s, err := newSpool()
	if err != nil {
		return nil, err
	}
	o.Title = cmp.Or(o.Title, "iflowtest")
	h := &htmlReporter{w: w, options: o, spool: s, units: map[unitKey]*htmlUnit{}, files: map[string]int32{}}
	h.lines = NewJSONLines(&h.line)
	return h, nil
}

type htmlReporter struct {
	w       io.Writer
	options HTMLOptions
	spool   *spool
	line    bytes.Buffer // what lines writes
	lines   Reporter
	units   map[unitKey]*htmlUnit // running
	index   []htmlEntry           // ended
	files   map[string]int32      // the number of each file
	page    htmlTotals
	fault   fault
}

// htmlTotals is what the head of the page tells.
type htmlTotals struct {
	info        runner.RunInfo
	runs        []string
	first, last time.Time
	end         *runner.Summary
	ended       bool
	ms          float64
	scenarios   runner.Counts
	steps       runner.Counts
	tags        map[string]int
	slowest     []slowStep
	origins     map[string]int // how many requests went to each
}

// keptOrigins bounds how many origins are counted.
const keptOrigins = 50

// request counts where a request went.
func (t *htmlTotals) request(u string) {
	scheme := strings.Index(u, "://")
	if scheme < 0 {
		return
	}
	end := strings.IndexByte(u[scheme+3:], '/')
	if end < 0 {
		return
	}
	origin := u[:scheme+3+end]
	if t.origins == nil {
		t.origins = map[string]int{}
	}
	if _, ok := t.origins[origin]; ok || len(t.origins) < keptOrigins {
		t.origins[strings.Clone(origin)]++
	}
}

// origin gives the one that most requests went to, when it is more than one.
func (t *htmlTotals) origin() string {
	best := ""
	for o, n := range t.origins {
		if n > 1 && (best == "" || n > t.origins[best] || n == t.origins[best] && o < best) {
			best = o
		}
	}
	return best
}

// htmlUnit is a scenario, or a row of one, that runs.
type htmlUnit struct {
	key     unitKey
	start   runner.Event
	started bool
	record  htmlRecord
	steps   stepQueue
	buffer  []byte // lines that are not in the spool yet
	reason  string
	slowest []slowStep
}

// htmlRecord is what the spool keeps of a scenario that ended, beside the
// lines of its steps.
type htmlRecord struct {
	Start  runner.Event
	End    runner.Event
	Counts runner.Counts
	// Former are the failures before the scenario was started again.
	Former  []string `json:",omitempty"`
	Failure string   `json:",omitempty"` // the first line that says what is wrong
	Steps   []span   `json:",omitempty"`
}

// htmlEntry finds a record, and has what the order of the page needs.
type htmlEntry struct {
	key     unitKey
	record  span
	group   scenarioHash // of the rows of one scenario; zero without a row
	file    int32
	outcome runner.Outcome
	flaky   bool
}

// keptFailures is how many failures of a former start of a scenario are told.
const keptFailures = 5

func (h *htmlReporter) Event(e *runner.Event) error {
	if h.fault.err != nil {
		return nil
	}
	if h.page.first.IsZero() {
		h.page.first = e.Time
	}
	if e.Time.After(h.page.last) {
		h.page.last = e.Time
	}
	if e.Run != "" && len(h.page.runs) == 0 {
		h.page.runs = strings.Split(e.Run, "+")
	}
	h.fault.set(h.take(e))
	return h.fault.tell()
}

func (h *htmlReporter) take(e *runner.Event) error {
	switch e.Event {
	case runner.RunStart:
		if e.Info != nil {
			h.page.info = copyInfo(e.Info)
		}
	case runner.ScenarioStart:
		u := h.unit(e)
		if u.started {
			u.again()
		}
		u.started = true
		u.start.Tags = slices.Clone(e.Tags)
	case runner.StepStart:
		h.unit(e).steps.begin(e)
	case runner.Attempt:
		return h.attempt(h.unit(e), e)
	case runner.StepEnd:
		return h.endStep(h.unit(e), e)
	case runner.ScenarioEnd:
		return h.endScenario(h.unit(e), e)
	case runner.RunEnd:
		h.page.ended, h.page.ms = true, e.DurationMs
		if e.Summary != nil {
			h.page.end = new(*e.Summary)
			h.page.end.LeftBehind = slices.Clone(e.Summary.LeftBehind)
		}
	}
	return nil
}

// unit gives the running scenario that e belongs to.
func (h *htmlReporter) unit(e *runner.Event) *htmlUnit {
	u := h.units[keyOf(e)]
	if u == nil {
		u = &htmlUnit{key: keyOf(e), start: scenarioOf(e)}
		u.start.RowIndex, u.start.Rows = e.RowIndex, e.Rows
		h.units[u.key] = u
	}
	return u
}

// again forgets what the scenario did so far but what failed in it.
func (u *htmlUnit) again() {
	former := u.record.Former
	if u.record.Failure != "" && len(former) < keptFailures {
		former = append(former, u.record.Failure)
	}
	u.record = htmlRecord{Former: former}
	u.buffer, u.steps, u.reason, u.slowest = u.buffer[:0], stepQueue{}, "", nil
}

// encode gives the line of an event, which holds until the next one. What the
// record of the scenario says already is left out.
func (h *htmlReporter) encode(e *runner.Event) ([]byte, error) {
	short := *e
	short.Run, short.Scenario, short.Document, short.Row, short.Below, short.Tags = "", "", "", "", "", nil
	h.line.Reset()
	if err := h.lines.Event(&short); err != nil {
		return nil, err
	}
	return h.line.Bytes(), nil
}

func (h *htmlReporter) attempt(u *htmlUnit, e *runner.Event) error {
	s := u.steps.find(e)
	if s == nil || s.attempt == keptAttempts {
		return nil
	}
	s.attempt++
	short := brief(e)
	line, err := h.encode(&short)
	s.text = append(s.text, line...)
	return err
}

func (h *htmlReporter) endStep(u *htmlUnit, e *runner.Event) error {
	s := u.steps.find(e)
	if s == nil {
		s = u.steps.begin(e)
	}
	tally(&u.record.Counts, e)
	switch e.Outcome {
	case runner.Skip:
		u.reason = cmp.Or(u.reason, e.Reason)
	case runner.Pass:
	default:
		u.record.Failure = cmp.Or(u.record.Failure, oneLine(e.Step)+": "+messageOf(e))
	}
	u.slow(e)
	if e.Exchange != nil {
		h.page.request(e.Exchange.URL)
	}
	line, err := h.encode(e)
	if err != nil {
		return err
	}
	s.text, s.ended = append(s.text, line...), true
	for done := u.steps.pop(); done != nil; done = u.steps.pop() {
		u.buffer = append(u.buffer, done.text...)
	}
	if len(u.buffer) < spooled {
		return nil
	}
	return h.flush(u)
}

// slow keeps the slowest steps of the scenario.
func (u *htmlUnit) slow(e *runner.Event) {
	if e.Outcome != runner.Skip {
		u.slowest = keepSlow(u.slowest, slowStep{e.DurationMs, oneLine(e.Step)})
	}
}

func keepSlow(all []slowStep, s slowStep) []slowStep {
	if len(all) == shownSlow && s.ms <= all[shownSlow-1].ms {
		return all
	}
	at, _ := slices.BinarySearchFunc(all, s, func(a, b slowStep) int {
		return cmp.Or(cmp.Compare(b.ms, a.ms), cmp.Compare(a.text, b.text))
	})
	all = slices.Insert(all, at, s)
	return all[:min(len(all), shownSlow)]
}

func (h *htmlReporter) flush(u *htmlUnit) error {
	if len(u.buffer) == 0 {
		return nil
	}
	at, err := h.spool.add(u.buffer)
	u.buffer = u.buffer[:0]
	if err == nil {
		u.record.Steps = append(u.record.Steps, at)
	}
	return err
}

func (h *htmlReporter) endScenario(u *htmlUnit, e *runner.Event) error {
	for s := u.steps.current(); s != nil; s = u.steps.current() {
		if err := h.endStep(u, s.interrupted(e.Time)); err != nil {
			return err
		}
	}
	delete(h.units, u.key)
	if err := h.flush(u); err != nil {
		return err
	}
	r := &u.record
	r.Start, r.End = u.start, brief(e)
	r.End.Reason = cmp.Or(e.Reason, u.reason)
	r.End.Scenario = cmp.Or(e.Scenario, u.start.Scenario)
	r.End.Outcome = cmp.Or(e.Outcome, worst(r.Counts.Passed, r.Counts.Failed, r.Counts.Errors))
	if r.End.Outcome != runner.Pass && r.End.Outcome != runner.Skip {
		r.Failure = cmp.Or(r.Failure, messageOf(e))
	}
	if u.started {
		tally(&h.page.scenarios, &r.End)
	}
	add(&h.page.steps, r.Counts)
	for _, t := range u.start.Tags {
		if h.page.tags == nil {
			h.page.tags = map[string]int{}
		}
		h.page.tags[t]++
	}
	for _, s := range u.slowest {
		s.text = scenarioTitle(&u.start) + " › " + s.text
		h.page.slowest = keepSlow(h.page.slowest, s)
	}
	return h.keep(u)
}

// keep moves the record of a scenario to the spool.
func (h *htmlReporter) keep(u *htmlUnit) error {
	text, err := json.Marshal(&u.record)
	if err != nil {
		return err
	}
	at, err := h.spool.add(text)
	if err != nil {
		return err
	}
	end := &u.record.End
	file, ok := h.files[u.start.File]
	if !ok {
		file = int32(len(h.files))
		h.files[u.start.File] = file
	}
	entry := htmlEntry{key: u.key, record: at, file: file, outcome: end.Outcome, flaky: end.Flaky}
	if u.key.row != "" {
		entry.group = hash(u.start.File, u.start.Document)
	}
	h.index = append(h.index, entry)
	return nil
}

// Close writes the page.
func (h *htmlReporter) Close() error {
	if h.fault.err == nil {
		h.fault.set(h.endAll())
	}
	if h.fault.err == nil {
		h.fault.set(h.spool.flush())
	}
	if h.fault.err == nil {
		h.fault.set(h.write())
	}
	if err := h.spool.close(); err != nil {
		h.fault.set(err)
	}
	return h.fault.tell()
}

// endAll ends the scenarios that are still running.
func (h *htmlReporter) endAll() error {
	keys := make([]unitKey, 0, len(h.units))
	for k := range h.units {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, unitKey.compare)
	for _, k := range keys {
		u := h.units[k]
		n := u.record.Counts
		end := unended(&u.start, u.started, u.steps.current() != nil, worst(n.Passed, n.Failed, n.Errors), h.page.last)
		if err := h.endScenario(u, end); err != nil {
			return err
		}
	}
	return nil
}

// record reads the record of a scenario.
func (h *htmlReporter) record(e *htmlEntry) (*htmlRecord, error) {
	text := make([]byte, e.record.Size)
	if _, err := io.ReadFull(h.spool.reader(e.record), text); err != nil {
		return nil, fmt.Errorf("temporary file of the report cannot be read: %w", cause(err))
	}
	r := new(htmlRecord)
	return r, json.Unmarshal(text, r)
}
