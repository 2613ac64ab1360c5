package bench

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"trent/hsm"
	"trent/loadgen/machine"
	"trent/results/stats"
)

const (
	fleetGain    = 1.8 // throughput of two appliances over that of one
	fleetCallers = 16
	fleetKeys    = 16
	fleetSpan    = 700 * time.Millisecond
	fleetOthers  = 0.05
)

// Fleet measures Sign by RSA_3072 through two appliances, each on a core of its own, against one of them.
func Fleet(ctx context.Context, r *Report, binary string, pairs int) error {
	cpus := machine.Host{}.UsableCPUs()
	if len(cpus) < 2 {
		return fmt.Errorf("two usable CPUs are needed, there is %d", len(cpus))
	}
	c, err := openCluster(ctx, binary, 2, 1)
	if err != nil {
		return err
	}
	defer c.close()
	if err := c.pin(func(i int) []int { return cpus[i : i+1] }); err != nil {
		return err
	}
	var fleets [3]hsm.Module // the first alone, the second alone, both
	for i, members := range [][]int{{0}, {1}, {0, 1}} {
		f, err := c.fleet(ctx, members...)
		if err != nil {
			return err
		}
		defer f.Close()
		fleets[i] = f
	}
	keys := make([]*hsm.Key, fleetKeys)
	for i := range keys {
		if keys[i], err = generate(fleets[2], hsm.RSA3072, hsm.SignVerify); err != nil {
			return err
		}
	}
	for _, f := range fleets {
		if _, err := signRate(f, keys, fleetSpan/2); err != nil { // warms
			return err
		}
	}
	type pair struct{ one, two float64 }
	turn := 0
	found, took, err := collect(ctx, pairs, rounds{cpus[:2], c.cpu, fleetOthers}, func() (p pair, err error) {
		var errs [2]error
		turn++
		for _, i := range rand.Perm(2) {
			if i == 0 {
				p.one, errs[0] = signRate(fleets[turn%2], keys, fleetSpan)
			} else {
				p.two, errs[1] = signRate(fleets[2], keys, fleetSpan)
			}
		}
		return p, errors.Join(errs[:]...)
	})
	if err != nil {
		return err
	}
	var one, two []float64
	for _, p := range found {
		one, two = append(one, p.one), append(two, p.two)
	}
	e := stats.PairedRatio(two, one, stats.Options{})
	r.add(took.judged(Figure{Name: "fleet, Sign by RSA_3072, two appliances against one", Unit: "×", Value: e.Point, Low: e.Low, High: e.High,
		Target: fmt.Sprintf("≥ %g", fleetGain), Verdict: atLeast(e, fleetGain), Note: fmt.Sprintf("%.0f/s against %.0f/s", stats.Median(two), stats.Median(one))}))
	return nil
}

// signRate is how many signatures a second a module makes for all callers together.
func signRate(m hsm.Module, keys []*hsm.Key, span time.Duration) (float64, error) {
	begun := time.Now()
	counts, errs := make([]int, fleetCallers), make([]error, fleetCallers)
	var wg sync.WaitGroup
	for i := range counts {
		wg.Go(func() { counts[i], errs[i] = signUntil(m, keys, i, begun.Add(span)) })
	}
	wg.Wait()
	n := 0
	for _, count := range counts {
		n += count
	}
	return float64(n) / time.Since(begun).Seconds(), errors.Join(errs...)
}

// signUntil signs by one key after the other.
func signUntil(m hsm.Module, keys []*hsm.Key, first int, end time.Time) (n int, err error) {
	digest := sha256.Sum256([]byte("trent bench"))
	out := make([]byte, 0, 512)
	for ; time.Now().Before(end); n++ {
		c := hsm.Call{Op: hsm.OpSign, Key: keys[(first+n)%len(keys)], Algorithm: hsm.PKCS1SHA256, Digest: true, In: digest[:], Out: out,
			Deadline: time.Now().Add(10 * time.Second)}
		if err := m.Do(&c); err != nil {
			return n, err
		}
	}
	return n, nil
}
