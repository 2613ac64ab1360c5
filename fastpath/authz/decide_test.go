package authz_test

import (
	"strings"
	"testing"

	"trent/fastpath/authz"
)

// facts answer by the whole name of a key in lower case, such as "aws:requesttag/team".
type facts map[string][]string

func (f facts) Values(dst []string, key authz.Key, name string) ([]string, bool) {
	whole := key.Row().Name
	switch {
	case key == authz.KeyOther:
		whole = name
	case key.Row().Named && strings.HasPrefix(whole, "kms:"):
		whole += ":" + name
	case key.Row().Named:
		whole += "/" + name
	}
	values, ok := f[strings.ToLower(whole)]
	return append(dst, values...), ok
}

// grant lets everybody do everything, or nobody.
type grant string

func (g grant) Permit(*authz.Request) (string, bool) { return string(g), g != "" }

const (
	account      = "111122223333"
	keyARN       = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	otherAccount = "444455556666"
	rootOf       = "arn:aws:iam::" + account + ":root"
	userARN      = "arn:aws:iam::" + account + ":user/staff/alice"
	roleARN      = "arn:aws:iam::" + account + ":role/app/worker"
	sessionARN   = "arn:aws:sts::" + account + ":assumed-role/worker/one"
	federatedARN = "arn:aws:sts::" + account + ":federated-user/bob"
)

// Callers of tests; each call makes a new one, so that a test can change it.
func rootUser() *authz.Caller {
	return &authz.Caller{Type: authz.CallerAccount, Partition: "aws", Account: account, ARN: rootOf, ID: account}
}

func user() *authz.Caller {
	return &authz.Caller{Type: authz.CallerUser, Partition: "aws", Account: account, ARN: userARN, ID: "AIDAEXAMPLEEXAMPLE01", UniqueID: "AIDAEXAMPLEEXAMPLE01", UserName: "alice"}
}

func session() *authz.Caller {
	return &authz.Caller{
		Type: authz.CallerAssumedRole, Partition: "aws", Account: account, ARN: sessionARN, Role: roleARN,
		ID: "AROAEXAMPLEEXAMPLE01:one", UniqueID: "AROAEXAMPLEEXAMPLE01", Temporary: true, Issued: 1700000000,
	}
}

func federated() *authz.Caller {
	return &authz.Caller{
		Type: authz.CallerFederated, Partition: "aws", Account: account, ARN: federatedARN, Federator: userARN, ID: account + ":bob", Temporary: true,
	}
}

func federatedByRoot() *authz.Caller {
	c := federated()
	c.Federator = rootOf
	return c
}

func service(name string) *authz.Caller {
	return &authz.Caller{Type: authz.CallerService, Partition: "aws", ARN: name, Service: name, ServiceNames: []string{name}}
}

func foreign() *authz.Caller {
	return &authz.Caller{Type: authz.CallerUser, Partition: "aws", Account: otherAccount, ARN: "arn:aws:iam::" + otherAccount + ":user/eve", ID: "AIDAEXAMPLEEXAMPLE02", UniqueID: "AIDAEXAMPLEEXAMPLE02"}
}

// compiled is a policy of the given statements, each without its braces.
func compiled(t testing.TB, kind authz.Kind, statements ...string) *authz.Compiled {
	t.Helper()
	return document(t, kind, `{"Version":"2012-10-17","Statement":[{`+strings.Join(statements, "},{")+`}]}`)
}

func document(t testing.TB, kind authz.Kind, text string) *authz.Compiled {
	t.Helper()
	p, err := authz.Parse(kind, []byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return authz.Compile(kind, []byte(text), p)
}

// request is kms:Decrypt of keyARN by the caller.
func request(c *authz.Caller, policy *authz.Compiled) *authz.Request {
	return &authz.Request{
		Action: authz.ActionDecrypt, Caller: c, Resource: keyARN, ResourceAccount: account, Partition: "aws", Policy: policy, Facts: facts{},
	}
}

// outcome is a decision in a few words: "allowed by", "denied by", "nothing of" or "elsewhere:", and the kind.
func outcome(d authz.Decision) string {
	words := map[authz.Reason]string{
		authz.AllowedByPolicy: "allowed by", authz.AllowedByGrant: "allowed by", authz.DeniedExplicitly: "denied by",
		authz.DeniedImplicitly: "nothing of", authz.DeniedElsewhere: "elsewhere:",
	}
	text := words[d.Reason] + " " + d.Kind.String()
	if d.Allowed != strings.HasPrefix(text, "allowed") {
		text += " (but Allowed is not so)"
	}
	return text
}

const (
	byKey       = "allowed by resource-based policy"
	noKey       = "nothing of resource-based policy"
	noIdentity  = "nothing of identity-based policy"
	use         = `"Action":"kms:Decrypt","Resource":"*"`
	allowUse    = `"Effect":"Allow",` + use
	denyUse     = `"Effect":"Deny",` + use
	allowAll    = `"Effect":"Allow","Action":"*","Resource":"*"`
	allowOther  = `"Effect":"Allow","Action":"kms:Encrypt","Resource":"*"`
	byAccount   = allowUse + `,"Principal":{"AWS":"` + rootOf + `"}`
	byUser      = allowUse + `,"Principal":{"AWS":"` + userARN + `"}`
	byRole      = allowUse + `,"Principal":{"AWS":"` + roleARN + `"}`
	bySession   = allowUse + `,"Principal":{"AWS":"` + sessionARN + `"}`
	byFederated = allowUse + `,"Principal":{"AWS":"` + federatedARN + `"}`
	byAnyone    = allowUse + `,"Principal":"*"`
	byForeign   = allowUse + `,"Principal":{"AWS":"` + otherAccount + `"}`
)

// Policies of the caller's account, in the words of the tables below.
func attach(t *testing.T, c *authz.Caller, what string) {
	t.Helper()
	for _, word := range strings.Fields(what) {
		name, effect, _ := strings.Cut(word, "=")
		text := map[string]string{"allow": allowUse, "deny": denyUse, "other": allowOther, "": allowOther}[effect]
		switch p := &c.Policies; name {
		case "identity":
			p.Identity = append(p.Identity, compiled(t, authz.KindIdentity, text))
		case "boundary":
			p.Boundary = compiled(t, authz.KindBoundary, text)
		case "session":
			p.Session = append(p.Session, compiled(t, authz.KindSession, text))
		case "scp":
			p.ServiceControl = append(p.ServiceControl, []*authz.Compiled{compiled(t, authz.KindServiceControl, text)})
		default:
			t.Fatalf("what is %q?", word)
		}
	}
}

// One account: which of the key's and the caller's policies it takes, and which of them limits what.
func TestOneAccount(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		key    string
		caller func() *authz.Caller
		own    string
		want   string
	}{
		// The account principal leaves it to IAM policies; the root user needs none.
		{byAccount, user, "", noIdentity},
		{byAccount, user, "identity=other", noIdentity},
		{byAccount, user, "identity=allow", byKey},
		{byAccount, user, "identity=other identity=allow", byKey},
		{byAccount, user, "identity=allow identity=deny", "denied by identity-based policy"},
		{byAccount, user, "identity=allow boundary=allow", byKey},
		{byAccount, user, "identity=allow boundary=other", "nothing of permissions boundary"},
		{byAccount, user, "identity=allow boundary=deny", "denied by permissions boundary"},
		{byAccount, session, "identity=allow", byKey},
		{byAccount, session, "identity=allow session=other", "nothing of session policy"},
		{byAccount, session, "identity=allow session=other session=allow", byKey},
		{byAccount, session, "session=allow", noIdentity},
		{byAccount, session, "identity=allow session=deny", "denied by session policy"},
		{byAccount, rootUser, "", byKey},
		{byAccount, rootUser, "scp=allow", byKey},
		{byAccount, rootUser, "scp=other", "nothing of service control policy"},
		{byAccount, rootUser, "scp=deny", "denied by service control policy"},

		// A key policy that does not name the account gives IAM policies no say.
		{byUser, session, "identity=allow", noKey},
		{byUser, rootUser, "", noKey},
		{byForeign, user, "identity=allow", noKey},

		// The user itself: nothing that is merely missing takes it away.
		{byUser, user, "", byKey},
		{byUser, user, "boundary=other", byKey},
		{byUser, user, "boundary=deny", "denied by permissions boundary"},
		{byUser, user, "identity=deny", "denied by identity-based policy"},
		{byUser, user, "scp=other", "nothing of service control policy"},
		{byUser, user, "scp=allow scp=other scp=allow", "nothing of service control policy"},
		{byUser, user, "scp=allow scp=allow", byKey},

		// The role is limited by boundary and session policies, its session is not.
		{byRole, session, "", byKey},
		{byRole, session, "boundary=other", "nothing of permissions boundary"},
		{byRole, session, "boundary=allow session=other", "nothing of session policy"},
		{byRole, session, "boundary=allow session=allow", byKey},
		{byRole, session, "identity=deny", "denied by identity-based policy"},
		{bySession, session, "boundary=other session=other", byKey},
		{bySession, session, "session=deny", "denied by session policy"},
		{byAnyone, session, "boundary=other session=other", byKey},
		{byRole + "},{" + bySession, session, "boundary=other", byKey},

		// A federated user's session, and the user who federated.
		{byFederated, federated, "session=other", byKey},
		{byUser, federated, "session=other", "nothing of session policy"},
		{byUser, federated, "session=allow", byKey},
		{byAccount, federated, "identity=allow session=allow", byKey},
		{byAccount, federated, "identity=allow", "nothing of session policy"},
		{byAccount, federatedByRoot, "session=allow", byKey},
		{byAccount, federatedByRoot, "session=other", "nothing of session policy"},
		{byAccount, federatedByRoot, "", "nothing of session policy"},

		// Unique ids stand for what was deleted.
		{allowUse + `,"Principal":{"AWS":"AIDAEXAMPLEEXAMPLE01"}`, user, "boundary=other", byKey},
		{allowUse + `,"Principal":{"AWS":"AROAEXAMPLEEXAMPLE01"}`, session, "boundary=other", "nothing of permissions boundary"},
		{allowUse + `,"Principal":{"AWS":"AROAEXAMPLEEXAMPLE01"}`, session, "", byKey},
	} {
		who := c.caller()
		attach(t, who, c.own)
		if got := outcome(authz.Decide(request(who, compiled(t, authz.KindKey, c.key)))); got != c.want {
			t.Errorf("key policy {%s}, %s with %q: %s, want %s", c.key, who.ARN, c.own, got, c.want)
		}
	}
}

// Two accounts: both sides must allow, and those who may not learn nothing of why.
func TestTwoAccounts(t *testing.T) {
	t.Parallel()
	eve := "arn:aws:iam::" + otherAccount + ":user/eve"
	for _, c := range []struct {
		key  string
		own  string
		want string
	}{
		{byForeign, "", "elsewhere: identity-based policy"},
		{byForeign, "identity=allow", byKey},
		{byForeign, "identity=allow boundary=other", "elsewhere: permissions boundary"},
		{byForeign, "identity=allow scp=other", "elsewhere: service control policy"},
		{byForeign, "identity=deny", "elsewhere: identity-based policy"},
		{allowUse + `,"Principal":{"AWS":"` + eve + `"}`, "", "elsewhere: identity-based policy"},
		{allowUse + `,"Principal":{"AWS":"` + eve + `"}`, "identity=allow", byKey},
		{allowUse + `,"Principal":{"AWS":"` + eve + `"}`, "identity=allow boundary=other", "elsewhere: permissions boundary"},
		{byAnyone, "", "elsewhere: identity-based policy"},
		{byAnyone, "identity=allow", byKey},
		{byAccount, "identity=allow", "elsewhere: resource-based policy"},
		{byForeign + "},{" + denyUse + `,"Principal":{"AWS":"` + eve + `"}`, "identity=allow", "elsewhere: resource-based policy"},
	} {
		who := foreign()
		attach(t, who, c.own)
		if got := outcome(authz.Decide(request(who, compiled(t, authz.KindKey, c.key)))); got != c.want {
			t.Errorf("key policy {%s} with %q: %s, want %s", c.key, c.own, got, c.want)
		}
	}
	root := &authz.Caller{Type: authz.CallerAccount, Partition: "aws", Account: otherAccount, ARN: "arn:aws:iam::" + otherAccount + ":root"}
	if d := authz.Decide(request(root, compiled(t, authz.KindKey, byForeign))); !d.Allowed {
		t.Errorf("the other account's root user: %s", outcome(d))
	}
	china := rootUser()
	china.Partition = "aws-cn"
	if d := authz.Decide(request(china, compiled(t, authz.KindKey, byAccount))); d.Allowed || d.Reason != authz.DeniedElsewhere {
		t.Errorf("the account of that number in another partition: %s", outcome(d))
	}
}
