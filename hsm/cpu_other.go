//go:build !amd64

package hsm

// cpuNumber is the CPU this goroutine runs on at this moment; false: not known here.
func cpuNumber() (uint32, bool) { return 0, false }
