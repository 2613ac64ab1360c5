package capacity

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"trent/loadgen/engine"
	"trent/loadgen/machine"
)

// Spawn says how to start a server. The program is called as `PROGRAM serve` with the flags below; it writes its
// ready file once it accepts requests, and ends on SIGTERM.
type Spawn struct {
	Program     string
	Region      string
	Credentials engine.Credentials
}

// readyFile is what the server announces.
type readyFile struct {
	Endpoint string `json:"endpoint"`
	CA       string `json:"ca"` // path of a PEM file
}

const (
	startTimeout = 30 * time.Second
	stopTimeout  = 15 * time.Second
)

// server is a running child process with a data directory of its own.
type server struct {
	command *exec.Cmd
	dir     string
	target  engine.Target
	exited  chan struct{}
	status  error // of the process; after exited
	stderr  *tail
}

func (s *server) pid() int { return s.command.Process.Pid }

// start runs a server on the given CPUs and waits until it accepts requests. The child is killed when this process
// dies, whatever the reason.
func start(ctx context.Context, o Spawn, cpus []int) (*server, error) {
	dir, err := os.MkdirTemp("", "trent-capacity-*")
	if err != nil {
		return nil, fmt.Errorf("making a data directory: %w", err)
	}
	ready := filepath.Join(dir, "ready.json")
	s := &server{dir: dir, exited: make(chan struct{}), stderr: &tail{}}
	s.command = exec.Command(o.Program, "serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0",
		"--data-dir", filepath.Join(dir, "data"), "--seal-key", filepath.Join(dir, "seal.key"), "--ready-file", ready)
	s.command.Stderr = s.stderr
	if err := machine.StartPinned(s.command, cpus); err != nil {
		return nil, errors.Join(fmt.Errorf("starting the server: %w", err), os.RemoveAll(dir))
	}
	go func() {
		s.status = s.command.Wait()
		close(s.exited)
	}()
	if err := s.await(ctx, ready, o); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

// await polls for the ready file: the server writes it once, by renaming.
func (s *server) await(ctx context.Context, path string, o Spawn) error {
	deadline := time.NewTimer(startTimeout)
	defer deadline.Stop()
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.exited:
			return fmt.Errorf("starting the server: it ended (%v): %s", s.status, s.stderr.text())
		case <-deadline.C:
			return fmt.Errorf("starting the server: not ready after %v: %s", startTimeout, s.stderr.text())
		case <-poll.C:
			data, err := os.ReadFile(path)
			if errors.Is(err, os.ErrNotExist) {
				continue
			}
			if err != nil {
				return fmt.Errorf("starting the server: %w", err)
			}
			return s.connectTo(data, o)
		}
	}
}

func (s *server) connectTo(data []byte, o Spawn) error {
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
	s.target = engine.Target{URL: ready.Endpoint, Region: o.Region, Credentials: o.Credentials, RootCAs: roots}
	return nil
}

// stop ends the server and removes its data.
func (s *server) stop() error {
	var failures []error
	if err := s.command.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		failures = append(failures, fmt.Errorf("stopping the server: %w", err))
	}
	timer := time.NewTimer(stopTimeout)
	defer timer.Stop()
	select {
	case <-s.exited:
	case <-timer.C:
		failures = append(failures, fmt.Errorf("stopping the server: it did not end within %v and was killed", stopTimeout))
		_ = s.command.Process.Kill() // it ended meanwhile, or this ends it
		<-s.exited
	}
	return errors.Join(append(failures, os.RemoveAll(s.dir))...)
}

// tail keeps the end of what a process writes.
type tail struct {
	mu   sync.Mutex
	data []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.data = append(t.data, p...)
	if excess := len(t.data) - 4096; excess > 0 {
		t.data = t.data[excess:]
	}
	return len(p), nil
}

func (t *tail) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.data))
}
