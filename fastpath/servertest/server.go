// Package servertest starts whole servers for tests: endpoint, keyring, embedded store and HSM on a directory
// of the test's, TLS on a loopback port. It also has what tests say to an endpoint, be it one of these or any
// other: an SDK configuration, hand-made requests under a valid signature, and bytes on a connection.
//
// It is support for tests only and no part of the product. A Server owns the goroutines of what it starts;
// Close ends them. An Endpoint is safe for concurrent use; Restart is not.
package servertest

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"trent/fastpath"
	"trent/fastpath/attestation"
	"trent/fastpath/audit"
	"trent/fastpath/custody"
	"trent/fastpath/fault"
	"trent/fastpath/frontend"
	"trent/fastpath/identity"
	"trent/fastpath/keystore"
	"trent/fastpath/operation"
	"trent/fastpath/quota"
	"trent/fastpath/testclock"
	"trent/hsm"
	"trent/store"
	"trent/store/pebblestore"
)

// Options of a Server. The zero value is a server with the built-in credential.
type Options struct {
	Account     string                // of the built-in credential; empty: identity.DefaultAccount
	Credentials []identity.Credential // beside the built-in one
	Identities  identity.Config       // principals beside these
	// SessionClock is the time of temporary credentials; nil: time.Now.
	SessionClock func() time.Time
	Regions      []string                         // none: all
	Clock        func() time.Time                 // dates of keys and deletions; nil: time.Now
	TestClock    bool                             // Advance moves the clock
	MaxBody      int                              // bytes; 0: the frontend's default
	Logf         func(format string, args ...any) // nil: dropped
	Quotas       *quota.Resources                 // nil: quota.Default
	Requests     quota.Requests                   // the zero value holds none
	Wrap         func(store.Store) store.Store    // puts something between server and store; nil: nothing
	KeyPool      map[hsm.KeySpec]int              // keys made ahead; nil: none
	Custody      custody.Options                  // times of the domain keys' cycle; its Domain is the server's
	Appliance    bool                             // the HSM is one behind hsm/link; see HSMVariable
	// AttestationRoot is in PEM what attestation documents must lead to; nil: AWS's own root.
	AttestationRoot []byte

	Endpoints []fastpath.Endpoint // VPC endpoints, each with a listener; see Through

	KeyStores   *keystore.Config // what lies behind custom key stores, made anew by each Restart; nil: nothing
	Transitions operation.Transitions
	Faults      []fault.Rule

	Authorization operation.Authorization // zero: policies are enforced
	Principals    operation.Principals

	Audit *audit.Options // records of requests, with security log and decisions; an empty directory: data/audit; nil: none are kept
}

// Server is a running server. Dir holds everything it keeps: data/, and the seal key beside it.
type Server struct {
	Endpoint
	Dir string
	// Core is the server itself, for what no request can see.
	Core *fastpath.Server
	// Directory is who there is.
	Directory *identity.Directory

	options Options
	module  hsm.Module
	domain  custody.Domain
	store   *pebblestore.Store
	served  chan error
	through []*Endpoint
	doors   int // listeners that serve
}

// Start runs a server on a directory of the test's and closes it with the test.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	s, err := Open(t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// Open is Start without a test, on a directory that may hold what an earlier server left.
func Open(dir string, o Options) (*Server, error) {
	s := &Server{Dir: dir, options: o}
	if err := s.open(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// DataDir is the data directory: all that is kept but the seal key.
func (s *Server) DataDir() string { return filepath.Join(s.Dir, "data") }

func (s *Server) open() error {
	o := &s.options
	if err := os.MkdirAll(s.DataDir(), 0o700); err != nil {
		return fmt.Errorf("making the data directory: %w", err)
	}
	var err error
	if s.module, err = s.openModule(); err != nil {
		s.module = nil
		return err
	}
	if s.store, err = pebblestore.Open(filepath.Join(s.DataDir(), "store"), pebblestore.Options{}); err != nil {
		return err
	}
	ca, err := frontend.OpenCA(filepath.Join(s.DataDir(), "tls"))
	if err != nil {
		return err
	}
	if o.Account == "" {
		o.Account = identity.DefaultAccount
	}
	var kept store.Store = s.store
	if o.Wrap != nil {
		kept = o.Wrap(kept)
	}
	directory, err := identity.Open(context.Background(), identity.Options{
		Store: kept, SealFile: filepath.Join(s.DataDir(), "identity.key"), Config: o.Identities, Credentials: append([]identity.Credential{identity.BuiltIn(o.Account)}, o.Credentials...),
	})
	if err != nil {
		return err
	}
	s.Directory = directory
	regions, err := fastpath.NewRegions(o.Regions)
	if err != nil {
		return err
	}
	roots := o.AttestationRoot
	if roots == nil {
		roots = attestation.NitroRoot
	}
	verifier, err := attestation.New(roots)
	if err != nil {
		return err
	}
	var clock *testclock.Clock
	if o.TestClock {
		if clock, err = testclock.Open(filepath.Join(s.DataDir(), testclock.FileName)); err != nil {
			return err
		}
	}
	backend, err := o.backend(clock)
	if err != nil {
		return err
	}
	o.Custody.Domain = s.domain
	if s.Core, err = fastpath.New(fastpath.Options{
		Custody:   o.Custody,
		KeyStores: backend, Transitions: o.Transitions, Faults: o.Faults, Audit: s.auditOptions(),
		Authorization: o.Authorization, Principals: o.Principals,
		SessionClock: o.SessionClock,
		Store:        kept, Module: s.module, Directory: directory, Regions: regions, Clock: o.Clock, Quotas: o.Quotas, Requests: o.Requests, Logf: o.Logf,
		Frontend:  frontend.Options{TLS: frontend.ServerTLS(ca), MaxBody: o.MaxBody},
		TestClock: clock, KeyPool: o.KeyPool, Attestation: verifier, StoreMetrics: s.writeStoreMetrics,
	}); err != nil {
		return err
	}
	return s.listen(ca)
}

func (s *Server) listen(ca *frontend.CA) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	served := make(chan error, 1+len(s.options.Endpoints))
	s.served, s.doors = served, 1
	go func() { served <- s.Core.Serve(l) }()
	s.Endpoint = Endpoint{
		URL: "https://" + l.Addr().String(), Region: "us-east-1", Account: s.options.Account,
		AccessKeyID: identity.BuiltInAccessKeyID, Secret: identity.BuiltInSecret, RootPEM: ca.Root(),
	}
	s.RootCAs = x509.NewCertPool()
	if !s.RootCAs.AppendCertsFromPEM(s.RootPEM) {
		return errors.New("the CA's root is no certificate")
	}
	return s.listenVPC()
}

// listenVPC opens the VPC endpoints' listeners.
func (s *Server) listenVPC() error {
	s.through = nil
	for _, e := range s.options.Endpoints {
		made, err := fastpath.NewEndpoint(e)
		if err != nil {
			return err
		}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return fmt.Errorf("listening: %w", err)
		}
		served, core := s.served, s.Core
		s.doors++
		go func() { served <- core.ServeEndpoint(l, made) }()
		s.through = append(s.through, &Endpoint{
			URL: "https://" + l.Addr().String(), Region: made.Region, Account: s.Account,
			AccessKeyID: s.AccessKeyID, Secret: s.Secret, RootPEM: s.RootPEM, RootCAs: s.RootCAs,
		})
	}
	return nil
}

// Through is the i-th VPC endpoint of Options.Endpoints.
func (s *Server) Through(i int) *Endpoint { return s.through[i] }

// drainTimeout bounds how long Close waits for requests in progress.
const drainTimeout = 10 * time.Second

// Close drains the server and closes what it stood on.
func (s *Server) Close() error {
	s.Endpoint.CloseIdle()
	for _, e := range s.through {
		e.CloseIdle()
	}
	var errs []error
	if s.Core != nil {
		ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
		defer cancel()
		errs = append(errs, s.Core.Shutdown(ctx))
		for ; s.doors > 0; s.doors-- {
			errs = append(errs, <-s.served)
		}
	}
	if s.store != nil {
		errs = append(errs, s.store.Close())
	}
	if s.module != nil {
		errs = append(errs, s.module.Close())
	}
	s.Core, s.served, s.store, s.module = nil, nil, nil, nil
	return errors.Join(errs...)
}

// Advance moves the test clock, and returns when all is done that fell due by it.
func (s *Server) Advance(t testing.TB, by time.Duration) {
	t.Helper()
	if err := s.Core.AdvanceClock(t.Context(), by); err != nil {
		t.Fatal(err)
	}
}

// Restart closes everything and opens it again on the same directory, on another port: clients made before
// are of no more use.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.open(); err != nil {
		t.Fatal(err)
	}
}

// backend plays what lies behind custom key stores, by the server's clock.
func (o *Options) backend(test *testclock.Clock) (keystore.Backend, error) {
	if o.KeyStores == nil {
		return nil, nil
	}
	clock := o.Clock
	if test != nil {
		clock = test.Now
	}
	return keystore.NewScripted(*o.KeyStores, clock)
}

// auditOptions puts the logs where `trent serve` has them.
func (s *Server) auditOptions() (o fastpath.AuditOptions) {
	if s.options.Audit == nil {
		return o
	}
	records := *s.options.Audit
	if records.Dir == "" {
		records.Dir = filepath.Join(s.DataDir(), "audit")
	}
	return fastpath.AuditOptions{
		Records: &records, SecurityLog: filepath.Join(s.DataDir(), "security", "security.log"),
		Decisions: &audit.DecisionOptions{Dir: filepath.Join(s.DataDir(), "decisions")},
	}
}

func (s *Server) writeStoreMetrics(w io.Writer) { s.store.Metrics().WritePrometheus(w) }
