package conformance_test

import (
	"bufio"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/google/uuid"

	"trent/fastpath/identity"
	"trent/fastpath/keystore"
	"trent/fastpath/servertest"
)

// childDir names the directory that a re-executed test binary serves instead of running tests.
const childDir = "TRENT_CONFORMANCE_CHILD"

// childServer is what a child serves beside the defaults, in a file of its directory.
type childServer struct {
	KeyStores       *keystore.Config
	AttestationRoot []byte
}

const childServerFile = "child.json"

// childInfo is what a child tells its parent, in one line.
type childInfo struct {
	URL     string
	RootPEM []byte
}

func serveUntilKilled(dir string) {
	o := servertest.Options{Logf: func(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }}
	beside, err := os.ReadFile(filepath.Join(dir, childServerFile))
	if err == nil {
		var c childServer
		err = json.Unmarshal(beside, &c)
		o.KeyStores, o.AttestationRoot = c.KeyStores, c.AttestationRoot
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	var s *servertest.Server
	if err == nil {
		s, err = servertest.Open(dir, o)
	}
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(childInfo{s.URL, s.RootPEM})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "child:", err)
		os.Exit(1)
	}
	_, _ = io.Copy(io.Discard, os.Stdin) // ends with the parent, should that die first
	os.Exit(1)
}

// child is a server in a process of its own.
type child struct {
	servertest.Endpoint
	cmd   *exec.Cmd
	stdin io.Closer
}

func startChild(t *testing.T, dir string) *child { return startChildLogging(t, dir, os.Stderr) }

func startChildLogging(t *testing.T, dir string, log io.Writer) *child {
	t.Helper()
	c := &child{cmd: exec.Command(os.Args[0])}
	// A goroutine that is interrupted anywhere leaves its registers where signals are handled, with what it was copying.
	c.cmd.Env = append(os.Environ(), childDir+"="+dir, "GODEBUG=asyncpreemptoff=1")
	c.cmd.Stderr = log
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		c.kill()
		t.Fatalf("the child says nothing: %v", err)
	}
	var info childInfo
	if err := json.Unmarshal(line, &info); err != nil {
		c.kill()
		t.Fatal(err)
	}
	c.URL, c.RootPEM, c.RootCAs = info.URL, info.RootPEM, x509.NewCertPool()
	c.RootCAs.AppendCertsFromPEM(info.RootPEM)
	c.Region, c.Account = "us-east-1", identity.DefaultAccount
	c.AccessKeyID, c.Secret = identity.BuiltInAccessKeyID, identity.BuiltInSecret
	return c
}

// kill is SIGKILL: no handler runs, nothing is flushed.
func (c *child) kill() {
	_ = c.cmd.Process.Kill()
	_ = c.cmd.Wait() // reports the kill
	_ = c.stdin.Close()
	c.CloseIdle()
}

// killLater kills the child at a moment that is the input of a test, not a wait for something: after has passed since
// begun said that there is something to lose.
func (c *child) killLater(t *testing.T, begun func() bool, after time.Duration) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !begun(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Error("nothing was answered")
			break
		}
	}
	time.Sleep(after)
	c.kill()
}

// answered is what a server said yes to.
type answered struct {
	mu      sync.Mutex
	keys    []answeredKey
	aliases map[string]string // to key id
}

type answeredKey struct {
	id, description, tag, policy string
	sealed                       []byte
	plaintext                    string
	grant, token                 string
}

// write makes keys with all that can be written to them until the server is gone; it keeps what was answered.
func (a *answered) write(client *kms.Client) {
	ctx := context.Background()
	for {
		k := answeredKey{description: uuid.NewString()}
		made, err := client.CreateKey(ctx, &kms.CreateKeyInput{Description: &k.description})
		if err != nil {
			return
		}
		k.id = *made.KeyMetadata.KeyId
		alias := newAlias()
		steps := []func() error{
			func() error {
				_, err := client.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: &alias, TargetKeyId: &k.id})
				return err
			},
			func() error {
				value := uuid.NewString()
				_, err := client.TagResource(ctx, &kms.TagResourceInput{KeyId: &k.id, Tags: []types.Tag{tag("t", value)}})
				if err == nil {
					k.tag = value
				}
				return err
			},
			func() error {
				policy := accountPolicy()
				_, err := client.PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{KeyId: &k.id, Policy: &policy})
				if err == nil {
					k.policy = policy
				}
				return err
			},
			func() error {
				out, err := client.CreateGrant(ctx, &kms.CreateGrantInput{
					KeyId: &k.id, GranteePrincipal: aws.String(rootOf(identity.DefaultAccount)), Operations: []types.GrantOperation{"Decrypt"}, Name: &k.description,
				})
				if err == nil {
					k.grant, k.token = *out.GrantId, *out.GrantToken
				}
				return err
			},
			func() error {
				plaintext := uuid.NewString()
				out, err := client.Encrypt(ctx, &kms.EncryptInput{KeyId: &k.id, Plaintext: []byte(plaintext)})
				if err == nil {
					k.sealed, k.plaintext = out.CiphertextBlob, plaintext
				}
				return err
			},
		}
		for i, step := range steps {
			if err = step(); err != nil {
				break
			}
			if i == 0 {
				a.mu.Lock()
				a.aliases[alias] = k.id
				a.mu.Unlock()
			}
		}
		a.mu.Lock()
		a.keys = append(a.keys, k)
		a.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// check looks for everything that was answered.
func (a *answered) check(t *testing.T, client *kms.Client) {
	t.Helper()
	ctx := t.Context()
	for _, k := range a.keys {
		out, err := client.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &k.id})
		if err != nil || *out.KeyMetadata.Description != k.description {
			t.Errorf("key %s is lost: %v", k.id, err)
			continue
		}
		if k.tag != "" {
			tags, err := client.ListResourceTags(ctx, &kms.ListResourceTagsInput{KeyId: &k.id})
			if err != nil || len(tags.Tags) != 1 || *tags.Tags[0].TagValue != k.tag {
				t.Errorf("the tag of %s is lost: %v", k.id, err)
			}
		}
		if k.policy != "" {
			policy, err := client.GetKeyPolicy(ctx, &kms.GetKeyPolicyInput{KeyId: &k.id})
			if err != nil || *policy.Policy != k.policy {
				t.Errorf("the policy of %s is lost: %v", k.id, err)
			}
		}
		if k.grant != "" {
			listed, err := client.ListGrants(ctx, &kms.ListGrantsInput{KeyId: &k.id, GranteePrincipal: aws.String(rootOf(identity.DefaultAccount))})
			if err != nil || len(listed.Grants) != 1 || *listed.Grants[0].GrantId != k.grant || *listed.Grants[0].Name != k.description {
				t.Errorf("the grant of %s is lost: %v", k.id, err)
			}
			if _, err := client.RetireGrant(ctx, &kms.RetireGrantInput{GrantToken: &k.token}); err != nil {
				t.Errorf("the grant token of %s is lost: %v", k.id, err)
			}
		}
		if k.sealed != nil {
			back, err := client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: k.sealed})
			if err != nil || string(back.Plaintext) != k.plaintext {
				t.Errorf("a ciphertext of %s is lost: %v", k.id, err)
			}
		}
	}
	for name, id := range a.aliases {
		out, err := client.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: aws.String(name)})
		if err != nil || *out.KeyMetadata.KeyId != id {
			t.Errorf("alias %s is lost: %v", name, err)
		}
	}
}

// TestKill: SIGKILL at any moment, with writers running, loses no answered write.
func TestKill(t *testing.T) {
	t.Parallel()
	ownServer(t)
	rounds := 5
	if testing.Short() {
		rounds = 2
	}
	dir := t.TempDir()
	all := &answered{aliases: map[string]string{}}
	for round := range rounds {
		c := startChild(t, dir)
		var writers sync.WaitGroup
		client := c.KMS()
		for range 4 {
			writers.Go(func() { all.write(client) })
		}
		c.killLater(t, func() bool { // each round dies elsewhere
			all.mu.Lock()
			defer all.mu.Unlock()
			return len(all.aliases) > round
		}, time.Duration(100+70*round)*time.Millisecond)
		writers.Wait()
	}
	if len(all.keys) < rounds || len(all.aliases) < rounds {
		t.Fatalf("only %d keys and %d aliases were made", len(all.keys), len(all.aliases))
	}
	c := startChild(t, dir)
	defer c.kill()
	all.check(t, c.KMS())
	t.Logf("%d keys, %d aliases outlived %d kills", len(all.keys), len(all.aliases), rounds)
}
