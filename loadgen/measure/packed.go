package measure

import "encoding/binary"

// bucketCount is so many latencies in a bucket.
type bucketCount struct {
	bucket uint32
	count  uint64
}

// packed is bucketCounts in ascending order, as varints: how far the bucket lies after the one before, and the count. Most take
// two or three bytes.
type packed []byte

// all iterates over the counts.
func (p packed) all(yield func(bucketCount) bool) {
	bucket := uint32(0)
	for len(p) > 0 {
		step, n := binary.Uvarint(p)
		count, m := binary.Uvarint(p[n:])
		p = p[n+m:]
		bucket += uint32(step)
		if !yield(bucketCount{bucket, count}) {
			return
		}
	}
}

func pack(counts []bucketCount) packed {
	scratch := make([]byte, 0, 4*len(counts))
	last := uint32(0)
	for _, c := range counts {
		scratch = binary.AppendUvarint(scratch, uint64(c.bucket-last))
		scratch = binary.AppendUvarint(scratch, c.count)
		last = c.bucket
	}
	return append(packed(nil), scratch...)
}

// counted appends a count to ascending ones, adding it to the last where that is of the same bucket.
func counted(all []bucketCount, c bucketCount) []bucketCount {
	if n := len(all); n > 0 && all[n-1].bucket == c.bucket {
		all[n-1].count += c.count
		return all
	}
	return append(all, c)
}

func mergePacked(a, b packed) packed {
	switch {
	case len(a) == 0:
		return b
	case len(b) == 0:
		return a
	}
	all := make([]bucketCount, 0, (len(a)+len(b))/2)
	var rest []bucketCount
	for c := range b.all {
		rest = append(rest, c)
	}
	for c := range a.all {
		for len(rest) > 0 && rest[0].bucket <= c.bucket {
			all, rest = counted(all, rest[0]), rest[1:]
		}
		all = counted(all, c)
	}
	return pack(append(all, rest...))
}
