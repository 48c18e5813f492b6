package assertions

import "testing"

func TestSmoke(t *testing.T) {
	e := mustCompile(t, "json: {items.0.sku: A-100, total: {gt: 5, lte: 10}, order: {includes: {a: 1}}}\nstatus: 2xx\nheaders: {content-type: {contains: json}}\n")
	r := &Result{Status: 500, Body: `{"items":[],"total":11,"order":{"a":2}}`, Header: map[string][]string{"Content-Type": {"text/html"}}}
	for _, f := range e.Check(r, nil) {
		t.Logf("%s %v", f.Message, f.Notes)
	}
}
