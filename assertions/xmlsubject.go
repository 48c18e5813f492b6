package assertions

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

func compileXML(c *compiler, e *Expectation, s *subject, f *Field) {
	fields, ok := c.entries(s.name, f)
	if !ok {
		return
	}
	for i := range fields {
		g := &fields[i]
		a := assertion{kind: s.kind, subject: s.name, path: g.Name, place: g.Place, domain: s.domain}
		a.xpath = c.xpath(g.Name, g.Place, s.name)
		a.match = c.matcher(&g.Value, g.Place, s.domain, a.what(c.show))
		if a.xpath != nil {
			e.add(a)
		}
	}
}

// xpath checks an expression with the prefixes that the block declares; nil
// when it cannot be right.
func (c *compiler) xpath(s string, place Place, what string) *xpathExpr {
	if strings.Contains(s, "${") {
		// The caller has said that an expression in a name is not evaluated.
		s = "/"
	}
	x, err := newXPath(s, c.prefixes)
	if err != nil {
		c.xpathProblem(place, what, s, err)
		return nil
	}
	return x
}

// xpathProblem says what is wrong with an expression, and where in it.
func (c *compiler) xpathProblem(place Place, what, s string, err error) {
	p := Problem{Place: place, Code: "invalid-xpath", Message: what + ": " + c.show.notXPath(s, err)}
	if e, ok := errors.AsType[*xpathError](err); ok && !c.show.hides(s) {
		p.Hints = e.hints
		if e.at < e.end {
			p.Offset, p.Width = utf8.RuneCountInString(s[:e.at]), utf8.RuneCountInString(s[e.at:e.end])
		}
	}
	c.problems = append(c.problems, p)
}

// notXPath says why an expression is refused; the reason holds parts of it, so
// that there is none for one with a secret.
func (d *display) notXPath(s string, err error) string {
	why := "is not XPath 1.0"
	if e, ok := errors.AsType[*xpathError](err); ok && e.unknown {
		why = "cannot be evaluated"
	}
	if d.hides(s) {
		return d.quote(s) + " " + why
	}
	return fmt.Sprintf("%s %s: %s", d.quote(s), why, err)
}

var prefixName = regexp.MustCompile(`^[\pL_][\pL\pN_.-]*$`)

func compileNamespaces(c *compiler, e *Expectation, s *subject, f *Field) {
	fields, ok := c.entries(s.name, f)
	if !ok {
		return
	}
	for i := range fields {
		v := &fields[i].Value
		if v.Kind == Computed {
			e.prefixes = fields
			continue
		}
		c.namespace(&fields[i])
	}
}

// namespace checks one prefix.
func (c *compiler) namespace(f *Field) {
	if f.Value.Kind != Text || f.Value.Text == "" {
		c.problem(f.Value.Place, "wrong-type", fmt.Sprintf("namespaces: want the URI of %s, found %s", quote(f.Name), showNode(&f.Value)))
	}
	if !prefixName.MatchString(f.Name) {
		c.problem(f.Place, "invalid-value", fmt.Sprintf("namespaces: %s is not a prefix", quote(f.Name)), "a default namespace needs a prefix of its own in XPath")
	}
}

// prefixesIn gives what the namespaces of a block declare; a URI that is
// computed stands in for itself.
func prefixesIn(block *Node) map[string]string {
	prefixes := map[string]string{}
	for i := range block.Fields {
		if block.Fields[i].Name != "namespaces" {
			continue
		}
		for _, f := range block.Fields[i].Value.Fields {
			prefixes[f.Name] = f.Value.Text
		}
	}
	return prefixes
}

// evaluatePrefixes gives the namespaces with those that are computed.
func evaluatePrefixes(fields []Field, compute Lookup) (map[string]string, error) {
	prefixes := map[string]string{}
	for i := range fields {
		n, err := fields[i].Value.evaluate(compute)
		if err != nil {
			return nil, err
		}
		if n.Kind != Text || n.Text == "" {
			return nil, fmt.Errorf("namespaces: want the URI of %s, found %s", quote(fields[i].Name), n.Kind)
		}
		prefixes[fields[i].Name] = n.Text
	}
	return prefixes, nil
}

// with gives the expression with the prefixes as they have been computed.
func (x *xpathExpr) with(fields []Field, compute Lookup) (*xpathExpr, error) {
	if fields == nil {
		return x, nil
	}
	prefixes, err := evaluatePrefixes(fields, compute)
	if err != nil {
		return nil, err
	}
	return &xpathExpr{x.text, prefixes, x.term}, nil
}

// xml gives what an XPath finds, or why that cannot be known.
func (c *checker) xml(a *assertion) (value, *Failure) {
	t, mistake := c.r.xml.parse(c.r.text())
	if mistake != nil {
		return value{}, c.unlike(a, whatIsNotXML(c.r.text(), mistake, c.display()))
	}
	x, err := a.xpath.with(c.e.prefixes, c.compute)
	if err != nil {
		f := a.cannotCompute(err, c.display())
		return value{}, &f
	}
	v, err := x.find(t)
	if err != nil {
		f := a.cannotCompute(err, c.display())
		return value{}, &f
	}
	return v, nil
}

// whatIsNotXML says what a body that is not XML seems to be.
func whatIsNotXML(s string, m *xmlMistake, d *display) string {
	head := strings.ToLower(s[:min(len(s), 4096)])
	if strings.TrimSpace(s) == "" || strings.Contains(head, "<html") {
		return strings.Replace(whatItIs(s, "body", d), "not JSON", "not XML", 1)
	}
	if gjson.Valid(s) {
		return "JSON where XML was due: " + d.quote(s)
	}
	return fmt.Sprintf("text that is not XML (line %d:%d: %s): %s", m.line, m.column, d.path(m.message), d.quote(s))
}

// xmlNotes say why an expression may have found nothing.
func xmlNotes(t *xmlTree, x *xpathExpr, d *display) []string {
	if d.hides(x.text) {
		return nil
	}
	return append(x.prefixNotes(t, d), spaceNotes(t, x, d)...)
}

// spaceNotes say what the namespaces of a document have to do with it that an
// expression finds nothing.
func spaceNotes(t *xmlTree, x *xpathExpr, d *display) []string {
	var notes []string
	for _, p := range sortedTexts(x.prefixes) {
		uri := x.prefixes[p]
		if !strings.Contains(x.text, p+":") || slices.ContainsFunc(t.spaces, func(s xmlDeclared) bool { return s.space == uri }) {
			continue
		}
		notes = append(notes, fmt.Sprintf("the namespace %s of the prefix %s is not in the document", d.path(uri), p))
	}
	if len(t.spaces) > 0 {
		notes = append(notes, "the document has the namespaces "+spacesOf(t, d))
	} else if len(x.prefixes) > 0 {
		notes = append(notes, "the document has no namespaces")
	}
	if local := x.missed(t); local != nil {
		notes = append(notes, fmt.Sprintf("there is %s in the namespace %s: declare that in namespaces: {%s: %q}, or use local-name()",
			d.path(local.qualified()), d.path(local.space), prefixFor(local), d.path(local.space)))
	}
	return notes
}

func prefixFor(n *xmlName) string {
	if n.prefix != "" {
		return n.prefix
	}
	return "p"
}

func sortedTexts(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func spacesOf(t *xmlTree, d *display) string {
	shown := make([]string, 0, maxShownKeys)
	for _, s := range t.spaces[:min(len(t.spaces), maxShownKeys)] {
		as := "prefix " + s.prefix
		if s.prefix == "" {
			as = "default"
		}
		shown = append(shown, d.path(s.space)+" ("+as+")")
	}
	if more := len(t.spaces) - maxShownKeys; more > 0 {
		return fmt.Sprintf("%s and %d more", joinWords(shown), more)
	}
	return joinWords(shown)
}

var xpathStepName = regexp.MustCompile(`(?:^|/|::|\[)(@?)([\pL_][\pL\pN_.-]*)(?:$|[/\[=])`)

// missed gives an element's name that the expression has without a prefix,
// and the document only in a namespace.
func (x *xpathExpr) missed(t *xmlTree) *xmlName {
	for _, m := range xpathStepName.FindAllStringSubmatch(x.text, -1) {
		var in *xmlName
		without := false
		for i := range t.names[1:] {
			n := &t.names[1+i]
			if n.local == m[2] {
				without = without || n.space == ""
				in = n
			}
		}
		if in != nil && !without && m[1] == "" && in.space != xmlSpace {
			return in
		}
	}
	return nil
}

// prefixNotes describes the longest part of the path that finds something.
func (x *xpathExpr) prefixNotes(t *xmlTree, d *display) []string {
	cuts := stepEnds(x.text)
	for i := len(cuts) - 1; i >= 0; i-- {
		prefix := x.text[:cuts[i]]
		part, err := newXPath(prefix, x.prefixes)
		if err != nil || !part.selects() {
			continue
		}
		found, err := part.run(t)
		if err != nil || len(found.nodes.refs) == 0 || found.nodes.refs[0].attr >= 0 {
			continue
		}
		return t.describe(shownPath(prefix)+" exists and has", found.nodes.refs[0].node, x.text[cuts[i]:], d)
	}
	root := t.element()
	notes := []string{"the document's element is " + d.path(t.nameOf(root).qualified())}
	return append(notes, t.describe("it has", root, "", d)...)
}

// stepEnds gives the ends of the steps of a path, but the last.
func stepEnds(s string) []int {
	var ends []int
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"', '\'':
			end := strings.IndexByte(s[i+1:], s[i])
			if end < 0 {
				return nil
			}
			i += end + 1
		case '[', '(':
			depth++
		case ']', ')':
			depth--
		case '/':
			if depth == 0 && i > 0 && s[i-1] != '/' {
				ends = append(ends, i)
			}
		}
	}
	return ends
}

var lastStep = regexp.MustCompile(`^/+(@?)([\pL_][\pL\pN_.:-]*)`)

// describe lists what is in an element, and proposes a name for the step that
// is not.
func (t *xmlTree) describe(begin string, id int32, rest string, d *display) []string {
	step := lastStep.FindStringSubmatch(rest)
	what, names := "elements", t.childNames(id)
	if step != nil && step[1] == "@" {
		what, names = "attributes", t.attrNames(id)
	}
	if len(names) == 0 {
		return []string{begin + " no " + what}
	}
	notes := []string{begin + " the " + what + " " + listOfNames(names, d)}
	if len(names) == 1 {
		notes[0] = begin + " the " + strings.TrimSuffix(what, "s") + " " + listOfNames(names, d)
	}
	if step != nil {
		if s := suggest(step[2], names); s != "" && s != step[2] {
			notes = append(notes, fmt.Sprintf("did you mean %s?", d.path(s)))
		}
	}
	return notes
}

func (t *xmlTree) childNames(id int32) []string {
	var names []string
	known := map[int32]struct{}{}
	for c := t.nodes[id].first; c > 0; c = t.nodes[c].next {
		if t.nodes[c].kind != xmlElement {
			continue
		}
		if _, again := known[t.nodes[c].name]; !again {
			known[t.nodes[c].name] = struct{}{}
			names = append(names, t.nameOf(c).qualified())
		}
	}
	return names
}

func (t *xmlTree) attrNames(id int32) []string {
	var names []string
	for _, a := range t.attrs[t.nodes[id].attrFrom:t.nodes[id].attrTo] {
		names = append(names, t.names[a.name].qualified())
	}
	return names
}

const (
	soap11 = "http://schemas.xmlsoap.org/soap/envelope/"
	soap12 = "http://www.w3.org/2003/05/soap-envelope"
)

// maxFaultBytes bounds the bodies that are searched for a fault only to
// explain a failure.
const maxFaultBytes = 1 << 20

// faultNote describes the SOAP fault that the answer is, if it is one.
func (r *Result) faultNote(d *display) string {
	if !strings.Contains(r.text(), "Fault") || len(r.text()) > maxFaultBytes {
		return ""
	}
	t, mistake := r.xml.parse(r.text())
	if mistake != nil {
		return ""
	}
	fault := t.fault()
	if fault == 0 {
		return ""
	}
	code, reason, detail := t.path(fault, "faultcode"), t.path(fault, "faultstring"), t.path(fault, "detail")
	if t.nameOf(fault).space == soap12 {
		code, reason, detail = t.path(fault, "Code", "Value"), t.path(fault, "Reason", "Text"), t.path(fault, "Detail")
	}
	note := "the answer is a SOAP fault"
	part := func(word string, id int32) {
		if id > 0 {
			note += word + d.quote(strings.Join(strings.Fields(t.spaced(id)), " "))
		}
	}
	part(" with the code ", code)
	if t.nameOf(fault).space == soap12 {
		for sub := t.path(fault, "Code", "Subcode"); sub > 0; sub = t.path(sub, "Subcode") {
			part(" and the subcode ", t.path(sub, "Value"))
		}
	}
	part(": ", reason)
	part(", detail ", detail)
	return note
}

// fault gives the Fault in the Body of an Envelope.
func (t *xmlTree) fault() int32 {
	root := t.element()
	if n := t.nameOf(root); n.local != "Envelope" || (n.space != soap11 && n.space != soap12) {
		return 0
	}
	return t.path(root, "Body", "Fault")
}

// path goes down by local names, to the first of each.
func (t *xmlTree) path(id int32, names ...string) int32 {
	for _, name := range names {
		c := t.nodes[id].first
		for c > 0 && (t.nodes[c].kind != xmlElement || t.nameOf(c).local != name) {
			c = t.nodes[c].next
		}
		if id = c; id == 0 {
			return 0
		}
	}
	return id
}

// spaced is the text of an element with blanks between its parts.
func (t *xmlTree) spaced(id int32) string {
	n := &t.nodes[id]
	if n.kind == xmlText {
		return n.text
	}
	var b strings.Builder
	for c := n.first; c > 0; c = t.nodes[c].next {
		if k := t.nodes[c].kind; k == xmlText || k == xmlElement {
			b.WriteString(t.spaced(c))
			b.WriteByte(' ')
		}
	}
	return b.String()
}

func readXPath(c *compiler, k *capture, s string, place Place) {
	c.prefixes = map[string]string{}
	for _, f := range k.prefixes {
		c.prefixes[f.Name] = f.Value.Text
	}
	k.xpath = c.xpath(s, place, "capture "+k.name)
}

func takeXML(k *capture, t *taker) (any, bool) {
	tree, mistake := t.r.xml.parse(t.r.text())
	if mistake != nil {
		return nil, false
	}
	v, err := k.xpath.find(tree)
	if err != nil {
		return nil, false
	}
	return v.captured()
}
