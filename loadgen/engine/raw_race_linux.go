//go:build linux && race

package engine

import "syscall"

// The race detector knows of package syscall's calls that what was written before an exchange happened before what is read after it.

func receive(fd int, b []byte) (int, syscall.Errno) { return told(syscall.Read(fd, b)) }

func send(fd int, b []byte) (int, syscall.Errno) { return told(syscall.Write(fd, b)) }

// told gives the error as the system does; package syscall's calls return no other kind.
func told(n int, err error) (int, syscall.Errno) {
	errno, _ := err.(syscall.Errno)
	return max(n, 0), errno
}
