package fastpath

import (
	"context"
	"crypto/fips140"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"trent/fastpath/admin"
	"trent/fastpath/attestation"
	"trent/fastpath/audit"
	"trent/fastpath/custody"
	"trent/fastpath/fault"
	"trent/fastpath/frontend"
	"trent/fastpath/identity"
	"trent/fastpath/keyring"
	"trent/fastpath/keystore"
	"trent/fastpath/lifecycle"
	"trent/fastpath/operation"
	"trent/fastpath/quota"
	"trent/fastpath/sigv4"
	"trent/fastpath/sts"
	"trent/fastpath/testclock"
	"trent/fastpath/wire"
	"trent/hsm"
	"trent/store"
)

// Options of a Server. Store, Module and Directory are required and stay the caller's to close.
type Options struct {
	Store     store.Store
	Module    hsm.Module
	Directory *identity.Directory
	Regions   *Regions                         // nil: all known ones
	Frontend  frontend.Options                 // TLS and limits
	Reload    func() (string, error)           // reads the certificate again and says which is in use then; nil: there is none to read
	CacheKeys int                              // bound of the keyring's cache in keys; 0: its default
	Clock     func() time.Time                 // dates of keys and deletions; nil: time.Now
	TestClock *testclock.Clock                 // in place of Clock: one that can be moved; nil: none
	Quotas    *quota.Resources                 // nil: quota.Default
	Requests  quota.Requests                   // request quotas; the zero value holds none
	Logf      func(format string, args ...any) // trouble of the server's own; nil: dropped
	Audit     AuditOptions                     // what is kept of requests

	StoreMetrics func(w io.Writer) // writes the store's metrics in Prometheus text, beside the server's; nil: none

	Custody custody.Options // of the domain keys: Domain, and times; without a Domain they stay as they are

	KeyPool     map[hsm.KeySpec]int   // how many keys are made ahead, by spec; nil: none
	Attestation *attestation.Verifier // of Recipient's documents; nil: all are refused
	KeyStores   keystore.Backend      // what lies behind custom key stores; nil: nothing can be reached
	Transitions operation.Transitions // how long transitional states last
	Faults      []fault.Rule          // in force from the start

	Authorization operation.Authorization // zero: policies are enforced
	Principals    operation.Principals    // what is known beside the callers, in place of what Directory says; nil functions: that
	SessionClock  func() time.Time        // of temporary credentials, real time; nil: time.Now
}

// Server is a KMS endpoint: the chain, and the background work of its parts.
type Server struct {
	ctx          context.Context // of every request; ends with Close
	cancel       context.CancelFunc
	store        store.Store
	module       hsm.Module
	directory    *identity.Directory
	regions      *Regions
	keys         *keyring.Keyring
	operations   *operation.Service
	testClock    *testclock.Clock
	worker       *lifecycle.Worker
	pool         *lifecycle.Pool
	custody      *custody.Cycle // nil: none
	verifier     *sigv4.Verifier
	sts          *sts.Service
	stsVerifier  *sigv4.Verifier
	frontend     *frontend.Server
	plaintext    *frontend.Server
	metrics      *audit.Metrics
	audit        auditing
	exchanges    *exchanges
	decided      *decisionCounts
	limiter      *quota.Limiter
	logf         func(string, ...any)
	storeMetrics func(io.Writer)
	faults       *fault.Rules
	clock        func() time.Time
	reload       func() (string, error)

	started  time.Time
	draining atomic.Bool
	stop     chan struct{} // closed by Stop
	stopOnce sync.Once
	work     sync.WaitGroup
	moving   sync.RWMutex // held for reading while the test clock is moved
}

// GCPercent is the collector's pace for a process that serves: its small live heap may grow fivefold between
// collections. A request's two cipher objects are nearly all its garbage; at the default pace collections come
// every few thousand requests, and take most of what a second core adds.
const GCPercent = 400

// bytesPerKey is what a cached key is allowed to take, for bounding the cache by a number of keys.
const bytesPerKey = 1 << 10

// New builds a server from its parts and starts their background work. It serves nothing before Serve.
func New(o Options) (*Server, error) {
	s := &Server{
		store: o.Store, module: o.Module, directory: o.Directory, regions: o.Regions, logf: o.Logf,
		storeMetrics: o.StoreMetrics, reload: o.Reload, started: time.Now(), stop: make(chan struct{}), faults: fault.New(ModeledError),
	}
	for i, r := range o.Faults {
		if _, err := s.faults.Add(r); err != nil {
			return nil, fmt.Errorf("fault rule %d: %w", i+1, err)
		}
	}
	if s.logf == nil {
		s.logf = func(string, ...any) {}
	}
	if s.regions == nil {
		all, err := NewRegions(nil)
		if err != nil {
			return nil, err
		}
		s.regions = all
	}
	if s.testClock = o.TestClock; o.TestClock != nil {
		o.Clock = o.TestClock.Now
	}
	if s.clock = o.Clock; s.clock == nil {
		s.clock = time.Now
	}
	quotas := quota.Default()
	if o.Quotas != nil {
		quotas = *o.Quotas
	}
	keys, err := keyring.Open(o.Store, o.Module, keyring.Options{
		CacheBytes: int64(o.CacheKeys) * bytesPerKey, Clock: o.Clock,
		AliasesPerKey: quotas[quota.AliasesPerKey], Keys: quotas[quota.Keys],
		GrantsPerKey: quotas[quota.GrantsPerKey], KeyStores: quotas[quota.CustomKeyStores],
	})
	if err != nil {
		return nil, fmt.Errorf("opening the keyring: %w", err)
	}
	s.keys = keys
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.pool = lifecycle.NewPool(o.Module, o.KeyPool, s.logf)
	s.operations = operation.New(operation.Options{
		Keyring: keys, Module: o.Module, Clock: o.Clock, OnSchedule: func() { s.worker.Wake() }, Served: s.regions.has,
		Pool: s.pool.Take, Attestation: o.Attestation,
		Backend: o.KeyStores, Transitions: o.Transitions, Fault: s.fault, OnEvent: s.recordEvent,
		Authorization: o.Authorization, Principals: o.principals(), OnDenied: s.wouldDeny,
		Limits: operation.Limits{
			TagsPerKey: quotas[quota.TagsPerKey], PolicyBytes: quotas[quota.PolicyBytes],
			OnDemandRotations: quotas[quota.OnDemandRotations],
		},
	})
	s.worker = lifecycle.New(s.operations, lifecycle.Options{Clock: o.Clock, Logger: s.logf})
	s.sts = sts.New(sts.Options{
		Directory: o.Directory, Keys: keys, Module: o.Module, Clock: o.SessionClock, Pass: s.passSTS(o.Authorization),
	})
	known := &credentials{directory: o.Directory, sessions: s.sts}
	s.stsVerifier = stsVerifier(known)
	s.verifier = sigv4.New(sigv4.Options{
		Credentials: known, Service: "kms",
		RegionOK: func(name []byte) bool { return s.regions.Lookup(name) != nil }, HostRegion: hostRegion,
	})
	s.limiter = quota.NewLimiter(o.Requests, s.started)
	shards := 2 * runtime.GOMAXPROCS(0)
	s.metrics = audit.NewMetrics(append(operationNames(), sts.Actions()...), slices.Concat(codeNames, sts.Codes()), shards)
	s.exchanges, s.decided = newExchanges(shards), newDecisionCounts(shards)
	if err := s.openAudit(o.Audit, shards); err != nil {
		_ = keys.Close()
		s.cancel()
		return nil, err
	}
	o.Frontend.Refuse, o.Frontend.Logf = s.refuseEarly, s.logf
	if err := s.buildFrontends(o.Frontend); err != nil {
		_, _ = keys.Close(), s.closeAudit()
		s.cancel()
		return nil, fmt.Errorf("building the frontend: %w", err)
	}
	if _, err := keys.TrackingSince(s.ctx); err != nil {
		s.cancel()
		return nil, errors.Join(fmt.Errorf("starting to track the use of keys: %w", err), keys.Close(), s.closeAudit())
	}
	s.finishWork()
	s.work.Go(func() { _ = s.worker.Run(s.ctx) }) // ends with ctx, its only error
	s.work.Go(s.flushUsage)
	s.startCustody(o.Custody)
	if len(o.KeyPool) > 0 {
		s.work.Go(func() { _ = s.pool.Run(s.ctx) }) // likewise
	}
	return s, nil
}

// firstWork bounds how long a start waits for due work.
const firstWork = 2 * time.Second

// finishWork does what is due before the first request: what a crash cut short is as a rule done before anybody can see
// it. The worker goes on with what takes longer, and logs what fails.
func (s *Server) finishWork() {
	ctx, cancel := context.WithTimeout(s.ctx, firstWork)
	defer cancel()
	_ = s.worker.CatchUp(ctx, s.clock(), nil)
}

// buildFrontends makes the endpoint's frontend and its twin without TLS.
func (s *Server) buildFrontends(o frontend.Options) (err error) {
	if s.frontend, err = frontend.New(o, chain{s}); err != nil {
		return err
	}
	o.TLS, o.Plaintext = nil, true
	s.plaintext, err = frontend.New(o, chain{s})
	return err
}

func operationNames() []string {
	names := make([]string, wire.NumOperations)
	for op := range names {
		names[op] = wire.Operation(op).String()
	}
	return names
}

// Serve accepts connections on l until Shutdown. It may be called for several listeners.
func (s *Server) Serve(l net.Listener) error { return s.frontend.Serve(l) }

// ServePlaintext is Serve without TLS, for comparisons on one machine.
func (s *Server) ServePlaintext(l net.Listener) error { return s.plaintext.Serve(l) }

// Stop asks for an orderly end; Stopped tells the owner, who calls Shutdown.
func (s *Server) Stop() { s.stopOnce.Do(func() { close(s.stop) }) }

// Stopped is closed once Stop was called.
func (s *Server) Stopped() <-chan struct{} { return s.stop }

// Shutdown stops accepting, lets requests in progress end until ctx does, then ends all background work.
// The store and the module stay open: they are the caller's.
func (s *Server) Shutdown(ctx context.Context) error {
	s.draining.Store(true)
	err := errors.Join(s.frontend.Shutdown(ctx), s.plaintext.Shutdown(ctx))
	s.cancel()
	s.work.Wait()
	s.moving.Lock() // a move of the clock ends with ctx; a later one is refused
	defer s.moving.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastFlush)
	defer cancel()
	if flushing := s.operations.FlushUsage(ctx); flushing != nil {
		s.logf("the last uses of keys are lost: %v", flushing)
	}
	return errors.Join(err, s.closeAudit(), s.keys.Close())
}

// How often the last use of keys goes to the store, and how long the end waits for it.
const (
	usageInterval = time.Minute
	lastFlush     = 5 * time.Second
)

// flushUsage keeps the last use of keys until the server ends. A crash loses what the last interval brought.
func (s *Server) flushUsage() {
	ticker := time.NewTicker(usageInterval)
	defer ticker.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-ticker.C:
			if err := s.operations.FlushUsage(s.ctx); err != nil && s.ctx.Err() == nil {
				s.logf("keeping the last use of keys failed, will try again: %v", err)
			}
		}
	}
}

// Status is what the administration shows of a server.
type Status struct {
	PID      int        `json:"pid"`
	Uptime   string     `json:"uptime"`
	Draining bool       `json:"draining"`
	Regions  int        `json:"regions"`
	Revision int64      `json:"storeRevision"`
	HSM      hsm.Status `json:"hsm"`
	BuiltIn  bool       `json:"builtInCredential"`

	FIPS       string        `json:"fipsModule,omitempty"` // version of Go's FIPS 140-3 module; empty: this process is not in its mode
	DomainKeys *DomainStatus `json:"domainKeys,omitempty"`

	TestClock *admin.ClockReading `json:"testClock,omitempty"`
	Faults    int                 `json:"faultRules,omitempty"` // in force
	Held      []string            `json:"held,omitempty"`       // states, keys and custom key stores
}

// Status implements admin.Subject.
func (s *Server) Status(ctx context.Context) any {
	st := Status{
		PID: os.Getpid(), Uptime: time.Since(s.started).Round(time.Second).String(), Draining: s.draining.Load(),
		Regions: len(s.regions.Names()), BuiltIn: s.directory.HasBuiltIn(),
		Faults: len(s.faults.List()), Held: s.keys.Holds().List(), DomainKeys: s.domainStatus(),
	}
	if fips140.Enabled() {
		st.FIPS = fips140.Version()
	}
	if s.testClock != nil {
		reading := s.ReadClock()
		st.TestClock = &reading
	}
	if head, err := s.store.Head(ctx); err == nil {
		st.Revision = int64(head)
	}
	if status, err := s.module.Status(ctx); err == nil {
		st.HSM = status
	}
	return st
}

// Health implements admin.Subject: the store answers, the module is healthy, and nothing drains.
func (s *Server) Health(ctx context.Context) error {
	if s.draining.Load() {
		return errors.New("draining")
	}
	if _, err := s.store.Head(ctx); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	status, err := s.module.Status(ctx)
	if err != nil {
		return fmt.Errorf("hsm: %w", err)
	}
	if !status.Healthy {
		return errors.New("hsm: not healthy")
	}
	return nil
}

// WriteMetrics implements admin.Subject.
func (s *Server) WriteMetrics(w io.Writer) {
	s.metrics.WritePrometheus(w)
	s.writeModuleMetrics(w)
	s.writeKeyringMetrics(w)
	if s.storeMetrics != nil {
		s.storeMetrics(w)
	}
	s.writePoolMetrics(w)
	s.writeDomainMetrics(w)
	s.writeQuotaMetrics(w)
	s.decided.write(w)
	s.writeKeyMetrics(w)
	s.writeFrontendMetrics(w)
	s.writeAuditMetrics(w)
	writeRuntimeMetrics(w)
	fmt.Fprintf(w, "# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds %d\n", s.started.Unix())
}

// writePoolMetrics writes how many keys are there of those made ahead.
func (s *Server) writePoolMetrics(w io.Writer) {
	levels := s.pool.Levels()
	if len(levels) == 0 {
		return
	}
	fmt.Fprint(w, "# TYPE trent_key_pool_ready gauge\n")
	for _, l := range levels {
		fmt.Fprintf(w, "trent_key_pool_ready{spec=%q} %d\n", l.Spec, l.Ready)
	}
}
