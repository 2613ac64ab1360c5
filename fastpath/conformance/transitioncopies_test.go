package conformance_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"trent/fastpath/servertest"
)

// TestHeldCopies: new replicas stay Creating, and both copies Updating, as long as these are held.
func TestHeldCopies(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	ownServer(t)
	s := servertest.Start(t, servertest.Options{})
	primary, replica := s.KMS(), s.In("eu-west-1")
	made, err := primary.CreateKey(ctx, &kms.CreateKeyInput{MultiRegion: aws.Bool(true)})
	if err != nil {
		t.Fatal(err)
	}
	id := made.KeyMetadata.KeyId
	hold(t, s, object{"what": "Creating"})
	copied, err := primary.ReplicateKey(ctx, &kms.ReplicateKeyInput{KeyId: id, ReplicaRegion: aws.String("eu-west-1")})
	if err != nil {
		t.Fatal(err)
	}
	if m := describeAt(t, replica, id); m.KeyState != "Creating" || m.Enabled {
		t.Errorf("state %s", m.KeyState)
	}
	_, err = replica.Encrypt(ctx, &kms.EncryptInput{KeyId: id, Plaintext: []byte("x")})
	wantError(t, err, "KMSInvalidStateException", *copied.ReplicaKeyMetadata.Arn+" is creating.")
	release(t, s, object{"what": "Creating"})
	untilState(t, replica, id, "Enabled")

	hold(t, s, object{"what": "Updating"})
	if _, err := primary.UpdatePrimaryRegion(ctx, &kms.UpdatePrimaryRegionInput{KeyId: id, PrimaryRegion: aws.String("eu-west-1")}); err != nil {
		t.Fatal(err)
	}
	for _, client := range []*kms.Client{primary, replica} {
		if m := describeAt(t, client, id); m.KeyState != "Updating" {
			t.Errorf("state %s", m.KeyState)
		}
		if _, err := client.Encrypt(ctx, &kms.EncryptInput{KeyId: id, Plaintext: []byte("x")}); err != nil {
			t.Error(err)
		}
	}
	_, err = replica.DisableKey(ctx, &kms.DisableKeyInput{KeyId: id})
	wantError(t, err, "KMSInvalidStateException", *copied.ReplicaKeyMetadata.Arn+" is updating.")
	release(t, s, object{"what": "Updating"})
	untilState(t, primary, id, "Enabled")
	untilState(t, replica, id, "Enabled")
}
