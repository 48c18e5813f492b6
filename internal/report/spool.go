package report

import (
	"fmt"
	"io"
	"os"
)

// spool is a temporary file that is only appended to and read at the end. It
// has no name where the system allows that, so that a killed run leaves
// nothing behind.
type spool struct {
	file    *os.File
	named   bool
	pending []byte // not written yet
	size    int64  // of the file and of pending
}

// span is a part of a spool.
type span struct {
	At, Size int64
}

// spooled is how much is gathered before it is written, in bytes.
const spooled = 64 << 10

func newSpool() (*spool, error) {
	f, err := os.CreateTemp("", "iflowtest-report-*")
	if err != nil {
		return nil, fmt.Errorf("temporary file of the report cannot be made: %w", err)
	}
	return &spool{file: f, named: os.Remove(f.Name()) != nil}, nil
}

// add appends p and says where it is.
func (s *spool) add(p []byte) (span, error) {
	if len(s.pending)+len(p) > spooled {
		if err := s.flush(); err != nil {
			return span{}, err
		}
	}
	at := span{s.size, int64(len(p))}
	s.pending = append(s.pending, p...)
	s.size += at.Size
	return at, nil
}

func (s *spool) flush() error {
	n, err := s.file.Write(s.pending)
	if err != nil {
		// What was written of it is taken back, so that places stay true.
		s.size -= int64(len(s.pending))
		if n > 0 {
			_, _ = s.file.Seek(int64(-n), io.SeekCurrent)
		}
		s.pending = s.pending[:0]
		return fmt.Errorf("temporary file of the report cannot be written: %w", cause(err))
	}
	s.pending = s.pending[:0]
	return nil
}

// reader reads a part; only after flush.
func (s *spool) reader(p span) *io.SectionReader {
	return io.NewSectionReader(s.file, p.At, p.Size)
}

// close removes the file.
func (s *spool) close() error {
	err := s.file.Close()
	if s.named {
		if e := os.Remove(s.file.Name()); err == nil {
			err = e
		}
	}
	if err != nil {
		return fmt.Errorf("temporary file of the report cannot be removed: %w", err)
	}
	return nil
}
