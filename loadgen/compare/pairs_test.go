package compare_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"

	"trent/loadgen/compare"
	"trent/results"
)

// model is two servers whose latency and cost are log-normal around a level that drifts from pair to pair.
type model struct {
	random    *rand.Rand
	slower    float64 // B's latency and cost ÷ A's
	noise     float64
	drift     map[int]float64
	spoil     func(a compare.Attempt, m *compare.Measured) // may be nil
	errors    float64                                      // share of B's hits without a good answer
	attempts  []compare.Attempt
	stopAfter int
	cancel    context.CancelFunc
}

func newModel(seed uint64) *model {
	return &model{random: rand.New(rand.NewPCG(seed, 1)), slower: 1, noise: 0.03, drift: map[int]float64{}}
}

func (m *model) try(_ context.Context, a compare.Attempt) (compare.Measured, error) {
	m.attempts = append(m.attempts, a)
	if _, ok := m.drift[a.Pair]; !ok {
		m.drift[a.Pair] = math.Exp(0.4 * m.random.NormFloat64())
	}
	level, lost := m.drift[a.Pair]*math.Exp(m.noise*m.random.NormFloat64()), 0.0
	if a.On() == "B" {
		level *= m.slower
		lost = m.errors
	}
	cost := time.Duration(30e3 * level)
	due := uint64(2000)
	ok := due - uint64(lost*float64(due))
	out := compare.Measured{Round: results.Round{Pair: a.Pair, Self: a.Self, Side: a.Side, Second: a.Second, Saturated: a.Saturated,
		Due: due, OK: ok, OKRate: 20000 / level, ServerCPU: &cost}}
	h := hdr.New(100, int64(time.Hour), 3)
	for i := range ok {
		if err := h.RecordValue(int64(1e6 * level * (0.5 + float64(i)/float64(ok)))); err != nil {
			return out, err
		}
	}
	p50, p99, mean := results.Latency(1e6*level), results.Latency(1.49e6*level), time.Duration(1e6*level)
	if lost > 0.01 {
		p99 = results.Never
	}
	for _, name := range []string{"all", "Encrypt"} {
		out.Figures = append(out.Figures, results.Figure{Operation: name, Due: due, OK: ok, P50: &p50, P99: &p99, Mean: &mean})
		out.Latency = append(out.Latency, h)
	}
	if m.spoil != nil {
		m.spoil(a, &out)
	}
	if m.cancel != nil && len(m.attempts) == m.stopAfter {
		m.cancel()
	}
	return out, nil
}

func (m *model) run(t *testing.T, s compare.Series) []compare.Pair {
	t.Helper()
	s.Try = m.try
	pairs, err := s.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return pairs
}

func TestSeriesOrder(t *testing.T) {
	t.Parallel()
	m := newModel(1)
	pairs := m.run(t, compare.Series{Pairs: 40, SelfPairs: 20, Seed: 7})
	if len(pairs) != 60 || len(m.attempts) != 120 {
		t.Fatalf("%d pairs of %d rounds, want 60 of 120", len(pairs), len(m.attempts))
	}
	selves, firstA, mixed := 0, 0, false
	for i, p := range pairs {
		a, b := m.attempts[2*i], m.attempts[2*i+1]
		if a.Seed != b.Seed || a.Pair != b.Pair || a.Side == b.Side || a.Second || !b.Second {
			t.Fatalf("pair %d: rounds %+v and %+v do not belong together", i, a, b)
		}
		if a.Side == "A" {
			firstA++
		}
		if p.Self {
			selves++
			if a.On() != "A" || b.On() != "A" {
				t.Errorf("an A/A pair was measured on %s and %s", a.On(), b.On())
			}
			mixed = mixed || i < 40
		}
	}
	if selves != 20 || !mixed {
		t.Errorf("%d A/A pairs, among the others: %v", selves, mixed)
	}
	if firstA < 18 || firstA > 42 {
		t.Errorf("A came first in %d of 60 pairs, want about half", firstA)
	}
	again := newModel(1)
	again.run(t, compare.Series{Pairs: 40, SelfPairs: 20, Seed: 7})
	if fmt.Sprint(again.attempts) != fmt.Sprint(m.attempts) {
		t.Error("the same seed gave another order")
	}
}

func TestSeriesRepeats(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name           string
		spoil          func(a compare.Attempt, m *compare.Measured)
		latency        bool
		pairs          int
		cpu, latencies int // pairs that count
	}{
		{"undisturbed", nil, true, 8, 8, 8},
		{"one stolen", func(a compare.Attempt, m *compare.Measured) {
			if a.Pair == 3 && a.Side == "B" {
				m.Void = []string{"CPU stolen"}
			}
		}, true, 9, 8, 8},
		{"always stolen", func(_ compare.Attempt, m *compare.Measured) { m.Void = []string{"CPU stolen"} }, true, 16, 0, 0},
		{"latencies always disturbed", func(_ compare.Attempt, m *compare.Measured) { m.Disturbed = []string{"client lag p99"} }, true, 16, 16, 0},
		{"latencies not wanted", func(_ compare.Attempt, m *compare.Measured) { m.Disturbed = []string{"client lag p99"} }, false, 8, 8, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := newModel(2)
			m.spoil = c.spoil
			pairs := m.run(t, compare.Series{Pairs: 8, Latency: c.latency, Seed: 1})
			cpu, latencies := 0, 0
			for i := range pairs {
				if pairs[i].CountsFor(results.MetricCPU) {
					cpu++
				}
				if pairs[i].CountsFor(results.MetricP99) {
					latencies++
				}
			}
			if len(pairs) != c.pairs || cpu != c.cpu || latencies != c.latencies {
				t.Errorf("%d pairs, %d count for CPU, %d for latencies; want %d, %d, %d", len(pairs), cpu, latencies, c.pairs, c.cpu, c.latencies)
			}
		})
	}
}

func TestSeriesInterrupted(t *testing.T) {
	t.Parallel()
	m := newModel(3)
	ctx, cancel := context.WithCancel(t.Context())
	m.cancel, m.stopAfter = cancel, 5
	s := compare.Series{Pairs: 8, Seed: 1, Try: m.try}
	pairs, err := s.Run(ctx)
	if err != nil || len(pairs) != 2 {
		t.Errorf("stopped in the fifth round: %d pairs, %v; want the 2 that were complete", len(pairs), err)
	}
}

func TestSeriesError(t *testing.T) {
	t.Parallel()
	gone := errors.New("the server is gone")
	s := compare.Series{Pairs: 8, Seed: 1, Try: func(context.Context, compare.Attempt) (compare.Measured, error) { return compare.Measured{}, gone }}
	if _, err := s.Run(t.Context()); !errors.Is(err, gone) {
		t.Errorf("error %v, want the round's", err)
	}
}
