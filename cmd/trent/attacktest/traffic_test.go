//go:build linux

package attacktest_test

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

// client is an SDK's client whose answers are kept.
type client struct {
	*kms.Client
	t       *testing.T
	mu      sync.Mutex
	answers bytes.Buffer // as they are within TLS
	under   *http.Client
}

func newClient(t *testing.T, s *site) *client {
	c := &client{t: t, under: s.HTTP()}
	config := s.Config()
	config.HTTPClient = c
	c.Client = kms.NewFromConfig(config)
	return c
}

// Do implements the SDK's HTTPClient.
func (c *client) Do(r *http.Request) (*http.Response, error) {
	a, err := c.under.Do(r)
	if err != nil {
		return a, err
	}
	body, err := io.ReadAll(a.Body)
	_ = a.Body.Close()
	a.Body = io.NopCloser(bytes.NewReader(body))
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = a.Header.Write(&c.answers)
	c.answers.Write(body)
	return a, err
}

// kinds are all key specs with their usages, but SM2, which is of China Regions.
var kinds = []struct {
	spec  types.KeySpec
	usage types.KeyUsageType
}{
	{"SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT"},
	{"HMAC_224", "GENERATE_VERIFY_MAC"}, {"HMAC_256", "GENERATE_VERIFY_MAC"}, {"HMAC_384", "GENERATE_VERIFY_MAC"}, {"HMAC_512", "GENERATE_VERIFY_MAC"},
	{"RSA_2048", "ENCRYPT_DECRYPT"}, {"RSA_2048", "SIGN_VERIFY"}, {"RSA_3072", "SIGN_VERIFY"}, {"RSA_4096", "ENCRYPT_DECRYPT"},
	{"ECC_NIST_P256", "SIGN_VERIFY"}, {"ECC_NIST_P256", "KEY_AGREEMENT"}, {"ECC_NIST_P384", "SIGN_VERIFY"}, {"ECC_NIST_P384", "KEY_AGREEMENT"},
	{"ECC_NIST_P521", "SIGN_VERIFY"}, {"ECC_NIST_P521", "KEY_AGREEMENT"}, {"ECC_SECG_P256K1", "SIGN_VERIFY"}, {"ECC_NIST_EDWARDS25519", "SIGN_VERIFY"},
	{"ML_DSA_44", "SIGN_VERIFY"}, {"ML_DSA_65", "SIGN_VERIFY"}, {"ML_DSA_87", "SIGN_VERIFY"},
	{"ML_KEM_512", "ENCAPSULATE_DECAPSULATE"}, {"ML_KEM_768", "ENCAPSULATE_DECAPSULATE"}, {"ML_KEM_1024", "ENCAPSULATE_DECAPSULATE"},
}

// key is one to be used.
type key struct {
	id    *string
	spec  types.KeySpec
	usage types.KeyUsageType
}

// generate makes a key of every kind.
func (c *client) generate() (all []key) {
	c.t.Helper()
	for _, k := range kinds {
		out, err := c.CreateKey(c.t.Context(), &kms.CreateKeyInput{KeySpec: k.spec, KeyUsage: k.usage})
		if err != nil {
			c.t.Fatalf("%s: %v", k.spec, err)
		}
		all = append(all, key{out.KeyMetadata.KeyId, k.spec, k.usage})
	}
	return all
}

// importAll imports a key of every kind that can be, and returns their material.
func (c *client) importAll() (all []key, secrets []*secret) {
	c.t.Helper()
	for _, k := range kinds {
		material, numbers := materialOf(c.t, k.spec)
		if material == nil {
			continue
		}
		out, err := c.CreateKey(c.t.Context(), &kms.CreateKeyInput{Origin: "EXTERNAL", KeySpec: k.spec, KeyUsage: k.usage})
		if err != nil {
			c.t.Fatalf("%s: %v", k.spec, err)
		}
		c.importInto(out.KeyMetadata.KeyId, material)
		all = append(all, key{out.KeyMetadata.KeyId, k.spec, k.usage})
		secrets = append(secrets, numbers...)
	}
	return all, secrets
}

func (c *client) importInto(id *string, material []byte) {
	c.t.Helper()
	how := types.AlgorithmSpecRsaAesKeyWrapSha256
	if len(material) <= 64 { // symmetric
		how = types.AlgorithmSpecRsaesOaepSha256
	}
	p, err := c.GetParametersForImport(c.t.Context(), &kms.GetParametersForImportInput{KeyId: id, WrappingAlgorithm: how, WrappingKeySpec: "RSA_2048"})
	if err != nil {
		c.t.Fatal(err)
	}
	public, err := x509.ParsePKIXPublicKey(p.PublicKey)
	if err != nil {
		c.t.Fatal(err)
	}
	oaep, after := material, []byte(nil)
	if how == types.AlgorithmSpecRsaAesKeyWrapSha256 {
		oaep = randomBytes(32)
		after = keyWrap(c.t, oaep, material)
	}
	sealed, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, public.(*rsa.PublicKey), oaep, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	if _, err := c.ImportKeyMaterial(c.t.Context(), &kms.ImportKeyMaterialInput{
		KeyId: id, ImportToken: p.ImportToken, EncryptedKeyMaterial: append(sealed, after...),
		ExpirationModel: types.ExpirationModelTypeKeyMaterialDoesNotExpire,
	}); err != nil {
		c.t.Fatal(err)
	}
}

// keyWrap is AES key wrap with padding, RFC 5649 §4.1.
func keyWrap(t *testing.T, kek, plaintext []byte) []byte {
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

// materialOf is key material to import, and the secrets in it; nil: there is no import of the spec.
func materialOf(t *testing.T, spec types.KeySpec) (material []byte, secrets []*secret) {
	t.Helper()
	what := "imported " + string(spec)
	var private any
	var err error
	switch spec {
	case "SYMMETRIC_DEFAULT", "HMAC_224", "HMAC_256", "HMAC_384", "HMAC_512":
		material = randomBytes(map[types.KeySpec]int{"HMAC_224": 28, "HMAC_384": 48, "HMAC_512": 64}[spec])
		if len(material) == 0 {
			material = randomBytes(32)
		}
		return material, []*secret{{what: what, bytes: material, symmetric: true}}
	case "RSA_2048", "RSA_3072", "RSA_4096":
		var bits int
		_, _ = fmt.Sscanf(string(spec), "RSA_%d", &bits)
		private, err = rsa.GenerateKey(rand.Reader, bits)
	case "ECC_NIST_P256":
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "ECC_NIST_P384":
		private, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "ECC_NIST_P521":
		private, err = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	default:
		return nil, nil
	}
	if err != nil {
		t.Fatal(err)
	}
	if material, err = x509.MarshalPKCS8PrivateKey(private); err != nil {
		t.Fatal(err)
	}
	return material, numbersOf(t, what, material)
}

// use makes one call, or a pair of them, of every operation that a key has.
func (c *client) use(ctx context.Context, k *key) error {
	message := []byte("a message")
	switch k.usage {
	case "ENCRYPT_DECRYPT":
		if k.spec != "SYMMETRIC_DEFAULT" {
			sealed, err := c.Encrypt(ctx, &kms.EncryptInput{KeyId: k.id, Plaintext: message, EncryptionAlgorithm: "RSAES_OAEP_SHA_256"})
			if err != nil {
				return err
			}
			_, err = c.Decrypt(ctx, &kms.DecryptInput{KeyId: k.id, CiphertextBlob: sealed.CiphertextBlob, EncryptionAlgorithm: "RSAES_OAEP_SHA_256"})
			return err
		}
		return c.useSymmetric(ctx, k.id)
	case "GENERATE_VERIFY_MAC":
		algorithm := types.MacAlgorithmSpec("HMAC_SHA_" + strings.TrimPrefix(string(k.spec), "HMAC_"))
		made, err := c.GenerateMac(ctx, &kms.GenerateMacInput{KeyId: k.id, Message: message, MacAlgorithm: algorithm})
		if err != nil {
			return err
		}
		_, err = c.VerifyMac(ctx, &kms.VerifyMacInput{KeyId: k.id, Message: message, MacAlgorithm: algorithm, Mac: made.Mac})
		return err
	case "SIGN_VERIFY":
		algorithm := map[types.KeySpec]types.SigningAlgorithmSpec{
			"ECC_NIST_P256": "ECDSA_SHA_256", "ECC_NIST_P384": "ECDSA_SHA_384", "ECC_NIST_P521": "ECDSA_SHA_512", "ECC_SECG_P256K1": "ECDSA_SHA_256",
			"ECC_NIST_EDWARDS25519": "ED25519_SHA_512", "ML_DSA_44": "ML_DSA_SHAKE_256", "ML_DSA_65": "ML_DSA_SHAKE_256", "ML_DSA_87": "ML_DSA_SHAKE_256",
		}[k.spec]
		if algorithm == "" {
			algorithm = "RSASSA_PSS_SHA_256"
		}
		_, err := c.Sign(ctx, &kms.SignInput{KeyId: k.id, Message: message, SigningAlgorithm: algorithm})
		return err
	case "KEY_AGREEMENT":
		public, err := c.GetPublicKey(ctx, &kms.GetPublicKeyInput{KeyId: k.id})
		if err != nil {
			return err
		}
		_, err = c.DeriveSharedSecret(ctx, &kms.DeriveSharedSecretInput{KeyId: k.id, KeyAgreementAlgorithm: "ECDH", PublicKey: public.PublicKey})
		return err
	default:
		made, err := c.Encapsulate(ctx, &kms.EncapsulateInput{KeyId: k.id, EncapsulationAlgorithm: "ML_KEM"})
		if err != nil {
			return err
		}
		_, err = c.Decapsulate(ctx, &kms.DecapsulateInput{KeyId: k.id, SharedSecretCiphertextBlob: made.SharedSecretCiphertextBlob, EncapsulationAlgorithm: "ML_KEM"})
		return err
	}
}

func (c *client) useSymmetric(ctx context.Context, id *string) error {
	sealed, err := c.Encrypt(ctx, &kms.EncryptInput{KeyId: id, Plaintext: []byte("a message")})
	if err != nil {
		return err
	}
	if _, err = c.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob}); err != nil {
		return err
	}
	if _, err = c.ReEncrypt(ctx, &kms.ReEncryptInput{CiphertextBlob: sealed.CiphertextBlob, DestinationKeyId: id}); err != nil {
		return err
	}
	if _, err = c.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: id, KeySpec: "AES_256"}); err != nil {
		return err
	}
	_, err = c.GenerateDataKeyPair(ctx, &kms.GenerateDataKeyPairInput{KeyId: id, KeyPairSpec: "ECC_NIST_P256"})
	return err
}

// refused makes calls that fail, for their answers.
func (c *client) refused(k *key) {
	ctx := c.t.Context()
	_, err := c.Decrypt(ctx, &kms.DecryptInput{KeyId: k.id, CiphertextBlob: randomBytes(200)})
	if err == nil {
		c.t.Error("decrypted what nobody encrypted")
	}
	for _, algorithm := range []types.SigningAlgorithmSpec{"ECDSA_SHA_256", "SM2DSA"} {
		if _, err = c.Sign(ctx, &kms.SignInput{KeyId: k.id, Message: randomBytes(4097), SigningAlgorithm: algorithm}); err == nil {
			c.t.Error("signed 4,097 bytes")
		}
	}
	_, err = c.ImportKeyMaterial(ctx, &kms.ImportKeyMaterialInput{KeyId: k.id, ImportToken: randomBytes(100), EncryptedKeyMaterial: randomBytes(256), ValidTo: nil, ExpirationModel: "KEY_MATERIAL_DOES_NOT_EXPIRE"})
	if err == nil {
		c.t.Error("imported")
	}
}

// load uses keys until ctx ends, and fails the test where a call does.
func (c *client) load(ctx context.Context, all []key) {
	for ctx.Err() == nil {
		for i := range all {
			if err := c.use(ctx, &all[i]); err != nil && ctx.Err() == nil {
				c.t.Errorf("%s %s: %v", all[i].spec, all[i].usage, err)
				return
			}
		}
	}
}
