package secret

import (
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
	// backslashes is how many layers of backslash escapes were undone.
	backslashes uint8
	next        int
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

// readings are the ways to read the character at one place; the first is the
// byte as it is. More than fit do not occur: what is read several ways are
// runs of backslashes and of quotes, and they double in length with a layer.
type readings struct {
	n   int
	all [12]reading
}

func (rs *readings) list() []reading { return rs.all[:rs.n] }

func (rs *readings) add(r reading) {
	for _, old := range rs.list() {
		if old.bytes == r.bytes && old.n == r.n && old.next == r.next {
			return
		}
	}
	if rs.n < len(rs.all) {
		rs.all[rs.n] = r
		rs.n++
	}
}

// read fills rs with the readings of the character at i < len(s) when up to
// so many layers of escapes are undone.
func (rs *readings) read(s string, i, layers int) {
	rs.n = 1
	rs.all[0] = readByte(s[i], i+1)
	if layers == 0 || !mayEscape(s, i) {
		return
	}
	nested := nestsEscape(s, i)
	for layer := range layers {
		before, again := rs.n, nested
		for _, first := range rs.list()[:before] {
			rs.unescape(first, s, layer)
		}
		for _, r := range rs.list()[before:] {
			again = again || r.n == 1 && beginsEscape(r.bytes[0])
		}
		if !again {
			return
		}
	}
}

// unescape adds the readings of an escape that begins with first, when what
// follows it is itself read with up to so many layers undone.
func (rs *readings) unescape(first reading, s string, layers int) {
	if first.n != 1 {
		return
	}
	switch at := first.next; first.bytes[0] {
	case '%':
		if c, next, ok := readHex(s, at, layers, 2); ok {
			rs.add(readByte(byte(c), next))
		}
	case '\\':
		rs.backslash(first, s, layers)
	case '&':
		rs.entity(s, at, layers)
	case '+':
		rs.add(readByte(' ', at))
	case '\'':
		for _, quoted := range [...]string{`'`, `\''`, `"'"'`} { // YAML and OData; POSIX shells
			if next, ok := readText(s, at, layers, quoted); ok {
				rs.add(readByte('\'', next))
			}
		}
	case '"':
		if next, ok := readText(s, at, layers, `"`); ok { // CSV
			rs.add(readByte('"', next))
		}
	}
}

// nestsEscape reports whether the escape at byte i may itself be written with
// escapes, behind its first byte.
func nestsEscape(s string, i int) bool {
	size := 3 // %41, '\'', \"
	switch {
	case s[i] == '&':
		size = 1 + len("#x") + maxReference
	case s[i] == '\\' && i+1 < len(s) && (s[i+1] == 'u' || s[i+1] == 'U'):
		size = len(`\u1234\u1234`)
	case s[i] == '\\' && i+1 < len(s) && !beginsEscape(s[i+1]) && hexDigit(s[i+1]) < 0 && s[i+1] != 'x':
		return false
	}
	for _, c := range []byte(s[i+1 : min(len(s), i+1+size)]) {
		if beginsEscape(c) {
			return true
		}
	}
	return false
}

func beginsEscape(c byte) bool {
	switch c {
	case '%', '\\', '&', '+', '\'', '"':
		return true
	default:
		return false
	}
}

// mayEscape reports whether an escape may begin at byte i, judged by the one
// behind it: most quotes and percent signs are only that.
func mayEscape(s string, i int) bool {
	var next byte
	if i+1 < len(s) {
		next = s[i+1]
	}
	switch s[i] {
	case '+':
		return true
	case '\\':
		return next > ' '
	case '%':
		return hexDigit(next) >= 0 || beginsEscape(next)
	case '&':
		return next == '#' || 'a' <= next && next <= 'z' || beginsEscape(next)
	case '\'', '"':
		return beginsEscape(next)
	default:
		return false
	}
}

// backslash adds what a backslash and what follows it stand for: the escapes
// of JSON, JavaScript, Go and shells.
func (rs *readings) backslash(first reading, s string, layers int) {
	known := rs.n
	if first.next == len(s) {
		return
	}
	var second readings
	second.read(s, first.next, layers)
	for _, r := range second.list() {
		// Who escapes one backslash escapes the next one as well.
		if r.n != 1 || s[first.next] == '\\' && r.backslashes != first.backslashes {
			continue
		}
		switch c := r.bytes[0]; {
		case c == 'u':
			rs.utf16(s, r.next, layers)
		case c == 'U':
			if v, next, ok := readHex(s, r.next, layers, 8); ok && v <= utf8.MaxRune {
				rs.add(readRune(rune(v), next))
			}
		case c == 'x':
			if v, next, ok := readHex(s, r.next, layers, 2); ok {
				rs.add(readByte(byte(v), next)) // Go: a byte
				rs.add(readRune(rune(v), next)) // JavaScript: a character
			}
		case '0' <= c && c <= '7':
			if v, next, ok := readDigits(s, first.next, layers, 3, 3, 8); ok && v <= 0xff {
				rs.add(readByte(byte(v), next))
			}
		default:
			if v, ok := backslashed(c); ok {
				rs.add(readByte(v, r.next))
			}
		}
	}
	for k := known; k < rs.n; k++ {
		rs.all[k].backslashes = first.backslashes + 1
	}
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

// utf16 adds what the digits of \uXXXX stand for, with a second one that
// completes a surrogate pair.
func (rs *readings) utf16(s string, i, layers int) {
	v, next, ok := readHex(s, i, layers, 4)
	if !ok {
		return
	}
	if !utf16.IsSurrogate(rune(v)) {
		rs.add(readRune(rune(v), next))
		return
	}
	if at, ok := readText(s, next, layers, `\u`); ok {
		if low, end, ok := readHex(s, at, layers, 4); ok {
			if c := utf16.DecodeRune(rune(v), rune(low)); c != utf8.RuneError {
				rs.add(readRune(c, end))
				return
			}
		}
	}
	rs.add(readRune(utf8.RuneError, next))
}

// maxReference is how many digits a numeric character reference may have,
// leading zeros included.
const maxReference = 8

// entity adds what follows an ampersand stands for: the entities of XML and
// its numeric character references.
func (rs *readings) entity(s string, i, layers int) {
	for _, e := range [...]struct {
		name string
		char byte
	}{{"amp;", '&'}, {"lt;", '<'}, {"gt;", '>'}, {"quot;", '"'}, {"apos;", '\''}} {
		if next, ok := readText(s, i, layers, e.name); ok {
			rs.add(readByte(e.char, next))
			return
		}
	}
	at, ok := readText(s, i, layers, "#")
	if !ok {
		return
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
		return
	}
	if next, ok := readText(s, at, layers, ";"); ok {
		rs.add(readRune(rune(v), next))
	}
}

// readText reads exactly this ASCII text. Quotes are taken as they are.
func readText(s string, i, layers int, text string) (next int, ok bool) {
	if text == "" {
		return i, true
	}
	if i >= len(s) {
		return 0, false
	}
	if layers == 0 || !beginsEscape(s[i]) || s[i] == '\'' || s[i] == '"' {
		if s[i] != text[0] {
			return 0, false
		}
		return readText(s, i+1, layers, text[1:])
	}
	var rs readings
	rs.read(s, i, layers)
	for _, r := range rs.list() {
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
	var rs readings
	rs.read(s, i, layers)
	for _, r := range rs.list() {
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
