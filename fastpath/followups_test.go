package fastpath_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"maps"
	"slices"
	"strings"
)

// followUps are requests that make sense after another: what they take over from its request, under another name
// after a colon, and from its answer (as member of the answer and of the new request).
var followUps = []struct {
	after, then string
	keep        []string
	take        map[string]string
}{
	{"Encrypt", "Decrypt", []string{"KeyId", "EncryptionContext", "EncryptionAlgorithm"}, map[string]string{"CiphertextBlob": "CiphertextBlob"}},
	{"GenerateDataKey", "Decrypt", []string{"EncryptionContext"}, map[string]string{"CiphertextBlob": "CiphertextBlob"}},
	{"Encrypt", "ReEncrypt", nil, map[string]string{"CiphertextBlob": "CiphertextBlob", "KeyId": "DestinationKeyId"}},
	{"Sign", "Verify", []string{"KeyId", "Message", "MessageType", "SigningAlgorithm"}, map[string]string{"Signature": "Signature"}},
	{"GenerateMac", "VerifyMac", []string{"KeyId", "Message", "MacAlgorithm"}, map[string]string{"Mac": "Mac"}},
	{"GetPublicKey", "DeriveSharedSecret", []string{"KeyId"}, map[string]string{"PublicKey": "PublicKey"}},
	{"Encapsulate", "Decapsulate", []string{"KeyId", "EncapsulationAlgorithm"}, map[string]string{"SharedSecretCiphertextBlob": "SharedSecretCiphertextBlob"}},
	{"CreateGrant", "RevokeGrant", []string{"KeyId"}, map[string]string{"GrantId": "GrantId"}},
	{"CreateGrant", "ListGrants", []string{"KeyId"}, map[string]string{"GrantId": "GrantId"}},
	{"CreateGrant", "RetireGrant", nil, map[string]string{"GrantToken": "GrantToken"}},
	{"GetParametersForImport", "ImportKeyMaterial", []string{"KeyId"}, map[string]string{"ImportToken": "ImportToken"}},
	{"ImportKeyMaterial", "DeleteImportedKeyMaterial", []string{"KeyId"}, map[string]string{"KeyMaterialId": "KeyMaterialId"}},
	{"ScheduleKeyDeletion", "CancelKeyDeletion", []string{"KeyId"}, nil},
	{"CreateAlias", "DeleteAlias", []string{"AliasName"}, nil},
	{"CreateAlias", "UpdateAlias", []string{"AliasName", "TargetKeyId"}, nil},
	{"ReplicateKey", "UpdatePrimaryRegion", []string{"KeyId", "ReplicaRegion:PrimaryRegion"}, nil},
	{"CreateCustomKeyStore", "ConnectCustomKeyStore", nil, map[string]string{"CustomKeyStoreId": "CustomKeyStoreId"}},
	{"CreateCustomKeyStore", "UpdateCustomKeyStore", []string{"CustomKeyStoreName:NewCustomKeyStoreName"}, map[string]string{"CustomKeyStoreId": "CustomKeyStoreId"}},
	{"CreateCustomKeyStore", "DeleteCustomKeyStore", nil, map[string]string{"CustomKeyStoreId": "CustomKeyStoreId"}},
	{"ConnectCustomKeyStore", "DisconnectCustomKeyStore", []string{"CustomKeyStoreId"}, nil},
	{"DisconnectCustomKeyStore", "DeleteCustomKeyStore", []string{"CustomKeyStoreId"}, nil},
}

// follow keeps the requests that make sense after this one.
func (x *subject) follow(operation string, fields, answer map[string]any) {
	for _, f := range followUps {
		if f.after != operation {
			continue
		}
		next := map[string]any{}
		for _, name := range f.keep {
			from, to, renamed := strings.Cut(name, ":")
			if !renamed {
				to = from
			}
			if v, ok := fields[from]; ok {
				next[to] = v
			}
		}
		for from, to := range f.take {
			v, ok := answer[from]
			if !ok {
				next = nil
				break
			}
			next[to] = v
		}
		if next == nil {
			continue
		}
		if f.then == "ImportKeyMaterial" && !wrapMaterial(fields, answer, next) {
			continue
		}
		if f.then == "DeriveSharedSecret" {
			if answer["KeyUsage"] != "KEY_AGREEMENT" {
				continue
			}
			next["KeyAgreementAlgorithm"] = "ECDH"
		}
		if all := x.next[f.then]; len(all) >= keepValues {
			all[x.IntN(len(all))] = next
		} else {
			x.next[f.then] = append(all, next)
		}
	}
}

// wrapMaterial makes random material for an import. The randomness is the library's own: no property hangs on it.
func wrapMaterial(fields, answer, next map[string]any) bool {
	text, _ := answer["PublicKey"].(string)
	der, err := base64.StdEncoding.DecodeString(text)
	if err != nil || fields["WrappingAlgorithm"] != "RSAES_OAEP_SHA_256" {
		return false
	}
	public, err := x509.ParsePKIXPublicKey(der)
	key, ok := public.(*rsa.PublicKey)
	if err != nil || !ok {
		return false
	}
	wrapped, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, key, make([]byte, 32), nil)
	if err != nil {
		return false
	}
	next["EncryptedKeyMaterial"] = base64.StdEncoding.EncodeToString(wrapped)
	next["ExpirationModel"] = "KEY_MATERIAL_DOES_NOT_EXPIRE"
	return true
}

// usages are the operations that need a key of one usage.
var usages = map[string]string{
	"Encrypt": "ENCRYPT_DECRYPT", "GenerateDataKey": "ENCRYPT_DECRYPT", "GenerateDataKeyWithoutPlaintext": "ENCRYPT_DECRYPT",
	"GenerateDataKeyPair": "ENCRYPT_DECRYPT", "GenerateDataKeyPairWithoutPlaintext": "ENCRYPT_DECRYPT", "Sign": "SIGN_VERIFY",
	"Verify": "SIGN_VERIFY", "GenerateMac": "GENERATE_VERIFY_MAC", "VerifyMac": "GENERATE_VERIFY_MAC", "DeriveSharedSecret": "KEY_AGREEMENT",
	"Encapsulate": "ENCAPSULATE_DECAPSULATE", "Decapsulate": "ENCAPSULATE_DECAPSULATE",
}

// imports bounds how often an import is begun: each makes an RSA key.
const imports = 20

// manyKeys is where hardly any key is added any more.
const manyKeys = 120

// makeSense lets more requests through than chance would, and keeps out what takes long.
func (x *subject) makeSense(operation string, fields map[string]any) {
	for _, slow := range []string{"KeySpec", "CustomerMasterKeySpec", "KeyPairSpec", "WrappingKeySpec"} {
		if spec, _ := fields[slow].(string); strings.HasPrefix(spec, "RSA_") && !x.percent(2) {
			fields[slow] = "ECC_NIST_P256"
			if slow == "WrappingKeySpec" {
				fields[slow] = "RSA_2048"
			}
		}
	}
	if operation == "ScheduleKeyDeletion" && x.percent(80) { // or no usable key would be left soon
		fields["KeyId"] = oneOf(x.draws, x.names...)
	}
	if operation == "CreateKey" && len(x.keys) > manyKeys && x.percent(95) {
		fields["Tags"] = 5 // each look at all keys would take longer and longer
	}
	if next := x.next[operation]; len(next) > 0 && x.percent(50) {
		clear(fields)
		maps.Copy(fields, oneOf(x.draws, next...))
		return
	}
	if x.percent(60) {
		x.makeStorable(operation, fields)
	}
	if _, copies := fields["ReplicaRegion"]; copies && x.percent(60) {
		x.makeReplicable(fields)
	}
	if operation == "CreateGrant" && x.percent(60) {
		x.makeGrantable(fields)
	}
	if operation == "GetParametersForImport" && x.answers[operation][200] >= imports {
		fields["KeyId"] = oneOf(x.draws, x.names...)
	} else if operation == "GetParametersForImport" && x.percent(60) {
		fitting := slices.DeleteFunc(slices.Clone(x.keys), func(k drawnKey) bool { return k.origin != "EXTERNAL" || k.spec != "SYMMETRIC_DEFAULT" })
		fields["KeyId"] = oneOf(x.draws, fitting...).id
		fields["WrappingAlgorithm"], fields["WrappingKeySpec"] = "RSAES_OAEP_SHA_256", "RSA_2048"
	}
	if usage := usages[operation]; usage != "" && x.percent(70) {
		fitting := slices.DeleteFunc(slices.Clone(x.keys), func(k drawnKey) bool { return k.usage != usage })
		if len(fitting) > 0 {
			k := oneOf(x.draws, fitting...)
			fields["KeyId"] = oneOf(x.draws, k.id, k.arn)
		}
	}
	if x.percent(60) {
		delete(fields, "EncryptionContext")
	}
	name, _ := fields["KeyId"].(string)
	i := slices.IndexFunc(x.keys, func(k drawnKey) bool { return k.id == name || k.arn == name })
	if i < 0 || len(x.keys[i].algorithms) == 0 || x.percent(30) {
		return
	}
	for _, member := range sortedNames(fields) {
		if strings.HasSuffix(member, "Algorithm") && member != "WrappingAlgorithm" {
			fields[member] = oneOf(x.draws, x.keys[i].algorithms...)
		}
	}
}

// makeGrantable names a key and operations that a grant on it may allow.
func (x *subject) makeGrantable(fields map[string]any) {
	fitting := slices.DeleteFunc(slices.Clone(x.keys), func(k drawnKey) bool { return k.spec != "SYMMETRIC_DEFAULT" })
	fields["KeyId"] = oneOf(x.draws, fitting...).id
	fields["GranteePrincipal"] = "arn:aws:iam::000000000000:role/r"
	fields["Operations"] = oneOf(x.draws, []string{"Encrypt"}, []string{"Decrypt", "GenerateDataKey"})
	for _, other := range []string{"GranteeServicePrincipal", "RetiringServicePrincipal", "RetiringPrincipal", "Constraints", "Name"} {
		delete(fields, other)
	}
}

// makeReplicable names a multi-Region key and a Region that can have a copy.
func (x *subject) makeReplicable(fields map[string]any) {
	fitting := slices.DeleteFunc(slices.Clone(x.keys), func(k drawnKey) bool { return !strings.HasPrefix(k.id, "mrk-") })
	if len(fitting) > 0 {
		fields["KeyId"] = oneOf(x.draws, fitting...).id
	}
	fields["ReplicaRegion"] = oneOf(x.draws, "eu-west-1", "us-west-2", "ap-south-1")
	delete(fields, "Policy")
	delete(fields, "Tags")
}
