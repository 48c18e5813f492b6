package expression

import (
	"strings"
	"unicode/utf8"
)

// segment is a piece of a text: either characters that stand for themselves,
// or the code between ${ and }.
type segment struct {
	// literal is the text itself, with $${ already turned into ${.
	literal string
	// code is what stands between the braces; isCode tells an empty one from
	// a literal.
	code   string
	isCode bool
	// start and end are byte offsets in the scanned text; for code they
	// include ${ and }.
	start, end int
}

// scanProblem is why the end of an expression could not be found.
type scanProblem struct {
	offset, width int
	message, hint string
}

// HasExpression reports whether text contains a ${ that is not escaped as $${.
func HasExpression(text string) bool {
	for {
		i := strings.Index(text, "${")
		if i < 0 {
			return false
		}
		if i == 0 || text[i-1] != '$' {
			return true
		}
		text = text[i+2:]
	}
}

// scan splits text at its expressions. A problem ends the scan: what comes
// after the place cannot be told apart any more.
func scan(text string) ([]segment, *scanProblem) {
	var segments []segment
	var literal strings.Builder
	from := 0
	flush := func(to int) {
		if literal.Len() > 0 {
			segments = append(segments, segment{literal: literal.String(), start: from, end: to})
			literal.Reset()
		}
	}
	for i := 0; i < len(text); {
		dollar := strings.IndexByte(text[i:], '$')
		if dollar < 0 {
			literal.WriteString(text[i:])
			break
		}
		literal.WriteString(text[i : i+dollar])
		i += dollar
		switch {
		case strings.HasPrefix(text[i:], "$${"):
			literal.WriteString("${")
			i += 3
		case strings.HasPrefix(text[i:], "${"):
			flush(i)
			end, problem := scanCode(text, i+2)
			if problem != nil {
				return segments, problem
			}
			segments = append(segments, segment{code: text[i+2 : end], isCode: true, start: i, end: end + 1})
			i = end + 1
			from = i
		default:
			literal.WriteByte('$')
			i++
		}
	}
	flush(len(text))
	return segments, nil
}

// scanCode finds the } that ends the expression whose code begins at start. It
// knows what can hide a brace from the lexer of the expression language: the
// three kinds of quotes, comments, and nested braces.
func scanCode(text string, start int) (int, *scanProblem) {
	depth := 0
	for i := start; i < len(text); {
		switch c := text[i]; {
		case c == '{':
			depth++
			i++
		case c == '}':
			if depth == 0 {
				return i, nil
			}
			depth--
			i++
		case c == '"' || c == '\'':
			n := quoted(text[i:], c)
			if n < 0 {
				return 0, &scanProblem{i, 1, "the text that begins here has no closing " + string(c), ""}
			}
			i += n
		case c == '`':
			n := rawQuoted(text[i:])
			if n < 0 {
				return 0, &scanProblem{i, 1, "the text that begins here has no closing `", ""}
			}
			i += n
		case strings.HasPrefix(text[i:], "//"):
			n := strings.IndexByte(text[i:], '\n')
			if n < 0 {
				return 0, unclosed(start, "the comment // goes on to the end of the line and hides the }")
			}
			i += n
		case strings.HasPrefix(text[i:], "/*"):
			n := strings.Index(text[i+2:], "*/")
			if n < 0 {
				return 0, &scanProblem{i, 2, "the comment that begins here has no closing */", ""}
			}
			i += n + 4
		default:
			i++
		}
	}
	return 0, unclosed(start, "a ${ that is meant as text is written $${")
}

func unclosed(start int, hint string) *scanProblem {
	return &scanProblem{start - 2, 2, "${ has no closing }", hint}
}

// quoted gives the length of the quoted text at the beginning of s, or -1. As
// in the expression language, such a text ends with its line.
func quoted(s string, quote byte) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '\n':
			return -1
		case quote:
			return i + 1
		}
	}
	return -1
}

// rawQuoted gives the length of the text in backquotes at the beginning of s,
// or -1. A backquote inside is doubled.
func rawQuoted(s string) int {
	for i := 1; i < len(s); i++ {
		if s[i] != '`' {
			continue
		}
		if i+1 < len(s) && s[i+1] == '`' {
			i++
			continue
		}
		return i + 1
	}
	return -1
}

// byteOffset gives the byte offset of the rune that counts from 0; past the end
// it is the length of s.
func byteOffset(s string, rune int) int {
	if rune <= 0 {
		return 0
	}
	offset := 0
	for range rune {
		if offset >= len(s) {
			return len(s)
		}
		_, size := utf8.DecodeRuneInString(s[offset:])
		offset += size
	}
	return offset
}
