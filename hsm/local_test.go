package hsm_test

import (
	"os"
	"os/exec"
	"slices"
	"strings"
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

// TestModuleEnforced runs the suite in a process that runs nothing but FIPS 140-3: the standard library then refuses
// what the module does not.
func TestModuleEnforced(t *testing.T) {
	t.Parallel()
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.short", "-test.run=^TestModule$/^std-fips$")
	child.Env = append(os.Environ(), "GODEBUG=fips140=only")
	if out, err := child.CombinedOutput(); err != nil || !strings.HasSuffix(string(out), "PASS\n") {
		t.Errorf("%v\n%s", err, out)
	}
}

// ownKernel tells whether this machine has the kernel that keeps keys out of the Go heap.
func ownKernel(t testing.TB) bool {
	t.Helper()
	status, err := openLocal(t, hsm.Config{}).Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return slices.Contains(status.Kernels, "aesni")
}
