package operation

import (
	"context"

	"trent/fastpath/wire"
	"trent/hsm"
)

// row is what is known of one operation beside its shapes. The chain, `trent ops` and the documentation
// read the table through Row.
type row struct {
	run    func(s *Service, ctx context.Context, c *Call) error // nil: a later version brings it
	key    func(r wire.Request) []byte                          // the name of the key it works on; nil: none
	tokens func(r wire.Request) [][]byte                        // nil: takes no grant tokens
	needs  []need                                               // what the caller must be allowed to do
	// resolve finds the keys in place of what Resolve does by key; nil: nothing special.
	resolve   func(s *Service, ctx context.Context, c *Call) error
	recipient func(r wire.Request) *wire.RecipientInfo // nil: none can be given
	class     stateClass
	usage     hsm.Usage // that the key must have; UsageNone: any

	aliases             bool // the key may be named by an alias
	ciphertext          bool // symmetric ciphertext names the key where no name is given
	write               bool // changes something durable: not safe to repeat blindly
	foreignKeys         bool // may be used with keys of other accounts where policies allow it
	noDependencyTimeout bool // DependencyTimeoutException is not in its model
	invalidARN          bool // InvalidArnException is in its model
	tracked             bool // its success is a use of its keys, which GetKeyLastUsage tells of
}

// newTable makes the table; each Service has one and never changes it.
func newTable() *[wire.NumOperations]row {
	t := &[wire.NumOperations]row{}
	cryptographicRows(t)
	keyRows(t)
	nameRows(t)
	agreementRows(t)
	dataKeyPairRows(t)
	importRows(t)
	rotationRows(t)
	multiRegionRows(t)
	grantRows(t)
	storeRows(t)
	usageRows(t)
	needRows(t)
	recipientRows(t)
	return t
}

func cryptographicRows(t *[wire.NumOperations]row) {
	t[wire.OperationEncrypt] = row{run: encrypt, class: cryptographic, usage: hsm.EncryptDecrypt, aliases: true, foreignKeys: true,
		key:    func(r wire.Request) []byte { return r.(*wire.EncryptRequest).KeyId },
		tokens: func(r wire.Request) [][]byte { return r.(*wire.EncryptRequest).GrantTokens }}
	t[wire.OperationDecrypt] = row{run: decrypt, class: cryptographic, usage: hsm.EncryptDecrypt, aliases: true, foreignKeys: true, ciphertext: true,
		key:    func(r wire.Request) []byte { return r.(*wire.DecryptRequest).KeyId },
		tokens: func(r wire.Request) [][]byte { return r.(*wire.DecryptRequest).GrantTokens }}
	t[wire.OperationReEncrypt] = row{run: reEncrypt, class: cryptographic, usage: hsm.EncryptDecrypt, aliases: true, foreignKeys: true, ciphertext: true,
		key:    func(r wire.Request) []byte { return r.(*wire.ReEncryptRequest).SourceKeyId },
		tokens: func(r wire.Request) [][]byte { return r.(*wire.ReEncryptRequest).GrantTokens }}
	t[wire.OperationGenerateDataKey] = row{run: generateDataKey, class: cryptographic, usage: hsm.EncryptDecrypt, aliases: true, foreignKeys: true,
		key:    func(r wire.Request) []byte { return r.(*wire.GenerateDataKeyRequest).KeyId },
		tokens: func(r wire.Request) [][]byte { return r.(*wire.GenerateDataKeyRequest).GrantTokens }}
	t[wire.OperationGenerateDataKeyWithoutPlaintext] = row{run: generateDataKeyWithoutPlaintext, class: cryptographic, usage: hsm.EncryptDecrypt, aliases: true, foreignKeys: true,
		key:    func(r wire.Request) []byte { return r.(*wire.GenerateDataKeyWithoutPlaintextRequest).KeyId },
		tokens: func(r wire.Request) [][]byte { return r.(*wire.GenerateDataKeyWithoutPlaintextRequest).GrantTokens }}
	t[wire.OperationGenerateRandom] = row{run: generateRandom}
	t[wire.OperationSign] = row{run: sign, class: cryptographic, usage: hsm.SignVerify, aliases: true, foreignKeys: true,
		key:    func(r wire.Request) []byte { return r.(*wire.SignRequest).KeyId },
		tokens: func(r wire.Request) [][]byte { return r.(*wire.SignRequest).GrantTokens }}
	t[wire.OperationVerify] = row{run: verify, class: cryptographic, usage: hsm.SignVerify, aliases: true, foreignKeys: true,
		key:    func(r wire.Request) []byte { return r.(*wire.VerifyRequest).KeyId },
		tokens: func(r wire.Request) [][]byte { return r.(*wire.VerifyRequest).GrantTokens }}
	t[wire.OperationGenerateMac] = row{run: generateMAC, class: cryptographic, usage: hsm.GenerateVerifyMAC, aliases: true, foreignKeys: true, noDependencyTimeout: true,
		key:    func(r wire.Request) []byte { return r.(*wire.GenerateMacRequest).KeyId },
		tokens: func(r wire.Request) [][]byte { return r.(*wire.GenerateMacRequest).GrantTokens }}
	t[wire.OperationVerifyMac] = row{run: verifyMAC, class: cryptographic, usage: hsm.GenerateVerifyMAC, aliases: true, foreignKeys: true, noDependencyTimeout: true,
		key:    func(r wire.Request) []byte { return r.(*wire.VerifyMacRequest).KeyId },
		tokens: func(r wire.Request) [][]byte { return r.(*wire.VerifyMacRequest).GrantTokens }}
	t[wire.OperationGetPublicKey] = row{run: getPublicKey, class: publicKey, aliases: true, foreignKeys: true, invalidARN: true,
		key:    func(r wire.Request) []byte { return r.(*wire.GetPublicKeyRequest).KeyId },
		tokens: func(r wire.Request) [][]byte { return r.(*wire.GetPublicKeyRequest).GrantTokens }}
}

func keyRows(t *[wire.NumOperations]row) {
	t[wire.OperationCreateKey] = row{run: createKey, write: true, invalidARN: true}
	// It takes grant tokens, too, but InvalidGrantTokenException is not in its model: a token that names no
	// grant gives nothing (chosen).
	t[wire.OperationDescribeKey] = row{run: describeKey, aliases: true, foreignKeys: true, invalidARN: true,
		key: func(r wire.Request) []byte { return r.(*wire.DescribeKeyRequest).KeyId }}
	t[wire.OperationListKeys] = row{run: listKeys}
	t[wire.OperationUpdateKeyDescription] = row{run: updateKeyDescription, class: describing, write: true, invalidARN: true,
		key: func(r wire.Request) []byte { return r.(*wire.UpdateKeyDescriptionRequest).KeyId }}
	t[wire.OperationEnableKey] = row{run: enableKey, class: switching, write: true, invalidARN: true,
		key: func(r wire.Request) []byte { return r.(*wire.EnableKeyRequest).KeyId }}
	t[wire.OperationDisableKey] = row{run: disableKey, class: switching, write: true, invalidARN: true,
		key: func(r wire.Request) []byte { return r.(*wire.DisableKeyRequest).KeyId }}
	t[wire.OperationScheduleKeyDeletion] = row{run: scheduleKeyDeletion, class: scheduling, write: true, invalidARN: true,
		key: func(r wire.Request) []byte { return r.(*wire.ScheduleKeyDeletionRequest).KeyId }}
	t[wire.OperationCancelKeyDeletion] = row{run: cancelKeyDeletion, class: cancelling, write: true, invalidARN: true,
		key: func(r wire.Request) []byte { return r.(*wire.CancelKeyDeletionRequest).KeyId }}
}

func nameRows(t *[wire.NumOperations]row) {
	t[wire.OperationCreateAlias] = row{run: createAlias, resolve: resolveNewAlias, class: aliasTarget, write: true}
	t[wire.OperationUpdateAlias] = row{run: updateAlias, resolve: resolveMovedAlias, class: aliasTarget, write: true}
	t[wire.OperationDeleteAlias] = row{run: deleteAlias, resolve: resolveOldAlias, write: true}
	t[wire.OperationListAliases] = row{run: listAliases, invalidARN: true,
		key: func(r wire.Request) []byte { return r.(*wire.ListAliasesRequest).KeyId }}
	t[wire.OperationGetKeyPolicy] = row{run: getKeyPolicy, invalidARN: true,
		key: func(r wire.Request) []byte { return r.(*wire.GetKeyPolicyRequest).KeyId }}
	t[wire.OperationPutKeyPolicy] = row{run: putKeyPolicy, write: true, invalidARN: true,
		key: func(r wire.Request) []byte { return r.(*wire.PutKeyPolicyRequest).KeyId }}
	t[wire.OperationListKeyPolicies] = row{run: listKeyPolicies, invalidARN: true,
		key: func(r wire.Request) []byte { return r.(*wire.ListKeyPoliciesRequest).KeyId }}
	t[wire.OperationTagResource] = row{run: tagResource, class: describing, write: true, noDependencyTimeout: true, invalidARN: true,
		key: func(r wire.Request) []byte { return r.(*wire.TagResourceRequest).KeyId }}
	t[wire.OperationUntagResource] = row{run: untagResource, class: describing, write: true, noDependencyTimeout: true, invalidARN: true,
		key: func(r wire.Request) []byte { return r.(*wire.UntagResourceRequest).KeyId }}
	t[wire.OperationListResourceTags] = row{run: listResourceTags, noDependencyTimeout: true, invalidARN: true,
		key: func(r wire.Request) []byte { return r.(*wire.ListResourceTagsRequest).KeyId }}
}
