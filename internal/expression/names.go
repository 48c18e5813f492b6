package expression

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/expr-lang/expr/builtin"
)

// namePattern is what a variable, a capture or a parameter may be called.
var namePattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// roots are the names that the program itself gives to expressions.
func roots() []string {
	return []string{"env", "row", "run", "scenario", "runtime", "api"}
}

// words are the reserved words of the expression language.
func words() []string {
	return []string{
		"true", "false", "nil", "let", "if", "else", "not", "and", "or", "in",
		"matches", "contains", "startsWith", "endsWith",
	}
}

// ReservedNames gives every name that a variable cannot have: the names that
// the program gives to expressions, and the words and functions of the
// expression language. The list is sorted.
func ReservedNames() []string {
	names := slices.Concat(roots(), words(), functionNames())
	slices.Sort(names)
	return slices.Compact(names)
}

// functionNames gives the names of all functions, sorted: our own and those of
// the expression language.
func functionNames() []string {
	names := slices.Clone(builtin.Names)
	for _, f := range functions() {
		names = append(names, f.name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// CheckName says whether a variable, a capture or a parameter may be called
// name: [A-Za-z_][A-Za-z0-9_]*, and not one of [ReservedNames]. When it may
// not, err says why and proposal is a name near it that may be used.
func CheckName(name string) (proposal string, err error) {
	switch {
	case name == "":
		return "value", errors.New("a name is wanted, and the text is empty")
	case !namePattern.MatchString(name):
		return propose(name), fmt.Errorf("%q is not a name: only letters, digits and _ are possible, and no digit at the beginning", name)
	case slices.Contains(roots(), name):
		return propose(name), fmt.Errorf("the name %q is reserved: expressions use it for the %s", name, rootMeaning(name))
	case slices.Contains(words(), name):
		return propose(name), fmt.Errorf("the name %q is reserved: it is a word of the expression language", name)
	case slices.Contains(functionNames(), name):
		return propose(name), fmt.Errorf("the name %q is reserved: it is a function of the expression language", name)
	}
	return "", nil
}

// rootMeaning says what one of the names of [roots] stands for.
func rootMeaning(name string) string {
	switch name {
	case "env":
		return "process environment"
	case "row":
		return "data row"
	case "run":
		return "run"
	case "scenario":
		return "scenario"
	case "runtime":
		return "base URL of the runtime"
	default:
		return "base URL of the API"
	}
}

// propose turns any text into a name that can be used.
func propose(name string) string {
	var b strings.Builder
	for _, r := range name {
		switch {
		case r >= '0' && r <= '9' && b.Len() == 0:
			b.WriteByte('_')
			b.WriteRune(r)
		case r == '_' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z':
			b.WriteRune(r)
		case !strings.HasSuffix(b.String(), "_"):
			b.WriteByte('_')
		}
	}
	proposal := b.String()
	if strings.Trim(proposal, "_") == "" {
		return "value"
	}
	if slices.Contains(ReservedNames(), proposal) {
		proposal += "_value"
	}
	return proposal
}
