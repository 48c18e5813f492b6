package report

import (
	"strings"
	"testing"
	"time"

	"iflowtest/runner"
)

// updatedRun is a run that updates expected files.
func updatedRun(updated []string, asExpected int) []*runner.Event {
	at := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	return []*runner.Event{
		{Event: runner.RunStart, Time: at, Run: "r", Info: &runner.RunInfo{}},
		{Event: runner.RunEnd, Time: at, Run: "r", Summary: &runner.Summary{Updated: updated, AsExpected: asExpected}},
	}
}

func TestConsoleUpdatedFiles(t *testing.T) {
	for name, c := range map[string]struct {
		updated    []string
		asExpected int
		quiet      bool
		want       string
	}{
		"written":     {[]string{"expected/a.json", "expected/b.xml"}, 1, false, "Expected:  2 files written, 1 file as expected already\n           expected/a.json\n           expected/b.xml\n"},
		"none":        {nil, 3, false, "Expected:  3 files as expected already\n"},
		"not updated": {nil, 0, false, ""},
		"quiet":       {[]string{"expected/a.json"}, 1, true, ""},
	} {
		got := string(consoleOf(t, ConsoleOptions{Quiet: c.quiet}, updatedRun(c.updated, c.asExpected)))
		if c.want != "" && !strings.Contains(got, c.want) {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, c.want)
		}
		if c.want == "" && strings.Contains(got, "xpected") {
			t.Errorf("%s: got\n%s", name, got)
		}
	}
}
