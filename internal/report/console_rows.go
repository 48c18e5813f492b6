package report

import (
	"strconv"
	"strings"
	"time"

	"iflowtest/runner"
)

// rowGroup is the data rows of one scenario, until the line of all of them is
// printed.
type rowGroup struct {
	first, rows int // the ScenarioID of the first row, and how many there are
	start       runner.Event
	began       time.Time // by the clock, for live lines
	running     int
	idle        time.Time     // by the clock: since when none runs
	counts      runner.Counts // of rows that ended
	from, to    time.Time     // by the events
	reason      string        // why rows were skipped
	reasons     bool          // not all for that reason
	lines       int           // rows that were listed
	hidden      int           // rows that were not, as there are too many
}

// group gives the group of a row that starts.
func (c *console) group(e *runner.Event) *rowGroup {
	first := c.blocks.firstRow(e)
	g := c.groups[first]
	if g == nil {
		g = &rowGroup{first: first, rows: e.Rows, start: scenarioOf(e), from: e.Time}
		g.start.Row = ""
		if c.live {
			g.began = time.Now()
		}
		c.groups[first] = g
	}
	return g
}

func (g *rowGroup) holds(id int) bool { return id >= g.first && id < g.first+g.rows }

// complete reports whether every row has ended; nil is no group.
func (g *rowGroup) complete() bool { return g != nil && g.counts.Total >= g.rows }

// rowEnd counts a row that ended with e.
func (c *console) rowEnd(u *consoleUnit, e *runner.Event) {
	g := u.group
	if g.running--; g.running == 0 && c.live {
		g.idle = time.Now()
	}
	counted := *e
	counted.Flaky = u.flaky(e)
	tally(&g.counts, &counted)
	if u.start.Time.Before(g.from) {
		g.from = u.start.Time
	}
	if e.Time.After(g.to) {
		g.to = e.Time
	}
	if e.Outcome == runner.Skip {
		reason := reasonOf(u, e)
		if g.counts.Skipped == 1 {
			g.reason = reason
		}
		g.reasons = g.reasons || reason != g.reason
	}
	if g.complete() {
		c.done++
	}
}

// notable reports whether a row has a line of its own also without Verbose.
func (u *consoleUnit) notable(e *runner.Event) bool {
	return e.Outcome != runner.Pass && e.Outcome != runner.Skip || u.flaky(e)
}

// listed reports whether a line, which may be that of a row of g, is printed;
// of very many rows it is not.
func (c *console) listed(g *rowGroup, line string) bool {
	if line == "" {
		return false
	}
	if limit := c.limit(); g != nil && limit > 0 && !c.options.Verbose {
		if g.lines == limit {
			g.hidden++
			return false
		}
		g.lines++
	}
	return true
}

// printGroup prints the line of all rows of a scenario.
func (c *console) printGroup(g *rowGroup) {
	delete(c.groups, g.first)
	if c.options.Quiet {
		return
	}
	s := ""
	if g.hidden > 0 {
		s = "      and " + plural(g.hidden, "row") + " more, in " + strings.Join(c.options.Reports, ", ") + "\n"
	}
	n := &g.counts
	outcome := worst(n.Passed, n.Failed, n.Errors)
	s += c.outcome(outcome, n.Flaky > 0) + " " + fileAndTitle(&g.start)
	details := groupDetails(g)
	if outcome != runner.Skip {
		details += ", " + duration(max(0, float64(g.to.Sub(g.from))/float64(time.Millisecond)))
	}
	c.print(s + c.paint(dim, "  ("+details+")") + "\n")
}

// groupDetails gives "100000 rows: 99998 passed, 2 failed"; when all passed,
// the first part is enough.
func groupDetails(g *rowGroup) string {
	n := &g.counts
	s := plural(g.rows, "row")
	if n.Total < g.rows {
		s = strconv.Itoa(n.Total) + " of " + s
	}
	skipped := "skipped"
	if g.reason != "" && !g.reasons {
		skipped += ": " + oneLine(g.reason)
	}
	switch {
	case n.Passed == n.Total && n.Flaky == 0:
		return s
	case n.Skipped == n.Total:
		return s + " " + skipped
	}
	var parts []string
	for _, p := range []struct {
		count int
		word  string
	}{{n.Passed, "passed"}, {n.Flaky, "of these flaky"}, {n.Failed, "failed"}, {n.Errors, "with errors"}, {n.Skipped, skipped}} {
		if p.count > 0 {
			parts = append(parts, strconv.Itoa(p.count)+" "+p.word)
		}
	}
	return s + ": " + strings.Join(parts, ", ")
}
