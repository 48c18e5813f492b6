package report

import (
	"strconv"
	"strings"

	"iflowtest/runner"
)

// summaryCell bounds the text of a cell, in bytes.
const summaryCell = 500

// markdown gives the summary of the job: what became of the run, what did not
// pass, what is flaky, what is slow, what is left behind.
func (a *annotations) markdown(sum *runner.Summary, ms float64) string {
	var b strings.Builder
	word := "passed"
	if sum.ExitStatus != 0 {
		word = "did not pass"
	}
	b.WriteString("## iflowtest: " + word + "\n\n")
	b.WriteString(markdownText(strings.TrimSuffix(new(console).lastLine(sum, ms), "\n")) + "\n\n")
	for _, w := range a.info.Warnings {
		b.WriteString("Warning: " + markdownText(w) + "\n\n")
	}
	b.WriteString("| | total | passed | failed | with errors | skipped | flaky |\n|---|--:|--:|--:|--:|--:|--:|\n")
	writeCounts(&b, "scenarios", sum.Scenarios)
	writeCounts(&b, "steps", sum.Steps)
	a.writeTable(&b, "Failures", "what", &a.errors)
	a.writeTable(&b, "Flaky", "what failed first", &a.warnings)
	a.writeSlowest(&b)
	writeLeftBehind(&b, sum)
	b.WriteString("\n")
	return b.String()
}

func writeCounts(b *strings.Builder, name string, n runner.Counts) {
	b.WriteString("| " + name)
	for _, count := range []int{n.Total, n.Passed, n.Failed, n.Errors, n.Skipped, n.Flaky} {
		b.WriteString(" | " + strconv.Itoa(count))
	}
	b.WriteString(" |\n")
}

func (a *annotations) writeTable(b *strings.Builder, heading, what string, l *issueList) {
	if l.total == 0 {
		return
	}
	b.WriteString("\n### " + heading + "\n\n| scenario | place | " + what + " |\n|---|---|---|\n")
	for _, i := range l.kept {
		place := i.file
		if place != "" && i.line > 0 {
			place += ":" + strconv.Itoa(i.line)
		}
		b.WriteString("| " + markdownText(strings.TrimPrefix(i.title, "flaky: ")) + " | " + markdownText(place) + " | " + markdownText(i.lines[0]) + " |\n")
	}
	if hidden := l.total - len(l.kept); hidden > 0 {
		b.WriteString("\n" + strconv.Itoa(hidden) + " more are in the reports.\n")
	}
}

func (a *annotations) writeSlowest(b *strings.Builder) {
	if len(a.slowest) == 0 {
		return
	}
	b.WriteString("\n### Slowest steps\n\n| step | took |\n|---|--:|\n")
	for _, s := range a.slowest {
		b.WriteString("| " + markdownText(s.text) + " | " + duration(s.ms) + " |\n")
	}
}

func writeLeftBehind(b *strings.Builder, sum *runner.Summary) {
	if len(sum.LeftBehind) == 0 {
		return
	}
	b.WriteString("\n### Left behind\n\n")
	for n, name := range sum.LeftBehind {
		if n == shownRows {
			b.WriteString("- and " + strconv.Itoa(len(sum.LeftBehind)-n) + " more\n")
			break
		}
		b.WriteString("- " + markdownText(name) + "\n")
	}
	if sum.CleanupCommand != "" {
		b.WriteString("\nRemove with: " + markdownText(sum.CleanupCommand) + "\n")
	}
}

// markdownText gives s as a text that Markdown shows as it is: what means
// something there, or makes links and mentions, is written as a reference to
// the character, which means nothing (CommonMark 2.5).
func markdownText(s string) string {
	s = cut(oneLine(s), summaryCell, 0)
	var b strings.Builder
	for n, r := range s {
		switch {
		case r == '\n':
			b.WriteByte(' ')
		case strings.ContainsRune("\\`*_[]<>&|~#!$@", r),
			r == ':' && strings.HasPrefix(s[n:], "://"),
			r == '.' && n >= 3 && strings.EqualFold(s[n-3:n], "www"),
			n == 0 && strings.ContainsRune("-+=0123456789", r):
			b.WriteString("&#" + strconv.Itoa(int(r)) + ";")
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
