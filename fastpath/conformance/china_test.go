//lint:file-ignore SA1019 the deprecated twin of KeySpec is part of the API still

package conformance_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rand"
	"encoding/asn1"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/smx509"
)

// inChina is a client of a China Region.
func inChina(t *testing.T) *kms.Client {
	t.Helper()
	ownServer(t)
	return at.KMS(func(o *kms.Options) {
		o.Region = "cn-north-1"
		o.Credentials = credentials.NewStaticCredentialsProvider(chinaKeyID, otherSecret, "")
	})
}

// chinaKey makes a key there.
func chinaKey(t *testing.T, client *kms.Client, spec types.KeySpec, usage types.KeyUsageType) *types.KeyMetadata {
	t.Helper()
	out, err := client.CreateKey(t.Context(), &kms.CreateKeyInput{KeySpec: spec, KeyUsage: usage})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(*out.KeyMetadata.Arn, "arn:aws-cn:kms:cn-north-1:") || out.KeyMetadata.KeySpec != spec || string(out.KeyMetadata.CustomerMasterKeySpec) != string(spec) {
		t.Errorf("metadata %+v", out.KeyMetadata)
	}
	return out.KeyMetadata
}

// TestChinaSymmetric: SYMMETRIC_DEFAULT looks the same there, though it is SM4 inside.
func TestChinaSymmetric(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), inChina(t)
	k, other := chinaKey(t, client, "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT"), chinaKey(t, client, "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT")
	if !slices.Equal(k.EncryptionAlgorithms, []types.EncryptionAlgorithmSpec{"SYMMETRIC_DEFAULT"}) || !materialPattern.MatchString(aws.ToString(k.CurrentKeyMaterialId)) {
		t.Errorf("metadata %+v", k)
	}
	context := map[string]string{"a": "b"}
	for size, blob := range map[int]int{1: 153, 16: 168, 32: 184, 4096: 4258} {
		plaintext := bytes.Repeat([]byte{7}, size)
		sealed, err := client.Encrypt(ctx, &kms.EncryptInput{KeyId: k.KeyId, Plaintext: plaintext, EncryptionContext: context})
		if err != nil {
			t.Fatal(err)
		}
		if len(sealed.CiphertextBlob) != blob || sealed.EncryptionAlgorithm != "SYMMETRIC_DEFAULT" || *sealed.KeyId != *k.Arn {
			t.Errorf("%d bytes make %d, answer %+v", size, len(sealed.CiphertextBlob), sealed.ResultMetadata)
		}
		moved, err := client.ReEncrypt(ctx, &kms.ReEncryptInput{CiphertextBlob: sealed.CiphertextBlob, SourceEncryptionContext: context, DestinationKeyId: other.KeyId})
		if err != nil {
			t.Fatal(err)
		}
		if *moved.SourceKeyMaterialId != *k.CurrentKeyMaterialId || *moved.DestinationKeyMaterialId != *other.CurrentKeyMaterialId {
			t.Errorf("answer %+v", moved)
		}
		back, err := client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: moved.CiphertextBlob})
		if err != nil || !bytes.Equal(back.Plaintext, plaintext) || *back.KeyId != *other.Arn || *back.KeyMaterialId != *other.CurrentKeyMaterialId {
			t.Errorf("%+v, %v", back, err)
		}
		_, err = client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob})
		wantError(t, err, "InvalidCiphertextException", "")
		// Elsewhere it is nothing.
		_, err = at.KMS().Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob, EncryptionContext: context})
		if err == nil {
			t.Error("decrypted in another partition")
		}
	}
	for _, spec := range []types.DataKeySpec{"AES_128", "AES_256"} {
		made, err := client.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: k.KeyId, KeySpec: spec})
		if err != nil {
			t.Fatal(err)
		}
		back, err := client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: made.CiphertextBlob, KeyId: k.KeyId})
		if err != nil || !bytes.Equal(back.Plaintext, made.Plaintext) || *made.KeyMaterialId != *k.CurrentKeyMaterialId {
			t.Errorf("%s: %+v, %v", spec, back, err)
		}
	}
	_, err := client.GenerateDataKeyWithoutPlaintext(ctx, &kms.GenerateDataKeyWithoutPlaintextInput{KeyId: k.KeyId, NumberOfBytes: aws.Int32(64)})
	if err != nil {
		t.Error(err)
	}
	_, err = client.GetPublicKey(ctx, &kms.GetPublicKeyInput{KeyId: k.KeyId})
	wantError(t, err, "UnsupportedOperationException", "")
}

// TestChinaSpecs: what is made there and what is not.
func TestChinaSpecs(t *testing.T) {
	t.Parallel()
	client := inChina(t)
	for _, spec := range []types.KeySpec{"ML_KEM_512", "ML_KEM_768", "ML_KEM_1024"} {
		_, err := client.CreateKey(t.Context(), &kms.CreateKeyInput{KeySpec: spec, KeyUsage: "ENCAPSULATE_DECAPSULATE"})
		wantError(t, err, "UnsupportedOperationException", "KeySpec "+string(spec)+" is not supported in this Region")
	}
	_, err := client.CreateKey(t.Context(), &kms.CreateKeyInput{KeySpec: "SM2", KeyUsage: "GENERATE_VERIFY_MAC"})
	wantError(t, err, "ValidationException", "KeyUsage GENERATE_VERIFY_MAC is not compatible with KeySpec SM2")
	_, err = client.CreateKey(t.Context(), &kms.CreateKeyInput{KeySpec: "SM2"})
	wantError(t, err, "ValidationException", "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.")
	for spec, usage := range map[types.KeySpec]types.KeyUsageType{"ECC_NIST_P256": "SIGN_VERIFY", "HMAC_256": "GENERATE_VERIFY_MAC"} {
		chinaKey(t, client, spec, usage)
	}
}

// sm2Public reads the public key of an SM2 key by the library's own parser.
func sm2Public(t *testing.T, client *kms.Client, k *types.KeyMetadata) (*ecdsa.PublicKey, []byte) {
	t.Helper()
	out, err := client.GetPublicKey(t.Context(), &kms.GetPublicKeyInput{KeyId: k.KeyId})
	if err != nil {
		t.Fatal(err)
	}
	if out.KeySpec != "SM2" || out.KeyUsage != k.KeyUsage {
		t.Errorf("answer %+v", out)
	}
	public, err := smx509.ParsePKIXPublicKey(out.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return public.(*ecdsa.PublicKey), out.PublicKey
}

func TestSM2Signing(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), inChina(t)
	k := chinaKey(t, client, "SM2", "SIGN_VERIFY")
	if !slices.Equal(k.SigningAlgorithms, []types.SigningAlgorithmSpec{"SM2DSA"}) {
		t.Errorf("metadata %+v", k)
	}
	public, _ := sm2Public(t, client, k)
	message := []byte("message")
	digest, err := sm2.CalculateSM2Hash(public, message, []byte("1234567812345678"))
	if err != nil {
		t.Fatal(err)
	}
	for kind, m := range map[types.MessageType][]byte{"": message, "RAW": message, "DIGEST": digest} {
		out, err := client.Sign(ctx, &kms.SignInput{KeyId: k.KeyId, Message: m, MessageType: kind, SigningAlgorithm: "SM2DSA"})
		if err != nil {
			t.Fatal(err)
		}
		if *out.KeyId != *k.Arn || out.SigningAlgorithm != "SM2DSA" || !sm2.VerifyASN1WithSM2(public, nil, message, out.Signature) {
			t.Errorf("%q: signature %x", kind, out.Signature)
		}
		for kind, m := range map[types.MessageType][]byte{"RAW": message, "DIGEST": digest} {
			v, err := client.Verify(ctx, &kms.VerifyInput{KeyId: k.KeyId, Message: m, MessageType: kind, Signature: out.Signature, SigningAlgorithm: "SM2DSA"})
			if err != nil || !v.SignatureValid {
				t.Errorf("%q: %v", kind, err)
			}
		}
		out.Signature[len(out.Signature)-1] ^= 1
		_, err = client.Verify(ctx, &kms.VerifyInput{KeyId: k.KeyId, Message: message, Signature: out.Signature, SigningAlgorithm: "SM2DSA"})
		wantError(t, err, "KMSInvalidSignatureException", "")
	}
	for kind, c := range map[types.MessageType]string{
		"DIGEST": "Digest is invalid length for algorithm SM2DSA.", "EXTERNAL_MU": "Message type EXTERNAL_MU is incompatible with key spec SM2.",
	} {
		_, err = client.Sign(ctx, &kms.SignInput{KeyId: k.KeyId, Message: digest[1:], MessageType: kind, SigningAlgorithm: "SM2DSA"})
		wantError(t, err, "ValidationException", c)
	}
	_, err = client.Sign(ctx, &kms.SignInput{KeyId: k.KeyId, Message: message, SigningAlgorithm: "ECDSA_SHA_256"})
	wantError(t, err, "InvalidKeyUsageException", "Algorithm ECDSA_SHA_256 is incompatible with key spec SM2.")
}

func TestSM2Encryption(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), inChina(t)
	k := chinaKey(t, client, "SM2", "ENCRYPT_DECRYPT")
	if !slices.Equal(k.EncryptionAlgorithms, []types.EncryptionAlgorithmSpec{"SM2PKE"}) || k.CurrentKeyMaterialId != nil {
		t.Errorf("metadata %+v", k)
	}
	public, _ := sm2Public(t, client, k)
	for _, size := range []int{1, 32, 1024} {
		plaintext := bytes.Repeat([]byte{7}, size)
		sealed, err := client.Encrypt(ctx, &kms.EncryptInput{KeyId: k.KeyId, Plaintext: plaintext, EncryptionAlgorithm: "SM2PKE"})
		if err != nil {
			t.Fatal(err)
		}
		var parts struct {
			X, Y             *big.Int
			Hash, Ciphertext []byte
		}
		if rest, err := asn1.Unmarshal(sealed.CiphertextBlob, &parts); err != nil || len(rest) != 0 || len(parts.Hash) != 32 || len(parts.Ciphertext) != size {
			t.Errorf("ciphertext %x: %v", sealed.CiphertextBlob, err)
		}
		outside, err := sm2.EncryptASN1(rand.Reader, public, plaintext)
		if err != nil {
			t.Fatal(err)
		}
		for _, blob := range [][]byte{sealed.CiphertextBlob, outside} {
			back, err := client.Decrypt(ctx, &kms.DecryptInput{KeyId: k.KeyId, CiphertextBlob: blob, EncryptionAlgorithm: "SM2PKE"})
			if err != nil || !bytes.Equal(back.Plaintext, plaintext) || back.KeyMaterialId != nil {
				t.Errorf("%+v, %v", back, err)
			}
			blob[len(blob)-1] ^= 1
			_, err = client.Decrypt(ctx, &kms.DecryptInput{KeyId: k.KeyId, CiphertextBlob: blob, EncryptionAlgorithm: "SM2PKE"})
			wantError(t, err, "InvalidCiphertextException", "")
		}
	}
	const tooLarge = "Algorithm SM2PKE and key spec SM2 cannot encrypt data larger than 1024 bytes."
	_, err := client.Encrypt(ctx, &kms.EncryptInput{KeyId: k.KeyId, Plaintext: make([]byte, 1025), EncryptionAlgorithm: "SM2PKE"})
	wantError(t, err, "ValidationException", tooLarge)
	_, err = client.Encrypt(ctx, &kms.EncryptInput{KeyId: k.KeyId, Plaintext: []byte("x")})
	wantError(t, err, "InvalidKeyUsageException", "Algorithm SYMMETRIC_DEFAULT is incompatible with key spec SM2.")
	_, err = client.Encrypt(ctx, &kms.EncryptInput{KeyId: k.KeyId, Plaintext: []byte("x"), EncryptionAlgorithm: "SM2PKE", EncryptionContext: map[string]string{"a": "b"}})
	wantError(t, err, "ValidationException", "EncryptionContext is not supported when encrypting/decrypting with asymmetric CMKs.")
	sym := chinaKey(t, client, "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT")
	sealed, err := client.Encrypt(ctx, &kms.EncryptInput{KeyId: sym.KeyId, Plaintext: make([]byte, 1025)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.ReEncrypt(ctx, &kms.ReEncryptInput{CiphertextBlob: sealed.CiphertextBlob, DestinationKeyId: k.KeyId, DestinationEncryptionAlgorithm: "SM2PKE"})
	wantError(t, err, "ValidationException", tooLarge)
}

func TestSM2Agreement(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), inChina(t)
	k := chinaKey(t, client, "SM2", "KEY_AGREEMENT")
	public, _ := sm2Public(t, client, k)
	peer, err := sm2.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	spki, err := smx509.MarshalPKIXPublicKey(&peer.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	mine, err := peer.ECDH()
	if err != nil {
		t.Fatal(err)
	}
	remote, err := sm2.PublicKeyToECDH(public)
	if err != nil {
		t.Fatal(err)
	}
	want, err := mine.ECDH(remote)
	if err != nil {
		t.Fatal(err)
	}
	out, err := client.DeriveSharedSecret(ctx, &kms.DeriveSharedSecretInput{KeyId: k.KeyId, KeyAgreementAlgorithm: "ECDH", PublicKey: spki})
	if err != nil || !bytes.Equal(out.SharedSecret, want) || len(want) != 32 || out.KeyOrigin != "AWS_KMS" || *out.KeyId != *k.Arn {
		t.Errorf("%+v, %v", out, err)
	}
	_, err = client.DeriveSharedSecret(ctx, &kms.DeriveSharedSecretInput{KeyId: k.KeyId, KeyAgreementAlgorithm: "ECDH", PublicKey: spki[1:]})
	wantError(t, err, "ValidationException", "")
}
