package report

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"iflowtest/runner"
)

func TestEventSchema(t *testing.T) {
	text, err := EventSchema()
	if err != nil {
		t.Fatal(err)
	}
	compareFile(t, filepath.Join("..", "..", "docs", "events.schema.json"), text)
	for key := range fieldDocs() {
		if _, field, _ := strings.Cut(key, "."); !bytes.Contains(text, []byte(`"`+field+`": {`)) {
			t.Errorf("%s is described and does not exist", key)
		}
	}
}

// TestLinesAgainstSchema checks every line, with unknown fields forbidden.
func TestLinesAgainstSchema(t *testing.T) {
	text, err := EventSchema()
	if err != nil {
		t.Fatal(err)
	}
	strict := strings.ReplaceAll(string(text), `"type": "object"`, `"type": "object", "additionalProperties": false`)
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(strict))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("events.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("events.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var lines bytes.Buffer
	feed(t, NewJSONLines(&lines), inOrder())
	for line := range strings.Lines(lines.String()) {
		value, err := jsonschema.UnmarshalJSON(strings.NewReader(line))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(value); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
	for name, wrong := range map[string]string{
		"unknown outcome": `{"event":"step-end","time":"2026-11-30T08:15:00Z","run":"x","outcome":"passed"}`,
		"no run":          `{"event":"step-end","time":"2026-11-30T08:15:00Z"}`,
		"unknown field":   `{"event":"step-end","time":"2026-11-30T08:15:00Z","run":"x","status":1}`,
		"time":            `{"event":"step-end","time":"yesterday","run":"x"}`,
	} {
		value, err := jsonschema.UnmarshalJSON(strings.NewReader(wrong))
		if err != nil {
			t.Fatal(err)
		}
		if schema.Validate(value) == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

// TestLinesRoundTrip reads the lines back: they are the events.
func TestLinesRoundTrip(t *testing.T) {
	var lines bytes.Buffer
	feed(t, NewJSONLines(&lines), inOrder())
	d := json.NewDecoder(&lines)
	for i, want := range inOrder() {
		got := new(runner.Event)
		if err := d.Decode(got); err != nil {
			t.Fatalf("line %d: %v", i+1, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("line %d (-want +got):\n%s", i+1, diff)
		}
	}
}
