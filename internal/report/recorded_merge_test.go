package report

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"iflowtest/runner"
)

// shard is a run with an id of its own.
func shard(run string, status int, scenarios ...[]*runner.Event) []*runner.Event {
	events := []*runner.Event{{Event: runner.RunStart, Time: at(0), Run: run, Info: &runner.RunInfo{
		Version: "1.4.0", Environment: "qa", Hosts: []string{"tenant.example.com"}, Scenarios: len(scenarios)}}}
	for _, s := range scenarios {
		events = append(events, s...)
	}
	events = append(events, &runner.Event{Event: runner.RunEnd, Time: at(1000), DurationMs: 1000, Summary: &runner.Summary{
		ExitStatus: status, ExitReason: reasons()[status], LeftBehind: []string{"instance " + run}, CleanupCommand: "iflowtest cleanup --run " + run}})
	for _, e := range events {
		e.Run = run
	}
	return events
}

func reasons() map[int]string {
	return map[int]string{1: "an assertion failed", 4: "no scenario matches", 5: "could not find out", 6: "a credential was refused"}
}

func passing(id int, name string) []*runner.Event {
	return (&scenario{id: id, name: name, file: name + ".yaml"}).start().step("sends", 10, passed()).done(runner.Pass)
}

func failing(id int, name string) []*runner.Event {
	return (&scenario{id: id, name: name, file: name + ".yaml"}).start().step("sends", 10, failed()).done(runner.Fail)
}

// replayed gives the events of recorded runs, and what was told.
func replayed(t testing.TB, o RecordedOptions, files ...string) ([]*runner.Event, []string) {
	t.Helper()
	o, told := warnings(o)
	r, err := OpenRecording(files, o)
	if err != nil {
		t.Fatal(err)
	}
	var events []*runner.Event
	if err := r.Replay(func(e *runner.Event) error { events = append(events, e); return nil }); err != nil {
		t.Fatal(err)
	}
	return events, *told
}

// outcomes gives the ends of scenarios as text, in the order of ids.
func outcomes(events []*runner.Event) []string {
	var out []string
	for _, e := range events {
		if e.Event == runner.ScenarioEnd {
			out = append(out, fmt.Sprintf("%03d %s %s", e.ScenarioID, scenarioTitle(e), e.Outcome))
		}
	}
	slices.Sort(out)
	return out
}

func summaryOf(t testing.TB, events []*runner.Event) *runner.Summary {
	t.Helper()
	last := events[len(events)-1]
	if last.Event != runner.RunEnd || last.Summary == nil {
		t.Fatalf("the last event is %s", last.Event)
	}
	for _, e := range events[:len(events)-1] {
		if e.Event == runner.RunEnd {
			t.Error("there is a run-end in the middle")
		}
	}
	return last.Summary
}

// One recorded run comes out as it went in.
func TestReplayOne(t *testing.T) {
	events := inOrder()
	file := record(t, "run.jsonl", events...)
	got, told := replayed(t, RecordedOptions{Version: "1.4.0"}, file)
	if len(told) > 0 {
		t.Errorf("told %q", told)
	}
	// The counts of the sample leave out that a scenario began anew.
	want := summaryOf(t, events)
	have := summaryOf(t, got)
	want.Steps = have.Steps
	got[len(got)-1].Outcome = runner.Error
	if d := cmp.Diff(events, got); d != "" {
		t.Errorf("-recorded +replayed:\n%s", d)
	}
	console := ConsoleOptions{}
	if d := cmp.Diff(string(consoleOf(t, console, events)), string(consoleOf(t, console, got))); d != "" {
		t.Errorf("console, -recorded +replayed:\n%s", d)
	}
	if d := cmp.Diff(string(junitOf(t, JUnitOptions{}, events)), string(junitOf(t, JUnitOptions{}, got))); d != "" {
		t.Errorf("JUnit, -recorded +replayed:\n%s", d)
	}
}

// 17 scenarios in 4 shards, whose ids collide.
func TestReplayShards(t *testing.T) {
	var files, want []string
	n := 0
	for i, size := range []int{5, 4, 4, 4} {
		var all [][]*runner.Event
		for id := range size {
			n++
			name := fmt.Sprintf("s%02d", n)
			if n == 7 {
				all = append(all, failing(id+1, name))
				want = append(want, fmt.Sprintf("%03d %s fail", n, name))
				continue
			}
			all = append(all, passing(id+1, name))
			want = append(want, fmt.Sprintf("%03d %s pass", n, name))
		}
		slices.Reverse(all) // they end in any order
		files = append(files, record(t, fmt.Sprintf("shard%d.jsonl", i), shard(fmt.Sprintf("run%d", i), []int{0, 1, 0, 0}[i], all...)...))
	}
	got, told := replayed(t, RecordedOptions{}, files...)
	if len(told) > 0 {
		t.Errorf("told %q", told)
	}
	if d := cmp.Diff(want, outcomes(got)); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	sum := summaryOf(t, got)
	wantSum := &runner.Summary{
		Scenarios: runner.Counts{Total: 17, Passed: 16, Failed: 1}, Steps: runner.Counts{Total: 17, Passed: 16, Failed: 1},
		ExitStatus: 1, ExitReason: "an assertion failed",
		LeftBehind:     []string{"instance run0", "instance run1", "instance run2", "instance run3"},
		CleanupCommand: "iflowtest cleanup --run run0; iflowtest cleanup --run run1; iflowtest cleanup --run run2; iflowtest cleanup --run run3",
	}
	if d := cmp.Diff(wantSum, sum); d != "" {
		t.Errorf("summary -want +got:\n%s", d)
	}
	if info := got[0].Info; got[0].Run != "run0+run1+run2+run3" || info.Scenarios != 17 || info.Environment != "qa" || got[len(got)-1].DurationMs != 1000 {
		t.Errorf("run %s, %+v, %v ms", got[0].Run, info, got[len(got)-1].DurationMs)
	}
	cases := strings.Count(string(junitOf(t, JUnitOptions{}, got)), "<testcase ")
	if cases != 17 {
		t.Errorf("%d cases in JUnit, want 17", cases)
	}

	// What was merged can be read like any other run, and so can files that
	// were put together.
	merged := record(t, "merged.jsonl", got...)
	again, told := replayed(t, RecordedOptions{}, merged)
	if d := cmp.Diff(got, again); d != "" || len(told) > 0 {
		t.Errorf("merged again, told %q, -first +second:\n%s", told, d)
	}
	var all []byte
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, text...)
	}
	one, told := replayed(t, RecordedOptions{}, keep(t, "all.jsonl", string(all)))
	if d := cmp.Diff(got, one); d != "" || len(told) > 0 {
		t.Errorf("put together, told %q, -files +one:\n%s", told, d)
	}
}

func TestReplayTwice(t *testing.T) {
	first := record(t, "first.jsonl", shard("r1", 1, passing(1, "a"), failing(2, "b"), passing(3, "c"))...)
	again := record(t, "again.jsonl", shard("r2", 0, passing(1, "b"), passing(2, "d"))...)
	worse := record(t, "worse.jsonl", shard("r3", 1, failing(1, "c"))...)
	for _, c := range []struct {
		name   string
		files  []string
		want   []string
		status int
		told   []string
	}{
		{"repaired", []string{first, again}, []string{"001 a pass", "002 b pass", "003 c pass", "004 d pass"}, 0,
			[]string{"again.jsonl too; the later file is used for them"}},
		{"the other way round", []string{again, first}, []string{"001 b fail", "002 d pass", "003 a pass", "004 c pass"}, 1,
			[]string{"first.jsonl too; the later file is used for them"}},
		{"worse", []string{first, worse}, []string{"001 a pass", "002 b fail", "003 c fail"}, 1,
			[]string{"worse.jsonl too; the later file is used for them"}},
		{"three", []string{first, again, worse}, []string{"001 a pass", "002 b pass", "003 c fail", "004 d pass"}, 1,
			[]string{"again.jsonl too; the later file is used for them", "worse.jsonl too; the later file is used for them"}},
		{"one file", []string{first, first}, []string{"001 a pass", "002 b fail", "003 c pass"}, 1,
			[]string{"first.jsonl: is named twice and read once"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, told := replayed(t, RecordedOptions{}, c.files...)
			if d := cmp.Diff(c.want, outcomes(got)); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
			if d := cmp.Diff(c.told, told); d != "" {
				t.Errorf("told -want +got:\n%s", d)
			}
			if sum := summaryOf(t, got); sum.ExitStatus != c.status || sum.Scenarios.Total != len(c.want) {
				t.Errorf("%+v, want the status %d", sum, c.status)
			}
		})
	}
}

// Rows stay together and in order, whatever was killed or run again.
func TestReplayRows(t *testing.T) {
	row := func(id, index int, name string, o runner.Outcome) []*runner.Event {
		s := (&scenario{id: id, name: "rows", file: "rows.yaml", row: name}).start().step("sends", 10, runner.Event{Outcome: o})
		events := s.done(o)
		for _, e := range events {
			e.RowIndex = index
		}
		events[0].Rows = 4
		return events
	}
	first := record(t, "first.jsonl", shard("r1", 1, passing(1, "a"), row(2, 1, "A", runner.Pass), row(3, 2, "twin", runner.Fail), row(5, 4, "twin", runner.Pass), passing(6, "z"))...)
	again := record(t, "again.jsonl", shard("r2", 0, row(1, 1, "A", runner.Fail), row(3, 3, "C", runner.Pass))...)
	got, _ := replayed(t, RecordedOptions{}, first, again)
	want := []string{"001 a pass", "002 rows [A] fail", "003 rows [twin] fail", "004 rows [C] pass", "005 rows [twin] pass", "006 z pass"}
	if d := cmp.Diff(want, outcomes(got)); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

// SIGKILL: every step that ended is there, what was open is interrupted.
func TestReplayKilled(t *testing.T) {
	events := shard("r1", 0, passing(1, "a"))
	events = events[:len(events)-1]
	events = append(events, (&scenario{id: 2, name: "b", file: "b.yaml"}).start().step("first", 10, passed()).begin("second", false).events...)
	events = append(events, (&scenario{id: 3, name: "c", file: "c.yaml"}).start().step("only", 10, passed()).events...)
	for _, e := range events {
		e.Run = "r1"
	}
	var b bytes.Buffer
	feed(t, NewJSONLines(&b), events)
	file := keep(t, "killed.jsonl", b.String()+`{"event":"step-en`)
	got, told := replayed(t, RecordedOptions{}, file)
	if d := cmp.Diff([]string{"killed.jsonl:13: the file is cut off in the middle of this line; what stands before it is used"}, told); d != "" {
		t.Errorf("told -want +got:\n%s", d)
	}
	if d := cmp.Diff([]string{"001 a pass", "002 b error", "003 c error"}, outcomes(got)); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	sum := summaryOf(t, got)
	want := &runner.Summary{Scenarios: runner.Counts{Total: 3, Passed: 1, Errors: 2}, Steps: runner.Counts{Total: 4, Passed: 3, Errors: 1},
		ExitStatus: 130, ExitReason: "the run did not end"}
	if d := cmp.Diff(want, sum); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	text := string(junitOf(t, JUnitOptions{}, got))
	if n := strings.Count(text, `type="interrupted"`); n != 2 {
		t.Errorf("%d cases are interrupted, want 2:\n%s", n, text)
	}
	if !strings.Contains(text, `<testcase name="first" classname="b"`) {
		t.Errorf("a step that ended is missing:\n%s", text)
	}

	// Another file does not make the run complete.
	got, _ = replayed(t, RecordedOptions{}, file, record(t, "again.jsonl", shard("r2", 0, passing(1, "b"), passing(2, "c"))...))
	if sum := summaryOf(t, got); sum.ExitStatus != 130 || sum.ExitReason != "the run in killed.jsonl did not end" || sum.Scenarios.Passed != 3 {
		t.Errorf("%+v", sum)
	}
}

func TestReplayStatus(t *testing.T) {
	for _, c := range []struct {
		statuses []int
		want     int
	}{
		{[]int{0, 0}, 0}, {[]int{1, 5}, 5}, {[]int{6, 1, 5}, 6}, {[]int{8, 1}, 1}, {[]int{9, 8}, 8}, {[]int{3, 130}, 130},
		{[]int{0, 4}, 0}, {[]int{3, 6}, 3}, {[]int{7, 6}, 6}, {[]int{1, 77}, 77},
	} {
		var files []string
		for i, s := range c.statuses {
			var all [][]*runner.Event
			if s != 4 {
				all = append(all, passing(1, fmt.Sprint(i)))
			}
			files = append(files, record(t, "r.jsonl", shard(fmt.Sprint("r", i), s, all...)...))
		}
		got, _ := replayed(t, RecordedOptions{}, files...)
		if sum := summaryOf(t, got); sum.ExitStatus != c.want || sum.ExitReason != reasons()[c.want] {
			t.Errorf("%v: %d %q, want %d %q", c.statuses, sum.ExitStatus, sum.ExitReason, c.want, reasons()[c.want])
		}
	}
	got, _ := replayed(t, RecordedOptions{}, record(t, "r.jsonl", shard("r", 4)...))
	if sum := summaryOf(t, got); sum.ExitStatus != 4 {
		t.Errorf("a run without a scenario: %+v", sum)
	}
}

func TestReplayOtherVersion(t *testing.T) {
	file := record(t, "r.jsonl", shard("r", 0, passing(1, "a"))...)
	_, told := replayed(t, RecordedOptions{Version: "2.0.0"}, file)
	want := []string{"r.jsonl:1: was written by version 1.4.0, this is 2.0.0; what this version does not know is left out"}
	if d := cmp.Diff(want, told); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

// What somebody wrote into a file does not reach the terminal as it is.
func TestReplayCleans(t *testing.T) {
	events := inOrder()
	o := RecordedOptions{Clean: func(s string) string { return "x" + strings.Repeat("y", len(s)-1) }}
	got, _ := replayed(t, o, record(t, "r.jsonl", events...))
	var b bytes.Buffer
	feed(t, NewJSONLines(&b), got)
	for line := range strings.Lines(b.String()) {
		for _, word := range strings.FieldsFunc(line, func(r rune) bool { return r == '"' || r == ':' || r == ',' }) {
			if strings.Contains(word, "tenant") || strings.Contains(word, "orders") || strings.Contains(word, "A-100") {
				t.Fatalf("%q passed: %s", word, line)
			}
		}
	}
}

func TestReplayGivesTheErrorOfEmit(t *testing.T) {
	r, err := OpenRecording([]string{keep(t, "r.jsonl", oneScenario)}, RecordedOptions{})
	if err != nil {
		t.Fatal(err)
	}
	full := errors.New("the disk is full")
	for stop := range 4 {
		n := 0
		err := r.Replay(func(*runner.Event) error {
			n++
			if n > stop {
				return full
			}
			return nil
		})
		if !errors.Is(err, full) || n != stop+1 {
			t.Errorf("after %d events: %v", n, err)
		}
	}
}

// Nothing that a file holds makes the reader or a reporter fail.
func FuzzRecording(f *testing.F) {
	var b bytes.Buffer
	for _, e := range inOrder() {
		r := NewJSONLines(&b)
		if err := r.Event(e); err != nil {
			f.Fatal(err)
		}
	}
	f.Add(b.Bytes())
	f.Add([]byte(oneScenario))
	var plan bytes.Buffer
	for _, e := range killedSample() {
		e.Run = "killed1"
		if err := NewJSONLines(&plan).Event(e); err != nil {
			f.Fatal(err)
		}
	}
	f.Add(plan.Bytes())
	f.Add([]byte(`{"event":"step-end","scenarioId":-1,"line":-7,"failures":[{"width":99999999,"line":5,"source":"x"}],"durationMs":-1e308}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := OpenRecording([]string{keep(t, "r.jsonl", string(text))}, RecordedOptions{})
		if err != nil {
			return
		}
		var junit, console, lines bytes.Buffer
		j, err := NewJUnit(&junit, JUnitOptions{})
		if err != nil {
			t.Fatal(err)
		}
		all := Tee(j, NewConsole(ConsoleOptions{Out: &console, Verbose: true}), NewJSONLines(&lines))
		if err := r.Replay(all.Event); err != nil {
			t.Fatal(err)
		}
		if err := all.Close(); err != nil {
			t.Fatal(err)
		}
		again, err := OpenRecording([]string{keep(t, "again.jsonl", lines.String())}, RecordedOptions{})
		if err != nil {
			t.Fatalf("what was merged cannot be read: %v", err)
		}
		var second bytes.Buffer
		if err := again.Replay(NewJSONLines(&second).Event); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(lines.String(), second.String()); d != "" {
			t.Errorf("merged twice, -first +second:\n%s", d)
		}
	})
}
