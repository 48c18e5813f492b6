package report

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/mattn/go-runewidth"
)

// terminal is what live lines are drawn on: rows of cells that wrap, scroll
// and are erased as those of xterm, and are broken anew when it is resized, as
// those of most terminals of today.
type terminal struct {
	mu            sync.Mutex
	width, height int
	rows          []screenRow // scrolled out ones, too
	top           int         // the first of rows that is on the screen
	row, column   int         // of the cursor; row counts from the start of rows
	wrapping      bool        // the cursor stands behind the last column
	held          bool        // between the sequences around a frame
	colored       bool
	writes        []time.Time
	mistake       string // the first
	check         func() // after each Write
}

type screenRow struct {
	cells []string // "" is the right half of a wide character
	wraps bool     // goes on in the next row
}

func newTerminal(width, height int) *terminal {
	t := &terminal{width: width, height: height}
	t.rows = []screenRow{t.blank()}
	return t
}

func (t *terminal) blank() screenRow {
	cells := make([]string, t.width)
	for i := range cells {
		cells[i] = " "
	}
	return screenRow{cells: cells}
}

func (t *terminal) wrong(format string, args ...any) {
	if t.mistake == "" {
		t.mistake = fmt.Sprintf(format, args...)
	}
}

func (t *terminal) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.writes = append(t.writes, time.Now())
	if !utf8.Valid(p) {
		t.wrong("a write cuts a character: %q", p)
	}
	for text := string(p); text != ""; {
		text = t.take(text)
	}
	if t.held || t.colored {
		t.wrong("after a write: held %v, coloured %v", t.held, t.colored)
	}
	if t.check != nil {
		t.check()
	}
	return len(p), nil
}

// take does one thing and gives the rest.
func (t *terminal) take(text string) string {
	if rest, ok := strings.CutPrefix(text, "\x1b["); ok {
		return t.control(rest)
	}
	r, size := utf8.DecodeRuneInString(text)
	switch {
	case r == '\n':
		t.rows[t.row].wraps = false
		t.down()
		t.column, t.wrapping = 0, false
	case r == '\r':
		t.column, t.wrapping = 0, false
	case r == '\t':
		t.column = min(t.column/8*8+8, t.width-1)
	case r < ' ' || r == 0x7f:
		t.wrong("control character %U", r)
	default:
		t.put(r)
	}
	return text[size:]
}

func (t *terminal) down() {
	if t.row++; t.row == len(t.rows) {
		t.rows = append(t.rows, t.blank())
	}
	t.top = max(t.top, t.row-t.height+1)
}

func (t *terminal) put(r rune) {
	n := runewidth.RuneWidth(r)
	if n == 0 {
		at := t.column - 1
		if t.wrapping {
			at = t.column
		}
		if at >= 0 {
			t.rows[t.row].cells[at] += string(r)
		}
		return
	}
	if t.wrapping || t.column+n > t.width {
		t.rows[t.row].wraps = true
		if !t.wrapping {
			t.rows[t.row].cells[t.column] = "" // half a character is no blank
		}
		t.down()
		t.column, t.wrapping = 0, false
	}
	if n > t.width {
		return
	}
	cells := t.rows[t.row].cells
	cells[t.column] = string(r)
	if n == 2 {
		cells[t.column+1] = ""
	}
	if t.column += n; t.column == t.width {
		t.column, t.wrapping = t.width-1, true
	}
}

func (t *terminal) control(text string) string {
	end := strings.IndexFunc(text, func(r rune) bool { return r >= 'A' && r <= 'z' })
	if end < 0 {
		t.wrong("unknown sequence %q", text)
		return ""
	}
	switch command := text[:end+1]; {
	case command == "?2026h" || command == "?2026l":
		if on := command[5] == 'h'; on == t.held {
			t.wrong("%q twice", command)
		} else {
			t.held = on
		}
	case command == "K":
		t.erase(t.row, t.column)
	case command == "J":
		t.erase(t.row, t.column)
		for row := t.row + 1; row < len(t.rows); row++ {
			t.erase(row, 0)
		}
	case text[end] == 'A':
		n, err := strconv.Atoi(text[:end])
		if err != nil || n < 1 {
			t.wrong("up %q", text[:end])
		}
		t.row, t.wrapping = max(t.top, t.row-n), false
	case text[end] == 'm':
		t.colored = command != "0m"
	default:
		t.wrong("unknown sequence %q", command)
	}
	return text[end+1:]
}

func (t *terminal) erase(row, column int) {
	copy(t.rows[row].cells[column:], t.blank().cells)
	t.rows[row].wraps = false
}

// resize breaks all lines anew; what stood at the top of the screen stays
// there, unless the cursor would be below it.
func (t *terminal) resize(width, height int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	old, cursor, column, top := t.rows, t.row, t.column, t.top
	t.width, t.height, t.rows = width, height, nil
	t.row, t.column, t.wrapping, t.top = 0, 0, false, 0
	for from := 0; from < len(old); {
		var line []string
		at, to := -1, from
		for ; ; to++ {
			if to == cursor {
				at = len(line) + column
			}
			if to == top {
				t.top = len(t.rows) + len(line)/width
			}
			line = append(line, old[to].cells...)
			if !old[to].wraps || to+1 == len(old) {
				break
			}
		}
		t.addLine(strings.Join(line, ""), at)
		from = to + 1
	}
	t.top = max(t.top, t.row-height+1)
}

// addLine appends a line that is broken; the cursor goes to its cell at, if
// that is not negative.
func (t *terminal) addLine(line string, at int) {
	row := t.blank()
	column, cell := 0, 0
	if at >= 0 {
		t.row, t.column = len(t.rows), 0
	}
	for _, r := range strings.TrimRight(line, " ") {
		n := runewidth.RuneWidth(r)
		if n == 0 {
			row.cells[max(0, column-1)] += string(r)
			continue
		}
		if column+n > t.width {
			row.wraps = true
			for i := column; i < t.width; i++ {
				row.cells[i] = ""
			}
			t.rows = append(t.rows, row)
			row, column = t.blank(), 0
		}
		row.cells[column] = string(r)
		if n == 2 {
			row.cells[column+1] = ""
		}
		column, cell = column+n, cell+n
		if at >= cell {
			t.row, t.column = len(t.rows), min(column, t.width-1)
		}
	}
	t.rows = append(t.rows, row)
}

// lines gives what stands above and on the screen, each line whole.
func (t *terminal) lines() []string {
	var lines []string
	line := ""
	for _, r := range t.rows {
		line += strings.Join(r.cells, "")
		if !r.wraps {
			lines = append(lines, strings.TrimRight(line, " "))
			line = ""
		}
	}
	for len(lines) > 0 && lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

// screen gives the rows on the screen.
func (t *terminal) screen() []string {
	var rows []string
	for _, r := range t.rows[t.top:min(len(t.rows), t.top+t.height)] {
		rows = append(rows, strings.TrimRight(strings.Join(r.cells, ""), " "))
	}
	return rows
}

func (t *terminal) shown() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(t.lines(), "\n")
}

// TestTerminal tests what the tests of live lines stand on.
func TestTerminal(t *testing.T) {
	for _, c := range []struct {
		what, text string
		want       []string
	}{
		{"lines", "ab\ncd", []string{"ab", "cd", "", ""}},
		{"wraps late", "abcdef", []string{"abcdef", "", "", ""}},
		{"wraps", "abcdefgh", []string{"abcdef", "gh", "", ""}},
		{"no row between", "abcdef\ngh", []string{"abcdef", "gh", "", ""}},
		{"wide at the edge", "abcde注", []string{"abcde", "注", "", ""}},
		{"erases the line", "abcdef\n\x1b[1A\x1b[K", []string{"", "", "", ""}},
		{"erases at the edge", "abcdef\x1b[K", []string{"abcde", "", "", ""}},
		{"erases below", "a\nb\nc\x1b[2A\r\x1b[J", []string{"", "", "", ""}},
		{"scrolls", "1\n2\n3\n4\n5", []string{"2", "3", "4", "5"}},
		{"up to the top only", "1\n2\n3\n4\n5\x1b[9A\rx", []string{"x", "3", "4", "5"}},
		{"combining", "e\u0301x", []string{"e\u0301x", "", "", ""}},
	} {
		s := newTerminal(6, 4)
		if _, err := s.Write([]byte(c.text)); err != nil {
			t.Fatal(err)
		}
		rows := s.screen()
		for len(rows) < 4 {
			rows = append(rows, "")
		}
		if d := cmp.Diff(c.want, rows); d != "" || s.mistake != "" {
			t.Errorf("%s: %s (-want +got):\n%s", c.what, s.mistake, d)
		}
	}
	s := newTerminal(10, 4)
	if _, err := s.Write([]byte("abcdefghijkl\nmno\n")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		width int
		want  string
	}{{5, "fghij kl mno "}, {3, "ghi jkl mno "}, {20, "abcdefghijkl mno "}} {
		s.resize(c.width, 4)
		if got := strings.Join(s.screen(), " "); got != c.want {
			t.Errorf("%d wide: %q, want %q", c.width, got, c.want)
		}
		if s.column != 0 || strings.TrimRight(strings.Join(s.rows[s.row].cells, ""), " ") != "" {
			t.Errorf("%d wide: the cursor stands at %d of %v", c.width, s.column, s.rows[s.row])
		}
	}
	for _, wrong := range []string{"\x1b[2J", "\x1b[?25l", "\a", "\x1b[?2026h", "\x1b[31mx"} {
		s := newTerminal(6, 4)
		if _, err := s.Write([]byte(wrong)); err != nil || s.mistake == "" {
			t.Errorf("%q is taken, error %v", wrong, err)
		}
	}
}
