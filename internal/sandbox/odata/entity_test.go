package odata

import (
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// media is an entity with everything that rows() lacks.
func media() *Entity {
	at := time.Date(2020, 4, 1, 12, 0, 0, 0, time.UTC)
	return &Entity{
		Set: "Files", Type: "File", Key: Keys(KeyPart{"Id", "a'b c"}, KeyPart{"Version", "1,0"}), Media: "text/csv", Content: func() []byte { return []byte("a;b") },
		Properties: []Property{
			{"Size", 7}, {"Until", Offset{at}},
			{"Owner", Link{One: func() *Entity { return rows()[0] }}},
			{"Nobody", Link{One: func() *Entity { return nil }}},
			{"Rows", Link{Rows: rows}},
			{"Else", Link{}},
		},
	}
}

func TestKeys(t *testing.T) {
	for _, test := range []struct{ key, want string }{
		{Key("A"), "'A'"},
		{Key("it's"), "'it''s'"},
		{Key("F$endpointAddress=a/b,c"), "'F%24endpointAddress%3Da%2Fb,c'"},
		{Keys(KeyPart{"Id", "F"}, KeyPart{"Version", "active"}), "Id='F',Version='active'"},
		{Keys(KeyPart{"Id", "a'b c="}, KeyPart{"N", ""}), "Id='a''b%20c%3D',N=''"},
		{"104L", "104L"},
	} {
		got := escapeKey(test.key)
		if got != test.want {
			t.Errorf("%s: %s, want %s", test.key, got, test.want)
		}
	}
	// What is written is read as it was.
	path, err := ParsePath("Files(" + escapeKey(media().Key) + ")")
	if d := cmp.Diff([]Segment{{"Files", map[string]string{"Id": "a'b c", "Version": "1,0"}}}, path); d != "" || err != nil {
		t.Errorf("%v\n%s", err, d)
	}
}

func TestLinksAreExpanded(t *testing.T) {
	const self = `http://x/api/v1/Files(Id='a''b%20c',Version='1,0')`
	metadata := `"__metadata":{"id":"` + self + `","uri":"` + self + `","type":"com.sap.hci.api.File","content_type":"text/csv","media_src":"` + self + `/$value","edit_media":"` + self + `/$value"}`
	deferred := func(name string) string { return `"` + name + `":{"__deferred":{"uri":"` + self + `/` + name + `"}}` }
	for _, test := range []struct {
		q          Query
		want, atom string
	}{
		{
			Query{},
			`{"d":{` + metadata + `,"Size":7,"Until":"/Date(1585742400000)/",` + strings.Join([]string{deferred("Owner"), deferred("Nobody"), deferred("Rows"), deferred("Else")}, ",") + `}}`,
			`/Owner" rel="http://schemas.microsoft.com/ado/2007/08/dataservices/related/Owner" title="Owner" type="application/atom+xml;type=entry"/>`,
		},
		{
			Query{Select: []string{"Size"}, Expand: []string{"Nobody", "Else"}},
			`{"d":{` + metadata + `,"Size":7,"Nobody":null,` + deferred("Else") + `}}`,
			`title="Nobody" type="application/atom+xml;type=entry"><m:inline></m:inline></link>`,
		},
	} {
		rec := httptest.NewRecorder()
		w := Writer{Root: "http://x/api/v1", JSON: true}
		w.Entity(rec, 200, media(), test.q)
		if d := cmp.Diff(test.want, rec.Body.String()); d != "" {
			t.Errorf("-want +got:\n%s", d)
		}
		rec = httptest.NewRecorder()
		w.JSON = false
		w.Entity(rec, 200, media(), test.q)
		text := rec.Body.String()
		if err := wellFormed(text); err != nil || !strings.Contains(text, test.atom) || !strings.Contains(text, `<d:Size m:type="Edm.Int32">7</d:Size>`) ||
			!strings.Contains(text, `<content type="text/csv" src="Files(Id=&#39;a&#39;&#39;b%20c&#39;,Version=&#39;1,0&#39;)/$value"/><m:properties>`) {
			t.Errorf("%v, want %s\n%s", err, test.atom, text)
		}
	}
	q := Query{Expand: []string{"Owner", "Rows"}}
	rec := httptest.NewRecorder()
	w := Writer{Root: "http://x/api/v1", JSON: true}
	w.Entity(rec, 200, media(), q)
	for _, want := range []string{`"Owner":{"__metadata":{"id":"http://x/api/v1/Rows('A')"`, `"Rows":{"results":[{"__metadata":`} {
		if !strings.Contains(rec.Body.String(), want) {
			t.Errorf("JSON lacks %s: %s", want, rec.Body)
		}
	}
	rec = httptest.NewRecorder()
	w.JSON = false
	w.List(rec, "Files", Page{Rows: []*Entity{media()}}, q, &url.URL{})
	text := rec.Body.String()
	if n := strings.Count(text, "<entry"); n != 5 || wellFormed(text) != nil {
		t.Errorf("Atom has %d entries, want the file, its owner and three rows:\n%s", n, text)
	}
	if !strings.Contains(text, `<d:Until m:type="Edm.DateTimeOffset">2020-04-01T12:00:00Z</d:Until>`) {
		t.Errorf("Atom: %s", text)
	}
}

func TestTypesOfPropertiesAreFiltered(t *testing.T) {
	for filter, want := range map[string]int{
		"Size eq 7": 1, "Size gt 7": 0, "Until eq datetime'2020-04-01T12:00:00'": 1, "Until lt datetime'2020-04-01T12:00:00'": 0,
	} {
		f, err := ParseFilter(filter)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := Matching(&Query{Filter: f, Top: 0}, media(), []*Entity{media()}); n != want || err != nil {
			t.Errorf("%s: %d %v, want %d", filter, n, err, want)
		}
	}
}

func TestCheck(t *testing.T) {
	for _, test := range []struct {
		q    Query
		want string
	}{
		{Query{Expand: []string{"Owner", "Else"}, Select: []string{"Size", "Until"}}, ""},
		{Query{Expand: []string{"Size"}}, `$expand: File has no navigation property "Size"`},
		{Query{Expand: []string{"Owner/Runs"}}, `expands one step only`},
		{Query{Select: []string{"Nope"}}, `$select: File has no property "Nope"`},
	} {
		test.q.Top = -1
		got := ""
		if _, err := test.q.Apply(media(), []*Entity{media()}); err != nil {
			got = err.Message
		}
		if !strings.Contains(got, test.want) || (test.want == "") != (got == "") {
			t.Errorf("%+v: %q, want %q", test.q, got, test.want)
		}
	}
}

func TestParseNamed(t *testing.T) {
	got, err := ParseNamed("f", "'po' eq 'it''s'  and 'a b' eq ''")
	if d := cmp.Diff([]Named{{"po", "it's"}, {"a b", ""}}, got); d != "" || err != nil {
		t.Errorf("%v\n%s", err, d)
	}
	for _, text := range []string{"", "po eq '1'", "'po'", "'po' eq", "'po' eq 1", "'po' ne '1'", "'po' eq '1", "'po' eq '1' or 'b' eq '2'", "'po' eq '1' and", "'po' eq '1' 'b'"} {
		if got, err := ParseNamed("f", text); err == nil || err.Status != 400 || err.Message == "" {
			t.Errorf("%q: %v %v", text, got, err)
		}
	}
}

func FuzzParseNamed(f *testing.F) {
	f.Add("'po' eq '123'")
	f.Add("'a''b' eq '' and 'c' eq 'd'")
	f.Fuzz(func(t *testing.T, text string) {
		all, err := ParseNamed("f", text)
		if (err == nil) != (len(all) > 0) {
			t.Fatalf("%q: %v %v", text, all, err)
		}
		var again []string
		for _, n := range all {
			again = append(again, Key(n.Name)+" eq "+Key(n.Value))
		}
		if err != nil {
			return
		}
		if back, err := ParseNamed("f", strings.Join(again, " and ")); err != nil || !cmp.Equal(all, back) {
			t.Errorf("%q is read as %v, and that as %v: %v", text, all, back, err)
		}
	})
}
