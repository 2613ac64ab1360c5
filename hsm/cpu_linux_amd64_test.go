package hsm_test

import (
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"trent/hsm"
)

// TestCPUNumber asks each way on every CPU it may run on.
func TestCPUNumber(t *testing.T) {
	t.Parallel()
	runtime.LockOSThread() // and not unlocked: the thread with its affinity ends with the test
	var may unix.CPUSet
	if err := unix.SchedGetaffinity(0, &may); err != nil {
		t.Fatal(err)
	}
	for cpu := range 1024 {
		if !may.IsSet(cpu) {
			continue
		}
		var one unix.CPUSet
		one.Set(cpu)
		if err := unix.SchedSetaffinity(0, &one); err != nil {
			t.Fatal(err)
		}
		for name, got := range hsm.CPUNumbers() {
			if got != uint32(cpu) {
				t.Errorf("on CPU %d %s says %d", cpu, name, got)
			}
		}
	}
}
