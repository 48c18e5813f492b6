package assertions

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
)

// Expectation is a compiled expect block. It is immutable and may be shared
// between goroutines.
type Expectation struct {
	assertions []assertion
	subjects   []string
	// status says that the block has one of its own.
	status       bool
	json, claims finder
	// prefixes are the namespaces of the block when some are computed.
	prefixes []Field
}

// Compile compiles an expect block and gives everything that is wrong with it.
// An expect of nil asserts only what the options say. The Expectation is what
// could be made of it, and is never nil; it is not to be used when there are
// problems.
func Compile(expect *Node, o Options) (*Expectation, []Problem) {
	c := newCompiler(o)
	e := &Expectation{}
	if expect != nil {
		c.expect(e, expect)
	}
	if o.Default2xx && !e.status {
		e.assertions = slices.Insert(e.assertions, 0, c.default2xx(o.DefaultPlace))
		e.subjects = slices.Insert(e.subjects, 0, "status")
	}
	e.complete()
	return e, c.problems
}

func (c *compiler) default2xx(place Place) assertion {
	n := &Node{Kind: Text, Text: "2xx", Place: place}
	return assertion{
		kind: onStatus, subject: "status", place: place, domain: domainStatus,
		match: c.plain(n, place, domainStatus, "status"),
	}
}

func (c *compiler) expect(e *Expectation, n *Node) {
	if n.Kind == Null || (n.Kind == Map && len(n.Fields) == 0) {
		c.problem(n.Place, "empty-block", "expect asserts nothing")
		return
	}
	if n.Kind != Map {
		c.problem(n.Place, "wrong-type", fmt.Sprintf("expect: want a mapping from subjects to matchers, found %s", showNode(n)))
		return
	}
	c.prefixes = prefixesIn(n)
	c.unusedPrefixes(n)
	rows := subjects()
	for i := range n.Fields {
		f := &n.Fields[i]
		at := slices.IndexFunc(rows, func(s subject) bool { return s.name == f.Name })
		if at < 0 || !c.has(f.Name) {
			c.unknownSubject(f, at >= 0)
			continue
		}
		rows[at].compile(c, e, &rows[at], f)
	}
}

// unusedPrefixes reports namespaces that nothing is looked up with.
func (c *compiler) unusedPrefixes(n *Node) {
	at := slices.IndexFunc(n.Fields, func(f Field) bool { return f.Name == "namespaces" })
	used := slices.ContainsFunc(n.Fields, func(f Field) bool { return f.Name == "xml" || f.Name == "matches-file" })
	if at >= 0 && !used && c.has("xml") {
		c.problem(n.Fields[at].Place, "empty-block", "namespaces asserts nothing: want the XPaths of xml beside it")
	}
}

// has reports whether the kind of step has the subject.
func (c *compiler) has(name string) bool {
	if name == "namespaces" {
		name = "xml"
	}
	return slices.Contains(c.options.Subjects, name)
}

func (c *compiler) unknownSubject(f *Field, known bool) {
	names := c.options.Subjects
	message := fmt.Sprintf("unknown key %s in expect%s", quote(f.Name), didYouMean(f.Name, names))
	var hints []string
	if known {
		message = fmt.Sprintf("unknown key %s in expect: this kind of step has no %s", quote(f.Name), f.Name)
	}
	if known || suggest(f.Name, names) == "" {
		hints = []string{"possible here: " + joinWords(names)}
	}
	c.problem(f.Place, "unknown-key", message, hints...)
}

func (e *Expectation) add(a assertion) {
	e.assertions = append(e.assertions, a)
	if !slices.Contains(e.subjects, a.subject) {
		e.subjects = append(e.subjects, a.subject)
	}
}

// complete makes the finders once all paths are known.
func (e *Expectation) complete() {
	for i := range e.assertions {
		a := &e.assertions[i]
		switch a.kind {
		case onJSON:
			a.slot = int32(e.json.add(a.parsed))
		case onClaims:
			a.slot = int32(e.claims.add(a.parsed))
		}
	}
	e.json.complete()
	e.claims.complete()
	for i := range e.assertions {
		a := &e.assertions[i]
		switch a.kind {
		case onJSON:
			a.slot = int32(e.json.slots[a.slot])
		case onClaims:
			a.slot = int32(e.claims.slots[a.slot])
		}
		a.parsed = nil
	}
	e.json.slots, e.claims.slots = nil, nil
	// Thousands of steps are held at the same time: no room to grow.
	e.assertions = append(make([]assertion, 0, len(e.assertions)), e.assertions...)
}

// Subjects gives the names of what is asserted, each once, in the order
// written; with status in front when that is only the default.
func (e *Expectation) Subjects() []string { return slices.Clone(e.subjects) }

// CheckFiles checks the files whose paths are computed, such as from a row of
// data, as [Compile] does those that are written out: an expected file or a
// schema that is missing or broken is found before the run. A path that cannot
// be computed yet is passed over. The options are those of Compile.
func (e *Expectation) CheckFiles(o Options, compute Lookup) []Problem {
	c := newCompiler(o)
	for i := range e.assertions {
		switch x := e.assertions[i].judge.(type) {
		case *expectedFile:
			if n, ok := pathKnown(&x.file, compute); ok {
				known := *x
				known.file = n
				known.check(c)
			}
		case *schemaFile:
			if n, ok := pathKnown(&x.file, compute); ok && x.read != nil {
				c.schemaFile(x, n.Text, n.Place)
			}
		}
	}
	return c.problems
}

// pathKnown evaluates a path that is computed, where that is possible.
func pathKnown(n *Node, compute Lookup) (Node, bool) {
	if n.Kind != Computed {
		return Node{}, false
	}
	known, err := n.evaluate(compute)
	return known, err == nil && known.Kind == Text && known.Text != ""
}

// AcceptsStatus reports whether the block has a status of its own and it holds
// for code: such a step asks for the 401 it gets. A status that is computed is
// not known here: see [Expectation.AcceptsStatusWith].
func (e *Expectation) AcceptsStatus(code int) bool { return e.AcceptsStatusWith(code, nil) }

// AcceptsStatusWith is AcceptsStatus for a status that may be computed.
func (e *Expectation) AcceptsStatusWith(code int, compute Lookup) bool {
	if !e.status {
		return false
	}
	found := false
	for i := range e.assertions {
		a := &e.assertions[i]
		if a.kind != onStatus {
			continue
		}
		m, err := a.match.resolve(compute, nil)
		if err != nil || m.failing(&value{form: number, whole: int64(code), domain: domainStatus}) != nil {
			return false
		}
		found = true
	}
	return found
}

// Check judges a result, and gives each assertion that does not hold once, in
// the order written; nil when all of them hold. compute may be nil when
// nothing in the block is computed.
func (e *Expectation) Check(r *Result, compute Lookup) []Failure {
	c := &checker{e: e, r: r, compute: compute}
	c.all(func(a *assertion) bool { return a.kind != onFile })
	c.others = len(c.failed)
	c.all(func(a *assertion) bool { return a.kind == onFile })
	if c.failed == nil {
		return nil
	}
	slices.SortStableFunc(c.failed, func(a, b failed) int { return a.at - b.at })
	failures := make([]Failure, len(c.failed))
	for i := range c.failed {
		failures[i] = c.failed[i].failure
	}
	c.explainFault(failures)
	return failures
}

// all judges the assertions of a kind.
func (c *checker) all(of func(a *assertion) bool) {
	for i := range c.e.assertions {
		if a := &c.e.assertions[i]; of(a) {
			if f := c.check(a); f != nil {
				c.failed = append(c.failed, failed{i, *f})
			}
		}
	}
}

// judge judges a whole payload.
type judge interface {
	judge(c *checker, a *assertion) *Failure
}

// checker is one judgement.
type checker struct {
	e       *Expectation
	r       *Result
	compute Lookup
	// json and claims are what the finders found, once they have looked.
	json, claims []string
	show         *display // when there is something to show
	// others counts the failures of all assertions but matches-file: a file is
	// not updated from an answer that is wrong.
	others int
	failed []failed
}

// failed is the failure of an assertion, by its number.
type failed struct {
	at      int
	failure Failure
}

// display gives what is shown with, the same for all failures.
func (c *checker) display() *display {
	c.show = c.show.orNew(c.r.Hide)
	return c.show
}

// check judges one assertion; nil when it holds.
func (c *checker) check(a *assertion) *Failure {
	if a.judge != nil {
		return a.judge.judge(c, a)
	}
	v, failure := c.found(a)
	if failure != nil {
		return failure
	}
	m := &a.match
	if m.computed {
		var err error
		if m, err = a.match.resolve(c.compute, c.display()); err != nil {
			f := a.cannotCompute(err, c.display())
			return &f
		}
	}
	if t := m.failing(&v); t != nil {
		f := c.explain(a, m, t, &v, c.display())
		return &f
	}
	return nil
}

// found gives what a subject holds, or why there is nothing to hold.
func (c *checker) found(a *assertion) (value, *Failure) {
	if a.kind == onXML {
		return c.xml(a)
	}
	v, ok := c.value(a)
	if !ok {
		f := c.notJSON(a, c.display())
		return v, &f
	}
	return v, nil
}

// explainFault adds the SOAP fault that an answer is to the first failure of a
// subject that it explains.
func (c *checker) explainFault(failures []Failure) {
	told := map[string]bool{}
	for i := range failures {
		f := &failures[i]
		if told[f.Subject] || !slices.Contains([]string{"status", "xml", "json", "body", "schema", "matches-file"}, f.Subject) {
			continue
		}
		told[f.Subject] = true
		if note := c.r.faultNote(c.display()); note != "" {
			f.Notes = append(f.Notes, note)
		}
	}
}

// value gives what a subject holds, and false when it is in a document that is
// not JSON.
func (c *checker) value(a *assertion) (value, bool) {
	r := c.r
	switch a.kind {
	case onStatus:
		return value{form: number, whole: int64(r.Status), domain: domainStatus}, true
	case onHeaders:
		return headerValue(r.Header, a.key), true
	case onJSON:
		if !r.body.parse(r.text()) {
			return value{}, false
		}
		if c.json == nil {
			c.json = c.e.json.find(r.body.text)
		}
		return fromJSON(c.json[a.slot]), true
	case onClaims:
		if !r.claims.parse(r.Claims) {
			return value{}, false
		}
		if c.claims == nil {
			c.claims = c.e.claims.find(r.claims.text)
		}
		return fromJSON(c.claims[a.slot]), true
	case onBody:
		return value{form: text, text: r.text(), domain: domainText}, true
	case onDuration:
		return value{form: number, whole: int64(r.Duration), domain: domainDuration}, true
	case onSize:
		return value{form: number, whole: int64(len(r.Body)), domain: domainSize}, true
	case onCookies:
		return cookieValue(r.Cookies, a.key), true
	case onScopes:
		return scopesValue(r.Scopes), true
	case onLifetime:
		return value{form: number, whole: int64(r.Lifetime), domain: domainDuration}, true
	case onCustomHeaders:
		return propertyValue(r.CustomHeaders, a.key), true
	case onAttachments:
		return attachmentValue(r.Attachments, a.key), true
	case onTLS:
		return certificateValue(r.TLS, a.key), true
	case onCertificate:
		return certificateValue(r.Certificate, a.key), true
	}
	if r.Signature == "" {
		return value{domain: domainText}, true
	}
	return value{form: text, text: r.Signature, domain: domainText}, true
}

func cookieValue(cookies []*http.Cookie, name string) value {
	var values []string
	for _, k := range cookies {
		if k != nil && k.Name == name {
			values = append(values, k.Value)
		}
	}
	return valueOfTexts(values)
}

func propertyValue(properties []Property, name string) value {
	var values []string
	for _, p := range properties {
		if p.Name == name {
			values = append(values, p.Value)
		}
	}
	return valueOfTexts(values)
}

func attachmentValue(attachments []Attachment, name string) value {
	var values []string
	for _, a := range attachments {
		if a.Name == name {
			values = append(values, decodeText(a.Content, a.ContentType))
		}
	}
	return valueOfTexts(values)
}

func scopesValue(scopes []string) value {
	if scopes == nil {
		scopes = []string{}
	}
	// Marshalling a list of strings has no error to report.
	raw, _ := json.Marshal(scopes)
	return value{form: list, text: string(raw), domain: domainScopes}
}

// cannotCompute is a failure of an assertion whose operand has no value.
func (a *assertion) cannotCompute(err error, d *display) Failure {
	return Failure{
		Place: a.place, Subject: a.subject, Path: a.path,
		Message: a.what(d) + ": " + err.Error(), NotJudged: true,
	}
}
