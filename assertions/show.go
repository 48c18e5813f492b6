package assertions

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/diff"
)

// Bounds of what is shown of a value, in characters.
const (
	maxShown     = 200
	maxShownKeys = 12
)

// quote shows text in quotes, cut visibly when it is long; control characters
// and bytes that are not UTF-8 are escaped.
func quote(s string) string {
	head, n := headOf(s)
	if len(head) == len(s) {
		return strconv.Quote(s)
	}
	return strconv.Quote(head) + "… (" + strconv.Itoa(n) + " characters)"
}

// headOf gives the part of s that is shown, and the characters of all of it.
func headOf(s string) (string, int) {
	if len(s) <= maxShown {
		return s, 0
	}
	n, end := 0, 0
	for i := range s {
		if n == maxShown {
			end = i
			break
		}
		n++
	}
	if end == 0 {
		return s, n
	}
	return s[:end], utf8.RuneCountInString(s)
}

// cut shortens what is not quoted; it is escaped so that it stays one line.
func cut(s string, limit int) string {
	n := 0
	for i := range s {
		if n == limit {
			return s[:i] + "…"
		}
		n++
	}
	return s
}

// showTree shows an operand.
func showTree(t *tree, d domain) string {
	switch {
	case t.form == text && d&domainNumbers != 0:
		return t.text
	case t.form == text:
		return quote(t.text)
	case t.form == list || t.form == object:
		var b strings.Builder
		writeCompact(&b, t)
		return cut(b.String(), maxShown)
	case t.form == null:
		return "null"
	}
	return cut(t.text, maxShown)
}

// writeCompact writes JSON on one line, and stops soon after what is shown.
func writeCompact(b *strings.Builder, t *tree) {
	if b.Len() > 4*maxShown {
		return
	}
	switch t.form {
	case list:
		b.WriteByte('[')
		for i := range t.items() {
			if i > 0 {
				b.WriteByte(',')
			}
			writeCompact(b, &t.items()[i])
		}
		b.WriteByte(']')
	case object:
		b.WriteByte('{')
		for i := range t.members() {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(strconv.Quote(t.members()[i].name))
			b.WriteByte(':')
			writeCompact(b, &t.members()[i].value)
		}
		b.WriteByte('}')
	case text:
		b.WriteString(quote(t.text))
	case null:
		b.WriteString("null")
	default:
		b.WriteString(t.text)
	}
}

// showNode shows what was found in a file where something else was wanted.
func showNode(n *Node) string {
	switch n.Kind {
	case Text:
		return "text " + quote(n.Text)
	case Number, Bool:
		return cut(n.Text, maxShown)
	}
	return n.Kind.String()
}

// show shows what was found.
func (v *value) show() string {
	switch v.form {
	case absent:
		return "nothing"
	case text:
		if len(v.others) > 0 {
			return quote(v.text) + " (" + strconv.Itoa(len(v.others)) + " values)"
		}
		return quote(v.text)
	case list, object:
		return showJSON(v.text)
	case number:
		switch v.domain {
		case domainDuration:
			return showDuration(v.whole)
		case domainSize:
			return strconv.FormatInt(v.whole, 10) + " bytes"
		case domainStatus, domainCount:
			return strconv.FormatInt(v.whole, 10)
		}
	}
	return cut(v.text, maxShown)
}

func showDuration(ns int64) string {
	d := time.Duration(ns)
	if d > time.Millisecond || d < -time.Millisecond {
		d = d.Round(time.Microsecond)
	}
	return d.String()
}

// showJSON shows the beginning of a list or object, without blanks between its
// parts, and how much there is of it.
func showJSON(raw string) string {
	part, whole := raw, true
	if len(part) > 4*maxShown {
		part, whole = part[:4*maxShown], false
	}
	var b strings.Builder
	inString, escaped := false, false
	for _, r := range part {
		switch {
		case inString:
			b.WriteRune(r)
			inString = escaped || r != '"'
			escaped = !escaped && r == '\\'
		case r > ' ':
			b.WriteRune(r)
			inString = r == '"'
		}
	}
	s := strings.ToValidUTF8(b.String(), "\ufffd")
	if whole && utf8.RuneCountInString(s) <= maxShown {
		return s
	}
	v := fromJSON(raw)
	n, _ := v.length()
	return cut(strings.TrimSuffix(s, "…"), maxShown) + " (" + v.form.extent(n) + ")"
}

func (f form) extent(n int64) string {
	word := " elements"
	if f == object {
		word = " keys"
	}
	if n == 1 {
		word = strings.TrimSuffix(word, "s")
	}
	return strconv.FormatInt(n, 10) + word
}

func joinWords(words []string) string { return strings.Join(words, ", ") }

// Bounds of a diff: documents beyond maxDiffBytes are not compared line by
// line, and what is printed ends after maxDiffLines.
const (
	maxDiffBytes = 1 << 20
	maxDiffLines = 80
	maxDiffWidth = 300
)

// diffTrees compares two documents, pretty-printed with sorted names: "-" is
// wanted, "+" is found. Empty when one of them is too large.
func diffTrees(want, got *tree) string {
	var a, b bytes.Buffer
	if !writePretty(&a, want, 0) || !writePretty(&b, got, 0) {
		return ""
	}
	a.WriteByte('\n')
	b.WriteByte('\n')
	return unified(a.Bytes(), b.Bytes())
}

// diffTexts compares two texts by line.
func diffTexts(want, got string) string {
	if len(want) > maxDiffBytes || len(got) > maxDiffBytes {
		return ""
	}
	return unified(withLineEnd(want), withLineEnd(got))
}

func withLineEnd(s string) []byte {
	if strings.HasSuffix(s, "\n") {
		return []byte(s)
	}
	return []byte(s + "\n")
}

func unified(want, got []byte) string {
	d := diff.Diff("want", want, "got", got)
	_, d, _ = bytes.Cut(d, []byte("\n")) // "diff want got"
	lines := strings.Split(strings.TrimSuffix(string(d), "\n"), "\n")
	rest := 0
	if len(lines) > maxDiffLines {
		rest = len(lines) - maxDiffLines
		lines = lines[:maxDiffLines]
	}
	var b strings.Builder
	for _, l := range lines {
		if l == "" && rest == 0 && len(lines) == 1 {
			return ""
		}
		b.WriteString(cut(l, maxDiffWidth))
		b.WriteByte('\n')
	}
	if rest > 0 {
		fmt.Fprintf(&b, "… %d more lines\n", rest)
	}
	return b.String()
}

// writePretty writes t over several lines, and reports false when that is too
// much.
func writePretty(b *bytes.Buffer, t *tree, depth int) bool {
	if b.Len() > maxDiffBytes {
		return false
	}
	switch t.form {
	case list:
		if len(t.items()) == 0 {
			b.WriteString("[]")
			return true
		}
		b.WriteString("[\n")
		for i := range t.items() {
			indent(b, depth+1)
			if !writePretty(b, &t.items()[i], depth+1) {
				return false
			}
			endLine(b, i == len(t.items())-1)
		}
		indent(b, depth)
		b.WriteByte(']')
	case object:
		if len(t.members()) == 0 {
			b.WriteString("{}")
			return true
		}
		b.WriteString("{\n")
		for i := range t.members() {
			indent(b, depth+1)
			b.WriteString(strconv.Quote(t.members()[i].name))
			b.WriteString(": ")
			if !writePretty(b, &t.members()[i].value, depth+1) {
				return false
			}
			endLine(b, i == len(t.members())-1)
		}
		indent(b, depth)
		b.WriteByte('}')
	case text:
		b.WriteString(strconv.Quote(t.text))
	case null:
		b.WriteString("null")
	default:
		b.WriteString(t.text)
	}
	return true
}

func indent(b *bytes.Buffer, depth int) {
	for range depth {
		b.WriteString("  ")
	}
}

func endLine(b *bytes.Buffer, last bool) {
	if !last {
		b.WriteByte(',')
	}
	b.WriteByte('\n')
}
