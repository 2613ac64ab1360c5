package results

import "time"

// Process is what the scheduler did with a process tree over one interval, and what it held in memory at its end.
type Process struct {
	Delay       time.Duration `json:"run_delay_ns"` // its threads, ready but waiting for a CPU, added up
	Slices      uint64        `json:"slices"`       // times one of them was put on a CPU
	Voluntary   uint64        `json:"voluntary_switches"`
	Involuntary uint64        `json:"involuntary_switches"`
	Resident    int64         `json:"resident_bytes"`
	Anonymous   int64         `json:"anonymous_bytes"`
}

// Pressure is the share of an interval in which tasks stalled: some of them for a CPU, all of them for memory or I/O.
type Pressure struct {
	CPU    float64 `json:"cpu"`
	Memory float64 `json:"memory"`
	IO     float64 `json:"io"`
}
