package engine_test

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"trent/loadgen/engine"
	"trent/loadgen/measure"
	"trent/loadgen/schedule"
)

// runOn executes a plan of DescribeKey by so many loops (0: goroutines) against a server that may misbehave.
func runOn(t *testing.T, ctx context.Context, loops int, p *engine.Plan, misbehave func(n uint64, w http.ResponseWriter, r *http.Request) bool) (engine.Report, *measure.Summary) {
	t.Helper()
	f := newFakeKMS(t)
	f.misbehave = func(n uint64, _ string, w http.ResponseWriter, r *http.Request) bool { return misbehave(n, w, r) }
	p.Workload = parse(t, "name: t\nmix: [{operation: ListKeys}]\n")
	p.Target, p.Keys = f.target(), engine.NoKeys(p.Workload, 0)
	p.Recorder = measure.NewRecorder(measure.Config{Entries: p.Workload.EntryNames()})
	report, err := engine.RunOn(ctx, loops, p)
	if err != nil {
		t.Fatal(err)
	}
	s := p.Recorder.Summary()
	if s.Asked() != report.Due || report.Done != report.Due {
		t.Errorf("due %d, done %d, recorded %d: not the same", report.Due, report.Done, s.Asked())
	}
	return report, s
}

// However many loops share the connections, the hits that wait are one queue: with four connections that are held as long and
// 100 hits at once, the wait grows to 25 rounds and no connection rests meanwhile.
func TestLoopsShareTheBacklog(t *testing.T) {
	t.Parallel()
	for _, loops := range []int{0, 1, 3} {
		t.Run(fmt.Sprint(loops), func(t *testing.T) {
			t.Parallel()
			var problem string
			for _, hold := range []time.Duration{20, 40, 80, 160, 320} { // a busy machine may hold a run up, which tells less the longer it is
				if problem = backlogOf(t, loops, hold*time.Millisecond); problem == "" {
					return
				}
			}
			t.Error(problem)
		})
	}
}

// backlogOf says what is wrong with a backlog that loops work off, "" for nothing.
func backlogOf(t *testing.T, loops int, hold time.Duration) string {
	report, s := runOn(t, t.Context(), loops, &engine.Plan{Schedule: schedule.Constant(100_000, time.Millisecond), Connections: 4, Timeout: time.Minute},
		func(uint64, http.ResponseWriter, *http.Request) bool { time.Sleep(hold); return false })
	longest, lag := measure.Quantile(s.Latency(measure.OK), 1), measure.Quantile(s.ClientLag(), 0.5)
	switch {
	case s.Count(measure.OK) != 100 || report.Due != 100 || report.MaxBacklog < 80:
		return fmt.Sprintf("%+v: %v", report, s.Errors)
	case longest < 25*hold-hold/2 || longest > 75*hold:
		return fmt.Sprintf("longest latency %v of 25 rounds of %v", longest, hold)
	case lag > hold*5/2:
		return fmt.Sprintf("the wait counts as the client's lag: %v", lag)
	}
	return ""
}

// A server that closes idle connections costs no hit: they are seen to be closed and opened anew.
func TestIdleConnectionCloses(t *testing.T) {
	// Not beside others, and slower each time: a machine that is held up sends into a connection that is just being closed.
	var problem string
	for _, rate := range []float64{20, 10, 5} {
		report, s := runOn(t, t.Context(), 1, &engine.Plan{Schedule: schedule.Constant(rate, time.Duration(20/rate)*time.Second), Connections: 2},
			func(n uint64, w http.ResponseWriter, r *http.Request) bool {
				stream, _ := hijack(w)
				fmt.Fprint(stream, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
				time.AfterFunc(time.Millisecond, func() { stream.Close() })
				return true
			})
		if s.Count(measure.OK) == 20 && report.Reconnects >= 17 {
			return
		}
		problem = fmt.Sprintf("%+v: %v", report, s.Errors)
	}
	t.Error(problem)
}

// Answers that trickle in, in chunks and in pieces of any size, are put together.
func TestTricklingAnswer(t *testing.T) {
	t.Parallel()
	var problem string
	for _, rate := range []float64{50, 25, 10} { // a busy machine may take longer than a hit has
		_, s := runOn(t, t.Context(), 1, &engine.Plan{Schedule: schedule.Constant(rate, time.Duration(50/rate*float64(time.Second))), Connections: 16,
			Timeout: time.Duration(500/rate) * time.Second}, func(n uint64, w http.ResponseWriter, r *http.Request) bool {
			for range 5 {
				w.Write(make([]byte, 3000*(n%7)))
				w.(http.Flusher).Flush()
				time.Sleep(time.Millisecond)
			}
			return true
		})
		shortest := measure.Quantile(s.Latency(measure.OK), 0.02)
		if s.Count(measure.OK) == 50 && shortest >= 4*time.Millisecond {
			return
		}
		problem = fmt.Sprintf("%d OK, 0.02-quantile %v, errors %v", s.Count(measure.OK), shortest, s.Errors)
	}
	t.Error(problem)
}

// Under way when the run is interrupted: what answers within the grace counts, the rest is cut off; what waits is never sent.
func TestLoopInterruption(t *testing.T) {
	t.Parallel()
	for _, loops := range []int{0, 2} {
		t.Run(fmt.Sprint(loops), func(t *testing.T) {
			t.Parallel()
			var problem string
			for range 5 { // a machine that is held up notices late, or answers after the grace
				if problem = interruptionOf(t, loops); problem == "" {
					return
				}
			}
			t.Error(problem)
		})
	}
}

// interruptionOf says what is wrong with an interrupted run, "" for nothing.
func interruptionOf(t *testing.T, loops int) string {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var n atomic.Uint64
	report, s := runOn(t, ctx, loops, &engine.Plan{Schedule: schedule.Constant(100, time.Minute), Connections: 4},
		func(_ uint64, w http.ResponseWriter, r *http.Request) bool {
			at := n.Add(1)
			if at == 4 { // all connections are in use: what comes now waits
				time.AfterFunc(200*time.Millisecond, cancel)
			}
			if at <= 2 {
				<-ctx.Done()
				time.Sleep(300 * time.Millisecond)
				return false
			}
			silence(w, r)
			return true
		})
	if !report.Interrupted || report.Sent != 4 || s.Count(measure.OK) != 2 || s.Errors["Interrupted"] != report.Due-2 ||
		s.Count(measure.ConnError) != 2 || report.Due < 4+10 || float64(report.Due) > 100*report.Elapsed.Seconds()+20 {
		return fmt.Sprintf("%+v: %v", report, s.Errors)
	}
	return ""
}

// Pace releases each hit once, in order, never before its time, and ends with its context.
func TestPace(t *testing.T) {
	t.Parallel()
	n := 0
	engine.Pace(t.Context(), schedule.Constant(2000, 200*time.Millisecond), func(due, released time.Duration) {
		if due != time.Duration(n)*500*time.Microsecond || released < due {
			t.Errorf("hit %d due %v released %v", n, due, released)
		}
		n++
	})
	if n != 400 {
		t.Errorf("%d hits", n)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	engine.Pace(ctx, schedule.Constant(1, time.Hour), func(time.Duration, time.Duration) {})
}

// Sending, receiving and recording settle: a hit beyond the first thousands costs no allocation.
func TestHitDoesNotAllocate(t *testing.T) {
	target := startEcho(t)
	w := parse(t, "name: t\nkeys: [{name: k, count: 16}]\nmix: [{operation: Encrypt}]\n")
	allocated := func(hits int) uint64 {
		p := &engine.Plan{Target: target, Workload: w, Keys: engine.FakeKeys(w), Schedule: schedule.Constant(20_000, time.Duration(hits)*50*time.Microsecond),
			Connections: 16, Recorder: measure.NewRecorder(measure.Config{Entries: w.EntryNames()})}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := engine.RunOn(t.Context(), 1, p); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		if s := p.Recorder.Summary(); s.Count(measure.OK) != uint64(hits) {
			t.Fatalf("errors %v", s.Errors)
		}
		return after.Mallocs - before.Mallocs
	}
	allocated(1000)
	few, many := allocated(10_000), allocated(30_000)
	if perHit := (float64(many) - float64(few)) / 20_000; perHit > 0.02 {
		t.Errorf("%.3f allocations a hit (%d for 10,000 hits, %d for 30,000)", perHit, few, many)
	}
}
