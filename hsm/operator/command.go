package operator

import (
	"crypto"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"trent/hsm"
	"trent/hsm/internal/domain"
)

// What of commands is of use outside the boundary.
type (
	Command     = domain.Command
	CommandKind = domain.CommandKind
	Statement   = domain.Statement
	Role        = domain.Role
)

// Kinds of commands, roles, and bounds.
const (
	CreateDomain  = domain.CreateDomain
	ModifyMembers = domain.ModifyMembers
	ModifySigners = domain.ModifySigners
	ModifyRules   = domain.ModifyRules
	RotateKeys    = domain.RotateKeys
	ActivateKey   = domain.ActivateKey
	DropKey       = domain.DropKey
	LeaveDomain   = domain.LeaveDomain
	RecoverDomain = domain.RecoverDomain
	RestoreKeys   = domain.RestoreKeys

	Operator    = domain.Operator
	ServiceHost = domain.ServiceHost

	MaxCommand     = domain.MaxCommand
	MaxCommandLife = domain.MaxCommandLife
)

// Errors of commands and logs, for errors.Is.
var (
	ErrCommand = domain.ErrCommand
	ErrQuorum  = domain.ErrQuorum
	ErrStale   = domain.ErrStale
	ErrSigned  = domain.ErrSigned
)

// FingerprintOf is the fingerprint of a SubjectPublicKeyInfo (DER).
func FingerprintOf(spki []byte) hsm.Fingerprint { return domain.FingerprintOf(spki) }

// Propose makes c a command that applies to s, nil at a creation, and expires after life, by the later of the clocks of
// this machine and the domain: unsigned. Error: ErrCommand where no module would do it in s.
func Propose(s *hsm.DomainState, c Command, now time.Time, life time.Duration) ([]byte, error) {
	if s != nil {
		c.Domain, c.State, c.Parent = s.Domain, s.Number, s.Hash()
		if s.Made.After(now) {
			now = s.Made
		}
	}
	if life <= 0 || life > MaxCommandLife {
		return nil, fmt.Errorf("%w: it must be good for some time, and at most %d days", ErrCommand, MaxCommandLife/(24*time.Hour))
	}
	c.Expires = now.Add(life)
	c.Members, c.Signers, c.Rules = slices.Clone(c.Members), slices.Clone(c.Signers), slices.Clone(c.Rules)
	b, err := c.Encode()
	if err != nil {
		return nil, err
	}
	parsed, _, err := domain.ParseCommand(b)
	if err != nil {
		return nil, err
	}
	// Whether it can be done at all, whoever signs it.
	if _, _, err := s.Successor(parsed, b, make([]hsm.Fingerprint, 1), now); err != nil {
		return nil, err
	}
	return b, nil
}

// ParseCommand reads a command; its signatures are not verified. Error: ErrCommand.
func ParseCommand(b []byte) (*Command, error) {
	c, _, err := domain.ParseCommand(b)
	return c, err
}

// Sign adds a signature. Errors: ErrCommand, ErrSigned, the signer's.
func Sign(command []byte, signer crypto.Signer, random io.Reader) ([]byte, error) {
	if signer == nil {
		return nil, ErrInDevice
	}
	return domain.Sign(command, signer, random)
}

// Merge joins the signatures of several files of one command. Error: ErrCommand.
func Merge(command []byte, others ...[]byte) ([]byte, error) {
	var err error
	for _, other := range others {
		if command, err = domain.Merge(command, other); err != nil {
			return nil, err
		}
	}
	return command, nil
}

// Status is how far a command is.
type Status struct {
	Command *Command
	Signers []hsm.DomainPrincipal // whose signatures are right
	Ready   bool                  // they are a quorum
	Missing string                // what is not; "" when ready
}

// StatusOf verifies the signatures of a command against s, nil at a creation. Errors: ErrCommand, ErrStale: no more signatures
// will help it.
func StatusOf(s *hsm.DomainState, command []byte, now time.Time) (*Status, error) {
	c, _, err := domain.ParseCommand(command)
	if err != nil {
		return nil, err
	}
	by, err := domain.Signed(s, command, now)
	if err != nil && !errors.Is(err, ErrQuorum) {
		return nil, err
	}
	st := &Status{Command: c, Ready: err == nil}
	if err != nil {
		st.Missing = strings.TrimPrefix(err.Error(), ErrQuorum.Error()+": ")
	}
	listed := c.Signers
	if s != nil {
		listed = s.Signers
	}
	for _, f := range by {
		i := slices.IndexFunc(listed, func(p hsm.DomainPrincipal) bool { return FingerprintOf(p.Signing) == f })
		if i < 0 {
			return nil, fmt.Errorf("%w: signed by %s", ErrCommand, f)
		}
		st.Signers = append(st.Signers, listed[i])
	}
	return st, nil
}

// DefaultRules are those of a domain with this many operators.
func DefaultRules(operators int) []hsm.DomainRule { return domain.DefaultRules(operators) }

// QuorumRules are DefaultRules with another number of operators.
func QuorumRules(n int) []hsm.DomainRule {
	rules := domain.DefaultRules(1)
	for i := range rules {
		for j := range rules[i].Any {
			rules[i].Any[j] = slices.Clone(rules[i].Any[j])
			for k := range rules[i].Any[j] {
				if r := &rules[i].Any[j][k]; r.Role == Operator {
					r.N = uint8(n)
				}
			}
		}
	}
	return rules
}
