package keyring

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"trent/store"
)

// ErrTooManyKeys says that an account has all the keys that it may have in a Region. Found by errors.As on a pointer.
type ErrTooManyKeys struct{ Limit, Current int }

func (e *ErrTooManyKeys) Error() string {
	return fmt.Sprintf("keyring: account has %d keys of at most %d", e.Current, e.Limit)
}

// keyCounts are the numbers of customer managed keys by account and Region, kept only under a limit. A number is found
// by one walk over the account's keys when the first key is made there, and is kept from then on, so that a limit
// can be switched on for any store. It is of one process, as the embedded store is.
type keyCounts struct {
	limit  int // negative: none, and nothing is counted
	scopes sync.Map
}

// keyCount is the number of one account and Region. Writers of keys hold gate shared from before they commit until
// the number tells what they did; who walks holds it alone, so that no key is met halfway.
type keyCount struct {
	gate  sync.RWMutex
	mu    sync.Mutex // of what follows, held for an instant
	known bool
	n     int
}

func (c *keyCounts) of(s Scope) *keyCount {
	if v, ok := c.scopes.Load(s); ok {
		return v.(*keyCount)
	}
	v, _ := c.scopes.LoadOrStore(s, &keyCount{})
	return v.(*keyCount)
}

// countCreate runs commit, which writes one new key, under the limit. Errors: *ErrTooManyKeys, those of walking, commit's.
func (k *Keyring) countCreate(ctx context.Context, s Scope, manager Manager, commit func() error) error {
	if k.counts.limit < 0 || manager == AWS {
		return commit()
	}
	c := k.counts.of(s)
	if err := k.enterKnown(ctx, s, c); err != nil {
		return err
	}
	defer c.gate.RUnlock()
	c.mu.Lock()
	if c.n >= k.counts.limit {
		full := &ErrTooManyKeys{Limit: k.counts.limit, Current: c.n}
		c.mu.Unlock()
		return full
	}
	c.n++ // reserved; a failure gives it back
	c.mu.Unlock()
	err := commit()
	c.settle(err, -1)
	return err
}

// countDelete runs commit, which ends one key.
func (k *Keyring) countDelete(s Scope, manager *Manager, commit func() error) error {
	if k.counts.limit < 0 {
		return commit()
	}
	c := k.counts.of(s)
	c.gate.RLock()
	defer c.gate.RUnlock()
	err := commit()
	if err == nil && *manager != AWS {
		c.mu.Lock()
		c.n-- // also where the number is not known: then it means nothing yet
		c.mu.Unlock()
	}
	c.settle(err, 0)
	return err
}

// settle corrects the number after a commit that failed by what it had counted for it. What may or may not have been
// applied makes the number unknown: the next key is made after another walk.
func (c *keyCount) settle(err error, correction int) {
	if err == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n += correction
	if errors.Is(err, store.ErrAmbiguous) {
		c.known = false
	}
}

// enterKnown takes the gate shared, with the number known.
func (k *Keyring) enterKnown(ctx context.Context, s Scope, c *keyCount) error {
	for {
		c.gate.RLock()
		c.mu.Lock()
		known := c.known
		c.mu.Unlock()
		if known {
			return nil
		}
		c.gate.RUnlock()
		if err := k.walkKeys(ctx, s, c); err != nil {
			return err
		}
	}
}

// walkKeys counts the keys of an account and Region, unless somebody else has just done so.
func (k *Keyring) walkKeys(ctx context.Context, s Scope, c *keyCount) error {
	c.gate.Lock()
	defer c.gate.Unlock()
	if c.known {
		return nil
	}
	const page = 1000
	prefix := s.prefix(kindKey)
	n := 0
	for after := ""; ; {
		records, more, err := k.store.List(ctx, []byte(prefix), marker(prefix, after), page)
		if err != nil {
			return fmt.Errorf("counting keys: %w", err)
		}
		for i := range records {
			var r Record
			dying, err := decodeKey(records[i].Value, &r)
			if err != nil {
				return err
			}
			after = strings.TrimPrefix(string(records[i].Key), prefix)
			if !dying && r.Manager != AWS {
				n++
			}
		}
		if !more {
			break
		}
	}
	c.n, c.known = n, true
	return nil
}
