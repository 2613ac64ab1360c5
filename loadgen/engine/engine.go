// Package engine sends the hits of a load test: it executes a schedule against a target and records what became of each hit.
//
// Two engines share one way of sending (own TLS connections, HTTP/1.1 with keep-alive, requests signed per send, answers parsed
// in place): "native" sends from an event loop on each core that it needs; "vegeta" is driven by vegeta's attack loop and workers,
// which cost more a request. The third, "sdk", makes each hit a call of aws-sdk-go-v2 with its own retries, signing and HTTP client,
// and shows what an application would see. All record alike and are open loop: a hit is due when the schedule says so whatever the
// server does, a late hit goes out at once and keeps its due time. Only a ClosedLoop in the schedule's place waits for answers.
//
// The package also makes the keys, ciphertexts and signatures a workload needs (Provision) and sends single calls (Client). Its
// signer and its decoder are its own, sharing nothing with any server. It judges no result.
//
// An Engine is safe for concurrent use; each Run owns the goroutines it starts and has ended them when it returns.
package engine

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"

	"trent/loadgen/measure"
	"trent/loadgen/schedule"
	"trent/loadgen/workload"
)

// Credentials sign requests.
type Credentials struct {
	AccessKeyID  string
	Secret       string
	SessionToken string // empty for long-term credentials
}

// String shows the access key ID only.
func (c Credentials) String() string { return "credentials of " + c.AccessKeyID }

// GoString shows the access key ID only.
func (c Credentials) GoString() string { return c.String() }

// Target is where requests go.
type Target struct {
	URL         string // https://host[:port]
	Region      string
	Credentials Credentials
	// Callers sign the requests of the workload's entries that name them; entries without a caller among them are signed with
	// Credentials.
	Callers map[string]Caller
	RootCAs *x509.CertPool // nil: the system's
	// AllowRemote permits a host that is not loopback; it also needs MaxRequests.
	AllowRemote bool
	// MaxRequests is a hard cap on the requests sent by one Provisioned with all its runs, by one run without keys, or by one
	// Client. 0: no cap.
	MaxRequests uint64
	// MaxKeys is the most keys that one Provisioned makes. 0: no cap. Each bills until it is deleted, 7 days later at the earliest.
	MaxKeys int
	// UseKeys are keys (IDs, ARNs or aliases) to use where any would do; then none is made and none deleted.
	UseKeys []string
	// AllowPlaintext permits an http URL, for comparisons.
	AllowPlaintext bool
}

// Plan is one run.
type Plan struct {
	Target      Target
	Workload    *workload.Workload
	Keys        *Provisioned
	Schedule    schedule.Schedule // or a ClosedLoop
	Seed        uint64            // of the sequence of hits
	Connections int               // 0: 64; a closed loop has one for each client, but for the sdk engine, where this is the pool's size
	Connect     Connect           // how connections are made and replaced
	SDK         SDKOptions        // of the sdk engine
	Timeout     time.Duration     // of one request, and the longest wait of a hit for a connection; 0: 10 s
	Recorder    *measure.Recorder
	// Start is the origin that due times count from; the zero time: as soon as the connections are made. Hits that are due by the
	// time they are made go out at once.
	Start time.Time
	Tap   *Tap // gets a sample of the good answers; may be nil
	// Progress is called about once a second, never concurrently; may be nil.
	Progress func(Progress)
}

// Progress is the state of a run.
type Progress struct {
	Elapsed time.Duration // since the origin
	Due     uint64        // hits handed over so far
	measure.Counts
}

// Report is what an engine knows beyond the samples.
type Report struct {
	Engine      string
	Start       time.Time     // the origin that due times count from
	Elapsed     time.Duration // from the origin to the last hit's end
	Due         uint64        // hits due by the schedule's own realisation, up to the interruption if there was one
	Sent        uint64        // hits whose request was written
	Done        uint64        // hits recorded with any outcome; equals Due
	Connections int           // connections made at the start
	Reconnects  uint64        // connections made after that
	MaxBacklog  int           // most hits that waited for a connection at one time
	Capped      uint64        // hits not sent because MaxRequests was reached
	CapHits     uint64        // vegeta: hits that found all workers busy
	ClientCPU   time.Duration // CPU time of this process over the run, whatever it did beside
	Interrupted bool          // the context ended before the schedule
	Opening     Handshakes    // connections made before the origin
	Handshakes  Handshakes    // connections made after it
	Loop        *Loop         // of a closed loop
	SDK         *SDKCalls     // of the sdk engine
}

// Engine executes plans.
type Engine interface {
	Name() string
	// Run sends the plan's hits and waits for their answers. When ctx ends it stops at once: hits due and not sent count as
	// never sent, those under way have a second to finish, the report says Interrupted and the error is nil. Errors: a target
	// that is refused (*TargetError), a plan without what it needs, no connection to the target.
	Run(ctx context.Context, p *Plan) (Report, error)
}

// Names lists the engines, the default first.
func Names() []string { return []string{"vegeta", "native", "sdk"} }

// New returns an engine by name.
func New(name string) (Engine, error) {
	switch name {
	case "vegeta":
		return vegetaEngine{}, nil
	case "native":
		return nativeEngine{}, nil
	case "sdk":
		return sdkEngine{}, nil
	}
	return nil, fmt.Errorf("unknown engine %q: expected one of %s", name, strings.Join(Names(), ", "))
}

// Refusals of a target; a *TargetError wraps one of them.
var (
	// ErrURL: the URL is not of the form https://host[:port].
	ErrURL = errors.New("not a usable endpoint URL")
	// ErrPlaintext: http without AllowPlaintext.
	ErrPlaintext = errors.New("plaintext endpoint needs to be allowed explicitly")
	// ErrRemote: an address that is not loopback without AllowRemote.
	ErrRemote = errors.New("endpoint is not on this machine, which needs to be allowed explicitly")
	// ErrUncapped: a remote target without MaxRequests.
	ErrUncapped = errors.New("endpoint is not on this machine, which needs a cap on requests")
	// ErrResolve: the host has no address.
	ErrResolve = errors.New("endpoint's host has no address")
)

// TargetError is a target that the rules refuse. Nothing was sent to it.
type TargetError struct {
	URL    string
	Reason error // one of the refusals above, perhaps wrapped
}

func (e *TargetError) Error() string { return fmt.Sprintf("target %s: %v", e.URL, e.Reason) }

// Unwrap returns the reason.
func (e *TargetError) Unwrap() error { return e.Reason }

// ErrKeyCap is a workload that needs more keys than Target.MaxKeys. Nothing was sent.
var ErrKeyCap = errors.New("cap on keys is too low for the workload")

// ErrOpenOnly is a closed loop given to vegeta, which knows schedules only.
var ErrOpenOnly = errors.New("engine vegeta has no closed loop: use native or sdk")

// ErrRequestCap is a request not sent because MaxRequests was reached.
var ErrRequestCap = errors.New("cap on requests reached")

// ProvisionOptions say how Provision works.
type ProvisionOptions struct {
	Concurrency int  // requests at a time; 0: 8
	Keep        bool // Release does not schedule the keys' deletion
	// MaxArtifacts bounds the ciphertexts, signatures and MACs made, as far as one for each key and entry allows. 0: 4,096.
	MaxArtifacts int
	// Progress is called after each request with the requests done and expected, never concurrently; may be nil.
	Progress func(done, total int)
}

// DefaultConnections is the number of connections of a plan that names none.
const DefaultConnections = 64

func (p *Plan) connections() int {
	if l, ok := p.Schedule.(ClosedLoop); ok && p.Connections <= 0 {
		return l.Clients
	}
	if p.Connections <= 0 {
		return DefaultConnections
	}
	return p.Connections
}

func (p *Plan) timeout() time.Duration {
	if p.Timeout <= 0 {
		return 10 * time.Second
	}
	return p.Timeout
}

func (p *Plan) validate() error {
	switch {
	case p.Workload == nil:
		return errors.New("engine: plan without a workload")
	case p.Keys == nil:
		return errors.New("engine: plan without provisioned keys")
	case p.Keys.workload != p.Workload:
		return errors.New("engine: keys were provisioned for another workload")
	case p.Schedule == nil:
		return errors.New("engine: plan without a schedule")
	case p.Recorder == nil:
		return errors.New("engine: plan without a recorder")
	}
	// A trace may say which entries of the mix its hits are of.
	if s, ok := p.Schedule.(interface{ Entries() int }); ok && s.Entries() > len(p.Workload.Mix) {
		return fmt.Errorf("the schedule names entry %d of the mix, and workload %s has %d (the first is 0)",
			s.Entries()-1, p.Workload.Name, len(p.Workload.Mix))
	}
	return p.Connect.Validate()
}
