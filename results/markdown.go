package results

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// WriteMarkdown writes a summary for a pull request or a job's page (GitHub's dialect).
func WriteMarkdown(w io.Writer, r *Record) error {
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, "### trent %s: **%s** – %s\n\n", r.Kind, strings.ToUpper(r.Outcome), r.Title())
	if r.Interrupted {
		fmt.Fprint(out, "Interrupted: this is a partial result.\n\n")
	}
	all := chapters(r)
	if r.Capacity != nil {
		fmt.Fprintf(out, "%s\n\n", r.Capacity.Why)
	}
	for _, c := range all {
		if c.Lede != "" {
			fmt.Fprintf(out, "%s\n\n", c.Lede)
		}
	}
	markdownTable(out, verdictTable(r), "llrrrl")
	for _, c := range all {
		for _, s := range c.Sections {
			if len(s.Rows) < 2 {
				continue
			}
			fmt.Fprintf(out, "**%s**\n\n", s.Title)
			markdownTable(out, s.Rows, s.Align)
		}
	}
	markdownOperations(out, r)
	for _, g := range r.Gates {
		if g.Void {
			fmt.Fprintf(out, "- Void: %s %s, limit %s: %s.\n", g.Name, g.Figure, g.Limit, g.Advice)
		}
	}
	for _, note := range r.Notes {
		fmt.Fprintf(out, "- %s\n", note)
	}
	fmt.Fprintf(out, "\n<sub>%s, %d CPUs, %s, seed %d. Repeat: `%s`</sub>\n", r.Environment.CPUModel, r.Environment.Cores, r.Tool, r.Seed, strings.ReplaceAll(shellQuote(r.Command), "`", "'"))
	if err := out.Flush(); err != nil {
		return fmt.Errorf("writing Markdown: %w", err)
	}
	return nil
}

func verdictTable(r *Record) [][]string {
	rows := [][]string{{"limit", "of", "value", "95 % interval", "limit is", "verdict"}}
	for i := range r.Verdicts {
		v := &r.Verdicts[i]
		rows = append(rows, []string{v.Metric, v.PopulationText(), v.FigureText(), v.IntervalText(), v.LimitText(), strings.ToUpper(v.Outcome)})
	}
	return rows
}

func markdownOperations(out io.Writer, r *Record) {
	if r.Total.Due == 0 {
		return
	}
	header, align := []string{"operation", "due", "ok", "not ok"}, "lrrr"
	for _, p := range r.Total.Latency {
		header, align = append(header, percentileName(p.Q)), align+"r"
	}
	rows := [][]string{header}
	for _, op := range append(append([]Operation(nil), r.Operations...), r.Total) {
		row := []string{op.Name, formatCount(op.Due), formatCount(op.Count("ok")), formatCount(op.NotOK())}
		for _, p := range op.Latency {
			row = append(row, p.Value.String())
		}
		rows = append(rows, row)
	}
	markdownTable(out, rows, align)
}

// markdownTable writes rows, the first as the header.
func markdownTable(out io.Writer, rows [][]string, align string) {
	if len(rows) < 2 {
		return
	}
	for n, row := range rows {
		for i := range rows[0] {
			cell := ""
			if i < len(row) {
				cell = strings.NewReplacer("|", `\|`, "\n", " ").Replace(row[i])
			}
			fmt.Fprintf(out, "| %s ", cell)
		}
		fmt.Fprintln(out, "|")
		if n > 0 {
			continue
		}
		for i := range row {
			if i < len(align) && align[i] == 'r' {
				fmt.Fprint(out, "|--:")
			} else {
				fmt.Fprint(out, "|---")
			}
		}
		fmt.Fprintln(out, "|")
	}
	fmt.Fprintln(out)
}
