package conformance_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

// TestMultiRegionImport: imported material is brought to each copy, the same to all; the next one to rotate to waits
// until every copy has it.
func TestMultiRegionImport(t *testing.T) {
	t.Parallel()
	ctx, client, there := t.Context(), at.KMS(), at.In(firstRegion)
	one, two := randomBytes(32), randomBytes(32)
	k := newKey(t, &kms.CreateKeyInput{MultiRegion: aws.Bool(true), Origin: types.OriginTypeExternal})
	_, err := client.ReplicateKey(ctx, &kms.ReplicateKeyInput{KeyId: &k.id, ReplicaRegion: aws.String(firstRegion)})
	wantError(t, err, "KMSInvalidStateException", k.arn+" is pending import.")
	p := forImport(t, client, k.id, types.AlgorithmSpecRsaesOaepSha256)
	first, err := client.ImportKeyMaterial(ctx, p.input(t, one))
	if err != nil {
		t.Fatal(err)
	}
	if m := newReplica(t, k, firstRegion).ReplicaKeyMetadata; m.KeyState != "Creating" || m.Enabled || m.Origin != "EXTERNAL" {
		t.Errorf("answer %+v", m)
	}
	if m := describeIn(t, firstRegion, k.id); m.KeyState != "PendingImport" || m.Enabled || m.ExpirationModel != "" {
		t.Errorf("replica %+v", m)
	}
	old := encrypt(t, k.id, "old")
	pending := arnIn(firstRegion, k.id) + " is pending import."
	_, err = there.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: old})
	wantError(t, err, "KMSInvalidStateException", pending)

	// Not the primary's token, not other material.
	_, err = there.ImportKeyMaterial(ctx, &kms.ImportKeyMaterialInput{
		KeyId: &k.id, ImportToken: p.ImportToken, EncryptedKeyMaterial: p.wrap(t, one), ExpirationModel: types.ExpirationModelTypeKeyMaterialDoesNotExpire,
	})
	wantError(t, err, "InvalidImportTokenException", "")
	q := forImport(t, there, k.id, types.AlgorithmSpecRsaesOaepSha256)
	_, err = there.ImportKeyMaterial(ctx, q.input(t, two))
	wantError(t, err, "IncorrectKeyMaterialException", "")
	other := q.input(t, two)
	other.ImportType = "NEW_KEY_MATERIAL"
	_, err = there.ImportKeyMaterial(ctx, other)
	wantError(t, err, "UnsupportedOperationException", arnIn(firstRegion, k.id)+" is not a multi-region primary key.")
	same, err := there.ImportKeyMaterial(ctx, q.input(t, one))
	if err != nil || *same.KeyMaterialId != *first.KeyMaterialId {
		t.Fatalf("%+v, %v", same, err)
	}
	if back, err := there.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: old}); err != nil || string(back.Plaintext) != "old" {
		t.Errorf("Decrypt: %v", err)
	}

	rotate := func() error {
		return second(client.RotateKeyOnDemand(ctx, &kms.RotateKeyOnDemandInput{KeyId: &k.id}))
	}
	states := func(want types.KeyMaterialState, here, afar types.ImportState) {
		t.Helper()
		for c, imported := range map[*kms.Client]types.ImportState{client: here, there: afar} {
			all := materialsIn(t, c, k.id)
			if len(all) != 2 || all[1].KeyMaterialState != want || all[1].ImportState != imported {
				t.Errorf("%+v", all)
			}
		}
	}
	fresh := p.input(t, two)
	fresh.ImportType = "NEW_KEY_MATERIAL"
	if _, err := client.ImportKeyMaterial(ctx, fresh); err != nil {
		t.Fatal(err)
	}
	states("PENDING_MULTI_REGION_IMPORT_AND_ROTATION", "IMPORTED", "PENDING_IMPORT")
	wantError(t, rotate(), "KMSInvalidStateException", "No available key material pending rotation for the key: "+k.arn+".")
	if m := describeIn(t, firstRegion, k.id); m.KeyState != "Enabled" {
		t.Errorf("what waits stops the replica: %s", m.KeyState)
	}
	if _, err := there.ImportKeyMaterial(ctx, q.input(t, two)); err != nil {
		t.Fatal(err)
	}
	states("PENDING_ROTATION", "IMPORTED", "IMPORTED")
	if err := rotate(); err != nil {
		t.Fatal(err)
	}
	states("CURRENT", "IMPORTED", "IMPORTED")
	blob := encrypt(t, k.id, "new")
	for _, b := range [][]byte{old, blob} {
		if _, err := there.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: b}); err != nil {
			t.Errorf("Decrypt: %v", err)
		}
	}
	// Deleting it here leaves it there.
	if _, err := there.DeleteImportedKeyMaterial(ctx, &kms.DeleteImportedKeyMaterialInput{KeyId: &k.id}); err != nil {
		t.Fatal(err)
	}
	_, err = there.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blob})
	wantError(t, err, "KMSInvalidStateException", pending)
	if _, err := client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blob}); err != nil {
		t.Errorf("Decrypt: %v", err)
	}
}

// TestReplicateWhileMaterialWaits: a new copy is one more that is to have what could have been rotated to.
func TestReplicateWhileMaterialWaits(t *testing.T) {
	t.Parallel()
	ctx, client, there := t.Context(), at.KMS(), at.In(firstRegion)
	one, two := randomBytes(32), randomBytes(32)
	k := newKey(t, &kms.CreateKeyInput{MultiRegion: aws.Bool(true), Origin: types.OriginTypeExternal})
	p := forImport(t, client, k.id, types.AlgorithmSpecRsaesOaepSha256)
	fresh := p.input(t, two)
	fresh.ImportType = "NEW_KEY_MATERIAL"
	for _, in := range []*kms.ImportKeyMaterialInput{p.input(t, one), fresh} {
		if _, err := client.ImportKeyMaterial(ctx, in); err != nil {
			t.Fatal(err)
		}
	}
	states := func(want types.KeyMaterialState) {
		t.Helper()
		for _, c := range []*kms.Client{client, there} {
			if all := materialsIn(t, c, k.id); len(all) != 2 || all[1].KeyMaterialState != want {
				t.Errorf("%+v", all)
			}
		}
	}
	rotate := func() error {
		return second(client.RotateKeyOnDemand(ctx, &kms.RotateKeyOnDemandInput{KeyId: &k.id}))
	}
	newReplica(t, k, firstRegion)
	states("PENDING_MULTI_REGION_IMPORT_AND_ROTATION")
	none := "No available key material pending rotation for the key: " + k.arn + "."
	wantError(t, rotate(), "KMSInvalidStateException", none)
	q := forImport(t, there, k.id, types.AlgorithmSpecRsaesOaepSha256)
	for _, material := range [][]byte{one, two} {
		if _, err := there.ImportKeyMaterial(ctx, q.input(t, material)); err != nil {
			t.Fatal(err)
		}
	}
	states("PENDING_ROTATION")

	// Lost in one Region, it waits again.
	waiting := materialsIn(t, there, k.id)[1].KeyMaterialId
	if _, err := there.DeleteImportedKeyMaterial(ctx, &kms.DeleteImportedKeyMaterialInput{KeyId: &k.id, KeyMaterialId: waiting}); err != nil {
		t.Fatal(err)
	}
	states("PENDING_MULTI_REGION_IMPORT_AND_ROTATION")
	wantError(t, rotate(), "KMSInvalidStateException", none)
	if _, err := there.ImportKeyMaterial(ctx, q.input(t, two)); err != nil {
		t.Fatal(err)
	}
	if err := rotate(); err != nil {
		t.Fatal(err)
	}
	states("CURRENT")
}
