package assertions

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
)

// xpathType is a type of XPath 1.0, section 1.
type xpathType uint8

const (
	xpathNodeSet xpathType = iota
	xpathBoolean
	xpathFloat
	xpathString
)

// String gives the word that messages use.
func (t xpathType) String() string {
	switch t {
	case xpathBoolean:
		return "a boolean"
	case xpathFloat:
		return "a number"
	case xpathString:
		return "text"
	}
	return "a path"
}

// xmlRef is a node, or with attr ≥ 0 an attribute of it. The nodes of a
// document are numbered in its order, and so are the attributes.
type xmlRef struct{ node, attr int32 }

// compare orders nodes as they stand in the document: an element, its
// attributes, what is in it.
func (r xmlRef) compare(other xmlRef) int {
	if c := cmp.Compare(r.node, other.node); c != 0 {
		return c
	}
	return cmp.Compare(r.attr, other.attr)
}

// xpathNodes are nodes in the order of the document, each once.
type xpathNodes struct {
	refs []xmlRef
	// texts are those of the nodes, once they were asked for.
	texts map[string]struct{}
	// low and high are those of extent, once it was asked for.
	measured  bool
	low, high float64
}

// xpathValue is what an expression gives.
type xpathValue struct {
	kind   xpathType
	nodes  *xpathNodes
	truth  bool
	number float64
	text   string
}

func truthValue(b bool) xpathValue { return xpathValue{kind: xpathBoolean, truth: b} }

func floatValue(f float64) xpathValue { return xpathValue{kind: xpathFloat, number: f} }

func stringValue(s string) xpathValue { return xpathValue{kind: xpathString, text: s} }

func nodesValue(refs []xmlRef) xpathValue {
	return xpathValue{kind: xpathNodeSet, nodes: &xpathNodes{refs: refs}}
}

// sorted brings nodes into the order of the document, each once.
func sorted(refs []xmlRef) []xmlRef {
	inOrder := true
	for i := 1; i < len(refs); i++ {
		if refs[i-1].compare(refs[i]) >= 0 {
			inOrder = false
			break
		}
	}
	if inOrder {
		return refs
	}
	slices.SortFunc(refs, xmlRef.compare)
	return slices.Compact(refs)
}

// asTruth is boolean(), section 4.3.
func (v *xpathValue) asTruth() bool {
	switch v.kind {
	case xpathNodeSet:
		return len(v.nodes.refs) > 0
	case xpathFloat:
		return v.number != 0 && !math.IsNaN(v.number)
	case xpathString:
		return v.text != ""
	}
	return v.truth
}

// stringOf is string(), section 4.2.
func (r *xpathRun) stringOf(v *xpathValue) string {
	switch v.kind {
	case xpathNodeSet:
		if len(v.nodes.refs) == 0 {
			return ""
		}
		return r.textOf(v.nodes.refs[0])
	case xpathBoolean:
		return strconv.FormatBool(v.truth)
	case xpathFloat:
		return xpathNumber(v.number)
	}
	return v.text
}

// floatOf is number(), section 4.4.
func (r *xpathRun) floatOf(v *xpathValue) float64 {
	switch v.kind {
	case xpathFloat:
		return v.number
	case xpathBoolean:
		if v.truth {
			return 1
		}
		return 0
	}
	return parseXPathNumber(r.stringOf(v))
}

// xmlBlanks are the characters that are whitespace in XML.
const xmlBlanks = " \t\r\n"

// parseXPathNumber reads a number as XPath 1.0 has it: blanks, a minus sign,
// digits and a dot; anything else, such as 1E3 or +1, is not a number.
func parseXPathNumber(s string) float64 {
	s = strings.Trim(s, xmlBlanks)
	digits := strings.TrimPrefix(s, "-")
	if n := xpathDigits(digits); n == 0 || n != len(digits) || digits == "." {
		return math.NaN()
	}
	f, _ := strconv.ParseFloat(s, 64) // digits; what is too large is infinite
	return f
}

// xpathNumber writes a number as XPath does, section 4.2.
func xpathNumber(f float64) string {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	case f == 0:
		return "0"
	}
	return strconv.FormatFloat(f, 'f', -1, 64)
}

// compare compares by = != < <= > >=, section 3.4.
func (r *xpathRun) compare(op string, a, b *xpathValue) bool {
	switch {
	case a.kind == xpathNodeSet && b.kind == xpathNodeSet:
		return r.compareNodes(op, a.nodes, b.nodes)
	case a.kind == xpathNodeSet:
		return r.compareEach(op, a, b, false)
	case b.kind == xpathNodeSet:
		return r.compareEach(op, b, a, true)
	case op != "=" && op != "!=":
		return compareFloats(op, r.floatOf(a), r.floatOf(b))
	case a.kind == xpathBoolean || b.kind == xpathBoolean:
		return (a.asTruth() == b.asTruth()) == (op == "=")
	case a.kind == xpathFloat || b.kind == xpathFloat:
		return compareFloats(op, r.floatOf(a), r.floatOf(b))
	}
	return (a.text == b.text) == (op == "=")
}

func compareFloats(op string, a, b float64) bool {
	switch op {
	case "=":
		return a == b
	case "!=":
		return a != b
	case "<":
		return a < b
	case "<=":
		return a <= b
	case ">":
		return a > b
	}
	return a >= b
}

// compareEach compares nodes with a value that is none: it holds when it does
// for one of the nodes. mirrored says that the value stands on the left.
func (r *xpathRun) compareEach(op string, nodes, v *xpathValue, mirrored bool) bool {
	if v.kind == xpathBoolean {
		truth := truthValue(nodes.asTruth())
		if mirrored {
			return r.compare(op, v, &truth)
		}
		return r.compare(op, &truth, v)
	}
	for _, ref := range nodes.nodes.refs {
		one := stringValue(r.textOf(ref))
		if mirrored && r.compare(op, v, &one) || !mirrored && r.compare(op, &one, v) {
			return true
		}
	}
	return false
}

// compareNodes compares each node of one set with each of the other, in time
// that grows with their number and not with its square.
func (r *xpathRun) compareNodes(op string, a, b *xpathNodes) bool {
	if len(a.refs) == 0 || len(b.refs) == 0 {
		return false
	}
	switch op {
	case "=":
		return r.sharedText(a, b)
	case "!=":
		first := r.textOf(a.refs[0])
		other := func(ref xmlRef) bool { return r.textOf(ref) != first }
		return slices.ContainsFunc(b.refs, other) || slices.ContainsFunc(a.refs, other)
	}
	lowA, highA := r.extent(a)
	lowB, highB := r.extent(b)
	if op == "<" || op == "<=" {
		return compareFloats(op, lowA, highB)
	}
	return compareFloats(op, highA, lowB)
}

// sharedText reports whether a node of one set has the text of one of the
// other. The set of the larger one is kept: it may be that of all conditions.
func (r *xpathRun) sharedText(a, b *xpathNodes) bool {
	if len(a.refs) > len(b.refs) {
		a, b = b, a
	}
	if len(a.refs) == 1 && b.texts == nil && len(b.refs) < 8 {
		text := r.textOf(a.refs[0])
		return slices.ContainsFunc(b.refs, func(ref xmlRef) bool { return r.textOf(ref) == text })
	}
	if b.texts == nil {
		b.texts = make(map[string]struct{}, len(b.refs))
		for _, ref := range b.refs {
			b.texts[r.textOf(ref)] = struct{}{}
		}
	}
	return slices.ContainsFunc(a.refs, func(ref xmlRef) bool {
		_, ok := b.texts[r.textOf(ref)]
		return ok
	})
}

// extent gives the smallest and the greatest number of the nodes; NaN for both
// when none of them is a number.
func (r *xpathRun) extent(n *xpathNodes) (low, high float64) {
	if n.measured {
		return n.low, n.high
	}
	n.measured, n.low, n.high = true, math.NaN(), math.NaN()
	for _, ref := range n.refs {
		f := parseXPathNumber(r.textOf(ref))
		switch {
		case math.IsNaN(f):
		case math.IsNaN(n.low):
			n.low, n.high = f, f
		default:
			n.low, n.high = min(n.low, f), max(n.high, f)
		}
	}
	return n.low, n.high
}
