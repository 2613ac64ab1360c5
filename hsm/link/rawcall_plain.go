//go:build unix && (!linux || race)

package link

import (
	"errors"
	"syscall"
)

// readNow reads from a socket that does not block; the race detector sees it.
func readNow(fd uintptr, buf []byte) (int, syscall.Errno) {
	n, err := syscall.Read(int(fd), buf)
	return n, errnoOf(err)
}

// writeNow writes to a socket that does not block.
func writeNow(fd uintptr, buf []byte) (int, syscall.Errno) {
	n, err := syscall.Write(int(fd), buf)
	return n, errnoOf(err)
}

func errnoOf(err error) syscall.Errno {
	if err == nil {
		return 0
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return syscall.EIO
}
