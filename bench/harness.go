package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"

	"trent/loadgen/engine"
	"trent/loadgen/machine"
	"trent/loadgen/measure"
	"trent/loadgen/schedule"
	"trent/loadgen/workload"
	"trent/results/stats"
)

func mkdir(dir string) error { return os.MkdirAll(dir, 0o700) }

// clients are the engines with their limits: CPU a request at their ceiling, and the rate that must be valid on one core.
var clients = []struct {
	engine    string
	cpuMicros float64
	validRate float64
	unpaced   float64 // more than the client can send
}{
	{"native", 10, 60_000, 200_000},
	{"vegeta", 50, 12_000, 60_000},
}

// overWrk is how much more CPU a request than wrk the native engine may take.
const overWrk = 1.6

// rig is what the harness is measured with: the echo floor on one core, the client on another.
type rig struct {
	dir      string
	floor    *subject
	client   []int // the client's CPU
	server   []int // the floor's
	workload *workload.Workload
	keys     *engine.Provisioned
	requests []captured
	script   string // wrk's
}

// Harness measures the load generator itself, against the echo floor on another core: CPU a request with TLS and signing beside wrk
// and plain vegeta, the highest paced rate on one core that passes every gate, and the pacer's lag.
func Harness(ctx context.Context, r *Report, binary, dir string, rounds int) error {
	g, done, err := newRig(ctx, binary, dir)
	if err != nil {
		return err
	}
	defer done()
	if err := g.ceiling(ctx, r, rounds); err != nil {
		return fmt.Errorf("ceiling: %w", err)
	}
	native := 0.0
	for _, c := range clients {
		e, err := engine.New(c.engine)
		if err != nil {
			return err
		}
		v := &validSearch{rig: g, engine: e, start: c.validRate / 2, logf: r.logf}
		best, err := v.search(ctx)
		if errors.Is(err, errDisturbed) {
			r.add(Figure{Name: "highest valid paced rate on one core, " + c.engine, Unit: "/s", Value: v.best, Target: fmt.Sprintf("≥ %g", c.validRate),
				Verdict: Inconclusive, Note: err.Error() + "; " + v.note()})
			continue
		}
		if err != nil {
			return fmt.Errorf("valid rate, %s: %w", c.engine, err)
		}
		r.add(single("highest valid paced rate on one core, "+c.engine, "/s", best, c.validRate, false, v.note()))
		if c.engine == "native" {
			native = best
		}
	}
	return g.lag(ctx, r, native)
}

func newRig(ctx context.Context, binary, dir string) (*rig, func(), error) {
	cpus := machine.Host{}.UsableCPUs()
	if len(cpus) < 2 {
		return nil, nil, fmt.Errorf("two usable CPUs are needed, there is %d", len(cpus))
	}
	g := &rig{dir: dir + "/harness", client: cpus[1:2], server: cpus[:1]}
	if err := mkdir(g.dir); err != nil {
		return nil, nil, err
	}
	var err error
	if g.workload, err = mixOf("Encrypt", symmetricDefault, 1); err != nil {
		return nil, nil, err
	}
	trent, err := startTrent(ctx, binary, g.dir, cpus[:1])
	if err != nil {
		return nil, nil, err
	}
	g.keys, err = engine.Provision(ctx, trent.target, g.workload, engine.ProvisionOptions{Keep: true})
	trent.stop()
	if err != nil {
		return nil, nil, err
	}
	if g.requests, err = captureRequests(ctx, g.workload, g.keys); err != nil {
		return nil, nil, fmt.Errorf("capturing requests: %w", err)
	}
	if g.floor, err = startFloor(ctx, g.dir, cpus[:1], costs[0].reply+headerBytes); err != nil {
		return nil, nil, err
	}
	restore, err := machine.PinSelf(g.client)
	if err != nil {
		g.floor.stop()
		return nil, nil, err
	}
	done := func() { _ = restore(); g.floor.stop() }
	u, err := url.Parse(g.floor.ready.Endpoint)
	if err == nil {
		g.script, err = writeScript(g.dir, u.Host, g.requests)
	}
	if err != nil {
		done()
		return nil, nil, err
	}
	return g, done, nil
}

// ceiling measures CPU a request of each client when it sends all it can over the same connections, in rounds of random order.
func (g *rig) ceiling(ctx context.Context, r *Report, rounds int) error {
	names := []string{"native", "vegeta", "wrk", "plain vegeta"}
	micros, rates := map[string][]float64{}, map[string][]float64{}
	noted := ""
	discarded := 0
	for done := 0; done < rounds && discarded <= 2*rounds; {
		if err := ctx.Err(); err != nil {
			return err
		}
		probe := machine.NewProbe(machine.Host{}, 0)
		before := probe.Snapshot()
		found := map[string]cost{}
		for _, i := range rand.Perm(len(names)) {
			c, err := g.unpaced(ctx, names[i])
			if err != nil && names[i] == "wrk" {
				noted = err.Error()
				continue
			}
			if err != nil {
				return fmt.Errorf("%s: %w", names[i], err)
			}
			found[names[i]] = c
		}
		if usage := probe.Usage(before, probe.Snapshot()); usage.Stolen(machine.Host{}.UsableCPUs()) > stealLimit {
			discarded++
			continue
		}
		for name, c := range found {
			micros[name], rates[name] = append(micros[name], c.micros), append(rates[name], c.rate)
		}
		done++
	}
	if len(micros["native"]) == 0 {
		return fmt.Errorf("all rounds were disturbed (stolen CPU above %.0f %%)", stealLimit*100)
	}
	note := func(name string) string {
		return fmt.Sprintf("unpaced, TLS, %d connections, one core, %.0f/s, %d rounds, %d discarded", connections, stats.Median(rates[name]), len(micros[name]), discarded)
	}
	for _, c := range clients {
		r.add(atMost("client CPU a request, "+c.engine, "µs", stats.BootstrapMean(micros[c.engine], stats.Options{}), c.cpuMicros, "signed each; "+note(c.engine)))
	}
	for _, name := range []string{"wrk", "plain vegeta"} {
		f := Figure{Name: "client CPU a request, " + name, Unit: "µs", Verdict: Noted, Note: noted}
		if len(micros[name]) > 0 {
			e := stats.BootstrapMean(micros[name], stats.Options{})
			f.Value, f.Low, f.High, f.Note = e.Point, e.Low, e.High, fmt.Sprintf("%d signed requests in turn; %s", len(g.requests), note(name))
		}
		r.add(f)
	}
	if n := len(micros["wrk"]); n > 0 && n == len(micros["native"]) {
		r.add(atMost("client CPU a request, native over wrk", "×", stats.PairedRatio(micros["native"], micros["wrk"], stats.Options{}), overWrk, "same bytes and connections, native signs each"))
	}
	r.add(Figure{Name: "client CPU a request, vegeta engine over plain vegeta", Unit: "×", Verdict: Noted,
		Value: stats.PairedRatio(micros["vegeta"], micros["plain vegeta"], stats.Options{}).Point})
	return nil
}

// unpaced is one round of a client.
func (g *rig) unpaced(ctx context.Context, name string) (cost, error) {
	switch name {
	case "wrk":
		return runWrk(ctx, g.client, g.script, g.floor.ready.Endpoint, 2*round, connections)
	case "plain vegeta":
		_, c, err := newPlainVegeta(g.floor, g.requests, connections, connections, connections).run(0, round)
		return c, err
	}
	e, err := engine.New(name)
	if err != nil {
		return cost{}, err
	}
	rate := clients[0].unpaced
	if name == "vegeta" {
		rate = clients[1].unpaced
	}
	report, summary, err := runOn(ctx, e, g.floor, g.workload, g.keys, schedule.Constant(rate, round/2), connections)
	if err != nil {
		return cost{}, err
	}
	n := float64(summary.Count(measure.OK))
	if n == 0 {
		return cost{}, fmt.Errorf("no request went well: %v", summary.Errors)
	}
	return cost{micros: report.ClientCPU.Seconds() * 1e6 / n, rate: n / report.Elapsed.Seconds()}, nil
}
