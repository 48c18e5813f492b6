package cpi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"iflowtest/internal/platform"
)

// maxPages bounds a list: the platform's pages have 1000 rows (wire/sap.md
// 6.1).
const maxPages = 1000

// row is an entity as it came. Its members are read tolerantly: what is absent,
// null or of another type reads as the zero value.
type row map[string]json.RawMessage

// text gives a member that is text; a number as its digits.
func (r row) text(name string) string {
	raw := r[name]
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	var n json.Number
	if json.Unmarshal(raw, &n) == nil {
		return n.String()
	}
	return ""
}

// count gives a member that is a whole number, or text that holds one, as
// __count and PayloadSize are (wire/sap.md 6.1, 6.2); -1: it is none.
func (r row) count(name string) int {
	n, err := strconv.Atoi(r.text(name))
	if err != nil || n < 0 {
		return -1
	}
	return n
}

// date gives a member that is a date.
func (r row) date(name string) time.Time {
	t, _ := ParseDate(r.text(name))
	return t
}

// member gives a complex value or an expanded entity; nil: it is none.
func (r row) member(name string) row {
	var m row
	if json.Unmarshal(r[name], &m) != nil {
		return nil
	}
	return m
}

// plain gives the entity as JSON without __metadata and without links that were
// not followed, numbers with their digits. The members of with come in addition
// or instead.
func (r row) plain(with map[string]any) string {
	m := make(map[string]any, len(r)+len(with))
	for name, raw := range r {
		if v, ok := stripped(raw); ok && name != "__metadata" {
			m[name] = v
		}
	}
	for name, v := range with {
		m[name] = v
	}
	return marshal(m)
}

// marshal writes JSON with its characters as they are.
func marshal(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(v) != nil {
		return "{}"
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// stripped decodes a value; false: it is a link that was not followed.
func stripped(raw json.RawMessage) (any, bool) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return nil, false
	}
	return strip(v)
}

func strip(v any) (any, bool) {
	switch v := v.(type) {
	case map[string]any:
		if _, deferred := v["__deferred"]; deferred {
			return nil, false
		}
		out := make(map[string]any, len(v))
		for name, member := range v {
			if m, ok := strip(member); ok && name != "__metadata" {
				out[name] = m
			}
		}
		return out, true
	case []any:
		out := make([]any, 0, len(v))
		for _, item := range v {
			if i, ok := strip(item); ok {
				out = append(out, i)
			}
		}
		return out, true
	}
	return v, true
}

// ParseDate reads "/Date(1611846759005)/": milliseconds since 1970 in UTC
// (wire/sap.md 6.1); an offset behind them, as OData 2.0 knows it, says nothing
// about the instant. Text of digits alone is read the same way: design-time
// dates are.
func ParseDate(text string) (time.Time, bool) {
	digits := text
	if inner, ok := strings.CutPrefix(text, "/Date("); ok {
		if digits, ok = strings.CutSuffix(inner, ")/"); !ok {
			return time.Time{}, false
		}
		if at := strings.LastIndexAny(digits, "+-"); at > 0 {
			digits = digits[:at]
		}
	}
	ms, err := strconv.ParseInt(digits, 10, 64)
	const most = 253402300799999 // the end of the year 9999
	if err != nil || ms > most || ms < -most {
		return time.Time{}, false
	}
	return time.UnixMilli(ms).UTC(), true
}

// literal writes a text as a literal of a key or a filter.
func literal(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// key writes a set with a key, for a URL.
func key(set, id string) string { return set + "(" + url.PathEscape(literal(id)) + ")" }

// dateTime writes an instant as a literal of a filter: UTC without a zone
// (wire/sap.md 6.1), in whole seconds.
func dateTime(t time.Time) string {
	return "datetime'" + t.UTC().Truncate(time.Second).Format("2006-01-02T15:04:05") + "'"
}

// option is one query option, such as $filter.
type option struct{ name, value string }

// query writes options behind a resource. Blanks are %20: what stands between
// here and there may take + for itself.
func query(resource string, options ...option) string {
	for i, o := range options {
		sep := "&"
		if i == 0 {
			sep = "?"
		}
		resource += sep + o.name + "=" + strings.ReplaceAll(url.QueryEscape(o.value), "+", "%20")
	}
	return resource
}

// entity reads one entity: {"d":{…}}.
func (c *Client) entity(ctx context.Context, doing, resource string) (row, error) {
	q := call{method: http.MethodGet, resource: resource, doing: doing}
	answer, err := c.send(ctx, q)
	if err != nil {
		return nil, err
	}
	r, ok := parseEntity(answer.Body)
	if !ok {
		return nil, answerError(q, answer, "no entity of OData 2.0 ({\"d\":{…}}) came")
	}
	return r, nil
}

// parseEntity reads {"d":{…}}.
func parseEntity(body string) (row, bool) {
	var envelope struct {
		D row `json:"d"`
	}
	if json.Unmarshal([]byte(body), &envelope) != nil || envelope.D == nil {
		return nil, false
	}
	if _, list := envelope.D["results"]; list {
		return nil, false
	}
	return envelope.D, true
}

// page is one page of a list.
type page struct {
	rows []row
	next string
	// count is how many rows there are in all; -1: it was not said.
	count int
}

// parsePage reads {"d":{"results":[…],"__next":…,"__count":"7"}}, and
// {"d":[…]}, which services of OData 1.0 style give.
func parsePage(body string) (page, bool) {
	var envelope struct {
		D json.RawMessage `json:"d"`
	}
	if json.Unmarshal([]byte(body), &envelope) != nil {
		return page{}, false
	}
	p := page{count: -1}
	if json.Unmarshal(envelope.D, &p.rows) == nil && p.rows != nil {
		return p, sound(p.rows)
	}
	var d row
	if json.Unmarshal(envelope.D, &d) != nil || d == nil {
		return page{}, false
	}
	if json.Unmarshal(d["results"], &p.rows) != nil || p.rows == nil {
		return page{}, false
	}
	p.next, p.count = d.text("__next"), d.count("__count")
	return p, sound(p.rows)
}

// sound reports whether every row is one.
func sound(rows []row) bool {
	for _, r := range rows {
		if r == nil {
			return false
		}
	}
	return true
}

// list reads a list to its end, or until it has most rows (0: all), following
// __next within the origin of the API (wire/sap.md 6.1).
func (c *Client) list(ctx context.Context, doing, resource string, most int) (page, error) {
	all := page{count: -1}
	asked := map[string]bool{}
	for range maxPages {
		asked[resource] = true
		q := call{method: http.MethodGet, resource: resource, doing: doing}
		answer, err := c.send(ctx, q)
		if err != nil {
			return page{}, err
		}
		p, ok := parsePage(answer.Body)
		if !ok {
			return page{}, answerError(q, answer, "no list of OData 2.0 ({\"d\":{\"results\":[…]}}) came")
		}
		all.rows = append(all.rows, p.rows...)
		all.count = max(all.count, p.count)
		if p.next == "" || most > 0 && len(all.rows) >= most {
			return all, nil
		}
		if asked[p.next] {
			return page{}, answerError(q, answer, fmt.Sprintf("the pages of the list go in circles: %q comes again", platform.Cut(platform.Shown(p.next), platform.MaxText)))
		}
		resource = p.next
	}
	return page{}, &platform.Error{Kind: platform.KindAnswer, Method: http.MethodGet, URL: platform.Shown(resource), Message: fmt.Sprintf("%s: the list has more than %d pages", doing, maxPages), Cure: "ask for less"}
}

// value reads a raw value ($value); empty: there is none (204).
func (c *Client) value(ctx context.Context, doing, resource, accept string) (string, error) {
	answer, err := c.send(ctx, call{method: http.MethodGet, resource: resource, accept: accept, doing: doing})
	if err != nil {
		return "", err
	}
	return answer.Body, nil
}
