package gcm

import (
	"crypto/cipher"

	"github.com/emmansun/gmsm/sm4"
)

// SM4KeySize is the part of a kernel's key that SM4 uses, in bytes.
const SM4KeySize = 16

// SM4 is SM4-GCM (RFC 8998 §2.1) in the form of a kernel: what seals in China Regions. It is not in the table, since
// none of the others opens what it sealed. Like the std kernels it copies the key to the Go heap.
var SM4 Kernel = sm4Kernel{}

type sm4Kernel struct{}

func (sm4Kernel) Name() string { return "sm4" }

func (sm4Kernel) MakesNonce() bool { return false }

func (sm4Kernel) Seal(_ *State, dst []byte, key *[KeySize]byte, nonce *[NonceSize]byte, plaintext, aad []byte) []byte {
	return sm4AEAD(key).Seal(dst, nonce[:], plaintext, aad)
}

func (sm4Kernel) Open(_ *State, dst []byte, key *[KeySize]byte, nonce *[NonceSize]byte, ciphertextAndTag, aad []byte) ([]byte, bool) {
	out, err := sm4AEAD(key).Open(dst, nonce[:], ciphertextAndTag, aad)
	if err != nil {
		// Not all of the library's implementations clear the output.
		n := max(0, len(ciphertextAndTag)-TagSize)
		clear(dst[len(dst):min(len(dst)+n, cap(dst))])
		return dst, false
	}
	return out, true
}

func sm4AEAD(key *[KeySize]byte) cipher.AEAD {
	block, err := sm4.NewCipher(key[:SM4KeySize])
	if err != nil {
		panic("gcm: SM4 refused a 16-byte key: " + err.Error())
	}
	a, err := cipher.NewGCM(block)
	if err != nil {
		panic("gcm: GCM refused SM4: " + err.Error())
	}
	return a
}
