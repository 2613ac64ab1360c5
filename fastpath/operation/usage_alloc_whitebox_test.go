//go:build !race

package operation

import "testing"

// TestUsageAllocates nothing for a key in use.
func TestUsageAllocates(t *testing.T) {
	u := newUsageTable()
	c, one, two := callOf(1), snapshot(1), snapshot(2)
	if n := testing.AllocsPerRun(1000, func() { u.mark(c, one, 1); u.mark(c, two, 1) }); n > 0 {
		t.Errorf("%v allocations a use", n)
	}
}
