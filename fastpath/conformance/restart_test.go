package conformance_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/google/go-cmp/cmp"

	"trent/fastpath/servertest"
)

// TestRestart: everything that was answered is there again, wherever the HSM is.
func TestRestart(t *testing.T) {
	t.Parallel()
	ownServer(t)
	for name, o := range map[string]servertest.Options{"embedded": {}, "appliance": {Appliance: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			restart(t, o)
		})
	}
}

func restart(t *testing.T, o servertest.Options) {
	ctx := t.Context()
	o.Logf = t.Logf
	s := servertest.Start(t, o)
	client := s.KMS()
	make1 := func(in *kms.CreateKeyInput) string {
		t.Helper()
		out, err := client.CreateKey(ctx, in)
		if err != nil {
			t.Fatal(err)
		}
		return *out.KeyMetadata.KeyId
	}
	sym := make1(&kms.CreateKeyInput{Description: aws.String("kept"), Tags: []types.Tag{tag("a", "b")}, Policy: aws.String(accountPolicy())})
	sign := make1(&kms.CreateKeyInput{KeySpec: "ECC_NIST_P256", KeyUsage: "SIGN_VERIFY"})
	mac := make1(&kms.CreateKeyInput{KeySpec: "HMAC_256", KeyUsage: "GENERATE_VERIFY_MAC"})
	disabled, dying := make1(&kms.CreateKeyInput{}), make1(&kms.CreateKeyInput{})
	name := "alias/kept"
	for _, err := range []error{
		second(client.DisableKey(ctx, &kms.DisableKeyInput{KeyId: &disabled})),
		second(client.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &dying})),
		second(client.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: &name, TargetKeyId: &sym})),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	sealed, err := client.Encrypt(ctx, &kms.EncryptInput{KeyId: &sym, Plaintext: []byte("secret"), EncryptionContext: map[string]string{"a": "b"}})
	if err != nil {
		t.Fatal(err)
	}
	signature, err := client.Sign(ctx, &kms.SignInput{KeyId: &sign, Message: []byte("m"), SigningAlgorithm: "ECDSA_SHA_256"})
	if err != nil {
		t.Fatal(err)
	}
	sum, err := client.GenerateMac(ctx, &kms.GenerateMacInput{KeyId: &mac, Message: []byte("m"), MacAlgorithm: "HMAC_SHA_256"})
	if err != nil {
		t.Fatal(err)
	}
	ids := []string{sym, sign, mac, disabled, dying}
	before := metadataOf(t, client, ids)

	for range 2 {
		s.Restart(t)
		client = s.KMS()
		if d := cmp.Diff(before, metadataOf(t, client, ids), ignoreSDK); d != "" {
			t.Error(d)
		}
		back, err := client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob, KeyId: &name, EncryptionContext: map[string]string{"a": "b"}})
		if err != nil || string(back.Plaintext) != "secret" {
			t.Errorf("Decrypt: %v", err)
		}
		policy, err := client.GetKeyPolicy(ctx, &kms.GetKeyPolicyInput{KeyId: &sym})
		if err != nil || *policy.Policy != accountPolicy() {
			t.Errorf("GetKeyPolicy: %v", err)
		}
		tags, err := client.ListResourceTags(ctx, &kms.ListResourceTagsInput{KeyId: &sym})
		if err != nil || len(tags.Tags) != 1 || *tags.Tags[0].TagValue != "b" {
			t.Errorf("ListResourceTags: %v", err)
		}
		for _, err := range []error{
			second(client.Verify(ctx, &kms.VerifyInput{KeyId: &sign, Message: []byte("m"), Signature: signature.Signature, SigningAlgorithm: "ECDSA_SHA_256"})),
			second(client.VerifyMac(ctx, &kms.VerifyMacInput{KeyId: &mac, Message: []byte("m"), Mac: sum.Mac, MacAlgorithm: "HMAC_SHA_256"})),
		} {
			if err != nil {
				t.Error(err)
			}
		}
	}
}

// second is the error of a call whose answer does not matter.
func second[T any](_ T, err error) error { return err }

func metadataOf(t *testing.T, client *kms.Client, ids []string) (all []*types.KeyMetadata) {
	t.Helper()
	for _, id := range ids {
		out, err := client.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: &id})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, out.KeyMetadata)
	}
	return all
}

// movedClock is a clock that a test sets forward.
type movedClock struct{ ahead atomic.Int64 }

func (c *movedClock) now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

// TestDeletion: when the waiting period is over the key is gone, with its aliases, and its ciphertexts are
// no more than a reference to something that the caller cannot have.
func TestDeletion(t *testing.T) {
	t.Parallel()
	ownServer(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	clock := &movedClock{}
	s := servertest.Start(t, servertest.Options{Clock: clock.now})
	client := s.KMS()
	create := func() *types.KeyMetadata {
		t.Helper()
		out, err := client.CreateKey(ctx, &kms.CreateKeyInput{})
		if err != nil {
			t.Fatal(err)
		}
		return out.KeyMetadata
	}
	schedule := func(id *string) {
		t.Helper()
		if _, err := client.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: id, PendingWindowInDays: aws.Int32(7)}); err != nil {
			t.Fatal(err)
		}
	}
	k, cancelled := create(), create()
	name := "alias/dying"
	if _, err := client.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: &name, TargetKeyId: k.KeyId}); err != nil {
		t.Fatal(err)
	}
	sealed, err := client.Encrypt(ctx, &kms.EncryptInput{KeyId: k.KeyId, Plaintext: []byte("x")})
	if err != nil {
		t.Fatal(err)
	}
	schedule(k.KeyId)
	schedule(cancelled.KeyId)
	if _, err := client.CancelKeyDeletion(ctx, &kms.CancelKeyDeletionInput{KeyId: cancelled.KeyId}); err != nil {
		t.Fatal(err)
	}
	if out, err := client.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &name}); err != nil || *out.KeyMetadata.KeyId != *k.KeyId {
		t.Errorf("the alias of a key that is pending deletion: %v", err)
	}
	clock.ahead.Store(int64(7*24*time.Hour + time.Minute))
	schedule(create().KeyId) // whose scheduling wakes the worker
	gone := "Key '" + *k.Arn + "' does not exist"
	for {
		_, err = client.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: k.KeyId})
		if err != nil {
			break
		}
		select {
		case <-ctx.Done():
			t.Fatal("the key is still there")
		case <-time.After(5 * time.Millisecond):
		}
	}
	wantError(t, err, "NotFoundException", gone)
	_, err = client.CancelKeyDeletion(ctx, &kms.CancelKeyDeletionInput{KeyId: k.KeyId})
	wantError(t, err, "NotFoundException", gone)
	_, err = client.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &name})
	wantError(t, err, "NotFoundException", "Alias arn:aws:kms:us-east-1:"+s.Account+":"+name+" is not found.")
	_, err = client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob})
	wantError(t, err, "AccessDeniedException", "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.")
	if _, err := client.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: cancelled.KeyId}); err != nil {
		t.Errorf("a cancelled deletion happened: %v", err)
	}
}

// TestOneServerOnly: a data directory in use stops a second start and harms nobody.
func TestOneServerOnly(t *testing.T) {
	t.Parallel()
	ownServer(t)
	s := servertest.Start(t, servertest.Options{})
	if other, err := servertest.Open(s.Dir, servertest.Options{}); err == nil {
		t.Error("two servers on one directory", errors.Join(other.Close()))
	}
	if _, err := s.KMS().CreateKey(t.Context(), &kms.CreateKeyInput{}); err != nil {
		t.Error(err)
	}
}
