package report

import (
	"slices"
	"time"

	"iflowtest/runner"
)

// stepQueue keeps the steps of one scenario in the order in which they were
// started: steps that run side by side (deletions) end in any order, and a
// report must not depend on it.
type stepQueue struct {
	open  []*queuedStep
	spare []*queuedStep // to be used again
}

// queuedStep is a step from its start until it and all before it have ended.
type queuedStep struct {
	start   stepStart
	name    string         // unique in the scenario, for JUnit
	attempt int            // the last that ended
	failed  []runner.Event // attempts that did not pass
	ended   bool
	text    []byte // what is to be written, once it has ended
	// attempts are the lines of those before the last, and cause is what the
	// first of them came to, for the console.
	attempts []byte
	cause    string
	failure  string // what the console shows at the end
}

// stepStart is what the start of a step tells.
type stepStart struct {
	Time                                      time.Time
	Scenario, Document, Row, Step, Kind       string
	File                                      string
	ScenarioID, RowIndex, Index, Line, Column int
	Cleanup                                   bool
}

// begin adds a step.
func (q *stepQueue) begin(e *runner.Event) *queuedStep {
	s := q.empty()
	s.start = stepStart{
		Time: e.Time, Scenario: e.Scenario, ScenarioID: e.ScenarioID, Document: e.Document, Row: e.Row, RowIndex: e.RowIndex,
		Step: e.Step, Index: e.Index, Cleanup: e.Cleanup, Kind: e.Kind, File: e.File, Line: e.Line, Column: e.Column,
	}
	q.open = append(q.open, s)
	return s
}

func (q *stepQueue) empty() *queuedStep {
	n := len(q.spare)
	if n == 0 {
		return new(queuedStep)
	}
	s := q.spare[n-1]
	q.spare = q.spare[:n-1]
	*s = queuedStep{text: s.text[:0], attempts: s.attempts[:0]}
	return s
}

// find gives the step that e belongs to, nil when it was not started.
func (q *stepQueue) find(e *runner.Event) *queuedStep {
	var byIndex *queuedStep
	for _, s := range q.open {
		if s.ended || s.start.Index != e.Index || s.start.Cleanup != e.Cleanup {
			continue
		}
		if s.start.Step == e.Step {
			return s
		}
		if byIndex == nil && e.Index > 0 {
			byIndex = s
		}
	}
	return byIndex
}

// pop removes the first step when it has ended, and gives nil when it has not.
// What it gives holds until the next begin.
func (q *stepQueue) pop() *queuedStep {
	if len(q.open) == 0 || !q.open[0].ended {
		return nil
	}
	s := q.open[0]
	q.open = slices.Delete(q.open, 0, 1)
	if len(q.spare) < keptSteps && cap(s.text)+cap(s.attempts) <= spooled/4 {
		q.spare = append(q.spare, s)
	}
	return s
}

// keptSteps is how many steps are kept to be used again.
const keptSteps = 8

// current gives the step that was started last and runs, nil when none does.
func (q *stepQueue) current() *queuedStep {
	for i := len(q.open) - 1; i >= 0; i-- {
		if !q.open[i].ended {
			return q.open[i]
		}
	}
	return nil
}

// interrupted gives the step-end that never came.
func (s *queuedStep) interrupted(now time.Time) *runner.Event {
	e := runner.Event{
		Event: runner.StepEnd, Time: now, Outcome: runner.Error,
		Scenario: s.start.Scenario, ScenarioID: s.start.ScenarioID, Document: s.start.Document,
		Row: s.start.Row, RowIndex: s.start.RowIndex, Step: s.start.Step, Index: s.start.Index, Cleanup: s.start.Cleanup,
		Kind: s.start.Kind, File: s.start.File, Line: s.start.Line, Column: s.start.Column,
	}
	e.DurationMs = float64(max(0, now.Sub(s.start.Time))) / float64(time.Millisecond)
	e.Err = &runner.Problem{Type: runner.TypeInterrupted, Message: "the run ended before this step did"}
	return &e
}

// unended gives the scenario-end that never came. What was started ended with
// an error, which a step that is still open says already; what was not are
// steps outside of a scenario, which are judged by themselves.
func unended(start *runner.Event, started, open bool, worst runner.Outcome, now time.Time) *runner.Event {
	e := *start
	e.Event, e.Time, e.Outcome = runner.ScenarioEnd, now, worst
	e.DurationMs = float64(max(0, now.Sub(start.Time))) / float64(time.Millisecond)
	if open {
		e.Outcome = runner.Error
	} else if started {
		e.Outcome = runner.Error
		e.Err = &runner.Problem{Type: runner.TypeInterrupted, Message: "the run ended before this scenario did"}
	}
	return &e
}

// worst gives the outcome of a scenario with these steps.
func worst(passed, failed, errors int) runner.Outcome {
	switch {
	case errors > 0:
		return runner.Error
	case failed > 0:
		return runner.Fail
	case passed > 0:
		return runner.Pass
	}
	return runner.Skip
}
