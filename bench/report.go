package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"trent/loadgen/machine"
	"trent/results/stats"
)

// Verdict of a figure against its target.
type Verdict string

// Verdicts. Met: the whole interval is on the good side. Inconclusive: the interval is wider than ± 4 %
// around the target's side, or straddles the target.
const (
	Met          Verdict = "met"
	Missed       Verdict = "missed"
	Inconclusive Verdict = "inconclusive"
	Noted        Verdict = "noted" // no target
)

// Figure is one measured value.
type Figure struct {
	Name    string  `json:"name"`
	Unit    string  `json:"unit"`
	Value   float64 `json:"value"`
	Low     float64 `json:"low,omitempty"` // 95 % interval; both 0: none
	High    float64 `json:"high,omitempty"`
	Target  string  `json:"target,omitempty"`
	Verdict Verdict `json:"verdict"`
	Note    string  `json:"note,omitempty"`
}

// Report is all figures of one run.
type Report struct {
	Started     time.Time           `json:"started"`
	Fingerprint machine.Fingerprint `json:"fingerprint"`
	Figures     []Figure            `json:"figures"`
	Tables      []Table             `json:"tables,omitempty"`

	progress io.Writer
}

// Table is what belongs to figures and does not fit into one line each.
type Table struct {
	Title   string     `json:"title"`
	Columns []string   `json:"columns"`
	Rows    [][]string `json:"rows"`
}

// NewReport makes an empty report that tells progress to w.
func NewReport(w io.Writer) *Report {
	return &Report{Started: time.Now().UTC(), Fingerprint: machine.Host{}.Fingerprint(), progress: w}
}

func (r *Report) logf(format string, args ...any) {
	fmt.Fprintf(r.progress, "bench: "+format+"\n", args...)
}

func (r *Report) add(f Figure) {
	r.Figures = append(r.Figures, f)
	r.logf("%s", f)
}

// String is the figure on one line.
func (f Figure) String() string {
	s := fmt.Sprintf("%s: %s %s", f.Name, number(f.Value), f.Unit)
	if f.Low != 0 || f.High != 0 {
		s += fmt.Sprintf(" [%s, %s]", number(f.Low), number(f.High))
	}
	if f.Target != "" {
		s += fmt.Sprintf(" (target %s: %s)", f.Target, f.Verdict)
	}
	if f.Note != "" {
		s += "; " + f.Note
	}
	return s
}

func number(v float64) string {
	switch a := math.Abs(v); {
	case a >= 1000:
		return fmt.Sprintf("%.0f", v)
	case a >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.3f", v)
}

// atMost judges an estimated ratio against an upper limit.
func atMost(name, unit string, e stats.Estimate, limit float64, note string) Figure {
	f := Figure{Name: name, Unit: unit, Value: e.Point, Low: e.Low, High: e.High, Note: note, Target: fmt.Sprintf("≤ %g", limit)}
	switch {
	case e.High < limit:
		f.Verdict = Met
	case e.Low > limit:
		f.Verdict = Missed
	default:
		f.Verdict = Inconclusive
	}
	return f
}

// single judges one value without an interval.
func single(name, unit string, v float64, limit float64, most bool, note string) Figure {
	f := Figure{Name: name, Unit: unit, Value: v, Note: note, Verdict: Missed}
	sign := "≥"
	if most {
		sign = "≤"
	}
	f.Target = fmt.Sprintf("%s %g", sign, limit)
	if most && v <= limit || !most && v >= limit {
		f.Verdict = Met
	}
	return f
}

// Print writes the table for people.
func (r *Report) Print(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "FIGURE\tVALUE\t95 %\tTARGET\tVERDICT\tNOTE")
	for _, f := range r.Figures {
		interval := ""
		if f.Low != 0 || f.High != 0 {
			interval = number(f.Low) + "–" + number(f.High)
		}
		fmt.Fprintf(t, "%s\t%s %s\t%s\t%s\t%s\t%s\n", f.Name, number(f.Value), f.Unit, interval, f.Target, f.Verdict, f.Note)
	}
	_ = t.Flush()
	for _, table := range r.Tables {
		fmt.Fprintf(w, "\n%s\n", table.Title)
		fmt.Fprintln(t, strings.Join(table.Columns, "\t"))
		for _, row := range table.Rows {
			fmt.Fprintln(t, strings.Join(row, "\t"))
		}
		_ = t.Flush()
	}
}

// Write keeps the report as JSON in dir and returns the file's name.
func (r *Report) Write(dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "bench-"+r.Started.Format("20060102-150405")+".json")
	return path, os.WriteFile(path, append(b, '\n'), 0o644)
}
