package measure

import (
	"math/bits"
	"slices"
	"time"
)

// Block is the hits of one entry (or of all, see Summary.Blocks) that were due in one stretch of Summary.Width.
type Block struct {
	Start time.Duration
	// Outcomes counts the hits due in the block by what became of them.
	Outcomes [NumOutcomes]uint64
	// Answered counts the good answers that came in within the block's stretch, whenever their hits were due: throughput.
	Answered uint64
	// Latencies of the hits that were OK: ascending, with the resolution of the histograms of successes in a block of a second, and
	// of 0.8 % or better in a wider one.
	Latencies []Bin
	// Max is the highest latency of those, exactly; 0 without any.
	Max time.Duration
}

// Bin is Count latencies of Value, the highest value that is counted as equal.
type Bin struct {
	Value time.Duration
	Count uint64
}

// Asked is the number of hits due in the block.
func (b *Block) Asked() uint64 {
	var n uint64
	for _, count := range b.Outcomes {
		n += count
	}
	return n
}

// Percentile returns the q-quantile of the latency of the block's good answers. It is only known (ok) with at least 20 good
// answers beyond it: fewer say nothing about a percentile.
func (b *Block) Percentile(q float64) (value time.Duration, ok bool) {
	total := b.Outcomes[OK]
	rank := rankOf(q, max(total, 1))
	if total < 1 || total-rank < 20 {
		return 0, false
	}
	var seen uint64
	for _, bin := range b.Latencies {
		if seen += bin.Count; seen >= rank {
			return bin.Value, true
		}
	}
	return 0, false
}

// Blocks are the blocks of all entries together.
func (s *Summary) Blocks() []Block {
	var all []Block
	for i := range s.Entries {
		all = unite(all, s.Entries[i].Blocks)
	}
	return all
}

// unite merges two ascending lists of blocks of one width.
func unite(a, b []Block) []Block {
	var all []Block
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0].Start < b[0].Start:
			all, a = append(all, a[0]), a[1:]
		case a[0].Start > b[0].Start:
			all, b = append(all, b[0]), b[1:]
		default:
			all, a, b = append(all, joined(&a[0], &b[0])), a[1:], b[1:]
		}
	}
	return append(append(all, a...), b...)
}

// widen makes blocks of one width to blocks of another, a multiple.
func widen(blocks []Block, from, to time.Duration) []Block {
	if from == to {
		return blocks
	}
	var all []Block
	for i := range blocks {
		b := blocks[i]
		b.Start -= b.Start % to
		b.Latencies = coarsenedBins(b.Latencies)
		if n := len(all); n > 0 && all[n-1].Start == b.Start {
			all[n-1] = joined(&all[n-1], &b)
		} else {
			all = append(all, b)
		}
	}
	return all
}

// joined adds up two blocks; the result starts where a does and shares no memory with either.
func joined(a, b *Block) Block {
	sum := Block{Start: a.Start, Answered: a.Answered + b.Answered, Max: max(a.Max, b.Max)}
	for o := range sum.Outcomes {
		sum.Outcomes[o] = a.Outcomes[o] + b.Outcomes[o]
	}
	x, y := a.Latencies, b.Latencies
	for len(x) > 0 && len(y) > 0 {
		switch {
		case x[0].Value < y[0].Value:
			sum.Latencies, x = append(sum.Latencies, x[0]), x[1:]
		case x[0].Value > y[0].Value:
			sum.Latencies, y = append(sum.Latencies, y[0]), y[1:]
		default:
			sum.Latencies = append(sum.Latencies, Bin{x[0].Value, x[0].Count + y[0].Count})
			x, y = x[1:], y[1:]
		}
	}
	sum.Latencies = append(append(sum.Latencies, x...), y...)
	return sum
}

// The buckets of an HdrHistogram from 100 ns at 3 digits: values in units of 64 ns (the highest power of two not above 100), 2,048
// buckets of one unit, then for each doubling 1,024 buckets of twice the width. Its own index is not exported.
const (
	unitBits = 6
	halfBits = 10
)

// bucketOf is the index of a latency's bucket; indices ascend with the latency.
func bucketOf(v time.Duration) uint32 {
	units := uint64(v) >> unitBits
	shift := max(bits.Len64(units)-(halfBits+1), 0)
	return uint32(shift)<<halfBits + uint32(units>>shift)
}

// bucketTop is the highest latency in a bucket.
func bucketTop(index uint32) time.Duration {
	shift := max(int(index>>halfBits)-1, 0)
	sub := uint64(index) - uint64(shift)<<halfBits
	return time.Duration((sub+1)<<(shift+unitBits)) - 1
}

// coarseBits is by how much the latencies of blocks wider than a second are coarser than the histograms: eight of its buckets are
// one, which are 0.8 % wide at the most. Such blocks hold millions of latencies, which would fill every bucket of three digits.
const coarseBits = 3

// coarsened is the last of the buckets that a wide block counts as one with the given bucket. A group never spans a doubling.
func coarsened(bucket uint32) uint32 { return bucket | (1<<coarseBits - 1) }

// coarsenedBins makes bins of a second those of a wide block.
func coarsenedBins(bins []Bin) []Bin {
	var out []Bin
	for _, bin := range bins {
		top := bucketTop(coarsened(bucketOf(bin.Value)))
		if n := len(out); n > 0 && out[n-1].Value == top {
			out[n-1].Count += bin.Count
		} else {
			out = append(out, Bin{top, bin.Count})
		}
	}
	return out
}

// openBlock is a block that still takes samples. Latencies gather as bucket indices and are counted in batches, which costs
// less memory by far than a dense array for each second and entry.
type openBlock struct {
	outcomes [NumOutcomes]uint64
	answered uint64
	max      time.Duration
	raw      []uint32
	counts   packed
	coarse   bool
}

// rawLimit bounds the latencies waiting to be counted in a block.
const rawLimit = 4096

func (b *openBlock) add(outcome Outcome, latency time.Duration) {
	b.outcomes[outcome]++
	if outcome != OK {
		return
	}
	b.max = max(b.max, latency)
	b.raw = append(b.raw, bucketOf(latency))
	if len(b.raw) >= rawLimit {
		b.compact()
	}
}

// compact counts the gathered latencies.
func (b *openBlock) compact() {
	if len(b.raw) == 0 {
		return
	}
	if b.coarse {
		for i, bucket := range b.raw {
			b.raw[i] = coarsened(bucket)
		}
	}
	slices.Sort(b.raw)
	fresh := make([]bucketCount, 0, 256)
	for _, bucket := range b.raw {
		fresh = counted(fresh, bucketCount{bucket, 1})
	}
	b.raw = b.raw[:0]
	b.counts = mergePacked(b.counts, pack(fresh))
}

// coarsen makes a block of a second one that may be part of a wider block.
func (b *openBlock) coarsen() {
	if b.coarse {
		return
	}
	b.coarse = true
	var all []bucketCount
	for c := range b.counts.all {
		all = counted(all, bucketCount{coarsened(c.bucket), c.count})
	}
	b.counts = pack(all)
	b.compact()
}

// absorb adds another block of the same resolution, which must not be used again.
func (b *openBlock) absorb(other *openBlock) {
	b.compact()
	other.compact()
	b.counts = mergePacked(b.counts, other.counts)
	b.answered += other.answered
	b.max = max(b.max, other.max)
	for o := range b.outcomes {
		b.outcomes[o] += other.outcomes[o]
	}
}

func (b *openBlock) empty() bool { return b.answered == 0 && b.outcomes == [NumOutcomes]uint64{} }

func (b *openBlock) snapshot(start time.Duration) Block {
	b.compact()
	out := Block{Start: start, Outcomes: b.outcomes, Answered: b.answered, Max: b.max}
	for c := range b.counts.all {
		out.Latencies = append(out.Latencies, Bin{bucketTop(c.bucket), c.count})
	}
	return out
}
