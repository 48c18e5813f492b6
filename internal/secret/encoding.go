package secret

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Encoded is a value as it looks in one encoding.
type Encoded struct {
	// Name says which: "base64 url", "xml hex" …
	Name string
	// Text is the encoded value.
	Text string
}

// Encodings gives value in each encoding that a [Redactor] knows, for tests
// that search outputs for what should not be there. The first is the value
// itself; encodings that give the same text are listed once, and texts
// shorter than [MinLength] bytes are left out. A redactor also knows their
// mixtures, which are not listed.
//
// "base64 inside, N before" holds the digits that stay the same whatever N
// bytes (modulo 3) precede the value and whatever follows it, as in the
// base64 of "id:secret".
func Encodings(value string) []Encoded {
	var all []Encoded
	add := func(name, text string) {
		if len(text) < MinLength || slices.ContainsFunc(all, func(e Encoded) bool { return e.Text == text }) {
			return
		}
		all = append(all, Encoded{name, text})
	}
	add("plain", value)
	addBase64(add, "", value)
	for _, e := range [...]struct {
		name   string
		escape func(byte) bool
	}{
		{"query", func(c byte) bool { return !unreserved(c) }},
		{"path", func(c byte) bool { return !unreserved(c) && strings.IndexByte("$&+:=@", c) < 0 }},
		{"url", func(c byte) bool { return c <= ' ' || c >= 0x7f }},
		{"every byte", func(byte) bool { return true }},
	} {
		add("percent, "+e.name, percent(value, e.escape, "%%%02X", "%%%02X"))
		add("percent, "+e.name+", lower case", percent(value, e.escape, "%%%02x", "%%%02x"))
		add("percent, "+e.name+", mixed case", percent(value, e.escape, "%%%02X", "%%%02x"))
	}
	add("form", url.QueryEscape(value))
	add("form, lower case", strings.ReplaceAll(percent(value, func(c byte) bool { return c != ' ' && !unreserved(c) }, "%%%02x", "%%%02x"), " ", "+"))
	html, bare := quoteJSON(value, true), quoteJSON(value, false)
	add("json", bare)
	add("json, html", html)
	add("json, html, upper case", upperUnicode(html))
	add("json, slash", strings.ReplaceAll(bare, "/", `\/`))
	add("json, ascii", jsonUnits(value, false, func(c uint16) bool { return c < ' ' || c >= 0x7f || c == '"' || c == '\\' }))
	add("json, every character", jsonUnits(value, false, func(uint16) bool { return true }))
	add("json, every character, upper case", jsonUnits(value, true, func(uint16) bool { return true }))
	add("json in json", quoteJSON(bare, false))
	add("json in json, html", quoteJSON(html, true))
	add("xml", xmlText(value, "&quot;", "&apos;"))
	add("xml, go", xmlText(value, "&#34;", "&#39;"))
	add("xml, decimal", references(value, "&#%d;"))
	add("xml, hex", references(value, "&#x%x;"))
	add("xml, hex, upper case", references(value, "&#x%X;"))
	add("go", unquoted(strconv.Quote(value)))
	add("go, ascii", unquoted(strconv.QuoteToASCII(value)))
	add("shell", strings.ReplaceAll(value, `'`, `'\''`))
	add("doubled quotes", strings.NewReplacer(`'`, `''`, `"`, `""`).Replace(value))
	for _, form := range beforeBase64(value) {
		addBase64(add, " of an escaped value", form)
	}
	for _, order := range [...]struct {
		name string
		binary.AppendByteOrder
	}{{"utf-16le", binary.LittleEndian}, {"utf-16be", binary.BigEndian}} {
		text := inUTF16(value, order)
		add(order.name, text)
		add(order.name+", harmless", Harmless(text))
		add(order.name+", go", unquoted(strconv.Quote(text)))
		add(order.name+", query", url.QueryEscape(text))
	}
	if text, ok := inOneByte(value); ok {
		add("one byte", text)
		add("one byte, harmless", Harmless(text))
		add("one byte, query", url.QueryEscape(text))
		addBase64(add, " of one byte", text)
	}
	return all
}

// inUTF16 gives value in UTF-16, or nothing when too little of it is text.
func inUTF16(value string, order binary.AppendByteOrder) string {
	if !visible(strings.Map(inJSON, value)) {
		return ""
	}
	b := make([]byte, 0, 2*len(value))
	for _, c := range value {
		for _, unit := range utf16.AppendRune(nil, c) {
			b = order.AppendUint16(b, unit)
		}
	}
	return string(b)
}

// windows1252 are the characters that Windows-1252 has at 0x80 to 0x9f, where
// ISO-8859-1 has control characters.
const windows1252 = "€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009džŸ"

// inOneByte gives a value that is not all ASCII in ISO-8859-1 or, where that
// lacks a character of it, in Windows-1252; nothing when both do.
func inOneByte(value string) (text string, ok bool) {
	if isASCII(value) {
		return "", false
	}
	b := make([]byte, 0, len(value))
	for _, c := range value {
		switch i := strings.IndexRune(windows1252, c); {
		case c <= 0xff:
			b = append(b, byte(c))
		case i >= 0 && c != utf8.RuneError:
			b = append(b, byte(0x80+utf8.RuneCountInString(windows1252[:i])))
		default:
			return "", false
		}
	}
	return string(b), true
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// visible reports whether there is enough of a value of which some characters
// were replaced to be masked.
func visible(s string) bool {
	return utf8.RuneCountInString(strings.ReplaceAll(s, "\ufffd", "")) >= MinLength
}

func addBase64(add func(name, text string), of, value string) {
	b := []byte(value)
	add("base64"+of, base64.StdEncoding.EncodeToString(b))
	add("base64"+of+", no padding", base64.RawStdEncoding.EncodeToString(b))
	add("base64 url"+of, base64.URLEncoding.EncodeToString(b))
	add("base64 url"+of+", no padding", base64.RawURLEncoding.EncodeToString(b))
	add("base64"+of+", query", url.QueryEscape(base64.StdEncoding.EncodeToString(b)))
	for before, form := range [...]form{base64After0, base64After1, base64After2} {
		p := pattern{&entry{value: value}, form}
		if len(value) == 0 || p.len() < MinLength {
			continue
		}
		std, safe := make([]byte, p.len()), make([]byte, p.len())
		for k := range p.len() {
			std[k], safe[k] = stdDigits[p.at(k)], urlDigits[p.at(k)]
		}
		add(fmt.Sprintf("base64%s inside, %d before", of, before), string(std))
		add(fmt.Sprintf("base64 url%s inside, %d before", of, before), string(safe))
	}
}

// unreserved are the characters of RFC 3986 section 2.3.
func unreserved(c byte) bool {
	return 'a' <= c|0x20 && c|0x20 <= 'z' && c < 0x80 || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0
}

// percent writes the bytes that escape holds for in the two formats by turns.
func percent(s string, escape func(byte) bool, format, other string) string {
	var b strings.Builder
	for i := range len(s) {
		if !escape(s[i]) {
			b.WriteByte(s[i])
			continue
		}
		fmt.Fprintf(&b, format, s[i])
		format, other = other, format
	}
	return b.String()
}

// quoteJSON gives s as encoding/json writes it, without the quotes around it.
func quoteJSON(s string, html bool) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(html)
	if err := e.Encode(s); err != nil { // cannot be: s is a string
		return s
	}
	return unquoted(strings.TrimSuffix(b.String(), "\n"))
}

func unquoted(s string) string { return s[1 : len(s)-1] }

// upperUnicode writes the digits of \uXXXX in upper case. In s each backslash
// begins an escape.
func upperUnicode(s string) string {
	b := []byte(s)
	for i := 0; i+1 < len(b); i++ {
		if b[i] != '\\' {
			continue
		}
		if b[i+1] == 'u' && i+6 <= len(b) {
			copy(b[i+2:i+6], strings.ToUpper(string(b[i+2:i+6])))
		}
		i++
	}
	return string(b)
}

// jsonUnits writes the UTF-16 units that escape holds for as \uXXXX.
func jsonUnits(s string, upper bool, escape func(uint16) bool) string {
	format := `\u%04x`
	if upper {
		format = `\u%04X`
	}
	var b strings.Builder
	for _, c := range s {
		for _, unit := range utf16.AppendRune(nil, c) {
			if escape(unit) {
				fmt.Fprintf(&b, format, unit)
			} else {
				b.WriteByte(byte(unit)) // ASCII: what is not is escaped
			}
		}
	}
	return b.String()
}

func xmlText(s, quot, apos string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, quot, "'", apos).Replace(s)
}

// references writes every character that is not a letter or digit of ASCII
// as a numeric character reference.
func references(s, format string) string {
	var b strings.Builder
	for _, c := range s {
		if c < utf8.RuneSelf && unreserved(byte(c)) {
			b.WriteRune(c)
		} else {
			fmt.Fprintf(&b, format, c)
		}
	}
	return b.String()
}
