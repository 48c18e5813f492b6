package runner

import (
	"context"
	"fmt"
	"time"

	"iflowtest/internal/expression"
	"iflowtest/internal/httpx"
	"iflowtest/scenarios"
)

func waitKind() Kind {
	return Kind{
		Name:    "wait",
		Summary: "let time pass",
		Doc:     "Prefer `poll` where there is something to wait for: a wait is always too short or too long.",
		Shape:   scenarios.Shape{Type: scenarios.DurationType},
		Example: "- wait: 5ms\n",
		Timeout: 0,
		title:   func(body *scenarios.Node) string { return "wait " + body.Text },
		compile: func(c *stepCompiler, body *scenarios.Node) action {
			return &waitAction{c.template(body, c.scope)}
		},
	}
}

type waitAction struct{ duration *expression.Template }

func (a *waitAction) do(ctx context.Context, x *execution) (*result, *trouble) {
	text, err := a.duration.Text(x.values)
	if err != nil {
		return nil, fromExpression(err)
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return nil, fromExpression(fmt.Errorf("wait: %q is not a duration such as 500ms or 2s", text))
	}
	if httpx.Sleep(ctx, d) != nil {
		return nil, ended(ctx)
	}
	return nil, nil
}
