package assertions

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// callSubjects are those of a call; token has others.
func callSubjects() []string {
	return []string{"status", "headers", "json", "xml", "body", "schema", "matches-file", "duration", "size", "cookies", "tls"}
}

func TestProblems(t *testing.T) {
	one := func(place Place, code, message string, hints ...string) []Problem {
		return []Problem{{Place: place, Code: code, Message: message, Hints: hints}}
	}
	tests := []struct {
		expect string
		want   []Problem
	}{
		{`~`, one(1001, "empty-block", "expect asserts nothing")},
		{`{}`, one(1001, "empty-block", "expect asserts nothing")},
		{`200`, one(1001, "wrong-type", "expect: want a mapping from subjects to matchers, found 200")},
		{`statsu: 200`, one(1001, "unknown-key", `unknown key "statsu" in expect; did you mean "status"?`)},
		{`foo: 200`, one(1001, "unknown-key", `unknown key "foo" in expect`,
			"possible here: status, headers, json, xml, body, schema, matches-file, duration, size, cookies, tls")},
		{`claims: {a: 1}`, one(1001, "unknown-key", `unknown key "claims" in expect: this kind of step has no claims`,
			"possible here: status, headers, json, xml, body, schema, matches-file, duration, size, cookies, tls")},
		{`json:`, one(1001, "empty-block", "json asserts nothing", commentHint)},
		{`headers: {}`, one(1001, "empty-block", "headers asserts nothing")},
		{`json: [a]`, one(1007, "wrong-type", "json: want a mapping from names to values or matchers, found a list")},
		{`json: {a: {}}`, one(1011, "invalid-matcher", "json a: an empty mapping asserts nothing; want a value or operators", equalsHint)},
		{`json: {a: {contians: x}}`, one(1012, "invalid-matcher", `json a: unknown operator "contians"; did you mean "contains"?`, equalsHint)},
		{`json: {a: {id: 1, sku: x}}`, one(1012, "invalid-matcher", `json a: unknown operator "id"`, equalsHint)},
		{`json: {a: {type: string, sku: x}}`, one(1026, "invalid-matcher", `json a: unknown operator "sku"`, equalsHint)},
		{`json: {a: {gt: x}}`, one(1016, "invalid-matcher", `json a: want a number, found text "x"`)},
		{`json: {a: {gt: "5"}}`, one(1016, "invalid-matcher", `json a: want a number, found text "5"`, "a number is written without quotes")},
		{`json: {a: {gt: 2026-01-01}}`, one(1016, "invalid-matcher", `json a: want a number, found text "2026-01-01"`, "points in time are compared with before and after")},
		{`json: {a: {gt: }}`, one(1016, "invalid-matcher", `json a: want a number, found null`)},
		{`json: {a: {between: [1]}}`, one(1021, "invalid-matcher", `json a: between wants a list of two, [low, high], found a list`)},
		{`json: {a: {between: [2, 1]}}`, one(1021, "invalid-matcher", `json a: between has 2 before 1, and nothing is between them`)},
		{`json: {a: {between: [x, 1]}}`, one(1022, "invalid-matcher", `json a: want a number, found text "x"`)},
		{`json: {a: {one-of: x}}`, one(1020, "invalid-matcher", `json a: one-of wants a list of values, found text "x"`)},
		{`json: {a: {one-of: []}}`, one(1020, "invalid-matcher", `json a: one-of wants a list of values, found a list`)},
		{`json: {a: {matches: "["}}`, one(1021, "invalid-regexp", "json a: matches wants a regular expression: \"[\" is not a regular expression (RE2): missing closing ]: `[`")},
		{`json: {a: {matches: "(?=x)"}}`, one(1021, "invalid-regexp", "json a: matches wants a regular expression: \"(?=x)\" is not a regular expression (RE2): invalid or unsupported Perl syntax: `(?=`")},
		{`json: {a: {starts-with: [x]}}`, one(1025, "invalid-matcher", `json a: starts-with wants text, found a list`)},
		{`json: {a: {exists: yes}}`, one(1020, "invalid-matcher", `json a: exists wants true or false, found text "yes"`)},
		{`json: {a: {empty: 1}}`, one(1019, "invalid-matcher", `json a: empty wants true or false, found 1`)},
		{`json: {a: {type: strnig}}`, one(1018, "invalid-matcher", `json a: type wants one of string, number, integer, boolean, object, array, null, found text "strnig"; did you mean "string"?`)},
		{`json: {a: {type: 5}}`, one(1018, "invalid-matcher", `json a: type wants one of string, number, integer, boolean, object, array, null, found 5`)},
		{`json: {a: {length: x}}`, one(1020, "invalid-matcher", `length of json a: want a number, found text "x"`)},
		{`json: {a: {length: {contains: 1}}}`, one(1021, "invalid-matcher", `length of json a: contains makes no sense here; want one of equals, not, gt, gte, lt, lte, between, one-of, exists, approx`)},
		{`json: {a: {includes: x}}`, one(1022, "invalid-matcher", `json a: includes wants an object or a list, found text "x"`, "one element or a part of a text is written contains: …")},
		{`json: {a: {each: {gt: x}}}`, one(1023, "invalid-matcher", `json a: want a number, found text "x"`)},
		{`json: {a: {each: {}}}`, one(1018, "invalid-matcher", "json a: an empty mapping asserts nothing; want a value or operators", equalsHint)},
		{`json: {a: {approx: 1}}`, one(1020, "invalid-matcher", "json a: approx wants {value: NUMBER, delta: NUMBER}, found 1")},
		{`json: {a: {approx: {value: 1}}}`, one(1020, "invalid-matcher", "json a: approx wants {value: NUMBER, delta: NUMBER}, found a mapping")},
		{`json: {a: {approx: {value: 1, dleta: 1}}}`, one(1031, "invalid-matcher", `json a: unknown key "dleta" in approx; did you mean "delta"?`)},
		{`json: {a: {approx: {value: 1, delta: -1}}}`, one(1038, "invalid-matcher", "json a: approx wants a delta that is not negative, found -1")},
		{`json: {a: {approx: {value: 1e999999999, delta: 1}}}`, one(1020, "invalid-matcher", "json a: approx wants numbers of at most 400 digits, found 1e999999999 ± 1")},
		{`json: {a: {before: tomorrow}}`, one(1020, "invalid-matcher", `json a: before wants a point in time such as 2026-01-31T12:00:00Z or /Date(1769860800000)/, found text "tomorrow"`)},
		{`status: 20`, one(1009, "invalid-matcher", "status: want a number from 100 to 599, or a class such as 2xx, found 20")},
		{`status: 600`, one(1009, "invalid-matcher", "status: want a number from 100 to 599, or a class such as 2xx, found 600")},
		{`status: ok`, one(1009, "invalid-matcher", `status: want a number from 100 to 599, or a class such as 2xx, found text "ok"`)},
		{`status: []`, one(1009, "invalid-matcher", `status: want a number from 100 to 599, or a class such as 2xx, found a list`)},
		{`status: [200, x]`, one(1015, "invalid-matcher", `status: want a number from 100 to 599, or a class such as 2xx, found text "x"`)},
		{`status: {contains: 2}`, one(1010, "invalid-matcher", `status: contains makes no sense here; want one of equals, not, gt, gte, lt, lte, between, one-of, exists, approx`)},
		{`headers: {"a b": x}`, one(1011, "invalid-value", `headers: "a b" is not the name of a header`)},
		{`headers: {a: [x, y]}`, one(1014, "invalid-matcher", `headers a: want text, found a list`, "one of several texts is written one-of: […]")},
		{`headers: {a: }`, one(1014, "invalid-matcher", `headers a: want text, found null`, "what must not be there is written exists: false")},
		{`duration: {lt: 2}`, one(1016, "invalid-duration", `duration: "2" is not a duration: want a number with a unit, such as 500ms, 2s or 5m`)},
		{`duration: {lt: [2s]}`, one(1016, "invalid-duration", `duration: want a duration such as 500ms, 2s or 5m, found a list`)},
		{`duration: {length: 2}`, one(1012, "invalid-matcher", `duration: length makes no sense here; want one of equals, not, gt, gte, lt, lte, between, one-of, exists, approx`)},
		{`size: {lt: 64K}`, one(1012, "invalid-matcher", `size: "64K" is not a size: want a number of bytes, or one with a unit such as 64KB (64000 bytes) or 64KiB (65536 bytes)`)},
		{`size: {lt: true}`, one(1012, "invalid-matcher", `size: want a number of bytes or a size such as 64KB, found true`)},
		{`xml: {"//a": x}`, nil},
		{`{xml: {"//p:a": x, "//p:*": y}, namespaces: {p: "urn:x"}}`, nil},
		{`namespaces: {p: "urn:x"}`, one(1001, "empty-block", "namespaces asserts nothing: want the XPaths of xml beside it")},
		{`xml:`, one(1001, "empty-block", "xml asserts nothing")},
		{`{xml: {"//a": x}, namespaces: {"p:q": "urn:x", r: 1}}`, []Problem{
			{Place: 1032, Code: "invalid-value", Message: `namespaces: "p:q" is not a prefix`, Hints: []string{"a default namespace needs a prefix of its own in XPath"}},
			{Place: 1051, Code: "wrong-type", Message: `namespaces: want the URI of "r", found 1`},
		}},
		{`xml: {"starts-with(//a)": x}`, []Problem{{Place: 1007, Code: "invalid-xpath", Message: `xml: "starts-with(//a)" is not XPath 1.0: starts-with wants 2 arguments, found 1 argument`, Width: 16}}},
		{`xml: {"//a[$x]": x}`, []Problem{{
			Place: 1007, Code: "invalid-xpath", Message: `xml: "//a[$x]" is not XPath 1.0: "$x" is a variable, and there are none in an XPath`,
			Hints: []string{`compare with a variable in the matcher: {XPATH: "${NAME}"}`}, Offset: 4, Width: 2,
		}}},
		{`xml: {"//q:a": x}`, []Problem{{
			Place: 1007, Code: "invalid-xpath", Message: `xml: "//q:a" is not XPath 1.0: the prefix "q" is not declared`,
			Hints: []string{"declare it in namespaces: {prefix: URI}, or use local-name()"}, Offset: 2, Width: 3,
		}}},
		{`xml: {"//a[": x}`, one(1007, "invalid-xpath", `xml: "//a[" is not XPath 1.0: want a path, a function or a value, found the end`)},
		{`schema: a.json`, nil},
		{`schema: [a]`, one(1009, "wrong-type", "schema: want the path of a file, found a list")},
		{`matches-file: {file: a.json, ignore: [b]}`, nil},
		{`matches-file: {file: a, ignore: ["a..b["]}`, one(1034, "invalid-path", `ignore of matches-file: "a..b[" has an empty component`, commentHint)},
		{`matches-file: {file: a, as: json, ignore: ["//b"]}`, one(1044, "invalid-path", `ignore of matches-file: "//b" looks like an XPath; want a gjson path, such as order.created`, commentHint)},
		{`matches-file: {file: a, as: xml, ignore: ["//p:b"]}`, []Problem{{
			Place: 1043, Code: "invalid-xpath", Message: `ignore of matches-file: "//p:b" is not XPath 1.0: the prefix "p" is not declared`,
			Hints: []string{"declare it in namespaces: {prefix: URI}, or use local-name()"}, Offset: 2, Width: 3,
		}}},
		{`matches-file: {file: a, as: xml, ignore: ["count(//b)"]}`, one(1043, "invalid-xpath", `ignore of matches-file: "count(//b)" gives a number, and what is ignored are nodes`)},
		{`matches-file: {file: a, ignore: ["a..b | count(//b)"]}`, one(1034, "invalid-path", `ignore of matches-file: "a..b | count(//b)" has an empty component`, commentHint)},
		{`matches-file: {file: a, whitespace: stric}`, one(1037, "invalid-value", `whitespace of matches-file: want one of ignore, strict, found text "stric"; did you mean "strict"?`)},
		{`matches-file: {file: a, as: json, whitespace: strict}`, one(1035, "invalid-value", "whitespace of matches-file: in JSON blanks within text always count and those between values never do", "whitespace is for XML and text")},
		{`matches-file: {file: a, as: text, ignore: [b]}`, one(1044, "invalid-value", `ignore of matches-file: text is compared by line and has no paths`)},
		{`matches-file: {file: a, as: yaml}`, one(1029, "invalid-value", `as of matches-file: want one of json, xml, text, found text "yaml"; did you mean "xml"?`)},
		{`matches-file: {file: a, ignore: []}`, one(1033, "wrong-type", `ignore of matches-file: want a list of paths, found a list`)},
		{`matches-file: [a]`, one(1015, "wrong-type", `matches-file: want the path of a file, found a list`)},
		{`matches-file: {fiel: a.json}`, one(1016, "unknown-key", `unknown key "fiel" in matches-file; did you mean "file"?`)},
		{`matches-file: {ignore: [a]}`, one(1001, "missing-key", `matches-file needs a file`)},
		{`tls: {days-left: {gte: 30}, subject: {contains: CN=}, issuer: x, version: 1.3}`, nil},
		{`tls: {}`, one(1001, "empty-block", "tls asserts nothing")},
		{`tls: {days: 30}`, one(1007, "unknown-key", `unknown key "days" in tls`)},
		{`tls: {days-left: soon}`, one(1018, "invalid-matcher", `tls days-left: want a number, found text "soon"`)},
		{"json:\n  a..b: 1\n  c: {gtt: 1}\nstauts: 1\n", []Problem{
			{Place: 2003, Code: "invalid-path", Message: `json: "a..b" has an empty component`, Hints: []string{`a dot in a name is written \.`}, Offset: 2, Width: 1},
			{Place: 3007, Code: "invalid-matcher", Message: `json c: unknown operator "gtt"; did you mean "gt"?`, Hints: []string{equalsHint}},
			{Place: 4001, Code: "unknown-key", Message: `unknown key "stauts" in expect; did you mean "status"?`},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.expect, func(t *testing.T) {
			e, problems := Compile(parseNode(t, tt.expect), Options{Subjects: callSubjects()})
			if e == nil {
				t.Error("no expectation")
			}
			if d := cmp.Diff(tt.want, problems); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestTokenProblems(t *testing.T) {
	tests := []struct {
		expect string
		want   Problem
	}{
		{`signature: ok`, Problem{Place: 1012, Code: "invalid-value", Message: `signature: want valid, found text "ok"`}},
		{`scopes: []`, Problem{Place: 1001, Code: "empty-block", Message: "scopes asserts nothing: want the scopes that must be granted"}},
		{`scopes: [[a]]`, Problem{Place: 1010, Code: "invalid-matcher", Message: "scopes: want the name of a scope, found a list"}},
		{`scopes: `, Problem{Place: 1008, Code: "invalid-matcher", Message: "scopes: want the name of a scope, found null"}},
		{`lifetime: {gte: 10}`, Problem{Place: 1017, Code: "invalid-duration", Message: `lifetime: "10" is not a duration: want a number with a unit, such as 500ms, 2s or 5m`}},
		{`certificate: {dayleft: {gte: 30}}`, Problem{Place: 1015, Code: "unknown-key", Message: `unknown key "dayleft" in certificate; did you mean "days-left"?`}},
		{`certificate: 30`, Problem{Place: 1014, Code: "wrong-type", Message: "certificate: want a mapping from names to values or matchers, found 30"}},
	}
	for _, tt := range tests {
		t.Run(tt.expect, func(t *testing.T) {
			_, problems := compileYAML(t, tt.expect)
			if d := cmp.Diff([]Problem{tt.want}, problems); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestExamples: what the reference shows compiles.
func TestExamples(t *testing.T) {
	names := []string{}
	for _, o := range Operators() {
		names = append(names, o.Name)
		if o.Doc == "" || o.Operand == "" {
			t.Errorf("%s has no doc", o.Name)
		}
		mustCompile(t, "json: {"+o.Example+"}")
	}
	want := []string{
		"equals", "not", "gt", "gte", "lt", "lte", "between", "one-of", "contains", "not-contains", "starts-with", "ends-with",
		"matches", "exists", "empty", "type", "length", "includes", "each", "any", "none", "approx", "before", "after",
	}
	if d := cmp.Diff(want, names); d != "" {
		t.Error(d)
	}
	for _, s := range SubjectDocs() {
		example := s.Example
		if s.Name == "namespaces" {
			example += "\nxml: {//p:a: x}"
		}
		_, problems := compileYAML(t, example)
		if len(problems) > 0 {
			t.Errorf("%s: %+v", s.Name, problems)
		}
	}
	for _, s := range CaptureDocs() {
		_, problems := CompileCaptures(parseNode(t, s.Example), Options{})
		if len(problems) > 0 {
			t.Errorf("%s: %+v", s.Name, problems)
		}
	}
}
