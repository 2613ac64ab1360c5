package domain

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

const (
	// MaxCommandLife is how far ahead a command may expire.
	MaxCommandLife = 30 * 24 * time.Hour
	// TokenLife is the longest that a token lives which no store holds: import tokens live 24 h, session tokens at most as long.
	TokenLife = 24 * time.Hour
	// maxSkew is how far the clocks of host and module may differ where one judges the other's time.
	maxSkew = 5 * time.Minute
)

// Check reads a signed command and holds its signatures against the rules of s, nil at a creation (which is judged by the
// rules that it brings), for the module self. It returns who signed. Errors: ErrCommand, ErrQuorum, ErrStale.
func Check(s *State, signed []byte, self Fingerprint, now time.Time) (*Command, []Fingerprint, error) {
	c, signatures, err := ParseCommand(signed)
	if err != nil {
		return nil, nil, err
	}
	if err := c.applies(s, now); err != nil {
		return nil, nil, err
	}
	if err := c.concerns(self); err != nil {
		return nil, nil, err
	}
	signers, err := c.signedBy(s, signed, signatures)
	if err != nil {
		return nil, nil, err
	}
	return c, signers, nil
}

// later is the time of what follows s: times never run backwards, whichever module's clock is behind.
func (s *State) later(now time.Time) time.Time {
	now = time.UnixMilli(now.UnixMilli()).UTC()
	if s != nil && s.Made.After(now) {
		return s.Made
	}
	return now
}

// applies asks whether the command is of this time and this state.
func (c *Command) applies(s *State, now time.Time) error {
	now = s.later(now)
	switch {
	case !now.Before(c.Expires):
		return fmt.Errorf("%w: it expired at %s, and it is %s: propose it anew", ErrCommand, c.Expires.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	case c.Expires.Sub(now) > MaxCommandLife:
		return fmt.Errorf("%w: it expires at %s, more than %d days from now: propose it with an earlier expiry, or set the clock", ErrCommand, c.Expires.UTC().Format(time.RFC3339), MaxCommandLife/(24*time.Hour))
	case s == nil && c.Kind != CreateDomain:
		return fmt.Errorf("%w: the module is in no domain: create one, or have a member's domain add it", ErrCommand)
	case s == nil:
		return nil
	case c.Kind == CreateDomain:
		return fmt.Errorf("%w: the module is in domain %s already: a module is in one domain only", ErrCommand, s.Name)
	case c.Domain != s.Domain:
		return fmt.Errorf("%w: it is for domain %x, this is %x", ErrCommand, c.Domain, s.Domain)
	case c.State < s.Number:
		return fmt.Errorf("%w: the command applies to state %d, and the domain is at %d, perhaps by this very command: propose it anew for the newest state", ErrStale, c.State, s.Number)
	case c.State > s.Number:
		return fmt.Errorf("%w: the command applies to state %d, and the module is at %d: install the newest domain token first", ErrStale, c.State, s.Number)
	case c.Parent != s.Hash():
		return fmt.Errorf("%w: the command applies to another state %d than the module's: the domain was forked; find out who published a second one before anything else", ErrStale, c.State)
	}
	return nil
}

// concerns asks whether the command is for this module. One that is left out of the list that it is to make would know the
// keys of those who removed it.
func (c *Command) concerns(self Fingerprint) error {
	if c.Target != (Fingerprint{}) && c.Target != self {
		return fmt.Errorf("%w: it is for module %s, this is %s: submit it there", ErrCommand, c.Target, self)
	}
	if len(c.Members) > 0 && !slices.ContainsFunc(c.Members, func(m HSM) bool { return FingerprintOf(m.Signing) == self }) {
		return fmt.Errorf("%w: the new list of members lacks this module: submit it to one that stays", ErrCommand)
	}
	return nil
}

// Signed verifies the signatures of a command that applies to s, nil at a creation, and asks the rules: whose they are comes
// with ErrQuorum too, while more are collected. Errors: ErrCommand, ErrQuorum, ErrStale.
func Signed(s *State, signed []byte, now time.Time) ([]Fingerprint, error) {
	c, signatures, err := ParseCommand(signed)
	if err != nil {
		return nil, err
	}
	if err := c.applies(s, now); err != nil {
		return nil, err
	}
	return c.signedBy(s, signed, signatures)
}

// signedBy verifies the signatures and asks the rules. With ErrQuorum it still says whose they are.
func (c *Command) signedBy(s *State, signed []byte, signatures []Signature) ([]Fingerprint, error) {
	listed, rules := c.Signers, c.Rules
	if s != nil {
		listed, rules = s.Signers, s.Rules
	}
	body, _, err := splitCommand(signed)
	if err != nil {
		return nil, err
	}
	signers, err := verifySignatures(body, signatures, listed)
	if err != nil {
		return nil, err
	}
	by := make([]Principal, len(signers))
	for i, f := range signers {
		by[i] = listed[slices.IndexFunc(listed, func(p Principal) bool { return FingerprintOf(p.Signing) == f })]
	}
	if err := quorum(c.Kind, rules, by); err != nil {
		return signers, err
	}
	if c.Kind == ModifySigners && len(c.Rules) > 0 {
		if err := quorum(ModifyRules, rules, by); err != nil {
			return signers, err
		}
	}
	if c.Kind == DropKey && countRole(by, ServiceHost) == 0 {
		return signers, fmt.Errorf("%w: that no token needs the key is a service host's word: have a host sign it", ErrQuorum)
	}
	return signers, nil
}

// check is what every state must be. Error: for people.
func (s *State) check() error {
	switch {
	case s.Domain == [idSize]byte{}:
		return errors.New("the domain has no identifier")
	case !validName(s.Name):
		return fmt.Errorf("the domain's name %q is not 1 to %d of a-z, 0-9 and -", s.Name, maxName)
	case s.Number == 0 || s.Audit.Count != s.Number:
		return errors.New("the number of states is not that of the log's entries")
	case (s.Number == 1) != (s.Parent == [32]byte{}):
		return errors.New("only the first state has no parent")
	case s.Made.IsZero():
		return errors.New("the state was made at no time")
	case len(s.Members) == 0:
		return errors.New("at least one member must stay")
	case len(s.Rules) == 0:
		return errors.New("the domain has no rules")
	}
	for _, check := range [...]func() error{
		func() error { return checkRotation(s.Rotation) },
		func() error { return checkHSMs(s.Members) },
		func() error { return checkPrincipals(s.Signers) },
		func() error { return checkRuleForm(s.Rules) },
		func() error { return checkRules(s.Rules, s.Signers) },
		func() error { return checkKeyInfos(s.Keys) },
	} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

// checkKeyInfos: versions ascend, one key is active, at most one is pending, and times fit phases.
func checkKeyInfos(keys []KeyInfo) error {
	if len(keys) > MaxKeys {
		return fmt.Errorf("a domain has at most %d keys: drop old ones first", MaxKeys)
	}
	var phases [Exposed + 1]int
	for i, k := range keys {
		if k.Version == 0 || i > 0 && keys[i-1].Version >= k.Version {
			return errors.New("the keys' versions do not ascend")
		}
		if k.Phase == 0 || k.Phase > Exposed {
			return fmt.Errorf("key %d has phase %d, which is none", k.Version, k.Phase)
		}
		if k.Made.IsZero() || k.Activated.IsZero() != (k.Phase == Pending) || k.Ended.IsZero() != (k.Phase <= Active) {
			return fmt.Errorf("the times of key %d do not fit its phase %s", k.Version, k.Phase)
		}
		phases[k.Phase]++
	}
	if phases[Active] != 1 || phases[Pending] > 1 {
		return fmt.Errorf("one key is active and at most one pending, not %d and %d", phases[Active], phases[Pending])
	}
	return nil
}
