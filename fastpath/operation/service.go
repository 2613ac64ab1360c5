package operation

import (
	"context"
	"errors"
	"fmt"
	"strings"
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
	// Fault may fail an authorized operation that is about to run; nil: none.
	Fault func(ctx context.Context, c *Call) *wire.Error
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
	fault       func(ctx context.Context, c *Call) *wire.Error
}

// New makes a service.
func New(o Options) *Service {
	s := &Service{
		keys: o.Keyring, module: o.Module, clock: o.Clock, timeout: o.Timeout, onSchedule: o.OnSchedule, served: o.Served,
		pool: o.Pool, attested: o.Attestation, table: newTable(), usages: newUsageTable(),
		backend: o.Backend, transitions: o.Transitions, fault: o.Fault,
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

// Resolve finds the keys that c's request names, by name or by ciphertext. A key that is not there is no
// error yet: Execute says so, after authorization. Errors: aliases where none may be used, the store's.
func (s *Service) Resolve(ctx context.Context, c *Call) error {
	r := &s.table[c.Operation]
	c.row = r
	if r.run == nil {
		return unsupported(c.Operation.String())
	}
	if r.key != nil {
		if name := r.key(c.Request); name != nil {
			if !r.aliases && keyring.Classify(name).IsAlias() {
				return wire.Errorf(wire.CodeInvalidArnException, "Key Aliases are not supported for this operation.")
			}
			if err := s.resolve(ctx, c, name, &c.Key); err != nil {
				return err
			}
		}
	}
	if r.ciphertext && c.refuse == nil {
		if err := s.resolveCiphertext(ctx, c); err != nil {
			return err
		}
	}
	if q, ok := c.Request.(*wire.ReEncryptRequest); ok && c.refuse == nil {
		return s.resolve(ctx, c, q.DestinationKeyId, &c.Target)
	}
	return nil
}

// resolve finds one key by name; a caller's mistake becomes c.refuse.
func (s *Service) resolve(ctx context.Context, c *Call, name []byte, into *keyring.Resolved) error {
	resolved, err := s.keys.Resolve(ctx, c.Scope, name)
	if err != nil && c.row.aliases {
		resolved, err = s.firstUse(ctx, c, name, err)
	}
	if err != nil {
		return c.unresolved(err, into)
	}
	if resolved.Snapshot, err = s.effective(ctx, resolved.Snapshot); err != nil {
		return err
	}
	*into = resolved
	switch {
	case resolved.Snapshot.Account != c.Scope.Account || resolved.Snapshot.Partition != c.Scope.Partition:
		c.refuse = foreign(c, c.action(into))
	case resolved.Snapshot.Missing:
		c.refuse = notFound(resolved.Snapshot)
	}
	return nil
}

// unresolved keeps a caller's mistake for Execute. It is apart from resolve so that the target of errors.As,
// which goes to the heap, is only made where there is an error.
func (c *Call) unresolved(err error, into *keyring.Resolved) error {
	var refused *keyring.NameError
	switch {
	case !errors.As(err, &refused):
		return fmt.Errorf("finding the key: %w", err)
	case refused.Kind == keyring.NoAlias && !strings.HasPrefix(refused.Text, c.Scope.AliasARN("")):
		c.refuse = foreign(c, c.action(into))
	default:
		c.refuse = nameRefusal(c.row, refused)
	}
	return nil
}

// action is the IAM action that the operation needs on one of its keys.
func (c *Call) action(key *keyring.Resolved) string {
	switch {
	case c.Operation == wire.OperationReEncrypt && key == &c.Target:
		return "ReEncryptTo"
	case c.Operation == wire.OperationReEncrypt:
		return "ReEncryptFrom"
	}
	return c.Operation.String()
}

// resolveCiphertext finds the key that a symmetric ciphertext names, and compares it with the key that
// the request names, if it names one.
func (s *Service) resolveCiphertext(ctx context.Context, c *Call) error {
	blob, symmetric, ignored := ciphertextOf(c.Request)
	switch named := c.Key.Snapshot != nil; {
	case !symmetric:
		if !named {
			c.refuse = validation("KeyId is required where the encryption algorithm is not SYMMETRIC_DEFAULT.")
		}
		return nil
	case ignored && named:
		return nil
	case blob == nil:
		c.refuse = validation("KeyId is required where CiphertextBlob is left out.")
		return nil
	}
	material, ok := hsm.MaterialOf(blob)
	if !ok {
		c.refuse = wire.Bare(wire.CodeInvalidCiphertextException)
		return nil
	}
	snapshot, key, err := s.keys.ByMaterial(ctx, c.Scope, material)
	switch {
	case errors.Is(err, keyring.ErrUnknownMaterial):
		c.refuse = wire.Bare(wire.CodeInvalidCiphertextException)
		return nil
	case err != nil:
		return fmt.Errorf("finding the key of a ciphertext: %w", err)
	}
	switch {
	case c.Key.Snapshot != nil && c.Key.Snapshot.ARN != snapshot.ARN:
		c.refuse = wire.Errorf(wire.CodeIncorrectKeyException, "The key ID in the request does not identify a CMK that can perform this operation.")
	case snapshot.Missing, snapshot.Account != c.Scope.Account, snapshot.Partition != c.Scope.Partition:
		c.refuse = ciphertextForeign()
	default:
		c.source = key
		c.Key.Snapshot, err = s.effective(ctx, snapshot)
	}
	return err
}

// ciphertextOf returns the ciphertext of Decrypt and ReEncrypt, whether it is to be read as a symmetric one, and whether
// it is not to be looked at: nil is only left then.
func ciphertextOf(r wire.Request) (blob []byte, symmetric, ignored bool) {
	var algorithm wire.EncryptionAlgorithmSpec
	switch r := r.(type) {
	case *wire.DecryptRequest:
		blob, algorithm, ignored = r.CiphertextBlob, r.EncryptionAlgorithm, r.IgnoresCiphertext()
	case *wire.ReEncryptRequest:
		blob, algorithm, ignored = r.CiphertextBlob, r.SourceEncryptionAlgorithm, r.IgnoresCiphertext()
	}
	return blob, orSymmetric(algorithm) == wire.EncryptionAlgorithmSpecSymmetricDefault, ignored
}

// Execute runs the operation. On success c.Response is set where the operation has an output. Errors:
// *wire.Error, or trouble of store and module for APIError.
func (s *Service) Execute(ctx context.Context, c *Call) error {
	r := c.row
	if r.tokens != nil {
		if tokens := r.tokens(c.Request); len(tokens) > 0 {
			if err := s.checkTokens(ctx, c, tokens); err != nil {
				return err
			}
		}
	}
	if c.refuse != nil {
		return c.refuse
	}
	if s.fault != nil {
		if fault := s.fault(ctx, c); fault != nil {
			return fault
		}
	}
	if r.write {
		if err := checkManaged(c, c.Key.Snapshot); err != nil {
			return err
		}
	}
	if err := supported(c.Operation, c.Key.Snapshot); err != nil {
		return err
	}
	if err := r.run(s, ctx, c); err != nil {
		return err
	}
	if r.tracked {
		s.used(c)
	}
	return nil
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
