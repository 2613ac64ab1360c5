package conformance_test

import (
	"encoding/base64"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"trent/fastpath/fault"
	"trent/fastpath/identity"
	"trent/fastpath/servertest"
)

// TestOrder has requests with two faults each: the one that ranks first is answered. Where AWS is silent the
// places of the target and of grant tokens are chosen.
func TestOrder(t *testing.T) {
	t.Parallel()
	sym, mac, rsa, curve := symmetric(t), hmac256(t), rsaCrypt(t), p256(t)
	edwards, agreement := theKey(t, "ECC_NIST_EDWARDS25519", "SIGN_VERIFY", 0), theKey(t, "ECC_NIST_P256", "KEY_AGREEMENT", 0)
	kem := theKey(t, "ML_KEM_768", "ENCAPSULATE_DECAPSULATE", 0)
	disabledMAC := newKey(t, &kms.CreateKeyInput{KeySpec: "HMAC_256", KeyUsage: "GENERATE_VERIFY_MAC"})
	disabledRSA := newKey(t, &kms.CreateKeyInput{KeySpec: "ECC_NIST_P256", KeyUsage: "SIGN_VERIFY"})
	for _, k := range []key{disabledMAC, disabledRSA} {
		if _, err := at.KMS().DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: &k.id}); err != nil {
			t.Fatal(err)
		}
	}
	blob := base64.StdEncoding.EncodeToString(encrypt(t, sym.id, "x"))
	disabledSym := newSymmetric(t)
	disabledBlob := base64.StdEncoding.EncodeToString(encrypt(t, disabledSym.id, "x"))
	if _, err := at.KMS().DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: &disabledSym.id}); err != nil {
		t.Fatal(err)
	}
	foreign := "arn:aws:kms:" + at.Region + ":999988887777:key/" + absentID

	unsigned := func(target, body string) servertest.Request {
		return servertest.Request{Target: target, Body: body, Unsigned: true}
	}
	of := func(operation string, body object) servertest.Request {
		return servertest.For(operation, marshal(t, body))
	}
	for _, c := range []struct {
		name    string
		request servertest.Request
		code    string
		status  int
	}{
		{"path, then target", servertest.Request{Path: "/other", Unsigned: true}, "UnknownOperationException", 404},
		{"target, then signature", unsigned("TrentService.NoSuch", "{}"), "UnknownOperationException", 400},
		{"signature, then JSON", unsigned("TrentService.Encrypt", "{"), "MissingAuthenticationTokenException", 400},
		{"JSON types, then constraints", servertest.For("Encrypt", `{"KeyId":"","Plaintext":5}`), "SerializationException", 400},
		{"constraints, then aliases", of("EnableKey", object{"KeyId": "alias/ü"}), "ValidationException", 400},
		{"constraints, then an absent key", of("Sign", object{"KeyId": absentID, "Message": "", "SigningAlgorithm": "ECDSA_SHA_256"}), "ValidationException", 400},
		{"aliases, then the alias", of("EnableKey", object{"KeyId": "alias/absent"}), "InvalidArnException", 400},
		{"grant tokens, then authorization", of("Encrypt", object{"KeyId": foreign, "Plaintext": "eA==", "GrantTokens": []string{"x"}}), "InvalidGrantTokenException", 400},
		{"grant tokens, then an absent key", of("Encrypt", object{"KeyId": absentID, "Plaintext": "eA==", "GrantTokens": []string{"x"}}), "InvalidGrantTokenException", 400},
		{"authorization, then the key", of("Encrypt", object{"KeyId": foreign, "Plaintext": "eA=="}), "AccessDeniedException", 400},
		{"key, then KeySpec or NumberOfBytes", of("GenerateDataKey", object{"KeyId": absentID}), "NotFoundException", 400},
		{"KeySpec or NumberOfBytes, then usage", of("GenerateDataKey", object{"KeyId": mac.id}), "ValidationException", 400},
		{"usage, then state", of("Sign", object{"KeyId": disabledMAC.id, "Message": "eA==", "SigningAlgorithm": "ECDSA_SHA_256"}), "InvalidKeyUsageException", 400},
		{"state, then algorithm", of("Sign", object{"KeyId": disabledRSA.id, "Message": "eA==", "SigningAlgorithm": "ECDSA_SHA_384"}), "DisabledException", 400},
		{"algorithm, then digest", of("Sign", object{"KeyId": curve.id, "Message": "eA==", "MessageType": "DIGEST", "SigningAlgorithm": "ECDSA_SHA_384"}), "InvalidKeyUsageException", 400},
		{"algorithm, then context", of("Encrypt", object{"KeyId": rsa.id, "Plaintext": "eA==", "EncryptionContext": object{"a": "b"}}), "InvalidKeyUsageException", 400},
		{"algorithm, then message type", of("Sign", object{"KeyId": edwards.id, "Message": "eA==", "MessageType": "DIGEST", "SigningAlgorithm": "ECDSA_SHA_256"}), "InvalidKeyUsageException", 400},
		{"message type, then length", of("Sign", object{"KeyId": edwards.id, "Message": "eA==", "MessageType": "DIGEST", "SigningAlgorithm": "ED25519_SHA_512"}), "ValidationException", 400},
		{"usage, then public key", of("DeriveSharedSecret", object{"KeyId": curve.id, "KeyAgreementAlgorithm": "ECDH", "PublicKey": "eA=="}), "InvalidKeyUsageException", 400},
		{"public key, then dry run", of("DeriveSharedSecret", object{"KeyId": agreement.id, "KeyAgreementAlgorithm": "ECDH", "PublicKey": "eA==", "DryRun": true}), "ValidationException", 400},
		{"usage, then shared secret's ciphertext", of("Decapsulate", object{"KeyId": sym.id, "EncapsulationAlgorithm": "ML_KEM", "SharedSecretCiphertextBlob": "eA=="}), "InvalidKeyUsageException", 400},
		{"shared secret's ciphertext, then dry run", of("Decapsulate", object{"KeyId": kem.id, "EncapsulationAlgorithm": "ML_KEM", "SharedSecretCiphertextBlob": "eA==", "DryRun": true}), "InvalidCiphertextException", 400},
		{"digest, then signature", of("Verify", object{"KeyId": curve.id, "Message": "eA==", "MessageType": "DIGEST", "Signature": "eA==", "SigningAlgorithm": "ECDSA_SHA_256"}), "ValidationException", 400},
		{"context, then ciphertext", of("Decrypt", object{"KeyId": rsa.id, "CiphertextBlob": "eA==", "EncryptionAlgorithm": "RSAES_OAEP_SHA_256", "EncryptionContext": object{"a": "b"}}), "ValidationException", 400},
		{"state, then ciphertext", of("Decrypt", object{"CiphertextBlob": disabledBlob, "EncryptionContext": object{"a": "b"}}), "DisabledException", 400},
		{"ciphertext's key, then its state", of("Decrypt", object{"KeyId": sym.id, "CiphertextBlob": disabledBlob}), "IncorrectKeyException", 400},
		{"ciphertext, then the key named", of("Decrypt", object{"KeyId": mac.id, "CiphertextBlob": "eA=="}), "InvalidCiphertextException", 400},
		{"ciphertext, then destination", of("ReEncrypt", object{"CiphertextBlob": "eA==", "DestinationKeyId": absentID}), "InvalidCiphertextException", 400},
		{"cryptography, then dry run", of("Decrypt", object{"CiphertextBlob": blob, "EncryptionContext": object{"a": "b"}, "DryRun": true}), "InvalidCiphertextException", 400},
		{"constraints, then a grant's principal", of("CreateGrant", object{"KeyId": "alias/x", "GranteePrincipal": "?", "Operations": []string{"Sign"}}), "ValidationException", 400},
		{"key, then a grant's principal", of("CreateGrant", object{"KeyId": absentID, "GranteePrincipal": "me", "Operations": []string{"Sign"}}), "NotFoundException", 400},
		{"token, then a grant's principal", of("CreateGrant", object{"KeyId": sym.id, "GranteePrincipal": "me", "Operations": []string{"Sign"}, "GrantTokens": []string{"x"}}), "InvalidGrantTokenException", 400},
		{"principal, then operations", of("CreateGrant", object{"KeyId": sym.id, "GranteePrincipal": "me", "Operations": []string{"Sign"}}), "InvalidArnException", 400},
		{"operations, then state", of("CreateGrant", object{"KeyId": disabledSym.id, "GranteePrincipal": rootOf(at.Account), "Operations": []string{"Sign"}}), "ValidationException", 400},
		{"state, then dry run", of("CreateGrant", object{"KeyId": disabledSym.id, "GranteePrincipal": rootOf(at.Account), "Operations": []string{"Encrypt"}, "DryRun": true}), "DisabledException", 400},
		{"policy's name, then policy", of("PutKeyPolicy", object{"KeyId": sym.id, "PolicyName": "x", "Policy": "{"}), "NotFoundException", 400},
		{"signature, then dry run", of("Verify", object{"KeyId": curve.id, "Message": "eA==", "Signature": "eA==", "SigningAlgorithm": "ECDSA_SHA_256", "DryRun": true}), "KMSInvalidSignatureException", 400},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := at.Do(t, c.request)
			if code, text := refusalOf(t, a); code != c.code || a.Status != c.status {
				t.Errorf("answer %d %s %q, want %d %s", a.Status, code, text, c.status, c.code)
			}
		})
	}
}

// TestOrderOfAuthorization has requests with two faults each, of which one is that they are not allowed.
func TestOrderOfAuthorization(t *testing.T) {
	t.Parallel()
	ownServer(t)
	home := identity.DefaultAccount
	s := servertest.Start(t, servertest.Options{
		Credentials: []identity.Credential{user(t, home, "none"), user(t, home, "all", allowing("kms:*"))},
		Faults:      []fault.Rule{{Operation: "GenerateMac", Error: "KeyUnavailableException"}},
	})
	g := newStageWithoutMac(t, s)
	off := made(t, s.Call(t, "CreateKey", "{}"), "KeyMetadata", "Arn")
	if a := s.Call(t, "DisableKey", `{"KeyId":"`+off+`"}`); a.Status != 200 {
		t.Fatal(a.Body)
	}
	token := made(t, s.Call(t, "CreateGrant", marshal(t, object{"KeyId": g.other, "GranteePrincipal": rootOf(home), "Operations": []string{"Encrypt"}})), "GrantToken")
	recipient := object{"KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256", "AttestationDocument": "eA=="}
	for _, c := range []struct {
		name, operation string
		body            object
		none, all       string // what both users are told
	}{
		{"constraints, then authorization", "Encrypt", object{"KeyId": "", "Plaintext": "eA=="}, "ValidationException", "ValidationException"},
		{"aliases, then authorization", "EnableKey", object{"KeyId": "alias/x"}, "InvalidArnException", "InvalidArnException"},
		{"the key's name, then authorization", "Encrypt", object{"KeyId": "x", "Plaintext": "eA=="}, "NotFoundException", "NotFoundException"},
		{"ciphertext, then authorization", "Decrypt", object{"CiphertextBlob": "eA=="}, "InvalidCiphertextException", "InvalidCiphertextException"},
		{"token's form, then authorization", "Encrypt", object{"KeyId": g.symmetric, "Plaintext": "eA==", "GrantTokens": []string{"x"}}, "InvalidGrantTokenException", "InvalidGrantTokenException"},
		{"authorization, then the token's key", "Encrypt", object{"KeyId": g.symmetric, "Plaintext": "eA==", "GrantTokens": []string{token}}, "AccessDeniedException", "InvalidGrantTokenException"},
		{"authorization, then the key", "Encrypt", object{"KeyId": absentID, "Plaintext": "eA=="}, "AccessDeniedException", "NotFoundException"},
		{"authorization, then fault rules", "GenerateMac", object{"KeyId": g.mac, "Message": "eA==", "MacAlgorithm": "HMAC_SHA_256"}, "AccessDeniedException", "KeyUnavailableException"},
		{"authorization, then KeySpec or NumberOfBytes", "GenerateDataKey", object{"KeyId": g.symmetric}, "AccessDeniedException", "ValidationException"},
		{"authorization, then NumberOfBytes", "GenerateRandom", object{}, "AccessDeniedException", "ValidationException"},
		{"authorization, then usage", "Sign", object{"KeyId": g.symmetric, "Message": "eA==", "SigningAlgorithm": "ECDSA_SHA_256"}, "AccessDeniedException", "InvalidKeyUsageException"},
		{"authorization, then state", "Encrypt", object{"KeyId": off, "Plaintext": "eA=="}, "AccessDeniedException", "DisabledException"},
		{"authorization, then the other key's ciphertext", "Decrypt", object{"KeyId": g.other, "CiphertextBlob": g.ciphertext}, "AccessDeniedException", "IncorrectKeyException"},
		{"authorization, then Recipient", "GenerateRandom", object{"NumberOfBytes": 8, "Recipient": recipient}, "AccessDeniedException", "ValidationException"},
		{"authorization, then Recipient of Decrypt", "Decrypt", object{"CiphertextBlob": g.ciphertext, "Recipient": recipient}, "AccessDeniedException", "ValidationException"},
		{"authorization, then dry run", "Encrypt", object{"KeyId": g.symmetric, "Plaintext": "eA==", "DryRun": true}, "AccessDeniedException", "DryRunOperationException"},
		{"authorization, then the policy", "PutKeyPolicy", object{"KeyId": g.symmetric, "Policy": "{"}, "AccessDeniedException", "MalformedPolicyDocumentException"},
		{"authorization, then tags", "CreateKey", object{"Tags": []object{{"TagKey": "aws:x", "TagValue": "x"}}}, "AccessDeniedException", "TagException"},
		{"authorization, then the grant's principal", "CreateGrant", object{"KeyId": g.symmetric, "GranteePrincipal": "me", "Operations": []string{"Sign"}}, "AccessDeniedException", "InvalidArnException"},
		{"authorization, then the marker", "ListKeys", object{"Marker": "x"}, "AccessDeniedException", "InvalidMarkerException"},
		{"the alias's name, then authorization", "CreateAlias", object{"AliasName": "x", "TargetKeyId": g.symmetric}, "ValidationException", "ValidationException"},
	} {
		for user, want := range map[string]string{"none": c.none, "all": c.all} {
			a := as(t, s, home, user, c.operation, c.body)
			if code, _ := refusalOf(t, a); code != want {
				t.Errorf("%s, user %s: %s, want %s", c.name, user, a.Body, want)
			}
		}
	}
}

// newStageWithoutMac is a stage on a server whose GenerateMac fails.
func newStageWithoutMac(t *testing.T, s *servertest.Server) *stage {
	t.Helper()
	g := &stage{server: s}
	arn := func(body string) string { return made(t, s.Call(t, "CreateKey", body), "KeyMetadata", "Arn") }
	g.symmetric, g.other, g.mac = arn("{}"), arn("{}"), arn(`{"KeySpec":"HMAC_256","KeyUsage":"GENERATE_VERIFY_MAC"}`)
	g.ciphertext = made(t, s.Call(t, "Encrypt", `{"KeyId":"`+g.symmetric+`","Plaintext":"eA=="}`), "CiphertextBlob")
	return g
}

// TestDryRunChangesNothing: not even a data key is shown.
func TestDryRunChangesNothing(t *testing.T) {
	t.Parallel()
	k := symmetric(t)
	a := call(t, "GenerateDataKey", object{"KeyId": k.id, "KeySpec": "AES_256", "DryRun": true})
	if a.Body != `{"__type":"DryRunOperationException","message":"The request would have succeeded, but the DryRun option is set."}` {
		t.Errorf("answer %s", a.Body)
	}
	out, err := at.KMS().GenerateDataKey(t.Context(), &kms.GenerateDataKeyInput{KeyId: &k.id, KeySpec: "AES_256", DryRun: aws.Bool(false)})
	if err != nil || len(out.Plaintext) != 32 {
		t.Errorf("DryRun false: %v, %v", out, err)
	}
}

// TestNothingWithoutSignature: what an unauthenticated caller can ask is answered alike for all keys.
func TestNothingWithoutSignature(t *testing.T) {
	t.Parallel()
	k := symmetric(t)
	var answers []string
	for _, body := range []object{{"KeyId": k.id}, {"KeyId": absentID}, {"KeyId": 5}, {}} {
		for _, r := range []servertest.Request{{Unsigned: true}, {Secret: "wrong"}, {AccessKeyID: "AKIDNOBODY"}} {
			r.Target, r.Body = "TrentService.DescribeKey", marshal(t, body)
			a := at.Do(t, r)
			if a.Status != http.StatusBadRequest {
				t.Errorf("answer %d %s", a.Status, a.Body)
			}
			answers = append(answers, a.Body)
		}
	}
	for i := 3; i < len(answers); i++ {
		if answers[i] != answers[i%3] {
			t.Errorf("%s for one body, %s for another", answers[i%3], answers[i])
		}
	}
}
