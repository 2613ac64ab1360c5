package main

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"trent/fastpath/identity"
	"trent/loadgen/attack"
	"trent/loadgen/compare"
	"trent/loadgen/engine"
	"trent/results"
)

// sideFlags are what may be said of one side.
type sideFlags struct {
	side  string // "a" or "b"
	name  string
	ca    string
	start string
	pid   int
}

func (f *sideFlags) bind(c *cobra.Command, side string) {
	f.side = side
	upper := strings.ToUpper(side)
	c.Flags().StringVar(&f.name, side+"-name", "", "what "+upper+" is called in the report")
	c.Flags().StringVar(&f.ca, side+"-ca-file", "", "certificates in PEM that "+upper+"'s is checked against (default: AWS_CA_BUNDLE, then the system's)")
	c.Flags().StringVar(&f.start, side+"-start", "", "command that serves "+upper+"'s URL; it is started on the servers' CPUs and stopped afterwards")
	c.Flags().IntVar(&f.pid, side+"-pid", 0, "process of "+upper+" if it runs on this machine, for CPU a request")
}

// compareFlags are those of compare alone.
type compareFlags struct {
	loadFlags
	a, b        sideFlags
	floor       bool
	rate        float64
	load        float64
	saturate    bool
	round       time.Duration
	pairs, self int
	metrics     []string
	margin      float64
	errorMargin float64
	probe       string
	baseline    string
	benchmarks  string
}

func newCompareCommand(e *environment) *cobra.Command {
	var f compareFlags
	c := &cobra.Command{
		Use:   "compare A B",
		Short: "Compare two endpoints, builds or settings with statistics",
		Long: `Compare measures two subjects in turn and tells whether B is worse than A, the baseline. A subject is a URL, or
a build with flags of its own serve ("./bin/trent-old", "self --log-level debug"; self is this program), which is
started with a temporary data directory. Any other program that speaks the API is given by its URL and started
by --a-start or --b-start. Credentials come from TRENT_A_ACCESS_KEY_ID and TRENT_A_SECRET_ACCESS_KEY (TRENT_B_…),
then from the usual AWS_* environment; on this machine any will do for most emulators.

Both sides are asked first what they can do, and the mix is reduced to what both answer well. They then get the
same hits at the same times, in pairs of rounds in random order, on the same CPUs. Pairs that the client or the
machine disturbed are left out and measured again. Each operation and metric gets the median ratio B ÷ A with
its 95 % interval, a sign-flip test with Holm's correction, and the smallest change that could have been seen,
from rounds of A against itself. B has regressed only where the whole interval is worse by more than --margin.

With --floor there is one subject, measured beside an echo server (stock fasthttp and crypto/tls). The ratios
to it are what --baseline compares with the record of an earlier run.

Exit codes: 0 no regression, 1 could not run, 2 usage, 4 regression, 5 void (too few undisturbed pairs),
6 inconclusive, 130 interrupted.`,
		Example: `  trent compare ./bin/trent-old ./bin/trent --metrics cpu,errors
  trent compare self "self --log-level debug" --workload envelope
  trent compare http://127.0.0.1:8080 self --allow-plaintext --a-start "env PORT=8080 local-kms" --probe all
  trent compare https://127.0.0.1:8443 https://127.0.0.1:9443 --a-ca-file a.pem --b-ca-file b.pem --rate 500
  trent compare --floor self --out results/today --baseline results/last-week
  trent compare self ./bin/trent-new --benchfmt rounds.txt && benchstat -col subject rounds.txt`,
		Args: func(_ *cobra.Command, args []string) error {
			wanted := 2
			if f.floor {
				wanted = 1
			}
			if len(args) != wanted {
				return usageError(fmt.Errorf("compare wants %d subjects here, got %d", wanted, len(args)), "see 'trent compare --help'; quote a subject that has flags of its own")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error { return runCompare(c, e, &f, args) },
	}
	f.loadFlags.bind(c, "native")
	_ = c.Flags().MarkHidden("slo") // it is there, and refused with a reason
	f.a.bind(c, "a")
	f.b.bind(c, "b")
	flags := c.Flags()
	flags.BoolVar(&f.floor, "floor", false, "compare one subject with an echo server in the same run")
	flags.Float64Var(&f.rate, "rate", 0, "requests due a second on each side (0: from --load)")
	flags.Float64Var(&f.load, "load", 0.3, "rate as a share of the highest rate of the slower side, which is looked for first")
	flags.BoolVar(&f.saturate, "saturate", false, "measure also how many are answered while more is offered")
	flags.DurationVar(&f.round, "round", 5*time.Second, "length of a round; with --saturate in whole seconds")
	flags.IntVar(&f.pairs, "pairs", 12, "pairs of rounds, at least 6; 10 or more for a verdict worth having")
	flags.IntVar(&f.self, "aa", 0, "pairs of A against itself (0: half of --pairs; -1: none)")
	flags.StringSliceVar(&f.metrics, "metrics", compare.Metrics, "what is compared and judged")
	flags.Float64Var(&f.margin, "margin", 0.05, "by how much B may be worse: 0.05 is 5 %")
	flags.Float64Var(&f.errorMargin, "error-margin", 0.001, "by how much B's share of errors may be larger")
	flags.StringVar(&f.probe, "probe", "mix", "what both sides are asked first: mix, all (every operation of the API) or none")
	flags.DurationVar(&f.timeout, "timeout", 5*time.Second, "of one request, and the longest wait for a connection")
	flags.StringVar(&f.baseline, "baseline", "", "record of an earlier 'trent compare --floor' to judge this one by")
	flags.StringVar(&f.benchmarks, "benchfmt", "", "write the rounds to this file as benchstat reads them")
	return c
}

func (f *compareFlags) check() error {
	switch {
	case f.pairs < compare.MinPairs:
		return usageError(fmt.Errorf("--pairs %d: at least %d are needed", f.pairs, compare.MinPairs), "with 12, the default, some forty comparisons can be told apart from chance")
	case f.round < 100*time.Millisecond || f.saturate && f.round%time.Second != 0:
		return usageError(fmt.Errorf("--round %s is too short, or with --saturate not of whole seconds", f.round), "for example --round 5s")
	case f.rate < 0 || !(f.load > 0 && f.load < 1):
		return usageError(fmt.Errorf("--rate %g and --load %g: wants a rate, or a share between 0 and 1", f.rate, f.load), "for example --load 0.3")
	case !(f.margin > 0 && f.margin < 10) || !(f.errorMargin > 0 && f.errorMargin < 1):
		return usageError(fmt.Errorf("--margin %g and --error-margin %g: want shares above 0", f.margin, f.errorMargin), "for example --margin 0.05")
	case !slices.Contains([]string{"mix", "all", "none"}, f.probe):
		return usageError(fmt.Errorf("unknown probe %q", f.probe), "use mix, all or none")
	case knownEngine(f.engine) != nil:
		return knownEngine(f.engine)
	case f.slo != "":
		return usageError(errors.New("compare judges by --margin, not by an SLO file"), "use 'trent attack --slo' for limits")
	case f.allowRemote && f.rate == 0:
		return usageError(errors.New("--allow-remote wants --rate"), "the highest rate of someone else's service is not looked for")
	case f.allowRemote && f.saturate:
		return usageError(errors.New("--saturate is not for --allow-remote"), "someone else's service is not overloaded on purpose")
	case f.baseline != "" && !f.floor:
		return usageError(errors.New("--baseline wants --floor"), "runs of different hours compare by their ratios to a floor only")
	}
	for _, m := range f.metrics {
		if !slices.Contains(compare.Metrics, m) {
			return usageError(fmt.Errorf("unknown metric %q", m), "there are "+strings.Join(compare.Metrics, ", "))
		}
	}
	return nil
}

func runCompare(c *cobra.Command, e *environment, f *compareFlags, args []string) error {
	if err := f.check(); err != nil {
		return err
	}
	w, source, err := loadWorkload(f.workload)
	if err != nil {
		return err
	}
	self := f.self
	if self < 0 {
		self = -1
	}
	o := compare.Options{
		Workload: w, WorkloadSource: source, Engine: f.engine, Connections: f.connections, Timeout: f.timeout, Rate: f.rate, Load: f.load,
		Saturate: f.saturate, Round: f.round, Pairs: f.pairs, SelfPairs: self, Metrics: f.metrics, Margin: f.margin, ErrorMargin: f.errorMargin,
		ProbeAll: f.probe == "all", SkipProbe: f.probe == "none", Seed: f.seed, KeepKeys: f.keepKeys, Tool: "trent " + version,
		Command: e.Command, Display: attack.NewDisplay(e.Stderr, e.IsTerminal),
	}
	if err := f.subjects(e, &o, args); err != nil {
		return err
	}
	if f.baseline != "" {
		if o.Baseline, err = results.ReadFile(f.baseline); err != nil {
			return usageError(err, "give a record.json written by 'trent compare --floor', or its directory")
		}
		o.BaselineName = f.baseline
	}
	ctx, stop := interruptible(c.Context())
	defer stop()
	for _, s := range []*compare.Subject{&o.A, &o.B} {
		if err := f.guard(ctx, e, &s.Target, w, f.maxRequests, w.KeyCount()); err != nil {
			return err
		}
	}
	record, err := compare.Run(ctx, o)
	if errors.Is(err, compare.ErrNothingInCommon) && record != nil {
		err = nil // the record says what each lacks
	}
	if err != nil {
		return loadError(ctx, err)
	}
	if f.benchmarks != "" {
		if err := results.WriteBenchmarkFile(f.benchmarks, record); err != nil {
			return failure(err, "choose another file by --benchfmt")
		}
	}
	return f.deliver(e, record)
}

// subjects reads both sides.
func (f *compareFlags) subjects(e *environment, o *compare.Options, args []string) error {
	var err error
	if f.floor {
		program, err := os.Executable()
		if err != nil {
			return failure(fmt.Errorf("finding this program: %w", err), "")
		}
		o.A = compare.Subject{Name: "echo floor", Kind: results.FloorSubject}
		o.Floor = compare.Command{Path: program, Args: []string{floorVerb}}
		o.B, err = f.subject(e, &f.b, args[0])
		return err
	}
	if o.A, err = f.subject(e, &f.a, args[0]); err != nil {
		return err
	}
	if o.B, err = f.subject(e, &f.b, args[1]); err != nil {
		return err
	}
	if o.A.Name == o.B.Name {
		o.A.Name, o.B.Name = o.A.Name+" (A)", o.B.Name+" (B)"
	}
	return nil
}

// subject completes what stands on the command line for a side.
func (f *compareFlags) subject(e *environment, side *sideFlags, text string) (compare.Subject, error) {
	s, err := compare.ParseSubject(text)
	if err != nil {
		return s, usageError(fmt.Errorf("subject %q: %w", text, err), `a subject is a URL, or a program with flags of serve in quotes: "./bin/trent --flag x"`)
	}
	if side.name != "" {
		s.Name = side.name
	}
	if s.Kind == results.TrentSubject {
		if side.start != "" || side.pid != 0 || side.ca != "" {
			return s, usageError(fmt.Errorf("--%s-start, --%s-pid and --%s-ca-file go with a URL", side.side, side.side, side.side), "a build is started by the comparison itself")
		}
		return s, f.build(&s)
	}
	s.PID = side.pid
	if side.start != "" {
		if s.Start, err = compare.ParseCommand(side.start); err != nil {
			return s, usageError(fmt.Errorf("--%s-start: %w", side.side, err), `for example --a-start "PORT=8080 local-kms"`)
		}
		s.Kind = results.ProgramSubject
	}
	return s, f.endpoint(e, side, &s)
}

// build completes a build that is started by the contract of serve.
func (f *compareFlags) build(s *compare.Subject) error {
	own, err := spawnOptions()
	if err != nil {
		return err
	}
	s.Spawn.Region, s.Spawn.Credentials = own.Region, own.Credentials
	if s.Spawn.Program == "self" {
		s.Spawn.Program = own.Program
		return nil
	}
	if _, err := os.Stat(s.Spawn.Program); err != nil && strings.Contains(s.Spawn.Program, "/") {
		return usageError(fmt.Errorf("subject %q: %w", s.Name, err), "give the path of a build, a URL, or self for this program")
	}
	return nil
}

// endpoint completes how a URL is talked to.
func (f *compareFlags) endpoint(e *environment, side *sideFlags, s *compare.Subject) error {
	prefix := "TRENT_" + strings.ToUpper(side.side) + "_"
	get := func(name string) string { return first(e.Getenv(prefix+name), e.Getenv("AWS_"+name)) }
	t := &s.Target
	t.Region = first(e.Getenv(prefix+"REGION"), e.Getenv("AWS_REGION"), e.Getenv("AWS_DEFAULT_REGION"), "us-east-1")
	t.Credentials = engine.Credentials{AccessKeyID: get("ACCESS_KEY_ID"), Secret: get("SECRET_ACCESS_KEY"), SessionToken: get("SESSION_TOKEN")}
	if own := e.Getenv(prefix + "ACCESS_KEY_ID"); own != "" { // never a mixture of two identities
		t.Credentials = engine.Credentials{AccessKeyID: own, Secret: e.Getenv(prefix + "SECRET_ACCESS_KEY"), SessionToken: e.Getenv(prefix + "SESSION_TOKEN")}
	}
	if t.Credentials.AccessKeyID == "" && here(t.URL) {
		t.Credentials = engine.Credentials{AccessKeyID: identity.BuiltInAccessKeyID, Secret: identity.BuiltInSecret}
	}
	if t.Credentials.AccessKeyID == "" || t.Credentials.Secret == "" {
		return usageError(errors.New("no credentials to sign with for "+s.Name), "set "+prefix+"ACCESS_KEY_ID and "+prefix+"SECRET_ACCESS_KEY, or the usual AWS_* variables")
	}
	t.AllowRemote, t.MaxRequests, t.AllowPlaintext = f.allowRemote, f.maxRequests, f.allowPlaintext
	t.MaxKeys, t.UseKeys = f.maxKeys, f.useKeys
	if bundle := first(side.ca, e.Getenv("AWS_CA_BUNDLE")); bundle != "" {
		roots, err := certificates(bundle)
		if err != nil {
			return usageError(err, "--"+side.side+"-ca-file must name a file of certificates in PEM")
		}
		t.RootCAs = roots
	}
	return nil
}

// here tells an address of this machine.
func here(endpoint string) bool {
	u, err := url.Parse(endpoint)
	if err != nil {
		return false
	}
	address, err := netip.ParseAddr(u.Hostname())
	return err == nil && address.IsLoopback() || u.Hostname() == "localhost"
}
