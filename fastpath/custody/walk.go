package custody

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"trent/fastpath/keyring"
	"trent/hsm"
	"trent/store"
)

// pageSize is how many records are listed at a time.
const pageSize = 256

// tokenRoom holds the longest token that is stored, in bytes.
const tokenRoom = 8 << 10

// rest is how many times as long as a re-encryption takes the cycle then does nothing; busyRest is its rest from a busy module.
const (
	rest     = 3
	busyRest = 20 * time.Millisecond
	// failedRest is the rest after a walk that met tokens which cannot be re-encrypted.
	failedRest = 5 * time.Minute
	maxRests   = 50 // a module that is busy for ever must not end rotation
)

// walk goes over all tokens once and re-encrypts those that are not under the active key.
func (c *Cycle) walk(ctx context.Context, keys []hsm.DomainKeyInfo, active hsm.DomainKeyInfo) error {
	began := c.o.Clock()
	counts := !began.Before(c.counts(keys))
	c.quiet.clean = time.Time{}
	w := walk{Cycle: c, active: active.Version, under: map[uint32]int{}}
	for _, k := range keys {
		w.held = append(w.held, k.Version)
	}
	defer c.note(func(p *Progress) { p.Moving = false })
	var at keyring.HeldPlace
	for more := true; more; {
		var page []keyring.HeldToken
		var err error
		if page, more, err = c.o.Tokens.HeldTokens(ctx, &at, pageSize); err != nil {
			return fmt.Errorf("walking over tokens: %w", err)
		}
		for i := range page {
			if err := w.visit(ctx, &page[i]); err != nil {
				return err
			}
		}
	}
	if c.o.Pool != nil {
		c.o.Pool.Rewrap(ctx, active.Version)
	}
	if now, _, err := c.o.Domain.DomainKeys(ctx); err != nil {
		return fmt.Errorf("asking for the domain's keys: %w", err)
	} else if k, _ := inPhase(now, hsm.DomainKeyActive); k.Version != active.Version {
		c.quiet.retry = time.Time{} // the next step begins anew
		return nil
	}
	w.tell()
	c.quiet.retry = c.counts(keys)
	switch {
	case w.old == 0 && counts:
		c.quiet.clean = began
	case w.failed != nil:
		c.quiet.retry = c.o.Clock().Add(failedRest)
	}
	return nil
}

// walk is one of them.
type walk struct {
	*Cycle
	active uint32
	held   []uint32       // versions that the domain has
	under  map[uint32]int // tokens by version, as they are now
	old    int            // tokens found under other keys that the domain has
	lost   int            // tokens under keys that it does not have
	failed error          // the first that could not be re-encrypted
	done   int
}

// visit looks at one token. The error is one after which the walk cannot go on.
func (w *walk) visit(ctx context.Context, h *keyring.HeldToken) error {
	info, ok := hsm.InfoOf(h.Token)
	if !ok {
		return nil // a device's
	}
	if info.Version == w.active {
		w.under[w.active]++
		return nil
	}
	if !slices.Contains(w.held, info.Version) {
		w.under[info.Version]++
		w.lost++
		return nil
	}
	if w.old++; w.old == 1 {
		w.note(func(p *Progress) { p.Moving = true })
	}
	w.quiet.lastOld = w.o.Clock()
	begun := time.Now()
	err := w.rewrap(ctx, h)
	switch {
	case err == nil:
		w.under[w.active]++
		w.done++
		w.note(func(p *Progress) { p.moved(info.Version, w.active) })
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, store.ErrConflict), errors.Is(err, keyring.ErrKeyMissing):
		// It changed, or is being deleted: the next walk sees what became of it.
	case errors.Is(err, errChanged):
		return err
	case errors.Is(err, hsm.ErrUnavailable), errors.Is(err, store.ErrUnavailable):
		return fmt.Errorf("re-encrypting tokens: %w", err)
	default:
		w.under[info.Version]++
		if w.failed == nil {
			w.failed = err
			w.o.Logf("re-encrypting a token under domain key %d, which therefore stays: %v", info.Version, err)
		}
	}
	return w.pause(ctx, rest*time.Since(begun))
}

func (w *walk) rewrap(ctx context.Context, h *keyring.HeldToken) error {
	key, err := w.o.Tokens.KeyOf(ctx, h)
	if err != nil {
		return err
	}
	call := hsm.Call{Op: hsm.OpRewrap, Key: key, Out: make([]byte, 0, tokenRoom), Deadline: time.Now().Add(10 * time.Second)}
	if err := w.o.Module.Do(&call); err != nil {
		return err
	}
	if info, ok := hsm.InfoOf(call.Out); !ok || info.Version != w.active {
		return errChanged
	}
	return w.o.Tokens.ReplaceToken(ctx, h, call.Out)
}

// pause rests, and longer while the module has much to do.
func (w *walk) pause(ctx context.Context, d time.Duration) error {
	if err := sleep(ctx, d); err != nil {
		return err
	}
	if w.old%16 != 0 { // asking costs as much as a small call
		return nil
	}
	for range maxRests {
		s, err := w.o.Module.Status(ctx)
		if err != nil || s.EngineQueue == 0 && 4*s.Busy <= s.Workers {
			break
		}
		if err := sleep(ctx, busyRest); err != nil {
			return err
		}
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// tell makes known what the walk found.
func (w *walk) tell() {
	if w.done > 0 {
		w.o.Logf("%d tokens were re-encrypted under domain key %d", w.done, w.active)
	}
	w.note(func(p *Progress) {
		if w.lost > 0 && p.Lost != w.lost {
			w.o.Logf("%d tokens are under domain keys that the domain does not have: if a backup was restored, its domain keys have to be, too ('trent hsm domain restore-keys')", w.lost)
		}
		p.Walks++
		p.Lost, p.Under = w.lost, w.under
	})
}
