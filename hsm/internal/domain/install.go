package domain

import (
	"fmt"
	"slices"

	"trent/hsm/internal/gcm"
)

// Install makes the member hold the state of a token, durably remembered: a child of the state held; after a start one
// that is not older than the last remembered, by a module remembered; in no domain yet, any that lists the member. The
// state that is held already changes nothing. Errors: ErrToken, ErrStale, ErrClosed, and those of writing, after which
// the member holds what it held.
func (m *Member) Install(b []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return ErrClosed
	}
	t, err := parseToken(b)
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
	case !r.knows(t.exporter):
		return fmt.Errorf("%w: its exporter was no member of state %d", ErrStale, r.number)
	case t.state.Number < r.number:
		return fmt.Errorf("%w: it is of state %d, this module has seen %d", ErrStale, t.state.Number, r.number)
	case t.state.Number == r.number && t.hash != r.hash, t.state.Number == r.number+1 && t.state.Parent != r.hash:
		return fmt.Errorf("%w: it is of another line of states", ErrStale)
	case h == nil:
		return nil
	case t.state.Number != r.number+1:
		return fmt.Errorf("%w: it is of state %d, and only %d can follow here", ErrStale, t.state.Number, r.number+1)
	}
	if err := Step(h.state, t.state, t.entry); err != nil {
		return fmt.Errorf("%w: %w", ErrToken, err)
	}
	return nil
}

// remember writes what the member knows of its domain after a start.
func (m *Member) remember(t *token) error {
	next := memory{domain: t.state.Domain, number: t.state.Number, hash: t.hash}
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
		if !ok {
			cell, free = free[0], free[1:]
			i := slices.IndexFunc(t.state.Keys, func(k KeyInfo) bool { return k.Version == version })
			m.fill(cell, m.work.keys[i*gcm.KeySize:][:gcm.KeySize])
		}
		return cell
	})
	m.held.Store(&holding{t.state, t.hash, t.shares})
	m.publish(next)
}
