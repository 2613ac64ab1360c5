package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

// newTransitionCommand is `trent transition hold|release|list`.
func newTransitionCommand(e *environment) *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use:   "transition",
		Short: "Hold keys and custom key stores in transitional states of a running server",
		Long: `Transitional states (Creating, Updating and Unavailable of keys, CONNECTING and DISCONNECTING of custom key stores)
are over at once unless the config's transitions give them a duration. Held, they last until they are
released or the server is started again.`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.PersistentFlags().StringVar(&dir, "data-dir", defaultDataDir(e.Getenv), "data directory of the server")
	c.AddCommand(
		newHoldCommand(e, &dir, "hold [STATE|KEY|STORE]", "transition-hold", "Hold a state, or one key or custom key store in it",
			"  trent transition hold Updating\n  trent transition hold --key alias/x --state Unavailable\n  trent transition hold cks-1234567890abcdef0"),
		newHoldCommand(e, &dir, "release [STATE|KEY|STORE]", "transition-release", "Let go what is held",
			"  trent transition release Updating\n  trent transition release --key alias/x"),
		newHoldCommand(e, &dir, "list", "transition-list", "List what is held", "  trent transition list"),
	)
	return c
}

func newHoldCommand(e *environment, dir *string, use, name, short, example string) *cobra.Command {
	var q struct {
		What    string `json:"what,omitempty"`
		State   string `json:"state,omitempty"`
		Region  string `json:"region,omitempty"`
		Account string `json:"account,omitempty"`
	}
	c := &cobra.Command{
		Use: use, Short: short, Example: example,
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case name == "transition-list":
				if err := noArguments(c, args); err != nil {
					return err
				}
			case len(args) == 1 && q.What == "":
				q.What = args[0]
			case len(args) != 0 || q.What == "":
				return usageError(fmt.Errorf("%s takes one state, key or custom key store", c.CommandPath()), "see '"+c.CommandPath()+" --help'")
			}
			var answer struct{ Held []string }
			if err := command(c.Context(), *dir, name, &q, &answer); err != nil {
				return err
			}
			for _, held := range answer.Held {
				fmt.Fprintln(e.Stdout, "held", held)
			}
			if len(answer.Held) == 0 {
				fmt.Fprintln(e.Stdout, "nothing is held")
			}
			return nil
		},
	}
	if name == "transition-list" {
		return c
	}
	c.Flags().StringVar(&q.What, "key", "", "id, ARN, alias or alias ARN of a key")
	c.Flags().StringVar(&q.Region, "region", "", "Region of a bare id or alias (default: us-east-1)")
	c.Flags().StringVar(&q.Account, "account", "", "account of a bare id or alias (default: the only one there is)")
	if name == "transition-hold" {
		c.Flags().StringVar(&q.State, "state", "", "put the key into this state: Creating, Updating or Unavailable")
	}
	return c
}
