package hsmtest

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"trent/hsm"
)

// usagesOf is what keys of each spec can be for.
var usagesOf = map[hsm.KeySpec][]hsm.Usage{
	hsm.SymmetricDefault: {hsm.EncryptDecrypt}, hsm.SM4: {hsm.EncryptDecrypt},
	hsm.RSA2048: {hsm.EncryptDecrypt, hsm.SignVerify}, hsm.RSA3072: {hsm.EncryptDecrypt, hsm.SignVerify}, hsm.RSA4096: {hsm.EncryptDecrypt, hsm.SignVerify},
	hsm.P256: {hsm.SignVerify, hsm.KeyAgreement}, hsm.P384: {hsm.SignVerify, hsm.KeyAgreement}, hsm.P521: {hsm.SignVerify, hsm.KeyAgreement},
	hsm.HMAC224: {hsm.GenerateVerifyMAC}, hsm.HMAC256: {hsm.GenerateVerifyMAC}, hsm.HMAC384: {hsm.GenerateVerifyMAC}, hsm.HMAC512: {hsm.GenerateVerifyMAC},
	hsm.Secp256k1: {hsm.SignVerify}, hsm.Ed25519: {hsm.SignVerify},
	hsm.MLDSA44: {hsm.SignVerify}, hsm.MLDSA65: {hsm.SignVerify}, hsm.MLDSA87: {hsm.SignVerify},
	hsm.MLKEM512: {hsm.EncapsulateDecapsulate}, hsm.MLKEM768: {hsm.EncapsulateDecapsulate}, hsm.MLKEM1024: {hsm.EncapsulateDecapsulate},
	hsm.SM2: {hsm.EncryptDecrypt, hsm.SignVerify, hsm.KeyAgreement},
}

// isAsymmetric tells the specs that have public keys.
func isAsymmetric(spec hsm.KeySpec) bool {
	return spec != hsm.SymmetricDefault && spec != hsm.SM4 && (spec < hsm.HMAC224 || spec > hsm.HMAC512)
}

// has tells whether the module has keys of a spec.
func (s *suite) has(spec hsm.KeySpec) bool {
	if slices.Contains(s.lacks.Specs, spec) {
		return false
	}
	switch spec {
	case hsm.SM4, hsm.SM2, hsm.Secp256k1, hsm.MLDSA44, hsm.MLDSA65, hsm.MLDSA87, hsm.MLKEM512:
		return !s.approved
	}
	return true
}

func (s *suite) generate(t *testing.T) {
	seen := map[hsm.MaterialID]bool{}
	for spec := hsm.SpecNone; spec <= hsm.SM2+1; spec++ {
		for usage := hsm.UsageNone; usage <= hsm.EncapsulateDecapsulate+1; usage++ {
			if !slices.Contains(usagesOf[spec], usage) || !s.has(spec) {
				call := hsm.Call{Op: hsm.OpGenerate, Spec: spec, Usage: usage, Key: &hsm.Key{Identity: Identity("x")}}
				s.refuse(t, hsm.ErrUnsupported, call)
				if call.Op = hsm.OpGeneratePool; usage != hsm.UsageNone { // without one: AnyUsage
					s.refuse(t, hsm.ErrUnsupported, call)
				}
				continue
			}
			if spec > hsm.RSA2048 && spec <= hsm.RSA4096 && !s.largeRSA {
				continue
			}
			key := s.key(t, spec, usage)
			if spec == hsm.RSA2048 { // not out of the pool
				key = NewKey(t, s, spec, usage, t.Name())
			}
			if seen[key.Material] || key.Material == (hsm.MaterialID{}) {
				t.Errorf("spec %d, usage %d: material %s again", spec, usage, key.Material)
			}
			seen[key.Material] = true
			if isAsymmetric(spec) != (len(key.Public) > 0) {
				t.Errorf("spec %d: a public key of %d bytes", spec, len(key.Public))
			}
		}
	}
	for _, identity := range [][]byte{nil, []byte("junk"), Identity(""), append(Identity("x"), 0), Identity("x")[1:]} {
		s.refuse(t, hsm.ErrToken, hsm.Call{Op: hsm.OpGenerate, Spec: hsm.SymmetricDefault, Usage: hsm.EncryptDecrypt, Key: &hsm.Key{Identity: identity}})
	}
}

// uses returns a call of each kind that opens the key's token.
func uses(k *hsm.Key) []hsm.Call {
	rewrap := hsm.Call{Op: hsm.OpRewrap, Key: k}
	switch k.Usage {
	case hsm.KeyAgreement:
		return []hsm.Call{rewrap, {Op: hsm.OpDerive, Key: k, In: peerOfP256}}
	case hsm.EncapsulateDecapsulate:
		return []hsm.Call{rewrap, {Op: hsm.OpEncapsulate, Key: k}}
	case hsm.GenerateVerifyMAC:
		return []hsm.Call{rewrap, {Op: hsm.OpMAC, Key: k, In: []byte("x")}}
	case hsm.SignVerify:
		return []hsm.Call{rewrap, {Op: hsm.OpSign, Key: k, In: []byte("x")}}
	}
	return []hsm.Call{rewrap, {Op: hsm.OpEncrypt, Key: k, In: []byte("x")}, {Op: hsm.OpDataKey, Key: k, N: 32}}
}

// forgedTokens alters every bit of tokens whose keys are in use: nothing that is kept ready may stand in
// for the authentication of what is given.
func (s *suite) forgedTokens(t *testing.T) {
	for _, u := range s.existing(
		use{hsm.SymmetricDefault, hsm.EncryptDecrypt}, use{hsm.HMAC512, hsm.GenerateVerifyMAC}, use{hsm.P256, hsm.SignVerify}, use{hsm.MLKEM768, hsm.EncapsulateDecapsulate},
	) {
		key := NewKey(t, s, u.spec, u.usage, "k")
		for i := range key.Token {
			for bit := range 8 {
				forged := key.Key
				forged.Token = bytes.Clone(key.Token)
				forged.Token[i] ^= 1 << bit
				want := hsm.ErrToken
				if i >= 4 && i < 24 {
					want = hsm.ErrDomain // it says itself that it is of elsewhere
				}
				for n, call := range uses(&forged) {
					s.do(t, uses(&key.Key)[n])
					s.refuse(t, want, call)
				}
			}
		}
		for _, n := range []int{0, 1, 83, 100, len(key.Token) - 1} {
			cut := key.Key
			cut.Token = cut.Token[:n]
			for _, call := range uses(&cut) {
				s.refuse(t, hsm.ErrToken, call)
			}
		}
	}
}

// metadata gives good tokens with other metadata than they were made with, while they are in use.
func (s *suite) metadata(t *testing.T) {
	for _, u := range s.existing(
		use{hsm.SymmetricDefault, hsm.EncryptDecrypt}, use{hsm.HMAC512, hsm.GenerateVerifyMAC}, use{hsm.P256, hsm.SignVerify}, use{hsm.P256, hsm.KeyAgreement},
		use{hsm.MLKEM768, hsm.EncapsulateDecapsulate},
	) {
		key := NewKey(t, s, u.spec, u.usage, "k")
		for name, change := range map[string]func(k *hsm.Key){
			"identity":    func(k *hsm.Key) { k.Identity = Identity("another") },
			"Region":      func(k *hsm.Key) { k.Identity = hsm.AppendIdentity(nil, "aws", "000000000000", "s", "") },
			"no identity": func(k *hsm.Key) { k.Identity = nil },
			"long":        func(k *hsm.Key) { k.Identity = make([]byte, 2000) },
			"material":    func(k *hsm.Key) { k.Material[0] ^= 1 },
		} {
			changed := key.Key
			change(&changed)
			for n, call := range uses(&changed) {
				s.do(t, uses(&key.Key)[n])
				if err := s.try(&call); !errors.Is(err, hsm.ErrToken) {
					t.Errorf("%s: op %d: error %v", name, call.Op, err)
				}
			}
		}
		for _, call := range uses(&key.Key) {
			other := key.Key
			other.Spec++
			call.Key = &other
			if err := s.try(&call); !errors.Is(err, hsm.ErrToken) && !errors.Is(err, hsm.ErrUnsupported) {
				t.Errorf("another spec: op %d: error %v", call.Op, err)
			}
			other.Spec, other.Usage = key.Spec, key.Usage%hsm.EncapsulateDecapsulate+1
			if err := s.try(&call); !errors.Is(err, hsm.ErrToken) && !errors.Is(err, hsm.ErrUnsupported) {
				t.Errorf("another usage: op %d: error %v", call.Op, err)
			}
		}
	}
}

func (s *suite) pool(t *testing.T) {
	for _, u := range s.existing(
		use{hsm.SymmetricDefault, hsm.EncryptDecrypt}, use{hsm.HMAC256, hsm.GenerateVerifyMAC}, use{hsm.P256, hsm.SignVerify}, use{hsm.RSA2048, hsm.EncryptDecrypt},
		use{hsm.Ed25519, hsm.SignVerify}, use{hsm.MLKEM1024, hsm.EncapsulateDecapsulate},
	) {
		spec, usage := u.spec, u.usage
		made := s.do(t, hsm.Call{Op: hsm.OpGeneratePool, Spec: spec, Usage: usage})
		pooled := &hsm.Key{Token: made.Out, Spec: spec, Usage: usage}
		if made.Material != (hsm.MaterialID{}) {
			t.Errorf("spec %d: a pooled key has material id %s", spec, made.Material)
		}
		for _, call := range uses(pooled)[1:] { // it is no key yet; to rewrap is what it can
			call.Algorithm = map[hsm.KeySpec]hsm.Algorithm{hsm.RSA2048: hsm.OAEPSHA256, hsm.Ed25519: hsm.ED25519SHA512}[spec]
			if err := s.try(&call); !errors.Is(err, hsm.ErrToken) && !errors.Is(err, hsm.ErrUnsupported) {
				t.Errorf("spec %d: op %d with a pool token: %v", spec, call.Op, err)
			}
		}
		target := hsm.Key{Identity: Identity("adopted"), Spec: spec, Usage: usage}
		adopted := s.do(t, hsm.Call{Op: hsm.OpAdopt, Key: pooled, Target: &target})
		if !bytes.Equal(adopted.Public, made.Public) {
			t.Errorf("spec %d: another public key", spec)
		}
		key := target
		key.Token, key.Material = adopted.Out, adopted.Material
		for _, call := range uses(&key) {
			call.Algorithm = map[hsm.KeySpec]hsm.Algorithm{hsm.RSA2048: hsm.OAEPSHA256, hsm.Ed25519: hsm.ED25519SHA512}[spec]
			if call.Op == hsm.OpDataKey && spec == hsm.RSA2048 {
				continue
			}
			s.do(t, call)
		}
		// Not back again, not for something else, not for nobody.
		s.refuse(t, hsm.ErrToken, hsm.Call{Op: hsm.OpAdopt, Key: &key, Target: &target})
		s.refuse(t, hsm.ErrToken, hsm.Call{Op: hsm.OpAdopt, Key: pooled})
		s.refuse(t, hsm.ErrToken, hsm.Call{Op: hsm.OpAdopt, Key: pooled, Target: &hsm.Key{Identity: target.Identity, Spec: hsm.P384, Usage: usage}})
		s.refuse(t, hsm.ErrToken, hsm.Call{Op: hsm.OpAdopt, Key: pooled, Target: &hsm.Key{Spec: spec, Usage: usage}})
		relabelled := *pooled
		relabelled.Token = bytes.Clone(pooled.Token)
		relabelled.Token[1] = key.Token[1]
		for _, call := range uses(&relabelled)[:1] {
			s.refuse(t, hsm.ErrToken, call)
		}
	}
}

func (s *suite) rewrap(t *testing.T) {
	for spec, usage := range map[hsm.KeySpec]hsm.Usage{
		hsm.SymmetricDefault: hsm.EncryptDecrypt, hsm.HMAC384: hsm.GenerateVerifyMAC, hsm.P521: hsm.SignVerify, hsm.RSA2048: hsm.SignVerify,
	} {
		key := s.key(t, spec, usage)
		moved := s.do(t, hsm.Call{Op: hsm.OpRewrap, Key: &key.Key})
		if moved.Material != key.Material || bytes.Equal(moved.Out, key.Token) || len(moved.Out) != len(key.Token) {
			t.Errorf("spec %d: material %s, %d bytes, the same %t", spec, moved.Material, len(moved.Out), bytes.Equal(moved.Out, key.Token))
		}
		again := key.Key
		again.Token = moved.Out
		alg := map[hsm.KeySpec]hsm.Algorithm{hsm.RSA2048: hsm.PSSSHA256}[spec]
		switch usage {
		case hsm.EncryptDecrypt:
			sealed := s.do(t, hsm.Call{Op: hsm.OpEncrypt, Key: &key.Key, In: []byte("x")}).Out
			s.do(t, hsm.Call{Op: hsm.OpDecrypt, Key: &again, In: sealed})
		case hsm.SignVerify:
			signature := s.do(t, hsm.Call{Op: hsm.OpSign, Key: &key.Key, Algorithm: alg, In: []byte("x")}).Out
			s.do(t, hsm.Call{Op: hsm.OpVerify, Key: &again, Algorithm: alg, In: []byte("x"), In2: signature})
		case hsm.GenerateVerifyMAC:
			mac := s.do(t, hsm.Call{Op: hsm.OpMAC, Key: &key.Key, In: []byte("x")}).Out
			s.do(t, hsm.Call{Op: hsm.OpVerifyMAC, Key: &again, In: []byte("x"), In2: mac})
		}
	}
	pooled := hsm.Key{Spec: hsm.HMAC256, Usage: hsm.GenerateVerifyMAC}
	pooled.Token = s.do(t, hsm.Call{Op: hsm.OpGeneratePool, Spec: pooled.Spec, Usage: pooled.Usage}).Out
	to := target(pooled.Spec, pooled.Usage, t.Name())
	before := s.do(t, hsm.Call{Op: hsm.OpAdopt, Key: &pooled, Target: to}).Material
	pooled.Token = s.do(t, hsm.Call{Op: hsm.OpRewrap, Key: &pooled}).Out
	if after := s.do(t, hsm.Call{Op: hsm.OpAdopt, Key: &pooled, Target: to}).Material; after != before {
		t.Errorf("a pool token that was moved adopts as %s, before as %s", after, before)
	}
	pooled.Identity = to.Identity // somebody takes it for a key
	s.refuse(t, hsm.ErrToken, hsm.Call{Op: hsm.OpRewrap, Key: &pooled})
}
