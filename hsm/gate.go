package hsm

import (
	"container/list"
	"sync"
	"time"
)

// gate bounds how many slow operations (RSA and ML-DSA with the private key, generation of asymmetric keys) run at a
// time, so that they do not starve the fast ones: permits, taken first in, first out.
type gate struct {
	mu      sync.Mutex
	permits int
	busy    int
	queue   list.List // of chan struct{}, closed when its turn has come
	waits   uint64
	waited  time.Duration
	closed  bool
}

// enter takes a permit, waiting for one until the deadline (zero: for ever). Errors: ErrDeadline, and
// ErrUnavailable after close; the caller then has no permit.
func (g *gate) enter(deadline time.Time) error {
	g.mu.Lock()
	if g.closed {
		g.mu.Unlock()
		return ErrUnavailable
	}
	if g.busy < g.permits && g.queue.Len() == 0 {
		g.busy++
		g.mu.Unlock()
		return nil
	}
	turn := make(chan struct{})
	place := g.queue.PushBack(turn)
	g.waits++
	g.mu.Unlock()

	began := time.Now()
	var timeout <-chan time.Time
	if !deadline.IsZero() {
		timer := time.NewTimer(time.Until(deadline))
		defer timer.Stop()
		timeout = timer.C
	}
	select {
	case <-turn:
	case <-timeout:
	}

	g.mu.Lock()
	defer g.mu.Unlock()
	g.waited += time.Since(began)
	select {
	case <-turn: // the permit is ours, also when the deadline passed at the same moment
		return nil
	default:
		g.queue.Remove(place)
		return ErrDeadline
	}
}

// leave gives a permit back, to the first in the queue if there is one.
func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if first := g.queue.Front(); first != nil {
		close(g.queue.Remove(first).(chan struct{}))
		return
	}
	g.busy--
}

// close refuses whoever comes from now on.
func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
}

// report adds the gate's figures to a Status.
func (g *gate) report(s *Status) {
	g.mu.Lock()
	defer g.mu.Unlock()
	s.Engines, s.EnginesBusy, s.EngineQueue = g.permits, g.busy, g.queue.Len()
	s.EngineWaits, s.EngineWaited = g.waits, g.waited
}
