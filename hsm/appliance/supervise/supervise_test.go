//go:build unix

package supervise_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"trent/hsm"
	"trent/hsm/appliance"
	"trent/hsm/appliance/supervise"
)

// TestMain makes this binary a child, or a host with one child, when it is told so.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 {
		switch os.Args[1] {
		case "child":
			os.Exit(child(os.Args[2]))
		case "host":
			os.Exit(hostOf(os.Args[2]))
		}
	}
	os.Exit(m.Run())
}

// member is one without keys.
type member struct{ hsm.Module }

func (member) Identity(context.Context) (hsm.MemberIdentity, error) {
	return hsm.MemberIdentity{HSM: hsm.DomainHSM{Name: strconv.Itoa(os.Getpid())}}, nil
}
func (member) Status(context.Context) (hsm.Status, error)      { return hsm.Status{}, nil }
func (member) Execute(context.Context, []byte) ([]byte, error) { return nil, hsm.ErrCommand }
func (member) Install(context.Context, []byte) error           { return nil }

func child(state string) int {
	if strings.Contains(os.Getenv("TEST_CHILD"), "fails") {
		fmt.Fprintln(os.Stderr, "something is wrong here")
		return 3
	}
	console, err := appliance.ListenConsole(state)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	s, err := appliance.New(appliance.Options{Member: member{}, Console: console})
	if err != nil {
		return 1
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	ctx, cut := context.WithCancel(ctx)
	go func() { defer cut(); _, _ = io.Copy(io.Discard, os.Stdin) }()
	fmt.Fprintln(os.Stderr, "serving")
	if s.Run(ctx) != nil {
		return 1
	}
	fmt.Fprintln(os.Stderr, "drained")
	return 0
}

// hostOf supervises until it is killed, and says when it is ready.
func hostOf(dir string) int {
	s, err := supervise.Start(context.Background(), options(dir, 1, nil))
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println(s.Children()[0].PID())
	select {}
}

func options(dir string, n int, out io.Writer) supervise.Options {
	return supervise.Options{
		Program: os.Args[0], Dir: dir, N: n, Env: os.Environ(), Stderr: out,
		Args: func(_ int, state, _ string) []string { return []string{"child", state} },
	}
}

func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "s")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// text is a buffer that several processes' output comes into.
type text struct {
	mu sync.Mutex
	b  strings.Builder
}

func (w *text) Write(b []byte) (int, error) { w.mu.Lock(); defer w.mu.Unlock(); return w.b.Write(b) }
func (w *text) String() string              { w.mu.Lock(); defer w.mu.Unlock(); return w.b.String() }

// gone waits until no process of that number is left.
func gone(t *testing.T, pid int) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			return
		}
	}
	t.Errorf("process %d is still there", pid)
}

// TestKeepsRunning: children answer; a killed one is replaced, and made ready again; all end in order.
func TestKeepsRunning(t *testing.T) {
	t.Parallel()
	var out text
	o := options(shortDir(t), 2, &out)
	ready := make(chan int, 10)
	o.Ready = func(_ context.Context, i int, _ *appliance.Console) error {
		ready <- i
		return errors.New("not now") // which is no reason to end it
	}
	s, err := supervise.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	one := s.Children()[0]
	pid := one.PID()
	if id, err := one.Identity(t.Context()); err != nil || id.HSM.Name != strconv.Itoa(pid) {
		t.Errorf("child 1 is %s, %v; want %d", id.HSM.Name, err, pid)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if i := <-ready; i != 1 || one.PID() == pid || one.Restarts() != 1 {
		t.Errorf("child %d was made ready; pid %d after %d, %d restarts", i, one.PID(), pid, one.Restarts())
	}
	if _, err := one.Identity(t.Context()); err != nil {
		t.Errorf("child 1 after all: %v", err)
	}
	pids := []int{one.PID(), s.Children()[1].PID()}
	s.Close()
	for _, pid := range pids {
		gone(t, pid)
	}
	for i := 1; i <= 2; i++ {
		if want := fmt.Sprintf("hsm %d: drained\n", i); !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in:\n%s", want, out.String())
		}
	}
}

// TestStartFails: what a child says on its way out is in the error, and nothing is left.
func TestStartFails(t *testing.T) {
	t.Parallel()
	o := options(shortDir(t), 2, nil)
	o.Env = append(o.Env, "TEST_CHILD=fails")
	if _, err := supervise.Start(t.Context(), o); err == nil || !strings.Contains(err.Error(), "something is wrong here") {
		t.Errorf("%v", err)
	}
	o.Program = "/nonexistent"
	if _, err := supervise.Start(t.Context(), o); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a program that is not there: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := supervise.Start(ctx, options(shortDir(t), 1, nil)); err == nil {
		t.Error("started after the end")
	}
}

// TestOutlivesItsStart: the context bounds the start; the children run until Close.
func TestOutlivesItsStart(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	s, err := supervise.Start(ctx, options(shortDir(t), 1, nil))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	cancel()
	if _, err := s.Children()[0].Identity(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestHostIsKilled: children do not outlive a host that is killed.
func TestHostIsKilled(t *testing.T) {
	t.Parallel()
	host := exec.Command(os.Args[0], "host", shortDir(t))
	out, err := host.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := host.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Fscan(out, &pid); err != nil {
		t.Fatal(err)
	}
	if err := host.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = host.Wait()
	gone(t, pid)
}
