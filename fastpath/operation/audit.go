package operation

import (
	"encoding/hex"
	"strconv"

	"trent/fastpath/attestation"
	"trent/fastpath/keyring"
	"trent/fastpath/wire"
	"trent/hsm"
)

// AuditContent is what a CloudTrail record holds of the operation itself. Its buffers are reused from request to request.
type AuditContent struct {
	Parameters []byte // requestParameters as JSON; empty: null
	Response   []byte // responseElements as JSON; empty: null
	Additional []byte // additionalEventData as JSON; empty: left out
	Resources  [3]AuditResource
	Count      int // of Resources
}

// AuditResource is a resource of a record: a key or an alias, and the account that owns it.
type AuditResource struct{ ARN, Account string }

// Reset empties a, keeping its buffers.
func (a *AuditContent) Reset() {
	*a = AuditContent{Parameters: a.Parameters[:0], Response: a.Response[:0], Additional: a.Additional[:0]}
}

func (a *AuditContent) resource(arn, account string) {
	if a.Count < len(a.Resources) {
		a.Resources[a.Count] = AuditResource{arn, account}
		a.Count++
	}
}

// key adds a key that exists.
func (a *AuditContent) key(k *keyring.Snapshot) {
	if k != nil && !k.Missing {
		a.resource(k.ARN, k.Account)
	}
}

// Audit fills into with what the record of c shows, after Execute; failed is nil for success. It hides what the service
// hides: plaintexts, ciphertexts, messages, signatures, tokens, passwords. A denied caller's record has neither parameters
// nor keys of other accounts, and one of a request that is not well-formed has no parameters (chosen).
func (s *Service) Audit(c *Call, failed *wire.Error, into *AuditContent) {
	into.Reset()
	if c.Request == nil || c.row == nil {
		return // not well-formed, so that nothing of it is known
	}
	denied := failed != nil && failed.Code == wire.CodeAccessDeniedException
	if !denied {
		into.Parameters = c.appendParameters(into.Parameters)
	}
	for _, k := range [...]*keyring.Snapshot{c.Key.Snapshot, c.Target.Snapshot} {
		if !denied || k != nil && k.Account == c.Scope.Account {
			into.key(k)
		}
	}
	switch r := c.Request.(type) {
	case *wire.CreateAliasRequest:
		into.resource(c.Scope.AliasARN(string(r.AliasName)), c.Scope.Account)
	case *wire.UpdateAliasRequest:
		into.resource(c.Scope.AliasARN(string(r.AliasName)), c.Scope.Account)
	case *wire.DeleteAliasRequest:
		into.resource(c.Scope.AliasARN(string(r.AliasName)), c.Scope.Account)
	}
	if failed == nil {
		c.auditSuccess(into)
	}
}

// auditSuccess adds what only a success has.
func (c *Call) auditSuccess(into *AuditContent) {
	switch r := c.Response.(type) {
	case *wire.CreateKeyResponse:
		into.resource(r.KeyMetadata.Arn, c.Scope.Account)
		into.Response = appendRecorded(into.Response, r)
		return
	case *wire.ReplicateKeyResponse:
		into.Response = appendRecorded(into.Response, r)
		return
	case *wire.CreateGrantResponse:
		o := objectIn(into.Response)
		o.text("grantId", r.GrantId)
		o.text("keyId", c.Key.Snapshot.ARN)
		into.Response = o.end()
		return
	case *wire.ScheduleKeyDeletionResponse, *wire.ImportKeyMaterialResponse, *wire.DeleteImportedKeyMaterialResponse,
		*wire.CancelKeyDeletionResponse, *wire.RotateKeyOnDemandResponse, *wire.CreateCustomKeyStoreResponse:
		into.Response = appendRecorded(into.Response, r)
		return
	}
	if k := c.Key.Snapshot; k != nil && changesKey(c.Operation) {
		o := objectIn(into.Response)
		o.text("keyId", k.ARN)
		into.Response = o.end()
	}
	into.Additional = c.appendAdditional(into.Additional)
}

// changesKey tells of the operations whose records show the changed key though the API answers nothing (AWS KMS Developer
// Guide: log entries since December 2022).
func changesKey(op wire.Operation) bool {
	switch op {
	case wire.OperationCreateAlias, wire.OperationUpdateAlias, wire.OperationDeleteAlias, wire.OperationEnableKey, wire.OperationDisableKey,
		wire.OperationEnableKeyRotation, wire.OperationDisableKeyRotation, wire.OperationRetireGrant, wire.OperationRevokeGrant,
		wire.OperationTagResource, wire.OperationUntagResource, wire.OperationUpdatePrimaryRegion:
		return true
	}
	return false
}

// appendAdditional appends the additionalEventData: the material used, the store that it is in, the enclave that asked.
func (c *Call) appendAdditional(dst []byte) []byte {
	o := objectIn(dst)
	key := c.Key.Snapshot
	if c.row.class == cryptographic || c.row.class == pairing {
		switch {
		case c.Operation == wire.OperationReEncrypt:
			o.material("sourceKeyMaterialId", key, c.source)
			o.material("destinationKeyMaterialId", c.Target.Snapshot, nil)
		default:
			o.material("keyMaterialId", key, c.source)
		}
		if key != nil {
			o.text("customKeyStoreId", key.Store)
		}
	}
	if r, ok := c.Request.(*wire.RetireGrantRequest); ok && r.GrantToken != nil {
		if _, id, ok := openGrantToken(r.GrantToken); ok {
			o.text("grantId", id.String())
		}
	}
	if c.Attestation != nil {
		o.recipient(c.Attestation)
	}
	return o.end0()
}

// material adds the id of the material of a symmetric key: of used, or of the current one.
func (o *object) material(name string, key *keyring.Snapshot, used *hsm.Key) {
	if key == nil || !isSymmetric(key.Spec) {
		return
	}
	if used == nil {
		used = key.Current
	}
	if used != nil {
		o.name(name)
		o.b = append(o.b, '"')
		o.b = append(hex.AppendEncode(o.b, used.Material[:]), '"')
	}
}

// recordedPCRs are those that records show beside PCR0.
var recordedPCRs = [...]int{1, 2, 3, 4, 8}

func (o *object) recipient(d *attestation.Document) {
	o.name("recipient")
	inner := objectIn(o.b)
	inner.text("attestationDocumentModuleId", d.ModuleID)
	if digest := d.PCRs[0]; digest != nil {
		inner.text("attestationDocumentEnclaveImageDigest", hex.EncodeToString(digest))
	}
	for _, i := range recordedPCRs {
		if digest := d.PCRs[i]; digest != nil {
			inner.text("attestationDocumentEnclavePCR"+strconv.Itoa(i), hex.EncodeToString(digest))
		}
	}
	o.b = inner.end()
}

// ReplicaRecord is what the record of a successful ReplicateKey in the replica's Region holds, where it is a CreateKey.
func (c *Call) ReplicaRecord() (parameters, response []byte) {
	r, answer := c.Request.(*wire.ReplicateKeyRequest), c.Response.(*wire.ReplicateKeyResponse)
	m := answer.ReplicaKeyMetadata
	o := objectIn(nil)
	o.empty("description", r.Description)
	enum(&o, "origin", m.Origin)
	o.boolean("bypassPolicyLockoutSafetyCheck", r.BypassPolicyLockoutSafetyCheck)
	enum(&o, "customerMasterKeySpec", m.CustomerMasterKeySpec)
	enum(&o, "keySpec", m.KeySpec)
	enum(&o, "keyUsage", m.KeyUsage)
	o.boolean("multiRegion", true)
	return o.end(), appendRecorded(nil, &wire.CreateKeyResponse{KeyMetadata: m})
}
