package conformance_test

import (
	"bytes"
	"crypto/mlkem"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/cloudflare/circl/kem"
)

// encapsulatedOutside makes a secret for a public key without the service.
func encapsulatedOutside(t *testing.T, public any) (secret, ciphertext []byte) {
	t.Helper()
	var err error
	switch public := public.(type) {
	case kem.PublicKey:
		ciphertext, secret, err = public.Scheme().Encapsulate(public)
	case *mlkem.EncapsulationKey768:
		secret, ciphertext = public.Encapsulate()
	case *mlkem.EncapsulationKey1024:
		secret, ciphertext = public.Encapsulate()
	default:
		t.Fatalf("public key %T", public)
	}
	if err != nil {
		t.Fatal(err)
	}
	return secret, ciphertext
}

var kemSizes = map[types.KeySpec]int{"ML_KEM_512": 768, "ML_KEM_768": 1088, "ML_KEM_1024": 1568}

func TestEncapsulate(t *testing.T) {
	t.Parallel()
	for spec, size := range kemSizes {
		t.Run(string(spec), func(t *testing.T) {
			t.Parallel()
			ctx, client := t.Context(), at.KMS()
			k := theKey(t, spec, "ENCAPSULATE_DECAPSULATE", 0)
			decapsulated := func(name string, blob []byte) []byte {
				t.Helper()
				out, err := client.Decapsulate(ctx, &kms.DecapsulateInput{KeyId: &name, SharedSecretCiphertextBlob: blob, EncapsulationAlgorithm: "ML_KEM", DryRun: aws.Bool(false)})
				if err != nil {
					t.Fatal(err)
				}
				if *out.KeyId != k.arn || out.EncapsulationAlgorithm != "ML_KEM" || len(out.SharedSecret) != 32 {
					t.Errorf("answer %+v", out)
				}
				return out.SharedSecret
			}
			var made [2]*kms.EncapsulateOutput
			for i, name := range []string{k.id, k.arn} {
				var err error
				if made[i], err = client.Encapsulate(ctx, &kms.EncapsulateInput{KeyId: &name, EncapsulationAlgorithm: "ML_KEM"}); err != nil {
					t.Fatal(err)
				}
				out := made[i]
				if *out.KeyId != k.arn || out.EncapsulationAlgorithm != "ML_KEM" || len(out.SharedSecret) != 32 || len(out.SharedSecretCiphertextBlob) != size {
					t.Errorf("answer %+v", out)
				}
				if got := decapsulated(name, out.SharedSecretCiphertextBlob); !bytes.Equal(got, out.SharedSecret) {
					t.Error("another secret")
				}
			}
			if bytes.Equal(made[0].SharedSecret, made[1].SharedSecret) {
				t.Error("the same secret twice")
			}
			secret, blob := encapsulatedOutside(t, publicKey(t, k))
			if got := decapsulated(k.id, blob); !bytes.Equal(got, secret) {
				t.Error("a secret made outside is another one inside")
			}
			// Implicit rejection: an altered ciphertext gives another secret, always the same one.
			altered := slices.Clone(blob)
			altered[size/2] ^= 1
			rejected := decapsulated(k.id, altered)
			if bytes.Equal(rejected, secret) || !bytes.Equal(rejected, decapsulated(k.id, altered)) {
				t.Error("an altered ciphertext is not rejected as it should be")
			}
			if other := theKey(t, spec, "ENCAPSULATE_DECAPSULATE", 1); true {
				out, err := client.Decapsulate(ctx, &kms.DecapsulateInput{KeyId: &other.id, SharedSecretCiphertextBlob: blob, EncapsulationAlgorithm: "ML_KEM"})
				if err != nil || bytes.Equal(out.SharedSecret, secret) {
					t.Errorf("by another key: %+v, %v", out, err)
				}
			}
			for _, bad := range [][]byte{{1}, blob[1:], append(slices.Clone(blob), 0)} {
				_, err := client.Decapsulate(ctx, &kms.DecapsulateInput{KeyId: &k.id, SharedSecretCiphertextBlob: bad, EncapsulationAlgorithm: "ML_KEM"})
				wantError(t, err, "InvalidCiphertextException", "")
			}
		})
	}
}

// TestEncapsulateRefusals makes each refusal of both operations.
func TestEncapsulateRefusals(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), at.KMS()
	k, sym := theKey(t, "ML_KEM_768", "ENCAPSULATE_DECAPSULATE", 0), symmetric(t)
	_, blob := encapsulatedOutside(t, publicKey(t, k))
	disabled := newKey(t, &kms.CreateKeyInput{KeySpec: "ML_KEM_768", KeyUsage: "ENCAPSULATE_DECAPSULATE"})
	if _, err := client.DisableKey(ctx, &kms.DisableKeyInput{KeyId: &disabled.id}); err != nil {
		t.Fatal(err)
	}
	pending := newKey(t, &kms.CreateKeyInput{KeySpec: "ML_KEM_512", KeyUsage: "ENCAPSULATE_DECAPSULATE"})
	if _, err := client.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &pending.id}); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		keyID, algorithm string
		tokens           []string
		dry              bool
		code, message    string // %s in the message is the operation
	}{
		"symmetric":        {sym.id, "ML_KEM", nil, false, "InvalidKeyUsageException", sym.arn + " key usage is ENCRYPT_DECRYPT which is not valid for %s."},
		"disabled":         {disabled.id, "ML_KEM", nil, false, "DisabledException", disabled.arn + " is disabled."},
		"pending deletion": {pending.id, "ML_KEM", nil, false, "KMSInvalidStateException", pending.arn + " is pending deletion."},
		"absent":           {absentID, "ML_KEM", nil, false, "NotFoundException", "Key '" + arnOf(absentID) + "' does not exist"},
		"algorithm":        {k.id, "RSA_KEM", nil, false, "ValidationException", validation("'RSA_KEM' ", "encapsulationAlgorithm", "satisfy enum value set: [ML_KEM]")},
		"grant token":      {k.id, "ML_KEM", []string{"x"}, false, "InvalidGrantTokenException", ""},
		"dry run":          {k.id, "ML_KEM", nil, true, "DryRunOperationException", "The request would have succeeded, but the DryRun option is set."},
	} {
		t.Run(name, func(t *testing.T) {
			algorithm := types.EncapsulationAlgorithmSpec(c.algorithm)
			_, err := client.Encapsulate(ctx, &kms.EncapsulateInput{KeyId: &c.keyID, EncapsulationAlgorithm: algorithm, GrantTokens: c.tokens, DryRun: &c.dry})
			wantError(t, err, c.code, replaced(c.message, "Encapsulate"))
			_, err = client.Decapsulate(ctx, &kms.DecapsulateInput{KeyId: &c.keyID, EncapsulationAlgorithm: algorithm, GrantTokens: c.tokens, DryRun: &c.dry, SharedSecretCiphertextBlob: blob})
			wantError(t, err, c.code, replaced(c.message, "Decapsulate"))
		})
	}
	_, err := client.Decapsulate(ctx, &kms.DecapsulateInput{KeyId: &k.id, EncapsulationAlgorithm: "ML_KEM", SharedSecretCiphertextBlob: blob[1:], DryRun: aws.Bool(true)})
	wantError(t, err, "InvalidCiphertextException", "")
	_, err = client.Sign(ctx, &kms.SignInput{KeyId: &k.id, Message: []byte("x"), SigningAlgorithm: "ML_DSA_SHAKE_256"})
	wantError(t, err, "InvalidKeyUsageException", k.arn+" key usage is ENCAPSULATE_DECAPSULATE which is not valid for Sign.")
	_, err = client.Encrypt(ctx, &kms.EncryptInput{KeyId: &k.id, Plaintext: []byte("x")})
	wantError(t, err, "InvalidKeyUsageException", k.arn+" key usage is ENCAPSULATE_DECAPSULATE which is not valid for Encrypt.")
}

func replaced(text, operation string) string {
	return string(bytes.ReplaceAll([]byte(text), []byte("%s"), []byte(operation)))
}
