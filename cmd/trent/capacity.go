package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"trent/loadgen/attack"
	"trent/loadgen/capacity"
	"trent/loadgen/engine"
	"trent/loadgen/slo"
)

func newCapacityCommand(e *environment) *cobra.Command {
	var f loadFlags
	var maxRate float64
	var budget time.Duration
	c := &cobra.Command{
		Use:   "capacity",
		Short: "Find how many requests a second are served within an SLO",
		Long: `Capacity searches the highest rate that is sustained within an SLO, and says what limited it. Without
--endpoint it starts the emulator on CPUs of its own, with a temporary data directory, and takes about a
minute. The SLO by default: ` + slo.Default().String() + `.

The result is "server-bound" only where the server's CPUs were full and the client's were not; otherwise it
is a lower bound, "at least R", with an estimated ceiling from CPU time a request, and the exit code is 6.

Exit codes: 0 server-bound result, 1 could not run, 2 usage, 3 no rate keeps the SLO, 5 void, 6 a lower
bound, 130 interrupted.`,
		Example: `  trent capacity
  trent capacity --workload envelope --slo slo.yaml --out results/envelope
  eval "$(trent env)"; trent capacity --endpoint "$AWS_ENDPOINT_URL_KMS" --max-rate 5000`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if budget < 30*time.Second && budget != 0 || maxRate < 0 {
				return usageError(fmt.Errorf("--duration %s and --max-rate %g: wants at least 30s and a rate", budget, maxRate),
					"a confirming run alone takes 15 s")
			}
			return runCapacity(c, e, &f, maxRate, budget)
		},
	}
	f.bind(c, "native")
	c.Flags().StringVar(&f.endpoint, "endpoint", "", "URL of an endpoint that runs already (default: start the emulator)")
	c.Flags().Float64Var(&maxRate, "max-rate", 0, "never ask for more requests a second (0: no limit)")
	c.Flags().DurationVar(&budget, "duration", 0, "time for all steps together (default: about one minute)")
	return c
}

func runCapacity(c *cobra.Command, e *environment, f *loadFlags, maxRate float64, budget time.Duration) error {
	if !slices.Contains(engine.Names(), f.engine) {
		return usageError(fmt.Errorf("unknown engine %q", f.engine), "use --engine "+strings.Join(engine.Names(), " or --engine "))
	}
	w, source, err := loadWorkload(f.workload)
	if err != nil {
		return err
	}
	limits := slo.Default()
	if f.slo != "" {
		if limits, err = slo.Load(f.slo); err != nil {
			return usageError(err, "the format is described by 'go doc trent/loadgen/slo'")
		}
	}
	o := capacity.Options{
		Workload: w, WorkloadSource: source, Limits: limits, Engine: f.engine, Connections: f.connections,
		MaxRate: maxRate, Budget: budget, Seed: f.seed, KeepKeys: f.keepKeys, Tool: "trent " + version,
		Command: e.Command, Display: attack.NewDisplay(e.Stderr, e.IsTerminal),
	}
	if f.endpoint != "" {
		if o.Target, err = f.target(e); err != nil {
			return err
		}
	} else {
		if o.Spawn, err = spawnOptions(); err != nil {
			return err
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
