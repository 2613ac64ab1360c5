package sigv4

import (
	"crypto/sha256"
	"crypto/subtle"
)

// checkSignature computes the signature of r and compares it, in constant time, with the claimed one.
func (v *Verifier) checkSignature(credential *Credential, r *Request, out *Verified) error {
	c := &out.claim
	canonical, err := out.appendCanonicalRequest(out.scratch[:0], r)
	if err != nil {
		return err
	}
	hash := sha256.Sum256(canonical)
	key, cached := v.keys.find(c.credential, credential.Secret)
	if !cached {
		key = newSigningKey(credential.Secret, c)
	}

	// One-shot hashes over the padded key and the message: no state to pool, and as fast as resuming one.
	text := append(canonical[:0], key.inner[:]...)
	text = append(text, algorithm+"\n"...)
	text = append(text, c.timestamp[:]...)
	text = append(text, '\n')
	text = append(text, c.scope()...)
	text = append(text, '\n')
	text = appendHex(text, &hash)
	out.scratch = text
	hash = sha256.Sum256(text)
	clear(text[:len(key.inner)])
	text = append(text[:0], key.outer[:]...)
	text = append(text, hash[:]...)
	hash = sha256.Sum256(text)
	clear(text)

	text = appendHex(text[:0], &hash)
	if subtle.ConstantTimeCompare(text, c.signature) != 1 {
		return errMismatch
	}
	if !cached {
		v.keys.add(key)
	}
	return nil
}
