package main

import (
	"errors"
	"io"
	"log"
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
	var m attackModes
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

--engine sdk makes each request a call of the AWS SDK with its own retries and connection pool, and counts
attempts and retries apart. --clients is a closed loop of clients that wait for their answers. Connections can
be limited in age and number of requests; --handshakes and --cold-start are runs about connections alone. A
handshake in mid-run belongs to the latency of the request that needs it.

Exit codes: 0 passed, 1 could not run, 2 usage, 3 a limit was missed, 5 void (client or machine disturbed
the run), 6 inconclusive, 130 interrupted.

Schedules:
  ` + strings.ReplaceAll(schedule.Grammar, "\n", "\n  ") + `

` + schedule.TraceGrammar + `

With --agents the hits are dealt to processes of their own, as one run: the same hits, merged exactly.
With --cluster the agents are on other machines; see 'trent agent --help'.`,
		Example: `  eval "$(trent env)"; trent attack --rate 500 --duration 10s
  trent attack --rate 2000 --duration 30s --workload envelope --slo slo.yaml --why
  trent attack --schedule "linear:100-2000 60s" --engine native --out results/ramp
  trent attack --rate 500 --duration 10s --raw hits.csv.gz --hdr-log latency.hlog
  trent attack --workload web-shop --duration 60s --speedup 1440 --scale 0.01
  trent attack --engine sdk --rate 200 --duration 30s --sdk-max-attempts 5
  trent attack --clients 32 --think 50ms --duration 30s
  trent attack --handshakes 200 --duration 10s --tls-curves hybrid
  trent attack --cold-start 500 --workload envelope
  trent attack --rate 500 --duration 60s --connection-lifetime 10s --tls-resumption
  trent attack --schedule "trace:arrivals.txt.gz ×10"
  trent attack --rate 20000 --duration 60s --agents 4
  trent attack --endpoint https://kms.eu-west-1.amazonaws.com --allow-remote --max-requests 5000`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return runAttack(c, e, &f, &x, &m, &window)
		},
	}
	f.bind(c, engine.Names()[0])
	f.bindMetrics(c)
	x.bind(c)
	window.bind(c)
	m.bind(c)
	c.Flags().StringVar(&f.endpoint, "endpoint", "", "URL of the KMS endpoint (default: AWS_ENDPOINT_URL_KMS or AWS_ENDPOINT_URL)")
	c.Flags().DurationVar(&f.timeout, "timeout", 10*time.Second, "of one request, and the longest wait for a connection")
	return c
}

// attackModes are the flags that only an attack has.
type attackModes struct {
	modeFlags
	connectFlags
	sdkFlags
	agentFlags
}

func (m *attackModes) bind(c *cobra.Command) {
	m.modeFlags.bind(c)
	m.connectFlags.bind(c)
	m.sdkFlags.bind(c)
	m.agentFlags.bind(c)
}

func runAttack(c *cobra.Command, e *environment, f *loadFlags, x *exportFlags, m *attackModes, window *windowFlags) error {
	connect, err := m.connect()
	if err != nil {
		return err
	}
	mode, err := m.resolve(c, e, f, window, &connect)
	if err != nil {
		return err
	}
	if mode.engine != "" && !c.Flags().Changed("engine") {
		f.engine = mode.engine
	}
	if err := knownEngine(f.engine); err != nil {
		return err
	}
	if f.engine == "vegeta" && !mode.open {
		return usageError(engine.ErrOpenOnly, "leave out --engine, or give --engine sdk")
	}
	if f.engine == "sdk" && (connect.Lifetime > 0 || connect.Requests > 1 || connect.HandshakeOnly) {
		return usageError(errors.New("the sdk engine keeps connections by the rules of its own pool"), "use --engine native to limit their lifetime or requests")
	}
	sdk, err := m.options(c, f.engine)
	if err != nil {
		return err
	}
	w, source, err := mode.workloadOf(c, f.workload)
	if err != nil {
		return err
	}
	limits, err := f.limits(slo.None())
	if err != nil {
		return err
	}
	target, err := f.target(e)
	if err != nil {
		return err
	}
	if err := f.guard(c.Context(), e, &target, w, expectedRequests(mode.times, w), w.KeyCount()); err != nil {
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
	if f.engine == "sdk" {
		log.SetOutput(io.Discard) // net/http writes there what servers send out of turn; such answers are counted
	}
	ctx, stop := interruptible(c.Context())
	defer stop()
	options := attack.Options{
		Target: target, Workload: w, WorkloadSource: source, Schedule: mode.times, Limits: limits, Engine: f.engine,
		Connections: f.connections, Connect: connect, SDK: sdk, Timeout: f.timeout, Seed: f.seed, KeepKeys: f.keepKeys,
		Tool: "trent " + version, Command: e.Command, Display: attack.NewDisplay(e.Stderr, e.IsTerminal),
		Metrics: metrics, Raw: raw, HdrLog: hdrLog, Exporter: exporter,
	}
	group, err := m.agentFlags.group(c, e, &options)
	if err == nil && group != nil && raw != nil {
		err = usageError(errors.New("--raw with agents: each hit is known to its agent only"), "leave out --raw; --hdr-log has the latencies of all agents")
	}
	if err != nil {
		return errors.Join(err, exporter.Close(), closeExports())
	}
	record, err := attack.Run(ctx, options)
	if closing := errors.Join(exporter.Close(), closeExports()); err == nil && closing != nil {
		record.Notes = append(record.Notes, "An export is incomplete: "+closing.Error())
	}
	if err != nil {
		return loadError(ctx, err)
	}
	if group != nil {
		record.Agents = group.Result()
	}
	return f.deliver(e, record)
}
