package assertions

import (
	"mime"
	"regexp"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/net/html/charset"
)

// decodeText gives a body as UTF-8 without a byte order mark. How it is encoded
// follows from its byte order mark; else from the charset of its media type,
// or from what an XML document says of itself; else from the zero bytes of
// UTF-16. What is valid UTF-8 and is called so by one of them is taken as it
// is, and so are bytes that nothing is said of.
func decodeText(s, contentType string) string {
	if t, ok := strings.CutPrefix(s, "\xef\xbb\xbf"); ok {
		return t
	}
	if strings.HasPrefix(s, "\xff\xfe") || strings.HasPrefix(s, "\xfe\xff") {
		return decodeUTF16(s[2:], s[0] == 0xff)
	}
	if little, ok := looksLikeUTF16(s); ok {
		return decodeUTF16(s, little)
	}
	labels := encodingsOf(s, contentType)
	if len(labels) == 0 {
		return s
	}
	for _, l := range labels {
		if isUTF8(l) && utf8.ValidString(s) {
			return s
		}
	}
	for _, l := range labels {
		e, name := charset.Lookup(l)
		if e == nil || name == "utf-8" || strings.HasPrefix(name, "utf-16") || name == "replacement" {
			continue
		}
		if t, err := e.NewDecoder().String(s); err == nil {
			return t
		}
	}
	return s
}

func isUTF8(label string) bool {
	_, name := charset.Lookup(label)
	return name == "utf-8"
}

// looksLikeUTF16 reports whether a document begins as one in UTF-16 does that
// has no byte order mark: with a sign of XML or JSON beside a zero byte.
func looksLikeUTF16(s string) (little, ok bool) {
	if len(s) < 4 || len(s)%2 != 0 {
		return false, false
	}
	const signs = "<{[\"" + xmlBlanks
	if s[1] == 0 && strings.IndexByte(signs, s[0]) >= 0 && s[2] != 0 && s[3] == 0 {
		return true, true
	}
	return false, s[0] == 0 && strings.IndexByte(signs, s[1]) >= 0 && s[2] == 0 && s[3] != 0
}

func decodeUTF16(s string, little bool) string {
	units := make([]uint16, 0, len(s)/2)
	for i := 0; i+1 < len(s); i += 2 {
		a, b := uint16(s[i]), uint16(s[i+1])
		if little {
			a, b = b, a
		}
		units = append(units, a<<8|b)
	}
	return string(utf16.Decode(units))
}

var xmlEncoding = regexp.MustCompile(`^\s*<\?xml\s[^>]*?encoding\s*=\s*["']([A-Za-z][A-Za-z0-9._:-]*)["']`)

// encodingsOf gives what is said of the encoding, the most certain first. JSON
// is always UTF-8 (RFC 8259, section 8.1).
func encodingsOf(s, contentType string) []string {
	var labels []string
	kind, parameters, err := mime.ParseMediaType(contentType)
	if err == nil && parameters["charset"] != "" {
		labels = append(labels, parameters["charset"])
	}
	if m := xmlEncoding.FindStringSubmatch(s[:min(len(s), 512)]); m != nil {
		labels = append(labels, m[1])
	}
	if kind == "application/json" || strings.HasSuffix(kind, "+json") {
		labels = append(labels, "utf-8")
	}
	return labels
}

// text gives the body as text.
func (r *Result) text() string {
	if !r.decoded {
		r.decoded, r.asText = true, decodeText(r.Body, r.Header.Get("Content-Type"))
	}
	return r.asText
}
