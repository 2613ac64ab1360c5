package engine

import (
	"context"
	"runtime"
	"sync"
	"time"

	"trent/loadgen/schedule"
)

// Pace waits for each hit of a schedule as the native engine does and calls f when it is released, on a thread of its own, until
// the last one or the end of ctx. Nothing is sent: it shows what the pacer alone can do.
func Pace(ctx context.Context, s schedule.Schedule, f func(due, released time.Duration)) {
	defer spareProcessor(1)()
	var wg sync.WaitGroup
	wg.Go(func() {
		runtime.LockOSThread() // never unlocked: the thread ends with its goroutine
		c := newThreadClock(ctx, time.Now().Add(lead))
		defer c.close()
		p := newPacer(s)
		for {
			hit, ok := p.next(ctx, c)
			if !ok {
				return
			}
			f(hit.due, hit.handed)
		}
	})
	wg.Wait()
}
