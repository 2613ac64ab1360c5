package machine

import (
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/klauspost/cpuid/v2"
)

// Fingerprint is what must be equal before figures of two runs may be compared.
type Fingerprint struct {
	CPUModel   string            `json:"cpu_model"`
	Cores      int               `json:"cores"` // online
	Features   []string          `json:"cpu_features,omitempty"`
	Kernel     string            `json:"kernel"`
	Governor   string            `json:"governor,omitempty"` // "" where the machine does not tell, as in most guests
	Hypervisor string            `json:"hypervisor,omitempty"`
	MemoryKiB  int64             `json:"memory_kib,omitempty"`
	CPUQuota   float64           `json:"cpu_quota,omitempty"` // CPUs; 0: none
	Affinity   string            `json:"affinity,omitempty"`  // of this process, as a CPU list
	GoVersion  string            `json:"go_version"`
	GOMAXPROCS int               `json:"gomaxprocs"`
	Platform   string            `json:"platform"`
	Build      string            `json:"build,omitempty"` // VCS revision, with "+changes" for an unclean tree
	Modules    map[string]string `json:"modules,omitempty"`
}

// features are the CPU features that the figures depend on.
var features = []cpuid.FeatureID{cpuid.AESNI, cpuid.CLMUL, cpuid.SHA, cpuid.AVX2, cpuid.VAES, cpuid.VPCLMULQDQ, cpuid.AVX512F, cpuid.ADX}

// Fingerprint reads the machine and the binary. modules names the dependencies whose versions matter.
func (h Host) Fingerprint(modules ...string) Fingerprint {
	f := Fingerprint{
		CPUModel:   cpuid.CPU.BrandName,
		Cores:      runtime.NumCPU(),
		GoVersion:  runtime.Version(),
		GOMAXPROCS: runtime.GOMAXPROCS(0),
		Platform:   runtime.GOOS + "/" + runtime.GOARCH,
		CPUQuota:   h.CPUQuota(),
	}
	for _, id := range features {
		if cpuid.CPU.Supports(id) {
			f.Features = append(f.Features, id.String())
		}
	}
	if cpuid.CPU.VM() {
		f.Hypervisor = cpuid.CPU.HypervisorVendorString
	}
	if cpus, err := h.CPUs(); err == nil && len(cpus) > 0 {
		f.Cores = len(cpus)
	}
	if version, err := h.read("proc/sys/kernel/osrelease"); err == nil {
		f.Kernel = version
	}
	if governor, err := h.read("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"); err == nil {
		f.Governor = governor
	}
	f.MemoryKiB = h.memory("MemTotal")
	if cpus, err := Affinity(0); err == nil {
		f.Affinity = FormatCPUList(cpus)
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		f.Build = revision(info)
		f.Modules = versions(info, modules)
	}
	return f
}

func revision(info *debug.BuildInfo) string {
	id, changed := "", ""
	for _, setting := range info.Settings {
		switch {
		case setting.Key == "vcs.revision":
			id = setting.Value
		case setting.Key == "vcs.modified" && setting.Value == "true":
			changed = "+changes"
		}
	}
	if id == "" {
		return ""
	}
	return id + changed
}

func versions(info *debug.BuildInfo, names []string) map[string]string {
	found := map[string]string{}
	for _, dep := range info.Deps {
		for _, name := range names {
			if dep.Path == name {
				found[name] = dep.Version
			}
		}
	}
	return found
}

// memory is a line of /proc/meminfo; KiB except for counts of pages; 0 where absent.
func (h Host) memory(name string) int64 {
	text, err := h.read("proc/meminfo")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			fields := strings.Fields(value)
			if len(fields) > 0 {
				n, _ := strconv.ParseInt(fields[0], 10, 64)
				return n
			}
		}
	}
	return 0
}

// UsableCPUs are the CPUs this process may use, cut to its control group's quota, rounded down but at least one.
func (h Host) UsableCPUs() []int {
	cpus, err := Affinity(0)
	if err != nil {
		for cpu := range runtime.NumCPU() {
			cpus = append(cpus, cpu)
		}
	}
	if quota := h.CPUQuota(); quota > 0 && int(quota) < len(cpus) {
		cpus = cpus[:max(int(quota), 1)]
	}
	return cpus
}

// Descriptors is how many file descriptors this process has open and may have. Errors: ErrUnsupported.
func (h Host) Descriptors() (open, limit int, err error) {
	entries, err := os.ReadDir(h.path("proc/self/fd"))
	if err != nil {
		return 0, 0, ErrUnsupported
	}
	limit, err = descriptorLimit()
	return len(entries), limit, err
}
