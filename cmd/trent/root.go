package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newRootCommand(e *environment) *cobra.Command {
	root := &cobra.Command{
		Use:   "trent",
		Short: "Emulate AWS KMS and its HSMs, and measure it",
		Long: `Trent emulates AWS Key Management Service and the HSMs behind it, fast enough to stand in for
the real thing, and ships the harness that measures it.`,
		Example: `  trent serve                     # start the emulator on 127.0.0.1:8443
  eval "$(trent env)"             # point any AWS SDK or the AWS CLI at it
  trent capacity                  # how many requests a second does this machine serve?`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          noArguments,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetIn(e.Stdin)
	root.SetOut(e.Stdout)
	root.SetErr(e.Stderr)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usageError(err, "see '"+c.CommandPath()+" --help'")
	})
	root.AddCommand(newServeCommand(e), newEnvCommand(e), newStatusCommand(e), newStopCommand(e), newClockCommand(e), newFaultCommand(e),
		newTransitionCommand(e), newCertificatesCommand(e), newAuditCommand(e), newHSMCommand(e), newPolicyCommand(e), newPrincipalCommand(e), newOpsCommand(e), newDoctorCommand(e), newVersionCommand(e),
		newWorkloadCommand(e), newAttackCommand(e), newAgentCommand(e), newCapacityCommand(e), newQuotaCommand(e), newCompareCommand(e), newEchoFloorCommand(e), newSoakCommand(e), newReplayCommand(e),
		newPlanCommand(e), newReportCommand(e), newRerunCommand(e))
	return root
}

// noArguments refuses arguments where a verb has none; on a verb that has verbs of its own they are ones that do not exist.
func noArguments(c *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return nil
	case c.HasSubCommands():
		c.SuggestionsMinimumDistance = 2 // letters; cobra's own default, which it sets elsewhere
		if near := c.SuggestionsFor(args[0]); len(near) > 0 {
			return usageError(fmt.Errorf("unknown command %q", args[0]), "did you mean '"+c.CommandPath()+" "+near[0]+"'?")
		}
		return usageError(fmt.Errorf("unknown command %q", args[0]), "'"+c.CommandPath()+" --help' lists the commands")
	}
	return usageError(fmt.Errorf("%s takes no arguments, got %q", c.CommandPath(), args[0]), "see '"+c.CommandPath()+" --help'")
}
