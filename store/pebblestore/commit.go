package pebblestore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"trent/store"
)

// runCommitter serves the queue until it is closed and drained.
func (s *Store) runCommitter() {
	defer close(s.drained)
	var group []*request
	for {
		if group = s.queue.next(group); len(group) == 0 {
			return
		}
		s.commitGroup(group)
	}
}

// commitGroup checks, writes and answers one group. Nothing is answered before the sync: a conflict may be with
// a transaction of the same group.
func (s *Store) commitGroup(requests []*request) {
	v := s.acquire()
	if v == nil {
		for _, r := range requests {
			r.answer(0, unavailable("committing", s.cause()))
		}
		return
	}
	defer v.release()
	g := group{view: v, state: v.state, batch: s.db.NewBatch(), written: make(map[string]store.Revision)}
	results := make([]result, len(requests))
	for i, r := range requests {
		results[i].rev, results[i].err = g.add(r)
		results[i].writes = g.wrote
	}
	if g.head > v.head {
		if err := s.writeGroup(&g); err != nil {
			s.fail(err) // the batch is left alone: Pebble may still hold it
			for i, r := range requests {
				r.answer(results[i].afterFailure(err))
			}
			return
		}
		s.publish(g.state)
	}
	if err := g.batch.Close(); err != nil {
		s.logf("closing a batch: %v", err)
	}
	s.meter.group(requests, results, g.head > v.head)
	for i, r := range requests {
		r.answer(results[i].rev, results[i].err)
	}
}

// result is what a request of a group will be answered if the group becomes durable.
type result struct {
	rev    store.Revision
	err    error
	writes bool
}

// afterFailure is the answer when the group's write failed. Only what was in the batch may be applied; other
// answers could rest on what was in it.
func (r result) afterFailure(err error) (store.Revision, error) {
	if r.writes {
		return 0, ambiguous(err)
	}
	return 0, unavailable("committing", err)
}

// group is a batch in the making, and the state that it leads to.
type group struct {
	state
	view    *view
	batch   *pebble.Batch
	written map[string]store.Revision // by this group; 0: deleted
	wrote   bool                      // whether the last add put something into the batch
	err     error                     // the batch is not whole and must not be written
}

// add checks r's conditions and puts its changes into the batch. An error means that nothing was put there.
func (g *group) add(r *request) (store.Revision, error) {
	g.wrote = false
	for _, c := range r.require {
		rev, err := g.revisionOf(c.Key)
		if err != nil {
			return 0, unavailable("checking a condition", err)
		}
		if rev != c.Revision {
			return 0, fmt.Errorf("committing: record at revision %d, not %d: %w", rev, c.Revision, store.ErrConflict)
		}
	}
	changes := r.changes[:0]
	for _, c := range r.changes {
		if c.deletes {
			rev, err := g.revisionOf(c.key)
			if err != nil {
				return 0, unavailable("reading a record to delete", err)
			}
			if rev == 0 {
				continue // absent already: no change
			}
		}
		changes = append(changes, c)
	}
	if len(changes) == 0 {
		return g.head, nil
	}
	if err := g.encode(changes); err != nil {
		g.err = err
	}
	g.wrote = true
	return g.head, nil
}

// encode gives changes the next revision and appends them, with their log entry, to the batch.
func (g *group) encode(changes []change) error {
	g.head++
	size := logSize(changes)
	g.logged += uint64(size)
	key := logKey(g.head)
	entry := g.batch.SetDeferred(len(key), size)
	copy(entry.Key, key)
	appendLog(entry.Value[:0], g.logged, changes)
	if err := entry.Finish(); err != nil {
		return err
	}
	for _, c := range changes {
		if c.deletes {
			g.written[string(c.key)] = 0
			if err := g.batch.Delete(recordKey(c.key), nil); err != nil {
				return err
			}
			continue
		}
		g.written[string(c.key)] = g.head
		op := g.batch.SetDeferred(1+len(c.key), revisionBytes+len(c.value))
		op.Key[0] = spaceRecord
		copy(op.Key[1:], c.key)
		binary.BigEndian.PutUint64(op.Value, uint64(g.head))
		copy(op.Value[revisionBytes:], c.value)
		if err := op.Finish(); err != nil {
			return err
		}
	}
	return nil
}

func (g *group) revisionOf(key []byte) (store.Revision, error) {
	if rev, ok := g.written[string(key)]; ok {
		return rev, nil
	}
	return g.view.revisionOf(key)
}

// writeGroup completes the batch and makes it durable.
func (s *Store) writeGroup(g *group) error {
	if g.err != nil {
		return fmt.Errorf("encoding a transaction: %w", g.err)
	}
	if err := s.trim(g); err != nil {
		return err
	}
	if err := g.batch.Set([]byte{spaceState}, g.append(nil), nil); err != nil {
		return err
	}
	start := time.Now()
	if err := s.writeBatch(g.batch); err != nil {
		return fmt.Errorf("writing to disk: %w", err)
	}
	s.meter.sync(time.Since(start))
	return nil
}

// writeBatch applies and syncs. Apply would end in Pebble's Fatalf on a failed sync; waiting apart from it gives
// the error back. Pebble panics when its log writer has failed before, with its commit mutex held.
func (s *Store) writeBatch(b *pebble.Batch) (err error) {
	defer func() {
		if p := recover(); p != nil {
			s.stuck.Store(true)
			err = fmt.Errorf("pebble stopped: %v", p)
		}
	}()
	if err := s.db.ApplyNoSyncWait(b, pebble.Sync); err != nil {
		return err
	}
	return b.SyncWait()
}

// trim moves the floor of the change log up once the log is an eighth over its bounds, back to within them. The
// running sums make that a binary search. The newest commit always stays.
func (s *Store) trim(g *group) error {
	v := g.view
	keptCount, keptBytes := int64(s.opts.HistoryRevisions), uint64(s.opts.HistoryBytes)
	if int64(g.head-g.floor) <= keptCount+keptCount/8 && g.logged-g.floorLogged <= keptBytes+keptBytes/8 {
		return nil
	}
	// Candidates are what the view has: entries of this group are not readable yet, and stay.
	low, high := max(v.floor, min(g.head-store.Revision(keptCount), v.head)), v.head
	for low < high {
		mid := low + (high-low)/2
		n, err := v.loggedAt(mid)
		if err != nil {
			return fmt.Errorf("trimming the change log at revision %d: %w", mid, err)
		}
		if g.logged-n <= keptBytes {
			high = mid
		} else {
			low = mid + 1
		}
	}
	n, err := v.loggedAt(low)
	if err != nil {
		return fmt.Errorf("trimming the change log at revision %d: %w", low, err)
	}
	if low == v.floor {
		return nil
	}
	if err := g.batch.DeleteRange(logKey(v.floor+1), logKey(low+1), nil); err != nil {
		return err
	}
	g.floor, g.floorLogged = low, n
	return nil
}

func ambiguous(cause error) error {
	return fmt.Errorf("committing: %w: %w", store.ErrAmbiguous, cause)
}

// fail ends the store for a cause that leaves the disk's state unknown. Only the first cause counts.
func (s *Store) fail(cause error) {
	s.failOnce.Do(func() {
		err := fmt.Errorf("%w: %w", errFailed, cause)
		s.ending.CompareAndSwap(nil, &err)
		s.logf("%v", err)
		s.queue.close()
		s.swap(nil)
		close(s.failed)
	})
}

// cause says why the store takes no calls any more.
func (s *Store) cause() error {
	if err := s.ending.Load(); err != nil {
		return *err
	}
	return errClosed
}

var (
	errClosed = errors.New("the store is closed")
	errFailed = errors.New("the store has failed; open it again to find out what the disk holds")
)
