package report

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"iflowtest/runner"
)

// notReached ends the reason of what a run that did not end never came to.
const notReached = "not reached: the run did not end"

// rowsNotReached is the reason of data rows that were not reached.
func rowsNotReached(n, all int) string {
	return strconv.Itoa(n) + " of " + plural(all, "row") + " " + notReached
}

// neverReached reports whether e ends a scenario that was never begun, as it
// stands in the merged record of a run that did not end.
func neverReached(e *runner.Event) bool {
	return e.Event == runner.ScenarioEnd && e.Outcome == runner.Skip && e.Row == "" && strings.HasSuffix(e.Reason, notReached)
}

// plan is what a run was about to execute, in the order of ScenarioID.
type plan []runner.Planned

func planOf(info *runner.RunInfo) plan {
	if info == nil {
		return nil
	}
	p := slices.Clone(info.Planned)
	slices.SortStableFunc(p, func(a, b runner.Planned) int { return cmp.Compare(a.ScenarioID, b.ScenarioID) })
	return p
}

// find gives the index of the scenario that a ScenarioID is of; -1: of none.
func (p plan) find(id int) int {
	i, found := slices.BinarySearchFunc(p, id, func(s runner.Planned, id int) int { return cmp.Compare(s.ScenarioID, id) })
	if !found {
		i--
	}
	if i < 0 || id-p[i].ScenarioID >= unitsOf(&p[i]) {
		return -1
	}
	return i
}

// unitsOf gives how many ScenarioIDs a scenario has.
func unitsOf(s *runner.Planned) int { return max(s.Rows, 1) }

// seen counts the ScenarioIDs, which are sorted, of each scenario.
func (p plan) seen(ids []int) []int {
	n := make([]int, len(p))
	for i, id := range ids {
		if k := p.find(id); k >= 0 && (i == 0 || id != ids[i-1]) {
			n[k]++
		}
	}
	return n
}

// shortestRun is how long a run's id has to be to be looked for in names; those
// that runs give themselves are longer.
const shortestRun = 6

// runMark stands for the id of a run in a name.
const runMark = "\x00"

// withoutRun replaces the id of the own run in a name, so that names of several
// runs can be compared.
func withoutRun(name, run string) string {
	for id := range strings.SplitSeq(run, "+") {
		if len(id) >= shortestRun {
			name = strings.ReplaceAll(name, id, runMark)
		}
	}
	return name
}

// runIn gives the id that one of the names holds, of those of a merged run;
// the whole when none does.
func runIn(run string, names ...string) string {
	if !strings.Contains(run, "+") {
		return run
	}
	for id := range strings.SplitSeq(run, "+") {
		if len(id) >= shortestRun && slices.ContainsFunc(names, func(n string) bool { return strings.Contains(n, id) }) {
			return id
		}
	}
	return run
}

// rowBlock is the data rows of one scenario in all runs.
type rowBlock struct {
	first int   // the ScenarioID of the first row; 0: none has one yet
	rows  []int // the numbers of the rows that are there, sorted, each once
	total int   // how many there are at least
}

// size gives how many ScenarioIDs the rows have.
func (b *rowBlock) size() int { return max(b.total, len(b.rows)) }

// missing gives how many rows no run came to.
func (b *rowBlock) missing() int { return b.total - len(b.rows) }

// dense reports whether rows have the place of their number: a run of a
// selection has fewer rows than the number of the last says.
func (b *rowBlock) dense() bool {
	return len(b.rows) == 0 || b.rows[len(b.rows)-1] <= b.total
}

// place gives the place of a row among those that there are, from 0.
func (b *rowBlock) place(row int) int {
	if b.dense() {
		return row - 1
	}
	i, _ := slices.BinarySearch(b.rows, row)
	return i
}

// free gives the first place that no row has.
func (b *rowBlock) free() int {
	if !b.dense() {
		return len(b.rows)
	}
	i := 0
	for i < len(b.rows) && b.rows[i] == i+1 {
		i++
	}
	return i
}

func (r *Recording) block(h scenarioHash) *rowBlock {
	b := r.blocks[h]
	if b == nil {
		b = new(rowBlock)
		r.blocks[h] = b
	}
	return b
}

// rows finds out which data rows there are.
func (r *Recording) rows() {
	for i := range r.units {
		if u := &r.units[i]; u.row > 0 {
			b := r.block(u.block)
			b.rows = append(b.rows, u.row)
			b.total = max(b.total, u.rows)
		}
	}
	for _, p := range r.parts {
		for i := range p.plan {
			if s := &p.plan[i]; s.Rows > 0 {
				b := r.block(hash(s.File, s.Document))
				b.total = max(b.total, s.Rows)
			}
		}
	}
	for _, b := range r.blocks {
		slices.Sort(b.rows)
		b.rows = slices.Compact(b.rows)
	}
}

// absent adds a unit for each scenario that a run which did not end never came
// to, and one for all data rows of a scenario that it did not come to.
func (r *Recording) absent(p *part) {
	if p.ended || len(p.plan) == 0 {
		return
	}
	told := make([]bool, len(p.plan))
	var ids []int
	for _, i := range p.units {
		u := &r.units[i]
		if u.planned > 0 {
			told[u.planned-1] = true
		} else {
			ids = append(ids, u.key.id)
		}
	}
	slices.Sort(ids)
	for k, n := range p.plan.seen(ids) {
		s := &p.plan[k]
		if told[k] || n >= unitsOf(s) {
			continue
		}
		u := recordedUnit{
			part: int32(slices.Index(r.parts, p)), planned: int32(k + 1), ended: true,
			key: unitHash{id: s.ScenarioID + unitsOf(s) - 1}, same: sameAs(s.File, s.Document, s.Scenario, "", p.run),
		}
		if s.Rows > 0 {
			u.block = hash(s.File, s.Document)
		}
		p.units = append(p.units, int32(len(r.units)))
		r.units = append(r.units, u)
	}
}

// markAbsent notes a scenario that an earlier merging found not to be begun.
func (p *part) markAbsent(u *recordedUnit, e *runner.Event) {
	k := p.plan.find(e.ScenarioID)
	if k < 0 {
		return
	}
	u.planned = int32(k + 1)
	if s := &p.plan[k]; s.Rows > 0 {
		u.block = hash(s.File, s.Document)
	}
}

// planned gives what all runs were about to execute, with the new ids.
func (r *Recording) planned() []runner.Planned {
	var all []runner.Planned
	at := map[scenarioHash]int{}
	for _, p := range r.parts {
		for _, s := range p.plan {
			same := sameAs(s.File, s.Document, s.Scenario, "", p.run)
			if s.Rows > 0 {
				same = hash(s.File, s.Document)
				b := r.blocks[same]
				s.ScenarioID, s.Rows = b.first, b.size()
			} else if owner, ok := r.owner[same]; ok {
				s.ScenarioID = r.units[owner].id
			} else {
				continue // lines are missing
			}
			if s.ScenarioID == 0 {
				continue
			}
			s.Steps = slices.Clone(s.Steps)
			if i, ok := at[same]; ok {
				all[i] = s
				continue
			}
			at[same] = len(all)
			all = append(all, s)
		}
	}
	slices.SortStableFunc(all, func(a, b runner.Planned) int { return cmp.Compare(a.ScenarioID, b.ScenarioID) })
	return all
}

// endAbsent gives the scenarios that the run did not come to.
func (p *replay) endAbsent() error {
	for _, i := range p.parts[p.at].units {
		u := &p.units[i]
		if u.planned == 0 || !p.owns(i) {
			continue
		}
		reason := notReached
		if u.block != (scenarioHash{}) {
			b := p.blocks[u.block]
			reason = rowsNotReached(b.missing(), b.size())
		}
		if err := p.skipWhole(u.id, &p.parts[p.at].plan[u.planned-1], reason); err != nil {
			return err
		}
	}
	return nil
}

// skipWhole gives the events of a scenario that was never begun.
func (p *replay) skipWhole(id int, s *runner.Planned, reason string) error {
	base := runner.Event{
		Time: p.parts[p.at].last, Run: p.run, Scenario: s.Scenario, ScenarioID: id, Document: s.Document, File: s.File,
	}
	give := func(e runner.Event) error {
		cleanEvent(&e, p.options.Clean)
		p.track(&e, nil)
		return p.emit(&e)
	}
	e := base
	e.Event = runner.ScenarioStart
	if err := give(e); err != nil {
		return err
	}
	for i, name := range s.Steps {
		if err := give(*skippedStep(&base, i+1, name, reason, base.Time)); err != nil {
			return err
		}
	}
	e = base
	e.Event, e.Outcome, e.Reason = runner.ScenarioEnd, runner.Skip, reason
	return give(e)
}

// skippedStep gives the end of a step that was not reached.
func skippedStep(start *runner.Event, index int, name, reason string, now time.Time) *runner.Event {
	e := *start
	e.Event, e.Time, e.Line, e.Column, e.Tags = runner.StepEnd, now, 0, 0, nil
	e.Step, e.Index, e.Outcome, e.Reason = name, index, runner.Skip, reason
	return &e
}
