package authz_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"trent/fastpath/authz"
	"trent/fastpath/authz/authztest"
)

// The small world of the generated requests: two accounts, few principals, few keys of conditions, so that policies and
// requests often meet.
const (
	mine   = "111122223333"
	theirs = "444455556666"
	theKey = "arn:aws:kms:us-east-1:" + mine + ":key/1234abcd"
)

var (
	worldCallers = map[string]authz.Caller{
		"root": {Type: authz.CallerAccount, ARN: "arn:aws:iam::" + mine + ":root", ID: mine},
		"user": {Type: authz.CallerUser, ARN: "arn:aws:iam::" + mine + ":user/alice", ID: "AIDAALICEALICEALICE1", UniqueID: "AIDAALICEALICEALICE1", UserName: "alice",
			Tags: []authz.Tag{{Key: "team", Value: "red"}, {Key: "star", Value: "*"}}},
		"session": {Type: authz.CallerAssumedRole, ARN: "arn:aws:sts::" + mine + ":assumed-role/app/s1", Role: "arn:aws:iam::" + mine + ":role/path/app",
			ID: "AROAAPPAPPAPPAPPAPP1:s1", UniqueID: "AROAAPPAPPAPPAPPAPP1", Temporary: true, Tags: []authz.Tag{{Key: "team", Value: "blue"}}},
		"service": {Type: authz.CallerService, Service: "s3.amazonaws.com", ARN: "s3.amazonaws.com"},
	}
	worldPrincipals = []string{
		`"*"`, `{"AWS":"*"}`, `{"AWS":"` + mine + `"}`, `{"AWS":"arn:aws:iam::` + mine + `:root"}`, `{"AWS":"arn:aws:iam::` + theirs + `:root"}`,
		`{"AWS":"arn:aws:iam::` + mine + `:user/alice"}`, `{"AWS":["arn:aws:iam::` + mine + `:role/path/app"]}`, `{"AWS":"arn:aws:sts::` + mine + `:assumed-role/app/s1"}`,
		`{"AWS":["arn:aws:iam::` + theirs + `:user/alice","AIDAALICEALICEALICE1"]}`, `{"AWS":"AROAAPPAPPAPPAPPAPP1"}`, `{"Service":"s3.amazonaws.com"}`,
		`{"Service":"ec2.amazonaws.com","AWS":"` + mine + `"}`, `{"AWS":["arn:aws:sts::` + mine + `:assumed-role/app/s1","arn:aws:iam::` + mine + `:role/path/app","` + mine + `"]}`,
		`{"AWS":["arn:aws:iam::` + mine + `:user/alice","` + mine + `"]}`,
	}
	worldActions   = []string{`"kms:*"`, `"*"`, `"kms:Encrypt"`, `["kms:decrypt","kms:Enc*"]`, `"kms:?ncrypt"`, `"s3:*"`, `"kms:Decrypt"`}
	worldResources = []string{`"*"`, `"` + theKey + `"`, `"arn:aws:kms:*:` + mine + `:key/*"`, `"arn:aws:kms:us-east-1:*:key/1234????"`, `"arn:aws:kms:eu-west-1:*:*"`,
		`["arn:aws:kms:*:*:alias/x","arn:aws:kms:us-*:` + theirs + `:key/*"]`, `"arn:aws:kms:us-east-1:${aws:PrincipalAccount}:key/*"`, `"arn:aws:kms:us-east-1:` + mine + `:key/${aws:PrincipalTag/id, '1234abcd'}"`}
	worldConditions = []string{
		`"StringEquals":{"kms:EncryptionContext:dept":"%s"}`, `"StringNotEquals":{"kms:EncryptionContext:dept":["%s","it"]}`,
		`"StringEqualsIfExists":{"kms:EncryptionContext:dept":"%s"}`, `"StringLike":{"aws:PrincipalTag/team":["r*","%s"]}`, `"StringNotLikeIfExists":{"aws:PrincipalTag/TEAM":"%s"}`,
		`"ForAllValues:StringEquals":{"kms:EncryptionContextKeys":["dept","%s"]}`, `"ForAnyValue:StringLike":{"kms:EncryptionContextKeys":["d*","%s"]}`,
		`"ForAnyValue:StringNotEquals":{"kms:EncryptionContextKeys":["dept","%s"]}`, `"ForAllValues:StringNotLike":{"aws:TagKeys":"%s"}`,
		`"Null":{"kms:EncryptionContext:dept":"true"}`, `"Null":{"aws:SourceVpce":"false","aws:username":"false"}`, `"Bool":{"aws:SecureTransport":"true"}`,
		`"BoolIfExists":{"aws:ViaAWSService":false}`, `"NumericLessThanEquals":{"kms:RotationPeriodInDays":"180"}`, `"NumericNotEqualsIfExists":{"kms:RotationPeriodInDays":[90,365]}`,
		`"DateGreaterThan":{"aws:CurrentTime":"2026-01-01T00:00:00Z"}`, `"DateLessThan":{"aws:CurrentTime":"1767225600"}`,
		`"IpAddress":{"aws:SourceIp":["10.0.0.0/8","192.0.2.7"]}`, `"NotIpAddress":{"aws:SourceIp":"10.0.0.0/8"}`,
		`"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/*"}`, `"ArnNotEqualsIfExists":{"aws:SourceArn":"arn:aws:s3:::bucket*"}`,
		`"StringEquals":{"aws:SourceVpce":"vpce-1"}`, `"StringNotEquals":{"aws:SourceVpce":"vpce-1"}`, `"StringEqualsIgnoreCase":{"kms:RequestAlias":"ALIAS/%s"}`,
		`"StringEquals":{"kms:EncryptionContext:dept":"${aws:username}"}`, `"StringLike":{"kms:EncryptionContext:dept":"${aws:PrincipalTag/star}"}`,
		`"StringEquals":{"kms:EncryptionContext:dept":"${aws:username, 'it'}"}`, `"StringLike":{"kms:RequestAlias":"alias/${*}*"}`, `"BinaryEquals":{"kms:RequestAlias":"YWJj"}`,
		`"BoolIfExists":{"aws:MultiFactorAuthPresent":"false"}`, `"Bool":{"aws:PrincipalIsAWSService":"true"}`, `"StringEquals":{"kms:CallerAccount":"` + mine + `"}`,
		`"StringNotEqualsIfExists":{"aws:PrincipalOrgID":"o-1"}`, `"ForAnyValue:StringLike":{"aws:PrincipalServiceNamesList":"s3.*"}`,
	}
	worldFacts = map[authz.Key][]string{
		authz.KeyKMSRequestAlias: {"alias/it", "alias/*x", "YWJj"}, authz.KeySecureTransport: {"true", "false"}, authz.KeyViaAWSService: {"true", "false"},
		authz.KeyKMSRotationPeriodInDays: {"90", "180", "365"}, authz.KeyCurrentTime: {"2025-06-01T00:00:00Z", "2026-06-01T00:00:00Z"},
		authz.KeySourceIp: {"10.1.2.3", "192.0.2.7", "2001:db8::1"}, authz.KeySourceArn: {"arn:aws:s3:::bucket1", "arn:aws:s3:::other"},
	}
)

// worldRequest is what Facts knows in the small world.
type worldRequest struct {
	one     map[authz.Key]string
	context map[string]string
	tagKeys []string
	granted bool
}

// Values implements authz.Facts.
func (f *worldRequest) Values(dst []string, key authz.Key, name string) ([]string, bool) {
	switch key {
	case authz.KeyKMSEncryptionContext:
		for k, v := range f.context {
			if strings.EqualFold(k, name) {
				return append(dst, v), true
			}
		}
		return dst, false
	case authz.KeyKMSEncryptionContextKeys:
		for k := range f.context {
			dst = append(dst, k)
		}
		slices.Sort(dst)
		return dst, len(f.context) > 0
	case authz.KeyTagKeys:
		return append(dst, f.tagKeys...), len(f.tagKeys) > 0
	}
	v, ok := f.one[key]
	if ok {
		dst = append(dst, v)
	}
	return dst, ok
}

// Permit implements authz.Grants.
func (f *worldRequest) Permit(*authz.Request) (string, bool) { return "g", f.granted }

// drawPolicy makes a policy of a kind with up to three statements, as text and compiled.
func drawPolicy(t *rapid.T, kind authz.Kind, label string) *authz.Compiled {
	var statements []string
	for i := range rapid.IntRange(1, 3).Draw(t, label+" statements") {
		at := fmt.Sprintf("%s %d ", label, i)
		effect := rapid.SampledFrom([]string{"Allow", "Allow", "Deny"}).Draw(t, at+"effect")
		parts := []string{}
		if kind == authz.KindResourceControl { // which only deny, but for the one that allows everything
			effect = "Deny"
		}
		parts = append(parts, `"Effect":"`+effect+`"`)
		switch kind {
		case authz.KindKey, authz.KindEndpoint:
			element := rapid.SampledFrom([]string{"Principal", "Principal", "Principal", "NotPrincipal"}).Draw(t, at+"principal element")
			if kind == authz.KindEndpoint {
				element = "Principal"
			}
			parts = append(parts, `"`+element+`":`+rapid.SampledFrom(worldPrincipals).Draw(t, at+"principal"))
		case authz.KindResourceControl:
			parts = append(parts, `"Principal":"*"`)
		}
		parts = append(parts, `"`+notSometimes(t, at, "Action")+`":`+rapid.SampledFrom(worldActions).Draw(t, at+"action"))
		parts = append(parts, `"`+notSometimes(t, at, "Resource")+`":`+rapid.SampledFrom(worldResources).Draw(t, at+"resource"))
		if n := rapid.IntRange(0, 2).Draw(t, at+"conditions"); n > 0 {
			seen, conditions := map[string]bool{}, []string{}
			for j := range n {
				c := rapid.SampledFrom(worldConditions).Draw(t, fmt.Sprint(at, "condition ", j))
				operator, _, _ := strings.Cut(c, ":{")
				if !seen[operator] {
					seen[operator] = true
					conditions = append(conditions, strings.ReplaceAll(c, "%s", rapid.SampledFrom([]string{"it", "red", "hr", "*"}).Draw(t, fmt.Sprint(at, "value ", j))))
				}
			}
			parts = append(parts, `"Condition":{`+strings.Join(conditions, ",")+`}`)
		}
		statements = append(statements, "{"+strings.Join(parts, ",")+"}")
	}
	version := rapid.SampledFrom([]string{authz.Version2012, authz.Version2012, authz.Version2008}).Draw(t, label+" version")
	return parsedAs(t, kind, `{"Version":"`+version+`","Statement":[`+strings.Join(statements, ",")+`]}`)
}

func notSometimes(t *rapid.T, at, element string) string {
	if rapid.IntRange(0, 5).Draw(t, at+"not "+element) == 0 {
		return "Not" + element
	}
	return element
}

// parsedAs parses a policy. Some kinds do not take all that is drawn; such policies are drawn again.
func parsedAs(t *rapid.T, kind authz.Kind, text string) *authz.Compiled {
	p, err := authz.Parse(kind, []byte(text))
	if err != nil {
		t.Skipf("%v: %s", err, text)
	}
	return authz.Compile(kind, []byte(text), p)
}

const everythingAllowed = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`

func drawWorld(t *rapid.T) *authz.Request {
	name := rapid.SampledFrom([]string{"root", "user", "user", "session", "session", "service"}).Draw(t, "caller")
	c := worldCallers[name]
	c.Partition = "aws"
	if c.Type != authz.CallerService {
		c.Account = mine
	}
	if rapid.Bool().Draw(t, "second factor") {
		c.MFA = 1700000000
	}
	if rapid.Bool().Draw(t, "of an organization") {
		c.OrgID = "o-1"
	}
	if c.Type == authz.CallerService {
		c.ServiceNames = []string{c.Service, "s3.us-east-1.amazonaws.com"}
	}
	r := &authz.Request{Action: authz.ActionEncrypt, Caller: &c, Resource: theKey, ResourceAccount: mine, Partition: "aws"}
	if rapid.IntRange(0, 3).Draw(t, "other account") == 0 {
		r.ResourceAccount = theirs
		r.Resource = strings.ReplaceAll(theKey, mine, theirs)
	}
	if rapid.IntRange(0, 5).Draw(t, "no key policy") > 0 {
		r.Policy = drawPolicy(t, authz.KindKey, "key")
	}
	if c.Type == authz.CallerUser || c.Type == authz.CallerAssumedRole {
		if rapid.Bool().Draw(t, "identity policy") {
			c.Policies.Identity = append(c.Policies.Identity, drawPolicy(t, authz.KindIdentity, "identity"))
		}
		if rapid.IntRange(0, 3).Draw(t, "boundary") == 0 {
			c.Policies.Boundary = drawPolicy(t, authz.KindBoundary, "boundary")
		}
		if c.Type == authz.CallerAssumedRole && rapid.IntRange(0, 2).Draw(t, "session policy") == 0 {
			c.Policies.Session = append(c.Policies.Session, drawPolicy(t, authz.KindSession, "session"))
		}
	}
	if c.Type != authz.CallerService && rapid.IntRange(0, 3).Draw(t, "organization") == 0 {
		everything := parsedAs(t, authz.KindServiceControl, everythingAllowed)
		c.Policies.ServiceControl = [][]*authz.Compiled{{everything}, {everything, drawPolicy(t, authz.KindServiceControl, "scp")}}
	}
	if rapid.IntRange(0, 4).Draw(t, "resource control") == 0 {
		r.ResourceControl = [][]*authz.Compiled{{
			parsedAs(t, authz.KindResourceControl, `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}}`),
			drawPolicy(t, authz.KindResourceControl, "rcp"),
		}}
	}
	if rapid.IntRange(0, 3).Draw(t, "endpoint") == 0 {
		r.Endpoint = &authz.Endpoint{ID: "vpce-1", VPC: "vpc-1", Account: mine}
		if rapid.Bool().Draw(t, "endpoint policy") {
			r.Endpoint.Policy = drawPolicy(t, authz.KindEndpoint, "vpce")
		}
	}
	f := &worldRequest{one: map[authz.Key]string{}, context: map[string]string{}, granted: rapid.IntRange(0, 7).Draw(t, "granted") == 0}
	for _, k := range []authz.Key{authz.KeyKMSRequestAlias, authz.KeySecureTransport, authz.KeyViaAWSService, authz.KeyKMSRotationPeriodInDays, authz.KeyCurrentTime, authz.KeySourceIp, authz.KeySourceArn} {
		if rapid.Bool().Draw(t, "has "+k.Row().Name) {
			f.one[k] = rapid.SampledFrom(worldFacts[k]).Draw(t, k.Row().Name)
		}
	}
	for _, k := range []string{"Dept", "project"} {
		if rapid.Bool().Draw(t, "context "+k) {
			f.context[k] = rapid.SampledFrom([]string{"it", "hr", "alice", "*", "anything"}).Draw(t, "value of "+k)
		}
	}
	if rapid.Bool().Draw(t, "tags") {
		f.tagKeys = rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"it", "hr", "red"}), 1, 2, rapid.ID[string]).Draw(t, "tag keys")
	}
	r.Facts, r.Grants = f, f
	return r
}

// TestDecideAgreesWithReference: the fast decision is the slow one, whatever the policies and the request.
func TestDecideAgreesWithReference(t *testing.T) {
	t.Parallel()
	allowed := 0
	rapid.Check(t, func(t *rapid.T) {
		if agrees(t) {
			allowed++
		}
	})
	t.Logf("%d allowed", allowed)
	if allowed == 0 {
		t.Error("nothing was ever allowed: the generated requests do not meet their policies")
	}
}

// FuzzDecideAgainstReference is the same, driven by the fuzzer's bytes.
func FuzzDecideAgainstReference(f *testing.F) {
	f.Add([]byte{})
	f.Fuzz(rapid.MakeFuzz(func(t *rapid.T) {
		r := drawWorld(t)
		if want, got := authztest.Evaluate(r), authz.Decide(r); got.Allowed != want.Allowed {
			t.Fatalf("decided %+v, the reference says %+v\n%s", got, want, worldText(r))
		}
	}))
}

// worldText shows what a request was decided by.
func worldText(r *authz.Request) string {
	var b strings.Builder
	show := func(name string, list ...*authz.Compiled) {
		for _, p := range list {
			if p != nil {
				text, _ := json.Marshal(p.Source)
				fmt.Fprintf(&b, "%s: %s\n", name, text)
			}
		}
	}
	c := r.Caller
	fmt.Fprintf(&b, "caller %s, resource %s, facts %+v\n", c.ARN, r.Resource, r.Facts)
	show("key", r.Policy)
	show("identity", c.Policies.Identity...)
	show("boundary", c.Policies.Boundary)
	show("session", c.Policies.Session...)
	for _, level := range c.Policies.ServiceControl {
		show("scp", level...)
	}
	for _, level := range r.ResourceControl {
		show("rcp", level...)
	}
	if r.Endpoint != nil {
		show("endpoint", r.Endpoint.Policy)
	}
	return b.String()
}

// FuzzDecideAgreesWithReference is the same, led by coverage.
func FuzzDecideAgreesWithReference(f *testing.F) {
	f.Fuzz(rapid.MakeFuzz(func(t *rapid.T) { agrees(t) }))
}

// agrees decides a drawn request by engine and reference, and tells whether it is allowed.
func agrees(t *rapid.T) bool {
	r := drawWorld(t)
	want, got := authztest.Evaluate(r), authz.Decide(r)
	// Of other accounts' resources no caller learns whether a Deny or nothing kept it out.
	tells := got.Reason != authz.DeniedElsewhere
	if got.Allowed != want.Allowed || tells && (got.Reason == authz.DeniedExplicitly) != want.Explicit {
		t.Fatalf("decided %+v, the reference says %+v\n%s", got, want, worldText(r))
	}
	return got.Allowed
}
