package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"trent/fastpath"
	"trent/hsm"
	"trent/loadgen/machine"
	"trent/results/stats"
)

// coreRounds is how often the HSM core is measured on one core and on two, in random order.
const coreRounds = 7

const (
	coreSpan   = time.Second
	coreGain   = 1.85 // Encrypt on two cores over one
	coreOthers = 0.05 // share of the cores that others may use
)

// corePair is a round on one core and one on two, the latter empty where there is one core.
type corePair struct{ one, two coreRate }

// Core measures the HSM without endpoint or store: Encrypt of 32 bytes a second on one core, what a second core adds, and
// what of the heap it uses. Each thread is pinned to a core of its own.
func Core(ctx context.Context, r *Report, dir string) error {
	cpus := machine.Host{}.UsableCPUs()
	cpus = cpus[:min(2, len(cpus))]
	var used time.Duration // by children
	own := func() (time.Duration, error) {
		cpu, err := machine.ProcessCPU(os.Getpid())
		return cpu + used, err
	}
	found, took, err := collect(ctx, coreRounds, rounds{cpus, own, coreOthers}, func() (p corePair, err error) {
		for _, i := range rand.Perm(len(cpus)) {
			v, err := coreChild(dir, cpus[:i+1])
			if err != nil {
				return p, err
			}
			used += v.used
			if i == 0 {
				p.one = v
			} else {
				p.two = v
			}
		}
		return p, nil
	})
	if err != nil {
		return err
	}
	addCore(r, found, took, len(cpus))
	return nil
}

func addCore(r *Report, found []corePair, t took, cores int) {
	var one, two, oneCPU, twoCPU []float64
	allocations, kernel := 0.0, ""
	for _, p := range found {
		one, two = append(one, p.one.PerSecond), append(two, p.two.PerSecond)
		oneCPU, twoCPU = append(oneCPU, p.one.PerCPUSecond), append(twoCPU, p.two.PerCPUSecond)
		allocations, kernel = max(allocations, p.one.Allocations, p.two.Allocations), p.one.Kernel
	}
	e := stats.BootstrapMean(one, stats.Options{})
	r.add(t.judged(Figure{Name: "HSM core, Encrypt 32 B, one core", Unit: "/s", Value: stats.Median(one), Low: e.Low, High: e.High,
		Target: "≥ 1000000", Verdict: atLeast(e, 1_000_000), Note: "kernel " + kernel}))
	f := single("HSM core, heap allocations an Encrypt", "", allocations, coreAllocations, true, "kernel "+kernel)
	if kernel != "aesni" {
		f.Target, f.Verdict = "", Noted // the standard library's kernels allocate
	}
	r.add(f)
	if cores < 2 {
		return
	}
	ratio := stats.PairedRatio(two, one, stats.Options{})
	least := 1.4 // the standard library's kernels allocate, and cores share the collector
	if kernel == "aesni" {
		least = coreGain
	}
	r.add(t.judged(Figure{Name: "HSM core, two cores against one", Unit: "×", Value: ratio.Point, Low: ratio.Low, High: ratio.High,
		Target: fmt.Sprintf("≥ %g", least), Verdict: atLeast(ratio, least), Note: fmt.Sprintf("%.0f/s on two", stats.Median(two))}))
	busy := stats.PairedRatio(twoCPU, oneCPU, stats.Options{})
	r.add(t.judged(Figure{Name: "HSM core, two cores against one, by the threads' CPU time", Unit: "×", Value: busy.Point, Low: busy.Low, High: busy.High,
		Verdict: Noted, Note: "what others take from the threads is left out, and so is what the threads wait for each other"}))
}

// coreAllocations is what the runtime itself may make in a round, spread over the calls.
const coreAllocations = 0.001

func atLeast(e stats.Estimate, limit float64) Verdict {
	switch {
	case e.Low >= limit:
		return Met
	case e.High < limit:
		return Missed
	}
	return Inconclusive
}

// coreRate is what one round says.
type coreRate struct {
	PerSecond    float64
	PerCPUSecond float64 // of each thread's CPU time, added up
	Allocations  float64 // on the heap, a call
	Kernel       string  // of AES-GCM
	CPUs         []int   // one for each thread

	used time.Duration // CPU time of the child
}

// coreChild runs one round in a process of its own, so that GOMAXPROCS follows the pinning.
func coreChild(dir string, cpus []int) (rate coreRate, err error) {
	rate.used, err = child("hsm", filepath.Join(dir, "core.json"), cpus, &rate)
	return rate, err
}

// child runs this program as a child of some kind, pinned, and reads what it wrote to result into v. It returns the CPU time that the child used.
func child(kind, result string, cpus []int, v any) (used time.Duration, err error) {
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), ChildVariable+"="+kind, ReadyVariable+"="+result, "GOMAXPROCS="+strconv.Itoa(len(cpus)))
	cmd.Stderr = os.Stderr
	if err := machine.StartPinned(cmd, cpus); err != nil {
		return 0, err
	}
	if err := cmd.Wait(); err != nil {
		return 0, fmt.Errorf("measuring in a child (%s): %w", kind, err)
	}
	b, err := os.ReadFile(result)
	if err != nil {
		return 0, err
	}
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), json.Unmarshal(b, v)
}

// openModule makes a module on a directory that done removes.
func openModule() (m *hsm.Local, done func(), err error) {
	dir, err := os.MkdirTemp("", "trent-bench")
	if err != nil {
		return nil, nil, err
	}
	data := filepath.Join(dir, "data")
	if err = mkdir(data); err == nil {
		m, err = hsm.Open(hsm.Config{Dir: data, Seal: hsm.Seal{KeyFile: filepath.Join(dir, "seal.key")}})
	}
	if err != nil {
		return nil, nil, errors.Join(err, os.RemoveAll(dir))
	}
	return m, func() { _ = errors.Join(m.Close(), os.RemoveAll(dir)) }, nil
}

// generate makes a key in m.
func generate(m hsm.Module, spec hsm.KeySpec, usage hsm.Usage) (*hsm.Key, error) {
	identity := hsm.AppendIdentity(nil, "aws", "000000000000", "11111111-2222-4333-8444-555555555555", "us-east-1")
	made := hsm.Call{Op: hsm.OpGenerate, Spec: spec, Usage: usage, Key: &hsm.Key{Identity: identity}, Out: make([]byte, 0, 8<<10), Public: make([]byte, 0, 4<<10)}
	if err := m.Do(&made); err != nil {
		return nil, err
	}
	return &hsm.Key{Token: made.Out, Identity: identity, Material: made.Material, Spec: spec, Usage: usage}, nil
}

// CoreChild encrypts for a second on GOMAXPROCS threads, each on a CPU of its own, and writes a coreRate to result.
func CoreChild(result string) error {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(fastpath.GCPercent) // as the server does
	}
	m, done, err := openModule()
	if err != nil {
		return err
	}
	defer done()
	key, err := generate(m, hsm.SymmetricDefault, hsm.EncryptDecrypt)
	if err != nil {
		return err
	}
	rate, err := coreRound(m, key, machine.Host{}.UsableCPUs())
	if err != nil {
		return err
	}
	status, err := m.Status(context.Background())
	if err != nil {
		return err
	}
	rate.Kernel = status.Kernel
	b, err := json.Marshal(rate)
	if err != nil {
		return err
	}
	return os.WriteFile(result, b, 0o600)
}

// coreThread is what one thread did.
type coreThread struct {
	n       int
	elapsed time.Duration
	cpu     time.Duration
	err     error
}

// coreRound has a thread on each CPU encrypt; all begin at once.
func coreRound(m hsm.Module, key *hsm.Key, cpus []int) (rate coreRate, err error) {
	rate.CPUs = cpus
	threads := make([]coreThread, len(cpus))
	ready, begin := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	for i := range threads {
		wg.Go(func() { threads[i].run(m, key, cpus[i:i+1], ready, begin) })
	}
	for range threads {
		<-ready
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	close(begin)
	wg.Wait()
	runtime.ReadMemStats(&after)
	n := 0
	for _, t := range threads {
		if t.err != nil {
			return rate, t.err
		}
		n += t.n
		rate.PerSecond += float64(t.n) / t.elapsed.Seconds()
		rate.PerCPUSecond += float64(t.n) / t.cpu.Seconds()
	}
	rate.Allocations = float64(after.Mallocs-before.Mallocs) / float64(n)
	return rate, nil
}

// run warms and measures on the thread that it pins, which ends with it.
func (t *coreThread) run(m hsm.Module, key *hsm.Key, cpu []int, ready, begin chan struct{}) {
	runtime.LockOSThread()
	if t.err = machine.PinThread(cpu); t.err == nil {
		_, t.err = encryptUntil(m, key, time.Now().Add(coreSpan/10))
	}
	ready <- struct{}{}
	<-begin
	if t.err != nil {
		return
	}
	var cpuBegun, cpuEnded time.Duration
	if cpuBegun, t.err = machine.ThreadCPU(); t.err != nil {
		return
	}
	begun := time.Now()
	t.n, t.err = encryptUntil(m, key, begun.Add(coreSpan))
	t.elapsed = time.Since(begun)
	if t.err == nil {
		cpuEnded, t.err = machine.ThreadCPU()
		t.cpu = cpuEnded - cpuBegun
	}
}

func encryptUntil(m hsm.Module, key *hsm.Key, end time.Time) (n int, err error) {
	c := hsm.Call{}
	out := make([]byte, 0, 256)
	plaintext := make([]byte, 32)
	aad, err := hsm.AppendContext(nil, nil)
	if err != nil {
		return 0, err
	}
	for time.Now().Before(end) {
		for range 256 {
			c = hsm.Call{Op: hsm.OpEncrypt, Key: key, AAD: aad, In: plaintext, Out: out}
			if err := m.Do(&c); err != nil {
				return n, err
			}
			n++
		}
	}
	return n, nil
}
