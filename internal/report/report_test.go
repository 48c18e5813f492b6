package report

import (
	"bytes"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"iflowtest/runner"
)

func TestGolden(t *testing.T) {
	var lines bytes.Buffer
	feed(t, NewJSONLines(&lines), inOrder())
	golden(t, "run.jsonl", lines.Bytes())
	golden(t, "junit.xml", junitOf(t, JUnitOptions{Hostname: "ci-1"}, inOrder()))
	golden(t, "junit-places.xml", junitOf(t, JUnitOptions{Hostname: "ci-1", Places: true}, inOrder()))
	golden(t, "console.txt", consoleOf(t, ConsoleOptions{Reports: []string{"junit.xml", "run.jsonl"}}, inOrder()))
	golden(t, "console-verbose.txt", consoleOf(t, ConsoleOptions{Verbose: true}, inOrder()))
	golden(t, "console-quiet.txt", consoleOf(t, ConsoleOptions{Quiet: true}, inOrder()))
	golden(t, "console-color.txt", consoleOf(t, ConsoleOptions{Color: true, Terminal: true}, inOrder()))
}

// TestInterrupted cuts the run after each event: what is written is whole.
func TestInterrupted(t *testing.T) {
	events := inOrder()
	for n := range len(events) {
		checkJUnit(t, junitOf(t, JUnitOptions{Hostname: "ci-1"}, events[:n]), false)
		checkPlain(t, consoleOf(t, ConsoleOptions{}, events[:n]))
	}
	cutOff := events[:len(events)/3]
	golden(t, "interrupted.xml", junitOf(t, JUnitOptions{Hostname: "ci-1"}, cutOff))
	golden(t, "interrupted.txt", consoleOf(t, ConsoleOptions{}, cutOff))
}

// TestOrder runs the scenarios side by side in many ways: the bytes are those
// of one after the other.
func TestOrder(t *testing.T) {
	junit := string(junitOf(t, JUnitOptions{}, inOrder()))
	plain := string(consoleOf(t, ConsoleOptions{}, inOrder()))
	verbose := string(consoleOf(t, ConsoleOptions{Verbose: true}, inOrder()))
	for seed := range uint64(50) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			events := interleaved(rand.New(rand.NewPCG(seed, 1)))
			if d := cmp.Diff(junit, string(junitOf(t, JUnitOptions{}, events))); d != "" {
				t.Errorf("JUnit differs (-in order +interleaved):\n%s", d)
			}
			if d := cmp.Diff(plain, string(consoleOf(t, ConsoleOptions{}, events))); d != "" {
				t.Errorf("console differs (-in order +interleaved):\n%s", d)
			}
			if d := cmp.Diff(verbose, string(consoleOf(t, ConsoleOptions{Verbose: true}, events))); d != "" {
				t.Errorf("verbose console differs (-in order +interleaved):\n%s", d)
			}
		})
	}
}

// TestOutsideOfScenarios has steps that belong to no scenario that runs:
// deletions at the end of the run. They are reported, and nobody waits for a
// scenario-end.
func TestOutsideOfScenarios(t *testing.T) {
	first := &scenario{id: 1, name: "A", file: "a.yaml"}
	events := first.start().step("send", 1, passed()).done(runner.Pass)
	events = append(events, first.step("delete key", 2, runner.Event{Outcome: runner.Pass, Cleanup: true}).events[len(events):]...)
	deletions := &scenario{}
	deletions.step("delete instance", 3, runner.Event{Outcome: runner.Error, Cleanup: true, Err: &runner.Problem{Type: runner.TypeCleanup, Message: "still there"}})
	events = append(events, deletions.events...)

	root := checkJUnit(t, junitOf(t, JUnitOptions{}, events), false)
	want := []string{"scenario|delete instance", "a|send", "a|delete key"}
	if d := cmp.Diff(want, caseNames(root)); d != "" {
		t.Errorf("JUnit (-want +got):\n%s", d)
	}
	if root.Errors != 1 {
		t.Errorf("%d errors in JUnit, want 1", root.Errors)
	}
	got := string(consoleOf(t, ConsoleOptions{}, events))
	wantText := `PASS  a.yaml  A  (1 step, 1 ms)
ERROR outside of scenarios  (1 of 1 step failed, 3 ms)
PASS  a.yaml  A  (1 step, 2 ms)

Failures

ERROR delete instance (cleanup)
still there  [cleanup]

Scenarios: 1 (1 passed)
Steps:     3 (2 passed, 1 with errors)
FAIL: 1 scenario, 3 steps in 3 ms: the run ended before it was complete
`
	if d := cmp.Diff(wantText, got); d != "" {
		t.Errorf("console (-want +got):\n%s", d)
	}
}
