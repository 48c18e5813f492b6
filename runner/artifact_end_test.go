package runner

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestUndeployInterrupted: after a signal in the middle of a deployment, what
// is built is waited for as long as there is time, and undeployed.
func TestUndeployInterrupted(t *testing.T) {
	for name, c := range map[string]struct {
		build string
		want  []string
		left  []string
	}{
		"in time": {"4s", []string{"error artifact Draft: interrupted: interrupted", undeployDraft}, nil},
		"too slow": {"20s", []string{
			"error artifact Draft: interrupted: interrupted",
			`error undeploy artifact Draft: cleanup: the cleanup timeout after a signal of 8s is up: the deployment of the artifact "Draft" (task GUID) is still DEPLOYING`,
		}, []string{"artifact Draft (GUID)"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := configured(t, draftTenant+"deployment: {build: "+c.build+"}\n")
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(time.Second, func() { cancel(Interrupted()) })
				p := r.provision(ctx, deployDraft, Options{})
				r.want(p.ends, c.want)
				var left []string
				for _, what := range p.summary.LeftBehind {
					left = append(left, p.plain(what))
				}
				r.want(left, c.left)
				if p.summary.ExitStatus != ExitInterrupted {
					t.Errorf("exit status %d", p.summary.ExitStatus)
				}
				if left != nil {
					r.want(p.tidied(r, CleanupOptions{}), []string{"artifact Draft: removed"})
				}
				if got := r.deployed(); got != "" {
					t.Errorf("deployed: %s", got)
				}
				r.noJournal()
			})
		})
	}
}

// TestUndeployFails: what does not go is an error of its own, and told.
func TestUndeployFails(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		body   string
		want   string
	}{
		"stops for ever": {202, "", `error undeploy artifact Draft: cleanup: the deletion timeout of 5m is up: the artifact "Draft" is still STARTED`},
		"no role":        {403, "", "error undeploy artifact Draft: cleanup: undeploying the artifact \"Draft\": DELETE http://api.sandbox.localhost/api/v1/IntegrationRuntimeArtifacts(%27Draft%27) was answered 403 with no text"},
		"out of order":   {503, "", "error undeploy artifact Draft: cleanup: undeploying the artifact \"Draft\": DELETE http://api.sandbox.localhost/api/v1/IntegrationRuntimeArtifacts(%27Draft%27) was answered 503 with no text"},
		"gone meanwhile": {404, "{}", undeployDraft},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := configured(t, draftTenant)
				o := &overlay{RoundTripper: r.tenant.RoundTripper()}
				o.answer = func(method, _ string) (int, string) {
					if method == http.MethodDelete {
						return c.status, c.body
					}
					return 0, ""
				}
				r.transport = o
				p := r.provision(t.Context(), deployDraft, Options{})
				r.want(p.ends, []string{"pass artifact Draft", c.want})
				exit, left := ExitOK, 0
				if c.want != undeployDraft {
					exit, left = ExitCleanup, 1
				}
				if p.summary.ExitStatus != exit || len(p.summary.LeftBehind) != left {
					t.Errorf("exit status %d, left %q", p.summary.ExitStatus, p.summary.LeftBehind)
				}
			})
		})
	}
}

// TestUndeployForeign: what somebody else deployed since is left alone.
func TestUndeployForeign(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := configured(t, draftTenant)
		p := r.provision(t.Context(), deployDraft+`  - call: {POST: "/DeployIntegrationDesigntimeArtifact?Id='Draft'&Version='active'", base: api, credential: api}
  - wait: 10s
`, Options{})
		if last := p.ends[len(p.ends)-1]; !strings.HasPrefix(last, `error undeploy artifact Draft: cleanup: the artifact "Draft" was deployed again since, at `) || p.summary.ExitStatus != ExitCleanup {
			t.Errorf("exit status %d: %q", p.summary.ExitStatus, p.ends)
		}
		if r.deployed() == "" {
			t.Error("it was undeployed")
		}
	})
}

// TestUndeployStays: what was deployed before stays, whoever asks.
func TestUndeployStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		p := r.provision(t.Context(), "name: A\nsteps:\n  - artifact: {id: Echo, credential: api, deploy: true, undeploy: true}\n  - name: again\n    artifact: {id: Echo, credential: api, deploy: true, undeploy: true}\n", Options{Keep: keepAlways})
		r.want(p.ends, []string{"pass artifact Echo", "pass again", "skip undeploy artifact Echo: it was deployed before the step, which replaced it: what the step did not create it does not undeploy"})
		if p.summary.ExitStatus != ExitOK || p.summary.LeftBehind != nil {
			t.Errorf("%+v", p.summary)
		}
		r.noJournal()
	})
}

// TestUndeployShared: an artifact of a file that runs once goes when the run
// ends, also when a scenario deploys it anew.
func TestUndeployShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := configured(t, draftTenant)
		r.write("_deployed.yaml", "steps:\n  - artifact: {id: Draft, credential: api, deploy: true, undeploy: true}\n")
		p := r.provision(t.Context(), "name: A\nsteps:\n  - include: {file: _deployed.yaml, once: true}\n  - name: again\n    artifact: {id: Draft, credential: api, deploy: true}\n", Options{})
		r.want(p.ends, []string{"pass artifact Draft", "pass include _deployed.yaml", "pass again", undeployDraft})
		if got := r.deployed(); got != "" {
			t.Errorf("deployed: %s", got)
		}
		r.noJournal()
	})
}

// TestUndeployKept: --keep leaves it, and cleanup --run removes it.
func TestUndeployKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := configured(t, draftTenant)
		p := r.provision(t.Context(), deployDraft, Options{Keep: keepAlways})
		r.want(p.ends, []string{"pass artifact Draft", "skip undeploy artifact Draft: kept, as keep is always; remove it with: iflowtest cleanup --run RUN"})
		if got := fmt.Sprint(len(p.summary.LeftBehind)) + " " + r.deployed(); got != "1 pass artifact Draft" {
			t.Error(got)
		}
		r.want(p.tidied(r, CleanupOptions{}), []string{"artifact Draft: left: the run kept it; remove it with --run RUN"})
		r.want(p.tidied(r, CleanupOptions{Run: p.id}), []string{"artifact Draft: removed"})
		r.noJournal()
	})
}

// TestUndeployRetried: a step that is tried again, as the answer to its
// deployment was lost, deploys anew what it deployed itself, and it goes once.
func TestUndeployRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := configured(t, draftTenant, "connection-reset:part=api,path=/api/v1/Deploy*,lost=answer,count=1")
		p := r.provision(t.Context(), deployDraft+"    retry: {attempts: 2, every: 10s, max: 10s}\n", Options{})
		r.want(p.ends, []string{"pass artifact Draft", undeployDraft})
		if got := r.deployed(); got != "" || p.summary.ExitStatus != ExitOK {
			t.Errorf("exit status %d; deployed: %s", p.summary.ExitStatus, got)
		}
		r.noJournal()
	})
}

// TestUndeployNoJournal: without the note nothing is deployed, nor configured.
func TestUndeployNoJournal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := configured(t, draftTenant)
		r.write("journal", "no folder")
		for _, more := range []string{"undeploy: true", "configuration: {Sender_Role: Another}"} {
			_, summary := r.run(t.Context(), "name: A\nsteps:\n  - artifact: {id: Draft, credential: api, deploy: true, "+more+"}\n", Options{Journal: r.journal()})
			if got := r.deployed(); got != "" || summary.ExitStatus != ExitProvisioning {
				t.Errorf("%s: exit status %d; deployed: %s", more, summary.ExitStatus, got)
			}
		}
		if changes := r.changes(); len(changes) > 0 {
			t.Errorf("%v", changes)
		}
	})
}

// TestUndeployAtOnce: after a signal, what a scenario made of Cloud Integration
// and of Cloud Foundry goes at the same time.
func TestUndeployAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := configured(t, draftTenant)
		before := r.state()
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Minute, func() { cancel(Interrupted()) })
		p := r.provision(ctx, deployDraft+smokeSteps+"  - name: stays\n    wait: 1h\n    timeout: 2h\n", Options{})
		r.want(p.ends, []string{"pass artifact Draft", "pass service-instance smoke-${run.id}", "error stays: interrupted: interrupted", "pass delete service instance smoke-RUN", undeployDraft})
		if after := r.state(); after != before {
			t.Errorf("left: %s", after)
		}
		r.noJournal()
	})
}
