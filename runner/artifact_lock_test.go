package runner

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestArtifactTaken: a scenario whose artifact another one undeploys is told
// which, at once.
func TestArtifactTaken(t *testing.T) {
	const second = "---\nname: B\nsteps:\n  - wait: %s\n  - name: again\n    artifact: {id: Draft, credential: api, deploy: true}\n"
	const by = `: the scenario "A" has undeployed it; scenarios that deploy the same artifact want the same lock`
	for name, c := range map[string]struct {
		first, second string
		want          string
		most          time.Duration
	}{
		"is looked for": {
			deployDraft, "---\nname: B\nsteps:\n  - wait: 10s\n  - name: again\n    artifact: {id: Draft, credential: api}\n",
			`fail again: the artifact "Draft" is not deployed` + by, 11 * time.Second,
		},
		"is built meanwhile": {
			deployDraft + "  - wait: 3500ms\n", strings.Replace(second, "%s", "7s", 1),
			`fail again: the artifact "Draft" is not deployed any more` + by, 20 * time.Second,
		},
		"was built before": {
			deployDraft + "  - wait: 3500ms\n", strings.Replace(second, "%s", "4600ms", 1),
			`fail again: the artifact "Draft" is not deployed any more` + by, 20 * time.Second,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := configured(t, draftTenant+"deployment: {build: 2s, start: 2s}\n")
				gone := time.Time{}
				o := &overlay{RoundTripper: r.tenant.RoundTripper()}
				o.answer = func(method, _ string) (int, string) {
					if method == http.MethodDelete {
						gone = time.Now()
					}
					if method == http.MethodGet && !gone.IsZero() && name != "is looked for" && strings.HasPrefix(o.asked[len(o.asked)-1], "GET IntegrationRuntimeArtifacts(") {
						return 404, "{}" // whatever was deployed has gone
					}
					return 0, ""
				}
				r.transport = o
				began := time.Now()
				ends, _ := r.run(t.Context(), c.first+c.second, Options{Parallel: 2})
				got := ""
				for _, end := range ends {
					if strings.Contains(end, " again") {
						got = end
					}
				}
				r.want([]string{got}, []string{c.want})
				if d := time.Since(began); d > c.most {
					t.Errorf("after %s", d)
				}
				<-time.After(time.Minute)
			})
		})
	}
}

// TestSameArtifact: what may deploy one artifact side by side is told before
// the run.
func TestSameArtifact(t *testing.T) {
	const deploys = "steps:\n  - artifact: {id: Draft, credential: api, deploy: true}\n  - artifact: {id: Draft, credential: api, deploy: true}\n"
	second := `scenario.yaml:7:5: the scenario "B" deploys the artifact "Draft" as "A" does at scenario.yaml:3:5, and they share no lock`
	for name, c := range map[string]struct {
		text string
		o    Options
		want []string
	}{
		"two":              {"name: A\n" + deploys + "---\nname: B\n" + deploys, Options{Parallel: 2}, []string{strings.Replace(second, "7:5", "8:5", 1)}},
		"validated":        {"name: A\n" + deploys + "---\nname: B\n" + deploys, Options{Check: true}, []string{strings.Replace(second, "7:5", "8:5", 1)}},
		"three":            {"name: A\n" + deploys + "---\nname: B\n" + deploys + "---\nname: C\n" + deploys, Options{Parallel: 2}, []string{strings.Replace(second, "7:5", "8:5", 1), strings.NewReplacer("7:5", "13:5", `"B"`, `"C"`).Replace(second)}},
		"one at a time":    {"name: A\n" + deploys + "---\nname: B\n" + deploys, Options{}, nil},
		"locked":           {"name: A\nlock: [x, y]\n" + deploys + "---\nname: B\nlock: [y]\n" + deploys, Options{Parallel: 2}, nil},
		"locked apart":     {"name: A\nlock: [x]\n" + deploys + "---\nname: B\nlock: [y]\n" + deploys, Options{Parallel: 2}, []string{strings.NewReplacer("3:5", "4:5", "7:5", "10:5").Replace(second)}},
		"rows":             {"name: A\ndata: {file: rows.csv, parallel: 2}\n" + deploys, Options{Parallel: 2}, []string{`scenario.yaml:4:5: the rows run side by side, and each deploys the artifact "Draft"`}},
		"rows in turn":     {"name: A\ndata: [{a: 1}, {a: 2}]\n" + deploys, Options{Parallel: 2}, nil},
		"an ID of its own": {"name: A\ndata: {file: rows.csv, parallel: 2}\n" + strings.ReplaceAll(deploys, "id: Draft", `id: "D${row.a}"`), Options{Parallel: 2}, nil},
		"looks":            {"name: A\n" + deploys + "---\nname: B\nsteps:\n  - artifact: {id: Draft, credential: api}\n", Options{Parallel: 2}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.write("rows.csv", "a\n1\n2\n")
			r.want(r.mistakes(c.text, c.o), c.want)
		})
	}
}
