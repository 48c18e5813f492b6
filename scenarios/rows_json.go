package scenarios

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"unicode/utf8"

	"iflowtest/internal/diag"
)

// jsonReader cuts an array into its elements, and knows where each begins. It
// looks at brackets and strings only; what an element holds is for
// encoding/json to say.
type jsonReader struct {
	r    *bufio.Reader
	file string
	// line and column are those of the character read next.
	line, column int
	// raw is the element read last, which begins at pos; ended is false when
	// the file ended in the middle of it, or a string did not end in its line.
	raw   []byte
	pos   diag.Position
	ended bool
	rows  int
}

// errNotArray and the others say what stands where something else is wanted;
// the place is that of the reader.
var (
	errNotArray   = errors.New("the file is not an array")
	errNotClosed  = errors.New("the array is not closed")
	errNoComma    = errors.New("a comma is missing")
	errExtraComma = errors.New("a comma too many")
	errTrailing   = errors.New("text follows the array")
)

func newJSONReader(file string, in *bufio.Reader) *jsonReader {
	return &jsonReader{r: in, file: file, line: 1, column: 1}
}

// here is the place of the character read next.
func (j *jsonReader) here() diag.Position {
	return diag.Position{File: j.file, Line: j.line, Column: j.column, Width: 1}
}

// take reads a byte.
func (j *jsonReader) take() (byte, error) {
	b, err := j.r.ReadByte()
	switch {
	case err != nil:
	case b == '\n':
		j.line, j.column = j.line+1, 1
	case utf8.RuneStart(b):
		j.column++
	}
	return b, err
}

// look gives the next byte that is no blank, without reading it; 0 and io.EOF
// at the end.
func (j *jsonReader) look() (byte, error) {
	for {
		head, err := j.r.Peek(1)
		if err != nil {
			return 0, err
		}
		switch head[0] {
		case ' ', '\t', '\r', '\n':
			_, _ = j.take() // it was peeked at
		default:
			return head[0], nil
		}
	}
}

// open reads the bracket that opens the array.
func (j *jsonReader) open() error {
	b, err := j.look()
	if err != nil {
		return err
	}
	if b != '[' {
		return errNotArray
	}
	_, err = j.take()
	return err
}

// next reads the next element; io.EOF after the array, when nothing follows it.
func (j *jsonReader) next() error {
	b, err := j.look()
	if errors.Is(err, io.EOF) {
		return errNotClosed
	}
	if err != nil {
		return err
	}
	switch {
	case b == ']':
		return j.end()
	case j.rows == 0 && b == ',':
		return errExtraComma
	case j.rows > 0 && b != ',':
		return errNoComma
	case j.rows > 0:
		if err := j.comma(); err != nil {
			return err
		}
	}
	j.rows++
	return j.element()
}

// comma reads the comma between two elements.
func (j *jsonReader) comma() error {
	at := *j
	_, _ = j.take() // it was peeked at
	b, err := j.look()
	if errors.Is(err, io.EOF) {
		return errNotClosed
	}
	if b == ']' || b == ',' {
		j.line, j.column = at.line, at.column
		return errExtraComma
	}
	return err
}

// end reads the bracket that closes the array, and looks behind it.
func (j *jsonReader) end() error {
	_, _ = j.take() // it was peeked at
	if _, err := j.look(); err != nil {
		return err
	}
	return errTrailing
}

// element reads a value up to its end.
func (j *jsonReader) element() error {
	j.pos, j.raw, j.ended = j.here(), j.raw[:0], false
	var s jsonScan
	for {
		head, err := j.r.Peek(1)
		if errors.Is(err, io.EOF) {
			j.ended = s.depth == 0 && !s.quoted
			return nil
		}
		if err != nil {
			return err
		}
		b := head[0]
		if s.quoted && b == '\n' {
			return nil
		}
		if len(j.raw) > 0 && s.endsBefore(b) {
			j.ended = true
			return nil
		}
		_, _ = j.take() // it was peeked at
		if j.raw = append(j.raw, b); len(j.raw) > maxRowSize {
			return errRowTooLarge
		}
		if j.ended = s.add(b); j.ended {
			return nil
		}
	}
}

// jsonScan follows the brackets and strings of a value.
type jsonScan struct {
	depth           int
	quoted, escaped bool
}

// add takes the next byte, and says whether the value ends with it.
func (s *jsonScan) add(b byte) (ended bool) {
	switch {
	case s.escaped:
		s.escaped = false
		return false
	case s.quoted:
		s.escaped, s.quoted = b == '\\', b != '"'
		return !s.quoted && s.depth == 0
	case b == '"':
		s.quoted = true
	case b == '{' || b == '[':
		s.depth++
	case b == '}' || b == ']':
		s.depth--
		return s.depth <= 0
	}
	return false
}

// endsBefore reports whether a number or word is over before b.
func (s *jsonScan) endsBefore(b byte) bool {
	return s.depth == 0 && !s.quoted && endsElement(b)
}

// endsElement reports whether b cannot be part of a number or word.
func endsElement(b byte) bool {
	switch b {
	case ' ', '\t', '\r', '\n', ',', ']', '}', '{', '[', '"':
		return true
	}
	return false
}

// at gives the place of a byte of the element.
func (j *jsonReader) at(offset, width int) diag.Position {
	before := j.raw[:min(max(offset, 0), len(j.raw))]
	pos := j.pos
	pos.Width = max(width, 1)
	if line := bytes.LastIndexByte(before, '\n'); line >= 0 {
		pos.Line += bytes.Count(before, []byte("\n"))
		pos.Column = 1
		before = before[line+1:]
	}
	pos.Column += utf8.RuneCount(before)
	return pos
}

// jsonPass is the second pass over a JSON file.
type jsonPass struct {
	f       *rowFile
	file    *os.File
	r       *jsonReader
	columns *columns
	// feed hands the decoder one row at a time.
	feed    bytes.Reader
	decoder *json.Decoder
}

func (f *rowFile) jsonPass(c *columns) (rowPass, error) {
	file, err := f.again()
	if err != nil {
		return nil, err
	}
	p := &jsonPass{f: f, file: file, columns: c}
	in := bufio.NewReaderSize(file, rowBuffer)
	_, bad := startOfText(in, f.shown)
	p.r = newJSONReader(f.shown, in)
	if err := p.r.open(); bad || err != nil {
		file.Close()
		return nil, changed(f.shown, "it is no array")
	}
	p.decoder = json.NewDecoder(&p.feed)
	p.decoder.UseNumber()
	return p, nil
}

func (p *jsonPass) next() (map[string]any, diag.Position, error) {
	err := p.r.next()
	if errors.Is(err, io.EOF) {
		if err := p.f.same(p.file); err != nil {
			return nil, diag.Position{}, err
		}
		return nil, diag.Position{}, io.EOF
	}
	if err != nil && !misplaced(err) {
		return nil, p.r.pos, unreadable(p.f.shown, err)
	}
	var values map[string]any
	p.feed.Reset(p.r.raw)
	if err != nil || p.decoder.Decode(&values) != nil || values == nil || !p.columns.holds(values) {
		return nil, p.r.pos, changed(p.f.shown, "row %d is not as it was", p.r.rows)
	}
	return values, p.r.pos, nil
}

func (p *jsonPass) close() { _ = p.file.Close() } // it was only read

// misplaced reports an error of what was read, not of reading.
func misplaced(err error) bool {
	for _, e := range []error{errNotArray, errNotClosed, errNoComma, errExtraComma, errTrailing, errRowTooLarge} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
