package report

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"

	"iflowtest/runner"
)

// RecordedOptions says how recorded runs are read. The zero value is fine.
type RecordedOptions struct {
	// Warn is told what is wrong with a file that is used all the same, one
	// line each, with file and line; nil: nobody is.
	Warn func(message string)
	// Clean makes a text safe to print. A file is written by anybody: what was
	// clean when it was recorded need not be so today. nil: texts are taken as
	// they are.
	Clean func(text string) string
	// Version is that of this program; a file of another one is told. Empty:
	// none is.
	Version string
}

// RecordedError is a file that is not a recorded run.
type RecordedError struct {
	File string
	// Line is 0 when the file as a whole is meant.
	Line int
	// Absent is set when the file cannot be opened: there is none, or it is a
	// folder, a pipe or a device, which cannot be read twice.
	Absent bool
	// Message is what is wrong, without the place.
	Message string
}

// Error gives the place and the message.
func (e *RecordedError) Error() string { return placeOf(e.File, e.Line) + ": " + e.Message }

func placeOf(file string, line int) string {
	if line == 0 {
		return file
	}
	return file + ":" + strconv.Itoa(line)
}

const (
	// longestLine bounds a line of a recorded run, in bytes: an event holds two
	// bodies and a handful of differences.
	longestLine = 16 << 20
	// shownMistakes is how many lines of a file are complained about; the
	// others are counted.
	shownMistakes = 5
)

// recordedFile reads the events of one file, as often as it is asked: the
// lines that were there the first time, so that a run that still writes gives
// the same events twice.
type recordedFile struct {
	name string
	size int64 // what is read; -1 before the first time
	warn func(message string)

	line     int
	events   int
	mistakes int
	first    *RecordedError // the first line that is no event
	unknown  []string       // names of events that this program does not know
}

func newRecordedFile(name string, warn func(message string)) *recordedFile {
	if warn == nil {
		warn = func(string) {}
	}
	return &recordedFile{name: name, size: -1, warn: warn}
}

// each gives every event of the file to take, which must not keep it, and ends
// with its error. What is wrong with lines is told the first time only.
func (f *recordedFile) each(take func(e *runner.Event, line int) error) error {
	again := f.size >= 0
	file, err := f.open()
	if err != nil {
		return err
	}
	defer file.Close()
	if again {
		warn := f.warn
		f.warn = func(string) {}
		defer func() { f.warn = warn }()
	}
	f.line, f.events, f.mistakes, f.first, f.unknown = 0, 0, 0, nil, nil
	in := lineReader{from: bufio.NewReaderSize(io.LimitReader(file, f.size), 64<<10)}
	for {
		line, state, err := in.next()
		if err != nil {
			return &RecordedError{File: f.name, Line: f.line, Message: fmt.Sprintf("cannot be read: %s", cause(err))}
		}
		if state == noLine {
			return f.done()
		}
		f.line++
		if err := f.take(line, state, take); err != nil {
			return err
		}
	}
}

func (f *recordedFile) open() (*os.File, error) {
	absent := func(message string) error {
		return &RecordedError{File: f.name, Absent: true, Message: message}
	}
	info, err := os.Stat(f.name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, absent("there is no such file")
	case err != nil:
		return nil, absent(fmt.Sprintf("cannot be read: %s", cause(err)))
	case info.IsDir():
		return nil, absent("is a folder, want a file that run --json wrote")
	case !info.Mode().IsRegular():
		return nil, absent("is not a file; it is read twice, which a pipe cannot")
	}
	file, err := os.Open(f.name)
	if err != nil {
		return nil, absent(fmt.Sprintf("cannot be read: %s", cause(err)))
	}
	if f.size < 0 {
		f.size = info.Size()
	}
	return file, nil
}

// take reads one line.
func (f *recordedFile) take(line []byte, state lineState, take func(e *runner.Event, line int) error) error {
	if f.line == 1 {
		line = bytes.TrimPrefix(line, []byte("\uFEFF"))
	}
	line = bytes.Trim(line, " \t\r\n")
	if len(line) == 0 {
		return nil
	}
	if state == longLine {
		f.mistake(fmt.Sprintf("the line is longer than %d MiB and is left out", longestLine>>20))
		return nil
	}
	e := new(runner.Event)
	if err := json.Unmarshal(line, e); err != nil {
		if state == lastLine {
			f.mistake("the file is cut off in the middle of this line; what stands before it is used")
		} else {
			f.mistake(notEvent(line, err) + "; the line is left out")
		}
		return nil
	}
	if !known(e.Event) {
		f.strange(e.Event)
		return nil
	}
	if lack := lacking(e); lack != "" {
		f.mistake(fmt.Sprintf("not a whole event: %s without %s; the line is left out", e.Event, lack))
		return nil
	}
	bound(e)
	f.events++
	return take(e, f.line)
}

// mistake tells what is wrong with the line.
func (f *recordedFile) mistake(message string) {
	f.mistakes++
	if f.first == nil {
		f.first = &RecordedError{File: f.name, Line: f.line, Message: message}
	}
	if f.mistakes <= shownMistakes {
		f.warn(placeOf(f.name, f.line) + ": " + message)
	}
}

// strange tells of an event that this program does not know, once for each
// name: a later version may have more of them.
func (f *recordedFile) strange(name string) {
	if name == "" {
		f.mistake(`not an event: it has no field "event"; the line is left out`)
		return
	}
	if slices.Contains(f.unknown, name) || len(f.unknown) == shownMistakes {
		return
	}
	f.unknown = append(f.unknown, name)
	f.warn(fmt.Sprintf("%s: the event %q is not known to this version and is left out", placeOf(f.name, f.line), name))
}

// done judges the file as a whole.
func (f *recordedFile) done() error {
	if n := f.mistakes - shownMistakes; n > 0 {
		f.warn(fmt.Sprintf("%s: %s more cannot be used", f.name, plural(n, "line")))
	}
	switch {
	case f.events > 0:
		return nil
	case f.line == 0:
		return &RecordedError{File: f.name, Message: "is empty, want JSON lines as run --json writes them"}
	case f.first != nil:
		return &RecordedError{File: f.name, Line: f.first.Line, Message: "not a recorded run, want JSON lines as run --json writes them"}
	}
	return &RecordedError{File: f.name, Message: "holds no event of a run, want JSON lines as run --json writes them"}
}

func known(event string) bool {
	switch event {
	case runner.RunStart, runner.ScenarioStart, runner.StepStart, runner.Attempt, runner.StepEnd, runner.ScenarioEnd, runner.RunEnd:
		return true
	}
	return false
}

// lacking names what an event cannot be used without, which every version
// writes.
func lacking(e *runner.Event) string {
	switch {
	case e.Outcome == "" && (e.Event == runner.StepEnd || e.Event == runner.ScenarioEnd):
		return "an outcome"
	case e.Time.IsZero():
		return "a time"
	}
	return ""
}

// notEvent says what is wrong with a line.
func notEvent(line []byte, err error) string {
	if bytes.IndexByte(line, 0) >= 0 {
		return "not an event: it holds NUL characters; JSON lines are UTF-8 text"
	}
	if t, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		if t.Field == "" {
			return fmt.Sprintf("not an event: found a JSON %s, want an object", t.Value)
		}
		return fmt.Sprintf("not an event: %s is a JSON %s, which it cannot be", t.Field, t.Value)
	}
	if s, ok := errors.AsType[*json.SyntaxError](err); ok {
		if s.Offset >= int64(len(line)) && (line[0] == '{' || line[0] == '[') {
			return "the line is cut off, after " + plural(len(line), "byte")
		}
		return fmt.Sprintf("not JSON, at character %d", s.Offset)
	}
	return "not an event"
}

// The bounds of numbers that lay out text.
const (
	farLine   = 100_000_000
	farColumn = 100_000
	farCaret  = 500
)

// bound keeps numbers that reporters lay text out with within reason.
func bound(e *runner.Event) {
	e.Line, e.Column = within(e.Line, farLine), within(e.Column, farColumn)
	e.Rows, e.RowIndex = within(e.Rows, farLine), within(e.RowIndex, farLine)
	for i := range e.Failures {
		f := &e.Failures[i]
		f.Line, f.Column, f.Width = within(f.Line, farLine), within(f.Column, farColumn), within(f.Width, farCaret)
	}
	if e.Info != nil {
		for i := range e.Info.Planned {
			e.Info.Planned[i].Rows = within(e.Info.Planned[i].Rows, farLine)
		}
	}
}

func within(n, most int) int { return max(0, min(n, most)) }

// lineState says what lineReader found.
type lineState int

const (
	noLine    lineState = iota // the end
	wholeLine                  // a line with its line break
	lastLine                   // the rest of the file, without a line break
	longLine                   // longer than longestLine; what was read of it is not given
)

// lineReader reads lines of bounded length.
type lineReader struct {
	from *bufio.Reader
	held []byte // of a line that is longer than the buffer of from
}

// next gives a line, which is valid until the next call.
func (r *lineReader) next() ([]byte, lineState, error) {
	r.held = r.held[:0]
	size := 0
	for {
		part, err := r.from.ReadSlice('\n')
		size += len(part)
		switch {
		case err == nil && size > longestLine:
			return []byte("…"), longLine, nil
		case err == nil && len(r.held) == 0:
			return part, wholeLine, nil
		case err == nil:
			r.held = append(r.held, part...)
			return r.held, wholeLine, nil
		case errors.Is(err, io.EOF) && size == 0:
			return nil, noLine, nil
		case errors.Is(err, io.EOF) && size > longestLine:
			return []byte("…"), longLine, nil
		case errors.Is(err, io.EOF):
			r.held = append(r.held, part...)
			return r.held, lastLine, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, noLine, err
		}
		if size <= longestLine {
			r.held = append(r.held, part...)
		}
	}
}
