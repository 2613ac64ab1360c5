package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"trent/hsm"
	"trent/loadgen/attack"
	"trent/loadgen/capacity"
	"trent/loadgen/slo"
)

func newCapacityCommand(e *environment) *cobra.Command {
	var f loadFlags
	var x capacityFlags
	c := &cobra.Command{
		Use:   "capacity",
		Short: "Find how many requests a second are served within an SLO",
		Long: `Capacity searches the highest rate that is sustained within an SLO, and says what limited it. Without
--endpoint it starts the emulator on CPUs of its own, with a temporary data directory, and takes about a
minute. The SLO by default: ` + slo.Default().String() + `.

The result is "server-bound" only where the server's CPUs were full, or a queue in it is named, and the client's CPUs were not; otherwise it
is a lower bound, "at least R", with an estimated ceiling from CPU time a request, and the exit code is 6.
What limits is decided by counters of client, server and service; --why says it in sentences.

Exit codes: 0 server-bound result, 1 could not run, 2 usage, 3 no rate keeps the SLO, 5 void, 6 a lower
bound, 130 interrupted.`,
		Example: `  trent capacity
  trent capacity --workload envelope --slo slo.yaml --out results/envelope --why
  trent capacity --curve --noise --sensitivity payload,keys,connections
  trent capacity --trials 5 --fleet 3 --expect 4000
  trent capacity --hsm spawn               # keys in a process of their own
  eval "$(trent env)"; trent capacity --endpoint "$AWS_ENDPOINT_URL_KMS" --max-rate 5000`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := x.check(); err != nil {
				return err
			}
			return runCapacity(c, e, &f, &x)
		},
	}
	f.bind(c, "native")
	f.bindMetrics(c)
	c.Flags().StringVar(&f.endpoint, "endpoint", "", "URL of an endpoint that runs already (default: start the emulator)")
	x.bind(c)
	return c
}

// capacityFlags are the verb's own.
type capacityFlags struct {
	maxRate      float64
	budget       time.Duration
	noise, curve bool
	trials       int
	sensitivity  []string
	fleet        capacity.Fleet
	hsm          hsmMode
}

func (x *capacityFlags) bind(c *cobra.Command) {
	flags := c.Flags()
	flags.Float64Var(&x.maxRate, "max-rate", 0, "never ask for more requests a second (0: no limit)")
	flags.DurationVar(&x.budget, "duration", 0, "time for all steps of the search together (default: about one minute)")
	flags.BoolVar(&x.noise, "noise", false, "measure the noise by runs alike (A/A), and search no finer; takes 24 s")
	flags.BoolVar(&x.curve, "curve", false, "measure latency at shares of the sustained rate, with intervals; takes about two minutes")
	flags.IntVar(&x.trials, "trials", 1, "repeat the search; five or more give an interval")
	flags.StringSliceVar(&x.sensitivity, "sensitivity", nil, "measure what these do to cost and latency: "+strings.Join(capacity.Dimensions(), ","))
	flags.IntVar(&x.fleet.Modules, "fleet", 0, "number of HSMs behind the endpoint: says what is left with one fewer")
	flags.Var(&x.hsm, "hsm", hsmUsage)
	c.MarkFlagsMutuallyExclusive("hsm", "endpoint")
	flags.Float64Var(&x.fleet.Asked, "expect", 0, "with --fleet: rate that must still be served with one HSM fewer")
}

// check finds flags that make no sense, before anything starts.
func (x *capacityFlags) check() error {
	switch {
	case x.budget < 40*time.Second && x.budget != 0 || x.maxRate < 0:
		return usageError(fmt.Errorf("--duration %s and --max-rate %g: wants at least 40s and a rate", x.budget, x.maxRate),
			"a confirming run alone takes 20 s")
	case x.trials < 1 || x.trials > 50:
		return usageError(fmt.Errorf("--trials %d: wants 1 to 50", x.trials), "five give an interval")
	case x.fleet.Modules < 0 || x.fleet.Modules == 1 || x.fleet.Asked < 0 || x.fleet.Asked > 0 && x.fleet.Modules == 0:
		return usageError(fmt.Errorf("--fleet %d and --expect %g: wants two HSMs or more", x.fleet.Modules, x.fleet.Asked), "for example --fleet 3 --expect 2000")
	}
	for _, name := range x.sensitivity {
		if !slices.Contains(capacity.Dimensions(), name) {
			return usageError(fmt.Errorf("--sensitivity: unknown dimension %q", name), "known: "+strings.Join(capacity.Dimensions(), ", "))
		}
	}
	return nil
}

func runCapacity(c *cobra.Command, e *environment, f *loadFlags, x *capacityFlags) error {
	if err := knownEngine(f.engine); err != nil {
		return err
	}
	w, source, err := loadWorkload(f.workload)
	if err != nil {
		return err
	}
	limits, err := f.limits(slo.Default())
	if err != nil {
		return err
	}
	o := capacity.Options{
		Workload: w, WorkloadSource: source, Limits: limits, Engine: f.engine, Connections: f.connections,
		MaxRate: x.maxRate, Budget: x.budget, Noise: x.noise, Curve: x.curve, Trials: x.trials, Sensitivity: x.sensitivity, Fleet: x.fleet, Seed: f.seed, KeepKeys: f.keepKeys, Tool: "trent " + version,
		Command: e.Command, Display: attack.NewDisplay(e.Stderr, e.IsTerminal),
	}
	if f.endpoint != "" {
		if o.Target, err = f.target(e); err != nil {
			return err
		}
		if o.Metrics, err = f.metricsURL(e, o.Target.URL); err != nil {
			return err
		}
		// Each point makes keys of its own, hundreds in all, which a real service bills until their deletion.
		if u, err := url.Parse(o.Target.URL); len(x.sensitivity) > 0 && (err != nil || !onThisMachine(u)) {
			return usageError(errors.New("--sensitivity makes hundreds of keys, and the endpoint is not on this machine"), "measure it against an endpoint on this machine")
		}
		if err := f.guard(c.Context(), e, &o.Target, w, f.maxRequests, w.KeyCount()); err != nil {
			return err
		}
	} else {
		if o.Spawn, err = spawnOptions(x.hsm.serveFlags()...); err != nil {
			return err
		}
		if x.hsm.Spawn > 1 {
			o.Fleet.Modules, o.TakeOut = x.hsm.Spawn, takeOut
		}
	}
	ctx, stop := interruptible(c.Context())
	defer stop()
	record, err := capacity.Run(ctx, o)
	if err != nil {
		return loadError(ctx, err)
	}
	return f.deliver(e, record)
}

// takeOut drains the first of the HSMs of the server on dataDir, and brings it back.
func takeOut(ctx context.Context, dataDir string) (restore func(context.Context) error, err error) {
	server := serverFlag{server: dataDir}
	const module = "hsm-1"
	if err := server.ask(ctx, "hsm-drain", relayedModule{module}, new([]hsm.ModuleStatus)); err != nil {
		return nil, err
	}
	return func(ctx context.Context) error {
		return server.ask(ctx, "hsm-restore", relayedModule{module}, new([]hsm.ModuleStatus))
	}, nil
}
