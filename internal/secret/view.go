package secret

import (
	"encoding/binary"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Some texts hold a secret that no run of their bytes shows: those in UTF-16,
// where a zero byte stands beside each letter, and XML in which a comment, a
// processing instruction or a CDATA section splits a value. They are read once
// more as their reader sees them, and what is found there is traced back. Only
// a text that has zero bytes or such markup in it costs that.

// reader reads the piece of s at byte i as a view shows it: it appends its text
// to dst and gives the part of s that the text was made from, s[from:to], and
// where the next piece begins.
type reader func(dst []byte, s string, i int) (text []byte, from, to, next int)

// all gives every match in s, in no order: those in s itself, and those in the
// views of it.
func (r *Redactor) all(s string) []match {
	x := r.idx.Load()
	if x == nil {
		return nil
	}
	found := x.outsideMasks(s)
	raw := mayBeUTF16(s)
	if raw || escapesZero(s) {
		found = append(found, r.wideIndex().outsideMasks(s)...)
	}
	if raw { // what is escaped in UTF-16, and put into base64
		for _, order := range [...]binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
			for parity := range 2 {
				read := readUTF16(order, parity)
				found = append(found, read.locate(s, x.shown(read.text(s)))...)
			}
		}
	}
	if splitsText(s) {
		found = append(found, x.joined(s)...)
	}
	return found
}

// shown gives every match in the text of a view.
func (x *index) shown(text string) []match {
	found := x.outsideMasks(text)
	if splitsText(text) {
		found = append(found, x.joined(text)...)
	}
	return found
}

// joined gives the matches in s without the markup that splits text.
func (x *index) joined(s string) []match {
	return reader(readMarkup).locate(s, x.outsideMasks(reader(readMarkup).text(s)))
}

// outsideMasks gives the matches in s, but for those in the names of secrets.
// It is nil-safe.
func (x *index) outsideMasks(s string) []match {
	if x == nil {
		return nil
	}
	found := x.find(s)
	if len(found) == 0 {
		return nil
	}
	return slices.DeleteFunc(found, func(m match) bool { return x.insideMask(s, m) })
}

// wideIndex gives the index of the secrets in UTF-16, with what was added since
// it was asked for last.
func (r *Redactor) wideIndex() *index {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.narrow) > 0 {
		name := r.narrow[0].name
		var wide []*entry
		for len(r.narrow) > 0 && r.narrow[0].name == name {
			wide = append(wide, r.narrow[0].inUTF16()...)
			r.narrow = r.narrow[1:]
		}
		r.wide = r.wide.with(name, wide, nil)
	}
	r.narrow = nil
	return r.wide
}

// inUTF16 gives the entries of the value in UTF-16.
func (e *entry) inUTF16() []*entry {
	var wide []*entry
	for _, order := range [...]binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		if w := inUTF16(e.value, order); w != "" {
			wide = append(wide, &entry{name: e.name, value: w})
		}
	}
	return wide
}

// text gives the view of s.
func (read reader) text(s string) string {
	text := make([]byte, 0, len(s))
	for i := 0; i < len(s); {
		text, _, _, i = read(text, s, i)
	}
	return string(text)
}

// locate gives the matches in the view of s as places in s.
func (read reader) locate(s string, found []match) []match {
	if len(found) == 0 {
		return nil
	}
	places := make([]int, 0, 2*len(found)) // the first and the last byte of each
	for _, m := range found {
		places = append(places, m.start, m.end-1)
	}
	slices.Sort(places)
	places = slices.Compact(places)
	starts, ends := make(map[int]int, len(places)), make(map[int]int, len(places))
	var piece []byte
	begin := 0 // of the piece, in the view
	for i := 0; i < len(s) && len(places) > 0; {
		var from, to int
		piece, from, to, i = read(piece[:0], s, i)
		for len(places) > 0 && places[0] < begin+len(piece) {
			starts[places[0]], ends[places[0]] = from, to
			if len(piece) == to-from { // as it is: byte by byte
				at := from + places[0] - begin
				starts[places[0]], ends[places[0]] = at, at+1
			}
			places = places[1:]
		}
		begin += len(piece)
	}
	out := make([]match, len(found))
	for k, m := range found {
		out[k] = match{starts[m.start], ends[m.end-1], m.entry}
	}
	return out
}

// mayBeUTF16 reports whether a part of s may be UTF-16: a letter of ASCII has a
// zero byte beside it.
func mayBeUTF16(s string) bool {
	return strings.IndexByte(s, 0) >= 0 || strings.HasPrefix(s, "\xff\xfe") || strings.HasPrefix(s, "\xfe\xff")
}

// readUTF16 reads units of UTF-16 that begin at even or at odd offsets. A
// reader begins where it began before: the parity of i is what is left of that.
func readUTF16(order binary.ByteOrder, parity int) reader {
	unit := func(s string, i int) rune {
		if order == binary.ByteOrder(binary.LittleEndian) {
			return rune(s[i]) | rune(s[i+1])<<8
		}
		return rune(s[i])<<8 | rune(s[i+1])
	}
	return func(dst []byte, s string, i int) ([]byte, int, int, int) {
		if i&1 != parity || i+1 == len(s) {
			return dst, i, i + 1, i + 1
		}
		c, next := unit(s, i), i+2
		if utf16.IsSurrogate(c) {
			if next+2 <= len(s) {
				if pair := utf16.DecodeRune(c, unit(s, next)); pair != utf8.RuneError {
					return utf8.AppendRune(dst, pair), i, next + 2, next + 2
				}
			}
			c = utf8.RuneError
		}
		return utf8.AppendRune(dst, c), i, next, next
	}
}

// escapesZero reports whether a zero byte may be written as an escape in s, as
// in UTF-16 that was made harmless.
func escapesZero(s string) bool {
	if strings.IndexByte(s, '%') >= 0 && strings.Contains(s, "%00") {
		return true
	}
	return strings.IndexByte(s, '\\') >= 0 &&
		(strings.Contains(s, "x00") || strings.Contains(s, "u0000") || strings.Contains(s, `\000`))
}

// section is markup that a reader of XML does not see, or only what is in it.
type section struct {
	open, close string
	shown       bool
}

// sections are comments, CDATA sections and processing instructions, as they
// are and as they look in XML, JSON and URLs.
func sections() [14]section {
	return [...]section{
		{"<!--", "-->", false}, {"<![CDATA[", "]]>", true}, {"<?", "?>", false},
		{"&lt;!--", "--&gt;", false}, {"&lt;![CDATA[", "]]&gt;", true}, {"&lt;?", "?&gt;", false},
		{`\u003c!--`, `--\u003e`, false}, {`\u003c![CDATA[`, `]]\u003e`, true}, {`\u003c?`, `?\u003e`, false},
		{`\u003C!--`, `--\u003E`, false}, {`\u003C![CDATA[`, `]]\u003E`, true},
		{"%3C!--", "--%3E", false}, {"%3C%21--", "--%3E", false}, {"%3C%21%5BCDATA%5B", "%5D%5D%3E", true},
	}
}

// splitsText reports whether there is markup in s that may split a value. The
// declaration that XML begins with does not.
func splitsText(s string) bool {
	if strings.IndexByte(s, '!') >= 0 && (strings.Contains(s, "!--") || strings.Contains(s, "![CDATA[")) {
		return true
	}
	if strings.IndexByte(s, '%') >= 0 && (strings.Contains(s, "%21--") || strings.Contains(s, "%21%5BCDATA%5B")) {
		return true
	}
	if strings.IndexByte(s, '?') < 0 {
		return false
	}
	for rest := s; ; {
		i := strings.Index(rest, "<?")
		if i < 0 {
			return strings.Contains(s, "&lt;?") || strings.Contains(s, `\u003c?`)
		}
		if rest = rest[i+len("<?"):]; !strings.HasPrefix(rest, "xml ") {
			return true
		}
	}
}

// readMarkup leaves comments and processing instructions out, and the markup
// around CDATA sections.
func readMarkup(dst []byte, s string, i int) ([]byte, int, int, int) {
	for _, x := range sections() {
		if !strings.HasPrefix(s[i:], x.open) {
			continue
		}
		from := i + len(x.open)
		n := strings.Index(s[from:], x.close)
		if n < 0 {
			break
		}
		to := from + n
		if x.shown {
			dst = append(dst, s[from:to]...)
		}
		return dst, from, to, to + len(x.close)
	}
	end := strings.IndexAny(s[i+1:], `<&\%`)
	if end < 0 {
		end = len(s)
	} else {
		end += i + 1
	}
	return append(dst, s[i:end]...), i, end, end
}
