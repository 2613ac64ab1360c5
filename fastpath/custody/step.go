package custody

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"trent/hsm"
)

// Step does the next thing that is to be done, and says how long to wait before the next step. An error leaves everything to be
// tried again.
func (c *Cycle) Step(ctx context.Context) (wait time.Duration, err error) {
	c.stepping.Lock()
	defer c.stepping.Unlock()
	keys, period, err := c.o.Domain.DomainKeys(ctx)
	if err != nil {
		return 0, fmt.Errorf("asking for the domain's keys: %w", err)
	}
	if period == 0 {
		if period = c.o.Period; period <= 0 {
			period = Period
		}
	}
	c.note(func(p *Progress) { p.Keys, p.Period, p.Scheduled = keys, period, c.o.Period >= 0 })
	active, ok := inPhase(keys, hsm.DomainKeyActive)
	if !ok {
		return soon, nil // out of service
	}
	if k, pending := inPhase(keys, hsm.DomainKeyPending); pending {
		if err := c.command(func() error { return c.o.Domain.Activate(ctx, k.Version) }); err != nil {
			return 0, fmt.Errorf("activating domain key %d: %w", k.Version, err)
		}
		c.o.Logf("domain key %d is active", k.Version)
		return 0, nil
	}
	now := c.o.Clock()
	if due := active.Activated.Add(period); c.o.Period >= 0 && !now.Before(due) {
		if err := c.command(func() error { return c.o.Domain.Rotate(ctx) }); err != nil {
			return 0, fmt.Errorf("rotating domain keys: %w", err)
		}
		return 0, nil
	}
	return c.retire(ctx, keys, active, period, now)
}

// retire re-encrypts what is under older keys, and drops those that nothing needs.
func (c *Cycle) retire(ctx context.Context, keys []hsm.DomainKeyInfo, active hsm.DomainKeyInfo, period time.Duration, now time.Time) (time.Duration, error) {
	c.look(keys, now)
	due, next := dueOf(keys, period, now)
	next = earlier(next, active.Activated.Add(period))
	walk := c.quiet.clean.IsZero()
	for _, d := range due {
		walk = walk || c.quiet.clean.Before(d.at)
	}
	if walk && now.Before(c.quiet.retry) {
		return max(c.quiet.retry.Sub(now), soon), nil
	}
	if walk {
		err := c.walk(ctx, keys, active)
		if errors.Is(err, errChanged) {
			return soon, nil
		}
		if err != nil {
			return 0, err
		}
	}
	if c.quiet.clean.IsZero() {
		return max(c.quiet.retry.Sub(c.o.Clock()), soon), nil
	}
	for _, d := range due {
		if err := c.drop(ctx, d.version); err != nil {
			return 0, err
		}
	}
	return max(next.Sub(now), soon), nil
}

// look forgets what walks said where it was of other domain keys. One that is gone changes nothing.
func (c *Cycle) look(keys []hsm.DomainKeyInfo, now time.Time) {
	for _, k := range keys {
		if !slices.Contains(c.quiet.keys, k.Version) {
			c.quiet = quiet{seen: now}
			break
		}
	}
	c.quiet.keys = c.quiet.keys[:0]
	for _, k := range keys {
		c.quiet.keys = append(c.quiet.keys, k.Version)
	}
}

// dueKey is a domain key that may be dropped, from a time on.
type dueKey struct {
	version uint32
	at      time.Time
}

// dueOf are the keys that are due now, and when the next one will be.
func dueOf(keys []hsm.DomainKeyInfo, period time.Duration, now time.Time) (due []dueKey, next time.Time) {
	next = now.Add(often)
	for i, k := range keys {
		at := ended(keys, i)
		switch k.Phase {
		case hsm.DomainKeyDeactivated:
			at = at.Add(period + hsm.TokenLife)
		case hsm.DomainKeyExposed:
		default:
			continue
		}
		if now.Before(at) {
			next = earlier(next, at)
		} else {
			due = append(due, dueKey{k.Version, at})
		}
	}
	return due, next
}

func (c *Cycle) drop(ctx context.Context, version uint32) error {
	if err := c.command(func() error { return c.o.Domain.Drop(ctx, version, c.quiet.clean) }); err != nil {
		return fmt.Errorf("dropping domain key %d: %w", version, err)
	}
	c.o.Logf("domain key %d is dropped: no token was under it", version)
	c.note(func(p *Progress) {
		p.Dropped++
		p.Keys = slices.DeleteFunc(slices.Clone(p.Keys), func(k hsm.DomainKeyInfo) bool { return k.Version == version })
	})
	return nil
}

// counts is the time from which on a walk counts: see the package's documentation.
func (c *Cycle) counts(keys []hsm.DomainKeyInfo) time.Time {
	from := c.started
	for _, t := range [...]time.Time{c.quiet.seen, c.quiet.lastOld} { // seen: a module's clock may be behind
		if t.After(from) {
			from = t
		}
	}
	for i, k := range keys {
		if at := ended(keys, i); (k.Phase == hsm.DomainKeyDeactivated || k.Phase == hsm.DomainKeyExposed) && at.After(from) {
			from = at
		}
	}
	return from.Add(c.o.Grace)
}

// ended is when a key ceased to be active; where that was not recorded, when a later one became so.
func ended(keys []hsm.DomainKeyInfo, i int) time.Time {
	if !keys[i].Ended.IsZero() {
		return keys[i].Ended
	}
	for _, later := range keys[i+1:] {
		if !later.Activated.IsZero() {
			return later.Activated
		}
	}
	return time.Time{}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// errChanged is a rotation during a walk, or a module that does not seal by the active key yet.
var errChanged = errors.New("a module does not seal by the active key that the walk began with")
