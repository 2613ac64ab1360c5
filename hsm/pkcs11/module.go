//go:build pkcs11

package pkcs11

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	p11 "github.com/miekg/pkcs11"

	"trent/hsm"
)

// Options are Open's. Library and PIN are required.
type Options struct {
	Library string // path of the device's PKCS #11 library
	Token   string // label of the token; "": the only one that is initialised
	// PIN returns the user's PIN. It is asked at each login, and what it returns is wiped.
	PIN func() ([]byte, error)
	// Host names who counts encryptions in the device: no two that run at the same time may have the same name.
	Host string
	// Create makes the token key where the device has none yet; otherwise that is ErrForeign.
	Create   bool
	Sessions int    // at a time; 0: DefaultSessions, within what the device allows
	Limit    uint64 // encryptions of a key in the device; 0: DefaultLimit
	Block    uint64 // encryptions that are reserved in the device at a time; 0: DefaultBlock
	// CountHere counts encryptions in this process alone, with fresh keys in the device for each process: for devices
	// without data objects, where it comes by itself.
	CountHere bool
}

// Defaults.
const (
	DefaultSessions = 32
	// DefaultLimit is half of what random nonces allow (SP 800-38D, 8.3), so that hosts which reserve at the same
	// moment cannot go beyond it.
	DefaultLimit = 1 << 31
	DefaultBlock = 1 << 20
)

// Errors of Open.
var (
	ErrForeign = errors.New("pkcs11: the device has no token key of Trent's")
	ErrNoToken = errors.New("pkcs11: no such token")
	ErrPIN     = errors.New("pkcs11: the device refused the PIN")
	ErrLacking = errors.New("pkcs11: the device lacks what keys need")
)

// Module is a device behind a PKCS #11 library.
type Module struct {
	o   Options
	ctx *p11.Ctx
	own bool // Close finalises the library

	closed atomic.Bool

	mechanisms mechanisms
	sessions   sessions
	objects    handles
	keys       keys
	seals      seals
	pooled     pooled
	countHere  atomic.Bool
	using      using
	domain     [16]byte
}

var (
	_ hsm.Module    = (*Module)(nil)
	_ hsm.Batcher   = (*Module)(nil)
	_ hsm.Destroyer = (*Module)(nil)
)

// Open loads the library, logs in to the token and finds its token key. Errors: the ones above, and the device's.
func Open(o Options) (*Module, error) {
	if o.Limit == 0 {
		o.Limit = DefaultLimit
	}
	if o.Block == 0 {
		o.Block = min(DefaultBlock, o.Limit)
	}
	if o.Block > o.Limit {
		return nil, fmt.Errorf("pkcs11: blocks of %d encryptions do not fit a limit of %d", o.Block, o.Limit)
	}
	ctx := p11.New(o.Library)
	if ctx == nil {
		return nil, fmt.Errorf("pkcs11: %s is no PKCS #11 library that can be loaded here", o.Library)
	}
	m := &Module{o: o, ctx: ctx}
	m.countHere.Store(o.CountHere)
	switch err := ctx.Initialize(); {
	case err == nil:
		m.own = true
	case isCode(err, p11.CKR_CRYPTOKI_ALREADY_INITIALIZED):
	default:
		ctx.Destroy()
		return nil, fmt.Errorf("pkcs11: starting %s: %w", o.Library, err)
	}
	if err := m.start(); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

func (m *Module) start() error {
	if err := m.connect(); err != nil {
		return err
	}
	m.sessions.init(m.o.Sessions)
	if err := m.mechanisms.read(m.ctx, m.sessions.slot); err != nil {
		return err
	}
	if !m.mechanisms.can(p11.CKM_SHA256_HMAC, p11.CKF_SIGN) {
		return fmt.Errorf("%w: HMAC with SHA-256", ErrLacking)
	}
	for _, step := range [...]func(p11.SessionHandle) error{m.findDomain, m.probe, m.sweep} {
		if err := m.with(&hsm.Call{}, step); err != nil {
			return err
		}
	}
	return nil
}

// Do implements hsm.Module.
func (m *Module) Do(c *hsm.Call) error {
	if !c.Deadline.IsZero() && !time.Now().Before(c.Deadline) {
		return hsm.ErrDeadline
	}
	if !c.Deadline.IsZero() {
		return m.within(c)
	}
	return m.run(c)
}

// run is Do without a look at the deadline but for the wait for a session.
func (m *Module) run(c *hsm.Call) error {
	if c.Recipient != nil {
		return hsm.DoForRecipient(c, random{m}, m.run)
	}
	if c.Op == hsm.OpRandom {
		return m.randomBytes(c)
	}
	if c.Op == hsm.OpGeneratePool {
		return m.generatePool(c)
	}
	if c.Key == nil {
		return hsm.ErrToken
	}
	run := m.operation(c.Op)
	if run == nil {
		return hsm.ErrUnsupported
	}
	return run(c)
}

func (m *Module) operation(op hsm.Op) func(*hsm.Call) error {
	switch op {
	case hsm.OpEncrypt:
		return m.encrypt
	case hsm.OpDecrypt:
		return m.decrypt
	case hsm.OpReEncrypt:
		return m.reEncrypt
	case hsm.OpDataKey:
		return m.dataKey
	case hsm.OpDataKeyPair:
		return m.dataKeyPair
	case hsm.OpSign:
		return m.sign
	case hsm.OpVerify:
		return m.verify
	case hsm.OpMAC, hsm.OpVerifyMAC:
		return m.mac
	case hsm.OpGenerate:
		return m.generate
	case hsm.OpAdopt:
		return m.adopt
	case hsm.OpRewrap:
		return m.rewrap
	case hsm.OpDerive:
		return m.derive
	case hsm.OpWrappingKey:
		return m.wrappingKey
	case hsm.OpImportToken:
		return m.importToken
	case hsm.OpImport:
		return m.importKey
	}
	return nil
}

// DoBatch implements hsm.Batcher: one call after the other.
func (m *Module) DoBatch(cs []*hsm.Call) {
	for _, c := range cs {
		c.Err = m.Do(c)
	}
}

// Forget implements hsm.Module. What is kept ready here are handles, no keys: the material stays in the device. It gives
// ErrUnavailable where the device keeps a call that uses the material for too long.
func (m *Module) Forget(ctx context.Context, id hsm.MaterialID) error {
	m.keys.forget(id)
	bounded, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := m.using.wait(bounded, id)
	m.keys.forget(id) // a call that was on its way may have kept it again
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("%w: the device has not ended a call for %v", hsm.ErrUnavailable, patience)
	}
	return err
}

// Status implements hsm.Module. Sessions are its engines, which calls wait for, and there are no other workers.
func (m *Module) Status(context.Context) (hsm.Status, error) {
	s := &m.sessions
	m.revive()
	return hsm.Status{
		Healthy: s.healthy(), Domain: s.token.Load().Label, DomainVersion: 1,
		Workers: cap(s.permits), Busy: len(s.permits), Engines: cap(s.permits), EnginesBusy: len(s.permits),
		EngineQueue: int(s.queue.Load()), EngineWaits: s.parked.Load(), EngineWaited: time.Duration(s.waited.Load()),
		Kernels: []string{m.Name()}, Kernel: m.Name(), ArenaKind: "in the device",
	}, nil
}

// Name is the device's model and maker, as it says.
func (m *Module) Name() string {
	token := m.sessions.token.Load()
	return "pkcs11 (" + token.Model + ", " + token.ManufacturerID + ")"
}

// Domain is the identifier of the device's token key, 32 hexadecimal digits: tokens open where it is.
func (m *Module) Domain() string { return fmt.Sprintf("%x", m.domain) }

// Close implements hsm.Module. It waits for calls in progress, since a device cannot be interrupted, but not for ever:
// one that does not answer keeps its library.
func (m *Module) Close() error {
	if m.closed.Swap(true) {
		return nil
	}
	if err := m.sessions.close(m.ctx); err != nil {
		return err
	}
	var err error
	if m.own {
		err = m.ctx.Finalize()
	}
	m.ctx.Destroy()
	return err
}

// String names the device.
func (m *Module) String() string { return m.Name() }
