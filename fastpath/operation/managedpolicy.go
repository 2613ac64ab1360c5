package operation

import (
	"strings"

	"trent/fastpath/keyring"
)

// policyKind is what the policy of an AWS managed key allows through its service.
type policyKind uint8

const (
	policyGrants      policyKind = iota // cryptography and grants
	policyTo                            // the same, in EFS's words
	policyListGrants                    // and ListGrants
	policyNoGrants                      // no grants
	policyDecryptOnly                   // data keys and grants, no Encrypt
	policySecrets                       // data keys through the service in any Region
	policyDynamoDB                      // and the service itself may look at the key
)

const (
	allActions      = `"kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:CreateGrant", "kms:DescribeKey"`
	metadataActions = `"kms:Describe*", "kms:Get*", "kms:List*", "kms:RevokeGrant"`
)

// policy is the key's policy document: use through the service, by callers of the account whom the service lets, and
// the account may look at the key.
func (k *managedKey) policy(id keyring.ID) string {
	policyID := k.policyID
	if policyID == "" {
		policyID = "auto-" + k.alias + "-1"
	}
	via := k.via
	if via == "" {
		via = k.alias
	}
	suffix := ".amazonaws.com"
	if id.Partition == chinaPartition {
		suffix += ".cn"
	}
	caller := `
        "kms:CallerAccount" : "` + id.Account + `"`
	here := `"StringEquals" : {` + caller + `,
        "kms:ViaService" : "` + via + "." + id.Region + suffix + `"
      }`
	through := "Allow access through "
	actions, looks := allActions, metadataActions
	switch k.statement {
	case policyTo:
		through = "Allow access to "
	case policyListGrants:
		actions = strings.Replace(allActions, `"kms:DescribeKey"`, `"kms:ListGrants", "kms:DescribeKey"`, 1)
	case policyNoGrants:
		actions = strings.Replace(allActions, `"kms:CreateGrant", `, "", 1)
		looks = strings.TrimSuffix(metadataActions, `, "kms:RevokeGrant"`)
	case policyDecryptOnly:
		actions = `"kms:Decrypt", "kms:GenerateDataKey*", "kms:CreateGrant", "kms:ListGrants", "kms:DescribeKey"`
	case policySecrets:
		actions = strings.Replace(allActions, `"kms:GenerateDataKey*", `, "", 1)
	}
	sid := through + k.name + " for all principals in the account that are authorized to use " + k.name
	statements := []string{statement(sid, `"AWS" : "*"`, "[ "+actions+" ]", here)}
	if k.statement == policySecrets {
		anywhere := `"StringEquals" : {` + caller + `
      },
      "StringLike" : {
        "kms:ViaService" : "` + via + ".*" + suffix + `"
      }`
		statements = append(statements, statement(sid, `"AWS" : "*"`, `"kms:GenerateDataKey*"`, anywhere))
	}
	root := `"AWS" : "arn:` + id.Partition + `:iam::` + id.Account + `:root"`
	statements = append(statements, statement("Allow direct access to key metadata to the account", root, "[ "+looks+" ]", ""))
	if k.statement == policyDynamoDB {
		principal := "dynamodb.amazonaws.com"
		statements = append(statements, statement("Allow DynamoDB Service with service principal name "+principal+" to describe the key directly",
			`"Service" : "`+principal+`"`, `[ "kms:Describe*", "kms:Get*", "kms:List*" ]`, ""))
	}
	return "{\n  \"Version\" : \"2012-10-17\",\n  \"Id\" : \"" + policyID + "\",\n  \"Statement\" : [ " + strings.Join(statements, ", ") + " ]\n}"
}

// statement is one that allows, on all resources; condition may be empty.
func statement(sid, principal, actions, condition string) string {
	s := "{\n    \"Sid\" : \"" + sid + "\",\n    \"Effect\" : \"Allow\",\n    \"Principal\" : {\n      " + principal +
		"\n    },\n    \"Action\" : " + actions + ",\n    \"Resource\" : \"*\""
	if condition != "" {
		s += ",\n    \"Condition\" : {\n      " + condition + "\n    }"
	}
	return s + "\n  }"
}
