package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"iflowtest/internal/report"
	"iflowtest/runner"
)

// keysFlags are the flags of the command keys.
type keysFlags struct {
	runner.AuditOptions
	junit, json string
}

func (p *program) keysCommand(g *global) *cobra.Command {
	f := &keysFlags{}
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "audit the service keys of a space or an organisation",
		Long: `Look at every service key of an offering in the space of the environment, or
with --org in every space of the organisation that the user may see: what kind it
is, how old, how long its certificate is valid, and with --verify whether it
yields a token. The verdict of each key is one of

    good           it yields a token; without --verify: its certificate is valid
    not verified   nothing speaks against it, and no token was got: a client secret
                   without --verify; a key with a certificate, for which this version
                   cannot get a token yet; an instance without client credentials
    expired, expires in N days (fewer than --min-days), refused
                   exit status 6
    could not find out
                   exit status 5: the user may not read the key (the role Space
                   Developer is needed), it is being created or that failed, or a
                   server did not answer

With --verify, 5 is also the status when not one key could be verified, and 5 is that
of an organisation or a space that does not exist, with those that do. No key at all
is 4: an audit that found nothing does not look good.`,
		Example: `  iflowtest keys -e dev --min-days 30
  iflowtest keys -e prod --org --verify --min-days 30 --junit out/keys.xml --json out/keys.json
  iflowtest keys --sandbox --verify`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.auditKeys(cmd.Context(), g, f) },
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.Offering, "offering", runner.DefaultOffering, "the service whose keys are audited")
	flags.BoolVar(&f.WholeOrg, "org", false, "every space of the organisation, not only the one of the environment")
	flags.BoolVar(&f.Verify, "verify", false, "get a token with each key that has a client secret")
	flags.IntVar(&f.MinDays, "min-days", 0, "days that a certificate must at least be valid")
	flags.BoolVar(&f.AllowEmpty, "allow-empty", false, "no key is fine, too")
	flags.StringVar(&f.junit, "junit", "", "write a JUnit report to this file, a case for each key")
	flags.StringVar(&f.json, "json", "", "write the audit as a JSON document to this file")
	return cmd
}

func (f *keysFlags) check(g *global) error {
	switch {
	case g.verbose && g.quiet:
		return usage("--verbose and --quiet contradict each other")
	case !g.sandbox && len(g.faults) > 0:
		return usage("--fault needs --sandbox: only the sandbox misbehaves on request")
	case !g.sandbox && g.sandboxConfig != "":
		return usage("--sandbox-config needs --sandbox")
	case f.Offering == "":
		return usage("--offering is empty; the name of a service is wanted, such as %s", runner.DefaultOffering)
	case f.MinDays < 0:
		return usage("--min-days %d: at least 0 is wanted", f.MinDays)
	}
	return f.reportFlags().distinct(nil)
}

// reportFlags are those of a run that writes the same reports.
func (f *keysFlags) reportFlags() *runFlags {
	return &runFlags{junit: f.junit, json: f.json, junitPlaces: "never"}
}

func (p *program) auditKeys(ctx context.Context, g *global, f *keysFlags) error {
	if err := f.check(g); err != nil {
		return err
	}
	s, err := p.resolve(g)
	if err != nil {
		return err
	}
	platform, stop, err := p.openPlatform(ctx, g, s)
	if err != nil {
		return err
	}
	defer stop()
	junit, document, err := p.openAuditReports(f)
	if err != nil {
		return err
	}
	audit, failed := platform.Audit(ctx, f.AuditOptions)
	written := errors.Join(writeAudit(junit, document, &audit), p.printAudit(g, &audit))
	status, message := audit.ExitStatus, ""
	switch {
	case failed != nil:
		failed = p.platformProblem(failed)
	case audit.Counts.Total == 0:
		message = cmp.Or(audit.ExitReason, "no service key there (allowed by --allow-empty)")
	}
	if written != nil && failed == nil {
		text := "a report could not be written: " + strings.ReplaceAll(written.Error(), "\n", "; ")
		if status == runner.ExitOK {
			return &exitError{status: runner.ExitReport, message: text}
		}
		p.warn(p.redactor.Text(text))
	}
	switch {
	case failed != nil:
		return failed
	case status != runner.ExitOK:
		return &exitError{status: status, message: message}
	case message != "":
		p.warn(message)
	}
	return nil
}

// openAuditReports opens the reports before the first request; those that are
// not wanted are nil.
func (p *program) openAuditReports(f *keysFlags) (junit *reports, document *report.Output, err error) {
	wanted := f.reportFlags()
	wanted.json = ""
	if junit, err = p.openFiles(wanted); err != nil || f.json == "" {
		return junit, nil, err
	}
	if document, err = report.Create(f.json); err != nil {
		junit.close()
		return nil, nil, &exitError{status: runner.ExitReport, message: err.Error() + "; nothing was sent"}
	}
	return junit, document, nil
}

// writeAudit writes the reports.
func writeAudit(junit *reports, document *report.Output, audit *runner.Audit) error {
	junit.events(audit.Events())
	junit.close()
	if document == nil {
		return junit.err
	}
	return errors.Join(junit.err, writeJSON(document, audit), document.Close())
}

// writeJSON writes a value for people and programs.
func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// printAudit prints the table, what is to be said of each key, and the result.
func (p *program) printAudit(g *global, audit *runner.Audit) error {
	if audit.Problem != nil {
		return nil // it is told as the error of the command
	}
	var b strings.Builder
	if !g.quiet && len(audit.Instances) > 0 {
		auditTable(&b, audit, g.verbose, p.color(g, p.out))
	}
	remarks := auditRemarks(audit, g.quiet)
	if len(remarks) > 0 && b.Len() > 0 {
		b.WriteByte('\n')
	}
	for _, r := range remarks {
		b.WriteString(r)
	}
	if b.Len() > 0 {
		b.WriteByte('\n')
	}
	b.WriteString(auditResult(audit))
	if _, err := io.WriteString(p.out, b.String()); err != nil {
		return fmt.Errorf("standard output: %w", plain(err))
	}
	return nil
}

// auditTable writes a line for each key, and for each instance without one.
// The verdict stands last, so that its colour does not disturb the columns.
func auditTable(b *strings.Builder, audit *runner.Audit, verbose, color bool) {
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0) // a strings.Builder takes everything
	row := func(cells []string, clientID, verdict string) {
		if verbose {
			cells = append(cells, clientID)
		}
		for _, c := range cells {
			fmt.Fprintf(w, "%s\t", cmp.Or(flat(c), "-"))
		}
		fmt.Fprintln(w, verdict)
	}
	row([]string{"SPACE", "INSTANCE", "PLAN", "KEY", "KIND", "AGE", "VALID UNTIL", "DAYS LEFT", "LAST OPERATION"}, "CLIENT ID", "VERDICT")
	for _, i := range audit.Instances {
		if len(i.Keys) == 0 {
			row([]string{i.Space, i.Name, i.Plan, "", "", "", "", "", lastOperation(i.LastOperation)}, "", "no key")
		}
		for _, k := range i.Keys {
			age, until, left := "", "", ""
			if k.AgeDays != nil {
				age = strconv.Itoa(*k.AgeDays) + "d"
			}
			if !k.ValidUntil.IsZero() {
				until = k.ValidUntil.Format(time.DateOnly)
			}
			if k.DaysLeft != nil {
				left = strconv.Itoa(*k.DaysLeft)
			}
			row([]string{i.Space, i.Name, i.Plan, k.Name, string(k.Kind), age, until, left, lastOperation(k.LastOperation)},
				k.ClientID, painted(color, verdictWords(k), k.Verdict))
		}
	}
	_ = w.Flush()
}

// flat makes one line of a text that others wrote.
func flat(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' }), " ")
}

func lastOperation(o runner.AuditedOperation) string {
	return strings.TrimSpace(o.Type + " " + o.State)
}

// verdictWords is a verdict in words.
func verdictWords(k runner.AuditedKey) string {
	switch k.Verdict {
	case runner.VerdictNotVerified:
		return "not verified"
	case runner.VerdictNotYetValid:
		return "not valid yet"
	case runner.VerdictExpiring:
		if k.DaysLeft != nil {
			return "expires in " + count(*k.DaysLeft, "day")
		}
	case runner.VerdictUnknown:
		return "could not find out"
	}
	return string(k.Verdict)
}

// painted colours a verdict on a terminal.
func painted(color bool, text string, v runner.Verdict) string {
	code := "31" // red
	switch v {
	case runner.VerdictGood:
		code = "32" // green
	case runner.VerdictNotVerified, runner.VerdictUnknown:
		code = "33" // yellow
	}
	if !color {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// auditRemarks says in full why a key is not good, and what is wrong with an
// instance.
func auditRemarks(audit *runner.Audit, quiet bool) []string {
	var remarks []string
	for _, i := range audit.Instances {
		at := flat(i.Space) + "/" + flat(i.Name)
		remarks = append(remarks, operationRemark(at, i.LastOperation)...)
		for _, k := range i.Keys {
			remarks = append(remarks, operationRemark(at+"/"+flat(k.Name), k.LastOperation)...)
			if k.Problem == nil || quiet && k.Verdict == runner.VerdictNotVerified {
				continue
			}
			text := fmt.Sprintf("%s/%s: %s: %s\n", at, flat(k.Name), verdictWords(k), flat(k.Problem.Message))
			if k.Problem.Cure != "" {
				text += "   = " + flat(k.Problem.Cure) + "\n"
			}
			remarks = append(remarks, text)
		}
	}
	if audit.Unjudged > 0 && audit.Counts.Total > 0 {
		remarks = append(remarks, fmt.Sprintf("%s left out, as the platform does not tell the offering\n", count(audit.Unjudged, "instance")))
	}
	return remarks
}

// operationRemark tells a last operation that is not well.
func operationRemark(of string, o runner.AuditedOperation) []string {
	if o.State == "" || o.State == "succeeded" {
		return nil
	}
	text := fmt.Sprintf("%s: last operation: %s", of, flat(lastOperation(o)))
	if o.Description != "" {
		text += ": " + flat(o.Description)
	}
	return []string{text + "\n"}
}

// auditResult is the last line.
func auditResult(audit *runner.Audit) string {
	n := audit.Counts
	parts := []string{}
	for _, c := range []struct {
		n    int
		what string
	}{
		{n.Good, "good"}, {n.NotVerified, "not verified"}, {n.Expired, "expired"}, {n.Expiring, "expiring"},
		{n.Refused, "refused"}, {n.Unknown, "could not find out"},
	} {
		if c.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", c.n, c.what))
		}
	}
	place := "org " + flat(audit.Organization)
	if audit.Space != "" {
		place = flat(audit.Organization) + "/" + flat(audit.Space)
	}
	text := fmt.Sprintf("%s of %s in %s", count(n.Total, "key"), flat(audit.Offering), place)
	if len(parts) > 0 {
		text += ": " + strings.Join(parts, ", ")
	}
	if audit.ExitStatus != runner.ExitOK && n.Total > 0 {
		text += fmt.Sprintf("; exit status %d: %s", audit.ExitStatus, flat(audit.ExitReason))
	}
	return text + "\n"
}
