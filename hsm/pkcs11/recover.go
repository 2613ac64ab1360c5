package pkcs11

import "math/big"

// A private key that was unwrapped inside a device has no public half there, and some devices do not tell it. It
// follows from a signature up to a choice of two to four (SEC 1 §4.1.6), and a second signature decides. All numbers
// here are public.

func (c *curve) on(x, y *big.Int) bool {
	if x.Cmp(c.p) >= 0 || y.Cmp(c.p) >= 0 {
		return false
	}
	left := new(big.Int).Mul(y, y)
	return left.Mod(left, c.p).Cmp(c.right(x)) == 0
}

// right is x³ + ax + b.
func (c *curve) right(x *big.Int) *big.Int {
	r := new(big.Int).Mul(x, x)
	r.Add(r, c.a).Mul(r, x).Add(r, c.b)
	return r.Mod(r, c.p)
}

// point is an affine point; nil x: infinity.
type point struct{ x, y *big.Int }

func (c *curve) add(p, q point) point {
	switch {
	case p.x == nil:
		return q
	case q.x == nil:
		return p
	}
	slope := new(big.Int)
	if p.x.Cmp(q.x) == 0 {
		if sum := new(big.Int).Add(p.y, q.y); sum.Mod(sum, c.p).Sign() == 0 {
			return point{}
		}
		slope.Mul(p.x, p.x).Mul(slope, big.NewInt(3)).Add(slope, c.a)
		slope.Mul(slope, new(big.Int).ModInverse(new(big.Int).Lsh(p.y, 1), c.p))
	} else {
		dx := new(big.Int).Sub(q.x, p.x)
		slope.Sub(q.y, p.y).Mul(slope, dx.ModInverse(dx.Mod(dx, c.p), c.p))
	}
	slope.Mod(slope, c.p)
	x := new(big.Int).Mul(slope, slope)
	x.Sub(x, p.x).Sub(x, q.x).Mod(x, c.p)
	y := new(big.Int).Sub(p.x, x)
	y.Mul(y, slope).Sub(y, p.y).Mod(y, c.p)
	return point{x, y}
}

func (c *curve) multiply(k *big.Int, p point) point {
	var sum point
	for i := k.BitLen() - 1; i >= 0; i-- {
		sum = c.add(sum, sum)
		if k.Bit(i) == 1 {
			sum = c.add(sum, p)
		}
	}
	return sum
}

// candidates are the uncompressed points of the public keys under which r ‖ s signs digest, which is no longer than n.
func (c *curve) candidates(digest, rs []byte) [][]byte {
	if len(rs) != 2*c.size {
		return nil
	}
	r, s, e := new(big.Int).SetBytes(rs[:c.size]), new(big.Int).SetBytes(rs[c.size:]), new(big.Int).SetBytes(digest)
	inverse := new(big.Int).ModInverse(r, c.n)
	if inverse == nil {
		return nil
	}
	u := new(big.Int).Neg(e)
	u.Mul(u, inverse).Mod(u, c.n)
	v := s.Mul(s, inverse)
	v.Mod(v, c.n)
	fixed := c.multiply(u, point{c.gx, c.gy})
	var all [][]byte
	for x := new(big.Int).Set(r); x.Cmp(c.p) < 0; x.Add(x, c.n) {
		y := new(big.Int).ModSqrt(c.right(x), c.p)
		if y == nil {
			continue
		}
		for range 2 {
			if q := c.add(fixed, c.multiply(v, point{new(big.Int).Set(x), new(big.Int).Set(y)})); q.x != nil {
				all = append(all, c.encode(q))
			}
			y.Sub(c.p, y)
		}
	}
	return all
}

func (c *curve) encode(p point) []byte {
	out := make([]byte, 1+2*c.size)
	out[0] = 4
	p.x.FillBytes(out[1 : 1+c.size])
	p.y.FillBytes(out[1+c.size:])
	return out
}

// verifies tells whether r ‖ s signs digest under an uncompressed point.
func (c *curve) verifies(public, digest, rs []byte) bool {
	r, s, e := new(big.Int).SetBytes(rs[:c.size]), new(big.Int).SetBytes(rs[c.size:]), new(big.Int).SetBytes(digest)
	w := new(big.Int).ModInverse(s, c.n)
	if w == nil {
		return false
	}
	q := point{new(big.Int).SetBytes(public[1 : 1+c.size]), new(big.Int).SetBytes(public[1+c.size:])}
	u := e.Mul(e, w)
	v := w.Mul(w, r)
	sum := c.add(c.multiply(u.Mod(u, c.n), point{c.gx, c.gy}), c.multiply(v.Mod(v, c.n), q))
	return sum.x != nil && sum.x.Mod(sum.x, c.n).Cmp(r) == 0
}
