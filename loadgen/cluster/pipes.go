package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"trent/loadgen/machine"
	"trent/loadgen/spawn"
)

// Pipes starts agents as children of this process. Each talks frames over its standard input and output, in which nothing else may
// be written. A child dies with this process, whatever the reason.
type Pipes struct {
	Program string
	Args    []string // that make the program an agent
	Env     []string // further variables, NAME=value
}

// Name is "pipes".
func (*Pipes) Name() string { return "pipes" }

// Local is true: children are trusted with credentials.
func (*Pipes) Local() bool { return true }

// Close does nothing: the links' Close ends the children.
func (*Pipes) Close() error { return nil }

// Join is described at Transport.
func (p *Pipes) Join(ctx context.Context, n int, joined func(int)) ([]Link, error) {
	var links []Link
	for i := range n {
		err := ctx.Err()
		var l Link
		if err == nil {
			l, err = p.start()
		}
		if err != nil {
			for _, l := range links {
				err = errors.Join(err, l.Close())
			}
			return nil, err
		}
		links = append(links, l)
		if joined != nil {
			joined(i + 1)
		}
	}
	return links, nil
}

// child is the link to a child.
type child struct {
	stream
	command *exec.Cmd
	input   *os.File
	output  *os.File
	exited  chan struct{}
	status  error // after exited
	stderr  spawn.Tail
}

func (p *Pipes) start() (*child, error) {
	// Pipes of our own: the command's would be closed at the child's end, perhaps before its last words were read.
	childIn, input, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("starting an agent: %w", err)
	}
	output, childOut, err := os.Pipe()
	if err != nil {
		childIn.Close()
		input.Close()
		return nil, fmt.Errorf("starting an agent: %w", err)
	}
	c := &child{command: exec.Command(p.Program, p.Args...), input: input, output: output, exited: make(chan struct{})}
	c.command.Stdin, c.command.Stdout, c.command.Stderr = childIn, childOut, &c.stderr
	if len(p.Env) > 0 {
		c.command.Env = append(os.Environ(), p.Env...)
	}
	err = machine.StartPinned(c.command, nil)
	childIn.Close()
	childOut.Close()
	if err != nil {
		input.Close()
		output.Close()
		return nil, fmt.Errorf("starting an agent: %w", err)
	}
	go func() {
		c.status = c.command.Wait()
		close(c.exited)
	}()
	s := NewStream(output, input, c.end).(*stream)
	c.stream.in, c.stream.out, c.stream.close = s.in, s.out, s.close
	return c, nil
}

// Receive adds to the end of the stream what is known of the child's.
func (c *child) Receive(ctx context.Context) (*Message, error) {
	m, err := c.stream.Receive(ctx)
	if err == nil {
		return m, nil
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		select {
		case <-c.exited:
			said := c.stderr.Text()
			if said != "" {
				said = ": " + said
			}
			return nil, fmt.Errorf("the process ended (%s)%s", c.ending(), said)
		case <-time.After(time.Second):
		}
	}
	return nil, err
}

func (c *child) ending() string {
	if c.status == nil {
		return "exit status 0"
	}
	return c.status.Error()
}

// Times that a child has to end by itself, once its input has ended and once it was asked to.
const (
	endTimeout  = 3 * time.Second
	killTimeout = 5 * time.Second
)

// end closes the child's input, which ends it, and kills it where that does not.
func (c *child) end() error {
	c.input.Close() // an agent ends with its coordinator
	defer c.output.Close()
	select {
	case <-c.exited:
		return nil
	case <-time.After(endTimeout):
	}
	if err := c.command.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("killing an agent: %w", err)
	}
	select {
	case <-c.exited:
		return nil
	case <-time.After(killTimeout):
		return fmt.Errorf("agent process %d does not end", c.command.Process.Pid)
	}
}
