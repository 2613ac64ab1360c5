package algorithm

import (
	"bytes"
	"crypto/rand"
	"math/big"
	"testing"
)

// TestWipe: the private numbers that the package can reach are zero, public ones are not.
func TestWipe(t *testing.T) {
	t.Parallel()
	for _, spec := range []Spec{RSA2048, P256, P384, P521, SM2} {
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
		case *sm2Key:
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

// TestWipeOthers: keys that are no big numbers are zero too, or let go of.
func TestWipeOthers(t *testing.T) {
	t.Parallel()
	for _, spec := range []Spec{Secp256k1, Ed25519, MLDSA44, MLKEM512, MLKEM768} {
		_, p, err := families[spec].generate(spec, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		p.Wipe()
		wiped := false
		switch k := p.(type) {
		case *secp256k1Key:
			wiped = k.key.Key.IsZero()
		case *ed25519Key:
			wiped = bytes.Equal(k.key, make([]byte, len(k.key)))
		case *mldsaKey:
			wiped = k.key == nil
		case *mlkemKey:
			wiped = k.pair.decapsulate == nil
		}
		if !wiped || len(p.Public()) == 0 || p.Public()[0] == 0 {
			t.Errorf("spec %d: wiped %t, public key %x", spec, wiped, p.Public())
		}
	}
}
