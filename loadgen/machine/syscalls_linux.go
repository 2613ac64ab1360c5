package machine

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// cpuClockSched selects the scheduler's exact CPU time in a process's clock id (CPUCLOCK_SCHED in the kernel's
// include/linux/posix-timers.h, which clock_getcpuclockid(3) builds ids with).
const cpuClockSched = 2

// ProcessCPU is the CPU time that all threads of a process, live and ended, have used: exact to the nanosecond,
// where /proc/PID/stat counts in ticks of 10 ms. Children are not included; see Tree.
func ProcessCPU(pid int) (time.Duration, error) {
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|cpuClockSched), &ts); err != nil {
		return 0, fmt.Errorf("reading the CPU clock of process %d: %w", pid, err)
	}
	return time.Duration(ts.Nano()), nil
}

// Affinity is the set of CPUs that a process (0: the calling thread) may use, ascending.
func Affinity(pid int) ([]int, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(pid, &set); err != nil {
		return nil, fmt.Errorf("reading the CPU affinity of process %d: %w", pid, err)
	}
	var cpus []int
	for cpu := range len(set) * strconv.IntSize {
		if set.IsSet(cpu) {
			cpus = append(cpus, cpu)
		}
	}
	return cpus, nil
}

// PinSelf restricts all threads of this process, and those they start later, to cpus. It returns a function that
// restores the affinity found before.
func PinSelf(cpus []int) (restore func() error, err error) {
	before, err := Affinity(0)
	if err != nil {
		return nil, err
	}
	if err := PinProcess(os.Getpid(), cpus); err != nil {
		return nil, err
	}
	return func() error { return PinProcess(os.Getpid(), before) }, nil
}

// PinThread restricts the calling thread to cpus; its goroutine must be locked to it, for good.
func PinThread(cpus []int) error {
	if err := unix.SchedSetaffinity(0, cpuSet(cpus)); err != nil {
		return fmt.Errorf("pinning a thread to CPUs %s: %w", FormatCPUList(cpus), err)
	}
	return nil
}

// ThreadCPU is the CPU time that the calling thread has used.
func ThreadCPU() (time.Duration, error) {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts); err != nil {
		return 0, fmt.Errorf("reading the CPU clock of a thread: %w", err)
	}
	return time.Duration(ts.Nano()), nil
}

// PinProcess restricts all threads of a process, and those they start later, to cpus. A thread inherits it from the one that creates it, so a thread
// that an unpinned one created meanwhile shows up in the next pass; passes go on until one finds no new thread.
func PinProcess(pid int, cpus []int) error {
	set := cpuSet(cpus)
	done := map[int]bool{}
	for {
		entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
		if err != nil {
			return fmt.Errorf("listing threads: %w", err)
		}
		found := false
		for _, entry := range entries {
			tid, err := strconv.Atoi(entry.Name())
			if err != nil || done[tid] {
				continue
			}
			if err := unix.SchedSetaffinity(tid, set); err != nil && err != unix.ESRCH {
				return fmt.Errorf("pinning to CPUs %s: %w", FormatCPUList(cpus), err)
			}
			done[tid], found = true, true
		}
		if !found {
			return nil
		}
	}
}

func cpuSet(cpus []int) *unix.CPUSet {
	var set unix.CPUSet
	for _, cpu := range cpus {
		set.Set(cpu)
	}
	return &set
}

// StartPinned starts cmd restricted to cpus from its first instruction on (so that a Go child sizes GOMAXPROCS by
// them); nil cpus means no restriction. The child dies with this process, also when this process is killed. It has a process group
// of its own, so that a terminal's Ctrl-C reaches this process alone, which may still need the child.
func StartPinned(cmd *exec.Cmd, cpus []int) error {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	cmd.SysProcAttr.Setpgid = true
	return onSpawner(func() error { return startPinned(cmd, cpus) })
}

// spawner is the thread that starts all children. The parent-death signal comes when the thread that forked
// ends, not the process, and Go ends a thread whenever a goroutine exits locked to it: so children are started
// by a thread of their own, which lives as long as the process.
var spawner = sync.OnceValue(func() chan<- func() {
	jobs := make(chan func())
	go func() {
		runtime.LockOSThread()
		for job := range jobs {
			job()
		}
	}()
	return jobs
})

func onSpawner(f func() error) error {
	done := make(chan error)
	spawner() <- func() { done <- f() }
	return <-done
}

// startPinned runs on the spawner's thread, whose affinity the child inherits.
func startPinned(cmd *exec.Cmd, cpus []int) error {
	if len(cpus) == 0 {
		return cmd.Start()
	}
	var before unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return fmt.Errorf("reading the CPU affinity: %w", err)
	}
	if err := unix.SchedSetaffinity(0, cpuSet(cpus)); err != nil {
		return fmt.Errorf("pinning to CPUs %s: %w", FormatCPUList(cpus), err)
	}
	startErr := cmd.Start()
	if err := unix.SchedSetaffinity(0, &before); err != nil && startErr == nil {
		return fmt.Errorf("restoring the CPU affinity: %w", err)
	}
	return startErr
}

// memlockLimit is RLIMIT_MEMLOCK of this process in bytes; negative: unlimited.
func memlockLimit() (int64, error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit); err != nil {
		return 0, fmt.Errorf("reading RLIMIT_MEMLOCK: %w", err)
	}
	if limit.Cur == unix.RLIM_INFINITY {
		return -1, nil
	}
	return int64(limit.Cur), nil
}

// descriptorLimit is RLIMIT_NOFILE of this process.
func descriptorLimit() (int, error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("reading RLIMIT_NOFILE: %w", err)
	}
	return int(min(limit.Cur, 1<<30)), nil
}

// memfdSecret tells whether memfd_secret(2) works here, by making one and closing it.
func memfdSecret() error {
	fd, err := unix.MemfdSecret(0)
	if err != nil {
		return err
	}
	return unix.Close(fd)
}
