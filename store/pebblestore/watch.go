package pebblestore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"trent/store"
)

// heartbeat is how long a watch stays silent: half of what the contract allows, to keep it under load.
const heartbeat = 500 * time.Millisecond

// Bounds of what a watch reads from the log at once: it holds that much memory while it calls back.
const (
	watchCommits = 128
	watchBytes   = 1 << 20
)

// commit is one entry of the change log.
type commit struct {
	rev     store.Revision
	changes []store.Record
}

// Watch implements store.Store. With nothing to tell it says at once how far it is current, then twice a second.
func (s *Store) Watch(ctx context.Context, from store.Revision, f func(upTo store.Revision, changes []store.Record) error) error {
	s.meter.watches.Add(1)
	defer s.meter.watches.Add(-1)
	silence := time.NewTimer(0)
	defer silence.Stop()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		commits, head, changed, err := s.next(ctx, from)
		if err != nil {
			return err
		}
		for _, c := range commits {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := f(c.rev, c.changes); err != nil {
				return err
			}
			from = c.rev
		}
		if len(commits) > 0 {
			silence.Reset(heartbeat)
		}
		if from < head {
			continue
		}
		select {
		case <-changed:
		case <-ctx.Done():
		case <-silence.C:
			if err := f(head, nil); err != nil {
				return err
			}
			silence.Reset(heartbeat)
		}
	}
}

// next reads the commits after from, as far as the bounds of one piece go, and returns the head they were
// read below, with the channel that tells of a newer one.
func (s *Store) next(ctx context.Context, from store.Revision) ([]commit, store.Revision, <-chan struct{}, error) {
	v := s.acquire()
	if v == nil {
		return nil, 0, nil, unavailable("watching", s.cause())
	}
	defer v.release()
	if from < v.floor || from > v.head {
		return nil, 0, nil, fmt.Errorf("watching from revision %d, not in %d to %d: %w", from, v.floor, v.head, store.ErrCompacted)
	}
	if from == v.head {
		return nil, v.head, v.changed, nil
	}
	commits, err := v.commits(ctx, from)
	if err != nil && ctx.Err() != nil {
		return nil, 0, nil, ctx.Err()
	}
	if err != nil {
		return nil, 0, nil, unavailable("watching", err)
	}
	return commits, v.head, v.changed, nil
}

// commits reads log entries after from, at least one. The log has no gaps: a missing entry is damage.
func (v *view) commits(ctx context.Context, from store.Revision) (cs []commit, err error) {
	it, err := v.snap.NewIterWithContext(ctx, &pebble.IterOptions{LowerBound: logKey(from + 1), UpperBound: logKey(v.head + 1)})
	if err != nil {
		return nil, v.owner.readError(err)
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	size := 0
	for ok := it.First(); ok && len(cs) < watchCommits && size < watchBytes; ok = it.Next() {
		from++
		b, err := it.ValueAndErr()
		if err != nil {
			return nil, v.owner.readError(err)
		}
		if !slices.Equal(it.Key(), logKey(from)) {
			return nil, fmt.Errorf("%w: no log entry of revision %d", ErrDamaged, from)
		}
		changes, err := parseLog(from, slices.Clone(b))
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		cs, size = append(cs, commit{from, changes}), size+len(b)
	}
	if err := it.Error(); err != nil {
		return nil, v.owner.readError(err)
	}
	if len(cs) == 0 {
		return nil, fmt.Errorf("%w: no log entry of revision %d", ErrDamaged, from+1)
	}
	return cs, nil
}
