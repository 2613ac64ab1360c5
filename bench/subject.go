package bench

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"trent/loadgen/engine"
	"trent/loadgen/machine"
)

// Environment variables by which trentbench starts itself as a child.
const (
	ChildVariable = "TRENT_BENCH_CHILD" // "floor" or "hsm"
	ReadyVariable = "TRENT_BENCH_READY" // file for the child's ready record
	SizeVariable  = "TRENT_BENCH_SIZE"  // floor: bytes of a reply
)

// Ready is what a server writes once it accepts requests.
type Ready struct {
	Endpoint string `json:"endpoint"`
	CA       string `json:"ca"` // PEM file
	Metrics  string `json:"metrics,omitempty"`
	PID      int    `json:"pid"`
}

// subject is a server under measurement, in a process of its own.
type subject struct {
	name    string
	cmd     *exec.Cmd
	ready   Ready
	target  engine.Target
	startup time.Duration // from exec to the ready record
}

// startTrent starts bin/trent on a data directory, pinned to cpus.
func startTrent(ctx context.Context, binary, dir string, cpus []int, flags ...string) (*subject, error) {
	readyFile := filepath.Join(dir, "ready.json")
	_ = os.Remove(readyFile)
	args := append([]string{"serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0",
		"--data-dir", filepath.Join(dir, "data"), "--seal-key", filepath.Join(dir, "seal.key"), "--ready-file", readyFile}, flags...)
	return start(ctx, "trent", exec.Command(binary, args...), readyFile, cpus)
}

// startFloor starts the echo floor, pinned to cpus, with answers of size bytes.
func startFloor(ctx context.Context, dir string, cpus []int, size int) (*subject, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	readyFile := filepath.Join(dir, "floor-"+strconv.Itoa(size)+".json")
	_ = os.Remove(readyFile)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), ChildVariable+"=floor", ReadyVariable+"="+readyFile, SizeVariable+"="+strconv.Itoa(size))
	return start(ctx, "floor", cmd, readyFile, cpus)
}

func start(ctx context.Context, name string, cmd *exec.Cmd, readyFile string, cpus []int) (*subject, error) {
	cmd.Stderr = os.Stderr
	begun := time.Now()
	if err := machine.StartPinned(cmd, cpus); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	s := &subject{name: name, cmd: cmd}
	for deadline := begun.Add(60 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		b, err := os.ReadFile(readyFile)
		if err == nil && json.Unmarshal(b, &s.ready) == nil {
			break
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			s.stop()
			return nil, fmt.Errorf("%s did not become ready", name)
		}
	}
	s.startup = time.Since(begun)
	pem, err := os.ReadFile(s.ready.CA)
	if err != nil {
		s.stop()
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		s.stop()
		return nil, errors.New("no certificate in " + s.ready.CA)
	}
	s.target = engine.Target{
		URL: s.ready.Endpoint, Region: "us-east-1", RootCAs: pool,
		Credentials: engine.Credentials{AccessKeyID: "test", Secret: "test"},
	}
	return s, nil
}

// stop ends the server in order, or kills it after 15 s.
func (s *subject) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	done := make(chan struct{})
	go func() { _ = s.cmd.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(15 * time.Second):
		_ = s.cmd.Process.Kill()
		<-done
	}
}

// cpu is the CPU time that the server's process has used.
func (s *subject) cpu() (time.Duration, error) {
	return machine.NewTree(machine.Host{}, s.cmd.Process.Pid).CPU()
}
