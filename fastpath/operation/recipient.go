package operation

import (
	"errors"
	"time"

	"trent/fastpath/attestation"
	"trent/fastpath/wire"
	"trent/hsm"
)

// attestationRefusals are the answers to a Recipient that is not taken. The service's own are not documented: a
// request that is wrong by itself is a ValidationException, one whose document proves nothing is denied (chosen).
var attestationRefusals = [...]struct {
	cause   error
	code    wire.Code
	message string
}{
	{attestation.ErrMalformed, wire.CodeValidationException, "The attestation document in Recipient is malformed."},
	{attestation.ErrPublicKey, wire.CodeValidationException, "The attestation document in Recipient has no RSA public key of 2048 bits or more."},
	{attestation.ErrExpired, wire.CodeAccessDeniedException, "The attestation document in Recipient has expired."},
	{attestation.ErrUntrusted, wire.CodeAccessDeniedException, "The attestation document in Recipient is not signed by a trusted authority."},
	{attestation.ErrSignature, wire.CodeAccessDeniedException, "The signature of the attestation document in Recipient is not valid."},
}

// recipientRows says where the rows' requests have their Recipient.
func recipientRows(t *[wire.NumOperations]row) {
	t[wire.OperationDecrypt].recipient = func(r wire.Request) *wire.RecipientInfo { return r.(*wire.DecryptRequest).Recipient }
	t[wire.OperationDeriveSharedSecret].recipient = func(r wire.Request) *wire.RecipientInfo { return r.(*wire.DeriveSharedSecretRequest).Recipient }
	t[wire.OperationGenerateDataKey].recipient = func(r wire.Request) *wire.RecipientInfo { return r.(*wire.GenerateDataKeyRequest).Recipient }
	t[wire.OperationGenerateDataKeyPair].recipient = func(r wire.Request) *wire.RecipientInfo { return r.(*wire.GenerateDataKeyPairRequest).Recipient }
	t[wire.OperationGenerateRandom].recipient = func(r wire.Request) *wire.RecipientInfo { return r.(*wire.GenerateRandomRequest).Recipient }
}

// verifyRecipient verifies the document of a Recipient, where the request has one, and keeps what it says in c.Attestation:
// from then on the call's plaintext result goes to the key in the document. Conditions may ask for it; that it is not
// taken is said by attest, later.
func (s *Service) verifyRecipient(c *Call, r *wire.RecipientInfo) {
	if r != nil {
		c.unattested = s.verified(c, r)
	}
}

// attest refuses a Recipient that was not taken.
func (c *Call) attest() error { return c.unattested }

// verified verifies a document, by real time.
func (s *Service) verified(c *Call, r *wire.RecipientInfo) error {
	switch {
	case r.KeyEncryptionAlgorithm == 0:
		return missingMember("recipient.keyEncryptionAlgorithm")
	case len(r.AttestationDocument) == 0:
		return missingMember("recipient.attestationDocument")
	case s.attested == nil:
		return validation("This endpoint trusts no attestation root, and so cannot verify the attestation document in Recipient.")
	}
	document, err := s.attested.Verify(r.AttestationDocument, time.Now())
	if err == nil {
		c.Attestation = document
		return nil
	}
	for _, refusal := range attestationRefusals {
		if errors.Is(err, refusal.cause) {
			return wire.Errorf(refusal.code, "%s", refusal.message)
		}
	}
	return err
}

func missingMember(path string) error {
	return validation("1 validation error detected: Value null at '%s' failed to satisfy constraint: Member must not be null", path)
}

// address makes m encrypt its plaintext result to the attested key. The result is longer then, and no secret.
func (c *Call) address(m *hsm.Call) {
	m.Recipient = c.Attestation.PublicKey
	m.Secret = make([]byte, 0, secretCapacity+hsm.RecipientOverhead)
}

// revealed splits a plaintext result into the two members of an answer of which one is present.
func (c *Call) revealed() (plaintext, forRecipient []byte) {
	if c.Attestation != nil {
		return nil, c.module.Secret
	}
	return c.module.Secret, nil
}

// materialID is the KeyMaterialId of an answer: left out where the plaintext went to a recipient.
func (c *Call) materialID(m *hsm.MaterialID) string {
	if c.Attestation != nil {
		return ""
	}
	return materialHex(&c.hex, m)
}
