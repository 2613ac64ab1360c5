package authz_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"trent/fastpath/authz"
)

// random makes requests of few words, so that all outcomes come up.
type random struct {
	*rand.Rand
	t testing.TB
}

func (r random) pick(list ...string) string { return list[r.IntN(len(list))] }

func (r random) statement(kind authz.Kind) string {
	s := r.pick(`"Effect":"Allow",`, `"Effect":"Allow",`, `"Effect":"Allow",`, `"Effect":"Deny",`)
	switch kind {
	case authz.KindResourceControl:
		s = r.pick(`"Effect":"Deny",`, `"Effect":"Deny",`) + `"Principal":"*",`
	case authz.KindKey, authz.KindEndpoint:
		s += r.pick(`"Principal":"*"`, `"Principal":{"AWS":"`+rootOf+`"}`, `"Principal":{"AWS":"`+rootOf+`"}`, `"Principal":{"AWS":"`+userARN+`"}`,
			`"Principal":{"AWS":"`+roleARN+`"}`, `"Principal":{"AWS":"`+sessionARN+`"}`, `"Principal":{"AWS":["`+federatedARN+`","`+otherAccount+`"]}`,
			`"Principal":{"Service":"s3.amazonaws.com"}`, `"NotPrincipal":{"AWS":["`+userARN+`","`+account+`"]}`) + ","
	}
	s += r.pick(`"Action":"kms:*"`, `"Action":"kms:Decrypt"`, `"Action":"kms:Encrypt"`)
	if kind != authz.KindResourceControl {
		s = strings.Replace(s, `"Action":"kms:Encrypt"`, `"NotAction":"kms:Decrypt"`, r.IntN(2))
	}
	s += "," + r.pick(`"Resource":"*"`, `"Resource":"`+keyARN+`"`, `"Resource":"arn:aws:kms:*:`+account+`:key/*"`, `"NotResource":"arn:aws:s3:::*"`)
	if r.IntN(3) == 0 {
		s += `,"Condition":{` + r.pick(`"StringEquals":{"kms:ViaService":"s3"}`, `"StringNotEquals":{"kms:ViaService":"s3"}`, `"Null":{"kms:ViaService":"true"}`,
			`"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/*"}`) + `}`
	}
	return s
}

func (r random) policy(kind authz.Kind) *authz.Compiled {
	var statements []string
	for range 1 + r.IntN(3) {
		statements = append(statements, r.statement(kind))
	}
	return compiled(r.t, kind, statements...)
}

func (r random) policies(kind authz.Kind) []*authz.Compiled {
	var list []*authz.Compiled
	for range r.IntN(3) {
		list = append(list, r.policy(kind))
	}
	return list
}

func (r random) request() *authz.Request {
	callers := []func() *authz.Caller{rootUser, user, user, session, session, federated, federatedByRoot, foreign, func() *authz.Caller { return service("s3.amazonaws.com") }}
	c := callers[r.IntN(len(callers))]()
	var policy *authz.Compiled
	if r.IntN(8) > 0 {
		policy = r.policy(authz.KindKey)
	}
	q := request(c, policy)
	if r.IntN(2) == 0 {
		q.Facts = facts{"kms:viaservice": {r.pick("s3", "ec2")}}
	}
	if r.IntN(2) == 0 {
		q.Grants = grant(r.pick("", "g"))
	}
	if r.IntN(4) == 0 {
		q.Endpoint = &authz.Endpoint{ID: "vpce-1", Policy: r.policy(authz.KindEndpoint)}
	}
	if r.IntN(4) == 0 {
		q.ResourceControl = [][]*authz.Compiled{r.policies(authz.KindResourceControl)}
	}
	if c.Type == authz.CallerService {
		return q
	}
	p := &c.Policies
	p.Identity = r.policies(authz.KindIdentity)
	if r.IntN(4) == 0 {
		p.Boundary = r.policy(authz.KindBoundary)
	}
	if r.IntN(4) == 0 {
		p.Session = r.policies(authz.KindSession)
	}
	if r.IntN(4) == 0 {
		p.ServiceControl = [][]*authz.Compiled{r.policies(authz.KindServiceControl), r.policies(authz.KindServiceControl)}
	}
	return q
}

// The steps of an explanation, drawn from what it lists, come to the decision that Decide comes to.
func TestExplainAgrees(t *testing.T) {
	t.Parallel()
	r := random{rand.New(rand.NewPCG(1, 2)), t}
	seen := map[string]int{}
	for range 3000 {
		q := r.request()
		d := authz.Decide(q)
		e := authz.Explain(q)
		seen[outcome(d)]++
		last := e.Steps[len(e.Steps)-1]
		if e.Decision != d || e.Allowed != d.Allowed || strings.HasPrefix(last.Outcome, "allowed") != d.Allowed {
			text, _ := json.MarshalIndent(e, "", " ")
			t.Fatalf("%s, but %s: %s\n%s", outcome(d), last.Step, last.Outcome, text)
		}
		if explicit := strings.HasPrefix(e.Steps[0].Outcome, "denied"); explicit != (!d.Allowed && d.Policy != nil) {
			t.Fatalf("%s: %+v", outcome(d), e.Steps)
		}
		checkDeciding(t, d, e)
	}
	for _, want := range []string{byKey, noKey, noIdentity, "allowed by grant", "denied by resource-based policy", "nothing of permissions boundary", "nothing of session policy", "nothing of VPC endpoint policy", "nothing of service control policy", "denied by resource control policy", "elsewhere: identity-based policy"} {
		if seen[want] == 0 {
			t.Errorf("%q did not come up in %v", want, seen)
		}
	}
}

// checkDeciding tells of statements that decided without applying, or are missing.
func checkDeciding(t *testing.T, d authz.Decision, e authz.Explanation) {
	t.Helper()
	deciding := 0
	for _, p := range e.Policies {
		for _, s := range p.Statements {
			if s.Deciding {
				deciding++
				if !s.Applies || s.Effect == "Allow" != d.Allowed {
					t.Fatalf("the deciding statement %+v of %+v", s, d)
				}
			}
			if s.Applies != (s.Failed == "") {
				t.Fatalf("%+v", s)
			}
		}
	}
	want := 0
	if d.Policy != nil {
		want++
	}
	if d.Also != nil {
		want++
	}
	if deciding != want {
		t.Fatalf("%d statements decide %+v", deciding, d)
	}
}

func TestExplanation(t *testing.T) {
	t.Parallel()
	who := user()
	who.Policies.Identity = []*authz.Compiled{compiled(t, authz.KindIdentity,
		`"Sid":"Other","Effect":"Allow","Action":["kms:Encrypt","kms:Sign"],"Resource":"*"`,
		`"Effect":"Allow","Action":"kms:Decrypt","Resource":"arn:aws:kms:eu-west-1:*:key/*"`,
		allowUse+`,"Condition":{"StringEquals":{"kms:ViaService":["s3","ec2"]},"Bool":{"kms:MultiRegion":"false"}}`)}
	r := request(who, compiled(t, authz.KindKey, byRole, byAccount))
	r.Facts = facts{"kms:viaservice": {"sqs"}}
	e := authz.Explain(r)
	if e.Allowed || e.Reason != "denied: no identity-based policy allows kms:Decrypt" || len(e.Policies) != 2 {
		t.Fatalf("%+v", e)
	}
	var got []string
	for _, p := range e.Policies {
		for _, s := range p.Statements {
			got = append(got, fmt.Sprintf("%s %d %s%s: %s", p.Kind, s.Index, s.Effect, s.Sid, s.Failed+" "+s.Names+" "+s.Why))
		}
	}
	want := []string{
		`resource-based policy 0 Allow: Principal  ` + userARN + ` is not meant by Principal "` + roleARN + `"`,
		`resource-based policy 1 Allow:  account `,
		`identity-based policy 0 AllowOther: Action  kms:Decrypt is not in Action "kms:Encrypt", "kms:Sign"`,
		`identity-based policy 1 Allow: Resource  ` + keyARN + ` is not in Resource "arn:aws:kms:eu-west-1:*:key/*"`,
		`identity-based policy 2 Allow: Condition caller StringEquals kms:ViaService "s3", "ec2" does not hold: the request has "sqs"`,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
	if c := e.Policies[1].Statements[2].Conditions; len(c) != 2 || !c[0].Present || c[1].Present || c[1].Holds {
		t.Errorf("%+v", c)
	}
	text, err := json.Marshal(e)
	if err != nil || !strings.Contains(string(text), `"steps":[{"step":"explicit deny","outcome":"none"},{"step":"resource-based policy","outcome":"allows the account, which leaves it to identity-based policies"},{"step":"identity-based policy","outcome":"none allows"}`) {
		t.Errorf("%s %v", text, err)
	}
}

func TestReport(t *testing.T) {
	t.Parallel()
	who := user()
	who.Policies.Identity = []*authz.Compiled{compiled(t, authz.KindIdentity, `"Sid":"Use","Effect":"Allow","Action":"kms:Decrypt","Resource":"*"`)}
	who.Policies.ServiceControl = [][]*authz.Compiled{{compiled(t, authz.KindServiceControl, allowAll)}}
	e := authz.Explain(request(who, document(t, authz.KindKey, authz.DefaultPolicy("aws", account))))
	got := e.Report()
	for _, p := range e.Policies {
		got = strings.Replace(got, p.Hash[:12], "HASH", 1)
	}
	want := `allowed by the resource-based policy, Statement[0] "Enable IAM User Permissions", with an identity-based policy, Statement[0] "Use"

  caller    arn:aws:iam::111122223333:user/staff/alice
  action    kms:Decrypt
  resource  arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab

Steps
  explicit deny            none
  service control policy   every level allows
  resource-based policy    allows the account, which leaves it to identity-based policies
  identity-based policy    allows
  caller's own policies    allowed: nothing limits

Policies
  service control policy of level 1, sha256 HASH: allows
    Statement[0] Allow: applies
  resource-based policy, sha256 HASH: allows
    Statement[0] Allow "Enable IAM User Permissions": applies, and decides (names the account)
      {
        "Sid": "Enable IAM User Permissions",
        "Effect": "Allow",
        "Principal": {
          "AWS": "arn:aws:iam::111122223333:root"
        },
        "Action": "kms:*",
        "Resource": "*"
      }
  identity-based policy, sha256 HASH: allows
    Statement[0] Allow "Use": applies, and decides
      {
        "Sid": "Use",
        "Effect": "Allow",
        "Action": "kms:Decrypt",
        "Resource": "*"
      }
`
	if got != want {
		t.Errorf("got\n%s", got)
	}
	denied := authz.Explain(request(foreign(), compiled(t, authz.KindKey, byUser, denyUse+`,"Principal":{"AWS":"`+otherAccount+`"}`)))
	if got := denied.Report(); !strings.HasPrefix(got, "denied explicitly by a resource-based policy, Statement[1]\n") ||
		!strings.Contains(got, `    Statement[0] Allow: Principal: arn:aws:iam::444455556666:user/eve is not meant by Principal "`+userARN+`"`) {
		t.Errorf("got\n%s", got)
	}
}
