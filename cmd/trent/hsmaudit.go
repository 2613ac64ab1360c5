package main

import "github.com/spf13/cobra"

func newHSMAuditCommand(e *environment) *cobra.Command {
	c := &cobra.Command{
		Use:   "audit",
		Short: "Show and verify what was done to a domain",
		Args:  noArguments,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	return c
}
