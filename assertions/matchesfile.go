package assertions

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// payloadKind says how payloads are compared.
type payloadKind string

// The kinds of payload, as they stand behind as.
const (
	payloadJSON payloadKind = "json"
	payloadXML  payloadKind = "xml"
	payloadText payloadKind = "text"
)

func payloadKinds() []string {
	return []string{string(payloadJSON), string(payloadXML), string(payloadText)}
}

// whitespace says whether blanks around the text of XML, and ends of lines in
// text, are differences.
type whitespace string

// The values behind whitespace.
const (
	whitespaceIgnored whitespace = "ignore"
	whitespaceStrict  whitespace = "strict"
)

func whitespaces() []string { return []string{string(whitespaceIgnored), string(whitespaceStrict)} }

// expectedFile is the assertion that a payload is that of a file.
type expectedFile struct {
	file   Node
	as     payloadKind // "" when the file says it
	ignore []Node
	// blanks says whether whitespace counts: "" when it is not said.
	blanks   whitespace
	blanksAt Place
	prefixes map[string]string
	read     func(path string) ([]byte, error)
}

func compileMatchesFile(c *compiler, e *Expectation, s *subject, f *Field) {
	before := len(c.problems)
	x := &expectedFile{file: f.Value, prefixes: c.prefixes, read: c.options.ReadFile}
	if f.Value.Kind == Map {
		x.file = Node{}
		for i := range f.Value.Fields {
			c.matchesFileKey(x, &f.Value.Fields[i], s.name)
		}
		named := slices.ContainsFunc(f.Value.Fields, func(g Field) bool { return g.Name == "file" })
		if !named && len(c.problems) == before {
			c.problem(f.Place, "missing-key", s.name+" needs a file")
		}
	} else {
		c.pathOfFile(&x.file, s.name)
	}
	if len(c.problems) > before {
		return
	}
	x.check(c)
	e.add(assertion{kind: s.kind, subject: s.name, place: f.Place, judge: x})
}

// pathOfFile checks that a node can be a path.
func (c *compiler) pathOfFile(n *Node, what string) {
	if (n.Kind != Text || n.Text == "") && n.Kind != Computed {
		c.problem(n.Place, "wrong-type", fmt.Sprintf("%s: want the path of a file, found %s", what, showNode(n)))
	}
}

func (c *compiler) matchesFileKey(x *expectedFile, f *Field, name string) {
	switch f.Name {
	case "file":
		x.file = f.Value
		c.pathOfFile(&f.Value, "file of "+name)
	case "as":
		x.as = payloadKind(f.Value.Text)
		if f.Value.Kind != Text || (x.as != payloadJSON && x.as != payloadXML && x.as != payloadText) {
			c.problem(f.Value.Place, "invalid-value", fmt.Sprintf("as of %s: want one of %s, found %s%s", name,
				joinWords(payloadKinds()), showNode(&f.Value), didYouMean(f.Value.Text, payloadKinds())))
		}
	case "whitespace":
		x.blanks = whitespace(f.Value.Text)
		if f.Value.Kind != Text || !slices.Contains(whitespaces(), f.Value.Text) {
			c.problem(f.Value.Place, "invalid-value", fmt.Sprintf("whitespace of %s: want one of %s, found %s%s", name,
				joinWords(whitespaces()), showNode(&f.Value), didYouMean(f.Value.Text, whitespaces())))
		}
		x.blanksAt = f.Place
	case "ignore":
		if f.Value.Kind != List || len(f.Value.Items) == 0 {
			c.problem(f.Value.Place, "wrong-type", fmt.Sprintf("ignore of %s: want a list of paths, found %s", name, showNode(&f.Value)))
			return
		}
		x.ignore = f.Value.Items
		for i := range x.ignore {
			if n := &x.ignore[i]; (n.Kind != Text || n.Text == "") && n.Kind != Computed {
				c.problem(n.Place, "wrong-type", fmt.Sprintf("ignore of %s: want a path, found %s", name, showNode(n)), commentHint)
			}
		}
	default:
		c.problem(f.Place, "unknown-key", fmt.Sprintf("unknown key %s in %s%s", quote(f.Name), name, didYouMean(f.Name, []string{"file", "ignore", "as", "whitespace"})))
	}
}

// check finds before the run what can be known of the file and of what is
// ignored.
func (x *expectedFile) check(c *compiler) {
	kind := x.as
	if x.file.Kind == Text && x.read != nil {
		content, err := x.read(x.file.Text)
		switch {
		case err == nil:
			kind = x.kindOf(x.file.Text, string(content))
			if err := x.broken(kind, x.file.Text, string(content)); err != nil && !c.options.UpdateExpected {
				c.problem(x.file.Place, "bad-file", err.Error())
			}
		case !c.options.UpdateExpected || !isMissing(err):
			c.fileProblem(x.file.Place, err)
		}
	}
	if kind == payloadJSON && x.blanks != "" {
		c.problem(x.blanksAt, "invalid-value", "whitespace of matches-file: in JSON blanks within text always count and those between values never do", "whitespace is for XML and text")
	}
	for i := range x.ignore {
		x.checkIgnored(c, &x.ignore[i], kind)
	}
}

// fileProblem says that a file cannot be read.
func (c *compiler) fileProblem(place Place, err error) {
	if e, ok := errors.AsType[*FileError](err); ok {
		c.problem(place, e.Code, e.Message, e.Hints...)
		return
	}
	c.problem(place, "bad-file", err.Error())
}

func isMissing(err error) bool {
	if e, ok := errors.AsType[*FileError](err); ok {
		return e.Missing
	}
	return errors.Is(err, fs.ErrNotExist)
}

// checkIgnored checks a path for the kind of payload; one that is not known
// yet must be right for JSON or for XML.
func (x *expectedFile) checkIgnored(c *compiler, n *Node, kind payloadKind) {
	if n.Kind != Text {
		return
	}
	_, notJSON := parseIgnore(n.Text)
	path, notXML := newXPath(n.Text, x.prefixes)
	computes := notXML == nil && !path.selects()
	switch {
	case kind == payloadText:
		c.problem(n.Place, "invalid-value", "ignore of matches-file: text is compared by line and has no paths")
	case kind == payloadJSON && notJSON != nil, kind == "" && notJSON != nil && (notXML != nil || computes):
		c.problem(n.Place, "invalid-path", "ignore of matches-file: "+notJSON.Error(), commentHint)
	case kind == payloadXML && computes:
		c.problem(n.Place, "invalid-xpath", fmt.Sprintf("ignore of matches-file: %s gives %s, and what is ignored are nodes", quote(n.Text), path.term.traits().kind))
	case kind == payloadXML && notXML != nil:
		c.xpathProblem(n.Place, "ignore of matches-file", n.Text, notXML)
	}
}

// kindOf says how a file is compared: as it is said, by its extension, or by
// its content.
func (x *expectedFile) kindOf(file, content string) payloadKind {
	if x.as != "" {
		return x.as
	}
	switch strings.ToLower(filepath.Ext(file)) {
	case ".json", ".geojson", ".jsonld":
		return payloadJSON
	case ".xml", ".xsd", ".xsl", ".xslt", ".wsdl", ".edmx", ".soap":
		return payloadXML
	case ".txt", ".csv", ".edi":
		return payloadText
	}
	start := strings.TrimSpace(decodeText(content, ""))
	var d document
	switch {
	case start == "":
		return payloadText
	case (start[0] == '{' || start[0] == '[') && d.parse(content):
		return payloadJSON
	case start[0] == '<':
		if _, m := parseXML(content); m == nil {
			return payloadXML
		}
	}
	return payloadText
}

// broken says what is wrong with an expected file.
func (x *expectedFile) broken(kind payloadKind, file, content string) error {
	switch kind {
	case payloadJSON:
		var d document
		if !d.parse(content) {
			return jsonMistake(file, content)
		}
	case payloadXML:
		if _, m := parseXML(content); m != nil {
			return fmt.Errorf("%s:%d:%d: not XML: %s", file, m.line, m.column, m.message)
		}
	}
	return nil
}

// jsonMistake says where a file stops being JSON.
func jsonMistake(file, content string) error {
	if strings.TrimSpace(content) == "" {
		return fmt.Errorf("%s is empty, and JSON was due", file)
	}
	if strings.Contains(content, "\x00") && gjson.Valid(decodeText(content, "")) {
		return fmt.Errorf("%s is UTF-16, and JSON is UTF-8 (RFC 8259): save it as UTF-8", file)
	}
	var v any
	err := json.Unmarshal([]byte(strings.TrimPrefix(content, "\ufeff")), &v)
	line, column, why := 1, 1, "not JSON"
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		at := int(e.Offset) - 1 + len(content) - len(strings.TrimPrefix(content, "\ufeff"))
		line, column = placeIn(content, at)
		why = "not JSON: " + e.Error()
		if r, n := utf8.DecodeRuneInString(content[min(max(at, 0), len(content)):]); n > 1 {
			why = fmt.Sprintf("not JSON: unexpected %q", r) // the error shows one byte of it
		}
	}
	return fmt.Errorf("%s:%d:%d: %s", file, line, column, why)
}

// placeIn gives the line and column, in characters, of an index of a text.
func placeIn(s string, at int) (line, column int) {
	before := s[:max(0, min(at, len(s)))]
	return 1 + strings.Count(before, "\n"), 1 + len([]rune(before[strings.LastIndexByte(before, '\n')+1:]))
}

// fileComparison is one judgement of a payload against a file.
type fileComparison struct {
	*expectedFile
	c    *checker
	a    *assertion
	file string
	kind payloadKind
	// ignored are the paths, evaluated; used are those that lead to something in
	// one of the documents.
	ignored []string
	used    []bool
	// wanted is the expected document, where that is XML.
	wanted *xmlTree
	out    differences
	// diff and hidden are that of a text.
	diff, hidden string
}

// judge compares the body with the file.
func (x *expectedFile) judge(c *checker, a *assertion) *Failure {
	m := &fileComparison{expectedFile: x, c: c, a: a}
	if err := m.evaluate(); err != nil {
		f := a.cannotCompute(err, c.display())
		return &f
	}
	content, err := m.content()
	if err != nil {
		return m.failure(c.display().path(err.Error()), "", "")
	}
	if content == nil {
		return m.update("a file", "no file "+c.display().quote(m.file))
	}
	return m.against(string(content))
}

// evaluate fills in what is computed.
func (m *fileComparison) evaluate() error {
	n, err := m.expectedFile.file.evaluate(m.c.compute)
	if err != nil {
		return err
	}
	if n.Kind != Text || n.Text == "" {
		return fmt.Errorf("want the path of a file, found %s", n.Kind)
	}
	m.file = n.Text
	if m.c.e.prefixes != nil {
		x := *m.expectedFile
		if x.prefixes, err = evaluatePrefixes(m.c.e.prefixes, m.c.compute); err != nil {
			return err
		}
		m.expectedFile = &x
	}
	for i := range m.ignore {
		n, err := m.ignore[i].evaluate(m.c.compute)
		if err != nil {
			return err
		}
		if n.Kind != Text {
			return fmt.Errorf("ignore: want a path, found %s", n.Kind)
		}
		m.ignored = append(m.ignored, n.Text)
	}
	m.used = make([]bool, len(m.ignored))
	return nil
}

// content reads the expected file; nil for one that may be made.
func (m *fileComparison) content() ([]byte, error) {
	if m.read == nil {
		return nil, errors.New("there is nothing to read files with")
	}
	content, err := m.read(m.file)
	if err != nil && m.c.r.Update != nil && isMissing(err) {
		return nil, nil
	}
	if content == nil && err == nil {
		content = []byte{}
	}
	return content, err
}

// against compares the body with the content of the file.
func (m *fileComparison) against(content string) *Failure {
	m.kind = m.kindOf(m.file, content)
	d := m.c.display()
	if err := m.broken(m.kind, m.file, content); err != nil {
		return m.update("what is in "+d.path(m.file), d.path(err.Error()))
	}
	if f := m.foreign(); f != nil {
		return f
	}
	var err error
	switch m.kind {
	case payloadJSON:
		err = m.compareJSON(content)
	case payloadXML:
		err = m.compareXML(content)
	default:
		m.compareText(content)
	}
	if err != nil {
		return m.failure(err.Error(), "", "")
	}
	if m.out.count == 0 {
		return nil
	}
	return m.update(m.out.first[0].want, m.out.first[0].got)
}

// foreign is the failure of a body that is not of the kind of the file.
func (m *fileComparison) foreign() *Failure {
	d, r, got := m.c.display(), m.c.r, ""
	switch m.kind {
	case payloadJSON:
		if !r.body.parse(r.text()) {
			got = whatItIs(r.text(), "body", d)
		}
	case payloadXML:
		if _, mistake := r.xml.parse(r.text()); mistake != nil {
			got = whatIsNotXML(r.text(), mistake, d)
		}
	}
	if got == "" {
		return nil
	}
	want := strings.ToUpper(string(m.kind)) + " like " + d.path(m.file)
	return m.failure("want "+want+", got "+got, want, got)
}

func (m *fileComparison) compareJSON(content string) error {
	ig := ignoring{}
	for _, s := range m.ignored {
		p, err := parseIgnore(s)
		if err != nil {
			return fmt.Errorf("ignore: %s", err)
		}
		ig.paths = append(ig.paths, p)
	}
	var want document
	want.parse(content)
	ig = ig.root()
	if sameJSON(want.text, m.c.r.body.text, ig, 0) {
		return nil
	}
	ig.marks(want.text, m.used, 0)
	ig.marks(m.c.r.body.text, m.used, 0)
	c := jsonComparison{d: m.c.display(), out: &m.out}
	c.compare(want.text, m.c.r.body.text, ig, "", 0)
	return nil
}

func (m *fileComparison) compareXML(content string) error {
	want, _ := parseXML(content)
	got := m.c.r.xml.tree
	m.wanted = want
	ignoredWant, err := m.selected(want)
	if err != nil {
		return err
	}
	ignoredGot, err := m.selected(got)
	if err != nil {
		return err
	}
	seed, strict := maphash.MakeSeed(), m.blanks == whitespaceStrict
	c := xmlComparison{d: m.c.display(), out: &m.out, want: newXMLView(want, ignoredWant, strict, seed), got: newXMLView(got, ignoredGot, strict, seed)}
	c.documents()
	return nil
}

// selected gives the nodes that are ignored in a document.
func (m *fileComparison) selected(t *xmlTree) (map[xmlRef]struct{}, error) {
	ignored := map[xmlRef]struct{}{}
	for i, s := range m.ignored {
		x, err := newXPath(s, m.prefixes)
		if err != nil {
			return nil, errors.New("ignore: " + m.c.display().notXPath(s, err))
		}
		if !x.selects() {
			return nil, fmt.Errorf("ignore: %s gives %s, and what is ignored are nodes", m.c.display().quote(s), x.term.traits().kind)
		}
		found, err := x.run(t)
		if err != nil {
			return nil, fmt.Errorf("ignore: %s", err)
		}
		for _, n := range found.nodes.refs {
			ignored[n] = struct{}{}
			m.used[i] = true
		}
	}
	return ignored, nil
}

// differs is the failure of a payload that is not that of the file.
func (m *fileComparison) differs(want, got string) *Failure {
	if m.out.count == 0 {
		return m.failure("want "+want+", got "+got, want, got)
	}
	first := m.out.first[0]
	message := fmt.Sprintf("%s: want %s, got %s", first.path, first.want, first.got)
	switch more := m.out.count - 1; {
	case more == 1:
		message += ", and 1 more difference"
	case more > 1:
		message += fmt.Sprintf(", and %d more differences", more)
	}
	f := m.failure(m.c.display().path(m.file)+": "+message, first.want, first.got)
	f.Path = first.path
	for _, x := range m.out.first[1:] {
		f.Notes = append(f.Notes, fmt.Sprintf("%s: want %s, got %s", x.path, x.want, x.got))
	}
	if more := m.out.count - len(m.out.first); more > 0 {
		f.Notes = append(f.Notes, fmt.Sprintf("%d more differences", more))
	}
	if first.want == first.got {
		f.Notes = append(f.Notes, "the difference is in what is hidden")
	}
	if f.Diff = m.out.text(); m.diff != "" {
		f.Diff = m.diff
	}
	if m.hidden != "" && first.want != first.got {
		f.Notes = append(f.Notes, m.hidden)
	}
	f.Notes = append(f.Notes, m.unused()...)
	return f
}

// unused names what should be ignored and is in neither document.
func (m *fileComparison) unused() []string {
	if m.kind == payloadText {
		return nil
	}
	d := m.c.display()
	var notes []string
	for i, used := range m.used {
		if !used {
			notes = append(notes, fmt.Sprintf("ignore: %s selects nothing in either document", d.path(m.ignored[i])))
		}
	}
	if len(notes) == 0 || m.kind != payloadXML {
		return notes
	}
	for i, used := range m.used {
		if x, err := newXPath(m.ignored[i], m.prefixes); err == nil && !used {
			return append(notes, spaceNotes(m.wanted, x, d)...)
		}
	}
	return notes
}

func (m *fileComparison) failure(message, want, got string) *Failure {
	return &Failure{
		Place: m.a.place, Subject: m.a.subject, Operator: "equals", Want: want, Got: got,
		Message: m.a.subject + ": " + message,
	}
}
