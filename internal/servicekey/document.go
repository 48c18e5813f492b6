package servicekey

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxSize is the size of the largest service key in bytes. Real ones have
// some 10 KiB, with a chain of certificates.
const maxSize = 1 << 20

// wanted is what every message about the form ends with.
const wanted = "want a service key as the cockpit shows it or cf service-key prints it"

// decode gives the JSON object in data, with whatever was put around it taken
// away: a byte order mark, the line that cf prints before the key, quotes.
func decode(name string, data []byte) (map[string]any, error) {
	problem := func(text string) error { return &Error{Name: name, Problems: []string{text}} }
	if len(data) > maxSize {
		return nil, problem("is larger than 1 MiB; " + wanted)
	}
	text := fromUTF16(string(data))
	if i := invalidUTF8(text); i >= 0 {
		return nil, errorAt(name, text, i, "is neither UTF-8 nor UTF-16 with a byte order mark")
	}
	begin, end := jsonPart(text)
	if begin == end {
		return nil, problem("is empty; " + wanted)
	}
	value, at, message := decodeJSON(text[begin:end])
	if message != "" {
		if isBase64JSON(text[begin:end]) {
			return nil, problem("is base64; want the JSON that was encoded")
		}
		return nil, errorAt(name, text, begin+at, message+"; "+wanted)
	}
	// Pasted where JSON was wanted, a key becomes a string in JSON.
	for range 3 {
		inner, ok := value.(string)
		if !ok {
			break
		}
		begin, end := jsonPart(inner)
		if value, _, message = decodeJSON(inner[begin:end]); message != "" {
			return nil, problem("is a JSON string that holds no JSON; " + wanted)
		}
	}
	object, ok := value.(map[string]any)
	if !ok {
		return nil, problem("is " + kind(value) + ", not a JSON object; " + wanted)
	}
	return object, nil
}

// decodeJSON decodes one JSON value. The message says what is wrong at a byte
// offset; it never quotes the text, as the error of encoding/json does.
func decodeJSON(text string) (value any, at int, message string) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	err := d.Decode(&value)
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok && syntax.Offset <= int64(len(text)) {
		at = max(0, int(syntax.Offset)-1)
		if strings.HasPrefix(syntax.Error(), "unexpected end") {
			return nil, len(text), "ends in the middle of its JSON"
		}
		return nil, at, "is not JSON from here on"
	}
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return nil, len(text), "ends in the middle of its JSON"
	case err != nil:
		return nil, 0, "is not JSON"
	}
	end := int(d.InputOffset())
	if rest := strings.TrimLeft(text[end:], blanks); rest != "" {
		return nil, len(text) - len(rest), "has something behind its JSON"
	}
	return value, 0, ""
}

// blanks are what may stand around a key: blanks, and byte order marks where
// files were joined.
const blanks = " \t\r\n\ufeff"

// jsonPart gives where the JSON in text begins and ends.
func jsonPart(text string) (begin, end int) {
	end = len(strings.TrimRight(text, blanks))
	begin = end - len(strings.TrimLeft(text[:end], blanks))
	if begin == end {
		return begin, end
	}
	switch first := text[begin]; {
	case first == '\'' && end-begin > 1 && text[end-1] == '\'': // quotes of a shell
		inner, innerEnd := jsonPart(text[begin+1 : end-1])
		return begin + 1 + inner, begin + 1 + innerEnd
	case first == '{' || first == '"' || first == '[':
		return begin, end
	}
	// "Getting key smoke-key for service instance smoke as ci@example.com..."
	for at := begin; ; {
		line := strings.IndexByte(text[at:end], '\n')
		if line < 0 {
			return begin, end
		}
		at += line + 1
		if strings.HasPrefix(strings.TrimLeft(text[at:end], blanks), "{") {
			return end - len(strings.TrimLeft(text[at:end], blanks)), end
		}
	}
}

// fromUTF16 decodes text that begins with a byte order mark of UTF-16, as
// the redirection of Windows PowerShell writes it.
func fromUTF16(s string) string {
	var high, low int
	switch {
	case strings.HasPrefix(s, "\xff\xfe"):
		high, low = 1, 0
	case strings.HasPrefix(s, "\xfe\xff"):
		high, low = 0, 1
	default:
		return s
	}
	units := make([]uint16, 0, len(s)/2)
	for i := 2; i+1 < len(s); i += 2 {
		units = append(units, uint16(s[i+high])<<8|uint16(s[i+low]))
	}
	return string(utf16.Decode(units))
}

// invalidUTF8 gives the offset of the first byte that is not UTF-8, or -1.
func invalidUTF8(s string) int {
	for i := 0; i < len(s); {
		c, size := utf8.DecodeRuneInString(s[i:])
		if c == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return -1
}

func isBase64JSON(text string) bool {
	text = strings.NewReplacer("\n", "", "\r", "").Replace(text)
	decoded, err := base64.StdEncoding.DecodeString(text)
	return err == nil && bytes.HasPrefix(bytes.TrimLeft(decoded, blanks), []byte("{"))
}

func errorAt(name, text string, offset int, message string) error {
	before := text[:min(offset, len(text))]
	line := before[strings.LastIndexByte(before, '\n')+1:]
	return &Error{
		Name:     name,
		Problems: []string{message},
		Line:     strings.Count(before, "\n") + 1,
		Column:   utf8.RuneCountInString(strings.TrimPrefix(line, "\ufeff")) + 1,
	}
}

// kind names the type of a JSON value.
func kind(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "a boolean"
	case json.Number:
		return "a number"
	case string:
		return "a string"
	case []any:
		return "a list"
	default:
		return "an object"
	}
}
