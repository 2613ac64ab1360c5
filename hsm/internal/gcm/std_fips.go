package gcm

import (
	"crypto/cipher"
	"sync"
)

// stdFIPS is the standard library's AES-GCM with nonces that it draws itself, the one way in which a FIPS
// 140-3 module may seal with random nonces (FIPS 140-3 IG C.H, scenario 2).
//
// The library keeps the nonce in front of the ciphertext, this package's formats keep it elsewhere: so both
// directions go through a pooled buffer, which only ever holds nonces, ciphertexts and tags.
type stdFIPS struct{}

// joined pools the buffers for nonce ‖ ciphertext ‖ tag.
var joined = sync.Pool{New: func() any { return new([]byte) }}

func (stdFIPS) Name() string { return "std-fips" }

func (stdFIPS) MakesNonce() bool { return true }

func (stdFIPS) Seal(_ *State, dst []byte, key *[KeySize]byte, nonce *[NonceSize]byte, plaintext, aad []byte) []byte {
	buf := joined.Get().(*[]byte)
	sealed := aead(key, cipher.NewGCMWithRandomNonce).Seal((*buf)[:0], nil, plaintext, aad)
	copy(nonce[:], sealed)
	dst = append(dst, sealed[NonceSize:]...)
	*buf = sealed
	joined.Put(buf)
	return dst
}

func (stdFIPS) Open(_ *State, dst []byte, key *[KeySize]byte, nonce *[NonceSize]byte, ciphertextAndTag, aad []byte) ([]byte, bool) {
	buf := joined.Get().(*[]byte)
	*buf = append(append((*buf)[:0], nonce[:]...), ciphertextAndTag...)
	out, err := aead(key, cipher.NewGCMWithRandomNonce).Open(dst, nil, *buf, aad)
	joined.Put(buf)
	if err != nil {
		return dst, false // the standard library has cleared the output
	}
	return out, true
}
