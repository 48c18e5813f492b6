package expression_test

import (
	"encoding/json"
	"fmt"

	"iflowtest/internal/expression"
)

func ExampleCompileText() {
	scope := &expression.Scope{
		Variables: func(name string) (bool, string) { return name == "order", "" },
		Names:     func() []string { return []string{"order"} },
	}
	values := &expression.Values{Lookup: func(string) (any, bool) {
		return map[string]any{"id": json.Number("4711.10"), "lines": []any{"a", "b"}}, true
	}}
	for _, text := range []string{"${order.id}", "order ${order.id} has ${len(order.lines)} lines", "${ordr.id}"} {
		template, problems := expression.CompileText(text, nil, scope)
		if template == nil {
			fmt.Println(problems[0].Message)
			continue
		}
		value, err := template.Eval(values)
		fmt.Println(value, err)
	}
	// Output:
	// 4711.10 <nil>
	// order 4711.10 has 2 lines <nil>
	// unknown name "ordr"; did you mean "order"?
}
