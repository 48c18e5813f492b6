package runner

import (
	"encoding/json"
	"encoding/xml"
	"strings"
	"unicode/utf8"
)

// maxPartDepth is how deep documents are taken apart.
const maxPartDepth = 500

// readPartsOfJSON takes a JSON document apart; not one that has a key twice.
func readPartsOfJSON(s string) (piece, bool) {
	if !json.Valid([]byte(s)) {
		return piece{}, false
	}
	d := json.NewDecoder(strings.NewReader(s))
	d.UseNumber()
	return jsonPart(d, s, 0)
}

func jsonPart(d *json.Decoder, s string, depth int) (p piece, ok bool) {
	at := int(d.InputOffset())
	p.from = at + len(s[at:]) - len(strings.TrimLeft(s[at:], " \t\r\n,:"))
	t, err := d.Token()
	if err != nil || depth > maxPartDepth {
		return p, false
	}
	if open, container := t.(json.Delim); container {
		p.list = open == '['
		names := map[string]bool{}
		for d.More() {
			name := "#"
			if !p.list {
				key, err := d.Token()
				name, _ = key.(string)
				if err != nil || names[name] {
					return p, false
				}
				names[name] = true
			}
			inner, ok := jsonPart(d, s, depth+1)
			if !ok {
				return p, false
			}
			inner.name = name
			p.parts = append(p.parts, inner)
		}
		if _, err := d.Token(); err != nil {
			return p, false
		}
	}
	p.to = int(d.InputOffset())
	return p, true
}

// xmlToken is a token of an XML document, and where it stands.
type xmlToken struct {
	xml.Token
	from, to int
}

// xmlTokens reads a document in UTF-8; nil: it is none.
func xmlTokens(s string) []xmlToken {
	if !strings.HasPrefix(strings.TrimSpace(s), "<") || !utf8.ValidString(s) {
		return nil
	}
	d := xml.NewDecoder(strings.NewReader(s))
	var tokens []xmlToken
	depth := 0
	for {
		from := int(d.InputOffset())
		t, err := d.RawToken()
		if err != nil {
			if from == len(s) && depth == 0 {
				return tokens
			}
			return nil
		}
		switch t.(type) {
		case xml.StartElement:
			depth++
		case xml.EndElement:
			depth--
		case xml.Directive:
			return nil
		}
		tokens = append(tokens, xmlToken{xml.CopyToken(t), from, int(d.InputOffset())})
	}
}

// readPartsOfXML takes an XML document apart: elements with their attributes
// and children, or with their text where they have no children.
func readPartsOfXML(s string) (root piece, ok bool) {
	var open []piece
	for _, t := range xmlTokens(s) {
		n := len(open)
		switch token := t.Token.(type) {
		case xml.StartElement:
			if n > maxPartDepth {
				return piece{}, false
			}
			element := piece{name: qualified(token.Name), from: t.from, list: true, parts: attributeParts(s, t, token)}
			open = append(open, element)
		case xml.EndElement:
			if n == 0 {
				return piece{}, false
			}
			element := open[n-1]
			open = open[:n-1]
			element.to = t.to
			element.parts = append(element.parts, contentPart(s, element, t)...)
			if n == 1 {
				if ok {
					return piece{}, false // a second root
				}
				root, ok = element, true
				continue
			}
			open[n-2].parts = append(open[n-2].parts, element)
		}
	}
	return root, ok && len(open) == 0
}

func qualified(n xml.Name) string {
	if n.Space == "" {
		return n.Local
	}
	return n.Space + ":" + n.Local
}

// contentPart is the text of an element without children; nothing for one
// that has some.
func contentPart(s string, element piece, end xmlToken) []piece {
	for _, p := range element.parts {
		if !strings.HasPrefix(p.name, "@") {
			return nil
		}
	}
	tag := strings.LastIndexByte(s[:end.to], '<')
	from := tag
	if end.from == end.to || tag == element.from { // <a/>
		return nil
	}
	if i := startTagEnd(s, element.from); i <= tag {
		from = i
	}
	return []piece{{name: "#text", from: from, to: tag}}
}

// startTagEnd gives the end of the start tag at a place.
func startTagEnd(s string, at int) int {
	quote := byte(0)
	for ; at < len(s); at++ {
		switch c := s[at]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '>':
			return at + 1
		}
	}
	return len(s)
}

// attributeParts are the values of the attributes of a start tag.
func attributeParts(s string, t xmlToken, e xml.StartElement) []piece {
	var parts []piece
	at := t.from
	for _, a := range e.Attr {
		open := strings.IndexAny(s[at:t.to], `"'`)
		if open < 0 {
			return parts
		}
		from := at + open + 1
		size := strings.IndexByte(s[from:t.to], s[from-1])
		if size < 0 {
			return parts
		}
		parts = append(parts, piece{name: "@" + qualified(a.Name), from: from, to: from + size})
		at = from + size + 1
	}
	return parts
}

// indentXML gives a document that is on one line an element on a line, two
// blanks for each depth. Elements that hold text stay as they are, with all
// that is in them. ok is false for what has lines already, and what is not XML
// in UTF-8.
func indentXML(s string) (lines string, ok bool) {
	tokens := xmlTokens(s)
	if len(tokens) == 0 || !onOneLine(s, tokens) {
		return "", false
	}
	w := xmlIndenter{s: s, tokens: tokens, end: xmlEnds(tokens)}
	w.write(0, len(tokens), 0)
	return strings.TrimLeft(w.out.String(), "\n") + "\n", true
}

// onOneLine reports whether the root element has no line breaks in it.
func onOneLine(s string, tokens []xmlToken) bool {
	for _, t := range tokens {
		switch token := t.Token.(type) {
		case xml.ProcInst:
			if token.Target == "xml" && strings.Contains(strings.ToLower(string(token.Inst)), "encoding") && !strings.Contains(strings.ToLower(string(token.Inst)), "utf-8") {
				return false
			}
		case xml.StartElement:
			return !strings.ContainsAny(strings.TrimSpace(s[t.from:]), "\r\n")
		}
	}
	return false
}

// xmlEnds gives for each start tag the index of its end tag.
func xmlEnds(tokens []xmlToken) map[int]int {
	ends := map[int]int{}
	var open []int
	for i, t := range tokens {
		switch t.Token.(type) {
		case xml.StartElement:
			open = append(open, i)
		case xml.EndElement:
			if n := len(open); n > 0 {
				ends[open[n-1]], open = i, open[:n-1]
			}
		}
	}
	return ends
}

type xmlIndenter struct {
	s      string
	tokens []xmlToken
	end    map[int]int
	out    strings.Builder
}

// write writes the tokens from i on, siblings of one another, each on a line.
func (w *xmlIndenter) write(i, to, depth int) {
	for ; i < to; i++ {
		t := w.tokens[i]
		if _, blank := t.Token.(xml.CharData); blank {
			continue
		}
		w.out.WriteString("\n" + strings.Repeat("  ", depth))
		end, element := w.end[i]
		switch {
		case !element:
			w.out.WriteString(w.s[t.from:t.to])
		case depth < maxPartDepth && w.holdsElements(i, end):
			w.out.WriteString(w.s[t.from:t.to])
			w.write(i+1, end, depth+1)
			w.out.WriteString("\n" + strings.Repeat("  ", depth) + w.s[w.tokens[end].from:w.tokens[end].to])
			i = end
		default:
			w.out.WriteString(w.s[t.from:w.tokens[end].to])
			i = end
		}
	}
}

// holdsElements reports whether an element holds elements and no text.
func (w *xmlIndenter) holdsElements(i, end int) bool {
	for _, a := range w.tokens[i].Token.(xml.StartElement).Attr {
		if a.Name.Space == "xml" && a.Name.Local == "space" {
			return false
		}
	}
	some := false
	for k := i + 1; k < end; k++ {
		switch w.tokens[k].Token.(type) {
		case xml.CharData:
			if t := w.tokens[k]; strings.TrimSpace(w.s[t.from:t.to]) != "" {
				return false
			}
		case xml.StartElement:
			some = true
			k = w.end[k]
		}
	}
	return some
}
