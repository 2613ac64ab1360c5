package supervise

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// process is one run of a child.
type process struct {
	command  *exec.Cmd
	lifeline *os.File // its standard input ends with this process
	exited   chan struct{}
	err      error // after exited
	stderr   *lines
	child    *Child
}

// launch starts the program. Its parent, for PR_SET_PDEATHSIG, is a thread; so the goroutine that starts it keeps its
// thread until the child has ended.
func (s *Supervisor) launch(c *Child) (*process, error) {
	p := &process{exited: make(chan struct{}), child: c, stderr: newLines(s.options.Stderr, fmt.Sprintf("hsm %d: ", c.Number))}
	input, lifeline, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer input.Close()
	p.lifeline = lifeline
	p.command = exec.Command(s.options.Program, s.options.Args(c.Number, c.State, c.Listen)...)
	p.command.Env, p.command.Stdin, p.command.Stderr = s.options.Env, input, p.stderr
	p.command.SysProcAttr = attributes()
	started := make(chan error)
	s.running.Go(func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.command.Start()
		started <- err
		if err == nil {
			p.err = p.command.Wait()
		}
		p.stderr.flush()
		c.setPID(0)
		close(p.exited)
	})
	if err := <-started; err != nil {
		<-p.exited
		_ = lifeline.Close()
		return nil, err
	}
	c.setPID(p.command.Process.Pid)
	return p, nil
}

func (c *Child) setPID(pid int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pid = pid
}

// end stops the process and waits for it.
func (p *process) end() {
	if p == nil {
		return
	}
	defer p.lifeline.Close()
	_ = p.command.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.exited:
		return
	case <-time.After(stopTimeout):
	}
	_ = p.command.Process.Kill()
	<-p.exited
}

// reason is why it ended.
func (p *process) reason() error {
	_ = p.lifeline.Close()
	if p.err != nil {
		return p.err
	}
	return errEnded
}

// words is the end of what the process wrote, for an error.
func (p *process) words() string {
	if p == nil {
		return ""
	}
	if w := p.stderr.last(); w != "" {
		return ": " + w
	}
	return ""
}

// lines passes whole lines on with a prefix, and keeps the last few.
type lines struct {
	to     io.Writer
	prefix string

	mu   sync.Mutex
	part []byte
	kept [][]byte
}

const (
	maxLine   = 4096 // bytes; longer ones are broken
	keptLines = 4
)

func newLines(to io.Writer, prefix string) *lines {
	if to == nil {
		to = io.Discard
	}
	return &lines{to: to, prefix: prefix}
}

// Write implements io.Writer; it never fails, so that a child does not stand still.
func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.part = append(l.part, b...)
	for {
		i := bytes.IndexByte(l.part, '\n')
		if i < 0 && len(l.part) < maxLine {
			return len(b), nil
		}
		if i < 0 {
			i = maxLine - 1
		}
		l.pass(l.part[:i])
		l.part = append(l.part[:0], l.part[i+1:]...)
	}
}

func (l *lines) pass(line []byte) {
	l.kept = append(l.kept, bytes.Clone(line))
	if len(l.kept) > keptLines {
		l.kept = l.kept[1:]
	}
	_, _ = fmt.Fprintf(l.to, "%s%s\n", l.prefix, line)
}

// flush passes on what is left without a line's end.
func (l *lines) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.part) > 0 {
		l.pass(l.part)
		l.part = nil
	}
}

// last is the last lines, in one.
func (l *lines) last() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(bytes.Join(l.kept, []byte("; ")))
}
