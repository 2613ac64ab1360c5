package hsmtest

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha512"
	"crypto/x509"
	"encoding/asn1"
	"slices"
	"testing"

	"trent/hsm"
)

// peerOfP256 is the public key of somebody on P-256.
var peerOfP256 = func() []byte {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		panic(err)
	}
	return spki
}()

// forms: schemes that sign something else than SHA-2 digests take messages in their own forms only.
func (s *suite) forms(t *testing.T) {
	const message, digest, mu = 0, 1, 2
	type form struct {
		kind, size int // size in bytes; 0: any
	}
	for _, c := range []struct {
		spec hsm.KeySpec
		alg  hsm.Algorithm
		size int // of the signature in bytes; 0: varies
		ok   []form
	}{
		{hsm.Ed25519, hsm.ED25519SHA512, 64, []form{{message, 0}}},
		{hsm.Ed25519, hsm.ED25519PHSHA512, 64, []form{{digest, 64}}},
		{hsm.MLDSA44, hsm.MLDSASHAKE256, 2420, []form{{message, 0}, {mu, 64}}},
		{hsm.MLDSA65, hsm.MLDSASHAKE256, 3309, []form{{message, 0}, {mu, 64}}},
		{hsm.MLDSA87, hsm.AlgorithmNone, 4627, []form{{message, 0}, {mu, 64}}},
		{hsm.SM2, hsm.SM2DSA, 0, []form{{message, 0}, {digest, 32}}},
	} {
		if !s.has(c.spec) {
			continue
		}
		key := s.key(t, c.spec, hsm.SignVerify)
		if slices.Contains(s.lacks.Algorithms, c.alg) {
			s.refuse(t, hsm.ErrUnsupported, hsm.Call{Op: hsm.OpSign, Key: &key.Key, Algorithm: c.alg, In: make([]byte, 64), Digest: true})
			continue
		}
		for kind := message; kind <= mu; kind++ {
			call := hsm.Call{Op: hsm.OpSign, Key: &key.Key, Algorithm: c.alg, Digest: kind == digest, ExternalMu: kind == mu, In: []byte("message")}
			var taken *form
			for i := range c.ok {
				if c.ok[i].kind == kind {
					taken = &c.ok[i]
				}
			}
			if taken == nil {
				call.In = make([]byte, 64)
				s.refuse(t, hsm.ErrUnsupported, call)
				continue
			}
			if taken.size > 0 {
				s.refuse(t, hsm.ErrInput, call)
				call.In = bytes.Repeat([]byte{7}, taken.size)
			}
			signature := s.do(t, call).Out
			if c.size > 0 && len(signature) != c.size {
				t.Errorf("spec %d: a signature of %d bytes", c.spec, len(signature))
			}
			short := call
			short.Out = make([]byte, 0, 8)
			s.refuse(t, hsm.ErrShort, short)
			verify := call
			verify.Op, verify.In2 = hsm.OpVerify, signature
			s.do(t, verify)
			if c.spec == hsm.Ed25519 {
				s.verifiesEd25519(t, key, verify)
			}
			verify.In2 = bytes.Clone(signature)
			verify.In2[len(signature)/2] ^= 1
			s.refuse(t, hsm.ErrMismatch, verify)
			verify.In2 = signature[:len(signature)-1]
			s.refuse(t, hsm.ErrMismatch, verify)
			verify.In2 = nil
			s.refuse(t, hsm.ErrMismatch, verify)
			verify.In2, verify.In = signature, bytes.Clone(call.In)
			verify.In[0] ^= 1
			s.refuse(t, hsm.ErrMismatch, verify)
		}
	}
}

// verifiesEd25519 asks the standard library. What is given as a digest is a message to Ed25519ph.
func (s *suite) verifiesEd25519(t *testing.T, key *Key, c hsm.Call) {
	t.Helper()
	public, err := x509.ParsePKIXPublicKey(key.Public)
	if err != nil {
		t.Fatal(err)
	}
	message, options := c.In, &ed25519.Options{}
	if c.Digest {
		sum := sha512.Sum512(c.In)
		message, options.Hash = sum[:], hashOf(hsm.ECDSASHA512)
	}
	if err := ed25519.VerifyWithOptions(public.(ed25519.PublicKey), message, c.In2, options); err != nil {
		t.Errorf("digest %t: %v", c.Digest, err)
	}
}

func (s *suite) sm2Encryption(t *testing.T) {
	if !s.has(hsm.SM2) {
		t.Skip("not in this module")
	}
	key := s.key(t, hsm.SM2, hsm.EncryptDecrypt)
	for _, size := range []int{1, 2, 32, 1024} {
		plaintext := bytes.Repeat([]byte{0x5a}, size)
		sealed := s.do(t, hsm.Call{Op: hsm.OpEncrypt, Key: &key.Key, Algorithm: hsm.SM2PKE, In: plaintext})
		opened := s.do(t, hsm.Call{Op: hsm.OpDecrypt, Key: &key.Key, In: sealed.Out})
		if !bytes.Equal(opened.Secret, plaintext) || sealed.Material != key.Material {
			t.Errorf("%d bytes came back as %d", size, len(opened.Secret))
		}
		for _, i := range []int{0, 1, 10, 40, 80, len(sealed.Out) - 1} {
			altered := bytes.Clone(sealed.Out)
			altered[i] ^= 1
			s.refuse(t, hsm.ErrAuthentication, hsm.Call{Op: hsm.OpDecrypt, Key: &key.Key, In: altered})
		}
	}
	if n := hsm.PlaintextLimit(hsm.SM2, hsm.SM2PKE); n != 1024 {
		t.Errorf("the limit is %d", n)
	}
	s.refuse(t, hsm.ErrInput, hsm.Call{Op: hsm.OpEncrypt, Key: &key.Key, In: make([]byte, 1025)})
	s.refuse(t, hsm.ErrShort, hsm.Call{Op: hsm.OpEncrypt, Key: &key.Key, In: make([]byte, 100), Out: make([]byte, 0, 100)})
	s.refuse(t, hsm.ErrUnsupported, hsm.Call{Op: hsm.OpEncrypt, Key: &key.Key, Algorithm: hsm.OAEPSHA256, In: []byte("x")})
}

// sm4: keys of China Regions do all that symmetric keys do, and are none of the others.
func (s *suite) sm4(t *testing.T) {
	if !s.has(hsm.SM4) {
		t.Skip("not in this module")
	}
	key, other := s.key(t, hsm.SM4, hsm.EncryptDecrypt), NewKey(t, s, hsm.SymmetricDefault, hsm.EncryptDecrypt, "aes")
	aad := contextOf(t, "k", "v")
	for _, size := range []int{0, 1, 16, 32, 101, 4096} {
		plaintext := bytes.Repeat([]byte{0x5a}, size)
		sealed := s.do(t, hsm.Call{Op: hsm.OpEncrypt, Key: &key.Key, Algorithm: hsm.SM4GCM, In: plaintext, AAD: aad})
		if m, ok := hsm.MaterialOf(sealed.Out); !ok || m != key.Material || len(sealed.Out) != hsm.BlobSize(size) {
			t.Fatalf("%d bytes make %d, of material %s", size, len(sealed.Out), m)
		}
		opened := s.do(t, hsm.Call{Op: hsm.OpDecrypt, Key: &key.Key, In: sealed.Out, AAD: aad})
		if !bytes.Equal(opened.Secret, plaintext) || opened.Material != key.Material {
			t.Fatalf("%d bytes come back as %d", size, len(opened.Secret))
		}
		s.refuse(t, hsm.ErrAuthentication, hsm.Call{Op: hsm.OpDecrypt, Key: &key.Key, In: sealed.Out})
		moved := s.do(t, hsm.Call{Op: hsm.OpReEncrypt, Key: &key.Key, Target: &other.Key, In: sealed.Out, AAD: aad})
		back := s.do(t, hsm.Call{Op: hsm.OpReEncrypt, Key: &other.Key, Target: &key.Key, In: moved.Out, TargetAAD: aad, TargetAlgorithm: hsm.SM4GCM})
		if got := s.do(t, hsm.Call{Op: hsm.OpDecrypt, Key: &key.Key, In: back.Out, AAD: aad}).Secret; !bytes.Equal(got, plaintext) {
			t.Fatalf("%d bytes come back as %d from AES", size, len(got))
		}
	}
	sealed := s.do(t, hsm.Call{Op: hsm.OpEncrypt, Key: &key.Key, In: []byte("plaintext")}).Out
	for i := range sealed {
		altered := bytes.Clone(sealed)
		altered[i] ^= 0x10
		s.refuse(t, hsm.ErrAuthentication, hsm.Call{Op: hsm.OpDecrypt, Key: &key.Key, In: altered})
	}
	made := s.do(t, hsm.Call{Op: hsm.OpDataKey, Key: &key.Key, N: 16})
	if got := s.do(t, hsm.Call{Op: hsm.OpDecrypt, Key: &key.Key, In: made.Out}).Secret; !bytes.Equal(got, made.Secret) || len(got) != 16 {
		t.Errorf("the blob holds another key, of %d bytes", len(got))
	}
	s.refuse(t, hsm.ErrInput, hsm.Call{Op: hsm.OpEncrypt, Key: &key.Key, In: make([]byte, 4097)})
	s.refuse(t, hsm.ErrUnsupported, hsm.Call{Op: hsm.OpEncrypt, Key: &key.Key, Algorithm: hsm.AESGCM, In: []byte("x")})
	s.refuse(t, hsm.ErrUnsupported, hsm.Call{Op: hsm.OpEncrypt, Key: &other.Key, Algorithm: hsm.SM4GCM, In: []byte("x")})
	rewrapped := key.Key
	rewrapped.Token = s.do(t, hsm.Call{Op: hsm.OpRewrap, Key: &key.Key}).Out
	s.do(t, hsm.Call{Op: hsm.OpDecrypt, Key: &rewrapped, In: sealed})
}

func (s *suite) agreement(t *testing.T) {
	for spec, c := range map[hsm.KeySpec]struct {
		curve elliptic.Curve
		size  int
	}{hsm.P256: {elliptic.P256(), 32}, hsm.P384: {elliptic.P384(), 48}, hsm.P521: {elliptic.P521(), 66}} {
		key := s.key(t, spec, hsm.KeyAgreement)
		peer, err := ecdsa.GenerateKey(c.curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		spki, err := x509.MarshalPKIXPublicKey(peer.Public())
		if err != nil {
			t.Fatal(err)
		}
		got := s.do(t, hsm.Call{Op: hsm.OpDerive, Key: &key.Key, Algorithm: hsm.ECDH, In: spki}).Secret
		if want := sharedBy(t, peer, key.Public); !bytes.Equal(got, want) || len(got) != c.size {
			t.Errorf("spec %d: %d bytes, equal to the peer's %t", spec, len(got), bytes.Equal(got, want))
		}
		s.refuse(t, hsm.ErrShort, hsm.Call{Op: hsm.OpDerive, Key: &key.Key, In: spki, Secret: make([]byte, 0, c.size-1)})
		s.refusePeers(t, key, spki)
		for _, call := range []hsm.Call{{Op: hsm.OpSign, Key: &key.Key, In: spki}, {Op: hsm.OpDerive, Key: &key.Key, Algorithm: hsm.ECDSASHA256, In: spki}} {
			s.refuse(t, hsm.ErrUnsupported, call)
		}
	}
	if !s.has(hsm.SM2) {
		return
	}
	a, b := NewKey(t, s, hsm.SM2, hsm.KeyAgreement, "a"), NewKey(t, s, hsm.SM2, hsm.KeyAgreement, "b")
	ab := s.do(t, hsm.Call{Op: hsm.OpDerive, Key: &a.Key, In: b.Public}).Secret
	ba := s.do(t, hsm.Call{Op: hsm.OpDerive, Key: &b.Key, In: a.Public}).Secret
	if !bytes.Equal(ab, ba) || len(ab) != 32 {
		t.Errorf("%d bytes, the same on both sides %t", len(ab), bytes.Equal(ab, ba))
	}
	s.refusePeers(t, a, b.Public)
}

// sharedBy is the secret from the other side.
func sharedBy(t *testing.T, private *ecdsa.PrivateKey, spki []byte) []byte {
	t.Helper()
	parsed, err := x509.ParsePKIXPublicKey(spki)
	if err != nil {
		t.Fatal(err)
	}
	var public *ecdh.PublicKey
	var key *ecdh.PrivateKey
	if public, err = parsed.(*ecdsa.PublicKey).ECDH(); err == nil {
		key, err = private.ECDH()
	}
	if err != nil {
		t.Fatal(err)
	}
	shared, err := key.ECDH(public)
	if err != nil {
		t.Fatal(err)
	}
	return shared
}

// refusePeers gives a key what is no public key of its curve, made of one that is.
func (s *suite) refusePeers(t *testing.T, key *Key, spki []byte) {
	t.Helper()
	offCurve := bytes.Clone(spki)
	offCurve[len(spki)-1] ^= 1
	others := [][]byte{nil, {0}, []byte("junk"), spki[:len(spki)-1], append(bytes.Clone(spki), 0), offCurve, infinityOf(t, spki)}
	if key.Spec != hsm.P256 {
		others = append(others, peerOfP256)
	}
	if s.has(hsm.Ed25519) {
		others = append(others, NewKey(t, s, hsm.Ed25519, hsm.SignVerify, "ed").Public)
	}
	for _, peer := range others {
		s.refuse(t, hsm.ErrPeer, hsm.Call{Op: hsm.OpDerive, Key: &key.Key, In: peer})
	}
}

// infinityOf is a public key with the point at infinity (SEC 1 §2.3.3) in place of its point.
func infinityOf(t *testing.T, spki []byte) []byte {
	t.Helper()
	var key struct {
		Algorithm asn1.RawValue
		Point     asn1.BitString
	}
	if _, err := asn1.Unmarshal(spki, &key); err != nil {
		t.Fatal(err)
	}
	key.Point = asn1.BitString{Bytes: []byte{0}, BitLength: 8}
	altered, err := asn1.Marshal(key)
	if err != nil {
		t.Fatal(err)
	}
	return altered
}

func (s *suite) encapsulation(t *testing.T) {
	for spec, size := range map[hsm.KeySpec]int{hsm.MLKEM512: 768, hsm.MLKEM768: 1088, hsm.MLKEM1024: 1568} {
		if !s.has(spec) {
			continue
		}
		key := s.key(t, spec, hsm.EncapsulateDecapsulate)
		made := s.do(t, hsm.Call{Op: hsm.OpEncapsulate, Key: &key.Key, Algorithm: hsm.MLKEM})
		if len(made.Out) != size || len(made.Secret) != 32 || made.Material != key.Material {
			t.Fatalf("spec %d: %d bytes, a secret of %d", spec, len(made.Out), len(made.Secret))
		}
		call := hsm.Call{Op: hsm.OpDecapsulate, Key: &key.Key, In: made.Out}
		if got := s.do(t, call).Secret; !bytes.Equal(got, made.Secret) {
			t.Errorf("spec %d: another secret", spec)
		}
		if again := s.do(t, hsm.Call{Op: hsm.OpEncapsulate, Key: &key.Key}); bytes.Equal(again.Out, made.Out) || bytes.Equal(again.Secret, made.Secret) {
			t.Errorf("spec %d: the same twice", spec)
		}
		// Implicit rejection: an altered ciphertext gives another secret, always the same.
		call.In = bytes.Clone(made.Out)
		call.In[7] ^= 1
		rejected := s.do(t, call).Secret
		if bytes.Equal(rejected, made.Secret) || len(rejected) != 32 || !bytes.Equal(rejected, s.do(t, call).Secret) {
			t.Errorf("spec %d: an altered ciphertext gives %d bytes", spec, len(rejected))
		}
		for _, n := range []int{0, 1, size - 1, size + 1} {
			call.In = make([]byte, n)
			s.refuse(t, hsm.ErrAuthentication, call)
		}
		call.In = made.Out
		call.Secret = make([]byte, 0, 31)
		s.refuse(t, hsm.ErrShort, call)
		s.refuse(t, hsm.ErrShort, hsm.Call{Op: hsm.OpEncapsulate, Key: &key.Key, Secret: make([]byte, 0, 31)})
		s.refuse(t, hsm.ErrShort, hsm.Call{Op: hsm.OpEncapsulate, Key: &key.Key, Out: make([]byte, 0, size-1)})
		s.refuse(t, hsm.ErrUnsupported, hsm.Call{Op: hsm.OpEncapsulate, Key: &key.Key, Algorithm: hsm.ECDH})
	}
}
