package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"trent/fastpath/admin"
)

func newStatusCommand(e *environment) *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use:   "status",
		Short: "Show the running server of a data directory (JSON)",
		Long: `Status shows the server that runs on a data directory, always as JSON: its addresses, its HSM and, where they are in
use, its test clock, the number of fault rules in force and what is held in transitional states.`,
		Example: "  trent status\n  trent status --data-dir ./kms",
		Args:    noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			info, err := liveServer(c.Context(), dir)
			if err != nil {
				return err
			}
			var status map[string]any
			if err := admin.NewClient(dir).Status(c.Context(), &status); err != nil {
				return failure(err, "")
			}
			status["endpoints"] = info
			enc := json.NewEncoder(e.Stdout)
			enc.SetIndent("", "  ")
			return enc.Encode(status)
		},
	}
	c.Flags().StringVar(&dir, "data-dir", defaultDataDir(e.Getenv), "data directory of the server")
	c.Flags().Bool("json", true, "print JSON, as it does in any case")
	return c
}

func newStopCommand(e *environment) *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use:     "stop",
		Short:   "Drain and stop the running server of a data directory",
		Example: "  trent stop\n  trent stop --data-dir ./kms",
		Args:    noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			if _, err := liveServer(c.Context(), dir); err != nil {
				return err
			}
			if err := admin.NewClient(dir).Stop(c.Context()); err != nil {
				return failure(err, "")
			}
			_, err := fmt.Fprintln(e.Stdout, "stopping")
			return err
		},
	}
	c.Flags().StringVar(&dir, "data-dir", defaultDataDir(e.Getenv), "data directory of the server")
	return c
}
