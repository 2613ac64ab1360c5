//go:build amd64 && !purego

package gcm

import (
	"bytes"
	"crypto/aes"
	"crypto/subtle"
	"encoding/hex"
	"slices"
	"testing"
)

// TestBegin looks at what begin prepares: the key schedule of FIPS 197 appendix A.3, encrypted counters, and the
// powers of the hash key with the sums of their halves.
func TestBegin(t *testing.T) {
	t.Parallel()
	if !slices.ContainsFunc(Kernels(), func(k Kernel) bool { return k == aesni{} }) {
		t.Skip("no AES instructions here, or FIPS mode")
	}
	unhex := func(s string) []byte {
		b, err := hex.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	key := [KeySize]byte(unhex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4"))
	nonce := [NonceSize]byte(unhex("f0f1f2f3f4f5f6f7f8f9fafb"))
	var s State
	begin(&s, &key, &nonce)
	for i, want := range map[int]string{
		0: "603deb1015ca71be2b73aef0857d7781", 1: "1f352c073b6108d72d9810a30914dff4",
		2: "9ba354118e6925afa51a8b5f2067fcde", 3: "a8b09c1a93d194cdbe49846eb75d5b9a",
		14: "fe4890d1e6188d0b046df344706c631e",
	} {
		if got := hex.EncodeToString(s.round[i][:]); got != want {
			t.Errorf("round key %d is %s, want %s", i, got, want)
		}
	}
	block, err := aes.NewCipher(key[:])
	if err != nil {
		t.Fatal(err)
	}
	for i, got := range [][16]byte{s.mask, s.stream[0], s.stream[1], s.stream[2], s.stream[3]} {
		want := append(bytes.Clone(nonce[:]), 0, 0, 0, byte(i+1))
		block.Encrypt(want, want)
		if !bytes.Equal(got[:], want) {
			t.Errorf("encrypted counter %d is %x, want %x", i+1, got, want)
		}
	}
	if want := append([]byte{5, 0, 0, 0}, reversed(nonce[:])...); !bytes.Equal(s.counter[:], want) {
		t.Errorf("the counter is left at %x, want %x", s.counter, want)
	}
	for i, p := range s.power {
		var sum [8]byte
		subtle.XORBytes(sum[:], p[0][:8], p[0][8:])
		if !bytes.Equal(p[1][:8], sum[:]) || i > 0 && p[0] == s.power[i-1][0] {
			t.Errorf("power %d is %x", i+1, p)
		}
	}
}

func reversed(b []byte) []byte {
	b = bytes.Clone(b)
	slices.Reverse(b)
	return b
}
