package hsm

import (
	"context"
	"errors"
	"fmt"

	"trent/hsm/internal/domain"
	"trent/hsm/internal/token"
)

// MemberConfig is OpenMember's: Config, where Dir is the directory of the sealed identity ("identity.sealed"), Name that
// of a module about to be made, and Seal protects the identity.
type MemberConfig Config

// OpenMember opens the module whose identity lies in cfg.Dir, or makes a new one where there is none. It is out of
// service until a domain token is installed. Errors: those of Open.
func OpenMember(cfg MemberConfig) (*Local, error) {
	return start(Config(cfg), func(l *Local, o domain.Options) (err error) {
		if l.member, err = domain.OpenMember(o); err == nil {
			l.keys = &l.member.Ring
		}
		return err
	})
}

var _ Member = (*Local)(nil)

// errEmbedded is what a module of its own domain says to a member's methods.
var errEmbedded = fmt.Errorf("%w: this module is its domain's only one", ErrCommand)

// Identity implements Member. Errors: ErrCommand for a module of its own domain, ErrOutOfService for one that has
// erased itself.
func (l *Local) Identity(context.Context) (MemberIdentity, error) {
	if l.member == nil {
		return MemberIdentity{}, errEmbedded
	}
	self, err := l.member.Self()
	if err != nil {
		return MemberIdentity{}, outOf(err)
	}
	id := MemberIdentity{HSM: self, InService: l.keys.InService()}
	id.Domain, id.Number, id.Hash = l.member.Remembered()
	return id, nil
}

// Execute implements Member. Commands to recover a domain and to restore its keys come by WithDomainToken.
func (l *Local) Execute(_ context.Context, command []byte) ([]byte, error) {
	if l.member == nil {
		return nil, errEmbedded
	}
	out, err := l.member.Execute(command, l.now())
	return out, outOf(err)
}

// Install implements Member.
func (l *Local) Install(_ context.Context, domainToken []byte) error {
	if l.member == nil {
		return errEmbedded
	}
	return outOf(l.member.Install(domainToken))
}

// Zeroize wipes all keys, those that are ready among them, and the module's identity with its file: it is out of service
// for good, and opened again another module. Error: what kept the file from being removed.
func (l *Local) Zeroize() error {
	if l.member == nil {
		return errEmbedded
	}
	return outOf(l.member.Erase())
}

// WithDomainToken is a signed command, accompanied by a domain token, for Execute: one to recover a domain with its newest
// token, one to restore domain keys with the token of a backup.
func WithDomainToken(command, token []byte) []byte { return domain.WithToken(command, token) }

// outOf turns the errors of package domain into this one's.
func outOf(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, domain.ErrToken): // first: what is wrong with a token may be a command in it
		return fmt.Errorf("%w: %w", ErrDomain, err)
	case errors.Is(err, ErrCommand), errors.Is(err, ErrQuorum), errors.Is(err, ErrStale):
		return err
	case errors.Is(err, domain.ErrNoState), errors.Is(err, domain.ErrClosed):
		return fmt.Errorf("%w: %w", ErrOutOfService, err)
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// RotateDomainKey makes a new domain key, durably, in a domain of this module alone; tokens under the old ones still
// open, Rewrap moves them.
func (l *Local) RotateDomainKey() error {
	if l.sealed == nil {
		return errMember
	}
	return l.sealed.Rotate()
}

// DropDomainKey removes a domain key, durably, in a domain of this module alone: tokens under it cannot be opened again.
// A version that is not there changes nothing. Error: ErrCommand for the one that seals.
func (l *Local) DropDomainKey(version uint32) error {
	if l.sealed == nil {
		return errMember
	}
	err := l.sealed.Drop(version)
	if errors.Is(err, domain.ErrActive) {
		return fmt.Errorf("%w: %w", ErrCommand, err)
	}
	return err
}

var errMember = fmt.Errorf("%w: the domain keys of a member change by commands", ErrCommand)

// settle wipes all ready keys whose tokens are under domain keys that are not held, and returns once no call uses such
// a domain key; false: the module closes.
func (l *Local) settle() bool {
	gone := func(t []byte) bool {
		h, err := token.Parse(t)
		if err != nil {
			return true
		}
		_, held := l.keys.Find(&h.Domain, h.Version)
		return !held
	}
	for _, one := range l.parsed.removeWhere(func(e *parsedKey) bool { return gone(e.token) }) {
		select {
		case <-one:
		case <-l.stop:
			return false
		}
	}
	return l.visitAll(l.stop, func(s *slot) bool { return gone(s.tokenBytes[:s.tokenSize]) })
}
