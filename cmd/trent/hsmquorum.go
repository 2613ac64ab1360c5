package main

import "github.com/spf13/cobra"

func newHSMQuorumCommand(e *environment) *cobra.Command {
	c := &cobra.Command{
		Use:   "quorum",
		Short: "Keys and signatures of those who command a domain",
		Args:  noArguments,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	return c
}
