package assertions

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const orderXML = `<?xml version="1.0" encoding="UTF-8"?>
<o:Order xmlns:o="urn:orders" xmlns="urn:common" id="4711" o:state='new'>
  <o:Line no="1"><Sku>A-100</Sku><Qty>2</Qty><Price>10.10</Price></o:Line>
  <o:Line no="2"><Sku><![CDATA[B & ]]>200</Sku><Qty>1</Qty><Price>0.05</Price></o:Line>
  <Note xml:lang="de">grün &amp; <b>neu</b></Note>
  <Empty/>
</o:Order>
`

const orderSpaces = "namespaces: {x: 'urn:orders', c: 'urn:common', w: 'urn:wrong'}\n"

func TestXML(t *testing.T) {
	spaces := "the document has the namespaces urn:orders (prefix o), urn:common (default)"
	tests := []struct {
		xml   string
		want  string // "" when it holds
		notes []string
	}{
		{`/x:Order/@id: 4711`, "", nil},
		{`/x:Order/@x:state: new`, "", nil},
		{`//c:Sku: A-100`, "", nil},
		{`//x:Line[2]/c:Sku: B & 200`, "", nil},
		{`(//c:Sku)[2]: B & 200`, "", nil},
		{`//x:Line[@no='2']/c:Qty: {equals: 1, gte: 1, lt: 2}`, "", nil},
		{`count(//x:Line): 2`, "", nil},
		{`count(//x:*): 3`, "", nil},
		{`"//c:*[text()='2']": 2`, "", nil},
		{`count(//@*): 5`, "", nil},
		{`sum(//c:Price): 10.150`, "", nil},
		{`sum(//c:Price): {approx: {value: 10, delta: 0.2}}`, "", nil},
		{`count(//x:Line): {type: integer, between: [1, 3]}`, "", nil},
		{`//x:Line/@no = '2': true`, "", nil},
		{`boolean(//x:Nothing): false`, "", nil},
		{`string(//c:Note): grün & neu`, "", nil},
		{`//c:Note: {contains: neu, starts-with: grün}`, "", nil},
		{`//c:Empty: {empty: true, exists: true}`, "", nil},
		{`//c:Nothing: {exists: false}`, "", nil},
		{`name(/*): o:Order`, "", nil},
		{`"//*[name()='Sku']": A-100`, "", nil},
		{`//*[local-name()='Sku']: A-100`, "", nil},
		{`namespace-uri(/*): urn:orders`, "", nil},
		{`/x:Order/c:Note/@xml:lang: de`, "", nil},
		{`count(//x:Line): 3`, "xml count(//x:Line): want 3, got 2", nil},
		{`count(//x:Line): {gt: 2}`, "xml count(//x:Line): want more than 2, got 2", nil},
		{`//c:Qty: 3`, `xml //c:Qty: want "3", got "2"`, nil},
		{`//c:Qty = 5: true`, `xml //c:Qty = 5: want true, got false`, nil},
		{`//Sku: A-100`, `xml //Sku: want "A-100", got nothing`, []string{
			"the document's element is o:Order", "it has the elements o:Line, Note, Empty",
			spaces, `there is Sku in the namespace urn:common: declare that in namespaces: {p: "urn:common"}, or use local-name()`,
		}},
		{`//w:Sku: A-100`, `xml //w:Sku: want "A-100", got nothing`, []string{
			"the document's element is o:Order", "it has the elements o:Line, Note, Empty",
			"the namespace urn:wrong of the prefix w is not in the document", spaces,
		}},
		{`/x:Order/x:Line[2]/c:Skuu: A-100`, `xml /x:Order/x:Line[2]/c:Skuu: want "A-100", got nothing`, []string{
			"/x:Order/x:Line[2] exists and has the elements Sku, Qty, Price", spaces,
		}},
		{`/x:Order/x:Lines/c:Sku: A-100`, `xml /x:Order/x:Lines/c:Sku: want "A-100", got nothing`, []string{
			"/x:Order exists and has the elements o:Line, Note, Empty", "did you mean o:Line?", spaces,
		}},
		{`/x:Order/@idd: 1`, `xml /x:Order/@idd: want "1", got nothing`, []string{
			"/x:Order exists and has the attributes id, o:state", "did you mean id?", spaces,
		}},
	}
	for _, tt := range tests {
		t.Run(tt.xml, func(t *testing.T) {
			declared := orderSpaces
			if !strings.Contains(tt.xml, "w:") {
				declared = strings.Replace(declared, ", w: 'urn:wrong'", "", 1)
			}
			source := declared + "xml:\n  " + tt.xml + "\n"
			e, problems := compileYAML(t, source)
			if len(problems) > 0 {
				if problems[0].Message != tt.want {
					t.Fatal(problems)
				}
				return
			}
			var message string
			var notes []string
			for _, f := range e.Check(&Result{Body: orderXML}, nil) {
				message, notes = f.Message, f.Notes
			}
			if message != tt.want {
				t.Errorf("message %q, want %q", message, tt.want)
			}
			if d := cmp.Diff(tt.notes, notes); tt.notes != nil && d != "" {
				t.Error(d)
			}
		})
	}
}

// TestXMLSpaces: what is not wanted because of namespaces alone is not found.
func TestXMLSpaces(t *testing.T) {
	for body, want := range map[string]string{
		`<a><b>1</b></a>`:                        "",
		`<a xmlns="urn:x"><b>1</b></a>`:          "nothing",
		`<p:a xmlns:p="urn:x"><p:b/></p:a>`:      "nothing",
		`<a xmlns="urn:x"><b xmlns="">1</b></a>`: "nothing",
	} {
		e := mustCompile(t, "xml: {/a/b: 1}")
		got := ""
		for _, f := range e.Check(&Result{Body: body}, nil) {
			got = f.Got
		}
		if got != want {
			t.Errorf("%s: got %q", body, got)
		}
	}
}

func TestComputedNamespaces(t *testing.T) {
	e := mustCompile(t, "xml: {'//p:Line/@no': 1}\nnamespaces: {p: $0}\n")
	if f := e.Check(&Result{Body: orderXML}, values("urn:orders")); f != nil {
		t.Error(f)
	}
	for _, v := range []any{"urn:other", "", nil} {
		if f := e.Check(&Result{Body: orderXML}, values(v)); len(f) != 1 {
			t.Errorf("%v: %v", v, f)
		}
	}
	c := mustCapture(t, "v: {xml: $1, namespaces: {p: $0}}")
	got, _ := c.Take(&Result{Body: orderXML}, values("urn:orders", "//p:Line/@no"))
	if len(got) != 1 || got[0].Value != "1" {
		t.Errorf("%+v", got)
	}
}

func TestTakeXML(t *testing.T) {
	tests := []struct {
		capture string
		want    any
		message string
	}{
		{`{xml: "//p:Line/@no", namespaces: {p: "urn:orders"}}`, "1", ""},
		{`{xml: "count(//*)"}`, json.Number("12"), ""},
		{`{xml: "sum(//*[local-name()='Price'])"}`, json.Number("10.15"), ""},
		{`{xml: "boolean(//none)"}`, false, ""},
		{`{xml: "string(//none)"}`, "", ""},
		{`{xml: "//none", default: x}`, "x", ""},
		{`{xml: "number(//*[local-name()='Sku'])"}`, nil, "capture v: xml number(//*[local-name()='Sku']): got what is not a number"},
		{`{xml: "//none"}`, nil, "capture v: xml //none: got nothing"},
	}
	for _, tt := range tests {
		t.Run(tt.capture, func(t *testing.T) {
			c := mustCapture(t, "v: "+tt.capture)
			values, missing := c.Take(&Result{Body: orderXML}, nil)
			if tt.message != "" {
				if len(missing) != 1 || missing[0].Message != tt.message {
					t.Errorf("%+v", missing)
				}
				return
			}
			if len(values) != 1 || values[0].Value != tt.want {
				t.Errorf("%+v %+v", values, missing)
			}
		})
	}
}

func TestNotXML(t *testing.T) {
	bomb := `<!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol2 "&lol;&lol;">]><lolz>&lol2;</lolz>`
	tests := []struct{ body, got string }{
		{"", "an empty body"},
		{" \n", "an empty body"},
		{"<html><head><title>Log on</title></head><body><br></html>", `an HTML page with the title "Log on"`},
		{`{"a":1}`, `JSON where XML was due: "{\"a\":1}"`},
		{"plain", `text that is not XML (line 1:1: text outside of the document's element): "plain"`},
		{"<a>\n  <b></c></a>", `text that is not XML (line 2:6: </c> where </b> was due): "<a>\n  <b></c></a>"`},
		{"<a><b>", `text that is not XML (line 1:7: the document ends within <b>): "<a><b>"`},
		{"<a", `text that is not XML (line 1:3: unexpected EOF): "<a"`},
		{"<a/><b/>", `text that is not XML (line 1:5: a second element <b> on the outermost level): "<a/><b/>"`},
		{"</a>", `text that is not XML (line 1:1: </a> ends an element that has not begun): "</a>"`},
		{`<p:a/>`, `text that is not XML (line 1:1: the prefix "p" of p:a is not declared): "<p:a/>"`},
		{`<a b="1" b="2"/>`, `text that is not XML (line 1:1: the attribute b stands twice in one element): "<a b=\"1\" b=\"2\"/>"`},
		{`<a xmlns:p="u" xmlns:q="u" p:b="1" q:b="2"/>`, `text that is not XML (line 1:1: the attribute q:b stands twice in one element): "<a xmlns:p=\"u\" xmlns:q=\"u\" p:b=\"1\" q:b=\"2\"/>"`},
		{`<a>&none;</a>`, `text that is not XML (line 1:10: invalid character entity &none;): "<a>&none;</a>"`},
		{"<!-- only -->", `text that is not XML (line 1:14: there is no element): "<!-- only -->"`},
		{bomb, `text that is not XML (line 1:1: the document type declares entities, which are refused: they could load files or grow without end): "` + strings.ReplaceAll(bomb, `"`, `\"`) + `"`},
		{`<!DOCTYPE a [ <!entity % x SYSTEM "file:///etc/passwd"> %x; ]><a/>`, "text that is not XML (line 1:1: the document type declares entities"},
		{strings.Repeat("<a>", maxXMLDepth+1), "text that is not XML (line 1:6001: the document is nested more than 2000 levels deep)"},
	}
	e := mustCompile(t, "xml: {//a: x}")
	c := mustCapture(t, "v: {xml: //a}")
	for _, tt := range tests {
		t.Run(cut(tt.body, 40), func(t *testing.T) {
			f := e.Check(&Result{Body: tt.body}, nil)
			if len(f) != 1 || !strings.HasPrefix(f[0].Got, tt.got) || f[0].Message != `xml //a: want "x", got `+f[0].Got {
				t.Errorf("%+v", f)
			}
			if _, m := c.Take(&Result{Body: tt.body}, nil); len(m) != 1 || !strings.HasPrefix(m[0].Got, tt.got) {
				t.Errorf("%+v", m)
			}
		})
	}
}

// TestXMLEncodings: what a document says of its own encoding holds.
func TestXMLEncodings(t *testing.T) {
	utf16le := "\xff\xfe"
	for _, r := range `<?xml version="1.0" encoding="UTF-16"?><a>ä</a>` {
		utf16le += string([]byte{byte(r), byte(r >> 8)})
	}
	for _, body := range []string{
		"<a>ä</a>", "\ufeff<a>ä</a>", "<?xml version='1.0' encoding='iso-8859-1'?><a>\xe4</a>", utf16le,
		`<!DOCTYPE a SYSTEM "http://127.0.0.1:1/a.dtd"><a>ä</a>`, `<!DOCTYPE a [<!ELEMENT a (#PCDATA)>]><a>&#228;</a>`,
	} {
		if f := mustCompile(t, "xml: {/a: ä}").Check(&Result{Body: body}, nil); f != nil {
			t.Errorf("%q: %s", body, f[0].Message)
		}
	}
}

func TestSOAPFault(t *testing.T) {
	fault11 := `<S:Envelope xmlns:S="http://schemas.xmlsoap.org/soap/envelope/"><S:Body><S:Fault><faultcode>S:Server</faultcode>
		<faultstring>Division  by zero</faultstring><detail><e><code>17</code><text>x</text></e></detail></S:Fault></S:Body></S:Envelope>`
	fault12 := `<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"><e:Body><e:Fault><e:Code><e:Value>e:Receiver</e:Value></e:Code>
		<e:Reason><e:Text xml:lang="en">No route</e:Text></e:Reason></e:Fault></e:Body></e:Envelope>`
	sub12 := strings.Replace(fault12, "</e:Code>", `<e:Subcode><e:Value xmlns:m="urn:m">m:Route</e:Value><e:Subcode><e:Value>m:Late</e:Value></e:Subcode></e:Subcode></e:Code>`, 1)
	none := strings.ReplaceAll(fault11, "S:Fault", "S:NoFault")
	for body, want := range map[string]string{
		fault11: `the answer is a SOAP fault with the code "S:Server": "Division by zero", detail "17 x"`,
		fault12: `the answer is a SOAP fault with the code "e:Receiver": "No route"`,
		sub12:   `the answer is a SOAP fault with the code "e:Receiver" and the subcode "m:Route" and the subcode "m:Late": "No route"`,
		none:    "",
	} {
		e := mustCompile(t, "status: 200\nxml: {//Ticket: T-1, //Other: x}\njson: {ticket: T-1}\n")
		f := e.Check(&Result{Status: 500, Body: body}, nil)
		if len(f) != 4 {
			t.Fatalf("%d failures", len(f))
		}
		for i, told := range []bool{true, true, false, true} {
			got := ""
			for _, n := range f[i].Notes {
				if strings.HasPrefix(n, "the answer is") {
					got = n
				}
			}
			if told && got != want || !told && got != "" {
				t.Errorf("%s: %q", f[i].Subject, got)
			}
		}
	}
}

// TestExpensiveXPath: an expression that would not end is stopped.
func TestExpensiveXPath(t *testing.T) {
	body := "<a>" + strings.Repeat("<b><c/></b>", 20000) + "</a>"
	e := mustCompile(t, `xml: {"count(//*[count(following::*) > count(preceding::*)])": 1}`)
	start := time.Now()
	f := e.Check(&Result{Body: body}, nil)
	if len(f) != 1 || !strings.Contains(f[0].Message, "too many steps") || !f[0].NotJudged {
		t.Errorf("%+v", f)
	}
	if d := time.Since(start); d > 60*time.Second {
		t.Errorf("took %v", d)
	}
}

// TestXMLSecrets: nothing of what is hidden is shown.
func TestXMLSecrets(t *testing.T) {
	hide := func(s string) string { return strings.ReplaceAll(s, "geheim", "***") }
	body := `<a xmlns="urn:geheim"><geheim geheim="geheim">geheim</geheim></a>`
	for _, x := range []string{"//p:geheim: x", "/p:a/p:c: x", "//geheim: x", "//@geheim: x", "/p:a/p:geheim/@x: y"} {
		n := parseNode(t, "xml: {"+x+"}\nnamespaces: {p: 'urn:geheim'}\n")
		e, _ := Compile(n, Options{Subjects: allSubjects()})
		for _, broken := range []string{"", "<geheim>"} {
			f := e.Check(&Result{Body: body + broken, Hide: hide}, nil)
			if len(f) != 1 {
				t.Fatalf("%s: %+v", x, f)
			}
			shown := f[0].Message + strings.Join(f[0].Notes, "\n") + f[0].Diff
			if strings.Contains(shown, "geheim") {
				t.Errorf("%s: %s", x, shown)
			}
		}
	}
}
