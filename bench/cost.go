package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"trent/loadgen/engine"
	"trent/loadgen/machine"
	"trent/loadgen/measure"
	"trent/loadgen/schedule"
	"trent/loadgen/workload"
	"trent/results/stats"
)

const (
	connections = 64
	round       = 2 * time.Second
	stealLimit  = 0.01
	// headerBytes is by how much the service's answer headers are longer than the floor's, which its body
	// makes up for: request id, three cache headers.
	headerBytes = 165
)

// operations whose cost is compared with the floor, and the ratio they may reach.
var costs = []struct {
	operation string
	spec      string // of the key
	limit     float64
	reply     int // bytes of the answer's body
}{
	{"Encrypt", symmetricDefault, 1.5, 400},
	{"GenerateDataKey", symmetricDefault, 1.6, 530},
	{"Decrypt", symmetricDefault, 1.6, 300},
	{"Sign", "ECC_NIST_P256", 0, 280},
	{"Sign", "RSA_2048", 0, 530},
	{"Sign", "ML_DSA_65", 0, 4600},
}

const symmetricDefault = "SYMMETRIC_DEFAULT"

func mixOf(operation, spec string, keys int) (*workload.Workload, error) {
	usage := ""
	if operation == "Sign" {
		usage = ", usage: SIGN_VERIFY"
	}
	return workload.Parse(operation, []byte(fmt.Sprintf(
		"name: bench-%s\nkeys:\n  - {name: k, count: %d, spec: %s%s}\nmix:\n  - {operation: %s, payload: {fixed: 32}}\n", operation, keys, spec, usage, operation)))
}

// beside runs f with a server on one CPU of its own and this process on another.
func beside(ctx context.Context, binary, dir string, f func(trent *subject, server, client []int) error, flags ...string) error {
	cpus := machine.Host{}.UsableCPUs()
	if len(cpus) < 2 {
		return fmt.Errorf("two usable CPUs are needed, there is %d", len(cpus))
	}
	server, client := cpus[:1], cpus[1:2]
	trent, err := startTrent(ctx, binary, dir, server, flags...)
	if err != nil {
		return err
	}
	defer trent.stop()
	restore, err := machine.PinSelf(client)
	if err != nil {
		return err
	}
	defer func() { _ = restore() }()
	return f(trent, server, client)
}

// Costs measures server CPU a request over the echo floor for the hot operations, without records.
func Costs(ctx context.Context, r *Report, binary, dir string, pairs int) error {
	return beside(ctx, binary, dir, func(trent *subject, server, client []int) error {
		return costsOf(ctx, r, trent, dir, server, client, pairs)
	}, "--audit", "off")
}

func costsOf(ctx context.Context, r *Report, trent *subject, dir string, server, client []int, pairs int) error {
	bare, err := signChild(dir, client)
	if err != nil {
		return err
	}
	for _, c := range costs {
		w, err := mixOf(c.operation, c.spec, 1)
		if err != nil {
			return err
		}
		if c.operation == "Sign" {
			err = signCost(ctx, r, trent, w, dir, server, c.reply, pairs, stats.Median(bare[c.spec].Bare))
		} else {
			err = costOf(ctx, r, trent, w, dir, server, c.limit, c.reply, pairs, "")
		}
		if err != nil {
			return fmt.Errorf("%s: %w", c.operation, err)
		}
	}
	return nil
}

// Records measures server CPU a request over the echo floor for Encrypt with its CloudTrail record, which the same core
// writes to files.
func Records(ctx context.Context, r *Report, binary, dir string, pairs int) error {
	w, err := mixOf("Encrypt", symmetricDefault, 1)
	if err != nil {
		return err
	}
	return beside(ctx, binary, dir, func(trent *subject, server, _ []int) error {
		return costOf(ctx, r, trent, w, dir, server, 1.65, 400, pairs, " with records")
	}, "--audit", "on")
}

// signCost measures what a Sign costs the server beyond the floor, in bare signatures of so many seconds.
func signCost(ctx context.Context, r *Report, trent *subject, w *workload.Workload, dir string, cpus []int, reply, pairs int, bare float64) error {
	spec := w.Keys[0].Spec
	keys, err := engine.Provision(ctx, trent.target, w, engine.ProvisionOptions{})
	if err != nil {
		return err
	}
	defer func() { _ = keys.Release(context.WithoutCancel(ctx)) }()
	floor, err := startFloor(ctx, dir, cpus, reply+headerBytes)
	if err != nil {
		return err
	}
	defer floor.stop()
	rate := 0.4 / (signLimit*bare + 40e-6) // of what a core could do, with room for the endpoint
	e, discarded, err := paired(ctx, trent, floor, w, keys, rate, pairs)
	if err != nil {
		return err
	}
	note := fmt.Sprintf("%.1f µs less %.1f µs, a bare signature %.1f µs, %.0f/s, %d pairs, %d rounds discarded", e.a*1e6, e.b*1e6, bare*1e6, rate, e.pairs, discarded)
	r.add(single("CPU a request beyond the echo floor, Sign by "+spec+", over a bare signature", "×", (e.a-e.b)/bare, signLimit, true, note))
	return nil
}

func costOf(ctx context.Context, r *Report, trent *subject, w *workload.Workload, dir string, cpus []int, limit float64, reply, pairs int, with string) error {
	name := w.Mix[0].Operation + with
	keys, err := engine.Provision(ctx, trent.target, w, engine.ProvisionOptions{})
	if err != nil {
		return err
	}
	defer func() { _ = keys.Release(context.WithoutCancel(ctx)) }()
	floor, err := startFloor(ctx, dir, cpus, reply+headerBytes)
	if err != nil {
		return err
	}
	defer floor.stop()
	top, err := topRate(ctx, trent, w, keys)
	if err != nil {
		return err
	}
	r.logf("%s: the server's highest rate is about %.0f/s", name, top)
	for _, share := range []float64{0.3, 0.6} {
		rate := share * top
		e, discarded, err := paired(ctx, trent, floor, w, keys, rate, pairs)
		if err != nil {
			return err
		}
		note := fmt.Sprintf("%.1f µs against %.1f µs, %d pairs, %d rounds discarded", e.a*1e6, e.b*1e6, e.pairs, discarded)
		r.add(atMost(fmt.Sprintf("CPU a request over the echo floor, %s 32 B, %.0f %% load (%.0f/s)", name, share*100, rate), "×", e.ratio, limit, note))
	}
	aa, discarded, err := paired(ctx, floor, floor, w, keys, 0.6*top, pairs)
	if err != nil {
		return err
	}
	r.add(Figure{Name: "A/A of the floor, " + name, Unit: "×", Value: aa.ratio.Point, Low: aa.ratio.Low, High: aa.ratio.High, Verdict: Noted,
		Note: fmt.Sprintf("%d rounds discarded", discarded)})
	return nil
}

// topRate is what the server answers a second when more is offered than it, or the client, can do: offers
// grow until twice in a row less than 97 % of them are answered in time.
func topRate(ctx context.Context, s *subject, w *workload.Workload, keys *engine.Provisioned) (float64, error) {
	if _, _, err := run(ctx, s, w, keys, 5_000, round); err != nil { // warms connections, caches and the heap
		return 0, err
	}
	best, missed := 0.0, 0
	for rate := 15_000.0; missed < 2; rate *= 1.3 {
		report, summary, err := run(ctx, s, w, keys, rate, round)
		if err != nil {
			return 0, err
		}
		done := float64(summary.Count(measure.OK)) / report.Elapsed.Seconds()
		best = max(best, done)
		if done < 0.97*rate {
			missed++
		} else {
			missed = 0
		}
	}
	return best, nil
}

// run offers a constant rate for a while.
func run(ctx context.Context, s *subject, w *workload.Workload, keys *engine.Provisioned, rate float64, d time.Duration) (engine.Report, *measure.Summary, error) {
	native, err := engine.New("native")
	if err != nil {
		return engine.Report{}, nil, err
	}
	return runOn(ctx, native, s, w, keys, schedule.Constant(rate, d), connections)
}

func runOn(ctx context.Context, e engine.Engine, s *subject, w *workload.Workload, keys *engine.Provisioned, plan schedule.Schedule, conns int) (engine.Report, *measure.Summary, error) {
	names := make([]string, len(w.Mix))
	for i := range w.Mix {
		names[i] = w.Mix[i].Name
	}
	recorder := measure.NewRecorder(measure.Config{Entries: names})
	report, err := e.Run(ctx, &engine.Plan{
		Target: s.target, Workload: w, Keys: keys, Schedule: plan, Seed: rand.Uint64(), Connections: conns, Recorder: recorder,
	})
	return report, recorder.Summary(), err
}

type pairedCost struct {
	ratio stats.Estimate
	a, b  float64 // median CPU seconds a request
	pairs int
}

// paired measures CPU a request of two servers at one rate, in pairs of rounds in random order. Pairs with
// a round that was disturbed are measured again, up to as many as were asked for.
func paired(ctx context.Context, a, b *subject, w *workload.Workload, keys *engine.Provisioned, rate float64, pairs int) (pairedCost, int, error) {
	var as, bs []float64
	discarded := 0
	for len(as) < pairs && discarded < 2*pairs {
		if err := ctx.Err(); err != nil {
			return pairedCost{}, 0, err
		}
		first, second := a, b
		swapped := rand.IntN(2) == 1
		if swapped {
			first, second = b, a
		}
		x, okX, err := cpuARequest(ctx, first, w, keys, rate)
		if err != nil {
			return pairedCost{}, 0, err
		}
		y, okY, err := cpuARequest(ctx, second, w, keys, rate)
		if err != nil {
			return pairedCost{}, 0, err
		}
		if !okX || !okY {
			discarded++
			continue
		}
		if swapped {
			x, y = y, x
		}
		as, bs = append(as, x), append(bs, y)
	}
	if len(as) == 0 {
		return pairedCost{}, discarded, fmt.Errorf("all %d rounds were disturbed (stolen CPU above %.0f %%)", discarded, stealLimit*100)
	}
	return pairedCost{ratio: stats.PairedRatio(as, bs, stats.Options{}), a: stats.Median(as), b: stats.Median(bs), pairs: len(as)}, discarded, nil
}

// cpuARequest is the server's CPU seconds a request over one round; ok is false for a disturbed round.
func cpuARequest(ctx context.Context, s *subject, w *workload.Workload, keys *engine.Provisioned, rate float64) (float64, bool, error) {
	probe := machine.NewProbe(machine.Host{}, 0)
	before := probe.Snapshot()
	cpu, err := s.cpu()
	if err != nil {
		return 0, false, err
	}
	_, summary, err := run(ctx, s, w, keys, rate, round)
	if err != nil {
		return 0, false, err
	}
	after, err := s.cpu()
	if err != nil {
		return 0, false, err
	}
	usage := probe.Usage(before, probe.Snapshot())
	if n := summary.Count(measure.OK); n < summary.Asked()*99/100 || n == 0 {
		return 0, false, fmt.Errorf("only %d of %d requests to %s went well: %v", n, summary.Asked(), s.name, summary.Errors)
	}
	return (after - cpu).Seconds() / float64(summary.Count(measure.OK)), usage.Stolen(machine.Host{}.UsableCPUs()) <= stealLimit, nil
}
