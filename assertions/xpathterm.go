package assertions

import (
	"math"
	"slices"
)

// xpathTraits is what is known of an expression before it is evaluated.
type xpathTraits struct {
	kind xpathType
	// fixed says that it gives the same at every node of a document.
	fixed bool
	// positional says that it asks for position() or last().
	positional bool
}

func (t xpathTraits) traits() xpathTraits { return t }

// xpathTerm is an expression or a part of one. It is immutable.
type xpathTerm interface {
	traits() xpathTraits
	eval(r *xpathRun, at xpathContext) xpathValue
}

// xpathContext is where an expression is evaluated, section 1.
type xpathContext struct {
	node           xmlRef
	position, size int
}

// xpathRun is one evaluation on a document.
type xpathRun struct {
	tree     *xmlTree
	prefixes map[string]string
	// names tells for each test which names of the document it means.
	names map[xpathName][]bool
	// known are the values of what is the same everywhere.
	known map[xpathTerm]xpathValue
	moves int
}

func newXPathRun(t *xmlTree, prefixes map[string]string) *xpathRun {
	return &xpathRun{tree: t, prefixes: prefixes, names: map[xpathName][]bool{}, known: map[xpathTerm]xpathValue{}}
}

// maxXPathMoves bounds the work of one expression, in moves from node to node:
// a second or two.
const maxXPathMoves = 100_000_000

type tooManyMoves struct{}

// spend counts the work, and ends an evaluation that would not end.
func (r *xpathRun) spend(moves int) {
	if r.moves += moves; r.moves > maxXPathMoves {
		panic(tooManyMoves{})
	}
}

// textOf gives the text of a node.
func (r *xpathRun) textOf(ref xmlRef) string {
	s := r.tree.textOf(ref)
	r.spend(1 + len(s)/16)
	return s
}

// once evaluates what is the same everywhere a single time.
func (r *xpathRun) once(t xpathTerm, fixed bool, eval func() xpathValue) xpathValue {
	if !fixed {
		return eval()
	}
	if v, ok := r.known[t]; ok {
		return v
	}
	v := eval()
	r.known[t] = v
	return v
}

// xpathLiteral is a number or text.
type xpathLiteral struct {
	xpathTraits
	value xpathValue
}

func newLiteral(v xpathValue) *xpathLiteral {
	return &xpathLiteral{xpathTraits{kind: v.kind, fixed: true}, v}
}

func (t *xpathLiteral) eval(*xpathRun, xpathContext) xpathValue { return t.value }

// xpathNegation is the minus in front of an expression, or several of them.
type xpathNegation struct {
	xpathTraits
	of       xpathTerm
	negative bool
}

func newNegation(of xpathTerm, negative bool) *xpathNegation {
	traits := of.traits()
	traits.kind = xpathFloat
	return &xpathNegation{traits, of, negative}
}

func (t *xpathNegation) eval(r *xpathRun, at xpathContext) xpathValue {
	v := t.of.eval(r, at)
	f := r.floatOf(&v)
	if t.negative {
		f = -f
	}
	return floatValue(f)
}

// xpathBinary is an operator with two operands.
type xpathBinary struct {
	xpathTraits
	op          string
	left, right xpathTerm
}

func newBinary(op string, left, right xpathTerm) *xpathBinary {
	a, b := left.traits(), right.traits()
	t := &xpathBinary{xpathTraits{xpathBoolean, a.fixed && b.fixed, a.positional || b.positional}, op, left, right}
	switch op {
	case "+", "-", "*", "div", "mod":
		t.kind = xpathFloat
	}
	return t
}

func (t *xpathBinary) eval(r *xpathRun, at xpathContext) xpathValue {
	switch t.op {
	case "or", "and":
		if r.truth(t.left, at) == (t.op == "or") {
			return truthValue(t.op == "or")
		}
		return truthValue(r.truth(t.right, at))
	}
	left, right := t.left.eval(r, at), t.right.eval(r, at)
	if t.kind == xpathBoolean {
		return truthValue(r.compare(t.op, &left, &right))
	}
	return floatValue(calculate(t.op, r.floatOf(&left), r.floatOf(&right)))
}

func calculate(op string, a, b float64) float64 {
	switch op {
	case "+":
		return a + b
	case "-":
		return a - b
	case "*":
		return a * b
	case "div":
		return a / b
	}
	return math.Mod(a, b)
}

// xpathUnion joins the nodes of several expressions.
type xpathUnion struct {
	xpathTraits
	of []xpathTerm
}

func (t *xpathUnion) eval(r *xpathRun, at xpathContext) xpathValue {
	return r.once(t, t.fixed, func() xpathValue {
		var all []xmlRef
		for _, term := range t.of {
			v := term.eval(r, at)
			all = append(all, v.nodes.refs...)
		}
		r.spend(len(all))
		return nodesValue(sorted(all))
	})
}

// xpathCall is a function with its arguments.
type xpathCall struct {
	xpathTraits
	function xpathFunction
	args     []xpathTerm
}

func newCall(f xpathFunction, args []xpathTerm) *xpathCall {
	t := &xpathCall{xpathTraits{kind: f.kind, fixed: !f.atNode && (len(args) > 0 || f.min == 0 && f.max == 0), positional: f.positional}, f, args}
	for _, a := range args {
		t.fixed = t.fixed && a.traits().fixed
		t.positional = t.positional || a.traits().positional
	}
	return t
}

func (t *xpathCall) eval(r *xpathRun, at xpathContext) xpathValue {
	return r.once(t, t.fixed && len(t.args) > 0, func() xpathValue { return t.function.eval(r, at, t.args) })
}

// xpathPredicate is a condition in square brackets.
type xpathPredicate struct {
	term xpathTerm
	// position is that of a condition such as [3], whose index is known; -1
	// for one that is no number of a node.
	position int
	// last says that the condition is [last()].
	last bool
	// positional says that where a node stands decides.
	positional bool
}

func newPredicate(t xpathTerm) xpathPredicate {
	p := xpathPredicate{term: t, positional: t.traits().positional || t.traits().kind == xpathFloat}
	switch t := t.(type) {
	case *xpathLiteral:
		if t.kind == xpathFloat {
			p.position = -1
			if n := int(t.value.number); n > 0 && float64(n) == t.value.number && n < math.MaxInt32 {
				p.position = n
			}
		}
	case *xpathCall:
		p.last = t.function.name == "last"
	}
	return p
}

// keep gives the nodes that the condition holds for; nodes stand in the order
// of their axis. It writes over them.
func (r *xpathRun) keep(p *xpathPredicate, nodes []xmlRef) []xmlRef {
	r.spend(len(nodes))
	switch {
	case p.position > 0:
		if p.position > len(nodes) {
			return nil
		}
		return nodes[p.position-1 : p.position]
	case p.position < 0:
		return nil
	case p.last:
		return nodes[max(0, len(nodes)-1):]
	}
	size, kept, numbered := len(nodes), nodes[:0], p.term.traits().kind == xpathFloat
	for i, n := range nodes {
		at := xpathContext{n, i + 1, size}
		holds := false
		if numbered {
			v := p.term.eval(r, at)
			holds = v.number == float64(i+1)
		} else {
			holds = r.truth(p.term, at)
		}
		if holds {
			kept = append(kept, n)
		}
	}
	return kept
}

// truth is boolean() of an expression; of a path it looks for one node only.
func (r *xpathRun) truth(t xpathTerm, at xpathContext) bool {
	if path, ok := t.(*xpathPath); ok && path.searchable() {
		return path.search(r, at)
	}
	v := t.eval(r, at)
	return v.asTruth()
}

// xpathFilter is an expression with conditions, which count its nodes in the
// order of the document.
type xpathFilter struct {
	xpathTraits
	of         xpathTerm
	predicates []xpathPredicate
}

func (t *xpathFilter) eval(r *xpathRun, at xpathContext) xpathValue {
	return r.once(t, t.fixed, func() xpathValue {
		v := t.of.eval(r, at)
		nodes := append([]xmlRef(nil), v.nodes.refs...)
		for i := range t.predicates {
			nodes = r.keep(&t.predicates[i], nodes)
		}
		return nodesValue(nodes)
	})
}

// xpathPath is a location path: from the document, from the nodes of an
// expression, or from where it is evaluated.
type xpathPath struct {
	xpathTraits
	absolute bool
	from     xpathTerm
	steps    []xpathStep
}

// add appends a step; //NAME is one step down to the descendants, unless where
// a node stands among its siblings decides.
func (t *xpathPath) add(s xpathStep) {
	n := len(t.steps)
	if n > 0 && s.axis == axisChild && !s.positional() {
		if before := &t.steps[n-1]; before.axis == axisDescendantOrSelf && before.test.any && len(before.predicates) == 0 {
			s.axis = axisDescendant
			t.steps[n-1] = s
			return
		}
	}
	t.steps = append(t.steps, s)
}

func (t *xpathPath) eval(r *xpathRun, at xpathContext) xpathValue {
	return r.once(t, t.fixed, func() xpathValue {
		nodes := []xmlRef{at.node}
		switch {
		case t.absolute:
			nodes[0] = xmlRef{0, -1}
		case t.from != nil:
			v := t.from.eval(r, at)
			nodes = v.nodes.refs
		}
		for i := range t.steps {
			nodes = r.step(&t.steps[i], nodes)
		}
		return nodesValue(nodes)
	})
}

// searchable reports whether the nodes of the first step can be tried one after
// the other.
func (t *xpathPath) searchable() bool {
	if t.absolute || t.from != nil || t.steps[0].positional() {
		return false
	}
	switch t.steps[0].axis {
	case axisSelf, axisParent, axisAttribute:
		return false
	}
	return true
}

// firstTried is how many nodes of the first step are tried at first; it grows
// by itself, so that the search for what is not there costs little more.
const firstTried = 4

// search reports whether the path leads to anything.
func (t *xpathPath) search(r *xpathRun, at xpathContext) bool {
	first := &t.steps[0]
	w := xpathWalk{r: r, m: r.matcher(first), axis: first.axis}
	for w.limit = firstTried; ; w.limit *= 2 * firstTried {
		w.out = w.out[:0]
		w.along(at.node)
		tried, nodes := len(w.out), w.out
		if first.axis.backwards() {
			slices.Reverse(nodes)
		}
		for i := range first.predicates {
			nodes = r.keep(&first.predicates[i], nodes)
		}
		for i := range t.steps[1:] {
			nodes = r.step(&t.steps[1+i], nodes)
		}
		if len(nodes) > 0 || tried < w.limit {
			return len(nodes) > 0
		}
	}
}
