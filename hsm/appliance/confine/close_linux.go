package confine

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"syscall"
	"time"

	seccomp "github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	"github.com/landlock-lsm/go-landlock/landlock"
	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
)

// Close confines the process, after Drop, and completes its report. Where the kernel has no Landlock or no seccomp
// the report says why, and there is no error; a kernel that has them and refuses is an error.
func Close(p Paths, r *Report) error {
	_, _ = time.Now().Zone() // reads the time zone's file, which is out of reach later
	if err := restrictFiles(p, r); err != nil {
		return fmt.Errorf("confining files: %w", err)
	}
	if !seccomp.Supported() {
		r.SeccompWhy = "not in this kernel"
		return nil
	}
	policy, err := policy()
	if err != nil {
		r.SeccompWhy = err.Error()
		return nil
	}
	if err := seccomp.LoadFilter(seccomp.Filter{NoNewPrivs: true, Flag: seccomp.FilterFlagTSync, Policy: policy}); err != nil {
		return err
	}
	mode, err := unix.PrctlRetInt(unix.PR_GET_SECCOMP, 0, 0, 0, 0)
	if err != nil {
		return fmt.Errorf("asking for the filter of system calls: %w", err)
	}
	if mode != seccompModeFilter {
		return fmt.Errorf("the filter of system calls is not in force: mode %d", mode)
	}
	r.Seccomp = true
	return nil
}

// newestLandlock is the ABI of the rules that are asked for.
const newestLandlock = 11

const seccompModeFilter = 2 // SECCOMP_MODE_FILTER, seccomp(2)

// restrictFiles puts Landlock's rules over all threads.
func restrictFiles(p Paths, r *Report) error {
	abi, err := ll.LandlockGetABIVersion()
	if err != nil || abi < 1 {
		r.LandlockWhy = "not in this kernel, or not switched on"
		return nil
	}
	rules := []landlock.Rule{landlock.RWDirs(p.ReadWrite...)}
	for _, path := range p.Read {
		rules = append(rules, landlock.PathAccess(ll.AccessFSReadFile, path).IgnoreIfMissing())
	}
	if len(p.Sockets) > 0 {
		rules = append(rules, landlock.PathAccess(ll.AccessFSRemoveFile, p.Sockets...))
	}
	if p.Terminal {
		rules = append(rules, landlock.RWFiles("/dev/tty").WithIoctlDev().IgnoreIfMissing())
	}
	// The newest rules that the library knows, less what this kernel lacks.
	if err := landlock.V11.BestEffort().Restrict(rules...); err != nil {
		return err
	}
	r.Landlock = min(abi, newestLandlock)
	return nil
}

// filtered are the architectures for which calls_linux.go is complete.
var filtered = []string{"amd64", "arm64"}

// policy is the filter: calls.go by this machine's table of system calls.
func policy() (seccomp.Policy, error) {
	if !slices.Contains(filtered, runtime.GOARCH) {
		return seccomp.Policy{}, errors.New("which calls a program makes is not known for " + runtime.GOARCH)
	}
	info, err := arch.GetInfo(runtime.GOARCH)
	if err != nil {
		return seccomp.Policy{}, err
	}
	known := func(names []string) (out []string) {
		for _, n := range names {
			if _, ok := info.SyscallNames[n]; ok && !slices.Contains(out, n) {
				out = append(out, n)
			}
		}
		return out
	}
	var conditional []seccomp.NameWithConditions
	for _, c := range conditions(os.Getpid()) {
		if _, ok := info.SyscallNames[c.Name]; ok {
			conditional = append(conditional, c)
		}
	}
	return seccomp.Policy{
		DefaultAction: seccomp.ActionErrno, // EPERM
		Syscalls: []seccomp.SyscallGroup{
			{Action: seccomp.ActionAllow, Names: known(allowed), NamesWithCondtions: conditional},
			{Action: seccomp.ActionErrno | seccomp.Action(syscall.ENOSYS), Names: known(absent)},
		},
	}, nil
}
