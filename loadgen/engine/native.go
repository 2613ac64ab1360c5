package engine

import (
	"context"
	"sync"
)

// nativeEngine has one goroutine for each connection and a pacer on a thread of its own.
type nativeEngine struct{}

// Name is "native".
func (nativeEngine) Name() string { return "native" }

// Run is described at Engine.
func (nativeEngine) Run(ctx context.Context, p *Plan) (Report, error) {
	r, err := prepare(ctx, p)
	if err != nil {
		return Report{}, err
	}
	return r.native(), nil
}

func (r *run) native() Report {
	q := newQueue(len(r.lanes))
	stop := r.supervise()
	var wg sync.WaitGroup
	for _, l := range r.lanes {
		wg.Go(func() {
			w := newWorker()
			for {
				hit, ok := q.pop(w)
				if !ok {
					return
				}
				l.send(hit)
			}
		})
	}
	// The pacer's goroutine ends with its thread and must not be the caller's.
	wg.Go(func() {
		defer q.close()
		c := r.newClock(r.origin)
		c.begin()
		pace := newPacer(c, r.plan.Schedule)
		for {
			hit, ok := pace.next(r.soft)
			if !ok {
				return
			}
			r.due.Add(1)
			q.push(hit)
		}
	})
	wg.Wait()
	interrupted := r.soft.Err() != nil
	stop()
	report := r.finish("native", interrupted)
	report.MaxBacklog = q.backlog()
	return report
}
