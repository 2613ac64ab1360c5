package hsm

import (
	"errors"
	"fmt"

	"trent/hsm/internal/algorithm"
	"trent/hsm/internal/kdf"
	"trent/hsm/internal/reveal"
	"trent/hsm/internal/token"
)

// materialLabel separates identifiers of materials from everything else that is made of them.
var materialLabel = []byte("trent material id")

// identify sets id to the identifier of a material of a key: without the material there is no way to see
// that two keys have the same one. m is where the material's schedule lies meanwhile.
func identify(id *MaterialID, m *kdf.Midstate, material, keyID []byte) {
	m.Init(material)
	m.MAC((*[32]byte)(id), materialLabel, keyID)
	m.Wipe()
}

// generate makes a key of c.Spec and c.Usage and appends its token to c.Out; for the pool without an identity.
func (l *Local) generate(c *Call, pool bool) error {
	if !goTogether(c.Spec, c.Usage) && !(pool && c.Usage == UsageNone && isAsymmetric(c.Spec)) {
		return ErrUnsupported
	}
	h := token.Header{Purpose: token.Pool, Spec: uint8(c.Spec), Usage: uint8(c.Usage)}
	var identity, keyID []byte
	if !pool {
		h.Purpose = token.Key
		identity = c.Key.Identity
		var ok bool
		if keyID, ok = keyIDOf(identity); !ok {
			return ErrToken
		}
	}
	if isAsymmetric(c.Spec) {
		return l.generateAsymmetric(c, &h, identity, keyID)
	}
	n := algorithm.MaterialSize(algorithm.Spec(c.Spec))
	if !fits(c.Out, token.Size(n)) {
		return ErrShort
	}
	w, err := l.claim(c)
	if err != nil {
		return err
	}
	defer l.release(w)
	material := w.scratch.material[:n]
	defer clear(material)
	if err := l.draw(material); err != nil {
		return err
	}
	return l.wrap(w, c, &h, identity, keyID, material)
}

// goTogether tells whether keys of spec and usage can exist.
func goTogether(spec KeySpec, usage Usage) bool {
	return len(algorithm.Algorithms(algorithm.Spec(spec), algorithm.Usage(usage))) > 0
}

// generateAsymmetric makes a key pair, with an engine of the gate; a worker is held for the wrapping alone.
func (l *Local) generateAsymmetric(c *Call, h *token.Header, identity, keyID []byte) error {
	if err := l.gate.enter(c.Deadline); err != nil {
		return err
	}
	defer l.gate.leave()
	var err error
	secretly(func() {
		var material, spki []byte
		material, spki, err = l.makeKey(algorithm.Spec(c.Spec), l.random)
		defer func() { clear(material) }()
		if err != nil {
			err = translate(err)
			return
		}
		if !fits(c.Public, len(spki)) || !fits(c.Out, token.Size(len(material))) {
			err = ErrShort
			return
		}
		var w *worker
		if w, err = l.claim(c); err != nil {
			return
		}
		defer l.release(w)
		if err = l.wrap(w, c, h, identity, keyID, material); err == nil {
			c.Public = append(c.Public, spki...)
		}
	})
	return err
}

// wrap appends the token of a material to c.Out, under the newest domain key, and sets c.Material; nil keyID: it
// has no identifier yet.
func (l *Local) wrap(w *worker, c *Call, h *token.Header, identity, keyID, material []byte) error {
	if keyID != nil {
		identify((*MaterialID)(&h.Material), w.scratch.ready.midstate(), material, keyID)
	}
	id, version, dk := l.keys.Newest()
	if dk == nil {
		return ErrOutOfService
	}
	h.Domain, h.Version = id, version
	reveal.Material(h.Spec, material)
	out, err := token.Append(c.Out, l.kernel, dk, &w.scratch.token, h, identity, material, l.random)
	if err != nil {
		if errors.Is(err, token.ErrInvalid) {
			return ErrToken
		}
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	c.Out, c.Material = out, h.Material
	return nil
}

// adopt gives the key in the pool token c.Key to the identity of c.Target.
func (l *Local) adopt(c *Call) error {
	k := Key{Token: c.Key.Token, Spec: c.Key.Spec, Usage: c.Key.Usage} // pool tokens have no identity and no identifier
	if c.Target == nil || c.Target.Spec != k.Spec || !goTogether(k.Spec, c.Target.Usage) || k.Usage != UsageNone && k.Usage != c.Target.Usage {
		return ErrToken
	}
	keyID, ok := keyIDOf(c.Target.Identity)
	if !ok {
		return ErrToken
	}
	h := token.Header{Purpose: token.Key, Spec: uint8(k.Spec), Usage: uint8(c.Target.Usage)}
	var spki []byte
	if isAsymmetric(k.Spec) {
		p, err := l.parseAs(&k, token.Pool)
		if err != nil {
			return err
		}
		spki = p.Public()
		p.Wipe()
		if !fits(c.Public, len(spki)) {
			return ErrShort
		}
	}
	if err := l.rewrapAs(c, &k, token.Pool, &h, c.Target.Identity, keyID); err != nil {
		return err
	}
	c.Public = append(c.Public, spki...)
	return nil
}

// rewrap appends c.Key's token under the newest domain key to c.Out. The purpose stays the token's own, so that nothing
// becomes what it was not. What expires by itself is left to do so: import tokens and session keys give ErrToken.
func (l *Local) rewrap(c *Call) error {
	k := c.Key
	h, err := token.Parse(k.Token)
	if err != nil {
		return ErrToken
	}
	switch h.Purpose {
	case token.Key, token.ImportWrapping:
	case token.Pool:
		if len(k.Identity) > 0 || k.Material != (MaterialID{}) {
			return ErrToken // somebody takes it for a key
		}
	default:
		return ErrToken
	}
	next := token.Header{Purpose: h.Purpose, Spec: uint8(k.Spec), Usage: uint8(k.Usage), Material: k.Material}
	return l.rewrapAs(c, k, h.Purpose, &next, k.Identity, nil)
}

// rewrapAs opens k and wraps its material again.
func (l *Local) rewrapAs(c *Call, k *Key, purpose token.Purpose, h *token.Header, identity, keyID []byte) error {
	if !fits(c.Out, len(k.Token)) {
		return ErrShort
	}
	w, err := l.claim(c)
	if err != nil {
		return err
	}
	defer l.release(w)
	dk, err := l.domainKeyOf(k, purpose)
	if err != nil {
		return err
	}
	material, err := token.Open(w.scratch.content[:0], l.kernel, dk, &w.scratch.token, k.Identity, k.Token)
	if err != nil {
		return ErrToken
	}
	defer clear(material)
	return l.wrap(w, c, h, identity, keyID, material)
}
