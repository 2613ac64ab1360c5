//go:build pkcs11

package pkcs11

import (
	"errors"
	"fmt"

	p11 "github.com/miekg/pkcs11"

	"trent/hsm"
	"trent/hsm/internal/blob"
)

// edwardsParameters are the two ways to name Ed25519: PKCS #11 v3.0 has a printable string, devices before it the
// object identifier.
var edwardsParameters = [][]byte{
	append([]byte{0x13, 0x0c}, "edwards25519"...),
	{0x06, 0x03, 0x2b, 0x65, 0x70},
}

// probe tries what the list of mechanisms does not tell: hashes of OAEP and curves. It leaves nothing behind.
func (m *Module) probe(s p11.SessionHandle) error {
	ms := &m.mechanisms
	ms.oaep, ms.curves = map[hsm.Algorithm]bool{}, map[hsm.KeySpec]bool{}
	for _, spec := range [...]hsm.KeySpec{hsm.P256, hsm.P384, hsm.P521, hsm.Secp256k1} {
		if ms.sized(p11.CKM_EC_KEY_PAIR_GEN, p11.CKF_GENERATE_KEY_PAIR, uint(curveOf(spec).n.BitLen())) {
			ok, err := m.probeCurve(s, spec)
			if err != nil {
				return err
			}
			ms.curves[spec] = ok
		}
	}
	if ms.can(ckmECEdwardsKeyPairGen, p11.CKF_GENERATE_KEY_PAIR) {
		for _, ms.edwards = range edwardsParameters {
			ok, err := m.probeCurve(s, hsm.Ed25519)
			if err != nil {
				return err
			}
			if ms.curves[hsm.Ed25519] = ok; ok {
				break
			}
		}
	}
	if ms.can(p11.CKM_AES_GCM, p11.CKF_ENCRYPT|p11.CKF_DECRYPT) {
		if err := m.probeForgery(s); err != nil {
			return err
		}
	}
	if err := m.probeLength(s); err != nil && !errors.Is(err, hsm.ErrUnsupported) {
		return err
	}
	if ms.can(p11.CKM_RSA_PKCS_OAEP, p11.CKF_DECRYPT) {
		return m.probeOAEP(s)
	}
	return nil
}

// probeForgery sees what the device says of a ciphertext that is not authentic, so that no other trouble is taken for
// one: devices do not agree on it, and some have no word for it at all.
func (m *Module) probeForgery(s p11.SessionHandle) error {
	ms := &m.mechanisms
	ms.forged = map[uint]bool{p11.CKR_ENCRYPTED_DATA_INVALID: true, p11.CKR_ENCRYPTED_DATA_LEN_RANGE: true, aeadDecryptFailed: true}
	k, err := m.make(s, hsm.SymmetricDefault, uses{}, false)
	if errors.Is(err, hsm.ErrUnsupported) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("trying AES-GCM: %w", err)
	}
	defer m.destroy(s, k.objects...)
	parameters := p11.NewGCMParams(make([]byte, blob.NonceSize), []byte("forged"), tagBits)
	defer parameters.Free()
	if err := m.ctx.DecryptInit(s, mechanism(p11.CKM_AES_GCM, parameters), k.objects[0]); err != nil {
		return fmt.Errorf("trying AES-GCM: %w", err)
	}
	_, err = m.ctx.Decrypt(s, make([]byte, 32+blob.TagSize))
	var code p11.Error
	switch {
	case err == nil:
		return fmt.Errorf("%w: its AES-GCM takes what is not authentic", ErrLacking)
	case errors.As(err, &code) && !sessionCodes[uint(code)] && !deviceCodes[uint(code)]:
		ms.forged[uint(code)] = true
		return nil
	}
	return fmt.Errorf("trying AES-GCM: %w", err)
}

// probeCurve makes a pair of a curve for a moment.
func (m *Module) probeCurve(s p11.SessionHandle, spec hsm.KeySpec) (bool, error) {
	k, err := m.make(s, spec, uses{sign: true}, false)
	if err == nil {
		m.destroy(s, k.objects...)
		return true, nil
	}
	if errors.Is(err, hsm.ErrUnsupported) || errors.Is(err, errPoint) || isCode(err, p11.CKR_GENERAL_ERROR) || isCode(err, p11.CKR_FUNCTION_FAILED) {
		return false, nil
	}
	return false, fmt.Errorf("trying a curve: %w", err)
}

// probeOAEP tries to start an encryption to a public key that exists for a moment, with each hash.
func (m *Module) probeOAEP(s p11.SessionHandle) error {
	modulus := make([]byte, 256)
	if err := m.fill(s, modulus); err != nil {
		return err
	}
	modulus[0] |= 0x80
	modulus[255] |= 1
	public, err := m.ctx.CreateObject(s, []*p11.Attribute{
		attr(p11.CKA_CLASS, p11.CKO_PUBLIC_KEY), attr(p11.CKA_KEY_TYPE, p11.CKK_RSA), attr(p11.CKA_TOKEN, false), attr(p11.CKA_PRIVATE, false),
		attr(p11.CKA_MODULUS, modulus), attr(p11.CKA_PUBLIC_EXPONENT, []byte{1, 0, 1}), attr(p11.CKA_ENCRYPT, true),
	})
	if err != nil {
		return fmt.Errorf("trying OAEP: %w", err)
	}
	defer m.destroy(s, public)
	for _, a := range [...]hsm.Algorithm{hsm.OAEPSHA1, hsm.OAEPSHA256} {
		err := m.ctx.EncryptInit(s, oaep(hashOf[a]), public)
		if err == nil {
			_, err = m.ctx.Encrypt(s, []byte{1})
		}
		if err != nil && !isOneOf(err, lackingCodes) && !isOneOf(err, refusedCodes) {
			return fmt.Errorf("trying OAEP: %w", err)
		}
		m.mechanisms.oaep[a] = err == nil
	}
	return nil
}
