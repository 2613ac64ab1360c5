package hsm

import (
	"trent/hsm/internal/domain"
	"trent/hsm/internal/token"
)

// Phases of domain keys.
const (
	DomainKeyPending     = domain.Pending
	DomainKeyActive      = domain.Active
	DomainKeyDeactivated = domain.Deactivated
	DomainKeyExposed     = domain.Exposed
)

// TokenLife is the longest that a token lives which no store holds: import tokens, and those of sessions with modules.
const TokenLife = domain.TokenLife

// TokenInfo is what a token says of itself in clear.
type TokenInfo struct {
	Version  uint32 // of the domain key that it is under
	Spec     KeySpec
	Usage    Usage
	Material MaterialID
}

// InfoOf reads the public header of a token; false: it is none that is under a domain key. Nothing is authenticated by this.
func InfoOf(keyToken []byte) (TokenInfo, bool) {
	h, err := token.Parse(keyToken)
	if err != nil {
		return TokenInfo{}, false
	}
	return TokenInfo{Version: h.Version, Spec: KeySpec(h.Spec), Usage: Usage(h.Usage), Material: h.Material}, true
}
