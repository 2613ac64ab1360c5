//go:build pkcs11

package pkcs11

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	p11 "github.com/miekg/pkcs11"

	"trent/hsm"
)

// Imports tells whether material of a spec can be brought in at all. Secrets must be of one length, so the device has
// to tell it; the public half of an Ed25519 key devices do not tell, and nothing else does.
func (m *Module) Imports(spec hsm.KeySpec) bool {
	switch kindOf(spec) {
	case aesKey, hmacKey:
		return m.mechanisms.tellsLength || m.provesLength(spec)
	case rsaKey, curveKey:
		return hsm.Importable(spec)
	}
	return false
}

// provesLength tells whether the HMAC that spec's length goes with takes no shorter keys, by what the device says of
// it, in bytes or in bits.
func (m *Module) provesLength(spec hsm.KeySpec) bool {
	least, size := m.mechanisms.of[identifying(spec)].MinKeySize, uint(secretSizes[spec])
	return size%8 == 0 && (least == size || least == 8*size)
}

// identifying is the HMAC that makes the identifier of imported material: the strongest that takes keys so short.
func identifying(spec hsm.KeySpec) uint {
	if spec == hsm.SymmetricDefault {
		return p11.CKM_SHA256_HMAC
	}
	return hmacs[spec]
}

// isRefusal tells errors that speak of a token from those of the device.
func isRefusal(err error) bool { return errors.Is(err, hsm.ErrToken) || errors.Is(err, hsm.ErrDomain) }

// unwrapper unwraps one wrapped key, as often as it is told to.
type unwrapper struct {
	by        [][]*p11.Mechanism // to try in order
	key       p11.ObjectHandle
	wrapped   []byte
	temporary []p11.ObjectHandle // to be destroyed with it
}

// unwrapping prepares to unwrap what is wrapped under a wrapping key; for the hybrid wrappings it unwraps the AES key
// between the two, which stays in the device. Error: ErrAuthentication for whatever is wrong with wrapped.
func (m *Module) unwrapping(s p11.SessionHandle, k *key, w hsm.Wrapping, wrapped []byte) (*unwrapper, error) {
	object, err := m.private(s, k)
	if err != nil {
		return nil, err
	}
	a, hybrid := hashOfWrapping(w)
	u := &unwrapper{by: [][]*p11.Mechanism{oaep(hashOf[a])}, key: object, wrapped: wrapped}
	size := k.public.Size()
	if !hybrid {
		if len(wrapped) != size {
			return nil, hsm.ErrAuthentication
		}
		return u, nil
	}
	if len(wrapped) <= size || (len(wrapped)-size)%8 != 0 || len(wrapped)-size < 16 {
		return nil, hsm.ErrAuthentication
	}
	u.wrapped = wrapped[:size]
	kek, err := m.unwrap(s, u, hsm.ErrAuthentication,
		attr(p11.CKA_CLASS, p11.CKO_SECRET_KEY), attr(p11.CKA_KEY_TYPE, p11.CKK_AES), attr(p11.CKA_TOKEN, false), attr(p11.CKA_PRIVATE, true),
		attr(p11.CKA_SENSITIVE, true), attr(p11.CKA_EXTRACTABLE, false), attr(p11.CKA_UNWRAP, true))
	if err != nil {
		return nil, err
	}
	u.by = nil
	for _, wrap := range m.mechanisms.keyWrap {
		u.by = append(u.by, mechanism(wrap, nil))
	}
	u.key, u.wrapped, u.temporary = kek, wrapped[size:], append(u.temporary, kek)
	return u, nil
}

// unwrap makes an object of what is wrapped. Errors: ErrAuthentication where it does not unwrap, notMaterial where it
// does and is no key of the template, as far as the device tells the two apart.
func (m *Module) unwrap(s p11.SessionHandle, u *unwrapper, notMaterial error, template ...*p11.Attribute) (p11.ObjectHandle, error) {
	var err error
	for _, by := range u.by {
		var object p11.ObjectHandle
		if object, err = m.ctx.UnwrapKey(s, by, u.key, u.wrapped, template); err == nil {
			return object, nil
		}
		if !isCode(err, p11.CKR_MECHANISM_INVALID) && !isCode(err, p11.CKR_MECHANISM_PARAM_INVALID) {
			break
		}
	}
	err = fmt.Errorf("unwrapping: %w", err)
	if isOneOf(err, notMaterialCodes) {
		return 0, notMaterial
	}
	return 0, m.refusal(s, err, hsm.ErrAuthentication)
}

// notMaterialCodes: what was unwrapped is no key of the template.
var notMaterialCodes = map[uint]bool{
	p11.CKR_FUNCTION_FAILED: true, p11.CKR_ATTRIBUTE_VALUE_INVALID: true, p11.CKR_TEMPLATE_INCONSISTENT: true, p11.CKR_TEMPLATE_INCOMPLETE: true,
	p11.CKR_KEY_SIZE_RANGE: true, p11.CKR_KEY_TYPE_INCONSISTENT: true, p11.CKR_DOMAIN_PARAMS_INVALID: true, curveNotSupported: true,
}

// importSecret imports symmetric and HMAC material.
func (m *Module) importSecret(s p11.SessionHandle, c *hsm.Call, u *unwrapper, keyID []byte) error {
	spec := c.Target.Spec
	seen, err := m.unwrap(s, u, hsm.ErrMaterial, passing()...)
	if err != nil {
		return err
	}
	defer m.destroy(s, seen)
	n, err := m.lengthOf(s, seen)
	if err != nil {
		return err
	}
	if n != secretSizes[spec] {
		return hsm.ErrMaterial
	}
	tag, err := m.signBy(s, mechanism(identifying(spec), nil), seen, append([]byte(materialLabel), keyID...))
	if isCode(err, p11.CKR_KEY_SIZE_RANGE) {
		return hsm.ErrMaterial
	}
	if err != nil {
		return err
	}
	id := hsm.MaterialID(sha256.Sum256(tag))
	return m.settle(s, c, id, nil, func(object []byte) ([]p11.ObjectHandle, error) {
		template := append(guarded(objectID(spec, object), label(object), true), attr(p11.CKA_CLASS, p11.CKO_SECRET_KEY))
		if kindOf(spec) == aesKey {
			template = append(template, attr(p11.CKA_KEY_TYPE, p11.CKK_AES), attr(p11.CKA_ENCRYPT, true), attr(p11.CKA_DECRYPT, true))
		} else {
			template = append(template, attr(p11.CKA_KEY_TYPE, p11.CKK_GENERIC_SECRET), attr(p11.CKA_SIGN, true), attr(p11.CKA_VERIFY, true))
		}
		made, err := m.unwrap(s, u, hsm.ErrMaterial, template...)
		return []p11.ObjectHandle{made}, err
	})
}

// lengthOf is the length in bytes of a secret. Devices that do not say it wrap it, under a key that nobody else has and
// that is gone at once: AES key wrap fills up to a multiple of 8 bytes and adds 8 (SP 800-38F, 6.2), so that the length
// is known but for 7 bytes; provesLength is about these.
func (m *Module) lengthOf(s p11.SessionHandle, secret p11.ObjectHandle) (int, error) {
	if m.mechanisms.tellsLength {
		return m.saidLength(s, secret)
	}
	kek, err := m.wrapper(s)
	if err != nil {
		return 0, err
	}
	defer m.destroy(s, kek)
	wrapped, err := m.ctx.WrapKey(s, mechanism(p11.CKM_AES_KEY_WRAP, nil), kek, secret)
	if err != nil || len(wrapped) < 8 {
		return 0, nil // too short for a wrapping: of no spec
	}
	return len(wrapped) - 8, nil
}

// saidLength is the length that the device says, 0: it does not.
func (m *Module) saidLength(s p11.SessionHandle, secret p11.ObjectHandle) (int, error) {
	value, err := m.attribute(s, secret, p11.CKA_VALUE_LEN)
	if err != nil || len(value) != 8 {
		return 0, err
	}
	return int(binary.NativeEndian.Uint64(value)), nil
}

// wrapper makes an AES key that wraps other keys, for as long as the call takes.
func (m *Module) wrapper(s p11.SessionHandle) (p11.ObjectHandle, error) {
	kek, err := m.ctx.GenerateKey(s, mechanism(p11.CKM_AES_KEY_GEN, nil), []*p11.Attribute{
		attr(p11.CKA_CLASS, p11.CKO_SECRET_KEY), attr(p11.CKA_KEY_TYPE, p11.CKK_AES), attr(p11.CKA_VALUE_LEN, 32), attr(p11.CKA_TOKEN, false),
		attr(p11.CKA_PRIVATE, true), attr(p11.CKA_SENSITIVE, true), attr(p11.CKA_EXTRACTABLE, false), attr(p11.CKA_WRAP, true), attr(p11.CKA_UNWRAP, true),
	})
	if err != nil {
		return 0, lacking(fmt.Errorf("making a key for a moment: %w", err))
	}
	return kek, nil
}

// passing is the template of a secret that is unwrapped for a moment. It may be extracted, but only wrapped.
func passing() []*p11.Attribute {
	return []*p11.Attribute{
		attr(p11.CKA_CLASS, p11.CKO_SECRET_KEY), attr(p11.CKA_KEY_TYPE, p11.CKK_GENERIC_SECRET), attr(p11.CKA_TOKEN, false), attr(p11.CKA_PRIVATE, true),
		attr(p11.CKA_SENSITIVE, true), attr(p11.CKA_EXTRACTABLE, true), attr(p11.CKA_SIGN, true),
	}
}

// probeLength sees whether the device says how long a secret is that it unwrapped.
func (m *Module) probeLength(s p11.SessionHandle) error {
	if !m.mechanisms.can(p11.CKM_AES_KEY_WRAP, p11.CKF_WRAP|p11.CKF_UNWRAP) {
		return nil
	}
	kek, err := m.wrapper(s)
	if err != nil {
		return err
	}
	defer m.destroy(s, kek)
	secret, err := m.ctx.GenerateKey(s, mechanism(p11.CKM_GENERIC_SECRET_KEY_GEN, nil), append(passing(), attr(p11.CKA_VALUE_LEN, 32)))
	if err != nil {
		return lacking(fmt.Errorf("making a secret for a moment: %w", err))
	}
	defer m.destroy(s, secret)
	wrapped, err := m.ctx.WrapKey(s, mechanism(p11.CKM_AES_KEY_WRAP, nil), kek, secret)
	if err != nil {
		return lacking(fmt.Errorf("wrapping a secret: %w", err))
	}
	again, err := m.ctx.UnwrapKey(s, mechanism(p11.CKM_AES_KEY_WRAP, nil), kek, wrapped, passing())
	if err != nil {
		return lacking(fmt.Errorf("unwrapping a secret: %w", err))
	}
	defer m.destroy(s, again)
	n, err := m.saidLength(s, again)
	m.mechanisms.tellsLength = err == nil && n == 32
	return nil
}

// importPair imports a private key. The public half follows from it.
func (m *Module) importPair(s p11.SessionHandle, c *hsm.Call, u *unwrapper, keyID []byte) error {
	spec, usage := c.Target.Spec, c.Target.Usage
	kinds := map[kind]uint{rsaKey: p11.CKK_RSA, curveKey: p11.CKK_EC}
	of := func(persistent bool, id []byte, may uses) []*p11.Attribute {
		return append(append(guarded(id, label(id), persistent), attr(p11.CKA_CLASS, p11.CKO_PRIVATE_KEY), attr(p11.CKA_KEY_TYPE, kinds[kindOf(spec)])),
			may.attributes()...)
	}
	seen, err := m.unwrap(s, u, hsm.ErrMaterial, of(false, nil, uses{sign: true})...)
	if err != nil {
		return err
	}
	defer m.destroy(s, seen)
	public, err := m.publicHalf(s, spec, seen)
	if err != nil {
		return err
	}
	id, err := m.materialID(s, ofPublic, publicName(public.spki), keyID)
	if err != nil {
		return err
	}
	return m.settle(s, c, id, public.spki, func(object []byte) ([]p11.ObjectHandle, error) {
		private, err := m.unwrap(s, u, hsm.ErrMaterial, of(true, object, usesOf(usage))...)
		if err != nil {
			return nil, err
		}
		half, err := m.ctx.CreateObject(s, append(public.template,
			attr(p11.CKA_CLASS, p11.CKO_PUBLIC_KEY), attr(p11.CKA_KEY_TYPE, kinds[kindOf(spec)]), attr(p11.CKA_TOKEN, true), attr(p11.CKA_PRIVATE, false),
			attr(p11.CKA_ID, object), attr(p11.CKA_LABEL, label(object)), attr(p11.CKA_VERIFY, true)))
		if err != nil {
			err = fmt.Errorf("writing a public key: %w", err)
		}
		return []p11.ObjectHandle{private, half}, err
	})
}

// half is a public key: as the API shows it, and as the device wants it.
type half struct {
	spki     []byte
	template []*p11.Attribute
}

// publicHalf finds the public key of a private one that may sign. Error: ErrMaterial for a key of another spec.
func (m *Module) publicHalf(s p11.SessionHandle, spec hsm.KeySpec, private p11.ObjectHandle) (h half, err error) {
	if kindOf(spec) == rsaKey {
		k, err := m.readRSA(s, private)
		if err != nil {
			return h, err
		}
		if k.N.BitLen() != rsaBits(spec) {
			return h, hsm.ErrMaterial
		}
		h.template = []*p11.Attribute{attr(p11.CKA_MODULUS, k.N.Bytes()), attr(p11.CKA_PUBLIC_EXPONENT, exponent(k.E))}
		h.spki, err = encodeRSA(k)
		return h, err
	}
	c := curveOf(spec)
	parameters, err := m.attribute(s, private, p11.CKA_EC_PARAMS)
	if err != nil {
		return h, err
	}
	if !bytes.Equal(parameters, c.parameters()) {
		return h, hsm.ErrMaterial
	}
	point, err := m.recoverPoint(s, c, private)
	if err != nil {
		return h, err
	}
	h.template = []*p11.Attribute{attr(p11.CKA_EC_PARAMS, parameters), attr(p11.CKA_EC_POINT, wrapPoint(point))}
	h.spki, err = c.spki(point)
	return h, err
}

// recoverPoint finds the public point of a private key from two signatures that nobody sees.
func (m *Module) recoverPoint(s p11.SessionHandle, c *curve, private p11.ObjectHandle) ([]byte, error) {
	var digests, signatures [2][]byte
	for i := range digests {
		digests[i] = bytes.Repeat([]byte{byte(i + 1)}, 32)
		signature, err := m.signBy(s, mechanism(p11.CKM_ECDSA, nil), private, digests[i])
		if err != nil {
			return nil, err
		}
		if len(signature) != 2*c.size {
			return nil, errPoint
		}
		signatures[i] = signature
	}
	for _, candidate := range c.candidates(digests[0], signatures[0]) {
		if c.verifies(candidate, digests[1], signatures[1]) {
			return candidate, nil
		}
	}
	return nil, hsm.ErrMaterial
}
