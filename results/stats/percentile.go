package stats

import (
	"cmp"
	"math"
	"slices"
	"sort"
)

// Infinite ranks a hit that never got its answer: above every latency.
const Infinite = math.MaxInt64

// Bin is Count equal values.
type Bin struct {
	Value int64
	Count uint64
}

// Block is the values of one block (one second of a run), in ascending order of Value, each value once.
type Block []Bin

// BlockOf makes a block of counts by value.
func BlockOf(counts map[int64]uint64) Block {
	b := make(Block, 0, len(counts))
	for value, count := range counts {
		b = append(b, Bin{Value: value, Count: count})
	}
	slices.SortFunc(b, func(x, y Bin) int { return cmp.Compare(x.Value, y.Value) })
	return b
}

// Count is the number of values in b.
func (b Block) Count() uint64 {
	n := uint64(0)
	for _, bin := range b {
		n += bin.Count
	}
	return n
}

// Percentiles returns the q-quantiles (0 < q ≤ 1, ascending) of all blocks together by the nearest-rank
// definition: the smallest value with at least a share q of the values at or below it. Without values: Infinite.
func Percentiles(blocks []Block, qs []float64) []int64 {
	table := tabulate(blocks)
	ones := make([]uint32, len(blocks))
	for i := range ones {
		ones[i] = 1
	}
	out := make([]int64, len(qs))
	table.quantiles(ones, qs, out)
	return out
}

// BootstrapPercentiles returns an interval for each q-quantile of all blocks together, from resampling whole
// blocks with replacement. Bounds are in the unit of the values; a bound of +Inf means that the percentile may
// well lie among the hits that never answered. Fewer than two blocks give NaN bounds: there is nothing to resample.
func BootstrapPercentiles(blocks []Block, qs []float64, o Options) []Interval {
	out := make([]Interval, len(qs))
	if len(blocks) < 2 {
		for i := range out {
			out[i] = undefined()
		}
		return out
	}
	table := tabulate(blocks)
	random := o.random()
	replicates := make([][]float64, len(qs))
	for i := range replicates {
		replicates[i] = make([]float64, o.replicates())
	}
	weights := make([]uint32, len(blocks))
	draw := make([]int64, len(qs))
	for r := range o.replicates() {
		clear(weights)
		for range blocks {
			weights[random.IntN(len(blocks))]++
		}
		table.quantiles(weights, qs, draw)
		for i, v := range draw {
			replicates[i][r] = finite(v)
		}
	}
	for i := range out {
		out[i] = percentileInterval(replicates[i], o)
	}
	return out
}

func finite(v int64) float64 {
	if v == Infinite {
		return math.Inf(1)
	}
	return float64(v)
}

// table is all blocks over one common axis of distinct values, so that a replicate costs one pass over the
// non-empty bins and one over the axis, without sorting.
type table struct {
	axis   []int64
	blocks [][]cell
	totals []uint64
	counts []uint64 // scratch, one for each value of the axis
}

type cell struct {
	index uint32
	count uint64
}

func tabulate(blocks []Block) *table {
	t := &table{blocks: make([][]cell, len(blocks)), totals: make([]uint64, len(blocks))}
	for _, block := range blocks {
		for _, bin := range block {
			t.axis = append(t.axis, bin.Value)
		}
	}
	slices.Sort(t.axis)
	t.axis = slices.Compact(t.axis)
	for i, block := range blocks {
		cells := make([]cell, 0, len(block))
		for _, bin := range block {
			index := sort.Search(len(t.axis), func(k int) bool { return t.axis[k] >= bin.Value })
			cells = append(cells, cell{index: uint32(index), count: bin.Count})
		}
		t.blocks[i] = cells
		t.totals[i] = block.Count()
	}
	t.counts = make([]uint64, len(t.axis))
	return t
}

// quantiles writes the q-quantiles of the blocks, each taken weights[i] times, to out. qs must ascend.
func (t *table) quantiles(weights []uint32, qs []float64, out []int64) {
	clear(t.counts)
	total := uint64(0)
	for i, w := range weights {
		if w == 0 {
			continue
		}
		total += uint64(w) * t.totals[i]
		for _, c := range t.blocks[i] {
			t.counts[c.index] += uint64(w) * c.count
		}
	}
	index, seen := -1, uint64(0)
	for k, q := range qs {
		// The slack keeps a product such as 0.07 × 100, a hair above 7, from becoming rank 8.
		rank := max(uint64(math.Ceil(q*float64(total)-1e-9)), 1)
		for seen < rank && index+1 < len(t.counts) {
			index++
			seen += t.counts[index]
		}
		if total == 0 || index < 0 {
			out[k] = Infinite
			continue
		}
		out[k] = t.axis[index]
	}
}
