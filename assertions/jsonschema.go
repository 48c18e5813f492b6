package assertions

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// schemaFile is the assertion that a body satisfies the JSON Schema of a file.
type schemaFile struct {
	file Node
	read func(path string) ([]byte, error)
	// compiled is that of a file that is known before the run.
	compiled *jsonschema.Schema
}

func compileSchema(c *compiler, e *Expectation, s *subject, f *Field) {
	before := len(c.problems)
	c.pathOfFile(&f.Value, s.name)
	if len(c.problems) > before {
		return
	}
	x := &schemaFile{file: f.Value, read: c.options.ReadFile}
	if f.Value.Kind == Text && x.read != nil {
		x.compiled = c.schemaFile(x, f.Value.Text, f.Value.Place)
	}
	e.add(assertion{kind: s.kind, subject: s.name, place: f.Place, judge: x})
}

func (c *compiler) schemaFile(x *schemaFile, file string, place Place) *jsonschema.Schema {
	compiled, err := x.compile(file)
	if err == nil {
		return compiled
	}
	if e, ok := errors.AsType[*FileError](err); ok {
		c.fileProblem(place, e)
	} else {
		c.problem(place, "invalid-schema", "schema: "+err.Error())
	}
	return nil
}

// schemaBase stands for the folder that paths of schemas are relative to; it
// is deep, so that ../ leads somewhere.
const schemaBase = "project:///_/_/_/_/_/_/_/_/_/_/_/_/_/_/_/_/"

// schemaLoader reads the files of a schema.
type schemaLoader struct {
	read func(path string) ([]byte, error)
	// texts are the files that were read, by their URL.
	texts map[string]string
	// id is the $id of the first file, whose folder stands for that of the
	// file: nothing is loaded from there.
	id, file string
	// failed is the error of the first file that could not be read.
	failed error
}

// compile reads and compiles a schema with all that it refers to.
func (x *schemaFile) compile(file string) (*jsonschema.Schema, error) {
	l := &schemaLoader{read: x.read, texts: map[string]string{}, file: file}
	at := schemaURL(file)
	first, err := l.Load(at)
	if err != nil {
		return nil, err
	}
	if o, ok := first.(map[string]any); ok {
		l.id, _ = o["$id"].(string)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	c.UseLoader(l)
	if err := c.AddResource(at, first); err != nil {
		return nil, l.explain(err)
	}
	compiled, err := c.Compile(at)
	if err != nil {
		return nil, l.explain(err)
	}
	if s := endless(compiled); s != nil {
		return nil, l.endlessError(s)
	}
	return compiled, nil
}

func schemaURL(file string) string {
	u := url.URL{Path: strings.TrimPrefix(file, "/")}
	if strings.HasPrefix(file, "/") {
		u.Path = "%root/" + u.Path
	}
	base, _ := url.Parse(schemaBase) // a constant
	return base.ResolveReference(&u).String()
}

// fileOf gives the path that a URL stands for; false for one that is of the
// network.
func (l *schemaLoader) fileOf(at string) (string, bool) {
	u, err := url.Parse(at)
	if err != nil {
		return "", false
	}
	if u.Scheme == "project" {
		return relativePath(strings.TrimPrefix(u.Path, "/")), true
	}
	id, err := url.Parse(l.id)
	if err != nil || l.id == "" || id.Host != u.Host || id.Scheme != u.Scheme {
		return "", false
	}
	rel, ok := strings.CutPrefix(u.Path, strings.TrimSuffix(id.JoinPath("..").Path, "/")+"/")
	return filepath.ToSlash(filepath.Join(filepath.Dir(l.file), rel)), ok
}

// relativePath turns the deep folder back into ../ where it was left.
func relativePath(p string) string {
	p, rest := strings.TrimPrefix(schemaBase, "project:///"), p
	for p != "" && !strings.HasPrefix(rest, p) {
		p = strings.TrimPrefix(p, "_/")
	}
	up := (len(schemaBase) - len("project:///") - len(p)) / len("_/")
	rest = strings.TrimPrefix(rest, p)
	if root, ok := strings.CutPrefix(rest, "%root/"); ok {
		return "/" + root
	}
	return strings.Repeat("../", up) + rest
}

// Load reads a file of the project.
func (l *schemaLoader) Load(at string) (any, error) {
	v, err := l.load(at)
	if err != nil && l.failed == nil {
		l.failed = err
	}
	return v, err
}

func (l *schemaLoader) load(at string) (any, error) {
	file, ok := l.fileOf(at)
	if !ok {
		return nil, fmt.Errorf("%s is not a file of the project, and nothing is loaded from the network", quote(at))
	}
	content, err := l.read(file)
	if err != nil {
		return nil, err
	}
	var d document
	if !d.parse(string(content)) {
		return nil, jsonMistake(file, string(content))
	}
	v := anyOf(d.text)
	if huge := hugeNumber(v); huge != "" {
		return nil, fmt.Errorf("%s: the number %s is too long", file, cut(huge, maxShown))
	}
	l.texts[at] = string(content)
	return v, nil
}

// explain says where in which file the mistake is.
func (l *schemaLoader) explain(err error) error {
	if l.failed != nil {
		return l.failed
	}
	if e, ok := errors.AsType[*jsonschema.SchemaValidationError](err); ok {
		if v, ok := errors.AsType[*jsonschema.ValidationError](e.Err); ok {
			return l.invalid(e.URL, v)
		}
	}
	at := ""
	if e, ok := errors.AsType[*jsonschema.InvalidRegexError](err); ok {
		at, err = e.URL, fmt.Errorf("%s is not a regular expression (RE2)", quote(e.Regex))
	} else if e, ok := errors.AsType[*jsonschema.JSONPointerNotFoundError](err); ok {
		return fmt.Errorf("%s: $ref leads to %s, which is not there", l.file, quote(l.shown(e.URL)))
	} else if e, ok := errors.AsType[*jsonschema.AnchorNotFoundError](err); ok {
		return fmt.Errorf("%s: there is no anchor %s", l.file, quote(l.shown(e.Reference)))
	}
	doc, pointer, ok := strings.Cut(at, "#")
	if !ok {
		return fmt.Errorf("%s: %s", l.file, cut(l.shown(err.Error()), 2*maxShown))
	}
	return fmt.Errorf("%s: %s", l.place(doc, pointerTokens(pointer)), err)
}

// shown is a message without the stand-in for the folder.
func (l *schemaLoader) shown(s string) string { return strings.ReplaceAll(s, schemaBase, "") }

func pointerTokens(pointer string) []string {
	if pointer = strings.TrimPrefix(pointer, "/"); pointer == "" {
		return nil
	}
	if p, err := url.PathUnescape(pointer); err == nil {
		pointer = p
	}
	tokens := strings.Split(pointer, "/")
	for i, t := range tokens {
		tokens[i] = strings.ReplaceAll(strings.ReplaceAll(t, "~1", "/"), "~0", "~")
	}
	return tokens
}

// invalid is a schema that is none, told by the first mistake in it.
func (l *schemaLoader) invalid(at string, v *jsonschema.ValidationError) error {
	doc, _, _ := strings.Cut(at, "#")
	text := l.texts[doc]
	found := violationsIn(strings.Trim(strings.TrimPrefix(text, "\ufeff"), " \t\r\n"), v, nil)
	if len(found) == 0 {
		return fmt.Errorf("%s: not a JSON Schema", l.file)
	}
	first := found[0]
	return fmt.Errorf("%s: %s: want %s, got %s", l.place(doc, first.tokens), first.path, first.want, first.got)
}

// place gives file:line:col of a value in a schema.
func (l *schemaLoader) place(doc string, tokens []string) string {
	file, _ := l.fileOf(doc)
	text, ok := l.texts[doc]
	if !ok {
		return file
	}
	start := blanks(text, len(text)-len(strings.TrimPrefix(text, "\ufeff")))
	at, _ := locate(text, start, tokens)
	line, column := placeIn(text, at)
	return fmt.Sprintf("%s:%d:%d", file, line, column)
}

// locate gives where the value at the end of a JSON pointer begins, or of the
// last that is there; and its text.
func locate(s string, at int, tokens []string) (int, string) {
	for _, token := range tokens {
		next := childAt(s, at, token)
		if next < 0 {
			break
		}
		at = next
	}
	return at, s[at:valueEnd(s, at)]
}

// childAt gives where a member or element of the value at i begins, or -1.
func childAt(s string, i int, token string) int {
	if i >= len(s) || (s[i] != '{' && s[i] != '[') {
		return -1
	}
	inObject := s[i] == '{'
	i = blanks(s, i+1)
	for n := 0; i < len(s) && s[i] != '}' && s[i] != ']'; n++ {
		name := strconv.Itoa(n)
		if inObject {
			end := stringEnd(s, i)
			name = unquote(s[i:end])
			i = blanks(s, blanks(s, end)+1)
		}
		if name == token {
			return i
		}
		if i = blanks(s, valueEnd(s, i)); i < len(s) && s[i] == ',' {
			i = blanks(s, i+1)
		}
	}
	return -1
}

// hugeNumber gives a number whose exponent is too large to be computed with.
func hugeNumber(v any) string {
	switch v := v.(type) {
	case json.Number:
		if i := strings.IndexAny(string(v), "eE"); i >= 0 {
			if e, err := strconv.Atoi(string(v)[i+1:]); err != nil || e > 1000 || e < -1000 {
				return string(v)
			}
		}
	case []any:
		for _, e := range v {
			if s := hugeNumber(e); s != "" {
				return s
			}
		}
	case map[string]any:
		for _, k := range sortedKeys(v) {
			if s := hugeNumber(v[k]); s != "" {
				return s
			}
		}
	}
	return ""
}

// maxViolations bounds what is told of a body that does not satisfy a schema.
const maxViolations = 20

// judge validates the body.
func (x *schemaFile) judge(c *checker, a *assertion) *Failure {
	d := c.display()
	n, err := x.file.evaluate(c.compute)
	if err == nil && (n.Kind != Text || n.Text == "") {
		err = fmt.Errorf("want the path of a file, found %s", n.Kind)
	}
	compiled := x.compiled
	if err == nil && compiled == nil {
		if x.read == nil {
			err = errors.New("there is nothing to read files with")
		} else {
			compiled, err = x.compile(n.Text)
		}
	}
	if err != nil {
		f := a.cannotCompute(errors.New(d.path(err.Error())), d)
		return &f
	}
	f := &Failure{Place: a.place, Subject: a.subject, Want: "JSON as in " + d.path(n.Text)}
	if !c.r.body.parse(c.r.text()) {
		f.Got = whatItIs(c.r.text(), "body", d)
		f.Message = fmt.Sprintf("%s: want %s, got %s", a.subject, f.Want, f.Got)
		return f
	}
	found := c.violations(compiled)
	if len(found) == 0 {
		return nil
	}
	first := found[0]
	f.Path, f.Operator, f.Want, f.Got = first.path, first.keyword, first.want, first.got
	f.Message = fmt.Sprintf("%s: %s: %s", a.subject, d.path(n.Text), first.text())
	switch more := len(found) - 1; {
	case more == 1:
		f.Message += ", and 1 more violation"
	case more > 1:
		f.Message += fmt.Sprintf(", and %d more violations", more)
	}
	f.Notes = append(f.Notes, first.tried...)
	for _, v := range found[1:min(len(found), maxViolations)] {
		f.Notes = append(append(f.Notes, v.text()), v.tried...)
	}
	if more := len(found) - maxViolations; more > 0 {
		f.Notes = append(f.Notes, fmt.Sprintf("%d more violations", more))
	}
	return f
}

// violations gives what in the body does not satisfy the schema, in the order
// of the body.
func (c *checker) violations(schema *jsonschema.Schema) []violation {
	doc := c.r.body.text
	instance := anyOf(doc)
	if huge := hugeNumber(instance); huge != "" {
		return []violation{{path: "@this", keyword: "type", want: "numbers that can be computed with", got: cut(huge, maxShown)}}
	}
	err := schema.Validate(instance)
	e, ok := errors.AsType[*jsonschema.ValidationError](err)
	if !ok {
		return nil
	}
	return violationsIn(doc, e, c.display())
}

// violationsIn gives the violations in the order of the document.
func violationsIn(doc string, e *jsonschema.ValidationError, d *display) []violation {
	w := &violationWalk{doc: doc, d: d}
	w.walk(e)
	slices.SortStableFunc(w.found, func(a, b violation) int {
		if a.at != b.at {
			return a.at - b.at
		}
		return strings.Compare(a.keyword+a.want+a.got, b.keyword+b.want+b.got)
	})
	return w.found
}
