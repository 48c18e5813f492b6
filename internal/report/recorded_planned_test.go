package report

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"iflowtest/runner"
)

// planned is an entry of run-start.
func planned(id int, name string, rows int, steps ...string) runner.Planned {
	return runner.Planned{ScenarioID: id, Scenario: name, File: name + ".yaml", Rows: rows, Steps: steps}
}

// killed gives the events of a run that did not end.
func killed(run string, plan []runner.Planned, scenarios ...[]*runner.Event) []*runner.Event {
	events := shard(run, 0, scenarios...)
	events[0].Info.Planned = plan
	return events[:len(events)-1]
}

// one gives a row of a scenario with two steps.
func one(id, index, rows int, name, row string, o runner.Event) []*runner.Event {
	s := (&scenario{id: id, name: name, file: "rows.yaml", row: row, rowIndex: index, rows: rows}).start()
	return s.step("sends", 10, o).step("reads", 10, passed()).done(o.Outcome)
}

func plannedRows(id, rows int) runner.Planned {
	return runner.Planned{ScenarioID: id, Scenario: "rows", File: "rows.yaml", Rows: rows, Steps: []string{"sends", "reads"}}
}

// killedSample has a scenario that passed, one that was killed in its second
// step of four, rows of which two of five ran and one was under way, and one
// that was never begun.
func killedSample() []*runner.Event {
	open := (&scenario{id: 2, name: "open", file: "open.yaml"}).start().step("first", 10, passed()).begin("second", false)
	row := (&scenario{id: 5, name: "rows", file: "rows.yaml", row: "3", rowIndex: 3, rows: 5}).start().begin("sends", false)
	return killed("killed1", []runner.Planned{
		planned(1, "a", 0, "sends"), planned(2, "open", 0, "first", "second", "third", "clean"),
		plannedRows(3, 5), planned(8, "never", 0, "x", "y"),
	}, passing(1, "a"), open.events, one(3, 1, 5, "rows", "1", passed()), one(4, 2, 5, "rows", "2", passed()), row.events)
}

func TestReplayNeverReached(t *testing.T) {
	events := killedSample()
	for _, e := range events {
		e.Run = "killed1"
	}
	file := record(t, "killed.jsonl", events...)
	got, told := replayed(t, RecordedOptions{}, file)
	if len(told) > 0 {
		t.Errorf("told %q", told)
	}
	want := []string{
		"001 a pass", "002 open error", "003 rows [1] pass", "004 rows [2] pass", "005 rows [3] error", "006 rows skip", "008 never skip",
	}
	if d := cmp.Diff(want, outcomes(got)); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	wantSum := &runner.Summary{
		Scenarios:  runner.Counts{Total: 7, Passed: 3, Errors: 2, Skipped: 2},
		Steps:      runner.Counts{Total: 15, Passed: 6, Errors: 2, Skipped: 7},
		ExitStatus: 130, ExitReason: "the run did not end",
	}
	if d := cmp.Diff(wantSum, summaryOf(t, got)); d != "" {
		t.Errorf("summary -want +got:\n%s", d)
	}

	const lines = `environment qa: tenant.example.com
PASS  a.yaml  a  (1 step, 10 ms)
ERROR open.yaml  open  (1 of 4 steps failed, 2 skipped, 20 ms)
ERROR rows.yaml  rows [3]  (1 of 2 steps failed, 1 skipped, 20 ms)
SKIP  rows.yaml  rows  (2 of 5 rows not reached: the run did not end)
ERROR rows.yaml  rows  (3 of 5 rows: 2 passed, 1 with errors, 20 ms)
SKIP  never.yaml  never  (not reached: the run did not end)
`
	if d := cmp.Diff(lines, scenarioLines(t, ConsoleOptions{}, got)); d != "" {
		t.Errorf("console -want +got:\n%s", d)
	}
	root := checkJUnit(t, junitOf(t, JUnitOptions{}, got), false)
	skipped := 0
	for _, s := range root.Suites {
		skipped += s.Skipped
	}
	if sum := summaryOf(t, got).Steps; root.Tests != sum.Total || root.Errors != sum.Errors || skipped != sum.Skipped {
		t.Errorf("JUnit counts %d tests, %d errors, %d skipped, want %+v", root.Tests, root.Errors, skipped, sum)
	}
	var page bytes.Buffer
	h, err := NewHTML(&page, HTMLOptions{})
	if err != nil {
		t.Fatal(err)
	}
	feed(t, h, got)
	for _, w := range []string{"2 of 5 rows not reached: the run did not end", "<bdi>never</bdi>", "third"} {
		if !strings.Contains(page.String(), w) {
			t.Errorf("the page does not say %q", w)
		}
	}

	// What was merged says the same again.
	again, _ := replayed(t, RecordedOptions{}, record(t, "merged.jsonl", got...))
	if d := cmp.Diff(got, again); d != "" {
		t.Errorf("merged again, -first +second:\n%s", d)
	}
}

// A record of a version that did not write what was planned, and one whose run
// ended, say nothing of it.
func TestReplayWithoutPlan(t *testing.T) {
	events := killedSample()
	events[0].Info.Planned = nil
	got, _ := replayed(t, RecordedOptions{}, record(t, "old.jsonl", events...))
	if n := summaryOf(t, got).Steps.Skipped; n != 0 || len(got[0].Info.Planned) > 0 {
		t.Errorf("%d skipped, planned %v", n, got[0].Info.Planned)
	}
	events = shard("r1", 0, passing(1, "a"))
	events[0].Info.Planned = []runner.Planned{planned(1, "a", 0, "sends"), planned(2, "b", 0, "sends")}
	got, _ = replayed(t, RecordedOptions{}, record(t, "ended.jsonl", events...))
	if n := summaryOf(t, got).Scenarios.Total; n != 1 {
		t.Errorf("%d scenarios, want 1", n)
	}
}

// Results of another file stand for what was not reached, whichever is first.
func TestReplayReachedLater(t *testing.T) {
	events := killedSample()
	for _, e := range events {
		e.Run = "killed1"
	}
	file := record(t, "killed.jsonl", events...)
	var rows [][]*runner.Event
	for i := range 5 {
		rows = append(rows, one(1+i, i+1, 5, "rows", strconv.Itoa(i+1), passed()))
	}
	full := shard("rerun22", 0, append(rows, passing(6, "never"), passing(7, "open"))...)
	full[0].Info.Planned = []runner.Planned{plannedRows(1, 5), planned(6, "never", 0, "sends"), planned(7, "open", 0, "sends")}
	later := record(t, "later.jsonl", full...)
	merged, _ := replayed(t, RecordedOptions{}, file)
	mergedFile := record(t, "merged.jsonl", merged...)
	for _, files := range [][]string{{file, later}, {mergedFile, later}} {
		got, _ := replayed(t, RecordedOptions{}, files...)
		want := []string{
			"001 a pass", "002 open pass", "003 rows [1] pass", "004 rows [2] pass", "005 rows [3] pass", "006 rows [4] pass", "007 rows [5] pass", "008 never pass",
		}
		if d := cmp.Diff(want, outcomes(got)); d != "" {
			t.Errorf("%v -want +got:\n%s", files, d)
		}
	}
	got, _ := replayed(t, RecordedOptions{}, later, file)
	if text := strings.Join(outcomes(got), ", "); strings.Contains(text, "skip") || !strings.Contains(text, "never pass") {
		t.Errorf("what was not reached replaces a result: %s", text)
	}
}

// The rows of a repetition of some have the places of their scenario: there is
// one line for all of them.
func TestReplayRowsRepeated(t *testing.T) {
	run := shard("aaaaaaaa", 1, one(1, 1, 3, "ts", "a", passed()), one(2, 2, 3, "ts", "b", passed()), one(3, 3, 3, "ts", "c", failed()))
	run[0].Info.Planned = []runner.Planned{{ScenarioID: 1, Scenario: "ts", File: "rows.yaml", Rows: 3, Steps: []string{"sends", "reads"}}}
	run[0].Info.Scenarios = 1
	rerun := shard("bbbbbbbb", 1, one(1, 3, 1, "ts", "c", failed()))
	rerun[0].Info.Planned = []runner.Planned{{ScenarioID: 1, Scenario: "ts", File: "rows.yaml", Rows: 1, Steps: []string{"sends", "reads"}}}
	rerun[0].Info.Scenarios = 1
	got, _ := replayed(t, RecordedOptions{}, record(t, "run.jsonl", run...), record(t, "rerun.jsonl", rerun...))
	const lines = `environment qa: tenant.example.com
FAIL  rows.yaml  ts [c] (row 3)  (1 of 2 steps failed, 20 ms)
FAIL  rows.yaml  ts  (3 rows: 2 passed, 1 failed, 20 ms)
`
	if d := cmp.Diff(lines, scenarioLines(t, ConsoleOptions{}, got)); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if got[0].Info.Scenarios != 1 {
		t.Errorf("%d scenarios, want 1", got[0].Info.Scenarios)
	}
}

// Of a selection of rows the ids follow one another, their numbers do not:
// while they run and in the record they are one scenario.
func TestSelectedRows(t *testing.T) {
	run := shard("cccccccc", 1, one(1, 3, 2, "ts", "c", failed()), one(2, 7, 2, "ts", "g", passed()), passing(3, "z"))
	run[0].Info.Planned = []runner.Planned{{ScenarioID: 1, Scenario: "ts", File: "rows.yaml", Rows: 2}, planned(3, "z", 0, "sends")}
	got, _ := replayed(t, RecordedOptions{}, record(t, "run.jsonl", run...))
	run[len(run)-1].Summary = summaryOf(t, got)
	if d := cmp.Diff(run, got); d != "" {
		t.Errorf("-recorded +replayed:\n%s", d)
	}
	text := scenarioLines(t, ConsoleOptions{}, run)
	if want := "\nFAIL  rows.yaml  ts  (2 rows: 1 passed, 1 failed, 20 ms)\nPASS  z.yaml"; !strings.Contains(text, want) {
		t.Errorf("it lacks %q:\n%s", want, text)
	}
	if n := strings.Count(string(junitOf(t, JUnitOptions{}, run)), "<testsuite "); n != 2 {
		t.Errorf("%d suites, want 2", n)
	}
}

// Names that hold the id of the run are those of the same scenario and row.
func TestReplayRunInNames(t *testing.T) {
	record1 := func(run string, o runner.Event) string {
		all := shard(run, 0, one(1, 1, 2, "rows "+run, "a "+run, passed()), one(2, 2, 2, "rows "+run, "b "+run, o))
		return record(t, run+".jsonl", all...)
	}
	first, second := record1("k3f9qaaa", failed()), record1("zz7x22bb", passed())
	got, _ := replayed(t, RecordedOptions{}, first, second)
	want := []string{"001 rows zz7x22bb [a zz7x22bb] pass", "002 rows zz7x22bb [b zz7x22bb] pass"}
	if d := cmp.Diff(want, outcomes(got)); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	failedOf := func(files ...string) []ScenarioIdentity {
		ids, err := Failed(files, RecordedOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return ids
	}
	wantFailed := []ScenarioIdentity{{File: "rows.yaml", Scenario: "rows k3f9qaaa", Row: "b k3f9qaaa", Run: "k3f9qaaa"}}
	if d := cmp.Diff(wantFailed, failedOf(first)); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if ids := failedOf(first, second); len(ids) != 0 {
		t.Errorf("%v failed, and passed later", ids)
	}
	// Of a merged run the id is the one that the name holds.
	merged, _ := replayed(t, RecordedOptions{}, second, first)
	if d := cmp.Diff(wantFailed, failedOf(record(t, "merged.jsonl", merged...))); d != "" {
		t.Errorf("merged, -want +got:\n%s", d)
	}
	took, err := Durations([]string{first, second}, RecordedOptions{})
	if err != nil || len(took) != 2 {
		t.Errorf("%v, %v: want those of the later run", took, err)
	}
}

func TestFailedNeverReached(t *testing.T) {
	events := killedSample()
	for _, e := range events {
		e.Run = "killed1"
	}
	file := record(t, "killed.jsonl", events...)
	names := func(files ...string) []string {
		t.Helper()
		ids, err := Failed(files, RecordedOptions{})
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, id := range ids {
			out = append(out, strings.TrimSpace(id.Scenario+" "+id.Row))
		}
		return out
	}
	all := []string{"never", "open", "rows", "rows 3"}
	if d := cmp.Diff(all, names(file)); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	merged, _ := replayed(t, RecordedOptions{}, file)
	if d := cmp.Diff(all, names(record(t, "merged.jsonl", merged...))); d != "" {
		t.Errorf("merged, -want +got:\n%s", d)
	}
	rows := func(run string, n int, o func(i int) runner.Event) []*runner.Event {
		var units [][]*runner.Event
		for i := range n {
			units = append(units, one(1+i, i+1, 5, "rows", strconv.Itoa(i+1), o(i+1)))
		}
		return killed(run, []runner.Planned{plannedRows(1, 5), planned(6, "never", 0, "x")}, units...)
	}
	whole := record(t, "whole.jsonl", rows("r3", 5, func(i int) runner.Event {
		if i == 2 {
			return failed()
		}
		return passed()
	})...)
	if d := cmp.Diff([]string{"never", "open", "rows 2"}, names(file, whole)); d != "" {
		t.Errorf("rows later, -want +got:\n%s", d)
	}
	// A run of everything that was killed again has to be run again; the rows
	// of the former one are of the past.
	half := record(t, "half.jsonl", rows("r4", 2, allPass)...)
	if d := cmp.Diff([]string{"never", "open", "rows"}, names(file, whole, half)); d != "" {
		t.Errorf("killed again, -want +got:\n%s", d)
	}
	ended := record(t, "ended.jsonl", shard("r5", 0, passing(1, "never"), passing(2, "open"))...)
	if d := cmp.Diff([]string{"rows 2"}, names(file, whole, ended)); d != "" {
		t.Errorf("repaired, -want +got:\n%s", d)
	}
}

// Many rows that never began are one unit.
func TestReplayManyRowsNeverReached(t *testing.T) {
	events := killed("r1", []runner.Planned{plannedRows(1, 100_000), planned(100_001, "z", 0, "sends")}, passing(100_001, "z"))
	got, _ := replayed(t, RecordedOptions{}, record(t, "killed.jsonl", events...))
	if d := cmp.Diff([]string{"001 rows skip", "100001 z pass"}, outcomes(got)); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if !slices.ContainsFunc(got, func(e *runner.Event) bool {
		return e.Reason == "100000 of 100000 rows not reached: the run did not end"
	}) {
		t.Error("it does not say how many")
	}
}

// An interrupted run reports what it never began as skipped as a whole: JUnit
// has a case for each step, and no other.
func TestJUnitInterruptedCounts(t *testing.T) {
	events := shard("r1", 130, passing(1, "a"),
		(&scenario{id: 2, name: "b", file: "b.yaml"}).start().
			step("sends", 5, runner.Event{Outcome: runner.Error, Err: &runner.Problem{Type: runner.TypeInterrupted, Message: "interrupted"}}).
			skip("reads", "interrupted").done(runner.Error, runner.Event{Err: nil}),
		(&scenario{id: 3, name: "c", file: "c.yaml"}).start().skip("sends", "interrupted").skip("reads", "interrupted").
			done(runner.Skip, runner.Event{Reason: "interrupted"}))
	got, _ := replayed(t, RecordedOptions{}, record(t, "r.jsonl", events...))
	sum := summaryOf(t, got).Steps
	root := checkJUnit(t, junitOf(t, JUnitOptions{}, events), false)
	skipped := 0
	for _, s := range root.Suites {
		skipped += s.Skipped
	}
	if want := (runner.Counts{Total: 5, Passed: 1, Errors: 1, Skipped: 3}); sum != want {
		t.Errorf("%+v, want %+v", sum, want)
	}
	if root.Tests != sum.Total || root.Errors != sum.Errors || skipped != sum.Skipped {
		t.Errorf("%d cases, %d errors, %d skipped, want %+v", root.Tests, root.Errors, skipped, sum)
	}
}

// Every failed run of a scenario is told, ten at most of one step.
func TestEveryFailedTry(t *testing.T) {
	const tries = 13
	run := func(last runner.Event) []*runner.Event {
		s := &scenario{id: 1, name: "A", file: "a.yaml"}
		for i := range tries {
			s.start()
			if e := s.events[len(s.events)-1]; i > 0 {
				e.Attempts = i + 1
			}
			if i < tries-1 {
				e := failed()
				e.Failures[0].Message = fmt.Sprintf("wrong %d", i+1)
				s.step("sends", 1, e)
			}
		}
		return s.step("sends", 1, last).done(last.Outcome, runner.Event{Attempts: tries, Flaky: last.Outcome == runner.Pass})
	}
	text := string(junitOf(t, JUnitOptions{}, run(passed())))
	if n := strings.Count(text, "<flakyFailure "); n != keptAttempts {
		t.Errorf("%d flakyFailures, want %d:\n%s", n, keptAttempts, text)
	}
	text = string(junitOf(t, JUnitOptions{}, run(failed())))
	checkJUnit(t, []byte(text), false)
	if !strings.Contains(text, "<system-out><![CDATA[failed 13 times\n\nPOST ") || strings.Contains(text, "flakyFailure") {
		t.Errorf("it does not say that it failed each time:\n%s", text)
	}
	verbose := string(consoleOf(t, ConsoleOptions{Verbose: true}, run(failed())))
	for _, want := range []string{"(failed 13 times, 1 of 1 step failed, ", "\n      try 1: sends: wrong 1\n", "\n      try 10: sends: wrong 10\n      and 2 more\n"} {
		if !strings.Contains(verbose, want) {
			t.Errorf("it lacks %q:\n%s", want, verbose)
		}
	}
}

// Two rows of one name: the second has a number, that no other row has.
func TestRowsOfOneName(t *testing.T) {
	names := []string{"same", "same", "same (2)", "same", "other", "a\nb", "a b"}
	events := inLine(rowsOf(1, len(names), "orders.yaml", func(i int) string { return names[i-1] }, allFail))
	root := checkJUnit(t, junitOf(t, JUnitOptions{}, events), false)
	var got []string
	for _, c := range root.Suites[0].Testcases {
		if name, ok := strings.CutSuffix(c.Name, " sends"); ok {
			got = append(got, name)
		}
	}
	want := []string{"[same]", "[same (3)]", "[same (2)]", "[same (4)]", "[other]", "[a b]", "[a b (2)]"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	text := string(consoleOf(t, ConsoleOptions{}, events))
	for _, want := range []string{"\nFAIL  orders.yaml  Order intake [same] (row 2)  (", "\nFAIL  orders.yaml  Order intake [same] (row 4) › sends\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("it lacks %q:\n%s", want, text)
		}
	}
}
