package machine

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/klauspost/cpuid/v2"
)

// Finding is one thing about this machine that limits the emulator or the harness, or the word that it does not.
type Finding struct {
	What   string `json:"what"`
	Figure string `json:"figure"`
	OK     bool   `json:"ok"`
	Advice string `json:"advice,omitempty"` // what to do; "" when OK
}

// wantedLock is the locked memory that the default key arena wants, with room for growth.
const wantedLock = 64 << 20

// Report examines the running system for `trent doctor`; it takes a second.
func Report() []Finding { return Host{}.Findings(time.Second) }

// Findings examines the machine, watching it for the given time (1 s is enough to see noisy neighbours).
func (h Host) Findings(watch time.Duration) []Finding {
	probe := NewProbe(h, 0)
	before := probe.Snapshot()
	time.Sleep(watch)
	usage := probe.Usage(before, probe.Snapshot())
	return []Finding{
		cpuFinding(len(h.UsableCPUs())),
		quotaFinding(h.CPUQuota()),
		aesFinding(cpuid.CPU.Supports(cpuid.AESNI, cpuid.CLMUL), cpuid.CPU.Supports(cpuid.VAES, cpuid.VPCLMULQDQ)),
		secretFinding(memfdSecret()),
		lockFinding(memlockLimit()),
		h.hugePageFinding(),
		stealFinding(usage),
		pressureFinding(usage),
		h.descriptorFinding(),
		h.governorFinding(),
	}
}

func cpuFinding(n int) Finding {
	f := Finding{What: "usable CPUs", Figure: fmt.Sprint(n), OK: n >= 2}
	if !f.OK {
		f.Advice = "give it two CPUs or more: client and server need one each, with one only CPU a request can be measured"
	}
	return f
}

func quotaFinding(quota float64) Finding {
	if quota == 0 {
		return Finding{What: "CPU quota", Figure: "none", OK: true}
	}
	f := Finding{What: "CPU quota", Figure: fmt.Sprintf("%.2f CPUs", quota), OK: quota == math.Trunc(quota) && quota >= 2}
	if !f.OK {
		f.Advice = "a quota stops all threads for the rest of each period; give whole CPUs by a cpuset (docker --cpuset-cpus, Kubernetes static CPU policy) instead"
	}
	return f
}

func aesFinding(aes, vector bool) Finding {
	switch {
	case aes && vector:
		return Finding{What: "AES instructions", Figure: "AES-NI, PCLMULQDQ, VAES", OK: true}
	case aes:
		return Finding{What: "AES instructions", Figure: "AES-NI, PCLMULQDQ", OK: true}
	}
	return Finding{What: "AES instructions", Figure: "none found",
		Advice: "AES runs many times slower without them; in a guest, pass the host's CPU model through (QEMU -cpu host)"}
}

func secretFinding(err error) Finding {
	if err == nil {
		return Finding{What: "memfd_secret", Figure: "available", OK: true}
	}
	return Finding{What: "memfd_secret", Figure: fmt.Sprintf("not available (%v)", err),
		Advice: "key memory falls back to mlock, which root can still read; boot with secretmem.enable=1 on kernels before 6.5, and allow the system call in the container's seccomp profile"}
}

func lockFinding(limit int64, err error) Finding {
	f := Finding{What: "locked memory limit", OK: true}
	switch {
	case errors.Is(err, ErrUnsupported):
		f.Figure = "unknown"
	case limit < 0:
		f.Figure = "unlimited"
	default:
		f.Figure = bytesText(limit)
		f.OK = limit >= wantedLock
	}
	if !f.OK {
		f.Advice = fmt.Sprintf("raise it to %s or more (ulimit -l, LimitMEMLOCK= in systemd, --ulimit memlock=-1 in docker)", bytesText(wantedLock))
	}
	return f
}

func (h Host) hugePageFinding() Finding {
	mode, err := h.read("sys/kernel/mm/transparent_hugepage/enabled")
	if err != nil {
		return Finding{What: "huge pages", Figure: "unknown", OK: true}
	}
	chosen := mode
	if _, after, ok := strings.Cut(mode, "["); ok {
		chosen, _, _ = strings.Cut(after, "]")
	}
	f := Finding{What: "huge pages", OK: chosen != "never",
		Figure: fmt.Sprintf("transparent: %s; reserved: %d", chosen, h.memory("HugePages_Total"))}
	if !f.OK {
		f.Advice = "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled, or reserve some by vm.nr_hugepages: large caches then miss the TLB less"
	}
	return f
}

func stealFinding(u Usage) Finding {
	stolen := u.Stolen(nil)
	if math.IsNaN(stolen) {
		return Finding{What: "CPU time stolen by the hypervisor", Figure: "unknown", OK: true}
	}
	f := Finding{What: "CPU time stolen by the hypervisor", Figure: percentText(stolen), OK: stolen <= 0.01}
	if !f.OK {
		f.Advice = "other guests take this machine's CPUs, so runs will be void (the limit is 1 %); measure at another time or on a dedicated host"
	}
	return f
}

func pressureFinding(u Usage) Finding {
	share := func(d time.Duration) float64 { return float64(d) / float64(max(u.Wall, 1)) }
	cpu, memory, io := share(u.System.CPU.Some), share(u.System.Memory.Some), share(u.System.IO.Some)
	f := Finding{What: "noisy neighbours (pressure stalls)", OK: cpu <= 0.05 && memory <= 0.01 && io <= 0.05,
		Figure: fmt.Sprintf("CPU %s, memory %s, I/O %s", percentText(cpu), percentText(memory), percentText(io))}
	if !f.OK {
		f.Advice = "something else on this machine competes for it; stop it, or pin it to other CPUs, before measuring"
	}
	return f
}

func (h Host) descriptorFinding() Finding {
	_, limit, err := h.Descriptors()
	if err != nil {
		return Finding{What: "open files limit", Figure: "unknown", OK: true}
	}
	f := Finding{What: "open files limit", Figure: fmt.Sprint(limit), OK: limit >= 4096}
	if !f.OK {
		f.Advice = "raise it (ulimit -n 65536): each connection needs a descriptor"
	}
	return f
}

func (h Host) governorFinding() Finding {
	governor, err := h.read("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
	if err != nil {
		return Finding{What: "frequency governor", Figure: "not visible", OK: true}
	}
	f := Finding{What: "frequency governor", Figure: governor, OK: governor == "performance"}
	if !f.OK {
		f.Advice = "cpupower frequency-set -g performance, so that CPU a request does not depend on the load"
	}
	return f
}

func percentText(share float64) string { return fmt.Sprintf("%.1f %%", share*100) }

func bytesText(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
}
