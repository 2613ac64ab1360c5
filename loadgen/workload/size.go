package workload

import (
	"math"
	"sort"
)

// Size is a distribution of sizes in bytes. At most one of its forms is set.
type Size struct {
	Fixed     int        `yaml:"fixed"`
	Uniform   *Uniform   `yaml:"uniform"`
	Lognormal *Lognormal `yaml:"lognormal"`
	Choice    []Choice   `yaml:"choice"`
}

// Uniform draws every size in [Min, Max] equally often.
type Uniform struct {
	Min int `yaml:"min"`
	Max int `yaml:"max"`
}

// Lognormal draws Median·e^(Sigma·z) with a standard normal z, clamped to [1, Max].
type Lognormal struct {
	Median int     `yaml:"median"`
	Sigma  float64 `yaml:"sigma"`
	Max    int     `yaml:"max"` // default 4096
}

// Choice is one size and how often it is drawn relative to the others.
type Choice struct {
	Size   int     `yaml:"size"`
	Weight float64 `yaml:"weight"` // default 1
}

// set reports whether a form is given.
func (s *Size) set() bool {
	return s.Fixed != 0 || s.Uniform != nil || s.Lognormal != nil || len(s.Choice) > 0
}

// max is the largest size drawn.
func (s *Size) max() int {
	switch {
	case s.Uniform != nil:
		return s.Uniform.Max
	case s.Lognormal != nil:
		return s.Lognormal.Max
	}
	most := s.Fixed
	for _, c := range s.Choice {
		most = max(most, c.Size)
	}
	return most
}

// quantile is the inverse of the distribution function at u in [0, 1): drawing is quantile of a uniform u, and evenly spaced u
// give a representative sample. It does not allocate.
func (s *Size) quantile(u float64) int {
	switch {
	case s.Uniform != nil:
		return min(s.Uniform.Min+int(u*float64(s.Uniform.Max-s.Uniform.Min+1)), s.Uniform.Max)
	case s.Lognormal != nil:
		z := math.Sqrt2 * math.Erfinv(2*min(max(u, 1e-12), 1-1e-12)-1)
		size := float64(s.Lognormal.Median) * math.Exp(s.Lognormal.Sigma*z)
		return int(min(max(math.Round(size), 1), float64(s.Lognormal.Max)))
	case len(s.Choice) > 0:
		return s.choose(u)
	}
	return s.Fixed
}

func (s *Size) choose(u float64) int {
	total := 0.0
	for _, c := range s.Choice {
		total += c.Weight
	}
	left := u * total
	for _, c := range s.Choice {
		if left < c.Weight {
			return c.Size
		}
		left -= c.Weight
	}
	return s.Choice[len(s.Choice)-1].Size
}

// alias is Vose's alias table: a draw from n weighted items costs one comparison. (M. D. Vose, "A linear algorithm for generating
// random numbers with a given distribution", IEEE TSE 17(9), 1991.)
type alias struct {
	keep  []float64 // probability to keep column i
	other []uint32
}

func newAlias(weights []float64) *alias {
	n := len(weights)
	a := &alias{keep: make([]float64, n), other: make([]uint32, n)}
	total := 0.0
	for _, w := range weights {
		total += w
	}
	scaled := make([]float64, n)
	var small, large []uint32
	for i, w := range weights {
		scaled[i] = w / total * float64(n)
		if scaled[i] < 1 {
			small = append(small, uint32(i))
		} else {
			large = append(large, uint32(i))
		}
	}
	for len(small) > 0 && len(large) > 0 {
		s, l := small[len(small)-1], large[len(large)-1]
		small = small[:len(small)-1]
		a.keep[s], a.other[s] = scaled[s], l
		if scaled[l] -= 1 - scaled[s]; scaled[l] < 1 {
			large = large[:len(large)-1]
			small = append(small, l)
		}
	}
	for _, i := range append(small, large...) {
		a.keep[i] = 1 // what is left differs from 1 by rounding only
	}
	return a
}

// draw picks an item by u in [0, 1).
func (a *alias) draw(u float64) int {
	at := u * float64(len(a.keep))
	i := min(int(at), len(a.keep)-1)
	if at-float64(i) < a.keep[i] {
		return i
	}
	return int(a.other[i])
}

func zipfWeights(n int, s float64) []float64 {
	weights := make([]float64, n)
	for i := range weights {
		weights[i] = math.Pow(float64(i+1), -s)
	}
	return weights
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
