package runner

import (
	"context"
	"strings"

	"iflowtest/scenarios"
)

func setKind() Kind {
	return Kind{
		Name:    "set",
		Summary: "give variables a value",
		Doc:     "Values keep their types; each entry sees those above it. A variable that is set counts as captured.",
		Shape:   scenarios.Shape{Type: scenarios.MapType, Elem: &scenarios.Shape{Type: scenarios.Any}, Doc: "name → value"},
		Example: `- set: {sku: A-100, note: "run ${run.id}"}
- call: {POST: /http/echo, credential: sender, json: {sku: "${sku}"}}
  expect: {json: {json.sku: A-100}}
`,
		title: func(body *scenarios.Node) string {
			var names []string
			for _, e := range body.Entries() {
				names = append(names, e.Key.Text)
			}
			return "set " + strings.Join(names, ", ")
		},
		compile: func(c *stepCompiler, body *scenarios.Node) action {
			a := &setAction{}
			for _, e := range body.Entries() {
				a.names = append(a.names, e.Key.Text)
				a.values = append(a.values, c.value(e.Value, c.scope))
				c.known[e.Key.Text] = true
			}
			return a
		},
	}
}

type setAction struct {
	names  []string
	values []value
}

func (a *setAction) do(_ context.Context, x *execution) (*result, *trouble) {
	for i, name := range a.names {
		v, err := a.values[i].eval(x.values)
		if err != nil {
			return nil, fromExpression(err)
		}
		x.set(name, v, false)
	}
	return nil, nil
}
