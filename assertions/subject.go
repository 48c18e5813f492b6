package assertions

import (
	"fmt"
	"net/textproto"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// SubjectDoc says what a subject of an expect block is.
type SubjectDoc struct {
	// Name is the key in the expect block.
	Name string
	// Operand says what stands behind it.
	Operand string
	// Doc is a sentence or two.
	Doc string
	// Example is an entry of expect.
	Example string
}

// SubjectDocs gives the subjects in the order of the reference.
func SubjectDocs() []SubjectDoc {
	rows := subjects()
	docs := make([]SubjectDoc, len(rows))
	for i, r := range rows {
		docs[i] = SubjectDoc{r.name, r.operand, r.doc, r.example}
	}
	return docs
}

// subject is a row of the language: what the compiler, the reference and the
// JSON Schema know of it.
type subject struct {
	name, operand, doc, example string
	// kind is what an assertion of it looks at.
	kind    subjectKind
	domain  domain
	schema  func() map[string]any
	compile func(c *compiler, e *Expectation, s *subject, f *Field)
}

type subjectKind uint8

const (
	onStatus subjectKind = iota
	onHeaders
	onJSON
	onBody
	onDuration
	onSize
	onCookies
	onClaims
	onScopes
	onLifetime
	onSignature
	onTLS
	onCertificate
	onXML
	onSchema
	onFile
	onCustomHeaders
	onAttachments
)

// subjects gives the rows.
func subjects() []subject {
	return []subject{
		{
			name: "status", operand: "a number, a class, a list of them, or a matcher", kind: onStatus, domain: domainStatus,
			doc:     "The HTTP status: 200, a class such as 2xx, a list (one of them), or a matcher. Without it a call or token must answer 2xx.",
			example: "status: [200, 202]",
			schema:  statusSchema, compile: compileStatus,
		},
		{
			name: "headers", operand: "name → matcher", kind: onHeaders, domain: domainText,
			doc:     "Headers by name, in any case. A header is text; an operator that compares numbers takes one that looks like a number as such. Of a header that is there several times, the values joined by \", \" or one of them must hold; not and not-contains hold when none of them is so.",
			example: "headers: {Content-Type: {contains: json}}",
			schema:  matchersSchema, compile: compileEntries,
		},
		{
			name: "json", operand: "gjson path → matcher", kind: onJSON, domain: domainJSON,
			doc:     "Values of a JSON body by gjson path; \"@this\" is the document. Names with dots are written with \\. in them. A byte order mark is ignored; of a name that stands twice in an object the first counts.",
			example: "json: {order.id: {type: integer}}",
			schema:  matchersSchema, compile: compileEntries,
		},
		{
			name: "xml", operand: "XPath 1.0 → matcher", kind: onXML, domain: domainText,
			doc:     "Values of an XML body by XPath: the text of the first node, or what the expression computes (a number of count() or sum(), a boolean, text). Prefixes are those of namespaces, and xml; a name without one is that of an element in no namespace. The whole of XPath 1.0 is known but id() and the axis namespace; what XPath 2.0 adds (matches, lower-case, ends-with …) is not: use the operators. A document type that declares entities is refused.",
			example: "xml: {\"//*[local-name()='Ticket']\": T-1}",
			schema:  matchersSchema, compile: compileXML,
		},
		{
			name: "namespaces", operand: "prefix → URI",
			doc:     "Prefixes for the XPaths of xml, and of what matches-file ignores.",
			example: "namespaces: {p: \"urn:orders\"}",
			schema:  textsSchema, compile: compileNamespaces,
		},
		{
			name: "body", operand: "a matcher", kind: onBody, domain: domainText,
			doc:     "The body as text: read in the encoding that its byte order mark, the charset of Content-Type or an XML declaration gives, and otherwise as it came. A byte order mark is no part of it.",
			example: "body: {contains: accepted}",
			schema:  matcherReference, compile: compileWhole,
		},
		{
			name: "schema", operand: "a path", kind: onSchema,
			doc:     "The file of a JSON Schema (2020-12 unless its $schema says otherwise) that the JSON body must satisfy. $ref leads to other files of the project, never to the network; format is asserted.",
			example: "schema: order.schema.json",
			schema:  stringSchema, compile: compileSchema,
		},
		{
			name: "matches-file", operand: "a path, or {file, ignore, as, whitespace}", kind: onFile,
			doc:     "The whole payload is that of the file. JSON and XML are compared by structure: the order of names and of attributes, the form of numbers, comments, and the prefixes of namespaces do not matter, nor do the blanks between values and elements and those around the text of XML; a name that stands twice in an object does. Text is compared by line, however a line ends. What the file is follows from its extension or its content, or as: json, xml or text says it (with text, every character counts). With whitespace: strict the text of an XML element counts with the blanks around it, so that padding that is lost is found, and so does blank text alone; only what indents elements does not; in text, the ends of lines count. ignore lists what may differ: gjson paths with # for every element, * in names and @dig:NAME for a name at any depth, or XPaths; a path that leads nowhere is told when there is a difference.",
			example: "matches-file: {file: expected.json, ignore: [created, \"lines.#.id\"]}",
			schema:  matchesFileSchema, compile: compileMatchesFile,
		},
		{
			name: "duration", operand: "a matcher", kind: onDuration, domain: domainDuration,
			doc:     "How long the answer took, whole. A duration needs its unit.",
			example: "duration: {lt: 2s}",
			schema:  matcherReference, compile: compileWhole,
		},
		{
			name: "size", operand: "a matcher", kind: onSize, domain: domainSize,
			doc:     "The size of the decoded body. A bare number is bytes, KB is 1000 bytes, KiB is 1024.",
			example: "size: {lte: 64KB}",
			schema:  matcherReference, compile: compileWhole,
		},
		{
			name: "cookies", operand: "name → matcher", kind: onCookies, domain: domainText,
			doc:     "The values of cookies by name.",
			example: "cookies: {JSESSIONID: {exists: true}}",
			schema:  matchersSchema, compile: compileEntries,
		},
		{
			name: "tls", operand: "{days-left, subject, issuer, version}", kind: onTLS,
			doc:     "The certificate of the server: whole days until it expires, and the names of its owner and of who signed it, written CN=…,O=…; and the version of TLS, 1.2 or 1.3.",
			example: "tls: {days-left: {gte: 30}}",
			schema:  certificateSchema, compile: compileCertificate,
		},
		{
			name: "claims", operand: "gjson path → matcher", kind: onClaims, domain: domainJSON,
			doc:     "The claims of the token.",
			example: "claims: {grant_type: client_credentials}",
			schema:  matchersSchema, compile: compileEntries,
		},
		{
			name: "scopes", operand: "a list of scopes, or a matcher", kind: onScopes, domain: domainScopes,
			doc:     "Scopes that the token was granted, each of them; compared whole or after the \"xsappname!t123.\" prefix.",
			example: "scopes: [ESBMessaging.send]",
			schema:  scopesSchema, compile: compileScopes,
		},
		{
			name: "lifetime", operand: "a matcher", kind: onLifetime, domain: domainDuration,
			doc:     "How long the token lives from now on.",
			example: "lifetime: {gte: 10m}",
			schema:  matcherReference, compile: compileWhole,
		},
		{
			name: "signature", operand: "valid", kind: onSignature, domain: domainText,
			doc:     "Signature, algorithm and expiry of the token, against the keys that the issuer publishes.",
			example: "signature: valid",
			schema:  signatureSchema, compile: compileSignature,
		},
		{
			name: "certificate", operand: "{days-left, subject, issuer, version}", kind: onCertificate,
			doc:     "The X.509 certificate of the credential: whole days until it ends, by the earliest of its own end, the end of those that signed it and validuntil of the service key; the names of its owner and of who signed it, written CN=…,O=…; the version of X.509.",
			example: "certificate: {days-left: {gte: 30}}",
			schema:  certificateSchema, compile: compileCertificate,
		},
		{
			name: "custom-headers", operand: "name → matcher", kind: onCustomHeaders, domain: domainText,
			doc:     "Custom header properties of the message processing log, by their exact names. Of one that is there several times, the values joined by \", \" or one of them must hold.",
			example: "custom-headers: {OrderNumber: \"4711\"}",
			schema:  matchersSchema, compile: compileEntries,
		},
		{
			name: "attachments", operand: "name → matcher", kind: onAttachments, domain: domainText,
			doc:     "Attachments of the message processing log by name: their content as text.",
			example: "attachments: {payload.xml: {contains: A-100}}",
			schema:  matchersSchema, compile: compileEntries,
		},
	}
}

// assertion is one line of an expect block.
type assertion struct {
	subject string
	// path is the name below the subject as written; key is what it is looked
	// up by: the header in canonical form, the cookie, the scope.
	path, key string
	// parsed is the gjson path until the finder has it; slot is its place in
	// the finder's answer.
	parsed *path
	xpath  *xpathExpr
	// judge is set where the whole payload is judged, and not a value of it.
	judge  judge
	place  Place
	match  matcher
	slot   int32
	domain domain
	kind   subjectKind
}

func (a *assertion) what(d *display) string {
	if a.path == "" {
		return a.subject
	}
	return a.subject + " " + d.path(a.path)
}

// shownPath keeps a path on one line, whatever is in it.
func shownPath(p string) string {
	for _, r := range p {
		if r < ' ' || r == 0x7f || r == '\ufffd' {
			return quote(p)
		}
	}
	return cut(p, maxShown)
}

func compileStatus(c *compiler, e *Expectation, s *subject, f *Field) {
	n := f.Value
	if n.Kind == List && len(n.Items) > 0 {
		// A list is one of them.
		n = Node{Kind: Map, Place: n.Place, Fields: []Field{{Name: "one-of", Place: f.Place, Value: n}}}
	}
	e.status = true
	compileWhole(c, e, s, &Field{Name: f.Name, Place: f.Place, Value: n})
}

// compileWhole compiles a subject that is one value.
func compileWhole(c *compiler, e *Expectation, s *subject, f *Field) {
	e.add(assertion{
		kind: s.kind, subject: s.name, place: f.Place, domain: s.domain,
		match: c.matcher(&f.Value, f.Place, s.domain, s.name),
	})
}

func compileSignature(c *compiler, e *Expectation, s *subject, f *Field) {
	if f.Value.Kind == Text && f.Value.Text != "valid" {
		c.problem(f.Value.Place, "invalid-value", fmt.Sprintf("signature: want valid, found %s", showNode(&f.Value)))
		return
	}
	compileWhole(c, e, s, f)
}

// compileScopes makes an assertion of each scope of a list, so that each one
// that is missing is named.
func compileScopes(c *compiler, e *Expectation, s *subject, f *Field) {
	contains := c.operator("contains")
	one := func(n *Node, place Place) {
		var m matcher
		if _, ok := scalarText(n); !ok && n.Kind != Computed {
			c.problem(n.Place, "invalid-matcher", "scopes: want the name of a scope, found "+n.Kind.String())
			return
		}
		if t, ok := c.test(contains, n, place, domainScopes, s.name); ok {
			m.add(t)
		}
		e.add(assertion{kind: onScopes, subject: s.name, place: place, domain: domainScopes, match: m})
	}
	switch f.Value.Kind {
	case Map:
		compileWhole(c, e, s, f)
	case List:
		if len(f.Value.Items) == 0 {
			c.problem(f.Place, "empty-block", "scopes asserts nothing: want the scopes that must be granted")
		}
		for i := range f.Value.Items {
			one(&f.Value.Items[i], f.Value.Items[i].Place)
		}
	default:
		one(&f.Value, f.Place)
	}
}

const commentHint = "a path that begins with # is a YAML comment unless it is quoted: \"#.sku\""

// entries gives the fields of a subject that is a mapping, and says so when it
// is none or empty.
func (c *compiler) entries(name string, f *Field) ([]Field, bool) {
	n := &f.Value
	if n.Kind == Null || (n.Kind == Map && len(n.Fields) == 0) {
		var hints []string
		if name == "json" || name == "claims" {
			hints = []string{commentHint}
		}
		c.problem(f.Place, "empty-block", name+" asserts nothing", hints...)
		return nil, false
	}
	if n.Kind != Map {
		c.problem(n.Place, "wrong-type", fmt.Sprintf("%s: want a mapping from names to values or matchers, found %s", name, showNode(n)))
		return nil, false
	}
	return n.Fields, true
}

// compileEntries compiles a subject that is a mapping from names to matchers.
func compileEntries(c *compiler, e *Expectation, s *subject, f *Field) {
	fields, ok := c.entries(s.name, f)
	if !ok {
		return
	}
	for i := range fields {
		c.entry(e, s, &fields[i])
	}
}

func (c *compiler) entry(e *Expectation, s *subject, f *Field) {
	a := assertion{kind: s.kind, subject: s.name, path: f.Name, place: f.Place, domain: s.domain}
	ok := true
	switch s.kind {
	case onHeaders:
		a.key, ok = c.headerName(f.Name, f.Place, s.name)
	case onCookies, onCustomHeaders, onAttachments:
		a.key = f.Name
	default:
		a.parsed = c.path(f.Name, f.Place, s.name)
		ok = a.parsed != nil
	}
	a.match = c.matcher(&f.Value, f.Place, s.domain, a.what(c.show))
	if ok {
		e.add(a)
	}
}

// headerName gives the canonical form of a header's name.
func (c *compiler) headerName(name string, place Place, what string) (string, bool) {
	if !httpguts.ValidHeaderFieldName(name) && !strings.Contains(name, "${") {
		c.problem(place, "invalid-value", fmt.Sprintf("%s: %s is not the name of a header", what, quote(name)))
		return "", false
	}
	return textproto.CanonicalMIMEHeaderKey(name), true
}

func certificateKeys() []string { return []string{"days-left", "subject", "issuer", "version"} }

func compileCertificate(c *compiler, e *Expectation, s *subject, f *Field) {
	fields, ok := c.entries(s.name, f)
	if !ok {
		return
	}
	for i := range fields {
		g := &fields[i]
		if !slices.Contains(certificateKeys(), g.Name) {
			c.problem(g.Place, "unknown-key", fmt.Sprintf("unknown key %s in %s%s", quote(g.Name), s.name, didYouMean(g.Name, certificateKeys())))
			continue
		}
		d := domainText
		if g.Name == "days-left" {
			d = domainCount
		}
		e.add(assertion{
			kind: s.kind, subject: s.name, path: g.Name, key: g.Name, place: g.Place, domain: d,
			match: c.matcher(&g.Value, g.Place, d, s.name+" "+g.Name),
		})
	}
}

// certificateValue gives a property of a certificate; nil has none.
func certificateValue(c *Certificate, key string) value {
	if key == "days-left" {
		if c == nil {
			return value{domain: domainCount}
		}
		return value{form: number, whole: int64(c.DaysLeft), domain: domainCount}
	}
	if c == nil {
		return value{domain: domainText}
	}
	v := value{form: text, domain: domainText}
	switch key {
	case "subject":
		v.text = c.Subject
	case "issuer":
		v.text = c.Issuer
	default:
		v.text = c.Version
	}
	return v
}

// headerValue gives what a header holds: the values joined, and each of
// several.
func headerValue(h map[string][]string, key string) value {
	values, ok := h[key]
	if !ok {
		values = anyCase(h, key)
	}
	return valueOfTexts(values)
}

// anyCase looks for a header whose name is not in canonical form.
func anyCase(h map[string][]string, key string) []string {
	name := ""
	for k := range h {
		if strings.EqualFold(k, key) && (name == "" || k < name) {
			name = k
		}
	}
	if name == "" {
		return nil
	}
	return h[name]
}

func valueOfTexts(values []string) value {
	switch len(values) {
	case 0:
		return value{domain: domainText}
	case 1:
		return value{form: text, text: values[0], domain: domainText}
	}
	return value{form: text, text: strings.Join(values, ", "), others: values, domain: domainText}
}
