package main

import (
	"errors"
	"fmt"
	"slices"
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
run and is past its expiry, a day after the run began. Each resource is read again
first: its name and run must match, and an instance that holds keys or bindings
the run did not make is left and told.

A run that still works is left alone when its journal is here, in the folder of
--journal or in the default one: it holds a lock on it. Of a run whose journal is
elsewhere only labels tell, and they do not tell whether it still works. Before its
expiry what it made goes with --run, as you name it yourself, or with --older-than
when it has made nothing for that long; how old it is is said first, on standard
error. Name the folder with --journal, or look with --dry-run, before you do that.

What a run kept (keep: always) stays until --run or --older-than asks for it. What
it kept as it failed (keep: on-failure) stays as long where its journal is, and else
until its expiry.

An artifact that a run deployed and was to undeploy is undeployed with the
credential of the same name in the environment, unless it was deployed again
since. Parameters of artifacts that a run changed are told, as no journal holds
their former values; with --run they are told for the last time.

Of a journal with lines that cannot be read the others are used. When nothing they
name is left, the journal is set aside as RUN.journal.damaged.

The exit status is 8 when something of a run is still there or changed, though it
should not be: what could not be removed, an instance that is left as others hold
it, an artifact whose credential the environment lacks, parameters that nobody has
set again. It is 0 when nothing of that kind is left, also when the run of --run is
not known: what a run kept, what is somebody else's by now, what may be of a run that
still works, and what is in another organisation, space or tenant than those of the
environment is told, and no failure. It is 6 when the user may not sign in; 5 when it
could not be found out what is there, as the organisation or the space does not exist
or the platform does not answer.`,
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
			if err := p.journalFolders(&o, journal); err != nil {
				return err
			}
			o.Warn = func(text string) { p.warn(p.redactor.Text(text)) }
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
			return errors.Join(p.platformProblem(err), p.cleaned(o, report, g.quiet))
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&o.Run, "run", "", "remove what this run made, also what it kept, whatever its expiry")
	flags.DurationVar(&o.OlderThan, "older-than", 0, "remove what carries the label of a run that has made nothing for this long, also what it kept, whatever its expiry")
	flags.BoolVar(&o.DryRun, "dry-run", false, "show what would be removed, and change nothing, no journal either")
	flags.StringVar(&journal, "journal", "", journalHelp)
	return cmd
}

// journalFolders gives the folder of the journals and, where another was chosen,
// the one where runs that still work may have theirs.
func (p *program) journalFolders(o *runner.CleanupOptions, chosen string) (err error) {
	if o.Journal, err = p.journalFolder(chosen); err != nil || chosen == "" {
		return err
	}
	if usual, err := p.journalFolder(""); err == nil && usual != o.Journal {
		o.Others = usual
	}
	return nil
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
func (p *program) cleaned(o runner.CleanupOptions, r runner.CleanupReport, quiet bool) error {
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
		parts = []string{t(nothingThere(o, r))}
	}
	fmt.Fprintln(p.out, strings.Join(parts, ", "))
	if r.Failed() {
		return &exitError{status: runner.ExitCleanup, message: "something is there that could not be removed, or changed that could not be put back", hints: []string{"what is left is named above, and why; then run iflowtest cleanup again"}}
	}
	return nil
}

// nothingThere says why there was nothing to remove.
func nothingThere(o runner.CleanupOptions, r runner.CleanupReport) string {
	switch {
	case slices.Contains(r.Alive, o.Run):
		return fmt.Sprintf("nothing was removed, as the run %s still works", o.Run)
	case !r.Unknown:
		return "nothing was left behind"
	}
	where := fmt.Sprintf("no journal in %s is of it", o.Journal)
	if r.Space != "" {
		where += fmt.Sprintf(", and nothing in the space %s carries its label", r.Space)
	}
	return fmt.Sprintf("no run %q is known: %s. A run that left nothing behind is not known any more; check the id, the environment and --journal", o.Run, where)
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
