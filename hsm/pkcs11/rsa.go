//go:build pkcs11

package pkcs11

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha1" // the hash of RSAES_OAEP_SHA_1
	"fmt"

	p11 "github.com/miekg/pkcs11"

	"trent/hsm"
	"trent/hsm/internal/token"
)

// RSA encryption needs the public key alone, and its plaintext is here already: it is the standard library's.
// Decryption is the device's OAEP, or where the device does not take that hash its bare RSA, which this process then
// decodes: the private key stays where it is, and the plaintext was to come here anyway.

func (m *Module) encryptRSA(c *hsm.Call) error {
	a, err := m.runs(c.Key, hsm.EncryptDecrypt, c.Algorithm)
	if err != nil {
		return err
	}
	if len(c.In) > hsm.PlaintextLimit(c.Key.Spec, a) {
		return hsm.ErrInput
	}
	return m.with(c, func(s p11.SessionHandle) error {
		k, err := m.open(s, c.Key, token.Key)
		if err != nil {
			return err
		}
		if err := m.sealRSA(c, k, a, c.In); err != nil {
			return err
		}
		c.Material = k.material
		return nil
	})
}

// sealRSA appends the ciphertext of plaintext under k to c.Out.
func (m *Module) sealRSA(c *hsm.Call, k *key, a hsm.Algorithm, plaintext []byte) error {
	if len(plaintext) > hsm.PlaintextLimit(k.spec, a) {
		return hsm.ErrInput
	}
	if !fits(c.Out, k.public.Size()) {
		return hsm.ErrShort
	}
	sealed, err := rsa.EncryptOAEP(hashOf[a].New(), rand.Reader, k.public, plaintext, nil)
	if err != nil {
		return fmt.Errorf("%w: encrypting: %w", hsm.ErrUnavailable, err)
	}
	c.Out, c.Material = append(c.Out, sealed...), k.material
	return nil
}

// openedRSA runs f with the plaintext of the bare ciphertext c.In, and wipes it.
func (m *Module) openedRSA(c *hsm.Call, f func(s p11.SessionHandle, plaintext []byte) error) error {
	a, err := m.runs(c.Key, hsm.EncryptDecrypt, c.Algorithm)
	if err != nil {
		return err
	}
	return m.with(c, func(s p11.SessionHandle) error {
		k, err := m.open(s, c.Key, token.Key)
		if err != nil {
			return err
		}
		if len(c.In) != k.public.Size() {
			return hsm.ErrAuthentication
		}
		object, err := m.private(s, k)
		if err != nil {
			return err
		}
		plaintext, err := m.decryptOAEP(s, object, a, c.In)
		defer clear(plaintext)
		if err != nil {
			return err
		}
		return f(s, plaintext)
	})
}

// decryptOAEP is the plaintext of an OAEP ciphertext. Error: ErrAuthentication whatever is wrong with it.
func (m *Module) decryptOAEP(s p11.SessionHandle, object p11.ObjectHandle, a hsm.Algorithm, in []byte) ([]byte, error) {
	by := mechanism(p11.CKM_RSA_X_509, nil)
	own := m.mechanisms.oaep[a]
	if own {
		by = oaep(hashOf[a])
	}
	if err := m.ctx.DecryptInit(s, by, object); err != nil {
		return nil, fmt.Errorf("starting to decrypt: %w", err)
	}
	out, err := m.ctx.Decrypt(s, in)
	if err != nil {
		return nil, m.refusal(s, fmt.Errorf("decrypting: %w", err), hsm.ErrAuthentication)
	}
	if own {
		return out, nil
	}
	defer clear(out)
	plaintext, ok := decodeOAEP(hashOf[a], out, len(in))
	if !ok {
		return nil, hsm.ErrAuthentication
	}
	return plaintext, nil
}

// oaep is the mechanism with a hash for both of its functions and no label.
func oaep(h crypto.Hash) []*p11.Mechanism {
	names := hashMechanism[h]
	return mechanism(p11.CKM_RSA_PKCS_OAEP, p11.NewOAEPParams(names[0], names[1], p11.CKZ_DATA_SPECIFIED, nil))
}
