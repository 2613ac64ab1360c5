package keyring

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"
)

// Transitional says whether keys leave the state by themselves.
func (s State) Transitional() bool { return s == Creating || s == Updating || s == Unavailable }

// Enter puts the key into a transitional state that ends at until, with the state next.
func (r *Record) Enter(s State, until time.Time, next State) {
	r.State, r.Settle, r.Resume = s, toMillis(until), next
}

// SwitchTo makes s the key's state, or the state that follows where the key is unavailable: what is enabled or disabled
// then is so once it is available again.
func (r *Record) SwitchTo(s State) {
	if r.State == Unavailable {
		r.Resume = s
		return
	}
	r.State = s
}

// settle ends a key's transitional state. ErrNotDue: it has none, it lasts on, or it is held.
func (k *Keyring) settle(ctx context.Context, id ID) error {
	_, err := k.Update(ctx, id, func(r *Record) error {
		if !r.State.Transitional() || r.Resume == StateNone || r.Settle.IsZero() || r.Settle.After(k.clock()) || k.holds.Held(r.State.String(), id) {
			return ErrNotDue
		}
		r.State = r.Resume
		return nil
	})
	return err
}

// Holds are transitional states that are not to end, for tests: all of one name, or those of one key or custom key
// store. They live in memory: a restart completes what they held. The zero value holds nothing. Safe for concurrent use.
type Holds struct {
	mu     sync.Mutex
	states map[string]bool
	ids    map[ID]bool
}

// HoldState holds what enters, or is in, a state of this name: a key's Creating, Updating or Unavailable, a custom key
// store's CONNECTING or DISCONNECTING.
func (h *Holds) HoldState(name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.states == nil {
		h.states = map[string]bool{}
	}
	h.states[name] = true
}

// HoldID holds one key or, by its id in Key, one custom key store.
func (h *Holds) HoldID(id ID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ids == nil {
		h.ids = map[ID]bool{}
	}
	h.ids[id] = true
}

// ReleaseState ends HoldState; false: there was none.
func (h *Holds) ReleaseState(name string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	held := h.states[name]
	delete(h.states, name)
	return held
}

// ReleaseID ends HoldID; false: there was none.
func (h *Holds) ReleaseID(id ID) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	held := h.ids[id]
	delete(h.ids, id)
	return held
}

// Held says whether id may not leave the state of this name.
func (h *Holds) Held(name string, id ID) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.states[name] || h.ids[id]
}

// List returns the states, the ARNs of keys and the ids of custom key stores that are held, in order.
func (h *Holds) List() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	held := []string{}
	for name := range h.states {
		held = append(held, name)
	}
	for id := range h.ids {
		if strings.HasPrefix(id.Key, "cks-") { // custom key stores have no ARN
			held = append(held, id.Key)
		} else {
			held = append(held, id.ARN())
		}
	}
	slices.Sort(held)
	return held
}

// Holds returns the keyring's holds.
func (k *Keyring) Holds() *Holds { return &k.holds }
