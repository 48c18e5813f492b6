package report

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"iflowtest/runner"
)

// record writes events as a recorded run.
func record(t testing.TB, name string, events ...*runner.Event) string {
	t.Helper()
	var b bytes.Buffer
	feed(t, NewJSONLines(&b), events)
	return keep(t, name, b.String())
}

func keep(t testing.TB, name, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// warnings gives options that gather warnings, without the folder of file.
func warnings(o RecordedOptions) (RecordedOptions, *[]string) {
	var told []string
	o.Warn = func(m string) { told = append(told, filepath.Base(m)) }
	return o, &told
}

const oneScenario = `{"event":"run-start","time":"2026-11-30T08:15:00Z","run":"k3f9qa","info":{"version":"1","scenarios":1}}
{"event":"scenario-start","time":"2026-11-30T08:15:00Z","run":"k3f9qa","scenario":"A","scenarioId":1,"file":"a.yaml"}
{"event":"scenario-end","time":"2026-11-30T08:15:01Z","run":"k3f9qa","scenario":"A","scenarioId":1,"file":"a.yaml","outcome":"pass","durationMs":1000}
`

func TestRecordedFiles(t *testing.T) {
	const end = `{"event":"run-end","time":"2026-11-30T08:15:01Z","run":"k3f9qa"}`
	for _, c := range []struct {
		name, text string
		events     int
		told       []string
	}{
		{"whole", oneScenario + end + "\n", 4, nil},
		{"last line without a line break", oneScenario + end, 4, nil},
		{"cut off", oneScenario + end[:20], 3, []string{"r.jsonl:4: the file is cut off in the middle of this line; what stands before it is used"}},
		{"cut off in the middle of a character", oneScenario + `{"event":"ü"`[:11], 3, []string{"r.jsonl:4: the file is cut off in the middle of this line; what stands before it is used"}},
		{"BOM, CRLF, blank lines", "\uFEFF" + strings.ReplaceAll(oneScenario, "\n", "\r\n\r\n"), 3, nil},
		{"garbage in the middle", strings.Replace(oneScenario, "\n", "\n{\"event\":\n", 1), 3, []string{"r.jsonl:2: the line is cut off, after 9 bytes; the line is left out"}},
		{"a number", strings.Replace(oneScenario, "\n", "\n7\n", 1), 3, []string{"r.jsonl:2: not an event: found a JSON number, want an object; the line is left out"}},
		{"an event that is none", strings.Replace(oneScenario, "\n", "\n{\"foo\":1}\n", 1), 3, []string{`r.jsonl:2: not an event: it has no field "event"; the line is left out`}},
		{"a text for a number", strings.Replace(oneScenario, "\n", "\n{\"event\":\"step-end\",\"index\":\"1\"}\n", 1), 3, []string{"r.jsonl:2: not an event: index is a JSON string, which it cannot be; the line is left out"}},
		{"a step-end without an outcome", strings.Replace(oneScenario, "\n", "\n{\"event\":\"step-end\"}\n", 1), 3, []string{"r.jsonl:2: not a whole event: step-end without an outcome; the line is left out"}},
		{"an event without a time", strings.Replace(oneScenario, "\n", "\n{\"event\":\"step-start\"}\n", 1), 3, []string{"r.jsonl:2: not a whole event: step-start without a time; the line is left out"}},
		{"NUL", oneScenario + "\x00\x00\x00\n", 3, []string{"r.jsonl:4: not an event: it holds NUL characters; JSON lines are UTF-8 text; the line is left out"}},
		{"events and fields of tomorrow", strings.Replace(oneScenario, `{"event":"scenario-start"`, "{\"event\":\"coffee\"}\n{\"event\":\"coffee\"}\n{\"cup\":[1],\"event\":\"scenario-start\"", 1), 3,
			[]string{`r.jsonl:2: the event "coffee" is not known to this version and is left out`}},
		{"many mistakes", oneScenario + strings.Repeat("x\n", 7), 3, []string{
			"r.jsonl:4: not JSON, at character 1; the line is left out", "r.jsonl:5: not JSON, at character 1; the line is left out",
			"r.jsonl:6: not JSON, at character 1; the line is left out", "r.jsonl:7: not JSON, at character 1; the line is left out",
			"r.jsonl:8: not JSON, at character 1; the line is left out", "r.jsonl: 2 lines more cannot be used"}},
		{"a line without end", oneScenario + strings.Repeat("x", longestLine+1) + "\n" + end, 4, []string{"r.jsonl:4: the line is longer than 16 MiB and is left out"}},
		{"a last line without end", oneScenario + strings.Repeat("x", longestLine+70_000), 3, []string{"r.jsonl:4: the line is longer than 16 MiB and is left out"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			o, told := warnings(RecordedOptions{})
			f := newRecordedFile(keep(t, "r.jsonl", c.text), o.Warn)
			for range 2 { // the second time says nothing
				n := 0
				if err := f.each(func(*runner.Event, int) error { n++; return nil }); err != nil {
					t.Fatal(err)
				}
				if n != c.events {
					t.Errorf("%d events, want %d", n, c.events)
				}
			}
			if d := cmp.Diff(c.told, *told); d != "" {
				t.Errorf("warnings (-want +got):\n%s", d)
			}
		})
	}
}

func TestRecordedFilesThatAreNone(t *testing.T) {
	for _, c := range []struct {
		name, text, want string
		absent           bool
	}{
		{name: "empty", want: "r.jsonl: is empty, want JSON lines as run --json writes them"},
		{name: "blank", text: "\n \n", want: "r.jsonl: holds no event of a run, want JSON lines as run --json writes them"},
		{name: "YAML", text: "name: A\nsteps: []\n", want: "r.jsonl:1: not a recorded run, want JSON lines as run --json writes them"},
		{name: "a JSON document", text: "{\n  \"a\": 1\n}\n", want: "r.jsonl:1: not a recorded run, want JSON lines as run --json writes them"},
		{name: "only tomorrow's", text: "{\"event\":\"coffee\"}\n", want: "r.jsonl: holds no event of a run, want JSON lines as run --json writes them"},
		{name: "there is none", text: "-", want: "r.jsonl: there is no such file", absent: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := keep(t, "r.jsonl", c.text)
			if c.absent {
				if err := os.Remove(file); err != nil {
					t.Fatal(err)
				}
			}
			err := newRecordedFile(file, nil).each(func(*runner.Event, int) error { return nil })
			e, ok := errors.AsType[*RecordedError](err)
			if !ok {
				t.Fatalf("error %v, want a RecordedError", err)
			}
			if got := filepath.Base(e.Error()); got != c.want || e.Absent != c.absent {
				t.Errorf("%q (absent %t), want %q (%t)", got, e.Absent, c.want, c.absent)
			}
		})
	}
	folder := t.TempDir()
	if _, err := Durations([]string{folder}, RecordedOptions{}); err == nil || !strings.Contains(err.Error(), "is a folder") {
		t.Errorf("a folder gives %v", err)
	}
}

// A run that still writes gives the same events twice.
func TestRecordedFileThatGrows(t *testing.T) {
	name := keep(t, "r.jsonl", oneScenario)
	f := newRecordedFile(name, nil)
	for range 2 {
		n := 0
		err := f.each(func(*runner.Event, int) error { n++; return nil })
		if err != nil || n != 3 {
			t.Fatalf("%d events and %v, want 3", n, err)
		}
		if err := os.WriteFile(name, []byte(oneScenario+oneScenario), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDurations(t *testing.T) {
	first := (&scenario{id: 1, name: "A", file: "a.yaml"}).start().step("s", 200, passed()).done(runner.Pass)
	row := (&scenario{id: 2, name: "A", file: "a.yaml", row: "r"}).start().step("s", 300, passed()).done(runner.Pass)
	open := (&scenario{id: 3, name: "B", file: "b.yaml"}).start().begin("s", false).events
	later := (&scenario{id: 9, name: "A", file: "a.yaml"}).start().step("s", 500, passed()).done(runner.Fail)
	got, err := Durations([]string{
		record(t, "one.jsonl", append(append(first, row...), open...)...),
		record(t, "two.jsonl", later...),
	}, RecordedOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := map[ScenarioIdentity]time.Duration{
		{File: "a.yaml", Scenario: "A", Run: "k3f9qa"}:           500 * time.Millisecond,
		{File: "a.yaml", Scenario: "A", Row: "r", Run: "k3f9qa"}: 300 * time.Millisecond,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

func TestFailed(t *testing.T) {
	of := func(id int, name string) *scenario { return &scenario{id: id, name: name, file: "a.yaml"} }
	var events []*runner.Event
	add := func(e []*runner.Event) { events = append(events, e...) }
	add(of(1, "passes").start().step("s", 1, passed()).done(runner.Pass))
	add(of(2, "fails").start().step("s", 1, failed()).done(runner.Fail))
	add(of(3, "errs").start().step("s", 1, broken()).done(runner.Error))
	add(of(4, "is open").start().begin("s", false).events)
	add(of(5, "skips").start().skip("s", "not yet").done(runner.Skip, runner.Event{Reason: "not yet"}))
	add(of(6, "was not reached").start().skip("s", "stopped by --bail").done(runner.Skip, runner.Event{Reason: "stopped by --bail"}))
	add(of(7, "was cut short").start().step("s", 1, passed()).skip("t", "stopped by --bail").done(runner.Pass))
	again := of(8, "passes at last").start().step("s", 1, broken())
	add(again.start().step("s", 1, passed()).done(runner.Pass))
	add(of(9, "passes later").start().step("s", 1, failed()).done(runner.Fail))
	add(of(10, "fails later").start().step("s", 1, passed()).done(runner.Pass))
	row := of(11, "rows")
	row.row = "b"
	add(row.start().step("s", 1, failed()).done(runner.Fail))
	for id := 12; id < 14; id++ { // two rows of one name
		twin := of(id, "rows")
		twin.row = "twin"
		if id == 12 {
			add(twin.start().step("s", 1, failed()).done(runner.Fail))
		} else {
			add(twin.start().step("s", 1, passed()).done(runner.Pass))
		}
	}
	other := append(of(1, "passes later").start().step("s", 1, passed()).done(runner.Pass),
		of(2, "fails later").start().step("s", 1, failed()).done(runner.Fail)...)
	got, err := Failed([]string{record(t, "one.jsonl", events...), record(t, "two.jsonl", other...)}, RecordedOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var want []ScenarioIdentity
	for _, name := range []string{"errs", "fails", "fails later", "is open", "rows", "rows", "was cut short", "was not reached"} {
		want = append(want, ScenarioIdentity{File: "a.yaml", Scenario: name, Run: "k3f9qa"})
	}
	want[4].Row, want[5].Row = "b", "twin"
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}
