package expression_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"iflowtest/internal/diag"
	"iflowtest/internal/expression"
)

// foreign are words that no message may hold: they speak of Go.
func foreign() []string {
	return []string{
		"interface {}", "interface conversion", "map[string]", "[]any", "float64", "reflect.", "reflect:",
		"runtime error", "goroutine", "nil pointer", "<nil>", "json.Number", "%!",
	}
}

// seeds are texts with most of the language in them.
func seeds() []string {
	return []string{
		"", "plain", "$", "${", "${}", "$${a}", "${sku}", "a ${order.id} b ${row.sku}", "${'}'}${\"}\"}${`}`}",
		"${env.NOPE ?? \"x\"}", "${filter(order.lines, .qty > 1) | map(#.sku) | join(',')}", "${order-id}",
		"${let x = 1; x + 1}", "${if yes { 1 } else { 2 }}", "${order?.a?.[0]}", "${1..3}", "${[1, 2][5]}",
		"${{a: 1, (\"b\"): 2}.a}", "${sku matches '^A'}", "${1 / 0}", "${$env}", "${date('2026-11-21').Year()}",
		"${reduce(order.lines, #acc + .qty, 0)}", "${sortBy(order.lines, .qty, 'desc')}", "${\xff}", "${ä}", "${sku // }\n}",
		"${sku /* } */}", "${not (yes and no)}", "${groupBy(order.lines, .sku)}", "${toJSON(order)}", "${plus('1d')}",
		"${a < b < c}", "${::upper('x')}", "${b'x'}", "${0x1F + 1e3}", "${sku[1:]}", "${-1 ** 2}", "${now().Zone()}",
		"${secret(sku)}", "${string(timezone('UTC'))}", "${duration('1h').Hours()}", "${first([])}", "${get(order, 'id')}",
	}
}

func FuzzTemplate(f *testing.F) {
	for _, s := range seeds() {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		where := func(offset, width int) diag.Position {
			if offset < 0 || offset > len(text) {
				t.Errorf("offset %d is outside the text", offset)
			}
			if width < 0 || width > max(1, utf8.RuneCountInString(text[min(offset, len(text)):])) {
				t.Errorf("width %d at %d is outside the text", width, offset)
			}
			return diag.Position{Line: 1, Column: offset + 1, Width: width}
		}
		tpl, problems := expression.CompileText(text, where, scope())
		if (tpl == nil) != problems.HasErrors() {
			t.Fatalf("template %v, problems %v", tpl != nil, problems)
		}
		if has := strings.Contains(strings.ReplaceAll(text, "$${", ""), "${"); !has && tpl == nil {
			t.Fatalf("a text without expressions has problems: %v", problems)
		}
		for _, d := range problems {
			checkMessage(t, d.Message, d.Hints...)
		}
		if tpl == nil {
			return
		}
		if tpl.Source() != text {
			t.Errorf("source %q", tpl.Source())
		}
		got, err := tpl.Eval(values())
		if err != nil {
			// Only the message behind the expression is ours.
			if e, ok := err.(*expression.Error); ok {
				checkMessage(t, e.Message)
			}
			return
		}
		checkValue(t, got)
		if !strings.Contains(text, "${") && got != text {
			t.Errorf("got %q", got)
		}
		if !expression.HasExpression(text) && got != strings.ReplaceAll(text, "$${", "${") {
			t.Errorf("got %q", got)
		}
		if _, err := tpl.Text(values()); err != nil && !strings.Contains(err.Error(), ": ") {
			t.Errorf("text: %v", err)
		}
	})
}

func FuzzExpression(f *testing.F) {
	for _, s := range seeds() {
		s = strings.TrimSuffix(strings.TrimPrefix(s, "${"), "}")
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, code string) {
		where := func(offset, width int) diag.Position {
			if offset < 0 || offset > len(code) || width < 0 {
				t.Errorf("%d+%d is outside the expression", offset, width)
			}
			return diag.Position{Line: 1, Column: offset + 1, Width: width}
		}
		tpl, problems := expression.CompileExpression(code, where, scope())
		if (tpl == nil) != problems.HasErrors() {
			t.Fatalf("template %v, problems %v", tpl != nil, problems)
		}
		for _, d := range problems {
			checkMessage(t, d.Message, d.Hints...)
		}
		if tpl == nil {
			return
		}
		if _, err := tpl.Bool(values()); err != nil {
			if e, ok := err.(*expression.Error); ok {
				checkMessage(t, e.Message)
			}
		}
	})
}

func FuzzCheckName(f *testing.F) {
	for _, s := range []string{"a", "order-id", "", "env", "9", "ä", "a b", "\xff", "len", "0", "not"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		proposal, err := expression.CheckName(name)
		if err == nil {
			return
		}
		if _, again := expression.CheckName(proposal); again != nil {
			t.Errorf("%q: the proposal %q: %v", name, proposal, again)
		}
	})
}

// checkMessage wants one line in the words of the reference. Text in quotes is
// the user's own.
func checkMessage(t *testing.T, message string, hints ...string) {
	t.Helper()
	if message == "" {
		t.Error("an empty message")
	}
	for _, s := range append([]string{message}, hints...) {
		if strings.Contains(s, "\n") {
			t.Errorf("more than one line: %q", s)
		}
		for _, word := range foreign() {
			if strings.Contains(unquoted(s), word) {
				t.Errorf("%q speaks of Go: %q", s, word)
			}
		}
	}
}

// unquoted takes the quoted parts out of a message.
func unquoted(s string) string {
	var b strings.Builder
	inside := false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && inside:
			i++
		case s[i] == '"':
			inside = !inside
		case !inside:
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

// checkValue wants one of the six kinds of value.
func checkValue(t *testing.T, v any) {
	t.Helper()
	switch v := v.(type) {
	case nil, bool, string:
	case json.Number:
		if !json.Valid([]byte(v)) {
			t.Errorf("%q is no JSON number", v)
		}
	case []any:
		for _, e := range v {
			checkValue(t, e)
		}
	case map[string]any:
		for _, e := range v {
			checkValue(t, e)
		}
	default:
		t.Errorf("a value of type %T", v)
	}
}
