package operator

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"

	"github.com/emmansun/gmsm/pkcs"
	"github.com/emmansun/gmsm/pkcs8"

	"trent/hsm"
	"trent/hsm/internal/domain"
)

// Errors of key files, for errors.Is.
var (
	ErrKeyFile    = errors.New("not a key file of an operator or host")
	ErrPassphrase = errors.New("the key file needs another passphrase")
	// ErrInDevice is a key whose signing half is not in its file.
	ErrInDevice = errors.New("the signing key is in a PKCS #11 token: name its library")
)

const (
	keyLine       = "trent operator key 1"
	pkcs11KeyLine = keyLine + " pkcs11"
	// pbkdf2Rounds is what OWASP asks of PBKDF2-HMAC-SHA256 (2023).
	pbkdf2Rounds = 600_000
	maxKeyFile   = 16 << 10
)

// Key is an operator's, or a host's, which has no agreement key.
type Key struct {
	Signer    crypto.Signer    // P-384; nil: it is in a PKCS #11 token
	Agreement *ecdh.PrivateKey // P-384; nil: a host's
}

// NewKey makes a key: without signer, which may be in a device, a signing key too; agreement says whether it is an operator's.
func NewKey(signer crypto.Signer, agreement bool, random io.Reader) (*Key, error) {
	k := &Key{Signer: signer}
	if signer == nil {
		own, err := ecdsa.GenerateKey(elliptic.P384(), random)
		if err != nil {
			return nil, fmt.Errorf("making a signing key: %w", err)
		}
		k.Signer = own
	}
	if agreement {
		own, err := ecdh.P384().GenerateKey(random)
		if err != nil {
			return nil, fmt.Errorf("making an agreement key: %w", err)
		}
		k.Agreement = own
	}
	return k, nil
}

// Principal is the key's public half.
func (k *Key) Principal(name string) (hsm.DomainPrincipal, error) {
	p := hsm.DomainPrincipal{Name: name, Role: domain.ServiceHost}
	if k.Signer == nil {
		return p, ErrInDevice
	}
	var err error
	if p.Signing, err = x509.MarshalPKIXPublicKey(k.Signer.Public()); err != nil {
		return p, fmt.Errorf("encoding a signing key: %w", err)
	}
	if k.Agreement == nil {
		return p, nil
	}
	p.Role = domain.Operator
	p.Agreement, err = k.public()
	return p, err
}

// public is the agreement key's public half.
func (k *Key) public() ([]byte, error) {
	spki, err := x509.MarshalPKIXPublicKey(k.Agreement.PublicKey())
	if err != nil {
		return nil, fmt.Errorf("encoding an agreement key: %w", err)
	}
	return spki, nil
}

// Fingerprint names the signing key.
func (k *Key) Fingerprint() (hsm.Fingerprint, error) {
	p, err := k.Principal("")
	return domain.FingerprintOf(p.Signing), err
}

// Agree is the x coordinate of the point shared with a peer's uncompressed point.
func (k *Key) Agree(peer []byte) ([]byte, error) {
	if k.Agreement == nil {
		return nil, errors.New("the key has no agreement key, so no share is encrypted to it")
	}
	point, err := ecdh.P384().NewPublicKey(peer)
	if err != nil {
		return nil, err
	}
	return k.Agreement.ECDH(point)
}

// Encode is the key file. The caller wipes it. passphrase nil: not encrypted.
func (k *Key) Encode(passphrase []byte) ([]byte, error) {
	line := keyLine
	var keys []any
	if own, ok := k.Signer.(*ecdsa.PrivateKey); ok {
		keys = append(keys, own)
	} else {
		line = pkcs11KeyLine
	}
	if k.Agreement != nil {
		keys = append(keys, k.Agreement)
	}
	out := bytes.NewBufferString(line + "\n")
	for _, key := range keys {
		block, err := encodeKey(key, passphrase)
		if err != nil {
			return nil, err
		}
		err = pem.Encode(out, block)
		clear(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("encoding a key: %w", err)
		}
	}
	return out.Bytes(), nil
}

func encodeKey(key any, passphrase []byte) (*pem.Block, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encoding a key: %w", err)
	}
	if passphrase == nil {
		return &pem.Block{Type: "PRIVATE KEY", Bytes: der}, nil
	}
	defer clear(der)
	if len(passphrase) == 0 {
		return nil, errors.New("encoding a key: the passphrase is empty")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der) // an ECDH key comes back as what the encrypter knows
	if err != nil {
		return nil, fmt.Errorf("encoding a key: %w", err)
	}
	how := &pkcs.PBES2Opts{Cipher: pkcs.AES256CBC, KDFOpts: pkcs.NewPBKDF2Opts(pkcs.SHA256, 16, pbkdf2Rounds)}
	sealed, err := pkcs8.MarshalPrivateKey(parsed, passphrase, how)
	if err != nil {
		return nil, fmt.Errorf("encrypting a key: %w", err)
	}
	return &pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: sealed}, nil
}

// ParseKey reads a key file. passphrase is asked once, if the file is encrypted, and what it gives is wiped. Errors:
// ErrKeyFile, ErrPassphrase, passphrase's own.
func ParseKey(file []byte, passphrase func() ([]byte, error)) (*Key, error) {
	if len(file) > maxKeyFile {
		return nil, fmt.Errorf("%w: it is longer than %d bytes", ErrKeyFile, maxKeyFile)
	}
	inDevice := false
	line, rest, _ := bytes.Cut(file, []byte("\n"))
	switch {
	case string(line) == pkcs11KeyLine:
		inDevice = true
	case string(line) == keyLine:
	case bytes.HasPrefix(line, []byte("trent operator key ")):
		return nil, fmt.Errorf("%w: it is of a newer version: use the version of trent that made it", ErrKeyFile)
	case bytes.HasPrefix(line, []byte("-----BEGIN ")):
		rest = file
	default:
		return nil, ErrKeyFile
	}
	keys, err := parseBlocks(rest, passphrase)
	if err != nil {
		return nil, err
	}
	k := &Key{}
	if !inDevice {
		if len(keys) == 0 {
			return nil, fmt.Errorf("%w: there is no key in it", ErrKeyFile)
		}
		k.Signer, keys = keys[0], keys[1:]
	}
	if len(keys) > 1 || inDevice && len(keys) == 0 {
		return nil, fmt.Errorf("%w: it has not the number of keys that it should", ErrKeyFile)
	}
	if len(keys) == 1 {
		if k.Agreement, err = keys[0].ECDH(); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrKeyFile, err)
		}
	}
	return k, nil
}

// parseBlocks reads P-384 keys until the file ends.
func parseBlocks(rest []byte, passphrase func() ([]byte, error)) (keys []*ecdsa.PrivateKey, err error) {
	var secret []byte
	defer func() { clear(secret) }()
	for len(bytes.TrimSpace(rest)) > 0 {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return nil, fmt.Errorf("%w: it is damaged after key %d", ErrKeyFile, len(keys))
		}
		var parsed any
		switch block.Type {
		case "PRIVATE KEY":
			parsed, err = x509.ParsePKCS8PrivateKey(block.Bytes)
		case "ENCRYPTED PRIVATE KEY":
			if secret == nil {
				if secret, err = passphrase(); err != nil {
					return nil, err
				}
			}
			if parsed, _, err = pkcs8.ParsePrivateKey(block.Bytes, secret); err != nil {
				return nil, ErrPassphrase
			}
		default:
			return nil, fmt.Errorf("%w: it has a block %q", ErrKeyFile, block.Type)
		}
		clear(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrKeyFile, err)
		}
		key, ok := parsed.(*ecdsa.PrivateKey)
		if !ok || key.Curve != elliptic.P384() {
			return nil, fmt.Errorf("%w: its key is not on the curve P-384", ErrKeyFile)
		}
		keys = append(keys, key)
	}
	return keys, nil
}
