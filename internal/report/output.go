package report

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Output is a report file that was opened before the run. It is for one
// goroutine.
type Output struct {
	file    *os.File
	path    string
	created bool // by Create: it was not there before
	regular bool
	written bool
}

// Create makes the folders of path and opens the file for writing, so that a
// report that cannot be written is found before the first request. A former
// report goes at once: it must not be taken for that of a run that was killed.
// Devices and pipes are written as they are. The caller closes the Output, after the reporter that writes to it.
func Create(path string) (*Output, error) {
	if path == "" {
		return nil, errors.New("a report needs a file name")
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("folder of the report %q cannot be made: %w", path, cause(err))
	}
	_, err := os.Stat(path)
	created := errors.Is(err, fs.ErrNotExist)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return nil, notWritten(path, err)
	}
	i, err := f.Stat()
	if err != nil {
		return nil, errors.Join(notWritten(path, err), f.Close())
	}
	if i.IsDir() {
		return nil, errors.Join(fmt.Errorf("report %q is a folder, want the name of a file", path), f.Close())
	}
	return &Output{file: f, path: path, created: created, regular: i.Mode().IsRegular()}, nil
}

// Name gives the path as it was given to Create.
func (o *Output) Name() string { return o.path }

// Write writes p.
func (o *Output) Write(p []byte) (int, error) {
	o.written = true
	n, err := o.file.Write(p)
	if err != nil {
		return n, notWritten(o.path, err)
	}
	return n, nil
}

// Close closes the file. A file that Create made and nothing was written to is
// removed: an empty report would be read as a broken one.
func (o *Output) Close() error {
	if err := o.file.Close(); err != nil {
		return notWritten(o.path, err)
	}
	if o.created && o.regular && !o.written {
		if err := os.Remove(o.path); err != nil {
			return fmt.Errorf("empty report %q cannot be removed: %w", o.path, cause(err))
		}
	}
	return nil
}

func notWritten(path string, err error) error {
	return fmt.Errorf("report %q cannot be written: %w", path, cause(err))
}

// cause takes the operation and the path off an error of the file system: the
// message names the path already.
func cause(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	return err
}
