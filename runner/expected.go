package runner

import (
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"iflowtest/assertions"
)

// expectedFile is the assertion matches-file of a step, for a run that updates
// expected files.
type expectedFile struct {
	// file is the path as written.
	file  assertions.Node
	place assertions.Place
	// block is an expect block of this assertion alone.
	block assertions.Node
}

// expectedFileOf gives the assertion matches-file of an expect block; nil when
// there is none.
func (c *stepCompiler) expectedFileOf(expect *assertions.Node) *expectedFile {
	if expect == nil || !c.o.UpdateExpected {
		return nil
	}
	out := &expectedFile{block: assertions.Node{Kind: assertions.Map, Place: expect.Place}}
	found := false
	for _, f := range expect.Fields {
		switch f.Name {
		case "matches-file":
			found, out.file, out.place = true, f.Value, f.Place
			for _, g := range f.Value.Fields {
				if g.Name == "file" {
					out.file = g.Value
				}
			}
		case "namespaces":
		default:
			continue
		}
		out.block.Fields = append(out.block.Fields, f)
	}
	if !found {
		return nil
	}
	return out
}

// updates are the expected files of a run that updates them. It is safe for
// concurrent use; the zero value is ready.
type updates struct {
	mu    sync.Mutex
	files map[string]*updated // by the path of the file, links followed
}

// updated is an expected file that a step has compared its payload with.
type updated struct {
	shown   string
	written bool
	// claims are the steps whose payload is that of the file, by who they are.
	claims map[claimant]string
}

// claimant is a step of one scenario or row; a further try of it is the same.
type claimant struct{ scenario, row, step int }

// claim notes that the payload of a step is that of a file, or becomes it. A
// file that is another step's cannot be written: its payload is different, or
// there would be nothing to write.
func (u *updates) claim(target, shown string, who claimant, place string, write bool) error {
	f := u.files[target]
	if f == nil {
		f = &updated{shown: shown, claims: map[claimant]string{}}
		if u.files == nil {
			u.files = map[string]*updated{}
		}
		u.files[target] = f
	}
	if write {
		var others []string
		for other, at := range f.claims {
			if other != who {
				others = append(others, at)
			}
		}
		if len(others) > 0 {
			return fmt.Errorf("%s has the same file and another payload, which is in it already; give each a file of its own, or ignore what differs", slices.Min(others))
		}
	}
	f.claims[who] = place
	return nil
}

// summary gives the files that were written, sorted, and how many were as
// expected.
func (u *updates) summary() (written []string, asExpected int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, f := range u.files {
		switch {
		case f.written:
			written = append(written, f.shown)
		case len(f.claims) > 0:
			asExpected++
		}
	}
	slices.Sort(written)
	return written, asExpected
}

// checkUpdating checks what is expected of a result, and writes the expected
// file anew that the payload differs from. One step does so at a time: files
// may be named by several.
func (x *execution) checkUpdating(st *step, r *assertions.Result) []assertions.Failure {
	u := &x.session.updates
	u.mu.Lock()
	defer u.mu.Unlock()
	differs := false
	r.Update = func(file string, content []byte) error {
		differs = true
		return x.updateExpected(st, r, file, content)
	}
	failures := st.expect.Check(r, x.compute)
	if differs || slices.ContainsFunc(failures, func(f assertions.Failure) bool { return f.Subject == "matches-file" }) {
		return failures
	}
	if file, err := st.expected.path(x); err == nil {
		if target, err := x.session.plan.files.Target(x.from(), file); err == nil {
			_ = u.claim(target, x.shownPath(file), x.claimant(st), x.placeOf(st), false) // only writing is refused
		}
	}
	return failures
}

// path gives the path of the file, evaluated.
func (e *expectedFile) path(x *execution) (string, error) {
	switch e.file.Kind {
	case assertions.Text:
		return e.file.Text, nil
	case assertions.Computed:
		v, err := x.compute(e.file.Computed)
		return textOf(v), err
	}
	return "", errors.New("no path")
}

// updateExpected writes an expected file.
func (x *execution) updateExpected(st *step, r *assertions.Result, file string, content []byte) error {
	files, u := x.session.plan.files, &x.session.updates
	target, err := files.Target(x.from(), file)
	if err != nil {
		return err
	}
	content = x.shaped(st, r, file, content)
	if x.session.redactor.Contains(string(content)) || x.holdsSecret(string(content), r.Header) {
		return errors.New("the payload holds a secret, which belongs in no file")
	}
	if err := u.claim(target, x.shownPath(file), x.claimant(st), x.placeOf(st), true); err != nil {
		return err
	}
	if err := files.WriteFile(x.from(), file, content); err != nil {
		delete(u.files[target].claims, x.claimant(st))
		return err
	}
	u.files[target].written = true
	return nil
}

func (x *execution) claimant(st *step) claimant {
	who := claimant{scenario: x.scenario.id, step: st.index}
	if x.row != nil {
		who.row = x.row.Index
	}
	return who
}

// placeOf names the assertion, and the row that is run.
func (x *execution) placeOf(st *step) string {
	pos := x.scenario.at(st.expected.place)
	at := fmt.Sprintf("%s:%d:%d", pos.File, pos.Line, pos.Column)
	if x.row != nil {
		at += fmt.Sprintf(" (row %s)", x.rowName)
	}
	return at
}

// shownPath gives a path of the step in progress relative to the working
// folder, as the file it stands in is.
func (x *execution) shownPath(file string) string {
	if filepath.IsAbs(file) {
		return filepath.ToSlash(file)
	}
	folder := path.Dir(strings.ReplaceAll(x.step.pos.File, `\`, "/"))
	return path.Join(folder, filepath.ToSlash(file))
}
