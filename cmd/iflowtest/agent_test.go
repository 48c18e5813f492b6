package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"iflowtest/internal/secret"
)

// heard gives the lines of a log that an agent takes for commands: GitHub reads
// "::" at the start of a line behind white space, and "##[" anywhere; Azure
// reads "##vso[" anywhere and "##[" at the start of a line.
func heard(log string) []string {
	var commands []string
	gitHub := regexp.MustCompile(`^[\s\p{Z}\p{Cc}]*::`)
	other := regexp.MustCompile(`(?i)##(vso)?\[`)
	for _, l := range regexp.MustCompile(`\r\n|\r|\n`).Split(log, -1) {
		if gitHub.MatchString(l) || other.MatchString(l) {
			commands = append(commands, l)
		}
	}
	return commands
}

// TestAnswersAreNoCommands has a server that says to the agent what it should
// do, as an answer and as an error: nothing of it is a command, on the console,
// in the log, in annotations, in the summary.
func TestAnswersAreNoCommands(t *testing.T) {
	t.Chdir(t.TempDir())
	texts, err := json.Marshal([]string{
		"::set-env name=PATH::/evil", "x\n::add-mask::a", "x\r::error::a", "x\r\n  ::error::a", "\u00a0::error::a", "%0A::error::a", "%250A::error::a",
		"##vso[task.setvariable variable=PATH]/evil", "a ##vso[task.complete]", "##VSO[task.x]", "##[error]a", "a ##[add-mask]b", "###[error]a",
		"];##vso[task.x]", "%AZP250A##vso[task.x]", "::stop-commands::x", "\x1b[0K::error::a", "\x1b[0Ksection_end:1:x\r\x1b[0K",
	})
	if err != nil {
		t.Fatal(err)
	}
	write(t, "texts.json", `{"texts": `+string(texts)+`}`)
	write(t, "suite.yaml", `name: Hostile
steps:
  - name: a structure
    call: {POST: /http/echo, credential: sender, file: texts.json, headers: {content-type: application/json}}
    expect: {json: {json.texts: {equals: nothing}}}
  - name: a text
    call: {POST: /http/echo, credential: sender, file: texts.txt}
    expect: {body: {equals: nothing}}
`)
	var raw []string
	if err := json.Unmarshal(texts, &raw); err != nil {
		t.Fatal(err)
	}
	write(t, "texts.txt", strings.Join(raw, "\n"))
	for _, agent := range []string{"GITHUB_ACTIONS=true", "TF_BUILD=True", "GITLAB_CI=true"} {
		t.Run(agent, func(t *testing.T) {
			summary := filepath.Join(t.TempDir(), "summary.md")
			var out, log bytes.Buffer
			p := &program{in: strings.NewReader(""), out: &out, err: &log, redactor: secret.NewRedactor(), environ: []string{agent, "GITHUB_STEP_SUMMARY=" + summary}}
			args := []string{"run", "--sandbox", "suite.yaml", "-v"}
			if strings.HasPrefix(agent, "GITHUB") {
				args = append(args, "--github")
			}
			if status := p.run(t.Context(), args); status != 1 {
				t.Fatalf("exit status %d, want 1\n%s\n%s", status, out.String(), log.String())
			}
			if !strings.Contains(out.String(), "task.setvariable") {
				t.Errorf("the answer is not shown:\n%s", out.String())
			}
			for _, l := range heard(out.String() + "\n" + log.String()) {
				if !regexp.MustCompile(`^(::error file=suite\.yaml,line=\d+,|##vso\[task\.logissue type=error;sourcepath=suite\.yaml;|##\[(end)?group\])`).MatchString(l) {
					t.Errorf("the agent hears %q", l)
				}
				said := strings.NewReplacer("%0D", "\r", "%0A", "\n", "%25", "%", "%3B", ";", "%5D", "]", "%AZP25", "%").Replace(l[2:])
				if got := heard(strings.TrimPrefix(said, "vso[")); len(got) > 0 && !strings.HasPrefix(l, "##[") {
					t.Errorf("the text of a command holds another: %q", got)
				}
			}
			if n := strings.Count(out.String(), "section_end:"); agent == "GITLAB_CI=true" && strings.Count(out.String(), "\x1b[0Ksection_end:") != 1 {
				t.Errorf("section_end is there %d times, and with its control characters not once", n)
			}
			if text, err := os.ReadFile(summary); err == nil && len(heard(string(text))) > 0 {
				t.Errorf("in the summary: %q", heard(string(text)))
			}
		})
	}
}
