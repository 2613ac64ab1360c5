package algorithm_test

import (
	"crypto/rand"
	"fmt"
	"testing"

	"trent/hsm/internal/algorithm"
)

var specNames = map[algorithm.Spec]string{
	algorithm.RSA2048: "RSA2048", algorithm.RSA3072: "RSA3072", algorithm.RSA4096: "RSA4096",
	algorithm.P256: "P256", algorithm.P384: "P384", algorithm.P521: "P521",
	algorithm.Secp256k1: "secp256k1", algorithm.Ed25519: "Ed25519", algorithm.MLDSA44: "MLDSA44", algorithm.MLDSA65: "MLDSA65",
	algorithm.MLDSA87: "MLDSA87", algorithm.MLKEM512: "MLKEM512", algorithm.MLKEM768: "MLKEM768", algorithm.MLKEM1024: "MLKEM1024",
	algorithm.SM2: "SM2",
}

// signers is the specs that sign.
func signers() (list []algorithm.Spec) {
	for _, spec := range asymmetric {
		if len(algorithm.Algorithms(spec, algorithm.SignVerify)) > 0 {
			list = append(list, spec)
		}
	}
	return list
}

// BenchmarkSign and its neighbours run each spec's first signing algorithm; the others of a family cost the same.
func BenchmarkSign(b *testing.B) {
	msg := make([]byte, 100)
	for _, spec := range signers() {
		key, alg := parsed(b, spec), algorithm.Algorithms(spec, algorithm.SignVerify)[0]
		dst := make([]byte, 0, 4627)
		b.Run("spec="+specNames[spec], func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := algorithm.Sign(key, alg, algorithm.Message, msg, dst, rand.Reader); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkVerify(b *testing.B) {
	msg := make([]byte, 100)
	for _, spec := range signers() {
		key, alg := parsed(b, spec), algorithm.Algorithms(spec, algorithm.SignVerify)[0]
		sig, err := algorithm.Sign(key, alg, algorithm.Message, msg, nil, rand.Reader)
		if err != nil {
			b.Fatal(err)
		}
		b.Run("spec="+specNames[spec], func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := algorithm.Verify(key, alg, algorithm.Message, msg, sig); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkParse(b *testing.B) {
	for _, spec := range asymmetric {
		m := material(b, spec)
		b.Run("spec="+specNames[spec], func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := algorithm.Parse(spec, m); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkMAC(b *testing.B) {
	msg, dst := make([]byte, 100), make([]byte, 0, 64)
	for i, bits := range []int{224, 256, 384, 512} {
		alg, key := algorithm.HMACSHA224+algorithm.Alg(i), make([]byte, bits/8)
		b.Run(fmt.Sprintf("spec=HMAC%d", bits), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := algorithm.MAC(alg, key, msg, dst); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
