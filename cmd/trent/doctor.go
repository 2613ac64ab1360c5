package main

import (
	"encoding/json"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"trent/loadgen/machine"
)

func newDoctorCommand(e *environment) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Report what of this machine limits the emulator or the harness, and what to do",
		Long: `Doctor looks at the machine for about a second: CPU features, locked memory, CPU quota, huge pages,
stolen time and pressure from neighbours. It changes nothing and always exits 0.`,
		Example: "  trent doctor\n  trent doctor --json",
		Args:    noArguments,
		RunE: func(*cobra.Command, []string) error {
			findings := machine.Report()
			if asJSON {
				enc := json.NewEncoder(e.Stdout)
				enc.SetIndent("", "  ")
				return enc.Encode(findings)
			}
			t := tabwriter.NewWriter(e.Stdout, 0, 0, 2, ' ', 0)
			for _, f := range findings {
				fmt.Fprintf(t, "%s\t%s\t%s\n", yesNo(f.OK, "ok", "LIMIT"), f.What, f.Figure)
				if f.Advice != "" {
					fmt.Fprintf(t, "\t\t→ %s\n", f.Advice)
				}
			}
			return t.Flush()
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}
