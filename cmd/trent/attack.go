package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"trent/loadgen/attack"
	"trent/loadgen/engine"
	"trent/loadgen/schedule"
	"trent/loadgen/slo"
	"trent/loadgen/workload"
	"trent/results"
)

// loadFlags are what attack and capacity share.
type loadFlags struct {
	endpoint    string
	workload    string
	slo         string
	engine      string
	connections int
	timeout     time.Duration
	seed        uint64
	keepKeys    bool
	out         string
	asJSON      bool
	allowRemote bool
	maxRequests uint64
}

func (f *loadFlags) bind(c *cobra.Command, defaultEngine string) {
	flags := c.Flags()
	flags.StringVar(&f.workload, "workload", "mixed", "what is sent: a built-in workload ("+strings.Join(workload.Builtin(), ", ")+") or a file")
	flags.StringVar(&f.slo, "slo", "", "SLO file with the limits that the run is judged by")
	flags.StringVar(&f.engine, "engine", defaultEngine, "how hits are sent: "+strings.Join(engine.Names(), " or "))
	flags.IntVar(&f.connections, "connections", 64, "connections to the endpoint")
	flags.Uint64Var(&f.seed, "seed", 1, "seed of arrivals, keys and payloads; the same seed repeats the same hits")
	flags.BoolVar(&f.keepKeys, "keep-keys", false, "do not schedule the deletion of the keys that the run made")
	flags.StringVar(&f.out, "out", "", "directory for record.json and report.html (default: trent-results/ and the time)")
	flags.BoolVar(&f.asJSON, "json", false, "print the record as JSON instead of tables")
	flags.BoolVar(&f.allowRemote, "allow-remote", false, "permit an endpoint that is not on this machine; needs --max-requests")
	flags.Uint64Var(&f.maxRequests, "max-requests", 0, "hard cap on the requests sent (0: none)")
}

func newAttackCommand(e *environment) *cobra.Command {
	var f loadFlags
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

Exit codes: 0 passed, 1 could not run, 2 usage, 3 a limit was missed, 5 void (client or machine disturbed
the run), 6 inconclusive, 130 interrupted.`,
		Example: `  eval "$(trent env)"; trent attack --rate 500 --duration 10s
  trent attack --rate 2000 --duration 30s --workload envelope --slo slo.yaml
  trent attack --schedule "linear:100-2000 60s" --engine native --out results/ramp
  trent attack --endpoint https://kms.eu-west-1.amazonaws.com --allow-remote --max-requests 5000`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if spec == "" {
				spec = fmt.Sprintf("%g/s %s", rate, duration)
			} else if c.Flags().Changed("rate") || c.Flags().Changed("duration") {
				return usageError(errors.New("--schedule contains rate and duration"), "leave out --rate and --duration, or --schedule")
			}
			times, err := schedule.Parse(spec, f.seed)
			if err != nil {
				return usageError(err, `for example --schedule "poisson:500 30s", "linear:100-1000 30s" or "steps:100x5s,200x5s"`)
			}
			return runAttack(c, e, &f, times)
		},
	}
	f.bind(c, engine.Names()[0])
	c.Flags().StringVar(&f.endpoint, "endpoint", "", "URL of the KMS endpoint (default: AWS_ENDPOINT_URL_KMS or AWS_ENDPOINT_URL)")
	c.Flags().DurationVar(&f.timeout, "timeout", 10*time.Second, "of one request, and the longest wait for a connection")
	c.Flags().Float64Var(&rate, "rate", 100, "requests due a second")
	c.Flags().DurationVar(&duration, "duration", 10*time.Second, "length of the run")
	c.Flags().StringVar(&spec, "schedule", "", `instead of a constant rate: "poisson:500 10s", "linear:100-1000 30s", "steps:100x5s,200x5s", …`)
	return c
}

func runAttack(c *cobra.Command, e *environment, f *loadFlags, times schedule.Schedule) error {
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
	ctx, stop := interruptible(c.Context())
	defer stop()
	record, err := attack.Run(ctx, attack.Options{
		Target: target, Workload: w, WorkloadSource: source, Schedule: times, Limits: limits, Engine: f.engine,
		Connections: f.connections, Timeout: f.timeout, Seed: f.seed, KeepKeys: f.keepKeys,
		Tool: "trent " + version, Command: append([]string{"trent"}, os.Args[1:]...), Display: attack.NewDisplay(e.Stderr, e.IsTerminal),
	})
	if err != nil {
		return loadError(ctx, err)
	}
	return f.deliver(e, record)
}

// interruptible ends the context at the first Ctrl-C or SIGTERM, which makes a partial result; the second kills.
func interruptible(ctx context.Context) (context.Context, context.CancelFunc) {
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

func loadWorkload(name string) (w *workload.Workload, source string, err error) {
	w, err = workload.Load(name)
	if err != nil {
		return nil, "", usageError(err, "built-in workloads: "+strings.Join(workload.Builtin(), ", "))
	}
	// A built-in workload has no file; its name says it all.
	if text, err := os.ReadFile(name); err == nil {
		source = string(text)
	}
	return w, source, nil
}

// target is the endpoint by flag or AWS_* environment.
func (f *loadFlags) target(e *environment) (engine.Target, error) {
	endpoint := first(f.endpoint, e.Getenv("AWS_ENDPOINT_URL_KMS"), e.Getenv("AWS_ENDPOINT_URL"))
	if endpoint == "" {
		return engine.Target{}, usageError(errors.New("no endpoint to attack"),
			`start 'trent serve' and run eval "$(trent env)", or give --endpoint; 'trent capacity' starts a server by itself`)
	}
	t := engine.Target{
		URL:    endpoint,
		Region: first(e.Getenv("AWS_REGION"), e.Getenv("AWS_DEFAULT_REGION"), "us-east-1"),
		Credentials: engine.Credentials{AccessKeyID: e.Getenv("AWS_ACCESS_KEY_ID"), Secret: e.Getenv("AWS_SECRET_ACCESS_KEY"),
			SessionToken: e.Getenv("AWS_SESSION_TOKEN")},
		AllowRemote: f.allowRemote, MaxRequests: f.maxRequests,
	}
	if t.Credentials.AccessKeyID == "" || t.Credentials.Secret == "" {
		return t, usageError(errors.New("no credentials to sign with"), `set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, for a local server by eval "$(trent env)"`)
	}
	if bundle := e.Getenv("AWS_CA_BUNDLE"); bundle != "" {
		roots, err := certificates(bundle)
		if err != nil {
			return t, usageError(err, "AWS_CA_BUNDLE must name a file of certificates in PEM")
		}
		t.RootCAs = roots
	}
	return t, nil
}

func certificates(path string) (*x509.CertPool, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the CA bundle: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("reading the CA bundle %s: no certificate in it", path)
	}
	return pool, nil
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// loadError gives an error of a run its exit code and hint.
func loadError(ctx context.Context, err error) error {
	var target *engine.TargetError
	var limit *attack.LimitError
	switch {
	case ctx.Err() != nil:
		return &exitError{Code: exitInterrupted, Err: fmt.Errorf("interrupted before there was a result: %w", err)}
	case errors.As(err, &target):
		hint := "give an endpoint such as https://127.0.0.1:8443"
		if errors.Is(err, engine.ErrRemote) || errors.Is(err, engine.ErrUncapped) {
			hint = "a load test of someone else's service costs money and may be refused; if you mean it, give --allow-remote and --max-requests"
		}
		return usageError(err, hint)
	case errors.As(err, &limit):
		return usageError(err, "name operations of the workload in the SLO file, or leave 'operations' out")
	}
	return failure(err, "is the server running, and do endpoint, CA and credentials belong to it? See 'trent status' and 'trent doctor'")
}

// deliver writes the files, prints the result and turns the outcome into the exit code.
func (f *loadFlags) deliver(e *environment, r *results.Record) error {
	dir := f.out
	if dir == "" {
		dir = "trent-results/" + string(r.Kind) + "-" + r.Started.UTC().Format("20060102-150405")
	}
	record, report, err := results.WriteFiles(dir, r)
	if err != nil {
		return failure(err, "choose another directory by --out")
	}
	if f.asJSON {
		err = results.Write(e.Stdout, r)
	} else {
		err = results.RenderTerminal(e.Stdout, r)
	}
	if err != nil {
		return failure(fmt.Errorf("printing the result: %w", err), "the record is in "+record)
	}
	fmt.Fprintf(e.Stderr, "Record: %s\nReport: %s\n", record, report)
	if r.ExitCode != exitPass {
		return &exitError{Code: r.ExitCode}
	}
	return nil
}
