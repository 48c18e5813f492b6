package runner

import (
	"cmp"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"iflowtest/scenarios"
)

// Identity names a scenario, or one data row of it, across runs.
type Identity struct {
	// File, Document and Scenario are those of [Event]; Row is empty without
	// data.
	File, Document, Scenario, Row string
	// Run is the id of the run that it was in: names may hold it.
	Run string
}

// Shard is one of several parts of a run. The zero Shard is all of it.
type Shard struct {
	// Index is from 1 to Count.
	Index, Count int
	// Durations are how long scenarios took in a former run. With them the
	// shards take about as long as each other; without, their sizes differ by
	// one at most. Both are the same for the same files and durations.
	Durations map[Identity]time.Duration
}

// failed reports whether the scenario is among those that did not pass in the
// former run that the options name. Its name is not looked at, as it may hold
// the id of the run; file and document are enough.
func (c *compiler) failed(s *scenarios.Scenario) bool {
	if c.o.Failed == nil {
		return true
	}
	found := false
	for i, id := range c.o.Failed {
		if id.File == s.File && id.Document == documentOf(s) {
			c.found[i], found = true, true
		}
	}
	return found
}

// selectRows keeps the rows that did not pass in the former run.
func (c *scenarioCompiler) selectRows() {
	if c.rows == nil || c.o.Failed == nil {
		return
	}
	failed := map[string]bool{}
	for _, id := range c.o.Failed {
		if id.File == c.out.file && id.Document == c.out.document {
			if id.Row == "" {
				return // it did not come to all rows
			}
			failed[id.row(c.plan.id)] = true
		}
	}
	var selected []int
	for row, err := range c.rows.All() {
		if err != nil {
			return // the run tells
		}
		vars := map[string]any{}
		maps.Copy(vars, c.staticVars(c.out.vars, nil))
		vs := c.values(vars, c.out)
		vs.Row, vs.RowIndex = row.Values, row.Index
		for _, v := range c.out.vars {
			if _, known := vars[v.name]; !known {
				if e, err := v.value.eval(vs); err == nil {
					vars[v.name] = e
				}
			}
		}
		name := strconv.Itoa(row.Index)
		if c.out.rowName != nil {
			text, err := c.out.rowName.Text(vs)
			if err != nil {
				return
			}
			name = cmp.Or(text, name)
		}
		if name = c.o.Redactor.Text(name); failed[name] {
			selected = append(selected, row.Index)
			delete(failed, name)
		}
	}
	for i, id := range c.o.Failed {
		if id.File == c.out.file && id.Document == c.out.document && failed[id.row(c.plan.id)] {
			c.found[i] = false // the row is not there any more
		}
	}
	c.out.selected, c.out.units = selected, len(selected)
}

// row gives the name of the row as it would be in this run.
func (id Identity) row(run string) string {
	if id.Run == "" {
		return id.Row
	}
	return strings.ReplaceAll(id.Row, id.Run, run)
}

// order chooses the shard, shuffles, and numbers what is left.
func (c *compiler) order() {
	p := c.plan
	p.scenarios = c.o.Shard.part(p.scenarios)
	if c.o.Seed != 0 {
		r := rand.New(rand.NewPCG(uint64(c.o.Seed), 0))
		r.Shuffle(len(p.scenarios), func(i, j int) { p.scenarios[i], p.scenarios[j] = p.scenarios[j], p.scenarios[i] })
	}
	next := 1
	for _, sc := range p.scenarios {
		sc.id = next
		next += sc.units
		p.use(sc)
	}
	for _, sh := range p.shared {
		sh.scenario.id = next
		next++
	}
	for i, id := range c.o.Failed {
		if !c.found[i] && !c.includes(id) {
			p.lost = append(p.lost, id)
		}
	}
}

// includes reports whether it is an included file that failed: those that
// include it failed as well, and are run again.
func (c *compiler) includes(id Identity) bool {
	for _, sh := range c.shared {
		if sh.scenario.file == id.File {
			return true
		}
	}
	return false
}

// use adds the files that run once that a scenario includes, those that they
// include before them.
func (p *Plan) use(sc *scenario) {
	for _, sh := range sc.uses {
		if !slices.Contains(p.shared, sh) {
			p.use(sh.scenario)
			p.shared = append(p.shared, sh)
		}
	}
}

// part gives the scenarios of the shard, in their order.
func (s Shard) part(all []*scenario) []*scenario {
	if s.Count <= 1 {
		return all
	}
	var part []*scenario
	if len(s.Durations) == 0 {
		for i, sc := range all {
			if i%s.Count == s.Index-1 {
				part = append(part, sc)
			}
		}
		return part
	}
	mine := s.byDuration(all)
	for i, sc := range all {
		if mine[i] {
			part = append(part, sc)
		}
	}
	return part
}

// byDuration gives the scenarios of the shard when the longest are given away
// first, each to the shard with the least to do.
func (s Shard) byDuration(all []*scenario) map[int]bool {
	took := make([]time.Duration, len(all))
	var sum time.Duration
	known := 0
	for id, d := range s.Durations {
		i := slices.IndexFunc(all, func(sc *scenario) bool { return sc.file == id.File && sc.document == id.Document })
		if i < 0 {
			continue
		}
		if took[i] == 0 {
			known++
		}
		took[i] += d
		sum += d
	}
	// What is new takes what the others take on average.
	mean := sum / time.Duration(max(known, 1))
	longest := make([]int, len(all))
	for i := range all {
		longest[i] = i
		took[i] = cmp.Or(took[i], mean)
	}
	slices.SortStableFunc(longest, func(a, b int) int { return cmp.Compare(took[b], took[a]) })
	load, mine := make([]time.Duration, s.Count), map[int]bool{}
	for _, i := range longest {
		least := slices.Index(load, slices.Min(load))
		load[least] += max(took[i], 1)
		mine[i] = least == s.Index-1
	}
	return mine
}

// Lost gives what [Options.Failed] names and the files do not hold any more.
func (p *Plan) Lost() []Identity { return slices.Clone(p.lost) }

// units gives how many scenarios and rows the plan runs.
func (p *Plan) units() int {
	n := 0
	for _, sc := range p.scenarios {
		n += sc.units
	}
	return n
}
