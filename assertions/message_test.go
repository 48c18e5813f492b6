package assertions

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files")

// TestMessages shows every kind of failure as it is printed: message, notes,
// diff. Run with -update to write testdata/messages.golden.
func TestMessages(t *testing.T) {
	document := `{
  "order": {"id": 4711, "lines": [{"sku": "A-100", "qty": 2}, {"sku": "B-200", "qty": 1}], "total": 10.10, "state": "new", "note": null},
  "items": [], "text": "1", "created": "/Date(1769860800000)/", "fav.movie": "x", "key with blank": 1,
  "lines": "first\nsecond\nthird\n", "empty": {}
}`
	result := func() *Result {
		return &Result{
			Status: 500, Body: document, Duration: 2100*time.Millisecond + 437*time.Nanosecond,
			Header:  http.Header{"Content-Type": {"text/html"}, "Set-Cookie": {"a=1", "b=2"}},
			Cookies: []*http.Cookie{{Name: "JSESSIONID", Value: "s1"}},
			Claims:  `{"grant_type":"password","ext_attr":{"zdn":"acme"}}`, Scopes: []string{"uaa.resource"},
			Lifetime: time.Minute, Signature: "the key \"k1\" that signed it is not published by the issuer",
		}
	}
	sections := []struct {
		title  string
		expect string
		result *Result
	}{
		{"plain subjects", `
status: 2xx
headers:
  content-type: {contains: json}
  Content-Tpye: text/html
  x-none: {exists: true}
  set-cookie: c=3
duration: {lt: 2s}
size: {lte: 0.1KB}
cookies: {JSESSIONID: s2, session: x}
body: {starts-with: "<soap"}
`, result()},
		{"a token", `
status: [200, 201]
claims: {grant_type: client_credentials, ext_attr.zdm: acme, zid: {exists: true}}
scopes: [uaa.resource, ESBMessaging.send]
lifetime: {gte: 10m}
signature: valid
`, result()},
		{"paths that are not there", `
json:
  items.0.sku: A-100
  order.lines.2.sku: C-300
  order.lines.sku: A-100
  order.ttoal: 10
  order.id.value: 4711
  order.note.text: x
  ordre.id: 4711
  empty.x: 1
  fav.movie: x
  order.lines.#(sku=="X").qty: 1
  "@this.order.x": 1
`, result()},
		{"operators", `
json:
  order.id: {equals: 4712}
  text: 1
  order.state: {not: new}
  order.total: {gt: 10.1}
  order.total|@this: {gte: 11, lt: 20}
  order.total.@this: {lt: 10}
  "@this.order.total": {lte: 10}
  order.id|@this: {between: [1, 5]}
  order.state|@this: {one-of: [open, done, null]}
  order.state.@this: {contains: ope}
  order.lines: {contains: {sku: C-300}}
  "@this.order.state": {not-contains: ew}
  "@this|order.state": {starts-with: o}
  "@this|order|state": {ends-with: n}
  "@this.order|state": {matches: '^o\d'}
  order.note: {exists: false}
  items: {empty: false}
  order.lines|@this: {empty: true}
  order: {type: array}
  order.lines.@this: {length: 3}
  "@this.order.lines": {length: {gte: 3}}
  order.lines.#.qty: {each: {gt: 1}}
  order.lines.#.sku: {any: C-300}
  order.lines.#|#: {none: 1}
  order.lines|#.sku: {none: B-200}
  "@this.order.id": {approx: {value: 4700, delta: 10.5}}
  created: {before: 2026-01-01T00:00:00Z}
  "@this.created": {after: 2026-02-01T00:00:00Z}
  "@this|created": {gt: 5}
  "@this.order.note": {not: {one-of: [null, 1]}}
`, result()},
		{"documents", `
json:
  order.lines:
    equals: [{sku: A-100, qty: 2}, {sku: B-200, qty: 3, unit: PC}]
  order:
    equals: {id: 4711, state: new, total: 10.1, note: null}
  "@this.order":
    includes: {lines: [{sku: A-100}, {sku: A-100}]}
  "@this|order":
    includes: {lines: [{sku: B-200}], owner: {name: Ada}}
  lines: "first\n2nd\nthird\n"
`, result()},
		{"long values", `
json:
  a: short
  b: {equals: {x: 1}}
body: {contains: needle}
`, &Result{Body: `{"a":"` + strings.Repeat("ä", 5000) + `","b":{"list":[` + strings.TrimSuffix(strings.Repeat(`{"number":12345},`, 300), ",") + `]}}`}},
		{"what is not shown as it is", `
json: {a: x, "*": {exists: false}}
headers: {x: "a\nb"}
`, &Result{Body: "{\"a\":\"\\u001b[31m\\n::error::\xff\"}", Header: http.Header{"X": {"\x1b]0;\x07\u202e"}}}},
		{"not JSON", `
json: {a: 1, b: {length: {gt: 1}}}
claims: {a: x}
`, &Result{Body: "<html><head><title>Sign in &amp; go</title></head></html>"}},
	}
	var b strings.Builder
	for _, s := range sections {
		fmt.Fprintf(&b, "== %s\n", s.title)
		e := mustCompile(t, s.expect)
		for _, f := range e.Check(s.result, nil) {
			fmt.Fprintf(&b, "%s\n", f.Message)
			for _, n := range f.Notes {
				fmt.Fprintf(&b, "   = %s\n", n)
			}
			for line := range strings.Lines(f.Diff) {
				fmt.Fprintf(&b, "   | %s", line)
			}
			if !strings.Contains(f.Message, f.Want) || !strings.Contains(f.Message, f.Got) {
				t.Errorf("the message %q does not hold %q and %q", f.Message, f.Want, f.Got)
			}
		}
		b.WriteByte('\n')
	}
	golden(t, "messages.golden", b.String())
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != got {
		diff, _ := (*display)(nil).diffTexts(string(want), got)
		t.Errorf("%s differs; run with -update and look at the difference\n%s", file, diff)
	}
}
