//go:build !race

package gcm_test

import (
	"testing"

	"trent/hsm/internal/gcm"
)

// TestAllocations: the standard kernels make a cipher object, two allocations, and nothing else; the own one nothing.
func TestAllocations(t *testing.T) {
	limits := map[string]float64{"std": 2, "std-fips": 2}
	forEachKernel(t, func(t *testing.T, k gcm.Kernel) {
		limit := limits[k.Name()] // 0 for kernels that keep the key in place
		var state gcm.State
		var key [gcm.KeySize]byte
		var nonce [gcm.NonceSize]byte
		plaintext, aad := make([]byte, 4096), make([]byte, 100)
		sealed := make([]byte, 0, len(plaintext)+gcm.TagSize)
		opened := make([]byte, 0, len(plaintext))
		if got := testing.AllocsPerRun(200, func() { sealed = k.Seal(&state, sealed[:0], &key, &nonce, plaintext, aad) }); got > limit {
			t.Errorf("Seal: %v allocations, want at most %v", got, limit)
		}
		if got := testing.AllocsPerRun(200, func() { opened, _ = k.Open(&state, opened[:0], &key, &nonce, sealed, aad) }); got > limit {
			t.Errorf("Open: %v allocations, want at most %v", got, limit)
		}
		sealed[0] ^= 1
		if got := testing.AllocsPerRun(200, func() { k.Open(&state, opened[:0], &key, &nonce, sealed, aad) }); got > limit {
			t.Errorf("Open, refused: %v allocations, want at most %v", got, limit)
		}
	})
}
