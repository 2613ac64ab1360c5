package conformance_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

// TestImportOrigin: the origin is looked at first, before the state.
func TestImportOrigin(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), at.KMS()
	for _, k := range []key{symmetric(t), inState(t, "PendingDeletion", &kms.CreateKeyInput{}), inState(t, "Disabled", &kms.CreateKeyInput{}), hmac256(t)} {
		text := k.arn + " origin is AWS_KMS which is not valid for this operation."
		_, err := client.GetParametersForImport(ctx, &kms.GetParametersForImportInput{KeyId: &k.id, WrappingAlgorithm: oaep256, WrappingKeySpec: "RSA_2048"})
		wantError(t, err, "UnsupportedOperationException", text)
		_, err = client.ImportKeyMaterial(ctx, &kms.ImportKeyMaterialInput{KeyId: &k.arn, ImportToken: []byte("t"), EncryptedKeyMaterial: []byte("m")})
		wantError(t, err, "UnsupportedOperationException", text)
		_, err = client.DeleteImportedKeyMaterial(ctx, &kms.DeleteImportedKeyMaterialInput{KeyId: &k.id})
		wantError(t, err, "UnsupportedOperationException", text)
	}
	const aliases = "Key Aliases are not supported for this operation."
	name := newAlias()
	_, err := client.GetParametersForImport(ctx, &kms.GetParametersForImportInput{KeyId: &name, WrappingAlgorithm: oaep256, WrappingKeySpec: "RSA_2048"})
	wantError(t, err, "InvalidArnException", aliases)
	_, err = client.ImportKeyMaterial(ctx, &kms.ImportKeyMaterialInput{KeyId: &name, ImportToken: []byte("t"), EncryptedKeyMaterial: []byte("m")})
	wantError(t, err, "InvalidArnException", aliases)
	_, err = client.DeleteImportedKeyMaterial(ctx, &kms.DeleteImportedKeyMaterialInput{KeyId: &name})
	wantError(t, err, "InvalidArnException", aliases)
	_, err = client.DeleteImportedKeyMaterial(ctx, &kms.DeleteImportedKeyMaterialInput{KeyId: aws.String(absentID)})
	wantError(t, err, "NotFoundException", "Key '"+arnOf(absentID)+"' does not exist")
}

// TestImportWrappings that are not, or not here.
func TestImportWrappings(t *testing.T) {
	t.Parallel()
	k := newExternal(t, at.KMS(), "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT")
	for _, c := range []struct {
		algorithm types.AlgorithmSpec
		spec      types.WrappingKeySpec
		text      string
	}{
		{"RSAES_PKCS1_V1_5", "RSA_2048", "WrappingAlgorithm RSAES_PKCS1_V1_5 is not supported"},
		{"SM2PKE", "SM2", "WrappingKeySpec SM2 is not supported in this Region"},
		{"SM2PKE", "RSA_2048", "WrappingAlgorithm SM2PKE is not supported in this Region"},
		{hybrid256, "RSA_4096", "WrappingAlgorithm RSA_AES_KEY_WRAP_SHA_256 with WrappingKeySpec RSA_4096 is not supported for KeySpec SYMMETRIC_DEFAULT"},
	} {
		_, err := at.KMS().GetParametersForImport(t.Context(), &kms.GetParametersForImportInput{KeyId: &k.id, WrappingAlgorithm: c.algorithm, WrappingKeySpec: c.spec})
		wantError(t, err, "UnsupportedOperationException", c.text)
	}
	_, err := at.KMS().GetParametersForImport(t.Context(), &kms.GetParametersForImportInput{KeyId: &k.id, WrappingAlgorithm: oaep256, WrappingKeySpec: "RSA_1024"})
	wantError(t, err, "ValidationException", validation("'RSA_1024' ", "wrappingKeySpec", "satisfy enum value set: [RSA_2048, RSA_3072, RSA_4096, SM2]"))
}

// TestImportTokens: broken ones, one of another key, one for another wrapping key.
func TestImportTokens(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), at.KMS()
	k := newExternal(t, client, "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT")
	other := newExternal(t, client, "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT")
	p, q, foreign := forImport(t, client, k.id, oaep256), forImport(t, client, k.id, oaep256), forImport(t, client, other.id, oaep256)
	if len(p.ImportToken) == 0 || len(p.ImportToken) > 6144 || bytes.Equal(p.PublicKey, q.PublicKey) || !p.ParametersValidTo.After(time.Now().Add(23*time.Hour)) {
		t.Errorf("a token of %d bytes, valid to %v", len(p.ImportToken), p.ParametersValidTo)
	}
	in := p.input(t, randomBytes(32))
	refuse := func(token []byte) {
		t.Helper()
		bad := *in
		bad.ImportToken = token
		_, err := client.ImportKeyMaterial(ctx, &bad)
		wantError(t, err, "InvalidImportTokenException", "")
	}
	for i := range p.ImportToken {
		altered := bytes.Clone(p.ImportToken)
		altered[i] ^= 0x10
		refuse(altered)
	}
	refuse([]byte("token"))
	refuse(p.ImportToken[1:])
	refuse(append(bytes.Clone(p.ImportToken), 0))
	refuse(bytes.Repeat([]byte{1}, 6144))
	refuse(foreign.ImportToken)
	wrong := *in
	wrong.ImportToken = q.ImportToken // good, of the same key, for another wrapping key
	_, err := client.ImportKeyMaterial(ctx, &wrong)
	wantError(t, err, "InvalidCiphertextException", "")
	if m := describe(t, k.id); m.KeyState != "PendingImport" {
		t.Errorf("state %s", m.KeyState)
	}
	if _, err := client.ImportKeyMaterial(ctx, in); err != nil {
		t.Error(err)
	}
}

// TestImportCiphertexts: what cannot be unwrapped has one answer, what is unwrapped and no key of the spec another.
func TestImportCiphertexts(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), at.KMS()
	k := newExternal(t, client, "ECC_NIST_P256", "SIGN_VERIFY")
	p := forImport(t, client, k.id, hybrid256)
	material := materialOf(t, "ECC_NIST_P256")
	good := p.input(t, material)
	refuse := func(name, code string, ciphertext []byte) {
		t.Helper()
		bad := *good
		bad.EncryptedKeyMaterial = ciphertext
		_, err := client.ImportKeyMaterial(ctx, &bad)
		t.Log(name)
		wantError(t, err, code, "")
	}
	sealed := good.EncryptedKeyMaterial
	for _, i := range []int{0, 100, 255, 256, 270, len(sealed) - 1} {
		altered := bytes.Clone(sealed)
		altered[i] ^= 1
		refuse("altered", "InvalidCiphertextException", altered)
	}
	older := p
	older.algorithm = hybrid1
	for name, ciphertext := range map[string][]byte{
		"cut": sealed[:len(sealed)-8], "OAEP alone": sealed[:256], "key wrap alone": sealed[256:], "longer": append(bytes.Clone(sealed), make([]byte, 8)...),
		"the other hash": older.wrap(t, material), "one byte": {1}, "not wrapped": material, "AES-128": append(p.oaep(t, randomBytes(16)), sealed[256:]...),
		"another AES key": append(p.oaep(t, randomBytes(32)), sealed[256:]...),
	} {
		refuse(name, "InvalidCiphertextException", ciphertext)
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sec1, _ := x509.MarshalECPrivateKey(private)
	spki, _ := x509.MarshalPKIXPublicKey(&private.PublicKey)
	for name, in := range map[string][]byte{
		"another curve": materialOf(t, "ECC_NIST_P384"), "RSA": materialOf(t, "RSA_2048"), "raw": randomBytes(32), "SEC 1": sec1,
		"public": spki, "trailing byte": append(bytes.Clone(material), 0),
	} {
		refuse(name, "IncorrectKeyMaterialException", p.wrap(t, in))
	}
	if _, err := client.ImportKeyMaterial(ctx, good); err != nil {
		t.Fatal(err)
	}
	refuse("another key", "IncorrectKeyMaterialException", p.wrap(t, materialOf(t, "ECC_NIST_P256")))

	for spec, usage := range map[types.KeySpec]types.KeyUsageType{"SYMMETRIC_DEFAULT": "ENCRYPT_DECRYPT", "HMAC_384": "GENERATE_VERIFY_MAC"} {
		k := newExternal(t, client, spec, usage)
		p := forImport(t, client, k.id, oaep256)
		for _, n := range []int{1, 16, 31, 33, 47, 49, 64} {
			_, err := client.ImportKeyMaterial(ctx, p.input(t, randomBytes(n)))
			wantError(t, err, "IncorrectKeyMaterialException", "")
		}
	}
}

// TestImportParameters: dates, models and types that do not go together.
func TestImportParameters(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), at.KMS()
	k, mac := newExternal(t, client, "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT"), newExternal(t, client, "HMAC_256", "GENERATE_VERIFY_MAC")
	p, q := forImport(t, client, k.id, oaep256), forImport(t, client, mac.id, oaep256)
	const day = 24 * time.Hour
	in := func(d time.Duration) *time.Time { return aws.Time(time.Now().Add(d)) }
	for name, c := range map[string]struct {
		params     parameters
		change     func(*kms.ImportKeyMaterialInput)
		code, text string
	}{
		"no date": {p, func(i *kms.ImportKeyMaterialInput) { i.ExpirationModel = "KEY_MATERIAL_EXPIRES" },
			"ValidationException", "A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES"},
		"no date by default": {p, func(i *kms.ImportKeyMaterialInput) { i.ExpirationModel = "" },
			"ValidationException", "A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES"},
		"date": {p, func(i *kms.ImportKeyMaterialInput) { i.ValidTo = in(day) },
			"ValidationException", "A validTo date cannot be set if the ExpirationModel is KEY_MATERIAL_DOES_NOT_EXPIRE"},
		"past": {p, func(i *kms.ImportKeyMaterialInput) { i.ExpirationModel, i.ValidTo = "", in(-time.Minute) },
			"ValidationException", "The validTo date must be in the future"},
		"far": {p, func(i *kms.ImportKeyMaterialInput) { i.ExpirationModel, i.ValidTo = "", in(365*day+time.Minute) },
			"ValidationException", "The validTo date must not be more than 365 days in the future"},
		"type": {q, func(i *kms.ImportKeyMaterialInput) { i.ImportType = "NEW_KEY_MATERIAL" },
			"UnsupportedOperationException", "ImportType is only supported for symmetric encryption keys."},
		"id": {q, func(i *kms.ImportKeyMaterialInput) {
			i.KeyMaterialId = aws.String(long(0) + "00000000000000000000000000000000" + "00000000000000000000000000000000")
		},
			"UnsupportedOperationException", "KeyMaterialId is only supported for symmetric encryption keys."},
		"description": {q, func(i *kms.ImportKeyMaterialInput) { i.KeyMaterialDescription = aws.String("d") },
			"UnsupportedOperationException", "KeyMaterialDescription is only supported for symmetric encryption keys."},
		"existing, first": {p, func(i *kms.ImportKeyMaterialInput) { i.ImportType = "EXISTING_KEY_MATERIAL" },
			"IncorrectKeyMaterialException", ""},
	} {
		input := c.params.input(t, randomBytes(32))
		c.change(input)
		_, err := client.ImportKeyMaterial(ctx, input)
		t.Log(name)
		wantError(t, err, c.code, c.text)
	}
	input := p.input(t, randomBytes(32))
	input.ExpirationModel, input.ImportType, input.ValidTo = "KEY_MATERIAL_EXPIRES", "NEW_KEY_MATERIAL", in(365*day-time.Minute)
	input.KeyMaterialDescription = aws.String("the first of: 2026-11/a_b.c")
	if _, err := client.ImportKeyMaterial(ctx, input); err != nil {
		t.Fatal(err)
	}
	if m := describe(t, k.id); m.ValidTo == nil || m.ValidTo.Sub(*input.ValidTo).Abs() > time.Second {
		t.Errorf("valid to %v, want %v", m.ValidTo, input.ValidTo)
	}
}

// TestImportTogether: of different first materials that arrive at once one wins, and it stays.
func TestImportTogether(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), at.KMS()
	k := newExternal(t, client, "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT")
	p := forImport(t, client, k.id, oaep256)
	var mu sync.Mutex
	var won []string
	var wg sync.WaitGroup
	for range 8 {
		in := p.input(t, randomBytes(32))
		wg.Go(func() {
			out, err := client.ImportKeyMaterial(ctx, in)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				won = append(won, *out.KeyMaterialId)
			} else {
				wantError(t, err, "IncorrectKeyMaterialException", "")
			}
		})
	}
	wg.Wait()
	if m := describe(t, k.id); len(won) != 1 || *m.CurrentKeyMaterialId != won[0] || m.KeyState != "Enabled" {
		t.Errorf("%d won, current %s, %s", len(won), aws.ToString(m.CurrentKeyMaterialId), m.KeyState)
	}
}
