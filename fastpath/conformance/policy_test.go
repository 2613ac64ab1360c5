package conformance_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

// accountPolicy gives everything to the account, in a text of its own.
func accountPolicy() string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + at.Account + `:root"},"Action":"kms:*","Resource":"*"}]}`
}

// defaultPolicy is the text that the service gives to keys made without a policy.
func defaultPolicy() string {
	return `{
  "Version" : "2012-10-17",
  "Id" : "key-default-1",
  "Statement" : [ {
    "Sid" : "Enable IAM User Permissions",
    "Effect" : "Allow",
    "Principal" : {
      "AWS" : "arn:aws:iam::` + at.Account + `:root"
    },
    "Action" : "kms:*",
    "Resource" : "*"
  } ]
}`
}

func TestKeyPolicy(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), at.KMS()
	k := newSymmetric(t)
	got, err := client.GetKeyPolicy(ctx, &kms.GetKeyPolicyInput{KeyId: &k.id})
	if err != nil {
		t.Fatal(err)
	}
	if *got.Policy != defaultPolicy() || *got.PolicyName != "default" {
		t.Errorf("policy %q: %s", *got.PolicyName, *got.Policy)
	}
	largest := accountPolicy() + strings.Repeat(" ", 32<<10-len(accountPolicy()))
	for _, policy := range []string{accountPolicy(), defaultPolicy(), largest} {
		for _, name := range []*string{nil, aws.String("default")} {
			if _, err := client.PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{KeyId: &k.arn, PolicyName: name, Policy: &policy}); err != nil {
				t.Fatal(err)
			}
			got, err := client.GetKeyPolicy(ctx, &kms.GetKeyPolicyInput{KeyId: &k.arn, PolicyName: name})
			if err != nil || *got.Policy != policy {
				t.Errorf("%v, %v", got, err)
			}
		}
	}
	names, err := client.ListKeyPolicies(ctx, &kms.ListKeyPoliciesInput{KeyId: &k.id, Limit: aws.Int32(1000)})
	if err != nil || len(names.PolicyNames) != 1 || names.PolicyNames[0] != "default" || names.Truncated || names.NextMarker != nil {
		t.Errorf("%+v, %v", names, err)
	}
}

func TestKeyPolicyRefusals(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), at.KMS()
	k := newSymmetric(t)
	_, err := client.GetKeyPolicy(ctx, &kms.GetKeyPolicyInput{KeyId: &k.id, PolicyName: aws.String("other")})
	wantError(t, err, "NotFoundException", "No such policy exists")
	_, err = client.PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{KeyId: &k.id, PolicyName: aws.String("other"), Policy: aws.String(accountPolicy())})
	wantError(t, err, "NotFoundException", "No such policy exists")
	_, err = client.ListKeyPolicies(ctx, &kms.ListKeyPoliciesInput{KeyId: &k.id, Marker: aws.String("x")})
	if err == nil {
		t.Error("a marker that was never issued is accepted")
	}
	over := accountPolicy() + strings.Repeat(" ", 32<<10-len(accountPolicy())+1)
	_, err = client.PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{KeyId: &k.id, Policy: &over})
	wantError(t, err, "LimitExceededException", "The key policy has 32769 bytes, more than the quota of 32768.")
	for _, policy := range []string{
		"{", "[]", `{"Version":"2012-10-17"}`, `{"Version":"2011-01-01","Statement":[]}`,
		strings.Replace(accountPolicy(), "Allow", "allow", 1), strings.Replace(accountPolicy(), `"Effect"`, `"Efect"`, 1),
		accountPolicy() + "x",
	} {
		a := call(t, "PutKeyPolicy", object{"KeyId": k.id, "Policy": policy})
		if code, _ := refusalOf(t, a); code != "MalformedPolicyDocumentException" {
			t.Errorf("policy %s: %s", policy, a.Body)
		}
		a = call(t, "CreateKey", object{"Policy": policy})
		if code, _ := refusalOf(t, a); code != "MalformedPolicyDocumentException" {
			t.Errorf("CreateKey with policy %s: %s", policy, a.Body)
		}
	}
	got, err := client.GetKeyPolicy(ctx, &kms.GetKeyPolicyInput{KeyId: &k.id})
	if err != nil || *got.Policy != defaultPolicy() {
		t.Errorf("a refused policy was kept: %v, %v", got, err)
	}
}

// statements is a policy of these statements.
func statements(s ...string) string {
	return `{"Version":"2012-10-17","Statement":[` + strings.Join(s, ",") + `]}`
}

// letRoot lets the account do everything, under a condition if there is one.
func letRoot(condition string) string {
	return `{"Effect":"Allow","Principal":{"AWS":"` + rootOf(at.Account) + `"},"Action":"kms:*","Resource":"*"` + condition + `}`
}

const lockedOut = "The new key policy will not allow you to update the key policy in the future."

// TestPolicyLockout: a policy must leave its author a way to change it, unless the check is bypassed.
func TestPolicyLockout(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), at.KMS()
	root := `{"AWS":"` + rootOf(at.Account) + `"}`
	allow := func(principal, action, resource string) string {
		return `{"Effect":"Allow","Principal":` + principal + `,"Action":` + action + `,"Resource":` + resource + `}`
	}
	deny := func(action, rest string) string {
		return `{"Effect":"Deny","Principal":"*","Action":"` + action + `","Resource":"*"` + rest + `}`
	}
	for name, c := range map[string]struct {
		policy string
		kept   bool
	}{
		"account id":         {statements(allow(`{"AWS":"`+at.Account+`"}`, `"kms:*"`, `"*"`)), true},
		"everybody":          {statements(allow(`"*"`, `["kms:Encrypt","kms:PutKeyPolicy"]`, `"*"`)), true},
		"pattern":            {statements(allow(root, `"kms:Put*"`, `"*"`)), true},
		"this key":           {statements(allow(root, `"kms:*"`, `"THIS"`)), true},
		"not an action":      {statements(`{"Effect":"Allow","Principal":` + root + `,"NotAction":"kms:Encrypt","Resource":"*"}`), true},
		"denied otherwise":   {statements(letRoot(""), deny("kms:*", `,"Condition":{"Bool":{"aws:SecureTransport":"false"}}`)), true},
		"this account":       {statements(letRoot(`,"Condition":{"StringEquals":{"kms:CallerAccount":"` + at.Account + `"}}`)), true},
		"other account":      {statements(allow(`{"AWS":"`+otherAccount+`"}`, `"kms:*"`, `"*"`)), false},
		"a service":          {statements(allow(`{"Service":"s3.amazonaws.com"}`, `"kms:*"`, `"*"`)), false},
		"another action":     {statements(allow(root, `["kms:Encrypt","kms:Get*"]`, `"*"`)), false},
		"another key":        {statements(allow(root, `"kms:*"`, `"`+arnOf(absentID)+`"`)), false},
		"no action":          {statements(`{"Effect":"Allow","Principal":` + root + `,"Resource":"*"}`), false},
		"no resource":        {statements(`{"Effect":"Allow","Principal":` + root + `,"Action":"kms:*"}`), false},
		"denied":             {statements(letRoot(""), deny("kms:Put*", "")), false},
		"another's network":  {statements(letRoot(`,"Condition":{"IpAddress":{"aws:SourceIp":"192.0.2.0/24"}}`)), false},
		"through a service":  {statements(letRoot(`,"Condition":{"StringEquals":{"kms:ViaService":"s3.us-east-1.amazonaws.com"}}`)), false},
		"only a role by now": {statements(allow(`{"AWS":"`+role("admin")+`"}`, `"kms:*"`, `"*"`)), false},
	} {
		k := newSymmetric(t) // each its own: what is kept is in force
		c.policy = strings.ReplaceAll(c.policy, "THIS", k.arn)
		_, err := client.PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{KeyId: &k.id, Policy: &c.policy})
		if c.kept && err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !c.kept {
			wantError(t, err, "MalformedPolicyDocumentException", lockedOut)
			if got, err := client.GetKeyPolicy(ctx, &kms.GetKeyPolicyInput{KeyId: &k.id}); err != nil || *got.Policy == c.policy {
				t.Errorf("%s: a refused policy was kept, %v", name, err)
			}
			if !external { // the service would keep the keys for ever
				if _, err := client.PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{KeyId: &k.id, Policy: &c.policy, BypassPolicyLockoutSafetyCheck: true}); err != nil {
					t.Errorf("%s, bypassed: %v", name, err)
				}
			}
		}
		if name == "this key" || name == "another key" {
			continue // no key can be made under a policy that names it
		}
		if external {
			continue // the keys would stay there
		}
		made := call(t, "CreateKey", object{"Policy": c.policy})
		if c.kept != (made.Status == 200) || !c.kept && !containsAll(made.Body, "MalformedPolicyDocumentException", lockedOut) {
			t.Errorf("CreateKey, %s: %s", name, made.Body)
		}
		if !c.kept {
			if made := call(t, "CreateKey", object{"Policy": c.policy, "BypassPolicyLockoutSafetyCheck": true}); made.Status != 200 {
				t.Errorf("CreateKey, %s, bypassed: %s", name, made.Body)
			}
		}
	}
}

// TestPolicyContent: who and what a key policy may not name, whether the lockout check is bypassed or not.
func TestPolicyContent(t *testing.T) {
	t.Parallel()
	k := newSymmetric(t)
	other := func(principal string) string {
		return statements(letRoot(""), `{"Effect":"Allow","Principal":{"AWS":["`+rootOf(otherAccount)+`","`+principal+`"]},"Action":"kms:Encrypt","Resource":"*"}`)
	}
	test := func(operator, key string) string {
		return statements(letRoot(""), `{"Effect":"Allow","Principal":"*","Action":"kms:Encrypt","Resource":"*","Condition":{"`+operator+`":{"`+key+`":"x"}}}`)
	}
	const principals = "Policy contains a statement with one or more invalid principals."
	const arn = "An ARN in the specified key policy is invalid."
	const keys = "These condition keys are not permitted in a key policy: "
	const open = "OverlyPermissiveCondition: Using ForAllValues with the single-valued condition key "
	for name, c := range map[string]struct{ policy, code, text string }{
		"a name":        {other("alice"), "MalformedPolicyDocumentException", principals},
		"half an ARN":   {other("arn:aws:iam::" + otherAccount), "MalformedPolicyDocumentException", principals},
		"a partition":   {other("arn:aws-cn:iam::" + otherAccount + ":root"), "MalformedPolicyDocumentException", principals},
		"a group":       {other("arn:aws:iam::" + otherAccount + ":group/g"), "InvalidArnException", arn},
		"a pattern":     {other("arn:aws:iam::" + otherAccount + ":role/*"), "InvalidArnException", arn},
		"a bucket":      {other("arn:aws:s3:::bucket"), "InvalidArnException", arn},
		"tags":          {test("StringEquals", "aws:ResourceTag/a"), "MalformedPolicyDocumentException", keys + "aws:ResourceTag"},
		"aliases":       {test("ForAnyValue:StringLike", "KMS:resourcealiases"), "MalformedPolicyDocumentException", keys + "kms:ResourceAliases"},
		"old tags":      {test("StringEquals", "kms:ResourceTag/a"), "MalformedPolicyDocumentException", keys + "kms:ResourceTag"},
		"all contexts":  {test("ForAllValues:StringEquals", "kms:EncryptionContext:a"), "MalformedPolicyDocumentException", open + "kms:EncryptionContext:a is overly permissive."},
		"all tags":      {test("forallvalues:StringLike", "aws:RequestTag/a"), "MalformedPolicyDocumentException", open + "aws:RequestTag/a is overly permissive."},
		"a role":        {other(role("r")), "", ""},
		"a deleted one": {other("AROAIOSFODNN7EXAMPLE"), "", ""},
		"one context":   {test("StringEquals", "kms:EncryptionContext:a"), "", ""},
		"context keys":  {test("ForAllValues:StringEquals", "kms:EncryptionContextKeys"), "", ""},
		"request alias": {test("StringEquals", "kms:RequestAlias"), "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			if c.code == "" && external {
				t.Skip("the principals do not exist there, and the keys would stay")
			}
			for _, bypass := range []bool{false, true} {
				for operation, body := range map[string]object{"PutKeyPolicy": {"KeyId": k.id}, "CreateKey": {}} {
					body["Policy"], body["BypassPolicyLockoutSafetyCheck"] = c.policy, bypass
					a := call(t, operation, body)
					if c.code != "" {
						wantRefusal(t, a, c.code, c.text)
					} else if a.Status != 200 {
						t.Errorf("%s: %s", operation, a.Body)
					}
				}
			}
		})
	}
}

// TestPolicyStates: a key's policy can be read and replaced in every state.
func TestPolicyStates(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), at.KMS()
	for _, state := range []types.KeyState{types.KeyStateDisabled, types.KeyStatePendingDeletion, types.KeyStatePendingImport} {
		k := inState(t, state, &kms.CreateKeyInput{})
		if _, err := client.PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{KeyId: &k.id, Policy: aws.String(accountPolicy())}); err != nil {
			t.Errorf("%s: %v", state, err)
		}
		if got, err := client.GetKeyPolicy(ctx, &kms.GetKeyPolicyInput{KeyId: &k.id}); err != nil || *got.Policy != accountPolicy() {
			t.Errorf("%s: %v", state, err)
		}
	}
}
