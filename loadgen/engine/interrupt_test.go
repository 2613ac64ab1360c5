package engine_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"trent/loadgen/engine"
	"trent/loadgen/measure"
	"trent/loadgen/schedule"
)

// An interruption at any moment ends the run within the grace, and everything that was due is accounted for.
func TestInterruptedAtAnyMoment(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		serve func(cancel func()) func(*hostile, net.Conn)
		check func(r engine.Report, s *measure.Summary) bool
	}{
		{"before it connects", func(cancel func()) func(*hostile, net.Conn) {
			cancel()
			return answering(func(*hostile, *tls.Conn, uint64) bool { return false })
		}, func(r engine.Report, _ *measure.Summary) bool { return r.Sent == 0 }},
		{"while it connects", func(cancel func()) func(*hostile, net.Conn) {
			return func(h *hostile, _ net.Conn) { cancel(); h.sleep(time.Minute) }
		}, func(r engine.Report, _ *measure.Summary) bool { return r.Sent == 0 }},
		{"in the middle", func(cancel func()) func(*hostile, net.Conn) {
			return answering(func(_ *hostile, s *tls.Conn, n uint64) bool {
				if n == 20 {
					cancel()
				}
				_, err := io.WriteString(s, good)
				return err == nil
			})
		}, func(r engine.Report, s *measure.Summary) bool { return s.Count(measure.OK) >= 19 && r.Due < 60 }},
		{"while the last answers are awaited", func(cancel func()) func(*hostile, net.Conn) {
			var once atomic.Bool
			return answering(func(h *hostile, s *tls.Conn, n uint64) bool {
				if n < 50 {
					_, err := io.WriteString(s, good)
					return err == nil
				}
				if once.CompareAndSwap(false, true) {
					time.AfterFunc(400*time.Millisecond, cancel)
				}
				h.sleep(time.Minute)
				return false
			})
		}, func(r engine.Report, s *measure.Summary) bool {
			return r.Due == 60 && s.Count(measure.OK) == 49 && s.Errors["Interrupted"] == 11
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			eachEngine(t, func(t *testing.T, e engine.Engine) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				h := newHostile(t, c.serve(cancel))
				w := parse(t, "name: t\nmix: [{operation: ListKeys}]\n")
				recorder := measure.NewRecorder(measure.Config{Entries: w.EntryNames()})
				begun := time.Now()
				report, err := e.Run(ctx, &engine.Plan{Target: h.target(t), Workload: w, Keys: engine.NoKeys(w, 0), Connections: 16, Timeout: 20 * time.Second,
					Schedule: schedule.Constant(200, 300*time.Millisecond), Recorder: recorder})
				if err != nil {
					t.Fatal(err)
				}
				s := recorder.Summary()
				if !report.Interrupted || report.Done != report.Due || s.Asked() != report.Due || !c.check(report, s) {
					t.Errorf("%+v: %v, %d OK", report, s.Errors, s.Count(measure.OK))
				}
				if took := time.Since(begun); took > 4*time.Second {
					t.Errorf("took %v", took)
				}
			})
		})
	}
}
