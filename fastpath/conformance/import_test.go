package conformance_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"fmt"
	"hash"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

const (
	oaep1, oaep256     = types.AlgorithmSpecRsaesOaepSha1, types.AlgorithmSpecRsaesOaepSha256
	hybrid1, hybrid256 = types.AlgorithmSpecRsaAesKeyWrapSha1, types.AlgorithmSpecRsaAesKeyWrapSha256
)

// importable are the specs whose material can be imported, with the wrapping algorithms that fit.
var importable = []struct {
	spec       types.KeySpec
	usage      types.KeyUsageType
	algorithms []types.AlgorithmSpec
}{
	{"SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", []types.AlgorithmSpec{oaep1, oaep256}},
	{"HMAC_224", "GENERATE_VERIFY_MAC", []types.AlgorithmSpec{oaep1, oaep256}},
	{"HMAC_256", "GENERATE_VERIFY_MAC", []types.AlgorithmSpec{oaep1, oaep256}},
	{"HMAC_384", "GENERATE_VERIFY_MAC", []types.AlgorithmSpec{oaep1, oaep256}},
	{"HMAC_512", "GENERATE_VERIFY_MAC", []types.AlgorithmSpec{oaep1, oaep256}},
	{"ECC_NIST_P256", "SIGN_VERIFY", []types.AlgorithmSpec{oaep1, oaep256, hybrid1, hybrid256}},
	{"ECC_NIST_P384", "SIGN_VERIFY", []types.AlgorithmSpec{oaep1, oaep256, hybrid1, hybrid256}},
	{"ECC_NIST_P521", "SIGN_VERIFY", []types.AlgorithmSpec{oaep1, oaep256, hybrid1, hybrid256}},
	{"RSA_2048", "SIGN_VERIFY", []types.AlgorithmSpec{hybrid1, hybrid256}},
	{"RSA_3072", "ENCRYPT_DECRYPT", []types.AlgorithmSpec{hybrid1, hybrid256}},
	{"RSA_4096", "SIGN_VERIFY", []types.AlgorithmSpec{hybrid1, hybrid256}},
}

// large are the wrapping keys, which take seconds to make, that are made all the same: each with every algorithm that
// fits it; package hsmtest takes them together with every spec.
var large = map[types.WrappingKeySpec]map[types.KeySpec]types.AlgorithmSpec{
	"RSA_3072": {"HMAC_512": oaep1, "ECC_NIST_P521": oaep256, "ECC_NIST_P256": hybrid256, "RSA_2048": hybrid1},
	"RSA_4096": {"SYMMETRIC_DEFAULT": oaep256, "ECC_NIST_P521": oaep1, "ECC_NIST_P384": hybrid1, "RSA_4096": hybrid256},
}

// TestImportEverySpec imports by every wrapping that fits, and uses the material: what the key does must be what the
// same material does outside.
func TestImportEverySpec(t *testing.T) {
	t.Parallel()
	wrapping := []types.WrappingKeySpec{"RSA_2048"}
	if !testing.Short() {
		wrapping = append(wrapping, "RSA_3072", "RSA_4096")
	}
	for _, kind := range importable {
		t.Run(string(kind.spec), func(t *testing.T) {
			t.Parallel()
			material := materialOf(t, kind.spec)
			for _, by := range wrapping {
				for _, algorithm := range []types.AlgorithmSpec{oaep1, oaep256, hybrid1, hybrid256} {
					k := newExternal(t, at.KMS(), kind.spec, kind.usage)
					if !slices.Contains(kind.algorithms, algorithm) || kind.spec == "ECC_NIST_P521" && by == "RSA_2048" && algorithm[:4] == "RSAE" {
						_, err := at.KMS().GetParametersForImport(t.Context(), &kms.GetParametersForImportInput{KeyId: &k.id, WrappingAlgorithm: algorithm, WrappingKeySpec: by})
						wantError(t, err, "UnsupportedOperationException", fmt.Sprintf("WrappingAlgorithm %s with WrappingKeySpec %s is not supported for KeySpec %s", algorithm, by, kind.spec))
						continue
					}
					if some, ok := large[by]; ok && some[kind.spec] != algorithm {
						continue
					}
					p := forImportBy(t, at.KMS(), k.id, algorithm, by)
					out, err := at.KMS().ImportKeyMaterial(t.Context(), p.input(t, material))
					if err != nil {
						t.Fatalf("%s under %s: %v", algorithm, by, err)
					}
					if aws.ToString(out.KeyId) != k.arn || len(aws.ToString(out.KeyMaterialId)) != 64 || *p.KeyId != k.arn {
						t.Errorf("answers %s, %s", aws.ToString(out.KeyId), aws.ToString(out.KeyMaterialId))
					}
					behaves(t, k, kind.spec, material)
				}
			}
		})
	}
}

// behaves checks that a key does what its material does.
func behaves(t *testing.T, k key, spec types.KeySpec, material []byte) {
	t.Helper()
	client, message := at.KMS(), []byte("message")
	if n := spec[:4]; n == "HMAC" {
		h := map[types.KeySpec]func() hash.Hash{"HMAC_224": sha256.New224, "HMAC_256": sha256.New, "HMAC_384": sha512.New384, "HMAC_512": sha512.New}[spec]
		out, err := client.GenerateMac(t.Context(), &kms.GenerateMacInput{KeyId: &k.id, Message: message, MacAlgorithm: types.MacAlgorithmSpec("HMAC_SHA_" + spec[5:])})
		mac := hmac.New(h, material)
		mac.Write(message)
		if err != nil || !bytes.Equal(out.Mac, mac.Sum(nil)) {
			t.Errorf("GenerateMac: %v", err)
		}
		return
	}
	if spec == "SYMMETRIC_DEFAULT" {
		sealed, err := client.Encrypt(t.Context(), &kms.EncryptInput{KeyId: &k.id, Plaintext: message})
		if err != nil {
			t.Fatal(err)
		}
		back, err := client.Decrypt(t.Context(), &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob})
		if err != nil || !bytes.Equal(back.Plaintext, message) {
			t.Errorf("Decrypt: %v", err)
		}
		return
	}
	private, err := x509.ParsePKCS8PrivateKey(material)
	if err != nil {
		t.Fatal(err)
	}
	spki, err := x509.MarshalPKIXPublicKey(private.(crypto.Signer).Public())
	if err != nil {
		t.Fatal(err)
	}
	public, err := client.GetPublicKey(t.Context(), &kms.GetPublicKeyInput{KeyId: &k.id})
	if err != nil || !bytes.Equal(public.PublicKey, spki) {
		t.Errorf("GetPublicKey: %v", err)
	}
	switch private := private.(type) {
	case *ecdsa.PrivateKey:
		alg := map[types.KeySpec]types.SigningAlgorithmSpec{"ECC_NIST_P256": "ECDSA_SHA_256", "ECC_NIST_P384": "ECDSA_SHA_384", "ECC_NIST_P521": "ECDSA_SHA_512"}[spec]
		digest := bytes.Repeat([]byte{7}, map[types.KeySpec]int{"ECC_NIST_P256": 32, "ECC_NIST_P384": 48, "ECC_NIST_P521": 64}[spec])
		out, err := client.Sign(t.Context(), &kms.SignInput{KeyId: &k.id, Message: digest, MessageType: "DIGEST", SigningAlgorithm: alg})
		if err != nil || !ecdsa.VerifyASN1(&private.PublicKey, digest, out.Signature) {
			t.Errorf("Sign: %v", err)
		}
	case *rsa.PrivateKey:
		if spec == "RSA_3072" {
			out, err := client.Encrypt(t.Context(), &kms.EncryptInput{KeyId: &k.id, Plaintext: message, EncryptionAlgorithm: "RSAES_OAEP_SHA_256"})
			if err != nil {
				t.Fatal(err)
			}
			if back, err := rsa.DecryptOAEP(sha256.New(), nil, private, out.CiphertextBlob, nil); err != nil || !bytes.Equal(back, message) {
				t.Errorf("Encrypt: %v", err)
			}
			return
		}
		digest := sha256.Sum256(message)
		out, err := client.Sign(t.Context(), &kms.SignInput{KeyId: &k.id, Message: message, SigningAlgorithm: "RSASSA_PKCS1_V1_5_SHA_256"})
		if err != nil || rsa.VerifyPKCS1v15(&private.PublicKey, crypto.SHA256, digest[:], out.Signature) != nil {
			t.Errorf("Sign: %v", err)
		}
	}
}

// TestImportLife follows one symmetric key: waiting, imported, deleted, imported again with an expiry, disabled,
// scheduled for deletion.
func TestImportLife(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), at.KMS()
	k := newExternal(t, client, "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT")
	state := func(want types.KeyState, model types.ExpirationModelType, material string) {
		t.Helper()
		m := describe(t, k.id)
		if m.KeyState != want || m.Enabled != (want == "Enabled") || m.ExpirationModel != model || aws.ToString(m.CurrentKeyMaterialId) != material ||
			(m.ValidTo != nil) != (model == "KEY_MATERIAL_EXPIRES") || m.Origin != "EXTERNAL" {
			t.Errorf("state %s, model %s, material %s, valid to %v; want %s, %s, %s", m.KeyState, m.ExpirationModel, aws.ToString(m.CurrentKeyMaterialId), m.ValidTo, want, model, material)
		}
	}
	state("PendingImport", "", "")
	if out, err := client.DeleteImportedKeyMaterial(ctx, &kms.DeleteImportedKeyMaterialInput{KeyId: &k.id}); err != nil || *out.KeyId != k.arn || out.KeyMaterialId != nil {
		t.Errorf("deleting nothing: %v", err)
	}
	material := randomBytes(32)
	p := forImport(t, client, k.arn, oaep256)
	first, err := client.ImportKeyMaterial(ctx, p.input(t, material))
	if err != nil {
		t.Fatal(err)
	}
	id := *first.KeyMaterialId
	state("Enabled", "KEY_MATERIAL_DOES_NOT_EXPIRE", id)
	sealed := encrypt(t, k.id, "x")

	for range 2 { // it may be asked for again
		out, err := client.DeleteImportedKeyMaterial(ctx, &kms.DeleteImportedKeyMaterialInput{KeyId: &k.arn})
		if err != nil || *out.KeyId != k.arn || *out.KeyMaterialId != id {
			t.Fatalf("DeleteImportedKeyMaterial: %+v, %v", out, err)
		}
		state("PendingImport", "", id)
	}
	pending := k.arn + " is pending import."
	_, err = client.Encrypt(ctx, &kms.EncryptInput{KeyId: &k.id, Plaintext: []byte("x")})
	wantError(t, err, "KMSInvalidStateException", pending)
	_, err = client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: sealed})
	wantError(t, err, "KMSInvalidStateException", pending)
	_, err = client.EnableKey(ctx, &kms.EnableKeyInput{KeyId: &k.id})
	wantError(t, err, "KMSInvalidStateException", pending)

	// Other bytes are refused, the same ones are welcome, by another wrapping key too, or by the same again.
	_, err = client.ImportKeyMaterial(ctx, p.input(t, randomBytes(32)))
	wantError(t, err, "IncorrectKeyMaterialException", "")
	q := forImport(t, client, k.id, oaep1)
	for _, params := range []parameters{q, p} {
		in := params.input(t, material)
		in.ExpirationModel, in.ValidTo = "", aws.Time(time.Now().Add(time.Hour))
		if out, err := client.ImportKeyMaterial(ctx, in); err != nil || *out.KeyMaterialId != id {
			t.Fatalf("importing again: %v", err)
		}
		state("Enabled", "KEY_MATERIAL_EXPIRES", id)
	}
	if back, err := client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: sealed}); err != nil || string(back.Plaintext) != "x" || *back.KeyMaterialId != id {
		t.Errorf("Decrypt: %v", err)
	}

	if _, err := client.DisableKey(ctx, &kms.DisableKeyInput{KeyId: &k.id}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.ImportKeyMaterial(ctx, p.input(t, material)); err != nil {
		t.Fatal(err)
	}
	state("Disabled", "KEY_MATERIAL_DOES_NOT_EXPIRE", id)
	schedule := func() {
		t.Helper()
		if _, err := client.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &k.id}); err != nil {
			t.Fatal(err)
		}
	}
	schedule()
	dying := k.arn + " is pending deletion."
	_, err = client.GetParametersForImport(ctx, &kms.GetParametersForImportInput{KeyId: &k.id, WrappingAlgorithm: oaep256, WrappingKeySpec: "RSA_2048"})
	wantError(t, err, "KMSInvalidStateException", dying)
	_, err = client.ImportKeyMaterial(ctx, p.input(t, material))
	wantError(t, err, "KMSInvalidStateException", dying)
	if _, err := client.DeleteImportedKeyMaterial(ctx, &kms.DeleteImportedKeyMaterialInput{KeyId: &k.id}); err != nil {
		t.Error(err)
	}
	state("PendingDeletion", "", id)
	if _, err := client.CancelKeyDeletion(ctx, &kms.CancelKeyDeletionInput{KeyId: &k.id}); err != nil {
		t.Fatal(err)
	}
	state("PendingImport", "", id)
	if _, err := client.ImportKeyMaterial(ctx, p.input(t, material)); err != nil {
		t.Fatal(err)
	}
	state("Enabled", "KEY_MATERIAL_DOES_NOT_EXPIRE", id)
	schedule()
	if _, err := client.CancelKeyDeletion(ctx, &kms.CancelKeyDeletionInput{KeyId: &k.id}); err != nil {
		t.Fatal(err)
	}
	state("Disabled", "KEY_MATERIAL_DOES_NOT_EXPIRE", id)
}

// TestImportNewMaterial: a second material waits for a rotation and is no part of the key until then.
func TestImportNewMaterial(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), at.KMS()
	one, two, three := randomBytes(32), randomBytes(32), randomBytes(32)
	k, p, id := newImported(t, client, one)
	send := func(material []byte, change func(*kms.ImportKeyMaterialInput)) (string, error) {
		t.Helper()
		in := p.input(t, material)
		in.KeyId = &k.id
		change(in)
		out, err := client.ImportKeyMaterial(ctx, in)
		if err != nil {
			return "", err
		}
		return *out.KeyMaterialId, nil
	}
	isNew := func(in *kms.ImportKeyMaterialInput) { in.ImportType = "NEW_KEY_MATERIAL" }
	existing := func(in *kms.ImportKeyMaterialInput) { in.ImportType = "EXISTING_KEY_MATERIAL" }
	byDefault := func(*kms.ImportKeyMaterialInput) {}
	incorrect := func(material []byte, change func(*kms.ImportKeyMaterialInput)) {
		t.Helper()
		_, err := send(material, change)
		wantError(t, err, "IncorrectKeyMaterialException", "")
	}
	incorrect(two, byDefault)
	incorrect(two, existing)
	incorrect(one, isNew)
	pending, err := send(two, func(in *kms.ImportKeyMaterialInput) { isNew(in); in.KeyMaterialDescription = aws.String("the second") })
	if err != nil || pending == id {
		t.Fatalf("%s, %v", pending, err)
	}
	if m := describe(t, k.id); *m.CurrentKeyMaterialId != id || m.KeyState != "Enabled" {
		t.Errorf("current %s, %s", *m.CurrentKeyMaterialId, m.KeyState)
	}
	sealed := encrypt(t, k.id, "x")
	incorrect(two, isNew)
	_, err = send(three, isNew)
	third := textBetween(t, err, "(id: ", ")") // what is refused has its name from the refusal alone
	wantError(t, err, "KMSInvalidStateException", "New key material (id: "+third+") cannot be imported into KMS key "+k.id+
		", because another key material (id: "+pending+") is pending rotation.")

	// Each of the two may be imported again, by name or not; none by another's name.
	for material, name := range map[string]string{string(one): id, string(two): pending} {
		for _, change := range []func(*kms.ImportKeyMaterialInput){byDefault, existing,
			func(in *kms.ImportKeyMaterialInput) { existing(in); in.KeyMaterialId = &name },
			func(in *kms.ImportKeyMaterialInput) { in.KeyMaterialId = &name }} {
			if got, err := send([]byte(material), change); err != nil || got != name {
				t.Errorf("importing %s again: %s, %v", name, got, err)
			}
		}
	}
	incorrect(one, func(in *kms.ImportKeyMaterialInput) { in.KeyMaterialId = &pending })
	incorrect(one, func(in *kms.ImportKeyMaterialInput) { in.KeyMaterialId = &third })
	_, err = send(three, func(in *kms.ImportKeyMaterialInput) { isNew(in); in.KeyMaterialId = &third })
	wantError(t, err, "ValidationException", "KeyMaterialId cannot be specified if the ImportType is NEW_KEY_MATERIAL")

	_, err = client.DeleteImportedKeyMaterial(ctx, &kms.DeleteImportedKeyMaterialInput{KeyId: &k.id, KeyMaterialId: &third})
	wantError(t, err, "NotFoundException", "Key material '"+third+"' does not exist")
	if out, err := client.DeleteImportedKeyMaterial(ctx, &kms.DeleteImportedKeyMaterialInput{KeyId: &k.id, KeyMaterialId: &pending}); err != nil || *out.KeyMaterialId != pending {
		t.Errorf("deleting what waits: %v", err)
	}
	if m := describe(t, k.id); m.KeyState != "Enabled" {
		t.Errorf("state %s without what waited", m.KeyState)
	}
	if _, err := client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: sealed}); err != nil {
		t.Error(err)
	}
	if got, err := send(three, isNew); err != nil || got != third {
		t.Errorf("another one in its place: %s, %v", got, err)
	}
	// The current material goes and comes back beside one that waits.
	if _, err := client.DeleteImportedKeyMaterial(ctx, &kms.DeleteImportedKeyMaterialInput{KeyId: &k.id}); err != nil {
		t.Fatal(err)
	}
	if m := describe(t, k.id); m.KeyState != "PendingImport" {
		t.Errorf("state %s", m.KeyState)
	}
	if _, err := send(three, byDefault); err != nil {
		t.Error(err)
	}
	if m := describe(t, k.id); m.KeyState != "PendingImport" {
		t.Errorf("state %s with what waits alone", m.KeyState)
	}
	if got, err := send(one, byDefault); err != nil || got != id {
		t.Error(err)
	}
	if _, err := client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: sealed}); err != nil {
		t.Error(err)
	}
}
