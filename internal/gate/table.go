package gate

import (
	"cmp"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"iflowtest/runner"
)

// header names the columns of the table.
func header() []string {
	return []string{"KEY", "KIND", "PLAN", "TENANT", "REGION", "SCOPES", "TOKEN LIFE", "CERTIFICATE UNTIL", "VERDICT"}
}

// cells are the columns of a key but the verdict, which stands last.
func (k *Key) cells() []string {
	life, until := "-", "-"
	if k.LifeKnown {
		life = lifetime(k.Life)
	}
	if !k.CertificateUntil.IsZero() {
		until = k.CertificateUntil.UTC().Format(time.DateOnly)
	}
	return []string{k.Name, dash(k.Kind), dash(k.Plan), dash(k.Tenant), dash(k.Region), scopesCell(k.Scopes), life, until}
}

func dash(s string) string { return cmp.Or(s, "-") }

// lifetime writes how long a token lives, in the table and in messages alike: 1h
// instead of 1h0m0s.
func lifetime(d time.Duration) string {
	s := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(s, zero) {
			s = s[:len(s)-2]
		}
	}
	return s
}

// scopesCell shows the scopes without the names of their applications.
func scopesCell(scopes []string) string {
	const most = 3
	if len(scopes) == 0 {
		return "-"
	}
	var short []string
	for _, s := range scopes {
		if _, name, ok := strings.Cut(s, "!"); ok {
			if _, after, ok := strings.Cut(name, "."); ok {
				s = after
			}
		}
		short = append(short, s)
	}
	text := strings.Join(short[:min(len(short), most)], " ")
	if len(short) > most {
		text += fmt.Sprintf(" +%d", len(short)-most)
	}
	return text
}

// verdictCell is the verdict, and what did not pass.
func (k *Key) verdictCell() string {
	if len(k.Failed) == 0 {
		return string(k.Verdict)
	}
	return string(k.Verdict) + ": not " + strconv.Quote(k.Failed[0]) + more(len(k.Failed)-1)
}

func more(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" and %d more", n)
}

// WriteTable writes the table of the keys, and what each token says of itself.
func WriteTable(w io.Writer, r *Result, color bool) error {
	var b strings.Builder
	b.WriteByte('\n')
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0) // a strings.Builder takes everything
	fmt.Fprintln(t, strings.Join(header(), "\t"))
	for i := range r.Keys {
		k := &r.Keys[i]
		fmt.Fprintln(t, oneLine(strings.Join(k.cells(), "\t"))+"\t"+painted(k, color))
	}
	_ = t.Flush()
	for i := range r.Keys {
		r.Keys[i].details(&b)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// details writes the claims that are shown and not judged, and the remarks.
func (k *Key) details(b *strings.Builder) {
	var lines []string
	if k.Zone != "" || k.Subdomain != "" || len(k.Audience) > 0 {
		lines = append(lines, fmt.Sprintf("zid %s, zdn %s, aud %s", dash(k.Zone), dash(k.Subdomain), dash(strings.Join(k.Audience, " "))))
	}
	for _, l := range append(lines, k.Remarks...) {
		b.WriteString(oneLine(k.Name+": "+l) + "\n")
	}
}

func painted(k *Key, color bool) string {
	text := oneLine(k.verdictCell())
	if !color {
		return text
	}
	code := "31"
	switch k.Verdict {
	case Fine:
		code = "32"
	case Unknown, NotAsked, Interrupted:
		code = "33"
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// oneLine keeps foreign text in its row: it is printable already, but for line
// feeds.
func oneLine(s string) string { return strings.ReplaceAll(s, "\n", " ") }

// WriteLine writes the result in one line.
func WriteLine(w io.Writer, r *Result, took time.Duration) error {
	counts := map[Verdict]int{}
	for _, k := range r.Keys {
		counts[k.Verdict]++
	}
	var parts []string
	for _, v := range []Verdict{Fine, Invalid, Unknown, Unusable, NotAsked, Interrupted} {
		if n := counts[v]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, v))
		}
	}
	word := "PASS"
	if r.Summary.ExitStatus != runner.ExitOK {
		word = "FAIL"
	}
	line := fmt.Sprintf("%s: %s in %s; exit status %d", word, strings.Join(parts, ", "), took.Round(time.Millisecond), r.Summary.ExitStatus)
	if r.Summary.ExitReason != "" {
		line += ": " + r.Summary.ExitReason
	}
	_, err := fmt.Fprintln(w, oneLine(line))
	return err
}

// WriteSummary writes the table as Markdown, for the summary of a job.
func WriteSummary(w io.Writer, r *Result) error {
	var b strings.Builder
	row := func(cells []string) {
		for i, c := range cells {
			cells[i] = markdown(c)
		}
		b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
	}
	b.WriteString("### Credential gate\n\n")
	row(header())
	b.WriteString("|" + strings.Repeat("---|", len(header())) + "\n")
	for i := range r.Keys {
		row(append(r.Keys[i].cells(), r.Keys[i].verdictCell()))
	}
	b.WriteString("\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// markdown makes foreign text harmless in a cell of a table.
func markdown(s string) string {
	var b strings.Builder
	for _, c := range oneLine(s) {
		switch {
		case c == '<':
			b.WriteString("&lt;")
		case c == '>':
			b.WriteString("&gt;")
		case c == '&':
			b.WriteString("&amp;")
		case strings.ContainsRune("\\`*_{}[]()#+!|~@", c):
			fmt.Fprintf(&b, "&#%d;", c)
		default:
			b.WriteRune(c)
		}
	}
	return b.String()
}
