package odata

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Filter is a compiled $filter. The nil Filter holds for every row.
type Filter struct{ root node }

// node is a part of a filter: it gives nil, string, int64, bool or time.Time.
type node func(Row) (any, *Error)

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

func (f *Filter) holds(row Row) (bool, *Error) {
	if f == nil {
		return true, nil
	}
	v, err := f.root(row)
	if err != nil {
		return false, err
	}
	b, ok := v.(bool)
	if !ok {
		return false, Errorf(http.StatusBadRequest, "$filter: want a condition, got %s", describe(v))
	}
	return b, nil
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
			return nil, err
		}
		all = append(all, next)
	}
	return func(row Row) (any, *Error) {
		for _, n := range all {
			v, err := n(row)
			if err != nil {
				return nil, err
			}
			b, ok := v.(bool)
			if !ok {
				return nil, Errorf(http.StatusBadRequest, "$filter: want a condition beside %s, got %s", joint, describe(v))
			}
			if b == stop {
				return stop, nil
			}
		}
		return !stop, nil
	}, nil
}

func (p *filterParser) not() (node, *Error) {
	if p.keyword("not") == "" {
		return p.comparison()
	}
	if p.depth++; p.depth > maxDepth {
		return nil, Errorf(http.StatusBadRequest, "$filter: nested deeper than %d", maxDepth)
	}
	defer func() { p.depth-- }()
	p.advance()
	inner, err := p.not()
	if err != nil {
		return nil, err
	}
	return func(row Row) (any, *Error) {
		v, err := inner(row)
		if err != nil {
			return nil, err
		}
		b, ok := v.(bool)
		if !ok {
			return nil, Errorf(http.StatusBadRequest, "$filter: want a condition behind not, got %s", describe(v))
		}
		return !b, nil
	}, nil
}

func (p *filterParser) comparison() (node, *Error) {
	left, err := p.operand()
	if err != nil {
		return nil, err
	}
	op := p.keyword("eq", "ne", "gt", "ge", "lt", "le")
	if op == "" {
		return left, nil
	}
	p.advance()
	right, err := p.operand()
	if err != nil {
		return nil, err
	}
	return func(row Row) (any, *Error) {
		x, err := left(row)
		if err != nil {
			return nil, err
		}
		y, err := right(row)
		if err != nil {
			return nil, err
		}
		return judge(op, x, y)
	}, nil
}

// judge compares; a null is equal to null alone and in no order with anything.
func judge(op string, x, y any) (any, *Error) {
	if x == nil || y == nil {
		switch op {
		case "eq":
			return x == y, nil
		case "ne":
			return x != y, nil
		}
		return false, nil
	}
	c, ok := compare(x, y)
	if !ok {
		return nil, Errorf(http.StatusBadRequest, "$filter: cannot compare %s with %s", describe(x), describe(y))
	}
	switch op {
	case "eq":
		return c == 0, nil
	case "ne":
		return c != 0, nil
	case "gt":
		return c > 0, nil
	case "ge":
		return c >= 0, nil
	case "lt":
		return c < 0, nil
	}
	return c <= 0, nil
}

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
		return nil, Errorf(http.StatusBadRequest, "$filter: nested deeper than %d", maxDepth)
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
			return nil, Errorf(http.StatusBadRequest, "$filter: at %d: want a whole number, got %q", t.at+1, t.text)
		}
		return constant(n), nil
	case t.kind == mark && t.text == "(":
		p.advance()
		inner, err := p.or()
		if err != nil {
			return nil, err
		}
		if p.token.kind != mark || p.token.text != ")" {
			return nil, p.unexpected(`")"`)
		}
		p.advance()
		return inner, nil
	case t.kind == word:
		p.advance()
		return p.named(t)
	}
	return nil, p.unexpected("a property or a value")
}

func constant(v any) node { return func(Row) (any, *Error) { return v, nil } }

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
	return func(row Row) (any, *Error) {
		v, ok := row.Property(t.text)
		if !ok {
			return nil, Errorf(http.StatusBadRequest, "$filter: %s has no property %q", row.EntityType(), t.text)
		}
		return v, nil
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
		return nil, Errorf(http.StatusBadRequest, "$filter: datetime'%s': want datetime'2006-01-02T15:04:05', in UTC and without a zone", value)
	}
	return nil, Errorf(http.StatusBadRequest, "$filter: unknown type %q of a literal", t.text)
}

func (p *filterParser) call(t token) (node, *Error) {
	var args []node
	for {
		p.advance() // the bracket or the comma
		arg, err := p.or()
		if err != nil {
			return nil, err
		}
		args = append(args, arg)
		if p.token.kind != mark || p.token.text != "," {
			break
		}
	}
	if p.token.kind != mark || p.token.text != ")" {
		return nil, p.unexpected(`"," or ")"`)
	}
	p.advance()
	apply, arity := function(t.text)
	if apply == nil {
		return nil, Errorf(http.StatusBadRequest, "$filter: unknown function %q", t.text)
	}
	if len(args) != arity {
		return nil, Errorf(http.StatusBadRequest, "$filter: %s takes %d arguments, got %d", t.text, arity, len(args))
	}
	return func(row Row) (any, *Error) {
		texts := make([]string, arity)
		for i, arg := range args {
			v, err := arg(row)
			if err != nil {
				return nil, err
			}
			s, ok := v.(string)
			if v != nil && !ok {
				return nil, Errorf(http.StatusBadRequest, "$filter: %s wants text, got %s", t.text, describe(v))
			}
			texts[i] = s
		}
		return apply(texts), nil
	}, nil
}

func function(name string) (apply func([]string) any, arity int) {
	switch name {
	case "startswith":
		return func(a []string) any { return strings.HasPrefix(a[0], a[1]) }, 2
	case "endswith":
		return func(a []string) any { return strings.HasSuffix(a[0], a[1]) }, 2
	case "substringof":
		return func(a []string) any { return strings.Contains(a[1], a[0]) }, 2
	case "tolower":
		return func(a []string) any { return strings.ToLower(a[0]) }, 1
	case "toupper":
		return func(a []string) any { return strings.ToUpper(a[0]) }, 1
	}
	return nil, 0
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
