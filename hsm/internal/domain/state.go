package domain

import (
	"encoding/hex"
	"time"
)

// Fingerprint names a signing key: SHA-256 of its SubjectPublicKeyInfo (DER).
type Fingerprint [32]byte

// String is 64 lower-case hex digits.
func (f Fingerprint) String() string { return hex.EncodeToString(f[:]) }

// State is the public part of a domain: all that a domain token says in clear. It never changes; each command makes
// a successor. Slices are sorted: members and principals by fingerprint, rules by command, keys by version.
type State struct {
	Domain   [idSize]byte
	Name     string
	Number   uint64   // 1 at the creation, one more in each successor
	Parent   [32]byte // Hash of the state before; zeros in the first
	Made     time.Time
	Members  []HSM
	Signers  []Principal // operators and service hosts
	Rules    []Rule
	Keys     []KeyInfo
	Rotation time.Duration // how often domain keys rotate
	Audit    AuditHead     // of the log, this state's own command included
	Recovery Recovery
}

// Recovery is what is public of the recovery key. Whoever executes a command fills it in.
type Recovery struct {
	Key       []byte // SubjectPublicKeyInfo (DER) of a P-384 key, to which the domain keys are encrypted too
	Threshold uint8  // how many operators' shares make its private half
}

// HSM is a member of a domain: what it is known by and how it is addressed.
type HSM struct {
	Name      string
	Signing   []byte // SubjectPublicKeyInfo (DER) of a P-384 key
	Agreement []byte // the same, for domain tokens
	KEM       []byte // ML-KEM-1024 encapsulation key (FIPS 203, 1,568 bytes); empty: classical agreement alone
}

// Role is what a signer is to the domain.
type Role uint8

// Roles. Values are part of tokens and commands.
const (
	Operator    Role = iota + 1
	ServiceHost      // speaks to members over hsm/link, and may rotate domain keys
)

// Principal is somebody whose signature counts: an operator or a service host.
type Principal struct {
	Name      string
	Role      Role
	Signing   []byte // SubjectPublicKeyInfo (DER) of a P-384 key
	Agreement []byte // an operator's, for its share of the recovery key: P-384; empty for hosts
}

// Requirement is a number of distinct signers of a role.
type Requirement struct {
	Role Role
	N    uint8
}

// Rule says who can have a command done: the signers of any one of the alternatives.
type Rule struct {
	Command CommandKind
	Any     [][]Requirement
}

// CommandKind is what a command does. Values are part of commands and rules.
type CommandKind uint8

// Commands.
const (
	CreateDomain    CommandKind = iota + 1
	ModifyMembers               // join and removal
	ModifySigners               // operators and service hosts
	ModifyRules                 // quorum rules and the period of rotation
	RotateKeys                  // makes a pending domain key
	ActivateKey                 // the pending key seals from now on
	DropKey                     // a deactivated key that no token needs is gone
	LeaveDomain                 // the target erases all it has of the domain
	RecoverDomain               // a new first member takes over by the operators' shares
	RestoreKeys                 // domain keys of a backup's token come back, to re-encrypt what is under them
	lastCommandKind = RestoreKeys
)

// Phase is where a domain key stands.
type Phase uint8

// Phases. All but the active key only open tokens.
const (
	Pending Phase = iota + 1
	Active
	Deactivated
	Exposed // deactivated, and known to a member or host that was removed, or restored: dropped as soon as no token needs it
)

// KeyInfo is what is public of a domain key.
type KeyInfo struct {
	Version   uint32
	Phase     Phase
	Made      time.Time
	Activated time.Time // zero while pending
	Ended     time.Time // when it was deactivated; zero before
	Check     [32]byte  // HMAC-SHA256(domain key, "trent domain key" ‖ domain ‖ version); whoever makes the key fills it in
}

// AuditHead is the end of a domain's audit log: a hash chain of everything that was commanded.
type AuditHead struct {
	Count uint64
	Hash  [32]byte
}
