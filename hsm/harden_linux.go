package hsm

import (
	"fmt"

	"golang.org/x/sys/unix"

	"trent/hsm/internal/arena"
)

// Harden makes the process undumpable: no core files, no reading of its memory by other processes of the same
// user (PR_SET_DUMPABLE, RLIMIT_CORE). It is for the binary to call before any key is read. Where the
// process may lock what it likes, it also locks all of its memory; heapLocked says so, why says why not.
func Harden() (heapLocked bool, why string, err error) {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return false, "", fmt.Errorf("forbidding core files: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return false, "", fmt.Errorf("making the process undumpable: %w", err)
	}
	heapLocked, why = lockHeap()
	return heapLocked, why, nil
}

// lockHeap locks all pages as they come into use. Under a limit that would end the process at the first
// growth of the heap beyond it, so it is done without a limit only.
func lockHeap() (locked bool, why string) {
	if limit, limited := arena.Limit(); limited {
		return false, fmt.Sprintf("the limit on locked memory is %d bytes: give CAP_IPC_LOCK or an unlimited ulimit -l", limit)
	}
	if err := unix.Mlockall(unix.MCL_CURRENT | unix.MCL_FUTURE | unix.MCL_ONFAULT); err != nil {
		return false, "mlockall: " + err.Error()
	}
	return true, ""
}
