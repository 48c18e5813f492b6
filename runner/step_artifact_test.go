package runner

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
)

// overlay answers requests to the OData API itself, and leaves the rest to the
// sandbox.
type overlay struct {
	http.RoundTripper
	// answer gives status and body, 0 for what is left to the sandbox.
	answer func(method, resource string) (status int, body string)
	mu     sync.Mutex // answer is called by one at a time
	asked  []string
}

// RoundTrip implements http.RoundTripper.
func (o *overlay) RoundTrip(r *http.Request) (*http.Response, error) {
	_, resource, ok := strings.Cut(r.URL.Path, "/api/v1/")
	if !ok {
		return o.RoundTripper.RoundTrip(r)
	}
	o.mu.Lock()
	o.asked = append(o.asked, r.Method+" "+resource)
	status, body := o.answer(r.Method, resource)
	o.mu.Unlock()
	if status == 0 {
		return o.RoundTripper.RoundTrip(r)
	}
	header := http.Header{"Content-Type": {"application/json"}, "Date": {time.Now().UTC().Format(http.TimeFormat)}}
	if strings.HasPrefix(body, "<") {
		header.Set("Content-Type", "text/html")
	}
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(body)), ContentLength: -1, Request: r}, nil
}

// overlaid is a rig whose OData API answers as the function says.
func overlaid(t *testing.T, answer func(method, resource string) (int, string)) (*rig, *overlay) {
	r := newRig(t)
	o := &overlay{RoundTripper: r.tenant.RoundTripper(), answer: answer}
	r.transport = o
	return r, o
}

// runtimeArtifact is one as the platform describes it.
func runtimeArtifact(id, version, status string, deployed int64) string {
	return fmt.Sprintf(`{"d":{"__metadata":{"type":"x"},"Id":%q,"Version":%q,"Name":%q,"Type":"INTEGRATION_FLOW","DeployedBy":"u","DeployedOn":"/Date(%d)/","Status":%q,"ErrorInformation":{"__deferred":{"uri":"x"}}}}`, id, version, id, deployed, status)
}

// stepEnds gives the ends of steps whole.
func (r *rig) stepEnds(text string, o Options) ([]Event, Summary) {
	r.t.Helper()
	events, summary := r.events(text, o)
	return slices.DeleteFunc(events, func(e Event) bool { return e.Event != StepEnd }), summary
}

func TestArtifact(t *testing.T) {
	for name, c := range map[string]struct {
		steps string
		want  []string
		exit  int
	}{
		"started": {`  - artifact: {id: OrderIntake, credential: api, version: 1.0.0}
    expect: {json: {Status: STARTED, Type: INTEGRATION_FLOW, ErrorInformation: null, DeployedOn: {matches: '^/Date'}}, duration: {lt: 1s}}
    capture: {v: {json: Version}}
  - call: {GET: "/http/echo?v=${v}", credential: sender}
    expect: {json: {query.v: 1.0.0}}
`, []string{"pass artifact OrderIntake", "pass GET /http/echo?v=${v}"}, ExitOK},
		"another version": {"  - artifact: {id: OrderIntake, credential: api, version: \"${'1.0' + '.4'}\"}\n",
			[]string{`fail artifact OrderIntake: version: want "1.0.4", got "1.0.0"`}, ExitAssertion},
		"another state": {"  - artifact: {id: OrderIntake, credential: api, state: ERROR}\n",
			[]string{`fail artifact OrderIntake: state: want ERROR, got STARTED`}, ExitAssertion},
		"misspelt": {"  - artifact: {id: OrderIntke, credential: api}\n",
			[]string{`fail artifact OrderIntke: the artifact "OrderIntke" is not deployed; did you mean "OrderIntake"?`}, ExitAssertion},
		"unknown": {"  - artifact: {id: Qwertyuiop, credential: api}\n",
			[]string{`fail artifact Qwertyuiop: the artifact "Qwertyuiop" is not deployed; there are AsyncImport, Broken, CsrfProtected, Echo, Large, OrderIntake, OrderIntakeXml, Restricted, Slow, TemperatureSoap`}, ExitAssertion},
		"wrong plan": {"  - artifact: {id: OrderIntake, credential: sender}\n",
			[]string{`error artifact OrderIntake: credential: looking for the artifact "OrderIntake": GET http://api.sandbox.localhost/api/v1/IntegrationRuntimeArtifacts(%27OrderIntake%27) was answered 401: "Full authentication is required to access this resource"`}, ExitCredential},
		"empty": {"  - set: {id: ''}\n  - artifact: {id: \"${id}\", credential: api}\n",
			[]string{"pass set id", "error artifact ${id}: expression: the ID of the artifact is empty"}, ExitAssertion},
		"every mistake": {"  - artifact: {id: OrderIntake, credential: api, version: '2', state: STOPPING}\n    expect: {json: {Name: X}}\n",
			[]string{"fail artifact OrderIntake: state: want STOPPING, got STARTED | version: want \"2\", got \"1.0.0\" | json Name: want \"X\", got \"OrderIntake\""}, ExitAssertion},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				events, summary := r.stepEnds("name: A\nsteps:\n"+c.steps, Options{})
				r.want(inWords(events), c.want)
				if summary.ExitStatus != c.exit {
					t.Errorf("exit status %d, want %d", summary.ExitStatus, c.exit)
				}
			})
		})
	}
}

// inWords gives the ends of steps, one line each, with all failures.
func inWords(events []Event) []string {
	var out []string
	for _, e := range events {
		line := fmt.Sprintf("%s %s", e.Outcome, e.Step)
		if e.Err != nil {
			line += ": " + e.Err.Type + ": " + e.Err.Message
		}
		var all []string
		for _, f := range e.Failures {
			all = append(all, f.Message)
		}
		if len(all) > 0 {
			line += ": " + strings.Join(all, " | ")
		}
		out = append(out, line)
	}
	return out
}

// TestArtifactPlace: a failure stands at the key that says what is wanted.
func TestArtifactPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		events, _ := r.stepEnds("name: A\nsteps:\n  - artifact: {id: Echo, credential: api, version: 9, state: ERROR}\n", Options{})
		var places []string
		for _, f := range events[0].Failures {
			places = append(places, fmt.Sprintf("%d:%d %s want %s got %s", f.Line, f.Column, f.Subject, f.Want, f.Got))
		}
		r.want(places, []string{"3:62 state want ERROR got STARTED", "3:52 version want 9 got 1.0.0"})
		if x := events[0].Exchange; x == nil || x.Status != 200 || !strings.Contains(x.URL, "IntegrationRuntimeArtifacts") {
			t.Errorf("%+v", x)
		}
	})
}

// TestArtifactStarting: the step waits while the artifact starts, and no longer
// than it may.
func TestArtifactStarting(t *testing.T) {
	const generation = `{"message":{"subsystemName":"CONTENT","subsytemPartName":"CONTENT_DEPLOY","messageId":"GenerationFailed","messageText":""},"parameter":["The generation and build of the artifact were unsuccessful.\nSender address /orders is taken."]}`
	synctest.Test(t, func(t *testing.T) {
		for want, c := range map[string]struct {
			states []string
			limit  string
			exit   int
		}{
			"pass artifact F": {[]string{"STARTING", "STARTING", "STARTED"}, "1m", ExitOK},
			"fail artifact F: state: want STARTED, got ERROR: The generation and build of the artifact were unsuccessful.":        {[]string{"STARTING", "ERROR"}, "1m", ExitAssertion},
			`error artifact F: timeout: the step timeout of 20s is up: the artifact "F" is still STARTING, and STARTED is wanted`: {[]string{"STARTING"}, "20s", ExitUnknown},
			`fail artifact F: the artifact "F" is not deployed`:                                                                   {[]string{"STOPPING", ""}, "1m", ExitAssertion},
		} {
			states, informations := c.states, 0
			r, _ := overlaid(t, func(_, resource string) (int, string) {
				switch {
				case strings.HasSuffix(resource, "$value"):
					if informations++; informations < 3 {
						return 204, ""
					}
					return 200, generation
				case resource == "IntegrationRuntimeArtifacts":
					return 200, `{"d":{"results":[]}}`
				}
				state := states[0]
				if len(states) > 1 {
					states = states[1:]
				}
				if state == "" {
					return 404, `{"error":{"code":"Not Found","message":{"value":"Requested entity could not be found"}}}`
				}
				return 200, runtimeArtifact("F", "1", state, 1)
			})
			events, summary := r.stepEnds("name: A\nsteps:\n  - artifact: {id: F, credential: api}\n    timeout: "+c.limit+"\n", Options{})
			r.want(inWords(events), []string{want})
			if summary.ExitStatus != c.exit {
				t.Errorf("exit status %d, want %d", summary.ExitStatus, c.exit)
			}
			if slices.Contains(c.states, "ERROR") {
				r.want(events[0].Failures[0].Notes, []string{"The generation and build of the artifact were unsuccessful.", "Sender address /orders is taken."})
			}
		}
	})
}

// TestDeploy: a deployment is waited for twice, and the one before it does not
// count.
func TestDeploy(t *testing.T) {
	type platform struct {
		builds   []string // states of the build
		runtimes []string // bodies of the runtime artifact, after the deployment
	}
	started := func(deployed int64) string { return runtimeArtifact("F", "1.0.4", "STARTED", deployed) }
	synctest.Test(t, func(t *testing.T) {
		for want, c := range map[string]struct {
			platform
			before string
			exit   int
			waits  time.Duration
		}{
			"pass artifact F":  {platform{[]string{"DEPLOYING", "DEPLOYING", "SUCCESS"}, []string{started(1), runtimeArtifact("F", "1.0.4", "STARTING", 2), started(2)}}, started(1), ExitOK, 1250 * time.Millisecond},
			"pass artifact F ": {platform{[]string{"Success"}, []string{"", "", started(2)}}, "", ExitOK, 625 * time.Millisecond},
			// A platform that does not tell the deployments apart.
			"pass artifact F  ": {platform{[]string{"SUCCESS"}, []string{started(1)}}, started(1), ExitOK, 30 * time.Second},
			"fail artifact F: deploy: want SUCCESS, got FAIL: no such mapping":                                                          {platform{[]string{"DEPLOYING", "FAIL"}, nil}, started(1), ExitAssertion, 250 * time.Millisecond},
			"fail artifact F: state: want STARTED, got ERROR: no such mapping":                                                          {platform{[]string{"SUCCESS"}, []string{runtimeArtifact("F", "1.0.4", "ERROR", 2)}}, started(1), ExitAssertion, 0},
			`error artifact F: timeout: the step timeout of 2m is up: the deployment of the artifact "F" (task T-1) is still DEPLOYING`: {platform{[]string{"DEPLOYING"}, nil}, "", ExitUnknown, 2 * time.Minute},
			`error artifact F: timeout: the step timeout of 2m is up: the artifact "F" is still not there yet, and STARTED is wanted`:   {platform{[]string{"SUCCESS"}, []string{""}}, "", ExitUnknown, 2 * time.Minute},
		} {
			deployed, p := false, c.platform
			next := func(list *[]string) string {
				v := (*list)[0]
				if len(*list) > 1 {
					*list = (*list)[1:]
				}
				return v
			}
			r, o := overlaid(t, func(method, resource string) (int, string) {
				switch {
				case strings.HasPrefix(resource, "Deploy"):
					deployed = true
					return 202, "T-1"
				case strings.HasPrefix(resource, "Build"):
					return 200, `{"d":{"TaskId":"T-1","Status":"` + next(&p.builds) + `"}}`
				case strings.HasSuffix(resource, "$value"):
					return 200, "no such mapping"
				}
				body := c.before
				if deployed {
					body = next(&p.runtimes)
				}
				if body == "" {
					return 404, ""
				}
				return 200, body
			})
			began := time.Now()
			events, summary := r.stepEnds("name: A\nsteps:\n  - artifact: {id: F, credential: api, deploy: true, version: 1.0.4}\n    timeout: 2m\n", Options{})
			r.want(inWords(events), []string{strings.TrimRight(want, " ")})
			if d := time.Since(began); summary.ExitStatus != c.exit || d < c.waits || d > c.waits*13/10+15*time.Second {
				t.Errorf("exit status %d after %s, want %d after %s", summary.ExitStatus, d, c.exit, c.waits)
			}
			if n := len(slices.DeleteFunc(o.asked, func(s string) bool { return !strings.HasPrefix(s, "POST Deploy") })); n != 1 {
				t.Errorf("%d deployments", n)
			}
		}
	})
}

// TestDeployRefused: an ID that the design time does not have, and another
// reason, which the platform gives as a 500 with text.
func TestDeployRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for id, want := range map[string]string{
			"OrderIntke":  `fail artifact OrderIntke: the design time has no artifact "OrderIntke"; did you mean "OrderIntake"?`,
			"OrderIntake": `error artifact OrderIntake: platform: deploying the artifact "OrderIntake": POST http://api.sandbox.localhost/api/v1/DeployIntegrationDesigntimeArtifact was answered 500: "locked, or not there"`,
		} {
			r, _ := overlaid(t, func(method, resource string) (int, string) {
				switch {
				case strings.HasPrefix(resource, "Deploy"):
					return 500, "locked, or not there"
				case resource == "IntegrationPackages":
					return 200, `{"d":{"results":[{"Id":"P"}]}}`
				case strings.HasPrefix(resource, "IntegrationPackages"):
					return 200, `{"d":{"results":[{"Id":"OrderIntake"},{"Id":"Echo"}]}}`
				}
				return 404, ""
			})
			events, summary := r.stepEnds("name: A\nsteps:\n  - artifact: {id: "+id+", credential: api, deploy: true}\n", Options{})
			r.want(inWords(events), []string{want})
			if summary.ExitStatus != ExitAssertion {
				t.Errorf("exit status %d", summary.ExitStatus)
			}
		}
	})
}

// TestPlatformDown: an API that is out of order to the end says nothing of the
// flow; one that recovers says it late.
func TestPlatformDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, c := range map[string]struct {
			status int
			body   string
			want   string
			exit   int
		}{
			"503":  {503, "", "platform: looking for the artifact \"Echo\": GET http://api.sandbox.localhost/api/v1/IntegrationRuntimeArtifacts(%27Echo%27) was answered 503 with no text; it was asked again for half a minute", ExitUnknown},
			"429":  {429, "", "platform: looking for the artifact \"Echo\": GET http://api.sandbox.localhost/api/v1/IntegrationRuntimeArtifacts(%27Echo%27) was answered 429 with no text; it was asked again for half a minute", ExitUnknown},
			"page": {200, "<html><title>Log on</title></html>", "platform: looking for the artifact \"Echo\": GET http://api.sandbox.localhost/api/v1/IntegrationRuntimeArtifacts(%27Echo%27) was answered 200, but no entity of OData 2.0 ({\"d\":{…}}) came; the answer is a page (HTML), titled \"Log on\"", ExitUnknown},
			"403":  {403, `{"error":{"code":"Forbidden","message":{"value":"no"}}}`, "credential: looking for the artifact \"Echo\": GET http://api.sandbox.localhost/api/v1/IntegrationRuntimeArtifacts(%27Echo%27) was answered 403: \"no\"", ExitCredential},
		} {
			r, _ := overlaid(t, func(string, string) (int, string) { return c.status, c.body })
			began := time.Now()
			events, summary := r.stepEnds("name: A\nsteps:\n  - artifact: {id: Echo, credential: api}\n", Options{})
			r.want(inWords(events), []string{"error artifact Echo: " + c.want})
			if summary.ExitStatus != c.exit {
				t.Errorf("%s: exit status %d, want %d", name, summary.ExitStatus, c.exit)
			}
			if d := time.Since(began); d > 40*time.Second {
				t.Errorf("%s: after %s", name, d)
			}
		}
		down := map[string]int{}
		r, _ := overlaid(t, func(method, resource string) (int, string) {
			if down[resource]++; method == http.MethodGet && down[resource] <= 9 || method == http.MethodPut && down[resource] <= 5 {
				return 503, ""
			}
			return 0, ""
		})
		steps, _ := r.run(t.Context(), "name: A\nsteps:\n  - artifact: {id: Echo, credential: api, deploy: true, configuration: {Sender_Role: Another}}\n", Options{})
		r.want(steps[:1], []string{"pass artifact Echo"})
		r = newRig(t, "runtime-503:part=api,count=2")
		ends, summary := r.run(t.Context(), "name: A\nsteps:\n  - artifact: {id: Echo, credential: api}\n", Options{})
		r.want(ends, []string{"pass artifact Echo"})
		if summary.ExitStatus != ExitOK {
			t.Errorf("exit status %d", summary.ExitStatus)
		}
		r = newRig(t, "runtime-503:part=api,count=5")
		ends, _ = r.run(t.Context(), "name: A\nsteps:\n  - artifact: {id: Echo, credential: api}\n    retry: {attempts: 2, every: 1s}\n", Options{})
		r.want(ends, []string{"pass artifact Echo"})
	})
}

// TestArtifactMistakes: what can be known before the run is told then.
func TestArtifactMistakes(t *testing.T) {
	r := newRig(t)
	got := r.mistakes(`name: A
steps:
  - artifact: {id: "", credential: api}
  - artifact: {id: X, credential: apj, state: UP}
  - artifact: {credential: api}
  - message-log: {credential: api}
  - message-log: {id: a, artifact: b, credential: api}
  - message-log: {id: "", credential: api, wait-for: DONE}
  - message-log: {correlation-id: "", credential: apj}
`, Options{})
	want := []string{
		`scenario.yaml:3:20: the ID of the artifact is empty`,
		`scenario.yaml:4:47: state wants STARTED, STARTING, STOPPING or ERROR, got the text "UP"`,
		`scenario.yaml:5:15: artifact has no "id"`,
		`scenario.yaml:6:18: the step does not say which message log`,
		`scenario.yaml:7:26: the message log is told by its id already; one of the two is wanted`,
		`scenario.yaml:8:54: wait-for wants COMPLETED, FAILED, RETRY, ESCALATED, CANCELLED, DISCARDED, ABANDONED or PROCESSING, got the text "DONE"`,
		`scenario.yaml:9:35: correlation-id of the message log is empty`,
		`scenario.yaml:9:51: no credential "apj" is declared; did you mean "api"?`,
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestArtifactMadeCredential: a key that the scenario creates may look as well.
func TestArtifactMadeCredential(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		ends, summary := r.run(t.Context(), `name: A
steps:
  - service-instance:
      name: api-${run.id}
      plan: api
      parameters: {grant-types: [client_credentials], roles: [MonitoringDataRead]}
  - service-key: {name: key, instance: "api-${run.id}", credential: fresh}
  - name: looks
    artifact: {id: Echo, credential: fresh}
  - name: may not deploy
    artifact: {id: Echo, credential: fresh, deploy: true}
`, Options{Journal: t.TempDir()})
		if len(ends) < 4 || ends[2] != "pass looks" || !strings.HasPrefix(ends[3], "error may not deploy: credential: deploying the artifact \"Echo\": POST http") || summary.ExitStatus != ExitCredential {
			t.Errorf("exit status %d: %q", summary.ExitStatus, ends)
		}
	})
}
