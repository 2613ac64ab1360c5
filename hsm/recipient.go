package hsm

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"io"
	"math"

	"trent/hsm/internal/blob"
)

// Plaintexts are encrypted to RSA keys of this many bits.
const (
	minRecipientBits = 2048
	maxRecipientBits = 8192
)

// RecipientOverhead is how many bytes CMS EnvelopedData is longer than its plaintext at the most, for keys of up
// to 8,192 bits.
const RecipientOverhead = 1536

// toRecipient runs c and encrypts its plaintext result to c.Recipient.
func (l *Local) toRecipient(c *Call) error { return DoForRecipient(c, l.random, l.Do) }

// DoForRecipient runs a call that has a Recipient by do, which need not know of any: its plaintext result lies in memory
// of its own, which is wiped, and is appended to c.Secret as CMS EnvelopedData. Errors: ErrPeer, ErrUnsupported for
// operations without a plaintext result, ErrToken without a key, and do's.
func DoForRecipient(c *Call, random io.Reader, do func(*Call) error) error {
	switch c.Op {
	case OpDecrypt, OpDataKey, OpDataKeyPair, OpDerive, OpRandom:
	default:
		return ErrUnsupported
	}
	if c.Key == nil && c.Op != OpRandom {
		return ErrToken
	}
	to, err := recipientKey(c.Recipient)
	if err != nil {
		return err
	}
	inner := *c
	inner.Recipient, inner.Secret = nil, make([]byte, 0, blob.MaxPlaintext)
	defer clear(inner.Secret[:cap(inner.Secret)])
	if err := do(&inner); err != nil {
		return err
	}
	var enveloped []byte
	secretly(func() { enveloped, err = envelop(random, to, c.Recipient, inner.Secret) })
	if err != nil {
		return err
	}
	if !fits(c.Secret, len(enveloped)) {
		return ErrShort
	}
	c.Secret = append(c.Secret, enveloped...)
	c.Out, c.Public, c.Material = inner.Out, inner.Public, inner.Material
	return nil
}

// recipientKey reads an RSA public key. The error is ErrPeer.
func recipientKey(spki []byte) (*rsa.PublicKey, error) {
	parsed, err := x509.ParsePKIXPublicKey(spki)
	if err != nil {
		return nil, ErrPeer
	}
	key, ok := parsed.(*rsa.PublicKey)
	if !ok || key.N.BitLen() < minRecipientBits || key.N.BitLen() > maxRecipientBits || key.N.Bit(0) == 0 {
		return nil, ErrPeer
	}
	if key.E < 3 || key.E%2 == 0 || key.E > math.MaxInt32 { // the library's bounds, and it refuses others late
		return nil, ErrPeer
	}
	return key, nil
}

// envelop encrypts plaintext to a recipient: AES-256-CBC with PKCS #7 padding (RFC 5652 §6.3) under a key of this
// message's own, that key by RSAES-OAEP with SHA-256. Errors: ErrUnavailable.
func envelop(random io.Reader, to *rsa.PublicKey, spki, plaintext []byte) ([]byte, error) {
	var secrets struct {
		key [32]byte
		iv  [aes.BlockSize]byte
	}
	defer clear(secrets.key[:])
	for _, b := range [...][]byte{secrets.key[:], secrets.iv[:]} {
		if _, err := io.ReadFull(random, b); err != nil {
			return nil, fmt.Errorf("%w: drawing random bytes: %w", ErrUnavailable, err)
		}
	}
	key, err := rsa.EncryptOAEP(sha256.New(), random, to, secrets.key[:], nil)
	if err != nil {
		return nil, fmt.Errorf("%w: encrypting to a recipient: %w", ErrUnavailable, err)
	}
	block, err := aes.NewCipher(secrets.key[:])
	if err != nil {
		return nil, fmt.Errorf("%w: encrypting to a recipient: %w", ErrUnavailable, err)
	}
	padding := aes.BlockSize - len(plaintext)%aes.BlockSize
	content := make([]byte, len(plaintext)+padding)
	for i := copy(content, plaintext); i < len(content); i++ {
		content[i] = byte(padding)
	}
	cipher.NewCBCEncrypter(block, secrets.iv[:]).CryptBlocks(content, content)
	return appendEnveloped(nil, sha256.Sum256(spki), key, secrets.iv[:], content), nil
}
