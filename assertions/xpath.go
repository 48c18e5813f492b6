package assertions

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"runtime"
	"strconv"
	"strings"

	"github.com/antchfx/xpath"
)

// xpathExpr is an XPath 1.0 expression that compiles. The library's own form
// of it keeps state while it is evaluated, so that is made anew each time.
type xpathExpr struct {
	text string
	// prefixes are the namespaces of its prefixes.
	prefixes map[string]string
}

// maxXPathBytes bounds an expression.
const maxXPathBytes = 1 << 12

// newXPath checks an expression with the prefixes that are declared for it.
func newXPath(s string, prefixes map[string]string) (*xpathExpr, error) {
	if len(s) > maxXPathBytes {
		return nil, fmt.Errorf("it is longer than %d bytes", maxXPathBytes)
	}
	if prefixes == nil {
		prefixes = map[string]string{}
	}
	x := &xpathExpr{text: s, prefixes: prefixes}
	if _, err := x.compile(); err != nil {
		return nil, err
	}
	return x, nil
}

// compile guards against what the library does not expect, such as a function
// without arguments.
func (x *xpathExpr) compile() (e *xpath.Expr, err error) {
	defer func() {
		if r := recover(); r != nil {
			e, err = nil, errFewArguments
		}
	}()
	e, err = xpath.CompileWithNS(withoutWildcards(x.text, x.prefixes), x.prefixes)
	if _, ok := errors.AsType[runtime.Error](err); ok {
		return nil, errFewArguments
	}
	return e, err
}

var errFewArguments = errors.New("a function has too few arguments")

var (
	prefixWildcard = regexp.MustCompile(`([\pL_][\pL\pN_.-]*):\*`)
	nameCall       = regexp.MustCompile(`(^|[^\pL\pN_.:-])name\s*\(`)
)

// withoutWildcards writes p:* as a condition on the namespace: the library
// finds nothing for it.
func withoutWildcards(s string, prefixes map[string]string) string {
	if !strings.Contains(s, ":*") {
		return s
	}
	return outsideQuotes(s, func(part string) string {
		return prefixWildcard.ReplaceAllStringFunc(part, func(m string) string {
			uri, ok := prefixes[strings.TrimSuffix(m, ":*")]
			q := `"`
			if strings.Contains(uri, q) {
				q = `'`
			}
			if !ok || strings.Contains(uri, q) {
				return m
			}
			return "*[namespace-uri()=" + q + uri + q + "]"
		})
	})
}

// outsideQuotes applies f to the parts of an expression that are no literals.
func outsideQuotes(s string, f func(string) string) string {
	var b strings.Builder
	for s != "" {
		i := strings.IndexAny(s, `"'`)
		if i < 0 {
			break
		}
		b.WriteString(f(s[:i]))
		end := strings.IndexByte(s[i+1:], s[i])
		if end < 0 {
			return b.String() + s[i:]
		}
		end += i + 2
		b.WriteString(s[i:end])
		s = s[end:]
	}
	return b.String() + f(s)
}

// callsName reports whether the expression asks for names as written.
func (x *xpathExpr) callsName() bool {
	calls := false
	outsideQuotes(x.text, func(part string) string {
		calls = calls || nameCall.MatchString(part)
		return part
	})
	return calls
}

// maxXPathMoves bounds the work of one expression, in moves from node to node:
// a second or two.
const maxXPathMoves = 100_000_000

type tooManyMoves struct{}

// errTooExpensive is what an expression ends with that would not end.
var errTooExpensive = errors.New("the expression needs too many steps on this document; make its path more exact")

// run gives the result of the expression in a document: the nodes it selects,
// or what it computes (a float64, string or bool).
func (x *xpathExpr) run(t *xmlTree, limit int) (nodes []xmlRef, computed any, err error) {
	e, err := x.compile()
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		switch r := recover().(type) {
		case nil:
		case tooManyMoves:
			err = errTooExpensive
		default:
			err = fmt.Errorf("the expression cannot be evaluated: %s", cut(fmt.Sprint(r), maxShown))
		}
	}()
	moves := 0
	root := &navigator{tree: t, attr: -1, moves: &moves, asWritten: x.callsName()}
	result := e.Evaluate(root)
	found, ok := result.(*xpath.NodeIterator)
	if !ok {
		return nil, result, nil
	}
	seen := map[xmlRef]struct{}{}
	for len(nodes) < limit && found.MoveNext() {
		n := found.Current().(*navigator)
		ref := xmlRef{n.node, n.attr}
		if _, again := seen[ref]; again {
			continue
		}
		if limit > 1 {
			seen[ref] = struct{}{}
		}
		nodes = append(nodes, ref)
	}
	return nodes, nil, nil
}

// find gives the value of the expression: what it computes, or the text of the
// first node.
func (x *xpathExpr) find(t *xmlTree) (value, error) {
	nodes, computed, err := x.run(t, 1)
	if err != nil {
		return value{}, err
	}
	v := value{domain: domainText}
	switch c := computed.(type) {
	case bool:
		v.form, v.text = boolean, strconv.FormatBool(c)
	case float64:
		v.form, v.text = number, xpathNumber(c)
	case string:
		v.form, v.text = text, c
	case nil:
		if len(nodes) > 0 {
			v.form, v.text = text, t.textOf(nodes[0])
		}
	}
	return v, nil
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

// xmlRef is a node, or with attr ≥ 0 an attribute of it.
type xmlRef struct{ node, attr int32 }

func (t *xmlTree) textOf(r xmlRef) string {
	if r.attr >= 0 {
		return t.attrs[r.attr].value
	}
	return t.value(r.node)
}

// navigator walks a document for the XPath library.
type navigator struct {
	tree *xmlTree
	node int32
	attr int32 // in tree.attrs, -1 when on the node
	// moves counts for all copies.
	moves *int
	// asWritten gives the default namespace the empty prefix, as name() wants
	// it. Otherwise a name without a prefix would find elements of it, which
	// XPath 1.0 section 2.3 forbids.
	asWritten bool
}

var _ xpath.NodeNavigator = (*navigator)(nil)

func (n *navigator) move() {
	if *n.moves++; *n.moves > maxXPathMoves {
		panic(tooManyMoves{})
	}
}

// NodeType gives the type of the node.
func (n *navigator) NodeType() xpath.NodeType {
	if n.attr >= 0 {
		return xpath.AttributeNode
	}
	switch n.tree.nodes[n.node].kind {
	case xmlElement:
		return xpath.ElementNode
	case xmlText:
		return xpath.TextNode
	case xmlComment, xmlInstruction:
		return xpath.CommentNode
	}
	return xpath.RootNode
}

func (n *navigator) name() *xmlName {
	if n.attr >= 0 {
		return &n.tree.names[n.tree.attrs[n.attr].name]
	}
	return n.tree.nameOf(n.node)
}

// LocalName gives the name without its prefix.
func (n *navigator) LocalName() string { return n.name().local }

// Prefix gives what tells names without a prefix from those of a namespace.
func (n *navigator) Prefix() string {
	name := n.name()
	if !n.asWritten && name.prefix == "" && name.space != "" {
		return "\x00"
	}
	return name.prefix
}

// NamespaceURL gives the namespace.
func (n *navigator) NamespaceURL() string { return n.name().space }

// Value gives the text of the node.
func (n *navigator) Value() string { return n.tree.textOf(xmlRef{n.node, n.attr}) }

// Copy gives a navigator at the same place.
func (n *navigator) Copy() xpath.NodeNavigator {
	c := *n
	return &c
}

// MoveToRoot goes to the document.
func (n *navigator) MoveToRoot() { n.node, n.attr = 0, -1 }

// MoveToParent goes up.
func (n *navigator) MoveToParent() bool {
	n.move()
	if n.attr >= 0 {
		n.attr = -1
		return true
	}
	if n.node == 0 {
		return false
	}
	n.node = n.tree.nodes[n.node].parent
	return true
}

// MoveToNextAttribute goes to the first attribute, or the next.
func (n *navigator) MoveToNextAttribute() bool {
	n.move()
	at := &n.tree.nodes[n.node]
	next := n.attr + 1
	if n.attr < 0 {
		next = at.attrFrom
	}
	if next >= at.attrTo {
		return false
	}
	n.attr = next
	return true
}

// MoveToChild goes to the first child.
func (n *navigator) MoveToChild() bool {
	return n.attr < 0 && n.moveTo(n.tree.nodes[n.node].first)
}

// MoveToFirst goes to the first sibling.
func (n *navigator) MoveToFirst() bool {
	at := &n.tree.nodes[n.node]
	return n.attr < 0 && at.prev != 0 && n.moveTo(n.tree.nodes[at.parent].first)
}

// MoveToNext goes to the next sibling.
func (n *navigator) MoveToNext() bool {
	return n.attr < 0 && n.moveTo(n.tree.nodes[n.node].next)
}

// MoveToPrevious goes to the sibling before.
func (n *navigator) MoveToPrevious() bool {
	return n.attr < 0 && n.moveTo(n.tree.nodes[n.node].prev)
}

func (n *navigator) moveTo(node int32) bool {
	n.move()
	if node == 0 {
		return false
	}
	n.node = node
	return true
}

// MoveTo goes to where other is, in the same document.
func (n *navigator) MoveTo(other xpath.NodeNavigator) bool {
	o, ok := other.(*navigator)
	if !ok || o.tree != n.tree {
		return false
	}
	n.node, n.attr = o.node, o.attr
	return true
}
