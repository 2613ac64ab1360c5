package operation

import (
	"trent/fastpath/wire"
)

// appendParameters appends the requestParameters of a call's record, nothing where the record has null. Of each
// operation it has what the service shows and nothing that it hides (AWS KMS Developer Guide, "Logging AWS KMS API
// calls with AWS CloudTrail"): no plaintext, ciphertext, message, signature, MAC, token, password or material.
func (c *Call) appendParameters(dst []byte) []byte {
	o := objectIn(dst)
	if c.cryptographicParameters(&o) || c.keyParameters(&o) || c.listParameters(&o) || c.storeParameters(&o) {
		return o.end0()
	}
	return dst
}

func (c *Call) cryptographicParameters(o *object) bool {
	switch r := c.Request.(type) {
	case *wire.EncryptRequest:
		o.bytes("keyId", r.KeyId)
		enum(o, "encryptionAlgorithm", orSymmetric(r.EncryptionAlgorithm))
		o.pairs("encryptionContext", r.EncryptionContext)
		o.yes("dryRun", r.DryRun)
	case *wire.DecryptRequest:
		enum(o, "encryptionAlgorithm", orSymmetric(r.EncryptionAlgorithm))
		if r.KeyId != nil {
			o.bytes("keyId", r.KeyId)
		} else if k := c.Key.Snapshot; k != nil && !k.Missing {
			o.text("keyId", k.ARN)
		}
		o.pairs("encryptionContext", r.EncryptionContext)
		o.yes("dryRun", r.DryRun)
	case *wire.ReEncryptRequest:
		enum(o, "sourceEncryptionAlgorithm", orSymmetric(r.SourceEncryptionAlgorithm))
		o.pairs("sourceEncryptionContext", r.SourceEncryptionContext)
		o.bytes("sourceKeyId", r.SourceKeyId)
		o.bytes("destinationKeyId", r.DestinationKeyId)
		enum(o, "destinationEncryptionAlgorithm", orSymmetric(r.DestinationEncryptionAlgorithm))
		o.pairs("destinationEncryptionContext", r.DestinationEncryptionContext)
		o.yes("dryRun", r.DryRun)
	case *wire.GenerateDataKeyRequest:
		o.bytes("keyId", r.KeyId)
		enum(o, "keySpec", r.KeySpec)
		o.number("numberOfBytes", r.NumberOfBytes, r.HasNumberOfBytes())
		o.pairs("encryptionContext", r.EncryptionContext)
		o.yes("dryRun", r.DryRun)
	case *wire.GenerateDataKeyWithoutPlaintextRequest:
		o.bytes("keyId", r.KeyId)
		enum(o, "keySpec", r.KeySpec)
		o.number("numberOfBytes", r.NumberOfBytes, r.HasNumberOfBytes())
		o.pairs("encryptionContext", r.EncryptionContext)
		o.yes("dryRun", r.DryRun)
	case *wire.GenerateDataKeyPairRequest:
		o.bytes("keyId", r.KeyId)
		enum(o, "keyPairSpec", r.KeyPairSpec)
		o.pairs("encryptionContext", r.EncryptionContext)
		o.yes("dryRun", r.DryRun)
	case *wire.GenerateDataKeyPairWithoutPlaintextRequest:
		o.bytes("keyId", r.KeyId)
		enum(o, "keyPairSpec", r.KeyPairSpec)
		o.pairs("encryptionContext", r.EncryptionContext)
		o.yes("dryRun", r.DryRun)
	case *wire.GenerateRandomRequest: // its record has none
	default:
		return c.signingParameters(o)
	}
	return true
}

func (c *Call) signingParameters(o *object) bool {
	switch r := c.Request.(type) {
	case *wire.SignRequest:
		o.bytes("keyId", r.KeyId)
		enum(o, "messageType", orRaw(r.MessageType))
		enum(o, "signingAlgorithm", r.SigningAlgorithm)
		o.yes("dryRun", r.DryRun)
	case *wire.VerifyRequest:
		o.bytes("keyId", r.KeyId)
		enum(o, "messageType", orRaw(r.MessageType))
		enum(o, "signingAlgorithm", r.SigningAlgorithm)
		o.yes("dryRun", r.DryRun)
	case *wire.GenerateMacRequest:
		o.bytes("keyId", r.KeyId)
		enum(o, "macAlgorithm", r.MacAlgorithm)
		o.yes("dryRun", r.DryRun)
	case *wire.VerifyMacRequest:
		o.bytes("keyId", r.KeyId)
		enum(o, "macAlgorithm", r.MacAlgorithm)
		o.yes("dryRun", r.DryRun)
	case *wire.DeriveSharedSecretRequest:
		o.bytes("keyId", r.KeyId)
		enum(o, "keyAgreementAlgorithm", r.KeyAgreementAlgorithm)
		o.yes("dryRun", r.DryRun)
	case *wire.EncapsulateRequest:
		o.bytes("keyId", r.KeyId)
		enum(o, "encapsulationAlgorithm", r.EncapsulationAlgorithm)
		o.yes("dryRun", r.DryRun)
	case *wire.DecapsulateRequest:
		o.bytes("keyId", r.KeyId)
		enum(o, "encapsulationAlgorithm", r.EncapsulationAlgorithm)
		o.yes("dryRun", r.DryRun)
	default:
		return false
	}
	return true
}

func orRaw(m wire.MessageType) wire.MessageType {
	if m == 0 {
		return wire.MessageTypeRaw
	}
	return m
}

func (c *Call) keyParameters(o *object) bool {
	switch r := c.Request.(type) {
	case *wire.CreateKeyRequest:
		c.createKeyParameters(o, r)
	case *wire.ReplicateKeyRequest:
		o.bytes("keyId", r.KeyId)
		o.bytes("replicaRegion", r.ReplicaRegion)
		o.bytes("policy", r.Policy)
		o.boolean("bypassPolicyLockoutSafetyCheck", r.BypassPolicyLockoutSafetyCheck)
		o.empty("description", r.Description)
		o.tags("tags", r.Tags)
	case *wire.UpdatePrimaryRegionRequest:
		o.bytes("keyId", r.KeyId)
		o.bytes("primaryRegion", r.PrimaryRegion)
	case *wire.CreateAliasRequest:
		o.bytes("aliasName", r.AliasName)
		o.bytes("targetKeyId", r.TargetKeyId)
	case *wire.UpdateAliasRequest:
		o.bytes("aliasName", r.AliasName)
		o.bytes("targetKeyId", r.TargetKeyId)
	case *wire.DeleteAliasRequest:
		o.bytes("aliasName", r.AliasName)
	case *wire.CreateGrantRequest:
		createGrantParameters(o, r)
	case *wire.RetireGrantRequest: // by token: null
		o.bytes("keyId", r.KeyId)
		o.bytes("grantId", r.GrantId)
		o.yes("dryRun", r.DryRun)
	case *wire.RevokeGrantRequest:
		o.bytes("keyId", r.KeyId)
		o.bytes("grantId", r.GrantId)
		o.yes("dryRun", r.DryRun)
	case *wire.EnableKeyRotationRequest:
		o.bytes("keyId", r.KeyId)
		o.number("rotationPeriodInDays", r.RotationPeriodInDays, r.HasRotationPeriodInDays())
	case *wire.ScheduleKeyDeletionRequest:
		o.bytes("keyId", r.KeyId)
		o.number("pendingWindowInDays", r.PendingWindowInDays, r.HasPendingWindowInDays())
	case *wire.PutKeyPolicyRequest:
		o.bytes("keyId", r.KeyId)
		o.bytes("policyName", r.PolicyName)
		o.bytes("policy", r.Policy)
		o.boolean("bypassPolicyLockoutSafetyCheck", r.BypassPolicyLockoutSafetyCheck)
	case *wire.TagResourceRequest:
		o.bytes("keyId", r.KeyId)
		o.tags("tags", r.Tags)
	case *wire.UntagResourceRequest:
		o.bytes("keyId", r.KeyId)
		o.list("tagKeys", r.TagKeys)
	case *wire.UpdateKeyDescriptionRequest:
		o.bytes("keyId", r.KeyId)
		o.empty("description", r.Description)
	default:
		return c.importParameters(o)
	}
	return true
}

func (c *Call) importParameters(o *object) bool {
	switch r := c.Request.(type) {
	case *wire.GetParametersForImportRequest:
		o.bytes("keyId", r.KeyId)
		enum(o, "wrappingAlgorithm", r.WrappingAlgorithm)
		enum(o, "wrappingKeySpec", r.WrappingKeySpec)
	case *wire.ImportKeyMaterialRequest:
		o.bytes("keyId", r.KeyId)
		o.date("validTo", r.ValidTo, r.HasValidTo())
		enum(o, "expirationModel", r.ExpirationModel)
		enum(o, "importType", r.ImportType)
		o.bytes("keyMaterialDescription", r.KeyMaterialDescription)
		o.bytes("keyMaterialId", r.KeyMaterialId)
	case *wire.DeleteImportedKeyMaterialRequest:
		o.bytes("keyId", r.KeyId)
		o.bytes("keyMaterialId", r.KeyMaterialId)
	default:
		return false
	}
	return true
}

// createKeyParameters shows the values that hold where none are given.
func (c *Call) createKeyParameters(o *object, r *wire.CreateKeyRequest) {
	o.empty("description", r.Description)
	origin, spec, legacy, usage := r.Origin, r.KeySpec, r.CustomerMasterKeySpec, r.KeyUsage
	if origin == 0 {
		origin = wire.OriginTypeAwsKms
	}
	if spec == 0 && legacy == 0 {
		spec = wire.KeySpecSymmetricDefault
	}
	text := spec.String()
	if spec == 0 {
		text = legacy.String()
	}
	enum(o, "origin", origin)
	o.boolean("bypassPolicyLockoutSafetyCheck", r.BypassPolicyLockoutSafetyCheck)
	o.text("customerMasterKeySpec", text)
	o.text("keySpec", text)
	if usage == 0 {
		usage = wire.KeyUsageTypeEncryptDecrypt
	}
	enum(o, "keyUsage", usage)
	o.yes("multiRegion", r.MultiRegion)
	o.bytes("customKeyStoreId", r.CustomKeyStoreId)
	o.bytes("xksKeyId", r.XksKeyId)
	o.bytes("policy", r.Policy)
	o.tags("tags", r.Tags)
}

func createGrantParameters(o *object, r *wire.CreateGrantRequest) {
	o.bytes("keyId", r.KeyId)
	o.bytes("granteePrincipal", r.GranteePrincipal)
	o.bytes("granteeServicePrincipal", r.GranteeServicePrincipal)
	o.bytes("retiringPrincipal", r.RetiringPrincipal)
	o.bytes("retiringServicePrincipal", r.RetiringServicePrincipal)
	o.name("operations")
	for i, op := range r.Operations {
		o.b = append(o.b, separator(i, '['), '"')
		o.b = append(append(o.b, op.String()...), '"')
	}
	if len(r.Operations) == 0 {
		o.b = append(o.b, '[')
	}
	o.b = append(o.b, ']')
	if k := r.Constraints; k != nil {
		o.name("constraints")
		inner := objectIn(o.b)
		inner.pairs("encryptionContextSubset", k.EncryptionContextSubset)
		inner.pairs("encryptionContextEquals", k.EncryptionContextEquals)
		inner.bytes("sourceArn", k.SourceArn)
		o.b = inner.end()
	}
	o.bytes("name", r.Name)
	o.yes("dryRun", r.DryRun)
}
