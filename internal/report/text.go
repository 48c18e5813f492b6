package report

import (
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mattn/go-runewidth"
)

// duration gives milliseconds as people read them: "182 ms", "1.2 s",
// "2 min 3 s".
func duration(ms float64) string {
	switch {
	case !(ms > 0):
		return "0 ms"
	case ms < 1:
		return "<1 ms"
	case ms < 999.5:
		return strconv.FormatFloat(math.Round(ms), 'f', 0, 64) + " ms"
	case ms < 59_950:
		return strconv.FormatFloat(ms/1000, 'f', 1, 64) + " s"
	}
	d := time.Duration(min(ms, 1e12) * float64(time.Millisecond)).Round(time.Second)
	return strconv.Itoa(int(d/time.Minute)) + " min " + strconv.Itoa(int(d%time.Minute/time.Second)) + " s"
}

// seconds gives milliseconds as seconds with three decimals, as JUnit wants
// them. What is no duration is 0.
func seconds(ms float64) string {
	if !(ms > 0) || math.IsInf(ms, 1) {
		return "0.000"
	}
	return strconv.FormatFloat(ms/1000, 'f', 3, 64)
}

// plural gives "1 step", "2 steps".
func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return strconv.Itoa(n) + " " + word + "s"
}

// oneLine makes a name fit for one line: line breaks and tabs become blanks.
func oneLine(s string) string {
	if !strings.ContainsAny(s, "\n\r\t") {
		return s
	}
	return strings.Join(strings.Fields(s), " ")
}

// cut gives at most limit bytes of s, whole characters, and says what is
// missing. size is the size of the text that s is the start of; 0 when s is
// the whole.
func cut(s string, limit int, size int64) string {
	size = max(size, int64(len(s)))
	shown := s
	if len(shown) > limit {
		shown = shown[:limit]
		for len(shown) > 0 && !utf8.RuneStart(s[len(shown)]) {
			shown = shown[:len(shown)-1]
		}
	}
	if int64(len(shown)) == size {
		return s
	}
	return shown + "\n… (the first " + strconv.Itoa(len(shown)) + " of " + strconv.FormatInt(size, 10) + " bytes)"
}

// cutLines gives at most limit lines of s and counts the others.
func cutLines(s string, limit int) string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	if len(lines) <= limit {
		return strings.Join(lines, "\n")
	}
	return strings.Join(lines[:limit], "\n") + "\n… and " + plural(len(lines)-limit, "line") + " more"
}

// columns gives how many columns of a terminal s takes at most: terminals that
// do not know how to join characters show them one by one.
func columns(s string) int {
	n := 0
	for _, r := range s {
		n += runeColumns(r)
	}
	return n
}

func runeColumns(r rune) int {
	if r < 0x7f {
		return 1
	}
	if r == '\uFE0F' { // makes the character before it wide
		return 1
	}
	return runewidth.RuneWidth(r)
}

// fit cuts s to the columns of a terminal.
func fit(s string, width int) string {
	if columns(s) <= width {
		return s
	}
	const mark = "…"
	room := width - columns(mark)
	if room < 0 {
		return ""
	}
	end := 0
	for i, r := range s {
		if room -= runeColumns(r); room < 0 {
			break
		}
		end = i + utf8.RuneLen(r)
	}
	return strings.TrimRight(s[:end], " "+string(joiner)) + mark
}

// indent puts prefix before every line that is not empty.
func indent(s, prefix string) string {
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		if l != "" {
			lines[i] = prefix + l
		}
	}
	return strings.Join(lines, "\n")
}

// The colours, as the parameters of a "select graphic rendition" sequence.
const (
	bold   = "1"
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
)

// paint colours s when on is set.
func paint(on bool, color, s string) string {
	if !on || s == "" {
		return s
	}
	return "\x1b[" + color + "m" + s + "\x1b[0m"
}
