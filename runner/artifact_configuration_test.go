package runner

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"iflowtest/internal/sandbox"
)

// configurationOf gives the parameters of Draft, as "key=value".
func (r *rig) configurationOf() []string {
	r.t.Helper()
	outer := r.transport
	r.transport = nil
	defer func() { r.transport = outer }()
	events, _ := r.events(`name: Reads
steps:
  - name: reads
    call: {GET: "/IntegrationDesigntimeArtifacts(Id='Draft',Version='active')/Configurations", base: api, credential: api, headers: {Accept: application/json}}
    expect: {json: {d: none}}
`, Options{})
	for _, e := range events {
		if e.Event == StepEnd && e.Exchange != nil {
			var body struct {
				D struct {
					Results []struct{ ParameterKey, ParameterValue string }
				}
			}
			if err := json.Unmarshal([]byte(e.Exchange.Body), &body); err != nil {
				r.t.Fatal(err, e.Exchange.Body)
			}
			var all []string
			for _, p := range body.D.Results {
				all = append(all, p.ParameterKey+"="+p.ParameterValue)
			}
			return all
		}
	}
	r.t.Fatal("nothing was read")
	return nil
}

// changes counts what was sent that changes something, "method resource".
func (r *rig) changes() map[string]int {
	r.t.Helper()
	var all []struct{ Method, Path string }
	if err := json.Unmarshal([]byte(r.get(r.tenant.URL(sandbox.Control)+"/_sandbox/requests?part=api")), &all); err != nil {
		r.t.Fatal(err)
	}
	counts := map[string]int{}
	for _, q := range all {
		if q.Method != http.MethodGet {
			resource := q.Path[strings.LastIndex(q.Path, "/")+1:]
			counts[q.Method+" "+resource]++
		}
	}
	return counts
}

const restoredDraft = "pass restore the configuration of artifact Draft"

func TestConfiguration(t *testing.T) {
	deploy := func(configuration string) string {
		return "name: A\nvars: {address: /changed}\nsteps:\n  - artifact: {id: Draft, credential: api, deploy: true, undeploy: true, configuration: " + configuration + "}\n"
	}
	for name, c := range map[string]struct {
		text    string
		want    []string
		changes []string
		exit    int
	}{
		"changed": {deploy(`{Sender_Address: "${address}", Sender_Role: ESBMessaging.send}`),
			[]string{"pass artifact Draft", undeployDraft, restoredDraft},
			[]string{"DELETE IntegrationRuntimeArtifacts('Draft') 1", "POST DeployIntegrationDesigntimeArtifact 1", "PUT Configurations('Sender_Address') 2"}, ExitOK},
		"the same": {deploy(`{Sender_Address: /draft}`),
			[]string{"pass artifact Draft", undeployDraft},
			[]string{"DELETE IntegrationRuntimeArtifacts('Draft') 1", "POST DeployIntegrationDesigntimeArtifact 1"}, ExitOK},
		"twice": {deploy(`{Sender_Address: /one}`) + "  - name: again\n    artifact: {id: Draft, credential: api, deploy: true, configuration: {Sender_Address: /two, Sender_Role: Other}}\n",
			[]string{"pass artifact Draft", "pass again", undeployDraft, restoredDraft},
			[]string{"DELETE IntegrationRuntimeArtifacts('Draft') 1", "POST DeployIntegrationDesigntimeArtifact 2", "PUT Configurations('Sender_Address') 3", "PUT Configurations('Sender_Role') 2"}, ExitOK},
		"stays deployed": {strings.Replace(deploy(`{Sender_Address: /changed}`), "undeploy: true, ", "", 1),
			[]string{"pass artifact Draft", restoredDraft},
			[]string{"POST DeployIntegrationDesigntimeArtifact 2", "PUT Configurations('Sender_Address') 2"}, ExitOK},
		"was deployed before": {strings.Replace(deploy(`{Sender_Address: /changed}`), "steps:\n", "steps:\n  - artifact: {id: Echo, credential: api, deploy: true, undeploy: true, configuration: {Sender_Address: /other}}\n", 1),
			[]string{"pass artifact Echo", "pass artifact Draft", undeployDraft, restoredDraft, "skip undeploy artifact Echo: it was deployed before the step, which replaced it: what the step did not create it does not undeploy", "pass restore the configuration of artifact Echo"},
			[]string{"DELETE IntegrationRuntimeArtifacts('Draft') 1", "POST DeployIntegrationDesigntimeArtifact 3", "PUT Configurations('Sender_Address') 4"}, ExitOK},
		"misspelt": {deploy(`{Sender_Adress: /changed, Sender_Role: Other}`),
			[]string{`fail artifact Draft: the artifact "Draft" has no parameter "Sender_Adress"; did you mean "Sender_Address"?`}, nil, ExitAssertion},
		"unknown artifact": {strings.Replace(deploy(`{A: b}`), "id: Draft", "id: Drafft", 1),
			[]string{`fail artifact Drafft: the design time has no artifact "Drafft"; did you mean "Draft"?`}, nil, ExitAssertion},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := configured(t, draftTenant)
				before, state := r.configurationOf(), r.get(r.tenant.URL(sandbox.Control)+"/_sandbox/state")
				p := r.provision(t.Context(), c.text, Options{})
				r.want(p.ends, c.want)
				if p.summary.ExitStatus != c.exit {
					t.Errorf("exit status %d, want %d", p.summary.ExitStatus, c.exit)
				}
				var changes []string
				counts := r.changes()
				for _, what := range slices.Sorted(maps.Keys(counts)) {
					changes = append(changes, fmt.Sprintf("%s %d", what, counts[what]))
				}
				r.want(changes, c.changes)
				r.want(r.configurationOf(), before)
				if after := r.get(r.tenant.URL(sandbox.Control) + "/_sandbox/state"); name != "stays deployed" && after != state {
					t.Errorf("something is left: %s", cmp.Diff(state, after))
				}
				r.noJournal()
			})
		})
	}
}

// TestConfigurationLeft: what somebody else changed since is left alone, and
// what a killed run changed is told without values.
func TestConfigurationLeft(t *testing.T) {
	const text = "name: A\nsteps:\n  - artifact: {id: Draft, credential: api, deploy: true, configuration: {Sender_Address: /s3cret-value}}\n"
	synctest.Test(t, func(t *testing.T) {
		r := configured(t, draftTenant)
		p := r.provision(t.Context(), text+`  - call: {PUT: "/IntegrationDesigntimeArtifacts(Id='Draft',Version='active')/$links/Configurations('Sender_Address')", base: api, credential: api, json: {ParameterValue: /mine}}`+"\n", Options{})
		r.want(p.ends[2:], []string{`error restore the configuration of artifact Draft: cleanup: the parameter "Sender_Address" of the artifact "Draft" was changed by somebody else since; it is left alone`})
		r.want(r.configurationOf(), []string{"Sender_Address=/mine", "Sender_Role=ESBMessaging.send"})
		r.want(p.summary.LeftBehind, []string{"configuration of artifact Draft (Sender_Address)"})
		if p.summary.ExitStatus != ExitCleanup {
			t.Errorf("exit status %d", p.summary.ExitStatus)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		r := configured(t, draftTenant)
		p := r.killed(text+stays, time.Minute)
		journal := r.journals()[p.id+journalSuffix]
		if !strings.Contains(journal, "Sender_Address") || strings.Contains(journal, "s3cret") || strings.Contains(journal, "/http/draft") {
			t.Errorf("%s", journal)
		}
		told := "artifact-configuration Draft: left: the run changed Sender_Address, and no journal holds the former values: set them again with Configure in the design workspace of http://api.sandbox.localhost/api/v1"
		r.want(p.tidied(r, CleanupOptions{}), []string{told + ", then forget this with --run RUN"})
		r.want(p.tidied(r, CleanupOptions{Run: p.id, DryRun: true}), []string{told})
		r.want(p.tidied(r, CleanupOptions{Run: p.id}), []string{told})
		r.noJournal()
	})
}

// TestConfigurationSecret: a value whose parameter is named like a secret is
// nowhere, nor is the former one.
func TestConfigurationSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, o := overlaid(t, nil)
		value := "former-p4ssw0rd"
		o.answer = func(method, resource string) (int, string) {
			switch {
			case strings.HasSuffix(resource, "/Configurations"):
				return 200, `{"d":{"results":[{"ParameterKey":"Receiver_Password","ParameterValue":"` + value + `","DataType":"xsd:string"}]}}`
			case method == http.MethodPut:
				return 500, "no: former-p4ssw0rd is better than another-p4ssw0rd"
			}
			return 404, ""
		}
		events, _ := r.stepEnds("name: A\nsteps:\n  - artifact: {id: Draft, credential: api, deploy: true, configuration: {Receiver_Password: another-p4ssw0rd}}\n", Options{})
		all, err := json.Marshal(events)
		if err != nil || strings.Contains(string(all), "p4ssw0rd") || !strings.Contains(string(all), "is better than") {
			t.Errorf("%v %s", err, all)
		}
	})
}

// TestUndoMistakes: what can be known before the run is told then.
func TestUndoMistakes(t *testing.T) {
	r := newRig(t)
	r.want(r.mistakes(`name: A
steps:
  - artifact: {id: X, credential: api, undeploy: true}
  - artifact: {id: X, credential: api, configuration: {A: b}}
  - artifact: {id: X, credential: api, deploy: true, configuration: {A: [b], "${c}": d, E: "${f}"}}
  - artifact: {id: X, credential: api, deploy: true, configuration: {}}
`, Options{}), []string{
		"scenario.yaml:3:40: undeploy takes back what the step deploys, and it deploys nothing",
		"scenario.yaml:4:40: configuration is what the step deploys the artifact with, and it deploys nothing",
		"scenario.yaml:5:73: the parameter A is no single value; an externalized parameter is a text",
		"scenario.yaml:5:78: ${…} in the key \"${c}\" is never evaluated; only values are",
		"scenario.yaml:5:95: unknown name \"f\"",
		"scenario.yaml:6:69: configuration is empty",
	})
}

// TestUndoPlan: a plan says what would be deployed, and what taken back.
func TestUndoPlan(t *testing.T) {
	r := newRig(t)
	d := r.plan(`name: A
vars: {id: Draft}
steps:
  - artifact: {id: "${id}", credential: api, deploy: true, undeploy: true, configuration: {A: b, Secret: c}}
  - artifact: {id: Echo, credential: api}
  - artifact: {id: Echo, credential: api, deploy: true}
`, Options{Describe: true}).Describe()
	var got []string
	for _, st := range d.Scenarios[0].Steps {
		got = append(got, fmt.Sprint(st.Does, st.Deploys, st.Changes, st.Undeploys, st.Restores))
	}
	r.want(got, []string{
		"{id: Draft, deploy: true, undeploy: true, configuration: {A: b, Secret: ***}}[artifact Draft] [the configuration of artifact Draft: A, Secret] [artifact Draft, unless it was deployed before] [the configuration of artifact Draft: A, Secret]",
		"{id: Echo}[] [] [] []",
		"{id: Echo, deploy: true}[artifact Echo] [] [] []",
	})
}
