// Package storetest is the suite that every store engine passes: each sentence of the contract in package store,
// as a test. It knows nothing of any engine; what only one engine promises is tested beside that engine.
//
// Run starts goroutines only within its subtests and ends them before they return. Waits are bounded by patience,
// never by sleeping.
package storetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"trent/store"
)

// patience bounds every wait of the suite. It is far above what any engine needs, so that a slow machine fails
// nothing, and a hung engine does fail.
const patience = time.Minute

// Run runs the suite. open returns a new, empty store; it (and reopen's) must be closed by its maker at the test's
// end if the test has not done so. reopen closes s and opens what it had stored again; nil: the engine keeps
// nothing, and the tests of durability are skipped.
func Run(t *testing.T, open func(t *testing.T) store.Store, reopen func(t *testing.T, s store.Store) store.Store) {
	for _, c := range []struct {
		name string
		run  func(t *testing.T, s store.Store)
	}{
		{"load", testLoad},
		{"values", testValues},
		{"ownership", testOwnership},
		{"revisions", testRevisions},
		{"conditions", testConditions},
		{"atomicity", testAtomicity},
		{"deletes", testDeletes},
		{"nothing to do", testNothingToDo},
		{"limits", testLimits},
		{"malformed", testMalformed},
		{"contexts", testContexts},
		{"list", testList},
		{"list pages", testListPages},
		{"list prefixes", testListPrefixes},
		{"list is of one moment", testListMoment},
		{"watch", testWatch},
		{"watch order", testWatchOrder},
		{"watch heartbeat", testWatchHeartbeat},
		{"watch ends", testWatchEnds},
		{"watch compacted", testWatchCompacted},
		{"slow watch", testWatchSlow},
		{"counter", testCounter},
		{"linearizable", testLinearizable},
		{"close", testClose},
		{"close under load", testCloseUnderLoad},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.run(t, open(t))
		})
	}
	t.Run("model", func(t *testing.T) {
		t.Parallel()
		testModel(t, open, reopen)
	})
	if reopen != nil {
		t.Run("reopen", func(t *testing.T) {
			t.Parallel()
			testReopen(t, open(t), reopen)
		})
	}
}

// tb is what the helpers need of *testing.T and *rapid.T.
type tb interface {
	Helper()
	Cleanup(func())
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// within returns a context that ends with the test or after patience.
func within(t tb) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func put(key, value string) store.Record {
	return store.Record{Key: []byte(key), Value: []byte(value)}
}

func at(key string, r store.Revision) store.Condition {
	return store.Condition{Key: []byte(key), Revision: r}
}

// commit fails the test unless the transaction is committed.
func commit(t tb, s store.Store, txn store.Txn) store.Revision {
	t.Helper()
	rev, err := s.Commit(within(t), txn)
	if err != nil {
		t.Fatalf("Commit: %v", err)
	}
	return rev
}

func puts(rs ...store.Record) store.Txn { return store.Txn{Put: rs} }

func deletes(keys ...string) store.Txn {
	var txn store.Txn
	for _, k := range keys {
		txn.Delete = append(txn.Delete, []byte(k))
	}
	return txn
}

// wantLoad checks what a key holds.
func wantLoad(t tb, s store.Store, key, value string, rev store.Revision) {
	t.Helper()
	r, err := s.Load(within(t), []byte(key))
	if err != nil {
		t.Fatalf("Load(%q): %v", key, err)
	}
	if string(r.Key) != key || string(r.Value) != value || r.Revision != rev {
		t.Fatalf("Load(%q) = %q, %q at %d; want %q at %d", key, r.Key, r.Value, r.Revision, value, rev)
	}
	if r.Value == nil {
		t.Fatalf("Load(%q): nil value of a present record", key)
	}
}

func wantAbsent(t tb, s store.Store, key string) {
	t.Helper()
	if r, err := s.Load(within(t), []byte(key)); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("Load(%q) = %+v, %v; want ErrNotFound", key, r, err)
	}
}

func wantHead(t tb, s store.Store, want store.Revision) {
	t.Helper()
	if head, err := s.Head(within(t)); err != nil || head != want {
		t.Fatalf("Head = %d, %v; want %d", head, err, want)
	}
}

func head(t tb, s store.Store) store.Revision {
	t.Helper()
	h, err := s.Head(within(t))
	if err != nil {
		t.Fatalf("Head: %v", err)
	}
	return h
}

// wantError checks one call's error; all of them must be given.
func wantError(t tb, doing string, got error, want ...error) {
	t.Helper()
	for _, w := range want {
		if !errors.Is(got, w) {
			t.Fatalf("%s: error %v; want %v", doing, got, w)
		}
	}
}
