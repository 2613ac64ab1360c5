package main

import "github.com/spf13/cobra"

func newCompareCommand(_ *environment) *cobra.Command {
	return &cobra.Command{Use: "compare", Short: "Compare two endpoints, builds or settings with statistics", Args: noArguments, Hidden: true}
}
