package cf

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"iflowtest/internal/platform"
)

const (
	// perPage is what the cf command line asks for in its longer lists.
	perPage = 5000
	// maxPages bounds a list whose pages never end.
	maxPages = 1000
	// perBatch is how many GUIDs go into one query, so that the URL stays
	// shorter than what gateways take.
	perBatch = 100
)

// page is one page of a list (wire/sap.md 3.3).
type page[T any] struct {
	Pagination *struct {
		Next *struct {
			Href string `json:"href"`
		} `json:"next"`
	} `json:"pagination"`
	Resources []T      `json:"resources"`
	Included  included `json:"included"`
}

// included are the resources that a list brings along.
type included struct {
	Spaces        []named `json:"spaces"`
	Organizations []named `json:"organizations"`
	Plans         []named `json:"service_plans"`
	Offerings     []named `json:"service_offerings"`
	Brokers       []named `json:"service_brokers"`
}

// named is what every resource has.
type named struct {
	GUID          string                  `json:"guid"`
	Name          string                  `json:"name"`
	Relationships map[string]relationship `json:"relationships"`
}

// relationship names another resource; lists of them read as none.
type relationship struct{ guid string }

// UnmarshalJSON reads {"data":{"guid":…}}. What else may stand there is none.
func (r *relationship) UnmarshalJSON(raw []byte) error {
	var one struct {
		Data struct {
			GUID string `json:"guid"`
		} `json:"data"`
	}
	if json.Unmarshal(raw, &one) == nil {
		r.guid = one.Data.GUID
	}
	return nil
}

// MarshalJSON writes {"data":{"guid":…}}.
func (r relationship) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]map[string]string{"data": {"guid": r.guid}})
}

// instant is a time of the platform; one that is missing or none reads as zero.
type instant struct{ time.Time }

// UnmarshalJSON reads RFC 3339.
func (i *instant) UnmarshalJSON(raw []byte) error {
	var text string
	if json.Unmarshal(raw, &text) != nil {
		return nil
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		i.Time = at
	}
	return nil
}

// get reads one resource.
func get[T any](ctx context.Context, c *Client, doing, path string, query url.Values) (T, *platform.Error) {
	var v T
	r, err := c.send(ctx, call{method: http.MethodGet, path: path, query: query, doing: doing})
	if err != nil {
		return v, err
	}
	if json.Unmarshal([]byte(r.Body), &v) != nil {
		return v, unexpected(doing, r, "the answer is not the JSON that was wanted: "+foreign(r, false))
	}
	return v, nil
}

// pages reads a list to its end, following next.href within the origin of the
// API (wire/sap.md 3.3).
func pages[T any](ctx context.Context, c *Client, doing, path string, query url.Values, each func(page[T])) *platform.Error {
	asked := make(map[string]bool)
	for range maxPages {
		p, err := get[page[T]](ctx, c, doing, path, query)
		if err != nil {
			return err
		}
		if p.Pagination == nil {
			return &platform.Error{Kind: platform.KindAnswer, Method: http.MethodGet, URL: platform.Shown(path), Message: doing + ": the answer is no list: pagination is missing", Cure: "check that api: is the URL of a Cloud Foundry API v3"}
		}
		each(p)
		if p.Pagination.Next == nil || p.Pagination.Next.Href == "" {
			return nil
		}
		path, query = p.Pagination.Next.Href, nil
		if asked[path] {
			return &platform.Error{Kind: platform.KindAnswer, Message: fmt.Sprintf("%s: the pages of the list go in circles: %q comes again", doing, platform.Cut(platform.Shown(path), platform.MaxText)), Cure: "check the API, and what stands between here and there"}
		}
		asked[path] = true
	}
	return &platform.Error{Kind: platform.KindAnswer, Message: fmt.Sprintf("%s: the list has more than %d pages", doing, maxPages), Cure: "ask for less"}
}

// all reads a list without what it includes.
func all[T any](ctx context.Context, c *Client, doing, path string, query url.Values) ([]T, *platform.Error) {
	var resources []T
	err := pages(ctx, c, doing, path, query, func(p page[T]) { resources = append(resources, p.Resources...) })
	if err != nil {
		return nil, err
	}
	return resources, nil
}

// filter joins values as lists of the API want them: commas between them, and
// commas within them percent-encoded.
func filter(values ...string) string {
	escaped := make([]string, len(values))
	for i, v := range values {
		escaped[i] = strings.NewReplacer("%", "%25", ",", "%2C", "+", "%2B").Replace(v)
	}
	return strings.Join(escaped, ",")
}

// batches gives the GUIDs in pieces that fit into a URL; one empty piece when
// there are none.
func batches(guids []string) [][]string {
	if len(guids) == 0 {
		return [][]string{nil}
	}
	return slices.Collect(slices.Chunk(guids, perBatch))
}

// long asks for the longest pages.
func long(query url.Values) url.Values {
	query.Set("per_page", strconv.Itoa(perPage))
	return query
}

// add sets a filter that has values.
func add(query url.Values, key string, values []string) {
	if len(values) > 0 {
		query.Set(key, filter(values...))
	}
}
