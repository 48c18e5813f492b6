package report

import (
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"iflowtest/runner"
)

// checkPlain looks for control characters.
func checkPlain(t *testing.T, text []byte) {
	t.Helper()
	for _, r := range string(text) {
		if r != '\n' && unicode.IsControl(r) {
			t.Fatalf("control character %U in\n%s", r, text)
		}
	}
	if len(text) == 0 || text[len(text)-1] != '\n' {
		t.Fatalf("no line at the end of %q", text)
	}
}

// scenarioLines gives what stands above the summary.
func scenarioLines(t *testing.T, o ConsoleOptions, events []*runner.Event) string {
	t.Helper()
	text := string(consoleOf(t, o, events))
	text, _, found := strings.Cut(text, "\nFailures\n")
	if !found {
		text, _, _ = strings.Cut(text, "\nScenarios:")
	}
	return text
}

func TestConsoleAttempts(t *testing.T) {
	attempt := func(s *scenario, n int, e runner.Event) {
		e.Event, e.Step, e.Index, e.Attempts, e.DurationMs = runner.Attempt, "sends", 1, n, 40
		s.emit(e)
	}
	end := func(e runner.Event, attempts int, flaky bool) runner.Event {
		e.Attempts, e.Flaky = attempts, flaky
		return e
	}
	notYet := runner.Event{Outcome: runner.Fail, Failures: []runner.Failure{{Code: "assertion", Message: `json status: want "done", got "running"`}}, Exchange: &runner.Exchange{Status: 200}}
	refused := runner.Event{Outcome: runner.Fail, Reason: "503 Service Unavailable", Exchange: &runner.Exchange{Status: 503}}

	polled := (&scenario{id: 1, name: "Polled", file: "a.yaml"}).start().begin("sends", false)
	attempt(polled, 1, notYet)
	attempt(polled, 2, notYet)
	events := polled.end("sends", 120, end(passed(), 3, false)).done(runner.Pass)

	// As the runner sends it, the scenario itself is not flaky.
	retried := (&scenario{id: 2, name: "Retried", file: "b.yaml"}).start().begin("sends", false)
	attempt(retried, 1, refused)
	attempt(retried, 2, broken())
	events = append(events, retried.end("sends", 120, end(passed(), 3, true)).done(runner.Pass)...)

	lost := (&scenario{id: 3, name: "Lost", file: "c.yaml"}).start().begin("sends", false)
	attempt(lost, 1, refused)
	events = append(events, lost.end("sends", 80, end(failed(), 2, false)).done(runner.Fail)...)

	again := (&scenario{id: 4, name: "Again", file: "d.yaml"}).start().step("sends", 1, failed()).start().step("sends", 1, broken()).
		start().step("sends", 1, passed())
	events = append(events, again.done(runner.Pass, runner.Event{Flaky: true, Attempts: 3})...)
	in := (&scenario{id: 5, name: "In vain", file: "e.yaml"}).start().step("sends", 1, failed()).start().step("sends", 1, failed())
	events = append(events, in.done(runner.Fail, runner.Event{Attempts: 2})...)

	want := `PASS  a.yaml  Polled  (1 step, 120 ms)
FLAKY b.yaml  Retried  (1 step, flaky: passed at attempt 3, 120 ms)
      sends: 503 Service Unavailable
FAIL  c.yaml  Lost  (1 of 1 step failed, 80 ms)
FLAKY d.yaml  Again  (1 step, flaky: passed at attempt 3, 3 ms)
      sends: json items.0.sku: want "A-100", got nothing
FAIL  e.yaml  In vain  (failed 2 times, 1 of 1 step failed, 2 ms)
`
	if d := cmp.Diff(want, scenarioLines(t, ConsoleOptions{}, events)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	want = `PASS  a.yaml  Polled  (1 step, 120 ms)
  PASS  sends  POST https://tenant.example.com/http/orders → 200 in 108 ms, message ID AGpyLongMessageIdentifier  120 ms, 3 attempts
        attempt 1: json status: want "done", got "running"  (200 in 40 ms)
        attempt 2: json status: want "done", got "running"  (200 in 40 ms)
FLAKY b.yaml  Retried  (1 step, flaky: passed at attempt 3, 120 ms)
  FLAKY sends  POST https://tenant.example.com/http/orders → 200 in 108 ms, message ID AGpyLongMessageIdentifier  120 ms, flaky: passed at attempt 3
        attempt 1: 503 Service Unavailable  (503 in 40 ms)
        attempt 2: POST tenant.example.com: connection refused  (40 ms)
FAIL  c.yaml  Lost  (1 of 1 step failed, 80 ms)
  FAIL  sends  POST https://tenant.example.com/http/orders → 200 in 182 ms, message ID AGpyLongMessageIdentifier  80 ms, 2 attempts
        attempt 1: 503 Service Unavailable  (503 in 40 ms)
FLAKY d.yaml  Again  (1 step, flaky: passed at attempt 3, 3 ms)
      try 1: sends: json items.0.sku: want "A-100", got nothing
      try 2: sends: POST tenant.example.com: connection refused
  PASS  sends  POST https://tenant.example.com/http/orders → 200 in 108 ms, message ID AGpyLongMessageIdentifier
FAIL  e.yaml  In vain  (failed 2 times, 1 of 1 step failed, 2 ms)
      try 1: sends: json items.0.sku: want "A-100", got nothing
  FAIL  sends  POST https://tenant.example.com/http/orders → 200 in 182 ms, message ID AGpyLongMessageIdentifier
`
	if d := cmp.Diff(want, scenarioLines(t, ConsoleOptions{Verbose: true}, events)); d != "" {
		t.Errorf("verbose (-want +got):\n%s", d)
	}
	text := string(consoleOf(t, ConsoleOptions{}, events))
	if n := strings.Count(text, "› sends\n"); n != 2 {
		t.Errorf("%d failures at the end, want those of c.yaml and of the last run of e.yaml:\n%s", n, text)
	}
}
