package algorithm_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/iotest"

	"trent/hsm/internal/algorithm"
)

var asymmetric = []algorithm.Spec{
	algorithm.RSA2048, algorithm.RSA3072, algorithm.RSA4096, algorithm.P256, algorithm.P384, algorithm.P521,
	algorithm.Secp256k1, algorithm.Ed25519, algorithm.MLDSA44, algorithm.MLDSA65, algorithm.MLDSA87,
	algorithm.MLKEM512, algorithm.MLKEM768, algorithm.MLKEM1024, algorithm.SM2,
}

// signing is those of them that sign SHA-2 digests, for which message and digest are two forms of one thing.
var signing = []algorithm.Spec{
	algorithm.RSA2048, algorithm.RSA3072, algorithm.RSA4096, algorithm.P256, algorithm.P384, algorithm.P521, algorithm.Secp256k1,
}

// material is a private key of spec: a published one for RSA, a new one for others.
func material(t testing.TB, spec algorithm.Spec) []byte {
	t.Helper()
	if spec <= algorithm.RSA4096 {
		return rsaMaterial(t, spec)
	}
	m, _, err := algorithm.Generate(spec, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func parsed(t testing.TB, spec algorithm.Spec) algorithm.Private {
	t.Helper()
	key, err := algorithm.Parse(spec, material(t, spec))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// digest is the hash that a signing algorithm signs.
func digest(alg algorithm.Alg, msg []byte) []byte {
	switch alg {
	case algorithm.PKCS1SHA256, algorithm.PSSSHA256, algorithm.ECDSASHA256:
		d := sha256.Sum256(msg)
		return d[:]
	case algorithm.PKCS1SHA384, algorithm.PSSSHA384, algorithm.ECDSASHA384:
		d := sha512.Sum384(msg)
		return d[:]
	default:
		d := sha512.Sum512(msg)
		return d[:]
	}
}

// TestSignVerify: every spec with every algorithm of its, message and digest in either place, and what must not verify.
func TestSignVerify(t *testing.T) {
	t.Parallel()
	msg := []byte("message")
	for _, spec := range signing {
		t.Run(fmt.Sprint(spec), func(t *testing.T) {
			t.Parallel()
			key := parsed(t, spec)
			for _, alg := range algorithm.Algorithms(spec, algorithm.SignVerify) {
				d := digest(alg, msg)
				raw, err := algorithm.Sign(key, alg, algorithm.Message, msg, []byte("before"), rand.Reader)
				if err != nil || !bytes.HasPrefix(raw, []byte("before")) {
					t.Fatalf("algorithm %d: Sign = %x, %v", alg, raw, err)
				}
				hashed, err := algorithm.Sign(key, alg, algorithm.Digest, d, nil, rand.Reader)
				if err != nil {
					t.Fatal(err)
				}
				for _, sig := range [][]byte{raw[len("before"):], hashed} {
					if err := algorithm.Verify(key, alg, algorithm.Message, msg, sig); err != nil {
						t.Errorf("algorithm %d: message: %v", alg, err)
					}
					if err := algorithm.Verify(key, alg, algorithm.Digest, d, sig); err != nil {
						t.Errorf("algorithm %d: digest: %v", alg, err)
					}
					if err := algorithm.Verify(key, alg, algorithm.Message, []byte("other"), sig); err != algorithm.ErrMismatch {
						t.Errorf("algorithm %d: other message: %v", alg, err)
					}
					if err := algorithm.Verify(key, alg, algorithm.Message, msg, sig[:len(sig)-1]); err != algorithm.ErrMismatch {
						t.Errorf("algorithm %d: short signature: %v", alg, err)
					}
					if err := algorithm.Verify(key, alg, algorithm.Message, msg, append(bytes.Clone(sig), 0)); err != algorithm.ErrMismatch {
						t.Errorf("algorithm %d: long signature: %v", alg, err)
					}
					if err := algorithm.Verify(key, alg, algorithm.Message, msg, nil); err != algorithm.ErrMismatch {
						t.Errorf("algorithm %d: no signature: %v", alg, err)
					}
				}
			}
		})
	}
}

// TestSignaturesByStandardLibrary: what Sign makes is what the standard library's strictest reading accepts, PSS salt
// length and DER included.
func TestSignaturesByStandardLibrary(t *testing.T) {
	t.Parallel()
	msg := []byte("message")
	sum := sha256.Sum256(msg)
	key := parsed(t, algorithm.RSA2048)
	public, err := x509.ParsePKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	sig, err := algorithm.Sign(key, algorithm.PSSSHA256, algorithm.Message, msg, nil, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if err := rsa.VerifyPSS(public.(*rsa.PublicKey), 5, sum[:], sig, &rsa.PSSOptions{SaltLength: sha256.Size}); err != nil {
		t.Errorf("PSS with a salt of 32 bytes: %v", err)
	}
	other, err := algorithm.Parse(algorithm.RSA2048, rsaMaterial(t, algorithm.RSA2048))
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.ParsePKCS8PrivateKey(rsaMaterial(t, algorithm.RSA2048))
	if err != nil {
		t.Fatal(err)
	}
	sig, err = rsa.SignPSS(rand.Reader, private.(*rsa.PrivateKey), 5, sum[:], &rsa.PSSOptions{SaltLength: 20})
	if err != nil {
		t.Fatal(err)
	}
	if err := algorithm.Verify(other, algorithm.PSSSHA256, algorithm.Message, msg, sig); err != algorithm.ErrMismatch {
		t.Errorf("PSS with a salt of 20 bytes: %v, want ErrMismatch", err)
	}

	key = parsed(t, algorithm.P256)
	if public, err = x509.ParsePKIXPublicKey(key.Public()); err != nil {
		t.Fatal(err)
	}
	if sig, err = algorithm.Sign(key, algorithm.ECDSASHA256, algorithm.Message, msg, nil, rand.Reader); err != nil {
		t.Fatal(err)
	}
	if !ecdsa.VerifyASN1(public.(*ecdsa.PublicKey), sum[:], sig) {
		t.Error("ECDSA signature is not DER of this digest")
	}
}

func TestDigestLength(t *testing.T) {
	t.Parallel()
	for _, spec := range []algorithm.Spec{algorithm.RSA2048, algorithm.P256, algorithm.P384, algorithm.P521, algorithm.Secp256k1} {
		key := parsed(t, spec)
		for _, alg := range algorithm.Algorithms(spec, algorithm.SignVerify) {
			right := len(digest(alg, nil))
			for _, n := range []int{0, 1, right - 1, right + 1, 20, 28, 32, 48, 64, 4096} {
				if n == right {
					continue
				}
				out, err := algorithm.Sign(key, alg, algorithm.Digest, make([]byte, n), []byte("x"), rand.Reader)
				if err != algorithm.ErrDigestLength || string(out) != "x" {
					t.Errorf("algorithm %d: Sign of a digest of %d bytes: %q, %v", alg, n, out, err)
				}
				if err := algorithm.Verify(key, alg, algorithm.Digest, make([]byte, n), nil); err != algorithm.ErrDigestLength {
					t.Errorf("algorithm %d: Verify of a digest of %d bytes: %v", alg, n, err)
				}
			}
		}
	}
}

// TestOAEP: limits as the API documents them (Encrypt, "Plaintext"), both ways, refusals.
func TestOAEP(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		spec         algorithm.Spec
		size         int // of the ciphertext
		sha1, sha256 int // longest plaintext
	}{
		{algorithm.RSA2048, 256, 214, 190},
		{algorithm.RSA3072, 384, 342, 318},
		{algorithm.RSA4096, 512, 470, 446},
	} {
		t.Run(fmt.Sprint(c.spec), func(t *testing.T) {
			t.Parallel()
			key := parsed(t, c.spec)
			for alg, limit := range map[algorithm.Alg]int{algorithm.OAEPSHA1: c.sha1, algorithm.OAEPSHA256: c.sha256} {
				if got := algorithm.PlaintextLimit(c.spec, alg); got != limit {
					t.Errorf("PlaintextLimit = %d, want %d", got, limit)
				}
				plaintext := bytes.Repeat([]byte{7}, limit)
				sealed, err := algorithm.Encrypt(key, alg, plaintext, []byte("x"), rand.Reader)
				if err != nil || len(sealed) != 1+c.size || sealed[0] != 'x' {
					t.Fatalf("Encrypt of %d bytes: %d bytes, %v", limit, len(sealed), err)
				}
				opened, err := algorithm.Decrypt(key, alg, sealed[1:], []byte("y"))
				if err != nil || !bytes.Equal(opened[1:], plaintext) || opened[0] != 'y' {
					t.Errorf("Decrypt: %d bytes, %v", len(opened), err)
				}
				if out, err := algorithm.Encrypt(key, alg, append(plaintext, 0), []byte("x"), rand.Reader); err != algorithm.ErrTooLong || string(out) != "x" {
					t.Errorf("Encrypt of %d bytes: %v, want ErrTooLong", limit+1, err)
				}
				other := algorithm.OAEPSHA1 + algorithm.OAEPSHA256 - alg
				for name, bad := range map[string][]byte{
					"none": nil, "short": sealed[1 : len(sealed)-1], "long": append(bytes.Clone(sealed[1:]), 0),
					"zero": make([]byte, c.size), "over the modulus": bytes.Repeat([]byte{0xff}, c.size),
				} {
					if _, err := algorithm.Decrypt(key, alg, bad, nil); err != algorithm.ErrDecrypt {
						t.Errorf("Decrypt of %s: %v, want ErrDecrypt itself", name, err)
					}
				}
				if _, err := algorithm.Decrypt(key, other, sealed[1:], nil); err != algorithm.ErrDecrypt {
					t.Errorf("Decrypt by the other hash: %v, want ErrDecrypt itself", err)
				}
			}
		})
	}
	if got := algorithm.PlaintextLimit(algorithm.P256, algorithm.OAEPSHA1); got != 0 {
		t.Errorf("PlaintextLimit of a curve: %d", got)
	}
}

// TestUnsupported goes through all algorithms on one key of each family: what is not in the key's list is refused.
func TestUnsupported(t *testing.T) {
	t.Parallel()
	for _, spec := range asymmetric {
		if spec == algorithm.RSA3072 || spec == algorithm.RSA4096 {
			continue
		}
		key := parsed(t, spec)
		for alg := algorithm.AlgNone; alg <= algorithm.MLKEM+1; alg++ {
			if !algorithm.Compatible(spec, algorithm.SignVerify, alg) {
				if _, err := algorithm.Sign(key, alg, algorithm.Message, nil, nil, rand.Reader); err != algorithm.ErrUnsupported {
					t.Errorf("spec %d: Sign by %d: %v", spec, alg, err)
				}
				if err := algorithm.Verify(key, alg, algorithm.Message, nil, nil); err != algorithm.ErrUnsupported {
					t.Errorf("spec %d: Verify by %d: %v", spec, alg, err)
				}
			}
			if !algorithm.Compatible(spec, algorithm.EncryptDecrypt, alg) {
				if _, err := algorithm.Encrypt(key, alg, nil, nil, rand.Reader); err != algorithm.ErrUnsupported {
					t.Errorf("spec %d: Encrypt by %d: %v", spec, alg, err)
				}
				if _, err := algorithm.Decrypt(key, alg, nil, nil); err != algorithm.ErrUnsupported {
					t.Errorf("spec %d: Decrypt by %d: %v", spec, alg, err)
				}
			}
			if alg < algorithm.HMACSHA224 || alg > algorithm.HMACSHA512 {
				if err := algorithm.VerifyMAC(alg, make([]byte, 32), nil, nil); err != algorithm.ErrUnsupported {
					t.Errorf("VerifyMAC by %d: %v", alg, err)
				}
			}
		}
	}
}

// TestGenerate: RSA of 2,048 bits stands for its family, whose larger keys take a second.
func TestGenerate(t *testing.T) {
	t.Parallel()
	for _, spec := range asymmetric {
		if spec == algorithm.RSA3072 || spec == algorithm.RSA4096 {
			continue
		}
		t.Run(fmt.Sprint(spec), func(t *testing.T) {
			t.Parallel()
			m, spki, err := algorithm.Generate(spec, rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			key, err := algorithm.Parse(spec, m)
			if err != nil {
				t.Fatalf("parsing what was generated: %v", err)
			}
			if key.Spec() != spec || !bytes.Equal(key.Public(), spki) {
				t.Error("public key or spec differ")
			}
			if _, err := algorithm.PublicOnly(spec, spki); err != nil {
				t.Error(err)
			}
			again, _, err := algorithm.Generate(spec, rand.Reader)
			if err != nil || bytes.Equal(again, m) {
				t.Errorf("second key: %v, or the same", err)
			}
		})
	}
	for spec, size := range map[algorithm.Spec]int{
		algorithm.SymmetricDefault: 32, algorithm.HMAC224: 28, algorithm.HMAC256: 32, algorithm.HMAC384: 48, algorithm.HMAC512: 64,
		algorithm.SM4: 16,
	} {
		m, spki, err := algorithm.Generate(spec, bytes.NewReader(bytes.Repeat([]byte{9}, 100)))
		if err != nil || spki != nil || !bytes.Equal(m, bytes.Repeat([]byte{9}, size)) {
			t.Errorf("spec %d: %x, %x, %v", spec, m, spki, err)
		}
		if _, err := algorithm.Parse(spec, m); err != algorithm.ErrUnsupported {
			t.Errorf("Parse of spec %d: %v", spec, err)
		}
		broken := errors.New("broken")
		if m, _, err := algorithm.Generate(spec, iotest.ErrReader(broken)); !errors.Is(err, broken) || m != nil {
			t.Errorf("spec %d from a broken source: %x, %v", spec, m, err)
		}
	}
	for _, spec := range []algorithm.Spec{algorithm.SpecNone, algorithm.SM2 + 1, 255} {
		if _, _, err := algorithm.Generate(spec, rand.Reader); err != algorithm.ErrUnsupported {
			t.Errorf("spec %d: %v", spec, err)
		}
	}
}

// TestParseRefuses: material of one spec is no key of another, and no error quotes it.
func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for _, of := range asymmetric {
		m := material(t, of)
		for _, as := range asymmetric {
			key, err := algorithm.Parse(as, m)
			if (as == of) != (err == nil) || err != nil && (err != algorithm.ErrMaterial || key != nil) {
				t.Errorf("material of spec %d parsed as %d: %v", of, as, err)
			}
		}
		if _, err := algorithm.Parse(of, m[:len(m)-1]); err != algorithm.ErrMaterial {
			t.Errorf("truncated: %v", err)
		}
		if _, err := algorithm.Parse(of, nil); err != algorithm.ErrMaterial {
			t.Errorf("nothing: %v", err)
		}
	}
}

// TestMAC: lengths of keys and MACs, appending, and refusals.
func TestMAC(t *testing.T) {
	t.Parallel()
	for i, size := range []int{28, 32, 48, 64} {
		alg, spec := algorithm.HMACSHA224+algorithm.Alg(i), algorithm.HMAC224+algorithm.Spec(i)
		if algorithm.MaterialSize(spec) != size {
			t.Errorf("MaterialSize of spec %d is %d", spec, algorithm.MaterialSize(spec))
		}
		key := bytes.Repeat([]byte{3}, size)
		mac, err := algorithm.MAC(alg, key, []byte("message"), []byte("x"))
		if err != nil || len(mac) != 1+size || mac[0] != 'x' {
			t.Fatalf("MAC: %x, %v", mac, err)
		}
		mac = mac[1:]
		if err := algorithm.VerifyMAC(alg, key, []byte("message"), mac); err != nil {
			t.Error(err)
		}
		flipped := bytes.Clone(mac)
		flipped[size-1] ^= 1
		for name, bad := range map[string][]byte{"flipped": flipped, "short": mac[:size-1], "long": append(bytes.Clone(mac), 0), "none": nil} {
			if err := algorithm.VerifyMAC(alg, key, []byte("message"), bad); err != algorithm.ErrMismatch {
				t.Errorf("%s: %v, want ErrMismatch", name, err)
			}
		}
		if err := algorithm.VerifyMAC(alg, key, []byte("other"), mac); err != algorithm.ErrMismatch {
			t.Errorf("other message: %v", err)
		}
		for _, n := range []int{0, size - 1, size + 1} {
			if out, err := algorithm.MAC(alg, make([]byte, n), nil, []byte("x")); err != algorithm.ErrMaterial || string(out) != "x" {
				t.Errorf("key of %d bytes: %v, want ErrMaterial", n, err)
			}
		}
	}
}

// TestConcurrentUse is for the race detector: one parsed key, many users.
func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	for _, spec := range []algorithm.Spec{algorithm.RSA2048, algorithm.P256, algorithm.Secp256k1, algorithm.Ed25519, algorithm.MLDSA44, algorithm.SM2} {
		key := parsed(t, spec)
		alg := algorithm.Algorithms(spec, algorithm.SignVerify)[0]
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				msg := []byte{byte(i)}
				sig, err := algorithm.Sign(key, alg, algorithm.Message, msg, nil, rand.Reader)
				if err == nil {
					err = algorithm.Verify(key, alg, algorithm.Message, msg, sig)
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
}

// FuzzParse: any material is a typed refusal, or a key of that spec with a public key. It does not sign: what
// signing covers depends on chance, and the fuzzer would take that for news of the input.
func FuzzParse(f *testing.F) {
	for _, spec := range asymmetric {
		m := material(f, spec)
		f.Add(byte(spec), m)
		f.Add(byte(spec), m[:len(m)/2])
	}
	f.Add(byte(algorithm.HMAC256), make([]byte, 32))
	f.Fuzz(func(t *testing.T, s byte, m []byte) {
		spec := algorithm.Spec(s)
		key, err := algorithm.Parse(spec, m)
		if err != nil {
			if err != algorithm.ErrMaterial && err != algorithm.ErrUnsupported || key != nil {
				t.Fatalf("key %v with error %v", key, err)
			}
			return
		}
		if key.Spec() != spec {
			t.Fatalf("spec %d, want %d", key.Spec(), spec)
		}
		if _, err := algorithm.PublicOnly(spec, key.Public()); err != nil {
			t.Fatalf("public key: %v", err)
		}
	})
}
