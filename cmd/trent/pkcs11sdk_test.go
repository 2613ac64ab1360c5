//go:build pkcs11

package main

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
)

// deviceSDK is an AWS SDK client in front of a device.
type deviceSDK struct {
	kms   *kms.Client
	there *kms.Client // in another Region
	sts   *sts.Client
	ctx   context.Context
}

// deviceKeys are keys by what they are, and what they made of message.
type deviceKeys struct {
	Keys       map[string]string // KeySpec/KeyUsage to key id
	Ciphertext map[string][]byte
	Signature  []byte
}

var deviceContext = map[string]string{"purpose": "test"}

const (
	deviceMessage = "in a device"
	deviceRegion  = "eu-west-1" // of replicas
)

func (s *deviceSDK) make() (*deviceKeys, error) {
	made := &deviceKeys{Keys: map[string]string{}, Ciphertext: map[string][]byte{}}
	for _, k := range []struct {
		spec  types.KeySpec
		usage types.KeyUsageType
	}{
		{types.KeySpecSymmetricDefault, types.KeyUsageTypeEncryptDecrypt}, {types.KeySpecRsa2048, types.KeyUsageTypeEncryptDecrypt},
		{types.KeySpecRsa2048, types.KeyUsageTypeSignVerify}, {types.KeySpecEccNistP256, types.KeyUsageTypeSignVerify},
		{types.KeySpecEccNistP256, types.KeyUsageTypeKeyAgreement}, {types.KeySpecHmac256, types.KeyUsageTypeGenerateVerifyMac},
		{types.KeySpecEccSecgP256k1, types.KeyUsageTypeSignVerify},
	} {
		out, err := s.kms.CreateKey(s.ctx, &kms.CreateKeyInput{KeySpec: k.spec, KeyUsage: k.usage})
		if err != nil {
			return nil, fmt.Errorf("CreateKey %s: %w", k.spec, err)
		}
		made.Keys[string(k.spec)+"/"+string(k.usage)] = *out.KeyMetadata.KeyId
	}
	symmetric := made.Keys["SYMMETRIC_DEFAULT/ENCRYPT_DECRYPT"]
	encrypted, err := s.kms.Encrypt(s.ctx, &kms.EncryptInput{KeyId: &symmetric, Plaintext: []byte(deviceMessage), EncryptionContext: deviceContext})
	if err != nil {
		return nil, fmt.Errorf("Encrypt: %w", err)
	}
	made.Ciphertext["Encrypt"] = encrypted.CiphertextBlob
	// The key's material is followed by new one, and the ciphertext from before still decrypts.
	if _, err := s.kms.RotateKeyOnDemand(s.ctx, &kms.RotateKeyOnDemandInput{KeyId: &symmetric}); err != nil {
		return nil, fmt.Errorf("RotateKeyOnDemand: %w", err)
	}
	imported, err := s.imports()
	if err != nil {
		return nil, err
	}
	made.Keys["imported"] = imported
	encrypted, err = s.kms.Encrypt(s.ctx, &kms.EncryptInput{KeyId: &imported, Plaintext: []byte(deviceMessage), EncryptionContext: deviceContext})
	if err != nil {
		return nil, fmt.Errorf("Encrypt by imported material: %w", err)
	}
	made.Ciphertext["imported"] = encrypted.CiphertextBlob
	replicated, err := s.kms.CreateKey(s.ctx, &kms.CreateKeyInput{MultiRegion: aws.Bool(true)})
	if err != nil {
		return nil, fmt.Errorf("CreateKey MultiRegion: %w", err)
	}
	id := *replicated.KeyMetadata.KeyId
	if _, err := s.kms.ReplicateKey(s.ctx, &kms.ReplicateKeyInput{KeyId: &id, ReplicaRegion: aws.String(deviceRegion)}); err != nil {
		return nil, fmt.Errorf("ReplicateKey: %w", err)
	}
	made.Keys["replicated"] = id
	return made, s.lacking()
}

// delete makes keys, uses them and schedules their deletion.
func (s *deviceSDK) delete() error {
	for _, spec := range []types.KeySpec{types.KeySpecSymmetricDefault, types.KeySpecHmac256} {
		usage := types.KeyUsageTypeEncryptDecrypt
		if spec == types.KeySpecHmac256 {
			usage = types.KeyUsageTypeGenerateVerifyMac
		}
		key, err := s.kms.CreateKey(s.ctx, &kms.CreateKeyInput{KeySpec: spec, KeyUsage: usage})
		if err != nil {
			return err
		}
		if spec == types.KeySpecSymmetricDefault {
			if _, err := s.kms.Encrypt(s.ctx, &kms.EncryptInput{KeyId: key.KeyMetadata.KeyId, Plaintext: []byte(deviceMessage)}); err != nil {
				return err
			}
		}
		if _, err := s.kms.ScheduleKeyDeletion(s.ctx, &kms.ScheduleKeyDeletionInput{KeyId: key.KeyMetadata.KeyId, PendingWindowInDays: aws.Int32(7)}); err != nil {
			return err
		}
	}
	return nil
}

// imports makes a key of imported material.
func (s *deviceSDK) imports() (string, error) {
	key, err := s.kms.CreateKey(s.ctx, &kms.CreateKeyInput{Origin: types.OriginTypeExternal})
	if err != nil {
		return "", fmt.Errorf("CreateKey EXTERNAL: %w", err)
	}
	id := *key.KeyMetadata.KeyId
	got, err := s.kms.GetParametersForImport(s.ctx, &kms.GetParametersForImportInput{
		KeyId: &id, WrappingAlgorithm: types.AlgorithmSpecRsaesOaepSha1, WrappingKeySpec: types.WrappingKeySpecRsa2048,
	})
	if err != nil {
		return "", fmt.Errorf("GetParametersForImport: %w", err)
	}
	public, err := x509.ParsePKIXPublicKey(got.PublicKey)
	if err != nil {
		return "", err
	}
	material := make([]byte, 32)
	_, _ = rand.Read(material)
	wrapped, err := rsa.EncryptOAEP(sha1.New(), rand.Reader, public.(*rsa.PublicKey), material, nil)
	if err != nil {
		return "", err
	}
	if _, err = s.kms.ImportKeyMaterial(s.ctx, &kms.ImportKeyMaterialInput{
		KeyId: &id, ImportToken: got.ImportToken, EncryptedKeyMaterial: wrapped, ExpirationModel: types.ExpirationModelTypeKeyMaterialDoesNotExpire,
	}); err != nil {
		return "", fmt.Errorf("ImportKeyMaterial: %w", err)
	}
	return id, nil
}

// lacking asks for what SoftHSM2 does not have.
func (s *deviceSDK) lacking() error {
	_, err := s.kms.CreateKey(s.ctx, &kms.CreateKeyInput{KeySpec: types.KeySpecMlDsa44, KeyUsage: types.KeyUsageTypeSignVerify})
	if got := code(err); got != "UnsupportedOperationException" {
		return fmt.Errorf("CreateKey ML_DSA_44: %s, %w", got, err)
	}
	edwards, err := s.kms.CreateKey(s.ctx, &kms.CreateKeyInput{KeySpec: types.KeySpecEccNistEdwards25519, KeyUsage: types.KeyUsageTypeSignVerify})
	if err != nil {
		return fmt.Errorf("CreateKey Ed25519: %w", err)
	}
	sign := &kms.SignInput{KeyId: edwards.KeyMetadata.KeyId, Message: make([]byte, 64), SigningAlgorithm: types.SigningAlgorithmSpecEd25519Sha512}
	if _, err := s.kms.Sign(s.ctx, sign); err != nil {
		return fmt.Errorf("Sign by Ed25519: %w", err)
	}
	sign.SigningAlgorithm, sign.MessageType = types.SigningAlgorithmSpecEd25519PhSha512, types.MessageTypeDigest
	_, err = s.kms.Sign(s.ctx, sign)
	if got := code(err); got != "UnsupportedOperationException" {
		return fmt.Errorf("Sign by Ed25519ph: %s, %w", got, err)
	}
	key, err := s.kms.CreateKey(s.ctx, &kms.CreateKeyInput{Origin: types.OriginTypeExternal})
	if err != nil {
		return err
	}
	_, err = s.kms.GetParametersForImport(s.ctx, &kms.GetParametersForImportInput{
		KeyId: key.KeyMetadata.KeyId, WrappingAlgorithm: types.AlgorithmSpecRsaesOaepSha256, WrappingKeySpec: types.WrappingKeySpecRsa2048,
	})
	if got := code(err); got != "UnsupportedOperationException" {
		return fmt.Errorf("GetParametersForImport: %s, %w", got, err)
	}
	return nil
}

func code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

// use does with all keys what they are for, and checks by public keys alone where that can be.
func (s *deviceSDK) use(made *deviceKeys) error {
	for name, ciphertext := range made.Ciphertext {
		out, err := s.kms.Decrypt(s.ctx, &kms.DecryptInput{CiphertextBlob: ciphertext, EncryptionContext: deviceContext})
		if err != nil || string(out.Plaintext) != deviceMessage {
			return fmt.Errorf("Decrypt of %s: %w", name, err)
		}
	}
	_, err := s.kms.Decrypt(s.ctx, &kms.DecryptInput{CiphertextBlob: made.Ciphertext["Encrypt"]})
	if got := code(err); got != "InvalidCiphertextException" {
		return fmt.Errorf("Decrypt without its context: %s, %w", got, err)
	}
	for _, f := range []func(*deviceKeys) error{s.dataKeys, s.replicas, s.bare, s.signatures, s.macs, s.agreement, s.session} {
		if err := f(made); err != nil {
			return err
		}
	}
	return nil
}

func (s *deviceSDK) dataKeys(made *deviceKeys) error {
	symmetric, imported := made.Keys["SYMMETRIC_DEFAULT/ENCRYPT_DECRYPT"], made.Keys["imported"]
	data, err := s.kms.GenerateDataKey(s.ctx, &kms.GenerateDataKeyInput{KeyId: &symmetric, KeySpec: types.DataKeySpecAes256})
	if err != nil {
		return fmt.Errorf("GenerateDataKey: %w", err)
	}
	moved, err := s.kms.ReEncrypt(s.ctx, &kms.ReEncryptInput{CiphertextBlob: data.CiphertextBlob, DestinationKeyId: &imported})
	if err != nil {
		return fmt.Errorf("ReEncrypt: %w", err)
	}
	back, err := s.kms.Decrypt(s.ctx, &kms.DecryptInput{CiphertextBlob: moved.CiphertextBlob})
	if err != nil || !bytes.Equal(back.Plaintext, data.Plaintext) || len(data.CiphertextBlob) != 184 {
		return fmt.Errorf("Decrypt of a data key: %w", err)
	}
	pair, err := s.kms.GenerateDataKeyPair(s.ctx, &kms.GenerateDataKeyPairInput{KeyId: &symmetric, KeyPairSpec: types.DataKeyPairSpecEccNistP384})
	if err != nil {
		return fmt.Errorf("GenerateDataKeyPair: %w", err)
	}
	private, err := x509.ParsePKCS8PrivateKey(pair.PrivateKeyPlaintext)
	if err != nil {
		return err
	}
	public, err := x509.ParsePKIXPublicKey(pair.PublicKey)
	if err != nil || !private.(*ecdsa.PrivateKey).PublicKey.Equal(public) {
		return fmt.Errorf("GenerateDataKeyPair: the halves do not belong together: %w", err)
	}
	if out, err := s.kms.GenerateRandom(s.ctx, &kms.GenerateRandomInput{NumberOfBytes: aws.Int32(32)}); err != nil || len(out.Plaintext) != 32 {
		return fmt.Errorf("GenerateRandom: %w", err)
	}
	return nil
}

// replicas decrypt what the primary encrypts, and the other way round.
func (s *deviceSDK) replicas(made *deviceKeys) error {
	id := made.Keys["replicated"]
	for _, way := range [][2]*kms.Client{{s.kms, s.there}, {s.there, s.kms}} {
		encrypted, err := way[0].Encrypt(s.ctx, &kms.EncryptInput{KeyId: &id, Plaintext: []byte(deviceMessage)})
		if err != nil {
			return fmt.Errorf("Encrypt by a multi-Region key: %w", err)
		}
		out, err := way[1].Decrypt(s.ctx, &kms.DecryptInput{CiphertextBlob: encrypted.CiphertextBlob})
		if err != nil || string(out.Plaintext) != deviceMessage {
			return fmt.Errorf("Decrypt in another Region: %w", err)
		}
	}
	return nil
}

// bare is RSA encryption: by the service and by the public key alone.
func (s *deviceSDK) bare(made *deviceKeys) error {
	id := made.Keys["RSA_2048/ENCRYPT_DECRYPT"]
	public, err := s.kms.GetPublicKey(s.ctx, &kms.GetPublicKeyInput{KeyId: &id})
	if err != nil {
		return fmt.Errorf("GetPublicKey: %w", err)
	}
	key, err := x509.ParsePKIXPublicKey(public.PublicKey)
	if err != nil {
		return err
	}
	sealed, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, key.(*rsa.PublicKey), []byte(deviceMessage), nil)
	if err != nil {
		return err
	}
	for range 2 {
		out, err := s.kms.Decrypt(s.ctx, &kms.DecryptInput{KeyId: &id, CiphertextBlob: sealed, EncryptionAlgorithm: types.EncryptionAlgorithmSpecRsaesOaepSha256})
		if err != nil || string(out.Plaintext) != deviceMessage {
			return fmt.Errorf("Decrypt by RSA: %w", err)
		}
		again, err := s.kms.Encrypt(s.ctx, &kms.EncryptInput{KeyId: &id, Plaintext: []byte(deviceMessage), EncryptionAlgorithm: types.EncryptionAlgorithmSpecRsaesOaepSha256})
		if err != nil {
			return fmt.Errorf("Encrypt by RSA: %w", err)
		}
		sealed = again.CiphertextBlob
	}
	return nil
}

func (s *deviceSDK) signatures(made *deviceKeys) error {
	for name, algorithm := range map[string]types.SigningAlgorithmSpec{
		"RSA_2048/SIGN_VERIFY": types.SigningAlgorithmSpecRsassaPssSha256, "ECC_NIST_P256/SIGN_VERIFY": types.SigningAlgorithmSpecEcdsaSha256,
		"ECC_SECG_P256K1/SIGN_VERIFY": types.SigningAlgorithmSpecEcdsaSha256,
	} {
		id := made.Keys[name]
		signed, err := s.kms.Sign(s.ctx, &kms.SignInput{KeyId: &id, Message: []byte(deviceMessage), SigningAlgorithm: algorithm})
		if err != nil {
			return fmt.Errorf("Sign by %s: %w", name, err)
		}
		if name == "ECC_NIST_P256/SIGN_VERIFY" {
			public, err := s.kms.GetPublicKey(s.ctx, &kms.GetPublicKeyInput{KeyId: &id})
			if err != nil {
				return err
			}
			key, err := x509.ParsePKIXPublicKey(public.PublicKey)
			digest := sha256.Sum256([]byte(deviceMessage))
			if err != nil || !ecdsa.VerifyASN1(key.(*ecdsa.PublicKey), digest[:], signed.Signature) {
				return fmt.Errorf("no signature for the public key: %w", err)
			}
		}
		verify := &kms.VerifyInput{KeyId: &id, Message: []byte(deviceMessage), Signature: signed.Signature, SigningAlgorithm: algorithm}
		if _, err := s.kms.Verify(s.ctx, verify); err != nil {
			return fmt.Errorf("Verify by %s: %w", name, err)
		}
		verify.Message = []byte("another")
		if _, err := s.kms.Verify(s.ctx, verify); code(err) != "KMSInvalidSignatureException" {
			return fmt.Errorf("Verify of another message: %w", err)
		}
	}
	return nil
}

func (s *deviceSDK) macs(made *deviceKeys) error {
	id := made.Keys["HMAC_256/GENERATE_VERIFY_MAC"]
	mac, err := s.kms.GenerateMac(s.ctx, &kms.GenerateMacInput{KeyId: &id, Message: []byte(deviceMessage), MacAlgorithm: types.MacAlgorithmSpecHmacSha256})
	if err != nil {
		return fmt.Errorf("GenerateMac: %w", err)
	}
	if _, err := s.kms.VerifyMac(s.ctx, &kms.VerifyMacInput{KeyId: &id, Message: []byte(deviceMessage), Mac: mac.Mac, MacAlgorithm: types.MacAlgorithmSpecHmacSha256}); err != nil {
		return fmt.Errorf("VerifyMac: %w", err)
	}
	return nil
}

func (s *deviceSDK) agreement(made *deviceKeys) error {
	id := made.Keys["ECC_NIST_P256/KEY_AGREEMENT"]
	own, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	spki, err := x509.MarshalPKIXPublicKey(own.PublicKey())
	if err != nil {
		return err
	}
	derived, err := s.kms.DeriveSharedSecret(s.ctx, &kms.DeriveSharedSecretInput{KeyId: &id, PublicKey: spki, KeyAgreementAlgorithm: types.KeyAgreementAlgorithmSpecEcdh})
	if err != nil {
		return fmt.Errorf("DeriveSharedSecret: %w", err)
	}
	public, err := s.kms.GetPublicKey(s.ctx, &kms.GetPublicKeyInput{KeyId: &id})
	if err != nil {
		return err
	}
	key, err := x509.ParsePKIXPublicKey(public.PublicKey)
	if err != nil {
		return err
	}
	peer, err := key.(*ecdsa.PublicKey).ECDH()
	if err != nil {
		return err
	}
	if shared, err := own.ECDH(peer); err != nil || !bytes.Equal(shared, derived.SharedSecret) {
		return fmt.Errorf("DeriveSharedSecret gives another secret: %w", err)
	}
	return nil
}

// session asks by temporary credentials, whose tokens are sealed by a key of the device's.
func (s *deviceSDK) session(*deviceKeys) error {
	out, err := s.sts.GetSessionToken(s.ctx, &sts.GetSessionTokenInput{})
	if err != nil {
		return fmt.Errorf("GetSessionToken: %w", err)
	}
	c := out.Credentials
	if _, err := s.kms.GenerateRandom(s.ctx, &kms.GenerateRandomInput{NumberOfBytes: aws.Int32(1)}, func(o *kms.Options) {
		o.Credentials = credentials.NewStaticCredentialsProvider(*c.AccessKeyId, *c.SecretAccessKey, *c.SessionToken)
	}); err != nil {
		return fmt.Errorf("GenerateRandom by temporary credentials: %w", err)
	}
	return nil
}
