package results_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"

	"trent/results"
)

func pointer[T any](v T) *T { return &v }

// encoded makes a log-normal histogram of n latencies around the median.
func encoded(t testing.TB, random *rand.Rand, n int, median time.Duration) (*results.Histogram, *hdr.Histogram) {
	t.Helper()
	h := hdr.New(100, int64(time.Hour), 3)
	for range n {
		if err := h.RecordValue(int64(float64(median) * math.Exp(0.6*random.NormFloat64()))); err != nil {
			t.Fatal(err)
		}
	}
	packed, err := results.EncodeHistogram(h)
	if err != nil {
		t.Fatal(err)
	}
	return packed, h
}

func percentiles(h *hdr.Histogram) []results.Percentile {
	var out []results.Percentile
	for _, q := range []float64{0.5, 0.9, 0.99, 0.999} {
		v := results.Latency(h.ValueAtQuantile(q * 100))
		out = append(out, results.Percentile{Q: q, Value: v, Low: pointer(v * 9 / 10), High: pointer(v * 12 / 10), Answered: pointer(v)})
	}
	return out
}

// attackRecord is a plausible run with a few errors.
func attackRecord(t testing.TB) *results.Record {
	t.Helper()
	random := rand.New(rand.NewPCG(1, 1))
	r := &results.Record{
		Schema: results.Schema, Kind: results.Attack, Tool: "trent devel",
		Command: []string{"trent", "attack", "--rate", "500", "--duration", "30s", "--workload", "mixed", "--schedule", "sine: it's"},
		Started: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC), Elapsed: 30*time.Second + 12*time.Millisecond, Seed: 42,
		Environment: results.Environment{CPUModel: "AMD EPYC", Cores: 2, Features: []string{"AESNI", "VAES"}, Kernel: "6.1.0", GoVersion: "go1.26", GOMAXPROCS: 2,
			Platform: "linux/amd64", ClientCPUs: "0", ServerCPUs: "1", Pinned: true, Stolen: pointer(0.002), MemoryKiB: 8 << 20, Modules: map[string]string{"example.com/a": "v1.2.3"}},
		Target:   results.Target{URL: "https://127.0.0.1:8443", Region: "us-east-1"},
		Engine:   results.Engine{Name: "vegeta", Connections: 64, Due: 15000, Sent: 15000, Done: 15000},
		Workload: results.Text{Name: "mixed", Source: "name: mixed\n"},
		SLO:      results.Text{Name: "default", Summary: "p99 ≤ 10ms · errors ≤ 0.1 %", Source: "name: default\n"},
		Schedule: results.Schedule{Spec: "500/s 30s", Duration: 30 * time.Second, MeanRate: 500},
		Outcome:  "fail", ExitCode: 3,
		Cost:  results.Cost{Requests: 15000, Client: pointer(49 * time.Microsecond), Server: pointer(21300 * time.Nanosecond)},
		Notes: []string{"Keys were scheduled for deletion in 7 days."},
	}
	total := hdr.New(100, int64(time.Hour), 3)
	for i, name := range []string{"Encrypt", "Decrypt", "GenerateDataKey", "Sign"} {
		packed, h := encoded(t, random, 3740, time.Duration(600+i*500)*time.Microsecond)
		total.Merge(h)
		r.Operations = append(r.Operations, results.Operation{
			Name: name, API: name, Due: 3750, DuePerSec: 125, OKPerSec: 124.7, Latency: percentiles(h), Max: time.Duration(h.Max()),
			Outcomes: []results.Outcome{{Name: "ok", Count: 3740, Latency: packed}, {Name: "failed", Count: 10}},
			Errors:   []results.ErrorCount{{Name: "KMSInternalException", Count: 10}},
		})
	}
	r.Total = results.Operation{Name: "all", Due: 15000, DuePerSec: 500, OKPerSec: 498.7, Latency: percentiles(total), Max: time.Duration(total.Max()),
		Outcomes: []results.Outcome{{Name: "ok", Count: 14960}, {Name: "failed", Count: 40}}, Errors: []results.ErrorCount{{Name: "KMSInternalException", Count: 40}}}
	for i := range 30 {
		bad := uint64(0)
		if i%8 == 3 {
			bad = 10
		}
		r.Series = append(r.Series, results.Second{At: time.Duration(i) * time.Second, Width: time.Second, Due: 500, OK: 500 - bad, Bad: bad,
			Answered: 500 - bad - uint64(i%3), P50: pointer(results.Latency(1e6 + random.IntN(2e5))), P99: pointer(results.Latency(5e6 + random.IntN(3e6))), Max: results.Latency(9e6 + random.IntN(9e6))})
		r.Machine = append(r.Machine, results.Sample{At: time.Duration(i+1) * time.Second, Wall: time.Second, Busy: []float64{0.3 + 0.1*random.Float64(), 0.2 + 0.2*random.Float64()}, Stolen: 0.002 * random.Float64()})
	}
	r.Verdicts = []results.Verdict{
		{Metric: "p99 latency", Unit: "ns", Limit: 10e6, Value: pointer(7.1e6), Low: pointer(6.2e6), High: pointer(8.0e6), Answered: 7 * time.Millisecond, Outcome: "pass"},
		{Metric: "p99.9 latency", Unit: "ns", Limit: 25e6, Never: true, Low: pointer(2e7), Answered: 20 * time.Millisecond, Outcome: "inconclusive", Reason: "p99.9 wants 100000 hits and 20 seconds, the run had 15000 and 30", Needed: 200 * time.Second},
		{Metric: "errors", Unit: "share", Limit: 0.001, Value: pointer(0.0027), Low: pointer(0.0019), High: pointer(0.0036), Outcome: "fail"},
	}
	r.Gates = []results.Gate{
		{Name: "client lag p99", Figure: "120µs", Limit: "≤ 1ms", Known: true},
		{Name: "CPU stolen", Figure: "0.20 %", Limit: "≤ 1 %", Known: true},
		{Name: "own I/O stalls", Figure: "unknown", Limit: "≤ 1 %"},
	}
	return r
}

// capacityRecord is a plausible search.
func capacityRecord(t testing.TB) *results.Record {
	t.Helper()
	r := attackRecord(t)
	r.Kind, r.Outcome, r.ExitCode = results.Capacity, "pass", 0
	r.Command = []string{"trent", "capacity"}
	r.Target.Spawned = true
	r.Verdicts = r.Verdicts[:1]
	c := &results.CapacityResult{Sustained: 20100, Label: results.ServerBound, Why: "At that rate the server's CPU was 97 % busy and the client's 61 %.",
		HighestPass: 20500, LowestFail: 20900, Ceiling: 22400, Resolution: 0.02,
		Overload: &results.Overload{Rate: 30150, Goodput: 1200, Answered: 20800, Recovered: true, Recovery: 2 * time.Second}}
	for i, rate := range []float64{2000, 5000, 10000, 20000, 40000, 28284, 23784, 21810, 20885, 20438, 20100} {
		s := results.Step{Purpose: results.Search, Rate: rate, DueRate: rate, OKRate: min(rate, 20900), Judged: 3 * time.Second,
			P50: results.Latency(3e5 + 20*rate), P99: results.Latency(8e5 * (1 + rate/(21500-min(rate, 21000)))), Outcome: "pass", ClientBusy: pointer(rate / 40000), ServerBusy: pointer(min(rate/21000, 1)), ServerCost: 46 * time.Microsecond}
		if rate > 20600 {
			s.Outcome, s.P99 = "fail", s.P99*8
		}
		if rate == 40000 {
			s.P99, s.Outcome, s.Note = results.Never, "void", "client lag"
		}
		if i == 10 {
			s.Purpose = results.Confirm
		}
		c.Steps = append(c.Steps, s)
	}
	r.Capacity = c
	return r
}
