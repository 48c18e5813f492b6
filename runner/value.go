package runner

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"iflowtest/internal/expression"
	"iflowtest/scenarios"
)

// value is a value of a file, compiled: what can be known is known, and
// scalars that hold ${…} are computed at each evaluation.
type value struct {
	// fixed is the value when nothing in it is computed.
	fixed    any
	constant bool
	template *expression.Template
	list     []value
	keys     []string
	members  []value
	isMap    bool
}

// eval gives the value as one of the run-time types: nil, bool, string,
// json.Number, []any, map[string]any.
func (v *value) eval(vs *expression.Values) (any, error) {
	switch {
	case v.constant:
		return v.fixed, nil
	case v.template != nil:
		return v.template.Eval(vs)
	case v.isMap:
		m := make(map[string]any, len(v.keys))
		for i, k := range v.keys {
			e, err := v.members[i].eval(vs)
			if err != nil {
				return nil, err
			}
			m[k] = e
		}
		return m, nil
	}
	l := make([]any, len(v.list))
	for i := range v.list {
		e, err := v.list[i].eval(vs)
		if err != nil {
			return nil, err
		}
		l[i] = e
	}
	return l, nil
}

// any reports whether something holds for one of the templates in the value.
func (v *value) any(holds func(*expression.Template) bool) bool {
	if v.template != nil {
		return holds(v.template)
	}
	is := func(e value) bool { return e.any(holds) }
	return slices.ContainsFunc(v.list, is) || slices.ContainsFunc(v.members, is)
}

// usesRow reports whether the value depends on the data row.
func (v *value) usesRow() bool { return v.any((*expression.Template).UsesRow) }

// varies reports whether the value may be another one in each run.
func (v *value) varies() bool { return v.any((*expression.Template).Varies) }

// appendJSON writes the value as JSON with its keys in the order of the file.
func (v *value) appendJSON(b []byte, vs *expression.Values) ([]byte, error) {
	switch {
	case v.isMap:
		b = append(b, '{')
		for i, k := range v.keys {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendJSON(b, k)
			b = append(b, ':')
			var err error
			if b, err = v.members[i].appendJSON(b, vs); err != nil {
				return nil, err
			}
		}
		return append(b, '}'), nil
	case v.list != nil:
		b = append(b, '[')
		for i := range v.list {
			if i > 0 {
				b = append(b, ',')
			}
			var err error
			if b, err = v.list[i].appendJSON(b, vs); err != nil {
				return nil, err
			}
		}
		return append(b, ']'), nil
	}
	e, err := v.eval(vs)
	if err != nil {
		return nil, err
	}
	return appendJSON(b, e), nil
}

// appendJSON writes a run-time value as JSON: numbers as they were written,
// keys sorted, no HTML escapes.
func appendJSON(b []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...)
	case bool:
		return fmt.Append(b, v)
	case json.Number:
		return append(b, v...)
	case string:
		var buf bytes.Buffer
		e := json.NewEncoder(&buf)
		e.SetEscapeHTML(false)
		_ = e.Encode(v) // a string can always be encoded
		return append(b, bytes.TrimRight(buf.Bytes(), "\n")...)
	case []any:
		b = append(b, '[')
		for i, e := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendJSON(b, e)
		}
		return append(b, ']')
	case map[string]any:
		b = append(b, '{')
		for i, k := range slices.Sorted(maps.Keys(v)) {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendJSON(b, k)
			b = append(b, ':')
			b = appendJSON(b, v[k])
		}
		return append(b, '}')
	}
	return append(b, "null"...)
}

// textOf gives a run-time value as text, as it stands in a URL or header.
func textOf(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	}
	return string(appendJSON(nil, v))
}

// value compiles a value of a file.
func (c *scenarioCompiler) value(n *scenarios.Node, scope *expression.Scope) value {
	switch n.Kind {
	case scenarios.Null:
		return value{constant: true}
	case scenarios.Bool:
		return value{constant: true, fixed: n.Text == "true"}
	case scenarios.Number:
		return value{constant: true, fixed: json.Number(n.Text)}
	case scenarios.Text:
		t := c.template(n, scope)
		if fixed, ok := t.Constant(); ok {
			return value{constant: true, fixed: fixed}
		}
		return value{template: t}
	case scenarios.List:
		v := value{list: make([]value, len(n.Items())), constant: true}
		fixed := make([]any, len(n.Items()))
		for i, item := range n.Items() {
			v.list[i] = c.value(item, scope)
			v.constant = v.constant && v.list[i].constant
			fixed[i] = v.list[i].fixed
		}
		v.fixed = fixed
		return v
	default:
		v := value{isMap: true, constant: true}
		fixed := make(map[string]any, len(n.Entries()))
		for _, e := range n.Entries() {
			c.noExpression(e.Key)
			member := c.value(e.Value, scope)
			v.keys = append(v.keys, e.Key.Text)
			v.members = append(v.members, member)
			v.constant = v.constant && member.constant
			fixed[e.Key.Text] = member.fixed
		}
		v.fixed = fixed
		return v
	}
}
