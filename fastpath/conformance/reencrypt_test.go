package conformance_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

func TestReEncrypt(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), at.KMS()
	type side struct {
		key       key
		algorithm types.EncryptionAlgorithmSpec
		context   map[string]string
	}
	sides := []side{
		{symmetric(t), aesGCM, nil},
		{newSymmetric(t), aesGCM, map[string]string{"a": "b"}},
		{rsaCrypt(t), oaepSHA1, nil},
		{rsaCrypt(t), oaepSHA256, nil},
	}
	for _, from := range sides {
		sealed, err := client.Encrypt(ctx, &kms.EncryptInput{KeyId: &from.key.id, EncryptionAlgorithm: from.algorithm, EncryptionContext: from.context, Plaintext: []byte("secret")})
		if err != nil {
			t.Fatal(err)
		}
		for _, to := range sides {
			in := &kms.ReEncryptInput{
				CiphertextBlob: sealed.CiphertextBlob, SourceEncryptionContext: from.context, SourceKeyId: &from.key.id, SourceEncryptionAlgorithm: from.algorithm,
				DestinationKeyId: &to.key.id, DestinationEncryptionAlgorithm: to.algorithm, DestinationEncryptionContext: to.context,
			}
			if from.algorithm == aesGCM {
				in.SourceKeyId, in.SourceEncryptionAlgorithm = nil, ""
			}
			out, err := client.ReEncrypt(ctx, in)
			if err != nil {
				t.Errorf("%s to %s: %v", from.algorithm, to.algorithm, err)
				continue
			}
			if *out.KeyId != to.key.arn || *out.SourceKeyId != from.key.arn || out.SourceEncryptionAlgorithm != from.algorithm || out.DestinationEncryptionAlgorithm != to.algorithm ||
				(out.SourceKeyMaterialId != nil) != (from.algorithm == aesGCM) || (out.DestinationKeyMaterialId != nil) != (to.algorithm == aesGCM) {
				t.Errorf("%s to %s: %+v", from.algorithm, to.algorithm, out)
			}
			if out.DestinationKeyMaterialId != nil && *out.DestinationKeyMaterialId != *describe(t, to.key.id).CurrentKeyMaterialId {
				t.Errorf("DestinationKeyMaterialId %s", *out.DestinationKeyMaterialId)
			}
			back, err := client.Decrypt(ctx, &kms.DecryptInput{KeyId: &to.key.id, CiphertextBlob: out.CiphertextBlob, EncryptionAlgorithm: to.algorithm, EncryptionContext: to.context})
			if err != nil || string(back.Plaintext) != "secret" {
				t.Errorf("%s to %s: %v, %v", from.algorithm, to.algorithm, back, err)
			}
		}
	}
}

func TestReEncryptRefusals(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), at.KMS()
	from, to, rsa, mac := symmetric(t), newSymmetric(t), rsaCrypt(t), hmac256(t)
	blob := encrypt(t, from.id, long(300))
	disabled := inState(t, "Disabled", &kms.CreateKeyInput{})
	for name, c := range map[string]struct {
		in            kms.ReEncryptInput
		code, message string
	}{
		"wrong source":            {kms.ReEncryptInput{SourceKeyId: &to.id}, "IncorrectKeyException", "The key ID in the request does not identify a CMK that can perform this operation."},
		"wrong context":           {kms.ReEncryptInput{SourceEncryptionContext: map[string]string{"a": "b"}}, "InvalidCiphertextException", ""},
		"damage":                  {kms.ReEncryptInput{CiphertextBlob: blob[1:]}, "InvalidCiphertextException", ""},
		"destination's usage":     {kms.ReEncryptInput{DestinationKeyId: &mac.id}, "InvalidKeyUsageException", mac.arn + " key usage is GENERATE_VERIFY_MAC which is not valid for ReEncryptTo."},
		"destination's state":     {kms.ReEncryptInput{DestinationKeyId: &disabled.id}, "DisabledException", disabled.arn + " is disabled."},
		"destination's algorithm": {kms.ReEncryptInput{DestinationKeyId: &rsa.id}, "InvalidKeyUsageException", "Algorithm SYMMETRIC_DEFAULT is incompatible with key spec RSA_2048."},
		"destination's limit": {kms.ReEncryptInput{DestinationKeyId: &rsa.id, DestinationEncryptionAlgorithm: oaepSHA256}, "ValidationException",
			"Algorithm RSAES_OAEP_SHA_256 and key spec RSA_2048 cannot encrypt data larger than 190 bytes."},
		"destination's context": {kms.ReEncryptInput{DestinationKeyId: &rsa.id, DestinationEncryptionAlgorithm: oaepSHA256, DestinationEncryptionContext: map[string]string{"a": "b"}}, "ValidationException",
			"EncryptionContext is not supported when encrypting/decrypting with asymmetric CMKs."},
		"absent destination": {kms.ReEncryptInput{DestinationKeyId: aws.String(absentID)}, "NotFoundException", "Key '" + arnOf(absentID) + "' does not exist"},
		"RSA without source": {kms.ReEncryptInput{SourceEncryptionAlgorithm: oaepSHA256}, "ValidationException", "KeyId is required where the encryption algorithm is not SYMMETRIC_DEFAULT."},
		"dry run":            {kms.ReEncryptInput{DryRun: aws.Bool(true)}, "DryRunOperationException", "The request would have succeeded, but the DryRun option is set."},
		"grant token":        {kms.ReEncryptInput{GrantTokens: []string{"x"}}, "InvalidGrantTokenException", ""},
	} {
		t.Run(name, func(t *testing.T) {
			if c.in.CiphertextBlob == nil {
				c.in.CiphertextBlob = blob
			}
			if c.in.DestinationKeyId == nil {
				c.in.DestinationKeyId = &to.id
			}
			_, err := client.ReEncrypt(ctx, &c.in)
			wantError(t, err, c.code, c.message)
		})
	}
}
