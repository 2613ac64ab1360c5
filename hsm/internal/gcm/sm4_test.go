package gcm_test

import (
	"bytes"
	"crypto/fips140"
	"encoding/hex"
	"testing"

	"trent/hsm/internal/gcm"
)

// TestSM4 is RFC 8998, appendix A.1, and what a kernel promises of its buffers.
func TestSM4(t *testing.T) {
	t.Parallel()
	if fips140.Enforced() {
		t.Skip("SM4 is not approved")
	}
	unhex := func(s string) []byte {
		b, err := hex.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	var key [gcm.KeySize]byte
	copy(key[:], unhex("0123456789abcdeffedcba9876543210"))
	copy(key[gcm.SM4KeySize:], "the rest is not used")
	nonce := [gcm.NonceSize]byte(unhex("00001234567800000000abcd"))
	aad := unhex("feedfacedeadbeeffeedfacedeadbeefabaddad2")
	plaintext := unhex("aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbccccccccccccccccddddddddddddddddeeeeeeeeeeeeeeeeffffffffffffffffeeeeeeeeeeeeeeeeaaaaaaaaaaaaaaaa")
	want := unhex("17f399f08c67d5ee19d0dc9969c4bb7d5fd46fd3756489069157b282bb200735d82710ca5c22f0ccfa7cbf93d496ac15a56834cbcf98c397b4024a2691233b8d" +
		"83de3541e4c2b58177e065a9bf7b62ec")
	if got := gcm.SM4.Seal(new(gcm.State), []byte("x"), &key, &nonce, plaintext, aad); !bytes.Equal(got[1:], want) || got[0] != 'x' {
		t.Errorf("sealed %x", got)
	}
	inPlace := append(make([]byte, 0, len(want)), plaintext...)
	if got := gcm.SM4.Seal(new(gcm.State), inPlace[:0], &key, &nonce, inPlace, aad); !bytes.Equal(got, want) || &got[0] != &inPlace[:1][0] {
		t.Errorf("sealed in place %x", got)
	}
	opened, ok := gcm.SM4.Open(new(gcm.State), nil, &key, &nonce, want, aad)
	if !ok || !bytes.Equal(opened, plaintext) {
		t.Errorf("opened %x, %t", opened, ok)
	}
	for n := range len(want) {
		bad := bytes.Clone(want)
		bad[n] ^= 1
		dst := append(make([]byte, 0, 100), 'x')
		out, ok := gcm.SM4.Open(new(gcm.State), dst, &key, &nonce, bad, aad)
		if ok || string(out) != "x" || !bytes.Equal(dst[1:1+len(plaintext)], make([]byte, len(plaintext))) {
			t.Fatalf("byte %d altered: %x, %t, behind it %x", n, out, ok, dst[1:1+len(plaintext)])
		}
	}
	for _, n := range []int{0, 1, 15} {
		if _, ok := gcm.SM4.Open(new(gcm.State), nil, &key, &nonce, want[:n], aad); ok {
			t.Errorf("opened %d bytes", n)
		}
	}
	for _, k := range gcm.Kernels() {
		if k == gcm.SM4 {
			t.Error("SM4 is among the AES kernels")
		}
	}
}
