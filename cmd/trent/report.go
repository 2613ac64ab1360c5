package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"trent/results"
)

func newReportCommand(e *environment) *cobra.Command {
	var html string
	var asJSON bool
	c := &cobra.Command{
		Use:   "report FILE",
		Short: "Show the record of a run again, or render it as an HTML page",
		Long:  `Report reads a record (the file record.json, or the directory with it) and prints its tables, or writes its HTML page.`,
		Example: `  trent report trent-results/capacity-20261123-120000
  trent report record.json --html report.html`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError(errors.New("report wants one record"), "give a record.json, or the directory with it")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			r, err := results.ReadFile(args[0])
			if errors.Is(err, results.ErrNewer) {
				return usageError(err, "read it with the version of trent that wrote it")
			}
			if err != nil {
				return usageError(err, "give a record.json written by 'trent attack' or 'trent capacity', or its directory")
			}
			if html != "" {
				if err := results.WriteHTMLFile(html, r); err != nil {
					return failure(err, "")
				}
				fmt.Fprintf(e.Stderr, "Report: %s\n", html)
				return nil
			}
			if asJSON {
				return results.Write(e.Stdout, r)
			}
			return results.RenderTerminal(e.Stdout, r)
		},
	}
	c.Flags().StringVar(&html, "html", "", "write the HTML page to this file instead")
	c.Flags().BoolVar(&asJSON, "json", false, "print the record as JSON of the present schema")
	return c
}
