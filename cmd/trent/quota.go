package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"os"

	"trent/loadgen/attack"
	"trent/loadgen/engine"
	"trent/loadgen/quota"
	"trent/loadgen/quotatest"
	"trent/loadgen/slo"
	"trent/loadgen/yamlfile"
	"trent/results"
)

// quotaFlags are the flags of quota verify.
type quotaFlags struct {
	targetFlags
	outputFlags
	only        []string
	file        string
	scale       float64
	maxRate     float64
	tolerance   float64
	otherRegion string
}

func newQuotaCommand(e *environment) *cobra.Command {
	c := &cobra.Command{Use: "quota", Short: "Verify the request quotas that an endpoint claims", Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	c.AddCommand(newQuotaVerifyCommand(e), newQuotaListCommand(e))
	return c
}

func newQuotaVerifyCommand(e *environment) *cobra.Command {
	var f quotaFlags
	c := &cobra.Command{
		Use:   "verify",
		Short: "Find out whether an endpoint enforces its request quotas",
		Long: `Verify offers each quota twice its rate and looks at what is let through: the sustained rate, the burst after a
rest, bucket or window, which operations count together, whether another Region and account are left alone, and how
throttled requests are answered. Every quota passes, fails, or is host-bound where this machine cannot offer enough;
then check it at a scale that the endpoint was set up with.

It makes eight keys and schedules their deletion. Requests that could leave something behind are made so that they are let
through and then refused, for example for a key store that does not exist. Another account is tried where
TRENT_OTHER_ACCESS_KEY_ID and TRENT_OTHER_SECRET_ACCESS_KEY are set.

Exit codes: 0 every quota that could be checked passed, 1 could not run, 2 usage, 3 a quota failed, 6 nothing could be
checked, 130 interrupted.`,
		Example: `  eval "$(trent env)"; trent quota verify
  trent quota verify --only ListKeys,CreateKey --other-region eu-west-1
  trent quota verify --scale 0.01 --out results/quotas
  trent quota verify --quotas mine.yaml`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error { return runQuotaVerify(c, e, &f) },
	}
	flags := c.Flags()
	flags.StringVar(&f.endpoint, "endpoint", "", "URL of the KMS endpoint (default: AWS_ENDPOINT_URL_KMS or AWS_ENDPOINT_URL)")
	flags.StringSliceVar(&f.only, "only", nil, "quotas or operations to check (default: all; 'trent quota list' shows them)")
	flags.StringVar(&f.file, "quotas", "", "YAML file of quotas that differ from the defaults: NAME: RATE")
	flags.Float64Var(&f.scale, "scale", 1, "of the rates that the endpoint was set up with")
	flags.Float64Var(&f.maxRate, "max-rate", 4000, "most requests a second that this machine is asked for")
	flags.Float64Var(&f.tolerance, "tolerance", 0.05, "how far a sustained rate may lie from its quota, as a share")
	flags.StringVar(&f.otherRegion, "other-region", "", "a Region of the endpoint that must be left alone (default: none is tried)")
	f.targetFlags.bind(c)
	f.outputFlags.bind(c)
	return c
}

func newQuotaListCommand(e *environment) *cobra.Command {
	var region string
	c := &cobra.Command{
		Use: "list", Short: "List the published request quotas", Args: noArguments,
		Example: "  trent quota list --region eu-central-1",
		RunE: func(_ *cobra.Command, _ []string) error {
			for _, q := range quota.Defaults(region).All() {
				if _, err := fmt.Fprintf(e.Stdout, "%9g/s  %s: %s\n", q.PerSecond, q.Name, strings.Join(q.Operations, ", ")); err != nil {
					return err
				}
			}
			return nil
		},
	}
	c.Flags().StringVar(&region, "region", "us-east-1", "whose defaults")
	return c
}

// ways is how many ways into the endpoint are prepared.
func (f *quotaFlags) ways(e *environment) int {
	n := 1
	if f.otherRegion != "" {
		n++
	}
	if e.Getenv("TRENT_OTHER_ACCESS_KEY_ID") != "" {
		n++
	}
	return n
}

// table is the quotas of the Region, with the file's changes.
func (f *quotaFlags) table(region string) (*quota.Table, error) {
	table := quota.Defaults(region)
	if f.file == "" {
		return table, nil
	}
	data, err := os.ReadFile(f.file)
	if err != nil {
		return nil, usageError(fmt.Errorf("reading quotas: %w", err), "")
	}
	if err := yamlfile.CheckDepth(f.file, data); err != nil {
		return nil, usageError(err, "")
	}
	rates := map[string]float64{}
	if err := yaml.UnmarshalWithOptions(data, &rates, yaml.Strict()); err != nil {
		return nil, usageError(fmt.Errorf("%s: %w", f.file, err), `write lines such as "CreateKey request rate: 10"`)
	}
	table, err = table.With(rates)
	if err != nil {
		return nil, usageError(fmt.Errorf("%s: %w", f.file, err), "'trent quota list' shows the names")
	}
	return table, nil
}

// named are the quotas asked for, by their own name or by an operation that counts in them.
func (f *quotaFlags) named(table *quota.Table) ([]string, error) {
	var names []string
	for _, wanted := range f.only {
		found := false
		for _, q := range table.All() {
			if q.Name == wanted || q.Name == wanted+" request rate" {
				names, found = append(names, q.Name), true
			}
		}
		for _, q := range table.All() {
			for _, operation := range q.Operations {
				if !found && operation == wanted {
					names = append(names, q.Name)
				}
			}
		}
		if len(names) == 0 {
			return nil, usageError(fmt.Errorf("unknown quota or operation %q", wanted), "'trent quota list' shows them")
		}
	}
	return names, nil
}

func runQuotaVerify(c *cobra.Command, e *environment, f *quotaFlags) error {
	if !(f.scale > 0) || !(f.tolerance > 0) || f.maxRate < 1 {
		return usageError(errors.New("--scale and --tolerance must be above 0, --max-rate at least 1"), "")
	}
	target, err := f.target(e)
	if err != nil {
		return err
	}
	if err := f.guard(c.Context(), e, &target, nil, f.maxRequests, quotatest.KeyCount*f.ways(e)); err != nil {
		return err
	}
	table, err := f.table(target.Region)
	if err != nil {
		return err
	}
	names, err := f.named(table)
	if err != nil {
		return err
	}
	ctx, stop := interruptible(c.Context())
	defer stop()
	display := attack.NewDisplay(e.Stderr, e.IsTerminal)
	defer display.Close()
	display.Phase("making keys")
	started := time.Now()
	v := &quotatest.Verifier{Table: table, Scale: f.scale, MaxRate: f.maxRate, Tolerance: f.tolerance, Others: map[string]quotatest.Way{},
		Progress: func(done, total int, name string) {
			display.Phase("%d of %d quotas checked, %v so far; now %s", done, total, time.Since(started).Round(time.Second), name)
		}}
	release, notes, err := openWays(ctx, e, v, target, f.otherRegion)
	defer func() {
		display.Phase("releasing the keys")
		display.Close()
		for _, close := range release {
			if err := close(); err != nil {
				fmt.Fprintf(e.Stderr, "trent: %v\n", err)
			}
		}
	}()
	if err != nil {
		return loadError(ctx, err)
	}
	found, err := v.Run(ctx, names)
	if err != nil && ctx.Err() == nil {
		return loadError(ctx, err)
	}
	display.Close()
	record := &results.Record{Tool: "trent " + version, Command: e.Command, Environment: environmentNow(), Target: results.Target{URL: target.URL, Region: target.Region},
		Workload: results.Text{Name: "quotas"}, Engine: results.Engine{Name: "client"}}
	record.QuotaRun(found, started.UTC(), time.Since(started))
	record.Notes = notes
	concludeQuotas(record, ctx.Err() != nil)
	return f.deliver(e, record)
}

// concludeQuotas sets the outcome: a failed row fails the run; without a row that passed there is nothing to say.
func concludeQuotas(r *results.Record, interrupted bool) {
	outcome := slo.Inconclusive
	switch {
	case r.Quota.Count("fail") > 0:
		outcome = slo.Fail
	case r.Quota.Count("pass") > 0 && !interrupted:
		outcome = slo.Pass
	}
	r.Outcome, r.ExitCode = outcome.String(), outcome.ExitCode()
	if interrupted {
		r.Interrupted, r.ExitCode = true, slo.ExitInterrupted
		r.Notes = append(r.Notes, "The run was interrupted; these are the quotas checked until then.")
	}
}

// openWays prepares the way of the run and those that must be left alone. What it returns ends them, also after an error.
func openWays(ctx context.Context, e *environment, v *quotatest.Verifier, target engine.Target, otherRegion string) (release []func() error, notes []string, err error) {
	open := func(t engine.Target) (quotatest.Way, error) {
		client, err := engine.NewClient(t)
		if err != nil {
			return quotatest.Way{}, err
		}
		way, free, said, err := quotatest.Prepare(ctx, client, t.UseKeys)
		notes = append(notes, said...)
		release = append(release, func() error {
			ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
			defer cancel()
			defer client.Close()
			return free(ending)
		})
		return way, err
	}
	if v.Way, err = open(target); err != nil {
		return release, notes, err
	}
	if otherRegion != "" {
		t := target
		t.Region = otherRegion
		if v.Others["another Region"], err = open(t); err != nil {
			return release, notes, err
		}
	}
	if id := e.Getenv("TRENT_OTHER_ACCESS_KEY_ID"); id != "" {
		t := target
		t.Credentials = engine.Credentials{AccessKeyID: id, Secret: e.Getenv("TRENT_OTHER_SECRET_ACCESS_KEY")}
		if v.Others["another account"], err = open(t); err != nil {
			return release, notes, err
		}
	}
	return release, notes, nil
}
