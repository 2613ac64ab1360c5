package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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

// coreRounds is how often the HSM core is measured on one core and on two, in turn.
const coreRounds = 7

// Core measures the HSM without endpoint or store: Encrypt of 32 bytes a second on one core, and what a
// second core adds.
func Core(ctx context.Context, r *Report, dir string) error {
	cpus := machine.Host{}.UsableCPUs()
	var one, two []float64
	var kernel string
	for range coreRounds {
		if err := ctx.Err(); err != nil {
			return err
		}
		v, err := coreChild(dir, cpus[:1])
		if err != nil {
			return err
		}
		one, kernel = append(one, v.PerSecond), v.Kernel
		if len(cpus) > 1 {
			if v, err = coreChild(dir, cpus[:2]); err != nil {
				return err
			}
			two = append(two, v.PerSecond)
		}
	}
	e := stats.BootstrapMean(one, stats.Options{})
	r.add(Figure{Name: "HSM core, Encrypt 32 B, one core", Unit: "/s", Value: stats.Median(one), Low: e.Low, High: e.High,
		Target: "≥ 1000000", Verdict: atLeast(e, 1_000_000), Note: "kernel " + kernel})
	if len(two) > 0 {
		ratio := stats.PairedRatio(two, one, stats.Options{})
		least := 1.4 // the standard library's kernels allocate, and cores share the collector
		if kernel == "aesni" {
			least = 1.85
		}
		r.add(Figure{Name: "HSM core, two cores against one", Unit: "×", Value: ratio.Point, Low: ratio.Low, High: ratio.High,
			Target: fmt.Sprintf("≥ %g", least), Verdict: atLeast(ratio, least), Note: fmt.Sprintf("%.0f/s on two", stats.Median(two))})
	}
	return nil
}

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
	PerSecond float64
	Kernel    string // of AES-GCM
}

// coreChild runs one round in a process of its own, so that GOMAXPROCS follows the pinning.
func coreChild(dir string, cpus []int) (rate coreRate, err error) {
	err = child("hsm", filepath.Join(dir, "core.json"), cpus, &rate)
	return rate, err
}

// child runs this program as a child of some kind, pinned, and reads what it wrote to result into v.
func child(kind, result string, cpus []int, v any) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), ChildVariable+"="+kind, ReadyVariable+"="+result, "GOMAXPROCS="+strconv.Itoa(len(cpus)))
	cmd.Stderr = os.Stderr
	if err := machine.StartPinned(cmd, cpus); err != nil {
		return err
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("measuring in a child (%s): %w", kind, err)
	}
	b, err := os.ReadFile(result)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, v)
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

// CoreChild encrypts for two seconds on GOMAXPROCS goroutines and writes a coreRate to result.
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
	const span = 2 * time.Second
	counts := make([]int, runtime.GOMAXPROCS(0))
	begun := time.Now()
	var wg sync.WaitGroup
	for i := range counts {
		wg.Go(func() { counts[i] = encryptUntil(m, key, begun.Add(span)) })
	}
	wg.Wait()
	total := 0
	for _, n := range counts {
		total += n
	}
	rate := coreRate{PerSecond: float64(total) / time.Since(begun).Seconds()}
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

func encryptUntil(m hsm.Module, key *hsm.Key, end time.Time) (n int) {
	c := hsm.Call{}
	out := make([]byte, 0, 256)
	plaintext := make([]byte, 32)
	aad, _ := hsm.AppendContext(nil, nil)
	for time.Now().Before(end) {
		for range 256 {
			c = hsm.Call{Op: hsm.OpEncrypt, Key: key, AAD: aad, In: plaintext, Out: out}
			if err := m.Do(&c); err != nil {
				return 0
			}
			n++
		}
	}
	return n
}
