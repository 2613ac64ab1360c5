package sts_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"trent/fastpath"
	"trent/fastpath/authz"
	"trent/fastpath/operation"
	"trent/fastpath/servertest"
)

// Where denials are only logged, roles are assumed against their trust policies too; where authorization is off, those of
// the caller's own account are.
func TestModesOfAuthorization(t *testing.T) {
	t.Parallel()
	for mode, want := range map[operation.Authorization][2]bool{
		operation.Enforce: {false, false}, operation.LogOnly: {true, true}, operation.Off: {true, false},
	} {
		s := startSTS(t, servertest.Options{Authorization: mode})
		for i, who := range []*sts.Client{alice(s), stsAs(s, "AKIABOB", "bob-secret")} {
			_, err := who.AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::111122223333:role/next"), RoleSessionName: aws.String("work")})
			if (err == nil) != want[i] {
				t.Errorf("%s, caller %d: %v", mode, i, err)
			}
		}
		_, err := alice(s).AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::111122223333:role/none"), RoleSessionName: aws.String("work")})
		wantCode(t, err, "AccessDenied", "role/none")
	}
}

// The root user may make federated users, whose rights are what their session policy gives.
func TestRootFederates(t *testing.T) {
	t.Parallel()
	s := startSTS(t, servertest.Options{})
	const listOnly = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:ListKeys","Resource":"*"}]}`
	out, err := stsAs(s, "AKIAROOT4", "root-secret").GetFederationToken(t.Context(), &sts.GetFederationTokenInput{Name: aws.String("guest"), Policy: aws.String(listOnly)})
	if err != nil {
		t.Fatal(err)
	}
	if err := describe(t, session(s, out.Credentials)); err != nil {
		t.Error(err)
	}
	_, err = kms.NewFromConfig(session(s, out.Credentials)).ListAliases(t.Context(), &kms.ListAliasesInput{})
	wantCode(t, err, "AccessDeniedException", "no session policy allows")
	_, err = sts.NewFromConfig(session(s, out.Credentials)).AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::111122223333:role/partner"), RoleSessionName: aws.String("work")})
	wantCode(t, err, "AccessDenied", "User: arn:aws:sts::444455556666:federated-user/guest is not authorized to perform: sts:AssumeRole")
}

// STS through a VPC endpoint of KMS's goes by the endpoint's Region, and not by its policy.
func TestThroughAVPCEndpoint(t *testing.T) {
	t.Parallel()
	policy := []byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"kms:ListKeys","Resource":"*"}]}`)
	parsed, err := authz.Parse(authz.KindEndpoint, policy)
	if err != nil {
		t.Fatal(err)
	}
	s := startSTS(t, servertest.Options{Endpoints: []fastpath.Endpoint{{
		Endpoint: authz.Endpoint{
			ID: "vpce-0123456789abcdef0", VPC: "vpc-0123456789abcdef0", Account: "111122223333",
			Policy: authz.Compile(authz.KindEndpoint, policy, parsed),
		},
		Region: "us-east-1",
	}}})
	through := &servertest.Server{Endpoint: servertest.Endpoint{
		URL: s.Through(0).URL, Region: "us-east-1", RootCAs: s.RootCAs, AccessKeyID: "AKIAALICE", Secret: "alice-secret",
	}}
	made := assume(t, alice(through), "team/app", nil).Credentials
	if err := describe(t, session(through, made)); err != nil {
		t.Error(err)
	}
	_, err = kms.NewFromConfig(session(through, made)).ListAliases(t.Context(), &kms.ListAliasesInput{})
	wantCode(t, err, "AccessDeniedException", "VPC endpoint policy")
	other := form(whoAmI)
	other.Region = "eu-west-1"
	if a := through.Do(t, other); a.Status != 403 || !strings.Contains(a.Body, "Credential should be scoped to a valid region.") {
		t.Errorf("%d %s", a.Status, a.Body)
	}
}
