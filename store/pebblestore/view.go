package pebblestore

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"

	"trent/store"
)

// view is the durable state at one revision. The store holds one reference on the current view, each reader one
// while it reads; the last one out closes the snapshot.
type view struct {
	state
	owner   *Store
	snap    *pebble.Snapshot
	refs    atomic.Int64
	changed chan struct{} // closed once this view is not the current one any more
}

// acquire takes a reference on the current view; nil when the store is closed or has failed.
func (s *Store) acquire() *view {
	for {
		v := s.current.Load()
		if v == nil || v.ref() {
			return v
		}
	}
}

// ref fails once the last reference is gone: a newer view is current then.
func (v *view) ref() bool {
	for {
		n := v.refs.Load()
		if n == 0 {
			return false
		}
		if v.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (v *view) release() {
	if v.refs.Add(-1) > 0 {
		return
	}
	defer v.owner.views.Done()
	if v.owner.stuck.Load() {
		return // Pebble's mutex may never be free again
	}
	if err := v.snap.Close(); err != nil {
		v.owner.logf("closing a snapshot: %v", err)
	}
}

// publish makes the database as it stands the current view. Only the committer calls it, after a sync.
func (s *Store) publish(st state) {
	v := &view{state: st, owner: s, snap: s.db.NewSnapshot(), changed: make(chan struct{})}
	v.refs.Store(1)
	s.views.Add(1)
	s.swap(v)
}

// swap replaces the current view; with nil, for good. Closing and failing may race with the committer.
func (s *Store) swap(v *view) {
	s.swapMu.Lock()
	if s.ended && v != nil {
		s.swapMu.Unlock()
		v.release()
		return
	}
	s.ended = v == nil
	old := s.current.Swap(v)
	s.swapMu.Unlock()
	if old != nil {
		close(old.changed)
		old.release()
	}
}

// get calls f with the bytes under a database key; they are f's only until it returns.
func (v *view) get(key []byte, f func([]byte) error) error {
	b, closer, err := v.snap.Get(key)
	if err != nil {
		if errors.Is(err, pebble.ErrNotFound) {
			return store.ErrNotFound
		}
		return v.owner.readError(err)
	}
	err = f(b)
	return errors.Join(err, closer.Close())
}

// revisionOf is the revision that last wrote a record; 0: absent.
func (v *view) revisionOf(key []byte) (r store.Revision, err error) {
	err = v.get(recordKey(key), func(b []byte) (err error) {
		r, _, err = splitValue(b)
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return 0, nil
	}
	return r, err
}

// loggedAt is the sum of log bytes up to and including revision r, which is in [floor, head].
func (v *view) loggedAt(r store.Revision) (n uint64, err error) {
	switch r {
	case v.floor:
		return v.floorLogged, nil
	case v.head:
		return v.logged, nil
	}
	err = v.get(logKey(r), func(b []byte) (err error) {
		n, err = parseLogged(b)
		return err
	})
	return n, err
}

// readError marks what Pebble found corrupt as damage.
func (s *Store) readError(err error) error {
	if pebble.IsCorruptionError(err) {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return err
}
