package runner

import (
	"encoding/json"
	"encoding/xml"
	"io"
	"mime"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/net/html/charset"
)

// holdsSecret reports whether whoever reads a payload finds a secret in it: in
// its characters, whatever they are encoded in, and in the texts and names of
// the JSON or XML that it is.
func (x *execution) holdsSecret(payload string, header http.Header) bool {
	redactor := x.session.redactor
	if redactor == nil {
		return false
	}
	for _, text := range decodings(payload, header) {
		if redactor.Contains(text) || redactor.Contains(textsOfJSON(text)) || redactor.Contains(textsOfXML(text)) {
			return true
		}
	}
	return false
}

var declaredEncoding = regexp.MustCompile(`^[^>]*?<\?xml\s[^>]*?encoding\s*=\s*["']([A-Za-z][A-Za-z0-9._:-]*)["']`)

// decodings gives the characters of a payload in each encoding that it may be
// meant in: as it is, as its answer or its declaration says, and UTF-16 and
// Windows-1252 where its bytes look like that.
func decodings(payload string, header http.Header) []string {
	texts := []string{strings.TrimPrefix(payload, "\ufeff")}
	add := func(text string) {
		if text = strings.TrimPrefix(text, "\ufeff"); !slices.Contains(texts, text) {
			texts = append(texts, text)
		}
	}
	if strings.IndexByte(payload, 0) >= 0 || strings.HasPrefix(payload, "\xff\xfe") || strings.HasPrefix(payload, "\xfe\xff") {
		add(fromUTF16(payload, 0, 1))
		add(fromUTF16(payload, 1, 0))
	}
	var labels []string
	if _, p, err := mime.ParseMediaType(header.Get("Content-Type")); err == nil && p["charset"] != "" {
		labels = append(labels, p["charset"])
	}
	for _, text := range slices.Clone(texts) {
		if m := declaredEncoding.FindStringSubmatch(text[:min(len(text), 1024)]); m != nil {
			labels = append(labels, m[1])
		}
	}
	if !utf8.ValidString(payload) {
		labels = append(labels, "windows-1252")
	}
	for _, label := range labels {
		if e, name := charset.Lookup(label); e != nil && name != "utf-8" && name != "replacement" {
			if text, err := e.NewDecoder().String(payload); err == nil {
				add(text)
			}
		}
	}
	return texts
}

// fromUTF16 reads units whose low and high bytes are at these offsets.
func fromUTF16(s string, low, high int) string {
	units := make([]uint16, 0, len(s)/2)
	for i := 0; i+1 < len(s); i += 2 {
		units = append(units, uint16(s[i+low])|uint16(s[i+high])<<8)
	}
	return string(utf16.Decode(units))
}

// between separates texts that have nothing to do with one another.
const between = "\n;\n"

// textsOfJSON gives every text and key of a JSON document; nothing of what is
// none.
func textsOfJSON(s string) string {
	if start := strings.TrimSpace(s); start == "" || strings.IndexByte(`{["`, start[0]) < 0 {
		return ""
	}
	var b strings.Builder
	d := json.NewDecoder(strings.NewReader(s))
	d.UseNumber()
	for {
		t, err := d.Token()
		if err != nil {
			return b.String()
		}
		if text, ok := t.(string); ok {
			b.WriteString(text + between)
		}
	}
}

// textsOfXML gives the text of every element of an XML document, with what is
// in its CDATA sections and without its comments, the values of attributes, the
// comments and the instructions, and at last all the text in one; nothing of
// what is not XML.
func textsOfXML(s string) string {
	if start := strings.TrimSpace(s); !strings.HasPrefix(start, "<") {
		return ""
	}
	var out, whole strings.Builder
	var open []*strings.Builder // the elements that are open
	d := xml.NewDecoder(strings.NewReader(s))
	d.Strict = false
	d.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil } // it is decoded
	for {
		t, err := d.RawToken()
		if err != nil {
			break
		}
		switch t := t.(type) {
		case xml.StartElement:
			for _, a := range t.Attr {
				out.WriteString(a.Value + between)
			}
			open = append(open, &strings.Builder{})
		case xml.EndElement:
			if n := len(open); n > 0 {
				out.WriteString(open[n-1].String() + between)
				open = open[:n-1]
			}
		case xml.CharData:
			whole.Write(t)
			if n := len(open); n > 0 {
				open[n-1].Write(t)
			}
		case xml.Comment:
			out.WriteString(string(t) + between)
		case xml.ProcInst:
			out.WriteString(string(t.Inst) + between)
		}
	}
	for _, b := range open {
		out.WriteString(b.String() + between)
	}
	return out.String() + whole.String()
}
