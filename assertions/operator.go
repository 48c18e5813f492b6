package assertions

import (
	"errors"
	"fmt"
	"iter"
	"math/big"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode/utf8"
)

// OperatorDoc says what an operator of a matcher does.
type OperatorDoc struct {
	// Name is the key in the mapping.
	Name string
	// Operand says what stands behind it.
	Operand string
	// Doc is a sentence or two.
	Doc string
	// Example is an entry of expect.json.
	Example string
}

// Operators gives the operators of a matcher in the order of the reference.
func Operators() []OperatorDoc {
	rows := operators()
	docs := make([]OperatorDoc, len(rows))
	for i, r := range rows {
		docs[i] = OperatorDoc{r.name, r.operand, r.doc, r.example}
	}
	return docs
}

// operator is a row of the language: what the compiler, the reference and the
// JSON Schema know of it.
type operator struct {
	name, operand, doc, example string
	// schema is the JSON Schema of the operand.
	schema func() map[string]any
	// on are the domains it makes sense for.
	on domain
	// nested is the domain of a matcher within, 0 when there is none.
	nested domain
	// absence says that holds is asked also for what is absent.
	absence bool
	// all says that holds is asked once for a header that is there several
	// times, with all of its values.
	all bool
	// compile reads the operand, which holds no computed values unless the
	// operator is nested.
	compile func(c *compiler, t *test, n *Node, what string)
	holds   func(t *test, v *value) bool
	// phrase is the operand in words: want …
	phrase func(t *test, d *display) string
}

// sameDomain is the domain within not, which is that of not itself.
const sameDomain domain = -1

// operators gives the rows. A function, since rows refer to the compiler and
// the compiler to rows.
func operators() []operator {
	return []operator{
		{
			name: "equals", operand: "a value", on: domainAll,
			doc:     "The value, by type: \"1\" is not 1. Numbers compare by exact value (10.10 is 10.1), lists in order, objects in any order of names. What a plain value means.",
			example: "order: {equals: {id: 4711}}",
			schema:  anySchema, compile: compileEquals, holds: holdsEquals, phrase: phraseEquals,
		},
		{
			name: "not", operand: "a value or a matcher", on: domainAll, nested: sameDomain, absence: true, all: true,
			doc:     "The matcher within does not hold. A value that is absent fails it, unless the matcher within is about exists.",
			example: "status: {not: failed}",
			schema:  matcherReference, compile: compileNested, holds: holdsNot, phrase: phraseNot,
		},
		comparison("gt", "more than ", "Greater than.", "total: {gt: 0}", func(sign int) bool { return sign > 0 }),
		comparison("gte", "at least ", "Greater than or equal to.", "total: {gte: 10.5}", func(sign int) bool { return sign >= 0 }),
		comparison("lt", "less than ", "Less than.", "total: {lt: 100}", func(sign int) bool { return sign < 0 }),
		comparison("lte", "at most ", "Less than or equal to.", "total: {lte: 99.99}", func(sign int) bool { return sign <= 0 }),
		{
			name: "between", operand: "[low, high]", on: domainJSON | domainText | domainNumbers,
			doc:     "At least the first and at most the second number.",
			example: "total: {between: [1, 100]}",
			schema:  pairSchema, compile: compileBetween, holds: holdsBetween, phrase: phraseBetween,
		},
		{
			name: "one-of", operand: "a list of values", on: domainAll,
			doc:     "Equals one of the values.",
			example: "state: {one-of: [new, open]}",
			schema:  someSchema, compile: compileOneOf, holds: holdsOneOf, phrase: phraseOneOf,
		},
		{
			name: "contains", operand: "text, or an element", on: domainJSON | domainText | domainScopes | domainScope,
			doc:     "Text: has the operand as a part of it. A list: has an element that equals it.",
			example: "tags: {contains: urgent}",
			schema:  anySchema, compile: compileElement, holds: holdsContains, phrase: phraseContains,
		},
		{
			name: "not-contains", operand: "text, or an element", on: domainJSON | domainText | domainScopes | domainScope, all: true,
			doc:     "Text or a list in which the operand is not.",
			example: "message: {not-contains: Exception}",
			schema:  anySchema, compile: compileElement, holds: holdsNotContains, phrase: phraseNotContains,
		},
		{
			name: "starts-with", operand: "text", on: domainJSON | domainText | domainScope,
			doc:     "Text that begins with the operand.",
			example: "id: {starts-with: ORD-}",
			schema:  scalarSchema, compile: compileText, holds: holdsStartsWith,
			phrase: func(t *test, d *display) string { return "text starting with " + d.quote(t.word) },
		},
		{
			name: "ends-with", operand: "text", on: domainJSON | domainText | domainScope,
			doc:     "Text that ends with the operand.",
			example: "file: {ends-with: .xml}",
			schema:  scalarSchema, compile: compileText, holds: holdsEndsWith,
			phrase: func(t *test, d *display) string { return "text ending with " + d.quote(t.word) },
		},
		{
			name: "matches", operand: "a regular expression", on: domainJSON | domainText | domainScope,
			doc:     "Text in which the regular expression (RE2) is found; ^ and $ bind it to the ends.",
			example: "id: {matches: '^[A-Z]{3}-\\d+$'}",
			schema:  scalarSchema, compile: compileMatches, holds: holdsMatches,
			phrase: func(t *test, d *display) string { return "text matching " + d.quote(t.word) },
		},
		{
			name: "exists", operand: "true or false", on: domainAll, absence: true, all: true,
			doc:     "Whether it is there at all. null is there.",
			example: "error: {exists: false}",
			schema:  booleanSchema, compile: compileYes, holds: holdsExists, phrase: phraseExists,
		},
		{
			name: "empty", operand: "true or false", on: domainJSON | domainText | domainScopes,
			doc:     "Text, a list or an object that has, or has not, anything in it. null and numbers are neither.",
			example: "errors: {empty: true}",
			schema:  booleanSchema, compile: compileYes, holds: holdsEmpty, phrase: phraseEmpty,
		},
		{
			name: "type", operand: strings.Join(typeNames(), ", "), on: domainJSON | domainText | domainScopes,
			doc:     "The JSON type; integer is a number without a fraction, 10.0 too.",
			example: "id: {type: integer}",
			schema:  typeSchema, compile: compileType, holds: holdsType,
			phrase: func(t *test, d *display) string { return "a value of type " + d.hidden(t.word) },
		},
		{
			name: "length", operand: "a number or a matcher", on: domainJSON | domainText | domainScopes | domainScope, nested: domainCount,
			doc:     "The number of characters of text, elements of a list, names of an object.",
			example: "lines: {length: {gte: 1}}",
			schema:  matcherReference, compile: compileNested, holds: holdsLength,
			phrase: func(t *test, d *display) string { return "a length of " + t.sub.phrase(d) },
		},
		{
			name: "includes", operand: "an object or a list", on: domainJSON | domainScopes,
			doc:     "Every name and element of the operand is there, deep and in any order; each element has a match of its own.",
			example: "order: {includes: {lines: [{sku: A-100}]}}",
			schema:  containerSchema, compile: compileIncludes, holds: holdsIncludes, phrase: phraseIncludes,
		},
		{
			name: "each", operand: "a value or a matcher", on: domainJSON | domainScopes, nested: domainJSON,
			doc:     "Every element of the list matches; an empty list has none that does not.",
			example: "lines.#.qty: {each: {gt: 0}}",
			schema:  matcherReference, compile: compileNested, holds: holdsEach,
			phrase: func(t *test, d *display) string { return "each element to be " + t.sub.phrase(d) },
		},
		{
			name: "any", operand: "a value or a matcher", on: domainJSON | domainScopes, nested: domainJSON,
			doc:     "At least one element of the list matches.",
			example: "lines: {any: {includes: {sku: A-100}}}",
			schema:  matcherReference, compile: compileNested, holds: holdsAny,
			phrase: func(t *test, d *display) string { return "an element that is " + t.sub.phrase(d) },
		},
		{
			name: "none", operand: "a value or a matcher", on: domainJSON | domainScopes, nested: domainJSON,
			doc:     "No element of the list matches.",
			example: "lines.#.state: {none: failed}",
			schema:  matcherReference, compile: compileNested, holds: holdsNone,
			phrase: func(t *test, d *display) string { return "no element that is " + t.sub.phrase(d) },
		},
		{
			name: "approx", operand: "{value, delta}", on: domainJSON | domainText | domainNumbers,
			doc:     "At most delta away from value.",
			example: "rate: {approx: {value: 1.08, delta: 0.01}}",
			schema:  approxSchema, compile: compileApprox, holds: holdsBetween, phrase: phraseApprox,
		},
		moment("before", "Earlier than: RFC 3339 (in UTC without a zone), or SAP's /Date(ms)/.", "created: {before: 2030-01-01T00:00:00Z}",
			func(sign int) bool { return sign < 0 }),
		moment("after", "Later than: RFC 3339 (in UTC without a zone), or SAP's /Date(ms)/.", "created: {after: 2020-01-01T00:00:00Z}",
			func(sign int) bool { return sign > 0 }),
	}
}

func compileEquals(c *compiler, t *test, n *Node, what string) {
	o, ok := c.operand(n, t.domain, what)
	if !ok {
		return
	}
	t.want, t.wants = o.want, []operand{o}
}

// operand reads a value that something is compared with.
func (c *compiler) operand(n *Node, d domain, what string) (operand, bool) {
	switch d {
	case domainJSON:
		return operand{want: treeOf(n)}, true
	case domainText, domainScope:
		if s, ok := scalarText(n); ok {
			return operand{want: tree{form: text, text: s}}, true
		}
		hint := "one of several texts is written one-of: […]"
		if n.Kind == Null {
			hint = "what must not be there is written exists: false"
		}
		c.problem(n.Place, "invalid-matcher", fmt.Sprintf("%s: want text, found %s", what, c.show.node(n)), hint)
		return operand{}, false
	case domainScopes:
		if n.Kind == List {
			return operand{want: treeOf(n)}, true
		}
		c.problem(n.Place, "invalid-matcher", fmt.Sprintf("%s: want a list of scopes, found %s", what, c.show.node(n)))
		return operand{}, false
	case domainStatus:
		return c.statusOperand(n, what)
	}
	num, ok := c.number(n, d, what)
	return operand{want: tree{form: number, text: n.Text}, num: boundOf(num)}, ok
}

// scalarText is a scalar as text: what takes text takes a number as written.
func scalarText(n *Node) (string, bool) {
	switch n.Kind {
	case Text, Number, Bool:
		return n.Text, true
	}
	return "", false
}

func (c *compiler) statusOperand(n *Node, what string) (operand, bool) {
	s := n.Text
	if (n.Kind == Text || n.Kind == Number) && len(s) == 3 && s[0] >= '1' && s[0] <= '5' {
		if strings.EqualFold(s[1:], "xx") {
			return operand{want: tree{form: text, text: s[:1] + "xx"}, num: &bound{}, class: int8(s[0] - '0')}, true
		}
		if d, ok := parseDecimal(s); ok && d.isInteger() {
			return operand{want: tree{form: number, text: s}, num: boundOf(d)}, true
		}
	}
	c.problem(n.Place, "invalid-matcher",
		fmt.Sprintf("%s: want a number from 100 to 599, or a class such as 2xx, found %s", what, c.show.node(n)))
	return operand{}, false
}

// number reads an operand that something is counted or ordered by.
func (c *compiler) number(n *Node, d domain, what string) (decimal, bool) {
	switch d {
	case domainDuration:
		return c.duration(n, what)
	case domainSize:
		return c.size(n, what)
	}
	if n.Kind == Number || (n.Kind == Text && d == domainStatus) {
		if num, ok := parseDecimal(n.Text); ok {
			return num, true
		}
	}
	c.problem(n.Place, "invalid-matcher", fmt.Sprintf("%s: want a number, found %s", what, c.show.node(n)), orderHint(n)...)
	return decimal{}, false
}

// orderHint says what to do about a number that is none.
func orderHint(n *Node) []string {
	if n.Kind != Text {
		return nil
	}
	if _, ok := parseMoment(n.Text, false); ok {
		return []string{"points in time are compared with before and after"}
	}
	if _, ok := parseDecimal(n.Text); ok {
		return []string{"a number is written without quotes"}
	}
	return nil
}

func (c *compiler) duration(n *Node, what string) (decimal, bool) {
	s, ok := scalarText(n)
	if !ok {
		c.problem(n.Place, "invalid-duration", fmt.Sprintf("%s: want a duration such as 500ms, 2s or 5m, found %s", what, c.show.node(n)))
		return decimal{}, false
	}
	d, err := parseDuration(s, c.show)
	if err != nil {
		c.problem(n.Place, "invalid-duration", what+": "+err.Error())
		return decimal{}, false
	}
	return decimalOf(int64(d)), true
}

func (c *compiler) size(n *Node, what string) (decimal, bool) {
	s, ok := scalarText(n)
	if !ok || n.Kind == Bool {
		c.problem(n.Place, "invalid-matcher", fmt.Sprintf("%s: want a number of bytes or a size such as 64KB, found %s", what, c.show.node(n)))
		return decimal{}, false
	}
	d, err := parseSize(s, c.show)
	if err != nil {
		c.problem(n.Place, "invalid-matcher", what+": "+err.Error())
		return decimal{}, false
	}
	return d, true
}

func holdsEquals(t *test, v *value) bool { return t.wants[0].equal(t.domain, v) }

func (o *operand) equal(d domain, v *value) bool {
	switch d {
	case domainText:
		if v.form == number {
			return equalNumbers(o.want.text, v)
		}
		return (v.form == text || v.form == boolean) && v.text == o.want.text
	case domainScope:
		return v.form == text && grants(v.text, o.want.text)
	case domainJSON, domainScopes:
		return o.want.equal(v)
	}
	if o.class > 0 {
		return v.whole/100 == int64(o.class)
	}
	return o.num.fits && o.num.n == v.whole
}

var applicationName = regexp.MustCompile(`^[^\s]+![A-Za-z]\d+$`)

// grants reports whether a granted scope is the one wanted: whole, or after
// the "xsappname!t123." that stands in front of it.
func grants(granted, want string) bool {
	if granted == want {
		return want != ""
	}
	prefix, ok := strings.CutSuffix(granted, "."+want)
	return ok && applicationName.MatchString(prefix)
}

func phraseEquals(t *test, d *display) string { return d.tree(&t.want, t.domain) }

func compileNested(c *compiler, t *test, n *Node, what string) {
	d := t.op.nested
	switch {
	case d == sameDomain:
		d = t.domain
	case t.domain == domainScopes && d == domainJSON:
		d = domainScope
	}
	if t.op.nested == domainCount {
		what = "length of " + what
	}
	m := c.matcher(n, t.place, d, what)
	t.sub = &m
}

func holdsNot(t *test, v *value) bool {
	if v.form == absent && !t.sub.aboutAbsence() {
		return false
	}
	return t.sub.failing(v) != nil
}

// aboutAbsence reports whether m says something of what is absent.
func (m *matcher) aboutAbsence() bool {
	for i := range m.tests {
		t := &m.tests[i]
		if !t.op.absence || (t.sub != nil && !t.sub.aboutAbsence()) {
			return false
		}
	}
	return true
}

func phraseNot(t *test, d *display) string { return "not " + t.sub.phrase(d) }

// phrase is what a matcher wants, in words.
func (m *matcher) phrase(d *display) string {
	words := make([]string, len(m.tests))
	for i := range m.tests {
		words[i] = m.tests[i].op.phrase(&m.tests[i], d)
	}
	return cut(strings.Join(words, " and "), maxShown)
}

func comparison(name, words, doc, example string, ok func(sign int) bool) operator {
	return operator{
		name: name, operand: "a number; a duration or a size where the subject is one", on: domainJSON | domainText | domainNumbers,
		doc: doc, example: example, schema: scalarSchema,
		compile: func(c *compiler, t *test, n *Node, what string) {
			d, _ := c.number(n, t.domain, what)
			t.limits = &limits{low: *boundOf(d)}
			t.want = tree{form: number, text: n.Text}
		},
		holds: func(t *test, v *value) bool {
			sign, is := v.compare(&t.limits.low)
			return is && ok(sign)
		},
		phrase: func(t *test, d *display) string { return words + d.hidden(t.want.text) },
	}
}

func compileBetween(c *compiler, t *test, n *Node, what string) {
	if n.Kind != List || len(n.Items) != 2 {
		c.problem(n.Place, "invalid-matcher", fmt.Sprintf("%s: between wants a list of two, [low, high], found %s", what, c.show.node(n)))
		return
	}
	low, ok := c.number(&n.Items[0], t.domain, what)
	high, ok2 := c.number(&n.Items[1], t.domain, what)
	t.limits = &limits{*boundOf(low), *boundOf(high)}
	t.word = n.Items[0].Text + " and " + n.Items[1].Text
	if ok && ok2 && low.compare(&high) > 0 {
		c.problem(n.Place, "invalid-matcher", fmt.Sprintf("%s: between has %s before %s, and nothing is between them",
			what, n.Items[0].Text, n.Items[1].Text))
	}
}

func holdsBetween(t *test, v *value) bool {
	low, ok := v.compare(&t.limits.low)
	high, _ := v.compare(&t.limits.high)
	return ok && low >= 0 && high <= 0
}

func phraseBetween(t *test, d *display) string { return "a value between " + d.hidden(t.word) }

func compileApprox(c *compiler, t *test, n *Node, what string) {
	var at, delta *Node
	if n.Kind == Map {
		for i := range n.Fields {
			switch f := &n.Fields[i]; f.Name {
			case "value":
				at = &f.Value
			case "delta":
				delta = &f.Value
			default:
				c.problem(f.Place, "invalid-matcher", fmt.Sprintf("%s: unknown key %s in approx%s", what, c.show.quote(f.Name), didYouMean(f.Name, []string{"value", "delta"})))
				return
			}
		}
	}
	if at == nil || delta == nil {
		c.problem(n.Place, "invalid-matcher", fmt.Sprintf("%s: approx wants {value: NUMBER, delta: NUMBER}, found %s", what, c.show.node(n)))
		return
	}
	a, ok := c.number(at, t.domain, what)
	d, ok2 := c.number(delta, t.domain, what)
	if !ok || !ok2 {
		return
	}
	if d.neg {
		c.problem(delta.Place, "invalid-matcher", fmt.Sprintf("%s: approx wants a delta that is not negative, found %s", what, delta.Text))
		return
	}
	t.word = at.Text + " ± " + delta.Text
	low, high, ok := around(&a, &d)
	t.limits = &limits{*boundOf(low), *boundOf(high)}
	if !ok {
		c.problem(n.Place, "invalid-matcher", fmt.Sprintf("%s: approx wants numbers of at most %d digits, found %s", what, maxOperandDigits, t.word))
	}
}

// around gives the two ends of at ± delta.
func around(at, delta *decimal) (low, high decimal, ok bool) {
	a, ok := at.rational()
	if !ok {
		return low, high, false
	}
	d, ok := delta.rational()
	if !ok {
		return low, high, false
	}
	low, ok = decimalFromRat(new(big.Rat).Sub(a, d))
	if !ok {
		return low, high, false
	}
	high, ok = decimalFromRat(new(big.Rat).Add(a, d))
	return low, high, ok
}

func phraseApprox(t *test, d *display) string { return d.hidden(t.word) }

func compileOneOf(c *compiler, t *test, n *Node, what string) {
	if n.Kind != List || len(n.Items) == 0 {
		c.problem(n.Place, "invalid-matcher", fmt.Sprintf("%s: one-of wants a list of values, found %s", what, c.show.node(n)))
		return
	}
	for i := range n.Items {
		if o, ok := c.operand(&n.Items[i], t.domain, what); ok {
			t.wants = append(t.wants, o)
		}
	}
}

func holdsOneOf(t *test, v *value) bool {
	for i := range t.wants {
		if t.wants[i].equal(t.domain, v) {
			return true
		}
	}
	return false
}

func phraseOneOf(t *test, d *display) string {
	words := make([]string, len(t.wants))
	for i := range t.wants {
		words[i] = d.tree(&t.wants[i].want, t.domain)
	}
	return cut("one of "+strings.Join(words, ", "), maxShown)
}

func compileElement(c *compiler, t *test, n *Node, what string) {
	if t.domain == domainJSON {
		t.want = treeOf(n)
		return
	}
	compileText(c, t, n, what)
	t.want = tree{form: text, text: t.word}
}

func holdsContains(t *test, v *value) bool {
	yes, _ := t.contained(v)
	return yes
}

func holdsNotContains(t *test, v *value) bool {
	if yes, can := t.contained(v); yes || !can {
		return false
	}
	for _, s := range v.others {
		if strings.Contains(s, t.want.text) {
			return false
		}
	}
	return true
}

// contained reports whether the operand is in v, and whether v is something
// that can contain it.
func (t *test) contained(v *value) (yes, can bool) {
	switch v.form {
	case text:
		if t.want.form == list || t.want.form == object || t.want.form == null {
			return false, false
		}
		return strings.Contains(v.text, t.want.text), true
	case list:
		for e := range elements(v.text) {
			el := fromJSON(e)
			if v.domain == domainScopes && t.want.form == text && el.form == text && grants(el.text, t.want.text) {
				return true, true
			}
			if t.want.equal(&el) {
				return true, true
			}
		}
		return false, true
	}
	return false, false
}

func phraseContains(t *test, d *display) string {
	where := "something"
	switch {
	case t.domain&(domainText|domainScope) != 0:
		where = "text"
	case t.domain == domainScopes || t.want.form == list || t.want.form == object:
		where = "a list"
	}
	return where + " containing " + d.tree(&t.want, t.domain)
}

func phraseNotContains(t *test, d *display) string {
	return strings.Replace(phraseContains(t, d), "containing", "without", 1)
}

func compileText(c *compiler, t *test, n *Node, what string) {
	s, ok := scalarText(n)
	if !ok {
		c.problem(n.Place, "invalid-matcher", fmt.Sprintf("%s: %s wants text, found %s", what, t.op.name, c.show.node(n)))
		return
	}
	t.word = s
}

func holdsStartsWith(t *test, v *value) bool {
	s, ok := v.asText()
	return ok && strings.HasPrefix(s, t.word)
}

func holdsEndsWith(t *test, v *value) bool {
	s, ok := v.asText()
	return ok && strings.HasSuffix(s, t.word)
}

func compileMatches(c *compiler, t *test, n *Node, what string) {
	compileText(c, t, n, what)
	re, err := compileRegexp(t.word, c.show)
	if err != nil {
		c.problem(n.Place, "invalid-regexp", fmt.Sprintf("%s: matches wants a regular expression: %s", what, err))
		return
	}
	t.regexp = re
}

func compileRegexp(s string, d *display) (*regexp.Regexp, error) {
	re, err := regexp.Compile(s)
	if err == nil {
		return re, nil
	}
	mistake := strings.TrimPrefix(err.Error(), "error parsing regexp: ")
	if e, ok := errors.AsType[*syntax.Error](err); ok && d.hides(s) {
		// The part of the expression that is wrong may be a part of a secret.
		mistake = string(e.Code)
	}
	return nil, fmt.Errorf("%s is not a regular expression (RE2): %s", d.quote(s), mistake)
}

func holdsMatches(t *test, v *value) bool {
	s, ok := v.asText()
	return ok && t.regexp.MatchString(s)
}

func compileYes(c *compiler, t *test, n *Node, what string) {
	if n.Kind != Bool {
		c.problem(n.Place, "invalid-matcher", fmt.Sprintf("%s: %s wants true or false, found %s", what, t.op.name, c.show.node(n)))
		return
	}
	t.yes = n.Text == "true"
}

func holdsExists(t *test, v *value) bool { return t.yes == (v.form != absent) }

func phraseExists(t *test, _ *display) string {
	if t.yes {
		return "anything"
	}
	return "nothing"
}

func holdsEmpty(t *test, v *value) bool {
	n, ok := v.length()
	return ok && t.yes == (n == 0)
}

func phraseEmpty(t *test, _ *display) string {
	if t.yes {
		return "something empty"
	}
	return "something not empty"
}

// length gives the number of characters, elements or names.
func (v *value) length() (int64, bool) {
	var n int64
	switch v.form {
	case text:
		return int64(utf8.RuneCountInString(v.text)), true
	case list:
		for range elements(v.text) {
			n++
		}
		return n, true
	case object:
		names := map[string]struct{}{}
		for name := range members(v.text) {
			names[name] = struct{}{}
		}
		return int64(len(names)), true
	}
	return 0, false
}

func holdsLength(t *test, v *value) bool {
	n, ok := v.length()
	return ok && t.sub.failing(&value{form: number, whole: n, domain: domainCount}) == nil
}

func typeNames() []string {
	return []string{"string", "number", "integer", "boolean", "object", "array", "null"}
}

func compileType(c *compiler, t *test, n *Node, what string) {
	t.word = n.Text
	if n.Kind == Null {
		t.word = "null"
	}
	if n.Kind == Text || n.Kind == Null {
		if slices.Contains(typeNames(), t.word) {
			return
		}
	}
	c.problem(n.Place, "invalid-matcher", fmt.Sprintf("%s: type wants one of %s, found %s%s", what,
		joinWords(typeNames()), c.show.node(n), didYouMean(n.Text, typeNames())))
}

func holdsType(t *test, v *value) bool {
	switch t.word {
	case "string":
		return v.form == text
	case "number":
		return v.form == number
	case "integer":
		d, ok := v.decimal()
		return v.form == number && ok && d.isInteger()
	case "boolean":
		return v.form == boolean
	case "object":
		return v.form == object
	case "array":
		return v.form == list
	}
	return v.form == null
}

func listElements(v *value) iter.Seq2[int, *value] {
	return func(yield func(int, *value) bool) {
		i := 0
		for e := range elements(v.text) {
			el := fromJSON(e)
			if v.domain == domainScopes {
				el.domain = domainScope
			}
			if !yield(i, &el) {
				return
			}
			i++
		}
	}
}

func holdsEach(t *test, v *value) bool {
	if v.form != list {
		return false
	}
	for _, e := range listElements(v) {
		if t.sub.failing(e) != nil {
			return false
		}
	}
	return true
}

func holdsAny(t *test, v *value) bool {
	return v.form == list && t.matching(v) >= 0
}

func holdsNone(t *test, v *value) bool {
	return v.form == list && t.matching(v) < 0
}

// matching gives the index of the first element that matches, or -1.
func (t *test) matching(v *value) int {
	for i, e := range listElements(v) {
		if t.sub.failing(e) == nil {
			return i
		}
	}
	return -1
}

func moment(name, doc, example string, ok func(sign int) bool) operator {
	return operator{
		name: name, operand: "a point in time", on: domainJSON | domainText,
		doc: doc, example: example, schema: stringSchema,
		compile: func(c *compiler, t *test, n *Node, what string) {
			at, is := parseMoment(n.Text, t.domain == domainText)
			if n.Kind != Text || !is {
				c.problem(n.Place, "invalid-matcher", fmt.Sprintf(
					"%s: %s wants a point in time such as 2026-01-31T12:00:00Z or /Date(1769860800000)/, found %s", what, name, c.show.node(n)))
				return
			}
			t.moment, t.word = &at, n.Text
		},
		holds: func(t *test, v *value) bool {
			s, is := v.asText()
			if !is {
				return false
			}
			at, is := parseMoment(s, t.domain == domainText)
			return is && ok(at.Compare(*t.moment))
		},
		phrase: func(t *test, d *display) string { return "a time " + name + " " + d.hidden(t.word) },
	}
}
