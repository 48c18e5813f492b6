package assertions

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// folder is the payload files of a test.
type folder map[string]string

func (f folder) read(path string) ([]byte, error) {
	s, ok := f[path]
	if !ok {
		return nil, &FileError{Code: "bad-file", Message: fmt.Sprintf("no file %q", path), Hints: []string{"look again"}, Missing: true}
	}
	return []byte(s), nil
}

func (f folder) compile(t testing.TB, source string) (*Expectation, []Problem) {
	t.Helper()
	return Compile(parseNode(t, source), Options{Subjects: allSubjects(), ReadFile: f.read})
}

func (f folder) must(t testing.TB, source string) *Expectation {
	t.Helper()
	e, problems := f.compile(t, source)
	if len(problems) > 0 {
		t.Fatalf("%s: %+v", source, problems)
	}
	return e
}

func TestMatchesFile(t *testing.T) {
	const (
		asJSON = "matches-file: {file: want.json"
		asXML  = "namespaces: {o: 'urn:o'}\nmatches-file: {file: want.xml"
		asText = "matches-file: {file: want.txt"
	)
	tests := []struct {
		name, expect, want, got string
		message                 string // "" when it holds
	}{
		{"order of keys, blanks, numbers", asJSON, `{"a": 10.0, "b": [1, 2.50], "c": {"d": null}}`, "\ufeff{\"c\":{\"d\":null},\n\"b\":[1.0,2.5e0],\"a\":10}", ""},
		{"escapes", asJSON, `{"a":"é\/"}`, `{"a":"\u00e9/"}`, ""},
		{"value", asJSON, `{"a":{"b":[{"c":1},{"c":2}]}}`, `{"a":{"b":[{"c":1},{"c":3}]}}`, "want.json: a.b.1.c: want 2, got 3"},
		{"type", asJSON, `{"a":1}`, `{"a":"1"}`, `want.json: a: want 1, got "1"`},
		{"large numbers", asJSON, `{"a":90071992547409931}`, `{"a":90071992547409932}`, `want.json: a: want 90071992547409931, got 90071992547409932`},
		{"missing", asJSON, `{"a":1,"b":null}`, `{"a":1}`, `want.json: b: want null, got nothing`},
		{"extra", asJSON, `{"a":1}`, `{"a":1,"x.y":{"z":1}}`, `want.json: x\.y: want nothing, got {"z":1}`},
		{"two", asJSON, `{"a":1,"b":1}`, `{"a":2,"b":2}`, `want.json: a: want 1, got 2, and 1 more difference`},
		{"order of elements", asJSON, `[1,2]`, `[2,1]`, `want.json: 0: want 1, got nothing, and 1 more difference`},
		{"inserted", asJSON, `[{"a":1},{"a":2},{"a":3}]`, `[{"a":1},{"a":9},{"a":2},{"a":3}]`, `want.json: 1: want nothing, got {"a":9}`},
		{"removed", asJSON, `[1,2,3,4]`, `[1,2,4]`, `want.json: 2: want 3, got nothing`},
		{"document", asJSON, `[1]`, `{"a":1}`, `want.json: @this: want [1], got {"a":1}`},
		{"ignored", asJSON + ", ignore: [created, 'lines.#.id', 'meta.*.at', 'list.#', '@dig:etag']", `{"created":1,"lines":[{"id":1,"x":1},{"x":2}],"meta":{"a":{"at":1}},"list":[1,2],"d":{"e":{"etag":1}}}`,
			`{"lines":[{"x":1},{"id":7,"x":2}],"meta":{"a":{"at":2}},"list":[],"etag":5,"d":{"e":{"etag":2}}}`, ""},
		{"ignored, and something else", asJSON + ", ignore: ['lines.#.id']", `{"lines":[{"id":1,"x":1}]}`, `{"lines":[{"id":2,"x":2}]}`, "want.json: lines.0.x: want 1, got 2"},
		{"element ignored", asJSON + ", ignore: ['a.1']", `{"a":[1,2,3]}`, `{"a":[1,9,3]}`, ""},
		{"name twice", asJSON, `{"a":1}`, `{"a":1,"a":2}`, `want.json: a: want nothing, got 2 (the name stands there 2 times)`},
		{"name twice, and wanted once more", asJSON, `{"a":1,"b":1,"a":2}`, `{"b":1,"a":1}`, `want.json: a: want 2 (the name stands there 2 times), got nothing`},
		{"name twice in both", asJSON, `{"a":1,"b":1,"a":2}`, `{"b":1,"a":1,"a":2}`, ""},
		{"name twice, the other way round", asJSON, `{"a":1,"a":2}`, `{"a":2,"a":1}`, `want.json: a: want 1, got 2, and 1 more difference`},
		{"name twice, in a large object", asJSON, `{"0":0,"1":1,"2":2,"3":3,"4":4,"5":5,"6":6,"7":7,"8":8,"9":9,"10":0,"11":1,"12":2,"13":3,"14":4,"15":5,"16":6}`,
			`{"0":0,"1":1,"2":2,"3":3,"4":4,"5":5,"6":6,"7":7,"8":8,"9":9,"10":0,"11":1,"12":2,"13":3,"14":4,"15":5,"16":6,"3":3}`, `want.json: 3: want nothing, got 3 (the name stands there 2 times)`},
		{"name twice, ignored", asJSON + ", ignore: [a]", `{"a":1}`, `{"a":1,"a":2}`, ""},
		{"half a pair", asJSON, `{"a":"x\ud800","b":"\ud83d\ude00"}`, `{"a":"x\ud801","b":"😀"}`, `want.json: a: want "x\ud800", got "x\ud801"`},
		{"half a pair, the same", asJSON, `{"a":"\\\ud800\ud800\udc00\uDFFF"}`, `{"a":"\\\uD800𐀀\udfff"}`, ""},
		{"half a pair, and what replaces it", asJSON, `"\ufffd"`, `"\ud800"`, `want.json: @this: want "�", got "\ud800"`},
		{"half a pair in a name", asJSON, `{"\ud800":1}`, `{"\ud801":1}`, `want.json: "\ud800": want 1, got nothing, and 1 more difference`},
		{"HTML", asJSON, `{}`, `<html><title>Log on</title></html>`, `want JSON like want.json, got an HTML page with the title "Log on"`},
		{"long texts", asJSON, `{"a":"` + strings.Repeat("x", 300) + `1"}`, `{"a":"` + strings.Repeat("x", 300) + `2"}`,
			`want.json: a: want …"xxxxxxxxxxxxxxxxxxxx1" (301 characters), got …"xxxxxxxxxxxxxxxxxxxx2" (301 characters)`},

		{"prefixes, attributes, blanks, comments", asXML, `<p:a xmlns:p="urn:o" x="1" y="2"><p:b>t</p:b><c xmlns=""/></p:a>`,
			"<?xml version='1.0'?><!-- c --><a xmlns='urn:o' y='2' x='1'>\n  <b> <![CDATA[t]]>\n</b><!-- c -->\n  <c xmlns=''></c>\n</a>\n", ""},
		{"text", asXML, `<a><b>1</b><b>2</b></a>`, `<a><b>1</b><b>3</b></a>`, `want.xml: /a/b[2]: want "2", got "3"`},
		{"mixed", asXML, `<a>x<b/>y</a>`, `<a>x<b/>z</a>`, `want.xml: /a/text(): want "y", got "z"`},
		{"attribute", asXML, `<a i="1"/>`, `<a i="2"/>`, `want.xml: /a/@i: want "1", got "2"`},
		{"attribute missing", asXML, `<a><b i="1"/></a>`, `<a><b/></a>`, `want.xml: /a/b/@i: want "1", got nothing`},
		{"attribute extra", asXML, `<a/>`, `<a xmlns:p="urn:o" p:i="1"/>`, `want.xml: /a/@p:i: want nothing, got "1"`},
		{"namespace", asXML, `<a xmlns="urn:o"/>`, `<a xmlns="urn:p"/>`, `want.xml: /: want <a> of the namespace urn:o, got <a> of the namespace urn:p`},
		{"element missing", asXML, `<a><b/><c>1</c></a>`, `<a><b/></a>`, `want.xml: /a/c: want <c>1</c>, got nothing`},
		{"element extra", asXML, `<a><b/></a>`, `<a><x k="v">1</x><b/></a>`, `want.xml: /a/x: want nothing, got <x k="v">1</x>`},
		{"blanks preserved", asXML, `<a xml:space="preserve"><b> t</b></a>`, `<a xml:space="preserve"><b>t</b></a>`, `want.xml: /a/b: want " t", got "t"`},
		{"xsi:type", asXML, `<a xmlns:x="http://www.w3.org/2001/XMLSchema-instance" xmlns:t="urn:t" x:type="t:T"/>`, `<a xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:q="urn:t" xsi:type="q:T"/>`, ""},
		{"XML ignored", asXML + ", ignore: ['//o:id', '//@at', '/o:a/o:t/text()']", `<a xmlns="urn:o" at="1"><id>1</id><t>x</t><u at="2"/></a>`, `<p:a xmlns:p="urn:o"><p:t>y</p:t><p:u at="3"/></p:a>`, ""},
		{"XML ignored, and something else", asXML + ", ignore: ['//o:id']", `<a xmlns="urn:o"><id>1</id><t>x</t></a>`, `<a xmlns="urn:o"><id>2</id><t>y</t></a>`, `want.xml: /a/t: want "x", got "y"`},
		{"malformed", asXML, `<a/>`, `<a>`, `want XML like want.xml, got text that is not XML (line 1:4: the document ends within <a>): "<a>"`},

		{"blanks around a value", asXML, `<a><b>A100</b></a>`, `<a><b> A100</b></a>`, ""},
		{"blanks around a value, strict", asXML + ", whitespace: strict", `<a><b>A100</b></a>`, `<a><b> A100</b></a>`, `want.xml: /a/b: want "A100", got " A100"`},
		{"blanks alone, strict", asXML + ", whitespace: strict", `<a><b></b></a>`, `<a><b>  </b></a>`, `want.xml: /a/b: want "", got "  "`},
		{"indentation, strict", asXML + ", whitespace: strict", `<a><b>1</b><c/></a>`, "<a>\n  <b>1</b>\n  <!-- c -->\n  <c/>\n</a>", ""},
		{"mixed, strict", asXML + ", whitespace: strict", `<a>x <b/>y</a>`, `<a>x<b/> y</a>`, `want.xml: /a/text(): want "x ", got "x", and 1 more difference`},
		{"indentation around what is ignored, strict", asXML + ", whitespace: strict, ignore: [//b]", `<a><b>1</b></a>`, "<a>\n <b>2</b>\n</a>", ""},
		{"blanks that are none of XML", asXML, "<a>\u00a0</a>", "<a></a>", `want.xml: /a/text(): want "\u00a0", got nothing`},
		{"blanks within a value", asXML, `<a>x  y</a>`, `<a>x y</a>`, `want.xml: /a/text(): want "x  y", got "x y"`},
		{"value split by comments", asXML, `<a>topsecretpin1</a>`, `<a>top<!-- -->secret<?p?><![CDATA[pin]]>1</a>`, ""},

		{"text, ends of lines, strict", asText + ", whitespace: strict", "a\nb\n", "a\r\nb\n", `want.txt: line 1: want "a", got "a\r"`},
		{"text, ends of lines, as text", asText + ", as: text, whitespace: ignore", "a\nb\n", "a\r\nb", ""},
		{"text, ends of lines", asText, "a\r\nb\r\n", "a\nb", ""},
		{"text line", asText, "a\nb\nc\n", "a\nx\nc\n", `want.txt: line 2: want "b", got "x"`},
		{"text longer", asText, "a\n", "a\nb\n", `want.txt: line 2: want nothing, got "b"`},
		{"text exact", asText + ", as: text", "a\n", "a", `want.txt: line 2: want "", got nothing`},
		{"JSON as text", asJSON + ", as: text", `{"a":1}`, `{"a": 1}`, `want.json: line 1: want "{\"a\":1}", got "{\"a\": 1}"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := folder{"want.json": tt.want, "want.xml": tt.want, "want.txt": tt.want}
			e := f.must(t, tt.expect+"}")
			message := ""
			for _, f := range e.Check(&Result{Body: tt.got}, nil) {
				message = strings.TrimPrefix(f.Message, "matches-file: ")
				if !strings.HasPrefix(message, "want ") && f.Diff == "" {
					t.Errorf("no diff: %+v", f)
				}
			}
			if message != tt.message {
				t.Errorf("got  %s\nwant %s", message, tt.message)
			}
		})
	}
}

func TestPayloadDiff(t *testing.T) {
	tests := []struct{ file, want, got, diff string }{
		{"w.json", `{"id":1,"a":1,"b":2,"c":{"x":[1,2,3,4,5,6,7]},"d":4,"e":5,"f":6}`, `{"id":1,"a":1,"b":2,"c":{"x":[1,2,3,40,5,6,7,8]},"d":"4","e":5,"f":6,"g":7}`, `@@ @this
   …
   "b": 2
   "c": {"x":[1,2,3,4,5,6,7]}
-  "d": 4
+  "d": "4"
   "e": 5
   "f": 6
+  "g": 7
@@ c.x
   …
   2
   3
-  4
+  40
   5
   6
   7
+  8
`},
		{"w.xml", "<o:Order xmlns:o='urn:o'><o:Id>1</o:Id><o:Line n='1'><q>2</q></o:Line><o:Line n='2'/><o:End/></o:Order>",
			"<Order xmlns='urn:o'><Id>9</Id><Line n='1'><q xmlns=''>3</q></Line><Line n='5'/></Order>", `@@ /o:Order
-  <o:Id> "1"
+  <o:Id> "9"
   <o:Line n="1"><q>2</q></o:Line>
   <o:Line n="2"/>
-  <o:End/>
@@ /o:Order/o:Line[1]
-  <q> "2"
+  <q> "3"
@@ /o:Order/o:Line[2]
-  @n="2"
+  @n="5"
`},
		{"w.txt", "a\nb\nc\n", "a\nx\nc\n", "--- want\n+++ got\n@@ -1,3 +1,3 @@\n a\n-b\n+x\n c\n"},
	}
	for _, tt := range tests {
		e := folder{tt.file: tt.want}.must(t, "matches-file: "+tt.file)
		f := e.Check(&Result{Body: tt.got}, nil)
		if len(f) != 1 {
			t.Fatal(f)
		}
		if d := cmp.Diff(tt.diff, f[0].Diff); d != "" {
			t.Errorf("%s: %s\n%s", tt.file, d, f[0].Diff)
		}
	}
}

// TestManyDifferences: what is told of documents with nothing in common is
// bounded, and says how much there is.
func TestManyDifferences(t *testing.T) {
	var a, b []string
	for i := range 5000 {
		a, b = append(a, fmt.Sprintf(`{"id":%d}`, i)), append(b, fmt.Sprintf(`{"id":%d}`, -i-1))
	}
	wide := func(s []string) string { return "[" + strings.Join(s, ",") + "]" }
	tags := func(s []string) string { return "<a><b>" + strings.Join(s, "</b><b>") + "</b></a>" }
	for file, of := range map[string]func([]string) string{"w.json": wide, "w.xml": tags} {
		e := folder{file: of(a)}.must(t, "matches-file: "+file)
		f := e.Check(&Result{Body: of(b)}, nil)
		if len(f) != 1 || !strings.HasSuffix(f[0].Message, "and 4999 more differences") {
			t.Fatalf("%+v", f)
		}
		if n := strings.Count(f[0].Diff, "\n"); n > maxDiffLines+1 || !strings.Contains(f[0].Diff, " more lines") {
			t.Errorf("%s: %d lines", file, n)
		}
		if n := len(f[0].Notes); n != maxDifferences || f[0].Notes[n-1] != "4980 more differences" {
			t.Errorf("%s: %d notes: %s", file, n, f[0].Notes[n-1])
		}
	}
}

func TestExpectedFileProblems(t *testing.T) {
	files := folder{
		"good.json": `{}`, "bad.json": "{\n  \"a\": 1,\n  ä}", "empty.json": " \n", "bad.xml": "<a>\n<b></a>",
		"bomb.xml": `<!DOCTYPE a [<!ENTITY b "c">]><a/>`, "plain": "{not json", "sniffed": "<a><b/></a>",
	}
	tests := []struct {
		expect, code, message string
		hints                 int
		updatable             bool
	}{
		{"matches-file: good.json", "", "", 0, true},
		{"matches-file: plain", "", "", 0, true},
		{"matches-file: none.json", "bad-file", `no file "none.json"`, 1, true},
		{"matches-file: bad.json", "bad-file", `bad.json:3:3: not JSON: unexpected 'ä'`, 0, true},
		{"matches-file: empty.json", "bad-file", "empty.json is empty, and JSON was due", 0, true},
		{"matches-file: bad.xml", "bad-file", "bad.xml:2:4: not XML: </a> where </b> was due", 0, true},
		{"matches-file: bomb.xml", "bad-file", "bomb.xml:1:1: not XML: the document type declares entities, which are refused: they could load files or grow without end", 0, true},
		{"matches-file: {file: plain, as: json}", "bad-file", "plain:1:2: not JSON: invalid character 'n' looking for beginning of object key string", 0, true},
		{"matches-file: {file: sniffed, ignore: [a.b]}", "", "", 0, false},
		{"matches-file: {file: good.json, ignore: ['a.#(b==1)']}", "invalid-path", "", 1, false},
	}
	for _, tt := range tests {
		t.Run(tt.expect, func(t *testing.T) {
			_, problems := files.compile(t, tt.expect)
			if tt.code == "" {
				if tt.updatable && problems != nil {
					t.Error(problems)
				}
				return
			}
			if len(problems) != 1 || problems[0].Code != tt.code || (tt.message != "" && problems[0].Message != tt.message) || len(problems[0].Hints) != tt.hints || problems[0].Place == 0 {
				t.Errorf("%+v", problems)
			}
			_, problems = Compile(parseNode(t, tt.expect), Options{Subjects: allSubjects(), ReadFile: files.read, UpdateExpected: true})
			if (len(problems) == 0) != tt.updatable {
				t.Errorf("with update: %+v", problems)
			}
		})
	}
}

func TestUpdateExpected(t *testing.T) {
	compile := func(t *testing.T, files folder, expect string) *Expectation {
		e, problems := Compile(parseNode(t, expect), Options{Subjects: allSubjects(), ReadFile: files.read, UpdateExpected: true})
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		return e
	}
	tests := []struct {
		name, expect, file, want, body string
		written                        string // "" for nothing
		note                           string // of a failure
	}{
		{"same", "matches-file: w.json", "w.json", `{"a":1}`, `{ "a" : 1 }`, "", ""},
		{"JSON", "matches-file: w.json", "w.json", `{"a":1}`, `{"b":[1],"a":2.50}`, "{\n  \"b\": [\n    1\n  ],\n  \"a\": 2.50\n}\n", ""},
		{"JSON as it is", "matches-file: w.json", "w.json", `{"a":1}`, "{\"a\":\n2}", "{\"a\":\n2}", ""},
		{"XML", "matches-file: w.xml", "w.xml", `<a/>`, `<a><b/></a>`, `<a><b/></a>`, ""},
		{"text", "matches-file: w.txt", "w.txt", `a`, "b\r\n", "b\r\n", ""},
		{"ignored only", "matches-file: {file: w.json, ignore: [a]}", "w.json", `{"a":1}`, `{"a":2}`, "", ""},
		{"missing", "matches-file: w.json", "", "", `{"a":1}`, "{\n  \"a\": 1\n}\n", ""},
		{"broken", "matches-file: w.json", "w.json", "{", `{"a":1}`, "{\n  \"a\": 1\n}\n", ""},
		{"not JSON", "matches-file: w.json", "w.json", `{"a":1}`, `<html/>`, "", "-"},
		{"missing, not JSON", "matches-file: w.json", "", "", `<html/>`, "", "-"},
		{"other failure", "status: 200\nmatches-file: w.json", "w.json", `{"a":1}`, `{"a":2}`, "", "w.json is not updated: other assertions of the step do not hold"},
		{"secret", "matches-file: w.json", "w.json", `{"a":1}`, `{"a":"geheim"}`, "", "w.json is not updated: the payload holds a secret, which belongs in no file"},
		{"read only", "matches-file: ro.json", "ro.json", `{"a":1}`, `{"a":2}`, "", "ro.json is not updated: disk is full"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			files := folder{}
			if tt.file != "" {
				files[tt.file] = tt.want
			}
			written := map[string]string{}
			e := compile(t, files, tt.expect)
			f := e.Check(&Result{
				Body: tt.body, Hide: func(s string) string { return strings.ReplaceAll(s, "geheim", "***") },
				Update: func(file string, content []byte) error {
					if file == "ro.json" {
						return errors.New("disk is full")
					}
					written[file] = string(content)
					return nil
				},
			}, nil)
			want := map[string]string{}
			if tt.written != "" {
				want[strings.TrimPrefix(tt.expect, "matches-file: ")] = tt.written
			}
			if d := cmp.Diff(want, written); d != "" {
				t.Error(d)
			}
			if (tt.note != "") != (len(f) > 0) {
				t.Fatalf("%+v", f)
			}
			if len(tt.note) > 1 {
				last := f[len(f)-1]
				if last.Notes[len(last.Notes)-1] != tt.note {
					t.Errorf("%+v", last)
				}
			}
			for _, x := range f {
				if s := x.Message + x.Diff + strings.Join(x.Notes, ""); strings.Contains(s, "geheim") {
					t.Error(s)
				}
			}
		})
	}
}

// TestCheckFiles: what rows of data name is checked before the run.
func TestCheckFiles(t *testing.T) {
	files := folder{"1.json": `{}`, "2.json": `{`, "s.json": `{"type":"x"}`}
	o := Options{Subjects: allSubjects(), ReadFile: files.read}
	e, _ := Compile(parseNode(t, "matches-file: {file: $0, ignore: ['a.b']}\nschema: $1\n"), o)
	for _, tt := range []struct {
		values []any
		want   []string
	}{
		{[]any{"1.json", "1.json"}, nil},
		{[]any{"1.json"}, nil},
		{[]any{"2.json", "s.json"}, []string{"2.json:1:1: not JSON: unexpected end of JSON input", `schema: s.json:1:9: type: want one of the alternatives, got "x"`}},
		{[]any{"3.json", "3.json"}, []string{`no file "3.json"`, `no file "3.json"`}},
	} {
		var got []string
		for _, p := range e.CheckFiles(o, values(tt.values...)) {
			got = append(got, p.Message)
			if p.Place == 0 {
				t.Errorf("%+v", p)
			}
		}
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Error(d)
		}
	}
	o.UpdateExpected = true
	if p := e.CheckFiles(o, values("3.json", "1.json")); p != nil {
		t.Error(p)
	}
}

// TestLargeText: of texts that are too large for a diff, the first line that
// differs is shown with its neighbours.
func TestLargeText(t *testing.T) {
	want := strings.Repeat("line\n", 300_000)
	got := want[:500_000] + "x" + want[500_000:]
	f := folder{"w.txt": want}.must(t, "matches-file: w.txt").Check(&Result{Body: got}, nil)
	if len(f) != 1 || f[0].Diff != "@@ line 100001\n   …\n   \"line\"\n   \"line\"\n-  \"line\"\n+  \"xline\"\n   \"line\"\n   \"line\"\n   …\n" {
		t.Errorf("%+v", f)
	}
}

// TestAlignmentBounded: many elements that differ only at their ends.
func TestAlignmentBounded(t *testing.T) {
	list := func(end string) string {
		var items []string
		for i := range 150 {
			items = append(items, fmt.Sprintf(`{"a": [%s1], "z": "%d%s"}`, strings.Repeat("1, 2, ", 4000), i, end))
		}
		return "[" + strings.Join(items, ",") + "]"
	}
	start := time.Now()
	f := folder{"w.json": list("")}.must(t, "matches-file: w.json").Check(&Result{Body: strings.ReplaceAll(list("x"), ", ", ",")}, nil)
	if len(f) != 1 || !strings.HasSuffix(f[0].Message, "and 149 more differences") {
		t.Errorf("%.300v", f)
	}
	if d := time.Since(start); d > 10*time.Second {
		t.Errorf("took %v", d)
	}
}

// TestFileComputed: paths that are known only when a step has run.
func TestFileComputed(t *testing.T) {
	files := folder{"1.json": `{"a":1,"id":1}`, "x.xml": `<a xmlns="urn:x"><id/></a>`}
	e := files.must(t, "matches-file: {file: $0, ignore: [$1]}\nnamespaces: {p: $2}\n")
	for _, tt := range []struct {
		values  []any
		body    string
		message string
	}{
		{[]any{"1.json", "id", "urn:x"}, `{"a":1}`, ""},
		{[]any{"x.xml", "//p:id", "urn:x"}, `<a xmlns="urn:x"/>`, ""},
		{[]any{"x.xml", "//p:id", "urn:y"}, `<a xmlns="urn:x"/>`, "matches-file: x.xml: /a/id: want <id/>, got nothing"},
		{[]any{"2.json", "id", "urn:x"}, `{"a":1}`, `matches-file: no file "2.json"`},
		{[]any{"1.json", "a..b", "urn:x"}, `{"a":1}`, `matches-file: ignore: "a..b" has an empty component`},
		{[]any{nil, "id", "urn:x"}, `{"a":1}`, "matches-file: want the path of a file, found null"},
	} {
		message := ""
		for _, f := range e.Check(&Result{Body: tt.body}, values(tt.values...)) {
			message = f.Message
		}
		if message != tt.message {
			t.Errorf("%v: %s", tt.values, message)
		}
	}
}

func TestPayloadSecrets(t *testing.T) {
	hide := func(s string) string { return strings.ReplaceAll(s, "geheim", "***") }
	tests := []struct{ file, want, got string }{
		{"w.json", `{"geheim":1,"a":"geheim","b":["x"],"c":"geheim2"}`, `{"a":"x geheim","b":["geheim",{"k":"geheim"}],"c":"geheim3"}`},
		{"w.xml", `<a geheim="1"><geheim/><b>geheim</b></a>`, `<a b="geheim"><c x="geheim">geheim</c><b>x geheim</b></a>`},
		{"w.txt", "geheim\na\n", "a\ngeheim\n"},
	}
	for _, tt := range tests {
		f := folder{tt.file: tt.want}.must(t, "matches-file: "+tt.file).Check(&Result{Body: tt.got, Hide: hide}, nil)
		if len(f) != 1 {
			t.Fatal(f)
		}
		if s := f[0].Message + f[0].Diff + strings.Join(f[0].Notes, "\n") + f[0].Path + f[0].Want + f[0].Got; strings.Contains(s, "geheim") {
			t.Errorf("%s: %s", tt.file, s)
		}
	}
	// A comment splits the value in the source, and nowhere in what is shown.
	split := &Result{Body: `<a><b>ge<!-- x -->h<![CDATA[ei]]>m</b><c k="ge&#104;eim"/><d>x<?p?>geheim</d></a>`, Hide: hide}
	for _, f := range (folder{"w.xml": `<a><b>1</b></a>`}).must(t, "matches-file: w.xml\nxml: {/a/b: x, /a/c/@k: y, string(/a): z}").Check(split, nil) {
		if s := f.Message + f.Diff + strings.Join(f.Notes, "\n"); !strings.Contains(s, "***") || strings.Contains(s, "ei") {
			t.Errorf("%s", s)
		}
	}
	f := folder{"w.json": `{"a":"geheim"}`}.must(t, "matches-file: w.json").Check(&Result{Body: `{"a":"***"}`, Hide: hide}, nil)
	if len(f) != 1 || !strings.Contains(strings.Join(f[0].Notes, "\n"), "in what is hidden") {
		t.Errorf("%+v", f)
	}
}

func TestMessageLogSubjects(t *testing.T) {
	r := &Result{
		CustomHeaders: []Property{{"OrderNumber", "4711"}, {"Item", "1"}, {"Item", "2"}},
		Attachments:   []Attachment{{"payload.xml", "application/xml", "<a>A-100</a>"}},
	}
	e := mustCompile(t, `custom-headers: {OrderNumber: 4711, Item: 2, Nope: {exists: false}}
attachments: {payload.xml: {contains: A-100}, x: {exists: false}}`)
	if f := e.Check(r, nil); f != nil {
		t.Error(f)
	}
	var got []string
	for _, f := range mustCompile(t, `custom-headers: {OrderNumbr: 4711, Item: 3}
attachments: {payload: x}`).Check(r, nil) {
		got = append(got, f.Message+" | "+strings.Join(f.Notes, " | "))
	}
	want := []string{
		`custom-headers OrderNumbr: want "4711", got nothing | did you mean OrderNumber?`,
		`custom-headers Item: want "3", got "1, 2" (2 values) | `,
		`attachments payload: want "x", got nothing | there are the attachments payload.xml`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// TestUnusedIgnore: an entry of ignore that leads nowhere is told, once there
// is a difference.
func TestUnusedIgnore(t *testing.T) {
	files := folder{
		"w.json": `{"order":{"id":1,"lines":[{"id":1,"sku":"a"}]},"x":1}`,
		"w.xml":  `<o:a xmlns:o="urn:o"><o:id>1</o:id><o:x k="1">2</o:x></o:a>`,
		"n.xml":  `<a><id>1</id></a>`,
	}
	unused := func(paths ...string) []string {
		var notes []string
		for _, p := range paths {
			notes = append(notes, "ignore: "+p+" selects nothing in either document")
		}
		return notes
	}
	tests := []struct {
		expect, body string
		want         []string
	}{
		{"matches-file: {file: w.json, ignore: [orders.id, order.id, 'order.lines.#.idd', '@dig:sku', y]}", `{"order":{"lines":[{"id":1}]},"x":2,"y":1}`, unused("orders.id", "order.lines.#.idd")},
		{"matches-file: {file: w.json, ignore: [order, order.id, order.no]}", `{"x":2}`, unused("order.no")},
		{"matches-file: {file: w.json, ignore: [orders.id]}", `{"order":{"id":1,"lines":[{"id":1,"sku":"a"}]},"x":1}`, nil},
		{"matches-file: {file: w.xml, ignore: [//id, //@k]}", strings.Replace(files["w.xml"], "2", "3", 1), append(unused("//id"),
			"the document has the namespaces urn:o (prefix o)", `there is o:id in the namespace urn:o: declare that in namespaces: {o: "urn:o"}, or use local-name()`)},
		{"matches-file: {file: w.xml, ignore: [//p:id]}\nnamespaces: {p: urn:p}", strings.Replace(files["w.xml"], "2", "3", 1), append(unused("//p:id"),
			"the namespace urn:p of the prefix p is not in the document", "the document has the namespaces urn:o (prefix o)")},
		{"matches-file: {file: n.xml, ignore: [//ident]}", "<a><id>2</id></a>", unused("//ident")},
	}
	for _, tt := range tests {
		var notes []string
		for _, f := range files.must(t, tt.expect).Check(&Result{Body: tt.body}, nil) {
			for _, n := range f.Notes {
				if !strings.Contains(n, ": want ") {
					notes = append(notes, n)
				}
			}
		}
		if d := cmp.Diff(tt.want, notes); d != "" {
			t.Errorf("%s: %s", tt.expect, d)
		}
	}
}
