package report

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/mattn/go-runewidth"

	"iflowtest/runner"
)

// terminal understands what live lines need: it keeps the rows that stand on
// the screen and those that were scrolled out.
type terminal struct {
	mu      sync.Mutex
	width   int
	rows    []string
	row     int
	writes  []time.Time
	mistake string
	tallest int
}

func (s *terminal) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes = append(s.writes, time.Now())
	up := s.row
	for text := string(p); text != ""; {
		text = s.take(text)
		up = min(up, s.row)
	}
	s.tallest = max(s.tallest, s.row-up)
	return len(p), nil
}

// take does one thing and gives the rest.
func (s *terminal) take(text string) string {
	for len(s.rows) <= s.row {
		s.rows = append(s.rows, "")
	}
	switch {
	case text[0] == '\n':
		if runewidth.StringWidth(s.rows[s.row]) >= s.width && strings.ContainsAny(s.rows[s.row], "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏") {
			s.mistake = "too wide: " + s.rows[s.row]
		}
		s.row++
		return text[1:]
	case text[0] == '\r':
		return text[1:]
	case strings.HasPrefix(text, "\x1b["):
		return s.control(text[2:])
	}
	end := strings.IndexAny(text, "\n\r\x1b")
	if end < 0 {
		end = len(text)
	}
	s.rows[s.row] = text[:end]
	return text[end:]
}

func (s *terminal) control(text string) string {
	end := strings.IndexAny(text, "AJKm")
	if end < 0 {
		s.mistake = "unknown sequence " + strconv.Quote(text)
		return ""
	}
	switch text[end] {
	case 'A':
		n, err := strconv.Atoi(text[:end])
		if err != nil || n > s.row {
			s.mistake = fmt.Sprintf("up %q from row %d", text[:end], s.row)
		}
		s.row -= n
	case 'J':
		s.rows = s.rows[:s.row]
	case 'K': // what stands behind what was written: take replaces whole rows
	}
	return text[end+1:]
}

func (s *terminal) shown() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.TrimRight(strings.Join(s.rows, "\n"), "\n")
}

func liveConsole(s *terminal, height int) Reporter {
	return NewConsole(ConsoleOptions{
		Out: s, Terminal: true, Progress: true,
		Width: func() int { return s.width }, Height: func() int { return height },
	})
}

// pass lets the simulated time go on and waits until what is due is drawn.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &terminal{width: 60}
		r := liveConsole(s, 24)
		send := func(events ...*runner.Event) {
			for _, e := range events {
				if err := r.Event(e); err != nil {
					t.Error(err)
				}
			}
		}
		a := &scenario{id: 1, name: "Order intake", file: "scenarios/orders.yaml"}
		b := &scenario{id: 2, name: "Very long name of a scenario 注文の受付と処理", file: "b.yaml"}
		send(&runner.Event{Event: runner.RunStart, Info: &runner.RunInfo{Scenarios: 3}})
		send(a.start().begin("sends", false).events...)
		send(b.start().begin("waits\nlong", false).events...)
		pass(1250 * time.Millisecond)
		want := "⠹ scenarios/orders.yaml  Order intake › sends  1.2 s\n" +
			"⠹ b.yaml  Very long name of a scenario 注文の受付と…  1.2 s\n" +
			"0 of 3 scenarios done, 2 running"
		if d := cmp.Diff(want, s.shown()); d != "" {
			t.Errorf("while running (-want +got):\n%s", d)
		}

		send(b.emit(runner.Event{Event: runner.Attempt, Step: "waits\nlong", Index: 1, Attempts: 4, Outcome: runner.Fail}))
		done := len(a.events)
		a.end("sends", 1250, passed())
		send(a.done(runner.Pass)[done:]...)
		pass(redraw)
		want = "PASS  scenarios/orders.yaml  Order intake  (1 step, 1.2 s)\n" +
			"⠸ b.yaml  Very long name of a scenario 注文の受付と…  1.3 s\n" +
			"1 of 3 scenarios done, 1 running"
		if d := cmp.Diff(want, s.shown()); d != "" {
			t.Errorf("after one (-want +got):\n%s", d)
		}

		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if got := s.shown(); strings.Contains(got, "running") || strings.ContainsAny(got, "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏") {
			t.Errorf("live lines are left:\n%s", got)
		}
		if !strings.HasPrefix(s.shown(), "PASS  scenarios/orders.yaml") || !strings.Contains(s.shown(), "[interrupted]") {
			t.Errorf("at the end:\n%s", s.shown())
		}
		if s.mistake != "" {
			t.Error(s.mistake)
		}
		drawn := len(s.writes)
		pass(10 * redraw)
		if len(s.writes) != drawn {
			t.Error("it draws after Close")
		}
	})
}

// TestLiveHeight runs more scenarios than the terminal has rows.
func TestLiveHeight(t *testing.T) {
	for _, height := range []int{1, 2, 3, 4, 5, 10, 24} {
		t.Run(strconv.Itoa(height), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &terminal{width: 40}
				r := liveConsole(s, height)
				var running []*scenario
				for id := range 15 {
					running = append(running, &scenario{id: id + 1, name: "Scenario " + strconv.Itoa(id+1), file: "s.yaml"})
					for _, e := range running[id].start().begin("a step with a long name › that is cut", false).events {
						if err := r.Event(e); err != nil {
							t.Error(err)
						}
					}
				}
				pass(3 * redraw)
				if limit := max(1, height-1); s.tallest > limit {
					t.Errorf("%d live lines on %d rows:\n%s", s.tallest, height, s.shown())
				}
				if height == 10 && !strings.Contains(s.shown(), "\n… and 9 more\n") {
					t.Errorf("it does not say how many more:\n%s", s.shown())
				}
				if err := r.Close(); err != nil {
					t.Error(err)
				}
				if s.mistake != "" {
					t.Error(s.mistake)
				}
			})
		})
	}
}

// TestLiveRate ends a thousand scenarios within a second: the terminal is
// written some ten times.
func TestLiveRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &terminal{width: 200}
		r := liveConsole(s, 24)
		for id := range 1000 {
			one := &scenario{id: id + 1, name: "Short", file: "s.yaml"}
			for _, e := range one.start().step("sends", 1, passed()).done(runner.Pass) {
				if err := r.Event(e); err != nil {
					t.Error(err)
				}
			}
			pass(time.Millisecond)
		}
		if n := len(s.writes); n < 5 || n > 11 {
			t.Errorf("%d writes in a second, want about 10", n)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if got := strings.Count(s.shown(), "PASS  s.yaml"); got != 1000 {
			t.Errorf("%d lines of scenarios, want 1000", got)
		}
	})
}

// TestLiveSample gives the same permanent lines as plain output does.
func TestLiveSample(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &terminal{width: 80}
		r := liveConsole(s, 24)
		for _, e := range inOrder() {
			if err := r.Event(e); err != nil {
				t.Error(err)
			}
			pass(30 * time.Millisecond)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		want := strings.TrimRight(string(consoleOf(t, ConsoleOptions{Terminal: true}, inOrder())), "\n")
		if d := cmp.Diff(want, s.shown()); d != "" {
			t.Errorf("differs from plain lines (-want +got):\n%s", d)
		}
	})
}
