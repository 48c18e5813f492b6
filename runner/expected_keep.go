package runner

import (
	"cmp"
	"slices"
	"strings"

	"iflowtest/assertions"
)

// shaped gives a payload as it is written into the expected file: XML on one
// line gets lines, and what the comparison passes over, such as what is
// ignored, stays as the file has it, so that an update shows what has changed
// and nothing else.
func (x *execution) shaped(st *step, r *assertions.Result, file string, content []byte) []byte {
	c := x.comparison(st, r)
	if c == nil {
		return content
	}
	text := string(content)
	if lines, ok := indentXML(text); ok && c.same(lines) {
		text = lines
	}
	if former, err := x.session.plan.files.ReadFile(x.from(), file); err == nil {
		text = c.keep(string(former), text)
	}
	return []byte(text)
}

// comparison compares the payload of a step with what a file may hold.
type comparison struct {
	expect  *assertions.Expectation
	payload assertions.Result
	compute assertions.Lookup
	file    string // what the file holds
	// tests and bytes bound the work.
	tests, bytes int
}

// The most comparisons that are made to find what may stay in a file, and the
// most bytes that are compared for that.
const (
	maxKeepTests = 100
	maxKeepBytes = 128 << 20
)

// comparison gives the comparison of a step; nil when there is none.
func (x *execution) comparison(st *step, r *assertions.Result) *comparison {
	c := &comparison{payload: *r, compute: x.compute}
	c.payload.Update, c.payload.Hide = nil, nil
	var problems []assertions.Problem
	c.expect, problems = assertions.Compile(&st.expected.block, assertions.Options{
		Subjects: c.subjects(), UpdateExpected: true, ReadFile: func(string) ([]byte, error) { return []byte(c.file), nil },
	})
	if len(problems) > 0 {
		return nil
	}
	return c
}

// subjects are those that the block may have: namespaces stand beside xml.
func (c *comparison) subjects() []string { return []string{"xml", "matches-file"} }

// same reports whether the payload is that of a file with this text.
func (c *comparison) same(text string) bool {
	c.file = text
	c.tests++
	c.bytes += len(text)
	return len(c.expect.Check(&c.payload, c.compute)) == 0
}

// choice is a part of the new text that may stay as it was.
type choice struct {
	from, to int
	former   string
	// shape is the path to it without the positions in lists: what is ignored
	// is ignored in every element.
	shape string
	// inner are the parts of it, for when it may not stay as a whole.
	inner []choice
}

// keep gives the new text with all that of the former in it which makes no
// difference to the comparison.
func (c *comparison) keep(former, text string) string {
	p, q, ok := partsOf(former, text)
	if !ok {
		return text
	}
	pending := byShape(choices(former, text, p, q, ""))
	var kept []choice
	for len(pending) > 0 && c.tests < maxKeepTests && c.bytes < maxKeepBytes {
		group := pending[0]
		pending = pending[1:]
		switch {
		case c.same(with(text, append(slices.Clone(kept), group...))):
			kept = append(kept, group...)
		case len(group) == 1:
			pending = append(pending, byShape(group[0].inner)...)
		default:
			pending = append(pending, group[:len(group)/2], group[len(group)/2:])
		}
	}
	return with(text, kept)
}

// byShape groups choices by their shape.
func byShape(list []choice) [][]choice {
	var groups [][]choice
	at := map[string]int{}
	for _, c := range list {
		k, ok := at[c.shape]
		if !ok {
			k = len(groups)
			at[c.shape] = k
			groups = append(groups, nil)
		}
		groups[k] = append(groups[k], c)
	}
	return groups
}

// with gives the text with these parts of it as they were.
func with(text string, kept []choice) string {
	kept = slices.SortedFunc(slices.Values(kept), func(a, b choice) int { return cmp.Compare(a.from, b.from) })
	var b strings.Builder
	end := 0
	for _, c := range kept {
		b.WriteString(text[end:c.from])
		b.WriteString(c.former)
		end = c.to
	}
	b.WriteString(text[end:])
	return b.String()
}

// piece is a value, member, element or attribute of a document: text[from:to].
type piece struct {
	name     string
	from, to int
	// list says that the parts are numbered; else they have names.
	list  bool
	parts []piece
}

// partsOf reads two documents, when both are JSON or both XML.
func partsOf(former, text string) (p, q piece, ok bool) {
	for _, read := range []func(string) (piece, bool){readPartsOfJSON, readPartsOfXML} {
		p, known := read(former)
		q, too := read(text)
		if known && too {
			return p, q, true
		}
	}
	return piece{}, piece{}, false
}

// choices gives the parts in which two documents differ.
func choices(former, text string, p, q piece, shape string) []choice {
	was := former[p.from:p.to]
	if was == text[q.from:q.to] {
		return nil
	}
	shape += "\x00" + q.name
	whole := choice{from: q.from, to: q.to, former: was, shape: shape}
	var inner []choice
	aligned := len(p.parts) == len(q.parts)
	switch {
	case p.list != q.list || len(p.parts) == 0 || len(q.parts) == 0:
		return []choice{whole}
	case q.list:
		if aligned = slices.EqualFunc(p.parts, q.parts, func(a, b piece) bool { return a.name == b.name }); !aligned {
			break
		}
		for i := range q.parts {
			inner = append(inner, choices(former, text, p.parts[i], q.parts[i], shape)...)
		}
	case !q.list:
		for i, m := range q.parts {
			k := i // mostly in the same order
			if k >= len(p.parts) || p.parts[k].name != m.name {
				k = slices.IndexFunc(p.parts, func(o piece) bool { return o.name == m.name })
			}
			if k < 0 {
				aligned = false
				continue
			}
			inner = append(inner, choices(former, text, p.parts[k], m, shape)...)
		}
	}
	if aligned {
		return inner
	}
	whole.inner = inner
	return []choice{whole}
}
