//go:build pkcs11

package pkcs11

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/asn1"
	"fmt"

	p11 "github.com/miekg/pkcs11"

	"trent/hsm"
	"trent/hsm/internal/token"
)

// derive appends the secret that c.Key shares with the peer whose public key c.In is to c.Secret. The secret is the
// result, so that the object which holds it for a moment may be read.
func (m *Module) derive(c *hsm.Call) error {
	if _, err := m.runs(c.Key, hsm.KeyAgreement, c.Algorithm); err != nil {
		return err
	}
	size := curveOf(c.Key.Spec).size
	return m.with(c, func(s p11.SessionHandle) error {
		k, err := m.open(s, c.Key, token.Key)
		if err != nil {
			return err
		}
		peer, err := peerPoint(c.In, k.spec)
		if err != nil {
			return err
		}
		if !fits(c.Secret, size) {
			return hsm.ErrShort
		}
		object, err := m.private(s, k)
		if err != nil {
			return err
		}
		shared, err := m.agree(s, object, peer, size)
		defer clear(shared)
		if err != nil {
			return err
		}
		if len(shared) > size {
			return fmt.Errorf("%w: a shared secret of %d bytes", hsm.ErrUnavailable, len(shared))
		}
		secret := append(c.Secret, make([]byte, size)...)
		copy(secret[len(secret)-len(shared):], shared) // a device may leave out leading zeros
		c.Secret, c.Material = secret, k.material
		return nil
	})
}

func (m *Module) agree(s p11.SessionHandle, object p11.ObjectHandle, peer []byte, size int) ([]byte, error) {
	template := []*p11.Attribute{
		attr(p11.CKA_CLASS, p11.CKO_SECRET_KEY), attr(p11.CKA_KEY_TYPE, p11.CKK_GENERIC_SECRET), attr(p11.CKA_TOKEN, false), attr(p11.CKA_PRIVATE, true),
		attr(p11.CKA_SENSITIVE, false), attr(p11.CKA_EXTRACTABLE, true), attr(p11.CKA_VALUE_LEN, size),
	}
	derived, err := m.ctx.DeriveKey(s, mechanism(p11.CKM_ECDH1_DERIVE, p11.NewECDH1DeriveParams(p11.CKD_NULL, nil, peer)), object, template)
	if isCode(err, p11.CKR_MECHANISM_PARAM_INVALID) { // some devices want DER
		der, encoding := asn1.Marshal(peer)
		if encoding != nil {
			return nil, encoding
		}
		derived, err = m.ctx.DeriveKey(s, mechanism(p11.CKM_ECDH1_DERIVE, p11.NewECDH1DeriveParams(p11.CKD_NULL, nil, der)), object, template)
	}
	if err != nil {
		return nil, lacking(fmt.Errorf("agreeing on a secret: %w", err))
	}
	defer m.destroy(s, derived)
	value, err := m.attribute(s, derived, p11.CKA_VALUE)
	return value, lacking(err)
}

// peerPoint is the point of a public key on the curve of spec, checked here. Error: ErrPeer.
func peerPoint(spki []byte, spec hsm.KeySpec) ([]byte, error) {
	parsed, err := x509.ParsePKIXPublicKey(spki)
	if err != nil {
		return nil, hsm.ErrPeer
	}
	public, ok := parsed.(*ecdsa.PublicKey)
	if !ok || public.Curve != nistCurve(spec) {
		return nil, hsm.ErrPeer
	}
	point, err := public.ECDH()
	if err != nil {
		return nil, hsm.ErrPeer
	}
	return point.Bytes(), nil
}
