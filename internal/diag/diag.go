// Package diag is what the program says about files that are wrong: a place, a
// severity, a code, a message and hints, and the one printer that shows them
// with the source line and a caret. Load errors and failed assertions look the
// same because they are printed here.
//
// It knows no other package of the project.
package diag

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
)

// Position is a place in a file. The zero Position is "no place".
type Position struct {
	// File is the path as it is shown: relative to the working folder where
	// it can be.
	File string
	// Line counts from 1; 0 means that only the file is known.
	Line int
	// Column counts characters (not bytes) from 1; 0 means that only the line
	// is known.
	Column int
	// Width is how many characters the caret underlines; 0 and 1 both draw a
	// single caret.
	Width int
}

// IsZero reports whether p says nothing at all.
func (p Position) IsZero() bool { return p == Position{} }

// String gives "file:line:col", leaving out what is not known.
func (p Position) String() string {
	s := p.File
	if p.Line > 0 {
		s += ":" + strconv.Itoa(p.Line)
		if p.Column > 0 {
			s += ":" + strconv.Itoa(p.Column)
		}
	}
	return s
}

// Compare orders positions by file, line and column.
func (p Position) Compare(q Position) int {
	return cmp.Or(
		cmp.Compare(p.File, q.File),
		cmp.Compare(p.Line, q.Line),
		cmp.Compare(p.Column, q.Column),
	)
}

// Severity says whether a diagnostic stops the program. The zero Severity is
// invalid, so that a forgotten one shows.
type Severity int

// The severities.
const (
	// Error makes the files invalid: exit status 3, and nothing is sent.
	Error Severity = iota + 1
	// Warning is printed and changes nothing else.
	Warning
)

// Diagnostic is one thing that is wrong (or doubtful) in one place.
type Diagnostic struct {
	Severity Severity
	Pos      Position
	// Code is one of the codes of [Codes]; codes are API.
	Code string
	// Message is one line: what was found, what was wanted, in lower case,
	// without a full stop.
	Message string
	// Hints are further lines, each printed after "   = ".
	Hints []string
}

// String gives the first line of the printed form: place, message, code.
func (d Diagnostic) String() string {
	s := d.Message
	if d.Severity == Warning {
		s = "warning: " + s
	}
	if !d.Pos.IsZero() {
		s = d.Pos.String() + ": " + s
	}
	if d.Code != "" {
		s += "  [" + d.Code + "]"
	}
	return s
}

// Errorf makes an error.
func Errorf(pos Position, code, format string, args ...any) Diagnostic {
	return Diagnostic{Severity: Error, Pos: pos, Code: code, Message: fmt.Sprintf(format, args...)}
}

// Warningf makes a warning.
func Warningf(pos Position, code, format string, args ...any) Diagnostic {
	return Diagnostic{Severity: Warning, Pos: pos, Code: code, Message: fmt.Sprintf(format, args...)}
}

// WithHint gives the diagnostic with one more hint; an empty hint adds nothing.
func (d Diagnostic) WithHint(format string, args ...any) Diagnostic {
	if h := fmt.Sprintf(format, args...); h != "" {
		d.Hints = append(slices.Clip(d.Hints), h)
	}
	return d
}

// List is any number of diagnostics. The zero List is empty.
type List []Diagnostic

// HasErrors reports whether any of them is an error.
func (l List) HasErrors() bool {
	return slices.ContainsFunc(l, func(d Diagnostic) bool { return d.Severity == Error })
}

// Errors counts the errors.
func (l List) Errors() int {
	n := 0
	for _, d := range l {
		if d.Severity == Error {
			n++
		}
	}
	return n
}

// Sorted gives a copy ordered by place, then message, without exact repeats.
func (l List) Sorted() List {
	s := slices.Clone(l)
	slices.SortStableFunc(s, func(a, b Diagnostic) int {
		return cmp.Or(a.Pos.Compare(b.Pos), cmp.Compare(a.Severity, b.Severity), cmp.Compare(a.Message, b.Message))
	})
	return slices.CompactFunc(s, func(a, b Diagnostic) bool {
		return a.Pos == b.Pos && a.Message == b.Message && a.Code == b.Code
	})
}
