package fleet

import (
	"context"
	"errors"
	"fmt"
	"time"

	"trent/hsm"
)

// Forget implements hsm.Module. A member that is out of service owes it, and does not serve before it is done.
func (f *Fleet) Forget(ctx context.Context, id hsm.MaterialID) error {
	errs := make(chan error, len(f.members))
	for _, m := range f.members {
		go func() { errs <- f.forget(ctx, m, id) }()
	}
	var all error
	for range f.members {
		all = errors.Join(all, <-errs)
	}
	return all
}

// forget has one member forget. One that cannot be reached goes out of service, owing it: when its calls in flight are
// done, no call can use the material there.
func (f *Fleet) forget(ctx context.Context, m *member, id hsm.MaterialID) error {
	if m.owes(id) {
		return m.idle(ctx)
	}
	err := m.Module.Forget(ctx, id)
	if err == nil || ctx.Err() != nil {
		return err
	}
	m.outOwing(id, err)
	return m.idle(ctx)
}

// idle waits for the calls in flight at a member that gets no new ones. Error: ctx's.
func (m *member) idle(ctx context.Context) error {
	for wait := 10 * time.Microsecond; m.inFlight.Load() != 0; wait = min(2*wait, 5*time.Millisecond) {
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		case <-t.C:
		}
	}
	return nil
}

// named finds a member.
func (f *Fleet) named(name string) (*member, error) {
	for _, m := range f.members {
		if m.Name == name {
			return m, nil
		}
	}
	return nil, fmt.Errorf("the fleet has no module called %q", name)
}

// Drain keeps new calls away from a member and returns when those in flight are done. Error: ctx's, and then the
// member is in service again; or there is no such member.
func (f *Fleet) Drain(ctx context.Context, name string) error {
	m, err := f.named(name)
	if err != nil {
		return err
	}
	m.drained.Store(true)
	if err := m.idle(ctx); err != nil {
		m.drained.Store(false)
		f.announce()
		return fmt.Errorf("draining module %s: %w", name, err)
	}
	f.o.Logger("module %s is drained", name)
	return nil
}

// Restore ends a Drain, once the member answers. Error: ctx's, and then it stays drained.
func (f *Fleet) Restore(ctx context.Context, name string) error {
	m, err := f.named(name)
	if err != nil {
		return err
	}
	for !m.up.Load() {
		change := *f.change.Load()
		if m.up.Load() {
			break
		}
		m.look()
		select {
		case <-change:
		case <-ctx.Done():
			return fmt.Errorf("restoring module %s: %w", name, ctx.Err())
		}
	}
	m.drained.Store(false)
	f.announce()
	f.o.Logger("module %s is restored", name)
	return nil
}

// Roll restarts every member, one at a time: it is drained, restart is called, and once it answers again it is restored.
// The first error ends it, and the member concerned stays drained. With a single member its calls wait meanwhile, no
// longer than Options.Patience.
func (f *Fleet) Roll(ctx context.Context, restart func(ctx context.Context, name string) error) error {
	for _, m := range f.members {
		if err := f.Drain(ctx, m.Name); err != nil {
			return err
		}
		if err := restart(ctx, m.Name); err != nil {
			return fmt.Errorf("restarting module %s: %w", m.Name, err)
		}
		m.up.Store(false) // what it was says nothing of the one that runs now
		if err := f.Restore(ctx, m.Name); err != nil {
			return err
		}
	}
	return nil
}

// Modules implements hsm.Several.
func (f *Fleet) Modules(ctx context.Context) []hsm.ModuleStatus {
	list := make([]hsm.ModuleStatus, len(f.members))
	done := make(chan struct{}, len(f.members))
	for i, m := range f.members {
		go func() {
			list[i] = m.report(ctx)
			done <- struct{}{}
		}()
	}
	for range list {
		<-done
	}
	return list
}

// report is a member's status.
func (m *member) report(ctx context.Context) hsm.ModuleStatus {
	s := hsm.ModuleStatus{
		Name: m.Name, Serving: m.serving(), Drained: m.drained.Load(),
		InFlight: m.inFlight.Load(), Calls: m.calls.Load(), Failed: m.failed.Load(),
	}
	if !m.up.Load() {
		if why := m.why.Load(); why != nil {
			s.Why = (*why).Error()
		}
	} else if status, err := m.Module.Status(ctx); err == nil {
		s.Status = status
	}
	return s
}

// Status implements hsm.Module: counts are sums over the members in service, the domain's state is the oldest that
// one of them holds. It is healthy while one member serves.
func (f *Fleet) Status(ctx context.Context) (hsm.Status, error) {
	var sum hsm.Status
	for _, m := range f.Modules(ctx) {
		if m.Serving && m.Status.Healthy {
			sum = add(sum, m.Status)
		}
	}
	return sum, nil
}

// add joins two statuses; a zero one is nothing.
func add(a, b hsm.Status) hsm.Status {
	if !a.Healthy {
		return b
	}
	if b.DomainNumber < a.DomainNumber { // the older one: what it does not hold, not all hold
		a.DomainVersion, a.DomainNumber, a.DomainKeys = b.DomainVersion, b.DomainNumber, b.DomainKeys
	}
	a.Workers += b.Workers
	a.Busy += b.Busy
	a.Parked += b.Parked
	a.Engines += b.Engines
	a.EnginesBusy += b.EnginesBusy
	a.EngineQueue += b.EngineQueue
	a.EngineWaits += b.EngineWaits
	a.EngineWaited += b.EngineWaited
	a.ArenaBytes += b.ArenaBytes
	return a
}
