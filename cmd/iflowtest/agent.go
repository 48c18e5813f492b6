package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"iflowtest/internal/report"
	"iflowtest/runner"
)

// agent is what runs this job and reads commands in its output: GitHub is
// asked for with --github, GitLab and Azure are seen by their variables. A
// terminal is none of theirs.
func (p *program) agent(github bool) report.Agent {
	switch {
	case github:
		return report.GitHub
	case p.isTerminal(p.out):
		return ""
	case p.has("GITLAB_CI"):
		return report.GitLab
	case p.has("TF_BUILD"):
		return report.Azure
	}
	return ""
}

// has reports whether a variable of the process environment is there and not
// empty.
func (p *program) has(name string) bool {
	value, _ := p.getenv(name)
	return value != ""
}

// annotations gives the reporter for the agent; one that does nothing where
// there is none. The summary of the job is opened at once, so that one that
// cannot be written is found before the first request.
func (p *program) annotations(github, sections bool) (report.Reporter, error) {
	o := report.AnnotationOptions{Out: p.out, Agent: p.agent(github), Sections: sections}
	switch o.Agent {
	case "":
		return report.Tee(), nil
	case report.GitHub:
		o.Folder = p.folderBelow("GITHUB_WORKSPACE")
	case report.Azure:
		o.Folder = p.folderBelow("BUILD_SOURCESDIRECTORY")
	}
	file, _ := p.getenv("GITHUB_STEP_SUMMARY")
	if o.Agent != report.GitHub || file == "" {
		return report.NewAnnotations(o), nil
	}
	summary, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return nil, &exitError{
			status:  runner.ExitReport,
			message: fmt.Sprintf("the summary of the job, %s, cannot be written: %s; nothing was sent", file, plain(err)),
			hints:   []string{"GITHUB_STEP_SUMMARY names it"},
		}
	}
	o.Summary = summary
	return summarized{report.NewAnnotations(o), summary}, nil
}

// folderBelow gives the working folder as it stands below the one that a
// variable names; empty when it is that one, or not below it.
func (p *program) folderBelow(variable string) string {
	root, _ := p.getenv(variable)
	if root == "" {
		return ""
	}
	folder, err := os.Getwd()
	if err != nil {
		return ""
	}
	below, err := filepath.Rel(root, folder)
	if below = filepath.ToSlash(below); err != nil || below == "." || below == ".." || strings.HasPrefix(below, "../") {
		return ""
	}
	return below
}

// summarized are annotations, and the file of the summary that they write.
type summarized struct {
	report.Reporter
	file io.Closer
}

// Close completes the summary and closes its file.
func (s summarized) Close() error { return errors.Join(s.Reporter.Close(), s.file.Close()) }
