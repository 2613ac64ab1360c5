package algorithm_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"math/big"
	"testing"

	"trent/hsm/internal/algorithm"
)

// TestImportOneForm: a key has one form, however it comes, and comes back as what it was.
func TestImportOneForm(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	scalar, err := key.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	// RFC 5915 without parameters and public key, which are optional within PKCS #8.
	inner, _ := asn1.Marshal(struct {
		Version int
		Key     []byte
	}{1, scalar})
	bare := pkcs8Of(t, inner, asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}, asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7})
	want, spki, err := algorithm.Import(algorithm.P256, der)
	if err != nil {
		t.Fatal(err)
	}
	got, again, err := algorithm.Import(algorithm.P256, bare)
	if err != nil || !bytes.Equal(got, want) || !bytes.Equal(spki, again) {
		t.Errorf("the same key in another form: %v, equal %t", err, bytes.Equal(got, want))
	}
	if public, _ := x509.MarshalPKIXPublicKey(&key.PublicKey); !bytes.Equal(public, spki) {
		t.Error("another public key")
	}
	if _, err := algorithm.Parse(algorithm.P256, want); err != nil {
		t.Error(err)
	}
	for _, spec := range []algorithm.Spec{algorithm.P384, algorithm.RSA2048, algorithm.HMAC256} {
		if _, _, err := algorithm.Import(spec, der); !errors.Is(err, algorithm.ErrMaterial) {
			t.Errorf("spec %d: %v", spec, err)
		}
	}
	zero := make([]byte, 32)
	inner, _ = asn1.Marshal(struct {
		Version int
		Key     []byte
	}{1, zero})
	if _, _, err := algorithm.Import(algorithm.P256, pkcs8Of(t, inner, asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}, asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7})); !errors.Is(err, algorithm.ErrMaterial) {
		t.Errorf("the key 0: %v", err)
	}
}

func pkcs8Of(t *testing.T, inner []byte, algorithm, parameters asn1.ObjectIdentifier) []byte {
	t.Helper()
	type identifier struct{ Algorithm, Parameters asn1.ObjectIdentifier }
	der, err := asn1.Marshal(struct {
		Version   int
		Algorithm identifier
		Key       []byte
	}{0, identifier{algorithm, parameters}, inner})
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// TestImportRSA: two primes, the right size, numbers that belong together.
func TestImportRSA(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	good, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	material, _, err := algorithm.Import(algorithm.RSA2048, good)
	if err != nil || !bytes.Equal(material, good) {
		t.Errorf("%v, the same bytes: %t", err, bytes.Equal(material, good))
	}
	if _, _, err := algorithm.Import(algorithm.RSA3072, good); !errors.Is(err, algorithm.ErrMaterial) {
		t.Errorf("as another size: %v", err)
	}
	//lint:ignore SA1019 a key of three primes is what is refused here
	three, err := rsa.GenerateMultiPrimeKey(rand.Reader, 3, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(three)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := algorithm.Import(algorithm.RSA2048, der); !errors.Is(err, algorithm.ErrMaterial) {
		t.Errorf("of three primes: %v", err)
	}
	type numbers struct {
		Version                   int
		N                         *big.Int
		E                         int
		D, P, Q, Dp, Dq, QInverse *big.Int
	}
	p := key.Precomputed
	n := numbers{0, key.N, key.E, key.D, key.Primes[0], key.Primes[1], p.Dp, p.Dq, p.Qinv}
	for name, change := range map[string]func(*numbers){
		"modulus":  func(n *numbers) { n.N = new(big.Int).Add(n.N, big.NewInt(2)) },
		"exponent": func(n *numbers) { n.E = 4 },
		"primes":   func(n *numbers) { n.P = new(big.Int).Add(n.P, big.NewInt(2)) },
		"private":  func(n *numbers) { n.D = new(big.Int).Add(n.D, big.NewInt(2)) },
	} {
		bad := n
		change(&bad)
		inner, err := asn1.Marshal(bad)
		if err != nil {
			t.Fatal(err)
		}
		type identifier struct {
			Algorithm  asn1.ObjectIdentifier
			Parameters asn1.RawValue
		}
		der, err := asn1.Marshal(struct {
			Version   int
			Algorithm identifier
			Key       []byte
		}{0, identifier{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}, asn1.NullRawValue}, inner})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := algorithm.Import(algorithm.RSA2048, der); !errors.Is(err, algorithm.ErrMaterial) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestCanImport holds the table to its source: for each spec the wrapping key specs that go with OAEP and with the
// hybrid wrappings.
func TestCanImport(t *testing.T) {
	t.Parallel()
	for spec := algorithm.SpecNone; spec <= algorithm.SM2+1; spec++ {
		for wrapping := algorithm.SpecNone; wrapping <= algorithm.SM2+1; wrapping++ {
			isKey := wrapping >= algorithm.RSA2048 && wrapping <= algorithm.RSA4096
			rsa := spec >= algorithm.RSA2048 && spec <= algorithm.RSA4096
			ecc := spec >= algorithm.P256 && spec <= algorithm.P521 || spec == algorithm.Secp256k1 || spec == algorithm.Ed25519 || spec == algorithm.SM2
			none := spec == algorithm.SpecNone || spec >= algorithm.MLDSA44 && spec <= algorithm.MLKEM1024 || spec > algorithm.SM2
			oaep := isKey && !none && !rsa && (spec != algorithm.P521 || wrapping != algorithm.RSA2048)
			for how, want := range map[algorithm.Wrapping]bool{
				algorithm.WrapOAEPSHA1: oaep, algorithm.WrapOAEPSHA256: oaep,
				algorithm.WrapRSAAESKeyWrapSHA1: isKey && (rsa || ecc), algorithm.WrapRSAAESKeyWrapSHA256: isKey && (rsa || ecc),
				algorithm.WrappingNone: false, algorithm.WrapSM2PKE + 1: false,
				algorithm.WrapSM2PKE: wrapping == algorithm.SM2 && !none,
			} {
				if got := algorithm.CanImport(spec, how, wrapping); got != want {
					t.Errorf("spec %d by %d under %d: %t", spec, how, wrapping, got)
				}
			}
		}
	}
}

// FuzzImport: whatever is taken has one form, which is taken as itself, with the same public key.
func FuzzImport(f *testing.F) {
	for _, spec := range []algorithm.Spec{algorithm.P256, algorithm.Secp256k1, algorithm.Ed25519, algorithm.SM2, algorithm.RSA2048} {
		material, _, err := algorithm.Generate(spec, rand.Reader)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(spec), material)
		f.Add(uint8(spec), material[:len(material)-1])
	}
	f.Add(uint8(algorithm.HMAC256), make([]byte, 32))
	f.Add(uint8(algorithm.MLDSA44), []byte{0x30, 0})
	f.Fuzz(func(t *testing.T, spec uint8, in []byte) {
		material, spki, err := algorithm.Import(algorithm.Spec(spec), in)
		if err != nil {
			if !errors.Is(err, algorithm.ErrMaterial) && !errors.Is(err, algorithm.ErrUnsupported) {
				t.Errorf("spec %d: %v", spec, err)
			}
			return
		}
		again, same, err := algorithm.Import(algorithm.Spec(spec), material)
		if err != nil || !bytes.Equal(again, material) || !bytes.Equal(same, spki) {
			t.Errorf("spec %d: %v, one form %t", spec, err, bytes.Equal(again, material))
		}
	})
}
