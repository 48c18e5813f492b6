package scenarios

import (
	"io"
	"iter"
	"path/filepath"
	"slices"

	"iflowtest/internal/diag"
)

// RowOptions says where the rows of a scenario come from.
type RowOptions struct {
	// Files opens a path that stands in a scenario; From is the absolute path
	// of the file it stands in. Both may be zero for rows that are written
	// inline, and with an Override.
	Files *Files
	From  string
	// Override is the file of --data, absolute or relative to the working
	// folder, wherever it lies; "": the node says where the rows are.
	Override string
	// Shown is how messages name the override; "": as Override.
	Shown string
	// WorkingFolder is what shown names and the override are relative to; "":
	// that of the process.
	WorkingFolder string
	// Sources takes the lines that diagnostics point at, where they may be
	// shown; nil: they are printed without. It is written to without a lock.
	Sources diag.Sources
}

// Rows are the rows of a scenario, checked. They do not change and are safe
// for concurrent use; each pass of All is its own.
type Rows struct {
	columns  *columns
	file     string
	parallel int
	length   int
	// pass starts a second pass.
	pass func() (rowPass, error)
}

// Row is one row.
type Row struct {
	// Index counts from 1.
	Index int
	// Values by column: nil, bool, string, json.Number, []any or
	// map[string]any. They belong to whoever has the row.
	Values map[string]any
	// Pos is where the row begins.
	Pos diag.Position
}

// rowPass reads rows one after another. It is used by one goroutine.
type rowPass interface {
	// next gives the values and the place of a row; io.EOF after the last.
	next() (map[string]any, diag.Position, error)
	// close lets go of the file.
	close()
}

// OpenRows reads the rows of `data` (or of --data) once, and says everything
// that is wrong with them. path is the text of the file's path, computed where
// it holds ${…}; it is not used for rows that are written inline. data may be
// nil when there is an override.
//
// CSV is RFC 4180 with a header, in UTF-8 with or without a byte order mark;
// its cells are text as it stands, with \n for every line break in them. A
// semicolon or a tab may stand for the comma, which is told as a warning. JSON
// is an array of objects; numbers keep their digits. CSV and JSON are read as
// a stream, and may be of any size. YAML is a list of mappings, with the types
// of the language.
//
// When the diagnostics hold errors, the rows are nil or good for Columns only.
func OpenRows(data *Node, path string, o RowOptions) (*Rows, diag.List) {
	parallel := 1
	if n, ok := data.Get("parallel").Int(); ok {
		parallel = max(n, 1)
	}
	if o.Override == "" && data == nil {
		return nil, nil
	}
	if o.Override == "" && data.Kind == List {
		rows, l := inlineRows(data, o.Sources)
		rows.parallel = parallel
		return rows, l
	}
	f, l := findRowFile(data, path, o)
	if l != nil {
		return nil, l
	}
	rows, l := f.read(o.Sources)
	if rows != nil {
		rows.file, rows.parallel = f.shown, parallel
	}
	return rows, l
}

// Columns are the names of all columns, in the order in which they appear
// first. The slice is a copy.
func (r *Rows) Columns() []string { return slices.Clone(r.columns.names) }

// Lacking gives the place of the first row that does not have the column,
// which must be one of Columns. The rows of a CSV file have all of them.
func (r *Rows) Lacking(column string) (diag.Position, bool) {
	pos, lacks := r.columns.lacking[column]
	return pos, lacks
}

// Len counts the rows.
func (r *Rows) Len() int { return r.length }

// Parallel is how many rows run side by side, at least 1.
func (r *Rows) Parallel() int { return r.parallel }

// File is the name of the file as messages show it; "" for inline rows.
func (r *Rows) File() string { return r.file }

// All reads the rows again, one by one and in order. An error ends them: the
// file cannot be read, or is no longer what was checked; it is a *FileError.
func (r *Rows) All() iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		pass, err := r.pass()
		if err != nil {
			yield(Row{}, err)
			return
		}
		defer pass.close()
		for i := 1; ; i++ {
			values, pos, err := pass.next()
			if err == io.EOF {
				if i <= r.length {
					yield(Row{}, changed(r.file, "it has %s now, and had %d", counted(i-1, "row"), r.length))
				}
				return
			}
			if err == nil && i > r.length {
				err = changed(r.file, "it has more than the %s it had", counted(r.length, "row"))
			}
			if err != nil {
				yield(Row{}, err)
				return
			}
			if !yield(Row{Index: i, Values: values, Pos: pos}, nil) {
				return
			}
		}
	}
}

// workingFolder is the absolute folder that names are relative to.
func (o RowOptions) workingFolder() (string, error) { return filepath.Abs(o.WorkingFolder) }
