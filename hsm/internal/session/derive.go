package session

import (
	"crypto/hmac"

	"trent/hsm/internal/kdf"
	"trent/hsm/internal/reveal"
)

// Labels of what is derived from a session key.
const (
	openKeyLabel       = "trent session open"
	acceptKeyLabel     = "trent session accept"
	connectionKeyLabel = "trent session connection"
)

// Directions. Values are part of keys and of envelopes' additional data.
const (
	toModule byte = iota + 1
	toHost
)

// ends is what the keys of a connection are bound to.
type ends struct {
	host, module             Fingerprint
	hostRandom, moduleRandom [randomSize]byte
	domain                   [16]byte
}

// derive sets key to one of a connection's keys: direction 0 for proofs.
func (e *ends) derive(key *[kdf.Size]byte, sk *kdf.Midstate, label string, direction byte) {
	var context [1 + 2*fingerprintSize + 2*randomSize + 16]byte
	b := append(context[:0], direction)
	b = append(b, e.host[:]...)
	b = append(b, e.module[:]...)
	b = append(b, e.hostRandom[:]...)
	b = append(b, e.moduleRandom[:]...)
	b = append(b, e.domain[:]...)
	sk.Derive(key, label, b)
}

// lanes sets both keys of the connection of s, from the session key that is ready there, which is wiped.
func (e *ends) lanes(s *slot, sends, receives byte) {
	e.derive(&s.lanes[sending].key, &s.ready, connectionKeyLabel, sends)
	e.derive(&s.lanes[receiving].key, &s.ready, connectionKeyLabel, receives)
	reveal.Secret("key to send", s.lanes[sending].key[:])
	reveal.Secret("key to receive", s.lanes[receiving].key[:])
	s.ready.Wipe()
	clear(s.key[:])
}

// openProof sets s.proof to what an open message ends with: its sender has the session key.
func openProof(s *slot, m *open, host *Fingerprint) {
	s.ready.Derive(&s.proof, openKeyLabel, host[:])
	kdf.HMACSHA256(&s.proof, s.proof[:], m.proved)
}

// acceptProof sets s.proof to what an accept message ends with: its sender has the session key, too.
func (e *ends) acceptProof(s *slot, opened, proved []byte) {
	e.derive(&s.proof, &s.ready, acceptKeyLabel, 0)
	kdf.HMACSHA256(&s.proof, s.proof[:], opened, proved)
}

// proves compares in constant time, and wipes.
func proves(s *slot, proof []byte) bool {
	ok := hmac.Equal(s.proof[:], proof)
	clear(s.proof[:])
	return ok
}
