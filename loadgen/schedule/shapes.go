package schedule

import (
	"math"
	"sort"
	"time"
)

// Constant has hit n due at n ÷ rate. A rate that is not positive has no hits.
func Constant(rate float64, d time.Duration) Schedule {
	return even{constant{rate: sane(rate), d: max(d, 0)}}
}

type constant struct {
	rate float64
	d    time.Duration
}

func (c constant) total() float64               { return c.rate * c.d.Seconds() }
func (c constant) at(n float64) float64         { return n / c.rate }
func (c constant) duration() time.Duration      { return c.d }
func (c constant) specHasDuration() bool        { return false }
func (c constant) appendSpec(dst []byte) []byte { return append(appendRate(dst, c.rate), "/s"...) }

// Linear changes the rate evenly from one value to another: N(t) = from·t + (to − from)·t² ÷ 2d.
func Linear(from, to float64, d time.Duration) Schedule {
	return even{linear{from: sane(from), to: sane(to), d: max(d, 0)}}
}

type linear struct {
	from, to float64
	d        time.Duration
}

func (l linear) total() float64          { return (l.from + l.to) / 2 * l.d.Seconds() }
func (l linear) duration() time.Duration { return l.d }
func (l linear) specHasDuration() bool   { return false }

// at solves the quadratic in the form 2n ÷ (a + √(a² + 2sn)), which loses no digits where the slope s is small or negative.
func (l linear) at(n float64) float64 {
	if n <= 0 {
		return 0
	}
	slope := (l.to - l.from) / l.d.Seconds()
	root := math.Sqrt(max(l.from*l.from+2*slope*n, 0))
	return 2 * n / (l.from + root)
}

func (l linear) appendSpec(dst []byte) []byte {
	dst = appendRate(append(dst, "linear:"...), l.from)
	return appendRate(append(dst, '-'), l.to)
}

// Step is a stretch of constant rate.
type Step struct {
	Rate     float64
	Duration time.Duration
}

// Steps runs stretches of constant rate one after the other. The curve is continuous: a fraction of a hit left at the end of a
// step carries over into the next.
func Steps(list []Step) Schedule {
	s := &steps{starts: make([]float64, 0, len(list)+1), begin: make([]float64, 0, len(list)+1)}
	var hits, at float64
	for _, step := range list {
		step = Step{Rate: sane(step.Rate), Duration: max(step.Duration, 0)}
		s.list = append(s.list, step)
		s.starts, s.begin = append(s.starts, hits), append(s.begin, at)
		hits += step.Rate * step.Duration.Seconds()
		at += step.Duration.Seconds()
		s.d += step.Duration
	}
	s.hits = hits
	return even{s}
}

type steps struct {
	list   []Step
	starts []float64 // N at the begin of each step
	begin  []float64 // seconds at which each step begins
	hits   float64
	d      time.Duration
}

func (s *steps) total() float64          { return s.hits }
func (s *steps) duration() time.Duration { return s.d }
func (s *steps) specHasDuration() bool   { return true }

func (s *steps) at(n float64) float64 {
	// The last step that begins at or below n hits; steps of rate 0 share their start with the next and are passed over.
	i := sort.Search(len(s.starts), func(i int) bool { return s.starts[i] > n }) - 1
	for s.list[i].Rate == 0 {
		i--
	}
	return s.begin[i] + (n-s.starts[i])/s.list[i].Rate
}

func (s *steps) appendSpec(dst []byte) []byte {
	dst = append(dst, "steps:"...)
	for i, step := range s.list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendRate(dst, step.Rate), 'x')
		dst = append(dst, step.Duration.String()...)
	}
	return dst
}

// Sine swings around a mean: rate(t) = mean + swing·sin(2πt ÷ period), so N(t) = mean·t + swing·period ÷ 2π·(1 − cos(2πt ÷ period)).
// A swing above the mean counts as the mean, as a rate cannot be negative.
func Sine(mean, swing float64, period, d time.Duration) Schedule {
	mean, swing = sane(mean), sane(swing)
	if period <= 0 {
		swing, period = 0, time.Second
	}
	return even{sine{mean: mean, swing: min(mean, swing), period: period, d: max(d, 0)}}
}

type sine struct {
	mean, swing float64
	period, d   time.Duration
}

func (s sine) curve(t float64) float64 {
	p := s.period.Seconds()
	return s.mean*t + s.swing*p/(2*math.Pi)*(1-math.Cos(2*math.Pi*t/p))
}

func (s sine) total() float64          { return s.curve(s.d.Seconds()) }
func (s sine) duration() time.Duration { return s.d }
func (s sine) specHasDuration() bool   { return false }

func (s sine) rate(t float64) float64 {
	return s.mean + s.swing*math.Sin(2*math.Pi*t/s.period.Seconds())
}

// at is Newton's method within a bracket that shrinks, bisecting where a step would leave it: the curve is monotone, and N(t) lies
// in [mean·t, mean·t + swing·period ÷ π].
func (s sine) at(n float64) float64 {
	high := n / s.mean
	low := max(0, high-s.swing*s.period.Seconds()/(math.Pi*s.mean)-1e-9)
	t := low + (high-low)/2
	for range 100 {
		missing := n - s.curve(t)
		if missing > 0 {
			low = t
		} else {
			high = t
		}
		next := t + missing/s.rate(t)
		if !(next > low && next < high) {
			next = low + (high-low)/2
		}
		if next <= low || next >= high || math.Abs(next-t) <= 1e-15*t {
			return next
		}
		t = next
	}
	return t
}

func (s sine) appendSpec(dst []byte) []byte {
	dst = appendRate(append(dst, "sine:"...), s.mean)
	dst = appendRate(append(dst, '~'), s.swing)
	return append(append(dst, '/'), s.period.String()...)
}

// Bursts has size hits due at once at 0, every, 2·every, …
func Bursts(size int, every, d time.Duration) Schedule {
	if every <= 0 {
		size, every = 0, time.Second
	}
	return even{bursts{size: max(size, 0), every: every, d: max(d, 0)}}
}

type bursts struct {
	size     int
	every, d time.Duration
}

func (b bursts) total() float64 {
	return float64(b.size) * math.Ceil(float64(b.d)/float64(b.every))
}
func (b bursts) at(n float64) float64 {
	return math.Floor(n/float64(b.size)) * b.every.Seconds()
}
func (b bursts) duration() time.Duration { return b.d }
func (b bursts) specHasDuration() bool   { return false }
func (b bursts) appendSpec(dst []byte) []byte {
	dst = appendRate(append(dst, "bursts:"...), float64(b.size))
	return append(append(dst, 'x'), b.every.String()...)
}
