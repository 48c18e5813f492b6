package report

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"iflowtest/runner"
)

func annotationsOf(t testing.TB, o AnnotationOptions, events []*runner.Event) (out, summary string) {
	t.Helper()
	var b, s bytes.Buffer
	o.Out, o.Summary = &b, &s
	feed(t, NewAnnotations(o), events)
	return b.String(), s.String()
}

func TestAnnotationsGolden(t *testing.T) {
	for _, agent := range []Agent{GitHub, GitLab, Azure} {
		out, summary := annotationsOf(t, AnnotationOptions{Agent: agent, Sections: true}, inOrder())
		golden(t, "annotations-"+string(agent)+".txt", []byte(strings.NewReplacer("\x1b", "<ESC>", "\r", "<CR>").Replace(out)))
		golden(t, "summary.md", []byte(summary))
	}
	out, summary := annotationsOf(t, AnnotationOptions{Agent: GitHub}, inOrder()[:20])
	golden(t, "annotations-interrupted.txt", []byte(out))
	golden(t, "summary-interrupted.md", []byte(summary))
}

// TestAnnotationsWithConsole has the lines of the scenarios within the section,
// and the last line of the console as the last one.
func TestAnnotationsWithConsole(t *testing.T) {
	var b bytes.Buffer
	feed(t, Tee(NewAnnotations(AnnotationOptions{Out: &b, Agent: Azure, Sections: true}), NewConsole(ConsoleOptions{Out: &b})), inOrder())
	lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
	place := func(prefix string) int {
		for n, l := range lines {
			if strings.HasPrefix(l, prefix) {
				return n
			}
		}
		t.Fatalf("no line begins with %q:\n%s", prefix, b.String())
		return 0
	}
	order := []int{place("##[group]"), place("PASS "), place("##[endgroup]"), place("##vso[task.logissue"), place("Failures"), place("FAIL: ")}
	for n := range order[1:] {
		if order[n] >= order[n+1] {
			t.Errorf("lines %v are not in this order:\n%s", order, b.String())
		}
	}
	if order[len(order)-1] != len(lines)-1 {
		t.Errorf("something follows the last line of the console:\n%s", b.String())
	}
}

func TestAnnotationsOrder(t *testing.T) {
	out, summary := annotationsOf(t, AnnotationOptions{Agent: GitHub}, inOrder())
	for seed := range uint64(20) {
		gotOut, gotSummary := annotationsOf(t, AnnotationOptions{Agent: GitHub}, interleaved(rand.New(rand.NewPCG(seed, 2))))
		if d := cmp.Diff(out, gotOut); d != "" {
			t.Fatalf("annotations differ (-in order +interleaved):\n%s", d)
		}
		if d := cmp.Diff(summary, gotSummary); d != "" {
			t.Fatalf("the summary differs (-in order +interleaved):\n%s", d)
		}
	}
}

// TestAnnotationsBounded has more failures than an agent shows.
func TestAnnotationsBounded(t *testing.T) {
	const failing = 137
	var events []*runner.Event
	for n := range failing {
		s := &scenario{id: n + 1, name: fmt.Sprintf("Scenario %d", n+1), file: "many.yaml"}
		events = append(events, s.start().step("sends", 1, failed()).done(runner.Fail)...)
	}
	events = append(events, &runner.Event{Event: runner.RunEnd, Time: at(10), Summary: &runner.Summary{
		Scenarios: runner.Counts{Total: failing, Failed: failing}, ExitStatus: 1, LeftBehind: []string{"instance a"},
	}})
	out, summary := annotationsOf(t, AnnotationOptions{Agent: GitHub}, events)
	if n := strings.Count(out, "::error "); n != shownAnnotations {
		t.Errorf("%d errors, want %d:\n%s", n, shownAnnotations, out)
	}
	if !strings.HasPrefix(out, "::error title=1 resource left behind::instance a\n") {
		t.Errorf("what is left behind does not come first:\n%s", out)
	}
	if !strings.HasSuffix(out, "%0A(and 128 more errors, in the log and in the reports)\n") {
		t.Errorf("the last annotation does not tell of the others:\n%s", out)
	}
	if n := strings.Count(summary, "| Scenario "); n != shownRows+shownSlow {
		t.Errorf("%d rows in the summary, want %d failures and %d slow steps", n, shownRows, shownSlow)
	}
	if !strings.Contains(summary, "\n87 more are in the reports.\n") {
		t.Errorf("the summary does not count what it leaves out:\n%s", summary)
	}
}

// TestAnnotationsKept has a run that passed and keeps something on purpose.
func TestAnnotationsKept(t *testing.T) {
	out, _ := annotationsOf(t, AnnotationOptions{Agent: GitHub}, []*runner.Event{
		{Event: runner.RunEnd, Time: at(10), Summary: &runner.Summary{LeftBehind: []string{"a", "b"}, CleanupCommand: "iflowtest cleanup"}},
	})
	want := "::warning title=2 resources left behind::a, b%0Aremove with: iflowtest cleanup\n"
	if out != want {
		t.Errorf("got %q, want %q", out, want)
	}
}

func TestAnnotationsFolder(t *testing.T) {
	out, _ := annotationsOf(t, AnnotationOptions{Agent: GitHub, Folder: "tests/api"}, inOrder())
	if !strings.Contains(out, "file=tests/api/scenarios/orders.yaml,line=21,col=9,") {
		t.Errorf("the file is not named from the root of the repository:\n%s", out)
	}
}

// TestAnnotationsRepeated has a scenario that passes the second time: a
// warning, and no error.
func TestAnnotationsRepeated(t *testing.T) {
	s := (&scenario{id: 1, name: "Again", file: "a.yaml"}).start().step("sends", 1, broken()).start().step("sends", 1, passed())
	out, _ := annotationsOf(t, AnnotationOptions{Agent: GitHub}, s.done(runner.Pass, runner.Event{Flaky: true, Attempts: 2}))
	want := "::warning file=a.yaml,line=2,col=1,title=flaky%3A Again::POST tenant.example.com: connection refused\n"
	if out != want {
		t.Errorf("got %q, want %q", out, want)
	}
}

// foreignCommands are texts of a server that wants to speak to the agent.
func foreignCommands() []string {
	return []string{
		"::set-env name=PATH::/evil", "x\n::add-mask::a", "x\r::error::a", "x\r\n  ::error::a", "\u00a0::error::a", "%0A::error::a", "%250A::error::a",
		"##vso[task.setvariable variable=PATH]/evil", "a ##vso[task.complete]", "##VSO[task.x]", "##[error]a", "a ##[add-mask]b", "###[error]a", "%23%23vso[task.x]",
		"];##vso[task.x]", "%AZP250A##vso[task.x]", "title::error file=x::y", "a,line=1::b", "::stop-commands::x", "\x1b[0K::error::a", ":::error::a",
	}
}

// TestForeignTextIsNoCommand puts hostile text into everything that a server
// or a file can name: each event is one command, and it is ours.
func TestForeignTextIsNoCommand(t *testing.T) {
	for _, text := range foreignCommands() {
		for _, agent := range []Agent{GitHub, Azure} {
			out, _ := annotationsOf(t, AnnotationOptions{Agent: agent}, speaking(text))
			if n := strings.Count(out, "\n"); n != 5 {
				t.Errorf("%s, %q: %d lines, want 3 steps and scenarios, 1 resource, 1 flaky:\n%s", agent, text, n, out)
			}
			said := ""
			for l := range strings.Lines(out) {
				said += checkOwnCommand(t, agent, text, l)
			}
			if whole := oneLine(text); !strings.Contains(said, whole) {
				t.Errorf("%s: no command says %q:\n%s", agent, whole, said)
			}
		}
	}
}

// speaking gives a run with text wherever it can be.
func speaking(text string) []*runner.Event {
	s := &scenario{id: 1, name: text, row: text, rowIndex: 1, file: text}
	events := s.start().step(text, 1, runner.Event{
		Outcome: runner.Fail, Failures: []runner.Failure{{File: text, Line: 3, Column: 1, Message: text, Notes: []string{text}, Source: text, Diff: text}},
		Exchange: &runner.Exchange{Method: "GET", URL: text, Body: text, MessageID: text},
	}).done(runner.Fail)
	problem := runner.Event{Err: &runner.Problem{Type: "network", Message: text, Cure: text}}
	events = append(events, (&scenario{id: 2, name: text, file: text}).start().step(text, 1, failed()).done(runner.Error, problem)...)
	flaky := (&scenario{id: 3, name: text, file: text}).start()
	flaky.emit(runner.Event{Event: runner.Attempt, Outcome: runner.Fail, Reason: text, Step: text, Index: 1})
	events = append(events, flaky.step(text, 1, runner.Event{Outcome: runner.Pass, Flaky: true, Attempts: 2}).done(runner.Pass)...)
	return append(events, &runner.Event{Event: runner.RunEnd, Time: at(9), Summary: &runner.Summary{
		ExitStatus: 1, ExitReason: text, LeftBehind: []string{text}, CleanupCommand: text,
	}})
}

// checkOwnCommand reads a line as the agent does, which is one command of ours,
// and gives what it says.
func checkOwnCommand(t *testing.T, agent Agent, text, line string) (said string) {
	t.Helper()
	form := regexp.MustCompile(`^::(error|warning) (?:(?:file|line|col|title)=[^:,\r\n]*,?)+::([^\r\n]*)\n$`)
	if agent == Azure {
		form = regexp.MustCompile(`^##vso\[task\.logissue type=(error|warning)(?:;(?:sourcepath|linenumber|columnnumber)=[^\];\r\n]*)*\]([^\];\r\n]*)\n$`)
	}
	parts := form.FindStringSubmatch(line)
	if parts == nil {
		t.Errorf("%s, %q: %q is no command of ours", agent, text, line)
		return ""
	}
	return strings.NewReplacer("%0D", "\r", "%0A", "\n", "%25", "%", "%3B", ";", "%5D", "]", "%AZP25", "%").Replace(parts[2])
}

// TestSummaryIsPlain has Markdown and HTML in every text.
func TestSummaryIsPlain(t *testing.T) {
	const text = "| a | <img src=x onerror=y> [x](https://evil.example) `c` @team **b** www.evil.example $x$ \\| &amp; https://evil.example"
	s := (&scenario{id: 1, name: text, file: "a|b.yaml"}).start()
	events := s.step(text, 1, runner.Event{Outcome: runner.Error, Err: &runner.Problem{Message: "- " + text}}).done(runner.Error)
	events = append(events, &runner.Event{Event: runner.RunEnd, Time: at(2), Summary: &runner.Summary{ExitStatus: 5, ExitReason: text, LeftBehind: []string{text}, CleanupCommand: text}})
	_, summary := annotationsOf(t, AnnotationOptions{}, events)
	for l := range strings.Lines(summary) {
		for _, bad := range []string{"<", "](", "`", "@", "**", "www.", "://", "$", "\\"} {
			if strings.Contains(l, bad) {
				t.Errorf("%q is in a line of the summary: %s", bad, l)
			}
		}
		if strings.HasPrefix(l, "| ") && strings.Count(l, "|") != 4 && strings.Count(l, "|") != 3 && strings.Count(l, "|") != 8 {
			t.Errorf("a row has other cells than its table: %s", l)
		}
	}
}

func TestAnnotationsThatCannotBeWritten(t *testing.T) {
	for name, o := range map[string]AnnotationOptions{
		"output":  {Out: broke{}, Agent: GitHub, Sections: true},
		"summary": {Out: io.Discard, Agent: GitHub, Summary: broke{}},
	} {
		r := NewAnnotations(o)
		told := 0
		for _, e := range inOrder() {
			if r.Event(e) != nil {
				told++
			}
		}
		if r.Close() != nil {
			told++
		}
		if told != 1 {
			t.Errorf("%s: the error was told %d times, want once", name, told)
		}
	}
}

// broke takes nothing.
type broke struct{}

func (broke) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }
