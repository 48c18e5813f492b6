package assertions

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/tidwall/gjson"
)

// FuzzCompilePath: a path is refused at a place within it, or gjson and the
// finder read it alike.
func FuzzCompilePath(f *testing.F) {
	for _, s := range []string{
		"a", "a.b.c", "items.0.sku", "items.#", "items.#.sku", `items.#(sku=="A").qty`, `items.#(sku=="A")#|0`, `#[a=1]`,
		`a\.b`, "a|b", "@this", "@reverse.0", `@pretty:{"sortKeys":true}`, "[a,b]", `{"x":a,b}`, `!"x"`, `!{"a":1}.a`,
		"lines[0].sku", "$.a", "$..a", "a..b", "#(", "a[['0']0]", `"a"`, "ä.ö", "*.?", `\`, "@dig:a", "a.@fromstr.b", "twice.y", "friends.01.first",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c := newCompiler(Options{})
		p := c.path(s, 1, "json")
		for _, problem := range c.problems {
			if n := utf8.RuneCountInString(s); problem.Offset < 0 || problem.Width < 0 || problem.Offset+problem.Width > n {
				t.Fatalf("%q: points at %d+%d of %d", s, problem.Offset, problem.Width, n)
			}
			if problem.Message == "" || strings.ContainsAny(problem.Message, "\n\r") {
				t.Fatalf("%q: message %q", s, problem.Message)
			}
		}
		if p == nil {
			if len(c.problems) != 1 {
				t.Fatalf("%q: refused without a reason", s)
			}
			return
		}
		found := p.find(pathDocument)
		if p.rest == "" {
			if want := gjson.Get(pathDocument, s).Raw; found != want {
				t.Fatalf("%q: found %q, gjson finds %q", s, found, want)
			}
		}
		if found != "" && !gjson.Valid(found) {
			t.Fatalf("%q: found %q", s, found)
		}
		prefixNotes(pathDocument, s, "the document", nil)
	})
}

// FuzzMatcher: an expect block is refused, or judges any result, twice alike.
func FuzzMatcher(f *testing.F) {
	for _, s := range []string{
		`{"status":[200,"2xx"],"headers":{"content-type":{"contains":"json"}}}`,
		`{"json":{"a":{"gt":1,"not":{"approx":{"value":1,"delta":2}}},"b.#.c":{"each":{"includes":[{"x":1}]}}}}`,
		`{"body":{"matches":"^a+$","length":{"between":[1,2]}},"size":{"lt":"64KB"},"duration":{"lt":"2s"}}`,
		`{"scopes":["a","b"],"lifetime":{"gte":"10m"},"signature":"valid","claims":{"a":null},"cookies":{"a":{"empty":true}}}`,
		`{"json":{"@this":{"equals":{"a":[1,{"b":null}]}},"a":{"type":"null"},"c":{"before":"/Date(1)/"}}}`,
		`{"xml":{"//p:a[1]":"x"},"namespaces":{"p":"urn:x"},"tls":{"days-left":1},"matches-file":{"file":"a"}}`,
		`{"v":{"json":"a.b","default":[1]},"w":{"body":"(x)","secret":true},"x":{"message-id":true},"y":{"header":"a"}}`,
	} {
		f.Add(s, `{"a":[1,{"b":null}],"b":[{"c":{"x":1}}],"c":"2026-01-01"}`)
	}
	f.Add(`{"cookies":{"nope":"x"},"body":{"contains":"x"}}`, strings.Repeat("ä\n", 300))
	f.Fuzz(func(t *testing.T, expect, body string) {
		var v any
		d := json.NewDecoder(strings.NewReader(expect))
		d.UseNumber()
		if d.Decode(&v) != nil {
			return
		}
		n, err := nodeOf(v, 1)
		if err != nil {
			return // nested deeper than a file can be
		}
		result := func() *Result {
			return &Result{
				Status: 200, Body: body, Claims: body, Header: http.Header{"A": {body, "x"}, "Content-Type": {body}}, Duration: time.Second,
				Cookies: []*http.Cookie{{Name: "a", Value: body}, nil}, Scopes: []string{body, "x!b1.a"}, Signature: body,
			}
		}
		e, problems := Compile(&n, Options{Subjects: allSubjects(), Default2xx: true, DefaultPlace: 2})
		if len(problems) == 0 {
			first := e.Check(result(), nil)
			if d := cmp.Diff(first, e.Check(result(), nil)); d != "" {
				t.Fatal(d)
			}
			for _, failure := range first {
				if failure.Message == "" || strings.ContainsAny(failure.Message, "\n\r") || failure.Place == 0 {
					t.Fatalf("%+v", failure)
				}
				if len(failure.Message) > 16*maxShown {
					t.Fatalf("a message of %d bytes", len(failure.Message))
				}
			}
		}
		c, problems := CompileCaptures(&n, Options{})
		if len(problems) == 0 {
			values, missing := c.Take(result(), nil)
			if len(values)+len(missing) != len(c.Names()) {
				t.Fatalf("%d values and %d missing of %d", len(values), len(missing), len(c.Names()))
			}
		}
	})
}

// FuzzJSONSubject: whatever a body is, it is read as gjson reads it, equals
// itself, and a path either exists or is absent.
func FuzzJSONSubject(f *testing.F) {
	for _, s := range []string{
		pathDocument, `{}`, `[]`, `null`, `"\u0041\ud83d\ude00\\"`, `-0.0e-5`, "\ufeff[1, {\"a\\\"b\": [ ] } ]\n",
		`{"a":{"a":1},"a":{"b":2}}`, `[[[[]]]]`, `{"a":1`, "{\"a\":\"\xff\"}", `{"\\":"\\","\"":{"\"}":1}}`,
	} {
		f.Add(s, "a.b")
	}
	f.Fuzz(func(t *testing.T, body, path string) {
		var d document
		trimmed := strings.TrimPrefix(body, "\ufeff")
		if valid := d.parse(body); valid != gjson.Valid(trimmed) {
			t.Fatalf("valid: %v", valid)
		}
		if d.text == "" {
			return
		}
		v := fromJSON(d.text)
		same := treeOfJSON(d.text, 0)
		if !strings.Contains(d.text, strings.Repeat("[", maxShownDepth)) && strings.Count(d.text, "{") < maxShownDepth {
			if !same.equal(&v) || !same.includedIn(&v) {
				t.Fatalf("%s does not equal itself", d.text)
			}
			if at := same.firstDifference(&v, "", nil); at != "" {
				t.Fatalf("%s differs from itself: %s", d.text, at)
			}
		}
		n, err := nodeOf(anyOf(d.text), 0)
		if err != nil {
			t.Fatal(err)
		}
		copied := treeOf(&n)
		if !copied.equal(&v) {
			t.Fatalf("%s is captured as %+v", d.text, copied)
		}
		v.show(nil)
		p, mistake := parsePath(path)
		if mistake != nil {
			return
		}
		// In a document that is text, gjson looks among the characters.
		if p.rest == "" && d.text[0] != '"' {
			if got, want := p.find(d.text), strings.TrimSpace(gjson.Get(d.text, path).Raw); got != want {
				t.Fatalf("%q in %s: found %q, gjson finds %q", path, d.text, got, want)
			}
		}
		yes, no := test{yes: true}, test{yes: false}
		at := fromJSON(p.find(d.text))
		if holdsExists(&yes, &at) == holdsExists(&no, &at) {
			t.Fatal("neither there nor absent, or both")
		}
	})
}
