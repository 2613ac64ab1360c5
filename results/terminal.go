package results

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// RenderTerminal writes the record as plain tables of at most about 100 columns.
func RenderTerminal(w io.Writer, r *Record) error {
	out := bufio.NewWriter(w)
	added := chapters(r)
	if r.Capacity != nil {
		renderCapacity(out, r)
	} else if title := titleOf(added); title != "" {
		fmt.Fprintf(out, "%s  %s\n", strings.ToUpper(r.Outcome), title)
	} else {
		fmt.Fprintf(out, "%s  %s, %s of %s on %s\n", strings.ToUpper(r.Outcome), r.Schedule.Spec, r.Engine.Name, r.Workload.Name, r.Target.URL)
	}
	if r.Interrupted {
		fmt.Fprintln(out, "Interrupted: what follows is a partial result.")
	}
	fmt.Fprintln(out)
	renderChapters(out, added)
	renderOperations(out, r)
	renderErrors(out, r)
	renderVerdicts(out, r)
	renderGates(out, r)
	renderCost(out, r)
	if after := late(added); len(after) > 0 {
		fmt.Fprintln(out)
		renderSections(out, after)
	}
	for _, note := range r.Notes {
		fmt.Fprintf(out, "Note: %s\n", note)
	}
	return out.Flush()
}

func renderCapacity(out io.Writer, r *Record) {
	c := r.Capacity
	fmt.Fprintf(out, "%s\n%s\n", r.Headline(), c.Why)
	fmt.Fprintf(out, "Within %s, on %s.\n", r.SLO.Summary, r.Workload.Name)
	if c.HighestPass > 0 {
		fail := "none failed"
		if c.LowestFail > 0 {
			fail = "lowest fail " + formatRate(c.LowestFail) + "/s"
		}
		fmt.Fprintf(out, "Bracket: highest pass %s/s, %s.\n", formatRate(c.HighestPass), fail)
	}
	if c.Overload != nil {
		fmt.Fprintf(out, "Overload: %s\n", c.Overload.Text())
	}
	fmt.Fprintln(out)
	rows := [][]string{{"step", "rate/s", "ok/s", "p50", "p99", "client", "server", "µs/req", "outcome"}}
	for _, s := range c.Steps {
		rows = append(rows, []string{s.Purpose, formatRate(s.Rate), formatRate(s.OKRate), s.P50.String(), s.P99.String(),
			shareOrDash(s.ClientBusy), shareOrDash(s.ServerBusy), microseconds(s.ServerCost), s.Outcome})
	}
	table(out, rows, "lrrrrrrrl")
}

// Headline is the result of a capacity run in a line.
func (r *Record) Headline() string {
	c := r.Capacity
	switch {
	case c == nil:
		return strings.ToUpper(r.Outcome)
	case c.Label == CostOnly:
		return "CPU a request only: fewer than two usable CPUs"
	case c.Sustained == 0:
		return "No rate was confirmed within the SLO"
	case c.Label == ServerBound:
		return fmt.Sprintf("%s requests/s sustained (server-bound)", formatRate(c.Sustained))
	default:
		text := fmt.Sprintf("At least %s requests/s (%s)", formatRate(c.Sustained), boundText(c.Label))
		if c.Ceiling > 0 {
			text += fmt.Sprintf(", estimated ceiling %s/s", formatRate(c.Ceiling))
		}
		return text
	}
}

// boundText is what a lower bound is bounded by. Whatever is not shown to be the server's doing counts as the client's.
func boundText(label string) string {
	switch label {
	case NotReached:
		return "client-bound: the highest rate allowed passed"
	case Unattributed:
		return "client-bound: the server's CPUs are not visible"
	}
	return label
}

// Text describes an overload step in a sentence.
func (o *Overload) Text() string {
	recovery := "had not recovered when the step ended"
	if o.Recovered {
		recovery = fmt.Sprintf("recovered within %s", formatDuration(o.Recovery))
		if o.Recovery == 0 {
			recovery = "recovered at once"
		}
	}
	back := ""
	if o.Half > 0 {
		back = fmt.Sprintf(", with %s of %s/s answered in time", formatRate(o.After), formatRate(o.Half))
	}
	text := fmt.Sprintf("at %s/s it answered %s/s, %s/s of them in time; back at half the sustained rate it %s%s.",
		formatRate(o.Rate), formatRate(o.Answered), formatRate(o.Goodput), recovery, back)
	if o.Note != "" {
		text += " It is no more than a hint: " + o.Note + "."
	}
	return text
}

func renderOperations(out io.Writer, r *Record) {
	if r.Total.Due == 0 {
		return
	}
	header := []string{"operation", "due", "ok", "not ok"}
	if r.ClosedLoop != nil {
		header[1] = "sent"
	}
	align := "lrrr"
	for _, p := range r.Total.Latency {
		header = append(header, percentileName(p.Q))
		align += "r"
	}
	rows := [][]string{append(header, "max")}
	for _, op := range append(append([]Operation(nil), r.Operations...), r.Total) {
		row := []string{op.Name, formatCount(op.Due), formatCount(op.Count("ok")), formatCount(op.NotOK())}
		for _, p := range op.Latency {
			row = append(row, p.Value.String())
		}
		if len(op.Latency) == 0 { // nothing was due
			for range r.Total.Latency {
				row = append(row, "–")
			}
			rows = append(rows, append(row, "–"))
			continue
		}
		rows = append(rows, append(row, formatDuration(op.Max)))
	}
	table(out, rows, align+"r")
}

func renderErrors(out io.Writer, r *Record) {
	if len(r.Total.Errors) == 0 {
		return
	}
	rows := [][]string{{"error", "hits"}}
	for _, e := range r.Total.Errors {
		rows = append(rows, []string{e.Name, formatCount(e.Count)})
	}
	table(out, rows, "lr")
}

func renderVerdicts(out io.Writer, r *Record) {
	if len(r.Verdicts) == 0 {
		return
	}
	table(out, verdictTable(r), "llrrrl")
	for _, v := range r.Verdicts {
		if reason := v.ReasonText(); reason != "" {
			fmt.Fprintf(out, "%s of %s: %s.\n", v.Metric, v.PopulationText(), reason)
		}
	}
}

func renderGates(out io.Writer, r *Record) {
	void := false
	for _, g := range r.Gates {
		if g.Void {
			void = true
			fmt.Fprintf(out, "VOID: %s %s, limit %s: %s.\n", g.Name, g.Figure, g.Limit, g.Advice)
		}
	}
	if !void && len(r.Gates) > 0 {
		fmt.Fprintf(out, "The run counts: %d conditions of client and machine are within their limits.\n", len(r.Gates))
	}
}

func renderCost(out io.Writer, r *Record) {
	var parts []string
	if r.Cost.Server != nil {
		parts = append(parts, "server "+formatDuration(*r.Cost.Server))
	}
	if r.Cost.Client != nil {
		parts = append(parts, "client "+formatDuration(*r.Cost.Client))
	}
	if len(parts) > 0 {
		fmt.Fprintf(out, "CPU a request: %s.\n", strings.Join(parts, ", "))
	}
}

func shareOrDash(share *float64) string {
	if share == nil {
		return "–"
	}
	return fmt.Sprintf("%.0f %%", *share*100)
}

func microseconds(d time.Duration) string {
	if d <= 0 {
		return "–"
	}
	return fmt.Sprintf("%.1f", float64(d)/float64(time.Microsecond))
}

// table writes rows in columns, the first row as the header; align has l or r for each column.
func table(out io.Writer, rows [][]string, align string) {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			if i < len(widths) {
				widths[i] = max(widths[i], utf8.RuneCountInString(cell))
			}
		}
	}
	for n, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			if i >= len(widths) {
				break
			}
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i > 0 {
				line.WriteString("  ")
			}
			if align[i] == 'r' {
				line.WriteString(pad + cell)
			} else {
				line.WriteString(cell + pad)
			}
		}
		fmt.Fprintln(out, strings.TrimRight(line.String(), " "))
		if n == 0 {
			total := 2 * (len(widths) - 1)
			for _, w := range widths {
				total += w
			}
			fmt.Fprintln(out, strings.Repeat("─", total))
		}
	}
	fmt.Fprintln(out)
}
