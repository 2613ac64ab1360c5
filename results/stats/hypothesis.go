package stats

import (
	"math"
	"slices"
)

// exactPairs is the most pairs for which SignFlip enumerates all sign patterns (2^16).
const exactPairs = 16

// SignFlip tests whether paired differences (for example log-ratios) are centred on zero. It returns the
// two-sided p-value of the permutation test that flips signs: the share of sign patterns whose absolute sum
// is at least the observed one. All patterns are taken up to 16 pairs; above, o.Replicates random ones, where
// the observed pattern counts as one more so that p is never 0 (Phipson and Smyth 2010).
func SignFlip(differences []float64, o Options) float64 {
	n := len(differences)
	if n == 0 {
		return math.NaN()
	}
	observed := math.Abs(sum(differences))
	// A relative slack: sums of the same terms in another order differ in the last bits.
	threshold := observed - 1e-12*max(observed, 1e-300)
	if n <= exactPairs {
		extreme := 0
		for pattern := range 1 << n {
			if math.Abs(flipped(differences, uint64(pattern))) >= threshold {
				extreme++
			}
		}
		return float64(extreme) / float64(uint64(1)<<n)
	}
	random := o.random()
	draws := max(o.replicates(), 10_000)
	extreme := 1
	for range draws {
		total := 0.0
		for i := 0; i < n; i += 64 {
			total += flipped(differences[i:min(i+64, n)], random.Uint64())
		}
		if math.Abs(total) >= threshold {
			extreme++
		}
	}
	return float64(extreme) / float64(draws+1)
}

// flipped is the sum of values, the i-th negated where bit i of pattern is set.
func flipped(values []float64, pattern uint64) float64 {
	total := 0.0
	for i, v := range values {
		if pattern>>uint(i)&1 == 1 {
			v = -v
		}
		total += v
	}
	return total
}

// exactRankProduct bounds len(a) × len(b) for the exact distribution of U.
const exactRankProduct = 2500

// MannWhitney tests whether values of a tend to be larger or smaller than those of b (Mann and Whitney 1947).
// It returns U of a (the number of pairs with a above b, ties half) and the two-sided p-value: exact without
// ties for small samples, else the normal approximation with corrections for ties and continuity.
func MannWhitney(a, b []float64) (u, p float64) {
	m, n := len(a), len(b)
	if m == 0 || n == 0 {
		return math.NaN(), math.NaN()
	}
	ranks, ties := rankSum(a, b)
	u = ranks - float64(m)*float64(m+1)/2
	if ties == 0 && m*n <= exactRankProduct {
		return u, exactU(m, n, u)
	}
	mean := float64(m) * float64(n) / 2
	total := float64(m + n)
	variance := float64(m) * float64(n) / 12 * (total + 1 - ties/(total*(total-1)))
	if variance <= 0 {
		return u, 1
	}
	z := max(math.Abs(u-mean)-0.5, 0) / math.Sqrt(variance)
	return u, math.Erfc(z / math.Sqrt2)
}

// rankSum returns the sum of the midranks of a in the pooled sample, and the tie term sum(t³ − t).
func rankSum(a, b []float64) (ranks, ties float64) {
	type item struct {
		value float64
		ofA   bool
	}
	pool := make([]item, 0, len(a)+len(b))
	for _, v := range a {
		pool = append(pool, item{v, true})
	}
	for _, v := range b {
		pool = append(pool, item{v, false})
	}
	slices.SortFunc(pool, func(x, y item) int {
		switch {
		case x.value < y.value:
			return -1
		case x.value > y.value:
			return 1
		}
		return 0
	})
	for start := 0; start < len(pool); {
		end := start
		for end < len(pool) && pool[end].value == pool[start].value {
			end++
		}
		size := float64(end - start)
		midrank := float64(start+1+end) / 2
		for _, it := range pool[start:end] {
			if it.ofA {
				ranks += midrank
			}
		}
		ties += size*size*size - size
		start = end
	}
	return ranks, ties
}

// exactU is the two-sided p-value of U for samples of m and n distinct values, by counting the arrangements
// that give each U (the recurrence of Mann and Whitney).
func exactU(m, n int, u float64) float64 {
	// ways[i][k]: arrangements of i values of a among the b's seen so far with U = k.
	ways := make([][]float64, m+1)
	for i := range ways {
		ways[i] = make([]float64, m*n+1)
		ways[i][0] = 1
	}
	// With no b at all U is 0 in one way; each further b lets the last a count it or not.
	for j := 1; j <= n; j++ {
		for i := 1; i <= m; i++ {
			// f(i,j,k) = f(i-1,j,k-j) + f(i,j-1,k); row i still holds f(i,j-1,·), row i-1 already f(i-1,j,·).
			for k := m * n; k >= j; k-- {
				ways[i][k] += ways[i-1][k-j]
			}
		}
	}
	total, below, above := 0.0, 0.0, 0.0
	for k, w := range ways[m] {
		total += w
		if float64(k) <= u {
			below += w
		}
		if float64(k) >= u {
			above += w
		}
	}
	return min(1, 2*min(below, above)/total)
}

// Holm returns the p-values adjusted for testing all of them at once (Holm 1979), in the order given: reject
// where the adjusted value is at most the family-wise error rate wanted.
func Holm(ps []float64) []float64 {
	order := make([]int, len(ps))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(x, y int) int {
		switch {
		case ps[x] < ps[y]:
			return -1
		case ps[x] > ps[y]:
			return 1
		}
		return 0
	})
	adjusted := make([]float64, len(ps))
	highest := 0.0
	for rank, index := range order {
		highest = max(highest, min(1, float64(len(ps)-rank)*ps[index]))
		adjusted[index] = highest
	}
	return adjusted
}
