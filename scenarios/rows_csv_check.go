package scenarios

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"

	"iflowtest/internal/diag"
)

// rowBuffer is how much of a file of rows is read at once.
const rowBuffer = 64 << 10

// csvCheck is the first pass over a CSV file.
type csvCheck struct {
	*csvReader
	findings
	columns *columns
	rows    int
	// width is how many cells the header has.
	width int
	// headerEnd is the last line of the header.
	headerEnd int
	// notText is set when a character was reported that cannot be.
	notText bool
}

// readCSV makes the first pass over a CSV file.
func (f *rowFile) readCSV(file *os.File, sources diag.Sources) (*Rows, diag.List) {
	in := bufio.NewReaderSize(file, rowBuffer)
	if d, bad := startOfText(in, f.shown); bad {
		return nil, diag.List{d}
	}
	c := csvCheck{csvReader: newCSVReader(f.shown, in), findings: findings{of: f.shown}, columns: newColumns()}
	var rows *Rows
	if c.header() {
		c.body()
		rows = &Rows{columns: c.columns, length: c.rows}
		rows.pass = func() (rowPass, error) { return f.csvPass(c.columns.names, c.separator) }
	}
	l := c.list()
	secret := c.columns.secret()
	f.addLines(file, sources, placesOf(l, c.columns), func(line int) bool { return line <= c.headerEnd || !secret && rows != nil })
	return rows, l
}

// header reads the names of the columns; false: there are none to be had.
func (c *csvCheck) header() bool {
	record, err := c.record()
	c.headerEnd = c.tap.start
	if errors.Is(err, io.EOF) {
		c.add(diag.Errorf(diag.Position{File: c.file, Line: 1, Column: 1, Width: 1}, diag.BadFile, "the file is empty: the first line of a CSV file names the columns"))
		return false
	}
	if err != nil {
		c.wrongRecord(err)
		return false
	}
	c.headerEnd = c.tap.line - 1
	if c.encoding(); c.notText || c.oldLineEnds(record) {
		return false
	}
	if len(record) > maxColumns {
		c.add(diag.Errorf(c.begin(), diag.TooLarge, "the file has %d columns, want at most %d", len(record), maxColumns))
		return false
	}
	c.width = len(record)
	c.names(record)
	return true
}

// names takes the names of the columns.
func (c *csvCheck) names(record []string) {
	if len(record) <= 2 && strings.HasPrefix(strings.ToLower(record[0]), "sep=") {
		c.add(diag.Errorf(c.begin(), diag.InvalidRow, "the first line is a note to Excel, and names no columns").
			WithHint("take it out: the separator is recognised"))
		return
	}
	c.tellSeparator(record)
	first := map[string]int{}
	for i, name := range record {
		_, again := first[name]
		switch {
		case goodColumn(name) && c.columns.add(name):
			first[name] = i
		case c.full():
		case !goodColumn(name):
			c.add(badColumn(c.field(i, len(record)), name).WithHint("%s", hintNoName(name, i == len(record)-1)))
		case again:
			c.add(diag.Errorf(c.field(i, len(record)), diag.DuplicateKey, "the column %s stands twice; first in column %d",
				cell(name), c.field(first[name], len(record)).Column))
		}
	}
}

// tellSeparator warns of a separator that may have been found by mistake.
func (c *csvCheck) tellSeparator(record []string) {
	if c.separator == ',' || len(record) == 1 {
		return
	}
	what := strconv.Quote(string(c.separator))
	if c.separator == '\t' {
		what = "a tab"
	}
	c.add(diag.Warningf(c.at(c.offsetOf(c.FieldPos(1))-1, 1), diag.Separator, "the separator is %s and not a comma", what).
		WithHint("the columns are %s", someNames(record)))
}

func hintNoName(name string, last bool) string {
	switch {
	case name != "":
		return ""
	case last:
		return "the line ends in a separator: take it away, or name the last column"
	}
	return "the first line names every column"
}

// someNames lists the first names.
func someNames(names []string) string {
	const shown = 8
	var quoted []string
	for _, name := range names[:min(len(names), shown)] {
		quoted = append(quoted, cell(name))
	}
	if len(names) > shown {
		return strings.Join(quoted, ", ") + " …"
	}
	return strings.Join(quoted, ", ")
}

// oldLineEnds reports a file whose lines end in CR alone.
func (c *csvCheck) oldLineEnds(record []string) bool {
	for i, name := range record {
		at := strings.IndexByte(name, '\r')
		offset := c.offsetOf(c.FieldPos(i))
		if at < 0 || c.tap.raw[offset] == '"' {
			continue
		}
		c.add(diag.Errorf(c.at(offset+at, 1), diag.Encoding, "the lines of the file end in CR alone").
			WithHint("save it with the line ends of Unix (LF) or Windows (CRLF)"))
		return true
	}
	return false
}

// body reads the rows.
func (c *csvCheck) body() {
	for {
		record, err := c.record()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			if !c.wrongRecord(err) {
				return
			}
			continue
		}
		c.encoding()
		if len(record) != c.width {
			c.ragged(c.width, len(record))
		}
		c.rows++
	}
	if c.rows == 0 && c.errors == 0 {
		c.add(diag.Errorf(diag.Position{File: c.file, Line: c.headerEnd, Column: 1, Width: 1}, diag.EmptyBlock, "the file has a header and no rows").
			WithHint("without a row nothing would run"))
	}
}

// ragged reports a line with too few cells or too many.
func (c *csvCheck) ragged(want, got int) {
	if c.full() {
		return
	}
	pos, hint := c.begin(), "every line has as many cells as the header"
	if got > want {
		pos, hint = c.field(want, got), "a cell that holds the separator stands in quotes: \"a"+string(c.separator)+"b\""
	}
	c.add(diag.Errorf(pos, diag.InvalidRow, "line %d has %s, want %d", c.tap.start, counted(got, "cell"), want).WithHint("%s", hint))
}

// encoding reports the first text that is not UTF-8, or no text at all.
func (c *csvCheck) encoding() {
	raw := c.tap.raw
	if c.notText {
		return
	}
	if at := bytes.IndexByte(raw, 0); at >= 0 {
		c.notText = true
		c.add(diag.Errorf(c.at(at, 1), diag.Encoding, "the character U+0000 is not allowed").
			WithHint("save the file as UTF-8: a file with U+0000 is UTF-16, or no text"))
		return
	}
	if at := invalidUTF8(raw); at >= 0 {
		c.notText = true
		c.add(diag.Errorf(c.at(at, 1), diag.Encoding, "byte 0x%02x is not UTF-8", raw[at]).
			WithHint("save the file as UTF-8"))
	}
}

// invalidUTF8 gives the first byte that is not UTF-8, -1 when all are.
func invalidUTF8(text []byte) int {
	if utf8.Valid(text) {
		return -1
	}
	at := 0
	for {
		r, n := utf8.DecodeRune(text[at:])
		if r == utf8.RuneError && n <= 1 {
			return at
		}
		at += n
	}
}

// wrongRecord reports a record that cannot be read; false: nor can the rest
// of the file.
func (c *csvCheck) wrongRecord(err error) bool {
	q := misquoted(c.tap.raw, c.separator)
	switch {
	case errors.Is(err, errRowTooLarge):
		c.tooLarge(q)
		return false
	case c.broken(err):
		c.add(diag.Errorf(diag.Position{File: c.file}, diag.BadFile, "the file cannot be read: %s", cause(err)))
		return false
	}
	c.encoding()
	c.misquote(q)
	return true
}

// tooLarge reports a record that does not end.
func (c *csvCheck) tooLarge(q quoting) {
	if q.what == quoteOpen {
		c.add(diag.Errorf(c.at(q.open, 1), diag.InvalidRow, "the quote that opens here is not closed within %d bytes (4 MiB)", maxRowSize))
		return
	}
	c.add(diag.Errorf(c.begin(), diag.TooLarge, "the row has more than %d bytes (4 MiB)", maxRowSize))
}

// misquote reports quotes that are not as RFC 4180 has them.
func (c *csvCheck) misquote(q quoting) {
	const twice = `a cell with quotes in it is written in quotes, and each of them twice: "5"" pipe"`
	open, found := c.at(q.open, 1), c.at(q.at, 1)
	switch {
	case q.what == quoteBare:
		c.add(diag.Errorf(found, diag.InvalidRow, "a quote stands inside a cell that does not begin with one").WithHint("%s", twice))
	case q.what == quoteOpen:
		c.add(diag.Errorf(open, diag.InvalidRow, "the quote that opens here is never closed").WithHint("%s", twice))
	case open.Line != found.Line:
		c.add(diag.Errorf(open, diag.InvalidRow, "the quote that opens here is closed in line %d, in the middle of a cell", found.Line).
			WithHint("a quote is missing before the end of this line, or stands here by mistake"))
	default:
		c.add(diag.Errorf(found, diag.InvalidRow, "the quoted cell ends here, and text follows it").WithHint("%s", twice))
	}
}
