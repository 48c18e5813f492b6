package assertions

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// violation is a place of a document that does not satisfy a schema.
type violation struct {
	// at is where it is in the document.
	at                       int
	tokens                   []string
	path, keyword, want, got string
	// tried are the alternatives of which none holds.
	tried []string
}

func (v *violation) text() string {
	return fmt.Sprintf("%s: want %s, got %s (%s)", v.path, v.want, v.got, v.keyword)
}

// violationWalk collects the leaves of what the validator says.
type violationWalk struct {
	doc   string
	d     *display
	found []violation
}

// maxTried bounds what is told of alternatives.
const maxTried = 4

func (w *violationWalk) walk(e *jsonschema.ValidationError) {
	switch e.ErrorKind.(type) {
	case *kind.AnyOf, *kind.OneOf:
		v := w.violation(e)
		v.tried = w.alternatives(e)
		w.found = append(w.found, v)
		return
	case *kind.Not, *kind.PropertyNames, *kind.Contains, *kind.MinContains, *kind.MaxContains:
		w.found = append(w.found, w.violation(e))
		return
	}
	if len(e.Causes) == 0 {
		w.found = append(w.found, w.violation(e))
	}
	for _, c := range e.Causes {
		w.walk(c)
	}
}

func (w *violationWalk) alternatives(e *jsonschema.ValidationError) []string {
	var tried []string
	for i, c := range e.Causes {
		if i == maxTried {
			return append(tried, fmt.Sprintf("%d more alternatives", len(e.Causes)-maxTried))
		}
		if found := violationsIn(w.doc, c, w.d); len(found) > 0 {
			tried = append(tried, "one alternative: "+found[0].text())
		}
	}
	return tried
}

func (w *violationWalk) violation(e *jsonschema.ValidationError) violation {
	at, raw := locate(w.doc, 0, e.InstanceLocation)
	v := violation{at: at, tokens: slices.Clone(e.InstanceLocation), keyword: strings.Join(e.ErrorKind.KeywordPath(), ".")}
	for _, t := range e.InstanceLocation {
		v.path = join(v.path, w.d.name(t))
	}
	v.path = cmp.Or(v.path, "@this")
	found := fromJSON(raw)
	v.got = found.show(w.d)
	w.words(&v, e.ErrorKind)
	v.want = cmp.Or(v.want, "what "+cmp.Or(v.keyword, "the schema")+" asks for")
	return v
}

// words says what a keyword wants, and what it found where that is not the
// value itself.
func (w *violationWalk) words(v *violation, k jsonschema.ErrorKind) {
	switch k := k.(type) {
	case *kind.Type:
		v.want = "a value of type " + strings.Join(k.Want, " or ")
	case *kind.Enum:
		v.want = "one of " + w.values(k.Want)
	case *kind.Const:
		v.want = w.values([]any{k.Want})
	case *kind.Pattern:
		v.want = "text matching " + w.d.quote(k.Want)
	case *kind.Format:
		v.want = "text of the format " + w.d.path(k.Want)
	case *kind.MultipleOf:
		v.want = "a multiple of " + decimalOfRat(k.Want)
	case *kind.FalseSchema:
		v.want = "nothing"
	case *kind.RefCycle:
		v.keyword, v.want = "$ref", "a schema that does not lead back to itself"
	case *kind.Not:
		v.want = "what the schema in not does not allow"
	case *kind.AnyOf:
		v.want = "one of the alternatives"
	case *kind.OneOf:
		v.want = "exactly one of the alternatives"
		if len(k.Subschemas) > 1 {
			v.got = fmt.Sprintf("alternatives %d and %d", k.Subschemas[0], k.Subschemas[1])
		}
	default:
		w.bounds(v, k)
	}
}

func (w *violationWalk) bounds(v *violation, k jsonschema.ErrorKind) {
	switch k := k.(type) {
	case *kind.Minimum:
		v.want = "at least " + decimalOfRat(k.Want)
	case *kind.Maximum:
		v.want = "at most " + decimalOfRat(k.Want)
	case *kind.ExclusiveMinimum:
		v.want = "more than " + decimalOfRat(k.Want)
	case *kind.ExclusiveMaximum:
		v.want = "less than " + decimalOfRat(k.Want)
	case *kind.MinLength:
		v.want = fmt.Sprintf("at least %d characters", k.Want)
	case *kind.MaxLength:
		v.want = fmt.Sprintf("at most %d characters", k.Want)
	case *kind.MinItems:
		v.want, v.got = fmt.Sprintf("at least %d elements", k.Want), strconv.Itoa(k.Got)
	case *kind.MaxItems:
		v.want, v.got = fmt.Sprintf("at most %d elements", k.Want), strconv.Itoa(k.Got)
	case *kind.MinProperties:
		v.want, v.got = fmt.Sprintf("at least %d keys", k.Want), strconv.Itoa(k.Got)
	case *kind.MaxProperties:
		v.want, v.got = fmt.Sprintf("at most %d keys", k.Want), strconv.Itoa(k.Got)
	default:
		w.contents(v, k)
	}
}

func (w *violationWalk) contents(v *violation, k jsonschema.ErrorKind) {
	switch k := k.(type) {
	case *kind.Required:
		v.want, v.got = keysWord(k.Missing)+listOfNames(k.Missing, w.d), "nothing"
	case *kind.DependentRequired:
		v.want, v.got = keysWord(k.Missing)+listOfNames(k.Missing, w.d)+" beside "+showName(w.d.hidden(k.Prop)), "nothing"
	case *kind.Dependency:
		v.want, v.got = keysWord(k.Missing)+listOfNames(k.Missing, w.d)+" beside "+showName(w.d.hidden(k.Prop)), "nothing"
	case *kind.AdditionalProperties:
		names := slices.Sorted(slices.Values(k.Properties))
		v.want, v.got = "no keys that the schema does not name", keysWord(names)+listOfNames(names, w.d)
	case *kind.AdditionalItems:
		v.want, v.got = "no further elements", fmt.Sprintf("%d more", k.Count)
	case *kind.PropertyNames:
		v.want, v.got = "keys as the schema allows", keysWord([]string{k.Property})+showName(w.d.hidden(k.Property))
	case *kind.UniqueItems:
		v.want, v.got = "elements that all differ", fmt.Sprintf("the same at %d and %d", k.Duplicates[0], k.Duplicates[1])
	case *kind.Contains:
		v.want = "an element as the schema in contains asks for"
	case *kind.MinContains:
		v.want, v.got = fmt.Sprintf("at least %d elements as the schema in contains asks for", k.Want), strconv.Itoa(len(k.Got))
	case *kind.MaxContains:
		v.want, v.got = fmt.Sprintf("at most %d elements as the schema in contains asks for", k.Want), strconv.Itoa(len(k.Got))
	}
}

func keysWord(names []string) string {
	if len(names) == 1 {
		return "the key "
	}
	return "the keys "
}

// values shows what a schema wants.
func (w *violationWalk) values(vs []any) string {
	words := make([]string, len(vs))
	for i, v := range vs {
		raw, err := json.Marshal(v)
		if err != nil {
			return "a certain value"
		}
		words[i] = w.d.hidden(string(raw))
	}
	return cut(joinWords(words), maxShown)
}

// decimalOfRat writes a number of a schema, exactly where that is possible.
func decimalOfRat(r *big.Rat) string {
	if r.IsInt() {
		return cut(r.Num().String(), maxShown)
	}
	digits, _ := r.FloatPrec()
	return cut(r.FloatString(min(digits, maxShown)), maxShown)
}
