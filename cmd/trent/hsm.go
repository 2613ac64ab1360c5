package main

import "github.com/spf13/cobra"

func newHSMCommand(e *environment) *cobra.Command {
	c := &cobra.Command{
		Use:   "hsm",
		Short: "Run HSMs as appliances, and command their domain",
		Long: `An appliance is an HSM in a process of its own. Appliances that share domain keys are a domain. Operators command it: each
signs a command with a key of their own, and a module does it once enough have signed. 'trent hsm domain' proposes, signs and
submits in one step where one operator suffices; 'trent hsm quorum' does each by itself.`,
		Example: `  trent hsm init --state /var/lib/trent-hsm
  trent hsm serve --state /var/lib/trent-hsm --listen unix:/run/trent-hsm/hosts.sock
  trent hsm quorum keygen --name alice
  trent hsm domain create --state /var/lib/trent-hsm --name main --operator alice.pub --key alice.key
  trent hsm audit verify --state /var/lib/trent-hsm`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newHSMInitCommand(e), newHSMServeCommand(e), newHSMStatusCommand(e), newHSMZeroizeCommand(e), newHSMModulesCommand(e), newHSMDrainCommand(e), newHSMRestoreCommand(e), newHSMRestartCommand(e), newHSMQuorumCommand(e), newHSMDomainCommand(e), newHSMAuditCommand(e))
	return c
}
