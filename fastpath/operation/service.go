package operation

import (
	"context"
	"time"

	"trent/fastpath/attestation"
	"trent/fastpath/keyring"
	"trent/fastpath/keystore"
	"trent/fastpath/wire"
	"trent/hsm"
)

// Options of a Service. Keyring and Module are required.
type Options struct {
	Keyring    *keyring.Keyring
	Module     hsm.Module
	Clock      func() time.Time // dates of keys and deletions; nil: time.Now
	Timeout    time.Duration    // of one command of the module; 0: 10 s
	OnSchedule func()           // told when work was scheduled or may have become due; nil: nobody
	// Served tells whether a Region of a partition is served here, so that keys can have copies there; nil: all are.
	Served func(partition, region string) bool
	// Pool hands out a pool token of a spec, for any usage; nil where it has none. Nil: there is no pool.
	Pool func(hsm.KeySpec) *hsm.Key
	// Attestation verifies the documents of Recipient; nil: all are refused.
	Attestation *attestation.Verifier
	Limits      Limits // of what a key may have

	Backend     keystore.Backend // what lies behind custom key stores; nil: nothing can be reached
	Transitions Transitions
	// OnEvent is told what the service did by itself; nil: nobody is.
	OnEvent func(*ServiceEvent)
	// Fault may fail an authorized operation that is about to run; nil: none.
	Fault func(ctx context.Context, c *Call) *wire.Error

	Authorization Authorization
	Principals    Principals
	// OnDecision is told of every decision, on the request path; nil: nobody.
	OnDecision func(m *Made)
	// OnDenied is told what would have been refused, where Authorization is LogOnly; nil: nobody.
	OnDenied func(c *Call, refusal *wire.Error)
}

// Service runs operations.
type Service struct {
	keys       *keyring.Keyring
	module     hsm.Module
	clock      func() time.Time
	timeout    time.Duration
	onSchedule func()
	served     func(partition, region string) bool
	pool       func(hsm.KeySpec) *hsm.Key
	attested   *attestation.Verifier
	limits     Limits
	table      *[wire.NumOperations]row
	usages     *usageTable

	backend     keystore.Backend
	transitions Transitions
	onEvent     func(*ServiceEvent)
	fault       func(ctx context.Context, c *Call) *wire.Error

	mode       Authorization
	principals Principals
	onDecision func(m *Made)
	onDenied   func(c *Call, refusal *wire.Error)
}

// New makes a service.
func New(o Options) *Service {
	s := &Service{
		keys: o.Keyring, module: o.Module, clock: o.Clock, timeout: o.Timeout, onSchedule: o.OnSchedule, served: o.Served,
		pool: o.Pool, attested: o.Attestation, table: newTable(), usages: newUsageTable(),
		backend: o.Backend, transitions: o.Transitions, fault: o.Fault, onEvent: o.OnEvent,
		mode: o.Authorization, principals: o.Principals, onDecision: o.OnDecision, onDenied: o.OnDenied,
	}
	s.limits = o.Limits.resolve()
	if s.clock == nil {
		s.clock = time.Now
	}
	if s.timeout == 0 {
		s.timeout = 10 * time.Second
	}
	if s.onSchedule == nil {
		s.onSchedule = func() {}
	}
	if s.served == nil {
		s.served = func(string, string) bool { return true }
	}
	if s.pool == nil {
		s.pool = func(hsm.KeySpec) *hsm.Key { return nil }
	}
	if s.backend == nil {
		s.backend, _ = keystore.NewScripted(keystore.Config{}, s.clock) // an empty configuration has no faults
	}
	return s
}

// ready makes the checks that come before the operation's own: usage, then state.
func (c *Call) ready(key *keyring.Snapshot, op string) error {
	r := c.row
	if r.usage != hsm.UsageNone && key.Usage != r.usage {
		return wire.Errorf(wire.CodeInvalidKeyUsageException, "%s key usage is %s which is not valid for %s.",
			key.ARN, usages[key.Usage], op)
	}
	if key.State == keyring.Unavailable && key.Origin == keyring.ExternalKeyStore && r.class == cryptographic {
		return wire.Errorf(wire.CodeKMSInvalidStateException, xksNotConnected)
	}
	return checkState(r.class, key.State, key.ARN)
}

// do runs the prepared command with a deadline.
func (s *Service) do(c *Call) error {
	if err := s.behind(c); err != nil {
		return err
	}
	c.module.Deadline = time.Now().Add(s.timeout)
	return s.module.Do(&c.module)
}
