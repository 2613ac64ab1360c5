package engine

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// queue releases the hits of a schedule when they are due and hands them to connections: first come, first served, and the
// connection that has been idle longest takes the next hit, so that all of them are used. Hits are released by whoever looks: by
// pace, which sleeps until there is something to release, and by each worker that asks for its next hit, which on a busy core
// comes sooner than a wake-up. Its lock is held for the release of a batch at most. The backlog keeps its room.
type queue struct {
	now func() time.Duration
	due *atomic.Uint64 // hits released

	mu         sync.Mutex
	pacer      *pacer // nil: hits are pushed only
	backlogged fifo
	most       int // largest backlog so far
	idle       []*worker
	first      int // next of idle to take
	waiting    int // in idle
	closed     bool
}

// worker is one end of the queue. A hit comes through its channel when it waited for one.
type worker struct{ wake chan pending }

func newWorker() *worker { return &worker{wake: make(chan pending, 1)} }

func newQueue(workers int, p *pacer, now func() time.Duration, due *atomic.Uint64) *queue {
	return &queue{idle: make([]*worker, workers), pacer: p, now: now, due: due}
}

// batch bounds the hits released under one hold of the lock and by one reading of the clock.
const batch = 32

// pace releases the hits of the schedule until the last one or the end of ctx, and closes the queue.
func (q *queue) pace(ctx context.Context, c clock) {
	defer q.close()
	for ctx.Err() == nil {
		now := q.now()
		q.mu.Lock()
		full := q.release(now)
		more := q.pacer.more
		moment, spin := q.pacer.wakeUp(now)
		q.mu.Unlock()
		if !more || !full && !c.until(ctx, moment, spin) {
			return
		}
	}
}

// release hands over what is due by now, a batch at the most; it reports whether it stopped for that. The lock must be held.
func (q *queue) release(now time.Duration) (full bool) {
	if q.pacer == nil || q.closed {
		return false
	}
	n := 0
	for ; n < batch; n++ {
		hit, ok := q.pacer.take(now)
		if !ok {
			break
		}
		q.push(hit)
	}
	if n > 0 {
		q.due.Add(uint64(n))
	}
	return n == batch
}

// push hands a hit over: to an idle worker, or to the backlog. The lock must be held.
func (q *queue) push(hit pending) {
	if q.waiting > 0 {
		w := q.idle[q.first]
		if q.first++; q.first == len(q.idle) {
			q.first = 0
		}
		q.waiting--
		hit.free = true
		w.wake <- hit // has room: an idle worker's channel is empty
		return
	}
	q.backlogged.push(hit)
	q.most = max(q.most, q.backlogged.count)
}

// pop takes the next hit, waiting for one if need be; ok is false once the queue is closed and empty.
func (q *queue) pop(w *worker) (hit pending, ok bool) {
	now := q.now()
	q.mu.Lock()
	q.release(now)
	if hit, ok = q.backlogged.pop(); ok {
		q.mu.Unlock()
		return hit, true
	}
	if q.closed {
		q.mu.Unlock()
		return pending{}, false
	}
	q.idle[(q.first+q.waiting)%len(q.idle)] = w
	q.waiting++
	q.mu.Unlock()
	hit, ok = <-w.wake
	return hit, ok
}

// close says that no hit will be released any more.
func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	for ; q.waiting > 0; q.waiting-- {
		close(q.idle[q.first].wake)
		q.first = (q.first + 1) % len(q.idle)
	}
	q.mu.Unlock()
}

// backlog is the largest number of hits that waited at one time.
func (q *queue) backlog() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.most
}
