package runner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"iflowtest/internal/cf"
	"iflowtest/internal/diag"
	"iflowtest/internal/expression"
	"iflowtest/scenarios"
)

func serviceInstanceKind() Kind {
	return Kind{
		Name:    "service-instance",
		Summary: "create a service instance, or use one that exists",
		Doc: "The step waits until the platform has created the instance. What it created is deleted when the scenario ends, whatever\n" +
			"happened, after the `cleanup` steps, last first; each deletion is a case of its own. With `keep` it stays. An instance\n" +
			"that was adopted or required is never deleted. `json` is the instance: `guid`, `name`, `plan`, `offering`, `state`,\n" +
			"`created` (whether this step created it).\n\n" +
			"An instance that holds a service key or a binding which the run did not make is left, and told: exit status 8.\n" +
			"With `mode: adopt` the step that creates the instance deletes it when its scenario ends, also while others still use\n" +
			"it. What several scenarios share belongs into a file that each includes with `once: true`: it stays until the run\n" +
			"ends.\n\n" +
			"What is kept is named at the end of the run with the command that removes it, and carries the label `iflowtest-keep`:\n" +
			"`keep: always` stays until somebody asks for its removal, `keep: on-failure` may go a day after the run began, with an\n" +
			"`iflowtest cleanup` that does not have the journal of the run.",
		Shape: scenarios.Shape{Type: scenarios.ObjectType, Keys: []scenarios.Key{
			{Name: "name", Shape: text(), Required: true, Doc: "its name, unique per run: ${run.id}"},
			{Name: "offering", Shape: text(), Default: "it-rt", Doc: "the service offering"},
			{Name: "plan", Shape: text(), Required: true, Doc: "integration-flow or api"},
			{Name: "parameters", Shape: mapOf(anything()), Doc: "the parameters of the platform"},
			{Name: "parameters-file", Shape: text(), Doc: "a JSON file that holds them"},
			{Name: "mode", Shape: enum("create", "adopt", "require"), Default: "create", Doc: "create it; reuse it if it exists; or insist that it exists"},
			keep(),
		}},
		Example: `- service-instance:
    name: smoke-${run.id}
    plan: integration-flow
    parameters: {grant-types: [client_credentials], roles: [ESBMessaging.send]}
  expect:
    json: {plan: integration-flow, state: succeeded}
`,
		Subjects: provisioningSubjects(),
		Timeout:  provisioningTimeout,
		title:    func(body *scenarios.Node) string { return titleOf("service-instance", body, "name") },
		compile:  compileInstance,
	}
}

// instanceAction creates, adopts or requires a service instance.
type instanceAction struct {
	name, offering, plan *expression.Template
	parameters           parameters
	mode, keep           string
}

func compileInstance(c *stepCompiler, body *scenarios.Node) action {
	c.foundryTarget(c.source.Pos)
	a := &instanceAction{
		name: c.template(body.Get("name"), c.scope), offering: expression.Literal("it-rt"), plan: c.template(body.Get("plan"), c.scope),
		parameters: c.parameters(body), mode: modeOf(body), keep: c.keepOf(body),
	}
	if n := body.Get("offering"); n != nil {
		a.offering = c.template(n, c.scope)
	}
	c.checkName(a.name, body.Get("name"), cf.CheckInstanceName, a.mode)
	return a
}

func modeOf(body *scenarios.Node) string {
	if n := body.Get("mode"); n != nil {
		return n.Text
	}
	return modeCreate
}

// keepOf gives keep, which --keep replaces.
func (c *stepCompiler) keepOf(body *scenarios.Node) string {
	if c.o.Keep != "" {
		return c.o.Keep
	}
	if n := body.Get("keep"); n != nil {
		return n.Text
	}
	return keepNever
}

// checkName reports a name that the platform refuses, where it is known before
// the run.
func (c *stepCompiler) checkName(name *expression.Template, n *scenarios.Node, check func(string) error, mode string) {
	fixed := name.Partial(c.values(c.staticVars(c.scenarioCompiler.out.vars, nil), c.scenarioCompiler.out))
	if expression.HasExpression(fixed) || mode == modeRequire {
		return
	}
	err := check(fixed)
	problem, ok := errors.AsType[*cf.NameError](err)
	switch {
	case err == nil:
	case ok && problem.Advice:
		c.diags = append(c.diags, diag.Warningf(n.Pos(), diag.InvalidName, "%s", err))
	default:
		c.diags = append(c.diags, diag.Errorf(n.Pos(), diag.InvalidName, "%s", err))
	}
}

// instanceAnswer is what expect and capture see of an instance.
type instanceAnswer struct {
	GUID     string `json:"guid"`
	Name     string `json:"name"`
	Offering string `json:"offering"`
	Plan     string `json:"plan"`
	Space    string `json:"space,omitempty"`
	State    string `json:"state"`
	Created  bool   `json:"created"`
}

func (a *instanceAction) do(ctx context.Context, x *execution) (*result, *trouble) {
	started := time.Now()
	var name, offering, plan string
	for _, t := range []struct {
		to   *string
		from *expression.Template
	}{{&name, a.name}, {&offering, a.offering}, {&plan, a.plan}} {
		text, err := t.from.Text(x.values)
		if err != nil {
			return nil, fromExpression(err)
		}
		*t.to = text
	}
	client, space, t := x.session.foundry(ctx)
	if t != nil {
		return nil, t
	}
	if a.mode != modeCreate {
		found, t := a.existing(ctx, x, client, space, name)
		if t != nil {
			return nil, t
		}
		if found != nil {
			return a.use(x, *found, offering, plan, started)
		}
	}
	guid, t := a.create(ctx, x, client, space, name, offering, plan)
	if a.mode == modeAdopt && taken(t) {
		// Somebody else was faster, and what they create is there by now.
		found, again := a.existing(ctx, x, client, space, name)
		switch {
		case again != nil:
			return nil, again
		case found != nil:
			return a.use(x, *found, offering, plan, started)
		}
	}
	if t != nil {
		return nil, t
	}
	made, err := client.InstanceByGUID(ctx, guid)
	if err != nil {
		return nil, fromPlatform(ctx, err)
	}
	return x.answered(instanceAnswer{
		made.GUID, made.Name, cmp.Or(made.Offering, offering), cmp.Or(made.Plan, plan), made.Space, made.LastOperation.State, true,
	}, started)
}

// existing finds the instance, when nothing is under way for it any more. nil:
// there is none, and one is to be created.
func (a *instanceAction) existing(ctx context.Context, x *execution, client *cf.Client, space location, name string) (*cf.Instance, *trouble) {
	for {
		found, err := client.Instance(ctx, space.guid, name)
		if missing, ok := errors.AsType[*cf.NotFoundError](err); ok {
			if a.mode == modeAdopt {
				return nil, nil
			}
			missing.Cure = "create it, or let the step do so with mode: adopt"
			return nil, x.vanished(fromPlatform(ctx, missing), name, "")
		}
		if err != nil {
			return nil, fromPlatform(ctx, err)
		}
		if !found.LastOperation.InProgress() {
			return &found, nil
		}
		if _, err := client.Settle(ctx, cf.ServiceInstance, found.GUID, x.progress(name)); err != nil {
			return nil, fromPlatform(ctx, err)
		}
	}
}

// use takes an instance that exists, when it is of that plan and ready.
func (a *instanceAction) use(x *execution, found cf.Instance, offering, plan string, started time.Time) (*result, *trouble) {
	other := func(has, wanted string) bool { return has != "" && !strings.EqualFold(has, wanted) }
	if other(found.Plan, plan) || other(found.Offering, offering) {
		return nil, &trouble{class: classProvisioning, problem: Problem{
			Type:    TypeProvisioning,
			Message: fmt.Sprintf("the service instance %q exists, and is of plan %s of %s instead of %s of %s", found.Name, found.Plan, found.Offering, plan, offering),
			Cure:    "choose another name, or the plan that it has",
		}}
	}
	last := found.LastOperation
	if last.Failed() && last.Type == string(cf.Create) {
		return nil, &trouble{class: classProvisioning, problem: Problem{
			Type: TypeProvisioning, Message: fmt.Sprintf("the service instance %q exists, but creating it had failed; the platform says %q", found.Name, last.Description),
			Cure: "delete it, and run again",
		}}
	}
	x.session.space.used(found.Name, found.GUID)
	return x.answered(instanceAnswer{
		found.GUID, found.Name, cmp.Or(found.Offering, offering), cmp.Or(found.Plan, plan), found.Space, last.State, false,
	}, started)
}

// create creates the instance, and gives its GUID when it is ready.
func (a *instanceAction) create(ctx context.Context, x *execution, client *cf.Client, space location, name, offering, plan string) (string, *trouble) {
	if t := refusedName(cf.CheckInstanceName(name)); t != nil {
		return "", t
	}
	found, err := client.Plan(ctx, space.guid, offering, plan)
	if err != nil {
		return "", fromPlatform(ctx, err)
	}
	parameters, t := a.parameters.eval(x)
	if t != nil {
		return "", t
	}
	c := creation{
		x: x, client: client, kind: cf.ServiceInstance,
		r: &resource{keep: a.keep, what: "service instance " + name, entry: space.at(entry{Kind: kindInstance, Name: name})},
		send: func(ctx context.Context, labels map[string]string) (cf.Operation, error) {
			return client.CreateInstance(ctx, cf.CreateInstance{
				Name: name, SpaceGUID: space.guid, PlanGUID: found.GUID, Parameters: parameters, Labels: labels,
				Annotations: map[string]string{annotationName: name},
			})
		},
	}
	return c.create(ctx)
}

// refusedName is the trouble of a name that the platform would refuse; advice
// against it is none.
func refusedName(err error) *trouble {
	if problem, ok := errors.AsType[*cf.NameError](err); err == nil || ok && problem.Advice {
		return nil
	}
	return &trouble{class: classProvisioning, err: err, problem: Problem{Type: TypeProvisioning, Message: err.Error(), Cure: "give another name; nothing was sent"}}
}
