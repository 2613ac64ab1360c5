//go:build race

package hsm

import "unsafe"

// poison fills a wiped slot, so that in builds for the race detector whoever still uses it gets wrong results.
func poison(s *slotState) {
	all := unsafe.Slice((*byte)(unsafe.Pointer(s)), unsafe.Sizeof(*s))
	for i := range all {
		all[i] = 0xdb
	}
}
