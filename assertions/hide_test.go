package assertions

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// longSecret is what a token is like: it reaches far beyond what is shown, and
// each part of it is found only here.
func longSecret() string {
	var b strings.Builder
	for i := 0; b.Len() < 750; i++ {
		fmt.Fprintf(&b, "s3cr3t%04d", i)
	}
	return base64.RawURLEncoding.EncodeToString([]byte(b.String()))
}

// hideLong masks the long secret, and the other one, which has blanks and lines.
func hideLong(s string) string {
	return strings.NewReplacer(longSecret(), "***(token)", "first line\nsecond", "***(lines)").Replace(s)
}

// leaks reports whether eight characters of the secret in a row are in s.
func leaks(s string) bool {
	secret := longSecret()
	for i := 0; i+8 <= len(secret); i++ {
		if strings.Contains(s, secret[i:i+8]) {
			return true
		}
	}
	return false
}

func (f *Failure) all() string {
	return strings.Join(append([]string{f.Message, f.Want, f.Got, f.Diff}, f.Notes...), "\n")
}

// TestHideBeforeCut: a secret that the cut goes through is recognised, wherever
// a value is shown; without Hide its beginning is seen.
func TestHideBeforeCut(t *testing.T) {
	secret := longSecret()
	document := func(v any) string {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		if err := e.Encode(v); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	var before []any
	for range 100 {
		before = append(before, json.Number("1"))
	}
	token := &Result{Body: document(map[string]any{"access_token": secret, "type": "bearer"})}
	tests := []struct {
		name, expect string
		values       []any
		result       *Result
		want         []string // what the failure holds
	}{
		{"text equals", `json: {access_token: nope}`, nil, token, []string{`json access_token: want "nope", got "***(token)"`}},
		{"text behind other text", `json: {a: x}`, nil, &Result{Body: document(map[string]any{"a": strings.Repeat("ä", 150) + secret})},
			[]string{`ä***(token)"`}},
		{"text before other text", `json: {a: x}`, nil, &Result{Body: document(map[string]any{"a": secret + strings.Repeat("ä", 500)})},
			[]string{`"***(token)ä`, `… (1500 characters)`}},
		{"object", `json: {"@this": 1}`, nil, token, []string{`got {"access_token":"***(token)","type":"bearer"}`}},
		{"list", `json: {"@this": 1}`, nil, &Result{Body: document(append(slices.Clone(before[:90]), secret, 2))}, []string{`1,"***(token)",2]`}},
		{"cut list", `json: {"@this": 1}`, nil, &Result{Body: document(append(slices.Clone(before[:95]), secret, 2))}, []string{`1,"***(toke… (97 elements)`}},
		{"long list", `json: {"@this": 1}`, nil, &Result{Body: "[" + strings.Repeat(" ", 700) + document(secret) + "]"}, []string{`["***(token)"]`}},
		{"contains", `body: {contains: needle}`, nil, &Result{Body: secret}, []string{`got "***(token)"`}},
		{"contains a secret", `body: {contains: $0}`, []any{secret}, &Result{Body: "x"}, []string{`want text containing "***(token)"`}},
		{"not-contains", `body: {not-contains: $0}`, []any{secret}, &Result{Body: secret}, []string{`want text without "***(token)", got "***(token)"`}},
		{"starts-with, ends-with", `body: {starts-with: $0, ends-with: $0}`, []any{secret}, &Result{Body: "x"}, []string{`want text starting with "***(token)"`}},
		{"matches", `json: {access_token: {matches: '^\d+$'}}`, nil, token, []string{`got "***(token)"`}},
		{"matches a secret", `body: {matches: $0}`, []any{secret}, &Result{Body: "x"}, []string{`want text matching "***(token)"`}},
		{"no regular expression", `body: {matches: $0}`, []any{"(" + secret}, &Result{Body: "x"},
			[]string{`body: matches wants a regular expression: "(***(token)" is not a regular expression (RE2): missing closing )`}},
		{"body not JSON", `json: {a: 1}`, nil, &Result{Body: "token " + secret}, []string{`text that is not JSON: "token ***(token)"`}},
		{"claims not JSON", `claims: {a: 1}`, nil, &Result{Claims: secret}, []string{`text that is not JSON: "***(token)"`}},
		{"HTML title", `json: {a: 1}`, nil, &Result{Body: "<html><title>" + strings.Repeat("x", 100) + "&amp; first line\nsecond " + secret + "</title>"},
			[]string{`x& ***(lines) ***(token)"`}},
		{"escaped HTML title", `json: {a: 1}`, nil, &Result{Body: "<html><title>" + strings.Replace(secret, "c", "&#99;", 1) + "</title>"},
			[]string{`"***(token)"`}},
		{"computed operand", `json: {type: $0}`, []any{secret}, token, []string{`want "***(token)", got "bearer"`}},
		{"computed list", `json: {type: $0}`, []any{append(slices.Clone(before[:90]), secret)}, token, []string{`1,"***(token)"]`}},
		{"computed object", `json: {type: {equals: $0}}`, []any{map[string]any{secret: json.Number("1"), "b": []any{secret}}}, token, []string{`want {"b":["***(token)"],"***(token)":1}`}},
		{"one-of", `json: {type: {one-of: [$0, $0, x]}}`, []any{secret}, token, []string{`want one of "***(token)", "***(token)", "x"`}},
		{"not", `json: {access_token: {not: $0}}`, []any{secret}, token, []string{`want not "***(token)", got "***(token)"`}},
		{"each", `json: {"@this.@values": {each: {starts-with: b}}}`, nil, token, []string{`element 0 is "***(token)"`}},
		{"none", `json: {"@this.@values": {none: {not: bearer}}}`, nil, token, []string{`element 0 is "***(token)"`}},
		{"includes", `json: {"@this": {includes: {access_token: x}}}`, nil, token, []string{`access_token: want "x", got "***(token)"`}},
		{"includes a secret", `json: {"@this.@values": {includes: [$0]}}`, []any{secret + "x"}, token, []string{`for "***(token)x", got none`}},
		{"wrong operand", `json: {type: {gt: $0}}`, []any{secret}, token, []string{`json type: want a number, found text "***(token)"`}},
		{"wrong duration", `duration: {gt: $0}`, []any{secret}, token, []string{`duration: "***(token)" is not a duration`}},
		{"wrong size", `size: {gt: $0}`, []any{secret}, token, []string{`size: "***(token)" is not a size`}},
		{"wrong key", `json: {type: {approx: $0}}`, []any{map[string]any{secret: json.Number("1")}}, token, []string{`unknown key "***(token)" in approx`}},
		{"headers", `headers: {authorization: x, set-cookie: x}`, nil,
			&Result{Header: http.Header{"Authorization": {"Bearer " + secret}, "Set-Cookie": {strings.Repeat("a", 180), "b=" + secret}}},
			[]string{`got "Bearer ***(token)"`, `a, b=***(token)" (2 values)`}},
		{"names of headers", `headers: {x: 1}`, nil, &Result{Header: http.Header{secret: {"1"}}}, []string{"there are the headers ***(token)"}},
		{"cookies", `cookies: {a: x, b: x}`, nil, &Result{Cookies: []*http.Cookie{{Name: "a", Value: secret}}}, []string{`got "***(token)"`}},
		{"names of keys", `json: {a.b: x}`, nil, &Result{Body: document(map[string]any{secret: 1})}, []string{"the document has the key ***(token)"}},
		{"prefix", `json: {access_token.x: 1}`, nil, token, []string{`access_token exists and is "***(token)"`}},
		{"scopes", `scopes: [a]`, nil, &Result{Scopes: []string{secret}}, []string{`["***(token)"]`}},
		{"signature", `signature: valid`, nil, &Result{Signature: "the key " + secret}, []string{`"the key ***(token)"`}},
		{"first difference", `json: {"@this": {equals: {access_token: x, type: bearer}}}`, nil, token,
			[]string{`access_token: want "x", got "***(token)"`, "-  \"access_token\": \"x\",\n", "+  \"access_token\": \"***(token)\",\n"}},
		{"first difference in a name", `json: {"@this": {equals: {}}}`, nil, &Result{Body: document(map[string]any{secret: 1})},
			[]string{`***(token): want nothing, got 1`, "+  \"***(token)\": 1\n"}},
		{"diff of lines", `body: "a\nb\n"`, nil, &Result{Body: "a\n" + strings.Repeat("x", 250) + secret + "\n"}, []string{"x***(token)\n"}},
		{"diff of lines that are a secret", `body: "a\nb\n"`, nil, &Result{Body: "a\nfirst line\nsecond\n" + secret}, []string{"+***(lines)\n+***(token)\n"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := mustCompile(t, tt.expect)
			show := func(hide func(string) string) (string, int) {
				r := *tt.result
				r.Hide = hide
				var b strings.Builder
				failures := e.Check(&r, values(tt.values...))
				for i := range failures {
					b.WriteString(failures[i].all() + "\n")
				}
				return b.String(), len(failures)
			}
			got, n := show(hideLong)
			if leaks(got) {
				t.Errorf("the secret leaks: %s", got)
			}
			for _, w := range tt.want {
				if !strings.Contains(got, w) {
					t.Errorf("want %s in: %s", w, got)
				}
			}
			plain, m := show(nil)
			if n != m || n == 0 {
				t.Errorf("%d failures, %d without hiding", n, m)
			}
			if !leaks(plain) && !strings.Contains(plain, "&#") {
				t.Errorf("nothing to hide in: %s", plain)
			}
		})
	}
}

// TestHideInCaptures: as TestHideBeforeCut, for what captures say.
func TestHideInCaptures(t *testing.T) {
	secret := longSecret()
	object := `{"access_token":"` + secret + `","type":"bearer"}`
	tests := []struct {
		name, source string
		value        any
		result       *Result
		want         string
	}{
		{"start of the body", `{body: 'PIN: (\d+)'}`, nil, &Result{Body: "x " + secret}, `the body is "x ***(token)"`},
		{"not JSON", `{json: a}`, nil, &Result{Body: "x " + secret}, `got text that is not JSON: "x ***(token)"`},
		{"title", `{json: a}`, nil, &Result{Body: "<title>" + secret + "</title>"}, `the title "***(token)"`},
		{"prefix", `{json: access_token.x}`, nil, &Result{Body: object}, `access_token exists and is "***(token)"`},
		{"keys", `{json: a.b}`, nil, &Result{Body: `{"` + secret + `":1}`}, "has the key ***(token)"},
		{"claims", `{claim: access_token.x}`, nil, &Result{Claims: object}, `access_token exists and is "***(token)"`},
		{"headers", `{header: X}`, nil, &Result{Header: http.Header{secret: {"x"}}}, "there are the headers ***(token)"},
		{"cookies", `{cookie: X}`, nil, &Result{Cookies: []*http.Cookie{{Name: secret}}}, "there are the cookies ***(token)"},
		{"computed path", `{json: $0}`, "a." + secret, &Result{Body: `{"a":1}`}, "json a.***(token): got nothing"},
		{"computed name", `{header: $0}`, secret, &Result{}, "header ***(token): got nothing"},
		{"wrong path", `{json: $0}`, "a..b." + secret, &Result{}, `capture v: json: want a gjson path, found text "a..b.***(token)"`},
		{"wrong expression", `{body: $0}`, "(" + secret, &Result{}, `capture v: body: want a regular expression, found text "(***(token)"`},
		{"wrong XPath", `{xml: $0}`, "//a[" + secret + "=''", &Result{}, `capture v: xml: want an XPath, found text "//a[***(token)=''"`},
		{"wrong name", `{header: $0}`, secret + " x", &Result{}, `found text "***(token) x"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := mustCapture(t, "v: "+tt.source)
			show := func(hide func(string) string) string {
				r := *tt.result
				r.Hide = hide
				_, missing := c.Take(&r, values(tt.value))
				if len(missing) != 1 {
					t.Fatalf("%d missing", len(missing))
				}
				return missing[0].all()
			}
			got := show(hideLong)
			if leaks(got) || !strings.Contains(got, tt.want) {
				t.Errorf("want %s in: %s", tt.want, got)
			}
			if plain := show(nil); !leaks(plain) {
				t.Errorf("nothing to hide in: %s", plain)
			}
		})
	}
}

// TestHiddenDifference: values that look alike since they differ in what is
// hidden; what is judged is never hidden.
func TestHiddenDifference(t *testing.T) {
	hide := func(s string) string {
		return strings.NewReplacer("secret1", "***(a)", "secret2", "***(a)", "4711", "***(a)", "4712", "***(a)").Replace(s)
	}
	const whole, lines = "the difference is in what is hidden", "there are lines that differ only in what is hidden"
	tests := []struct {
		expect, body, note, diff string
	}{
		{`json: {a: secret1}`, `{"a":"secret2"}`, whole, ""},
		{`json: {a: 4711}`, `{"a":4712}`, whole, ""},
		{`json: {a: 4711}`, `{"a":4711.5}`, "", ""},
		{`json: {a: secret1}`, `{"a":"x"}`, "", ""},
		{`body: "x\nsecret1\n"`, "x\nsecret2\n", whole, ""},
		{`json: {"@this": {equals: {a: secret1}}}`, `{"a":"secret2"}`, whole, ""},
		{`json: {"@this": {equals: {a: secret1, b: 1}}}`, `{"a":"secret2","b":2}`, lines,
			"--- want\n+++ got\n@@ -1,4 +1,4 @@\n {\n   \"a\": \"***(a)\",\n-  \"b\": 1\n+  \"b\": 2\n }\n"},
		{`json: {"@this": {equals: {a: secret1, b: secret2, c: 1}}}`, `{"a":"secret1","b":"secret2"}`, "",
			"--- want\n+++ got\n@@ -1,5 +1,4 @@\n {\n   \"a\": \"***(a)\",\n-  \"b\": \"***(a)\",\n-  \"c\": 1\n+  \"b\": \"***(a)\"\n }\n"},
	}
	for _, tt := range tests {
		failures := mustCompile(t, tt.expect).Check(&Result{Body: tt.body, Hide: hide}, nil)
		if len(failures) != 1 {
			t.Fatalf("%s: %d failures", tt.expect, len(failures))
		}
		f := &failures[0]
		note := ""
		if i := slices.IndexFunc(f.Notes, func(n string) bool { return n == whole || n == lines }); i >= 0 {
			note = f.Notes[i]
		}
		if note != tt.note || strings.Contains(f.all(), "secret") {
			t.Errorf("%s: want the note %q: %s", tt.expect, tt.note, f.all())
		}
		if d := cmp.Diff(tt.diff, f.Diff); d != "" {
			t.Errorf("%s: %s", tt.expect, d)
		}
	}
	if f := mustCompile(t, `json: {a: secret1}`).Check(&Result{Body: `{"a":"secret1"}`, Hide: hide}, nil); f != nil {
		t.Errorf("%+v", f)
	}
}

// TestHideCosts: nothing is hidden while all assertions hold, and a large body
// once however many do not.
func TestHideCosts(t *testing.T) {
	calls, large := 0, 0
	body := largeBody()
	hide := func(s string) string {
		calls++
		if len(s) >= len(body)/2 {
			large++
		}
		return s
	}
	pass := mustCompile(t, `json: {done: true, d.results.0.id: $0, none: {exists: false}}`)
	if f := pass.Check(&Result{Body: body, Hide: hide}, values(json.Number("0"))); f != nil || calls > 0 {
		t.Errorf("%d calls, %+v", calls, f)
	}
	c := mustCapture(t, "a: {json: done}\nb: {json: $0}\nc: {json: none, default: 1}\n")
	if _, missing := c.Take(&Result{Body: body, Hide: hide}, values("done")); missing != nil || calls > 0 {
		t.Errorf("%d calls, %+v", calls, missing)
	}
	var paths []string
	for i := range 20 {
		paths = append(paths, fmt.Sprintf(`"@this.@this|@values.%d": x`, i))
	}
	fail := mustCompile(t, "body: x\njson: {"+strings.Join(paths, ", ")+`, "@this": 1, "@this.@this": [1]}`)
	if f := fail.Check(&Result{Body: body, Hide: hide}, nil); len(f) != 23 || large > 3 || calls > 300 {
		t.Errorf("%d failures, %d calls, %d of them for the whole", len(f), calls, large)
	}
	calls, large = 0, 0
	fail = mustCompile(t, "json: {"+strings.Join(paths, ", ")+"}")
	if f := fail.Check(&Result{Body: body[1:], Hide: hide}, nil); len(f) != 20 || large != 1 {
		t.Errorf("%d failures, %d calls, %d of them for the whole", len(f), calls, large)
	}
}
