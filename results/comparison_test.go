package results_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"trent/results"
)

// comparisonRecord is a plausible comparison of twelve pairs.
func comparisonRecord(t testing.TB) *results.Record {
	t.Helper()
	r := attackRecord(t)
	r.Kind, r.Outcome, r.ExitCode = results.Compare, "regression", 4
	r.Command = []string{"trent", "compare", "./trent-old", "./trent"}
	r.Total, r.Operations, r.Series, r.Machine, r.Verdicts, r.Gates, r.Lags = results.Operation{}, nil, nil, nil, nil, nil, results.Lags{}
	r.Cost, r.SLO = results.Cost{}, results.Text{}
	random := rand.New(rand.NewPCG(8, 8))
	c := &results.ComparisonResult{
		A:    results.Subject{Name: "trent-old", Kind: results.TrentSubject, Command: []string{"./trent-old", "serve"}, URL: "https://127.0.0.1:4001"},
		B:    results.Subject{Name: "trent", Kind: results.TrentSubject, Command: []string{"./trent", "serve"}, URL: "https://127.0.0.1:4002"},
		Rate: 3000, RateFrom: "30 % of the slower side's top rate", Round: 5 * time.Second, Asked: 12, SelfAsked: 6, Margin: 0.05, ErrorMargin: 0.001,
		Discarded: []results.Discard{{Reason: "CPU stolen", Pairs: 1}, {Reason: "client lag p99", Pairs: 3, Latency: true}},
		Dropped:   []string{"Sign"},
		Probes: []results.Probe{{Side: "A", Operation: "Encrypt", Entry: "Encrypt", Finding: results.Answers, Status: 200, Bytes: 512},
			{Side: "B", Operation: "Encrypt", Entry: "Encrypt", Finding: results.Answers, Status: 200, Bytes: 512},
			{Side: "A", Operation: "Sign", Entry: "tokens", Finding: results.Lacks, Status: 501, Error: "HTTP501"},
			{Side: "A", Operation: "Encapsulate", Finding: results.Lacks, Status: 501, Error: "HTTP501"},
			{Side: "B", Operation: "Sign", Entry: "tokens", Finding: results.Refuses, Status: 400, Error: "ValidationException", Message: "no"}},
	}
	effect := func(operation, metric, unit string, a, ratio, half float64, verdict string) results.Effect {
		return results.Effect{Operation: operation, Metric: metric, Unit: unit, Pairs: 12, A: pointer(a), B: pointer(a * ratio), Ratio: pointer(ratio), Low: pointer(ratio - half),
			High: pointer(ratio + half), SignFlip: pointer(0.0005), Holm: pointer(0.004), U: pointer(140.0), MannWhitney: pointer(0.0002), SelfPairs: 6, Self: pointer(1.002),
			SelfLow: pointer(0.985), SelfHigh: pointer(1.02), Detectable: pointer(0.013), Verdict: verdict}
	}
	c.Effects = []results.Effect{
		effect("all", results.MetricCPU, "ns", 38e3, 1.12, 0.02, results.Regressed), effect("all", results.MetricP50, "ns", 5e5, 1.01, 0.02, results.Unchanged),
		effect("all", results.MetricP99, "ns", 2e6, 1.06, 0.08, results.Undecided), effect("Encrypt", results.MetricP50, "ns", 4e5, 0.84, 0.03, results.Improved),
	}
	c.Effects[2].Reason = "the interval holds the margin"
	c.Effects = append(c.Effects, results.Effect{Operation: "all", Metric: results.MetricErrors, Unit: "share", Difference: true, Pairs: 12, A: pointer(0.0), B: pointer(0.002),
		Ratio: pointer(0.002), Low: pointer(0.0015), High: pointer(0.0031), Verdict: results.Regressed},
		results.Effect{Operation: "Encrypt", Metric: results.MetricErrors, Unit: "share", Difference: true, Pairs: 12, A: pointer(0.0), B: pointer(0.0), Ratio: pointer(0.0), Low: pointer(0.0), High: pointer(0.0), Verdict: results.Unchanged})
	for i, side := range []*results.Subject{&c.A, &c.B} {
		for _, name := range []string{"all", "Encrypt"} {
			packed, h := encoded(t, random, 4000, time.Duration(500+60*i)*time.Microsecond)
			side.Latency = append(side.Latency, results.Operation{Name: name, Due: 4040, Outcomes: []results.Outcome{{Name: "ok", Count: uint64(h.TotalCount()), Latency: packed}}})
		}
	}
	for pair := 1; pair <= 12; pair++ {
		for i, side := range []string{"A", "B"} {
			level := float64(i)*0.12 + 1 + 0.01*random.NormFloat64()
			cost := time.Duration(38e3 * level)
			round := results.Round{Pair: pair, Side: side, Second: i == 1, Due: 15000, OK: 15000, OKRate: 3000, ServerCPU: &cost, Stolen: pointer(0.001)}
			if pair == 4 && i == 0 {
				round.Disturbed = []string{"client lag p99"}
			}
			if pair == 5 {
				round.Void = []string{"CPU stolen"}
			}
			for _, name := range []string{"all", "Encrypt"} {
				round.Figures = append(round.Figures, results.Figure{Operation: name, Due: 15000, OK: 15000, P50: pointer(results.Latency(5e5 * level)), P99: pointer(results.Latency(2e6 * level)), Mean: pointer(time.Duration(6e5 * level))})
			}
			c.Rounds = append(c.Rounds, round)
		}
	}
	r.Comparison = c
	return r
}

func TestBenchmarks(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := results.WriteBenchmarks(&out, comparisonRecord(t)); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", "golden", "benchmarks.txt")
	if *update {
		if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), out.String()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
	// Eleven of twelve rounds a side count, ten of them with latencies.
	lines := strings.Count(out.String(), "BenchmarkAll ")
	if latencies := strings.Count(out.String(), " p99-ns ") - 1; lines != 22 || latencies != 40 {
		t.Errorf("%d rounds and %d values of p99, want 22 and 40", lines, latencies)
	}
	if err := results.WriteBenchmarks(&out, attackRecord(t)); err == nil {
		t.Error("a record without rounds was written")
	}
}

// Where benchstat is installed it reads what is written.
func TestBenchstatReads(t *testing.T) {
	t.Parallel()
	benchstat, err := exec.LookPath("benchstat")
	if err != nil {
		t.Skip("benchstat is not installed")
	}
	path := filepath.Join(t.TempDir(), "rounds.txt")
	if err := results.WriteBenchmarkFile(path, comparisonRecord(t)); err != nil {
		t.Fatal(err)
	}
	text, err := exec.Command(benchstat, "-col", "subject", path).CombinedOutput()
	if err != nil || strings.Contains(string(text), "not parse") || !strings.Contains(string(text), "12") {
		t.Errorf("benchstat: %v\n%s", err, text)
	}
}
