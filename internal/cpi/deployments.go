package cpi

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"iflowtest/internal/platform"
)

// Deploy deploys the active design-time version of an integration flow
// (wire/sap.md 6.4). The task is what [Client.BuildStatus] asks for; it is empty
// where the platform names none. A deployment whose answer was lost is not sent
// again; see [MaybeDeployed].
func (c *Client) Deploy(ctx context.Context, id string) (task string, err error) {
	doing := fmt.Sprintf("deploying the artifact %q", id)
	resource := query("DeployIntegrationDesigntimeArtifact", option{"Id", literal(id)}, option{"Version", literal("Active")})
	q := call{method: http.MethodPost, resource: resource, doing: doing}
	answer, err := c.send(ctx, q)
	if err != nil {
		return "", err
	}
	task = strings.Trim(strings.TrimSpace(answer.Body), `"`)
	if platform.IsHTML(answer.Body) || len(task) > 200 || strings.ContainsAny(task, "<>{} \r\n\t") {
		return "", answerError(q, answer, "no task ID came")
	}
	return task, nil
}

// MaybeDeployed reports whether something may be deployed although
// [Client.Deploy] gave the error: no answer came, or none that refuses.
func MaybeDeployed(err error) bool {
	return platform.Is(err, platform.KindNetwork, platform.KindTimeout, platform.KindInterrupted, platform.KindServer, platform.KindAnswer)
}

// The states of a build (wire/sap.md 6.4), in capitals.
const (
	BuildDeploying = "DEPLOYING"
	BuildSuccess   = "SUCCESS"
)

// BuildStatus gives the state of a build in capitals: DEPLOYING, SUCCESS, FAIL
// or FAIL_ON_LICENSE_ERROR (wire/sap.md 6.4).
func (c *Client) BuildStatus(ctx context.Context, task string) (string, error) {
	r, err := c.entity(ctx, "waiting for the deployment", "BuildAndDeployStatus(TaskId="+url.PathEscape(literal(task))+")")
	if err != nil {
		return "", err
	}
	return strings.ToUpper(r.text("Status")), nil
}

// Undeploy takes back what is deployed under an ID (wire/sap.md 6.3). The
// platform stops it some time after this returns: [Client.RuntimeArtifact]
// tells. The error is of [platform.KindNotFound] when nothing is deployed.
func (c *Client) Undeploy(ctx context.Context, id string) error {
	_, err := c.send(ctx, call{
		method: http.MethodDelete, resource: key("IntegrationRuntimeArtifacts", id), repeatable: true,
		doing: fmt.Sprintf("undeploying the artifact %q", id),
	})
	return err
}
