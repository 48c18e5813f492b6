package scenarios

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"iflowtest/internal/diag"
)

// Type is what kind of value a key takes.
type Type int

// The types. Where a scalar is wanted, text that holds ${…} is accepted too,
// unless the shape is Constant.
const (
	// Any is every value, null included.
	Any Type = iota
	// TextType is text; a number is taken as it is written.
	TextType
	// NumberType is a number of JSON.
	NumberType
	// IntegerType is a number without fraction and exponent.
	IntegerType
	// BoolType is true or false.
	BoolType
	// DurationType is a number with a unit: 500ms, 2s, 1m30s.
	DurationType
	// SizeType is a number of bytes, or one with a unit: 64KB, 1MiB.
	SizeType
	// ListType is a list of Elem.
	ListType
	// MapType is a mapping from any name to Elem.
	MapType
	// ObjectType is a mapping with the known Keys.
	ObjectType
	// EnumType is one of the words in Enum.
	EnumType
	// MatcherType is a matcher: a plain value or a mapping of operators.
	MatcherType
	// ExpectType is a mapping from subjects to matchers.
	ExpectType
	// CaptureType is a mapping from names to sources.
	CaptureType
	// ExpressionType is an expression without ${ }.
	ExpressionType
	// OneOfType is the first of Alternatives that takes this kind of value.
	OneOfType
)

// Shape says what a value must look like. From shapes files are checked, and
// the JSON Schema and the reference are printed. The zero Shape is anything.
// A Shape is not changed once it is made.
type Shape struct {
	Type Type
	// Keys of an ObjectType.
	Keys []Key
	// Elem of a ListType or MapType; nil: anything.
	Elem *Shape
	// Enum holds the words of an EnumType.
	Enum []string
	// Alternatives of a OneOfType.
	Alternatives []Shape
	// AtLeast is the smallest number of a NumberType or IntegerType; 0: no
	// bound.
	AtLeast float64
	// AllowEmpty lets a list or mapping be written as [] or {}.
	AllowEmpty bool
	// Written refuses a value that is left out where Any would take it for
	// null; null itself can be written.
	Written bool
	// Constant refuses ${…}: the value is needed before anything is computed.
	Constant bool
	// Names wants the keys of a MapType, or the items of a ListType, to be
	// names of variables.
	Names bool
	// Definition names the $defs entry of the JSON Schema that holds this
	// shape; empty: it is written out where it stands.
	Definition string
	// Doc is one sentence for the reference.
	Doc string
}

// Key is one key of an object.
type Key struct {
	Name  string
	Shape Shape
	// Required keys must be there.
	Required bool
	// Doc is one sentence; Default is the value an absent key has, as it is
	// written, empty when there is none.
	Doc, Default string
}

// Check says everything that is wrong with a value. what names it in the
// messages: the name of its key. A nil node has nothing wrong.
func (s Shape) Check(n *Node, what string) diag.List {
	if n == nil {
		return nil
	}
	c := checker{}
	c.check(s, n, what)
	return c.l
}

// Key gives the key of that name, nil when the object has none.
func (s Shape) Key(name string) *Key {
	for i := range s.Keys {
		if s.Keys[i].Name == name {
			return &s.Keys[i]
		}
	}
	return nil
}

// KeyNames gives the names of the keys in order.
func (s Shape) KeyNames() []string {
	names := make([]string, len(s.Keys))
	for i, k := range s.Keys {
		names[i] = k.Name
	}
	return names
}

type checker struct {
	l diag.List
	// kinds are the names of step kinds; reserved the words that cannot name
	// a variable, sorted. Both may be nil.
	kinds, reserved []string
}

func (c *checker) errorf(pos diag.Position, code, format string, args ...any) *checker {
	c.l = append(c.l, diag.Errorf(pos, code, format, args...))
	return c
}

func (c *checker) hint(format string, args ...any) {
	last := &c.l[len(c.l)-1]
	*last = last.WithHint(format, args...)
}

func (c *checker) check(s Shape, n *Node, what string) {
	switch s.Type {
	case Any, MatcherType:
		if s.Written && n.style == absent {
			c.empty(s, n, what)
		}
		return
	case OneOfType:
		c.oneOf(s, n, what)
		return
	case ListType, MapType, ObjectType, ExpectType, CaptureType:
		c.collection(s, n, what)
		return
	}
	if n.IsComputed() && s.Type != ExpressionType {
		if s.Constant {
			c.errorf(n.Pos(), diag.InvalidValue, "%s cannot be computed, got %s", what, describe(n))
			c.hint("write the value itself")
		}
		return
	}
	c.scalar(s, n, what)
}

func (c *checker) scalar(s Shape, n *Node, what string) {
	if n.Kind == Null {
		c.errorf(n.Pos(), diag.WrongType, "%s wants %s, got nothing", what, s.wanted())
		return
	}
	switch s.Type {
	case TextType, ExpressionType:
		c.text(s, n, what)
	case NumberType, IntegerType:
		c.number(s, n, what)
	case BoolType:
		if n.Kind != Bool {
			c.wrongType(s, n, what)
		}
	case DurationType:
		c.duration(s, n, what)
	case SizeType:
		if text, ok := n.Scalar(); !ok || !sizePattern.MatchString(text) {
			c.wrongType(s, n, what)
		}
	case EnumType:
		c.enum(s, n, what)
	}
}

var sizePattern = regexp.MustCompile(`^[0-9]+(\.[0-9]+)? ?(B|[kKMG]B|[KMG]iB)?$`)

func (c *checker) wrongType(s Shape, n *Node, what string) {
	c.errorf(n.Pos(), diag.WrongType, "%s wants %s, got %s", what, s.wanted(), describe(n))
	if text := n.Text; n.Quoted() && s.Type != EnumType && kindOf(text) == map[Type]NodeKind{NumberType: Number, IntegerType: Number, BoolType: Bool}[s.Type] && kindOf(text) != Null {
		c.hint("without quotes it is: %s", text)
	} else if s.Type == BoolType && slices.Contains([]string{"yes", "no", "on", "off", "True", "False", "TRUE", "FALSE"}, text) {
		c.hint("only true and false are booleans")
	}
}

func (c *checker) text(s Shape, n *Node, what string) {
	switch n.Kind {
	case Text, Number:
	case Bool:
		if s.Type == ExpressionType {
			return
		}
		c.wrongType(s, n, what)
		c.hint("quote it to make it text: %q", n.Text)
	default:
		c.wrongType(s, n, what)
		if n.Kind == Map && n.style == flow {
			c.hint("a text that begins with { must be quoted")
		}
	}
}

func (c *checker) number(s Shape, n *Node, what string) {
	if n.Kind != Number {
		c.wrongType(s, n, what)
		return
	}
	if _, whole := n.Int(); s.Type == IntegerType && !whole {
		c.wrongType(s, n, what)
		return
	}
	if f, _ := n.Float(); s.AtLeast != 0 && f < s.AtLeast {
		c.errorf(n.Pos(), diag.InvalidValue, "%s wants at least %s, got %s", what, strconv.FormatFloat(s.AtLeast, 'g', -1, 64), n.Text)
	}
}

func (c *checker) duration(s Shape, n *Node, what string) {
	if n.Kind != Text && n.Kind != Number {
		c.wrongType(s, n, what)
		return
	}
	if _, ok := ParseDuration(n.Text); ok {
		return
	}
	c.errorf(n.Pos(), diag.InvalidDuration, "%s wants a duration with its unit, got %s", what, describe(n))
	switch {
	case n.Kind == Number && !strings.HasPrefix(n.Text, "-"):
		c.hint("for seconds write %ss", n.Text)
	default:
		c.hint("a duration is written like 500ms, 2s, 1m30s or 5m")
	}
}

func (c *checker) enum(s Shape, n *Node, what string) {
	text, ok := n.Scalar()
	if !ok {
		c.wrongType(s, n, what)
		return
	}
	if slices.Contains(s.Enum, text) {
		return
	}
	near := diag.Suggest(text, s.Enum)
	c.errorf(n.Pos(), diag.InvalidValue, "%s wants %s, got %s%s", what, s.wanted(), describe(n), meant(near))
}

// meant is the end of a message that proposes another word.
func meant(near string) string {
	if near == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", near)
}

func (c *checker) oneOf(s Shape, n *Node, what string) {
	for _, a := range s.Alternatives {
		if !a.takes(n) {
			continue
		}
		if a.Type == EnumType && !n.IsComputed() && !slices.Contains(a.Enum, n.Text) {
			c.errorf(n.Pos(), diag.InvalidValue, "%s wants %s, got %s%s", what, s.wanted(), describe(n), meant(diag.Suggest(n.Text, a.Enum)))
			return
		}
		c.check(a, n, what)
		return
	}
	if n.Kind == Null {
		c.empty(s, n, what)
		return
	}
	c.errorf(n.Pos(), diag.WrongType, "%s wants %s, got %s", what, s.wanted(), describe(n))
}

// takes reports whether a value of this kind can be meant by the shape.
func (s Shape) takes(n *Node) bool {
	switch s.Type {
	case Any, MatcherType:
		return true
	case ListType:
		return n.Kind == List
	case MapType, ObjectType, ExpectType, CaptureType:
		return n.Kind == Map
	case NumberType, IntegerType:
		return n.Kind == Number || n.IsComputed()
	case BoolType:
		return n.Kind == Bool || n.IsComputed()
	case TextType, ExpressionType, SizeType, DurationType:
		return n.Kind == Text || n.Kind == Number
	case EnumType:
		return n.Kind == Text || slices.Contains(s.Enum, n.Text)
	case OneOfType:
		return slices.ContainsFunc(s.Alternatives, func(a Shape) bool { return a.takes(n) })
	}
	return false
}

// wanted names what the shape takes, as messages say it.
func (s Shape) wanted() string {
	switch s.Type {
	case TextType:
		return "text"
	case NumberType:
		return "a number"
	case IntegerType:
		return "a whole number"
	case BoolType:
		return "true or false"
	case DurationType:
		return "a duration such as 2s"
	case SizeType:
		return "a size such as 64KB"
	case ListType:
		return "a list"
	case MapType, ObjectType, ExpectType, CaptureType:
		return "a mapping"
	case EnumType:
		return enumerate(s.Enum)
	case ExpressionType:
		return "an expression"
	case OneOfType:
		var words []string
		for _, a := range s.Alternatives {
			if w := a.wanted(); !slices.Contains(words, w) {
				words = append(words, w)
			}
		}
		return enumerate(words)
	}
	return "a value"
}

func (c *checker) collection(s Shape, n *Node, what string) {
	kind := Map
	if s.Type == ListType {
		kind = List
	}
	switch {
	case n.Kind == Null:
		c.empty(s, n, what)
		return
	case n.IsComputed() && !s.Constant && s.Type != ExpectType && s.Type != CaptureType && s.Type != ObjectType:
		return
	case n.Kind != kind:
		c.errorf(n.Pos(), diag.WrongType, "%s wants %s, got %s", what, s.wanted(), describe(n))
		if s.Type == ListType && n.Kind == Text {
			c.hint("write [%s]", shorten(n.Text))
		}
		return
	case len(n.Items())+len(n.Entries()) == 0 && !s.AllowEmpty && !(s.Type == ObjectType && !slices.ContainsFunc(s.Keys, func(k Key) bool { return k.Required })):
		c.empty(s, n, what)
		return
	}
	switch s.Type {
	case ListType:
		for i, item := range n.Items() {
			c.item(s, item, fmt.Sprintf("item %d of %s", i+1, what))
		}
	case MapType:
		for _, e := range n.Entries() {
			if s.Names {
				c.checkName(e.Key)
			}
			if s.Elem != nil {
				c.check(*s.Elem, e.Value, fmt.Sprintf("%s in %s", shorten(e.Key.Text), what))
			}
		}
	case ObjectType:
		c.object(s, n, what)
	}
}

func (c *checker) item(s Shape, item *Node, what string) {
	if s.Elem == nil {
		return
	}
	before := len(c.l)
	c.check(*s.Elem, item, what)
	if s.Names && len(c.l) == before {
		c.checkName(item)
	}
}

// empty reports a block that has nothing in it.
func (c *checker) empty(s Shape, n *Node, what string) {
	c.errorf(n.Pos(), diag.EmptyBlock, "%s is empty", what)
	if line, text, ok := n.commentBelow(); ok {
		c.hint("line %d begins with # and is a YAML comment; a path that begins with # must be quoted: %q", line, text)
		return
	}
	switch s.Type {
	case ExpectType, CaptureType, MapType, Any, MatcherType:
		c.hint("leave it out, or give it content; what begins with # is a YAML comment unless it is quoted: \"#.sku\"")
	default:
		c.hint("leave it out, or give it content")
	}
}

// commentBelow finds a comment that stands where the content of an empty
// block would, and gives what looks like a key in it.
func (n *Node) commentBelow() (line int, key string, ok bool) {
	if n.src == nil {
		return 0, "", false
	}
	for i := n.Pos().Line; i < min(len(n.src.lines), n.Pos().Line+50); i++ {
		rest := strings.TrimSpace(n.src.lines[i])
		if rest == "" {
			continue
		}
		if rest[0] != '#' {
			return 0, "", false
		}
		if key, _, found := strings.Cut(rest, ": "); found && len(key) > 1 && key[1] != ' ' && key[1] != '#' {
			return i + 1, key, true
		}
	}
	return 0, "", false
}

func (c *checker) object(s Shape, n *Node, what string) {
	missing := map[string]bool{}
	for _, k := range s.Keys {
		if k.Required && n.Get(k.Name) == nil {
			missing[k.Name] = true
		}
	}
	names := s.KeyNames()
	for _, e := range n.Entries() {
		if k := s.Key(e.Key.Text); k != nil {
			c.check(k.Shape, e.Value, k.Name)
			continue
		}
		near := suggestKey(e.Key.Text, names)
		delete(missing, near)
		c.unknownKey(e.Key, what, near, names)
	}
	for _, k := range s.Keys {
		if missing[k.Name] {
			c.errorf(n.Pos(), diag.MissingKey, "%s has no %q", what, k.Name)
			c.hint("%s", k.Doc)
		}
	}
}

func (c *checker) unknownKey(key *Node, what, near string, names []string) {
	c.errorf(key.Pos(), diag.UnknownKey, "unknown key %q in %s%s", shorten(key.Text), what, meant(near))
	switch {
	case near != "":
	case slices.Contains(c.kinds, key.Text):
		c.hint("%s is a kind of step: put it into the list steps", key.Text)
	case len(names) > 0:
		c.hint("known here: %s", strings.Join(names, ", "))
	}
}

// suggestKey finds the key that was meant: by edit distance, or one that is
// written with other separators (clientSecret, client_secret).
func suggestKey(name string, known []string) string {
	if len(name) > 100 {
		return ""
	}
	if near := diag.Suggest(name, known); near != "" {
		return near
	}
	flat := flatten(name)
	for _, k := range known {
		if flatten(k) == flat {
			return k
		}
	}
	return ""
}

// flatten gives a name in lower case without separators.
func flatten(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '-' || r == '_' || r == ' ' {
			return -1
		}
		return unicode.ToLower(r)
	}, s)
}
