package report

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"iflowtest/runner"
)

func TestUnitRecord(t *testing.T) {
	records := []unitRecord{
		{},
		{
			Name: "Order intake", File: "scenarios/orders.yaml", Class: "scenarios.orders", Row: "A-100", Base: 7,
			Start: at(1234).Add(567), Ms: 12.5, Tests: 4, Failures: 1, Errors: 2, Skipped: 1, Flaky: true,
			Tags: []string{"smoke", ""}, Former: span{1, 2}, Cases: []span{{3, 4}, {1 << 40, 1 << 20}},
		},
		{Name: strings.Repeat("x", 300), Base: -5, Start: time.Unix(-1, 5).UTC(), Tags: []string{"one"}},
	}
	same := new(unitRecord) // read into again and again
	for i, r := range records {
		text := r.append(nil)
		for _, into := range []*unitRecord{same, new(unitRecord)} {
			if err := into.read(text); err != nil {
				t.Fatalf("record %d: %v", i, err)
			}
			// A slice that was used before is empty and not nil.
			got := *into
			if len(got.Tags) == 0 {
				got.Tags = nil
			}
			if len(got.Cases) == 0 {
				got.Cases = nil
			}
			if d := cmp.Diff(r, got); d != "" {
				t.Errorf("record %d (-want +got):\n%s", i, d)
			}
		}
	}
	text := records[1].append(nil)
	whole := 0
	for n := range text {
		if new(unitRecord).read(text[:n]) == nil {
			whole++
		}
	}
	if whole > 2 { // without the last span, or the last two
		t.Errorf("%d starts of a record are taken for whole ones", whole)
	}
	if !(&unitRecord{}).Start.IsZero() || records[0].read((&unitRecord{}).append(nil)) != nil || !records[0].Start.IsZero() {
		t.Error("no time comes back as a time")
	}
}

// TestNames compares with names that are all kept.
func TestNames(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	parts := []string{"a", "b", " (2)", " (3)", " (02)", " (4)", "(2)", " (1)"}
	for range 2000 {
		n, given := names{}, map[string]bool{}
		for range 30 {
			name := parts[r.IntN(2)]
			for range r.IntN(3) {
				name += parts[r.IntN(len(parts))]
			}
			got := n.unique(name)
			if given[got] {
				t.Fatalf("%q was given before, for %q", got, name)
			}
			if got != name && !given[name] || !strings.HasPrefix(got, name) {
				t.Fatalf("%q is free, and became %q", name, got)
			}
			given[got] = true
		}
	}
	n := names{}
	for i := range 10_000 {
		got := n.unique("send")
		if want := "send (" + strconv.Itoa(i+1) + ")"; i > 0 && got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	}
	if len(n) != 1 {
		t.Errorf("%d names are kept of one that was used again and again", len(n))
	}
}

// TestHashFilter never misses, and seldom takes one hash for another.
func TestHashFilter(t *testing.T) {
	const n = 100_000
	f := newHashFilter(n)
	wrong := 0
	hash := func(i int) uint64 { return (&unitRecord{Class: "scenarios.orders", Row: strconv.Itoa(i)}).hash() }
	for i := range n {
		if f.add(hash(i)) {
			wrong++
		}
	}
	for i := range n {
		if !f.add(hash(i)) {
			t.Fatalf("%d is not found", i)
		}
	}
	if wrong > n/500 {
		t.Errorf("%d of %d are taken for others", wrong, n)
	}
	if size := 8 * len(f); size > 4*n {
		t.Errorf("%d bytes for %d hashes", size, n)
	}
}

// rowsOf gives the events of a scenario with rows, one after the other; name
// and outcome are asked for each row from 1.
func rowsOf(first, rows int, file string, name func(int) string, end func(int) runner.Event) [][]*runner.Event {
	var all [][]*runner.Event
	for i := range rows {
		e := end(i + 1)
		s := (&scenario{
			id: first + i, name: "Order intake", row: name(i + 1), rowIndex: i + 1, rows: rows,
			file: file, ms: i, tags: []string{"orders"},
		}).start()
		all = append(all, s.step("sends", 2, e).step("is there", 1, passed()).done(e.Outcome))
	}
	return all
}

// TestRowsShareSuite writes one suite for the rows of a scenario, also where
// another one has the same name, and rows of equal names.
func TestRowsShareSuite(t *testing.T) {
	end := func(i int) runner.Event {
		if i%10 == 0 {
			return failed()
		}
		return passed()
	}
	var events []*runner.Event
	for _, s := range [][][]*runner.Event{
		rowsOf(1, 30, "orders.yaml", strconv.Itoa, end),
		rowsOf(31, 200, "orders.yml", func(i int) string { return []string{"DE", "AT"}[i%2] }, end),
		rowsOf(231, 20, "orders.yml", strconv.Itoa, end),
	} {
		for _, row := range s {
			events = append(events, row...)
		}
	}
	root := checkJUnit(t, junitOf(t, JUnitOptions{}, events), false)
	var got []string
	for _, s := range root.Suites {
		got = append(got, s.File+" "+strconv.Itoa(s.Tests)+" "+strconv.Itoa(s.Failures)+" "+s.Time)
	}
	want := []string{"orders.yaml 60 3 0.090", "orders.yml 400 20 0.600", "orders.yml 40 2 0.060"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("suites (-want +got):\n%s", d)
	}
	if got := root.Suites[1].Testcases[399].Name; got != "[DE (100)] is there" {
		t.Errorf("the last case is %q", got)
	}
	if got := root.Suites[2].Testcases[0].Name; got != "[1 (2)] sends" {
		t.Errorf("a case of the class name and row of another is %q", got)
	}
}

// TestRowsInAnyOrder ends the rows in another order: the bytes are the same.
func TestRowsInAnyOrder(t *testing.T) {
	rows := rowsOf(1, 500, "orders.yaml", strconv.Itoa, func(int) runner.Event { return passed() })
	var events []*runner.Event
	for _, row := range rows {
		events = append(events, row...)
	}
	end := &runner.Event{Event: runner.RunEnd, DurationMs: 1500}
	want := string(junitOf(t, JUnitOptions{}, append(events, end)))
	events = nil
	for _, i := range rand.New(rand.NewPCG(7, 8)).Perm(len(rows)) {
		events = append(events, rows[i]...)
	}
	if d := cmp.Diff(want, string(junitOf(t, JUnitOptions{}, append(events, end)))); d != "" {
		t.Errorf("(-in order +in any order):\n%s", d)
	}
}

// TestFlakyElements writes what failed before: attempts of a retry and a
// former run of the scenario, each as what it was; never the attempts of a
// poll.
func TestFlakyElements(t *testing.T) {
	retried := (&scenario{id: 1, name: "Retried", file: "a.yaml"}).start().begin("sends", false)
	for n, e := range []runner.Event{failed(), broken()} {
		e.Event, e.Step, e.Index, e.Attempts = runner.Attempt, "sends", 1, n+1
		retried.emit(e)
	}
	end := passed()
	end.Attempts, end.Flaky = 3, true
	events := retried.end("sends", 90, end).done(runner.Pass, runner.Event{Flaky: true})

	polled := (&scenario{id: 2, name: "Polled", file: "b.yaml"}).start().begin("waits", false)
	for n := range 20 {
		e := failed()
		e.Event, e.Step, e.Index, e.Attempts = runner.Attempt, "waits", 1, n+1
		polled.emit(e)
	}
	end = passed()
	end.Attempts = 21
	events = append(events, polled.end("waits", 90, end).done(runner.Pass)...)

	again := (&scenario{id: 3, name: "Again", file: "c.yaml"}).start().step("first", 1, failed()).start().step("first", 1, broken()).
		step("second", 1, failed()).start().step("first", 1, passed()).step("second", 1, passed())
	events = append(events, again.done(runner.Pass, runner.Event{Flaky: true, Attempts: 3})...)

	text := junitOf(t, JUnitOptions{}, events)
	root := checkJUnit(t, text, false)
	if root.Failures+root.Errors != 0 || root.Tests != 4 {
		t.Errorf("%d failures, %d errors, %d cases, want 0, 0, 4", root.Failures, root.Errors, root.Tests)
	}
	for part, want := range map[string]int{"<flakyFailure ": 3, "<flakyError ": 2, "<stackTrace>": 5, `name="flaky" value="true"`: 2} {
		if got := strings.Count(string(text), part); got != want {
			t.Errorf("%d of %q, want %d in\n%s", got, part, want, text)
		}
	}
}
