package sim

import (
	"math"
	"math/rand/v2"
	"sort"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// Sampler is a distribution of times in seconds.
type Sampler interface {
	Draw(random *rand.Rand) float64
	Mean() float64
	// SCV is the squared coefficient of variation, variance ÷ mean².
	SCV() float64
}

func draw(s Sampler, random *rand.Rand) float64 {
	if s == nil {
		return 0
	}
	return s.Draw(random)
}

// Constant is always the same time.
type Constant float64

// Draw implements Sampler.
func (c Constant) Draw(*rand.Rand) float64 { return float64(c) }

// Mean implements Sampler.
func (c Constant) Mean() float64 { return float64(c) }

// SCV implements Sampler.
func (c Constant) SCV() float64 { return 0 }

// Exponential has the given mean.
type Exponential float64

// Draw implements Sampler.
func (e Exponential) Draw(random *rand.Rand) float64 { return float64(e) * random.ExpFloat64() }

// Mean implements Sampler.
func (e Exponential) Mean() float64 { return float64(e) }

// SCV implements Sampler.
func (e Exponential) SCV() float64 { return 1 }

// Empirical draws recorded values as often as they were recorded.
type Empirical struct {
	values     []float64
	cumulative []float64 // counts up to and with each value
	mean, scv  float64
}

// NewEmpirical takes values and how often each came. It has no values where no count is above 0.
func NewEmpirical(values []float64, counts []float64) *Empirical {
	e := &Empirical{}
	total, sum, squares := 0.0, 0.0, 0.0
	for i, v := range values {
		if counts[i] > 0 {
			total += counts[i]
			sum += v * counts[i]
			squares += v * v * counts[i]
			e.values, e.cumulative = append(e.values, v), append(e.cumulative, total)
		}
	}
	if total > 0 {
		e.mean = sum / total
	}
	if e.mean > 0 {
		e.scv = max(squares/total/(e.mean*e.mean)-1, 0)
	}
	return e
}

// FromHistogram takes a histogram of nanoseconds.
func FromHistogram(h *hdr.Histogram) *Empirical {
	var values, counts []float64
	for _, bar := range h.Distribution() {
		if bar.Count > 0 {
			values, counts = append(values, float64(bar.From+bar.To)/2/1e9), append(counts, float64(bar.Count))
		}
	}
	return NewEmpirical(values, counts)
}

// Count is how many values were recorded.
func (e *Empirical) Count() float64 {
	if len(e.cumulative) == 0 {
		return 0
	}
	return e.cumulative[len(e.cumulative)-1]
}

// Draw implements Sampler.
func (e *Empirical) Draw(random *rand.Rand) float64 {
	if len(e.values) == 0 {
		return 0
	}
	u := random.Float64() * e.Count()
	return e.values[min(sort.SearchFloat64s(e.cumulative, math.Nextafter(u, math.Inf(1))), len(e.values)-1)]
}

// Less is the distribution with a fixed part taken off each value, none below 0.
func (e *Empirical) Less(part float64) *Empirical {
	values, counts := make([]float64, len(e.values)), make([]float64, len(e.values))
	before := 0.0
	for i, v := range e.values {
		values[i], counts[i] = max(v-part, 0), e.cumulative[i]-before
		before = e.cumulative[i]
	}
	return NewEmpirical(values, counts)
}

// Scaled is the distribution with each value times a factor.
func (e *Empirical) Scaled(factor float64) *Empirical {
	out := &Empirical{cumulative: e.cumulative, mean: e.mean * factor, scv: e.scv}
	for _, v := range e.values {
		out.values = append(out.values, v*factor)
	}
	return out
}

// Mean implements Sampler.
func (e *Empirical) Mean() float64 { return e.mean }

// SCV implements Sampler.
func (e *Empirical) SCV() float64 { return e.scv }

// Moments are mean and SCV of a mixture of samplers by weight; nil samplers count as 0 s.
func Moments(weights []float64, samplers []Sampler) (mean, scv float64) {
	total, first, second := 0.0, 0.0, 0.0
	for i, w := range weights {
		total += w
		if s := samplers[i]; s != nil {
			m := s.Mean()
			first += w * m
			second += w * m * m * (1 + s.SCV())
		}
	}
	if total <= 0 || first <= 0 {
		return 0, 0
	}
	mean = first / total
	return mean, max(second/total/(mean*mean)-1, 0)
}
