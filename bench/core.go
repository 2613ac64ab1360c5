package bench

import (
	"context"
	"encoding/json"
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
	for range coreRounds {
		v, err := coreChild(ctx, dir, cpus[:1])
		if err != nil {
			return err
		}
		one = append(one, v)
		if len(cpus) > 1 {
			if v, err = coreChild(ctx, dir, cpus[:2]); err != nil {
				return err
			}
			two = append(two, v)
		}
	}
	e := stats.BootstrapMean(one, stats.Options{})
	r.add(Figure{Name: "HSM core, Encrypt 32 B, one core", Unit: "/s", Value: stats.Median(one), Low: e.Low, High: e.High,
		Target: "≥ 1000000", Verdict: atLeast(e, 1_000_000), Note: "standard library's kernel"})
	if len(two) > 0 {
		ratio := stats.PairedRatio(two, one, stats.Options{})
		r.add(Figure{Name: "HSM core, two cores against one", Unit: "×", Value: ratio.Point, Low: ratio.Low, High: ratio.High,
			Target: "≥ 1.4", Verdict: atLeast(ratio, 1.4), Note: fmt.Sprintf("%.0f/s on two", stats.Median(two))})
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

// coreChild runs one round in a process of its own, so that GOMAXPROCS follows the pinning.
func coreChild(ctx context.Context, dir string, cpus []int) (float64, error) {
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	result := filepath.Join(dir, "core.json")
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), ChildVariable+"=hsm", ReadyVariable+"="+result, "GOMAXPROCS="+strconv.Itoa(len(cpus)))
	cmd.Stderr = os.Stderr
	if err := machine.StartPinned(cmd, cpus); err != nil {
		return 0, err
	}
	if err := cmd.Wait(); err != nil {
		return 0, fmt.Errorf("measuring the HSM core: %w", err)
	}
	var perSecond float64
	b, err := os.ReadFile(result)
	if err != nil {
		return 0, err
	}
	return perSecond, json.Unmarshal(b, &perSecond)
}

// CoreChild encrypts for two seconds on GOMAXPROCS goroutines and writes operations a second to result.
func CoreChild(result string) error {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(fastpath.GCPercent) // as the server does
	}
	dir, err := os.MkdirTemp("", "trent-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	data := filepath.Join(dir, "data")
	if err := mkdir(data); err != nil {
		return err
	}
	m, err := hsm.Open(hsm.Config{Dir: data, Seal: hsm.Seal{KeyFile: filepath.Join(dir, "seal.key")}})
	if err != nil {
		return err
	}
	defer m.Close()
	identity := hsm.AppendIdentity(nil, "aws", "000000000000", "11111111-2222-4333-8444-555555555555", "us-east-1")
	made := hsm.Call{Op: hsm.OpGenerate, Spec: hsm.SymmetricDefault, Usage: hsm.EncryptDecrypt, Key: &hsm.Key{Identity: identity}, Out: make([]byte, 0, 1024)}
	if err := m.Do(&made); err != nil {
		return err
	}
	key := &hsm.Key{Token: made.Out, Identity: identity, Material: made.Material, Spec: hsm.SymmetricDefault, Usage: hsm.EncryptDecrypt}
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
	b, err := json.Marshal(float64(total) / time.Since(begun).Seconds())
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
