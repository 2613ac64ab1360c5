//go:build !linux

package confine

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"trent/hsm"
)

// User is one of the system's.
type User struct{ UID, GID int }

// Lookup finds a user by name or number.
func Lookup(string) (User, error) { return User{}, errors.New("not implemented for " + runtime.GOOS) }

// Drop does what hsm.Harden can here.
func Drop(o Options) (*Report, error) {
	if o.User != "" {
		return nil, fmt.Errorf("becoming user %s: not implemented for %s", o.User, runtime.GOOS)
	}
	locked, why, err := hsm.Harden()
	if err != nil {
		return nil, err
	}
	return &Report{Kernel: runtime.GOOS, User: os.Geteuid(), Dumpable: true, HeapLocked: locked, HeapWhy: why, Capabilities: []string{}}, nil
}

// Close has nothing to confine with here.
func Close(_ Paths, r *Report) error {
	r.SeccompWhy, r.LandlockWhy = "not implemented for "+runtime.GOOS, "not implemented for "+runtime.GOOS
	return nil
}
