package conformance_test

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"hash"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

// parameters are what GetParametersForImport gave, as an importer uses them.
type parameters struct {
	*kms.GetParametersForImportOutput
	public    *rsa.PublicKey
	algorithm types.AlgorithmSpec
}

// forImport asks for a wrapping key of RSA_2048, which is the quickest to make.
func forImport(t testing.TB, client *kms.Client, id string, algorithm types.AlgorithmSpec) parameters {
	t.Helper()
	return forImportBy(t, client, id, algorithm, types.WrappingKeySpecRsa2048)
}

func forImportBy(t testing.TB, client *kms.Client, id string, algorithm types.AlgorithmSpec, spec types.WrappingKeySpec) parameters {
	t.Helper()
	out, err := client.GetParametersForImport(context.Background(), &kms.GetParametersForImportInput{KeyId: &id, WrappingAlgorithm: algorithm, WrappingKeySpec: spec})
	if err != nil {
		t.Fatalf("GetParametersForImport: %v", err)
	}
	public, err := x509.ParsePKIXPublicKey(out.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return parameters{out, public.(*rsa.PublicKey), algorithm}
}

// wrap wraps material as the parameters say.
func (p parameters) wrap(t testing.TB, material []byte) []byte {
	t.Helper()
	hybrid := strings.HasPrefix(string(p.algorithm), "RSA_AES")
	if !hybrid {
		return p.oaep(t, material)
	}
	kek := make([]byte, 32)
	_, _ = rand.Read(kek)
	return append(p.oaep(t, kek), keyWrap(t, kek, material)...)
}

func (p parameters) oaep(t testing.TB, plaintext []byte) []byte {
	t.Helper()
	var h hash.Hash = sha256.New()
	if strings.HasSuffix(string(p.algorithm), "SHA_1") {
		h = sha1.New()
	}
	sealed, err := rsa.EncryptOAEP(h, rand.Reader, p.public, plaintext, nil)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

// input is the import of material that does not expire.
func (p parameters) input(t testing.TB, material []byte) *kms.ImportKeyMaterialInput {
	t.Helper()
	return &kms.ImportKeyMaterialInput{
		KeyId: p.KeyId, ImportToken: p.ImportToken, EncryptedKeyMaterial: p.wrap(t, material), ExpirationModel: types.ExpirationModelTypeKeyMaterialDoesNotExpire,
	}
}

// keyWrap is AES key wrap with padding, RFC 5649 §4.1.
func keyWrap(t testing.TB, kek, plaintext []byte) []byte {
	t.Helper()
	block, err := aes.NewCipher(kek)
	if err != nil {
		t.Fatal(err)
	}
	a := binary.BigEndian.AppendUint32([]byte{0xa6, 0x59, 0x59, 0xa6}, uint32(len(plaintext)))
	p := append(bytes.Clone(plaintext), make([]byte, (8-len(plaintext)%8)%8)...)
	for step := range 6 * len(p) / 8 {
		at := step % (len(p) / 8) * 8
		b := append(bytes.Clone(a), p[at:at+8]...)
		block.Encrypt(b, b)
		a = binary.BigEndian.AppendUint64(nil, binary.BigEndian.Uint64(b)^uint64(step+1))
		copy(p[at:], b[8:])
	}
	return append(a, p...)
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

// rsaMaterial are RSA keys to import, made once for all tests.
var rsaMaterial sync.Map // bits → func() []byte

// materialOf is key material for a spec, in the form in which it is imported.
func materialOf(t testing.TB, spec types.KeySpec) []byte {
	t.Helper()
	encode := func(key any, err error) []byte {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	bits := map[types.KeySpec]int{"RSA_2048": 2048, "RSA_3072": 3072, "RSA_4096": 4096}[spec]
	switch spec {
	case "RSA_2048", "RSA_3072", "RSA_4096":
		once, _ := rsaMaterial.LoadOrStore(bits, sync.OnceValue(func() []byte {
			key, err := rsa.GenerateKey(rand.Reader, bits)
			return encode(key, err)
		}))
		return once.(func() []byte)()
	case "ECC_NIST_P256":
		return encode(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	case "ECC_NIST_P384":
		return encode(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	case "ECC_NIST_P521":
		return encode(ecdsa.GenerateKey(elliptic.P521(), rand.Reader))
	case "HMAC_224":
		return randomBytes(28)
	case "HMAC_384":
		return randomBytes(48)
	case "HMAC_512":
		return randomBytes(64)
	}
	return randomBytes(32)
}

// newExternal creates a key that waits for its material.
func newExternal(t testing.TB, client *kms.Client, spec types.KeySpec, usage types.KeyUsageType) key {
	t.Helper()
	out, err := client.CreateKey(context.Background(), &kms.CreateKeyInput{Origin: types.OriginTypeExternal, KeySpec: spec, KeyUsage: usage})
	if err != nil {
		t.Fatalf("CreateKey: %v", err)
	}
	created.add(*out.KeyMetadata.KeyId)
	return key{*out.KeyMetadata.KeyId, *out.KeyMetadata.Arn}
}

// newImported creates a symmetric key and imports material that does not expire.
func newImported(t testing.TB, client *kms.Client, material []byte) (key, parameters, string) {
	t.Helper()
	k := newExternal(t, client, types.KeySpecSymmetricDefault, types.KeyUsageTypeEncryptDecrypt)
	p := forImport(t, client, k.id, types.AlgorithmSpecRsaesOaepSha256)
	out, err := client.ImportKeyMaterial(context.Background(), p.input(t, material))
	if err != nil {
		t.Fatalf("ImportKeyMaterial: %v", err)
	}
	return k, p, aws.ToString(out.KeyMaterialId)
}

// textBetween is what stands between two texts in an error.
func textBetween(t testing.TB, err error, before, after string) string {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	_, rest, ok := strings.Cut(err.Error(), before)
	text, _, closed := strings.Cut(rest, after)
	if !ok || !closed {
		t.Fatalf("no %q in %v", before, err)
	}
	return text
}
