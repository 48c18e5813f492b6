package scenarios

import (
	"bufio"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"iflowtest/internal/diag"
)

const (
	// maxRowFindings is how many mistakes of one set of rows are told.
	maxRowFindings = 20
	// maxRowSize is how many bytes one row of a file may have.
	maxRowSize = 4 << 20
	// maxLineShown bounds the lines that are kept to be shown, and
	// maxShownLine their number: a line is found by its index.
	maxLineShown = 4096
	maxShownLine = 100_000
)

// findings collects what is wrong with rows, and counts what is too much.
type findings struct {
	// of is the file that the rows are in.
	of string
	l  diag.List
	// warnings do not count.
	errors int
}

func (f *findings) add(d diag.Diagnostic) {
	if d.Severity == diag.Error {
		if f.errors++; f.errors > maxRowFindings {
			return
		}
	}
	f.l = append(f.l, d)
}

// full counts one more error and reports true when it would not be told: its
// place need not be looked for.
func (f *findings) full() bool {
	if f.errors < maxRowFindings {
		return false
	}
	f.errors++
	return true
}

// list gives what was found, in order.
func (f *findings) list() diag.List {
	l := f.l.Sorted()
	if more := f.errors - maxRowFindings; more > 0 {
		l = append(l, diag.Errorf(diag.Position{File: f.of}, diag.BadFile, "only %d of the %d mistakes in these rows are shown", maxRowFindings, f.errors))
	}
	return l
}

// lineReader reads the start of every line.
type lineReader struct {
	r *bufio.Reader
}

// next gives the first bytes of the next line, without its end.
func (l *lineReader) next() (string, error) {
	var line []byte
	for {
		chunk, err := l.r.ReadSlice('\n')
		ended := len(chunk)+len(line) > 0
		line = append(line, chunk[:min(len(chunk), maxLineShown-len(line))]...)
		switch {
		case err == bufio.ErrBufferFull:
			continue
		case err != nil && !ended:
			return "", err
		}
		text := strings.TrimRight(string(line), "\r\n")
		return strings.ToValidUTF8(text, "\uFFFD"), nil
	}
}

// pointed are the lines that places point at, each with the last column.
func pointed(places []diag.Position) (columns map[int]int, last int) {
	columns = map[int]int{}
	for _, p := range places {
		if p.Line < 1 || p.Line > maxShownLine {
			continue
		}
		columns[p.Line] = max(columns[p.Line], p.Column)
		last = max(last, p.Line)
	}
	return columns, last
}

// shownLines reads a file up to the last line that a place points at, and
// gives the lines there are to be shown. What may not be shown is *** there.
func shownLines(r io.Reader, places []diag.Position, mayShow func(line int) bool) []string {
	columns, last := pointed(places)
	lines := make([]string, 0, last)
	in := lineReader{bufio.NewReader(r)}
	for n := range last {
		line, err := in.next()
		if err != nil {
			break
		}
		column, wanted := columns[n+1]
		switch {
		case !wanted:
			line = ""
		case !mayShow(n + 1):
			line = "***"
		case column > utf8.RuneCountInString(line)+1:
			line = "…"
		}
		lines = append(lines, line)
	}
	return lines
}

// linesBefore reports whether a line up to the last one that a place points at
// is one that found holds for, or too long to tell.
func linesBefore(r io.Reader, places []diag.Position, found func(line string) bool) bool {
	_, last := pointed(places)
	in := lineReader{bufio.NewReader(r)}
	for range last {
		line, err := in.next()
		if err != nil {
			return false
		}
		if len(line) >= maxLineShown || found(line) {
			return true
		}
	}
	return false
}

// counted writes how many of something there are.
func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

// cell quotes data: never much of it.
func cell(s string) string {
	const limit = 40
	n := 0
	for i := range s {
		if n == limit {
			return strconv.Quote(s[:i] + "…")
		}
		n++
	}
	return strconv.Quote(s)
}
