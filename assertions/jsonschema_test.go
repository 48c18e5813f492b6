package assertions

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const orderSchema = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "$id": "https://example.com/schemas/order.json",
  "type": "object",
  "required": ["id", "lines"],
  "properties": {
    "id": {"type": "integer", "minimum": 1},
    "state": {"enum": ["new", "done"]},
    "created": {"type": "string", "format": "date-time"},
    "lines": {"type": "array", "minItems": 1, "items": {"$ref": "common/line.json"}},
    "total": {"multipleOf": 0.01, "exclusiveMaximum": 1000.5},
    "who": {"anyOf": [{"type": "string"}, {"type": "object", "required": ["name"]}]}
  },
  "additionalProperties": false
}`

const lineSchema = `{"type": "object", "properties": {"sku": {"type": "string", "pattern": "^[A-Z]-\\d+$"}, "qty": {"$ref": "#/$defs/qty"}, "part.no": {"const": 1}},
  "$defs": {"qty": {"type": ["integer", "null"], "maximum": 99}}}`

func schemaFolder() folder {
	return folder{"schemas/order.json": orderSchema, "schemas/common/line.json": lineSchema}
}

func TestSchemaFile(t *testing.T) {
	e := schemaFolder().must(t, "schema: schemas/order.json")
	tests := []struct {
		body    string
		message string
		notes   []string
	}{
		{`{"id":1,"lines":[{"sku":"A-1","qty":2.0}],"total":10.10,"created":"2026-01-01T00:00:00Z","who":"x"}`, "", nil},
		{`{"id":90071992547409931234567890,"lines":[{}]}`, "", nil},
		{`{"id":0,"lines":[{"sku":"a1","qty":100,"part.no":2}],"state":"x"}`, "id: want at least 1, got 0 (minimum), and 4 more violations", []string{
			`lines.0.sku: want text matching "^[A-Z]-\\d+$", got "a1" (pattern)`,
			`lines.0.qty: want at most 99, got 100 (maximum)`,
			`lines.0.part\.no: want 1, got 2 (const)`,
			`state: want one of "new", "done", got "x" (enum)`,
		}},
		{`{"lines":[]}`, `@this: want the key id, got nothing (required), and 1 more violation`, []string{`lines: want at least 1 elements, got 0 (minItems)`}},
		{`{"id":"1","lines":[{}],"b":1,"a":2}`, `@this: want no keys that the schema does not name, got the keys a, b (additionalProperties), and 1 more violation`,
			[]string{`id: want a value of type integer, got "1" (type)`}},
		{`{"id":1,"lines":[{}],"created":"today"}`, `created: want text of the format date-time, got "today" (format)`, nil},
		{`{"id":1,"lines":[{}],"total":1000.5}`, `total: want less than 1000.5, got 1000.5 (exclusiveMaximum)`, nil},
		{`{"id":1,"lines":[{}],"total":0.001}`, `total: want a multiple of 0.01, got 0.001 (multipleOf)`, nil},
		{`{"id":1,"lines":[{}],"who":{"nam":1}}`, `who: want one of the alternatives, got {"nam":1} (anyOf)`, []string{
			`one alternative: who: want a value of type string, got {"nam":1} (type)`,
			`one alternative: who: want the key name, got nothing (required)`,
		}},
		{`[]`, `@this: want a value of type object, got [] (type)`, nil},
		{`{"id":1e999999999,"lines":[{}]}`, `@this: want numbers that can be computed with, got 1e999999999 (type)`, nil},
		{`<html><title>Log on</title></html>`, `want JSON as in schemas/order.json, got an HTML page with the title "Log on"`, nil},
		{``, `want JSON as in schemas/order.json, got an empty body`, nil},
	}
	for _, tt := range tests {
		t.Run(cut(tt.body, 60), func(t *testing.T) {
			message := ""
			var notes []string
			for _, f := range e.Check(&Result{Body: tt.body}, nil) {
				message, notes = strings.TrimPrefix(strings.TrimPrefix(f.Message, "schema: "), "schemas/order.json: "), f.Notes
			}
			if message != tt.message {
				t.Errorf("got  %s\nwant %s", message, tt.message)
			}
			if d := cmp.Diff(tt.notes, notes); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestSchemaProblems(t *testing.T) {
	files := folder{
		"syntax.json":     "{\n  \"type\": \"object\",\n}",
		"type.json":       "{\n  \"properties\": {\n    \"a\": {\"type\": \"strnig\"}\n  }\n}",
		"regexp.json":     "{\n  \"properties\": {\"a/b\": {\"pattern\": \"[\"}}\n}",
		"ref.json":        `{"$ref": "none.json"}`,
		"net.json":        `{"$ref": "https://example.com/a.json"}`,
		"pointer.json":    `{"$ref": "#/$defs/x"}`,
		"nested.json":     `{"$ref": "sub/type.json"}`,
		"sub/type.json":   "{\"$ref\": \"../up.json\"}",
		"up.json":         "{\n\"minimum\": \"x\"}",
		"huge.json":       `{"minimum": 1e999999999}`,
		"scalar.json":     `5`,
		"../out.json":     `{"$ref": "sibling.json"}`,
		"../sibling.json": `true`,
		"false.json":      `false`,
		"self.json":       `{"$ref":"self.json"}`,
		"not.json":        `{"properties":{"a":{"not":{"$ref":"#/properties/a"}}}}`,
		"ring.json":       `{"items":{"$ref":"#/$defs/a"},"$defs":{"a":{"allOf":[{"$ref":"#/$defs/b"}]},"b":{"anyOf":[true,{"$ref":"#/$defs/a"}]}}}`,
		"tree.json":       `{"properties":{"left":{"$ref":"#"},"all":{"items":{"$ref":"tree.json"}}},"additionalProperties":{"anyOf":[{"$ref":"#"},{"type":"null"}]}}`,
	}
	tests := []struct{ file, code, message string }{
		{"false.json", "", ""},
		{"../out.json", "", ""},
		{"tree.json", "", ""},
		{"self.json", "invalid-schema", `schema: self.json: the schema "self.json#" leads back to itself by $ref for one and the same value, so that it judges nothing`},
		{"not.json", "invalid-schema", `schema: not.json: the schema "not.json#/properties/a" leads back to itself by $ref for one and the same value, so that it judges nothing`},
		{"ring.json", "invalid-schema", `schema: ring.json: the schema "ring.json#/$defs/a" leads back to itself by $ref for one and the same value, so that it judges nothing`},
		{"none.json", "bad-file", `no file "none.json"`},
		{"syntax.json", "invalid-schema", "schema: syntax.json:3:1: not JSON: invalid character '}' looking for beginning of object key string"},
		{"type.json", "invalid-schema", `schema: type.json:3:19: properties.a.type: want one of the alternatives, got "strnig"`},
		{"regexp.json", "invalid-schema", `schema: regexp.json:2:37: properties.a/b.pattern: want text of the format regex, got "["`},
		{"ref.json", "bad-file", `no file "none.json"`},
		{"net.json", "invalid-schema", `schema: "https://example.com/a.json" is not a file of the project, and nothing is loaded from the network`},
		{"pointer.json", "invalid-schema", `schema: pointer.json: $ref leads to "pointer.json#/$defs/x", which is not there`},
		{"nested.json", "invalid-schema", `schema: up.json:2:12: minimum: want a value of type number, got "x"`},
		{"huge.json", "invalid-schema", `schema: huge.json: the number 1e999999999 is too long`},
		{"scalar.json", "invalid-schema", `schema: scalar.json:1:1: @this: want a value of type boolean or object, got 5`},
	}
	for _, tt := range tests {
		t.Run(tt.file, func(t *testing.T) {
			_, problems := files.compile(t, "schema: "+tt.file)
			if tt.code == "" {
				if problems != nil {
					t.Error(problems)
				}
				return
			}
			if len(problems) != 1 || problems[0].Code != tt.code || problems[0].Message != tt.message {
				t.Errorf("%+v", problems)
			}
			f := files.must(t, "schema: $0").Check(&Result{Body: "{}"}, values(tt.file))
			if len(f) != 1 || f[0].Place == 0 {
				t.Errorf("%+v", f)
			}
		})
	}
}

func TestSchemaComputed(t *testing.T) {
	e := schemaFolder().must(t, "schema: $0")
	for file, want := range map[any]int{"schemas/order.json": 0, "schemas/common/line.json": 0, "none": 1, "": 1} {
		if f := e.Check(&Result{Body: `{"id":1,"lines":[{}]}`}, values(file)); len(f) != want {
			t.Errorf("%v: %+v", file, f)
		}
	}
}

// TestSchemaSecrets: nothing of what is hidden is shown.
func TestSchemaSecrets(t *testing.T) {
	hide := func(s string) string { return strings.ReplaceAll(s, "geheim", "***") }
	f := schemaFolder().must(t, "schema: schemas/order.json").Check(&Result{Body: `{"geheim":1,"state":"geheim","lines":"geheim","who":["geheim"]}`, Hide: hide}, nil)
	if len(f) != 1 || len(f[0].Notes) < 3 {
		t.Fatalf("%+v", f)
	}
	if s := f[0].Message + f[0].Got + f[0].Path + strings.Join(f[0].Notes, ""); strings.Contains(s, "geheim") {
		t.Error(s)
	}
}
