package confine_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"trent/hsm"
	"trent/hsm/appliance/confine"
)

// childDir is set in children, which confine themselves: it cannot be undone.
const childDir = "TRENT_TEST_CONFINE_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		if err := child(dir); err != nil {
			fmt.Fprintln(os.Stderr, "child:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// answer is what a child reports: what is in force, and what became of each attempt ("" for success).
type answer struct {
	Report   confine.Report
	Attempts map[string]string
	Worked   string // what failed of what has to work; empty: nothing
}

func child(dir string) error {
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		return err
	}
	// A thread of before the filter, to show that all get it.
	early, earlyDone := make(chan struct{}), make(chan error)
	go func() {
		runtime.LockOSThread()
		<-early
		earlyDone <- call(unix.SYS_PTRACE, unix.PTRACE_ATTACH, uintptr(os.Getppid()), 0, 0)
	}()
	r, err := confine.Drop(confine.Options{User: os.Getenv("TRENT_TEST_CONFINE_USER")})
	if err != nil {
		return err
	}
	if err := confine.Close(confine.Paths{ReadWrite: []string{filepath.Join(dir, "state")}, Sockets: []string{dir}}, r); err != nil {
		return err
	}
	a := answer{Report: *r, Attempts: map[string]string{}}
	close(early)
	a.Attempts["ptrace from an early thread"] = text(<-earlyDone)
	for name, f := range attempts(dir) {
		a.Attempts[name] = text(f())
	}
	if err := work(l, filepath.Join(dir, "state")); err != nil {
		a.Worked = err.Error()
	}
	return json.NewEncoder(os.Stdout).Encode(a)
}

func text(err error) string {
	if err != nil {
		return err.Error()
	}
	return ""
}

func call(n uintptr, args ...uintptr) error {
	var a [6]uintptr
	copy(a[:], args)
	if _, _, errno := syscall.Syscall6(n, a[0], a[1], a[2], a[3], a[4], a[5]); errno != 0 {
		return errno
	}
	return nil
}

// attempts are what a process that was taken over might try. None succeeds.
func attempts(dir string) map[string]func() error {
	var buffer [64]byte
	local := unix.Iovec{Base: &buffer[0], Len: uint64(len(buffer))}
	remote := unix.RemoteIovec{Base: uintptr(unsafe.Pointer(&buffer[0])), Len: len(buffer)}
	parent := os.Getppid()
	raw := func(n uintptr, args ...uintptr) func() error { return func() error { return call(n, args...) } }
	return map[string]func() error{
		"execve":    func() error { return syscall.Exec("/bin/true", []string{"true"}, nil) },
		"execveat":  raw(unix.SYS_EXECVEAT, ^uintptr(99), uintptr(unsafe.Pointer(&append([]byte("/bin/true"), 0)[0]))),
		"a program": func() error { return exec.Command("/bin/true").Run() },
		"fork":      raw(unix.SYS_CLONE, uintptr(unix.SIGCHLD)),
		"clone3":    raw(unix.SYS_CLONE3, 0, 0),
		"ptrace":    raw(unix.SYS_PTRACE, unix.PTRACE_ATTACH, uintptr(parent)),
		"process_vm_readv": func() error {
			_, err := unix.ProcessVMReadv(parent, []unix.Iovec{local}, []unix.RemoteIovec{remote}, 0)
			return err
		},
		"process_vm_writev": func() error {
			_, err := unix.ProcessVMWritev(parent, []unix.Iovec{local}, []unix.RemoteIovec{remote}, 0)
			return err
		},
		"pidfd_open":        func() error { _, err := unix.PidfdOpen(parent, 0); return err },
		"pidfd_getfd":       func() error { _, err := unix.PidfdGetfd(0, 0, 0); return err },
		"open_by_handle_at": raw(unix.SYS_OPEN_BY_HANDLE_AT, ^uintptr(99)),
		"bpf":               raw(unix.SYS_BPF, 0, 0, 0),
		"perf_event_open":   raw(unix.SYS_PERF_EVENT_OPEN, 0, 0, 0, 0, 0),
		"kcmp":              raw(unix.SYS_KCMP, uintptr(os.Getpid()), uintptr(parent), 0, 0, 0),
		"io_uring_setup":    raw(unix.SYS_IO_URING_SETUP, 1, uintptr(unsafe.Pointer(&make([]byte, 256)[0]))),
		"mount":             func() error { return unix.Mount("none", dir, "tmpfs", 0, "") },
		"unshare":           func() error { return unix.Unshare(unix.CLONE_NEWUSER) },
		"setns":             func() error { return unix.Setns(0, 0) },
		"userfaultfd":       raw(unix.SYS_USERFAULTFD, unix.O_CLOEXEC),
		"memfd_create":      func() error { _, err := unix.MemfdCreate("x", 0); return err },
		"keyctl":            func() error { _, err := unix.KeyctlGetKeyringID(unix.KEY_SPEC_SESSION_KEYRING, false); return err },
		"signal the parent": func() error { return unix.Kill(parent, 0) },
		"becoming dumpable": func() error { return unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0) },
		"raising a limit":   func() error { return unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}) },
		"memory that runs": func() error {
			_, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_EXEC, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
			return err
		},
		"typing for others": raw(unix.SYS_IOCTL, 0, unix.TIOCSTI, uintptr(unsafe.Pointer(&buffer[0]))),
		"a TCP socket":      func() error { _, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0); return err },
		"a Unix socket":     func() error { _, err := net.Dial("unix", filepath.Join(dir, "s")); return err },
		"a UDP socket":      func() error { _, err := net.Dial("udp", "127.0.0.1:9"); return err },
		"an unknown call":   raw(1 << 20),
		"the 32-bit ABI":    raw(unix.SYS_GETPID | 1<<30),
		"reading a file":    func() error { _, err := os.ReadFile("/etc/passwd"); return err },
		"reading /proc":     func() error { _, err := os.ReadFile("/proc/self/maps"); return err },
		"its own memory":    func() error { _, err := os.OpenFile("/proc/self/mem", os.O_RDWR, 0); return err },
		"writing a file":    func() error { return os.WriteFile(filepath.Join(dir, "outside"), nil, 0o600) },
	}
}

// work is what an appliance does: keys, files, goroutines, timers, collections, connections.
func work(l net.Listener, state string) error {
	m, err := hsm.Open(hsm.Config{Dir: filepath.Join(state, "d"), Seal: hsm.Seal{KeyFile: filepath.Join(state, "seal.key")}})
	if err != nil {
		return err
	}
	id := hsm.AppendIdentity(nil, "aws", "000000000000", "k", "us-east-1")
	c := &hsm.Call{Op: hsm.OpGenerate, Spec: hsm.RSA2048, Usage: hsm.SignVerify, Key: &hsm.Key{Identity: id}, Out: make([]byte, 0, 8192), Public: make([]byte, 0, 4096)}
	if err := m.Do(c); err != nil {
		return fmt.Errorf("making an RSA key: %w", err)
	}
	if err := m.Close(); err != nil {
		return err
	}
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() {
			runtime.LockOSThread() // a thread each
			defer runtime.UnlockOSThread()
			for range 8 {
				time.Sleep(time.Millisecond)
				_ = make([]byte, 1<<20)
			}
		})
	}
	all.Wait()
	runtime.GC()
	conn, err := l.Accept()
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return err
	}
	if _, err := io.Copy(conn, io.LimitReader(conn, 5)); err != nil {
		return err
	}
	path := filepath.Join(state, "file")
	err = errors.Join(os.WriteFile(path, []byte("x"), 0o600), os.Rename(path, path+"2"), os.Remove(path+"2"))
	return errors.Join(err, l.Close())
}

// confined runs a child in a directory of its own and talks to its socket.
func confined(t *testing.T, user string) answer {
	t.Helper()
	dir, err := os.MkdirTemp("", "c")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Mkdir(filepath.Join(dir, "state"), 0o700); err != nil {
		t.Fatal(err)
	}
	if user != "" {
		u, err := confine.Lookup(user)
		if err != nil {
			t.Skip(err)
		}
		if err := errors.Join(os.Chown(dir, u.UID, u.GID), os.Chown(filepath.Join(dir, "state"), u.UID, u.GID)); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir, "TRENT_TEST_CONFINE_USER="+user)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	talked := make(chan error, 1)
	go func() { talked <- echo(filepath.Join(dir, "s"), ended) }()
	var a answer
	decodeErr := json.NewDecoder(bufio.NewReader(out)).Decode(&a)
	waitErr := cmd.Wait()
	close(ended)
	if err := errors.Join(decodeErr, waitErr, <-talked); err != nil {
		t.Fatalf("child: %v\n%s", err, stderr.String())
	}
	return a
}

// echo talks to the child once it listens.
func echo(path string, ended <-chan struct{}) error {
	for {
		conn, err := net.Dial("unix", path)
		if err != nil {
			select {
			case <-ended:
				return err
			case <-time.After(5 * time.Millisecond):
				continue
			}
		}
		defer conn.Close()
		if _, err := conn.Write([]byte("hello")); err != nil {
			return err
		}
		got, err := io.ReadAll(conn)
		if err == nil && string(got) != "hello" {
			err = fmt.Errorf("the child answered %q", got)
		}
		return err
	}
}

func TestConfined(t *testing.T) {
	t.Parallel()
	a := confined(t, "")
	check(t, a)
}

// TestAnotherUser: root becomes a user without groups, without capabilities.
func TestAnotherUser(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can become another user")
	}
	a := confined(t, "nobody")
	check(t, a)
	if u, err := confine.Lookup("nobody"); err != nil || a.Report.User != u.UID || len(a.Report.Groups) != 0 {
		t.Errorf("user %d, groups %v, want user %d alone (%v)", a.Report.User, a.Report.Groups, u.UID, err)
	}
}

func check(t *testing.T, a answer) {
	t.Helper()
	r := a.Report
	if r.Dumpable || r.CoreBytes != 0 || !r.NoNewPrivs || r.Kernel == "" {
		t.Errorf("report %+v", r)
	}
	for _, c := range r.Capabilities {
		if c != "cap_ipc_lock" || !r.HeapLocked || r.CapsWhy == "" {
			t.Errorf("capability %s is kept", c)
		}
	}
	if r.HeapLocked == (r.HeapWhy != "") {
		t.Errorf("heap locked %t, why %q", r.HeapLocked, r.HeapWhy)
	}
	if !r.Seccomp {
		t.Skipf("no seccomp here: %s", r.SeccompWhy)
	}
	if a.Worked != "" {
		t.Errorf("what has to work: %s", a.Worked)
	}
	files := map[string]bool{"reading a file": true, "reading /proc": true, "its own memory": true, "writing a file": true}
	for name, err := range a.Attempts {
		if err == "" && (!files[name] || r.Landlock > 0) {
			t.Errorf("%s succeeds", name)
		}
		t.Logf("%-28s %s", name, err)
	}
}

// TestControl: what the filter refuses is refused by the filter. The same calls reach the kernel without it.
func TestControl(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	all := attempts(dir)
	for _, name := range []string{"memfd_create", "memory that runs", "a TCP socket", "a UDP socket", "reading a file", "reading /proc", "writing a file", "a program", "raising a limit"} {
		if name == "raising a limit" {
			continue // would bind the tests
		}
		if err := all[name](); err != nil {
			t.Errorf("%s without confinement: %v", name, err)
		}
	}
}
