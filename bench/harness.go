package bench

import (
	"context"
	"fmt"
	"os"
	"time"

	"trent/loadgen/engine"
	"trent/loadgen/machine"
	"trent/loadgen/measure"
	"trent/loadgen/schedule"
	"trent/loadgen/workload"
	"trent/results/stats"
)

func mkdir(dir string) error { return os.MkdirAll(dir, 0o700) }

// clients are the engines with their limits: CPU a request, and the rate that must be valid on one core.
var clients = []struct {
	engine    string
	cpuMicros float64
	validRate float64
	unpaced   float64 // more than the client can send, for CPU a request at its ceiling
	rates     []float64
}{
	{"native", 12, 50_000, 150_000, []float64{20_000, 30_000, 40_000, 50_000, 55_000, 60_000, 70_000}},
	{"vegeta", 50, 12_000, 40_000, []float64{6_000, 8_000, 10_000, 12_000, 13_000, 14_000, 16_000}},
}

// Harness measures the load generator itself, against the echo floor on another core: CPU a request with
// TLS and signing, the highest paced rate that is valid on one core, and the pacer's lag.
func Harness(ctx context.Context, r *Report, binary, dir string, rounds int) error {
	cpus := machine.Host{}.UsableCPUs()
	if len(cpus) < 2 {
		return fmt.Errorf("two usable CPUs are needed, there is %d", len(cpus))
	}
	dir += "/harness"
	if err := mkdir(dir); err != nil {
		return err
	}
	w, err := mixOf("Encrypt", symmetricDefault, 1)
	if err != nil {
		return err
	}
	trent, err := startTrent(ctx, binary, dir, cpus[:1])
	if err != nil {
		return err
	}
	keys, err := engine.Provision(ctx, trent.target, w, engine.ProvisionOptions{Keep: true})
	trent.stop()
	if err != nil {
		return err
	}
	floor, err := startFloor(ctx, dir, cpus[:1], costs[0].reply+headerBytes)
	if err != nil {
		return err
	}
	defer floor.stop()
	restore, err := machine.PinSelf(cpus[1:2])
	if err != nil {
		return err
	}
	defer func() { _ = restore() }()
	for _, c := range clients {
		e, err := engine.New(c.engine)
		if err != nil {
			return err
		}
		var micros []float64
		for range rounds {
			report, summary, err := runOn(ctx, e, floor, w, keys, schedule.Constant(c.unpaced, round/2), connections)
			if err != nil {
				return err
			}
			micros = append(micros, report.ClientCPU.Seconds()*1e6/float64(summary.Count(measure.OK)))
		}
		mean := stats.BootstrapMean(micros, stats.Options{})
		r.add(atMost("client CPU a request, "+c.engine, "µs", mean, c.cpuMicros, fmt.Sprintf("unpaced, TLS and signing, one core, %d rounds", rounds)))
		valid, why, err := validRate(ctx, e, floor, w, keys, c.rates)
		if err != nil {
			return err
		}
		r.add(single("highest valid paced rate on one core, "+c.engine, "/s", valid, c.validRate, false, why))
	}
	return pacer(ctx, r, floor, w, keys)
}

// validRate is the highest of the rates at which nothing of the client would void a run: p99 of client-caused
// lag within 1 ms, every hit sent.
func validRate(ctx context.Context, e engine.Engine, s *subject, w *workload.Workload, keys *engine.Provisioned, rates []float64) (best float64, why string, err error) {
	for _, rate := range rates {
		report, summary, err := runOn(ctx, e, s, w, keys, schedule.Constant(rate, 2*round), connections)
		if err != nil {
			return 0, "", err
		}
		lag := measure.Quantile(summary.ClientLag(), 0.99)
		kept := float64(summary.Count(measure.OK)) >= 0.99*float64(summary.Asked())
		busy := report.ClientCPU.Seconds() / report.Elapsed.Seconds()
		why = fmt.Sprintf("next step %.0f/s: p99 client lag %v, client core %.0f %% busy", rate, lag.Round(time.Microsecond), busy*100)
		if lag > time.Millisecond || !kept {
			return best, why, nil
		}
		best = rate
	}
	return best, "no step failed", nil
}

// pacer measures the lag of handing hits over at 5,000/s.
func pacer(ctx context.Context, r *Report, s *subject, w *workload.Workload, keys *engine.Provisioned) error {
	native, err := engine.New("native")
	if err != nil {
		return err
	}
	_, summary, err := runOn(ctx, native, s, w, keys, schedule.Constant(5_000, 5*time.Second), connections)
	if err != nil {
		return err
	}
	lag := measure.Quantile(summary.Entries[0].Pacer, 0.99)
	r.add(single("pacer lag p99 at 5000/s", "µs", float64(lag.Nanoseconds())/1e3, 100, true, "native engine and pacer on one core"))
	return nil
}
