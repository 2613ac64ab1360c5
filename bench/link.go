package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"time"

	"trent/fastpath"
	"trent/hsm"
	"trent/loadgen/machine"
	"trent/results/stats"
)

// What a separate HSM may cost over one in process.
const (
	linkInFlight  = 64
	linkCPULimit  = 3.0     // µs a request, host and HSM together
	linkRate      = 250_000 // requests a second on two cores
	linkWaitLimit = 25.0    // µs at the median of requests one at a time
	linkSpan      = 300 * time.Millisecond
	linkOthers    = 0.05 // share of the CPUs that others may use
)

// linkSide is a module in one round.
type linkSide struct {
	micros float64 // of CPU a request, with many in flight
	rate   float64 // requests a second, the same
	median float64 // µs of a request, one at a time
}

// linkPair is one round of each.
type linkPair struct{ near, far linkSide }

// Link measures Encrypt of 32 bytes by a module in a process of its own, over a Unix socket, against one in this process.
func Link(ctx context.Context, r *Report, binary string, pairs int) error {
	defer debug.SetGCPercent(debug.SetGCPercent(fastpath.GCPercent)) // as the server does
	cpus := machine.Host{}.UsableCPUs()
	cpus = cpus[:min(2, len(cpus))]
	restore, err := machine.PinSelf(cpus)
	if err != nil {
		return err
	}
	defer func() { _ = restore() }()
	near, closeNear, err := openModule()
	if err != nil {
		return err
	}
	defer closeNear()
	c, err := openCluster(ctx, binary, 1, len(cpus))
	if err != nil {
		return err
	}
	defer c.close()
	if err := c.pin(func(int) []int { return cpus }); err != nil {
		return err
	}
	far, err := c.client(ctx, 0)
	if err != nil {
		return err
	}
	defer far.Close()
	sides := []hsm.Module{near, far}
	keys := make([]*hsm.Key, len(sides))
	for i, m := range sides {
		if keys[i], err = generate(m, hsm.SymmetricDefault, hsm.EncryptDecrypt); err != nil {
			return err
		}
		if _, err := linkRound(m, keys[i], c.cpu); err != nil { // warms
			return err
		}
	}
	found, took, err := collect(ctx, pairs, rounds{cpus, c.cpu, linkOthers}, func() (linkPair, error) {
		var p [2]linkSide
		var errs [2]error
		for _, i := range rand.Perm(2) {
			p[i], errs[i] = linkRound(sides[i], keys[i], c.cpu)
		}
		return linkPair{p[0], p[1]}, errors.Join(errs[:]...)
	})
	if err != nil {
		return err
	}
	addLink(r, found, took)
	return nil
}

func addLink(r *Report, found []linkPair, t took) {
	var cpu, nearCPU, farCPU, rate, wait, nearWait, farWait []float64
	for _, p := range found {
		nearCPU, farCPU, cpu = append(nearCPU, p.near.micros), append(farCPU, p.far.micros), append(cpu, p.far.micros-p.near.micros)
		nearWait, farWait, wait = append(nearWait, p.near.median), append(farWait, p.far.median), append(wait, p.far.median-p.near.median)
		rate = append(rate, p.far.rate)
	}
	r.add(t.judged(atMost("separate HSM, CPU an Encrypt beyond one in process, 64 in flight", "µs", stats.BootstrapMean(cpu, stats.Options{}), linkCPULimit,
		fmt.Sprintf("host and HSM together %.2f µs against %.2f µs", stats.Median(farCPU), stats.Median(nearCPU)))))
	e := stats.BootstrapMean(rate, stats.Options{})
	r.add(t.judged(Figure{Name: "separate HSM, Encrypt on two cores, 64 in flight", Unit: "/s", Value: e.Point, Low: e.Low, High: e.High,
		Target: fmt.Sprintf("≥ %d", linkRate), Verdict: atLeast(e, linkRate)}))
	r.add(t.judged(atMost("separate HSM, an Encrypt at the median beyond one in process, one at a time", "µs", stats.BootstrapMean(wait, stats.Options{}), linkWaitLimit,
		fmt.Sprintf("%.2f µs against %.2f µs", stats.Median(farWait), stats.Median(nearWait)))))
}

// linkRound measures a module with many requests in flight, then with one.
func linkRound(m hsm.Module, key *hsm.Key, cpu func() (time.Duration, error)) (s linkSide, err error) {
	before, err := cpu()
	if err != nil {
		return s, err
	}
	begun := time.Now()
	counts, errs := make([]int, linkInFlight), make([]error, linkInFlight)
	var wg sync.WaitGroup
	for i := range counts {
		wg.Go(func() { counts[i], _, errs[i] = encryptFor(m, key, begun.Add(linkSpan), nil) })
	}
	wg.Wait()
	elapsed := time.Since(begun)
	after, err := cpu()
	if err = errors.Join(append(errs, err)...); err != nil {
		return s, err
	}
	n := 0
	for _, count := range counts {
		n += count
	}
	s.micros, s.rate = (after-before).Seconds()*1e6/float64(n), float64(n)/elapsed.Seconds()
	_, times, err := encryptFor(m, key, time.Now().Add(linkSpan), make([]float64, 0, 1<<18))
	if err != nil {
		return s, err
	}
	s.median = stats.Median(times)
	return s, nil
}

// encryptFor encrypts until end, and appends to times, where that is given and as far as it has room, the µs of each request.
func encryptFor(m hsm.Module, key *hsm.Key, end time.Time, times []float64) (int, []float64, error) {
	out, plaintext := make([]byte, 0, hsm.BlobSize(32)), make([]byte, 32)
	aad, err := hsm.AppendContext(nil, nil)
	if err != nil {
		return 0, nil, err
	}
	var c hsm.Call
	last := time.Now()
	for n := 1; ; n++ {
		c = hsm.Call{Op: hsm.OpEncrypt, Key: key, AAD: aad, In: plaintext, Out: out, Deadline: last.Add(10 * time.Second)}
		if err := m.Do(&c); err != nil {
			return n, times, err
		}
		now := time.Now()
		if len(times) < cap(times) {
			times = append(times, now.Sub(last).Seconds()*1e6)
		}
		if last = now; last.After(end) {
			return n, times, nil
		}
	}
}
