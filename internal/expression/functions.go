package expression

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// function is one function of our own. Some take the place of a function of
// the expression language: ours are deterministic, keep digits, and say what is
// wrong in the words of the reference.
type function struct {
	name, signature, doc, example string
	// min and max are how many arguments it takes.
	min, max int
	// impure: two calls may give two values, or something happens besides.
	impure bool
	// tried: a call whose arguments are all literals is tried when it is
	// compiled, so that a bad layout or duration is found before the run.
	tried bool
	call  func(ev *evaluation, args []any) (any, error)
}

// manyArguments is the max of a function that takes any number.
const manyArguments = math.MaxInt

// run is the form in which the expression language calls a function: the state
// comes first.
func (f function) run(params ...any) (any, error) {
	s, ok := params[0].(state)
	if !ok {
		return nil, fmt.Errorf("%s has no state", f.name)
	}
	return f.call(s.evaluation, params[1:])
}

// functions gives the functions of our own, in the order of the reference.
func functions() []function {
	return slices.Concat(valueFunctions(), textFunctions(), listFunctions())
}

// valueFunctions are those that language.md adds to the expression language.
func valueFunctions() []function {
	return []function{
		{
			name: "uuid", signature: "uuid()", impure: true,
			doc:     "A random UUID (RFC 9562, version 4), in lower case.",
			example: `len(uuid()) == 36`,
			call:    func(ev *evaluation, _ []any) (any, error) { return ev.uuid() },
		},
		{
			name: "file", signature: "file(path)", min: 1, max: 1, impure: true,
			doc:  "The text of a file. The path is relative to the file it stands in and stays within the project folder.",
			call: func(ev *evaluation, args []any) (any, error) { return ev.file(args[0]) },
		},
		{
			name: "secret", signature: "secret(value)", min: 1, max: 1, impure: true,
			doc:     "The value itself, which from then on appears in no output.",
			example: `secret("s3cret") == "s3cret"`,
			call:    func(ev *evaluation, args []any) (any, error) { return ev.secret(args) },
		},
		{
			name: "randomInt", signature: "randomInt(a, b)", min: 2, max: 2, impure: true, tried: true,
			doc:     "A random whole number from a to b, both included.",
			example: `randomInt(3, 3) == 3`,
			call:    func(ev *evaluation, args []any) (any, error) { return ev.randomInt(args[0], args[1]) },
		},
		{
			name: "randomString", signature: "randomString(n)", min: 1, max: 1, impure: true, tried: true,
			doc:     "A random text of n letters and digits (A–Z, a–z, 0–9).",
			example: `len(randomString(12)) == 12`,
			call:    func(ev *evaluation, args []any) (any, error) { return ev.randomString(args[0]) },
		},
		{
			name: "sha256", signature: "sha256(text)", min: 1, max: 1,
			doc:     "The SHA-256 digest of a text, in lower-case hexadecimal digits.",
			example: `sha256("abc") startsWith "ba7816bf"`,
			call: func(_ *evaluation, args []any) (any, error) {
				s, err := scalarText("sha256", args[0])
				if err != nil {
					return nil, err
				}
				sum := sha256.Sum256([]byte(s))
				return hex.EncodeToString(sum[:]), nil
			},
		},
		{
			name: "hmacSHA256", signature: "hmacSHA256(key, text)", min: 2, max: 2,
			doc:     "The HMAC-SHA-256 (RFC 2104) of a text under a key, in lower-case hexadecimal digits.",
			example: `hmacSHA256("key", "abc") startsWith "9c196e32"`,
			call: func(_ *evaluation, args []any) (any, error) {
				key, err := scalarText("hmacSHA256", args[0])
				if err != nil {
					return nil, err
				}
				s, err := scalarText("hmacSHA256", args[1])
				if err != nil {
					return nil, err
				}
				h := hmac.New(sha256.New, []byte(key))
				h.Write([]byte(s))
				return hex.EncodeToString(h.Sum(nil)), nil
			},
		},
		{
			name: "urlEncode", signature: "urlEncode(text)", min: 1, max: 1,
			doc:     "The text percent-encoded for a part of a URL: all but letters, digits and - _ . ~; a space becomes %20.",
			example: `urlEncode("a b/c") == "a%20b%2Fc"`,
			call: func(_ *evaluation, args []any) (any, error) {
				s, err := scalarText("urlEncode", args[0])
				if err != nil {
					return nil, err
				}
				return strings.ReplaceAll(url.QueryEscape(s), "+", "%20"), nil
			},
		},
		{
			name: "timestamp", signature: `timestamp(layout = "rfc3339")`, max: 1, impure: true, tried: true,
			doc: "The time now in UTC. The layout is one of the names rfc3339, rfc3339Nano, rfc1123, date, time, unix and unixMilli " +
				"(the last two give numbers), or Go's reference time written as wanted: 2006-01-02T15:04:05Z07:00.",
			example: `len(timestamp("20060102")) == 8`,
			call: func(_ *evaluation, args []any) (any, error) {
				return formatTime("timestamp", time.Now(), args)
			},
		},
		{
			name: "plus", signature: `plus(duration, layout = "rfc3339")`, min: 1, max: 2, impure: true, tried: true,
			doc:     `The time that far from now, in UTC: plus("1h"), plus("-30m"), plus("90d"). The layout is that of timestamp.`,
			example: `plus("1h") > timestamp()`,
			call: func(_ *evaluation, args []any) (any, error) {
				d, err := durationOf("plus", args[0])
				if err != nil {
					return nil, err
				}
				return formatTime("plus", time.Now().Add(d), args[1:])
			},
		},
	}
}

// textFunctions take the place of functions of the expression language.
func textFunctions() []function {
	return []function{
		{
			name: "string", signature: "string(value)", min: 1, max: 1,
			doc:     "The value as it is written into a text: null is empty, lists and maps are compact JSON.",
			example: `string(12.50) == "12.5"`,
			call: func(_ *evaluation, args []any) (any, error) {
				v, err := fromComputed(args[0])
				if err != nil {
					return nil, err
				}
				return valueText(v)
			},
		},
		{
			name: "int", signature: "int(value)", min: 1, max: 1,
			doc:     "The whole number that a text spells, or a number without its fraction.",
			example: `int("42") == 42`,
			call:    func(_ *evaluation, args []any) (any, error) { return toInt(args[0]) },
		},
		{
			name: "float", signature: "float(value)", min: 1, max: 1,
			doc:     "The number that a text spells.",
			example: `float("1.5") == 1.5`,
			call:    func(_ *evaluation, args []any) (any, error) { return toFloat(args[0]) },
		},
		{
			name: "type", signature: "type(value)", min: 1, max: 1,
			doc:     `What a value is: "nil", "bool", "int", "float", "string", "array", "map", "time" or "duration".`,
			example: `type([1]) == "array"`,
			call:    func(_ *evaluation, args []any) (any, error) { return typeName(args[0]), nil },
		},
		{
			name: "toJSON", signature: "toJSON(value)", min: 1, max: 1,
			doc:     "The value as JSON, indented by two spaces, keys sorted.",
			example: `toJSON({a: 1}) == "{\n  \"a\": 1\n}"`,
			call: func(_ *evaluation, args []any) (any, error) {
				v, err := fromComputed(args[0])
				if err != nil {
					return nil, err
				}
				return jsonText(v, "  ")
			},
		},
		{
			name: "fromJSON", signature: "fromJSON(text)", min: 1, max: 1,
			doc:     "The value that a JSON text describes.",
			example: `fromJSON("[1, 2]")[1] == 2`,
			call:    func(_ *evaluation, args []any) (any, error) { return fromJSON(args[0]) },
		},
		{
			name: "replace", signature: "replace(text, old, new[, n])", min: 3, max: 4,
			doc:     "The text with old replaced by new, everywhere or at most n times.",
			example: `replace("a-b-c", "-", "_") == "a_b_c"`,
			call:    func(_ *evaluation, args []any) (any, error) { return replaceText(args) },
		},
		{
			name: "repeat", signature: "repeat(text, n)", min: 2, max: 2,
			doc:     "The text n times over.",
			example: `repeat("ab", 2) == "abab"`,
			call:    func(_ *evaluation, args []any) (any, error) { return repeatText(args[0], args[1]) },
		},
		{
			name: "join", signature: `join(list, separator = "")`, min: 1, max: 2,
			doc:     "The elements of a list (texts, numbers, booleans) as one text.",
			example: `join(["a", 1], "-") == "a-1"`,
			call:    func(_ *evaluation, args []any) (any, error) { return joinTexts(args) },
		},
	}
}

// listFunctions take the place of functions of the expression language that go
// through a map in random order, or take a time that grows with the square.
func listFunctions() []function {
	return []function{
		{
			name: "keys", signature: "keys(map)", min: 1, max: 1,
			doc:     "The keys of a map, sorted.",
			example: `keys({b: 1, a: 2}) == ["a", "b"]`,
			call:    func(_ *evaluation, args []any) (any, error) { return sortedKeys(args[0]) },
		},
		{
			name: "values", signature: "values(map)", min: 1, max: 1,
			doc:     "The values of a map, in the order of its sorted keys.",
			example: `values({b: 1, a: 2}) == [2, 1]`,
			call: func(_ *evaluation, args []any) (any, error) {
				return pairsOf(args[0], func(_, value any) any { return value })
			},
		},
		{
			name: "toPairs", signature: "toPairs(map)", min: 1, max: 1,
			doc:     "The pairs [key, value] of a map, in the order of its sorted keys.",
			example: `toPairs({a: 1}) == [["a", 1]]`,
			call: func(_ *evaluation, args []any) (any, error) {
				return pairsOf(args[0], func(key, value any) any { return []any{key, value} })
			},
		},
		{
			name: "fromPairs", signature: "fromPairs(list)", min: 1, max: 1,
			doc:     "The map that a list of pairs [key, value] describes.",
			example: `fromPairs([["a", 1]]).a == 1`,
			call:    func(_ *evaluation, args []any) (any, error) { return fromPairs(args[0]) },
		},
		{
			name: "flatten", signature: "flatten(list)", min: 1, max: 1,
			doc:     "The elements of the lists in the list, and of those in them.",
			example: `flatten([[1], [2, [3]]]) == [1, 2, 3]`,
			call:    func(_ *evaluation, args []any) (any, error) { return flatten(args[0]) },
		},
		{
			name: "uniq", signature: "uniq(list)", min: 1, max: 1,
			doc:     "The list without the elements that stand before in it.",
			example: `uniq([1, 2, 1]) == [1, 2]`,
			call:    func(_ *evaluation, args []any) (any, error) { return unique(args[0]) },
		},
	}
}

// wrongKind says what a function wants and what it found.
func wrongKind(function, want string, found any) error {
	return fmt.Errorf("%s takes %s, found %s", function, want, kindOf(found))
}

func textOf(function string, v any) (string, error) {
	s, ok := v.(string)
	if !ok {
		return "", wrongKind(function, "text", v)
	}
	return s, nil
}

// scalarText gives a text, number or boolean as text; null, lists and maps are
// mistakes.
func scalarText(function string, v any) (string, error) {
	switch v.(type) {
	case nil, []any, map[string]any:
		return "", wrongKind(function, "text", v)
	}
	c, err := fromComputed(v)
	if err != nil {
		return "", err
	}
	switch c.(type) {
	case []any, map[string]any:
		return "", wrongKind(function, "text", v)
	}
	return valueText(c)
}

// wholeNumber gives an int, also of a float without fraction.
func wholeNumber(function string, v any) (int, error) {
	switch v := v.(type) {
	case int:
		return v, nil
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
			return int(v), nil
		}
	}
	return 0, wrongKind(function, "a whole number", v)
}

// listOf gives any list of the expression language as []any.
func listOf(function string, v any) ([]any, error) {
	if list, ok := v.([]any); ok {
		return list, nil
	}
	if kindOf(v) == "a list" {
		c, err := fromComputed(v)
		if err != nil {
			return nil, err
		}
		c, err = toComputed(c)
		if list, ok := c.([]any); ok && err == nil {
			return list, nil
		}
	}
	return nil, wrongKind(function, "a list", v)
}

func (ev *evaluation) uuid() (any, error) {
	var b [16]byte
	if _, err := io.ReadFull(ev.random(), b[:]); err != nil {
		return nil, fmt.Errorf("no random bytes for uuid: %w", err)
	}
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:]), nil
}

func (ev *evaluation) file(path any) (any, error) {
	name, err := textOf("file", path)
	if err != nil {
		return nil, err
	}
	if ev.values.ReadFile == nil {
		return nil, fmt.Errorf("file(%q): there are no files in this place", name)
	}
	data, err := ev.values.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("file(%q): %w", name, err)
	}
	return string(data), nil
}

// secret tells the redactor of a value; its first argument is the name that
// check has put there, "" when the argument has none.
func (ev *evaluation) secret(args []any) (any, error) {
	value := args[len(args)-1]
	name := "secret"
	if n, ok := args[0].(string); ok && len(args) == 2 && n != "" {
		name = n
	}
	v, err := fromComputed(value)
	if err != nil {
		return nil, err
	}
	ev.tell(name, v)
	return value, nil
}

func (ev *evaluation) tell(name string, v any) {
	if ev.values.Secret == nil {
		return
	}
	switch v := v.(type) {
	case string:
		ev.values.Secret(name, v)
	case json.Number:
		ev.values.Secret(name, v.String())
	case []any:
		for _, e := range v {
			ev.tell(name, e)
		}
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			ev.tell(name, v[k])
		}
	}
}

func (ev *evaluation) randomInt(a, b any) (any, error) {
	low, err := wholeNumber("randomInt", a)
	if err != nil {
		return nil, err
	}
	high, err := wholeNumber("randomInt", b)
	if err != nil {
		return nil, err
	}
	if low > high {
		return nil, fmt.Errorf("randomInt takes the smaller number first, found %d and %d", low, high)
	}
	n, err := ev.below(uint64(high) - uint64(low) + 1)
	if err != nil {
		return nil, err
	}
	return int(uint64(low) + n), nil
}

// below gives a random number from 0 to n-1, each as likely; n 0 stands for
// 2^64.
func (ev *evaluation) below(n uint64) (uint64, error) {
	const tries = 128 // a source that never gives a usable number must not hang
	var b [8]byte
	for range tries {
		if _, err := io.ReadFull(ev.random(), b[:]); err != nil {
			return 0, fmt.Errorf("no random bytes: %w", err)
		}
		r := binary.BigEndian.Uint64(b[:])
		switch {
		case n == 0:
			return r, nil
		case r < math.MaxUint64-math.MaxUint64%n:
			return r % n, nil
		}
	}
	return 0, errors.New("the source of random bytes gives no usable number")
}

const (
	alphabet        = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	maxRandomString = 1 << 20
)

func (ev *evaluation) randomString(length any) (any, error) {
	n, err := wholeNumber("randomString", length)
	if err != nil {
		return nil, err
	}
	if n < 0 || n > maxRandomString {
		return nil, fmt.Errorf("randomString takes a length from 0 to %d, found %d", maxRandomString, n)
	}
	out := make([]byte, n)
	for i := range out {
		r, err := ev.below(uint64(len(alphabet)))
		if err != nil {
			return nil, err
		}
		out[i] = alphabet[r]
	}
	return string(out), nil
}

// layoutOf gives the Go layout of a name of timestamp, or the text itself.
func layoutOf(name string) string {
	switch name {
	case "rfc3339":
		return time.RFC3339
	case "rfc3339Nano":
		return time.RFC3339Nano
	case "rfc1123":
		return "Mon, 02 Jan 2006 15:04:05 GMT"
	case "date":
		return time.DateOnly
	case "time":
		return time.TimeOnly
	}
	return name
}

func formatTime(function string, t time.Time, args []any) (any, error) {
	layout := "rfc3339"
	if len(args) > 0 {
		s, err := textOf(function, args[0])
		if err != nil {
			return nil, err
		}
		layout = s
	}
	switch layout {
	case "unix":
		return int(t.Unix()), nil
	case "unixMilli":
		return int(t.UnixMilli()), nil
	}
	format := layoutOf(layout)
	// A layout in which nothing stands for a part of the time writes every time
	// alike: yyyy-MM-dd, for instance.
	one := time.Date(2001, 1, 1, 1, 1, 1, 111_111_111, time.UTC)
	other := time.Date(2022, 12, 31, 23, 58, 59, 999_999_999, time.FixedZone("X", 3600))
	if one.Format(format) == other.Format(format) {
		return nil, fmt.Errorf("%s does not know the layout %q; write the time 2006-01-02T15:04:05Z07:00 as wanted, or a name: "+
			"rfc3339, rfc3339Nano, rfc1123, date, time, unix, unixMilli", function, shorten(layout))
	}
	return t.UTC().Format(format), nil
}

// days is a duration that begins with days, which Go's durations do not have.
var days = regexp.MustCompile(`^([+-]?)([0-9]{1,5})d(.*)$`)

func durationOf(function string, v any) (time.Duration, error) {
	if d, ok := v.(time.Duration); ok {
		return d, nil
	}
	s, ok := v.(string)
	if !ok {
		return 0, wrongKind(function, `a duration such as "1h"`, v)
	}
	rest, whole := s, time.Duration(0)
	m := days.FindStringSubmatch(s)
	if m != nil {
		n, err := strconv.Atoi(m[2])
		if err != nil {
			return 0, err
		}
		whole, rest = time.Duration(n)*24*time.Hour, m[3]
	}
	var d time.Duration
	if m == nil || rest != "" {
		var err error
		if d, err = time.ParseDuration(rest); err != nil || m != nil && strings.HasPrefix(rest, "-") {
			return 0, fmt.Errorf("%s takes a duration, which is a number with a unit, such as %q, %q or %q, found %q", function, "30s", "1h30m", "90d", shorten(s))
		}
	}
	if m != nil && m[1] == "-" {
		return -whole - d, nil
	}
	return whole + d, nil
}

func toInt(v any) (any, error) {
	switch v := v.(type) {
	case int:
		return v, nil
	case float64:
		if math.IsNaN(v) || v >= math.MaxInt || v <= math.MinInt {
			return nil, fmt.Errorf("int takes a number in the range of whole numbers, found %v", v)
		}
		return int(v), nil
	case string:
		n, err := strconv.Atoi(v)
		if err != nil {
			return nil, fmt.Errorf("int takes a whole number, found the text %q", shorten(v))
		}
		return n, nil
	case time.Duration:
		return int(v), nil
	}
	if isInteger(v) {
		c, err := fromComputed(v)
		if n, ok := c.(json.Number); ok && err == nil {
			return toNumber(n)
		}
	}
	return nil, wrongKind("int", "a number or text", v)
}

func toFloat(v any) (any, error) {
	switch v := v.(type) {
	case float64:
		return v, nil
	case string:
		f, err := strconv.ParseFloat(v, 64)
		if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
			return nil, fmt.Errorf("float takes a number, found the text %q", shorten(v))
		}
		return f, nil
	}
	if isNumber(v) {
		c, err := fromComputed(v)
		if n, ok := c.(json.Number); ok && err == nil {
			return strconv.ParseFloat(n.String(), 64)
		}
	}
	return nil, wrongKind("float", "a number or text", v)
}

// typeName keeps the words of the expression language, without Go's packages.
func typeName(v any) string {
	switch v.(type) {
	case nil:
		return "nil"
	case bool:
		return "bool"
	case float32, float64:
		return "float"
	case time.Time:
		return "time"
	case time.Duration:
		return "duration"
	}
	switch kindOf(v) {
	case "text":
		return "string"
	case "a number":
		return "int"
	case "a list":
		return "array"
	case "a map":
		return "map"
	}
	return "unknown"
}

func fromJSON(v any) (any, error) {
	s, err := textOf("fromJSON", v)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(strings.NewReader(s))
	d.UseNumber()
	var value any
	if err := d.Decode(&value); err != nil {
		return nil, fmt.Errorf("fromJSON takes JSON, found %q", shorten(s))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("fromJSON takes one JSON value, and something follows it in %q", shorten(s))
	}
	return toComputed(value)
}

func replaceText(args []any) (any, error) {
	var text [3]string
	for i := range text {
		s, err := textOf("replace", args[i])
		if err != nil {
			return nil, err
		}
		text[i] = s
	}
	n := -1
	if len(args) == 4 {
		var err error
		if n, err = wholeNumber("replace", args[3]); err != nil {
			return nil, err
		}
	}
	times := strings.Count(text[0], text[1])
	if n >= 0 {
		times = min(times, n)
	}
	if len(text[2]) > 0 && times > maxText/len(text[2]) {
		return nil, errTooLarge
	}
	return strings.Replace(text[0], text[1], text[2], n), nil
}

func repeatText(v, times any) (any, error) {
	s, err := textOf("repeat", v)
	if err != nil {
		return nil, err
	}
	n, err := wholeNumber("repeat", times)
	if err != nil {
		return nil, err
	}
	if n < 0 {
		return nil, fmt.Errorf("repeat takes a number that is not negative, found %d", n)
	}
	if len(s) > 0 && n > maxText/len(s) {
		return nil, errTooLarge
	}
	return strings.Repeat(s, n), nil
}

func joinTexts(args []any) (any, error) {
	list, err := listOf("join", args[0])
	if err != nil {
		return nil, err
	}
	separator := ""
	if len(args) == 2 {
		if separator, err = textOf("join", args[1]); err != nil {
			return nil, err
		}
	}
	var b strings.Builder
	for i, e := range list {
		s, err := scalarText("join", e)
		if err != nil {
			return nil, fmt.Errorf("join takes a list of texts, and element %d is %s", i, kindOf(e))
		}
		if i > 0 {
			b.WriteString(separator)
		}
		if b.Len()+len(s) > maxText {
			return nil, errTooLarge
		}
		b.WriteString(s)
	}
	return b.String(), nil
}

// pairsOf gives a list made of the pairs of a map in the order of its keys.
func pairsOf(m any, of func(key, value any) any) (any, error) {
	keys, err := sortedKeys(m)
	if err != nil {
		return nil, err
	}
	out := make([]any, len(keys))
	for i, k := range keys {
		var v any
		switch m := m.(type) {
		case map[string]any:
			if s, ok := k.(string); ok {
				v = m[s]
			}
		case map[any][]any:
			v = m[k]
		case map[any]any:
			v = m[k]
		}
		out[i] = of(k, v)
	}
	return out, nil
}

func fromPairs(v any) (any, error) {
	list, err := listOf("fromPairs", v)
	if err != nil {
		return nil, err
	}
	out := make(map[string]any, len(list))
	for i, e := range list {
		pair, err := listOf("fromPairs", e)
		if err != nil || len(pair) != 2 {
			return nil, fmt.Errorf("fromPairs takes pairs [key, value], and element %d is none", i)
		}
		key, err := scalarText("fromPairs", pair[0])
		if err != nil {
			return nil, fmt.Errorf("fromPairs takes keys that are texts, and that of element %d is %s", i, kindOf(pair[0]))
		}
		out[key] = pair[1]
	}
	return out, nil
}

func flatten(v any) (any, error) {
	list, err := listOf("flatten", v)
	if err != nil {
		return nil, err
	}
	left := memoryBudget
	out := []any{}
	var walk func(list []any) error
	walk = func(list []any) error {
		for _, e := range list {
			if left--; left < 0 {
				return errTooLarge
			}
			if kindOf(e) != kindOf(list) {
				out = append(out, e)
				continue
			}
			inner, err := listOf("flatten", e)
			if err != nil {
				return err
			}
			if err := walk(inner); err != nil {
				return err
			}
		}
		return nil
	}
	if err := walk(list); err != nil {
		return nil, err
	}
	return out, nil
}

func unique(v any) (any, error) {
	list, err := listOf("uniq", v)
	if err != nil {
		return nil, err
	}
	seen := make(map[string]bool, len(list))
	out := []any{}
	for _, e := range list {
		c, err := fromComputed(e)
		if err != nil {
			return nil, err
		}
		key, err := jsonText(c, "")
		if err != nil {
			return nil, err
		}
		if !seen[key] {
			seen[key] = true
			out = append(out, e)
		}
	}
	return out, nil
}
