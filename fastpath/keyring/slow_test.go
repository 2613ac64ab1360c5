package keyring_test

import (
	"context"
	"sync/atomic"

	"trent/store"
)

// slow stops the next load of a kind of record after it was read, or the next commit.
type slow struct {
	*memory
	hook atomic.Pointer[hook]
}

type hook struct {
	kind            string
	loaded, release chan struct{}
}

func newHook(kind string) *hook { return &hook{kind, make(chan struct{}), make(chan struct{})} }

func (s *slow) Load(ctx context.Context, key []byte) (store.Record, error) {
	r, err := s.memory.Load(ctx, key)
	if h := s.hook.Load(); h != nil && string(key[:3]) == h.kind && s.hook.CompareAndSwap(h, nil) {
		close(h.loaded)
		<-h.release
	}
	return r, err
}

// Commit stops after the commit, if it is to stop there.
func (s *slow) Commit(ctx context.Context, t store.Txn) (store.Revision, error) {
	revision, err := s.memory.Commit(ctx, t)
	if h := s.hook.Load(); h != nil && h.kind == "commit" && s.hook.CompareAndSwap(h, nil) {
		close(h.loaded)
		<-h.release
	}
	return revision, err
}
