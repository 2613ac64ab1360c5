//go:build !race

package wire_test

import "testing"

// TestHotPathAllocatesNothing holds for reused requests and a dst of enough capacity.
func TestHotPathAllocatesNothing(t *testing.T) {
	for _, h := range hotRequests {
		r, _ := newRequest(t, h.operation)
		body := make([]byte, len(h.body))
		if n := testing.AllocsPerRun(100, func() {
			copy(body, h.body)
			if r.Decode(body) != nil || r.Validate() != nil {
				t.Errorf("%s: refused", h.operation)
			}
			r.Reset()
		}); n != 0 {
			t.Errorf("%s: %v allocations to decode", h.operation, n)
		}
	}
	dst := make([]byte, 0, 8192)
	for _, r := range hotResponses() {
		if n := testing.AllocsPerRun(100, func() { dst = r.AppendJSON(dst[:0]) }); n != 0 {
			t.Errorf("%T: %v allocations to encode", r, n)
		}
	}
}
