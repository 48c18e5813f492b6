package report

import (
	"strconv"
	"strings"
	"time"
)

// gitHubCommand gives a workflow command; properties without a value are left
// out. Data and properties are escaped as the runner of GitHub unescapes them.
func gitHubCommand(name string, properties [][2]string, data string) string {
	var b strings.Builder
	b.WriteString("::" + name)
	separator := " "
	for _, p := range properties {
		if p[1] != "" {
			b.WriteString(separator + p[0] + "=" + escapeGitHubProperty(p[1]))
			separator = ","
		}
	}
	b.WriteString("::" + escapeGitHub(data) + "\n")
	return b.String()
}

func escapeGitHub(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(s)
}

func escapeGitHubProperty(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C").Replace(s)
}

// azureCommand gives a logging command; properties without a value are left
// out. The agent unescapes properties and data in the same way.
func azureCommand(name string, properties [][2]string, data string) string {
	var b strings.Builder
	b.WriteString("##vso[" + name)
	separator := " "
	for _, p := range properties {
		if p[1] != "" {
			b.WriteString(separator + p[0] + "=" + escapeAzure(p[1]))
			separator = ";"
		}
	}
	b.WriteString("]" + escapeAzure(data) + "\n")
	return b.String()
}

func escapeAzure(s string) string {
	return strings.NewReplacer("%", "%AZP25", "\r", "%0D", "\n", "%0A", ";", "%3B", "]", "%5D").Replace(s)
}

// openSection begins the part of the log that the agent can fold. GitHub folds
// nothing: a group is closed there until somebody opens it.
func (a *annotations) openSection(now time.Time) string {
	switch a.options.Agent {
	case GitLab:
		return a.gitLabMarker("section_start", now) + "Results\n"
	case Azure:
		return "##[group]Results\n"
	}
	return ""
}

func (a *annotations) closeSection(now time.Time) string {
	switch a.options.Agent {
	case GitLab:
		return a.gitLabMarker("section_end", now) + "\n"
	case Azure:
		return "##[endgroup]\n"
	}
	return ""
}

// gitLabMarker gives a marker with the control characters that GitLab looks
// for; the id of the run makes the name of the section its own.
func (a *annotations) gitLabMarker(word string, now time.Time) string {
	const clear = "\x1b[0K"
	return clear + word + ":" + strconv.FormatInt(now.Unix(), 10) + ":iflowtest_" + sectionName(a.run) + "\r" + clear
}

// sectionName gives the characters of s that the name of a section may hold.
func sectionName(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '.' || r == '-' {
			return r
		}
		return -1
	}, s)
}
