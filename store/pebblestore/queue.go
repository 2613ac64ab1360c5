package pebblestore

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"trent/store"
)

// Bounds of one group: large enough that a sync is shared by all who wait, small enough that one batch stays
// well below Pebble's memtable. A transaction beyond groupBytes is a group of its own.
const (
	groupTxns  = 512
	groupBytes = 4 << 20
)

// States of a request: the caller may withdraw it until the committer takes it.
const (
	requestWaiting = iota
	requestTaken
	requestWithdrawn
)

// request is one Commit on its way through the committer. It owns its bytes, because a caller whose context
// ends may leave while the committer works.
type request struct {
	require []store.Condition
	changes []change
	bytes   int
	state   atomic.Int32
	done    chan struct{} // closed once rev and err are set
	rev     store.Revision
	err     error
}

func newRequest(t store.Txn) *request {
	n := 0
	for _, c := range t.Require {
		n += len(c.Key)
	}
	for _, p := range t.Put {
		n += len(p.Key) + len(p.Value)
	}
	for _, k := range t.Delete {
		n += len(k)
	}
	buf := make([]byte, 0, n)
	keep := func(b []byte) []byte {
		start := len(buf)
		buf = append(buf, b...)
		return slices.Clip(buf[start:])
	}
	r := &request{bytes: n, done: make(chan struct{})}
	for _, c := range t.Require {
		r.require = append(r.require, store.Condition{Key: keep(c.Key), Revision: c.Revision})
	}
	for _, p := range t.Put {
		r.changes = append(r.changes, change{key: keep(p.Key), value: keep(p.Value)})
	}
	for _, k := range t.Delete {
		r.changes = append(r.changes, change{key: keep(k), deletes: true})
	}
	return r
}

func (r *request) take() bool     { return r.state.CompareAndSwap(requestWaiting, requestTaken) }
func (r *request) withdraw() bool { return r.state.CompareAndSwap(requestWaiting, requestWithdrawn) }

func (r *request) answer(rev store.Revision, err error) {
	r.rev, r.err = rev, err
	close(r.done)
}

// queue holds the requests that wait for the committer. The zero value with a wake channel of capacity 1 is ready.
type queue struct {
	mu     sync.Mutex
	waits  []*request
	closed bool
	wake   chan struct{}
}

// push fails once the queue is closed.
func (q *queue) push(r *request) bool {
	q.mu.Lock()
	ok := !q.closed
	if ok {
		q.waits = append(q.waits, r)
	}
	q.mu.Unlock()
	q.signal()
	return ok
}

// next waits for requests and moves the next group of them into group[:0]; none: closed and drained.
func (q *queue) next(group []*request) []*request {
	group = group[:0]
	for {
		q.mu.Lock()
		size, n := 0, 0
		for _, r := range q.waits {
			if len(group) == groupTxns || size > 0 && size+r.bytes > groupBytes {
				break
			}
			if n++; r.take() {
				group = append(group, r)
				size += r.bytes
			}
		}
		q.waits = slices.Delete(q.waits, 0, n)
		drained := q.closed && len(q.waits) == 0
		q.mu.Unlock()
		if len(group) > 0 || drained {
			return group
		}
		<-q.wake
	}
}

// waiting is how many requests the committer has not taken yet.
func (q *queue) waiting() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waits)
}

// close refuses all further requests; those already waiting are still served.
func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.signal()
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// Commit implements store.Store.
func (s *Store) Commit(ctx context.Context, t store.Txn) (store.Revision, error) {
	if err := t.Check(); err != nil {
		return 0, err
	}
	if err := ctx.Err(); err != nil {
		return 0, unavailable("committing", err)
	}
	r := newRequest(t)
	if !s.queue.push(r) {
		return 0, unavailable("committing", s.cause())
	}
	var cause error
	select {
	case <-r.done:
		return r.rev, r.err
	case <-ctx.Done():
		cause = ctx.Err()
	case <-s.failed:
		cause = s.cause()
	}
	if r.withdraw() {
		return 0, unavailable("committing", cause)
	}
	select {
	case <-r.done: // the answer came at the same moment
		return r.rev, r.err
	default:
		return 0, ambiguous(cause)
	}
}
