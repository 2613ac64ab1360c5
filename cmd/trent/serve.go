package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"slices"
	"syscall"

	"github.com/spf13/cobra"

	"trent/fastpath"
	"trent/fastpath/admin"
	"trent/fastpath/attestation"
	"trent/fastpath/frontend"
	"trent/fastpath/identity"
	"trent/fastpath/lifecycle"
	"trent/hsm"
	"trent/store/pebblestore"
)

func newServeCommand(e *environment) *cobra.Command {
	s := defaultSettings(e.Getenv)
	var configFile string
	c := &cobra.Command{
		Use:   "serve",
		Short: "Start the KMS endpoint and its HSM",
		Long: `Serve starts the KMS endpoint on a data directory and runs until SIGTERM or Ctrl-C, which drain:
requests in progress are answered, and nothing that was answered is lost. SIGHUP reads the certificate of
--tls-cert again, where one is given, and ends the server otherwise. The first start makes the data
directory, a local CA with a server certificate, and the key file that opens the sealed HSM domain.

Every flag has a key of the same name in the config file, with underscores for dashes. Flags win. Of the file
only are access keys, what lies behind custom key stores, faults that operations answer, how long transitional
states last, and how the records of requests are kept:

` + configExample,
		Example: `  trent serve
  trent serve --listen 127.0.0.1:9443 --data-dir ./kms
  trent serve --config trent.yaml --names kms.example.test
  trent serve --hsm spawn                      # keys in a process of their own
  trent serve --hsm 10.0.0.5:7443,10.0.0.6:7443 --hsm-domain-token domain.token
  eval "$(trent env)" && aws kms list-keys     # in another terminal`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := loadSettings(c.Flags(), configFile, e.Getenv)
			if err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(c.Context(), syscall.SIGTERM, syscall.SIGINT)
			defer stop()
			return serve(ctx, e, &s)
		},
	}
	s.bind(c.Flags())
	c.Flags().StringVar(&configFile, "config", "", "YAML file of settings")
	return c
}

// running is a started server and what has to be closed with it, in the order of their making.
type running struct {
	store  *pebblestore.Store
	hsm    *hsmBackend
	server *fastpath.Server
	admin  *admin.Server
	ready  readyInfo

	dataDir string
	lock    *os.File // held while this process owns the data directory

	certs     *frontend.FileCerts    // nil: the local CA's
	reload    func() (string, error) // of certs; nil: there are none
	listener  net.Listener
	plaintext net.Listener // nil: none
	vpc       []vpcDoor
	summary   summary
}

// serve runs a server until ctx ends or it is told to stop, then drains it.
func serve(ctx context.Context, e *environment, s *settings) error {
	// Before any key is read: no core dumps, no reading of this process's memory by others.
	heapLocked, why, err := hsm.Harden()
	if err != nil {
		return failure(fmt.Errorf("hardening the process: %w", err), "")
	}
	if e.Getenv("GOGC") == "" {
		debug.SetGCPercent(fastpath.GCPercent)
	}
	r, err := start(ctx, e, s)
	if err != nil {
		return err
	}
	r.summary.heapLocked, r.summary.heapWhy = heapLocked, why
	r.summary.print(e.Stdout)
	errs := make(chan error, 2+len(r.vpc)) // all end with the drain below
	go func() { errs <- r.server.Serve(r.listener) }()
	if r.plaintext != nil {
		go func() { errs <- r.server.ServePlaintext(r.plaintext) }()
	}
	for _, door := range r.vpc {
		go func() { errs <- r.server.ServeEndpoint(door.listener, door.endpoint) }()
	}
	defer reloadOnHangup(r.reload, newLogger(e.Stderr))()
	err = r.announce(s)
	if err == nil {
		select {
		case <-ctx.Done():
		case <-r.server.Stopped():
		case err = <-errs:
		}
	}
	fmt.Fprintln(e.Stderr, "trent: draining")
	drain, cancel := context.WithTimeout(context.Background(), s.DrainTimeout)
	defer cancel()
	if closeErr := r.close(drain); closeErr != nil {
		return failure(errors.Join(err, closeErr), "")
	}
	fmt.Fprintln(e.Stderr, "trent: stopped")
	return err
}

// start opens the parts in order. On an error it closes what it had opened.
func start(ctx context.Context, e *environment, s *settings) (r *running, err error) {
	r = &running{dataDir: s.DataDir}
	defer func() {
		if err != nil {
			_ = r.close(context.Background())
			r = nil
		}
	}()
	// What the config file declares is right before anything is written; what was changed at run time comes with the store.
	directory, err := openDirectory(context.Background(), s, nil, nil)
	if err != nil {
		return r, err
	}
	if err := checkListen(s, directory); err != nil {
		return r, err
	}
	if err := s.checkFIPS(); err != nil {
		return r, err
	}
	regions, err := fastpath.NewRegions(s.Regions)
	if err != nil {
		return r, usageError(err, "--regions takes names such as us-east-1,eu-west-1")
	}
	s.fitDevice()
	pool, err := lifecycle.ParsePoolSizes(s.KeyPool)
	if err != nil {
		return r, usageError(err, "--key-pool takes sizes such as RSA_2048=4,RSA_4096=1, or none")
	}
	verifier, err := openAttestation(s.AttestationRoot)
	if err != nil {
		return r, err
	}
	if err := makeDataDir(s.DataDir); err != nil {
		return r, err
	}
	if r.lock, err = lockDataDir(s.DataDir); err != nil {
		return r, err
	}
	logger := newLogger(e.Stderr)
	clock, err := openTestClock(s)
	if err != nil {
		return r, err
	}
	// The domain before the store: opening a store writes, opening a domain that is there does not, and a
	// start that fails must change nothing.
	if r.hsm, err = openHSM(ctx, e, s, logger); err != nil {
		return r, err
	}
	if r.store, err = pebblestore.Open(filepath.Join(s.DataDir, "store"), pebblestore.Options{CacheBytes: s.StoreCacheBytes, Logger: logger}); err != nil {
		return r, failure(err, "")
	}
	if directory, err = openDirectory(context.Background(), s, r.store, logger); err != nil {
		return r, err
	}
	ca, err := frontend.OpenCA(filepath.Join(s.DataDir, "tls"), slices.Concat(s.Names, s.privateNames())...)
	if err != nil {
		return r, failure(err, "")
	}
	door, own, err := s.transport(ca)
	if err != nil {
		return r, err
	}
	r.certs = own
	if err := r.writeCertificates(s.DataDir, ca); err != nil {
		return r, failure(fmt.Errorf("writing the CA bundle: %w", err), "")
	}
	r.reload = r.reloader(ca)
	backend, err := openBackend(s, clock)
	if err != nil {
		return r, err
	}
	options := fastpath.Options{
		KeyStores: backend, Transitions: s.Transitions.durations(), Faults: s.Faults, Audit: s.Audit.options(s.DataDir), Authorization: s.Authz.Authorization,
		Store: r.store, Module: r.hsm.module, Directory: directory, Regions: regions, CacheKeys: s.CacheKeys, Quotas: &s.ResourceQuotas.Resources, Requests: s.RequestQuotas.Requests, Logf: logger,
		Frontend: door, Reload: r.reload,
		Custody: r.hsm.custody(s), TestClock: clock, KeyPool: pool, Attestation: verifier, StoreMetrics: func(w io.Writer) { r.store.Metrics().WritePrometheus(w) },
	}
	if r.server, err = fastpath.New(options); err != nil {
		return r, failure(err, "")
	}
	r.ready.PID, r.ready.Account, r.ready.BuiltIn = os.Getpid(), s.Account, directory.HasBuiltIn()
	r.ready.Region = defaultRegion(regions)
	if err := r.listen(s); err != nil {
		return r, err
	}
	return r, r.summarise(s)
}

// openAttestation makes the verifier of attestation documents: by the roots in a file, else by AWS's own.
func openAttestation(file string) (*attestation.Verifier, error) {
	roots, hint := attestation.NitroRoot, ""
	if file != "" {
		var err error
		if roots, err = os.ReadFile(file); err != nil {
			return nil, usageError(fmt.Errorf("attestation root: %w", err), "give --attestation-root the path of a PEM file")
		}
		hint = "--attestation-root takes a file of PEM certificates"
	}
	v, err := attestation.New(roots)
	if err != nil {
		return nil, usageError(err, hint)
	}
	return v, nil
}

// checkListen refuses to show a well-known password to a network.
func checkListen(s *settings, d *identity.Directory) error {
	if s.PlaintextListen != "" && !isLoopback(s.PlaintextListen) {
		return usageError(fmt.Errorf("--plaintext-listen %s is not a loopback address", s.PlaintextListen), "it is for comparisons on one machine; use 127.0.0.1:PORT")
	}
	if !d.HasBuiltIn() || s.AllowBuiltIn {
		return nil
	}
	addresses := []string{s.Listen}
	for i := range s.VPCEndpoints {
		addresses = append(addresses, s.VPCEndpoints[i].Listen)
	}
	for _, address := range addresses {
		if !isLoopback(address) {
			return usageError(fmt.Errorf("listening on %s, which is not loopback, while the built-in credential test/test is active", address),
				"give credentials of your own in the config file, or insist with --allow-built-in-credential")
		}
	}
	return nil
}

// isLoopback tells whether every address that a listen address can mean is loopback.
func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil || host == "" {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// makeDataDir makes the directory, 0700, or checks the one that is there.
func makeDataDir(dir string) error { return makeDir(dir, "data directory", "--data-dir") }

// makeDir is makeDataDir for what noun names and flag gives.
func makeDir(dir, noun, flag string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return failure(fmt.Errorf("%s: %w", noun, err), "give a directory that can be written by "+flag)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return failure(fmt.Errorf("%s: %w", noun, err), "")
	}
	if info.Mode().Perm()&0o077 != 0 {
		return failure(fmt.Errorf("%s %s can be read by others (mode %v)", noun, dir, info.Mode().Perm()), "chmod 700 "+dir)
	}
	return nil
}

// openModule opens the HSM in this process on its sealed domain.
func openModule(e *environment, s *settings) (*hsm.Local, error) {
	seal, err := s.seal(e)
	if err != nil {
		return nil, err
	}
	m, err := hsm.Open(hsm.Config{
		Dir: s.DataDir, Seal: seal, Arena: hsm.ArenaOptions{Bytes: s.ArenaBytes, RequireLocked: s.RequireLocked},
		Workers: s.Workers, Slots: s.Slots, SlotIdle: s.SlotIdle, AsymmetricEngines: s.AsymmetricEngines, Kernel: s.Kernel,
	})
	if err != nil {
		return nil, failure(err, "")
	}
	return m, nil
}

// listen opens all doors; none answers before the server serves.
func (r *running) listen(s *settings) (err error) {
	if r.listener, err = net.Listen("tcp", s.Listen); err != nil {
		return failure(fmt.Errorf("listening: %w", err), "another server may run there; give another address by --listen")
	}
	r.ready.Endpoint = "https://" + r.listener.Addr().String()
	if s.PlaintextListen != "" {
		if r.plaintext, err = net.Listen("tcp", s.PlaintextListen); err != nil {
			return failure(fmt.Errorf("listening without TLS: %w", err), "give another address by --plaintext-listen")
		}
		r.ready.Plaintext = "http://" + r.plaintext.Addr().String()
	}
	if err := r.listenVPC(s); err != nil {
		return err
	}
	r.admin = admin.New(r.hsm.subject(r.server))
	if s.TestClock {
		r.admin.WithClock(r.server)
	}
	if err := r.admin.ServeSocket(s.DataDir); err != nil {
		return failure(err, "a shorter --data-dir helps where the path is too long")
	}
	if s.AdminListen != "" {
		al, err := net.Listen("tcp", s.AdminListen)
		if err != nil {
			return failure(fmt.Errorf("listening for health and metrics: %w", err), "give another address by --admin-listen, or none: --admin-listen ''")
		}
		r.ready.Metrics = "http://" + al.Addr().String()
		r.admin.ServeTCP(al)
	}
	return nil
}

// close ends everything, the newest first. Requests in progress have until ctx ends.
func (r *running) close(ctx context.Context) error {
	var errs []error
	if r.server != nil {
		errs = append(errs, r.server.Shutdown(ctx))
	}
	for _, l := range []net.Listener{r.listener, r.plaintext} {
		if l != nil {
			_ = l.Close() // the server may have closed it
		}
	}
	for _, door := range r.vpc {
		_ = door.listener.Close()
	}
	if r.admin != nil {
		errs = append(errs, r.admin.Close(), removeReady(r.dataDir))
	}
	if r.hsm != nil {
		errs = append(errs, r.hsm.Close())
	}
	if r.store != nil {
		errs = append(errs, r.store.Close())
	}
	if r.lock != nil {
		errs = append(errs, r.lock.Close())
	}
	return errors.Join(errs...)
}
