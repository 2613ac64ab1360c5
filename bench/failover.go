package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"trent/hsm"
	"trent/hsm/fleet"
	"trent/loadgen/machine"
	"trent/results/stats"
)

const (
	failoverCallers = 32               // of calls that may be repeated
	failoverMakers  = 4                // of calls that may not: they make keys
	failoverPace    = time.Millisecond // of a caller's pairs of calls: a fraction of what the appliances can do, so that two can do it
	failoverBin     = 100 * time.Millisecond
	failoverBefore  = 10 // bins
	failoverAfter   = 30
	failoverWindow  = 5 // bins whose mean is the rate again
	failoverShare   = 0.95
	failoverLimit   = 2.0 // s until the rate is what it was
	failoverSteady  = 0.8 // lowest bin before the kill, as a share of their median, of a machine that is quiet
	failoverKills   = 3
)

// failoverRound is one kill of one appliance of three.
type failoverRound struct {
	recovered   float64 // s from the kill until the rate was full again; that of all bins where it never was
	calls       int64
	wrong       int64   // answers that were not right
	failed      int64   // of calls that may be repeated
	makesFailed int64   // of calls that may not
	why         error   // the last failure
	lowest      float64 // bin after the kill, as a share of the rate before
	bins        []float64
	unsteady    bool // the rate already varied before it
}

// Failover kills one of three appliances under load and watches answers, errors and the rate in bins of 100 ms.
func Failover(ctx context.Context, r *Report, binary string, pairs int) error {
	cpus := machine.Host{}.UsableCPUs()
	c, err := openCluster(ctx, binary, 3, len(cpus))
	if err != nil {
		return err
	}
	defer c.close()
	f, err := c.fleet(ctx, 0, 1, 2)
	if err != nil {
		return err
	}
	defer f.Close()
	keys := make([]*hsm.Key, 4*failoverMakers)
	for i := range keys {
		if keys[i], err = generate(f, hsm.SymmetricDefault, hsm.EncryptDecrypt); err != nil {
			return err
		}
	}
	var recovered []float64
	var all failoverRound
	lowest := 1.0
	n := min(failoverKills, pairs)
	for range n {
		one, err := failoverOnce(ctx, c, f, keys)
		if err != nil {
			return err
		}
		r.logf("failover: calls by 100 ms, killed after %d: %.0f", failoverBefore, one.bins)
		recovered, lowest = append(recovered, one.recovered), min(lowest, one.lowest)
		all.calls, all.wrong, all.failed, all.makesFailed = all.calls+one.calls, all.wrong+one.wrong, all.failed+one.failed, all.makesFailed+one.makesFailed
		all.unsteady = all.unsteady || one.unsteady
		if one.why != nil {
			all.why = one.why
		}
	}
	note := fmt.Sprintf("%d calls, %d kills", all.calls, n)
	why := ""
	if all.why != nil {
		why = "; the last error: " + all.why.Error()
	}
	r.add(single("failover, wrong answers", "", float64(all.wrong), 0, true, note))
	r.add(single("failover, errors of calls that may be repeated", "", float64(all.failed), 0, true, note+why))
	r.add(single("failover, errors of calls that make keys, a kill", "", float64(all.makesFailed)/float64(n), failoverMakers, true,
		fmt.Sprintf("%d are in flight, some of them on the one that is killed; %s%s", failoverMakers, note, why)))
	e := stats.BootstrapMean(recovered, stats.Options{})
	full := atMost("failover, time until the full rate", "s", e, failoverLimit, fmt.Sprintf("bins of %v, mean of %d ≥ %g of the rate before; lowest bin %.2f of it; %s",
		failoverBin, failoverWindow, failoverShare, lowest, note))
	if all.unsteady && full.Verdict == Missed {
		full.Verdict = Inconclusive
		full.Note += "; the rate was not steady before the kill either"
	}
	r.add(full)
	return nil
}

// failoverOnce kills an appliance under load, and waits in the end until it serves again.
func failoverOnce(ctx context.Context, c *cluster, f *fleet.Fleet, keys []*hsm.Key) (one failoverRound, err error) {
	var l failoverLoad
	stopped := make(chan struct{})
	var wg sync.WaitGroup
	for i := range failoverCallers {
		wg.Go(func() { l.ask(f, keys, i, stopped) })
	}
	for range failoverMakers {
		wg.Go(func() { l.make(f, stopped) })
	}
	time.Sleep(2 * failoverBin)
	bins := make([]float64, 0, failoverBefore+failoverAfter)
	tick := time.NewTicker(failoverBin)
	defer tick.Stop()
	last := l.good.Load()
	for len(bins) < cap(bins) {
		if len(bins) == failoverBefore {
			if err = c.kill(rand.IntN(len(c.children.Children()))); err != nil {
				break
			}
		}
		<-tick.C
		now := l.good.Load()
		bins, last = append(bins, float64(now-last)), now
	}
	close(stopped)
	wg.Wait()
	if err != nil {
		return one, fmt.Errorf("killing an appliance: %w", err)
	}
	one = failoverRound{calls: l.calls.Load(), wrong: l.wrong.Load(), failed: l.failed.Load(), makesFailed: l.makesFailed.Load()}
	if why := l.why.Load(); why != nil {
		one.why = *why
	}
	one.bins = bins
	one.recovered, one.lowest = recovery(bins)
	one.unsteady = slices.Min(bins[:failoverBefore]) < failoverSteady*stats.Median(bins[:failoverBefore])
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	return one, f.Wait(ctx, len(c.children.Children()))
}

// recovery is the time from the kill until the first of bins whose mean is the rate before, and the lowest bin as a share of that.
func recovery(bins []float64) (seconds, lowest float64) {
	before := stats.Median(bins[:failoverBefore])
	after := bins[failoverBefore:]
	lowest = 1
	for _, n := range after {
		lowest = min(lowest, n/before)
	}
	for i := 0; i+failoverWindow <= len(after); i++ {
		sum := 0.0
		for _, n := range after[i : i+failoverWindow] {
			sum += n
		}
		if sum/failoverWindow >= failoverShare*before {
			return float64(i) * failoverBin.Seconds(), lowest
		}
	}
	return float64(len(after)) * failoverBin.Seconds(), lowest
}

// failoverLoad counts what callers are answered.
type failoverLoad struct {
	good, calls, wrong, failed, makesFailed atomic.Int64
	why                                     atomic.Pointer[error]
}

// ask encrypts and decrypts what was encrypted, each time something else, at a steady pace.
func (l *failoverLoad) ask(m hsm.Module, keys []*hsm.Key, caller int, stopped <-chan struct{}) {
	plaintext, blob, opened := make([]byte, 32), make([]byte, 0, hsm.BlobSize(32)), make([]byte, 0, 64)
	aad, _ := hsm.AppendContext(nil, nil)
	pace := time.NewTicker(failoverPace) // it drops what a caller is late for: no bin makes up for another
	defer pace.Stop()
	for i := 0; ; i++ {
		select {
		case <-stopped:
			return
		case <-pace.C:
		}
		key := keys[(caller+i)%len(keys)]
		plaintext[0], plaintext[1], plaintext[2], plaintext[3] = byte(caller), byte(i), byte(i>>8), byte(i>>16)
		c := hsm.Call{Op: hsm.OpEncrypt, Key: key, AAD: aad, In: plaintext, Out: blob, Deadline: time.Now().Add(5 * time.Second)}
		if !l.count(m.Do(&c), &l.failed) {
			continue
		}
		d := hsm.Call{Op: hsm.OpDecrypt, Key: key, AAD: aad, In: c.Out, Secret: opened, Deadline: time.Now().Add(5 * time.Second)}
		if l.count(m.Do(&d), &l.failed) && !bytes.Equal(d.Secret, plaintext) {
			l.wrong.Add(1)
		}
	}
}

// make makes keys.
func (l *failoverLoad) make(m hsm.Module, stopped <-chan struct{}) {
	for {
		select {
		case <-stopped:
			return
		case <-time.After(time.Millisecond):
		}
		_, err := generate(m, hsm.SymmetricDefault, hsm.EncryptDecrypt)
		l.count(err, &l.makesFailed)
	}
}

// count notes an answer; an error that is not one of a module that cannot be reached is a wrong one.
func (l *failoverLoad) count(err error, failed *atomic.Int64) bool {
	l.calls.Add(1)
	if err == nil {
		l.good.Add(1)
		return true
	}
	l.why.Store(&err)
	if !errors.Is(err, hsm.ErrUnavailable) && !errors.Is(err, hsm.ErrBusy) && !errors.Is(err, hsm.ErrDeadline) {
		l.wrong.Add(1)
	}
	failed.Add(1)
	return false
}
