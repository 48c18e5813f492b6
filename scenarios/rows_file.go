package scenarios

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"iflowtest/internal/diag"
)

// rowFile is a file that holds rows. It is opened for each pass.
type rowFile struct {
	// shown is its name in messages, pos the place that names it.
	shown string
	pos   diag.Position
	ext   string
	// open gives the file, which is a regular one; the error is a *FileError.
	open func() (*os.File, error)
	// size and changed are those of the first pass.
	size    int64
	changed time.Time
}

// findRowFile says which file holds the rows, without opening it.
func findRowFile(data *Node, path string, o RowOptions) (*rowFile, diag.List) {
	folder, err := o.workingFolder()
	if err != nil {
		return nil, diag.List{diag.Errorf(diag.Position{}, diag.BadFile, "the working folder cannot be found: %s", cause(err))}
	}
	if o.Override != "" {
		return overrideFile(folder, o)
	}
	f := &rowFile{pos: data.Pos()}
	if n := data.Get("file"); n != nil {
		f.pos = n.Pos()
	}
	full, err := o.Files.Resolve(o.From, path)
	if err != nil {
		return nil, f.cannotOpen(err)
	}
	l := loader{folder: folder}
	f.shown = l.shown(full)
	f.open = func() (*os.File, error) { return o.Files.OpenRelative(o.From, path) }
	return f, f.knowExtension(path, "")
}

// overrideFile is that of --data.
func overrideFile(folder string, o RowOptions) (*rowFile, diag.List) {
	shown := o.Shown
	if shown == "" {
		shown = o.Override
	}
	full := o.Override
	if !filepath.IsAbs(full) {
		full = filepath.Join(folder, full)
	}
	f := &rowFile{shown: shown, open: func() (*os.File, error) { return openRegular(full, shown) }}
	return f, f.knowExtension(o.Override, "--data: ")
}

// openRegular opens a file that may lie anywhere, and is to be read twice.
func openRegular(full, shown string) (*os.File, error) {
	fail := func(hint, format string, args ...any) error {
		e := &FileError{Code: diag.BadFile, Message: "--data: " + fmt.Sprintf(format, args...)}
		if hint != "" {
			e.Hints = []string{hint}
		}
		return e
	}
	info, err := os.Stat(full)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fail(nearFile(full), "no file %s", quote(shown))
	case errors.Is(err, fs.ErrPermission):
		return nil, fail("", "%s may not be read", quote(shown))
	case err != nil:
		return nil, fail("", "%s cannot be opened: %s", quote(shown), cause(err))
	case !info.Mode().IsRegular():
		return nil, fail("the rows are read twice, so a folder or a pipe will not do", "%s is not a file", quote(shown))
	}
	file, err := os.Open(full)
	if errors.Is(err, fs.ErrPermission) {
		return nil, fail("", "%s may not be read", quote(shown))
	}
	if err != nil {
		return nil, fail("", "%s cannot be opened: %s", quote(shown), cause(err))
	}
	return file, nil
}

// nearFile proposes a file beside one that is not there.
func nearFile(full string) string {
	entries, err := os.ReadDir(filepath.Dir(full))
	if err != nil {
		return "there is no folder " + quote(filepath.ToSlash(filepath.Dir(full)))
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return nearName(filepath.Base(full), names)
}

// knowExtension finds the format of the file by its name.
func (f *rowFile) knowExtension(path, prefix string) diag.List {
	f.ext = strings.ToLower(filepath.Ext(path))
	switch f.ext {
	case ".csv", ".json", ".yaml", ".yml":
		return nil
	}
	d := diag.Errorf(f.pos, diag.BadFile, "%s%s is no file of rows: want .csv, .json, .yaml or .yml", prefix, quote(path))
	switch f.ext {
	case ".tsv", ".tab", ".txt":
		d = d.WithHint("a .csv file may have tabs or semicolons between its cells")
	case ".xlsx", ".xls", ".ods":
		d = d.WithHint("save the sheet as CSV, in UTF-8")
	case ".jsonl", ".ndjson":
		d = d.WithHint("a .json file is one array of objects: [{…}, {…}]")
	}
	return diag.List{d}
}

// cannotOpen gives an error of opening at the place that names the file.
func (f *rowFile) cannotOpen(err error) diag.List {
	var e *FileError
	if !errors.As(err, &e) {
		e = &FileError{Code: diag.BadFile, Message: quote(f.shown) + " cannot be read: " + cause(err)}
	}
	return diag.List{e.Diagnostic(f.pos)}
}

// read makes the first pass.
func (f *rowFile) read(sources diag.Sources) (*Rows, diag.List) {
	file, err := f.open()
	if err != nil {
		return nil, f.cannotOpen(err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, f.cannotOpen(err)
	}
	f.size, f.changed = info.Size(), info.ModTime()
	switch f.ext {
	case ".json":
		return f.readJSON(file, sources)
	case ".csv":
		return f.readCSV(file, sources)
	}
	return f.readYAML(file, sources)
}

// again opens the file for another pass, if it is still what it was.
func (f *rowFile) again() (*os.File, error) {
	file, err := f.open()
	if err != nil {
		return nil, err
	}
	if err := f.same(file); err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

// same reports a file that was changed since the first pass.
func (f *rowFile) same(file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return unreadable(f.shown, err)
	}
	if info.Size() != f.size {
		return changed(f.shown, "it has %s now, and had %d", counted(int(info.Size()), "byte"), f.size)
	}
	if !info.ModTime().Equal(f.changed) {
		return changed(f.shown, "it was written again")
	}
	return nil
}

// changed is the error of a file that is no longer what was checked.
func changed(shown, format string, args ...any) error {
	return &FileError{
		Code:    diag.BadFile,
		Message: "the data file " + quote(shown) + " changed after it was checked: " + fmt.Sprintf(format, args...),
		Hints:   []string{"leave the data file alone while it is being used"},
	}
}

func unreadable(shown string, err error) error {
	return &FileError{Code: diag.BadFile, Message: "the data file " + quote(shown) + " cannot be read: " + cause(err)}
}

// startOfText takes the byte order mark away, and says when the file is in
// UTF-16.
func startOfText(r *bufio.Reader, shown string) (diag.Diagnostic, bool) {
	head, _ := r.Peek(3)
	if bytes.HasPrefix(head, []byte{0xff, 0xfe}) || bytes.HasPrefix(head, []byte{0xfe, 0xff}) {
		pos := diag.Position{File: shown, Line: 1, Column: 1}
		return diag.Errorf(pos, diag.Encoding, "the file is UTF-16, want UTF-8").WithHint("save it as UTF-8"), true
	}
	if bytes.Equal(head, []byte("\uFEFF")) {
		_, _ = r.Discard(len(head)) // it was peeked at
	}
	return diag.Diagnostic{}, false
}

// rewound starts the file again, behind its byte order mark.
func (f *rowFile) rewound(file io.ReadSeeker) (*bufio.Reader, bool) {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, false
	}
	in := bufio.NewReader(file)
	_, bad := startOfText(in, f.shown)
	return in, !bad
}

// addLines adds the lines of the places to the sources.
func (f *rowFile) addLines(file io.ReadSeeker, sources diag.Sources, places []diag.Position, mayShow func(line int) bool) {
	if sources == nil || len(places) == 0 {
		return
	}
	in, ok := f.rewound(file)
	if !ok {
		return
	}
	if lines := shownLines(in, places, mayShow); len(lines) > 0 {
		sources[f.shown] = lines
	}
}

// placesOf gives what messages about rows point at: what is wrong, and where
// a column is missing.
func placesOf(l diag.List, c *columns) []diag.Position {
	var places []diag.Position
	for _, d := range l {
		places = append(places, d.Pos)
	}
	for _, name := range c.names {
		if pos, lacks := c.lacking[name]; lacks {
			places = append(places, pos)
		}
	}
	return places
}
