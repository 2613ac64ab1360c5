package machine_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"trent/loadgen/machine"
)

// What a thread used before it ended stays counted, and one that starts counts from its start.
func TestActivityOfThreadsThatEnd(t *testing.T) {
	t.Parallel()
	h := hostWith(t, nil)
	pid := os.Getpid()
	thread := func(tid int, delay time.Duration, slices, waited, put int) string {
		dir := filepath.Join(h.Root, "proc", fmt.Sprint(pid), "task", fmt.Sprint(tid))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, text := range map[string]string{
			"schedstat": fmt.Sprintf("%d %d %d\n", 5, delay, slices),
			"status":    fmt.Sprintf("Name:\tx\nvoluntary_ctxt_switches:\t%d\nnonvoluntary_ctxt_switches:\t%d\n", waited, put),
		} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	if err := os.MkdirAll(filepath.Join(h.Root, "proc", fmt.Sprint(pid)), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(h.Root, "proc", fmt.Sprint(pid), "status"), []byte("VmRSS:\t    2048 kB\nRssAnon:\t    1024 kB\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	thread(1, 100, 10, 7, 3)
	ending := thread(2, 1_000_000, 5_000, 4_000, 1_000)
	p := machine.NewProbe(h, 0)
	before := p.Snapshot()
	thread(1, 150, 20, 12, 8)
	if err := os.RemoveAll(ending); err != nil {
		t.Fatal(err)
	}
	thread(3, 40, 4, 2, 2)
	u := p.Usage(before, p.Snapshot())
	if u.ClientDelay != 90 || u.ClientSlices != 14 || u.ClientSwitches != (machine.Switches{Voluntary: 7, Involuntary: 7}) {
		t.Errorf("delay %v, %d slices, switches %+v; want 90ns, 14, 7 and 7", u.ClientDelay, u.ClientSlices, u.ClientSwitches)
	}
	if u.ClientMemory != (machine.Memory{Resident: 2 << 20, Anonymous: 1 << 20}) {
		t.Errorf("memory %+v", u.ClientMemory)
	}
}

// The clock that is set and set back has been wrong meanwhile.
func TestClockStepsDoNotCancelOut(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		steps []time.Duration
		want  time.Duration
	}{
		{[]time.Duration{0, 0}, 0},
		{[]time.Duration{50, 0, -50}, 50},
		{[]time.Duration{-50, 0, 80}, 80},
		{[]time.Duration{10, 10, 10}, 30},
		{[]time.Duration{-10, -10}, 20},
	} {
		var samples []machine.Sample
		for _, step := range c.steps {
			var s machine.Sample
			s.ClockStep, s.Wall = step, time.Second
			samples = append(samples, s)
		}
		if got := machine.Combined(samples).ClockStep; got != c.want {
			t.Errorf("steps %v: %v, want %v", c.steps, got, c.want)
		}
	}
}

// In a container the own group looks like the root, but has what the root lacks.
func TestGroupOfAContainer(t *testing.T) {
	t.Parallel()
	const line = "some avg10=0.00 avg60=0.00 avg300=0.00 total=7\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=3\n"
	files := map[string]string{
		"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cgroup.controllers": "cpu\n", "sys/fs/cgroup/cpu.pressure": line,
		"sys/fs/cgroup/memory.pressure": line, "sys/fs/cgroup/io.pressure": line, "sys/fs/cgroup/cpu.max": "150000 100000\n",
	}
	if _, err := hostWith(t, files).OwnPressure(); err != machine.ErrUnsupported {
		t.Errorf("at the true root: %v", err)
	}
	files["sys/fs/cgroup/cgroup.type"] = "domain\n"
	h := hostWith(t, files)
	own, err := h.OwnPressure()
	if err != nil || own.CPU.Full != 3*time.Microsecond || h.CPUQuota() != 1.5 {
		t.Errorf("%+v, %v, quota %v", own, err, h.CPUQuota())
	}
}
