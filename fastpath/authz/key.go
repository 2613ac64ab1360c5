package authz

// Key is a condition key that Trent knows the values of. Values are not stable.
type Key uint8

// Condition keys: the global ones (IAM User Guide, "AWS global condition context keys"), the service's (AWS KMS
// Developer Guide, "Condition keys for AWS KMS") and those of STS. KeyNone is a key without values. A named key has
// a name of the user's after it: aws:PrincipalTag/NAME, kms:EncryptionContext:NAME, kms:RecipientAttestation:PCR0.
// KeyOther is any key that is none of these, such as a claim of a web identity; its name is the whole of it.
const (
	KeyNone Key = iota
	KeyPrincipalArn
	KeyPrincipalAccount
	KeyPrincipalOrgID
	KeyPrincipalOrgPaths
	KeyPrincipalTag
	KeyPrincipalIsAWSService
	KeyPrincipalServiceName
	KeyPrincipalServiceNamesList
	KeyPrincipalType
	KeyUserid
	KeyUsername
	KeyAssumedRoot
	KeyFederatedProvider
	KeyTokenIssueTime
	KeyMultiFactorAuthAge
	KeyMultiFactorAuthPresent
	KeyChatbotSourceArn
	KeyEc2InstanceSourceVpc
	KeyEc2InstanceSourcePrivateIPv4
	KeySourceIdentity
	KeySignInSessionArn
	KeySourceIp
	KeySourceVpc
	KeySourceVpcArn
	KeySourceVpce
	KeyVpcSourceIp
	KeyVpceAccount
	KeyVpceOrgID
	KeyVpceOrgPaths
	KeyResourceAccount
	KeyResourceOrgID
	KeyResourceOrgPaths
	KeyResourceTag
	KeyCalledVia
	KeyCalledViaFirst
	KeyCalledViaLast
	KeyCalledViaAWSMCP
	KeyViaAWSService
	KeyViaAWSMCPService
	KeyIsMcpServiceAction
	KeyCurrentTime
	KeyEpochTime
	KeyReferer
	KeyRequestedRegion
	KeyRequestTag
	KeyTagKeys
	KeySecureTransport
	KeySourceAccount
	KeySourceArn
	KeySourceOrgID
	KeySourceOrgPaths
	KeyUserAgent
	KeyKMSBypassPolicyLockoutSafetyCheck
	KeyKMSCallerAccount
	KeyKMSCustomerMasterKeySpec
	KeyKMSCustomerMasterKeyUsage
	KeyKMSDataKeyPairSpec
	KeyKMSEncryptionAlgorithm
	KeyKMSEncryptionContext
	KeyKMSEncryptionContextKeys
	KeyKMSExpirationModel
	KeyKMSGrantConstraintSourceArn
	KeyKMSGrantConstraintType
	KeyKMSGrantIsForAWSResource
	KeyKMSGrantOperations
	KeyKMSGranteePrincipal
	KeyKMSGranteeServicePrincipal
	KeyKMSKeyAgreementAlgorithm
	KeyKMSKeyOrigin
	KeyKMSKeySpec
	KeyKMSKeyUsage
	KeyKMSMacAlgorithm
	KeyKMSMessageType
	KeyKMSMultiRegion
	KeyKMSMultiRegionKeyType
	KeyKMSPrimaryRegion
	KeyKMSReEncryptOnSameKey
	KeyKMSRecipientAttestation
	KeyKMSReplicaRegion
	KeyKMSRequestAlias
	KeyKMSResourceAliases
	KeyKMSRetiringPrincipal
	KeyKMSRetiringServicePrincipal
	KeyKMSRotationPeriodInDays
	KeyKMSScheduleKeyDeletionPendingWindowInDays
	KeyKMSSigningAlgorithm
	KeyKMSTrailingDaysWithoutKeyUsage
	KeyKMSValidTo
	KeyKMSViaService
	KeyKMSWrappingAlgorithm
	KeyKMSWrappingKeySpec
	KeySTSAWSServiceName
	KeySTSDurationSeconds
	KeySTSExternalId
	KeySTSRoleSessionName
	KeySTSSourceIdentity
	KeySTSTransitiveTagKeys
	KeyOther
	NumKeys
)

// KeyType is the type of a key's values, which says with what operators they are compared.
type KeyType uint8

// Types of values.
const (
	StringKey KeyType = iota
	ARNKey
	BoolKey
	NumericKey
	DateKey
	IPKey
)

// KeyRow is what is known of a condition key.
type KeyRow struct {
	Name  string // as documented; names are compared without regard to case
	Type  KeyType
	Multi bool // it may have several values
	Named bool // a name follows, after ':' or '/'
}

var keyRows = [NumKeys]KeyRow{
	KeyPrincipalArn:                              {Name: "aws:PrincipalArn", Type: ARNKey},
	KeyPrincipalAccount:                          {Name: "aws:PrincipalAccount"},
	KeyPrincipalOrgID:                            {Name: "aws:PrincipalOrgID"},
	KeyPrincipalOrgPaths:                         {Name: "aws:PrincipalOrgPaths", Multi: true},
	KeyPrincipalTag:                              {Name: "aws:PrincipalTag", Named: true},
	KeyPrincipalIsAWSService:                     {Name: "aws:PrincipalIsAWSService", Type: BoolKey},
	KeyPrincipalServiceName:                      {Name: "aws:PrincipalServiceName"},
	KeyPrincipalServiceNamesList:                 {Name: "aws:PrincipalServiceNamesList", Multi: true},
	KeyPrincipalType:                             {Name: "aws:PrincipalType"},
	KeyUserid:                                    {Name: "aws:userid"},
	KeyUsername:                                  {Name: "aws:username"},
	KeyAssumedRoot:                               {Name: "aws:AssumedRoot", Type: BoolKey},
	KeyFederatedProvider:                         {Name: "aws:FederatedProvider"},
	KeyTokenIssueTime:                            {Name: "aws:TokenIssueTime", Type: DateKey},
	KeyMultiFactorAuthAge:                        {Name: "aws:MultiFactorAuthAge", Type: NumericKey},
	KeyMultiFactorAuthPresent:                    {Name: "aws:MultiFactorAuthPresent", Type: BoolKey},
	KeyChatbotSourceArn:                          {Name: "aws:ChatbotSourceArn", Type: ARNKey},
	KeyEc2InstanceSourceVpc:                      {Name: "aws:Ec2InstanceSourceVpc"},
	KeyEc2InstanceSourcePrivateIPv4:              {Name: "aws:Ec2InstanceSourcePrivateIPv4", Type: IPKey},
	KeySourceIdentity:                            {Name: "aws:SourceIdentity"},
	KeySignInSessionArn:                          {Name: "aws:SignInSessionArn", Type: ARNKey},
	KeySourceIp:                                  {Name: "aws:SourceIp", Type: IPKey},
	KeySourceVpc:                                 {Name: "aws:SourceVpc"},
	KeySourceVpcArn:                              {Name: "aws:SourceVpcArn", Type: ARNKey},
	KeySourceVpce:                                {Name: "aws:SourceVpce"},
	KeyVpcSourceIp:                               {Name: "aws:VpcSourceIp", Type: IPKey},
	KeyVpceAccount:                               {Name: "aws:VpceAccount"},
	KeyVpceOrgID:                                 {Name: "aws:VpceOrgID"},
	KeyVpceOrgPaths:                              {Name: "aws:VpceOrgPaths", Multi: true},
	KeyResourceAccount:                           {Name: "aws:ResourceAccount"},
	KeyResourceOrgID:                             {Name: "aws:ResourceOrgID"},
	KeyResourceOrgPaths:                          {Name: "aws:ResourceOrgPaths", Multi: true},
	KeyResourceTag:                               {Name: "aws:ResourceTag", Named: true},
	KeyCalledVia:                                 {Name: "aws:CalledVia", Multi: true},
	KeyCalledViaFirst:                            {Name: "aws:CalledViaFirst"},
	KeyCalledViaLast:                             {Name: "aws:CalledViaLast"},
	KeyCalledViaAWSMCP:                           {Name: "aws:CalledViaAWSMCP"},
	KeyViaAWSService:                             {Name: "aws:ViaAWSService", Type: BoolKey},
	KeyViaAWSMCPService:                          {Name: "aws:ViaAWSMCPService", Type: BoolKey},
	KeyIsMcpServiceAction:                        {Name: "aws:IsMcpServiceAction", Type: BoolKey},
	KeyCurrentTime:                               {Name: "aws:CurrentTime", Type: DateKey},
	KeyEpochTime:                                 {Name: "aws:EpochTime", Type: DateKey},
	KeyReferer:                                   {Name: "aws:referer"},
	KeyRequestedRegion:                           {Name: "aws:RequestedRegion"},
	KeyRequestTag:                                {Name: "aws:RequestTag", Named: true},
	KeyTagKeys:                                   {Name: "aws:TagKeys", Multi: true},
	KeySecureTransport:                           {Name: "aws:SecureTransport", Type: BoolKey},
	KeySourceAccount:                             {Name: "aws:SourceAccount"},
	KeySourceArn:                                 {Name: "aws:SourceArn", Type: ARNKey},
	KeySourceOrgID:                               {Name: "aws:SourceOrgID"},
	KeySourceOrgPaths:                            {Name: "aws:SourceOrgPaths", Multi: true},
	KeyUserAgent:                                 {Name: "aws:UserAgent"},
	KeyKMSBypassPolicyLockoutSafetyCheck:         {Name: "kms:BypassPolicyLockoutSafetyCheck", Type: BoolKey},
	KeyKMSCallerAccount:                          {Name: "kms:CallerAccount"},
	KeyKMSCustomerMasterKeySpec:                  {Name: "kms:CustomerMasterKeySpec"},
	KeyKMSCustomerMasterKeyUsage:                 {Name: "kms:CustomerMasterKeyUsage"},
	KeyKMSDataKeyPairSpec:                        {Name: "kms:DataKeyPairSpec"},
	KeyKMSEncryptionAlgorithm:                    {Name: "kms:EncryptionAlgorithm"},
	KeyKMSEncryptionContext:                      {Name: "kms:EncryptionContext", Named: true},
	KeyKMSEncryptionContextKeys:                  {Name: "kms:EncryptionContextKeys", Multi: true},
	KeyKMSExpirationModel:                        {Name: "kms:ExpirationModel"},
	KeyKMSGrantConstraintSourceArn:               {Name: "kms:GrantConstraintSourceArn", Type: ARNKey},
	KeyKMSGrantConstraintType:                    {Name: "kms:GrantConstraintType"},
	KeyKMSGrantIsForAWSResource:                  {Name: "kms:GrantIsForAWSResource", Type: BoolKey},
	KeyKMSGrantOperations:                        {Name: "kms:GrantOperations", Multi: true},
	KeyKMSGranteePrincipal:                       {Name: "kms:GranteePrincipal"},
	KeyKMSGranteeServicePrincipal:                {Name: "kms:GranteeServicePrincipal"},
	KeyKMSKeyAgreementAlgorithm:                  {Name: "kms:KeyAgreementAlgorithm"},
	KeyKMSKeyOrigin:                              {Name: "kms:KeyOrigin"},
	KeyKMSKeySpec:                                {Name: "kms:KeySpec"},
	KeyKMSKeyUsage:                               {Name: "kms:KeyUsage"},
	KeyKMSMacAlgorithm:                           {Name: "kms:MacAlgorithm"},
	KeyKMSMessageType:                            {Name: "kms:MessageType"},
	KeyKMSMultiRegion:                            {Name: "kms:MultiRegion", Type: BoolKey},
	KeyKMSMultiRegionKeyType:                     {Name: "kms:MultiRegionKeyType"},
	KeyKMSPrimaryRegion:                          {Name: "kms:PrimaryRegion"},
	KeyKMSReEncryptOnSameKey:                     {Name: "kms:ReEncryptOnSameKey", Type: BoolKey},
	KeyKMSRecipientAttestation:                   {Name: "kms:RecipientAttestation", Named: true},
	KeyKMSReplicaRegion:                          {Name: "kms:ReplicaRegion"},
	KeyKMSRequestAlias:                           {Name: "kms:RequestAlias"},
	KeyKMSResourceAliases:                        {Name: "kms:ResourceAliases", Multi: true},
	KeyKMSRetiringPrincipal:                      {Name: "kms:RetiringPrincipal"},
	KeyKMSRetiringServicePrincipal:               {Name: "kms:RetiringServicePrincipal"},
	KeyKMSRotationPeriodInDays:                   {Name: "kms:RotationPeriodInDays", Type: NumericKey},
	KeyKMSScheduleKeyDeletionPendingWindowInDays: {Name: "kms:ScheduleKeyDeletionPendingWindowInDays", Type: NumericKey},
	KeyKMSSigningAlgorithm:                       {Name: "kms:SigningAlgorithm"},
	KeyKMSTrailingDaysWithoutKeyUsage:            {Name: "kms:TrailingDaysWithoutKeyUsage", Type: NumericKey},
	KeyKMSValidTo:                                {Name: "kms:ValidTo", Type: NumericKey},
	KeyKMSViaService:                             {Name: "kms:ViaService"},
	KeyKMSWrappingAlgorithm:                      {Name: "kms:WrappingAlgorithm"},
	KeyKMSWrappingKeySpec:                        {Name: "kms:WrappingKeySpec"},
	KeySTSAWSServiceName:                         {Name: "sts:AWSServiceName"},
	KeySTSDurationSeconds:                        {Name: "sts:DurationSeconds", Type: NumericKey},
	KeySTSExternalId:                             {Name: "sts:ExternalId"},
	KeySTSRoleSessionName:                        {Name: "sts:RoleSessionName"},
	KeySTSSourceIdentity:                         {Name: "sts:SourceIdentity"},
	KeySTSTransitiveTagKeys:                      {Name: "sts:TransitiveTagKeys", Multi: true},
}

// Row is what is known of k.
func (k Key) Row() KeyRow {
	if k < NumKeys {
		return keyRows[k]
	}
	return KeyRow{}
}
