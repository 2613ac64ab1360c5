package results

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// Differences lists what differs between two environments, for example "kernel: 6.1.0 and 6.2.0"; nil where nothing does. Figures of
// runs under different environments do not compare.
func (e *Environment) Differences(other *Environment) []string {
	var out []string
	add := func(what, a, b string) {
		if a != b {
			out = append(out, fmt.Sprintf("%s: %s and %s", what, a, b))
		}
	}
	add("CPU", e.CPUModel, other.CPUModel)
	add("cores", fmt.Sprint(e.Cores), fmt.Sprint(other.Cores))
	add("CPU features", strings.Join(e.Features, " "), strings.Join(other.Features, " "))
	add("CPU quota", fmt.Sprint(e.CPUQuota), fmt.Sprint(other.CPUQuota))
	add("kernel", e.Kernel, other.Kernel)
	add("hypervisor", e.Hypervisor, other.Hypervisor)
	add("governor", e.Governor, other.Governor)
	add("Go", e.GoVersion, other.GoVersion)
	add("platform", e.Platform, other.Platform)
	add("client CPUs", e.ClientCPUs, other.ClientCPUs)
	add("server CPUs", e.ServerCPUs, other.ServerCPUs)
	return out
}

// RenderDiff writes two records side by side as tables: figures with the ratio of the second to the first, and what differs in how they
// were taken. It judges nothing: runs of different hours are not a comparison, which takes pairs of rounds.
func RenderDiff(w io.Writer, a, b *Record) error {
	rows := [][]string{{"figure", "A", "B", "B ÷ A"}}
	number := func(name string, x, y float64, text func(float64) string) {
		if x == 0 && y == 0 {
			return
		}
		ratio := "–"
		if x > 0 {
			ratio = fmt.Sprintf("%.3f", y/x)
		}
		rows = append(rows, []string{name, text(x), text(y), ratio})
	}
	nanos := func(v float64) string { return Latency(v).String() }
	number("due/s", a.Total.DuePerSec, b.Total.DuePerSec, formatRate)
	number("ok/s", a.Total.OKPerSec, b.Total.OKPerSec, formatRate)
	number("not ok", share(&a.Total), share(&b.Total), formatShare)
	if a.Capacity != nil && b.Capacity != nil {
		number("sustained/s", a.Capacity.Sustained, b.Capacity.Sustained, formatRate)
	}
	if a.Cost.Server != nil && b.Cost.Server != nil {
		number("server CPU a request", float64(*a.Cost.Server), float64(*b.Cost.Server), nanos)
	}
	if a.Cost.Client != nil && b.Cost.Client != nil {
		number("client CPU a request", float64(*a.Cost.Client), float64(*b.Cost.Client), nanos)
	}
	for _, op := range append(slices.Clone(a.Operations), a.Total) {
		other := b.operation(op.Name)
		if other == nil {
			rows = append(rows, []string{op.Name, formatCount(op.Due) + " hits", "not sent", "–"})
			continue
		}
		for _, p := range op.Latency {
			for _, q := range other.Latency {
				if p.Q == q.Q {
					rows = append(rows, diffLatency(op.Name+" "+percentileName(p.Q), p.Value, q.Value))
				}
			}
		}
	}
	for _, op := range b.Operations {
		if a.operation(op.Name) == nil {
			rows = append(rows, []string{op.Name, "not sent", formatCount(op.Due) + " hits", "–"})
		}
	}
	table(w, rows, "lrrr")
	return diffConditions(w, a, b)
}

func diffLatency(name string, a, b Latency) []string {
	ratio := "–"
	if a > 0 && a != Never && b != Never {
		ratio = fmt.Sprintf("%.3f", float64(b)/float64(a))
	}
	return []string{name, a.String(), b.String(), ratio}
}

func share(op *Operation) float64 {
	if op.Due == 0 {
		return 0
	}
	return float64(op.NotOK()) / float64(op.Due)
}

// operation finds an entry, or the total, by name; nil where there is none.
func (r *Record) operation(name string) *Operation {
	for i := range r.Operations {
		if r.Operations[i].Name == name {
			return &r.Operations[i]
		}
	}
	if name == r.Total.Name {
		return &r.Total
	}
	return nil
}

// diffConditions says how the two were taken differently.
func diffConditions(w io.Writer, a, b *Record) error {
	differences := a.Environment.Differences(&b.Environment)
	add := func(what, x, y string) {
		if x != y {
			differences = append(differences, fmt.Sprintf("%s: %s and %s", what, x, y))
		}
	}
	add("outcome", a.Outcome, b.Outcome)
	add("program", a.Tool, b.Tool)
	add("target", a.Target.URL, b.Target.URL)
	add("engine", a.Engine.Name, b.Engine.Name)
	add("connections", fmt.Sprint(a.Engine.Connections), fmt.Sprint(b.Engine.Connections))
	add("workload", a.Workload.Name, b.Workload.Name)
	add("schedule", a.Schedule.Spec, b.Schedule.Spec)
	add("seed", fmt.Sprint(a.Seed), fmt.Sprint(b.Seed))
	for _, d := range differences {
		if _, err := fmt.Fprintf(w, "Differs: %s\n", d); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(w, "Two runs are no comparison: 'trent compare' measures pairs of rounds and judges them.")
	return err
}
