//lint:file-ignore SA1019 the deprecated twin of KeySpec is part of the API still

package conformance_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/mlkem"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"filippo.io/mldsa"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/cloudflare/circl/kem/mlkem/mlkem512"
	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	k1ecdsa "github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
	"github.com/google/go-cmp/cmp"
)

func hashOf(a types.SigningAlgorithmSpec) (crypto.Hash, func([]byte) []byte) {
	switch {
	case strings.HasSuffix(string(a), "256"):
		return crypto.SHA256, func(m []byte) []byte { d := sha256.Sum256(m); return d[:] }
	case strings.HasSuffix(string(a), "384"):
		return crypto.SHA384, func(m []byte) []byte { d := sha512.Sum384(m); return d[:] }
	}
	return crypto.SHA512, func(m []byte) []byte { d := sha512.Sum512(m); return d[:] }
}

// verified checks a signature by the standard library alone.
func verified(public any, a types.SigningAlgorithmSpec, digest, signature []byte) bool {
	hash, _ := hashOf(a)
	switch public := public.(type) {
	case *rsa.PublicKey:
		if strings.Contains(string(a), "PSS") {
			return rsa.VerifyPSS(public, hash, digest, signature, &rsa.PSSOptions{SaltLength: hash.Size()}) == nil
		}
		return rsa.VerifyPKCS1v15(public, hash, digest, signature) == nil
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(public, digest, signature)
	case *secp256k1.PublicKey:
		s, err := k1ecdsa.ParseDERSignature(signature)
		return err == nil && s.Verify(digest, public)
	}
	return false
}

func publicKey(t *testing.T, k key) any {
	t.Helper()
	out, err := at.KMS().GetPublicKey(t.Context(), &kms.GetPublicKeyInput{KeyId: &k.id})
	if err != nil {
		t.Fatal(err)
	}
	public, err := parsePublicKey(out.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return public
}

// The public keys that crypto/x509 does not parse, up to the key itself: AlgorithmIdentifiers of RFC 5480, RFC 9881 and
// RFC 9935, as SubjectPublicKeyInfo has them with keys of their length.
const (
	secp256k1Prefix = "3056301006072a8648ce3d020106052b8104000a034200"
	mlPrefix        = "300b0609608648016503040"
)

// parsePublicKey is x509.ParsePKIXPublicKey for secp256k1, ML-DSA and ML-KEM too.
func parsePublicKey(spki []byte) (any, error) {
	text := hex.EncodeToString(spki)
	if strings.HasPrefix(text, secp256k1Prefix) && len(spki) == 88 {
		return secp256k1.ParsePubKey(spki[len(spki)-65:])
	}
	const header = 22 // of SubjectPublicKeyInfo around a key over 255 bytes
	if len(spki) < header || !strings.HasPrefix(text[8:], mlPrefix) {
		return x509.ParsePKIXPublicKey(spki)
	}
	key := spki[header:]
	switch text[8+len(mlPrefix):][:3] {
	case "311":
		return mldsa.NewPublicKey(mldsa.MLDSA44(), key)
	case "312":
		return mldsa.NewPublicKey(mldsa.MLDSA65(), key)
	case "313":
		return mldsa.NewPublicKey(mldsa.MLDSA87(), key)
	case "401":
		return mlkem512.Scheme().UnmarshalBinaryPublicKey(key)
	case "402":
		return mlkem.NewEncapsulationKey768(key)
	case "403":
		return mlkem.NewEncapsulationKey1024(key)
	}
	return nil, fmt.Errorf("public key %.40s", text)
}

// TestSign signs with every algorithm of every spec that signs digests of SHA-2 and verifies by the service and by the
// standard library.
func TestSign(t *testing.T) {
	t.Parallel()
	message := []byte("message to sign")
	for _, c := range specTable {
		if c.usage != "SIGN_VERIFY" || strings.HasPrefix(string(c.spec), "ML_DSA") || c.spec == "ECC_NIST_EDWARDS25519" {
			continue
		}
		for _, algorithm := range c.sign {
			t.Run(string(c.spec)+"/"+string(algorithm), func(t *testing.T) {
				t.Parallel()
				ctx, client := t.Context(), at.KMS()
				k := theKey(t, c.spec, c.usage, 0)
				public := publicKey(t, k)
				_, hash := hashOf(algorithm)
				for _, kind := range []types.MessageType{"", "RAW", "DIGEST"} {
					m := message
					if kind == "DIGEST" {
						m = hash(message)
					}
					out, err := client.Sign(ctx, &kms.SignInput{KeyId: &k.id, Message: m, MessageType: kind, SigningAlgorithm: algorithm})
					if err != nil {
						t.Fatal(err)
					}
					if *out.KeyId != k.arn || out.SigningAlgorithm != algorithm || !verified(public, algorithm, hash(message), out.Signature) {
						t.Errorf("%q: %+v", kind, out)
					}
					// RAW and DIGEST of one content verify each other.
					for kind, m := range map[types.MessageType][]byte{"RAW": message, "DIGEST": hash(message)} {
						v, err := client.Verify(ctx, &kms.VerifyInput{KeyId: &k.arn, Message: m, MessageType: kind, Signature: out.Signature, SigningAlgorithm: algorithm})
						if err != nil || !v.SignatureValid || *v.KeyId != k.arn || v.SigningAlgorithm != algorithm {
							t.Errorf("Verify: %+v, %v", v, err)
						}
					}
					altered := slices.Clone(out.Signature)
					altered[len(altered)/2] ^= 1
					for _, bad := range [][]byte{altered, out.Signature[1:], {0}, bytes.Repeat([]byte{1}, 6144)} {
						_, err := client.Verify(ctx, &kms.VerifyInput{KeyId: &k.id, Message: message, Signature: bad, SigningAlgorithm: algorithm})
						wantError(t, err, "KMSInvalidSignatureException", "")
					}
					_, err = client.Verify(ctx, &kms.VerifyInput{KeyId: &k.id, Message: append(message, '.'), Signature: out.Signature, SigningAlgorithm: algorithm})
					wantError(t, err, "KMSInvalidSignatureException", "")
				}
				_, err := client.Sign(ctx, &kms.SignInput{KeyId: &k.id, Message: hash(message)[1:], MessageType: "DIGEST", SigningAlgorithm: algorithm})
				wantError(t, err, "ValidationException", "Digest is invalid length for algorithm "+string(algorithm)+".")
			})
		}
	}
}

func TestSignRefusals(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), at.KMS()
	sign, sym, mac, rsa := p256(t), symmetric(t), hmac256(t), rsaCrypt(t)
	const ecdsa256 = types.SigningAlgorithmSpecEcdsaSha256
	for name, c := range map[string]struct {
		in            kms.SignInput
		code, message string
	}{
		"symmetric":      {kms.SignInput{KeyId: &sym.id, SigningAlgorithm: ecdsa256}, "InvalidKeyUsageException", sym.arn + " key usage is ENCRYPT_DECRYPT which is not valid for Sign."},
		"HMAC":           {kms.SignInput{KeyId: &mac.id, SigningAlgorithm: ecdsa256}, "InvalidKeyUsageException", mac.arn + " key usage is GENERATE_VERIFY_MAC which is not valid for Sign."},
		"RSA to encrypt": {kms.SignInput{KeyId: &rsa.id, SigningAlgorithm: "RSASSA_PSS_SHA_256"}, "InvalidKeyUsageException", rsa.arn + " key usage is ENCRYPT_DECRYPT which is not valid for Sign."},
		"other curve":    {kms.SignInput{KeyId: &sign.id, SigningAlgorithm: "ECDSA_SHA_384"}, "InvalidKeyUsageException", "Algorithm ECDSA_SHA_384 is incompatible with key spec ECC_NIST_P256."},
		"RSA's":          {kms.SignInput{KeyId: &sign.id, SigningAlgorithm: "RSASSA_PSS_SHA_256"}, "InvalidKeyUsageException", "Algorithm RSASSA_PSS_SHA_256 is incompatible with key spec ECC_NIST_P256."},
		"encryption's":   {kms.SignInput{KeyId: &sign.id, SigningAlgorithm: "SYMMETRIC_DEFAULT"}, "InvalidKeyUsageException", "Algorithm SYMMETRIC_DEFAULT is incompatible with key spec ECC_NIST_P256."},
		"unknown": {kms.SignInput{KeyId: &sign.id, SigningAlgorithm: "RSAES_OAEP_SHA_256"}, "ValidationException", validation("'RSAES_OAEP_SHA_256' ", "signingAlgorithm",
			"satisfy enum value set: [RSASSA_PSS_SHA_256, RSASSA_PSS_SHA_384, RSASSA_PSS_SHA_512, RSASSA_PKCS1_V1_5_SHA_256, RSASSA_PKCS1_V1_5_SHA_384, RSASSA_PKCS1_V1_5_SHA_512, "+
				"ECDSA_SHA_256, ECDSA_SHA_384, ECDSA_SHA_512, ED25519_SHA_512, ED25519_PH_SHA_512, SM2DSA, ML_DSA_SHAKE_256]")},
		"letter case": {kms.SignInput{KeyId: &sign.id, SigningAlgorithm: ecdsa256, MessageType: "raw"}, "ValidationException",
			validation("'raw' ", "messageType", "satisfy enum value set: [RAW, DIGEST, EXTERNAL_MU]")},
		"external mu": {kms.SignInput{KeyId: &sign.id, SigningAlgorithm: ecdsa256, MessageType: "EXTERNAL_MU"}, "ValidationException", "Message type EXTERNAL_MU is incompatible with key spec ECC_NIST_P256."},
		"too long":    {kms.SignInput{KeyId: &sign.id, SigningAlgorithm: ecdsa256, Message: make([]byte, 4097)}, "ValidationException", validation("", "message", "have length less than or equal to 4096")},
		"empty":       {kms.SignInput{KeyId: &sign.id, SigningAlgorithm: ecdsa256, Message: []byte{}}, "ValidationException", validation("", "message", "have length greater than or equal to 1")},
		"dry run":     {kms.SignInput{KeyId: &sign.id, SigningAlgorithm: ecdsa256, DryRun: aws.Bool(true)}, "DryRunOperationException", "The request would have succeeded, but the DryRun option is set."},
		"grant token": {kms.SignInput{KeyId: &sign.id, SigningAlgorithm: ecdsa256, GrantTokens: []string{"x"}}, "InvalidGrantTokenException", ""},
	} {
		t.Run(name, func(t *testing.T) {
			if c.in.Message == nil {
				c.in.Message = []byte("x")
			}
			_, err := client.Sign(ctx, &c.in)
			wantError(t, err, c.code, c.message)
		})
	}
	longest, err := client.Sign(ctx, &kms.SignInput{KeyId: &sign.id, SigningAlgorithm: ecdsa256, Message: make([]byte, 4096)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.Verify(ctx, &kms.VerifyInput{KeyId: &sign.id, SigningAlgorithm: ecdsa256, Message: make([]byte, 4096), Signature: longest.Signature, DryRun: aws.Bool(true)})
	wantError(t, err, "DryRunOperationException", "The request would have succeeded, but the DryRun option is set.")
	_, err = client.Verify(ctx, &kms.VerifyInput{KeyId: &sym.id, SigningAlgorithm: ecdsa256, Message: []byte("x"), Signature: []byte("x")})
	wantError(t, err, "InvalidKeyUsageException", sym.arn+" key usage is ENCRYPT_DECRYPT which is not valid for Verify.")
	_, err = client.Verify(ctx, &kms.VerifyInput{KeyId: &sign.id, SigningAlgorithm: ecdsa256, Message: []byte("x"), Signature: make([]byte, 6145)})
	wantError(t, err, "ValidationException", validation("", "signature", "have length less than or equal to 6144"))
	wantRefusal(t, call(t, "Verify", object{"KeyId": sign.id, "Message": "eA==", "SigningAlgorithm": "ECDSA_SHA_256"}), "ValidationException", validation("null ", "signature", "not be null"))
	wantRefusal(t, call(t, "Sign", object{"KeyId": sign.id, "SigningAlgorithm": "ECDSA_SHA_256"}), "ValidationException", validation("", "message", "not be null"))
}

func TestGetPublicKey(t *testing.T) {
	t.Parallel()
	for _, c := range specTable {
		t.Run(string(c.spec)+"/"+string(c.usage), func(t *testing.T) {
			t.Parallel()
			k := theKey(t, c.spec, c.usage, 0)
			out, err := at.KMS().GetPublicKey(t.Context(), &kms.GetPublicKeyInput{KeyId: &k.id})
			if c.mac != nil || c.spec == "SYMMETRIC_DEFAULT" {
				wantError(t, err, "UnsupportedOperationException", "")
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if *out.KeyId != k.arn || out.KeySpec != c.spec || out.CustomerMasterKeySpec != types.CustomerMasterKeySpec(c.spec) || out.KeyUsage != c.usage {
				t.Errorf("answer %+v", out)
			}
			if d := cmp.Diff(c.enc, out.EncryptionAlgorithms) + cmp.Diff(c.sign, out.SigningAlgorithms) +
				cmp.Diff(c.agree, out.KeyAgreementAlgorithms) + cmp.Diff(c.kem, out.EncapsulationAlgorithms); d != "" {
				t.Error(d)
			}
			sizes := map[types.KeySpec]int{
				"ECC_SECG_P256K1": 88, "ECC_NIST_EDWARDS25519": 44, "ML_DSA_44": 1334, "ML_DSA_65": 1974, "ML_DSA_87": 2614,
				"ML_KEM_512": 822, "ML_KEM_768": 1206, "ML_KEM_1024": 1590,
			}
			if want := sizes[c.spec]; want != 0 && len(out.PublicKey) != want {
				t.Errorf("%d bytes of public key, want %d", len(out.PublicKey), want)
			}
			if _, err := parsePublicKey(out.PublicKey); err != nil {
				t.Error(err)
			}
		})
	}
	k := p256(t)
	_, err := at.KMS().GetPublicKey(t.Context(), &kms.GetPublicKeyInput{KeyId: &k.id, GrantTokens: []string{"x"}})
	wantError(t, err, "InvalidGrantTokenException", "")
}
