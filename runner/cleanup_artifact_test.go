package runner

import (
	"cmp"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"iflowtest/scenarios"
)

// tidied cleans up with an environment that edit makes of that of the tenant.
func (r *rig) tidied(o CleanupOptions, edit func(string) string) (CleanupReport, error) {
	r.t.Helper()
	suite, _, diags, err := scenarios.Load(nil, scenarios.LoadOptions{Root: r.dir, WorkingFolder: r.dir})
	if err != nil || diags.HasErrors() {
		r.t.Fatal(err, diags)
	}
	env, diags := scenarios.ReadEnvironment("sandbox", r.dir, []byte(edit(string(r.tenant.EnvironmentYAML()))))
	if diags.HasErrors() {
		r.t.Fatal(diags)
	}
	p, diags, err := OpenCleanup(suite, nil, Options{Sandbox: env, Transport: cmp.Or[http.RoundTripper](r.transport, r.tenant.RoundTripper())})
	if err != nil || diags.HasErrors() {
		r.t.Fatal(err, diags)
	}
	r.t.Cleanup(p.Close)
	o.Journal = r.journal()
	return p.Cleanup(r.t.Context(), o)
}

// withoutFoundry takes Cloud Foundry out of an environment.
func withoutFoundry(env string) string {
	before, rest, _ := strings.Cut(env, "  cloud-foundry:\n")
	_, after, _ := strings.Cut(rest, "  entitlements:\n")
	return before + "  entitlements:\n" + after
}

// tidied gives what a cleanup does with an environment without Cloud Foundry.
func (p *provisioned) tidied(r *rig, o CleanupOptions) []string {
	r.t.Helper()
	report, err := r.tidied(o, withoutFoundry)
	if err != nil {
		r.t.Fatal(err)
	}
	return p.did(report)
}

// TestCleanupArtifact: what a killed run deployed is undeployed from the
// journal, wherever the run was killed.
func TestCleanupArtifact(t *testing.T) {
	for name, after := range map[string]time.Duration{
		"before the answer":   12 * time.Millisecond,
		"while it is built":   150 * time.Millisecond,
		"while it starts":     1100 * time.Millisecond,
		"when it is deployed": time.Minute,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := configured(t, draftTenant+"latency: 5ms\n")
				p := r.killed(deployDraft+stays, after)
				journal := r.journals()[p.id+journalSuffix]
				r.want(p.tidied(r, CleanupOptions{DryRun: true}), []string{"artifact Draft: would remove"})
				r.want(p.tidied(r, CleanupOptions{}), []string{"artifact Draft: removed"})
				if got := r.deployed(); got != "" {
					t.Errorf("deployed: %s", got)
				}
				r.noJournal()
				r.write(filepath.Join("journal", p.id+journalSuffix), journal)
				r.want(p.tidied(r, CleanupOptions{}), []string{"artifact Draft: was gone"})
				r.noJournal()
			})
		})
	}
}

// TestCleanupArtifactLeft: what cannot be undeployed, or is somebody else's, is
// told and left.
func TestCleanupArtifactLeft(t *testing.T) {
	for want, edit := range map[string]func(string) string{
		`owed: artifact Draft: left: it is at http://api.sandbox.localhost/api/v1, and the environment declares no credential "api", which the run deployed it with; declare it, or undeploy the artifact under Monitor > Manage Integration Content`: func(env string) string {
			return strings.Replace(env, "\n  api:\n", "\n  other:\n", 1)
		},
		`artifact Draft: left: it is at http://api.sandbox.localhost/api/v1; choose the environment of that tenant with -e`: func(env string) string {
			return strings.Replace(env, "api: http://api.sandbox.localhost/api/v1", "api: http://api2.sandbox.localhost/api/v1", 1)
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := configured(t, draftTenant)
			p := r.killed(deployDraft+stays, time.Minute)
			report, err := r.tidied(CleanupOptions{}, func(env string) string { return edit(withoutFoundry(env)) })
			if err != nil {
				t.Fatal(err)
			}
			want, owed := strings.CutPrefix(want, "owed: ")
			r.want(p.did(report), []string{want})
			if report.Failed() != owed {
				t.Errorf("failed: %v, want %v", report.Failed(), owed)
			}
			if got := r.deployed(); got == "" {
				t.Error("it was undeployed")
			}
			r.want(p.tidied(r, CleanupOptions{}), []string{"artifact Draft: removed"})
			r.noJournal()
		})
	}
}

// TestCleanupArtifactAgain: somebody deployed it again since the run was
// killed.
func TestCleanupArtifactAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := configured(t, draftTenant)
		p := r.killed(deployDraft+stays, time.Minute)
		kept := r.journals()
		r.run(t.Context(), "name: B\nsteps:\n  - artifact: {id: Draft, credential: api, deploy: true}\n", Options{})
		report, err := r.tidied(CleanupOptions{}, withoutFoundry)
		did := p.did(report)
		if err != nil || report.Failed() || len(did) != 1 || !strings.HasPrefix(did[0], `artifact Draft: left: the artifact "Draft" was deployed again since, at `) || r.deployed() == "" {
			t.Errorf("%v %q; deployed: %s", err, did, r.deployed())
		}
		// A run that was killed before it saw what it deployed does not take what
		// came long after for its own.
		for name, data := range kept {
			lines := strings.SplitAfter(data, "\n")
			if err := os.WriteFile(filepath.Join(r.journal(), name), []byte(lines[0]), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		did = p.tidied(r, CleanupOptions{})
		if len(did) != 1 || !strings.Contains(did[0], "long after the run was about to; it is left alone") || r.deployed() == "" {
			t.Errorf("%q; deployed: %s", did, r.deployed())
		}
	})
}

// TestCleanupConfigurationOwed: what nobody can put back stays a failure until
// somebody says that it was set by hand.
func TestCleanupConfigurationOwed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := configured(t, draftTenant)
		p := r.killed(strings.Replace(deployDraft, "undeploy: true", "configuration: {Sender_Role: Another}", 1)+stays, time.Minute)
		other := func(env string) string {
			return strings.Replace(withoutFoundry(env), "api: http://api.sandbox.localhost/api/v1", "api: http://api2.sandbox.localhost/api/v1", 1)
		}
		for _, c := range []struct {
			o    CleanupOptions
			edit func(string) string
			owed bool
		}{{CleanupOptions{}, withoutFoundry, true}, {CleanupOptions{DryRun: true}, withoutFoundry, true}, {CleanupOptions{}, other, false}, {CleanupOptions{Run: p.id}, withoutFoundry, false}} {
			report, err := r.tidied(c.o, c.edit)
			if err != nil || len(report.Leftovers) != 1 || report.Failed() != c.owed {
				t.Errorf("%+v: %v %+v", c.o, err, report)
			}
		}
		r.noJournal()
	})
}

// TestUndeployAfterKill: what a killed run deployed is undeployed by the next
// run of the same suite, and told where it cannot be put back.
func TestUndeployAfterKill(t *testing.T) {
	const text = "name: A\nsteps:\n  - artifact: {id: Draft, credential: api, deploy: true, undeploy: true, configuration: {Sender_Role: Another}}\n"
	for name, after := range map[string]time.Duration{"while it is built": 150 * time.Millisecond, "when it is deployed": time.Minute} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := configured(t, draftTenant+"latency: 5ms\n")
				dead := r.killed(text+stays, after)
				<-time.After(10 * time.Second)
				second := r.provision(t.Context(), text+"---\n"+strings.Replace(text, "A", "B", 1), Options{})
				role := strings.ReplaceAll("skip restore the configuration of artifact Draft from before the run DEAD: the run DEAD, which was killed, changed Sender_Role, and no journal holds the former values: set them again with Configure in the design workspace, then forget this with iflowtest cleanup --run DEAD", "DEAD", dead.id)
				r.want(second.ends, []string{"pass artifact Draft", undeployDraft, role, "pass artifact Draft", undeployDraft})
				r.want(second.summary.LeftBehind, []string{"configuration of artifact Draft (Sender_Role), as the run " + dead.id + ", which was killed, changed it"})
				if second.summary.CleanupCommand != "iflowtest cleanup --run "+dead.id {
					t.Error(second.summary.CleanupCommand)
				}
				if got := r.deployed(); got != "" || second.summary.ExitStatus != ExitOK {
					t.Errorf("exit status %d; deployed: %s", second.summary.ExitStatus, got)
				}
				r.want(dead.tidied(r, CleanupOptions{Run: dead.id}), []string{"artifact Draft: was gone", "artifact-configuration Draft: left: the run changed Sender_Role, and no journal holds the former values: set them again with Configure in the design workspace of http://api.sandbox.localhost/api/v1"})
				r.noJournal()
			})
		})
	}
}

// TestUndeployAfterKillForeign: what somebody else deployed since a run was
// killed, and what a run kept, is not the next run's.
func TestUndeployAfterKillForeign(t *testing.T) {
	const left = "skip undeploy artifact Draft: it was deployed before the step, which replaced it: what the step did not create it does not undeploy"
	synctest.Test(t, func(t *testing.T) {
		r := configured(t, draftTenant)
		r.killed(deployDraft+stays, time.Minute)
		r.run(t.Context(), "name: B\nsteps:\n  - artifact: {id: Draft, credential: api, deploy: true}\n", Options{})
		r.want(r.provision(t.Context(), deployDraft, Options{}).ends, []string{"pass artifact Draft", left})
	})
	synctest.Test(t, func(t *testing.T) {
		r := configured(t, draftTenant)
		r.provision(t.Context(), deployDraft, Options{Keep: keepAlways})
		r.want(r.provision(t.Context(), deployDraft, Options{}).ends, []string{"pass artifact Draft", left})
	})
}

// TestCleanupNeedsFoundry: without Cloud Foundry nobody can tell whether
// anything else was left behind.
func TestCleanupNeedsFoundry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := configured(t, draftTenant)
		_, err := r.tidied(CleanupOptions{}, withoutFoundry)
		if e, ok := err.(*PlatformError); !ok || e.Status != ExitInvalid || !strings.Contains(e.Message, "no target.cloud-foundry") {
			t.Error(err)
		}
		p := r.killed(deployDraft+smokeSteps+stays, time.Minute)
		report, err := r.tidied(CleanupOptions{}, withoutFoundry)
		r.want(p.did(report), []string{"artifact Draft: removed"})
		if e, ok := err.(*PlatformError); !ok || e.Status != ExitInvalid {
			t.Error(err)
		}
		r.want(p.did(r.cleanup(CleanupOptions{})), []string{"service-instance smoke-RUN: removed"})
		r.noJournal()
	})
}

const smokeSteps = "  - service-instance: {name: \"smoke-${run.id}\", plan: api}\n"
