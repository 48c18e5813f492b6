package report

import (
	"strconv"
	"strings"
	"time"

	"iflowtest/runner"
)

// printSummary prints the counts and the last line, which alone has to be
// enough: e is run-end, nil when the run ended without one.
func (c *console) printSummary(e *runner.Event) {
	sum := runner.Summary{Scenarios: c.scenarios, Steps: c.steps, ExitReason: "the run ended before it was complete", ExitStatus: -1}
	ms := float64(c.last.Sub(c.first)) / float64(time.Millisecond)
	if e != nil {
		ms = e.DurationMs
		sum.ExitStatus, sum.ExitReason = 0, ""
		if e.Summary != nil {
			sum = *e.Summary
		}
	}
	if !c.options.Quiet {
		c.print(c.counts(&sum))
	}
	c.print(c.lastLine(&sum, ms))
}

func (c *console) counts(sum *runner.Summary) string {
	var b strings.Builder
	if c.failures == 0 {
		b.WriteByte('\n')
	}
	b.WriteString("Scenarios: " + c.countText(sum.Scenarios) + "\n")
	b.WriteString("Steps:     " + c.countText(sum.Steps) + "\n")
	if len(c.slowest) > 0 {
		b.WriteString("Slowest steps:\n")
		for _, s := range c.slowest {
			t := duration(s.ms)
			b.WriteString(strings.Repeat(" ", max(0, 10-len(t))) + t + "  " + s.text + "\n")
		}
	}
	if c.info.Seed != 0 {
		b.WriteString("Seed:      " + strconv.FormatInt(c.info.Seed, 10) + "\n")
	}
	b.WriteString(expectedFiles(sum))
	for i, r := range c.options.Reports {
		if i == 0 {
			b.WriteString("Reports:   " + r + "\n")
		} else {
			b.WriteString("           " + r + "\n")
		}
	}
	return b.String()
}

// expectedFiles says which expected files were written, in a run that updates
// them.
func expectedFiles(sum *runner.Summary) string {
	if len(sum.Updated) == 0 && sum.AsExpected == 0 {
		return ""
	}
	var parts []string
	if n := len(sum.Updated); n > 0 {
		parts = append(parts, plural(n, "file")+" written")
	}
	if n := sum.AsExpected; n > 0 {
		parts = append(parts, plural(n, "file")+" as expected already")
	}
	s := "Expected:  " + strings.Join(parts, ", ") + "\n"
	for _, file := range sum.Updated {
		s += "           " + oneLine(file) + "\n"
	}
	return s
}

// countText gives "3 (1 passed, 2 failed)"; what is 0 is not mentioned.
func (c *console) countText(n runner.Counts) string {
	var parts []string
	part := func(count int, color, word string) {
		if count > 0 {
			parts = append(parts, c.paint(color, strconv.Itoa(count)+" "+word))
		}
	}
	part(n.Passed, green, "passed")
	part(n.Failed, red, "failed")
	part(n.Errors, red, "with errors")
	part(n.Skipped, yellow, "skipped")
	part(n.Flaky, yellow, "flaky")
	if len(parts) == 0 {
		return strconv.Itoa(n.Total)
	}
	return strconv.Itoa(n.Total) + " (" + strings.Join(parts, ", ") + ")"
}

// lastLine says how the run ended, what it left behind and how to remove it.
func (c *console) lastLine(sum *runner.Summary, ms float64) string {
	n := sum.Scenarios
	word, color := "PASS", green
	if sum.ExitStatus != 0 {
		word, color = "FAIL", red
	}
	s := c.paint(color, word) + ": "
	if bad := n.Failed + n.Errors; bad > 0 {
		s += strconv.Itoa(bad) + " of " + plural(n.Total, "scenario") + " failed"
	} else {
		s += plural(n.Total, "scenario") + ", " + plural(sum.Steps.Total, "step")
	}
	s += " in " + duration(ms)
	if sum.ExitStatus >= 0 {
		s += "; exit status " + strconv.Itoa(sum.ExitStatus)
	}
	if sum.ExitReason != "" {
		s += ": " + oneLine(sum.ExitReason)
	}
	if len(sum.LeftBehind) > 0 {
		s += "; left behind: " + oneLine(strings.Join(sum.LeftBehind, ", "))
	}
	if sum.CleanupCommand != "" {
		s += "; remove with: " + oneLine(sum.CleanupCommand)
	}
	return s + "\n"
}
