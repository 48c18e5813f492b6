package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"iflowtest/internal/cf"
	"iflowtest/internal/diag"
	"iflowtest/internal/entitlements"
	"iflowtest/internal/expression"
	"iflowtest/internal/platform"
	"iflowtest/internal/secret"
	"iflowtest/scenarios"
)

func entitlementKind() Kind {
	return Kind{
		Name:    "entitlement",
		Summary: "check, or assign, the entitlement of service plans",
		Doc: "With `target.entitlements` the assignments of the subaccount are asked for, and with `assign: true` what is missing is\n" +
			"assigned; an entitlement that was assigned stays. Without it the plans have to be visible in the space, which is what an\n" +
			"entitlement leads to; the answer says so in `source`. `json` is the answer: `service`, `plans` (each `plan`, `entitled`,\n" +
			"`assigned` by this step), `source`.",
		Shape: scenarios.Shape{Type: scenarios.ObjectType, Keys: []scenarios.Key{
			{Name: "service", Shape: text(), Required: true, Doc: "the service offering, such as it-rt"},
			{Name: "plans", Shape: listOf(text()), Required: true, Doc: "its plans"},
			{Name: "assign", Shape: boolean(), Default: "false", Doc: "assign what is missing"},
		}},
		Example: `- entitlement: {service: it-rt, plans: [integration-flow, api]}
`,
		Subjects: provisioningSubjects(),
		Timeout:  provisioningTimeout,
		title:    func(body *scenarios.Node) string { return titleOf("entitlement", body, "service") },
		compile:  compileEntitlement,
	}
}

// entitlementTarget is the entitlements service as the environment describes
// it.
type entitlementTarget struct {
	key        entitlements.Key
	subaccount string
}

// entitlementAction checks or assigns entitlements.
type entitlementAction struct {
	service *expression.Template
	plans   []*expression.Template
	assign  bool
	// target is nil where the environment has no entitlements service.
	target *entitlementTarget
}

func compileEntitlement(c *stepCompiler, body *scenarios.Node) action {
	a := &entitlementAction{service: c.template(body.Get("service"), c.scope), assign: isTrue(body.Get("assign"))}
	for _, n := range body.Get("plans").Items() {
		a.plans = append(a.plans, c.template(n, c.scope))
	}
	var n *scenarios.Node
	if c.chosen != nil {
		n = c.chosen.Target.Get("entitlements")
	}
	if n != nil {
		a.target = c.entitlementTarget(n)
		return a
	}
	if a.assign && !c.o.Check {
		c.diags = append(c.diags, diag.Errorf(body.Key("assign").Pos(), diag.MissingKey, "the environment has no target.entitlements, and only that service can assign").
			WithHint("give it service-key and subaccount, or leave out assign: then the plans have to be visible in the space"))
	}
	c.foundryTarget(c.source.Pos)
	return a
}

// entitlementTarget reads the service key of the Cloud Management service.
func (c *compiler) entitlementTarget(n *scenarios.Node) *entitlementTarget {
	if c.entitlements != nil {
		return c.entitlements
	}
	t := &entitlementTarget{}
	c.entitlements = t
	if v := n.Get("subaccount"); v != nil {
		t.subaccount, _ = c.static(v, c.environmentScope(), c.envStatic())
	}
	if t.subaccount == "" && !c.o.Check {
		c.diags = append(c.diags, diag.Errorf(n.Pos(), diag.MissingKey, "target.entitlements has no subaccount: its GUID is wanted"))
	}
	key, ok := targetKey(c, "entitlements", n.Get("service-key"), entitlements.ParseKey, func(k entitlements.Key) []secret.Secret { return k.Secrets })
	if ok {
		t.key = key
	}
	return t
}

// entitlementAnswer is what expect and capture see.
type entitlementAnswer struct {
	Service string         `json:"service"`
	Plans   []entitledPlan `json:"plans"`
	Source  string         `json:"source"`
}

type entitledPlan struct {
	Plan     string `json:"plan"`
	Entitled bool   `json:"entitled"`
	Assigned bool   `json:"assigned"`
}

func (a *entitlementAction) do(ctx context.Context, x *execution) (*result, *trouble) {
	started := time.Now()
	service, err := a.service.Text(x.values)
	if err != nil {
		return nil, fromExpression(err)
	}
	var plans []string
	for _, t := range a.plans {
		plan, err := t.Text(x.values)
		if err != nil {
			return nil, fromExpression(err)
		}
		plans = append(plans, plan)
	}
	if a.target == nil {
		return a.visible(ctx, x, service, plans, started)
	}
	client := entitlements.New(x.session.client, x.session.tokens, a.target.key)
	assigned, err := a.assigned(ctx, client, service)
	if err != nil {
		return nil, fromPlatform(ctx, err)
	}
	answer := entitlementAnswer{Service: service, Source: "entitlements of the subaccount"}
	var missing []entitlements.Plan
	for _, plan := range plans {
		has := slices.Contains(assigned, plan)
		answer.Plans = append(answer.Plans, entitledPlan{Plan: plan, Entitled: has || a.assign, Assigned: !has && a.assign})
		if !has {
			missing = append(missing, entitlements.Plan{Service: service, Plan: plan})
		}
	}
	if len(missing) > 0 && !a.assign {
		return nil, a.notEntitled(ctx, client, service, missing)
	}
	if len(missing) > 0 {
		err := client.Assign(ctx, a.target.subaccount, missing, func(p platform.Progress) {
			x.log().Info("waiting for the platform", "resource", "entitlement of "+service, "state", p.State, "description", p.Description)
		})
		if err != nil {
			return nil, fromPlatform(ctx, err)
		}
	}
	return x.answered(answer, started)
}

// assigned gives the plans that are in force.
func (a *entitlementAction) assigned(ctx context.Context, client *entitlements.Client, service string) ([]string, error) {
	found, err := client.Assignments(ctx, a.target.subaccount, service)
	var plans []string
	for _, f := range found {
		if f.Settled() {
			plans = append(plans, f.Plan)
		}
	}
	return plans, err
}

// notEntitled says which plans are missing, and whether they can be assigned.
func (a *entitlementAction) notEntitled(ctx context.Context, client *entitlements.Client, service string, missing []entitlements.Plan) *trouble {
	var names []string
	for _, m := range missing {
		names = append(names, m.Plan)
	}
	t := &trouble{class: classProvisioning, problem: Problem{
		Type:    TypeProvisioning,
		Message: fmt.Sprintf("the subaccount is not entitled to %s of %s", strings.Join(names, ", "), service),
		Cure:    "assign it in the global account under Entity Assignments, or with assign: true",
	}}
	if available, err := client.Available(ctx, a.target.subaccount, service); err == nil && len(available) == 0 {
		t.problem.Message += ", and the global account has no such service"
		t.problem.Cure = "check the name of the service, and the entitlements of the global account"
	}
	return t
}

// visible checks that the plans can be seen in the space.
func (a *entitlementAction) visible(ctx context.Context, x *execution, service string, plans []string, started time.Time) (*result, *trouble) {
	client, space, t := x.session.foundry(ctx)
	if t != nil {
		return nil, t
	}
	answer := entitlementAnswer{Service: service, Source: "plans that are visible in the space, as the environment has no target.entitlements"}
	for _, plan := range plans {
		if _, err := client.Plan(ctx, space.guid, service, plan); err != nil {
			if missing, ok := errors.AsType[*cf.NotFoundError](err); ok {
				return nil, &trouble{class: classProvisioning, err: err, problem: Problem{
					Type:    TypeProvisioning,
					Message: missing.Error() + "; whether the subaccount is entitled was not asked, as the environment has no target.entitlements",
					Cure:    missing.Cure,
				}}
			}
			return nil, fromPlatform(ctx, err)
		}
		answer.Plans = append(answer.Plans, entitledPlan{Plan: plan, Entitled: true})
	}
	return x.answered(answer, started)
}
