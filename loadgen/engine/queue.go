package engine

import "sync"

// queue hands hits to connections: first come, first served, and the connection that has been idle longest takes the next hit,
// so that all of them are used. Its lock is held for a few instructions. It grows with the backlog and keeps its room.
type queue struct {
	mu      sync.Mutex
	ring    []pending // length is a power of two
	head    int       // next to take
	count   int
	most    int // largest count so far
	idle    []*worker
	first   int // next of idle to take
	waiting int // in idle
	closed  bool
}

// worker is one end of the queue. A hit comes through its channel when it waited for one.
type worker struct{ wake chan pending }

func newWorker() *worker { return &worker{wake: make(chan pending, 1)} }

func newQueue(workers int) *queue {
	return &queue{ring: make([]pending, 1024), idle: make([]*worker, workers)}
}

// push hands a hit over: to an idle worker, or to the backlog.
func (q *queue) push(hit pending) {
	q.mu.Lock()
	if q.waiting > 0 {
		w := q.idle[q.first]
		q.first = (q.first + 1) % len(q.idle)
		q.waiting--
		q.mu.Unlock()
		hit.free = true
		w.wake <- hit
		return
	}
	if q.count == len(q.ring) {
		q.grow()
	}
	q.ring[(q.head+q.count)&(len(q.ring)-1)] = hit
	q.count++
	q.most = max(q.most, q.count)
	q.mu.Unlock()
}

func (q *queue) grow() {
	ring := make([]pending, 2*len(q.ring))
	n := copy(ring, q.ring[q.head:])
	copy(ring[n:], q.ring[:q.head])
	q.ring, q.head = ring, 0
}

// pop takes the next hit, waiting for one if need be; ok is false once the queue is closed and empty.
func (q *queue) pop(w *worker) (hit pending, ok bool) {
	q.mu.Lock()
	if q.count > 0 {
		hit = q.ring[q.head]
		q.head = (q.head + 1) & (len(q.ring) - 1)
		q.count--
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

// close says that no hit will be pushed any more.
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
