package main

import "github.com/spf13/cobra"

func newQuotaCommand(_ *environment) *cobra.Command {
	return &cobra.Command{Use: "quota", Short: "Verify the request quotas an endpoint claims", Args: noArguments, Hidden: true}
}
