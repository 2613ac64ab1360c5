package conformance_test

import (
	"context"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/smithy-go/middleware"
	"github.com/google/uuid"

	"trent/fastpath/servertest"
)

func lastUsage(t testing.TB, client *kms.Client, id string) *kms.GetKeyLastUsageOutput {
	t.Helper()
	out, err := client.GetKeyLastUsage(context.Background(), &kms.GetKeyLastUsageInput{KeyId: &id})
	if err != nil {
		t.Fatalf("GetKeyLastUsage: %v", err)
	}
	if out.KeyLastUsage == nil {
		t.Fatal("no KeyLastUsage")
	}
	return out
}

// requestID is the id of a successful request.
func requestID(t testing.TB, metadata middleware.Metadata) string {
	t.Helper()
	id, ok := awsmiddleware.GetRequestIDMetadata(metadata)
	if !ok {
		t.Fatal("an answer without a request id")
	}
	return id
}

// wantUsage checks a key's last usage by the request that was it.
func wantUsage(t testing.TB, client *kms.Client, id string, op types.KeyLastUsageTrackingOperation, metadata middleware.Metadata) {
	t.Helper()
	u := lastUsage(t, client, id).KeyLastUsage
	if u.Operation != op || aws.ToString(u.KmsRequestId) != requestID(t, metadata) {
		t.Errorf("last usage %s %s, want %s %s", u.Operation, aws.ToString(u.KmsRequestId), op, requestID(t, metadata))
	}
	if _, err := uuid.Parse(aws.ToString(u.CloudTrailEventId)); err != nil || *u.CloudTrailEventId == *u.KmsRequestId {
		t.Errorf("event id %q", aws.ToString(u.CloudTrailEventId))
	}
	if u.Timestamp == nil || time.Since(*u.Timestamp).Abs() > time.Minute || u.Timestamp.Nanosecond() != 0 {
		t.Errorf("timestamp %v", u.Timestamp)
	}
}

// TestLastUsage: each tracked operation is a use, on success only, of all its keys.
func TestLastUsage(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), at.KMS()
	k, other := newSymmetric(t), newSymmetric(t)
	before := describe(t, k.id)
	never := lastUsage(t, client, k.arn)
	if u := never.KeyLastUsage; u.Operation != "" || u.Timestamp != nil || u.KmsRequestId != nil || u.CloudTrailEventId != nil {
		t.Errorf("a new key was used: %+v", u)
	}
	if *never.KeyId != k.id || !never.KeyCreationDate.Equal(*before.CreationDate) || !never.TrackingStartDate.Equal(*before.CreationDate) {
		t.Errorf("%s created %v, tracked since %v", *never.KeyId, never.KeyCreationDate, never.TrackingStartDate)
	}
	if a := call(t, "GetKeyLastUsage", object{"KeyId": k.id}); !containsAll(a.Body, `"KeyLastUsage":{}`) {
		t.Errorf("never used: %s", a.Body)
	}

	sealed, err := client.Encrypt(ctx, &kms.EncryptInput{KeyId: &k.id, Plaintext: []byte("x")})
	if err != nil {
		t.Fatal(err)
	}
	wantUsage(t, client, k.id, "Encrypt", sealed.ResultMetadata)
	opened, err := client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob})
	if err != nil {
		t.Fatal(err)
	}
	wantUsage(t, client, k.arn, "Decrypt", opened.ResultMetadata)
	dataKey, err := client.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: &k.id, KeySpec: "AES_256"})
	if err != nil {
		t.Fatal(err)
	}
	wantUsage(t, client, k.id, "GenerateDataKey", dataKey.ResultMetadata)
	hidden, err := client.GenerateDataKeyWithoutPlaintext(ctx, &kms.GenerateDataKeyWithoutPlaintextInput{KeyId: &k.id, KeySpec: "AES_256"})
	if err != nil {
		t.Fatal(err)
	}
	wantUsage(t, client, k.id, "GenerateDataKeyWithoutPlaintext", hidden.ResultMetadata)

	// What fails, what only pretends and what does not use the key leave the last one.
	_, _ = client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob, EncryptionContext: map[string]string{"a": "b"}})
	_, _ = client.Encrypt(ctx, &kms.EncryptInput{KeyId: &k.id, Plaintext: []byte("x"), DryRun: aws.Bool(true)})
	_, _ = client.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &k.id})
	_, _ = client.GetKeyLastUsage(ctx, &kms.GetKeyLastUsageInput{KeyId: &k.id})
	wantUsage(t, client, k.id, "GenerateDataKeyWithoutPlaintext", hidden.ResultMetadata)

	moved, err := client.ReEncrypt(ctx, &kms.ReEncryptInput{CiphertextBlob: sealed.CiphertextBlob, DestinationKeyId: &other.id})
	if err != nil {
		t.Fatal(err)
	}
	wantUsage(t, client, k.id, "ReEncrypt", moved.ResultMetadata)
	wantUsage(t, client, other.id, "ReEncrypt", moved.ResultMetadata)
}

func TestLastUsageOfAsymmetricKeys(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), at.KMS()
	signs := newKey(t, &kms.CreateKeyInput{KeySpec: "ECC_NIST_P256", KeyUsage: "SIGN_VERIFY"})
	macs := newKey(t, &kms.CreateKeyInput{KeySpec: "HMAC_256", KeyUsage: "GENERATE_VERIFY_MAC"})
	signed, err := client.Sign(ctx, &kms.SignInput{KeyId: &signs.id, Message: []byte("m"), SigningAlgorithm: "ECDSA_SHA_256"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.GetPublicKey(ctx, &kms.GetPublicKeyInput{KeyId: &signs.id}); err != nil {
		t.Fatal(err)
	}
	wantUsage(t, client, signs.id, "Sign", signed.ResultMetadata)
	verified, err := client.Verify(ctx, &kms.VerifyInput{KeyId: &signs.id, Message: []byte("m"), Signature: signed.Signature, SigningAlgorithm: "ECDSA_SHA_256"})
	if err != nil {
		t.Fatal(err)
	}
	_, _ = client.Verify(ctx, &kms.VerifyInput{KeyId: &signs.id, Message: []byte("n"), Signature: signed.Signature, SigningAlgorithm: "ECDSA_SHA_256"})
	wantUsage(t, client, signs.id, "Verify", verified.ResultMetadata)
	sum, err := client.GenerateMac(ctx, &kms.GenerateMacInput{KeyId: &macs.id, Message: []byte("m"), MacAlgorithm: "HMAC_SHA_256"})
	if err != nil {
		t.Fatal(err)
	}
	wantUsage(t, client, macs.id, "GenerateMac", sum.ResultMetadata)
	checked, err := client.VerifyMac(ctx, &kms.VerifyMacInput{KeyId: &macs.id, Message: []byte("m"), Mac: sum.Mac, MacAlgorithm: "HMAC_SHA_256"})
	if err != nil {
		t.Fatal(err)
	}
	wantUsage(t, client, macs.id, "VerifyMac", checked.ResultMetadata)
}

func TestLastUsageOfAgreement(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), at.KMS()
	agrees := newKey(t, &kms.CreateKeyInput{KeySpec: "ECC_NIST_P256", KeyUsage: "KEY_AGREEMENT"})
	kem := newKey(t, &kms.CreateKeyInput{KeySpec: "ML_KEM_768", KeyUsage: "ENCAPSULATE_DECAPSULATE"})
	own, err := client.GetPublicKey(ctx, &kms.GetPublicKeyInput{KeyId: &agrees.id})
	if err != nil {
		t.Fatal(err)
	}
	shared, err := client.DeriveSharedSecret(ctx, &kms.DeriveSharedSecretInput{KeyId: &agrees.id, KeyAgreementAlgorithm: "ECDH", PublicKey: own.PublicKey})
	if err != nil {
		t.Fatal(err)
	}
	wantUsage(t, client, agrees.id, "DeriveSharedSecret", shared.ResultMetadata)
	sealed, err := client.Encapsulate(ctx, &kms.EncapsulateInput{KeyId: &kem.id, EncapsulationAlgorithm: "ML_KEM"})
	if err != nil {
		t.Fatal(err)
	}
	wantUsage(t, client, kem.id, "Encapsulate", sealed.ResultMetadata)
	opened, err := client.Decapsulate(ctx, &kms.DecapsulateInput{KeyId: &kem.id, EncapsulationAlgorithm: "ML_KEM", SharedSecretCiphertextBlob: sealed.SharedSecretCiphertextBlob})
	if err != nil {
		t.Fatal(err)
	}
	wantUsage(t, client, kem.id, "Decapsulate", opened.ResultMetadata)
}

func TestLastUsageRefusals(t *testing.T) {
	t.Parallel()
	wantRefusal(t, call(t, "GetKeyLastUsage", object{"KeyId": "alias/x"}), "InvalidArnException", "Key Aliases are not supported for this operation.")
	wantRefusal(t, call(t, "GetKeyLastUsage", object{"KeyId": absentID}), "NotFoundException", "Key '"+arnOf(absentID)+"' does not exist")
	wantRefusal(t, call(t, "GetKeyLastUsage", object{}), "ValidationException", validation("null ", "keyId", "not be null"))
	// Every state answers.
	for _, state := range []types.KeyState{types.KeyStateDisabled, types.KeyStatePendingDeletion, types.KeyStatePendingImport} {
		if u := lastUsage(t, at.KMS(), inState(t, state, &kms.CreateKeyInput{}).id); u.KeyLastUsage.Operation != "" {
			t.Errorf("%s: %+v", state, u.KeyLastUsage)
		}
	}
}

// TestLastUsageIsKept over restarts, while other keys are used on.
func TestLastUsageIsKept(t *testing.T) {
	t.Parallel()
	ownServer(t)
	ctx := t.Context()
	s := servertest.Start(t, servertest.Options{Logf: t.Logf})
	made, err := s.KMS().CreateKey(ctx, &kms.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	id := *made.KeyMetadata.KeyId
	used, err := s.KMS().Encrypt(ctx, &kms.EncryptInput{KeyId: &id, Plaintext: []byte("x")})
	if err != nil {
		t.Fatal(err)
	}
	before := lastUsage(t, s.KMS(), id)
	for range 2 {
		s.Restart(t)
		wantUsage(t, s.KMS(), id, "Encrypt", used.ResultMetadata)
		now := lastUsage(t, s.KMS(), id)
		if *now.KeyLastUsage.CloudTrailEventId != *before.KeyLastUsage.CloudTrailEventId || !now.KeyLastUsage.Timestamp.Equal(*before.KeyLastUsage.Timestamp) ||
			!now.TrackingStartDate.Equal(*before.TrackingStartDate) {
			t.Errorf("%+v became %+v", before, now)
		}
	}
	again, err := s.KMS().Encrypt(ctx, &kms.EncryptInput{KeyId: &id, Plaintext: []byte("x")})
	if err != nil {
		t.Fatal(err)
	}
	wantUsage(t, s.KMS(), id, "Encrypt", again.ResultMetadata)
}
