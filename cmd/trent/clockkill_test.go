package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"trent/fastpath/identity"
	"trent/fastpath/servertest"
)

// program is a server in a process of its own, made by the real command.
type program struct {
	servertest.Endpoint
	cmd  *exec.Cmd
	said bytes.Buffer // standard error, once it has ended
}

// startProgram runs `trent serve` with a test clock on what a directory holds, with further flags.
func startProgram(t *testing.T, dir string, flags ...string) *program {
	t.Helper()
	ready := filepath.Join(dir, "ready.json")
	_ = os.Remove(ready)
	p := &program{cmd: serveCommand(context.Background(), dir, flags...)}
	p.cmd.Stderr = &p.said
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	var info readyInfo
	eventually(t, "a ready file", func() bool {
		b, err := os.ReadFile(ready)
		return err == nil && json.Unmarshal(b, &info) == nil
	})
	root, err := os.ReadFile(info.CA)
	if err != nil {
		t.Fatal(err)
	}
	p.URL, p.Region, p.Account = info.Endpoint, info.Region, info.Account
	p.AccessKeyID, p.Secret, p.RootCAs = identity.BuiltInAccessKeyID, identity.BuiltInSecret, x509.NewCertPool()
	p.RootCAs.AppendCertsFromPEM(root)
	return p
}

// serveCommand is `trent serve` on what a directory holds.
func serveCommand(ctx context.Context, dir string, flags ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, "trent", "serve", "--test-clock", "--listen", "127.0.0.1:0", "--admin-listen", "", "--data-dir", dir+"/kms", "--ready-file", filepath.Join(dir, "ready.json"))
	c.Args = append(c.Args, flags...)
	c.Env = append(os.Environ(), "HOME="+dir, "XDG_CONFIG_HOME="+dir+"/config")
	return c
}

// kill is SIGKILL.
func (p *program) kill() {
	if p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	}
	p.CloseIdle()
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("%s did not come about", what)
}

// TestClockKilled kills the server while `trent clock advance` has years of rotations done. The next server does what is
// left: none is missing, none is done twice, and each bears its date, in all Regions.
func TestClockKilled(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "trent") // Unix sockets need a short path
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	const period, copied = 90 * 24 * time.Hour, "eu-west-1"
	p := startProgram(t, dir)
	ctx := t.Context()
	made, err := p.KMS().CreateKey(ctx, &kms.CreateKeyInput{MultiRegion: aws.Bool(true)})
	if err != nil {
		t.Fatal(err)
	}
	id := made.KeyMetadata.KeyId
	sealed, err := p.KMS().Encrypt(ctx, &kms.EncryptInput{KeyId: id, Plaintext: []byte("x")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.KMS().EnableKeyRotation(ctx, &kms.EnableKeyRotationInput{KeyId: id, RotationPeriodInDays: aws.Int32(90)}); err != nil {
		t.Fatal(err)
	}
	status, err := p.KMS().GetKeyRotationStatus(ctx, &kms.GetKeyRotationStatusInput{KeyId: id})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.KMS().ReplicateKey(ctx, &kms.ReplicateKeyInput{KeyId: id, ReplicaRegion: aws.String(copied)}); err != nil {
		t.Fatal(err)
	}
	const rounds, each = 2, 60
	cut := 0
	for round := 1; round <= rounds; round++ {
		done := make(chan error, 1)
		move := exec.Command("trent", "clock", "advance", "5400d", "--data-dir", dir+"/kms")
		go func() { done <- move.Run() }()
		// The moment of the kill is the input of this test: some rotations are done, and others are not.
		eventually(t, "a rotation", func() bool { return len(dates(t, p.KMS(), id)) > each*(round-1)+5*round })
		p.kill()
		if <-done != nil {
			cut++
		}
		p = startProgram(t, dir)
		for _, client := range []*kms.Client{p.KMS(), p.In(copied)} {
			eventually(t, "the last rotation", func() bool { return len(dates(t, client, id)) >= each*round })
			all := dates(t, client, id)
			for i, at := range all { // the SDK reads seconds as a float64
				if want := status.NextRotationDate.Add(time.Duration(i) * period); at.Sub(want).Abs() > time.Millisecond || len(all) != each*round {
					t.Fatalf("round %d: rotation %d of %d at %v, want %v", round, i, len(all), at, want)
				}
			}
			if back, err := client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob}); err != nil || string(back.Plaintext) != "x" {
				t.Errorf("round %d: %v", round, err)
			}
		}
	}
	if cut == 0 {
		t.Error("no move was cut short")
	}
}

// dates are those of the key's rotations, read in small pages: the SDK may close the connection of an answer that is long
// and comes quickly, when it closes the request's body.
func dates(t *testing.T, client *kms.Client, id *string) (all []time.Time) {
	t.Helper()
	for pages := kms.NewListKeyRotationsPaginator(client, &kms.ListKeyRotationsInput{KeyId: id, Limit: aws.Int32(10)}); pages.HasMorePages(); {
		out, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range out.Rotations {
			all = append(all, *r.RotationDate)
		}
	}
	return all
}
