package main

import "github.com/spf13/cobra"

func newHSMDomainCommand(e *environment) *cobra.Command {
	c := &cobra.Command{
		Use:   "domain",
		Short: "Create and change a domain of appliances",
		Args:  noArguments,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	return c
}
