package runner

import (
	"context"
	"fmt"
	"time"

	"iflowtest/assertions"
	"iflowtest/internal/cpi"
	"iflowtest/internal/diag"
	"iflowtest/internal/expression"
	"iflowtest/internal/httpx"
	"iflowtest/internal/platform"
	"iflowtest/scenarios"
)

func artifactKind() Kind {
	return Kind{
		Name:    "artifact",
		Summary: "check, or deploy, an integration flow",
		Doc: "The step looks at what is deployed under the ID: it must have the state, and the version when one is given. While the\n" +
			"artifact is STARTING or STOPPING, the step waits. `deploy: true` deploys the active design-time version first, waits\n" +
			"until it is built, and then until the runtime has it. When either fails, the failure holds the error information.\n" +
			"While the API is out of order the step asks again, for 30 seconds in a row; a deployment is requested once.\n" +
			"\n" +
			"With `undeploy: true` what the step deployed is undeployed when the scenario ends, whatever happened. An artifact that\n" +
			"was deployed before the step stays, as the step did not create it: the report says so with a skipped case. What a run\n" +
			"that was killed deployed, as its journal in the same folder says, counts as the step's own. `iflowtest cleanup`\n" +
			"undeploys it as well, when the environment declares the credential of that name.\n" +
			"\n" +
			"`configuration` sets externalized parameters of the design-time artifact before it is deployed, those that differ; a\n" +
			"key that the artifact does not have fails the step before anything is changed. The former values are put back when the\n" +
			"scenario ends, and what stays deployed is deployed again with them. The journal names the keys and no values, as they\n" +
			"may be secret: after a kill `iflowtest cleanup`, and the next run that deploys the artifact, can only tell which keys are\n" +
			"to be set by hand. Values of parameters never stand in reports. Scenarios that configure or deploy the same artifact want\n" +
			"the same `lock`: a warning tells those that share none, and one whose artifact another one undeploys fails at once.\n" +
			"\n" +
			"`json` is the runtime artifact: `Id`, `Name`, `Version`, `Type`, `Status`, `DeployedBy`, `DeployedOn`, and\n" +
			"`ErrorInformation` (a text, or null).",
		Shape: scenarios.Shape{Type: scenarios.ObjectType, Keys: []scenarios.Key{
			{Name: "id", Shape: text(), Required: true, Doc: "the artifact's ID"},
			{Name: "credential", Shape: text(), Required: true, Doc: "a credential of plan api"},
			{Name: "state", Shape: enum(cpi.Started, cpi.Starting, cpi.Stopping, cpi.Failed), Default: cpi.Started, Doc: "the state it must have"},
			{Name: "version", Shape: text(), Doc: "the version it must have"},
			{Name: "deploy", Shape: boolean(), Default: "false", Doc: "deploy the design-time version first"},
			{Name: "undeploy", Shape: boolean(), Default: "false", Doc: "with deploy: undeploy it when the scenario ends, unless it was deployed before"},
			{Name: "configuration", Shape: mapOf(anything()), Doc: "with deploy: values of externalized parameters, put back when the scenario ends"},
		}},
		Example: `- artifact: {id: OrderIntake, credential: api, version: 1.0.0}
  expect:
    json: {Type: INTEGRATION_FLOW, Name: OrderIntake}
`,
		Subjects: []string{"json", "duration"},
		Timeout:  provisioningTimeout,
		title:    func(body *scenarios.Node) string { return titleOf("artifact", body, "id") },
		compile:  compileArtifact,
	}
}

// artifactAction looks at an integration flow, and deploys it before.
type artifactAction struct {
	id, version *expression.Template // version nil: any
	credential  *credential
	state       string
	deploy      bool
	// undeploy says that what the step deploys goes when the scenario ends;
	// keep is what --keep says about that.
	undeploy bool
	keep     string
	// parameters are set before the deployment.
	parameters []parameterValue
	// statePlace and versionPlace are where a failure stands.
	statePlace, versionPlace assertions.Place
}

func compileArtifact(c *stepCompiler, body *scenarios.Node) action {
	a := &artifactAction{
		id: c.template(body.Get("id"), c.scope), credential: c.api(body),
		state: cpi.Started, deploy: isTrue(body.Get("deploy")), statePlace: c.place(c.source.Pos),
		undeploy: isTrue(body.Get("undeploy")), keep: c.keepOf(body), parameters: c.artifactParameters(body),
	}
	if n := body.Key("undeploy"); a.undeploy && !a.deploy {
		c.diags = append(c.diags, diag.Errorf(n.Pos(), diag.InvalidValue, "undeploy takes back what the step deploys, and it deploys nothing").
			WithHint("add deploy: true; to undeploy what others deployed: call: {DELETE: \"/IntegrationRuntimeArtifacts('ID')\", base: api}"))
	}
	if n := body.Get("state"); n != nil {
		a.state, a.statePlace = n.Text, c.place(n.Pos())
	}
	if n := body.Get("version"); n != nil {
		a.version, a.versionPlace = c.template(n, c.scope), c.place(n.Pos())
	}
	if fixed, ok := a.id.Constant(); ok && textOf(fixed) == "" {
		c.diags = append(c.diags, diag.Errorf(body.Get("id").Pos(), diag.InvalidValue, "the ID of the artifact is empty"))
	}
	return a
}

// The waits between two looks at an artifact, and how long a runtime may still
// show the deployment before the one that was just built, or nothing.
const (
	artifactEvery = 250 * time.Millisecond
	artifactMax   = 10 * time.Second
	staleLimit    = 30 * time.Second
	appearLimit   = 5 * time.Second // after an undeployment during the build
)

// deployment is an artifact while a step waits for it.
type deployment struct {
	*artifactAction
	x           *execution
	api         *integration
	id, version string
	// before is what was deployed before the step deployed; zero: nothing.
	before cpi.RuntimeArtifact
	// began is when the step began, built when the build was done; zero: the
	// step does not deploy.
	began, built time.Time
	// made is what goes when the scenario ends; nil: nothing. former is what it
	// was before the step.
	made   *resource
	former entry
}

func (a *artifactAction) do(ctx context.Context, x *execution) (*result, *trouble) {
	started := time.Now()
	d := &deployment{artifactAction: a, x: x, began: started}
	var t *trouble
	if d.id, t = x.needed(a.id, "the ID of the artifact"); t != nil {
		return nil, t
	}
	if a.version != nil {
		if d.version, t = x.needed(a.version, "the version of the artifact"); t != nil {
			return nil, t
		}
	}
	if d.api, t = x.integration(a.credential); t != nil {
		return nil, t
	}
	if a.deploy {
		if r, t := d.build(ctx); r != nil || t != nil {
			return r, t
		}
	}
	found, r, t := d.await(ctx)
	if r != nil || t != nil {
		return r, t
	}
	return d.judge(ctx, found, started)
}

// await waits until the runtime has the artifact in a state that lasts. A
// result means that it has none.
func (d *deployment) await(ctx context.Context) (cpi.RuntimeArtifact, *result, *trouble) {
	for looks := 1; ; looks++ {
		found, err := patiently(ctx, d.api, func() (cpi.RuntimeArtifact, error) { return d.api.RuntimeArtifact(ctx, d.id) })
		missing := platform.Is(err, platform.KindNotFound)
		state := found.Status
		switch {
		case missing && d.built.IsZero():
			return found, d.missing(ctx), nil
		case missing && d.lost():
			return found, d.failed(wanted(d.statePlace, "state", d.state, "nothing",
				fmt.Sprintf("the artifact %q is not deployed any more%s", d.id, d.taken(d.began)), nil)), nil
		case missing:
			state = "not there yet"
		case err != nil:
			r, t := d.api.ended(ctx, fromIntegration(ctx, err), fmt.Sprintf("nothing is known of the artifact %q", d.id), "")
			return found, r, t
		case d.lasting(found):
			d.seen(found)
			return found, nil, nil
		}
		if err == nil {
			d.seen(found)
		}
		d.x.log().Info("waiting for the artifact", "artifact", d.id, "state", state)
		if httpx.Sleep(ctx, jittered(backoff(artifactEvery, artifactMax, 1.5, looks))) != nil {
			r, t := d.api.ended(ctx, ended(ctx), fmt.Sprintf("the artifact %q is still %s, and %s is wanted%s", d.id, state, d.state, d.taken(d.began)), "raise the timeout of the step, or look at the artifact in the tenant")
			return found, r, t
		}
	}
}

// lost reports whether another scenario has undeployed what the step deployed:
// since it was built, or while it was, when it does not appear soon.
func (d *deployment) lost() bool {
	since := d.built
	if time.Since(d.built) > appearLimit {
		since = d.began
	}
	return d.taken(since) != ""
}

// taken says which other scenario has undeployed the artifact since some time;
// empty: none has.
func (d *deployment) taken(since time.Time) string {
	t, ok := d.x.session.deployments.taken(d.api.root, d.id, since)
	if !ok {
		return ""
	}
	return fmt.Sprintf(": the scenario %s has undeployed it; scenarios that deploy the same artifact want the same lock", t.scenario)
}

// lasting reports whether there is nothing to wait for.
func (d *deployment) lasting(found cpi.RuntimeArtifact) bool {
	if d.stale(found) && time.Since(d.built) < staleLimit {
		return false
	}
	return found.Status == d.state || found.Status != cpi.Starting && found.Status != cpi.Stopping
}

// stale reports whether it is still what was deployed before the step.
func (d *deployment) stale(found cpi.RuntimeArtifact) bool {
	return !d.built.IsZero() && !d.before.DeployedOn.IsZero() && found.DeployedOn.Equal(d.before.DeployedOn)
}

// missing is the result where nothing is deployed under the ID.
func (d *deployment) missing(ctx context.Context) *result {
	message := fmt.Sprintf("the artifact %q is not deployed", d.id)
	if taken := d.taken(time.Time{}); taken != "" {
		return d.failed(wanted(d.statePlace, "state", d.state, "nothing", message+taken, nil))
	}
	last := d.api.last
	if hint := near(d.id, d.api.deployedNames(ctx)); hint != "" {
		message += "; " + hint
	}
	d.api.last = last
	return d.failed(wanted(d.statePlace, "state", d.state, "nothing", message, nil))
}

// failed is a result that has nothing to look at.
func (d *deployment) failed(f assertions.Failure) *result {
	return &result{exchange: d.api.last, failures: []assertions.Failure{f}}
}

// judge compares what is deployed with what is wanted.
func (d *deployment) judge(ctx context.Context, found cpi.RuntimeArtifact, started time.Time) (*result, *trouble) {
	var lines []string
	if found.Status == cpi.Failed {
		lines = d.information(ctx)
	}
	r := &result{exchange: d.api.last}
	r.checked = d.x.looked(found.JSON(joinLines(lines)), started)
	if found.Status != d.state {
		r.failures = append(r.failures, wanted(d.statePlace, "state", d.state, found.Status,
			fmt.Sprintf("state: want %s, got %s%s", d.state, found.Status, firstLine(lines)), lines))
	}
	if d.version != "" && found.Version != d.version {
		r.failures = append(r.failures, wanted(d.versionPlace, "version", d.version, found.Version,
			fmt.Sprintf("version: want %q, got %q", d.version, found.Version), nil))
	}
	return r, nil
}
