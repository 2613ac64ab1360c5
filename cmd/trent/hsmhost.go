package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"trent/fastpath/custody"
	"trent/hsm"
	"trent/hsm/fleet"
	"trent/hsm/host"
	"trent/hsm/link"
	"trent/hsm/operator"
)

// hsmDir is the directory of the newest domain token, and of children, in the data directory.
const hsmDir = "hsm"

// hsmBackend is a module and what it stands on.
type hsmBackend struct {
	module hsm.Module
	where  string         // for the summary
	domain custody.Domain // of a module in this process; nil: none, or by relay
	close  []func() error // after the module, in this order
	relay  *hsmRelay      // for operators; nil: the HSM is in this process, or a device
}

// Close ends the module, then what it stands on.
func (b *hsmBackend) Close() error {
	errs := []error{b.module.Close()}
	for _, f := range b.close {
		errs = append(errs, f())
	}
	return errors.Join(errs...)
}

// openHSM opens the HSM where the settings want it.
func openHSM(ctx context.Context, e *environment, s *settings, logf func(string, ...any)) (*hsmBackend, error) {
	if err := checkDomain(s); err != nil {
		return nil, err
	}
	switch {
	case s.HSM.PKCS11 != "":
		return openDevice(e, s)
	case s.HSM.Spawn > 0:
		return openChildren(ctx, e, s, logf)
	case len(s.HSM.Addresses) > 0:
		return openAppliances(ctx, e, s, logf)
	}
	m, err := openModule(e, s)
	if err != nil {
		return nil, err
	}
	return &hsmBackend{module: m, domain: custody.Embedded(m), where: "embedded in this process"}, nil
}

// checkDomain refuses an HSM of another domain than the one whose tokens fill the store, before anything is written:
// they would all be unreadable.
func checkDomain(s *settings) error {
	sealed := exists(filepath.Join(s.DataDir, "domain.sealed"))
	tokens, err := filepath.Glob(filepath.Join(s.DataDir, hsmDir, "domain.token*"))
	if err != nil {
		return failure(err, "")
	}
	switch {
	case s.HSM.PKCS11 != "":
		return nil
	case s.HSM.embedded() && len(tokens) > 0:
		return failure(fmt.Errorf("the keys in data directory %s belong to a domain of appliances", s.DataDir),
			"start it with the --hsm that it had, such as --hsm spawn; or start on another --data-dir")
	case !s.HSM.embedded() && sealed:
		return failure(fmt.Errorf("the keys in data directory %s belong to an HSM that is embedded in the server", s.DataDir),
			"start it without --hsm; or start on another --data-dir")
	case sealed || len(tokens) > 0 || s.HSMDomainToken != "":
		return nil
	}
	if entries, err := os.ReadDir(filepath.Join(s.DataDir, "store")); err == nil && len(entries) > 0 {
		missing := "domain.sealed"
		if !s.HSM.embedded() {
			missing = "domain token"
		}
		return failure(fmt.Errorf("data directory %s has a store but no %s: its keys cannot be opened", s.DataDir, missing),
			"put the "+missing+" back that belongs to this store, or start on another --data-dir")
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, os.ErrNotExist)
}

// keyFiles are where the keys lie by which a host speaks to modules and, for children, commands them.
type keyFiles struct{ host, operator string }

// keyFiles places them beside the seal key.
func (s *settings) keyFiles(name string) (k keyFiles, err error) {
	base := s.SealKey
	if base == "" {
		if base, err = hsm.DefaultKeyFile(name); err != nil {
			return k, failure(err, "give --seal-key")
		}
	}
	base = strings.TrimSuffix(base, ".key")
	k = keyFiles{host: base + ".host.key", operator: base + ".operator.key"}
	if s.HSMHostKey != "" {
		k.host = s.HSMHostKey
	}
	return k, nil
}

// domainName is the name of the data directory's own domain, made up at the first start.
func domainName(dir string) (string, error) {
	path := filepath.Join(dir, "name")
	b, err := os.ReadFile(path)
	if err == nil {
		return strings.TrimSpace(string(b)), nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return "", failure(err, "")
	}
	var id [4]byte
	if _, err := io.ReadFull(rand.Reader, id[:]); err != nil {
		return "", failure(err, "")
	}
	name := "domain-" + hex.EncodeToString(id[:])
	if err := os.WriteFile(path, []byte(name+"\n"), 0o600); err != nil {
		return "", failure(err, "")
	}
	return name, nil
}

// openAppliances makes the module of appliances that run already.
func openAppliances(ctx context.Context, e *environment, s *settings, logf func(string, ...any)) (*hsmBackend, error) {
	tokens, err := host.OpenFileTokens(filepath.Join(s.DataDir, hsmDir))
	if err != nil {
		return nil, failure(err, "")
	}
	name, err := domainName(filepath.Join(s.DataDir, hsmDir))
	if err != nil {
		return nil, err
	}
	files, err := s.keyFiles(name)
	if err != nil {
		return nil, err
	}
	key, err := host.MakeKey(files.host, false)
	if err != nil {
		return nil, failure(err, "")
	}
	h, err := host.New(key.Signer, tokens)
	if err != nil {
		return nil, failure(err, "")
	}
	if err := takeToken(ctx, s, h, key, files.host); err != nil {
		return nil, err
	}
	b, clients, err := connect(h, s, s.HSM.Addresses, s.HSM.Addresses, logf)
	if err != nil {
		return nil, err
	}
	b.where = "appliances at " + strings.Join(s.HSM.Addresses, ", ")
	if err := anyReady(ctx, h, b, clients); err != nil {
		return nil, errors.Join(failure(fmt.Errorf("no HSM of --hsm can be used: %w", err), "start the appliances ('trent hsm serve') and look at 'trent hsm status'"), b.Close())
	}
	return b, nil
}

// attendEvery is how often a host looks whether its modules hold the newest state.
const attendEvery = time.Second

// readyTimeout bounds how long a start waits for its HSMs.
const readyTimeout = 15 * time.Second

// takeToken reads the newest domain token: the one that is kept, or at the first start, the file that is given.
func takeToken(ctx context.Context, s *settings, h *host.Host, key *operator.Key, keyFile string) error {
	if s.HSMDomainToken != "" {
		token, err := os.ReadFile(s.HSMDomainToken)
		if err != nil {
			return usageError(fmt.Errorf("domain token: %w", err), "give --hsm-domain-token the path of a file that 'trent hsm domain backup' wrote")
		}
		if err := h.Adopt(ctx, token); err != nil {
			return failure(fmt.Errorf("taking the domain token of %s: %w", s.HSMDomainToken, err), "give the newest token of the domain that this data directory belongs to")
		}
	}
	err := h.Reload(ctx)
	switch {
	case errors.Is(err, host.ErrNotListed), errors.Is(err, host.ErrNoDomain):
		public, pubErr := writePublic(key, keyFile)
		if pubErr != nil {
			return failure(pubErr, "")
		}
		if errors.Is(err, host.ErrNoDomain) {
			return failure(errors.New("no domain token is known: this is the first start with these HSMs"),
				"have operators list this host: 'trent hsm domain create' or 'hosts --add' take its public file "+public+", and 'backup' writes the domain token for --hsm-domain-token")
		}
		return failure(errors.New("the domain does not list this host"),
			"have operators list it: 'trent hsm domain hosts --add "+public+"', then 'trent hsm domain backup' writes the domain token for --hsm-domain-token")
	case err != nil:
		return failure(err, "")
	}
	return nil
}

// writePublic writes the host's public file beside its key.
func writePublic(key *operator.Key, keyFile string) (string, error) {
	name, err := os.Hostname()
	if err != nil || name == "" {
		name = "host"
	}
	p, err := key.Principal(hostName(name))
	if err != nil {
		return "", err
	}
	b, err := operator.EncodePrincipal(p)
	if err != nil {
		return "", err
	}
	path := strings.TrimSuffix(keyFile, ".key") + ".pub"
	return path, os.WriteFile(path, b, 0o644)
}

// hostName makes a name that a domain takes of a host name.
func hostName(name string) string {
	clean := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' {
			return r
		}
		return '-'
	}, strings.ToLower(name))
	return clean[:min(len(clean), 32)]
}

// connect makes a client for each address, and a fleet of all.
func connect(h *host.Host, s *settings, names, addresses []string, logf func(string, ...any)) (*hsmBackend, []*link.Client, error) {
	linked, err := link.NewHost(link.HostOptions{Peers: h, Hybrid: true, Kernel: s.Kernel, RequireLocked: s.RequireLocked})
	if err != nil {
		return nil, nil, failure(err, "")
	}
	var clients []*link.Client
	var members []fleet.Member
	var installers []host.Installer
	for i, address := range addresses {
		c, err := link.New(link.Options{Address: address, Host: linked})
		if err != nil {
			for _, c := range clients {
				_ = c.Close()
			}
			return nil, nil, errors.Join(failure(err, ""), linked.Close())
		}
		clients, members, installers = append(clients, c), append(members, fleet.Member{Name: names[i], Module: c}), append(installers, c)
	}
	all, err := fleet.New(fleet.Options{
		Members: members, Logger: logf,
		Deliver: func(ctx context.Context, m fleet.Member) error { return h.Deliver(ctx, m.Module.(host.Installer)) },
	})
	if err != nil {
		return nil, nil, errors.Join(failure(err, ""), linked.Close())
	}
	attended, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		h.Attend(attended, installers, attendEvery, logf)
	}()
	leave := func() error { stop(); <-ended; return nil }
	b := &hsmBackend{module: all, close: []func() error{leave, linked.Close}, relay: &hsmRelay{host: h, fleet: all}}
	for _, c := range clients {
		b.relay.modules = append(b.relay.modules, c)
	}
	return b, clients, nil
}

// anyReady brings the domain token to all and waits until one of them can be used.
func anyReady(ctx context.Context, h *host.Host, b *hsmBackend, clients []*link.Client) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	results := make(chan error, len(clients))
	for _, c := range clients {
		go func() {
			err := h.Deliver(ctx, c) // a failure shows in Ready, which goes on trying
			if ready := c.Ready(ctx); ready == nil {
				err = nil
			} else {
				err = errors.Join(err, ready)
			}
			results <- err
		}()
	}
	var errs []error
	for range clients {
		err := <-results
		if err == nil {
			return b.relay.fleet.Wait(ctx, 1)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
