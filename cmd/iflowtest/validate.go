package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"iflowtest/runner"
)

func (p *program) validateCommand(g *global) *cobra.Command {
	var strict bool
	cmd := &cobra.Command{
		Use:   "validate [PATH…]",
		Short: "check scenarios without network and secrets",
		Long: `Check everything that can be known without the network and without secrets: a
variable of the process environment or a key file that is not there is a
warning. Nothing is sent.`,
		Example: `  iflowtest validate
  iflowtest validate -e dev scenarios --strict`,
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := p.resolve(g)
			if err != nil {
				return err
			}
			plan, err := p.compile(cmd.Context(), g, s, args, runner.Options{Check: true, Strict: strict})
			if err != nil {
				return err
			}
			defer plan.close()
			if plan.loaded == 0 {
				return &exitError{status: runner.ExitNoScenario, message: "no scenario there"}
			}
			if !g.quiet {
				fmt.Fprintf(p.out, "%s, %s: valid\n", count(plan.Len(), "scenario"), count(plan.Steps(), "step"))
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&strict, "strict", false, "a variable of the process environment that is not set is an error")
	return cmd
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
