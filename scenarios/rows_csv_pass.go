package scenarios

import (
	"bufio"
	"errors"
	"io"
	"os"
	"slices"

	"iflowtest/internal/diag"
)

// csvPass is the second pass over a CSV file.
type csvPass struct {
	f       *rowFile
	file    *os.File
	r       *csvReader
	columns []string
}

// csvPass starts a pass over the file, which must have the header it had.
func (f *rowFile) csvPass(columns []string, separator byte) (rowPass, error) {
	file, err := f.again()
	if err != nil {
		return nil, err
	}
	p := &csvPass{f: f, file: file, columns: columns}
	in := bufio.NewReaderSize(file, rowBuffer)
	_, bad := startOfText(in, f.shown)
	p.r = newCSVReader(f.shown, in)
	header, err := p.r.record()
	if bad || err != nil || p.r.separator != separator || !slices.Equal(header, columns) {
		file.Close()
		return nil, changed(f.shown, "it has another header")
	}
	return p, nil
}

func (p *csvPass) next() (map[string]any, diag.Position, error) {
	record, err := p.r.record()
	if errors.Is(err, io.EOF) {
		if err := p.f.same(p.file); err != nil {
			return nil, diag.Position{}, err
		}
		return nil, diag.Position{}, io.EOF
	}
	pos := p.r.begin()
	if p.r.broken(err) {
		return nil, pos, unreadable(p.f.shown, err)
	}
	if err != nil || len(record) != len(p.columns) {
		return nil, pos, changed(p.f.shown, "line %d is not a row as it was", pos.Line)
	}
	values := make(map[string]any, len(record))
	for i, cell := range record {
		values[p.columns[i]] = cell
	}
	return values, pos, nil
}

func (p *csvPass) close() { _ = p.file.Close() } // it was only read
