package conformance_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"trent/fastpath/servertest"
)

// TestTransitionalStates is the columns Creating, Updating and Unavailable of key state × operation, of keys that are held
// in them.
func TestTransitionalStates(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	ownServer(t)
	s := servertest.Start(t, servertest.Options{})
	client := s.KMS()
	made, err := client.CreateKey(ctx, &kms.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	id, arn := made.KeyMetadata.KeyId, *made.KeyMetadata.Arn
	sealed, err := client.Encrypt(ctx, &kms.EncryptInput{KeyId: id, Plaintext: []byte("x")})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		state                                      types.KeyState
		cryptographic, switching, scheduling, read string // texts after the ARN; empty: allowed
	}{
		{"Creating", " is creating.", " is creating.", "", ""},
		{"Updating", "", " is updating.", " is updating.", ""},
		{"Unavailable", " is unavailable.", "", "", ""},
	} {
		hold(t, s, object{"what": *id, "state": string(c.state)})
		for name, check := range map[string]struct {
			text string
			run  func() error
		}{
			"Encrypt": {c.cryptographic, func() error {
				_, err := client.Encrypt(ctx, &kms.EncryptInput{KeyId: id, Plaintext: []byte("x")})
				return err
			}},
			"Decrypt": {c.cryptographic, func() error {
				_, err := client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob})
				return err
			}},
			"EnableKey": {c.switching, func() error { _, err := client.EnableKey(ctx, &kms.EnableKeyInput{KeyId: id}); return err }},
			"CancelKeyDeletion": {" is not pending deletion.", func() error {
				_, err := client.CancelKeyDeletion(ctx, &kms.CancelKeyDeletionInput{KeyId: id})
				return err
			}},
			"UpdateKeyDescription": {"", func() error {
				_, err := client.UpdateKeyDescription(ctx, &kms.UpdateKeyDescriptionInput{KeyId: id, Description: id})
				return err
			}},
			"GetKeyPolicy": {c.read, func() error { _, err := client.GetKeyPolicy(ctx, &kms.GetKeyPolicyInput{KeyId: id}); return err }},
		} {
			t.Log(c.state, name)
			if check.text == "" {
				if err := check.run(); err != nil {
					t.Error(err)
				}
				continue
			}
			wantError(t, check.run(), "KMSInvalidStateException", arn+check.text)
		}
		if m := describeAt(t, client, id); m.KeyState != c.state || m.Enabled {
			t.Errorf("metadata %+v", m)
		}
		release(t, s, object{"what": *id})
		untilState(t, client, id, "Enabled")
	}
	// What is disabled while it is unavailable is disabled afterwards.
	hold(t, s, object{"what": arn, "state": "Unavailable"})
	if _, err := client.DisableKey(ctx, &kms.DisableKeyInput{KeyId: id}); err != nil {
		t.Error(err)
	}
	if m := describeAt(t, client, id); m.KeyState != "Unavailable" {
		t.Errorf("state %s", m.KeyState)
	}
	release(t, s, object{"what": arn})
	untilState(t, client, id, "Disabled")

	// Deletion is scheduled out of Creating, and a restart completes what was held.
	hold(t, s, object{"what": *id, "state": "Creating"})
	if _, err := client.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: id}); err != nil {
		t.Error(err)
	}
	if _, err := client.CancelKeyDeletion(ctx, &kms.CancelKeyDeletionInput{KeyId: id}); err != nil {
		t.Error(err)
	}
	hold(t, s, object{"what": *id, "state": "Updating"})
	s.Restart(t)
	untilState(t, s.KMS(), id, "Disabled")
}

// TestHoldOfAState: all that enters a held state stays, over looks of the worker, until it is released.
func TestHoldOfAState(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	ownServer(t)
	s := servertest.Start(t, servertest.Options{})
	client := s.KMS()
	made, err := client.CreateKey(ctx, &kms.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	id := made.KeyMetadata.KeyId
	hold(t, s, object{"what": "Updating"})
	hold(t, s, object{"what": *id, "state": "Updating"})
	release(t, s, object{"what": *id}) // the state is still held
	if m := describeAt(t, client, id); m.KeyState != "Updating" {
		t.Errorf("state %s", m.KeyState)
	}
	release(t, s, object{"what": "Updating"})
	untilState(t, client, id, "Enabled")
	for _, c := range []struct {
		command string
		in      object
	}{
		{"hold", object{}},
		{"hold", object{"what": "Enabled"}},
		{"hold", object{"what": "Updating", "state": "Creating"}},
		{"hold", object{"what": absentID}},
		{"hold", object{"what": "alias/none"}},
		{"hold", object{"what": "cks-00000000000000000"}},
		{"hold", object{"what": *id, "state": "Disabled"}},
		{"hold", object{"what": *id, "region": "nowhere-1"}},
		{"hold", object{"what": *id, "unknown": 1}},
		{"release", object{"what": "Creating"}},
		{"release", object{"what": *id}},
	} {
		_, err := s.Core.Command(ctx, "transition-"+c.command, []byte(marshal(t, c.in)))
		if mistake, ok := err.(interface{ BadRequest() bool }); !ok || !mistake.BadRequest() {
			t.Errorf("%s %v: %v", c.command, c.in, err)
		}
	}
	if held := s.Core.Holds().List(); len(held) != 0 {
		t.Errorf("held: %v", held)
	}
}

func hold(t *testing.T, s *servertest.Server, in object) {
	t.Helper()
	if _, err := s.Core.Command(t.Context(), "transition-hold", []byte(marshal(t, in))); err != nil {
		t.Fatal(err)
	}
}

func release(t *testing.T, s *servertest.Server, in object) {
	t.Helper()
	if _, err := s.Core.Command(t.Context(), "transition-release", []byte(marshal(t, in))); err != nil {
		t.Fatal(err)
	}
}

func describeAt(t *testing.T, client *kms.Client, id *string) *types.KeyMetadata {
	t.Helper()
	out, err := client.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: id})
	if err != nil {
		t.Fatal(err)
	}
	return out.KeyMetadata
}

// untilState waits for a state that a key reaches by itself.
func untilState(t *testing.T, client *kms.Client, id *string, state types.KeyState) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		m := describeAt(t, client, id)
		if m.KeyState == state {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("state %s, want %s", m.KeyState, state)
		}
	}
}
