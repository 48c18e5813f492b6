package api

import (
	"net/http"
	"strconv"

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
	case !ok, link.One != nil && step.Keys != nil:
		c.nowhere()
	case link.One != nil:
		one := link.One()
		if one == nil {
			c.w.WriteHeader(http.StatusNoContent)
			return
		}
		c.navigate(one, rest)
	case link.Rows != nil:
		c.among(link.Rows(), step, rest)
	default:
		c.among(nil, step, rest)
	}
}

// among answers with the rows a link leads to, or with one of them.
func (c *call) among(rows []*odata.Entity, step odata.Segment, rest []odata.Segment) {
	if step.Keys == nil {
		switch {
		case len(rest) == 0:
			c.related(rows)
		case isCount(rest):
			count(c, rows)
		default:
			c.nowhere()
		}
		return
	}
	key, ok := step.Key()
	for _, row := range rows {
		if ok && row.Key == odata.Key(key) {
			c.navigate(row, rest)
			return
		}
	}
	c.unknown(step.Name, key)
}

// isCount reports whether the rest of a path asks how many there are.
func isCount(rest []odata.Segment) bool {
	return len(rest) == 1 && rest[0].Name == "$count" && rest[0].Keys == nil
}

// count answers with the number of rows, as text (OData 2.0).
func count[R odata.Row](c *call, rows []R) {
	n, err := odata.Matching(&c.query, rows)
	if err != nil {
		c.fail(err)
		return
	}
	c.out.Text(c.w, strconv.Itoa(n))
}

// shown answers with the page of the rows that the query asks for; each is
// made an entity only when it is on it.
func shown[R odata.Row](c *call, set string, rows []R, entity func(R) *odata.Entity) {
	kept, page, err := odata.Cut(&c.query, rows)
	for _, row := range kept {
		page.Rows = append(page.Rows, entity(row))
	}
	if err == nil && len(page.Rows) > 0 {
		err = c.query.Check(page.Rows[0])
	}
	if err != nil {
		c.fail(err)
		return
	}
	c.out.List(c.w, set, page, c.query, c.r.URL)
}
