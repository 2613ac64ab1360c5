package compare_test

import (
	"strings"
	"testing"

	"trent/loadgen/compare"
	"trent/results"
)

func find(t *testing.T, effects []results.Effect, operation, metric string) results.Effect {
	t.Helper()
	for _, e := range effects {
		if e.Operation == operation && e.Metric == metric {
			return e
		}
	}
	t.Fatalf("no effect of %s on %s in %v", metric, operation, effects)
	return results.Effect{}
}

func TestEffectsVerdicts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		slower  float64
		noise   float64
		pairs   int
		verdict string
		reason  string
	}{
		{"slower by a fifth", 1.20, 0.02, 12, results.Regressed, ""},
		{"faster by a fifth", 0.80, 0.02, 12, results.Improved, ""},
		{"the same", 1.00, 0.01, 12, results.Unchanged, ""},
		{"slower by less than the margin", 1.02, 0.01, 12, results.Unchanged, ""},
		{"too noisy", 1.05, 0.10, 12, results.Undecided, "the interval holds the margin"},
		{"too few pairs for so many tests", 1.30, 0.01, 6, results.Undecided, "want 9 pairs, there are 6"},
		{"hardly any pairs", 1.30, 0.01, 5, results.Unmeasured, "5 pairs counted"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := newModel(11)
			m.slower, m.noise = c.slower, c.noise
			pairs := m.run(t, compare.Series{Pairs: c.pairs, SelfPairs: 6, Saturate: true, Seed: 5})
			j := compare.Judge{Metrics: compare.Metrics, Margin: 0.05, ErrorMargin: 0.001, Seed: 1}
			effects := j.Effects(pairs)
			for _, metric := range []string{results.MetricP50, results.MetricP99, results.MetricMean, results.MetricCPU, results.MetricSaturation} {
				e := find(t, effects, "all", metric)
				if e.Verdict != c.verdict || !strings.Contains(e.Reason, c.reason) {
					t.Errorf("%s: %q (%s), want %q (%s)", metric, e.Verdict, e.Reason, c.verdict, c.reason)
				}
			}
			cpu := find(t, effects, "all", results.MetricCPU)
			if c.noise < 0.05 && (*cpu.Ratio < c.slower*0.98 || *cpu.Ratio > c.slower*1.02 || *cpu.Low > *cpu.Ratio || *cpu.High < *cpu.Ratio) {
				t.Errorf("CPU %v … %v … %v, want about %v: the drift of the machine must cancel", *cpu.Low, *cpu.Ratio, *cpu.High, c.slower)
			}
			if c.pairs >= compare.MinPairs && (cpu.Detectable == nil || *cpu.Detectable <= 0 || *cpu.Self < 0.8 || *cpu.Self > 1.2) {
				t.Errorf("A/A %v, detectable %v", cpu.Self, cpu.Detectable)
			}
			if e := find(t, effects, "Encrypt", results.MetricErrors); c.pairs >= compare.MinPairs && (e.Verdict != results.Unchanged || e.Holm != nil) {
				t.Errorf("errors, of which there were none: %q, p %v; want no change and no place among the tests", e.Verdict, e.Holm)
			}
		})
	}
}

func TestEffectsErrors(t *testing.T) {
	t.Parallel()
	m := newModel(4)
	m.errors = 0.03
	pairs := m.run(t, compare.Series{Pairs: 12, Seed: 5})
	j := compare.Judge{Metrics: compare.Metrics, Margin: 0.05, ErrorMargin: 0.001, Seed: 1}
	effects := j.Effects(pairs)
	e := find(t, effects, "all", results.MetricErrors)
	if e.Verdict != results.Regressed || *e.Ratio < 0.0299 || *e.Ratio > 0.0301 {
		t.Errorf("errors: %q by %v, want a regression of 0.03", e.Verdict, *e.Ratio)
	}
	// With 3 % lost, p99 is never on B in any round: there is no finite ratio, but no doubt either.
	if e := find(t, effects, "all", results.MetricP99); e.Ratio != nil || e.Verdict != results.Regressed || !strings.Contains(e.Reason, "never") {
		t.Errorf("p99: %v, %q (%s); want a regression without a ratio", e.Ratio, e.Verdict, e.Reason)
	}
	if e := find(t, effects, "all", results.MetricGoodput); e.Verdict != results.Unchanged || *e.Ratio < 0.969 || *e.Ratio > 0.971 {
		t.Errorf("goodput: %q, %v; want 0.97, within the margin", e.Verdict, *e.Ratio)
	}
}

// Where nothing differs, a comparison must not find that something does, however many effects it looks at.
func TestEffectsFalseAlarms(t *testing.T) {
	t.Parallel()
	alarms := 0
	const runs = 60
	for run := range uint64(runs) {
		m := newModel(100 + run)
		m.noise = 0.2 // chance alone moves single effects beyond the margin
		j := compare.Judge{Metrics: compare.Metrics, Margin: 0.05, ErrorMargin: 0.001, Seed: run}
		for _, e := range j.Effects(m.run(t, compare.Series{Pairs: 12, Seed: run})) {
			if e.Verdict == results.Regressed || e.Verdict == results.Improved {
				alarms++
				break
			}
		}
	}
	if alarms > 6 {
		t.Errorf("%d of %d comparisons of equals found a difference, want at most about 5 %%", alarms, runs)
	}
}

// What was asked for and could not be had is void, not absent.
func TestEffectsAllDisturbed(t *testing.T) {
	t.Parallel()
	m := newModel(4)
	m.spoil = func(_ compare.Attempt, m *compare.Measured) { m.Disturbed = []string{"client lag p99"} }
	j := compare.Judge{Metrics: compare.Metrics, Margin: 0.05, ErrorMargin: 0.001, Seed: 1}
	effects := j.Effects(m.run(t, compare.Series{Pairs: 12, Saturate: true, Latency: true, Seed: 5}))
	for _, metric := range []string{results.MetricP50, results.MetricP99, results.MetricMean, results.MetricSaturation} {
		if e := find(t, effects, "all", metric); e.Verdict != results.Unmeasured || e.Pairs != 0 || e.Reason == "" {
			t.Errorf("%s: %q of %d pairs (%s), want void", metric, e.Verdict, e.Pairs, e.Reason)
		}
	}
	if e := find(t, effects, "all", results.MetricCPU); e.Verdict != results.Unchanged && e.Verdict != results.Undecided || e.Pairs != 24 {
		t.Errorf("CPU a request: %q of %d pairs, want all 24 to count", e.Verdict, e.Pairs)
	}
}
