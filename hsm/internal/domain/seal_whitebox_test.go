package domain

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"testing"
)

// TestSealKeyIsHKDF holds the seal key of a key file to the standard library's RFC 5869.
func TestSealKeyIsHKDF(t *testing.T) {
	t.Parallel()
	for _, n := range []int{minSecret, 64, 65, maxSecret} {
		h := header{method: byKey, salt: [32]byte{1, 2, 3}}
		secret := bytes.Repeat([]byte{byte(n), 7}, n)[:n]
		want, err := hkdf.Key(sha256.New, secret, h.salt[:], sealInfo, 32)
		if err != nil {
			t.Fatal(err)
		}
		var got [32]byte
		if err := deriveSealKey(&got, &h, secret); err != nil || !bytes.Equal(got[:], want) {
			t.Errorf("secret of %d bytes: %x, %v, want %x", n, got, err, want)
		}
		if !bytes.Equal(secret, make([]byte, n)) {
			t.Errorf("secret of %d bytes is not wiped", n)
		}
	}
}

// TestPBKDF2 is the example of RFC 7914 §11 with 80,000 rounds, cut to 32 bytes.
func TestPBKDF2(t *testing.T) {
	t.Parallel()
	var got [32]byte
	if err := derivePBKDF2(&got, []byte("Password"), []byte("NaCl"), 80_000); err != nil {
		t.Skip(err) // a salt this short is refused where FIPS 140-3 is enforced
	}
	if want := "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56"; hex.EncodeToString(got[:]) != want {
		t.Errorf("%x", got)
	}
}
