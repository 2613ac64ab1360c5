package kdf_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	stdhash "hash"
	"strings"
	"testing"

	"trent/hsm/internal/kdf"
)

// references are the standard library's hashes by kdf.Hash.
var references = []func() stdhash.Hash{kdf.SHA224: sha256.New224, kdf.SHA256: sha256.New, kdf.SHA384: sha512.New384, kdf.SHA512: sha512.New}

// TestMACVectors are test cases 1, 2 and 4 of RFC 4231.
func TestMACVectors(t *testing.T) {
	t.Parallel()
	needOwnMAC(t)
	for _, c := range []struct{ section, key, msg, sha224, sha256, sha384, sha512 string }{
		{
			"4.2", strings.Repeat("0b", 20), hex.EncodeToString([]byte("Hi There")),
			"896fb1128abbdf196832107cd49df33f47b4b1169912ba4f53684b22",
			"b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
			"afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59cfaea9ea9076ede7f4af152e8b2fa9cb6",
			"87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cdedaa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854",
		},
		{
			"4.3", hex.EncodeToString([]byte("Jefe")), hex.EncodeToString([]byte("what do ya want for nothing?")),
			"a30e01098bc6dbbf45690f3a7e9e6d0f8bbea2a39e6148008fd05e44",
			"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
			"af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649",
			"164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
		},
	} {
		for h, want := range []string{c.sha224, c.sha256, c.sha384, c.sha512} {
			if got := hex.EncodeToString(mac(t, kdf.Hash(h), unhex(t, c.key), unhex(t, c.msg))); got != want {
				t.Errorf("RFC 4231 §%s, hash %d: %s, want %s", c.section, h, got, want)
			}
		}
	}
}

// FuzzMAC holds MACKey to crypto/hmac.
func FuzzMAC(f *testing.F) {
	for n := range 300 {
		f.Add(bytes.Repeat([]byte{byte(n)}, n%65), bytes.Repeat([]byte{0xff, byte(n)}, n))
	}
	f.Fuzz(func(t *testing.T, key, msg []byte) {
		needOwnMAC(t)
		key = key[:min(len(key), 64)]
		for h, ref := range references {
			want := hmac.New(ref, key)
			want.Write(msg)
			if got := mac(t, kdf.Hash(h), key, msg); !bytes.Equal(got, want.Sum(nil)) {
				t.Errorf("hash %d of %d bytes: %x, want %x", h, len(msg), got, want.Sum(nil))
			}
		}
	})
}

func needOwnMAC(t testing.TB) {
	t.Helper()
	if !kdf.OwnMAC() {
		t.Skip("no SHA instructions here, or FIPS mode")
	}
}

// mac makes a MAC twice by one key, and sees that the scratch is wiped.
func mac(t testing.TB, h kdf.Hash, key, msg []byte) []byte {
	t.Helper()
	var m kdf.MACKey
	var s kdf.MACScratch
	m.Init(&s, h, key)
	first := m.Sum(&s, h, nil, msg)
	if again := m.Sum(&s, h, []byte{1}, msg); !bytes.Equal(first, again[1:]) || again[0] != 1 {
		t.Fatalf("a second MAC is %x, the first %x", again, first)
	}
	if s != (kdf.MACScratch{}) {
		t.Fatal("something is left in the scratch")
	}
	return first
}

func BenchmarkMAC(b *testing.B) {
	needOwnMAC(b)
	msg := make([]byte, 100)
	for h, name := range []string{"SHA224", "SHA256", "SHA384", "SHA512"} {
		key := make([]byte, kdf.Hash(h).Size())
		b.Run("hash="+name+"/by=own", func(b *testing.B) {
			var m kdf.MACKey
			var s kdf.MACScratch
			m.Init(&s, kdf.Hash(h), key)
			out := make([]byte, 0, 64)
			b.ReportAllocs()
			for b.Loop() {
				m.Sum(&s, kdf.Hash(h), out, msg)
			}
		})
		b.Run("hash="+name+"/by=crypto-hmac", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				m := hmac.New(references[h], key)
				m.Write(msg)
				m.Sum(nil)
			}
		})
	}
}
