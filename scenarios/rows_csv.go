package scenarios

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"unicode/utf8"

	"iflowtest/internal/diag"
)

var errRowTooLarge = errors.New("the row is too large")

// csvReader reads the records of a CSV file, and knows the text each has in
// the file.
type csvReader struct {
	*csv.Reader
	file      string
	tap       *lineTap
	separator byte
}

// lineTap hands a file to the CSV reader line by line, so that neither is
// ahead of the other, and keeps the lines of the record that is being read.
type lineTap struct {
	r *bufio.Reader
	// pending is the rest of a line that does not fit into one read.
	pending []byte
	// raw begins with the first line of the record that is not empty, which
	// is the line number start.
	raw         []byte
	start, line int
}

// Read gives at most the rest of a line.
func (t *lineTap) Read(p []byte) (int, error) {
	if len(t.pending) == 0 {
		chunk, err := t.r.ReadSlice('\n')
		if len(chunk) == 0 && err != nil {
			return 0, err
		}
		t.pending = chunk
		if err := t.keep(chunk); err != nil {
			return 0, err
		}
	}
	n := copy(p, t.pending)
	t.pending = t.pending[n:]
	return n, nil
}

// keep adds a part of a line to the record.
func (t *lineTap) keep(chunk []byte) error {
	if len(t.raw) == 0 {
		t.start = t.line
	}
	if len(t.raw) > 0 || !isLineEnd(chunk) {
		t.raw = append(t.raw, chunk...)
	}
	if chunk[len(chunk)-1] == '\n' {
		t.line++
	}
	if len(t.raw) > maxRowSize {
		return errRowTooLarge
	}
	return nil
}

// newCSVReader finds the separator in the first line.
func newCSVReader(file string, in *bufio.Reader) *csvReader {
	c := &csvReader{file: file, tap: &lineTap{r: in, line: 1}}
	head, _ := in.Peek(in.Size())
	c.separator = separatorOf(head)
	c.Reader = csv.NewReader(c.tap)
	c.Comma = rune(c.separator)
	c.FieldsPerRecord = -1
	c.ReuseRecord = true
	return c
}

// separatorOf gives the character that separates the cells of the first line:
// the most frequent of comma, semicolon and tab outside of quotes, and the
// comma where it is not outnumbered.
func separatorOf(head []byte) byte {
	count := map[byte]int{}
	quoted := false
	for _, b := range bytes.TrimLeft(head, "\r\n") {
		switch {
		case b == '"':
			quoted = !quoted
		case quoted:
		case b == '\n':
			return mostFrequent(count)
		default:
			count[b]++
		}
	}
	return mostFrequent(count)
}

func mostFrequent(count map[byte]int) byte {
	best := byte(',')
	for _, b := range []byte{';', '\t'} {
		if count[b] > count[best] {
			best = b
		}
	}
	return best
}

// record reads the next record; the slice is good until the one after.
func (c *csvReader) record() ([]string, error) {
	c.tap.raw = c.tap.raw[:0]
	return c.Read()
}

// at gives the place of a byte of the record's text.
func (c *csvReader) at(offset, width int) diag.Position {
	before := c.tap.raw[:min(offset, len(c.tap.raw))]
	start := bytes.LastIndexByte(before, '\n') + 1
	return diag.Position{
		File:   c.file,
		Line:   c.tap.start + bytes.Count(before, []byte("\n")),
		Column: utf8.RuneCount(before[start:]) + 1,
		Width:  width,
	}
}

// begin is the place of the record.
func (c *csvReader) begin() diag.Position {
	return diag.Position{File: c.file, Line: c.tap.start, Column: 1, Width: 1}
}

// field gives the place of one of the n cells of the record read last.
func (c *csvReader) field(i, n int) diag.Position {
	offset := c.offsetOf(c.FieldPos(i))
	end := len(c.tap.raw)
	if line := bytes.IndexByte(c.tap.raw[offset:], '\n'); line >= 0 {
		end = offset + line
	}
	if i+1 < n {
		end = min(end, c.offsetOf(c.FieldPos(i+1))-1)
	}
	text := bytes.TrimRight(c.tap.raw[offset:max(end, offset)], "\r")
	return c.at(offset, max(utf8.RuneCount(text), 1))
}

// offsetOf gives the byte of the record's text at a line of the file and a
// column in bytes, which the CSV reader counts.
func (c *csvReader) offsetOf(line, column int) int {
	offset := 0
	for range line - c.tap.start {
		offset += bytes.IndexByte(c.tap.raw[offset:], '\n') + 1
	}
	return min(offset+column-1, len(c.tap.raw))
}

// broken reports an error of reading, not of what was read.
func (c *csvReader) broken(err error) bool {
	var p *csv.ParseError
	return err != nil && !errors.As(err, &p) && !errors.Is(err, errRowTooLarge)
}
