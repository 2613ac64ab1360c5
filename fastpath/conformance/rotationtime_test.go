package conformance_test

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"trent/fastpath/servertest"
	"trent/fastpath/testclock"
)

// clocked is a server of the test's own whose time can be moved.
func clocked(t *testing.T) (*servertest.Server, *kms.Client) {
	t.Helper()
	ownServer(t)
	s := servertest.Start(t, servertest.Options{TestClock: true, Logf: t.Logf})
	return s, s.KMS()
}

func created1(t testing.TB, c *kms.Client) *types.KeyMetadata {
	t.Helper()
	out, err := c.CreateKey(context.Background(), &kms.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	return out.KeyMetadata
}

func TestAutomaticRotation(t *testing.T) {
	t.Parallel()
	s, client := clocked(t)
	ctx := t.Context()
	id := *created1(t, client).KeyId
	enableRotation(t, client, id, aws.Int32(90))
	first := *rotationStatus(t, client, id).NextRotationDate
	var blobs [][]byte
	seal := func() {
		t.Helper()
		out, err := client.Encrypt(ctx, &kms.EncryptInput{KeyId: &id, Plaintext: []byte("secret")})
		if err != nil {
			t.Fatal(err)
		}
		blobs = append(blobs, out.CiphertextBlob)
	}
	seal()
	s.Advance(t, 90*rotationDay-time.Hour)
	if all, _ := rotations(t, client, kms.ListKeyRotationsInput{KeyId: &id}); len(all) != 0 {
		t.Fatalf("early: %+v", all)
	}
	s.Advance(t, time.Hour)
	seal()
	// An on-demand rotation moves no date; years at once leave none out.
	rotate(t, client, id)
	seal()
	if next := rotationStatus(t, client, id).NextRotationDate; !next.Equal(first.Add(90 * rotationDay)) {
		t.Errorf("next %v, first %v", next, first)
	}
	s.Advance(t, 3*365*rotationDay)
	seal()
	all, _ := rotations(t, client, kms.ListKeyRotationsInput{KeyId: &id})
	if len(all) != 2+(3*365)/90 {
		t.Fatalf("%d rotations", len(all))
	}
	n := 0
	for i, e := range all {
		if i == 1 {
			if e.RotationType != "ON_DEMAND" {
				t.Errorf("%+v", e)
			}
			continue
		}
		if want := first.Add(time.Duration(n) * 90 * rotationDay); e.RotationType != "AUTOMATIC" || !e.RotationDate.Equal(want) {
			t.Errorf("rotation %d: %+v, want %v", n, e, want)
		}
		n++
	}
	if next := rotationStatus(t, client, id).NextRotationDate; !next.Equal(first.Add(time.Duration(n) * 90 * rotationDay)) {
		t.Errorf("next %v after %d rotations since %v", next, n, first)
	}
	check := func(client *kms.Client) {
		t.Helper()
		materials := map[string]bool{}
		for i, blob := range blobs {
			back, err := client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blob})
			if err != nil || string(back.Plaintext) != "secret" {
				t.Fatalf("ciphertext %d: %v", i, err)
			}
			materials[*back.KeyMaterialId] = true
		}
		if len(materials) != len(blobs) {
			t.Errorf("%d materials for %d ciphertexts", len(materials), len(blobs))
		}
	}
	check(client)
	ahead := s.Core.ReadClock().Ahead
	s.Restart(t)
	client = s.KMS()
	if got := s.Core.ReadClock().Ahead; got != ahead {
		t.Errorf("the clock is %v ahead after a restart, before %v", got, ahead)
	}
	check(client)
	if again, _ := rotations(t, client, kms.ListKeyRotationsInput{KeyId: &id}); len(again) != len(all) || !again[0].RotationDate.Equal(*all[0].RotationDate) {
		t.Errorf("%d rotations after a restart", len(again))
	}
	s.Advance(t, 0)
	if again, _ := rotations(t, client, kms.ListKeyRotationsInput{KeyId: &id}); len(again) != len(all) {
		t.Errorf("%d rotations", len(again))
	}
}

func TestRotationConflict(t *testing.T) {
	t.Parallel()
	s, client := clocked(t)
	key := created1(t, client)
	enableRotation(t, client, *key.KeyId, aws.Int32(90))
	s.Advance(t, 90*rotationDay-21*time.Minute)
	rotate(t, client, *key.KeyId)
	s.Advance(t, 2*time.Minute)
	_, err := client.RotateKeyOnDemand(t.Context(), &kms.RotateKeyOnDemandInput{KeyId: key.KeyId})
	wantError(t, err, "ConflictException", "Automatic rotation of "+*key.Arn+" is in progress or due within 20 minutes.")
	s.Advance(t, 19*time.Minute)
	rotate(t, client, *key.KeyId)
	if all, _ := rotations(t, client, kms.ListKeyRotationsInput{KeyId: key.KeyId}); len(all) != 3 || all[1].RotationType != "AUTOMATIC" {
		t.Errorf("%+v", all)
	}
}

// Keys that may not be used are not rotated; enabling one does what is overdue, once.
func TestOverdueRotation(t *testing.T) {
	t.Parallel()
	s, client := clocked(t)
	ctx := t.Context()
	disabled, dying, off := *created1(t, client).KeyId, *created1(t, client).KeyId, *created1(t, client).KeyId
	for _, id := range []string{disabled, dying, off} {
		enableRotation(t, client, id, aws.Int32(90))
	}
	for _, err := range []error{
		second(client.DisableKey(ctx, &kms.DisableKeyInput{KeyId: &disabled})),
		second(client.DisableKeyRotation(ctx, &kms.DisableKeyRotationInput{KeyId: &off})),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	s.Advance(t, 80*rotationDay)
	if _, err := client.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &dying}); err != nil {
		t.Fatal(err)
	}
	s.Advance(t, 20*rotationDay)
	if _, err := client.CancelKeyDeletion(ctx, &kms.CancelKeyDeletionInput{KeyId: &dying}); err != nil {
		t.Fatal(err)
	}
	s.Advance(t, 300*rotationDay)
	for _, id := range []string{disabled, dying, off} {
		if all, _ := rotations(t, client, kms.ListKeyRotationsInput{KeyId: &id}); len(all) != 0 {
			t.Errorf("%+v", all)
		}
	}
	enabledAt := s.Core.ReadClock().Now
	for _, id := range []string{disabled, dying} {
		if _, err := client.EnableKey(ctx, &kms.EnableKeyInput{KeyId: &id}); err != nil {
			t.Fatal(err)
		}
		s.Advance(t, 0) // waits for the work that is due
		all, _ := rotations(t, client, kms.ListKeyRotationsInput{KeyId: &id})
		if len(all) != 1 || all[0].RotationDate.Sub(enabledAt).Abs() > time.Minute {
			t.Errorf("enabled at %v: %+v", enabledAt, all)
			continue
		}
		if next := rotationStatus(t, client, id).NextRotationDate; !next.Equal(all[0].RotationDate.Add(90 * rotationDay)) {
			t.Errorf("next %v after %v", next, all[0].RotationDate)
		}
	}
	// A shorter period counts from the last rotation, and a date before now is now.
	s.Advance(t, 10*rotationDay)
	enableRotation(t, client, disabled, aws.Int32(400))
	s.Advance(t, 200*rotationDay)
	enableRotation(t, client, disabled, aws.Int32(90))
	s.Advance(t, 0)
	if all, _ := rotations(t, client, kms.ListKeyRotationsInput{KeyId: &disabled}); len(all) != 2 || all[1].RotationDate.Sub(enabledAt.Add(210*rotationDay)).Abs() > time.Minute {
		t.Errorf("%+v", all)
	}
}

// Dates that are answered follow the test clock, signatures do not; deletions happen within the move.
func TestClockMovesDatesAndDeletions(t *testing.T) {
	t.Parallel()
	s, client := clocked(t)
	ctx := t.Context()
	before := created1(t, client)
	s.Advance(t, 500*rotationDay)
	after := created1(t, client) // signed by real time
	if apart := after.CreationDate.Sub(*before.CreationDate) - 500*rotationDay; apart < 0 || apart > time.Minute {
		t.Errorf("created %v and %v", before.CreationDate, after.CreationDate)
	}
	out, err := client.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: before.KeyId, PendingWindowInDays: aws.Int32(7)})
	if err != nil || out.DeletionDate.Sub(*after.CreationDate)-7*rotationDay > time.Minute {
		t.Fatalf("%+v, %v", out, err)
	}
	enableRotation(t, client, *after.KeyId, aws.Int32(90))
	s.Advance(t, 7*rotationDay)
	_, err = client.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: before.KeyId})
	wantError(t, err, "NotFoundException", "Key '"+*before.Arn+"' does not exist")
	if m, err := client.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: after.KeyId}); err != nil || m.KeyMetadata.KeyState != "Enabled" {
		t.Errorf("%+v, %v", m, err)
	}
	// A rotated key goes with all its materials.
	sealed, err := client.Encrypt(ctx, &kms.EncryptInput{KeyId: after.KeyId, Plaintext: []byte("x")})
	if err != nil {
		t.Fatal(err)
	}
	s.Advance(t, 1000*rotationDay)
	if _, err := client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: after.KeyId, PendingWindowInDays: aws.Int32(7)}); err != nil {
		t.Fatal(err)
	}
	s.Advance(t, 8*rotationDay)
	if _, err = client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob}); codeOf(err) != "AccessDeniedException" {
		t.Error(err)
	}
}

// A move that was cut short after the clock was written is finished by the next server, each rotation at its date.
func TestMoveCutShort(t *testing.T) {
	t.Parallel()
	s, client := clocked(t)
	id := *created1(t, client).KeyId
	enableRotation(t, client, id, aws.Int32(90))
	first := *rotationStatus(t, client, id).NextRotationDate
	if err := os.WriteFile(filepath.Join(s.DataDir(), testclock.FileName), []byte(`{"ahead":"4800h"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Restart(t)
	s.Advance(t, 0)
	all, _ := rotations(t, s.KMS(), kms.ListKeyRotationsInput{KeyId: &id})
	if len(all) != 2 || !all[0].RotationDate.Equal(first) || !all[1].RotationDate.Equal(first.Add(90*rotationDay)) {
		t.Errorf("%+v after %v", all, first)
	}
}

// Keys are used while years pass: nothing fails and nothing is lost.
func TestUseWhileTimePasses(t *testing.T) {
	t.Parallel()
	s, client := clocked(t)
	ctx := t.Context()
	id := *created1(t, client).KeyId
	enableRotation(t, client, id, aws.Int32(90))
	stop := make(chan struct{})
	var users sync.WaitGroup
	for range 3 {
		users.Go(func() {
			var blobs [][]byte
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				sealed, err := client.Encrypt(ctx, &kms.EncryptInput{KeyId: &id, Plaintext: []byte("kept")})
				if err != nil {
					t.Error(err)
					return
				}
				blobs = append(blobs, sealed.CiphertextBlob)
				for _, blob := range [][]byte{blobs[n], blobs[n/2], blobs[0]} {
					if back, err := client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blob}); err != nil || string(back.Plaintext) != "kept" {
						t.Errorf("%v, %v", back, err)
						return
					}
				}
			}
		})
	}
	for range 4 {
		s.Advance(t, 2*365*rotationDay)
	}
	close(stop)
	users.Wait()
	if all, _ := rotations(t, client, kms.ListKeyRotationsInput{KeyId: &id}); len(all) != 8*365/90 {
		t.Errorf("%d rotations", len(all))
	}
}

// rotated is what a server said yes to before it was killed.
type rotated struct {
	mu    sync.Mutex
	done  int
	asked int
	blobs [][]byte
}

// rotate rotates a key and uses it until the server is gone.
func (r *rotated) rotate(c *kms.Client, id string) {
	ctx := context.Background()
	for {
		r.mu.Lock()
		r.asked++
		r.mu.Unlock()
		_, err := c.RotateKeyOnDemand(ctx, &kms.RotateKeyOnDemandInput{KeyId: &id})
		if code := codeOf(err); code != "" && code != "LimitExceededException" {
			return
		}
		r.mu.Lock()
		if err == nil {
			r.done++
		}
		r.mu.Unlock()
		out, err := c.Encrypt(ctx, &kms.EncryptInput{KeyId: &id, Plaintext: []byte("kept")})
		if err != nil {
			return
		}
		r.mu.Lock()
		r.blobs = append(r.blobs, out.CiphertextBlob)
		r.mu.Unlock()
	}
}

// TestKillWhileRotating: SIGKILL leaves a rotation whole or undone, and no ciphertext without its material.
func TestKillWhileRotating(t *testing.T) {
	t.Parallel()
	ownServer(t)
	dir := t.TempDir()
	for round := range 3 {
		c := startChild(t, dir)
		var r rotated
		ids := make([]string, 8)
		for i := range ids {
			ids[i] = *created1(t, c.KMS()).KeyId
		}
		var writers sync.WaitGroup
		for _, id := range ids {
			writers.Go(func() { r.rotate(c.KMS(), id) })
		}
		time.Sleep(time.Duration(10+25*round) * time.Millisecond) // the moment of the kill is the input
		c.kill()
		writers.Wait()
		again := startChild(t, dir)
		client := again.KMS()
		count := 0
		for _, id := range ids {
			all, _ := rotations(t, client, kms.ListKeyRotationsInput{KeyId: &id, IncludeKeyMaterial: "ALL_KEY_MATERIAL"})
			count += len(all) - 1
			current := all[len(all)-1]
			out, err := client.GenerateDataKey(t.Context(), &kms.GenerateDataKeyInput{KeyId: &id, KeySpec: "AES_256"})
			if err != nil || *out.KeyMaterialId != *current.KeyMaterialId || current.KeyMaterialState != "CURRENT" {
				t.Errorf("%+v, %+v, %v", out, current, err)
			}
		}
		if count < r.done || count > r.asked {
			t.Errorf("%d rotations, %d answered, %d asked for", count, r.done, r.asked)
		}
		for _, blob := range r.blobs {
			if back, err := client.Decrypt(t.Context(), &kms.DecryptInput{CiphertextBlob: blob}); err != nil || string(back.Plaintext) != "kept" {
				t.Fatalf("a ciphertext is lost: %v", err)
			}
		}
		t.Logf("%d rotations, %d ciphertexts", r.done, len(r.blobs))
		again.kill()
	}
}

// A server that has ended moves no clock, and one without a test clock says so.
func TestClockAfterTheEnd(t *testing.T) {
	t.Parallel()
	ownServer(t)
	for _, with := range []bool{true, false} {
		s, err := servertest.Open(t.TempDir(), servertest.Options{TestClock: with})
		if err != nil {
			t.Fatal(err)
		}
		core := s.Core
		if err := core.AdvanceClock(t.Context(), time.Hour); (err == nil) != with {
			t.Errorf("test clock %v: %v", with, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if err := core.AdvanceClockTo(t.Context(), time.Now().AddDate(1, 0, 0)); err == nil {
			t.Error("moved after the end")
		}
	}
}
