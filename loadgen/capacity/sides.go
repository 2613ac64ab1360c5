package capacity

import (
	"errors"
	"fmt"
	"runtime"
	"slices"

	"trent/loadgen/machine"
)

// sides are the CPUs of client and server.
type sides struct {
	client, server []int
	shared         bool // both on the same: only CPU a request can be measured, or nothing is known of the server
}

// count is the number of CPUs that client and server have together.
func (s sides) count() int {
	cpus := map[int]bool{}
	for _, cpu := range slices.Concat(s.client, s.server) {
		cpus[cpu] = true
	}
	return len(cpus)
}

// shareOut shares CPUs out: a quarter to the client, which needs about a third of the server's time a request, and the
// rest to a server that this run starts.
func shareOut(cpus []int, spawn bool) sides {
	if !spawn {
		return sides{client: cpus, shared: true}
	}
	if len(cpus) < 2 {
		return sides{client: cpus, server: cpus, shared: true}
	}
	client := (len(cpus) + 3) / 4
	return sides{client: cpus[:client], server: cpus[client:]}
}

// pin keeps this process to the client's CPUs; two Ps at the least, because the pacer's thread must not take the
// workers' turn.
func pin(s sides) (unpin func() error, err error) {
	if s.shared {
		return func() error { return nil }, nil
	}
	before := runtime.GOMAXPROCS(0)
	restore, err := machine.PinSelf(s.client)
	if errors.Is(err, machine.ErrUnsupported) {
		return func() error { return nil }, nil
	}
	if err != nil {
		return nil, fmt.Errorf("pinning the client: %w", err)
	}
	runtime.GOMAXPROCS(max(2, len(s.client)))
	return func() error {
		runtime.GOMAXPROCS(before)
		return restore()
	}, nil
}
