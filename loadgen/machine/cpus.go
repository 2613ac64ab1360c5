package machine

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// CPUTimes is how one CPU has spent its time since boot. The kernel counts in ticks of 10 ms.
type CPUTimes struct {
	CPU    int
	Busy   time.Duration // user, nice, system, irq, softirq (guest time is within user)
	Idle   time.Duration // idle and waiting for I/O
	Stolen time.Duration // ready, but the hypervisor ran something else
}

// tick is the unit of /proc/stat: USER_HZ is 100 on every Linux port that Go runs on.
const tick = 10 * time.Millisecond

// CPUs reads /proc/stat: one entry for each online CPU.
func (h Host) CPUs() ([]CPUTimes, error) {
	text, err := h.read("proc/stat")
	if err != nil {
		return nil, err
	}
	var cpus []CPUTimes
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 5 || !strings.HasPrefix(fields[0], "cpu") || fields[0] == "cpu" {
			continue
		}
		number, err := strconv.Atoi(fields[0][len("cpu"):])
		if err != nil {
			return nil, fmt.Errorf("reading proc/stat: %q is not a CPU", fields[0])
		}
		// user nice system idle iowait irq softirq steal guest guest_nice (proc_stat(5))
		var t [8]time.Duration
		for i := range min(len(t), len(fields)-1) {
			n, err := strconv.ParseInt(fields[i+1], 10, 64)
			if err != nil {
				return nil, fmt.Errorf("reading proc/stat: %w", err)
			}
			t[i] = time.Duration(n) * tick
		}
		cpus = append(cpus, CPUTimes{CPU: number, Busy: t[0] + t[1] + t[2] + t[5] + t[6], Idle: t[3] + t[4], Stolen: t[7]})
	}
	return cpus, nil
}

// CPUShare is how one CPU spent a window, as shares of the window (0 to 1).
type CPUShare struct {
	CPU    int
	Busy   float64
	Stolen float64
}

// shares is the difference of two readings.
func shares(before, after []CPUTimes) []CPUShare {
	earlier := map[int]CPUTimes{}
	for _, c := range before {
		earlier[c.CPU] = c
	}
	var out []CPUShare
	for _, c := range after {
		b, ok := earlier[c.CPU]
		if !ok {
			continue
		}
		busy, idle, stolen := max(c.Busy-b.Busy, 0), max(c.Idle-b.Idle, 0), max(c.Stolen-b.Stolen, 0)
		total := float64(busy + idle + stolen)
		share := CPUShare{CPU: c.CPU}
		if total > 0 {
			share.Busy, share.Stolen = float64(busy)/total, float64(stolen)/total
		}
		out = append(out, share)
	}
	return out
}

// Pressure is the total time that tasks stalled for a resource since boot (Documentation/accounting/psi.rst).
type Pressure struct {
	Some time.Duration // at least one task waited
	Full time.Duration // all non-idle tasks waited at once
}

// Pressures are the stalls by resource.
type Pressures struct {
	CPU, Memory, IO Pressure
}

// Pressure reads the system's pressure stall information. Errors: ErrUnsupported where the kernel has none.
func (h Host) Pressure() (Pressures, error) {
	return h.pressures("proc/pressure/cpu", "proc/pressure/memory", "proc/pressure/io")
}

// OwnPressure reads that of the own control group. Errors: ErrUnsupported without cgroup v2, or in the root
// group, whose pressure is the system's.
func (h Host) OwnPressure() (Pressures, error) {
	dir, err := h.unifiedGroup()
	if err != nil {
		return Pressures{}, err
	}
	return h.pressures(dir+"/cpu.pressure", dir+"/memory.pressure", dir+"/io.pressure")
}

func (h Host) pressures(cpu, memory, io string) (Pressures, error) {
	var p Pressures
	for _, f := range []struct {
		name string
		into *Pressure
	}{{cpu, &p.CPU}, {memory, &p.Memory}, {io, &p.IO}} {
		text, err := h.read(f.name)
		if err != nil {
			return Pressures{}, ErrUnsupported
		}
		if *f.into, err = parsePressure(text); err != nil {
			return Pressures{}, fmt.Errorf("reading %s: %w", f.name, err)
		}
	}
	return p, nil
}

// parsePressure reads "some avg10=… total=MICROSECONDS" and the same for "full".
func parsePressure(text string) (Pressure, error) {
	var p Pressure
	for line := range strings.Lines(text) {
		_, total, found := strings.Cut(strings.TrimSpace(line), "total=")
		if !found {
			continue
		}
		micros, err := strconv.ParseInt(total, 10, 64)
		if err != nil {
			return p, err
		}
		switch {
		case strings.HasPrefix(line, "some"):
			p.Some = time.Duration(micros) * time.Microsecond
		case strings.HasPrefix(line, "full"):
			p.Full = time.Duration(micros) * time.Microsecond
		}
	}
	return p, nil
}
