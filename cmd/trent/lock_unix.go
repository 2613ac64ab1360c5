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
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, failure(fmt.Errorf("data directory: %w", err), "")
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		return f, nil
	}
	_ = f.Close()
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, failure(fmt.Errorf("data directory %s is in use by another server", dir),
			"stop that one ('trent stop"+dataDirFlag(dir)+"'), or give another --data-dir")
	}
	return nil, failure(fmt.Errorf("locking the data directory: %w", err), "")
}
