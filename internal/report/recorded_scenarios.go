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

func identityOf(e *runner.Event) ScenarioIdentity {
	return ScenarioIdentity{File: e.File, Document: e.Document, Scenario: e.Scenario, Row: e.Row}
}

func (s ScenarioIdentity) compare(o ScenarioIdentity) int {
	return cmp.Or(strings.Compare(s.File, o.File), strings.Compare(s.Document, o.Document),
		strings.Compare(s.Scenario, o.Scenario), strings.Compare(s.Row, o.Row))
}

// Durations gives how long the scenarios of recorded runs took: the last run of
// each, those only that came to their end. Files that cannot be used are a
// [*RecordedError]; the version does not matter.
func Durations(files []string, o RecordedOptions) (map[ScenarioIdentity]time.Duration, error) {
	took := map[ScenarioIdentity]time.Duration{}
	for _, name := range files {
		err := newRecordedFile(name, o.Warn).each(func(e *runner.Event, _ int) error {
			if e.Event == runner.ScenarioEnd {
				took[identityOf(e)] = time.Duration(max(0, min(e.DurationMs, 1e12)) * float64(time.Millisecond))
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
// another one failed (--bail). The last run of each counts. Files that cannot
// be used are a [*RecordedError]; the version does not matter.
func Failed(files []string, o RecordedOptions) ([]ScenarioIdentity, error) {
	runs := map[ScenarioIdentity]*lastRuns{}
	part := 0
	for _, name := range files {
		part++
		err := newRecordedFile(name, o.Warn).each(func(e *runner.Event, _ int) error {
			switch e.Event {
			case runner.RunStart:
				part++
			case runner.RunEnd:
			default:
				id := identityOf(e)
				if runs[id] == nil || runs[id].part != part {
					runs[id] = &lastRuns{part: part}
				}
				runs[id].take(e)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	maps.DeleteFunc(runs, func(_ ScenarioIdentity, r *lastRuns) bool { return r.complete() })
	return slices.SortedFunc(maps.Keys(runs), ScenarioIdentity.compare), nil
}

// lastRuns is how a scenario ended in the last part that has it: a file, or one
// of the runs in it. Two rows of one name are two scenarios with ids of their
// own.
type lastRuns struct {
	part int
	all  []lastRun
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
func cutShort(reason string) bool { return reason == runner.ReasonBail }
