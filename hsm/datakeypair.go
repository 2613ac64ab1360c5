package hsm

import (
	"trent/hsm/internal/algorithm"
	"trent/hsm/internal/blob"
	"trent/hsm/internal/token"
)

// dataKeyPair makes a key pair, seals its private key under c.Key and returns the pair; with no room at all in
// c.Secret, the sealed private key and the public key alone.
func (l *Local) dataKeyPair(c *Call) error {
	if !isSymmetric(c.Key, c.Algorithm) || !isAsymmetric(c.Spec) {
		return ErrUnsupported
	}
	if _, err := l.domainKeyOf(c.Key, token.Key); err != nil {
		return err // before the slow part
	}
	var err error
	secretly(func() {
		var private, spki []byte
		private, spki, err = l.newPair(c)
		defer func() { clear(private) }()
		if err == nil {
			err = l.sealPair(c, private, spki)
		}
	})
	return err
}

// newPair is the private key (PKCS #8 DER) and the public one of a pair of c.Spec, out of the pool token in
// c.Target or made with an engine of the gate. The caller wipes the private key.
func (l *Local) newPair(c *Call) (private, spki []byte, err error) {
	if c.Target != nil {
		if c.Target.Spec != c.Spec {
			return nil, nil, ErrToken
		}
		return l.openPooled(c, c.Target)
	}
	if err := l.gate.enter(c.Deadline); err != nil {
		return nil, nil, err
	}
	defer l.gate.leave()
	private, spki, err = l.makeKey(algorithm.Spec(c.Spec), l.random)
	return private, spki, translate(err)
}

// openPooled is the private key (PKCS #8 DER) and the public one in a pool token of an asymmetric spec. The caller
// wipes the private key. Errors: ErrToken, ErrDomain, and those of claim.
func (l *Local) openPooled(c *Call, pooled *Key) (private, spki []byte, err error) {
	k := Key{Token: pooled.Token, Spec: pooled.Spec, Usage: pooled.Usage} // no identity and no identifier
	if _, err := l.domainKeyOf(&k, token.Pool); err != nil {
		return nil, nil, err
	}
	room := make([]byte, 0, token.MaterialSize(k.Token))
	w, err := l.claim(c)
	if err != nil {
		return nil, nil, err
	}
	dk, err := l.domainKeyOf(&k, token.Pool) // again: it may have been dropped before w was claimed
	if err != nil {
		l.release(w)
		return nil, nil, err
	}
	private, err = token.Open(room, l.kernel, dk, &w.scratch.token, nil, k.Token)
	l.release(w)
	if err != nil {
		return nil, nil, ErrToken
	}
	p, err := algorithm.Parse(algorithm.Spec(k.Spec), private)
	if err != nil {
		clear(private)
		return nil, nil, translate(err)
	}
	spki = p.Public()
	p.Wipe()
	return private, spki, nil
}

// sealPair appends the blob of a private key under c.Key to c.Out, and the pair to c.Secret and c.Public.
func (l *Local) sealPair(c *Call, private, spki []byte) error {
	if len(private) > blob.MaxPlaintext {
		return ErrInput
	}
	if !fits(c.Out, blob.Size(len(private))) || !fits(c.Public, len(spki)) || cap(c.Secret) > 0 && !fits(c.Secret, len(private)) {
		return ErrShort
	}
	w, err := l.claim(c)
	if err != nil {
		return err
	}
	content := newContent(w, len(private))
	copy(content[blob.ContentHeader:], private)
	err = l.seal(w, c, c.Key, c.AAD, content)
	clear(content)
	l.release(w)
	if err != nil {
		return err
	}
	c.Public = append(c.Public, spki...)
	if cap(c.Secret) > 0 {
		c.Secret = append(c.Secret, private...)
	}
	return nil
}
