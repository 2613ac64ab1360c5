//go:build !race && unix

package link_test

import (
	"testing"
	"time"

	"trent/hsm"
	"trent/hsm/hsmtest"
	"trent/hsm/link"
)

// TestAllocations: a call on a warm connection allocates nothing at the host's end; with the kernel of the standard
// library two cipher objects for each of the two envelopes.
func TestAllocations(t *testing.T) {
	c := startChild(t, link.Options{Connections: 1})
	k := hsmtest.NewKey(t, c, hsm.SymmetricDefault, hsm.EncryptDecrypt, "k")
	status, err := c.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var want float64
	if status.Kernel == "std" || status.Kernel == "std-fips" { // the child's is this process's, too
		want = 4
	}
	sealed := hsm.Call{Op: hsm.OpEncrypt, Key: &k.Key, In: make([]byte, 32), Out: make([]byte, 0, 512)}
	if err := c.Do(&sealed); err != nil {
		t.Fatal(err)
	}
	out, secret := make([]byte, 0, 512), make([]byte, 0, 64)
	for _, call := range []hsm.Call{
		{Op: hsm.OpEncrypt, Key: &k.Key, In: make([]byte, 32)},
		{Op: hsm.OpDecrypt, Key: &k.Key, In: sealed.Out},
		{Op: hsm.OpDataKey, Key: &k.Key, N: 32},
		{Op: hsm.OpReEncrypt, Key: &k.Key, Target: &k.Key, In: sealed.Out},
		{Op: hsm.OpRandom, N: 32},
	} {
		got := testing.AllocsPerRun(200, func() {
			call.Out, call.Secret, call.Deadline = out, secret, time.Now().Add(time.Minute)
			if err := c.Do(&call); err != nil {
				t.Fatal(err)
			}
		})
		if got > want {
			t.Errorf("op %d: %v allocations, want %v", call.Op, got, want)
		}
	}
}
