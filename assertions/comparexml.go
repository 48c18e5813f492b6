package assertions

import (
	"encoding/binary"
	"hash/maphash"
	"slices"
	"strconv"
	"strings"
)

// xmlView is a document as it is compared: without comments, blanks around
// text, and what is ignored.
type xmlView struct {
	tree *xmlTree
	// strict says that blanks around text count.
	strict  bool
	ignored map[xmlRef]struct{}
	// hashes are those of the elements: of the same ones they are the same.
	hashes []uint64
	// preserve are the elements whose blanks count (xml:space).
	preserve map[int32]bool
	seed     maphash.Seed
}

func newXMLView(t *xmlTree, ignored map[xmlRef]struct{}, strict bool, seed maphash.Seed) *xmlView {
	v := &xmlView{tree: t, strict: strict, ignored: ignored, hashes: make([]uint64, len(t.nodes)), preserve: map[int32]bool{}, seed: seed}
	v.hash(t.element(), false)
	return v
}

// xmlPart is a part of an element: an element within, or text.
type xmlPart struct {
	element int32 // 0 for text
	text    string
}

// parts gives what is in an element: adjacent text is one. Blanks around text do
// not count, unless that was asked for; blanks alone between elements, which
// only indent them, never do.
func (v *xmlView) parts(id int32) []xmlPart {
	var parts []xmlPart
	var pending []string
	leaf := true
	flush := func(atEnd bool) {
		text := strings.Join(pending, "")
		pending = pending[:0]
		switch {
		case v.preserve[id]:
		case !v.strict:
			text = strings.Trim(text, xmlBlanks)
		case strings.Trim(text, xmlBlanks) == "" && (!leaf || !atEnd):
			return
		}
		if text != "" {
			parts = append(parts, xmlPart{text: text})
		}
	}
	for c := v.tree.nodes[id].first; c > 0; c = v.tree.nodes[c].next {
		kind := v.tree.nodes[c].kind
		leaf = leaf && kind != xmlElement
		if _, ignored := v.ignored[xmlRef{c, -1}]; ignored {
			continue
		}
		switch kind {
		case xmlText:
			pending = append(pending, v.tree.nodes[c].text)
		case xmlElement:
			flush(false)
			parts = append(parts, xmlPart{element: c})
		}
	}
	flush(true)
	return parts
}

// attributes gives the attributes of an element that count, sorted by name.
func (v *xmlView) attributes(id int32) []int32 {
	n := &v.tree.nodes[id]
	var ids []int32
	for a := n.attrFrom; a < n.attrTo; a++ {
		if _, ignored := v.ignored[xmlRef{id, a}]; !ignored {
			ids = append(ids, a)
		}
	}
	slices.SortFunc(ids, func(a, b int32) int { return v.attrName(a).compare(v.attrName(b)) })
	return ids
}

func (v *xmlView) attrName(a int32) *xmlName { return &v.tree.names[v.tree.attrs[a].name] }

// compare orders names by what they mean.
func (n *xmlName) compare(other *xmlName) int {
	if c := strings.Compare(n.space, other.space); c != 0 {
		return c
	}
	return strings.Compare(n.local, other.local)
}

// attrValue is the value of an attribute as it is compared: the prefix of
// xsi:type stands for its namespace.
func (v *xmlView) attrValue(a int32) string {
	if m := v.tree.attrs[a].meaning; m != "" {
		return m
	}
	return v.tree.attrs[a].value
}

func (v *xmlView) hash(id int32, preserve bool) uint64 {
	var h maphash.Hash
	h.SetSeed(v.seed)
	write := func(kind byte, s string) {
		var size [9]byte
		size[0] = kind
		binary.LittleEndian.PutUint64(size[1:], uint64(len(s)))
		h.Write(size[:])
		h.WriteString(s)
	}
	n := v.tree.nameOf(id)
	write('s', n.space)
	write('n', n.local)
	for _, a := range v.attributes(id) {
		name := v.attrName(a)
		if name.space == xmlSpace && name.local == "space" {
			preserve = v.attrValue(a) == "preserve"
		}
		write('a', name.space)
		write('b', name.local)
		write('v', v.attrValue(a))
	}
	if preserve {
		v.preserve[id] = true
	}
	for _, p := range v.parts(id) {
		if p.element == 0 {
			write('t', p.text)
			continue
		}
		var sub [9]byte
		sub[0] = 'e'
		binary.LittleEndian.PutUint64(sub[1:], v.hash(p.element, preserve))
		h.Write(sub[:])
	}
	v.hashes[id] = h.Sum64()
	return v.hashes[id]
}

// xmlComparison compares two XML documents.
type xmlComparison struct {
	d         *display
	out       *differences
	want, got *xmlView
}

// same reports whether two parts are the same.
func (c *xmlComparison) same(w, g xmlPart) bool {
	if w.element == 0 || g.element == 0 {
		return w == g
	}
	return c.want.hashes[w.element] == c.got.hashes[g.element]
}

// alike reports whether two parts may be in the place of each other.
func (c *xmlComparison) alike(w, g xmlPart) bool {
	if w.element == 0 || g.element == 0 {
		return w.element == g.element
	}
	return c.want.tree.nameOf(w.element).compare(c.got.tree.nameOf(g.element)) == 0
}

// documents compares the elements of the documents.
func (c *xmlComparison) documents() {
	w, g := xmlPart{element: c.want.tree.element()}, xmlPart{element: c.got.tree.element()}
	if c.same(w, g) {
		return
	}
	if !c.alike(w, g) {
		c.out.add("/", c.named(c.want, w), c.named(c.got, g))
		c.out.hunk("/", 0, nil, []change{{
			want: func() string { return c.part(c.want, w) }, got: func() string { return c.part(c.got, g) },
		}})
		return
	}
	c.elements(w.element, g.element, "/"+c.d.path(c.want.tree.nameOf(w.element).qualified()))
}

// named is an element by its name and namespace.
func (c *xmlComparison) named(v *xmlView, p xmlPart) string {
	n := v.tree.nameOf(p.element)
	s := "<" + c.d.path(n.qualified()) + ">"
	if n.space != "" {
		s += " of the namespace " + c.d.path(n.space)
	}
	return s
}

// xmlInside is a pair of elements that is gone into after its own level.
type xmlInside struct {
	want, got int32
	path      string
}

// elements collects the differences between two elements of one name.
func (c *xmlComparison) elements(want, got int32, path string) {
	w, g := c.want.parts(want), c.got.parts(got)
	changes := c.attributes(want, got, path)
	var inside []xmlInside
	steps := c.steps(w)
	pairs := align(len(w), len(g), maxAligned, func(i, j int) bool { return c.same(w[i], g[j]) }, func(i, j int) bool { return c.alike(w[i], g[j]) })
	for _, p := range pairs {
		switch {
		case p.got < 0:
			c.add(path+steps(p.want), func() (string, string) { return c.part(c.want, w[p.want]), "nothing" })
			changes = append(changes, change{at: p.want, want: func() string { return c.part(c.want, w[p.want]) }})
		case p.want < 0:
			c.add(path+c.step(c.got, g[p.got], 0), func() (string, string) { return "nothing", c.part(c.got, g[p.got]) })
			changes = append(changes, change{at: p.before, got: func() string { return c.part(c.got, g[p.got]) }})
		default:
			at := path + steps(p.want)
			if a, b, ok := c.leaves(w[p.want], g[p.got]); ok {
				c.add(at, func() (string, string) { return c.d.apart(a, b) })
				changes = append(changes, c.leafChange(p, w[p.want], a, b))
				continue
			}
			inside = append(inside, xmlInside{w[p.want].element, g[p.got].element, at})
		}
	}
	c.out.hunk(path, len(w), func(i int) string { return c.part(c.want, w[i]) }, changes)
	for _, in := range inside {
		c.elements(in.want, in.got, in.path)
	}
}

// add counts a difference, and writes it when it is one of the first.
func (c *xmlComparison) add(path string, show func() (want, got string)) {
	if c.out.full() {
		c.out.count++
		return
	}
	w, g := show()
	c.out.add(path, w, g)
}

// leaves gives the texts of two parts that differ in nothing else.
func (c *xmlComparison) leaves(w, g xmlPart) (want, got string, ok bool) {
	if w.element == 0 {
		return w.text, g.text, true
	}
	if !slices.EqualFunc(c.want.attributes(w.element), c.got.attributes(g.element), func(a, b int32) bool {
		return c.want.attrName(a).compare(c.got.attrName(b)) == 0 && c.want.attrValue(a) == c.got.attrValue(b)
	}) {
		return "", "", false
	}
	a, okA := c.want.onlyText(w.element)
	b, okB := c.got.onlyText(g.element)
	return a, b, okA && okB
}

// onlyText gives the text of an element that has nothing else.
func (v *xmlView) onlyText(id int32) (string, bool) {
	parts := v.parts(id)
	switch {
	case len(parts) == 0:
		return "", true
	case len(parts) == 1 && parts[0].element == 0:
		return parts[0].text, true
	}
	return "", false
}

func (c *xmlComparison) leafChange(p pair, w xmlPart, a, b string) change {
	name := ""
	if w.element > 0 {
		name = c.d.path(c.want.tree.nameOf(w.element).qualified())
	}
	show := func(s string) string {
		if name == "" {
			return s
		}
		return "<" + name + "> " + s
	}
	return change{
		at:   p.want,
		want: func() string { s, _ := c.d.apart(a, b); return show(s) },
		got:  func() string { _, s := c.d.apart(a, b); return show(s) },
	}
}

// attributes collects the attributes that differ.
func (c *xmlComparison) attributes(want, got int32, path string) []change {
	w, g := c.want.attributes(want), c.got.attributes(got)
	var changes []change
	for len(w) > 0 || len(g) > 0 {
		order := 0
		switch {
		case len(w) == 0:
			order = 1
		case len(g) == 0:
			order = -1
		default:
			order = c.want.attrName(w[0]).compare(c.got.attrName(g[0]))
		}
		switch {
		case order < 0:
			changes = append(changes, c.attribute(path, c.want, w[0], "", false))
			w = w[1:]
		case order > 0:
			changes = append(changes, c.attribute(path, nil, g[0], c.got.tree.attrs[g[0]].value, true))
			g = g[1:]
		default:
			if c.want.attrValue(w[0]) != c.got.attrValue(g[0]) {
				changes = append(changes, c.attribute(path, c.want, w[0], c.got.tree.attrs[g[0]].value, true))
			}
			w, g = w[1:], g[1:]
		}
	}
	return changes
}

// attribute is an attribute that is missing, additional (no view) or another.
func (c *xmlComparison) attribute(path string, wanted *xmlView, a int32, got string, there bool) change {
	view := wanted
	if view == nil {
		view = c.got
	}
	label := "@" + c.d.path(view.attrName(a).qualified())
	w, g := c.d.apart(view.tree.attrs[a].value, got)
	ch := change{}
	shownWant, shownGot := w, g
	if wanted == nil {
		shownWant = "nothing"
	} else {
		ch.want = func() string { return label + "=" + w }
	}
	if !there {
		shownGot = "nothing"
	} else {
		ch.got = func() string { return label + "=" + g }
	}
	c.add(path+"/"+label, func() (string, string) { return shownWant, shownGot })
	return ch
}

// steps gives what leads from an element to each of its parts.
func (c *xmlComparison) steps(parts []xmlPart) func(i int) string {
	positions := make([]int, len(parts))
	last := map[int32]int{}
	for i, p := range parts {
		if p.element > 0 {
			last[c.want.tree.nodes[p.element].name]++
			positions[i] = last[c.want.tree.nodes[p.element].name]
		}
	}
	return func(i int) string {
		position := positions[i]
		if position > 0 && last[c.want.tree.nodes[parts[i].element].name] == 1 {
			position = 0
		}
		return c.step(c.want, parts[i], position)
	}
}

func (c *xmlComparison) step(v *xmlView, p xmlPart, position int) string {
	if p.element == 0 {
		return "/text()"
	}
	s := "/" + c.d.path(v.tree.nameOf(p.element).qualified())
	if position > 0 {
		s += "[" + strconv.Itoa(position) + "]"
	}
	return s
}

// part shows a part on one line.
func (c *xmlComparison) part(v *xmlView, p xmlPart) string {
	if p.element == 0 {
		return c.d.quote(p.text)
	}
	var b strings.Builder
	c.write(&b, v, p.element)
	return cut(b.String(), maxShown)
}

// write writes an element, and stops soon after what is shown.
func (c *xmlComparison) write(b *strings.Builder, v *xmlView, id int32) {
	if b.Len() > 2*maxShown {
		return
	}
	name := c.d.path(v.tree.nameOf(id).qualified())
	b.WriteString("<" + name)
	for _, a := range v.attributes(id) {
		b.WriteString(" " + c.d.path(v.attrName(a).qualified()) + "=" + c.d.quote(v.tree.attrs[a].value))
	}
	parts := v.parts(id)
	if len(parts) == 0 {
		b.WriteString("/>")
		return
	}
	b.WriteByte('>')
	for _, p := range parts {
		if p.element > 0 {
			c.write(b, v, p.element)
		} else {
			b.WriteString(oneLine(c.d.hidden(p.text)))
		}
		if b.Len() > 2*maxShown {
			return
		}
	}
	b.WriteString("</" + name + ">")
}

// oneLine shows text on one line, bounded.
func oneLine(s string) string {
	quoted := strconv.Quote(headOf(s))
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}
