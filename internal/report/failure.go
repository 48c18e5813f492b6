package report

import (
	"strconv"
	"strings"

	"iflowtest/internal/diag"
	"iflowtest/runner"
)

const (
	// shownBody is how much of a body a report shows, in bytes.
	shownBody = 32 << 10
	// shownDiff is how many lines of a comparison are shown.
	shownDiff = 200
	// knownLines bounds the line numbers whose source line is shown: the
	// printer wants the lines of a whole file.
	knownLines = 100_000
)

// title names a step: "Order intake › accepts an order".
func title(e *runner.Event) string {
	s := numberedTitle(e)
	switch {
	case s == "":
		s = oneLine(e.Step)
	case e.Step != "":
		s += " › " + oneLine(e.Step)
	}
	if e.Cleanup {
		s += " (cleanup)"
	}
	return s
}

func scenarioTitle(e *runner.Event) string {
	s := oneLine(e.Scenario)
	if e.Row != "" {
		s += " [" + oneLine(e.Row) + "]"
	}
	return s
}

// problems gives everything that is wrong with the step or scenario of e as
// the console shows it: a block for each, with a blank line between two. The
// last one names the exchange.
func problems(e *runner.Event, color bool) string {
	var blocks []block
	var place diag.Position
	if e.File != "" {
		place = diag.Position{File: e.File, Line: e.Line, Column: e.Column}
	}
	if e.Err != nil {
		d := diag.Errorf(place, e.Err.Type, "%s", e.Err.Message)
		if e.Err.Cure != "" {
			d.Hints = append(d.Hints, e.Err.Cure)
		}
		blocks = append(blocks, block{diagnostic: d})
	}
	for i := range e.Failures {
		blocks = append(blocks, failureBlock(&e.Failures[i], color))
	}
	if len(blocks) == 0 {
		blocks = append(blocks, block{diagnostic: diag.Errorf(place, runner.TypeInternal, "%s", messageOf(e))})
	}
	last := &blocks[len(blocks)-1].diagnostic
	last.Hints = append(last.Hints, exchangeNotes(e)...)
	var b strings.Builder
	for i, p := range blocks {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(diag.Format(p.diagnostic, p.sources, diag.Style{Color: color}))
	}
	return b.String()
}

// block is a diagnostic and the one source line that is known.
type block struct {
	diagnostic diag.Diagnostic
	sources    diag.Sources
}

func failureBlock(f *runner.Failure, color bool) block {
	b := block{diagnostic: diag.Diagnostic{
		Severity: diag.Error,
		Pos:      diag.Position{File: f.File, Line: f.Line, Column: f.Column, Width: f.Width},
		Code:     f.Code,
		Message:  f.Message,
		Hints:    failureNotes(f, color),
	}}
	if f.Source != "" && f.Line > 0 && f.Line <= knownLines {
		lines := make([]string, f.Line)
		lines[f.Line-1] = f.Source
		b.sources = diag.Sources{f.File: lines}
	}
	return b
}

func failureNotes(f *runner.Failure, color bool) []string {
	notes := append([]string(nil), f.Notes...)
	if f.Diff == "" {
		return notes
	}
	lines := strings.Split(cutLines(cut(f.Diff, shownBody, 0), shownDiff), "\n")
	for i, l := range lines {
		switch {
		case strings.HasPrefix(l, "-"):
			lines[i] = paint(color, red, l)
		case strings.HasPrefix(l, "+"):
			lines[i] = paint(color, green, l)
		}
	}
	return append(notes, "difference, - wanted, + found:\n"+strings.Join(lines, "\n"))
}

// exchangeNotes gives "POST https://… → 200 in 182 ms, message ID AGpy…".
func exchangeNotes(e *runner.Event) []string {
	var notes []string
	if e.Exchange != nil {
		notes = append(notes, exchangeLine(e))
	}
	switch {
	case e.Event == runner.Attempt && e.Attempts > 0:
		notes = append(notes, "attempt "+strconv.Itoa(e.Attempts))
	case e.Event == runner.ScenarioEnd && e.Attempts > 1:
		notes = append(notes, "run "+strconv.Itoa(e.Attempts)+" times, this is the last")
	case e.Attempts > 1:
		notes = append(notes, "after "+strconv.Itoa(e.Attempts)+" attempts")
	}
	return notes
}

func exchangeLine(e *runner.Event) string {
	x := e.Exchange
	s := x.Method + " " + x.URL
	s += " → no answer"
	word := " after "
	if x.Status != 0 {
		s, word = x.Method+" "+x.URL+" → "+strconv.Itoa(x.Status), " in "
	}
	if ms, known := took(e); known {
		s += word + duration(ms)
	}
	if x.MessageID != "" {
		s += ", message ID " + x.MessageID
	}
	return s
}

// took gives the milliseconds of the exchange: of its parts, or where they are
// not known of the step. That of a step with several attempts says nothing of
// the last one.
func took(e *runner.Event) (ms float64, known bool) {
	if t := e.Exchange.Timings; t != nil {
		if sum := t.DNS + t.Connect + t.TLS + t.Wait + t.Body; sum > 0 {
			return sum, true
		}
	}
	return e.DurationMs, e.Event == runner.Attempt || e.Attempts <= 1
}

// messageOf gives the one line that says best why e did not pass.
func messageOf(e *runner.Event) string {
	switch {
	case e.Outcome == runner.Fail && len(e.Failures) > 0:
		return e.Failures[0].Message
	case e.Err != nil:
		return e.Err.Message
	case len(e.Failures) > 0:
		return e.Failures[0].Message
	case e.Reason != "":
		return e.Reason
	}
	return "ended with " + strconv.Quote(string(e.Outcome)) + " and no reason was given"
}

// exchangeText shows the whole exchange and the command line that repeats it;
// each body is cut at limit bytes. It is empty when there was no exchange.
func exchangeText(x *runner.Exchange, limit int) string {
	if x == nil {
		return ""
	}
	var b strings.Builder
	b.WriteString(x.Method + " " + x.URL + "\n")
	writeMessage(&b, x.RequestHeaders, x.RequestBody, limit, x.RequestBodySize)
	if x.Status == 0 {
		b.WriteString("\nno answer\n")
	} else {
		b.WriteString("\n" + strconv.Itoa(x.Status) + timingText(x.Timings) + "\n")
		writeMessage(&b, x.Headers, x.Body, limit, x.BodySize)
	}
	if x.MessageID != "" {
		b.WriteString("\nmessage ID " + x.MessageID + "\n")
	}
	if x.Curl != "" {
		b.WriteString("\n" + x.Curl + "\n")
	}
	return b.String()
}

func writeMessage(b *strings.Builder, headers []runner.HeaderField, body string, limit int, size int64) {
	for _, h := range headers {
		b.WriteString(h.Name + ": " + h.Value + "\n")
	}
	if body == "" && size == 0 {
		return
	}
	b.WriteString("\n" + strings.TrimSuffix(cut(body, limit, size), "\n") + "\n")
}

func timingText(t *runner.Timings) string {
	if t == nil {
		return ""
	}
	return " (dns " + duration(t.DNS) + ", connect " + duration(t.Connect) + ", TLS " + duration(t.TLS) +
		", wait " + duration(t.Wait) + ", body " + duration(t.Body) + ")"
}
