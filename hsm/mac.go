package hsm

import (
	"trent/hsm/internal/algorithm"
)

// mac makes the MAC of c.In, or compares it with c.In2.
func (l *Local) mac(c *Call) error {
	alg, err := algorithmFor(c.Key, GenerateVerifyMAC, c.Algorithm)
	if err != nil {
		return err
	}
	if c.Op == OpMAC && !fits(c.Out, algorithm.MaterialSize(algorithm.Spec(c.Key.Spec))) { // keys are as long as MACs
		return ErrShort
	}
	w, err := l.claim(c)
	if err != nil {
		return err
	}
	material, err := l.material(w, c.Key)
	if err == nil {
		if c.Op == OpMAC {
			c.Out, err = algorithm.MAC(alg, material, c.In, c.Out)
		} else {
			err = algorithm.VerifyMAC(alg, material, c.In, c.In2)
		}
		clear(w.scratch.material[:]) // without a slot, the material is here
		err = translate(err)
	}
	l.release(w)
	return err
}
