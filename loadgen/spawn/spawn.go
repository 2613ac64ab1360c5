// Package spawn runs the emulator as a child process of the harness, on CPUs and with a data directory of its own.
//
// A run that starts its server knows its process tree, may restart or kill it, and leaves nothing behind. How the
// server works is none of its business: it calls a program by a small contract (see Options) and talks to it over
// the API. It never touches a process that it did not start.
//
// A Server owns one goroutine, which waits for the process. Its methods are safe for concurrent use, except that Start,
// Restart and Stop must not overlap.
package spawn

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"trent/loadgen/engine"
	"trent/loadgen/machine"
)

// Options say how to start a server. The program is called as `PROGRAM serve` with flags; it writes its ready file
// once it accepts requests, and ends on SIGTERM.
type Options struct {
	Program     string
	Region      string
	Credentials engine.Credentials
	CPUs        []int    // that the process may use; empty: those of this process
	Dir         string   // data directory and files of the server, kept by Stop; "": a temporary one, removed by Stop
	Args        []string // further flags of serve
	Env         []string // further variables, NAME=value
}

// readyFile is what the server announces.
type readyFile struct {
	Endpoint string `json:"endpoint"`
	CA       string `json:"ca"` // path of a PEM file
	Metrics  string `json:"metrics"`
}

const (
	startTimeout = 30 * time.Second
	stopTimeout  = 15 * time.Second
)

// Server is a child process.
type Server struct {
	options   Options
	dir       string
	temporary bool

	mu      sync.Mutex // guards what Restart replaces
	command *exec.Cmd
	exited  chan struct{}
	status  error // of the process; after exited
	target  engine.Target
	metrics string
	stderr  *Tail
}

// Start runs a server and waits until it accepts requests. The child is killed when this process dies, whatever the
// reason. Errors: the program cannot be run, it ended or was not ready in 30 s (with the end of what it wrote), ctx's.
func Start(ctx context.Context, o Options) (*Server, error) {
	s := &Server{options: o, dir: o.Dir}
	if s.dir == "" {
		dir, err := os.MkdirTemp("", "trent-server-*")
		if err != nil {
			return nil, fmt.Errorf("making a data directory: %w", err)
		}
		s.dir, s.temporary = dir, true
	} else if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, fmt.Errorf("making a data directory: %w", err)
	}
	if err := s.launch(ctx); err != nil {
		return nil, errors.Join(err, s.clear())
	}
	return s, nil
}

// launch starts the process; where that fails, none is left.
func (s *Server) launch(ctx context.Context) error {
	o := s.options
	ready := filepath.Join(s.dir, "ready.json")
	if err := os.Remove(ready); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("starting the server: %w", err)
	}
	command := exec.Command(o.Program, append([]string{"serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0",
		"--data-dir", s.DataDir(), "--seal-key", filepath.Join(s.dir, "seal.key"), "--ready-file", ready}, o.Args...)...)
	stderr, exited := &Tail{}, make(chan struct{})
	command.Stderr = stderr
	// A run's server keeps no records unless it is told to: minutes at full rate would fill gigabytes. The variable, not a
	// flag, since programs that are compared may be older.
	command.Env = append(append([]string{"TRENT_AUDIT=off"}, os.Environ()...), o.Env...)
	if err := machine.StartPinned(command, o.CPUs); err != nil {
		return fmt.Errorf("starting the server: %w", err)
	}
	s.mu.Lock()
	s.command, s.stderr, s.exited, s.status = command, stderr, exited, nil
	s.mu.Unlock()
	go func() {
		status := command.Wait()
		s.mu.Lock()
		s.status = status
		s.mu.Unlock()
		close(exited)
	}()
	if err := s.await(ctx, ready); err != nil {
		return errors.Join(err, s.end())
	}
	return nil
}

// await polls for the ready file: the server writes it once, by renaming.
func (s *Server) await(ctx context.Context, path string) error {
	deadline := time.NewTimer(startTimeout)
	defer deadline.Stop()
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.Exited():
			return fmt.Errorf("starting the server: it ended (%v): %s", s.Status(), s.stderr.Text())
		case <-deadline.C:
			return fmt.Errorf("starting the server: not ready after %v: %s", startTimeout, s.stderr.Text())
		case <-poll.C:
			data, err := os.ReadFile(path)
			if errors.Is(err, os.ErrNotExist) {
				continue
			}
			if err != nil {
				return fmt.Errorf("starting the server: %w", err)
			}
			return s.read(data)
		}
	}
}

// read takes the server's announcement.
func (s *Server) read(data []byte) error {
	var ready readyFile
	if err := json.Unmarshal(data, &ready); err != nil {
		return fmt.Errorf("reading the server's ready file: %w", err)
	}
	pem, err := os.ReadFile(ready.CA)
	if err != nil {
		return fmt.Errorf("reading the server's CA: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return fmt.Errorf("reading the server's CA: no certificate in %s", ready.CA)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.target = engine.Target{URL: ready.Endpoint, Region: s.options.Region, Credentials: s.options.Credentials, RootCAs: roots}
	s.metrics = ready.Metrics
	return nil
}

// Target is where the server answers; it changes with each Restart.
func (s *Server) Target() engine.Target {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.target
}

// DataDir is the server's data directory.
func (s *Server) DataDir() string { return filepath.Join(s.dir, "data") }

// Metrics is the URL of the server's metrics, "" if it has none.
func (s *Server) Metrics() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.metrics
}

// PID is the process's number.
func (s *Server) PID() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.command.Process.Pid
}

// Exited is closed once the present process has ended.
func (s *Server) Exited() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.exited
}

// Status is how the process ended; nil while it runs.
func (s *Server) Status() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}

// Log is the end of what the process wrote to its standard error.
func (s *Server) Log() string { return s.stderr.Text() }

// Signal sends a signal to the process, for example SIGKILL or SIGSTOP. Error: it has ended.
func (s *Server) Signal(signal os.Signal) error {
	s.mu.Lock()
	process := s.command.Process
	s.mu.Unlock()
	return process.Signal(signal)
}

// Restart starts the server again on its data once the process has ended; it asks one that still runs to end.
func (s *Server) Restart(ctx context.Context) error {
	if err := s.end(); err != nil {
		return err
	}
	return s.launch(ctx)
}

// Stop ends the server, and removes its data if they were temporary.
func (s *Server) Stop() error { return errors.Join(s.end(), s.clear()) }

// end asks the process to end, and kills it if it does not.
func (s *Server) end() error {
	exited := s.Exited()
	var failures []error
	if err := s.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		failures = append(failures, fmt.Errorf("stopping the server: %w", err))
	}
	timer := time.NewTimer(stopTimeout)
	defer timer.Stop()
	select {
	case <-exited:
	case <-timer.C:
		failures = append(failures, fmt.Errorf("stopping the server: it did not end within %v and was killed", stopTimeout))
		_ = s.Signal(syscall.SIGKILL) // it ended meanwhile, or this ends it
		<-exited
	}
	return errors.Join(failures...)
}

func (s *Server) clear() error {
	if !s.temporary {
		return nil
	}
	return os.RemoveAll(s.dir)
}
