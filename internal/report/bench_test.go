package report

import (
	"io"
	"testing"

	"iflowtest/runner"
)

// BenchmarkPassedStep is what a step that passes costs, start and end: twice
// two events.
func BenchmarkPassedStep(b *testing.B) {
	s := (&scenario{id: 1, name: "Order intake", file: "scenarios/orders.yaml"}).start().step("accepts an order", 100, passed())
	start, end := s.events[1], s.events[2]
	junit := func(b *testing.B) Reporter {
		r, err := NewJUnit(io.Discard, JUnitOptions{})
		if err != nil {
			b.Fatal(err)
		}
		return r
	}
	lines := func(*testing.B) Reporter { return NewJSONLines(io.Discard) }
	console := func(*testing.B) Reporter { return NewConsole(ConsoleOptions{Out: io.Discard}) }
	for _, c := range []struct {
		name string
		make func(*testing.B) Reporter
	}{
		{"JUnit", junit},
		{"JSONLines", lines},
		{"Console", console},
		{"all", func(b *testing.B) Reporter { return Tee(console(b), junit(b), lines(b)) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			r := c.make(b)
			b.ReportAllocs()
			// A new scenario after each hundred steps, as names are kept for
			// the time of a scenario.
			n := 0
			for b.Loop() {
				if n%100 == 0 {
					event(b, r, &runner.Event{Event: runner.ScenarioStart, ScenarioID: 1, Scenario: "Order intake"})
				}
				event(b, r, start)
				event(b, r, end)
				if n++; n%100 == 0 {
					event(b, r, &runner.Event{Event: runner.ScenarioEnd, ScenarioID: 1, Scenario: "Order intake", Outcome: runner.Pass})
				}
			}
			b.StopTimer()
			if err := r.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}

func event(b *testing.B, r Reporter, e *runner.Event) {
	if err := r.Event(e); err != nil {
		b.Fatal(err)
	}
}
