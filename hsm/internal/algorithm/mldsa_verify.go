package algorithm

import (
	"bytes"
	"crypto/sha3"
	"math/bits"
)

// Verification of ML-DSA signatures over a message representative that was made elsewhere: FIPS 204, algorithm 8,
// from line 8 on. The library signs such representatives and offers no way to verify them. All of it is public:
// nothing here is constant in time.

// Numbers of FIPS 204, table 1, that all parameter sets share.
const (
	mldsaQ    = 8380417 // 2²³ - 2¹³ + 1
	mldsaN    = 256     // coefficients of a polynomial
	mldsaD    = 13      // bits dropped from t
	mldsaZeta = 1753    // a 512th root of unity
	mldsaInvN = 8347681 // 256⁻¹ mod q
)

// mldsaSet is a parameter set of FIPS 204, table 1.
type mldsaSet struct {
	k, l      int // rows and columns of A
	challenge int // λ/4, bytes
	tau, beta int
	gamma1    int // as the exponent of two
	gamma2    int32
	omega     int
}

var (
	mldsa44 = mldsaSet{k: 4, l: 4, challenge: 32, tau: 39, beta: 78, gamma1: 17, gamma2: (mldsaQ - 1) / 88, omega: 80}
	mldsa65 = mldsaSet{k: 6, l: 5, challenge: 48, tau: 49, beta: 196, gamma1: 19, gamma2: (mldsaQ - 1) / 32, omega: 55}
	mldsa87 = mldsaSet{k: 8, l: 7, challenge: 64, tau: 60, beta: 120, gamma1: 19, gamma2: (mldsaQ - 1) / 32, omega: 75}
)

// poly is a polynomial, coefficients from 0 to q - 1.
type poly [mldsaN]int32

// mldsaZetas are the powers of zeta in bit-reversed order (FIPS 204, appendix B).
var mldsaZetas = func() (z [mldsaN]int32) {
	power := int64(1)
	for i := range mldsaN {
		z[bits.Reverse8(uint8(i))] = int32(power)
		power = power * mldsaZeta % mldsaQ
	}
	return z
}()

func mulQ(a, b int32) int32 { return int32(int64(a) * int64(b) % mldsaQ) }

// modQ brings a number above -q into range.
func modQ(a int32) int32 {
	if a %= mldsaQ; a < 0 {
		a += mldsaQ
	}
	return a
}

// ntt is algorithm 41.
func (p *poly) ntt() {
	m := 0
	for size := 128; size >= 1; size /= 2 {
		for start := 0; start < mldsaN; start += 2 * size {
			m++
			for j := start; j < start+size; j++ {
				t := mulQ(mldsaZetas[m], p[j+size])
				p[j+size] = modQ(p[j] - t)
				p[j] = modQ(p[j] + t)
			}
		}
	}
}

// invert is algorithm 42, the inverse of ntt.
func (p *poly) invert() {
	m := mldsaN
	for size := 1; size < mldsaN; size *= 2 {
		for start := 0; start < mldsaN; start += 2 * size {
			m--
			for j := start; j < start+size; j++ {
				t := p[j]
				p[j] = modQ(t + p[j+size])
				p[j+size] = mulQ(mldsaQ-mldsaZetas[m], modQ(t-p[j+size]))
			}
		}
	}
	for j := range p {
		p[j] = mulQ(p[j], mldsaInvN)
	}
}

// addProduct adds a·b, all of them transformed.
func (p *poly) addProduct(a, b *poly) {
	for j := range p {
		p[j] = modQ(p[j] + mulQ(a[j], b[j]))
	}
}

// uniform is algorithm 30: the element of A in row r and column s.
func (p *poly) uniform(rho []byte, r, s int) {
	h := sha3.NewSHAKE128()
	_, _ = h.Write(rho)
	_, _ = h.Write([]byte{byte(s), byte(r)})
	var b [3]byte
	for j := 0; j < mldsaN; {
		_, _ = h.Read(b[:])
		if v := int32(b[0]) | int32(b[1])<<8 | int32(b[2]&0x7f)<<16; v < mldsaQ {
			p[j] = v
			j++
		}
	}
}

// sampleInBall is algorithm 29.
func (p *poly) sampleInBall(challenge []byte, tau int) {
	h := sha3.NewSHAKE256()
	_, _ = h.Write(challenge)
	var signs [8]byte
	_, _ = h.Read(signs[:])
	var b [1]byte
	for i := mldsaN - tau; i < mldsaN; i++ {
		for _, _ = h.Read(b[:]); int(b[0]) > i; _, _ = h.Read(b[:]) {
		}
		bit := i + tau - mldsaN
		p[i], p[b[0]] = p[b[0]], 1
		if signs[bit/8]>>(bit%8)&1 == 1 {
			p[b[0]] = mldsaQ - 1
		}
	}
}

// unpack reads numbers of some bits each, least significant first (algorithm 18).
func unpack(b []byte, width int, each func(j int, v int32)) {
	for j := range mldsaN {
		v := int32(0)
		for i := range width {
			at := j*width + i
			v |= int32(b[at/8]>>(at%8)&1) << i
		}
		each(j, v)
	}
}

// hints is algorithm 21; false: not as any signer writes them.
func (s *mldsaSet) hints(b []byte) (h [8][mldsaN]bool, ok bool) {
	at := 0
	for i := range s.k {
		end := int(b[s.omega+i])
		if end < at || end > s.omega {
			return h, false
		}
		for first := at; at < end; at++ {
			if at > first && b[at-1] >= b[at] {
				return h, false
			}
			h[i][b[at]] = true
		}
	}
	for ; at < s.omega; at++ {
		if b[at] != 0 {
			return h, false
		}
	}
	return h, true
}

// useHint is algorithm 40 with decompose, algorithm 36.
func (s *mldsaSet) useHint(hint bool, r int32) int32 {
	low := r % (2 * s.gamma2)
	if low > s.gamma2 {
		low -= 2 * s.gamma2
	}
	high := (r - low) / (2 * s.gamma2)
	if r-low == mldsaQ-1 {
		high, low = 0, low-1
	}
	if !hint {
		return high
	}
	m := (mldsaQ - 1) / (2 * s.gamma2)
	if low > 0 {
		return (high + 1) % m
	}
	return (high - 1 + m) % m
}

// verify says whether sig is a signature of the message with representative mu by the encoded public key.
func (s *mldsaSet) verify(public, mu, sig []byte) bool {
	width := s.gamma1 + 1
	zBytes := mldsaN * width / 8
	if len(sig) != s.challenge+s.l*zBytes+s.omega+s.k || len(public) != 32+s.k*320 {
		return false
	}
	hints, ok := s.hints(sig[s.challenge+s.l*zBytes:])
	if !ok {
		return false
	}
	var z [7]poly
	for i := range s.l {
		unpack(sig[s.challenge+i*zBytes:], width, func(j int, v int32) {
			v = 1<<s.gamma1 - v
			ok = ok && max(v, -v) < int32(1<<s.gamma1-s.beta)
			z[i][j] = modQ(v)
		})
		z[i].ntt()
	}
	if !ok {
		return false
	}
	var c poly
	c.sampleInBall(sig[:s.challenge], s.tau)
	c.ntt()
	h := sha3.NewSHAKE256()
	_, _ = h.Write(mu)
	for i := range s.k {
		_, _ = h.Write(s.row(public, i, &z, &c, &hints[i]))
	}
	want := make([]byte, s.challenge)
	_, _ = h.Read(want)
	return bytes.Equal(want, sig[:s.challenge])
}

// row is row i of w₁′, packed: algorithm 8, lines 9 and 10, and algorithm 28.
func (s *mldsaSet) row(public []byte, i int, z *[7]poly, c *poly, hints *[mldsaN]bool) []byte {
	var w, a, t poly
	for j := range s.l {
		a.uniform(public[:32], i, j)
		w.addProduct(&a, &z[j])
	}
	unpack(public[32+320*i:], 10, func(j int, v int32) { t[j] = modQ(mldsaQ - v<<mldsaD) })
	t.ntt()
	w.addProduct(&t, c)
	w.invert()
	width := bits.Len32(uint32((mldsaQ-1)/(2*s.gamma2) - 1))
	packed := make([]byte, mldsaN*width/8)
	for j, r := range w {
		v := s.useHint(hints[j], r)
		for b := range width {
			at := j*width + b
			packed[at/8] |= byte(v>>b&1) << (at % 8)
		}
	}
	return packed
}
