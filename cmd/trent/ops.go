package main

import (
	"encoding/json"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"trent/fastpath"
)

func newOpsCommand(e *environment) *cobra.Command {
	var asJSON, asMarkdown bool
	c := &cobra.Command{
		Use:   "ops",
		Short: "List the API's operations and which of them this version does",
		Long: `Ops lists the API's operations. With --json it says of each, besides, which parameters it honours, which errors
it can answer, and what it does with a key of each state.`,
		Example: "  trent ops\n  trent ops --json",
		Args:    noArguments,
		RunE: func(*cobra.Command, []string) error {
			if asMarkdown {
				return fastpath.WriteMarkdown(e.Stdout)
			}
			all := fastpath.References()
			if asJSON {
				enc := json.NewEncoder(e.Stdout)
				enc.SetIndent("", "  ")
				return enc.Encode(all)
			}
			return printOperations(e, all)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON, with parameters, errors and key states")
	c.Flags().BoolVar(&asMarkdown, "markdown", false, "print the table of the README")
	c.MarkFlagsMutuallyExclusive("json", "markdown")
	return c
}

func printOperations(e *environment, all []fastpath.Reference) error {
	t := tabwriter.NewWriter(e.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "OPERATION\tIMPLEMENTED\tALIASES\tWRITES")
	done := 0
	for i := range all {
		r := &all[i]
		if r.Implemented {
			done++
			fmt.Fprintf(t, "%s\tyes\t%s\t%s\n", r.Name, yesNo(r.Aliases, "yes", "no"), yesNo(r.Write, "yes", "no"))
		} else {
			fmt.Fprintf(t, "%s\tno\t\t\n", r.Name)
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(e.Stdout, "%d of %d operations\n", done, len(all))
	return err
}
