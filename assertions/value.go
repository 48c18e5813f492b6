package assertions

import (
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// form is what a found value is. The zero form is absent: null is not absent.
type form uint8

const (
	absent form = iota
	null
	boolean
	number
	text
	list
	object
)

// String gives the word that messages use.
func (f form) String() string {
	switch f {
	case null:
		return "null"
	case boolean:
		return "a boolean"
	case number:
		return "a number"
	case text:
		return "text"
	case list:
		return "a list"
	case object:
		return "an object"
	}
	return "nothing"
}

// value is what a subject holds.
type value struct {
	form form
	// text holds true or false, the digits of a number, the text, or the JSON
	// of a list or object.
	text string
	// whole is a number that is no JSON: a status, a length, nanoseconds,
	// bytes. Then text is empty.
	whole int64
	// others are further texts of a header or cookie that is there several
	// times; an operator that holds for one of them holds.
	others []string
	// domain says how the value is compared and shown.
	domain domain
}

// domain is what kind of subject a value comes from. It decides which
// operators make sense, how operands are read and how values are compared.
type domain int16

const (
	// domainJSON compares by type: "1" is not 1.
	domainJSON domain = 1 << iota
	// domainText is text only; an operand that is a number or boolean is
	// taken as written.
	domainText
	// domainStatus is an HTTP status; 2xx is a class of them.
	domainStatus
	// domainCount is a number of elements or characters.
	domainCount
	// domainDuration is in nanoseconds; operands need a unit.
	domainDuration
	// domainSize is in bytes; operands may have a unit.
	domainSize
	// domainScopes is the list of granted scopes.
	domainScopes
	// domainScope is one of them, compared whole or after its prefix.
	domainScope
)

const (
	domainNumbers = domainStatus | domainCount | domainDuration | domainSize
	domainAll     = domainJSON | domainText | domainNumbers | domainScopes | domainScope
)

// fromJSON reads raw, one valid JSON value without blanks around it. The empty
// string is absent.
func fromJSON(raw string) value {
	if raw == "" {
		return value{domain: domainJSON}
	}
	v := value{domain: domainJSON, text: raw}
	switch raw[0] {
	case '{':
		v.form = object
	case '[':
		v.form = list
	case '"':
		v.form = text
		v.text = unquote(raw)
	case 't', 'f':
		v.form = boolean
	case 'n':
		v.form = null
	default:
		v.form = number
	}
	return v
}

// unquote gives the text of a JSON string. It shares memory with raw when
// nothing in it is escaped.
func unquote(raw string) string {
	if strings.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1]
	}
	s := gjson.Parse(raw).Str
	if strings.Contains(s, "\ufffd") {
		return withHalfPairs(raw)
	}
	return s
}

// withHalfPairs gives the text of a JSON string in which half a pair of UTF-16
// may stand alone, such as \ud800. No UTF-8 means that; it becomes the three
// bytes that would, so that one is not taken for another.
func withHalfPairs(raw string) string {
	var b strings.Builder
	from, end := 1, len(raw)-1
	plain := func(to int) { b.WriteString(gjson.Parse(`"` + raw[from:to] + `"`).Str) }
	for i := 1; i < end; {
		if raw[i] != '\\' {
			i++
			continue
		}
		unit, ok := escapedUnit(raw, i)
		low, pair := escapedUnit(raw, i+6)
		switch {
		case !ok:
			i += 2
		case !utf16.IsSurrogate(unit):
			i += 6
		case pair && utf16.DecodeRune(unit, low) != utf8.RuneError:
			i += 12
		default:
			plain(i)
			b.Write([]byte{0xed, 0x80 | byte(unit>>6&0x3f), 0x80 | byte(unit&0x3f)})
			i += 6
			from = i
		}
	}
	plain(end)
	return b.String()
}

// escapedUnit reads \uXXXX at i.
func escapedUnit(s string, i int) (rune, bool) {
	if i+6 > len(s) || s[i] != '\\' || s[i+1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(s[i+2:i+6], 16, 16)
	return rune(n), err == nil
}

// asText is what the value is in text, for the operators on text; false for a
// list, an object, null and nothing. What XPath computed is text, too.
func (v *value) asText() (string, bool) {
	if v.form == text || (v.domain == domainText && (v.form == number || v.form == boolean)) {
		return v.text, true
	}
	return "", false
}

// captured gives the value for a variable; false for nothing, and for what is
// not a number of JSON.
func (v *value) captured() (any, bool) {
	switch v.form {
	case boolean:
		return v.text == "true", true
	case number:
		_, ok := parseDecimal(v.text)
		return json.Number(v.text), ok
	case text:
		return strings.Clone(v.text), true
	}
	return nil, false
}

// decimal gives the value as a number; false when it is none. A header is
// text, and one that looks like a number is compared as one.
func (v *value) decimal() (decimal, bool) {
	switch {
	case v.form == number && v.domain&domainNumbers != 0:
		return decimalOf(v.whole), true
	case v.form == number, v.form == text && v.domain == domainText:
		return parseDecimal(v.text)
	}
	return decimal{}, false
}

// tree is a value that was written in a file or came out of an expression.
type tree struct {
	form form
	// text holds true or false, the digits of a number as written, the text.
	text string
	// in is what is in a list or object; nil for nothing.
	in *inside
}

type inside struct {
	items []tree
	// members are sorted by name.
	members []member
}

func (t *tree) items() []tree {
	if t.in == nil {
		return nil
	}
	return t.in.items
}

func (t *tree) members() []member {
	if t.in == nil {
		return nil
	}
	return t.in.members
}

type member struct {
	name  string
	value tree
}

// treeOf gives the tree of a node that holds no computed values.
func treeOf(n *Node) tree {
	switch n.Kind {
	case Bool:
		return tree{form: boolean, text: n.Text}
	case Number:
		return tree{form: number, text: n.Text}
	case Text:
		return tree{form: text, text: n.Text}
	case List:
		in := &inside{items: make([]tree, len(n.Items))}
		for i := range n.Items {
			in.items[i] = treeOf(&n.Items[i])
		}
		return tree{form: list, in: in}
	case Map:
		in := &inside{members: make([]member, len(n.Fields))}
		for i := range n.Fields {
			in.members[i] = member{n.Fields[i].Name, treeOf(&n.Fields[i].Value)}
		}
		in.sort()
		return tree{form: object, in: in}
	}
	return tree{form: null}
}

// maxShownDepth bounds how deep a found document is copied to be shown.
const maxShownDepth = 64

// treeOfJSON copies a found value; what is deeper than maxShownDepth is kept
// as text of its own. Of a name that stands twice, the first counts.
func treeOfJSON(raw string, depth int) tree {
	v := fromJSON(raw)
	if (v.form == list || v.form == object) && depth >= maxShownDepth {
		return tree{form: text, text: raw}
	}
	switch v.form {
	case list:
		in := &inside{}
		for e := range elements(raw) {
			in.items = append(in.items, treeOfJSON(e, depth+1))
		}
		return tree{form: list, in: in}
	case object:
		in := &inside{}
		for name, e := range members(raw) {
			in.members = append(in.members, member{name, treeOfJSON(e, depth+1)})
		}
		in.sort()
		return tree{form: object, in: in}
	}
	return tree{form: v.form, text: v.text}
}

// sort sorts the members; of those with one name, the first stays.
func (in *inside) sort() {
	slices.SortStableFunc(in.members, func(a, b member) int { return strings.Compare(a.name, b.name) })
	in.members = slices.CompactFunc(in.members, func(a, b member) bool { return a.name == b.name })
}

// find gives the index of a member, or -1.
func (t *tree) find(name string) int {
	i := sort.Search(len(t.members()), func(i int) bool { return t.members()[i].name >= name })
	if i < len(t.members()) && t.members()[i].name == name {
		return i
	}
	return -1
}

// equal reports whether v has the type and the value of t: numbers by exact
// value, objects in any order of names.
func (t *tree) equal(v *value) bool {
	if t.form != v.form {
		return false
	}
	switch t.form {
	case null:
		return true
	case boolean, text:
		return t.text == v.text
	case number:
		return equalNumbers(t.text, v)
	case list:
		return t.equalList(v.text)
	case object:
		return t.equalObject(v.text)
	}
	return false
}

func equalNumbers(want string, v *value) bool {
	if want == v.text {
		return true
	}
	a, ok := parseDecimal(want)
	if !ok {
		return false
	}
	b, ok := v.decimal()
	return ok && a.compare(&b) == 0
}

func (t *tree) equalList(raw string) bool {
	i := 0
	for e := range elements(raw) {
		if i == len(t.items()) {
			return false
		}
		v := fromJSON(e)
		if !t.items()[i].equal(&v) {
			return false
		}
		i++
	}
	return i == len(t.items())
}

func (t *tree) equalObject(raw string) bool {
	var first seen
	n := 0
	for name, e := range members(raw) {
		i := t.find(name)
		if i < 0 {
			return false
		}
		if first.again(i, len(t.members())) {
			continue
		}
		v := fromJSON(e)
		if !t.members()[i].value.equal(&v) {
			return false
		}
		n++
	}
	return n == len(t.members())
}

// seen remembers small numbers, without memory of its own for those below 64.
type seen struct {
	low  uint64
	high []bool
}

// again reports whether i, below n, was there before.
func (s *seen) again(i, n int) bool {
	if i < 64 {
		before := s.low&(1<<i) != 0
		s.low |= 1 << i
		return before
	}
	if s.high == nil {
		s.high = make([]bool, n)
	}
	before := s.high[i]
	s.high[i] = true
	return before
}

// nodeOf turns the value of an expression back into a node at place.
func nodeOf(v any, place Place) (Node, error) {
	switch v := v.(type) {
	case nil:
		return Node{Kind: Null, Place: place}, nil
	case bool:
		return Node{Kind: Bool, Text: strconv.FormatBool(v), Place: place}, nil
	case string:
		return Node{Kind: Text, Text: v, Place: place}, nil
	case json.Number:
		if _, ok := parseDecimal(string(v)); !ok {
			return Node{}, fmt.Errorf("%q is not a number", string(v))
		}
		return Node{Kind: Number, Text: string(v), Place: place}, nil
	case []any:
		n := Node{Kind: List, Items: make([]Node, len(v)), Place: place}
		for i := range v {
			e, err := nodeOf(v[i], place)
			if err != nil {
				return Node{}, err
			}
			n.Items[i] = e
		}
		return n, nil
	case map[string]any:
		n := Node{Kind: Map, Place: place}
		for _, name := range sortedKeys(v) {
			e, err := nodeOf(v[name], place)
			if err != nil {
				return Node{}, err
			}
			n.Fields = append(n.Fields, Field{Name: name, Place: place, Value: e})
		}
		return n, nil
	}
	return Node{}, fmt.Errorf("the expression gives a value that is neither null, a boolean, a number, text, a list nor an object")
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// isComputed reports whether n holds a computed value anywhere.
func (n *Node) isComputed() bool {
	switch n.Kind {
	case Computed:
		return true
	case List:
		for i := range n.Items {
			if n.Items[i].isComputed() {
				return true
			}
		}
	case Map:
		for i := range n.Fields {
			if n.Fields[i].Value.isComputed() {
				return true
			}
		}
	}
	return false
}

// evaluate gives n with its computed values filled in.
func (n *Node) evaluate(compute Lookup) (Node, error) {
	switch n.Kind {
	case Computed:
		if compute == nil {
			return Node{}, fmt.Errorf("there is nothing to evaluate an expression with")
		}
		v, err := compute(n.Computed)
		if err != nil {
			return Node{}, err
		}
		return nodeOf(v, n.Place)
	case List:
		r := *n
		r.Items = make([]Node, len(n.Items))
		for i := range n.Items {
			e, err := n.Items[i].evaluate(compute)
			if err != nil {
				return Node{}, err
			}
			r.Items[i] = e
		}
		return r, nil
	case Map:
		r := *n
		r.Fields = slices.Clone(n.Fields)
		for i := range r.Fields {
			e, err := n.Fields[i].Value.evaluate(compute)
			if err != nil {
				return Node{}, err
			}
			r.Fields[i].Value = e
		}
		return r, nil
	}
	return *n, nil
}
