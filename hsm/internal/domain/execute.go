package domain

import (
	"bytes"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"trent/hsm/internal/gcm"
	"trent/hsm/internal/kdf"
	"trent/hsm/internal/reveal"
)

// Execute checks a signed command against the state held and returns the token of its successor. Nothing changes here, but
// that after LeaveDomain the module has erased itself: the token is for the members that stay, whose log it is. Commands to
// recover and to restore come WithToken. Errors:
// ErrCommand, ErrQuorum, ErrStale, ErrNoState, ErrClosed, ErrToken for the token of a recovery, and random's.
func (m *Member) Execute(signed []byte, now time.Time) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, ErrClosed
	}
	defer func() { *m.work = memberWork{} }()
	if command, token, ok := splitToken(signed); ok {
		return m.executeWith(command, token, now)
	}
	var s *State
	h := m.held.Load()
	if h != nil {
		s = h.state
	} else if m.memory.domain != [idSize]byte{} {
		return nil, ErrNoState
	}
	c, signers, err := Check(s, signed, m.print, now)
	if err != nil {
		return nil, err
	}
	if (c.Kind == CreateDomain) != (s == nil) || c.Kind == RecoverDomain || c.Kind == RestoreKeys {
		return nil, fmt.Errorf("%w: not in this state of the module", ErrCommand)
	}
	next, change, err := s.Successor(c, signed, signers, now)
	if err != nil {
		return nil, err
	}
	out, err := m.export(&step{h, next, change, signed}, m.heldKey)
	if err == nil && change.Erase {
		err = m.erase()
	}
	return out, err
}

// executeWith executes a command that an older domain token, or another domain's, goes with.
func (m *Member) executeWith(command, token []byte, now time.Time) ([]byte, error) {
	c, _, err := ParseCommand(command)
	if err != nil {
		return nil, err
	}
	switch c.Kind {
	case RecoverDomain:
		return m.recover(command, token, now)
	case RestoreKeys:
		return m.restore(command, token, now)
	}
	return nil, fmt.Errorf("%w: no domain token goes with %s", ErrCommand, c.Kind)
}

// heldKey is a domain key of the state held; nil: there is none of that version.
func (m *Member) heldKey(version uint32) []byte {
	if cell, ok := m.current.Load().cellOf(version); ok {
		return m.raw[cell][:]
	}
	return nil
}

// step is what a command makes of a state.
type step struct {
	from   *holding // nil: nothing
	next   *State
	change KeyChange
	signed []byte
}

// export makes the token of a step's state, whose older domain keys key finds.
func (m *Member) export(s *step, key func(version uint32) []byte) ([]byte, error) {
	if err := m.gather(s, key); err != nil {
		return nil, err
	}
	t := &token{state: s.next, exporter: m.print}
	var parent *State
	if s.from != nil {
		parent = s.from.state
	}
	if s.change.Recovery {
		if err := m.split(t); err != nil {
			return nil, err
		}
	} else if s.from != nil {
		t.shares = s.from.shares
	}
	if s.from != nil {
		t.trail = s.from.extend()
	}
	t.entry = s.next.Conclude(parent, s.signed)
	canonical, err := DecodeState(s.next.AppendState(nil))
	if err != nil || canonical.memberIndex(m.print) < 0 || len(canonical.Recovery.Key) == 0 {
		return nil, fmt.Errorf("%w: what it makes is not a state", ErrCommand)
	}
	t.state, t.hash = canonical, canonical.Hash()
	if err := Step(parent, canonical, t.entry); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCommand, err)
	}
	if err := m.encrypt(t); err != nil {
		return nil, err
	}
	body := t.appendBody(nil)
	signature, err := m.signMessage(body)
	if err != nil {
		return nil, fmt.Errorf("signing a domain token: %w", err)
	}
	out := append(append(body, byte(len(signature))), signature...)
	if len(out) > MaxToken {
		return nil, fmt.Errorf("%w: its domain token would have %d bytes, and at most %d can be kept: list fewer members or signers", ErrCommand, len(out), MaxToken)
	}
	return out, nil
}

// gather puts the domain keys of the next state into m.work.keys, the new one among them, and fills in what is public
// of that.
func (m *Member) gather(s *step, key func(version uint32) []byte) error {
	if len(s.next.Keys) > MaxKeys {
		return fmt.Errorf("%w: a domain has at most %d keys", ErrCommand, MaxKeys)
	}
	for i := range s.next.Keys {
		k := &s.next.Keys[i]
		raw := m.work.keys[i*gcm.KeySize:][:gcm.KeySize]
		if k.Version == s.change.Make {
			if _, err := io.ReadFull(m.random, raw); err != nil {
				return fmt.Errorf("drawing a domain key: %w", err)
			}
			k.Check = checkOf(raw, &s.next.Domain, k.Version)
			continue
		}
		was := key(k.Version)
		if was == nil {
			return fmt.Errorf("%w: there is no domain key %d", ErrCommand, k.Version)
		}
		copy(raw, was)
	}
	return nil
}

// checkOf is what a state says of a domain key, so that its hash binds the key.
func checkOf(key []byte, id *[idSize]byte, version uint32) (check [32]byte) {
	kdf.HMACSHA256(&check, key, []byte("trent domain key"), id[:], binary.BigEndian.AppendUint32(nil, version))
	return check
}

// encrypt fills in the domain keys in m.work.keys under a new key, and that for everybody who is to have it.
func (m *Member) encrypt(t *token) (err error) {
	w := m.work
	if _, err = io.ReadFull(m.random, w.dkek.key[:]); err != nil {
		return fmt.Errorf("drawing the key of a domain token: %w", err)
	}
	reveal.Secret("key of a domain token", w.dkek.key[:])
	for i := range t.state.Members {
		h := &t.state.Members[i]
		to := recipient{h.Agreement, h.KEM}
		if t.sealed, err = to.seal(t.sealed, m.kernel, &w.wrap, t.keyContext(FingerprintOf(h.Signing)), w.dkek.key[:], m.random); err != nil {
			return err
		}
	}
	to := recipient{agreement: t.state.Recovery.Key}
	if t.recovery, err = to.seal(nil, m.kernel, &w.wrap, t.keyContext(FingerprintOf(to.agreement)), w.dkek.key[:], m.random); err != nil {
		return err
	}
	t.keys, err = sealInto(nil, m.kernel, &w.dkek, w.keys[:len(t.state.Keys)*gcm.KeySize], t.keysAAD(), m.random)
	return err
}

// decrypt sets m.work.keys to the domain keys of a token, by an envelope of its key to o. Error: ErrToken.
func (m *Member) decrypt(t *token, o *opener, context, envelope []byte) error {
	w := m.work
	dkek, err := o.open(w.dkek.key[:0], m.kernel, &w.wrap, context, envelope)
	if err != nil || len(dkek) != len(w.dkek.key) {
		return ErrToken
	}
	keys, ok := openFrom(w.keys[:0], m.kernel, &w.dkek, t.keys, t.keysAAD())
	if !ok || len(keys) != len(t.state.Keys)*gcm.KeySize {
		return ErrToken
	}
	reveal.Secret("key of a domain token", dkek)
	for i, k := range t.state.Keys {
		check := checkOf(keys[i*gcm.KeySize:][:gcm.KeySize], &t.state.Domain, k.Version)
		if subtle.ConstantTimeCompare(check[:], k.Check[:]) != 1 {
			return ErrToken
		}
	}
	return nil
}

// own is the private half of what the module's envelopes are sealed to.
func (m *Member) own() *opener {
	return &opener{
		recipient: recipient{m.self.Agreement, m.self.KEM},
		private:   scalarAgreement(m.private.agreement[:]), seed: m.private.kem[:],
	}
}

// sameKeys reports whether a state lists the module by the very keys that it has: without the second it would be
// addressed more weakly than it can be.
func (m *Member) sameKeys(h *HSM) bool {
	return bytes.Equal(h.Signing, m.self.Signing) && bytes.Equal(h.Agreement, m.self.Agreement) && bytes.Equal(h.KEM, m.self.KEM)
}
