package hsmtest

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/mlkem"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"testing"

	"trent/hsm"
)

// pairSpecs are the specs of pairs that the module makes, the slow ones only if asked for.
func (s *suite) pairSpecs() []hsm.KeySpec {
	specs := s.rsaSpecs()
	for _, spec := range []hsm.KeySpec{
		hsm.P256, hsm.P384, hsm.P521, hsm.Secp256k1, hsm.Ed25519, hsm.SM2, hsm.MLKEM512, hsm.MLKEM768, hsm.MLKEM1024,
	} {
		if s.has(spec) {
			specs = append(specs, spec)
		}
	}
	return specs
}

func (s *suite) dataKeyPair(t *testing.T) {
	for _, sealing := range []hsm.KeySpec{hsm.SymmetricDefault, hsm.SM4} {
		if s.has(sealing) {
			s.dataKeyPairUnder(t, &s.key(t, sealing, hsm.EncryptDecrypt).Key, sealing == hsm.SymmetricDefault)
		}
	}
	s.dataKeyPairRefusals(t, &s.key(t, hsm.SymmetricDefault, hsm.EncryptDecrypt).Key)
}

func (s *suite) dataKeyPairUnder(t *testing.T, key *hsm.Key, slow bool) {
	aad := contextOf(t, "purpose", "test")
	for _, spec := range s.pairSpecs() {
		if isRSA(spec) && !slow {
			continue
		}
		call := hsm.Call{Op: hsm.OpDataKeyPair, Key: key, Spec: spec, AAD: aad}
		if spec != hsm.RSA2048 && !s.lacks.Pairs { // one is made anew
			call.Target = s.pooled(t, spec)
		}
		made := s.do(t, call)
		checkPair(t, spec, made)
		if made.Material != key.Material {
			t.Errorf("spec %d: material %s, want the sealing key's", spec, made.Material)
		}
		opened := s.do(t, hsm.Call{Op: hsm.OpDecrypt, Key: key, AAD: aad, In: made.Out})
		if !bytes.Equal(opened.Secret, made.Secret) {
			t.Errorf("spec %d: the sealed private key is another one", spec)
		}
		s.refuse(t, hsm.ErrAuthentication, hsm.Call{Op: hsm.OpDecrypt, Key: key, In: made.Out})
		if isRSA(spec) {
			continue // another one takes its time
		}
		again := s.do(t, hsm.Call{Op: hsm.OpDataKeyPair, Key: key, Spec: spec, AAD: aad})
		if bytes.Equal(again.Public, made.Public) {
			t.Errorf("spec %d: the same pair twice", spec)
		}
	}
	sealed := hsm.Call{Op: hsm.OpDataKeyPair, Key: key, Spec: hsm.P256, Out: make([]byte, 0, 4096), Public: make([]byte, 0, 1024)}
	if err := s.Do(&sealed); err != nil || len(sealed.Secret) != 0 || len(sealed.Public) == 0 {
		t.Errorf("without room for a plaintext: %v, %d bytes of it", err, len(sealed.Secret))
	}
}

func (s *suite) dataKeyPairRefusals(t *testing.T, key *hsm.Key) {
	for _, spec := range []hsm.KeySpec{hsm.SpecNone, hsm.SymmetricDefault, hsm.HMAC256} {
		s.refuse(t, hsm.ErrUnsupported, hsm.Call{Op: hsm.OpDataKeyPair, Key: key, Spec: spec})
	}
	ecc := &NewKey(t, s, hsm.P256, hsm.SignVerify, "ecc").Key
	s.refuse(t, hsm.ErrUnsupported, hsm.Call{Op: hsm.OpDataKeyPair, Key: ecc, Spec: hsm.P256})
	forged := *key
	forged.Token = bytes.Clone(key.Token)
	forged.Token[len(forged.Token)-1] ^= 1
	s.refuse(t, hsm.ErrToken, hsm.Call{Op: hsm.OpDataKeyPair, Key: &forged, Spec: hsm.P256})
	for _, c := range []hsm.Call{{Out: make([]byte, 0, 150)}, {Public: make([]byte, 0, 40)}, {Secret: make([]byte, 0, 40)}} {
		c.Op, c.Key, c.Spec = hsm.OpDataKeyPair, key, hsm.P256
		s.refuse(t, hsm.ErrShort, c)
	}
}

// checkPair compares the two halves of a pair, by the standard library as far as that knows them.
func checkPair(t *testing.T, spec hsm.KeySpec, c *hsm.Call) {
	t.Helper()
	var half struct {
		Version   int
		Algorithm pkix.AlgorithmIdentifier
		Key       []byte
	}
	if rest, err := asn1.Unmarshal(c.Secret, &half); err != nil || len(rest) > 0 || half.Version != 0 {
		t.Fatalf("spec %d: the private key is not PKCS #8: %v", spec, err)
	}
	var other struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	if rest, err := asn1.Unmarshal(c.Public, &other); err != nil || len(rest) > 0 {
		t.Fatalf("spec %d: %v", spec, err)
	}
	if !half.Algorithm.Algorithm.Equal(other.Algorithm.Algorithm) || !bytes.Equal(half.Algorithm.Parameters.FullBytes, other.Algorithm.Parameters.FullBytes) {
		t.Errorf("spec %d: %v and %v", spec, half.Algorithm, other.Algorithm)
	}
	switch spec {
	case hsm.MLKEM768:
		key, err := mlkem.NewDecapsulationKey768(half.Key[len(half.Key)-mlkem.SeedSize:])
		if err != nil || !bytes.Equal(key.EncapsulationKey().Bytes(), other.Key.Bytes) {
			t.Errorf("spec %d: the halves do not belong together: %v", spec, err)
		}
	case hsm.MLKEM1024:
		key, err := mlkem.NewDecapsulationKey1024(half.Key[len(half.Key)-mlkem.SeedSize:])
		if err != nil || !bytes.Equal(key.EncapsulationKey().Bytes(), other.Key.Bytes) {
			t.Errorf("spec %d: the halves do not belong together: %v", spec, err)
		}
	case hsm.RSA2048, hsm.RSA3072, hsm.RSA4096, hsm.P256, hsm.P384, hsm.P521, hsm.Ed25519:
		checkKnownPair(t, spec, c)
	}
}

func checkKnownPair(t *testing.T, spec hsm.KeySpec, c *hsm.Call) {
	t.Helper()
	private, err := x509.ParsePKCS8PrivateKey(c.Secret)
	if err != nil {
		t.Fatalf("spec %d: the private key is not PKCS #8: %v", spec, err)
	}
	public, err := x509.ParsePKIXPublicKey(c.Public)
	if err != nil {
		t.Fatalf("spec %d: %v", spec, err)
	}
	if got := private.(crypto.Signer).Public(); !got.(interface {
		Equal(crypto.PublicKey) bool
	}).Equal(public) {
		t.Errorf("spec %d: the halves do not belong together", spec)
	}
	bits := 0
	switch key := public.(type) {
	case *rsa.PublicKey:
		bits = key.N.BitLen()
	case *ecdsa.PublicKey:
		bits = key.Curve.Params().BitSize
	}
	want := map[hsm.KeySpec]int{hsm.RSA2048: 2048, hsm.RSA3072: 3072, hsm.RSA4096: 4096, hsm.P256: 256, hsm.P384: 384, hsm.P521: 521}
	if bits != want[spec] {
		t.Errorf("spec %d: a key of %d bits", spec, bits)
	}
}

// anyUsage: a pool token without a usage becomes a pair, or a key of any usage of its spec, and nothing else.
func (s *suite) anyUsage(t *testing.T) {
	symmetric := &s.key(t, hsm.SymmetricDefault, hsm.EncryptDecrypt).Key
	for spec, usages := range map[hsm.KeySpec][]hsm.Usage{
		hsm.RSA2048: {hsm.EncryptDecrypt, hsm.SignVerify}, hsm.P256: {hsm.SignVerify, hsm.KeyAgreement},
	} {
		made := s.do(t, hsm.Call{Op: hsm.OpGeneratePool, Spec: spec})
		pooled := &hsm.Key{Token: made.Out, Spec: spec}
		for _, usage := range usages {
			target := hsm.Key{Identity: Identity("any"), Spec: spec, Usage: usage}
			adopted := s.do(t, hsm.Call{Op: hsm.OpAdopt, Key: pooled, Target: &target})
			target.Token, target.Material = adopted.Out, adopted.Material
			if !bytes.Equal(adopted.Public, made.Public) {
				t.Errorf("spec %d, usage %d: another public key", spec, usage)
			}
			s.do(t, hsm.Call{Op: hsm.OpRewrap, Key: &target})
			target.Usage = hsm.UsageNone
			s.refuse(t, hsm.ErrToken, hsm.Call{Op: hsm.OpRewrap, Key: &target})
		}
		for _, usage := range []hsm.Usage{hsm.UsageNone, hsm.GenerateVerifyMAC} {
			s.refuse(t, hsm.ErrToken, hsm.Call{Op: hsm.OpAdopt, Key: pooled, Target: &hsm.Key{Identity: Identity("any"), Spec: spec, Usage: usage}})
		}
		if s.lacks.Pairs {
			s.refuse(t, hsm.ErrToken, hsm.Call{Op: hsm.OpDataKeyPair, Key: symmetric, Spec: spec, Target: pooled})
			continue
		}
		pair := s.do(t, hsm.Call{Op: hsm.OpDataKeyPair, Key: symmetric, Spec: spec, Target: pooled})
		checkPair(t, spec, pair)
		if !bytes.Equal(pair.Public, made.Public) {
			t.Errorf("spec %d: a pair of another public key", spec)
		}
		s.refuse(t, hsm.ErrToken, hsm.Call{Op: hsm.OpDataKeyPair, Key: symmetric, Spec: hsm.P384, Target: pooled})
		s.refuse(t, hsm.ErrToken, hsm.Call{Op: hsm.OpDataKeyPair, Key: symmetric, Spec: spec, Target: &hsm.Key{Token: made.Out[1:], Spec: spec}})
		key := &s.key(t, spec, usages[0]).Key
		s.refuse(t, hsm.ErrToken, hsm.Call{Op: hsm.OpDataKeyPair, Key: symmetric, Spec: spec, Target: key})
	}
	for _, spec := range []hsm.KeySpec{hsm.SpecNone, hsm.SymmetricDefault, hsm.HMAC256} {
		s.refuse(t, hsm.ErrUnsupported, hsm.Call{Op: hsm.OpGeneratePool, Spec: spec})
	}
}

func isRSA(spec hsm.KeySpec) bool { return spec >= hsm.RSA2048 && spec <= hsm.RSA4096 }
