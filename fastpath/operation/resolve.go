package operation

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"trent/fastpath/authz"
	"trent/fastpath/keyring"
	"trent/fastpath/wire"
	"trent/hsm"
)

// Resolve finds the keys that c's request names, by name or by ciphertext. A key that is not there is no
// error yet: Execute says so, after authorization. Errors: aliases where none may be used, the store's.
func (s *Service) Resolve(ctx context.Context, c *Call) error {
	r := &s.table[c.Operation]
	c.row = r
	if r.run == nil {
		return unsupported(c.Operation.String())
	}
	if r.resolve != nil {
		return r.resolve(s, ctx, c)
	}
	if r.key != nil {
		if name := r.key(c.Request); name != nil {
			if !r.aliases && keyring.Classify(name).IsAlias() {
				return wire.Errorf(wire.CodeInvalidArnException, "Key Aliases are not supported for this operation.")
			}
			if err := s.resolve(ctx, c, name, onKey); err != nil {
				return err
			}
		}
	}
	if r.ciphertext {
		if final, err := s.resolveCiphertext(ctx, c); err != nil || final {
			return err
		}
	}
	if q, ok := c.Request.(*wire.ReEncryptRequest); ok {
		return s.resolve(ctx, c, q.DestinationKeyId, onTarget)
	}
	return nil
}

// resolve finds one key by name, for Key or Target; a caller's mistake becomes c.refuse.
func (s *Service) resolve(ctx context.Context, c *Call, name []byte, on resource) error {
	resolved, err := s.keys.Resolve(ctx, c.Scope, name)
	if err != nil {
		return c.unresolved(err, on)
	}
	if resolved.Snapshot, err = s.effective(ctx, resolved.Snapshot); err != nil {
		return err
	}
	if on == onTarget {
		c.Target = resolved
	} else {
		c.Key = resolved
	}
	switch foreigner := !c.owns(resolved.Snapshot); {
	case foreigner && (resolved.Snapshot.Missing || !c.row.needs[0].on.ofKey()):
		// Authorize says the same; and no handler may ever see it.
		c.refuseBy(foreign(c, c.row.actionOn(on)))
	case resolved.Snapshot.Missing:
		c.refuseBy(notFound(resolved.Snapshot))
	}
	return nil
}

// refuseBy keeps the first refusal for Execute.
func (c *Call) refuseBy(refusal *wire.Error) {
	if c.refuse == nil {
		c.refuse = refusal
	}
}

// actionOn is the action that an operation needs on one of its keys.
func (r *row) actionOn(on resource) authz.Action {
	for _, n := range r.needs {
		if n.on == on {
			return n.action
		}
	}
	return r.needs[0].action
}

// unresolved keeps a caller's mistake for Execute. It is apart from resolve so that the target of errors.As,
// which goes to the heap, is only made where there is an error.
func (c *Call) unresolved(err error, on resource) error {
	var refused *keyring.NameError
	if !errors.As(err, &refused) {
		return fmt.Errorf("finding the key: %w", err)
	}
	refusal := nameRefusal(c.row, refused)
	if refused.Kind == keyring.NoAlias {
		name, own := strings.CutPrefix(refused.Text, c.Scope.AliasARN(""))
		if own {
			l := &c.lost[0]
			if on == onTarget {
				l = &c.lost[1]
			}
			*l = lost{alias: true, refusal: refusal}
			if c.row.aliases && makesManaged(c) {
				l.managed = managedByAlias(name)
			}
		} else {
			refusal = foreign(c, c.row.actionOn(on))
		}
	}
	c.refuseBy(refusal)
	return nil
}

// resolveCiphertext finds the key that a symmetric ciphertext names, and compares it with the key that
// the request names, if it names one. final: whatever else the request has, its ciphertext is refused.
func (s *Service) resolveCiphertext(ctx context.Context, c *Call) (final bool, err error) {
	if c.refuse != nil { // the key that is named is none
		return false, nil
	}
	blob, symmetric, ignored := ciphertextOf(c.Request)
	refuse := func(refusal *wire.Error) (bool, error) {
		c.refuseBy(refusal)
		return true, nil
	}
	switch named := c.Key.Snapshot != nil; {
	case !symmetric && !named:
		return refuse(validation("KeyId is required where the encryption algorithm is not SYMMETRIC_DEFAULT."))
	case !symmetric, ignored && named:
		return false, nil
	case blob == nil:
		return refuse(validation("KeyId is required where CiphertextBlob is left out."))
	}
	material, ok := hsm.MaterialOf(blob)
	if !ok {
		return refuse(wire.Bare(wire.CodeInvalidCiphertextException))
	}
	snapshot, key, err := s.keys.ByMaterial(ctx, c.Scope, material)
	switch {
	case errors.Is(err, keyring.ErrUnknownMaterial):
		return refuse(wire.Bare(wire.CodeInvalidCiphertextException))
	case err != nil:
		return true, fmt.Errorf("finding the key of a ciphertext: %w", err)
	}
	switch {
	case c.Key.Snapshot != nil && c.Key.Snapshot.ARN != snapshot.ARN:
		return refuse(wire.Errorf(wire.CodeIncorrectKeyException, "The key ID in the request does not identify a CMK that can perform this operation."))
	case snapshot.Missing:
		return refuse(ciphertextForeign())
	}
	c.byCiphertext = c.Key.Snapshot == nil
	c.source = key
	c.Key.Snapshot, err = s.effective(ctx, snapshot)
	return false, err
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

// Execute runs the operation, which Authorize has passed. On success c.Response is set where the operation has an output. Errors:
// *wire.Error, or trouble of store and module for APIError.
func (s *Service) Execute(ctx context.Context, c *Call) error {
	r := c.row
	if !c.authorized {
		return errUnauthorized
	}
	if c.refuse != nil {
		return c.refuse
	}
	if r.tokens != nil {
		if tokens := r.tokens(c.Request); len(tokens) > 0 {
			if err := s.checkTokens(ctx, c, tokens); err != nil {
				return err
			}
		}
	}
	if s.fault != nil {
		if fault := s.fault(ctx, c); fault != nil {
			return fault
		}
	}
	if r.write && s.mode != Enforce { // else their policies do
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
