package report

import (
	"time"

	"iflowtest/runner"
)

// stepQueue keeps the steps of one scenario in the order in which they were
// started: steps that run side by side (deletions) end in any order, and a
// report must not depend on it.
type stepQueue struct {
	open []*queuedStep
}

// queuedStep is a step from its start until it and all before it have ended.
type queuedStep struct {
	start   runner.Event   // without the parts that only an end has
	name    string         // unique in the scenario, for JUnit
	began   time.Time      // by the clock of the reporter, for live lines
	attempt int            // the last that ended
	failed  []runner.Event // attempts that did not pass
	ended   bool
	text    []byte // what is to be written, once it has ended
	failure string // what the console shows at the end
}

// begin adds a step.
func (q *stepQueue) begin(e *runner.Event) *queuedStep {
	s := &queuedStep{start: runner.Event{
		Time: e.Time, Scenario: e.Scenario, ScenarioID: e.ScenarioID, Document: e.Document, Row: e.Row,
		Step: e.Step, Index: e.Index, Cleanup: e.Cleanup, Kind: e.Kind, File: e.File, Line: e.Line, Column: e.Column,
	}}
	q.open = append(q.open, s)
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

// pop gives the ended steps at the front, in order, and forgets them.
func (q *stepQueue) pop() []*queuedStep {
	n := 0
	for n < len(q.open) && q.open[n].ended {
		n++
	}
	done := q.open[:n]
	q.open = q.open[n:]
	return done
}

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
	e := s.start
	e.Event, e.Time, e.Outcome = runner.StepEnd, now, runner.Error
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
