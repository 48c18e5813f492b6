package runner

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
)

// draftTenant is a tenant with flows that are not deployed.
const draftTenant = `
flows:
  - {id: Draft, endpoint: /http/draft, deployed: false, version: 1.0.4, respond: [{status: 200}]}
  - {id: Wrong, endpoint: /http/wrong, deployed: false, deployment-error: "Sender address /orders is taken.", respond: [{status: 200}]}
`

const (
	deployDraft   = "name: A\nsteps:\n  - artifact: {id: Draft, credential: api, version: 1.0.4, deploy: true, undeploy: true}\n"
	undeployDraft = "pass undeploy artifact Draft"
)

// deployed gives what is deployed of the flows of draftTenant.
func (r *rig) deployed() string {
	r.t.Helper()
	outer := r.transport
	r.transport = nil
	defer func() { r.transport = outer }()
	ends, _ := r.run(r.t.Context(), "name: Looks\nsteps:\n  - artifact: {id: Draft, credential: api}\n    on-failure: continue\n  - artifact: {id: Wrong, credential: api}\n", Options{})
	return strings.Join(slices.DeleteFunc(ends, func(end string) bool { return strings.Contains(end, "is not deployed") }), ", ")
}

// TestUndeploy: what a step deployed goes when the scenario ends, whatever
// happened.
func TestUndeploy(t *testing.T) {
	for name, c := range map[string]struct {
		steps, fault string
		want         []string
		exit         int
	}{
		"passes": {"  - call: {GET: /http/draft, credential: sender}\n", "",
			[]string{"pass artifact Draft", "pass GET /http/draft", undeployDraft}, ExitOK},
		"fails": {"  - call: {GET: /http/draft, credential: sender}\n    expect: {status: 418}\n", "",
			[]string{"pass artifact Draft", "fail GET /http/draft: status: want 418, got 200", undeployDraft}, ExitAssertion},
		"twice": {"  - name: again\n    artifact: {id: Draft, credential: api, deploy: true}\n", "",
			[]string{"pass artifact Draft", "pass again", undeployDraft}, ExitOK},
		"does not build": {"", "deploy-fails",
			[]string{"fail artifact Draft: deploy: want SUCCESS, got FAIL: The generation and build of the artifact were unsuccessful. Check the artifact in the design workspace, correct it, and deploy it again.", undeployDraft}, ExitAssertion},
		"answer is lost": {"", "connection-reset:part=api,path=/api/v1/Deploy*,lost=answer,count=1",
			[]string{"error artifact Draft: network: deploying the artifact \"Draft\": POST http://api.sandbox.localhost/api/v1/DeployIntegrationDesigntimeArtifact: connection reset by the other side", undeployDraft}, ExitUnknown},
		"never sent": {"", "connection-reset:part=api,path=/api/v1/Deploy*,count=1",
			[]string{"error artifact Draft: network: deploying the artifact \"Draft\": POST http://api.sandbox.localhost/api/v1/DeployIntegrationDesigntimeArtifact: connection reset by the other side", "skip undeploy artifact Draft: deploying it got no answer, and it did not appear within 1m"}, ExitUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var faults []string
				if c.fault != "" {
					faults = []string{c.fault}
				}
				r := configured(t, draftTenant, faults...)
				p := r.provision(t.Context(), deployDraft+c.steps, Options{})
				r.want(p.ends, c.want)
				if got := r.deployed(); got != "" || p.summary.ExitStatus != c.exit {
					t.Errorf("exit status %d, want %d; deployed: %s", p.summary.ExitStatus, c.exit, got)
				}
				if len(p.summary.LeftBehind) > 0 {
					t.Errorf("%q", p.summary.LeftBehind)
				}
			})
		})
	}
}
