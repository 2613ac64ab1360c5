//go:build pkcs11

package pkcs11

import (
	"crypto/sha256"
	"fmt"
	"sync"
	"time"

	p11 "github.com/miekg/pkcs11"

	"trent/hsm"
	"trent/hsm/internal/token"
)

// made is a key that was made or copied, before it has a token.
type made struct {
	id      [token.ObjectSize]byte
	objects []p11.ObjectHandle // the private or secret one first
	spki    []byte             // nil: it has no public half
}

// objectID is the identifier of a secret object: symmetric keys have several in the course of time.
func objectID(spec hsm.KeySpec, id []byte) []byte {
	if kindOf(spec) == aesKey {
		return append(append(make([]byte, 0, len(id)+4), id...), 0, 0, 0, 0)
	}
	return id
}

func (m *Module) generate(c *hsm.Call) error {
	if !m.Supports(c.Spec, c.Usage) {
		return hsm.ErrUnsupported
	}
	keyID, ok := hsm.KeyIDOf(c.Key.Identity)
	if !ok {
		return hsm.ErrToken
	}
	if !fits(c.Out, token.DeviceKeySize) || !fits(c.Public, spkiSize[c.Spec]) {
		return hsm.ErrShort
	}
	return m.with(c, func(s p11.SessionHandle) error {
		k, err := m.make(s, c.Spec, usesOf(c.Usage), true)
		if err != nil {
			return err
		}
		return m.finish(s, c, k, &token.Header{Purpose: token.Key, Spec: uint8(c.Spec), Usage: uint8(c.Usage)}, c.Key.Identity, keyID)
	})
}

// finish gives a key its identifier and its token; on an error it takes the key out of the device.
func (m *Module) finish(s p11.SessionHandle, c *hsm.Call, k *made, h *token.Header, identity, keyID []byte) (err error) {
	defer func() {
		if err != nil {
			m.destroy(s, k.objects...)
		}
	}()
	if len(k.spki) > 0 && !fits(c.Public, len(k.spki)) {
		return hsm.ErrShort
	}
	if keyID != nil {
		id, err := m.materialID(s, ofObject, k.id[:], keyID)
		if err != nil {
			return err
		}
		h.Material = id
	}
	if err := m.issue(s, c, h, &token.DeviceObject{ID: k.id}, identity); err != nil {
		return err
	}
	c.Public, c.Material = append(c.Public, k.spki...), h.Material
	return nil
}

// uses is what the private key of a pair may do.
type uses struct{ sign, decrypt, unwrap, derive bool }

func usesOf(usage hsm.Usage) uses {
	return uses{sign: usage == hsm.SignVerify, decrypt: usage == hsm.EncryptDecrypt, derive: usage == hsm.KeyAgreement}
}

// anyUse is what a key made ahead may do until it is a key: whoever adopts it narrows that.
func anyUse(spec hsm.KeySpec) uses {
	return uses{sign: true, decrypt: kindOf(spec) == rsaKey, unwrap: kindOf(spec) == rsaKey, derive: kindOf(spec) == curveKey}
}

func (u uses) attributes() []*p11.Attribute {
	return []*p11.Attribute{
		attr(p11.CKA_SIGN, u.sign), attr(p11.CKA_DECRYPT, u.decrypt), attr(p11.CKA_UNWRAP, u.unwrap), attr(p11.CKA_DERIVE, u.derive),
	}
}

// label is that of a key with these uses: one that only unwraps says until when.
func (u uses) label(id []byte) string {
	if u == (uses{unwrap: true}) {
		return wrappingName(time.Now())
	}
	return label(id)
}

// make makes a key of a spec in the device.
func (m *Module) make(s p11.SessionHandle, spec hsm.KeySpec, u uses, persistent bool) (*made, error) {
	k := &made{}
	if err := m.fill(s, k.id[:]); err != nil {
		return nil, err
	}
	if !asymmetric(spec) {
		object, err := m.makeSecret(s, spec, objectID(spec, k.id[:]), label(k.id[:]), persistent)
		k.objects = []p11.ObjectHandle{object}
		return k, err
	}
	name := u.label(k.id[:])
	public, private, err := m.makePair(s, spec, append(guarded(k.id[:], name, persistent), u.attributes()...), k.id[:], name, persistent)
	if err != nil {
		return nil, err
	}
	k.objects = []p11.ObjectHandle{private, public}
	if k.spki, err = m.spkiOf(s, spec, public); err != nil {
		m.destroy(s, k.objects...)
	}
	return k, err
}

func (m *Module) makeSecret(s p11.SessionHandle, spec hsm.KeySpec, id []byte, name string, persistent bool) (p11.ObjectHandle, error) {
	template := append(guarded(id, name, persistent), attr(p11.CKA_VALUE_LEN, secretSizes[spec]), attr(p11.CKA_CLASS, p11.CKO_SECRET_KEY))
	by := uint(p11.CKM_GENERIC_SECRET_KEY_GEN)
	if kindOf(spec) == aesKey {
		by = p11.CKM_AES_KEY_GEN
		template = append(template, attr(p11.CKA_KEY_TYPE, p11.CKK_AES), attr(p11.CKA_ENCRYPT, true), attr(p11.CKA_DECRYPT, true))
	} else {
		template = append(template, attr(p11.CKA_KEY_TYPE, p11.CKK_GENERIC_SECRET), attr(p11.CKA_SIGN, true), attr(p11.CKA_VERIFY, true))
	}
	object, err := m.ctx.GenerateKey(s, mechanism(by, nil), template)
	if err != nil {
		return 0, lacking(fmt.Errorf("making a key: %w", err))
	}
	return object, nil
}

// makePair makes a pair with that template of the private key.
func (m *Module) makePair(s p11.SessionHandle, spec hsm.KeySpec, private []*p11.Attribute, id []byte, name string, persistent bool) (public, secret p11.ObjectHandle, err error) {
	template := []*p11.Attribute{
		attr(p11.CKA_TOKEN, persistent), attr(p11.CKA_PRIVATE, false), attr(p11.CKA_ID, id), attr(p11.CKA_LABEL, name), attr(p11.CKA_VERIFY, true),
	}
	by := uint(p11.CKM_RSA_PKCS_KEY_PAIR_GEN)
	switch kindOf(spec) {
	case rsaKey:
		template = append(template, attr(p11.CKA_MODULUS_BITS, rsaBits(spec)), attr(p11.CKA_PUBLIC_EXPONENT, []byte{1, 0, 1}))
	case curveKey:
		by = p11.CKM_EC_KEY_PAIR_GEN
		template = append(template, attr(p11.CKA_EC_PARAMS, curveOf(spec).parameters()))
	case edwardsKey:
		by = ckmECEdwardsKeyPairGen
		template = append(template, attr(p11.CKA_EC_PARAMS, m.mechanisms.edwards))
	}
	public, secret, err = m.ctx.GenerateKeyPair(s, mechanism(by, nil), template, private)
	if err != nil {
		return 0, 0, lacking(fmt.Errorf("making a key pair: %w", err))
	}
	return public, secret, nil
}

// pooled are the keys made ahead: they live as long as the home session, and no more than maxPooled of them.
type pooled struct {
	mu  sync.Mutex
	all [][]p11.ObjectHandle
}

const maxPooled = 64

func (p *pooled) add(objects []p11.ObjectHandle) (oldest []p11.ObjectHandle) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all = append(p.all, objects)
	if len(p.all) > maxPooled {
		oldest, p.all = p.all[0], p.all[1:]
	}
	return oldest
}

func (p *pooled) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all = nil
}

// generatePool makes a key ahead, as objects of the home session: what nobody adopts goes with the process.
func (m *Module) generatePool(c *hsm.Call) error {
	if !m.Supports(c.Spec, c.Usage) && !(c.Usage == hsm.UsageNone && asymmetric(c.Spec) && m.anyUsage(c.Spec)) {
		return hsm.ErrUnsupported
	}
	if !fits(c.Out, token.DeviceKeySize) || !fits(c.Public, spkiSize[c.Spec]) {
		return hsm.ErrShort
	}
	u := usesOf(c.Usage)
	if u.unwrap = u.decrypt; c.Usage == hsm.UsageNone {
		u = anyUse(c.Spec)
	}
	return m.atHome(func(s p11.SessionHandle) error {
		k, err := m.make(s, c.Spec, u, false)
		if err != nil {
			return err
		}
		m.destroy(s, m.pooled.add(k.objects)...)
		return m.finish(s, c, k, &token.Header{Purpose: token.Pool, Spec: uint8(c.Spec), Usage: uint8(c.Usage)}, nil, nil)
	})
}

func (m *Module) anyUsage(spec hsm.KeySpec) bool {
	return m.Supports(spec, hsm.SignVerify) || m.Supports(spec, hsm.EncryptDecrypt) || m.Supports(spec, hsm.KeyAgreement)
}

// adopt gives the key in the pool token c.Key to the identity of c.Target.
func (m *Module) adopt(c *hsm.Call) error {
	k := hsm.Key{Token: c.Key.Token, Spec: c.Key.Spec, Usage: c.Key.Usage} // pool tokens have no identity and no identifier
	t := c.Target
	if t == nil || t.Spec != k.Spec || len(hsm.Algorithms(k.Spec, t.Usage)) == 0 || k.Usage != hsm.UsageNone && k.Usage != t.Usage {
		return hsm.ErrToken
	}
	if !m.Supports(k.Spec, t.Usage) {
		return hsm.ErrUnsupported
	}
	keyID, ok := hsm.KeyIDOf(t.Identity)
	if !ok {
		return hsm.ErrToken
	}
	return m.takeOver(c, &k, usesOf(t.Usage), &token.Header{Purpose: token.Key, Spec: uint8(k.Spec), Usage: uint8(t.Usage)}, t.Identity, keyID)
}

// takeOver copies the key in a pool token into one that stays, with no more uses than u.
func (m *Module) takeOver(c *hsm.Call, pool *hsm.Key, u uses, h *token.Header, identity, keyID []byte) error {
	if !fits(c.Out, token.DeviceKeySize) || !fits(c.Public, spkiSize[pool.Spec]) {
		return hsm.ErrShort
	}
	return m.with(c, func(s p11.SessionHandle) error {
		from, err := m.open(s, pool, token.Pool)
		if err != nil {
			return err
		}
		k, err := m.copy(s, from, u)
		if err != nil {
			return err
		}
		return m.finish(s, c, k, h, identity, keyID)
	})
}

func (m *Module) copy(s p11.SessionHandle, from *key, u uses) (*made, error) {
	k := &made{}
	if err := m.fill(s, k.id[:]); err != nil {
		return nil, err
	}
	class := uint(p11.CKO_PRIVATE_KEY)
	if !asymmetric(from.spec) {
		class = p11.CKO_SECRET_KEY
	}
	source, ok, err := m.find(s, class, objectID(from.spec, from.ID[:]))
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fmt.Errorf("%w: what was made ahead is gone", hsm.ErrToken)
	}
	base := []*p11.Attribute{attr(p11.CKA_TOKEN, true), attr(p11.CKA_LABEL, u.label(k.id[:]))}
	template := append(base[:2:2], attr(p11.CKA_ID, objectID(from.spec, k.id[:])))
	if class == p11.CKO_PRIVATE_KEY {
		template = append(template, u.attributes()...)
	}
	private, err := m.ctx.CopyObject(s, source, template)
	if err != nil {
		return nil, lacking(fmt.Errorf("copying a key made ahead: %w", err))
	}
	k.objects = append(k.objects, private)
	if class == p11.CKO_SECRET_KEY {
		return k, nil
	}
	public, ok, err := m.find(s, p11.CKO_PUBLIC_KEY, from.ID[:])
	if err == nil && !ok {
		err = hsm.ErrToken
	}
	if err == nil {
		public, err = m.ctx.CopyObject(s, public, append(base[:2:2], attr(p11.CKA_ID, k.id[:])))
	}
	if err == nil {
		k.objects = append(k.objects, public)
		k.spki, err = m.spkiOf(s, from.spec, public)
	}
	if err != nil {
		m.destroy(s, k.objects...)
	}
	return k, err
}

// rewrap appends another token of c.Key to c.Out: there is one token key, so that nothing but the token changes.
func (m *Module) rewrap(c *hsm.Call) error {
	if !fits(c.Out, len(c.Key.Token)) {
		return hsm.ErrShort
	}
	return m.with(c, func(s p11.SessionHandle) error {
		k, err := m.open(s, c.Key, token.Key)
		if err != nil {
			return err
		}
		h := token.Header{Purpose: token.Key, Spec: uint8(k.spec), Usage: uint8(k.usage), Material: k.material}
		if err := m.issue(s, c, &h, &k.DeviceObject, c.Key.Identity); err != nil {
			return err
		}
		c.Material = k.material
		return nil
	})
}

// publicName is the fixed-length name of a public key in materialID.
func publicName(spki []byte) []byte {
	sum := sha256.Sum256(spki)
	return sum[:]
}
