package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"trent/hsm/appliance"
)

// attackCommands are programs that this test binary is, beside trent: one that is attacked, and one that attacks.
func attackCommands() map[string]func() {
	return map[string]func(){"target": beTarget, "attacker": attackAll}
}

// beTarget is a process that has done nothing for its safety.
func beTarget() {
	fmt.Println("here")
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// attackAll tries everything against the process of its argument and prints the outcomes: "" is a success.
func attackAll() {
	pid, err := strconv.Atoi(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	outcomes := map[string]string{}
	for name, attack := range attacks {
		if err := attack(pid); err != nil {
			outcomes[name] = err.Error()
		} else {
			outcomes[name] = ""
		}
	}
	if json.NewEncoder(os.Stdout).Encode(outcomes) != nil {
		os.Exit(2)
	}
}

// attacks are what another process of the same user can try to get at keys in memory, or at sockets.
var attacks = map[string]func(pid int) error{
	"ptrace": func(pid int) error {
		if err := unix.PtraceSeize(pid); err != nil {
			return err
		}
		return nil // it ends with this process
	},
	"process_vm_readv": func(pid int) error {
		at, err := stackOf(pid)
		if err != nil {
			at = 0x400000 // where a Go program is: permission is asked before the address
		}
		var b [16]byte
		local := []unix.Iovec{{Base: &b[0], Len: uint64(len(b))}}
		_, err = unix.ProcessVMReadv(pid, local, []unix.RemoteIovec{{Base: at, Len: len(b)}}, 0)
		return err
	},
	"process_vm_writev": func(pid int) error {
		at, err := stackOf(pid)
		if err != nil {
			at = 0x400000
		}
		var b [1]byte
		read := []unix.Iovec{{Base: &b[0], Len: 1}}
		remote := []unix.RemoteIovec{{Base: at, Len: 1}}
		if _, err := unix.ProcessVMReadv(pid, read, remote, 0); err != nil {
			return err
		}
		_, err = unix.ProcessVMWritev(pid, read, remote, 0)
		return err
	},
	"/proc/PID/mem": func(pid int) error {
		f, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
		if err == nil {
			_ = f.Close()
		}
		return err
	},
	"/proc/PID/maps": func(pid int) error {
		_, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
		return err
	},
	"/proc/PID/environ": func(pid int) error {
		_, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		return err
	},
	"/proc/PID/fd": func(pid int) error {
		_, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
		return err
	},
	"pidfd_getfd": func(pid int) error {
		p, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			return fmt.Errorf("pidfd_open: %w", err)
		}
		stolen, err := unix.PidfdGetfd(p, 0, 0)
		if err == nil {
			_ = unix.Close(stolen)
		}
		return err
	},
	"kcmp": func(pid int) error {
		_, _, errno := unix.Syscall6(unix.SYS_KCMP, uintptr(os.Getpid()), uintptr(pid), 0, 0, 0, 0)
		if errno != 0 {
			return errno
		}
		return nil
	},
}

// stackOf finds a mapping to read and write.
func stackOf(pid int) (uintptr, error) {
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(maps)) {
		if strings.Contains(line, "[stack]") {
			from, _, _ := strings.Cut(line, "-")
			at, err := strconv.ParseUint(from, 16, 64)
			return uintptr(at) + unsafe.Sizeof(at)*512*15, err // the lower end may not be in use yet
		}
	}
	return 0, fmt.Errorf("no stack in /proc/%d/maps", pid)
}

// unprivileged starts programs of this binary under a user without privileges: nobody where the tests are root, else
// the tests' own.
type unprivileged struct {
	dir, program string
	credential   *syscall.Credential
}

func newUnprivileged(t *testing.T) *unprivileged {
	t.Helper()
	dir, err := os.MkdirTemp("", "u")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	u := &unprivileged{dir: dir, program: filepath.Join(dir, "trent")}
	copyProgram(t, u.program)
	if os.Geteuid() != 0 {
		return u
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Skip(err)
	}
	uid, _ := strconv.Atoi(nobody.Uid)
	gid, _ := strconv.Atoi(nobody.Gid)
	u.credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	if err := os.Chown(dir, uid, gid); err != nil {
		t.Fatal(err)
	}
	return u
}

func copyProgram(t *testing.T, to string) {
	t.Helper()
	from, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	f, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(f, from); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// command is one of this binary's programs, by name.
func (u *unprivileged) command(args ...string) *exec.Cmd {
	c := exec.Command(u.program)
	c.Args = args
	c.Dir, c.Stderr = u.dir, os.Stderr
	c.Env = []string{"HOME=" + u.dir, "XDG_CONFIG_HOME=" + filepath.Join(u.dir, "config"), "GOTRACEBACK=none"}
	c.SysProcAttr = &syscall.SysProcAttr{Credential: u.credential, Pdeathsig: syscall.SIGKILL}
	return c
}

// attack runs the attacker against a process.
func (u *unprivileged) attack(t *testing.T, pid int) map[string]string {
	t.Helper()
	out, err := u.command("attacker", strconv.Itoa(pid)).Output()
	if err != nil {
		t.Fatal(err)
	}
	var outcomes map[string]string
	if err := json.Unmarshal(out, &outcomes); err != nil {
		t.Fatal(err)
	}
	if len(outcomes) != len(attacks) {
		t.Fatalf("%d outcomes of %d attacks", len(outcomes), len(attacks))
	}
	return outcomes
}

// start starts a program and ends it with the test.
func (u *unprivileged) start(t *testing.T, c *exec.Cmd) {
	t.Helper()
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = c.Process.Signal(syscall.SIGTERM)
		_ = c.Wait()
	})
}

// TestApplianceUnderAttack: the real program, attacked by another process of its own user, gives nothing away. The same
// attacks succeed against a process that has not confined itself.
func TestApplianceUnderAttack(t *testing.T) {
	t.Parallel()
	u := newUnprivileged(t)

	target := u.command("target")
	said, err := target.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	u.start(t, target)
	if _, err := fmt.Fscanln(said, new(string)); err != nil {
		t.Fatal(err)
	}
	scope, _ := os.ReadFile("/proc/sys/kernel/yama/ptrace_scope")
	guarded := strings.TrimSpace(string(scope)) > "0" // which refuses these to all but ancestors, whatever the target does
	for name, refusal := range u.attack(t, target.Process.Pid) {
		if refusal != "" && !guarded {
			t.Errorf("control: %s against a process that is not confined: %s", name, refusal)
		}
	}

	state := filepath.Join(u.dir, "s")
	u.start(t, u.command("trent", "hsm", "serve", "--state", state, "--init", "--quiet", "--lifeline"))
	pid, st := applianceAt(t, state)
	p := st.Process
	if p == nil || p.Dumpable || p.CoreBytes != 0 || !p.NoNewPrivs || u.credential != nil && (len(p.Capabilities) != 0 || p.User != int(u.credential.Uid)) {
		t.Errorf("the process says of itself: %+v", p)
	}
	for name, refusal := range u.attack(t, pid) {
		if refusal == "" {
			t.Errorf("%s succeeds against the appliance", name)
		}
		t.Logf("%-20s %s", name, refusal)
	}
	if _, err := appliance.NewConsole(state).Identity(t.Context()); err != nil {
		t.Errorf("the appliance after it all: %v", err)
	}
}

// TestServerUnderAttack: nor does a server give anything away, or the appliance that it started.
func TestServerUnderAttack(t *testing.T) {
	t.Parallel()
	u := newUnprivileged(t)
	data := filepath.Join(u.dir, "d")
	u.start(t, u.command("trent", "serve", "--hsm", "spawn", "--key-pool", "none", "--listen", "127.0.0.1:0", "--admin-listen", "", "--data-dir", data))
	var info readyInfo
	eventually(t, "a ready file", func() (ok bool) {
		var err error
		info, err = readReady(data)
		return err == nil
	})
	child, _ := applianceAt(t, filepath.Join(data, "hsm", "1"))
	for what, pid := range map[string]int{"the server": info.PID, "its appliance": child} {
		for name, refusal := range u.attack(t, pid) {
			if refusal == "" {
				t.Errorf("%s succeeds against %s", name, what)
			}
		}
	}
}

// applianceAt waits for the appliance of a state directory: its process and what it says of itself.
func applianceAt(t *testing.T, state string) (int, appliance.Status) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		st, err := appliance.NewConsole(state).Status(t.Context())
		if err == nil {
			return st.PID, st
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}
