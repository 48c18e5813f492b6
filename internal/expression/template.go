package expression

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"iflowtest/internal/diag"
)

// Template is a compiled text. It is immutable and safe for concurrent use. The
// zero Template is the empty text.
type Template struct {
	source string
	parts  []part
	// constant is the value when constantSet; it is then never evaluated.
	constant    any
	constantSet bool
}

// part is a piece of a template: a literal text, or an expression.
type part struct {
	literal    string
	expression *expression
}

// File is a path that an expression reads with file("…").
type File struct {
	Path string
	Pos  diag.Position
}

// CompileText compiles a text that may hold ${…}; $${ stands for ${. The
// template is nil exactly when the list has errors.
func CompileText(text string, at At, s *Scope) (*Template, diag.List) {
	if !strings.Contains(text, "${") {
		return &Template{source: text, constant: text, constantSet: true}, nil
	}
	segments, problem := scan(text)
	var list diag.List
	t := &Template{source: text}
	for _, seg := range segments {
		if !seg.isCode {
			t.parts = append(t.parts, part{literal: seg.literal})
			continue
		}
		place := func(offset, width int) diag.Position { return at.place(seg.start+2+offset, width) }
		whole := at.place(seg.start, utf8.RuneCountInString(text[seg.start:seg.end]))
		e, l := compile(seg.code, place, whole, s)
		list = append(list, l...)
		if e != nil {
			e.written = text[seg.start:seg.end]
			t.parts = append(t.parts, part{expression: e})
		}
	}
	if problem != nil {
		list = append(list, diag.Errorf(at.place(problem.offset, problem.width), diag.ExpressionSyntax, "%s", problem.message).
			WithHint("%s", problem.hint))
	}
	if list.HasErrors() {
		return nil, list
	}
	if err := t.fold(); err != nil {
		return nil, append(list, diag.Errorf(at.place(0, 1), diag.ExpressionSyntax, "%s", err.Error()))
	}
	return t, list
}

// CompileExpression compiles a condition without braces around it (when:,
// respond.when). The template is nil exactly when the list has errors.
func CompileExpression(text string, at At, s *Scope) (*Template, diag.List) {
	if i := strings.Index(text, "${"); i >= 0 {
		hint := "names are written as they are, and + joins two texts"
		if code, braced := unbraced(text); braced {
			hint = "write " + oneLine(code)
		}
		return nil, diag.List{diag.Errorf(at.place(i, 2), diag.ExpressionSyntax, "an expression stands here without ${ and }").
			WithHint("%s", hint)}
	}
	whole := at.place(0, utf8.RuneCountInString(text))
	e, list := compile(text, at.place, whole, s)
	if e == nil {
		return nil, list
	}
	if e.kind != "" && e.kind != kindOf(true) {
		return nil, append(list, diag.Errorf(whole, diag.ExpressionSyntax, "a condition is true or false, and this is always %s", e.kind))
	}
	t := &Template{source: text, parts: []part{{expression: e}}}
	if err := t.fold(); err != nil {
		return nil, append(list, diag.Errorf(whole, diag.ExpressionSyntax, "%s", err.Error()))
	}
	return t, list
}

// unbraced gives the code of a text that is one ${…} and nothing else.
func unbraced(text string) (string, bool) {
	segments, problem := scan(strings.TrimSpace(text))
	if problem != nil || len(segments) != 1 || !segments[0].isCode {
		return "", false
	}
	return segments[0].code, true
}

// Literal gives the template of a value that is what it is.
func Literal(v any) *Template {
	t := &Template{constant: v, constantSet: true}
	if s, err := valueText(v); err == nil {
		t.source = s
	}
	return t
}

// fold turns a template whose parts are all constant into one value, and joins
// neighbouring texts.
func (t *Template) fold() error {
	if len(t.parts) == 1 && t.parts[0].expression != nil {
		if e := t.parts[0].expression; e.constantSet {
			t.constant, t.constantSet = e.constant, true
		}
		return nil
	}
	var parts []part
	for _, p := range t.parts {
		if e := p.expression; e != nil {
			if !e.constantSet {
				parts = append(parts, p)
				continue
			}
			s, err := valueText(e.constant)
			if err != nil {
				return err
			}
			p = part{literal: s}
		}
		if n := len(parts); n > 0 && parts[n-1].expression == nil {
			parts[n-1].literal += p.literal
			continue
		}
		parts = append(parts, p)
	}
	t.parts = parts
	switch {
	case len(parts) == 0:
		t.constant, t.constantSet = "", true
	case len(parts) == 1 && parts[0].expression == nil:
		t.constant, t.constantSet = parts[0].literal, true
	}
	return nil
}

// Constant gives the value of a template that is the same in every run: one
// without expressions, or with expressions that name nothing.
func (t *Template) Constant() (any, bool) {
	if t.constantSet {
		return t.constant, true
	}
	return nil, false
}

// Source gives the text as it was written.
func (t *Template) Source() string { return t.source }

// Variables gives the plain variable names that the template uses, sorted,
// without repeats. env, row, run, scenario, runtime and api are not variables.
func (t *Template) Variables() []string { return t.names(variableRoot) }

// Env gives the names of the process environment that the template uses,
// sorted, without repeats.
func (t *Template) Env() []string { return t.names(envRoot) }

// Columns gives the columns of the data row that the template uses, sorted,
// without repeats.
func (t *Template) Columns() []string { return t.names(columnRoot) }

// RequiredColumns gives the columns of the data row that a row has to have:
// those of Columns but for those that stand left of ?? only.
func (t *Template) RequiredColumns() []string {
	return t.roots(func(r root) bool { return r.kind == columnRoot && !r.optional })
}

// UsesRow reports whether the template uses the data row, or its number.
func (t *Template) UsesRow() bool {
	return len(t.roots(func(r root) bool { return r.kind == columnRoot || r.kind == rowIndexRoot })) > 0
}

// Files gives the literal paths that the template reads with file("…"), in the
// order written, so that a missing file is found before the run.
func (t *Template) Files() []File {
	var files []File
	for _, p := range t.parts {
		if p.expression != nil {
			files = append(files, p.expression.files...)
		}
	}
	return files
}

func (t *Template) names(kind rootKind) []string {
	return t.roots(func(r root) bool { return r.kind == kind })
}

// roots gives the names of the roots that are wanted.
func (t *Template) roots(wanted func(root) bool) []string {
	var names []string
	for _, p := range t.parts {
		if p.expression == nil {
			continue
		}
		for _, r := range p.expression.roots {
			if wanted(r) {
				names = append(names, r.name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Eval gives the value: that of the expression, with its type, when the text is
// one ${…} and nothing else; a text otherwise. A variable that has no value
// gives *NotSetError, any other trouble *Error. v may be nil.
func (t *Template) Eval(v *Values) (any, error) {
	switch {
	case t.constantSet:
		return t.constant, nil
	case len(t.parts) == 1 && t.parts[0].expression != nil:
		return t.parts[0].expression.eval(v)
	}
	return t.Text(v)
}

// Text gives the value as text: numbers as written, true and false, null as
// the empty text, lists and maps as compact JSON with sorted keys. Errors are
// those of Eval.
func (t *Template) Text(v *Values) (string, error) {
	if t.constantSet {
		return valueText(t.constant)
	}
	if len(t.parts) == 1 {
		return t.parts[0].text(v)
	}
	var b strings.Builder
	for _, p := range t.parts {
		s, err := p.text(v)
		if err != nil {
			return "", err
		}
		b.WriteString(s)
	}
	return b.String(), nil
}

// TextIn gives the value as [Template.Text] does, in a document of a language
// of its own: escape gets the value of each expression, with the text before it,
// and gives what stands there. An expression with nothing but white space around
// it is the document, and stays as it is.
func (t *Template) TextIn(v *Values, escape func(before, value string) string) (string, error) {
	if t.constantSet || t.isWhole() {
		return t.Text(v)
	}
	var b strings.Builder
	for _, p := range t.parts {
		s, err := p.text(v)
		if err != nil {
			return "", err
		}
		if p.expression != nil {
			s = escape(b.String(), s)
		}
		b.WriteString(s)
	}
	return b.String(), nil
}

// isWhole reports whether one expression is all but white space.
func (t *Template) isWhole() bool {
	expressions := 0
	for _, p := range t.parts {
		if p.expression != nil {
			expressions++
		} else if strings.TrimSpace(p.literal) != "" {
			return false
		}
	}
	return expressions == 1
}

// Partial gives the text as far as it can be known with v: an expression that
// needs what is not there, or whose value is another one in each run (uuid(),
// run.id), stays as it is written.
func (t *Template) Partial(v *Values) string {
	if t.constantSet {
		s, err := valueText(t.constant)
		if err != nil {
			return t.source
		}
		return s
	}
	var b strings.Builder
	for _, p := range t.parts {
		if p.expression != nil && p.expression.varies() {
			b.WriteString(p.expression.written)
			continue
		}
		s, err := p.text(v)
		if err != nil {
			s = p.expression.written
		}
		b.WriteString(s)
	}
	return b.String()
}

// Varies reports whether the value may be another one in each run, for the
// same variables: uuid(), run.id.
func (t *Template) Varies() bool {
	return slices.ContainsFunc(t.parts, func(p part) bool { return p.expression != nil && p.expression.varies() })
}

// varies reports whether the value may be another one in each run.
func (e *expression) varies() bool {
	return e.impure || slices.ContainsFunc(e.roots, func(r root) bool { return r.kind == runIDRoot || r.kind == runStartedRoot })
}

func (p part) text(v *Values) (string, error) {
	if p.expression == nil {
		return p.literal, nil
	}
	value, err := p.expression.eval(v)
	if err != nil {
		return "", err
	}
	s, err := valueText(value)
	if err != nil {
		return "", p.expression.fail(err.Error(), err)
	}
	return s, nil
}

// Bool gives the value of a condition. A value that is not a boolean is an
// error that says what it is.
func (t *Template) Bool(v *Values) (bool, error) {
	value, err := t.Eval(v)
	if err != nil {
		return false, err
	}
	if b, ok := value.(bool); ok {
		return b, nil
	}
	e := &Error{Expression: t.source, Message: fmt.Sprintf("a condition is true or false, and this is %s", kindOf(value))}
	if len(t.parts) == 1 && t.parts[0].expression != nil {
		e.Pos = t.parts[0].expression.pos
		e.Expression = t.parts[0].expression.written
	}
	return false, e
}
