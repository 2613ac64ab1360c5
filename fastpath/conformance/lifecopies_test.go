package conformance_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"trent/fastpath/servertest"
)

// TestLastUsageOfCopies: each copy has its own, and one that is made again in a Region has none of its predecessor's.
func TestLastUsageOfCopies(t *testing.T) {
	t.Parallel()
	ownServer(t)
	ctx := t.Context()
	s := servertest.Start(t, servertest.Options{TestClock: true, Logf: t.Logf})
	client, there := s.KMS(), s.In(firstRegion)
	made, err := client.CreateKey(ctx, &kms.CreateKeyInput{MultiRegion: aws.Bool(true)})
	if err != nil {
		t.Fatal(err)
	}
	id := made.KeyMetadata.KeyId
	replicate := &kms.ReplicateKeyInput{KeyId: id, ReplicaRegion: aws.String(firstRegion)}
	if _, err := client.ReplicateKey(ctx, replicate); err != nil {
		t.Fatal(err)
	}
	used, err := there.Encrypt(ctx, &kms.EncryptInput{KeyId: id, Plaintext: []byte("x")})
	if err != nil {
		t.Fatal(err)
	}
	wantUsage(t, there, *id, "Encrypt", used.ResultMetadata)
	if u := lastUsage(t, client, *id).KeyLastUsage; u.Operation != "" {
		t.Errorf("the primary was used: %+v", u)
	}
	if _, err := there.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: id, PendingWindowInDays: aws.Int32(7)}); err != nil {
		t.Fatal(err)
	}
	s.Advance(t, 8*24*time.Hour)
	if _, err := client.ReplicateKey(ctx, replicate); err != nil {
		t.Fatal(err)
	}
	for range 2 { // from memory, then as it was kept
		if u := lastUsage(t, there, *id).KeyLastUsage; u.Operation != "" {
			t.Errorf("a new copy was used: %+v", u)
		}
		s.Restart(t)
		there = s.In(firstRegion)
	}
}
