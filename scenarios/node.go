package scenarios

import (
	"strconv"
	"strings"
	"time"

	"iflowtest/internal/diag"
)

// NodeKind is what a value is, decided from its text and style alone.
type NodeKind uint8

// The kinds. Null is what is written null, ~ or nothing.
const (
	Null NodeKind = iota
	Bool
	Number
	Text
	List
	Map
)

// style is how a scalar or collection is written.
type style uint8

const (
	plain style = iota
	singleQuoted
	doubleQuoted
	literal
	folded
	flow
	block
	// absent is a null that is not written at all.
	absent
)

// Node is a value (or a key) with its place. An alias gives the very node of
// its anchor, so a tree may share parts and is never changed.
type Node struct {
	// Text is the value of a scalar: for a number its digits as written, for
	// a boolean "true" or "false", for null "".
	Text string
	src  *source
	// children are those of a list or mapping; nil: a scalar, or none.
	children *children
	at       spotWidth
	Kind     NodeKind
	style    style
	// direct says that Text stands in the line as it is; severalLines that the
	// value goes on in further lines.
	direct, severalLines bool
}

// children of a list or a mapping: one of the two.
type children struct {
	items   []*Node
	entries []Entry
}

// spotWidth is a place in the node's source, small as there are many.
type spotWidth struct{ line, column, width int32 }

// Pos is the start of the value, behind its anchor and tag. An absent value
// has the place of its key.
func (n *Node) Pos() diag.Position {
	p := diag.Position{Line: int(n.at.line), Column: int(n.at.column), Width: int(n.at.width)}
	if n.src != nil {
		p.File = n.src.file
	}
	return p
}

func (n *Node) setPos(p diag.Position) {
	n.at = spotWidth{int32(p.Line), int32(p.Column), int32(p.Width)}
}

// Items are those of a list; nil for anything else.
func (n *Node) Items() []*Node {
	if n.children == nil {
		return nil
	}
	return n.children.items
}

// Entries are those of a mapping, in the order written; nil for anything else.
func (n *Node) Entries() []Entry {
	if n == nil || n.children == nil {
		return nil
	}
	return n.children.entries
}

// Without gives a mapping without one of its keys.
func (n *Node) Without(key string) *Node {
	m := *n
	m.children = &children{}
	for _, e := range n.Entries() {
		if e.Key.Text != key {
			m.children.entries = append(m.children.entries, e)
		}
	}
	return &m
}

// Entry is one key of a mapping. Key.Kind is always Text.
type Entry struct {
	Key, Value *Node
}

// Get gives the value of the key, nil when n is no mapping or has no such key.
func (n *Node) Get(key string) *Node {
	if n == nil {
		return nil
	}
	for _, e := range n.Entries() {
		if e.Key.Text == key {
			return e.Value
		}
	}
	return nil
}

// Key gives the key itself, nil when it is not there: for a place to point at.
func (n *Node) Key(key string) *Node {
	if n == nil {
		return nil
	}
	for _, e := range n.Entries() {
		if e.Key.Text == key {
			return e.Key
		}
	}
	return nil
}

// Quoted reports whether n is a scalar in quotes or a block scalar, which is
// text whatever it looks like.
func (n *Node) Quoted() bool {
	return n.style == singleQuoted || n.style == doubleQuoted || n.style == literal || n.style == folded
}

// IsScalar reports whether n is neither a list nor a mapping.
func (n *Node) IsScalar() bool { return n.Kind != List && n.Kind != Map }

// IsComputed reports whether n is text that holds ${…} (and not only the
// escaped form $${).
func (n *Node) IsComputed() bool { return n.Kind == Text && hasExpression(n.Text) }

// hasExpression reports whether the text holds ${ that is not escaped as $${.
func hasExpression(text string) bool {
	for {
		i := strings.Index(text, "${")
		if i < 0 {
			return false
		}
		if i == 0 || text[i-1] != '$' {
			return true
		}
		text = text[i+2:]
	}
}

// Bool gives the value of a boolean; ok is false for everything else.
func (n *Node) Bool() (value, ok bool) {
	if n == nil || n.Kind != Bool {
		return false, false
	}
	return n.Text == "true", true
}

// Int gives the value of a number without fraction and exponent.
func (n *Node) Int() (int, bool) {
	if n == nil || n.Kind != Number {
		return 0, false
	}
	i, err := strconv.Atoi(n.Text)
	return i, err == nil
}

// Float gives the value of a number.
func (n *Node) Float() (float64, bool) {
	if n == nil || n.Kind != Number {
		return 0, false
	}
	f, err := strconv.ParseFloat(n.Text, 64)
	return f, err == nil
}

// Duration gives the value of a duration with a unit, such as 500ms, 2s or
// 1m30s. It is never negative.
func (n *Node) Duration() (time.Duration, bool) {
	if n == nil || n.Kind != Text {
		return 0, false
	}
	return ParseDuration(n.Text)
}

// ParseDuration reads a duration as the language writes it: numbers with a
// unit (ns us ms s m h), not negative, without sign and blanks.
func ParseDuration(s string) (time.Duration, bool) {
	if s == "" || s[0] < '0' || s[0] > '9' || s == "0" {
		return 0, false
	}
	d, err := time.ParseDuration(s)
	return d, err == nil && d >= 0
}

// Scalar gives the text of a scalar as a key that takes text reads it: a
// number's text as written. ok is false for null, lists and mappings.
func (n *Node) Scalar() (text string, ok bool) {
	if n == nil || n.Kind == Null || !n.IsScalar() {
		return "", false
	}
	return n.Text, true
}

// Strings gives the texts of a list of scalars; what is none is left out.
func (n *Node) Strings() []string {
	if n == nil {
		return nil
	}
	var s []string
	for _, i := range n.Items() {
		if t, ok := i.Scalar(); ok {
			s = append(s, t)
		}
	}
	return s
}

// EndLine is the last line of the value.
func (n *Node) EndLine() int {
	switch {
	case len(n.Items()) > 0:
		return max(n.Pos().Line, n.Items()[len(n.Items())-1].EndLine())
	case len(n.Entries()) > 0:
		e := n.Entries()[len(n.Entries())-1]
		return max(n.Pos().Line, e.Key.Pos().Line, e.Value.EndLine())
	case n.severalLines:
		return n.At(len(n.Text), 0).Line
	}
	return n.Pos().Line
}

// describe says what a value is, as messages name it.
func describe(n *Node) string {
	switch n.Kind {
	case Null:
		return "nothing"
	case Bool:
		return n.Text
	case Number:
		return "the number " + shorten(n.Text)
	case Text:
		return "the text " + strconv.Quote(shorten(n.Text))
	case List:
		return "a list"
	}
	return "a mapping"
}

// shorten cuts a text that a message quotes.
func shorten(s string) string {
	const limit = 60
	if len(s) <= limit {
		return s
	}
	n := 0
	for i := range s {
		if n == limit {
			return s[:i] + "…"
		}
		n++
	}
	return s
}

// isNumber reports whether s is a number of JSON (RFC 8259, section 6).
func isNumber(s string) bool {
	s = strings.TrimPrefix(s, "-")
	rest := strings.TrimLeft(s, "0123456789")
	whole := s[:len(s)-len(rest)]
	if whole == "" || len(whole) > 1 && whole[0] == '0' {
		return false
	}
	if strings.HasPrefix(rest, ".") {
		after := strings.TrimLeft(rest[1:], "0123456789")
		if len(after) == len(rest)-1 {
			return false
		}
		rest = after
	}
	if rest == "" {
		return true
	}
	if rest[0] != 'e' && rest[0] != 'E' {
		return false
	}
	rest = rest[1:]
	if rest != "" && (rest[0] == '+' || rest[0] == '-') {
		rest = rest[1:]
	}
	return rest != "" && strings.Trim(rest, "0123456789") == ""
}

// kindOf decides what a plain scalar is.
func kindOf(text string) NodeKind {
	switch {
	case text == "" || text == "~" || text == "null":
		return Null
	case text == "true" || text == "false":
		return Bool
	case isNumber(text):
		return Number
	}
	return Text
}
