//go:build !linux

package appliance

import (
	"net"
	"os"
)

// maxSocketPath is what a path of a Unix socket may have in bytes on every other system that this runs on (sun_path, unix(7)).
const maxSocketPath = 103

// listenPrivate makes a Unix socket and closes it to others. Its directory is 0700, so that nobody else reaches the
// socket in between.
func listenPrivate(path string) (*net.UnixListener, error) {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		_ = l.Close()
		return nil, err
	}
	return l, nil
}

// peerListener relies on the socket's and the directory's modes where peer credentials are not read.
type peerListener struct{ *net.UnixListener }
