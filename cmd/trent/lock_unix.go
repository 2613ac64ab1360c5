//go:build unix

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// lockDataDir takes the data directory for this process; the lock ends with the process, however it ends.
func lockDataDir(dir string) (*os.File, error) {
	f, busy, err := lockFile(dir)
	if err != nil {
		return nil, failure(fmt.Errorf("locking the data directory: %w", err), "")
	}
	if busy {
		return nil, failure(fmt.Errorf("data directory %s is in use by another server", dir),
			"stop that one ('trent stop"+dataDirFlag(dir)+"'), or give another --data-dir")
	}
	return f, nil
}

// lockStateDir is lockDataDir for an appliance's state directory.
func lockStateDir(dir string) (*os.File, error) {
	f, busy, err := lockFile(dir)
	if err != nil {
		return nil, failure(fmt.Errorf("locking the state directory: %w", err), "")
	}
	if busy {
		return nil, failure(fmt.Errorf("state directory %s is in use by another appliance", dir), "stop that one by SIGTERM, or give another --state")
	}
	return f, nil
}

// lockFile locks a file in dir; busy: another process has it.
func lockFile(dir string) (f *os.File, busy bool, err error) {
	if f, err = os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return nil, false, err
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		return f, false, nil
	}
	_ = f.Close()
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, true, nil
	}
	return nil, false, err
}
