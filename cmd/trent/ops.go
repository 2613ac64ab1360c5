package main

import (
	"encoding/json"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"trent/fastpath/operation"
)

func newOpsCommand(e *environment) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "ops",
		Short:   "List the API's operations and which of them this version does",
		Example: "  trent ops\n  trent ops --json",
		Args:    noArguments,
		RunE: func(*cobra.Command, []string) error {
			rows := operation.Rows()
			if asJSON {
				enc := json.NewEncoder(e.Stdout)
				enc.SetIndent("", "  ")
				return enc.Encode(rows)
			}
			t := tabwriter.NewWriter(e.Stdout, 0, 0, 2, ' ', 0)
			fmt.Fprintln(t, "OPERATION\tIMPLEMENTED\tALIASES\tWRITES")
			done := 0
			for _, r := range rows {
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
			_, err := fmt.Fprintf(e.Stdout, "%d of %d operations\n", done, len(rows))
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}
