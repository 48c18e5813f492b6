package assertions

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
)

// maxCompareDepth is how deep documents are compared by structure; deeper
// values are compared as they are written.
const maxCompareDepth = 1_000

// jsonComparison compares two JSON documents.
type jsonComparison struct {
	d   *display
	out *differences
}

// jsonName is a name in an object, and how many of the same stand before it:
// an object that has a name twice is another than one that has it once.
type jsonName struct {
	name   string
	before int
}

// jsonObject is an object taken apart.
type jsonObject struct {
	names  []jsonName
	values []string
	// index and counts are there when there are many names.
	index  map[jsonName]int
	counts map[string]int
}

// manyNames is from how many on names are looked up by an index.
const manyNames = 16

func jsonObjectOf(raw string) *jsonObject {
	o := &jsonObject{}
	for name, value := range members(raw) {
		o.add(name, value)
	}
	return o
}

func (o *jsonObject) add(name, value string) {
	n := jsonName{name: name}
	if o.index != nil {
		n.before = o.counts[name]
		o.enter(n, len(o.names))
	} else {
		for _, other := range o.names {
			if other.name == name {
				n.before++
			}
		}
	}
	o.names, o.values = append(o.names, n), append(o.values, value)
	if len(o.names) == manyNames {
		o.index, o.counts = map[jsonName]int{}, map[string]int{}
		for i, n := range o.names {
			o.enter(n, i)
		}
	}
}

func (o *jsonObject) enter(n jsonName, at int) {
	o.index[n] = at
	o.counts[n.name] = n.before + 1
}

func (o *jsonObject) find(name jsonName) int {
	if o.index != nil {
		if i, ok := o.index[name]; ok {
			return i
		}
		return -1
	}
	return slices.Index(o.names, name)
}

// again says of a name that it is not the first of its kind.
func (n jsonName) again() string {
	if n.before == 0 {
		return ""
	}
	return fmt.Sprintf(" (the name stands there %d times)", n.before+1)
}

func jsonElements(raw string) []string {
	var items []string
	for e := range elements(raw) {
		items = append(items, e)
	}
	return items
}

// sameJSON reports whether two values are the same but for what is ignored:
// numbers by exact value, objects in any order of names.
func sameJSON(want, got string, ig ignoring, depth int) bool {
	if want == got {
		return true
	}
	w, g := fromJSON(want), fromJSON(got)
	if w.form != g.form || depth > maxCompareDepth {
		return false
	}
	switch w.form {
	case number:
		return equalNumbers(w.text, &g)
	case list:
		return sameElements(want, got, ig, depth)
	case object:
		return sameMembers(want, got, ig, depth)
	}
	return w.text == g.text
}

func sameElements(want, got string, ig ignoring, depth int) bool {
	w, g := jsonElements(want), jsonElements(got)
	for i := range max(len(w), len(g)) {
		next, ignored := ig.element(i)
		if ignored {
			continue
		}
		if i >= len(w) || i >= len(g) || !sameJSON(w[i], g[i], next, depth+1) {
			return false
		}
	}
	return true
}

func sameMembers(want, got string, ig ignoring, depth int) bool {
	w, g := jsonObjectOf(want), jsonObjectOf(got)
	for i, name := range w.names {
		next, ignored := ig.child(name.name, false)
		if ignored {
			continue
		}
		j := g.find(name)
		if j < 0 || !sameJSON(w.values[i], g.values[j], next, depth+1) {
			return false
		}
	}
	for _, name := range g.names {
		if w.find(name) >= 0 {
			continue
		}
		if _, ignored := ig.child(name.name, false); !ignored {
			return false
		}
	}
	return true
}

// compare collects the differences between two values that are not the same.
func (c *jsonComparison) compare(want, got string, ig ignoring, path string, depth int) {
	w, g := fromJSON(want), fromJSON(got)
	switch {
	case w.form == object && g.form == object && depth < maxCompareDepth:
		c.objects(jsonObjectOf(want), jsonObjectOf(got), ig, path, depth)
	case w.form == list && g.form == list && depth < maxCompareDepth:
		c.lists(jsonElements(want), jsonElements(got), ig, path, depth)
	default:
		// Only the whole document comes here: what is in one is told by it.
		c.out.add(cmp.Or(path, "@this"), w.show(c.d), g.show(c.d))
		c.out.hunk("@this", 0, nil, []change{{want: c.shown("", want), got: c.shown("", got)}})
	}
}

// inside is a pair of containers that is gone into after its own level.
type jsonInside struct {
	want, got string
	ig        ignoring
	path      string
}

func (c *jsonComparison) within(inside []jsonInside, depth int) {
	for i := range inside {
		in := &inside[i]
		c.compare(in.want, in.got, in.ig, in.path, depth+1)
	}
}

// containers reports whether values are compared further by what is in them.
func containers(want, got string) bool {
	return want[0] == got[0] && (want[0] == '{' || want[0] == '[')
}

func (c *jsonComparison) objects(w, g *jsonObject, ig ignoring, path string, depth int) {
	var changes []change
	var inside []jsonInside
	for i, name := range w.names {
		next, ignored := ig.child(name.name, false)
		if ignored {
			continue
		}
		at := join(path, c.d.name(name.name))
		j := g.find(name)
		switch {
		case j < 0:
			c.missing(at, w.values[i], name.again())
			changes = append(changes, change{at: i, want: c.shown(name.name, w.values[i])})
		case sameJSON(w.values[i], g.values[j], next, depth+1):
		case containers(w.values[i], g.values[j]):
			inside = append(inside, jsonInside{w.values[i], g.values[j], next, at})
		default:
			changes = append(changes, c.changed(at, i, c.d.quote(name.name)+": ", w.values[i], g.values[j]))
		}
	}
	for j, name := range g.names {
		if w.find(name) >= 0 {
			continue
		}
		if _, ignored := ig.child(name.name, false); !ignored {
			c.extra(join(path, c.d.name(name.name)), g.values[j], name.again())
			changes = append(changes, change{at: len(w.names), got: c.shown(name.name, g.values[j])})
		}
	}
	c.out.hunk(cmp.Or(path, "@this"), len(w.names), func(i int) string { return c.shown(w.names[i].name, w.values[i])() }, changes)
	c.within(inside, depth)
}

// maxAlignedBytes bounds what is read to align two lists.
const maxAlignedBytes = 16 << 20

// alignable is how many pairs of elements may be compared with each other.
func alignable(elements []string) int {
	bytes := 0
	for _, e := range elements {
		bytes += len(e)
	}
	return min(maxAligned, maxAlignedBytes/max(1, bytes/max(1, len(elements))))
}

func (c *jsonComparison) lists(w, g []string, ig ignoring, path string, depth int) {
	var changes []change
	var inside []jsonInside
	at := func(i int) string { return join(path, strconv.Itoa(i)) }
	same := func(i, j int) bool {
		next, ignored := ig.element(i)
		return ignored || sameJSON(w[i], g[j], next, depth+1)
	}
	for _, p := range align(len(w), len(g), alignable(w), same, func(int, int) bool { return true }) {
		switch {
		case p.got < 0:
			if _, ignored := ig.element(p.want); ignored {
				continue
			}
			c.missing(at(p.want), w[p.want], "")
			changes = append(changes, change{at: p.want, want: c.element(w[p.want])})
		case p.want < 0:
			if _, ignored := ig.element(p.got); ignored {
				continue
			}
			c.extra(at(p.got), g[p.got], "")
			changes = append(changes, change{at: p.before, got: c.element(g[p.got])})
		case containers(w[p.want], g[p.got]):
			next, _ := ig.element(p.want)
			inside = append(inside, jsonInside{w[p.want], g[p.got], next, at(p.want)})
		default:
			changes = append(changes, c.changed(at(p.want), p.want, "", w[p.want], g[p.got]))
		}
	}
	c.out.hunk(cmp.Or(path, "@this"), len(w), func(i int) string { return c.element(w[i])() }, changes)
	c.within(inside, depth)
}

// changed is a value that is another one.
func (c *jsonComparison) changed(path string, at int, label, want, got string) change {
	if c.out.full() {
		c.out.count++
	} else {
		w, g := c.apart(want, got)
		c.out.add(path, w, g)
	}
	return change{
		at:   at,
		want: func() string { w, _ := c.apart(want, got); return label + w },
		got:  func() string { _, g := c.apart(want, got); return label + g },
	}
}

// apart shows two values such that their difference is seen.
func (c *jsonComparison) apart(want, got string) (w, g string) {
	a, b := fromJSON(want), fromJSON(got)
	if a.form == text && b.form == text {
		return c.d.apart(a.text, b.text)
	}
	return c.brief(want), c.brief(got)
}

func (c *jsonComparison) missing(path, want, again string) {
	if c.out.full() {
		c.out.count++
		return
	}
	c.out.add(path, c.brief(want)+again, "nothing")
}

func (c *jsonComparison) extra(path, got, again string) {
	if c.out.full() {
		c.out.count++
		return
	}
	c.out.add(path, "nothing", c.brief(got)+again)
}

// maxBrief is the size from which a container is shown by its extent alone.
const maxBrief = 16 << 10

// brief shows a value on one line.
func (c *jsonComparison) brief(raw string) string {
	v := fromJSON(raw)
	if (v.form == list || v.form == object) && len(raw) > maxBrief {
		n, _ := v.length()
		return v.form.String() + " of " + v.form.extent(n)
	}
	return v.show(c.d)
}

func (c *jsonComparison) shown(name, raw string) func() string {
	return func() string {
		if name == "" {
			return c.brief(raw)
		}
		return c.d.quote(name) + ": " + c.brief(raw)
	}
}

func (c *jsonComparison) element(raw string) func() string {
	return func() string { return c.brief(raw) }
}
