package engine

import (
	"errors"
	"syscall"
)

// Names of connections that could not be made because this machine had no more of what they need: the client's doing,
// never the server's. A run with any of them is void.
const (
	PortsExhausted       = "PortsExhausted"       // no free local port
	DescriptorsExhausted = "DescriptorsExhausted" // the limit on open files, of the process or of the system
)

// exhaustion names what the client ran out of when a connection could not be made; "" where that was not the reason.
func exhaustion(err error) string {
	switch {
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return PortsExhausted
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return DescriptorsExhausted
	}
	return ""
}
