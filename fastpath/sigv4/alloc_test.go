//go:build !race

package sigv4_test

import (
	"testing"

	"trent/fastpath/sigv4"
)

// TestAllocations: a request that verifies allocates nothing, in either form, with its key cached.
func TestAllocations(t *testing.T) {
	v := kmsVerifier()
	for name, r := range map[string]*sigv4.Request{
		"header":    order{}.signed(t),
		"token":     order{keyID: temporary, token: "the+token="}.signed(t),
		"presigned": order{}.presigned(t, "60"),
		"folded":    edit(order{}.signed(t), "TrentService.Encrypt", " TrentService.Encrypt  "),
	} {
		var out sigv4.Verified
		allocations := testing.AllocsPerRun(100, func() {
			if err := out.Scan(r.RawHeaders); err != nil {
				t.Fatal(err)
			}
			if err := v.Verify(now, r, &out); err != nil {
				t.Fatal(err)
			}
		})
		if allocations != 0 {
			t.Errorf("%s: %v allocations", name, allocations)
		}
	}
}
