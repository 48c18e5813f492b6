package runner

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// twoInstances creates an instance with a key and another instance.
const twoInstances = "name: Two\nsteps:\n" + instanceStep + keyStep + `  - name: second
    service-instance: {name: "other-${run.id}", plan: api}
`

const deletedOther = "pass delete service instance other-RUN"

// TestDeletedWhateverHappens: what was created goes after a failure, an error,
// a panic, a time limit of step, scenario and run, and a stop by --bail.
func TestDeletedWhateverHappens(t *testing.T) {
	created := []string{"pass instance", "pass key", "pass second"}
	deletions := []string{deletedOther, deletedKey, deletedInstance}
	for _, test := range []struct {
		name, before, steps string
		o                   Options
		status              int
		want                []string
	}{
		{"failure", "", "  - name: fails\n    call: {GET: /http/echo, credential: sender}\n    expect: {status: 404}\n", Options{}, ExitAssertion,
			[]string{"fail fails: status: want 404, got 200"}},
		{"step timeout", "", "  - name: waits\n    wait: 1h\n    timeout: 5s\n", Options{}, ExitUnknown,
			[]string{"error waits: timeout: the step timeout of 5s is up"}},
		{"scenario timeout", "timeout: 2m\n", "  - name: waits\n    wait: 1h\n    timeout: 2h\n", Options{}, ExitUnknown,
			[]string{"error waits: timeout: the scenario timeout of 2m is up"}},
		{"run timeout", "", "  - name: waits\n    wait: 1h\n    timeout: 2h\n", Options{Timeout: time.Minute}, ExitUnknown,
			[]string{"error waits: timeout: the run timeout of 1m is up"}},
		{"cleanup steps go before", "", "cleanup:\n  - name: tidy\n    call: {POST: /http/orders, credential: made, json: {sku: A-100, qty: 1}}\n", Options{}, ExitOK,
			[]string{"pass tidy"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				newRig(t).provisions(test.before+twoInstances+test.steps, test.o, test.status, slices.Concat(created, test.want, deletions)...)
			})
		})
	}
}

// panics is an action that makes a mistake.
type panics struct{}

func (panics) do(context.Context, *execution) (*result, *trouble) { panic("a mistake") }

// TestDeletedAfterPanic: a panic in a step, and one outside of it, leave
// nothing behind.
func TestDeletedAfterPanic(t *testing.T) {
	for _, outside := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			before := r.state()
			const last = "  - name: last\n    call: {GET: /http/echo, credential: sender}\n    expect: {json: {method: \"${run.id}\"}}\n"
			plan := r.plan(twoInstances+last, Options{Journal: r.journal()})
			if st := plan.scenarios[0].steps[3]; outside {
				st.computed = nil // what looks at the answer makes the mistake
			} else {
				st.action = panics{}
			}
			var ends []string
			summary, err := plan.Run(t.Context(), func(batch []*Event) {
				for _, e := range batch {
					if e.Event == StepEnd || e.Event == ScenarioEnd {
						ends = append(ends, fmt.Sprintf("%s %s %s", e.Outcome, e.Event, strings.ReplaceAll(e.Step, plan.id, "RUN")))
					}
				}
			})
			if err != nil || summary.ExitStatus != ExitUnknown {
				t.Errorf("%v %+v", err, summary)
			}
			if !slices.Contains(ends, "error scenario-end ") || r.state() != before || summary.LeftBehind != nil {
				t.Errorf("%q %s", ends, r.state())
			}
			for _, want := range []string{"other-RUN", "key smoke-key of smoke-RUN", "instance smoke-RUN"} {
				if !slices.ContainsFunc(ends, func(s string) bool {
					return strings.HasPrefix(s, "pass step-end delete service ") && strings.HasSuffix(s, want)
				}) {
					t.Errorf("no deletion of %s: %q", want, ends)
				}
			}
			r.noJournal()
		})
	}
}

// TestDeletedAfterBail: a scenario that runs beside the one that fails ends
// with its deletions, one that has not begun creates nothing.
func TestDeletedAfterBail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		text := "name: Fails\nsteps:\n  - name: fails\n    wait: 1m\n    timeout: 30s\n---\n" + strings.Replace(twoInstances, "- name: key", "- wait: 1m\n  - name: key", 1) +
			"---\n" + strings.NewReplacer("Two", "Never", "smoke-", "never-").Replace(twoInstances)
		before := r.state()
		p := r.provision(t.Context(), text, Options{Bail: true, Parallel: 2})
		slices.Sort(p.ends)
		r.want(p.ends, []string{
			"error fails: timeout: the step timeout of 30s is up", deletedInstance, "pass instance", "pass wait 1m",
			"skip instance: stopped by --bail", "skip key: stopped by --bail", "skip key: stopped by --bail", "skip second: stopped by --bail", "skip second: stopped by --bail",
		})
		if r.state() != before {
			t.Errorf("left behind: %s", r.state())
		}
		r.noJournal()
	})
}

// TestInterruptedCreation: a signal while a job is in progress removes the
// instance that appears later too; every case is reported.
func TestInterruptedCreation(t *testing.T) {
	for name, prepare := range map[string]func(r *rig){
		"job in progress": func(r *rig) { r.fault("provision-slow:seconds=30,name=smoke-*") },
		"job stuck":       func(r *rig) { r.fault("provision-stuck:name=smoke-*") },
		"request on its way": func(r *rig) {
			r.transport = &late{next: r.tenant.RoundTripper(), after: 6 * time.Second}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				prepare(r)
				before := r.state()
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(5*time.Second, func() { cancel(Interrupted()) })
				started := time.Now()
				p := r.provision(ctx, smoke, Options{})
				r.want(p.ends, []string{
					"error instance: interrupted: interrupted",
					`skip key: the step "instance" did not pass`,
					`skip call: the step "instance" did not pass`,
					deletedInstance,
				})
				if p.summary.ExitStatus != ExitInterrupted || p.summary.LeftBehind != nil {
					t.Errorf("%+v", p.summary)
				}
				if d := time.Since(started); d > 15*time.Second {
					t.Errorf("took %v", d)
				}
				<-time.After(time.Minute)
				if r.state() != before {
					t.Errorf("left behind: %s", r.state())
				}
				r.noJournal()
			})
		})
	}
}

// TestInterruptedDeletions: after a signal all deletions are sent at once; keys
// go with their instance.
func TestInterruptedDeletions(t *testing.T) {
	for _, at := range []time.Duration{10 * time.Second, time.Minute + time.Second} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			before := r.state()
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(at, func() { cancel(Interrupted()) })
			time.AfterFunc(9*time.Second, func() { r.fault("cf-429:method=DELETE,retry-after=2,count=1") })
			p := r.provision(ctx, twoInstances+"  - name: waits\n    wait: 1m\n    timeout: 1h\n", Options{})
			last := "error waits: interrupted: interrupted"
			if at > time.Minute {
				last = "pass waits"
			}
			r.want(p.ends, []string{"pass instance", "pass key", "pass second", last, deletedOther, deletedKey, deletedInstance})
			if p.summary.ExitStatus != ExitInterrupted || r.state() != before {
				t.Errorf("%+v %s", p.summary, r.state())
			}
			r.noJournal()
			if keys := r.sentBelow("DELETE", "/v3/service_credential_bindings"); keys != 0 {
				t.Errorf("%d keys deleted apart from their instance", keys)
			}
		})
	}
}

// TestInterruptedShared: what belongs to the run goes after a signal too, even
// when the scenarios have used the time up.
func TestInterruptedShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.write("_platform.yaml", "steps:\n"+instanceStep+keyStep)
		before := r.state()
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(10*time.Second, func() { cancel(Interrupted()) })
		p := r.provision(ctx, "name: A\nsteps:\n  - include: {file: _platform.yaml, once: true}\n  - name: waits\n    wait: 1h\n    timeout: 2h\ncleanup:\n  - name: slow\n    wait: 1h\n    timeout: 2h\n", Options{})
		r.want(p.ends, []string{
			"pass instance", "pass key", "pass include _platform.yaml", "error waits: interrupted: interrupted",
			"error slow: timeout: the cleanup timeout after a signal of 8s is up", deletedKey, deletedInstance,
		})
		if p.summary.ExitStatus != ExitInterrupted || r.state() != before {
			t.Errorf("%+v %s", p.summary, r.state())
		}
		r.noJournal()
	})
}

// TestDeleteFails: the others are removed, the one that is left is named with
// the command for it, the journal still has it, and a later cleanup removes it.
func TestDeleteFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "delete-fails:name=smoke-*")
		before := r.state()
		p := r.provision(t.Context(), twoInstances, Options{Environment: "dev"})
		want := []string{"pass instance", "pass key", "pass second", deletedOther, "error delete service key smoke-key of smoke-RUN: cleanup: ", "error delete service instance smoke-RUN: cleanup: "}
		if len(p.ends) != len(want) {
			t.Fatalf("%q", p.ends)
		}
		for i := range want {
			if !strings.HasPrefix(p.ends[i], want[i]) {
				t.Errorf("got %q, want %q", p.ends[i], want[i])
			}
		}
		if p.summary.ExitStatus != ExitCleanup || p.summary.CleanupCommand != "iflowtest cleanup --run "+p.id+" -e dev" || len(p.summary.LeftBehind) != 2 {
			t.Errorf("%+v", p.summary)
		}
		for i, want := range []string{"service instance smoke-RUN (GUID)", "service key smoke-key of smoke-RUN (GUID)"} {
			if got := p.plain(p.summary.LeftBehind[i]); got != want {
				t.Errorf("left behind is %q, not %q", got, want)
			}
		}
		if all := r.journals(); !strings.Contains(all[p.id+".journal"], "smoke-"+p.id) {
			t.Errorf("%q", all)
		}
		report := r.cleanup(CleanupOptions{})
		if !report.Failed() || len(report.Leftovers) != 2 {
			t.Errorf("%+v", report)
		}
		r.fault("")
		if report = r.cleanup(CleanupOptions{}); report.Failed() || len(report.Leftovers) != 2 || r.state() != before {
			t.Errorf("%+v", report)
		}
		r.noJournal()
	})
}

// TestDeleteKeyFails: a key that could not be deleted by itself goes with its
// instance, and is not left behind.
func TestDeleteKeyFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "delete-fails:name=smoke-key,count=1")
		before := r.state()
		p := r.provision(t.Context(), twoInstances, Options{})
		if p.summary.ExitStatus != ExitCleanup || p.summary.LeftBehind != nil || r.state() != before || p.ends[5] != deletedInstance {
			t.Errorf("%+v %q", p.summary, p.ends)
		}
		r.noJournal()
	})
}

// TestKeep: never, on-failure and always, in the step and with --keep.
func TestKeep(t *testing.T) {
	const fails = "  - name: fails\n    wait: 1h\n    timeout: 1s\n"
	for _, test := range []struct {
		keep, option string
		fails, kept  bool
	}{
		{"", "", true, false},
		{"never", "", true, false},
		{"on-failure", "", false, false},
		{"on-failure", "", true, true},
		{"always", "", false, true},
		{"always", "never", true, false},
		{"", "always", false, true},
		{"never", "on-failure", true, true},
		{"never", "on-failure", false, false},
	} {
		t.Run(fmt.Sprint(test), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				text := twoInstances
				if test.keep != "" {
					text = strings.Replace(text, "plan: api}", "plan: api, keep: "+test.keep+"}", 1)
				}
				if test.fails {
					text += fails
				}
				before := r.state()
				p := r.provision(t.Context(), text, Options{Keep: test.option})
				kept := strings.Contains(r.state(), "other-"+p.id)
				if kept != test.kept {
					t.Fatalf("kept: %t\n%q", kept, p.ends)
				}
				// Of the others only those that --keep speaks of are kept.
				if all := strings.Contains(r.state(), "smoke-"+p.id); all != (test.kept && test.option != "") {
					t.Errorf("%s", r.state())
				}
				if !test.kept {
					if r.state() != before {
						t.Errorf("left behind: %s", r.state())
					}
					r.noJournal()
					return
				}
				reason := "skip delete service instance other-RUN: kept, as keep is "
				if !slices.ContainsFunc(p.ends, func(s string) bool {
					return strings.HasPrefix(s, reason) && strings.HasSuffix(s, "; remove it with: iflowtest cleanup --run RUN")
				}) {
					t.Errorf("%q", p.ends)
				}
				if len(p.summary.LeftBehind) == 0 || !strings.HasPrefix(p.plain(p.summary.LeftBehind[0]), "kept: service ") || p.summary.CleanupCommand == "" || p.summary.ExitStatus == ExitCleanup {
					t.Errorf("%+v", p.summary)
				}
				if report := r.cleanup(CleanupOptions{}); report.Leftovers[0].Action != Left || r.state() == before {
					t.Errorf("%+v", report)
				}
				if report := r.cleanup(CleanupOptions{Run: p.id}); report.Failed() || r.state() != before {
					t.Errorf("%+v", report)
				}
				r.noJournal()
			})
		})
	}
}

// TestKeepIsAboutTheScenario: neither a signal nor a deletion that fails is a
// failure that keeps something; a key that is kept keeps its instance; what
// belongs to the run is kept when a scenario failed.
func TestKeepIsAboutTheScenario(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		before := r.state()
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(10*time.Second, func() { cancel(Interrupted()) })
		p := r.provision(ctx, twoInstances+"  - wait: 1h\n    timeout: 2h\n", Options{Keep: "on-failure"})
		if p.summary.ExitStatus != ExitInterrupted || r.state() != before {
			t.Errorf("%q", p.ends)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "delete-fails:name=other-*,count=1")
		p := r.provision(t.Context(), twoInstances, Options{Keep: "on-failure"})
		if p.summary.ExitStatus != ExitCleanup || strings.Contains(r.state(), "smoke-"+p.id) {
			t.Errorf("%q", p.ends)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		p := r.provision(t.Context(), strings.Replace(smoke, "credential: made}", "credential: made, keep: always}", 1), Options{})
		want := "skip delete service instance smoke-RUN: kept, as service key smoke-key of smoke-RUN is kept; remove it with: iflowtest cleanup --run RUN"
		if p.ends[4] != want || p.summary.ExitStatus != ExitOK {
			t.Errorf("%q", p.ends)
		}
		if report := r.cleanup(CleanupOptions{Run: p.id}); report.Failed() || len(report.Leftovers) != 2 {
			t.Errorf("%+v", report)
		}
		r.noJournal()
	})
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.write("_platform.yaml", "steps:\n"+strings.Replace(instanceStep, "parameters:", "keep: on-failure, parameters:", 1))
		p := r.provision(t.Context(), "name: A\nsteps:\n  - include: {file: _platform.yaml, once: true}\n  - name: fails\n    wait: 1h\n    timeout: 1s\n", Options{})
		if last := p.ends[len(p.ends)-1]; !strings.HasPrefix(last, "skip delete service instance smoke-RUN: kept, as keep is on-failure") {
			t.Errorf("%q", p.ends)
		}
	})
}

// TestInterruptedKept: after a signal a key goes by itself when its instance is
// kept for another one.
func TestInterruptedKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(10*time.Second, func() { cancel(Interrupted()) })
		kept := "  - service-key: {name: kept-key, instance: \"smoke-${run.id}\", keep: always}\n"
		p := r.provision(ctx, strings.TrimSuffix(smoke, callStep)+kept+"  - name: waits\n    wait: 1h\n    timeout: 2h\n", Options{})
		r.want(p.ends[3:], []string{
			"error waits: interrupted: interrupted",
			"skip delete service key kept-key of smoke-RUN: kept, as keep is always; remove it with: iflowtest cleanup --run RUN",
			deletedKey,
			"skip delete service instance smoke-RUN: kept, as service key kept-key of smoke-RUN is kept; remove it with: iflowtest cleanup --run RUN",
		})
		if state := r.state(); !strings.Contains(state, "kept-key") || strings.Contains(state, "smoke-key") {
			t.Errorf("%s", state)
		}
	})
}

// TestRetriedScenario: each time a scenario runs it has its own.
func TestRetriedScenario(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "provision-fails:path=/v3/service_credential_bindings,count=1")
		before := r.state()
		p := r.provision(t.Context(), smoke, Options{Retries: 1})
		if p.summary.ExitStatus != ExitOK || p.summary.Scenarios.Flaky != 1 || r.state() != before || r.sent("POST", "/v3/service_instances") != 2 {
			t.Errorf("%+v %q", p.summary, p.ends)
		}
		r.noJournal()
	})
}

// TestRetriedKeep: what a try made that is followed by another goes, whatever
// keep says, as the next makes its own of the same name.
func TestRetriedKeep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "runtime-503:path=/http/echo,count=1")
		before := r.state()
		text := `name: Keeps
steps:
  - service-instance: {name: "kept-${run.id}", plan: integration-flow, keep: on-failure}
  - call: {GET: /http/echo, credential: sender}
`
		p := r.provision(t.Context(), text, Options{Retries: 2})
		if p.summary.ExitStatus != ExitOK || p.summary.Scenarios.Flaky != 1 || r.state() != before {
			t.Errorf("%+v %q", p.summary, p.ends)
		}
	})
}
