//go:build !race

package kdf_test

import (
	"testing"

	"trent/hsm/internal/kdf"
)

func TestAllocations(t *testing.T) {
	key, context := make([]byte, 32), make([]byte, 16)
	long := make([]byte, 1000)
	var m kdf.Midstate
	var out [32]byte
	block := make([]byte, 64)
	for name, f := range map[string]func(){
		"Init":       func() { m.Init(key) },
		"Derive":     func() { m.Derive(&out, "trent data", context) },
		"HMACSHA256": func() { kdf.HMACSHA256(&out, long, context, long) },
		"BlockStd":   func() { kdf.BlockStd(&m.Inner, &m.Outer, block) },
	} {
		if n := testing.AllocsPerRun(500, f); n != 0 {
			t.Errorf("%s: %v allocations, want 0", name, n)
		}
	}
}
