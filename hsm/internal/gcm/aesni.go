package gcm

import (
	"crypto/subtle"
	"slices"
	"unsafe"
)

// aesni is AES-256-GCM by the AES and carry-less multiplication instructions of amd64 (aesni_amd64.s). Key, round
// keys, hash key and key stream are nowhere but in the caller's memory and in registers.
type aesni struct{}

func (aesni) Name() string { return "aesni" }

func (aesni) MakesNonce() bool { return false }

func (aesni) Seal(s *State, dst []byte, key *[KeySize]byte, nonce *[NonceSize]byte, plaintext, aad []byte) []byte {
	if uint64(len(plaintext)) > maxPlaintext {
		panic("gcm: plaintext too long")
	}
	n := len(dst)
	dst = slices.Grow(dst, len(plaintext)+TagSize)[:n+len(plaintext)+TagSize]
	out := dst[n:]
	checkOverlap(out, plaintext, aad)
	text := out[:len(plaintext)]
	begin(s, key, nonce)
	cover(s, unsafe.SliceData(text), unsafe.SliceData(plaintext), len(plaintext))
	digest(s, aad, text)
	copy(out[len(plaintext):], s.tag[:])
	*s = State{}
	return dst
}

func (aesni) Open(s *State, dst []byte, key *[KeySize]byte, nonce *[NonceSize]byte, ciphertextAndTag, aad []byte) ([]byte, bool) {
	n, m := len(dst), len(ciphertextAndTag)-TagSize
	if m < 0 || uint64(m) > maxPlaintext {
		return dst, false
	}
	opened := slices.Grow(dst, m)[:n+m]
	out := opened[n:]
	checkOverlap(out, ciphertextAndTag, aad)
	text, tag := ciphertextAndTag[:m], ciphertextAndTag[m:]
	begin(s, key, nonce)
	digest(s, aad, text)
	ok := subtle.ConstantTimeCompare(s.tag[:], tag) == 1
	if ok {
		cover(s, unsafe.SliceData(out), unsafe.SliceData(text), m)
	} else {
		clear(out)
		opened = dst
	}
	*s = State{}
	return opened, ok
}

// maxPlaintext is SP 800-38D §5.2.1.1's limit in bytes.
const maxPlaintext = 1<<36 - 32

// checkOverlap panics where the output overlaps the input without beginning there, or overlaps aad.
func checkOverlap(out, in, aad []byte) {
	if overlap(out, aad) || overlap(out, in) && unsafe.SliceData(out) != unsafe.SliceData(in) {
		panic("gcm: output overlaps input")
	}
}

func overlap(a, b []byte) bool {
	if len(a) == 0 || len(b) == 0 {
		return false
	}
	from, to := uintptr(unsafe.Pointer(unsafe.SliceData(a))), uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	return from < to+uintptr(len(b)) && to < from+uintptr(len(a))
}
