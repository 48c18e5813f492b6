package expression_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"iflowtest/internal/diag"
	"iflowtest/internal/expression"
)

// at places an offset in a file of one line.
func at(offset, width int) diag.Position {
	return diag.Position{File: "a.yaml", Line: 1, Column: offset + 1, Width: width}
}

func environment(name string) (string, bool) {
	v, ok := map[string]string{"SET": "set", "EMPTY": "", "MY-VAR": "mine"}[name]
	return v, ok
}

// variables are what the tests have captured.
func variables() map[string]any {
	return map[string]any{
		"order": map[string]any{
			"id":           json.Number("10.10"),
			"note":         nil,
			"content-type": "x",
			"lines": []any{
				map[string]any{"sku": "A", "qty": json.Number("2")},
				map[string]any{"sku": "B", "qty": json.Number("3")},
			},
		},
		"order_id": "4711",
		"sku":      "A-100",
		"big":      json.Number("12345678901234567890"),
		"qty":      json.Number("2"),
		"ten":      json.Number("10.0"),
		"yes":      true,
		"none_yet": []any{},
		"html":     map[string]any{"z": "<&>", "a": json.Number("1.50")},
	}
}

func scope() *expression.Scope {
	vars := variables()
	return &expression.Scope{
		Variables: func(name string) (bool, string) {
			if name == "later" {
				return false, `"later" is captured later, at line 20`
			}
			_, ok := vars[name]
			return ok || name == "unset", ""
		},
		Names:    func() []string { return []string{"order", "order_id", "sku", "big", "qty", "unset"} },
		Env:      environment,
		Columns:  []string{"sku", "Order ID"},
		HasRow:   true,
		Run:      true,
		Scenario: true,
		Target:   true,
	}
}

func values() *expression.Values {
	vars := variables()
	return &expression.Values{
		Lookup:       func(name string) (any, bool) { v, ok := vars[name]; return v, ok },
		Env:          environment,
		Row:          map[string]any{"sku": json.Number("1.10"), "Order ID": "00042"},
		RowIndex:     3,
		RunID:        "r1",
		RunStarted:   time.Date(2026, 11, 21, 11, 0, 0, 500, time.FixedZone("CET", 3600)),
		ScenarioName: "Order intake",
		Runtime:      "https://runtime.example",
	}
}

func TestEval(t *testing.T) {
	t.Parallel()
	type list = []any
	type object = map[string]any
	num := func(s string) json.Number { return json.Number(s) }
	tests := []struct {
		text string
		want any
	}{
		{"", ""},
		{"plain", "plain"},
		{"$", "$"},
		{"$x {y} $$", "$x {y} $$"},
		{"$${sku}", "${sku}"},
		{"$$${sku}", "$${sku}"},
		{"$${${sku}}", "${A-100}"},
		{"a ${sku} isn't", "a A-100 isn't"},
		{`${"}"}${'}'}${` + "`}`" + `}`, "}}}"},
		{"${sku /* } */}", "A-100"},
		{"${sku // }\n}", "A-100"},
		{"${'it\\'s }'}", "it's }"},
		{"${`a``}`}", "a`}"},
		{"${b'}'}", "}"},
		{"${{a: {b: qty}}}", object{"a": object{"b": num("2")}}},

		{"${order.id}", num("10.10")},
		{"${order.id} ", "10.10 "},
		{"${big}", num("12345678901234567890")},
		{"${yes}", true},
		{"${yes}!", "true!"},
		{"${order.note}", nil},
		{"<${order.note}>", "<>"},
		{"${html} ", `{"a":1.50,"z":"<&>"} `},
		{"${order.lines[-1].sku}", "B"},
		{`${order["content-type"]}`, "x"},
		{"${order.missing}", nil},
		{`${order.missing ?? "d"}`, "d"},
		{`${order.id ?? "d"}`, num("10.10")},
		{"${order.note?.x}", nil},
		{"${order?.lines?.[0]?.sku}", "A"},

		{"${env.SET}", "set"},
		{`${env["MY-VAR"]}`, "mine"},
		{`${env.EMPTY ?? "d"}`, ""},
		{`${env.REGION ?? "eu10"}`, "eu10"},
		{`${env.REGION ?? env.SET ?? "eu10"}`, "set"},
		{`${env?.REGION ?? "eu10"}`, "eu10"},
		{`${upper(env.REGION ?? "eu10")}`, "EU10"},
		{`${unset ?? "d"}`, "d"},
		{`${(yes ? unset : sku) ?? "d"}`, "d"},
		{`${unset?.a.b ?? "d"}`, "d"},
		{`${(unset ?? "d") + "x"}`, "dx"},
		// What is not reached is not needed.
		{`${yes ? sku : unset}`, "A-100"},
		{`${yes or unset}`, true},

		{"${row.sku}", num("1.10")},
		{`${row["Order ID"]}`, "00042"},
		{`${int(row["Order ID"])}`, num("42")},
		{"${row.index}", num("3")},
		{"${run.id}/${run.started}", "r1/2026-11-21T10:00:00Z"},
		{"${scenario.name}", "Order intake"},
		{"${runtime}/http/orders", "https://runtime.example/http/orders"},
		{`${api ?? "none"}`, "none"},

		{"${qty + 1}", num("3")},
		{"${order.id * 2}", num("20.2")},
		{"${6 / 2}", num("3")},
		{"${5 / 2}", num("2.5")},
		{"${1e21}", num("1e+21")},
		{"${-0.0}", num("0")},
		{"${2 ** 10}", num("1024")},
		{`${"a" + sku}`, "aA-100"},
		{"${order.id == 10.1}", true},
		{"${qty == 2.0 and ten == 10}", true},
		{`${qty == "2"}`, false},
		{"${1 < qty < 3}", true},
		{`${sku in ["A-100", "B"]}`, true},
		{`${qty in ["A"]}`, false},
		{`${"sku" in order.lines[0]}`, true},
		{`${sku matches "^A-[0-9]+$"}`, true},
		{"${map(order.lines, .sku) | join(',')}", "A,B"},
		{"${order.lines | filter(.qty > 2) | len()}", num("1")},
		{"${sum(order.lines, #.qty)}", num("5")},
		{"${map(order.lines, #index)}", list{num("0"), num("1")}},
		{"${filter(order.lines, .sku == 'B' and sku != '')[0].qty}", num("3")},
		{"${let x = qty; let y = x * 2; x + y}", num("6")},
		{"${if yes { 1 } else { 2 }}", num("1")},
		{"${groupBy(order.lines, .sku).B[0].qty}", num("3")},
		{"${groupBy(order.lines, .qty)}", object{
			"2": list{object{"sku": "A", "qty": num("2")}},
			"3": list{object{"sku": "B", "qty": num("3")}},
		}},
		{"${keys(order)}", list{"content-type", "id", "lines", "note"}},
		{"${::keys(html)}", list{"a", "z"}},
		{"${toPairs({b: 1, a: [2]})}", list{list{"a", list{num("2")}}, list{"b", num("1")}}},
		{`${fromJSON('{"n": 12345678901234567}').n}`, num("12345678901234567")},
		{"${string(order.lines[0])}", `{"qty":2,"sku":"A"}`},
		{"${string(order.note)}", ""},
		{"${string(1234567.5)}", "1234567.5"},
		{"${find(none_yet, # > 1)}", nil},
		// Functions and words are names of members all the same.
		{"${order.count}", nil},
		{"${order.in ?? {type: 1}.type}", num("1")},
		{"${map(order.lines, .first)}", list{nil, nil}},
		{"${sku[0:1]}", "A"},
		{"${date('2026-11-21').AddDate(0, 0, 1).Format('02.01.2006')}", "22.11.2026"},
		{"${date('2026-11-21T10:00:00.5+01:00')}", "2026-11-21T09:00:00.5Z"},
		{"${duration('90s') * 2}", "3m0s"},
		{"${let d = date('2026-11-21'); d.Month()}", "November"},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			t.Parallel()
			tpl, problems := expression.CompileText(tt.text, at, scope())
			if tpl == nil || len(problems) > 0 {
				t.Fatalf("problems: %v", problems)
			}
			got, err := tpl.Eval(values())
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("want, got:\n%s", d)
			}
			if tpl.Source() != tt.text {
				t.Errorf("source %q", tpl.Source())
			}
		})
	}
}

func TestEvalErrors(t *testing.T) {
	t.Parallel()
	tests := []struct{ text, want string }{
		{"${unset}", "unset was never captured"},
		{"${unset.a}", "unset was never captured"},
		{"x ${upper(unset)}", "unset was never captured"},
		{"${unset == nil}", "unset was never captured"},
		{"${filter(order.lines, .sku == unset)}", "unset was never captured"},
		{"${api}", `${api}: the environment has no target.api`},
		{"${order.note.x}", `${order.note.x}: order.note is null, and has no member "x"`},
		{"${order.foo.bar + 1}", `${order.foo.bar + 1}: order.foo is null, and has no member "bar"`},
		{"${order.lines[5]}", "${order.lines[5]}: order.lines has 2 elements, and no element 5"},
		{"${order.lines[qty]}", "${order.lines[qty]}: order.lines has 2 elements, and no element 2"},
		{"${order.lines.sku}", `${order.lines.sku}: order.lines is a list: it has elements by number, such as [0], and not member "sku"`},
		{"${order[qty]}", "${order[qty]}: order has members with names, and not element 2"},
		{"${order[yes]}", "${order[yes]}: order has members with names, and not member that is named by a boolean"},
		{"${sku[0]}", "${sku[0]}: sku is text, and has no element 0"},
		{"${sku.x}", `${sku.x}: sku is text, and has no member "x"`},
		{"${find(none_yet, # > 1).x}", `${find(none_yet, # > 1).x}: the value is null, and has no member "x"`},
		{"${map(order.lines, .note.x)}", `${map(order.lines, .note.x)}: #.note is null, and has no member "x"`},
		{"${sku + 1}", "${sku + 1}: text + a number is not possible; string(…) makes a text"},
		{"${1 + sku}", "${1 + sku}: a number + text is not possible; string(…) makes a text, int(…) a number"},
		{"${order + 1}", "${order + 1}: a map + a number is not possible"},
		{"${order.note * 2}", "${order.note * 2}: null * a number is not possible"},
		{"${ten % 3}", "${ten % 3}: % takes whole numbers; int(…) makes one"},
		{"${qty / (qty - 2)}", "${qty / (qty - 2)}: division by zero"},
		{"${qty % (qty - 2)}", "${qty % (qty - 2)}: division by zero"},
		{"${9223372036854775806 + qty}", "${9223372036854775806 + qty}: the result is too large for a whole number; float(…) computes with large ones"},
		{"${10.0 ** (qty * 1000)}", "${10.0 ** (qty * 1000)}: the result is infinite"},
		{"${-sku}", "${-sku}: - is not possible on text"},
		{"${!sku}", "${!sku}: a boolean is wanted, found text"},
		{"${sku ? 1 : 2}", "${sku ? 1 : 2}: a boolean is wanted, found text"},
		{"${sku < 1}", "${sku < 1}: text < a number is not possible"},
		{"${upper(qty)}", "${upper(qty)}: text is wanted, found a number"},
		{"${order contains 'x'}", "${order contains 'x'}: text is wanted, found a map"},
		{"${len(qty)}", "${len(qty)}: len cannot take a number"},
		{"${max(order.lines)}", "${max(order.lines)}: max cannot take a map"},
		{"${int(sku)}", `${int(sku)}: int takes a whole number, found the text "A-100"`},
		{"${float(sku)}", `${float(sku)}: float takes a number, found the text "A-100"`},
		{"${int(order.note)}", "${int(order.note)}: int takes a number or text, found null"},
		{"${fromJSON(sku)}", `${fromJSON(sku)}: fromJSON takes JSON, found "A-100"`},
		{"${fromJSON('{} {}' + sku)}", `${fromJSON('{} {}' + sku)}: fromJSON takes one JSON value, and something follows it in "{} {}A-100"`},
		{"${join(order.lines)}", "${join(order.lines)}: join takes a list of texts, and element 0 is a map"},
		{"${keys(sku)}", "${keys(sku)}: a map is wanted, found text"},
		{"${fromBase64(sku)}", "${fromBase64(sku)}: fromBase64 takes base64 with padding"},
		{"${duration(sku)}", `${duration(sku)}: duration takes a number with a unit, such as "30s" or "1h30m", found "A-100"`},
		{"${date(sku)}", `${date(sku)}: date cannot read "A-100"; give its layout as the second argument`},
		{`${date(sku + '\n')}`, `${date(sku + '\n')}: date cannot read "A-100\n"; give its layout as the second argument`},
		{"${date(sku, '2006')}", `${date(sku, '2006')}: date cannot read "A-100" with this layout`},
		{"${timezone(sku)}", `${timezone(sku)}: unknown time zone "A-100"`},
		{"${groupBy(order.lines, #)}", "${groupBy(order.lines, #)}: a key is text, a number or a boolean"},
		{"${reduce(none_yet, #acc + #)}", "${reduce(none_yet, #acc + #)}: reduce of an empty list needs a third argument to begin with"},
		{"${sku matches sku + '('}", `${sku matches sku + '('}: not a regular expression: missing closing ) in "A-100("`},
		{"${sort([sku, qty])}", "${sort([sku, qty])}: a number < text is not possible"},
		{"${now().Format}", "${now().Format}: the value is a time, and has no member \"Format\""},
		{"${now().Format(qty)}", "${now().Format(qty)}: text is wanted, found a number"},
		{"${file('x')}", `${file('x')}: file("x"): there are no files in this place`},
		{"${sha256(order)}", "${sha256(order)}: sha256 takes text, found a map"},
		{"${randomInt(qty, 1)}", "${randomInt(qty, 1)}: randomInt takes the smaller number first, found 2 and 1"},
		{"${randomInt(ten / 4, 9)}", "${randomInt(ten / 4, 9)}: randomInt takes a whole number, found a number"},
		{"${repeat(repeat(sku, 99999), 9999)}", "${repeat(repeat(sku, 99999), 9999)}: the value is too large"},
		{"${let a = 1..99998; count(a, count(a, # > qty) > 0)}", "${let a = 1..99998; count(a, count(a, # > qty) > 0)}: the expression takes too long: it looks at more than 1000000 elements"},
		{"${map(1..99999, map(1..99999, qty))}", "${map(1..99999, map(1..99999, qty))}: the value is too large"},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			t.Parallel()
			tpl, problems := expression.CompileText(tt.text, at, scope())
			if tpl == nil {
				t.Fatalf("problems: %v", problems)
			}
			got, err := tpl.Eval(values())
			if err == nil {
				t.Fatalf("no error, got %v", got)
			}
			if d := cmp.Diff(tt.want, err.Error()); d != "" {
				t.Errorf("want, got:\n%s", d)
			}
			if n, ok := errors.AsType[*expression.NotSetError](err); ok {
				if n.Name != "unset" {
					t.Errorf("name %q", n.Name)
				}
				return
			}
			e, ok := errors.AsType[*expression.Error](err)
			if !ok {
				t.Fatalf("the error is not *Error")
			}
			if want := at(strings.Index(tt.text, "${"), len([]rune(tt.text))); e.Pos != want {
				t.Errorf("place %v, want %v", e.Pos, want)
			}
		})
	}
}

// A chain that doubles a value at each step must not fill the memory.
func TestEvalIsBounded(t *testing.T) {
	t.Parallel()
	double := func(first, step, last string) string {
		var b strings.Builder
		fmt.Fprintf(&b, "${let v0 = %s; ", first)
		for i := range 60 {
			fmt.Fprintf(&b, "let v%d = %s; ", i+1, strings.ReplaceAll(step, "v", fmt.Sprintf("v%d", i)))
		}
		return b.String() + strings.ReplaceAll(last, "v", "v60") + "}"
	}
	tests := map[string]string{
		"text":    double("sku", "v + v", "v"),
		"list":    double("[sku]", "[v, v]", "v"),
		"json":    double("[sku]", "[v, v]", "toJSON(v)"),
		"string":  double("[sku]", "[v, v]", "string(v)"),
		"flatten": double("[sku]", "[v, v]", "flatten(v)"),
		"uniq":    double("[sku]", "[v, v]", "uniq(v)"),
		"join":    double("[sku]", "concat(v, v)", "join(v)"),
		"replace": double("'xx' + sku", "replace(v, 'x', repeat('x', 1000))", "v"),
		"compare": "${" + strings.Repeat("1 < (", 60) + "1" + strings.Repeat(") < 1", 60) + "}",
		"parens":  "${" + strings.Repeat("(", 1<<20) + "}",
		"minus":   "${" + strings.Repeat("-", 20_000) + "1}",
		"lists":   "${" + strings.Repeat("[", 20_000) + "}",
	}
	for name, text := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tpl, problems := expression.CompileText(text, at, scope())
			if tpl == nil {
				if len(problems) != 1 {
					t.Errorf("problems: %v", problems)
				}
				return
			}
			_, err := tpl.Eval(values())
			if err == nil || !strings.HasSuffix(err.Error(), "the value is too large") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestCompileProblems(t *testing.T) {
	t.Parallel()
	// A problem is written as offset+width code: message | hint.
	tests := []struct {
		text string
		want []string
	}{
		{"${ordr}", []string{`2+4 unknown-variable: unknown name "ordr"; did you mean "order"?`}},
		{"ä${ordr} ${skuu}", []string{
			`4+4 unknown-variable: unknown name "ordr"; did you mean "order"?`,
			`12+4 unknown-variable: unknown name "skuu"; did you mean "sku"?`,
		}},
		{`${"ä" + ordr}`, []string{`9+4 unknown-variable: unknown name "ordr"; did you mean "order"?`}},
		{"${later}", []string{`2+5 unknown-variable: unknown name "later" | "later" is captured later, at line 20`}},
		{"${count}", []string{`2+5 unknown-variable: unknown name "count"; the function of that name is written with parentheses: count(…)`}},
		{"${first + duration}", []string{
			`2+5 unknown-variable: unknown name "first"; the function of that name is written with parentheses: first(…)`,
			`10+8 unknown-variable: unknown name "duration"; the function of that name is written with parentheses: duration(…)`,
		}},
		{"${null}", []string{`2+4 unknown-variable: unknown name "null"; did you mean "nil"?`}},
		{"${$env}", []string{`2+4 unknown-variable: unknown name "$env" | names hold letters, digits and _`}},
		{"${$env.SET}", []string{`2+4 unknown-variable: unknown name "$env" | names hold letters, digits and _`}},
		{`${get($env, "SET")}`, []string{`6+4 unknown-variable: unknown name "$env" | names hold letters, digits and _`}},
		{"${$root($, 0)}", []string{
			`8+1 unknown-variable: unknown name "$" | names hold letters, digits and _`,
			`2+5 unknown-variable: unknown function "$root"`,
		}},
		{"${order-id}", []string{`2+8 unknown-variable: unknown name "order-id"; did you mean "order_id"? | names hold letters, digits and _ (order_id); order-id is a subtraction`}},
		{"${a-b-c}", []string{`2+5 unknown-variable: unknown name "a-b-c" | names hold letters, digits and _ (a_b_c); a-b-c is a subtraction`}},
		{"${order - idd}", []string{`10+3 unknown-variable: unknown name "idd"`}},
		{"${order.content-type}", []string{`16+4 unknown-variable: unknown name "type" | the member "content-type" is written order["content-type"]`}},
		{"${map(order.lines, qtyy)}", []string{`19+4 unknown-variable: unknown name "qtyy"; did you mean "qty"? | a member of the element is written .qtyy`}},

		{"${env}", []string{`2+3 unknown-member: env is not a value of its own; name a member, such as env.NAME`}},
		{"${env.NOPE}", []string{`2+8 missing-environment-variable: the environment variable "NOPE" is not set | set it, or give a default: ${env.NOPE ?? "…"}`}},
		{"${env.NOPE == nil}", []string{`2+8 missing-environment-variable: the environment variable "NOPE" is not set | set it, or give a default: ${env.NOPE ?? "…"}`}},
		{`${sku ?? env.NOPE}`, []string{`9+8 missing-environment-variable: the environment variable "NOPE" is not set | set it, or give a default: ${env.NOPE ?? "…"}`}},
		{`${upper(env.NOPE) ?? "x"}`, []string{`8+8 missing-environment-variable: the environment variable "NOPE" is not set | set it, or give a default: ${env.NOPE ?? "…"}`}},
		{"${env[sku]}", []string{`2+7 unknown-member: a member of env is named in the file, not computed; write env.NAME`}},
		{`${env["A" + "B"]}`, []string{`2+9 unknown-member: a member of env is named in the file, not computed; write env.NAME`}},
		{"${let e = env; e.SET}", []string{`10+3 unknown-member: env is not a value of its own; name a member, such as env.NAME`}},
		{`${get(env, "SET")}`, []string{`6+3 unknown-member: env is not a value of its own; name a member, such as env.NAME`}},
		{`${"SET" in env}`, []string{`11+3 unknown-member: env is not a value of its own; name a member, such as env.NAME`}},
		{"${row.skuu}", []string{`2+8 unknown-member: the data has no column "skuu"; did you mean row.sku? | columns: sku, Order ID`}},
		{"${row.Order-ID}", []string{`6+8 unknown-member: the data has no column "Order-ID"; did you mean row["Order ID"]? | columns: sku, Order ID`}},
		{"${row[sku]}", []string{`2+7 unknown-member: a member of row is named in the file, not computed; write row.sku`}},
		{"${run.idd}", []string{`2+7 unknown-member: run has no member "idd"; did you mean run.id? | members: id, started`}},
		{"${scenario.title}", []string{`2+14 unknown-member: scenario has no member "title" | members: name`}},

		{"${foo(1)}", []string{`2+3 unknown-variable: unknown function "foo"; did you mean "floor"?`}},
		{"${sku | uper()}", []string{`8+4 unknown-variable: unknown function "uper"; did you mean "upper"?`}},
		{"${order(1)}", []string{`2+5 unknown-variable: "order" is a value and not a function`}},
		{"${order.total()}", []string{`8+5 unknown-variable: total is not a function`}},
		{"${sku.upper()}", []string{`6+5 unknown-variable: upper is not a function of a value; write upper(…)`}},
		{"${uuid(1)}", []string{`2+4 expression: uuid takes no arguments, and 1 stand here | uuid()`}},
		{"${replace(sku)}", []string{`2+7 expression: replace takes 3 to 4 arguments, and 1 stand here | replace(text, old, new[, n])`}},
		{"${trim()}", []string{`2+1 expression: trim needs more arguments`}},
		{"${upper(1)}", []string{`8+1 expression: upper takes text, found a number`}},
		{"${len(5)}", []string{`2+1 expression: len cannot take a number`}},
		{"${filter(sku)}", []string{`12+1 expression: the function takes at least 2 arguments`}},
		{"${filter('a', # > 1)}", []string{`9+1 expression: filter takes a list, found text`}},
		{"${filter(order.lines, 'a')}", []string{`22+1 expression: the predicate is true or false, and this is text`}},
		{"${map(order.lines, #foo)}", []string{`19+1 expression: unknown name #foo; elements are #, their number is #index, and reduce has #acc`}},
		{"${#}", []string{`2+1 expression: unexpected "#" | elements are named by # and .member inside filter, map and their like`}},

		{"${let sku = 1; sku}", []string{`6+3 invalid-name: let cannot set "sku": the name is taken`}},
		{"${let env = 1; 2}", []string{`6+3 invalid-name: let cannot set "env": the name is taken`}},
		{"${let count = 1; 2}", []string{`6+5 invalid-name: let cannot set "count": the name is taken`}},

		{"${sku matches 'a('}", []string{`14+4 invalid-regexp: "a(" is not a regular expression: missing closing ) in "a("`}},
		{"${1 % 0}", []string{`0+8 expression: division by zero`}},
		{"${1 / 0}", []string{`0+8 expression: division by zero`}},
		{"${int('x')}", []string{`0+11 expression: int takes a whole number, found the text "x"`}},
		{"${[1, 2][2]}", []string{`0+12 expression: the list has 2 elements, and no element 2`}},
		{"${'a' + 1}", []string{`6+1 expression: text + a number is not possible`}},
		{"${sku contains 1}", []string{`6+1 expression: contains takes two texts, found a value and a number`}},
		{"${1 ? 2 : 3}", []string{`2+1 expression: a condition is true or false, and this is a number`}},
		{`${timestamp("yyyy-MM-dd")}`, []string{`12+12 expression: timestamp does not know the layout "yyyy-MM-dd"; write the time 2006-01-02T15:04:05Z07:00 as wanted, or a name: rfc3339, rfc3339Nano, rfc1123, date, time, unix, unixMilli`}},
		{`${plus("1x")}`, []string{`7+4 expression: plus takes a duration, which is a number with a unit, such as "30s", "1h30m" or "90d", found "1x"`}},
		{"${randomInt(5, 1)}", []string{`12+4 expression: randomInt takes the smaller number first, found 5 and 1`}},

		{"${}", []string{"0+3 expression: the expression is empty"}},
		{"${ }", []string{"0+4 expression: the expression is empty"}},
		{"${sku.(1)}", []string{"7+1 expression: a name is wanted after the dot"}},
		{"${/* a */}", []string{"8+1 expression: the expression ends too early"}},
		{"a ${b", []string{"2+2 expression: ${ has no closing } | a ${ that is meant as text is written $${"}},
		{"${sku // x}", []string{"0+2 expression: ${ has no closing } | the comment // goes on to the end of the line and hides the }"}},
		{"${sku /* x}", []string{"6+2 expression: the comment that begins here has no closing */"}},
		{`${"a}`, []string{`2+1 expression: the text that begins here has no closing "`}},
		{"${`a}", []string{"2+1 expression: the text that begins here has no closing `"}},
		{"${ordr} ${", []string{
			`2+4 unknown-variable: unknown name "ordr"; did you mean "order"?`,
			"8+2 expression: ${ has no closing } | a ${ that is meant as text is written $${",
		}},
		{"${sku ==}", []string{"7+1 expression: the expression ends too early"}},
		{"${sku = 1}", []string{`6+1 expression: unexpected "="; did you mean "=="?`}},
		{"${sku 'x'}", []string{`6+1 expression: unexpected text "x" | + joins two texts`}},
		{"${sku @ 1}", []string{`6+1 expression: unexpected character "@"`}},
		{"${sku)}", []string{`5+1 expression: unexpected ")"`}},
		{"${1a}", []string{`3+1 expression: not a number: "1a" | a name does not begin with a digit`}},
		{"${99999999999999999999}", []string{"21+1 expression: the number is too large, or not a number"}},
		{`${"\q"}`, []string{`4+1 expression: unknown escape in a text; \\ is a backslash | in backquotes nothing is escaped`}},
		{"${sku.}", []string{"5+1 expression: the expression ends too early"}},
		{"${{(1): 2, [3]: 4}}", []string{"11+1 expression: the key of a map is a name, a text in quotes, a number, or an expression in parentheses"}},
		{`${env.A ?? sku + "x"}`, []string{`15+1 expression: ?? and + stand side by side without parentheses | write (a ?? b) + c`}},
		{"${\xff}", []string{"0+4 expression: the expression is not valid UTF-8"}},
		{"${;}", []string{`2+1 expression: unexpected ";"`}},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			t.Parallel()
			tpl, problems := expression.CompileText(tt.text, at, scope())
			if tpl != nil {
				t.Error("a template in spite of errors")
			}
			if d := cmp.Diff(tt.want, written(problems)); d != "" {
				t.Errorf("want, got:\n%s", d)
			}
		})
	}
}

func written(problems diag.List) []string {
	var out []string
	for _, d := range problems {
		s := fmt.Sprintf("%d+%d %s: %s", d.Pos.Column-1, d.Pos.Width, d.Code, d.Message)
		out = append(out, strings.Join(append([]string{s}, d.Hints...), " | "))
	}
	return out
}

func TestScopeHidesNames(t *testing.T) {
	t.Parallel()
	tests := []struct{ text, want string }{
		{"${sku}", `2+3 unknown-variable: unknown name "sku"`},
		{"${env.SET}", `2+3 unknown-variable: unknown name "env": the process environment cannot be used in this place`},
		{`${env.SET ?? "x"}`, `2+3 unknown-variable: unknown name "env": the process environment cannot be used in this place`},
		{"${row.sku}", `2+3 unknown-variable: unknown name "row": the scenario has no data`},
		{"${run.id}", `2+3 unknown-variable: unknown name "run": the run is not known in this place`},
		{"${scenario.name}", `2+8 unknown-variable: unknown name "scenario": there is no scenario in this place`},
		{"${runtime}", `2+7 unknown-variable: unknown name "runtime": the target is not known in this place`},
		{"${api}", `2+3 unknown-variable: unknown name "api": the target is not known in this place`},
	}
	for _, tt := range tests {
		for _, s := range []*expression.Scope{nil, {}} {
			tpl, problems := expression.CompileText(tt.text, at, s)
			if tpl != nil {
				t.Errorf("%s: a template in spite of errors", tt.text)
			}
			if d := cmp.Diff([]string{tt.want}, written(problems)); d != "" {
				t.Errorf("%s: want, got:\n%s", tt.text, d)
			}
		}
	}
}

func TestAnyColumn(t *testing.T) {
	t.Parallel()
	tpl, problems := expression.CompileText("${row.any}", nil, &expression.Scope{HasRow: true})
	if tpl == nil {
		t.Fatal(problems)
	}
	if d := cmp.Diff([]string{"any"}, tpl.Columns()); d != "" {
		t.Error(d)
	}
	_, err := tpl.Eval(values())
	if err == nil || err.Error() != `${row.any}: the row has no column "any"` {
		t.Errorf("got %v", err)
	}
}

func TestMissingEnvironmentCanBeAWarning(t *testing.T) {
	t.Parallel()
	s := scope()
	s.EnvMissing = diag.Warning
	tpl, problems := expression.CompileText("${env.NOPE}", at, s)
	if tpl == nil {
		t.Fatalf("no template: %v", problems)
	}
	if len(problems) != 1 || problems[0].Severity != diag.Warning || problems[0].Code != diag.MissingEnvironment {
		t.Errorf("problems: %v", problems)
	}
	if _, err := tpl.Eval(values()); err == nil || err.Error() != `${env.NOPE}: the environment variable "NOPE" is not set` {
		t.Errorf("got %v", err)
	}
}

func TestCompileExpression(t *testing.T) {
	t.Parallel()
	tests := []struct {
		text    string
		want    bool
		problem string
		err     string
	}{
		{text: "yes", want: true},
		{text: "qty > 1 and sku startsWith 'A'", want: true},
		{text: "qty > 5", want: false},
		{text: "true", want: true},
		{text: `(env.RUN_SLOW ?? "") == "1"`, want: false},
		{text: "sku", err: "sku: a condition is true or false, and this is text"},
		{text: "qty + 1", err: "qty + 1: a condition is true or false, and this is a number"},
		{text: "order.note", err: "order.note: a condition is true or false, and this is null"},
		{text: "unset", err: "unset was never captured"},
		{text: "", problem: "0+0 expression: the expression is empty"},
		{text: "'a'", problem: "0+3 expression: a condition is true or false, and this is always text"},
		{text: "upper(sku)", problem: "0+10 expression: a condition is true or false, and this is always text"},
		{text: "nil", problem: "0+3 expression: a condition is true or false, and this is always null"},
		{text: "${yes}", problem: "0+2 expression: an expression stands here without ${ and } | write yes"},
		{text: `"${sku}" == "x"`, problem: "1+2 expression: an expression stands here without ${ and } | names are written as they are, and + joins two texts"},
		{text: "${qty >\n 1}", problem: "0+2 expression: an expression stands here without ${ and } | write qty > 1"},
		{text: "qty >", problem: "4+1 expression: the expression ends too early"},
		{text: "qty }", problem: `4+1 expression: unexpected "}"`},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			t.Parallel()
			tpl, problems := expression.CompileExpression(tt.text, at, scope())
			if tt.problem != "" {
				if d := cmp.Diff([]string{tt.problem}, written(problems)); d != "" || tpl != nil {
					t.Errorf("want, got:\n%s", d)
				}
				return
			}
			if tpl == nil {
				t.Fatal(problems)
			}
			got, err := tpl.Bool(values())
			if tt.err != "" {
				if err == nil || err.Error() != tt.err {
					t.Errorf("got %v, %v", got, err)
				}
				return
			}
			if err != nil || got != tt.want {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
}

func TestTemplateFacts(t *testing.T) {
	t.Parallel()
	text := `${sku} ${env.SET}${env.A ?? sku} ${order.lines[0].sku + row.sku} ${unset ?? ""} ${file("a.json")} ${file(sku)}`
	tpl, problems := expression.CompileText(text, at, scope())
	if tpl == nil {
		t.Fatal(problems)
	}
	if d := cmp.Diff([]string{"order", "sku", "unset"}, tpl.Variables()); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"A", "SET"}, tpl.Env()); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"sku"}, tpl.Columns()); d != "" {
		t.Error(d)
	}
	files := []expression.File{{Path: "a.json", Pos: at(strings.Index(text, `"a.json"`), 8)}}
	if d := cmp.Diff(files, tpl.Files()); d != "" {
		t.Error(d)
	}
	if v, ok := tpl.Constant(); ok {
		t.Errorf("constant %v", v)
	}
}

func TestConstant(t *testing.T) {
	t.Parallel()
	tests := []struct {
		text string
		want any
		ok   bool
	}{
		{"", "", true},
		{"abc", "abc", true},
		{"$${x}", "${x}", true},
		{"${1 + 1}", json.Number("2"), true},
		{"${1 + 1}s", "2s", true},
		{"a${'b'}c${nil}", "abc", true},
		{"${sku}", nil, false},
		{"${uuid()}", nil, false},
		{"${now()}", nil, false},
		{"${timestamp()}", nil, false},
		{"${secret('x')}", nil, false},
		{"${map([1], randomInt(1, 2))}", nil, false},
	}
	for _, tt := range tests {
		tpl, problems := expression.CompileText(tt.text, nil, scope())
		if tpl == nil {
			t.Fatal(problems)
		}
		got, ok := tpl.Constant()
		if d := cmp.Diff(tt.want, got); d != "" || ok != tt.ok {
			t.Errorf("%s: %v, want, got:\n%s", tt.text, ok, d)
		}
	}
}

func TestLiteral(t *testing.T) {
	t.Parallel()
	tests := []struct {
		value any
		text  string
	}{
		{nil, ""},
		{true, "true"},
		{"a ${b}", "a ${b}"},
		{json.Number("1.10"), "1.10"},
		{[]any{json.Number("1"), "<"}, `[1,"<"]`},
		{map[string]any{"b": nil, "a": true}, `{"a":true,"b":null}`},
	}
	for _, tt := range tests {
		tpl := expression.Literal(tt.value)
		got, err := tpl.Eval(nil)
		if d := cmp.Diff(tt.value, got); d != "" || err != nil {
			t.Errorf("%v: %v %s", tt.value, err, d)
		}
		text, err := tpl.Text(nil)
		if text != tt.text || err != nil {
			t.Errorf("%v: %q, %v", tt.value, text, err)
		}
		if tpl.Source() != tt.text {
			t.Errorf("%v: source %q", tt.value, tpl.Source())
		}
	}
}

func TestZeroTemplateIsEmpty(t *testing.T) {
	t.Parallel()
	var tpl expression.Template
	if v, err := tpl.Eval(nil); v != "" || err != nil {
		t.Errorf("got %v, %v", v, err)
	}
}

// The sandbox gives the request as a variable that holds nested maps.
func TestExtraNames(t *testing.T) {
	t.Parallel()
	s := &expression.Scope{Variables: func(name string) (bool, string) { return name == "request", "" }}
	v := &expression.Values{Extra: map[string]any{"request": map[string]any{
		"method":  "POST",
		"json":    map[string]any{"sku": "A-100", "qty": json.Number("2")},
		"query":   map[string][]string{"q": {"a", "b"}},
		"headers": map[string]string{"X-Id": "7"},
	}}}
	condition, problems := expression.CompileExpression(
		`request.json.sku == "A-100" and request.json.qty > 1 and request.headers["X-Id"] == "7" and request.query.q[1] == "b"`, at, s)
	if condition == nil {
		t.Fatal(problems)
	}
	if ok, err := condition.Bool(v); !ok || err != nil {
		t.Errorf("got %v, %v", ok, err)
	}
	text, problems := expression.CompileText("${request.method} ${request.query.q[0]} ${request.json}", at, s)
	if text == nil {
		t.Fatal(problems)
	}
	if got, err := text.Text(v); got != `POST a {"qty":2,"sku":"A-100"}` || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestHasExpression(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"": false, "a": false, "$": false, "{": false, "$ {": false,
		"${": true, "${a}": true, "x${a}": true,
		"$${a}": false, "$$${a}": false, "$${${a}": true, "$${a} ${b}": true,
	} {
		if got := expression.HasExpression(text); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	tpl, problems := expression.CompileText("${map(order.lines, .qty * 2 + qty)} ${sku}", at, scope())
	if tpl == nil {
		t.Fatal(problems)
	}
	errs := make(chan error)
	for range 8 {
		go func() {
			v := values()
			for range 50 {
				if got, err := tpl.Text(v); got != "[6,8] A-100" || err != nil {
					errs <- fmt.Errorf("got %q, %w", got, err)
					return
				}
			}
			errs <- nil
		}()
	}
	for range 8 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

// requestScope is one that knows the members of a variable.
func requestScope() *expression.Scope {
	return &expression.Scope{
		Variables: func(name string) (bool, string) { return name == "request", "" },
		Members: func(path string) []string {
			if path == "request" {
				return []string{"method", "headers", "json"}
			}
			return nil
		},
		Folded: func(path string) bool { return path == "request.headers" },
	}
}

func TestMembersAreChecked(t *testing.T) {
	t.Parallel()
	const known = " | members: method, headers, json"
	for text, want := range map[string]string{
		"${request.jsn}":             `10+3 unknown-member: request has no member "jsn"; did you mean request.json?` + known,
		"${request.jsn.sku}":         `10+3 unknown-member: request has no member "jsn"; did you mean request.json?` + known,
		`${upper(request["bogus"])}`: `16+7 unknown-member: request has no member "bogus"` + known,
		"${request?.metod}":          `11+5 unknown-member: request has no member "metod"; did you mean request.method?` + known,
		`${request.query ?? "none"}`: `10+5 unknown-member: request has no member "query"` + known,
		"${request.json.any.thing}":  "",
		"${request.headers.any}":     "",
	} {
		_, problems := expression.CompileText(text, at, requestScope())
		var list []string
		if want != "" {
			list = []string{want}
		}
		if d := cmp.Diff(list, written(problems)); d != "" {
			t.Errorf("%s: want, got:\n%s", text, d)
		}
	}
}

func TestMembersAreFolded(t *testing.T) {
	t.Parallel()
	v := &expression.Values{Extra: map[string]any{"request": map[string]any{
		"headers": map[string]any{"x-test": "yes"}, "json": map[string]any{"X-Test": "as it is"},
	}}}
	for text, want := range map[string]string{
		`${request.headers["X-Test"]}`:        "yes",
		`${request.headers["X-TEST"] ?? "-"}`: "yes",
		`${upper(request.headers["X-Test"])}`: "YES",
		`${request?.headers?.["X-Test"]}`:     "yes",
		`${request.json["X-Test"]}`:           "as it is",
		`${request.json["x-test"] ?? "none"}`: "none",
	} {
		tpl, problems := expression.CompileText(text, at, requestScope())
		if tpl == nil {
			t.Errorf("%s: %v", text, problems)
			continue
		}
		if got, err := tpl.Text(v); got != want || err != nil {
			t.Errorf("%s: %q %v, want %q", text, got, err, want)
		}
	}
}

func TestTextInADocument(t *testing.T) {
	t.Parallel()
	v := &expression.Values{Extra: map[string]any{"request": map[string]any{"method": "<a>", "json": map[string]any{"n": json.Number("1")}}}}
	escape := func(before, value string) string { return fmt.Sprintf("[%d:%s]", len(before), value) }
	for text, want := range map[string]string{
		"${request.method}":                              "<a>",
		"\n ${request.method}\n":                         "\n <a>\n",
		"<x>${request.method}</x>":                       "<x>[3:<a>]</x>",
		"${request.method}${request.json.n}":             "[0:<a>][7:1]",
		"<x/>":                                           "<x/>",
		`<x>${"a" + "b"}</x>`:                            "<x>ab</x>",
		"<x>$${request.method}</x>":                      "<x>${request.method}</x>",
		"<x>${request.json.none ?? 'none'}</x>":          "<x>[3:none]</x>",
		"<x y='${request.json.n}'>${request.method}</x>": "<x y='[6:1]'>[13:<a>]</x>",
	} {
		tpl, problems := expression.CompileText(text, at, requestScope())
		if tpl == nil {
			t.Errorf("%s: %v", text, problems)
			continue
		}
		if got, err := tpl.TextIn(v, escape); got != want || err != nil {
			t.Errorf("%s: %q %v, want %q", text, got, err, want)
		}
	}
	tpl, _ := expression.CompileText("<x>${request.method.a}</x>", at, requestScope())
	if _, err := tpl.TextIn(v, escape); err == nil {
		t.Error("a member of a text")
	}
}
