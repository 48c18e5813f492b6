package assertions

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"
)

// schemaOf compiles a fragment as it stands in the schema of the language.
func schemaOf(t *testing.T, fragment map[string]any) *jsonschema.Schema {
	t.Helper()
	fragment["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	fragment["$defs"] = map[string]any{"matcher": MatcherSchema()}
	text, err := json.Marshal(fragment)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// validates reports whether the YAML satisfies the schema.
func validates(t *testing.T, s *jsonschema.Schema, source string) error {
	t.Helper()
	var y yaml.Node
	if err := yaml.Unmarshal([]byte(source), &y); err != nil {
		t.Fatal(err)
	}
	n := nodeOfYAML(y.Content[0])
	text, err := json.Marshal(n.any())
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(doc)
}

func TestExpectSchema(t *testing.T) {
	s := schemaOf(t, ExpectSchema(allSubjects()))
	good := []string{
		"status: 2xx", "status: [200, 4xx]", "status: {lt: 500}", "status: '${row.status}'",
		"json: {a: 1, b: [1], c: null, d: {equals: {x: 1}}, e: {length: {gte: 1}}, f: {type: null}}",
		"duration: {lt: 2s}", "size: {lt: 64KB}", "size: {lt: 5}", "json: {a: {exists: '${row.there}'}}",
	}
	for _, o := range Operators() {
		good = append(good, "json: {"+o.Example+"}")
	}
	for _, d := range SubjectDocs() {
		good = append(good, d.Example)
	}
	for _, g := range good {
		if err := validates(t, s, g); err != nil {
			t.Errorf("%s: %v", g, err)
		}
	}
	for _, b := range []string{
		"{}", "statsu: 200", "status: 20", "status: [x]", "json: {}", "json: []", "json: {a: {}}", "json: {a: {contians: x}}",
		"json: {a: {one-of: []}}", "json: {a: {between: [1]}}", "json: {a: {exists: maybe}}", "json: {a: {type: strnig}}",
		"json: {a: {includes: x}}", "json: {a: {approx: {value: 1}}}", "json: {a: {not: {id: 1}}}", "signature: no", "scopes: []",
		"tls: {days: 3}", "matches-file: {ignore: [a]}",
	} {
		if validates(t, s, b) == nil {
			t.Errorf("%s satisfies the schema", b)
		}
		if _, problems := compileYAML(t, b); len(problems) == 0 {
			t.Errorf("%s compiles", b)
		}
	}
	call := schemaOf(t, ExpectSchema(callSubjects()))
	if validates(t, call, "scopes: [a]") == nil || validates(t, call, "namespaces: {p: 'urn:x'}") != nil {
		t.Error("the subjects of a kind are not those of its schema")
	}
}

func TestCaptureSchema(t *testing.T) {
	s := schemaOf(t, CaptureSchema())
	for _, d := range CaptureDocs() {
		if err := validates(t, s, d.Example); err != nil {
			t.Errorf("%s: %v", d.Example, err)
		}
	}
	for _, b := range []string{"{}", "v: x", "v: {default: 1}", "v: {json: a, header: b}", "v: {status: false}", "v: {jsno: a}", "order-id: {json: a}", "v: {json: a, secret: 1}"} {
		if validates(t, s, b) == nil {
			t.Errorf("%s satisfies the schema", b)
		}
	}
}
