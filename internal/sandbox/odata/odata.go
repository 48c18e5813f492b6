// Package odata is the protocol of the sandbox's OData API, apart from what
// its sets hold: OData 2.0 as Cloud Integration speaks it (wire/sap.md 6.1).
// It reads resource paths and query options, filters and sorts rows, and
// writes them as JSON or, as that is the default of the platform, as Atom.
package odata

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// PageSize is the most rows an answer holds; the rest is behind __next.
const PageSize = 1000

// Entity is a row of a set.
type Entity struct {
	// Set is the name of the set, Type that of the entity type in the
	// namespace com.sap.hci.api.
	Set, Type string
	// Key is what stands in the parentheses of its address, as [Key] and
	// [Keys] write it; empty for a complex value.
	Key string
	// Path is its address below the root, escaped, where that is not Set(Key).
	Path       string
	Properties []Property
	// Media is the content type of what the entity stands for, which is at
	// its address with /$value behind; empty: it stands for itself. Content
	// gives it.
	Media   string
	Content func() []byte
}

// Link gives the navigation property of a name; false: there is none.
func (e *Entity) Link(name string) (Link, bool) {
	for _, p := range e.Properties {
		if l, ok := p.Value.(Link); ok && p.Name == name {
			return l, true
		}
	}
	return Link{}, false
}

// Has reports whether the entity has a property of the name, or a link.
func (e *Entity) Has(name string) bool {
	return slices.ContainsFunc(e.Properties, func(p Property) bool { return p.Name == name })
}

// Property is a member of an entity. Value is nil, a string, bool, int
// (Edm.Int32), int64 (Edm.Int64), time.Time (Edm.DateTime, shown in
// milliseconds), Offset, Link, or *Entity for a complex value.
type Property struct {
	Name  string
	Value any
}

// Offset is a point in time of the type Edm.DateTimeOffset, which Atom shows
// with its zone, always UTC, and JSON as it shows every other time
// (wire/sap.md 6.8).
type Offset struct{ time.Time }

// Link is a navigation property. What it leads to is shown when $expand asks
// for it: Rows where it leads to many, One where it leads to one, which may be
// nil; both nil: it is never expanded.
type Link struct {
	Rows func() []*Entity
	One  func() *Entity
	// Like gives what the rows are like, see [Query.CheckRows]; nil: their
	// properties are not known.
	Like func() *Entity
}

// Shape gives what the rows of the link are like; nil: it is not known.
func (l Link) Shape() *Entity {
	if l.Like == nil {
		return nil
	}
	return l.Like()
}

// Address gives the address of a row of a set below the root: what an
// [Entity.Path] begins with. The key is as [Key] and [Keys] write it.
func Address(set, key string) string { return set + "(" + escapeKey(key) + ")" }

// Key writes a text as the only key of an entity.
func Key(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// KeyPart is one of several keys of an entity.
type KeyPart struct{ Name, Value string }

// Keys writes the keys of an entity that has several, in their order:
// Id='F',Version='active'.
func Keys(parts ...KeyPart) string {
	var b strings.Builder
	for i, p := range parts {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(p.Name + "=" + Key(p.Value))
	}
	return b.String()
}

// Row is what $filter and $orderby look at. An *Entity is one; a set of many
// rows has rows of its own, which become entities only when they are shown.
type Row interface {
	// Property gives the value of a path such as "Name" or
	// "IntegrationArtifact/Id", of the types of [Property] but for links and
	// complex values: nil, string, bool, int64 or time.Time; false: there is no
	// such property.
	Property(path string) (any, bool)
}

// Property implements Row.
func (e *Entity) Property(path string) (any, bool) {
	v, ok := e.get(path)
	switch v := v.(type) {
	case Offset:
		return v.Time, ok
	case int:
		return int64(v), ok
	}
	return v, ok
}

// get gives the value of a path as it stands in the entity.
func (e *Entity) get(path string) (any, bool) {
	name, rest, deeper := strings.Cut(path, "/")
	at := slices.IndexFunc(e.Properties, func(p Property) bool { return p.Name == name })
	if at < 0 {
		return nil, false
	}
	v := e.Properties[at].Value
	if inner, ok := v.(*Entity); ok && deeper {
		return inner.get(rest)
	}
	if _, link := v.(Link); link || deeper {
		return nil, false
	}
	return v, true
}

// Error is an answer that is an error. It is written by [Error.Write].
type Error struct {
	Status  int
	Message string
}

// Errorf makes an error.
func Errorf(status int, format string, args ...any) *Error {
	return &Error{status, fmt.Sprintf(format, args...)}
}

// Error implements error.
func (e *Error) Error() string { return e.Message }

// Segment is one step of a resource path: a set or a navigation property, with
// the keys in its parentheses where it has some. A single key has the name "".
type Segment struct {
	Name string
	Keys map[string]string
}

// Key gives the only key of the segment, which may be written with the name
// of its property, ('F') or (Id='F'); with an empty name it may not.
func (s Segment) Key(property string) (string, bool) {
	k, ok := s.Keys[""]
	if !ok {
		k, ok = s.Keys[property]
	}
	return k, ok && len(s.Keys) == 1
}

// ParsePath reads a resource path below the service root, percent-encoded as
// it came: "IntegrationPackages('P')/IntegrationDesigntimeArtifacts".
func ParsePath(escaped string) ([]Segment, *Error) {
	var path []Segment
	for part := range strings.SplitSeq(strings.Trim(escaped, "/"), "/") {
		text, err := url.PathUnescape(part)
		if err != nil {
			return nil, Errorf(http.StatusBadRequest, "the path is not percent-encoded: %q", part)
		}
		segment, ok := parseSegment(text)
		if !ok {
			return nil, Errorf(http.StatusBadRequest, "cannot read the path segment %q", text)
		}
		path = append(path, segment)
	}
	return path, nil
}

func parseSegment(text string) (Segment, bool) {
	name, rest, hasKeys := strings.Cut(text, "(")
	if name == "" {
		return Segment{}, false
	}
	if !hasKeys {
		return Segment{Name: name}, true
	}
	s := Segment{Name: name, Keys: map[string]string{}}
	l := &lexer{text: rest}
	for {
		t := l.next()
		keyName := ""
		if t.kind == word && l.peek() == '=' {
			keyName = t.text
			l.at++
			t = l.next()
		}
		if t.kind != quoted && t.kind != digits {
			return Segment{}, false
		}
		if _, twice := s.Keys[keyName]; twice {
			return Segment{}, false
		}
		s.Keys[keyName] = t.text
		switch t = l.next(); {
		case t.kind == mark && t.text == ",":
		case t.kind == mark && t.text == ")" && l.next().kind == end:
			return s, true
		default:
			return Segment{}, false
		}
	}
}

// Query is the query options of a request.
type Query struct {
	Filter *Filter
	Order  []Order
	// Top is -1 when it is not there.
	Top, Skip int
	// Token is $skiptoken: the number of rows of the pages before.
	Token  int
	Count  bool
	Expand []string
	Select []string
	// Format is what $format asks for, json or atom; empty: nothing.
	Format string
}

// Order is one column of $orderby.
type Order struct {
	Path       string
	Descending bool
}

// Values reads a query: its parts stand between "&", ";" is a character like
// any other, and what is not percent-encoded is an error rather than nothing.
func Values(raw string) (url.Values, *Error) {
	values := url.Values{}
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		plainName, err := url.QueryUnescape(name)
		plain, errValue := url.QueryUnescape(value)
		if err := cmp.Or(err, errValue); err != nil {
			return nil, Errorf(http.StatusBadRequest, "the query is not percent-encoded: %s", err)
		}
		values.Add(plainName, plain)
	}
	return values, nil
}

// ParseQuery reads the query options; those without a "$" are the caller's.
func ParseQuery(values url.Values) (Query, *Error) {
	q := Query{Top: -1}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if !strings.HasPrefix(name, "$") {
			continue
		}
		if len(values[name]) > 1 {
			return Query{}, Errorf(http.StatusBadRequest, "the query option %s is there %d times", name, len(values[name]))
		}
		if err := q.set(name, values.Get(name)); err != nil {
			return Query{}, err
		}
	}
	return q, nil
}

func (q *Query) set(name, value string) *Error {
	var err *Error
	switch name {
	case "$filter":
		q.Filter, err = ParseFilter(value)
	case "$orderby":
		q.Order, err = parseOrder(value)
	case "$top":
		q.Top, err = wholeNumber(name, value)
	case "$skip":
		q.Skip, err = wholeNumber(name, value)
	case "$skiptoken":
		q.Token, err = wholeNumber(name, value)
	case "$inlinecount":
		if value != "allpages" && value != "none" {
			return Errorf(http.StatusBadRequest, "$inlinecount %q: want allpages or none", value)
		}
		q.Count = value == "allpages"
	case "$expand":
		q.Expand = names(value)
	case "$select":
		q.Select = names(value)
	case "$format":
		switch value {
		case "json":
			q.Format = "json"
		case "atom", "xml":
			q.Format = "atom"
		default:
			return Errorf(http.StatusBadRequest, "$format %q: want json or atom", value)
		}
	default:
		return Errorf(http.StatusBadRequest, "unknown query option %q", name)
	}
	return err
}

func names(value string) []string {
	var list []string
	for name := range strings.SplitSeq(value, ",") {
		if name = strings.TrimSpace(name); name != "" && name != "*" {
			list = append(list, name)
		}
	}
	return list
}

func wholeNumber(name, value string) (int, *Error) {
	n, err := strconv.Atoi(value)
	if err != nil || n < 0 {
		return 0, Errorf(http.StatusBadRequest, "%s %q: want a whole number of at least 0", name, value)
	}
	return n, nil
}

func parseOrder(value string) ([]Order, *Error) {
	var list []Order
	for column := range strings.SplitSeq(value, ",") {
		fields := strings.Fields(column)
		switch {
		case len(fields) == 1, len(fields) == 2 && strings.EqualFold(fields[1], "asc"):
			list = append(list, Order{Path: fields[0]})
		case len(fields) == 2 && strings.EqualFold(fields[1], "desc"):
			list = append(list, Order{fields[0], true})
		default:
			return nil, Errorf(http.StatusBadRequest, "$orderby %q: want NAME, NAME asc or NAME desc", column)
		}
	}
	return list, nil
}

// Page is the rows of an answer.
type Page struct {
	Rows []*Entity
	// Count is how many rows there are in all, Counted that it was asked for.
	Count   int
	Counted bool
	// Next is the $skiptoken of the next page; 0: there is none.
	Next int
}

// Apply checks the query against the shape, and filters, sorts and cuts the
// rows.
func (q *Query) Apply(shape *Entity, rows []*Entity) (Page, *Error) {
	kept, page, err := Cut(q, shape, rows)
	page.Rows = kept
	return page, err
}

// CheckRows tells what is wrong with the query for rows that are like the shape:
// an entity with every property that they have. What is null in it is a text.
// It does not depend on which rows there are. A nil shape tells that the
// properties are not known, and that nothing can be asked of them.
func (q *Query) CheckRows(shape *Entity) *Error {
	if shape == nil {
		if q.Filter != nil || len(q.Order)+len(q.Select)+len(q.Expand) > 0 {
			return Errorf(http.StatusNotImplemented, "Not implemented: the sandbox does not know the properties of these rows, of which it has none.")
		}
		return nil
	}
	if err := q.Filter.check(shape); err != nil {
		return err
	}
	for _, o := range q.Order {
		if _, ok := shape.kind(o.Path); !ok {
			return Errorf(http.StatusBadRequest, "$orderby: %s has no property %q", shape.Type, o.Path)
		}
	}
	return q.Check(shape)
}

// Check tells what of $select and $expand the entity does not have.
func (q *Query) Check(e *Entity) *Error {
	for _, name := range q.Expand {
		if strings.Contains(name, "/") {
			return Errorf(http.StatusNotImplemented, "$expand %q: the sandbox expands one step only", name)
		}
		if _, ok := e.Link(name); !ok {
			return Errorf(http.StatusBadRequest, "$expand: %s has no navigation property %q", e.Type, name)
		}
	}
	for _, name := range q.Select {
		first, _, _ := strings.Cut(name, "/")
		if !e.Has(first) {
			return Errorf(http.StatusBadRequest, "$select: %s has no property %q", e.Type, name)
		}
	}
	return nil
}

// Cut is [Query.Apply] for rows of any kind: it gives those of the page, and
// the page without them.
func Cut[R Row](q *Query, shape *Entity, rows []R) ([]R, Page, *Error) {
	if err := q.CheckRows(shape); err != nil {
		return nil, Page{}, err
	}
	kept := filtered(q, rows)
	if len(q.Order) > 0 {
		slices.SortStableFunc(kept, func(a, b R) int { return q.compare(a, b) })
	}
	page := Page{Count: len(kept), Counted: q.Count}
	kept = kept[min(q.Skip, len(kept)):]
	if q.Top >= 0 {
		kept = kept[:min(q.Top, len(kept))]
	}
	kept = kept[min(q.Token, len(kept)):]
	if len(kept) > PageSize {
		kept, page.Next = kept[:PageSize], q.Token+PageSize
	}
	return kept, page, nil
}

func filtered[R Row](q *Query, rows []R) []R {
	kept := make([]R, 0, len(rows))
	for _, row := range rows {
		if q.Filter.holds(row) {
			kept = append(kept, row)
		}
	}
	return kept
}

// Matching gives how many rows the filter holds for, which is what /$count
// answers.
func Matching[R Row](q *Query, shape *Entity, rows []R) (int, *Error) {
	if err := q.CheckRows(shape); err != nil {
		return 0, err
	}
	return len(filtered(q, rows)), nil
}

// compare orders two rows by the columns of $orderby.
func (q *Query) compare(a, b Row) int {
	for _, o := range q.Order {
		x, _ := a.Property(o.Path)
		y, _ := b.Property(o.Path)
		c := compareNull(x, y)
		if o.Descending {
			c = -c
		}
		if c != 0 {
			return c
		}
	}
	return 0
}

// compareNull orders values, null before everything.
func compareNull(x, y any) int {
	switch {
	case x == nil && y == nil:
		return 0
	case x == nil:
		return -1
	case y == nil:
		return 1
	}
	c, _ := compare(x, y)
	return c
}

// compare orders two values of one type; false when they are of two.
func compare(x, y any) (int, bool) {
	switch x := x.(type) {
	case string:
		if y, ok := y.(string); ok {
			return strings.Compare(x, y), true
		}
	case int64:
		if y, ok := y.(int64); ok {
			return cmp.Compare(x, y), true
		}
	case bool:
		if y, ok := y.(bool); ok {
			return cmp.Compare(bit(x), bit(y)), true
		}
	case time.Time:
		if y, ok := y.(time.Time); ok {
			// What is shown is what is compared: milliseconds.
			return cmp.Compare(x.UnixMilli(), y.UnixMilli()), true
		}
	}
	return 0, false
}

func bit(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
