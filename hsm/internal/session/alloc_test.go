//go:build !race

package session_test

import (
	"errors"
	"testing"

	"trent/hsm/internal/gcm"
	"trent/hsm/internal/session"
)

// TestEnvelopeAllocations: an envelope costs what its kernel costs, and that is nothing but the standard library's cipher
// object, two allocations.
func TestEnvelopeAllocations(t *testing.T) {
	limits := map[string]float64{"std": 2, "std-fips": 2} // 0 for kernels that keep the key in place
	for _, k := range gcm.Kernels() {
		pool := newPool(t, session.PoolOptions{Slots: 4, Kernel: k.Name()})
		host, module := session.PairOf(pool, [32]byte{1}, [32]byte{2})
		plaintext := make([]byte, 512)
		envelope := make([]byte, 0, len(plaintext)+session.Overhead)
		opened := make([]byte, 0, len(plaintext))
		got := testing.AllocsPerRun(200, func() {
			var err error
			if envelope, err = host.Seal(envelope[:0], plaintext); err != nil {
				t.Fatal(err)
			}
			if opened, err = module.Open(opened[:0], envelope); err != nil {
				t.Fatal(err)
			}
		})
		if limit := 2 * limits[k.Name()]; got > limit {
			t.Errorf("%s: %v allocations for an envelope sealed and opened, want at most %v", k.Name(), got, limit)
		}
		host.Close()
		module.Close()
	}
}

// TestCheapRefusal: a stranger's hello, a hello of another domain and a repeated one cost a parse, a look-up and a hash:
// no allocation, where a single verification has dozens, and no slot.
func TestCheapRefusal(t *testing.T) {
	pool, d := newPool(t, session.PoolOptions{Slots: 4}), newDomain(1)
	h, _ := d.admit(t, pool, true)
	stranger := &session.Host{Peers: &host{d, newSigner(t)}, Pool: pool, Hybrid: true}
	elsewhere, _ := newDomain(2).admit(t, pool, true)
	r, _ := d.join(t, pool, true)
	for _, c := range []struct {
		name string
		*session.Host
	}{{"of a stranger", stranger}, {"of another domain", elsewhere}, {"repeated", h}} {
		hello, hs, err := c.Hello(nil)
		if err != nil {
			t.Fatal(err)
		}
		hs.Abandon()
		r.Answer(nil, hello, start)
		got := testing.AllocsPerRun(100, func() {
			if _, err := r.Answer(nil, hello, start); !errors.Is(err, session.ErrRefused) {
				t.Fatal(err)
			}
		})
		if got > 0 {
			t.Errorf("a hello %s: %v allocations", c.name, got)
		}
	}
	ticket := handshake(t, h, r)
	open, o, err := ticket.Open(nil, start)
	if err != nil {
		t.Fatal(err)
	}
	o.Abandon()
	if _, _, err := r.Accept(nil, open, start); err != nil {
		t.Fatal(err)
	}
	if got := testing.AllocsPerRun(100, func() { r.Accept(nil, open, start) }); got > 0 {
		t.Errorf("a repeated open message: %v allocations", got)
	}
}
