package authz_test

import (
	"testing"

	"trent/fastpath/authz"
)

// nobody is Facts that must not be asked for what the request itself says.
type nobody struct{ t *testing.T }

func (n nobody) Values(_ []string, key authz.Key, name string) ([]string, bool) {
	n.t.Errorf("Facts are asked for %s %s", key.Row().Name, name)
	return nil, false
}

// What conditions see of the caller, the endpoint and the resource's account.
func TestOwnFacts(t *testing.T) {
	t.Parallel()
	inOrg := func() *authz.Caller {
		c := session()
		c.OrgID, c.OrgPaths = "o-a1b2", []string{"o-a1b2/r-1/ou-1/"}
		c.Tags = []authz.Tag{{Key: "Team", Value: "red"}}
		c.SourceIdentity, c.FederatedProvider, c.MFA = "alice", "cognito-identity.amazonaws.com", 1700000000
		return c
	}
	s3 := func() *authz.Caller { return service("s3.amazonaws.com") }
	endpoint := &authz.Endpoint{
		ID: "vpce-1", VPC: "vpc-1", VPCARN: "arn:aws:ec2:us-east-1:" + account + ":vpc/vpc-1", Account: account,
		OrgID: "o-a1b2", OrgPaths: []string{"o-a1b2/r-1/"},
	}
	for _, c := range []struct {
		key    string
		caller func() *authz.Caller
		want   string // empty: absent
	}{
		{"aws:PrincipalArn", rootUser, rootOf},
		{"aws:PrincipalArn", user, userARN},
		{"aws:PrincipalArn", session, roleARN},
		{"aws:PrincipalArn", federated, federatedARN},
		{"aws:PrincipalArn", s3, ""},
		{"aws:PrincipalAccount", session, account},
		{"aws:PrincipalAccount", s3, ""},
		{"kms:CallerAccount", user, account},
		{"aws:PrincipalOrgID", inOrg, "o-a1b2"},
		{"aws:PrincipalOrgID", user, ""},
		{"aws:PrincipalOrgPaths", inOrg, "o-a1b2/r-1/ou-1/"},
		{"aws:PrincipalOrgPaths", user, ""},
		{"aws:PrincipalTag/team", inOrg, "red"},
		{"aws:PrincipalTag/Team", inOrg, "red"},
		{"aws:PrincipalTag/other", inOrg, ""},
		{"aws:PrincipalIsAWSService", user, "false"},
		{"aws:PrincipalIsAWSService", s3, "true"},
		{"aws:PrincipalServiceName", s3, "s3.amazonaws.com"},
		{"aws:PrincipalServiceName", user, ""},
		{"aws:PrincipalServiceNamesList", s3, "s3.amazonaws.com"},
		{"aws:PrincipalType", rootUser, "Account"},
		{"aws:PrincipalType", user, "User"},
		{"aws:PrincipalType", session, "AssumedRole"},
		{"aws:PrincipalType", federated, "FederatedUser"},
		{"aws:userid", session, "AROAEXAMPLEEXAMPLE01:one"},
		{"aws:username", user, "alice"},
		{"aws:username", session, ""},
		{"aws:FederatedProvider", inOrg, "cognito-identity.amazonaws.com"},
		{"aws:SourceIdentity", inOrg, "alice"},
		{"aws:SourceIdentity", user, ""},
		{"aws:TokenIssueTime", session, "2023-11-14T22:13:20Z"},
		{"aws:TokenIssueTime", user, ""},
		{"aws:MultiFactorAuthPresent", inOrg, "true"},
		{"aws:MultiFactorAuthPresent", session, "false"},
		{"aws:MultiFactorAuthPresent", user, ""},
		{"aws:MultiFactorAuthAge", session, ""},
		{"aws:SourceVpce", user, "vpce-1"},
		{"aws:SourceVpc", user, "vpc-1"},
		{"aws:SourceVpcArn", user, "arn:aws:ec2:us-east-1:" + account + ":vpc/vpc-1"},
		{"aws:VpceAccount", user, account},
		{"aws:VpceOrgID", user, "o-a1b2"},
		{"aws:VpceOrgPaths", user, "o-a1b2/r-1/"},
		{"aws:SourceIp", user, ""},
		{"aws:ResourceAccount", user, account},
	} {
		has := `"Null":{"` + c.key + `":"true"}`
		if c.want != "" {
			has = `"ForAnyValue:StringEquals":{"` + c.key + `":"` + c.want + `"}`
		}
		r := request(c.caller(), compiled(t, authz.KindKey, byAnyone+`,"Condition":{`+has+`}`))
		r.Facts, r.Endpoint = nobody{t}, endpoint
		if d := authz.Decide(r); !d.Allowed {
			t.Errorf("%s of %s is not %q", c.key, r.Caller.ARN, c.want)
		}
	}
	// Without an endpoint, there is an address and nothing of the endpoint.
	r := request(user(), compiled(t, authz.KindKey, byUser+`,"Condition":{"Null":{"aws:SourceVpce":"true","aws:SourceVpc":"true","aws:VpcSourceIp":"true","aws:VpceOrgPaths":"true"},
		"IpAddress":{"aws:SourceIp":"192.0.2.1"}}`))
	r.Facts = facts{"aws:sourceip": {"192.0.2.1"}, "aws:vpcsourceip": {"192.0.2.1"}}
	if d := authz.Decide(r); !d.Allowed {
		t.Error("without an endpoint")
	}
	// The age of a second factor is by the request's time.
	r = request(inOrg(), compiled(t, authz.KindKey, byRole+`,"Condition":{"NumericLessThan":{"aws:MultiFactorAuthAge":"3600"},"NumericGreaterThanEquals":{"aws:MultiFactorAuthAge":"100"}}`))
	for now, want := range map[string]bool{"2023-11-14T22:15:00Z": true, "2023-11-14T22:14:59Z": false, "2023-11-14T23:13:19Z": true, "2023-11-14T23:13:20Z": false} {
		r.Facts = facts{"aws:currenttime": {now}}
		if got := authz.Decide(r).Allowed; got != want {
			t.Errorf("second factor at %s: %v", now, got)
		}
	}
}

func TestTexts(t *testing.T) {
	t.Parallel()
	const who = "User: " + sessionARN + " is not authorized to perform: kms:Decrypt on "
	for _, c := range []struct {
		d    authz.Decision
		want string
	}{
		{authz.Decision{Reason: authz.DeniedImplicitly, Kind: authz.KindIdentity}, "resource: " + keyARN + " because no identity-based policy allows the kms:Decrypt action"},
		{authz.Decision{Reason: authz.DeniedImplicitly, Kind: authz.KindKey}, "resource: " + keyARN + " because no resource-based policy allows the kms:Decrypt action"},
		{authz.Decision{Reason: authz.DeniedImplicitly, Kind: authz.KindEndpoint}, "resource: " + keyARN + " because no VPC endpoint policy allows the kms:Decrypt action"},
		{authz.Decision{Reason: authz.DeniedImplicitly, Kind: authz.KindSession}, "resource: " + keyARN + " because no session policy allows the kms:Decrypt action"},
		{authz.Decision{Reason: authz.DeniedExplicitly, Kind: authz.KindIdentity}, "resource: " + keyARN + " with an explicit deny in an identity-based policy"},
		{authz.Decision{Reason: authz.DeniedExplicitly, Kind: authz.KindKey}, "resource: " + keyARN + " with an explicit deny in a resource-based policy"},
		{authz.Decision{Reason: authz.DeniedExplicitly, Kind: authz.KindServiceControl}, "resource: " + keyARN + " with an explicit deny in a service control policy"},
		{authz.Decision{Reason: authz.DeniedExplicitly, Kind: authz.KindBoundary}, "resource: " + keyARN + " with an explicit deny in a permissions boundary"},
		{authz.Decision{Reason: authz.DeniedElsewhere, Kind: authz.KindIdentity}, "this resource because the resource does not exist in this Region, no resource-based policies allow access, or a resource-based policy explicitly denies access"},
	} {
		if got := c.d.Text(sessionARN, "kms:Decrypt", keyARN); got != who+c.want {
			t.Errorf("got  %s\nwant %s", got, who+c.want)
		}
	}
}
