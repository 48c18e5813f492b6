package main

import (
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"iflowtest/runner"
)

func (p *program) cleanupCommand(g *global) *cobra.Command {
	var journal string
	o := runner.CleanupOptions{}
	cmd := &cobra.Command{
		Use:   "cleanup",
		Short: "remove what killed runs left behind",
		Long: `Remove what runs created and could not delete, as they were killed or lost their
connection: what the journals of dead runs name, and what carries the label of a
run and is past its expiry, a day after the run began. A run that still works on
this machine is left alone. Each resource is read again first: its name and run
must match, and an instance that holds keys or bindings the run did not make is
left and told.

An artifact that a run deployed and was to undeploy is undeployed with the
credential of the same name in the environment, unless it was deployed again
since. Parameters of artifacts that a run changed are told, as no journal holds
their former values; with --run they are told for the last time.`,
		Example: `  iflowtest cleanup -e dev --dry-run
  iflowtest cleanup -e dev --run k3f9qa
  iflowtest cleanup -e dev --older-than 24h`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.OlderThan < 0 {
				return usage("--older-than %s: a time that has passed is wanted, such as 24h", o.OlderThan)
			}
			s, err := p.resolve(g)
			if err != nil {
				return err
			}
			if o.Journal, err = p.journalFolder(journal); err != nil {
				return err
			}
			platform, stop, err := p.openWith(cmd.Context(), g, s, runner.OpenCleanup)
			if err != nil {
				return err
			}
			defer stop()
			report, err := platform.Cleanup(cmd.Context(), o)
			if err != nil && len(report.Leftovers) == 0 {
				p.remarks(report)
				return p.platformProblem(err)
			}
			return errors.Join(p.platformProblem(err), p.cleaned(report, g.quiet))
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&o.Run, "run", "", "remove what this run made, also what it kept")
	flags.DurationVar(&o.OlderThan, "older-than", 0, "remove what carries the label of a run and is older than this, whatever its expiry")
	flags.BoolVar(&o.DryRun, "dry-run", false, "show what would be removed, and remove nothing")
	flags.StringVar(&journal, "journal", "", journalHelp)
	return cmd
}

// remarks prints what was noticed about the journals.
func (p *program) remarks(r runner.CleanupReport) {
	t := p.redactor.Text
	for _, problem := range r.Problems {
		p.warn(t(problem))
	}
	for _, run := range r.Alive {
		p.warn(fmt.Sprintf("the run %s still works, or another cleanup is busy with it; nothing of it was touched", t(run)))
	}
}

// cleaned prints what a cleanup found and did.
func (p *program) cleaned(r runner.CleanupReport, quiet bool) error {
	t := p.redactor.Text
	p.remarks(r)
	counts := map[string]int{}
	w := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	for i, l := range r.Leftovers {
		if i == 0 && !quiet {
			fmt.Fprintln(w, "RUN\tRESOURCE\tNAME\tAGE\tRESULT")
		}
		counts[l.Action]++
		if quiet && l.Action == runner.Removed {
			continue
		}
		result := l.Action
		if l.Reason != "" {
			result += ": " + l.Reason
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", t(l.Run), l.Kind, t(l.Name), age(l.Age), t(result))
	}
	if err := w.Flush(); err != nil {
		return &exitError{status: runner.ExitReport, message: fmt.Sprintf("the table could not be written: %s", plain(err))}
	}
	var parts []string
	for _, action := range []string{runner.Removed, runner.WouldRemove, runner.WasGone, runner.Left, runner.NotRemoved} {
		if n := counts[action]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, action))
		}
	}
	if len(parts) == 0 {
		parts = []string{"nothing was left behind"}
	}
	fmt.Fprintln(p.out, strings.Join(parts, ", "))
	if r.Failed() {
		return &exitError{status: runner.ExitCleanup, message: "something is there that could not be removed", hints: []string{"run iflowtest cleanup again; what is left is named above"}}
	}
	return nil
}

// age writes how old something is, in the largest unit that says it.
func age(d time.Duration) string {
	switch {
	case d <= 0:
		return "-"
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}
