//go:build !race

package authz_test

import (
	"testing"

	"trent/fastpath/authz"
)

// TestAllocations: a decision allocates nothing.
func TestAllocations(t *testing.T) {
	for name, r := range hotRequests(t) {
		if d := authz.Decide(r); !d.Allowed {
			t.Errorf("%s: %s", name, outcome(d))
		}
		if n := testing.AllocsPerRun(100, func() { authz.Decide(r) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
	denied := request(foreign(), defaultPolicy(t))
	if n := testing.AllocsPerRun(100, func() { authz.Decide(denied) }); n != 0 {
		t.Errorf("a denial: %v allocations", n)
	}
}
