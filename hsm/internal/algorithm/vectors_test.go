package algorithm_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"trent/hsm/internal/algorithm"
)

// hexBytes is hexadecimal in JSON.
type hexBytes []byte

func (h *hexBytes) UnmarshalText(text []byte) (err error) {
	*h, err = hex.DecodeString(string(text))
	return err
}

// vectorGroup is a test group of the files in testdata/vectors; each family fills its own members.
type vectorGroup struct {
	Spec, Algorithm string
	PublicKeyDer    hexBytes
	PrivateKeyPkcs8 hexBytes
	PublicKey       hexBytes
	TagSize         int
	Tests           []struct {
		TcID                          int
		Comment, Result               string
		Key, Msg, Sig, CT, Label, Tag hexBytes
		Seed, Private, Public, Secret hexBytes
	}
}

var (
	specs = map[string]algorithm.Spec{
		"RSA2048": algorithm.RSA2048, "RSA3072": algorithm.RSA3072, "RSA4096": algorithm.RSA4096,
		"P256": algorithm.P256, "P384": algorithm.P384, "P521": algorithm.P521,
		"Secp256k1": algorithm.Secp256k1, "Ed25519": algorithm.Ed25519,
		"MLDSA44": algorithm.MLDSA44, "MLDSA65": algorithm.MLDSA65, "MLDSA87": algorithm.MLDSA87,
		"MLKEM512": algorithm.MLKEM512, "MLKEM768": algorithm.MLKEM768, "MLKEM1024": algorithm.MLKEM1024,
	}
	algs = map[string]algorithm.Alg{
		"OAEPSHA1": algorithm.OAEPSHA1, "OAEPSHA256": algorithm.OAEPSHA256,
		"PKCS1SHA256": algorithm.PKCS1SHA256, "PKCS1SHA384": algorithm.PKCS1SHA384, "PKCS1SHA512": algorithm.PKCS1SHA512,
		"PSSSHA256": algorithm.PSSSHA256, "PSSSHA384": algorithm.PSSSHA384, "PSSSHA512": algorithm.PSSSHA512,
		"ECDSASHA256": algorithm.ECDSASHA256, "ECDSASHA384": algorithm.ECDSASHA384, "ECDSASHA512": algorithm.ECDSASHA512,
		"HMACSHA224": algorithm.HMACSHA224, "HMACSHA256": algorithm.HMACSHA256,
		"HMACSHA384": algorithm.HMACSHA384, "HMACSHA512": algorithm.HMACSHA512,
		"ED25519SHA512": algorithm.ED25519SHA512, "MLDSASHAKE256": algorithm.MLDSASHAKE256, "MLKEM": algorithm.MLKEM, "ECDH": algorithm.ECDH,
	}
)

// readVectors reads one file. One with no tests, or other than the number it claims, fails the test.
func readVectors(t testing.TB, file string) []vectorGroup {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var f struct {
		NumberOfTests int
		TestGroups    []vectorGroup
	}
	if err := json.Unmarshal(data, &f); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	n := 0
	for _, g := range f.TestGroups {
		if algs[g.Algorithm] == algorithm.AlgNone {
			t.Fatalf("%s: algorithm %q", file, g.Algorithm)
		}
		n += len(g.Tests)
	}
	if n == 0 || n != f.NumberOfTests {
		t.Fatalf("%s: %d tests, claims %d", file, n, f.NumberOfTests)
	}
	return f.TestGroups
}

// forEachFile runs a test for the groups of each vector file of a pattern, of which there are want.
func forEachFile(t *testing.T, pattern string, want int, test func(t *testing.T, g vectorGroup)) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata/vectors", pattern))
	if err != nil || len(files) != want {
		t.Fatalf("%s: %d files (%v), want %d", pattern, len(files), err, want)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			for _, g := range readVectors(t, file) {
				test(t, g)
			}
		})
	}
}

func TestECDSAVectors(t *testing.T) {
	t.Parallel()
	forEachFile(t, "wycheproof_ecdsa_*.json", 3, verifyGroup)
}

func TestRSASignatureVectors(t *testing.T) {
	t.Parallel()
	forEachFile(t, "wycheproof_rsa*_p*_sha*.json", 10, verifyGroup)
}

// verifyGroup checks Verify on signatures by a public key.
func verifyGroup(t *testing.T, g vectorGroup) {
	t.Helper()
	key, err := algorithm.PublicOnly(specs[g.Spec], g.PublicKeyDer)
	if err != nil {
		t.Fatalf("public key: %v", err)
	}
	if !bytes.Equal(key.Public(), g.PublicKeyDer) {
		t.Error("SubjectPublicKeyInfo differs from the vector's")
	}
	for _, c := range g.Tests {
		err := algorithm.Verify(key, algs[g.Algorithm], algorithm.Message, c.Msg, c.Sig)
		if valid := c.Result == "valid"; valid && err != nil || !valid && !errors.Is(err, algorithm.ErrMismatch) {
			t.Errorf("test %d (%s), %s: %v", c.TcID, c.Comment, c.Result, err)
		}
	}
}

func TestOAEPVectors(t *testing.T) {
	t.Parallel()
	forEachFile(t, "wycheproof_rsa*_oaep*.json", 4, func(t *testing.T, g vectorGroup) {
		key, err := algorithm.Parse(specs[g.Spec], g.PrivateKeyPkcs8)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range g.Tests {
			out, err := algorithm.Decrypt(key, algs[g.Algorithm], c.CT, []byte("x"))
			want := append([]byte("x"), c.Msg...)
			if valid := c.Result == "valid" && len(c.Label) == 0; valid && (err != nil || !bytes.Equal(out, want)) {
				t.Errorf("test %d (%s): %x, %v; want %x", c.TcID, c.Comment, out, err, want)
			} else if !valid && (err != algorithm.ErrDecrypt || string(out) != "x") {
				t.Errorf("test %d (%s): %x, %v; want ErrDecrypt itself", c.TcID, c.Comment, out, err)
			}
		}
	})
}

func TestHMACVectors(t *testing.T) {
	t.Parallel()
	forEachFile(t, "wycheproof_hmac_*.json", 4, func(t *testing.T, g vectorGroup) {
		alg := algs[g.Algorithm]
		for _, c := range g.Tests {
			err := algorithm.VerifyMAC(alg, c.Key, c.Msg, c.Tag)
			full := g.TagSize == len(c.Key) // the API's MACs are as long as their keys
			if valid := c.Result == "valid" && full; valid && err != nil || !valid && !errors.Is(err, algorithm.ErrMismatch) {
				t.Errorf("test %d (%s), %s, tag of %d bytes: %v", c.TcID, c.Comment, c.Result, g.TagSize, err)
			}
			mac, err := algorithm.MAC(alg, c.Key, c.Msg, nil)
			if c.Result == "valid" && (err != nil || !bytes.Equal(mac[:g.TagSize], c.Tag)) {
				t.Errorf("test %d: MAC = %x, %v; want %x", c.TcID, mac, err, c.Tag)
			}
		}
	})
}

// rsaMaterial is a published RSA private key of spec.
func rsaMaterial(t testing.TB, spec algorithm.Spec) []byte {
	t.Helper()
	file := map[algorithm.Spec]string{
		algorithm.RSA2048: "wycheproof_rsa2048_oaepsha256.json",
		algorithm.RSA3072: "wycheproof_rsa3072_oaepsha256.json",
		algorithm.RSA4096: "wycheproof_rsa4096_oaepsha256.json",
	}[spec]
	return readVectors(t, filepath.Join("testdata/vectors", file))[0].PrivateKeyPkcs8
}
