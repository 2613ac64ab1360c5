package confine

import (
	seccomp "github.com/elastic/go-seccomp-bpf"
	"golang.org/x/sys/unix"
)

// allowed are the calls of the Go runtime, of the C library where it is linked, and of our code, with any arguments.
// Those that make new sockets are not among them: an appliance listens before it is confined, and calls nobody.
var allowed = []string{
	// Files, within what Landlock leaves.
	"read", "write", "readv", "writev", "pread64", "pwrite64", "close", "openat", "open", "fstat", "newfstatat", "fstatat", "lstat", "stat", "statx",
	"lseek", "getdents64", "readlinkat", "faccessat", "faccessat2", "mkdirat", "unlinkat", "unlink", "renameat", "renameat2", "rename", "linkat",
	"fsync", "fdatasync", "ftruncate", "fchmod", "fchmodat", "fchown", "flock", "fcntl", "fallocate", "getcwd", "sendfile",
	// Memory.
	"munmap", "mremap", "madvise", "mincore", "mlock", "mlock2", "mlockall", "munlock", "memfd_secret", "brk", "membarrier",
	// Threads, signals to itself, time.
	"set_robust_list", "set_tid_address", "rseq", "sched_yield", "sched_getaffinity", "futex", "exit", "exit_group", "gettid", "getpid", "getppid",
	"sigaltstack", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "restart_syscall", "nanosleep", "clock_nanosleep", "clock_gettime", "clock_getres",
	"gettimeofday", "time", "arch_prctl", "getcpu",
	// What it is and has.
	"getuid", "geteuid", "getgid", "getegid", "getgroups", "getresuid", "getresgid", "capget", "uname", "sysinfo", "getrusage", "getrlimit", "getrandom",
	// Connections that come in, and the poller.
	"accept", "accept4", "getsockopt", "setsockopt", "getsockname", "getpeername", "shutdown", "recvfrom", "recvmsg", "sendto", "sendmsg",
	"epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2", "eventfd2", "pipe2", "poll", "ppoll",
}

// absent fail with ENOSYS, so that runtimes do what they do on kernels without them: arguments behind a pointer, of which
// clone3 has its flags, are out of a filter's sight.
var absent = []string{"clone3", "openat2", "close_range", "futex_waitv", "futex_wait", "futex_wake", "futex_requeue", "cachestat", "statmount", "listmount"}

// conditions are calls that are allowed with some arguments only. All calls that stand nowhere here fail with EPERM:
// those that run programs, look into or out of processes, load code into the kernel, make sockets, or change what
// confines the process are among them.
func conditions(pid int) []seccomp.NameWithConditions {
	one := func(name string, argument uint32, op seccomp.Operation, value uint64) seccomp.NameWithConditions {
		return seccomp.NameWithConditions{Name: name, Conditions: seccomp.ArgumentConditions{{Argument: argument, Operation: op, Value: value}}}
	}
	cs := []seccomp.NameWithConditions{
		// No memory that runs: nothing here makes code.
		one("mmap", 2, seccomp.BitsNotSet, unix.PROT_EXEC),
		one("mprotect", 2, seccomp.BitsNotSet, unix.PROT_EXEC),
		// Threads, not processes.
		one("clone", 0, seccomp.BitsSet, unix.CLONE_THREAD),
		one("tgkill", 0, seccomp.Equal, uint64(pid)),
		// Limits may be read.
		one("prlimit64", 2, seccomp.Equal, 0),
		// The terminal, for a passphrase without echo; never TIOCSTI.
		one("ioctl", 1, seccomp.Equal, unix.TCGETS),
		one("ioctl", 1, seccomp.Equal, unix.TCSETS),
		one("ioctl", 1, seccomp.Equal, unix.TIOCGWINSZ),
	}
	// Names of threads and mappings, and what can be asked; not PR_SET_DUMPABLE.
	for _, option := range []uint64{unix.PR_SET_NAME, unix.PR_SET_VMA, unix.PR_GET_DUMPABLE, unix.PR_GET_SECCOMP, unix.PR_GET_NO_NEW_PRIVS, unix.PR_CAPBSET_READ} {
		cs = append(cs, one("prctl", 0, seccomp.Equal, option))
	}
	return cs
}
