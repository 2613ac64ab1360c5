package authz_test

import (
	"testing"

	"trent/fastpath/authz"
)

// Actions without a policy on the resource: identity policies alone, within the account.
func TestWithoutResourcePolicy(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		caller func() *authz.Caller
		own    string
		want   string
	}{
		{user, "", noIdentity},
		{user, "identity=other", noIdentity},
		{user, "identity=allow", "allowed by identity-based policy"},
		{user, "identity=allow boundary=other", "nothing of permissions boundary"},
		{session, "identity=allow session=other", "nothing of session policy"},
		{rootUser, "", "allowed by identity-based policy"},
		{rootUser, "scp=other", "nothing of service control policy"},
		{foreign, "identity=allow", "elsewhere: resource-based policy"},
		{func() *authz.Caller { return service("s3.amazonaws.com") }, "", "elsewhere: resource-based policy"},
	} {
		who := c.caller()
		attach(t, who, c.own)
		if got := outcome(authz.Decide(request(who, nil))); got != c.want {
			t.Errorf("%s with %q: %s, want %s", who.ARN, c.own, got, c.want)
		}
	}
	d := authz.Decide(request(rootUser(), nil))
	if d.Policy != nil || d.Statement != -1 || d.Also != nil || d.AlsoStatement != -1 {
		t.Errorf("the root user's own right is no policy's: %+v", d)
	}
}

// What a decision names.
func TestDecidingStatements(t *testing.T) {
	t.Parallel()
	key := compiled(t, authz.KindKey, allowOther+`,"Principal":"*"`, byAccount, byRole, `"Effect":"Deny","Principal":"*","Action":"kms:Sign","Resource":"*"`)
	identity := compiled(t, authz.KindIdentity, denyUse+`,"Condition":{"Bool":{"aws:SecureTransport":"false"}}`, allowUse)
	who := user()
	who.Policies.Identity = []*authz.Compiled{compiled(t, authz.KindIdentity, allowOther), identity}
	r := request(who, key)
	if d := authz.Decide(r); !d.Allowed || d.Policy != key || d.Statement != 1 || d.Also != identity || d.AlsoStatement != 1 {
		t.Errorf("delegated: %+v", d)
	}
	r.Caller = session()
	if d := authz.Decide(r); !d.Allowed || d.Policy != key || d.Statement != 2 || d.Also != nil || d.AlsoStatement != -1 {
		t.Errorf("direct: %+v", d)
	}
	r.Facts = facts{"aws:securetransport": {"false"}}
	r.Caller = who
	if d := authz.Decide(r); d.Allowed || d.Policy != identity || d.Statement != 0 || d.Kind != authz.KindIdentity {
		t.Errorf("explicit: %+v", d)
	}
	r.Action = authz.ActionSign
	if d := authz.Decide(r); d.Allowed || d.Policy != key || d.Statement != 3 || d.Kind != authz.KindKey {
		t.Errorf("explicit: %+v", d)
	}
	r.Action = authz.ActionVerify
	if d := authz.Decide(r); d.Allowed || d.Policy != nil || d.Statement != -1 || d.Reason != authz.DeniedImplicitly {
		t.Errorf("implicit: %+v", d)
	}
}

// Grants give what policies do not, and explicit denies, organizations and endpoints limit them.
func TestGrants(t *testing.T) {
	t.Parallel()
	endpoint := func(statement string) *authz.Endpoint {
		return &authz.Endpoint{ID: "vpce-1", Policy: compiled(t, authz.KindEndpoint, statement+`,"Principal":"*"`)}
	}
	const byGrant = "allowed by grant"
	for _, c := range []struct {
		key      string
		caller   func() *authz.Caller
		own      string
		endpoint *authz.Endpoint
		want     string
	}{
		{byForeign, user, "", nil, byGrant},
		{byAccount, user, "", nil, byGrant},
		{byAccount, user, "identity=allow", nil, byKey},
		{byAccount, foreign, "", nil, byGrant},
		{byAccount, func() *authz.Caller { return service("s3.amazonaws.com") }, "", nil, byGrant},
		{byAccount, session, "boundary=other session=other", nil, byGrant},
		{byAccount, user, "identity=deny", nil, "denied by identity-based policy"},
		{byAccount, session, "boundary=deny", nil, "denied by permissions boundary"},
		{byAccount, session, "session=deny", nil, "denied by session policy"},
		{byAccount, user, "scp=other", nil, "nothing of service control policy"},
		{byAccount, user, "scp=deny", nil, "denied by service control policy"},
		{byAccount, user, "", endpoint(allowOther), "nothing of VPC endpoint policy"},
		{byAccount, user, "", endpoint(denyUse), "denied by VPC endpoint policy"},
		{byAccount, user, "", endpoint(allowUse), byGrant},
		{byAccount + "},{" + denyUse + `,"Principal":"*"`, user, "", nil, "denied by resource-based policy"},
	} {
		who := c.caller()
		attach(t, who, c.own)
		r := request(who, compiled(t, authz.KindKey, c.key))
		r.Grants, r.Endpoint = grant("g1"), c.endpoint
		d := authz.Decide(r)
		if got := outcome(d); got != c.want || d.Allowed && (d.Grant != "") != (c.want == byGrant) {
			t.Errorf("{%s} %s with %q: %s (grant %q), want %s", c.key, who.ARN, c.own, got, d.Grant, c.want)
		}
		r.Grants = grant("")
		if d := authz.Decide(r); d.Allowed != (c.want == byKey) {
			t.Errorf("{%s} %s with %q, no grant: %s", c.key, who.ARN, c.own, outcome(d))
		}
	}
}

// Organizations: each level must allow, service-linked roles apart.
func TestOrganizations(t *testing.T) {
	t.Parallel()
	linked := func() *authz.Caller {
		c := session()
		c.Role = "arn:aws:iam::" + account + ":role/aws-service-role/kms.amazonaws.com/AWSServiceRoleForKeyManagementServiceMultiRegionKeys"
		return c
	}
	full := `"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"`
	deny := `"Effect":"Deny","Principal":"*",` + use
	for _, c := range []struct {
		caller func() *authz.Caller
		levels [][]string
		want   string
	}{
		{user, nil, byKey},
		{user, [][]string{{full}, {full}}, byKey},
		{user, [][]string{{full}, {full, deny}}, "denied by resource control policy"},
		{user, [][]string{{deny}}, "denied by resource control policy"},
		{user, [][]string{{full + `,"Condition":{}`}}, byKey},
		// The policy that allows everything cannot be detached, so a list without it has it.
		{user, [][]string{{`"Effect":"Deny","Principal":"*","Action":"kms:Sign","Resource":"*"`}}, byKey},
		{user, [][]string{{}}, byKey},
		{rootUser, [][]string{{full, deny}}, "denied by resource control policy"},
		{foreign, [][]string{{full, deny}}, "elsewhere: resource control policy"},
		{func() *authz.Caller { return service("s3.amazonaws.com") }, [][]string{{full, deny}}, "elsewhere: resource control policy"},
		{linked, [][]string{{full, deny}}, byKey},
	} {
		who := c.caller()
		attach(t, who, "identity=allow")
		r := request(who, compiled(t, authz.KindKey, byAnyone))
		for _, level := range c.levels {
			var list []*authz.Compiled
			for _, s := range level {
				list = append(list, compiled(t, authz.KindResourceControl, s))
			}
			r.ResourceControl = append(r.ResourceControl, list)
		}
		if got := outcome(authz.Decide(r)); got != c.want {
			t.Errorf("%s under %v: %s, want %s", who.ARN, c.levels, got, c.want)
		}
	}
	who := user()
	attach(t, who, "identity=allow")
	who.Policies.ServiceControl = [][]*authz.Compiled{{}}
	if got := outcome(authz.Decide(request(who, compiled(t, authz.KindKey, byAccount)))); got != "nothing of service control policy" {
		t.Errorf("a level without a service control policy: %s", got)
	}
	who = linked()
	attach(t, who, "identity=allow scp=other scp=deny")
	if got := outcome(authz.Decide(request(who, compiled(t, authz.KindKey, byAccount)))); got != byKey {
		t.Errorf("a service-linked role under service control policies: %s", got)
	}
	// RetireGrant is not subject to resource control policies.
	who = user()
	r := request(who, nil)
	r.Action, r.Grants = authz.ActionRetireGrant, grant("g")
	r.ResourceControl = [][]*authz.Compiled{{compiled(t, authz.KindResourceControl, `"Effect":"Deny","Principal":"*","Action":"kms:*","Resource":"*"`)}}
	if d := authz.Decide(r); !d.Allowed {
		t.Errorf("RetireGrant: %s", outcome(d))
	}
}

// VPC endpoints' policies limit and give nothing.
func TestEndpointPolicies(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ statement, key, want string }{
		{"", byUser, byKey},
		{allowAll + `,"Principal":"*"`, byUser, byKey},
		{allowAll + `,"Principal":"*"`, byRole, noKey},
		{allowUse + `,"Principal":{"AWS":"` + userARN + `"}`, byUser, byKey},
		{allowUse + `,"Principal":{"AWS":"` + rootOf + `"}`, byUser, byKey},
		{allowUse + `,"Principal":{"AWS":"` + roleARN + `"}`, byUser, "nothing of VPC endpoint policy"},
		{allowUse + `,"Principal":"*","Condition":{"StringEquals":{"aws:PrincipalAccount":"` + otherAccount + `"}}`, byUser, "nothing of VPC endpoint policy"},
		{denyUse + `,"Principal":"*"`, byUser, "denied by VPC endpoint policy"},
		{`"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"` + keyARN + `"`, byUser, byKey},
		{`"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"` + keyARN + `0"`, byUser, "nothing of VPC endpoint policy"},
	} {
		r := request(user(), compiled(t, authz.KindKey, c.key))
		r.Endpoint = &authz.Endpoint{ID: "vpce-1"}
		if c.statement != "" {
			r.Endpoint.Policy = compiled(t, authz.KindEndpoint, c.statement)
		}
		if got := outcome(authz.Decide(r)); got != c.want {
			t.Errorf("endpoint {%s}, key {%s}: %s, want %s", c.statement, c.key, got, c.want)
		}
	}
}

// Services are let in by key policies alone, as are those who come with a token of an identity provider.
func TestServicesAndFederation(t *testing.T) {
	t.Parallel()
	s3 := func() *authz.Caller { return service("s3.amazonaws.com") }
	token := func() *authz.Caller {
		return &authz.Caller{Type: authz.CallerAnonymous, Partition: "aws", Federated: "accounts.example.com"}
	}
	byService := allowUse + `,"Principal":{"Service":["logs.amazonaws.com","s3.amazonaws.com"]}`
	for _, c := range []struct {
		kind   authz.Kind
		policy string
		caller func() *authz.Caller
		want   string
	}{
		{authz.KindKey, byService, s3, byKey},
		{authz.KindKey, byService, user, noKey},
		{authz.KindKey, byAccount, s3, "elsewhere: resource-based policy"},
		{authz.KindKey, byAnyone, s3, byKey},
		{authz.KindKey, byService + `,"Condition":{"StringEquals":{"aws:SourceAccount":"` + account + `"}}`, s3, "elsewhere: resource-based policy"},
		{authz.KindKey, byService + `},{` + denyUse + `,"Principal":"*","Condition":{"Bool":{"aws:PrincipalIsAWSService":"true"}}`, s3, "elsewhere: resource-based policy"},
		{authz.KindTrust, `"Effect":"Allow","Action":"kms:Decrypt","Principal":{"Federated":"accounts.example.com"}`, token, byKey},
		{authz.KindTrust, `"Effect":"Allow","Action":"kms:Decrypt","Principal":{"Federated":"other.example.com"}`, token, "elsewhere: resource-based policy"},
		{authz.KindTrust, `"Effect":"Allow","Action":"kms:Decrypt","Principal":{"AWS":"` + rootOf + `"}`, user, noIdentity},
		{authz.KindTrust, `"Effect":"Allow","Action":"kms:Decrypt","Principal":{"AWS":"` + userARN + `"}`, user, byKey},
		{authz.KindTrust, `"Effect":"Allow","Action":"kms:Decrypt","Principal":{"AWS":"` + rootOf + `"}`, rootUser, byKey},
	} {
		r := request(c.caller(), compiled(t, c.kind, c.policy))
		if got := outcome(authz.Decide(r)); got != c.want {
			t.Errorf("{%s} %s: %s, want %s", c.policy, r.Caller.ARN, got, c.want)
		}
	}
}

// NotPrincipal in a Deny spares only those of whom all is named: session, role and account.
func TestNotPrincipal(t *testing.T) {
	t.Parallel()
	deny := func(names string) string { return denyUse + `,"NotPrincipal":` + names }
	for _, c := range []struct {
		statement string
		spared    string
	}{
		{deny(`{"AWS":["` + userARN + `","` + rootOf + `"]}`), "root user"},
		{deny(`{"AWS":["` + userARN + `","` + account + `"]}`), "root user"},
		{deny(`{"AWS":"` + userARN + `"}`), ""},
		{deny(`{"AWS":"` + rootOf + `"}`), "root"},
		{deny(`{"AWS":["` + sessionARN + `","` + roleARN + `","` + rootOf + `"]}`), "root session"},
		{deny(`{"AWS":["` + roleARN + `","` + rootOf + `"]}`), "root"},
		{deny(`{"AWS":["` + sessionARN + `","` + rootOf + `"]}`), "root"},
		{deny(`{"AWS":["` + federatedARN + `","` + userARN + `","` + rootOf + `"]}`), "root user federated byroot"},
		{deny(`{"Service":"s3.amazonaws.com"}`), "service"},
		{deny(`"*"`), "root user session federated byroot service"},
		{`"Effect":"Allow","NotPrincipal":{"AWS":"` + userARN + `"},"Action":"kms:Sign","Resource":"*"`, "root user session federated byroot service"},
	} {
		got := ""
		for _, who := range []struct {
			name   string
			caller *authz.Caller
		}{{"root", rootUser()}, {"user", user()}, {"session", session()}, {"federated", federated()}, {"byroot", federatedByRoot()}, {"service", service("s3.amazonaws.com")}} {
			if authz.Decide(request(who.caller, compiled(t, authz.KindKey, byAnyone, c.statement))).Allowed {
				got += " " + who.name
			}
		}
		if got != c.spared && got != " "+c.spared {
			t.Errorf("%s spares%s, want %s", c.statement, got, c.spared)
		}
	}
	bounded := user()
	attach(t, bounded, "boundary=allow")
	if d := authz.Decide(request(bounded, compiled(t, authz.KindKey, byAnyone, deny(`{"AWS":["`+userARN+`","`+rootOf+`"]}`)))); d.Allowed {
		t.Error("who has a permissions boundary is not spared")
	}
	// In an Allow it means everybody of whom nothing is named.
	allow := compiled(t, authz.KindKey, allowUse+`,"NotPrincipal":{"AWS":"`+roleARN+`"}`)
	for _, c := range []struct {
		caller *authz.Caller
		want   bool
	}{{user(), true}, {session(), false}, {rootUser(), true}} {
		if got := authz.Decide(request(c.caller, allow)).Allowed; got != c.want {
			t.Errorf("Allow to all but the role, %s: %v", c.caller.ARN, got)
		}
	}
}
