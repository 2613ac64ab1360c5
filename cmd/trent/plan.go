package main

import "github.com/spf13/cobra"

func newPlanCommand(_ *environment) *cobra.Command {
	return &cobra.Command{Use: "plan", Short: "Plan capacity: throttling, headroom, HSMs and cost", Args: noArguments, Hidden: true}
}
