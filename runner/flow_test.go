package runner

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// spans gives for each unit of a run when it began and ended.
type span struct{ from, to time.Time }

func spans(events []Event) map[string]span {
	out := map[string]span{}
	for _, e := range events {
		name := e.Scenario
		if e.Row != "" {
			name += "[" + e.Row + "]"
		}
		s := out[name]
		switch e.Event {
		case ScenarioStart:
			s.from = e.Time
		case ScenarioEnd:
			s.to = e.Time
		default:
			continue
		}
		out[name] = s
	}
	return out
}

// ends gives the ends of scenarios as "id name[row] outcome".
func scenarioEnds(events []Event) []string {
	var out []string
	for _, e := range events {
		if e.Event != ScenarioEnd {
			continue
		}
		line := fmt.Sprintf("%d %s", e.ScenarioID, e.Scenario)
		if e.Row != "" {
			line += "[" + e.Row + "]"
		}
		line += " " + string(e.Outcome)
		if e.Flaky {
			line += " flaky"
		}
		if e.Err != nil {
			line += ": " + e.Err.Message
		}
		out = append(out, line)
	}
	return out
}

const rowScenario = `name: Rows
row-name: ${row.sku}
data:
  - {sku: A-100, wait: 3s, ok: true}
  - {sku: B-200, wait: 1s, ok: false}
  - {sku: C-300, wait: 1s, ok: true}
steps:
  - name: waits for ${row.sku}
    wait: ${row.wait}
  - name: only number ${row.index}
    when: row.ok
    set: {n: "${row.index}"}
`

func TestRows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		started := time.Now()
		events, summary := r.events(rowScenario, Options{Parallel: 4})
		r.want(scenarioEnds(events), []string{"1 Rows[A-100] pass", "2 Rows[B-200] pass", "3 Rows[C-300] pass"})
		if d := time.Since(started).Round(time.Second); d != 5*time.Second {
			t.Errorf("in file order they take 5s, took %v", d)
		}
		if summary.Scenarios.Total != 3 || summary.Steps.Total != 6 || summary.Steps.Skipped != 1 {
			t.Errorf("%+v", summary)
		}
		var starts []string
		for _, e := range events {
			if e.Event == ScenarioStart {
				starts = append(starts, fmt.Sprintf("%d %s %d/%d", e.ScenarioID, e.Row, e.RowIndex, e.Rows))
			}
		}
		r.want(starts, []string{"1 A-100 1/3", "2 B-200 2/3", "3 C-300 3/3"})
	})
}

func TestRowsOfAFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.write("data/rows.csv", "sku,qty\r\nA-100,007\r\nB-200,8\r\n")
		text := "name: Rows\nvars: {name: rows}\ndata: {file: \"data/${name}.csv\", parallel: 8}\nsteps:\n  - name: ${row.sku} ${row.qty} ${int(row.qty) + 1}\n    wait: 2s\n"
		started := time.Now()
		events, _ := r.events(text, Options{Parallel: 2})
		var names []string
		for _, e := range events {
			if e.Event == StepEnd {
				names = append(names, fmt.Sprintf("[%s] %s", e.Row, e.Step))
			}
		}
		slices.Sort(names)
		r.want(names, []string{"[1] A-100 007 8", "[2] B-200 8 9"})
		if d := time.Since(started).Round(time.Second); d != 2*time.Second {
			t.Errorf("side by side they take 2s, took %v", d)
		}
	})
}

// TestRowsShareTheWorkers: parallel rows run within --parallel.
func TestRowsShareTheWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.write("rows.csv", "n\n"+strings.Repeat("1\n", 10))
		text := "name: Rows\ndata: {file: rows.csv, parallel: 5}\nsteps:\n  - wait: 1s\n---\nname: Other\nsteps:\n  - wait: 1s\n"
		for parallel, want := range map[int]time.Duration{1: 11 * time.Second, 2: 6 * time.Second, 32: 2 * time.Second} {
			started := time.Now()
			_, summary := r.events(text, Options{Parallel: parallel})
			if d := time.Since(started).Round(time.Second); d != want || summary.Scenarios.Passed != 11 {
				t.Errorf("parallel %d: %v, want %v; %+v", parallel, d, want, summary.Scenarios)
			}
		}
	})
}

func TestFailedRowDoesNotStopTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		text := "name: Rows\ndata: [{want: 1}, {want: 2}]\nsteps:\n  - call: {POST: /http/echo, credential: sender, json: 2}\n    expect: {json: {json: \"${row.want}\"}}\n"
		events, summary := r.events(text, Options{})
		r.want(scenarioEnds(events), []string{"1 Rows[1] fail", "2 Rows[2] pass"})
		if summary.Steps.Failed != 1 || summary.Steps.Passed != 1 || summary.ExitStatus != ExitAssertion {
			t.Errorf("%+v", summary)
		}
	})
}

func TestDataOption(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.write("other.csv", "sku\nX-1\nX-2\n")
		text := "name: With\ndata: [{sku: A}]\nsteps:\n  - name: ${row.sku}\n    wait: 0s\n---\nname: Uses\nsteps:\n  - name: uses ${row.sku}\n    wait: 0s\n---\nname: Not\nsteps:\n  - wait: 0s\n"
		events, _ := r.events(text, Options{Data: r.dir + "/other.csv", DataShown: "other.csv"})
		r.want(scenarioEnds(events), []string{"1 With[1] pass", "2 With[2] pass", "3 Uses[1] pass", "4 Uses[2] pass", "5 Not pass"})
	})
}

func TestRowMistakes(t *testing.T) {
	for name, c := range map[string]struct {
		text, want string
	}{
		"no column":        {"name: R\ndata: [{sku: A}]\nsteps:\n  - name: ${row.sko}\n    wait: 0s\n", `scenario.yaml:4:13: the data has no column "sko"; did you mean row.sku?`},
		"not in every row": {"name: R\ndata: [{sku: A, n: 1}, {sku: B}]\nsteps:\n  - name: ${row.n}\n    wait: 0s\n", `scenario.yaml:4:11: not every row has a column "n": the one at scenario.yaml:2:24 has none`},
		"no data":          {"name: R\nsteps:\n  - name: ${row.n}\n    wait: 0s\n", `scenario.yaml:3:13: unknown name "row": the scenario has no data`},
		"row-name":         {"name: R\nrow-name: x\nsteps:\n  - wait: 0s\n", "scenario.yaml:2:11: row-name names data rows, and the scenario has no data"},
		"name":             {"name: R ${row.n}\ndata: [{n: 1}]\nsteps:\n  - wait: 0s\n", "scenario.yaml:1:7: the name of a scenario is that of all its rows"},
		"no file":          {"name: R\ndata: no.csv\nsteps:\n  - wait: 0s\n", `scenario.yaml:2:7: `},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			got := r.mistakes(c.text, Options{})
			if len(got) != 1 || !strings.HasPrefix(got[0], c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	r := newRig(t)
	if got := r.mistakes("name: R\ndata: [{sku: A, n: 1}, {sku: B}]\nsteps:\n  - name: ${row.n ?? \"none\"}\n    wait: 0s\n", Options{}); len(got) > 0 {
		t.Errorf("a column with a default: %q", got)
	}
}

// TestRowsChange: what was checked before the run is not what the run finds.
func TestRowsChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.write("rows.csv", "n\n1\n2\n3\n")
		plan := r.plan("name: Rows\ndata: rows.csv\nsteps:\n  - wait: 1s\n", Options{})
		r.write("rows.csv", "n\n1\n")
		var ends []string
		summary, err := plan.Run(t.Context(), func(batch []*Event) {
			for _, e := range batch {
				if e.Event == ScenarioEnd {
					ends = append(ends, e.Row+" "+string(e.Outcome))
				}
			}
		})
		if err != nil || summary.ExitStatus == ExitOK || summary.Scenarios.Total != 3 || summary.Scenarios.Errors == 0 {
			t.Errorf("%v %+v %q", err, summary, ends)
		}
	})
}

func TestLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		var text []string
		for i, lock := range []string{"[a]", "[a, b]", "[b]", "[]", "[c]"} {
			text = append(text, fmt.Sprintf("name: S%d\nlock: %s\nsteps:\n  - wait: 2s\n", i, lock))
		}
		started := time.Now()
		events, _ := r.events(strings.Join(text, "---\n"), Options{Parallel: 3})
		if d := time.Since(started).Round(time.Second); d != 4*time.Second {
			t.Errorf("took %v, want 4s: those without a common lock run at the same time", d)
		}
		s := spans(events)
		for _, pair := range [][2]string{{"S0", "S1"}, {"S1", "S2"}} {
			a, b := s[pair[0]], s[pair[1]]
			if a.from.Before(b.to) && b.from.Before(a.to) {
				t.Errorf("%s and %s ran at the same time", pair[0], pair[1])
			}
		}
	})
}

func TestLockedRows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.write("rows.csv", "n\n1\n2\n3\n")
		started := time.Now()
		r.events("name: R\nlock: [a]\ndata: {file: rows.csv, parallel: 3}\nsteps:\n  - wait: 1s\n---\nname: S\nlock: [a]\nsteps:\n  - wait: 1s\n", Options{Parallel: 8})
		if d := time.Since(started).Round(time.Second); d != 4*time.Second {
			t.Errorf("took %v, want 4s: rows of a locked scenario run one after another", d)
		}
	})
}

func TestScenarioRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.transport = &answers{list: []answer{{500, "", ""}, {500, "", ""}, {200, "", "{}"}}}
		events, summary := r.events(getJob+"cleanup:\n  - wait: 1s\n", Options{Retries: 2})
		r.want(scenarioEnds(events), []string{"1 Job pass flaky"})
		if summary.ExitStatus != 0 || summary.Scenarios.Total != 1 || summary.Scenarios.Flaky != 1 || summary.Steps.Total != 2 {
			t.Errorf("%+v", summary)
		}
		starts := 0
		for _, e := range events {
			if e.Event == ScenarioStart {
				starts++
			}
		}
		if starts != 3 {
			t.Errorf("started %d times", starts)
		}
		r.transport = &answers{list: []answer{{500, "", ""}}}
		events, summary = r.events(getJob, Options{Retries: 1})
		r.want(scenarioEnds(events), []string{"1 Job fail"})
		if summary.ExitStatus != ExitAssertion || summary.Scenarios.Failed != 1 {
			t.Errorf("%+v", summary)
		}
	})
}

// numbered scenarios that only pass.
func numberedScenarios(n int) string {
	var text []string
	for i := range n {
		text = append(text, fmt.Sprintf("name: S%d\nsteps:\n  - wait: 1s\n", i))
	}
	return strings.Join(text, "---\n")
}

func names(events []Event) []string {
	var out []string
	for _, e := range events {
		if e.Event == ScenarioStart {
			out = append(out, e.Scenario)
		}
	}
	return out
}

func TestShards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		for _, n := range []int{1, 3, 4, 17} {
			seen := map[string]int{}
			for i := 1; i <= 4; i++ {
				events, _ := r.events(numberedScenarios(n), Options{Shard: Shard{Index: i, Count: 4}})
				again, _ := r.events(numberedScenarios(n), Options{Shard: Shard{Index: i, Count: 4}})
				r.want(names(events), names(again))
				if k := len(names(events)); k != n/4 && k != n/4+1 {
					t.Errorf("shard %d of 4 of %d has %d", i, n, k)
				}
				for _, name := range names(events) {
					seen[name]++
				}
			}
			for name, times := range seen {
				if times != 1 {
					t.Errorf("%s ran %d times", name, times)
				}
			}
			if len(seen) != n {
				t.Errorf("%d of %d ran", len(seen), n)
			}
		}
	})
}

func TestShardsByDuration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		durations := map[Identity]time.Duration{}
		for i, d := range []time.Duration{60, 10, 10, 10, 10, 10, 10} {
			durations[Identity{File: "scenario.yaml", Document: fmt.Sprintf("s%d", i), Scenario: fmt.Sprintf("S%d", i)}] = d * time.Second
		}
		var got []string
		for i := 1; i <= 2; i++ {
			events, _ := r.events(numberedScenarios(7), Options{Shard: Shard{Index: i, Count: 2, Durations: durations}})
			got = append(got, strings.Join(names(events), " "))
		}
		r.want(got, []string{"S0", "S1 S2 S3 S4 S5 S6"})
	})
}

func TestSeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		order := func(seed int64) string {
			events, _ := r.events(numberedScenarios(12), Options{Seed: seed})
			for _, e := range events {
				if e.Event == RunStart && e.Info.Seed != seed {
					t.Errorf("run-start tells seed %d", e.Info.Seed)
				}
			}
			return strings.Join(names(events), " ")
		}
		if a, b := order(7), order(7); a != b {
			t.Errorf("one seed, two orders:\n%s\n%s", a, b)
		}
		if a, b := order(7), order(0); a == b || order(8) == a {
			t.Errorf("the seed changes nothing: %s", a)
		}
	})
}

func TestRerunFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		text := rowScenario + "---\nname: Other\nsteps:\n  - wait: 0s\n---\nname: Third ${run.id}\nsteps:\n  - wait: 0s\n"
		o := Options{Failed: []Identity{
			{File: "scenario.yaml", Document: "rows", Scenario: "Rows", Row: "B-200"},
			{File: "scenario.yaml", Document: "rows", Scenario: "Rows", Row: "C-300"},
			{File: "scenario.yaml", Document: "third-run-id", Scenario: "Third abc"},
			{File: "gone.yaml", Scenario: "Gone"},
		}}
		plan := r.plan(text, o)
		var got []string
		for _, id := range plan.Lost() {
			got = append(got, id.File)
		}
		r.want(got, []string{"gone.yaml"})
		events, _ := r.events(text, o)
		ends := scenarioEnds(events)
		r.want(ends[:2], []string{"1 Rows[B-200] pass", "2 Rows[C-300] pass"})
		if len(ends) != 3 || !strings.HasPrefix(ends[2], "3 Third ") {
			t.Errorf("%q", ends)
		}
	})
}

func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		wire := &answers{list: []answer{{200, "", "{}"}}}
		r.transport = wire
		var text []string
		for i := range 11 {
			text = append(text, strings.Replace(getJob, "Job", fmt.Sprintf("Job %d", i), 1))
		}
		started := time.Now()
		r.events(strings.Join(text, "---\n"), Options{Parallel: 8, Rate: 5})
		if d := time.Since(started); d < 2*time.Second || d > 2200*time.Millisecond || len(wire.sent) != 11 {
			t.Errorf("11 requests at 5 a second take 2s, took %v for %d", d, len(wire.sent))
		}
	})
}

const login = `params: [user]
steps:
  - name: log in as ${user}
    call: {GET: "http://127.0.0.1/login/${user}"}
    capture: {session: {json: session}}
cleanup:
  - name: log out ${user}
    call: {GET: "http://127.0.0.1/logout/${user}"}
`

func TestInclude(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		wire := &answers{list: []answer{{200, "", `{"session":"s-1"}`}}}
		r.transport = wire
		r.write("_common/login.yaml", login)
		r.write("_common/deep/both.yaml", "params: [user]\nsteps:\n  - include: {file: ../login.yaml, with: {user: \"${user}-deep\"}}\n  - name: in between\n    wait: 0s\n")
		ends, _ := r.run(t.Context(), `name: Includes
vars: {user: outside}
steps:
  - include: {file: _common/login.yaml, with: {user: anna}}
  - include: {file: _common/deep/both.yaml, with: {user: "${session}"}}
  - name: after ${user} ${session}
    wait: 0s
  - name: left out
    when: session == "s-2"
    include: {file: _common/login.yaml, with: {user: bert}}
cleanup:
  - name: own cleanup
    wait: 0s
`, Options{})
		r.want(ends, []string{
			"pass include _common/login.yaml",
			"pass log in as anna",
			"pass include _common/deep/both.yaml",
			"pass include ../login.yaml",
			"pass log in as s-1-deep",
			"pass in between",
			"pass after outside s-1",
			`skip left out: when: session == "s-2"`,
			`skip log in as ${user}: when: session == "s-2"`,
			"pass own cleanup",
			`skip log out ${user}: when: session == "s-2"`,
			"pass log out s-1-deep",
			"pass log out anna",
		})
		r.want(wire.sent, []string{"GET /login/anna", "GET /login/s-1-deep", "GET /logout/s-1-deep", "GET /logout/anna"})
	})
}

func TestIncludeGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.transport = &answers{list: []answer{{500, "", ""}, {200, "", "{}"}}}
		r.write("_two.yaml", "steps:\n  - call: {GET: \"http://127.0.0.1/a\"}\n  - call: {GET: \"http://127.0.0.1/b\"}\ncleanup:\n  - name: tidy\n    wait: 0s\n")
		ends, _ := r.run(t.Context(), "name: I\nsteps:\n  - include: {file: _two.yaml}\n    on-failure: continue\n  - wait: 0s\n", Options{})
		r.want(ends, []string{
			"pass include _two.yaml",
			"fail GET http://127.0.0.1/a: status: want 2xx, got 500",
			`skip GET http://127.0.0.1/b: the step "GET http://127.0.0.1/a" did not pass`,
			"pass wait 0s",
			"pass tidy",
		})
	})
}

func TestIncludeMistakes(t *testing.T) {
	r := newRig(t)
	r.write("_login.yaml", login)
	r.write("_a.yaml", "steps:\n  - include: {file: _b.yaml}\n")
	r.write("_b.yaml", "steps:\n  - include: {file: _a.yaml}\n")
	r.write("_wrong.yaml", "steps:\n  - cal: {GET: /x}\n")
	for name, c := range map[string]struct{ step, want string }{
		"circle":       {"include: {file: _a.yaml}", "_b.yaml:2:21: the files include each other in a circle: _a.yaml → _b.yaml → _a.yaml"},
		"not declared": {"include: {file: _login.yaml, with: {user: a, usr: b}}", `scenario.yaml:3:50: _login.yaml declares no parameter "usr"; did you mean "user"?`},
		"not given":    {"include: {file: _login.yaml}", `scenario.yaml:3:5: _login.yaml wants a parameter "user", and with does not give it`},
		"not there":    {"include: {file: _no.yaml}", `scenario.yaml:3:21: `},
		"retry":        {"include: {file: _login.yaml, with: {user: a}}\n    retry: 3", `scenario.yaml:4:12: an include cannot have "retry"; the steps of its file can`},
		"inside":       {"include: {file: _wrong.yaml}\n  - include: {file: _wrong.yaml}", `_wrong.yaml:2:5: unknown key "cal" in step; did you mean "call"?`},
		"once":         {"set: {a: 1}\n  - include: {file: _login.yaml, with: {user: \"${a}\"}, once: true}", `scenario.yaml:4:21: the parameter "user" of an include that runs once cannot be known before the run: `},
	} {
		t.Run(name, func(t *testing.T) {
			rig := *r
			rig.t = t
			got := rig.mistakes("name: I\nsteps:\n  - "+c.step+"\n", Options{})
			if len(got) != 1 || !strings.HasPrefix(got[0], c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// fortyIncludes are 40 scenarios that include the same file once.
func fortyIncludes() string {
	var text []string
	for i := range 40 {
		text = append(text, fmt.Sprintf("name: S%02d\nsteps:\n  - include: {file: _login.yaml, with: {user: anna}, once: true}\n  - call: {GET: \"http://127.0.0.1/%d/${session}\"}\n", i, i))
	}
	return strings.Join(text, "---\n")
}

func TestIncludeOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		wire := &answers{list: []answer{{200, "", `{"session":"s-1"}`}}}
		r.transport = wire
		r.write("_login.yaml", login)
		events, summary := r.events(fortyIncludes(), Options{Parallel: 16})
		if summary.ExitStatus != 0 || summary.Scenarios.Passed != 41 {
			t.Errorf("%+v", summary)
		}
		if wire.sent[0] != "GET /login/anna" || wire.sent[len(wire.sent)-1] != "GET /logout/anna" || len(wire.sent) != 42 {
			t.Errorf("%q", wire.sent)
		}
		last := events[len(events)-2]
		if last.Event != ScenarioEnd || last.Scenario != "include _login.yaml (user: anna)" || last.ScenarioID != 41 {
			t.Errorf("the included file ends last: %+v", last)
		}
	})
}

func TestIncludeOnceFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		wire := &answers{list: []answer{{500, "", ""}}}
		r.transport = wire
		r.write("_login.yaml", login)
		events, summary := r.events(fortyIncludes(), Options{Parallel: 16})
		errors := 0
		for _, e := range events {
			if e.Event == StepEnd && e.Kind == "include" {
				errors++
				if e.Outcome != Error || e.Err.Message != `"include _login.yaml (user: anna)", which runs once for all, did not pass: the step "log in as anna" did not pass` {
					t.Fatalf("%+v %+v", e, e.Err)
				}
			}
		}
		if errors != 40 || summary.Scenarios.Errors != 40 || summary.Scenarios.Failed != 1 {
			t.Errorf("%d errors, %+v", errors, summary.Scenarios)
		}
		r.want(wire.sent, []string{"GET /login/anna", "GET /logout/anna"})
	})
}

// TestIncludeOncePerRow: rows share what ran once.
func TestIncludeOncePerRow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		wire := &answers{list: []answer{{200, "", `{"session":"s-1"}`}}}
		r.transport = wire
		r.write("_login.yaml", login)
		r.write("rows.csv", "n\n1\n2\n3\n")
		text := "name: R\ndata: {file: rows.csv, parallel: 3}\nsteps:\n  - include: {file: _login.yaml, with: {user: anna}, once: true}\n  - call: {GET: \"http://127.0.0.1/${row.n}/${session}\"}\n"
		_, summary := r.events(text, Options{Parallel: 3})
		slices.Sort(wire.sent)
		r.want(wire.sent, []string{"GET /1/s-1", "GET /2/s-1", "GET /3/s-1", "GET /login/anna", "GET /logout/anna"})
		if summary.ExitStatus != 0 {
			t.Errorf("%+v", summary)
		}
	})
}

// TestIncludeOnceUnused: what nobody came to is skipped, and says so.
func TestIncludeOnceUnused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.write("_login.yaml", login)
		ends, summary := r.run(t.Context(), "name: S\nsteps:\n  - include: {file: _login.yaml, with: {user: anna}, once: true}\n    when: 1 > 2\n", Options{})
		r.want(ends, []string{
			"skip include _login.yaml: when: 1 > 2",
			"skip log in as anna: no scenario came to it", "skip log out anna: no scenario came to it",
		})
		if summary.ExitStatus != 0 || summary.Scenarios.Skipped != 2 {
			t.Errorf("%+v", summary)
		}
	})
}

// TestIncludeOnceInterrupted: a signal while all wait for it.
func TestIncludeOnceInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.write("_slow.yaml", "steps:\n  - wait: 10m\ncleanup:\n  - name: tidy\n    wait: 1s\n")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(3*time.Second, func() { cancel(Interrupted()) })
		ends, summary := r.run(ctx, "name: A\nsteps:\n  - include: {file: _slow.yaml, once: true}\n---\nname: B\nsteps:\n  - include: {file: _slow.yaml, once: true}\n", Options{Parallel: 2})
		slices.Sort(ends)
		r.want(ends, []string{
			"error include _slow.yaml: interrupted: interrupted", "error include _slow.yaml: interrupted: interrupted",
			"error wait 10m: interrupted: interrupted", "pass tidy",
		})
		if summary.ExitStatus != ExitInterrupted {
			t.Errorf("%+v", summary)
		}
	})
}

// paced answers after a second, and counts how many wait at a time.
type paced struct {
	mu        sync.Mutex
	now, most int
}

func (p *paced) RoundTrip(r *http.Request) (*http.Response, error) {
	p.mu.Lock()
	p.now++
	p.most = max(p.most, p.now)
	p.mu.Unlock()
	<-time.After(time.Second)
	p.mu.Lock()
	p.now--
	p.mu.Unlock()
	return (&answers{list: []answer{{200, "", "{}"}}}).RoundTrip(r)
}

func TestParallel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		wire := &paced{}
		r.transport = wire
		var text []string
		for i := range 20 {
			text = append(text, strings.Replace(getJob, "Job", fmt.Sprintf("Job %d", i), 1))
		}
		r.events(strings.Join(text, "---\n"), Options{Parallel: 5})
		if wire.most != 5 {
			t.Errorf("%d at a time, want 5", wire.most)
		}
	})
}

// TestMistakesOnce: one mistake, one message, also where a file is included or
// data is wrong.
func TestMistakesOnce(t *testing.T) {
	r := newRig(t)
	r.write("_bad.yaml", "params: [q]\nsteps:\n  - cal: {GET: /x}\n")
	r.write("_row.yaml", "steps:\n  - name: ${row.b}\n    wait: 0s\n")
	r.write("_param.yaml", "params: [p]\nsteps:\n  - set: {p: 2}\n")
	r.write("x.csv", "x\n1\n")
	for name, c := range map[string]struct {
		text string
		o    Options
		want []string
	}{
		"a broken file": {
			"name: A\nsteps:\n  - include: {file: _bad.yaml, with: {q: 1}}\n  - name: ${tk}\n    wait: 0s\n---\nname: B\nsteps:\n  - include: {file: _bad.yaml, with: {q: 1}}\n", Options{},
			[]string{`_bad.yaml:3:5: unknown key "cal" in step; did you mean "call"? (included at scenario.yaml:3:21)`},
		},
		"itself": {
			"name: A\nsteps:\n  - include: {file: scenario.yaml}\n", Options{},
			[]string{"scenario.yaml:3:21: the files include each other in a circle: scenario.yaml → scenario.yaml"},
		},
		"a row of another scenario": {
			"name: A\ndata: [{a: 1}]\nsteps:\n  - include: {file: _row.yaml}\n", Options{},
			[]string{`_row.yaml:2:13: the data has no column "b" (columns: a; included at scenario.yaml:4:21)`},
		},
		"a parameter that is set": {
			"name: A\nsteps:\n  - include: {file: _param.yaml, with: {p: 1}}\n", Options{},
			[]string{`_param.yaml:3:11: "p" is a parameter of the file; choose another name (included at scenario.yaml:3:21)`},
		},
		"once for all rows": {
			"name: A\ndata: [{a: 1}]\nsteps:\n  - include: {file: _param.yaml, with: {p: \"${row.a}\"}, once: true}\n", Options{},
			[]string{`scenario.yaml:4:21: the parameter "p" of an include that runs once cannot be known before the run: it is another one for each row (use values of env and vars, or leave out once)`},
		},
		"--data": {
			"name: A\ndata: [{y: 1}]\nsteps:\n  - name: ${row.y}\n    wait: 0s\n", Options{Data: r.dir + "/x.csv", DataShown: "x.csv"},
			[]string{`scenario.yaml:4:13: the data has no column "y" (columns: x; the data is x.csv, of --data)`},
		},
		"--data of another scenario": {
			"name: A\ndata: [{y: 1}]\nsteps:\n  - name: ${row.y}\n    wait: 0s\n---\nname: B\nsteps:\n  - name: ${row.x}\n    wait: 0s\n", Options{Data: r.dir + "/x.csv", DataShown: "x.csv", Name: "B"},
			nil,
		},
		"retry of what is no trouble": {
			getJob + "    retry: {on: [200, 503]}\n", Options{},
			[]string{"scenario.yaml:4:18: 200 is no status of trouble; retry is for 429, 502, 503, 504 and their kin (to wait for an answer, use poll)"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			rig := *r
			rig.t = t
			_, diags := rig.compile(c.text, c.o)
			var got []string
			for _, d := range diags.Sorted() {
				line := fmt.Sprintf("%s:%d:%d: %s", d.Pos.File, d.Pos.Line, d.Pos.Column, d.Message)
				if len(d.Hints) > 0 {
					line += " (" + strings.Join(d.Hints, "; ") + ")"
				}
				got = append(got, line)
			}
			rig.want(got, c.want)
		})
	}
}

// TestIncludedTwice: the cleanup of each include removes what it made.
func TestIncludedTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		wire := &answers{list: []answer{{200, "", `{"id":"1"}`}, {200, "", `{"id":"2"}`}, {500, "", "{}"}, {200, "", "{}"}}}
		r.transport = wire
		r.write("_make.yaml", `params: [user]
steps:
  - name: make ${user}
    call: {GET: "http://127.0.0.1/make/${user}"}
    capture: {made: {json: id}}
cleanup:
  - name: remove ${made} of ${user}
    call: {GET: "http://127.0.0.1/remove/${made}"}
`)
		ends, _ := r.run(t.Context(), `name: Twice
steps:
  - include: {file: _make.yaml, with: {user: dan}}
  - include: {file: _make.yaml, with: {user: eve}}
  - include: {file: _make.yaml, with: {user: sam}}
    on-failure: continue
  - name: the last is ${made}
    wait: 0s
`, Options{})
		r.want(ends, []string{
			"pass include _make.yaml", "pass make dan", "pass include _make.yaml", "pass make eve",
			"pass include _make.yaml", "fail make sam: status: want 2xx, got 500", "pass the last is 2",
			"skip remove ${made} of ${user}: made was never captured", "pass remove 2 of eve", "pass remove 1 of dan",
		})
	})
}

// TestPollRetryAfter: a poll waits no longer than its max, whatever a gateway
// asks for.
func TestPollRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.transport = &answers{list: []answer{{503, "Retry-After: 120", ""}, {200, "", "{}"}}}
		started := time.Now()
		_, summary := r.events(getJob+"    poll: {until: {status: 200}, every: 200ms, max: 1s, timeout: 3s}\n", Options{})
		if d := time.Since(started); summary.ExitStatus != 0 || d < time.Second || d > 1200*time.Millisecond {
			t.Errorf("exit status %d after %v", summary.ExitStatus, d)
		}
	})
}

// TestRerunRenamedRows: a row that is not there any more is told, one whose
// name holds the id of the run is found.
func TestRerunRenamedRows(t *testing.T) {
	r := newRig(t)
	text := "name: R\nrow-name: ${row.n} ${run.id}\ndata: [{n: a}, {n: b}, {n: c}]\nsteps:\n  - wait: 0s\n"
	plan := r.plan(text, Options{Failed: []Identity{
		{File: "scenario.yaml", Row: "b oldrun", Run: "oldrun"}, {File: "scenario.yaml", Row: "d oldrun", Run: "oldrun"},
	}})
	var lost []string
	for _, id := range plan.Lost() {
		lost = append(lost, id.Row)
	}
	r.want(lost, []string{"d oldrun"})
	if sc := plan.scenarios[0]; !slices.Equal(sc.selected, []int{2}) {
		t.Errorf("rows %v, want 2", sc.selected)
	}
	plan = r.plan(text, Options{Failed: []Identity{{File: "scenario.yaml", Row: ""}}})
	if sc := plan.scenarios[0]; sc.units != 3 {
		t.Errorf("%d rows, want all: the former run did not come to them", sc.units)
	}
}
