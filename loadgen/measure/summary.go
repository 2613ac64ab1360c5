package measure

import (
	"maps"
	"math"
	"slices"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// Summary is everything a run measured. It is a copy: nothing changes it but Merge.
type Summary struct {
	Entries []Entry
	// Errors counts the hits that were not OK by the name of their error, over all entries.
	Errors map[string]uint64
	// Clamped counts recorded values outside [Lowest, Highest].
	Clamped uint64
	// Width is the width of a block: 1 s, doubled each time a run outgrew Config.MaxBlocks.
	Width time.Duration
	// MaxBlocks is the configuration's, for Merge.
	MaxBlocks int
}

// Entry is what was measured of one entry of the workload.
type Entry struct {
	Name     string
	Outcomes [NumOutcomes]Distribution
	// Lags of the hits that were sent (pacer lag: of all handed over).
	Pacer, Wait, Send, Client *hdr.Histogram // nil without a value; ns
	Errors                    map[string]uint64
	// Blocks are the hits by the second they were due in, ascending. Where nothing was due and nothing answered there is none; the
	// last ones may have answers only.
	Blocks []Block
}

// Distribution is the hits of one outcome.
type Distribution struct {
	Count uint64
	// Latency from due and service time from first byte written, in ns, of the hits that have them; nil without any.
	Latency, Service *hdr.Histogram
}

// Asked is the number of hits due in all entries.
func (s *Summary) Asked() uint64 {
	var n uint64
	for o := range NumOutcomes {
		n += s.Count(o)
	}
	return n
}

// Count is the number of hits with an outcome in all entries.
func (s *Summary) Count(o Outcome) uint64 {
	var n uint64
	for i := range s.Entries {
		n += s.Entries[i].Outcomes[o].Count
	}
	return n
}

// Asked is the number of hits of the entry that were due.
func (e *Entry) Asked() uint64 {
	var n uint64
	for o := range e.Outcomes {
		n += e.Outcomes[o].Count
	}
	return n
}

// Latency is the histogram of all entries' latencies with the outcome, nil without any.
func (s *Summary) Latency(o Outcome) *hdr.Histogram {
	return s.merged(func(e *Entry) *hdr.Histogram { return e.Outcomes[o].Latency })
}

// Service is the histogram of all entries' service times with the outcome, nil without any.
func (s *Summary) Service(o Outcome) *hdr.Histogram {
	return s.merged(func(e *Entry) *hdr.Histogram { return e.Outcomes[o].Service })
}

// PacerLag, WaitLag, SendLag and ClientLag are the lags over all entries, nil without any.
func (s *Summary) PacerLag() *hdr.Histogram {
	return s.merged(func(e *Entry) *hdr.Histogram { return e.Pacer })
}

// WaitLag is described at PacerLag.
func (s *Summary) WaitLag() *hdr.Histogram {
	return s.merged(func(e *Entry) *hdr.Histogram { return e.Wait })
}

// SendLag is described at PacerLag.
func (s *Summary) SendLag() *hdr.Histogram {
	return s.merged(func(e *Entry) *hdr.Histogram { return e.Send })
}

// ClientLag is described at PacerLag: pacer lag and send lag of each hit together, what may void a run.
func (s *Summary) ClientLag() *hdr.Histogram {
	return s.merged(func(e *Entry) *hdr.Histogram { return e.Client })
}

func (s *Summary) merged(of func(*Entry) *hdr.Histogram) *hdr.Histogram {
	var all *hdr.Histogram
	for i := range s.Entries {
		all = mergeHistogram(all, of(&s.Entries[i]))
	}
	return all
}

// mergeHistogram adds from to into, which it makes or returns; neither shares memory with the other.
func mergeHistogram(into, from *hdr.Histogram) *hdr.Histogram {
	switch {
	case from == nil:
		return into
	case into == nil:
		return clone(from)
	}
	into.Merge(from)
	return into
}

func clone(h *hdr.Histogram) *hdr.Histogram {
	if h == nil {
		return nil
	}
	return hdr.Import(h.Export())
}

// Rank returns the value of h with the given rank (1 is the smallest) as the highest value of its bucket.
func Rank(h *hdr.Histogram, rank uint64) time.Duration {
	// The library looks for the count ⌊q ÷ 100 × total + 0.5⌋; a quotient of integers below 2⁵² finds the rank again.
	return time.Duration(h.ValueAtQuantile(100 * float64(rank) / float64(h.TotalCount())))
}

// Quantile returns the q-quantile (0 < q ≤ 1, nearest rank) of a histogram, 0 without one.
func Quantile(h *hdr.Histogram, q float64) time.Duration {
	if h == nil || h.TotalCount() == 0 {
		return 0
	}
	return Rank(h, rankOf(q, uint64(h.TotalCount())))
}

func rankOf(q float64, total uint64) uint64 {
	return min(max(uint64(math.Ceil(q*float64(total)-1e-9)), 1), total)
}

// Infinite is the judged latency of a hit without a good answer.
const Infinite time.Duration = math.MaxInt64

// Judged returns the q-quantile of latency over all hits due: what was not OK ranks as infinite, so that the result is Infinite
// where more than a share 1 − q had no good answer. With withoutThrottled, throttled hits are left out of the ranking.
// It is 0 without hits.
func (s *Summary) Judged(q float64, withoutThrottled bool) time.Duration {
	return judged(s.Latency(OK), s.Asked(), s.Count(Throttled), q, withoutThrottled)
}

// Judged is Summary.Judged for one entry.
func (e *Entry) Judged(q float64, withoutThrottled bool) time.Duration {
	return judged(e.Outcomes[OK].Latency, e.Asked(), e.Outcomes[Throttled].Count, q, withoutThrottled)
}

func judged(ok *hdr.Histogram, asked, throttled uint64, q float64, withoutThrottled bool) time.Duration {
	if withoutThrottled {
		asked -= throttled
	}
	if asked == 0 {
		return 0
	}
	rank := rankOf(q, asked)
	if ok == nil || rank > uint64(ok.TotalCount()) {
		return Infinite
	}
	return Rank(ok, rank)
}

// Merge adds what another recorder measured of the same run: for any partition of the samples over recorders the merged
// histograms equal those of a single one, bit for bit. It fails with ErrDiffers, changing nothing, where the entries, or the limits or
// digits of the histograms, differ.
func (s *Summary) Merge(other *Summary) error {
	if err := s.comparable(other); err != nil {
		return err
	}
	width := max(s.Width, other.Width)
	for i := range s.Entries {
		s.Entries[i].merge(&other.Entries[i], s.Width, other.Width, width)
	}
	s.Errors = mergeCounts(s.Errors, other.Errors)
	s.Clamped += other.Clamped
	s.Width = width
	return nil
}

func (e *Entry) merge(other *Entry, width, otherWidth, to time.Duration) {
	for o := range e.Outcomes {
		mine, theirs := &e.Outcomes[o], &other.Outcomes[o]
		mine.Count += theirs.Count
		mine.Latency = mergeHistogram(mine.Latency, theirs.Latency)
		mine.Service = mergeHistogram(mine.Service, theirs.Service)
	}
	e.Pacer = mergeHistogram(e.Pacer, other.Pacer)
	e.Wait = mergeHistogram(e.Wait, other.Wait)
	e.Send = mergeHistogram(e.Send, other.Send)
	e.Client = mergeHistogram(e.Client, other.Client)
	e.Errors = mergeCounts(e.Errors, other.Errors)
	e.Blocks = unite(widen(e.Blocks, width, to), widen(other.Blocks, otherWidth, to))
}

func mergeCounts(into, from map[string]uint64) map[string]uint64 {
	all := maps.Clone(into)
	if all == nil {
		all = map[string]uint64{}
	}
	for name, n := range from {
		all[name] += n
	}
	return all
}

// ErrorNames lists the names of a count, most frequent first.
func ErrorNames(counts map[string]uint64) []string {
	names := slices.Sorted(maps.Keys(counts))
	slices.SortStableFunc(names, func(a, b string) int {
		switch {
		case counts[a] > counts[b]:
			return -1
		case counts[a] < counts[b]:
			return 1
		}
		return 0
	})
	return names
}
