//go:build pkcs11

package pkcs11

import (
	"crypto/subtle"
	"encoding/binary"
	"time"

	p11 "github.com/miekg/pkcs11"

	"trent/hsm"
	"trent/hsm/internal/token"
)

// grant is what an import token says. Its content is that of the tokens of package hsm.
type grant struct {
	wrapping hsm.Wrapping
	spec     hsm.KeySpec // of the wrapping key
	named    hsm.MaterialID
}

// hashOfWrapping is the OAEP of a wrapping, and whether an AES key stands between it and the material.
func hashOfWrapping(w hsm.Wrapping) (a hsm.Algorithm, hybrid bool) {
	switch w {
	case hsm.WrapOAEPSHA1:
		return hsm.OAEPSHA1, false
	case hsm.WrapOAEPSHA256:
		return hsm.OAEPSHA256, false
	case hsm.WrapRSAAESKeyWrapSHA1:
		return hsm.OAEPSHA1, true
	case hsm.WrapRSAAESKeyWrapSHA256:
		return hsm.OAEPSHA256, true
	}
	return hsm.AlgorithmNone, false
}

// wrappingKey makes a key pair under which material for the key of c.Key's identity is wrapped, or takes the one in the
// pool token c.Target. It may unwrap and nothing else.
func (m *Module) wrappingKey(c *hsm.Call) error {
	if kindOf(c.Spec) != rsaKey || !m.Supports(c.Spec, hsm.EncryptDecrypt) || !m.Wraps(hsm.WrapOAEPSHA1) && !m.Wraps(hsm.WrapOAEPSHA256) {
		return hsm.ErrUnsupported
	}
	if c.Wrapping != hsm.WrappingNone && !m.Wraps(c.Wrapping) {
		return hsm.ErrUnsupported // before there is a key that nobody can use
	}
	keyID, ok := hsm.KeyIDOf(c.Key.Identity)
	if !ok {
		return hsm.ErrToken
	}
	h := &token.Header{Purpose: token.ImportWrapping, Spec: uint8(c.Spec), Usage: uint8(hsm.EncryptDecrypt)}
	if t := c.Target; t != nil {
		if t.Usage != hsm.UsageNone && t.Usage != hsm.EncryptDecrypt {
			return hsm.ErrToken
		}
		return m.takeOver(c, &hsm.Key{Token: t.Token, Spec: c.Spec, Usage: t.Usage}, uses{unwrap: true}, h, c.Key.Identity, keyID)
	}
	if !fits(c.Out, token.DeviceKeySize) || !fits(c.Public, spkiSize[c.Spec]) {
		return hsm.ErrShort
	}
	return m.with(c, func(s p11.SessionHandle) error {
		if err := m.sweep(s); err != nil {
			return err
		}
		k, err := m.make(s, c.Spec, uses{unwrap: true}, true)
		if err != nil {
			return err
		}
		return m.finish(s, c, k, h, c.Key.Identity, keyID)
	})
}

// importToken appends the token for an import into c.Key by the wrapping key c.Target to c.Out.
func (m *Module) importToken(c *hsm.Call) error {
	k := c.Key
	if _, ok := hsm.KeyIDOf(k.Identity); !ok || c.Target == nil {
		return hsm.ErrToken
	}
	if !hsm.CanImport(k.Spec, c.Wrapping, c.Target.Spec) || !m.Wraps(c.Wrapping) || !m.Imports(k.Spec) {
		return hsm.ErrUnsupported
	}
	if !fits(c.Out, token.DeviceImportSize) {
		return hsm.ErrShort
	}
	content := binary.BigEndian.AppendUint64([]byte{byte(c.Wrapping), byte(c.Target.Spec)}, uint64(c.Time.UnixMilli()))
	h := token.Header{Purpose: token.Import, Spec: uint8(k.Spec), Usage: uint8(k.Usage), Material: c.Target.Material}
	return m.with(c, func(s p11.SessionHandle) error { return m.issueContent(s, c, &h, content, k.Identity) })
}

// openImportToken reads c.In2 as an import token for c.Target. Errors: ErrImportToken, ErrExpired, the device's.
func (m *Module) openImportToken(s p11.SessionHandle, c *hsm.Call) (g grant, err error) {
	named, ok := hsm.WrappingKeyOf(c.In2)
	if !ok {
		return g, hsm.ErrImportToken
	}
	k := hsm.Key{Token: c.In2, Identity: c.Target.Identity, Material: named, Spec: c.Target.Spec, Usage: c.Target.Usage}
	t, err := m.verifyToken(s, &k, token.Import)
	if isRefusal(err) {
		return g, hsm.ErrImportToken
	}
	if err != nil {
		return g, err
	}
	if ends := int64(binary.BigEndian.Uint64(t.Content[2:])); !c.Time.Before(time.UnixMilli(ends)) {
		return g, hsm.ErrExpired
	}
	return grant{hsm.Wrapping(t.Content[0]), hsm.KeySpec(t.Content[1]), named}, nil
}

// importKey unwraps c.In inside the device, for the key c.Target, by the wrapping key c.Key as the import token c.In2
// says. First into an object that lives for the call alone, to see what it is; then into the one that stays.
func (m *Module) importKey(c *hsm.Call) error {
	t := c.Target
	if t == nil {
		return hsm.ErrToken
	}
	keyID, ok := hsm.KeyIDOf(t.Identity)
	if !ok {
		return hsm.ErrToken
	}
	if len(hsm.Algorithms(t.Spec, t.Usage)) == 0 {
		return hsm.ErrUnsupported
	}
	return m.with(c, func(s p11.SessionHandle) error {
		g, err := m.openImportToken(s, c)
		if err != nil {
			return err
		}
		if !m.Supports(t.Spec, t.Usage) || !m.Imports(t.Spec) || !m.Wraps(g.wrapping) {
			return hsm.ErrUnsupported
		}
		wrapping, err := m.open(s, &hsm.Key{Token: c.Key.Token, Identity: t.Identity, Material: g.named, Spec: g.spec, Usage: hsm.EncryptDecrypt}, token.ImportWrapping)
		if err != nil {
			return err
		}
		u, err := m.unwrapping(s, wrapping, g.wrapping, c.In)
		if err != nil {
			return err
		}
		defer m.destroy(s, u.temporary...)
		if asymmetric(t.Spec) {
			return m.importPair(s, c, u, keyID)
		}
		return m.importSecret(s, c, u, keyID)
	})
}

// settle compares the identifier of what was unwrapped with the one that is expected, and issues the token once
// persist has made the object under it.
func (m *Module) settle(s p11.SessionHandle, c *hsm.Call, id hsm.MaterialID, spki []byte, persist func(object []byte) ([]p11.ObjectHandle, error)) error {
	t := c.Target
	if t.Material != (hsm.MaterialID{}) && subtle.ConstantTimeCompare(id[:], t.Material[:]) != 1 {
		return hsm.ErrMaterial
	}
	if !fits(c.Public, len(spki)) || !fits(c.Out, token.DeviceKeySize) {
		return hsm.ErrShort
	}
	object := token.DeviceObject{Imported: true}
	copy(object.ID[:], id[:])
	class, name := uint(p11.CKO_SECRET_KEY), objectID(t.Spec, object.ID[:])
	if asymmetric(t.Spec) {
		class = p11.CKO_PRIVATE_KEY
	}
	// The same material for the same key has the same name, so that it is there once however often it is imported.
	_, there, err := m.find(s, class, name)
	if err != nil {
		return err
	}
	var created []p11.ObjectHandle
	if !there {
		if created, err = persist(object.ID[:]); err != nil {
			m.destroy(s, created...)
			return err
		}
	}
	h := token.Header{Purpose: token.Key, Spec: uint8(t.Spec), Usage: uint8(t.Usage), Material: id}
	if err := m.issue(s, c, &h, &object, t.Identity); err != nil {
		m.destroy(s, created...)
		return err
	}
	c.Public, c.Material = append(c.Public, spki...), id
	return nil
}
