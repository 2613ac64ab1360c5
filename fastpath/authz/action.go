package authz

import "strings"

// Action is an action of IAM that Trent decides on. Values are not stable: logs and records hold names.
type Action uint8

// Actions: those of the service (Service Authorization Reference, "Actions, resources, and condition keys for AWS Key
// Management Service"), and those of STS that its own operations need. ReEncrypt is no action: it needs two others.
const (
	ActionNone Action = iota
	ActionCancelKeyDeletion
	ActionConnectCustomKeyStore
	ActionCreateAlias
	ActionCreateCustomKeyStore
	ActionCreateGrant
	ActionCreateKey
	ActionDecapsulate
	ActionDecrypt
	ActionDeleteAlias
	ActionDeleteCustomKeyStore
	ActionDeleteImportedKeyMaterial
	ActionDeriveSharedSecret
	ActionDescribeCustomKeyStores
	ActionDescribeKey
	ActionDisableKey
	ActionDisableKeyRotation
	ActionDisconnectCustomKeyStore
	ActionEnableKey
	ActionEnableKeyRotation
	ActionEncapsulate
	ActionEncrypt
	ActionGenerateDataKey
	ActionGenerateDataKeyPair
	ActionGenerateDataKeyPairWithoutPlaintext
	ActionGenerateDataKeyWithoutPlaintext
	ActionGenerateMac
	ActionGenerateRandom
	ActionGetKeyLastUsage
	ActionGetKeyPolicy
	ActionGetKeyRotationStatus
	ActionGetParametersForImport
	ActionGetPublicKey
	ActionImportKeyMaterial
	ActionListAliases
	ActionListGrants
	ActionListKeyPolicies
	ActionListKeyRotations
	ActionListKeys
	ActionListResourceTags
	ActionListRetirableGrants
	ActionPutKeyPolicy
	ActionReEncryptFrom
	ActionReEncryptTo
	ActionReplicateKey
	ActionRetireGrant
	ActionRevokeGrant
	ActionRotateKeyOnDemand
	ActionScheduleKeyDeletion
	ActionSign
	ActionSynchronizeMultiRegionKey
	ActionTagResource
	ActionUntagResource
	ActionUpdateAlias
	ActionUpdateCustomKeyStore
	ActionUpdateKeyDescription
	ActionUpdatePrimaryRegion
	ActionVerify
	ActionVerifyMac
	ActionSTSAssumeRole
	ActionSTSAssumeRoleWithWebIdentity
	ActionSTSGetCallerIdentity
	ActionSTSGetFederationToken
	ActionSTSGetSessionToken
	ActionSTSSetSourceIdentity
	ActionSTSTagSession
	NumActions
)

var actionNames = [NumActions]string{
	ActionCancelKeyDeletion:                   "kms:CancelKeyDeletion",
	ActionConnectCustomKeyStore:               "kms:ConnectCustomKeyStore",
	ActionCreateAlias:                         "kms:CreateAlias",
	ActionCreateCustomKeyStore:                "kms:CreateCustomKeyStore",
	ActionCreateGrant:                         "kms:CreateGrant",
	ActionCreateKey:                           "kms:CreateKey",
	ActionDecapsulate:                         "kms:Decapsulate",
	ActionDecrypt:                             "kms:Decrypt",
	ActionDeleteAlias:                         "kms:DeleteAlias",
	ActionDeleteCustomKeyStore:                "kms:DeleteCustomKeyStore",
	ActionDeleteImportedKeyMaterial:           "kms:DeleteImportedKeyMaterial",
	ActionDeriveSharedSecret:                  "kms:DeriveSharedSecret",
	ActionDescribeCustomKeyStores:             "kms:DescribeCustomKeyStores",
	ActionDescribeKey:                         "kms:DescribeKey",
	ActionDisableKey:                          "kms:DisableKey",
	ActionDisableKeyRotation:                  "kms:DisableKeyRotation",
	ActionDisconnectCustomKeyStore:            "kms:DisconnectCustomKeyStore",
	ActionEnableKey:                           "kms:EnableKey",
	ActionEnableKeyRotation:                   "kms:EnableKeyRotation",
	ActionEncapsulate:                         "kms:Encapsulate",
	ActionEncrypt:                             "kms:Encrypt",
	ActionGenerateDataKey:                     "kms:GenerateDataKey",
	ActionGenerateDataKeyPair:                 "kms:GenerateDataKeyPair",
	ActionGenerateDataKeyPairWithoutPlaintext: "kms:GenerateDataKeyPairWithoutPlaintext",
	ActionGenerateDataKeyWithoutPlaintext:     "kms:GenerateDataKeyWithoutPlaintext",
	ActionGenerateMac:                         "kms:GenerateMac",
	ActionGenerateRandom:                      "kms:GenerateRandom",
	ActionGetKeyLastUsage:                     "kms:GetKeyLastUsage",
	ActionGetKeyPolicy:                        "kms:GetKeyPolicy",
	ActionGetKeyRotationStatus:                "kms:GetKeyRotationStatus",
	ActionGetParametersForImport:              "kms:GetParametersForImport",
	ActionGetPublicKey:                        "kms:GetPublicKey",
	ActionImportKeyMaterial:                   "kms:ImportKeyMaterial",
	ActionListAliases:                         "kms:ListAliases",
	ActionListGrants:                          "kms:ListGrants",
	ActionListKeyPolicies:                     "kms:ListKeyPolicies",
	ActionListKeyRotations:                    "kms:ListKeyRotations",
	ActionListKeys:                            "kms:ListKeys",
	ActionListResourceTags:                    "kms:ListResourceTags",
	ActionListRetirableGrants:                 "kms:ListRetirableGrants",
	ActionPutKeyPolicy:                        "kms:PutKeyPolicy",
	ActionReEncryptFrom:                       "kms:ReEncryptFrom",
	ActionReEncryptTo:                         "kms:ReEncryptTo",
	ActionReplicateKey:                        "kms:ReplicateKey",
	ActionRetireGrant:                         "kms:RetireGrant",
	ActionRevokeGrant:                         "kms:RevokeGrant",
	ActionRotateKeyOnDemand:                   "kms:RotateKeyOnDemand",
	ActionScheduleKeyDeletion:                 "kms:ScheduleKeyDeletion",
	ActionSign:                                "kms:Sign",
	ActionSynchronizeMultiRegionKey:           "kms:SynchronizeMultiRegionKey",
	ActionTagResource:                         "kms:TagResource",
	ActionUntagResource:                       "kms:UntagResource",
	ActionUpdateAlias:                         "kms:UpdateAlias",
	ActionUpdateCustomKeyStore:                "kms:UpdateCustomKeyStore",
	ActionUpdateKeyDescription:                "kms:UpdateKeyDescription",
	ActionUpdatePrimaryRegion:                 "kms:UpdatePrimaryRegion",
	ActionVerify:                              "kms:Verify",
	ActionVerifyMac:                           "kms:VerifyMac",
	ActionSTSAssumeRole:                       "sts:AssumeRole",
	ActionSTSAssumeRoleWithWebIdentity:        "sts:AssumeRoleWithWebIdentity",
	ActionSTSGetCallerIdentity:                "sts:GetCallerIdentity",
	ActionSTSGetFederationToken:               "sts:GetFederationToken",
	ActionSTSGetSessionToken:                  "sts:GetSessionToken",
	ActionSTSSetSourceIdentity:                "sts:SetSourceIdentity",
	ActionSTSTagSession:                       "sts:TagSession",
}

// String is the action's name with its service, such as "kms:Encrypt"; empty for ActionNone.
func (a Action) String() string {
	if a < NumActions {
		return actionNames[a]
	}
	return ""
}

// ActionNamed finds an action by its name with the service, without regard to case; ActionNone: there is none.
func ActionNamed(name string) Action {
	for a, n := range actionNames {
		if n != "" && strings.EqualFold(n, name) {
			return Action(a)
		}
	}
	return ActionNone
}
