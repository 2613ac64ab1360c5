package operation

import (
	"context"
	"errors"

	"trent/fastpath/keyring"
	"trent/fastpath/wire"
	"trent/hsm"
)

func encrypt(s *Service, _ context.Context, c *Call) error {
	r := c.Request.(*wire.EncryptRequest)
	key := c.Key.Snapshot
	if err := c.ready(key, "Encrypt"); err != nil {
		return err
	}
	algorithm := orSymmetric(r.EncryptionAlgorithm)
	chosen, err := encryptionFor(key, algorithm, r.EncryptionContext)
	if err != nil {
		return err
	}
	if chosen.limit > 0 && len(r.Plaintext) > chosen.limit {
		return tooLarge(key, chosen)
	}
	if c.aad, err = c.context(c.aad, r.EncryptionContext); err != nil {
		return err
	}
	m := c.prepare(hsm.OpEncrypt, false)
	m.Key, m.Algorithm, m.AAD, m.In = key.Current, chosen.module, c.aad, r.Plaintext
	if err := s.do(c); err != nil {
		return err
	}
	if r.DryRun {
		return dryRun()
	}
	c.responses.encrypt = wire.EncryptResponse{CiphertextBlob: m.Out, KeyId: key.ARN, EncryptionAlgorithm: algorithm}
	c.Response = &c.responses.encrypt
	return nil
}

func decrypt(s *Service, _ context.Context, c *Call) error {
	r := c.Request.(*wire.DecryptRequest)
	key := c.Key.Snapshot
	if err := c.ready(key, "Decrypt"); err != nil {
		return err
	}
	algorithm := orSymmetric(r.EncryptionAlgorithm)
	chosen, err := encryptionFor(key, algorithm, r.EncryptionContext)
	if err != nil {
		return err
	}
	if err := c.attest(); err != nil {
		return err
	}
	if r.IgnoresCiphertext() {
		return dryRun()
	}
	if c.aad, err = c.context(c.aad, r.EncryptionContext); err != nil {
		return err
	}
	m := c.prepare(hsm.OpDecrypt, true)
	m.Key, m.Algorithm, m.AAD, m.In = c.sourceKey(), chosen.module, c.aad, r.CiphertextBlob
	if err := s.do(c); err != nil {
		return ciphertextError(err)
	}
	if r.DryRun {
		return dryRun()
	}
	plaintext, forRecipient := c.revealed()
	c.responses.decrypt = wire.DecryptResponse{KeyId: key.ARN, Plaintext: plaintext, EncryptionAlgorithm: algorithm, CiphertextForRecipient: forRecipient}
	if isSymmetric(key.Spec) {
		c.responses.decrypt.KeyMaterialId = c.materialID(&c.source.Material)
	}
	c.Response = &c.responses.decrypt
	return nil
}

func reEncrypt(s *Service, _ context.Context, c *Call) error {
	r := c.Request.(*wire.ReEncryptRequest)
	from, to := c.Key.Snapshot, c.Target.Snapshot
	if err := c.ready(from, "ReEncryptFrom"); err != nil {
		return err
	}
	if err := c.ready(to, "ReEncryptTo"); err != nil {
		return err
	}
	fromAlgorithm, toAlgorithm := orSymmetric(r.SourceEncryptionAlgorithm), orSymmetric(r.DestinationEncryptionAlgorithm)
	source, err := encryptionFor(from, fromAlgorithm, r.SourceEncryptionContext)
	if err != nil {
		return err
	}
	target, err := encryptionFor(to, toAlgorithm, r.DestinationEncryptionContext)
	if err != nil {
		return err
	}
	if r.IgnoresCiphertext() {
		return dryRun()
	}
	if c.aad, err = c.context(c.aad, r.SourceEncryptionContext); err != nil {
		return err
	}
	if c.aad2, err = c.context(c.aad2, r.DestinationEncryptionContext); err != nil {
		return err
	}
	m := c.prepare(hsm.OpReEncrypt, false)
	m.Key, m.Algorithm, m.AAD, m.In = c.sourceKey(), source.module, c.aad, r.CiphertextBlob
	m.Target, m.TargetAlgorithm, m.TargetAAD = to.Current, target.module, c.aad2
	if err := s.do(c); err != nil {
		return reEncryptError(to, target, err)
	}
	if r.DryRun {
		return dryRun()
	}
	c.responses.reEncrypt = wire.ReEncryptResponse{
		CiphertextBlob: m.Out, SourceKeyId: from.ARN, KeyId: to.ARN,
		SourceEncryptionAlgorithm: fromAlgorithm, DestinationEncryptionAlgorithm: toAlgorithm,
	}
	if isSymmetric(from.Spec) {
		c.responses.reEncrypt.SourceKeyMaterialId = materialHex(&c.hex, &c.source.Material)
	}
	if isSymmetric(to.Spec) {
		c.responses.reEncrypt.DestinationKeyMaterialId = materialHex(&c.hex2, &to.Current.Material)
	}
	c.Response = &c.responses.reEncrypt
	return nil
}

// sourceKey is the key of the ciphertext's material, or the named key's current one for ciphertexts that
// carry no material id.
func (c *Call) sourceKey() *hsm.Key {
	if c.source != nil {
		return c.source
	}
	return c.Key.Snapshot.Current
}

func orSymmetric(a wire.EncryptionAlgorithmSpec) wire.EncryptionAlgorithmSpec {
	if a == 0 {
		return wire.EncryptionAlgorithmSpecSymmetricDefault
	}
	return a
}

// encryptionFor checks algorithm against spec, then the encryption context, which only symmetric keys take.
func encryptionFor(key *keyring.Snapshot, a wire.EncryptionAlgorithmSpec, encryptionContext []wire.Pair) (*encryptionInfo, error) {
	chosen := encryptionAlgorithm(key.Spec, a)
	if chosen == nil || !hsm.Permitted(chosen.module) {
		return nil, incompatible(a.String(), key)
	}
	if !isSymmetric(key.Spec) && len(encryptionContext) > 0 {
		return nil, validation("EncryptionContext is not supported when encrypting/decrypting with asymmetric CMKs.")
	}
	return chosen, nil
}

func incompatible(algorithm string, key *keyring.Snapshot) error {
	return wire.Errorf(wire.CodeInvalidKeyUsageException, "Algorithm %s is incompatible with key spec %s.", algorithm, specs[key.Spec].spec)
}

// tooLarge is the answer to a plaintext over an algorithm's own limit; the symmetric one, 4,096 bytes, is a constraint
// of the model.
func tooLarge(key *keyring.Snapshot, a *encryptionInfo) error {
	return validation("Algorithm %s and key spec %s cannot encrypt data larger than %d bytes.", a.api, specs[key.Spec].spec, a.limit)
}

// ciphertextError hides why a ciphertext was refused.
func ciphertextError(err error) error {
	if errors.Is(err, hsm.ErrAuthentication) {
		return wire.Bare(wire.CodeInvalidCiphertextException)
	}
	return err
}

// reEncryptError adds to ciphertextError the plaintext that is too large for the destination, whose size
// only the module knows.
func reEncryptError(to *keyring.Snapshot, a *encryptionInfo, err error) error {
	if errors.Is(err, hsm.ErrInput) && a.limit > 0 {
		return tooLarge(to, a)
	}
	return ciphertextError(err)
}
