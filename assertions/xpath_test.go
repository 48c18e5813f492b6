package assertions

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	rowsXML = `<r xmlns:a="u"><!-- c1 --><l n="1"><q>1</q><s>aa</s></l><l n="2"><q>2.5</q><s>bb</s></l><l n="3"><q>x</q><s>cc</s></l>` +
		`<?pi data?><a:k xml:lang="en-GB">t1<b>t2</b>t3</a:k><d>1E3</d><w> a  b </w></r>`
	mixedXML = `<?top x?><!-- head --><r xmlns="urn:d" xmlns:p="urn:p" p:i="0" i="7"><p:a i="1">x<p:a i="2">y<c xmlns="" i="3" xml:lang="de-AT">z<c>w</c></c></p:a>v</p:a>` +
		`<a>-5</a><a> 12 </a><!--m--><a p:i="4">.5</a><e/></r><!-- tail -->`
)

// TestXPathAnswers: XPath 1.0, section by section, against known answers.
func TestXPathAnswers(t *testing.T) {
	tests := []struct {
		name, doc string
		answers   map[string]string // nodes: the text of each, behind each other
	}{
		{"axes", rowsXML, map[string]string{
			"/child::r/child::l/child::s":            "nodes aa|bb|cc",
			"/descendant::s":                         "nodes aa|bb|cc",
			"//l[2]/descendant-or-self::*":           "nodes 2.5bb|2.5|bb",
			"//s/parent::l/@n":                       "nodes 1|2|3",
			"//s/../..":                              "nodes 1aa2.5bbxcct1t2t31E3 a  b ",
			"name(//b/ancestor::*[1])":               "text a:k",
			"name(//b/ancestor::*[last()])":          "text r",
			"name(//b/ancestor-or-self::*[1])":       "text b",
			"count(//s/ancestor-or-self::*)":         "number 7",
			"//l[1]/following-sibling::l[1]/s":       "nodes bb",
			"//l[1]/following-sibling::l/s":          "nodes bb|cc",
			"//l[3]/preceding-sibling::l[1]/s":       "nodes bb",
			"//l[3]/preceding-sibling::l/s":          "nodes aa|bb",
			"(//l[3]/preceding-sibling::l)[1]/s":     "nodes aa",
			"//l[2]/following::s":                    "nodes cc",
			"//l[2]/preceding::s":                    "nodes aa",
			"//b/preceding::s[1]":                    "nodes cc",
			"//b/preceding::s[last()]":               "nodes aa",
			"count(//b/preceding::*)":                "number 9",
			"count(//l[2]/following::node())":        "number 15",
			"//l/attribute::n":                       "nodes 1|2|3",
			"//l[2]/attribute::*/..":                 "nodes 2.5bb",
			"//@n/ancestor::l[@n=3]/s":               "nodes cc",
			"count(//@n/following::s)":               "number 3",
			"count(//@n/self::node())":               "number 3",
			"count(//@n/self::*)":                    "number 0",
			"count(//@n/descendant-or-self::node())": "number 3",
			"count(//@*/child::node())":              "number 0",
			"count(/..)":                             "number 0",
			"count(/)":                               "number 1",
			"count(//.)":                             "number 28",
			"count(/r/node())":                       "number 8",
		}},
		{"tests", rowsXML, map[string]string{
			"count(//comment())":                        "number 1",
			"//comment()":                               "nodes  c1 ",
			"count(//processing-instruction())":         "number 1",
			"count(/r/processing-instruction('pi'))":    "number 1",
			"count(/r/processing-instruction('other'))": "number 0",
			"count(/r/processing-instruction('*'))":     "number 0",
			"//processing-instruction()":                "nodes data",
			"name(//processing-instruction())":          "text pi",
			"name(//comment())":                         "text ",
			"//a:k/text()":                              "nodes t1|t3",
			"//a:*/b":                                   "nodes t2",
			"//k":                                       "nodes ",
			"//*[self::q or self::s][1]":                "nodes 1|2.5|x",
			"(//*[self::q or self::s])[1]":              "nodes 1",
			"/r/*[last()]":                              "nodes  a  b ",
			"/r/node()[last()]":                         "nodes  a  b ",
			"//text()[.='bb']/../../@n":                 "nodes 2",
		}},
		{"conditions", rowsXML, map[string]string{
			"//l[last()]/s":                       "nodes cc",
			"//l[last()-1]/s":                     "nodes bb",
			"//l[position()=2]/@n":                "nodes 2",
			"//l[position()<3][2]/s":              "nodes bb",
			"//l[position()=last()]/@n":           "nodes 3",
			"//l[@n='1' or @n='2'][2]/s":          "nodes bb",
			"//l/s[1]":                            "nodes aa|bb|cc",
			"//s[last()]":                         "nodes aa|bb|cc",
			"(//s)[last()]":                       "nodes cc",
			"(//l)[2]/s":                          "nodes bb",
			"//l[0]":                              "nodes ",
			"//l[1.5]":                            "nodes ",
			"//l[4]":                              "nodes ",
			"//l[count(//l)]/@n":                  "nodes 3",
			"//l[number(@n)]/@n":                  "nodes 1|2|3",
			"//l[q>2]/@n":                         "nodes 2",
			"//l[s='bb']/@n":                      "nodes 2",
			"//l[not(@n='1')]/s":                  "nodes bb|cc",
			"//l[count(s)=1 and q=1]/s":           "nodes aa",
			"//*[@n][2]/s":                        "nodes bb",
			"//l[''] | //l['x']/s":                "nodes aa|bb|cc",
			"//l[preceding-sibling::l[s='bb']]/s": "nodes cc",
		}},
		{"unions", rowsXML, map[string]string{
			"//s|//q":               "nodes 1|aa|2.5|bb|x|cc",
			"(//s|//q)[1]":          "nodes 1",
			"(//s|//q)[last()]":     "nodes cc",
			"count(//l|//s|//l)":    "number 6",
			"//s[2] | //w | //l/@n": "nodes 1|2|3| a  b ",
			"(//l | //w)/s":         "nodes aa|bb|cc",
		}},
		{"names", mixedXML, map[string]string{
			"//a":                            "nodes ",
			"//d:a":                          "nodes -5| 12 |.5",
			"//p:a":                          "nodes xyzwv|yzw",
			"count(//d:*)":                   "number 5",
			"//c/@i":                         "nodes 3",
			"//@p:i":                         "nodes 0|4",
			"//@p:*":                         "nodes 0|4",
			"//@i":                           "nodes 7|1|2|3",
			"count(//@*)":                    "number 7",
			"name(//p:a)":                    "text p:a",
			"local-name(//p:a)":              "text a",
			"namespace-uri(//p:a)":           "text urn:p",
			"namespace-uri(//c)":             "text ",
			"name(/*)":                       "text r",
			"namespace-uri(/*)":              "text urn:d",
			"name(//@p:i[.=4])":              "text p:i",
			"namespace-uri(//c/@i)":          "text ",
			"local-name(/)":                  "text ",
			"//*[name()='p:a']/@i":           "nodes 1|2",
			"//*[local-name()='a'][3]":       "nodes  12 ",
			"//c/@xml:lang":                  "nodes de-AT",
			"count(/node())":                 "number 4",
			"/comment()":                     "nodes  head | tail ",
			"/processing-instruction('top')": "nodes x",
		}},
		{"text", rowsXML, map[string]string{
			"string(//*[local-name()='k'])":        "text t1t2t3",
			"string(//nope)":                       "text ",
			"string(//l)":                          "text 1aa",
			"concat('a',1,true(),//s)":             "text a1trueaa",
			"starts-with('abc','')":                "boolean true",
			"starts-with(//s,'a')":                 "boolean true",
			"contains(//w,'a  b')":                 "boolean true",
			"contains('abc','d')":                  "boolean false",
			"substring-before('1999/04','/')":      "text 1999",
			"substring-before('1999','/')":         "text ",
			"substring-after('1999/04','/')":       "text 04",
			"substring-after('1999','/')":          "text ",
			"substring-after('1999','')":           "text 1999",
			"substring('12345',2,3)":               "text 234",
			"substring('12345',2)":                 "text 2345",
			"substring('12345',1.5,2.6)":           "text 234",
			"substring('12345',0,3)":               "text 12",
			"substring('12345',0 div 0,3)":         "text ",
			"substring('12345',1,0 div 0)":         "text ",
			"substring('12345',-42,1 div 0)":       "text 12345",
			"substring('12345',-1 div 0,1 div 0)":  "text ",
			"substring('äöü€😀',4,2)":               "text €😀",
			"string-length('äöü€😀')":               "number 5",
			"string-length(//w)":                   "number 6",
			"normalize-space(//w)":                 "text a b",
			"normalize-space(' \t\r\n a\u00a0b ')": "text a\u00a0b",
			"translate('bar','abc','AB')":          "text BAr",
			"translate('--aaa--','abc-','ABC')":    "text AAA",
			"translate('aa','aa','xy')":            "text xx",
			"//a:k[lang('en')]/b":                  "nodes t2",
			"//b[lang('EN-gb')]":                   "nodes t2",
			"count(//*[lang('e')])":                "number 0",
			"count(//*[lang('en')])":               "number 2",
			"count(//@*[lang('en')])":              "number 1",
		}},
		{"numbers", rowsXML, map[string]string{
			"number('1E3')":                  "number NaN",
			"number(//d)":                    "number NaN",
			"number('+1')":                   "number NaN",
			"number('0x10')":                 "number NaN",
			"number('Infinity')":             "number NaN",
			"number('1_0')":                  "number NaN",
			"number('- 1')":                  "number NaN",
			"number('.')":                    "number NaN",
			"number('')":                     "number NaN",
			"number('\u00a01')":              "number NaN",
			"number(' 12\n')":                "number 12",
			"number('-.5')":                  "number -0.5",
			"number('1.')":                   "number 1",
			"number(true())":                 "number 1",
			"number(//l[2]/q)*2":             "number 5",
			"sum(//q)":                       "number NaN",
			"string(sum(//q))":               "text NaN",
			"sum(//q[. != 'x'])":             "number 3.5",
			"sum(//nope)":                    "number 0",
			"1 div 3":                        "number 0.3333333333333333",
			"1 div 0":                        "number Infinity",
			"-1 div 0":                       "number -Infinity",
			"string(0 div 0)":                "text NaN",
			"string(-0)":                     "text 0",
			"string(1.0)":                    "text 1",
			"string(0.1+0.2)":                "text 0.30000000000000004",
			"string(1000000000000000000000)": "text 1000000000000000000000",
			"string(0.000001)":               "text 0.000001",
			"string(123456789012)":           "text 123456789012",
			"5 mod 2":                        "number 1",
			"5 mod -2":                       "number 1",
			"-5 mod 2":                       "number -1",
			"1.5 mod 0.5":                    "number 0",
			"5 mod 0":                        "number NaN",
			"--1":                            "number 1",
			"- - -1":                         "number -1",
			"2+3*4-1":                        "number 13",
			"(2+3)*4":                        "number 20",
			"8 div 2 div 2":                  "number 2",
			"10-3-2":                         "number 5",
			"round(2.5)":                     "number 3",
			"round(-2.5)":                    "number -2",
			"round(-0.5)":                    "number 0",
			"round(0.49999999999999994)":     "number 0",
			"round('x')":                     "number NaN",
			"floor(-1.5)":                    "number -2",
			"ceiling(1.2)":                   "number 2",
			"ceiling(-1 div 0)":              "number -Infinity",
			"//l[2]/q + //l[1]/q":            "number 3.5",
		}},
		{"comparisons", rowsXML, map[string]string{
			"//q = 2.5":                     "boolean true",
			"//q != 2.5":                    "boolean true",
			"not(//q = 7)":                  "boolean true",
			"//q = 'x'":                     "boolean true",
			"'x' = //q":                     "boolean true",
			"//q > //q":                     "boolean true",
			"//q < //q":                     "boolean true",
			"//l[1]/q < //l[2]/q":           "boolean true",
			"//l[1]/q > //l[2]/q":           "boolean false",
			"//s < //s":                     "boolean false",
			"2 > //q":                       "boolean true",
			"0 > //q":                       "boolean false",
			"//nope = ''":                   "boolean false",
			"//nope != ''":                  "boolean false",
			"//nope = false()":              "boolean true",
			"//q = true()":                  "boolean true",
			"//s != //s":                    "boolean true",
			"//l[1]/s != //l[1]/s":          "boolean false",
			"count(//l[q = //q])":           "number 3",
			"'a' < 'b'":                     "boolean false",
			"'10' > 9":                      "boolean true",
			"'1.0' = 1":                     "boolean true",
			"'1.0' = '1'":                   "boolean false",
			"true() = 'x'":                  "boolean true",
			"true() > false()":              "boolean true",
			"1 = 1 = 1":                     "boolean true",
			"3 > 2 > 1":                     "boolean false",
			"0 div 0 = 0 div 0":             "boolean false",
			"1 or 1 div 0":                  "boolean true",
			"true() or false() and false()": "boolean true",
			"boolean('false')":              "boolean true",
			"boolean('')":                   "boolean false",
			"boolean(0)":                    "boolean false",
			"boolean(0 div 0)":              "boolean false",
			"boolean(//nope)":               "boolean false",
			"/r/l[1]/s = 'aa' or false()":   "boolean true",
		}},
		{"words that are names and operators", `<r><div>1</div><mod>2</mod><or>3</or><and><text>4</text></and><last-1>5</last-1><x.y>6</x.y></r>`, map[string]string{
			"/r/div div /r/mod":       "number 0.5",
			"//or or //and":           "boolean true",
			"/r/* * 2":                "number 2",
			"count(/r/*) * 2":         "number 12",
			"//and/text":              "nodes 4",
			"/r/last-1":               "nodes 5",
			"/r/x.y":                  "nodes 6",
			"//mod - 1":               "number 1",
			"/ r / div":               "nodes 1",
			"child :: r / child::div": "nodes 1",
			"//div[.=1]|//mod":        "nodes 1|2",
		}},
	}
	prefixes := map[string]string{"p": "urn:p", "d": "urn:d", "a": "u"}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tree, mistake := parseXML(tt.doc)
			if mistake != nil {
				t.Fatal(mistake)
			}
			for x, want := range tt.answers {
				e, err := newXPath(x, prefixes)
				if err != nil {
					t.Errorf("%s: %v", x, err)
					continue
				}
				if got := answer(t, e, tree); got != want {
					t.Errorf("%s: %q, want %q", x, got, want)
				}
			}
		})
	}
}

func answer(t *testing.T, x *xpathExpr, tree *xmlTree) string {
	v, err := x.run(tree)
	if err != nil {
		t.Fatal(err)
	}
	switch v.kind {
	case xpathBoolean:
		return fmt.Sprintf("boolean %t", v.truth)
	case xpathFloat:
		return "number " + xpathNumber(v.number)
	case xpathString:
		return "text " + v.text
	}
	var texts []string
	for _, n := range v.nodes.refs {
		texts = append(texts, tree.textOf(n))
	}
	return "nodes " + strings.Join(texts, "|")
}

// TestXPathRefused: what is no XPath 1.0 is found before a run, at its place,
// and says what does the work instead.
func TestXPathRefused(t *testing.T) {
	tests := []struct{ x, at, message, hint string }{
		{"//l[1", "", `want "]", found the end`, ""},
		{"//l]", "]", `want an operator or the end, found "]"`, ""},
		{"", "", "want a path, a function or a value, found the end", ""},
		{"//", "", "want the name of an element, * or a test such as text(), found the end", ""},
		{"//a b", "b", `want an operator or the end, found "b"`, ""},
		{"'a", "'a", "the quote is not closed", ""},
		{"//a[#]", "#", `there is "#", which means nothing here`, ""},
		{"count()", "count()", "count wants 1 argument, found no argument", ""},
		{"count(//a, //b)", "count(//a, //b)", "count wants 1 argument, found 2 arguments", ""},
		{"count('a')", "count('a')", "count wants a path, found text", ""},
		{"concat('a')", "concat('a')", "concat wants at least 2 arguments, found 1 argument", ""},
		{"substring('a')", "substring('a')", "substring wants 2 or 3 arguments, found 1 argument", ""},
		{"last(1)", "last(1)", "last wants no argument, found 1 argument", ""},
		{"string(1, 2)", "string(1, 2)", "string wants at most 1 argument, found 2 arguments", ""},
		{"cuont(//a)", "cuont", `there is no function "cuont"; did you mean "count"?`, ""},
		{"//a | 1", "1", "| joins paths, and here is a number", ""},
		{"1[1]", "1[", `"[" stands behind a number, which has no nodes`, ""},
		{"string(//a)/b", "string(//a)/", `"/" stands behind text, which has no nodes`, ""},
		{"//q:a", "q:a", `the prefix "q" is not declared`, "declare it in namespaces: {prefix: URI}, or use local-name()"},
		{"$x", "$x", `"$x" is a variable, and there are none in an XPath`, `compare with a variable in the matcher: {XPATH: "${NAME}"}`},
		{"matches(//a, 'b')", "matches", `"matches" is no function of XPath 1.0`, "use the operator: {PATH: {matches: REGULAR-EXPRESSION}}"},
		{"ends-with(//a, 'b')", "ends-with", `"ends-with" is no function of XPath 1.0`, "use the operator: {PATH: {ends-with: TEXT}}"},
		{"fn:lower-case(//a)", "fn:lower-case", `"lower-case" is no function of XPath 1.0`, "use translate(TEXT, 'ABC…', 'abc…'), or the operator: {PATH: {matches: '(?i)^TEXT$'}}"},
		{"fn:count(//a)", "fn:count", `there is no function "fn:count"; did you mean "count"?`, "write it without a prefix: count"},
		{"xs:date(//a)", "xs:date", `"date" is no function of XPath 1.0`, "use the operators before and after on what the path finds"},
		{"my:own(//a)", "my:own", `the function "my:own" has a prefix, and XPath 1.0 has no such functions`, ""},
		{"replace('a','b','c')", "replace", `"replace" is no function of XPath 1.0`, "use translate, substring-before and substring-after, or the operator: {PATH: {matches: REGULAR-EXPRESSION}}"},
		{"string-join(//s, ',')", "string-join", `"string-join" is no function of XPath 1.0`, "a sequence is XPath 2.0: assert its nodes one by one (PATH[1], PATH[2]) and count(PATH), or the document with matches-file"},
		{"exists(//a)", "exists", `"exists" is no function of XPath 1.0`, "use boolean(PATH), or the operator: {PATH: {exists: true}}"},
		{"if (//a) then 1 else 2", "if", `"if" is no function of XPath 1.0`, "that is XPath 2.0: use conditions in [ ], and, or and not()"},
		{"//a/string()", "string", `the function "string" stands where a step of the path was due, as in XPath 2.0`, "write string(PATH)"},
		{"//a eq 'b'", "eq", `"eq" is an operator of XPath 2.0`, "XPath 1.0 has ="},
		{"//*:a", ":", "*:NAME is XPath 2.0", "write *[local-name()='NAME']"},
		{"(1, 2)", ",", "a list in brackets is XPath 2.0", "paths are joined by |"},
		{"//a/.[1]", "[", "after . and .. there are no conditions", "write self::node()[…] or parent::node()[…]"},
		{"id('x')", "id", "not known: id needs a document type, which is not read", "select by the attribute: //*[@id='VALUE']"},
		{"count(//namespace::*)", "namespace", "not known: the axis namespace is not known", "namespace-uri(PATH) gives the namespace of an element or attribute"},
		{"//parrent::a", "parrent", `there is no axis "parrent"; did you mean "parent"?`, ""},
		{strings.Repeat("(", 300) + "1" + strings.Repeat(")", 300), "(", "expressions stand more than 200 deep in each other", ""},
		{strings.Repeat("a", maxXPathBytes+1), "", "it is longer than 4096 bytes", ""},
	}
	for _, tt := range tests {
		c := newCompiler(Options{})
		if c.xpath(tt.x, 7, "xml") != nil || len(c.problems) != 1 {
			t.Errorf("%s: %+v", tt.x, c.problems)
			continue
		}
		p := c.problems[0]
		_, message, _ := strings.Cut(strings.Replace(p.Message, " cannot be evaluated: ", " is not XPath 1.0: not known: ", 1), " is not XPath 1.0: ")
		at := string([]rune(tt.x)[p.Offset : p.Offset+p.Width])
		hint := strings.Join(p.Hints, "\n")
		if d := cmp.Diff([]string{tt.at, tt.message, tt.hint}, []string{at, message, hint}); d != "" || p.Place != 7 || p.Code != "invalid-xpath" {
			t.Errorf("%.40s: %s", tt.x, d)
		}
	}
}

// rowsOf is a document of n rows.
func rowsOf(n int) string {
	var b strings.Builder
	b.WriteString(`<p:r xmlns:p="urn:p">`)
	for i := range n {
		fmt.Fprintf(&b, "<p:row n=\"%d\"><p:name>N%d</p:name><p:t>x</p:t></p:row>\n", i, i)
	}
	b.WriteString("</p:r>")
	return b.String()
}

// TestXPathGrows: the work of an expression grows with the document, and not
// with its square.
func TestXPathGrows(t *testing.T) {
	small, _ := parseXML(rowsOf(1000))
	large, mistake := parseXML(rowsOf(4000))
	if mistake != nil {
		t.Fatal(mistake)
	}
	for _, x := range []string{
		"/p:r/p:row[last()]/p:name", "/p:r/p:row[last()-1]/p:name", "/p:r/p:row[position()=last()]", "count(//p:row/p:name | //p:row/p:t)",
		"//p:row[900]/p:name", "//p:row[@n='900']/p:name", "//p:name[.='N900']/..", "count(//p:row/following-sibling::p:row)", "count(//p:row/preceding-sibling::p:row)",
		"//p:row/following-sibling::p:row[1]/p:name", "//p:row[preceding-sibling::p:row[1]/@n = '5']", "//p:row[not(following-sibling::p:row[1])]", "count(//p:t/following::p:t)", "count(//p:t/preceding::p:t)", "count(//p:t/ancestor::*)",
		"//p:row[p:name = //p:name]", "//p:row[p:t != //p:name]", "//p:row[@n > //p:row/@n]", "//p:row[@n = sum(//p:row/@n)]", "//p:row[count(//p:row) = 4]", "//p:row[@n = count(//p:row | //p:name)]",
		"(//p:row)[last()]", "(//p:t | //p:name)[1]", "(//p:row[p:t='x'])[position() < 5]/@n", "//p:row[position() mod 2 = 0]/p:name", "count(//@n | //text() | //comment())", "sum(//@n)", "//p:row[.//p:name = 'N1']",
		"//p:row[(//p:row)[last()]/@n = @n]", "count(//p:row[following-sibling::p:row])", "count(//p:row[not(preceding-sibling::p:row/p:name)])", "count(//p:row[following::p:t and preceding::p:t])",
	} {
		e, err := newXPath(x, map[string]string{"p": "urn:p"})
		if err != nil {
			t.Fatal(err)
		}
		work := func(tree *xmlTree) int {
			r := newXPathRun(tree, e.prefixes)
			if _, err := e.in(r); err != nil {
				t.Errorf("%s: %v", x, err)
			}
			return r.moves
		}
		if a, b := work(small), work(large); b > 5*a || b > 40*len(large.nodes) {
			t.Errorf("%s: %d moves for 1000 rows and %d for 4000", x, a, b)
		}
	}
}

func BenchmarkXPath(b *testing.B) {
	tree, _ := parseXML(rowsOf(50_000))
	for _, x := range []string{
		"/p:r/p:row[last()]/p:name", "count(//p:row/p:name | //p:row/p:t)", "//p:row[@n='45000']/p:name", "//p:row[p:name='N45000']/preceding-sibling::p:row[1]/@n",
		"count(//p:row[p:name > 100])", "count(//p:row[following-sibling::p:row])",
	} {
		b.Run(x, func(b *testing.B) {
			e, err := newXPath(x, map[string]string{"p": "urn:p"})
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if _, err := e.find(tree); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
