package engine_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"trent/loadgen/engine"
	"trent/loadgen/measure"
	"trent/loadgen/schedule"
)

// pipes is a server behind in-memory connections: an answer comes after what hold says, in the order of arrival.
type pipes struct {
	hold  func(n uint64) time.Duration
	n     atomic.Uint64
	dials atomic.Uint64
}

func (p *pipes) dial() (net.Conn, error) {
	p.dials.Add(1)
	client, server := net.Pipe()
	go func() {
		defer server.Close()
		in := bufio.NewReader(server)
		for {
			r, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				return
			}
			time.Sleep(p.hold(p.n.Add(1) - 1))
			if _, err := io.WriteString(server, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"); err != nil {
				return
			}
		}
	}()
	return client, nil
}

// virtually runs a plan in virtual time, without keys.
func virtually(t *testing.T, ctx context.Context, name string, p *engine.Plan, server *pipes) (engine.Report, *measure.Summary) {
	t.Helper()
	p.Workload = parse(t, "name: t\nmix: [{operation: ListKeys}]\n")
	p.Keys = engine.NoKeys(p.Workload, 0)
	p.Target.Credentials, p.Target.Region = engine.Credentials{AccessKeyID: "test", Secret: "test"}, "us-east-1"
	p.SDK.MaxAttempts = 1
	p.Recorder = measure.NewRecorder(measure.Config{Entries: p.Workload.EntryNames()})
	report, err := engine.RunVirtually(ctx, name, p, server.dial)
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(2 * time.Hour) // lets the fake server's goroutines end in the bubble
	s := p.Recorder.Summary()
	if s.Asked() != report.Due || report.Done != report.Due {
		t.Errorf("due %d, done %d, recorded %d: not the same", report.Due, report.Done, s.Asked())
	}
	return report, s
}

func eachVirtually(t *testing.T, f func(t *testing.T, name string)) {
	for _, name := range engine.Names() {
		t.Run(name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { f(t, name) }) })
	}
}

// equal compares with the resolution of a histogram.
func equal(t *testing.T, what string, got, want time.Duration, digits float64) {
	t.Helper()
	if d := got - want; d < -want/100 || d > time.Duration(float64(want)*digits)+measure.Lowest {
		t.Errorf("%s %v, want %v", what, got, want)
	}
}

func TestSteadyServer(t *testing.T) {
	eachVirtually(t, func(t *testing.T, name string) {
		server := &pipes{hold: func(uint64) time.Duration { return 10 * time.Millisecond }}
		var seen []engine.Progress
		report, s := virtually(t, t.Context(), name, &engine.Plan{Schedule: schedule.Constant(100, 3*time.Second), Connections: 4,
			Progress: func(p engine.Progress) { seen = append(seen, p) }}, server)
		if s.Count(measure.OK) != 300 || report.Due != 300 || report.Sent != 300 || server.dials.Load() != 4 || report.Interrupted {
			t.Errorf("%+v, %d dials", report, server.dials.Load())
		}
		for _, q := range []float64{0.01, 0.5, 1} {
			equal(t, "latency", measure.Quantile(s.Latency(measure.OK), q), 10*time.Millisecond, 0.001)
			equal(t, "service time", measure.Quantile(s.Service(measure.OK), q), 10*time.Millisecond, 0.001)
		}
		if lag := measure.Quantile(s.ClientLag(), 1); lag > measure.Lowest+100*time.Nanosecond {
			t.Errorf("client lag %v in virtual time", lag)
		}
		// The last answer comes after the last second: a block of its own, in which nothing was due.
		if b := s.Blocks(); len(b) != 4 || b[1].Asked() != 100 || b[0].Answered != 99 || b[3].Answered != 1 || b[3].Asked() != 0 {
			t.Errorf("blocks %+v", s.Blocks())
		}
		if len(seen) < 2 || seen[0].Due == 0 || seen[0].Elapsed < 990*time.Millisecond {
			t.Errorf("progress %+v", seen)
		}
	})
}

// Two connections that are busy 100 ms each serve 20 hits a second of 40 that are due: the wait is the server's, grows from hit to
// hit, counts as latency and is no lag of the client.
func TestWaitIsTheServers(t *testing.T) {
	eachVirtually(t, func(t *testing.T, name string) {
		server := &pipes{hold: func(uint64) time.Duration { return 100 * time.Millisecond }}
		_, s := virtually(t, t.Context(), name, &engine.Plan{Schedule: schedule.Constant(40, time.Second), Connections: 2}, server)
		// Hit 39 is due at 975 ms, sent after 19 rounds of 100 ms and done at 2 s (the second connection began 25 ms later).
		equal(t, "longest latency", measure.Quantile(s.Latency(measure.OK), 1), 1050*time.Millisecond, 0.001)
		equal(t, "longest wait", measure.Quantile(s.WaitLag(), 1), 950*time.Millisecond, 0.01)
		equal(t, "service time", measure.Quantile(s.Service(measure.OK), 1), 100*time.Millisecond, 0.001)
		if lag := measure.Quantile(s.ClientLag(), 1); lag > measure.Lowest+100*time.Nanosecond {
			t.Errorf("client lag %v", lag)
		}
	})
}

// A stall of one second on every connection does not hide: the hits due in it are late by what was left of it.
func TestStall(t *testing.T) {
	eachVirtually(t, func(t *testing.T, name string) {
		origin := time.Now()
		server := &pipes{hold: func(uint64) time.Duration {
			if at := time.Since(origin); at >= time.Second && at < 2*time.Second {
				return 2*time.Second - at
			}
			return 0
		}}
		_, s := virtually(t, t.Context(), name, &engine.Plan{Schedule: schedule.Constant(100, 10*time.Second), Connections: 100}, server)
		if s.Count(measure.OK) != 1000 {
			t.Fatalf("%v", s.Errors)
		}
		// A tenth of the hits waits evenly up to 1 s: the 95th percentile is its middle.
		if p := measure.Quantile(s.Latency(measure.OK), 0.95); p < 480*time.Millisecond || p > 520*time.Millisecond {
			t.Errorf("95th percentile %v, want about 500 ms", p)
		}
		if p := measure.Quantile(s.Latency(measure.OK), 0.89); p > time.Millisecond {
			t.Errorf("89th percentile %v outside the stall", p)
		}
	})
}

// One stall of a second in a minute at 1,000/s: 1,000 of 60,000 hits are late by what was left of it, evenly up to a second. 600
// of them exceed the 99th percentile and 60 the 99.9th.
func TestStallOfASecondInAMinute(t *testing.T) {
	eachVirtually(t, func(t *testing.T, name string) {
		origin := time.Now()
		server := &pipes{hold: func(uint64) time.Duration {
			if at := time.Since(origin); at >= 30*time.Second && at < 31*time.Second {
				return 31*time.Second - at
			}
			return 0
		}}
		_, s := virtually(t, t.Context(), name, &engine.Plan{Schedule: schedule.Constant(1000, time.Minute), Connections: 1500}, server)
		if s.Count(measure.OK) != 60_000 {
			t.Fatalf("%v", s.Errors)
		}
		for q, want := range map[float64]time.Duration{0.99: 400 * time.Millisecond, 0.999: 940 * time.Millisecond} {
			if got := measure.Quantile(s.Latency(measure.OK), q); got < want*98/100 || got > want*102/100 {
				t.Errorf("percentile %v: %v, want %v", q*100, got, want)
			}
		}
	})
}

// Without an answer in time a hit is a timeout, and hits that got no connection in time are never sent.
func TestTimeouts(t *testing.T) {
	eachVirtually(t, func(t *testing.T, name string) {
		server := &pipes{hold: func(uint64) time.Duration { return time.Hour }}
		report, s := virtually(t, t.Context(), name, &engine.Plan{Schedule: schedule.Constant(10, time.Second), Connections: 1,
			Timeout: 350 * time.Millisecond}, server)
		if name == "sdk" {
			// A call's time runs while it waits in the SDK's pool: each gets the connection before its time is over, and no answer.
			if s.Errors["Timeout"] != 10 {
				t.Errorf("%+v: %v", report, s.Errors)
			}
			return
		}
		// Sent at 0, 350 ms (hit 1, or the first not older than the timeout), … : one every 350 ms.
		if s.Count(measure.Timeout)+s.Count(measure.NeverSent) != 10 || s.Count(measure.Timeout) < 3 || s.Count(measure.NeverSent) < 3 ||
			s.Errors["Timeout"] != report.Sent || s.Errors["NoConnectionInTime"] != 10-report.Sent {
			t.Errorf("%+v: %v", report, s.Errors)
		}
		if s.Judged(0.01, false) != measure.Infinite {
			t.Error("a judged percentile without good answers")
		}
	})
}

func TestInterruption(t *testing.T) {
	eachVirtually(t, func(t *testing.T, name string) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(1950*time.Millisecond, cancel)
		server := &pipes{hold: func(n uint64) time.Duration {
			if n == 15 {
				return time.Hour // still under way when the grace ends
			}
			return 100 * time.Millisecond
		}}
		report, s := virtually(t, ctx, name, &engine.Plan{Schedule: schedule.Constant(10, time.Minute), Connections: 3}, server)
		if !report.Interrupted || report.Due != 20 || s.Count(measure.OK) != 19 || s.Errors["Interrupted"] != 1 {
			t.Errorf("%+v: %v", report, s.Errors)
		}
		if report.Elapsed > 1950*time.Millisecond+1100*time.Millisecond {
			t.Errorf("took %v", report.Elapsed)
		}
	})
}

// Hits that wait when the run is interrupted count as due and never sent.
func TestInterruptedBacklog(t *testing.T) {
	eachVirtually(t, func(t *testing.T, name string) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(450*time.Millisecond, cancel)
		server := &pipes{hold: func(uint64) time.Duration { return time.Hour }}
		report, s := virtually(t, ctx, name, &engine.Plan{Schedule: schedule.Constant(100, time.Minute), Connections: 1}, server)
		sent := uint64(1)
		if name == "sdk" && report.Sent == 2 {
			sent = 2 // net/http may hand the connection that the end of the run frees to a call that ends with it
		}
		if report.Due != 45 || report.Sent != sent || s.Count(measure.NeverSent) != 45-sent || s.Count(measure.ConnError) != sent || s.Errors["Interrupted"] != 45 {
			t.Errorf("%+v: %v %v", report, s.Errors, s.Count(measure.NeverSent))
		}
	})
}

func TestNoConnection(t *testing.T) {
	t.Parallel()
	p := &engine.Plan{Workload: parse(t, "name: t\nmix: [{operation: ListKeys}]\n"), Schedule: schedule.Constant(1, time.Second)}
	p.Keys = engine.NoKeys(p.Workload, 0)
	p.Target.Credentials, p.Target.Region = engine.Credentials{AccessKeyID: "test", Secret: "test"}, "us-east-1"
	p.SDK.MaxAttempts = 1
	p.Recorder = measure.NewRecorder(measure.Config{Entries: p.Workload.EntryNames()})
	failure := errors.New("no such host")
	if _, err := engine.RunVirtually(t.Context(), "native", p, func() (net.Conn, error) { return nil, failure }); !errors.Is(err, failure) {
		t.Errorf("error %v", err)
	}
}

// A connection that dies is replaced, and its hit is not sent again. (The SDK's client leaves a connection when the answer comes
// before it has seen the end of its own request, which is always so in virtual time.)
func TestReconnect(t *testing.T) {
	eachVirtually(t, func(t *testing.T, name string) {
		if name == "sdk" {
			t.Skip("the HTTP client's own affair")
		}
		var dials atomic.Uint64
		dial := func() (net.Conn, error) {
			dials.Add(1)
			client, server := net.Pipe()
			go func() { // one answer, which says nothing of closing
				in := bufio.NewReader(server)
				if r, err := http.ReadRequest(in); err == nil {
					io.Copy(io.Discard, r.Body)
					io.WriteString(server, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
				}
				if r, err := http.ReadRequest(in); err == nil {
					io.Copy(io.Discard, r.Body)
				}
				server.Close()
			}()
			return client, nil
		}
		p := &engine.Plan{Workload: parse(t, "name: t\nmix: [{operation: ListKeys}]\n"), Schedule: schedule.Constant(10, time.Second), Connections: 1}
		p.Keys = engine.NoKeys(p.Workload, 0)
		p.Target.Credentials, p.Target.Region = engine.Credentials{AccessKeyID: "test", Secret: "test"}, "us-east-1"
		p.SDK.MaxAttempts = 1
		p.Recorder = measure.NewRecorder(measure.Config{Entries: p.Workload.EntryNames()})
		report, err := engine.RunVirtually(t.Context(), name, p, dial)
		if err != nil {
			t.Fatal(err)
		}
		s := p.Recorder.Summary()
		if s.Count(measure.OK) != 5 || s.Errors["ConnectionClosed"] != 5 || dials.Load() != 5 || report.Reconnects != 4 {
			t.Errorf("%+v: %v, %d dials", report, s.Errors, dials.Load())
		}
	})
}
