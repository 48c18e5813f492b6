package main

import (
	"path/filepath"
	"testing"
)

// TestMessageSuites: logs that come late, and a clock of the tenant that is
// another, make no difference to the suites of messages.
func TestMessageSuites(t *testing.T) {
	t.Chdir(filepath.Join("..", ".."))
	for _, fault := range []string{"log-late:seconds=1", "clock-skew:seconds=-900"} {
		file := filepath.Join(t.TempDir(), "TEST.xml")
		status, out, log := invoke(t, "run", "--sandbox", "scenarios/messages", "--fault", fault, "--junit", file)
		if status != 0 {
			t.Fatalf("%s: exit status %d\n%s\n%s", fault, status, out, log)
		}
		if root := counted(t, file); root.Tests < 20 || root.Failures+root.Errors > 0 {
			t.Errorf("%s: %d cases, %d failures, %d errors", fault, root.Tests, root.Failures, root.Errors)
		}
	}
}
