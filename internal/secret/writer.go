package secret

import (
	"bytes"
	"io"
	"regexp"
	"sync"
)

// Writer is a gate in front of a stream, such as standard error: what is
// written passes [Redactor.Text] line by line. A line is held back until its
// line feed, however many writes it takes, so a secret in it is found whole;
// memory grows with the longest line. It is safe for concurrent use.
//
// Colours (the escape sequences ESC [ … m) pass: they are the program's own,
// and do nothing else.
type Writer struct {
	r    *Redactor
	mu   sync.Mutex
	w    io.Writer
	line []byte // what came since the last line feed
}

// Writer gives a gate in front of w. Flush or Close writes a last line that
// has no line feed.
func (r *Redactor) Writer(w io.Writer) *Writer { return &Writer{r: r, w: w} }

// Write takes all of p. The error is that of the underlying writer.
func (w *Writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	end := bytes.LastIndexByte(p, '\n') + 1
	if end == 0 {
		w.line = append(w.line, p...)
		return len(p), nil
	}
	whole := append(w.line, p[:end]...)
	w.line = append([]byte(nil), p[end:]...)
	if err := w.write(string(whole)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Flush writes what came since the last line feed.
func (w *Writer) Flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.line) == 0 {
		return nil
	}
	line := string(w.line)
	w.line = nil
	return w.write(line)
}

// Close flushes. It does not close the underlying writer.
func (w *Writer) Close() error { return w.Flush() }

var colour = regexp.MustCompile("\x1b\\[[0-9;]*m")

func (w *Writer) write(lines string) error {
	lines = w.r.String(lines)
	var b bytes.Buffer
	done := 0
	for _, at := range colour.FindAllStringIndex(lines, -1) {
		b.WriteString(Harmless(lines[done:at[0]]))
		b.WriteString(lines[at[0]:at[1]])
		done = at[1]
	}
	b.WriteString(Harmless(lines[done:]))
	_, err := w.w.Write(b.Bytes())
	return err
}
