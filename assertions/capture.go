package assertions

import (
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// CaptureDoc says what a source of a capture is.
type CaptureDoc struct {
	// Name is the key in the capture.
	Name string
	// Operand says what stands behind it.
	Operand string
	// Doc is a sentence or two.
	Doc string
	// Example is an entry of capture.
	Example string
}

// CaptureDocs gives the sources and options of a capture in the order of the
// reference.
func CaptureDocs() []CaptureDoc {
	var docs []CaptureDoc
	for _, s := range sources() {
		docs = append(docs, CaptureDoc{s.name, s.operand, s.doc, s.example})
	}
	return append(docs,
		CaptureDoc{"namespaces", "prefix → URI", "Prefixes for the XPath beside it.", `ticket: {xml: "//o:Ticket", namespaces: {o: "urn:orders"}}`},
		CaptureDoc{"default", "a value", "What the variable is when nothing is found. Without it the step fails.", "ticket: {json: ticket, default: none}"},
		CaptureDoc{"secret", "true or false", "The value is a secret: it appears in no output.", `pin: {body: 'PIN: (\d+)', secret: true}`},
	)
}

// source is a row of the language: where a capture takes its value from.
type source struct {
	name, operand, doc, example string
	// subject is the subject that a kind of step must have for it.
	subject string
	// flag says that its operand is true.
	flag bool
	// read compiles the operand.
	read func(c *compiler, k *capture, text string, place Place)
	take func(k *capture, t *taker) (any, bool)
}

func sources() []source {
	return []source{
		{
			name: "json", operand: "a gjson path", subject: "json",
			doc: "A value of a JSON body; it keeps its type, and a number its digits.", example: "order: {json: order.id}",
			read: readPath, take: takeJSON,
		},
		{
			name: "xml", operand: "an XPath", subject: "xml",
			doc: "The text of the first node, or what the expression computes: a number, a boolean, text.", example: `ticket: {xml: "//*[local-name()='Ticket']"}`,
			read: readXPath, take: takeXML,
		},
		{
			name: "header", operand: "a name", subject: "headers",
			doc: "A header of the answer; several of one name are joined by \", \".", example: "location: {header: Location}",
			read: readHeader, take: takeHeader,
		},
		{
			name: "cookie", operand: "a name", subject: "cookies",
			doc: "The value of a cookie.", example: "session: {cookie: JSESSIONID}",
			read: readName, take: takeCookie,
		},
		{
			name: "claim", operand: "a gjson path", subject: "claims",
			doc: "A claim of the token.", example: "zone: {claim: zid}",
			read: readPath, take: takeClaim,
		},
		{
			name: "body", operand: "a regular expression", subject: "body",
			doc: "The first group of the match in the body; without groups, the match.", example: `pin: {body: 'PIN: (\d+)'}`,
			read: readRegexp, take: takeBody,
		},
		{
			name: "status", operand: "true", subject: "status", flag: true,
			doc: "The HTTP status, a number.", example: "code: {status: true}",
			take: func(_ *capture, t *taker) (any, bool) { return json.Number(strconv.Itoa(t.r.Status)), true },
		},
		{
			name: "duration", operand: "true", subject: "duration", flag: true,
			doc: "How long the answer took, text such as 182.4ms.", example: "took: {duration: true}",
			take: func(_ *capture, t *taker) (any, bool) { return t.r.Duration.String(), true },
		},
		{
			name: "message-id", operand: "true", subject: "headers", flag: true,
			doc: "The message ID: from the header however it is spelt, or from the text of an error.", example: "mpl: {message-id: true}",
			take: takeMessageID,
		},
	}
}

// sourceRows are shared by all that is compiled.
var sourceRows = sync.OnceValue(sources)

// Captures is a compiled capture block. It is immutable and may be shared
// between goroutines.
type Captures struct {
	captures     []capture
	json, claims finder
}

// capture is one variable of the block.
type capture struct {
	name  string
	place Place
	// source says where from; text is its operand.
	source *source
	text   string
	at     Place
	// operand is set when the operand is computed, and read when it is taken.
	operand *Node

	path     *path // until the finder has it
	xpath    *xpathExpr
	prefixes []Field // of the XPath
	slot     int     // of a path in its finder; -1 when the path is computed
	key      string
	regexp   *regexp.Regexp
	fallback *Node
	secret   bool
}

// Captured is the value of a variable: nil, bool, string, json.Number, []any
// or map[string]any. It shares no memory with the body it was taken from.
type Captured struct {
	Name   string
	Value  any
	Secret bool
}

// CompileCaptures compiles a capture block and gives everything that is wrong
// with it, except the names of variables, which are the caller's. A capture of
// nil takes nothing. The Captures are never nil, and are not to be used when
// there are problems.
func CompileCaptures(n *Node, o Options) (*Captures, []Problem) {
	c := newCompiler(o)
	r := &Captures{}
	if n == nil {
		return r, nil
	}
	if n.Kind == Null || (n.Kind == Map && len(n.Fields) == 0) {
		c.problem(n.Place, "empty-block", "capture takes nothing")
		return r, c.problems
	}
	if n.Kind != Map {
		c.problem(n.Place, "wrong-type", fmt.Sprintf("capture: want a mapping from variables to sources, found %s", showNode(n)))
		return r, c.problems
	}
	for i := range n.Fields {
		if k, ok := c.capture(&n.Fields[i]); ok {
			r.captures = append(r.captures, k)
		}
	}
	r.complete()
	return r, c.problems
}

// complete makes the finders once all paths are known.
func (c *Captures) complete() {
	for i := range c.captures {
		k := &c.captures[i]
		switch {
		case k.path == nil:
			k.slot = -1
		case k.source.name == "json":
			k.slot = c.json.add(k.path)
		default:
			k.slot = c.claims.add(k.path)
		}
	}
	c.json.complete()
	c.claims.complete()
	for i := range c.captures {
		k := &c.captures[i]
		switch {
		case k.slot < 0:
		case k.source.name == "json":
			k.slot = c.json.slots[k.slot]
		default:
			k.slot = c.claims.slots[k.slot]
		}
		k.path = nil
	}
	c.json.slots, c.claims.slots = nil, nil
}

func (c *compiler) capture(f *Field) (capture, bool) {
	k := capture{name: f.Name, place: f.Place}
	if f.Value.Kind != Map || len(f.Value.Fields) == 0 {
		c.problem(f.Value.Place, "wrong-type",
			fmt.Sprintf("capture %s: want where it is taken from, such as {json: PATH}, found %s", f.Name, showNode(&f.Value)))
		return k, false
	}
	before := len(c.problems)
	rows := sourceRows()
	found := ""
	c.capturePrefixes(&k, &f.Value)
	for i := range f.Value.Fields {
		g := &f.Value.Fields[i]
		switch g.Name {
		case "namespaces":
			continue
		case "default":
			k.fallback = &g.Value
			continue
		case "secret":
			k.secret = c.yes(g, "secret of capture "+f.Name)
			continue
		}
		at := slices.IndexFunc(rows, func(s source) bool { return s.name == g.Name })
		if at < 0 || !c.offers(&rows[at]) {
			c.unknownSource(g, f.Name, rows)
			found = cmp.Or(found, g.Name)
			continue
		}
		if found != "" {
			c.problem(g.Place, "invalid-value", fmt.Sprintf("capture %s is taken from %s and from %s; want one of them", f.Name, found, g.Name))
			continue
		}
		found = g.Name
		k.source = &rows[at]
		c.sourceOperand(&k, g)
	}
	if found == "" {
		c.problem(f.Place, "missing-key", fmt.Sprintf("capture %s does not say where it is taken from", f.Name),
			"possible: "+joinWords(c.sourceNames(rows)))
	}
	return k, len(c.problems) == before
}

// capturePrefixes reads the namespaces beside an XPath.
func (c *compiler) capturePrefixes(k *capture, n *Node) {
	at := slices.IndexFunc(n.Fields, func(f Field) bool { return f.Name == "namespaces" })
	if at < 0 {
		return
	}
	f := &n.Fields[at]
	if !slices.ContainsFunc(n.Fields, func(f Field) bool { return f.Name == "xml" }) {
		c.problem(f.Place, "unknown-key", fmt.Sprintf("namespaces in capture %s has nothing to be for: want an XPath in xml beside it", k.name))
		return
	}
	k.prefixes, _ = c.entries("namespaces", f)
	for i := range k.prefixes {
		if k.prefixes[i].Value.Kind != Computed {
			c.namespace(&k.prefixes[i])
		}
	}
}

func (c *compiler) yes(f *Field, what string) bool {
	if f.Value.Kind != Bool {
		c.problem(f.Value.Place, "wrong-type", fmt.Sprintf("%s: want true or false, found %s", what, showNode(&f.Value)))
		return false
	}
	return f.Value.Text == "true"
}

// offers reports whether the kind of step has what the source reads.
func (c *compiler) offers(s *source) bool {
	return c.options.Subjects == nil || slices.Contains(c.options.Subjects, s.subject)
}

func (c *compiler) sourceNames(rows []source) []string {
	var names []string
	for i := range rows {
		if c.offers(&rows[i]) {
			names = append(names, rows[i].name)
		}
	}
	return names
}

func (c *compiler) unknownSource(f *Field, name string, rows []source) {
	names := append(c.sourceNames(rows), "namespaces", "default", "secret")
	var hints []string
	if suggest(f.Name, names) == "" {
		hints = []string{"possible here: " + joinWords(names)}
	}
	c.problem(f.Place, "unknown-key", fmt.Sprintf("unknown key %s in capture %s%s", quote(f.Name), name, didYouMean(f.Name, names)), hints...)
}

func (c *compiler) sourceOperand(k *capture, f *Field) {
	what := f.Name + " of capture " + k.name
	k.at = f.Value.Place
	if k.source.flag {
		if !c.yes(f, what) && f.Value.Kind == Bool {
			c.problem(f.Value.Place, "invalid-value", what+" can only be true")
		}
		return
	}
	if f.Value.Kind == Computed {
		k.operand = &f.Value
		return
	}
	s, ok := scalarText(&f.Value)
	if !ok {
		c.problem(f.Value.Place, "wrong-type", fmt.Sprintf("%s: want %s, found %s", what, k.source.operand, showNode(&f.Value)))
		return
	}
	k.text = s
	k.source.read(c, k, s, f.Value.Place)
}

func readPath(c *compiler, k *capture, s string, place Place) {
	k.path = c.path(s, place, "capture "+k.name)
}

func readHeader(c *compiler, k *capture, s string, place Place) {
	k.key, _ = c.headerName(s, place, "capture "+k.name)
}

func readName(_ *compiler, k *capture, s string, _ Place) { k.key = s }

func readRegexp(c *compiler, k *capture, s string, place Place) {
	re, err := compileRegexp(s, c.show)
	if err != nil {
		c.problem(place, "invalid-regexp", fmt.Sprintf("capture %s: %s", k.name, err))
		return
	}
	k.regexp = re
}

// Names gives the variables in the order written.
func (c *Captures) Names() []string {
	names := make([]string, len(c.captures))
	for i := range c.captures {
		names[i] = c.captures[i].name
	}
	return names
}

func (c *Captures) get(name string) *capture {
	for i := range c.captures {
		if c.captures[i].name == name {
			return &c.captures[i]
		}
	}
	return nil
}

// Secret reports whether the variable is marked as a secret.
func (c *Captures) Secret(name string) bool {
	k := c.get(name)
	return k != nil && k.secret
}

// NamePlace gives where the name of the variable stands; 0 for one that is not
// captured.
func (c *Captures) NamePlace(name string) Place {
	if k := c.get(name); k != nil {
		return k.place
	}
	return 0
}

// Take takes the values out of a result, in the order written, and gives a
// failure for each that is not there and has no default. compute may be nil
// when nothing in the block is computed.
func (c *Captures) Take(r *Result, compute Lookup) (values []Captured, missing []Failure) {
	t := taker{c: c, r: r, compute: compute}
	for i := range c.captures {
		k := &c.captures[i]
		v, failure := t.value(k)
		if failure != nil {
			missing = append(missing, *failure)
			continue
		}
		values = append(values, Captured{Name: k.name, Value: v, Secret: k.secret})
	}
	return values, missing
}

// taker is one taking.
type taker struct {
	c       *Captures
	r       *Result
	compute Lookup
	// json and claims are what the finders found, once they have looked.
	json, claims []string
	show         *display
}

// display gives what is shown with, the same for all captures.
func (t *taker) display() *display {
	t.show = t.show.orNew(t.r.Hide)
	return t.show
}

func (t *taker) value(k *capture) (any, *Failure) {
	k, err := k.resolve(t)
	if err != nil {
		return nil, k.failure("", err.Error(), nil)
	}
	if v, ok := k.source.take(k, t); ok {
		return v, nil
	}
	if k.fallback == nil {
		return nil, k.nothing(t.r, t.display())
	}
	n, err := k.fallback.evaluate(t.compute)
	if err != nil {
		return nil, k.failure("", "default: "+err.Error(), nil)
	}
	return n.any(), nil
}

// resolve gives k with its operand read, when that is computed.
func (k *capture) resolve(t *taker) (*capture, error) {
	k, err := k.readOperand(t)
	if err != nil || k.xpath == nil || k.prefixes == nil {
		return k, err
	}
	read := *k
	read.xpath, err = k.xpath.with(k.prefixes, t.compute)
	return &read, err
}

func (k *capture) readOperand(t *taker) (*capture, error) {
	if k.operand == nil {
		return k, nil
	}
	n, err := k.operand.evaluate(t.compute)
	if err != nil {
		return k, err
	}
	s, ok := scalarText(&n)
	if !ok {
		return k, fmt.Errorf("%s: want %s, found %s", k.source.name, k.source.operand, t.display().node(&n))
	}
	read := *k
	read.text = s
	c := &compiler{}
	read.source.read(c, &read, s, k.at)
	if len(c.problems) > 0 && t.display().hides(s) {
		// The part of the operand that is wrong may be a part of a secret.
		return k, fmt.Errorf("%s: want %s, found text %s", k.source.name, k.source.operand, t.display().quote(s))
	}
	if len(c.problems) > 0 {
		return k, fmt.Errorf("%s", strings.TrimPrefix(c.problems[0].Message, "capture "+k.name+": "))
	}
	return &read, nil
}

func (k *capture) failure(got, message string, notes []string) *Failure {
	return &Failure{
		Place: k.place, Subject: "capture", Path: k.name, Got: got,
		Message: "capture " + k.name + ": " + message, Notes: notes,
	}
}

// nothing is the failure of a capture that found nothing.
func (k *capture) nothing(r *Result, d *display) *Failure {
	what := k.source.name
	if k.text != "" {
		what += " " + d.path(k.text)
	}
	got, notes := "nothing", []string(nil)
	switch k.source.name {
	case "json":
		if r.body.text == "" {
			got = whatItIs(r.text(), "body", d)
			break
		}
		notes = prefixNotes(r.body.text, k.text, "the document", d)
	case "xml":
		got, notes = k.nothingInXML(r, d)
	case "claim":
		if r.claims.text != "" {
			notes = prefixNotes(r.claims.text, k.text, "the token", d)
		}
	case "header":
		notes = (&checker{r: r}).whereItEnds(&assertion{kind: onHeaders, path: k.text}, d)
	case "cookie":
		notes = (&checker{r: r}).whereItEnds(&assertion{kind: onCookies, path: k.text}, d)
	case "body":
		notes = []string{"the body is " + d.quote(r.text())}
	case "message-id":
		notes = []string{"no header holds a message ID, and the body names none"}
	}
	return k.failure(got, what+": got "+got, notes)
}

// nothingInXML says why an XPath found nothing.
func (k *capture) nothingInXML(r *Result, d *display) (got string, notes []string) {
	tree, mistake := r.xml.parse(r.text())
	if mistake != nil {
		return whatIsNotXML(r.text(), mistake, d), nil
	}
	if v, err := k.xpath.find(tree); err != nil {
		return err.Error(), nil
	} else if v.form == number {
		return "what is not a number", nil
	}
	return "nothing", xmlNotes(tree, k.xpath, d)
}

func takeJSON(k *capture, t *taker) (any, bool) {
	if !t.r.body.parse(t.r.text()) {
		return nil, false
	}
	return k.take(t.r.body.text, &t.c.json, &t.json)
}

func takeClaim(k *capture, t *taker) (any, bool) {
	if !t.r.claims.parse(t.r.Claims) {
		return nil, false
	}
	return k.take(t.r.claims.text, &t.c.claims, &t.claims)
}

// take reads a path: with all the others of the block, or alone when it is
// computed.
func (k *capture) take(doc string, f *finder, found *[]string) (any, bool) {
	raw := ""
	if k.slot < 0 {
		raw = k.path.find(doc)
	} else {
		if *found == nil {
			*found = f.find(doc)
		}
		raw = (*found)[k.slot]
	}
	if raw == "" {
		return nil, false
	}
	return anyOf(raw), true
}

func takeHeader(k *capture, t *taker) (any, bool) {
	v := headerValue(t.r.Header, k.key)
	return strings.Clone(v.text), v.form == text
}

func takeCookie(k *capture, t *taker) (any, bool) {
	for _, c := range t.r.Cookies {
		if c != nil && c.Name == k.key {
			return strings.Clone(c.Value), true
		}
	}
	return nil, false
}

func takeBody(k *capture, t *taker) (any, bool) {
	at := k.regexp.FindStringSubmatchIndex(t.r.text())
	if at == nil {
		return nil, false
	}
	if len(at) > 2 {
		at = at[2:]
	}
	if at[0] < 0 {
		return nil, false
	}
	return strings.Clone(t.r.text()[at[0]:at[1]]), true
}

func takeMessageID(_ *capture, t *taker) (any, bool) {
	id, ok := MessageID(t.r.Header, t.r.text())
	return id, ok
}

// anyOf decodes JSON: numbers as written, the first of a name that stands
// twice, and nothing that holds on to raw.
func anyOf(raw string) any {
	d := decoder{raw}
	v, _ := d.value(0)
	return v
}

// decoder reads valid JSON in one pass, however deep it is.
type decoder struct{ s string }

func (d *decoder) value(i int) (any, int) {
	switch d.s[i] {
	case '{':
		return d.object(i + 1)
	case '[':
		return d.list(i + 1)
	}
	end := valueEnd(d.s, i)
	v := fromJSON(d.s[i:end])
	switch v.form {
	case boolean:
		return v.text == "true", end
	case number:
		return json.Number(strings.Clone(v.text)), end
	case text:
		return strings.Clone(v.text), end
	}
	return nil, end
}

func (d *decoder) list(i int) (any, int) {
	items := []any{}
	for {
		i = blanks(d.s, i)
		if i >= len(d.s) || d.s[i] == ']' {
			return items, min(i+1, len(d.s))
		}
		var v any
		v, i = d.value(i)
		items = append(items, v)
		if i = blanks(d.s, i); i < len(d.s) && d.s[i] == ',' {
			i++
		}
	}
}

func (d *decoder) object(i int) (any, int) {
	fields := map[string]any{}
	for {
		i = blanks(d.s, i)
		if i >= len(d.s) || d.s[i] != '"' {
			return fields, min(i+1, len(d.s))
		}
		end := stringEnd(d.s, i)
		name := strings.Clone(unquote(d.s[i:end]))
		var v any
		v, i = d.value(blanks(d.s, blanks(d.s, end)+1))
		if _, again := fields[name]; !again {
			fields[name] = v
		}
		if i = blanks(d.s, i); i < len(d.s) && d.s[i] == ',' {
			i++
		}
	}
}

// any gives the value of a node that holds no computed values.
func (n *Node) any() any {
	switch n.Kind {
	case Bool:
		return n.Text == "true"
	case Number:
		return json.Number(n.Text)
	case Text:
		return n.Text
	case List:
		items := make([]any, len(n.Items))
		for i := range n.Items {
			items[i] = n.Items[i].any()
		}
		return items
	case Map:
		fields := make(map[string]any, len(n.Fields))
		for i := range n.Fields {
			fields[n.Fields[i].Name] = n.Fields[i].Value.any()
		}
		return fields
	}
	return nil
}
