package compare

import (
	"context"
	"math/rand/v2"

	hdr "github.com/HdrHistogram/hdrhistogram-go"

	"trent/results"
)

// Attempt is one round to be measured.
type Attempt struct {
	Pair      int // from 1
	Self      bool
	Side      string // "A" or "B": the role; of an A/A pair both are measured on A
	Second    bool   // of its pair
	Saturated bool
	Seed      uint64 // of hits and arrivals; the same on both sides of a pair
}

// On is the side whose server gets the load.
func (a Attempt) On() string {
	if a.Self {
		return "A"
	}
	return a.Side
}

// Measured is a round, with the latencies of its good answers: all together first, then by operation; nil where there were none.
type Measured struct {
	results.Round
	Latency []*hdr.Histogram
}

// Pair is two rounds with the same hits, and two more under saturation where that was asked for.
type Pair struct {
	Number       int
	Self         bool
	A, B         Measured
	SatA, SatB   *Measured
	Void         []string // gates that make all of it worthless
	Disturbed    []string // gates that make its latencies worthless
	SatDisturbed []string // gates that make its saturated rounds worthless
}

// CountsFor tells whether the pair is evidence on a metric.
func (p *Pair) CountsFor(metric string) bool {
	switch metric {
	case results.MetricP50, results.MetricP99, results.MetricMean:
		return len(p.Void) == 0 && len(p.Disturbed) == 0
	case results.MetricSaturation:
		return p.SatA != nil && len(p.SatDisturbed) == 0
	}
	return len(p.Void) == 0
}

// Series measures pairs. It is pure logic over Try.
type Series struct {
	Pairs, SelfPairs int
	Saturate         bool
	Latency          bool // latencies are wanted, so that pairs with disturbed ones are measured again
	Seed             uint64
	Try              func(ctx context.Context, a Attempt) (Measured, error)
}

// repeats bounds the pairs measured: this many times as many as were asked for.
const repeats = 2

// Run measures the pairs in an order that the seed decides, A/A pairs among them. A pair that does not count is measured again,
// as long as fewer than twice the pairs asked for were tried. What decides on a repetition is never the result. When ctx ends it
// returns the pairs that are complete. Errors: Try's.
func (s *Series) Run(ctx context.Context) ([]Pair, error) {
	random := rand.New(rand.NewPCG(s.Seed, 0x636f6d70617265))
	var queue []bool // A/A?
	for i := range s.Pairs + s.SelfPairs {
		queue = append(queue, i >= s.Pairs)
	}
	random.Shuffle(len(queue), func(i, j int) { queue[i], queue[j] = queue[j], queue[i] })
	var pairs []Pair
	left := map[bool]int{false: (repeats - 1) * s.Pairs, true: (repeats - 1) * s.SelfPairs}
	for len(queue) > 0 && ctx.Err() == nil {
		self := queue[0]
		queue = queue[1:]
		pair, err := s.pair(ctx, len(pairs)+1, self, random.Uint64())
		if ctx.Err() != nil {
			break // the round was cut short
		}
		if err != nil {
			return pairs, err
		}
		pairs = append(pairs, pair)
		if !s.satisfied(&pair) && left[self] > 0 {
			left[self]--
			at := random.IntN(len(queue) + 1)
			queue = append(queue[:at], append([]bool{self}, queue[at:]...)...)
		}
	}
	return pairs, nil
}

func (s *Series) satisfied(p *Pair) bool {
	return len(p.Void) == 0 && (!s.Latency || len(p.Disturbed) == 0) && (!s.Saturate || len(p.SatDisturbed) == 0)
}

func (s *Series) pair(ctx context.Context, number int, self bool, seed uint64) (Pair, error) {
	p := Pair{Number: number, Self: self}
	random := rand.New(rand.NewPCG(seed, s.Seed))
	first, second, err := s.both(ctx, Attempt{Pair: number, Self: self, Seed: seed}, random.IntN(2) == 1)
	if err != nil {
		return p, err
	}
	p.A, p.B = first, second
	p.Void = union(p.A.Void, p.B.Void)
	p.Disturbed = union(p.A.Disturbed, p.B.Disturbed)
	if !s.Saturate {
		return p, nil
	}
	a, b, err := s.both(ctx, Attempt{Pair: number, Self: self, Seed: seed, Saturated: true}, random.IntN(2) == 1)
	if err != nil {
		return p, err
	}
	p.SatA, p.SatB = &a, &b
	p.SatDisturbed = union(union(a.Void, b.Void), union(a.Disturbed, b.Disturbed))
	return p, nil
}

// both measures a pair of rounds, B first where swapped.
func (s *Series) both(ctx context.Context, round Attempt, swapped bool) (a, b Measured, err error) {
	into := map[string]*Measured{"A": &a, "B": &b}
	order := []string{"A", "B"}
	if swapped {
		order = []string{"B", "A"}
	}
	for i, side := range order {
		round.Side, round.Second = side, i == 1
		if *into[side], err = s.Try(ctx, round); err != nil {
			return a, b, err
		}
	}
	return a, b, nil
}

func union(a, b []string) []string {
	out := append([]string(nil), a...)
	for _, name := range b {
		if !contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

func contains(list []string, name string) bool {
	for _, v := range list {
		if v == name {
			return true
		}
	}
	return false
}
