package host

import (
	"context"
	"sync"
	"time"
)

// Attend brings the newest token to modules that are behind, among them ones that have just started, until ctx ends. It
// looks at each every so often, and says by logf when that begins and ceases to fail. It returns once ctx has ended.
func (h *Host) Attend(ctx context.Context, modules []Installer, every time.Duration, logf func(format string, args ...any)) {
	var all sync.WaitGroup
	for i, m := range modules {
		all.Go(func() { h.attend(ctx, i+1, m, every, logf) })
	}
	all.Wait()
}

func (h *Host) attend(ctx context.Context, i int, m Installer, every time.Duration, logf func(format string, args ...any)) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	failing := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		limited, cancel := context.WithTimeout(ctx, 5*every)
		err := h.Deliver(limited, m)
		cancel()
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && err.Error() != failing:
			failing = err.Error()
			logf("hsm %d: bringing it the newest domain token: %v", i, err)
		case err == nil && failing != "":
			failing = ""
			logf("hsm %d holds the newest domain token", i)
		}
	}
}
