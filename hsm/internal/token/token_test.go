package token_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"trent/hsm/internal/gcm"
	"trent/hsm/internal/kdf"
	"trent/hsm/internal/token"
)

var (
	identity = []byte("an identity")
	header   = token.Header{
		Purpose: token.Key, Spec: 1, Usage: 2, Domain: [16]byte{3}, Version: 4, Material: [32]byte{5},
	}
)

func domainKey(b byte) *kdf.Midstate {
	var m kdf.Midstate
	m.Init(bytes.Repeat([]byte{b}, 32))
	return &m
}

func seal(t testing.TB, h token.Header, identity, material []byte) []byte {
	t.Helper()
	var s token.Scratch
	out, err := token.Append(nil, gcm.Kernels()[0], domainKey(1), &s, &h, identity, material, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// open returns the material, or nil and checks that nothing of it was left behind.
func open(t testing.TB, dk *kdf.Midstate, identity, tok []byte) []byte {
	t.Helper()
	var s token.Scratch
	dst := make([]byte, 0, token.MaxMaterial+16)
	out, err := token.Open(dst, gcm.Kernels()[0], dk, &s, identity, tok)
	if err == nil {
		return out
	}
	if err != token.ErrInvalid {
		t.Fatalf("error %v, want ErrInvalid itself", err)
	}
	if len(out) != 0 || !bytes.Equal(dst[:cap(dst)], make([]byte, cap(dst))) {
		t.Fatal("a refused token left bytes behind")
	}
	return nil
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		material := rapid.SliceOfN(rapid.Byte(), 1, token.MaxMaterial).Draw(rt, "material")
		id := rapid.SliceOfN(rapid.Byte(), 0, token.MaxIdentity).Draw(rt, "identity")
		h := token.Header{
			Purpose: token.Purpose(rapid.IntRange(1, 4).Draw(rt, "purpose")),
			Spec:    rapid.Byte().Draw(rt, "spec"), Usage: rapid.Byte().Draw(rt, "usage"), Version: rapid.Uint32().Draw(rt, "version"),
		}
		tok := seal(t, h, id, material)
		if len(tok) != token.Size(len(material)) || token.MaterialSize(tok) != len(material) {
			rt.Fatalf("%d bytes of material make a token of %d", len(material), len(tok))
		}
		if got, err := token.Parse(tok); err != nil || got != h {
			rt.Fatalf("Parse: %+v, %v", got, err)
		}
		if got := open(t, domainKey(1), id, tok); !bytes.Equal(got, material) {
			rt.Fatalf("opened %x", got)
		}
	})
}

func TestEveryByteIsBound(t *testing.T) {
	t.Parallel()
	tok := seal(t, header, identity, bytes.Repeat([]byte{7}, 32))
	for i := range tok {
		for bit := range 8 {
			altered := bytes.Clone(tok)
			altered[i] ^= 1 << bit
			if open(t, domainKey(1), identity, altered) != nil {
				t.Fatalf("bit %d of byte %d makes no difference", bit, i)
			}
		}
	}
	for n := range tok {
		if open(t, domainKey(1), identity, tok[:n]) != nil {
			t.Fatalf("a token cut to %d bytes opens", n)
		}
	}
	if open(t, domainKey(1), identity, append(bytes.Clone(tok), 0)) != nil {
		t.Error("a trailing byte makes no difference")
	}
	for _, other := range [][]byte{nil, []byte("another"), identity[:5], append(bytes.Clone(identity), 0)} {
		if open(t, domainKey(1), other, tok) != nil {
			t.Errorf("opens for identity %q", other)
		}
	}
	if open(t, domainKey(2), identity, tok) != nil {
		t.Error("opens under another domain key")
	}
}

// TestPurposesAreApart relabels tokens: each purpose has a wrapping key of its own besides the bound byte.
func TestPurposesAreApart(t *testing.T) {
	t.Parallel()
	purposes := []token.Purpose{token.Key, token.Pool, token.ImportWrapping, token.Session, token.Import}
	for _, made := range purposes {
		h := header
		h.Purpose = made
		tok := seal(t, h, identity, []byte("material"))
		for _, claimed := range purposes {
			relabelled := bytes.Clone(tok)
			relabelled[1] = byte(claimed)
			if got := open(t, domainKey(1), identity, relabelled); (got != nil) != (made == claimed) {
				t.Errorf("made for %d, claimed for %d: opened %t", made, claimed, got != nil)
			}
		}
	}
}

func TestEachTokenHasItsOwnNonces(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 100 {
		tok := seal(t, header, identity, []byte("material"))
		seen[string(tok[56:72])] = true
		seen[string(tok[72:84])] = true
	}
	if len(seen) != 200 {
		t.Errorf("%d different nonces of 200", len(seen))
	}
}

func TestAppendRefuses(t *testing.T) {
	t.Parallel()
	var s token.Scratch
	for name, c := range map[string]struct {
		purpose            token.Purpose
		identity, material []byte
	}{
		"no purpose":      {0, identity, []byte("m")},
		"unknown purpose": {6, identity, []byte("m")},
		"no material":     {token.Key, identity, nil},
		"long material":   {token.Key, identity, make([]byte, token.MaxMaterial+1)},
		"long identity":   {token.Key, make([]byte, token.MaxIdentity+1), []byte("m")},
	} {
		h := header
		h.Purpose = c.purpose
		if out, err := token.Append(nil, gcm.Kernels()[0], domainKey(1), &s, &h, c.identity, c.material, rand.Reader); err == nil || out != nil {
			t.Errorf("%s: made a token", name)
		}
	}
	broken := errors.New("broken")
	if _, err := token.Append(nil, gcm.Kernels()[0], domainKey(1), &s, &header, identity, []byte("m"), failing{broken}); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// TestAllKernels: a token of one kernel opens with every other.
func TestAllKernels(t *testing.T) {
	t.Parallel()
	for _, by := range gcm.Kernels() {
		for _, with := range gcm.Kernels() {
			t.Run(fmt.Sprintf("%s-%s", by.Name(), with.Name()), func(t *testing.T) {
				var s token.Scratch
				tok, err := token.Append(nil, by, domainKey(1), &s, &header, identity, []byte("material"), rand.Reader)
				if err != nil {
					t.Fatal(err)
				}
				got, err := token.Open(nil, with, domainKey(1), &s, identity, tok)
				if err != nil || string(got) != "material" {
					t.Errorf("%q, %v", got, err)
				}
			})
		}
	}
}

// zeros is a source that makes the same token every time, in every process of a fuzz run.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func FuzzOpen(f *testing.F) {
	genuine := map[string]bool{}
	for _, material := range [][]byte{[]byte("material"), make([]byte, token.MaxMaterial)} {
		var s token.Scratch
		tok, err := token.Append(nil, gcm.Kernels()[0], domainKey(1), &s, &header, identity, material, zeros{})
		if err != nil {
			f.Fatal(err)
		}
		genuine[string(tok)] = true
		f.Add(tok)
		f.Add(tok[:token.Overhead])
	}
	f.Add([]byte(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if got := open(t, domainKey(1), identity, b); (got != nil) != genuine[string(b)] {
			t.Fatalf("%x: opened %t", b, got != nil)
		}
		if _, err := token.Parse(b); err != nil && err != token.ErrInvalid {
			t.Fatalf("error %v", err)
		}
	})
}
