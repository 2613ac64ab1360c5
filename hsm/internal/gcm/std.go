package gcm

import (
	"crypto/aes"
	"crypto/cipher"
)

// std is the standard library's AES-GCM with the caller's nonce.
type std struct{}

func (std) Name() string { return "std" }

func (std) MakesNonce() bool { return false }

func (std) Seal(_ *State, dst []byte, key *[KeySize]byte, nonce *[NonceSize]byte, plaintext, aad []byte) []byte {
	return aead(key, cipher.NewGCM).Seal(dst, nonce[:], plaintext, aad)
}

func (std) Open(_ *State, dst []byte, key *[KeySize]byte, nonce *[NonceSize]byte, ciphertextAndTag, aad []byte) ([]byte, bool) {
	out, err := aead(key, cipher.NewGCM).Open(dst, nonce[:], ciphertextAndTag, aad)
	if err != nil {
		return dst, false // the standard library has cleared the output
	}
	return out, true
}

// aead makes the cipher object: one allocation for the key schedule, one for the GCM tables.
func aead(key *[KeySize]byte, mode func(cipher.Block) (cipher.AEAD, error)) cipher.AEAD {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic("gcm: AES refused a 32-byte key: " + err.Error())
	}
	a, err := mode(block)
	if err != nil {
		panic("gcm: GCM refused AES: " + err.Error())
	}
	return a
}
