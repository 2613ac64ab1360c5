package conformance_test

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/sha3"
	"crypto/sha512"
	"slices"
	"testing"

	"filippo.io/mldsa"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	k1ecdsa "github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
)

const (
	ed25519Pure = types.SigningAlgorithmSpecEd25519Sha512
	ed25519PH   = types.SigningAlgorithmSpecEd25519PhSha512
	shake256    = types.SigningAlgorithmSpecMlDsaShake256
)

// signed signs by the service and checks what every answer has; the service then verifies it, refuses an altered one,
// and answers a dry run of either.
func signed(t *testing.T, in kms.SignInput, k key) []byte {
	t.Helper()
	ctx, client := t.Context(), at.KMS()
	in.KeyId = &k.id
	out, err := client.Sign(ctx, &in)
	if err != nil {
		t.Fatal(err)
	}
	if *out.KeyId != k.arn || out.SigningAlgorithm != in.SigningAlgorithm {
		t.Errorf("answer %+v", out)
	}
	verify := kms.VerifyInput{KeyId: &k.arn, Message: in.Message, MessageType: in.MessageType, Signature: out.Signature, SigningAlgorithm: in.SigningAlgorithm}
	v, err := client.Verify(ctx, &verify)
	if err != nil || !v.SignatureValid || *v.KeyId != k.arn || v.SigningAlgorithm != in.SigningAlgorithm {
		t.Errorf("Verify: %+v, %v", v, err)
	}
	const would = "The request would have succeeded, but the DryRun option is set."
	dry, dryVerify := in, verify
	dry.DryRun, dryVerify.DryRun = aws.Bool(true), aws.Bool(true)
	_, err = client.Sign(ctx, &dry)
	wantError(t, err, "DryRunOperationException", would)
	_, err = client.Verify(ctx, &dryVerify)
	wantError(t, err, "DryRunOperationException", would)
	altered := slices.Clone(out.Signature)
	altered[len(altered)/2] ^= 1
	for _, bad := range [][]byte{altered, out.Signature[1:], append(slices.Clone(out.Signature), 0), {0}} {
		verify.Signature = bad
		_, err = client.Verify(ctx, &verify)
		wantError(t, err, "KMSInvalidSignatureException", "")
	}
	return out.Signature
}

// signRefused is a Sign and a Verify that are refused alike.
func signRefused(t *testing.T, k key, a types.SigningAlgorithmSpec, mt types.MessageType, message []byte, code, text string) {
	t.Helper()
	_, err := at.KMS().Sign(t.Context(), &kms.SignInput{KeyId: &k.id, Message: message, MessageType: mt, SigningAlgorithm: a})
	wantError(t, err, code, text)
	_, err = at.KMS().Verify(t.Context(), &kms.VerifyInput{KeyId: &k.id, Message: message, MessageType: mt, SigningAlgorithm: a, Signature: []byte{1}})
	wantError(t, err, code, text)
}

// TestEd25519: the pure scheme takes messages, the pre-hashing one digests, which it hashes again.
func TestEd25519(t *testing.T) {
	t.Parallel()
	k := theKey(t, "ECC_NIST_EDWARDS25519", "SIGN_VERIFY", 0)
	public := publicKey(t, k).(ed25519.PublicKey)
	for _, message := range [][]byte{[]byte("x"), make([]byte, 4096)} {
		for _, mt := range []types.MessageType{"", "RAW"} {
			signature := signed(t, kms.SignInput{Message: message, MessageType: mt, SigningAlgorithm: ed25519Pure}, k)
			if len(signature) != 64 || !ed25519.Verify(public, message, signature) {
				t.Errorf("%q: signature %x", mt, signature)
			}
		}
		digest := sha512.Sum512(message)
		signature := signed(t, kms.SignInput{Message: digest[:], MessageType: "DIGEST", SigningAlgorithm: ed25519PH}, k)
		twice := sha512.Sum512(digest[:])
		if err := ed25519.VerifyWithOptions(public, twice[:], signature, &ed25519.Options{Hash: crypto.SHA512}); err != nil || len(signature) != 64 {
			t.Errorf("pre-hashed: %x, %v", signature, err)
		}
	}
	digest := make([]byte, 64)
	const validationError = "ValidationException"
	signRefused(t, k, ed25519Pure, "DIGEST", digest, validationError, "Message type DIGEST is incompatible with algorithm ED25519_SHA_512.")
	signRefused(t, k, ed25519PH, "RAW", digest, validationError, "Message type RAW is incompatible with algorithm ED25519_PH_SHA_512.")
	signRefused(t, k, ed25519PH, "", digest, validationError, "Message type RAW is incompatible with algorithm ED25519_PH_SHA_512.")
	signRefused(t, k, ed25519PH, "DIGEST", digest[1:], validationError, "Digest is invalid length for algorithm ED25519_PH_SHA_512.")
	signRefused(t, k, ed25519PH, "DIGEST", digest[:32], validationError, "Digest is invalid length for algorithm ED25519_PH_SHA_512.")
	signRefused(t, k, ed25519Pure, "EXTERNAL_MU", digest, validationError, "Message type EXTERNAL_MU is incompatible with key spec ECC_NIST_EDWARDS25519.")
	signRefused(t, k, ed25519PH, "EXTERNAL_MU", digest, validationError, "Message type EXTERNAL_MU is incompatible with key spec ECC_NIST_EDWARDS25519.")
	signRefused(t, k, "ECDSA_SHA_256", "", digest, "InvalidKeyUsageException", "Algorithm ECDSA_SHA_256 is incompatible with key spec ECC_NIST_EDWARDS25519.")
	signRefused(t, k, shake256, "DIGEST", digest, "InvalidKeyUsageException", "Algorithm ML_DSA_SHAKE_256 is incompatible with key spec ECC_NIST_EDWARDS25519.")
}

// messageRepresentative is μ of a message with an empty context (FIPS 204, algorithm 7, line 6).
func messageRepresentative(public, message []byte) []byte {
	tr := sha3.SumSHAKE256(public, 64)
	return sha3.SumSHAKE256(slices.Concat(tr, []byte{0, 0}, message), 64)
}

// TestMLDSA: a message and its representative give signatures of one kind.
func TestMLDSA(t *testing.T) {
	t.Parallel()
	for spec, size := range map[types.KeySpec]int{"ML_DSA_44": 2420, "ML_DSA_65": 3309, "ML_DSA_87": 4627} {
		t.Run(string(spec), func(t *testing.T) {
			t.Parallel()
			ctx, client := t.Context(), at.KMS()
			k := theKey(t, spec, "SIGN_VERIFY", 0)
			public := publicKey(t, k).(*mldsa.PublicKey)
			for _, message := range [][]byte{[]byte("x"), make([]byte, 4096)} {
				mu := messageRepresentative(public.Bytes(), message)
				var signatures [][]byte
				for mt, m := range map[types.MessageType][]byte{"": message, "RAW": message, "EXTERNAL_MU": mu} {
					signature := signed(t, kms.SignInput{Message: m, MessageType: mt, SigningAlgorithm: shake256}, k)
					if err := mldsa.Verify(public, message, signature, nil); err != nil || len(signature) != size {
						t.Errorf("%q: %d bytes, %v", mt, len(signature), err)
					}
					for mt, m := range map[types.MessageType][]byte{"RAW": message, "EXTERNAL_MU": mu} {
						in := &kms.VerifyInput{KeyId: &k.id, Message: m, MessageType: mt, Signature: signature, SigningAlgorithm: shake256}
						if _, err := client.Verify(ctx, in); err != nil {
							t.Errorf("made of one, verified as %s: %v", mt, err)
						}
					}
					signatures = append(signatures, signature)
				}
				if bytes.Equal(signatures[0], signatures[1]) {
					t.Error("two signatures are the same: they are not hedged")
				}
			}
			mu := make([]byte, 64)
			const wrongMu = "External Mu is invalid length for algorithm ML_DSA_SHAKE_256."
			signRefused(t, k, shake256, "DIGEST", mu[:32], "ValidationException", "Message type DIGEST is incompatible with key spec "+string(spec)+".")
			signRefused(t, k, shake256, "DIGEST", mu, "ValidationException", "Message type DIGEST is incompatible with key spec "+string(spec)+".")
			signRefused(t, k, shake256, "EXTERNAL_MU", mu[1:], "ValidationException", wrongMu)
			signRefused(t, k, shake256, "EXTERNAL_MU", append(mu, 0), "ValidationException", wrongMu)
			signRefused(t, k, ed25519Pure, "", mu, "InvalidKeyUsageException", "Algorithm ED25519_SHA_512 is incompatible with key spec "+string(spec)+".")
		})
	}
}

// TestSecp256k1: signatures have the lower s, and both are accepted.
func TestSecp256k1(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), at.KMS()
	k := theKey(t, "ECC_SECG_P256K1", "SIGN_VERIFY", 0)
	message := []byte("message")
	out, err := client.Sign(ctx, &kms.SignInput{KeyId: &k.id, Message: message, SigningAlgorithm: "ECDSA_SHA_256"})
	if err != nil {
		t.Fatal(err)
	}
	low, err := k1ecdsa.ParseDERSignature(out.Signature)
	if err != nil {
		t.Fatal(err)
	}
	r, s := low.R(), low.S()
	if s.IsOverHalfOrder() {
		t.Error("s is over half of the order")
	}
	s.Negate()
	high := derOf(&r, &s)
	for _, signature := range [][]byte{out.Signature, high} {
		if _, err := client.Verify(ctx, &kms.VerifyInput{KeyId: &k.id, Message: message, Signature: signature, SigningAlgorithm: "ECDSA_SHA_256"}); err != nil {
			t.Error(err)
		}
	}
	signRefused(t, k, "ECDSA_SHA_384", "", message, "InvalidKeyUsageException", "Algorithm ECDSA_SHA_384 is incompatible with key spec ECC_SECG_P256K1.")
	signRefused(t, k, "ECDSA_SHA_256", "EXTERNAL_MU", make([]byte, 64), "ValidationException", "Message type EXTERNAL_MU is incompatible with key spec ECC_SECG_P256K1.")
}

// derOf is the DER of a signature as it is: the library's own encoder turns s over.
func derOf(r, s *secp256k1.ModNScalar) []byte {
	integer := func(v *secp256k1.ModNScalar) []byte {
		b := v.Bytes()
		digits := bytes.TrimLeft(b[:], "\x00")
		if digits[0] >= 0x80 {
			digits = append([]byte{0}, digits...)
		}
		return append([]byte{2, byte(len(digits))}, digits...)
	}
	body := append(integer(r), integer(s)...)
	return append([]byte{0x30, byte(len(body))}, body...)
}
