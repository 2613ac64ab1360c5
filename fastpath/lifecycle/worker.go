// Package lifecycle does the work that falls due while nobody asks: now the deletion of keys whose waiting period
// is over.
//
// A Worker keeps nothing of its own: what is due stands in the store's due index until it is done, so that work that a
// crash cut short is found again by the next worker, and several workers on one store only race for the same
// result. Run is the one goroutine, the caller's; Wake may be called from anywhere.
package lifecycle

import (
	"context"
	"errors"
	"time"

	"trent/fastpath/keyring"
)

// Keys is what a Worker needs of a keyring.
type Keys interface {
	// Due returns up to limit keys that are due at now, the longest due first.
	Due(ctx context.Context, now time.Time, limit int) ([]keyring.ID, error)
	// Delete deletes a due key, or continues to. keyring.ErrNotDue: it was cancelled meanwhile.
	Delete(ctx context.Context, id keyring.ID) error
}

var _ Keys = (*keyring.Keyring)(nil)

// DefaultInterval is between looks at the due index. The service may take up to 24 hours after the deletion date
// (AWS KMS Developer Guide, "Deleting AWS KMS keys"); tools that wait for it are served better by seconds.
const DefaultInterval = 10 * time.Second

// batch is how many keys a look takes at once.
const batch = 64

// Options of a Worker.
type Options struct {
	Clock    func() time.Time     // what is due; must be the keyring's; nil: time.Now
	Interval time.Duration        // between looks at the due index; 0: DefaultInterval
	Logger   func(string, ...any) // one line a deletion or failure; nil: silent
}

// Worker deletes due keys.
type Worker struct {
	keys   Keys
	o      Options
	wakeup chan struct{}
}

// New makes a worker; Run starts it.
func New(keys Keys, o Options) *Worker {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Interval <= 0 {
		o.Interval = DefaultInterval
	}
	if o.Logger == nil {
		o.Logger = func(string, ...any) {}
	}
	return &Worker{keys: keys, o: o, wakeup: make(chan struct{}, 1)}
}

// Wake makes the worker look now: the clock was moved, or something has become due.
func (w *Worker) Wake() {
	select {
	case w.wakeup <- struct{}{}:
	default: // it is awake or about to be
	}
}

// Run does due work, at once and then at each interval and Wake, until ctx is done; it returns ctx's error.
// Failures are logged and tried again at the next look.
func (w *Worker) Run(ctx context.Context) error {
	ticker := time.NewTicker(w.o.Interval)
	defer ticker.Stop()
	for {
		w.round(ctx)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		case <-w.wakeup:
		}
	}
}

// round deletes all keys that are due. One that fails stays in the index; the round asks for as many more, so that
// it holds up no other.
func (w *Worker) round(ctx context.Context) {
	now := w.o.Clock()
	tried := map[keyring.ID]bool{}
	for ctx.Err() == nil {
		due, err := w.keys.Due(ctx, now, batch+len(tried))
		if err != nil {
			if ctx.Err() == nil {
				w.o.Logger("looking for keys to delete failed, will try again: %v", err)
			}
			return
		}
		progress := false
		for _, id := range due {
			if tried[id] || ctx.Err() != nil {
				continue
			}
			progress = true
			if !w.delete(ctx, id) {
				tried[id] = true
			}
		}
		if !progress {
			return
		}
	}
}

// delete says whether the key is gone from the index.
func (w *Worker) delete(ctx context.Context, id keyring.ID) bool {
	err := w.keys.Delete(ctx, id)
	switch {
	case err == nil:
		w.o.Logger("deleted %s", id.ARN())
		return true
	case errors.Is(err, keyring.ErrNotDue) || ctx.Err() != nil:
		// Cancelled between the look and the deletion; or the worker is being stopped.
	default:
		w.o.Logger("deleting %s failed, will try again: %v", id.ARN(), err)
	}
	return false
}
