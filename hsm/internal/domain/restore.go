package domain

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"trent/hsm/internal/gcm"
)

// A backup has the domain token of its time, and key tokens under domain keys that may have been dropped since. To open
// them, operators command that those domain keys come back (RestoreKeys): a member that was listed in the old token, and
// in whose state the old token's exporter is a member still, takes them out of it. They count as exposed: key tokens are
// re-encrypted, and the keys dropped again. Where no such member is left, a fresh module recovers the domain from the
// old token by the operators' shares.

// Lost lists the domain keys of an older state of the same domain that s does not have any more: Command.Keys of the
// command that restores them. Keys that were pending then sealed nothing.
func (s *State) Lost(backup *State) []KeyInfo {
	var lost []KeyInfo
	for _, k := range backup.Keys {
		if k.Phase != Pending && !s.has(k.Version) {
			lost = append(lost, k)
		}
	}
	return lost
}

func (s *State) has(version uint32) bool {
	return slices.ContainsFunc(s.Keys, func(k KeyInfo) bool { return k.Version == version })
}

// restore adds the keys of a backup's token.
func (s *State) restore(c *Command) error {
	newest := s.Keys[len(s.Keys)-1].Version
	for _, k := range c.Keys {
		switch {
		case s.has(k.Version):
			return fmt.Errorf("key %d is there: only what was dropped is restored", k.Version)
		case k.Version > newest || k.Phase == Pending:
			return fmt.Errorf("key %d never sealed anything in this domain", k.Version)
		case k.Check == [32]byte{} || k.Made.IsZero() || k.Activated.IsZero():
			return errors.New("what is said of a key is not of a domain token")
		}
		k.Phase, k.Ended = Exposed, s.Made
		s.Keys = append(s.Keys, k)
	}
	slices.SortFunc(s.Keys, func(a, b KeyInfo) int { return cmp.Compare(a.Version, b.Version) })
	return nil
}

// restore makes the token in which the keys of a backup's token are back.
func (m *Member) restore(command, backup []byte, now time.Time) ([]byte, error) {
	h := m.held.Load()
	if h == nil {
		return nil, ErrNoState
	}
	t, err := parseToken(backup)
	if err != nil {
		return nil, err
	}
	c, signers, err := Check(h.state, command, m.print, now)
	if err != nil {
		return nil, err
	}
	i := t.state.memberIndex(m.print)
	switch {
	case t.state.Domain != h.state.Domain || h.state.member(t.exporter) == nil:
		return nil, fmt.Errorf("%w: the backup's domain token is of another domain, or by a module that is no member any more", ErrCommand)
	case i < 0 || !m.sameKeys(&t.state.Members[i]):
		return nil, fmt.Errorf("%w: the backup's domain token does not list this module: submit it to one that was a member then", ErrCommand)
	}
	for _, k := range c.Keys {
		if !slices.ContainsFunc(t.state.Keys, func(old KeyInfo) bool { return old.Version == k.Version && old.Check == k.Check }) {
			return nil, fmt.Errorf("%w: key %d is not in the backup's domain token", ErrCommand, k.Version)
		}
	}
	if err := m.decrypt(t, m.own(), t.keyContext(m.print), t.envelopeOf(i)); err != nil {
		return nil, err
	}
	next, change, err := h.state.Successor(c, command, signers, now)
	if err != nil {
		return nil, err
	}
	m.work.parent = m.work.keys
	return m.export(&step{h, next, change, command}, func(version uint32) []byte {
		if key := m.heldKey(version); key != nil {
			return key
		}
		return m.parentKey(t.state, version)
	})
}

// parentKey is a domain key among m.work.parent, those of a state; nil: there is none of that version.
func (m *Member) parentKey(s *State, version uint32) []byte {
	for i, k := range s.Keys {
		if k.Version == version {
			return m.work.parent[i*gcm.KeySize:][:gcm.KeySize]
		}
	}
	return nil
}
