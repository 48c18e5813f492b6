package report

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"iflowtest/runner"
)

const spinners = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"

func liveConsole(s *terminal) Reporter {
	return NewConsole(ConsoleOptions{
		Out: s, Terminal: true, Progress: true,
		Width:  func() int { s.mu.Lock(); defer s.mu.Unlock(); return s.width },
		Height: func() int { s.mu.Lock(); defer s.mu.Unlock(); return s.height },
	})
}

// pass lets the simulated time go on and waits until what is due is drawn.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func sendAll(t *testing.T, r Reporter, events ...*runner.Event) {
	t.Helper()
	for _, e := range events {
		if err := r.Event(e); err != nil {
			t.Error(err)
		}
	}
}

func TestLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTerminal(60, 24)
		r := liveConsole(s)
		send := func(events ...*runner.Event) { sendAll(t, r, events...) }
		shows := func(when, want string) {
			t.Helper()
			if d := cmp.Diff(want, s.shown()); d != "" {
				t.Errorf("%s (-want +got):\n%s", when, d)
			}
		}
		a := &scenario{id: 1, name: "Order intake", file: "scenarios/orders.yaml"}
		b := &scenario{id: 2, name: "Very long name of a scenario 注文の受付と処理", file: "suite/b.yaml"}
		send(&runner.Event{Event: runner.RunStart, Info: &runner.RunInfo{Scenarios: 3}})
		send(a.start().begin("sends", false).events...)
		send(b.start().begin("waits\nlong", false).events...)
		pass(1250 * time.Millisecond)
		shows("while running", "⠹ scenarios/orders.yaml  Order intake › sends  1.2 s\n"+
			"⠹ Very long name of a scenario 注文の受付と処理 › w…  1.2 s\n"+
			"0 of 3 scenarios done, 2 running")

		send(b.emit(runner.Event{Event: runner.Attempt, Step: "waits\nlong", Index: 1, Attempts: 4, Outcome: runner.Fail}))
		done := len(a.events)
		a.end("sends", 1250, passed())
		send(a.done(runner.Pass)[done:]...)
		s.resize(90, 24)
		pass(redraw)
		shows("after one", "PASS  scenarios/orders.yaml  Order intake  (1 step, 1.2 s)\n"+
			"⠸ b.yaml  Very long name of a scenario 注文の受付と処理 › waits long, attempt 5  1.3 s\n"+
			"1 of 3 scenarios done, 1 running")
		pass(time.Minute)
		if got := s.shown(); !strings.Contains(got, "  1 min 1 s\n") {
			t.Errorf("after a minute:\n%s", got)
		}

		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if got := s.shown(); strings.Contains(got, "running") || strings.ContainsAny(got, spinners) {
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

// TestLiveRows has one live line for all rows of a scenario.
func TestLiveRows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTerminal(80, 24)
		r := liveConsole(s)
		end := func(i int) runner.Event {
			if i == 2 {
				return failed()
			}
			return passed()
		}
		rows := rowsOf(5, 4, "scenarios/orders.yaml", func(i int) string { return "A-" + strconv.Itoa(i) }, end)
		sendAll(t, r, rows[0]...)
		sendAll(t, r, rows[1]...)
		sendAll(t, r, rows[2][:2]...)
		sendAll(t, r, rows[3][:1]...)
		pass(redraw)
		want := "FAIL  scenarios/orders.yaml  Order intake [A-2] (row 2)  (1 of 2 steps failed, 3 ms)\n" +
			"⠙ orders.yaml  Order intake  2 of 4 rows, 1 failed  [A-3] › sends  0.1 s\n" +
			"0 scenarios done, 1 failed, 1 running"
		if d := cmp.Diff(want, s.shown()); d != "" {
			t.Errorf("while running (-want +got):\n%s", d)
		}
		sendAll(t, r, rows[2][2:]...)
		sendAll(t, r, rows[3][1:]...)
		pass(redraw)
		want = "FAIL  scenarios/orders.yaml  Order intake [A-2] (row 2)  (1 of 2 steps failed, 3 ms)\n" +
			"FAIL  scenarios/orders.yaml  Order intake  (4 rows: 3 passed, 1 failed, 6 ms)\n" +
			"1 scenario done, 1 failed"
		if d := cmp.Diff(want, s.shown()); d != "" {
			t.Errorf("at the end (-want +got):\n%s", d)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestLiveRowsPause keeps the line of a scenario between two rows, and not for
// ever.
func TestLiveRowsPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTerminal(80, 24)
		r := liveConsole(s)
		sendAll(t, r, rowsOf(1, 3, "a.yaml", strconv.Itoa, func(int) runner.Event { return passed() })[0]...)
		pass(redraw)
		if got := s.shown(); !strings.Contains(got, "1 of 3 rows  0.1 s") {
			t.Errorf("between two rows:\n%s", got)
		}
		pass(2 * lingers)
		if got := s.shown(); got != "0 scenarios done" {
			t.Errorf("when no row follows:\n%s", got)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if got := s.shown(); !strings.HasPrefix(got, "PASS  a.yaml  Order intake  (1 of 3 rows, 3 ms)\n") {
			t.Errorf("at the end:\n%s", got)
		}
	})
}

// watch checks after every frame that live lines stand at the bottom of the
// screen only, that they fit, and that what is above them stays as it is. It
// tells the first mistake.
func watch(t *testing.T, s *terminal) {
	former := ""
	s.check = func() {
		permanent, mistake := s.permanent()
		if mistake == "" && !strings.HasPrefix(permanent, former) {
			mistake = "what was printed has changed (-former +now):\n" + cmp.Diff(former, permanent)
		}
		if former = permanent; mistake != "" {
			t.Errorf("on %d×%d %s; the screen:\n%s", s.width, s.height, mistake, strings.Join(s.screen(), "\n"))
			s.check = nil
		}
	}
}

// permanent gives what stands above the live lines, and what is wrong.
func (t *terminal) permanent() (text, mistake string) {
	all := t.lines()
	live := 0
	for live < len(all) && isLive(all[len(all)-1-live]) {
		live++
	}
	above := all[:len(all)-live]
	left := slices.IndexFunc(above, isLive)
	switch {
	case t.mistake != "":
		mistake = t.mistake
	case left >= 0:
		mistake = fmt.Sprintf("a live line is left: %q", above[left])
	case live > max(1, t.height-2) || live > 0 && t.height == 1:
		mistake = fmt.Sprintf("there are %d live lines", live)
	case t.column != 0 || t.row < t.top:
		mistake = fmt.Sprintf("the cursor is in row %d, column %d", t.row-t.top, t.column)
	}
	return strings.Join(above, "\n"), mistake
}

// isLive knows a live line by how it begins.
func isLive(line string) bool {
	return strings.ContainsAny(line, spinners) || strings.HasPrefix(line, "… and ") || line == "…" || liveStart.MatchString(line)
}

var liveStart = regexp.MustCompile(`^([0-9]+ of [0-9]+ scenario|[0-9]+ scenarios? done|[0-9]+ done|[0-9]+/[0-9]|[0-9].*…$|… a)`)

// sideBySide gives the events of n scenarios, some with rows, as if so many ran
// at a time; now and then one fails.
func sideBySide(r *rand.Rand, n, parallel int, more ...string) []*runner.Event {
	names := append(more, "Order intake", "注文の受付と処理の確認", "e\u0301clair", "Very long name of a scenario that goes on and on and on for more than a row")
	var all [][]*runner.Event
	for id := 1; len(all) < n; {
		end := passed()
		if r.IntN(10) == 0 {
			end = failed()
		}
		if r.IntN(8) == 0 {
			rows := rowsOf(id, 3, "scenarios/rows.yaml", strconv.Itoa, func(int) runner.Event { return end })
			all, id = append(all, rows...), id+3
			continue
		}
		s := &scenario{id: id, name: names[r.IntN(len(names))], file: "scenarios/folder/" + strconv.Itoa(id) + ".yaml"}
		all, id = append(all, s.start().step("sends", r.IntN(900), end).step("waits for what never comes", 2, passed()).done(end.Outcome)), id+1
	}
	var events []*runner.Event
	open := all[:0:0]
	for len(all)+len(open) > 0 {
		for len(open) < parallel && len(all) > 0 {
			open, all = append(open, all[0]), all[1:]
		}
		i := r.IntN(len(open))
		events = append(events, open[i][0])
		if open[i] = open[i][1:]; len(open[i]) == 0 {
			open = slices.Delete(open, i, i+1)
		}
	}
	return events
}

// TestLiveScreens runs up to 500 scenarios, 32 at a time, on terminals of many
// sizes.
func TestLiveScreens(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {80, 5}, {20, 24}, {50, 5}, {20, 5}, {10, 3}, {3, 3}, {1, 2}, {40, 2}, {40, 1}, {200, 60}} {
		t.Run(fmt.Sprintf("%dx%d", size[0], size[1]), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := rand.New(rand.NewPCG(9, uint64(size[0])))
				events := sideBySide(r, min(500, 10*size[0]), 32, "👩‍👩‍👧 ⚠️")
				s := newTerminal(size[0], size[1])
				watch(t, s)
				c := liveConsole(s)
				for _, e := range events {
					sendAll(t, c, e)
					if r.IntN(20) == 0 {
						pass(time.Duration(r.IntN(250)) * time.Millisecond)
					}
				}
				if err := c.Close(); err != nil {
					t.Error(err)
				}
				checkSameLines(t, events, s)
			})
		})
	}
}

// checkSameLines compares what stands on the terminal at the end with plain
// output, which has another order.
func checkSameLines(t *testing.T, events []*runner.Event, s *terminal) {
	t.Helper()
	sorted := func(text string) []string {
		var lines []string
		for line := range strings.Lines(text) {
			if line = strings.TrimRight(line, " \n"); line != "" && s.width > 1 {
				lines = append(lines, line)
			}
		}
		slices.Sort(lines)
		return lines
	}
	plain := string(consoleOf(t, ConsoleOptions{Terminal: true}, events))
	if d := cmp.Diff(sorted(plain), sorted(s.shown())); d != "" {
		t.Errorf("differs from plain lines (-want +got):\n%s", d)
	}
}

// TestLiveResized changes the size of the terminal between frames.
func TestLiveResized(t *testing.T) {
	for seed := range uint64(5) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := rand.New(rand.NewPCG(10, seed))
				events := sideBySide(r, 120, 8)
				s := newTerminal(100, 60)
				watch(t, s)
				c := liveConsole(s)
				for _, e := range events {
					sendAll(t, c, e)
					if r.IntN(10) == 0 {
						pass(time.Duration(r.IntN(250)) * time.Millisecond)
						// Ten live lines of a hundred columns fit, however broken.
						s.resize(20+r.IntN(100), 55+r.IntN(20))
					}
				}
				if err := c.Close(); err != nil {
					t.Error(err)
				}
				checkSameLines(t, events, s)
			})
		})
	}
}

// TestLiveHeight runs more scenarios than the terminal has rows.
func TestLiveHeight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTerminal(40, 10)
		watch(t, s)
		r := liveConsole(s)
		for id := range 15 {
			one := &scenario{id: id + 1, name: "Scenario " + strconv.Itoa(id+1), file: "s.yaml"}
			sendAll(t, r, one.start().begin("a step with a long name › that is cut", false).events...)
		}
		pass(3 * redraw)
		want := "⠸ Scenario 1 › a step with a lo…  0.3 s"
		if got := strings.Split(s.shown(), "\n"); got[0] != want || got[6] != "… and 9 more" || got[7] != "0 scenarios done, 15 running" || len(got) != 8 {
			t.Errorf("want %q first and 9 more:\n%s", want, s.shown())
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestLiveRate ends a thousand scenarios within a second: the terminal is
// written some ten times.
func TestLiveRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTerminal(200, 24)
		r := liveConsole(s)
		for id := range 1000 {
			one := &scenario{id: id + 1, name: "Short", file: "s.yaml"}
			sendAll(t, r, one.start().step("sends", 1, passed()).done(runner.Pass)...)
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

// TestLiveSample gives the same permanent lines as plain output does, with and
// without colours.
func TestLiveSample(t *testing.T) {
	for _, color := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := newTerminal(80, 24)
			watch(t, s)
			r := NewConsole(ConsoleOptions{
				Out: s, Terminal: true, Progress: true, Color: color,
				Width: func() int { return 80 }, Height: func() int { return 24 },
			})
			for _, e := range inOrder() {
				sendAll(t, r, e)
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
}

// TestFit cuts by columns, at least as far as any terminal goes.
func TestFit(t *testing.T) {
	for _, c := range []struct {
		text  string
		width int
		want  string
	}{
		{"plain", 5, "plain"}, {"plain", 4, "pla…"}, {"plain", 1, "…"}, {"plain", 0, ""}, {"", 0, ""},
		{"注文の受付", 10, "注文の受付"}, {"注文の受付", 9, "注文の受…"}, {"注文の受付", 8, "注文の…"},
		{"a b c", 3, "a…"}, {"e\u0301e\u0301e\u0301", 3, "e\u0301e\u0301e\u0301"}, {"e\u0301e\u0301e\u0301", 2, "e\u0301…"},
		{"👩‍👩‍👧 x", 6, "👩‍👩…"}, {"⚠️⚠️⚠️", 5, "⚠️⚠️…"},
	} {
		if got := fit(c.text, c.width); got != c.want || columns(got) > c.width {
			t.Errorf("%q in %d: got %q, want %q", c.text, c.width, got, c.want)
		}
	}
}
