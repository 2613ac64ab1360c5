package pkcs11

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"hash"
	"math/big"
	"testing"

	"trent/hsm"
)

var nistCurves = map[hsm.KeySpec]elliptic.Curve{hsm.P256: elliptic.P256(), hsm.P384: elliptic.P384(), hsm.P521: elliptic.P521()}

// TestRecover finds public keys from signatures that the standard library makes.
func TestRecover(t *testing.T) {
	t.Parallel()
	for spec, standard := range nistCurves {
		c := curveOf(spec)
		for range 4 {
			key, err := ecdsa.GenerateKey(standard, rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			want, err := key.PublicKey.Bytes()
			if err != nil {
				t.Fatal(err)
			}
			var found [][]byte
			digests := [][]byte{bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)}
			var signatures [2][]byte
			for i, digest := range digests {
				der, err := ecdsa.SignASN1(rand.Reader, key, digest)
				if err != nil {
					t.Fatal(err)
				}
				rs, ok := c.parseDER(der)
				if !ok {
					t.Fatal("a signature of the standard library is none")
				}
				if again, err := c.appendDER(nil, rs); err != nil || !bytes.Equal(again, der) {
					t.Errorf("spec %d: DER comes back as %x, %v", spec, again, err)
				}
				signatures[i] = rs
			}
			for _, candidate := range c.candidates(digests[0], signatures[0]) {
				if c.verifies(candidate, digests[1], signatures[1]) {
					found = append(found, candidate)
				}
			}
			if len(found) != 1 || !bytes.Equal(found[0], want) {
				t.Errorf("spec %d: %d points fit, want %x", spec, len(found), want)
			}
			spki, err := c.spki(want)
			if standardSPKI, _ := x509.MarshalPKIXPublicKey(&key.PublicKey); err != nil || !bytes.Equal(spki, standardSPKI) {
				t.Errorf("spec %d: SubjectPublicKeyInfo %x, %v", spec, spki, err)
			}
			want[len(want)-1] ^= 1
			if _, err := c.spki(want); err == nil {
				t.Error("a point that is not on the curve has a public key")
			}
		}
	}
}

// TestGenerators: the constants fit each other.
func TestGenerators(t *testing.T) {
	t.Parallel()
	for _, spec := range []hsm.KeySpec{hsm.P256, hsm.P384, hsm.P521, hsm.Secp256k1} {
		c := curveOf(spec)
		g := point{c.gx, c.gy}
		if !c.on(c.gx, c.gy) || c.multiply(c.n, g).x != nil {
			t.Errorf("spec %d: the generator has not the order", spec)
		}
		if last := c.multiply(new(big.Int).Sub(c.n, big.NewInt(1)), g); last.x.Cmp(c.gx) != 0 {
			t.Errorf("spec %d: (n-1)G is not -G", spec)
		}
	}
}

func TestSignaturesInDER(t *testing.T) {
	t.Parallel()
	c := curveOf(hsm.P256)
	good, err := c.appendDER(nil, append(bytes.Repeat([]byte{0x80}, 32), bytes.Repeat([]byte{1}, 32)...))
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := c.parseDER(good); !ok {
		t.Error("a good one is refused")
	}
	order, _ := c.appendDER(nil, append(c.n.Bytes(), bytes.Repeat([]byte{1}, 32)...))
	for name, der := range map[string][]byte{
		"none": nil, "trailing": append(bytes.Clone(good), 0), "cut": good[:len(good)-1], "zero": {0x30, 6, 2, 1, 0, 2, 1, 1}, "negative": {0x30, 6, 2, 1, 0x80, 2, 1, 1},
		"order": order, "long form": append([]byte{0x30, 0x81}, good[1:]...), "padded": {0x30, 7, 2, 2, 0, 1, 2, 1, 1},
	} {
		if _, ok := c.parseDER(der); ok {
			t.Errorf("%s: taken", name)
		}
	}
	for _, rs := range [][]byte{nil, {1}, make([]byte, 66)} {
		if _, err := c.appendDER(nil, rs); err == nil {
			t.Errorf("%d bytes of r ‖ s are taken", len(rs))
		}
	}
}

func TestPoints(t *testing.T) {
	t.Parallel()
	point := bytes.Repeat([]byte{4}, 65)
	der := append([]byte{0x04, 65}, point...)
	for name, value := range map[string][]byte{"DER": der, "bare": point} {
		if got, err := unwrapPoint(value, 65); err != nil || !bytes.Equal(got, point) {
			t.Errorf("%s: %x, %v", name, got, err)
		}
	}
	for _, value := range [][]byte{nil, der[:66], append(bytes.Clone(der), 0), point[1:]} {
		if _, err := unwrapPoint(value, 65); err == nil {
			t.Errorf("%d bytes are a point", len(value))
		}
	}
}

// TestOAEP decodes what the standard library encodes, and nothing that was altered.
func TestOAEP(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	bare := func(sealed []byte) []byte {
		return new(big.Int).Exp(new(big.Int).SetBytes(sealed), key.D, key.N).FillBytes(make([]byte, 256))
	}
	for h, new := range map[crypto.Hash]func() hash.Hash{crypto.SHA1: sha1.New, crypto.SHA256: sha256.New} {
		for _, size := range []int{0, 1, 32, 254 - 2*h.Size()} {
			plaintext := bytes.Repeat([]byte{byte(size)}, size)
			sealed, err := rsa.EncryptOAEP(new(), rand.Reader, &key.PublicKey, plaintext, nil)
			if err != nil {
				t.Fatal(err)
			}
			encoded := bare(sealed)
			for _, form := range [][]byte{encoded, bytes.TrimLeft(encoded, "\x00")} {
				if got, ok := decodeOAEP(h, form, 256); !ok || !bytes.Equal(got, plaintext) {
					t.Errorf("%v, %d bytes: %d came back, %t", h, size, len(got), ok)
				}
			}
			for i := range encoded {
				encoded[i] ^= 1
				if got, ok := decodeOAEP(h, encoded, 256); ok && i < 1+2*h.Size() {
					t.Errorf("%v, %d bytes: altered at %d, it is %x", h, size, i, got)
				}
				encoded[i] ^= 1
			}
		}
		for _, short := range [][]byte{nil, make([]byte, 257)} {
			if _, ok := decodeOAEP(h, short, 256); ok {
				t.Errorf("%d bytes are decoded", len(short))
			}
		}
	}
}

// FuzzDER: a signature that parses is that of its bytes and of no others.
func FuzzDER(f *testing.F) {
	f.Add([]byte{0x30, 6, 2, 1, 1, 2, 1, 1})
	f.Add([]byte{0x30, 7, 2, 2, 0, 1, 2, 1, 1})
	f.Fuzz(func(t *testing.T, der []byte) {
		for _, spec := range []hsm.KeySpec{hsm.P256, hsm.P521, hsm.Secp256k1} {
			c := curveOf(spec)
			rs, ok := c.parseDER(der)
			if !ok {
				continue
			}
			if again, err := c.appendDER(nil, rs); err != nil || !bytes.Equal(again, der) {
				t.Errorf("spec %d: %x comes back as %x, %v", spec, der, again, err)
			}
		}
	})
}

// FuzzOAEP: nothing that a device gives makes it panic.
func FuzzOAEP(f *testing.F) {
	f.Add(make([]byte, 256))
	f.Fuzz(func(t *testing.T, encoded []byte) {
		if got, ok := decodeOAEP(crypto.SHA256, encoded, 256); ok && len(got) > 190 {
			t.Errorf("%d bytes", len(got))
		}
	})
}
