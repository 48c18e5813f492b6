package scenarios

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// KindSchema is what the JSON Schema says of a step kind.
type KindSchema struct {
	// Name is the key of the kind in a step.
	Name string
	// Doc is one sentence.
	Doc string
	// Shape is that of the value of the key.
	Shape Shape
	// Subjects are those that expect may have in such a step; nil: all.
	Subjects []string
}

// schemaVersion is the dialect of JSON Schema that is written.
const schemaVersion = "https://json-schema.org/draft/2020-12/schema"

// JSONSchema gives the JSON Schema (2020-12) of scenario files, indented and
// with a newline at its end; the same input gives the same bytes. In $defs it
// holds those of a step, a credential, an included file ("included") and an
// environment ("environment"). expect, capture and matcher are the schemas of
// these parts; they may refer to each other by "#/$defs/…". Each nil one is
// anything of the right type.
func JSONSchema(kinds []KindSchema, expect, capture, matcher map[string]any) ([]byte, error) {
	w := schemaWriter{kinds: kinds, definitions: map[string]any{
		"computed": map[string]any{
			"description": "text with ${…}, whose value is computed when the step runs",
			"type":        "string",
			"pattern":     `\$\{`,
		},
		"expect":  orObject(expect),
		"capture": orObject(capture),
		"matcher": matcherOr(matcher),
	}}
	root := w.object(ScenarioShape())
	for k, v := range map[string]any{
		"$schema":     schemaVersion,
		"title":       "iflowtest scenario",
		"description": "a scenario: one YAML document with name and steps",
	} {
		root[k] = v
	}
	w.define("included", IncludedShape(), "a file that a step includes")
	w.define("environment", EnvironmentShape(), "an environment: where the scenarios run")
	root["$defs"] = w.definitions
	text, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the JSON Schema: %w", err)
	}
	return append(text, '\n'), nil
}

func orObject(schema map[string]any) map[string]any {
	if schema != nil {
		return schema
	}
	return map[string]any{"type": "object", "minProperties": 1}
}

func matcherOr(schema map[string]any) map[string]any {
	if schema != nil {
		return schema
	}
	return map[string]any{}
}

// schemaWriter turns shapes into schemas, and keeps what is defined once.
type schemaWriter struct {
	kinds       []KindSchema
	definitions map[string]any
}

func (w *schemaWriter) define(name string, s Shape, doc string) {
	schema := w.object(s)
	schema["description"] = doc
	w.definitions[name] = schema
}

// schema gives the schema of a shape, or a reference to it.
func (w *schemaWriter) schema(s Shape) map[string]any {
	if s.Definition == "" {
		return w.inline(s)
	}
	if _, done := w.definitions[s.Definition]; !done {
		w.definitions[s.Definition] = nil // ends a recursion
		w.definitions[s.Definition] = w.inline(s)
	}
	return reference(s.Definition)
}

func reference(definition string) map[string]any {
	return map[string]any{"$ref": "#/$defs/" + definition}
}

// inline gives the schema of a shape where it stands.
func (w *schemaWriter) inline(s Shape) map[string]any {
	schema := w.typed(s)
	if s.Doc != "" {
		schema["description"] = s.Doc
	}
	return schema
}

func (w *schemaWriter) typed(s Shape) map[string]any {
	switch s.Type {
	case ListType, MapType, ObjectType:
		return w.collection(s)
	case ExpectType:
		return reference("expect")
	case CaptureType:
		return reference("capture")
	case MatcherType:
		return reference("matcher")
	case OneOfType:
		alternatives := make([]any, len(s.Alternatives))
		for i, a := range s.Alternatives {
			alternatives[i] = w.schema(a)
		}
		return map[string]any{"anyOf": alternatives}
	}
	schema := scalarSchema(s)
	if s.Constant || s.Type == TextType || s.Type == ExpressionType || s.Type == Any {
		return schema
	}
	return map[string]any{"anyOf": []any{schema, reference("computed")}}
}

func scalarSchema(s Shape) map[string]any {
	switch s.Type {
	case TextType:
		return map[string]any{"type": []string{"string", "number"}}
	case NumberType, IntegerType:
		schema := map[string]any{"type": "number"}
		if s.Type == IntegerType {
			schema["type"] = "integer"
		}
		if s.AtLeast != 0 {
			schema["minimum"] = s.AtLeast
		}
		return schema
	case BoolType:
		return map[string]any{"type": "boolean"}
	case DurationType:
		return map[string]any{"type": "string", "pattern": `^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$`}
	case SizeType:
		return map[string]any{"type": []string{"string", "integer"}, "pattern": sizePattern.String(), "minimum": 0}
	case EnumType:
		return map[string]any{"enum": s.Enum}
	case ExpressionType:
		return map[string]any{"type": []string{"string", "boolean"}}
	}
	return map[string]any{}
}

func (w *schemaWriter) collection(s Shape) map[string]any {
	switch s.Type {
	case ObjectType:
		schema := w.object(s)
		switch s.Definition {
		case "step":
			w.step(schema)
		case "credential":
			schema["oneOf"] = credentialAlternatives()
		}
		return schema
	case ListType:
		schema := map[string]any{"type": "array"}
		if s.Elem != nil {
			schema["items"] = w.schema(*s.Elem)
		}
		if s.Names {
			schema["items"] = map[string]any{"type": "string", "pattern": namePattern}
		}
		if !s.AllowEmpty {
			schema["minItems"] = 1
		}
		return schema
	}
	schema := map[string]any{"type": "object"}
	if s.Elem != nil && s.Elem.Type != Any {
		schema["additionalProperties"] = w.schema(*s.Elem)
	}
	if s.Names {
		schema["propertyNames"] = map[string]any{"pattern": namePattern}
	}
	if !s.AllowEmpty {
		schema["minProperties"] = 1
	}
	return schema
}

// namePattern is that of the names of variables, as language.md 2 gives it.
const namePattern = `^[A-Za-z_][A-Za-z0-9_]*$`

func (w *schemaWriter) object(s Shape) map[string]any {
	properties := make(map[string]any, len(s.Keys))
	var required []string
	for _, k := range s.Keys {
		properties[k.Name] = w.property(k)
		if k.Required {
			required = append(required, k.Name)
		}
	}
	schema := map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		schema["required"] = required
	}
	return schema
}

func (w *schemaWriter) property(k Key) map[string]any {
	schema := w.schema(k.Shape)
	if k.Doc != "" {
		schema["description"] = k.Doc
	}
	switch kindOf(k.Default) {
	case Null:
	case Bool:
		schema["default"] = k.Default == "true"
	case Number:
		schema["default"] = json.Number(k.Default)
	default:
		if !strings.ContainsAny(k.Default, " [") {
			schema["default"] = k.Default
		} else {
			schema["description"] = k.Doc + "; default: " + k.Default
		}
	}
	return schema
}

// step adds the kinds to the schema of the common keys: exactly one of them,
// and only the subjects it has.
func (w *schemaWriter) step(schema map[string]any) {
	if len(w.kinds) == 0 {
		delete(schema, "additionalProperties")
		return
	}
	properties := schema["properties"].(map[string]any)
	one := make([]any, 0, len(w.kinds))
	var rules []any
	for _, k := range w.kinds {
		value := w.schema(k.Shape)
		value["description"] = k.Doc
		properties[k.Name] = value
		here := map[string]any{"required": []string{k.Name}}
		one = append(one, here)
		if k.Subjects == nil {
			continue
		}
		then := map[string]any{"expect": map[string]any{"propertyNames": map[string]any{"enum": k.Subjects}}}
		if len(k.Subjects) == 0 {
			then = map[string]any{"expect": false}
		}
		rules = append(rules, map[string]any{"if": here, "then": map[string]any{"properties": then}})
	}
	schema["oneOf"] = one
	if len(rules) > 0 {
		schema["allOf"] = rules
	}
	schema["properties"] = maps.Clone(properties)
}

// credentialAlternatives are the three ways to spell a credential, as
// [CheckCredential] holds them apart.
func credentialAlternatives() []any {
	ways := [][]string{
		{"service-key"},
		{"token-url", "client-id", "client-secret"},
		{"token-url", "client-id", "certificate", "key"},
	}
	all := []string{"service-key", "token-url", "client-id", "client-secret", "certificate", "key"}
	alternatives := make([]any, len(ways))
	for i, way := range ways {
		none := map[string]any{}
		for _, k := range all {
			if !slices.Contains(way, k) {
				none[k] = false
			}
		}
		alternatives[i] = map[string]any{"required": way, "properties": none}
	}
	return alternatives
}
