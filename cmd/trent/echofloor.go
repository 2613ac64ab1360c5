package main

import (
	"github.com/spf13/cobra"

	"trent/loadgen/compare"
)

// floorVerb is how compare starts its echo server in a process of its own.
const floorVerb = "echo-floor"

func newEchoFloorCommand(_ *environment) *cobra.Command {
	return &cobra.Command{
		Use:    floorVerb + " READY-FILE SIZES",
		Short:  "Serve answers of fixed sizes over stock fasthttp and crypto/tls, for 'trent compare --floor'",
		Hidden: true,
		Args:   cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			sizes, err := compare.ParseSizes(args[1])
			if err != nil {
				return usageError(err, "for example Encrypt=400,Decrypt=300")
			}
			ctx, stop := interruptible(c.Context())
			defer stop()
			if err := compare.ServeFloor(ctx, args[0], sizes); err != nil {
				return failure(err, "")
			}
			return nil
		},
	}
}
