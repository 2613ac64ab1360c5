package identity

import (
	"sort"
	"strings"
)

// allowAll is what an access key of the short form may do that says nothing else.
const allowAll = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`

// managedPolicies are AWS managed policies by name, as far as they say something about KMS and STS (AWS Managed Policy
// Reference). Of ReadOnlyAccess and the job functions only the statements about these services are here.
var managedPolicies = map[string]string{
	"AdministratorAccess": allowAll,
	"FullAWSAccess":       allowAll,
	"RCPFullAWSAccess":    `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}`,
	"PowerUserAccess": `{"Version":"2012-10-17","Statement":[` +
		`{"Effect":"Allow","NotAction":["iam:*","organizations:*","account:*"],"Resource":"*"},` +
		`{"Effect":"Allow","Action":["account:GetAccountInformation","account:GetGovCloudAccountInformation","account:GetPrimaryEmail",` +
		`"account:ListRegions","iam:CreateServiceLinkedRole","iam:DeleteServiceLinkedRole","iam:ListRoles",` +
		`"organizations:DescribeEffectivePolicy","organizations:DescribeOrganization"],"Resource":"*"}]}`,
	"AWSKeyManagementServicePowerUser": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":[` +
		`"kms:CreateAlias","kms:CreateKey","kms:DeleteAlias","kms:Describe*","kms:GenerateRandom","kms:Get*","kms:List*",` +
		`"kms:TagResource","kms:UntagResource","iam:ListGroups","iam:ListRoles","iam:ListUsers"],"Resource":"*"}]}`,
	"ReadOnlyAccess": `{"Version":"2012-10-17","Statement":[{"Sid":"ReadOnlyActionsGroup1","Effect":"Allow","Action":[` +
		`"kms:Describe*","kms:Get*","kms:List*"],"Resource":"*"},{"Sid":"ReadOnlyActionsGroup2","Effect":"Allow","Action":[` +
		`"sts:GetAccessKeyInfo","sts:GetCallerIdentity","sts:GetSessionToken"],"Resource":"*"}]}`,
	"ViewOnlyAccess": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":[` +
		`"kms:ListAliases","kms:ListKeys"],"Resource":"*"}]}`,
	"SecurityAudit": `{"Version":"2012-10-17","Statement":[{"Sid":"BaseSecurityAuditStatement","Effect":"Allow","Action":[` +
		`"kms:Describe*","kms:GetKeyPolicy","kms:GetKeyRotationStatus","kms:ListAliases","kms:ListGrants","kms:ListKeyPolicies",` +
		`"kms:ListKeys","kms:ListResourceTags"],"Resource":"*"}]}`,
}

// policyName takes the name out of the ARN of a managed policy; names stand for themselves.
func policyName(name string) string {
	if strings.HasPrefix(name, "arn:") {
		return name[strings.LastIndexByte(name, '/')+1:]
	}
	return name
}

func managedNames() string {
	names := make([]string, 0, len(managedPolicies))
	for name := range managedPolicies {
		names = append(names, name)
	}
	sort.Strings(names)
	return strings.Join(names, ", ")
}
