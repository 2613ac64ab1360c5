package results

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"time"
)

// Tables that a record can be exported as, see WriteCSV.
var csvTables = map[string]func(*Record) [][]string{
	"operations": operationRows, "series": seriesRows, "machine": machineRows, "percentiles": percentileRows,
}

// CSVTables lists the names for WriteCSV.
func CSVTables() []string { return []string{"operations", "series", "machine", "percentiles"} }

// WriteCSV writes one table of the record as comma-separated values with a header (RFC 4180). Durations are in nanoseconds, shares
// from 0 to 1, rates per second; what is not known is empty, and a percentile among hits without a good answer is "never".
// Error: a name that is not among CSVTables.
func WriteCSV(w io.Writer, r *Record, table string) error {
	rows, ok := csvTables[table]
	if !ok {
		return fmt.Errorf("no table %q: expected one of %q", table, CSVTables())
	}
	out := csv.NewWriter(w)
	if err := out.WriteAll(rows(r)); err != nil {
		return fmt.Errorf("writing CSV: %w", err)
	}
	return nil
}

func integer[T ~int | ~int64 | ~uint64](v T) string { return fmt.Sprintf("%d", v) }

func decimal(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

func nanos(l *Latency) string {
	switch {
	case l == nil:
		return ""
	case *l == Never:
		return "never"
	}
	return integer(*l)
}

// operationRows has a row for each entry of the workload, and one for all hits.
func operationRows(r *Record) [][]string {
	header := []string{"name", "operation", "service", "caller", "cause", "due", "ok", "throttled", "failed", "timeout", "connection", "never_sent", "malformed",
		"due_rate", "ok_rate", "mean_ns", "max_ns"}
	for _, p := range r.Total.Latency {
		header = append(header, percentileName(p.Q)+"_ns")
	}
	rows := [][]string{header}
	for _, op := range append(append([]Operation(nil), r.Operations...), r.Total) {
		row := []string{op.Name, op.API, op.From, op.Caller, op.Cause, integer(op.Due)}
		for _, o := range []string{"ok", "throttled", "failed", "timeout", "connection", "never-sent", "malformed"} {
			row = append(row, integer(op.Count(o)))
		}
		row = append(row, decimal(op.DuePerSec), decimal(op.OKPerSec), integer(op.Mean), integer(op.Max))
		for i := range r.Total.Latency {
			cell := ""
			if i < len(op.Latency) {
				cell = nanos(&op.Latency[i].Value)
			}
			row = append(row, cell)
		}
		rows = append(rows, row)
	}
	return rows
}

// seriesRows has a row a block.
func seriesRows(r *Record) [][]string {
	rows := [][]string{{"at_ns", "width_ns", "due", "ok", "throttled", "bad", "answered", "p50_ns", "p99_ns", "max_ns"}}
	for _, s := range r.Series {
		rows = append(rows, []string{integer(s.At), integer(s.Width), integer(s.Due), integer(s.OK), integer(s.Throttled), integer(s.Bad), integer(s.Answered),
			nanos(s.P50), nanos(s.P99), nanos(&s.Max)})
	}
	return rows
}

// machineRows has a row a sample; busy is the mean over the CPUs.
func machineRows(r *Record) [][]string {
	rows := [][]string{{"at_ns", "wall_ns", "busy", "stolen", "client_cpu_ns", "server_cpu_ns", "cpu_pressure"}}
	for _, s := range r.Machine {
		busy := 0.0
		for _, b := range s.Busy {
			busy += b / float64(len(s.Busy))
		}
		rows = append(rows, []string{integer(s.At), integer(s.Wall), decimal(busy), decimal(s.Stolen), integer(s.ClientCPU), integer(s.ServerCPU), decimal(s.Pressure)})
	}
	return rows
}

// percentileRows has a row for each percentile of latency and service time of each entry, with its interval.
func percentileRows(r *Record) [][]string {
	rows := [][]string{{"name", "kind", "q", "value_ns", "low_ns", "high_ns", "answered_ns"}}
	add := func(name, kind string, all []Percentile) {
		for i := range all {
			p := &all[i]
			rows = append(rows, []string{name, kind, decimal(p.Q), nanos(&p.Value), nanos(p.Low), nanos(p.High), nanos(p.Answered)})
		}
	}
	for _, op := range append(append([]Operation(nil), r.Operations...), r.Total) {
		add(op.Name, "latency", op.Latency)
		add(op.Name, "service", op.Service)
	}
	for _, lag := range []struct {
		kind string
		all  []Percentile
	}{{"pacer lag", r.Lags.Pacer}, {"wait", r.Lags.Wait}, {"send lag", r.Lags.Send}, {"client lag", r.Lags.Client}} {
		add("all", lag.kind, lag.all)
	}
	return rows
}

// WriteHistograms writes the record's histograms of good answers, one for each entry, in the line format of an HdrHistogram log, with
// the whole run as the interval.
func WriteHistograms(w io.Writer, r *Record) error {
	if _, err := fmt.Fprintf(w, "#[Logged with %s]\n#[Histogram log format version 1.3]\n#[StartTime: %d (seconds since epoch), %s]\n%s\n", r.Tool, r.Started.Unix(),
		r.Started.UTC().Format(time.RFC3339), `"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"`); err != nil {
		return fmt.Errorf("writing the histograms: %w", err)
	}
	for i := range r.Operations {
		op := &r.Operations[i]
		if len(op.Outcomes) == 0 || op.Outcomes[0].Latency == nil {
			continue
		}
		if _, err := fmt.Fprintf(w, "Tag=%s,%.3f,%.3f,%.3f,%s\n", tagOf(op.Name), 0.0, r.Elapsed.Seconds(), float64(op.Max)/1e6, op.Outcomes[0].Latency.Encoded); err != nil {
			return fmt.Errorf("writing the histograms: %w", err)
		}
	}
	return nil
}

// tagOf makes a name usable as a tag, which has neither commas nor spaces.
func tagOf(name string) string {
	out := []rune(name)
	for i, c := range out {
		if c <= ' ' || c == ',' {
			out[i] = '_'
		}
	}
	return string(out)
}
