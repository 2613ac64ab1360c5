package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"trent/hsm"
	"trent/hsm/appliance"
	"trent/hsm/appliance/supervise"
	"trent/hsm/host"
)

// openChildren starts appliances as children and makes them a domain of this server's own.
func openChildren(ctx context.Context, e *environment, s *settings, logf func(string, ...any)) (_ *hsmBackend, err error) {
	if s.SealPassphrase || s.SealPassphraseFD >= 0 {
		return nil, usageError(errors.New("appliances that the server starts, and starts again, cannot ask for a passphrase"),
			"use --seal-key or --seal-credential with --hsm spawn, or start appliances yourself ('trent hsm serve')")
	}
	dir, err := filepath.Abs(filepath.Join(s.DataDir, hsmDir))
	if err != nil {
		return nil, failure(err, "")
	}
	tokens, err := host.OpenFileTokens(dir)
	if err != nil {
		return nil, failure(err, "")
	}
	owner, err := s.owner(dir, tokens)
	if err != nil {
		return nil, err
	}
	program, err := os.Executable()
	if err != nil {
		return nil, failure(fmt.Errorf("finding this program: %w", err), "")
	}
	children, err := supervise.Start(ctx, supervise.Options{
		Program: program, Dir: dir, N: s.HSM.Spawn, Env: childEnvironment(os.Environ()), Stderr: e.Stderr, Logf: logf,
		Args: func(i int, state, listen string) []string { return s.childArguments(i, state, listen) },
		Ready: func(ctx context.Context, _ int, c *appliance.Console) error {
			return owner.Host.Deliver(ctx, c)
		},
	})
	if err != nil {
		return nil, failure(err, "a shorter --data-dir helps where a path is too long")
	}
	defer func() {
		if err != nil {
			children.Close()
		}
	}()
	var modules []host.Module
	var names, addresses []string
	for _, c := range children.Children() {
		modules, names, addresses = append(modules, c), append(names, "hsm-"+strconv.Itoa(c.Number)), append(addresses, c.Listen)
	}
	if err := owner.Gather(ctx, modules); err != nil {
		return nil, failure(fmt.Errorf("bringing the HSMs into service: %w", err), gatherHint(err))
	}
	b, clients, err := connect(owner.Host, s, names, addresses, logf)
	if err != nil {
		return nil, err
	}
	if err := anyReady(ctx, owner.Host, b, clients); err != nil {
		return nil, errors.Join(failure(fmt.Errorf("connecting to the HSMs: %w", err), ""), b.Close())
	}
	b.relay.restart = func(ctx context.Context, name string) error {
		i := slices.Index(names, name)
		if i < 0 {
			return fmt.Errorf("no HSM is called %q", name)
		}
		return children.Children()[i].Restart(ctx)
	}
	b.where = fmt.Sprintf("%d in processes of their own, below %s", s.HSM.Spawn, dir)
	b.close = append(b.close, func() error { children.Close(); return nil })
	return b, nil
}

func gatherHint(err error) string {
	switch {
	case errors.Is(err, host.ErrForeign):
		return "put the state directories of this data directory's HSMs back"
	case errors.Is(err, hsm.ErrDomain), errors.Is(err, hsm.ErrStale):
		return "put back a copy of the newest domain token (hsm/domain.token in the data directory), or the state directories that belong to it"
	case errors.Is(err, host.ErrNotListed):
		return "put the host key back that this data directory was made with"
	}
	return ""
}

// owner opens, or makes, the keys by which this server commands its own domain.
func (s *settings) owner(dir string, tokens host.TokenStore) (*host.Owner, error) {
	name, err := domainName(dir)
	if err != nil {
		return nil, err
	}
	files, err := s.keyFiles(name)
	if err != nil {
		return nil, err
	}
	o := &host.Owner{Name: name, Record: filepath.Join(dir, "modules"), Rotation: max(time.Duration(s.DomainRotation), 0)}
	if o.HostKey, err = host.MakeKey(files.host, false); err != nil {
		return nil, failure(err, "")
	}
	if o.Operator, err = host.MakeKey(files.operator, true); err != nil {
		return nil, failure(err, "")
	}
	if o.Host, err = host.New(o.HostKey.Signer, tokens); err != nil {
		return nil, failure(err, "")
	}
	return o, nil
}

// childArguments are the command line of child i.
func (s *settings) childArguments(i int, state, listen string) []string {
	args := []string{"hsm", "serve", "--state=" + state, "--listen=" + listen, "--init", "--quiet", "--lifeline",
		"--arena-bytes=" + strconv.Itoa(s.ArenaBytes), "--workers=" + strconv.Itoa(s.Workers), "--slots=" + strconv.Itoa(s.Slots),
		"--slot-idle=" + s.SlotIdle.String(), "--asymmetric-engines=" + strconv.Itoa(s.AsymmetricEngines),
		"--require-locked=" + strconv.FormatBool(s.RequireLocked), "--drain-timeout=" + s.DrainTimeout.String()}
	if s.Kernel != "" {
		args = append(args, "--kernel="+s.Kernel)
	}
	if s.FIPS {
		args = append(args, "--fips")
	}
	switch {
	case s.SealCredential != "":
		args = append(args, "--seal-credential="+s.SealCredential)
	case s.SealKey != "":
		args = append(args, "--seal-key="+strings.TrimSuffix(s.SealKey, ".key")+".hsm-"+strconv.Itoa(i)+".key")
	}
	return args
}

// childVariables are those of the environment that an appliance has a use for; what else is there, credentials among it,
// is none of its business. Names ending in * stand for all that begin so.
var childVariables = []string{"HOME", "XDG_*", "TRENT_DATA_DIR", "CREDENTIALS_DIRECTORY", "PATH", "TMPDIR", "LANG", "TZ", "GODEBUG", "GOGC", "GOMAXPROCS", "GOMEMLIMIT", "GOCOVERDIR"}

func childEnvironment(all []string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return !slices.ContainsFunc(childVariables, func(one string) bool {
			prefix, begins := strings.CutSuffix(one, "*")
			return name == one || begins && strings.HasPrefix(name, prefix)
		})
	})
}
