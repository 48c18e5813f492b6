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

// jsonCheck is the first pass over a JSON file.
type jsonCheck struct {
	*jsonReader
	findings
	columns *columns
	keys    jsonKeys
	// names are the columns of a row, anew for each.
	names []string
	// unknown is set when the rows cannot be known: something is not JSON.
	unknown bool
}

// readJSON makes the first pass over a JSON file.
func (f *rowFile) readJSON(file *os.File, sources diag.Sources) (*Rows, diag.List) {
	in := bufio.NewReaderSize(file, rowBuffer)
	if d, bad := startOfText(in, f.shown); bad {
		return nil, diag.List{d}
	}
	j := jsonCheck{jsonReader: newJSONReader(f.shown, in), findings: findings{of: f.shown}, columns: newColumns()}
	j.read()
	var rows *Rows
	if !j.unknown {
		rows = &Rows{columns: j.columns, length: j.rows}
		rows.pass = func() (rowPass, error) { return f.jsonPass(j.columns) }
	}
	l := j.list()
	f.addJSONLines(file, sources, placesOf(l, j.columns), j.columns)
	return rows, l
}

// addJSONLines adds the lines of the places, unless there may be a secret in
// them.
func (f *rowFile) addJSONLines(file *os.File, sources diag.Sources, places []diag.Position, c *columns) {
	if c.secret() || len(places) == 0 {
		return
	}
	if in, ok := f.rewound(file); !ok || linesBefore(in, places, secretColumn) {
		return
	}
	f.addLines(file, sources, places, func(int) bool { return true })
}

// read reads all of the array.
func (j *jsonCheck) read() {
	if err := j.open(); err != nil {
		j.misplaced(err)
		return
	}
	start := j.here()
	right := true
	for {
		err := j.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			// What follows an element that is not JSON cannot be judged.
			if right || !misplaced(err) {
				j.misplaced(err)
			}
			return
		}
		if right = j.row(); !j.ended || j.tooWide() {
			return
		}
	}
	if j.rows == 0 {
		start.Column--
		j.add(diag.Errorf(start, diag.EmptyBlock, "the array has no rows").WithHint("without a row nothing would run"))
	}
}

// misplaced reports what stands where something else is wanted.
func (j *jsonCheck) misplaced(err error) {
	here := j.here()
	j.unknown = true
	switch {
	case errors.Is(err, io.EOF):
		here.Line, here.Column = 1, 1
		j.add(diag.Errorf(here, diag.BadFile, "the file is empty: want an array of objects"))
	case errors.Is(err, errNotArray):
		j.notArray()
	case errors.Is(err, errNotClosed):
		j.add(diag.Errorf(here, diag.Syntax, "the array is not closed: a ] is missing at the end"))
	case errors.Is(err, errNoComma):
		j.add(diag.Errorf(here, diag.Syntax, "a comma or ] is missing here, after row %d", j.rows))
	case errors.Is(err, errExtraComma):
		j.add(diag.Errorf(here, diag.Syntax, "no row stands beside this comma").WithHint("take it away"))
	case errors.Is(err, errTrailing):
		j.add(diag.Errorf(here, diag.Syntax, "text follows the array").WithHint("all rows stand in one array: [{…}, {…}]"))
	case errors.Is(err, errRowTooLarge):
		j.add(diag.Errorf(j.pos, diag.TooLarge, "the row has more than %d bytes (4 MiB)", maxRowSize))
	default:
		j.add(diag.Errorf(diag.Position{File: j.file}, diag.BadFile, "the file cannot be read: %s", cause(err)))
	}
}

func (j *jsonCheck) notArray() {
	b, _ := j.look()
	if b == '{' {
		j.add(diag.Errorf(j.here(), diag.InvalidRow, "the file begins with an object, want an array of objects").
			WithHint("put the rows into brackets, with commas between them: [{…}, {…}]"))
		return
	}
	j.add(diag.Errorf(j.here(), diag.InvalidRow, "the file does not begin with [, want an array of objects"))
}

// tooWide reports rows with more columns than are remembered.
func (j *jsonCheck) tooWide() bool {
	if len(j.columns.names) <= maxColumns {
		return false
	}
	j.unknown = true
	j.add(diag.Errorf(j.pos, diag.TooLarge, "the rows have more than %d columns", maxColumns))
	return true
}

// row checks the element that was read; false: it is not JSON.
func (j *jsonCheck) row() bool {
	if at := invalidUTF8(j.raw); at >= 0 {
		j.unknown = true
		j.add(diag.Errorf(j.at(at, 1), diag.Encoding, "byte 0x%02x is not UTF-8", j.raw[at]).WithHint("save the file as UTF-8"))
		return false
	}
	if !j.ended || !json.Valid(j.raw) {
		j.notJSON()
		return false
	}
	if at := halfCharacter(j.raw); at >= 0 {
		j.add(diag.Errorf(j.at(at, 6), diag.Encoding, "%s is one half of a character", j.raw[at:at+6]).
			WithHint("a character beyond U+FFFF is written as two escapes, or as it is"))
	}
	if j.raw[0] != '{' {
		j.add(diag.Errorf(j.pos, diag.InvalidRow, "row %d is %s, want an object", j.rows, describeJSON(j.raw)))
		return true
	}
	j.readKeys()
	return true
}

// readKeys takes the columns of the row, and checks the keys of all objects.
func (j *jsonCheck) readKeys() {
	j.names = j.names[:0]
	deep := j.keys.read(j.raw, j.key)
	if deep >= 0 {
		j.add(diag.Errorf(j.at(deep, 1), diag.TooLarge, "nested more than %d levels deep", maxDepth))
	}
	j.columns.row(j.pos, j.names)
}

// key checks a key of the row or of a value in it.
func (j *jsonCheck) key(k jsonKey) {
	if k.first < 0 && (k.level > 1 || goodColumn(k.name)) {
		if k.level == 1 {
			j.names = append(j.names, k.name)
		}
		return
	}
	if j.full() {
		return
	}
	pos := j.at(k.start, utf8.RuneCount(j.raw[k.start:k.end]))
	if k.first >= 0 {
		j.add(diag.Errorf(pos, diag.DuplicateKey, "the key %s stands twice; first in line %d", cell(k.name), j.at(k.first, 1).Line))
		return
	}
	j.add(badColumn(pos, k.name))
}

// notJSON reports the element at the place where it goes wrong.
func (j *jsonCheck) notJSON() {
	j.unknown = true
	var value json.RawMessage
	err := json.Unmarshal(j.raw, &value)
	var s *json.SyntaxError
	if !errors.As(err, &s) || int(s.Offset) >= len(j.raw) && !j.ended {
		j.notEnded()
		return
	}
	at := max(int(s.Offset)-1, 0)
	j.add(diag.Errorf(j.at(at, 1), diag.Syntax, "the file is not JSON: %s", s.Error()).WithHint("%s", hintJSON(j.raw, at)))
}

// notEnded reports an element that the file, or the line of its last text,
// ends before.
func (j *jsonCheck) notEnded() {
	if head, err := j.r.Peek(1); err == nil && head[0] == '\n' {
		quote := max(bytes.LastIndexByte(j.raw, '"'), 0)
		j.add(diag.Errorf(j.at(quote, 1), diag.Syntax, "the text that begins here does not end in its line").
			WithHint("a line break in a text is written \\n, a quote \\\""))
		return
	}
	j.add(diag.Errorf(j.pos, diag.Syntax, "the row that begins here is not closed"))
}

// hintJSON says what people get wrong who write JSON.
func hintJSON(raw []byte, at int) string {
	before := bytes.TrimRight(raw[:at], " \t\r\n")
	switch b := raw[at]; {
	case (b == '}' || b == ']') && bytes.HasSuffix(before, []byte(",")):
		return "take away the comma before it"
	case b == '\'':
		return "keys and texts stand in double quotes"
	case b == '/' || b == '#':
		return "JSON has no comments"
	case bytes.HasPrefix(raw[at:], []byte("NaN")) || b == 'I' || b == '+':
		return "a number is written like -1.5e3"
	case bytes.HasPrefix(raw[at:], []byte("True")) || bytes.HasPrefix(raw[at:], []byte("False")) || bytes.HasPrefix(raw[at:], []byte("None")):
		return "it is true, false and null"
	case b >= '0' && b <= '9' && bytes.HasSuffix(before, []byte("0")):
		return "a number has no zeros in front; a text stands in double quotes"
	case b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z':
		return "keys and texts stand in double quotes"
	}
	return ""
}

// describeJSON says what a value is that is no object.
func describeJSON(raw []byte) string {
	switch raw[0] {
	case '[':
		return "a list"
	case '"':
		return "a text"
	case 'n':
		return "null"
	case 't', 'f':
		return "a boolean"
	}
	return "a number"
}
