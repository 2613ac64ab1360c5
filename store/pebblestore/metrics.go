package pebblestore

import (
	"errors"
	"sync/atomic"
	"time"

	"trent/store"
)

// Metrics are totals since Open, except where they say "now".
type Metrics struct {
	Commits        uint64 // transactions that became durable and changed something
	Conflicts      uint64 // transactions refused by a condition
	Groups         uint64 // synced batches
	BytesCommitted uint64 // keys and values of the durable transactions
	GroupSize      Histogram
	SyncSeconds    Histogram // writing and syncing one batch
	Watches        int64     // open now
	Waiting        int       // transactions that wait for the committer now
	Head, Floor    store.Revision
}

// Histogram counts observations by upper bound, as Prometheus does but not cumulative.
type Histogram struct {
	Bounds []float64 // inclusive, ascending
	Counts []uint64  // one more than Bounds: the last counts what is above them all
	Sum    float64
}

// Metrics reads the counters. It may be called in any state, also after Close.
func (s *Store) Metrics() Metrics {
	m := Metrics{
		Commits:        s.meter.commits.Load(),
		Conflicts:      s.meter.conflicts.Load(),
		Groups:         s.meter.groups.Load(),
		BytesCommitted: s.meter.bytes.Load(),
		GroupSize:      s.meter.sizes.read(1),
		SyncSeconds:    s.meter.syncs.read(float64(time.Second)),
		Watches:        s.meter.watches.Load(),
		Waiting:        s.queue.waiting(),
	}
	if v := s.current.Load(); v != nil {
		m.Head, m.Floor = v.head, v.floor
	}
	return m
}

type meter struct {
	commits, conflicts, groups, bytes atomic.Uint64
	watches                           atomic.Int64
	sizes                             histogram // transactions
	syncs                             histogram // nanoseconds
}

// The bounds double, from one transaction and from 32 µs to about a second.
const (
	sizeFirst = 1
	syncFirst = 32 << 10
)

func (m *meter) init() {
	m.sizes.first = sizeFirst
	m.syncs.first = syncFirst
}

func (m *meter) sync(d time.Duration) { m.syncs.add(uint64(d)) }

func (m *meter) group(requests []*request, results []result, synced bool) {
	var commits, conflicts, bytes uint64
	for i, r := range results {
		switch {
		case r.writes:
			commits++
			bytes += uint64(requests[i].bytes)
		case errors.Is(r.err, store.ErrConflict):
			conflicts++
		}
	}
	m.commits.Add(commits)
	m.conflicts.Add(conflicts)
	m.bytes.Add(bytes)
	if synced {
		m.groups.Add(1)
		m.sizes.add(commits)
	}
}

const histogramBounds = 16

// histogram has bounds first, 2·first, 4·first, …
type histogram struct {
	first  uint64
	sum    atomic.Uint64
	counts [histogramBounds + 1]atomic.Uint64
}

func (h *histogram) add(n uint64) {
	i := 0
	for bound := h.first; i < histogramBounds && n > bound; i++ {
		bound *= 2
	}
	h.counts[i].Add(1)
	h.sum.Add(n)
}

// read returns the counts, with bounds and sum divided by unit.
func (h *histogram) read(unit float64) Histogram {
	out := Histogram{Sum: float64(h.sum.Load()) / unit}
	bound := h.first
	for i := range h.counts {
		if i < histogramBounds {
			out.Bounds = append(out.Bounds, float64(bound)/unit)
		}
		out.Counts = append(out.Counts, h.counts[i].Load())
		bound *= 2
	}
	return out
}
