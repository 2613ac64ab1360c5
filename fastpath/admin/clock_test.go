package admin_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trent/fastpath/admin"
)

// clock is a test clock that never waits.
type clock struct {
	now time.Time
	err error
}

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func (c *clock) ReadClock() admin.ClockReading {
	return admin.ClockReading{Now: c.now, Ahead: c.now.Sub(start)}
}

func (c *clock) AdvanceClock(_ context.Context, by time.Duration) error {
	if c.err == nil {
		c.now = c.now.Add(by)
	}
	return c.err
}

func (c *clock) AdvanceClockTo(_ context.Context, to time.Time) error {
	if c.err == nil {
		c.now = to
	}
	return c.err
}

// serveSocket serves a socket and returns its directory.
func serveSocket(t *testing.T, c admin.Clock) string {
	t.Helper()
	dir := shortDir(t)
	s := admin.New(&subject{})
	if c != nil {
		s.WithClock(c)
	}
	if err := s.ServeSocket(dir); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return dir
}

// overSocket is an HTTP client of a socket.
func overSocket(dir string) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", filepath.Join(dir, admin.SocketName))
		},
	}}
}

func TestClock(t *testing.T) {
	t.Parallel()
	c := &clock{now: start}
	client := admin.NewClient(serveSocket(t, c))
	ctx := t.Context()
	if r, err := client.Clock(ctx); err != nil || r.Now != start || r.Ahead != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	if r, err := client.AdvanceClock(ctx, 36*time.Hour); err != nil || r.Now != start.Add(36*time.Hour) || r.Ahead != 36*time.Hour {
		t.Errorf("%+v, %v", r, err)
	}
	if r, err := client.AdvanceClockTo(ctx, start.AddDate(1, 0, 0)); err != nil || r.Now != start.AddDate(1, 0, 0) {
		t.Errorf("%+v, %v", r, err)
	}
	c.err = errors.New("not today")
	if _, err := client.AdvanceClock(ctx, time.Hour); err == nil || !strings.Contains(err.Error(), "not today") {
		t.Error(err)
	}
}

func TestNoClock(t *testing.T) {
	t.Parallel()
	client := admin.NewClient(serveSocket(t, nil))
	if _, err := client.Clock(t.Context()); !errors.Is(err, admin.ErrNoTestClock) {
		t.Error(err)
	}
	if _, err := client.AdvanceClock(t.Context(), time.Hour); !errors.Is(err, admin.ErrNoTestClock) {
		t.Error(err)
	}
	if _, err := client.AdvanceClockTo(t.Context(), start); !errors.Is(err, admin.ErrNoTestClock) {
		t.Error(err)
	}
}

func TestClockRefusesNonsense(t *testing.T) {
	t.Parallel()
	c := &clock{now: start}
	dir := serveSocket(t, c)
	for _, body := range []string{"", "90d", `{"advance":"90d"}`, `{"advanceNanoseconds":"x"}`, `{"advanceNanoseconds":1e99}`, `{"advanceNanoseconds":` + strings.Repeat(" ", 2000) + `1}`} {
		resp, err := overSocket(dir).Post("http://localhost/v1/clock", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusBadRequest || c.now != start {
			t.Errorf("%q: %d, clock %v", body, resp.StatusCode, c.now)
		}
	}
}
