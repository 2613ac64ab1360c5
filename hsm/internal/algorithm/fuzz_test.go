package algorithm_test

import (
	"bytes"
	"crypto/rand"
	"testing"

	"trent/hsm/internal/algorithm"
)

// FuzzAgree: any peer is a typed refusal, or a key with which a secret of the curve's size comes out.
func FuzzAgree(f *testing.F) {
	sizes := map[algorithm.Spec]int{algorithm.P256: 32, algorithm.P384: 48, algorithm.P521: 66, algorithm.SM2: 32}
	keys := map[algorithm.Spec]algorithm.Private{}
	for spec := range sizes {
		keys[spec] = parsed(f, spec)
		peer := parsed(f, spec).Public()
		f.Add(byte(spec), peer)
		f.Add(byte(spec), peer[:len(peer)-1])
		f.Add(byte(spec), append(bytes.Clone(peer[:len(peer)-1]), peer[len(peer)-1]^1))
	}
	f.Fuzz(func(t *testing.T, s byte, peer []byte) {
		spec := algorithm.Spec(s)
		key, ok := keys[spec]
		if !ok {
			return
		}
		secret, err := algorithm.Agree(key, peer, nil)
		if err != nil && (err != algorithm.ErrPeer || secret != nil) || err == nil && len(secret) != sizes[spec] {
			t.Fatalf("%x: %x, %v", peer, secret, err)
		}
	})
}

// FuzzSM2Decrypt: anything but what Encrypt made is refused, by one error.
func FuzzSM2Decrypt(f *testing.F) {
	key := parsed(f, algorithm.SM2)
	sealed, err := algorithm.Encrypt(key, algorithm.SM2PKE, []byte("plaintext"), nil, rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed)
	f.Add(sealed[:40])
	f.Add([]byte{0x30, 0x80})
	f.Add(append([]byte{0x30, 0x81}, sealed[1:]...))
	f.Fuzz(func(t *testing.T, ciphertext []byte) {
		plaintext, err := algorithm.Decrypt(key, algorithm.SM2PKE, ciphertext, nil)
		if err == nil && !bytes.Equal(ciphertext, sealed) || err != nil && (err != algorithm.ErrDecrypt || plaintext != nil) {
			t.Fatalf("%x: %x, %v", ciphertext, plaintext, err)
		}
	})
}

// FuzzMLDSAVerify compares the verification over representatives with the library's over messages.
func FuzzMLDSAVerify(f *testing.F) {
	keys := map[algorithm.Spec]algorithm.Private{}
	for _, spec := range []algorithm.Spec{algorithm.MLDSA44, algorithm.MLDSA65, algorithm.MLDSA87} {
		keys[spec] = parsed(f, spec)
		sig, err := algorithm.Sign(keys[spec], algorithm.MLDSASHAKE256, algorithm.Message, []byte("message"), nil, rand.Reader)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(byte(spec), []byte("message"), sig)
		f.Add(byte(spec), []byte("message"), append(bytes.Clone(sig[:len(sig)-1]), sig[len(sig)-1]+1)) // one hint more
		f.Add(byte(spec), []byte("another"), sig)
	}
	f.Fuzz(func(t *testing.T, s byte, msg, sig []byte) {
		key, ok := keys[algorithm.Spec(s)]
		if !ok {
			return
		}
		mu := representative(key.Public()[22:], append([]byte{0, 0}, msg...))
		want := algorithm.Verify(key, algorithm.MLDSASHAKE256, algorithm.Message, msg, sig)
		if got := algorithm.Verify(key, algorithm.MLDSASHAKE256, algorithm.ExternalMu, mu, sig); got != want {
			t.Fatalf("spec %d: %v, by the library %v", s, got, want)
		}
	})
}
