package conformance_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"trent/fastpath/servertest"
	"trent/store"
	"trent/store/faultstore"
)

// materialsIn are all materials of a key as a Region lists them.
func materialsIn(t testing.TB, client *kms.Client, id string) []types.RotationsListEntry {
	t.Helper()
	out, err := client.ListKeyRotations(t.Context(), &kms.ListKeyRotationsInput{KeyId: &id, IncludeKeyMaterial: types.IncludeKeyMaterialAllKeyMaterial})
	if err != nil {
		t.Fatal(err)
	}
	return out.Rotations
}

// TestMultiRegionRotation: copies follow the rotations and the schedule of their primary, which alone can be rotated.
func TestMultiRegionRotation(t *testing.T) {
	t.Parallel()
	ctx, client, there := t.Context(), at.KMS(), at.In(firstRegion)
	k := newPrimary(t)
	newReplica(t, k, firstRegion)
	old := encrypt(t, k.id, "old")
	if _, err := client.EnableKeyRotation(ctx, &kms.EnableKeyRotationInput{KeyId: &k.id, RotationPeriodInDays: aws.Int32(120)}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.RotateKeyOnDemand(ctx, &kms.RotateKeyOnDemandInput{KeyId: &k.id}); err != nil {
		t.Fatal(err)
	}
	newReplica(t, k, secondRegion) // after the rotation
	want := materialsIn(t, client, k.id)
	if len(want) != 2 {
		t.Fatalf("%d materials", len(want))
	}
	status, err := client.GetKeyRotationStatus(ctx, &kms.GetKeyRotationStatusInput{KeyId: &k.id})
	if err != nil {
		t.Fatal(err)
	}
	for _, region := range []string{firstRegion, secondRegion} {
		c := at.In(region)
		if d := cmp.Diff(want, materialsIn(t, c, k.id), cmpopts.IgnoreUnexported(types.RotationsListEntry{})); d != "" {
			t.Errorf("%s: %s", region, d)
		}
		if m := describeIn(t, region, k.id); *m.CurrentKeyMaterialId != *want[1].KeyMaterialId {
			t.Errorf("%s: current %s", region, *m.CurrentKeyMaterialId)
		}
		s, err := c.GetKeyRotationStatus(ctx, &kms.GetKeyRotationStatusInput{KeyId: &k.id})
		if err != nil || !s.KeyRotationEnabled || *s.RotationPeriodInDays != 120 || !s.NextRotationDate.Equal(*status.NextRotationDate) {
			t.Errorf("%s: %+v, %v", region, s, err)
		}
		back, err := c.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: old})
		if err != nil || string(back.Plaintext) != "old" || *back.KeyMaterialId != *want[0].KeyMaterialId {
			t.Errorf("%s: Decrypt: %+v, %v", region, back, err)
		}
		sealed, err := c.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: &k.id, KeySpec: "AES_256"})
		if err != nil || *sealed.KeyMaterialId != *want[1].KeyMaterialId {
			t.Fatalf("%s: %+v, %v", region, sealed, err)
		}
		if _, err := client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob}); err != nil {
			t.Errorf("%s: %v", region, err)
		}
	}
	refused := arnIn(firstRegion, k.id) + " is not a multi-region primary key."
	for _, err := range []error{
		second(there.EnableKeyRotation(ctx, &kms.EnableKeyRotationInput{KeyId: &k.id})),
		second(there.RotateKeyOnDemand(ctx, &kms.RotateKeyOnDemandInput{KeyId: &k.id})),
	} {
		wantError(t, err, "UnsupportedOperationException", refused)
	}
	// The new primary goes on where the old one stopped.
	if _, err := client.UpdatePrimaryRegion(ctx, &kms.UpdatePrimaryRegionInput{KeyId: &k.id, PrimaryRegion: aws.String(firstRegion)}); err != nil {
		t.Fatal(err)
	}
	if _, err := there.RotateKeyOnDemand(ctx, &kms.RotateKeyOnDemandInput{KeyId: &k.id}); err != nil {
		t.Fatal(err)
	}
	for _, region := range []string{at.Region, secondRegion} {
		if n := len(materialsIn(t, at.In(region), k.id)); n != 3 {
			t.Errorf("%s has %d materials", region, n)
		}
	}
}

// TestMultiRegionRotationCutShort: a rotation that has not reached all copies goes on after a restart.
func TestMultiRegionRotationCutShort(t *testing.T) {
	t.Parallel()
	ownServer(t)
	ctx := t.Context()
	var faults *faultstore.Store
	s := servertest.Start(t, servertest.Options{Wrap: func(kept store.Store) store.Store {
		faults = faultstore.Wrap(kept)
		return faults
	}})
	made, err := s.KMS().CreateKey(ctx, &kms.CreateKeyInput{MultiRegion: aws.Bool(true)})
	if err != nil {
		t.Fatal(err)
	}
	id := *made.KeyMetadata.KeyId
	for _, region := range []string{firstRegion, secondRegion} {
		if _, err := s.KMS().ReplicateKey(ctx, &kms.ReplicateKeyInput{KeyId: &id, ReplicaRegion: &region}); err != nil {
			t.Fatal(err)
		}
	}
	// The primary and one copy are written; then nothing is any more.
	faults.Add(faultstore.Fault{Kind: faultstore.Commit, First: faults.Calls(faultstore.Commit) + 3, Count: -1, Err: store.ErrUnavailable})
	if _, err := s.KMS().RotateKeyOnDemand(ctx, &kms.RotateKeyOnDemandInput{KeyId: &id}); err != nil {
		t.Fatal(err)
	}
	sealed, err := s.KMS().Encrypt(ctx, &kms.EncryptInput{KeyId: &id, Plaintext: []byte("x")})
	if err != nil {
		t.Fatal(err)
	}
	lagging := 0
	for _, region := range []string{firstRegion, secondRegion} {
		if len(materialsIn(t, s.In(region), id)) == 1 {
			lagging++
		}
	}
	if lagging != 1 {
		t.Errorf("%d copies lag behind", lagging)
	}
	s.Restart(t)
	deadline := time.Now().Add(20 * time.Second)
	for _, region := range []string{firstRegion, secondRegion} {
		for len(materialsIn(t, s.In(region), id)) != 2 {
			if time.Now().After(deadline) {
				t.Fatalf("%s still lags behind", region)
			}
			time.Sleep(5 * time.Millisecond)
		}
		if back, err := s.In(region).Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob}); err != nil || string(back.Plaintext) != "x" {
			t.Errorf("%s: %v", region, err)
		}
	}
}
