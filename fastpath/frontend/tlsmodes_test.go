package frontend_test

import (
	"bufio"
	"crypto/fips140"
	"crypto/tls"
	"sync/atomic"
	"testing"
	"time"

	"trent/fastpath/frontend"
)

// TestPQModes: what each way lets in, one key exchange at a time.
func TestPQModes(t *testing.T) {
	t.Parallel()
	ca := openCA(t)
	hybrid := []tls.CurveID{tls.X25519MLKEM768, tls.SecP256r1MLKEM768, tls.SecP384r1MLKEM1024}
	classical := []tls.CurveID{tls.CurveP256, tls.CurveP384, tls.CurveP521}
	if !fips140.Enabled() { // where X25519 is not approved but in hybrids
		classical = append(classical, tls.X25519)
	}
	for mode, want := range map[frontend.PQ]struct{ hybrid, classical, old bool }{
		frontend.PQPrefer: {true, true, true}, frontend.PQRequire: {true, false, false}, frontend.PQOff: {false, true, true},
	} {
		_, address := start(t, frontend.Options{TLS: frontend.NewTLS(ca, frontend.TLSOptions{PQ: mode})}, echo)
		try := func(name string, version uint16, group tls.CurveID, want bool) {
			c, err := tls.Dial("tcp", address, &tls.Config{RootCAs: ca.Pool(), MaxVersion: version, CurvePreferences: []tls.CurveID{group}})
			if err == nil {
				_ = c.Close()
			}
			if (err == nil) != want {
				t.Errorf("%v, %s, %v: accepted %v", mode, name, group, err == nil)
			}
		}
		for _, g := range hybrid {
			try("hybrid", tls.VersionTLS13, g, want.hybrid)
		}
		for _, g := range classical {
			try("classical", tls.VersionTLS13, g, want.classical)
			try("TLS 1.2", tls.VersionTLS12, g, want.old)
		}
	}
}

// TestTicketRotation: a ticket opens until its key has been replaced twice, and resumed handshakes are counted.
func TestTicketRotation(t *testing.T) {
	t.Parallel()
	ca := openCA(t)
	var ahead atomic.Int64
	o := frontend.TLSOptions{TicketRotation: time.Hour, Clock: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }}
	s, address := start(t, frontend.Options{TLS: frontend.NewTLS(ca, o)}, echo)
	kept := &oneSession{}
	resumes := func() bool {
		c, err := tls.Dial("tcp", address, &tls.Config{RootCAs: ca.Pool(), ClientSessionCache: kept})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		write(t, c, post("{}"))
		answers(t, bufio.NewReader(c), 1) // and reads the ticket
		return c.ConnectionState().DidResume
	}
	if resumes() {
		t.Error("the first handshake resumed")
	}
	for _, step := range []struct {
		after time.Duration
		want  bool
	}{{0, true}, {61 * time.Minute, true}, {119 * time.Minute, true}, {122 * time.Minute, false}} {
		ahead.Store(int64(step.after))
		if got := resumes(); got != step.want {
			t.Errorf("after %v: resumed %v", step.after, got)
		}
	}
	if n := s.Stats().Resumed; n != 3 {
		t.Errorf("%d resumed handshakes counted, want 3", n)
	}
}

// TestTicketAfterAPause: periods in which nobody shook hands count too.
func TestTicketAfterAPause(t *testing.T) {
	t.Parallel()
	ca := openCA(t)
	var ahead atomic.Int64
	o := frontend.TLSOptions{TicketRotation: time.Hour, Clock: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }}
	for _, tt := range []struct {
		rotation, pause time.Duration
		want            bool
	}{{time.Hour, 90 * time.Minute, true}, {time.Hour, 3 * time.Hour, false}, {-1, 0, false}} {
		ahead.Store(0)
		o.TicketRotation = tt.rotation
		_, address := start(t, frontend.Options{TLS: frontend.NewTLS(ca, o)}, echo)
		config := &tls.Config{RootCAs: ca.Pool(), ServerName: "localhost", ClientSessionCache: tls.NewLRUClientSessionCache(1)}
		for n := range 2 {
			c := dialTLS(t, address, config)
			write(t, c, post("{}"))
			answers(t, bufio.NewReader(c), 1)
			if resumed := c.ConnectionState().DidResume; resumed != (n == 1 && tt.want) {
				t.Errorf("%+v, connection %d: resumed %v", tt, n, resumed)
			}
			_ = c.Close()
			ahead.Store(int64(tt.pause))
		}
	}
}

// oneSession keeps the first session.
type oneSession struct{ s *tls.ClientSessionState }

func (o *oneSession) Get(string) (*tls.ClientSessionState, bool) { return o.s, o.s != nil }

func (o *oneSession) Put(_ string, s *tls.ClientSessionState) {
	if o.s == nil {
		o.s = s
	}
}
