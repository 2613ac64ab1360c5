//go:build !linux

package hsm

import "runtime"

// Harden makes the process undumpable where that is implemented.
func Harden() (heapLocked bool, why string, err error) {
	heapLocked, why = lockHeap()
	return heapLocked, why, nil
}

func lockHeap() (locked bool, why string) {
	return false, "not implemented for " + runtime.GOOS
}
