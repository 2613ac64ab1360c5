package operation

import (
	"context"
	"errors"

	"trent/fastpath/keyring"
	"trent/fastpath/wire"
	"trent/hsm"
)

// dataKeyPairRows are the rows of GenerateDataKeyPair and GenerateDataKeyPairWithoutPlaintext.
func dataKeyPairRows(t *[wire.NumOperations]row) {
	t[wire.OperationGenerateDataKeyPair] = row{run: generateDataKeyPair, class: pairing, usage: hsm.EncryptDecrypt, aliases: true, foreignKeys: true,
		key:    func(r wire.Request) []byte { return r.(*wire.GenerateDataKeyPairRequest).KeyId },
		tokens: func(r wire.Request) [][]byte { return r.(*wire.GenerateDataKeyPairRequest).GrantTokens }}
	t[wire.OperationGenerateDataKeyPairWithoutPlaintext] = row{run: generateDataKeyPairWithoutPlaintext, class: pairing, usage: hsm.EncryptDecrypt, aliases: true, foreignKeys: true,
		key:    func(r wire.Request) []byte { return r.(*wire.GenerateDataKeyPairWithoutPlaintextRequest).KeyId },
		tokens: func(r wire.Request) [][]byte { return r.(*wire.GenerateDataKeyPairWithoutPlaintextRequest).GrantTokens }}
}

func generateDataKeyPair(s *Service, _ context.Context, c *Call) error {
	r := c.Request.(*wire.GenerateDataKeyPairRequest)
	if err := c.dataKeyPair(s, r.KeyPairSpec, r.EncryptionContext, r.Recipient, r.DryRun, true); err != nil {
		return err
	}
	key := c.Key.Snapshot
	plaintext, forRecipient := c.revealed()
	c.Response = &wire.GenerateDataKeyPairResponse{
		PrivateKeyCiphertextBlob: c.module.Out, PrivateKeyPlaintext: plaintext, PublicKey: c.module.Public, KeyId: key.ARN,
		KeyPairSpec: r.KeyPairSpec, CiphertextForRecipient: forRecipient, KeyMaterialId: c.materialID(&key.Current.Material),
	}
	return nil
}

func generateDataKeyPairWithoutPlaintext(s *Service, _ context.Context, c *Call) error {
	r := c.Request.(*wire.GenerateDataKeyPairWithoutPlaintextRequest)
	if err := c.dataKeyPair(s, r.KeyPairSpec, r.EncryptionContext, nil, r.DryRun, false); err != nil {
		return err
	}
	key := c.Key.Snapshot
	c.Response = &wire.GenerateDataKeyPairWithoutPlaintextResponse{
		PrivateKeyCiphertextBlob: c.module.Out, PublicKey: c.module.Public, KeyId: key.ARN,
		KeyPairSpec: r.KeyPairSpec, KeyMaterialId: c.materialID(&key.Current.Material),
	}
	return nil
}

// dataKeyPair makes a pair whose private key is sealed under the call's key; the results lie in c.module.
func (c *Call) dataKeyPair(s *Service, pair wire.DataKeyPairSpec, encryptionContext []wire.Pair, recipient *wire.RecipientInfo, dry, plaintext bool) error {
	key := c.Key.Snapshot
	if err := c.ready(key, c.Operation.String()); err != nil {
		return err
	}
	if key.Origin == keyring.AWSCloudHSM || key.Origin == keyring.ExternalKeyStore {
		return wire.Errorf(wire.CodeUnsupportedOperationException, "%s origin is %s which is not valid for this operation.", key.ARN, origins[key.Origin])
	}
	if !isSymmetric(key.Spec) {
		return wire.Errorf(wire.CodeInvalidKeyUsageException, "You cannot generate a data key with an asymmetric CMK")
	}
	spec, err := pairSpec(pair, key.Partition)
	if err != nil {
		return err
	}
	if err := c.attest(); err != nil {
		return err
	}
	if c.aad, err = c.context(c.aad, encryptionContext); err != nil {
		return err
	}
	if dry {
		return c.dryPair(s)
	}
	if err := c.newPair(s, spec, plaintext); !errors.Is(err, hsm.ErrUnsupported) {
		return err
	}
	return pairUnsupported(pair)
}

// newPair makes the pair, of a key made ahead where there is one.
func (c *Call) newPair(s *Service, spec hsm.KeySpec, plaintext bool) error {
	return s.withPooled(spec, func(pooled *hsm.Key) error {
		m := c.prepare(hsm.OpDataKeyPair, plaintext)
		m.Key, m.AAD, m.Spec, m.Target = c.Key.Snapshot.Current, c.aad, spec, pooled
		return s.do(c)
	})
}

// dryPair does what is needed to know that the pair could be made, and no more: it takes a data key's place.
func (c *Call) dryPair(s *Service) error {
	m := c.prepare(hsm.OpDataKey, false)
	m.Key, m.AAD, m.N = c.Key.Snapshot.Current, c.aad, 32
	if err := s.do(c); err != nil {
		return err
	}
	return dryRun()
}

// pairSpec is the module's key spec of a pair's, whose texts are those of KeySpec.
func pairSpec(pair wire.DataKeyPairSpec, partition string) (hsm.KeySpec, error) {
	for i := range specs {
		if api := specs[i].spec; api != 0 && api.String() == pair.String() {
			if spec, ok := partitionSpec(api, partition); ok {
				return spec, nil
			}
		}
	}
	return 0, pairUnsupported(pair)
}

// pairUnsupported is the answer where a Region, or a module in FIPS mode, has no pairs of a spec.
func pairUnsupported(pair wire.DataKeyPairSpec) error {
	return wire.Errorf(wire.CodeUnsupportedOperationException, "KeyPairSpec %s is not supported in this Region", pair)
}
