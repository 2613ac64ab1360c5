package schedule

import (
	"fmt"
	"slices"
	"sort"
	"time"
)

// Trace has its hits due at the given moments, which are sorted first and may repeat. Moments before the start count as the start. It
// ends one mean gap after its last hit.
func Trace(dues []time.Duration) Schedule {
	sorted := slices.Clone(dues)
	for i := range sorted {
		sorted[i] = max(sorted[i], 0)
	}
	slices.Sort(sorted)
	return memoryTrace{dues: sorted}
}

type memoryTrace struct{ dues []time.Duration }

func (t memoryTrace) Duration() time.Duration {
	if len(t.dues) == 0 {
		return 0
	}
	return traceLength(uint64(len(t.dues)), t.dues[0], t.dues[len(t.dues)-1])
}

// traceLength is the last due time and one mean gap; a lone hit has a second.
func traceLength(hits uint64, first, last time.Duration) time.Duration {
	if hits < 2 {
		return last + time.Second
	}
	return last + max((last-first)/time.Duration(hits-1), 1)
}

func (t memoryTrace) MeanRate() float64 { return ratio(uint64(len(t.dues)), t.Duration()) }

func ratio(hits uint64, d time.Duration) float64 {
	if d <= 0 {
		return 0
	}
	return float64(hits) / d.Seconds()
}

func (t memoryTrace) String() string { return fmt.Sprintf("trace of %d hits in memory", len(t.dues)) }

func (t memoryTrace) Iterator() Iterator { return &memoryIterator{dues: t.dues} }

func (t memoryTrace) IteratorAt(from time.Duration) Iterator {
	return &memoryIterator{dues: t.dues, next: sort.Search(len(t.dues), func(i int) bool { return t.dues[i] >= from })}
}

type memoryIterator struct {
	dues []time.Duration
	next int
}

func (i *memoryIterator) Next() (Hit, bool) {
	if i.next >= len(i.dues) {
		return Hit{}, false
	}
	hit := Hit{N: uint64(i.next), Due: i.dues[i.next], Entry: AnyEntry}
	i.next++
	return hit, true
}
