package conformance_test

import (
	"slices"
	"strings"
	"testing"

	"trent/fastpath/identity"
	"trent/fastpath/operation"
	"trent/fastpath/servertest"
)

// sharedWith is a key policy that lets its own account and another principal do everything.
func sharedWith(account, principal string) string {
	return statements(`{"Effect":"Allow","Principal":{"AWS":["` + rootOf(account) + `","` + principal + `"]},"Action":"kms:*","Resource":"*"}`)
}

// inKey tells whether an operation needs a permission on a key and on no alias.
func inKey(row operation.Row) bool {
	return row.Permissions[0].On == "key"
}

// TestAcrossAccounts: a key of one account can be used from another one only where both sides allow it, and only by the
// operations that work across accounts.
func TestAcrossAccounts(t *testing.T) {
	t.Parallel()
	ownServer(t)
	home := identity.DefaultAccount
	s := servertest.Start(t, servertest.Options{Credentials: []identity.Credential{
		user(t, otherAccount, "all", allowing("kms:*")), user(t, otherAccount, "none"), user(t, otherAccount, "denied", denying("kms:*")),
	}})
	shared, closed := newStage(t, s, sharedWith(home, rootOf(otherAccount))), newStage(t, s, "")
	named := newStage(t, s, sharedWith(home, userARN(otherAccount, "none")))
	for _, row := range operation.Rows() {
		if !inKey(row) {
			continue
		}
		for _, c := range []struct {
			name  string
			stage *stage
			user  string
			both  bool
		}{
			{"both allow", shared, "all", true},
			{"the identity policy does not", shared, "none", false},
			{"the identity policy denies", shared, "denied", false},
			{"the key policy does not", closed, "all", false},
			{"neither does", closed, "none", false},
			{"the key policy names the user, the identity policy does not", named, "none", false},
		} {
			body, _ := c.stage.request(row.Name)
			a := as(t, s, otherAccount, c.user, row.Name, body)
			if c.both && row.CrossAccount {
				if denied(a) || a.Status >= 500 {
					t.Errorf("%s, %s: %d %s", row.Name, c.name, a.Status, a.Body)
				}
				continue
			}
			wantDenied(t, row.Name+", "+c.name, a, notOnThis(userARN(otherAccount, c.user), strings.TrimPrefix(row.Permissions[0].Action, "kms:")))
		}
	}
	// What takes a key beside what it is about.
	for operation, body := range map[string]object{
		"CreateAlias": {"AliasName": "alias/x", "TargetKeyId": shared.symmetric},
		"ListAliases": {"KeyId": shared.symmetric},
	} {
		wantDenied(t, operation, as(t, s, otherAccount, "all", operation, body), notOnThis(userARN(otherAccount, "all"), operation))
	}
	for _, key := range []string{shared.symmetric, shared.primary} {
		if a := s.Call(t, "DescribeKey", `{"KeyId":"`+key+`"}`); !strings.Contains(a.Body, `"KeyState":"Enabled"`) || !strings.Contains(a.Body, `"Description":""`) {
			t.Errorf("changed from elsewhere: %s", a.Body)
		}
	}
}

// TestAnswersAcrossAccounts: what is shown to the other side, and what it leaves behind.
func TestAnswersAcrossAccounts(t *testing.T) {
	t.Parallel()
	ownServer(t)
	home := identity.DefaultAccount
	s := servertest.Start(t, servertest.Options{Credentials: []identity.Credential{user(t, otherAccount, "all", allowing("kms:*"))}})
	g := newStage(t, s, sharedWith(home, rootOf(otherAccount)))
	there := func(operation string, body object) servertest.Answer {
		t.Helper()
		return as(t, s, otherAccount, "all", operation, body)
	}
	if a := s.Call(t, "CreateAlias", `{"AliasName":"alias/shared","TargetKeyId":"`+g.symmetric+`"}`); a.Status != 200 {
		t.Fatal(a.Body)
	}
	alias := "arn:aws:kms:us-east-1:" + home + ":alias/shared"
	_, id, _ := strings.Cut(g.symmetric, "key/")
	if got := made(t, there("DescribeKey", object{"KeyId": alias}), "KeyMetadata", "AWSAccountId"); got != home {
		t.Errorf("AWSAccountId %s", got)
	}
	blob := made(t, there("Encrypt", object{"KeyId": alias, "Plaintext": "eHg="}), "CiphertextBlob")
	a := there("Decrypt", object{"CiphertextBlob": blob})
	if made(t, a, "Plaintext") != "eHg=" || made(t, a, "KeyId") != g.symmetric {
		t.Errorf("Decrypt without KeyId: %s", a.Body)
	}
	a = there("ReEncrypt", object{"CiphertextBlob": blob, "DestinationKeyId": g.other})
	if made(t, a, "SourceKeyId") != g.symmetric || made(t, a, "KeyId") != g.other {
		t.Errorf("ReEncrypt: %s", a.Body)
	}
	if a := there("GetKeyRotationStatus", object{"KeyId": g.symmetric}); made(t, a, "KeyId") != id {
		t.Errorf("GetKeyRotationStatus: %s", a.Body)
	}
	// A bare id or alias name is of the caller's own account.
	wantRefusal(t, there("DescribeKey", object{"KeyId": id}), "NotFoundException", "Key 'arn:aws:kms:us-east-1:"+otherAccount+":key/"+id+"' does not exist")
	wantRefusal(t, there("DescribeKey", object{"KeyId": "alias/shared"}), "NotFoundException", "Alias arn:aws:kms:us-east-1:"+otherAccount+":alias/shared is not found.")

	grant := made(t, there("CreateGrant", object{"KeyId": g.symmetric, "GranteePrincipal": userARN(otherAccount, "eve"), "Operations": []string{"Encrypt"}}), "GrantId")
	for _, who := range []servertest.Answer{there("ListGrants", object{"KeyId": g.symmetric}), s.Call(t, "ListGrants", `{"KeyId":"`+g.symmetric+`"}`)} {
		if !strings.Contains(who.Body, `"IssuingAccount":"`+rootOf(otherAccount)+`"`) || !strings.Contains(who.Body, `"KeyId":"`+g.symmetric+`"`) {
			t.Errorf("ListGrants: %s", who.Body)
		}
	}
	if a := there("RevokeGrant", object{"KeyId": g.symmetric, "GrantId": grant}); a.Status != 200 {
		t.Errorf("RevokeGrant: %s", a.Body)
	}
	grant = made(t, there("CreateGrant", object{"KeyId": g.symmetric, "GranteePrincipal": userARN(home, "eve"), "Operations": []string{"Encrypt"}}), "GrantId")
	if a := there("RetireGrant", object{"KeyId": g.symmetric, "GrantId": grant}); a.Status != 200 {
		t.Errorf("RetireGrant by the account that made it: %s", a.Body)
	}
}

// TestGrantsAcrossAccounts: a grant is enough by itself, for the operations that it lists and no others.
func TestGrantsAcrossAccounts(t *testing.T) {
	t.Parallel()
	ownServer(t)
	s := servertest.Start(t, servertest.Options{Credentials: []identity.Credential{
		user(t, otherAccount, "none"), user(t, otherAccount, "some"), user(t, otherAccount, "denied", denying("kms:*")),
		session(t, otherAccount, "worker"), session(t, otherAccount, "idle"),
	}})
	g := newStage(t, s, "")
	worker := "arn:aws:iam::" + otherAccount + ":role/path/worker"
	granted := map[string][]string{
		g.symmetric: {"Encrypt", "Decrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext", "ReEncryptFrom", "ReEncryptTo", "CreateGrant", "DescribeKey"},
		g.sign:      {"Sign", "Verify", "GetPublicKey"}, g.mac: {"GenerateMac", "VerifyMac"}, g.agree: {"DeriveSharedSecret"}, g.kem: {"Encapsulate", "Decapsulate"},
	}
	for key, operations := range granted {
		for _, grantee := range []string{userARN(otherAccount, "none"), userARN(otherAccount, "denied"), worker} {
			made(t, s.Call(t, "CreateGrant", marshal(t, object{"KeyId": key, "GranteePrincipal": grantee, "Operations": operations})), "GrantId")
		}
	}
	made(t, s.Call(t, "CreateGrant", marshal(t, object{"KeyId": g.symmetric, "GranteePrincipal": userARN(otherAccount, "some"), "Operations": []string{"Decrypt"}})), "GrantId")
	for _, row := range operation.Rows() {
		if !inKey(row) || !row.CrossAccount {
			continue
		}
		body, key := g.request(row.Name)
		all := !slices.ContainsFunc(row.Permissions, func(p operation.Permission) bool {
			return !slices.Contains(granted[key], strings.TrimPrefix(p.Action, "kms:"))
		})
		for _, name := range []string{"none", "worker"} {
			if a := as(t, s, otherAccount, name, row.Name, body); denied(a) == all || a.Status >= 500 {
				t.Errorf("%s as %s: %d %s", row.Name, name, a.Status, a.Body)
			}
		}
		for _, name := range []string{"denied", "idle"} {
			if a := as(t, s, otherAccount, name, row.Name, body); !denied(a) {
				t.Errorf("%s as %s: %d %s", row.Name, name, a.Status, a.Body)
			}
		}
		if a := as(t, s, otherAccount, "some", row.Name, body); denied(a) == (row.Name == "Decrypt") {
			t.Errorf("%s with a grant to Decrypt: %d %s", row.Name, a.Status, a.Body)
		}
	}
}
