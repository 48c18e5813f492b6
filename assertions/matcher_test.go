package assertions

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestMatchers holds a matcher against the value of the path a; a document of
// {} has none.
func TestMatchers(t *testing.T) {
	const nothing = `{}`
	tests := []struct {
		matcher string
		doc     string
		holds   bool
	}{
		// A plain value, by type.
		{`A-100`, `{"a":"A-100"}`, true},
		{`A-100`, `{"a":"a-100"}`, false},
		{`"1"`, `{"a":1}`, false},
		{`1`, `{"a":"1"}`, false},
		{`1`, `{"a":1}`, true},
		{`1`, `{"a":1.0}`, true},
		{`10.10`, `{"a":10.1}`, true},
		{`-1.5e3`, `{"a":-1500}`, true},
		{`9007199254740993`, `{"a":9007199254740992}`, false},
		{`9007199254740993`, `{"a":9007199254740993}`, true},
		{`1e999999999`, `{"a":1e999999998}`, false},
		{`true`, `{"a":true}`, true},
		{`true`, `{"a":"true"}`, false},
		{`false`, `{"a":null}`, false},
		{`null`, `{"a":null}`, true},
		{`null`, nothing, false},
		{`""`, `{"a":""}`, true},
		{`""`, `{"a":null}`, false},
		{`[1, x]`, `{"a":[1,"x"]}`, true},
		{`[1, x]`, `{"a":["x",1]}`, false},
		{`[1]`, `{"a":[1,2]}`, false},
		{`[1, 2]`, `{"a":[1]}`, false},
		{`[]`, `{"a":[]}`, true},
		{`[]`, `{"a":{}}`, false},
		{`"\u00e9\n"`, `{"a":"\u00e9\n"}`, true},
		{`equals: {x: 1, y: {z: [null]}}`, `{"a":{"y":{"z":[null]},"x":1}}`, true},
		{`equals: {x: 1}`, `{"a":{"x":1,"y":2}}`, false},
		{`equals: {x: 1, y: 2}`, `{"a":{"x":1}}`, false},
		{`equals: {x: 1}`, `{"a":{"x":1,"x":2}}`, true}, // the first of a name counts
		{`equals: {}`, `{"a":{}}`, true},
		{`equals: {gt: 1}`, `{"a":{"gt":1}}`, true},
		// not
		{`not: 1`, `{"a":2}`, true},
		{`not: 1`, `{"a":1}`, false},
		{`not: 1`, `{"a":"1"}`, true},
		{`not: null`, `{"a":0}`, true},
		{`not: null`, nothing, false},
		{`not: {gt: 5}`, `{"a":5}`, true},
		{`not: {gt: 5, lt: 9}`, `{"a":7}`, false},
		{`not: {gt: 5, lt: 9}`, `{"a":9}`, true},
		{`not: {exists: true}`, nothing, true},
		{`not: {exists: false}`, nothing, false},
		{`not: {not: {exists: false}}`, nothing, true},
		{`not: {not: 5}`, nothing, false},
		// Order.
		{`gt: 1`, `{"a":1.0000001}`, true},
		{`gt: 1`, `{"a":1}`, false},
		{`gt: 1`, `{"a":"2"}`, false},
		{`gt: 1`, nothing, false},
		{`gte: 1`, `{"a":1}`, true},
		{`lt: 1`, `{"a":-1e99}`, true},
		{`lt: 9007199254740993`, `{"a":9007199254740992}`, true},
		{`lte: 1`, `{"a":1.0}`, true},
		{`lte: 1`, `{"a":null}`, false},
		{`between: [1, 2]`, `{"a":1}`, true},
		{`between: [1, 2]`, `{"a":2}`, true},
		{`between: [1, 2]`, `{"a":2.001}`, false},
		{`between: [1, 2]`, nothing, false},
		{`approx: {value: 1.08, delta: 0.01}`, `{"a":1.09}`, true},
		{`approx: {value: 1.08, delta: 0.01}`, `{"a":1.0901}`, false},
		{`approx: {value: 0, delta: 0}`, `{"a":0.0}`, true},
		{`approx: {value: 0, delta: 0.1}`, `{"a":1e-999999999}`, true},
		// Choice.
		{`one-of: [1, x, null]`, `{"a":null}`, true},
		{`one-of: [1, x, [2]]`, `{"a":[2]}`, true},
		{`one-of: [1, x]`, `{"a":"1"}`, false},
		{`one-of: [null]`, nothing, false},
		// Text and lists.
		{`contains: bc`, `{"a":"abcd"}`, true},
		{`contains: 42`, `{"a":"x42"}`, true},
		{`contains: bc`, `{"a":["bc"]}`, true},
		{`contains: bc`, `{"a":["abcd"]}`, false},
		{`contains: 2`, `{"a":[1,2.0]}`, true},
		{`contains: 2`, `{"a":["2"]}`, false},
		{`contains: {x: 1}`, `{"a":[{"x":1}]}`, true},
		{`contains: {x: 1}`, `{"a":[{"x":1,"y":2}]}`, false},
		{`contains: null`, `{"a":[null]}`, true},
		{`contains: x`, `{"a":{"x":1}}`, false},
		{`contains: x`, nothing, false},
		{`not-contains: x`, `{"a":"abc"}`, true},
		{`not-contains: b`, `{"a":"abc"}`, false},
		{`not-contains: b`, `{"a":["abc"]}`, true},
		{`not-contains: abc`, `{"a":["abc"]}`, false},
		{`not-contains: abc`, `{"a":5}`, false},
		{`not-contains: abc`, nothing, false},
		{`starts-with: ab`, `{"a":"abc"}`, true},
		{`starts-with: b`, `{"a":"abc"}`, false},
		{`starts-with: 4`, `{"a":"42"}`, true},
		{`starts-with: 4`, `{"a":42}`, false},
		{`ends-with: bc`, `{"a":"abc"}`, true},
		{`ends-with: b`, `{"a":["b"]}`, false},
		{`matches: '^\d+$'`, `{"a":"42"}`, true},
		{`matches: '^\d+$'`, `{"a":42}`, false},
		{`matches: b`, `{"a":"abc"}`, true},
		// Presence.
		{`exists: true`, `{"a":null}`, true},
		{`exists: true`, nothing, false},
		{`exists: false`, nothing, true},
		{`exists: false`, `{"a":null}`, false},
		{`empty: true`, `{"a":""}`, true},
		{`empty: true`, `{"a":[]}`, true},
		{`empty: true`, `{"a":[ ]}`, true},
		{`empty: true`, `{"a":{ }}`, true},
		{`empty: true`, `{"a":null}`, false},
		{`empty: true`, `{"a":0}`, false},
		{`empty: true`, nothing, false},
		{`empty: false`, `{"a":[0]}`, true},
		{`empty: false`, `{"a":null}`, false},
		{`empty: false`, nothing, false},
		// Types.
		{`type: string`, `{"a":""}`, true},
		{`type: number`, `{"a":1.5}`, true},
		{`type: integer`, `{"a":10.0}`, true},
		{`type: integer`, `{"a":1.5e1}`, true},
		{`type: integer`, `{"a":1.5}`, false},
		{`type: integer`, `{"a":"1"}`, false},
		{`type: boolean`, `{"a":false}`, true},
		{`type: object`, `{"a":{}}`, true},
		{`type: array`, `{"a":[]}`, true},
		{`type: null`, `{"a":null}`, true},
		{`type: "null"`, `{"a":null}`, true},
		{`type: null`, nothing, false},
		{`type: object`, `{"a":[]}`, false},
		// Length.
		{`length: 2`, `{"a":"äö"}`, true},
		{`length: 2`, `{"a":[[1,2,3],"]"]}`, true},
		{`length: 2`, `{"a":{"x":1,"y":2,"x":3}}`, true},
		{`length: {gte: 1, lt: 3}`, `{"a":[1,2]}`, true},
		{`length: {not: 2}`, `{"a":[1,2]}`, false},
		{`length: 0`, `{"a":null}`, false},
		{`length: 0`, nothing, false},
		{`length: {one-of: [1, 2]}`, `{"a":[1]}`, true},
		// Parts.
		{`includes: {x: 1}`, `{"a":{"x":1,"y":2}}`, true},
		{`includes: {x: {y: [2]}}`, `{"a":{"x":{"y":[1,2],"z":0}}}`, true},
		{`includes: {x: null}`, `{"a":{}}`, false},
		{`includes: {x: null}`, `{"a":{"x":null}}`, true},
		{`includes: [1, 1]`, `{"a":[1,2]}`, false},
		{`includes: [1, 1]`, `{"a":[1,2,1]}`, true},
		{`includes: [{x: 1}, {x: 1, y: 2}]`, `{"a":[{"x":1,"y":2},{"x":1}]}`, true}, // the first must move
		{`includes: [{x: 1}, {x: 1, y: 2}]`, `{"a":[{"x":1,"y":2},{"x":2}]}`, false},
		{`includes: []`, `{"a":[]}`, true},
		{`includes: {}`, `{"a":{"x":1}}`, true},
		{`includes: {}`, `{"a":[]}`, false},
		{`includes: [{sku: A}]`, `{"a":{"sku":"A"}}`, false},
		// Elements.
		{`each: {gt: 0}`, `{"a":[1,2]}`, true},
		{`each: {gt: 0}`, `{"a":[1,0]}`, false},
		{`each: {gt: 0}`, `{"a":[]}`, true},
		{`each: {gt: 0}`, `{"a":{"x":1}}`, false},
		{`each: x`, `{"a":["x","x"]}`, true},
		{`any: {includes: {sku: A}}`, `{"a":[{"sku":"B"},{"sku":"A","qty":1}]}`, true},
		{`any: x`, `{"a":[]}`, false},
		{`none: x`, `{"a":["y"]}`, true},
		{`none: x`, `{"a":["y","x"]}`, false},
		{`none: x`, `{"a":[]}`, true},
		{`none: x`, nothing, false},
		{`each: {each: {type: integer}}`, `{"a":[[1],[2,3]]}`, true},
		// Time.
		{`before: 2026-01-01T00:00:00Z`, `{"a":"2025-12-31T23:59:59Z"}`, true},
		{`before: 2026-01-01T00:00:00Z`, `{"a":"2026-01-01T00:00:00Z"}`, false},
		{`after: 2026-01-01T00:00:00+01:00`, `{"a":"/Date(1767222000001)/"}`, true},
		{`after: /Date(1767222000000+0060)/`, `{"a":"2025-12-31T23:00:01Z"}`, true},
		{`after: 2026-01-01`, `{"a":"soon"}`, false},
		{`after: 2026-01-01`, `{"a":1767222000000}`, false},
		// Several.
		{`{gt: 1, lt: 5, type: integer}`, `{"a":3}`, true},
		{`{gt: 1, lt: 5, type: integer}`, `{"a":3.5}`, false},
	}
	for _, tt := range tests {
		t.Run(tt.matcher+" "+tt.doc, func(t *testing.T) {
			m := tt.matcher
			if !strings.HasPrefix(m, "{") && strings.Contains(m, ": ") && !strings.HasPrefix(m, `"`) && !strings.HasPrefix(m, "[") {
				m = "{" + m + "}"
			}
			e := mustCompile(t, "json: {a: "+m+"}")
			failures := e.Check(&Result{Body: tt.doc}, nil)
			if got := failures == nil; got != tt.holds {
				t.Errorf("holds: %v, want %v; %+v", got, tt.holds, failures)
			}
		})
	}
}

// TestExistsOrAbsent: whatever a path finds, exactly one of the two holds.
func TestExistsOrAbsent(t *testing.T) {
	for _, path := range []string{"a", "a.b", "a.#.b", "a.#(b==1)#", "a.@this", `"[a,b]"`, "a.0", "*"} {
		yes, no := mustCompile(t, fmt.Sprintf("json: {%s: {exists: true}}", quoteYAML(path))), mustCompile(t, fmt.Sprintf("json: {%s: {exists: false}}", quoteYAML(path)))
		for _, doc := range []string{`{}`, `[]`, `{"a":null}`, `{"a":[]}`, `{"a":[{"b":1}]}`, `{"a":{"b":{}}}`, `5`, `"a"`, `null`} {
			a, b := yes.Check(&Result{Body: doc}, nil) == nil, no.Check(&Result{Body: doc}, nil) == nil
			if a == b {
				t.Errorf("%s in %s: exists %v, absent %v", path, doc, a, b)
			}
		}
	}
}

func quoteYAML(s string) string {
	return "'" + strings.ReplaceAll(strings.Trim(s, `"`), "'", "''") + "'"
}

func sampleResult() *Result {
	return &Result{
		Status: 202,
		Header: http.Header{
			"Content-Type": {"application/json; charset=utf-8"}, "X-Count": {"42"}, "Set-Cookie": {"a=1", "b=2"},
			"x-odd": {"kept as sent"}, "Date": {"Sat, 31 Jan 2026 12:00:00 GMT"}, "Empty": {""},
		},
		Body:     "{\"a\": 1}",
		Duration: 1500 * time.Millisecond,
		Cookies:  []*http.Cookie{{Name: "JSESSIONID", Value: "s1"}, {Name: "twice", Value: "x"}, {Name: "twice", Value: "y"}},
		Claims:   `{"grant_type":"client_credentials","ext_attr":{"zdn":"acme"},"aud":["a","b"]}`,
		Scopes:   []string{"uaa.resource", "it-rt-acme!b123.ESBMessaging.send", "it-rt-acme!b123.Other"},
		Lifetime: 12 * time.Hour, Signature: "valid",
	}
}

func TestSubjects(t *testing.T) {
	tests := []struct {
		expect string
		holds  bool
	}{
		{`status: 202`, true},
		{`status: "202"`, true},
		{`status: 200`, false},
		{`status: 2xx`, true},
		{`status: 2XX`, true},
		{`status: 3xx`, false},
		{`status: [200, 202]`, true},
		{`status: [200, 4xx]`, false},
		{`status: [500, 2xx]`, true},
		{`status: {gte: 200, lt: 300}`, true},
		{`status: {not: 202}`, false},
		{`status: {not: 5xx}`, true},
		{`status: {one-of: [202]}`, true},
		{`status: {between: [200, 299]}`, true},
		{`headers: {content-type: {contains: json}}`, true},
		{`headers: {CONTENT-TYPE: {starts-with: application/}}`, true},
		{`headers: {x-count: 42}`, true},
		{`headers: {x-count: "42"}`, true},
		{`headers: {x-count: 42.0}`, false},
		{`headers: {x-count: {gt: 41}}`, true},
		{`headers: {x-count: {between: [1, 41]}}`, false},
		{`headers: {content-type: {gt: 41}}`, false},
		{`headers: {X-Odd: kept as sent}`, true},
		{`headers: {X-None: {exists: false}}`, true},
		{`headers: {X-None: {not: 5}}`, false},
		{`headers: {Empty: {exists: true, empty: true}}`, true},
		{`headers: {Empty: ""}`, true},
		{`headers: {set-cookie: b=2}`, true},
		{`headers: {set-cookie: "a=1, b=2"}`, true},
		{`headers: {set-cookie: c=3}`, false},
		{`headers: {set-cookie: {not: b=2}}`, false},
		{`headers: {set-cookie: {not: c=3}}`, true},
		{`headers: {set-cookie: {not-contains: "2"}}`, false},
		{`headers: {set-cookie: {not-contains: "3"}}`, true},
		{`headers: {set-cookie: {starts-with: b}}`, true},
		{`headers: {set-cookie: {exists: false}}`, false},
		{`headers: {set-cookie: {one-of: [b=2, x]}}`, true},
		{`headers: {date: {before: 2026-02-01T00:00:00Z}}`, true},
		{`headers: {date: {after: 2026-02-01T00:00:00Z}}`, false},
		{`body: {contains: '"a"'}`, true},
		{`body: '{"a": 1}'`, true},
		{`body: {length: 8}`, true},
		{`body: {matches: '^\{.*\}$', not-contains: b}`, true},
		{`duration: {lt: 2s}`, true},
		{`duration: {lt: 1500ms}`, false},
		{`duration: 1.5s`, true},
		{`duration: {between: [1s, 2s]}`, true},
		{`duration: {approx: {value: 1400ms, delta: 100ms}}`, true},
		{`size: 8`, true},
		{`size: {lte: 64KB}`, true},
		{`size: {gt: 0.008KB}`, false},
		{`size: {gte: 0.008KB}`, true},
		{`size: {one-of: [8B, 9]}`, true},
		{`cookies: {JSESSIONID: s1}`, true},
		{`cookies: {jsessionid: {exists: false}}`, true},
		{`cookies: {twice: y}`, true},
		{`cookies: {twice: {not: y}}`, false},
		{`claims: {grant_type: client_credentials, ext_attr.zdn: acme, aud: {contains: b}}`, true},
		{`claims: {ext_attr.zdn: other}`, false},
		{`scopes: [ESBMessaging.send]`, true},
		{`scopes: ESBMessaging.send`, true},
		{`scopes: [ESBMessaging.send, uaa.resource, Other]`, true},
		{`scopes: [send]`, false},
		{`scopes: [resource]`, false},
		{`scopes: [it-rt-acme!b123.ESBMessaging.send]`, true},
		{`scopes: {contains: ESBMessaging.send}`, true},
		{`scopes: {not-contains: WorkspacePackagesEdit}`, true},
		{`scopes: {not-contains: ESBMessaging.send}`, false},
		{`scopes: {length: 3}`, true},
		{`scopes: {any: ESBMessaging.send}`, true},
		{`scopes: {none: ESBMessaging.send}`, false},
		{`scopes: {any: {ends-with: .send}}`, true},
		{`scopes: {includes: [Other, ESBMessaging.send]}`, true},
		{`scopes: {includes: [Other, Other]}`, false},
		{`scopes: {empty: false}`, true},
		{`lifetime: {gte: 10m}`, true},
		{`lifetime: {lt: 10m}`, false},
		{`signature: valid`, true},
	}
	for _, tt := range tests {
		t.Run(tt.expect, func(t *testing.T) {
			failures := mustCompile(t, tt.expect).Check(sampleResult(), nil)
			if got := failures == nil; got != tt.holds {
				t.Errorf("holds: %v, want %v; %+v", got, tt.holds, failures)
			}
		})
	}
}

func TestZeroResult(t *testing.T) {
	e := mustCompile(t, `
status: 200
headers: {a: b}
json: {a: 1}
body: {contains: x}
duration: {gt: 0s}
size: {gt: 0}
cookies: {a: b}
claims: {a: b}
scopes: [a, b]
lifetime: {gte: 1s}
signature: valid
`)
	if got := len(e.Check(&Result{}, nil)); got != 12 {
		t.Errorf("%d failures, want 12", got)
	}
}

func TestOrderAndPlaces(t *testing.T) {
	e := mustCompile(t, `json:
  a: 1
  b:
    gt: 1
    lt: 5
  c: {gt: 5}
status: 200
scopes:
  - x
  - y
`)
	var got []Place
	for _, f := range e.Check(&Result{Status: 500, Body: `{"a":2,"b":6,"c":1}`}, nil) {
		got = append(got, f.Place)
	}
	if d := cmp.Diff([]Place{2003, 5005, 6003, 7001, 9005, 10005}, got); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"json", "status", "scopes"}, e.Subjects()); d != "" {
		t.Error(d)
	}
}

func TestDefault2xx(t *testing.T) {
	o := Options{Subjects: allSubjects(), Default2xx: true, DefaultPlace: 9}
	e, problems := Compile(nil, o)
	if problems != nil {
		t.Fatal(problems)
	}
	if e.Check(&Result{Status: 204}, nil) != nil {
		t.Error("204 does not hold")
	}
	failures := e.Check(&Result{Status: 302}, nil)
	want := []Failure{{Place: 9, Subject: "status", Operator: "equals", Want: "2xx", Got: "302", Message: "status: want 2xx, got 302"}}
	if d := cmp.Diff(want, failures); d != "" {
		t.Error(d)
	}
	if e.AcceptsStatus(204) {
		t.Error("a default asks for a status")
	}
	e, _ = Compile(parseNode(t, "status: {one-of: [401, 403]}"), o)
	if e.Check(&Result{Status: 401}, nil) != nil || !e.AcceptsStatus(401) || e.AcceptsStatus(200) {
		t.Error("a status of its own does not replace the default")
	}
	e, _ = Compile(nil, Options{})
	if e.Check(&Result{}, nil) != nil || len(e.Subjects()) != 0 {
		t.Error("nothing asserts something")
	}
}

// values answers computed values by their number.
func values(vs ...any) Lookup {
	return func(i int) (any, error) {
		if i >= len(vs) {
			return nil, errors.New("order was never captured")
		}
		return vs[i], nil
	}
}

func TestComputed(t *testing.T) {
	tests := []struct {
		expect  string
		values  []any
		message string // "" when it holds
	}{
		{`json: {a: $0}`, []any{json.Number("1")}, ""},
		{`json: {a: $0}`, []any{"1"}, `json a: want "1", got 1`},
		{`json: {a: $0}`, []any{nil}, `json a: want null, got 1`},
		{`json: {a: $0}`, []any{map[string]any{"gt": json.Number("0")}}, `json a: want {"gt":0}, got 1`},
		{`json: {a: {gt: $0}}`, []any{json.Number("0.5")}, ""},
		{`json: {a: {gt: $0}}`, []any{"x"}, `json a: want a number, found text "x"`},
		{`json: {a: {not: {gt: $0}}}`, []any{json.Number("0.5")}, "json a: want not more than 0.5, got 1"},
		{`json: {a: {one-of: [$0, $1]}}`, []any{"1", json.Number("1.0")}, ""},
		{`json: {o: {equals: {x: $0}}}`, []any{json.Number("1.0")}, ""},
		{`json: {l: {each: {lt: $0}, length: $1}}`, []any{json.Number("9"), json.Number("2")}, ""},
		{`json: {l: {includes: $0}}`, []any{[]any{json.Number("2")}}, ""},
		{`json: {l: {includes: $0}}`, []any{"2"}, `json l: includes wants an object or a list, found text "2"`},
		{`json: {s: {matches: $0}}`, []any{"^x$"}, ""},
		{`json: {s: {matches: $0}}`, []any{"["}, `json s: matches wants a regular expression: "[" is not a regular expression (RE2): missing closing ]: ` + "`[`"},
		{`json: {a: {exists: $0}}`, []any{true}, ""},
		{`json: {a: $9}`, nil, "json a: order was never captured"},
		{`status: $0`, []any{"2xx"}, ""},
		{`status: $0`, []any{"202"}, ""},
		{`status: [$0, 200]`, []any{json.Number("202")}, ""},
		{`status: $0`, []any{"ok"}, `status: want a number from 100 to 599, or a class such as 2xx, found text "ok"`},
		{`headers: {x-count: $0}`, []any{json.Number("42")}, ""},
		{`duration: {lt: $0}`, []any{"2s"}, ""},
		{`scopes: [$0]`, []any{"ESBMessaging.send"}, ""},
		{`signature: $0`, []any{"valid"}, ""},
		{`json: {a: $0}`, []any{3.5}, "json a: the expression gives a value that is neither null, a boolean, a number, text, a list nor an object"},
	}
	for _, tt := range tests {
		t.Run(tt.expect, func(t *testing.T) {
			e := mustCompile(t, tt.expect)
			r := sampleResult()
			r.Body = `{"a":1,"o":{"x":1},"l":[1,2],"s":"x"}`
			var got string
			for _, f := range e.Check(r, values(tt.values...)) {
				got += f.Message
				if f.Place == 0 {
					t.Error("a failure has no place")
				}
			}
			if d := cmp.Diff(tt.message, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestAcceptsComputedStatus(t *testing.T) {
	e := mustCompile(t, "status: $0")
	if e.AcceptsStatus(401) {
		t.Error("a computed status is known without its value")
	}
	if !e.AcceptsStatusWith(401, values("401")) || e.AcceptsStatusWith(200, values("401")) {
		t.Error("a computed status is not looked up")
	}
}

func TestDocuments(t *testing.T) {
	deep := strings.Repeat("[", 200_000) + strings.Repeat("]", 200_000)
	tests := []struct{ name, body, message string }{
		{"byte order mark", "\ufeff{\"a\":1}", ""},
		{"blanks", "\r\n {\"a\" : 1 }\n", ""},
		{"not UTF-8 elsewhere", "{\"b\":\"\xff\",\"a\":1}", ""},
		{"empty", "", `json a: want 1, got an empty body`},
		{"blank", " \n", `json a: want 1, got an empty body`},
		{"text", "Internal error", `json a: want 1, got text that is not JSON: "Internal error"`},
		{"cut off", `{"a":1`, `json a: want 1, got text that is not JSON: "{\"a\":1"`},
		{"two documents", `{"a":1}{"a":1}`, `json a: want 1, got text that is not JSON: "{\"a\":1}{\"a\":1}"`},
		{"HTML", "<!DOCTYPE html><html><head>\n<TITLE id=x>\n Log  in </TITLE>", `json a: want 1, got an HTML page with the title "Log in"`},
		{"control characters", "\x1b[31m\xff", `json a: want 1, got text that is not JSON: "\x1b[31m\xff"`},
		{"deep", deep, "json a: want 1, got JSON that is nested more than 100000 levels deep"},
		{"deep and unbalanced", strings.Repeat(`{"a":`, 3_000_000), "json a: want 1, got JSON that is nested more than 100000 levels deep"},
	}
	e := mustCompile(t, "json: {a: 1}")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ""
			for _, f := range e.Check(&Result{Body: tt.body}, nil) {
				got += f.Message
			}
			if d := cmp.Diff(tt.message, got); d != "" {
				t.Error(d)
			}
		})
	}
}
