package machine_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"trent/loadgen/machine"
)

func TestListener(t *testing.T) {
	t.Parallel()
	const header = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
	line := func(local, state string, inode int) string {
		return fmt.Sprintf("   0: %s 00000000:0000 %s 00000000:00000000 00:00000000 00000000     0        0 %d 1 0 100 0 0 10 0\n", local, state, inode)
	}
	h := hostWith(t, map[string]string{
		"proc/net/tcp": header + line("0100007F:1F90", "0A", 11) + line("0100007F:1F91", "01", 12) + line("00000000:1F92", "0A", 13) +
			line("0100007F:1F94", "0A", 15) + line("0100007F:1F95", "0A", 16),
		"proc/net/tcp6":  header + line("00000000000000000000000000000000:1F93", "0A", 14) + line("00000000000000000000000001000000:1F96", "0A", 17) + "junk\n",
		"proc/77/comm":   "server\n",
		"proc/78/comm":   "server\n",
		"proc/79/comm":   "docker-proxy\n",
		"proc/self/comm": "me\n",
	})
	open := func(pid, fd, inode int) {
		dir := filepath.Join(h.Root, "proc", fmt.Sprint(pid), "fd")
		if err := errors.Join(os.MkdirAll(dir, 0o755), os.Symlink(fmt.Sprintf("socket:[%d]", inode), filepath.Join(dir, fmt.Sprint(fd)))); err != nil {
			t.Fatal(err)
		}
	}
	open(78, 3, 11) // a worker that inherited the socket
	open(77, 5, 11)
	open(77, 6, 13)
	open(77, 7, 14)
	open(77, 8, 17)
	open(79, 3, 15)
	for _, c := range []struct {
		address string
		want    int
		err     error
	}{
		{"127.0.0.1:8080", 77, nil},
		{"127.0.0.1:8081", 0, machine.ErrNoListener}, // connected, not listening
		{"127.0.0.2:8080", 0, machine.ErrNoListener},
		{"127.0.0.1:8082", 77, nil}, // on all addresses
		{"127.0.0.1:8083", 77, nil}, // on all of both families
		{"[::1]:8086", 77, nil},
		{"127.0.0.1:8084", 0, machine.ErrForwarder},
		{"127.0.0.1:8085", 0, machine.ErrNoListener}, // of a process that may not be looked into
		{"127.0.0.1:1", 0, machine.ErrNoListener},
	} {
		got, err := h.Listener(netip.MustParseAddrPort(c.address))
		if got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%s: process %d, %v; want %d, %v", c.address, got, err, c.want, c.err)
		}
	}
	if _, err := (machine.Host{Root: t.TempDir()}).Listener(netip.MustParseAddrPort("127.0.0.1:1")); !errors.Is(err, machine.ErrUnsupported) {
		t.Errorf("without /proc/net: %v", err)
	}
}

func TestListenerOfThisProcess(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := (machine.Host{}).Listener(l.Addr().(*net.TCPAddr).AddrPort()); !errors.Is(err, machine.ErrOwnListener) && !errors.Is(err, machine.ErrUnsupported) {
		t.Errorf("%v, want that this process listens there itself", err)
	}
}
