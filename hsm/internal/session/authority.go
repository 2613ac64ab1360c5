package session

import "time"

// Fingerprint names a signing key: SHA-256 of its SubjectPublicKeyInfo (DER).
type Fingerprint [32]byte

// Authority is what the module's end of a session needs of its module. Safe for concurrent use.
type Authority interface {
	// Domain is the identifier and state number held; false: out of service.
	Domain() (id [16]byte, number uint64, ok bool)
	// Identity is the module's P-384 signing key: SubjectPublicKeyInfo (DER).
	Identity() []byte
	// Sign signs SHA-384 of a transcript by that key (ECDSA, ASN.1).
	Sign(digest *[48]byte) ([]byte, error)
	// Host is the SubjectPublicKeyInfo of a service host that the state held lists; false: it lists none such.
	Host(f Fingerprint) (spki []byte, ok bool)
	// SealSession appends the token of a session key under the newest domain key, bound to host and end.
	SealSession(dst []byte, sk *[32]byte, host Fingerprint, ends time.Time) ([]byte, error)
	// OpenSession sets sk to the session key of a token and says whose it is and when it ends. Whether the host is still
	// listed is the caller's to ask. false: no token of this domain's sessions.
	OpenSession(sk *[32]byte, token []byte) (host Fingerprint, ends time.Time, ok bool)
}

// Peers is what the host's end needs: its own signing key and which modules are of its domain. Safe for concurrent use.
type Peers interface {
	// Domain is the identifier of the domain and the number of the newest state known.
	Domain() (id [16]byte, number uint64)
	// Identity is the host's P-384 signing key: SubjectPublicKeyInfo (DER).
	Identity() []byte
	Sign(digest *[48]byte) ([]byte, error)
	// Module reports whether the domain state lists the module of this SubjectPublicKeyInfo.
	Module(spki []byte) bool
}
