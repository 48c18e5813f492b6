package servicekey

import (
	"fmt"
	"strings"
)

// Error says everything that is wrong with a service key. It names keys of
// the document and never holds a value of it.
type Error struct {
	// Name is what [Parse] was given.
	Name string
	// Problems are one line each, in lower case, without a full stop.
	Problems []string
	// Line and Column are the place of a syntax error in the data, from 1,
	// the column in characters; 0 for everything else, and inside JSON that
	// was a string in JSON.
	Line, Column int
}

// Error gives name, place and problems in one line.
func (e *Error) Error() string {
	place := ""
	if e.Line > 0 {
		place = fmt.Sprintf("line %d, column %d: ", e.Line, e.Column)
	}
	return fmt.Sprintf("service key %q: %s%s", e.Name, place, strings.Join(e.Problems, "; "))
}
