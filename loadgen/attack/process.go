package attack

import (
	"errors"
	"net/netip"
	"net/url"
	"strconv"

	"trent/loadgen/machine"
)

// ServerProcess finds the process that serves an endpoint on this machine, so that its CPU time and memory can be
// read: who listens on the port. 0 where it cannot be told, with a sentence for the record where a reader would wonder
// why; an endpoint elsewhere needs none.
func ServerProcess(host machine.Host, endpoint string) (pid int, why string) {
	address, ok := loopback(endpoint)
	if !ok {
		return 0, ""
	}
	pid, err := host.Listener(address)
	switch {
	case err == nil:
		return pid, ""
	case errors.Is(err, machine.ErrOwnListener), errors.Is(err, machine.ErrUnsupported):
		return 0, ""
	case errors.Is(err, machine.ErrForwarder):
		return 0, "The server's CPU time is not known: a forwarder listens on its port, and the server runs behind it."
	}
	return 0, "The server's CPU time is not known: the process that listens on its port is not visible to this user."
}

// loopback is the address of an endpoint on this machine.
func loopback(endpoint string) (netip.AddrPort, bool) {
	u, err := url.Parse(endpoint)
	if err != nil {
		return netip.AddrPort{}, false
	}
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	if err != nil {
		port = map[string]uint64{"https": 443, "http": 80}[u.Scheme]
	}
	host := u.Hostname()
	if host == "localhost" {
		host = "127.0.0.1"
	}
	address, err := netip.ParseAddr(host)
	if err != nil || !address.IsLoopback() {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(address, uint16(port)), true
}
