package hsm

import (
	"context"
	"errors"

	"trent/hsm/internal/domain"
)

// What hosts and operators may know of a domain.
type (
	DomainState     = domain.State
	DomainHSM       = domain.HSM
	DomainPrincipal = domain.Principal
	DomainRule      = domain.Rule
	DomainKeyInfo   = domain.KeyInfo
	DomainKeyPhase  = domain.Phase
	Fingerprint     = domain.Fingerprint
)

// Errors of a Member beyond those of a Module.
var (
	// ErrQuorum is a command whose signatures satisfy no rule.
	ErrQuorum = domain.ErrQuorum
	// ErrStale is a command, a token or a module of an older state than the newest that is known.
	ErrStale = domain.ErrStale
	// ErrCommand is a command that is malformed, expired, meant for another module, or not possible in this state.
	ErrCommand = domain.ErrCommand
	// ErrOutOfService is a module that waits for a domain token, or has erased itself. It is ErrUnavailable to whoever
	// does not know it, but nothing was started: the call is safe to send to another module.
	ErrOutOfService error = outOfService{}
)

type outOfService struct{}

func (outOfService) Error() string { return "hsm: out of service until a domain token is installed" }

// Is makes errors.Is(ErrOutOfService, ErrUnavailable) hold.
func (outOfService) Is(target error) bool { return target == ErrUnavailable }

// Member is a module whose domain state travels between modules as domain tokens, which hosts carry.
type Member interface {
	Module
	// Identity is what the module is known by, and which state it holds.
	Identity(ctx context.Context) (MemberIdentity, error)
	// Execute checks a signed command against the state held and returns the token of its successor. The module itself
	// stays as it is, but for commands that erase it. Errors: ErrCommand, ErrQuorum, ErrStale, ErrDomain.
	Execute(ctx context.Context, command []byte) (domainToken []byte, err error)
	// Install makes the module hold the state of a token: a child of the state held, or after a start one that is not
	// older than the last it remembers. The token that is held already changes nothing. Errors: ErrDomain, ErrStale.
	Install(ctx context.Context, domainToken []byte) error
}

// MemberIdentity is what a member says of itself; all of it is public.
type MemberIdentity struct {
	HSM       DomainHSM
	InService bool     // holds domain keys
	Domain    [16]byte // zeros: in none
	Number    uint64   // of the state held, or of the last that was, while out of service
	Hash      [32]byte // of that state
}

// ParseDomainToken reads the public part of a domain token. Nothing is decrypted; the exporter's signature is
// checked against the members that the token itself lists, which proves no more than that the token is whole.
// Error: ErrDomain.
func ParseDomainToken(token []byte) (*DomainState, Fingerprint, error) {
	s, exporter, err := domain.ParseToken(token)
	if err != nil {
		return nil, Fingerprint{}, errors.Join(ErrDomain, err)
	}
	return s, exporter, nil
}

// Several is a Module made of several, which can tell of each. Optional.
type Several interface {
	// Modules is the status of each module; one that does not answer within ctx has a zero Status.
	Modules(ctx context.Context) []ModuleStatus
}

// ModuleStatus is one module of several, as whoever spreads the calls sees it.
type ModuleStatus struct {
	Name     string `json:"name"`
	Serving  bool   `json:"serving"`
	Drained  bool   `json:"drained"`
	Why      string `json:"why,omitempty"` // it is out of service
	InFlight int64  `json:"inFlight"`
	Calls    uint64 `json:"calls"`  // since start
	Failed   uint64 `json:"failed"` // of these, for want of the module
	Status   Status `json:"status"`
}
