package report

import (
	"bufio"
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"
)

// htmlWriter writes a page. Errors stay in the buffer and show at its Flush.
type htmlWriter struct {
	*bufio.Writer
}

// raw writes markup.
func (w htmlWriter) raw(parts ...string) {
	for _, s := range parts {
		_, _ = w.WriteString(s)
	}
}

// text writes text, which is never markup.
func (w htmlWriter) text(s string) {
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		size, as := 1, ""
		switch {
		case c >= utf8.RuneSelf:
			var r rune
			if r, size = utf8.DecodeRuneInString(s[i:]); r == utf8.RuneError && size == 1 {
				as = "\uFFFD"
			}
		case c == '<':
			as = "&lt;"
		case c == '>':
			as = "&gt;"
		case c == '&':
			as = "&amp;"
		case c == '"':
			as = "&#34;"
		case c == '\'':
			as = "&#39;"
		case c < 0x20 && c != '\n' && c != '\t' || c == 0x7f:
			as = "\uFFFD"
		}
		if as != "" {
			w.raw(s[from:i], as)
			from = i + size
		}
		i += size
	}
	w.raw(s[from:])
}

// tag writes an element that holds text.
func (w htmlWriter) tag(open, text, close string) {
	w.raw(open)
	w.text(text)
	w.raw(close)
}

// number writes a count.
func (w htmlWriter) number(n int) { w.raw(strconv.Itoa(n)) }

// shownTime gives milliseconds as markup: below one there is a "<".
func shownTime(ms float64) string { return strings.Replace(duration(ms), "<", "&lt;", 1) }

// percent gives a share as SVG wants it, with one decimal.
func percent(part, of float64) string {
	if !(of > 0) || !(part > 0) {
		return "0"
	}
	tenths := int(min(part/of, 1)*1000 + 0.5)
	if tenths == 0 {
		return "0"
	}
	return strconv.FormatFloat(float64(tenths)/10, 'f', -1, 64) + "%"
}

// readable lays JSON out; anything else, and what is cut, stays as it is.
func readable(body string) string {
	t := strings.TrimSpace(body)
	if len(t) < 2 || t[0] != '{' && t[0] != '[' {
		return body
	}
	var b bytes.Buffer
	if json.Indent(&b, []byte(t), "", "  ") != nil || b.Len() > 4*shownBody {
		return body
	}
	return b.String()
}
