package gcm

import (
	"errors"
	"testing"

	"github.com/klauspost/cpuid/v2"
)

// named is a kernel that has a name and nothing else.
type named struct {
	Kernel
	name string
}

func (n named) Name() string { return n.name }

// TestTableByFeatures: a row is listed only where the machine has all that it needs, in the table's order, and
// own rows vanish in FIPS mode, and all that are not approved when only approved ones may run.
func TestTableByFeatures(t *testing.T) {
	t.Parallel()
	rows := []row{
		{kernel: named{name: "vaes"}, own: true, needs: []cpuid.FeatureID{cpuid.AESNI, cpuid.VAES}},
		{kernel: named{name: "aesni"}, needs: []cpuid.FeatureID{cpuid.AESNI}},
		{kernel: named{name: "std"}},
		{kernel: named{name: "std-fips"}, approved: true},
	}
	for _, c := range []struct {
		name               string
		features           []cpuid.FeatureID
		fips, approvedOnly bool
		want               []string
	}{
		{name: "none", want: []string{"std", "std-fips"}},
		{name: "all", features: []cpuid.FeatureID{cpuid.AESNI, cpuid.VAES}, want: []string{"vaes", "aesni", "std", "std-fips"}},
		{name: "some", features: []cpuid.FeatureID{cpuid.AESNI}, want: []string{"aesni", "std", "std-fips"}},
		{name: "half of what a row needs", features: []cpuid.FeatureID{cpuid.VAES}, want: []string{"std", "std-fips"}},
		{name: "FIPS mode", features: []cpuid.FeatureID{cpuid.AESNI, cpuid.VAES}, fips: true, want: []string{"aesni", "std", "std-fips"}},
		{name: "approved only", features: []cpuid.FeatureID{cpuid.AESNI, cpuid.VAES}, approvedOnly: true, want: []string{"std-fips"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			supports := func(needs ...cpuid.FeatureID) bool {
				var cpu cpuid.CPUInfo
				cpu.Enable(c.features...)
				return cpu.Supports(needs...)
			}
			list := usable(rows, supports, c.fips, c.approvedOnly)
			if len(list) != len(c.want) {
				t.Fatalf("%d kernels, want %v", len(list), c.want)
			}
			for i, k := range list {
				if k.Name() != c.want[i] {
					t.Errorf("kernel %d is %s, want %s", i, k.Name(), c.want[i])
				}
			}
			if k, err := pick(list, ""); err != nil || k.Name() != c.want[0] {
				t.Errorf("best is %v, %v; want %s", k, err, c.want[0])
			}
			if _, err := pick(list, "vaes"); (err == nil) != (list[0].Name() == "vaes") || err != nil && !errors.Is(err, ErrUnknown) {
				t.Errorf("picking vaes: %v", err)
			}
		})
	}
}
