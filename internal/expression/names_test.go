package expression_test

import (
	"slices"
	"testing"

	"iflowtest/internal/expression"
)

func TestCheckName(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, proposal, err string }{
		{name: "order"},
		{name: "_x9"},
		{name: "Order_ID"},
		{name: "null"},
		{"order-id", "order_id", `"order-id" is not a name: only letters, digits and _ are possible, and no digit at the beginning`},
		{"order id", "order_id", `"order id" is not a name: only letters, digits and _ are possible, and no digit at the beginning`},
		{"order - id", "order_id", `"order - id" is not a name: only letters, digits and _ are possible, and no digit at the beginning`},
		{"9lives", "_9lives", `"9lives" is not a name: only letters, digits and _ are possible, and no digit at the beginning`},
		{"größe", "gr_e", `"größe" is not a name: only letters, digits and _ are possible, and no digit at the beginning`},
		{"$x", "_x", `"$x" is not a name: only letters, digits and _ are possible, and no digit at the beginning`},
		{"日本", "value", `"日本" is not a name: only letters, digits and _ are possible, and no digit at the beginning`},
		{"x\n", "x_", `"x\n" is not a name: only letters, digits and _ are possible, and no digit at the beginning`},
		{"", "value", "a name is wanted, and the text is empty"},
		{"env", "env_value", `the name "env" is reserved: expressions use it for the process environment`},
		{"api", "api_value", `the name "api" is reserved: expressions use it for the base URL of the API`},
		{"not", "not_value", `the name "not" is reserved: it is a word of the expression language`},
		{"count", "count_value", `the name "count" is reserved: it is a function of the expression language`},
		{"uuid", "uuid_value", `the name "uuid" is reserved: it is a function of the expression language`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			proposal, err := expression.CheckName(tt.name)
			text := ""
			if err != nil {
				text = err.Error()
			}
			if text != tt.err || proposal != tt.proposal {
				t.Errorf("got %q, %s", proposal, text)
			}
			if proposal != "" {
				if _, err := expression.CheckName(proposal); err != nil {
					t.Errorf("the proposal %q: %v", proposal, err)
				}
			}
		})
	}
}

func TestReservedNamesAreSorted(t *testing.T) {
	t.Parallel()
	names := expression.ReservedNames()
	if !slices.IsSorted(names) {
		t.Error("not sorted")
	}
	for _, name := range []string{"env", "row", "run", "scenario", "runtime", "api", "let", "nil", "filter", "hmacSHA256"} {
		if !slices.Contains(names, name) {
			t.Errorf("%s is missing", name)
		}
	}
	// Every reserved name is refused, and every other identifier is a name
	// that an expression can use.
	for _, name := range names {
		if _, err := expression.CheckName(name); err == nil {
			t.Errorf("%s is reserved, and CheckName accepts it", name)
		}
	}
}

func TestNamesAreDocumented(t *testing.T) {
	t.Parallel()
	for _, n := range expression.Names() {
		if n.Name == "" || n.Doc == "" {
			t.Errorf("%+v lacks something", n)
		}
	}
}
