package algorithm_test

import (
	"slices"
	"testing"

	"trent/hsm/internal/algorithm"
)

// TestAlgorithms is the table of specs, usages and algorithms (AWS KMS Developer Guide, "Key spec reference").
func TestAlgorithms(t *testing.T) {
	t.Parallel()
	rsaSigning := []algorithm.Alg{
		algorithm.PKCS1SHA256, algorithm.PKCS1SHA384, algorithm.PKCS1SHA512,
		algorithm.PSSSHA256, algorithm.PSSSHA384, algorithm.PSSSHA512,
	}
	rsaEncryption := []algorithm.Alg{algorithm.OAEPSHA1, algorithm.OAEPSHA256}
	type pair struct {
		spec  algorithm.Spec
		usage algorithm.Usage
	}
	one := func(a algorithm.Alg) []algorithm.Alg { return []algorithm.Alg{a} }
	encrypt, sign, mac := algorithm.EncryptDecrypt, algorithm.SignVerify, algorithm.GenerateVerifyMAC
	agree, encapsulate := algorithm.KeyAgreement, algorithm.EncapsulateDecapsulate
	want := map[pair][]algorithm.Alg{
		{algorithm.SymmetricDefault, encrypt}: one(algorithm.AESGCM),
		{algorithm.SM4, encrypt}:              one(algorithm.SM4GCM),
		{algorithm.RSA2048, encrypt}:          rsaEncryption,
		{algorithm.RSA3072, encrypt}:          rsaEncryption,
		{algorithm.RSA4096, encrypt}:          rsaEncryption,
		{algorithm.RSA2048, sign}:             rsaSigning,
		{algorithm.RSA3072, sign}:             rsaSigning,
		{algorithm.RSA4096, sign}:             rsaSigning,
		{algorithm.P256, sign}:                one(algorithm.ECDSASHA256),
		{algorithm.P384, sign}:                one(algorithm.ECDSASHA384),
		{algorithm.P521, sign}:                one(algorithm.ECDSASHA512),
		{algorithm.P256, agree}:               one(algorithm.ECDH),
		{algorithm.P384, agree}:               one(algorithm.ECDH),
		{algorithm.P521, agree}:               one(algorithm.ECDH),
		{algorithm.Secp256k1, sign}:           one(algorithm.ECDSASHA256),
		{algorithm.Ed25519, sign}:             {algorithm.ED25519SHA512, algorithm.ED25519PHSHA512},
		{algorithm.MLDSA44, sign}:             one(algorithm.MLDSASHAKE256),
		{algorithm.MLDSA65, sign}:             one(algorithm.MLDSASHAKE256),
		{algorithm.MLDSA87, sign}:             one(algorithm.MLDSASHAKE256),
		{algorithm.MLKEM512, encapsulate}:     one(algorithm.MLKEM),
		{algorithm.MLKEM768, encapsulate}:     one(algorithm.MLKEM),
		{algorithm.MLKEM1024, encapsulate}:    one(algorithm.MLKEM),
		{algorithm.SM2, encrypt}:              one(algorithm.SM2PKE),
		{algorithm.SM2, sign}:                 one(algorithm.SM2DSA),
		{algorithm.SM2, agree}:                one(algorithm.ECDH),
		{algorithm.HMAC224, mac}:              one(algorithm.HMACSHA224),
		{algorithm.HMAC256, mac}:              one(algorithm.HMACSHA256),
		{algorithm.HMAC384, mac}:              one(algorithm.HMACSHA384),
		{algorithm.HMAC512, mac}:              one(algorithm.HMACSHA512),
	}
	for spec := algorithm.SpecNone; spec <= algorithm.SM2+1; spec++ {
		for usage := algorithm.UsageNone; usage <= algorithm.EncapsulateDecapsulate+1; usage++ {
			got := algorithm.Algorithms(spec, usage)
			if !slices.Equal(got, want[pair{spec, usage}]) {
				t.Errorf("spec %d for usage %d: %v, want %v", spec, usage, got, want[pair{spec, usage}])
			}
			only := algorithm.AlgNone
			if len(got) == 1 {
				only = got[0]
			}
			if algorithm.Only(spec, usage) != only {
				t.Errorf("Only(%d, %d) is %d", spec, usage, algorithm.Only(spec, usage))
			}
			for alg := algorithm.AlgNone; alg <= algorithm.MLKEM+1; alg++ {
				if algorithm.Compatible(spec, usage, alg) != slices.Contains(got, alg) {
					t.Errorf("Compatible(%d, %d, %d) differs from the list", spec, usage, alg)
				}
			}
			if len(got) > 0 {
				got[0] = 99
				if algorithm.Algorithms(spec, usage)[0] == 99 {
					t.Fatal("the list is shared")
				}
			}
		}
	}
}

// TestApproved: what the FIPS kernel leaves off, and what waits for an engine.
func TestApproved(t *testing.T) {
	t.Parallel()
	off := []algorithm.Spec{
		algorithm.SM4, algorithm.Secp256k1, algorithm.MLDSA44, algorithm.MLDSA65, algorithm.MLDSA87, algorithm.MLKEM512, algorithm.SM2,
	}
	for spec := algorithm.SymmetricDefault; spec <= algorithm.SM2; spec++ {
		if algorithm.Approved(spec) == slices.Contains(off, spec) {
			t.Errorf("spec %d: approved %t", spec, algorithm.Approved(spec))
		}
		if slow := spec >= algorithm.RSA2048 && spec <= algorithm.RSA4096 || spec >= algorithm.MLDSA44 && spec <= algorithm.MLDSA87; algorithm.Slow(spec) != slow {
			t.Errorf("spec %d: slow %t", spec, algorithm.Slow(spec))
		}
	}
}
