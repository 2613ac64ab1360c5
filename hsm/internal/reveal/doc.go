// Package reveal tells the searches of cmd/trent/attacktest what keys a process made, so that they know what to look for.
//
// In every build but one with the tag reveal, which is for those searches alone, its functions are empty and leave
// nothing in the program; TestShippedBinaryRevealsNothing looks. With the tag, a process whose $HOME has a directory named
// revealed appends each key, at the moment it comes into being or is opened, to a file of its own there:
//
//	offset  size  what
//	0       1     n
//	1       n     name
//	1+n     2     m, big-endian
//	3+n     m     key
//
// The bytes go from where they lie to the kernel, by write(2): a copy in the process would be found.
//
// What this package is not: for anything but tests.
package reveal
