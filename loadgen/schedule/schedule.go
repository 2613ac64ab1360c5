// Package schedule says when the hits of a load test are due.
//
// A schedule is a pure description; its iterators give absolute due times from the start of the run, in ascending order, and
// two iterators of one schedule give the same times. Nothing here sleeps, reads a clock or knows what a hit does: executing a
// schedule is the engine's part. Schedules are immutable and safe for concurrent use; an iterator belongs to one goroutine
// and none is started here.
//
// Every schedule but a trace is a cumulative curve N(t), the number of hits asked for by time t. A deterministic schedule puts hit
// n (n = 0, 1, …) where N(t) = n, for all n < N(duration), so that it has exactly ⌈N(duration)⌉ hits. A Poisson schedule puts its
// hits where N(t) passes the points of a Poisson process of rate 1, as far as they lie before the end: the time change of a
// unit-rate Poisson process, which is a Poisson process of rate N′(t). A trace lists its due times.
//
// A schedule can be entered at any moment: IteratorAt gives the same hits, with the same numbers and due times, as an iterator that
// came there from the start. Partition splits a schedule over agents.
//
// Nothing here starts a goroutine. A rate is in hits a second. A due time is correct to 1 ns in the first day of a schedule (float64 arithmetic).
package schedule

import (
	"math"
	"sort"
	"strconv"
	"time"
)

// MaxRate is the highest rate Parse accepts, in hits a second.
const MaxRate = 10_000_000

// MaxDuration is the longest schedule Parse accepts.
const MaxDuration = 30 * 24 * time.Hour

// Schedule is when the hits of a run are due.
type Schedule interface {
	// Iterator starts again at the first hit.
	Iterator() Iterator
	// IteratorAt starts at the first hit that is due at a moment or after it.
	IteratorAt(from time.Duration) Iterator
	// String is the canonical specification: Parse(s.String(), seed) gives an equal schedule. The seed is not part of it. A trace in
	// memory and a share of a schedule have none; what they return is for people.
	String() string
	// Duration is the length of the run. Every hit is due before it.
	Duration() time.Duration
	// MeanRate is the asked-for mean rate over the duration, in hits a second (the expectation for a Poisson schedule).
	MeanRate() float64
}

// Hit is one request that is due.
type Hit struct {
	// N is the hit's number in the whole schedule, from 0. What a hit sends depends on it, so it stays the same for an iterator that
	// starts late or leaves hits out.
	N   uint64
	Due time.Duration // since the start of the run
	// Entry is the index in the workload's mix of what the hit sends, or AnyEntry.
	Entry int32
}

// AnyEntry is the Entry of a hit whose schedule does not say what is sent: the workload's mix does.
const AnyEntry int32 = -1

// Iterator gives the hits in order, without allocation.
type Iterator interface {
	// Next returns the next hit; ok is false after the last one.
	Next() (hit Hit, ok bool)
}

// Count returns how many hits of s are due in [from, to), by its own realisation.
func Count(s Schedule, from, to time.Duration) uint64 {
	var n uint64
	for it := s.IteratorAt(from); ; {
		hit, ok := it.Next()
		if !ok || hit.Due >= to {
			return n
		}
		n++
	}
}

// shape is a non-decreasing cumulative curve N(t).
type shape interface {
	total() float64           // N(duration)
	at(n float64) float64     // seconds at which N(t) reaches n, for 0 ≤ n < total
	duration() time.Duration  //
	appendSpec([]byte) []byte // without the trailing duration
	specHasDuration() bool    // the spec says the duration itself
}

// even is a deterministic schedule over a shape.
type even struct{ shape shape }

func (e even) Duration() time.Duration { return e.shape.duration() }
func (e even) MeanRate() float64       { return meanRate(e.shape) }
func (e even) String() string          { return specOf("", e.shape) }

func (e even) Iterator() Iterator { return e.iterator() }

func (e even) iterator() *evenIterator {
	// The slack absorbs the rounding of rate × duration, so that 0.1/s for 10 s is one hit, not two.
	hits := math.Ceil(e.shape.total() - 1e-9)
	return &evenIterator{shape: e.shape, stride: 1, hits: uint64(max(hits, 0)), last: e.shape.duration() - 1}
}

func (e even) IteratorAt(from time.Duration) Iterator { return e.iteratorAt(from) }

func (e even) iteratorAt(from time.Duration) *evenIterator {
	i := e.iterator()
	i.next = uint64(sort.Search(int(i.hits), func(n int) bool { return i.due(uint64(n)) >= from }))
	return i
}

type evenIterator struct {
	shape  shape
	next   uint64
	stride uint64
	hits   uint64
	last   time.Duration // latest due time allowed
}

func (i *evenIterator) due(n uint64) time.Duration {
	return min(seconds(i.shape.at(float64(n))), i.last)
}

func (i *evenIterator) Next() (Hit, bool) {
	if i.next >= i.hits {
		return Hit{}, false
	}
	hit := Hit{N: i.next, Due: i.due(i.next), Entry: AnyEntry}
	i.next += i.stride
	return hit, true
}

func meanRate(s shape) float64 {
	d := s.duration().Seconds()
	if d <= 0 {
		return 0
	}
	return s.total() / d
}

func specOf(prefix string, s shape) string {
	spec := s.appendSpec([]byte(prefix))
	if !s.specHasDuration() {
		spec = append(spec, ' ')
		spec = append(spec, s.duration().String()...)
	}
	return string(spec)
}

func seconds(s float64) time.Duration {
	return time.Duration(math.Round(s * float64(time.Second)))
}

// sane makes a rate of a caller usable: what is no positive number asks for no hits.
func sane(rate float64) float64 {
	if !(rate > 0) || math.IsInf(rate, 0) {
		return 0
	}
	return rate
}

func appendRate(dst []byte, rate float64) []byte {
	return strconv.AppendFloat(dst, rate, 'f', -1, 64)
}
