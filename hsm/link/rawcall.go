//go:build linux && !race

package link

import (
	"syscall"
	"unsafe"
)

// readNow reads from a socket that does not block; buf is not empty.
func readNow(fd uintptr, buf []byte) (int, syscall.Errno) {
	n, _, err := syscall.RawSyscall(syscall.SYS_READ, fd, uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)))
	return int(n), err
}

// writeNow writes to a socket that does not block; buf is not empty.
func writeNow(fd uintptr, buf []byte) (int, syscall.Errno) {
	n, _, err := syscall.RawSyscall(syscall.SYS_WRITE, fd, uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)))
	return int(n), err
}
