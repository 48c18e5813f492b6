package odata

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Filter is a compiled $filter. The nil Filter holds for every row. It judges
// rows of the type it was checked against, see [Query.CheckRows].
type Filter struct{ root node }

// node is a part of a filter.
type node struct {
	// value gives nil, string, int64, bool or time.Time.
	value func(Row) any
	// kind tells what it gives for rows that are like the entity, or what is
	// wrong with it.
	kind func(shape *Entity) (kind, *Error)
	// text is what messages call it; constant tells that it says the value.
	text     string
	constant bool
}

// describe names the node for messages.
func (n node) describe(k kind) string {
	if n.constant {
		return n.text
	}
	return n.text + " (" + k.String() + ")"
}

// is wants a kind, which null is as well.
func (n node) is(shape *Entity, wanted kind, say func(got string) *Error) *Error {
	k, err := n.kind(shape)
	if err != nil {
		return err
	}
	if k != wanted && k != null {
		return say(n.describe(k))
	}
	return nil
}

// kind is what a value is.
type kind int

const (
	null kind = iota
	text
	whole
	truth
	moment
)

// String is for messages.
func (k kind) String() string {
	return [...]string{"null", "a text", "a number", "true or false", "a point in time"}[k]
}

// kindOf gives the kind of a value of an entity that stands for others: what is
// null there is a text; false: it is nothing that can be compared.
func kindOf(v any) (kind, bool) {
	switch v.(type) {
	case nil, string:
		return text, true
	case int, int64:
		return whole, true
	case bool:
		return truth, true
	case time.Time, Offset:
		return moment, true
	}
	return null, false
}

// kind gives the kind of the property of a path; false: there is none that can
// be compared.
func (e *Entity) kind(path string) (kind, bool) {
	v, ok := e.get(path)
	if !ok {
		return null, false
	}
	return kindOf(v)
}

// maxDepth bounds the nesting of a filter.
const maxDepth = 64

// ParseFilter reads the expressions of OData 2.0 the platform's clients use:
// comparisons with eq ne gt ge lt le, and, or, not, parentheses,
// startswith, endswith, substringof, tolower, toupper, and literals, among
// them datetime'2021-02-01T00:00:00', which must not carry a zone
// (wire/sap.md 6.1).
func ParseFilter(text string) (*Filter, *Error) {
	p := &filterParser{lexer: lexer{text: text}}
	p.advance()
	root, err := p.or()
	if err != nil {
		return nil, err
	}
	if p.token.kind != end {
		return nil, p.unexpected("and, or, or the end")
	}
	return &Filter{root}, nil
}

// holds judges a row.
func (f *Filter) holds(row Row) bool {
	return f == nil || f.root.value(row) == true
}

// check tells what is wrong with the filter for rows that are like the entity.
func (f *Filter) check(shape *Entity) *Error {
	if f == nil {
		return nil
	}
	k, err := f.root.kind(shape)
	if err == nil && k != truth {
		err = Errorf(http.StatusBadRequest, "$filter: want a condition, got %s", f.root.describe(k))
	}
	return err
}

// Named is a name and the value that belongs to it.
type Named struct{ Name, Value string }

// ParseNamed reads an option of the platform's own, in which the names are
// texts too: 'po' eq '123' and 'plant' eq '4711' (wire/sap.md 6.2).
func ParseNamed(option, text string) ([]Named, *Error) {
	l := &lexer{text: text}
	var all []Named
	for {
		name, eq, value := l.next(), l.next(), l.next()
		if name.kind != quoted || eq.kind != word || eq.text != "eq" || value.kind != quoted {
			return nil, Errorf(http.StatusBadRequest, "%s %q: want 'NAME' eq 'VALUE', several joined by and", option, text)
		}
		all = append(all, Named{name.text, value.text})
		switch t := l.next(); {
		case t.kind == end:
			return all, nil
		case t.kind != word || t.text != "and":
			return nil, Errorf(http.StatusBadRequest, "%s %q: at %d: want and, or the end", option, text, t.at+1)
		}
	}
}

type filterParser struct {
	lexer
	token token
	depth int
}

func (p *filterParser) advance() { p.token = p.lexer.next() }

func (p *filterParser) unexpected(want string) *Error {
	got := strconv.Quote(p.token.text)
	switch {
	case p.token.kind == end:
		got = "the end"
	case p.token.kind == wrong:
		return Errorf(http.StatusBadRequest, "$filter: at %d: %s", p.token.at+1, p.token.text)
	}
	return Errorf(http.StatusBadRequest, "$filter: at %d: want %s, got %s", p.token.at+1, want, got)
}

func (p *filterParser) keyword(names ...string) string {
	if p.token.kind != word {
		return ""
	}
	for _, name := range names {
		if p.token.text == name {
			return name
		}
	}
	return ""
}

func (p *filterParser) or() (node, *Error) {
	return p.chain("or", true, p.and)
}

func (p *filterParser) and() (node, *Error) {
	return p.chain("and", false, p.not)
}

// chain reads operands joined by a word; stop is the value that decides.
func (p *filterParser) chain(joint string, stop bool, operand func() (node, *Error)) (node, *Error) {
	first, err := operand()
	if err != nil || p.keyword(joint) == "" {
		return first, err
	}
	all := []node{first}
	for p.keyword(joint) != "" {
		p.advance()
		next, err := operand()
		if err != nil {
			return node{}, err
		}
		all = append(all, next)
	}
	return node{
		text: "a condition with " + joint,
		value: func(row Row) any {
			for _, n := range all {
				if (n.value(row) == true) == stop {
					return stop
				}
			}
			return !stop
		},
		kind: func(shape *Entity) (kind, *Error) {
			for _, n := range all {
				if err := n.is(shape, truth, func(got string) *Error {
					return Errorf(http.StatusBadRequest, "$filter: want a condition beside %s, got %s", joint, got)
				}); err != nil {
					return null, err
				}
			}
			return truth, nil
		},
	}, nil
}

func (p *filterParser) not() (node, *Error) {
	if p.keyword("not") == "" {
		return p.comparison()
	}
	if p.depth++; p.depth > maxDepth {
		return node{}, Errorf(http.StatusBadRequest, "$filter: nested deeper than %d", maxDepth)
	}
	defer func() { p.depth-- }()
	p.advance()
	inner, err := p.not()
	if err != nil {
		return node{}, err
	}
	return node{
		text:  "a condition with not",
		value: func(row Row) any { return inner.value(row) != true },
		kind: func(shape *Entity) (kind, *Error) {
			return truth, inner.is(shape, truth, func(got string) *Error {
				return Errorf(http.StatusBadRequest, "$filter: want a condition behind not, got %s", got)
			})
		},
	}, nil
}

func (p *filterParser) comparison() (node, *Error) {
	left, err := p.operand()
	if err != nil {
		return node{}, err
	}
	if op := p.keyword("add", "sub", "mul", "div", "mod"); op != "" {
		return node{}, Errorf(http.StatusNotImplemented, "Not implemented: the sandbox does not have the operator %s of $filter.", op)
	}
	op := p.keyword("eq", "ne", "gt", "ge", "lt", "le")
	if op == "" {
		return left, nil
	}
	p.advance()
	right, err := p.operand()
	if err != nil {
		return node{}, err
	}
	return node{
		text:  "a comparison",
		value: func(row Row) any { return judge(op, left.value(row), right.value(row)) },
		kind:  func(shape *Entity) (kind, *Error) { return truth, sameKind(shape, left, right) },
	}, nil
}

// sameKind tells why two nodes cannot be compared.
func sameKind(shape *Entity, left, right node) *Error {
	x, err := left.kind(shape)
	if err != nil {
		return err
	}
	y, err := right.kind(shape)
	if err != nil {
		return err
	}
	if x != y && x != null && y != null {
		return Errorf(http.StatusBadRequest, "$filter: cannot compare %s with %s", left.describe(x), right.describe(y))
	}
	return nil
}

// judge compares two values of one kind; a null is equal to null alone and in
// no order with anything.
func judge(op string, x, y any) bool {
	if x == nil || y == nil {
		switch op {
		case "eq":
			return x == y
		case "ne":
			return x != y
		}
		return false
	}
	c, _ := compare(x, y)
	switch op {
	case "eq":
		return c == 0
	case "ne":
		return c != 0
	case "gt":
		return c > 0
	case "ge":
		return c >= 0
	case "lt":
		return c < 0
	}
	return c <= 0
}

// describe names a value for messages.
func describe(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case string:
		return "the text " + strconv.Quote(v)
	case int64:
		return "the number " + strconv.FormatInt(v, 10)
	case bool:
		return strconv.FormatBool(v)
	}
	return "a point in time"
}

func (p *filterParser) operand() (node, *Error) {
	if p.depth++; p.depth > maxDepth {
		return node{}, Errorf(http.StatusBadRequest, "$filter: nested deeper than %d", maxDepth)
	}
	defer func() { p.depth-- }()
	t := p.token
	switch {
	case t.kind == quoted:
		p.advance()
		return constant(t.text), nil
	case t.kind == digits:
		p.advance()
		n, err := strconv.ParseInt(strings.TrimRight(t.text, "Ll"), 10, 64)
		if err != nil {
			return node{}, Errorf(http.StatusBadRequest, "$filter: at %d: want a whole number, got %q", t.at+1, t.text)
		}
		return constant(n), nil
	case t.kind == mark && t.text == "(":
		p.advance()
		inner, err := p.or()
		if err != nil {
			return node{}, err
		}
		if p.token.kind != mark || p.token.text != ")" {
			return node{}, p.unexpected(`")"`)
		}
		p.advance()
		return inner, nil
	case t.kind == word:
		p.advance()
		return p.named(t)
	}
	return node{}, p.unexpected("a property or a value")
}

func constant(v any) node {
	k, _ := kindOf(v)
	if v == nil {
		k = null
	}
	return node{
		value: func(Row) any { return v }, kind: func(*Entity) (kind, *Error) { return k, nil },
		text: describe(v), constant: true,
	}
}

// named reads what begins with a word: a literal, a function or a property.
func (p *filterParser) named(t token) (node, *Error) {
	switch {
	case t.text == "true", t.text == "false":
		return constant(t.text == "true"), nil
	case t.text == "null":
		return constant(nil), nil
	case p.token.kind == quoted && p.token.at == t.at+len(t.text):
		return p.typed(t)
	case p.token.kind == mark && p.token.text == "(":
		return p.call(t)
	}
	return node{
		text:  "the property " + t.text,
		value: func(row Row) any { v, _ := row.Property(t.text); return v },
		kind: func(shape *Entity) (kind, *Error) {
			k, ok := shape.kind(t.text)
			if !ok {
				return null, Errorf(http.StatusBadRequest, "$filter: %s has no property %q", shape.Type, t.text)
			}
			return k, nil
		},
	}, nil
}

// typed reads datetime'…' and guid'…'.
func (p *filterParser) typed(t token) (node, *Error) {
	value := p.token.text
	p.advance()
	switch t.text {
	case "guid":
		return constant(value), nil
	case "datetime":
		for _, layout := range []string{"2006-01-02T15:04:05", "2006-01-02T15:04"} {
			if at, err := time.Parse(layout, value); err == nil {
				return constant(at), nil
			}
		}
		return node{}, Errorf(http.StatusBadRequest, "$filter: datetime'%s': want datetime'2006-01-02T15:04:05', in UTC and without a zone", value)
	}
	if slices.Contains([]string{"datetimeoffset", "time", "binary", "X"}, t.text) {
		return node{}, Errorf(http.StatusNotImplemented, "Not implemented: the sandbox does not have literals of the type %s.", t.text)
	}
	return node{}, Errorf(http.StatusBadRequest, "$filter: unknown type %q of a literal", t.text)
}

func (p *filterParser) call(t token) (node, *Error) {
	var args []node
	for {
		p.advance() // the bracket or the comma
		arg, err := p.or()
		if err != nil {
			return node{}, err
		}
		args = append(args, arg)
		if p.token.kind != mark || p.token.text != "," {
			break
		}
	}
	if p.token.kind != mark || p.token.text != ")" {
		return node{}, p.unexpected(`"," or ")"`)
	}
	p.advance()
	f, ok := functionNamed(t.text)
	switch {
	case !ok && slices.Contains(unbuilt(), t.text):
		return node{}, Errorf(http.StatusNotImplemented, "Not implemented: the sandbox does not have the function %s of $filter.", t.text)
	case !ok:
		return node{}, Errorf(http.StatusBadRequest, "$filter: unknown function %q", t.text)
	case len(args) != f.arity:
		return node{}, Errorf(http.StatusBadRequest, "$filter: %s takes %d arguments, got %d", t.text, f.arity, len(args))
	}
	return node{
		text: t.text + "(…)",
		value: func(row Row) any {
			texts := make([]string, f.arity)
			for i, arg := range args {
				texts[i], _ = arg.value(row).(string)
			}
			return f.apply(texts)
		},
		kind: func(shape *Entity) (kind, *Error) {
			for _, arg := range args {
				if err := arg.is(shape, text, func(got string) *Error {
					return Errorf(http.StatusBadRequest, "$filter: %s wants text, got %s", t.text, got)
				}); err != nil {
					return null, err
				}
			}
			return f.gives, nil
		},
	}, nil
}

// function is one that takes texts.
type function struct {
	apply func([]string) any
	arity int
	gives kind
}

func functionNamed(name string) (function, bool) {
	switch name {
	case "startswith":
		return function{func(a []string) any { return strings.HasPrefix(a[0], a[1]) }, 2, truth}, true
	case "endswith":
		return function{func(a []string) any { return strings.HasSuffix(a[0], a[1]) }, 2, truth}, true
	case "substringof":
		return function{func(a []string) any { return strings.Contains(a[1], a[0]) }, 2, truth}, true
	case "tolower":
		return function{func(a []string) any { return strings.ToLower(a[0]) }, 1, text}, true
	case "toupper":
		return function{func(a []string) any { return strings.ToUpper(a[0]) }, 1, text}, true
	}
	return function{}, false
}

// unbuilt gives the functions of OData 2.0 that the sandbox does not have.
func unbuilt() []string {
	return strings.Fields("length indexof replace substring trim concat day hour minute month second year round floor ceiling isof cast")
}

// tokenKind is what the lexer tells apart.
type tokenKind int

const (
	end    tokenKind = iota
	word             // a name, with "/" inside
	quoted           // a text, without its quotes
	digits           // a number, with its suffix
	mark             // ( ) ,
	wrong            // something else; the text says what
)

type token struct {
	kind tokenKind
	text string
	at   int // byte offset
}

type lexer struct {
	text string
	at   int
}

// peek gives the next byte, 0 at the end.
func (l *lexer) peek() byte {
	if l.at < len(l.text) {
		return l.text[l.at]
	}
	return 0
}

func (l *lexer) next() token {
	for l.peek() == ' ' || l.peek() == '\t' {
		l.at++
	}
	from := l.at
	switch c := l.peek(); {
	case l.at >= len(l.text):
		return token{end, "", from}
	case c == '(' || c == ')' || c == ',':
		l.at++
		return token{mark, string(c), from}
	case c == '\'':
		return l.quote(from)
	case c == '-' || '0' <= c && c <= '9':
		l.at++
		l.while(func(c byte) bool { return '0' <= c && c <= '9' })
		l.while(func(c byte) bool { return c == 'L' || c == 'l' })
		return token{digits, l.text[from:l.at], from}
	case letter(c):
		l.while(func(c byte) bool { return letter(c) || c == '/' || '0' <= c && c <= '9' })
		return token{word, l.text[from:l.at], from}
	default:
		l.at = len(l.text)
		return token{wrong, "cannot read " + strconv.Quote(l.text[from:]), from}
	}
}

func letter(c byte) bool {
	return c == '_' || c == '$' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

func (l *lexer) while(accept func(byte) bool) {
	for l.at < len(l.text) && accept(l.text[l.at]) {
		l.at++
	}
}

// quote reads a text; a quote inside is doubled.
func (l *lexer) quote(from int) token {
	var b strings.Builder
	for l.at++; l.at < len(l.text); l.at++ {
		if l.text[l.at] != '\'' {
			b.WriteByte(l.text[l.at])
			continue
		}
		if l.at+1 == len(l.text) || l.text[l.at+1] != '\'' {
			l.at++
			return token{quoted, b.String(), from}
		}
		b.WriteByte('\'')
		l.at++
	}
	return token{wrong, "the text " + l.text[from:] + " is not closed", from}
}
