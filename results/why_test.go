package results_test

import (
	"strings"
	"testing"
	"time"

	"trent/results"
)

// reasonFor finds the reason with a subject.
func reasonFor(t *testing.T, r *results.Record, subject string) results.Reason {
	t.Helper()
	for _, reason := range r.Why() {
		if reason.Subject == subject {
			return reason
		}
	}
	t.Fatalf("no reason for %q in %+v", subject, r.Why())
	return results.Reason{}
}

func timesAt(q float64, d time.Duration) []results.Percentile {
	return []results.Percentile{{Q: q, Value: results.Latency(d)}}
}

func TestWhy(t *testing.T) {
	t.Parallel()
	slow := results.Verdict{Metric: "p99 latency", Population: "Decrypt", Unit: "ns", Limit: 10e6, Value: pointer(12.3e6), Low: pointer(11.9e6), High: pointer(12.8e6), Outcome: "fail"}
	times := func(service, wait, client time.Duration) func(*results.Record) {
		return func(r *results.Record) {
			r.Verdicts = []results.Verdict{slow}
			for i := range r.Operations {
				r.Operations[i].Service = timesAt(0.99, service)
			}
			r.Lags = results.Lags{Wait: timesAt(0.99, wait), Client: timesAt(0.99, client)}
		}
	}
	const subject = "p99 latency of Decrypt"
	for _, c := range []struct {
		name    string
		make    func(*results.Record)
		subject string
		texts   []string // in this order
		change  string
	}{
		{"the server is slow", times(11800*time.Microsecond, 300*time.Microsecond, 50*time.Microsecond), subject,
			[]string{"12.3 ms", "11.9 ms … 12.8 ms", "≤ 10.0 ms", "service time alone is 11.8 ms", "300 µs", "50.0 µs", "The server is slow, not the client"}, "trent capacity"},
		{"connections were short", times(2*time.Millisecond, 10*time.Millisecond, 50*time.Microsecond), subject,
			[]string{"answers too slowly for this rate", "takes 2.00 ms, within the limit"}, "--connections"},
		{"the client was late", times(2*time.Millisecond, 0, 9*time.Millisecond), subject, []string{"the client's own delay"}, "native engine"},
		{"hits were lost", func(r *results.Record) {
			r.Verdicts = []results.Verdict{{Metric: "p99 latency", Unit: "ns", Limit: 10e6, Never: true, Answered: 7 * time.Millisecond, Outcome: "fail"}}
			r.Total.Outcomes[1].Name = "timeout"
		}, "p99 latency of all hits", []string{"never", "40 of 15,000 hits had no good answer", "40 × KMSInternalException", "of the good answers alone it is 7.00 ms"}, "does not answer in time"},
		{"errors", func(*results.Record) {}, "errors of all hits", []string{"0.27 %", "≤ 0.10 %", "40 of 15,000 hits due had no good answer: 40 × KMSInternalException"}, "exceptions say why"},
		{"throttled", func(r *results.Record) {
			r.Verdicts = []results.Verdict{{Metric: "throttled", Unit: "share", Limit: 0.01, Value: pointer(0.2), Low: pointer(0.19), High: pointer(0.21), Outcome: "fail"}}
		}, "throttled of all hits", []string{"refused more"}, "quota"},
		{"the schedule asked for too little", func(r *results.Record) {
			r.Verdicts = []results.Verdict{{Metric: "throughput", Unit: "rate", Limit: 900, AtLeast: true, Value: pointer(500.0), Low: pointer(499.0), High: pointer(501.0), Outcome: "fail"}}
			r.Total.Outcomes[0].Count = r.Total.Due
		}, "throughput of all hits", []string{"≥ 900/s", "asked for only 500/s"}, "higher rate"},
		{"too few hits", func(*results.Record) {}, "p99.9 latency of all hits", []string{"wants 100000 hits"}, "--duration 3m20s"},
		{"the limit lies within", func(r *results.Record) {
			r.Verdicts = []results.Verdict{{Metric: "p99 latency", Unit: "ns", Limit: 10e6, Value: pointer(9e6), Low: pointer(7.5e6), High: pointer(11.5e6), Outcome: "inconclusive"}}
		}, "p99 latency of all hits", []string{"The interval contains the limit"}, "about 2m24s"}, // (2 ÷ 1)² × 1.2 × 30 s
		{"the limit is the value", func(r *results.Record) {
			r.Verdicts = []results.Verdict{{Metric: "p99 latency", Unit: "ns", Limit: 10e6, Value: pointer(9.95e6), Low: pointer(8e6), High: pointer(12e6), Outcome: "inconclusive"}}
		}, "p99 latency of all hits", []string{"no run of reasonable length"}, "another rate"},
		{"kept", func(*results.Record) {}, "p99 latency of all hits", []string{"The whole interval keeps the limit"}, ""},
		{"void", func(r *results.Record) {
			r.Outcome = "void"
			r.Gates[0] = results.Gate{Name: "client lag p99", Figure: "3ms", Limit: "≤ 1ms", Known: true, Void: true, Advice: "lower the rate"}
		}, "client lag p99", []string{"3ms", "≤ 1ms", "the server is not to blame"}, "Lower the rate."},
		{"void as a whole", func(r *results.Record) { r.Outcome = "void" }, "the run", []string{"neither for nor against"}, ""},
		{"interrupted", func(r *results.Record) { r.Interrupted, r.Outcome = true, "inconclusive" }, "the run", []string{"130"}, "let it end"},
		{"no limits", func(r *results.Record) { r.Outcome, r.Verdicts = "pass", nil }, "the run", []string{"no limits were given"}, "--slo"},
		{"nothing answered", func(r *results.Record) { r.Outcome = "harness error" }, "the run", []string{"KMSInternalException"}, "endpoint"},
		{"the server waited for a CPU", func(r *results.Record) {
			times(11*time.Millisecond, 0, 0)(r)
			for i := range r.Machine {
				r.Machine[i].ServerCPU = 900 * time.Millisecond
				r.Machine[i].Server = &results.Process{Slices: 100, Delay: 100 * time.Millisecond}
			}
		}, subject, []string{"used 0.90 of the machine's 2 CPUs", "waited 1.00 ms for a CPU"}, "more CPU"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := attackRecord(t)
			c.make(r)
			got := reasonFor(t, r, c.subject)
			rest := got.Text
			for _, want := range c.texts {
				_, after, found := strings.Cut(rest, want)
				if !found {
					t.Fatalf("no %q (in its place) in %q", want, got.Text)
				}
				rest = after
			}
			if !strings.Contains(got.Change, c.change) || c.change == "" && got.Change != "" {
				t.Errorf("change %q, want %q", got.Change, c.change)
			}
		})
	}
}

func TestWhyOfACapacity(t *testing.T) {
	t.Parallel()
	r := capacityRecord(t)
	r.Capacity.Label, r.Outcome = results.ClientBound, "inconclusive"
	r.Capacity.Bound = &results.Bound{Name: results.BoundClient, Text: "The client was full.", Change: "Give it more."}
	if got := reasonFor(t, r, "the result"); !strings.Contains(got.Text, "lower bound") || !strings.Contains(got.Text, "22,400/s, which is an estimate") || got.Change == "" {
		t.Errorf("%+v", got)
	}
	if got := reasonFor(t, r, "the bracket"); !strings.Contains(got.Text, "20,500/s passed and 20,900/s failed, 2.0 % apart") {
		t.Errorf("%+v", got)
	}
	if got := reasonFor(t, r, "what limits it"); got.Outcome != results.BoundClient || got.Change != "Give it more." {
		t.Errorf("%+v", got)
	}
	none := capacityRecord(t)
	none.Capacity.Sustained, none.Capacity.Label = 0, results.NotReached
	for i, note := range []string{"client lag p99 3.2ms", "client CPUs busy 85.20 %", "client lag p99 14ms"} {
		none.Capacity.Steps[i].Outcome, none.Capacity.Steps[i].Note = "void", note
	}
	none.Capacity.Steps = none.Capacity.Steps[:4]
	if got := reasonFor(t, none, "the result"); !strings.Contains(got.Text, "3 of 4 steps did not count, by client lag p99 (2), client CPUs busy (1).") {
		t.Errorf("%+v", got)
	}
	var text strings.Builder
	if err := results.RenderWhy(&text, r); err != nil || !strings.Contains(text.String(), "• what limits it: CLIENT. The client was full.\n  → Give it more.\n") {
		t.Errorf("%v:\n%s", err, text.String())
	}
}
