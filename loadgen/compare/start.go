package compare

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"syscall"
	"time"

	"trent/loadgen/attack"
	"trent/loadgen/engine"
	"trent/loadgen/machine"
	"trent/loadgen/spawn"
	"trent/results"
)

// running is a side that answers.
type running struct {
	Subject
	side    string // "A" or "B"
	keys    *engine.Provisioned
	top     float64 // good answers a second while more was offered
	command []string
	stop    func() error // nil for an endpoint
	exited  <-chan struct{}
	log     func() string
}

// start starts both sides; a floor is started later, when its answers' sizes are known.
func (r *run) start(ctx context.Context) error {
	for i, s := range []Subject{r.A, r.B} {
		side := &running{Subject: s, side: string(rune('A' + i))}
		r.sides[i] = side
		var err error
		switch s.Kind {
		case results.TrentSubject:
			err = r.startTrent(ctx, side)
		case results.ProgramSubject:
			err = r.startProgram(ctx, side)
		}
		if err != nil {
			return fmt.Errorf("starting %s: %w", s.Name, err)
		}
	}
	return nil
}

func (r *run) pinnedTo() []int {
	if !r.pinned {
		return nil
	}
	return r.server
}

func (r *run) startTrent(ctx context.Context, side *running) error {
	r.Display.Phase("starting %s on CPU %s", side.Name, machine.FormatCPUList(r.server))
	o := side.Spawn
	o.CPUs = r.pinnedTo()
	server, err := spawn.Start(ctx, o)
	if err != nil {
		return err
	}
	side.Target, side.PID = server.Target(), server.PID()
	side.command = append([]string{o.Program, "serve"}, o.Args...)
	side.stop, side.exited, side.log = server.Stop, server.Exited(), server.Log
	return nil
}

// startProgram starts another server and waits until its address accepts connections.
func (r *run) startProgram(ctx context.Context, side *running) error {
	u, err := url.Parse(side.Target.URL)
	if err != nil || u.Host == "" {
		return fmt.Errorf("%q is no URL", side.Target.URL)
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"https": "443"}[u.Scheme]
	}
	if port == "" {
		port = "80"
	}
	address := net.JoinHostPort(u.Hostname(), port)
	if c, err := net.DialTimeout("tcp", address, time.Second); err == nil {
		c.Close()
		return fmt.Errorf("something answers at %s already; stop it, or compare it without starting it", address)
	}
	r.Display.Phase("starting %s on CPU %s", side.Name, machine.FormatCPUList(r.server))
	child, err := startChild(side.Start, r.pinnedTo())
	if err != nil {
		return err
	}
	side.PID, side.command = child.command.Process.Pid, side.Start.words()
	side.stop, side.exited, side.log = child.end, child.exited, child.stderr.Text
	return child.await(ctx, func() bool {
		c, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

// stop releases keys and ends what was started.
func (r *run) stop(ctx context.Context) error {
	var failures []error
	for _, s := range r.sides {
		if s == nil {
			continue
		}
		if s.keys != nil && s.Kind != results.FloorSubject {
			if err := attack.Release(ctx, s.keys); err != nil && !s.starts() {
				failures = append(failures, fmt.Errorf("%s: %w", s.Name, err))
			}
		}
		if s.stop != nil {
			if err := s.stop(); err != nil {
				failures = append(failures, fmt.Errorf("%s: %w", s.Name, err))
			}
		}
	}
	return errors.Join(failures...)
}

// Bounds of waiting for a side to have nothing to do: a server that made keys may go on making some ahead.
const (
	restEvery = 250 * time.Millisecond
	restBusy  = 0.02 // of a CPU
	restLimit = 60 * time.Second
)

// rest waits until both sides are idle, as far as their processes are known.
func (r *run) rest(ctx context.Context) error {
	for _, side := range r.sides {
		if side.PID == 0 || side.PID == os.Getpid() {
			continue
		}
		tree := machine.NewTree(r.host, side.PID)
		before, err := tree.CPU()
		for waited := time.Duration(0); err == nil && waited < restLimit; waited += restEvery {
			if err := sleep(ctx, restEvery); err != nil {
				return err
			}
			now, failed := tree.CPU()
			if failed != nil || float64(now-before) < restBusy*float64(restEvery) {
				break
			}
			if waited == 0 {
				r.Display.Phase("waiting for %s to have nothing to do", side.Name)
			}
			before = now
		}
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// died tells that a side which this run started has ended by itself.
func (s *running) died() error {
	if s.exited == nil {
		return nil
	}
	select {
	case <-s.exited:
		return fmt.Errorf("%s ended by itself: %s", s.Name, s.log())
	default:
		return nil
	}
}

const (
	startTimeout = 60 * time.Second // an interpreter with many modules takes its time
	stopTimeout  = 10 * time.Second
)

// child is a process that this run started. It owns a goroutine that waits for the process.
type child struct {
	command *exec.Cmd
	exited  chan struct{}
	stderr  *spawn.Tail
}

func startChild(c Command, cpus []int) (*child, error) {
	k := &child{command: exec.Command(c.Path, c.Args...), exited: make(chan struct{}), stderr: &spawn.Tail{}}
	k.command.Stdout, k.command.Stderr = k.stderr, k.stderr
	k.command.WaitDelay = time.Second // its own children may keep the pipe open
	if len(c.Env) > 0 {
		k.command.Env = append(os.Environ(), c.Env...)
	}
	if err := machine.StartPinned(k.command, cpus); err != nil {
		return nil, err
	}
	go func() {
		_ = k.command.Wait() // how it ended shows in what it wrote
		close(k.exited)
	}()
	return k, nil
}

// await waits until ready says yes; on an error the child has ended.
func (k *child) await(ctx context.Context, ready func() bool) error {
	deadline := time.NewTimer(startTimeout)
	defer deadline.Stop()
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			err = ctx.Err()
		case <-k.exited:
			return fmt.Errorf("it ended: %s", k.stderr.Text())
		case <-deadline.C:
			err = fmt.Errorf("not ready after %v: %s", startTimeout, k.stderr.Text())
		case <-poll.C:
			if ready() {
				return nil
			}
			continue
		}
		return errors.Join(err, k.end())
	}
}

// end asks the process to end, and kills it if it does not.
func (k *child) end() error {
	_ = k.command.Process.Signal(syscall.SIGTERM) // it has ended already, or will
	timer := time.NewTimer(stopTimeout)
	defer timer.Stop()
	select {
	case <-k.exited:
	case <-timer.C:
		_ = k.command.Process.Kill()
		<-k.exited
	}
	return nil
}
