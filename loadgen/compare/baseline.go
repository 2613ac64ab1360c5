package compare

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"trent/results"
	"trent/results/stats"
)

// against compares the ratios to the floor of this run with those of an earlier one. Nothing else of two hours compares, and
// these only where machine and settings were the same; otherwise the differences are all it says.
func against(before *results.Record, name string, now *results.Record, margin float64, seed uint64) *results.EarlierRun {
	out := &results.EarlierRun{Name: name, Started: before.Started, Tool: before.Tool, Differences: differing(before, now)}
	if len(out.Differences) > 0 {
		return out
	}
	j := Judge{Margin: margin, Seed: seed}
	var ps []float64
	var intervals []stats.Interval
	for _, metric := range []string{results.MetricCPU, results.MetricSaturation} {
		then, today := floorRatios(before.Comparison, metric), floorRatios(now.Comparison, metric)
		if len(then) == 0 || len(today) == 0 {
			continue
		}
		e := results.Effect{Operation: "all", Metric: metric, Unit: "ratio", Pairs: min(len(then), len(today)), HigherWins: metric == results.MetricSaturation,
			A: finite(math.Exp(stats.Median(then))), B: finite(math.Exp(stats.Median(today)))}
		typical := stats.MedianDifference(today, then, stats.Options{Seed: seed})
		e.Ratio, e.Low, e.High = present(&e, typical)
		u, p := stats.MannWhitney(today, then)
		e.U, e.MannWhitney = finite(u), finite(p)
		out.Effects, intervals, ps = append(out.Effects, e), append(intervals, typical.Interval), append(ps, p)
	}
	for i, p := range stats.Holm(ps) {
		out.Effects[i].Holm = finite(p)
		j.decide(&out.Effects[i], intervals[i])
	}
	return out
}

// floorRatios are the logarithms of subject ÷ floor of the pairs that count.
func floorRatios(c *results.ComparisonResult, metric string) []float64 {
	type sides struct {
		value [2]float64
		void  bool
	}
	pairs := map[int]*sides{}
	var order []int
	for i := range c.Rounds {
		round := &c.Rounds[i]
		if round.Self || round.Saturated != (metric == results.MetricSaturation) {
			continue
		}
		p := pairs[round.Pair]
		if p == nil {
			p = &sides{}
			pairs[round.Pair] = p
			order = append(order, round.Pair)
		}
		p.void = p.void || len(round.Void) > 0
		at := 0
		if round.Side == "B" {
			at = 1
		}
		switch {
		case metric == results.MetricSaturation:
			p.value[at] = round.OKRate
		case round.ServerCPU != nil:
			p.value[at] = float64(*round.ServerCPU)
		}
	}
	var out []float64
	for _, number := range order {
		if p := pairs[number]; !p.void && p.value[0] > 0 && p.value[1] > 0 {
			out = append(out, math.Log(p.value[1]/p.value[0]))
		}
	}
	return out
}

// differing lists what keeps two records from being compared, in words.
func differing(before, now *results.Record) []string {
	var out []string
	check := func(what string, then, today any) {
		if then != today {
			out = append(out, fmt.Sprintf("%s: %v then, %v now", what, then, today))
		}
	}
	if before.Comparison == nil {
		return []string{fmt.Sprintf("the earlier record is of kind %s; a baseline is a record of trent compare --floor", before.Kind)}
	}
	if before.Comparison.A.Kind != results.FloorSubject || now.Comparison.A.Kind != results.FloorSubject {
		return []string{"one of the runs has no floor beside it; both want trent compare --floor"}
	}
	if before.Interrupted {
		out = append(out, "the earlier run was interrupted")
	}
	a, b := &before.Environment, &now.Environment
	check("CPU model", a.CPUModel, b.CPUModel)
	check("CPUs online", a.Cores, b.Cores)
	check("CPU features", strings.Join(a.Features, " "), strings.Join(b.Features, " "))
	check("kernel", a.Kernel, b.Kernel)
	check("governor", a.Governor, b.Governor)
	check("hypervisor", a.Hypervisor, b.Hypervisor)
	check("CPU quota", a.CPUQuota, b.CPUQuota)
	if math.Abs(float64(a.MemoryKiB-b.MemoryKiB)) > 0.01*float64(a.MemoryKiB) {
		check("memory in KiB", a.MemoryKiB, b.MemoryKiB)
	}
	check("Go", a.GoVersion, b.GoVersion)
	check("platform", a.Platform, b.Platform)
	check("GOMAXPROCS", a.GOMAXPROCS, b.GOMAXPROCS)
	check("client CPUs", a.ClientCPUs, b.ClientCPUs)
	check("server CPUs", a.ServerCPUs, b.ServerCPUs)
	check("fasthttp", a.Modules["github.com/valyala/fasthttp"], b.Modules["github.com/valyala/fasthttp"])
	check("settings of the floor", strings.Join(before.Comparison.A.Settings, "; "), strings.Join(now.Comparison.A.Settings, "; "))
	check("engine", before.Engine.Name, now.Engine.Name)
	check("connections", before.Engine.Connections, now.Engine.Connections)
	check("workload", before.Workload.Name, now.Workload.Name)
	check("text of the workload", before.Workload.Source, now.Workload.Source)
	check("entries left out of the mix", joined(before.Comparison.Dropped), joined(now.Comparison.Dropped))
	check("how the rate was chosen", before.Comparison.RateFrom, now.Comparison.RateFrom)
	if now.Comparison.RateFrom == rateGiven {
		check("rate", before.Comparison.Rate, now.Comparison.Rate)
	}
	check("length of a round", before.Comparison.Round, now.Comparison.Round)
	return out
}

func joined(names []string) string {
	sorted := slices.Clone(names)
	slices.Sort(sorted)
	return strings.Join(sorted, " ")
}
