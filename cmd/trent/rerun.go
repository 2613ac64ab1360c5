package main

import "github.com/spf13/cobra"

func newRerunCommand(_ *environment) *cobra.Command {
	return &cobra.Command{Use: "rerun", Short: "Repeat a recorded run", Args: noArguments, Hidden: true}
}
