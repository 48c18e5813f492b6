package report

import (
	"bytes"
	"encoding/json"
	"io"
	"time"

	"iflowtest/runner"
)

// keptBuffer is how large a buffer may be to be used again, in bytes.
const keptBuffer = 1 << 20

// NewJSONLines gives a Reporter that writes each event as one line of JSON,
// in one Write as it happens, so that a line is there even when the program
// is killed after it. Times are written in UTC. The shape is that of
// [EventSchema]. w is not closed.
func NewJSONLines(w io.Writer) Reporter {
	j := &jsonLines{w: w}
	j.renew()
	return j
}

type jsonLines struct {
	w       io.Writer
	line    *bytes.Buffer
	encoder *json.Encoder
	fault   fault
}

func (j *jsonLines) renew() {
	j.line = new(bytes.Buffer)
	j.encoder = json.NewEncoder(j.line)
	j.encoder.SetEscapeHTML(false)
}

func (j *jsonLines) Event(e *runner.Event) error {
	if j.fault.err != nil {
		return nil
	}
	if e.Time.Location() != time.UTC {
		utc := *e
		utc.Time = e.Time.UTC()
		e = &utc
	}
	j.line.Reset()
	if line, ok := appendPlain(j.line.AvailableBuffer(), e); ok {
		_, _ = j.line.Write(line) // a buffer takes everything
	} else if err := j.encoder.Encode(e); err != nil {
		j.fault.set(err)
		return j.fault.tell()
	}
	if _, err := j.w.Write(j.line.Bytes()); err != nil {
		j.fault.set(err)
	}
	if j.line.Cap() > keptBuffer {
		j.renew()
	}
	return j.fault.tell()
}

// Close does nothing: each line was written when it happened.
func (j *jsonLines) Close() error { return j.fault.tell() }
