package runner

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"sync"

	"iflowtest/internal/diag"
	"iflowtest/internal/expression"
	"iflowtest/scenarios"
)

// data opens the rows of a scenario and makes their columns known to its
// expressions.
func (c *scenarioCompiler) data() {
	s := c.source
	override := c.rowFile
	if s.Data == nil && override == "" {
		if s.RowName != nil {
			c.diags = append(c.diags, diag.Errorf(s.RowName.Pos(), diag.InvalidValue, "row-name names data rows, and the scenario has no data"))
		}
		return
	}
	c.scope.HasRow = true
	if override == "" && scenarios.DataShape().Check(s.Data, "data").HasErrors() {
		return // reported by the loader
	}
	path := ""
	if override == "" && s.Data.Kind != scenarios.List {
		var ok bool
		if path, ok = c.dataPath(); !ok {
			return
		}
	}
	rows, diags := scenarios.OpenRows(s.Data, path, scenarios.RowOptions{
		Files: c.plan.files, From: s.Path, Override: override, Shown: c.o.DataShown,
		WorkingFolder: c.suite.WorkingFolder, Sources: c.plan.sources,
	})
	c.diags = append(c.diags, diags...)
	if diags.HasErrors() {
		return
	}
	c.rows, c.out.rows, c.out.units = rows, rows, rows.Len()
	c.scope.Columns = append([]string{}, rows.Columns()...)
	if n := rows.Parallel(); n > 1 && len(s.Lock) > 0 {
		c.diags = append(c.diags, diag.Warningf(s.Data.Pos(), diag.InvalidValue, "the scenario has a lock, so its rows run one after another").
			WithHint("leave out parallel, or lock"))
	}
}

// dataPath evaluates the path of a data file, which may use what is known
// before the run: --var, vars, env and run.
func (c *scenarioCompiler) dataPath() (string, bool) {
	n := c.source.Data
	if n.Kind == scenarios.Map {
		n = n.Get("file")
	}
	if !expression.HasExpression(n.Text) {
		return n.Text, true
	}
	// The variables are compiled for good when the columns are known.
	diags := len(c.diags)
	known := c.known
	c.known = maps.Clone(known)
	vars := slices.Clone(c.envVars)
	for _, e := range c.source.Vars {
		vars = append(vars, variable{e.Key.Text, c.value(e.Value, c.scope)})
		c.known[e.Key.Text] = true
	}
	c.diags = c.diags[:diags]
	static := c.staticVars(vars, nil)
	scope := *c.scope
	scope.HasRow = false
	path, ok := c.static(n, &scope, static)
	c.known = known
	return path, ok
}

// columns reports a column that a template needs and some row does not have.
func (c *scenarioCompiler) columns(t *expression.Template, n *scenarios.Node) {
	if t == nil {
		return
	}
	c.usesRow = c.usesRow || t.UsesRow()
	if c.rows == nil {
		return
	}
	for _, column := range t.RequiredColumns() {
		if at, lacks := c.rows.Lacking(column); lacks {
			c.diags = append(c.diags, diag.Errorf(n.Pos(), diag.UnknownMember, "not every row has a column %q: the one at %s has none", column, at).
				WithHint("give it there, or a default here: row[%q] ?? \"\"", column))
		}
	}
}

// rowSource hands out the rows of a scenario, one at a time, to whoever asks.
// It is safe for concurrent use.
type rowSource struct {
	mu       sync.Mutex
	next     func() (scenarios.Row, error, bool)
	stop     func()
	selected []int // nil: all
	given    int
	total    int
	// broken is why the rows that follow cannot be had.
	broken error
	told   bool
}

// numbered is a row and its place among those that run, from 0.
type numbered struct {
	row   scenarios.Row
	place int
	// err says why the row cannot be had; the index of the row is right then.
	err error
	// first is set for the first of the rows that cannot be had.
	first bool
}

// rowsOf starts the second pass over the rows of a scenario.
func rowsOf(sc *scenario) *rowSource {
	next, stop := iter.Pull2(sc.rows.All())
	return &rowSource{next: next, stop: stop, selected: sc.selected, total: sc.units}
}

// take gives the next row; ok is false when there is none.
func (r *rowSource) take() (row numbered, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.given == r.total {
		return numbered{}, false
	}
	row.place = r.given
	wanted := r.given + 1
	if r.selected != nil {
		wanted = r.selected[r.given]
	}
	r.given++
	for r.broken == nil && row.row.Index < wanted {
		var err error
		var more bool
		row.row, err, more = r.next()
		switch {
		case !more:
			r.broken = fmt.Errorf("the data ended before row %d, which was there before the run", wanted)
		case err != nil:
			r.broken = err
		}
	}
	if r.broken != nil {
		row.row, row.err, row.first = scenarios.Row{Index: wanted}, r.broken, !r.told
		r.told = true
	}
	return row, true
}

func (r *rowSource) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stop()
}

// row runs one row; one that cannot be had is an error.
func (s *session) row(signals, ctx context.Context, sc *scenario, r numbered) {
	id := sc.id + r.place
	if r.err == nil {
		s.scenario(signals, ctx, sc, id, &r.row)
		return
	}
	x := s.execution(sc, id, &r.row)
	x.rowName, x.stopped = strconv.Itoa(r.row.Index), r.err.Error()
	s.gate.send(x.event(ScenarioStart, nil))
	for _, st := range sc.steps {
		x.skipped(st, x.stopped)
	}
	e := x.event(ScenarioEnd, nil)
	e.Outcome, e.Reason = Skip, x.stopped
	if r.first {
		e.Outcome, e.Reason = Error, ""
		e.Err = &Problem{Type: TypeFile, Message: x.stopped, Cure: "leave the data file alone while the run reads it"}
		x.classes |= classUnknown
	}
	s.finish(x, e)
}
