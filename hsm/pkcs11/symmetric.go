//go:build pkcs11

package pkcs11

import (
	"encoding/binary"
	"fmt"

	p11 "github.com/miekg/pkcs11"

	"trent/hsm"
	"trent/hsm/internal/blob"
	"trent/hsm/internal/token"
)

const tagBits = 8 * blob.TagSize

// emptyContext is the encoding of no pairs, which an absent encryption context equals.
var emptyContext = []byte{0, 0, 0, 0}

// isSymmetric reports whether k is a symmetric encryption key and a its algorithm.
func isSymmetric(k *hsm.Key, a hsm.Algorithm) bool {
	return k.Spec == hsm.SymmetricDefault && k.Usage == hsm.EncryptDecrypt && (a == hsm.AlgorithmNone || a == hsm.AESGCM)
}

func (m *Module) encrypt(c *hsm.Call) error {
	if !isSymmetric(c.Key, c.Algorithm) {
		return m.encryptRSA(c)
	}
	if len(c.In) > blob.MaxPlaintext {
		return hsm.ErrInput
	}
	if !fits(c.Out, blob.Size(len(c.In))) {
		return hsm.ErrShort
	}
	return m.with(c, func(s p11.SessionHandle) error { return m.seal(s, c, c.Key, c.AAD, c.In) })
}

func (m *Module) decrypt(c *hsm.Call) error {
	return m.opened(c, func(_ p11.SessionHandle, plaintext []byte) error {
		if !fits(c.Secret, len(plaintext)) {
			return hsm.ErrShort
		}
		c.Secret, c.Material = append(c.Secret, plaintext...), c.Key.Material
		return nil
	})
}

// reEncrypt opens and seals. No device does both in one command, so that the plaintext passes through this process.
func (m *Module) reEncrypt(c *hsm.Call) error {
	if c.Target == nil {
		return hsm.ErrToken
	}
	if isSymmetric(c.Target, c.TargetAlgorithm) {
		return m.opened(c, func(s p11.SessionHandle, plaintext []byte) error {
			if !fits(c.Out, blob.Size(len(plaintext))) {
				return hsm.ErrShort
			}
			return m.seal(s, c, c.Target, c.TargetAAD, plaintext)
		})
	}
	to, err := m.runs(c.Target, hsm.EncryptDecrypt, c.TargetAlgorithm)
	if err != nil {
		return err
	}
	return m.opened(c, func(s p11.SessionHandle, plaintext []byte) error {
		k, err := m.open(s, c.Target, token.Key)
		if err != nil {
			return err
		}
		return m.sealRSA(c, k, to, plaintext)
	})
}

// opened runs f with the plaintext of c.In under c.Key, and wipes it.
func (m *Module) opened(c *hsm.Call, f func(s p11.SessionHandle, plaintext []byte) error) error {
	if !isSymmetric(c.Key, c.Algorithm) {
		return m.openedRSA(c, f)
	}
	b, ok := blob.ParseDevice(c.In)
	if !ok || hsm.MaterialID(b.Material) != c.Key.Material {
		return hsm.ErrAuthentication
	}
	return m.with(c, func(s p11.SessionHandle) error {
		content, err := m.unseal(s, c, &b)
		if err != nil {
			return err
		}
		defer clear(content)
		plaintext, ok := blob.PlaintextOf(content)
		if !ok {
			return hsm.ErrAuthentication
		}
		return f(s, plaintext)
	})
}

// dataKey makes c.N random bytes in the device, seals them under c.Key and returns both; with no room for them at all
// in c.Secret, the sealed ones alone.
func (m *Module) dataKey(c *hsm.Call) error {
	if !isSymmetric(c.Key, c.Algorithm) {
		return hsm.ErrUnsupported
	}
	if c.N < 1 || c.N > blob.MaxPlaintext {
		return hsm.ErrInput
	}
	if !fits(c.Out, blob.Size(c.N)) || cap(c.Secret) > 0 && !fits(c.Secret, c.N) {
		return hsm.ErrShort
	}
	made := make([]byte, c.N)
	defer clear(made)
	return m.with(c, func(s p11.SessionHandle) error {
		if err := m.fill(s, made); err != nil {
			return err
		}
		if err := m.seal(s, c, c.Key, c.AAD, made); err != nil {
			return err
		}
		if cap(c.Secret) > 0 {
			c.Secret = append(c.Secret, made...)
		}
		return nil
	})
}

func (m *Module) randomBytes(c *hsm.Call) error {
	if c.N < 0 || !fits(c.Secret, c.N) {
		return hsm.ErrShort
	}
	n := len(c.Secret)
	out := c.Secret[:n+c.N]
	if err := m.with(c, func(s p11.SessionHandle) error { return m.fill(s, out[n:]) }); err != nil {
		return err
	}
	c.Secret = out
	return nil
}

// drawAny fills b with a session of its own.
func (m *Module) drawAny(b []byte) error {
	return m.with(&hsm.Call{}, func(s p11.SessionHandle) error { return m.fill(s, b) })
}

// seal appends the blob of plaintext under k to c.Out, which has the room.
func (m *Module) seal(s p11.SessionHandle, c *hsm.Call, of *hsm.Key, context, plaintext []byte) error {
	k, err := m.open(s, of, token.Key)
	if err != nil {
		return err
	}
	generation, object, err := m.sealing(s, k)
	if err != nil {
		return err
	}
	var drawn [blob.SaltSize + blob.NonceSize]byte
	if err := m.fill(s, drawn[:]); err != nil {
		return err
	}
	layout := blob.Measure(len(plaintext))
	out := layout.AppendDeviceHeader(c.Out, (*[blob.MaterialSize]byte)(&k.material), generation, drawn[:blob.SaltSize])
	aad := additionalData(out[len(c.Out):], of.Identity, context)
	content := append(blob.AppendContentHeader(make([]byte, 0, blob.ContentHeader+len(plaintext)), len(plaintext)), plaintext...)
	defer clear(content)

	parameters := p11.NewGCMParams(drawn[blob.SaltSize:], aad, tagBits)
	defer parameters.Free()
	if err := m.ctx.EncryptInit(s, mechanism(p11.CKM_AES_GCM, parameters), object); err != nil {
		return fmt.Errorf("starting to encrypt: %w", err)
	}
	sealed, err := m.ctx.Encrypt(s, content)
	if err != nil {
		return fmt.Errorf("encrypting: %w", err)
	}
	nonce := parameters.IV() // a device may take its own
	if len(nonce) != blob.NonceSize || len(sealed) != len(content)+blob.TagSize {
		return fmt.Errorf("%w: the device gave a nonce of %d and a ciphertext of %d bytes", hsm.ErrUnavailable, len(nonce), len(sealed))
	}
	c.Out, c.Material = append(layout.AppendDER(out, (*[blob.NonceSize]byte)(nonce)), sealed...), k.material
	return nil
}

// unseal is the content of a blob, for the caller to wipe. Errors: ErrAuthentication whatever is wrong with it.
func (m *Module) unseal(s p11.SessionHandle, c *hsm.Call, b *blob.DeviceBlob) ([]byte, error) {
	k, err := m.open(s, c.Key, token.Key)
	if err != nil {
		return nil, err
	}
	object, ok, err := m.find(s, p11.CKO_SECRET_KEY, generationID(k, b.Generation))
	if err != nil {
		return nil, err
	}
	if !ok {
		if b.Generation == 0 {
			return nil, errGone
		}
		return nil, hsm.ErrAuthentication
	}
	parameters := p11.NewGCMParams(b.Nonce, additionalData(b.Header, c.Key.Identity, c.AAD), tagBits)
	defer parameters.Free()
	if err := m.ctx.DecryptInit(s, mechanism(p11.CKM_AES_GCM, parameters), object); err != nil {
		return nil, fmt.Errorf("starting to decrypt: %w", err)
	}
	content, err := m.ctx.Decrypt(s, b.Sealed)
	if isOneOf(err, m.mechanisms.forged) {
		return nil, m.refusal(s, err, hsm.ErrAuthentication)
	}
	if err != nil {
		return nil, fmt.Errorf("decrypting: %w", err)
	}
	return content, nil
}

// additionalData joins header ‖ identity ‖ encryption context.
func additionalData(header, identity, context []byte) []byte {
	if len(context) == 0 {
		context = emptyContext
	}
	out := make([]byte, 0, len(header)+len(identity)+len(context))
	return append(append(append(out, header...), identity...), context...)
}

// generationID is the identifier of one of a symmetric key's objects.
func generationID(k *key, generation uint32) []byte {
	return binary.BigEndian.AppendUint32(append(make([]byte, 0, token.ObjectSize+4), k.ID[:]...), generation)
}
