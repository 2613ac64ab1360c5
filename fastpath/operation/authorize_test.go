package operation_test

import (
	"context"
	"strings"
	"testing"

	"trent/fastpath/authz"
	"trent/fastpath/identity"
	"trent/fastpath/operation"
	"trent/fastpath/wire"
)

const (
	home      = "000000000000"
	elsewhere = "111122223333"
)

// person is a user of an account with an identity policy of these statements; none: no policy.
func person(t *testing.T, account, name string, statements ...string) *identity.Principal {
	t.Helper()
	p := &identity.Principal{Caller: authz.Caller{Type: authz.CallerUser, Partition: "aws", Account: account, ARN: "arn:aws:iam::" + account + ":user/" + name}}
	if len(statements) > 0 {
		document := []byte(`{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`)
		parsed, err := authz.Parse(authz.KindIdentity, document)
		if err != nil {
			t.Fatalf("%s: %v", document, err)
		}
		p.Policies.Identity = []*authz.Compiled{authz.Compile(authz.KindIdentity, document, parsed)}
	}
	return p
}

// allow is a statement that allows an action on a resource.
func allow(action, resource string) string {
	return `{"Effect":"Allow","Action":"` + action + `","Resource":"` + resource + `"}`
}

// as passes a request of somebody through all three steps.
func (r rig) as(t *testing.T, c *operation.Call, who *identity.Principal, name, body string) error {
	t.Helper()
	c.Reset()
	op, ok := wire.LookupTarget([]byte("TrentService." + name))
	if !ok {
		t.Fatalf("no operation %s", name)
	}
	c.Operation, c.Request, c.Caller, c.Scope = op, wire.NewRequest(op), who, scope
	c.Scope.Account = who.Account
	if err := c.Request.Decode([]byte(body)); err != nil {
		t.Fatalf("%s %s: %v", name, body, err)
	}
	if err := c.Request.Validate(); err != nil {
		t.Fatalf("%s %s: %v", name, body, err)
	}
	if err := r.Resolve(context.Background(), c); err != nil {
		return err
	}
	if err := r.Authorize(context.Background(), c); err != nil {
		return err
	}
	return r.Execute(context.Background(), c)
}

// TestExecuteNeedsAuthorize: nothing runs that was not authorized.
func TestExecuteNeedsAuthorize(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var c operation.Call
	c.Operation, c.Request, c.Caller, c.Scope = wire.OperationListKeys, wire.NewRequest(wire.OperationListKeys), &caller, scope
	if err := r.Resolve(t.Context(), &c); err != nil {
		t.Fatal(err)
	}
	if err := r.Execute(t.Context(), &c); err == nil {
		t.Error("it ran")
	}
}

// TestFirstDenial: of several permissions that are missing the first is named, in its order.
func TestFirstDenial(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var c operation.Call
	a, b := scope.Key(r.create(t, `{}`)).ARN(), scope.Key(r.create(t, `{}`)).ARN()
	multi := scope.Key(r.create(t, `{"MultiRegion":true}`)).ARN()
	if err := r.run(t, &c, "CreateAlias", `{"AliasName":"alias/x","TargetKeyId":"`+a+`"}`); err != nil {
		t.Fatal(err)
	}
	if err := r.run(t, &c, "ReplicateKey", `{"KeyId":"`+multi+`","ReplicaRegion":"eu-west-1"}`); err != nil {
		t.Fatal(err)
	}
	if err := r.run(t, &c, "Encrypt", `{"KeyId":"`+a+`","Plaintext":"eA=="}`); err != nil {
		t.Fatal(err)
	}
	_, blob, _ := strings.Cut(string(c.Response.AppendJSON(nil)), `"CiphertextBlob":"`)
	blob, _, _ = strings.Cut(blob, `"`)
	alias, there := scope.AliasARN("alias/x"), strings.Replace(multi, "us-east-1", "eu-west-1", 1)
	const any, newKeys = "arn:aws:kms:us-east-1:" + home + ":*", "arn:aws:kms:*:" + home + ":key/*"
	update := `{"AliasName":"alias/x","TargetKeyId":"` + b + `"}`
	move := `{"SourceKeyId":"` + a + `","CiphertextBlob":"` + blob + `","DestinationKeyId":"` + b + `"}`
	copied := `{"KeyId":"` + multi + `","ReplicaRegion":"us-west-2","Tags":[{"TagKey":"a","TagValue":"b"}]}`
	on := func(action, resource string) string { return "kms:" + action + " on resource: " + resource }
	for _, k := range []struct {
		name, body string
		rights     []string
		denied     string // empty: nothing is
	}{
		{"UpdateAlias", update, nil, on("UpdateAlias", alias)},
		{"UpdateAlias", update, []string{allow("kms:UpdateAlias", alias)}, on("UpdateAlias", a)},
		{"UpdateAlias", update, []string{allow("kms:UpdateAlias", alias), allow("kms:UpdateAlias", a)}, on("UpdateAlias", b)},
		{"UpdateAlias", update, []string{allow("kms:UpdateAlias", a), allow("kms:UpdateAlias", b)}, on("UpdateAlias", alias)},
		{"UpdateAlias", update, []string{allow("kms:UpdateAlias", alias), allow("kms:UpdateAlias", a), allow("kms:UpdateAlias", b)}, ""},
		{"CreateAlias", `{"AliasName":"alias/y","TargetKeyId":"` + a + `"}`, []string{allow("kms:CreateAlias", scope.AliasARN("alias/*"))}, on("CreateAlias", a)},
		{"DeleteAlias", `{"AliasName":"alias/x"}`, []string{allow("kms:DeleteAlias", alias)}, on("DeleteAlias", b)},
		{"DeleteAlias", `{"AliasName":"alias/x"}`, []string{allow("kms:DeleteAlias", b)}, on("DeleteAlias", alias)},
		{"ReEncrypt", move, nil, on("ReEncryptFrom", a)},
		{"ReEncrypt", move, []string{allow("kms:ReEncrypt", "*")}, on("ReEncryptFrom", a)}, // which is no action
		{"ReEncrypt", move, []string{allow("kms:ReEncryptFrom", a)}, on("ReEncryptTo", b)},
		{"ReEncrypt", move, []string{allow("kms:ReEncryptTo", b)}, on("ReEncryptFrom", a)},
		{"ReEncrypt", move, []string{allow("kms:ReEncrypt*", "*")}, ""},
		{"CreateKey", `{"Tags":[{"TagKey":"a","TagValue":"b"}]}`, []string{allow("kms:TagResource", newKeys)}, on("CreateKey", "*")},
		{"CreateKey", `{"Tags":[{"TagKey":"a","TagValue":"b"}]}`, []string{allow("kms:CreateKey", "*")}, "kms:TagResource"},
		{"CreateKey", `{"Tags":[{"TagKey":"a","TagValue":"b"}]}`, []string{allow("kms:CreateKey", any), allow("kms:TagResource", newKeys)}, ""},
		{"CreateKey", `{}`, []string{allow("kms:CreateKey", a)}, on("CreateKey", "*")},
		{"ReplicateKey", copied, nil, on("ReplicateKey", multi)},
		{"ReplicateKey", copied, []string{allow("kms:ReplicateKey", "*")}, on("CreateKey", "*")},
		{"ReplicateKey", copied, []string{allow("kms:ReplicateKey", "*"), allow("kms:CreateKey", any)}, on("CreateKey", "*")}, // here, not there
		{"ReplicateKey", copied, []string{allow("kms:ReplicateKey", "*"), allow("kms:CreateKey", "*")}, "kms:TagResource"},
		{"ReplicateKey", copied, []string{allow("kms:ReplicateKey", "*"), allow("kms:CreateKey", "*"), allow("kms:TagResource", newKeys)}, ""},
		{"UpdatePrimaryRegion", `{"KeyId":"` + multi + `","PrimaryRegion":"eu-west-1"}`, []string{allow("kms:UpdatePrimaryRegion", multi)}, on("UpdatePrimaryRegion", there)},
		{"UpdatePrimaryRegion", `{"KeyId":"` + multi + `","PrimaryRegion":"eu-west-1"}`, []string{allow("kms:UpdatePrimaryRegion", there)}, on("UpdatePrimaryRegion", multi)},
		{"UpdatePrimaryRegion", `{"KeyId":"` + multi + `","PrimaryRegion":"eu-west-1"}`, []string{allow("kms:UpdatePrimaryRegion", multi), allow("kms:UpdatePrimaryRegion", there)}, ""},
		{"ListAliases", `{}`, []string{allow("kms:ListAliases", alias)}, on("ListAliases", "*")},
	} {
		who := person(t, home, "u", k.rights...)
		got, want := refusal(r.as(t, &c, who, k.name, k.body)), ""
		if k.denied != "" {
			action, _, _ := strings.Cut(k.denied, " ")
			want = "AccessDeniedException: User: " + who.ARN + " is not authorized to perform: " + k.denied + " because no identity-based policy allows the " + action + " action"
		}
		if got != want {
			t.Errorf("%s with %s: %s\nwant %s", k.name, k.rights, got, want)
		}
	}
}

// TestAWSManagedKeysThroughServices: their policies let callers of the account use them through the service, and nobody else.
func TestAWSManagedKeysThroughServices(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	run := func(account, service, name, body string) (string, *operation.Call) {
		c := &operation.Call{}
		op, _ := wire.LookupTarget([]byte("TrentService." + name))
		c.Operation, c.Request, c.Caller, c.Scope = op, wire.NewRequest(op), person(t, account, "u"), scope
		c.Scope.Account = account
		if service != "" {
			c.Origin.Service = &identity.ServiceUse{Principal: service, CalledVia: []string{service}}
		}
		if err := c.Request.Decode([]byte(body)); err != nil {
			t.Fatal(err)
		}
		for _, step := range []func(context.Context, *operation.Call) error{r.Resolve, r.Authorize, r.Execute} {
			if err := step(t.Context(), c); err != nil {
				return refusal(err), c
			}
		}
		return "", c
	}
	const s3, body = "s3.amazonaws.com", `{"KeyId":"alias/aws/s3","KeySpec":"AES_256"}`
	if got, _ := run(home, "sqs.amazonaws.com", "GenerateDataKey", body); !strings.HasPrefix(got, "NotFoundException") {
		t.Errorf("through another service: %q", got)
	}
	if got, _ := run(home, s3, "GenerateDataKey", strings.TrimSuffix(body, "}")+`,"DryRun":true}`); !strings.HasPrefix(got, "NotFoundException") {
		t.Errorf("dry run: %q", got)
	}
	got, c := run(home, s3, "GenerateDataKey", body)
	if got != "" {
		t.Fatalf("through the service: %s", got)
	}
	arn := c.Key.Snapshot.ARN
	_, blob, _ := strings.Cut(string(c.Response.AppendJSON(nil)), `"CiphertextBlob":"`)
	blob, _, _ = strings.Cut(blob, `"`)
	for _, k := range []struct{ account, service, name, body, want string }{
		{home, s3, "Decrypt", `{"CiphertextBlob":"` + blob + `"}`, ""},
		{home, "", "Decrypt", `{"CiphertextBlob":"` + blob + `","KeyId":"` + arn + `"}`, "because no resource-based policy allows the kms:Decrypt action"},
		{home, "", "Decrypt", `{"CiphertextBlob":"` + blob + `"}`, "The ciphertext refers to a customer master key"},
		{elsewhere, s3, "Decrypt", `{"CiphertextBlob":"` + blob + `"}`, "The ciphertext refers to a customer master key"},
		{home, s3, "CreateGrant", `{"KeyId":"` + arn + `","GranteePrincipal":"arn:aws:iam::` + home + `:root","Operations":["Decrypt"]}`, "no resource-based policy"}, // S3's has none
		{home, s3, "ScheduleKeyDeletion", `{"KeyId":"` + arn + `"}`, "no resource-based policy"},
		{home, "", "DescribeKey", `{"KeyId":"` + arn + `"}`, "no identity-based policy"},
	} {
		if got, _ := run(k.account, k.service, k.name, k.body); (got == "") != (k.want == "") || !strings.Contains(got, k.want) {
			t.Errorf("%s of %s through %q: %q, want %q", k.name, k.account, k.service, got, k.want)
		}
	}
}

// TestDecisionsOfCalls: what was decided is kept with the call, in order, and told.
func TestDecisionsOfCalls(t *testing.T) {
	t.Parallel()
	told := 0
	r := newRigWith(t, operation.Options{OnDecision: func(*operation.Made) { told++ }})
	a, b := scope.Key(r.create(t, `{}`)), scope.Key(r.create(t, `{}`))
	told = 0
	var c operation.Call
	who := person(t, home, "u", allow("*", "*"))
	for body, want := range map[string][]string{
		`{"SourceKeyId":"` + a.Key + `","DestinationKeyId":"` + b.Key + `","DryRun":true,"DryRunModifiers":["IGNORE_CIPHERTEXT"]}`: {
			"kms:ReEncryptFrom " + a.ARN(), "kms:ReEncryptTo " + b.ARN(),
		},
	} {
		_ = r.as(t, &c, who, "ReEncrypt", body)
		var got []string
		for _, m := range c.Decisions() {
			got = append(got, m.Action.String()+" "+m.Resource)
			if !m.Allowed || m.Kind != authz.KindKey || m.Statement != 0 || m.Also == nil || m.AlsoStatement != 0 {
				t.Errorf("decision %+v", m.Decision)
			}
		}
		if strings.Join(got, "|") != strings.Join(want, "|") || told != len(want) {
			t.Errorf("decisions %q, told %d times, want %q", got, told, want)
		}
	}
	_ = r.as(t, &c, person(t, elsewhere, "u", allow("*", "*")), "GetKeyPolicy", `{"KeyId":"`+a.ARN()+`"}`) // which no policy can allow
	if d := c.Decisions(); len(d) != 1 || d[0].Allowed || d[0].Resource != a.ARN() || d[0].Reason != authz.DeniedElsewhere || d[0].Policy != nil {
		t.Errorf("%+v", d)
	}
	if c.Reset(); len(c.Decisions()) != 0 {
		t.Error("decisions outlive their call")
	}
	_ = r.as(t, &c, person(t, home, "v"), "ListKeys", `{}`)
	if d := c.Decisions(); len(d) != 1 || d[0].Allowed || d[0].Resource != "arn:aws:kms:us-east-1:"+home+":*" || d[0].Kind != authz.KindIdentity || d[0].Reason != authz.DeniedImplicitly {
		t.Errorf("%+v", d)
	}
}

// TestAuthorizationModes: log lets pass what policies deny and tells of it; off does not ask them; in neither can AWS managed
// keys be changed, and in off nothing of other accounts can be seen.
func TestAuthorizationModes(t *testing.T) {
	t.Parallel()
	for _, mode := range []operation.Authorization{operation.LogOnly, operation.Off} {
		t.Run(mode.String(), func(t *testing.T) {
			t.Parallel()
			var logged []string
			r := newRigWith(t, operation.Options{Authorization: mode, OnDenied: func(_ *operation.Call, e *wire.Error) { logged = append(logged, e.Message) }})
			key := scope.Key(r.create(t, `{}`)).ARN()
			var c operation.Call
			nobody := person(t, home, "u")
			if got := refusal(r.as(t, &c, nobody, "Encrypt", `{"KeyId":"`+key+`","Plaintext":"eA=="}`)); got != "" {
				t.Errorf("Encrypt: %s", got)
			}
			if got := refusal(r.as(t, &c, nobody, "ListKeys", `{}`)); got != "" {
				t.Errorf("ListKeys: %s", got)
			}
			if mode == operation.LogOnly && (len(logged) != 2 || !strings.Contains(logged[0], "no identity-based policy allows the kms:Encrypt action")) || mode == operation.Off && len(logged) != 0 {
				t.Errorf("logged %q", logged)
			}
			if mode == operation.Off {
				if got := refusal(r.as(t, &c, person(t, elsewhere, "u", allow("*", "*")), "DescribeKey", `{"KeyId":"`+key+`"}`)); !strings.HasPrefix(got, "AccessDeniedException") {
					t.Errorf("another account's key: %s", got)
				}
				if len(c.Decisions()) != 0 {
					t.Error("there are decisions")
				}
			}
			if err := r.as(t, &c, nobody, "DescribeKey", `{"KeyId":"alias/aws/ebs"}`); err != nil {
				t.Fatal(err)
			}
			managed := c.Key.Snapshot.ARN
			if got := refusal(r.as(t, &c, nobody, "ScheduleKeyDeletion", `{"KeyId":"`+managed+`"}`)); !strings.Contains(got, "no resource-based policy allows the kms:ScheduleKeyDeletion action") {
				t.Errorf("an AWS managed key: %s", got)
			}
			lock := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + home + `:root"},"Action":"kms:*","Resource":"*"}]}`
			if got := refusal(r.as(t, &c, nobody, "PutKeyPolicy", `{"KeyId":"`+key+`","Policy":`+quoted(lock)+`}`)); got != "" {
				t.Errorf("PutKeyPolicy: %s", got)
			}
		})
	}
}

// TestLockoutAsks decides for the caller itself: its identity policies count where the new policy leaves it to them.
func TestLockoutAsks(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const lockedOut = "MalformedPolicyDocumentException: The new key policy will not allow you to update the key policy in the future."
	policy := func(principal string) string {
		return quoted(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + principal + `"},"Action":"kms:*","Resource":"*"}]}`)
	}
	root, self := "arn:aws:iam::"+home+":root", "arn:aws:iam::"+home+":user/u"
	full, maker := person(t, home, "u", allow("kms:*", "*")), person(t, home, "u", allow("kms:CreateKey", "*"), allow("kms:ReplicateKey", "*"))
	multi := r.create(t, `{"MultiRegion":true}`)
	var c operation.Call
	for _, k := range []struct {
		who        *identity.Principal
		name, body string
		want       string
	}{
		{full, "CreateKey", `{"Policy":` + policy(root) + `}`, ""},
		{maker, "CreateKey", `{"Policy":` + policy(root) + `}`, lockedOut},
		{maker, "CreateKey", `{"Policy":` + policy(root) + `,"BypassPolicyLockoutSafetyCheck":true}`, ""},
		{maker, "CreateKey", `{"Policy":` + policy(self) + `}`, ""},
		{full, "CreateKey", `{"Policy":` + policy("arn:aws:iam::"+home+":user/v") + `}`, lockedOut},
		{maker, "ReplicateKey", `{"KeyId":"` + multi + `","ReplicaRegion":"eu-west-1","Policy":` + policy(root) + `}`, lockedOut},
		{maker, "ReplicateKey", `{"KeyId":"` + multi + `","ReplicaRegion":"eu-west-1","Policy":` + policy(self) + `}`, ""},
	} {
		if got := refusal(r.as(t, &c, k.who, k.name, k.body)); got != k.want {
			t.Errorf("%s %s: %q, want %q", k.name, k.body, got, k.want)
		}
	}
}

// TestStrictPrincipals: where principals have to be known, policies and grants may name no others.
func TestStrictPrincipals(t *testing.T) {
	t.Parallel()
	known := map[string]bool{"arn:aws:iam::" + home + ":root": true, "arn:aws:iam::" + home + ":role/known": true, elsewhere: true}
	r := newRigWith(t, operation.Options{Principals: operation.Principals{Accepts: func(_ string, p authz.Principal) bool { return p.Name == "*" || known[p.Name] }}})
	id := r.create(t, `{}`)
	var c operation.Call
	for principal, good := range map[string]bool{
		"arn:aws:iam::" + home + ":role/known": true, "arn:aws:iam::" + home + ":role/unknown": false, elsewhere: true, "999988887777": false, "*": true,
	} {
		policy := quoted(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":["arn:aws:iam::` + home + `:root","` + principal + `"]},"Action":"kms:*","Resource":"*"}]}`)
		want := "MalformedPolicyDocumentException: Policy contains a statement with one or more invalid principals."
		if good {
			want = ""
		}
		if got := refusal(r.run(t, &c, "PutKeyPolicy", `{"KeyId":"`+id+`","Policy":`+policy+`}`)); got != want {
			t.Errorf("policy for %s: %q", principal, got)
		}
	}
	for principal, want := range map[string]string{"known": "", "unknown": "InvalidArnException: ARN does not refer to a valid principal"} {
		body := `{"KeyId":"` + id + `","GranteePrincipal":"arn:aws:iam::` + home + `:role/` + principal + `","Operations":["Encrypt"]}`
		if got := refusal(r.run(t, &c, "CreateGrant", body)); got != want {
			t.Errorf("grant to %s: %q", principal, got)
		}
	}
}

// quoted is a document as a JSON string.
func quoted(document string) string { return `"` + strings.ReplaceAll(document, `"`, `\"`) + `"` }
