package assertions

import (
	"iter"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

// document is a JSON text that is judged once and then read many times.
type document struct {
	checked bool
	// text is without a byte order mark and without blanks around it; empty
	// when the document is not JSON.
	text string
}

// maxDepth is how deep a document may be nested to count as JSON: gjson checks
// by recursion, and a body of nothing but brackets must not exhaust the stack.
const maxDepth = 100_000

// parse checks s, once, and reports whether it is JSON. A byte order mark is
// ignored (RFC 8259 section 8.1 allows that).
func (d *document) parse(s string) bool {
	if !d.checked {
		d.checked = true
		s = strings.Trim(strings.TrimPrefix(s, "\ufeff"), " \t\r\n")
		if !tooDeep(s) && gjson.Valid(s) {
			d.text = s
		}
	}
	return d.text != ""
}

// tooDeep reports whether s is nested deeper than maxDepth. Counting opening
// brackets settles nearly all documents in no time.
func tooDeep(s string) bool {
	if strings.Count(s, "[")+strings.Count(s, "{") <= maxDepth {
		return false
	}
	depth := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '"' {
			i = stringEnd(s, i) - 1
			continue
		}
		switch c | 0x20 {
		case '{':
			if depth++; depth > maxDepth {
				return true
			}
		case '}':
			depth--
		}
	}
	return false
}

// stringEnd gives the index behind the string that begins at i.
func stringEnd(s string, i int) int {
	for i++; i < len(s); i++ {
		c := s[i]
		if c == '"' {
			return i + 1
		}
		if c == '\\' {
			i++
		}
	}
	return len(s)
}

// blanks gives the index of the first character at or behind i that is not
// insignificant.
func blanks(s string, i int) int {
	for i < len(s) && s[i] <= ' ' {
		i++
	}
	return i
}

// valueEnd gives the index behind the value that begins at i.
func valueEnd(s string, i int) int {
	if i >= len(s) {
		return len(s)
	}
	switch s[i] {
	case '"':
		return stringEnd(s, i)
	case '{', '[':
		return containerEnd(s, i+1)
	}
	for i < len(s) && s[i] > ' ' && s[i] != ',' && s[i] != ']' && s[i] != '}' {
		i++
	}
	return i
}

// containerEnd gives the index behind the object or list that i is in. It is
// where the time of a large body goes: the loop over a string stands in it, and
// the brackets, which differ from the braces in one bit, are looked for last.
func containerEnd(s string, i int) int {
	depth := 1
	for ; i < len(s); i++ {
		c := s[i]
		if c == '"' {
			for i++; i < len(s); i++ {
				c := s[i]
				if c == '"' {
					break
				}
				if c == '\\' {
					i++
				}
			}
			continue
		}
		if c < '[' {
			continue
		}
		switch c | 0x20 {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return len(s)
}

// elements gives the values of a list, as JSON.
func elements(raw string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := 1; ; {
			i = blanks(raw, i)
			if i >= len(raw) || raw[i] == ']' {
				return
			}
			end := valueEnd(raw, i)
			if !yield(raw[i:end]) {
				return
			}
			if i = blanks(raw, end); i < len(raw) && raw[i] == ',' {
				i++
			}
		}
	}
}

// members gives the names and values of an object, values as JSON. A name that
// stands twice comes twice.
func members(raw string) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for i := 1; ; {
			i = blanks(raw, i)
			if i >= len(raw) || raw[i] != '"' {
				return
			}
			end := stringEnd(raw, i)
			name := unquote(raw[i:end])
			if i = blanks(raw, end); i < len(raw) && raw[i] == ':' {
				i = blanks(raw, i+1)
			}
			end = valueEnd(raw, i)
			if !yield(name, raw[i:end]) {
				return
			}
			if i = blanks(raw, end); i < len(raw) && raw[i] == ',' {
				i++
			}
		}
	}
}

// finder finds the values of many paths in one pass over a document. Paths
// share their common prefixes; what is no plain name or index (queries,
// wildcards, modifiers …) is left to gjson, on the part of the document where
// it begins.
type finder struct {
	root  branch
	count int
	// slots are the places in the answer of find, by the number of a path.
	slots []int
}

// branch is a name or an index in the paths of a finder.
type branch struct {
	name  string
	index int // -1 when the name is no index
	// leaves are the paths that end here, or go on with what gjson reads.
	leaves   []leaf
	branches []branch
	// from and to are the numbers of all leaves at and below this branch,
	// once the finder is complete.
	from, to int
}

// leaf is the end of a path.
type leaf struct {
	rest string
	id   int
	// slot is the leaf's number in the order of the tree.
	slot int
}

// add gives the number of the path; slots holds its place in the answer of
// find.
func (f *finder) add(p *path) int {
	b := &f.root
	for i := range p.plain {
		b = b.child(p.plain[i])
	}
	for i := range b.leaves {
		if b.leaves[i].rest == p.rest {
			return b.leaves[i].id
		}
	}
	b.leaves = append(b.leaves, leaf{rest: p.rest, id: f.count})
	f.count++
	return f.count - 1
}

func (b *branch) child(name string) *branch {
	for i := range b.branches {
		if b.branches[i].name == name {
			return &b.branches[i]
		}
	}
	b.branches = append(b.branches, branch{name: name, index: indexOf(name)})
	return &b.branches[len(b.branches)-1]
}

// indexOf reads an index as gjson does, or gives -1.
func indexOf(name string) int {
	if name == "" || digitsEnd(name, 0) != len(name) {
		return -1
	}
	n, err := strconv.Atoi(name)
	if err != nil {
		return -1
	}
	return n
}

// complete numbers the leaves; find may be called afterwards.
func (f *finder) complete() {
	f.slots = make([]int, f.count)
	f.root.number(f.slots, 0)
}

func (b *branch) number(slots []int, next int) int {
	b.from = next
	for i := range b.leaves {
		slots[b.leaves[i].id] = next
		b.leaves[i].slot = next
		next++
	}
	for i := range b.branches {
		next = b.branches[i].number(slots, next)
	}
	b.to = next
	return next
}

// find gives the JSON of each path by its slot, empty for what is not there.
// The document is valid. The answer shares its memory.
func (f *finder) find(doc string) []string {
	found := make([]string, f.count)
	if doc != "" && f.count > 0 {
		s := search{doc: doc, found: found, left: f.count}
		s.walk(&f.root, 0)
	}
	return found
}

// search is one pass. What was found is not empty.
type search struct {
	doc   string
	found []string
	left  int
}

// open reports whether one of the leaves from and below to has not been found.
func (s *search) open(from, to int) bool {
	for _, raw := range s.found[from:to] {
		if raw == "" {
			return true
		}
	}
	return false
}

// walk looks for the leaves of b in the value at i and gives the index behind
// it; any index once everything has been found.
func (s *search) walk(b *branch, i int) int {
	start := i
	end := i
	switch {
	case len(b.branches) == 0 || (s.doc[i] != '{' && s.doc[i] != '['):
		end = valueEnd(s.doc, i)
	case s.doc[i] == '{':
		end = s.walkObject(b, i+1)
	default:
		end = s.walkList(b, i+1)
	}
	if s.left == 0 {
		return end
	}
	for i := range b.leaves {
		if l := &b.leaves[i]; s.found[l.slot] == "" {
			s.settle(l, s.doc[start:end])
		}
	}
	return end
}

func (s *search) settle(l *leaf, raw string) {
	if l.rest != "" {
		if raw = get(raw, l.rest); raw == "" {
			return
		}
	}
	s.found[l.slot] = raw
	s.left--
}

func (s *search) walkObject(b *branch, i int) int {
	below := b.from + len(b.leaves)
	for {
		i = blanks(s.doc, i)
		if i >= len(s.doc) || s.doc[i] != '"' {
			return min(i+1, len(s.doc))
		}
		end := stringEnd(s.doc, i)
		name := unquote(s.doc[i:end])
		i = blanks(s.doc, blanks(s.doc, end)+1)
		if c := s.match(b, name); c != nil {
			i = s.walk(c, i)
			if s.left == 0 {
				return i
			}
			if !s.open(below, b.to) {
				return containerEnd(s.doc, i)
			}
		} else {
			i = valueEnd(s.doc, i)
		}
		if i = blanks(s.doc, i); i < len(s.doc) && s.doc[i] == ',' {
			i++
		}
	}
}

// match gives the branch for a name; one that is found already is none. (As in
// gjson, a second member of the same name is looked at when the first did not
// hold the rest of the path.)
func (s *search) match(b *branch, name string) *branch {
	for i := range b.branches {
		if c := &b.branches[i]; c.name == name && s.open(c.from, c.to) {
			return c
		}
	}
	return nil
}

func (s *search) walkList(b *branch, i int) int {
	last := -1
	for j := range b.branches {
		last = max(last, b.branches[j].index)
	}
	for at := 0; at <= last; at++ {
		i = blanks(s.doc, i)
		if i >= len(s.doc) || s.doc[i] == ']' {
			return min(i+1, len(s.doc))
		}
		i = s.walkElement(b, at, i)
		if s.left == 0 {
			return i
		}
		if i = blanks(s.doc, i); i < len(s.doc) && s.doc[i] == ',' {
			i++
		}
	}
	return containerEnd(s.doc, i)
}

// walkElement looks at the element number at, for each branch that means it:
// 0 and 00 are the same index.
func (s *search) walkElement(b *branch, at, i int) int {
	end := 0
	for j := range b.branches {
		if c := &b.branches[j]; c.index == at && s.open(c.from, c.to) {
			end = s.walk(c, i)
			if s.left == 0 {
				return end
			}
		}
	}
	if end == 0 {
		end = valueEnd(s.doc, i)
	}
	return end
}

// get reads what is no plain path, and gives JSON without blanks around it, or
// nothing. What a modifier made is JSON or counts as nothing.
func get(raw, rest string) string {
	if rest == "@this" {
		return raw
	}
	// In text, gjson would look for a list or object among the characters.
	if raw[0] != '{' && raw[0] != '[' && strings.IndexByte("@![{", rest[0]) < 0 {
		return ""
	}
	r := gjson.Get(raw, rest)
	if !r.Exists() {
		return ""
	}
	found := r.Raw
	if found == "" {
		found = r.String()
	}
	found = strings.Trim(found, " \t\r\n")
	if strings.ContainsAny(rest, "@!") && !gjson.Valid(found) {
		return ""
	}
	return found
}
