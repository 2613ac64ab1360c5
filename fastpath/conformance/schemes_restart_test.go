package conformance_test

import (
	"bytes"
	"crypto/elliptic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"trent/fastpath/servertest"
)

// TestRestartOfSchemes: keys of the newer specs are what they were after a restart.
func TestRestartOfSchemes(t *testing.T) {
	t.Parallel()
	ownServer(t)
	ctx := t.Context()
	s := servertest.Start(t, servertest.Options{Logf: t.Logf})
	client := s.KMS()
	create := func(spec types.KeySpec, usage types.KeyUsageType) *string {
		t.Helper()
		out, err := client.CreateKey(ctx, &kms.CreateKeyInput{KeySpec: spec, KeyUsage: usage})
		if err != nil {
			t.Fatal(err)
		}
		return out.KeyMetadata.KeyId
	}
	signatures := map[types.SigningAlgorithmSpec]*kms.VerifyInput{}
	for spec, algorithm := range map[types.KeySpec]types.SigningAlgorithmSpec{"ECC_SECG_P256K1": "ECDSA_SHA_256", "ECC_NIST_EDWARDS25519": ed25519Pure, "ML_DSA_87": shake256} {
		id := create(spec, "SIGN_VERIFY")
		out, err := client.Sign(ctx, &kms.SignInput{KeyId: id, Message: []byte("m"), SigningAlgorithm: algorithm})
		if err != nil {
			t.Fatal(err)
		}
		signatures[algorithm] = &kms.VerifyInput{KeyId: id, Message: []byte("m"), SigningAlgorithm: algorithm, Signature: out.Signature}
	}
	agreement, kem := create("ECC_NIST_P521", "KEY_AGREEMENT"), create("ML_KEM_1024", "ENCAPSULATE_DECAPSULATE")
	_, spki := peerOn(t, elliptic.P521())
	derive := &kms.DeriveSharedSecretInput{KeyId: agreement, KeyAgreementAlgorithm: "ECDH", PublicKey: spki}
	shared, err := client.DeriveSharedSecret(ctx, derive)
	if err != nil {
		t.Fatal(err)
	}
	encapsulated, err := client.Encapsulate(ctx, &kms.EncapsulateInput{KeyId: kem, EncapsulationAlgorithm: "ML_KEM"})
	if err != nil {
		t.Fatal(err)
	}
	s.Restart(t)
	client = s.KMS()
	for algorithm, in := range signatures {
		if _, err := client.Verify(ctx, in); err != nil {
			t.Errorf("%s: %v", algorithm, err)
		}
	}
	if again, err := client.DeriveSharedSecret(ctx, derive); err != nil || !bytes.Equal(again.SharedSecret, shared.SharedSecret) {
		t.Errorf("%+v, %v", again, err)
	}
	out, err := client.Decapsulate(ctx, &kms.DecapsulateInput{KeyId: kem, EncapsulationAlgorithm: "ML_KEM", SharedSecretCiphertextBlob: encapsulated.SharedSecretCiphertextBlob})
	if err != nil || !bytes.Equal(out.SharedSecret, encapsulated.SharedSecret) {
		t.Errorf("%+v, %v", out, err)
	}
}
