package hsmtest

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"testing"

	"trent/hsm"
)

func (s *suite) signatures(t *testing.T) {
	algorithms := map[hsm.KeySpec][]hsm.Algorithm{
		hsm.P256: {hsm.AlgorithmNone, hsm.ECDSASHA256}, hsm.P384: {hsm.ECDSASHA384}, hsm.P521: {hsm.ECDSASHA512},
	}
	for _, spec := range s.rsaSpecs() {
		algorithms[spec] = []hsm.Algorithm{hsm.PKCS1SHA256, hsm.PKCS1SHA384, hsm.PKCS1SHA512, hsm.PSSSHA256, hsm.PSSSHA384, hsm.PSSSHA512}
	}
	message := []byte("message")
	if s.has(hsm.Secp256k1) {
		algorithms[hsm.Secp256k1] = []hsm.Algorithm{hsm.ECDSASHA256}
	}
	for spec, list := range algorithms {
		key := s.key(t, spec, hsm.SignVerify)
		for _, alg := range list {
			signature := s.do(t, hsm.Call{Op: hsm.OpSign, Key: &key.Key, Algorithm: alg, In: message}).Out
			call := hsm.Call{Op: hsm.OpVerify, Key: &key.Key, Algorithm: alg, In: message, In2: signature}
			s.do(t, call)
			if spec != hsm.Secp256k1 && !verifies(t, key.Public, alg, message, signature) {
				t.Errorf("spec %d, algorithm %d: not a signature for the public key", spec, alg)
			}
			digested := call
			digested.Digest, digested.In = true, digest(alg, message)
			s.do(t, digested)
			digested.Op, digested.In2 = hsm.OpSign, nil
			call.In2 = s.do(t, digested).Out
			s.do(t, call)
			digested.In = digested.In[1:]
			s.refuse(t, hsm.ErrInput, digested)

			call.In2 = bytes.Clone(signature)
			call.In2[len(signature)/2] ^= 1
			s.refuse(t, hsm.ErrMismatch, call)
			call.In2 = nil
			s.refuse(t, hsm.ErrMismatch, call)
			call.In, call.In2 = []byte("another"), signature
			s.refuse(t, hsm.ErrMismatch, call)
			call.Op, call.Out = hsm.OpSign, make([]byte, 0, 8)
			s.refuse(t, hsm.ErrShort, call)
		}
	}
}

// hashOf is the hash of a signing algorithm.
func hashOf(alg hsm.Algorithm) crypto.Hash {
	switch alg {
	case hsm.PKCS1SHA384, hsm.PSSSHA384, hsm.ECDSASHA384:
		return crypto.SHA384
	case hsm.PKCS1SHA512, hsm.PSSSHA512, hsm.ECDSASHA512:
		return crypto.SHA512
	}
	return crypto.SHA256
}

func digest(alg hsm.Algorithm, message []byte) []byte {
	switch hashOf(alg) {
	case crypto.SHA384:
		d := sha512.Sum384(message)
		return d[:]
	case crypto.SHA512:
		d := sha512.Sum512(message)
		return d[:]
	}
	d := sha256.Sum256(message)
	return d[:]
}

// verifies asks the standard library, with nothing but the public key.
func verifies(t *testing.T, spki []byte, alg hsm.Algorithm, message, signature []byte) bool {
	t.Helper()
	public, err := x509.ParsePKIXPublicKey(spki)
	if err != nil {
		t.Fatal(err)
	}
	d := digest(alg, message)
	switch public := public.(type) {
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(public, d, signature)
	case *rsa.PublicKey:
		if alg >= hsm.PSSSHA256 && alg <= hsm.PSSSHA512 {
			return rsa.VerifyPSS(public, hashOf(alg), d, signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
		}
		return rsa.VerifyPKCS1v15(public, hashOf(alg), d, signature) == nil
	}
	return false
}

func (s *suite) macs(t *testing.T) {
	for spec, want := range map[hsm.KeySpec]struct {
		alg  hsm.Algorithm
		size int
	}{
		hsm.HMAC224: {hsm.HMACSHA224, 28}, hsm.HMAC256: {hsm.HMACSHA256, 32},
		hsm.HMAC384: {hsm.HMACSHA384, 48}, hsm.HMAC512: {hsm.HMACSHA512, 64},
	} {
		key := s.key(t, spec, hsm.GenerateVerifyMAC)
		for _, message := range [][]byte{[]byte("m"), make([]byte, 4096)} {
			mac := s.do(t, hsm.Call{Op: hsm.OpMAC, Key: &key.Key, Algorithm: want.alg, In: message}).Out
			if len(mac) != want.size {
				t.Fatalf("spec %d: a MAC of %d bytes", spec, len(mac))
			}
			call := hsm.Call{Op: hsm.OpVerifyMAC, Key: &key.Key, In: message, In2: mac} // the spec's only algorithm
			s.do(t, call)
			for i := range mac {
				call.In2 = bytes.Clone(mac)
				call.In2[i] ^= 1
				s.refuse(t, hsm.ErrMismatch, call)
			}
			call.In2 = mac[:len(mac)-1]
			s.refuse(t, hsm.ErrMismatch, call)
			call.In2 = nil
			s.refuse(t, hsm.ErrMismatch, call)
		}
		s.refuse(t, hsm.ErrShort, hsm.Call{Op: hsm.OpMAC, Key: &key.Key, In: []byte("m"), Out: make([]byte, 0, want.size-1)})
	}
}

func (s *suite) rsaEncryption(t *testing.T) {
	for _, spec := range s.rsaSpecs() {
		key := s.key(t, spec, hsm.EncryptDecrypt)
		for _, alg := range []hsm.Algorithm{hsm.OAEPSHA1, hsm.OAEPSHA256} {
			limit := hsm.PlaintextLimit(spec, alg)
			if !hsm.Permitted(alg) {
				s.refuse(t, hsm.ErrUnsupported, hsm.Call{Op: hsm.OpEncrypt, Key: &key.Key, Algorithm: alg, In: []byte("x")})
				s.refuse(t, hsm.ErrUnsupported, hsm.Call{Op: hsm.OpDecrypt, Key: &key.Key, Algorithm: alg, In: make([]byte, 256)})
				continue
			}
			plaintext := bytes.Repeat([]byte{7}, limit)
			sealed := s.do(t, hsm.Call{Op: hsm.OpEncrypt, Key: &key.Key, Algorithm: alg, In: plaintext})
			if want := 256 + 128*int(spec-hsm.RSA2048); len(sealed.Out) != want || sealed.Material != key.Material {
				t.Fatalf("spec %d: %d bytes", spec, len(sealed.Out))
			}
			call := hsm.Call{Op: hsm.OpDecrypt, Key: &key.Key, Algorithm: alg, In: sealed.Out}
			if got := s.do(t, call).Secret; !bytes.Equal(got, plaintext) {
				t.Fatalf("spec %d: came back as %d bytes", spec, len(got))
			}
			s.refuse(t, hsm.ErrInput, hsm.Call{Op: hsm.OpEncrypt, Key: &key.Key, Algorithm: alg, In: append(plaintext, 0)})
			call.In = bytes.Clone(sealed.Out)
			call.In[9] ^= 1
			s.refuse(t, hsm.ErrAuthentication, call)
			call.In = sealed.Out[1:]
			s.refuse(t, hsm.ErrAuthentication, call)
			call.In = sealed.Out
			if call.Algorithm = hsm.OAEPSHA1 + hsm.OAEPSHA256 - alg; hsm.Permitted(call.Algorithm) {
				s.refuse(t, hsm.ErrAuthentication, call)
			}
			call.Algorithm = hsm.AlgorithmNone // the spec has two
			s.refuse(t, hsm.ErrUnsupported, call)
		}
	}
}
