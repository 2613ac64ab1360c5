// Package lifecycle does the work that falls due while nobody asks: the deletion of keys whose waiting
// period is over.
package lifecycle

import (
	"context"
	"time"

	"trent/fastpath/keyring"
)

// Options of a Worker.
type Options struct {
	Clock    func() time.Time     // nil: time.Now
	Interval time.Duration        // between looks at the due index; 0: 10 s
	Logger   func(string, ...any) // nil: silent
}

// Worker deletes due keys.
type Worker struct{}

func New(k *keyring.Keyring, o Options) *Worker { return &Worker{} }
func (w *Worker) Run(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
func (w *Worker) Wake()                         {}
