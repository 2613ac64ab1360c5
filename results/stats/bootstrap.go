package stats

import (
	"math"
	"math/rand/v2"
	"slices"
)

// DefaultReplicates is the number of bootstrap replicates where an Options leaves it out. The error of a 95 %
// bound from 1,000 replicates is well below the width of the intervals it is used for.
const DefaultReplicates = 1000

// DefaultLevel is the two-sided confidence level where an Options leaves it out.
const DefaultLevel = 0.95

// Options of a resampling method. The zero value is usable: 1,000 replicates, 95 %, seed 0.
type Options struct {
	Replicates int     // DefaultReplicates when 0
	Level      float64 // two-sided confidence, 0 < Level < 1; DefaultLevel when 0
	Seed       uint64
}

func (o Options) replicates() int {
	if o.Replicates <= 0 {
		return DefaultReplicates
	}
	return o.Replicates
}

// tails returns the lower and upper tail probabilities of the interval.
func (o Options) tails() (low, high float64) {
	level := o.Level
	if level <= 0 || level >= 1 {
		level = DefaultLevel
	}
	return (1 - level) / 2, 1 - (1-level)/2
}

func (o Options) random() *rand.Rand {
	return rand.New(rand.NewPCG(o.Seed, 0x9e3779b97f4a7c15))
}

// Interval is a closed interval in the unit of the values it was computed from. NaN bounds: not computable.
type Interval struct {
	Low, High float64
}

// Estimate is a point estimate with its interval.
type Estimate struct {
	Point float64
	Interval
}

// undefined is the interval of something that cannot be computed.
func undefined() Interval { return Interval{Low: math.NaN(), High: math.NaN()} }

// BootstrapShare estimates sum(part) ÷ sum(whole) over blocks, for example errors over hits of each second,
// with its interval. Both slices are of the same length; blocks with a zero whole are allowed.
func BootstrapShare(part, whole []float64, o Options) Estimate {
	if len(part) != len(whole) {
		panic("stats: BootstrapShare: slices of different length")
	}
	sumPart, sumWhole := sum(part), sum(whole)
	if len(part) == 0 || sumWhole == 0 {
		return Estimate{Point: math.NaN(), Interval: undefined()}
	}
	random := o.random()
	replicates := make([]float64, 0, o.replicates())
	for range o.replicates() {
		p, w := 0.0, 0.0
		for range part {
			i := random.IntN(len(part))
			p += part[i]
			w += whole[i]
		}
		if w > 0 {
			replicates = append(replicates, p/w)
		}
	}
	return Estimate{Point: sumPart / sumWhole, Interval: percentileInterval(replicates, o)}
}

// BootstrapMean estimates the mean of independent blocks, for example answers of each second, with its interval.
func BootstrapMean(values []float64, o Options) Estimate {
	ones := make([]float64, len(values))
	for i := range ones {
		ones[i] = 1
	}
	return BootstrapShare(values, ones, o)
}

// PairedRatio estimates the typical ratio a[i] ÷ b[i] of paired rounds: the exponential of the median of the
// log-ratios, with a bootstrap interval over pairs. All values must be positive; pairs where one is not are a
// caller's error and make the result NaN.
func PairedRatio(a, b []float64, o Options) Estimate {
	logs := LogRatios(a, b)
	if len(logs) == 0 || slices.ContainsFunc(logs, func(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) }) {
		return Estimate{Point: math.NaN(), Interval: undefined()}
	}
	e := MedianEstimate(logs, o)
	return Estimate{Point: math.Exp(e.Point), Interval: Interval{Low: math.Exp(e.Low), High: math.Exp(e.High)}}
}

// LogRatios returns ln(a[i] ÷ b[i]).
func LogRatios(a, b []float64) []float64 {
	if len(a) != len(b) {
		panic("stats: LogRatios: slices of different length")
	}
	logs := make([]float64, len(a))
	for i := range a {
		logs[i] = math.Log(a[i] / b[i])
	}
	return logs
}

// percentileInterval is the percentile interval of bootstrap replicates, which it sorts.
func percentileInterval(replicates []float64, o Options) Interval {
	if len(replicates) == 0 {
		return undefined()
	}
	slices.Sort(replicates)
	low, high := o.tails()
	return Interval{Low: sortedQuantile(replicates, low), High: sortedQuantile(replicates, high)}
}
