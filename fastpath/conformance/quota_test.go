package conformance_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"trent/fastpath/quota"
	"trent/fastpath/servertest"
)

// limited is a server of the test's own with one quota changed.
func limited(t *testing.T, r quota.Resource, n int) *servertest.Server {
	t.Helper()
	ownServer(t)
	all := quota.Default()
	all[r] = n
	return servertest.Start(t, servertest.Options{Quotas: &all, Credentials: otherCredentials()})
}

// TestKeyQuota: the keys of an account and Region in all states count, exactly, under any concurrency and after a restart.
func TestKeyQuota(t *testing.T) {
	t.Parallel()
	const limit, asked = 6, 24
	s := limited(t, quota.Keys, limit)
	const text = "Key quota for this account in this region is 6 but the current usage is 6."
	var made atomic.Int32
	var wg sync.WaitGroup
	for range asked {
		wg.Go(func() {
			out, err := s.KMS().CreateKey(t.Context(), &kms.CreateKeyInput{})
			if err != nil {
				wantError(t, err, "LimitExceededException", text)
				return
			}
			if made.Add(1) == 1 {
				if _, err := s.KMS().ScheduleKeyDeletion(t.Context(), &kms.ScheduleKeyDeletionInput{KeyId: out.KeyMetadata.KeyId}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	list, err := s.KMS().ListKeys(t.Context(), &kms.ListKeysInput{})
	if err != nil || len(list.Keys) != limit || made.Load() != limit {
		t.Fatalf("%d keys made, %d listed of at most %d: %v", made.Load(), len(list.Keys), limit, err)
	}
	// Other Regions and accounts have quotas of their own.
	if _, err := s.In("eu-west-1").CreateKey(t.Context(), &kms.CreateKeyInput{}); err != nil {
		t.Error(err)
	}
	if _, err := s.As(otherKeyID, otherSecret).CreateKey(t.Context(), &kms.CreateKeyInput{}); err != nil {
		t.Error(err)
	}
	s.Restart(t)
	for _, in := range []*kms.CreateKeyInput{{}, {Origin: types.OriginTypeExternal}, {MultiRegion: aws.Bool(true)}} {
		_, err := s.KMS().CreateKey(t.Context(), in)
		wantError(t, err, "LimitExceededException", text)
	}
}

// TestKeyQuotaAfterDeletion: a key that is gone makes room.
func TestKeyQuotaAfterDeletion(t *testing.T) {
	t.Parallel()
	ownServer(t)
	all := quota.Default()
	all[quota.Keys] = 1
	var later atomic.Int64
	clock := func() time.Time { return time.Now().Add(time.Duration(later.Load())) }
	s := servertest.Start(t, servertest.Options{Quotas: &all, Clock: clock})
	first, err := s.KMS().CreateKey(t.Context(), &kms.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.KMS().ScheduleKeyDeletion(t.Context(), &kms.ScheduleKeyDeletionInput{KeyId: first.KeyMetadata.KeyId, PendingWindowInDays: aws.Int32(7)}); err != nil {
		t.Fatal(err)
	}
	_, err = s.KMS().CreateKey(t.Context(), &kms.CreateKeyInput{})
	wantError(t, err, "LimitExceededException", "Key quota for this account in this region is 1 but the current usage is 1.")
	later.Store(int64(8 * 24 * time.Hour))
	s.Restart(t) // the worker looks at its start
	deadline := time.Now().Add(20 * time.Second)
	for {
		if _, err = s.KMS().CreateKey(t.Context(), &kms.CreateKeyInput{}); err == nil || time.Now().After(deadline) {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err != nil {
		t.Errorf("after the deletion of the only key: %v", err)
	}
}

// TestKeysAreUnlimitedByDefault is what load tests rely on.
func TestKeysAreUnlimitedByDefault(t *testing.T) {
	t.Parallel()
	if quota.Default()[quota.Keys] != quota.Unlimited {
		t.Error("the number of keys is limited by default")
	}
}

func TestAliasLimits(t *testing.T) {
	t.Parallel()
	ownServer(t)
	for _, limit := range []int{1, 3} {
		all := quota.Default()
		all[quota.AliasesPerKey] = limit
		s := servertest.Start(t, servertest.Options{Quotas: &all})
		c, ctx := s.KMS(), t.Context()
		var ids [2]*string
		for i := range ids {
			out, err := c.CreateKey(ctx, &kms.CreateKeyInput{})
			if err != nil {
				t.Fatal(err)
			}
			ids[i] = out.KeyMetadata.KeyId
		}
		for i := range limit {
			if _, err := c.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: aws.String(fmt.Sprintf("alias/%d", i)), TargetKeyId: ids[0]}); err != nil {
				t.Fatal(err)
			}
		}
		text := fmt.Sprintf("Aliases per key quota for this account in this region is %d, current usage is %d.", limit, limit)
		_, err := c.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: aws.String("alias/more"), TargetKeyId: ids[0]})
		wantError(t, err, "LimitExceededException", text)
		if _, err := c.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: aws.String("alias/more"), TargetKeyId: ids[1]}); err != nil {
			t.Fatal(err)
		}
		_, err = c.UpdateAlias(ctx, &kms.UpdateAliasInput{AliasName: aws.String("alias/more"), TargetKeyId: ids[0]})
		wantError(t, err, "LimitExceededException", text)
	}
}

func TestTagQuota(t *testing.T) {
	t.Parallel()
	s := limited(t, quota.TagsPerKey, 3)
	c, ctx := s.KMS(), t.Context()
	tags := func(n int) (all []types.Tag) {
		for i := range n {
			all = append(all, types.Tag{TagKey: aws.String(fmt.Sprint(i)), TagValue: aws.String("")})
		}
		return all
	}
	_, err := c.CreateKey(ctx, &kms.CreateKeyInput{Tags: tags(4)})
	wantError(t, err, "TagException", "Too many tags")
	out, err := c.CreateKey(ctx, &kms.CreateKeyInput{Tags: tags(3)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.TagResource(ctx, &kms.TagResourceInput{KeyId: out.KeyMetadata.KeyId, Tags: tags(3)}); err != nil {
		t.Errorf("the same tags again: %v", err)
	}
	_, err = c.TagResource(ctx, &kms.TagResourceInput{KeyId: out.KeyMetadata.KeyId, Tags: tags(4)[3:]})
	wantError(t, err, "TagException", "Too many tags")
}

func TestPolicyQuota(t *testing.T) {
	t.Parallel()
	s := limited(t, quota.PolicyBytes, 1000)
	c, ctx := s.KMS(), t.Context()
	policy := func(n int) *string {
		p := accountPolicy()
		return aws.String(p + strings.Repeat(" ", n-len(p)))
	}
	const text = "The key policy has 1001 bytes, more than the quota of 1000."
	_, err := c.CreateKey(ctx, &kms.CreateKeyInput{Policy: policy(1001)})
	wantError(t, err, "LimitExceededException", text)
	out, err := c.CreateKey(ctx, &kms.CreateKeyInput{Policy: policy(1000)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{KeyId: out.KeyMetadata.KeyId, Policy: policy(1001)})
	wantError(t, err, "LimitExceededException", text)
	if _, err := c.PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{KeyId: out.KeyMetadata.KeyId, Policy: policy(1000)}); err != nil {
		t.Error(err)
	}
}
