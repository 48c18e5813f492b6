package assertions

import (
	"errors"
	"fmt"
	"strconv"
)

// xpathExpr is an expression of XPath 1.0 that is well formed. It is immutable.
type xpathExpr struct {
	text string
	// prefixes are the namespaces of its prefixes.
	prefixes map[string]string
	term     xpathTerm
}

// maxXPathBytes bounds an expression.
const maxXPathBytes = 1 << 12

// newXPath reads an expression with the prefixes that are declared for it. The
// error is an [*xpathError].
func newXPath(s string, prefixes map[string]string) (*xpathExpr, error) {
	if len(s) > maxXPathBytes {
		return nil, &xpathError{message: fmt.Sprintf("it is longer than %d bytes", maxXPathBytes)}
	}
	term, err := parseXPath(s, prefixes)
	if err != nil {
		return nil, err
	}
	return &xpathExpr{s, prefixes, term}, nil
}

// selects reports whether the expression gives nodes, and computes nothing.
func (x *xpathExpr) selects() bool { return x.term.traits().kind == xpathNodeSet }

// errTooExpensive is what an expression ends with that would not end.
var errTooExpensive = errors.New("the expression needs too many steps on this document; make its path more exact")

// run evaluates the expression at the document itself. Nodes are in the order
// of the document.
func (x *xpathExpr) run(t *xmlTree) (v xpathValue, err error) {
	return x.in(newXPathRun(t, x.prefixes))
}

func (x *xpathExpr) in(r *xpathRun) (v xpathValue, err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case tooManyMoves:
			err = errTooExpensive
		default:
			panic(p)
		}
	}()
	return x.term.eval(r, xpathContext{xmlRef{0, -1}, 1, 1}), nil
}

// find gives the value of the expression: what it computes, or the text of the
// first node.
func (x *xpathExpr) find(t *xmlTree) (value, error) {
	found, err := x.run(t)
	v := value{domain: domainText}
	if err != nil {
		return v, err
	}
	switch found.kind {
	case xpathBoolean:
		v.form, v.text = boolean, strconv.FormatBool(found.truth)
	case xpathFloat:
		v.form, v.text = number, xpathNumber(found.number)
	case xpathString:
		v.form, v.text = text, found.text
	default:
		if len(found.nodes.refs) > 0 {
			v.form, v.text = text, t.textOf(found.nodes.refs[0])
		}
	}
	return v, nil
}

func (t *xmlTree) textOf(r xmlRef) string {
	if r.attr >= 0 {
		return t.attrs[r.attr].value
	}
	return t.value(r.node)
}
