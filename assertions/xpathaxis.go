package assertions

import "slices"

// xpathAxis is an axis of XPath 1.0, section 2.2, but namespace.
type xpathAxis uint8

const (
	axisChild xpathAxis = iota
	axisDescendant
	axisDescendantOrSelf
	axisSelf
	axisAttribute
	axisParent
	axisAncestor
	axisAncestorOrSelf
	axisFollowing
	axisFollowingSibling
	axisPreceding
	axisPrecedingSibling
)

// xpathAxes are the names of the axes, by their number.
func xpathAxes() []string {
	return []string{
		"child", "descendant", "descendant-or-self", "self", "attribute", "parent", "ancestor", "ancestor-or-self",
		"following", "following-sibling", "preceding", "preceding-sibling",
	}
}

// xpathName is a name as an expression has it; the local name * is any.
type xpathName struct{ prefix, local string }

// xpathTest is a node test, section 2.3.
type xpathTest struct {
	// any is node().
	any bool
	// kind is that of text(), comment() and processing-instruction(); named
	// without a kind is an element or, on its axis, an attribute.
	kind          xmlKind
	named         bool
	prefix, local string
}

// xpathStep is a step of a path.
type xpathStep struct {
	axis       xpathAxis
	test       xpathTest
	predicates []xpathPredicate
}

// positional reports whether where a node stands decides.
func (s *xpathStep) positional() bool {
	return slices.ContainsFunc(s.predicates, func(p xpathPredicate) bool { return p.positional })
}

// meant tells which names of the document a name means.
func (r *xpathRun) meant(n xpathName) []bool {
	if known, ok := r.names[n]; ok {
		return known
	}
	space := r.prefixes[n.prefix]
	if n.prefix == "xml" {
		space = xmlSpace
	}
	means := make([]bool, len(r.tree.names))
	for i := range r.tree.names {
		name := &r.tree.names[i]
		means[i] = (n.local == "*" || n.local == name.local) && (n.local == "*" && n.prefix == "" || name.space == space)
	}
	r.spend(len(means))
	r.names[n] = means
	return means
}

// xpathMatcher is a test as it is applied to the nodes of one document.
type xpathMatcher struct {
	tree *xmlTree
	any  bool
	kind xmlKind
	// names are those that hold; nil for all.
	names []bool
}

func (r *xpathRun) matcher(s *xpathStep) xpathMatcher {
	t := &s.test
	m := xpathMatcher{tree: r.tree, any: t.any, kind: t.kind}
	if !t.named {
		return m
	}
	m.names = r.meant(xpathName{t.prefix, t.local})
	if m.kind == xmlRoot {
		m.kind = xmlElement
	}
	return m
}

func (m *xpathMatcher) node(id int32) bool {
	if m.any {
		return true
	}
	n := &m.tree.nodes[id]
	return n.kind == m.kind && (m.names == nil || m.names[n.name])
}

// attribute tests an attribute: on the axis of attributes a name is that of
// one, on any other it is that of an element.
func (m *xpathMatcher) attribute(id int32, axis xpathAxis) bool {
	if m.any {
		return true
	}
	return axis == axisAttribute && m.kind == xmlElement && m.names[m.tree.attrs[id].name]
}

// step goes from nodes, in the order of the document, to the next ones.
func (r *xpathRun) step(s *xpathStep, from []xmlRef) []xmlRef {
	w := xpathWalk{r: r, m: r.matcher(s), axis: s.axis}
	if !s.positional() {
		nodes := w.all(from)
		for i := range s.predicates {
			nodes = r.keep(&s.predicates[i], nodes)
		}
		return nodes
	}
	var all []xmlRef
	var near []xmlRef
	if first := &s.predicates[0]; first.position > 0 {
		w.limit = first.position
	}
	for _, n := range from {
		w.out = near[:0]
		w.along(n)
		near = w.out
		nodes := near
		for i := range s.predicates {
			nodes = r.keep(&s.predicates[i], nodes)
		}
		all = append(all, nodes...)
	}
	return sorted(all)
}

// xpathWalk collects the nodes of an axis.
type xpathWalk struct {
	r    *xpathRun
	m    xpathMatcher
	axis xpathAxis
	out  []xmlRef
	// limit is how many nodes are enough; 0 for all.
	limit int
}

// take collects a node that the test holds for, and reports whether that is
// enough.
func (w *xpathWalk) take(id int32) bool {
	w.r.spend(1)
	if w.m.node(id) {
		w.out = append(w.out, xmlRef{id, -1})
	}
	return w.limit > 0 && len(w.out) == w.limit
}

func (w *xpathWalk) takeAttribute(n xmlRef) bool {
	w.r.spend(1)
	if w.m.attribute(n.attr, w.axis) {
		w.out = append(w.out, n)
	}
	return w.limit > 0 && len(w.out) == w.limit
}

// all collects the nodes of the axis of all of them, in the order of the
// document, each once and in one pass: what one node has led to already is not
// gone through again.
func (w *xpathWalk) all(from []xmlRef) []xmlRef {
	if len(from) == 1 {
		w.along(from[0])
		if w.axis.backwards() {
			slices.Reverse(w.out)
		}
		return w.out
	}
	switch w.axis {
	case axisDescendant, axisDescendantOrSelf:
		w.descendants(from)
	case axisAncestor, axisAncestorOrSelf:
		w.ancestors(from)
	case axisFollowing:
		w.following(from)
	case axisPreceding:
		if len(from) > 0 {
			// What is before a node is before all that come after it.
			w.along(from[len(from)-1])
		}
	case axisFollowingSibling, axisPrecedingSibling:
		w.siblings(from)
	default:
		for _, n := range from {
			w.along(n)
		}
	}
	return sorted(w.out)
}

// backwards reports whether the axis goes against the order of the document.
func (a xpathAxis) backwards() bool {
	switch a {
	case axisAncestor, axisAncestorOrSelf, axisPreceding, axisPrecedingSibling:
		return true
	}
	return false
}

func (w *xpathWalk) descendants(from []xmlRef) {
	covered := int32(-1)
	for _, n := range from {
		if n.attr < 0 && n.node <= covered {
			continue
		}
		w.along(n)
		if n.attr < 0 {
			covered = w.r.tree.nodes[n.node].end
		}
	}
}

func (w *xpathWalk) ancestors(from []xmlRef) {
	seen := map[int32]struct{}{}
	for _, n := range from {
		at := n.node
		switch {
		case n.attr >= 0:
			if w.axis == axisAncestorOrSelf {
				w.takeAttribute(n)
			}
		case w.axis == axisAncestor && at == 0:
			continue
		case w.axis == axisAncestor:
			at = w.r.tree.nodes[at].parent
		}
		for {
			if _, again := seen[at]; again {
				break
			}
			seen[at] = struct{}{}
			w.take(at)
			if at == 0 {
				break
			}
			at = w.r.tree.nodes[at].parent
		}
	}
}

// following goes on behind the node that ends first.
func (w *xpathWalk) following(from []xmlRef) {
	if len(from) == 0 {
		return
	}
	first := from[0]
	for _, n := range from {
		if w.behind(n) < w.behind(first) {
			first = n
		}
	}
	w.along(first)
}

// behind gives the first node behind all that is in n. What is in the element
// of an attribute is behind the attribute.
func (w *xpathWalk) behind(n xmlRef) int32 {
	if n.attr >= 0 {
		return n.node + 1
	}
	return w.r.tree.nodes[n.node].end + 1
}

// siblings stops at siblings that have been gone through: of those in one
// element the first one leads to all.
func (w *xpathWalk) siblings(from []xmlRef) {
	seen := map[int32]struct{}{}
	next := func(id int32) int32 { return w.r.tree.nodes[id].next }
	if w.axis == axisPrecedingSibling {
		next = func(id int32) int32 { return w.r.tree.nodes[id].prev }
		from = slices.Clone(from)
		slices.Reverse(from)
	}
	for _, n := range from {
		if n.attr >= 0 {
			continue
		}
		for at := next(n.node); at > 0; at = next(at) {
			if _, again := seen[at]; again {
				break
			}
			seen[at] = struct{}{}
			w.take(at)
		}
	}
}

// along collects the nodes of the axis of one node in the order of the axis,
// until there are enough.
func (w *xpathWalk) along(n xmlRef) {
	at := &w.r.tree.nodes[n.node]
	if n.attr >= 0 {
		w.alongAttribute(n)
		return
	}
	switch w.axis {
	case axisSelf:
		w.take(n.node)
	case axisChild:
		for c := at.first; c > 0 && !w.take(c); c = w.r.tree.nodes[c].next {
		}
	case axisDescendant:
		w.between(n.node+1, at.end)
	case axisDescendantOrSelf:
		w.between(n.node, at.end)
	case axisAttribute:
		for a := at.attrFrom; a < at.attrTo && !w.takeAttribute(xmlRef{n.node, a}); a++ {
		}
	case axisParent:
		if n.node > 0 {
			w.take(at.parent)
		}
	case axisAncestor:
		if n.node > 0 {
			w.up(at.parent)
		}
	case axisAncestorOrSelf:
		w.up(n.node)
	case axisFollowing:
		w.between(at.end+1, int32(len(w.r.tree.nodes)-1))
	case axisFollowingSibling:
		for c := at.next; c > 0 && !w.take(c); c = w.r.tree.nodes[c].next {
		}
	case axisPreceding:
		w.before(n.node)
	case axisPrecedingSibling:
		for c := at.prev; c > 0 && !w.take(c); c = w.r.tree.nodes[c].prev {
		}
	}
}

func (w *xpathWalk) alongAttribute(n xmlRef) {
	switch w.axis {
	case axisSelf, axisDescendantOrSelf:
		w.takeAttribute(n)
	case axisParent:
		w.take(n.node)
	case axisAncestor:
		w.up(n.node)
	case axisAncestorOrSelf:
		if !w.takeAttribute(n) {
			w.up(n.node)
		}
	case axisFollowing:
		w.between(n.node+1, int32(len(w.r.tree.nodes)-1))
	case axisPreceding:
		w.before(n.node)
	}
}

func (w *xpathWalk) between(from, to int32) {
	for id := from; id <= to && !w.take(id); id++ {
	}
}

func (w *xpathWalk) up(id int32) {
	for !w.take(id) && id > 0 {
		id = w.r.tree.nodes[id].parent
	}
}

// before goes backwards through what ends before a node: its ancestors do not.
func (w *xpathWalk) before(id int32) {
	parent := w.r.tree.nodes[id].parent
	for at := id - 1; at > 0; at-- {
		if at == parent {
			parent = w.r.tree.nodes[at].parent
			continue
		}
		if w.take(at) {
			return
		}
	}
}
