package conformance_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/google/go-cmp/cmp"

	"trent/fastpath/servertest"
	"trent/store"
	"trent/store/faultstore"
)

func TestUpdatePrimaryRegion(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	k := newPrimary(t)
	newReplica(t, k, firstRegion)
	newReplica(t, k, secondRegion)
	blob := encrypt(t, k.id, "x")
	if _, err := at.KMS().UpdatePrimaryRegion(ctx, &kms.UpdatePrimaryRegionInput{KeyId: &k.arn, PrimaryRegion: aws.String(firstRegion)}); err != nil {
		t.Fatal(err)
	}
	wantRelated(t, describeIn(t, firstRegion, k.id), related(k.id, "PRIMARY", firstRegion, at.Region, secondRegion))
	for _, region := range []string{at.Region, secondRegion} {
		m := describeIn(t, region, k.id)
		wantRelated(t, m, related(k.id, "REPLICA", firstRegion, at.Region, secondRegion))
		if m.KeyState != "Enabled" {
			t.Errorf("%s: %s", region, m.KeyState)
		}
	}
	_, err := at.KMS().ReplicateKey(ctx, &kms.ReplicateKeyInput{KeyId: &k.id, ReplicaRegion: aws.String("sa-east-1")})
	wantError(t, err, "UnsupportedOperationException", k.arn+" is not a multi-region primary key.")
	out, err := at.In(firstRegion).ReplicateKey(ctx, &kms.ReplicateKeyInput{KeyId: &k.id, ReplicaRegion: aws.String("sa-east-1")})
	if err != nil {
		t.Fatal(err)
	}
	created.addIn("sa-east-1", k.id)
	wantRelated(t, out.ReplicaKeyMetadata, related(k.id, "REPLICA", firstRegion, at.Region, secondRegion, "sa-east-1"))
	if back, err := at.In("sa-east-1").Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blob}); err != nil || string(back.Plaintext) != "x" {
		t.Errorf("Decrypt: %v", err)
	}
	// Back again.
	if _, err := at.In(firstRegion).UpdatePrimaryRegion(ctx, &kms.UpdatePrimaryRegionInput{KeyId: &k.id, PrimaryRegion: &at.Region}); err != nil {
		t.Fatal(err)
	}
	wantRelated(t, describe(t, k.id), related(k.id, "PRIMARY", at.Region, firstRegion, secondRegion, "sa-east-1"))
}

func TestUpdatePrimaryRegionRefusals(t *testing.T) {
	t.Parallel()
	k, single := newPrimary(t), symmetric(t)
	newReplica(t, k, firstRegion)
	newReplica(t, k, secondRegion)
	if _, err := at.In(secondRegion).DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: &k.id}); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		region, key, to string
		code, message   string
	}{
		"a replica":        {firstRegion, k.id, secondRegion, "UnsupportedOperationException", arnIn(firstRegion, k.id) + " is not a multi-region primary key."},
		"single-Region":    {at.Region, single.id, firstRegion, "UnsupportedOperationException", single.arn + " is not a multi-region primary key."},
		"no copy there":    {at.Region, k.id, "sa-east-1", "NotFoundException", "Key '" + arnIn("sa-east-1", k.id) + "' does not exist"},
		"its own":          {at.Region, k.id, at.Region, "ValidationException", k.arn + " is already the primary key in Region " + at.Region + "."},
		"other partition":  {at.Region, k.id, "cn-north-1", "ValidationException", "Region cn-north-1 is not valid for this operation."},
		"disabled replica": {at.Region, k.id, secondRegion, "DisabledException", arnIn(secondRegion, k.id) + " is disabled."},
		"alias":            {at.Region, "alias/x", firstRegion, "InvalidArnException", "Key Aliases are not supported for this operation."},
		"absent":           {at.Region, absentID, firstRegion, "NotFoundException", "Key '" + arnOf(absentID) + "' does not exist"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := at.In(c.region).UpdatePrimaryRegion(context.Background(), &kms.UpdatePrimaryRegionInput{KeyId: &c.key, PrimaryRegion: &c.to})
			wantError(t, err, c.code, c.message)
		})
	}
	wantRelated(t, describe(t, k.id), related(k.id, "PRIMARY", at.Region, firstRegion, secondRegion))
}

// TestPendingReplicaDeletion: a primary with replicas waits for them, without a date.
func TestPendingReplicaDeletion(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), at.KMS()
	k := newPrimary(t)
	newReplica(t, k, firstRegion)
	out, err := client.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &k.id, PendingWindowInDays: aws.Int32(9)})
	if err != nil {
		t.Fatal(err)
	}
	if *out.KeyId != k.arn || out.KeyState != "PendingReplicaDeletion" || *out.PendingWindowInDays != 9 || out.DeletionDate != nil {
		t.Errorf("answer %+v", out)
	}
	m := describe(t, k.id)
	if m.KeyState != "PendingReplicaDeletion" || m.Enabled || m.DeletionDate != nil || *m.PendingDeletionWindowInDays != 9 {
		t.Errorf("metadata %+v", m)
	}
	pending := k.arn + " is pending replica deletion."
	for _, err := range []error{
		second(client.Encrypt(ctx, &kms.EncryptInput{KeyId: &k.id, Plaintext: []byte("x")})),
		second(client.EnableKey(ctx, &kms.EnableKeyInput{KeyId: &k.id})),
		second(client.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &k.id})),
		second(client.ReplicateKey(ctx, &kms.ReplicateKeyInput{KeyId: &k.id, ReplicaRegion: aws.String(secondRegion)})),
		second(client.UpdatePrimaryRegion(ctx, &kms.UpdatePrimaryRegionInput{KeyId: &k.id, PrimaryRegion: aws.String(firstRegion)})),
	} {
		wantError(t, err, "KMSInvalidStateException", pending)
	}
	// The replica goes on.
	if m := describeIn(t, firstRegion, k.id); m.KeyState != "Enabled" {
		t.Errorf("replica %s", m.KeyState)
	}
	if _, err := client.CancelKeyDeletion(ctx, &kms.CancelKeyDeletionInput{KeyId: &k.id}); err != nil {
		t.Fatal(err)
	}
	if m := describe(t, k.id); m.KeyState != "Disabled" || m.PendingDeletionWindowInDays != nil {
		t.Errorf("cancelled: %+v", m)
	}
	// A replica is deleted as any key.
	out, err = at.In(firstRegion).ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &k.id, PendingWindowInDays: aws.Int32(7)})
	if err != nil || out.KeyState != "PendingDeletion" || out.DeletionDate == nil {
		t.Errorf("replica: %+v, %v", out, err)
	}
}

// TestReplicaDeletion: the waiting period of a primary begins when the last replica is really gone.
func TestReplicaDeletion(t *testing.T) {
	t.Parallel()
	ownServer(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	clock := &movedClock{}
	s := servertest.Start(t, servertest.Options{Clock: clock.now})
	client, there := s.KMS(), s.In(firstRegion)
	made, err := client.CreateKey(ctx, &kms.CreateKeyInput{MultiRegion: aws.Bool(true)})
	if err != nil {
		t.Fatal(err)
	}
	id := made.KeyMetadata.KeyId
	if _, err := client.ReplicateKey(ctx, &kms.ReplicateKeyInput{KeyId: id, ReplicaRegion: aws.String(firstRegion)}); err != nil {
		t.Fatal(err)
	}
	sealed, err := there.Encrypt(ctx, &kms.EncryptInput{KeyId: id, Plaintext: []byte("x")})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []*kms.Client{client, there} {
		if _, err := c.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: id, PendingWindowInDays: aws.Int32(7)}); err != nil {
			t.Fatal(err)
		}
	}
	until := func(what string, done func() bool) {
		t.Helper()
		for !done() {
			select {
			case <-ctx.Done():
				t.Fatal(what)
			case <-time.After(5 * time.Millisecond):
			}
		}
	}
	wake := func() {
		t.Helper()
		clock.ahead.Add(int64(7*24*time.Hour + time.Minute))
		out, err := client.CreateKey(ctx, &kms.CreateKeyInput{})
		if err == nil {
			_, err = client.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: out.KeyMetadata.KeyId}) // wakes the worker
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	wake()
	until("the replica is still there", func() bool {
		_, err := there.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: id})
		return err != nil
	})
	m := metadataOf(t, client, []string{*id})[0]
	left := m.DeletionDate.Sub(clock.now())
	if m.KeyState != "PendingDeletion" || m.PendingDeletionWindowInDays != nil || left > 7*24*time.Hour || left < 7*24*time.Hour-time.Minute {
		t.Errorf("the primary: %+v, %v left", m, left)
	}
	if n := len(m.MultiRegionConfiguration.ReplicaKeys); n != 0 {
		t.Errorf("%d replicas", n)
	}
	// Cancelled, it decrypts what the replica made, and can be replicated there again.
	if _, err := client.CancelKeyDeletion(ctx, &kms.CancelKeyDeletionInput{KeyId: id}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.EnableKey(ctx, &kms.EnableKeyInput{KeyId: id}); err != nil {
		t.Fatal(err)
	}
	if back, err := client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob}); err != nil || string(back.Plaintext) != "x" {
		t.Errorf("Decrypt: %v", err)
	}
	until("the replica's remains stay", func() bool {
		_, err := client.ReplicateKey(ctx, &kms.ReplicateKeyInput{KeyId: id, ReplicaRegion: aws.String(firstRegion)})
		return err == nil
	})
	if _, err := there.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob}); err != nil {
		t.Errorf("Decrypt by the new replica: %v", err)
	}
}

// TestMultiRegionRestart: copies and roles are there again.
func TestMultiRegionRestart(t *testing.T) {
	t.Parallel()
	ownServer(t)
	ctx := t.Context()
	s := servertest.Start(t, servertest.Options{})
	made, err := s.KMS().CreateKey(ctx, &kms.CreateKeyInput{MultiRegion: aws.Bool(true)})
	if err != nil {
		t.Fatal(err)
	}
	id := made.KeyMetadata.KeyId
	for _, region := range []string{firstRegion, secondRegion} {
		if _, err := s.KMS().ReplicateKey(ctx, &kms.ReplicateKeyInput{KeyId: id, ReplicaRegion: &region}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.KMS().UpdatePrimaryRegion(ctx, &kms.UpdatePrimaryRegionInput{KeyId: id, PrimaryRegion: aws.String(firstRegion)}); err != nil {
		t.Fatal(err)
	}
	sealed, err := s.KMS().Encrypt(ctx, &kms.EncryptInput{KeyId: id, Plaintext: []byte("x")})
	if err != nil {
		t.Fatal(err)
	}
	all := func() (ms []*types.KeyMetadata) {
		for _, region := range []string{s.Region, firstRegion, secondRegion} {
			ms = append(ms, metadataOf(t, s.In(region), []string{*id})...)
		}
		return ms
	}
	before := all()
	s.Restart(t)
	if d := cmp.Diff(before, all(), ignoreSDK); d != "" {
		t.Error(d)
	}
	for _, region := range []string{s.Region, firstRegion, secondRegion} {
		if _, err := s.In(region).Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob}); err != nil {
			t.Errorf("%s: %v", region, err)
		}
	}
}

// TestMultiRegionFaults: a store that fails under ReplicateKey and UpdatePrimaryRegion leaves all or nothing.
func TestMultiRegionFaults(t *testing.T) {
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
	id := made.KeyMetadata.KeyId
	replicate := func() error {
		return second(s.KMS().ReplicateKey(ctx, &kms.ReplicateKeyInput{KeyId: id, ReplicaRegion: aws.String(firstRegion)}))
	}
	promote := func() error {
		return second(s.KMS().UpdatePrimaryRegion(ctx, &kms.UpdatePrimaryRegionInput{KeyId: id, PrimaryRegion: aws.String(firstRegion)}))
	}
	type outcome struct{ replicas, primary string }
	shown := func(region string) (o outcome) {
		out, err := s.In(region).DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: id})
		if err != nil {
			return outcome{}
		}
		c := out.KeyMetadata.MultiRegionConfiguration
		for _, r := range c.ReplicaKeys {
			o.replicas += *r.Region
		}
		o.primary = *c.PrimaryKey.Region
		return o
	}
	for _, c := range []struct {
		name        string
		do          func() error
		fault       faultstore.Fault
		here, there outcome
	}{
		{"replicate, not applied", replicate, faultstore.Fault{Err: store.ErrUnavailable}, outcome{"", s.Region}, outcome{}},
		{"replicate, applied", replicate, faultstore.Fault{Err: store.ErrAmbiguous, Apply: true}, outcome{firstRegion, s.Region}, outcome{firstRegion, s.Region}},
		{"promote, not applied", promote, faultstore.Fault{Err: store.ErrUnavailable}, outcome{firstRegion, s.Region}, outcome{firstRegion, s.Region}},
		{"promote, applied", promote, faultstore.Fault{Err: store.ErrAmbiguous, Apply: true}, outcome{s.Region, firstRegion}, outcome{s.Region, firstRegion}},
	} {
		c.fault.Kind, c.fault.First = faultstore.Commit, faults.Calls(faultstore.Commit)+1
		faults.Add(c.fault)
		if err := c.do(); err == nil {
			t.Errorf("%s: no error", c.name)
		}
		faults.Clear()
		if here, there := shown(s.Region), shown(firstRegion); here != c.here || there != c.there {
			t.Errorf("%s: %+v and %+v, want %+v and %+v", c.name, here, there, c.here, c.there)
		}
	}
}

// TestMultiRegionKill: SIGKILL while keys are copied and promoted leaves each key with one primary, known to all its copies.
func TestMultiRegionKill(t *testing.T) {
	t.Parallel()
	ownServer(t)
	ctx, dir := context.Background(), t.TempDir()
	var mu sync.Mutex
	made := map[string][]string{} // Regions of the copies that were answered, by key
	writer := func(c *child) {
		for {
			out, err := c.KMS().CreateKey(ctx, &kms.CreateKeyInput{MultiRegion: aws.Bool(true)})
			if err != nil {
				return
			}
			id, primary := out.KeyMetadata.KeyId, c.Region
			for _, region := range []string{firstRegion, secondRegion} {
				if _, err := c.In(primary).ReplicateKey(ctx, &kms.ReplicateKeyInput{KeyId: id, ReplicaRegion: &region}); err != nil {
					return
				}
				mu.Lock()
				made[*id] = append(made[*id], region)
				mu.Unlock()
				if _, err := c.In(primary).UpdatePrimaryRegion(ctx, &kms.UpdatePrimaryRegionInput{KeyId: id, PrimaryRegion: &region}); err != nil {
					return
				}
				primary = region
			}
		}
	}
	for round := range 2 {
		c := startChild(t, dir)
		var writers sync.WaitGroup
		for range 3 {
			writers.Go(func() { writer(c) })
		}
		c.killLater(t, func() bool { // each round dies elsewhere
			mu.Lock()
			defer mu.Unlock()
			return len(made) > round
		}, time.Duration(100+70*round)*time.Millisecond)
		writers.Wait()
	}
	c := startChild(t, dir)
	defer c.kill()
	if len(made) == 0 {
		t.Fatal("nothing was copied")
	}
	for id, regions := range made {
		want := metadataOf(t, c.KMS(), []string{id})[0].MultiRegionConfiguration
		for _, region := range regions {
			got := metadataOf(t, c.In(region), []string{id})[0].MultiRegionConfiguration
			if *got.PrimaryKey.Region != *want.PrimaryKey.Region || len(got.ReplicaKeys) != len(want.ReplicaKeys) || len(got.ReplicaKeys) < len(regions) {
				t.Errorf("%s in %s: %+v, want %+v", id, region, got, want)
			}
			if primary := *got.PrimaryKey.Region == region; primary != (got.MultiRegionKeyType == "PRIMARY") {
				t.Errorf("%s in %s is %s", id, region, got.MultiRegionKeyType)
			}
		}
		next := "sa-east-1"
		if _, err := c.In(*want.PrimaryKey.Region).ReplicateKey(ctx, &kms.ReplicateKeyInput{KeyId: &id, ReplicaRegion: &next}); err != nil {
			t.Errorf("%s cannot be copied any more: %v", id, err)
		}
	}
}
