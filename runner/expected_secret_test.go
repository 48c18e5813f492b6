package runner

import (
	"encoding/binary"
	"net/http"
	"strings"
	"testing"
	"unicode/utf16"

	"iflowtest/internal/secret"
)

// inUTF16 gives s in UTF-16, without a byte order mark.
func inUTF16(s string, order binary.AppendByteOrder) string {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = order.AppendUint16(b, u)
	}
	return string(b)
}

func TestHoldsSecret(t *testing.T) {
	r := secret.NewRedactor()
	r.Add("pw", "topsecretpin1")
	r.Add("price", "Gebühr 4711 ł")
	x := &execution{session: &session{redactor: r}}
	typed := func(s string) http.Header { return http.Header{"Content-Type": {s}} }
	const document = "<?xml version='1.0' encoding='UTF-16'?><r><pin>topsecretpin1</pin></r>"
	for name, c := range map[string]struct {
		payload string
		header  http.Header
		want    bool
	}{
		"as it is":                    {"<pin>topsecretpin1</pin>", nil, true},
		"none":                        {"<pin>topsecretpin2</pin>", nil, false},
		"utf-16le":                    {inUTF16(document, binary.LittleEndian), nil, true},
		"utf-16be":                    {inUTF16(document, binary.BigEndian), nil, true},
		"utf-16 with a mark":          {inUTF16("\ufeff"+document, binary.LittleEndian), nil, true},
		"utf-16be with a mark":        {inUTF16("\ufeff"+document, binary.BigEndian), nil, true},
		"utf-16 by header":            {inUTF16("łłł Gebühr 4711 ł", binary.BigEndian), typed("text/plain; charset=utf-16be"), true},
		"utf-16 without":              {inUTF16(strings.ReplaceAll(document, "secretpin1", "level"), binary.LittleEndian), nil, false},
		"declared":                    {"<?xml version='1.0' encoding='ISO-8859-2'?><a>Geb\xfchr 4711 \xb3</a>", nil, true},
		"charset of the answer":       {"Geb\xfchr 4711 \xb3", typed("text/plain;charset=ISO-8859-2"), true},
		"another charset":             {"Geb\xfchr 4711 \xb3", typed("text/plain;charset=ISO-8859-1"), false},
		"comment":                     {"<pin>topsecret<!-- \n -->pin1</pin>", nil, true},
		"comment in utf-16":           {inUTF16("<pin>topsecret<!-- \n -->pin1</pin>", binary.LittleEndian), nil, true},
		"cdata":                       {"<pin><![CDATA[topsecret]]>pin1</pin>", nil, true},
		"instruction":                 {"<pin>topsecret<?x y?>pin1</pin>", nil, true},
		"elements":                    {"<pin>topsecret<b>pin</b>1</pin>", nil, true},
		"an element in a text":        {"<pin>topsecret<b/>pin1</pin>", nil, true},
		"attribute":                   {"<pin a='topsecret&#112;in1'/>", nil, true},
		"comment with it":             {"<pin><!-- topsecretpin1 --></pin>", nil, true},
		"json":                        {`{"a":["\u0074opsecretpin1"]}`, nil, true},
		"json key":                    {`{"topsecret\u0070in1":1}`, nil, true},
		"xml in json":                 {`{"a":"<p>topsecret<!-- -->pin1<\/p>"}`, nil, true},
		"texts that follow another":   {`["topsecret","pin1"]`, nil, false},
		"what is neither":             {`{"a": topsecret`, nil, false},
		"json with a byte order mark": {"\ufeff" + `{"a":"\u0074opsecretpin1"}`, nil, true},
	} {
		if got := x.holdsSecret(c.payload, c.header); got != c.want {
			t.Errorf("%s: got %t", name, got)
		}
	}
	off := &execution{session: &session{}}
	if off.holdsSecret(document, nil) {
		t.Error("a redactor that is off refuses")
	}
}
