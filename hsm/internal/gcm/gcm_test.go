package gcm_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"trent/hsm/internal/gcm"
)

// forEachKernel is the way into every test of this package: what holds, holds for all kernels.
func forEachKernel(t *testing.T, test func(t *testing.T, k gcm.Kernel)) {
	t.Helper()
	kernels := gcm.Kernels()
	if len(kernels) == 0 {
		t.Fatal("no kernels")
	}
	for _, k := range kernels {
		t.Run(k.Name(), func(t *testing.T) { test(t, k) })
	}
}

// reference is the standard library's AES-GCM for key.
func reference(t testing.TB, key *[gcm.KeySize]byte) cipher.AEAD {
	t.Helper()
	block, err := aes.NewCipher(key[:])
	if err != nil {
		t.Fatal(err)
	}
	// Nonces of our own are not an approved use, but Open with them is what a reference is for.
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Skipf("no reference in this mode: %v", err)
	}
	return aead
}

func random(t testing.TB, n int) []byte {
	t.Helper()
	b := make([]byte, n)
	rand.Read(b)
	return b
}

var sizes = []int{0, 1, 15, 16, 17, 31, 32, 33, 43, 63, 64, 65, 127, 128, 129, 255, 256, 1023, 4096, 4107}

// TestAgainstStandardLibrary seals by each kernel and opens by the standard library, and the other way round,
// over sizes around every block and unrolling boundary.
func TestAgainstStandardLibrary(t *testing.T) {
	t.Parallel()
	forEachKernel(t, func(t *testing.T, k gcm.Kernel) {
		for _, n := range sizes {
			for _, a := range []int{0, 1, 16, 29, 300} {
				checkKernel(t, k, [gcm.KeySize]byte(random(t, gcm.KeySize)), [gcm.NonceSize]byte(random(t, gcm.NonceSize)), random(t, n), random(t, a))
			}
		}
	})
}

// checkKernel is the one conformance check: both directions, capacity kept, bytes around left alone, in place.
func checkKernel(t testing.TB, k gcm.Kernel, key [gcm.KeySize]byte, nonce [gcm.NonceSize]byte, plaintext, aad []byte) {
	t.Helper()
	ref := reference(t, &key)
	given := nonce

	prefix := []byte("prefix")
	buf := bytes.Repeat([]byte{0xa5}, len(prefix)+len(plaintext)+gcm.TagSize+8)
	dst := append(buf[:0], prefix...)
	sealed := k.Seal(new(gcm.State), dst, &key, &nonce, plaintext, aad)
	if &sealed[0] != &buf[0] || len(sealed) != len(buf)-8 || !bytes.HasPrefix(sealed, prefix) {
		t.Fatalf("Seal of %d bytes did not append in place", len(plaintext))
	}
	if !bytes.Equal(buf[len(sealed):], bytes.Repeat([]byte{0xa5}, 8)) {
		t.Fatalf("Seal of %d bytes wrote behind its output", len(plaintext))
	}
	if !k.MakesNonce() && nonce != given {
		t.Fatal("Seal changed the caller's nonce")
	}
	got, err := ref.Open(nil, nonce[:], sealed[len(prefix):], aad)
	if err != nil || !bytes.Equal(got, plaintext) {
		t.Fatalf("the standard library does not open what Seal made of %d bytes: %v", len(plaintext), err)
	}

	want := ref.Seal(nil, given[:], plaintext, aad)
	opened := append(make([]byte, 0, len(prefix)+len(plaintext)+1), prefix...)
	out, ok := k.Open(new(gcm.State), opened, &key, &given, want, aad)
	if !ok || !bytes.Equal(out[len(prefix):], plaintext) || &out[0] != &opened[0] {
		t.Fatalf("Open of %d bytes: ok %v, or wrong plaintext, or moved", len(plaintext), ok)
	}

	inPlace := append(make([]byte, 0, len(plaintext)+gcm.TagSize), plaintext...)
	nonce = given
	inPlace = k.Seal(new(gcm.State), inPlace[:0], &key, &nonce, inPlace, aad)
	out, ok = k.Open(new(gcm.State), inPlace[:0], &key, &nonce, inPlace, aad)
	if !ok || !bytes.Equal(out, plaintext) {
		t.Fatalf("in place, %d bytes: ok %v, or wrong plaintext", len(plaintext), ok)
	}
}

// TestOpenRefuses changes every input of Open in turn; each time the output region must be zero and dst as it was.
func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	forEachKernel(t, func(t *testing.T, k gcm.Kernel) {
		for _, n := range sizes {
			key := [gcm.KeySize]byte(random(t, gcm.KeySize))
			nonce := [gcm.NonceSize]byte(random(t, gcm.NonceSize))
			aad := random(t, 20)
			sealed := k.Seal(new(gcm.State), nil, &key, &nonce, random(t, n), aad)
			flip := func(b []byte, i int) []byte {
				b = bytes.Clone(b)
				b[i] ^= 1
				return b
			}
			type inputs struct {
				name       string
				key        [gcm.KeySize]byte
				nonce      [gcm.NonceSize]byte
				sealed, ad []byte
			}
			cases := []inputs{
				{"key", [gcm.KeySize]byte(flip(key[:], 31)), nonce, sealed, aad},
				{"nonce", key, [gcm.NonceSize]byte(flip(nonce[:], 0)), sealed, aad},
				{"first byte", key, nonce, flip(sealed, 0), aad},
				{"first byte of the tag", key, nonce, flip(sealed, n), aad},
				{"last byte of the tag", key, nonce, flip(sealed, n+gcm.TagSize-1), aad},
				{"aad", key, nonce, sealed, flip(aad, 19)},
				{"short aad", key, nonce, sealed, aad[:19]},
				{"no aad", key, nonce, sealed, nil},
				{"truncated", key, nonce, sealed[:len(sealed)-1], aad},
				{"extended", key, nonce, append(bytes.Clone(sealed), 0), aad},
				{"shorter than a tag", key, nonce, sealed[:gcm.TagSize-1], aad},
				{"empty", key, nonce, nil, aad},
			}
			for _, c := range cases {
				buf := bytes.Repeat([]byte{0xa5}, 3+len(sealed)+1)
				out, ok := k.Open(new(gcm.State), buf[:3], &c.key, &c.nonce, c.sealed, c.ad)
				if ok || len(out) != 3 || &out[0] != &buf[0] {
					t.Fatalf("%d bytes, %s changed: ok %v, %d bytes out", n, c.name, ok, len(out))
				}
				region := buf[3 : 3+max(0, len(c.sealed)-gcm.TagSize)]
				if !bytes.Equal(region, make([]byte, len(region))) {
					t.Fatalf("%d bytes, %s changed: output region not cleared", n, c.name)
				}
				if !bytes.Equal(buf[:3], []byte{0xa5, 0xa5, 0xa5}) {
					t.Fatalf("%d bytes, %s changed: bytes before the output changed", n, c.name)
				}
			}
		}
	})
}

func TestMakesNonce(t *testing.T) {
	t.Parallel()
	forEachKernel(t, func(t *testing.T, k gcm.Kernel) {
		var key [gcm.KeySize]byte
		var a, b [gcm.NonceSize]byte
		k.Seal(new(gcm.State), nil, &key, &a, nil, nil)
		k.Seal(new(gcm.State), nil, &key, &b, nil, nil)
		if made := a != b; made != k.MakesNonce() {
			t.Errorf("two seals left nonces %x and %x; MakesNonce is %v", a, b, k.MakesNonce())
		}
	})
}

// TestShortCapacity: the result moves, as with append.
func TestShortCapacity(t *testing.T) {
	t.Parallel()
	forEachKernel(t, func(t *testing.T, k gcm.Kernel) {
		var key [gcm.KeySize]byte
		var nonce [gcm.NonceSize]byte
		sealed := k.Seal(new(gcm.State), make([]byte, 2, 10), &key, &nonce, []byte("plaintext"), nil)
		out, ok := k.Open(new(gcm.State), make([]byte, 2, 3), &key, &nonce, sealed[2:], nil)
		if !ok || string(out) != "\x00\x00plaintext" {
			t.Errorf("Open = %q, %v", out, ok)
		}
	})
}

func TestPick(t *testing.T) {
	t.Parallel()
	kernels := gcm.Kernels()
	best, err := gcm.Pick("")
	if err != nil || best.Name() != kernels[0].Name() {
		t.Fatalf("Pick of nothing = %v, %v; want the first of the list", best, err)
	}
	for _, k := range kernels {
		if got, err := gcm.Pick(k.Name()); err != nil || got != k {
			t.Errorf("Pick(%q) = %v, %v", k.Name(), got, err)
		}
	}
	if _, err := gcm.Pick("rot13"); !errors.Is(err, gcm.ErrUnknown) || !strings.Contains(err.Error(), "rot13") {
		t.Errorf("Pick of an unknown kernel: %v", err)
	}
}

// TestApprovedOnly runs this package's tests again in a process that allows approved cryptography only: there
// std-fips must be the one kernel, and work.
func TestApprovedOnly(t *testing.T) {
	const mode = "fips140=only"
	if os.Getenv("GODEBUG") == mode {
		var names []string
		for _, k := range gcm.Kernels() {
			names = append(names, k.Name())
		}
		if !slices.Equal(names, []string{"std-fips"}) {
			t.Fatalf("kernels %v, want std-fips only", names)
		}
		return
	}
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run=^Test", "-test.v")
	cmd.Env = append(os.Environ(), "GODEBUG="+mode)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("tests under %s: %v\n%s", mode, err, out)
	}
	for _, test := range []string{"TestApprovedOnly", "TestVectors", "TestOpenRefuses"} {
		if !bytes.Contains(out, []byte("--- PASS: "+test)) {
			t.Errorf("under %s, %s did not pass:\n%s", mode, test, out)
		}
	}
}

// FuzzKernels holds every kernel to the standard library on any input, at any alignment, in place and tampered with.
func FuzzKernels(f *testing.F) {
	for i, v := range vectors(f) {
		f.Add(v.key[:], v.nonce[:], v.msg, v.aad, uint16(i))
	}
	f.Fuzz(func(t *testing.T, key, nonce, plaintext, aad []byte, shift uint16) {
		var k [gcm.KeySize]byte
		var n [gcm.NonceSize]byte
		copy(k[:], key)
		copy(n[:], nonce)
		plaintext, aad = shifted(plaintext, int(shift)), shifted(aad, int(shift>>4))
		for _, kernel := range gcm.Kernels() {
			checkKernel(t, kernel, k, n, plaintext, aad)
			checkTampered(t, kernel, k, n, plaintext, aad, int(shift))
			want, err := reference(t, &k).Open(nil, n[:], plaintext, aad)
			if got, ok := kernel.Open(new(gcm.State), nil, &k, &n, plaintext, aad); ok != (err == nil) || !bytes.Equal(got, want) {
				t.Fatalf("Open of any bytes: ok %v, the standard library says %v", ok, err)
			}
		}
	})
}

// shifted is a copy of b that begins by bytes (modulo 16) behind an aligned place, and has no capacity behind it.
func shifted(b []byte, by int) []byte {
	by &= 15
	return append(make([]byte, by, by+len(b)), b...)[by:]
}

// checkTampered flips a bit of sealed bytes: they must not open, in place neither, and leave zeros.
func checkTampered(t testing.TB, k gcm.Kernel, key [gcm.KeySize]byte, nonce [gcm.NonceSize]byte, plaintext, aad []byte, bit int) {
	t.Helper()
	var s gcm.State
	sealed := shifted(k.Seal(&s, nil, &key, &nonce, plaintext, aad), bit>>8)
	bit %= len(sealed) * 8
	sealed[bit/8] ^= 1 << (bit % 8)
	out, ok := k.Open(&s, sealed[:0], &key, &nonce, sealed, aad)
	if ok || len(out) != 0 || !bytes.Equal(sealed[:len(plaintext)], make([]byte, len(plaintext))) {
		t.Fatalf("%d bytes with bit %d flipped: ok %v, left %x", len(plaintext), bit, ok, sealed[:len(plaintext)])
	}
	if s != (gcm.State{}) {
		t.Fatal("something is left in the state")
	}
}

// TestStateIsWiped: after Seal and Open, whatever came of it, the state is as it was given.
func TestStateIsWiped(t *testing.T) {
	t.Parallel()
	forEachKernel(t, func(t *testing.T, k gcm.Kernel) {
		var s gcm.State
		var key [gcm.KeySize]byte
		var nonce [gcm.NonceSize]byte
		for _, n := range sizes {
			sealed := k.Seal(&s, nil, &key, &nonce, make([]byte, n), nil)
			if s != (gcm.State{}) {
				t.Fatalf("sealing %d bytes left something in the state", n)
			}
			if _, ok := k.Open(&s, nil, &key, &nonce, sealed, nil); !ok || s != (gcm.State{}) {
				t.Fatalf("opening %d bytes: %v, or left something in the state", n, ok)
			}
			checkTampered(t, k, key, nonce, make([]byte, n), nil, n)
		}
	})
}

// TestOverlapPanics: an output that overlaps its input elsewhere than at the beginning, or the additional data.
func TestOverlapPanics(t *testing.T) {
	t.Parallel()
	forEachKernel(t, func(t *testing.T, k gcm.Kernel) {
		if k.MakesNonce() {
			t.Skip("goes through a buffer")
		}
		var key [gcm.KeySize]byte
		var nonce [gcm.NonceSize]byte
		for name, f := range map[string]func(buf []byte){
			"Seal, plaintext":  func(buf []byte) { k.Seal(new(gcm.State), buf[1:1], &key, &nonce, buf[:32], nil) },
			"Seal, aad":        func(buf []byte) { k.Seal(new(gcm.State), buf[:0], &key, &nonce, buf[:32], buf[47:50]) },
			"Open, ciphertext": func(buf []byte) { k.Open(new(gcm.State), buf[:0], &key, &nonce, buf[1:33], nil) },
		} {
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("%s: no panic", name)
					}
				}()
				f(make([]byte, 100))
			}()
		}
	})
}

func BenchmarkKernel(b *testing.B) {
	for _, k := range gcm.Kernels() {
		for _, size := range []int{32, 4096} {
			var state gcm.State
			key, nonce := [gcm.KeySize]byte(random(b, gcm.KeySize)), [gcm.NonceSize]byte{}
			plaintext, aad := make([]byte, size), make([]byte, 120)
			sealed := k.Seal(&state, nil, &key, &nonce, plaintext, aad)
			dst := make([]byte, 0, size+gcm.TagSize)
			b.Run(fmt.Sprintf("op=Seal/size=%d/kernel=%s", size, k.Name()), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					k.Seal(&state, dst, &key, &nonce, plaintext, aad)
				}
			})
			k.Seal(&state, dst, &key, &nonce, plaintext, aad)
			sealed = append(sealed[:0], dst[:size+gcm.TagSize]...)
			b.Run(fmt.Sprintf("op=Open/size=%d/kernel=%s", size, k.Name()), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, ok := k.Open(&state, dst, &key, &nonce, sealed, aad); !ok {
						b.Fatal("refused")
					}
				}
			})
		}
	}
}
