// Package operation is what each operation of the API does: a row of the operation table and a handler.
//
// The chain calls it three times a request: Resolve finds the keys that the request names, Authorize decides whether the
// caller may do what it asks for, Execute runs it. Each row of the table says what permissions the operation needs
// (needs.go); the Call is what conditions ask for facts (facts*.go). Order within an operation: forms of aliases → keys and
// ciphertexts → forms of grant tokens → authorization → the key exists → grants of tokens → fault rules → its own early
// checks (KeySpec or NumberOfBytes) → usage → state → algorithm and spec → Recipient, message, digest, context →
// cryptography → DryRun. It is not where shapes and constraints are checked (fastpath/wire), where keys are found
// (fastpath/keyring), where policies are decided (fastpath/authz) or where cryptography happens (package hsm).
//
// A Service is safe for concurrent use and owns no goroutine. A Call belongs to one request at a time; the
// plaintexts in it are wiped by Reset.
//
// # Choices where the service is silent
//
//   - What callers may learn: of a key that is not there in their own account, that it is not, if their identity policies
//     allow the action on its ARN; of an alias that is not there, always that, as CloudFormation relies on when it looks
//     whether an alias exists. Of keys elsewhere, nothing: the text is the same whoever does not allow. Without KeyId, a ciphertext whose key is gone,
//     elsewhere or not allowed is the text about ciphertexts; what was never issued is InvalidCiphertextException to all.
//   - A name that is none, and what is no ciphertext, are refused before authorization: there is no resource to decide on.
//   - Actions without a resource are on arn:PARTITION:kms:REGION:ACCOUNT:*, those on a key that is about to be made on
//     …:key/*, so that patterns for all keys of an account match. In texts the first is "*", as recorded, and the second
//     is left out, as recorded for kms:TagResource.
//   - ReplicateKey needs kms:CreateKey, and with tags kms:TagResource, in the replica's Region, which is their
//     aws:RequestedRegion. UpdatePrimaryRegion needs its action on the replica, too, if there is one.
//   - Defaults of members count as condition keys, but for kms:BypassPolicyLockoutSafetyCheck and kms:ExpirationModel: algorithm,
//     message type, spec and usage, 365 days of rotation and 30 of waiting. CreateKey has kms:CallerAccount and
//     kms:ViaService.
//   - AWS services that call for themselves may do whatever a key's policy or a grant lets them, across accounts.
//   - A grant to an account is one to its root user, and to those whom identity policies of that account let do the action.
//   - A grant token that is none, of a key that the request does not use, or of a grant that is gone is
//     InvalidGrantTokenException without text; what is no token ranks before authorization, the others after the key was
//     found. DescribeKey, which does not model it, ignores them.
//   - CreateGrant checks, in this order: principals, operations, constraints, operations and constraints against the key,
//     state, quota. A name stands for the same grant only together with all other parameters and the issuing account;
//     the order of operations and pairs does not count, and operations given twice count once.
//   - A principal of a grant is the ARN of an account, user, role, assumed role or federated user of the Region's
//     partition, and no bare account id; where principals are strict, of one that is known. Else InvalidArnException.
//   - GranteePrincipal and GranteeServicePrincipal, and the retiring pair, exclude each other. A service grantee needs a
//     SourceArn constraint and somebody who may retire the grant.
//   - Names in grant constraints have at most 384 characters, as values do. An empty map is the absence of a
//     constraint: the Terraform provider sends both maps, one of them empty, and is served.
//   - RetireGrant takes key ids beside the documented key ARNs, as the service was seen to. It is allowed to the retiring
//     principal and the grantee of a grant with RetireGrant, and, as identity policies say, to the account that made it and
//     to an account that is one of both. An explicit deny counts, and what a service control or endpoint policy does not
//     allow. Nobody else learns whether the grant exists.
//   - RevokeGrant and RetireGrant of a grant that is not there are NotFoundException; ListGrants by such an id is empty.
//   - ListRetirableGrants of a principal of another account is AccessDeniedException. A service principal's are those on
//     keys of the caller's account.
//   - GetKeyLastUsage answers the bare key id, without delay, and TrackingStartDate is the later of the key's creation and
//     the first start of the installation. A crash loses at most the last minute's uses.
//   - The lockout check decides on PutKeyPolicy by the same caller, in a request like the one that brings the policy.
//     Where decisions do not count (LogOnly, Off), what the account is allowed is allowed to the caller.
//   - Of the principals in a key policy, what has the six parts of an ARN and is none of a principal is
//     InvalidArnException; any other malformed one, or one of another partition, is MalformedPolicyDocumentException.
//   - aws:ResourceTag, kms:ResourceTag and kms:ResourceAliases are refused in key policies: they are for identity
//     policies, and the service was seen to refuse them.
//   - A malformed ARN is InvalidArnException where the operation models it, else NotFoundException; both say
//     "Invalid arn" and the ARN.
//   - An alias as the target of CreateAlias or UpdateAlias is a ValidationException, since neither operation
//     models InvalidArnException.
//   - Decrypt of an asymmetric ciphertext without KeyId is a ValidationException, and so is a dry run that ignores the
//     ciphertext and has neither that nor KeyId. Such a dry run checks the key, its usage, state and algorithm.
//   - Empty names and values in an encryption context are "Invalid EncryptionContext", as are names given twice.
//   - A message type that the key cannot sign at all (EXTERNAL_MU but for ML-DSA) is refused with the text about the
//     key spec; those that another algorithm of the key takes (Ed25519), with the text about the algorithm.
//   - A spec that the module cannot make, in FIPS mode, is one that the Region does not support. Where FIPS 140-3 is
//     enforced, RSAES_OAEP_SHA_1 is no algorithm of RSA keys.
//   - China Regions name the same values of enumerations as the others.
//   - Of ML-KEM keys, MLKEMChoices lists what is not recorded.
//   - Imported material: a wrapping algorithm that does not fit key, wrapping key or Region, RSAES_PKCS1_V1_5 and the
//     members for several materials on other than symmetric keys are UnsupportedOperationException. The import token is
//     looked at before the material; InvalidImportToken and ExpiredImportToken have no text. NEW_KEY_MATERIAL that the
//     key has already is IncorrectKeyMaterialException, and so is EXISTING_KEY_MATERIAL that it has not. When the last
//     missing material is back the key is Enabled, also if it was disabled before; an import that brings nothing back
//     leaves Disabled. Material that waits for a rotation leaves no trace when it is deleted or expires.
//     DeleteImportedKeyMaterial of a KeyMaterialId that the key has not is NotFoundException; where nothing was ever
//     imported it succeeds. Imports answer KeyMaterialId for every key spec.
//   - Imported material is gone from the first request after its ValidTo on, whether the worker has been there or not.
//   - ReplicateKey to a Region that is not of the partition, or is not served, is a ValidationException; to one that has
//     the key, the primary's own among them, AlreadyExistsException. What kind of key it is comes before its state.
//   - UpdatePrimaryRegion to the primary's own Region is a ValidationException, to one without a copy NotFoundException.
//   - A replica of a key with imported material names that material before it is imported: no other is accepted.
//   - Imported material that could be rotated to is PENDING_MULTI_REGION_IMPORT_AND_ROTATION again once a copy is added that
//     has not imported it, or a copy has lost it; copies that are pending deletion count.
//   - The first use of a predefined alias alias/aws/… that its policy would allow makes its key: DescribeKey, or
//     cryptography through its service that is no dry run. To all others the alias is not there.
//   - List limits above the documented maximum but within the model's are cut to the maximum.
//   - ListKeyRotations lists the oldest material first; its marker names a material of the key.
//   - EnableKeyRotation without a period means 365 days, also where rotation is on with another one; a new period
//     that would have ended already makes the rotation due at once. Switched off and on, it counts from then.
//   - A key that was disabled over several periods is rotated once when it is enabled.
//   - RotateKeyOnDemand: pending material, then the limit, then ConflictException with a text of Trent's own. AWS
//     managed keys are refused like keys of another spec; keys of custom key stores for their origin, after the state.
//   - A KeyPairSpec that the Region does not have is an UnsupportedOperationException in the words of a KeySpec that
//     it does not have; a key in a custom key store cannot make pairs because of its origin, in the words of origins.
//   - A DryRun of GenerateDataKeyPair proves the sealing, and makes no pair.
//   - A Recipient is verified after key state and spec, by real time, with both its members required; the answers to
//     documents that are not taken stand in one table in recipient.go. A document without a public key is refused.
//   - Custom key stores: texts are Trent's own but for the proxy API's table; the own rules (name, uses of clusters, URIs
//     and services, then the backend, then the quota) come in this order, the quota in the writing transaction.
//   - CreateCustomKeyStore of an external key store in China Regions is a ValidationException, as are members of the
//     other type, an update of nothing, and CustomKeyStoreId without an Origin of custom key stores.
//   - A key in any custom key store that is not CONNECTED is Unavailable, a failed or moving one included. Its users
//     are told the proxy API's text for external key stores, "is unavailable." for CloudHSM.
//   - An Origin that does not fit the store's type, another key spec and MultiRegion in a custom key store are
//     UnsupportedOperationException; a cluster that is gone or inactive is, to CreateKey, of invalid configuration.
//   - DisconnectCustomKeyStore ends at once where the backend does; two private proxies may have one host name, each
//     VPC endpoint service only one store.
//   - A proxy's error that an operation does not model becomes the nearest that it does; the table is in storefailures.go.
package operation
