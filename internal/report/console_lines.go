package report

import (
	"cmp"
	"strconv"
	"strings"

	"iflowtest/runner"
)

// stepLine gives the line of a step for Verbose.
func (c *console) stepLine(e *runner.Event) string {
	s := "  " + c.outcome(e.Outcome, e.Flaky) + " " + oneLine(e.Step)
	if e.Cleanup {
		s += " (cleanup)"
	}
	switch {
	case e.Outcome == runner.Skip:
		if e.Reason != "" {
			s += ": " + oneLine(e.Reason)
		}
		return s + "\n"
	case e.Exchange != nil:
		s += "  " + exchangeLine(e)
		if e.Exchange.Status == 0 || e.Attempts > 1 {
			s += c.paint(dim, "  "+duration(e.DurationMs))
		}
	default:
		s += c.paint(dim, "  "+duration(e.DurationMs))
	}
	switch {
	case e.Flaky && e.Attempts > 1:
		s += ", flaky: passed at attempt " + strconv.Itoa(e.Attempts)
	case e.Attempts > 1:
		s += ", " + plural(e.Attempts, "attempt")
	}
	return s + "\n"
}

// attemptLine gives the line of an attempt that was not the last, for Verbose.
func (c *console) attemptLine(e *runner.Event, n int) string {
	s := "        attempt " + strconv.Itoa(n)
	if e.Outcome != runner.Pass && e.Outcome != "" {
		s += ": " + oneLine(messageOf(e))
	}
	took := duration(e.DurationMs)
	if e.Exchange != nil && e.Exchange.Status != 0 {
		took = strconv.Itoa(e.Exchange.Status) + " in " + took
	}
	return s + c.paint(dim, "  ("+took+")") + "\n"
}

// outcome gives the word a line begins with, five columns wide.
func (c *console) outcome(o runner.Outcome, flaky bool) string {
	switch {
	case o == runner.Pass && flaky:
		return c.paint(yellow, "FLAKY")
	case o == runner.Pass:
		return c.paint(green, "PASS ")
	case o == runner.Fail:
		return c.paint(red, "FAIL ")
	case o == runner.Skip:
		return c.paint(yellow, "SKIP ")
	}
	return c.paint(red, "ERROR")
}

// failure gives a step that failed as it is shown at the end.
func (c *console) failure(e *runner.Event) string {
	head := e.File
	if head != "" {
		head += "  "
	}
	s := c.outcome(e.Outcome, false) + " " + c.paint(bold, head+title(e)) + "\n" + problems(e, c.options.Color)
	if c.options.Verbose && !c.options.Quiet {
		if x := exchangeText(e.Exchange, verboseBody); x != "" {
			s += "\n" + indent(x, "    ")
		}
	}
	return s + "\n"
}

// verboseBody is how much of a body Verbose shows, in bytes.
const verboseBody = 4 << 10

// flaky reports whether the scenario passed only after it, or a step of it,
// was tried again.
func (u *consoleUnit) flaky(e *runner.Event) bool {
	return e.Outcome == runner.Pass && (e.Flaky || u.counts.Flaky > 0)
}

// scenarioLine gives "PASS  scenarios/orders.yaml  Order intake  (6 steps, 123 ms)";
// what was flaky has a second line that says why.
func (c *console) scenarioLine(u *consoleUnit, e *runner.Event) string {
	shown := *e
	shown.File = cmp.Or(e.File, u.start.File)
	s := c.outcome(e.Outcome, u.flaky(e)) + " " + fileAndTitle(&shown)
	if e.Outcome == runner.Skip {
		if reason := reasonOf(u, e); reason != "" {
			s += c.paint(dim, "  ("+oneLine(reason)+")")
		}
		return s + "\n"
	}
	s += c.paint(dim, "  ("+unitDetails(u, e)+")") + "\n"
	if len(u.tries) > 0 && c.options.Verbose {
		return s + c.triesText(u)
	}
	if u.flaky(e) && u.cause != "" && !(c.options.Verbose && u.counts.Flaky > 0) { // the attempts say it
		s += c.paint(dim, "      "+u.cause) + "\n"
	}
	return s
}

// triesText gives a line for each run of the scenario that failed and was not
// the last, as Verbose tells them.
func (c *console) triesText(u *consoleUnit) string {
	s := ""
	for i, cause := range u.tries {
		s += c.paint(dim, "      try "+strconv.Itoa(i+1)+": "+cmp.Or(cause, "did not pass")) + "\n"
	}
	if n := u.again - len(u.tries); n > 0 {
		s += c.paint(dim, "      and "+strconv.Itoa(n)+" more") + "\n"
	}
	return s
}

// fileAndTitle gives "scenarios/orders.yaml  Order intake [A-100]".
func fileAndTitle(e *runner.Event) string {
	name := cmp.Or(numberedTitle(e), "outside of scenarios")
	if e.File == "" {
		return name
	}
	return e.File + "  " + name
}

// numberedTitle names a scenario; behind the name of a row is its number, as
// several rows may have one name.
func numberedTitle(e *runner.Event) string {
	s := scenarioTitle(e)
	if number := strconv.Itoa(e.RowIndex); e.RowIndex > 0 && e.Row != "" && e.Row != number {
		s += " (row " + number + ")"
	}
	return s
}

// reasonOf says why the scenario was skipped.
func reasonOf(u *consoleUnit, e *runner.Event) string { return cmp.Or(e.Reason, u.reason) }

func unitDetails(u *consoleUnit, e *runner.Event) string {
	n := u.counts
	var parts []string
	if e.Outcome != runner.Pass && e.Attempts > 1 {
		parts = append(parts, "failed "+strconv.Itoa(e.Attempts)+" times")
	}
	if bad := n.Failed + n.Errors; bad > 0 {
		parts = append(parts, strconv.Itoa(bad)+" of "+plural(n.Total, "step")+" failed")
	} else {
		parts = append(parts, plural(n.Total, "step"))
	}
	if n.Skipped > 0 {
		parts = append(parts, strconv.Itoa(n.Skipped)+" skipped")
	}
	switch {
	case e.Flaky && e.Attempts > 1:
		parts = append(parts, "flaky: passed at attempt "+strconv.Itoa(e.Attempts))
	case n.Flaky > 1:
		parts = append(parts, "flaky: "+plural(n.Flaky, "step"))
	case n.Flaky == 1:
		parts = append(parts, "flaky: passed at attempt "+strconv.Itoa(u.attempt))
	}
	return strings.Join(append(parts, duration(e.DurationMs)), ", ")
}
