//go:build !race

package frontend_test

import "testing"

// TestAllocations: a request allocates nothing, from the connection's read to its write, once the
// connection's buffers have their size.
func TestAllocations(t *testing.T) {
	c := startInMemory(t, echo)
	if n := c.exchange(sdkRequest); n < 373 {
		t.Fatalf("an answer of %d bytes", n)
	}
	if n := testing.AllocsPerRun(500, func() { c.exchange(sdkRequest) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
