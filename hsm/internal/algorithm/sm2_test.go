package algorithm_test

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"testing"

	"github.com/emmansun/gmsm/ecdh"
	"github.com/emmansun/gmsm/smx509"

	"trent/hsm/internal/algorithm"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The key, signature and ciphertext of the examples on the recommended curve: GB/T 32918.5-2017, annexes A and C.
const (
	sm2Scalar = "3945208f7b2144b13f36e38ac6d39f95889393692860b51a42fb81ef4df7c5b8"
	sm2Point  = "0409f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13"
	sm2Digest = "f0b43e94ba45accaace692ed534382eb17e6ab5a19ce7b31f4486fdfc0d28640"
	sm2Sig    = "3046022100f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3022100b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aa"
	sm2Cipher = "307c022004ebfc718e8d1798620432268e77feb6415e2ede0e073c0f4f640ecd2e149a73022100e858f9d81e5430a57b36daab8f950a3c64e6ee6a63094d99283aff767e124df0" +
		"042059983c18f809e262923c53aec295d30383b54e39d609d160afcb1908d0bd8766041321886ca989ca9c7d58087307ca93092d651efa"
)

func TestSM2Vectors(t *testing.T) {
	t.Parallel()
	key, err := algorithm.Parse(algorithm.SM2, algorithm.SM2Material(unhex(t, sm2Scalar), unhex(t, sm2Point)))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(key.Public(), algorithm.SPKIOf(algorithm.SM2, unhex(t, sm2Point))) {
		t.Errorf("public key %x", key.Public())
	}
	for form, m := range map[algorithm.Form][]byte{algorithm.Message: []byte("message digest"), algorithm.Digest: unhex(t, sm2Digest)} {
		wantVerify(t, "the standard's", true, algorithm.Verify(key, algorithm.SM2DSA, form, m, unhex(t, sm2Sig)))
		sig, err := algorithm.Sign(key, algorithm.SM2DSA, form, m, nil, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		for form, m := range map[algorithm.Form][]byte{algorithm.Message: []byte("message digest"), algorithm.Digest: unhex(t, sm2Digest)} {
			wantVerify(t, "its own", true, algorithm.Verify(key, algorithm.SM2DSA, form, m, sig))
		}
		sig[len(sig)-1] ^= 1
		wantVerify(t, "altered", false, algorithm.Verify(key, algorithm.SM2DSA, form, m, sig))
	}
	if _, err := algorithm.Sign(key, algorithm.SM2DSA, algorithm.Digest, make([]byte, 31), nil, rand.Reader); err != algorithm.ErrDigestLength {
		t.Errorf("short digest: %v", err)
	}
	plaintext, err := algorithm.Decrypt(key, algorithm.SM2PKE, unhex(t, sm2Cipher), []byte("x"))
	if err != nil || string(plaintext) != "xencryption standard" {
		t.Errorf("plaintext %q, %v", plaintext, err)
	}
}

// TestSM2Encryption: short plaintexts, of which the ciphertext may be all zeros by chance, and what is refused.
func TestSM2Encryption(t *testing.T) {
	t.Parallel()
	key := parsed(t, algorithm.SM2)
	for i := range 1200 { // one in 256 is such a ciphertext
		plaintext := []byte{byte(i)}
		sealed, err := algorithm.Encrypt(key, algorithm.SM2PKE, plaintext, nil, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		opened, err := algorithm.Decrypt(key, algorithm.SM2PKE, sealed, nil)
		if err != nil || !bytes.Equal(opened, plaintext) {
			t.Fatalf("%x: %x, %v", sealed, opened, err)
		}
	}
	sealed, err := algorithm.Encrypt(key, algorithm.SM2PKE, make([]byte, 1024), []byte("x"), rand.Reader)
	if err != nil || sealed[0] != 'x' {
		t.Fatal(err)
	}
	if _, err := algorithm.Encrypt(key, algorithm.SM2PKE, make([]byte, 1025), nil, rand.Reader); err != algorithm.ErrTooLong {
		t.Errorf("too long: %v", err)
	}
	sealed = sealed[1:]
	for i := range sealed {
		bad := bytes.Clone(sealed)
		bad[i] ^= 1
		if out, err := algorithm.Decrypt(key, algorithm.SM2PKE, bad, []byte("x")); err != algorithm.ErrDecrypt || string(out) != "x" {
			t.Fatalf("byte %d altered: %v", i, err)
		}
	}
	for name, bad := range map[string][]byte{"none": nil, "cut": sealed[:len(sealed)-1], "longer": append(bytes.Clone(sealed), 0), "plain": unhex(t, sm2Point)} {
		if _, err := algorithm.Decrypt(key, algorithm.SM2PKE, bad, nil); err != algorithm.ErrDecrypt {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSM2Agreement is with the library's own keys.
func TestSM2Agreement(t *testing.T) {
	t.Parallel()
	key := parsed(t, algorithm.SM2)
	peer, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	spki := algorithm.SPKIOf(algorithm.SM2, peer.PublicKey().Bytes())
	got, err := algorithm.Agree(key, spki, []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	own, err := ecdh.P256().NewPublicKey(key.Public()[len(key.Public())-65:])
	if err != nil {
		t.Fatal(err)
	}
	want, err := peer.ECDH(own)
	if err != nil || string(got) != "x"+string(want) || len(want) != 32 {
		t.Errorf("%x, want %x, %v", got, want, err)
	}
	for name, bad := range map[string][]byte{"none": nil, "P-256": parsed(t, algorithm.P256).Public(), "cut": spki[:90], "point": spki[26:], "off the curve": append(bytes.Clone(spki[:90]), spki[90]^1)} {
		if _, err := algorithm.Agree(key, bad, nil); err != algorithm.ErrPeer {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestForeignMaterial: PKCS #8 as other programs write it, with what they add, and what contradicts itself.
func TestForeignMaterial(t *testing.T) {
	t.Parallel()
	material, spki, err := algorithm.Generate(algorithm.SM2, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := smx509.ParsePKCS8PrivateKey(material)
	if err != nil {
		t.Fatal(err)
	}
	again, err := smx509.MarshalPKCS8PrivateKey(theirs)
	if err != nil {
		t.Fatal(err)
	}
	key, err := algorithm.Parse(algorithm.SM2, again)
	if err != nil || !bytes.Equal(key.Public(), spki) {
		t.Errorf("SM2 by another encoder: %v", err)
	}
	// openssl ecparam -name secp256k1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -outform DER, and the same with the
	// public key of the scalar 2.
	const one = "0000000000000000000000000000000000000000000000000000000000000001"
	const g = "0479be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8"
	const g2 = "04c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee51ae168fea63dc339a3c58419466ceaeef7f632653266d0e1236431a950cfe52a"
	if _, err := algorithm.Parse(algorithm.Secp256k1, algorithm.Secp256k1Material(unhex(t, one), unhex(t, g))); err != nil {
		t.Errorf("secp256k1: %v", err)
	}
	for name, m := range map[string][]byte{
		"another's point": algorithm.Secp256k1Material(unhex(t, one), unhex(t, g2)),
		"zero":            algorithm.Secp256k1Material(make([]byte, 32), unhex(t, g)),
		"the order":       algorithm.Secp256k1Material(unhex(t, "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"), unhex(t, g)),
		"short":           algorithm.Secp256k1Material(unhex(t, one)[1:], unhex(t, g)),
	} {
		if _, err := algorithm.Parse(algorithm.Secp256k1, m); err != algorithm.ErrMaterial {
			t.Errorf("%s: %v", name, err)
		}
	}
}
