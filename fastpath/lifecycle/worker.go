// Package lifecycle does the work that falls due while nobody asks: deletion of keys whose waiting period is over,
// automatic rotation, expiry of imported material, and whatever else the keyring's due index holds.
//
// A Worker keeps nothing of its own: what is due stands in the store's due index until it is done, so that work that a
// crash cut short is found again by the next worker, and several workers on one store only race for the same
// result. Run is the one goroutine, the caller's; Wake and CatchUp may be called from anywhere.
//
// A Pool makes RSA keys ahead while the module has nothing else to do.
package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"time"

	"trent/fastpath/keyring"
)

// Keys is what a Worker needs of a keyring.
type Keys interface {
	// Due returns up to limit pieces of work that are due at now, the longest due first.
	Due(ctx context.Context, now time.Time, limit int) ([]keyring.Due, error)
	// Work does one, or continues to. keyring.ErrNotDue: it was cancelled meanwhile.
	Work(ctx context.Context, d keyring.Due) error
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

// Worker does due work.
type Worker struct {
	keys   Keys
	o      Options
	wakeup chan struct{}
	turn   chan struct{} // of whoever does due work: Run or CatchUp
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
	return &Worker{keys: keys, o: o, wakeup: make(chan struct{}, 1), turn: make(chan struct{}, 1)}
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

// CatchUp does all that is due until a time that the clock has not reached yet, in the order of time, and whatever falls
// due by that work; before each piece it moves the clock to when that is due. Errors: ctx's, the due index's, or that
// some work failed, which stays in the index.
func (w *Worker) CatchUp(ctx context.Context, until time.Time, step func(time.Time)) error {
	select {
	case w.turn <- struct{}{}:
		defer func() { <-w.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	failed, err := w.do(ctx, until, step)
	switch {
	case err != nil:
		return fmt.Errorf("looking for due work: %w", err)
	case ctx.Err() != nil:
		return ctx.Err()
	case failed > 0:
		return fmt.Errorf("due work failed %d times and will be tried again", failed)
	}
	return nil
}

// round does all that is due now.
func (w *Worker) round(ctx context.Context) {
	select {
	case w.turn <- struct{}{}:
		defer func() { <-w.turn }()
	case <-ctx.Done():
		return
	}
	if _, err := w.do(ctx, w.o.Clock(), nil); err != nil && ctx.Err() == nil {
		w.o.Logger("looking for due work failed, will try again: %v", err)
	}
}

// do does all that is due at a time. What fails stays in the index; do asks for as many more, so that it holds up no
// other. It also asks again where work may have made other work due, which comes before what it has in hand: all is
// done in the order of time.
func (w *Worker) do(ctx context.Context, until time.Time, step func(time.Time)) (failed int, err error) {
	tried := map[keyring.Due]bool{}
	for ctx.Err() == nil {
		due, err := w.keys.Due(ctx, until, batch+len(tried))
		if err != nil {
			return failed, err
		}
		progress := false
		for _, d := range due {
			if tried[d] || ctx.Err() != nil {
				continue
			}
			progress = true
			if step != nil {
				step(d.At)
			}
			gone, err := w.work(ctx, d)
			if err != nil {
				failed++
			}
			if !gone {
				tried[d] = true
			} else if step != nil || d.Task != keyring.TaskDelete {
				break
			}
		}
		if !progress {
			break
		}
	}
	return failed, nil
}

// tasks are the logs' words for what is done.
var tasks = [...]struct{ done, noun string }{
	keyring.TaskDelete:      {"deleted", "deletion"},
	keyring.TaskRotate:      {"rotated", "rotation"},
	keyring.TaskExpire:      {"expired material of", "expiry of material"},
	keyring.TaskWrappingKey: {"deleted a wrapping key of", "deletion of a wrapping key"},
	keyring.TaskSync:        {"synchronized", "synchronization"},
	keyring.TaskSettle:      {"settled", "settlement"},
}

// work says whether d is gone from the index, and what went wrong.
func (w *Worker) work(ctx context.Context, d keyring.Due) (gone bool, err error) {
	err = w.keys.Work(ctx, d)
	switch {
	case err == nil:
		w.o.Logger("%s %s", tasks[d.Task].done, d.ARN())
		return true, nil
	case errors.Is(err, keyring.ErrNotDue) || ctx.Err() != nil:
		// Cancelled between the look and the work; or the worker is being stopped.
		return false, nil
	}
	w.o.Logger("%s of %s failed, will try again: %v", tasks[d.Task].noun, d.ARN(), err)
	return false, err
}
