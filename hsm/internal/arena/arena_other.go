//go:build !linux

package arena

import (
	"math"
	"runtime"
)

// Limit is how many bytes this process may lock, and whether there is a limit at all.
func Limit() (limit int, limited bool) { return math.MaxInt, false }

func newArena(size int) (*Arena, error) {
	if raceEnabled {
		return newHeap(size, Heap, "the race detector does not see mapped memory"), nil
	}
	return newHeap(size, Unlocked, "locked memory is not implemented for "+runtime.GOOS), nil
}
