package scenarios

import (
	"slices"
	"strings"

	"iflowtest/internal/diag"
)

// maxColumns is how many columns rows may have: those of a sheet of Excel.
const maxColumns = 16_384

// columns collects the columns of rows, and where they are missing.
type columns struct {
	names []string
	known map[string]bool
	// lacking holds the place of the first row without the column.
	lacking map[string]diag.Position
	// complete are the columns that all rows so far have.
	complete []string
	first    diag.Position
	rows     int
}

func newColumns() *columns {
	return &columns{known: map[string]bool{}, lacking: map[string]diag.Position{}}
}

// add adds a column that every row has; false: it is there already.
func (c *columns) add(name string) bool {
	if c.known[name] {
		return false
	}
	c.known[name] = true
	c.names = append(c.names, name)
	return true
}

// row adds a row by the names it has, each once.
func (c *columns) row(pos diag.Position, names []string) {
	if c.rows++; c.rows == 1 {
		c.first = pos
	}
	for _, name := range names {
		if !c.add(name) {
			continue
		}
		if c.rows == 1 {
			c.complete = append(c.complete, name)
		} else {
			c.lacking[name] = c.first
		}
	}
	if c.allIn(names) {
		return
	}
	has := make(map[string]bool, len(names))
	for _, name := range names {
		has[name] = true
	}
	c.complete = slices.DeleteFunc(c.complete, func(name string) bool {
		if !has[name] {
			c.lacking[name] = pos
		}
		return !has[name]
	})
}

// allIn reports whether names begins with all the columns that are complete,
// in their order: as rows that a program wrote do.
func (c *columns) allIn(names []string) bool {
	return len(names) >= len(c.complete) && slices.Equal(names[:len(c.complete)], c.complete)
}

// holds reports whether a row has the columns that were checked: none that is
// new, and all that no row lacked.
func (c *columns) holds(values map[string]any) bool {
	for name := range values {
		if !c.known[name] {
			return false
		}
	}
	for _, name := range c.complete {
		if _, has := values[name]; !has {
			return false
		}
	}
	return true
}

// secret reports whether a column may hold secrets, by its name.
func (c *columns) secret() bool { return slices.ContainsFunc(c.names, secretColumn) }

// secretColumn reports whether the name of a column, or a line of a file,
// speaks of a secret: then none of its text is shown.
func secretColumn(name string) bool {
	lower := strings.ToLower(name)
	for _, word := range []string{"secret", "password", "passwd", "pwd", "token", "key", "credential"} {
		if strings.Contains(lower, word) {
			return true
		}
	}
	return false
}

// goodColumn reports whether a column can have the name.
func goodColumn(name string) bool { return name != "" && name != "index" }

// badColumn says why a column cannot have the name.
func badColumn(pos diag.Position, name string) diag.Diagnostic {
	if name == "" {
		return diag.Errorf(pos, diag.InvalidName, "a column has no name")
	}
	return diag.Errorf(pos, diag.InvalidName, "a column cannot be called %q: row.index is the number of the row", name).
		WithHint("give it another name")
}
