package machine_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"trent/loadgen/machine"
)

// hostWith makes a Host over files given by path.
func hostWith(t *testing.T, files map[string]string) machine.Host {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return machine.Host{Root: root}
}

func TestCPUList(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		list string
		want []int
		back string
	}{
		{"0", []int{0}, "0"},
		{"0-2,5", []int{0, 1, 2, 5}, "0-2,5"},
		{"0,1,2\n", []int{0, 1, 2}, "0-2"},
		{"", nil, ""},
	} {
		got, err := machine.ParseCPUList(c.list)
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("ParseCPUList(%q) = %v, %v, want %v", c.list, got, err, c.want)
		}
		if back := machine.FormatCPUList(got); back != c.back {
			t.Errorf("FormatCPUList(%v) = %q, want %q", got, back, c.back)
		}
	}
	for _, bad := range []string{"x", "-1", "2-1", "0-99999999999", "1-"} {
		if got, err := machine.ParseCPUList(bad); err == nil {
			t.Errorf("ParseCPUList(%q) = %v, want an error", bad, got)
		}
	}
}

func FuzzParseCPUList(f *testing.F) {
	for _, seed := range []string{"0", "0-2,5", "", ",", "1-", "0-16383"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, list string) {
		cpus, err := machine.ParseCPUList(list)
		if err != nil || !slices.IsSorted(cpus) || len(slices.Compact(slices.Clone(cpus))) != len(cpus) {
			return
		}
		again, err := machine.ParseCPUList(machine.FormatCPUList(cpus))
		if err != nil || !slices.Equal(again, cpus) {
			t.Errorf("%q: %v became %v, %v", list, cpus, again, err)
		}
	})
}

func TestCPUs(t *testing.T) {
	t.Parallel()
	h := hostWith(t, map[string]string{"proc/stat": "cpu  9 9 9 9\ncpu0 100 10 50 1000 40 5 5 7 0 0\ncpu1 1 0 0 2 0 0 0 0 0 0\nintr 5\n"})
	cpus, err := h.CPUs()
	if err != nil || len(cpus) != 2 {
		t.Fatalf("CPUs = %v, %v, want two", cpus, err)
	}
	want := machine.CPUTimes{CPU: 0, Busy: 1700 * time.Millisecond, Idle: 10400 * time.Millisecond, Stolen: 70 * time.Millisecond}
	if cpus[0] != want {
		t.Errorf("cpu0 = %+v, want %+v", cpus[0], want)
	}
	if _, err := hostWith(t, map[string]string{"proc/stat": "cpu0 a b c d\n"}).CPUs(); err == nil {
		t.Error("letters for ticks: want an error")
	}
}

func TestPressure(t *testing.T) {
	t.Parallel()
	h := hostWith(t, map[string]string{
		"proc/pressure/cpu":                     "some avg10=1.00 avg60=0.00 avg300=0.00 total=1500\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=20\n",
		"proc/pressure/memory":                  "some avg10=0.00 avg60=0.00 avg300=0.00 total=3\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=2\n",
		"proc/pressure/io":                      "some avg10=0.00 avg60=0.00 avg300=0.00 total=5\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=4\n",
		"proc/self/cgroup":                      "3:cpu:/v1\n0::/run/job\n",
		"sys/fs/cgroup/cgroup.controllers":      "cpu\n",
		"sys/fs/cgroup/run/job/cpu.pressure":    "some avg10=0.00 avg60=0.00 avg300=0.00 total=7\n",
		"sys/fs/cgroup/run/job/io.pressure":     "some avg10=0.00 avg60=0.00 avg300=0.00 total=8\n",
		"sys/fs/cgroup/run/job/memory.pressure": "some avg10=0.00 avg60=0.00 avg300=0.00 total=9\n",
	})
	system, err := h.Pressure()
	if err != nil || system.CPU.Some != 1500*time.Microsecond || system.CPU.Full != 20*time.Microsecond || system.IO.Some != 5*time.Microsecond {
		t.Errorf("Pressure = %+v, %v", system, err)
	}
	own, err := h.OwnPressure()
	if err != nil || own.CPU.Some != 7*time.Microsecond || own.Memory.Some != 9*time.Microsecond {
		t.Errorf("OwnPressure = %+v, %v", own, err)
	}
	if _, err := hostWith(t, map[string]string{"proc/self/cgroup": "0::/\n"}).OwnPressure(); err != machine.ErrUnsupported {
		t.Errorf("OwnPressure in the root group: %v, want ErrUnsupported", err)
	}
}

func TestCPUQuota(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		files map[string]string
		want  float64
	}{
		"none": {map[string]string{"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/cgroup.controllers": "", "sys/fs/cgroup/a/cpu.max": "max 100000\n"}, 0},
		"v2, the parent is tighter": {map[string]string{
			"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/cgroup.controllers": "",
			"sys/fs/cgroup/a/b/cpu.max": "400000 100000\n", "sys/fs/cgroup/a/cpu.max": "150000 100000\n"}, 1.5},
		"v1": {map[string]string{
			"proc/self/cgroup": "4:cpu,cpuacct:/docker/x\n",
			"sys/fs/cgroup/cpu/docker/x/cpu.cfs_quota_us":  "50000\n",
			"sys/fs/cgroup/cpu/docker/x/cpu.cfs_period_us": "100000\n"}, 0.5},
		"v1 without": {map[string]string{
			"proc/self/cgroup":                   "4:cpu:/\n",
			"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := hostWith(t, c.files).CPUQuota(); got != c.want {
				t.Errorf("CPUQuota = %v, want %v", got, c.want)
			}
		})
	}
}

func TestRunQueue(t *testing.T) {
	t.Parallel()
	h := hostWith(t, map[string]string{
		"proc/42/task/42/schedstat": "1000 200 3\n",
		"proc/42/task/43/schedstat": "500 50 2\n",
	})
	got, err := h.RunQueue(42)
	if want := (machine.RunQueue{Running: 1500, Delay: 250, Slices: 5}); err != nil || got != want {
		t.Errorf("RunQueue = %+v, %v, want %+v", got, err, want)
	}
	if _, err := h.RunQueue(1); err != machine.ErrUnsupported {
		t.Errorf("RunQueue of nobody: %v, want ErrUnsupported", err)
	}
}

// Every finding says something, and a limiting one says what to do.
func TestReport(t *testing.T) {
	t.Parallel()
	findings := machine.Host{}.Findings(time.Millisecond)
	if len(findings) < 8 {
		t.Fatalf("only %d findings", len(findings))
	}
	for _, f := range findings {
		if f.What == "" || f.Figure == "" || f.OK != (f.Advice == "") {
			t.Errorf("finding %+v: wants a name, a figure, and advice exactly where it limits", f)
		}
	}
}

func TestFingerprint(t *testing.T) {
	t.Parallel()
	h := hostWith(t, map[string]string{
		"proc/sys/kernel/osrelease": "6.1.0-test\n",
		"proc/meminfo":              "MemTotal:       8000 kB\n",
		"sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "performance\n",
	})
	f := h.Fingerprint()
	if f.Kernel != "6.1.0-test" || f.MemoryKiB != 8000 || f.Governor != "performance" || !strings.HasPrefix(f.GoVersion, "go") || f.Cores < 1 {
		t.Errorf("Fingerprint = %+v", f)
	}
}
