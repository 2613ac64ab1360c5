package machine_test

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"trent/loadgen/machine"
)

// TestMain lets the test binary be its own child process.
func TestMain(m *testing.M) {
	if os.Getenv("MACHINE_TEST_CHILD") == "" {
		os.Exit(m.Run())
	}
	cpus, err := machine.Affinity(os.Getpid())
	fmt.Println(machine.FormatCPUList(cpus), err)
	burn(20 * time.Millisecond)
	fmt.Println("burned")
	_, _ = os.Stdin.Read(make([]byte, 1)) // until the parent closes it
}

// burn uses CPU until the process has used that much more.
func burn(cpu time.Duration) {
	start, err := machine.ProcessCPU(os.Getpid())
	for err == nil {
		sum := [32]byte{}
		for range 1000 {
			sum = sha256.Sum256(sum[:])
		}
		var now time.Duration
		if now, err = machine.ProcessCPU(os.Getpid()); now-start >= cpu {
			return
		}
	}
}

func TestProcessCPUCountsExactly(t *testing.T) {
	t.Parallel()
	before, err := machine.ProcessCPU(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	burn(time.Millisecond)
	after, err := machine.ProcessCPU(os.Getpid())
	if err != nil || after-before < time.Millisecond {
		t.Errorf("a burned millisecond counted as %v, %v", after-before, err)
	}
	if _, err := machine.ProcessCPU(1 << 22); err == nil {
		t.Error("the CPU clock of a process that cannot exist was read")
	}
}

func TestStartPinnedAndTree(t *testing.T) {
	t.Parallel()
	allowed, err := machine.Affinity(0)
	if err != nil {
		t.Fatal(err)
	}
	one := allowed[len(allowed)-1:]
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.Command(executable)
	child.Env = append(os.Environ(), "MACHINE_TEST_CHILD=1")
	stdin, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	tree := machine.NewTree(machine.Host{}, os.Getpid())
	before, err := tree.CPU()
	if err != nil {
		t.Fatal(err)
	}
	if err := machine.StartPinned(child, one); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stdout)
	lines.Scan()
	if want := machine.FormatCPUList(one) + " <nil>"; lines.Text() != want {
		t.Errorf("the child runs on CPUs %q, want %q", lines.Text(), want)
	}
	lines.Scan()
	after, err := tree.CPU()
	if err != nil || after-before < 20*time.Millisecond {
		t.Errorf("the tree used %v, %v, want the child's 20 ms in it", after-before, err)
	}
	without := machine.NewTree(machine.Host{}, os.Getpid(), child.Process.Pid)
	if alone, err := without.CPU(); err != nil || alone > after-15*time.Millisecond {
		t.Errorf("without the child the tree used %v, %v, with it %v", alone, err, after)
	}
	own, err := machine.Affinity(0)
	if err != nil || !slices.Equal(own, allowed) {
		t.Errorf("the parent's affinity became %v, %v, want %v", own, err, allowed)
	}
	stdin.Close()
	if err := child.Wait(); err != nil && !strings.Contains(err.Error(), "already closed") {
		t.Error(err)
	}
	ended, err := tree.CPU()
	if err != nil || ended < after {
		t.Errorf("the tree's time fell from %v to %v (%v) when the child ended", after, ended, err)
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	probe := machine.NewProbe(machine.Host{}, os.Getpid())
	before := probe.Snapshot()
	burn(2 * time.Millisecond)
	usage := probe.Usage(before, probe.Snapshot())
	if usage.ClientCPU < 2*time.Millisecond || !usage.HasServer || usage.ServerCPU < 2*time.Millisecond || usage.Wall <= 0 {
		t.Errorf("usage of a burned 2 ms: %+v", usage)
	}
	if usage.ClockStep.Abs() > time.Second {
		t.Errorf("clock step %v", usage.ClockStep)
	}
}

func TestSampler(t *testing.T) {
	t.Parallel()
	sampler := machine.StartSampler(machine.NewProbe(machine.Host{}, 0), time.Millisecond)
	for {
		if _, ok := sampler.Latest(); ok {
			break
		}
		burn(100 * time.Microsecond)
	}
	began, samples := sampler.Stop()
	if began.IsZero() {
		t.Error("the sampler does not say when it began")
	}
	for i := 1; i < len(samples); i++ {
		if samples[i].At <= samples[i-1].At {
			t.Errorf("sample %d at %v is not after %v", i, samples[i].At, samples[i-1].At)
		}
	}
	all := machine.Combined(samples)
	if last := samples[len(samples)-1].At; (all.Wall - last).Abs() > time.Microsecond {
		t.Errorf("all samples together last %v, want %v", all.Wall, last)
	}
}
