package report

import (
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"iflowtest/runner"
)

// manyRows sends a scenario of n data rows, 16 of them side by side, and one
// after it that ends first. The first row ends last, so that everything waits
// for it.
func manyRows(tb testing.TB, r Reporter, n int, end func(row int) runner.Event) {
	tb.Helper()
	send := func(e *runner.Event) {
		if err := r.Event(e); err != nil {
			tb.Fatal(err)
		}
	}
	sendAll := func(events []*runner.Event) {
		for _, e := range events {
			send(e)
		}
	}
	row := func(i int) []*runner.Event {
		name := strconv.Itoa(i)
		e := end(i)
		s := (&scenario{id: i, name: "Order intake", row: name, rowIndex: i, rows: n, file: "scenarios/orders.yaml", ms: i}).start()
		return s.step("accepts an order", 2, e).step("is processed", 1, passed()).done(e.Outcome)
	}
	send(&runner.Event{Event: runner.RunStart, Time: at(0), Info: &runner.RunInfo{Scenarios: 2}})
	other := (&scenario{id: n + 1, name: "Other", file: "other.yaml"}).start().step("sends", 1, passed()).done(runner.Pass)
	sendAll(other)
	first := row(1)
	sendAll(first[:2])
	const parallel = 16
	for i := 2; i <= n; i += parallel {
		var open [][]*runner.Event
		for k := i; k < min(i+parallel, n+1); k++ {
			open = append(open, row(k))
		}
		for len(open) > 0 {
			k := len(open) / 2
			send(open[k][0])
			if open[k] = open[k][1:]; len(open[k]) == 0 {
				open = append(open[:k], open[k+1:]...)
			}
		}
	}
	sendAll(first[2:])
}

func heap() int {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// sampler throws away what is written and keeps the largest live heap that it
// found now and then.
type sampler struct{ writes, most int }

func (s *sampler) Write(p []byte) (int, error) {
	if s.writes++; s.writes%64 == 1 {
		s.most = max(s.most, heap())
	}
	return len(p), nil
}

// memoryOf gives the largest live heap while rows are reported and while the
// reports are completed, in bytes above what there was before.
func memoryOf(tb testing.TB, n int, o ConsoleOptions, end func(int) runner.Event) int {
	tb.Helper()
	s := new(sampler)
	before := heap()
	junit, err := NewJUnit(s, JUnitOptions{})
	if err != nil {
		tb.Fatal(err)
	}
	o.Out = s
	r := Tee(NewConsole(o), junit, NewJSONLines(io.Discard))
	manyRows(tb, r, n, func(i int) runner.Event {
		if i%(n/4) == 0 {
			s.most = max(s.most, heap())
		}
		return end(i)
	})
	s.most = max(s.most, heap())
	if err := r.Close(); err != nil {
		tb.Fatal(err)
	}
	return s.most - before
}

func allPass(int) runner.Event { return passed() }
func allFail(int) runner.Event { return failed() }

func oneFails(i int) runner.Event {
	if i%100 == 0 {
		return failed()
	}
	return passed()
}

// memoryCases are kinds of runs with many rows.
func memoryCases() map[string]struct {
	options ConsoleOptions
	end     func(int) runner.Event
} {
	type one = struct {
		options ConsoleOptions
		end     func(int) runner.Event
	}
	return map[string]one{
		"pass":       {ConsoleOptions{}, allPass},
		"some fail":  {ConsoleOptions{}, oneFails},
		"fail":       {ConsoleOptions{}, allFail},
		"fail brief": {ConsoleOptions{Reports: []string{"junit.xml"}}, allFail},
		"verbose":    {ConsoleOptions{Verbose: true}, oneFails},
	}
}

// TestRowsMemory holds eight times the rows in nearly the same memory.
func TestRowsMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a few seconds")
	}
	for name, c := range memoryCases() {
		small := memoryOf(t, 500, c.options, c.end)
		large := memoryOf(t, 4_000, c.options, c.end)
		if large-small > 1<<20 {
			t.Errorf("%s: %d KiB for 500 rows, %d KiB for 4,000", name, small>>10, large>>10)
		}
	}
}

// BenchmarkManyRows reports the largest live heap of the three reporters after
// and while many rows are reported.
func BenchmarkManyRows(b *testing.B) {
	for _, name := range []string{"pass", "some fail", "fail", "fail brief", "verbose"} {
		c := memoryCases()[name]
		for _, n := range []int{10_000, 100_000} {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				most := 0
				for b.Loop() {
					most = max(most, memoryOf(b, n, c.options, c.end))
				}
				b.ReportMetric(float64(most)/(1<<20), "MB-heap")
				b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*n), "µs/row")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

// mixedRows gives the events of scenarios with and without rows, a list for
// each unit.
func mixedRows() [][]*runner.Event {
	var units [][]*runner.Event
	outcome := func(i int) runner.Event {
		switch {
		case i == 3:
			return failed()
		case i == 5:
			return broken()
		}
		return passed()
	}
	units = append(units, (&scenario{id: 1, name: "Health", file: "health.yaml"}).start().step("answers", 5, passed()).done(runner.Pass))
	units = append(units, rowsOf(2, 6, "orders.yaml", func(i int) string { return "A-" + strconv.Itoa(100*i) }, outcome)...)
	units = append(units, rowsOf(8, 3, "good.yaml", strconv.Itoa, allPass)...)

	flaky := rowsOf(11, 3, "flaky.yaml", strconv.Itoa, allPass)
	again := (&scenario{id: 12, name: "Order intake", row: "2", rowIndex: 2, rows: 3, file: "flaky.yaml", ms: 3}).start().step("sends", 2, broken()).
		start().step("sends", 3, passed()).step("is there", 1, passed())
	flaky[1] = again.done(runner.Pass, runner.Event{Flaky: true, Attempts: 2})
	units = append(units, flaky...)

	for i := range 3 {
		s := (&scenario{id: 14 + i, name: "Later", row: strconv.Itoa(i + 1), rowIndex: i + 1, rows: 3, file: "later.yaml", ms: i}).start()
		units = append(units, s.skip("sends", "skip: IFT-12").done(runner.Skip, runner.Event{Reason: "skip: IFT-12"}))
	}
	units = append(units, rowsOf(17, 1, "single.yaml", func(int) string { return "only" }, allPass)...)
	units = append(units, (&scenario{id: 18, name: "Last", file: "last.yaml"}).start().step("answers", 5, failed()).done(runner.Fail))
	return units
}

func inLine(units [][]*runner.Event) []*runner.Event {
	var events []*runner.Event
	for _, u := range units {
		events = append(events, u...)
	}
	return events
}

func mix(r *rand.Rand, units [][]*runner.Event) []*runner.Event {
	units = append([][]*runner.Event(nil), units...)
	var events []*runner.Event
	for len(units) > 0 {
		i := r.IntN(len(units))
		events = append(events, units[i][0])
		if units[i] = units[i][1:]; len(units[i]) == 0 {
			units = append(units[:i], units[i+1:]...)
		}
	}
	return events
}

func TestConsoleRows(t *testing.T) {
	events := inLine(mixedRows())
	golden(t, "console-rows.txt", consoleOf(t, ConsoleOptions{}, events))
	golden(t, "console-rows-verbose.txt", consoleOf(t, ConsoleOptions{Verbose: true}, events))
	golden(t, "junit-rows.xml", junitOf(t, JUnitOptions{}, events))
}

// TestRowsOrder runs rows side by side in many ways: the bytes are the same.
func TestRowsOrder(t *testing.T) {
	end := &runner.Event{Event: runner.RunEnd, DurationMs: 10}
	for name, o := range map[string]ConsoleOptions{
		"plain": {}, "verbose": {Verbose: true}, "quiet": {Quiet: true}, "with reports": {Reports: []string{"junit.xml"}},
	} {
		want := string(consoleOf(t, o, append(inLine(mixedRows()), end)))
		for seed := range uint64(40) {
			events := append(mix(rand.New(rand.NewPCG(seed, 3)), mixedRows()), end)
			if d := cmp.Diff(want, string(consoleOf(t, o, events))); d != "" {
				t.Fatalf("%s, seed %d (-in order +side by side):\n%s", name, seed, d)
			}
		}
	}
}

// TestRowsCut ends the run in the middle: groups that lack rows say so, in
// order, and everything that ended is there.
func TestRowsCut(t *testing.T) {
	units := mixedRows()
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 4))
		events := mix(r, units)
		text := string(consoleOf(t, ConsoleOptions{Verbose: true}, events[:r.IntN(len(events))]))
		var last int
		order := []string{"health.yaml", "orders.yaml", "good.yaml", "flaky.yaml", "later.yaml", "single.yaml", "last.yaml"}
		body, _, _ := strings.Cut(text, "\nFailures\n")
		for line := range strings.Lines(body) {
			if _, rest, ok := strings.Cut(line, " "); ok && line[0] != ' ' {
				for i, file := range order {
					if strings.HasPrefix(strings.TrimLeft(rest, " "), file+"  ") {
						if i < last {
							t.Fatalf("seed %d: %q stands too late in\n%s", seed, line, text)
						}
						last = i
					}
				}
			}
		}
	}
	got := string(consoleOf(t, ConsoleOptions{}, inLine(units[:4])))
	if !strings.Contains(got, "\nFAIL  orders.yaml  Order intake  (3 of 6 rows: 2 passed, 1 failed, 5 ms)\n") {
		t.Errorf("a group that is not complete:\n%s", got)
	}
	// The row that comes next never started, those behind it ended.
	got = string(consoleOf(t, ConsoleOptions{}, inLine(units[2:])))
	if !strings.HasPrefix(got, "FAIL  orders.yaml  Order intake [A-300]") || strings.Count(got, "Order intake  (5 of 6 rows: ") != 1 {
		t.Errorf("without the first row:\n%s", got)
	}
}

// TestFailuresLimit shows the first hundred failures, in order, where a report
// has all of them, and all of them where none has.
func TestFailuresLimit(t *testing.T) {
	rows := rowsOf(1, 250, "orders.yaml", strconv.Itoa, allFail)
	many := (&scenario{id: 251, name: "Many steps", file: "many.yaml"}).start()
	for i := range 300 {
		many.step("step "+strconv.Itoa(i), 1, failed())
	}
	rows = append(rows, many.done(runner.Fail))
	events := mix(rand.New(rand.NewPCG(1, 5)), rows)
	count := func(text string) int { return strings.Count(text, "\nscenarios/orders.yaml:21:9: ") }

	limited := string(consoleOf(t, ConsoleOptions{Reports: []string{"a.xml", "b.json"}}, events))
	if n := count(limited); n != 100 {
		t.Errorf("%d failures are shown, want 100", n)
	}
	for _, want := range []string{
		"\nand 450 more failures, in full in a.xml, b.json\n\nScenarios:",
		"\nFAIL  orders.yaml  Order intake [100]  (", "\n      and 150 rows more, in a.xml, b.json\nFAIL  orders.yaml  Order intake  (250 rows: 250 failed, ",
		"\nFAIL  orders.yaml  Order intake [100] › sends\n",
	} {
		if !strings.Contains(limited, want) {
			t.Errorf("it lacks %q", want)
		}
	}
	if strings.Contains(limited, "[101]") {
		t.Error("it shows more than the first hundred")
	}
	if all := string(consoleOf(t, ConsoleOptions{}, events)); count(all) != 550 || strings.Contains(all, "more") {
		t.Errorf("%d failures are shown without a report, want 550", count(all))
	}
	one := string(consoleOf(t, ConsoleOptions{Reports: []string{"a.xml"}}, rows[250]))
	if count(one) != 100 || !strings.Contains(one, "and 200 more failures, in full in a.xml\n") {
		t.Errorf("%d failures of one scenario are shown, want 100", count(one))
	}
}

// TestConsoleNowhere prints everything also where there can be no temporary
// file.
func TestConsoleNowhere(t *testing.T) {
	units := rowsOf(1, 3000, "orders.yaml", strconv.Itoa, allFail)
	events := append(append(units[0][:1:1], inLine(units[1:])...), units[0][1:]...)
	want := string(consoleOf(t, ConsoleOptions{Verbose: true}, events))
	t.Setenv("TMPDIR", "/nowhere")
	t.Setenv("TMP", `Z:\nowhere`)
	if got := string(consoleOf(t, ConsoleOptions{Verbose: true}, events)); got != want {
		t.Errorf("%d bytes without temporary files, %d with them", len(got), len(want))
	}
	if len(want) < 20*spooled {
		t.Errorf("only %d bytes", len(want))
	}
}
