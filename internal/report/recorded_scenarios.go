package report

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"iflowtest/runner"
)

// ScenarioIdentity is what names a scenario, or a data row of it, in every run:
// ids change from run to run.
type ScenarioIdentity struct {
	// File, Document, Scenario and Row are those of the events.
	File, Document, Scenario, Row string
	// Run is the id of the recorded run: names may hold it.
	Run string
}

// identityOf gives the identity of what e is of.
func identityOf(e *runner.Event) ScenarioIdentity {
	return ScenarioIdentity{
		File: e.File, Document: e.Document, Scenario: e.Scenario, Row: e.Row, Run: runIn(e.Run, e.Scenario, e.Row),
	}
}

// key gives what is equal for the same scenario of every run.
func (s ScenarioIdentity) key() ScenarioIdentity {
	s.Scenario, s.Row, s.Run = withoutRun(s.Scenario, s.Run), withoutRun(s.Row, s.Run), ""
	return s
}

func (s ScenarioIdentity) compare(o ScenarioIdentity) int {
	return cmp.Or(strings.Compare(s.File, o.File), strings.Compare(s.Document, o.Document),
		strings.Compare(s.Scenario, o.Scenario), strings.Compare(s.Row, o.Row), strings.Compare(s.Run, o.Run))
}

// Durations gives how long the scenarios of recorded runs took: the last run of
// each, those only that came to their end. Files that cannot be used are a
// [*RecordedError]; the version does not matter.
func Durations(files []string, o RecordedOptions) (map[ScenarioIdentity]time.Duration, error) {
	took := map[ScenarioIdentity]time.Duration{}
	last := map[ScenarioIdentity]ScenarioIdentity{} // by key
	for _, name := range files {
		err := newRecordedFile(name, o.Warn).each(func(e *runner.Event, _ int) error {
			if e.Event == runner.ScenarioEnd && !neverReached(e) {
				id := identityOf(e)
				delete(took, last[id.key()])
				last[id.key()] = id
				took[id] = time.Duration(max(0, min(e.DurationMs, 1e12)) * float64(time.Millisecond))
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return took, nil
}

// Failed gives the scenarios of recorded runs that have to be run again, sorted
// by file, document, name and row: those that failed, that could not find out,
// that did not come to their end, and those that were cut short because
// another one failed (--bail). The last run of each counts. Of a run that did
// not end they are those, too, that it never came to; where that is some of the
// rows of a scenario, the names of which nobody knows, the scenario is named
// without a Row, which means all of them. Files that cannot be used are a
// [*RecordedError]; the version does not matter.
func Failed(files []string, o RecordedOptions) ([]ScenarioIdentity, error) {
	f := failures{runs: map[ScenarioIdentity]*lastRuns{}, rows: map[ScenarioIdentity]*seenRows{}}
	for _, name := range files {
		f.begin(nil)
		err := newRecordedFile(name, o.Warn).each(func(e *runner.Event, _ int) error { f.take(e); return nil })
		if err != nil {
			return nil, err
		}
		f.end()
	}
	var all []ScenarioIdentity
	for key, r := range f.runs {
		if !r.complete() && !f.covered(key) {
			all = append(all, r.identity)
		}
	}
	slices.SortFunc(all, ScenarioIdentity.compare)
	return all, nil
}

// failures reads recorded runs for what has to be run again.
type failures struct {
	runs map[ScenarioIdentity]*lastRuns // by key
	rows map[ScenarioIdentity]*seenRows // by key, without a row
	// Of the part that is read: its number, what it was about to do, what it did.
	part  int
	run   string
	plan  plan
	ids   []int
	ended bool
}

// seenRows are the rows of a scenario that there is a result of.
type seenRows struct {
	total int // how many there are at least
	all   map[int]bool
	now   map[int]bool // of the part that is read
	part  int          // which that is
}

// begin begins a part: a file, or one of the runs in it.
func (f *failures) begin(e *runner.Event) {
	f.part++
	f.plan, f.ids, f.ended, f.run = nil, nil, false, ""
	if e != nil {
		f.plan, f.run = planOf(e.Info), e.Run
	}
}

func (f *failures) take(e *runner.Event) {
	switch e.Event {
	case runner.RunStart:
		f.end()
		f.begin(e)
		return
	case runner.RunEnd:
		f.ended = true
		return
	}
	if n := len(f.ids); len(f.plan) > 0 && (n == 0 || f.ids[n-1] != e.ScenarioID) {
		f.ids = append(f.ids, e.ScenarioID)
	}
	id := identityOf(e)
	f.last(id).take(e)
	if e.RowIndex > 0 {
		id.Row = ""
		f.seen(id).take(e)
	}
}

// last gives the runs of a scenario in the part that is read.
func (f *failures) last(id ScenarioIdentity) *lastRuns {
	key := id.key()
	r := f.runs[key]
	if r == nil || r.part != f.part {
		r = &lastRuns{part: f.part, identity: id}
		f.runs[key] = r
	}
	return r
}

// seen gives the rows of a scenario.
func (f *failures) seen(id ScenarioIdentity) *seenRows {
	key := id.key()
	r := f.rows[key]
	if r == nil {
		r = &seenRows{all: map[int]bool{}}
		f.rows[key] = r
	}
	if r.part != f.part {
		maps.Copy(r.all, r.now)
		r.part, r.now = f.part, map[int]bool{}
	}
	return r
}

func (r *seenRows) take(e *runner.Event) {
	r.total = max(r.total, e.Rows)
	r.now[e.RowIndex] = true
}

// end ends a part: what it never came to has to be run again.
func (f *failures) end() {
	if f.ended || len(f.plan) == 0 {
		return
	}
	slices.Sort(f.ids)
	for k, n := range f.plan.seen(f.ids) {
		s := &f.plan[k]
		if n >= unitsOf(s) {
			continue
		}
		id := ScenarioIdentity{File: s.File, Document: s.Document, Scenario: s.Scenario, Run: runIn(f.run, s.Scenario)}
		r := f.last(id)
		r.all = append(r.all, lastRun{id: s.ScenarioID})
		if s.Rows == 0 {
			continue
		}
		rows := f.seen(id)
		if s.Rows >= rows.total { // not a selection: what other runs did is of the past
			rows.all = map[int]bool{}
		}
		rows.total = max(rows.total, s.Rows)
	}
	f.plan = nil
}

// covered reports whether a scenario that is named without a row has results
// of all of its rows, which later parts gave.
func (f *failures) covered(key ScenarioIdentity) bool {
	r := f.rows[key]
	if key.Row != "" || r == nil {
		return false
	}
	maps.Copy(r.all, r.now)
	return len(r.all) >= r.total
}

// lastRuns is how a scenario ended in the last part that has it: a file, or one
// of the runs in it. Two rows of one name are two scenarios with ids of their
// own.
type lastRuns struct {
	part     int
	identity ScenarioIdentity
	all      []lastRun
}

// lastRun is how a scenario ended when it was last started.
type lastRun struct {
	id         int
	ended, bad bool
}

func (r *lastRuns) take(e *runner.Event) {
	i := slices.IndexFunc(r.all, func(l lastRun) bool { return l.id == e.ScenarioID })
	if i < 0 {
		i = len(r.all)
		r.all = append(r.all, lastRun{id: e.ScenarioID})
	}
	r.all[i].take(e)
}

func (r *lastRuns) complete() bool {
	return !slices.ContainsFunc(r.all, func(l lastRun) bool { return !l.ended || l.bad })
}

func (r *lastRun) take(e *runner.Event) {
	switch e.Event {
	case runner.ScenarioStart:
		r.ended, r.bad = false, false
	case runner.ScenarioEnd:
		r.ended = true
		r.bad = r.bad || e.Outcome != runner.Pass && e.Outcome != runner.Skip
	case runner.StepEnd:
		r.bad = r.bad || e.Outcome == runner.Fail || e.Outcome == runner.Error
	}
	if e.Outcome == runner.Skip && cutShort(e.Reason) {
		r.bad = true
	}
}

// cutShort reports whether the reason of a skipped step is the end of the run,
// and not something that the scenario says. A time limit and a signal make the
// scenario an error by themselves.
func cutShort(reason string) bool {
	return reason == runner.ReasonBail || strings.HasSuffix(reason, notReached)
}
