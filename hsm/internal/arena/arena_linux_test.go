//go:build linux && !race

package arena_test

import (
	"bytes"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"trent/hsm/internal/arena"
)

func TestGuardPagesFault(t *testing.T) {
	a := open(t, arena.Options{Bytes: 4096})
	first := unsafe.Pointer(arena.Take[[1]byte](a))
	for name, at := range map[string]unsafe.Pointer{
		"before": unsafe.Add(first, -1),
		"after":  unsafe.Add(first, a.Bytes()),
	} {
		if !faults(at) {
			t.Errorf("the byte %s the arena can be read", name)
		}
	}
	if faults(first) || faults(unsafe.Add(first, a.Bytes()-1)) {
		t.Error("the arena itself cannot be read")
	}
}

func faults(at unsafe.Pointer) (faulted bool) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() { faulted = recover() != nil }()
	sink = *(*byte)(at)
	return
}

var sink byte

// TestProcMem reads this process through /proc: an ordinary canary is found, one under memfd_secret is not.
func TestProcMem(t *testing.T) {
	t.Parallel()
	a := open(t, arena.Options{Bytes: 4096})
	mem, err := os.Open("/proc/self/mem")
	if err != nil {
		t.Skipf("no /proc/self/mem: %v", err)
	}
	defer mem.Close()
	control := bytes.Repeat([]byte{0xa5}, 64)
	got := make([]byte, len(control))
	if _, err := mem.ReadAt(got, int64(uintptr(unsafe.Pointer(&control[0])))); err != nil || !bytes.Equal(got, control) {
		t.Skipf("control not readable: %v", err)
	}
	secret := arena.Take[[64]byte](a)
	copy(secret[:], control)
	_, err = mem.ReadAt(got, int64(uintptr(unsafe.Pointer(secret))))
	if a.Kind() == arena.MemfdSecret && err == nil {
		t.Error("memfd_secret memory was read through /proc/self/mem")
	}
	t.Logf("%s: %v", a.Kind(), err)
}

// TestFallsBackUnderTheLimit runs itself in a child without CAP_IPC_LOCK and with a small RLIMIT_MEMLOCK.
func TestFallsBackUnderTheLimit(t *testing.T) {
	const child = "TRENT_TEST_ARENA_CHILD"
	const limit = 64 << 10
	if os.Getenv(child) == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestFallsBackUnderTheLimit$", "-test.v")
		cmd.Env = append(os.Environ(), child+"="+strconv.Itoa(limit))
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "small ok") {
			t.Fatalf("child: %v\n%s", err, out)
		}
		return
	}
	runtime.LockOSThread() // capabilities belong to threads
	dropLockCapability(t)
	if err := unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unix.Rlimit{Cur: limit, Max: limit}); err != nil {
		t.Fatal(err)
	}
	if got, limited := arena.Limit(); !limited || got != limit {
		t.Fatalf("Limit %d, %v", got, limited)
	}
	big := open(t, arena.Options{Bytes: 4 * limit})
	if big.Kind() != arena.Unlocked || !strings.Contains(big.Why(), "ulimit -l") {
		t.Errorf("big arena: %s, why %q", big, big.Why())
	}
	*arena.Take[[64]byte](big) = [64]byte{1}
	if _, err := arena.New(arena.Options{Bytes: 4 * limit, RequireLocked: true}); err == nil {
		t.Error("RequireLocked gave an unlocked arena")
	}
	small := open(t, arena.Options{Bytes: limit / 4})
	if small.Kind() > arena.Mlock {
		t.Errorf("small arena: %s, why %q", small, small.Why())
	}
	t.Log("small ok")
}

func dropLockCapability(t *testing.T) {
	t.Helper()
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		t.Fatal(err)
	}
	data[unix.CAP_IPC_LOCK/32].Effective &^= 1 << (unix.CAP_IPC_LOCK % 32)
	data[unix.CAP_IPC_LOCK/32].Permitted &^= 1 << (unix.CAP_IPC_LOCK % 32)
	if err := unix.Capset(&header, &data[0]); err != nil {
		t.Fatal(err)
	}
}
