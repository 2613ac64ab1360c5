package conformance_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"trent/fastpath/servertest"
)

// TestImportAndRotate: a rotation makes the material that waited a part of the key; from then on the key needs both.
func TestImportAndRotate(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), at.KMS()
	one, two := randomBytes(32), randomBytes(32)
	k, p, first := newImported(t, client, one)
	none := "No available key material pending rotation for the key: " + k.arn + "."
	rotate := func() error {
		_, err := client.RotateKeyOnDemand(ctx, &kms.RotateKeyOnDemandInput{KeyId: &k.id})
		return err
	}
	wantError(t, rotate(), "KMSInvalidStateException", none)
	old := encrypt(t, k.id, "old")
	in := p.input(t, two)
	in.ImportType, in.KeyMaterialDescription = "NEW_KEY_MATERIAL", aws.String("the second")
	in.ExpirationModel, in.ValidTo = "KEY_MATERIAL_EXPIRES", aws.Time(time.Now().Add(time.Hour))
	out, err := client.ImportKeyMaterial(ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	second := *out.KeyMaterialId
	if m := describe(t, k.id); m.ExpirationModel != "KEY_MATERIAL_DOES_NOT_EXPIRE" || m.ValidTo != nil {
		t.Errorf("what waits counts: %s, %v", m.ExpirationModel, m.ValidTo)
	}
	wantMaterials(t, k.id, [][4]string{{first, "CURRENT", "IMPORTED", ""}, {second, "PENDING_ROTATION", "IMPORTED", ""}})
	if err := rotate(); err != nil {
		t.Fatal(err)
	}
	wantError(t, rotate(), "KMSInvalidStateException", none)
	wantMaterials(t, k.id, [][4]string{{first, "NON_CURRENT", "IMPORTED", ""}, {second, "CURRENT", "IMPORTED", "ON_DEMAND"}})
	if m := describe(t, k.id); *m.CurrentKeyMaterialId != second || m.ExpirationModel != "KEY_MATERIAL_EXPIRES" || m.ValidTo == nil {
		t.Errorf("current %s, %s, %v", *m.CurrentKeyMaterialId, m.ExpirationModel, m.ValidTo)
	}
	opens := func(blob []byte, want string) {
		t.Helper()
		out, err := client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blob})
		if want == "" {
			wantError(t, err, "KMSInvalidStateException", k.arn+" is pending import.")
		} else if err != nil || *out.KeyMaterialId != want {
			t.Errorf("Decrypt: %v", err)
		}
	}
	fresh := encrypt(t, k.id, "fresh")
	opens(old, first)
	opens(fresh, second)

	// Without the older material nothing works, not even with the current one.
	if _, err := client.DeleteImportedKeyMaterial(ctx, &kms.DeleteImportedKeyMaterialInput{KeyId: &k.id, KeyMaterialId: &first}); err != nil {
		t.Fatal(err)
	}
	wantMaterials(t, k.id, [][4]string{{first, "NON_CURRENT", "PENDING_IMPORT", ""}, {second, "CURRENT", "IMPORTED", "ON_DEMAND"}})
	opens(old, "")
	opens(fresh, "")
	if out, err := client.DeleteImportedKeyMaterial(ctx, &kms.DeleteImportedKeyMaterialInput{KeyId: &k.id}); err != nil || *out.KeyMaterialId != second {
		t.Errorf("by default the current one goes: %v", err)
	}
	wantError(t, rotate(), "KMSInvalidStateException", k.arn+" is pending import.")
	for _, material := range [][]byte{two, one} {
		opens(fresh, "")
		if _, err := client.ImportKeyMaterial(ctx, p.input(t, material)); err != nil {
			t.Fatal(err)
		}
	}
	opens(old, first)
	opens(fresh, second)
	wantMaterials(t, k.id, [][4]string{{first, "NON_CURRENT", "IMPORTED", ""}, {second, "CURRENT", "IMPORTED", "ON_DEMAND"}})
}

// wantMaterials checks ListKeyRotations: id, state, import state and rotation type of each material.
func wantMaterials(t *testing.T, id string, want [][4]string) {
	t.Helper()
	out, err := at.KMS().ListKeyRotations(t.Context(), &kms.ListKeyRotationsInput{KeyId: &id, IncludeKeyMaterial: types.IncludeKeyMaterialAllKeyMaterial})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Rotations) != len(want) {
		t.Fatalf("%d materials, want %d", len(out.Rotations), len(want))
	}
	for i, r := range out.Rotations {
		if got := [4]string{aws.ToString(r.KeyMaterialId), string(r.KeyMaterialState), string(r.ImportState), string(r.RotationType)}; got != want[i] {
			t.Errorf("material %d: %q, want %q", i, got, want[i])
		}
		if missing := r.ImportState == "PENDING_IMPORT"; missing != (r.ExpirationModel == "") || missing && r.ValidTo != nil {
			t.Errorf("material %d: model %q, valid to %v", i, r.ExpirationModel, r.ValidTo)
		}
	}
}

// TestExpiryOfAnOlderMaterial: it takes the whole key with it.
func TestExpiryOfAnOlderMaterial(t *testing.T) {
	t.Parallel()
	ownServer(t)
	ctx := t.Context()
	clock := &movedClock{}
	s := servertest.Start(t, servertest.Options{Clock: clock.now})
	client := s.KMS()
	one, two := randomBytes(32), randomBytes(32)
	k := newExternal(t, client, "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT")
	p := forImport(t, client, k.id, oaep256)
	in := p.input(t, one)
	in.ExpirationModel, in.ValidTo = "KEY_MATERIAL_EXPIRES", aws.Time(clock.now().Add(time.Hour))
	if _, err := client.ImportKeyMaterial(ctx, in); err != nil {
		t.Fatal(err)
	}
	in = p.input(t, two)
	in.ImportType = "NEW_KEY_MATERIAL"
	if _, err := client.ImportKeyMaterial(ctx, in); err != nil {
		t.Fatal(err)
	}
	if _, err := client.RotateKeyOnDemand(ctx, &kms.RotateKeyOnDemandInput{KeyId: &k.id}); err != nil {
		t.Fatal(err)
	}
	sealed, err := client.Encrypt(ctx, &kms.EncryptInput{KeyId: &k.id, Plaintext: []byte("x")})
	if err != nil {
		t.Fatal(err)
	}
	clock.ahead.Store(int64(2 * time.Hour))
	_, err = client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob})
	wantError(t, err, "KMSInvalidStateException", k.arn+" is pending import.")
	if _, err := client.ImportKeyMaterial(ctx, p.input(t, one)); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob}); err != nil {
		t.Error(err)
	}
}
