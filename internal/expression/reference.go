package expression

import (
	"slices"
	"strings"
)

// FunctionDoc is a row of the reference of functions.
type FunctionDoc struct {
	// Name is how it is called.
	Name string
	// Signature shows the arguments; those in brackets, and those with "=",
	// can be left out.
	Signature string
	// Doc is what it gives, in one or two sentences.
	Doc string
	// Example is an expression that uses it; most are true.
	Example string
	// Own tells the functions that the program adds from those of the
	// expression language.
	Own bool
}

// Functions gives every function that an expression can call, sorted by name.
func Functions() []FunctionDoc {
	docs := languageFunctions()
	for _, f := range slices.Concat(textFunctions(), listFunctions()) {
		docs = append(docs, FunctionDoc{Name: f.name, Signature: f.signature, Doc: f.doc, Example: f.example})
	}
	for _, f := range valueFunctions() {
		docs = append(docs, FunctionDoc{Name: f.name, Signature: f.signature, Doc: f.doc, Example: f.example, Own: true})
	}
	slices.SortFunc(docs, func(a, b FunctionDoc) int { return strings.Compare(a.Name, b.Name) })
	return docs
}

// NameDoc is a row of the reference of names.
type NameDoc struct {
	// Name is how it is written.
	Name string
	// Doc is what it stands for.
	Doc string
}

// Names gives the names that the program itself gives to expressions, in the
// order of the reference. Variables and captures stand beside them by their own
// names.
func Names() []NameDoc {
	return []NameDoc{
		{"env.NAME", "A variable of the process environment, and over it of --env-file. One that is not set is an error unless ?? gives a default."},
		{"row.NAME", `A cell of the data row; row["Order ID"] for a column whose name is no identifier.`},
		{"row.index", "The number of the data row, from 1."},
		{"run.id", "The ID of the run: short, lower case, safe in names."},
		{"run.started", "When the run began: RFC 3339 text, in UTC."},
		{"scenario.name", "The name of the scenario."},
		{"runtime", "The base URL of the runtime: target.runtime of the environment."},
		{"api", "The base URL of the API: target.api of the environment."},
	}
}

// languageFunctions are the functions of the expression language that are used
// as they are.
func languageFunctions() []FunctionDoc {
	rows := []struct{ name, signature, doc, example string }{
		{"abs", "abs(number)", "The number without its sign.", `abs(-5) == 5`},
		{"all", "all(list, predicate)", "Whether the predicate holds for all elements.", `all([1, 2], # > 0)`},
		{"any", "any(list, predicate)", "Whether the predicate holds for at least one element.", `any([1, 2], # > 1)`},
		{"bitand", "bitand(a, b)", "The bits that both numbers have.", `bitand(6, 3) == 2`},
		{"bitnand", "bitnand(a, b)", "The bits of a without those of b.", `bitnand(6, 3) == 4`},
		{"bitnot", "bitnot(a)", "All bits of the number turned over.", `bitnot(0) == -1`},
		{"bitor", "bitor(a, b)", "The bits that either number has.", `bitor(6, 3) == 7`},
		{"bitshl", "bitshl(a, n)", "The bits moved left by n.", `bitshl(1, 3) == 8`},
		{"bitshr", "bitshr(a, n)", "The bits moved right by n, with the sign.", `bitshr(8, 2) == 2`},
		{"bitushr", "bitushr(a, n)", "The bits moved right by n, without the sign.", `bitushr(8, 2) == 2`},
		{"bitxor", "bitxor(a, b)", "The bits that only one of the numbers has.", `bitxor(6, 3) == 5`},
		{"ceil", "ceil(number)", "The next whole number above.", `ceil(1.2) == 2`},
		{"concat", "concat(list, …)", "The lists one after the other.", `concat([1], [2]) == [1, 2]`},
		{"count", "count(list[, predicate])", "How many elements the predicate holds for, or are true.", `count([1, 2, 3], # > 1) == 2`},
		{"date", "date(text[, layout[, timezone]])", "The time that a text describes; the layout is Go's reference time.", `date("2026-11-21").Year() == 2026`},
		{"duration", "duration(text)", "The duration that a text describes.", `duration("1h") == duration("60m")`},
		{"filter", "filter(list, predicate)", "The elements for which the predicate holds.", `filter([1, 2, 3], # > 1) == [2, 3]`},
		{"find", "find(list, predicate)", "The first element for which the predicate holds; nil when there is none.", `find([1, 2, 3], # > 1) == 2`},
		{"findIndex", "findIndex(list, predicate)", "The number, from 0, of the first element for which the predicate holds; nil when there is none.", `findIndex([1, 2, 3], # > 1) == 1`},
		{"findLast", "findLast(list, predicate)", "The last element for which the predicate holds; nil when there is none.", `findLast([1, 2, 3], # > 1) == 3`},
		{"findLastIndex", "findLastIndex(list, predicate)", "The number, from 0, of the last element for which the predicate holds; nil when there is none.", `findLastIndex([1, 2, 3], # > 1) == 2`},
		{"first", "first(list)", "The first element; nil when the list is empty.", `first([1, 2]) == 1`},
		{"floor", "floor(number)", "The next whole number below.", `floor(1.8) == 1`},
		{"fromBase64", "fromBase64(text)", "The text that a base64 text stands for.", `fromBase64("YWJj") == "abc"`},
		{"get", "get(value, key)", "A member or an element; nil when it is not there.", `get([1, 2], 5) == nil`},
		{"groupBy", "groupBy(list, predicate)", "A map from each value of the predicate to the elements that have it.", `len(groupBy(["a", "bb"], len(#))) == 2`},
		{"hasPrefix", "hasPrefix(text, prefix)", "Whether the text begins with the other.", `hasPrefix("abc", "ab")`},
		{"hasSuffix", "hasSuffix(text, suffix)", "Whether the text ends with the other.", `hasSuffix("abc", "bc")`},
		{"indexOf", "indexOf(text, part)", "Where the part begins, in bytes from 0; -1 when it is not there.", `indexOf("abc", "c") == 2`},
		{"last", "last(list)", "The last element; nil when the list is empty.", `last([1, 2]) == 2`},
		{"lastIndexOf", "lastIndexOf(text, part)", "Where the part begins for the last time; -1 when it is not there.", `lastIndexOf("abca", "a") == 3`},
		{"len", "len(value)", "The number of elements, members or characters.", `len("äb") == 2`},
		{"lower", "lower(text)", "The text in lower case.", `lower("ABC") == "abc"`},
		{"map", "map(list, predicate)", "The values of the predicate for all elements.", `map([1, 2], # * 2) == [2, 4]`},
		{"max", "max(number, …)", "The largest number; of a list too.", `max([1, 3, 2]) == 3`},
		{"mean", "mean(number, …)", "The average; of a list too.", `mean([1, 3]) == 2`},
		{"median", "median(number, …)", "The middle number; of a list too.", `median([1, 5, 2]) == 2`},
		{"min", "min(number, …)", "The smallest number; of a list too.", `min([3, 1, 2]) == 1`},
		{"none", "none(list, predicate)", "Whether the predicate holds for no element.", `none([1, 2], # > 2)`},
		{"now", "now()", "The time now; now().Format(layout), now().Year() and the like.", `now().Year() > 2000`},
		{"one", "one(list, predicate)", "Whether the predicate holds for exactly one element.", `one([1, 2], # > 1)`},
		{"reduce", "reduce(list, predicate[, initial])", "One value made of all elements: #acc is what was made so far.", `reduce([1, 2, 3], #acc + #) == 6`},
		{"reverse", "reverse(list)", "The elements in reverse order.", `reverse([1, 2]) == [2, 1]`},
		{"round", "round(number)", "The nearest whole number.", `round(1.5) == 2`},
		{"sort", `sort(list, order = "asc")`, `The elements in order, or in reverse with "desc".`, `sort([2, 1]) == [1, 2]`},
		{"sortBy", `sortBy(list, predicate, order = "asc")`, "The elements in the order of the predicate's values.", `sortBy([{a: 2}, {a: 1}], .a)[0].a == 1`},
		{"split", "split(text, separator[, n])", "The parts of the text; at most n.", `split("a,b", ",") == ["a", "b"]`},
		{"splitAfter", "splitAfter(text, separator[, n])", "The parts of the text, each with its separator.", `splitAfter("a,b", ",") == ["a,", "b"]`},
		{"sum", "sum(list[, predicate])", "The sum of the elements, or of the predicate's values.", `sum([1, 2]) == 3`},
		{"take", "take(list, n)", "The first n elements.", `take([1, 2, 3], 2) == [1, 2]`},
		{"timezone", "timezone(name)", "A time zone, for now().In(…).", `string(timezone("UTC")) == "UTC"`},
		{"toBase64", "toBase64(text)", "The text in base64.", `toBase64("abc") == "YWJj"`},
		{"trim", "trim(text[, characters])", "The text without blanks, or those characters, at both ends.", `trim(" a ") == "a"`},
		{"trimPrefix", "trimPrefix(text, prefix)", "The text without the prefix.", `trimPrefix("abc", "ab") == "c"`},
		{"trimSuffix", "trimSuffix(text, suffix)", "The text without the suffix.", `trimSuffix("abc", "bc") == "a"`},
		{"upper", "upper(text)", "The text in upper case.", `upper("abc") == "ABC"`},
	}
	docs := make([]FunctionDoc, 0, len(rows))
	for _, r := range rows {
		docs = append(docs, FunctionDoc{Name: r.name, Signature: r.signature, Doc: r.doc, Example: r.example})
	}
	return docs
}
