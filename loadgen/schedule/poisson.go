package schedule

import (
	"math"
	"math/rand/v2"
	"sort"
	"time"
)

// Poisson has independent exponential gaps of mean 1 ÷ rate, drawn from the seed: arrivals of many independent clients.
func Poisson(rate float64, d time.Duration, seed uint64) Schedule {
	return poisson{shape: constant{rate: sane(rate), d: max(d, 0)}, seed: seed}
}

// Randomise is the Poisson schedule whose rate at each moment is that of s. A schedule that is Poisson already keeps its
// shape and takes the seed; a trace and a share of a schedule stay as they are.
func Randomise(s Schedule, seed uint64) Schedule {
	switch s := s.(type) {
	case even:
		return poisson{shape: s.shape, seed: seed}
	case poisson:
		return poisson{shape: s.shape, seed: seed}
	}
	return s
}

// poisson is the points of a Poisson process of rate 1 on the axis of expected hits, at the moments at which the shape's curve
// reaches them.
//
// The axis is cut into blocks of blockHits, each with a generator of its own that is keyed by seed and block. A block's number of
// points is Poisson distributed with mean blockHits, and given that number they are independent and uniform over the block: that
// is the process itself (independent increments; conditional uniformity, Kingman, Poisson Processes, 1993, sections 2.1 and 2.4),
// not an approximation of it. It can be entered at any block for the price of the counts before it, one draw a block.
//
// What is drawn depends on the seed alone: a longer schedule begins with the hits of a shorter one.
type poisson struct {
	shape shape
	seed  uint64
}

// blockHits is the expected hits in a block.
const blockHits = 4096

func (p poisson) Duration() time.Duration { return p.shape.duration() }
func (p poisson) MeanRate() float64       { return meanRate(p.shape) }

func (p poisson) String() string {
	if c, ok := p.shape.(constant); ok {
		return string(appendRate([]byte("poisson:"), c.rate)) + " " + c.d.String()
	}
	return specOf("poisson:", p.shape)
}

func (p poisson) Iterator() Iterator { return p.iterator() }

func (p poisson) iterator() *poissonIterator {
	i := &poissonIterator{shape: p.shape, seed: p.seed, total: p.shape.total(), last: p.shape.duration() - 1, only: everyHit}
	i.enter(0)
	return i
}

func (p poisson) IteratorAt(from time.Duration) Iterator { return p.iteratorAt(from) }

func (p poisson) iteratorAt(from time.Duration) *poissonIterator {
	i := p.iterator()
	// The last block that begins before the moment: all hits of the blocks before it are due before the moment too.
	blocks := int(math.Ceil(i.total / blockHits))
	block := sort.Search(blocks, func(b int) bool { return i.due(float64(b)*blockHits) >= from }) - 1
	for b := range max(block, 0) {
		i.next += uint64(i.enter(uint64(b)))
	}
	i.enter(uint64(max(block, 0)))
	for {
		before := *i
		if hit, ok := i.Next(); !ok || hit.Due >= from {
			*i = before
			return i
		}
	}
}

type poissonIterator struct {
	shape  shape
	seed   uint64
	source rand.PCG // of the block
	block  uint64
	left   int     // points left in the block
	at     float64 // the last point, as a share of the block
	total  float64
	last   time.Duration
	next   uint64 // number of the next hit
	only   member // whose hits are given
}

// enter begins a block and returns the number of its points.
func (i *poissonIterator) enter(block uint64) int {
	// The constant separates these streams from others drawn from the same seed.
	high := scramble(scramble(i.seed^0x7363686564756c65) + block)
	i.source.Seed(high, scramble(high^block))
	i.block, i.at, i.left = block, 0, 0
	i.left = poissonCount(i.unit)
	return i.left
}

// unit is uniform in (0, 1], from 53 bits: its logarithm is finite.
func (i *poissonIterator) unit() float64 {
	return (float64(i.source.Uint64()>>11) + 1) / (1 << 53)
}

func (i *poissonIterator) due(hits float64) time.Duration {
	return min(seconds(i.shape.at(hits)), i.last)
}

func (i *poissonIterator) Next() (Hit, bool) {
	for {
		for i.left == 0 {
			if float64(i.block+1)*blockHits >= i.total {
				return Hit{}, false
			}
			i.enter(i.block + 1)
		}
		// The least of m uniforms over what is left of the block.
		at := i.at - (1-i.at)*math.Expm1(math.Log(i.unit())/float64(i.left))
		hits := (float64(i.block) + at) * blockHits
		if hits >= i.total {
			i.left, i.block = 0, math.MaxUint32 // stays at the end however often it is asked
			i.total = 0
			return Hit{}, false
		}
		i.at = at
		i.left--
		n := i.next
		i.next++
		if i.only.owns(n) {
			return Hit{N: n, Due: i.due(hits), Entry: AnyEntry}, true
		}
	}
}

// poissonCount draws from the Poisson distribution of mean blockHits by transformed rejection: W. Hörmann, "The transformed
// rejection method for generating Poisson random variables", Insurance: Mathematics and Economics 12 (1993), algorithm PTRS.
func poissonCount(unit func() float64) int {
	const mean = float64(blockHits)
	b := 0.931 + 2.53*math.Sqrt(mean)
	a := -0.059 + 0.02483*b
	inverseAlpha := 1.1239 + 1.1328/(b-3.4)
	squeeze := 0.9277 - 3.6224/(b-2)
	for {
		u, v := unit()-0.5, unit()
		us := 0.5 - math.Abs(u)
		k := math.Floor((2*a/us+b)*u + mean + 0.43)
		if us >= 0.07 && v <= squeeze {
			return int(k)
		}
		if k < 0 || us < 0.013 && v > us {
			continue
		}
		factorial, _ := math.Lgamma(k + 1)
		if math.Log(v*inverseAlpha/(a/(us*us)+b)) <= k*math.Log(mean)-mean-factorial {
			return int(k)
		}
	}
}

// scramble is SplitMix64's step and finaliser (Steele, Lea, Flood, OOPSLA 2014).
func scramble(z uint64) uint64 {
	z += 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
