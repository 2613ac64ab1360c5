package operation

import (
	"context"
	"errors"

	"trent/fastpath/keyring"
	"trent/fastpath/wire"
	"trent/hsm"
)

func sign(s *Service, _ context.Context, c *Call) error {
	r := c.Request.(*wire.SignRequest)
	key := c.Key.Snapshot
	algorithm, err := c.signing(r.SigningAlgorithm, r.MessageType, r.Message)
	if err != nil {
		return err
	}
	m := c.prepare(hsm.OpSign, false)
	m.Key, m.Algorithm, m.In = key.Current, algorithm, r.Message
	m.Digest, m.ExternalMu = r.MessageType == wire.MessageTypeDigest, r.MessageType == wire.MessageTypeExternalMu
	if err := s.do(c); err != nil {
		return err
	}
	if r.DryRun {
		return dryRun()
	}
	c.responses.sign = wire.SignResponse{KeyId: key.ARN, Signature: m.Out, SigningAlgorithm: r.SigningAlgorithm}
	c.Response = &c.responses.sign
	return nil
}

func verify(s *Service, _ context.Context, c *Call) error {
	r := c.Request.(*wire.VerifyRequest)
	key := c.Key.Snapshot
	algorithm, err := c.signing(r.SigningAlgorithm, r.MessageType, r.Message)
	if err != nil {
		return err
	}
	m := c.prepare(hsm.OpVerify, false)
	m.Key, m.Algorithm, m.In, m.In2 = key.Current, algorithm, r.Message, r.Signature
	m.Digest, m.ExternalMu = r.MessageType == wire.MessageTypeDigest, r.MessageType == wire.MessageTypeExternalMu
	if err := s.do(c); err != nil {
		if errors.Is(err, hsm.ErrMismatch) {
			return wire.Bare(wire.CodeKMSInvalidSignatureException)
		}
		return err
	}
	if r.DryRun {
		return dryRun()
	}
	c.responses.verify = wire.VerifyResponse{KeyId: key.ARN, SignatureValid: wire.Some(true), SigningAlgorithm: r.SigningAlgorithm}
	c.Response = &c.responses.verify
	return nil
}

// signing makes the checks that Sign and Verify share.
func (c *Call) signing(a wire.SigningAlgorithmSpec, mt wire.MessageType, message []byte) (hsm.Algorithm, error) {
	key := c.Key.Snapshot
	if err := c.ready(key, c.Operation.String()); err != nil {
		return 0, err
	}
	algorithm := signingAlgorithm(key.Spec, a)
	if algorithm == nil {
		return 0, incompatible(a.String(), key)
	}
	if err := algorithm.takes(mt, len(message), specs[key.Spec].spec); err != nil {
		return 0, err
	}
	return algorithm.module, nil
}

// takes checks a message's type, RAW where it is left out, and its length: the model's bounds are wider. Ed25519's
// texts name the algorithm, the others the key spec.
func (a *signingInfo) takes(mt wire.MessageType, size int, spec wire.KeySpec) error {
	switch {
	case mt == wire.MessageTypeExternalMu && a.mu:
		if size != muBytes {
			return validation("External Mu is invalid length for algorithm %s.", a.api)
		}
		return nil
	case mt == wire.MessageTypeDigest && a.digest > 0:
		if size != a.digest {
			return validation("Digest is invalid length for algorithm %s.", a.api)
		}
		return nil
	case mt == wire.MessageTypeExternalMu, mt == wire.MessageTypeDigest && a.mu:
		return validation("Message type %s is incompatible with key spec %s.", mt, spec)
	case mt == wire.MessageTypeDigest, !a.raw:
		if mt == 0 {
			mt = wire.MessageTypeRaw
		}
		return validation("Message type %s is incompatible with algorithm %s.", mt, a.api)
	}
	return nil
}

func getPublicKey(_ *Service, _ context.Context, c *Call) error {
	key := c.Key.Snapshot
	// The guide allows a key that is pending import; a symmetric one was seen to be refused. Asymmetric
	// keys without material have no public key to give either.
	if err := checkState(publicKey, key.State, key.ARN); err != nil && (key.State != keyring.PendingImport || key.Public == nil) {
		return err
	}
	if key.Public == nil {
		return wire.Bare(wire.CodeUnsupportedOperationException)
	}
	lists := algorithmsOf(key.Spec, key.Usage)
	c.Response = &wire.GetPublicKeyResponse{
		KeyId: key.ARN, PublicKey: key.Public,
		CustomerMasterKeySpec: specs[key.Spec].legacy, KeySpec: specs[key.Spec].spec, KeyUsage: usages[key.Usage],
		EncryptionAlgorithms: lists.encryption, SigningAlgorithms: lists.signing, KeyAgreementAlgorithms: lists.agreement,
		EncapsulationAlgorithms: lists.encapsulation,
	}
	return nil
}
