package scenarios_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"

	"iflowtest/scenarios"
)

func kindSchemas() []scenarios.KindSchema {
	text := scenarios.Shape{Type: scenarios.TextType}
	return []scenarios.KindSchema{
		{Name: "call", Doc: "send a request", Shape: scenarios.Shape{Type: scenarios.ObjectType, Keys: []scenarios.Key{
			{Name: "GET", Shape: text}, {Name: "POST", Shape: text}, {Name: "DELETE", Shape: text},
			{Name: "credential", Shape: text},
			{Name: "json", Shape: scenarios.Shape{}},
			{Name: "csrf", Shape: scenarios.Shape{Type: scenarios.BoolType}, Default: "false"},
		}}, Subjects: []string{"status", "headers", "json"}},
		{Name: "wait", Doc: "wait", Shape: scenarios.Shape{Type: scenarios.DurationType}, Subjects: []string{}},
		{Name: "set", Doc: "set variables", Shape: scenarios.Shape{Type: scenarios.MapType, Elem: &scenarios.Shape{}}},
	}
}

// compiled gives the schema at a fragment of the whole one.
func compiled(t *testing.T, fragment string) *jsonschema.Schema {
	t.Helper()
	text, err := scenarios.JSONSchema(kindSchemas(), nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("file:///schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("file:///schema.json" + fragment)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// values gives the documents of a YAML text as an editor would see them.
func values(t *testing.T, text string) []any {
	t.Helper()
	var all []any
	d := yaml.NewDecoder(strings.NewReader(text))
	for {
		var v any
		if err := d.Decode(&v); err != nil {
			return all
		}
		if v != nil {
			all = append(all, v)
		}
	}
}

func TestSchemaIsDeterministic(t *testing.T) {
	first, err := scenarios.JSONSchema(kindSchemas(), nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		again, err := scenarios.JSONSchema(kindSchemas(), nil, nil, nil)
		if err != nil || !bytes.Equal(first, again) {
			t.Fatal("the schema differs", err)
		}
	}
	for _, name := range []string{`"step"`, `"matcher"`, `"credential"`, `"environment"`, `"included"`, `"retry"`, `"poll"`} {
		if !bytes.Contains(first, []byte(name+": {")) {
			t.Errorf("$defs has no %s", name)
		}
	}
}

// TestSchemaAcceptsWhatIsRight holds the schema against the files that the
// loader has nothing against.
func TestSchemaAcceptsWhatIsRight(t *testing.T) {
	for pattern, fragment := range map[string]string{"[^ei]*.yaml": "", "env-*.yaml": "#/$defs/environment", "include-*.yaml": "#/$defs/included"} {
		files, err := filepath.Glob(filepath.Join("..", "testdata", "language", "ok", pattern))
		if err != nil || len(files) == 0 {
			t.Fatal(pattern, err)
		}
		schema := compiled(t, fragment)
		for _, file := range files {
			if strings.HasSuffix(file, "types.yaml") {
				continue // the parser used here has other types than the language
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for i, v := range values(t, string(text)) {
				if err := schema.Validate(v); err != nil {
					t.Errorf("%s, document %d: %v", file, i, err)
				}
			}
		}
	}
}

func TestSchemaRejects(t *testing.T) {
	step := func(s string) string { return "{name: x, steps: [{" + s + "}]}" }
	credential := func(s string) string {
		return `{name: x, steps: [{wait: 1s}], credentials: {a: {` + s + `}}}`
	}
	tests := []struct {
		name, text string
		right      bool
	}{
		{"least", step("wait: 1s"), true},
		{"computed duration of a kind", step(`wait: "${pause}"`), true},
		{"computed boolean", step(`call: {GET: /x, csrf: "${x}"}`), true},
		{"number as text", step("wait: 1s, name: 12"), true},
		{"retry for short", step("call: {GET: /x}, retry: 3"), true},
		{"subject of the kind", step("call: {GET: /x}, expect: {status: 200}"), true},
		{"no name", "{steps: [{wait: 1s}]}", false},
		{"no steps", "{name: x}", false},
		{"empty steps", "{name: x, steps: []}", false},
		{"unknown key", "{name: x, steps: [{wait: 1s}], tgas: [x]}", false},
		{"unknown key of a step", step("wait: 1s, expects: {status: 200}"), false},
		{"no kind", step("name: x"), false},
		{"two kinds", step("wait: 1s, call: {GET: /x}"), false},
		{"unknown key of a kind", step("call: {GTE: /x}"), false},
		{"duration without unit", step("wait: 5"), false},
		{"computed limit", step(`wait: 1s, timeout: "${x}"`), false},
		{"attempts", step("wait: 1s, retry: 0"), false},
		{"poll without until", step("call: {GET: /x}, poll: {every: 1s}"), false},
		{"empty expect", step("call: {GET: /x}, expect: {}"), false},
		{"subject of another kind", step("call: {GET: /x}, expect: {scopes: [a]}"), false},
		{"a kind without subjects", step("wait: 1s, expect: {status: 200}"), false},
		{"on-failure", step("wait: 1s, on-failure: stop"), false},
		{"name of a variable", "{name: x, steps: [{wait: 1s}], vars: {order-id: 1}}", false},
		{"data", "{name: x, steps: [{wait: 1s}], data: {parallel: 2}}", false},
		{"service key", credential("service-key: a.json, url: x"), true},
		{"secret", credential("token-url: x, client-id: x, client-secret: x"), true},
		{"certificate", credential("token-url: x, client-id: x, certificate: x, key: x"), true},
		{"both", credential("service-key: a.json, client-id: x"), false},
		{"neither", credential("scope: x"), false},
		{"no key", credential("token-url: x, client-id: x, certificate: x"), false},
		{"secret and certificate", credential("token-url: x, client-id: x, client-secret: x, certificate: x, key: x"), false},
		{"auth-style", credential("service-key: a.json, auth-style: basic"), false},
	}
	schema := compiled(t, "")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			docs := values(t, tt.text)
			if len(docs) != 1 {
				t.Fatalf("%d documents in %s", len(docs), tt.text)
			}
			if err := schema.Validate(docs[0]); (err == nil) != tt.right {
				t.Errorf("%s: %v", tt.text, err)
			}
		})
	}
}

func TestSchemaOfEnvironment(t *testing.T) {
	schema := compiled(t, "#/$defs/environment")
	for text, right := range map[string]bool{
		"{vars: {a: 1}}": true,
		"{target: {limits: {requests-per-second: 0}}}":       false,
		"{target: {tls: {insecure: 'yes'}}}":                 false,
		"{target: {tls: {insecure: '${env.INSECURE}'}}}":     true,
		"{target: {runtim: https://x}}":                      false,
		"{target: {entitlements: {subaccount: x}}}":          false,
		"{target: {cloud-foundry: {cf-home: true, org: a}}}": true,
	} {
		if err := schema.Validate(values(t, text)[0]); (err == nil) != right {
			t.Errorf("%s: %v", text, err)
		}
	}
}
