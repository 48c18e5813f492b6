package secret

import (
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// layers is how many escapings are seen through when they lie in one
// another: a Go-quoted message that quotes a JSON string that holds JSON.
const layers = 3

// reading is one way to read the character at a place: up to four bytes, and
// where the next character begins.
type reading struct {
	bytes [utf8.UTFMax]byte
	n     uint8
	next  int
}

func readByte(c byte, next int) reading {
	return reading{bytes: [utf8.UTFMax]byte{c}, n: 1, next: next}
}

func readRune(c rune, next int) reading {
	r := reading{next: next}
	r.n = uint8(utf8.EncodeRune(r.bytes[:], c))
	return r
}

// is reports whether r is the one byte c.
func (r reading) is(c byte) bool { return r.n == 1 && r.bytes[0] == c }

// readings appends to rs the byte at i as it is, and then each other reading
// of what begins there when up to so many layers of escapes are undone.
func readings(rs []reading, s string, i, layers int) []reading {
	if i >= len(s) {
		return rs
	}
	rs = append(rs, readByte(s[i], i+1))
	if layers == 0 || !beginsEscape(s[i]) {
		return rs
	}
	var buffer [8]reading
	for _, first := range readings(buffer[:0], s, i, layers-1) {
		if !slices.Contains(rs, first) {
			rs = append(rs, first)
		}
		if first.n != 1 {
			continue
		}
		switch at := first.next; first.bytes[0] {
		case '%':
			rs = readPercent(rs, s, at, layers-1)
		case '\\':
			rs = readBackslash(rs, s, at, layers-1)
		case '&':
			rs = readEntity(rs, s, at, layers-1)
		case '+':
			rs = appendNew(rs, readByte(' ', at))
		case '\'':
			for _, quoted := range [...]string{`'`, `\''`, `"'"'`} { // YAML and OData; POSIX shells
				if next, ok := readText(s, at, layers-1, quoted); ok {
					rs = appendNew(rs, readByte('\'', next))
				}
			}
		case '"':
			if next, ok := readText(s, at, layers-1, `"`); ok { // CSV
				rs = appendNew(rs, readByte('"', next))
			}
		}
	}
	return rs
}

func beginsEscape(c byte) bool {
	switch c {
	case '%', '\\', '&', '+', '\'', '"':
		return true
	default:
		return false
	}
}

func appendNew(rs []reading, r reading) []reading {
	if slices.Contains(rs, r) {
		return rs
	}
	return append(rs, r)
}

// readPercent reads what follows a percent sign.
func readPercent(rs []reading, s string, i, layers int) []reading {
	if c, next, ok := readHex(s, i, layers, 2); ok {
		return appendNew(rs, readByte(byte(c), next))
	}
	return rs
}

// readBackslash reads what follows a backslash: the escapes of JSON,
// JavaScript, Go and shells.
func readBackslash(rs []reading, s string, i, layers int) []reading {
	var buffer [8]reading
	for _, r := range readings(buffer[:0], s, i, layers) {
		if r.n != 1 {
			continue
		}
		switch c := r.bytes[0]; {
		case c == 'u':
			rs = readUTF16(rs, s, r.next, layers)
		case c == 'U':
			if v, next, ok := readHex(s, r.next, layers, 8); ok && v <= utf8.MaxRune {
				rs = appendNew(rs, readRune(rune(v), next))
			}
		case c == 'x':
			if v, next, ok := readHex(s, r.next, layers, 2); ok {
				rs = appendNew(rs, readByte(byte(v), next)) // Go: a byte
				rs = appendNew(rs, readRune(rune(v), next)) // JavaScript: a character
			}
		case '0' <= c && c <= '7':
			rs = readOctal(rs, s, i, layers)
		default:
			if v, ok := backslashed(c); ok {
				rs = appendNew(rs, readByte(v, r.next))
			}
		}
	}
	return rs
}

// backslashed gives what a backslash and c stand for.
func backslashed(c byte) (byte, bool) {
	if k := strings.IndexByte("abfnrtv", c); k >= 0 {
		return "\a\b\f\n\r\t\v"[k], true
	}
	letter := c|0x20 >= 'a' && c|0x20 <= 'z'
	digit := c >= '0' && c <= '9'
	return c, c > ' ' && c < utf8.RuneSelf && !letter && !digit
}

// readUTF16 reads the digits of \uXXXX, and a second one that completes a
// surrogate pair.
func readUTF16(rs []reading, s string, i, layers int) []reading {
	v, next, ok := readHex(s, i, layers, 4)
	if !ok {
		return rs
	}
	if !utf16.IsSurrogate(rune(v)) {
		return appendNew(rs, readRune(rune(v), next))
	}
	if at, ok := readText(s, next, layers, `\u`); ok {
		if low, end, ok := readHex(s, at, layers, 4); ok {
			if c := utf16.DecodeRune(rune(v), rune(low)); c != utf8.RuneError {
				return appendNew(rs, readRune(c, end))
			}
		}
	}
	return appendNew(rs, readRune(utf8.RuneError, next))
}

func readOctal(rs []reading, s string, i, layers int) []reading {
	v, next, ok := readDigits(s, i, layers, 3, 3, 8)
	if ok && v <= 0xff {
		rs = appendNew(rs, readByte(byte(v), next))
	}
	return rs
}

// maxReference is how many digits a numeric character reference may have,
// leading zeros included.
const maxReference = 8

// readEntity reads what follows an ampersand: the entities of XML and its
// numeric character references.
func readEntity(rs []reading, s string, i, layers int) []reading {
	for _, e := range [...]struct {
		name string
		char byte
	}{{"amp;", '&'}, {"lt;", '<'}, {"gt;", '>'}, {"quot;", '"'}, {"apos;", '\''}} {
		if next, ok := readText(s, i, layers, e.name); ok {
			return appendNew(rs, readByte(e.char, next))
		}
	}
	at, ok := readText(s, i, layers, "#")
	if !ok {
		return rs
	}
	base := 10
	for _, x := range [...]string{"x", "X"} {
		if next, ok := readText(s, at, layers, x); ok {
			at, base = next, 16
			break
		}
	}
	v, at, ok := readDigits(s, at, layers, 1, maxReference, base)
	if !ok || v > utf8.MaxRune {
		return rs
	}
	if next, ok := readText(s, at, layers, ";"); ok {
		rs = appendNew(rs, readRune(rune(v), next))
	}
	return rs
}

// readText reads exactly this ASCII text.
func readText(s string, i, layers int, text string) (next int, ok bool) {
	if text == "" {
		return i, true
	}
	if i >= len(s) {
		return 0, false
	}
	if layers == 0 || !beginsEscape(s[i]) {
		if s[i] != text[0] {
			return 0, false
		}
		return readText(s, i+1, layers, text[1:])
	}
	var buffer [8]reading
	for _, r := range readings(buffer[:0], s, i, layers) {
		if !r.is(text[0]) {
			continue
		}
		if next, ok := readText(s, r.next, layers, text[1:]); ok {
			return next, true
		}
	}
	return 0, false
}

func readHex(s string, i, layers, digits int) (v uint32, next int, ok bool) {
	return readDigits(s, i, layers, digits, digits, 16)
}

// readDigits reads from least to most digits, as many as there are.
func readDigits(s string, i, layers, least, most, base int) (v uint32, next int, ok bool) {
	n := 0
	for n < most {
		d, at := readDigit(s, i, layers, base)
		if d < 0 {
			break
		}
		v, i = v*uint32(base)+uint32(d), at
		n++
	}
	return v, i, n >= least
}

// readDigit gives the value of the digit at i, or -1.
func readDigit(s string, i, layers, base int) (v, next int) {
	if i >= len(s) {
		return -1, 0
	}
	if d := hexDigit(s[i]); d >= 0 && d < base {
		return d, i + 1
	}
	if layers == 0 || !beginsEscape(s[i]) {
		return -1, 0
	}
	var buffer [8]reading
	for _, r := range readings(buffer[:0], s, i, layers) {
		if d := hexDigit(r.bytes[0]); r.n == 1 && d >= 0 && d < base {
			return d, r.next
		}
	}
	return -1, 0
}

// hexDigit gives the value of a hexadecimal digit, or -1.
func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	default:
		return -1
	}
}
