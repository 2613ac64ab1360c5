package conformance_test

import (
	"testing"
	"time"

	"trent/fastpath/identity"
	"trent/fastpath/servertest"
)

// TestWhatCallersMayLearn: of keys and ciphertexts that are not there, or not theirs.
func TestWhatCallersMayLearn(t *testing.T) {
	t.Parallel()
	ownServer(t)
	home := identity.DefaultAccount
	s := servertest.Start(t, servertest.Options{TestClock: true, Credentials: []identity.Credential{
		user(t, home, "all", allowing("kms:*")), user(t, home, "none"), user(t, home, "denied", denying("kms:DescribeKey")),
		user(t, home, "one", statements(`{"Effect":"Allow","Action":"kms:*","Resource":"`+keyARN(home, absentID)+`"}`)),
		user(t, otherAccount, "all", allowing("kms:*")),
	}})
	g := newStage(t, s, "")
	deleted := made(t, s.Call(t, "CreateKey", "{}"), "KeyMetadata", "KeyId")
	lost := made(t, s.Call(t, "Encrypt", `{"KeyId":"`+deleted+`","Plaintext":"eA=="}`), "CiphertextBlob")
	if a := s.Call(t, "ScheduleKeyDeletion", `{"KeyId":"`+deleted+`","PendingWindowInDays":7}`); a.Status != 200 {
		t.Fatal(a.Body)
	}
	s.Advance(t, 8*24*time.Hour)
	elsewhere := servertest.For("CreateKey", "{}")
	elsewhere.Region = "eu-west-1"
	distant := servertest.For("Encrypt", `{"KeyId":"`+made(t, s.Do(t, elsewhere), "KeyMetadata", "KeyId")+`","Plaintext":"eA=="}`)
	distant.Region = "eu-west-1"
	remote := made(t, s.Do(t, distant), "CiphertextBlob")

	absent, absentAlias := keyARN(home, absentID), "arn:aws:kms:us-east-1:"+home+":alias/absent"
	foreign, foreignAlias := keyARN(otherAccount, absentID), "arn:aws:kms:us-east-1:"+otherAccount+":alias/absent"
	notThere := "Key '" + absent + "' does not exist"
	for _, c := range []struct {
		name, account, user, operation string
		body                           object
		code, text                     string // empty code: AccessDeniedException
	}{
		{"absent key, allowed", home, "all", "DescribeKey", object{"KeyId": absentID}, "NotFoundException", notThere},
		{"absent key, allowed on it", home, "one", "DescribeKey", object{"KeyId": absentID}, "NotFoundException", notThere},
		{"absent key, not allowed", home, "none", "DescribeKey", object{"KeyId": absentID}, "", notOnThis(userARN(home, "none"), "DescribeKey")},
		{"absent key, denied", home, "denied", "DescribeKey", object{"KeyId": absent}, "", notOnThis(userARN(home, "denied"), "DescribeKey")},
		{"absent key, another operation", home, "none", "ScheduleKeyDeletion", object{"KeyId": absent}, "", notOnThis(userARN(home, "none"), "ScheduleKeyDeletion")},
		{"deleted key, allowed", home, "all", "Encrypt", object{"KeyId": deleted, "Plaintext": "eA=="}, "NotFoundException", "Key '" + keyARN(home, deleted) + "' does not exist"},
		{"absent alias, allowed", home, "all", "Encrypt", object{"KeyId": "alias/absent", "Plaintext": "eA=="}, "NotFoundException", "Alias " + absentAlias + " is not found."},
		{"absent alias, not allowed", home, "none", "Encrypt", object{"KeyId": absentAlias, "Plaintext": "eA=="}, "NotFoundException", "Alias " + absentAlias + " is not found."},
		{"predefined alias without a key, not allowed", home, "none", "DescribeKey", object{"KeyId": "alias/aws/sns"}, "NotFoundException", "Alias arn:aws:kms:us-east-1:" + home + ":alias/aws/sns is not found."},
		{"alias to delete is absent, allowed", home, "all", "DeleteAlias", object{"AliasName": "alias/absent"}, "NotFoundException", "Alias " + absentAlias + " is not found."},
		{"alias to delete is absent, not allowed", home, "none", "DeleteAlias", object{"AliasName": "alias/absent"}, "", noIdentityPolicy(userARN(home, "none"), "DeleteAlias", absentAlias)},
		{"foreign key, there", otherAccount, "all", "DescribeKey", object{"KeyId": g.symmetric}, "", notOnThis(userARN(otherAccount, "all"), "DescribeKey")},
		{"foreign key, not there", home, "all", "DescribeKey", object{"KeyId": foreign}, "", notOnThis(userARN(home, "all"), "DescribeKey")},
		{"foreign alias, not there", home, "all", "DescribeKey", object{"KeyId": foreignAlias}, "", notOnThis(userARN(home, "all"), "DescribeKey")},
		{"ciphertext of a deleted key", home, "all", "Decrypt", object{"CiphertextBlob": lost}, "", ofCiphertext},
		{"ciphertext of another Region", home, "all", "Decrypt", object{"CiphertextBlob": remote}, "", ofCiphertext},
		{"ciphertext of another account", otherAccount, "all", "Decrypt", object{"CiphertextBlob": g.ciphertext}, "", ofCiphertext},
		{"ciphertext of a key that is not allowed", home, "none", "Decrypt", object{"CiphertextBlob": g.ciphertext}, "", ofCiphertext},
		{"the same with its name", home, "none", "Decrypt", object{"CiphertextBlob": g.ciphertext, "KeyId": g.symmetric}, "", noIdentityPolicy(userARN(home, "none"), "Decrypt", g.symmetric)},
		{"ReEncrypt of a deleted key's", home, "all", "ReEncrypt", object{"CiphertextBlob": lost, "DestinationKeyId": g.symmetric}, "", ofCiphertext},
		{"ReEncrypt of another account's", otherAccount, "all", "ReEncrypt", object{"CiphertextBlob": g.ciphertext, "DestinationKeyId": g.symmetric}, "", ofCiphertext},
		{"ReEncrypt of what is not allowed", home, "none", "ReEncrypt", object{"CiphertextBlob": g.ciphertext, "DestinationKeyId": g.symmetric}, "", ofCiphertext},
		{"no ciphertext", home, "none", "Decrypt", object{"CiphertextBlob": "eA=="}, "InvalidCiphertextException", ""},
		{"a ciphertext that was never issued", home, "all", "Decrypt", object{"CiphertextBlob": neverIssued(g.ciphertext)}, "InvalidCiphertextException", ""},
		{"no ciphertext, with a key that is not allowed", home, "none", "Decrypt", object{"CiphertextBlob": "eA==", "KeyId": g.symmetric}, "", noIdentityPolicy(userARN(home, "none"), "Decrypt", g.symmetric)},
		{"another key's ciphertext, not allowed", home, "none", "Decrypt", object{"CiphertextBlob": g.ciphertext, "KeyId": g.other}, "", noIdentityPolicy(userARN(home, "none"), "Decrypt", g.other)},
		{"a grant that is not there, allowed", home, "all", "RetireGrant", object{"KeyId": g.symmetric, "GrantId": long64}, "NotFoundException", "Grant '" + long64 + "' does not exist"},
		{"a grant that is not there, not allowed", home, "none", "RetireGrant", object{"KeyId": g.symmetric, "GrantId": long64}, "", noIdentityPolicy(userARN(home, "none"), "RetireGrant", g.symmetric)},
		{"a grant that is there, not allowed", home, "none", "RetireGrant", object{"KeyId": g.other, "GrantId": g.grant}, "", noIdentityPolicy(userARN(home, "none"), "RetireGrant", g.other)},
		{"a grant elsewhere", otherAccount, "all", "RetireGrant", object{"KeyId": g.other, "GrantId": g.grant}, "", notOnThis(userARN(otherAccount, "all"), "RetireGrant")},
		{"a grant elsewhere that is not there", otherAccount, "all", "RetireGrant", object{"KeyId": g.other, "GrantId": long64}, "", notOnThis(userARN(otherAccount, "all"), "RetireGrant")},
	} {
		a := as(t, s, c.account, c.user, c.operation, c.body)
		if c.code == "" {
			wantDenied(t, c.name, a, c.text)
		} else if code, text := refusalOf(t, a); code != c.code || text != c.text {
			t.Errorf("%s: %s, want %s %s", c.name, a.Body, c.code, c.text)
		}
	}
}

const long64 = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

func keyARN(account, id string) string { return "arn:aws:kms:us-east-1:" + account + ":key/" + id }

// neverIssued is a ciphertext whose material's id, which its header begins with, was changed.
func neverIssued(blob string) string { return blob[:12] + "AAAAAAAA" + blob[20:] }
