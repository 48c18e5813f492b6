package runner

import (
	"strings"
	"testing"

	"iflowtest/assertions"
)

// comparing gives the comparison of a payload with a file, passing over paths.
func comparing(t *testing.T, file, payload string, ignore ...string) *comparison {
	t.Helper()
	text := func(s string) assertions.Node { return assertions.Node{Kind: assertions.Text, Text: s} }
	fields := []assertions.Field{{Name: "file", Value: text(file)}}
	if len(ignore) > 0 {
		list := assertions.Node{Kind: assertions.List}
		for _, p := range ignore {
			list.Items = append(list.Items, text(p))
		}
		fields = append(fields, assertions.Field{Name: "ignore", Value: list})
	}
	block := assertions.Node{Kind: assertions.Map, Fields: []assertions.Field{{Name: "matches-file", Value: assertions.Node{Kind: assertions.Map, Fields: fields}}}}
	x := &execution{step: &step{}}
	c := x.comparison(&step{expected: &expectedFile{block: block}}, &assertions.Result{Body: payload})
	if c == nil {
		t.Fatal("the block does not compile")
	}
	return c
}

func TestKeepOfTheFormerFile(t *testing.T) {
	for name, c := range map[string]struct {
		file, former, text string
		ignore             []string
		want               string
	}{
		"a value": {
			"a.json", `{"at": "yesterday", "qty": 1}`, `{"at": "now", "qty": 2}`, []string{"at"}, `{"at": "yesterday", "qty": 2}`,
		},
		"of every element": {
			"a.json", `[{"id":"a","q":1},{"id":"b","q":2},{"id":"c","q":3}]`, `[{"q":1,"id":"x"},{"q":9,"id":"y"},{"q":3,"id":"z"}]`, []string{"#.id"},
			`[{"q":1,"id":"a"},{"q":9,"id":"b"},{"q":3,"id":"c"}]`,
		},
		"of one element": {
			"a.json", `[{"id":"a"},{"id":"b"},{"id":"c"}]`, `[{"id":"x"},{"id":"y"},{"id":"z"}]`, []string{"1.id"}, `[{"id":"x"},{"id":"b"},{"id":"z"}]`,
		},
		"the same number": {"a.json", `{"a": 1.0, "b": 2}`, `{"a": 1, "b": 3}`, nil, `{"a": 1.0, "b": 3}`},
		"a list of another length": {
			"a.json", `{"log": ["a","b"], "q": [1]}`, `{"log": ["c"], "q": [1, 2]}`, []string{"log"}, `{"log": ["a","b"], "q": [1, 2]}`,
		},
		"an object with another key": {
			"a.json", `{"h": {"a": 1, "b": 2}, "i": {"a": 1, "id": 2}, "q": 1}`, `{"h": {"a": 2, "c": 2}, "i": {"a": 2, "id": 3, "z": 1}, "q": 2}`, []string{"h", "i.id"},
			`{"h": {"a": 1, "b": 2}, "i": {"a": 2, "id": 2, "z": 1}, "q": 2}`,
		},
		"another structure":   {"a.json", `[1]`, `{"a": 1}`, nil, `{"a": 1}`},
		"a key that is twice": {"a.json", `{"a": 1, "a": 2}`, `{"a": 2, "b": 3}`, []string{"a"}, `{"a": 2, "b": 3}`},
		"broken":              {"a.json", `{"a": 1`, `{"a": 1}`, nil, `{"a": 1}`},
		"xml": {
			"a.xml", "<r><at>yesterday</at><o id='1' n=\"x\"><q>1</q></o><e/></r>", "<r><at>now</at><o id='2' n=\"y\"><q>2</q></o><e/></r>", []string{"//at", "//o/@id"},
			"<r><at>yesterday</at><o id='1' n=\"y\"><q>2</q></o><e/></r>",
		},
		"xml that is empty": {
			"a.xml", "<r><at>yes &amp; no</at><q>1</q></r>", "<r><at/><q>2</q></r>", []string{"//at"}, "<r><at>yes &amp; no</at><q>2</q></r>",
		},
		"xml of another structure": {
			"a.xml", "<r><h><a/></h><q>1</q></r>", "<r><h><b/><c/></h><q>2</q></r>", []string{"//h"}, "<r><h><a/></h><q>2</q></r>",
		},
		"xml with prefixes that are not declared": {
			"a.xml", "<x:r xmlns:x='u'><x:at>1</x:at><x:q>1</x:q></x:r>", "<y:r xmlns:y='u'><y:at>2</y:at><y:q>2</y:q></y:r>", []string{"//*[local-name()='at']"},
			"<y:r xmlns:y='u'><y:at>2</y:at><y:q>2</y:q></y:r>",
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := comparing(t, c.file, c.text, c.ignore...).keep(c.former, c.text)
			if got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if !comparing(t, c.file, c.text, c.ignore...).same(got) {
				t.Errorf("the payload is not that of %s", got)
			}
		})
	}
}

// The work is bounded, and what was not tried is as it came.
func TestKeepOfTheFormerFileIsBounded(t *testing.T) {
	var former, text strings.Builder
	former.WriteString(`[`)
	text.WriteString(`[`)
	for range 2000 {
		former.WriteString(`{"a":1,"b":2},`)
		text.WriteString(`{"a":2,"b":3},`)
	}
	former.WriteString(`{"a":1,"b":2}]`)
	text.WriteString(`{"a":2,"b":2}]`)
	c := comparing(t, "a.json", text.String(), "#.b")
	if got, want := c.keep(former.String(), text.String()), strings.ReplaceAll(text.String(), `"b":3`, `"b":2`); got != want {
		t.Errorf("what is ignored is not kept")
	}
	if c.tests > maxKeepTests {
		t.Errorf("%d comparisons", c.tests)
	}
}

func TestIndentXML(t *testing.T) {
	for text, want := range map[string]string{
		"<?xml version='1.0' encoding='UTF-8'?><r><a>1</a><!-- c --><b x='>'><c/><d></d></b><e> </e><?p i?></r>": "<?xml version='1.0' encoding='UTF-8'?>\n<r>\n  <a>1</a>\n  <!-- c -->\n  <b x='>'>\n    <c/>\n    <d></d>\n  </b>\n  <e> </e>\n  <?p i?>\n</r>\n",
		"<p>mixed <b>text</b> here</p>":                          "<p>mixed <b>text</b> here</p>\n",
		"<r><p>mixed <b><c/></b></p><a><b/></a></r>":             "<r>\n  <p>mixed <b><c/></b></p>\n  <a>\n    <b/>\n  </a>\n</r>\n",
		"<r><a xml:space='preserve'><b/> <c/></a><d/></r>":       "<r>\n  <a xml:space='preserve'><b/> <c/></a>\n  <d/>\n</r>\n",
		"<r><a><![CDATA[ ]]><b/></a></r>":                        "<r>\n  <a><![CDATA[ ]]><b/></a>\n</r>\n",
		"<r>\n<a/></r>":                                          "",
		"<?xml version='1.0' encoding='ISO-8859-1'?><r><a/></r>": "",
		"<r><a></r>": "", "{}": "", "": "", "text": "",
		"<!DOCTYPE r><r><a/></r>": "",
	} {
		got, ok := indentXML(text)
		if got != want || ok != (want != "") {
			t.Errorf("%s: got %t %q, want %q", text, ok, got, want)
		}
		if ok && !comparing(t, "a.xml", text).same(got) {
			t.Errorf("%s: the lines are a difference", text)
		}
	}
}

func FuzzKeep(f *testing.F) {
	f.Add(`{"a":1,"b":[1,2]}`, `{"a":2,"b":[1,3]}`, "a.json")
	f.Add(`<r a="1"><b>c</b></r>`, `<r a='2'><b>d</b></r>`, "a.xml")
	f.Add(`<r><![CDATA[<a>]]></r>`, `<r/>`, "a.xml")
	f.Fuzz(func(t *testing.T, former, text, file string) {
		if file != "a.json" && file != "a.xml" {
			return
		}
		c := comparing(t, file, text)
		if !c.same(text) {
			return // neither JSON nor XML
		}
		if got := c.keep(former, text); !comparing(t, file, text).same(got) {
			t.Errorf("%q in %q gives %q, which is another document", former, text, got)
		}
		if lines, ok := indentXML(text); ok {
			if again, more := indentXML(lines); more && again != lines {
				t.Errorf("%q has lines %q, and then %q", text, lines, again)
			}
		}
	})
}
