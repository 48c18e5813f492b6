package expression_test

import (
	"slices"
	"testing"

	"github.com/expr-lang/expr/builtin"

	"iflowtest/internal/expression"
)

func TestFunctionsDocumentAll(t *testing.T) {
	t.Parallel()
	documented := map[string]bool{}
	for _, f := range expression.Functions() {
		if documented[f.Name] {
			t.Errorf("%s is documented twice", f.Name)
		}
		documented[f.Name] = true
		if f.Signature == "" || f.Doc == "" {
			t.Errorf("%s lacks a signature or a doc", f.Name)
		}
	}
	for _, name := range builtin.Names {
		if !documented[name] {
			t.Errorf("the function %s of the expression language is not documented", name)
		}
	}
	reserved := expression.ReservedNames()
	for name := range documented {
		if !slices.Contains(reserved, name) {
			t.Errorf("%s is a function and not reserved", name)
		}
	}
	for _, own := range []string{
		"uuid", "file", "secret", "randomInt", "randomString", "sha256",
		"hmacSHA256", "urlEncode", "timestamp", "plus",
	} {
		if !documented[own] {
			t.Errorf("%s is missing", own)
		}
	}
}

// Every example of the reference is an expression that is true.
func TestFunctionsExamplesHold(t *testing.T) {
	t.Parallel()
	for _, f := range expression.Functions() {
		t.Run(f.Name, func(t *testing.T) {
			t.Parallel()
			if f.Example == "" {
				if f.Name != "file" {
					t.Fatal("no example")
				}
				return
			}
			tpl, list := expression.CompileExpression(f.Example, nil, nil)
			if tpl == nil {
				t.Fatalf("%s: %v", f.Example, list)
			}
			if ok, err := tpl.Bool(nil); err != nil || !ok {
				t.Errorf("%s is %v, %v", f.Example, ok, err)
			}
		})
	}
}
