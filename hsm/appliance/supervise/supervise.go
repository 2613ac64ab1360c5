// Package supervise runs appliances as children of a service host, over Unix sockets in its data directory: it starts
// them, starts again what crashed, and leaves none behind.
//
// Each child has a state directory of its own, DIR/1 to DIR/n, with its sealed identity, its console and its socket for
// hosts. A child is ready when its console answers and Options.Ready, which brings it the newest domain token, is done;
// that is so again after each restart. A child that ends by itself is started again after a pause that doubles from
// 100 ms to 5 s, and is 100 ms again once a child ran for 10 s.
//
// Children end with their host however that ends: they are told by SIGTERM, by the end of the pipe that is their standard
// input (the kernel closes it with the host), and where there is such a thing, by PR_SET_PDEATHSIG. They are in process
// groups of their own, so that a Ctrl-C reaches the host alone, which drains before it stops them.
//
// What this package is not: it knows nothing of keys and domains. A Supervisor owns a goroutine for each child; Close
// ends them. Its methods are safe for concurrent use.
package supervise

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"os"
	"syscall"
	"trent/hsm/appliance"
)

// Options of a Supervisor.
type Options struct {
	Program string
	// Args are the program's for the child with that state directory and that address for hosts.
	Args func(i int, state, listen string) []string
	Env  []string // whole
	Dir  string   // the state directories lie below it
	N    int
	// Ready brings a child that has just started into service. Nil: nothing to be done.
	Ready  func(ctx context.Context, i int, c *appliance.Console) error
	Stderr io.Writer // what children write, each line after their name; nil: dropped
	Logf   func(format string, args ...any)
}

// Pauses and limits.
const (
	startTimeout = 30 * time.Second
	stopTimeout  = 15 * time.Second // from SIGTERM to SIGKILL
	firstPause   = 100 * time.Millisecond
	longestPause = 5 * time.Second
	goodRun      = 10 * time.Second
	pollConsole  = 5 * time.Millisecond
)

// Supervisor keeps n children running.
type Supervisor struct {
	options  Options
	children []*Child
	stop     context.CancelFunc
	running  sync.WaitGroup
}

// Child is one appliance. Its addresses stay the same across restarts.
type Child struct {
	Number int    // from 1
	State  string // directory
	Listen string // address for hosts, "unix:PATH"
	*appliance.Console

	mu       sync.Mutex
	pid      int
	restarts int
}

// PID is the process's number, 0 while there is none.
func (c *Child) PID() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pid
}

// Restarts is how often it was started again.
func (c *Child) Restarts() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.restarts
}

// Restart tells the child's process to end, which drains it, and returns when another one has been started and answers.
// Errors: ctx's, or there is no process at this moment.
func (c *Child) Restart(ctx context.Context) error {
	was := c.PID()
	if was == 0 {
		return fmt.Errorf("hsm %d is not running at this moment", c.Number)
	}
	p, err := os.FindProcess(was)
	if err == nil {
		err = p.Signal(syscall.SIGTERM)
	}
	if err != nil {
		return fmt.Errorf("ending hsm %d: %w", c.Number, err)
	}
	for {
		if st, err := c.Status(ctx); err == nil && st.PID != was {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("restarting hsm %d: %w", c.Number, ctx.Err())
		case <-time.After(pollConsole):
		}
	}
}

// Start starts all children and returns when their consoles answer. Ready is not called yet: Serve does that, and from
// then on whatever ends is started again. Errors: a child's that could not be started, with what it wrote.
func Start(ctx context.Context, o Options) (*Supervisor, error) {
	if o.Logf == nil {
		o.Logf = func(string, ...any) {}
	}
	s := &Supervisor{options: o}
	starting := ctx
	ctx, s.stop = context.WithCancel(context.WithoutCancel(starting))
	defer context.AfterFunc(starting, s.stop)() // ctx bounds the start alone
	started := make(chan error, o.N)
	for i := 1; i <= o.N; i++ {
		state := filepath.Join(o.Dir, strconv.Itoa(i))
		c := &Child{Number: i, State: state, Listen: "unix:" + filepath.Join(state, "hosts.sock"), Console: appliance.NewConsole(state)}
		s.children = append(s.children, c)
		s.running.Go(func() { s.keep(ctx, c, started) })
	}
	var errs []error
	for range o.N {
		errs = append(errs, <-started)
	}
	errs = append(errs, starting.Err())
	if err := errors.Join(errs...); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Children are all of them, in order.
func (s *Supervisor) Children() []*Child { return s.children }

// Close stops all children, in parallel, and returns when none is left.
func (s *Supervisor) Close() {
	s.stop()
	s.running.Wait()
}

// keep runs one child again and again until ctx ends. The first start is answered on started, and is not repeated.
func (s *Supervisor) keep(ctx context.Context, c *Child, started chan<- error) {
	first, pause := true, firstPause
	for first || ctx.Err() == nil {
		began := time.Now()
		ready, err := s.once(ctx, c, first, started)
		if ctx.Err() != nil || first && !ready {
			return
		}
		first = false
		if time.Since(began) >= goodRun {
			pause = firstPause
		}
		s.options.Logf("hsm %d ended (%v); starting it again in %v", c.Number, err, pause)
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		pause = min(2*pause, longestPause)
		c.mu.Lock()
		c.restarts++
		c.mu.Unlock()
	}
}

// errEnded is a child that ended by itself without saying why.
var errEnded = errors.New("it ended")

// once runs a child from its start to its end; ready: it came to work.
func (s *Supervisor) once(ctx context.Context, c *Child, first bool, started chan<- error) (ready bool, err error) {
	p, err := s.launch(c)
	if err == nil {
		err = s.await(ctx, c, p)
	}
	if err == nil && !first && s.options.Ready != nil {
		// One that cannot be brought into service runs on: operators reach it, and its host goes on trying.
		if readyErr := s.options.Ready(ctx, c.Number, c.Console); readyErr != nil {
			s.options.Logf("hsm %d runs, but is not in service: %v", c.Number, readyErr)
		}
	}
	if first {
		if err != nil {
			err = fmt.Errorf("starting hsm %d: %w%s", c.Number, err, p.words())
		}
		started <- err
	}
	if err != nil {
		p.end()
		return false, err
	}
	select {
	case <-ctx.Done():
		p.end()
		return true, nil
	case <-p.exited:
		return true, p.reason()
	}
}

// await returns once the child's console answers; that of a child before it, whose host was killed, may do so still.
func (s *Supervisor) await(ctx context.Context, c *Child, p *process) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		st, err := c.Status(ctx)
		if err == nil && st.PID == p.command.Process.Pid {
			return nil
		}
		select {
		case <-p.exited:
			return p.reason()
		case <-ctx.Done():
			return fmt.Errorf("not ready: %w", errors.Join(ctx.Err(), err))
		case <-time.After(pollConsole):
		}
	}
}
