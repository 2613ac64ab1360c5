package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"trent/loadgen/engine"
	"trent/loadgen/schedule"
	"trent/loadgen/workload"
)

// modeFlags say what kind of attack is run: at a rate, by a schedule, with waiting clients, or about connections.
type modeFlags struct {
	rate          float64
	duration      time.Duration
	spec          string
	clients       int
	think         string
	handshakes    float64
	handshakeOnly bool
	coldStart     int
}

func (m *modeFlags) bind(c *cobra.Command) {
	flags := c.Flags()
	flags.Float64Var(&m.rate, "rate", 100, "requests due a second")
	flags.DurationVar(&m.duration, "duration", 10*time.Second, "length of the run")
	flags.StringVar(&m.spec, "schedule", "", `instead of a constant rate: "poisson:500 10s", "linear:100-1000 30s", "steps:100x5s,200x5s", …`)
	flags.IntVar(&m.clients, "clients", 0, "instead of a rate: a closed loop of so many clients, each waiting for its answers; no limit on latency can pass")
	flags.StringVar(&m.think, "think", "0s", `with --clients, the pause between an answer and the next request: "50ms" or "exponential:50ms"`)
	flags.Float64Var(&m.handshakes, "handshakes", 0, "instead of --rate: new connections due a second, a request on each")
	flags.BoolVar(&m.handshakeOnly, "handshake-only", false, "with --handshakes, send no request on them")
	flags.IntVar(&m.coldStart, "cold-start", 0, "instead of a rate: so many connections opened at once, a request on each; says when all are served")
}

// assault is what an attack is, by the flags.
type assault struct {
	times    schedule.Schedule
	workload string // "": as --workload says
	engine   string // that the kind of attack is best run by
	open     bool   // vegeta can run it
}

// handshakeWorkload stands for hits that send nothing, and needs no keys.
const handshakeWorkload = "name: handshakes\ndescription: TLS handshakes without a request\nmix: [{name: handshake, operation: GenerateRandom}]\n"

// resolve checks the flags against each other and puts into f and connect what they imply.
func (m *modeFlags) resolve(c *cobra.Command, e *environment, f *loadFlags, window *windowFlags, connect *engine.Connect) (assault, error) {
	changed := c.Flags().Changed
	var modes []string
	for _, name := range []string{"schedule", "rate", "clients", "handshakes", "cold-start"} {
		if changed(name) {
			modes = append(modes, "--"+name)
		}
	}
	switch {
	case len(modes) > 1 && !slices.Equal(modes, []string{"--schedule", "--rate"}):
		return assault{}, usageError(fmt.Errorf("%s are different kinds of attack", strings.Join(modes, " and ")), "give one of them")
	case changed("think") && m.clients == 0:
		return assault{}, usageError(errors.New("--think is the pause of clients"), "give --clients too")
	case m.handshakeOnly && !changed("handshakes"):
		return assault{}, usageError(errors.New("--handshake-only goes with --handshakes"), "for example --handshakes 200 --handshake-only")
	case m.duration <= 0 || m.duration > schedule.MaxDuration:
		return assault{}, usageError(fmt.Errorf("duration %s", m.duration), "give --duration 10s, at most "+schedule.MaxDuration.String())
	case m.coldStart > 0 && changed("duration"):
		return assault{}, usageError(errors.New("a cold start has no duration: it ends with its answers"), "leave out --duration")
	}
	for name, count := range map[string]int{"clients": m.clients, "cold-start": m.coldStart} {
		if changed(name) && (count < 1 || count > maxAtOnce) {
			return assault{}, usageError(fmt.Errorf("--%s %d", name, count), fmt.Sprintf("give 1 to %d", maxAtOnce))
		}
	}
	p := assault{engine: "native", open: true}
	var err error
	switch {
	case m.clients > 0:
		if !changed("connections") {
			f.connections = m.clients
		}
		var think engine.Think
		if think, err = parseThink(m.think); err == nil {
			p.times, p.open = engine.NewClosedLoop(m.clients, think, m.duration, f.seed), false
		}
	case m.coldStart > 0:
		f.connections, connect.Late = m.coldStart, true
		p.times = engine.NewColdStart(m.coldStart)
	case changed("handshakes"):
		connect.Requests, connect.HandshakeOnly = 1, m.handshakeOnly
		if m.handshakeOnly {
			p.workload = handshakeWorkload
		}
		p.times, err = m.connecting(f.seed)
	default:
		p.engine = ""
		p.times, err = window.arrivals(c, e, f, m.spec, m.rate, m.duration)
		return p, err
	}
	if err == nil {
		err = refuseWindow(c, "which "+modes[0]+" replaces")
	}
	return p, err
}

// connecting is the schedule of handshakes.
func (m *modeFlags) connecting(seed uint64) (schedule.Schedule, error) {
	times, err := schedule.Parse(fmt.Sprintf("%g/s %s", m.handshakes, m.duration), seed)
	if err != nil || m.handshakes <= 0 {
		return nil, usageError(errors.Join(fmt.Errorf("--handshakes %g", m.handshakes), err), "give a rate above 0, for example --handshakes 200")
	}
	return times, nil
}

// maxAtOnce bounds clients and storms: each is a connection, and one address has fewer than 65,536 ports.
const maxAtOnce = 60_000

func parseThink(text string) (engine.Think, error) {
	duration, exponential := strings.CutPrefix(text, "exponential:")
	mean, err := time.ParseDuration(duration)
	if err != nil || mean < 0 || mean > time.Hour {
		return engine.Think{}, usageError(fmt.Errorf("--think %q is no pause", text), `for example --think 50ms, or --think exponential:50ms; at most 1h`)
	}
	return engine.Think{Mean: mean, Exponential: exponential}, nil
}

// connectFlags say how connections are made.
type connectFlags struct {
	lifetime   time.Duration
	requests   int
	perRequest bool
	resumption bool
	curves     string
	version    string
}

func (f *connectFlags) bind(c *cobra.Command) {
	flags := c.Flags()
	flags.DurationVar(&f.lifetime, "connection-lifetime", 0, "replace each connection at a random age between half of this and this (0: never)")
	flags.IntVar(&f.requests, "requests-per-connection", 0, "replace each connection after so many requests (0: never)")
	flags.BoolVar(&f.perRequest, "new-connection-per-request", false, "make a new connection for each request")
	flags.BoolVar(&f.resumption, "tls-resumption", false, "resume TLS sessions on later connections")
	flags.StringVar(&f.curves, "tls-curves", "", "offer only key exchanges of this kind: hybrid (X25519MLKEM768) or classical")
	flags.StringVar(&f.version, "tls-version", "", "offer only this version: 1.2 or 1.3")
}

func (f *connectFlags) connect() (engine.Connect, error) {
	c := engine.Connect{Lifetime: f.lifetime, Requests: f.requests, Resume: f.resumption, Curves: f.curves}
	if f.perRequest {
		if f.requests > 1 {
			return c, usageError(errors.New("--new-connection-per-request and --requests-per-connection differ"), "give one of them")
		}
		c.Requests = 1
	}
	switch f.version {
	case "":
	case "1.2":
		c.Version = tls.VersionTLS12
	case "1.3":
		c.Version = tls.VersionTLS13
	default:
		return c, usageError(fmt.Errorf("--tls-version %q", f.version), "give 1.2 or 1.3")
	}
	if err := c.Validate(); err != nil {
		return c, usageError(err, "see 'trent attack --help'")
	}
	return c, nil
}

// sdkFlags are the settings of the AWS SDK.
type sdkFlags struct {
	maxAttempts    int
	mode           string
	attemptTimeout time.Duration
}

func (f *sdkFlags) bind(c *cobra.Command) {
	flags := c.Flags()
	flags.IntVar(&f.maxAttempts, "sdk-max-attempts", 0, "with --engine sdk: attempts of a call (0: the SDK's default, 3)")
	flags.StringVar(&f.mode, "sdk-retry-mode", "standard", "with --engine sdk: standard or adaptive")
	flags.DurationVar(&f.attemptTimeout, "sdk-attempt-timeout", 0, "with --engine sdk: limit of one attempt (0: --timeout, which is the whole call's)")
}

func (f *sdkFlags) options(c *cobra.Command, engineName string) (engine.SDKOptions, error) {
	for _, name := range []string{"sdk-max-attempts", "sdk-retry-mode", "sdk-attempt-timeout"} {
		if c.Flags().Changed(name) && engineName != "sdk" {
			return engine.SDKOptions{}, usageError(fmt.Errorf("--%s is of the sdk engine", name), "give --engine sdk too")
		}
	}
	switch {
	case f.maxAttempts < 0 || f.attemptTimeout < 0:
		return engine.SDKOptions{}, usageError(errors.New("negative attempts or timeout"), "")
	case f.mode != "standard" && f.mode != "adaptive":
		return engine.SDKOptions{}, usageError(fmt.Errorf("--sdk-retry-mode %q", f.mode), "give standard or adaptive")
	}
	return engine.SDKOptions{MaxAttempts: f.maxAttempts, Adaptive: f.mode == "adaptive", AttemptTimeout: f.attemptTimeout}, nil
}

// workloadOf is the attack's workload.
func (p *assault) workloadOf(c *cobra.Command, name string) (*workload.Workload, string, error) {
	if p.workload == "" || c.Flags().Changed("workload") {
		return loadWorkload(name)
	}
	w, err := workload.Parse("handshakes", []byte(p.workload))
	return w, "", err
}
