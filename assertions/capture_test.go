package assertions

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"
)

func mustCapture(t testing.TB, source string) *Captures {
	t.Helper()
	c, problems := CompileCaptures(parseNode(t, source), Options{})
	if len(problems) > 0 {
		t.Fatalf("%s\n%+v", source, problems)
	}
	return c
}

func TestTake(t *testing.T) {
	r := sampleResult()
	r.Duration = 182400 * time.Microsecond
	r.Body = `{"order":{"id":90071992547409931234,"rate":1.10,"text":"a\"b","plain":"x","null":null,"no":false,"tags":["a",1],"twice":1,"twice":2}}`
	r.Header.Set("sap_messageprocessinglogid", "AGAS1GcWkfBv-ZtpS6j7TKjReO7t")
	tests := []struct {
		source string
		want   any
	}{
		{`{json: order.id}`, json.Number("90071992547409931234")},
		{`{json: order.rate}`, json.Number("1.10")},
		{`{json: order.text}`, `a"b`},
		{`{json: order.null}`, nil},
		{`{json: order.no}`, false},
		{`{json: order.tags}`, []any{"a", json.Number("1")}},
		{`{json: order.tags.#}`, json.Number("2")},
		{`{json: order.none.#, default: 3}`, json.Number("3")},
		{`{json: "@this"}`, map[string]any{"order": map[string]any{
			"id": json.Number("90071992547409931234"), "rate": json.Number("1.10"), "text": `a"b`, "plain": "x", "null": nil, "no": false,
			"tags": []any{"a", json.Number("1")}, "twice": json.Number("1"),
		}}},
		{`{json: $0}`, "x"},
		{`{header: content-type}`, "application/json; charset=utf-8"},
		{`{header: Set-Cookie}`, "a=1, b=2"},
		{`{header: Empty}`, ""},
		{`{cookie: JSESSIONID}`, "s1"},
		{`{claim: ext_attr.zdn}`, "acme"},
		{`{body: '"plain":"(.)"'}`, "x"},
		{`{body: 'pl..n'}`, "plain"},
		{`{body: '(y)|plain', default: none}`, "none"},
		{`{status: true}`, json.Number("202")},
		{`{duration: true}`, "182.4ms"},
		{`{message-id: true}`, "AGAS1GcWkfBv-ZtpS6j7TKjReO7t"},
		{`{header: X-None, default: }`, nil},
		{`{header: X-None, default: [a, {b: $1}]}`, []any{"a", map[string]any{"b": json.Number("7")}}},
		{`{header: X-None, default: false}`, false},
	}
	for _, tt := range tests {
		t.Run(tt.source, func(t *testing.T) {
			c := mustCapture(t, "v: "+tt.source)
			got, missing := c.Take(r, values("order.plain", json.Number("7")))
			if missing != nil {
				t.Fatal(missing)
			}
			if d := cmp.Diff([]Captured{{Name: "v", Value: tt.want}}, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestTakeMissing(t *testing.T) {
	r := sampleResult()
	r.Body = `{"order":{"id":1,"lines":[],"total":2}}`
	tests := []struct {
		source, message string
		notes           []string
	}{
		{`{json: order.ttoal}`, "capture v: json order.ttoal: got nothing", []string{"order exists and has the keys id, lines, total", "did you mean order.total?"}},
		{`{json: order.lines.0.sku}`, "capture v: json order.lines.0.sku: got nothing", []string{"order.lines exists and has 0 elements"}},
		{`{header: Content-Tpye}`, "capture v: header Content-Tpye: got nothing", []string{"did you mean Content-Type?"}},
		{`{header: X-None}`, "capture v: header X-None: got nothing", []string{"there are the headers Content-Type, Date, Empty, Set-Cookie, X-Count, x-odd"}},
		{`{cookie: none}`, "capture v: cookie none: got nothing", []string{"there are the cookies JSESSIONID, twice"}},
		{`{claim: zid}`, "capture v: claim zid: got nothing", []string{"the token has the keys grant_type, ext_attr, aud", "did you mean aud?"}},
		{`{body: 'PIN: (\d+)'}`, `capture v: body PIN: (\d+): got nothing`, []string{`the body is "{\"order\":{\"id\":1,\"lines\":[],\"total\":2}}"`}},
		{`{message-id: true}`, "capture v: message-id: got nothing", []string{"no header holds a message ID, and the body names none"}},
		{`{json: $0}`, `capture v: order was never captured`, nil},
		{`{header: X-None, default: $0}`, `capture v: default: order was never captured`, nil},
	}
	for _, tt := range tests {
		t.Run(tt.source, func(t *testing.T) {
			c := mustCapture(t, "v: "+tt.source)
			got, missing := c.Take(r, values())
			if len(got) != 0 || len(missing) != 1 {
				t.Fatalf("%+v %+v", got, missing)
			}
			f := missing[0]
			if f.Subject != "capture" || f.Path != "v" || f.Place != 1001 {
				t.Errorf("%+v", f)
			}
			if d := cmp.Diff(tt.message, f.Message); d != "" {
				t.Error(d)
			}
			if d := cmp.Diff(tt.notes, f.Notes); d != "" {
				t.Error(d)
			}
		})
	}
	_, missing := mustCapture(t, "v: {json: a}").Take(&Result{Body: "<title>Log in</title>"}, nil)
	if want := `capture v: json a: got an HTML page with the title "Log in"`; missing[0].Message != want {
		t.Errorf("got %s, want %s", missing[0].Message, want)
	}
}

func TestCaptureComputedMistakes(t *testing.T) {
	tests := []struct {
		source  string
		value   any
		message string
	}{
		{`{json: $0}`, "a..b", `capture v: "a..b" has an empty component`},
		{`{json: $0}`, []any{}, "capture v: json: want a gjson path, found a list"},
		{`{body: $0}`, "[", "capture v: \"[\" is not a regular expression (RE2): missing closing ]: `[`"},
		{`{header: $0}`, "a b", `capture v: "a b" is not the name of a header`},
	}
	for _, tt := range tests {
		_, missing := mustCapture(t, "v: "+tt.source).Take(sampleResult(), values(tt.value))
		if len(missing) != 1 || missing[0].Message != tt.message {
			t.Errorf("%s: %+v, want %s", tt.source, missing, tt.message)
		}
	}
}

func TestCaptures(t *testing.T) {
	c := mustCapture(t, "b: {status: true}\na: {body: x, secret: true}\n")
	if d := cmp.Diff([]string{"b", "a"}, c.Names()); d != "" {
		t.Error(d)
	}
	if !c.Secret("a") || c.Secret("b") || c.Secret("none") || c.NamePlace("a") != 2001 || c.NamePlace("none") != 0 {
		t.Error("secret or place")
	}
	got, _ := c.Take(&Result{Status: 200, Body: "x"}, nil)
	if d := cmp.Diff([]Captured{{Name: "b", Value: json.Number("200")}, {Name: "a", Value: "x", Secret: true}}, got); d != "" {
		t.Error(d)
	}
	c, problems := CompileCaptures(nil, Options{})
	if values, missing := c.Take(&Result{}, nil); values != nil || missing != nil || problems != nil {
		t.Error("nothing captures something")
	}
}

// TestCapturedHoldNothing: a captured value does not keep the body alive.
func TestCapturedHoldNothing(t *testing.T) {
	body := strings.Clone(`{"name":"value","number":12345,"list":["element"],"name2":"x"}`)
	c := mustCapture(t, "a: {json: name}\nb: {json: number}\nc: {json: list}\nd: {body: 'val..'}\ne: {json: '@this'}\n")
	got, _ := c.Take(&Result{Body: body}, nil)
	start := uintptr(unsafe.Pointer(unsafe.StringData(body)))
	var check func(v any)
	check = func(v any) {
		switch v := v.(type) {
		case string:
			if at := uintptr(unsafe.Pointer(unsafe.StringData(v))); at >= start && at < start+uintptr(len(body)) {
				t.Errorf("%q is a part of the body", v)
			}
		case json.Number:
			check(string(v))
		case []any:
			for _, e := range v {
				check(e)
			}
		case map[string]any:
			for k, e := range v {
				check(k)
				check(e)
			}
		}
	}
	for _, v := range got {
		check(v.Value)
	}
	if len(got) != 5 {
		t.Errorf("captured %d", len(got))
	}
}

func TestCaptureProblems(t *testing.T) {
	tests := []struct {
		source string
		want   Problem
	}{
		{`~`, Problem{Place: 1001, Code: "empty-block", Message: "capture takes nothing"}},
		{`{}`, Problem{Place: 1001, Code: "empty-block", Message: "capture takes nothing"}},
		{`[a]`, Problem{Place: 1001, Code: "wrong-type", Message: "capture: want a mapping from variables to sources, found a list"}},
		{`v: order.id`, Problem{Place: 1004, Code: "wrong-type", Message: `capture v: want where it is taken from, such as {json: PATH}, found text "order.id"`}},
		{`v: {}`, Problem{Place: 1004, Code: "wrong-type", Message: `capture v: want where it is taken from, such as {json: PATH}, found a mapping`}},
		{`v: {default: 1}`, Problem{Place: 1001, Code: "missing-key", Message: "capture v does not say where it is taken from", Hints: []string{"possible: json, xml, header, cookie, body, status, duration, message-id"}}},
		{`v: {jsno: a}`, Problem{Place: 1005, Code: "unknown-key", Message: `unknown key "jsno" in capture v; did you mean "json"?`}},
		{`v: {claim: a}`, Problem{Place: 1005, Code: "unknown-key", Message: `unknown key "claim" in capture v`, Hints: []string{"possible here: json, xml, header, cookie, body, status, duration, message-id, namespaces, default, secret"}}},
		{`v: {json: a, header: b}`, Problem{Place: 1014, Code: "invalid-value", Message: "capture v is taken from json and from header; want one of them"}},
		{`v: {json: a..b}`, Problem{Place: 1011, Code: "invalid-path", Message: `capture v: "a..b" has an empty component`, Hints: []string{`a dot in a name is written \.`}, Offset: 2, Width: 1}},
		{`v: {json: [a]}`, Problem{Place: 1011, Code: "wrong-type", Message: "json of capture v: want a gjson path, found a list"}},
		{`v: {body: "["}`, Problem{Place: 1011, Code: "invalid-regexp", Message: "capture v: \"[\" is not a regular expression (RE2): missing closing ]: `[`"}},
		{`v: {status: false}`, Problem{Place: 1013, Code: "invalid-value", Message: "status of capture v can only be true"}},
		{`v: {status: 1}`, Problem{Place: 1013, Code: "wrong-type", Message: "status of capture v: want true or false, found 1"}},
		{`v: {json: a, secret: 1}`, Problem{Place: 1022, Code: "wrong-type", Message: "secret of capture v: want true or false, found 1"}},
		{`v: {xml: "//a["}`, Problem{Place: 1010, Code: "invalid-xpath", Message: `capture v: "//a[" is not XPath 1.0: want a path, a function or a value, found the end`}},
		{`v: {json: a, namespaces: {p: "urn:x"}}`, Problem{Place: 1014, Code: "unknown-key", Message: "namespaces in capture v has nothing to be for: want an XPath in xml beside it"}},
		{`v: {xml: "//a["}`, Problem{Place: 1010, Code: "invalid-xpath", Message: `capture v: "//a[" is not XPath 1.0: want a path, a function or a value, found the end`}},
		{`v: {header: "a b"}`, Problem{Place: 1013, Code: "invalid-value", Message: `capture v: "a b" is not the name of a header`}},
	}
	for _, tt := range tests {
		t.Run(tt.source, func(t *testing.T) {
			_, problems := CompileCaptures(parseNode(t, tt.source), Options{Subjects: callSubjects()})
			if d := cmp.Diff([]Problem{tt.want}, problems); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestMessageID(t *testing.T) {
	const id = "AGpyvUXKUZJ-xCKXdYXps-l8FDTq"
	tests := []struct {
		name   string
		header http.Header
		body   string
		want   string
	}{
		{"as SAP spells it", http.Header{"SAP_MessageProcessingLogID": {id}}, "", id},
		{"in canonical form", http.Header{"Sap_messageprocessinglogid": {" " + id + " "}}, "", id},
		{"with dashes", http.Header{"Sap-Message-Processing-Log-Id": {id}}, "", id},
		{"any value", http.Header{"Sap_messageprocessinglogid": {"42"}}, "", "42"},
		{"before the pregenerated one", http.Header{"Sap_pregeneratedmplid": {"other"}, "Sap_messageprocessinglogid": {id}}, "", id},
		{"pregenerated", http.Header{"SAP_PregeneratedMplId": {id}}, "", id},
		{"empty", http.Header{"Sap_messageprocessinglogid": {"", " "}}, "", ""},
		{"the correlation ID is another", http.Header{"Sap_mplcorrelationid": {id}, "X-Correlationid": {id}}, "", ""},
		{"text", nil, "An internal server error occured: The MPL ID for the failed message is : " + id + "\nFor more details please check tail log.", id},
		{"text with the exception", nil, "An internal server error occurred: java.lang.Exception: x\nThe MPL ID for the failed message is : " + id, id},
		{"too short", nil, "The MPL ID for the failed message is : AGpyvUXKUZJ", ""},
		{"too long", nil, "The MPL ID for the failed message is : " + id + "x", ""},
		{"other characters", nil, "The MPL ID for the failed message is : AGpyvUXKUZJ+xCKXdYXps/l8FDTq", ""},
		{"nothing", http.Header{"Content-Type": {"text/plain"}}, "ok", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := MessageID(tt.header, tt.body)
			if got != tt.want || ok != (tt.want != "") {
				t.Errorf("got %q, %v, want %q", got, ok, tt.want)
			}
		})
	}
}
