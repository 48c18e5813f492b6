package assertions

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestCheckOrder: every assertion that does not hold is told, in the order
// written.
func TestCheckOrder(t *testing.T) {
	e := mustCompile(t, "json: {items.0.sku: A-100, total: {gt: 5, lte: 10}, order: {includes: {a: 1}}}\nstatus: 2xx\nheaders: {content-type: {contains: json}}\n")
	r := &Result{Status: 500, Body: `{"items":[],"total":11,"order":{"a":2}}`, Header: map[string][]string{"Content-Type": {"text/html"}}}
	var got []string
	for _, f := range e.Check(r, nil) {
		got = append(got, f.Message)
	}
	want := []string{
		`json items.0.sku: want "A-100", got nothing`,
		`json total: want at most 10, got 11`,
		`json order: want an object that includes {"a":1}, got {"a":2}`,
		`status: want 2xx, got 500`,
		`headers content-type: want text containing "json", got "text/html"`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
