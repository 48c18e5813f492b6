package main

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"iflowtest/runner"
)

func (p *program) planCommand(g *global) *cobra.Command {
	f := &selectionFlags{}
	var strict, asJSON bool
	cmd := &cobra.Command{
		Use:   "plan [PATH…]",
		Short: "show what a run would do, and send nothing",
		Long: `Show every step of every scenario that a run with the same selection would
execute, in order: expressions resolved as far as they can be before the run,
data rows counted, secrets by name only. Nothing is sent. A variable of the
process environment or a key file that is not there is a warning.`,
		Example: `  iflowtest plan --sandbox scenarios
  iflowtest plan -e dev --tags 'smoke && !slow' --shard 2/5
  iflowtest plan -e dev --json | jq '.scenarios[].name'`,
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := p.resolve(g)
			if err != nil {
				return err
			}
			o := runner.Options{Check: true, Strict: strict, Describe: true}
			if err := p.selection(f, &o); err != nil {
				return err
			}
			plan, err := p.compile(cmd.Context(), g, s, args, o)
			if err != nil {
				return err
			}
			defer plan.close()
			p.lost(plan)
			if plan.Len() == 0 {
				return p.nothing(plan, f.allowEmpty)
			}
			if asJSON {
				err = writeJSON(p.out, plan.Describe())
			} else {
				err = writePlan(p.out, plan.Describe())
			}
			if err != nil {
				return &exitError{status: runner.ExitReport, message: fmt.Sprintf("the plan could not be written: %s", plain(err))}
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	f.add(flags)
	flags.BoolVar(&strict, "strict", false, "a variable of the process environment that is not set is an error")
	flags.BoolVar(&asJSON, "json", false, "write the plan as JSON")
	return cmd
}

// writePlan writes the plan for people.
func writePlan(w io.Writer, d runner.Description) error {
	b := bufio.NewWriter(w)
	line := func(indent int, format string, args ...any) {
		fmt.Fprintf(b, "%s%s\n", strings.Repeat("  ", indent), fmt.Sprintf(format, args...))
	}
	item := func(indent int, label, value string) {
		if value != "" {
			line(indent, "%-10s %s", label, value)
		}
	}
	item(0, "target", join(d.Environment, d.Runtime))
	item(0, "api", d.API)
	for _, warning := range d.Warnings {
		item(0, "warning", warning)
	}
	if d.Seed != 0 {
		item(0, "seed", fmt.Sprint(d.Seed))
	}
	steps := 0
	for _, sc := range d.Scenarios {
		line(0, "")
		line(0, "%s  %s:%d", sc.Name, sc.File, sc.Line)
		item(1, "tags", strings.Join(sc.Tags, ", "))
		item(1, "skipped", sc.Skip)
		item(1, "locks", strings.Join(sc.Locks, ", "))
		item(1, "timeout", sc.Timeout)
		if sc.Once {
			item(1, "once", "for all scenarios that include it; its cleanup ends the run")
		}
		if sc.Data != nil {
			item(1, "data", rowsOf(sc.Data))
		}
		for _, cr := range sc.Credentials {
			item(1, "credential", credentialLine(cr))
		}
		for _, st := range sc.Steps {
			steps++
			planStep(line, item, st)
		}
	}
	line(0, "")
	line(0, "%s, %s; nothing was sent", count(len(d.Scenarios), "scenario"), count(steps, "step"))
	return b.Flush()
}

func planStep(line func(int, string, ...any), item func(int, string, string), st runner.StepDescription) {
	name := st.Name
	if st.Cleanup {
		name += "  (cleanup)"
	}
	line(1, "%d. %s", st.Index, name)
	item(3, "skipped", st.Skip)
	item(3, "when", st.When)
	item(3, st.Kind, join(st.Does, asCredential(st)))
	for _, with := range st.With {
		key, value, _ := strings.Cut(with, " ")
		item(3, key, value)
	}
	for _, list := range []struct {
		label string
		items []string
	}{{"creates", st.Creates}, {"adopts", st.Adopts}, {"requires", st.Requires}, {"removes", st.Removes}, {"changes", st.Changes}, {"deploys", st.Deploys}, {"undeploys", st.Undeploys}, {"restores", st.Restores}} {
		for _, what := range list.items {
			item(3, list.label, what)
		}
	}
	item(3, "timeout", st.Timeout)
	item(3, "retry", st.Retry)
	item(3, "poll", st.Poll)
	for _, e := range st.Expects {
		item(3, "expect", e)
	}
	for _, c := range st.Captures {
		item(3, "capture", c)
	}
	if st.GoesOn {
		item(3, "on failure", "continue")
	}
}

func asCredential(st runner.StepDescription) string {
	switch {
	case st.Credential == "":
		return ""
	case st.Does == "":
		return st.Credential
	}
	return "as " + st.Credential
}

func rowsOf(d *runner.DataDescription) string {
	text := count(d.Rows, "row")
	if d.Selected != d.Rows {
		text = fmt.Sprintf("%d of %s", d.Selected, text)
	}
	if d.File != "" {
		text += " of " + d.File
	}
	if d.Parallel > 1 {
		text += fmt.Sprintf(", %d side by side", d.Parallel)
	}
	if len(d.Columns) > 0 {
		text += "; columns " + strings.Join(d.Columns, ", ")
	}
	if d.RowName != "" {
		text += "; named " + d.RowName
	}
	return text
}

func credentialLine(cr runner.CredentialDescription) string {
	text := cr.Name
	if cr.ClientID != "" {
		text += ": client " + cr.ClientID
	}
	if cr.TokenURL != "" {
		text += " at " + cr.TokenURL
	}
	if cr.Secret != "" {
		text += ", secret " + cr.Secret
	}
	return text
}

// join puts two texts side by side, where there are two.
func join(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "  " + b
}
