package main

import "github.com/spf13/cobra"

func newSoakCommand(_ *environment) *cobra.Command {
	return &cobra.Command{Use: "soak", Short: "Load an endpoint for hours or days and verify that nothing is lost", Args: noArguments, Hidden: true}
}
