//go:build pkcs11

package pkcs11

import (
	"crypto/subtle"
	"fmt"

	p11 "github.com/miekg/pkcs11"

	"trent/hsm"
	"trent/hsm/internal/token"
)

// mac makes the MAC of c.In in the device, or compares it with c.In2, here and in constant time.
func (m *Module) mac(c *hsm.Call) error {
	a, err := m.runs(c.Key, hsm.GenerateVerifyMAC, c.Algorithm)
	if err != nil {
		return err
	}
	size := secretSizes[c.Key.Spec] // keys are as long as MACs
	if c.Op == hsm.OpMAC && !fits(c.Out, size) {
		return hsm.ErrShort
	}
	return m.with(c, func(s p11.SessionHandle) error {
		k, err := m.open(s, c.Key, token.Key)
		if err != nil {
			return err
		}
		object, err := m.objectOf(s, k, p11.CKO_SECRET_KEY)
		if err != nil {
			return err
		}
		made, err := m.signBy(s, mechanism(hmacOf[a], nil), object, c.In)
		if err != nil {
			return err
		}
		defer clear(made)
		switch {
		case len(made) != size:
			return fmt.Errorf("%w: a MAC of %d bytes", hsm.ErrUnavailable, len(made))
		case c.Op == hsm.OpMAC:
			c.Out = append(c.Out, made...)
		case subtle.ConstantTimeCompare(made, c.In2) != 1:
			return hsm.ErrMismatch
		}
		return nil
	})
}
