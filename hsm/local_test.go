package hsm_test

import (
	"testing"

	"trent/hsm"
	"trent/hsm/hsmtest"
)

// TestModule runs the suite of all modules: with slots, without, with so few workers that callers park, and
// on every kernel.
func TestModule(t *testing.T) {
	t.Parallel()
	configs := map[string]hsm.Config{
		"default":  {},
		"no slots": {Slots: -1},
		"tight":    {Workers: 2, Slots: 1, AsymmetricEngines: 1},
		"std-fips": {Kernel: "std-fips"},
	}
	for name, cfg := range configs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hsmtest.Run(t, hsmtest.Options{LargeRSA: name == "default", Approved: cfg.Kernel == "std-fips"}, func(t testing.TB) hsm.Module { return openLocal(t, cfg) })
		})
	}
}
