package operation

import (
	"context"
	"errors"

	"trent/fastpath/wire"
	"trent/hsm"
)

// agreementRows are the rows of DeriveSharedSecret, Encapsulate and Decapsulate.
func agreementRows(t *[wire.NumOperations]row) {
	t[wire.OperationDeriveSharedSecret] = row{run: deriveSharedSecret, class: cryptographic, usage: hsm.KeyAgreement, aliases: true, foreignKeys: true,
		key:    func(r wire.Request) []byte { return r.(*wire.DeriveSharedSecretRequest).KeyId },
		tokens: func(r wire.Request) [][]byte { return r.(*wire.DeriveSharedSecretRequest).GrantTokens }}
	t[wire.OperationEncapsulate] = row{run: encapsulate, class: cryptographic, usage: hsm.EncapsulateDecapsulate, aliases: true, foreignKeys: true,
		key:    func(r wire.Request) []byte { return r.(*wire.EncapsulateRequest).KeyId },
		tokens: func(r wire.Request) [][]byte { return r.(*wire.EncapsulateRequest).GrantTokens }}
	t[wire.OperationDecapsulate] = row{run: decapsulate, class: cryptographic, usage: hsm.EncapsulateDecapsulate, aliases: true, foreignKeys: true,
		key:    func(r wire.Request) []byte { return r.(*wire.DecapsulateRequest).KeyId },
		tokens: func(r wire.Request) [][]byte { return r.(*wire.DecapsulateRequest).GrantTokens }}
}

func deriveSharedSecret(s *Service, _ context.Context, c *Call) error {
	r := c.Request.(*wire.DeriveSharedSecretRequest)
	key := c.Key.Snapshot
	if err := c.ready(key, "DeriveSharedSecret"); err != nil {
		return err
	}
	if err := c.attest(); err != nil {
		return err
	}
	m := c.prepare(hsm.OpDerive, true)
	m.Key, m.Algorithm, m.In = key.Current, hsm.ECDH, r.PublicKey
	if err := s.do(c); err != nil {
		if errors.Is(err, hsm.ErrPeer) {
			return wire.Bare(wire.CodeValidationException)
		}
		return err
	}
	if r.DryRun {
		return dryRun()
	}
	secret, forRecipient := c.revealed()
	c.Response = &wire.DeriveSharedSecretResponse{
		KeyId: key.ARN, SharedSecret: secret, CiphertextForRecipient: forRecipient,
		KeyAgreementAlgorithm: r.KeyAgreementAlgorithm, KeyOrigin: origins[key.Origin],
	}
	return nil
}

func encapsulate(s *Service, _ context.Context, c *Call) error {
	r := c.Request.(*wire.EncapsulateRequest)
	key := c.Key.Snapshot
	if err := c.ready(key, "Encapsulate"); err != nil {
		return err
	}
	m := c.prepare(hsm.OpEncapsulate, true)
	m.Key, m.Algorithm = key.Current, hsm.MLKEM
	if err := s.do(c); err != nil {
		return err
	}
	if r.DryRun {
		return dryRun()
	}
	c.Response = &wire.EncapsulateResponse{
		KeyId: key.ARN, SharedSecret: m.Secret, SharedSecretCiphertextBlob: m.Out, EncapsulationAlgorithm: r.EncapsulationAlgorithm,
	}
	return nil
}

func decapsulate(s *Service, _ context.Context, c *Call) error {
	r := c.Request.(*wire.DecapsulateRequest)
	key := c.Key.Snapshot
	if err := c.ready(key, "Decapsulate"); err != nil {
		return err
	}
	m := c.prepare(hsm.OpDecapsulate, true)
	m.Key, m.Algorithm, m.In = key.Current, hsm.MLKEM, r.SharedSecretCiphertextBlob
	if err := s.do(c); err != nil {
		return ciphertextError(err)
	}
	if r.DryRun {
		return dryRun()
	}
	c.Response = &wire.DecapsulateResponse{KeyId: key.ARN, SharedSecret: m.Secret, EncapsulationAlgorithm: r.EncapsulationAlgorithm}
	return nil
}

// Choice is an answer that is Trent's, where the service's is not known.
type Choice struct{ Point, Chosen, Reason string }

// MLKEMChoices lists what is not recorded of ML-KEM keys, which are younger than every recording.
func MLKEMChoices() []Choice {
	return []Choice{
		{"texts of InvalidKeyUsageException", "those of other operations, with Encapsulate or Decapsulate in them", "the service makes them from the operation's name"},
		{"order of checks", "usage, state, ciphertext, cryptography, DryRun", "as for Sign and Decrypt"},
		{"ciphertext of the wrong length", "InvalidCiphertextException without text", "that exception never has one"},
		{"altered ciphertext of the right length", "32 other bytes, always the same ones", "implicit rejection (FIPS 203, 6.3)"},
		{"IncorrectKeyException", "never", "a ciphertext does not name its key, and KeyId is required"},
		{"CreateKey in a China Region", "UnsupportedOperationException: KeySpec ML_KEM_768 is not supported in this Region", "the text for SM2 elsewhere"},
		{"CustomerMasterKeySpec", "the same text as KeySpec", "recorded so for ML-DSA, which its enumeration lacks too"},
		{"GetPublicKey in PendingImport and Disabled", "as for other asymmetric keys", "the guide's table of key states names operations only"},
		{"CreateKey with Origin EXTERNAL", "refused as for ML-DSA", "no form of material to import is known"},
		{"DryRun of Encapsulate", "makes a secret and drops it", "success is reported only if everything else passed"},
	}
}
