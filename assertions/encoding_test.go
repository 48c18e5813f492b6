package assertions

import (
	"net/http"
	"strings"
	"testing"
	"unicode/utf16"
)

// utf16Bytes writes text in UTF-16, without a byte order mark.
func utf16Bytes(s string, little bool) string {
	var b strings.Builder
	for _, u := range utf16.Encode([]rune(s)) {
		high, low := byte(u>>8), byte(u)
		if little {
			high, low = low, high
		}
		b.WriteByte(high)
		b.WriteByte(low)
	}
	return b.String()
}

func TestDecodeText(t *testing.T) {
	const declared = `<?xml version="1.0" encoding="%"?><a>ä€</a>`
	as := func(label string) string { return strings.Replace(declared, "%", label, 1) }
	latin := func(s string) string { return strings.NewReplacer("ä", "\xe4", "€", "\x80").Replace(s) }
	tests := []struct{ name, body, contentType, want string }{
		{"UTF-8", "ä€", "", "ä€"},
		{"byte order mark", "\ufeffä", "text/plain", "ä"},
		{"latin", latin("ä"), "text/plain;charset=ISO-8859-1", "ä"},
		{"windows", latin("ä€"), `text/plain; charset="windows-1252"`, "ä€"},
		{"declared to be UTF-8", "\xe4", "text/plain;charset=utf-8", "\xe4"},
		{"nothing said", "\xe4", "text/plain", "\xe4"},
		{"unknown", "\xe4", "text/plain;charset=x-none", "\xe4"},
		{"no media type", "\xe4", "charset=latin1", "\xe4"},
		{"latin that looks like UTF-8", "Ã¤", "text/plain;charset=ISO-8859-1", "ÃƒÂ¤"},
		{"UTF-16, marked", "\xff\xfe" + utf16Bytes("ä€", true), "text/plain", "ä€"},
		{"UTF-16, marked, other order", "\xfe\xff" + utf16Bytes("ä€😀", false), "text/plain;charset=utf-16", "ä€😀"},
		{"UTF-16 of JSON", utf16Bytes(`{"a":"ä"}`, false), "application/json", `{"a":"ä"}`},
		{"UTF-16 of XML", utf16Bytes(as("UTF-16"), true), "", as("UTF-16")},
		{"UTF-16BE of XML", utf16Bytes(as("UTF-16BE"), false), "text/xml;charset=utf-8", as("UTF-16BE")},
		{"zero bytes", "<\x00", "", "<\x00"},
		{"XML says it", latin(as("windows-1252")), "text/xml", as("windows-1252")},
		{"XML says it, and the header something else", as("utf-8"), "text/xml;charset=iso-8859-1", as("utf-8")},
		{"transcoded on the way", as("iso-8859-1"), "text/xml;charset=utf-8", as("iso-8859-1")},
		{"JSON is UTF-8", `{"a":"ä"}`, "application/json;charset=ISO-8859-1", `{"a":"ä"}`},
		{"JSON that is none", latin(`{"a":"ä"}`), "application/vnd.x+json;charset=ISO-8859-1", `{"a":"ä"}`},
	}
	for _, tt := range tests {
		if got := decodeText(tt.body, tt.contentType); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestEncodings: whatever an answer is encoded in, its text is judged and shown.
func TestEncodings(t *testing.T) {
	files := folder{
		"w.txt": "Größe\nM8 × 40\n", "bom.txt": "\ufeffGröße\r\nM8 × 40", "latin.txt": "Gr\xf6\xdfe\nM8 \xd7 40\n", "wide.txt": "\xff\xfe" + utf16Bytes("Größe\nM8 × 40\n", true),
		"w.xml": `<a b="ä"/>`, "w.json": `{"a":"ä"}`,
	}
	text := "Gr\xf6\xdfe\nM8 \xd7 40\n"
	tests := []struct {
		expect, body, contentType, message string
	}{
		{"matches-file: w.txt", text, "text/plain;charset=iso-8859-1", ""},
		{"matches-file: bom.txt", text, "text/plain;charset=iso-8859-1", ""},
		{"matches-file: {file: bom.txt, as: text}", "Größe\r\nM8 × 40", "text/plain", ""},
		{"matches-file: latin.txt", text, "text/plain;charset=iso-8859-1", ""},
		{"matches-file: wide.txt", "\ufeffGröße\nM8 × 40\n", "", ""},
		{"matches-file: w.txt", "\xff\xfe" + utf16Bytes("Größe\nM8 × 41\n", true), "text/plain", `matches-file: w.txt: line 2: want "M8 × 40", got "M8 × 41"`},
		{"matches-file: w.txt", text, "text/plain", `matches-file: w.txt: line 1: want "Größe", got "Gr\xf6\xdfe"`},
		{"matches-file: w.xml", "<a b='\xe4'/>", "application/xml;charset=iso-8859-1", ""},
		{"matches-file: w.xml", utf16Bytes("<a b='ä'/>", false), "application/xml", ""},
		{"matches-file: w.json", utf16Bytes(`{"a":"ä"}`, true), "application/json", ""},
		{"json: {a: ä}", "{\"a\":\"\xe4\"}", "application/json;charset=iso-8859-1", ""},
		{"body: {contains: Größe}", text, "text/plain;charset=iso-8859-1", ""},
		{"body: x", utf16Bytes("<x>", true), "", `body: want "x", got "<x>"`},
		{"json: {a: 1}", utf16Bytes("<a>geheim</a>", true), "", `json a: want 1, got text that is not JSON: "<a>***</a>"`},
		{"xml: {/a: 1}", utf16Bytes("{\"geheim\":1}", true), "", `xml /a: want "1", got JSON where XML was due: "{\"***\":1}"`},
		{"xml: {/a: 1}", "<?xml version='1.0' encoding='x-none'?><a/>", "", `xml /a: want "1", got text that is not XML (line 1:40: the encoding "x-none" is not known): "<?xml version='1.0' encoding='x-none'?><a/>"`},
		{"size: 6", utf16Bytes("<x>", true), "", ""},
	}
	for _, tt := range tests {
		e := files.must(t, tt.expect)
		message := ""
		r := &Result{Body: tt.body, Header: http.Header{"Content-Type": {tt.contentType}}, Hide: func(s string) string { return strings.ReplaceAll(s, "geheim", "***") }}
		for _, f := range e.Check(r, nil) {
			message = f.Message
		}
		if message != tt.message {
			t.Errorf("%s: %q\ngot  %s\nwant %s", tt.expect, tt.body, message, tt.message)
		}
	}
	c := mustCapture(t, "a: {body: '(G\\w*..e)'}\nb: {xml: /a}\n")
	got, _ := c.Take(&Result{Body: "<a>Gr\xf6\xdfe</a>", Header: http.Header{"Content-Type": {"text/xml;charset=latin1"}}}, nil)
	if len(got) != 2 || got[0].Value != "Größe" || got[1].Value != "Größe" {
		t.Errorf("%+v", got)
	}
	e := mustCompile(t, "attachments: {log: Größe}")
	if f := e.Check(&Result{Attachments: []Attachment{{"log", "text/plain;charset=iso-8859-1", "Gr\xf6\xdfe"}}}, nil); f != nil {
		t.Error(f)
	}
}

// TestUpdateEncodings: a file that is written can be compared with the same
// answer again, and a secret is found in any encoding.
func TestUpdateEncodings(t *testing.T) {
	latin := http.Header{"Content-Type": {"text/plain;charset=iso-8859-1"}}
	for _, tt := range []struct {
		file, body string
		header     http.Header
		written    string
	}{
		{"w.txt", "\xe4\n", latin, "ä\n"},
		{"w.txt", "\ufeffä\n", nil, "\ufeffä\n"},
		{"w.xml", "<a>\xe4</a>", latin, "<a>ä</a>"},
		{"w.xml", "<?xml version='1.0' encoding='iso-8859-1'?><a>\xe4</a>", nil, "<?xml version='1.0' encoding='iso-8859-1'?><a>\xe4</a>"},
		{"w.json", utf16Bytes(`{"a":1}`, true), nil, "{\n  \"a\": 1\n}\n"},
		{"w.xml", utf16Bytes(`<a>geheim</a>`, true), nil, ""},
	} {
		files := folder{tt.file: ""}
		e, problems := Compile(parseNode(t, "matches-file: "+tt.file), Options{Subjects: allSubjects(), ReadFile: files.read, UpdateExpected: true})
		if problems != nil {
			t.Fatal(problems)
		}
		written := ""
		result := func() *Result {
			return &Result{
				Body: tt.body, Header: tt.header, Hide: func(s string) string { return strings.ReplaceAll(s, "geheim", "***") },
				Update: func(_ string, content []byte) error { written = string(content); return nil },
			}
		}
		f := e.Check(result(), nil)
		if written != tt.written || (f != nil) != (tt.written == "") {
			t.Errorf("%q: wrote %q, %+v", tt.body, written, f)
		}
		if files[tt.file], written = written, ""; tt.written == "" {
			continue
		}
		if f := e.Check(result(), nil); f != nil || written != "" {
			t.Errorf("%q: not the same again: %+v, wrote %q", tt.body, f, written)
		}
	}
	_, problems := folder{"w.json": "\xff\xfe" + utf16Bytes(`{"a":1}`, true)}.compile(t, "matches-file: w.json")
	if len(problems) != 1 || problems[0].Message != "w.json is UTF-16, and JSON is UTF-8 (RFC 8259): save it as UTF-8" {
		t.Errorf("%+v", problems)
	}
}
