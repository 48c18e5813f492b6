package runner

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/expr-lang/expr"
)

func TestTags(t *testing.T) {
	for _, c := range []struct {
		expression string
		tags       string
		want       bool
	}{
		{"", "", true},
		{"smoke", "smoke orders", true},
		{"smoke", "orders", false},
		{"smoke && !slow", "smoke", true},
		{"smoke && !slow", "smoke slow", false},
		{"smoke || orders", "orders", true},
		{"smoke,orders", "orders", true},
		{"!(smoke || slow)", "fast", true},
		{"!(smoke || slow)", "slow", false},
		{"a || b && c", "a", true},
		{"(a || b) && c", "a", false},
		{"INT-4711", "INT-4711", true},
		{"!!a", "a", true},
	} {
		e, err := parseTags(c.expression)
		if err != nil {
			t.Errorf("%q: %v", c.expression, err)
			continue
		}
		if got := e == nil || e(strings.Fields(c.tags)); got != c.want {
			t.Errorf("%q on %q = %v, want %v", c.expression, c.tags, got, c.want)
		}
	}
	for _, bad := range []string{"&&", "a &&", "a b", "(a", "a)", "!", "a & b", "a $ b"} {
		if _, err := parseTags(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

func FuzzTags(f *testing.F) {
	f.Add("smoke && !slow", "smoke")
	f.Add("a || (b, !c)", "b c")
	f.Fuzz(func(t *testing.T, expression, tags string) {
		has := strings.Fields(tags)
		e, err := parseTags(expression)
		if err == nil && e == nil {
			return
		}
		// The expression language reads the same operators.
		code := tagToken.ReplaceAllStringFunc(expression, func(token string) string {
			switch token {
			case "&&", "||", "!", "(", ")":
				return " " + token + " "
			case ",":
				return " || "
			}
			return fmt.Sprintf(" %t ", slices.Contains(has, token))
		})
		want, wrong := expr.Eval(code, nil)
		if strings.TrimSpace(tagToken.ReplaceAllString(expression, "")) != "" {
			wrong = errors.New("other characters")
		}
		if (err == nil) != (wrong == nil) {
			t.Fatalf("%q: %v, but %q: %v", expression, err, code, wrong)
		}
		if err == nil && e(has) != want {
			t.Fatalf("%q on %q: %t, want %v", expression, has, e(has), want)
		}
	})
}
