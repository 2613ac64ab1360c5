//go:build !linux

package appliance

import "net"

// peerListener relies on the socket's and the directory's modes where peer credentials are not read.
type peerListener struct{ *net.UnixListener }
