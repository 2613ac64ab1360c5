package schedule_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"trent/loadgen/schedule"
)

// gaps are the gaps between the hits of a schedule on the axis of expected hits, where they are exponential with mean 1.
func gaps(sch schedule.Schedule, curve func(seconds float64) float64) []float64 {
	var all []float64
	var before float64
	for _, due := range duesOf(sch) {
		at := curve(due.Seconds())
		all = append(all, at-before)
		before = at
	}
	return all
}

// kolmogorov is √n × the largest distance between the values' distribution and the exponential one of mean 1. Values above 1.95
// have a probability of 0.1 % (Kolmogorov's distribution: 1 − K(1.95) = 0.00100; Smirnov, Ann. Math. Stat. 19, 1948).
func kolmogorov(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	var distance float64
	for i, v := range sorted {
		share := -math.Expm1(-v)
		distance = max(distance, share-float64(i)/float64(len(sorted)), float64(i+1)/float64(len(sorted))-share)
	}
	return distance * math.Sqrt(float64(len(sorted)))
}

// The gaps of Poisson schedules of any shape are exponential on the axis of expected hits, over block boundaries too.
func TestPoissonGaps(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		spec  string
		curve func(t float64) float64
	}{
		{"poisson:1000/s 100s", func(t float64) float64 { return 1000 * t }},
		{"poisson:linear:0-2000 100s", func(t float64) float64 { return 10 * t * t }},
		{"poisson:steps:500x50s,1500x50s", func(t float64) float64 { return min(t, 50)*500 + max(t-50, 0)*1500 }},
		{"poisson:sine:1000~900/7s 100s", func(t float64) float64 {
			return 1000*t + 900*7/(2*math.Pi)*(1-math.Cos(2*math.Pi*t/7))
		}},
	} {
		t.Run(c.spec, func(t *testing.T) {
			t.Parallel()
			sch, err := schedule.Parse(c.spec, 11)
			if err != nil {
				t.Fatal(err)
			}
			values := gaps(sch, c.curve)
			if d := kolmogorov(values); d > 1.95 {
				t.Errorf("Kolmogorov's statistic %.2f over %d gaps", d, len(values))
			}
			// Neighbours are independent: the correlation of n pairs has a standard deviation of 1 ÷ √n.
			var sum, products float64
			for i := 1; i < len(values); i++ {
				products += (values[i] - 1) * (values[i-1] - 1)
				sum++
			}
			if r := products / sum; math.Abs(r) > 4/math.Sqrt(sum) {
				t.Errorf("correlation of neighbouring gaps %.4f", r)
			}
		})
	}
}

// The gap that spans the boundary of two blocks is like any other, over many seeds.
func TestPoissonBlockBoundaries(t *testing.T) {
	t.Parallel()
	const rate = 4096.0 // a block a second
	var after []float64 // from the boundary to the next hit: exponential, for the process forgets
	for seed := range uint64(1000) {
		hit, ok := schedule.Poisson(rate, 3*s, seed).IteratorAt(s).Next()
		if !ok {
			t.Fatal("no hit after the first block")
		}
		after = append(after, (hit.Due-s).Seconds()*rate)
	}
	if d := kolmogorov(after); d > 1.95 {
		t.Errorf("Kolmogorov's statistic %.2f", d)
	}
}

// Counts in windows of any size have the variance of their mean: within a block, of about a block, and of several.
func TestPoissonDispersion(t *testing.T) {
	t.Parallel()
	const rate, seconds = 4096.0, 256
	dues := all(schedule.Poisson(rate, seconds*s, 5))
	for _, windows := range []int{seconds * 64, seconds * 3 / 2, seconds / 4} {
		counts := make([]float64, windows)
		for _, due := range dues {
			counts[int(due.Seconds()/seconds*float64(windows))]++
		}
		mean := float64(len(dues)) / float64(windows)
		var squares float64
		for _, n := range counts {
			squares += (n - mean) * (n - mean)
		}
		// The index of dispersion × (windows − 1) is χ²; its standard deviation √(2 ÷ windows).
		index := squares / float64(windows-1) / mean
		if z := (index - 1) / math.Sqrt(2/float64(windows)); math.Abs(z) > 4 {
			t.Errorf("%d windows: index of dispersion %.4f, %.1f deviations from 1", windows, index, z)
		}
	}
}

// The counts of whole blocks follow the Poisson distribution itself: χ² over its deciles, from its cumulative sum.
func TestPoissonBlockCounts(t *testing.T) {
	t.Parallel()
	const mean = 4096
	const bins, blocks = 20, 1_000
	var limits []int
	var cumulated float64
	for k := 0; len(limits) < bins-1; k++ {
		logFactorial, _ := math.Lgamma(float64(k + 1))
		cumulated += math.Exp(float64(k)*math.Log(mean) - mean - logFactorial)
		if cumulated >= float64(len(limits)+1)/bins {
			limits = append(limits, k)
		}
	}
	probability := func(limit int) float64 {
		var p float64
		for k := range limit + 1 {
			logFactorial, _ := math.Lgamma(float64(k + 1))
			p += math.Exp(float64(k)*math.Log(mean) - mean - logFactorial)
		}
		return p
	}
	counts := make([]float64, bins)
	// The numbers of the first hits after the blocks' ends tell the counts, without walking through the hits.
	before := uint64(0)
	sch := schedule.Poisson(mean, (blocks+1)*s, 9)
	it := sch.Iterator()
	end := s
	for done := 0; done < blocks; {
		hit, _ := it.Next()
		for hit.Due >= end && done < blocks {
			n := int(hit.N - before)
			i, _ := slices.BinarySearch(limits, n)
			counts[i]++
			before, end, done = hit.N, end+s, done+1
		}
	}
	var chi float64
	last := 0.0
	for i, n := range counts {
		p := 1.0
		if i < len(limits) {
			p = probability(limits[i])
		}
		expected := (p - last) * blocks
		last = p
		chi += (n - expected) * (n - expected) / expected
	}
	// χ² of 19 degrees of freedom exceeds 43.82 with a probability of 0.1 % (standard table).
	if chi > 43.82 {
		t.Errorf("χ² %.1f over %d blocks", chi, blocks)
	}
}

// The parts of the agents are Poisson processes, and so is their sum when each clock is off by another amount.
func TestPoissonUnderSkew(t *testing.T) {
	t.Parallel()
	const rate, agents = 3000.0, 3
	p := schedule.Partition{Seed: 4, Agents: agents}
	var together []time.Duration
	for agent := range agents {
		share := p.Share(schedule.Poisson(rate, 60*s, 2), agent)
		part := gaps(share, func(t float64) float64 { return t * rate / agents })
		if d := kolmogorov(part); d > 1.95 || math.Abs(float64(len(part))-60*rate/agents) > 4*math.Sqrt(60*rate/agents) {
			t.Errorf("agent %d: %d hits, Kolmogorov's statistic %.2f", agent, len(part), d)
		}
		for _, due := range duesOf(share) {
			together = append(together, due+time.Duration(agent)*1234567)
		}
	}
	slices.Sort(together)
	var values []float64
	for i := range together[1:] {
		if together[i] > 10*ms && together[i] < 59*s {
			values = append(values, (together[i+1]-together[i]).Seconds()*rate)
		}
	}
	if d := kolmogorov(values); d > 1.95 {
		t.Errorf("together: Kolmogorov's statistic %.2f", d)
	}
}

// duesOf is the due times of a share, whose numbers have gaps.
func duesOf(sch schedule.Schedule) []time.Duration {
	var dues []time.Duration
	for _, hit := range hits(sch.Iterator()) {
		dues = append(dues, hit.Due)
	}
	return dues
}

// A longer schedule of the same seed begins with the hits of a shorter one.
func TestPoissonPrefix(t *testing.T) {
	t.Parallel()
	short, long := all(schedule.Poisson(700, 10*s, 3)), all(schedule.Poisson(700, 30*s, 3))
	if !slices.Equal(short, long[:len(short)]) || long[len(short)] < 10*s {
		t.Error("the shorter schedule is another realisation")
	}
}

func BenchmarkPoisson(b *testing.B) {
	it := schedule.Poisson(1e6, 30*24*time.Hour, 1).Iterator()
	b.ReportAllocs()
	for b.Loop() {
		it.Next()
	}
}

func BenchmarkPoissonShare(b *testing.B) {
	it := schedule.Partition{Seed: 1, Agents: 10}.Share(schedule.Poisson(1e6, 30*24*time.Hour, 1), 3).Iterator()
	b.ReportAllocs()
	for b.Loop() {
		it.Next()
	}
}

func BenchmarkSine(b *testing.B) {
	it := schedule.Sine(5e5, 4e5, time.Hour, 30*24*time.Hour).Iterator()
	b.ReportAllocs()
	for b.Loop() {
		it.Next()
	}
}
