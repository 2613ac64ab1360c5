package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"trent/loadgen/attack"
	"trent/loadgen/engine"
	"trent/loadgen/plan"
	"trent/loadgen/plan/sim"
	"trent/loadgen/quota"
	"trent/loadgen/schedule"
	"trent/loadgen/traffic"
	"trent/loadgen/workload"
	"trent/results"
)

// planFlags are what a plan is asked.
type planFlags struct {
	targetFlags
	outputFlags
	workload, record, schedule string
	logs                       []string
	rate, swing                float64
	peak                       string
	region                     string
	scale                      float64
	quotas, prices, profiles   string
	profile                    []string
	limit                      time.Duration
	percentile                 float64
	model, retries             string
	clients                    int
	callTime                   time.Duration
	reserve                    float64
	keyStores                  []string
	keys, rotations            float64
	regions                    int
	seed                       uint64

	verify     bool
	verifyRate float64
	verifyTime time.Duration
	calibrate  time.Duration
	engine     string
	servers    int
	whole      bool
	keepKeys   bool
}

func newPlanCommand(e *environment) *cobra.Command {
	f := &planFlags{}
	c := &cobra.Command{
		Use:   "plan",
		Short: "Plan capacity: throttling, headroom, HSMs and cost",
		Long: `Plan answers before anything is sent: will the service's request quotas throttle us, when and how often; which
increase to ask for; how many HSMs keep a latency limit, with one to spare; what a month costs and who causes it;
and what remedies would change. What is planned is a workload of causes ('trent workload list'), a workload's mix
at a rate, or a recorded run. Quotas, prices and HSMs are published figures with their sources; files replace them.

With --verify the plan is held against a server: a calibration at a low rate, a prediction by simulation, and a
run that shows both side by side. Throttled shares must agree within 2 points, p99 within 15 % up to 80 % load
without throttling; outside of that the output says so.

Exit codes: 0 no throttling (with --verify: predicted and measured agree), 1 could not run, 2 usage, 3 requests would be
throttled or no number of HSMs keeps the limit (with --verify: they do not agree), 5 the verification was disturbed,
6 it does not decide, 130 interrupted.`,
		Example: `  trent plan --workload web-shop --region eu-central-1 --scale 3
  trent plan --workload mixed --rate 9000 --swing 0.6 --peak 14:00 --region sa-east-1
  trent plan --workload token-signing --rate 700 --latency-limit 20ms --profile cloudhsm-hsm2m,luna-a790
  trent plan --log AWSLogs/111122223333/CloudTrail/eu-west-1 --region eu-west-1 --scale 3
  trent plan --record trent-results/attack-20261123-120000 --scale 10
  trent plan --workload envelope --rate 200 --verify`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return f.run(c, e) },
	}
	f.bind(c)
	return c
}

func (f *planFlags) bind(c *cobra.Command) {
	flags := c.Flags()
	flags.StringVar(&f.workload, "workload", "", "what is planned: "+builtinWorkloads()+", or a file")
	flags.StringVar(&f.record, "record", "", "plan for the load of a recorded run: its record.json or directory")
	flags.StringSliceVar(&f.logs, "log", nil, "plan for the calls of these CloudTrail files or directories")
	flags.Float64Var(&f.rate, "rate", 0, "requests a second of a workload's mix, mean over the day")
	flags.Float64Var(&f.swing, "swing", 0, "of --rate over the day: 0.6 means from 0.4 to 1.6 times the mean")
	flags.StringVar(&f.peak, "peak", "14:00", "time of day at which --swing is highest")
	flags.StringVar(&f.schedule, "schedule", "", `instead of --rate: "bursts:2000x1m 1h", "steps:100x30m,900x30m", …, counted hit by hit`)
	flags.StringVar(&f.region, "region", "", "whose default quotas apply (default: AWS_REGION, or us-east-1)")
	flags.Float64Var(&f.scale, "scale", 1, "plan for so many times the load")
	flags.StringVar(&f.quotas, "quotas", "", "file with quotas that differ from the published defaults")
	flags.StringVar(&f.prices, "prices", "", "file with a price list instead of the built-in one")
	flags.StringVar(&f.profiles, "profiles", "", "file with further HSM profiles")
	flags.StringSliceVar(&f.profile, "profile", nil, "HSMs to size, by name (default: all): "+strings.Join(profileNames(plan.DefaultProfiles()), ", "))
	flags.DurationVar(&f.limit, "latency-limit", 0, "find the number of HSMs that keeps this limit")
	flags.Float64Var(&f.percentile, "percentile", 99, "that --latency-limit is on")
	flags.StringVar(&f.model, "quota-model", "window", "how quotas are counted: window (as documented) or bucket")
	flags.StringVar(&f.retries, "retries", "standard", "what clients do when throttled: "+strings.Join(sim.PolicyNames(), ", "))
	flags.IntVar(&f.clients, "clients", 100, "processes that call; each has a retry quota of its own")
	flags.DurationVar(&f.callTime, "call-time", 5*time.Millisecond, "of a call that is not throttled, where no run was recorded")
	flags.Float64Var(&f.reserve, "reserve", 0.2, "share of a quota to leave free in the increase to ask for")
	flags.StringSliceVar(&f.keyStores, "custom-key-store", nil, "keys of the workload that are in custom key stores, each in one of its own")
	flags.Float64Var(&f.keys, "keys", 0, "customer managed keys to pay for (default: those of the workload)")
	flags.Float64Var(&f.rotations, "rotations", 0, "rotations of keys that are paid for each month")
	flags.IntVar(&f.regions, "regions", 2, "Regions that the remedy of spreading calls uses")
	flags.Uint64Var(&f.seed, "seed", 1, "of everything drawn at random; the same seed repeats the plan")
	flags.BoolVar(&f.verify, "verify", false, "hold the plan against a server (started for it unless --endpoint is given)")
	flags.StringVar(&f.endpoint, "endpoint", "", "with --verify: URL of a server that runs already")
	flags.Float64Var(&f.verifyRate, "verify-rate", 0, "with --verify: requests a second (default: where the server is half busy)")
	flags.DurationVar(&f.verifyTime, "verify-time", 0, "with --verify: length of the run (default: 30s, longer where that is too few requests)")
	flags.DurationVar(&f.calibrate, "calibration-time", 15*time.Second, "with --verify: length of the run at a low rate that the prediction rests on")
	flags.StringVar(&f.engine, "engine", "native", "with --verify: how calls are sent; sdk retries as applications do, the others do not: "+strings.Join(engine.Names(), ", "))
	flags.IntVar(&f.servers, "verify-servers", 0, "with --verify: requests that the server works on at a time (default: CPUs of this machine)")
	flags.BoolVar(&f.whole, "verify-whole", false, "with --verify: a request keeps its place for all of its time, not for its CPU time only")
	flags.BoolVar(&f.keepKeys, "keep-keys", false, "with --verify: do not schedule the deletion of the keys that the run made")
	f.targetFlags.bind(c)
	f.outputFlags.bind(c)
}

func profileNames(all []plan.Profile) []string {
	var names []string
	for _, p := range all {
		names = append(names, p.Name)
	}
	return names
}

func (f *planFlags) run(c *cobra.Command, e *environment) error {
	q := plan.Request{Tool: "trent " + version, Command: e.Command, Display: attack.NewDisplay(e.Stderr, e.IsTerminal)}
	o := &q.Options
	o.Seed, o.Scale, o.Keys, o.Rotated, o.Clients, o.KeyStores, o.Reserve = f.seed, f.scale, f.keys, f.rotations, f.clients, f.keyStores, f.reserve
	o.Limit, o.Quantile, o.Count = f.limit, f.percentile/100, sim.Kind(f.model)
	o.CallTime = plan.Times{Other: sim.Constant(f.callTime.Seconds()), Text: f.callTime.String() + ", by --call-time"}
	if err := f.valid(); err != nil {
		return err
	}
	var err error
	if o.Retry, err = sim.PolicyNamed(f.retries); err != nil {
		return usageError(err, "see 'trent plan --help'")
	}
	w, err := f.demand(e, &q)
	if err != nil {
		return err
	}
	if err := f.data(e, o); err != nil {
		return err
	}
	if len(o.Remedies) == 0 {
		o.Remedies = plan.Caching(o.Demand)
	}
	o.Remedies = append(o.Remedies, plan.Standard(f.regions)...)
	if f.verify {
		if q.Verify, err = f.verification(c.Context(), e, w); err != nil {
			return err
		}
	}
	ctx, stop := interruptible(c.Context())
	defer stop()
	record, err := plan.Run(ctx, q)
	if err != nil {
		if f.verify && ctx.Err() == nil && record != nil {
			return loadError(ctx, err)
		}
		if ctx.Err() != nil {
			return loadError(ctx, err)
		}
		return usageError(err, "see 'trent plan --help'")
	}
	return f.deliver(e, record)
}

// valid checks flags that nothing else does.
func (f *planFlags) valid() error {
	switch {
	case f.workload == "" && f.record == "" && len(f.logs) == 0:
		return usageError(errors.New("nothing to plan for"), "give --workload with a name or file, --record or --log; 'trent workload list' shows what there is")
	case f.workload != "" && f.record != "", len(f.logs) > 0 && f.workload+f.record != "":
		return usageError(errors.New("more than one of --workload, --record and --log is given"), "plan for one of them")
	case f.model != string(sim.Window) && f.model != string(sim.Bucket):
		return usageError(fmt.Errorf("--quota-model %q", f.model), "use window or bucket")
	case knownEngine(f.engine) != nil:
		return knownEngine(f.engine)
	case f.regions < 1 || f.regions > 100:
		return usageError(fmt.Errorf("--regions %d is not from 1 to 100", f.regions), "")
	case f.clients < 1 || f.clients > 1_000_000:
		return usageError(fmt.Errorf("--clients %d is not from 1 to 1,000,000", f.clients), "")
	case f.callTime <= 0 || f.callTime > time.Hour:
		return usageError(fmt.Errorf("--call-time %s", f.callTime), "for example 5ms")
	case !(f.swing >= 0 && f.swing <= 1):
		return usageError(fmt.Errorf("--swing %g is not from 0 to 1", f.swing), "0.6 means from 0.4 to 1.6 times the mean")
	case !(f.rate >= 0 && f.rate <= 1e9):
		return usageError(fmt.Errorf("--rate %g", f.rate), "requests a second, above 0")
	case !(f.keys >= 0 && f.keys <= 1e9) || !(f.rotations >= 0 && f.rotations <= 1e9):
		return usageError(errors.New("--keys and --rotations must be 0 or more"), "")
	case !f.verify && (f.endpoint != "" || f.verifyRate != 0 || f.verifyTime != 0):
		return usageError(errors.New("--endpoint, --verify-rate and --verify-time go with --verify"), "a plan alone sends nothing")
	case !(f.verifyRate >= 0 && f.verifyRate <= 1e6) || f.verifyTime < 0 || f.servers < 0 || f.calibrate < time.Second:
		return usageError(errors.New("--verify-rate, --verify-time and --verify-servers must be 0 or more, --calibration-time at least 1s"), "")
	}
	return nil
}

// demand reads what is planned, and returns the workload that a verification sends.
func (f *planFlags) demand(_ *environment, q *plan.Request) (*workload.Workload, error) {
	o := &q.Options
	switch {
	case f.record != "":
		return f.recorded(q)
	case len(f.logs) > 0:
		return f.logged(q)
	}
	if traffic.Names(f.workload) {
		if f.rate != 0 || f.schedule != "" {
			return nil, usageError(errors.New("a workload of causes has rates of its own"), "leave out --rate and --schedule; --scale multiplies all")
		}
		file, err := loadCauses(f.workload)
		if err != nil {
			return nil, err
		}
		q.Workload = results.Text{Name: file.Name, Summary: file.Description, Source: file.Text}
		o.Demand = plan.FromCauses(file)
		for _, change := range plan.Changes() {
			remedy, err := change.Remedy(file)
			if err != nil {
				return nil, usageError(err, "")
			}
			o.Remedies = append(o.Remedies, remedy)
		}
		if !f.verify {
			return nil, nil
		}
		compiled, err := file.Compiled()
		if err != nil {
			return nil, usageError(err, "a verification can send only what 'trent attack' can")
		}
		return compiled.Workload, nil
	}
	w, source, err := loadWorkload(f.workload)
	if err != nil {
		return nil, err
	}
	q.Workload = results.Text{Name: w.Name, Summary: w.Description, Source: source}
	switch {
	case f.schedule != "" && f.rate != 0:
		return nil, usageError(errors.New("--rate and --schedule are given both"), "a schedule says the rate")
	case f.schedule != "":
		times, err := schedule.Parse(f.schedule, f.seed)
		if err != nil {
			return nil, usageError(err, `for example --schedule "poisson:500 1h", or "bursts:2000x1m 1h"`)
		}
		if o.Demand, err = plan.FromSchedule(w, times, f.seed); err != nil {
			return nil, usageError(err, "")
		}
	case f.rate == 0:
		return nil, usageError(fmt.Errorf("workload %s says what is called, not how often", f.workload), "give --rate, with --swing for a day curve, or --schedule")
	default:
		peak, err := traffic.ParseClock(f.peak)
		if err != nil {
			return nil, usageError(fmt.Errorf("--peak: %w", err), "")
		}
		o.Demand = plan.FromWorkload(w, f.rate, f.swing, peak)
	}
	return w, nil
}

// recorded plans for the load of a record.
func (f *planFlags) recorded(q *plan.Request) (*workload.Workload, error) {
	if f.rate != 0 || f.schedule != "" {
		return nil, usageError(errors.New("a record has rates of its own"), "leave out --rate and --schedule; --scale multiplies all")
	}
	r, err := results.ReadFile(f.record)
	if err != nil {
		return nil, usageError(err, "give a record.json, or the directory with it")
	}
	q.Workload = r.Workload
	var w *workload.Workload
	switch {
	case r.Workload.Source != "" && traffic.HasCauses([]byte(r.Workload.Source)):
		if file, err := traffic.Parse(r.Workload.Name, []byte(r.Workload.Source)); err == nil {
			if compiled, err := file.Compiled(); err == nil {
				w = compiled.Workload
			}
		}
	case r.Workload.Source != "":
		w, _ = workload.Parse(r.Workload.Name, []byte(r.Workload.Source)) // without it keys count as symmetric
	case traffic.Names(r.Workload.Name):
		w, _, _ = loadWorkload(r.Workload.Name)
	default:
		w, _ = workload.Load(r.Workload.Name)
	}
	if f.verify && w == nil {
		return nil, usageError(errors.New("the record does not hold its workload"), "give the workload by --workload and --rate")
	}
	times := plan.Times{}
	if q.Options.Demand, times, err = plan.FromRecord(r, w); err != nil {
		return nil, usageError(err, "records of attack and capacity runs hold operations")
	}
	q.Options.CallTime = times
	if own, ok := plan.RecordedProfile(r, times); ok {
		q.Options.Profiles = []plan.Profile{own}
	}
	return w, nil
}

// data reads quotas, prices and profiles.
func (f *planFlags) data(e *environment, o *plan.Options) error {
	region := first(f.region, e.Getenv("AWS_REGION"), e.Getenv("AWS_DEFAULT_REGION"), "us-east-1")
	o.Quotas, o.Prices = quota.Defaults(region), plan.DefaultPrices()
	o.Profiles = append(o.Profiles, plan.DefaultProfiles()...)
	read := func(path string, take func(data []byte) error) error {
		if path == "" {
			return nil
		}
		data, err := plan.ReadFile(path)
		if err == nil {
			err = take(data)
		}
		if err != nil {
			return usageError(err, "the form is described by 'go doc trent/loadgen/plan' and the built-in files")
		}
		return nil
	}
	if err := errors.Join(
		read(f.quotas, func(data []byte) (err error) {
			o.Quotas, o.Origin, err = plan.ParseQuotas(f.quotas, data, o.Quotas)
			return err
		}),
		read(f.prices, func(data []byte) (err error) { o.Prices, err = plan.ParsePrices(f.prices, data); return err }),
		read(f.profiles, func(data []byte) error {
			own, err := plan.ParseProfiles(f.profiles, data)
			for _, p := range own {
				o.Profiles = append(slices.DeleteFunc(o.Profiles, func(d plan.Profile) bool { return d.Name == p.Name }), p)
			}
			return err
		})); err != nil {
		return err
	}
	if len(f.profile) == 0 {
		return nil
	}
	var chosen []plan.Profile
	for _, name := range f.profile {
		i := slices.IndexFunc(o.Profiles, func(p plan.Profile) bool { return p.Name == name })
		if i < 0 {
			return usageError(fmt.Errorf("unknown HSM profile %q", name), "known: "+strings.Join(profileNames(o.Profiles), ", ")+"; --profiles adds others")
		}
		chosen = append(chosen, o.Profiles[i])
	}
	o.Profiles = chosen
	return nil
}

// verification says what the plan is held against.
func (f *planFlags) verification(ctx context.Context, e *environment, w *workload.Workload) (*plan.VerifyRequest, error) {
	v := &plan.VerifyRequest{Workload: w, Rate: f.verifyRate, Time: f.verifyTime, Engine: f.engine, CalibrationTime: f.calibrate, Servers: f.servers, Whole: f.whole, KeepKeys: f.keepKeys}
	var err error
	if f.endpoint != "" {
		if v.Target, err = f.target(e); err != nil {
			return v, err
		}
		return v, f.guard(ctx, e, &v.Target, w, f.maxRequests, w.KeyCount())
	}
	v.Spawn, err = spawnOptions()
	return v, err
}
