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
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"trent/fastpath"
	"trent/hsm"
	"trent/hsm/appliance"
	"trent/hsm/appliance/confine"
	"trent/hsm/link"
)

func newHSMInitCommand(e *environment) *cobra.Command {
	a := defaultAppliance(e.Getenv)
	c := &cobra.Command{
		Use:   "init",
		Short: "Make the identity of an appliance",
		Long: `Init makes a state directory with the sealed identity of a new appliance: a signing key, an agreement key and an
ML-KEM key, which never leave it. It prints the fingerprint by which operators know it. Nothing else is ever kept there in
secret: an appliance that starts is out of service until a host or an operator brings the domain token.`,
		Example: `  trent hsm init
  trent hsm init --state /var/lib/trent-hsm --name hsm-1
  trent hsm init --state /var/lib/trent-hsm --seal-credential hsm   # under systemd, with LoadCredential=`,
		Args: noArguments,
		RunE: func(*cobra.Command, []string) error { return initAppliance(e, &a) },
	}
	a.bindState(c.Flags())
	a.bindSeal(c.Flags())
	c.Flags().StringVar(&a.Name, "name", a.Name, "name of the appliance: lower-case letters, digits and hyphens (default: made up)")
	c.Flags().BoolVar(&a.JSON, "json", false, "print the identity as JSON")
	return c
}

func newHSMServeCommand(e *environment) *cobra.Command {
	a := defaultAppliance(e.Getenv)
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run an appliance",
		Long: `Serve runs a module in a process of its own and serves the hosts that its domain lists, over a Unix socket or TCP, until
SIGTERM or Ctrl-C, which drain. Operators reach it by the console, a socket in the state directory.

Before it reads its first key the process ends its privileges, makes itself undumpable, and leaves itself no files but the
state directory and no system calls but those it needs; the summary says what is in force.`,
		Example: `  trent hsm serve --init
  trent hsm serve --state /var/lib/trent-hsm --listen 10.0.0.5:7443 --user trent --require-locked
  trent hsm status --state /var/lib/trent-hsm      # in another terminal
  trent serve --hsm 10.0.0.5:7443,10.0.0.6:7443    # a host of two appliances`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(c.Context(), syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT) // not the stacks that Go prints
			defer stop()
			return serveAppliance(ctx, e, &a)
		},
	}
	a.bindState(c.Flags())
	a.bindSeal(c.Flags())
	a.bindServe(c.Flags())
	return c
}

// initAppliance makes an identity, in a process confined like that which will use it.
func initAppliance(e *environment, a *applianceSettings) error {
	keyFile, exists, err := a.prepare()
	if err != nil {
		return err
	}
	if exists {
		return failure(fmt.Errorf("state directory %s has the identity of %s", a.State, a.Name),
			"start it by 'trent hsm serve', or give another --state")
	}
	report, err := confine.Drop(confine.Options{User: a.User})
	if err != nil {
		return failure(fmt.Errorf("hardening the process: %w", err), "")
	}
	paths, err := a.paths(keyFile, false)
	if err != nil {
		return err
	}
	if err := confine.Close(paths, report); err != nil {
		return failure(fmt.Errorf("confining the process: %w", err), "")
	}
	m, err := a.openMember(e, keyFile)
	if err != nil {
		return err
	}
	defer m.Close()
	id, err := m.Identity(context.Background())
	if err != nil {
		return failure(err, "")
	}
	return printIdentity(e.Stdout, &id, keyFile, a)
}

// serveAppliance runs an appliance until ctx ends.
func serveAppliance(ctx context.Context, e *environment, a *applianceSettings) (err error) {
	keyFile, exists, err := a.prepare()
	if err != nil {
		return err
	}
	if !exists && !a.Init {
		return failure(fmt.Errorf("state directory %s has no identity", a.State), "make one by 'trent hsm init --state "+a.State+"', or start with --init")
	}
	report, err := confine.Drop(confine.Options{User: a.User})
	if err != nil {
		return failure(fmt.Errorf("hardening the process: %w", err), "")
	}
	if a.RequireLocked && !report.HeapLocked {
		return failure(fmt.Errorf("memory cannot be locked: the Go heap: %s", report.HeapWhy), "raise the limit, or start without --require-locked")
	}
	if e.Getenv("GOGC") == "" {
		debug.SetGCPercent(fastpath.GCPercent)
	}
	debug.SetTraceback("none") // what functions were called with is nobody's business, should this process panic
	lock, err := a.lock(ctx)
	if ctx.Err() != nil {
		return nil // told to stop before it began
	}
	if err != nil {
		return err
	}
	defer lock.Close()
	hosts, console, err := a.listen()
	if err != nil {
		return err
	}
	defer func() { _, _ = hosts.Close(), console.Close() }() // the server closes them first, where it came to run
	var sockets []string
	if hosts.Addr().Network() == "unix" {
		sockets = append(sockets, filepath.Dir(hosts.Addr().String()))
	}
	paths, err := a.paths(keyFile, exists, sockets...)
	if err != nil {
		return err
	}
	if err := confine.Close(paths, report); err != nil {
		return failure(fmt.Errorf("confining the process: %w", err), "")
	}
	m, err := a.openMember(e, keyFile)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	return a.run(ctx, e, m, hosts, console, report)
}

// lock takes the state directory. A child waits for the one before it, whose host was killed, to have ended.
func (a *applianceSettings) lock(ctx context.Context) (*os.File, error) {
	for deadline := time.Now().Add(lockWait); ; {
		f, err := lockStateDir(a.State)
		if err == nil || !a.Lifeline || time.Now().After(deadline) {
			return f, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// lockWait is longer than a child takes to drain.
const lockWait = 20 * time.Second

// listen opens both sockets.
func (a *applianceSettings) listen() (hosts, console net.Listener, err error) {
	if a.Listen == "" {
		a.Listen = "unix:" + filepath.Join(a.State, "hosts.sock")
	}
	if console, err = appliance.ListenConsole(a.State); err != nil {
		return nil, nil, failure(fmt.Errorf("listening for operators: %w", err), "a shorter --state helps where the path is too long")
	}
	if hosts, err = appliance.Listen(a.Listen); err != nil {
		return nil, nil, failure(errors.Join(fmt.Errorf("listening for hosts: %w", err), console.Close()), "give --listen unix:PATH or HOST:PORT")
	}
	return hosts, console, nil
}

// run serves until ctx ends, the lifeline breaks or the module is erased.
func (a *applianceSettings) run(ctx context.Context, e *environment, m *hsm.Local, hosts, console net.Listener, report *confine.Report) error {
	s, err := appliance.New(appliance.Options{
		Member: m, Hosts: hosts, Console: console, Confined: report, Drain: a.Drain, State: a.State, Logf: newLogger(e.Stderr),
		Link: func(to hsm.Member) (appliance.Link, error) {
			return link.NewServer(link.ServerOptions{Module: to, Authority: m.SessionAuthority(), Hybrid: true, Kernel: a.Kernel, RequireLocked: a.RequireLocked})
		},
		Zeroize: m.Zeroize,
	})
	if err != nil {
		return failure(err, "a damaged log can be put aside: 'trent hsm audit merge' makes a whole one of other members' logs")
	}
	if !a.Quiet {
		if err := a.announce(ctx, e.Stdout, s); err != nil {
			return err
		}
	}
	if a.Lifeline {
		var cut context.CancelFunc
		ctx, cut = context.WithCancel(ctx)
		go func() { // ends with the process at the latest
			defer cut()
			_, _ = io.Copy(io.Discard, os.Stdin)
		}()
	}
	err = s.Run(ctx)
	if errors.Is(err, appliance.ErrZeroized) {
		fmt.Fprintln(e.Stderr, "trent: zeroized: identity and keys are gone; 'trent hsm init' makes a new appliance")
		return nil // as was ordered
	}
	fmt.Fprintln(e.Stderr, "trent: stopped")
	return err
}
