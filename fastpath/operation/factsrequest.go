package operation

import (
	"encoding/hex"
	"strconv"
	"strings"

	"trent/fastpath/authz"
	"trent/fastpath/keyring"
	"trent/fastpath/wire"
)

// contexts are the encryption contexts of the request that the question is about: of ReEncrypt the source's or the
// destination's, of CreateGrant both constraints, of which one is empty.
func (c *Call) contexts() (pairs, more []wire.Pair) {
	switch r := c.Request.(type) {
	case *wire.EncryptRequest:
		return r.EncryptionContext, nil
	case *wire.DecryptRequest:
		return r.EncryptionContext, nil
	case *wire.GenerateDataKeyRequest:
		return r.EncryptionContext, nil
	case *wire.GenerateDataKeyWithoutPlaintextRequest:
		return r.EncryptionContext, nil
	case *wire.GenerateDataKeyPairRequest:
		return r.EncryptionContext, nil
	case *wire.GenerateDataKeyPairWithoutPlaintextRequest:
		return r.EncryptionContext, nil
	case *wire.ReEncryptRequest:
		if c.asked.Action == authz.ActionReEncryptTo {
			return r.DestinationEncryptionContext, nil
		}
		return r.SourceEncryptionContext, nil
	case *wire.CreateGrantRequest:
		if r.Constraints != nil {
			return r.Constraints.EncryptionContextEquals, r.Constraints.EncryptionContextSubset
		}
	}
	return nil, nil
}

// retired are the constraints of the grant that is being retired.
func (c *Call) retired() (pairs, more []keyring.Tag) {
	if c.grant == nil {
		return nil, nil
	}
	return c.grant.Equals, c.grant.Subset
}

func (c *Call) contextValues(dst []string, name string) ([]string, bool) {
	n := len(dst)
	for pairs, more := c.contexts(); pairs != nil || more != nil; pairs, more = more, nil {
		for _, p := range pairs {
			if strings.EqualFold(view(p.Key), name) {
				dst = append(dst, view(p.Value))
			}
		}
	}
	for pairs, more := c.retired(); pairs != nil || more != nil; pairs, more = more, nil {
		for _, p := range pairs {
			if strings.EqualFold(p.Key, name) {
				dst = append(dst, p.Value)
			}
		}
	}
	return dst, len(dst) > n
}

func (c *Call) contextNames(dst []string) ([]string, bool) {
	n := len(dst)
	for pairs, more := c.contexts(); pairs != nil || more != nil; pairs, more = more, nil {
		for _, p := range pairs {
			dst = append(dst, view(p.Key))
		}
	}
	for pairs, more := c.retired(); pairs != nil || more != nil; pairs, more = more, nil {
		for _, p := range pairs {
			dst = append(dst, p.Key)
		}
	}
	return dst, len(dst) > n
}

// requested is a key that a member of the request gives, with the member's default where the documentation has it count.
func (c *Call) requested(key authz.Key, name string) (string, bool) {
	switch key {
	case authz.KeyKMSEncryptionAlgorithm:
		return c.encryptionAlgorithm().String(), true
	case authz.KeyKMSRequestAlias:
		alias := c.Key.Alias
		if c.asked.Action == authz.ActionReEncryptTo {
			alias = c.Target.Alias
		}
		return view(alias), alias != nil
	case authz.KeyKMSReEncryptOnSameKey:
		from, to := c.Key.Snapshot, c.Target.Snapshot
		return truth(from != nil && to != nil && from.ARN == to.ARN), true
	case authz.KeyKMSRecipientAttestation:
		return c.attested(name)
	}
	switch r := c.Request.(type) {
	case *wire.SignRequest:
		return signed(key, r.SigningAlgorithm, r.MessageType)
	case *wire.VerifyRequest:
		return signed(key, r.SigningAlgorithm, r.MessageType)
	case *wire.GenerateMacRequest:
		return r.MacAlgorithm.String(), key == authz.KeyKMSMacAlgorithm
	case *wire.VerifyMacRequest:
		return r.MacAlgorithm.String(), key == authz.KeyKMSMacAlgorithm
	case *wire.DeriveSharedSecretRequest:
		return r.KeyAgreementAlgorithm.String(), key == authz.KeyKMSKeyAgreementAlgorithm
	case *wire.GenerateDataKeyPairRequest:
		return r.KeyPairSpec.String(), key == authz.KeyKMSDataKeyPairSpec
	case *wire.GenerateDataKeyPairWithoutPlaintextRequest:
		return r.KeyPairSpec.String(), key == authz.KeyKMSDataKeyPairSpec
	case *wire.CreateGrantRequest:
		return granted(r, key)
	case *wire.RetireGrantRequest:
		if key == authz.KeyKMSGrantConstraintType && c.grant != nil {
			return constraintType(len(c.grant.Equals), len(c.grant.Subset))
		}
	}
	return c.administered(key)
}

// administered is requested for what changes keys.
func (c *Call) administered(key authz.Key) (string, bool) {
	switch r := c.Request.(type) {
	case *wire.CreateKeyRequest: // no default: the key is null where the member is absent
		return truth(r.BypassPolicyLockoutSafetyCheck), key == authz.KeyKMSBypassPolicyLockoutSafetyCheck && r.HasBypassPolicyLockoutSafetyCheck()
	case *wire.PutKeyPolicyRequest:
		return truth(r.BypassPolicyLockoutSafetyCheck), key == authz.KeyKMSBypassPolicyLockoutSafetyCheck && r.HasBypassPolicyLockoutSafetyCheck()
	case *wire.ReplicateKeyRequest:
		return view(r.ReplicaRegion), key == authz.KeyKMSReplicaRegion
	case *wire.UpdatePrimaryRegionRequest:
		return view(r.PrimaryRegion), key == authz.KeyKMSPrimaryRegion
	case *wire.ImportKeyMaterialRequest:
		switch key {
		case authz.KeyKMSExpirationModel: // likewise null
			return r.ExpirationModel.String(), r.ExpirationModel != 0
		case authz.KeyKMSValidTo:
			if r.HasValidTo() {
				return c.number(r.ValidTo.Time().Unix()), true
			}
		}
	case *wire.GetParametersForImportRequest:
		switch key {
		case authz.KeyKMSWrappingAlgorithm:
			return r.WrappingAlgorithm.String(), true
		case authz.KeyKMSWrappingKeySpec:
			return r.WrappingKeySpec.String(), true
		}
	case *wire.EnableKeyRotationRequest:
		if key == authz.KeyKMSRotationPeriodInDays {
			if r.HasRotationPeriodInDays() {
				return c.number(int64(r.RotationPeriodInDays)), true
			}
			return c.number(defaultRotationDays), true
		}
	case *wire.ScheduleKeyDeletionRequest:
		if key == authz.KeyKMSScheduleKeyDeletionPendingWindowInDays {
			if r.HasPendingWindowInDays() {
				return c.number(int64(r.PendingWindowInDays)), true
			}
			return c.number(defaultWindowDays), true
		}
	}
	return "", false
}

// encryptionAlgorithm is the algorithm that the question is about, the default included.
func (c *Call) encryptionAlgorithm() wire.EncryptionAlgorithmSpec {
	var a wire.EncryptionAlgorithmSpec
	switch r := c.Request.(type) {
	case *wire.EncryptRequest:
		a = r.EncryptionAlgorithm
	case *wire.DecryptRequest:
		a = r.EncryptionAlgorithm
	case *wire.ReEncryptRequest:
		a = r.SourceEncryptionAlgorithm
		if c.asked.Action == authz.ActionReEncryptTo {
			a = r.DestinationEncryptionAlgorithm
		}
	}
	return orSymmetric(a)
}

func signed(key authz.Key, a wire.SigningAlgorithmSpec, m wire.MessageType) (string, bool) {
	switch key {
	case authz.KeyKMSSigningAlgorithm:
		return a.String(), true
	case authz.KeyKMSMessageType:
		if m == 0 {
			m = wire.MessageTypeRaw
		}
		return m.String(), true
	}
	return "", false
}

// granted is what CreateGrant asks for.
func granted(r *wire.CreateGrantRequest, key authz.Key) (string, bool) {
	var v []byte
	switch key {
	case authz.KeyKMSGranteePrincipal:
		v = r.GranteePrincipal
	case authz.KeyKMSRetiringPrincipal:
		v = r.RetiringPrincipal
	case authz.KeyKMSGranteeServicePrincipal:
		v = r.GranteeServicePrincipal
	case authz.KeyKMSRetiringServicePrincipal:
		v = r.RetiringServicePrincipal
	case authz.KeyKMSGrantConstraintSourceArn:
		if r.Constraints != nil {
			v = r.Constraints.SourceArn
		}
	case authz.KeyKMSGrantConstraintType:
		if r.Constraints != nil {
			return constraintType(len(r.Constraints.EncryptionContextEquals), len(r.Constraints.EncryptionContextSubset))
		}
	}
	return view(v), v != nil
}

func constraintType(equals, subset int) (string, bool) {
	switch {
	case equals > 0:
		return "EncryptionContextEquals", true
	case subset > 0:
		return "EncryptionContextSubset", true
	}
	return "", false
}

func (c *Call) grantedOperations(dst []string) ([]string, bool) {
	r := c.Request.(*wire.CreateGrantRequest) // of no other action
	for _, op := range r.Operations {
		dst = append(dst, op.String())
	}
	return dst, len(r.Operations) > 0
}

// attested is a measurement of the document in Recipient: PCR0 to PCR31 and ImageSha384, which is PCR0, of an enclave,
// NitroTPMPCR0 to NitroTPMPCR31 of a NitroTPM.
func (c *Call) attested(name string) (string, bool) {
	if c.Attestation == nil {
		return "", false
	}
	prefix := "PCR"
	if c.Attestation.NitroTPM {
		prefix = "NitroTPMPCR"
	} else if strings.EqualFold(name, "ImageSha384") {
		name = "PCR0"
	}
	if len(name) <= len(prefix) || !strings.EqualFold(name[:len(prefix)], prefix) {
		return "", false
	}
	n, err := strconv.ParseUint(name[len(prefix):], 10, 8)
	digest, ok := c.Attestation.PCRs[int(n)]
	if err != nil || !ok {
		return "", false
	}
	return c.text(func(b []byte) []byte { return hex.AppendEncode(b, digest) }), true
}
