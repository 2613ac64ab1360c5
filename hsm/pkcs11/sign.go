//go:build pkcs11

package pkcs11

import (
	"crypto"
	_ "crypto/sha256" // hashes of signing algorithms
	_ "crypto/sha512"
	"fmt"

	p11 "github.com/miekg/pkcs11"

	"trent/hsm"
	"trent/hsm/internal/token"
)

// signing is how a device signs by an algorithm.
type signing struct {
	hash   crypto.Hash // of the message, made here; 0: the device takes the message itself
	prefix []byte      // DigestInfo in front of the hash (RFC 8017 §9.2, note 1)
	by     []*p11.Mechanism
	curve  *curve // whose r ‖ s is to become DER; nil: the device's signature is the API's
}

var (
	digestInfo = map[crypto.Hash][]byte{
		crypto.SHA256: {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20},
		crypto.SHA384: {0x30, 0x41, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02, 0x05, 0x00, 0x04, 0x30},
		crypto.SHA512: {0x30, 0x51, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03, 0x05, 0x00, 0x04, 0x40},
	}
	hashMechanism = map[crypto.Hash][2]uint{ // and the mask generation function with it
		crypto.SHA1: {p11.CKM_SHA_1, p11.CKG_MGF1_SHA1}, crypto.SHA256: {p11.CKM_SHA256, p11.CKG_MGF1_SHA256},
		crypto.SHA384: {p11.CKM_SHA384, p11.CKG_MGF1_SHA384}, crypto.SHA512: {p11.CKM_SHA512, p11.CKG_MGF1_SHA512},
	}
	hashOf = map[hsm.Algorithm]crypto.Hash{
		hsm.PKCS1SHA256: crypto.SHA256, hsm.PKCS1SHA384: crypto.SHA384, hsm.PKCS1SHA512: crypto.SHA512,
		hsm.PSSSHA256: crypto.SHA256, hsm.PSSSHA384: crypto.SHA384, hsm.PSSSHA512: crypto.SHA512,
		hsm.ECDSASHA256: crypto.SHA256, hsm.ECDSASHA384: crypto.SHA384, hsm.ECDSASHA512: crypto.SHA512,
		hsm.OAEPSHA1: crypto.SHA1, hsm.OAEPSHA256: crypto.SHA256,
	}
)

// how is the signing of a key by an algorithm that it has.
func how(spec hsm.KeySpec, a hsm.Algorithm) signing {
	w := signing{hash: hashOf[a]}
	switch {
	case a >= hsm.PKCS1SHA256 && a <= hsm.PKCS1SHA512:
		w.prefix, w.by = digestInfo[w.hash], mechanism(p11.CKM_RSA_PKCS, nil)
	case a >= hsm.PSSSHA256 && a <= hsm.PSSSHA512:
		names := hashMechanism[w.hash]
		w.by = mechanism(p11.CKM_RSA_PKCS_PSS, p11.NewPSSParams(names[0], names[1], uint(w.hash.Size())))
	case a == hsm.ED25519SHA512:
		w.by = mechanism(ckmEDDSA, nil)
	default:
		w.by, w.curve = mechanism(p11.CKM_ECDSA, nil), curveOf(spec)
	}
	return w
}

// input is what the device signs for c.In. Errors: ErrUnsupported for a form that the algorithm does not take, ErrInput.
func (w *signing) input(c *hsm.Call) ([]byte, error) {
	switch {
	case c.ExternalMu, c.Digest && w.hash == 0:
		return nil, hsm.ErrUnsupported
	case w.hash == 0:
		return c.In, nil
	case c.Digest && len(c.In) != w.hash.Size():
		return nil, hsm.ErrInput
	case c.Digest:
		return append(w.prefix[:len(w.prefix):len(w.prefix)], c.In...), nil
	}
	h := w.hash.New()
	h.Write(c.In)
	return h.Sum(w.prefix[:len(w.prefix):len(w.prefix)]), nil
}

// prepareSigning makes the checks that sign and verify share.
func (m *Module) prepareSigning(c *hsm.Call) (w signing, in []byte, err error) {
	a, err := m.runs(c.Key, hsm.SignVerify, c.Algorithm)
	if err != nil {
		return w, nil, err
	}
	w = how(c.Key.Spec, a)
	in, err = w.input(c)
	return w, in, err
}

func (m *Module) sign(c *hsm.Call) error {
	w, in, err := m.prepareSigning(c)
	if err != nil {
		return err
	}
	return m.with(c, func(s p11.SessionHandle) error {
		k, err := m.open(s, c.Key, token.Key)
		if err != nil {
			return err
		}
		object, err := m.private(s, k)
		if err != nil {
			return err
		}
		signature, err := m.signBy(s, w.by, object, in)
		if err != nil {
			return err
		}
		if w.curve != nil {
			if signature, err = w.curve.appendDER(nil, signature); err != nil {
				return err
			}
		}
		if !fits(c.Out, len(signature)) {
			return hsm.ErrShort
		}
		c.Out = append(c.Out, signature...)
		return nil
	})
}

func (m *Module) verify(c *hsm.Call) error {
	w, in, err := m.prepareSigning(c)
	if err != nil {
		return err
	}
	return m.with(c, func(s p11.SessionHandle) error {
		k, err := m.open(s, c.Key, token.Key)
		if err != nil {
			return err
		}
		object, err := m.objectOf(s, k, p11.CKO_PUBLIC_KEY)
		if err != nil {
			return err
		}
		signature, ok := c.In2, true
		if w.curve != nil {
			signature, ok = w.curve.parseDER(c.In2)
		}
		if k.public != nil {
			ok = len(signature) == k.public.Size()
		}
		if kindOf(k.spec) == edwardsKey {
			ok = len(signature) == edwardsSignature
		}
		if !ok {
			return hsm.ErrMismatch
		}
		if err := m.ctx.VerifyInit(s, w.by, object); err != nil {
			return fmt.Errorf("starting to verify: %w", err)
		}
		if err := m.ctx.Verify(s, in, signature); err != nil {
			return m.refusal(s, fmt.Errorf("verifying: %w", err), hsm.ErrMismatch)
		}
		return nil
	})
}

const edwardsSignature = 64 // bytes
