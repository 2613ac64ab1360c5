package operation

import (
	"context"

	"trent/fastpath/wire"
	"trent/hsm"
)

func generateDataKey(s *Service, _ context.Context, c *Call) error {
	r := c.Request.(*wire.GenerateDataKeyRequest)
	n, err := dataKeyBytes(r.KeySpec, r.NumberOfBytes, r.HasNumberOfBytes())
	if err != nil {
		return err
	}
	if err := c.dataKey(s, n, r.EncryptionContext, r.Recipient, r.DryRun, true); err != nil {
		return err
	}
	key := c.Key.Snapshot
	plaintext, forRecipient := c.revealed()
	c.responses.dataKey = wire.GenerateDataKeyResponse{
		CiphertextBlob: c.module.Out, Plaintext: plaintext, KeyId: key.ARN,
		CiphertextForRecipient: forRecipient, KeyMaterialId: c.materialID(&key.Current.Material),
	}
	c.Response = &c.responses.dataKey
	return nil
}

func generateDataKeyWithoutPlaintext(s *Service, _ context.Context, c *Call) error {
	r := c.Request.(*wire.GenerateDataKeyWithoutPlaintextRequest)
	n, err := dataKeyBytes(r.KeySpec, r.NumberOfBytes, r.HasNumberOfBytes())
	if err != nil {
		return err
	}
	if err := c.dataKey(s, n, r.EncryptionContext, nil, r.DryRun, false); err != nil {
		return err
	}
	key := c.Key.Snapshot
	c.responses.dataKeyOnly = wire.GenerateDataKeyWithoutPlaintextResponse{
		CiphertextBlob: c.module.Out, KeyId: key.ARN, KeyMaterialId: materialHex(&c.hex, &key.Current.Material),
	}
	c.Response = &c.responses.dataKeyOnly
	return nil
}

// dataKeyBytes is the length of the data key that KeySpec or NumberOfBytes asks for.
func dataKeyBytes(spec wire.DataKeySpec, number int32, hasNumber bool) (int, error) {
	if (spec != 0) == hasNumber {
		return 0, validation("Please specify either number of bytes or key spec.")
	}
	switch spec {
	case wire.DataKeySpecAes128:
		return 16, nil
	case wire.DataKeySpecAes256:
		return 32, nil
	}
	return int(number), nil
}

// dataKey makes a data key of n bytes under the call's key; the results lie in c.module.
func (c *Call) dataKey(s *Service, n int, encryptionContext []wire.Pair, recipient *wire.RecipientInfo, dry, plaintext bool) error {
	key := c.Key.Snapshot
	if err := c.ready(key, c.Operation.String()); err != nil {
		return err
	}
	if !isSymmetric(key.Spec) {
		return wire.Errorf(wire.CodeInvalidKeyUsageException, "You cannot generate a data key with an asymmetric CMK")
	}
	if err := c.attest(); err != nil {
		return err
	}
	var err error
	if c.aad, err = c.context(c.aad, encryptionContext); err != nil {
		return err
	}
	m := c.prepare(hsm.OpDataKey, plaintext)
	m.Key, m.AAD, m.N = key.Current, c.aad, n
	if err := s.do(c); err != nil {
		return err
	}
	if dry {
		return dryRun()
	}
	return nil
}

func generateRandom(s *Service, ctx context.Context, c *Call) error {
	r := c.Request.(*wire.GenerateRandomRequest)
	if !r.HasNumberOfBytes() {
		return validation("NumberOfBytes is required.")
	}
	if r.CustomKeyStoreId != nil {
		if err := s.randomOf(ctx, c, r.CustomKeyStoreId); err != nil {
			return err
		}
	}
	if err := c.attest(); err != nil {
		return err
	}
	m := c.prepare(hsm.OpRandom, true)
	m.N = int(r.NumberOfBytes)
	if err := s.do(c); err != nil {
		return err
	}
	plaintext, forRecipient := c.revealed()
	c.responses.random = wire.GenerateRandomResponse{Plaintext: plaintext, CiphertextForRecipient: forRecipient}
	c.Response = &c.responses.random
	return nil
}
