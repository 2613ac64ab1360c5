package session

import (
	"crypto/ecdh"
	"crypto/mlkem"
	"errors"
	"fmt"
	"io"

	"trent/hsm/internal/kdf"
)

// Sizes in bytes.
const (
	scalarSize = 48
	seedSize   = mlkem.SeedSize
	kemSecret  = mlkem.SharedKeySize
	kemKeySize = mlkem.EncapsulationKeySize1024
	kemSize    = mlkem.CiphertextSize1024
)

// agreementLabel begins the fixed information of the derivation.
const agreementLabel = "trent session agreement"

// drawScalar makes an ephemeral P-384 key: candidates until one is in range (SP 800-56A r3 §5.6.1.2.2). The first is, but
// for one in 2¹⁸⁹.
func drawScalar(scalar *[scalarSize]byte, random io.Reader) (*ecdh.PrivateKey, error) {
	for range 8 {
		if _, err := io.ReadFull(random, scalar[:]); err != nil {
			return nil, fmt.Errorf("drawing an ephemeral key: %w", err)
		}
		if key, err := ecdh.P384().NewPrivateKey(scalar[:]); err == nil {
			return key, nil
		}
	}
	return nil, errors.New("drawing an ephemeral key: the random source gives none in range")
}

// agree sets shared to the ECDH secret of key and a point. false: no point of the curve.
func agree(shared *[scalarSize]byte, key *ecdh.PrivateKey, point []byte) bool {
	peer, err := ecdh.P384().NewPublicKey(point)
	if err != nil {
		return false
	}
	z, err := key.ECDH(peer)
	if err != nil {
		return false
	}
	copy(shared[:], z)
	clear(z)
	return true
}

// combine sets key to the one-step KDF of SP 800-56C r2 §4.1 with HMAC-SHA256 and a salt of zeros, of the ECDH secret ‖
// the ML-KEM secret, if there is one (§2: the hybrid Z′), with label ‖ 00 ‖ transcript hash as the fixed information.
func combine(key *[kdf.Size]byte, ecdh *[scalarSize]byte, kem []byte, transcript *[digestSize]byte) {
	var salt [64]byte
	kdf.HMACSHA256(key, salt[:], []byte{0, 0, 0, 1}, ecdh[:], kem, []byte(agreementLabel), []byte{0}, transcript[:])
}
