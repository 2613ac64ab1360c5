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
	algorithm, digest, err := c.signing(r.SigningAlgorithm, r.MessageType, r.Message)
	if err != nil {
		return err
	}
	m := c.prepare(hsm.OpSign, false)
	m.Key, m.Algorithm, m.Digest, m.In = key.Current, algorithm, digest, r.Message
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
	algorithm, digest, err := c.signing(r.SigningAlgorithm, r.MessageType, r.Message)
	if err != nil {
		return err
	}
	m := c.prepare(hsm.OpVerify, false)
	m.Key, m.Algorithm, m.Digest, m.In, m.In2 = key.Current, algorithm, digest, r.Message, r.Signature
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

// signing makes the checks that Sign and Verify share and returns how the message is to be taken.
func (c *Call) signing(a wire.SigningAlgorithmSpec, mt wire.MessageType, message []byte) (algorithm hsm.Algorithm, digest bool, err error) {
	key := c.Key.Snapshot
	if err := c.ready(key, c.Operation.String()); err != nil {
		return 0, false, err
	}
	algorithm, digestBytes := signingAlgorithm(key.Spec, a)
	if algorithm == hsm.AlgorithmNone {
		return 0, false, incompatible(a.String(), key)
	}
	switch mt {
	case wire.MessageTypeExternalMu:
		return 0, false, validation("Message type %s is incompatible with key spec %s.", mt, specs[key.Spec].spec)
	case wire.MessageTypeDigest:
		if len(message) != digestBytes {
			return 0, false, validation("Digest is invalid length for algorithm %s.", a)
		}
		return algorithm, true, nil
	}
	return algorithm, false, nil
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
	}
	return nil
}
