// Package admin is how the running server is looked at and told what to do, apart from the API.
//
// Two doors: a TCP listener that only reads (health and metrics), and a Unix socket in the data directory
// for everything that changes something. The socket is 0600 and checks the peer's user. Neither can name
// key material. Both are net/http, since neither is on the request path. The goroutines of both belong to
// the Server and end with Close.
package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Subject is the server that is administered.
type Subject interface {
	// Health is nil while requests are served, else why not.
	Health(ctx context.Context) error
	// WriteMetrics writes Prometheus text.
	WriteMetrics(w io.Writer)
	// Status is what `trent status` shows; it is encoded as JSON.
	Status(ctx context.Context) any
	// Stop asks for an orderly end, as SIGTERM does. It returns at once.
	Stop()
}

// SocketName is the Unix socket's name in the data directory.
const SocketName = "admin.sock"

// Server serves both doors.
type Server struct {
	subject Subject
	clock   Clock // nil: none
	servers []*http.Server
	wg      sync.WaitGroup
	socket  string
}

// New makes a server without listeners.
func New(s Subject) *Server { return &Server{subject: s} }

// ServeTCP serves /healthz and /metrics on l. Requests whose Host is neither an address nor localhost are
// refused, so that a web page cannot reach it through a name of its own (DNS rebinding).
func (s *Server) ServeTCP(l net.Listener) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", s.health)
	mux.HandleFunc("GET /metrics", s.metrics)
	s.serve(l, hostCheck(mux))
}

// ServeSocket serves the administration socket in dir. A socket left by a dead process is replaced; a
// live one is an error, and so is a path too long for the operating system.
func (s *Server) ServeSocket(dir string) error {
	path := filepath.Join(dir, SocketName)
	if c, err := net.Dial("unix", path); err == nil {
		_ = c.Close()
		return fmt.Errorf("administration socket %s: another server answers on it", path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("administration socket: %w", err)
	}
	l, err := listenPrivate(path)
	if err != nil {
		return fmt.Errorf("administration socket: %w", err)
	}
	s.socket = path
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", s.health)
	mux.HandleFunc("GET /metrics", s.metrics)
	mux.HandleFunc("GET /v1/status", s.status)
	mux.HandleFunc("POST /v1/stop", s.stop)
	mux.HandleFunc("GET /v1/clock", s.readClock)
	mux.HandleFunc("POST /v1/clock", s.moveClock)
	mux.HandleFunc("POST /v1/commands/{name}", s.command)
	s.serve(peerListener{l}, mux)
	return nil
}

func (s *Server) serve(l net.Listener, h http.Handler) {
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10}
	s.servers = append(s.servers, srv)
	s.wg.Go(func() { _ = srv.Serve(l) })
}

// Close ends both doors.
func (s *Server) Close() error {
	var errs []error
	for _, srv := range s.servers {
		errs = append(errs, srv.Close())
	}
	s.wg.Wait()
	if s.socket != "" {
		if err := os.Remove(s.socket); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (s *Server) health(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if err := s.subject.Health(r.Context()); err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintf(w, "not serving: %v\n", err)
		return
	}
	fmt.Fprintln(w, "ok")
}

func (s *Server) metrics(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	s.subject.WriteMetrics(w)
}

func (s *Server) status(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	_ = enc.Encode(s.subject.Status(r.Context()))
}

func (s *Server) stop(w http.ResponseWriter, _ *http.Request) {
	// The whole answer goes out before the server, this door included, begins to end.
	const answer = "stopping\n"
	w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
	w.WriteHeader(http.StatusAccepted)
	_, _ = io.WriteString(w, answer)
	_ = http.NewResponseController(w).Flush()
	s.subject.Stop()
}

// hostCheck refuses Host headers that are names other than localhost.
func hostCheck(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		host = strings.Trim(host, "[]")
		if _, err := netip.ParseAddr(host); err != nil && host != "localhost" {
			http.Error(w, "this listener answers to addresses and localhost only", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}
