package report

import (
	"io"
	"strconv"
	"testing"

	"iflowtest/runner"
)

// BenchmarkPassedStep is what a step that passes costs, start and end: twice
// two events.
func BenchmarkPassedStep(b *testing.B) {
	const steps = 100 // of a scenario, as names are kept for the time of one
	s := (&scenario{name: "Order intake"}).start()
	for i := range steps {
		s.step("accepts order "+strconv.Itoa(i), 100, passed())
	}
	events := s.done(runner.Pass)
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
			n, id, file := 0, 0, ""
			send := func(e *runner.Event) {
				e.ScenarioID, e.File = id, file
				if err := r.Event(e); err != nil {
					b.Fatal(err)
				}
			}
			for b.Loop() {
				if n%steps == 0 {
					id++
					file = "scenarios/orders" + strconv.Itoa(id) + ".yaml"
					send(events[0])
				}
				send(events[1+2*(n%steps)])
				send(events[2+2*(n%steps)])
				if n++; n%steps == 0 {
					send(events[len(events)-1])
				}
			}
			b.StopTimer()
			if err := r.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}
