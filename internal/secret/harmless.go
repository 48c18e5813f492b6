package secret

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Harmless gives s so that neither a terminal nor a CI agent executes any of
// it when it is shown. Line feeds and tabs stay. Control characters, bytes
// that are not UTF-8, characters that turn the direction of the text or that
// cannot be seen are written as \r, \x1b, \u202e. What a CI agent takes for a
// command is broken up by a backslash: "::" at the beginning of a line, also
// after blanks (GitHub), and "##vso[", "##[" (Azure DevOps, GitHub) and
// "##teamcity[" anywhere, in any case.
//
// The result is valid UTF-8, and Harmless leaves it as it is.
func Harmless(s string) string {
	i := nextSuspect(s, 0)
	if i == len(s) {
		return s
	}
	var b strings.Builder
	done := 0
	for i < len(s) {
		text, size := harmless(s, i)
		if text != "" {
			b.WriteString(s[done:i])
			b.WriteString(text)
			done = i + size
		}
		i = nextSuspect(s, i+size)
	}
	if done == 0 {
		return s
	}
	b.WriteString(s[done:])
	return b.String()
}

// nextSuspect gives the first byte from i that is worth a look.
func nextSuspect(s string, i int) int {
	for ; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\n' || c == '\t':
		case c < ' ' || c >= 0x7f:
			return i
		case c == ':' || c == '#':
			if i+1 < len(s) && s[i+1] == c {
				return i
			}
		}
	}
	return i
}

// harmless gives what to write for the character at i, and its size in bytes;
// no text: it may stay.
func harmless(s string, i int) (text string, size int) {
	switch s[i] {
	case ':':
		if atLineStart(s, i) {
			return `\:`, 1
		}
		return "", 1
	case '#':
		if beginsCommand(s[i:]) {
			return `#\`, 1
		}
		return "", 1
	case '\r':
		return `\r`, 1
	}
	c, size := utf8.DecodeRuneInString(s[i:])
	switch {
	case c == utf8.RuneError && size == 1, c < ' ', c == 0x7f:
		return fmt.Sprintf(`\x%02x`, s[i]), 1
	case !executable(c):
		return "", size
	case c <= 0xffff:
		return fmt.Sprintf(`\u%04x`, c), size
	default:
		return fmt.Sprintf(`\U%08x`, c), size
	}
}

// executable reports whether a character does something other than to be
// seen. The joiners stay: emoji and Indic and Arabic scripts need them.
func executable(c rune) bool {
	switch {
	case unicode.Is(unicode.Cc, c):
		return true
	case c == 0x200c || c == 0x200d || c == 0x00ad:
		return false
	case unicode.Is(unicode.Cf, c), unicode.Is(unicode.Zl, c), unicode.Is(unicode.Zp, c):
		return true
	default:
		return c&0xfffe == 0xfffe // no characters; XML forbids two of them
	}
}

// atLineStart reports whether only blanks stand before i in its line.
func atLineStart(s string, i int) bool {
	line := s[strings.LastIndexByte(s[:i], '\n')+1 : i]
	return strings.TrimLeftFunc(line, unicode.IsSpace) == ""
}

func beginsCommand(s string) bool {
	for _, c := range [...]string{"##[", "##vso[", "##teamcity["} {
		if len(s) >= len(c) && strings.EqualFold(s[:len(c)], c) {
			return true
		}
	}
	return false
}
