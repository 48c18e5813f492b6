package report

import (
	"bytes"
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"iflowtest/runner"
)

var update = flag.Bool("update", false, "write the golden files")

// started is when the run of the tests began.
func started() time.Time { return time.Date(2026, 11, 30, 8, 15, 0, 0, time.UTC) }

// at gives a time of the run.
func at(ms int) time.Time { return started().Add(time.Duration(ms) * time.Millisecond) }

// scenario builds the events of one scenario.
type scenario struct {
	id        int
	name, row string
	rowIndex  int // from 1; 0: without rows
	rows      int
	file, doc string
	tags      []string
	ms        int // of the next event
	index     int
	events    []*runner.Event
}

func (s *scenario) emit(e runner.Event) *runner.Event {
	e.Run, e.Time = "k3f9qa", at(s.ms)
	e.ScenarioID, e.Scenario, e.Row, e.RowIndex, e.File, e.Document = s.id, s.name, s.row, s.rowIndex, s.file, s.doc
	if e.Event == runner.ScenarioStart {
		e.Rows = s.rows
	}
	s.events = append(s.events, &e)
	return &e
}

func (s *scenario) start() *scenario {
	s.emit(runner.Event{Event: runner.ScenarioStart, Line: 2, Column: 1, Tags: s.tags})
	s.index = 0
	return s
}

// step emits the start and, after ms, the end of a step.
func (s *scenario) step(name string, ms int, end runner.Event) *scenario {
	s.begin(name, end.Cleanup)
	return s.end(name, ms, end)
}

func (s *scenario) begin(name string, cleanup bool) *scenario {
	s.index++
	s.emit(runner.Event{Event: runner.StepStart, Step: name, Index: s.index, Kind: "call", Line: 10 + s.index, Column: 5, Cleanup: cleanup})
	return s
}

func (s *scenario) end(name string, ms int, end runner.Event) *scenario {
	s.ms += ms
	end.Event, end.Step, end.Index, end.Kind = runner.StepEnd, name, s.index, "call"
	end.Line, end.Column, end.DurationMs = 10+s.index, 5, float64(ms)
	s.emit(end)
	return s
}

// skip emits a step that was not reached: it has an end only.
func (s *scenario) skip(name, reason string) *scenario {
	s.index++
	return s.end(name, 0, runner.Event{Outcome: runner.Skip, Reason: reason})
}

func (s *scenario) done(o runner.Outcome, more ...runner.Event) []*runner.Event {
	e := runner.Event{}
	for _, m := range more {
		e = m
	}
	e.Event, e.Outcome = runner.ScenarioEnd, o
	e.DurationMs = float64(s.ms - int(s.events[0].Time.Sub(started()).Milliseconds()))
	s.emit(e)
	return s.events
}

func passed() runner.Event {
	return runner.Event{Outcome: runner.Pass, Exchange: &runner.Exchange{
		Method: "POST", URL: "https://tenant.example.com/http/orders", Status: 200,
		MessageID: "AGpyLongMessageIdentifier", Timings: &runner.Timings{DNS: 1, Connect: 2, TLS: 3.5, Wait: 100, Body: 1},
	}}
}

func wrongSKU() runner.Failure {
	return runner.Failure{
		File: "scenarios/orders.yaml", Line: 21, Column: 9, Width: 11, Source: "        items.0.sku: A-100",
		Code: "assertion", Subject: "json", Path: "items.0.sku", Operator: "equals", Want: `"A-100"`, Got: "nothing",
		Message: `json items.0.sku: want "A-100", got nothing`, Notes: []string{"items exists and has 0 elements"},
	}
}

func failed() runner.Event {
	return runner.Event{
		Outcome: runner.Fail,
		Failures: []runner.Failure{wrongSKU(), {
			File: "scenarios/orders.yaml", Line: 22, Column: 7, Width: 4, Source: "      body: <ok/>",
			Code: "assertion", Subject: "body", Want: "<ok/>", Got: "<no/>", Message: "body differs", Diff: "-<ok/>\n+<no/>\n",
		}},
		Exchange: &runner.Exchange{
			Method: "POST", URL: "https://tenant.example.com/http/orders",
			RequestHeaders: []runner.HeaderField{{Name: "Authorization", Value: "Bearer ***(sender.token)"}, {Name: "Content-Type", Value: "application/json"}},
			RequestBody:    `{"sku":"A-100"}`, Status: 200,
			Headers: []runner.HeaderField{{Name: "Content-Type", Value: "application/json"}},
			Body:    "{\"items\":[]} ]]> \x00\uFFFE", BodySize: 40, MessageID: "AGpyLongMessageIdentifier",
			Timings: &runner.Timings{Wait: 180, Body: 2}, Curl: `curl -X POST 'https://tenant.example.com/http/orders' -H 'Authorization: Bearer $SENDER_TOKEN'`,
		},
	}
}

func broken() runner.Event {
	return runner.Event{
		Outcome: runner.Error, Attempts: 3,
		Err:      &runner.Problem{Type: runner.TypeNetwork, Message: "POST tenant.example.com: connection refused", Cure: "check the host and the port of the target"},
		Exchange: &runner.Exchange{Method: "POST", URL: "https://tenant.example.com/http/orders"},
	}
}

// sampleRun has one of everything, a list of events for each scenario.
func sampleRun() (begin *runner.Event, scenarios [][]*runner.Event, end *runner.Event) {
	begin = &runner.Event{Event: runner.RunStart, Time: at(0), Run: "k3f9qa", Info: &runner.RunInfo{
		Version: "1.4.0", Environment: "qa", Hosts: []string{"tenant.example.com", "uaa.example.com"}, Tags: "smoke && !slow",
		Seed: 4711, Scenarios: 10, Warnings: []string{"TLS certificates are not verified"},
	}}
	add := func(e []*runner.Event) { scenarios = append(scenarios, e) }

	add((&scenario{id: 1, name: "Health", file: "scenarios/smoke/health.yaml", tags: []string{"smoke"}}).start().
		step("answers", 107, passed()).step("answers", 95, passed()).done(runner.Pass))

	s := (&scenario{id: 2, name: "Order intake", file: "scenarios/orders.yaml", doc: "order-intake", row: "A-100", ms: 5, tags: []string{"orders", "smoke"}}).start()
	add(s.step("accepts an order", 182, failed()).skip("is processed", "the step before it failed").
		step("remove it", 30, runner.Event{Outcome: runner.Pass, Cleanup: true}).done(runner.Fail))
	add((&scenario{id: 3, name: "Order intake", file: "scenarios/orders.yaml", doc: "order-intake", row: "B-200", ms: 6}).start().
		step("accepts an order", 150, passed()).step("is processed", 1500, passed()).
		step("remove it", 31, runner.Event{Outcome: runner.Pass, Cleanup: true}).done(runner.Pass))

	flaky := (&scenario{id: 4, name: "Retries", file: "scenarios/orders.yaml", doc: "retries", ms: 7}).start().begin("comes round", false)
	first := failed()
	flaky.ms += 50
	first.Event, first.Step, first.Index, first.Attempts = runner.Attempt, "comes round", 1, 1
	flaky.emit(first)
	last := passed()
	last.Attempts, last.Flaky = 2, true
	add(flaky.end("comes round", 90, last).done(runner.Pass, runner.Event{Flaky: true}))

	add((&scenario{id: 5, name: "Not yet", file: "scenarios/later.yaml", ms: 8}).start().
		skip("sends", "skip: waits for IFT-12").skip("reads", "skip: waits for IFT-12").
		done(runner.Skip, runner.Event{Reason: "waits for IFT-12"}))
	add((&scenario{id: 6, name: "Unreachable <&> \"it\"", file: "scenarios/down.yml", ms: 9}).start().
		step("sends", 3000, broken()).
		step("remove\tit", 10, runner.Event{Outcome: runner.Error, Cleanup: true, Err: &runner.Problem{Type: runner.TypeCleanup, Message: "instance is still there"}}).
		done(runner.Error))
	add((&scenario{id: 7, name: "Too long", file: "scenarios/slow.yaml", ms: 10}).start().step("sends", 60500, passed()).
		done(runner.Error, runner.Event{Err: &runner.Problem{Type: runner.TypeTimeout, Message: "scenario took longer than its timeout of 1m", Cure: "raise timeout, or find out what is slow"}}))

	again := (&scenario{id: 8, name: "Second time", file: "scenarios/again.yaml", ms: 11}).start().step("sends", 20, broken())
	add(again.start().step("sends", 25, passed()).done(runner.Pass, runner.Event{Flaky: true, Attempts: 2}))

	// orders.yaml and orders.yml have one class name.
	add((&scenario{id: 9, name: "Twin", file: "scenarios/twin.yaml", ms: 12}).start().step("sends", 20, passed()).done(runner.Pass))
	add((&scenario{id: 10, name: "Twin", file: "scenarios/twin.yml", ms: 13}).start().step("sends", 20, passed()).done(runner.Pass))

	end = &runner.Event{Event: runner.RunEnd, Time: at(61000), Run: "k3f9qa", DurationMs: 61000, Outcome: runner.Error, Summary: &runner.Summary{
		Scenarios:  runner.Counts{Total: 10, Passed: 6, Failed: 1, Errors: 2, Skipped: 1, Flaky: 2},
		Steps:      runner.Counts{Total: 17, Passed: 11, Failed: 1, Errors: 2, Skipped: 3, Flaky: 1},
		ExitStatus: 5, ExitReason: "POST tenant.example.com: connection refused",
		LeftBehind: []string{"service instance iflowtest-k3f9qa-1"}, CleanupCommand: "iflowtest cleanup --run k3f9qa",
	}}
	return begin, scenarios, end
}

// inOrder gives the sample one scenario after the other.
func inOrder() []*runner.Event {
	begin, scenarios, end := sampleRun()
	events := []*runner.Event{begin}
	for _, s := range scenarios {
		events = append(events, s...)
	}
	return append(events, end)
}

// interleaved gives the sample as if all scenarios ran side by side.
func interleaved(r *rand.Rand) []*runner.Event {
	begin, scenarios, end := sampleRun()
	events := []*runner.Event{begin}
	for len(scenarios) > 0 {
		i := r.IntN(len(scenarios))
		events = append(events, scenarios[i][0])
		if scenarios[i] = scenarios[i][1:]; len(scenarios[i]) == 0 {
			scenarios = append(scenarios[:i], scenarios[i+1:]...)
		}
	}
	return append(events, end)
}

// feed gives events to r and closes it.
func feed(t testing.TB, r Reporter, events []*runner.Event) {
	t.Helper()
	for _, e := range events {
		if err := r.Event(e); err != nil {
			t.Fatalf("event %s: %v", e.Event, err)
		}
	}
	if err := r.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
}

// golden compares with a file of testdata/golden, which -update writes.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	compareFile(t, filepath.Join("testdata", "golden", name), got)
}

func compareFile(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want = bytes.ReplaceAll(want, []byte("\r\n"), []byte("\n"))
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s differs (-want +got), -update writes it:\n%s", file, d)
	}
}

func junitOf(t testing.TB, o JUnitOptions, events []*runner.Event) []byte {
	t.Helper()
	var b bytes.Buffer
	r, err := NewJUnit(&b, o)
	if err != nil {
		t.Fatal(err)
	}
	feed(t, r, events)
	return b.Bytes()
}

func consoleOf(t testing.TB, o ConsoleOptions, events []*runner.Event) []byte {
	t.Helper()
	var b bytes.Buffer
	o.Out = &b
	feed(t, NewConsole(o), events)
	return b.Bytes()
}
