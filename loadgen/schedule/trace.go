package schedule

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"sort"
	"strconv"
	"time"
)

// Trace has its hits due at the given moments, which are sorted first and may repeat. Moments before the start count as the start. It
// ends one mean gap after its last hit.
func Trace(dues []time.Duration) Schedule {
	sorted := slices.Clone(dues)
	slices.Sort(sorted)
	t := memoryTrace{hits: make([]Hit, len(sorted))}
	for i, due := range sorted {
		t.hits[i] = Hit{N: uint64(i), Due: max(due, 0), Entry: AnyEntry}
	}
	if n := len(t.hits); n > 0 {
		t.length = traceLength(uint64(n), t.hits[0].Due, t.hits[n-1].Due)
	}
	return t
}

// WriteTrace writes the hits of a schedule as a trace file. It fails where there are more than most.
func WriteTrace(w io.Writer, s Schedule, most uint64) error {
	out := bufio.NewWriter(w)
	var line []byte
	for it := s.Iterator(); ; {
		hit, ok := it.Next()
		if !ok {
			break
		}
		if hit.N >= most {
			return fmt.Errorf("writing a trace: more than %d hits", most)
		}
		line = strconv.AppendInt(line[:0], int64(hit.Due/time.Second), 10)
		line = fmt.Appendf(line, ".%09d", hit.Due%time.Second)
		if hit.Entry != AnyEntry {
			line = strconv.AppendInt(append(line, ' '), int64(hit.Entry), 10)
		}
		if _, err := out.Write(append(line, '\n')); err != nil {
			return fmt.Errorf("writing a trace: %w", err)
		}
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("writing a trace: %w", err)
	}
	return nil
}

// ReadTrace reads the text of a trace into memory, as a schedule of a length that all hits lie within. It fails where there are more
// than most hits.
func ReadTrace(r io.Reader, length time.Duration, most uint64) (Schedule, error) {
	t := memoryTrace{length: length}
	for in := NewTraceReader(r); ; {
		hit, err := in.Read()
		switch {
		case err == io.EOF:
			return t, nil
		case err != nil:
			return nil, fmt.Errorf("reading a trace: %w", err)
		case hit.N >= most:
			return nil, fmt.Errorf("reading a trace: more than %d hits", most)
		case hit.Due >= length:
			return nil, fmt.Errorf("reading a trace: a hit at %v of %v", hit.Due, length)
		}
		t.hits = append(t.hits, hit)
	}
}

// memoryTrace is a trace in memory.
type memoryTrace struct {
	hits   []Hit
	length time.Duration
}

// traceLength is the last due time and one mean gap; a lone hit has a second.
func traceLength(hits uint64, first, last time.Duration) time.Duration {
	if hits < 2 {
		return last + time.Second
	}
	return last + max((last-first)/time.Duration(hits-1), 1)
}

func (t memoryTrace) Duration() time.Duration { return t.length }
func (t memoryTrace) MeanRate() float64       { return ratio(uint64(len(t.hits)), t.length) }

func ratio(hits uint64, d time.Duration) float64 {
	if d <= 0 {
		return 0
	}
	return float64(hits) / d.Seconds()
}

func (t memoryTrace) String() string { return fmt.Sprintf("trace of %d hits in memory", len(t.hits)) }

// Entries is described at FileTrace.
func (t memoryTrace) Entries() int {
	entries := 0
	for i := range t.hits {
		entries = max(entries, int(t.hits[i].Entry)+1)
	}
	return entries
}

func (t memoryTrace) Iterator() Iterator { return &memoryIterator{left: t.hits} }

func (t memoryTrace) IteratorAt(from time.Duration) Iterator {
	return &memoryIterator{left: t.hits[sort.Search(len(t.hits), func(i int) bool { return t.hits[i].Due >= from }):]}
}

type memoryIterator struct{ left []Hit }

func (i *memoryIterator) Next() (Hit, bool) {
	if len(i.left) == 0 {
		return Hit{}, false
	}
	hit := i.left[0]
	i.left = i.left[1:]
	return hit, true
}
