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

// FuzzVerify: any signature is the one refusal, or good; by every algorithm of every key.
func FuzzVerify(f *testing.F) {
	keys := map[algorithm.Spec]algorithm.Private{}
	msg := make([]byte, 64)
	for _, spec := range asymmetric {
		keys[spec] = parsed(f, spec)
		for i, alg := range algorithm.Algorithms(spec, algorithm.SignVerify) {
			form := algorithm.Message
			if alg == algorithm.ED25519PHSHA512 {
				form = algorithm.Digest
			}
			sig, err := algorithm.Sign(keys[spec], alg, form, msg, nil, rand.Reader)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(byte(spec), byte(i), sig)
			f.Add(byte(spec), byte(i), sig[:len(sig)-1])
		}
	}
	f.Add(byte(algorithm.P256), byte(0), []byte{0x30, 0x06, 0x02, 0x01, 0x00, 0x02, 0x01, 0x00})
	f.Fuzz(func(t *testing.T, s, a byte, sig []byte) {
		spec := algorithm.Spec(s)
		algs := algorithm.Algorithms(spec, algorithm.SignVerify)
		if keys[spec] == nil || int(a) >= len(algs) {
			return
		}
		form := algorithm.Message
		if algs[a] == algorithm.ED25519PHSHA512 {
			form = algorithm.Digest
		}
		if err := algorithm.Verify(keys[spec], algs[a], form, msg, sig); err != nil && err != algorithm.ErrMismatch {
			t.Fatalf("spec %d, algorithm %d, %x: %v", spec, algs[a], sig, err)
		}
	})
}

// FuzzOpen: any ciphertext is the one refusal, or opens; by RSA, SM2 and ML-KEM. Of ML-KEM every one of the right length does.
func FuzzOpen(f *testing.F) {
	keys := map[algorithm.Spec]algorithm.Private{}
	lengths := map[algorithm.Spec]int{algorithm.MLKEM512: 768, algorithm.MLKEM768: 1088, algorithm.MLKEM1024: 1568}
	for _, spec := range []algorithm.Spec{algorithm.RSA2048, algorithm.SM2, algorithm.MLKEM512, algorithm.MLKEM768, algorithm.MLKEM1024} {
		keys[spec] = parsed(f, spec)
		for _, n := range []int{0, 1, 256, 768, 1088, 1568} {
			f.Add(byte(spec), make([]byte, n))
			f.Add(byte(spec), bytes.Repeat([]byte{0xff}, n))
		}
	}
	f.Fuzz(func(t *testing.T, s byte, ciphertext []byte) {
		spec := algorithm.Spec(s)
		key, ok := keys[spec]
		if !ok {
			return
		}
		if n, kem := lengths[spec]; kem {
			secret, err := algorithm.Decapsulate(key, ciphertext, nil)
			if good := len(ciphertext) == n; good && (err != nil || len(secret) != algorithm.SharedSecretBytes) || !good && (err != algorithm.ErrDecrypt || secret != nil) {
				t.Fatalf("spec %d, %d bytes: %x, %v", spec, len(ciphertext), secret, err)
			}
			return
		}
		for _, alg := range algorithm.Algorithms(spec, algorithm.EncryptDecrypt) {
			if plaintext, err := algorithm.Decrypt(key, alg, ciphertext, nil); err != nil && (err != algorithm.ErrDecrypt || plaintext != nil) {
				t.Fatalf("spec %d, %x: %x, %v", spec, ciphertext, plaintext, err)
			}
		}
	})
}
