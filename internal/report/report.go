// Package report writes what happened in a run: console, JUnit, JSON lines. A
// reporter reads events of the package runner and writes bytes; it decides
// nothing, not even the exit status. Every string of an event is already
// redacted and safe to print, so a reporter cannot show what it never had.
package report

import (
	"cmp"
	"errors"
	"slices"

	"iflowtest/runner"
)

// Reporter is fed with the events of one run, from one goroutine, and closed
// once, also when no run-end came: what it wrote is complete then.
//
// An error of either method means that the report could not be written (exit
// status 9). It is given once: later events are taken without an error and
// without effect, so that a full disk does not stop a run. A Reporter keeps
// neither the event nor what it points to.
type Reporter interface {
	Event(e *runner.Event) error
	Close() error
}

// Tee gives a Reporter that passes each event to all of them, in this order,
// and closes all of them; one that fails does not keep the event from the
// others, and their errors are joined.
func Tee(reporters ...Reporter) Reporter { return tee(reporters) }

type tee []Reporter

func (t tee) Event(e *runner.Event) error {
	var errs []error
	for _, r := range t {
		if err := r.Event(e); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (t tee) Close() error {
	var errs []error
	for _, r := range t {
		errs = append(errs, r.Close())
	}
	return errors.Join(errs...)
}

// fault keeps the first error of a reporter and tells it once.
type fault struct {
	err  error
	told bool
}

func (f *fault) set(err error) {
	if f.err == nil {
		f.err = err
	}
}

func (f *fault) tell() error {
	if f.err == nil || f.told {
		return nil
	}
	f.told = true
	return f.err
}

// unitKey identifies what runs as one: a scenario, or one data row of it.
type unitKey struct {
	id  int
	row string
}

func keyOf(e *runner.Event) unitKey { return unitKey{e.ScenarioID, e.Row} }

// compare orders what runs by ScenarioID, then by row.
func (k unitKey) compare(o unitKey) int {
	return cmp.Or(cmp.Compare(k.id, o.id), cmp.Compare(k.row, o.row))
}

// scenarioOf copies what names the scenario of e. The line is known when e is
// the start of the scenario.
func scenarioOf(e *runner.Event) runner.Event {
	s := runner.Event{
		Time: e.Time, Run: e.Run, Scenario: e.Scenario, ScenarioID: e.ScenarioID,
		Document: e.Document, Row: e.Row, RowIndex: e.RowIndex, File: e.File, Below: e.Below,
	}
	if e.Event == runner.ScenarioStart {
		s.Line, s.Column = e.Line, e.Column
	}
	return s
}

// copyInfo copies what reporters keep of a run: what was planned is not of it,
// as it grows with the scenarios.
func copyInfo(i *runner.RunInfo) runner.RunInfo {
	c := *i
	c.Hosts, c.Warnings, c.Planned = slices.Clone(i.Hosts), slices.Clone(i.Warnings), nil
	return c
}
