package authz_test

import (
	"fmt"
	"testing"

	"trent/fastpath/authz"
)

// contextFacts answer the encryption context of one pair without a map, as a request's decoded members do.
type contextFacts struct{ name, value string }

func (f *contextFacts) Values(dst []string, key authz.Key, name string) ([]string, bool) {
	if key == authz.KeyKMSEncryptionContext && name == f.name {
		return append(dst, f.value), true
	}
	return dst, false
}

// clock tells the time only.
type clock string

func (c clock) Values(dst []string, key authz.Key, _ string) ([]string, bool) {
	return append(dst, string(c)), key == authz.KeyCurrentTime
}

// oneGrant looks one grant up by grantee and action, as an index does.
type oneGrant map[string]authz.Action

func (g oneGrant) Permit(r *authz.Request) (string, bool) {
	return "g", g[r.Caller.Role] == r.Action
}

// threeStatements has an encryption-context condition in the middle of three statements; a session of the worker needs a
// grant to decrypt under it.
func threeStatements(t testing.TB) *authz.Compiled {
	return compiled(t, authz.KindKey,
		`"Effect":"Allow","Principal":{"AWS":"`+rootOf+`"},"Action":["kms:Describe*","kms:Get*","kms:List*","kms:Put*"],"Resource":"*"`,
		allowUse+`,"Principal":{"AWS":"`+roleARN+`"},"Condition":{"StringEquals":{"kms:EncryptionContext:Department":["Finance","HR"]}}`,
		`"Effect":"Deny","Principal":"*","Action":"kms:*","Resource":"*","Condition":{"StringEquals":{"kms:EncryptionContext:Department":"Closed"}}`)
}

func defaultPolicy(t testing.TB) *authz.Compiled {
	return document(t, authz.KindKey, authz.DefaultPolicy("aws", account))
}

// requests of the benchmarks and of the test of allocations.
func hotRequests(t testing.TB) map[string]*authz.Request {
	admin := session()
	admin.Policies.Identity = []*authz.Compiled{compiled(t, authz.KindIdentity, `"Effect":"Allow","Action":"kms:*","Resource":"*"`)}
	worker := session()
	worker.Policies.Identity = []*authz.Compiled{compiled(t, authz.KindIdentity, `"Effect":"Allow","Action":["kms:Encrypt","kms:Decrypt"],"Resource":"arn:aws:kms:*:`+account+`:key/*"`)}
	granted := request(worker, threeStatements(t))
	granted.Facts, granted.Grants = &contextFacts{"Department", "Sales"}, oneGrant{roleARN: authz.ActionDecrypt}
	byContext := request(worker, threeStatements(t))
	byContext.Facts = &contextFacts{"Department", "HR"}
	tagged := request(session(), defaultPolicy(t))
	tagged.Caller.Tags = []authz.Tag{{Key: "team", Value: "HR"}}
	tagged.Facts = &contextFacts{"Department", "HR"}
	tagged.Caller.Policies.Identity = []*authz.Compiled{compiled(t, authz.KindIdentity,
		allowUse+`,"Condition":{"StringLike":{"kms:EncryptionContext:Department":"${aws:PrincipalTag/team}*"},"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/app/*"}}`)}
	fresh := session()
	fresh.MFA = fresh.Issued
	fresh.Policies.Identity = []*authz.Compiled{compiled(t, authz.KindIdentity,
		allowUse+`,"Condition":{"DateGreaterThan":{"aws:TokenIssueTime":"2020-01-01T00:00:00Z"},"NumericLessThan":{"aws:MultiFactorAuthAge":"3600"},"StringNotEquals":{"aws:MultiFactorAuthAge":"${aws:TokenIssueTime}"}}`)}
	dated := request(fresh, defaultPolicy(t))
	dated.Facts = clock("2023-11-14T22:20:00Z")
	return map[string]*authz.Request{
		"dates":                   dated,
		"default policy, root":    request(rootUser(), defaultPolicy(t)),
		"default policy, session": request(admin, defaultPolicy(t)),
		"resource pattern":        request(worker, defaultPolicy(t)),
		"encryption context":      byContext,
		"grant":                   granted,
		"variable":                tagged,
	}
}

func BenchmarkDecide(b *testing.B) {
	for name, r := range hotRequests(b) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if !authz.Decide(r).Allowed {
					b.Fatal("denied")
				}
			}
		})
	}
}

// BenchmarkDecideMany is the default policy over 10,000 sessions and 100,000 keys of 100 accounts.
func BenchmarkDecideMany(b *testing.B) {
	const accounts, callers, keys = 100, 10_000, 100_000
	var interner authz.Interner
	policies := make([]*authz.Compiled, accounts)
	identity := compiled(b, authz.KindIdentity, `"Effect":"Allow","Action":"kms:*","Resource":"*"`)
	for i := range policies {
		p, err := interner.Compile(authz.KindKey, []byte(authz.DefaultPolicy("aws", fmt.Sprintf("%012d", i))))
		if err != nil {
			b.Fatal(err)
		}
		policies[i] = p
	}
	sessions := make([]*authz.Caller, callers)
	for i := range sessions {
		c := session()
		c.Account = fmt.Sprintf("%012d", i%accounts)
		c.Role = fmt.Sprintf("arn:aws:iam::%s:role/r%d", c.Account, i)
		c.ARN = fmt.Sprintf("arn:aws:sts::%s:assumed-role/r%d/s", c.Account, i)
		c.Policies.Identity = []*authz.Compiled{identity}
		sessions[i] = c
	}
	type key struct {
		arn, account string
		policy       *authz.Compiled
	}
	all := make([]*key, keys)
	for i := range all {
		a := fmt.Sprintf("%012d", i%accounts)
		all[i] = &key{fmt.Sprintf("arn:aws:kms:us-east-1:%s:key/%036d", a, i), a, policies[i%accounts]}
	}
	var r authz.Request
	r.Action, r.Partition, r.Facts = authz.ActionDecrypt, "aws", facts{}
	b.ReportAllocs()
	n := uint32(1)
	for b.Loop() {
		n = n*1664525 + 1013904223 // a linear congruential sequence visits them in no order
		c := int(n>>8) % callers
		k := all[(int(n>>4)%(keys/accounts))*accounts+c%accounts]
		r.Caller, r.Resource, r.ResourceAccount, r.Policy = sessions[c], k.arn, k.account, k.policy
		if !authz.Decide(&r).Allowed {
			b.Fatal("denied")
		}
	}
}

func BenchmarkCompile(b *testing.B) {
	text := []byte(authz.DefaultPolicy("aws", account))
	for b.Loop() {
		p, err := authz.Parse(authz.KindKey, text)
		if err != nil {
			b.Fatal(err)
		}
		authz.Compile(authz.KindKey, text, p)
	}
}
