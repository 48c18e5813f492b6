package gate

import (
	"fmt"
	"io"
	"strings"

	"iflowtest/runner"
)

// Annotations writes what did not pass as annotations of GitHub Actions. It is
// fed with events, as a reporter is.
type Annotations struct{ w io.Writer }

// NewAnnotations makes the reporter; w is standard output, where the agent
// reads.
func NewAnnotations(w io.Writer) *Annotations { return &Annotations{w} }

// Event writes the annotation of a check that did not pass.
func (a *Annotations) Event(e *runner.Event) error {
	if e.Event != runner.StepEnd {
		return nil
	}
	var lines []string
	level, line, column := "error", e.Line, e.Column
	switch {
	case e.Outcome == runner.Fail && len(e.Failures) > 0:
		f := e.Failures[0]
		lines, line, column = append([]string{f.Message}, f.Notes...), f.Line, f.Column
	case e.Outcome == runner.Error && e.Err != nil:
		level = "warning"
		lines = []string{e.Err.Message}
		if e.Err.Cure != "" {
			lines = append(lines, e.Err.Cure)
		}
	default:
		return nil
	}
	properties := []string{"title=" + property(e.Scenario+": not "+e.Step)}
	if line > 0 {
		properties = append(properties, "file="+property(e.File), fmt.Sprintf("line=%d", line), fmt.Sprintf("col=%d", max(column, 1)))
	}
	_, err := fmt.Fprintf(a.w, "::%s %s::%s\n", level, strings.Join(properties, ","), message(strings.Join(lines, "\n")))
	return err
}

// Close does nothing: nothing is kept.
func (a *Annotations) Close() error { return nil }

// message escapes the text of a workflow command, property one of its
// properties, as the toolkit of GitHub Actions does.
func message(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(s)
}

func property(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C").Replace(s)
}
