//go:build unix

package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"trent/hsm/appliance"
)

// writes are what a client was told is done: keys that were made, and what was encrypted under them.
type writes struct {
	mu   sync.Mutex
	keys []string
	blob map[string][]byte // by key
	lost int               // calls that failed, which may or may not have been done
	why  error             // the last of them
}

// make makes a key and encrypts under it, again and again until ctx ends.
func (w *writes) make(ctx context.Context, client *kms.Client) {
	for ctx.Err() == nil {
		made, err := client.CreateKey(ctx, &kms.CreateKeyInput{})
		if err != nil {
			w.miss(ctx, err)
			continue
		}
		id := *made.KeyMetadata.KeyId
		w.mu.Lock()
		w.keys = append(w.keys, id)
		w.mu.Unlock()
		sealed, err := client.Encrypt(ctx, &kms.EncryptInput{KeyId: &id, Plaintext: []byte(id)})
		if err != nil {
			w.miss(ctx, err)
			continue
		}
		w.mu.Lock()
		w.blob[id] = sealed.CiphertextBlob
		w.mu.Unlock()
	}
}

// miss counts a call that failed, unless it was the client who gave up.
func (w *writes) miss(ctx context.Context, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if ctx.Err() == nil {
		w.lost, w.why = w.lost+1, err
	}
}

func (w *writes) count() int { w.mu.Lock(); defer w.mu.Unlock(); return len(w.blob) }

// check opens everything that was ever answered.
func (w *writes) check(t *testing.T, when string, client *kms.Client) {
	t.Helper()
	for _, id := range w.keys {
		if _, err := client.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: aws.String(id)}); err != nil {
			t.Errorf("%s: a key that was made: %v", when, err)
		}
	}
	for id, blob := range w.blob {
		opened, err := client.Decrypt(t.Context(), &kms.DecryptInput{CiphertextBlob: blob})
		if err != nil || string(opened.Plaintext) != id {
			t.Errorf("%s: what was encrypted under %s: %v", when, id, err)
		}
	}
}

// TestHSMKilledUnderTraffic kills the appliance of a server with SIGKILL while clients write, then the server itself.
// Both come back with everything that was answered. In the end they stop in order.
func TestHSMKilledUnderTraffic(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "trent") // Unix sockets need a short path
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	p := startProgram(t, dir, "--hsm", "spawn", "--key-pool", "none")
	console := appliance.NewConsole(filepath.Join(dir, "kms", "hsm", "1"))
	before, err := console.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w := &writes{blob: map[string][]byte{}}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() { w.make(ctx, p.KMS()) })
	}
	eventually(t, "traffic", func() bool { return w.count() > 20 })
	if err := syscall.Kill(before.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	var after appliance.Status
	eventually(t, "another appliance", func() bool {
		after, err = console.Status(t.Context())
		return err == nil && after.PID != before.PID && after.Identity.InService
	})
	if after.Fingerprint != before.Fingerprint {
		t.Errorf("the appliance was %s and is %s", before.Fingerprint, after.Fingerprint)
	}
	again := w.count()
	eventually(t, "traffic again", func() bool { return w.count() > again+20 })
	stop()
	clients.Wait()
	w.check(t, "after the appliance was killed", p.KMS())
	t.Logf("%d keys, %d calls failed", len(w.keys), w.lost)

	p.kill()
	p = startProgram(t, dir, "--hsm", "spawn", "--key-pool", "none")
	eventually(t, "the end of the appliance whose host was killed", func() bool {
		return errors.Is(syscall.Kill(after.PID, 0), syscall.ESRCH)
	})
	w.check(t, "after the server was killed", p.KMS())

	p.CloseIdle()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("stopping: %v", err)
	}
	last := -1
	for _, line := range []string{"trent: draining\n", "hsm 1: trent: stopped\n", "\ntrent: stopped\n"} {
		at := strings.Index(p.said.String(), line)
		if at <= last {
			t.Errorf("%q is not in its place in:\n%s", line, p.said.String())
		}
		last = at
	}
}

// TestRollingRestart: appliances that are told to stop, one after the other, and are started again cost no request.
func TestRollingRestart(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "trent")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	p := startProgram(t, dir, "--hsm", "spawn:2", "--key-pool", "none")
	w := &writes{blob: map[string][]byte{}}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() { w.make(ctx, p.KMS()) })
	}
	for _, state := range []string{"1", "2"} {
		before := w.count()
		eventually(t, "traffic", func() bool { return w.count() > before+10 })
		console := appliance.NewConsole(filepath.Join(dir, "kms", "hsm", state))
		st, err := console.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(st.PID, syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		eventually(t, "another appliance", func() bool {
			again, err := console.Status(t.Context())
			return err == nil && again.PID != st.PID && again.Identity.InService
		})
	}
	before := w.count()
	eventually(t, "traffic at the end", func() bool { return w.count() > before+10 })
	stop()
	clients.Wait()
	if w.lost > 0 {
		t.Errorf("%d calls failed, the last by %v", w.lost, w.why)
	}
	w.check(t, "after all", p.KMS())
}

// TestOtherDomain: data of one kind of HSM is not opened by another.
func TestOtherDomain(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ first, then []string }{
		"embedded, then spawn": {nil, []string{"--hsm", "spawn"}},
		"spawn, then embedded": {[]string{"--hsm", "spawn", "--key-pool", "none"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, err := os.MkdirTemp("", "trent")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = os.RemoveAll(dir) })
			p := startProgram(t, dir, c.first...)
			if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			if err := p.cmd.Wait(); err != nil {
				t.Fatalf("stopping: %v\n%s", err, p.said.String())
			}
			refused := refusedStart(t, dir, c.then...)
			if !strings.Contains(refused, "data directory") || !strings.Contains(refused, "hint:") {
				t.Errorf("refused by %q", refused)
			}
		})
	}
}

// refusedStart is what a server says that does not start.
func refusedStart(t *testing.T, dir string, flags ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c := serveCommand(ctx, dir, flags...)
	out, err := c.CombinedOutput()
	if err == nil || c.ProcessState.ExitCode() != exitFailed {
		t.Errorf("ended with %v, want exit code %d", err, exitFailed)
	}
	return string(out)
}
