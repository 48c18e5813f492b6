package cf

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"iflowtest/internal/platform"
)

// maxLabel is the longest key or value of a label, in characters.
const maxLabel = 63

var (
	labelText   = regexp.MustCompile(`^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?$`)
	labelPrefix = regexp.MustCompile(`^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?$`)
)

// CheckLabel says what the platform would refuse in a label: key and value are
// letters, digits, ".", "_" and "-", begin and end with a letter or a digit,
// and have at most 63 characters. The value may be empty; the key may follow a
// DNS name and a slash.
func CheckLabel(key, value string) error {
	if err := checkLabelKey(key); err != nil {
		return err
	}
	return checkLabelValue(key, value)
}

func checkLabelKey(key string) error {
	name := key
	if prefix, rest, found := strings.Cut(key, "/"); found {
		if len(prefix) > 253 || !labelPrefix.MatchString(prefix) {
			return fmt.Errorf("label %q: the part before the slash is %q; want a DNS name", key, prefix)
		}
		name = rest
	}
	if problem := labelProblem(name); problem != "" {
		return fmt.Errorf("label %q: the key %s", key, problem)
	}
	return nil
}

func checkLabelValue(key, value string) error {
	if value == "" {
		return nil
	}
	if problem := labelProblem(value); problem != "" {
		return fmt.Errorf("label %q: the value %q %s", key, platform.Cut(value, maxLabel+10), problem)
	}
	return nil
}

func labelProblem(text string) string {
	switch {
	case text == "":
		return "is empty"
	case len([]rune(text)) > maxLabel:
		return fmt.Sprintf("has %d characters; at most %d are allowed", len([]rune(text)), maxLabel)
	case !labelText.MatchString(text):
		return "may only hold A-Z a-z 0-9 . _ - and begins and ends with a letter or a digit"
	}
	return ""
}

// Requirement is one condition of a [Selector].
type Requirement struct {
	key, operator string
	values        []string
}

// Equal wants the label to have the value.
func Equal(key, value string) Requirement { return Requirement{key, "=", []string{value}} }

// NotEqual wants the label to be absent or to have another value.
func NotEqual(key, value string) Requirement { return Requirement{key, "!=", []string{value}} }

// In wants the label to have one of the values.
func In(key string, values ...string) Requirement { return Requirement{key, "in", values} }

// NotIn wants the label to be absent or to have none of the values.
func NotIn(key string, values ...string) Requirement { return Requirement{key, "notin", values} }

// Exists wants the label to be there, whatever its value.
func Exists(key string) Requirement { return Requirement{key: key, operator: "exists"} }

// Missing wants the label not to be there.
func Missing(key string) Requirement { return Requirement{key: key, operator: "missing"} }

// Selector picks resources by their labels: all requirements hold. The zero
// value picks everything.
type Selector struct{ text string }

// Select makes a selector. The error names a key or value that no label can
// have: sent as it is, it could change the meaning of the others.
func Select(requirements ...Requirement) (Selector, error) {
	texts := make([]string, 0, len(requirements))
	for _, r := range requirements {
		if err := r.check(); err != nil {
			return Selector{}, err
		}
		texts = append(texts, r.String())
	}
	return Selector{strings.Join(texts, ",")}, nil
}

func (r Requirement) check() error {
	if err := checkLabelKey(r.key); err != nil {
		return err
	}
	if (r.operator == "in" || r.operator == "notin") && len(r.values) == 0 {
		return fmt.Errorf("label %q: no values to choose from", r.key)
	}
	for _, v := range r.values {
		if err := checkLabelValue(r.key, v); err != nil {
			return err
		}
	}
	return nil
}

// String gives the requirement as a selector has it.
func (r Requirement) String() string {
	switch r.operator {
	case "in", "notin":
		return r.key + " " + r.operator + " (" + strings.Join(slices.Sorted(slices.Values(r.values)), ",") + ")"
	case "exists":
		return r.key
	case "missing":
		return "!" + r.key
	default:
		return r.key + r.operator + strings.Join(r.values, "")
	}
}

// String gives the text of the query parameter label_selector, not encoded.
func (s Selector) String() string { return s.text }
