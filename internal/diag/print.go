package diag

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/mattn/go-runewidth"
)

// Sources gives the lines of files, so that the printer reads no file again.
// A file that is not there is printed without its source line.
type Sources map[string][]string

// Add splits the text of a file into its lines.
func (s Sources) Add(file string, text []byte) {
	s[file] = strings.Split(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n")
}

// Line gives the line that counts from 1, and whether it is there.
func (s Sources) Line(file string, line int) (string, bool) {
	lines := s[file]
	if line < 1 || line > len(lines) {
		return "", false
	}
	return lines[line-1], true
}

// Style is how a diagnostic is coloured. The zero Style prints no colour.
type Style struct {
	// Color turns the escape sequences on.
	Color bool
}

func (st Style) paint(code, s string) string {
	if !st.Color || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

// maxSourceWidth bounds the source line that is shown: a minified line of
// megabytes must not fill the terminal.
const maxSourceWidth = 160

// Format gives one diagnostic as it is printed: the first line alone is
// enough, and is what editors and CI matchers read. It ends with a newline.
func Format(d Diagnostic, src Sources, st Style) string {
	var b strings.Builder
	color := "31"
	if d.Severity == Warning {
		color = "33"
	}
	first := d.String()
	if !d.Pos.IsZero() {
		place := d.Pos.String()
		first = st.paint("1", place) + st.paint(color, strings.TrimPrefix(first, place))
	}
	b.WriteString(first)
	b.WriteByte('\n')
	gutter := ""
	if line, ok := src.Line(d.Pos.File, d.Pos.Line); ok {
		number := strconv.Itoa(d.Pos.Line)
		gutter = strings.Repeat(" ", len(number))
		text, pad, carets := excerpt(line, d.Pos.Column, d.Pos.Width)
		fmt.Fprintf(&b, "%s |\n%s | %s\n", gutter, number, text)
		if carets != "" {
			fmt.Fprintf(&b, "%s | %s%s\n", gutter, pad, st.paint(color, carets))
		}
	}
	for _, h := range d.Hints {
		for i, l := range strings.Split(h, "\n") {
			mark := "= "
			if i > 0 {
				mark = "  "
			}
			b.WriteString(strings.TrimRight(gutter+" "+mark+l, " ") + "\n")
		}
	}
	return b.String()
}

// Print writes the diagnostics sorted, with a blank line between two.
func Print(w io.Writer, l List, src Sources, st Style) error {
	for i, d := range l.Sorted() {
		s := Format(d, src, st)
		if i > 0 {
			s = "\n" + s
		}
		if _, err := io.WriteString(w, s); err != nil {
			return err
		}
	}
	return nil
}

// excerpt gives the source line as it is shown, the blanks before the caret
// and the caret itself ("^~~"; empty when there is no column). Tabs become one
// blank, control characters are shown as '·', and a long line is cut around
// the caret.
func excerpt(line string, column, width int) (text, pad, carets string) {
	runes := []rune(strings.ToValidUTF8(line, "\uFFFD"))
	for i, r := range runes {
		switch {
		case r == '\t':
			runes[i] = ' '
		case r < 0x20 || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029:
			runes[i] = '·'
		}
	}
	at := min(max(column-1, 0), len(runes))
	from, to := 0, len(runes)
	if to > maxSourceWidth {
		from = max(0, at-maxSourceWidth/2)
		to = min(len(runes), from+maxSourceWidth)
	}
	shown := string(runes[from:to])
	lead := string(runes[from:at])
	if from > 0 {
		shown, lead = "…"+shown, "…"+lead
	}
	if to < len(runes) {
		shown += "…"
	}
	shown = strings.TrimRight(shown, " ")
	if column == 0 {
		return shown, "", ""
	}
	end := min(at+max(width, 1), to)
	n := max(1, runewidth.StringWidth(string(runes[at:max(at, end)])))
	return shown, strings.Repeat(" ", runewidth.StringWidth(lead)), "^" + strings.Repeat("~", n-1)
}

// Suggest gives the candidate nearest to name, at an edit distance of at most
// 2 (and less than the length of name), or "". It is what "did you mean" says.
func Suggest(name string, candidates []string) string {
	best, at := "", 3
	for _, c := range candidates {
		if d := distance(strings.ToLower(name), strings.ToLower(c)); d < at && d < len(name) {
			best, at = c, d
		}
	}
	return best
}
