package fleet

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"trent/hsm"
)

// MaxMembers is how many modules a fleet may have: as many as a domain. (A cluster of AWS CloudHSM has up to 28.)
const MaxMembers = 64

// Member is a module under a name, which metrics and errors show.
type Member struct {
	Name   string
	Module hsm.Module
}

// Options of a Fleet. The zero value of everything but Members is a default.
type Options struct {
	Members []Member
	// Deliver brings the newest domain token to a member that may lack it; nil: nobody does. It is called by the
	// member's watch, and by calls that met ErrDomain, at most one at a time for a member.
	Deliver func(ctx context.Context, m Member) error
	// Patience is how long a call waits while no member is in service; 0: DefaultPatience; negative: not at all.
	Patience time.Duration
	// Probe is between looks at the status of a member that is in service; 0: DefaultProbe.
	Probe time.Duration
	// HedgeAfter starts a retryable call a second time on another member when it has taken this long; 0: never.
	HedgeAfter time.Duration
	Logger     func(string, ...any) // one line a member that comes or goes; nil: silent
}

// Defaults.
const (
	DefaultPatience = time.Second
	DefaultProbe    = time.Second

	// A member that fails is asked again after firstPause, doubled at each failure in a row up to lastPause.
	firstPause = 20 * time.Millisecond
	lastPause  = 200 * time.Millisecond

	probeLimit = 2 * time.Second // for the answer to a probe
)

// Fleet is the module made of its members.
type Fleet struct {
	o       Options
	members []*member

	// change is closed and replaced when a member comes into service.
	change atomic.Pointer[chan struct{}]

	stop    context.CancelFunc
	stopped sync.WaitGroup
	closing sync.Once
	err     error
	closed  atomic.Bool
	spread  atomic.Uint32 // for calls without a key: where to begin looking
}

var (
	_ hsm.Module  = (*Fleet)(nil)
	_ hsm.Batcher = (*Fleet)(nil)
	_ hsm.Several = (*Fleet)(nil)
)

// New makes a fleet of members that are open already; it closes them in Close. They count as out of service until
// their first probe, which New does not wait for (see Wait). Errors: no members, too many, or two of one name.
func New(o Options) (*Fleet, error) {
	if len(o.Members) == 0 || len(o.Members) > MaxMembers {
		return nil, fmt.Errorf("making a fleet of %d modules: it needs 1 to %d", len(o.Members), MaxMembers)
	}
	if o.Patience == 0 {
		o.Patience = DefaultPatience
	}
	if o.Probe <= 0 {
		o.Probe = DefaultProbe
	}
	if o.Logger == nil {
		o.Logger = func(string, ...any) {}
	}
	f := &Fleet{o: o}
	names := map[string]bool{}
	for _, m := range o.Members {
		if m.Name == "" || names[m.Name] {
			return nil, fmt.Errorf("making a fleet: the name %q is empty or taken", m.Name)
		}
		names[m.Name] = true
		f.members = append(f.members, newMember(m, len(f.members)))
	}
	f.announce()
	ctx, stop := context.WithCancel(context.Background())
	f.stop = stop
	for _, m := range f.members {
		f.stopped.Go(func() { f.watch(ctx, m) })
	}
	return f, nil
}

// announce wakes everybody who waits for a member.
func (f *Fleet) announce() {
	next := make(chan struct{})
	if old := f.change.Swap(&next); old != nil {
		close(*old)
	}
}

// Wait returns once n members are in service. Error: ctx's, with the reason of a member that is not.
func (f *Fleet) Wait(ctx context.Context, n int) error {
	for {
		change := *f.change.Load()
		up, why := 0, error(nil)
		for _, m := range f.members {
			if m.serving() {
				up++
			} else if e := m.why.Load(); e != nil {
				why = fmt.Errorf("%s: %w", m.Name, *e)
			}
		}
		if up >= n {
			return nil
		}
		select {
		case <-change:
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("%d of %d modules in service, waiting for %d: %w", up, len(f.members), n, ctx.Err()), why)
		}
	}
}

// DoBatch implements hsm.Batcher: one call after the other.
func (f *Fleet) DoBatch(cs []*hsm.Call) {
	for _, c := range cs {
		c.Err = f.Do(c)
	}
}

// Close stops the watches and closes the members.
func (f *Fleet) Close() error {
	f.closing.Do(func() {
		f.closed.Store(true)
		f.stop()
		f.announce()
		f.stopped.Wait()
		for _, m := range f.members {
			if err := m.Module.Close(); err != nil {
				f.err = errors.Join(f.err, fmt.Errorf("closing module %s: %w", m.Name, err))
			}
		}
	})
	return f.err
}

// weight of a member for a key: the key's calls go to the greatest.
func weight(key, member uint64) uint64 {
	x := key ^ member
	x ^= x >> 32
	x *= 0xd6e8feb86659fd93
	x ^= x >> 32
	x *= 0xd6e8feb86659fd93
	x ^= x >> 32
	return x
}

// pick chooses the member for a call, none of tried (a bit each); nil: none is in service.
func (f *Fleet) pick(key uint64, keyed bool, tried uint64) *member {
	total, serving := int64(0), int64(0)
	for i, m := range f.members {
		if tried&(1<<i) == 0 && m.serving() {
			serving++
			total += m.inFlight.Load()
		}
	}
	if serving == 0 {
		return nil
	}
	if !keyed {
		return f.idlest(tried)
	}
	limit := (5*(total+1) + 4*serving - 1) / (4 * serving)
	var best, spare *member
	var bestWeight uint64
	spareLoad := int64(math.MaxInt64)
	for i, m := range f.members {
		if tried&(1<<i) != 0 || !m.serving() {
			continue
		}
		load := m.inFlight.Load()
		if load < spareLoad {
			spare, spareLoad = m, load
		}
		if w := weight(key, m.seed); load < limit && (best == nil || w > bestWeight) {
			best, bestWeight = m, w
		}
	}
	if best == nil {
		best = spare // the loads moved meanwhile
	}
	return best
}

// idlest is the member with the fewest calls in flight, beginning at another one each time.
func (f *Fleet) idlest(tried uint64) *member {
	n := uint32(len(f.members))
	from := f.spread.Add(1)
	var best *member
	load := int64(math.MaxInt64)
	for k := range n {
		i := (from + k) % n
		m := f.members[i]
		if tried&(1<<i) != 0 || !m.serving() {
			continue
		}
		if l := m.inFlight.Load(); l < load {
			best, load = m, l
		}
	}
	return best
}
