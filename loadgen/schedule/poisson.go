package schedule

import (
	"math"
	"math/rand/v2"
	"time"
)

// Poisson has independent exponential gaps of mean 1 ÷ rate, drawn from the seed: arrivals of many independent clients.
func Poisson(rate float64, d time.Duration, seed uint64) Schedule {
	return poisson{shape: constant{rate: sane(rate), d: max(d, 0)}, seed: seed}
}

// Randomise is the Poisson schedule whose rate at each moment is that of s. A schedule that is Poisson already keeps its
// shape and takes the seed.
func Randomise(s Schedule, seed uint64) Schedule {
	switch s := s.(type) {
	case even:
		return poisson{shape: s.shape, seed: seed}
	case poisson:
		return poisson{shape: s.shape, seed: seed}
	}
	return s
}

type poisson struct {
	shape shape
	seed  uint64
}

func (p poisson) Duration() time.Duration { return p.shape.duration() }
func (p poisson) MeanRate() float64       { return meanRate(p.shape) }

func (p poisson) String() string {
	if c, ok := p.shape.(constant); ok {
		return string(appendRate([]byte("poisson:"), c.rate)) + " " + c.d.String()
	}
	return specOf("poisson:", p.shape)
}

func (p poisson) Iterator() Iterator {
	// The second word separates this stream from others drawn from the same seed.
	return &poissonIterator{shape: p.shape, total: p.shape.total(), last: p.shape.duration() - 1, source: *rand.NewPCG(p.seed, 0x7363686564756c65)}
}

type poissonIterator struct {
	shape  shape
	source rand.PCG
	hits   float64 // E₀ + … + Eₙ so far
	next   uint64
	total  float64
	last   time.Duration
}

func (i *poissonIterator) Next() (Hit, bool) {
	// 53 bits, moved to (0, 1]: the logarithm is finite.
	u := (float64(i.source.Uint64()>>11) + 1) / (1 << 53)
	i.hits -= math.Log(u)
	if i.hits >= i.total {
		i.hits = i.total // stays at the end however often it is asked
		return Hit{}, false
	}
	hit := Hit{N: i.next, Due: min(seconds(i.shape.at(i.hits)), i.last), Entry: AnyEntry}
	i.next++
	return hit, true
}
