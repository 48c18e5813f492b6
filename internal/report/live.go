package report

import (
	"bytes"
	"io"
	"strconv"
	"strings"
	"time"
)

// redraw is the time between two drawings of the live lines.
const redraw = 100 * time.Millisecond

// screen is what the drawing goroutine needs.
type screen struct {
	pending bytes.Buffer // permanent text that is not printed yet
	lines   int          // live lines that stand on the terminal
	frame   int          // of the spinner
	stop    chan struct{}
	stopped chan struct{}
}

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
// the pending text and the live lines of now.
func (c *console) draw() {
	if c.fault.err != nil {
		return
	}
	var b strings.Builder
	if c.screen.lines > 0 {
		b.WriteString("\r\x1b[" + strconv.Itoa(c.screen.lines) + "A")
	}
	clear := "\x1b[K" // to the end of the line
	if c.screen.pending.Len() > 0 {
		if c.screen.lines > 0 {
			b.WriteString("\x1b[J") // all below: a long line would not clear its last row
		}
		b.Write(c.screen.pending.Bytes())
		c.screen.pending.Reset()
		clear = ""
	}
	lines := c.liveLines(time.Now())
	for _, l := range lines {
		b.WriteString(l + clear + "\n")
	}
	if len(lines) < c.screen.lines && clear != "" {
		b.WriteString("\x1b[J")
	}
	c.screen.lines = len(lines)
	if b.Len() == 0 {
		return
	}
	if _, err := io.WriteString(c.options.Out, b.String()); err != nil {
		c.fault.set(err)
	}
}

// liveLines gives a line for each running scenario, as many as fit, and one
// for the run.
func (c *console) liveLines(now time.Time) []string {
	if c.finished {
		return nil
	}
	units := sortedUnits(c.units)
	width := size(c.options.Width, 80) - 1
	room := max(1, size(c.options.Height, 24)-2) // the cursor stands on a row of its own
	hidden := 0
	if len(units) > room-1 {
		shown := max(0, room-2)
		hidden = len(units) - shown
		units = units[:shown]
	}
	var lines []string
	for _, u := range units {
		lines = append(lines, c.liveLine(u, now, width))
	}
	if hidden > 0 && room > 1 {
		lines = append(lines, fit("… and "+strconv.Itoa(hidden)+" more", width))
	}
	return append(lines, fit(c.progressLine(), width))
}

func size(f func() int, otherwise int) int {
	if f != nil {
		if n := f(); n > 0 {
			return n
		}
	}
	return otherwise
}

func (c *console) liveLine(u *consoleUnit, now time.Time, width int) string {
	s := scenarioTitle(&u.start)
	if u.start.File != "" {
		s = u.start.File + "  " + s
	}
	if step := u.steps.current(); step != nil {
		s += " › " + oneLine(step.start.Step)
		if step.start.Cleanup {
			s += " (cleanup)"
		}
		if step.attempt > 0 {
			s += ", attempt " + strconv.Itoa(step.attempt+1)
		}
	}
	elapsed := "  " + strconv.FormatFloat(now.Sub(u.began).Seconds(), 'f', 1, 64) + " s"
	spinner := []rune("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")
	mark := string(spinner[c.screen.frame%len(spinner)]) + " "
	if room := width - len([]rune(mark)) - len(elapsed); room > 0 {
		return c.paint(yellow, mark) + fit(s, room) + c.paint(dim, elapsed)
	}
	return fit(mark+s, width)
}

func (c *console) progressLine() string {
	s := plural(c.scenarios.Total, "scenario") + " done"
	if c.info.Scenarios > 0 {
		s = strconv.Itoa(c.scenarios.Total) + " of " + plural(c.info.Scenarios, "scenario") + " done"
	}
	if bad := c.scenarios.Failed + c.scenarios.Errors; bad > 0 {
		s += ", " + strconv.Itoa(bad) + " failed"
	}
	if n := len(c.units); n > 0 {
		s += ", " + strconv.Itoa(n) + " running"
	}
	return s
}
