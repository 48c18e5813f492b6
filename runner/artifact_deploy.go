package runner

import (
	"context"
	"fmt"
	"slices"
	"time"

	"iflowtest/internal/cpi"
	"iflowtest/internal/httpx"
	"iflowtest/internal/platform"
)

// build deploys the artifact and waits until it is built. A result means that
// the build failed.
func (d *deployment) build(ctx context.Context) (*result, *trouble) {
	before, err := patiently(ctx, d.api, func() (cpi.RuntimeArtifact, error) { return d.api.RuntimeArtifact(ctx, d.id) })
	if err != nil && !platform.Is(err, platform.KindNotFound) {
		return &result{exchange: d.api.last}, fromIntegration(ctx, err)
	}
	d.before = before
	d.tellFormer()
	if r, t := d.configure(ctx); r != nil || t != nil {
		return r, t
	}
	if t := d.intend(ctx, err == nil); t != nil {
		return &result{exchange: d.api.last}, t
	}
	d.x.logs.sent = true // a flow may begin by itself as soon as it is deployed
	task, err := d.api.Deploy(ctx, d.id)
	if err != nil {
		if !cpi.MaybeDeployed(err) {
			d.withdraw()
		}
		return d.refused(ctx, err)
	}
	d.begun(task)
	status := cpi.BuildSuccess
	for looks := 1; task != ""; looks++ {
		status, err = patiently(ctx, d.api, func() (string, error) { return d.api.BuildStatus(ctx, task) })
		// The task may appear some time after its number.
		if platform.Is(err, platform.KindNotFound) {
			status, err = cpi.BuildDeploying, nil
		}
		if err != nil {
			return d.api.ended(ctx, fromIntegration(ctx, err), d.building(task), "")
		}
		if status != cpi.BuildDeploying {
			break
		}
		d.x.log().Info("waiting for the deployment", "artifact", d.id, "task", task, "state", status)
		if httpx.Sleep(ctx, jittered(backoff(artifactEvery, artifactMax, 1.5, looks))) != nil {
			return d.api.ended(ctx, ended(ctx), d.building(task), "raise the timeout of the step, or look at the deployment in the tenant")
		}
	}
	if status == cpi.BuildSuccess {
		d.built = time.Now()
		return nil, nil
	}
	lines := d.information(ctx)
	return d.failed(wanted(d.statePlace, "deploy", cpi.BuildSuccess, status,
		fmt.Sprintf("deploy: want %s, got %s%s", cpi.BuildSuccess, status, firstLine(lines)), lines)), nil
}

func (d *deployment) building(task string) string {
	return fmt.Sprintf("the deployment of the artifact %q (task %s) is still %s", d.id, task, cpi.BuildDeploying)
}

// refused is a deployment that the platform does not begin. An artifact that
// the design time does not have is a failure, as one that is not deployed is.
func (d *deployment) refused(ctx context.Context, err error) (*result, *trouble) {
	r, t := &result{exchange: d.api.last}, fromIntegration(ctx, err)
	if !platform.Is(err, platform.KindNotFound, platform.KindRefused) {
		return r, t
	}
	names, _ := d.api.DesigntimeIDs(ctx) // those of the first packages, at least for a hint
	if slices.Contains(names, d.id) {
		return r, t // it exists: the reason is another
	}
	if platform.Is(err, platform.KindRefused) {
		if _, err := d.api.Parameters(ctx, d.id); !platform.Is(err, platform.KindNotFound) {
			return r, t
		}
	}
	d.api.last = r.exchange
	message := fmt.Sprintf("the design time has no artifact %q", d.id)
	if hint := near(d.id, names); hint != "" {
		message += "; " + hint
	}
	return d.failed(wanted(d.statePlace, "deploy", d.id, "nothing", message, []string{t.problem.Message})), nil
}

// The looks at an error information that may come late (wire/sap.md 6.3).
const (
	informationLooks = 5
	informationEvery = time.Second
)

// information gives the error information of the artifact, line by line.
func (d *deployment) information(ctx context.Context) []string {
	last := d.api.last
	defer func() { d.api.last = last }()
	for looks := 1; ; looks++ {
		text, err := d.api.RuntimeError(ctx, d.id)
		switch {
		case err == nil && text != "":
			return d.x.errorLines(text)
		case looks == informationLooks && err != nil:
			return []string{d.x.session.redactor.String("the error information could not be read: " + err.Error())}
		case looks == informationLooks || httpx.Sleep(ctx, informationEvery) != nil:
			return nil
		}
	}
}
