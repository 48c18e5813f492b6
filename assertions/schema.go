package assertions

// The fragments are JSON Schema 2020-12. A value may everywhere be computed,
// so that text with an expression stands wherever another scalar is wanted.

// MatcherSchema is the fragment for a matcher, to stand at #/$defs/matcher.
func MatcherSchema() map[string]any {
	properties := map[string]any{}
	for _, op := range operators() {
		s := op.schema()
		s["description"] = op.doc
		properties[op.name] = s
	}
	return map[string]any{
		"description": "a plain value (equals, by type), or operators, all of which must hold",
		"anyOf": []any{
			map[string]any{"type": []any{"string", "number", "boolean", "null", "array"}},
			map[string]any{
				"type": "object", "minProperties": 1, "additionalProperties": false,
				"properties": properties,
			},
		},
	}
}

// ExpectSchema is the fragment for an expect block of a kind of step that has
// the subjects.
func ExpectSchema(names []string) map[string]any {
	has := map[string]bool{}
	for _, n := range names {
		has[n] = true
	}
	has["namespaces"] = has["xml"]
	properties := map[string]any{}
	for _, s := range subjects() {
		if !has[s.name] {
			continue
		}
		p := s.schema()
		p["description"] = s.doc
		properties[s.name] = p
	}
	return map[string]any{
		"type": "object", "minProperties": 1, "additionalProperties": false,
		"properties": properties,
	}
}

// CaptureSchema is the fragment for a capture block.
func CaptureSchema() map[string]any {
	properties := map[string]any{
		"default":    map[string]any{"description": "what the variable is when nothing is found"},
		"secret":     map[string]any{"type": "boolean", "description": "the value appears in no output"},
		"namespaces": textsSchema(),
	}
	var oneOf []any
	for _, s := range sources() {
		p := map[string]any{"type": "string", "description": s.doc}
		if s.flag {
			p = map[string]any{"const": true, "description": s.doc}
		}
		properties[s.name] = p
		oneOf = append(oneOf, map[string]any{"required": []any{s.name}})
	}
	return map[string]any{
		"type": "object", "minProperties": 1,
		"propertyNames": map[string]any{"pattern": "^[A-Za-z_][A-Za-z0-9_]*$"},
		"additionalProperties": map[string]any{
			"type": "object", "additionalProperties": false,
			"properties": properties, "oneOf": oneOf,
		},
	}
}

func anySchema() map[string]any { return map[string]any{} }

func matcherReference() map[string]any { return map[string]any{"$ref": "#/$defs/matcher"} }

func stringSchema() map[string]any { return map[string]any{"type": "string"} }

func computedSchema() map[string]any {
	return map[string]any{"type": "string", "pattern": `\$\{`}
}

func scalarSchema() map[string]any {
	return map[string]any{"type": []any{"string", "number", "boolean"}}
}

func booleanSchema() map[string]any {
	return map[string]any{"anyOf": []any{map[string]any{"type": "boolean"}, computedSchema()}}
}

func someSchema() map[string]any {
	return map[string]any{"anyOf": []any{map[string]any{"type": "array", "minItems": 1}, computedSchema()}}
}

func pairSchema() map[string]any {
	return map[string]any{"anyOf": []any{
		map[string]any{"type": "array", "minItems": 2, "maxItems": 2, "items": scalarSchema()},
		computedSchema(),
	}}
}

func containerSchema() map[string]any {
	return map[string]any{"anyOf": []any{map[string]any{"type": []any{"object", "array"}}, computedSchema()}}
}

func typeSchema() map[string]any {
	var names []any
	for _, n := range typeNames() {
		names = append(names, n)
	}
	return map[string]any{"anyOf": []any{
		map[string]any{"enum": append(names, nil)}, computedSchema(),
	}}
}

func approxSchema() map[string]any {
	return map[string]any{"anyOf": []any{
		map[string]any{
			"type": "object", "required": []any{"value", "delta"}, "additionalProperties": false,
			"properties": map[string]any{"value": scalarSchema(), "delta": scalarSchema()},
		},
		computedSchema(),
	}}
}

func matchersSchema() map[string]any {
	return map[string]any{"type": "object", "minProperties": 1, "additionalProperties": matcherReference()}
}

func textsSchema() map[string]any {
	return map[string]any{"type": "object", "minProperties": 1, "additionalProperties": stringSchema()}
}

func statusSchema() map[string]any {
	code := map[string]any{"anyOf": []any{
		map[string]any{"type": "integer", "minimum": 100, "maximum": 599},
		map[string]any{"type": "string", "pattern": `^[1-5]([0-9]{2}|[xX]{2})$|\$\{`},
	}}
	return map[string]any{"anyOf": []any{
		code,
		map[string]any{"type": "array", "minItems": 1, "items": code},
		map[string]any{"allOf": []any{map[string]any{"type": "object"}, matcherReference()}},
	}}
}

func scopesSchema() map[string]any {
	return map[string]any{"anyOf": []any{
		stringSchema(),
		map[string]any{"type": "array", "minItems": 1, "items": stringSchema()},
		map[string]any{"allOf": []any{map[string]any{"type": "object"}, matcherReference()}},
	}}
}

func signatureSchema() map[string]any {
	return map[string]any{"anyOf": []any{
		map[string]any{"const": "valid"}, computedSchema(),
		map[string]any{"allOf": []any{map[string]any{"type": "object"}, matcherReference()}},
	}}
}

func certificateSchema() map[string]any {
	properties := map[string]any{}
	for _, k := range certificateKeys() {
		properties[k] = matcherReference()
	}
	return map[string]any{
		"type": "object", "minProperties": 1, "additionalProperties": false, "properties": properties,
	}
}

func matchesFileSchema() map[string]any {
	return map[string]any{"anyOf": []any{
		stringSchema(),
		map[string]any{
			"type": "object", "required": []any{"file"}, "additionalProperties": false,
			"properties": map[string]any{
				"file":       stringSchema(),
				"ignore":     map[string]any{"type": "array", "minItems": 1, "items": stringSchema()},
				"as":         map[string]any{"enum": []any{"json", "xml", "text"}},
				"whitespace": map[string]any{"enum": []any{"ignore", "strict"}},
			},
		},
	}}
}
