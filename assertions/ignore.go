package assertions

import (
	"fmt"
	"strconv"
	"strings"
)

// ignorePath is a path of what a comparison of JSON passes over.
type ignorePath struct {
	parts []ignorePart
	// anywhere says that the parts may begin at any depth.
	anywhere bool
}

// ignorePart is a component: a name or index, a pattern with * and ?, or # for
// every element.
type ignorePart struct {
	name       string
	each, glob bool
}

const anywherePrefix = "@dig:"

// parseIgnore reads a path of names, indexes, # and patterns, as in gjson; or
// such a path behind @dig:, which holds at any depth.
func parseIgnore(s string) (ignorePath, error) {
	var r ignorePath
	if strings.HasPrefix(s, "/") {
		return r, fmt.Errorf("%s looks like an XPath; want a gjson path, such as order.created", quote(s))
	}
	rest, anywhere := strings.CutPrefix(s, anywherePrefix)
	r.anywhere = anywhere
	p, mistake := parsePath(rest)
	if mistake != nil {
		return r, fmt.Errorf("%s", mistake.message)
	}
	for _, c := range p.parts {
		part := ignorePart{name: c.name, glob: !c.plain && strings.ContainsAny(c.name, "*?")}
		if c.name == "" {
			if rest[c.from:c.to] != "#" {
				return r, fmt.Errorf("%s has %s in it; want names, indexes, # for every element, * and ? within names", quote(s), quote(rest[c.from:c.to]))
			}
			part.each = true
		}
		r.parts = append(r.parts, part)
	}
	return r, nil
}

func (p *ignorePart) matches(name string, element bool) bool {
	switch {
	case p.each:
		return element
	case p.glob:
		return globMatches(p.name, name)
	}
	return p.name == name
}

// globMatches reports whether name is what the pattern with * and ? means.
func globMatches(pattern, name string) bool {
	p, n, star, mark := 0, 0, -1, 0
	for n < len(name) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, n
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == name[n]):
			p++
			n++
		case star >= 0:
			mark++
			p, n = star+1, mark
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

// ignoring is how far the paths have come at a place of a document.
type ignoring struct {
	paths []ignorePath
	// at are the paths that have begun, with the number of parts behind them.
	at []ignoreState
}

type ignoreState struct{ path, parts int }

// root is the state at the document itself.
func (i ignoring) root() ignoring {
	for n := range i.paths {
		i.at = append(i.at, ignoreState{n, 0})
	}
	return i
}

// child gives the state one step further down, and whether what is there is
// ignored.
func (i ignoring) child(name string, element bool) (ignoring, bool) {
	if len(i.at) == 0 {
		return i, false
	}
	next := ignoring{paths: i.paths}
	for _, s := range i.at {
		p := &i.paths[s.path]
		if p.anywhere && s.parts == 0 {
			next.at = append(next.at, s)
		}
		if !p.parts[s.parts].matches(name, element) {
			continue
		}
		if s.parts+1 == len(p.parts) {
			return next, true
		}
		next.at = append(next.at, ignoreState{s.path, s.parts + 1})
	}
	return next, false
}

func (i ignoring) element(n int) (ignoring, bool) {
	if len(i.at) == 0 {
		return i, false
	}
	return i.child(strconv.Itoa(n), true)
}

// marks reports which of the paths lead to something in a value.
func (i ignoring) marks(raw string, used []bool, depth int) {
	if len(i.at) == 0 || depth > maxCompareDepth {
		return
	}
	switch raw[0] {
	case '{':
		for name, value := range members(raw) {
			i.mark(name, false, used).marks(value, used, depth+1)
		}
	case '[':
		n := 0
		for value := range elements(raw) {
			i.mark(strconv.Itoa(n), true, used).marks(value, used, depth+1)
			n++
		}
	}
}

// mark is child for all paths, also behind what is ignored; it marks those
// that have come to their end.
func (i ignoring) mark(name string, element bool, used []bool) ignoring {
	next := ignoring{paths: i.paths}
	for _, s := range i.at {
		p := &i.paths[s.path]
		if p.anywhere && s.parts == 0 {
			next.at = append(next.at, s)
		}
		if !p.parts[s.parts].matches(name, element) {
			continue
		}
		if s.parts+1 == len(p.parts) {
			used[s.path] = true
		} else {
			next.at = append(next.at, ignoreState{s.path, s.parts + 1})
		}
	}
	return next
}
