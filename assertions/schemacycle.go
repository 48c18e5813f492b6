package assertions

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// schemaWalk looks for a schema that leads back to itself for the same value:
// nothing can ever be judged by it (JSON Schema 2020-12, section 9.4.1).
type schemaWalk struct {
	// open are the schemas that were come across: true while what they lead to
	// is looked at.
	open map[*jsonschema.Schema]bool
	// rest are schemas for other values, which begin anew.
	rest []*jsonschema.Schema
}

// endless gives a schema that leads back to itself; nil when there is none.
func endless(s *jsonschema.Schema) *jsonschema.Schema {
	w := &schemaWalk{open: map[*jsonschema.Schema]bool{}, rest: []*jsonschema.Schema{s}}
	for len(w.rest) > 0 {
		next := w.rest[len(w.rest)-1]
		w.rest = w.rest[:len(w.rest)-1]
		if found := w.visit(next); found != nil {
			return found
		}
	}
	return nil
}

func (w *schemaWalk) visit(s *jsonschema.Schema) *jsonschema.Schema {
	if s == nil {
		return nil
	}
	if open, known := w.open[s]; known {
		if open {
			return s
		}
		return nil
	}
	w.open[s] = true
	for _, next := range sameValue(s) {
		if found := w.visit(next); found != nil {
			return found
		}
	}
	w.open[s] = false
	w.rest = append(w.rest, otherValues(s)...)
	return nil
}

// sameValue gives the schemas that are applied to the value that s is.
func sameValue(s *jsonschema.Schema) []*jsonschema.Schema {
	all := slices.Concat([]*jsonschema.Schema{s.Ref, s.Not, s.If, s.Then, s.Else}, s.AllOf, s.AnyOf, s.OneOf, ordered(s.DependentSchemas))
	for _, name := range slices.Sorted(maps.Keys(s.Dependencies)) {
		if d, ok := s.Dependencies[name].(*jsonschema.Schema); ok {
			all = append(all, d)
		}
	}
	return all
}

// otherValues gives the schemas that are applied to what is in the value.
func otherValues(s *jsonschema.Schema) []*jsonschema.Schema {
	all := slices.Concat([]*jsonschema.Schema{s.PropertyNames, s.UnevaluatedProperties, s.Contains, s.Items2020, s.UnevaluatedItems, s.ContentSchema}, s.PrefixItems, ordered(s.Properties))
	for _, one := range s.PatternProperties {
		all = append(all, one)
	}
	for _, either := range []any{s.AdditionalProperties, s.AdditionalItems, s.Items} {
		switch v := either.(type) {
		case *jsonschema.Schema:
			all = append(all, v)
		case []*jsonschema.Schema:
			all = append(all, v...)
		}
	}
	all = slices.DeleteFunc(all, func(s *jsonschema.Schema) bool { return s == nil })
	slices.SortFunc(all, func(a, b *jsonschema.Schema) int { return strings.Compare(a.Location, b.Location) })
	return all
}

func ordered(m map[string]*jsonschema.Schema) []*jsonschema.Schema {
	all := make([]*jsonschema.Schema, 0, len(m))
	for _, name := range slices.Sorted(maps.Keys(m)) {
		all = append(all, m[name])
	}
	return all
}

// endlessError says where a schema leads back to itself.
func (l *schemaLoader) endlessError(s *jsonschema.Schema) error {
	return fmt.Errorf("%s: the schema %s leads back to itself by $ref for one and the same value, so that it judges nothing", l.file, quote(l.shown(s.Location)))
}
