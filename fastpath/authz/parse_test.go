package authz_test

import (
	"errors"
	"strings"
	"testing"

	"trent/fastpath/authz"
)

// Each kind of policy has its own grammar of statements.
func TestKindsOfPolicies(t *testing.T) {
	t.Parallel()
	const (
		principal = `"Principal":"*",`
		rest      = `"Effect":"Deny","Action":"kms:*","Resource":"*"`
		v2012     = `"Version":"2012-10-17",`
	)
	for _, c := range []struct {
		kind    authz.Kind
		doc     string
		refused string // empty: it is accepted
	}{
		{authz.KindIdentity, statement(rest), ""},
		{authz.KindIdentity, statement(principal + rest), `1:16: an identity policy has no Principal`},
		{authz.KindIdentity, statement(`"NotPrincipal":"*",` + rest), `1:16: an identity policy has no NotPrincipal`},
		{authz.KindIdentity, statement(`"Effect":"Allow","Resource":"*"`), `neither Action nor NotAction, as an identity policy needs`},
		{authz.KindIdentity, statement(`"Effect":"Allow","NotAction":"*"`), `neither Resource nor NotResource`},
		{authz.KindIdentity, statement(`"Effect":"Allow","NotAction":"iam:*","NotResource":"*"`), ""},
		{authz.KindBoundary, statement(principal + rest), `a permissions boundary has no Principal`},
		{authz.KindBoundary, statement(rest), ""},
		{authz.KindSession, statement(principal + rest), `a session policy has no Principal`},
		{authz.KindSession, statement(rest), ""},

		{authz.KindServiceControl, `{` + v2012 + `"Statement":{` + rest + `}}`, ""},
		{authz.KindServiceControl, `{` + v2012 + `"Statement":{"Effect":"Allow","NotAction":"kms:*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"true"}}}}`, ""},
		{authz.KindServiceControl, statement(rest), `1:1: a service control policy needs the Version "2012-10-17"`},
		{authz.KindServiceControl, `{` + v2012 + `"Statement":{` + principal + rest + `}}`, `a service control policy has no Principal`},

		{authz.KindResourceControl, `{` + v2012 + `"Statement":{` + principal + rest + `}}`, ""},
		{authz.KindResourceControl, `{` + v2012 + `"Statement":{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}}`, ""},
		{authz.KindResourceControl, `{` + v2012 + `"Statement":{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"}}`, `allows everything or denies`},
		{authz.KindResourceControl, `{` + v2012 + `"Statement":{` + rest + `}}`, `a statement has no Principal, as a resource control policy needs`},
		{authz.KindResourceControl, `{` + v2012 + `"Statement":{"Principal":{"AWS":"*"},` + rest + `}}`, `the Principal of a resource control policy is "*"`},
		{authz.KindResourceControl, `{` + v2012 + `"Statement":{"NotPrincipal":"*",` + rest + `}}`, `has no NotPrincipal`},
		{authz.KindResourceControl, `{` + v2012 + `"Statement":{` + principal + `"Effect":"Deny","NotAction":"kms:*","Resource":"*"}}`, `has no NotAction`},

		{authz.KindEndpoint, statement(principal + rest), ""},
		{authz.KindEndpoint, statement(rest), `neither Principal nor NotPrincipal, as a VPC endpoint policy needs`},
		{authz.KindEndpoint, statement(principal + `"Effect":"Allow","Action":"*"`), `neither Resource nor NotResource`},

		{authz.KindTrust, statement(`"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/example.com"},"Action":"sts:AssumeRoleWithWebIdentity"`), ""},
		{authz.KindTrust, statement(principal + rest), `a trust policy has no Resource`},
		{authz.KindTrust, statement(`"NotPrincipal":{"AWS":"111122223333"},"Effect":"Deny","Action":"sts:AssumeRole"`), `a trust policy has no NotPrincipal`},
		{authz.KindTrust, statement(principal + `"Effect":"Allow"`), `neither Action nor NotAction`},

		{authz.KindKey, statement(principal + `"Effect":"Allow"`), ""},
		{authz.KindKey, statement(principal + rest + `,"Condition":{"StringEqual":{"a":"b"}}`), `1:93: there is no condition operator "StringEqual"`},
		{authz.KindKey, statement(principal + rest + `,"Condition":{"NullIfExists":{"a":"true"}}`), `no condition operator "NullIfExists"`},
		{authz.KindKey, statement(principal + rest + `,"Condition":{"forallvalues:stringlikeifexists":{"a":"b"}}`), ""},
	} {
		_, err := authz.Parse(c.kind, []byte(c.doc))
		var pe *authz.Error
		switch {
		case c.refused == "" && err != nil, c.refused != "" && !errors.As(err, &pe):
			t.Errorf("%v %s: %v, want %q", c.kind, c.doc, err, c.refused)
		case c.refused != "":
			where := strings.NewReplacer("policy line ", "", " column ", ":").Replace(err.Error())
			if !strings.Contains(where, c.refused) {
				t.Errorf("%v %s: %v, want %q", c.kind, c.doc, err, c.refused)
			}
		}
	}
}
