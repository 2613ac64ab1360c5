package admin_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"trent/fastpath/admin"
)

type subject struct {
	sick    atomic.Bool
	stopped atomic.Int32
}

func (s *subject) Health(context.Context) error {
	if s.sick.Load() {
		return errors.New("draining")
	}
	return nil
}
func (s *subject) WriteMetrics(w io.Writer)   { fmt.Fprintln(w, "trent_up 1") }
func (s *subject) Status(context.Context) any { return map[string]int{"pid": 42} }
func (s *subject) Stop()                      { s.stopped.Add(1) }

func get(t *testing.T, url, host string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if host != "" {
		req.Host = host
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func TestTCPReadsOnly(t *testing.T) {
	t.Parallel()
	s := &subject{}
	srv := admin.New(s)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv.ServeTCP(l)
	t.Cleanup(func() { _ = srv.Close() })
	base := "http://" + l.Addr().String()

	if code, body := get(t, base+"/healthz", ""); code != 200 || body != "ok\n" {
		t.Errorf("healthz: %d %q", code, body)
	}
	if code, body := get(t, base+"/metrics", "localhost:1"); code != 200 || !strings.Contains(body, "trent_up 1") {
		t.Errorf("metrics: %d %q", code, body)
	}
	if code, _ := get(t, base+"/metrics", "attacker.example"); code != http.StatusMisdirectedRequest {
		t.Errorf("a foreign Host got %d", code)
	}
	for _, path := range []string{"/v1/status", "/debug/pprof/"} {
		if code, _ := get(t, base+path, ""); code != http.StatusNotFound {
			t.Errorf("%s got %d over TCP", path, code)
		}
	}
	s.sick.Store(true)
	if code, body := get(t, base+"/healthz", ""); code != 503 || !strings.Contains(body, "draining") {
		t.Errorf("sick healthz: %d %q", code, body)
	}
	if s.stopped.Load() != 0 {
		t.Error("stopped over TCP")
	}
}

// shortDir is a temporary directory whose path leaves room for a socket's name (108 bytes in all).
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "trent")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func TestSocket(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	s := &subject{}
	srv := admin.New(s)
	if err := srv.ServeSocket(dir); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, admin.SocketName))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the socket's mode is %v", info.Mode())
	}
	c := admin.NewClient(dir)
	var status map[string]int
	if err := c.Status(t.Context(), &status); err != nil || status["pid"] != 42 {
		t.Errorf("status %v, %v", status, err)
	}
	if err := c.Stop(t.Context()); err != nil || s.stopped.Load() != 1 {
		t.Errorf("stop: %v, %d times", err, s.stopped.Load())
	}
	if err := admin.New(s).ServeSocket(dir); err == nil {
		t.Error("a second server took the socket of a live one")
	}
	if err := srv.Close(); err != nil {
		t.Fatal(err)
	}
	if err := c.Status(t.Context(), &status); err == nil {
		t.Error("a closed server answered")
	}
}

func TestDeadSocketIsReplaced(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, admin.SocketName), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	_ = l.Close()
	srv := admin.New(&subject{})
	if err := srv.ServeSocket(dir); err != nil {
		t.Fatal(err)
	}
	_ = srv.Close()
}
