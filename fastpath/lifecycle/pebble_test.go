package lifecycle_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"trent/fastpath/keyring"
	"trent/fastpath/lifecycle"
	"trent/hsm"
	"trent/store"
	"trent/store/faultstore"
	"trent/store/pebblestore"
)

// module can only forget.
type module struct{ hsm.Module }

func (module) Forget(context.Context, hsm.MaterialID) error { return nil }

// A worker is stopped in the middle of a deletion; another one, after a restart of everything, finishes it.
func TestRestart(t *testing.T) {
	t.Parallel()
	due := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	id := keyring.ID{Partition: "aws", Account: "000000000000", Region: "us-east-1", Key: "1234abcd-12ab-34cd-56ef-1234567890ab"}
	scope := keyring.Scope{Partition: id.Partition, Account: id.Account, Region: id.Region}
	fs := vfs.NewMem()
	start := func(plan ...faultstore.Fault) (*faultstore.Store, *keyring.Keyring, func()) {
		t.Helper()
		engine, err := pebblestore.Open("data", pebblestore.Options{FS: fs})
		if err != nil {
			t.Fatal(err)
		}
		s := faultstore.Wrap(engine, plan...)
		k, err := keyring.Open(s, module{}, keyring.Options{Clock: func() time.Time { return due }})
		if err != nil {
			t.Fatal(err)
		}
		return s, k, func() {
			if err := errors.Join(k.Close(), s.Close()); err != nil {
				t.Error(err)
			}
		}
	}
	// work runs a worker until it has logged a line.
	work := func(k *keyring.Keyring) string {
		lines := make(chan string, 10)
		ctx, cancel := context.WithCancel(t.Context())
		w := lifecycle.New(k, lifecycle.Options{
			Clock:  func() time.Time { return due },
			Logger: func(format string, _ ...any) { lines <- format },
		})
		done := make(chan error)
		go func() { done <- w.Run(ctx) }()
		line := <-lines
		cancel()
		<-done
		return line
	}

	s, k, stop := start()
	if _, err := k.Create(t.Context(), keyring.NewKey{
		ID: id, Spec: hsm.SymmetricDefault, Usage: hsm.EncryptDecrypt, Token: []byte("token"), Material: hsm.MaterialID{1}, Created: due,
	}); err != nil {
		t.Fatal(err)
	}
	if err := k.CreateAlias(t.Context(), scope, "alias/a", id); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Update(t.Context(), id, func(r *keyring.Record) error {
		r.State, r.Deletion = keyring.PendingDeletion, due
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	// The second of the deletion's transactions and all that follow are refused.
	s.Add(faultstore.Fault{Kind: faultstore.Commit, First: s.Calls(faultstore.Commit) + 2, Count: -1, Err: store.ErrUnavailable})
	if line := work(k); line != "%s of %s failed, will try again: %v" {
		t.Fatal(line)
	}
	stop()

	_, k, stop = start()
	defer stop()
	if snap, err := k.ByID(t.Context(), id); err != nil || !snap.Missing {
		t.Errorf("half deleted: %+v, %v", snap, err)
	}
	if line := work(k); line != "%s %s" {
		t.Fatal(line)
	}
	as, _, err := k.ListAliases(t.Context(), scope, "", "", 10)
	left, dueErr := k.Due(t.Context(), due, 10)
	if err != nil || dueErr != nil || len(as)+len(left) != 0 {
		t.Errorf("left: %v, %v, %v, %v", as, left, err, dueErr)
	}
}
