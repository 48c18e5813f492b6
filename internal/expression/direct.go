package expression

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/expr-lang/expr/ast"
)

// operand is an expression that is looked up and not computed: a name, a chain
// of members, a literal, or a ?? of those. It gives values untouched: a number
// keeps its digits.
type operand struct {
	kind operandKind
	// root is the index of the name.
	root int
	// literal is the value.
	literal any
	// base and key are of a member; key is a string or an int, path is how the
	// base is written.
	base *operand
	key  any
	path string
	// left and right are of a ??.
	left, right *operand
}

type operandKind int

const (
	rootOperand operandKind = iota
	literalOperand
	memberOperand
	defaultOperand
)

// isDirect reports whether a tree can be looked up.
func isDirect(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.StringNode, *ast.IntegerNode, *ast.BoolNode, *ast.NilNode:
		return true
	case *ast.BinaryNode:
		return n.Operator == "??" && isDirect(n.Left) && isDirect(n.Right)
	}
	return isChain(n)
}

// isChain reports whether a tree is a name or a chain of members.
func isChain(n ast.Node) bool {
	for {
		m, ok := n.(*ast.MemberNode)
		if !ok {
			_, ok := n.(*ast.IdentifierNode)
			return ok
		}
		if _, ok := memberKey(m.Property); !ok || m.Optional || m.Method {
			return false
		}
		n = m.Node
	}
}

// memberKey gives the key of a member that is written out.
func memberKey(n ast.Node) (any, bool) {
	switch v, _ := literal(n); v := v.(type) {
	case string, int:
		return v, true
	}
	return nil, false
}

// direct checks the names of a tree for which isDirect holds, and gives its
// operand.
func (c *check) direct(n ast.Node, optional bool) *operand {
	switch n := n.(type) {
	case *ast.IdentifierNode:
		if r, ok := c.plain(n, optional); ok {
			return &operand{kind: rootOperand, root: c.addRoot(r)}
		}
	case *ast.MemberNode:
		return c.directMember(n, optional)
	case *ast.BinaryNode:
		return &operand{kind: defaultOperand, left: c.direct(n.Left, true), right: c.direct(n.Right, optional)}
	case *ast.IntegerNode:
		return &operand{kind: literalOperand, literal: json.Number(strconv.Itoa(n.Value))}
	default:
		v, _ := literal(n)
		return &operand{kind: literalOperand, literal: v}
	}
	return &operand{}
}

func (c *check) directMember(n *ast.MemberNode, optional bool) *operand {
	if id, ok := n.Node.(*ast.IdentifierNode); ok {
		switch id.Value {
		case "env", "row", "run", "scenario":
			if r, ok := c.rootMember(id, n, optional); ok {
				return &operand{kind: rootOperand, root: c.addRoot(r)}
			}
			return &operand{}
		}
	}
	path := c.knownMember(n)
	key, _ := memberKey(n.Property)
	return &operand{kind: memberOperand, base: c.direct(n.Node, false), key: key, path: path}
}

// value looks an operand up.
func (o *operand) value(ev *evaluation) (any, error) {
	switch o.kind {
	case rootOperand:
		return ev.lookup(o.root)
	case memberOperand:
		base, err := o.base.value(ev)
		if err != nil {
			return nil, err
		}
		return memberOf(base, o.key, o.path)
	case defaultOperand:
		v, err := o.left.value(ev)
		if v != nil || err != nil {
			return v, err
		}
		return o.right.value(ev)
	}
	return o.literal, nil
}

// memberOf gives the member of a map, or the element of a list; path is how the
// base is written, or "". A member that a map does not have is null, as in the
// expression language.
func memberOf(base, key any, path string) (any, error) {
	switch base := base.(type) {
	case map[string]any:
		if name, ok := key.(string); ok {
			return base[name], nil
		}
		return nil, fmt.Errorf("%s has members with names, and not %s", subject(path, "a map"), keyName(key))
	case []any:
		i, ok := key.(int)
		if !ok {
			return nil, fmt.Errorf("%s is a list: it has elements by number, such as [0], and not %s", subject(path, "the value"), keyName(key))
		}
		at := i
		if at < 0 {
			at += len(base)
		}
		if at < 0 || at >= len(base) {
			return nil, fmt.Errorf("%s has %s, and no element %d", subject(path, "the list"), count(len(base), "element"), i)
		}
		return base[at], nil
	case nil:
		return nil, fmt.Errorf("%s is null, and has no %s", subject(path, "the value"), keyName(key))
	}
	if k := kindOf(base); k == kindOf([]any{}) || k == kindOf(map[string]any{}) {
		plain, err := fromComputed(base)
		if err != nil {
			return nil, err
		}
		return memberOf(plain, key, path)
	}
	return nil, fmt.Errorf("%s is %s, and has no %s", subject(path, "the value"), kindOf(base), keyName(key))
}

func subject(path, otherwise string) string {
	if path == "" || path == "#" {
		return otherwise
	}
	return path
}

func keyName(key any) string {
	switch key := key.(type) {
	case string:
		return fmt.Sprintf("member %q", shorten(key))
	case int:
		return fmt.Sprintf("element %d", key)
	}
	return "member that is named by " + kindOf(key)
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
