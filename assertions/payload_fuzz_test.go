package assertions

import (
	"encoding/xml"
	"hash/maphash"
	"io"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// FuzzXML: a body is refused at a place within it, or is the document that
// encoding/xml reads: its elements, their names and all of its text.
func FuzzXML(f *testing.F) {
	for _, s := range []string{
		orderXML, "<a/>", "<a>x<b/>y<![CDATA[z]]><!-- c -->w<?p i?></a>", "<a", "<a></b>", "<p:a/>", "<a b='1' b='2'/>", "\ufeff<a>&#228;&lt;</a>",
		"<?xml version='1.0' encoding='iso-8859-1'?><a>\xe4</a>", "\xff\xfe<\x00a\x00/\x00>\x00", "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
		"<!DOCTYPE a SYSTEM 'x'><a/>", "<a xmlns='u'><b xmlns=''/><c/></a>", "<p:a xmlns:p='u'><p:a xmlns:p='v'/><p:a/></p:a>", "<a>]]></a>", "<a/><b/>", "x<a/>", "<a/>x",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		tree, mistake := parseXML(s)
		if mistake != nil {
			if mistake.line < 1 || mistake.column < 1 || mistake.message == "" || strings.ContainsAny(mistake.message, "\n\r") {
				t.Fatalf("%+v", mistake)
			}
			if shown := whatIsNotXML(s, mistake, nil); shown == "" || strings.ContainsAny(shown, "\n\r") {
				t.Fatalf("%q", shown)
			}
			return
		}
		if strings.HasPrefix(s, "\xff\xfe") || strings.HasPrefix(s, "\xfe\xff") || strings.Contains(strings.ToLower(s), "encoding") {
			return
		}
		names, text := readXML(t, decodeText(s, ""))
		var found []string
		for i := range tree.nodes {
			if tree.nodes[i].kind == xmlElement {
				n := tree.nameOf(int32(i))
				found = append(found, "{"+n.space+"}"+n.local)
			}
		}
		if d := cmp.Diff(names, found); d != "" {
			t.Fatalf("%q: %s", s, d)
		}
		if got := tree.value(tree.element()); got != text {
			t.Fatalf("%q: text %q, want %q", s, got, text)
		}
		for i := range tree.nodes {
			checkLinks(t, tree, int32(i))
		}
	})
}

// readXML reads the names of all elements and all text within the outermost.
func readXML(t *testing.T, s string) (names []string, text string) {
	d := xml.NewDecoder(strings.NewReader(s))
	var b strings.Builder
	depth := 0
	for {
		tok, err := d.Token()
		if err == io.EOF {
			return names, b.String()
		}
		if err != nil {
			t.Fatalf("%q: taken, and encoding/xml refuses it: %v", s, err)
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			depth++
			names = append(names, "{"+tok.Name.Space+"}"+tok.Name.Local)
		case xml.EndElement:
			depth--
		case xml.CharData:
			if depth > 0 {
				b.Write(tok)
			}
		}
	}
}

// checkLinks checks that a node's neighbours know it.
func checkLinks(t *testing.T, tree *xmlTree, i int32) {
	n := &tree.nodes[i]
	if n.next > 0 && (tree.nodes[n.next].prev != i || tree.nodes[n.next].parent != n.parent) {
		t.Fatalf("node %d: its next one does not know it", i)
	}
	if n.end < i || n.next > 0 && n.end != n.next-1 || n.first > 0 && n.end < n.first {
		t.Fatalf("node %d: ends with %d", i, n.end)
	}
	if n.first > 0 && (tree.nodes[n.first].parent != i || tree.nodes[n.first].prev != 0) {
		t.Fatalf("node %d: its first child does not know it", i)
	}
}

// FuzzXPath: an expression is refused, or gives the same twice; the nodes it
// selects are as many as it counts, and its text is that of the first.
func FuzzXPath(f *testing.F) {
	for _, s := range []string{
		"//p:Line[@no='2']/c:Sku", "count(//*)", "sum(//c:Price) + 1", "/*/*[last()]", "//p:*", "//c:Sku | //c:Qty", "//*[position()=2]", "string(//c:Note)",
		"//@*", "//text()", "..", ".", "//c:b/ancestor::*", "//c:Sku/following::*", "//c:Qty/preceding-sibling::*", "not(//a)", "substring('abc', 2)", "concat('a','b')",
		"//*[contains(., 'A')]", "1 div 0", "starts-with(//a)", "//a[", "$x", "name(/*)", "translate('a','b','c')", "//*[lang('de')]", "id('x')", "-//c:Price", "boolean(1)", "matches('a','[')",
	} {
		f.Add(s)
	}
	tree, mistake := parseXML(orderXML)
	if mistake != nil {
		f.Fatal(mistake)
	}
	prefixes := map[string]string{"p": "urn:orders", "c": "urn:common"}
	f.Fuzz(func(t *testing.T, s string) {
		x, err := newXPath(s, prefixes)
		if err != nil {
			if err.Error() == "" {
				t.Fatal("refused without a reason")
			}
			return
		}
		found, err := x.run(tree)
		again, errAgain := x.run(tree)
		if (err == nil) != (errAgain == nil) || !cmp.Equal(found, again, cmp.AllowUnexported(xpathValue{}, xpathNodes{}, xmlRef{}), cmpopts.EquateNaNs()) {
			t.Fatalf("%q: %v %v, then %v %v", s, found, err, again, errAgain)
		}
		if err != nil {
			return
		}
		if found.kind != x.term.traits().kind {
			t.Fatalf("%q: %s, and %s was announced", s, found.kind, x.term.traits().kind)
		}
		v, err := x.find(tree)
		if err != nil {
			t.Fatalf("%q: found %v, then %v", s, found, err)
		}
		if found.kind == xpathNodeSet {
			checkNodes(t, tree, s, found.nodes.refs, v)
		}
		xmlNotes(tree, x, nil)
	})
}

// checkNodes: nodes are in the order of the document, each once, and the value
// is the text of the first.
func checkNodes(t *testing.T, tree *xmlTree, s string, nodes []xmlRef, v value) {
	for i, n := range nodes {
		if int(n.node) >= len(tree.nodes) || int(n.attr) >= len(tree.attrs) || i > 0 && nodes[i-1].compare(n) >= 0 {
			t.Fatalf("%q: %v", s, nodes)
		}
	}
	if (v.form == absent) != (len(nodes) == 0) || len(nodes) > 0 && v.text != tree.textOf(nodes[0]) {
		t.Fatalf("%q: the value %+v, and the nodes %v", s, v, nodes)
	}
	counted, err := newXPath("count("+s+")", map[string]string{"p": "urn:orders", "c": "urn:common"})
	if err != nil {
		return // it is too deep or too long then
	}
	if n, err := counted.find(tree); err == nil && n.text != strconv.Itoa(len(nodes)) {
		t.Fatalf("%q: %d nodes, and count() gives %s", s, len(nodes), n.text)
	}
}

// TestNavigator: the axes of XPath lead where they should.
func TestNavigator(t *testing.T) {
	tree, _ := parseXML("<r><a i='1' j='2'/>t<b><c/><d/></b><!-- x --><e/></r>")
	for x, want := range map[string]string{
		"count(//node())": "8", "count(/r/node())": "5", "count(//d/preceding::*)": "2", "count(//a/following::*)": "4", "count(//c/ancestor::*)": "2",
		"name(//c/following-sibling::*)": "d", "name(//e/preceding-sibling::*[1])": "b", "count(//a/@*)": "2",
		"count(//comment())": "1", "string(/r/text())": "t", "name(//d/..)": "b", "count(//c | //d | //c)": "2", "count(/)": "1", "name(/r/*[last()])": "e",
	} {
		e, err := newXPath(x, nil)
		if err != nil {
			t.Fatal(err)
		}
		v, err := e.find(tree)
		if err != nil || v.text != want {
			t.Errorf("%s: %q, want %q (%v)", x, v.text, want, err)
		}
	}
}

// FuzzCompare: two payloads are the same both ways or neither; what is the
// same has no differences, and what is not has some. JSON agrees with the
// equals of a matcher, and XML with itself when it is written anew.
func FuzzCompare(f *testing.F) {
	for _, s := range [][2]string{
		{`{"a":1,"b":[1,2]}`, `{"b":[1,2.0],"a":1e0}`}, {`[1,2,3]`, `[1,3]`}, {`{"a":{"b":null}}`, `{"a":{}}`}, {`{"a":1,"a":2}`, `{"a":1}`}, {`"x"`, `"y"`},
		{`[[],{},""]`, `[{},[],null]`}, {`{"a":[{"x":1},{"x":2}]}`, `{"a":[{"x":2}]}`}, {`1`, `1.0`}, {"[1", "x"},
		{`<a x="1" y="2"><b>t</b></a>`, `<a y="2" x="1"> <b> t </b></a>`}, {`<p:a xmlns:p="u"/>`, `<a xmlns="u"/>`}, {`<a><b/><c/></a>`, `<a><c/><b/></a>`},
		{`<a>x<b/>y</a>`, `<a>xy<b/></a>`}, {`<a xml:space="preserve"> </a>`, `<a/>`}, {"a\nb", "a\nc"},
		{`{"a":1,"a":2}`, `{"a":2,"a":1}`}, {`"\ud800"`, `"\ud801"`}, {`<a> <b/>x</a>`, `<a><b/> x</a>`}, {`<a>  </a>`, `<a></a>`}, {`"\ud800\udc00"`, `"𐀀"`},
	} {
		f.Add(s[0], s[1], -1, byte(0))
		f.Add(s[0], "", len(s[0])/3, byte('7'))
		f.Add(s[1], "", len(s[1])/2, byte('7'))
	}
	f.Add(`<a name="value"/>`, "", 11, byte('7'))
	f.Fuzz(func(t *testing.T, want, got string, at int, char byte) {
		if len(want)+len(got) > 4096 {
			return
		}
		if at >= 0 && at < len(want) {
			// One character of it is another.
			got = want[:at] + string(rune(char)) + want[at+1:]
		}
		there, back := differ(t, want, got), differ(t, got, want)
		if there != back {
			t.Fatalf("%q and %q: differ %v, the other way round %v", want, got, there, back)
		}
		if differ(t, want, want) {
			t.Fatalf("%q differs from itself", want)
		}
		var a, b document
		if a.parse(want) && b.parse(got) {
			tree, v := treeOfJSON(a.text, 0), fromJSON(b.text)
			if strings.Count(want, "[")+strings.Count(want, "{") < maxShownDepth && !twice(a.text) && !twice(b.text) && tree.equal(&v) == there {
				t.Fatalf("%q and %q: equal %v", want, got, !there)
			}
			return
		}
		compareTrees(t, want, got, there)
	})
}

// twice reports whether an object of a document has a name twice: of those a
// matcher sees the first.
func twice(raw string) bool {
	if raw[0] == '[' {
		for e := range elements(raw) {
			if twice(e) {
				return true
			}
		}
	}
	if raw[0] != '{' {
		return false
	}
	names := map[string]bool{}
	for name, e := range members(raw) {
		if names[name] || twice(e) {
			return true
		}
		names[name] = true
	}
	return false
}

// differ reports whether the payloads differ, by the kind of the first.
func differ(t *testing.T, want, got string) bool {
	t.Helper()
	kind := "text"
	var d document
	if d.parse(want) && d.text != "" {
		if (&document{}).parse(got) {
			kind = "json"
		}
	} else if _, m := parseXML(want); m == nil {
		if _, m := parseXML(got); m == nil {
			kind = "xml"
		}
	}
	e := folder{"w": want}.must(t, "matches-file: {file: w, as: "+kind+"}")
	failures := e.Check(&Result{Body: got}, nil)
	for _, f := range failures {
		if f.Message == "" || strings.ContainsAny(f.Message, "\n\r") || len(f.Message) > 16*maxShown || strings.Count(f.Diff, "\n") > maxDiffLines+1 {
			t.Fatalf("%q and %q: %+v", want, got, f)
		}
		if kind != "text" && f.Diff == "" {
			t.Fatalf("%q and %q: no diff: %+v", want, got, f)
		}
	}
	return len(failures) > 0
}

// compareTrees checks the hashes of XML against a comparison without them.
func compareTrees(t *testing.T, want, got string, differs bool) {
	a, mistake := parseXML(want)
	b, mistaken := parseXML(got)
	if mistake != nil || mistaken != nil {
		return
	}
	seed := maphash.MakeSeed()
	v, w := newXMLView(a, nil, false, seed), newXMLView(b, nil, false, seed)
	if same := sameElement(v, w, a.element(), b.element()); same == differs {
		t.Fatalf("%q and %q: the same: %v", want, got, same)
	}
	// What is the same with its blanks is the same without.
	v, w = newXMLView(a, nil, true, seed), newXMLView(b, nil, true, seed)
	if differs && v.hashes[a.element()] == w.hashes[b.element()] {
		t.Fatalf("%q and %q: the same when blanks count, and not when they do not", want, got)
	}
}

func sameElement(v, w *xmlView, a, b int32) bool {
	if v.tree.nameOf(a).compare(w.tree.nameOf(b)) != 0 {
		return false
	}
	as, bs := v.attributes(a), w.attributes(b)
	if len(as) != len(bs) {
		return false
	}
	for i := range as {
		if v.attrName(as[i]).compare(w.attrName(bs[i])) != 0 || v.attrValue(as[i]) != w.attrValue(bs[i]) {
			return false
		}
	}
	ps, qs := v.parts(a), w.parts(b)
	if len(ps) != len(qs) {
		return false
	}
	for i := range ps {
		if (ps[i].element == 0) != (qs[i].element == 0) || ps[i].text != qs[i].text {
			return false
		}
		if ps[i].element > 0 && !sameElement(v, w, ps[i].element, qs[i].element) {
			return false
		}
	}
	return true
}
