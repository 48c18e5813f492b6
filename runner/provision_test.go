package runner

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidwall/gjson"

	"iflowtest/internal/sandbox"
)

// get asks a part of the tenant.
func (r *rig) get(url string) string {
	r.t.Helper()
	request, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, url, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	response, err := r.tenant.RoundTripper().RoundTrip(request)
	if err != nil {
		r.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		r.t.Fatal(err, response.Status)
	}
	return string(body)
}

// state is what exists in the tenant.
func (r *rig) state() string { return r.get(r.tenant.URL(sandbox.Control) + "/_sandbox/state") }

// sent counts the requests of a method to a path of Cloud Foundry.
func (r *rig) sent(method, path string) int {
	return int(gjson.Get(r.get(r.tenant.URL(sandbox.Control)+"/_sandbox/requests?part=cloud-foundry&method="+method+"&path="+path), "#").Int())
}

// sentBelow counts the requests of a method to paths below one.
func (r *rig) sentBelow(method, path string) int {
	n := 0
	for _, sent := range gjson.Get(r.get(r.tenant.URL(sandbox.Control)+"/_sandbox/requests?part=cloud-foundry&method="+method), "#.path").Array() {
		if strings.HasPrefix(sent.Str, path+"/") {
			n++
		}
	}
	return n
}

// fault makes the tenant misbehave from now on; empty ends all faults.
func (r *rig) fault(text string) {
	r.t.Helper()
	method := http.MethodPost
	if text == "" {
		method = http.MethodDelete
	}
	request, err := http.NewRequestWithContext(context.Background(), method, r.tenant.URL(sandbox.Control)+"/_sandbox/faults", strings.NewReader(text))
	if err != nil {
		r.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "text/plain")
	response, err := r.tenant.RoundTripper().RoundTrip(request)
	if err != nil || response.StatusCode/100 != 2 {
		r.t.Fatal(err, response)
	}
}

// provisioned is a run of a scenario that provisions.
type provisioned struct {
	// ends are those of its steps, as of [rig.run], with RUN and GUID for the
	// id of the run and each GUID.
	ends    []string
	events  []*Event
	summary Summary
	id      string
}

// guids are what no two runs have in common.
func (p *provisioned) plain(s string) string {
	s = strings.ReplaceAll(s, p.id, "RUN")
	return regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`).ReplaceAllString(s, "GUID")
}

// provision runs a scenario with a journal.
func (r *rig) provision(ctx context.Context, text string, o Options) *provisioned {
	r.t.Helper()
	o.Journal = r.journal()
	plan := r.plan(text, o)
	p := &provisioned{id: plan.id}
	summary, err := plan.Run(ctx, func(batch []*Event) { p.events = append(p.events, batch...) })
	if err != nil {
		r.t.Fatal(err)
	}
	p.summary = summary
	for _, e := range p.events {
		if e.Event == StepEnd {
			line := fmt.Sprintf("%s %s", e.Outcome, e.Step)
			switch {
			case e.Err != nil:
				line += ": " + e.Err.Type + ": " + e.Err.Message
			case e.Reason != "":
				line += ": " + e.Reason
			case len(e.Failures) > 0:
				line += ": " + e.Failures[0].Message
			}
			p.ends = append(p.ends, p.plain(line))
		}
	}
	return p
}

func (r *rig) journal() string { return filepath.Join(r.dir, "journal") }

// journals are the names and contents of all journals.
func (r *rig) journals() map[string]string {
	all := map[string]string{}
	names, err := os.ReadDir(r.journal())
	if err != nil && !os.IsNotExist(err) {
		r.t.Fatal(err)
	}
	for _, n := range names {
		data, err := os.ReadFile(filepath.Join(r.journal(), n.Name()))
		if err != nil {
			r.t.Fatal(err)
		}
		all[n.Name()] = string(data)
	}
	return all
}

// noJournal wants no journal to be left.
func (r *rig) noJournal() {
	r.t.Helper()
	if all := r.journals(); len(all) > 0 {
		r.t.Errorf("journals are left: %q", all)
	}
}

// provisions runs a scenario and wants the ends, the exit status, and nothing
// to be left.
func (r *rig) provisions(text string, o Options, status int, want ...string) *provisioned {
	r.t.Helper()
	before := r.state()
	p := r.provision(r.t.Context(), text, o)
	r.want(p.ends, want)
	if p.summary.ExitStatus != status {
		r.t.Errorf("exit status %d, want %d (%s)", p.summary.ExitStatus, status, p.summary.ExitReason)
	}
	if after := r.state(); after != before {
		r.t.Errorf("left behind: %s\nwas %s", after, before)
	}
	r.noJournal()
	return p
}

const (
	instanceStep = `  - name: instance
    service-instance: {name: "smoke-${run.id}", plan: integration-flow, parameters: {roles: [ESBMessaging.send]}}
`
	keyStep = `  - name: key
    service-key: {name: smoke-key, instance: "smoke-${run.id}", credential: made}
`
	callStep = `  - name: call
    call: {POST: /http/orders, credential: made, json: {sku: A-100, qty: 1}}
`
	smoke = "name: Smoke\nsteps:\n" + instanceStep + keyStep + callStep

	deletedKey      = "pass delete service key smoke-key of smoke-RUN"
	deletedInstance = "pass delete service instance smoke-RUN"
)

func TestProvision(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		p := r.provisions(smoke, Options{}, ExitOK, "pass instance", "pass key", "pass call", deletedKey, deletedInstance)
		if p.summary.Steps.Passed != 5 || len(p.summary.LeftBehind) > 0 {
			t.Errorf("%+v", p.summary)
		}
		for _, e := range p.events {
			if e.Event == StepEnd && e.Cleanup != strings.HasPrefix(e.Step, "delete ") {
				t.Errorf("%+v", e)
			}
		}
	})
}

// TestProvisionAnswer: what a step answers with can be asserted and captured,
// its secrets are masked.
func TestProvisionAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		p := r.provisions(`name: Answers
steps:
  - name: entitled
    entitlement: {service: it-rt, plans: [integration-flow, api]}
    expect: {json: {plans.#.entitled: [true, true], service: it-rt}}
  - name: instance
    service-instance: {name: "smoke-${run.id}", plan: Integration-Flow}
    expect: {json: {plan: integration-flow, offering: it-rt, state: succeeded, created: true, name: "smoke-${run.id}"}}
    capture: {guid: {json: guid}}
  - name: adopted
    service-instance: {name: "smoke-${run.id}", plan: integration-flow, mode: adopt}
    expect: {json: {created: false, guid: "${guid}"}}
  - name: required
    service-instance: {name: sandbox-rt, plan: integration-flow, mode: require}
    expect: {json: {created: false}}
  - name: key
    service-key: {name: smoke-key, instance: "smoke-${run.id}", mode: adopt}
    expect: {json: {created: true, credentials.oauth.clientsecret: nothing-like-it}}
    on-failure: continue
  - name: key that is there
    service-key: {name: sender, instance: sandbox-rt, mode: require, credential: there}
    expect: {json: {created: false, instance: sandbox-rt}}
  - name: works
    token: {credential: there}
`, Options{}, ExitAssertion,
			"pass entitled", "pass instance", "pass adopted", "pass required",
			`fail key: json credentials.oauth.clientsecret: want "nothing-like-it", got "***(smoke-key.client-secret)"`,
			"pass key that is there", "pass works", deletedKey, deletedInstance)
		for _, e := range p.events {
			if e.Kind == "service-instance" && e.Step == "adopted" && e.Cleanup {
				t.Errorf("what was adopted is deleted")
			}
		}
	})
}

func TestProvisionRefusals(t *testing.T) {
	for _, test := range []struct {
		name, steps string
		status      int
		want        string // the end of the first step that does not pass
	}{
		{"name taken", "  - name: s\n    service-instance: {name: sandbox-rt, plan: api}\n", ExitProvisioning,
			`error s: provisioning: create service instance "sandbox-rt": the name is taken in this space (status 422); the platform says "The service instance name is taken: sandbox-rt." (code 10008, CF-UnprocessableEntity)`},
		{"key taken", "  - name: s\n    service-key: {name: sender, instance: sandbox-rt}\n", ExitProvisioning,
			`error s: provisioning: create service key "sender": the instance already has a key of that name (status 422); the platform says "The binding name is invalid. Key binding names must be unique. The service instance already has a key binding with name 'sender'." (code 10008, CF-UnprocessableEntity)`},
		{"other plan", "  - name: s\n    service-instance: {name: sandbox-rt, plan: api, mode: adopt}\n", ExitProvisioning,
			`error s: provisioning: the service instance "sandbox-rt" exists, and is of plan integration-flow of it-rt instead of api of it-rt`},
		{"no such plan", "  - name: s\n    service-instance: {name: x, plan: gold}\n", ExitProvisioning,
			`error s: provisioning: service plan "gold" is not visible in the space (offering "it-rt"); visible are "api", "integration-flow"`},
		{"no such offering", "  - name: s\n    service-instance: {name: x, plan: gold, offering: mine}\n", ExitProvisioning,
			`error s: provisioning: service offering "mine" is not visible in the space; visible are "it-rt"`},
		{"required instance", "  - name: s\n    service-instance: {name: x, plan: api, mode: require}\n", ExitProvisioning,
			`error s: provisioning: service instance "x" does not exist in the space, or the user may not see it; there is "sandbox-api", "sandbox-rt"`},
		{"required key", "  - name: s\n    service-key: {name: x, instance: sandbox-rt, mode: require}\n", ExitProvisioning,
			`error s: provisioning: service key "x" does not exist in the service instance, or the user may not see it; there is "sender"`},
		{"key of nothing", "  - name: s\n    service-key: {name: x, instance: nowhere}\n", ExitProvisioning,
			`error s: provisioning: service instance "nowhere" does not exist in the space, or the user may not see it; there is "sandbox-api", "sandbox-rt"`},
		{"wrong parameters", "  - name: s\n    service-instance: {name: x, plan: api, parameters: {roles: [Nope], color: red}}\n", ExitProvisioning,
			`error s: provisioning: create service instance "x": `},
		{"no such entitlement", "  - name: s\n    entitlement: {service: it-rt, plans: [gold]}\n", ExitProvisioning,
			`error s: provisioning: the subaccount is not entitled to gold of it-rt`},
		{"name that is too long", "  - name: c\n    set: {long: \"${repeat('a', 40)}\"}\n  - name: s\n    service-key: {name: \"${long}\", instance: sandbox-rt}\n", ExitProvisioning,
			`error s: provisioning: service key "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				before := r.state()
				p := r.provision(t.Context(), "name: Refused\nsteps:\n"+test.steps, Options{})
				i := slices.IndexFunc(p.ends, func(s string) bool { return strings.HasPrefix(s, "error s") })
				if i < 0 || !strings.HasPrefix(p.ends[i], test.want) || p.summary.ExitStatus != test.status {
					t.Errorf("exit status %d\ngot  %q\nwant %q", p.summary.ExitStatus, p.ends, test.want)
				}
				for _, e := range p.events {
					if e.Event == StepEnd && e.Outcome == Error && e.Err.Cure == "" {
						t.Errorf("no cure: %q", e.Err.Message)
					}
				}
				if after := r.state(); after != before {
					t.Errorf("left behind: %s", after)
				}
				r.noJournal()
			})
		})
	}
}

// TestWrongParameters: the text of the broker is told, and the instance that
// failed is removed.
func TestWrongParameters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		p := r.provision(t.Context(), "name: A\nsteps:\n  - name: s\n    service-instance: {name: x, plan: api, parameters: {roles: [Nope], color: red}}\n", Options{})
		if len(p.ends) != 2 || p.ends[1] != "pass delete service instance x" || !strings.Contains(p.ends[0], `parameter "color" is not known`) && !strings.Contains(p.ends[0], `parameter \"color\" is not known`) || !strings.Contains(p.ends[0], "is no role of the plan api") {
			t.Errorf("%q", p.ends)
		}
		r.noJournal()
	})
}

// TestParametersFile: a file that is not JSON is told with its place before
// anything is sent, also where its name is known only then.
func TestParametersFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.write("bad.json", "{\n  \"roles\": [ESBMessaging.send]\n}\n")
		r.write("list.json", "[1]")
		r.write("good.json", "\ufeff{\"roles\": [\"ESBMessaging.send\"]}")
		step := func(file string) string {
			return "name: A\nsteps:\n  - name: s\n    service-instance: {name: \"x-${run.id}\", plan: integration-flow, parameters-file: \"" + file + "\"}\n"
		}
		for file, want := range map[string]string{
			"bad.json":  "bad.json:2:13: not JSON: invalid character 'E' looking for beginning of value",
			"list.json": `list.json: a JSON object is wanted, such as {"roles": ["ESBMessaging.send"]}`,
			"none.json": `no file "none.json"`,
		} {
			if got := strings.Join(r.mistakes(step(file), Options{}), "\n"); !strings.Contains(got, want) || !strings.Contains(got, "scenario.yaml:4:") {
				t.Errorf("%s: %s", file, got)
			}
		}
		p := r.provision(t.Context(), strings.Replace(step("${f}"), "steps:", "steps:\n  - set: {f: \"${'bad' + '.json'}\"}", 1), Options{})
		if len(p.ends) != 2 || p.ends[1] != "error s: file: bad.json:2:13: not JSON: invalid character 'E' looking for beginning of value" || r.sent("POST", "/v3/service_instances") != 0 {
			t.Errorf("%q", p.ends)
		}
		r.provisions(step("good.json"), Options{}, ExitOK, "pass s", "pass delete service instance x-RUN")
	})
}

// swapped is the environment of the sandbox with some of its text replaced.
func (r *rig) swapped(pairs ...string) http.RoundTripper {
	replacer := strings.NewReplacer(pairs...)
	return roundTripper(func(request *http.Request) (*http.Response, error) {
		if request.Body != nil {
			body, err := io.ReadAll(request.Body)
			if err != nil {
				return nil, err
			}
			text := replacer.Replace(string(body))
			request = request.Clone(request.Context())
			request.Body, request.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
		}
		request.URL.RawQuery = replacer.Replace(request.URL.RawQuery)
		return r.tenant.RoundTripper().RoundTrip(request)
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestWrongTarget: an organisation or a space that is not there is told with
// those that are, a wrong password is a matter of credentials.
func TestWrongTarget(t *testing.T) {
	for _, test := range []struct {
		from, to string
		status   int
		want     []string
	}{
		{"names=sandbox", "names=nowhere", ExitProvisioning, []string{`organisation "sandbox"`, `sandbox`}},
		{"names=dev", "names=prod", ExitProvisioning, []string{`space "dev"`, "dev", "test"}},
		{"password=tester-9f4c2b", "password=wrong", ExitCredential, []string{"credential: "}},
	} {
		t.Run(test.to, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.transport = r.swapped(test.from, test.to)
				p := r.provision(t.Context(), smoke, Options{})
				if p.summary.ExitStatus != test.status || len(p.ends) != 3 {
					t.Fatalf("exit status %d: %q", p.summary.ExitStatus, p.ends)
				}
				for _, want := range test.want {
					if !strings.Contains(p.ends[0], want) {
						t.Errorf("%q does not say %q", p.ends[0], want)
					}
				}
				r.noJournal()
			})
		})
	}
}

// TestSameNameTwice: two scenarios of a run that want one name do not harm each
// other.
func TestSameNameTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		before := r.state()
		text := "name: A\nsteps:\n" + instanceStep + "  - wait: 1m\n---\nname: B\nsteps:\n  - wait: 10s\n" + instanceStep
		p := r.provision(t.Context(), text, Options{Parallel: 2})
		slices.Sort(p.ends)
		if len(p.ends) != 5 || !strings.HasPrefix(p.ends[0], `error instance: provisioning: create service instance "smoke-RUN": the name is taken`) || p.ends[1] != deletedInstance {
			t.Errorf("%q", p.ends)
		}
		if r.sent("DELETE", "") != 1 || r.state() != before {
			t.Errorf("%d deletions", r.sent("DELETE", ""))
		}
		r.noJournal()
	})
}

// TestLostAnswer: what was created though the answer was lost is found by name
// and label, not created again, and removed at the end.
func TestLostAnswer(t *testing.T) {
	for _, fault := range []string{
		"connection-reset:part=cloud-foundry,path=/v3/service_instances,method=POST,lost=answer,count=1",
		"connection-reset:part=cloud-foundry,path=/v3/service_credential_bindings,method=POST,lost=answer,count=1",
		"truncated-body:part=cloud-foundry,path=/v3/service_instances,method=POST,count=1",
	} {
		t.Run(fault, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, fault)
				p := r.provisions(smoke, Options{}, ExitOK, "pass instance", "pass key", "pass call", deletedKey, deletedInstance)
				if r.sent("POST", "/v3/service_instances") != 1 || r.sent("POST", "/v3/service_credential_bindings") != 1 {
					t.Errorf("sent more than once")
				}
				flaky := 0
				for _, e := range p.events {
					if e.Event == StepEnd && e.Flaky && e.Attempts == 2 {
						flaky++
					}
				}
				if flaky != 1 {
					t.Errorf("%d steps tell of it", flaky)
				}
			})
		})
	}
}

// TestLostRequest: what was not created is created again, some times.
func TestLostRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "connection-reset:part=cloud-foundry,path=/v3/service_instances,method=POST,count=2")
		r.provisions(smoke, Options{}, ExitOK, "pass instance", "pass key", "pass call", deletedKey, deletedInstance)
		if n := r.sent("POST", "/v3/service_instances"); n != 3 {
			t.Errorf("sent %d times", n)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "connection-reset:part=cloud-foundry,path=/v3/service_instances,method=POST")
		before := r.state()
		p := r.provision(t.Context(), smoke, Options{})
		if len(p.ends) != 4 || !strings.HasPrefix(p.ends[0], "error instance: network: ") ||
			p.ends[3] != "skip delete service instance smoke-RUN: creating it got no answer, and it did not appear within 3s" || p.summary.ExitStatus != ExitUnknown {
			t.Errorf("%d %q", p.summary.ExitStatus, p.ends)
		}
		// Should it appear after all, the journal names it.
		if all := r.journals(); len(all) != 1 || !strings.Contains(all[p.id+".journal"], `"op":"intent"`) || r.state() != before {
			t.Errorf("%q", all)
		}
	})
}

// late answers a POST to a path only after the connection was given up, and
// handles it some time later.
type late struct {
	next  http.RoundTripper
	after time.Duration
	once  sync.Once
	wait  sync.WaitGroup
}

// RoundTrip implements http.RoundTripper.
func (l *late) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodPost || r.URL.Path != "/v3/service_instances" {
		return l.next.RoundTrip(r)
	}
	first := false
	l.once.Do(func() { first = true })
	if !first {
		return l.next.RoundTrip(r)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	again := r.Clone(context.WithoutCancel(r.Context()))
	again.Body = io.NopCloser(strings.NewReader(string(body)))
	l.wait.Go(func() {
		<-time.After(l.after)
		if response, err := l.next.RoundTrip(again); err == nil {
			_ = response.Body.Close()
		}
	})
	<-r.Context().Done()
	return nil, context.Cause(r.Context())
}

// TestLateCreation: a step whose time was up while the platform had the
// request leaves nothing, although the instance appears only afterwards.
func TestLateCreation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		l := &late{next: r.tenant.RoundTripper(), after: 11 * time.Second}
		defer l.wait.Wait()
		r.transport = l
		text := strings.Replace(smoke, "  - name: instance\n", "  - name: instance\n    timeout: 10s\n", 1)
		r.provisions(text, Options{}, ExitUnknown,
			"error instance: timeout: the step timeout of 10s is up", `skip key: the step "instance" did not pass`, `skip call: the step "instance" did not pass`, deletedInstance)
	})
}

// TestNewKeyRefused: a token that is refused for a key that was just created is
// asked for again, and the report says so.
func TestNewKeyRefused(t *testing.T) {
	for _, step := range []string{callStep, "  - name: call\n    token: {credential: made}\n    expect: {status: 200}\n"} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, "secret-revoked:key=smoke-key,count=2")
			p := r.provisions("name: Smoke\nsteps:\n"+instanceStep+keyStep+step, Options{}, ExitOK, "pass instance", "pass key", "pass call", deletedKey, deletedInstance)
			attempts := 0
			for _, e := range p.events {
				switch {
				case e.Event == Attempt && e.Step == "call":
					attempts++
					if e.Outcome != Error || e.Err.Type != TypeCredential || !strings.Contains(e.Err.Cure, "created just now") || e.Attempts != attempts {
						t.Errorf("%+v %+v", e, e.Err)
					}
				case e.Event == StepEnd && e.Step == "call":
					if e.Attempts != 3 || !e.Flaky {
						t.Errorf("%+v", e)
					}
				}
			}
			if attempts != 2 || p.summary.Steps.Flaky != 1 {
				t.Errorf("%d attempts, %+v", attempts, p.summary.Steps)
			}
		})
	}
}

// TestNewKeyRefusedForever: the time in which a new key may be refused ends.
func TestNewKeyRefusedForever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "secret-revoked:key=smoke-key")
		started := time.Now()
		p := r.provision(t.Context(), strings.Replace(smoke, "  - name: call\n", "  - name: call\n    timeout: 10m\n", 1), Options{})
		if d := time.Since(started); d < freshKey || d > freshKey+30*time.Second || p.summary.ExitStatus != ExitCredential || !strings.HasPrefix(p.ends[2], "error call: credential: ") {
			t.Errorf("%v, exit status %d: %q", d, p.summary.ExitStatus, p.ends)
		}
	})
}

// TestKnownKeyRefused: a key that worked before is refused once and for all;
// so is one that was not created here.
func TestKnownKeyRefused(t *testing.T) {
	for _, test := range []struct{ first, fault string }{
		{instanceStep + keyStep + callStep, "secret-revoked:key=smoke-key,count=1"},
		{"  - name: key\n    service-key: {name: sender, instance: sandbox-rt, mode: require, credential: made}\n", "secret-revoked:key=sender,count=1"},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			text := "name: Smoke\nsteps:\n" + test.first + "  - name: pause\n    wait: 1m\n  - name: again\n    token: {credential: made}\n"
			time.AfterFunc(30*time.Second, func() { r.fault(test.fault) })
			p := r.provision(t.Context(), text, Options{})
			i := slices.IndexFunc(p.ends, func(s string) bool { return strings.HasPrefix(s, "error again: credential: ") })
			if i < 0 || p.summary.ExitStatus != ExitCredential {
				t.Errorf("%d %q", p.summary.ExitStatus, p.ends)
			}
			for _, e := range p.events {
				if e.Event == Attempt {
					t.Errorf("%+v", e)
				}
			}
		})
	}
}

// TestWantedRefusal: a token step that asks for the refusal gets it at once.
func TestWantedRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "secret-revoked:key=smoke-key")
		p := r.provisions("name: Smoke\nsteps:\n"+instanceStep+keyStep+"  - name: refused\n    token: {credential: made}\n    expect: {status: 401}\n", Options{}, ExitOK,
			"pass instance", "pass key", "pass refused", deletedKey, deletedInstance)
		for _, e := range p.events {
			if e.Event == Attempt {
				t.Errorf("%+v", e)
			}
		}
	})
}

// TestBusyInstance: keys of one instance that are made side by side wait for
// each other where the platform wants that.
func TestBusyInstance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		busy := 2
		next := r.tenant.RoundTripper()
		r.transport = roundTripper(func(request *http.Request) (*http.Response, error) {
			if request.Method == http.MethodPost && request.URL.Path == "/v3/service_credential_bindings" && busy > 0 {
				busy--
				body := `{"errors":[{"code":10008,"title":"CF-UnprocessableEntity","detail":"There is an operation in progress for the service instance."}]}`
				return &http.Response{
					StatusCode: 422, Status: "422 Unprocessable Entity", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
					Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: request,
				}, nil
			}
			return next.RoundTrip(request)
		})
		r.provisions(smoke, Options{}, ExitOK, "pass instance", "pass key", "pass call", deletedKey, deletedInstance)
		if busy != 0 {
			t.Errorf("busy %d times less", busy)
		}
	})
}

// TestPlatformSlow: jobs that take their time, fail, or never end, and an API
// that has enough of requests.
func TestPlatformSlow(t *testing.T) {
	all := []string{"pass instance", "pass key", "pass call", deletedKey, deletedInstance}
	const skips = `skip key: the step "instance" did not pass|skip call: the step "instance" did not pass`
	for fault, test := range map[string]struct {
		status int
		want   []string
	}{
		"provision-slow:seconds=90":                      {ExitOK, all},
		"cf-429:count=3,retry-after=2":                   {ExitOK, all},
		"connection-reset:path=/v3/*,method=GET,count=2": {ExitOK, all},
		"provision-stuck:name=smoke-*":                   {ExitUnknown, append([]string{"error instance: timeout: the step timeout of 10m is up"}, append(strings.Split(skips, "|"), deletedInstance)...)},
	} {
		t.Run(fault, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				newRig(t, fault).provisions(smoke, Options{}, test.status, test.want...)
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "provision-fails:path=/v3/service_credential_bindings")
		before := r.state()
		p := r.provision(t.Context(), smoke, Options{})
		if len(p.ends) != 5 || !strings.HasPrefix(p.ends[1], `error key: provisioning: create service key "smoke-key": the operation failed; the platform says "bind could not be completed`) || p.ends[3] != deletedKey || p.summary.ExitStatus != ExitProvisioning || r.state() != before {
			t.Errorf("%d %q", p.summary.ExitStatus, p.ends)
		}
		r.noJournal()
	})
}

// TestRetriedStep: a step that is tried again finds what it began before.
func TestRetriedStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		lost := 3 // as often as one attempt of the step sends it
		next := r.tenant.RoundTripper()
		r.transport = roundTripper(func(request *http.Request) (*http.Response, error) {
			cut := request.Method == http.MethodPost && request.URL.Path == "/v3/service_instances" && lost > 0
			if cut {
				lost--
				_ = request.Body.Close()
				return nil, io.ErrUnexpectedEOF
			}
			return next.RoundTrip(request)
		})
		text := strings.Replace(smoke, "  - name: instance\n", "  - name: instance\n    retry: 2\n", 1)
		r.provisions(text, Options{}, ExitOK, "pass instance", "pass key", "pass call", deletedKey, deletedInstance)
	})
}

// TestRowsProvision: each row has its own.
func TestRowsProvision(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		text := "name: Rows\nrow-name: ${row.n}\ndata: [{n: a}, {n: b}, {n: c}]\nsteps:\n" + strings.ReplaceAll(instanceStep+keyStep+callStep, "smoke-${run.id}", "${row.n}-${run.id}")
		before := r.state()
		p := r.provision(t.Context(), text, Options{Parallel: 3})
		want := map[string]int{"pass instance": 3, "pass key": 3, "pass call": 3}
		for _, n := range []string{"a", "b", "c"} {
			want["pass delete service key smoke-key of "+n+"-RUN"] = 1
			want["pass delete service instance "+n+"-RUN"] = 1
		}
		got := map[string]int{}
		for _, e := range p.ends {
			got[e]++
		}
		if !maps.Equal(got, want) || r.state() != before {
			t.Errorf("%v", got)
		}
		for _, e := range p.events {
			if e.Event == StepEnd && e.Cleanup && (e.Row == "" || !strings.Contains(e.Step, e.Row+"-")) {
				t.Errorf("%s in row %q", e.Step, e.Row)
			}
		}
	})
}

// TestIncludeOnceProvisions: what a file created that runs once belongs to the
// run and goes at its end.
func TestIncludeOnceProvisions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.write("_platform.yaml", "steps:\n"+instanceStep+keyStep)
		scenario := func(name, wait string) string {
			return "name: " + name + "\nsteps:\n  - include: {file: _platform.yaml, once: true}\n  - wait: " + wait + "\n" + callStep
		}
		p := r.provisions(scenario("A", "1s")+"---\n"+scenario("B", "1m"), Options{Parallel: 2}, ExitOK,
			"pass instance", "pass key", "pass include _platform.yaml", "pass include _platform.yaml", "pass wait 1s", "pass call", "pass wait 1m", "pass call", deletedKey, deletedInstance)
		if r.sent("POST", "/v3/service_instances") != 1 {
			t.Errorf("created more than once")
		}
		for _, e := range p.events {
			if strings.HasPrefix(e.Step, "delete ") && !strings.HasPrefix(e.Scenario, "include ") {
				t.Errorf("%s belongs to %s", e.Step, e.Scenario)
			}
		}
	})
}
