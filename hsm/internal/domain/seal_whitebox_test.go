package domain

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
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
