package conformance_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/google/go-cmp/cmp"

	"trent/fastpath/servertest"
)

// TestImportExpiry moves the clock: the first request after the time sees a key without material, and nothing but the
// same material brings it back. Wrapping keys and tokens end after a day, with their own errors.
func TestImportExpiry(t *testing.T) {
	t.Parallel()
	ownServer(t)
	ctx := t.Context()
	clock := &movedClock{}
	s := servertest.Start(t, servertest.Options{Clock: clock.now})
	client := s.KMS()
	material := randomBytes(32)
	k := newExternal(t, client, "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT")
	mac := newExternal(t, client, "HMAC_256", "GENERATE_VERIFY_MAC")
	state := func(id string) types.KeyState {
		t.Helper()
		out, err := client.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &id})
		if err != nil {
			t.Fatal(err)
		}
		return out.KeyMetadata.KeyState
	}
	until := func(p parameters, material []byte, d time.Duration) error {
		in := p.input(t, material)
		in.ExpirationModel, in.ValidTo = "KEY_MATERIAL_EXPIRES", aws.Time(clock.now().Add(d))
		_, err := client.ImportKeyMaterial(ctx, in)
		return err
	}
	p, q := forImport(t, client, k.id, oaep256), forImport(t, client, mac.id, oaep256)
	if err := until(p, material, time.Hour); err != nil {
		t.Fatal(err)
	}
	if err := until(q, randomBytes(32), 3*time.Hour); err != nil {
		t.Fatal(err)
	}
	sealed, err := client.Encrypt(ctx, &kms.EncryptInput{KeyId: &k.id, Plaintext: []byte("x")})
	if err != nil {
		t.Fatal(err)
	}
	clock.ahead.Store(int64(time.Hour - time.Minute))
	if _, err := client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob}); err != nil {
		t.Fatalf("before its time: %v", err)
	}
	clock.ahead.Store(int64(time.Hour + time.Second))
	_, err = client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob})
	wantError(t, err, "KMSInvalidStateException", k.arn+" is pending import.")
	if got := state(k.id); got != "PendingImport" {
		t.Errorf("state %s", got)
	}
	if got := state(mac.id); got != "Enabled" {
		t.Errorf("state of the other %s", got)
	}
	if err := until(p, randomBytes(32), time.Hour); err == nil {
		t.Error("other material after the expiry")
	}
	if err := until(p, material, 100*time.Hour); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob}); err != nil {
		t.Error(err)
	}
	clock.ahead.Store(int64(4 * time.Hour))
	_, err = client.GenerateMac(ctx, &kms.GenerateMacInput{KeyId: &mac.id, Message: []byte("m"), MacAlgorithm: "HMAC_SHA_256"})
	wantError(t, err, "KMSInvalidStateException", mac.arn+" is pending import.")

	// What waits for a rotation expires by itself, and takes nothing with it.
	in := p.input(t, randomBytes(32))
	in.ImportType, in.ExpirationModel, in.ValidTo = "NEW_KEY_MATERIAL", "KEY_MATERIAL_EXPIRES", aws.Time(clock.now().Add(time.Hour))
	if _, err := client.ImportKeyMaterial(ctx, in); err != nil {
		t.Fatal(err)
	}
	clock.ahead.Store(int64(6 * time.Hour))
	if got := state(k.id); got != "Enabled" {
		t.Errorf("state %s", got)
	}
	again := p.input(t, randomBytes(32))
	again.ImportType = "NEW_KEY_MATERIAL"
	if _, err := client.ImportKeyMaterial(ctx, again); err != nil {
		t.Errorf("in the place of what expired: %v", err)
	}

	clock.ahead.Store(int64(23*time.Hour + 50*time.Minute))
	if err := until(p, material, 100*time.Hour); err != nil {
		t.Errorf("within the day: %v", err)
	}
	clock.ahead.Store(int64(24*time.Hour + time.Minute))
	wantError(t, until(p, material, time.Hour), "ExpiredImportTokenException", "")
	altered := p
	altered.GetParametersForImportOutput = &kms.GetParametersForImportOutput{KeyId: p.KeyId, ImportToken: append([]byte{0}, p.ImportToken[1:]...)}
	wantError(t, until(altered, material, time.Hour), "InvalidImportTokenException", "")
	s.Restart(t) // the worker deletes the wrapping keys at once
	client = s.KMS()
	wantError(t, until(p, material, time.Hour), "ExpiredImportTokenException", "")
	if err := until(forImport(t, client, k.id, oaep1), material, time.Hour); err != nil {
		t.Error(err)
	}
}

// TestImportRestart: tokens, wrapping keys, material and what is known of deleted material outlive the server.
func TestImportRestart(t *testing.T) {
	t.Parallel()
	ownServer(t)
	ctx := t.Context()
	s := servertest.Start(t, servertest.Options{})
	client := s.KMS()
	one, two, ec := randomBytes(32), randomBytes(32), materialOf(t, "ECC_NIST_P256")
	k, p, id := newImported(t, client, one)
	second := p.input(t, two)
	second.ImportType = "NEW_KEY_MATERIAL"
	if _, err := client.ImportKeyMaterial(ctx, second); err != nil {
		t.Fatal(err)
	}
	sign := newExternal(t, client, "ECC_NIST_P256", "SIGN_VERIFY")
	q := forImport(t, client, sign.id, hybrid256)
	gone, r, _ := newImported(t, client, one)
	if _, err := client.DeleteImportedKeyMaterial(ctx, &kms.DeleteImportedKeyMaterialInput{KeyId: &gone.id}); err != nil {
		t.Fatal(err)
	}
	sealed, err := client.Encrypt(ctx, &kms.EncryptInput{KeyId: &k.id, Plaintext: []byte("x")})
	if err != nil {
		t.Fatal(err)
	}
	ids := []string{k.id, sign.id, gone.id}
	before := metadataOf(t, client, ids)

	s.Restart(t)
	client = s.KMS()
	if d := cmp.Diff(before, metadataOf(t, client, ids), ignoreSDK); d != "" {
		t.Error(d)
	}
	if back, err := client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob}); err != nil || *back.KeyMaterialId != id {
		t.Errorf("Decrypt: %v", err)
	}
	if _, err := client.ImportKeyMaterial(ctx, q.input(t, ec)); err != nil {
		t.Errorf("by a wrapping key from before: %v", err)
	}
	_, err = client.ImportKeyMaterial(ctx, r.input(t, two))
	wantError(t, err, "IncorrectKeyMaterialException", "")
	if _, err := client.ImportKeyMaterial(ctx, r.input(t, one)); err != nil {
		t.Error(err)
	}
	third := p.input(t, randomBytes(32))
	third.ImportType = "NEW_KEY_MATERIAL"
	if _, err := client.ImportKeyMaterial(ctx, third); err == nil {
		t.Error("two materials wait for a rotation")
	}
}
