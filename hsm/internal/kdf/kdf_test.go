package kdf_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"trent/hsm/internal/kdf"
)

// TestNISTVectors checks the PRF with the counter before the fixed input against the CAVP's vectors.
func TestNISTVectors(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/vectors/nist_kdfctr_hmac_sha256.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []struct {
		Count              int
		KI, FixedInput, KO string
	}
	if err := json.Unmarshal(data, &vectors); err != nil {
		t.Fatal(err)
	}
	if len(vectors) != 4 {
		t.Fatalf("%d vectors, want 4", len(vectors))
	}
	for _, v := range vectors {
		key, fixed, want := unhex(t, v.KI), unhex(t, v.FixedInput), unhex(t, v.KO)
		var got []byte
		for i := uint32(1); len(got) < len(want); i++ {
			var out [32]byte
			kdf.HMACSHA256(&out, key, binary.BigEndian.AppendUint32(nil, i), fixed)
			got = append(got, out[:]...)
		}
		if got = got[:len(want)]; !bytes.Equal(got, want) {
			t.Errorf("count %d: %x, want %x", v.Count, got, want)
		}
	}
}

// TestHMACVectors are test cases of RFC 4231: short key, long key, long key and message.
func TestHMACVectors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		section, key, message, want string
	}{
		{"4.2", strings.Repeat("0b", 20), "Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
		{"4.3", hex.EncodeToString([]byte("Jefe")), "what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
		{"4.7", strings.Repeat("aa", 131), "Test Using Larger Than Block-Size Key - Hash Key First", "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
		{"4.8", strings.Repeat("aa", 131), "This is a test using a larger than block-size key and a larger than block-size data. The key needs to be hashed before being used by the HMAC algorithm.", "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
	} {
		var out [32]byte
		kdf.HMACSHA256(&out, unhex(t, c.key), []byte(c.message))
		if got := hex.EncodeToString(out[:]); got != c.want {
			t.Errorf("RFC 4231 §%s: %s, want %s", c.section, got, c.want)
		}
	}
}

// simple is Derive written out with the standard library (SP 800-108r1 §4.1).
func simple(key []byte, label string, context []byte) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte{0, 0, 0, 1})
	mac.Write([]byte(label))
	mac.Write([]byte{0})
	mac.Write(context)
	mac.Write([]byte{0, 0, 1, 0})
	return mac.Sum(nil)
}

// TestDeriveIsSimple holds Derive and HMACSHA256 to the simple version over any keys, labels, contexts and parts,
// block boundaries included, and Derive from one Midstate to itself over repeated use.
func TestDeriveIsSimple(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "key")
		label := rapid.StringN(0, 80, 200).Draw(t, "label")
		context := rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "context")
		var m kdf.Midstate
		m.Init(key)
		want := simple(key, label, context)
		for range 2 {
			var out [32]byte
			if m.Derive(&out, label, context); !bytes.Equal(out[:], want) {
				t.Fatalf("Derive = %x, want %x", out, want)
			}
		}
		var out [32]byte
		kdf.HMACSHA256(&out, key, []byte{0, 0, 0, 1}, []byte(label), []byte{0}, context, []byte{0, 0, 1, 0})
		if !bytes.Equal(out[:], want) {
			t.Fatalf("HMACSHA256 = %x, want %x", out, want)
		}
	})
}

// TestEveryLength goes through all lengths of three blocks, where the padding changes its shape.
func TestEveryLength(t *testing.T) {
	t.Parallel()
	key := []byte("0123456789abcdef0123456789abcdef")
	var m kdf.Midstate
	m.Init(key)
	for n := range 200 {
		context := bytes.Repeat([]byte{byte(n)}, n)
		var out [32]byte
		if m.Derive(&out, "label", context); !bytes.Equal(out[:], simple(key, "label", context)) {
			t.Fatalf("context of %d bytes: wrong key", n)
		}
	}
}

// TestDeriveInPlace: the output may be where the context is.
func TestDeriveInPlace(t *testing.T) {
	t.Parallel()
	var m kdf.Midstate
	m.Init([]byte("key"))
	var out [32]byte
	copy(out[:], "context")
	want := simple([]byte("key"), "label", out[:])
	if m.Derive(&out, "label", out[:]); !bytes.Equal(out[:], want) {
		t.Errorf("%x, want %x", out, want)
	}
}

func TestWipe(t *testing.T) {
	t.Parallel()
	var m kdf.Midstate
	m.Init([]byte("key"))
	if m == (kdf.Midstate{}) {
		t.Fatal("Init left the zero value")
	}
	if m.Wipe(); m != (kdf.Midstate{}) {
		t.Error("Wipe left something")
	}
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func BenchmarkInit(b *testing.B) {
	key := make([]byte, 32)
	var m kdf.Midstate
	b.ReportAllocs()
	for b.Loop() {
		m.Init(key)
	}
}

func BenchmarkDerive(b *testing.B) {
	context := make([]byte, 16)
	var m kdf.Midstate
	m.Init(make([]byte, 32))
	var out [32]byte
	b.Run("by="+kdf.Implementation(), func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			m.Derive(&out, "trent data", context)
		}
	})
	// The floor and what it is compared with: the same bytes through crypto/hmac.
	b.Run("by=crypto-hmac", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			simple(out[:], "trent data", context)
		}
	})
}

func BenchmarkBlock(b *testing.B) {
	block := make([]byte, 64)
	for name, f := range implementations() {
		b.Run(fmt.Sprintf("by=%s", name), func(b *testing.B) {
			state := kdf.Initial
			b.ReportAllocs()
			for b.Loop() {
				f(&state, &state, block)
			}
		})
	}
}
