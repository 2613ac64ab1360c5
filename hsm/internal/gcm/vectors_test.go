package gcm_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"trent/hsm/internal/gcm"
)

// vector is one test of the files in testdata/vectors.
type vector struct {
	name              string
	key               [gcm.KeySize]byte
	nonce             [gcm.NonceSize]byte
	aad, msg, ct, tag []byte
	valid             bool
}

// vectors reads all of testdata/vectors. No files, or a file with other than the number of tests that it
// claims, fails the test.
func vectors(t testing.TB) []vector {
	t.Helper()
	files, err := filepath.Glob("testdata/vectors/*.json")
	if err != nil || len(files) < 2 {
		t.Fatalf("test vectors: found %d files (%v), want at least 2", len(files), err)
	}
	var all []vector
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var f struct {
			NumberOfTests int
			TestGroups    []struct {
				Tests []struct {
					TcID                               int
					Key, IV, AAD, Msg, CT, Tag, Result string
				}
			}
		}
		if err := json.Unmarshal(data, &f); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		n := 0
		for _, g := range f.TestGroups {
			for _, c := range g.Tests {
				v := vector{
					name: fmt.Sprintf("%s/%d", filepath.Base(file), c.TcID),
					aad:  unhex(t, c.AAD), msg: unhex(t, c.Msg), ct: unhex(t, c.CT), tag: unhex(t, c.Tag),
					valid: c.Result == "valid",
				}
				if copy(v.key[:], unhex(t, c.Key)) != gcm.KeySize || copy(v.nonce[:], unhex(t, c.IV)) != gcm.NonceSize {
					t.Fatalf("%s: wrong size of key or nonce", v.name)
				}
				all = append(all, v)
				n++
			}
		}
		if n == 0 || n != f.NumberOfTests {
			t.Fatalf("%s: %d tests, claims %d", file, n, f.NumberOfTests)
		}
	}
	return all
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestVectors runs the published vectors through every kernel: Open on all, Seal on the valid ones where the
// kernel takes their nonce.
func TestVectors(t *testing.T) {
	t.Parallel()
	cases := vectors(t)
	var valid, invalid int
	for _, v := range cases {
		if v.valid {
			valid++
		} else {
			invalid++
		}
	}
	if valid == 0 || invalid == 0 {
		t.Fatalf("%d valid and %d invalid vectors, want both", valid, invalid)
	}
	forEachKernel(t, func(t *testing.T, k gcm.Kernel) {
		for _, v := range cases {
			sealed := append(append([]byte{}, v.ct...), v.tag...)
			got, ok := k.Open(new(gcm.State), nil, &v.key, &v.nonce, sealed, v.aad)
			if ok != v.valid || ok && !bytes.Equal(got, v.msg) {
				t.Errorf("%s: Open = %x, %v; want %x, %v", v.name, got, ok, v.msg, v.valid)
			}
			if !v.valid || k.MakesNonce() {
				continue
			}
			if got := k.Seal(new(gcm.State), nil, &v.key, &v.nonce, v.msg, v.aad); !bytes.Equal(got, sealed) {
				t.Errorf("%s: Seal = %x, want %x", v.name, got, sealed)
			}
		}
	})
}
