package hsm

import "github.com/klauspost/cpuid/v2"

var hasRDTSCP = cpuid.CPU.Supports(cpuid.RDTSCP)

// rdtscp returns the processor's TSC_AUX, where Linux keeps the CPU's number (bits 0 to 11) and its node.
//
//go:noescape
func rdtscp() uint32

// cpuNumber is the CPU this goroutine runs on at this moment; false: not known here.
func cpuNumber() (uint32, bool) {
	if !hasRDTSCP {
		return 0, false
	}
	return rdtscp() & 0xfff, true
}
