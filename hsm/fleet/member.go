package fleet

import (
	"context"
	"errors"
	"hash/fnv"
	"sync"
	"sync/atomic"
	"time"

	"trent/hsm"
)

// member is a module with what the fleet knows of it. Its watch brings it into service; calls and the watch take it
// out; Drain and Restore move drained.
type member struct {
	Member
	seed  uint64
	index uint8

	_        [64]byte // counts of calls have a cache line of their own
	inFlight atomic.Int64
	calls    atomic.Uint64
	failed   atomic.Uint64
	_        [64]byte

	up      atomic.Bool
	drained atomic.Bool
	strikes atomic.Uint32 // failures in a row
	why     atomic.Pointer[error]
	kick    chan struct{}

	// delivering is held by whoever brings the newest domain token; delivered is when that last worked.
	delivering sync.Mutex
	delivered  time.Time

	// debts guards owed, the materials to forget before it serves, and every step of up to true.
	debts sync.Mutex
	owed  map[hsm.MaterialID]struct{}
}

// newMember is a member that is not in service yet.
func newMember(m Member, index int) *member {
	h := fnv.New64a()
	h.Write([]byte(m.Name))
	return &member{Member: m, seed: h.Sum64(), index: uint8(index), kick: make(chan struct{}, 1), owed: map[hsm.MaterialID]struct{}{}}
}

// serving says whether new calls may go there.
func (m *member) serving() bool { return m.up.Load() && !m.drained.Load() }

// out takes a member out of service and has its watch look at it. Of many calls that fail together one counts.
func (m *member) out(why error) {
	if m.up.CompareAndSwap(true, false) {
		m.why.Store(&why)
		m.strikes.Add(1)
		m.look()
	}
}

// look wakes the watch.
func (m *member) look() {
	select {
	case m.kick <- struct{}{}:
	default: // it is about to look
	}
}

// pause is how long the watch waits before it asks a member that failed.
func (m *member) pause() time.Duration {
	return min(firstPause<<min(m.strikes.Load(), 10), lastPause)
}

// watch owns the way of a member into service. It probes at intervals, at once when a call failed there, and ever
// more seldom while it does not answer.
func (f *Fleet) watch(ctx context.Context, m *member) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-m.kick:
			if !m.up.Load() && !wait(ctx, m.pause()) {
				return
			}
		}
		if f.probe(ctx, m) {
			timer.Reset(f.o.Probe)
		} else {
			timer.Reset(m.pause())
		}
	}
}

// wait sleeps; false: ctx is done.
func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// errUnhealthy is a module that answers but says it cannot serve.
var errUnhealthy = errors.New("it reports itself unhealthy")

// probe asks a member how it is and moves it into service or out.
func (f *Fleet) probe(ctx context.Context, m *member) bool {
	was := m.up.Load()
	limited, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	err := f.ready(limited, m)
	if ctx.Err() != nil {
		return false
	}
	if err != nil {
		m.why.Store(&err)
		m.strikes.Add(1)
		m.up.Store(false)
		if was {
			f.o.Logger("module %s is out of service: %v", m.Name, err)
		}
		return false
	}
	if !was {
		f.o.Logger("module %s is in service", m.Name)
		f.announce()
	}
	return true
}

// ready says whether a member can serve; if it only lacks the domain's state, that is brought.
func (f *Fleet) ready(ctx context.Context, m *member) error {
	status, err := m.Module.Status(ctx)
	if err != nil && !errors.Is(err, hsm.ErrOutOfService) {
		return err
	}
	if err != nil || !status.Healthy {
		if f.o.Deliver == nil {
			return errors.Join(errUnhealthy, err)
		}
		if err := f.o.Deliver(ctx, m.Member); err != nil {
			return err
		}
		if status, err = m.Module.Status(ctx); err != nil {
			return err
		}
		if !status.Healthy {
			return errUnhealthy
		}
	}
	return m.rise(ctx)
}

// deliver brings the newest domain state to a member that met a token it does not know. It runs at most once a second
// for a member: tokens that belong nowhere must not make traffic.
func (f *Fleet) deliver(ctx context.Context, m *member) bool {
	if f.o.Deliver == nil {
		return false
	}
	m.delivering.Lock()
	defer m.delivering.Unlock()
	if time.Since(m.delivered) < time.Second {
		return true // somebody has just done it
	}
	if err := f.o.Deliver(ctx, m.Member); err != nil {
		f.o.Logger("bringing the domain's state to module %s failed: %v", m.Name, err)
		return false
	}
	m.delivered = time.Now()
	return true
}

// rise has a member forget what it owes and brings it into service.
func (m *member) rise(ctx context.Context) error {
	m.debts.Lock()
	defer m.debts.Unlock()
	for id := range m.owed {
		if err := m.Module.Forget(ctx, id); err != nil {
			return err
		}
		delete(m.owed, id)
	}
	m.up.Store(true)
	return nil
}

// owes notes what a member that is out has to forget; false: it is in service, and can be told.
func (m *member) owes(id hsm.MaterialID) bool {
	m.debts.Lock()
	defer m.debts.Unlock()
	if m.up.Load() {
		return false
	}
	m.owed[id] = struct{}{}
	return true
}

// outOwing is out, owing a material.
func (m *member) outOwing(id hsm.MaterialID, why error) {
	m.debts.Lock()
	defer m.debts.Unlock()
	m.owed[id] = struct{}{}
	m.out(why)
}
