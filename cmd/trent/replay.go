package main

import "github.com/spf13/cobra"

func newReplayCommand(_ *environment) *cobra.Command {
	return &cobra.Command{Use: "replay", Short: "Replay CloudTrail logs as load", Args: noArguments, Hidden: true}
}
