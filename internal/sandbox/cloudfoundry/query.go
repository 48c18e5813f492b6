package cloudfoundry

import (
	"cmp"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The sizes of a page (wire/sap.md 3.3).
const (
	defaultPage = 50
	maxPage     = 5000
)

// rules is what the query of a list may hold, besides page, per_page and
// order_by.
type rules struct {
	// filters are names of lists and texts.
	filters []string
	// order is what order_by knows besides created_at and updated_at.
	order []string
	// include is what include knows.
	include []string
	// fields is what fields[RESOURCE] knows.
	fields map[string][]string
	// labels tells that label_selector is known.
	labels bool
	// single tells that it is not a list: no page, no order.
	single bool
}

// query is the query of a list, read and checked.
type query struct {
	values     url.Values
	page, size int
	order      string
	down       bool
	include    []string
	fields     map[string][]string
	selector   selector
	lists      map[string][]string // each value, split
}

// parseQuery reads and checks a query.
func parseQuery(raw string, r rules) (*query, error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, badQuery("the query is not well formed")
	}
	q := &query{values: values, page: 1, size: defaultPage, fields: map[string][]string{}, lists: map[string][]string{}}
	for name := range values {
		q.lists[name] = split(values.Get(name))
	}
	if err := r.known(values); err != nil {
		return nil, err
	}
	for _, read := range []func(*query) error{r.readPage, r.readOrder, r.readInclude, r.readFields, r.readSelector} {
		if err := read(q); err != nil {
			return nil, err
		}
	}
	return q, nil
}

// known refuses names that the list does not know.
func (r rules) known(values url.Values) error {
	names := slices.Clone(r.filters)
	if !r.single {
		names = append(names, "page", "per_page", "order_by", "created_ats", "updated_ats")
	}
	if r.labels {
		names = append(names, "label_selector")
	}
	if r.include != nil {
		names = append(names, "include")
	}
	if r.fields != nil {
		names = append(names, "fields")
	}
	var unknown []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		base, _, _ := strings.Cut(name, "[")
		if !slices.Contains(names, base) {
			unknown = append(unknown, "'"+name+"'")
		}
	}
	if unknown == nil {
		return nil
	}
	for i, name := range names {
		names[i] = "'" + name + "'"
	}
	return badQuery("Unknown query parameter(s): %s. Valid parameters are: %s", strings.Join(unknown, ", "), strings.Join(slices.Sorted(slices.Values(names)), ", "))
}

func (r rules) readPage(q *query) error {
	var err error
	if text := q.values.Get("page"); q.values.Has("page") {
		if q.page, err = strconv.Atoi(text); err != nil || q.page < 1 {
			return badQuery("Page must be a positive integer")
		}
	}
	if text := q.values.Get("per_page"); q.values.Has("per_page") {
		if q.size, err = strconv.Atoi(text); err != nil || q.size < 1 {
			return badQuery("Per page must be a positive integer")
		}
		if q.size > maxPage {
			return badQuery("Per page must be between 1 and %d", maxPage)
		}
	}
	return nil
}

func (r rules) readOrder(q *query) error {
	text := q.values.Get("order_by")
	if text == "" {
		return nil
	}
	q.order, q.down = strings.TrimLeft(text, "+- "), strings.HasPrefix(text, "-") // a + is a blank in a query
	if allowed := append([]string{"created_at", "updated_at"}, r.order...); !slices.Contains(allowed, q.order) {
		return badQuery("Order by can only be: '%s'", strings.Join(allowed, "', '"))
	}
	return nil
}

func (r rules) readInclude(q *query) error {
	q.include, _ = q.list("include")
	for _, name := range q.include {
		if !slices.Contains(r.include, name) {
			return badQuery("Invalid included resource: '%s'. Valid included resources are: '%s'", name, strings.Join(r.include, "', '"))
		}
	}
	return nil
}

func (r rules) readFields(q *query) error {
	for _, name := range slices.Sorted(maps.Keys(q.values)) {
		resource, isField := strings.CutPrefix(name, "fields[")
		if !isField {
			if name == "fields" || strings.Contains(name, "[") {
				return badQuery("Fields must be an object")
			}
			continue
		}
		resource, closed := strings.CutSuffix(resource, "]")
		allowed, ok := r.fields[resource]
		if !closed || !ok {
			return badQuery("Fields [%s] valid resources are: '%s'", resource, strings.Join(slices.Sorted(maps.Keys(r.fields)), "', '"))
		}
		for _, key := range split(q.values.Get(name)) {
			if !slices.Contains(allowed, key) {
				return badQuery("Fields valid keys for '%s' are: '%s'", resource, strings.Join(allowed, "', '"))
			}
			q.fields[resource] = append(q.fields[resource], key)
		}
	}
	return nil
}

func (r rules) readSelector(q *query) error {
	if !q.values.Has("label_selector") {
		return nil
	}
	text := q.values.Get("label_selector")
	if strings.TrimSpace(text) == "" {
		return badQuery("Missing label_selector value")
	}
	var err error
	if q.selector, err = parseSelector(text); err != nil {
		return badQuery("Invalid label_selector value: %s", err)
	}
	return nil
}

// split reads a list: the values stand between commas; a comma in a value is
// written %2C once more.
func split(text string) []string {
	values := strings.Split(text, ",")
	if !strings.Contains(text, "%") {
		return values
	}
	for i, v := range values {
		values[i] = strings.NewReplacer("%2C", ",", "%2c", ",").Replace(v)
	}
	return values
}

// list gives the values of a filter, and whether it was asked for.
func (q *query) list(name string) ([]string, bool) {
	values, asked := q.lists[name]
	return values, asked
}

// takes reports whether the filter lets the value pass; one that was not
// asked for does.
func (q *query) takes(name, value string) bool {
	values, asked := q.list(name)
	return !asked || slices.Contains(values, value)
}

// takesName is takes in any case.
func (q *query) takesName(name, value string) bool {
	values, asked := q.list(name)
	return !asked || slices.ContainsFunc(values, func(v string) bool { return strings.EqualFold(v, value) })
}

// sortKey is what a list can be sorted by.
type sortKey struct {
	name             string
	created, updated time.Time
}

// compare orders by what was asked for; without it, and among equals, by the
// time of creation and the name.
func (q *query) compare(a, b sortKey) int {
	order := 0
	switch q.order {
	case "name":
		order = cmp.Compare(a.name, b.name)
	case "updated_at":
		order = a.updated.Compare(b.updated)
	}
	order = cmp.Or(order, a.created.Compare(b.created), cmp.Compare(a.name, b.name))
	if q.down {
		return -order
	}
	return order
}

// pagination is the head of a list (wire/sap.md 3.3).
type pagination struct {
	Results  int   `json:"total_results"`
	Pages    int   `json:"total_pages"`
	First    *link `json:"first"`
	Last     *link `json:"last"`
	Next     *link `json:"next"`
	Previous *link `json:"previous"`
}

// listing is the envelope of every list.
type listing struct {
	Pagination pagination `json:"pagination"`
	Resources  []any      `json:"resources"`
	Included   any        `json:"included,omitempty"`
}

// list answers with the page of all that was asked for. included, which may be
// nil, gives what belongs to the page.
func list[T any](s *Server, c *call, q *query, all []T, key func(T) sortKey, show func(T) any, included func([]T) any) (*answer, error) {
	slices.SortStableFunc(all, func(a, b T) int { return q.compare(key(a), key(b)) })
	pages := max(1, (len(all)+q.size-1)/q.size)
	from := len(all)
	if q.page <= pages { // a larger one could overflow
		from = (q.page - 1) * q.size
	}
	page := all[from:min(len(all), from+q.size)]
	body := listing{Pagination: pagination{Results: len(all), Pages: pages}, Resources: make([]any, 0, len(page))}
	at := func(n int) *link {
		l := s.href(c.URL.Path + "?" + q.at(n))
		return &l
	}
	body.Pagination.First, body.Pagination.Last = at(1), at(pages)
	if q.page < pages {
		body.Pagination.Next = at(q.page + 1)
	}
	if q.page > 1 && q.page <= pages+1 {
		body.Pagination.Previous = at(q.page - 1)
	}
	for _, item := range page {
		body.Resources = append(body.Resources, show(item))
	}
	if included != nil {
		body.Included = included(page)
	}
	return &answer{status: http.StatusOK, body: body}, nil
}

// at gives the query of another page.
func (q *query) at(page int) string {
	values := maps.Clone(q.values)
	values.Set("page", strconv.Itoa(page))
	values.Set("per_page", strconv.Itoa(q.size))
	return values.Encode()
}
