package conformance_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
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
