//go:build !race

package blob_test

import (
	"testing"

	"trent/hsm/internal/blob"
)

func TestNothingAllocates(t *testing.T) {
	b := build(32)
	dst := make([]byte, 0, len(b))
	var material [blob.MaterialSize]byte
	var nonce [blob.NonceSize]byte
	derivation := make([]byte, blob.DerivationSize)
	if n := testing.AllocsPerRun(100, func() {
		if _, ok := blob.Parse(b); !ok {
			t.Fatal("does not parse")
		}
		l := blob.Measure(32)
		l.AppendDER(l.AppendHeader(dst, &material, derivation), &nonce)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
