package engine_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"trent/loadgen/engine"
	"trent/loadgen/measure"
	"trent/loadgen/schedule"
)

// interruption is a moment of a run of 200 hits a second.
type interruption struct {
	name     string
	schedule time.Duration
	serve    func(cancel func()) func(*hostile, net.Conn)
	progress func(cancel func(), p engine.Progress) // nil: the server interrupts
	check    func(r engine.Report, s *measure.Summary) bool
}

// An interruption at any moment ends the run within the grace, and everything that was due is accounted for.
func TestInterruptedAtAnyMoment(t *testing.T) {
	t.Parallel()
	for _, c := range []interruption{
		{name: "before it connects", schedule: 300 * time.Millisecond, serve: func(cancel func()) func(*hostile, net.Conn) {
			cancel()
			return answering(func(*hostile, *tls.Conn, uint64) bool { return false })
		}, check: func(r engine.Report, _ *measure.Summary) bool { return r.Sent == 0 }},
		{name: "while it connects", schedule: 300 * time.Millisecond, serve: func(cancel func()) func(*hostile, net.Conn) {
			return func(h *hostile, _ net.Conn) { cancel(); h.sleep(time.Minute) }
		}, check: func(r engine.Report, _ *measure.Summary) bool { return r.Sent == 0 }},
		{name: "in the middle", schedule: time.Minute, serve: func(cancel func()) func(*hostile, net.Conn) {
			return answering(func(_ *hostile, s *tls.Conn, n uint64) bool {
				if n == 20 {
					cancel()
				}
				_, err := io.WriteString(s, good)
				return err == nil
			})
		}, check: func(r engine.Report, s *measure.Summary) bool {
			return s.Count(measure.OK) >= 19
		}},
		{name: "while the last answers are awaited", schedule: 300 * time.Millisecond, serve: func(func()) func(*hostile, net.Conn) {
			return answering(func(h *hostile, s *tls.Conn, n uint64) bool {
				if n < 50 {
					_, err := io.WriteString(s, good)
					return err == nil
				}
				h.sleep(5 * time.Minute)
				return false
			})
		}, progress: func(cancel func(), p engine.Progress) {
			if p.Due == 60 && p.Outcomes[measure.OK] == 49 {
				cancel()
			}
		}, check: func(r engine.Report, s *measure.Summary) bool {
			return r.Due == 60 && s.Count(measure.OK) == 49 && s.Errors["Interrupted"] == 11
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			eachEngine(t, func(t *testing.T, e engine.Engine) {
				var problem string
				for _, limit := range []time.Duration{4 * time.Second, 10 * time.Second, 40 * time.Second} { // a busy machine may end late
					if problem = c.try(t, e, limit); problem == "" {
						return
					}
				}
				t.Error(problem)
			})
		})
	}
}

// try says what is wrong with a run that is to end so soon after its interruption, "" for nothing.
func (c *interruption) try(t *testing.T, e engine.Engine, limit time.Duration) string {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var once sync.Once
	var begun time.Time
	cancel := func() { once.Do(func() { begun = time.Now(); stop() }) }
	h := newHostile(t, c.serve(cancel))
	w := parse(t, "name: t\nmix: [{operation: ListKeys}]\n")
	recorder := measure.NewRecorder(measure.Config{Entries: w.EntryNames()})
	p := &engine.Plan{Target: h.target(t), Workload: w, Keys: engine.NoKeys(w, 0), Connections: 16, Timeout: 5 * limit,
		Schedule: schedule.Constant(200, c.schedule), Recorder: recorder}
	if c.progress != nil {
		p.Progress = func(now engine.Progress) { c.progress(cancel, now) }
	}
	report, err := e.Run(ctx, p)
	ended := time.Now()
	if err != nil {
		return err.Error()
	}
	s := recorder.Summary()
	if !report.Interrupted || report.Done != report.Due || s.Asked() != report.Due || !c.check(report, s) {
		return fmt.Sprintf("%+v: %v, %d OK", report, s.Errors, s.Count(measure.OK))
	}
	cancel() // orders what it noted before what follows
	if late := begun.Sub(report.Start) + limit/20; report.Sent > 0 && float64(report.Due) > 200*late.Seconds() {
		return fmt.Sprintf("%d hits due %v after the interruption", report.Due, limit/20)
	}
	if took := ended.Sub(begun); took > limit {
		return fmt.Sprintf("took %v", took)
	}
	return ""
}
