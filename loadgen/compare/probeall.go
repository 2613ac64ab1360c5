package compare

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"trent/results"
)

// step is a probe of one operation. Words in ${…} stand for what earlier steps gave.
type step struct {
	operation string
	body      string
	keep      string // member of the answer to remember, as member=name
	// typed: valid input is not to be had here (an imported key's wrapped material, a key store's hardware), so any error of the
	// API's own proves that the operation is there.
	typed bool
}

// keysOfAll are the kinds of keys that probes of the whole API want, by the name that steps call them.
var keysOfAll = []struct {
	name     string
	settings map[string]any
}{
	{"key", map[string]any{}},
	{"other", map[string]any{}},
	{"sign", map[string]any{"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"}},
	{"mac", map[string]any{"KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC"}},
	{"agree", map[string]any{"KeySpec": "ECC_NIST_P256", "KeyUsage": "KEY_AGREEMENT"}},
	{"external", map[string]any{"Origin": "EXTERNAL"}},
	{"primary", map[string]any{"MultiRegion": true}},
	{"kem", map[string]any{"KeySpec": "ML_KEM_768", "KeyUsage": "ENCAPSULATE_DECAPSULATE"}},
}

// specsOfAll are the key specs beside those above; each is a probe of CreateKey.
var specsOfAll = []struct{ spec, usage string }{
	{"RSA_2048", "ENCRYPT_DECRYPT"}, {"RSA_3072", "SIGN_VERIFY"}, {"RSA_4096", "SIGN_VERIFY"}, {"ECC_NIST_P384", "SIGN_VERIFY"},
	{"ECC_NIST_P521", "SIGN_VERIFY"}, {"ECC_SECG_P256K1", "SIGN_VERIFY"}, {"ECC_NIST_EDWARDS25519", "SIGN_VERIFY"}, {"HMAC_224", "GENERATE_VERIFY_MAC"},
	{"HMAC_384", "GENERATE_VERIFY_MAC"}, {"HMAC_512", "GENERATE_VERIFY_MAC"}, {"ML_DSA_44", "SIGN_VERIFY"}, {"ML_DSA_65", "SIGN_VERIFY"}, {"ML_DSA_87", "SIGN_VERIFY"},
	{"ML_KEM_512", "ENCAPSULATE_DECAPSULATE"}, {"ML_KEM_1024", "ENCAPSULATE_DECAPSULATE"},
}

// stepsOfAll are the API's operations but CreateKey, in an order in which each finds what it needs.
var stepsOfAll = []step{
	{operation: "DescribeKey", body: `{"KeyId":"${key}"}`, keep: "KeyMetadata.Arn=arn"},
	{operation: "ListKeys", body: `{}`},
	{operation: "Encrypt", body: `{"KeyId":"${key}","Plaintext":"${bytes}"}`, keep: "CiphertextBlob=ciphertext"},
	{operation: "Decrypt", body: `{"CiphertextBlob":"${ciphertext}"}`},
	{operation: "ReEncrypt", body: `{"CiphertextBlob":"${ciphertext}","DestinationKeyId":"${other}"}`},
	{operation: "GenerateDataKey", body: `{"KeyId":"${key}","KeySpec":"AES_256"}`},
	{operation: "GenerateDataKeyWithoutPlaintext", body: `{"KeyId":"${key}","KeySpec":"AES_256"}`},
	{operation: "GenerateDataKeyPair", body: `{"KeyId":"${key}","KeyPairSpec":"ECC_NIST_P256"}`},
	{operation: "GenerateDataKeyPairWithoutPlaintext", body: `{"KeyId":"${key}","KeyPairSpec":"ECC_NIST_P256"}`},
	{operation: "GenerateRandom", body: `{"NumberOfBytes":32}`},
	{operation: "Sign", body: `{"KeyId":"${sign}","Message":"${bytes}","SigningAlgorithm":"ECDSA_SHA_256"}`, keep: "Signature=signature"},
	{operation: "Verify", body: `{"KeyId":"${sign}","Message":"${bytes}","Signature":"${signature}","SigningAlgorithm":"ECDSA_SHA_256"}`},
	{operation: "GetPublicKey", body: `{"KeyId":"${sign}"}`, keep: "PublicKey=public"},
	{operation: "GenerateMac", body: `{"KeyId":"${mac}","Message":"${bytes}","MacAlgorithm":"HMAC_SHA_256"}`, keep: "Mac=tag"},
	{operation: "VerifyMac", body: `{"KeyId":"${mac}","Message":"${bytes}","Mac":"${tag}","MacAlgorithm":"HMAC_SHA_256"}`},
	{operation: "DeriveSharedSecret", body: `{"KeyId":"${agree}","KeyAgreementAlgorithm":"ECDH","PublicKey":"${public}"}`},
	{operation: "Encapsulate", body: `{"KeyId":"${kem}","EncapsulationAlgorithm":"ML_KEM"}`, keep: "SharedSecretCiphertextBlob=shared"},
	{operation: "Decapsulate", body: `{"KeyId":"${kem}","EncapsulationAlgorithm":"ML_KEM","SharedSecretCiphertextBlob":"${shared}"}`},
	{operation: "GetKeyPolicy", body: `{"KeyId":"${key}","PolicyName":"default"}`, keep: "Policy=policy"},
	{operation: "PutKeyPolicy", body: `{"KeyId":"${key}","PolicyName":"default","Policy":"${policy}"}`},
	{operation: "ListKeyPolicies", body: `{"KeyId":"${key}"}`},
	{operation: "CreateAlias", body: `{"AliasName":"alias/${unique}","TargetKeyId":"${key}"}`},
	{operation: "ListAliases", body: `{}`},
	{operation: "UpdateAlias", body: `{"AliasName":"alias/${unique}","TargetKeyId":"${other}"}`},
	{operation: "DeleteAlias", body: `{"AliasName":"alias/${unique}"}`},
	{operation: "TagResource", body: `{"KeyId":"${key}","Tags":[{"TagKey":"probe","TagValue":"yes"}]}`},
	{operation: "ListResourceTags", body: `{"KeyId":"${key}"}`},
	{operation: "UntagResource", body: `{"KeyId":"${key}","TagKeys":["probe"]}`},
	{operation: "UpdateKeyDescription", body: `{"KeyId":"${key}","Description":"probe"}`},
	{operation: "EnableKeyRotation", body: `{"KeyId":"${key}"}`},
	{operation: "GetKeyRotationStatus", body: `{"KeyId":"${key}"}`},
	{operation: "RotateKeyOnDemand", body: `{"KeyId":"${key}"}`},
	{operation: "ListKeyRotations", body: `{"KeyId":"${key}"}`},
	{operation: "DisableKeyRotation", body: `{"KeyId":"${key}"}`},
	{operation: "GetKeyLastUsage", body: `{"KeyId":"${key}"}`},
	{operation: "CreateGrant", body: `{"KeyId":"${key}","GranteePrincipal":"arn:aws:iam::${account}:root","Operations":["Decrypt"]}`, keep: "GrantId=grant"},
	{operation: "ListGrants", body: `{"KeyId":"${key}"}`},
	{operation: "ListRetirableGrants", body: `{"RetiringPrincipal":"arn:aws:iam::${account}:root"}`},
	{operation: "RevokeGrant", body: `{"KeyId":"${key}","GrantId":"${grant}"}`},
	{operation: "RetireGrant", body: `{"KeyId":"${arn}","GrantId":"${grant}"}`, typed: true},
	{operation: "GetParametersForImport", body: `{"KeyId":"${external}","WrappingAlgorithm":"RSAES_OAEP_SHA_256","WrappingKeySpec":"RSA_2048"}`, keep: "ImportToken=token"},
	{operation: "ImportKeyMaterial", body: `{"KeyId":"${external}","ImportToken":"${token}","EncryptedKeyMaterial":"${bytes}","ExpirationModel":"KEY_MATERIAL_DOES_NOT_EXPIRE"}`, typed: true},
	{operation: "DeleteImportedKeyMaterial", body: `{"KeyId":"${external}"}`, typed: true},
	{operation: "ReplicateKey", body: `{"KeyId":"${primary}","ReplicaRegion":"eu-west-1"}`, typed: true},
	{operation: "UpdatePrimaryRegion", body: `{"KeyId":"${primary}","PrimaryRegion":"eu-west-1"}`, typed: true},
	{operation: "DisableKey", body: `{"KeyId":"${other}"}`},
	{operation: "EnableKey", body: `{"KeyId":"${other}"}`},
	{operation: "ScheduleKeyDeletion", body: `{"KeyId":"${other}","PendingWindowInDays":7}`},
	{operation: "CancelKeyDeletion", body: `{"KeyId":"${other}"}`},
	{operation: "DescribeCustomKeyStores", body: `{}`},
	{operation: "CreateCustomKeyStore", body: `{"CustomKeyStoreName":"probe-${unique}","CloudHsmClusterId":"cluster-1a23b4cdefg","KeyStorePassword":"kmsPswd1","TrustAnchorCertificate":"probe"}`, typed: true},
	{operation: "ConnectCustomKeyStore", body: `{"CustomKeyStoreId":"cks-1234567890abcdef0"}`, typed: true},
	{operation: "DisconnectCustomKeyStore", body: `{"CustomKeyStoreId":"cks-1234567890abcdef0"}`, typed: true},
	{operation: "UpdateCustomKeyStore", body: `{"CustomKeyStoreId":"cks-1234567890abcdef0","NewCustomKeyStoreName":"probe"}`, typed: true},
	{operation: "DeleteCustomKeyStore", body: `{"CustomKeyStoreId":"cks-1234567890abcdef0"}`, typed: true},
}

// all probes every operation of the API and every key spec.
func (p *prober) all(ctx context.Context) []results.Probe {
	known := map[string]string{
		"bytes":   base64.StdEncoding.EncodeToString([]byte("what a probe encrypts and signs.")),
		"unique":  fmt.Sprintf("trent-load-%x", time.Now().UnixNano()),
		"account": "000000000000",
	}
	var out []results.Probe
	missing := map[string]results.Probe{}
	for i, k := range keysOfAll {
		id, found := p.create(ctx, mapClone(k.settings))
		if id != "" {
			known[k.name] = id
		} else {
			missing[k.name] = found
		}
		switch {
		case i == 0:
			out = append(out, found)
		case len(k.settings) > 0:
			found.Operation = "CreateKey " + describeSettings(k.settings)
			out = append(out, found)
		}
	}
	for _, s := range specsOfAll {
		_, found := p.create(ctx, map[string]any{"KeySpec": s.spec, "KeyUsage": s.usage})
		found.Operation = "CreateKey " + s.spec
		out = append(out, found)
	}
	for _, s := range stepsOfAll {
		out = append(out, p.step(ctx, &s, known, missing))
	}
	return out
}

func mapClone(m map[string]any) map[string]any {
	out := map[string]any{}
	for k, v := range m {
		out[k] = v
	}
	return out
}

func describeSettings(settings map[string]any) string {
	var parts []string
	for _, name := range []string{"KeySpec", "KeyUsage", "Origin", "MultiRegion"} {
		if v, ok := settings[name]; ok {
			parts = append(parts, fmt.Sprintf("%s=%v", name, v))
		}
	}
	return strings.Join(parts, " ")
}

// step makes one probe, unless an earlier one left it without what it needs.
func (p *prober) step(ctx context.Context, s *step, known map[string]string, missing map[string]results.Probe) results.Probe {
	body := s.body
	for strings.Contains(body, "${") {
		before, rest, _ := strings.Cut(body, "${")
		name, after, _ := strings.Cut(rest, "}")
		value, ok := known[name]
		if !ok {
			return p.blocked(ctx, s, name, missing)
		}
		body = before + value + after
	}
	found, x := p.call(ctx, s.operation, []byte(body))
	if s.typed && found.Finding == results.Refuses && x.Status > 0 && x.Status < 500 && !strings.HasPrefix(x.Error, "HTTP") {
		found.Finding = results.Answers
	}
	if member, name, ok := strings.Cut(s.keep, "="); ok && found.Finding == results.Answers {
		if value, ok := stringIn(x.Body, strings.Split(member, ".")); ok {
			known[name] = value
			if fields := strings.Split(value, ":"); name == "arn" && len(fields) > 4 {
				known["account"] = fields[4]
			}
		}
	}
	return found
}

// blocked probes an operation whose input could not be made, with an input that lacks it: that shows whether it is known at all.
func (p *prober) blocked(ctx context.Context, s *step, name string, missing map[string]results.Probe) results.Probe {
	found, _ := p.call(ctx, s.operation, []byte("{}"))
	if found.Finding == results.Lacks {
		return found
	}
	why, ok := missing[name]
	if !ok {
		found.Finding, found.Message = results.Refuses, "its input could not be made by the operation that makes it"
		return found
	}
	why.Operation, why.Message = s.operation, "no key for it: "+why.Message
	return why
}

// stringIn finds a string member and returns it as JSON text without its quotes, so that it can be put into another body.
func stringIn(body []byte, path []string) (string, bool) {
	for _, name := range path {
		var members map[string]json.RawMessage
		if err := json.Unmarshal(body, &members); err != nil {
			return "", false
		}
		body = members[name]
	}
	var text string
	if err := json.Unmarshal(body, &text); err != nil {
		return "", false
	}
	quoted, err := json.Marshal(text)
	if err != nil {
		return "", false
	}
	return string(quoted[1 : len(quoted)-1]), true
}
