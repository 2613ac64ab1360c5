package engine

import "runtime"

// spareProcessor raises GOMAXPROCS so that there is one more than threads that wait in the kernel by themselves, and returns how to
// undo it. A thread keeps its processor through a wait of milliseconds only where another one is idle; without that the runtime's
// monitor takes it away each time, which costs it a look every 20 µs, and the thread must queue for it when it wakes.
func spareProcessor(threads int) (undo func()) {
	before := runtime.GOMAXPROCS(0)
	if before > threads {
		return func() {}
	}
	runtime.GOMAXPROCS(threads + 1)
	return func() { runtime.GOMAXPROCS(before) }
}
