package hsmtest

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"reflect"
	"testing"
)

// OpenEnveloped decrypts CMS EnvelopedData (RFC 5652 §6) with the recipient's key and fails the test on anything
// that is not as the service answers it: one recipient named by the SHA-256 of its SubjectPublicKeyInfo, RSAES-OAEP
// with SHA-256, AES-256-CBC. It shares no code with what makes such messages.
func OpenEnveloped(t testing.TB, message []byte, private *rsa.PrivateKey) []byte {
	t.Helper()
	plaintext, err := openEnveloped(message, private)
	if err != nil {
		t.Fatalf("enveloped data of %d bytes: %v", len(message), err)
	}
	return plaintext
}

// keyTransRecipientInfo is RFC 5652 §6.2.1 with the choice of subjectKeyIdentifier.
type keyTransRecipientInfo struct {
	Version      int
	Identifier   []byte `asn1:"tag:0"`
	Algorithm    oaepAlgorithm
	EncryptedKey []byte
}

type algorithmIdentifier struct {
	Algorithm  asn1.ObjectIdentifier
	Parameters asn1.RawValue
}

// oaepAlgorithm is RSAES-OAEP with its parameters (RFC 4055 §4.1).
type oaepAlgorithm struct {
	Algorithm  asn1.ObjectIdentifier
	Parameters struct {
		Hash algorithmIdentifier `asn1:"explicit,tag:0"`
		Mask struct {
			Algorithm asn1.ObjectIdentifier
			Hash      algorithmIdentifier
		} `asn1:"explicit,tag:1"`
	}
}

var (
	envelopedData = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 3}
	data          = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	rsaesOAEP     = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 7}
	mgf1          = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 8}
	sha256OID     = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
	aes256CBC     = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 42}
)

func openEnveloped(message []byte, private *rsa.PrivateKey) ([]byte, error) {
	info, rest, err := readBER(message)
	if err != nil || len(rest) > 0 {
		return nil, fmt.Errorf("%d bytes behind it, %w", len(rest), err)
	}
	if err := info.expect(0x30, 2); err != nil {
		return nil, fmt.Errorf("ContentInfo: %w", err)
	}
	if err := info.children[0].is(envelopedData); err != nil {
		return nil, err
	}
	if err := info.children[1].expect(0xa0, 1); err != nil {
		return nil, fmt.Errorf("content: %w", err)
	}
	enveloped := info.children[1].children[0]
	if err := enveloped.expect(0x30, 3); err != nil {
		return nil, fmt.Errorf("EnvelopedData: %w", err)
	}
	if v := enveloped.children[0]; v.tag != 0x02 || len(v.content) != 1 || v.content[0] != 2 {
		return nil, fmt.Errorf("version %x", v.content)
	}
	key, err := unwrapKey(enveloped.children[1], private)
	if err != nil {
		return nil, err
	}
	return decryptContent(enveloped.children[2], key)
}

// unwrapKey reads RecipientInfos, which are DER within the BER.
func unwrapKey(infos ber, private *rsa.PrivateKey) ([]byte, error) {
	if err := infos.expect(0x31, 1); err != nil {
		return nil, fmt.Errorf("RecipientInfos: %w", err)
	}
	var to keyTransRecipientInfo
	if rest, err := asn1.Unmarshal(infos.content, &to); err != nil || len(rest) > 0 {
		return nil, fmt.Errorf("KeyTransRecipientInfo: %d bytes left, %w", len(rest), err)
	}
	spki, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	if err != nil {
		return nil, err
	}
	if id := sha256.Sum256(spki); to.Version != 2 || string(to.Identifier) != string(id[:]) {
		return nil, fmt.Errorf("version %d, recipient %x, want %x", to.Version, to.Identifier, id)
	}
	p := to.Algorithm.Parameters
	got := []asn1.ObjectIdentifier{to.Algorithm.Algorithm, p.Hash.Algorithm, p.Mask.Algorithm, p.Mask.Hash.Algorithm}
	if want := []asn1.ObjectIdentifier{rsaesOAEP, sha256OID, mgf1, sha256OID}; !reflect.DeepEqual(got, want) {
		return nil, fmt.Errorf("key encryption %v, want %v", got, want)
	}
	return rsa.DecryptOAEP(sha256.New(), nil, private, to.EncryptedKey, nil)
}

// decryptContent reads EncryptedContentInfo.
func decryptContent(info ber, key []byte) ([]byte, error) {
	if err := info.expect(0x30, 3); err != nil {
		return nil, fmt.Errorf("EncryptedContentInfo: %w", err)
	}
	if err := info.children[0].is(data); err != nil {
		return nil, err
	}
	if err := info.children[1].expect(0x30, 2); err != nil {
		return nil, fmt.Errorf("content encryption: %w", err)
	}
	if err := info.children[1].children[0].is(aes256CBC); err != nil {
		return nil, err
	}
	iv := info.children[1].children[1].content
	var content []byte
	for _, piece := range info.children[2].children {
		if piece.tag != 0x04 {
			return nil, fmt.Errorf("a piece of content has tag %#x", piece.tag)
		}
		content = append(content, piece.content...)
	}
	if info.children[2].tag != 0xa0 || len(key) != 32 || len(iv) != aes.BlockSize || len(content) == 0 || len(content)%aes.BlockSize != 0 {
		return nil, fmt.Errorf("key of %d, IV of %d, content of %d bytes", len(key), len(iv), len(content))
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(content, content)
	padding := int(content[len(content)-1])
	if padding < 1 || padding > aes.BlockSize {
		return nil, fmt.Errorf("padding of %d bytes", padding)
	}
	for _, b := range content[len(content)-padding:] {
		if int(b) != padding {
			return nil, errors.New("padding is not PKCS #7")
		}
	}
	return content[:len(content)-padding], nil
}

// ber is an element; children are those of a constructed one.
type ber struct {
	tag      byte
	content  []byte
	children []ber
}

// expect checks tag and number of children.
func (b ber) expect(tag byte, children int) error {
	if b.tag != tag || len(b.children) != children {
		return fmt.Errorf("tag %#x with %d elements, want %#x with %d", b.tag, len(b.children), tag, children)
	}
	return nil
}

func (b ber) is(oid asn1.ObjectIdentifier) error {
	want, err := asn1.Marshal(oid)
	if err != nil {
		return err
	}
	if b.tag != want[0] || string(b.content) != string(want[2:]) {
		return fmt.Errorf("identifier %x, want %v", b.content, oid)
	}
	return nil
}

// readBER reads one element, of definite or indefinite length (X.690 §8.1).
func readBER(b []byte) (e ber, rest []byte, err error) {
	if len(b) < 2 {
		return e, nil, errors.New("it ends within an element")
	}
	e.tag = b[0]
	length, rest := int(b[1]), b[2:]
	constructed := e.tag&0x20 != 0
	if length == 0x80 {
		if !constructed {
			return e, nil, errors.New("indefinite length of a primitive element")
		}
		for {
			if len(rest) >= 2 && rest[0] == 0 && rest[1] == 0 {
				return e, rest[2:], nil
			}
			var child ber
			if child, rest, err = readBER(rest); err != nil {
				return e, nil, err
			}
			e.children = append(e.children, child)
		}
	}
	if length > 0x80 {
		n := length & 0x7f
		if n > 3 || len(rest) < n {
			return e, nil, errors.New("a length is too long")
		}
		length = 0
		for _, digit := range rest[:n] {
			length = length<<8 | int(digit)
		}
		rest = rest[n:]
	}
	if length > len(rest) {
		return e, nil, errors.New("it ends within an element")
	}
	e.content, rest = rest[:length], rest[length:]
	for inner := e.content; constructed && len(inner) > 0; {
		var child ber
		if child, inner, err = readBER(inner); err != nil {
			return e, nil, err
		}
		e.children = append(e.children, child)
	}
	return e, rest, nil
}
