package assertions

import (
	"bytes"
	"fmt"
	"iter"
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

// display shows values without the secrets in them: a secret is looked for in
// the whole of a text, before that is cut and quoted. A nil display hides
// nothing. It lives no longer than one judgement, since further secrets may be
// known after it.
type display struct {
	hide func(string) string
	// known holds what long texts look like: a body may be shown in each of
	// many failures.
	known map[string]string
}

// orNew gives d, or one with hide when there is none yet.
func (d *display) orNew(hide func(string) string) *display {
	if d != nil {
		return d
	}
	return &display{hide: hide}
}

// minKnown is the length in bytes from which a text is remembered.
const minKnown = 4 << 10

// hidden gives s without the secrets in it.
func (d *display) hidden(s string) string {
	if d == nil || d.hide == nil || s == "" {
		return s
	}
	if len(s) < minKnown {
		return d.hide(s)
	}
	h, ok := d.known[s]
	if !ok {
		if d.known == nil {
			d.known = map[string]string{}
		}
		h = d.hide(s)
		d.known[s] = h
	}
	return h
}

// hides reports whether there is a secret in s.
func (d *display) hides(s string) bool { return d.hidden(s) != s }

// path shows a path or name on one line.
func (d *display) path(p string) string { return shownPath(d.hidden(p)) }

// name shows a name as a component of a path.
func (d *display) name(s string) string {
	if h := d.hidden(s); h != s {
		return shownPath(h) // as it is; it leads nowhere
	}
	return escapeName(s)
}

// quote shows text in quotes, cut visibly when it is long; control characters
// and bytes that are not UTF-8 are escaped.
func (d *display) quote(s string) string {
	shown := d.hidden(s)
	head := headOf(shown)
	if len(head) == len(shown) {
		return quoted(shown)
	}
	return quoted(head) + "… (" + strconv.Itoa(utf8.RuneCountInString(s)) + " characters)"
}

// quoted writes text in quotes. Bytes that are not UTF-8 are written as \xff,
// and half a pair of UTF-16, which JSON can hold, as JSON writes it.
func quoted(s string) string {
	if utf8.ValidString(s) {
		return strconv.Quote(s)
	}
	var b strings.Builder
	plain := func(part string) {
		q := strconv.Quote(part)
		b.WriteString(q[1 : len(q)-1])
	}
	b.WriteByte('"')
	from := 0
	for i := 0; i+2 < len(s); i++ {
		if s[i] == 0xed && s[i+1] >= 0xa0 && s[i+1] < 0xc0 && s[i+2] >= 0x80 && s[i+2] < 0xc0 {
			plain(s[from:i])
			fmt.Fprintf(&b, `\u%04x`, 0xd000|int(s[i+1]&0x3f)<<6|int(s[i+2]&0x3f))
			from = i + 3
			i += 2
		}
	}
	plain(s[from:])
	b.WriteByte('"')
	return b.String()
}

// visible writes the bytes that are not UTF-8 as \xff.
func visible(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			fmt.Fprintf(&b, `\x%02x`, s[i])
		} else {
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	return b.String()
}

// quote shows text of a file in quotes.
func quote(s string) string {
	return (*display)(nil).quote(s)
}

// headOf gives the part of s that is shown.
func headOf(s string) string {
	if len(s) <= maxShown {
		return s
	}
	n := 0
	for i := range s {
		if n == maxShown {
			return s[:i]
		}
		n++
	}
	return s
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

// tree shows an operand.
func (d *display) tree(t *tree, on domain) string {
	switch {
	case t.form == text && on&domainNumbers != 0:
		return d.hidden(t.text)
	case t.form == text:
		return d.quote(t.text)
	case t.form == list || t.form == object:
		var b strings.Builder
		d.writeCompact(&b, t)
		return cut(b.String(), maxShown)
	case t.form == null:
		return "null"
	}
	return cut(d.hidden(t.text), maxShown)
}

// writeCompact writes JSON on one line, and stops soon after what is shown.
func (d *display) writeCompact(b *strings.Builder, t *tree) {
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
			d.writeCompact(b, &t.items()[i])
		}
		b.WriteByte(']')
	case object:
		b.WriteByte('{')
		for i := range t.members() {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(strconv.Quote(d.hidden(t.members()[i].name)))
			b.WriteByte(':')
			d.writeCompact(b, &t.members()[i].value)
		}
		b.WriteByte('}')
	case text:
		b.WriteString(d.quote(t.text))
	case null:
		b.WriteString("null")
	default:
		b.WriteString(d.hidden(t.text))
	}
}

// showNode shows what was found in a file where something else was wanted.
func showNode(n *Node) string { return (*display)(nil).node(n) }

// node shows what was found in a file, or computed, where something else was
// wanted.
func (d *display) node(n *Node) string {
	switch n.Kind {
	case Text:
		return "text " + d.quote(n.Text)
	case Number, Bool:
		return cut(d.hidden(n.Text), maxShown)
	}
	return n.Kind.String()
}

// show shows what was found.
func (v *value) show(d *display) string {
	switch v.form {
	case absent:
		return "nothing"
	case text:
		if len(v.others) > 0 {
			return d.quote(v.text) + " (" + strconv.Itoa(len(v.others)) + " values)"
		}
		return d.quote(v.text)
	case list, object:
		return d.json(v.text)
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
	return cut(d.hidden(v.text), maxShown)
}

func showDuration(ns int64) string {
	d := time.Duration(ns)
	if d > time.Millisecond || d < -time.Millisecond {
		d = d.Round(time.Microsecond)
	}
	return d.String()
}

// json shows the beginning of a list or object, without blanks between its
// parts, and how much there is of it. What is hidden in it may have taken
// quotes and brackets with it.
func (d *display) json(raw string) string {
	part, whole := d.hidden(raw), true
	if end := 4 * maxShown; len(part) > end {
		for within(part, end) {
			end--
		}
		part, whole = part[:end], false
	}
	var b strings.Builder
	inString, escaped := false, false
	for i := range len(part) {
		c := part[i]
		switch {
		case inString:
			b.WriteByte(c)
			inString = escaped || c != '"'
			escaped = !escaped && c == '\\'
		case c > ' ':
			b.WriteByte(c)
			inString = c == '"'
		}
	}
	s := visible(b.String())
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
// wanted, "+" is found. Empty when one of them is too large. The note is that
// of hiddenDifference.
func (d *display) diffTrees(want, got *tree) (diff, note string) {
	var a, b bytes.Buffer
	if !writePretty(&a, want, 0) || !writePretty(&b, got, 0) {
		return "", ""
	}
	return d.diffLines(a.String(), b.String())
}

// diffTexts compares two texts by line, as they are shown.
func (d *display) diffTexts(want, got string) (diff, note string) {
	if len(want) > maxDiffBytes || len(got) > maxDiffBytes {
		return "", ""
	}
	return d.diffLines(want, got)
}

func (d *display) diffLines(want, got string) (diff, note string) {
	return unified(withLineEnd(visible(d.hidden(want))), withLineEnd(visible(d.hidden(got)))), d.hiddenDifference(want, got)
}

// hiddenDifference says that texts look alike, or that some of their lines do,
// since they differ in what is hidden; "" when they do not.
func (d *display) hiddenDifference(want, got string) string {
	a, b := d.hidden(want), d.hidden(got)
	if want == got || (a == want && b == got) {
		return ""
	}
	if a == b {
		return "the difference is in what is hidden"
	}
	if alike(want, a, got, b) {
		return "there are lines that differ only in what is hidden"
	}
	return ""
}

// alike reports whether a line of got looks like lines of want and is none of
// them. Where a secret of several lines was hidden nothing is known.
func alike(want, shownWant, got, shownGot string) bool {
	wanted, shown := map[string]struct{}{}, map[string]struct{}{}
	for line, as := range pairs(want, shownWant) {
		wanted[line] = struct{}{}
		if line != as {
			shown[as] = struct{}{}
		}
	}
	for line, as := range pairs(got, shownGot) {
		_, looks := shown[as]
		if _, is := wanted[line]; looks && !is {
			return true
		}
	}
	return false
}

// pairs gives each line of a text and what it is shown as; none when there are
// not as many of them.
func pairs(s, shown string) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		a, b := strings.Split(s, "\n"), strings.Split(shown, "\n")
		if len(a) != len(b) {
			return
		}
		for i := range a {
			if !yield(a[i], b[i]) {
				return
			}
		}
	}
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
		b.WriteString(quoted(t.text))
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
