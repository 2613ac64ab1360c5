//go:build pkcs11

package pkcs11

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	p11 "github.com/miekg/pkcs11"

	"trent/hsm"
	"trent/hsm/internal/token"
)

const (
	tokenKeyLabel = "trent token key"
	materialLabel = "trent material id"
	maxKeys       = 1 << 16 // kept verified; beyond them all are verified anew
)

// findDomain finds the device's token key, or makes it where Options.Create says so. Where hosts made one each at the
// same moment there are several: all take the first, and tokens under any of them verify.
func (m *Module) findDomain(s p11.SessionHandle) error {
	found, err := m.tokenKeys(s)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		if !m.o.Create {
			return ErrForeign
		}
		if err := m.makeTokenKey(s); err != nil {
			return err
		}
		if found, err = m.tokenKeys(s); err != nil {
			return err
		}
	}
	for i, id := range found {
		if i == 0 || bytes.Compare(id, m.domain[:]) < 0 {
			copy(m.domain[:], id)
		}
	}
	return nil
}

// tokenKeys are the identifiers of the device's token keys.
func (m *Module) tokenKeys(s p11.SessionHandle) ([][]byte, error) {
	found, err := m.search(s, attr(p11.CKA_CLASS, p11.CKO_SECRET_KEY), attr(p11.CKA_LABEL, tokenKeyLabel), attr(p11.CKA_TOKEN, true))
	if err != nil {
		return nil, err
	}
	var ids [][]byte
	for _, object := range found {
		id, err := m.attribute(s, object, p11.CKA_ID)
		if err != nil {
			return nil, err
		}
		if len(id) == len(m.domain) {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

func (m *Module) makeTokenKey(s p11.SessionHandle) error {
	var id [16]byte
	if err := m.fill(s, id[:]); err != nil {
		return err
	}
	template := append(guarded(id[:], tokenKeyLabel, true),
		attr(p11.CKA_CLASS, p11.CKO_SECRET_KEY), attr(p11.CKA_KEY_TYPE, p11.CKK_GENERIC_SECRET), attr(p11.CKA_VALUE_LEN, 32),
		attr(p11.CKA_SIGN, true), attr(p11.CKA_VERIFY, true))
	if _, err := m.ctx.GenerateKey(s, mechanism(p11.CKM_GENERIC_SECRET_KEY_GEN, nil), template); err != nil {
		return fmt.Errorf("making the token key: %w", err)
	}
	return nil
}

// macBy is HMAC-SHA256 by the token key of a domain. Error: ErrDomain where the device has none.
func (m *Module) macBy(s p11.SessionHandle, domain, data []byte) ([]byte, error) {
	key, ok, err := m.find(s, p11.CKO_SECRET_KEY, domain)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, hsm.ErrDomain
	}
	return m.signBy(s, mechanism(p11.CKM_SHA256_HMAC, nil), key, data)
}

func (m *Module) signBy(s p11.SessionHandle, by []*p11.Mechanism, key p11.ObjectHandle, data []byte) ([]byte, error) {
	if err := m.ctx.SignInit(s, by, key); err != nil {
		return nil, fmt.Errorf("starting to sign: %w", err)
	}
	out, err := m.ctx.Sign(s, data)
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	return out, nil
}

// materialID is HMAC(token key, label ‖ kind ‖ name ‖ key id): the device cannot use what it never shows, so what
// names the material, of fixed length by kind, stands in its place.
func (m *Module) materialID(s p11.SessionHandle, kind byte, name, keyID []byte) (id hsm.MaterialID, err error) {
	tag, err := m.macBy(s, m.domain[:], bytes.Join([][]byte{[]byte(materialLabel), {kind}, name, keyID}, nil))
	if err == nil && copy(id[:], tag) != len(id) {
		err = fmt.Errorf("%w: a MAC of %d bytes", hsm.ErrUnavailable, len(tag))
	}
	return id, err
}

// Kinds of names in materialID.
const (
	ofObject = 1 // the identifier of an object
	ofPublic = 2 // SHA-256 of a SubjectPublicKeyInfo
	ofSecret = 3 // HMAC of imported material with its own key id
)

// issue appends the token of an object to c.Out, which has the room.
func (m *Module) issue(s p11.SessionHandle, c *hsm.Call, h *token.Header, object *token.DeviceObject, identity []byte) error {
	return m.issueContent(s, c, h, object.Append(nil), identity)
}

func (m *Module) issueContent(s p11.SessionHandle, c *hsm.Call, h *token.Header, content, identity []byte) error {
	h.Domain, h.Version = m.domain, token.DeviceKeyVersion
	out, err := token.AppendDevice(c.Out, h, content, identity, inSession{m, s}, func(b []byte) ([]byte, error) { return m.macBy(s, m.domain[:], b) })
	if errors.Is(err, token.ErrInvalid) {
		return hsm.ErrToken
	}
	if err != nil {
		return err
	}
	c.Out = out
	return nil
}

// key is what a token that was verified names.
type key struct {
	token.DeviceObject
	spec     hsm.KeySpec
	usage    hsm.Usage
	material hsm.MaterialID
	public   *rsa.PublicKey // of RSA keys, once it was read
}

// keys are verified tokens, by all that was verified.
type keys struct {
	mu sync.RWMutex
	of map[[sha256.Size]byte]*key
}

func (ks *keys) get(tag *[sha256.Size]byte) *key {
	ks.mu.RLock()
	defer ks.mu.RUnlock()
	return ks.of[*tag]
}

func (ks *keys) put(tag *[sha256.Size]byte, k *key) {
	ks.mu.Lock()
	defer ks.mu.Unlock()
	if ks.of == nil || len(ks.of) >= maxKeys {
		ks.of = map[[sha256.Size]byte]*key{}
	}
	ks.of[*tag] = k
}

func (ks *keys) forget(id hsm.MaterialID) {
	ks.mu.Lock()
	defer ks.mu.Unlock()
	for tag, k := range ks.of {
		if k.material == id {
			delete(ks.of, tag)
		}
	}
}

func (ks *keys) clear() {
	ks.mu.Lock()
	defer ks.mu.Unlock()
	ks.of = nil
}

// tagOf is one name for a token and everything that stands beside it.
func tagOf(k *hsm.Key, purpose token.Purpose) [sha256.Size]byte {
	b := make([]byte, 0, 512)
	b = append(b, byte(purpose), byte(k.Spec), byte(k.Usage))
	b = append(b, k.Material[:]...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(k.Identity)))
	b = append(b, k.Identity...)
	return sha256.Sum256(append(b, k.Token...))
}

// open verifies the token of k. Errors: ErrToken, ErrDomain, the device's.
func (m *Module) open(s p11.SessionHandle, k *hsm.Key, purpose token.Purpose) (*key, error) {
	m.using.add(s, k.Material)
	tag := tagOf(k, purpose)
	if ready := m.keys.get(&tag); ready != nil {
		return ready, nil
	}
	t, err := m.verifyToken(s, k, purpose)
	if err != nil {
		return nil, err
	}
	object, err := t.Object()
	if err != nil {
		return nil, hsm.ErrToken
	}
	opened := &key{DeviceObject: object, spec: k.Spec, usage: k.Usage, material: k.Material}
	if kindOf(k.Spec) == rsaKey {
		if opened.public, err = m.rsaPublic(s, opened); err != nil {
			return nil, err
		}
	}
	m.keys.put(&tag, opened)
	return opened, nil
}

func (m *Module) verifyToken(s p11.SessionHandle, k *hsm.Key, purpose token.Purpose) (token.Device, error) {
	t, err := token.ParseDevice(k.Token)
	if err != nil || len(k.Identity) > token.MaxIdentity {
		return t, hsm.ErrToken
	}
	if t.Version != token.DeviceKeyVersion {
		return t, hsm.ErrDomain
	}
	tag, err := m.macBy(s, t.Domain[:], token.DeviceMACInput(t.Signed, k.Identity))
	if err != nil {
		return t, err
	}
	same := subtle.ConstantTimeCompare(tag, t.MAC) == 1
	if !same || t.Purpose != purpose || hsm.KeySpec(t.Spec) != k.Spec || hsm.Usage(t.Usage) != k.Usage || t.Material != k.Material {
		return t, hsm.ErrToken
	}
	return t, nil
}

// private is the handle of a key's private or secret object, public that of its public one. Error: ErrToken where
// somebody took it out of the device.
func (m *Module) private(s p11.SessionHandle, k *key) (p11.ObjectHandle, error) {
	return m.objectOf(s, k, p11.CKO_PRIVATE_KEY)
}

func (m *Module) objectOf(s p11.SessionHandle, k *key, class uint) (p11.ObjectHandle, error) {
	handle, ok, err := m.find(s, class, k.ID[:])
	if err == nil && !ok {
		return 0, errGone
	}
	return handle, err
}
