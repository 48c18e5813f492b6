// Package expression is what stands in ${…}: it finds the expressions in a
// text, checks and compiles them before the run, and evaluates them during it.
//
// The language is expr (github.com/expr-lang/expr), held to what a test suite
// needs: an unknown name is an error with a place and not an empty text, the
// members of env, row, run and scenario are checked, functions that went
// through a map in random order are made to give a fixed one, and no message
// speaks of Go's types.
//
// It knows only package diag.
package expression

import (
	"io"
	"time"

	"iflowtest/internal/diag"
)

// At gives the place of a byte offset in the text of a scalar; width is in
// characters. A nil At gives no place.
type At func(offset, width int) diag.Position

func (at At) place(offset, width int) diag.Position {
	if at == nil {
		return diag.Position{}
	}
	return at(offset, width)
}

// Scope is what an expression may name, for checking. With a nil *Scope or the
// zero value nothing is visible but functions.
type Scope struct {
	// Variables says whether a plain name is known; the hint of an unknown one
	// is shown (`"order" is captured later, at line 20`). nil: no variables.
	Variables func(name string) (known bool, hint string)
	// Names gives all visible names, for "did you mean". May be nil.
	Names func() []string
	// Members gives the members of a variable, or of one below it, by how it is
	// written: order, or order.customer. nil, and a nil function: any is
	// accepted.
	Members func(path string) []string
	// Folded reports whether what is written so has its members in lower case
	// and names them in any. It concerns members that are written out, not
	// computed ones. nil: nothing has.
	Folded func(path string) bool
	// Env is the process environment; nil: env is not visible here.
	Env func(name string) (string, bool)
	// EnvMissing is the severity of an env.NAME that is not set and has no
	// default; zero means Error.
	EnvMissing diag.Severity
	// Columns are the members of row besides index. With HasRow and nil Columns
	// any column is accepted.
	Columns []string
	HasRow  bool
	// Run makes run.id and run.started visible, Scenario makes scenario.name,
	// Target makes runtime and api.
	Run, Scenario, Target bool
}

// Values is what the names of expressions stand for in one run of a scenario.
// It is only read; the functions in it are called from the goroutine that
// evaluates.
type Values struct {
	// Lookup gives a variable; false means that it was never captured.
	Lookup func(name string) (any, bool)
	// Env gives a variable of the process environment.
	Env func(name string) (string, bool)
	// Row is the data row, RowIndex its number from 1.
	Row      map[string]any
	RowIndex int

	RunID        string
	RunStarted   time.Time // shown as RFC 3339 text in UTC
	ScenarioName string
	Runtime, API string // base URLs; empty: the environment has none

	// Secret is told each value that secret(x) marks; the name says which.
	Secret func(name, value string)
	// ReadFile opens what file(path) names; nil: there are no files here.
	ReadFile func(path string) ([]byte, error)
	// Rand is where uuid, randomInt and randomString take their bytes from;
	// nil: crypto/rand.
	Rand io.Reader
	// Extra are further top-level names, looked up before the variables. The
	// caller declares them in Scope.Variables.
	Extra map[string]any
}

// NotSetError is a variable that is known but has no value yet: a capture that
// was never taken. A step that needs it is skipped, not failed.
type NotSetError struct{ Name string }

// Error says which variable it is.
func (e *NotSetError) Error() string { return e.Name + " was never captured" }

// Error is an expression that could not be evaluated.
type Error struct {
	// Pos is the place of the expression; zero when none was known.
	Pos diag.Position
	// Expression is the expression as written, in a text with its ${ and }.
	Expression string
	// Message is one line: what was found and what was wanted.
	Message string
	// Err is the cause, for instance of a file that cannot be read; may be nil.
	Err error
}

// Error gives the expression and what is wrong with it.
func (e *Error) Error() string {
	return oneLine(e.Expression) + ": " + e.Message
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }
