package report

import (
	"fmt"
	"io"
	"os"
)

// spool is what a reporter keeps until the end: it is only appended to. A
// small one stays in memory; a larger one is a temporary file, which has no
// name where the system allows that, so that a killed run leaves nothing
// behind.
type spool struct {
	file    *os.File // nil while everything is pending
	named   bool
	written int64  // bytes in the file
	pending []byte // what follows those
	// stay keeps in memory what cannot be written, for texts that are not lost
	// for want of a folder for temporary files; failed is that it could not.
	stay, failed bool
}

// span is a part of a spool.
type span struct {
	At, Size int64
}

// spooled is how much is gathered before it is written, in bytes.
const spooled = 64 << 10

// newSpool gives an empty spool. The error is that there is no folder for
// temporary files; the file itself is made when it is needed.
func newSpool() (*spool, error) {
	if _, err := os.Stat(os.TempDir()); err != nil {
		return nil, fmt.Errorf("temporary file of the report cannot be made: %w", err)
	}
	return new(spool), nil
}

// size is how much was added, in bytes.
func (s *spool) size() int64 { return s.written + int64(len(s.pending)) }

// add appends p and says where it is.
func (s *spool) add(p []byte) (span, error) {
	if len(s.pending) > 0 && len(s.pending)+len(p) > spooled && !s.failed {
		if err := s.write(); err != nil {
			return span{}, err
		}
	}
	at := span{s.size(), int64(len(p))}
	s.pending = append(s.pending, p...)
	return at, nil
}

// flush writes what was gathered, so that an error of that shows; a spool that
// is small enough to stay in memory does.
func (s *spool) flush() error {
	if s.file == nil || len(s.pending) == 0 {
		return nil
	}
	return s.write()
}

// write moves what is pending to the file. What cannot be written stays where
// it is, or is forgotten, so that places stay true.
func (s *spool) write() error {
	err := s.writePending()
	if err != nil && s.stay {
		s.failed = true
		return nil
	}
	s.pending = s.pending[:0]
	return err
}

func (s *spool) writePending() error {
	if s.file == nil {
		f, named, err := temporaryFile()
		if err != nil {
			return err
		}
		s.file, s.named = f, named
	}
	if _, err := s.file.WriteAt(s.pending, s.written); err != nil {
		return fmt.Errorf("temporary file of the report cannot be written: %w", cause(err))
	}
	s.written += int64(len(s.pending))
	return nil
}

// reset forgets everything.
func (s *spool) reset() {
	s.pending = s.pending[:0]
	if s.written > 0 && s.file.Truncate(0) == nil {
		s.written = 0
	}
}

// reader reads a part of what was added before.
func (s *spool) reader(p span) *io.SectionReader {
	return io.NewSectionReader(s, p.At, p.Size)
}

// ReadAt reads from the file and from what is pending behind it.
func (s *spool) ReadAt(p []byte, at int64) (int, error) {
	n := 0
	if at < s.written {
		part := p[:min(int64(len(p)), s.written-at)]
		var err error
		if n, err = s.file.ReadAt(part, at); n < len(part) {
			return n, err
		}
	}
	if n == len(p) {
		return n, nil
	}
	if behind := at + int64(n) - s.written; behind < int64(len(s.pending)) {
		n += copy(p[n:], s.pending[behind:])
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// close removes the file.
func (s *spool) close() error {
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	if s.named {
		if e := os.Remove(s.file.Name()); err == nil {
			err = e
		}
	}
	s.file = nil
	if err != nil {
		return fmt.Errorf("temporary file of the report cannot be removed: %w", err)
	}
	return nil
}

// temporaryFile makes a file for reading and writing; named says that its name
// could not be removed while it is open.
func temporaryFile() (f *os.File, named bool, err error) {
	f, err = os.CreateTemp("", "iflowtest-report-*")
	if err != nil {
		return nil, false, fmt.Errorf("temporary file of the report cannot be made: %w", err)
	}
	return f, os.Remove(f.Name()) != nil, nil
}
