package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

// heldStates are the states that can be held: of keys, then of custom key stores.
var heldStates = []string{"Creating", "Updating", "Unavailable", "CONNECTING", "DISCONNECTING"}

// newTransitionCommand is `trent transition hold|release|list`.
func newTransitionCommand(e *environment) *cobra.Command {
	t := &transitionCommand{e: e}
	c := &cobra.Command{
		Use:   "transition",
		Short: "Hold keys and custom key stores in transitional states of a running server",
		Long: `Transitional states (Creating, Updating and Unavailable of keys, CONNECTING and DISCONNECTING of custom key stores)
are over at once unless the config's transitions give them a duration. Held, they last until they are
released or the server is started again.`,
		Example: `  trent transition hold Creating        # replicas stay Creating from now on
  trent transition hold --key alias/x --state Unavailable
  trent transition list
  trent transition release Creating`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.PersistentFlags().StringVar(&t.dir, "data-dir", defaultDataDir(e.Getenv), "data directory of the server")
	c.PersistentFlags().BoolVar(&t.json, "json", false, "print what is held as JSON")
	c.AddCommand(t.hold(), t.release(), t.list())
	return c
}

// transitionCommand is what the verbs of `trent transition` have in common.
type transitionCommand struct {
	e    *environment
	dir  string
	json bool
}

// transitionQuery is what the server is told.
type transitionQuery struct {
	What    string `json:"what,omitempty"`
	State   string `json:"state,omitempty"`
	Region  string `json:"region,omitempty"`
	Account string `json:"account,omitempty"`
}

func (t *transitionCommand) hold() *cobra.Command {
	c, q := t.named("hold [STATE|KEY|STORE]", "transition-hold")
	c.Short = "Hold a state, or one key or custom key store in it"
	c.Long = `Hold holds a state: whatever enters it stays there. Or it holds a key or a custom key store in the transitional state
that it is in or comes into; with --state the key enters one now.`
	c.Example = "  trent transition hold Updating\n  trent transition hold --key alias/x --state Unavailable\n  trent transition hold cks-1234567890abcdef0"
	c.Flags().StringVar(&q.State, "state", "", "put the key into this state: Creating, Updating or Unavailable")
	complete(c, "state", func() []string { return heldStates[:3] })
	return c
}

func (t *transitionCommand) release() *cobra.Command {
	c, _ := t.named("release [STATE|KEY|STORE]", "transition-release")
	c.Short = "Let go what is held"
	c.Example = "  trent transition release Updating\n  trent transition release --key alias/x"
	return c
}

func (t *transitionCommand) list() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List what is held", Example: "  trent transition list\n  trent transition list --json",
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error { return t.run(c, "transition-list", &transitionQuery{}) },
	}
}

// named is a verb that names something.
func (t *transitionCommand) named(use, name string) (*cobra.Command, *transitionQuery) {
	var q transitionQuery
	c := &cobra.Command{
		Use: use,
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 || q.What != "" {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return heldStates, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case len(args) == 1 && q.What == "":
				q.What = args[0]
			case len(args) != 0 || q.What == "":
				return usageError(fmt.Errorf("%s takes one state, key or custom key store", c.CommandPath()), "see '"+c.CommandPath()+" --help'")
			}
			return t.run(c, name, &q)
		},
	}
	c.Flags().StringVar(&q.What, "key", "", "id, ARN, alias or alias ARN of a key")
	c.Flags().StringVar(&q.Region, "region", "", "Region of a bare id or alias (default: us-east-1)")
	c.Flags().StringVar(&q.Account, "account", "", "account of a bare id or alias (default: the only one there is)")
	return c, &q
}

// run tells the server and prints what is held then.
func (t *transitionCommand) run(c *cobra.Command, name string, q *transitionQuery) error {
	answer := struct {
		Held []string `json:"held"`
	}{}
	hint := "see '" + c.CommandPath() + " --help'"
	if name == "transition-release" {
		hint = "'trent transition list' shows what is held"
	}
	if err := command(c.Context(), t.dir, name, q, &answer, hint); err != nil {
		return err
	}
	if t.json {
		return printJSON(t.e.Stdout, answer)
	}
	for _, held := range answer.Held {
		fmt.Fprintln(t.e.Stdout, "held", held)
	}
	if len(answer.Held) == 0 {
		fmt.Fprintln(t.e.Stdout, "nothing is held")
	}
	return nil
}
