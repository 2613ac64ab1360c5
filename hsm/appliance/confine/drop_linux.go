package confine

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"

	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/cap"
	"kernel.org/pub/linux/libs/security/libcap/psx"

	"trent/hsm"
)

// Drop ends the process's privileges. An error leaves it in a state to exit from.
func Drop(o Options) (*Report, error) {
	r := &Report{}
	limited := raiseLockLimit()
	if err := become(o.User); err != nil {
		return nil, err
	}
	if err := dropCapabilities(limited, r); err != nil {
		return nil, fmt.Errorf("dropping capabilities: %w", err)
	}
	if _, _, errno := psx.Syscall6(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0); errno != 0 {
		return nil, fmt.Errorf("forbidding new privileges: %w", errno)
	}
	// After the change of user, which can make the process dumpable again.
	var err error
	if r.HeapLocked, r.HeapWhy, err = hsm.Harden(); err != nil {
		return nil, err
	}
	return r, r.observe()
}

// raiseLockLimit lifts the limit on locked memory where that is allowed; true: there is one left.
func raiseLockLimit() bool {
	var l unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_MEMLOCK, &l) == nil && l.Cur == unix.RLIM_INFINITY {
		return false
	}
	return unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}) != nil
}

// become changes to a user and its main group, without any other group, on all threads.
func become(name string) error {
	if name == "" {
		if os.Geteuid() == 0 {
			// root keeps being root where nobody is named, but needs no groups.
			return wrap("dropping supplementary groups", cap.SetGroups(os.Getegid()))
		}
		return nil
	}
	u, err := Lookup(name)
	if err != nil {
		return err
	}
	if os.Geteuid() == u.UID && os.Getuid() == u.UID {
		return nil
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("becoming user %s: only root can", name)
	}
	if err := cap.SetGroups(u.GID); err != nil {
		return fmt.Errorf("becoming user %s: %w", name, err)
	}
	return wrap("becoming user "+name, cap.SetUID(u.UID))
}

func wrap(doing string, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}

// User is one of the system's.
type User struct{ UID, GID int }

// Lookup finds a user by name or number.
func Lookup(name string) (User, error) {
	u, err := user.Lookup(name)
	if err != nil {
		if _, numeric := strconv.Atoi(name); numeric != nil {
			return User{}, err
		}
		if u, err = user.LookupId(name); err != nil {
			return User{}, err
		}
	}
	uid, err := strconv.Atoi(u.Uid)
	gid, errG := strconv.Atoi(u.Gid)
	if err := errors.Join(err, errG); err != nil {
		return User{}, fmt.Errorf("looking up user %s: %w", name, err)
	}
	return User{uid, gid}, nil
}

// dropCapabilities empties all sets on all threads. What is kept is CAP_IPC_LOCK, where there is one and a limit on
// locked memory would otherwise end the process at the next growth of its locked heap.
func dropCapabilities(limited bool, r *Report) error {
	held := cap.GetProc()
	kept := cap.NewSet()
	lock, err := held.GetFlag(cap.Permitted, cap.IPC_LOCK)
	if err != nil {
		return err
	}
	if limited && lock {
		if err := errors.Join(kept.SetFlag(cap.Permitted, true, cap.IPC_LOCK), kept.SetFlag(cap.Effective, true, cap.IPC_LOCK)); err != nil {
			return err
		}
		r.CapsWhy = "the heap stays locked although the limit on locked memory is lower"
	}
	if may, err := held.GetFlag(cap.Effective, cap.SETPCAP); err == nil && may {
		for v := cap.Value(0); v < cap.MaxBits(); v++ {
			if err := cap.DropBound(v); err != nil {
				return fmt.Errorf("bounding set: %w", err)
			}
		}
	}
	if err := cap.ResetAmbient(); err != nil {
		return fmt.Errorf("ambient set: %w", err)
	}
	return kept.SetProc()
}

// observe asks the kernel what is in force.
func (r *Report) observe() error {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return err
	}
	r.Kernel = unix.ByteSliceToString(name.Sysname[:]) + " " + unix.ByteSliceToString(name.Release[:])
	r.User = os.Geteuid()
	groups, err := os.Getgroups()
	if err != nil {
		return err
	}
	r.Groups = r.Groups[:0]
	for _, g := range groups {
		if g != os.Getegid() {
			r.Groups = append(r.Groups, g)
		}
	}
	dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	if err != nil {
		return err
	}
	privs, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)
	if err != nil {
		return err
	}
	var core unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &core); err != nil {
		return err
	}
	r.Dumpable, r.NoNewPrivs, r.CoreBytes = dumpable != 0, privs == 1, core.Max
	held := cap.GetProc()
	r.Capabilities = []string{}
	for v := cap.Value(0); v < cap.MaxBits(); v++ {
		if on, err := held.GetFlag(cap.Permitted, v); err == nil && on {
			r.Capabilities = append(r.Capabilities, v.String())
		}
	}
	return nil
}
