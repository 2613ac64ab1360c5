package hsmtest

import (
	"bytes"
	"crypto/aes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/binary"
	"hash"
	"slices"
	"testing"
	"time"

	"github.com/emmansun/gmsm/sm2"

	"trent/hsm"
)

// wrapping is a wrapping key with an import token, as an importer has them.
type wrapping struct {
	hsm.Call // Import, but In
	public   *rsa.PublicKey
	sm2      *ecdsa.PublicKey
	how      hsm.Wrapping
}

// importTime is when the suite's import tokens end.
var importTime = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// wrappingFor makes a wrapping key and an import token for target; RSA keys of the pair that all share.
func (s *suite) wrappingFor(t testing.TB, target *hsm.Key, how hsm.Wrapping, spec hsm.KeySpec) *wrapping {
	t.Helper()
	return s.wrappingOf(t, target, how, spec, s.pooled(t, spec))
}

// wrappingOf makes the wrapping key out of a pool token; nil: anew.
func (s *suite) wrappingOf(t testing.TB, target *hsm.Key, how hsm.Wrapping, spec hsm.KeySpec, pooled *hsm.Key) *wrapping {
	t.Helper()
	made := s.do(t, hsm.Call{Op: hsm.OpWrappingKey, Spec: spec, Key: &hsm.Key{Identity: target.Identity}, Target: pooled})
	if made.Material == (hsm.MaterialID{}) {
		t.Fatal("a wrapping key without identifier")
	}
	w := &wrapping{how: how}
	var err error
	if spec == hsm.SM2 {
		w.sm2, err = sm2.NewPublicKey(made.Public[len(made.Public)-65:]) // the point
	} else {
		var public any
		public, err = x509.ParsePKIXPublicKey(made.Public)
		w.public, _ = public.(*rsa.PublicKey)
	}
	if err != nil {
		t.Fatal(err)
	}
	key := &hsm.Key{Token: made.Out, Identity: target.Identity, Material: made.Material, Spec: spec}
	token := s.do(t, hsm.Call{Op: hsm.OpImportToken, Key: target, Target: key, Wrapping: how, Time: importTime}).Out
	if named, ok := hsm.WrappingKeyOf(token); !ok || named != made.Material || len(token) != hsm.ImportTokenSize {
		t.Fatalf("an import token of %d bytes for %s, want %s", len(token), named, made.Material)
	}
	w.Call = hsm.Call{Op: hsm.OpImport, Key: key, Target: target, In2: token, Time: importTime.Add(-time.Millisecond)}
	return w
}

// wrap is what an importer does with material.
func (w *wrapping) wrap(t testing.TB, material []byte) []byte {
	t.Helper()
	if w.sm2 != nil {
		sealed, err := sm2.EncryptASN1(rand.Reader, w.sm2, material)
		if err != nil {
			t.Fatal(err)
		}
		return sealed
	}
	h := w.hash()
	if w.how == hsm.WrapOAEPSHA1 || w.how == hsm.WrapOAEPSHA256 {
		return oaep(t, h, w.public, material)
	}
	kek := make([]byte, 32)
	_, _ = rand.Read(kek)
	return append(oaep(t, h, w.public, kek), keyWrap(t, kek, material)...)
}

// hash is the one of w's OAEP.
func (w *wrapping) hash() hash.Hash {
	if w.how == hsm.WrapOAEPSHA1 || w.how == hsm.WrapRSAAESKeyWrapSHA1 {
		return sha1.New()
	}
	return sha256.New()
}

// another is a hash that is not.
func (w *wrapping) another() hash.Hash {
	if w.hash().Size() == sha1.Size {
		return sha256.New()
	}
	return sha1.New()
}

func oaep(t testing.TB, h hash.Hash, public *rsa.PublicKey, plaintext []byte) []byte {
	t.Helper()
	sealed, err := rsa.EncryptOAEP(h, rand.Reader, public, plaintext, nil)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

// keyWrap is AES key wrap with padding (RFC 5649 §4.1).
func keyWrap(t testing.TB, kek, plaintext []byte) []byte {
	t.Helper()
	block, err := aes.NewCipher(kek)
	if err != nil {
		t.Fatal(err)
	}
	a := binary.BigEndian.AppendUint32([]byte{0xa6, 0x59, 0x59, 0xa6}, uint32(len(plaintext)))
	p := append(bytes.Clone(plaintext), make([]byte, (8-len(plaintext)%8)%8)...)
	for step := range 6 * len(p) / 8 {
		at := step % (len(p) / 8) * 8
		b := append(bytes.Clone(a), p[at:at+8]...)
		block.Encrypt(b, b)
		a = binary.BigEndian.AppendUint64(nil, binary.BigEndian.Uint64(b)^uint64(step+1))
		copy(p[at:], b[8:])
	}
	return append(a, p...)
}

func (w *wrapping) of(t testing.TB, material []byte) hsm.Call {
	c := w.Call
	c.In = w.wrap(t, material)
	return c
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

func pkcs8(t testing.TB, key any, err error) []byte {
	t.Helper()
	if err == nil {
		var der []byte
		if der, err = x509.MarshalPKCS8PrivateKey(key); err == nil {
			return der
		}
	}
	t.Fatal(err)
	return nil
}

func ecKey(t testing.TB, curve elliptic.Curve) []byte {
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	return pkcs8(t, key, err)
}

// curveKey is a key of a curve that crypto/x509 does not know, as RFC 5915 and PKCS #8 have it. Its number is below the
// order of any curve of 256 bits.
func curveKey(t testing.TB, curve asn1.ObjectIdentifier) []byte {
	t.Helper()
	inner, err := asn1.Marshal(struct {
		Version int
		Key     []byte
	}{1, append([]byte{0}, randomBytes(31)...)})
	if err != nil {
		t.Fatal(err)
	}
	type identifier struct{ Algorithm, Curve asn1.ObjectIdentifier }
	der, err := asn1.Marshal(struct {
		Version int
		Type    identifier
		Key     []byte
	}{0, identifier{asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}, curve}, inner})
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func target(spec hsm.KeySpec, usage hsm.Usage, id string) *hsm.Key {
	return &hsm.Key{Identity: Identity(id), Spec: spec, Usage: usage}
}

// imports brings material of every kind in by every wrapping that fits, and uses it.
func (s *suite) imports(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	kinds := []struct {
		spec     hsm.KeySpec
		usage    hsm.Usage
		material []byte
	}{
		{hsm.SymmetricDefault, hsm.EncryptDecrypt, randomBytes(32)},
		{hsm.HMAC224, hsm.GenerateVerifyMAC, randomBytes(28)},
		{hsm.HMAC512, hsm.GenerateVerifyMAC, randomBytes(64)},
		{hsm.P256, hsm.SignVerify, ecKey(t, elliptic.P256())},
		{hsm.P384, hsm.SignVerify, ecKey(t, elliptic.P384())},
		{hsm.P521, hsm.SignVerify, ecKey(t, elliptic.P521())},
		{hsm.RSA2048, hsm.SignVerify, pkcs8(t, rsaKey, err)},
		{hsm.P256, hsm.KeyAgreement, ecKey(t, elliptic.P256())},
		{hsm.SM4, hsm.EncryptDecrypt, randomBytes(16)},
		{hsm.Ed25519, hsm.SignVerify, pkcs8(t, ed25519.NewKeyFromSeed(randomBytes(32)), nil)},
		{hsm.Secp256k1, hsm.SignVerify, curveKey(t, asn1.ObjectIdentifier{1, 3, 132, 0, 10})},
		{hsm.SM2, hsm.SignVerify, curveKey(t, asn1.ObjectIdentifier{1, 2, 156, 10197, 1, 301})},
		{hsm.MLDSA44, hsm.SignVerify, nil},
		{hsm.MLKEM768, hsm.EncapsulateDecapsulate, nil},
	}
	wrappingSpecs := s.rsaSpecs()
	if s.has(hsm.SM2) {
		wrappingSpecs = append(wrappingSpecs, hsm.SM2)
	}
	for _, wrappingSpec := range wrappingSpecs {
		for how := hsm.WrapOAEPSHA1; how <= hsm.WrapSM2PKE; how++ {
			for _, k := range kinds {
				if !s.has(k.spec) {
					continue
				}
				to := target(k.spec, k.usage, t.Name())
				if !hsm.CanImport(k.spec, how, wrappingSpec) || !s.wraps(how) || slices.Contains(s.lacks.Imports, k.spec) {
					s.refuse(t, hsm.ErrUnsupported, hsm.Call{
						Op: hsm.OpImportToken, Key: to, Target: &hsm.Key{Spec: wrappingSpec}, Wrapping: how, Time: importTime,
					})
					continue
				}
				w := s.wrappingFor(t, to, how, wrappingSpec)
				first := s.do(t, w.of(t, k.material))
				again := s.do(t, w.of(t, k.material))
				if first.Material != again.Material || first.Material == (hsm.MaterialID{}) || !bytes.Equal(first.Public, again.Public) {
					t.Errorf("spec %d: material %s, then %s", k.spec, first.Material, again.Material)
				}
				if (len(first.Public) > 0) != isAsymmetric(k.spec) {
					t.Errorf("spec %d: a public key of %d bytes", k.spec, len(first.Public))
				}
				key := *to
				key.Token, key.Material = first.Out, first.Material
				for _, call := range uses(&key) {
					switch k.spec {
					case hsm.RSA2048:
						call.Algorithm = hsm.PSSSHA256
					case hsm.Ed25519:
						call.Algorithm = hsm.ED25519SHA512
					}
					s.do(t, call)
				}
				expected := *to
				expected.Material = first.Material
				same := w.of(t, k.material)
				same.Target = &expected
				s.do(t, same)
				expected.Material[0] ^= 1
				s.refuse(t, hsm.ErrMaterial, same)
			}
		}
	}
}

// importRefusals: tokens, wrapping keys, wrappings and material that do not fit.
func (s *suite) importRefusals(t *testing.T) {
	to := target(hsm.P256, hsm.SignVerify, t.Name())
	w := s.wrappingFor(t, to, s.hybrid(t), hsm.RSA2048)
	material := ecKey(t, elliptic.P256())
	good := w.of(t, material)
	s.do(t, good)
	s.importTokens(t, good)
	other := s.wrappingOf(t, to, s.hybrid(t), hsm.RSA2048, nil)

	call := good
	call.Key = other.Key
	s.refuse(t, hsm.ErrToken, call)
	call.Key = &hsm.Key{}
	s.refuse(t, hsm.ErrToken, call)
	plain := NewKey(t, s, hsm.P256, hsm.SignVerify, t.Name())
	call.Key = &plain.Key
	s.refuse(t, hsm.ErrToken, call)
	// A wrapping key is no key.
	asKey := *w.Key
	asKey.Usage = hsm.EncryptDecrypt
	moved := asKey
	moved.Token = s.do(t, hsm.Call{Op: hsm.OpRewrap, Key: &asKey}).Out
	s.refuse(t, hsm.ErrToken, hsm.Call{Op: hsm.OpDecrypt, Key: &moved, Algorithm: hsm.OAEPSHA256, In: good.In[:256]})
	call = good
	call.Key = &moved
	s.do(t, call)
	s.refuse(t, hsm.ErrToken, hsm.Call{Op: hsm.OpDecrypt, Key: &asKey, Algorithm: hsm.OAEPSHA256, In: good.In[:256]})

	call = good
	bad := [][]byte{
		nil, good.In[1:], good.In[:len(good.In)-1], good.In[:256], good.In[256:], append(bytes.Clone(good.In), 0),
		other.wrap(t, material),
		append(oaep(t, w.hash(), w.public, randomBytes(31)), good.In[256:]...),
		append(oaep(t, w.hash(), w.public, randomBytes(32)), good.In[256:]...),
		append(randomBytes(256), keyWrap(t, make([]byte, 32), material)...), // under the key that stands in for none
	}
	if other := w.another(); hsm.Permitted(hsm.OAEPSHA1) {
		bad = append(bad, append(oaep(t, other, w.public, randomBytes(32)), good.In[256:]...))
	}
	for _, in := range bad {
		call.In = in
		s.refuse(t, hsm.ErrAuthentication, call)
	}
	for i := 0; i < len(good.In); i += s.stride() {
		call.In = bytes.Clone(good.In)
		call.In[i] ^= 1
		s.refuse(t, hsm.ErrAuthentication, call)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	sec1, _ := x509.MarshalECPrivateKey(key)
	spki, _ := x509.MarshalPKIXPublicKey(&key.PublicKey)
	for name, in := range map[string][]byte{
		"another curve": ecKey(t, elliptic.P384()), "SEC 1": sec1, "public key": spki, "raw": randomBytes(32),
		"trailing byte": append(pkcs8(t, key, err), 0), "cut": pkcs8(t, key, err)[:100],
	} {
		t.Run(name, func(t *testing.T) {
			if s.lacks.Strictness && name == "trailing byte" {
				t.Skip("this module may take it")
			}
			s.refuse(t, hsm.ErrMaterial, w.of(t, in))
		})
	}
	for spec, usage := range map[hsm.KeySpec]hsm.Usage{hsm.SymmetricDefault: hsm.EncryptDecrypt, hsm.HMAC384: hsm.GenerateVerifyMAC} {
		w := s.wrappingFor(t, target(spec, usage, t.Name()), s.plain(t), hsm.RSA2048)
		for _, n := range []int{0, 1, 16, 31, 33, 47, 49, 64, 128} {
			s.refuse(t, hsm.ErrMaterial, w.of(t, randomBytes(n)))
		}
		call := w.of(t, randomBytes(32))
		for i := 0; i < len(call.In); i += s.stride() {
			altered := call
			altered.In = bytes.Clone(call.In)
			altered.In[i] ^= 1
			s.refuse(t, hsm.ErrAuthentication, altered)
		}
	}
}

// importTokens alters every bit of an import token and everything that it is held to.
func (s *suite) importTokens(t *testing.T, good hsm.Call) {
	for i := range len(good.In2) * 8 {
		call := good
		call.In2 = bytes.Clone(good.In2)
		call.In2[i/8] ^= 1 << (i % 8)
		s.refuse(t, hsm.ErrImportToken, call)
	}
	call := good
	for _, in2 := range [][]byte{nil, good.In2[1:], append(bytes.Clone(good.In2), 0), good.Key.Token} {
		call.In2 = in2
		s.refuse(t, hsm.ErrImportToken, call)
	}
	for _, to := range []*hsm.Key{
		target(hsm.P256, hsm.SignVerify, "another"), target(hsm.P384, hsm.SignVerify, t.Name()),
		target(hsm.HMAC256, hsm.GenerateVerifyMAC, t.Name()),
	} {
		call := good
		call.Target = to
		s.refuse(t, hsm.ErrImportToken, call)
	}
	call = good
	call.Time = importTime
	s.refuse(t, hsm.ErrExpired, call)
	call.Key = &hsm.Key{} // the wrapping key is gone by then
	s.refuse(t, hsm.ErrExpired, call)
	call = good
	call.Target = nil
	s.refuse(t, hsm.ErrToken, call)
	for _, spec := range []hsm.KeySpec{hsm.SpecNone, hsm.SymmetricDefault, hsm.P256, hsm.HMAC256} {
		s.refuse(t, hsm.ErrUnsupported, hsm.Call{Op: hsm.OpWrappingKey, Spec: spec, Key: good.Target})
	}
	s.refuse(t, hsm.ErrToken, hsm.Call{Op: hsm.OpWrappingKey, Spec: hsm.RSA2048, Key: &hsm.Key{}})
}

// wrappingPool takes a wrapping key that was made ahead.
func (s *suite) wrappingPool(t *testing.T) {
	to := target(hsm.SymmetricDefault, hsm.EncryptDecrypt, t.Name())
	made := s.do(t, hsm.Call{Op: hsm.OpGeneratePool, Spec: hsm.RSA2048})
	taken := s.do(t, hsm.Call{Op: hsm.OpWrappingKey, Spec: hsm.RSA2048, Key: to, Target: &hsm.Key{Token: made.Out}})
	if !bytes.Equal(made.Public, taken.Public) || taken.Material == (hsm.MaterialID{}) {
		t.Fatal("another key")
	}
	key := &hsm.Key{Token: taken.Out, Material: taken.Material, Spec: hsm.RSA2048}
	how := s.plain(t)
	token := s.do(t, hsm.Call{Op: hsm.OpImportToken, Key: to, Target: key, Wrapping: how, Time: importTime}).Out
	public, err := x509.ParsePKIXPublicKey(taken.Public)
	if err != nil {
		t.Fatal(err)
	}
	s.do(t, hsm.Call{Op: hsm.OpImport, Key: key, Target: to, In2: token, In: oaep(t, (&wrapping{how: how}).hash(), public.(*rsa.PublicKey), randomBytes(32))})
	for _, pool := range []*hsm.Key{{}, {Token: taken.Out}, {Token: token}, {Token: made.Out, Usage: hsm.EncryptDecrypt}, {Token: made.Out, Usage: hsm.SignVerify}} {
		s.refuse(t, hsm.ErrToken, hsm.Call{Op: hsm.OpWrappingKey, Spec: hsm.RSA2048, Key: to, Target: pool})
	}
}
