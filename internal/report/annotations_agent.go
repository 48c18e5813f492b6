package report

import (
	"io"
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
	b.WriteString("::" + escapeGitHub(inert(data)) + "\n")
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
	b.WriteString("]" + escapeAzure(inert(data)) + "\n")
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

// NewInert gives a Writer that passes on what is written, with a blank in each
// place where an agent would begin to read a command: between the colons of
// "::" at the start of a line, and behind "##" where no blank, no other "#"
// and no end of the line follows. Answers of servers are shown on consoles;
// they must not set variables of a pipeline. Text may be split over calls of
// Write anywhere. It is for one goroutine, as the Writer behind it may be.
func NewInert(w io.Writer) io.Writer { return &inertWriter{w: w} }

type inertWriter struct {
	w     io.Writer
	state inertState
	buf   []byte
}

// Write writes p and says that it wrote all of it when w took what became of
// it.
func (i *inertWriter) Write(p []byte) (int, error) {
	i.buf = i.state.append(i.buf[:0], p)
	if _, err := i.w.Write(i.buf); err != nil {
		return 0, err
	}
	return len(p), nil
}

// inertState is where a text is. The zero inertState is the start of a line.
type inertState struct {
	within bool // of a line: something was there that is to be seen
	colon  bool // the last byte was the first of the line, a colon
	hashes int  // how many # there were last, at most 2
}

// append adds what becomes of p to b. What is not ASCII does not end the start
// of a line: some of it is white space, which agents skip.
func (s *inertState) append(b, p []byte) []byte {
	for _, c := range p {
		switch {
		case c == '\n' || c == '\r':
			*s = inertState{}
			b = append(b, c)
			continue
		case s.colon && c == ':', s.hashes == 2 && c != '#' && c != ' ':
			b = append(b, ' ')
		}
		s.colon = c == ':' && !s.within
		s.within = s.within || c > ' ' && c < 0x7f
		if s.hashes = min(s.hashes+1, 2); c != '#' {
			s.hashes = 0
		}
		b = append(b, c)
	}
	return b
}

// inert gives what a Writer of NewInert makes of s, a text at the start of a
// line.
func inert(s string) string {
	var state inertState
	return string(state.append(nil, []byte(s)))
}
