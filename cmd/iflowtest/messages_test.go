package main

import (
	"path/filepath"
	"strings"
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

// TestMessageSuitesFlaky: a runtime that restarts is waited for, one that is
// gone is not.
func TestMessageSuitesFlaky(t *testing.T) {
	t.Chdir(filepath.Join("..", ".."))
	status, out, log := invoke(t, "run", "--sandbox", "scenarios/messages/available.yaml", "--fault", "runtime-503:count=2")
	if status != 0 || !strings.Contains(out, "1 flaky") {
		t.Errorf("exit status %d, want 0 and flaky\n%s\n%s", status, out, log)
	}
	status, out, log = invoke(t, "run", "--sandbox", "scenarios/messages/available.yaml", "--fault", "runtime-503")
	if status != 1 || !strings.Contains(out, "after 4 attempts") {
		t.Errorf("exit status %d, want 1 after 4 attempts\n%s\n%s", status, out, log)
	}
}
