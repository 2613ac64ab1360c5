package algorithm

import (
	"crypto/rand"
	"math/big"
	"testing"
)

// TestWipe: the private numbers that the package can reach are zero, public ones are not.
func TestWipe(t *testing.T) {
	t.Parallel()
	for _, spec := range []Spec{RSA2048, P256, P384, P521} {
		material, _, err := Generate(spec, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		p, err := Parse(spec, material)
		if err != nil {
			t.Fatal(err)
		}
		var numbers []*big.Int
		switch k := p.(type) {
		case *rsaKey:
			numbers = append(k.key.Primes, k.key.D, k.key.Precomputed.Dp, k.key.Precomputed.Dq, k.key.Precomputed.Qinv)
		case *ecdsaKey:
			//lint:ignore SA1019 the field is what Wipe overwrites
			numbers = append(numbers, k.key.D)
		}
		var words [][]big.Word
		for _, n := range numbers {
			if n.Sign() == 0 {
				t.Fatalf("spec %d: a private number is zero before Wipe", spec)
			}
			words = append(words, n.Bits())
		}
		p.Wipe()
		for i, w := range words {
			for _, word := range w {
				if word != 0 {
					t.Fatalf("spec %d: number %d is still there", spec, i)
				}
			}
		}
		if len(p.Public()) == 0 || p.Public()[0] == 0 {
			t.Errorf("spec %d: the public key went too", spec)
		}
	}
}
