package soak

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// limitFiles sets the largest size of a file that a process may write to 0, or to what it may be at the most. The kernel then refuses
// writes as it does on a full disk, with another error number (setrlimit(2), RLIMIT_FSIZE).
func limitFiles(pid int, full bool) error {
	var limit unix.Rlimit
	if err := unix.Prlimit(pid, unix.RLIMIT_FSIZE, nil, &limit); err != nil {
		return fmt.Errorf("reading the limit on file sizes: %w", err)
	}
	limit.Cur = limit.Max
	if full {
		limit.Cur = 0
	}
	if err := unix.Prlimit(pid, unix.RLIMIT_FSIZE, &limit, nil); err != nil {
		return fmt.Errorf("limiting file sizes: %w", err)
	}
	return nil
}
