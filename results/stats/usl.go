package stats

import (
	"errors"
	"math"
)

// USL is the Universal Scalability Law (Gunther, "Guerrilla Capacity Planning", 2007, ch. 4 and 5): with n clients in a
// closed loop the throughput is Lambda·n ÷ (1 + Sigma·(n−1) + Kappa·n·(n−1)).
type USL struct {
	Lambda float64 // throughput of one client, by the fit
	Sigma  float64 // contention: the share that cannot be done side by side
	Kappa  float64 // coherency: what each pair costs
	R2     float64 // share of the variance that the fit explains
}

// uslLevels is the fewest different levels that a fit of three parameters may rest on here.
const uslLevels = 6

// ErrLevels: too few different levels of concurrency for a fit.
var ErrLevels = errors.New("stats: the Universal Scalability Law wants six different levels of concurrency")

// FitUSL fits the law to throughputs by least squares, from a start that the linear form gives, by damped Gauss-Newton
// steps (Levenberg 1944, Marquardt 1963); Sigma and Kappa stay at 0 or above. Errors: ErrLevels.
func FitUSL(levels, throughputs []float64) (USL, error) {
	if len(levels) != len(throughputs) {
		panic("stats: FitUSL: slices of different length")
	}
	different := map[float64]bool{}
	for i, n := range levels {
		if n >= 1 && throughputs[i] > 0 {
			different[n] = true
		}
	}
	if len(different) < uslLevels {
		return USL{}, ErrLevels
	}
	at := startUSL(levels, throughputs)
	error0 := at.squares(levels, throughputs)
	damping := 1e-3
	for range 500 {
		next, ok := at.step(levels, throughputs, damping)
		if !ok {
			damping *= 10
			continue
		}
		error1 := next.squares(levels, throughputs)
		if error1 > error0 || math.IsNaN(error1) {
			if damping *= 10; damping > 1e12 {
				break
			}
			continue
		}
		done := error0-error1 <= 1e-14*error0
		at, error0 = next, error1
		damping = max(damping/10, 1e-12)
		if done {
			break
		}
	}
	mean := sum(throughputs) / float64(len(throughputs))
	total := 0.0
	for _, x := range throughputs {
		total += (x - mean) * (x - mean)
	}
	if total > 0 {
		at.R2 = 1 - error0/total
	}
	return at, nil
}

// At is the throughput with n clients.
func (u USL) At(n float64) float64 { return u.Lambda * n / u.denominator(n) }

func (u USL) denominator(n float64) float64 { return 1 + u.Sigma*(n-1) + u.Kappa*n*(n-1) }

// Peak is the number of clients at which the throughput is highest; 0 where it only rises.
func (u USL) Peak() float64 {
	if u.Kappa <= 0 {
		return 0
	}
	return math.Sqrt(max(1-u.Sigma, 0) / u.Kappa)
}

func (u USL) squares(levels, throughputs []float64) float64 {
	total := 0.0
	for i, n := range levels {
		d := throughputs[i] - u.At(n)
		total += d * d
	}
	return total
}

// startUSL takes the first throughput a client as Lambda and fits n·λ ÷ x − 1 = σ(n−1) + κn(n−1) linearly.
func startUSL(levels, throughputs []float64) USL {
	u := USL{}
	for i, n := range levels {
		u.Lambda = max(u.Lambda, throughputs[i]/n)
	}
	var a, b, c, p, q float64
	for i, n := range levels {
		x, y, z := n-1, n*(n-1), n*u.Lambda/throughputs[i]-1
		a, b, c, p, q = a+x*x, b+x*y, c+y*y, p+x*z, q+y*z
	}
	if d := a*c - b*b; d > 0 {
		u.Sigma, u.Kappa = max((p*c-q*b)/d, 0), max((a*q-b*p)/d, 0)
	}
	return u
}

// step solves the damped normal equations once; not ok where they have no solution.
func (u USL) step(levels, throughputs []float64, damping float64) (USL, bool) {
	var m [3][4]float64
	for i, n := range levels {
		d := u.denominator(n)
		g := [3]float64{n / d, -u.Lambda * n * (n - 1) / (d * d), -u.Lambda * n * n * (n - 1) / (d * d)}
		r := throughputs[i] - u.At(n)
		for j := range 3 {
			for k := range 3 {
				m[j][k] += g[j] * g[k]
			}
			m[j][3] += g[j] * r
		}
	}
	for j := range 3 {
		m[j][j] *= 1 + damping
	}
	delta, ok := solve(m)
	if !ok {
		return u, false
	}
	return USL{Lambda: max(u.Lambda+delta[0], 0), Sigma: max(u.Sigma+delta[1], 0), Kappa: max(u.Kappa+delta[2], 0)}, true
}

// solve is Gaussian elimination with partial pivoting.
func solve(m [3][4]float64) (x [3]float64, ok bool) {
	for i := range 3 {
		pivot := i
		for j := i + 1; j < 3; j++ {
			if math.Abs(m[j][i]) > math.Abs(m[pivot][i]) {
				pivot = j
			}
		}
		m[i], m[pivot] = m[pivot], m[i]
		if m[i][i] == 0 || math.IsNaN(m[i][i]) {
			return x, false
		}
		for j := i + 1; j < 3; j++ {
			f := m[j][i] / m[i][i]
			for k := i; k < 4; k++ {
				m[j][k] -= f * m[i][k]
			}
		}
	}
	for i := 2; i >= 0; i-- {
		x[i] = m[i][3]
		for k := i + 1; k < 3; k++ {
			x[i] -= m[i][k] * x[k]
		}
		x[i] /= m[i][i]
	}
	return x, true
}
