package engine_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"testing"

	"trent/loadgen/engine"
)

// Only what the client ran out of may void a run, so it has names of its own.
func TestConnectionsThatCouldNotBeMade(t *testing.T) {
	t.Parallel()
	dial := func(errno syscall.Errno) error {
		return fmt.Errorf("connecting: %w", &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", errno)})
	}
	for _, c := range []struct {
		err  error
		want string
	}{
		{dial(syscall.EADDRNOTAVAIL), engine.PortsExhausted},
		{dial(syscall.EMFILE), engine.DescriptorsExhausted},
		{dial(syscall.ENFILE), engine.DescriptorsExhausted},
		{dial(syscall.ECONNREFUSED), "ConnectionRefused"},
		{dial(syscall.ETIMEDOUT), "ConnectFailed"},
		{errors.New("else"), "ConnectFailed"},
	} {
		if got := engine.ConnectFault(c.err); got != c.want {
			t.Errorf("%v: %s, want %s", c.err, got, c.want)
		}
	}
}
