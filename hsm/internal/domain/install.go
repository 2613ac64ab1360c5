package domain

import (
	"bytes"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"

	"trent/hsm/internal/gcm"
)

// Install makes the member hold the state of a token, durably remembered: one that follows from the state held by the
// commands in the token; after a start one that is not older than the last remembered, by a module remembered; in no
// domain yet, any that lists the member. The state that is held already changes nothing. Errors: ErrToken, ErrStale, ErrClosed, and those of writing, after which
// the member holds what it held.
func (m *Member) Install(b []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return ErrClosed
	}
	t, err := parseToken(bytes.Clone(b)) // parts of it are kept
	if err != nil {
		return err
	}
	h := m.held.Load()
	if h != nil && h.hash == t.hash {
		return nil
	}
	if err := m.acceptable(h, t); err != nil {
		return err
	}
	i := t.state.memberIndex(m.print)
	if i < 0 || !m.sameKeys(&t.state.Members[i]) {
		return fmt.Errorf("%w: it does not list this module", ErrToken)
	}
	defer func() { *m.work = memberWork{} }()
	if err := m.decrypt(t, m.own(), t.keyContext(m.print), t.envelopeOf(i)); err != nil {
		return err
	}
	if err := m.remember(t); err != nil {
		return err
	}
	m.hold(t)
	return nil
}

// acceptable holds a token against what the member holds or remembers. Errors: ErrToken, ErrStale.
func (m *Member) acceptable(h *holding, t *token) error {
	r := &m.memory
	if err := t.state.check(); err != nil { // no command makes such a state
		return fmt.Errorf("%w: %w", ErrToken, err)
	}
	switch {
	case r.domain == [idSize]byte{}:
		return nil
	case t.state.Domain != r.domain:
		return fmt.Errorf("%w: it is of another domain", ErrToken)
	case h != nil && t.state.Number > r.number:
		return h.followed(t)
	case !r.knows(t.exporter):
		return fmt.Errorf("%w: its exporter was no member of state %d", ErrStale, r.number)
	case t.state.Number < r.number:
		return fmt.Errorf("%w: it is of state %d, this module has seen %d", ErrStale, t.state.Number, r.number)
	case t.state.Number == r.number && t.hash != r.hash, t.state.Number == r.number+1 && t.state.Parent != r.hash,
		!t.passes(r.number, &r.audit):
		return fmt.Errorf("%w: it is of another line of states", ErrStale)
	}
	return nil
}

// followed checks that a token follows from the state held, in one step or by those that it carries, and that its
// exporter was a member of the state before it. Errors: ErrToken, ErrStale.
func (h *holding) followed(t *token) error {
	if !t.passes(h.state.Number, &h.state.Audit.Hash) {
		return fmt.Errorf("%w: it is of another line of states", ErrStale)
	}
	parent, err := t.walk(h.state)
	switch {
	case errors.Is(err, ErrAudit):
		return fmt.Errorf("%w: %w", ErrToken, err)
	case err != nil:
		return err
	case t.state.Parent != parent.Hash():
		return fmt.Errorf("%w: it is of another line of states", ErrStale)
	case parent.member(t.exporter) == nil:
		return fmt.Errorf("%w: its exporter was no member of state %d", ErrStale, parent.Number)
	}
	if err := Step(parent, t.state, t.entry); err != nil {
		return fmt.Errorf("%w: %w", ErrToken, err)
	}
	return nil
}

// remember writes what the member knows of its domain after a start.
func (m *Member) remember(t *token) error {
	next := memory{domain: t.state.Domain, number: t.state.Number, hash: t.hash, audit: t.state.Audit.Hash}
	for i := range t.state.Members {
		next.members = append(next.members, t.state.Members[i].Signing)
	}
	if err := m.write(appendIdentity(m.plain[:0], m.private, &next), true); err != nil {
		return fmt.Errorf("remembering state %d: %w", next.number, err)
	}
	m.memory = next
	return nil
}

// hold puts the keys in m.work.keys into use.
func (m *Member) hold(t *token) {
	old := m.current.Load()
	free := m.free(old)
	next := newView(t.state.Domain, t.state.Name, t.state.Number, t.state.Keys, func(version uint32) int {
		cell, ok := old.cellOf(version)
		i := slices.IndexFunc(t.state.Keys, func(k KeyInfo) bool { return k.Version == version })
		key := m.work.keys[i*gcm.KeySize:][:gcm.KeySize]
		if !ok || subtle.ConstantTimeCompare(key, m.raw[cell][:]) != 1 {
			cell, free = free[0], free[1:]
			m.fill(cell, key)
		}
		return cell
	})
	m.held.Store(holdingOf(t))
	m.publish(next)
}
