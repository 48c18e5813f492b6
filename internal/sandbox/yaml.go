package sandbox

import (
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	goccy "github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/parser"
	"gopkg.in/yaml.v3"

	"iflowtest/internal/diag"
)

// Limits of a configuration file, those of the files of the language.
const (
	maxConfig = 4 << 20
	maxDepth  = 64
	maxNodes  = 200_000 // with aliases expanded
)

// reader walks the tree of a YAML file by hand and collects what is wrong
// with it, each with its place.
type reader struct {
	file  string
	lines []string
	left  int // nodes that may still be looked at
	depth int // of mappings that are being merged into each other
	list  diag.List
}

// newReader parses the file and gives its document; nil when it has none, or
// cannot be read.
func newReader(file string, data []byte) (*reader, *yaml.Node) {
	r := &reader{file: file, left: maxNodes}
	top := diag.Position{File: file}
	if len(data) > maxConfig {
		r.list = diag.List{diag.Errorf(top, diag.TooLarge, "the file has %d bytes; at most %d are read", len(data), maxConfig)}
		return r, nil
	}
	text := strings.TrimPrefix(string(data), "\uFEFF")
	r.lines = strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	for i, line := range r.lines {
		if !utf8.ValidString(line) {
			top.Line = i + 1
			r.list = diag.List{diag.Errorf(top, diag.Encoding, "the line is not UTF-8").WithHint("save the file as UTF-8")}
			return r, nil
		}
	}
	var document yaml.Node
	dec := yaml.NewDecoder(strings.NewReader(text))
	if err := dec.Decode(&document); err != nil {
		if text := strings.TrimSpace(err.Error()); text != "EOF" {
			r.syntax(text)
		}
		return r, nil
	}
	var second yaml.Node
	if err := dec.Decode(&second); err == nil {
		r.errorAt(&second, diag.Syntax, "a configuration is one document, and a second begins here")
	}
	if document.Kind != yaml.DocumentNode || len(document.Content) != 1 {
		return r, nil
	}
	return r, document.Content[0]
}

var (
	yamlLine    = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)
	yamlUnknown = regexp.MustCompile(`unknown anchor '([^']*)' referenced`)
)

// syntax reports what the parser says. It knows the line at best: a second
// parser knows the place, and the place of an unknown anchor is searched for.
func (r *reader) syntax(text string) {
	if m := yamlUnknown.FindStringSubmatch(text); m != nil {
		pos := r.search("*" + m[1])
		r.list = append(r.list, diag.Errorf(pos, diag.UnknownAnchor, "the alias *%s has no anchor: want &%s before it", m[1], m[1]))
		return
	}
	if d, ok := r.second(); ok {
		r.list = append(r.list, d)
		return
	}
	pos := diag.Position{File: r.file}
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		pos.Line, _ = strconv.Atoi(m[1]) // absent is 0, which is no line
		text = strings.TrimPrefix(text, m[0])
	}
	r.list = append(r.list, diag.Errorf(r.inside(pos), diag.Syntax, "the file is not YAML: %s", text))
}

// second asks the other parser, which must not take the program with it.
func (r *reader) second() (d diag.Diagnostic, ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	_, err := parser.ParseBytes([]byte(strings.Join(r.lines, "\n")), 0)
	placed, isPlaced := errors.AsType[goccy.Error](err)
	if !isPlaced || placed.GetToken() == nil || placed.GetToken().Position == nil {
		return d, false
	}
	at := placed.GetToken().Position
	pos := r.inside(diag.Position{File: r.file, Line: at.Line, Column: at.Column, Width: 1})
	return diag.Errorf(pos, diag.Syntax, "the file is not YAML: %s", placed.GetMessage()), true
}

// search gives the place of a text; only the file when it is nowhere.
func (r *reader) search(text string) diag.Position {
	for i, line := range r.lines {
		if at := strings.Index(line, text); at >= 0 {
			return diag.Position{File: r.file, Line: i + 1, Column: utf8.RuneCountInString(line[:at]) + 1, Width: utf8.RuneCountInString(text)}
		}
	}
	return diag.Position{File: r.file}
}

// pos gives the place of a node.
func (r *reader) pos(n *yaml.Node) diag.Position {
	width := 1
	if n.Kind == yaml.ScalarNode && n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) == 0 && !strings.Contains(n.Value, "\n") {
		width = utf8.RuneCountInString(n.Value)
		if quoted(n) {
			width += 2
		}
	}
	return r.inside(diag.Position{File: r.file, Line: n.Line, Column: n.Column, Width: max(width, 1)})
}

// inside keeps a place in the file: the parser counts more characters as the
// end of a line than anybody else.
func (r *reader) inside(pos diag.Position) diag.Position {
	if pos.Line > len(r.lines) {
		return diag.Position{File: pos.File, Line: len(r.lines)}
	}
	return pos
}

func quoted(n *yaml.Node) bool { return n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 }

// at gives the place of a byte offset in the text of a scalar: exact where the
// text stands in the file as it is, else that of the scalar.
func (r *reader) at(n *yaml.Node) func(offset, width int) diag.Position {
	return func(offset, width int) diag.Position {
		pos := r.pos(n)
		offset = min(max(offset, 0), len(n.Value))
		if n.Style&yaml.LiteralStyle != 0 {
			return r.inBlock(n, offset, width)
		}
		column := n.Column
		if quoted(n) {
			column++
		}
		if n.Line < 1 || n.Line > len(r.lines) || column < 1 {
			return pos
		}
		source := []rune(r.lines[n.Line-1])
		if column-1 > len(source) || !strings.HasPrefix(string(source[column-1:]), n.Value) {
			return pos
		}
		pos.Column, pos.Width = column+utf8.RuneCountInString(n.Value[:offset]), width
		return pos
	}
}

// inBlock finds the line of a block scalar, and the column when the text of
// the line is found in it.
func (r *reader) inBlock(n *yaml.Node, offset, width int) diag.Position {
	before := n.Value[:offset]
	start := strings.LastIndexByte(before, '\n') + 1
	line := n.Line + 1 + strings.Count(before, "\n")
	pos := diag.Position{File: r.file, Line: line, Width: width}
	text, _, _ := strings.Cut(n.Value[start:], "\n")
	if line > len(r.lines) {
		return r.inside(pos)
	}
	if indent := strings.Index(r.lines[line-1], text); indent >= 0 {
		pos.Column = utf8.RuneCountInString(r.lines[line-1][:indent]) + utf8.RuneCountInString(before[start:]) + 1
	}
	return pos
}

func (r *reader) errorAt(n *yaml.Node, code, format string, args ...any) {
	r.list = append(r.list, diag.Errorf(r.pos(n), code, format, args...))
}

// resolve follows aliases, and counts, so that no file of nested aliases takes
// forever; nil when there is no more to look at.
func (r *reader) resolve(n *yaml.Node) *yaml.Node {
	for range maxDepth {
		if r.left--; r.left < 0 {
			if r.left == -1 {
				r.errorAt(n, diag.TooLarge, "the file has more than %d values with its aliases expanded", maxNodes)
			}
			return nil
		}
		if n.Kind != yaml.AliasNode {
			return n
		}
		n = n.Alias
	}
	return nil
}

// field is a key a mapping may have.
type field struct {
	name     string
	required bool
	read     func(n *yaml.Node)
}

// mapping reads a mapping with the given keys; what names it in messages.
func (r *reader) mapping(n *yaml.Node, what string, fields []field) {
	if n = r.resolve(n); n == nil {
		return
	}
	if n.Kind != yaml.MappingNode {
		r.wrong(n, what, "a mapping")
		return
	}
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.name
	}
	var misspelt []string
	values := make([]*yaml.Node, len(fields))
	for key, value := range r.pairs(n) {
		at := slices.Index(names, key.Value)
		if at < 0 {
			near := diag.Suggest(key.Value, names)
			misspelt = append(misspelt, near)
			r.unknown(key, what, near, names)
			continue
		}
		values[at] = value
	}
	// In the order of the fields: what stands below may be named above.
	for i, f := range fields {
		if values[i] != nil {
			f.read(values[i])
			continue
		}
		// One mistake, one message: a misspelt key is not also missing.
		if f.required && !slices.Contains(misspelt, f.name) {
			r.errorAt(n, diag.MissingKey, "%s needs the key %q", what, f.name)
		}
	}
}

func (r *reader) unknown(key *yaml.Node, what, near string, names []string) {
	if near != "" {
		r.errorAt(key, diag.UnknownKey, "unknown key %q in %s; did you mean %q?", key.Value, what, near)
		return
	}
	r.list = append(r.list, diag.Errorf(r.pos(key), diag.UnknownKey, "unknown key %q in %s", key.Value, what).
		WithHint("known are %s", strings.Join(names, ", ")))
}

// pairs walks a mapping: keys that are no text or stand twice are reported and
// left out, "<<" is merged.
func (r *reader) pairs(n *yaml.Node) func(func(key, value *yaml.Node) bool) {
	var keys, values []*yaml.Node
	seen := map[string]bool{}
	merged := []*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch {
		case key.Kind != yaml.ScalarNode:
			r.errorAt(key, diag.WrongType, "a key is a text")
		case key.Tag == "!!merge":
			merged = append(merged, value)
		case seen[key.Value]:
			r.errorAt(key, diag.DuplicateKey, "the key %q stands twice", key.Value)
		default:
			seen[key.Value] = true
			keys, values = append(keys, key), append(values, value)
		}
	}
	for _, m := range merged {
		for key, value := range r.merge(m) {
			if !seen[key.Value] {
				seen[key.Value] = true
				keys, values = append(keys, key), append(values, value)
			}
		}
	}
	return func(yield func(key, value *yaml.Node) bool) {
		for i, key := range keys {
			if !yield(key, values[i]) {
				return
			}
		}
	}
}

// merge gives the pairs of the value of a "<<": a mapping, or a list of them.
func (r *reader) merge(n *yaml.Node) func(func(key, value *yaml.Node) bool) {
	return func(yield func(key, value *yaml.Node) bool) {
		if n = r.resolve(n); n == nil {
			return
		}
		if r.depth >= maxDepth {
			r.errorAt(n, diag.TooLarge, "mappings are merged deeper than %d", maxDepth)
			return
		}
		r.depth++
		defer func() { r.depth-- }()
		sources := []*yaml.Node{n}
		if n.Kind == yaml.SequenceNode {
			sources = n.Content
		}
		for _, source := range sources {
			if source = r.resolve(source); source == nil {
				return
			}
			if source.Kind != yaml.MappingNode {
				r.errorAt(source, diag.WrongType, "<< merges a mapping")
				return
			}
			for key, value := range r.pairs(source) {
				if !yield(key, value) {
					return
				}
			}
		}
	}
}

// elements walks a list that must not be empty.
func (r *reader) elements(n *yaml.Node, what string, read func(n *yaml.Node)) {
	if n = r.resolve(n); n == nil {
		return
	}
	if n.Kind != yaml.SequenceNode {
		r.wrong(n, what, "a list")
		return
	}
	if len(n.Content) == 0 {
		r.errorAt(n, diag.EmptyBlock, "%s is empty", what)
	}
	for _, item := range n.Content {
		if item = r.resolve(item); item != nil {
			read(item)
		}
	}
}

// wrong reports a value of another type than wanted.
func (r *reader) wrong(n *yaml.Node, what, want string) {
	got := "a list"
	switch {
	case n.Kind == yaml.MappingNode:
		got = "a mapping"
	case isNull(n):
		got = "nothing"
	case n.Kind == yaml.ScalarNode:
		got = strconv.Quote(n.Value)
	}
	r.errorAt(n, diag.WrongType, "%s: want %s, got %s", what, want, got)
}

// number is what the language takes for one: exactly JSON's numbers.
var number = regexp.MustCompile(`^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$`)

func plainScalar(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && !quoted(n) && n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) == 0
}

func isNull(n *yaml.Node) bool {
	return plainScalar(n) && (n.Value == "" || n.Value == "null" || n.Value == "~")
}

// text reads a text; a number or a boolean gives its text as written.
func (r *reader) text(n *yaml.Node, what string) (string, bool) {
	if n = r.resolve(n); n == nil {
		return "", false
	}
	if n.Kind != yaml.ScalarNode || isNull(n) || n.Value == "" {
		r.wrong(n, what, "a text")
		return "", false
	}
	return n.Value, true
}

func (r *reader) boolean(n *yaml.Node, what string) bool {
	if n = r.resolve(n); n == nil {
		return false
	}
	if !plainScalar(n) || n.Value != "true" && n.Value != "false" {
		r.wrong(n, what, "true or false")
	}
	return n.Value == "true"
}

// duration reads a time with its unit, from 0 on.
func (r *reader) duration(n *yaml.Node, what string) time.Duration {
	if n = r.resolve(n); n == nil {
		return 0
	}
	if n.Kind != yaml.ScalarNode || isNull(n) {
		r.wrong(n, what, "a duration such as 40ms or 2s")
		return 0
	}
	d, err := time.ParseDuration(n.Value)
	if err != nil || d < 0 || number.MatchString(n.Value) {
		r.errorAt(n, diag.InvalidDuration, "%s: want a number with a unit, such as 40ms or 2s, got %q", what, n.Value)
		return 0
	}
	return d
}

// whole reads a whole number in a range.
func (r *reader) whole(n *yaml.Node, what string, low, high int) int {
	if n = r.resolve(n); n == nil {
		return low
	}
	i, err := strconv.Atoi(n.Value)
	if !plainScalar(n) || !number.MatchString(n.Value) || err != nil {
		r.wrong(n, what, "a whole number")
		return low
	}
	if i < low || i > high {
		r.errorAt(n, diag.InvalidValue, "%s: want a number from %d to %d, got %d", what, low, high, i)
		return low
	}
	return i
}

// joined reports each of the errors that were joined, at the place.
func (r *reader) joined(n *yaml.Node, code string, err error) {
	if err == nil {
		return
	}
	if many, ok := errors.AsType[interface {
		error
		Unwrap() []error
	}](err); ok {
		for _, e := range many.Unwrap() {
			r.errorAt(n, code, "%s", e)
		}
		return
	}
	r.errorAt(n, code, "%s", err)
}
