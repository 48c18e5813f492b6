package scenarios

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"iflowtest/internal/diag"
)

// The limits of a file.
const (
	maxFileSize = 4 << 20
	maxDepth    = 64
	// maxExpansion is how many nodes the aliases of one document may stand
	// for, beyond those that are written.
	maxExpansion = 250_000
	// maxShown is how many mistakes of one file are told.
	maxShown = 200
	// maxMaskedLine is the length of a line beyond which all of it is masked.
	maxMaskedLine = 4096
)

// source is the text of one file in lines, without byte order mark and with
// \n as the only line break.
type source struct {
	file  string
	lines []string
	// shown is lines, with secrets replaced.
	shown []string
	// foreign maps the stand-ins of line breaks that YAML 1.2 does not know
	// (NEL, LS, PS) back to themselves; nil when the file has none.
	foreign *strings.Replacer
	// The place found last, so that a line of megabytes is not counted from
	// its start for every value on it.
	line, column, offset int
}

// newSource reads the text of a file. The bytes it gives are what the parser
// reads: the text with the stand-ins. A file that is not UTF-8 or holds
// characters YAML does not allow gives diagnostics and no bytes.
func newSource(file string, data []byte) (*source, []byte, diag.List) {
	s := &source{file: file}
	if d, bad := wrongEncoding(file, data); bad {
		s.setLines(string(bytes.ToValidUTF8(data, []byte("\uFFFD"))))
		return s, nil, diag.List{d}
	}
	data = bytes.TrimPrefix(data, []byte("\uFEFF"))
	if bytes.IndexByte(data, '\r') >= 0 {
		data = bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
		data = bytes.ReplaceAll(data, []byte("\r"), []byte("\n"))
	}
	s.setLines(string(data))
	if l := s.forbiddenCharacters(); len(l) > 0 {
		return s, nil, l
	}
	return s, s.hideForeignBreaks(data), nil
}

func (s *source) setLines(text string) {
	text = strings.TrimPrefix(text, "\uFEFF")
	s.lines = strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	s.shown = s.lines
}

// wrongEncoding finds the first byte that is not UTF-8.
func wrongEncoding(file string, data []byte) (diag.Diagnostic, bool) {
	if utf8.Valid(data) {
		return diag.Diagnostic{}, false
	}
	at := 0
	for at < len(data) {
		r, n := utf8.DecodeRune(data[at:])
		if r == utf8.RuneError && n == 1 {
			break
		}
		at += n
	}
	before := bytes.TrimPrefix(data[:at], []byte("\uFEFF"))
	start := bytes.LastIndexByte(before, '\n') + 1
	pos := diag.Position{File: file, Line: bytes.Count(before, []byte("\n")) + 1, Column: utf8.RuneCount(before[start:]) + 1, Width: 1}
	if bytes.HasPrefix(data, []byte{0xff, 0xfe}) || bytes.HasPrefix(data, []byte{0xfe, 0xff}) {
		return diag.Errorf(pos, diag.Encoding, "the file is UTF-16, want UTF-8").WithHint("save it as UTF-8"), true
	}
	return diag.Errorf(pos, diag.Encoding, "byte 0x%02x is not UTF-8", data[at]).WithHint("save the file as UTF-8"), true
}

// forbiddenCharacters finds control characters, which YAML does not allow: at
// most one a line, and at most ten.
func (s *source) forbiddenCharacters() diag.List {
	var l diag.List
	for i, line := range s.lines {
		at := strings.IndexFunc(line, forbidden)
		if at < 0 {
			continue
		}
		r, _ := utf8.DecodeRuneInString(line[at:])
		pos := diag.Position{File: s.file, Line: i + 1, Column: utf8.RuneCountInString(line[:at]) + 1, Width: 1}
		d := diag.Errorf(pos, diag.Encoding, "the character %U is not allowed in YAML", r)
		switch {
		case r == 0xFEFF:
			d = d.WithHint("a byte order mark may stand at the start of the file only")
		default:
			d = d.WithHint("in double quotes it is written %s", escaped(r))
		}
		if l = append(l, d); len(l) == 10 {
			break
		}
	}
	return l
}

// escaped is how a double-quoted scalar writes a character.
func escaped(r rune) string {
	if r < 0x100 {
		return fmt.Sprintf(`\x%02X`, r)
	}
	return fmt.Sprintf(`\u%04X`, r)
}

// forbidden reports whether YAML (1.2, section 5.1) keeps r out of a file.
func forbidden(r rune) bool {
	switch {
	case r == '\t' || r == 0x85:
		return false
	case r < 0x20 || r >= 0x7f && r < 0xa0 || r == 0xFEFF || r == 0xFFFE || r == 0xFFFF:
		return true
	}
	return false
}

// hideForeignBreaks replaces NEL, LS and PS by characters the file does not
// hold: the parser takes them for line breaks as YAML 1.1 did, and its lines
// would not be those of an editor.
func (s *source) hideForeignBreaks(data []byte) []byte {
	if !bytes.ContainsAny(data, "\u0085\u2028\u2029") {
		return data
	}
	var hide, show []string
	standIn := rune(0xE000)
	for _, r := range []string{"\u0085", "\u2028", "\u2029"} {
		for bytes.ContainsRune(data, standIn) {
			standIn++
		}
		hide = append(hide, r, string(standIn))
		show = append(show, string(standIn), r)
		standIn++
	}
	s.foreign = strings.NewReplacer(show...)
	return []byte(strings.NewReplacer(hide...).Replace(string(data)))
}

// at gives the position of a line and column, kept inside the file.
func (s *source) at(line, column, width int) diag.Position {
	line = min(max(line, 1), len(s.lines))
	text := s.lines[line-1]
	if column > 1 && column > len(text) {
		column = min(column, utf8.RuneCountInString(text)+1)
	}
	return diag.Position{File: s.file, Line: line, Column: max(column, 1), Width: max(width, 1)}
}

// offsetOf gives the byte offset of a column of a line; both count from 1.
func (s *source) offsetOf(line, column int) int {
	if line < 1 || line > len(s.lines) {
		return 0
	}
	text := s.lines[line-1]
	from, at := 1, 0
	if line == s.line && column >= s.column {
		from, at = s.column, s.offset
	}
	for from < column && at < len(text) {
		if text[at] < utf8.RuneSelf {
			at++
		} else {
			_, n := utf8.DecodeRuneInString(text[at:])
			at += n
		}
		from++
	}
	s.line, s.column, s.offset = line, from, at
	return at
}

// rest gives the text of a line from a column on.
func (s *source) rest(line, column int) string {
	if line < 1 || line > len(s.lines) {
		return ""
	}
	return s.lines[line-1][s.offsetOf(line, column):]
}

// mask replaces the text of a scalar by *** in the lines that are shown.
func (s *source) mask(n *Node) {
	if n == nil || n.src != s || n.Text == "" {
		return
	}
	if &s.shown[0] == &s.lines[0] {
		s.shown = slices.Clone(s.lines)
	}
	first, last := n.Pos().Line, n.EndLine()
	if n.style == literal || n.style == folded {
		for i := first; i < last && i < len(s.shown); i++ {
			s.shown[i] = "***"
		}
		return
	}
	for i := first; i <= last; i++ {
		line := s.lines[i-1]
		if len(line) > maxMaskedLine {
			s.shown[i-1] = "***"
			continue
		}
		from, to := 0, len(line)
		if i == first {
			from = byteOffset(line, n.Pos().Column)
		}
		if i == last {
			to = max(from, byteOffset(line, n.At(len(n.Text), 0).Column))
			if n.Quoted() && to < len(line) {
				to++
			}
		}
		s.replaceShown(i, from, to)
	}
}

// replaceShown masks a part of a line, keeping what other masks did to it.
func (s *source) replaceShown(line, from, to int) {
	original, shown := s.lines[line-1], s.shown[line-1]
	head, tail := original[:from], original[to:]
	if shown != original {
		// Two secrets on one line: show nothing but its beginning.
		head, tail = shown[:min(len(shown), strings.Index(shown+"***", "***"))], ""
		if from < len(head) {
			head = original[:from]
		}
	}
	s.shown[line-1] = head + "***" + tail
}

func byteOffset(line string, column int) int {
	at := 0
	for range column - 1 {
		if at >= len(line) {
			break
		}
		_, n := utf8.DecodeRuneInString(line[at:])
		at += n
	}
	return at
}

// Mask takes the value of a node out of the lines that are shown: for a
// secret that only the caller knows to be one.
func Mask(sources diag.Sources, n *Node) {
	if n == nil || n.src == nil {
		return
	}
	n.src.maskAll(n)
	sources[n.src.file] = n.src.shown
}

// maskAll masks every scalar of a value.
func (s *source) maskAll(n *Node) {
	s.mask(n)
	for _, i := range n.Items() {
		s.maskAll(i)
	}
	for _, e := range n.Entries() {
		s.maskAll(e.Value)
	}
}

var (
	// passwordInURL finds the user part of a URL that has a password.
	passwordInURL = regexp.MustCompile(`://[^/?#\s]*:[^/?#\s]*@`)
	// secretLine finds what looks like a secret in a file that is no YAML.
	secretLine = regexp.MustCompile(`(?i)((?:client[-_]?secret|password)["']?\s*:\s*)(\S.*)$`)
)

// maskByText masks what looks like a secret in a file that has no tree.
func (s *source) maskByText() {
	for i, line := range s.shown {
		m := secretLine.FindStringSubmatchIndex(line)
		if m == nil || hasExpression(line[m[4]:]) {
			continue
		}
		if &s.shown[0] == &s.lines[0] {
			s.shown = slices.Clone(s.lines)
		}
		s.shown[i] = line[:m[4]] + "***"
	}
}
