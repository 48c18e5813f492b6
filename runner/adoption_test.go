package runner

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"iflowtest/internal/cf"
)

// slowly makes every creation wait, so that whoever looks meanwhile finds
// nothing.
func (r *rig) slowly(d time.Duration) {
	next := r.tenant.RoundTripper()
	r.transport = roundTripper(func(request *http.Request) (*http.Response, error) {
		if request.Method == http.MethodPost && strings.HasPrefix(request.URL.Path, "/v3/service_") {
			<-time.After(d)
		}
		return next.RoundTrip(request)
	})
}

// by gives the ends of the steps of a scenario.
func (p *provisioned) by(scenario string) []string {
	var ends []string
	n := 0
	for _, e := range p.events {
		if e.Event != StepEnd {
			continue
		}
		if e.Scenario == scenario {
			ends = append(ends, p.ends[n])
		}
		n++
	}
	return ends
}

// cureOf gives the cure of the first error.
func (p *provisioned) cureOf() string {
	for _, e := range p.events {
		if e.Event == StepEnd && e.Err != nil {
			return e.Err.Cure
		}
	}
	return ""
}

const adoptInstance = `  - name: instance
    service-instance: {name: shared, plan: api, mode: adopt}
`

// TestAdoptedAtOnce: of two scenarios that adopt what is not there yet one
// creates it, and the other adopts that, also its key; it is deleted once.
func TestAdoptedAtOnce(t *testing.T) {
	for name, faults := range map[string][]string{
		"refused":            nil,
		"the answer is lost": {"connection-reset:part=cloud-foundry,path=/v3/service_instances,method=POST,lost=answer,count=1"},
		"the platform waits": {"provision-slow:seconds=30,name=shared"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, faults...)
				r.slowly(time.Second)
				before := r.state()
				const key = "  - name: key\n    service-key: {name: both, instance: shared, mode: adopt}\n"
				p := r.provision(t.Context(), "name: A\nsteps:\n"+adoptInstance+key+"  - wait: 1h\n    timeout: 2h\n---\nname: B\nsteps:\n"+adoptInstance+key+"  - wait: 1h\n    timeout: 2h\n", Options{Parallel: 2})
				if p.summary.ExitStatus != ExitOK || r.sentBelow("DELETE", "/v3/service_instances") != 1 || r.state() != before {
					t.Errorf("%d %q %s", p.summary.ExitStatus, p.ends, r.state())
				}
				deleted := 0
				for _, end := range p.ends {
					if end == "pass delete service instance shared" {
						deleted++
					}
				}
				if deleted != 1 {
					t.Errorf("deleted %d times: %q", deleted, p.ends)
				}
				r.noJournal()
			})
		})
	}
}

// TestAdoptedOtherPlan: what was created meanwhile is held against what the step
// wants, too.
func TestAdoptedOtherPlan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.slowly(time.Second)
		other := strings.Replace(adoptInstance, "plan: api", "plan: integration-flow", 1)
		p := r.provision(t.Context(), "name: A\nsteps:\n"+adoptInstance+"---\nname: B\nsteps:\n"+other, Options{Parallel: 2})
		if !slices.ContainsFunc(p.ends, func(s string) bool {
			return strings.HasPrefix(s, `error instance: provisioning: the service instance "shared" exists, and is of plan `)
		}) || p.summary.ExitStatus != ExitProvisioning {
			t.Errorf("%q", p.ends)
		}
		r.noJournal()
	})
}

// TestVanished: whoever uses an instance that another scenario deletes is told
// what happened, and what to do instead.
func TestVanished(t *testing.T) {
	const creator = "name: A\nsteps:\n  - service-instance: {name: shared, plan: api, mode: adopt}\n  - wait: 1m\n---\n"
	const fate = `the scenario "A" created the service instance "shared", and deleted it when it ended`
	for _, test := range []struct {
		name, steps, want string
		status            int
	}{
		{"its key", "  - wait: 2m\n    timeout: 1h\n  - name: uses\n    service-key: {name: k, instance: shared}\n",
			`error uses: provisioning: service instance "shared" does not exist in the space`, ExitProvisioning},
		{"is required", "  - wait: 2m\n    timeout: 1h\n  - name: uses\n    service-instance: {name: shared, plan: api, mode: require}\n",
			`error uses: provisioning: service instance "shared" does not exist in the space`, ExitProvisioning},
		{"a credential of it", "  - service-key: {name: k, instance: shared, credential: made}\n  - wait: 2m\n    timeout: 1h\n  - name: uses\n    token: {credential: made}\n",
			`error uses: credential: `, ExitCredential},
		{"a call with it", "  - service-key: {name: k, instance: shared, credential: made}\n  - wait: 2m\n    timeout: 1h\n  - name: uses\n    call: {GET: /http/echo, credential: made}\n",
			`error uses: credential: `, ExitCredential},
		{"a call with a token from before", "  - service-key: {name: k, instance: shared, credential: made}\n  - call: {GET: /api/v1/, credential: made}\n  - wait: 2m\n    timeout: 1h\n  - name: uses\n    call: {GET: /api/v1/, credential: made}\n",
			`error uses: credential: `, ExitCredential},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				before := r.state()
				p := r.provision(t.Context(), creator+"name: B\nsteps:\n  - wait: 10s\n"+adoptInstance+test.steps, Options{Parallel: 2})
				ends := p.by("B")
				i := slices.IndexFunc(ends, func(s string) bool { return strings.HasPrefix(s, test.want) && strings.Contains(s, fate) })
				if i < 0 || p.summary.ExitStatus != test.status || !strings.Contains(p.cureOf(), "once: true") {
					t.Errorf("exit status %d: %q\n%s", p.summary.ExitStatus, ends, p.cureOf())
				}
				if r.state() != before {
					t.Errorf("left behind: %s", r.state())
				}
				r.noJournal()
			})
		})
	}
}

// TestVanishing: an instance that is deleted in the very moment in which another
// scenario creates a key of it.
func TestVanishing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		next := r.tenant.RoundTripper()
		r.transport = roundTripper(func(request *http.Request) (*http.Response, error) {
			if request.Method == http.MethodPost && request.URL.Path == "/v3/service_credential_bindings" {
				<-time.After(time.Minute) // the instance goes meanwhile
			}
			return next.RoundTrip(request)
		})
		before := r.state()
		p := r.provision(t.Context(), "name: A\nsteps:\n"+adoptInstance+"  - wait: 30s\n---\nname: B\nsteps:\n  - wait: 10s\n"+adoptInstance+"  - name: key\n    service-key: {name: k, instance: shared}\n", Options{Parallel: 2})
		ends := p.by("B")
		if !slices.ContainsFunc(ends, func(s string) bool {
			return strings.HasPrefix(s, "error key: provisioning: ") && strings.HasSuffix(s, `; the scenario "A" created the service instance "shared", and deleted it when it ended`)
		}) || r.state() != before {
			t.Errorf("%q %s", ends, r.state())
		}
		r.noJournal()
	})
}

// TestVanishedElsewhere: also when somebody else deleted what was adopted.
func TestVanishedElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		time.AfterFunc(time.Minute, func() { r.call(http.MethodDelete, "/v3/service_instances/"+r.instances()["sandbox-api"], "") })
		p := r.provision(t.Context(), "name: A\nsteps:\n  - service-instance: {name: sandbox-api, plan: api, mode: adopt}\n  - wait: 2m\n    timeout: 1h\n  - name: key\n    service-key: {name: k, instance: sandbox-api}\n", Options{})
		if end := p.ends[2]; !strings.HasSuffix(end, `; the service instance "sandbox-api" was there when a step of this run adopted it, and was deleted since`) {
			t.Errorf("%q", p.ends)
		}
	})
}

// TestStrangersKey: an instance that holds a key which somebody else made
// meanwhile is left at the end of its scenario, and told; what the run made of
// it goes.
func TestStrangersKey(t *testing.T) {
	for _, interrupted := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			before := r.state()
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			time.AfterFunc(10*time.Second, func() {
				for name, guid := range r.instances() {
					if strings.HasPrefix(name, "smoke-") {
						r.call(http.MethodPost, "/v3/service_credential_bindings", `{"type":"key","name":"mine","relationships":{"service_instance":{"data":{"guid":"`+guid+`"}}}}`)
					}
				}
			})
			if interrupted {
				time.AfterFunc(time.Minute, func() { cancel(Interrupted()) })
			}
			p := r.provision(ctx, twoInstances+"  - name: waits\n    wait: 2m\n    timeout: 1h\n", Options{Environment: "dev"})
			r.want(p.ends[4:], []string{deletedOther, deletedKey,
				`error delete service instance smoke-RUN: cleanup: the service instance "smoke-RUN" holds what the run did not make: the service key "mine"; it is left alone`})
			status := ExitCleanup
			if interrupted {
				status = ExitInterrupted
			}
			if p.summary.ExitStatus != status || len(p.summary.LeftBehind) != 1 || p.plain(p.summary.LeftBehind[0]) != "service instance smoke-RUN (GUID)" || p.summary.CleanupCommand == "" {
				t.Errorf("%+v", p.summary)
			}
			if last := p.events[len(p.events)-3:]; !slices.ContainsFunc(last, func(e *Event) bool {
				return e.Err != nil && strings.HasSuffix(e.Err.Cure, "iflowtest cleanup --run "+p.id+" -e dev")
			}) {
				t.Errorf("%+v", last)
			}
			if state := r.state(); !strings.Contains(state, `"mine"`) || strings.Contains(state, "smoke-key") {
				t.Errorf("%s", state)
			}
			// The journal has it: when the key is gone, so may the instance be.
			r.want(p.did(r.cleanup(CleanupOptions{})), []string{`service-instance smoke-RUN: left: it holds what the run did not make: the service key "mine"`})
			guid := r.instances()["smoke-"+p.id]
			keys, err := r.platform().client.Key(t.Context(), guid, "mine")
			if err != nil {
				t.Fatal(err)
			}
			r.call(http.MethodDelete, "/v3/service_credential_bindings/"+keys.GUID, "")
			r.want(p.did(r.cleanup(CleanupOptions{})), []string{"service-instance smoke-RUN: removed"})
			if r.state() != before {
				t.Errorf("%s", r.state())
			}
			r.noJournal()
		})
	}
}

// TestStrangersKeyGoing: a key of somebody else that is being deleted holds
// nothing up.
func TestStrangersKeyGoing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		before := r.state()
		next := r.tenant.RoundTripper()
		var going atomic.Pointer[cf.Key] // once it is there
		listed := 0
		r.transport = roundTripper(func(request *http.Request) (*http.Response, error) {
			q, key := request.URL.Query(), going.Load()
			if key != nil && request.Method == http.MethodGet && request.URL.Path == "/v3/service_credential_bindings" && q.Get("service_instance_guids") == key.InstanceGUID && q.Get("names") == "" {
				if listed++; listed == 1 {
					r.call(http.MethodDelete, "/v3/service_credential_bindings/"+key.GUID, "")
				}
			}
			return next.RoundTrip(request)
		})
		time.AfterFunc(10*time.Second, func() {
			instance := ""
			for name, guid := range r.instances() {
				if strings.HasPrefix(name, "smoke-") {
					instance = guid
				}
			}
			r.call(http.MethodPost, "/v3/service_credential_bindings", `{"type":"key","name":"mine","relationships":{"service_instance":{"data":{"guid":"`+instance+`"}}}}`)
			<-time.After(10 * time.Second)
			key, err := (&rig{t: t, dir: r.dir, tenant: r.tenant}).platform().client.Key(t.Context(), instance, "mine")
			if err != nil {
				t.Error(err)
				return
			}
			going.Store(&key)
		})
		p := r.provision(t.Context(), smoke+"  - wait: 1m\n", Options{})
		r.want(p.ends[3:], []string{"pass wait 1m", deletedKey, deletedInstance})
		if listed != 1 || p.summary.ExitStatus != ExitOK || r.state() != before {
			t.Errorf("%d times listed, %+v %s", listed, p.summary, r.state())
		}
		r.noJournal()
	})
}
