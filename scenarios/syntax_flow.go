package scenarios

import (
	"strings"
	"unicode/utf8"
)

// bracket is one that is open.
type bracket struct {
	mark
	close byte
}

// flow reads { } or [ ] from at to where it ends, on the line that s then
// stands on. indent is that of the block it stands in: a line that is not
// indented more belongs to the block, and a bracket was not closed.
func (s *structure) flow(at, indent int) int {
	var stack []bracket
	// separated: a comma, colon or bracket stands before the next value.
	separated := true
	for {
		text := s.text0()
		at = skipBlanks(text, at)
		if at >= len(text) || text[at] == '#' && (at == 0 || text[at-1] == ' ' || text[at-1] == '\t') {
			if !s.nextFlowLine(indent) {
				s.unclosed(stack[len(stack)-1])
				return at
			}
			at = 0
			continue
		}
		c := text[at]
		switch c {
		case '[', '{':
			if !separated {
				s.missingComma(at)
				return at
			}
			stack = append(stack, bracket{mark{s.line, at}, closing(c)})
			at++
			continue
		case ']', '}':
			top := stack[len(stack)-1]
			if top.close != c {
				s.unclosed(top)
				return at
			}
			stack = stack[:len(stack)-1]
			at++
			if len(stack) == 0 {
				return at
			}
			separated = false
			continue
		case '&', '!':
			if at = s.properties(at); s.found != nil {
				return at
			}
			continue
		case ',':
			at, separated = at+1, true
			continue
		case ':':
			if !separated || at+1 == len(text) || strings.IndexByte(" \t,]}", text[at+1]) >= 0 {
				at, separated = at+1, true
				continue
			}
		}
		if !separated {
			s.missingComma(at)
			return at
		}
		if at = s.flowScalar(at, indent); s.found != nil {
			return at
		}
		separated = false
	}
}

func closing(c byte) byte {
	if c == '[' {
		return ']'
	}
	return '}'
}

func skipBlanks(text string, at int) int {
	for at < len(text) && (text[at] == ' ' || text[at] == '\t') {
		at++
	}
	return at
}

func (s *structure) unclosed(b bracket) {
	s.fail(b.mark, 1, "%q is opened here and not closed", s.src.lines[b.line][b.at:b.at+1])
}

func (s *structure) missingComma(at int) {
	s.fail(mark{s.line, at}, 1, "a comma is missing before this")
}

// nextFlowLine goes on to the next line; false when it is no longer meant to
// be inside the brackets.
func (s *structure) nextFlowLine(indent int) bool {
	for s.line+1 < len(s.src.lines) {
		next := s.src.lines[s.line+1]
		rest := strings.TrimLeft(next, " \t")
		if rest == "" || rest[0] == '#' {
			s.line++
			continue
		}
		if isMarker(next) || len(next)-len(rest) <= indent && rest[0] != ']' && rest[0] != '}' {
			return false
		}
		s.line++
		return true
	}
	return false
}

// flowScalar reads one key or value inside brackets.
func (s *structure) flowScalar(at, indent int) int {
	text := s.text0()
	switch text[at] {
	case '"', '\'':
		return s.quoted(at, indent)
	case '*':
		return s.alias(at)
	case '@', '`', '%', '|', '>', '?':
		s.mustQuote(at)
		return at
	case '-':
		if at+1 == len(text) || text[at+1] == ' ' {
			s.fail(mark{s.line, at}, 1, "a list with dashes cannot stand inside brackets")
			s.hint("separate the items by commas: [a, b]")
			return at
		}
	}
	end := flowPlainEnd(text, at)
	if end < len(text) && strings.IndexByte("?[{", text[end]) >= 0 {
		s.mustQuote(at)
		return at
	}
	if end == at {
		s.mustQuote(at)
		return at
	}
	return end
}

// flowPlainEnd is where the parser ends a plain scalar inside brackets.
func flowPlainEnd(text string, at int) int {
	for i := at; i < len(text); i++ {
		switch text[i] {
		case ',', ']', '}', '?', '[', '{':
			return i
		case ':':
			if i+1 == len(text) || strings.IndexByte(" \t,]}[{", text[i+1]) >= 0 {
				return i
			}
		case '#':
			if i > at && (text[i-1] == ' ' || text[i-1] == '\t') {
				return i
			}
		}
	}
	return len(text)
}

// mustQuote says that the value at at must stand in quotes, which inside
// brackets is so for many that need none elsewhere.
func (s *structure) mustQuote(at int) {
	text := s.text0()
	end := valueEnd(text, at)
	value := text[at:end]
	s.fail(mark{s.line, at}, utf8.RuneCountInString(value), "inside { } and [ ] this value must be quoted")
	switch {
	case strings.Contains(value, "${"):
		s.hint("quote this value: a plain value inside brackets cannot hold ${")
	case strings.Contains(value, "?"):
		s.hint("quote this value: a plain value inside brackets cannot hold ?")
	default:
		s.hint("quote this value")
	}
}

// valueEnd is where a person would say that the value ends: at the comma or
// bracket that is not inside ${…} or quotes.
func valueEnd(text string, at int) int {
	depth := 0
	var quote byte
	for i := at; i < len(text); i++ {
		c := text[i]
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case depth > 0 && (c == '"' || c == '\''):
			quote = c
		case c == '{' || c == '[':
			depth++
		case (c == '}' || c == ']') && depth > 0:
			depth--
		case c == '}' || c == ']' || c == ',' && depth == 0:
			return len(strings.TrimRight(text[:i], " \t"))
		}
	}
	return len(strings.TrimRight(text, " \t"))
}
