package assertions

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Bounds of what is shown of the differences between two payloads.
const (
	maxDifferences = 20
	diffContext    = 2
	maxLineShown   = 120
	// maxAligned bounds the elements of two lists that are matched with each
	// other: their product.
	maxAligned = 40_000
)

// difference is one place where payloads differ, as it is shown.
type difference struct{ path, want, got string }

// differences collects where payloads differ.
type differences struct {
	count int
	first []difference
	lines []string
	// left counts the lines that are not shown.
	left int
}

func (d *differences) add(path, want, got string) {
	if len(d.first) < maxDifferences {
		d.first = append(d.first, difference{path, want, got})
	}
	d.count++
}

// full reports whether no more differences need to be shown.
func (d *differences) full() bool { return d.count >= maxDifferences }

func (d *differences) line(mark byte, s string) {
	if len(d.lines) >= maxDiffLines {
		d.left++
		return
	}
	d.lines = append(d.lines, string(mark)+cut(s, maxLineShown))
}

// text gives the lines, with the number of those that are left out.
func (d *differences) text() string {
	if len(d.lines) == 0 {
		return ""
	}
	s := strings.Join(d.lines, "\n") + "\n"
	if d.left > 0 {
		s += fmt.Sprintf("… %d more lines\n", d.left)
	}
	return s
}

// maxApart is the length up to which texts that differ are shown whole.
const maxApart = 80

// apart quotes two texts such that their difference is seen: of long ones, the
// part where they begin to differ.
func (d *display) apart(want, got string) (w, g string) {
	a, b := d.hidden(want), d.hidden(got)
	from := 0
	for from < min(len(a), len(b)) && a[from] == b[from] {
		from++
	}
	for from > 0 && (within(a, from) || within(b, from)) {
		from--
	}
	for range maxApart / 4 {
		_, n := utf8.DecodeLastRuneInString(a[:from])
		from -= n
	}
	return windowOf(a, from), windowOf(b, from)
}

// within reports whether the byte at i is not the first of its character.
func within(s string, i int) bool { return i < len(s) && !utf8.RuneStart(s[i]) }

// windowOf quotes the part of a long text that begins at a byte.
func windowOf(s string, from int) string {
	length := utf8.RuneCountInString(s)
	if length <= maxApart {
		return quoted(s)
	}
	from = min(from, len(s))
	to := from
	for range maxApart {
		_, n := utf8.DecodeRuneInString(s[to:])
		to += n
	}
	shown := quoted(s[from:to])
	if from > 0 {
		shown = "…" + shown
	}
	if to < len(s) {
		shown += "…"
	}
	return shown + fmt.Sprintf(" (%d characters)", length)
}

// change is a child of a container that differs: the number of the wanted one,
// or the one before which an additional one stands. want and got say which of
// them there are, and write them.
type change struct {
	at        int
	want, got func() string
}

// hunk writes what has changed in a container, with the children around it.
func (d *differences) hunk(path string, children int, show func(i int) string, changes []change) {
	if len(changes) == 0 {
		return
	}
	d.line('@', "@ "+path)
	next := 0
	for i, c := range changes {
		from := max(next, c.at-diffContext)
		if from > next {
			d.line(' ', "  …")
		}
		for ; from < c.at; from++ {
			d.line(' ', "  "+show(from))
		}
		next = max(next, c.at)
		if c.want != nil {
			d.line('-', "  "+c.want())
			next = c.at + 1
		}
		if c.got != nil {
			d.line('+', "  "+c.got())
		}
		to := min(next+diffContext, children)
		if i+1 < len(changes) {
			to = min(to, changes[i+1].at)
		}
		for ; next < to; next++ {
			d.line(' ', "  "+show(next))
		}
		if len(d.lines) >= maxDiffLines {
			d.left += len(changes) - i - 1
			return
		}
	}
	if next < children {
		d.line(' ', "  …")
	}
}

// pair is a wanted element and the one found in its place; -1 for none.
type pair struct {
	want, got int
	// before is where an additional one stands among those wanted.
	before int
}

// align pairs the elements of two lists, and gives the pairs that are not the
// same. At most limit pairs are tried, one by one, to find what was put in
// between.
func align(n, m, limit int, same, alike func(i, j int) bool) []pair {
	from := 0
	for from < min(n, m) && same(from, from) {
		from++
	}
	for n > from && m > from && same(n-1, m-1) {
		n--
		m--
	}
	a := aligner{same: same, alike: alike}
	if (n-from)*(m-from) > limit {
		a.run(from, n, from, m)
	} else {
		a.longest(from, n, from, m)
	}
	return a.pairs
}

type aligner struct {
	same, alike func(i, j int) bool
	pairs       []pair
}

// run pairs what stands in the same order.
func (a *aligner) run(i, n, j, m int) {
	for i < n && j < m {
		switch {
		case a.alike(i, j):
			if !a.same(i, j) {
				a.pairs = append(a.pairs, pair{want: i, got: j})
			}
			i++
			j++
		case a.later(i+1, n, j):
			a.pairs = append(a.pairs, pair{want: i, got: -1})
			i++
		default:
			a.pairs = append(a.pairs, pair{want: -1, got: j, before: i})
			j++
		}
	}
	for ; i < n; i++ {
		a.pairs = append(a.pairs, pair{want: i, got: -1})
	}
	for ; j < m; j++ {
		a.pairs = append(a.pairs, pair{want: -1, got: j, before: n})
	}
}

// lookAhead bounds the search for what belongs together.
const lookAhead = 100

func (a *aligner) later(i, n, j int) bool {
	for k := i; k < min(n, i+lookAhead); k++ {
		if a.alike(k, j) {
			return true
		}
	}
	return false
}

// longest pairs along the longest common subsequence.
func (a *aligner) longest(i0, n, j0, m int) {
	w := m - j0 + 1
	length := make([]int32, (n-i0+1)*w)
	equal := make([]bool, len(length))
	for i := n - 1; i >= i0; i-- {
		for j := m - 1; j >= j0; j-- {
			at := (i-i0)*w + j - j0
			if equal[at] = a.same(i, j); equal[at] {
				length[at] = length[at+w+1] + 1
			} else {
				length[at] = max(length[at+w], length[at+1])
			}
		}
	}
	i, j, fromI, fromJ := i0, j0, i0, j0
	for i < n && j < m {
		at := (i-i0)*w + j - j0
		switch {
		case equal[at]:
			a.run(fromI, i, fromJ, j)
			i, j = i+1, j+1
			fromI, fromJ = i, j
		case length[at+w] >= length[at+1]:
			i++
		default:
			j++
		}
	}
	a.run(fromI, n, fromJ, m)
}
