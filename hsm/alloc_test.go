//go:build !race

package hsm_test

import (
	"testing"

	"trent/hsm"
)

// TestAllocations: none with the kernel that keeps keys in place. With the standard library's, its cipher objects, two a
// seal or open, and nothing else; without slots, two more for the token.
func TestAllocations(t *testing.T) {
	for name, c := range map[string]struct {
		kernel string
		slots  int
		cipher float64
	}{"slots": {"", 0, 0}, "no slots": {"", -1, 0}, "std, slots": {"std", 0, 2}, "std, no slots": {"std", -1, 4}} {
		if c.kernel == "" && !ownKernel(t) {
			c.cipher = map[int]float64{0: 2, -1: 4}[c.slots]
		}
		l := openLocal(t, hsm.Config{Kernel: c.kernel, Slots: c.slots, SlotIdle: -1})
		k := newKey(t, l, hsm.SymmetricDefault, hsm.EncryptDecrypt, "k")
		context, err := hsm.AppendContext(nil, []hsm.ContextPair{{Key: []byte("a"), Value: make([]byte, 4000)}})
		if err != nil {
			t.Fatal(err)
		}
		for _, aad := range [][]byte{nil, context} {
			sealed := hsm.Call{Op: hsm.OpEncrypt, Key: k, AAD: aad, In: make([]byte, 32), Out: make([]byte, 0, 512)}
			if err := l.Do(&sealed); err != nil {
				t.Fatal(err)
			}
			out, secret := make([]byte, 0, 512), make([]byte, 0, 64)
			for _, call := range []hsm.Call{
				{Op: hsm.OpEncrypt, Key: k, AAD: aad, In: make([]byte, 32)},
				{Op: hsm.OpDecrypt, Key: k, AAD: aad, In: sealed.Out},
				{Op: hsm.OpDataKey, Key: k, AAD: aad, N: 32},
				{Op: hsm.OpReEncrypt, Key: k, Target: k, AAD: aad, TargetAAD: aad, In: sealed.Out},
				{Op: hsm.OpRandom, N: 32},
			} {
				want := c.cipher
				switch call.Op {
				case hsm.OpReEncrypt:
					want *= 2
				case hsm.OpRandom:
					want = 0
				}
				got := testing.AllocsPerRun(200, func() {
					call.Out, call.Secret = out, secret
					if err := l.Do(&call); err != nil {
						t.Fatal(err)
					}
				})
				if got > want {
					t.Errorf("%s: op %d with %d bytes of context: %v allocations, want %v", name, call.Op, len(aad), got, want)
				}
			}
		}
	}
}

// TestMACAllocations: where MACs are made without the standard library, there are none either.
func TestMACAllocations(t *testing.T) {
	if !ownKernel(t) || !hsm.OwnMAC() {
		t.Skip("this machine lacks the instructions")
	}
	for _, slots := range []int{0, -1} {
		l := openLocal(t, hsm.Config{Slots: slots, SlotIdle: -1})
		for _, spec := range []hsm.KeySpec{hsm.HMAC224, hsm.HMAC256, hsm.HMAC384, hsm.HMAC512} {
			k := newKey(t, l, spec, hsm.GenerateVerifyMAC, "k")
			made := hsm.Call{Op: hsm.OpMAC, Key: k, In: make([]byte, 4096), Out: make([]byte, 0, 64)}
			if err := l.Do(&made); err != nil {
				t.Fatal(err)
			}
			out := make([]byte, 0, 64)
			for _, call := range []hsm.Call{{Op: hsm.OpMAC, Key: k, In: made.In}, {Op: hsm.OpVerifyMAC, Key: k, In: made.In, In2: made.Out}} {
				got := testing.AllocsPerRun(100, func() {
					call.Out = out
					if err := l.Do(&call); err != nil {
						t.Fatal(err)
					}
				})
				if got > 0 {
					t.Errorf("slots %d, op %d, spec %d: %v allocations", slots, call.Op, spec, got)
				}
			}
		}
	}
}
