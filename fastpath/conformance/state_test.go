package conformance_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

func TestEnableDisable(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), at.KMS()
	k := newSymmetric(t)
	blob := encrypt(t, k.id, "x")
	for range 2 { // both are repeatable
		if _, err := client.DisableKey(ctx, &kms.DisableKeyInput{KeyId: &k.id}); err != nil {
			t.Fatal(err)
		}
	}
	if m := describe(t, k.id); m.Enabled || m.KeyState != "Disabled" {
		t.Errorf("disabled key: %v %s", m.Enabled, m.KeyState)
	}
	_, err := client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blob})
	wantError(t, err, "DisabledException", k.arn+" is disabled.")
	for range 2 {
		if _, err := client.EnableKey(ctx, &kms.EnableKeyInput{KeyId: &k.arn}); err != nil {
			t.Fatal(err)
		}
	}
	if m := describe(t, k.id); !m.Enabled || m.KeyState != "Enabled" {
		t.Errorf("enabled key: %v %s", m.Enabled, m.KeyState)
	}
	if _, err := client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blob}); err != nil {
		t.Error(err)
	}
}

func TestScheduleAndCancel(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), at.KMS()
	for window, days := range map[*int32]int32{nil: 30, aws.Int32(7): 7, aws.Int32(30): 30} {
		k := newSymmetric(t)
		before := time.Now()
		out, err := client.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &k.id, PendingWindowInDays: window})
		if err != nil {
			t.Fatal(err)
		}
		if *out.KeyId != k.arn || out.KeyState != "PendingDeletion" || *out.PendingWindowInDays != days {
			t.Errorf("answer %+v", out)
		}
		if left := out.DeletionDate.Sub(before) - time.Duration(days)*24*time.Hour; left < -time.Second || left > time.Minute {
			t.Errorf("DeletionDate %v is %v off", out.DeletionDate, left)
		}
		m := describe(t, k.id)
		if m.KeyState != "PendingDeletion" || m.Enabled || !m.DeletionDate.Equal(*out.DeletionDate) || m.PendingDeletionWindowInDays != nil {
			t.Errorf("metadata %+v", m)
		}
		_, err = client.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &k.id})
		wantError(t, err, "KMSInvalidStateException", k.arn+" is pending deletion.")
		cancelled, err := client.CancelKeyDeletion(ctx, &kms.CancelKeyDeletionInput{KeyId: &k.id})
		if err != nil || *cancelled.KeyId != k.arn {
			t.Errorf("CancelKeyDeletion: %v, %v", cancelled, err)
		}
		if m := describe(t, k.id); m.KeyState != "Disabled" || m.DeletionDate != nil {
			t.Errorf("metadata %+v", m)
		}
		_, err = client.CancelKeyDeletion(ctx, &kms.CancelKeyDeletionInput{KeyId: &k.id})
		wantError(t, err, "KMSInvalidStateException", k.arn+" is not pending deletion.")
	}
}

func TestScheduleWindow(t *testing.T) {
	t.Parallel()
	k := newSymmetric(t)
	for _, days := range []int32{1, 6, 31, 365} {
		_, err := at.KMS().ScheduleKeyDeletion(t.Context(), &kms.ScheduleKeyDeletionInput{KeyId: &k.id, PendingWindowInDays: &days})
		wantError(t, err, "ValidationException", "PendingWindowInDays must be between 7 and 30")
	}
	for days, must := range map[int32]string{0: "have value greater than or equal to 1", 366: "have value less than or equal to 365"} {
		_, err := at.KMS().ScheduleKeyDeletion(t.Context(), &kms.ScheduleKeyDeletionInput{KeyId: &k.id, PendingWindowInDays: &days})
		wantError(t, err, "ValidationException", validation("'"+itoa(int(days))+"' ", "pendingWindowInDays", must))
	}
}

func TestCancelOfAPendingImport(t *testing.T) {
	t.Parallel()
	k := inState(t, "PendingImport", &kms.CreateKeyInput{})
	if _, err := at.KMS().ScheduleKeyDeletion(t.Context(), &kms.ScheduleKeyDeletionInput{KeyId: &k.id}); err != nil {
		t.Fatal(err)
	}
	if _, err := at.KMS().CancelKeyDeletion(t.Context(), &kms.CancelKeyDeletionInput{KeyId: &k.id}); err != nil {
		t.Fatal(err)
	}
	if m := describe(t, k.id); m.KeyState != "PendingImport" {
		t.Errorf("state %s", m.KeyState)
	}
}

// TestStates is key state × operation (AWS KMS Developer Guide, "Key states of AWS KMS keys").
func TestStates(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), at.KMS()
	other := symmetric(t)
	otherBlob := encrypt(t, other.id, "x")
	type state = types.KeyState
	ok := map[state]string{}
	usable := map[state]string{"Disabled": "DisabledException", "PendingDeletion": " is pending deletion.", "PendingImport": " is pending import."}
	switching := map[state]string{"PendingDeletion": " is pending deletion.", "PendingImport": " is pending import."}
	notDying := map[state]string{"PendingDeletion": " is pending deletion."}
	cancelling := map[state]string{"Enabled": " is not pending deletion.", "Disabled": " is not pending deletion.", "PendingImport": " is not pending deletion."}
	for name, c := range map[string]struct {
		refused map[state]string
		run     func(k key) error
	}{
		"Encrypt": {usable, func(k key) error {
			_, err := client.Encrypt(ctx, &kms.EncryptInput{KeyId: &k.id, Plaintext: []byte("x")})
			return err
		}},
		"ReEncrypt": {usable, func(k key) error {
			_, err := client.ReEncrypt(ctx, &kms.ReEncryptInput{CiphertextBlob: otherBlob, DestinationKeyId: &k.id})
			return err
		}},
		"GenerateDataKey": {usable, func(k key) error {
			_, err := client.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: &k.id, KeySpec: "AES_256"})
			return err
		}},
		"GenerateDataKeyWithoutPlaintext": {usable, func(k key) error {
			_, err := client.GenerateDataKeyWithoutPlaintext(ctx, &kms.GenerateDataKeyWithoutPlaintextInput{KeyId: &k.id, KeySpec: "AES_256"})
			return err
		}},
		"EnableKey": {switching, func(k key) error { _, err := client.EnableKey(ctx, &kms.EnableKeyInput{KeyId: &k.id}); return err }},
		"DisableKey": {switching, func(k key) error {
			_, err := client.DisableKey(ctx, &kms.DisableKeyInput{KeyId: &k.id})
			return err
		}},
		"ScheduleKeyDeletion": {notDying, func(k key) error {
			_, err := client.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &k.id})
			return err
		}},
		"CancelKeyDeletion": {cancelling, func(k key) error {
			_, err := client.CancelKeyDeletion(ctx, &kms.CancelKeyDeletionInput{KeyId: &k.id})
			return err
		}},
		"UpdateKeyDescription": {notDying, func(k key) error {
			_, err := client.UpdateKeyDescription(ctx, &kms.UpdateKeyDescriptionInput{KeyId: &k.id, Description: aws.String("x")})
			return err
		}},
		"TagResource": {notDying, func(k key) error {
			_, err := client.TagResource(ctx, &kms.TagResourceInput{KeyId: &k.id, Tags: []types.Tag{{TagKey: aws.String("a"), TagValue: aws.String("b")}}})
			return err
		}},
		"UntagResource": {notDying, func(k key) error {
			_, err := client.UntagResource(ctx, &kms.UntagResourceInput{KeyId: &k.id, TagKeys: []string{"a"}})
			return err
		}},
		"CreateAlias": {notDying, func(k key) error {
			_, err := client.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: aws.String(newAlias()), TargetKeyId: &k.id})
			return err
		}},
		"UpdateAlias": {notDying, func(k key) error {
			alias := newAlias()
			if _, err := client.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: &alias, TargetKeyId: &other.id}); err != nil {
				return err
			}
			_, err := client.UpdateAlias(ctx, &kms.UpdateAliasInput{AliasName: &alias, TargetKeyId: &k.id})
			_, _ = client.DeleteAlias(ctx, &kms.DeleteAliasInput{AliasName: &alias})
			return err
		}},
		"DescribeKey": {ok, func(k key) error { _, err := client.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &k.id}); return err }},
		"ListAliases": {ok, func(k key) error { _, err := client.ListAliases(ctx, &kms.ListAliasesInput{KeyId: &k.id}); return err }},
		"GetKeyPolicy": {ok, func(k key) error {
			_, err := client.GetKeyPolicy(ctx, &kms.GetKeyPolicyInput{KeyId: &k.id})
			return err
		}},
		"ListKeyPolicies": {ok, func(k key) error {
			_, err := client.ListKeyPolicies(ctx, &kms.ListKeyPoliciesInput{KeyId: &k.id})
			return err
		}},
		"PutKeyPolicy": {ok, func(k key) error {
			_, err := client.PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{KeyId: &k.id, Policy: aws.String(accountPolicy())})
			return err
		}},
		"ListResourceTags": {ok, func(k key) error {
			_, err := client.ListResourceTags(ctx, &kms.ListResourceTagsInput{KeyId: &k.id})
			return err
		}},
	} {
		for _, s := range []state{"Enabled", "Disabled", "PendingDeletion", "PendingImport"} {
			t.Run(name+"/"+string(s), func(t *testing.T) {
				t.Parallel()
				k := inState(t, s, &kms.CreateKeyInput{})
				err := c.run(k)
				switch want := c.refused[s]; want {
				case "":
					if err != nil {
						t.Error(err)
					}
				case "DisabledException":
					wantError(t, err, want, k.arn+" is disabled.")
				default:
					wantError(t, err, "KMSInvalidStateException", k.arn+want)
				}
			})
		}
	}
}

// TestStatesOfOtherKeys: signing, MACs and public keys.
func TestStatesOfOtherKeys(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), at.KMS()
	sign := newKey(t, &kms.CreateKeyInput{KeySpec: "ECC_NIST_P256", KeyUsage: "SIGN_VERIFY"})
	mac := newKey(t, &kms.CreateKeyInput{KeySpec: "HMAC_256", KeyUsage: "GENERATE_VERIFY_MAC"})
	use := func() map[string]error {
		all := map[string]error{}
		_, all["Sign"] = client.Sign(ctx, &kms.SignInput{KeyId: &sign.id, Message: []byte("x"), SigningAlgorithm: "ECDSA_SHA_256"})
		_, all["Verify"] = client.Verify(ctx, &kms.VerifyInput{KeyId: &sign.id, Message: []byte("x"), Signature: []byte("x"), SigningAlgorithm: "ECDSA_SHA_256"})
		_, all["GenerateMac"] = client.GenerateMac(ctx, &kms.GenerateMacInput{KeyId: &mac.id, Message: []byte("x"), MacAlgorithm: "HMAC_SHA_256"})
		_, all["VerifyMac"] = client.VerifyMac(ctx, &kms.VerifyMacInput{KeyId: &mac.id, Message: []byte("x"), Mac: []byte("x"), MacAlgorithm: "HMAC_SHA_256"})
		return all
	}
	each := func(f func(k key) error) {
		for _, k := range []key{sign, mac} {
			if err := f(k); err != nil {
				t.Fatal(err)
			}
		}
	}
	arn := map[string]string{"Sign": sign.arn, "Verify": sign.arn, "GenerateMac": mac.arn, "VerifyMac": mac.arn}

	each(func(k key) error { _, err := client.DisableKey(ctx, &kms.DisableKeyInput{KeyId: &k.id}); return err })
	for op, err := range use() {
		t.Log(op)
		wantError(t, err, "DisabledException", arn[op]+" is disabled.")
	}
	if _, err := client.GetPublicKey(ctx, &kms.GetPublicKeyInput{KeyId: &sign.id}); err != nil {
		t.Errorf("GetPublicKey of a disabled key: %v", err)
	}

	each(func(k key) error {
		_, err := client.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &k.id})
		return err
	})
	for op, err := range use() {
		t.Log(op)
		wantError(t, err, "KMSInvalidStateException", arn[op]+" is pending deletion.")
	}
	_, err := client.GetPublicKey(ctx, &kms.GetPublicKeyInput{KeyId: &sign.id})
	wantError(t, err, "KMSInvalidStateException", sign.arn+" is pending deletion.")

	waiting := newKey(t, &kms.CreateKeyInput{KeySpec: "ECC_NIST_P256", KeyUsage: "SIGN_VERIFY", Origin: "EXTERNAL"})
	_, err = client.Sign(ctx, &kms.SignInput{KeyId: &waiting.id, Message: []byte("x"), SigningAlgorithm: "ECDSA_SHA_256"})
	wantError(t, err, "KMSInvalidStateException", waiting.arn+" is pending import.")
	_, err = client.GetPublicKey(ctx, &kms.GetPublicKeyInput{KeyId: &waiting.id})
	wantError(t, err, "KMSInvalidStateException", waiting.arn+" is pending import.")
}

// TestDisablingIsImmediate: a use that begins after DisableKey was answered fails, whichever connection and
// core it takes, and one after EnableKey was answered succeeds.
func TestDisablingIsImmediate(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), at.KMS()
	k := newSymmetric(t)
	var phase atomic.Int64 // even: enabled; odd: disabled; moved only between two answered changes
	var users sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		users.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				before := phase.Load()
				_, err := client.Encrypt(ctx, &kms.EncryptInput{KeyId: &k.id, Plaintext: []byte("x")})
				if phase.Load() != before || before < 0 {
					continue // a change was on its way
				}
				if disabled := before%2 == 1; disabled != (err != nil) {
					t.Errorf("disabled %v: %v", disabled, err)
				}
			}
		})
	}
	for n := int64(1); n <= 20; n++ {
		phase.Store(-n)
		var err error
		if n%2 == 1 {
			_, err = client.DisableKey(ctx, &kms.DisableKeyInput{KeyId: &k.id})
		} else {
			_, err = client.EnableKey(ctx, &kms.EnableKeyInput{KeyId: &k.id})
		}
		if err != nil {
			t.Error(err)
		}
		phase.Store(n)
		for range 3 { // let the others see this phase
			_, _ = client.Encrypt(ctx, &kms.EncryptInput{KeyId: &k.id, Plaintext: []byte("x")})
		}
	}
	close(stop)
	users.Wait()
}
