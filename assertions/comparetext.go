package assertions

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// exact reports whether every character of a text counts.
func (m *fileComparison) exact() bool {
	return m.blanks == whitespaceStrict || m.blanks == "" && m.as == payloadText
}

// compareText compares by line; how a line ends does not matter, nor whether
// the last one ends. With as: text everything matters.
func (m *fileComparison) compareText(want string) {
	got := m.c.r.text()
	if want = decodeText(want, ""); !utf8.ValidString(want) {
		want = decodeText(want, m.c.r.Header.Get("Content-Type"))
	}
	if want == got {
		return
	}
	if !m.exact() {
		if want, got = lines(want), lines(got); want == got {
			return
		}
	}
	a, b := strings.Split(want, "\n"), strings.Split(got, "\n")
	at := 0
	for at < min(len(a), len(b)) && a[at] == b[at] {
		at++
	}
	d := m.c.display()
	shownWant, shownGot := "nothing", "nothing"
	switch {
	case at < len(a) && at < len(b):
		shownWant, shownGot = d.apart(a[at], b[at])
	case at < len(a):
		shownWant = d.quote(a[at])
	default:
		shownGot = d.quote(b[at])
	}
	m.out.add(fmt.Sprintf("line %d", at+1), shownWant, shownGot)
	if m.diff, m.hidden = d.diffTexts(want, got); m.diff == "" {
		m.out.hunk(fmt.Sprintf("line %d", at+1), len(a), func(i int) string { return d.quote(a[i]) }, []change{{
			at: min(at, len(a)), want: lineOr(at < len(a), shownWant), got: lineOr(at < len(b), shownGot),
		}})
	}
}

func lineOr(there bool, s string) func() string {
	if !there {
		return nil
	}
	return func() string { return s }
}

func lines(s string) string {
	return strings.TrimSuffix(strings.ReplaceAll(s, "\r\n", "\n"), "\n")
}
