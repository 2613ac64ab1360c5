package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"trent/loadgen/traffic"
	"trent/loadgen/workload"
)

func newWorkloadExplainCommand(e *environment) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "explain FILE", Short: "Show which calls a file causes: rates, calls a month, formulas with your numbers, assumptions",
		Long: `Explain shows for each cause of a file the calls a second on average and in the busiest second of the day, the calls a month
of 730 hours, the published formula and where it is from, the formula with the file's numbers filled in, and what of it is an
assumption. Of a mix it shows the share of each operation.`,
		Example: "  trent workload explain web-shop\n  trent workload explain mine.yaml --json",
		Args:    oneName("workload file or built-in name"),
		RunE: func(_ *cobra.Command, args []string) error {
			if !traffic.Names(args[0]) {
				w, _, err := loadWorkload(args[0])
				if err != nil {
					return err
				}
				return explainMix(e.Stdout, w, asJSON)
			}
			file, err := loadCauses(args[0])
			if err != nil {
				return err
			}
			x := file.Explain()
			if asJSON {
				return printJSON(e.Stdout, x)
			}
			return explain(e.Stdout, &x)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// explainMix shows the shares of a mix, which says nothing about rates.
func explainMix(out io.Writer, w *workload.Workload, asJSON bool) error {
	type row struct {
		Entry     string  `json:"entry"`
		Operation string  `json:"operation"`
		Keys      string  `json:"keys,omitempty"`
		Share     float64 `json:"share"`
	}
	total := 0.0
	for i := range w.Mix {
		total += w.Mix[i].Weight
	}
	var rows []row
	for i := range w.Mix {
		m := &w.Mix[i]
		rows = append(rows, row{m.Name, m.Operation, m.Keys, m.Weight / total})
	}
	if asJSON {
		return printJSON(out, map[string]any{"name": w.Name, "description": w.Description, "mix": rows})
	}
	fmt.Fprintf(out, "%s\n%s\n\nA mix without causes: the rate is the run's. %d keys.\n\n", w.Name, w.Description, w.KeyCount())
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "entry\toperation\tkeys\tshare")
	for _, r := range rows {
		fmt.Fprintf(t, "%s\t%s\t%s\t%.1f %%\n", r.Entry, r.Operation, r.Keys, r.Share*100)
	}
	return t.Flush()
}

func explain(out io.Writer, x *traffic.Explanation) error {
	fmt.Fprintf(out, "%s\n", x.Name)
	if x.Description != "" {
		fmt.Fprintf(out, "%s\n", x.Description)
	}
	fmt.Fprintf(out, "\nAll together %s\n\n", figures(x.Total))
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "mean/s\tpeak/s\tat\tcalls a month\t  operation")
	for _, op := range x.Operations {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t  %s\n", rate(op.Mean), rate(op.Peak), clockOf(op.PeakAt), grouped(op.Month), op.Operation)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for i := range x.Causes {
		if err := explainCause(out, &x.Causes[i]); err != nil {
			return err
		}
	}
	return nil
}

func explainCause(out io.Writer, c *traffic.ExplainedCause) error {
	fmt.Fprintf(out, "\n%s (%s of %s, key %s)\n  %s\n", c.Name, c.Model, c.Caller, c.Key, figures(c.Total))
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for i, f := range c.Flows {
		fmt.Fprintf(t, "  %s\t%s/s\tpeak %s/s\t= %s%s\n", f.Operation, rate(c.FlowTotals[i].Mean), rate(c.FlowTotals[i].Peak), f.Formula, stormText(f.Storms))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(out, "  Formula: %s.\n  Source: %s.\n", c.Formula, c.Source)
	for _, a := range c.Assumptions {
		fmt.Fprintf(out, "  Assumption on %s: %s.\n", a.About, a.Text)
	}
	for _, f := range c.Flows {
		if f.Unbilled {
			fmt.Fprintf(out, "  %s for it is not billed to the account.\n", f.Operation)
		}
	}
	return nil
}

func stormText(storms []traffic.Storm) string {
	var out strings.Builder
	for _, s := range storms {
		if s.Every == traffic.Day && s.Within >= time.Hour {
			fmt.Fprintf(&out, ", all from %s to %s", clockOf(s.At), clockOf(s.At+s.Within))
			continue
		}
		fmt.Fprintf(&out, ", at %s", clockOf(s.At))
		if s.Every > 0 {
			fmt.Fprintf(&out, " every %s", strings.TrimSuffix(strings.TrimSuffix(s.Every.String(), "0s"), "0m"))
		} else {
			out.WriteString(" once")
		}
	}
	return out.String()
}

func figures(f traffic.Figures) string {
	return fmt.Sprintf("%s calls/s on average, %s/s at the peak (%s), %s calls a month", rate(f.Mean), rate(f.Peak), clockOf(f.PeakAt), grouped(f.Month))
}

// clockOf is the nearest minute of the day.
func clockOf(t time.Duration) string {
	t = (t + 30*time.Second + traffic.Day) % traffic.Day // hours over midnight begin on the day before
	return fmt.Sprintf("%02d:%02d", int(t.Hours()), int(t.Minutes())%60)
}

// rate writes calls a second with three digits.
func rate(v float64) string {
	if v >= 1000 {
		return grouped(v)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

// grouped writes a whole number with commas.
func grouped(v float64) string {
	digits := strconv.FormatFloat(v, 'f', 0, 64)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
