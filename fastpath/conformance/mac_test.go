package conformance_test

import (
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

func TestMAC(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), at.KMS()
	for algorithm, c := range map[types.MacAlgorithmSpec]struct {
		spec types.KeySpec
		size int
	}{"HMAC_SHA_224": {"HMAC_224", 28}, "HMAC_SHA_256": {"HMAC_256", 32}, "HMAC_SHA_384": {"HMAC_384", 48}, "HMAC_SHA_512": {"HMAC_512", 64}} {
		k := theKey(t, c.spec, "GENERATE_VERIFY_MAC", 0)
		for _, message := range [][]byte{[]byte("x"), make([]byte, 4096)} {
			out, err := client.GenerateMac(ctx, &kms.GenerateMacInput{KeyId: &k.id, Message: message, MacAlgorithm: algorithm})
			if err != nil {
				t.Fatal(err)
			}
			if len(out.Mac) != c.size || *out.KeyId != k.arn || out.MacAlgorithm != algorithm {
				t.Errorf("%s: %+v", algorithm, out)
			}
			v, err := client.VerifyMac(ctx, &kms.VerifyMacInput{KeyId: &k.arn, Message: message, Mac: out.Mac, MacAlgorithm: algorithm})
			if err != nil || !v.MacValid || *v.KeyId != k.arn || v.MacAlgorithm != algorithm {
				t.Errorf("%s: %+v, %v", algorithm, v, err)
			}
			altered := slices.Clone(out.Mac)
			altered[0] ^= 1
			for _, bad := range [][]byte{altered, out.Mac[1:], append(slices.Clone(out.Mac), 0), {1}} {
				_, err = client.VerifyMac(ctx, &kms.VerifyMacInput{KeyId: &k.id, Message: message, Mac: bad, MacAlgorithm: algorithm})
				wantError(t, err, "KMSInvalidMacException", "")
			}
			_, err = client.VerifyMac(ctx, &kms.VerifyMacInput{KeyId: &k.id, Message: message[:0:0], Mac: out.Mac, MacAlgorithm: algorithm})
			wantError(t, err, "ValidationException", validation("", "message", "have length greater than or equal to 1"))
		}
	}
}

func TestMACRefusals(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), at.KMS()
	mac, sym := hmac256(t), symmetric(t)
	for name, c := range map[string]struct {
		in            kms.GenerateMacInput
		code, message string
	}{
		"algorithm": {kms.GenerateMacInput{KeyId: &mac.id, MacAlgorithm: "HMAC_SHA_512"}, "InvalidKeyUsageException", "Algorithm HMAC_SHA_512 is incompatible with key spec HMAC_256."},
		"usage":     {kms.GenerateMacInput{KeyId: &sym.id, MacAlgorithm: "HMAC_SHA_256"}, "InvalidKeyUsageException", sym.arn + " key usage is ENCRYPT_DECRYPT which is not valid for GenerateMac."},
		"letter case": {kms.GenerateMacInput{KeyId: &mac.id, MacAlgorithm: "hmac_sha_256"}, "ValidationException",
			validation("'hmac_sha_256' ", "macAlgorithm", "satisfy enum value set: [HMAC_SHA_384, HMAC_SHA_256, HMAC_SHA_224, HMAC_SHA_512]")},
		"too long":    {kms.GenerateMacInput{KeyId: &mac.id, MacAlgorithm: "HMAC_SHA_256", Message: make([]byte, 4097)}, "ValidationException", validation("", "message", "have length less than or equal to 4096")},
		"dry run":     {kms.GenerateMacInput{KeyId: &mac.id, MacAlgorithm: "HMAC_SHA_256", DryRun: aws.Bool(true)}, "DryRunOperationException", "The request would have succeeded, but the DryRun option is set."},
		"grant token": {kms.GenerateMacInput{KeyId: &mac.id, MacAlgorithm: "HMAC_SHA_256", GrantTokens: []string{"x"}}, "InvalidGrantTokenException", ""},
	} {
		t.Run(name, func(t *testing.T) {
			if c.in.Message == nil {
				c.in.Message = []byte("x")
			}
			_, err := client.GenerateMac(ctx, &c.in)
			wantError(t, err, c.code, c.message)
		})
	}
	wantRefusal(t, call(t, "VerifyMac", object{"KeyId": mac.id, "Message": "eA==", "MacAlgorithm": "HMAC_SHA_256"}), "ValidationException", validation("null ", "mac", "not be null"))
	_, err := client.VerifyMac(ctx, &kms.VerifyMacInput{KeyId: &sym.id, MacAlgorithm: "HMAC_SHA_256", Message: []byte("x"), Mac: []byte("x")})
	wantError(t, err, "InvalidKeyUsageException", sym.arn+" key usage is ENCRYPT_DECRYPT which is not valid for VerifyMac.")
	right, err := client.GenerateMac(ctx, &kms.GenerateMacInput{KeyId: &mac.id, MacAlgorithm: "HMAC_SHA_256", Message: []byte("x")})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.VerifyMac(ctx, &kms.VerifyMacInput{KeyId: &mac.id, MacAlgorithm: "HMAC_SHA_256", Message: []byte("x"), Mac: right.Mac, DryRun: aws.Bool(true)})
	wantError(t, err, "DryRunOperationException", "The request would have succeeded, but the DryRun option is set.")
	_, err = client.VerifyMac(ctx, &kms.VerifyMacInput{KeyId: &mac.id, MacAlgorithm: "HMAC_SHA_256", Message: []byte("y"), Mac: right.Mac, DryRun: aws.Bool(true)})
	wantError(t, err, "KMSInvalidMacException", "")
}
