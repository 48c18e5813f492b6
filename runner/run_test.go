package runner

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"iflowtest/internal/diag"
	"iflowtest/internal/sandbox"
	"iflowtest/scenarios"
)

// rig is a sandbox tenant in memory and a way to run scenarios on it.
type rig struct {
	t      *testing.T
	tenant *sandbox.Tenant
	dir    string
	// transport stands in for the tenant when it is set.
	transport http.RoundTripper
}

// write puts a file into the project folder.
func (r *rig) write(name, text string) {
	r.t.Helper()
	file := filepath.Join(r.dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

func newRig(t *testing.T, faults ...string) *rig {
	t.Helper()
	o := sandbox.Options{}
	for _, text := range faults {
		f, err := sandbox.ParseFault(text)
		if err != nil {
			t.Fatal(err)
		}
		o.Faults = append(o.Faults, f)
	}
	tenant, err := sandbox.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tenant.Close(); err != nil {
			t.Error(err)
		}
	})
	return &rig{t: t, tenant: tenant, dir: t.TempDir()}
}

// compile compiles a scenario file.
func (r *rig) compile(text string, o Options) (*Plan, diag.List) {
	r.t.Helper()
	r.write("scenario.yaml", text)
	suite, _, diags, err := scenarios.Load([]string{filepath.Join(r.dir, "scenario.yaml")}, scenarios.LoadOptions{Root: r.dir, WorkingFolder: r.dir})
	if err != nil || diags.HasErrors() {
		r.t.Fatal(err, diags)
	}
	env, diags := scenarios.ReadEnvironment("sandbox", r.dir, r.tenant.EnvironmentYAML())
	if diags.HasErrors() {
		r.t.Fatal(diags)
	}
	o.Sandbox, o.Transport = env, cmp.Or[http.RoundTripper](r.transport, r.tenant.RoundTripper())
	plan, diags, err := Compile(suite, nil, o)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = plan.Close() })
	return plan, diags
}

// plan compiles a scenario file that has no mistake.
func (r *rig) plan(text string, o Options) *Plan {
	r.t.Helper()
	plan, diags := r.compile(text, o)
	if diags.HasErrors() {
		r.t.Fatal(diags)
	}
	return plan
}

// mistakes gives what is wrong with a scenario file, as "line:col: message".
func (r *rig) mistakes(text string, o Options) []string {
	r.t.Helper()
	_, diags := r.compile(text, o)
	var out []string
	for _, d := range diags.Sorted() {
		out = append(out, fmt.Sprintf("%s:%d:%d: %s", d.Pos.File, d.Pos.Line, d.Pos.Column, d.Message))
	}
	return out
}

// run gives the ends of steps as "outcome name: reason or error", and the
// summary.
func (r *rig) run(ctx context.Context, text string, o Options) ([]string, Summary) {
	r.t.Helper()
	var ends []string
	summary, err := r.plan(text, o).Run(ctx, func(batch []*Event) {
		for _, e := range batch {
			if e.Event != StepEnd {
				continue
			}
			line := fmt.Sprintf("%s %s", e.Outcome, e.Step)
			switch {
			case e.Err != nil:
				line += ": " + e.Err.Type + ": " + e.Err.Message
			case e.Reason != "":
				line += ": " + e.Reason
			case len(e.Failures) > 0:
				line += ": " + e.Failures[0].Message
			}
			ends = append(ends, line)
		}
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return ends, summary
}

func (r *rig) want(got, want []string) {
	r.t.Helper()
	if diff := gocmp.Diff(want, got); diff != "" {
		r.t.Errorf("(-want +got):\n%s", diff)
	}
}

const waitScenario = `name: Waits
steps:
  - name: first
    wait: 1s
  - name: second
    wait: 10m
    timeout: %s
  - name: third
    wait: 1s
cleanup:
  - name: tidy
    wait: 2s
`

func TestStepTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		started := time.Now()
		ends, summary := r.run(t.Context(), fmt.Sprintf(waitScenario, "30s"), Options{})
		r.want(ends, []string{
			"pass first",
			"error second: timeout: the step timeout of 30s is up",
			`skip third: the step "second" did not pass`,
			"pass tidy",
		})
		if d := time.Since(started).Round(time.Second); d != 33*time.Second || summary.ExitStatus != ExitUnknown {
			t.Errorf("%v, exit status %d", d, summary.ExitStatus)
		}
	})
}

func TestScenarioTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		ends, summary := r.run(t.Context(), "timeout: 5m\n"+fmt.Sprintf(waitScenario, "20m"), Options{})
		r.want(ends, []string{
			"pass first",
			"error second: timeout: the scenario timeout of 5m is up",
			`skip third: the step "second" did not pass`,
			"pass tidy",
		})
		if summary.ExitStatus != ExitUnknown {
			t.Errorf("exit status %d", summary.ExitStatus)
		}
	})
}

func TestRunTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		text := fmt.Sprintf(waitScenario, "20m") + "---\n" + strings.Replace(fmt.Sprintf(waitScenario, "20m"), "Waits", "Never begun", 1)
		ends, summary := r.run(t.Context(), text, Options{Timeout: time.Minute})
		r.want(ends, []string{
			"pass first",
			"error second: timeout: the run timeout of 1m is up",
			`skip third: the step "second" did not pass`,
			"pass tidy",
			"skip first: the run timeout of 1m is up",
			"skip second: the run timeout of 1m is up",
			"skip third: the run timeout of 1m is up",
			"skip tidy: the run timeout of 1m is up",
		})
		if summary.ExitStatus != ExitUnknown {
			t.Errorf("exit status %d", summary.ExitStatus)
		}
	})
}

func TestInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(3*time.Second, func() { cancel(Interrupted()) })
		text := strings.Replace(fmt.Sprintf(waitScenario, "20m"), "wait: 2s", "wait: 2m", 1) + "  - name: tidy more\n    wait: 1s\n"
		started := time.Now()
		ends, summary := r.run(ctx, text, Options{})
		r.want(ends, []string{
			"pass first",
			"error second: interrupted: interrupted",
			`skip third: the step "second" did not pass`,
			"error tidy: timeout: the cleanup timeout after a signal of 8s is up",
			"error tidy more: timeout: the cleanup timeout after a signal of 8s is up",
		})
		if d := time.Since(started).Round(time.Second); d != 11*time.Second || summary.ExitStatus != ExitInterrupted {
			t.Errorf("%v, exit status %d", d, summary.ExitStatus)
		}
	})
}

func TestBail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		ends, summary := r.run(t.Context(), `name: Fails
steps:
  - name: fails
    call: {GET: /http/echo, credential: sender}
    expect: {status: 404}
cleanup:
  - name: tidy
    wait: 1s
---
name: Not begun
steps:
  - name: never
    wait: 1s
`, Options{Bail: true})
		r.want(ends, []string{
			"fail fails: status: want 404, got 200",
			"pass tidy",
			"skip never: stopped by --bail",
		})
		if summary.ExitStatus != ExitAssertion {
			t.Errorf("exit status %d", summary.ExitStatus)
		}
	})
}

// TestCleanupFails: the tests passed, the cleanup did not.
func TestCleanupFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		ends, summary := r.run(t.Context(), `name: Cleanup
steps:
  - name: passes
    call: {GET: /http/echo, credential: sender}
cleanup:
  - name: fails
    call: {GET: /http/nowhere, credential: sender}
  - name: is tried all the same
    call: {GET: /http/echo, credential: sender}
`, Options{})
		r.want(ends, []string{
			"pass passes",
			"fail fails: status: want 2xx, got 404",
			"pass is tried all the same",
		})
		if summary.ExitStatus != ExitCleanup {
			t.Errorf("exit status %d", summary.ExitStatus)
		}
	})
}

// TestTokenLife: calls over an hour ask for a token once per life of it.
func TestTokenLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "token-short:seconds=600")
		text := "name: Hour\nsteps:\n" + strings.Repeat("  - call: {GET: /http/echo, credential: sender}\n  - wait: 2m\n", 30)
		_, summary := r.run(t.Context(), text, Options{})
		if summary.ExitStatus != ExitOK || summary.Steps.Passed != 60 {
			t.Errorf("%+v", summary)
		}
	})
}

// TestManyEvents: a report that is slow holds the run up and loses nothing.
func TestManyEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		text := "name: Many\nsteps:\n" + strings.Repeat("  - set: {a: 1}\n", 3000)
		events := 0
		summary, err := r.plan(text, Options{}).Run(t.Context(), func(batch []*Event) {
			<-time.After(time.Second)
			events += len(batch)
		})
		if err != nil || events != 6004 || summary.Steps.Passed != 3000 {
			t.Errorf("%v, %d events, %+v", err, events, summary)
		}
	})
}

// TestSignalInCleanup: a signal that arrives when only cleanup is left is an
// interruption all the same, and hurries it.
func TestSignalInCleanup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(3*time.Second, func() { cancel(Interrupted()) })
		started := time.Now()
		ends, summary := r.run(ctx, "name: A\nsteps:\n  - wait: 1s\ncleanup:\n  - wait: 1h\n    timeout: 2h\n", Options{Timeout: 2 * time.Second})
		r.want(ends, []string{
			"pass wait 1s",
			"error wait 1h: timeout: the cleanup timeout after a signal of 8s is up",
		})
		if d := time.Since(started).Round(time.Second); d != 11*time.Second || summary.ExitStatus != ExitInterrupted {
			t.Errorf("%v, exit status %d", d, summary.ExitStatus)
		}
	})
}

// TestHurriedTogether: the time that a signal leaves is one for all scenarios.
func TestHurriedTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(Interrupted()) })
		text := strings.Repeat("name: S%d\nsteps:\n  - wait: 1h\n    timeout: 2h\ncleanup:\n  - wait: 5s\n---\n", 4)
		text = strings.TrimSuffix(fmt.Sprintf(text, 1, 2, 3, 4), "---\n")
		started := time.Now()
		ends, _ := r.run(ctx, text, Options{Parallel: 2})
		slices.Sort(ends)
		r.want(ends, []string{
			"error wait 1h: interrupted: interrupted", "error wait 1h: interrupted: interrupted",
			"pass wait 5s", "pass wait 5s",
			"skip wait 1h: interrupted", "skip wait 1h: interrupted",
			"skip wait 5s: interrupted", "skip wait 5s: interrupted",
		})
		if d := time.Since(started).Round(time.Second); d != 6*time.Second {
			t.Errorf("took %v", d)
		}
	})
}

func TestVariables(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		ends, _ := r.run(t.Context(), `name: Vars ${sku}
vars: {sku: A, url: "/http/echo?x=${sku}"}
steps:
  - name: call ${sku}
    call: {GET: "${url}", credential: sender}
    expect: {json: {query.x: B}}
  - name: never ${sku}
    skip: because
    wait: 1s
`, Options{Vars: map[string]string{"sku": "B"}})
		r.want(ends, []string{"pass call B", "skip never B: because"})
	})
}

// TestEmptySkip: an empty reason skips nothing.
func TestEmptySkip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		ends, _ := r.run(t.Context(), "name: A\nskip: \"${env.WHY ?? ''}\"\nsteps:\n  - wait: 1s\ncleanup:\n  - wait: 2s\n", Options{})
		r.want(ends, []string{"pass wait 1s", "pass wait 2s"})
		ends, summary := r.run(t.Context(), "name: A\nskip: not today\nsteps:\n  - wait: 1s\ncleanup:\n  - wait: 2s\n", Options{})
		r.want(ends, []string{"skip wait 1s: not today", "skip wait 2s: not today"})
		if summary.Scenarios.Skipped != 1 || summary.ExitStatus != ExitOK {
			t.Errorf("%+v", summary)
		}
	})
}

// TestWrongVariable: no step runs when a variable cannot be evaluated.
func TestWrongVariable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		ends, summary := r.run(t.Context(), "name: A\nvars: {list: [1], x: \"${list[7].a}\"}\nsteps:\n  - name: one\n    wait: 1s\n    on-failure: continue\n  - name: two\n    wait: 1s\n", Options{})
		if len(ends) != 2 || !strings.HasPrefix(ends[0], `error one: expression: the variable "x"`) || ends[1] != `skip two: the step "one" did not pass` || summary.ExitStatus != 1 {
			t.Errorf("%q, %+v", ends, summary)
		}
	})
}

// TestUnselected: what cannot run yet stands in the way only where it is
// selected.
func TestUnselected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		ends, _ := r.run(t.Context(), "name: A\ntags: [x]\nsteps:\n  - wait: 1s\n---\nname: B\nlock: [l]\nsteps:\n  - wait: 2s\n", Options{Tags: "x"})
		r.want(ends, []string{"pass wait 1s"})
	})
}

// TestOrigins: a credential is shown nowhere but to its origins.
func TestOrigins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		for _, u := range []string{"http://:8080/", "http://localhost:8080/", "http://evil.localhost/", "HTTP://127.0.0.1:99/", "http://runtime.sandbox.localhost.:80/"} {
			ends, summary := r.run(t.Context(), fmt.Sprintf("name: A\nvars: {u: %q}\nsteps:\n  - name: s\n    call: {GET: \"${u}\", credential: sender}\n", u), Options{})
			if len(ends) != 1 || !strings.HasPrefix(ends[0], "error s: ") || summary.ExitStatus == 0 {
				t.Errorf("%s: %q", u, ends)
			}
		}
	})
}
