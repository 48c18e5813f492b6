package assertions

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// path is a gjson path that can be right.
type path struct {
	text string
	// plain are the names and indexes it begins with, unescaped.
	plain []string
	// rest is what gjson reads: from the first component that is more than a
	// name or an index.
	rest string
	// parts are all of its components.
	parts []part
}

// part is a component of a path: text[from:to].
type part struct {
	from, to int
	name     string
	plain    bool
}

// pathError says what is wrong with a path, and where, in bytes.
type pathError struct {
	message string
	hints   []string
	at, end int
}

// modifiers are those that gjson has.
func modifiers() []string {
	return []string{
		"@dig", "@flatten", "@fromstr", "@group", "@join", "@keys", "@pretty",
		"@reverse", "@this", "@tostr", "@ugly", "@valid", "@values",
	}
}

// maxPathDepth bounds queries and multipaths inside one another.
const maxPathDepth = 32

// maxPathBytes bounds a path.
const maxPathBytes = 1 << 14

// parsePath checks a gjson path. gjson itself takes nearly any text and finds
// nothing.
func parsePath(s string) (*path, *pathError) {
	if err := foreign(s); err != nil {
		return nil, err
	}
	p := &pathParser{s: s}
	parts, err := p.parse(0, len(s), 0)
	if err != nil {
		return nil, err
	}
	r := &path{text: s, parts: parts}
	for _, c := range parts {
		if !c.plain {
			r.rest = s[c.from:]
			break
		}
		r.plain = append(r.plain, c.name)
	}
	return r, nil
}

var (
	bracketIndex = regexp.MustCompile(`\[(\d+|\*)\]`)
	bracketName  = regexp.MustCompile(`\[(?:'([^']*)'|"([^"]*)")\]`)
	jsonPath     = regexp.MustCompile(`^\$(?:$|\.|\[)`)
)

// foreign recognises what is no gjson path but another language's.
func foreign(s string) *pathError {
	whole := func(message string, hints ...string) *pathError {
		return &pathError{message: message, hints: hints, end: len(s)}
	}
	switch {
	case len(s) > maxPathBytes:
		return whole(fmt.Sprintf("the path is longer than %d bytes", maxPathBytes))
	case s == "":
		return whole("the path is empty", `the whole document is "@this"`)
	case jsonPath.MatchString(s):
		return whole(fmt.Sprintf("%s is JSONPath; paths here are gjson's%s", quote(s), meant(fromJSONPath(s))))
	}
	return nil
}

func meant(s string) string {
	if s == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %s?", shownPath(s))
}

// fromJSONPath proposes the gjson path for a JSONPath, or "".
func fromJSONPath(s string) string {
	s = strings.TrimPrefix(s, "$")
	if s == "" {
		return `"@this"`
	}
	if name, ok := strings.CutPrefix(s, ".."); ok {
		if plainName(name) {
			return `"@dig:` + name + `"`
		}
		return ""
	}
	return withoutBrackets(strings.TrimPrefix(s, "."))
}

func plainName(s string) bool {
	return s != "" && !strings.ContainsAny(s, ".[]()*?@#$|\\\"'")
}

// withoutBrackets rewrites lines[0]['sku'] as lines.0.sku, or gives "" when
// that does not make a path.
func withoutBrackets(s string) string {
	s = strings.ReplaceAll(s, ".[", "[")
	s = bracketIndex.ReplaceAllStringFunc(s, func(m string) string {
		if m == "[*]" {
			return ".#"
		}
		return "." + m[1:len(m)-1]
	})
	s = bracketName.ReplaceAllStringFunc(s, func(m string) string { return "." + gjson.Escape(m[2:len(m)-2]) })
	s = strings.TrimPrefix(s, ".")
	p := &pathParser{s: s, proposal: true}
	if s == "" {
		return ""
	}
	if _, err := p.parse(0, len(s), 0); err != nil {
		return ""
	}
	return s
}

type pathParser struct {
	s string
	// proposal says that s is one already, and needs none of its own.
	proposal bool
}

// proposed gives the path without its brackets, or "".
func (p *pathParser) proposed() string {
	if p.proposal {
		return ""
	}
	if s := withoutBrackets(p.s); s != p.s {
		return s
	}
	return ""
}

func (p *pathParser) fail(at, end int, message string, hints ...string) *pathError {
	return &pathError{message: message, hints: hints, at: at, end: max(end, at)}
}

// parse reads the components in s[i:end].
func (p *pathParser) parse(i, end, depth int) ([]part, *pathError) {
	if depth > maxPathDepth {
		return nil, p.fail(i, end, "the path is nested too deep")
	}
	var parts []part
	piped := true // the beginning of a path is like what stands behind a pipe
	for {
		c, next, err := p.component(i, end, depth, piped)
		if err != nil {
			return nil, err
		}
		parts = append(parts, c)
		if next == end {
			return parts, nil
		}
		piped = p.s[next] == '|'
		i = next + 1
		if i == end {
			return nil, p.fail(next, end, fmt.Sprintf("%s ends with a %q and has no name behind it", quote(p.s[:end]), p.s[next:end]))
		}
	}
}

// component reads one component and gives the index of the dot or pipe behind
// it, or end.
func (p *pathParser) component(i, end, depth int, piped bool) (part, int, *pathError) {
	switch p.s[i] {
	case '.', '|':
		return part{}, 0, p.fail(i, i+1, fmt.Sprintf("%s has an empty component", quote(p.s)), `a dot in a name is written \.`)
	case '@':
		return p.modifier(i, end, depth)
	case '[', '{':
		return p.multipath(i, end, depth)
	case '!':
		if piped {
			return p.literal(i, end)
		}
	case '#':
		if i+1 == end || p.s[i+1] == '.' || p.s[i+1] == '|' {
			return part{from: i, to: i + 1}, i + 1, nil
		}
		if p.s[i+1] == '(' || p.s[i+1] == '[' {
			return p.query(i, end, depth)
		}
	case '"', '\'':
		return part{}, 0, p.quoted(i, end)
	}
	return p.name(i, end)
}

// quoted explains that gjson has no quoted names.
func (p *pathParser) quoted(i, end int) *pathError {
	q := p.s[i]
	last := strings.IndexByte(p.s[i+1:end], q)
	if last < 0 {
		return p.fail(i, end, fmt.Sprintf("the quote in %s is not closed", quote(p.s)), `a quote in a name is written \"`)
	}
	name := p.s[i+1 : i+1+last]
	return p.fail(i, i+last+2, fmt.Sprintf("names in a path have no quotes: %s", quote(p.s)),
		fmt.Sprintf("did you mean %s?", shownPath(p.s[:i]+gjson.Escape(name)+p.s[i+last+2:])))
}

// name reads a plain name, an index or a pattern with * and ?.
func (p *pathParser) name(i, end int) (part, int, *pathError) {
	start := i
	var b strings.Builder
	plain := p.s[i] != '#'
	for ; i < end && p.s[i] != '.' && p.s[i] != '|'; i++ {
		switch c := p.s[i]; c {
		case '\\':
			if i++; i == end {
				return part{}, 0, p.fail(i-1, end, fmt.Sprintf("%s ends with a backslash and nothing to escape", quote(p.s)))
			}
			b.WriteByte(p.s[i])
			continue
		case '*', '?', '#':
			plain = false
		case '[', ']', '{', '}':
			return part{}, 0, p.bracket(i, start)
		}
		b.WriteByte(p.s[i])
	}
	return part{from: start, to: i, name: b.String(), plain: plain}, i, nil
}

// bracket explains a bracket within a name.
func (p *pathParser) bracket(i, start int) *pathError {
	hint := "a bracket in a name is written with a backslash before it"
	if s := p.proposed(); s != "" {
		return p.fail(start, len(p.s), fmt.Sprintf("%s has an index in brackets; did you mean %s?", quote(p.s), shownPath(s)))
	}
	return p.fail(i, i+1, fmt.Sprintf("%s has a %q within a name", quote(p.s), p.s[i]), hint)
}

// modifier reads @name or @name:argument.
func (p *pathParser) modifier(i, end, depth int) (part, int, *pathError) {
	at := i
	for at < end && p.s[at] != ':' && p.s[at] != '.' && p.s[at] != '|' {
		at++
	}
	name := p.s[i:at]
	if !slices.Contains(modifiers(), name) {
		hint := fmt.Sprintf("a name that begins with @ is written \\%s", shownPath(name))
		return part{}, 0, p.fail(i, at, fmt.Sprintf("unknown modifier %s%s", quote(name), didYouMean(name, modifiers())), hint)
	}
	if at < end && p.s[at] == ':' {
		arg := at + 1
		to, err := p.argument(arg, end)
		if err != nil {
			return part{}, 0, err
		}
		if name == "@dig" {
			if _, err := p.parse(arg, to, depth+1); err != nil {
				return part{}, 0, err
			}
		}
		at = to
	}
	if at < end && p.s[at] != '.' && p.s[at] != '|' {
		return part{}, 0, p.fail(at, end, fmt.Sprintf("want . or | behind %s, found %s", quote(p.s[i:at]), quote(p.s[at:end])))
	}
	return part{from: i, to: at}, at, nil
}

// argument gives the end of a modifier's argument: JSON, or text up to a pipe.
func (p *pathParser) argument(i, end int) (int, *pathError) {
	if i == end {
		return 0, p.fail(i-1, end, fmt.Sprintf("%s has a modifier with a colon and no argument", quote(p.s)))
	}
	if strings.IndexByte(`{["`, p.s[i]) >= 0 {
		to, ok := closing(p.s[:end], i)
		if !ok || !gjson.Valid(p.s[i:to]) {
			return 0, p.fail(i, end, fmt.Sprintf("the argument %s of a modifier is not JSON", quote(p.s[i:end])))
		}
		return to, nil
	}
	to := i
	for to < end && p.s[to] != '|' {
		if strings.IndexByte(`{["(`, p.s[to]) < 0 {
			to++
			continue
		}
		next, ok := closing(p.s[:end], to)
		if !ok {
			return 0, p.fail(to, end, fmt.Sprintf("%q is not closed in %s", p.s[to], quote(p.s)))
		}
		to = next
	}
	return to, nil
}

// closing gives the index behind the bracket or quote that closes the one at
// i.
func closing(s string, i int) (int, bool) {
	var open []byte
	for ; i < len(s); i++ {
		switch c := s[i]; c {
		case '\\':
			i++
			continue
		case '"':
			end := stringEnd(s, i)
			if end > len(s) || s[end-1] != '"' || end-1 == i {
				return 0, false
			}
			i = end - 1
		case '(':
			open = append(open, ')')
		case '[':
			open = append(open, ']')
		case '{':
			open = append(open, '}')
		case ')', ']', '}':
			if len(open) == 0 || open[len(open)-1] != c {
				return 0, false
			}
			open = open[:len(open)-1]
		}
		if len(open) == 0 {
			return i + 1, true
		}
	}
	return 0, false
}

// literal reads !VALUE.
func (p *pathParser) literal(i, end int) (part, int, *pathError) {
	wrong := p.fail(i, end, fmt.Sprintf("%s is not a literal: want ! and a JSON value behind it", quote(p.s[i:end])),
		`a name that begins with ! is written \!`)
	if i+1 == end {
		return part{}, 0, wrong
	}
	to := end
	switch p.s[i+1] {
	case '{', '[':
		var ok bool
		if to, ok = closing(p.s[:end], i+1); !ok {
			return part{}, 0, wrong
		}
	case 't', 'f', 'n':
		for to = i + 1; to < end && p.s[to] != '.' && p.s[to] != '|'; {
			to++
		}
	}
	if !gjson.Valid(p.s[i+1 : to]) {
		return part{}, 0, wrong
	}
	if to < end && p.s[to] != '.' && p.s[to] != '|' {
		return part{}, 0, wrong
	}
	return part{from: i, to: to}, to, nil
}

// multipath reads [a,b] and {a,"name":b}, as gjson splits them.
func (p *pathParser) multipath(i, end, depth int) (part, int, *pathError) {
	to, ok := closing(p.s[:end], i)
	if !ok {
		return part{}, 0, p.fail(i, end, fmt.Sprintf("%q is not closed in %s", p.s[i], quote(p.s)))
	}
	if to < end && p.s[to] != '.' && p.s[to] != '|' {
		return part{}, 0, p.fail(to, end, fmt.Sprintf("want . or | behind %s, found %s", quote(p.s[i:to]), quote(p.s[to:end])))
	}
	if index := p.s[i:to]; bracketIndex.FindString(index) == index || bracketName.FindString(index) == index {
		return part{}, 0, p.fail(i, to, fmt.Sprintf("%s has an index in brackets%s", quote(p.s), meant(p.proposed())))
	}
	for from, selector := range p.selectors(i, to) {
		if err := p.selector(from, selector, depth); err != nil {
			return part{}, 0, err
		}
	}
	return part{from: i, to: to}, to, nil
}

func (p *pathParser) selector(from, to, depth int) *pathError {
	if from == to {
		return p.fail(from-1, to+1, fmt.Sprintf("%s has an empty path between its brackets", quote(p.s)))
	}
	_, err := p.parse(from, to, depth+1)
	return err
}

// selectors gives the ends of each path between the brackets at i and to-1,
// without its name.
func (p *pathParser) selectors(i, to int) func(func(int, int) bool) {
	return func(yield func(int, int) bool) {
		start, colon := i+1, 0
		modifier, level := false, 0
		for at := i + 1; at < to; at++ {
			switch p.s[at] {
			case '\\':
				at++
			case '@':
				modifier = modifier || p.s[at-1] == '.' || p.s[at-1] == '|'
			case ':':
				if !modifier && colon == 0 && level == 0 {
					colon = at
				}
			case '"':
				at = stringEnd(p.s, at) - 1
			case '[', '(', '{':
				level++
			case ']', ')', '}', ',':
				if p.s[at] != ',' && at < to-1 {
					level--
					continue
				}
				if level > 0 {
					continue
				}
				if colon > 0 {
					start = colon + 1
				}
				if !yield(start, at) {
					return
				}
				start, colon, modifier = at+1, 0, false
			}
		}
	}
}

// query reads #(path op value), and the # behind it.
func (p *pathParser) query(i, end, depth int) (part, int, *pathError) {
	to, ok := closing(p.s[:end], i+1)
	if !ok {
		return part{}, 0, p.fail(i, end, fmt.Sprintf("the query %s is not closed", quote(p.s[i:end])),
			`a query is written #(name=="value") or, for all matches, #(name=="value")#`)
	}
	if err := p.condition(i+2, to-1, depth); err != nil {
		return part{}, 0, err
	}
	next := to
	if next < end && p.s[next] == '#' {
		next++
	}
	if next < end && p.s[next] != '.' && p.s[next] != '|' {
		return part{}, 0, p.fail(next, end, fmt.Sprintf("want . or | behind %s, found %s", quote(p.s[i:next]), quote(p.s[next:end])))
	}
	return part{from: i, to: next}, next, nil
}

// condition checks what stands in the brackets of a query.
func (p *pathParser) condition(i, to, depth int) *pathError {
	op := p.operatorAt(i, to)
	left := trimmed{p.s, i, op}
	left.trim()
	if left.from < left.to {
		if _, err := p.parse(left.from, left.to, depth+1); err != nil {
			return err
		}
	}
	if op == to {
		if left.from == left.to {
			return p.fail(i-2, to+1, fmt.Sprintf("%s has an empty query", quote(p.s)), "the number of elements is #, each of them is #.name")
		}
		return nil
	}
	width := 1
	if two := p.s[op:min(op+2, to)]; slices.Contains([]string{"==", "!=", "<=", ">=", "!%"}, two) {
		width = 2
	} else if p.s[op] == '!' {
		return p.fail(op, to, fmt.Sprintf("unknown comparison in the query %s: want one of = == != < <= > >= %% !%%", quote(p.s[i:to])))
	}
	right := trimmed{p.s, op + width, to}
	right.trim()
	return p.comparand(right.from, right.to)
}

// comparand checks the right side of a comparison.
func (p *pathParser) comparand(i, to int) *pathError {
	v := p.s[i:to]
	switch {
	case v == "":
		return p.fail(i, to, fmt.Sprintf("%s compares with nothing", quote(p.s)), `empty text is written ""`)
	case v[0] == '"':
		if end := stringEnd(p.s[:to], i); end != to || to-i < 2 || p.s[to-1] != '"' {
			return p.logic(i, to, v)
		}
	case v[0] == '\'':
		return p.fail(i, to, fmt.Sprintf("text in a query has double quotes: %s", quote(p.s)))
	case v[0] == '~':
		if !slices.Contains([]string{"~true", "~false", "~null", "~*"}, v) {
			return p.fail(i, to, fmt.Sprintf("unknown %s in a query: want ~true, ~false, ~null or ~*", quote(v)))
		}
	case strings.Contains(v, "&&") || strings.Contains(v, "||"):
		return p.logic(i, to, v)
	case v[0] == '=' || v[0] == '<' || v[0] == '>':
		return p.fail(i-1, to, fmt.Sprintf("unknown comparison in %s: want one of = == != < <= > >= %% !%%", quote(p.s)))
	}
	return nil
}

func (p *pathParser) logic(i, to int, v string) *pathError {
	if strings.Contains(v, "&&") || strings.Contains(v, "||") {
		return p.fail(i, to, fmt.Sprintf("a query has one comparison, found %s", quote(v)),
			"for both, put one behind the other: #(a==1)#|#(b==2)")
	}
	return p.fail(i, to, fmt.Sprintf("text in a query ends with its closing quote, found %s", quote(v)))
}

// operatorAt gives the place of the comparison in s[i:to], or to.
func (p *pathParser) operatorAt(i, to int) int {
	level := 0
	for ; i < to; i++ {
		switch p.s[i] {
		case '!', '=', '<', '>', '%':
			if level == 0 {
				return i
			}
		case '\\':
			i++
		case '[', '(':
			level++
		case ']', ')':
			level--
		case '"':
			i = stringEnd(p.s[:to], i) - 1
		}
	}
	return to
}

// trimmed is a part of a text without blanks at its ends.
type trimmed struct {
	s        string
	from, to int
}

func (t *trimmed) trim() {
	for t.from < t.to && t.s[t.from] <= ' ' {
		t.from++
	}
	for t.to > t.from && t.s[t.to-1] <= ' ' {
		t.to--
	}
}

// path checks a path for the compiler; nil when it cannot be right.
func (c *compiler) path(s string, place Place, subject string) *path {
	if strings.Contains(s, "${") {
		// The caller has said that an expression in a name is not evaluated.
		return &path{text: s, rest: s}
	}
	p, err := parsePath(s)
	if err == nil {
		return p
	}
	at, end := min(err.at, len(s)), min(max(err.end, err.at), len(s))
	c.problems = append(c.problems, Problem{
		Place: place, Code: "invalid-path", Message: subject + ": " + err.message, Hints: err.hints,
		Offset: utf8.RuneCountInString(s[:at]), Width: utf8.RuneCountInString(s[at:end]),
	})
	return nil
}
