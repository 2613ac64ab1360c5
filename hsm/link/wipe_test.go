package link_test

import (
	"bytes"
	"sync"
	"testing"

	"trent/hsm"
	"trent/hsm/link"
)

// TestWiped: no plaintext stays in the buffers of either end, in whichever direction it went and however long it was.
func TestWiped(t *testing.T) {
	t.Parallel()
	needle := []byte("a plaintext that must not be found afterwards")
	open := make(chan struct{})
	canary := make(chan bool, 1)
	var p *pair
	m := &fake{do: func(c *hsm.Call) error {
		if c.Op == hsm.OpMAC { // while the call runs, its input is there to be found
			found := false
			for _, b := range p.server.Buffers() {
				found = found || bytes.Contains(b, needle)
			}
			canary <- found
			<-open
		}
		c.Secret = append(c.Secret, c.In...)
		return nil
	}}
	p = connect(t, m, link.ServerOptions{}, link.Options{Connections: 1})
	call := func(op hsm.Op, spec hsm.KeySpec, n int) {
		c := hsm.Call{Op: op, Key: &hsm.Key{Spec: spec}, In: bytes.Repeat(needle, n), Secret: make([]byte, 0, n*len(needle))}
		if err := p.Do(&c); err != nil || !bytes.Equal(c.In, c.Secret) {
			t.Error(err)
		}
	}
	close(open)
	call(hsm.OpMAC, hsm.HMAC256, 1)
	if !<-canary {
		t.Error("the search does not find what is there")
	}
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() { call(hsm.OpEncrypt, hsm.SymmetricDefault, 1+i*8) })
		wg.Go(func() { call(hsm.OpDerive, hsm.P256, 1+i*8) })
	}
	wg.Wait()
	call(hsm.OpEncrypt, hsm.SymmetricDefault, 1) // its answer is written when everything before it is wiped
	for _, end := range []struct {
		name    string
		buffers func() [][]byte
	}{{"client", p.Client.Buffers}, {"server", p.server.Buffers}} {
		until(t, end.name+" clean", func() bool {
			for _, b := range end.buffers() {
				if bytes.Contains(b, needle[:16]) {
					return false
				}
			}
			return true
		})
	}
}
