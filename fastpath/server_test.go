package fastpath_test

import (
	"context"
	"errors"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms"

	"trent/fastpath"
	"trent/fastpath/identity"
	"trent/fastpath/servertest"
	"trent/hsm"
	"trent/store"
	"trent/store/faultstore"
	"trent/store/pebblestore"
)

func TestHealth(t *testing.T) {
	t.Parallel()
	var broken *faultstore.Store
	s := servertest.Start(t, servertest.Options{
		Wrap: func(inner store.Store) store.Store { broken = faultstore.Wrap(inner); return broken },
	})
	if err := s.Core.Health(t.Context()); err != nil {
		t.Error(err)
	}
	broken.Add(faultstore.Fault{Kind: faultstore.Head, First: broken.Calls(faultstore.Head) + 1, Err: store.ErrUnavailable})
	if err := s.Core.Health(t.Context()); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("a store that does not answer: %v", err)
	}
	broken.Clear()
	newKey(t, s)
	status, ok := s.Core.Status(t.Context()).(fastpath.Status)
	if !ok || status.Revision == 0 || !status.BuiltIn || status.Draining || !status.HSM.Healthy || status.Regions < 30 {
		t.Errorf("status %+v", status)
	}
}

func TestStopTellsTheOwner(t *testing.T) {
	t.Parallel()
	s := servertest.Start(t, servertest.Options{})
	select {
	case <-s.Core.Stopped():
		t.Fatal("stopped before Stop")
	default:
	}
	s.Core.Stop()
	s.Core.Stop()
	<-s.Core.Stopped()
}

// TestNewWithoutStore: a store that does not answer is an error of New, which leaves nothing behind.
func TestNewWithoutStore(t *testing.T) {
	t.Parallel()
	module, err := hsm.Open(hsm.Config{Dir: t.TempDir(), Seal: hsm.Seal{KeyFile: filepath.Join(t.TempDir(), "seal.key")}})
	if err != nil {
		t.Fatal(err)
	}
	inner, err := pebblestore.Open(filepath.Join(t.TempDir(), "store"), pebblestore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	directory, err := identity.NewDirectory([]identity.Credential{identity.BuiltIn(identity.DefaultAccount)})
	if err != nil {
		t.Fatal(err)
	}
	broken := faultstore.Wrap(inner, faultstore.Fault{Kind: faultstore.Head, Count: -1, Err: store.ErrUnavailable})
	if _, err := fastpath.New(fastpath.Options{Store: broken, Module: module, Directory: directory}); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("New: %v", err)
	}
	broken.Clear()
	// No TLS configuration: the frontend's error, after the keyring was opened.
	if _, err := fastpath.New(fastpath.Options{Store: broken, Module: module, Directory: directory}); err == nil {
		t.Error("a server without TLS")
	}
	if err := errors.Join(inner.Close(), module.Close()); err != nil {
		t.Error(err)
	}
}

// TestDrain: a request under way when the server is told to end is answered, and what was answered is kept.
func TestDrain(t *testing.T) {
	t.Parallel()
	var slow *faultstore.Store
	s, err := servertest.Open(t.TempDir(), servertest.Options{
		Wrap: func(inner store.Store) store.Store { slow = faultstore.Wrap(inner); return slow },
	})
	if err != nil {
		t.Fatal(err)
	}
	client, commits := s.KMS(), slow.Calls(faultstore.Commit)
	slow.Add(faultstore.Fault{Kind: faultstore.Commit, First: commits + 1, Delay: 200 * time.Millisecond})
	type result struct {
		out *kms.CreateKeyOutput
		err error
	}
	answered := make(chan result, 1)
	go func() {
		out, err := client.CreateKey(context.Background(), &kms.CreateKeyInput{})
		answered <- result{out, err}
	}()
	for slow.Calls(faultstore.Commit) == commits { // until the request is in its commit
		runtime.Gosched()
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	r := <-answered
	if r.err != nil {
		t.Fatalf("the request under way: %v", r.err)
	}
	if _, err := client.ListKeys(t.Context(), &kms.ListKeysInput{}); err == nil {
		t.Error("a server that has ended answers")
	}
	again, err := servertest.Open(s.Dir, servertest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := again.KMS().DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: r.out.KeyMetadata.KeyId}); err != nil {
		t.Error(err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}
