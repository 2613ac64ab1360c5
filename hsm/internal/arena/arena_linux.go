//go:build linux

package arena

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Limit is how many bytes this process may lock, and whether there is a limit at all (RLIMIT_MEMLOCK does
// not bind a process with CAP_IPC_LOCK, mlock(2)).
func Limit() (limit int, limited bool) {
	if canLockAny() {
		return math.MaxInt, false
	}
	var r unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_MEMLOCK, &r) != nil {
		return 0, true
	}
	if r.Cur == unix.RLIM_INFINITY || r.Cur > math.MaxInt {
		return math.MaxInt, false
	}
	return int(r.Cur), true
}

// canLockAny reports CAP_IPC_LOCK in the effective set.
func canLockAny() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if unix.Capget(&header, &data[0]) != nil {
		return false
	}
	return data[unix.CAP_IPC_LOCK/32].Effective&(1<<(unix.CAP_IPC_LOCK%32)) != 0
}

func newArena(size int) (*Arena, error) {
	if raceEnabled {
		return newHeap(size, Heap, "the race detector does not see mapped memory"), nil
	}
	page := os.Getpagesize()
	size = roundUp(size, page)
	var reasons []string
	for _, kind := range [...]struct {
		kind Kind
		fill func(at unsafe.Pointer, size int) error
	}{
		{MemfdSecret, mapSecret},
		{Mlock, mapLocked},
		{Unlocked, mapPrivate},
	} {
		a, err := guarded(size, page, kind.fill)
		if err == nil {
			a.kind, a.why = kind.kind, strings.Join(reasons, "; ")
			return a, nil
		}
		reasons = append(reasons, fmt.Sprintf("%s: %v", kind.kind, err))
	}
	return nil, errors.New(strings.Join(reasons, "; "))
}

// guarded reserves size bytes and a page on each side without access, and lets fill map the middle.
func guarded(size, page int, fill func(at unsafe.Pointer, size int) error) (*Arena, error) {
	whole := uintptr(size + 2*page)
	base, err := unix.MmapPtr(-1, 0, nil, whole, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		return nil, fmt.Errorf("reserving addresses: %w", err)
	}
	at := unsafe.Add(base, page)
	if err := fill(at, size); err != nil {
		return nil, errors.Join(err, unix.MunmapPtr(base, whole))
	}
	a := &Arena{
		mem:     unsafe.Slice((*byte)(at), size),
		release: func() error { return unix.MunmapPtr(base, whole) },
	}
	a.Wipe() // touches every page: a shortage shows now, not in the middle of a call
	return a, nil
}

const readWrite = unix.PROT_READ | unix.PROT_WRITE

func mapSecret(at unsafe.Pointer, size int) error {
	fd, err := unix.MemfdSecret(unix.O_CLOEXEC) // the manual page says FD_CLOEXEC, which the kernel refuses
	if err != nil {
		return fmt.Errorf("not available on this kernel: %w", err)
	}
	defer unix.Close(fd) // the mapping keeps the pages; without a descriptor nobody else can map them
	if err := unix.Ftruncate(fd, int64(size)); err != nil {
		return fmt.Errorf("sizing: %w", err)
	}
	if _, err := unix.MmapPtr(fd, 0, at, uintptr(size), readWrite, unix.MAP_SHARED|unix.MAP_FIXED); err != nil {
		return overLimit("mapping", size, err)
	}
	if err := unix.Madvise(unsafe.Slice((*byte)(at), size), unix.MADV_DONTFORK); err != nil {
		return fmt.Errorf("keeping from children: %w", err)
	}
	return nil
}

func mapLocked(at unsafe.Pointer, size int) error {
	if err := mapPrivate(at, size); err != nil {
		return err
	}
	if err := unix.Mlock(unsafe.Slice((*byte)(at), size)); err != nil {
		return overLimit("locking", size, err)
	}
	return nil
}

func mapPrivate(at unsafe.Pointer, size int) error {
	if _, err := unix.MmapPtr(-1, 0, at, uintptr(size), readWrite, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_FIXED); err != nil {
		return fmt.Errorf("mapping: %w", err)
	}
	mem := unsafe.Slice((*byte)(at), size)
	if err := unix.Madvise(mem, unix.MADV_DONTDUMP); err != nil {
		return fmt.Errorf("leaving out of core dumps: %w", err)
	}
	if err := unix.Madvise(mem, unix.MADV_WIPEONFORK); err != nil {
		return fmt.Errorf("wiping in children: %w", err)
	}
	return nil
}

// overLimit explains a refusal with the limit that is the usual cause.
func overLimit(doing string, size int, err error) error {
	if limit, limited := Limit(); limited && size > limit {
		return fmt.Errorf("%s %d bytes: %w (the limit on locked memory is %d bytes: raise it with ulimit -l or LimitMEMLOCK=)", doing, size, err, limit)
	}
	return fmt.Errorf("%s %d bytes: %w", doing, size, err)
}
