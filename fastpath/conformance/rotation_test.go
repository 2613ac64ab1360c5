package conformance_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/smithy-go"

	"trent/fastpath/servertest"
)

const (
	limitText   = "The on-demand rotations limit has been reached for the given keyId. No more on-demand rotations can be performed for this key: "
	rotationDay = 24 * time.Hour
)

func enableRotation(t testing.TB, c *kms.Client, id string, days *int32) {
	t.Helper()
	if _, err := c.EnableKeyRotation(context.Background(), &kms.EnableKeyRotationInput{KeyId: &id, RotationPeriodInDays: days}); err != nil {
		t.Fatal(err)
	}
}

func rotate(t testing.TB, c *kms.Client, id string) {
	t.Helper()
	if _, err := c.RotateKeyOnDemand(context.Background(), &kms.RotateKeyOnDemandInput{KeyId: &id}); err != nil {
		t.Fatal(err)
	}
}

func rotationStatus(t testing.TB, c *kms.Client, id string) *kms.GetKeyRotationStatusOutput {
	t.Helper()
	out, err := c.GetKeyRotationStatus(context.Background(), &kms.GetKeyRotationStatusInput{KeyId: &id})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// rotations are all pages of a list.
func rotations(t testing.TB, c *kms.Client, in kms.ListKeyRotationsInput) (all []types.RotationsListEntry, pages int) {
	t.Helper()
	for {
		out, err := c.ListKeyRotations(context.Background(), &in)
		if err != nil {
			t.Fatal(err)
		}
		all, pages = append(all, out.Rotations...), pages+1
		if out.Truncated != (out.NextMarker != nil) {
			t.Errorf("Truncated %v with marker %v", out.Truncated, out.NextMarker)
		}
		if !out.Truncated {
			return all, pages
		}
		in.Marker = out.NextMarker
	}
}

func TestRotationSettings(t *testing.T) {
	t.Parallel()
	client := at.KMS()
	k := newSymmetric(t)
	off := `{"KeyId":"` + k.id + `","KeyRotationEnabled":false}`
	want := func(days int32) {
		t.Helper()
		out := rotationStatus(t, client, k.arn)
		if *out.KeyId != k.id || !out.KeyRotationEnabled || *out.RotationPeriodInDays != days || out.OnDemandRotationStartDate != nil {
			t.Fatalf("status %+v", out)
		}
		if late := time.Until(*out.NextRotationDate) - time.Duration(days)*rotationDay; late > time.Minute || late < -time.Minute {
			t.Errorf("next rotation %v for a period of %d days", out.NextRotationDate, days)
		}
	}
	sameMembers(t, call(t, "GetKeyRotationStatus", object{"KeyId": k.id}), off)
	enableRotation(t, client, k.id, nil)
	want(365)
	first := rotationStatus(t, client, k.id).NextRotationDate
	for range 2 { // repeatable, and counts on
		enableRotation(t, client, k.arn, aws.Int32(90))
		want(90)
	}
	enableRotation(t, client, k.id, aws.Int32(2560))
	want(2560)
	enableRotation(t, client, k.id, aws.Int32(365))
	if next := rotationStatus(t, client, k.id).NextRotationDate; !next.Equal(*first) {
		t.Errorf("the date moved from %v to %v", first, next)
	}
	for range 2 {
		if a := call(t, "DisableKeyRotation", object{"KeyId": k.id}); a.Status != 200 || a.Body != "" {
			t.Errorf("%+v", a)
		}
	}
	sameMembers(t, call(t, "GetKeyRotationStatus", object{"KeyId": k.id}), off)
	sameMembers(t, call(t, "ListKeyRotations", object{"KeyId": k.id}), `{"Rotations":[],"Truncated":false}`)
}

// sameMembers compares JSON objects without regard to order.
func sameMembers(t testing.TB, a servertest.Answer, want string) {
	t.Helper()
	var got, expected any
	if err := errors.Join(json.Unmarshal([]byte(a.Body), &got), json.Unmarshal([]byte(want), &expected)); err != nil {
		t.Fatalf("%s: %v", a.Body, err)
	}
	if marshal(t, got) != marshal(t, expected) {
		t.Errorf("answer %s, want %s", a.Body, want)
	}
}

// TestRotationRefusals: what is refused, with two faults at a time where the order is known.
func TestRotationRefusals(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), at.KMS()
	const bare = ""
	external := newKey(t, &kms.CreateKeyInput{Origin: "EXTERNAL"})
	dyingExternal := newKey(t, &kms.CreateKeyInput{Origin: "EXTERNAL"})
	disabledMAC := newKey(t, &kms.CreateKeyInput{KeySpec: "HMAC_256", KeyUsage: "GENERATE_VERIFY_MAC"})
	for _, err := range []error{
		second(client.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &dyingExternal.id})),
		second(client.DisableKey(ctx, &kms.DisableKeyInput{KeyId: &disabledMAC.id})),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	disabled, dying := inState(t, "Disabled", &kms.CreateKeyInput{}), inState(t, "PendingDeletion", &kms.CreateKeyInput{})
	const unsupported, invalid = "UnsupportedOperationException", "KMSInvalidStateException"
	const origin, aliases = " origin is EXTERNAL which is not valid for this operation.", "Key Aliases are not supported for this operation."
	absent := "Key '" + arnOf(absentID) + "' does not exist"
	days := func(value, must string) string { return validation("'"+value+"' ", "rotationPeriodInDays", must) }
	all := []string{"EnableKeyRotation", "DisableKeyRotation", "RotateKeyOnDemand", "GetKeyRotationStatus", "ListKeyRotations"}
	changing := all[:3]
	for name, c := range map[string]struct {
		operations []string
		body       object
		code, text string
	}{
		"period below, absent key":       {all[:1], object{"KeyId": absentID, "RotationPeriodInDays": 89}, "ValidationException", days("89", "have value greater than or equal to 90")},
		"period above, absent key":       {all[:1], object{"KeyId": absentID, "RotationPeriodInDays": 2561}, "ValidationException", days("2561", "have value less than or equal to 2560")},
		"alias":                          {all, object{"KeyId": "alias/absent"}, "InvalidArnException", aliases},
		"alias ARN":                      {all, object{"KeyId": aliasARN("alias/absent")}, "InvalidArnException", aliases},
		"absent":                         {all, object{"KeyId": absentID}, "NotFoundException", absent},
		"no id":                          {all, object{"KeyId": "x"}, "NotFoundException", "Invalid keyId 'x'"},
		"disabled":                       {changing, object{"KeyId": disabled.id}, "DisabledException", disabled.arn + " is disabled."},
		"pending deletion":               {changing, object{"KeyId": dying.id}, invalid, dying.arn + " is pending deletion."},
		"HMAC":                           {[]string{all[0], all[2], all[4]}, object{"KeyId": hmac256(t).id}, unsupported, bare},
		"RSA":                            {[]string{all[0], all[2], all[4]}, object{"KeyId": rsaCrypt(t).id}, unsupported, bare},
		"EC":                             {[]string{all[0], all[2], all[4]}, object{"KeyId": p256(t).id}, unsupported, bare},
		"disabled HMAC: state, spec":     {changing, object{"KeyId": disabledMAC.id}, "DisabledException", disabledMAC.arn + " is disabled."},
		"imported":                       {[]string{all[0], all[1], all[3]}, object{"KeyId": external.id}, unsupported, external.arn + origin},
		"imported without material":      {all[2:3], object{"KeyId": external.id}, invalid, external.arn + " is pending import."},
		"dying imported: origin, state":  {[]string{all[0], all[1], all[3]}, object{"KeyId": dyingExternal.id}, unsupported, dyingExternal.arn + origin},
		"dying imported: state, pending": {all[2:3], object{"KeyId": dyingExternal.id}, invalid, dyingExternal.arn + " is pending deletion."},
		"unknown choice, absent key":     {all[4:], object{"KeyId": absentID, "IncludeKeyMaterial": "SOME"}, "ValidationException", validation("'SOME' ", "includeKeyMaterial", "satisfy enum value set: [ALL_KEY_MATERIAL, ROTATIONS_ONLY]")},
		"limit":                          {all[4:], object{"KeyId": absentID, "Limit": 1001}, "ValidationException", validation("'1001' ", "limit", "have value less than or equal to 1000")},
		"marker":                         {all[4:], object{"KeyId": symmetric(t).id, "Marker": "x"}, "InvalidMarkerException", bare},
	} {
		for _, operation := range c.operations {
			t.Run(name+"/"+operation, func(t *testing.T) {
				wantRefusal(t, call(t, operation, c.body), c.code, c.text)
			})
		}
	}
	// What is no refusal.
	for _, k := range []key{hmac256(t), rsaSign(t)} {
		if a := call(t, "DisableKeyRotation", object{"KeyId": k.id}); a.Status != 200 {
			t.Errorf("DisableKeyRotation: %+v", a)
		}
		sameMembers(t, call(t, "GetKeyRotationStatus", object{"KeyId": k.id}), `{"KeyId":"`+k.id+`","KeyRotationEnabled":false}`)
	}
	for _, k := range []key{disabled, dying} {
		sameMembers(t, call(t, "GetKeyRotationStatus", object{"KeyId": k.id}), `{"KeyId":"`+k.id+`","KeyRotationEnabled":false}`)
		sameMembers(t, call(t, "ListKeyRotations", object{"KeyId": k.id}), `{"Rotations":[],"Truncated":false}`)
	}
	sameMembers(t, call(t, "ListKeyRotations", object{"KeyId": external.id, "IncludeKeyMaterial": "ALL_KEY_MATERIAL"}), `{"Rotations":[],"Truncated":false}`)
}

// A key that is pending deletion shows no rotation; cancelling brings it back.
func TestRotationAndDeletion(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), at.KMS()
	k := newSymmetric(t)
	enableRotation(t, client, k.id, aws.Int32(100))
	before := rotationStatus(t, client, k.id)
	if _, err := client.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &k.id}); err != nil {
		t.Fatal(err)
	}
	sameMembers(t, call(t, "GetKeyRotationStatus", object{"KeyId": k.id}), `{"KeyId":"`+k.id+`","KeyRotationEnabled":false}`)
	if _, err := client.CancelKeyDeletion(ctx, &kms.CancelKeyDeletionInput{KeyId: &k.id}); err != nil {
		t.Fatal(err)
	}
	after := rotationStatus(t, client, k.id)
	if !after.KeyRotationEnabled || *after.RotationPeriodInDays != 100 || !after.NextRotationDate.Equal(*before.NextRotationDate) {
		t.Errorf("%+v, before %+v", after, before)
	}
}

// Every answer names the material that was used; old ciphertexts decrypt for ever, and ReEncrypt moves them on.
func TestRotateOnDemand(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), at.KMS()
	k := newSymmetric(t)
	type sealed struct {
		blob     []byte
		material string
	}
	var all []sealed
	for n := range 4 {
		material := *describe(t, k.id).CurrentKeyMaterialId
		data, err := client.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: &k.id, KeySpec: "AES_256"})
		if err != nil || *data.KeyMaterialId != material {
			t.Fatalf("%v, %v", data, err)
		}
		all = append(all, sealed{encrypt(t, k.id, "secret"), material})
		if slices.ContainsFunc(all[:n], func(s sealed) bool { return s.material == material }) {
			t.Errorf("rotation %d gave no new material", n)
		}
		out, err := client.RotateKeyOnDemand(ctx, &kms.RotateKeyOnDemandInput{KeyId: &k.id})
		if err != nil || *out.KeyId != k.arn {
			t.Fatalf("%v, %v", out, err)
		}
	}
	current := *describe(t, k.id).CurrentKeyMaterialId
	for i, s := range all {
		for range 2 { // from the store and from the cache
			back, err := client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: s.blob})
			if err != nil || string(back.Plaintext) != "secret" || *back.KeyMaterialId != s.material || *back.KeyId != k.arn {
				t.Fatalf("ciphertext %d: %+v, %v", i, back, err)
			}
		}
		moved, err := client.ReEncrypt(ctx, &kms.ReEncryptInput{CiphertextBlob: s.blob, DestinationKeyId: &k.id})
		if err != nil || *moved.SourceKeyMaterialId != s.material || *moved.DestinationKeyMaterialId != current {
			t.Fatalf("ciphertext %d: %+v, %v", i, moved, err)
		}
		back, err := client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: moved.CiphertextBlob, KeyId: &k.id})
		if err != nil || *back.KeyMaterialId != current || string(back.Plaintext) != "secret" {
			t.Errorf("ciphertext %d moved: %+v, %v", i, back, err)
		}
	}
	if _, err := client.DisableKey(ctx, &kms.DisableKeyInput{KeyId: &k.id}); err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		_, err := client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: s.blob})
		wantError(t, err, "DisabledException", k.arn+" is disabled.")
	}
}

func TestListRotations(t *testing.T) {
	t.Parallel()
	client := at.KMS()
	k, other := newSymmetric(t), newSymmetric(t)
	materials := []string{*describe(t, k.id).CurrentKeyMaterialId}
	for range 5 {
		rotate(t, client, k.id)
		materials = append(materials, *describe(t, k.id).CurrentKeyMaterialId)
	}
	rotate(t, client, other.id)
	for _, c := range []struct {
		include types.IncludeKeyMaterial
		first   int
	}{{"", 1}, {"ROTATIONS_ONLY", 1}, {"ALL_KEY_MATERIAL", 0}} {
		for _, limit := range []int32{0, 1, 2, 3, 5, 6, 1000} {
			in := kms.ListKeyRotationsInput{KeyId: &k.arn, IncludeKeyMaterial: c.include}
			n := len(materials) - c.first
			want := 1
			if limit > 0 {
				in.Limit = &limit
				want = (n + int(limit) - 1) / int(limit)
			}
			got, pages := rotations(t, client, in)
			if len(got) != n || pages != want {
				t.Errorf("%q by %d: %d entries on %d pages", c.include, limit, len(got), pages)
				continue
			}
			for i := range got {
				checkRotation(t, k, materials, c.first+i, &got[i])
			}
		}
	}
	first, err := client.ListKeyRotations(t.Context(), &kms.ListKeyRotationsInput{KeyId: &k.id, Limit: aws.Int32(1)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.ListKeyRotations(t.Context(), &kms.ListKeyRotationsInput{KeyId: &other.id, Marker: first.NextMarker})
	wantError(t, err, "InvalidMarkerException", "")
}

// checkRotation checks the entry of the nth material.
func checkRotation(t testing.TB, k key, materials []string, n int, e *types.RotationsListEntry) {
	t.Helper()
	state := types.KeyMaterialStateNonCurrent
	if n == len(materials)-1 {
		state = types.KeyMaterialStateCurrent
	}
	if *e.KeyId != k.id || *e.KeyMaterialId != materials[n] || e.KeyMaterialState != state {
		t.Errorf("material %d: %+v", n, e)
	}
	if e.ImportState != "" || e.ExpirationModel != "" || e.ValidTo != nil || e.KeyMaterialDescription != nil {
		t.Errorf("material %d is listed as imported: %+v", n, e)
	}
	switch {
	case n == 0 && (e.RotationDate != nil || e.RotationType != ""):
		t.Errorf("the first material has a rotation: %+v", e)
	case n > 0 && (e.RotationType != "ON_DEMAND" || e.RotationDate == nil || time.Since(*e.RotationDate) > time.Hour):
		t.Errorf("material %d: %+v", n, e)
	}
}

// TestOnDemandLimit: twenty-five, exactly, whoever rotates and whatever runs besides; no ciphertext is lost.
func TestOnDemandLimit(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), at.KMS()
	k := newSymmetric(t)
	var mu sync.Mutex
	var blobs [][]byte
	done, refused := 0, 0
	stop := make(chan struct{})
	var users, rotators sync.WaitGroup
	for range 3 {
		users.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				sealed, err := client.Encrypt(ctx, &kms.EncryptInput{KeyId: &k.id, Plaintext: []byte("kept")})
				if err != nil {
					t.Error(err)
					return
				}
				if back, err := client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob}); err != nil || string(back.Plaintext) != "kept" {
					t.Errorf("%v, %v", back, err)
				}
				mu.Lock()
				blobs = append(blobs, sealed.CiphertextBlob)
				mu.Unlock()
			}
		})
	}
	for range 4 {
		rotators.Go(func() {
			for range 8 {
				_, err := client.RotateKeyOnDemand(ctx, &kms.RotateKeyOnDemandInput{KeyId: &k.id})
				var limit *types.LimitExceededException
				mu.Lock()
				switch {
				case err == nil:
					done++
				case errors.As(err, &limit):
					refused++
				default:
					t.Error(err)
				}
				mu.Unlock()
			}
		})
	}
	rotators.Wait()
	close(stop)
	users.Wait()
	if done != 25 || refused != 7 {
		t.Errorf("%d rotations, %d refused", done, refused)
	}
	_, err := client.RotateKeyOnDemand(ctx, &kms.RotateKeyOnDemandInput{KeyId: &k.id})
	wantError(t, err, "LimitExceededException", limitText+k.arn)
	all, _ := rotations(t, client, kms.ListKeyRotationsInput{KeyId: &k.id, IncludeKeyMaterial: "ALL_KEY_MATERIAL"})
	listed := map[string]bool{}
	for _, e := range all {
		listed[*e.KeyMaterialId] = true
	}
	if len(listed) != 26 {
		t.Errorf("%d materials", len(listed))
	}
	used := map[string]bool{}
	for _, blob := range blobs {
		back, err := client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blob})
		if err != nil || string(back.Plaintext) != "kept" || !listed[*back.KeyMaterialId] {
			t.Fatalf("%+v, %v", back, err)
		}
		used[*back.KeyMaterialId] = true
	}
	t.Logf("%d ciphertexts under %d materials", len(blobs), len(used))
}

// codeOf is the exception of an SDK error, empty for none.
func codeOf(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	if err != nil {
		return err.Error()
	}
	return ""
}
