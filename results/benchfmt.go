package results

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"strings"
	"unicode"
)

// units of the benchmark format by metric, and which direction is better ("Go Benchmark Data Format", golang.org/design/14313).
var benchmarkUnits = []struct{ unit, better string }{
	{"p50-ns", "lower"}, {"p99-ns", "lower"}, {"mean-ns", "lower"}, {"cpu-ns/req", "lower"}, {"ok/s", "higher"}, {"errors/req", "lower"},
}

// WriteBenchmarks writes a comparison's rounds in the Go benchmark format, one line a round and operation, so that benchstat
// can compare them: `benchstat -col subject FILE`. Rounds that do not count are left out, as are A/A ones and, of rounds with
// disturbed latencies, the latencies.
func WriteBenchmarks(w io.Writer, r *Record) error {
	c := r.Comparison
	if c == nil {
		return fmt.Errorf("writing benchmarks: a record of kind %s has none", r.Kind)
	}
	out := bufio.NewWriter(w)
	goos, goarch, _ := strings.Cut(r.Environment.Platform, "/")
	fmt.Fprintf(out, "goos: %s\ngoarch: %s\ncpu: %s\nworkload: %s\nrate: %g\nround: %s\n", goos, goarch, plain(r.Environment.CPUModel), plain(r.Workload.Name), c.Rate, c.Round)
	for _, u := range benchmarkUnits {
		fmt.Fprintf(out, "Unit %s better=%s\n", u.unit, u.better)
	}
	void, disturbed := c.unusable()
	for _, side := range []string{"A", "B"} {
		fmt.Fprintf(out, "\nsubject: %s\n", plain(side+" "+c.name(side)))
		for i := range c.Rounds {
			round := &c.Rounds[i]
			if round.Self || round.Side != side || void[round.Pair] && !round.Saturated {
				continue
			}
			if round.Saturated {
				if len(round.Void) == 0 {
					fmt.Fprintf(out, "BenchmarkSaturated 1 %g ok/s\n", round.OKRate)
				}
				continue
			}
			for _, f := range round.Figures {
				benchmarkLine(out, round, f, disturbed[round.Pair], c)
			}
		}
	}
	return out.Flush()
}

// unusable are the pairs in which something made a round, or its latencies, worthless.
func (c *ComparisonResult) unusable() (void, disturbed map[int]bool) {
	void, disturbed = map[int]bool{}, map[int]bool{}
	for i := range c.Rounds {
		if round := &c.Rounds[i]; !round.Saturated {
			void[round.Pair] = void[round.Pair] || len(round.Void) > 0
			disturbed[round.Pair] = disturbed[round.Pair] || len(round.Disturbed) > 0
		}
	}
	return void, disturbed
}

func benchmarkLine(out io.Writer, round *Round, f Figure, disturbed bool, c *ComparisonResult) {
	if f.Due == 0 {
		return
	}
	name := strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return '_'
		}
		return r
	}, f.Operation)
	if name == "all" {
		name = "All"
	}
	if first := []rune(name); unicode.IsLower(first[0]) {
		name = "_" + name // the format wants no lower-case letter there
	}
	fmt.Fprintf(out, "Benchmark%s %d", name, f.Due)
	if !disturbed {
		for _, v := range []struct {
			l    *Latency
			unit string
		}{{f.P50, "p50-ns"}, {f.P99, "p99-ns"}} {
			if v.l != nil && *v.l != Never {
				fmt.Fprintf(out, " %d %s", int64(*v.l), v.unit)
			}
		}
		if f.Mean != nil {
			fmt.Fprintf(out, " %d mean-ns", int64(*f.Mean))
		}
	}
	if f.Operation == "all" && round.ServerCPU != nil {
		fmt.Fprintf(out, " %d cpu-ns/req", int64(*round.ServerCPU))
	}
	fmt.Fprintf(out, " %g ok/s %g errors/req\n", math.Round(float64(f.OK)/c.Round.Seconds()*1000)/1000, float64(f.Due-min(f.OK, f.Due))/float64(f.Due))
}

// plain is a text on one line.
func plain(text string) string { return strings.Join(strings.Fields(text), " ") }

// WriteBenchmarkFile is WriteBenchmarks into a file, which appears whole or not at all.
func WriteBenchmarkFile(path string, r *Record) error {
	return writeFile(path, func(w io.Writer) error { return WriteBenchmarks(w, r) })
}
