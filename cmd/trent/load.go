package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"trent/loadgen/attack"
	"trent/loadgen/engine"
	"trent/loadgen/slo"
	"trent/results"
)

// targetFlags say where requests go and what they may cost.
type targetFlags struct {
	endpoint       string
	allowRemote    bool
	allowPlaintext bool
	maxRequests    uint64
	maxCost        float64
	maxKeys        int
	useKeys        []string
	yes            bool
}

func (f *targetFlags) bind(c *cobra.Command) {
	c.Flags().BoolVar(&f.allowRemote, "allow-remote", false, "permit an endpoint that is not on this machine; needs --max-cost, and --max-keys or --use-keys")
	c.Flags().BoolVar(&f.allowPlaintext, "allow-plaintext", false, "permit http endpoints, for comparisons")
	c.Flags().Uint64Var(&f.maxRequests, "max-requests", 0, "hard cap on the requests sent (0: none)")
	c.Flags().Float64Var(&f.maxCost, "max-cost", 0, "most that a run against an endpoint elsewhere may cost, in USD at list prices")
	c.Flags().IntVar(&f.maxKeys, "max-keys", 0, "most keys that the run makes (0: no cap); each bills until it is deleted, at least 7 days")
	c.Flags().StringSliceVar(&f.useKeys, "use-keys", nil, "keys to use (IDs, ARNs or aliases); then none is made and none deleted")
	c.Flags().BoolVar(&f.yes, "yes", false, "do not ask before a run against an endpoint elsewhere")
}

// outputFlags say where a result goes.
type outputFlags struct {
	out             string
	junit, markdown string
	asJSON          bool
	why             bool // by a flag of the verbs that have one
}

func (f *outputFlags) bind(c *cobra.Command) {
	c.Flags().StringVar(&f.out, "out", "", "directory for record.json and report.html (default: trent-results/ and the time)")
	c.Flags().StringVar(&f.junit, "junit", "", "write the verdicts as JUnit XML to this file too, for CI")
	c.Flags().StringVar(&f.markdown, "markdown", "", "write a summary in Markdown to this file too, for CI")
	c.Flags().BoolVar(&f.asJSON, "json", false, "print the record as JSON instead of tables")
}

// loadFlags are what the verbs that send load share.
type loadFlags struct {
	targetFlags
	outputFlags
	workload    string
	slo         string
	engine      string
	connections int
	timeout     time.Duration
	seed        uint64
	keepKeys    bool
	metrics     string
}

func (f *loadFlags) bind(c *cobra.Command, defaultEngine string) {
	c.Flags().StringVar(&f.workload, "workload", "mixed", "what is sent: a built-in workload ("+builtinWorkloads()+") or a file")
	f.bindRun(c, defaultEngine)
}

// bindRun is bind without the workload.
func (f *loadFlags) bindRun(c *cobra.Command, defaultEngine string) {
	flags := c.Flags()
	flags.StringVar(&f.slo, "slo", "", "SLO file with the limits that the run is judged by")
	flags.StringVar(&f.engine, "engine", defaultEngine, "how hits are sent: "+strings.Join(engine.Names(), " or "))
	flags.IntVar(&f.connections, "connections", 64, "connections to the endpoint")
	flags.Uint64Var(&f.seed, "seed", 1, "seed of arrivals, keys and payloads; the same seed repeats the same hits")
	flags.BoolVar(&f.keepKeys, "keep-keys", false, "do not schedule the deletion of the keys that the run made")
	flags.BoolVar(&f.why, "why", false, "explain the outcome in sentences: figures, and what to change")
	f.targetFlags.bind(c)
	f.outputFlags.bind(c)
}

// secondSignal is how long after the first a signal must come to kill.
const secondSignal = time.Second

// bindMetrics is for verbs with one server, whose own metrics are recorded beside the load.
func (f *loadFlags) bindMetrics(c *cobra.Command) {
	c.Flags().StringVar(&f.metrics, "metrics", "", `URL of the server's own metrics, scraped meanwhile (default: those of a local server; "none" for none)`)
}

// knownEngine refuses the name of an engine that does not exist.
func knownEngine(name string) error {
	if slices.Contains(engine.Names(), name) {
		return nil
	}
	return usageError(fmt.Errorf("unknown engine %q", name), "use --engine "+strings.Join(engine.Names(), " or --engine "))
}

// limits are those of the SLO file, the given ones without a file.
func (f *loadFlags) limits(otherwise slo.Limits) (slo.Limits, error) {
	if f.slo == "" {
		return otherwise, nil
	}
	l, err := slo.Load(f.slo)
	if err != nil {
		return l, usageError(err, "the format is described by 'go doc trent/loadgen/slo'")
	}
	return l, nil
}

// interruptible ends the context at the first Ctrl-C or SIGTERM, which makes a partial result; the second kills.
func interruptible(ctx context.Context) (context.Context, context.CancelFunc) {
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	// timeout(1) signals a child twice at once, itself and by its group: that is one request to end.
	context.AfterFunc(ctx, func() {
		time.Sleep(secondSignal)
		stop()
	})
	return ctx, stop
}

// target is the endpoint by flag or AWS_* environment.
func (f *targetFlags) target(e *environment) (engine.Target, error) {
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
		AllowRemote: f.allowRemote, AllowPlaintext: f.allowPlaintext, MaxRequests: f.maxRequests, MaxKeys: f.maxKeys, UseKeys: f.useKeys,
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
	var key *engine.KeyError
	switch {
	case ctx.Err() != nil:
		return &exitError{Code: exitInterrupted, Err: fmt.Errorf("interrupted before there was a result: %w", err)}
	case errors.Is(err, engine.ErrPlaintext):
		return usageError(err, "give an https endpoint, or --allow-plaintext; signatures and data then go over the network unencrypted")
	case errors.As(err, &target):
		hint := "give an endpoint such as https://127.0.0.1:8443"
		if errors.Is(err, engine.ErrRemote) || errors.Is(err, engine.ErrUncapped) {
			hint = "a load test of someone else's service costs money and may be refused; if you mean it, give --allow-remote and --max-cost"
		}
		return usageError(err, hint)
	case errors.Is(err, engine.ErrKeyCap):
		return usageError(err, "raise --max-keys, give --use-keys, or a workload with fewer keys")
	case errors.As(err, &key):
		return usageError(err, "give --use-keys a key for each spec and usage that the workload has; 'trent workload show' names them")
	case errors.As(err, &limit):
		return usageError(err, "name operations of the workload in the SLO file, or leave 'operations' out")
	}
	return failure(err, "is the server running, and do endpoint, CA and credentials belong to it? See 'trent status' and 'trent doctor'")
}

// aside is where sentences for a reader go: beside the tables, but not into JSON.
func (e *environment) aside(asJSON bool) io.Writer {
	if asJSON {
		return e.Stderr
	}
	return e.Stdout
}

// deliver writes the files, prints the result and turns the outcome into the exit code.
func (f *outputFlags) deliver(e *environment, r *results.Record) error {
	dir := f.out
	if dir == "" {
		dir = "trent-results/" + string(r.Kind) + "-" + r.Started.UTC().Format("20060102-150405")
	}
	record, report, err := results.WriteFiles(dir, r)
	if err != nil {
		return failure(err, "choose another directory by --out")
	}
	for _, x := range []export{{f.junit, results.WriteJUnit}, {f.markdown, results.WriteMarkdown}} {
		if x.path == "" {
			continue
		}
		if err := x.write(e, r); err != nil {
			return err
		}
	}
	if f.asJSON {
		err = results.Write(e.Stdout, r)
	} else {
		err = results.RenderTerminal(e.Stdout, r)
	}
	if err == nil && f.why {
		err = results.RenderWhy(e.aside(f.asJSON), r)
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
