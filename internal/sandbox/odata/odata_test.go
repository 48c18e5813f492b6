package odata

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// rows are what the tests filter: A, B and C.
func rows() []*Entity {
	at := time.Date(2021, 2, 1, 0, 0, 0, 500_000_000, time.UTC)
	row := func(id string, status any, n int64, end any) *Entity {
		return &Entity{Set: "Rows", Type: "Row", Key: Key(id), Properties: []Property{
			{"Id", id}, {"Status", status}, {"N", n}, {"End", end}, {"On", id == "A"},
			{"Artifact", &Entity{Type: "Artifact", Properties: []Property{{"Id", "art" + id}}}},
			{"Runs", Link{}},
		}}
	}
	return []*Entity{
		row("A", "FAILED", 1, at), row("B", "COMPLETED", 2, at.Add(time.Hour)), row("C", nil, 3, nil),
	}
}

// shape is what rows() are like.
func shape() *Entity { return rows()[0] }

func ids(list []*Entity) string {
	var b strings.Builder
	for _, e := range list {
		v, _ := e.get("Id")
		b.WriteString(v.(string))
	}
	return b.String()
}

func TestFilter(t *testing.T) {
	for filter, want := range map[string]string{
		"Id eq 'A'":                              "A",
		"Id ne 'A'":                              "BC",
		"Status eq null":                         "C",
		"Status ne null":                         "AB",
		"Status eq 'FAILED' or N ge 3":           "AC",
		"Id eq 'A' or Id eq 'B' and N eq 1":      "A",
		"(Id eq 'A' or Id eq 'B') and N eq 2":    "B",
		"not (Id eq 'A')":                        "BC",
		"not On":                                 "BC",
		"On eq true":                             "A",
		"Artifact/Id eq 'artB'":                  "B",
		"End gt datetime'2021-02-01T00:00:00'":   "AB",
		"End gt datetime'2021-02-01T00:00:00.5'": "B",
		"End le datetime'2021-02-01T00:00:00.500' and End ge datetime'2021-02-01T00:00'": "A",
		"startswith(Artifact/Id, 'art') and endswith(Id,'C')":                            "C",
		"substringof('OMP', Status)":                                                     "B",
		"tolower(Id) eq 'b'":                                                             "B",
		"substringof('x',Status) eq false":                                               "ABC",
		"N lt 2L":                                                                        "A",
		"N gt -1":                                                                        "ABC",
		"Id eq 'it''s'":                                                                  "",
		strings.Repeat("(", 60) + "Id eq 'A'" + strings.Repeat(")", 60): "A",
	} {
		f, err := ParseFilter(filter)
		if err != nil {
			t.Errorf("%s: %v", filter, err)
			continue
		}
		q := Query{Filter: f, Top: -1}
		page, err := q.Apply(shape(), rows())
		if err != nil || ids(page.Rows) != want {
			t.Errorf("%s: got %q, want %q: %v", filter, ids(page.Rows), want, err)
		}
	}
}

func TestFilterThatIsWrong(t *testing.T) {
	for filter, want := range map[string]string{
		"":                                      "at 1: want a property or a value, got the end",
		"Id":                                    "want a condition, got the property Id (a text)",
		"Id eq":                                 "at 6: want a property or a value, got the end",
		"Id = 'A'":                              `cannot read "= 'A'"`,
		"Id eq 'A":                              "is not closed",
		"(Id eq 'A'":                            `want ")", got the end`,
		"Id eq 'A') ":                           `want and, or, or the end, got ")"`,
		"Id eq 'A' Id eq 'B'":                   "want and, or, or the end",
		"Idd eq 'A'":                            `Row has no property "Idd"`,
		"Runs eq 'A'":                           `Row has no property "Runs"`,
		"Artifact/X eq 'A'":                     `Row has no property "Artifact/X"`,
		"Id eq 1":                               `cannot compare the property Id (a text) with the number 1`,
		"Id and On":                             "want a condition beside and",
		"not Id":                                "want a condition behind not",
		"len(Id) eq 1":                          `unknown function "len"`,
		"startswith(Id,'A') eq 1":               "cannot compare startswith(…) (true or false) with the number 1",
		"Id eq 'no' and Idd eq 'A'":             `Row has no property "Idd"`,
		"On eq true or End gt 'x'":              "cannot compare the property End (a point in time) with the text",
		"(Id eq 'A') eq 'x'":                    "cannot compare a comparison (true or false) with the text",
		"Artifact eq null":                      `Row has no property "Artifact"`,
		"null":                                  "want a condition, got null",
		"startswith(Id)":                        "startswith takes 2 arguments, got 1",
		"startswith(N, 'a')":                    "startswith wants text",
		"End gt datetime'2021-02-01T00:00:00Z'": "in UTC and without a zone",
		"End gt date'x'":                        `unknown type "date"`,
		"N eq 99999999999999999999":             "want a whole number",
		strings.Repeat("(", 10_000):             "nested deeper than 64",
		strings.Repeat("not ", 10_000) + "On":   "nested deeper than 64",
	} {
		f, err := ParseFilter(filter)
		if err == nil {
			q := Query{Filter: f, Top: -1}
			_, err = q.Apply(shape(), nil) // that there is no row changes nothing
		}
		if err == nil || err.Status != http.StatusBadRequest || !strings.Contains(err.Message, want) {
			t.Errorf("%.60s: %v, want %s", filter, err, want)
		}
	}
}

func TestFilterThatIsNotBuilt(t *testing.T) {
	for filter, want := range map[string]string{
		"length(Id) eq 1":                          "the function length",
		"Id eq concat('a','b')":                    "the function concat",
		"N add 1 eq 2":                             "the operator add",
		"End gt datetimeoffset'2021-02-01T00:00Z'": "the type datetimeoffset",
	} {
		if _, err := ParseFilter(filter); err == nil || err.Status != http.StatusNotImplemented || !strings.Contains(err.Message, want) {
			t.Errorf("%s: %v, want %s", filter, err, want)
		}
	}
}

func TestValues(t *testing.T) {
	got, err := Values("a=1;b=2&c=x%3By+z&&a=%26&bare")
	want := url.Values{"a": {"1;b=2", "&"}, "c": {"x;y z"}, "bare": {""}}
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("%v\n%s", err, d)
	}
	for _, raw := range []string{"a=%", "a=1&b=%zz", "%g=1"} {
		if got, err := Values(raw); err == nil || err.Status != http.StatusBadRequest {
			t.Errorf("%s: %v %v", raw, got, err)
		}
	}
}

func TestQuery(t *testing.T) {
	for query, want := range map[string]string{
		"$orderby=N desc":          "CBA",
		"$orderby=Status":          "CBA",
		"$orderby=End desc,Id asc": "BAC",
		"$orderby=Artifact/Id":     "ABC",
		"$top=2":                   "AB",
		"$skip=1&$top=1":           "B",
		"$skip=9":                  "",
		"$top=0":                   "",
		"other=1":                  "ABC",
		"$format=json":             "ABC",
	} {
		values, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		q, no := ParseQuery(values)
		if no != nil {
			t.Errorf("%s: %v", query, no)
			continue
		}
		page, no := q.Apply(shape(), rows())
		if no != nil || ids(page.Rows) != want || page.Count != 3 {
			t.Errorf("%s: got %q of %d, want %q: %v", query, ids(page.Rows), page.Count, want, no)
		}
	}
	for query, want := range map[string]string{
		"$top=-1":          "want a whole number",
		"$top=x":           "want a whole number",
		"$orderby=":        "$orderby",
		"$orderby=N down":  "want NAME",
		"$orderby=Nope":    "has no property",
		"$inlinecount=yes": "want allpages or none",
		"$format=csv":      "want json or atom",
		"$top=1&$top=2":    "$top is there 2 times",
		"$select=Nope":     "has no property",
		"$expand=Id":       "has no navigation property",
		"$search=x":        "unknown query option",
		"$filter=&$top=1":  "$filter",
	} {
		values, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		q, no := ParseQuery(values)
		if no == nil {
			_, no = q.Apply(shape(), nil)
		}
		if no == nil || !strings.Contains(no.Message, want) {
			t.Errorf("%s: %v, want %s", query, no, want)
		}
	}
}

func TestPages(t *testing.T) {
	var many []*Entity
	for range 2500 {
		many = append(many, rows()[0])
	}
	for _, test := range []struct {
		token, top, rows, next int
	}{{0, -1, 1000, 1000}, {1000, -1, 1000, 2000}, {2000, -1, 500, 0}, {0, 1500, 1000, 1000}, {1000, 1500, 500, 0}, {9000, -1, 0, 0}} {
		q := Query{Token: test.token, Top: test.top, Count: true}
		page, err := q.Apply(shape(), slices.Clone(many))
		if err != nil || len(page.Rows) != test.rows || page.Next != test.next || page.Count != 2500 {
			t.Errorf("%+v: %d rows, next %d: %v", test, len(page.Rows), page.Next, err)
		}
	}
	rec := httptest.NewRecorder()
	w := Writer{Root: "http://x/api/v1", JSON: true}
	w.List(rec, "Rows", Page{Next: 1000}, Query{}, &url.URL{RawQuery: "$filter=Id+eq+'A'&$skiptoken=0"})
	const want = `{"d":{"results":[],"__next":"http://x/api/v1/Rows?%24filter=Id+eq+%27A%27&%24skiptoken=1000"}}`
	if got := rec.Body.String(); got != want {
		t.Errorf("got %s", got)
	}
}

func TestPath(t *testing.T) {
	got, err := ParsePath("/Rows('it''s%2Fhere')/Runs(Id='F',Version='active')/$value")
	want := []Segment{{"Rows", map[string]string{"": "it's/here"}}, {"Runs", map[string]string{"Id": "F", "Version": "active"}}, {"$value", nil}}
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("%v\n%s", err, d)
	}
	for _, path := range []string{"('x')", "Rows(", "Rows()", "Rows('a'", "Rows('a'x)", "Rows('a','b')", "Rows(a)", "Rows%zz", "a//b", "Rows('a')x"} {
		if got, err := ParsePath(path); err == nil {
			t.Errorf("%s: %v", path, got)
		}
	}
}

func TestWrite(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	e := rows()[0]
	rec := httptest.NewRecorder()
	w := Writer{Root: "http://x/api/v1", JSON: true, Now: now}
	w.Entity(rec, 200, e, Query{})
	const wantJSON = `{"d":{"__metadata":{"id":"http://x/api/v1/Rows('A')","uri":"http://x/api/v1/Rows('A')","type":"com.sap.hci.api.Row"},` +
		`"Id":"A","Status":"FAILED","N":"1","End":"/Date(1612137600500)/","On":true,"Artifact":{"__metadata":{"type":"com.sap.hci.api.Artifact"},"Id":"artA"},` +
		`"Runs":{"__deferred":{"uri":"http://x/api/v1/Rows('A')/Runs"}}}}`
	if d := cmp.Diff(wantJSON, rec.Body.String()); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	rec = httptest.NewRecorder()
	w.JSON = false
	w.List(rec, "Rows", Page{Rows: []*Entity{e, rows()[2]}, Counted: true, Count: 2}, Query{}, &url.URL{})
	text := rec.Body.String()
	for _, want := range []string{
		`<m:count>2</m:count>`, `<id>http://x/api/v1/Rows(&#39;A&#39;)</id>`, `<updated>2026-01-02T03:04:05.000Z</updated>`,
		`<d:End m:type="Edm.DateTime">2021-02-01T00:00:00.500</d:End>`, `<d:Status m:null="true"/>`,
		`<d:Artifact m:type="com.sap.hci.api.Artifact"><d:Id>artA</d:Id></d:Artifact>`, `<d:On m:type="Edm.Boolean">true</d:On>`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("Atom lacks %s:\n%s", want, text)
		}
	}
	if err := wellFormed(text); err != nil {
		t.Errorf("%v\n%s", err, text)
	}
}

func wellFormed(text string) error {
	dec := xml.NewDecoder(strings.NewReader(text))
	for {
		if _, err := dec.Token(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func TestWantsJSON(t *testing.T) {
	for accept, want := range map[string]bool{
		"": false, "*/*": false, "application/json": true, "text/html, application/json;q=0.9": true,
		"application/json;odata=verbose": true, "application/json;q=0": false, "application/atom+xml": false, ";;": false,
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Accept", accept)
		if got := WantsJSON(r); got != want {
			t.Errorf("%q: %t", accept, got)
		}
	}
}

func FuzzFilter(f *testing.F) {
	for _, s := range []string{"Id eq 'A'", "not (N gt 1L or Status eq null) and startswith(Id,'x')", "End le datetime'2021-02-01T00:00:00'", "Artifact/Id ne 'it''s'", "(((", "startswith(Id,'x','y')"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		filter, err := ParseFilter(text)
		if err == nil {
			q := Query{Filter: filter, Top: -1}
			_, err = q.Apply(shape(), rows())
		}
		if err == nil {
			return
		}
		if err.Status != http.StatusBadRequest && err.Status != http.StatusNotImplemented || err.Message == "" {
			t.Errorf("%q: %+v", text, err)
		}
		// Whatever the text holds, the error is a document.
		for _, asJSON := range []bool{true, false} {
			rec := httptest.NewRecorder()
			w := Writer{JSON: asJSON}
			w.Error(rec, err)
			if asJSON && !json.Valid(rec.Body.Bytes()) || !asJSON && wellFormed(rec.Body.String()) != nil {
				t.Errorf("%q: %s", text, rec.Body)
			}
		}
	})
}

func FuzzPath(f *testing.F) {
	f.Add("Rows('it''s')/Runs(Id='F',Version='active')/$value")
	f.Add("TraceMessages(104L)/$value")
	f.Fuzz(func(t *testing.T, path string) {
		segments, err := ParsePath(path)
		if (err == nil) != (len(segments) > 0) {
			t.Errorf("%q: %v %v", path, segments, err)
		}
		if err != nil {
			return
		}
		// Written out again it is the same path.
		var b strings.Builder
		for _, s := range segments {
			b.WriteString("/" + url.PathEscape(s.Name))
			if s.Keys == nil {
				continue
			}
			var keys []string
			for name, key := range s.Keys {
				if name != "" {
					name += "="
				}
				keys = append(keys, url.PathEscape(name+Key(key)))
			}
			b.WriteString("(" + strings.Join(keys, ",") + ")")
		}
		again, err := ParsePath(b.String())
		if err != nil || !reflect.DeepEqual(again, segments) {
			t.Errorf("%q is read as %v, and %q as %v: %v", path, segments, b.String(), again, err)
		}
		if text, _ := url.PathUnescape(path); strings.Contains(text, "(") && !strings.Contains(text, ")") {
			t.Errorf("%q is open, and read as %v", path, segments)
		}
	})
}
