package expression

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxText bounds a text that an expression builds, in bytes: it is as large as
// the largest body.
const maxText = 64 << 20

// maxElements bounds the elements of a value that an expression gives.
const maxElements = 2_000_000

var errTooLarge = errors.New("the value is too large")

// toComputed gives a value as the expression language computes with it: numbers
// become int where they fit, else float64. Texts, booleans and null stay.
func toComputed(v any) (any, error) {
	switch v := v.(type) {
	case json.Number:
		return toNumber(v)
	case []any:
		list := make([]any, len(v))
		for i, e := range v {
			c, err := toComputed(e)
			if err != nil {
				return nil, err
			}
			list[i] = c
		}
		return list, nil
	case map[string]any:
		m := make(map[string]any, len(v))
		for k, e := range v {
			c, err := toComputed(e)
			if err != nil {
				return nil, err
			}
			m[k] = c
		}
		return m, nil
	}
	return v, nil
}

func toNumber(n json.Number) (any, error) {
	s := n.String()
	if !strings.ContainsAny(s, ".eE") {
		if i, err := strconv.Atoi(s); err == nil {
			return i, nil
		}
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
		return nil, fmt.Errorf("the number %s is beyond what can be computed with", shorten(s))
	}
	return f, nil
}

// fromComputed gives what the expression language computed as a value of the
// program: nil, bool, string, json.Number, []any or map[string]any.
func fromComputed(v any) (any, error) {
	n := normalizer{left: maxElements}
	return n.value(v)
}

// normalizer is one run of fromComputed. It counts elements, because a list that
// the expression language made can hold the same list many times over.
type normalizer struct{ left int }

func (n *normalizer) value(v any) (any, error) {
	if n.left--; n.left < 0 {
		return nil, errTooLarge
	}
	switch v := v.(type) {
	case nil, bool, string, json.Number:
		return v, nil
	case int:
		return json.Number(strconv.Itoa(v)), nil
	case int8:
		return json.Number(strconv.FormatInt(int64(v), 10)), nil
	case int16:
		return json.Number(strconv.FormatInt(int64(v), 10)), nil
	case int32:
		return json.Number(strconv.FormatInt(int64(v), 10)), nil
	case int64:
		return json.Number(strconv.FormatInt(v, 10)), nil
	case uint:
		return json.Number(strconv.FormatUint(uint64(v), 10)), nil
	case uint8:
		return json.Number(strconv.FormatUint(uint64(v), 10)), nil
	case uint16:
		return json.Number(strconv.FormatUint(uint64(v), 10)), nil
	case uint32:
		return json.Number(strconv.FormatUint(uint64(v), 10)), nil
	case uint64:
		return json.Number(strconv.FormatUint(v, 10)), nil
	case float32:
		return fromFloat(float64(v))
	case float64:
		return fromFloat(v)
	case []byte:
		return string(v), nil
	case time.Time:
		return v.UTC().Format(time.RFC3339Nano), nil
	case time.Duration:
		return v.String(), nil
	case time.Month:
		return v.String(), nil
	case time.Weekday:
		return v.String(), nil
	case *time.Location:
		return v.String(), nil
	case time.Location:
		return v.String(), nil
	case []any:
		return fromList(n, v)
	case []string:
		return fromList(n, v)
	case []int:
		return fromList(n, v)
	case []float64:
		return fromList(n, v)
	case [][2]any:
		return fromList(n, v)
	case []map[string]any:
		return fromList(n, v)
	case [][]any:
		return fromList(n, v)
	case [2]any:
		return fromList(n, v[:])
	case map[string]any:
		return fromMap(n, v)
	case map[string]string:
		return fromMap(n, v)
	case map[string][]string:
		return fromMap(n, v)
	case map[any][]any:
		return fromKeys(n, v)
	case map[any]any:
		return fromKeys(n, v)
	}
	return nil, errors.New("the result is a function, not a value; call it")
}

// fromFloat writes a number in its shortest form, as JSON has it.
func fromFloat(f float64) (any, error) {
	switch {
	case math.IsNaN(f):
		return nil, errors.New("the result is not a number")
	case math.IsInf(f, 0):
		return nil, errors.New("the result is infinite")
	case f == 0:
		return json.Number("0"), nil
	}
	format := byte('f')
	if a := math.Abs(f); a < 1e-6 || a >= 1e21 {
		format = 'e'
	}
	return json.Number(strconv.FormatFloat(f, format, -1, 64)), nil
}

func fromList[E any](n *normalizer, list []E) (any, error) {
	out := make([]any, len(list))
	for i, e := range list {
		v, err := n.value(e)
		if err != nil {
			return nil, err
		}
		out[i] = v
	}
	return out, nil
}

func fromMap[E any](n *normalizer, m map[string]E) (any, error) {
	out := make(map[string]any, len(m))
	for k, e := range m {
		v, err := n.value(e)
		if err != nil {
			return nil, err
		}
		out[k] = v
	}
	return out, nil
}

// fromKeys gives a map whose keys are any values (what groupBy makes) with
// those keys as text.
func fromKeys[E any](n *normalizer, m map[any]E) (any, error) {
	out := make(map[string]any, len(m))
	for k, e := range m {
		key, err := keyText(k)
		if err != nil {
			return nil, err
		}
		if _, taken := out[key]; taken {
			return nil, fmt.Errorf("two keys of the map are %q when written as text", key)
		}
		v, err := n.value(e)
		if err != nil {
			return nil, err
		}
		out[key] = v
	}
	return out, nil
}

func keyText(k any) (string, error) {
	v, err := fromComputed(k)
	if err != nil {
		return "", err
	}
	if v == nil {
		return "null", nil
	}
	return valueText(v)
}

// valueText writes a value into a text: numbers as written, booleans as true
// and false, null as nothing, lists and maps as compact JSON with sorted keys.
func valueText(v any) (string, error) {
	switch v := v.(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	case json.Number:
		return v.String(), nil
	case bool:
		return strconv.FormatBool(v), nil
	}
	return jsonText(v, "")
}

// jsonText writes a value as JSON, without HTML escapes; indent is of one level.
func jsonText(v any, indent string) (string, error) {
	// The encoder of JSON holds the whole text: its size is measured before.
	if left := measure(v, maxText); left < 0 {
		return "", errTooLarge
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", indent)
	if err := e.Encode(v); err != nil {
		return "", errors.New("the value cannot be written as JSON")
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

// measure takes the bytes that a value needs at least from what is left, and
// stops when nothing is.
func measure(v any, left int) int {
	left--
	switch v := v.(type) {
	case string:
		left -= len(v)
	case json.Number:
		left -= len(v)
	case []any:
		for _, e := range v {
			if left < 0 {
				break
			}
			left = measure(e, left)
		}
	case map[string]any:
		for k, e := range v {
			if left < 0 {
				break
			}
			left = measure(e, left-len(k))
		}
	}
	return left
}

// kindOf says in one word with its article what a value is, in the words of the
// reference.
func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "a boolean"
	case string, []byte:
		return "text"
	case json.Number, int, int8, int16, int32, int64, uint, uint8, uint16, uint32, uint64, float32, float64:
		return "a number"
	case time.Time:
		return "a time"
	case time.Duration:
		return "a duration"
	case []any, []string, []int, []float64, []map[string]any, [][]any, [2]any, [][2]any:
		return "a list"
	case map[string]any, map[string]string, map[string][]string, map[any][]any, map[any]any:
		return "a map"
	}
	return "a value that cannot be used here"
}

// sortedKeys gives the keys of a map in a fixed order, as computed values.
func sortedKeys(v any) ([]any, error) {
	var keys []any
	switch m := v.(type) {
	case map[string]any:
		for k := range m {
			keys = append(keys, k)
		}
	case map[any][]any:
		for k := range m {
			keys = append(keys, k)
		}
	case map[any]any:
		for k := range m {
			keys = append(keys, k)
		}
	default:
		return nil, fmt.Errorf("a map is wanted, found %s", kindOf(v))
	}
	text := func(k any) string {
		s, err := keyText(k)
		if err != nil {
			return ""
		}
		return s
	}
	slices.SortFunc(keys, func(a, b any) int { return strings.Compare(text(a), text(b)) })
	return keys, nil
}

// shorten cuts a text that is shown in a message.
func shorten(s string) string {
	const most = 80
	r := []rune(s)
	if len(r) <= most {
		return s
	}
	return string(r[:most-1]) + "…"
}

// oneLine writes code that may have several lines in one.
func oneLine(code string) string { return shorten(strings.Join(strings.Fields(code), " ")) }
