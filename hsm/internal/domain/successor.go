package domain

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math"
	"slices"
	"time"
)

// KeyChange is what a command changes of the secret part.
type KeyChange struct {
	Make     uint32   // make a domain key of this version; 0: none
	Drop     []uint32 // wipe these
	Recovery bool     // make a new recovery key, split among the operators, Command.Threshold of whom recover the domain
	Erase    bool     // LeaveDomain
}

// Successor is the state that c makes of s (nil: the first), and what that means for keys. signed and signers are as Check
// had and gave them. Whoever makes what the change asks for fills in its public half (KeyInfo.Check of the new key,
// Recovery.Key), then lets Conclude set the audit head anew. Error: ErrCommand where c is not possible in s.
func (s *State) Successor(c *Command, signed []byte, signers []Fingerprint, now time.Time) (*State, KeyChange, error) {
	if len(signers) == 0 {
		return nil, KeyChange{}, fmt.Errorf("%w: nobody signed it", ErrCommand)
	}
	next := s.child(signed, now)
	change, err := next.apply(s, c)
	if err != nil {
		return nil, KeyChange{}, fmt.Errorf("%w: %w", ErrCommand, err)
	}
	if change.Recovery {
		next.Recovery = Recovery{Threshold: c.Threshold}
	}
	next.Conclude(s, signed)
	if err := next.check(); err != nil {
		return nil, KeyChange{}, fmt.Errorf("%w: %w", ErrCommand, err)
	}
	return next, change, nil
}

// child is a copy of s that follows it; times never run backwards.
func (s *State) child(signed []byte, now time.Time) *State {
	if s == nil {
		id := sha256.Sum256(append([]byte("trent domain id"), signed...))
		return &State{Domain: [idSize]byte(id[:]), Number: 1, Made: s.later(now)}
	}
	next := *s
	next.Number++
	next.Parent = s.Hash()
	next.Made = s.later(now)
	next.Keys = slices.Clone(s.Keys)
	return &next
}

// apply changes a child of old by what c says.
func (s *State) apply(old *State, c *Command) (KeyChange, error) {
	switch c.Kind {
	case CreateDomain:
		return s.create(c)
	case ModifyMembers:
		s.Members = c.Members
		return s.shutOut(old)
	case ModifySigners:
		return s.modifySigners(old, c)
	case ModifyRules:
		s.Rules, s.Rotation = c.Rules, c.Rotation
		return KeyChange{}, nil
	case RotateKeys:
		return s.addKey(Pending)
	case ActivateKey:
		return KeyChange{}, s.activate(c.Version)
	case DropKey:
		return s.dropKey(c)
	case LeaveDomain:
		if !s.isMember(c.Target) {
			return KeyChange{}, fmt.Errorf("module %s is no member", c.Target)
		}
		return KeyChange{Erase: true}, nil
	case RecoverDomain:
		return s.recover(old, c)
	case RestoreKeys:
		return KeyChange{}, s.restore(c)
	}
	return KeyChange{}, fmt.Errorf("kind %d is none that this program knows", c.Kind)
}

func (s *State) create(c *Command) (KeyChange, error) {
	s.Name, s.Members, s.Signers, s.Rules, s.Rotation = c.Name, c.Members, c.Signers, c.Rules, c.Rotation
	if !s.isMember(c.Target) {
		return KeyChange{}, fmt.Errorf("module %s, which is to create the domain, is not among its members", c.Target)
	}
	if err := s.checkThreshold(c.Threshold); err != nil {
		return KeyChange{}, err
	}
	change, err := s.addKey(Active)
	change.Recovery = true
	return change, err
}

// modifySigners: other operators get shares of a new recovery key; a host that goes is shut out.
func (s *State) modifySigners(old *State, c *Command) (KeyChange, error) {
	s.Signers = c.Signers
	if len(c.Rules) > 0 {
		s.Rules = c.Rules
	}
	if countRole(s.Signers, Operator) == 0 {
		return KeyChange{}, fmt.Errorf("at least one operator must stay")
	}
	change, err := s.shutOut(old)
	if err != nil {
		return KeyChange{}, err
	}
	if c.Threshold == 0 {
		if !sameOperators(old.Signers, s.Signers) {
			return KeyChange{}, fmt.Errorf("the operators change, so their shares do: say how many recover the domain")
		}
		return change, nil
	}
	change.Recovery = true
	return change, s.checkThreshold(c.Threshold)
}

func (s *State) recover(old *State, c *Command) (KeyChange, error) {
	s.Members = c.Members
	if !s.isMember(c.Target) {
		return KeyChange{}, fmt.Errorf("module %s, which is to recover the domain, is not among its members", c.Target)
	}
	if err := s.checkThreshold(c.Threshold); err != nil {
		return KeyChange{}, err
	}
	change, err := s.shutOut(old)
	change.Recovery = true
	return change, err
}

// checkThreshold: a single operator's share must not recover a domain of two operators or more.
func (s *State) checkThreshold(n uint8) error {
	operators := countRole(s.Signers, Operator)
	if int(n) < min(2, operators) || int(n) > operators || n == 0 {
		return fmt.Errorf("%d of %s cannot be what recovers the domain: it takes %d to %d", n, counted(operators, Operator.String()), min(2, operators), operators)
	}
	return nil
}

// sameOperators compares everything of them, names too.
func sameOperators(a, b []Principal) bool {
	only := func(all []Principal) (out []byte) {
		for i := range all {
			if all[i].Role == Operator {
				out = all[i].appendTo(out)
			}
		}
		return out
	}
	return bytes.Equal(only(a), only(b))
}

// shutOut rotates at once where a member or host of old is gone: what it knows seals nothing from now on.
func (s *State) shutOut(old *State) (KeyChange, error) {
	gone := slices.ContainsFunc(old.Members, func(m HSM) bool {
		return !slices.ContainsFunc(s.Members, func(n HSM) bool { return sameModule(&m, &n) })
	}) || slices.ContainsFunc(old.Signers, func(p Principal) bool {
		return p.Role == ServiceHost && !slices.ContainsFunc(s.Signers, func(q Principal) bool { return q.Role == p.Role && bytes.Equal(p.Signing, q.Signing) })
	})
	if !gone {
		return KeyChange{}, nil
	}
	var drop []uint32
	s.Keys = slices.DeleteFunc(s.Keys, func(k KeyInfo) bool {
		if k.Phase == Pending { // nothing is sealed by it yet
			drop = append(drop, k.Version)
		}
		return k.Phase == Pending
	})
	for i := range s.Keys {
		k := &s.Keys[i]
		if k.Phase == Active {
			k.Ended = s.Made
		}
		k.Phase = Exposed
	}
	change, err := s.addVersion(Active, slices.Concat(drop, versions(s.Keys)))
	change.Drop = drop
	return change, err
}

// sameModule compares what a module is addressed by; a new name alone is no new module.
func sameModule(a, b *HSM) bool {
	return bytes.Equal(a.Signing, b.Signing) && bytes.Equal(a.Agreement, b.Agreement) && bytes.Equal(a.KEM, b.KEM)
}

func versions(keys []KeyInfo) []uint32 {
	all := make([]uint32, len(keys))
	for i, k := range keys {
		all[i] = k.Version
	}
	return all
}

// roomForRemovals is how many keys a rotation leaves room for: a host that rotates without end must not keep itself, or anybody,
// from being removed.
const roomForRemovals = 8

// addKey adds a key of the next version.
func (s *State) addKey(phase Phase) (KeyChange, error) {
	if len(s.Keys) >= MaxKeys-roomForRemovals {
		return KeyChange{}, fmt.Errorf("the domain has %d keys, and the room that is left is for removals: drop old ones first, or rotate less often", len(s.Keys))
	}
	if i := s.inPhase(Pending); i >= 0 {
		return KeyChange{}, fmt.Errorf("key %d is pending: activate it first", s.Keys[i].Version)
	}
	return s.addVersion(phase, versions(s.Keys))
}

// addVersion adds a key whose version is above all that are used.
func (s *State) addVersion(phase Phase, used []uint32) (KeyChange, error) {
	last := uint32(0)
	for _, v := range used {
		last = max(last, v)
	}
	if last == math.MaxUint32 {
		return KeyChange{}, fmt.Errorf("there is no version after %d", last)
	}
	k := KeyInfo{Version: last + 1, Phase: phase, Made: s.Made}
	if phase == Active {
		k.Activated = s.Made
	}
	s.Keys = append(s.Keys, k)
	return KeyChange{Make: k.Version}, nil
}

// inPhase is the index of the first key in a phase; below 0: none.
func (s *State) inPhase(p Phase) int {
	return slices.IndexFunc(s.Keys, func(k KeyInfo) bool { return k.Phase == p })
}

func (s *State) activate(version uint32) error {
	i := s.inPhase(Pending)
	if i < 0 || s.Keys[i].Version != version {
		return fmt.Errorf("key %d is not pending: rotate first", version)
	}
	if j := s.inPhase(Active); j >= 0 {
		s.Keys[j].Phase, s.Keys[j].Ended = Deactivated, s.Made
	}
	s.Keys[i].Phase, s.Keys[i].Activated = Active, s.Made
	return nil
}

func (s *State) dropKey(c *Command) (KeyChange, error) {
	i := slices.IndexFunc(s.Keys, func(k KeyInfo) bool { return k.Version == c.Version })
	if i < 0 {
		return KeyChange{}, fmt.Errorf("there is no key %d", c.Version)
	}
	k := s.Keys[i]
	due := k.Ended.Add(s.Rotation + TokenLife)
	switch w := c.Statement; {
	case k.Phase != Deactivated && k.Phase != Exposed:
		return KeyChange{}, fmt.Errorf("key %d is %s: only a deactivated key is dropped", k.Version, k.Phase)
	case w.Version != k.Version:
		return KeyChange{}, fmt.Errorf("the statement is of key %d, not of %d", w.Version, k.Version)
	case w.Tokens != 0:
		return KeyChange{}, fmt.Errorf("%d tokens are still under key %d: re-encrypt them first", w.Tokens, k.Version)
	case w.Counted.Before(k.Ended):
		return KeyChange{}, fmt.Errorf("tokens were counted before key %d was deactivated: count them anew", k.Version)
	case w.Counted.After(s.Made.Add(maxSkew)):
		return KeyChange{}, fmt.Errorf("tokens were counted at %s, which is to come: set the host's clock", w.Counted.UTC().Format(time.RFC3339))
	case k.Phase == Deactivated && s.Made.Before(due):
		return KeyChange{}, fmt.Errorf("tokens that no store holds may need key %d until %s: try again then", k.Version, due.UTC().Format(time.RFC3339))
	}
	s.Keys = slices.Delete(s.Keys, i, i+1)
	return KeyChange{Drop: []uint32{k.Version}}, nil
}

func (s *State) isMember(f Fingerprint) bool {
	return slices.ContainsFunc(s.Members, func(m HSM) bool { return FingerprintOf(m.Signing) == f })
}
