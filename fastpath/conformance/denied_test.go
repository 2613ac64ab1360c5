package conformance_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"trent/fastpath/identity"
	"trent/fastpath/operation"
	"trent/fastpath/servertest"
)

// stage is what the requests of allOperations work on, all of the server's own account.
type stage struct {
	server                                     *servertest.Server
	symmetric, other, mac, sign, agree, kem    string // key ARNs
	primary, imported                          string
	ciphertext, signature, code, encapsulation string
	public, grant                              string
}

// made reads a member of an answer, which must be a success.
func made(t testing.TB, a servertest.Answer, path ...string) string {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(a.Body), &v); err != nil || a.Status != 200 {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	for _, member := range path {
		v = v.(map[string]any)[member]
	}
	s, _ := v.(string)
	return s
}

// newStage makes the keys as the root user. policy is theirs; empty: the default one.
func newStage(t testing.TB, s *servertest.Server, policy string) *stage {
	t.Helper()
	create := func(body object) string {
		if policy != "" {
			body["Policy"] = policy
		}
		return made(t, s.Call(t, "CreateKey", marshal(t, body)), "KeyMetadata", "Arn")
	}
	g := &stage{
		server: s, symmetric: create(object{}), other: create(object{}), mac: create(object{"KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC"}),
		sign:  create(object{"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"}),
		agree: create(object{"KeySpec": "ECC_NIST_P256", "KeyUsage": "KEY_AGREEMENT"}), kem: create(object{"KeySpec": "ML_KEM_512", "KeyUsage": "ENCAPSULATE_DECAPSULATE"}),
		primary: create(object{"MultiRegion": true}), imported: create(object{"Origin": "EXTERNAL"}),
	}
	run := func(operation string, body object, path ...string) string {
		return made(t, s.Call(t, operation, marshal(t, body)), path...)
	}
	g.ciphertext = run("Encrypt", object{"KeyId": g.symmetric, "Plaintext": "eA=="}, "CiphertextBlob")
	g.signature = run("Sign", object{"KeyId": g.sign, "Message": "eA==", "SigningAlgorithm": "ECDSA_SHA_256"}, "Signature")
	g.code = run("GenerateMac", object{"KeyId": g.mac, "Message": "eA==", "MacAlgorithm": "HMAC_SHA_256"}, "Mac")
	g.encapsulation = run("Encapsulate", object{"KeyId": g.kem, "EncapsulationAlgorithm": "ML_KEM"}, "SharedSecretCiphertextBlob")
	g.public = run("GetPublicKey", object{"KeyId": g.agree}, "PublicKey")
	g.grant = run("CreateGrant", object{"KeyId": g.other, "GranteePrincipal": rootOf(s.Account), "Operations": []string{"Encrypt"}}, "GrantId")
	return g
}

// request is a request of an operation that succeeds for who may make it, or fails after authorization; and the key that it
// works on, empty for none.
func (g *stage) request(operation string) (body object, key string) {
	on := func(key string, more object) (object, string) {
		b := object{"KeyId": key}
		for k, v := range more {
			b[k] = v
		}
		return b, key
	}
	switch operation {
	case "Encrypt":
		return on(g.symmetric, object{"Plaintext": "eA=="})
	case "Decrypt":
		return on(g.symmetric, object{"CiphertextBlob": g.ciphertext})
	case "ReEncrypt":
		return object{"SourceKeyId": g.symmetric, "CiphertextBlob": g.ciphertext, "DestinationKeyId": g.symmetric}, g.symmetric
	case "GenerateDataKey", "GenerateDataKeyWithoutPlaintext":
		return on(g.symmetric, object{"KeySpec": "AES_256"})
	case "GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext":
		return on(g.symmetric, object{"KeyPairSpec": "ECC_NIST_P256"})
	case "Sign":
		return on(g.sign, object{"Message": "eA==", "SigningAlgorithm": "ECDSA_SHA_256"})
	case "Verify":
		return on(g.sign, object{"Message": "eA==", "SigningAlgorithm": "ECDSA_SHA_256", "Signature": g.signature})
	case "GenerateMac":
		return on(g.mac, object{"Message": "eA==", "MacAlgorithm": "HMAC_SHA_256"})
	case "VerifyMac":
		return on(g.mac, object{"Message": "eA==", "MacAlgorithm": "HMAC_SHA_256", "Mac": g.code})
	case "DeriveSharedSecret":
		return on(g.agree, object{"KeyAgreementAlgorithm": "ECDH", "PublicKey": g.public})
	case "Encapsulate":
		return on(g.kem, object{"EncapsulationAlgorithm": "ML_KEM"})
	case "Decapsulate":
		return on(g.kem, object{"EncapsulationAlgorithm": "ML_KEM", "SharedSecretCiphertextBlob": g.encapsulation})
	case "GetPublicKey":
		return on(g.sign, nil)
	case "GenerateRandom":
		return object{"NumberOfBytes": 8}, ""
	case "CreateGrant":
		return on(g.symmetric, object{"GranteePrincipal": rootOf(g.server.Account), "Operations": []string{"Encrypt"}})
	case "ListRetirableGrants":
		return object{"RetiringPrincipal": rootOf(g.server.Account)}, ""
	case "RetireGrant", "RevokeGrant":
		return on(g.other, object{"GrantId": g.grant, "DryRun": true})
	case "CreateKey", "ListKeys", "ListAliases", "DescribeCustomKeyStores":
		return object{}, ""
	case "CreateCustomKeyStore":
		return object{"CustomKeyStoreName": "x"}, ""
	case "ConnectCustomKeyStore", "DisconnectCustomKeyStore", "UpdateCustomKeyStore", "DeleteCustomKeyStore":
		return object{"CustomKeyStoreId": "cks-1234567890abcdef0"}, ""
	case "CreateAlias", "UpdateAlias":
		return object{"AliasName": "alias/x", "TargetKeyId": g.symmetric}, g.symmetric
	case "DeleteAlias":
		return object{"AliasName": "alias/x"}, g.symmetric
	case "PutKeyPolicy":
		return on(g.symmetric, object{"Policy": "{"})
	case "TagResource":
		return on(g.symmetric, object{"Tags": []object{{"TagKey": "a", "TagValue": "b"}}})
	case "UntagResource":
		return on(g.symmetric, object{"TagKeys": []string{"a"}})
	case "UpdateKeyDescription":
		return on(g.symmetric, object{"Description": "x"})
	case "ScheduleKeyDeletion":
		return on(g.symmetric, object{"PendingWindowInDays": 5})
	case "GetParametersForImport":
		return on(g.imported, object{"WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_2048"})
	case "ImportKeyMaterial":
		return on(g.imported, object{"ImportToken": "eA==", "EncryptedKeyMaterial": "eA==", "ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE"})
	case "DeleteImportedKeyMaterial":
		return on(g.imported, nil)
	case "ReplicateKey":
		return on(g.primary, object{"ReplicaRegion": "mars-north-1"})
	case "UpdatePrimaryRegion":
		return on(g.primary, object{"PrimaryRegion": g.server.Region})
	}
	return on(g.symmetric, nil) // all others need their key alone
}

// TestDeniedPaths: each operation is denied to a user who lacks exactly its permission, in the service's words, and is not
// to one who has nothing else.
func TestDeniedPaths(t *testing.T) {
	t.Parallel()
	ownServer(t)
	var users []identity.Credential
	account := identity.DefaultAccount
	for _, row := range operation.Rows() {
		var actions []string
		for i, p := range row.Permissions {
			actions = append(actions, p.Action)
			users = append(users, user(t, account, "lacks-"+row.Name+string(rune('0'+i)), allBut(p.Action)))
		}
		users = append(users, user(t, account, "only-"+row.Name, allowing(actions...)),
			user(t, account, "denied-"+row.Name, denying(actions...)), user(t, account, "none-"+row.Name))
	}
	s := servertest.Start(t, servertest.Options{Credentials: users, KeyPool: nil})
	g := newStage(t, s, "")
	for _, row := range operation.Rows() {
		body, key := g.request(row.Name)
		for i, p := range row.Permissions {
			if p.Conditional {
				continue
			}
			name := "lacks-" + row.Name + string(rune('0'+i))
			who := userARN(account, name)
			action := strings.TrimPrefix(p.Action, "kms:")
			text := noIdentityPolicy(who, action, key)
			switch {
			case strings.HasPrefix(p.On, "*"):
				text = noIdentityPolicy(who, action, "*")
			case strings.HasSuffix(row.Name, "Alias"):
				text = noIdentityPolicy(who, action, "arn:aws:kms:us-east-1:"+account+":alias/x") // the alias comes first
			case p.On == "other key":
				continue // there is none here
			}
			wantDenied(t, row.Name+" without "+p.Action, as(t, s, account, name, row.Name, body), text)
		}
		if a := as(t, s, account, "only-"+row.Name, row.Name, body); denied(a) || a.Status >= 500 {
			t.Errorf("%s with its permissions alone: %d %s", row.Name, a.Status, a.Body)
		}
		if a := as(t, s, account, "denied-"+row.Name, row.Name, body); !denied(a) || !strings.Contains(a.Body, " with an explicit deny in an identity-based policy\"") {
			t.Errorf("%s, denied: %d %s", row.Name, a.Status, a.Body)
		}
		if a := as(t, s, account, "none-"+row.Name, row.Name, body); !denied(a) {
			t.Errorf("%s without any policy: %d %s", row.Name, a.Status, a.Body)
		}
	}
	if a := s.Call(t, "ListKeys", "{}"); strings.Count(a.Body, "KeyArn") != 8+1 {
		t.Errorf("denied requests changed something: %s", a.Body)
	}
}

// TestDeniedByKeyPolicy: what a key policy does not leave to identity policies they cannot give.
func TestDeniedByKeyPolicy(t *testing.T) {
	t.Parallel()
	ownServer(t)
	account := identity.DefaultAccount
	all := user(t, account, "all", allowing("*"))
	s := servertest.Start(t, servertest.Options{Credentials: []identity.Credential{all}})
	g := newStage(t, s, statements(`{"Effect":"Allow","Principal":{"AWS":"`+rootOf(account)+`"},"Action":"kms:*","Resource":"*","Condition":{"ArnNotEquals":{"aws:PrincipalArn":"`+userARN(account, "all")+`"}}}`))
	who := userARN(account, "all")
	if a := s.Call(t, "CreateAlias", `{"AliasName":"alias/x","TargetKeyId":"`+g.symmetric+`"}`); a.Status != 200 {
		t.Fatal(a.Body)
	}
	for _, row := range operation.Rows() {
		body, key := g.request(row.Name)
		byKey := slices.IndexFunc(row.Permissions, func(p operation.Permission) bool { return p.On == "key" || p.On == "other key" })
		if byKey < 0 {
			if row.Name != "RetireGrant" && denied(as(t, s, account, "all", row.Name, body)) {
				t.Errorf("%s is denied", row.Name)
			}
			continue
		}
		action := strings.TrimPrefix(row.Permissions[byKey].Action, "kms:")
		wantDenied(t, row.Name, as(t, s, account, "all", row.Name, body), noResourcePolicy(who, action, key))
	}
}
