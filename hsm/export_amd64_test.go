package hsm

// CPUNumbers is the number of this CPU by each instruction that it has.
func CPUNumbers() map[string]uint32 {
	all := map[string]uint32{}
	if hasRDPID {
		all["RDPID"] = rdpid() & 0xfff
	}
	if hasRDTSCP {
		all["RDTSCP"] = rdtscp() & 0xfff
	}
	return all
}
