//go:build unix

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"trent/hsm/appliance"
)

// askers use keys that are there; nothing they ask leaves anything behind, so that none of it may fail.
type askers struct {
	client         *kms.Client
	symmetric, ecc []string
	asked          atomic.Int64
	mu             sync.Mutex
	wrong          []string
}

func (a *askers) complain(ctx context.Context, format string, args ...any) {
	if ctx.Err() != nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.wrong = append(a.wrong, fmt.Sprintf(format, args...))
}

// ask goes round all operations and keys until ctx ends.
func (a *askers) ask(ctx context.Context, caller int) {
	for i := 0; ctx.Err() == nil; i++ {
		text := fmt.Appendf(nil, "caller %d, round %d", caller, i)
		a.seal(ctx, a.symmetric[(caller+i)%len(a.symmetric)], text)
		a.sign(ctx, a.ecc[(caller+i)%len(a.ecc)], text)
		a.asked.Add(1)
	}
}

// seal opens what it has encrypted, and a data key.
func (a *askers) seal(ctx context.Context, id string, text []byte) {
	sealed, err := a.client.Encrypt(ctx, &kms.EncryptInput{KeyId: &id, Plaintext: text})
	if err != nil {
		a.complain(ctx, "Encrypt: %v", err)
		return
	}
	opened, err := a.client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob})
	if err != nil || !bytes.Equal(opened.Plaintext, text) {
		a.complain(ctx, "Decrypt of %q: %v", text, err)
	}
	made, err := a.client.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: &id, KeySpec: types.DataKeySpecAes256})
	if err != nil {
		a.complain(ctx, "GenerateDataKey: %v", err)
		return
	}
	opened, err = a.client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: made.CiphertextBlob})
	if err != nil || !bytes.Equal(opened.Plaintext, made.Plaintext) {
		a.complain(ctx, "Decrypt of a data key: %v", err)
	}
}

// sign has its signatures verified, and those of another text not.
func (a *askers) sign(ctx context.Context, id string, text []byte) {
	signed, err := a.client.Sign(ctx, &kms.SignInput{KeyId: &id, Message: text, SigningAlgorithm: types.SigningAlgorithmSpecEcdsaSha256})
	if err != nil {
		a.complain(ctx, "Sign: %v", err)
		return
	}
	_, err = a.client.Verify(ctx, &kms.VerifyInput{KeyId: &id, Message: text, Signature: signed.Signature, SigningAlgorithm: types.SigningAlgorithmSpecEcdsaSha256})
	if err != nil {
		a.complain(ctx, "Verify: %v", err)
	}
}

// TestOneOfThreeKilled kills one appliance of three with SIGKILL under load. What can be asked again is answered, and right,
// without one error that a client sees; of calls that make keys, no more fail than were in flight. The appliance comes back.
func TestOneOfThreeKilled(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "trent") // Unix sockets need a short path
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	p := startProgram(t, dir, "--hsm", "spawn:3", "--key-pool", "none")
	once := func(o *kms.Options) { o.RetryMaxAttempts = 1 }
	a := &askers{client: kms.New(p.KMS().Options(), once)}
	for range 6 { // some for each
		made, err := a.client.CreateKey(t.Context(), &kms.CreateKeyInput{})
		if err != nil {
			t.Fatal(err)
		}
		a.symmetric = append(a.symmetric, *made.KeyMetadata.KeyId)
		made, err = a.client.CreateKey(t.Context(), &kms.CreateKeyInput{KeySpec: types.KeySpecEccNistP256, KeyUsage: types.KeyUsageTypeSignVerify})
		if err != nil {
			t.Fatal(err)
		}
		a.ecc = append(a.ecc, *made.KeyMetadata.KeyId)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var clients sync.WaitGroup
	for i := range 4 {
		clients.Go(func() { a.ask(ctx, i) })
	}
	w := &writes{blob: map[string][]byte{}} // whose one client makes keys
	maker := kms.New(p.KMS().Options(), once)
	clients.Go(func() { w.make(ctx, maker) })
	eventually(t, "traffic", func() bool { return a.asked.Load() > 20 && w.count() > 5 })

	console := appliance.NewConsole(filepath.Join(dir, "kms", "hsm", "2"))
	before, err := console.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	killed, wrote := a.asked.Load(), w.count()
	if err := syscall.Kill(before.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the appliance again", func() bool {
		after, err := console.Status(t.Context())
		return err == nil && after.PID != before.PID && after.Identity.InService
	})
	eventually(t, "traffic again", func() bool { return a.asked.Load() > killed+40 && w.count() > wrote+5 })
	stop()
	clients.Wait()
	for _, wrong := range a.wrong {
		t.Error(wrong)
	}
	if w.lost > 1 {
		t.Errorf("%d calls of the client that makes keys failed, the last by %v: one was in flight", w.lost, w.why)
	}
	w.check(t, "after one of three was killed", p.KMS())
	t.Logf("%d rounds, %d keys, %d calls that make keys failed", a.asked.Load(), len(w.keys), w.lost)
}
