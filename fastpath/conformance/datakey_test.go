package conformance_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

func TestGenerateDataKey(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), at.KMS()
	k := symmetric(t)
	material := *describe(t, k.id).CurrentKeyMaterialId
	for _, c := range []struct {
		spec   types.DataKeySpec
		number *int32
		bytes  int
	}{{"AES_256", nil, 32}, {"AES_128", nil, 16}, {"", aws.Int32(1), 1}, {"", aws.Int32(64), 64}, {"", aws.Int32(1024), 1024}} {
		bound := map[string]string{"purpose": "test"}
		out, err := client.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: &k.id, KeySpec: c.spec, NumberOfBytes: c.number, EncryptionContext: bound})
		if err != nil {
			t.Fatal(err)
		}
		if len(out.Plaintext) != c.bytes || *out.KeyId != k.arn || *out.KeyMaterialId != material {
			t.Errorf("%s: %d bytes, %s, %s", c.spec, len(out.Plaintext), *out.KeyId, *out.KeyMaterialId)
		}
		if c.bytes == 32 && len(out.CiphertextBlob) != 184 || c.bytes == 16 && len(out.CiphertextBlob) != 168 {
			t.Errorf("ciphertext of %d bytes has %d", c.bytes, len(out.CiphertextBlob))
		}
		back, err := client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: out.CiphertextBlob, EncryptionContext: bound})
		if err != nil || !bytes.Equal(back.Plaintext, out.Plaintext) {
			t.Errorf("%d bytes: %v", c.bytes, err)
		}
		alone, err := client.GenerateDataKeyWithoutPlaintext(ctx, &kms.GenerateDataKeyWithoutPlaintextInput{KeyId: &k.arn, KeySpec: c.spec, NumberOfBytes: c.number, EncryptionContext: bound})
		if err != nil {
			t.Fatal(err)
		}
		back2, err := client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: alone.CiphertextBlob, EncryptionContext: bound})
		if err != nil || len(back2.Plaintext) != c.bytes || c.bytes > 8 && bytes.Equal(back2.Plaintext, back.Plaintext) || *alone.KeyId != k.arn || *alone.KeyMaterialId != material {
			t.Errorf("%d bytes without plaintext: %v", c.bytes, err)
		}
	}
	a := call(t, "GenerateDataKeyWithoutPlaintext", object{"KeyId": k.id, "KeySpec": "AES_256"})
	if strings.Contains(a.Body, "Plaintext") {
		t.Errorf("answer %s", a.Body)
	}
}

func TestGenerateDataKeyRefusals(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), at.KMS()
	sym, rsa, mac, sign := symmetric(t), rsaCrypt(t), hmac256(t), rsaSign(t)
	const either = "Please specify either number of bytes or key spec."
	for name, c := range map[string]struct {
		in            kms.GenerateDataKeyInput
		code, message string
	}{
		"neither":     {kms.GenerateDataKeyInput{KeyId: &sym.id}, "ValidationException", either},
		"both":        {kms.GenerateDataKeyInput{KeyId: &sym.id, KeySpec: "AES_256", NumberOfBytes: aws.Int32(32)}, "ValidationException", either},
		"zero bytes":  {kms.GenerateDataKeyInput{KeyId: &sym.id, NumberOfBytes: aws.Int32(0)}, "ValidationException", validation("'0' ", "numberOfBytes", "have value greater than or equal to 1")},
		"1025 bytes":  {kms.GenerateDataKeyInput{KeyId: &sym.id, NumberOfBytes: aws.Int32(1025)}, "ValidationException", validation("'1025' ", "numberOfBytes", "have value less than or equal to 1024")},
		"RSA":         {kms.GenerateDataKeyInput{KeyId: &rsa.id, KeySpec: "AES_256"}, "InvalidKeyUsageException", "You cannot generate a data key with an asymmetric CMK"},
		"dry run":     {kms.GenerateDataKeyInput{KeyId: &sym.id, KeySpec: "AES_256", DryRun: aws.Bool(true)}, "DryRunOperationException", "The request would have succeeded, but the DryRun option is set."},
		"grant token": {kms.GenerateDataKeyInput{KeyId: &sym.id, KeySpec: "AES_256", GrantTokens: []string{"x"}}, "InvalidGrantTokenException", ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := client.GenerateDataKey(ctx, &c.in)
			wantError(t, err, c.code, c.message)
			_, err = client.GenerateDataKeyWithoutPlaintext(ctx, &kms.GenerateDataKeyWithoutPlaintextInput{
				KeyId: c.in.KeyId, KeySpec: c.in.KeySpec, NumberOfBytes: c.in.NumberOfBytes, DryRun: c.in.DryRun, GrantTokens: c.in.GrantTokens,
			})
			wantError(t, err, c.code, c.message)
		})
	}
	_, err := client.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: &mac.id, KeySpec: "AES_256"})
	wantError(t, err, "InvalidKeyUsageException", mac.arn+" key usage is GENERATE_VERIFY_MAC which is not valid for GenerateDataKey.")
	_, err = client.GenerateDataKeyWithoutPlaintext(ctx, &kms.GenerateDataKeyWithoutPlaintextInput{KeyId: &sign.id, KeySpec: "AES_256"})
	wantError(t, err, "InvalidKeyUsageException", sign.arn+" key usage is SIGN_VERIFY which is not valid for GenerateDataKeyWithoutPlaintext.")
	_, err = client.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: &sym.id, KeySpec: "RSA_2048"})
	wantError(t, err, "ValidationException", validation("'RSA_2048' ", "keySpec", "satisfy enum value set: [RSA_2048, RSA_3072, RSA_4096, ECC_NIST_P256, "+
		"ECC_NIST_P384, ECC_NIST_P521, ECC_SECG_P256K1, ECC_NIST_EDWARDS25519, SYMMETRIC_DEFAULT, HMAC_224, HMAC_256, HMAC_384, HMAC_512, SM2, ML_DSA_44, ML_DSA_65, ML_DSA_87]"))
}

func TestGenerateRandom(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), at.KMS()
	var last []byte
	for _, n := range []int32{1, 32, 1024, 32} {
		out, err := client.GenerateRandom(ctx, &kms.GenerateRandomInput{NumberOfBytes: &n})
		if err != nil || len(out.Plaintext) != int(n) || n > 8 && bytes.Equal(out.Plaintext, last) {
			t.Errorf("%d bytes: %v, %v", n, out, err)
		}
		last = out.Plaintext
	}
	_, err := client.GenerateRandom(ctx, &kms.GenerateRandomInput{})
	wantError(t, err, "ValidationException", "NumberOfBytes is required.")
	for n, must := range map[int32]string{0: "have value greater than or equal to 1", 1025: "have value less than or equal to 1024"} {
		_, err := client.GenerateRandom(ctx, &kms.GenerateRandomInput{NumberOfBytes: &n})
		wantError(t, err, "ValidationException", validation("'"+itoa(int(n))+"' ", "numberOfBytes", must))
	}
	_, err = client.GenerateRandom(ctx, &kms.GenerateRandomInput{NumberOfBytes: aws.Int32(1), CustomKeyStoreId: aws.String("cks-0123456789abcdef0")})
	wantError(t, err, "CustomKeyStoreNotFoundException", "Custom key store cks-0123456789abcdef0 does not exist.")
}
