package engine_test

import (
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"trent/loadgen/engine"
	"trent/loadgen/measure"
	"trent/loadgen/schedule"
)

// counted is a fakeKMS that counts connections.
func counted(t *testing.T) (f *fakeKMS, connections *atomic.Int64) {
	t.Helper()
	connections = new(atomic.Int64)
	f = &fakeKMS{calls: map[string]int{}, deleted: map[string]int{}}
	f.Server = httptest.NewUnstartedServer(f)
	f.Config.ErrorLog = log.New(io.Discard, "", 0)
	f.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			connections.Add(1)
		}
	}
	f.StartTLS()
	t.Cleanup(f.Close)
	return f, connections
}

func TestConnectionsByPlan(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		connect engine.Connect
		want    func(r engine.Report, connections int64) bool
		without string // the engine that refuses
	}{
		{"kept", engine.Connect{}, func(r engine.Report, n int64) bool {
			// The SDK's client leaves connections whose answers come before it has looked for the end of its own request.
			return r.Opening.Made == 4 && r.Opening.TLS.TotalCount() == 4 && (n == 4 && r.Handshakes.Made == 0 || r.Engine == "sdk")
		}, ""},
		{"one for each request", engine.Connect{Requests: 1}, func(r engine.Report, n int64) bool {
			return n == 60 && r.Handshakes.Made == 60 && r.Handshakes.Resumed == 0 && r.Connections == 0 && r.Handshakes.Dial.TotalCount() == 60
		}, ""},
		{"one for seven requests", engine.Connect{Requests: 7}, func(r engine.Report, n int64) bool { return n >= 8 && n <= 20 }, "sdk"},
		{"resumed", engine.Connect{Requests: 1, Resume: true}, func(r engine.Report, n int64) bool {
			return r.Handshakes.Made == 60 && r.Handshakes.Resumed >= 50
		}, ""},
		{"resumed over TLS 1.2", engine.Connect{Requests: 1, Resume: true, Version: tls.VersionTLS12}, func(r engine.Report, n int64) bool {
			return r.Handshakes.Resumed >= 50 && r.Handshakes.Kinds["TLS 1.2, X25519"] >= 50
		}, ""},
		{"hybrid", engine.Connect{Requests: 1, Curves: engine.CurvesHybrid}, func(r engine.Report, n int64) bool {
			return cmp.Equal(r.Handshakes.Kinds, map[string]uint64{"TLS 1.3, X25519MLKEM768": 60})
		}, ""},
		{"classical", engine.Connect{Curves: engine.CurvesClassical}, func(r engine.Report, n int64) bool {
			return cmp.Equal(r.Opening.Kinds, map[string]uint64{"TLS 1.3, X25519": 4})
		}, ""},
		{"handshakes only", engine.Connect{HandshakeOnly: true}, func(r engine.Report, n int64) bool {
			return n == 60 && r.Handshakes.Made == 60 && r.Sent == 60
		}, "sdk"},
		{"late", engine.Connect{Late: true}, func(r engine.Report, n int64) bool {
			return r.Opening.Made == 0 && n >= 1 && (n <= 4 || r.Engine == "sdk")
		}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			eachEngine(t, func(t *testing.T, e engine.Engine) {
				f, connections := counted(t)
				w := parse(t, "name: t\nmix: [{operation: ListKeys}]\n")
				p := &engine.Plan{Target: f.target(), Workload: w, Keys: engine.NoKeys(w, 0), Connections: 4, Connect: c.connect,
					Timeout:  time.Minute, // a busy machine shakes hands slowly
					Schedule: schedule.Constant(400, 150*time.Millisecond), Recorder: measure.NewRecorder(measure.Config{Entries: w.EntryNames()})}
				if e.Name() == c.without {
					if _, err := e.Run(t.Context(), p); err == nil || !strings.Contains(err.Error(), "native") {
						t.Errorf("error %v", err)
					}
					return
				}
				report, s := run(t, e, p)
				if s.Count(measure.OK) != 60 || !c.want(report, connections.Load()) {
					t.Errorf("%d OK %v, %d connections, opening %+v, during %+v", s.Count(measure.OK), s.Errors, connections.Load(), report.Opening, report.Handshakes)
				}
				if c.connect.HandshakeOnly && f.requests.Load() > 0 {
					t.Errorf("%d requests", f.requests.Load())
				}
			})
		})
	}
}

// Connections end at seeded ages between half of the lifetime and the whole, and not together; the first ones are younger still.
func TestConnectionLifetime(t *testing.T) {
	for _, name := range []string{"native", "vegeta"} {
		synctest.Test(t, func(t *testing.T) {
			run := func(seed uint64) uint64 {
				server := &pipes{hold: func(uint64) time.Duration { return time.Millisecond }}
				report, s := virtually(t, t.Context(), name, &engine.Plan{Schedule: schedule.Constant(200, 30*time.Second), Connections: 10, Seed: seed,
					Connect: engine.Connect{Lifetime: 2 * time.Second}}, server)
				if s.Count(measure.OK) != 6000 {
					t.Errorf("%v", s.Errors)
				}
				for second, made := range perSecond(s) {
					if made != 200 {
						t.Errorf("second %d: %d answers", second, made)
					}
				}
				return report.Handshakes.Made
			}
			// Ten connections of 1.5 s on average, used every 50 ms, for 30 s.
			first := run(1)
			if first < 170 || first > 230 {
				t.Errorf("%s: %d connections made", name, first)
			}
			if again := run(1); again != first && name == "native" {
				t.Errorf("%s: one seed, %d and %d connections", name, first, again)
			}
		})
	}
}

func perSecond(s *measure.Summary) []uint64 {
	var out []uint64
	for _, b := range s.Blocks() {
		if b.Asked() > 0 {
			out = append(out, b.Asked())
		}
	}
	return out
}

// A planned handshake is part of the latency and the wait of its hit, and no lag of the client.
func TestHandshakeCountsAsLatency(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, e engine.Engine) {
		h := newHostile(t, func(h *hostile, raw net.Conn) {
			h.sleep(80 * time.Millisecond) // before the handshake
			answering(func(_ *hostile, s *tls.Conn, _ uint64) bool {
				_, err := io.WriteString(s, good)
				return err == nil
			})(h, raw)
		})
		w := parse(t, "name: t\nmix: [{operation: ListKeys}]\n")
		report, s := run(t, e, &engine.Plan{Target: h.target(t), Workload: w, Keys: engine.NoKeys(w, 0), Connections: 20, Connect: engine.Connect{Requests: 1},
			Schedule: schedule.Constant(50, 400*time.Millisecond), SDK: engine.SDKOptions{MaxAttempts: 1}})
		low := func(what string, got, least time.Duration) {
			if got < least {
				t.Errorf("%s %v, at least %v", what, got, least)
			}
		}
		low("latency", measure.Quantile(s.Latency(measure.OK), 0.05), 79*time.Millisecond)
		low("wait", measure.Quantile(s.WaitLag(), 0.05), 79*time.Millisecond)
		low("handshake", measure.Quantile(report.Handshakes.TLS, 0.5), 50*time.Millisecond) // the server's time runs from accepting
		if lag := measure.Quantile(s.ClientLag(), 0.5); lag > 50*time.Millisecond {
			t.Errorf("median client lag %v", lag)
		}
	})
}

// A storm: all hits are due at once, each makes its connection, and the last answer says when all are served.
func TestColdStart(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, e engine.Engine) {
		f, connections := counted(t)
		w := parse(t, "name: t\nmix: [{operation: ListKeys}]\n")
		report, s := run(t, e, &engine.Plan{Target: f.target(), Workload: w, Keys: engine.NoKeys(w, 0), Connections: 40, Connect: engine.Connect{Late: true},
			Schedule: engine.NewColdStart(40)})
		if s.Count(measure.OK) != 40 || report.Due != 40 || report.Opening.Made != 0 || report.Handshakes.Made < 1 || connections.Load() > 40 {
			t.Errorf("%v, %d connections, %+v", s.Errors, connections.Load(), report)
		}
		if e.Name() == "native" && report.Handshakes.Made != 40 {
			t.Errorf("%d connections", report.Handshakes.Made)
		}
		for _, b := range s.Blocks() {
			if b.Start > 0 && b.Asked() > 0 {
				t.Errorf("hits due at %v", b.Start)
			}
		}
	})
}

func TestConnectRefusals(t *testing.T) {
	t.Parallel()
	for _, c := range []engine.Connect{
		{Lifetime: -1}, {Requests: -1}, {Curves: "elliptic"}, {Version: tls.VersionTLS11}, {Curves: engine.CurvesHybrid, Version: tls.VersionTLS12},
	} {
		if c.Validate() == nil {
			t.Errorf("%+v was taken", c)
		}
	}
	if err := (&engine.Connect{Curves: engine.CurvesHybrid, Version: tls.VersionTLS13}).Validate(); err != nil {
		t.Error(err)
	}
}
