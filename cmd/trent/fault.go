package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"trent/fastpath"
	"trent/fastpath/admin"
	"trent/fastpath/fault"
)

// newFaultCommand is `trent fault add|list|clear`.
func newFaultCommand(e *environment) *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use:   "fault",
		Short: "Make operations of a running server fail on order",
		Long: `Fault rules make operations fail with an exception of theirs, as often and as likely as wanted. They live until the
server stops; rules for every start stand in the config file, under faults. The first rule that fits a request fails
it, after the request was found to be well-formed and its key to be there.`,
		Example: `  trent fault add --operation Encrypt --error KMSInternalException --count 3
  trent fault list
  trent fault clear`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.PersistentFlags().StringVar(&dir, "data-dir", defaultDataDir(e.Getenv), "data directory of the server")
	c.AddCommand(newFaultAddCommand(e, &dir), newFaultListCommand(e, &dir), newFaultClearCommand(e, &dir))
	return c
}

func newFaultAddCommand(e *environment, dir *string) *cobra.Command {
	var r fault.Rule
	var asJSON bool
	c := &cobra.Command{
		Use:   "add",
		Short: "Add a rule",
		Example: `  trent fault add --operation Encrypt --error KMSInternalException --count 3
  trent fault add --key alias/x --error KeyUnavailableException
  trent fault add --operation Decrypt --error ThrottlingException --probability 0.01 --seed 7`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := command(c.Context(), *dir, "fault-add", &r, &r, ruleHint(&r)); err != nil {
				return err
			}
			if asJSON {
				return printJSON(e.Stdout, &r)
			}
			_, err := fmt.Fprintf(e.Stdout, "rule %d: %s\n", r.ID, ruleText(&r))
			return err
		},
	}
	c.Flags().StringVar(&r.Operation, "operation", "", "operation that fails (default: all that have the exception)")
	c.Flags().StringVar(&r.Key, "key", "", "key that it fails for: id, ARN, alias or alias ARN (default: all)")
	c.Flags().StringVar(&r.Caller, "caller", "", "ARN of the caller that it fails for (default: all)")
	c.Flags().StringVar(&r.Error, "error", "", "exception that is answered")
	c.Flags().StringVar(&r.Message, "message", "", "its text (default: the service's, where that is known)")
	c.Flags().IntVar(&r.Count, "count", 0, "how often it fails (0: for ever)")
	c.Flags().Float64Var(&r.Probability, "probability", 0, "of a failure, between 0 and 1 (0: always)")
	c.Flags().Uint64Var(&r.Seed, "seed", 0, "of the probability: the same seed fails the same requests in a row of them")
	c.Flags().BoolVar(&asJSON, "json", false, "print the rule as JSON")
	complete(c, "operation", func() []string { return operationNames() })
	complete(c, "error", func() []string { return exceptionsOf(r.Operation) })
	return c
}

// complete offers the values of a flag to the shell, and no names of files.
func complete(c *cobra.Command, flag string, values func() []string) {
	_ = c.RegisterFlagCompletionFunc(flag, func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return values(), cobra.ShellCompDirectiveNoFileComp
	}) // fails for a flag that is not there only
}

func operationNames() []string {
	var names []string
	for _, r := range fastpath.References() {
		names = append(names, r.Name)
	}
	return names
}

// exceptionsOf are what an operation may answer; what any may, where none is named.
func exceptionsOf(operation string) []string {
	var names []string
	for _, r := range fastpath.References() {
		if operation == "" || operation == r.Name {
			names = append(append(names, r.Errors...), r.CommonErrors...)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// ruleHint is what to do about a rule that the server does not take.
func ruleHint(r *fault.Rule) string {
	for _, name := range operationNames() {
		switch {
		case r.Operation != name && strings.EqualFold(r.Operation, name):
			return "did you mean --operation " + name + "?"
		case r.Operation == name && r.Error != "":
			for _, exception := range exceptionsOf(name) {
				if strings.EqualFold(r.Error, exception) || strings.EqualFold(r.Error+"Exception", exception) {
					return "did you mean --error " + exception + "?"
				}
			}
			return name + " answers " + strings.Join(exceptionsOf(name), ", ")
		}
	}
	return "see 'trent fault add --help'"
}

// printJSON prints a value for programs.
func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

func newFaultListCommand(e *environment, dir *string) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "list",
		Short:   "List the rules in force",
		Example: "  trent fault list\n  trent fault list --json",
		Args:    noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			var rules []fault.Rule
			if err := command(c.Context(), *dir, "fault-list", struct{}{}, &rules, ""); err != nil {
				return err
			}
			if asJSON {
				return printJSON(e.Stdout, rules)
			}
			if len(rules) == 0 {
				_, err := fmt.Fprintln(e.Stdout, "no rules are in force")
				return err
			}
			t := tabwriter.NewWriter(e.Stdout, 0, 0, 2, ' ', 0)
			fmt.Fprintln(t, "ID\tHITS\tRULE")
			for i := range rules {
				fmt.Fprintf(t, "%d\t%d\t%s\n", rules[i].ID, rules[i].Hits, ruleText(&rules[i]))
			}
			return t.Flush()
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func newFaultClearCommand(e *environment, dir *string) *cobra.Command {
	return &cobra.Command{
		Use:               "clear [ID...]",
		Short:             "Remove rules, all where none is named",
		Example:           "  trent fault clear\n  trent fault clear 2 3",
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, args []string) error {
			q := struct {
				IDs []int `json:"ids,omitempty"`
			}{}
			for _, arg := range args {
				id, err := strconv.Atoi(arg)
				if err != nil {
					return usageError(fmt.Errorf("%q is no rule's number", arg), "'trent fault list' shows them")
				}
				q.IDs = append(q.IDs, id)
			}
			var answer struct{ Cleared int }
			if err := command(c.Context(), *dir, "fault-clear", &q, &answer, "'trent fault list' shows the rules in force"); err != nil {
				return err
			}
			_, err := fmt.Fprintf(e.Stdout, "cleared %d\n", answer.Cleared)
			return err
		},
	}
}

// ruleText is a rule in a line.
func ruleText(r *fault.Rule) string {
	parts := []string{"every operation"}
	if r.Operation != "" {
		parts[0] = r.Operation
	}
	if r.Key != "" {
		parts = append(parts, "on", r.Key)
	}
	if r.Caller != "" {
		parts = append(parts, "by", r.Caller)
	}
	parts = append(parts, "→", r.Error)
	switch {
	case r.Count == 1:
		parts = append(parts, "once")
	case r.Count > 1:
		parts = append(parts, fmt.Sprintf("%d times", r.Count))
	}
	if r.Probability > 0 {
		parts = append(parts, fmt.Sprintf("with probability %g (seed %d)", r.Probability, r.Seed))
	}
	return strings.Join(parts, " ")
}

// command tells the running server of a data directory something. The hint is what to do where it refuses.
func command(ctx context.Context, dir, name string, arguments, result any, hint string) error {
	if _, err := liveServer(ctx, dir); err != nil {
		return err
	}
	err := admin.NewClient(dir).Command(ctx, name, arguments, result)
	var refused *admin.CommandError
	switch {
	case errors.As(err, &refused):
		return usageError(refused, hint)
	case err != nil:
		return failure(err, "")
	}
	return nil
}
