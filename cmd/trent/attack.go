package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"trent/loadgen/attack"
	"trent/loadgen/engine"
	"trent/loadgen/schedule"
	"trent/loadgen/slo"
)

func newAttackCommand(e *environment) *cobra.Command {
	var f loadFlags
	var x exportFlags
	var window windowFlags
	var rate float64
	var duration time.Duration
	var spec string
	c := &cobra.Command{
		Use:   "attack",
		Short: "Send a workload to an endpoint at a given rate and judge what comes back",
		Long: `Attack sends a mix of signed KMS requests on a schedule that does not wait for answers, so that latency
counts from when each request was due. It makes the keys it needs, schedules their deletion afterwards, and
writes a JSON record and an HTML report. Endpoint, credentials, Region and CA come from the usual AWS_*
environment. Without --slo it only measures.

A workload may be a file of causes, such as buckets, queues and starting pods (see 'trent workload'). Without
--rate or --schedule its calls come when the causes make them: by default in the busiest stretch of the
modelled day, or from --from, sped up by --speedup and thinned by --scale.

Exit codes: 0 passed, 1 could not run, 2 usage, 3 a limit was missed, 5 void (client or machine disturbed
the run), 6 inconclusive, 130 interrupted.`,
		Example: `  eval "$(trent env)"; trent attack --rate 500 --duration 10s
  trent attack --rate 2000 --duration 30s --workload envelope --slo slo.yaml --why
  trent attack --schedule "linear:100-2000 60s" --engine native --out results/ramp
  trent attack --rate 500 --duration 10s --raw hits.csv.gz --hdr-log latency.hlog
  trent attack --workload web-shop --duration 60s --speedup 1440 --scale 0.01
  trent attack --endpoint https://kms.eu-west-1.amazonaws.com --allow-remote --max-requests 5000`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			times, err := window.arrivals(c, e, &f, spec, rate, duration)
			if err != nil {
				return err
			}
			return runAttack(c, e, &f, &x, times)
		},
	}
	f.bind(c, engine.Names()[0])
	x.bind(c)
	window.bind(c)
	c.Flags().StringVar(&f.endpoint, "endpoint", "", "URL of the KMS endpoint (default: AWS_ENDPOINT_URL_KMS or AWS_ENDPOINT_URL)")
	c.Flags().DurationVar(&f.timeout, "timeout", 10*time.Second, "of one request, and the longest wait for a connection")
	c.Flags().Float64Var(&rate, "rate", 100, "requests due a second")
	c.Flags().DurationVar(&duration, "duration", 10*time.Second, "length of the run")
	c.Flags().StringVar(&spec, "schedule", "", `instead of a constant rate: "poisson:500 10s", "linear:100-1000 30s", "steps:100x5s,200x5s", …`)
	return c
}

func runAttack(c *cobra.Command, e *environment, f *loadFlags, x *exportFlags, times schedule.Schedule) error {
	if !slices.Contains(engine.Names(), f.engine) {
		return usageError(fmt.Errorf("unknown engine %q", f.engine), "use --engine "+strings.Join(engine.Names(), " or --engine "))
	}
	w, source, err := loadWorkload(f.workload)
	if err != nil {
		return err
	}
	limits := slo.None()
	if f.slo != "" {
		if limits, err = slo.Load(f.slo); err != nil {
			return usageError(err, "the format is described by 'go doc trent/loadgen/slo'")
		}
	}
	target, err := f.target(e)
	if err != nil {
		return err
	}
	metrics, err := f.metricsURL(e, target.URL)
	if err != nil {
		return err
	}
	raw, hdrLog, closeExports, err := x.open()
	if err != nil {
		return err
	}
	exporter, err := x.exporter(w.Name)
	if err != nil {
		return errors.Join(err, closeExports())
	}
	ctx, stop := interruptible(c.Context())
	defer stop()
	record, err := attack.Run(ctx, attack.Options{
		Target: target, Workload: w, WorkloadSource: source, Schedule: times, Limits: limits, Engine: f.engine,
		Connections: f.connections, Timeout: f.timeout, Seed: f.seed, KeepKeys: f.keepKeys,
		Tool: "trent " + version, Command: e.Command, Display: attack.NewDisplay(e.Stderr, e.IsTerminal),
		Metrics: metrics, Raw: raw, HdrLog: hdrLog, Exporter: exporter,
	})
	if closing := errors.Join(exporter.Close(), closeExports()); err == nil && closing != nil {
		record.Notes = append(record.Notes, "An export is incomplete: "+closing.Error())
	}
	if err != nil {
		return loadError(ctx, err)
	}
	return f.deliver(e, record)
}
