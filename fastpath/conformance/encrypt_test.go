package conformance_test

import (
	"bytes"
	"encoding/hex"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

const (
	oaepSHA1   = types.EncryptionAlgorithmSpecRsaesOaepSha1
	oaepSHA256 = types.EncryptionAlgorithmSpecRsaesOaepSha256
	aesGCM     = types.EncryptionAlgorithmSpecSymmetricDefault
)

// TestCiphertextSizes: the service's own sizes and visible prefix.
func TestCiphertextSizes(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), at.KMS()
	k := symmetric(t)
	for plain, size := range map[int]int{1: 153, 16: 168, 32: 184, 4096: 4258} {
		plaintext := bytes.Repeat([]byte{0xA7}, plain)
		out, err := client.Encrypt(ctx, &kms.EncryptInput{KeyId: &k.id, Plaintext: plaintext})
		if err != nil {
			t.Fatal(err)
		}
		blob := out.CiphertextBlob
		if plain != 1 && len(blob) != size || !strings.HasPrefix(hex.EncodeToString(blob), "0102020078") {
			t.Errorf("%d bytes give %d beginning %x, want %d", plain, len(blob), blob[:5], size)
		}
		if *out.KeyId != k.arn || out.EncryptionAlgorithm != aesGCM {
			t.Errorf("answer %s %s", *out.KeyId, out.EncryptionAlgorithm)
		}
		back, err := client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blob})
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(back.Plaintext, plaintext) || *back.KeyId != k.arn || back.EncryptionAlgorithm != aesGCM ||
			*back.KeyMaterialId != *describe(t, k.id).CurrentKeyMaterialId {
			t.Errorf("%d bytes: %+v", plain, back)
		}
		again := encrypt(t, k.id, string(plaintext))
		if bytes.Equal(again, blob) {
			t.Error("the same ciphertext twice")
		}
	}
}

func TestPlaintextLimits(t *testing.T) {
	t.Parallel()
	k := symmetric(t)
	for n, must := range map[int]string{0: "have length greater than or equal to 1", 4097: "have length less than or equal to 4096"} {
		_, err := at.KMS().Encrypt(t.Context(), &kms.EncryptInput{KeyId: &k.id, Plaintext: make([]byte, n)})
		wantError(t, err, "ValidationException", validation("", "plaintext", must))
	}
}

func TestEncryptionContext(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), at.KMS()
	k := symmetric(t)
	contexts := []map[string]string{
		{}, {"a": "b"}, {"a": "B"}, {"A": "b"}, {"b": "a"}, {"a": "b", "c": "d"}, {"a": "d", "c": "b"}, {"ab": "cd"}, {"abc": "d"}, {"ä": "ü😀"}, {"a": long(4000)},
	}
	for i, sealed := range contexts {
		out, err := client.Encrypt(ctx, &kms.EncryptInput{KeyId: &k.id, Plaintext: []byte("secret"), EncryptionContext: sealed})
		if err != nil {
			t.Fatalf("context %v: %v", sealed, err)
		}
		for j, opened := range contexts {
			back, err := client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: out.CiphertextBlob, EncryptionContext: opened})
			if i != j {
				wantError(t, err, "InvalidCiphertextException", "")
			} else if err != nil || string(back.Plaintext) != "secret" {
				t.Errorf("context %v: %v", opened, err)
			}
		}
	}
}

func TestContextOrderIsFree(t *testing.T) {
	t.Parallel()
	k := symmetric(t)
	a := at.Call(t, "Encrypt", `{"KeyId":"`+k.id+`","Plaintext":"eA==","EncryptionContext":{"x":"1","y":"2","z":"3"}}`)
	blob := decode[struct{ CiphertextBlob string }](t, a).CiphertextBlob
	b := at.Call(t, "Decrypt", `{"CiphertextBlob":"`+blob+`","EncryptionContext":{"z":"3","\u0079":"2","x":"1"}}`)
	if got := decode[struct{ Plaintext string }](t, b).Plaintext; got != "eA==" {
		t.Errorf("plaintext %q", got)
	}
}

// TestDamagedCiphertexts: whatever byte is changed, cut or added, the answer is one and the same.
func TestDamagedCiphertexts(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), at.KMS()
	k := symmetric(t)
	blob := encrypt(t, k.id, "secret")
	damaged := [][]byte{blob[:len(blob)-1], append(slices.Clone(blob), 0), []byte("x"), bytes.Repeat([]byte{1}, 6144), blob[:20]}
	for i := range blob {
		if i%7 == 0 || i < 8 || i > len(blob)-3 {
			d := slices.Clone(blob)
			d[i] ^= 1
			damaged = append(damaged, d)
		}
	}
	for _, d := range damaged {
		for _, name := range []*string{nil, &k.id} {
			_, err := client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: d, KeyId: name})
			wantError(t, err, "InvalidCiphertextException", "")
		}
	}
	for n, must := range map[int]string{0: "have length greater than or equal to 1", 6145: "have length less than or equal to 6144"} {
		_, err := client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: make([]byte, n)})
		wantError(t, err, "ValidationException", validation("", "ciphertextBlob", must))
	}
}

func TestDecryptWithKey(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), at.KMS()
	k, other := symmetric(t), newSymmetric(t)
	blob := encrypt(t, k.id, "secret")
	const incorrect = "The key ID in the request does not identify a CMK that can perform this operation."
	pending := inState(t, "PendingImport", &kms.CreateKeyInput{})
	for _, wrong := range []key{other, hmac256(t), rsaSign(t), pending} {
		_, err := client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blob, KeyId: &wrong.id})
		wantError(t, err, "IncorrectKeyException", incorrect)
	}
	_, err := client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blob, KeyId: aws.String(absentID)})
	wantError(t, err, "NotFoundException", "Key '"+arnOf(absentID)+"' does not exist")
	out, err := client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blob, KeyId: &k.arn, EncryptionAlgorithm: aesGCM})
	if err != nil || string(out.Plaintext) != "secret" {
		t.Errorf("%v, %v", out, err)
	}
}

func TestRSAEncryption(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), at.KMS()
	k := rsaCrypt(t)
	for algorithm, limit := range map[types.EncryptionAlgorithmSpec]int{oaepSHA1: 214, oaepSHA256: 190} {
		plaintext := bytes.Repeat([]byte{7}, limit)
		out, err := client.Encrypt(ctx, &kms.EncryptInput{KeyId: &k.id, Plaintext: plaintext, EncryptionAlgorithm: algorithm})
		if err != nil {
			t.Fatal(err)
		}
		if len(out.CiphertextBlob) != 256 || out.EncryptionAlgorithm != algorithm || *out.KeyId != k.arn {
			t.Errorf("answer %+v", out)
		}
		back, err := client.Decrypt(ctx, &kms.DecryptInput{KeyId: &k.id, CiphertextBlob: out.CiphertextBlob, EncryptionAlgorithm: algorithm})
		if err != nil || !bytes.Equal(back.Plaintext, plaintext) || back.KeyMaterialId != nil || *back.KeyId != k.arn {
			t.Errorf("%+v, %v", back, err)
		}
		_, err = client.Encrypt(ctx, &kms.EncryptInput{KeyId: &k.id, Plaintext: append(plaintext, 7), EncryptionAlgorithm: algorithm})
		wantError(t, err, "ValidationException", "Algorithm "+string(algorithm)+" and key spec RSA_2048 cannot encrypt data larger than "+itoa(limit)+" bytes.")
		// The other hash, no algorithm, a cut and an altered ciphertext: one answer.
		other := oaepSHA1
		if algorithm == oaepSHA1 {
			other = oaepSHA256
		}
		altered := slices.Clone(out.CiphertextBlob)
		altered[100] ^= 1
		for _, in := range []*kms.DecryptInput{
			{CiphertextBlob: out.CiphertextBlob, EncryptionAlgorithm: other},
			{CiphertextBlob: out.CiphertextBlob},
			{CiphertextBlob: out.CiphertextBlob[1:], EncryptionAlgorithm: algorithm},
			{CiphertextBlob: altered, EncryptionAlgorithm: algorithm},
		} {
			in.KeyId = &k.id
			_, err = client.Decrypt(ctx, in)
			wantError(t, err, "InvalidCiphertextException", "")
		}
	}
}

// TestOAEPLimits: the largest plaintexts of the larger keys (RFC 8017, 7.1.1).
func TestOAEPLimits(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("makes two large RSA keys")
	}
	for spec, limits := range map[types.KeySpec]map[types.EncryptionAlgorithmSpec]int{
		"RSA_3072": {oaepSHA1: 342, oaepSHA256: 318}, "RSA_4096": {oaepSHA1: 470, oaepSHA256: 446},
	} {
		k := theKey(t, spec, "ENCRYPT_DECRYPT", 0)
		for algorithm, limit := range limits {
			in := &kms.EncryptInput{KeyId: &k.id, Plaintext: make([]byte, limit), EncryptionAlgorithm: algorithm}
			if _, err := at.KMS().Encrypt(t.Context(), in); err != nil {
				t.Errorf("%s %s: %v", spec, algorithm, err)
			}
			in.Plaintext = make([]byte, limit+1)
			_, err := at.KMS().Encrypt(t.Context(), in)
			wantError(t, err, "ValidationException", "Algorithm "+string(algorithm)+" and key spec "+string(spec)+" cannot encrypt data larger than "+itoa(limit)+" bytes.")
		}
	}
}

func TestEncryptRefusals(t *testing.T) {
	t.Parallel()
	sym, rsa, sign := symmetric(t), rsaCrypt(t), p256(t)
	for name, c := range map[string]struct {
		in            kms.EncryptInput
		code, message string
	}{
		"RSA, default algorithm": {kms.EncryptInput{KeyId: &rsa.id}, "InvalidKeyUsageException", "Algorithm SYMMETRIC_DEFAULT is incompatible with key spec RSA_2048."},
		"symmetric, OAEP":        {kms.EncryptInput{KeyId: &sym.id, EncryptionAlgorithm: oaepSHA256}, "InvalidKeyUsageException", "Algorithm RSAES_OAEP_SHA_256 is incompatible with key spec SYMMETRIC_DEFAULT."},
		"signing key":            {kms.EncryptInput{KeyId: &sign.id}, "InvalidKeyUsageException", sign.arn + " key usage is SIGN_VERIFY which is not valid for Encrypt."},
		"context with RSA": {kms.EncryptInput{KeyId: &rsa.id, EncryptionAlgorithm: oaepSHA256, EncryptionContext: map[string]string{"a": "b"}}, "ValidationException",
			"EncryptionContext is not supported when encrypting/decrypting with asymmetric CMKs."},
		"unknown algorithm": {kms.EncryptInput{KeyId: &sym.id, EncryptionAlgorithm: "ROT13"}, "ValidationException",
			validation("'ROT13' ", "encryptionAlgorithm", "satisfy enum value set: [RSAES_OAEP_SHA_1, RSAES_OAEP_SHA_256, SM2PKE, SYMMETRIC_DEFAULT]")},
		"grant token": {kms.EncryptInput{KeyId: &sym.id, GrantTokens: []string{"a token"}}, "InvalidGrantTokenException", ""},
		"dry run":     {kms.EncryptInput{KeyId: &sym.id, DryRun: aws.Bool(true)}, "DryRunOperationException", "The request would have succeeded, but the DryRun option is set."},
	} {
		t.Run(name, func(t *testing.T) {
			c.in.Plaintext = []byte("x")
			_, err := at.KMS().Encrypt(t.Context(), &c.in)
			wantError(t, err, c.code, c.message)
		})
	}
}

// TestIgnoredCiphertext: a dry run about permissions looks at the key, and at no ciphertext.
func TestIgnoredCiphertext(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), at.KMS()
	sym, rsa, waiting := symmetric(t), rsaCrypt(t), newKey(t, &kms.CreateKeyInput{Origin: types.OriginTypeExternal})
	modifiers := []types.DryRunModifierType{types.DryRunModifierTypeIgnoreCiphertext}
	const dry = "The request would have succeeded, but the DryRun option is set."
	for name, c := range map[string]struct {
		blob          []byte
		key           *string
		algorithm     types.EncryptionAlgorithmSpec
		code, message string
	}{
		"damaged":           {[]byte("no ciphertext"), &sym.id, "", "DryRunOperationException", dry},
		"of another key":    {encrypt(t, newSymmetric(t).id, "x"), &sym.id, "", "DryRunOperationException", dry},
		"without a key":     {encrypt(t, sym.id, "x"), nil, "", "DryRunOperationException", dry},
		"asymmetric":        {[]byte("no ciphertext"), &rsa.id, oaepSHA256, "DryRunOperationException", dry},
		"neither":           {nil, nil, "", "ValidationException", "KeyId is required where CiphertextBlob is left out."},
		"damaged alone":     {[]byte("no ciphertext"), nil, "", "InvalidCiphertextException", ""},
		"waits for import":  {[]byte("no ciphertext"), &waiting.id, "", "KMSInvalidStateException", waiting.arn + " is pending import."},
		"another algorithm": {nil, &rsa.id, "", "InvalidKeyUsageException", "Algorithm SYMMETRIC_DEFAULT is incompatible with key spec RSA_2048."},
	} {
		_, err := client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: c.blob, KeyId: c.key, EncryptionAlgorithm: c.algorithm, DryRun: aws.Bool(true), DryRunModifiers: modifiers})
		t.Log(name)
		wantError(t, err, c.code, c.message)
		_, err = client.ReEncrypt(ctx, &kms.ReEncryptInput{CiphertextBlob: c.blob, SourceKeyId: c.key, SourceEncryptionAlgorithm: c.algorithm, DestinationKeyId: &sym.id, DryRun: aws.Bool(true), DryRunModifiers: modifiers})
		wantError(t, err, c.code, c.message)
	}
}

// TestEmptyContextEntries: neither names nor values of an encryption context may be empty; the context itself may.
func TestEmptyContextEntries(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), at.KMS()
	sym := symmetric(t)
	blob := encrypt(t, sym.id, "x")
	for _, bad := range []map[string]string{{"": "a"}, {"a": ""}, {"a": "b", "c": ""}} {
		for name, err := range map[string]error{
			"Encrypt":         second(client.Encrypt(ctx, &kms.EncryptInput{KeyId: &sym.id, Plaintext: []byte("x"), EncryptionContext: bad})),
			"Decrypt":         second(client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blob, EncryptionContext: bad})),
			"ReEncrypt":       second(client.ReEncrypt(ctx, &kms.ReEncryptInput{CiphertextBlob: blob, DestinationKeyId: &sym.id, DestinationEncryptionContext: bad})),
			"GenerateDataKey": second(client.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: &sym.id, KeySpec: types.DataKeySpecAes256, EncryptionContext: bad})),
			"GenerateDataKeyPair": second(client.GenerateDataKeyPair(ctx, &kms.GenerateDataKeyPairInput{KeyId: &sym.id, KeyPairSpec: types.DataKeyPairSpecEccNistP256,
				EncryptionContext: bad})),
		} {
			t.Log(name)
			wantError(t, err, "ValidationException", "Invalid EncryptionContext")
		}
	}
	if _, err := client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blob, EncryptionContext: map[string]string{}}); err != nil {
		t.Error(err)
	}
}

func TestDecryptRefusals(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), at.KMS()
	sym, rsa := symmetric(t), rsaCrypt(t)
	blob := encrypt(t, sym.id, "x")
	_, err := client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blob, DryRun: aws.Bool(true)})
	wantError(t, err, "DryRunOperationException", "The request would have succeeded, but the DryRun option is set.")
	_, err = client.Decrypt(ctx, &kms.DecryptInput{KeyId: &sym.id, DryRun: aws.Bool(true), DryRunModifiers: []types.DryRunModifierType{"IGNORE_CIPHERTEXT"}})
	wantError(t, err, "DryRunOperationException", "The request would have succeeded, but the DryRun option is set.")
	for _, id := range []*string{nil, &sym.id, aws.String(absentID)} { // the constraint comes before the key
		_, err = client.Decrypt(ctx, &kms.DecryptInput{KeyId: id, DryRun: aws.Bool(true)})
		wantError(t, err, "ValidationException", validation("null ", "ciphertextBlob", "not be null"))
	}
	_, err = client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: make([]byte, 256), EncryptionAlgorithm: oaepSHA256})
	wantError(t, err, "ValidationException", "KeyId is required where the encryption algorithm is not SYMMETRIC_DEFAULT.")
	_, err = client.Decrypt(ctx, &kms.DecryptInput{KeyId: &rsa.id, CiphertextBlob: make([]byte, 256), EncryptionAlgorithm: oaepSHA256, EncryptionContext: map[string]string{"a": "b"}})
	wantError(t, err, "ValidationException", "EncryptionContext is not supported when encrypting/decrypting with asymmetric CMKs.")
	_, err = client.Decrypt(ctx, &kms.DecryptInput{KeyId: &sym.id, CiphertextBlob: blob, EncryptionAlgorithm: oaepSHA256})
	wantError(t, err, "InvalidKeyUsageException", "Algorithm RSAES_OAEP_SHA_256 is incompatible with key spec SYMMETRIC_DEFAULT.")
}
