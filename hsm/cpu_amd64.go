package hsm

import "github.com/klauspost/cpuid/v2"

// TSC_AUX is where Linux keeps the number of the CPU (bits 0 to 11) and its node. RDPID reads just that, in
// 2 ns; RDTSCP also waits for what came before and reads the clock, in 19 ns.
var (
	hasRDPID  = supportsRDPID()
	hasRDTSCP = cpuid.CPU.Supports(cpuid.RDTSCP)
)

//go:noescape
func rdpid() uint32

//go:noescape
func rdtscp() uint32

// supportsRDPID reads CPUID leaf 7 (ECX bit 22), which package cpuid does not show.
//
//go:noescape
func supportsRDPID() bool

// cpuNumber is the CPU this goroutine runs on at this moment; false: not known here.
func cpuNumber() (uint32, bool) {
	if hasRDPID {
		return rdpid() & 0xfff, true
	}
	if hasRDTSCP {
		return rdtscp() & 0xfff, true
	}
	return 0, false
}
