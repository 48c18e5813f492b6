package api

import (
	"net/http"
	"strconv"
	"strings"

	"iflowtest/internal/sandbox/odata"
)

// one answers with an entity.
func (c *call) one(e *odata.Entity) {
	if err := c.query.Check(e); err != nil {
		c.fail(err)
		return
	}
	c.out.Entity(c.w, http.StatusOK, e, c.query)
}

// navigate answers with an entity, or with what the rest of the path leads to
// from it: its content, what one of its links leads to, and so on.
func (c *call) navigate(e *odata.Entity, rest []odata.Segment) {
	if len(rest) == 0 {
		c.one(e)
		return
	}
	step, rest := rest[0], rest[1:]
	if step.Name == "$value" && step.Keys == nil && len(rest) == 0 && e.Content != nil {
		c.value(e.Media, e.Content())
		return
	}
	link, ok := e.Link(step.Name)
	switch {
	case !ok && e.Has(step.Name):
		c.unbuilt("the addresses of single properties, such as " + step.Name)
	case !ok, link.One != nil && step.Keys != nil:
		c.nowhere()
	case link.One != nil:
		one := link.One()
		if one == nil {
			c.w.WriteHeader(http.StatusNoContent)
			return
		}
		c.navigate(one, rest)
	default:
		c.among(link, step, rest)
	}
}

// among answers with the rows a link leads to, or with one of them.
func (c *call) among(link odata.Link, step odata.Segment, rest []odata.Segment) {
	var rows []*odata.Entity
	if link.Rows != nil {
		rows = link.Rows()
	}
	if step.Keys == nil {
		switch {
		case len(rest) == 0:
			c.related(link.Shape(), rows)
		case isCount(rest):
			count(c, link.Shape(), rows)
		default:
			c.nowhere()
		}
		return
	}
	for _, row := range rows {
		if named(row, step.Keys) {
			c.navigate(row, rest)
			return
		}
	}
	key, _ := step.Key("")
	c.unknown(step.Name, key)
}

// named reports whether the keys of an address are those of the row: its only
// key, or properties by name. The version of an artifact may be "active".
func named(row *odata.Entity, keys map[string]string) bool {
	for name, value := range keys {
		if name == "" {
			if row.Key != odata.Key(value) {
				return false
			}
			continue
		}
		got, ok := row.Property(name)
		if !ok || got != value && !(name == "Version" && strings.EqualFold(value, "active")) {
			return false
		}
	}
	return true
}

// isCount reports whether the rest of a path asks how many there are.
func isCount(rest []odata.Segment) bool {
	return len(rest) == 1 && rest[0].Name == "$count" && rest[0].Keys == nil
}

// count answers with the number of rows, as text (OData 2.0).
func count[R odata.Row](c *call, shape *odata.Entity, rows []R) {
	n, err := odata.Matching(&c.query, shape, rows)
	if err != nil {
		c.fail(err)
		return
	}
	c.out.Text(c.w, strconv.Itoa(n))
}

// shown answers with the page of the rows that the query asks for; each is
// made an entity only when it is on it.
func shown[R odata.Row](c *call, set string, shape *odata.Entity, rows []R, entity func(R) *odata.Entity) {
	kept, page, err := odata.Cut(&c.query, shape, rows)
	if err != nil {
		c.fail(err)
		return
	}
	for _, row := range kept {
		page.Rows = append(page.Rows, entity(row))
	}
	c.out.List(c.w, set, page, c.query, c.r.URL)
}
