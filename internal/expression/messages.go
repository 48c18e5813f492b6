package expression

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"
)

// A rewrite turns a message of the expression language into one of ours. The
// template may refer to groups of the pattern: {1} as it is, {quoted 1} in
// quotes, and {type 1} as a type in the words of the reference.
type rewrite struct {
	pattern  *regexp.Regexp
	template string
	hint     string
}

// apply gives the first rewriting that fits.
func apply(rewrites []rewrite, message string) (text, hint string, ok bool) {
	for _, r := range rewrites {
		m := r.pattern.FindStringSubmatch(message)
		if m == nil {
			continue
		}
		out := r.template
		for i := len(m) - 1; i > 0; i-- {
			out = strings.ReplaceAll(out, fmt.Sprintf("{type %d}", i), typeWord(m[i]))
			out = strings.ReplaceAll(out, fmt.Sprintf("{quoted %d}", i), strconv.Quote(shorten(m[i])))
			out = strings.ReplaceAll(out, fmt.Sprintf("{%d}", i), m[i])
		}
		return out, r.hint, true
	}
	return "", "", false
}

var (
	tokenPattern   = regexp.MustCompile(`^unexpected token (\w+)(?:\((.*)\))?$`)
	mixedPattern   = regexp.MustCompile(`^Operator \((.+)\) and coalesce`)
	numberPattern  = regexp.MustCompile(`^invalid (\w+) literal: `)
	charPattern    = regexp.MustCompile(`^unrecognized character: U\+[0-9A-F]+(?: '(.*)')?$`)
	mapKeyPattern  = regexp.MustCompile(`^a map key must be`)
	argumentNumber = regexp.MustCompile(`^expected at least (\d+) arguments$`)
)

// syntaxMessage rewrites a message of the parser.
func syntaxMessage(message string) (text, hint string) {
	if m := tokenPattern.FindStringSubmatch(message); m != nil {
		return tokenMessage(m[1], strings.Trim(m[2], `"`))
	}
	if m := mixedPattern.FindStringSubmatch(message); m != nil {
		return fmt.Sprintf("?? and %s stand side by side without parentheses", m[1]), fmt.Sprintf("write (a ?? b) %s c", m[1])
	}
	if numberPattern.MatchString(message) {
		return "the number is too large, or not a number", ""
	}
	if m := charPattern.FindStringSubmatch(message); m != nil {
		return fmt.Sprintf("unexpected character %q", m[1]), ""
	}
	if m := argumentNumber.FindStringSubmatch(message); m != nil {
		return fmt.Sprintf("the function takes at least %s arguments", m[1]), ""
	}
	if mapKeyPattern.MatchString(message) {
		return "the key of a map is a name, a text in quotes, a number, or an expression in parentheses", ""
	}
	switch {
	case message == "unexpected end of expression":
		return "the expression ends too early", ""
	case message == "literal not terminated":
		return "the text that begins here has no closing quote", ""
	case message == "invalid char escape":
		return `unknown escape in a text; \\ is a backslash`, "in backquotes nothing is escaped"
	case message == "unclosed comment":
		return "the comment has no closing */", ""
	case message == "expected name":
		return "a name is wanted after the dot", ""
	case strings.HasPrefix(message, "wrap predicate with brackets"):
		return "a predicate with ; is written in braces: { a; b }", ""
	case strings.HasPrefix(message, "bad number syntax"):
		return strings.Replace(message, "bad number syntax:", "not a number:", 1), "a name does not begin with a digit"
	case strings.Contains(message, "exceeds maximum allowed nodes"):
		return tooManyNodes, ""
	}
	return clean(message), ""
}

func tokenMessage(kind, value string) (text, hint string) {
	switch {
	case kind == "EOF":
		return "the expression ends too early", ""
	case value == "=":
		return `unexpected "="; did you mean "=="?`, ""
	case value == "#" || value == ".":
		return fmt.Sprintf("unexpected %q", value), "elements are named by # and .member inside filter, map and their like"
	case kind == "String":
		return fmt.Sprintf("unexpected text %q", shorten(value)), "+ joins two texts"
	}
	return fmt.Sprintf("unexpected %q", shorten(value)), ""
}

// checkRewrites are the messages of the type checker.
func checkRewrites() []rewrite {
	return []rewrite{
		{regexp.MustCompile(`^invalid operation: (contains|startsWith|endsWith|matches) \(mismatched types (.+) and (.+)\)$`), "{1} takes two texts, found {type 2} and {type 3}", ""},
		{regexp.MustCompile(`^invalid operation: (\S+) \(mismatched types (.+) and (.+)\)$`), "{type 2} {1} {type 3} is not possible", ""},
		{regexp.MustCompile(`^invalid operation: (\S+) \(mismatched type (.+)\)$`), "{1} is not possible on {type 2}", ""},
		{regexp.MustCompile(`^cannot use (.+) as argument \(type (.+)\) to call (\w+) ?$`), "{3} takes {type 2}, found {type 1}", ""},
		{regexp.MustCompile(`^cannot use (.+) as type (.+) in (?:array|map key)$`), "in compares {type 1} with {type 2}, which is never equal", ""},
		{regexp.MustCompile(`^cannot use (.+) to get an element from (.+)$`), "{type 2} has no element that is named by {type 1}", ""},
		{regexp.MustCompile(`^builtin (\w+) takes only array \(got (.+)\)$`), "{1} takes a list, found {type 2}", ""},
		{regexp.MustCompile(`^predicate should return boolean \(got (.+)\)$`), "the predicate is true or false, and this is {type 1}", ""},
		{regexp.MustCompile(`^predicate should`), "the predicate has no value", ""},
		{regexp.MustCompile(`^non-bool expression \(type (.+)\) used as condition$`), "a condition is true or false, and this is {type 1}", ""},
		{regexp.MustCompile(`^array elements can only be selected using an integer \(got (.+)\)$`), "elements of a list have numbers, and this is {type 1}", ""},
		{regexp.MustCompile(`^non-integer slice index (.+)$`), "a slice takes whole numbers, found {type 1}", ""},
		{regexp.MustCompile(`^cannot slice (.+)$`), "a slice is of a list or a text, found {type 1}", ""},
		{regexp.MustCompile(`^type (.+) has no (?:field|method) (.+)$`), "{type 1} has no member {2}", ""},
		{regexp.MustCompile(`^type (.+)\[(.+)\] is undefined$`), "{type 1} has no members", ""},
		{regexp.MustCompile(`^type (.+) does not support indexing$`), "{type 1} has no members", ""},
		{regexp.MustCompile(`^invalid argument for (\w+) \(type (.+)\)$`), "{1} cannot take {type 2}", ""},
		{regexp.MustCompile(`^cannot (get first element from|get last element from|take from|reverse|concat|flatten) (.+)$`), "{1}: a list is wanted, found {type 2}", ""},
		{regexp.MustCompile(`^cannot take (.+) elements$`), "take wants a whole number, found {type 1}", ""},
		{regexp.MustCompile(`^invalid number of arguments(?: for \w+)? \(expected (.+), got (\d+)\)$`), "the function takes {1} arguments, and {2} stand here", ""},
		{regexp.MustCompile(`^not enough arguments to call (\w+)$`), "{1} needs more arguments", ""},
		{regexp.MustCompile(`^too many arguments to call (\w+)$`), "{1} takes fewer arguments", ""},
		{regexp.MustCompile(`^unknown pointer #(\w*)$`), "unknown name #{1}; elements are #, their number is #index, and reduce has #acc", ""},
		{regexp.MustCompile(`^sortBy order argument must be a string \(got (.+)\)$`), `the order of sortBy is "asc" or "desc", found {type 1}`, ""},
		{regexp.MustCompile(`^(.+) is not callable$`), "the value is not a function", ""},
	}
}

// checkMessage rewrites a message of the type checker or the compiler.
func checkMessage(message string) (text, hint string) {
	if text, hint, ok := apply(checkRewrites(), message); ok {
		return text, hint
	}
	return clean(message), ""
}

// runRewrites are the messages of the machine.
func runRewrites() []rewrite {
	return []rewrite{
		{regexp.MustCompile(`^interface conversion: (?:interface \{\}|any) is (.+), not (.+)$`), "{type 2} is wanted, found {type 1}", ""},
		{regexp.MustCompile(`^interface conversion: `), "a value is of another type than wanted", ""},
		{regexp.MustCompile(`^invalid operation: (.+) (<|>|<=|>=|\+|-|\*|/|%) (.+)$`), "{type 1} {2} {type 3} is not possible", ""},
		{regexp.MustCompile(`^invalid operation: - (.+)$`), "- is not possible on {type 1}", ""},
		{regexp.MustCompile(`^invalid operation: (?:int|int64|float)\((.+)\)$`), "a number is wanted, found {type 1}", ""},
		{regexp.MustCompile(`^invalid operation: bool\((.+)\)$`), "true or false is wanted, found {type 1}", ""},
		{regexp.MustCompile(`^invalid operation: cannot call`), "the value is not a function", ""},
		{regexp.MustCompile(`(?s)^cannot fetch (.+) from (.+)$`), "{type 2} has no member {quoted 1}", ""},
		{regexp.MustCompile(`^index out of range: (-?\d+) \(array length is (\d+)\)$`), "the list has {2} elements, and no element {1}", ""},
		{regexp.MustCompile(`^cannot slice`), "a slice is of a list or a text", ""},
		{regexp.MustCompile(`^operator "in" not defined on (.+)$`), "in looks into a list, a map or a text's list, found {type 1}", ""},
		{regexp.MustCompile(`^invalid argument for (\w+) \(type (.+)\)$`), "{1} cannot take {type 2}", ""},
		{regexp.MustCompile(`^cannot (take from|reverse|concat|flatten|uniq) (.+)$`), "{1}: a list is wanted, found {type 2}", ""},
		{regexp.MustCompile(`^cannot take (.+) elements$`), "take wants a whole number, found {type 1}", ""},
		{regexp.MustCompile(`^sort order argument must be a string`), `the order of sort is "asc" or "desc"`, ""},
		{regexp.MustCompile(`^invalid order (.*), expected asc or desc$`), `the order of sort is "asc" or "desc"`, ""},
		{regexp.MustCompile(`^(?:sortBy order argument must be a string|unknown order, use asc or desc)$`), `the order of sortBy is "asc" or "desc"`, ""},
		{regexp.MustCompile(`^reduce of empty array with no initial value$`), "reduce of an empty list needs a third argument to begin with", ""},
		{regexp.MustCompile(`slice index out of range$`), "no element fits", ""},
		{regexp.MustCompile(`integer divide by zero$`), errZero.Error(), ""},
		{regexp.MustCompile(`^memory budget exceeded$`), errTooLarge.Error(), ""},
		{regexp.MustCompile(`makeslice|makemap|out of memory|growslice|exceeds budget`), errTooLarge.Error(), ""},
		{regexp.MustCompile(`hash of unhashable type (.+)$`), "a key of groupBy is text, a number or a boolean, found {type 1}", ""},
		{regexp.MustCompile(`unhashable`), "a key is text, a number or a boolean", ""},
		{regexp.MustCompile(`^time: invalid duration "(.*)"$`), `duration takes a number with a unit, such as "30s" or "1h30m", found "{1}"`, ""},
		{regexp.MustCompile(`^time: (?:missing unit|unknown unit .*) in duration "(.*)"$`), `duration takes a number with a unit, such as "30s" or "1h30m", found "{1}"`, ""},
		{regexp.MustCompile(`^parsing time "(.*?)" as `), `date cannot read "{1}" with this layout`, ""},
		{regexp.MustCompile(`(?s)^invalid date (.*)$`), `date cannot read {quoted 1}; give its layout as the second argument`, ""},
		{regexp.MustCompile(`(?s)^unknown time zone (.*)$`), `unknown time zone {quoted 1}`, ""},
		{regexp.MustCompile(`^illegal base64 data`), "fromBase64 takes base64 with padding", ""},
		{regexp.MustCompile(`^invalid operation: negative shift count`), "a shift takes a count that is not negative", ""},
		{regexp.MustCompile(`^invalid pair`), "fromPairs takes pairs [key, value]", ""},
		{regexp.MustCompile(`^recursion depth exceeded$`), "the list is nested too deep", ""},
		{regexp.MustCompile(`^cannot use (.+) to call (\w+)$`), "{2} takes whole numbers, found {type 1}", ""},
		{regexp.MustCompile(`^reflect\b|reflect\.|runtime error|nil pointer`), "the values are of types that do not go together", ""},
	}
}

// runMessage gives the message of an evaluation error in one line.
func runMessage(err error) string {
	message := err.Error()
	if f := fileError(err); f != nil {
		message = f.Message
	}
	if strings.HasPrefix(message, "error parsing regexp: ") {
		return "not a regular expression: " + regexpProblem(err)
	}
	if text, _, ok := apply(runRewrites(), message); ok {
		return clean(text)
	}
	return clean(message)
}

// regexpMessage says what is wrong with a regular expression.
func regexpMessage(pattern string, err error) string {
	return fmt.Sprintf("%q is not a regular expression: %s", shorten(pattern), regexpProblem(err))
}

// regexpProblem names the mistake and the part of the pattern it is in.
func regexpProblem(err error) string {
	e, ok := errors.AsType[*syntax.Error](err)
	if !ok {
		return clean(strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	if e.Expr == "" {
		return e.Code.String()
	}
	return fmt.Sprintf("%s in %q", e.Code, shorten(e.Expr))
}

// clean makes one line, and not too long a one, of a message.
func clean(message string) string {
	const most = 300
	line, _, _ := strings.Cut(message, "\n")
	line = strings.TrimSpace(line)
	if r := []rune(line); len(r) > most {
		line = string(r[:most-1]) + "…"
	}
	return line
}

// typeWord gives a type of Go in the words of the reference.
func typeWord(t string) string {
	switch {
	case t == "nil" || t == "<nil>" || t == "invalid":
		return "null"
	case t == "bool":
		return "a boolean"
	case t == "string":
		return "text"
	case strings.HasPrefix(t, "interface"):
		return "a value"
	case strings.HasPrefix(t, "int"), strings.HasPrefix(t, "uint"), strings.HasPrefix(t, "float"):
		return "a number"
	case strings.HasPrefix(t, "map"):
		return "a map"
	case strings.HasPrefix(t, "["), t == "slice", t == "array":
		return "a list"
	case t == "time.Time":
		return "a time"
	case t == "time.Duration":
		return "a duration"
	case strings.HasPrefix(t, "func"):
		return "a function"
	}
	return "a value"
}
