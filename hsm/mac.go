package hsm

import (
	"crypto/hmac"

	"trent/hsm/internal/algorithm"
	"trent/hsm/internal/kdf"
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
	if kdf.OwnMAC() && !l.approvedOnly {
		err = l.macInPlace(w, c, kdf.Hash(alg-algorithm.HMACSHA224))
	} else {
		err = l.macOnHeap(w, c, alg)
	}
	l.release(w)
	return err
}

// macInPlace is mac with the key in the arena alone.
func (l *Local) macInPlace(w *worker, c *Call, h kdf.Hash) error {
	k, err := l.macKey(w, c.Key, h)
	if err != nil {
		return err
	}
	s := w.scratch
	if c.Op == OpMAC {
		c.Out = k.Sum(&s.mac, h, c.Out, c.In)
	} else if !hmac.Equal(k.Sum(&s.mac, h, s.sum[:0], c.In), c.In2) {
		err = ErrMismatch
	}
	clear(s.sum[:]) // a good MAC, which the caller may not have
	s.ready = slotState{}
	return err
}

// macOnHeap is mac by the standard library.
func (l *Local) macOnHeap(w *worker, c *Call, alg algorithm.Alg) error {
	material, err := l.material(w, c.Key)
	if err != nil {
		return err
	}
	if c.Op == OpMAC {
		c.Out, err = algorithm.MAC(alg, material, c.In, c.Out)
	} else {
		err = algorithm.VerifyMAC(alg, material, c.In, c.In2)
	}
	clear(w.scratch.material[:]) // without a slot, the material is here
	return translate(err)
}
