package engine

import (
	"context"
	"sync"
)

// nativeEngine sends from loops, one on each core that it needs. Where they are not to be had, it has one goroutine for each
// connection and one that paces.
type nativeEngine struct{}

// Name is "native".
func (nativeEngine) Name() string { return "native" }

// Run is described at Engine.
func (nativeEngine) Run(ctx context.Context, p *Plan) (Report, error) {
	r, err := prepare(ctx, p)
	if err != nil {
		return Report{}, err
	}
	if l, ok := p.Schedule.(ClosedLoop); ok {
		return r.closed("native", l), nil
	}
	return r.native(), nil
}

func (r *run) native() Report {
	if n := r.loops(); n > 0 {
		if report, ok := r.looped(n); ok {
			return report
		}
	}
	return r.threaded()
}

// threaded has a goroutine for each connection.
func (r *run) threaded() Report {
	q := newQueue(len(r.lanes), newPacer(r.plan.Schedule), r.now, &r.due)
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
	c := r.newClock(r.origin)
	q.pace(r.soft, c)
	c.close()
	wg.Wait()
	interrupted := r.soft.Err() != nil
	stop()
	report := r.finish("native", interrupted)
	report.MaxBacklog = q.backlog()
	return report
}
