package domain

import (
	"errors"
	"time"
)

// Errors of commands, for errors.Is.
var (
	ErrCommand = errors.New("domain: command refused")
	ErrQuorum  = errors.New("domain: the signatures satisfy no quorum rule")
	ErrStale   = errors.New("domain: not of the newest state")
)

// Command asks one module for the successor of a state. Which fields each kind reads:
//
//	CreateDomain   Name, Members (the first, Target among them), Signers, Rules, Rotation, Threshold; State 0
//	ModifyMembers  Members: the whole new list
//	ModifySigners  Signers: the whole new list; Threshold
//	ModifyRules    Rules, Rotation
//	RotateKeys     nothing
//	ActivateKey    Version
//	DropKey        Version; Statement
//	LeaveDomain    Target: the module that erases itself
//	RecoverDomain  Members (the new first one, Target), Shares
type Command struct {
	Kind    CommandKind
	Domain  [idSize]byte // zeros: CreateDomain
	State   uint64       // the number of the state that it applies to
	Parent  [32]byte     // Hash of that state
	Target  Fingerprint  // the module that may run it; zeros: any member
	Expires time.Time

	Name      string
	Members   []HSM
	Signers   []Principal
	Rules     []Rule
	Rotation  time.Duration
	Threshold uint8 // how many operators' shares recover the domain
	Version   uint32
	Statement Statement
	Shares    [][]byte // each an operator's share, encrypted to Target's agreement key
}

// Statement is a host's word that no token needs a domain key any more; the host's signature of the command covers it.
type Statement struct {
	Version uint32    // of the domain key
	Tokens  uint64    // found under it: zero, or the command is refused
	Counted time.Time // when the count was complete
}

// KeyChange is what a command changes of the secret part.
type KeyChange struct {
	Make     uint32   // make a domain key of this version; 0: none
	Drop     []uint32 // wipe these
	Recovery bool     // make a new recovery key, split among the operators
	Erase    bool     // LeaveDomain
}

// Check reads a signed command and holds its signatures against the rules of s, nil at a creation, for the module
// self. It returns who signed. Errors: ErrCommand, ErrQuorum, ErrStale.
func Check(s *State, signed []byte, self Fingerprint, now time.Time) (*Command, []Fingerprint, error) {
	return nil, nil, ErrCommand
}

// Successor is the state that c makes of s (nil: the first), its audit head included, and what that means for keys.
// Error: ErrCommand where c is not possible in s.
func (s *State) Successor(c *Command, signed []byte, signers []Fingerprint, now time.Time) (*State, KeyChange, error) {
	return nil, KeyChange{}, ErrCommand
}
