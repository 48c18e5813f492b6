package runner

import (
	"cmp"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"strconv"

	"iflowtest/assertions"
	"iflowtest/internal/diag"
	"iflowtest/internal/expression"
	"iflowtest/scenarios"
)

// computedFile is a file of a step whose path is computed, such as
// expected/${row.name}.json. What is known before the run is checked then.
type computedFile struct {
	step *step
	path *expression.Template
	// check gives what is wrong with the file at a path, for the place that
	// names it.
	check func(path any) diag.List
}

// errNotYet stands for what cannot be known before the run.
var errNotYet = errors.New("not known before the run")

// expectLater notes the files of an expect block whose paths are computed.
func (c *stepCompiler) expectLater(e *assertions.Expectation, o assertions.Options) {
	var used []int
	e.CheckFiles(o, func(i int) (any, error) {
		used = append(used, i)
		return nil, errNotYet
	})
	sc := c.scenarioCompiler
	for _, i := range used {
		sc.computed = append(sc.computed, computedFile{c.out, c.out.computed[i], func(path any) diag.List {
			return sc.diagnostics(e.CheckFiles(o, func(j int) (any, error) {
				if i != j {
					return nil, errNotYet
				}
				return path, nil
			}))
		}})
	}
}

// payloadLater notes a payload file whose path is computed; check says what
// else is wrong with it, nil: it only has to be there.
func (c *stepCompiler) payloadLater(path *expression.Template, pos diag.Position, check func(data []byte, path string) error) {
	files, from := c.plan.files, c.file.path
	c.computed = append(c.computed, computedFile{c.out, path, func(v any) diag.List {
		name := textOf(v)
		if check == nil {
			f, err := files.OpenRelative(from, name)
			if err != nil {
				return diag.List{fileDiagnostic(pos, err)}
			}
			_ = f.Close() // it was only opened to see that it can be
			return nil
		}
		data, err := files.ReadFile(from, name)
		if err != nil {
			return diag.List{fileDiagnostic(pos, err)}
		}
		if err := check(data, name); err != nil {
			return diag.List{diag.Errorf(pos, diag.BadFile, "%s", err)}
		}
		return nil
	}})
}

// The most mistakes that are told of files whose paths are computed, the most
// that are counted beyond those before the rest of the rows is left alone, and
// the most paths that are remembered, so as not to look at a file for each of
// many rows.
const (
	maxComputedMistakes = 20
	maxCountedMistakes  = 1000
	maxCheckedPaths     = 1 << 16
)

// fileCheck checks the files of a scenario whose paths are computed.
type fileCheck struct {
	*scenarioCompiler
	// includes are the steps that enter a frame.
	includes map[*frame]*step
	seed     maphash.Seed
	checked  map[uint64]bool
	found    diag.List
	more     int // mistakes that are not told
}

// computedFiles checks the files whose paths are computed, for each row that
// runs: a file that is missing or broken is found before the first request. A
// path that depends on what a step captures is left to the run, as is a file of
// a step whose condition does. The rows are read as a stream.
func (c *scenarioCompiler) computedFiles() {
	if len(c.computed) == 0 {
		return
	}
	f := &fileCheck{scenarioCompiler: c, includes: map[*frame]*step{}, seed: maphash.MakeSeed(), checked: map[uint64]bool{}}
	for _, st := range c.out.steps {
		if a, ok := st.action.(*includeAction); ok {
			f.includes[a.frame] = st
		}
	}
	if c.rows == nil {
		f.row(nil)
	} else {
		for row, err := range c.rows.All() {
			if err != nil || f.more >= maxCountedMistakes {
				break // of an error the run tells
			}
			if _, selected := slices.BinarySearch(c.out.selected, row.Index); selected || c.out.selected == nil {
				f.row(&row)
			}
		}
	}
	if f.more > 0 {
		last, least := &f.found[len(f.found)-1], ""
		if f.more >= maxCountedMistakes {
			least = "at least "
		}
		*last = last.WithHint("%s%d more files of other rows are missing or broken", least, f.more)
	}
	c.diags = append(c.diags, f.found...)
	c.computed = nil
}

// row checks the files of one row; nil: the scenario has none.
func (f *fileCheck) row(row *scenarios.Row) {
	vs := f.known(row)
	if f.out.skip != nil {
		if reason, err := f.out.skip.Text(vs); err != nil || reason != "" {
			return
		}
	}
	plain := vs.Lookup
	for i, file := range f.computed {
		if file.path.Varies() {
			continue
		}
		vs.Lookup = plain
		if !f.reaches(file.step, vs) {
			continue
		}
		path, err := file.path.Eval(vs)
		if err != nil || f.again(i, textOf(path)) {
			continue
		}
		for _, d := range file.check(path) {
			f.tell(d, row, vs)
		}
	}
}

// known gives what expressions see before the run: not what steps set, and
// nothing that is another in each run.
func (f *fileCheck) known(row *scenarios.Row) *expression.Values {
	vars := map[string]any{}
	vs := f.values(vars, f.out)
	if row != nil {
		vs.Row, vs.RowIndex = row.Values, row.Index
	}
	for name, text := range f.o.Vars {
		vars[name] = text
	}
	for _, v := range f.out.vars {
		if _, given := f.o.Vars[v.name]; given {
			continue
		}
		if value, err := v.value.eval(vs); err == nil && !v.value.varies() && !f.isSet(v.name) {
			vars[v.name] = value
		} else {
			delete(vars, v.name)
		}
	}
	return vs
}

// isSet reports whether some step gives the variable a value.
func (f *fileCheck) isSet(name string) bool {
	_, later := f.later[name]
	return later || slices.ContainsFunc(f.out.uses, func(sh *shared) bool { return slices.Contains(sh.captures, name) })
}

// reaches reports whether it is known before the run that a step will not be
// skipped for its own sake, and makes the parameters of the includes around it
// visible.
func (f *fileCheck) reaches(st *step, vs *expression.Values) bool {
	if st.frame != nil && !f.enters(st.frame, vs) {
		return false
	}
	if st.skip != nil {
		if reason, err := st.skip.Text(vs); err != nil || reason != "" {
			return false
		}
	}
	if st.when == nil {
		return true
	}
	holds, err := st.when.Bool(vs)
	return err == nil && holds
}

// enters is reaches for an include.
func (f *fileCheck) enters(in *frame, vs *expression.Values) bool {
	if st := f.includes[in]; st != nil && !f.reaches(st, vs) {
		return false
	}
	params := map[string]any{}
	for _, p := range in.params {
		if text, given := f.o.Vars[p.name]; given {
			params[p.name] = text
		} else if v, err := p.value.eval(vs); err == nil && !p.value.varies() {
			params[p.name] = v
		}
	}
	outer := vs.Lookup
	vs.Lookup = func(name string) (any, bool) {
		if slices.ContainsFunc(in.params, func(p variable) bool { return p.name == name }) {
			v, ok := params[name]
			return v, ok
		}
		return outer(name)
	}
	return true
}

// again reports whether the file was looked at before.
func (f *fileCheck) again(file int, path string) bool {
	var h maphash.Hash
	h.SetSeed(f.seed)
	_, _ = h.WriteString(strconv.Itoa(file) + " " + path) // never fails
	if f.checked[h.Sum64()] {
		return true
	}
	if len(f.checked) == maxCheckedPaths {
		clear(f.checked)
	}
	f.checked[h.Sum64()] = true
	return false
}

// tell says what is wrong with a file of a row.
func (f *fileCheck) tell(d diag.Diagnostic, row *scenarios.Row, vs *expression.Values) {
	if len(f.found) == maxComputedMistakes {
		f.more++
		return
	}
	if row != nil {
		for name := range f.out.secrets {
			learn(f.o.Redactor, name, row.Values[name])
		}
		d.Message = fmt.Sprintf("row %s: %s", f.nameOf(row, vs), d.Message)
		d = d.WithHint("the row is at %s", row.Pos)
	}
	d.Message = f.o.Redactor.Text(d.Message)
	d.Hints = each(d.Hints, f.o.Redactor.Text)
	f.found = append(f.found, d)
}

// nameOf names a row by its number and, where it has one, its name.
func (f *fileCheck) nameOf(row *scenarios.Row, vs *expression.Values) string {
	number := strconv.Itoa(row.Index)
	if f.out.rowName == nil {
		return number
	}
	name, err := f.out.rowName.Text(vs)
	if err != nil || cmp.Or(name, number) == number {
		return number
	}
	return fmt.Sprintf("%s (%s)", number, name)
}
