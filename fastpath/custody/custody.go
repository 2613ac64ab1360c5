package custody

import (
	"context"
	"sync"
	"time"

	"trent/fastpath/keyring"
	"trent/hsm"
)

// Domain is what commands the domain keys. Its times are real time, whatever clock keys go by.
type Domain interface {
	// DomainKeys are the keys of the newest state, versions ascending, and the period of rotation; 0: the domain does not say.
	DomainKeys(ctx context.Context) ([]hsm.DomainKeyInfo, time.Duration, error)
	// Rotate makes a new key, which is pending or active then.
	Rotate(ctx context.Context) error
	// Activate makes the pending key active. It is an error while some member of the domain does not hold that key.
	Activate(ctx context.Context, version uint32) error
	// Drop removes a key under which no token was found by a walk that began at counted.
	Drop(ctx context.Context, version uint32, counted time.Time) error
}

// Tokens are all tokens that are stored (keyring.Keyring).
type Tokens interface {
	HeldTokens(ctx context.Context, at *keyring.HeldPlace, limit int) (page []keyring.HeldToken, more bool, err error)
	KeyOf(ctx context.Context, h *keyring.HeldToken) (*hsm.Key, error)
	ReplaceToken(ctx context.Context, h *keyring.HeldToken, token []byte) error
}

// Pool are tokens in memory (lifecycle.Pool).
type Pool interface {
	// Rewrap re-encrypts what is not under a version, and discards what cannot be.
	Rewrap(ctx context.Context, version uint32)
}

// Defaults.
const (
	Period = 24 * time.Hour  // of rotation, where the domain does not say
	Grace  = 2 * time.Minute // within which a request ends that has a token in hand
)

// Options of a Cycle. Domain, Module and Tokens are required.
type Options struct {
	Domain Domain
	Module hsm.Module
	Tokens Tokens
	Pool   Pool                          // nil: none
	Period time.Duration                 // where the domain does not say; 0: Period; negative: nothing rotates by itself
	Grace  time.Duration                 // 0: Grace; negative: none
	Clock  func() time.Time              // real time; nil: time.Now
	Logf   func(format string, a ...any) // nil: dropped
}

// Cycle keeps the keys of one domain young.
type Cycle struct {
	o       Options
	started time.Time
	woken   chan struct{}

	stepping   sync.Mutex // one step at a time, which may be a long walk
	quiet      quiet      // of the holder of stepping
	commanding sync.Mutex // one command at a time; inside stepping

	mu       sync.Mutex
	progress Progress
}

// quiet is what walks said, to save more of them. It is of one set of domain keys: another begins anew.
type quiet struct {
	keys    []uint32  // versions
	seen    time.Time // when the set was first seen
	lastOld time.Time // when the last token under an older key was seen
	clean   time.Time // when the last walk began, if it counts and found none; else zero
	retry   time.Time // when the next walk may begin
}

// New makes a cycle; Run runs it.
func New(o Options) *Cycle {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Logf == nil {
		o.Logf = func(string, ...any) {}
	}
	switch {
	case o.Grace == 0:
		o.Grace = Grace
	case o.Grace < 0:
		o.Grace = 0
	}
	return &Cycle{o: o, started: o.Clock(), woken: make(chan struct{}, 1)}
}

// Intervals of Run.
const (
	soon      = 2 * time.Second  // while the cycle waits for something other than a date
	tellEvery = time.Minute      // trouble that stays
	often     = 30 * time.Second // what others command is seen that much later
)

// Run steps until ctx ends, and returns its error.
func (c *Cycle) Run(ctx context.Context) error {
	var told time.Time // when trouble was last spoken of
	for {
		wait, err := c.Step(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		text := ""
		if err != nil {
			text, wait = err.Error(), soon
			if time.Since(told) >= tellEvery {
				c.o.Logf("domain keys: %v; will try again", err)
				told = time.Now()
			}
		}
		c.note(func(p *Progress) { p.Trouble = text })
		timer := time.NewTimer(min(wait, often))
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		case <-c.woken:
			timer.Stop()
		}
	}
}

func (c *Cycle) wake() {
	select {
	case c.woken <- struct{}{}:
	default:
	}
}

// RotateNow rotates whatever the age of the active key, and returns the version of the new one once that is active. Tokens are
// re-encrypted after that, by Run. A key that is pending already is the new one. Errors: the domain's; with a version, that key is
// pending, and Run goes on. A walk that is under way ends, and begins anew.
func (c *Cycle) RotateNow(ctx context.Context) (version uint32, err error) {
	c.commanding.Lock()
	defer c.commanding.Unlock()
	keys, _, err := c.o.Domain.DomainKeys(ctx)
	if err != nil {
		return 0, err
	}
	if _, pending := inPhase(keys, hsm.DomainKeyPending); !pending {
		if err := c.o.Domain.Rotate(ctx); err != nil {
			return 0, err
		}
		if keys, _, err = c.o.Domain.DomainKeys(ctx); err != nil {
			return 0, err
		}
	}
	defer c.wake()
	if k, pending := inPhase(keys, hsm.DomainKeyPending); pending {
		return k.Version, c.o.Domain.Activate(ctx, k.Version)
	}
	k, _ := inPhase(keys, hsm.DomainKeyActive)
	return k.Version, nil
}

// command has the domain do something.
func (c *Cycle) command(f func() error) error {
	c.commanding.Lock()
	defer c.commanding.Unlock()
	return f()
}

func inPhase(keys []hsm.DomainKeyInfo, p hsm.DomainKeyPhase) (hsm.DomainKeyInfo, bool) {
	for _, k := range keys {
		if k.Phase == p {
			return k, true
		}
	}
	return hsm.DomainKeyInfo{}, false
}
