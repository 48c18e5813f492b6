package bundle

import (
	"archive/zip"
	"cmp"
	"encoding/xml"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
)

// defaultType is the data type of a parameter that is defined nowhere.
const defaultType = "xsd:string"

// parameters reads the values of parameters.prop and the types of
// parameters.propdef.
func (b *Bundle) parameters(members map[string]*zip.File) error {
	source, err := text(members, parametersPath)
	if err != nil {
		return err
	}
	types, err := definitions(members)
	if err != nil {
		return err
	}
	// As in a file of Java's, the last of several counts.
	values := map[string]string{}
	for _, p := range properties(source) {
		values[p.Key] = p.Value
	}
	if len(values) > maxParameters {
		return errors.New(parametersPath + " has more than " + strconv.Itoa(maxParameters) + " parameters")
	}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		b.Parameters = append(b.Parameters, Parameter{key, values[key], cmp.Or(types[key], defaultType)})
	}
	return nil
}

// maxParameters bounds the parameters of an artifact.
const maxParameters = 2000

// definitions gives the types of the parameters by their names.
func definitions(members map[string]*zip.File) (map[string]string, error) {
	source, err := text(members, definitionsPath)
	if err != nil || strings.TrimSpace(source) == "" {
		return nil, err
	}
	var list struct {
		Parameters []struct {
			Key  string `xml:"key"`
			Name string `xml:"name"`
			Type string `xml:"type"`
		} `xml:"parameter"`
	}
	if err := xml.Unmarshal([]byte(source), &list); err != nil {
		return nil, errors.New(definitionsPath + " is not well-formed XML")
	}
	types := map[string]string{}
	for _, p := range list.Parameters {
		for _, key := range []string{p.Key, p.Name} {
			if key = strings.TrimSpace(key); key != "" {
				types[key] = strings.TrimSpace(p.Type)
			}
		}
	}
	return types, nil
}

// properties reads a file of properties (java.util.Properties.load).
func properties(source string) []Parameter {
	var list []Parameter
	for _, line := range logicalLines(source) {
		at := separator(line)
		key, value := line[:at], strings.TrimLeft(line[at:], " \t\f")
		if value != "" && (value[0] == '=' || value[0] == ':') {
			value = strings.TrimLeft(value[1:], " \t\f")
		}
		list = append(list, Parameter{Key: unescape(key), Value: unescape(value)})
	}
	return list
}

// logicalLines joins lines that end in an odd number of backslashes with the
// next, and leaves out comments and blank lines.
func logicalLines(source string) []string {
	var list []string
	var open strings.Builder
	joining := false
	for line := range strings.SplitSeq(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(source), "\n") {
		line = strings.TrimLeft(line, " \t\f")
		if !joining && (line == "" || line[0] == '#' || line[0] == '!') {
			continue
		}
		slashes := len(line) - len(strings.TrimRight(line, `\`))
		if joining = slashes%2 == 1; joining {
			open.WriteString(line[:len(line)-1])
			continue
		}
		open.WriteString(line)
		if open.Len() > 0 {
			list = append(list, open.String())
		}
		open.Reset()
	}
	if open.Len() > 0 {
		list = append(list, open.String())
	}
	return list
}

// separator gives where a key ends: at the first =, : or blank that is not
// escaped.
func separator(line string) int {
	for i := 0; i < len(line); i++ {
		switch line[i] {
		case '\\':
			i++
		case '=', ':', ' ', '\t', '\f':
			return i
		}
	}
	return len(line)
}

// unescape resolves the escapes of a file of properties.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		switch s[i] {
		case 'n':
			b.WriteByte('\n')
		case 't':
			b.WriteByte('\t')
		case 'r':
			b.WriteByte('\r')
		case 'f':
			b.WriteByte('\f')
		case 'u':
			r, size := codePoint(s[i-1:])
			b.WriteRune(r)
			i += size - 2
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

// codePoint reads \uXXXX, or two of them that are a surrogate pair, and gives
// how many bytes that were.
func codePoint(s string) (rune, int) {
	first, ok := unit(s)
	if !ok {
		return 'u', 2
	}
	if !utf16.IsSurrogate(first) {
		return first, 6
	}
	if second, ok := unit(s[6:]); ok {
		return utf16.DecodeRune(first, second), 12
	}
	return '\uFFFD', 6
}

func unit(s string) (rune, bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(s[2:6], 16, 16)
	return rune(n), err == nil
}

// escapeProperty writes a key or a value for a file of properties.
func escapeProperty(s string) string {
	s = strings.NewReplacer(`\`, `\\`, ":", `\:`, "=", `\=`, "\n", `\n`, "\r", `\r`, "\t", `\t`, "#", `\#`, "!", `\!`).Replace(s)
	if strings.HasPrefix(s, " ") {
		s = `\` + s
	}
	return s
}
