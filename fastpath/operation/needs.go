package operation

import (
	"trent/fastpath/authz"
	"trent/fastpath/wire"
)

// need is one permission that an operation needs. All needs of a request are decided, in order; the first that is
// denied names its action.
type need struct {
	action authz.Action
	on     resource
	when   func(wire.Request) bool // nil: always
}

// resource is what a permission is needed on, and which policies have a say.
type resource uint8

// Resources. Those of keys are decided by key policy, identity policies and grants; the others by identity policies alone,
// with the resource "*" or the ARN named.
const (
	onKey      resource = iota + 1 // the key of the request or of its ciphertext; the one that an alias names or is to name
	onTarget                       // ReEncrypt's destination
	onOther                        // the key that an alias named until now; the replica that becomes primary
	onAlias                        // the ARN of the alias
	onAny                          // *
	onNewKey                       // the key that is about to be made, whose id nobody knows: matched by patterns that end in key/*
	onReplicas                     // * in the replica's Region
	onReplica                      // the key that is about to be made there
	onGrant                        // by the rules of RetireGrant
)

var resourceNames = [...]string{
	onKey: "key", onTarget: "destination key", onOther: "other key", onAlias: "alias (IAM)", onAny: "* (IAM)",
	onNewKey: "new key (IAM)", onReplicas: "* in the replica's Region (IAM)", onReplica: "new replica (IAM)", onGrant: "grant",
}

// ofKey tells whether a key policy has a say.
func (r resource) ofKey() bool { return r == onKey || r == onTarget || r == onOther }

// needRows says of each operation what permissions it needs (AWS KMS Developer Guide, "AWS KMS permissions"; Service
// Authorization Reference).
func needRows(t *[wire.NumOperations]row) {
	one := func(a authz.Action, on resource) []need { return []need{{action: a, on: on}} }
	for op, n := range map[wire.Operation][]need{
		wire.OperationCreateKey:                {{action: authz.ActionCreateKey, on: onAny}, {authz.ActionTagResource, onNewKey, tagsNewKey}},
		wire.OperationListKeys:                 one(authz.ActionListKeys, onAny),
		wire.OperationListAliases:              one(authz.ActionListAliases, onAny),
		wire.OperationListRetirableGrants:      one(authz.ActionListRetirableGrants, onAny),
		wire.OperationGenerateRandom:           one(authz.ActionGenerateRandom, onAny),
		wire.OperationCreateCustomKeyStore:     one(authz.ActionCreateCustomKeyStore, onAny),
		wire.OperationConnectCustomKeyStore:    one(authz.ActionConnectCustomKeyStore, onAny),
		wire.OperationDisconnectCustomKeyStore: one(authz.ActionDisconnectCustomKeyStore, onAny),
		wire.OperationDescribeCustomKeyStores:  one(authz.ActionDescribeCustomKeyStores, onAny),
		wire.OperationUpdateCustomKeyStore:     one(authz.ActionUpdateCustomKeyStore, onAny),
		wire.OperationDeleteCustomKeyStore:     one(authz.ActionDeleteCustomKeyStore, onAny),

		wire.OperationCreateAlias: {{action: authz.ActionCreateAlias, on: onAlias}, {action: authz.ActionCreateAlias, on: onKey}},
		wire.OperationDeleteAlias: {{action: authz.ActionDeleteAlias, on: onAlias}, {action: authz.ActionDeleteAlias, on: onKey}},
		wire.OperationUpdateAlias: {{action: authz.ActionUpdateAlias, on: onAlias}, {action: authz.ActionUpdateAlias, on: onOther},
			{action: authz.ActionUpdateAlias, on: onKey}},

		wire.OperationRetireGrant: one(authz.ActionRetireGrant, onGrant),

		wire.OperationReEncrypt: {{action: authz.ActionReEncryptFrom, on: onKey}, {action: authz.ActionReEncryptTo, on: onTarget}},
		wire.OperationReplicateKey: {{action: authz.ActionReplicateKey, on: onKey}, {action: authz.ActionCreateKey, on: onReplicas},
			{authz.ActionTagResource, onReplica, tagsReplica}},
		wire.OperationUpdatePrimaryRegion: {{action: authz.ActionUpdatePrimaryRegion, on: onKey}, {action: authz.ActionUpdatePrimaryRegion, on: onOther}},
	} {
		t[op].needs = n
	}
	// All others need the action of their own name on their key.
	for op := wire.OperationNone + 1; op < wire.NumOperations; op++ {
		if t[op].needs == nil {
			t[op].needs = one(authz.ActionNamed("kms:"+op.String()), onKey)
		}
	}
}

func tagsNewKey(r wire.Request) bool { return len(r.(*wire.CreateKeyRequest).Tags) > 0 }

func tagsReplica(r wire.Request) bool { return len(r.(*wire.ReplicateKeyRequest).Tags) > 0 }
