package report

import (
	"bytes"
	"cmp"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mattn/go-runewidth"
)

// redraw is the time between two drawings of the live lines.
const redraw = 100 * time.Millisecond

// lingers is how long the line of a scenario stands while none of its rows
// runs: the next one is about to begin.
const lingers = 500 * time.Millisecond

// screen is what the drawing goroutine needs.
type screen struct {
	pending bytes.Buffer // permanent text that is not printed yet
	lines   []liveLine   // that stand on the terminal
	frame   int          // of the spinner
	stop    chan struct{}
	stopped chan struct{}
}

// What is sent to a terminal besides text (ECMA-48): each erases or moves, so
// that a terminal that does not know one shows the lines all the same.
const (
	eraseLine  = "\x1b[K" // from the cursor to the end of the line
	eraseBelow = "\x1b[J" // from the cursor to the end of the screen
	// holdScreen and showScreen stand around a frame: a terminal that has
	// synchronized output (private mode 2026) shows it as a whole.
	holdScreen = "\x1b[?2026h"
	showScreen = "\x1b[?2026l"
)

func (c *console) startDrawing() {
	c.screen.stop, c.screen.stopped = make(chan struct{}), make(chan struct{})
	go func() {
		defer close(c.screen.stopped)
		t := time.NewTicker(redraw)
		defer t.Stop()
		for {
			select {
			case <-c.screen.stop:
				return
			case <-t.C:
				c.mu.Lock()
				c.screen.frame++
				c.draw()
				c.mu.Unlock()
			}
		}
	}()
}

// stopDrawing ends the goroutine and prints what is pending; the live lines
// are gone, as the run is finished.
func (c *console) stopDrawing() {
	if !c.live || c.screen.stop == nil {
		return
	}
	close(c.screen.stop)
	<-c.screen.stopped
	c.mu.Lock()
	defer c.mu.Unlock()
	c.screen.stop = nil
	c.draw()
}

// draw writes one frame in one Write: over the live lines that stand there,
// the pending text and the live lines of now. Nothing is erased before
// something is written in its place, so that nothing flickers.
func (c *console) draw() {
	if c.fault.err != nil {
		return
	}
	width := size(c.options.Width, 80)
	lines := c.liveLines(time.Now(), width-1)
	if c.screen.pending.Len() == 0 && len(lines) == 0 && len(c.screen.lines) == 0 {
		return
	}
	var b bytes.Buffer
	b.WriteString(holdScreen)
	if rows := c.screen.rows(width); rows > 0 {
		b.WriteString("\r\x1b[" + strconv.Itoa(rows) + "A")
	}
	for line := range bytes.Lines(c.screen.pending.Bytes()) {
		writePermanent(&b, bytes.TrimSuffix(line, []byte("\n")), width)
	}
	c.screen.pending.Reset()
	if c.screen.pending.Cap() > 2*spooled {
		c.screen.pending = bytes.Buffer{}
	}
	for _, l := range lines {
		b.WriteString(l.text + eraseLine + "\n")
	}
	c.screen.lines = lines
	b.WriteString(eraseBelow + showScreen)
	_, err := c.options.Out.Write(b.Bytes())
	c.set(err)
}

// writePermanent writes a line that stays. One that is shorter than the
// terminal is wide clears what is left of its row; of one that goes over
// several rows it is not known where it ends.
func writePermanent(b *bytes.Buffer, line []byte, width int) {
	if bytes.IndexByte(line, '\t') < 0 && columns(withoutColor(string(line))) < width {
		b.Write(line)
		b.WriteString(eraseLine + "\n")
		return
	}
	b.WriteString(eraseBelow)
	b.Write(line)
	b.WriteByte('\n')
}

// withoutColor takes out what paint puts in.
func withoutColor(s string) string {
	if strings.IndexByte(s, '\x1b') < 0 {
		return s
	}
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(s, "\x1b[")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		_, s, _ = strings.Cut(rest, "m")
	}
}

// rows gives how many rows the live lines stand on: more than there are lines
// when the terminal became narrower, as it breaks lines then. Where terminals
// differ it is the least: a live line that is left does less harm than a result
// that is erased.
func (s *screen) rows(width int) int {
	rows := len(s.lines)
	for _, l := range s.lines {
		column, joined := 0, false
		for _, r := range l.plain {
			n := runewidth.RuneWidth(r)
			if joined {
				n = 0
			}
			joined = r == joiner
			if column += n; column > width {
				rows++
				column = n
			}
		}
	}
	return rows
}

// joiner makes one character of those before and behind it, where a terminal
// knows how.
const joiner = '\u200d'

// liveLine is a line that is drawn again and again.
type liveLine struct {
	text, plain string // with colours, and without
}

// running is what has a live line: a scenario, all its rows together.
type running struct {
	id                  int
	file, title, detail string
	began               time.Time
}

// liveLines gives a line for each running scenario, as many as fit, and one
// for the run.
func (c *console) liveLines(now time.Time, width int) []liveLine {
	if c.finished {
		return nil
	}
	height := size(c.options.Height, 24)
	if height < 2 {
		return nil // there is no row above that of the cursor
	}
	all := c.whatRuns(now)
	last := c.progressLine(len(all), width)
	room := max(1, height-2)
	hidden := 0
	if len(all) > room-1 {
		shown := max(0, room-2)
		hidden = len(all) - shown
		all = all[:shown]
	}
	var lines []liveLine
	for i := range all {
		lines = append(lines, c.liveLine(&all[i], now, width))
	}
	if hidden > 0 && room > 1 {
		more := fit("… and "+strconv.Itoa(hidden)+" more", width)
		lines = append(lines, liveLine{more, more})
	}
	return append(lines, liveLine{last, last})
}

func size(f func() int, otherwise int) int {
	if f != nil {
		if n := f(); n > 0 {
			return n
		}
	}
	return otherwise
}

// whatRuns gives what runs in the order of ScenarioID.
func (c *console) whatRuns(now time.Time) []running {
	var all []running
	first := map[*rowGroup]*consoleUnit{} // that runs, of each group
	for _, u := range c.units {
		if g := u.group; g == nil {
			all = append(all, running{
				id: u.key.id, file: u.start.File, title: scenarioTitle(&u.start), detail: current(u), began: u.began,
			})
		} else if f := first[g]; f == nil || u.key.compare(f.key) < 0 {
			first[g] = u
		}
	}
	for _, g := range c.groups {
		u := first[g]
		if u == nil && now.Sub(g.idle) > lingers {
			continue
		}
		detail := "  " + strconv.Itoa(g.counts.Total) + " of " + plural(g.rows, "row")
		if bad := g.counts.Failed + g.counts.Errors; bad > 0 {
			detail += ", " + strconv.Itoa(bad) + " failed"
		}
		if u != nil {
			detail += "  [" + oneLine(u.start.Row) + "]" + current(u)
		}
		all = append(all, running{id: g.first, file: g.start.File, title: scenarioTitle(&g.start), detail: detail, began: g.began})
	}
	slices.SortFunc(all, func(a, b running) int { return cmp.Or(cmp.Compare(a.id, b.id), cmp.Compare(a.title, b.title)) })
	return all
}

// current gives " › sends, attempt 2": the step that runs.
func current(u *consoleUnit) string {
	step := u.steps.current()
	if step == nil {
		return ""
	}
	s := " › " + oneLine(step.start.Step)
	if step.start.Cleanup {
		s += " (cleanup)"
	}
	if step.attempt > 0 {
		s += ", attempt " + strconv.Itoa(step.attempt+1)
	}
	return s
}

// liveLine gives "⠹ scenarios/orders.yaml  Order intake › sends  1.2 s". Where
// there is little room, the folder of the file goes first, then the file.
func (c *console) liveLine(r *running, now time.Time, width int) liveLine {
	spinner := []rune("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")
	mark := string(spinner[c.screen.frame%len(spinner)]) + " "
	elapsed := "  " + runningTime(now.Sub(r.began))
	room := width - columns(mark) - columns(elapsed)
	if room < leastName {
		line := fit(mark+r.title+r.detail, width)
		return liveLine{line, line}
	}
	s := r.title + r.detail
	for _, file := range []string{path.Base(r.file), r.file} {
		if long := file + "  " + r.title + r.detail; r.file != "" && columns(long) <= room {
			s = long
		}
	}
	s = fit(s, room)
	return liveLine{c.paint(yellow, mark) + s + c.paint(dim, elapsed), mark + s + elapsed}
}

// leastName is how many columns a name has to have beside the time.
const leastName = 8

// runningTime gives "1.2 s", "2 min 3 s": a time that runs.
func runningTime(d time.Duration) string {
	if d >= time.Minute {
		return duration(float64(d / time.Millisecond))
	}
	return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + " s"
}

// progressLine says how far the run is; so many scenarios run.
func (c *console) progressLine(running, width int) string {
	done, bad := strconv.Itoa(c.done), c.scenarios.Failed+c.scenarios.Errors
	long, short := plural(c.done, "scenario")+" done", done+" done"
	if c.info.Scenarios > 0 && c.info.Scenarios >= c.done {
		long = done + " of " + plural(c.info.Scenarios, "scenario") + " done"
		short = done + "/" + strconv.Itoa(c.info.Scenarios)
	}
	if bad > 0 {
		long += ", " + strconv.Itoa(bad) + " failed"
		short += ", " + strconv.Itoa(bad) + " failed"
	}
	if running > 0 {
		long += ", " + strconv.Itoa(running) + " running"
	}
	if columns(long) > width {
		return fit(short, width)
	}
	return long
}
