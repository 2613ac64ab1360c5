package hsm

import (
	"runtime"
	"sync/atomic"
	"time"

	"trent/hsm/internal/arena"
	"trent/hsm/internal/blob"
	"trent/hsm/internal/gcm"
	"trent/hsm/internal/kdf"
	"trent/hsm/internal/token"
)

// A worker's states.
const (
	workerFree uint32 = iota
	workerBusy
)

// workerSize keeps two workers out of one pair of cache lines.
const workerSize = 128

// worker is who holds it: its scratch and slots are the holder's alone.
type worker struct {
	state   atomic.Uint32
	filled  int // slots in use
	scratch *scratch
	slots   []slot
	states  []*slotState // one a slot: beside them, so that the collector has no reason to scan slots
	_       [workerSize - 72]byte
}

// scratch is a worker's working memory, in the arena; it holds no pointers.
type scratch struct {
	token    token.Scratch
	cipher   gcm.State
	ready    slotState // a key without a slot
	mac      kdf.MACScratch
	sum      [maxSlotMaterial]byte // the MAC that another is compared with
	material [maxSlotMaterial]byte
	key      [gcm.KeySize]byte // of one ciphertext
	nonces   [blob.DerivationSize + blob.NonceSize]byte
	aad      [aadScratch]byte
	content  [blob.ContentHeader + blob.MaxPlaintext + gcm.TagSize]byte
}

// aadScratch holds header, identity and encryption context of nearly all calls, in bytes; longer ones use a
// buffer of the Call.
const aadScratch = 2048

// pool is the workers and those who wait for one.
type pool struct {
	workers []worker
	shards  uint32

	parked  atomic.Uint64
	waiters atomic.Int32
	wake    chan struct{}
	closed  atomic.Bool
}

// parkLimit bounds the wait for a worker. A worker is held for microseconds: who waits that long waits for
// a machine that does not run it.
const parkLimit = time.Second

// init makes the workers. Their array is made larger than 32 KiB, from where the runtime gives whole pages,
// so that each worker has its cache lines to itself.
func (p *pool) init(a *arena.Arena, workers, slots int) {
	p.workers = make([]worker, max(workers, (32<<10)/workerSize+1))[:workers]
	p.shards = uint32(min(runtime.NumCPU(), workers))
	p.wake = make(chan struct{}, workers)
	for i := range p.workers {
		w := &p.workers[i]
		w.scratch = arena.Take[scratch](a)
		w.slots = make([]slot, slots)
		w.states = make([]*slotState, slots)
		for j := range w.states {
			w.states[j] = arena.Take[slotState](a)
		}
	}
}

// claim takes a free worker. Errors: ErrBusy, ErrDeadline, ErrUnavailable after close.
func (p *pool) claim(c *Call) (*worker, error) {
	if w := p.sweep(c); w != nil {
		return w, nil
	}
	return p.park(c)
}

// sweep looks at every worker once, beginning with those of this CPU.
func (p *pool) sweep(c *Call) *worker {
	n := uint32(len(p.workers))
	i := c.worker
	if cpu, ok := cpuNumber(); ok {
		i = cpu % p.shards * (n / p.shards)
	}
	if i >= n {
		i = 0
	}
	for range n {
		w := &p.workers[i]
		if w.state.Load() == workerFree && w.state.CompareAndSwap(workerFree, workerBusy) {
			c.worker = i
			return w
		}
		if i++; i == n {
			i = 0
		}
	}
	return nil
}

// park waits for a release. A waiter is counted before it sweeps again, and a holder releases before it looks
// for waiters: so one of the two sees the other.
func (p *pool) park(c *Call) (*worker, error) {
	p.parked.Add(1)
	p.waiters.Add(1)
	defer p.waiters.Add(-1)
	limit, cause := parkLimit, ErrBusy
	if !c.Deadline.IsZero() {
		if left := time.Until(c.Deadline); left < limit {
			limit, cause = left, ErrDeadline
		}
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		if p.closed.Load() {
			return nil, ErrUnavailable
		}
		if w := p.sweep(c); w != nil {
			return w, nil
		}
		select {
		case <-p.wake:
		case <-timer.C:
			return nil, cause
		}
	}
}

// release gives a worker back.
func (p *pool) release(w *worker) {
	w.state.Store(workerFree)
	if p.waiters.Load() != 0 {
		select {
		case p.wake <- struct{}{}:
		default: // enough wakings are on their way
		}
	}
}

// visit claims one certain worker, for Forget and the sweep of idle slots.
func (p *pool) visit(w *worker, done <-chan struct{}) bool {
	for spins := 0; !w.state.CompareAndSwap(workerFree, workerBusy); spins++ {
		select {
		case <-done:
			return false
		default:
		}
		if spins < 100 {
			runtime.Gosched()
		} else {
			time.Sleep(50 * time.Microsecond) // its holder is not running
		}
	}
	return true
}

// close claims every worker for good.
func (p *pool) close() {
	p.closed.Store(true)
	for i := range p.workers {
		p.visit(&p.workers[i], nil)
	}
	for range cap(p.wake) {
		select {
		case p.wake <- struct{}{}:
		default:
		}
	}
}

// busy counts the workers claimed at this moment.
func (p *pool) busy() int {
	n := 0
	for i := range p.workers {
		if p.workers[i].state.Load() != workerFree {
			n++
		}
	}
	return n
}
