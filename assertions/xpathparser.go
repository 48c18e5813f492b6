package assertions

import (
	"fmt"
	"slices"
	"strconv"
)

// xpathParser reads an expression of XPath 1.0.
type xpathParser struct {
	source    string
	tokens    []xpathToken
	at        int
	prefixes  map[string]string
	functions []xpathFunction
	depth     int
}

// maxXPathDepth bounds expressions inside one another.
const maxXPathDepth = 200

// parseXPath reads an expression; prefixes are those that it may use.
func parseXPath(s string, prefixes map[string]string) (term xpathTerm, err *xpathError) {
	tokens, err := xpathTokens(s)
	if err != nil {
		return nil, err
	}
	p := &xpathParser{source: s, tokens: tokens, prefixes: prefixes, functions: xpathFunctions()}
	if term, err = p.expression(); err != nil {
		return nil, err
	}
	if t := p.token(); t.kind != xpathEnd {
		return nil, p.leftOver(t)
	}
	return term, nil
}

func (p *xpathParser) token() *xpathToken { return &p.tokens[p.at] }

// behind gives the token after the next.
func (p *xpathParser) behind() *xpathToken { return &p.tokens[min(p.at+1, len(p.tokens)-1)] }

// take goes on when the next token is the symbol.
func (p *xpathParser) take(symbol string) bool {
	if !p.token().is(symbol) {
		return false
	}
	p.at++
	return true
}

func (p *xpathParser) need(symbol, why string) *xpathError {
	if p.take(symbol) {
		return nil
	}
	return p.wanted(quote(symbol) + why)
}

// wanted says what was due where the next token stands.
func (p *xpathParser) wanted(what string) *xpathError {
	t := p.token()
	return &xpathError{message: fmt.Sprintf("want %s, found %s", what, p.found(t)), at: t.at, end: t.end}
}

func (p *xpathParser) found(t *xpathToken) string {
	if t.kind == xpathEnd {
		return "the end"
	}
	return quote(p.source[t.at:t.end])
}

// leftOver explains what stands behind a whole expression.
func (p *xpathParser) leftOver(t *xpathToken) *xpathError {
	err := p.wanted("an operator or the end")
	symbols := map[string]string{"eq": "=", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "is": "=", "idiv": "div", "union": "|"}
	if s, ok := symbols[t.text]; ok && t.kind == xpathNameToken && t.prefix == "" {
		err.message = fmt.Sprintf("%s is an operator of XPath 2.0", quote(t.text))
		err.hints = []string{fmt.Sprintf("XPath 1.0 has %s", s)}
	}
	if t.is("[") && p.at > 0 && (p.tokens[p.at-1].is(".") || p.tokens[p.at-1].is("..")) {
		err.message = "after . and .. there are no conditions"
		err.hints = []string{"write self::node()[…] or parent::node()[…]"}
	}
	return err
}

// xpathOperators are the operators of two operands, those that bind least
// first: section 3.5 and the grammar of 3.4.
func xpathOperators() [][]string {
	return [][]string{{"or"}, {"and"}, {"=", "!="}, {"<", "<=", ">", ">="}, {"+", "-"}, {"*", "div", "mod"}}
}

func (p *xpathParser) expression() (xpathTerm, *xpathError) {
	if p.depth++; p.depth > maxXPathDepth {
		t := p.token()
		return nil, &xpathError{message: fmt.Sprintf("expressions stand more than %d deep in each other", maxXPathDepth), at: t.at, end: t.end}
	}
	defer func() { p.depth-- }()
	return p.binary(xpathOperators())
}

func (p *xpathParser) binary(levels [][]string) (xpathTerm, *xpathError) {
	if len(levels) == 0 {
		return p.unary()
	}
	left, err := p.binary(levels[1:])
	for err == nil {
		op := p.operator(levels[0])
		if op == "" {
			break
		}
		var right xpathTerm
		if right, err = p.binary(levels[1:]); err == nil {
			left = newBinary(op, left, right)
		}
	}
	return left, err
}

// operator takes one of the operators, where an operator is due.
func (p *xpathParser) operator(of []string) string {
	t := p.token()
	if (t.kind == xpathSymbol || (t.kind == xpathNameToken && t.prefix == "")) && slices.Contains(of, t.text) {
		p.at++
		return t.text
	}
	return ""
}

func (p *xpathParser) unary() (xpathTerm, *xpathError) {
	negative, times := false, 0
	for p.take("-") {
		negative = !negative
		times++
	}
	t, err := p.union()
	if err != nil || times == 0 {
		return t, err
	}
	return newNegation(t, negative), nil
}

func (p *xpathParser) union() (xpathTerm, *xpathError) {
	from := p.token().at
	first, err := p.path()
	if err != nil || !p.token().is("|") {
		return first, err
	}
	u := &xpathUnion{xpathTraits: xpathTraits{kind: xpathNodeSet, fixed: true}}
	for {
		if first.traits().kind != xpathNodeSet {
			return nil, &xpathError{message: fmt.Sprintf("| joins paths, and here is %s", first.traits().kind), at: from, end: p.tokens[p.at-1].end}
		}
		u.of = append(u.of, first)
		u.fixed = u.fixed && first.traits().fixed
		u.positional = u.positional || first.traits().positional
		if !p.take("|") {
			return u, nil
		}
		from = p.token().at
		if first, err = p.path(); err != nil {
			return nil, err
		}
	}
}

func xpathNodeTypes() []string {
	return []string{"node", "text", "comment", "processing-instruction"}
}

// isNodeType reports whether the next tokens are a test such as text().
func (p *xpathParser) isNodeType() bool {
	t := p.token()
	return t.kind == xpathNameToken && t.prefix == "" && p.behind().is("(") && slices.Contains(xpathNodeTypes(), t.text)
}

// path reads a location path, or an expression with conditions and a path
// behind it.
func (p *xpathParser) path() (xpathTerm, *xpathError) {
	t := p.token()
	switch {
	case t.is("/"), t.is("//"):
		return p.absolute()
	case t.kind == xpathNumberToken, t.kind == xpathLiteralToken, t.is("("), t.is("$"),
		t.kind == xpathNameToken && p.behind().is("(") && !p.isNodeType():
		return p.filtered()
	case !p.beginsStep():
		return nil, p.wanted("a path, a function or a value")
	}
	path := &xpathPath{xpathTraits: xpathTraits{kind: xpathNodeSet}}
	return path, p.relative(path)
}

func (p *xpathParser) beginsStep() bool {
	t := p.token()
	return t.kind == xpathNameToken || t.is("*") || t.is("@") || t.is(".") || t.is("..")
}

func (p *xpathParser) absolute() (xpathTerm, *xpathError) {
	path := &xpathPath{xpathTraits: xpathTraits{kind: xpathNodeSet, fixed: true}, absolute: true}
	if p.take("/") && !p.beginsStep() {
		return path, nil
	}
	return path, p.relative(path)
}

// relative reads steps; a // may stand in front.
func (p *xpathParser) relative(path *xpathPath) *xpathError {
	for {
		if p.take("//") {
			path.add(xpathStep{axis: axisDescendantOrSelf, test: xpathTest{any: true}})
		}
		s, err := p.step()
		if err != nil {
			return err
		}
		path.add(s)
		if !p.take("/") && !p.token().is("//") {
			return nil
		}
	}
}

func (p *xpathParser) step() (xpathStep, *xpathError) {
	switch {
	case p.take("."):
		return xpathStep{axis: axisSelf, test: xpathTest{any: true}}, nil
	case p.take(".."):
		return xpathStep{axis: axisParent, test: xpathTest{any: true}}, nil
	}
	s := xpathStep{axis: axisChild}
	if err := p.axis(&s); err != nil {
		return s, err
	}
	if err := p.test(&s); err != nil {
		return s, err
	}
	var err *xpathError
	s.predicates, err = p.predicates()
	return s, err
}

func (p *xpathParser) axis(s *xpathStep) *xpathError {
	if p.take("@") {
		s.axis = axisAttribute
		return nil
	}
	t := p.token()
	if !p.behind().is("::") {
		return nil
	}
	names := xpathAxes()
	at := slices.Index(names, t.text)
	if t.kind != xpathNameToken || t.prefix != "" || at < 0 {
		err := &xpathError{message: "there is no axis " + p.found(t) + didYouMean(t.text, names), at: t.at, end: t.end}
		if t.isName("namespace") {
			err.message, err.unknown = "the axis namespace is not known", true
			err.hints = []string{"namespace-uri(PATH) gives the namespace of an element or attribute"}
		}
		return err
	}
	s.axis = xpathAxis(at)
	p.at += 2
	return nil
}

func (p *xpathParser) test(s *xpathStep) *xpathError {
	t := p.token()
	switch {
	case p.take("*"):
		s.test = xpathTest{named: true, local: "*"}
		return nil
	case p.isNodeType():
		return p.nodeType(s)
	case t.kind != xpathNameToken:
		return p.wanted("the name of an element, * or a test such as text()")
	case p.behind().is("("):
		return &xpathError{
			message: fmt.Sprintf("the function %s stands where a step of the path was due, as in XPath 2.0", quote(t.text)), at: t.at, end: t.end,
			hints: []string{fmt.Sprintf("write %s(PATH)", t.text)},
		}
	}
	p.at++
	s.test = xpathTest{named: true, local: t.text, prefix: t.prefix}
	return p.declared(t)
}

// declared checks the prefix of a name.
func (p *xpathParser) declared(t *xpathToken) *xpathError {
	if _, ok := p.prefixes[t.prefix]; ok || t.prefix == "" || t.prefix == "xml" {
		return nil
	}
	return &xpathError{
		message: fmt.Sprintf("the prefix %s is not declared", quote(t.prefix)), at: t.at, end: t.end,
		hints: []string{"declare it in namespaces: {prefix: URI}, or use local-name()"},
	}
}

func (p *xpathParser) nodeType(s *xpathStep) *xpathError {
	name := p.token().text
	p.at += 2
	switch name {
	case "node":
		s.test.any = true
	case "text":
		s.test.kind = xmlText
	case "comment":
		s.test.kind = xmlComment
	default:
		s.test.kind = xmlInstruction
		if t := p.token(); t.kind == xpathLiteralToken {
			s.test.named, s.test.local = true, t.text
			if t.text == "*" {
				s.test.local = "" // no instruction has that name
			}
			p.at++
		}
	}
	return p.need(")", " after "+name+"(")
}

func (p *xpathParser) predicates() ([]xpathPredicate, *xpathError) {
	var all []xpathPredicate
	for p.take("[") {
		t, err := p.expression()
		if err != nil {
			return nil, err
		}
		if err := p.need("]", ""); err != nil {
			return nil, err
		}
		all = append(all, newPredicate(t))
	}
	return all, nil
}

// filtered reads a value, a function or an expression in brackets, with what
// is behind it.
func (p *xpathParser) filtered() (xpathTerm, *xpathError) {
	from := p.token().at
	t, err := p.primary()
	if err != nil {
		return nil, err
	}
	conditions := p.token().is("[")
	steps := func() bool { return p.token().is("/") || p.token().is("//") }
	if (conditions || steps()) && t.traits().kind != xpathNodeSet {
		return nil, &xpathError{message: fmt.Sprintf("%s stands behind %s, which has no nodes", p.found(p.token()), t.traits().kind), at: from, end: p.token().end}
	}
	if conditions {
		f := &xpathFilter{xpathTraits: t.traits(), of: t}
		if f.predicates, err = p.predicates(); err != nil {
			return nil, err
		}
		t = f
	}
	if !steps() {
		return t, nil
	}
	path := &xpathPath{xpathTraits: t.traits(), from: t}
	p.take("/")
	return path, p.relative(path)
}

func (p *xpathParser) primary() (xpathTerm, *xpathError) {
	t := p.token()
	switch {
	case t.is("$"):
		return nil, &xpathError{
			message: fmt.Sprintf("%s is a variable, and there are none in an XPath", quote("$"+p.behind().text)), at: t.at, end: p.behind().end,
			hints: []string{"compare with a variable in the matcher: {XPATH: \"${NAME}\"}"},
		}
	case p.take("("):
		inner, err := p.expression()
		if err != nil {
			return nil, err
		}
		if p.token().is(",") {
			return nil, &xpathError{message: "a list in brackets is XPath 2.0", at: p.token().at, end: p.token().end, hints: []string{"paths are joined by |"}}
		}
		return inner, p.need(")", "")
	case t.kind == xpathLiteralToken:
		p.at++
		return newLiteral(xpathValue{kind: xpathString, text: t.text}), nil
	case t.kind == xpathNumberToken:
		p.at++
		n, _ := strconv.ParseFloat(t.text, 64) // digits; what is too large is infinite
		return newLiteral(xpathValue{kind: xpathFloat, number: n}), nil
	}
	return p.call()
}

// call reads a function with its arguments.
func (p *xpathParser) call() (xpathTerm, *xpathError) {
	name := p.token()
	at := slices.IndexFunc(p.functions, func(f xpathFunction) bool { return f.name == name.text && name.prefix == "" })
	if at < 0 {
		return nil, p.noFunction(name)
	}
	f := p.functions[at]
	p.at += 2
	args, err := p.arguments(name)
	if err != nil {
		return nil, err
	}
	if len(args) < f.min || len(args) > f.max {
		return nil, &xpathError{message: fmt.Sprintf("%s wants %s, found %s", f.name, f.arguments(), argumentCount(len(args))), at: name.at, end: p.tokens[p.at-1].end}
	}
	if f.ofNodes && len(args) > 0 && args[0].traits().kind != xpathNodeSet {
		return nil, &xpathError{message: fmt.Sprintf("%s wants a path, found %s", f.name, args[0].traits().kind), at: name.at, end: p.tokens[p.at-1].end}
	}
	return newCall(f, args), nil
}

func (p *xpathParser) arguments(name *xpathToken) ([]xpathTerm, *xpathError) {
	var args []xpathTerm
	if p.take(")") {
		return nil, nil
	}
	for {
		a, err := p.expression()
		if err != nil {
			return nil, err
		}
		args = append(args, a)
		if p.take(")") {
			return args, nil
		}
		if err := p.need(",", " or \")\" in "+name.text+"("); err != nil {
			return nil, err
		}
	}
}

// noFunction says what to use instead of a function that XPath 1.0 has not.
func (p *xpathParser) noFunction(t *xpathToken) *xpathError {
	names := make([]string, len(p.functions))
	for i := range p.functions {
		names[i] = p.functions[i].name
	}
	err := &xpathError{message: fmt.Sprintf("there is no function %s%s", quote(p.source[t.at:t.end]), didYouMean(t.text, names)), at: t.at, end: t.end}
	switch instead := insteadOf(t.text); {
	case t.prefix != "" && slices.Contains(names, t.text):
		err.hints = []string{"write it without a prefix: " + t.text}
	case t.prefix != "" && instead == "":
		err.message = fmt.Sprintf("the function %s has a prefix, and XPath 1.0 has no such functions", quote(p.source[t.at:t.end]))
	case instead != "":
		err.message = fmt.Sprintf("%s is no function of XPath 1.0", quote(t.text))
		if t.text == "id" {
			err.message, err.unknown = "id needs a document type, which is not read", true
		}
		err.hints = []string{instead}
	}
	return err
}

// insteadOf says what does the work of a function of XPath 2.0 or XSLT; "" for
// one that is not known.
func insteadOf(function string) string {
	switch function {
	case "id", "key", "idref", "element-with-id":
		return "select by the attribute: //*[@id='VALUE']"
	case "matches":
		return "use the operator: {PATH: {matches: REGULAR-EXPRESSION}}"
	case "ends-with":
		return "use the operator: {PATH: {ends-with: TEXT}}"
	case "lower-case", "upper-case":
		return "use translate(TEXT, 'ABC…', 'abc…'), or the operator: {PATH: {matches: '(?i)^TEXT$'}}"
	case "replace", "tokenize", "analyze-string":
		return "use translate, substring-before and substring-after, or the operator: {PATH: {matches: REGULAR-EXPRESSION}}"
	case "string-join", "data", "distinct-values", "deep-equal", "index-of", "reverse", "subsequence", "head", "tail", "insert-before", "remove", "zero-or-one", "one-or-more", "exactly-one":
		return "a sequence is XPath 2.0: assert its nodes one by one (PATH[1], PATH[2]) and count(PATH), or the document with matches-file"
	case "exists":
		return "use boolean(PATH), or the operator: {PATH: {exists: true}}"
	case "empty":
		return "use not(PATH), or the operator: {PATH: {exists: false}}"
	case "avg":
		return "use sum(PATH) div count(PATH)"
	case "max":
		return "use PATH[not(. < PATH)]"
	case "min":
		return "use PATH[not(. > PATH)]"
	case "abs", "format-number", "round-half-to-even", "compare", "codepoints-to-string", "string-to-codepoints", "normalize-unicode", "encode-for-uri":
		return "use an operator, such as approx, between, one-of or matches, on what the path finds"
	case "current-date", "current-dateTime", "current-time", "dateTime", "date", "time", "year-from-date", "year-from-dateTime", "days-from-duration":
		return "use the operators before and after on what the path finds"
	case "current", "document", "doc", "collection", "generate-id", "system-property", "unparsed-text", "base-uri", "document-uri", "root", "node-name", "local-name-from-QName", "in-scope-prefixes":
		return "an XPath 1.0 asks only for what is in this document: paths, local-name(), namespace-uri()"
	case "if", "for", "some", "every":
		return "that is XPath 2.0: use conditions in [ ], and, or and not()"
	}
	return ""
}

// arguments says how many arguments the function has.
func (f *xpathFunction) arguments() string {
	switch {
	case f.min == f.max:
		return argumentCount(f.min)
	case f.max == manyArguments:
		return "at least " + argumentCount(f.min)
	case f.min == 0:
		return "at most " + argumentCount(f.max)
	}
	return fmt.Sprintf("%d or %s", f.min, argumentCount(f.max))
}

func argumentCount(n int) string {
	switch n {
	case 0:
		return "no argument"
	case 1:
		return "1 argument"
	}
	return strconv.Itoa(n) + " arguments"
}
