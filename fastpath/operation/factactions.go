package operation

import "trent/fastpath/authz"

// actions is a set of actions.
type actions [2]uint64

func (s *actions) has(a authz.Action) bool { return s[a>>6]&(1<<(a&63)) != 0 }

func setOf(lists ...[]authz.Action) (s actions) {
	for _, list := range lists {
		for _, a := range list {
			s[a>>6] |= 1 << (a & 63)
		}
	}
	return s
}

// Groups of actions that share condition keys (AWS KMS Developer Guide, "AWS KMS condition keys").
var (
	storeActions = []authz.Action{
		authz.ActionCreateCustomKeyStore, authz.ActionConnectCustomKeyStore, authz.ActionDisconnectCustomKeyStore,
		authz.ActionDescribeCustomKeyStores, authz.ActionUpdateCustomKeyStore, authz.ActionDeleteCustomKeyStore,
	}
	sealingActions = []authz.Action{
		authz.ActionEncrypt, authz.ActionDecrypt, authz.ActionReEncryptFrom, authz.ActionReEncryptTo,
		authz.ActionGenerateDataKey, authz.ActionGenerateDataKeyWithoutPlaintext,
		authz.ActionGenerateDataKeyPair, authz.ActionGenerateDataKeyPairWithoutPlaintext,
	}
	namingActions = append([]authz.Action{ // those that take aliases
		authz.ActionSign, authz.ActionVerify, authz.ActionGenerateMac, authz.ActionVerifyMac, authz.ActionDeriveSharedSecret,
		authz.ActionEncapsulate, authz.ActionDecapsulate, authz.ActionDescribeKey, authz.ActionGetPublicKey,
	}, sealingActions...)
	reEncryptActions = []authz.Action{authz.ActionReEncryptFrom, authz.ActionReEncryptTo}
	createKeyActions = []authz.Action{authz.ActionCreateKey}
	grantActions     = []authz.Action{authz.ActionCreateGrant}
	grantUseActions  = []authz.Action{authz.ActionCreateGrant, authz.ActionListGrants, authz.ActionRevokeGrant}
	retireActions    = []authz.Action{authz.ActionCreateGrant, authz.ActionRetireGrant}
	attestedActions  = []authz.Action{
		authz.ActionDecrypt, authz.ActionDeriveSharedSecret, authz.ActionGenerateDataKey, authz.ActionGenerateDataKeyPair, authz.ActionGenerateRandom,
	}
	keyActions = onKeys()
)

// onKeys are the actions that are authorized on keys: all but those of resource "*".
func onKeys() (list []authz.Action) {
	other := setOf(storeActions, createKeyActions, []authz.Action{
		authz.ActionNone, authz.ActionListKeys, authz.ActionListAliases, authz.ActionListRetirableGrants, authz.ActionGenerateRandom,
	})
	for a := authz.ActionNone; a <= authz.ActionVerifyMac; a++ {
		if !other.has(a) {
			list = append(list, a)
		}
	}
	return list
}

// factActions are the actions that a condition key exists for, of the keys that do not exist for all.
var factActions = func() (table [authz.NumKeys]*actions) {
	for key, list := range map[authz.Key][][]authz.Action{
		authz.KeyResourceTag: {keyActions},
		authz.KeyRequestTag:  {createKeyActions, {authz.ActionTagResource}},
		authz.KeyTagKeys:     {createKeyActions, {authz.ActionTagResource, authz.ActionUntagResource}},

		authz.KeyKMSBypassPolicyLockoutSafetyCheck:         {createKeyActions, {authz.ActionPutKeyPolicy}},
		authz.KeyKMSCallerAccount:                          {keyActions, storeActions, createKeyActions},
		authz.KeyKMSCustomerMasterKeySpec:                  {keyActions, createKeyActions},
		authz.KeyKMSCustomerMasterKeyUsage:                 {keyActions, createKeyActions},
		authz.KeyKMSDataKeyPairSpec:                        {{authz.ActionGenerateDataKeyPair, authz.ActionGenerateDataKeyPairWithoutPlaintext}},
		authz.KeyKMSEncryptionAlgorithm:                    {sealingActions},
		authz.KeyKMSEncryptionContext:                      {sealingActions, retireActions},
		authz.KeyKMSEncryptionContextKeys:                  {sealingActions, retireActions},
		authz.KeyKMSExpirationModel:                        {{authz.ActionImportKeyMaterial}},
		authz.KeyKMSGrantConstraintSourceArn:               {grantActions},
		authz.KeyKMSGrantConstraintType:                    {retireActions},
		authz.KeyKMSGrantIsForAWSResource:                  {grantUseActions},
		authz.KeyKMSGrantOperations:                        {grantActions},
		authz.KeyKMSGranteePrincipal:                       {grantActions},
		authz.KeyKMSGranteeServicePrincipal:                {grantActions},
		authz.KeyKMSKeyAgreementAlgorithm:                  {{authz.ActionDeriveSharedSecret}},
		authz.KeyKMSKeyOrigin:                              {keyActions, createKeyActions},
		authz.KeyKMSKeySpec:                                {keyActions, createKeyActions},
		authz.KeyKMSKeyUsage:                               {keyActions, createKeyActions},
		authz.KeyKMSMacAlgorithm:                           {{authz.ActionGenerateMac, authz.ActionVerifyMac}},
		authz.KeyKMSMessageType:                            {{authz.ActionSign, authz.ActionVerify}},
		authz.KeyKMSMultiRegion:                            {keyActions, createKeyActions},
		authz.KeyKMSMultiRegionKeyType:                     {keyActions, createKeyActions},
		authz.KeyKMSPrimaryRegion:                          {{authz.ActionUpdatePrimaryRegion}},
		authz.KeyKMSReEncryptOnSameKey:                     {reEncryptActions},
		authz.KeyKMSRecipientAttestation:                   {attestedActions},
		authz.KeyKMSReplicaRegion:                          {{authz.ActionReplicateKey}},
		authz.KeyKMSRequestAlias:                           {namingActions},
		authz.KeyKMSResourceAliases:                        {keyActions},
		authz.KeyKMSRetiringPrincipal:                      {grantActions},
		authz.KeyKMSRetiringServicePrincipal:               {grantActions},
		authz.KeyKMSRotationPeriodInDays:                   {{authz.ActionEnableKeyRotation}},
		authz.KeyKMSScheduleKeyDeletionPendingWindowInDays: {{authz.ActionScheduleKeyDeletion}},
		authz.KeyKMSSigningAlgorithm:                       {{authz.ActionSign, authz.ActionVerify}},
		authz.KeyKMSTrailingDaysWithoutKeyUsage:            {{authz.ActionDisableKey, authz.ActionScheduleKeyDeletion}},
		authz.KeyKMSValidTo:                                {{authz.ActionImportKeyMaterial}},
		authz.KeyKMSViaService:                             {keyActions, createKeyActions},
		authz.KeyKMSWrappingAlgorithm:                      {{authz.ActionGetParametersForImport}},
		authz.KeyKMSWrappingKeySpec:                        {{authz.ActionGetParametersForImport}},
	} {
		s := setOf(list...)
		table[key] = &s
	}
	return table
}()
