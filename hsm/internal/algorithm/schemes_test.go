package algorithm_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha3"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/cloudflare/circl/kem"
	"github.com/cloudflare/circl/kem/mlkem/mlkem1024"
	"github.com/cloudflare/circl/kem/mlkem/mlkem768"

	"trent/hsm/internal/algorithm"
)

// wantVerify compares the outcome of a verification with a vector's.
func wantVerify(t *testing.T, name string, valid bool, err error) {
	t.Helper()
	if valid && err != nil || !valid && !errors.Is(err, algorithm.ErrMismatch) {
		t.Errorf("%s, valid %t: %v", name, valid, err)
	}
}

func TestSecp256k1Vectors(t *testing.T) {
	t.Parallel()
	forEachFile(t, "pyca_ecdsa_secp256k1.json", 1, func(t *testing.T, g vectorGroup) {
		for _, c := range g.Tests {
			key, err := algorithm.PublicOnly(algorithm.Secp256k1, algorithm.SPKIOf(algorithm.Secp256k1, c.Public))
			if err != nil {
				t.Fatal(err)
			}
			wantVerify(t, c.Comment, true, algorithm.Verify(key, algorithm.ECDSASHA256, algorithm.Message, c.Msg, c.Sig))
			wantVerify(t, c.Comment, false, algorithm.Verify(key, algorithm.ECDSASHA256, algorithm.Message, c.Msg[1:], c.Sig))
		}
	})
}

// TestSecp256k1Encodings: signatures in anything but DER, and numbers out of range, do not verify.
func TestSecp256k1Encodings(t *testing.T) {
	t.Parallel()
	key := parsed(t, algorithm.Secp256k1)
	sig, err := algorithm.Sign(key, algorithm.ECDSASHA256, algorithm.Message, []byte("m"), nil, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	r, s := sig[4:4+sig[3]], sig[6+sig[3]:]
	order, _ := hex.DecodeString("00fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141")
	encode := func(r, s []byte) []byte {
		body := slices.Concat([]byte{2, byte(len(r))}, r, []byte{2, byte(len(s))}, s)
		return append([]byte{0x30, byte(len(body))}, body...)
	}
	if !bytes.Equal(encode(r, s), sig) {
		t.Fatal("the test encodes otherwise")
	}
	for name, bad := range map[string][]byte{
		"long length": slices.Concat([]byte{0x30, 0x81}, sig[1:]), "padded": encode(append([]byte{0}, r...), s), "zero": encode([]byte{0}, s),
		"order": encode(order, s), "zero s": encode(r, []byte{0}), "order as s": encode(r, order), "indefinite": append(append([]byte{0x30, 0x80}, sig[2:]...), 0, 0),
		"set": append([]byte{0x31}, sig[1:]...), "raw": append(bytes.Clone(r), s...),
	} {
		wantVerify(t, name, false, algorithm.Verify(key, algorithm.ECDSASHA256, algorithm.Message, []byte("m"), bad))
	}
}

func TestEd25519Vectors(t *testing.T) {
	t.Parallel()
	forEachFile(t, "ed25519_sign_input.json", 1, func(t *testing.T, g vectorGroup) {
		for _, c := range g.Tests {
			material, err := x509.MarshalPKCS8PrivateKey(ed25519.NewKeyFromSeed(c.Seed))
			if err != nil {
				t.Fatal(err)
			}
			key, err := algorithm.Parse(algorithm.Ed25519, material)
			if err != nil {
				t.Fatal(err)
			}
			sig, err := algorithm.Sign(key, algorithm.ED25519SHA512, algorithm.Message, c.Msg, nil, rand.Reader)
			if err != nil || !bytes.Equal(sig, c.Sig) || !bytes.HasSuffix(key.Public(), c.Public) {
				t.Errorf("test %d: %x, %v", c.TcID, sig, err)
			}
			wantVerify(t, "its own", true, algorithm.Verify(key, algorithm.ED25519SHA512, algorithm.Message, c.Msg, c.Sig))
		}
	})
}

// TestEd25519Forms: digests go to Ed25519ph alone, and have its length.
func TestEd25519Forms(t *testing.T) {
	t.Parallel()
	key := parsed(t, algorithm.Ed25519)
	for _, c := range []struct {
		alg  algorithm.Alg
		form algorithm.Form
		size int
		want error
	}{
		{algorithm.ED25519SHA512, algorithm.Message, 0, nil}, {algorithm.ED25519SHA512, algorithm.Digest, 64, algorithm.ErrUnsupported},
		{algorithm.ED25519SHA512, algorithm.ExternalMu, 64, algorithm.ErrUnsupported},
		{algorithm.ED25519PHSHA512, algorithm.Digest, 64, nil}, {algorithm.ED25519PHSHA512, algorithm.Digest, 63, algorithm.ErrDigestLength},
		{algorithm.ED25519PHSHA512, algorithm.Message, 64, algorithm.ErrUnsupported}, {algorithm.ED25519PHSHA512, algorithm.ExternalMu, 64, algorithm.ErrUnsupported},
	} {
		sig, err := algorithm.Sign(key, c.alg, c.form, make([]byte, c.size), nil, rand.Reader)
		if err != c.want {
			t.Errorf("%+v: %v", c, err)
		}
		if err == nil && len(sig) != 64 {
			t.Errorf("%+v: %d bytes", c, len(sig))
		}
		if err := algorithm.Verify(key, c.alg, c.form, make([]byte, c.size), sig); err != c.want {
			t.Errorf("%+v: Verify: %v", c, err)
		}
	}
}

func TestMLDSAVectors(t *testing.T) {
	t.Parallel()
	forEachFile(t, "wycheproof_mldsa_*.json", 3, func(t *testing.T, g vectorGroup) {
		key, err := algorithm.PublicOnly(specs[g.Spec], algorithm.SPKIOf(specs[g.Spec], g.PublicKey))
		for _, c := range g.Tests {
			if err != nil { // a key of the wrong length: nothing to verify by
				if c.Result == "valid" {
					t.Errorf("test %d: %v", c.TcID, err)
				}
				continue
			}
			wantVerify(t, c.Comment, c.Result == "valid", algorithm.Verify(key, algorithm.MLDSASHAKE256, algorithm.Message, c.Msg, c.Sig))
			mu := representative(g.PublicKey, append([]byte{0, 0}, c.Msg...))
			wantVerify(t, "μ, "+c.Comment, c.Result == "valid", algorithm.Verify(key, algorithm.MLDSASHAKE256, algorithm.ExternalMu, mu, c.Sig))
		}
	})
}

// TestMLDSAInternalVectors are of FIPS 204's internal interface, where the message is formatted already.
func TestMLDSAInternalVectors(t *testing.T) {
	t.Parallel()
	forEachFile(t, "acvp_mldsa_internal.json", 1, func(t *testing.T, g vectorGroup) {
		for _, c := range g.Tests {
			if got := algorithm.VerifyMu(specs[g.Spec], g.PublicKey, representative(g.PublicKey, c.Msg), c.Sig); got != (c.Result == "valid") {
				t.Errorf("%s, test %d: %t, want %s", g.Spec, c.TcID, got, c.Result)
			}
		}
	})
}

// representative is μ of a formatted message (FIPS 204, algorithm 7, line 6).
func representative(public, formatted []byte) []byte {
	return sha3.SumSHAKE256(append(sha3.SumSHAKE256(public, 64), formatted...), 64)
}

// TestMLDSAForms: the library and the verification over representatives agree, on signatures made of either.
func TestMLDSAForms(t *testing.T) {
	t.Parallel()
	for spec, size := range map[algorithm.Spec]int{algorithm.MLDSA44: 2420, algorithm.MLDSA65: 3309, algorithm.MLDSA87: 4627} {
		key := parsed(t, spec)
		for range 8 { // challenges and hints are of chance
			msg := make([]byte, 33)
			if _, err := rand.Read(msg); err != nil {
				t.Fatal(err)
			}
			mu := representative(key.Public()[22:], append([]byte{0, 0}, msg...))
			for form, m := range map[algorithm.Form][]byte{algorithm.Message: msg, algorithm.ExternalMu: mu} {
				sig, err := algorithm.Sign(key, algorithm.MLDSASHAKE256, form, m, []byte("x"), rand.Reader)
				if err != nil || len(sig) != 1+size {
					t.Fatalf("%d bytes, %v", len(sig), err)
				}
				sig = sig[1:]
				for form, m := range map[algorithm.Form][]byte{algorithm.Message: msg, algorithm.ExternalMu: mu} {
					wantVerify(t, "", true, algorithm.Verify(key, algorithm.MLDSASHAKE256, form, m, sig))
					for _, i := range []int{0, 100, len(sig) / 2, len(sig) - 1, len(sig) - 60} {
						bad := bytes.Clone(sig)
						bad[i] ^= 0x20
						wantVerify(t, "altered", false, algorithm.Verify(key, algorithm.MLDSASHAKE256, form, m, bad))
					}
					wantVerify(t, "short", false, algorithm.Verify(key, algorithm.MLDSASHAKE256, form, m, sig[1:]))
					wantVerify(t, "none", false, algorithm.Verify(key, algorithm.MLDSASHAKE256, form, m, nil))
				}
				wantVerify(t, "another μ", false, algorithm.Verify(key, algorithm.MLDSASHAKE256, algorithm.ExternalMu, make([]byte, 64), sig))
			}
		}
		if _, err := algorithm.Sign(key, algorithm.MLDSASHAKE256, algorithm.Digest, make([]byte, 64), nil, rand.Reader); err != algorithm.ErrUnsupported {
			t.Errorf("digest: %v", err)
		}
		if err := algorithm.Verify(key, algorithm.MLDSASHAKE256, algorithm.Digest, make([]byte, 64), nil); err != algorithm.ErrUnsupported {
			t.Errorf("digest: %v", err)
		}
		if _, err := algorithm.Sign(key, algorithm.MLDSASHAKE256, algorithm.ExternalMu, make([]byte, 63), nil, rand.Reader); err != algorithm.ErrDigestLength {
			t.Errorf("short μ: %v", err)
		}
	}
}

func TestMLKEMVectors(t *testing.T) {
	t.Parallel()
	forEachFile(t, "acvp_mlkem_keygen.json", 1, func(t *testing.T, g vectorGroup) {
		for _, c := range g.Tests {
			key, err := algorithm.Parse(specs[g.Spec], algorithm.MaterialOfSeed(specs[g.Spec], c.Seed))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(key.Public(), algorithm.SPKIOf(specs[g.Spec], c.Public)) {
				t.Errorf("%s, test %d: another public key", g.Spec, c.TcID)
			}
		}
	})
}

// TestMLKEMByAnother compares with another implementation, rejected ciphertexts included.
func TestMLKEMByAnother(t *testing.T) {
	t.Parallel()
	for spec, scheme := range map[algorithm.Spec]kem.Scheme{algorithm.MLKEM768: mlkem768.Scheme(), algorithm.MLKEM1024: mlkem1024.Scheme()} {
		seed := make([]byte, 64)
		if _, err := rand.Read(seed); err != nil {
			t.Fatal(err)
		}
		public, private := scheme.DeriveKeyPair(seed)
		key, err := algorithm.Parse(spec, algorithm.MaterialOfSeed(spec, seed))
		if err != nil {
			t.Fatal(err)
		}
		ciphertext, secret, err := scheme.Encapsulate(public)
		if err != nil {
			t.Fatal(err)
		}
		got, err := algorithm.Decapsulate(key, ciphertext, []byte("x"))
		if err != nil || string(got) != "x"+string(secret) {
			t.Errorf("spec %d: Decapsulate: %x, %v", spec, got, err)
		}
		ours, shared, err := algorithm.Encapsulate(key, nil, nil, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			theirs, err := scheme.Decapsulate(private, ours)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(theirs, shared) {
				t.Errorf("spec %d: another secret", spec)
			}
			ours[9] ^= 1 // the second time, both reject
			if shared, err = algorithm.Decapsulate(key, ours, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestECDHVectors(t *testing.T) {
	t.Parallel()
	nist := map[string]elliptic.Curve{"P256": elliptic.P256(), "P384": elliptic.P384(), "P521": elliptic.P521()}
	forEachFile(t, "cavs_ecdh.json", 1, func(t *testing.T, g vectorGroup) {
		curve := nist[g.Spec]
		for _, c := range g.Tests {
			private, err := ecdsa.ParseRawPrivateKey(curve, c.Private)
			if err != nil {
				t.Fatal(err)
			}
			material, err := x509.MarshalPKCS8PrivateKey(private)
			if err != nil {
				t.Fatal(err)
			}
			key, err := algorithm.Parse(specs[g.Spec], material)
			if err != nil {
				t.Fatal(err)
			}
			// The point may not be on the curve, so it goes into the encoding of one that is.
			peer := append(bytes.Clone(key.Public()[:len(key.Public())-len(c.Public)]), c.Public...)
			got, err := algorithm.Agree(key, peer, nil)
			switch {
			case strings.Contains(c.Comment, "Z changed"):
				if err != nil || bytes.Equal(got, c.Secret) {
					t.Errorf("%s, test %d (%s): %x, %v", g.Spec, c.TcID, c.Comment, got, err)
				}
			case c.Result == "valid":
				if err != nil || !bytes.Equal(got, c.Secret) {
					t.Errorf("%s, test %d (%s): %x, %v", g.Spec, c.TcID, c.Comment, got, err)
				}
			case err != algorithm.ErrPeer:
				t.Errorf("%s, test %d (%s): %v", g.Spec, c.TcID, c.Comment, err)
			}
		}
	})
}

// TestAgreeUnsupported: keys that do not agree say so.
func TestAgreeUnsupported(t *testing.T) {
	t.Parallel()
	for _, spec := range []algorithm.Spec{algorithm.RSA2048, algorithm.Secp256k1, algorithm.Ed25519, algorithm.MLDSA44, algorithm.MLKEM512} {
		if _, err := algorithm.Agree(parsed(t, spec), nil, nil); err != algorithm.ErrUnsupported {
			t.Errorf("spec %d: %v", spec, err)
		}
	}
	for _, spec := range []algorithm.Spec{algorithm.RSA2048, algorithm.P256, algorithm.SM2, algorithm.MLDSA44} {
		if _, _, err := algorithm.Encapsulate(parsed(t, spec), nil, nil, rand.Reader); err != algorithm.ErrUnsupported {
			t.Errorf("spec %d: %v", spec, err)
		}
		if _, err := algorithm.Decapsulate(parsed(t, spec), nil, nil); err != algorithm.ErrUnsupported {
			t.Errorf("spec %d: %v", spec, err)
		}
	}
}
