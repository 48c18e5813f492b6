package scenarios

import (
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	goccy "github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/parser"

	"iflowtest/internal/diag"
)

// syntaxErrors says what is wrong with a file the parser refuses, at the place
// where a person would mend it. The parser's own place is often a line late
// and has no column, so the text from line from on is read again: by rules
// that know what people get wrong, then by a second parser.
func syntaxErrors(src *source, from int, documentsBefore bool, err error) diag.List {
	s := structure{src: src, line: from - 1, anchors: map[string]bool{}}
	s.read()
	l := s.unknown
	if s.found != nil {
		return append(l, *s.found)
	}
	if len(l) > 0 {
		return l
	}
	if !documentsBefore {
		if d, ok := secondOpinion(src); ok {
			return diag.List{d}
		}
	}
	line := from
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	if m := parserLine.FindStringSubmatch(message); m != nil {
		line, _ = strconv.Atoi(m[1])
		message = message[len(m[0]):]
	}
	return diag.List{diag.Errorf(src.lineStart(max(line, from)), diag.Syntax, "the file is not YAML: %s", message)}
}

var parserLine = regexp.MustCompile(`^line (\d+): `)

// secondOpinion asks another parser, which knows columns.
func secondOpinion(src *source) (d diag.Diagnostic, ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	_, err := parser.ParseBytes([]byte(strings.Join(src.lines, "\n")), 0)
	yamlErr, isYAML := err.(goccy.Error)
	if !isYAML || yamlErr.GetToken() == nil || yamlErr.GetToken().Position == nil {
		return d, false
	}
	p := yamlErr.GetToken().Position
	return diag.Errorf(src.at(p.Line, p.Column, 1), diag.Syntax, "the file is not YAML: %s", yamlErr.GetMessage()), true
}

// lineStart is the first character of a line that is no blank.
func (s *source) lineStart(line int) diag.Position {
	line = min(max(line, 1), len(s.lines))
	text := s.lines[line-1]
	blanks := len(text) - len(strings.TrimLeft(text, " \t"))
	return s.at(line, blanks+1, utf8.RuneCountInString(strings.TrimRight(text[blanks:], " \t")))
}

// structure reads the block structure of a file that is known to be wrong,
// and stops at the first thing that cannot be right.
type structure struct {
	src *source
	// line counts from 0.
	line    int
	levels  []level
	anchors map[string]bool
	unknown diag.List
	found   *diag.Diagnostic
	// last says how the value read last ended.
	last lastValue
	// text is the line of a plain scalar that stands where a key could: a
	// colon may be missing there.
	text *mark
}

type level struct {
	indent int
	list   bool
}

type lastValue int

const (
	nothingYet lastValue = iota
	// wanted: a key or a dash without a value; the next line may be deeper.
	wanted
	// open: a plain scalar, which the next line may go on with.
	open
	// closed: a value that has ended.
	closed
)

// mark is a place: line counts from 0, at is a byte offset.
type mark struct{ line, at int }

func (s *structure) fail(m mark, width int, format string, args ...any) *diag.Diagnostic {
	if s.found == nil {
		line := s.src.lines[m.line]
		d := diag.Errorf(s.src.at(m.line+1, utf8.RuneCountInString(line[:min(m.at, len(line))])+1, width), diag.Syntax, format, args...)
		s.found = &d
	}
	return s.found
}

func (s *structure) hint(format string, args ...any) {
	d := s.found.WithHint(format, args...)
	s.found = &d
}

func (s *structure) text0() string { return s.src.lines[s.line] }

// read goes through the lines; every one of them starts in block context.
func (s *structure) read() {
	for ; s.line < len(s.src.lines) && s.found == nil; s.line++ {
		text := s.text0()
		at := len(text) - len(strings.TrimLeft(text, " "))
		rest := text[at:]
		if blank := strings.TrimLeft(rest, " \t"); blank == "" || blank[0] == '#' {
			continue
		}
		if at == 0 && isMarker(rest) {
			s.levels, s.last, s.text = nil, nothingYet, nil
			after := strings.TrimLeft(rest[3:], " \t")
			if rest[0] == '-' && after != "" && after[0] != '#' {
				s.value(len(text)-len(after), -1)
			}
			continue
		}
		if at == 0 && rest[0] == '%' && len(s.levels) == 0 {
			switch {
			case strings.HasPrefix(rest, "%YAML 1.1"), strings.HasPrefix(rest, "%TAG "):
			case strings.HasPrefix(rest, "%YAML "):
				s.fail(mark{s.line, 0}, len(rest), "a directive of a version of YAML that the parser does not know")
				s.hint("leave the line out")
			default:
				s.fail(mark{s.line, 0}, 1, "a line that begins with %% is a directive of YAML")
				s.hint("quote a text that begins with %%")
			}
			continue
		}
		if rest[0] == '\t' {
			s.fail(mark{s.line, at}, len(rest)-len(strings.TrimLeft(rest, "\t")), "a tab indents this line; YAML wants spaces")
			return
		}
		s.enter(at, rest)
	}
}

func isMarker(rest string) bool {
	return (strings.HasPrefix(rest, "---") || strings.HasPrefix(rest, "...")) && (len(rest) == 3 || rest[3] == ' ' || rest[3] == '\t')
}

func isDash(rest string) bool {
	return rest == "-" || strings.HasPrefix(rest, "- ") || strings.HasPrefix(rest, "-\t")
}

// enter places a line among the levels that are open, and reads it.
func (s *structure) enter(at int, rest string) {
	top := level{indent: -1}
	if n := len(s.levels); n > 0 {
		top = s.levels[n-1]
	}
	if at > top.indent {
		s.deeper(at, rest)
		return
	}
	was := s.last
	for len(s.levels) > 0 && s.levels[len(s.levels)-1].indent > at {
		s.levels = s.levels[:len(s.levels)-1]
		was = closed
	}
	if len(s.levels) == 0 || s.levels[len(s.levels)-1].indent < at {
		s.fail(mark{s.line, at}, 1, "this line is indented by %d, which none of the lines above it is", at)
		s.hint("indent the keys of one mapping, and the items of one list, alike")
		return
	}
	here := s.levels[len(s.levels)-1]
	switch {
	case here.list && !isDash(rest):
		if n := len(s.levels); n > 1 && s.levels[n-2].indent == at {
			s.levels = s.levels[:n-1]
			break
		}
		s.fail(mark{s.line, at}, 1, "a list goes on here, and this line does not begin with \"- \"")
		s.hint("begin it with \"- \", or indent it as what it belongs to")
		return
	case !here.list && isDash(rest):
		if was != wanted {
			s.fail(mark{s.line, at}, 1, "a list item among the keys of a mapping")
			s.hint("indent it below the key it belongs to, or less")
			return
		}
	}
	s.content(at)
}

// deeper reads a line that is indented more than the level that is open.
func (s *structure) deeper(at int, rest string) {
	switch {
	case s.last == nothingYet || s.last == wanted:
		s.content(at)
	case s.last == open:
		if !looksLikeKey(rest) {
			return
		}
		if s.text != nil && indentOf(s.src.lines[s.text.line]) == at {
			s.noColon(*s.text)
			return
		}
		s.fail(mark{s.line, at}, 1, "this line is indented deeper than the one it belongs to, which has a value already")
		s.hint("indent the keys of one mapping alike")
	default:
		s.fail(mark{s.line, at}, 1, "this line is indented deeper than the one it belongs to, which has a value already")
		s.hint("indent the keys of one mapping alike")
	}
}

func (s *structure) noColon(m mark) {
	text := strings.TrimSpace(s.src.lines[m.line][m.at:])
	s.fail(m, utf8.RuneCountInString(text), "a key is wanted here, and no colon follows it")
	if before, _, ok := strings.Cut(text, ":"); ok && before != "" {
		s.hint("a colon needs a space after it: %s: …", before)
	}
}

func indentOf(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }

var keyLine = regexp.MustCompile(`^(- +)*("[^"]*"|'[^']*'|[^\s"'#{}\[\],&*!|>%@` + "`" + `-][^#{}\[\],"']*?|-[^\s#{}\[\],"']+) *:(\s|$)`)

// looksLikeKey reports whether a line, without its indentation, is "key: …".
func looksLikeKey(rest string) bool { return keyLine.MatchString(rest) }

// content reads what a line holds from at on: dashes, a key, a value.
func (s *structure) content(at int) {
	text := s.text0()
	for isDash(text[at:]) {
		s.open(at, true)
		next := at + 1
		for next < len(text) && (text[next] == ' ' || text[next] == '\t') {
			if text[next] == '\t' && looksLikeKey(strings.TrimLeft(text[next:], " \t")) {
				s.fail(mark{s.line, next}, 1, "a tab indents what follows; YAML wants spaces")
				return
			}
			next++
		}
		if next >= len(text) || text[next] == '#' {
			s.last, s.text = wanted, nil
			return
		}
		at = next
	}
	if isComplexKey(text[at:]) {
		s.giveUp()
		return
	}
	s.node(at)
}

func isComplexKey(rest string) bool {
	return rest == "?" || strings.HasPrefix(rest, "? ") || strings.HasPrefix(rest, ": ") || rest == ":"
}

// giveUp ends the reading without a finding.
func (s *structure) giveUp() { s.line = len(s.src.lines) }

// open makes sure that a level of this indentation is there.
func (s *structure) open(indent int, list bool) {
	if n := len(s.levels); n > 0 && s.levels[n-1] == (level{indent, list}) {
		return
	}
	s.levels = append(s.levels, level{indent, list})
}

func (s *structure) inMapping(indent int) bool {
	n := len(s.levels)
	return n > 0 && s.levels[n-1] == level{indent, false}
}

// node reads a key with its value, or a value.
func (s *structure) node(at int) {
	text := s.text0()
	start := at
	at = s.properties(at)
	if at >= len(text) || text[at] == '#' {
		s.last = wanted
		return
	}
	line := s.line
	switch text[at] {
	case '"', '\'':
		if at = s.quoted(at, s.indent(start)); s.found != nil {
			return
		}
		if s.line == line && isColon(s.text0()[at:]) {
			s.key(start, at)
			return
		}
		s.after(at, mark{line, start}, true)
	case '[', '{':
		if at = s.flow(at, s.indent(start)); s.found != nil {
			return
		}
		if isColon(s.text0()[at:]) {
			s.key(start, at)
			return
		}
		s.after(at, mark{line, start}, false)
	case '|', '>':
		s.block(at, s.indent(start))
	default:
		end := plainEnd(text, at)
		if end < len(text) && isColon(text[end:]) {
			s.key(start, end)
			return
		}
		if s.inMapping(start) {
			s.noColon(mark{s.line, start})
			return
		}
		if s.value(start, s.indent(start)); s.found == nil && s.last == open {
			s.text = &mark{s.line, start}
		}
	}
}

// indent is that of the collection that a node at this column stands in.
func (s *structure) indent(at int) int {
	for i := len(s.levels) - 1; i >= 0; i-- {
		if s.levels[i].indent <= at {
			return s.levels[i].indent
		}
	}
	return -1
}

// key goes on behind a key that ends at at.
func (s *structure) key(start, at int) {
	s.open(start, false)
	s.text = nil
	text := s.text0()
	at += strings.Index(text[at:], ":") + 1
	rest := strings.TrimLeft(text[at:], " \t")
	if rest == "" || rest[0] == '#' {
		s.last = wanted
		return
	}
	at = len(text) - len(rest)
	if isDash(rest) {
		s.fail(mark{s.line, at}, 1, "a list begins on a line of its own")
		s.hint("put the item on the next line, or write the list in brackets: [a, b]")
		return
	}
	s.value(at, start)
}

// value reads a value that cannot be a key of the line; indent is that of the
// mapping it stands in.
func (s *structure) value(at, indent int) {
	text := s.text0()
	start := at
	if at = s.properties(at); s.found != nil {
		return
	}
	if at >= len(text) || text[at] == '#' {
		s.last = wanted
		return
	}
	line := s.line
	switch c := text[at]; c {
	case '"', '\'':
		if at = s.quoted(at, indent); s.found == nil {
			s.after(at, mark{line, start}, true)
		}
	case '[', '{':
		if at = s.flow(at, indent); s.found == nil {
			s.after(at, mark{line, start}, false)
		}
	case '|', '>':
		s.block(at, indent)
	case '*':
		s.last = closed
		end := s.alias(at)
		s.after(end, mark{line, start}, false)
	case '@', '`', '%', ',', ']', '}':
		s.reserved(at)
	default:
		end := plainEnd(text, at)
		if end < len(text) && isColon(text[end:]) {
			s.fail(mark{s.line, at}, utf8.RuneCountInString(strings.TrimRight(text[at:], " ")), "a value that holds \": \" must be quoted")
			s.hint("or put the key on a line of its own, indented")
			return
		}
		s.last = open
	}
}

func (s *structure) reserved(at int) {
	text := s.text0()
	c := text[at]
	if c == ']' || c == '}' {
		s.fail(mark{s.line, at}, 1, "%q closes nothing", string(c))
		return
	}
	end := plainEnd(text, at)
	s.fail(mark{s.line, at}, utf8.RuneCountInString(text[at:end]), "a value that begins with %s must be quoted", string(c))
}

// after checks that nothing follows a value that has ended.
func (s *structure) after(at int, start mark, quoted bool) {
	s.last = closed
	text := s.text0()
	rest := strings.TrimLeft(text[at:], " \t")
	if rest == "" || rest[0] == '#' && len(rest) < len(text[at:]) {
		return
	}
	if quoted && start.line != s.line {
		s.fail(start, 1, "a quote is opened here and not closed")
		return
	}
	m := mark{s.line, len(text) - len(rest)}
	switch {
	case quoted:
		s.fail(m, utf8.RuneCountInString(rest), "there is text after the closing quote")
		quote := s.src.lines[start.line][start.at]
		if quote == '\'' {
			s.hint("a quote inside single quotes is written twice: ''")
		} else {
			s.hint("a quote inside double quotes is written \\\"")
		}
	case rest[0] == ']' || rest[0] == '}':
		s.fail(m, 1, "%q closes nothing", rest[:1])
	default:
		s.fail(m, utf8.RuneCountInString(rest), "there is text after the end of the value")
	}
}

// properties goes over anchors and tags.
func (s *structure) properties(at int) int {
	text := s.text0()
	for at < len(text) && (text[at] == '&' || text[at] == '!') {
		end := at + 1
		for end < len(text) && !strings.ContainsRune(" \t,]}", rune(text[end])) {
			end++
		}
		if text[at] == '&' {
			if end == at+1 {
				s.fail(mark{s.line, at}, 1, "an anchor needs a name; a value that begins with & must be quoted")
				return at
			}
			s.anchors[text[at+1:end]] = true
		}
		for at = end; at < len(text) && (text[at] == ' ' || text[at] == '\t'); at++ {
		}
	}
	return at
}

// alias reads *name, and says when there is no such anchor above.
func (s *structure) alias(at int) int {
	text := s.text0()
	end := at + 1
	for end < len(text) && isNameByte(text[end]) {
		end++
	}
	name := text[at+1 : end]
	if name == "" || end < len(text) && !strings.ContainsRune(" \t,]}:", rune(text[end])) {
		s.fail(mark{s.line, at}, utf8.RuneCountInString(text[at:plainEnd(text, at)]), "a value that begins with * is an alias; a text must be quoted")
		return end
	}
	if !s.anchors[name] && len(s.unknown) < 20 {
		d := diag.Errorf(s.src.at(s.line+1, utf8.RuneCountInString(text[:at])+1, 1+len(name)), diag.UnknownAnchor, "no anchor &%s above", name)
		names := make([]string, 0, len(s.anchors))
		for a := range s.anchors {
			names = append(names, a)
		}
		d = d.WithHint("%s", didYouMean(name, names, "&"))
		d = d.WithHint("a text that begins with * must be quoted")
		s.unknown = append(s.unknown, d)
	}
	return end
}

func isNameByte(c byte) bool {
	return c == '_' || c == '-' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func isColon(rest string) bool {
	rest = strings.TrimLeft(rest, " \t")
	return rest == ":" || strings.HasPrefix(rest, ": ") || strings.HasPrefix(rest, ":\t")
}

// plainEnd is where a plain scalar in block context ends: at a colon, a
// comment or the end of the line.
func plainEnd(text string, at int) int {
	for i := at; i < len(text); i++ {
		switch text[i] {
		case ':':
			if i+1 == len(text) || text[i+1] == ' ' || text[i+1] == '\t' {
				return i
			}
		case '#':
			if i > at && (text[i-1] == ' ' || text[i-1] == '\t') {
				return len(strings.TrimRight(text[:i], " \t"))
			}
		}
	}
	return len(strings.TrimRight(text, " \t"))
}

// quoted reads a quoted scalar that starts at at and gives where it ends, on
// the line that s then stands on.
func (s *structure) quoted(at, indent int) int {
	start := mark{s.line, at}
	quote := s.text0()[at]
	at++
	for {
		text := s.text0()
		for at < len(text) {
			switch {
			case quote == '"' && text[at] == '\\':
				if size := s.escape(at); size == 0 {
					return at
				} else {
					at += size
				}
				continue
			case text[at] != quote:
			case quote == '\'' && at+1 < len(text) && text[at+1] == quote:
				at++
			default:
				return at + 1
			}
			at++
		}
		if !s.nextQuotedLine(indent) {
			s.fail(start, 1, "a quote is opened here and not closed")
			return at
		}
		at = 0
	}
}

// nextQuotedLine goes on to the next line of a quoted scalar; false when what
// stands there is no longer meant to be part of it.
func (s *structure) nextQuotedLine(indent int) bool {
	if s.line+1 >= len(s.src.lines) {
		return false
	}
	next := s.src.lines[s.line+1]
	rest := strings.TrimLeft(next, " \t")
	at := len(next) - len(rest)
	if rest != "" && at <= indent && (looksLikeKey(rest) || isDash(rest)) || isMarker(next) {
		return false
	}
	s.line++
	return true
}

// escape checks an escape of a double-quoted scalar and gives its size.
func (s *structure) escape(at int) int {
	text := s.text0()
	if at+1 >= len(text) {
		return 1
	}
	digits := 0
	switch c := text[at+1]; c {
	case 'x':
		digits = 2
	case 'u':
		digits = 4
	case 'U':
		digits = 8
	default:
		if strings.IndexByte("0abt\tnvfre \"/\\N_LP", c) >= 0 {
			return 2
		}
		r, _ := utf8.DecodeRuneInString(text[at+1:])
		s.fail(mark{s.line, at}, 2, "no escape \\%c in double quotes", r)
		s.hint("write a backslash as \\\\, or use single quotes")
		return 0
	}
	end := at + 2
	for end < len(text) && end < at+2+digits && strings.IndexByte("0123456789abcdefABCDEF", text[end]) >= 0 {
		end++
	}
	if end < at+2+digits {
		s.fail(mark{s.line, at}, end-at, "the escape \\%c wants %d hexadecimal digits", text[at+1], digits)
		return 0
	}
	return end - at
}

// block goes over a literal or folded scalar.
func (s *structure) block(at, indent int) {
	text := s.text0()
	header := text[at:]
	if i := strings.Index(header, " #"); i >= 0 {
		header = header[:i]
	}
	if !blockHeader.MatchString(header) {
		s.fail(mark{s.line, at}, utf8.RuneCountInString(strings.TrimRight(header, " ")), "a value that begins with %c is a block of text, which starts on the next line", header[0])
		s.hint("quote a text that begins with %c", header[0])
		return
	}
	for s.line+1 < len(s.src.lines) {
		next := s.src.lines[s.line+1]
		if strings.TrimLeft(next, " \t") != "" && indentOf(next) <= indent {
			break
		}
		s.line++
	}
	s.last, s.text = closed, nil
}

var blockHeader = regexp.MustCompile(`^[|>]([1-9][+-]?|[+-][1-9]?)?[ \t]*$`)
