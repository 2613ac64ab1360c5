package keyring

import (
	"context"
	"time"

	"trent/store"
)

const (
	watchSilence = 10 * time.Second       // a watch speaks at least once a second
	watchRetry   = 200 * time.Millisecond // between attempts to start one
)

// watch invalidates what others commit, from revision head on, until ctx is done. Whenever the watch ends, for
// whatever reason (ErrCompacted among them), nothing is known of the commits that follow: the caches are dropped,
// stay empty, and start again at the head.
func (k *Keyring) watch(ctx context.Context, head store.Revision) {
	defer close(k.stopped)
	for {
		k.follow(ctx, head)
		k.closeCaches()
		var err error
		for {
			select {
			case <-ctx.Done():
				return
			case <-time.After(watchRetry):
			}
			if head, err = k.store.Head(ctx); err == nil {
				break
			}
		}
		// What is loaded from now on includes all commits up to head; the watch brings the others.
		k.openCaches(head)
	}
}

// follow runs one watch. It ends with the watch, or when the watch falls silent.
func (k *Keyring) follow(ctx context.Context, head store.Revision) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	silence := time.AfterFunc(watchSilence, cancel)
	defer silence.Stop()
	// Its error says why it ended; all reasons are answered alike, by starting again.
	_ = k.store.Watch(ctx, head, func(upTo store.Revision, changes []store.Record) error {
		silence.Reset(watchSilence)
		var deleted [][]byte
		for i := range changes {
			k.invalidate(changes[i].Key, upTo)
			if changes[i].Value == nil {
				deleted = append(deleted, changes[i].Key)
			}
		}
		k.changeGrants(changes, deleted, false, upTo)
		k.grants.saw(upTo)
		return nil
	})
}
