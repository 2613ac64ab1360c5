package hsm_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"trent/hsm"
)

// TestNothingIsLeftInTheArena looks for keys in the arena: they must be found while the module runs, or the
// search is worth nothing, and everything must be zero once it is closed.
func TestNothingIsLeftInTheArena(t *testing.T) {
	t.Parallel()
	l := openLocal(t, hsm.Config{SlotIdle: -1})
	symmetric := newKey(t, l, hsm.SymmetricDefault, hsm.EncryptDecrypt, "s")
	mac := newKey(t, l, hsm.HMAC512, hsm.GenerateVerifyMAC, "m")
	mem := hsm.ArenaOf(l)
	midstate, macKey := hsm.MidstateOf(l, symmetric), hsm.MACKeyOf(l, mac)
	for range 100 {
		for _, c := range []hsm.Call{
			{Op: hsm.OpEncrypt, Key: symmetric, In: []byte("plaintext-plaintext")},
			{Op: hsm.OpMAC, Key: mac, In: []byte("message")},
			{Op: hsm.OpDataKey, Key: symmetric, N: 32},
		} {
			c.Out = make([]byte, 0, 1024)
			if err := l.Do(&c); err != nil {
				t.Fatal(err)
			}
			// Looked for at once: both keys may fall to the same slot of a worker, and take it from each other.
			needle := midstate
			if c.Op == hsm.OpMAC {
				needle = macKey
			}
			if !bytes.Contains(mem, needle) {
				t.Fatalf("the key of command %d in use is not in the arena", c.Op)
			}
		}
	}
	// The raw key is needed for its midstate only, plaintexts for a call only.
	for name, needle := range map[string][]byte{"raw key": hsm.MaterialOfKey(l, symmetric), "plaintext": []byte("plaintext-plain")} {
		if bytes.Contains(mem, needle) {
			t.Errorf("the %s is still in the arena", name)
		}
	}
	if err := l.Forget(context.Background(), mac.Material); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(mem, hsm.MACKeyOf(l, mac)) || bytes.Contains(mem, hsm.MaterialOfKey(l, mac)) {
		t.Error("the HMAC key is still in the arena after Forget")
	}
	hsm.WipeAll(l)
	if i := bytes.IndexFunc(mem, func(r rune) bool { return r != 0 }); i >= 0 {
		t.Errorf("byte %d of the arena is not zero after Close", i)
	}
	if err := l.Do(&hsm.Call{Op: hsm.OpEncrypt, Key: symmetric, Out: make([]byte, 0, 500)}); err == nil {
		t.Error("a closed module works")
	}
	if err := hsm.Unmap(l); err != nil {
		t.Error(err)
	}
}

// TestMaterialID holds the identifier to its definition.
func TestMaterialID(t *testing.T) {
	t.Parallel()
	l := openLocal(t, hsm.Config{})
	key := newKey(t, l, hsm.SymmetricDefault, hsm.EncryptDecrypt, "0a1b")
	h := hmac.New(sha256.New, hsm.MaterialOfKey(l, key))
	h.Write([]byte("trent material id0a1b"))
	if want := hsm.MaterialID(h.Sum(nil)); key.Material != want {
		t.Errorf("material %s, want %s", key.Material, want)
	}
	if s := key.Material.String(); len(s) != 64 || s != strings.ToLower(s) {
		t.Errorf("String %q", s)
	}
}

func TestPrintingShowsNoKeys(t *testing.T) {
	t.Parallel()
	l := openLocal(t, hsm.Config{})
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if out := fmt.Sprintf(verb, l); !strings.HasPrefix(out, "hsm(domain-") || len(out) > 40 {
			t.Errorf("%s prints %.80q", verb, out)
		}
	}
}

func TestWorkersHaveTheirOwnCacheLines(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 64, 1000} {
		for i, at := range hsm.WorkerAddresses(openLocal(t, hsm.Config{Workers: n, Slots: -1})) {
			if at%128 != 0 {
				t.Fatalf("worker %d of %d lies at %#x", i, n, at)
			}
		}
	}
}

// TestWithoutSlotsNothingStays: no key outlives its call.
func TestWithoutSlotsNothingStays(t *testing.T) {
	t.Parallel()
	l := openLocal(t, hsm.Config{Slots: -1})
	for spec, usage := range map[hsm.KeySpec]hsm.Usage{hsm.SymmetricDefault: hsm.EncryptDecrypt, hsm.HMAC256: hsm.GenerateVerifyMAC} {
		k := newKey(t, l, spec, usage, "k")
		op := map[hsm.KeySpec]hsm.Op{hsm.SymmetricDefault: hsm.OpEncrypt, hsm.HMAC256: hsm.OpMAC}[spec]
		for _, op := range []hsm.Op{op, hsm.OpRewrap} {
			if err := l.Do(&hsm.Call{Op: op, Key: k, In: []byte("x"), Out: make([]byte, 0, 512)}); err != nil {
				t.Fatal(err)
			}
		}
		if bytes.Contains(hsm.ArenaOf(l), hsm.MaterialOfKey(l, k)) {
			t.Errorf("spec %d: the material is still in the arena", spec)
		}
		if bytes.Contains(hsm.ArenaOf(l), hsm.MidstateOf(l, k)) {
			t.Errorf("spec %d: the midstate is still in the arena", spec)
		}
	}
}
