package machine

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Why the process behind a local port is not named.
var (
	// ErrNoListener: no process that may be seen from here listens on the address.
	ErrNoListener = errors.New("machine: no visible process listens there")
	// ErrOwnListener: this process does, so its CPU time cannot be told from the client's.
	ErrOwnListener = errors.New("machine: this very process listens there")
	// ErrForwarder: a program that only passes bytes on does; the server proper is elsewhere.
	ErrForwarder = errors.New("machine: a forwarder listens there, not the server")
)

// forwarders are programs that listen for a server in another network namespace.
var forwarders = []string{"docker-proxy", "rootlesskit", "rootlessport", "pasta", "pasta.avx2", "slirp4netns", "kubectl", "ssh", "socat"}

// Listener finds the process that listens on a local TCP address: the sockets of /proc/net/tcp and tcp6, and who has
// them open. Of several (workers that inherited the socket) it is the one with the lowest number, which started the
// others. Errors: ErrNoListener, ErrOwnListener, ErrForwarder, ErrUnsupported where there is no /proc/net.
func (h Host) Listener(address netip.AddrPort) (pid int, err error) {
	inodes, err := h.listening(address)
	if err != nil {
		return 0, err
	}
	if len(inodes) == 0 {
		return 0, ErrNoListener
	}
	pids := h.holders(inodes)
	switch {
	case len(pids) == 0:
		return 0, ErrNoListener
	case slices.Contains(pids, os.Getpid()):
		return 0, ErrOwnListener
	}
	pid = slices.Min(pids)
	if name, _ := h.read("proc/" + strconv.Itoa(pid) + "/comm"); slices.Contains(forwarders, name) {
		return 0, fmt.Errorf("%w: %s, process %d", ErrForwarder, name, pid)
	}
	return pid, nil
}

// listening returns the inodes of the sockets that take connections to the address.
func (h Host) listening(address netip.AddrPort) (map[string]bool, error) {
	inodes := map[string]bool{}
	found := false
	for _, name := range []string{"proc/net/tcp", "proc/net/tcp6"} {
		file, err := os.Open(h.path(name))
		if err != nil {
			continue
		}
		found = true
		lines := bufio.NewScanner(file)
		for lines.Scan() {
			fields := strings.Fields(lines.Text())
			if len(fields) < 10 || fields[3] != "0A" { // TCP_LISTEN
				continue
			}
			if local, ok := socketAddress(fields[1]); ok && serves(local, address) {
				inodes[fields[9]] = true
			}
		}
		file.Close()
	}
	if !found {
		return nil, ErrUnsupported
	}
	return inodes, nil
}

// serves tells whether a socket bound to local takes connections to address.
func serves(local, address netip.AddrPort) bool {
	if local.Port() != address.Port() {
		return false
	}
	a, b := local.Addr().Unmap(), address.Addr().Unmap()
	// A socket on :: usually takes IPv4 too.
	return a == b || a.IsUnspecified() && (a.Is6() || b.Is4())
}

// socketAddress reads "0100007F:1F90": words of the address in the machine's byte order, little-endian on all that
// this is used on, and the port.
func socketAddress(text string) (netip.AddrPort, bool) {
	host, port, ok := strings.Cut(text, ":")
	raw, err := hex.DecodeString(host)
	number, portErr := strconv.ParseUint(port, 16, 16)
	if !ok || err != nil || portErr != nil || len(raw)%4 != 0 {
		return netip.AddrPort{}, false
	}
	for word := 0; word < len(raw); word += 4 {
		slices.Reverse(raw[word : word+4])
	}
	address, ok := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(address, uint16(number)), ok
}

// holders lists the processes that have one of the sockets open, as far as this user may look.
func (h Host) holders(inodes map[string]bool) []int {
	entries, err := os.ReadDir(h.path("proc"))
	if err != nil {
		return nil
	}
	var pids []int
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		dir := h.path("proc/" + entry.Name() + "/fd")
		descriptors, err := os.ReadDir(dir)
		if err != nil {
			continue
		}
		for _, d := range descriptors {
			link, err := os.Readlink(filepath.Join(dir, d.Name()))
			inode, isSocket := strings.CutPrefix(link, "socket:[")
			if err == nil && isSocket && inodes[strings.TrimSuffix(inode, "]")] {
				pids = append(pids, pid)
				break
			}
		}
	}
	return pids
}
