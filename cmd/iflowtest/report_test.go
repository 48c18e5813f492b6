//go:build unix

package main

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A run that is killed leaves a record that can be rendered: every step that
// ended is there, what was open is interrupted, and what it never came to is
// skipped.
func TestReportOfKilledRun(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("long.yaml", "name: Long\nsteps:\n  - {name: first, wait: 1ms}\n  - {name: second, wait: 1h}\n  - {name: third, wait: 1ms}\n")
	write("next.yaml", "name: Next\nsteps:\n  - {name: never, wait: 1ms}\n")
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Skipf("no named pipe here: %v", err)
	}
	run := exec.CommandContext(t.Context(), "iflowtest", "run", "--sandbox", "long.yaml", "next.yaml", "--json", "pipe")
	run.Dir = dir
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	events, err := os.Open(pipe)
	if err != nil {
		t.Fatal(err)
	}
	defer events.Close()
	var record bytes.Buffer
	lines := bufio.NewScanner(events)
	for lines.Scan() {
		record.WriteString(lines.Text() + "\n")
		if strings.Contains(lines.Text(), `"event":"step-start"`) && strings.Contains(lines.Text(), `"step":"second"`) {
			break
		}
	}
	if err := run.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := run.Wait(); err == nil {
		t.Fatal("the run was not killed")
	}
	write("run.jsonl", record.String()+`{"event":"step-e`)

	report := exec.CommandContext(t.Context(), "iflowtest", "report", "run.jsonl", "--junit", "x.xml", "--html", "x.html")
	report.Dir = dir
	told, err := report.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, told)
	}
	if want := "the file is cut off in the middle of this line"; !strings.Contains(string(told), want) {
		t.Errorf("told %q, want %q", told, want)
	}
	for file, wanted := range map[string][]string{
		"x.xml":  {`tests="4"`, `<testcase name="first" classname="long"`, `type="interrupted"`, `<testcase name="third" classname="long"`, `<testcase name="never" classname="next"`},
		"x.html": {"Exit status 130: the run did not end", "<b>PASS</b> <span>first", "<b>ERROR</b> <span>second", "<b>SKIP</b> <span>third", "not reached: the run did not end"},
	} {
		text, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range wanted {
			if !strings.Contains(string(text), w) {
				t.Errorf("%s does not say %q", file, w)
			}
		}
	}
}
