package workload

import (
	"slices"
	"strings"
)

// Artifact is what must be made beforehand so that an operation can succeed.
type Artifact uint8

// Kinds of artifacts.
const (
	NoArtifact Artifact = iota
	Ciphertext          // by Encrypt
	Signature           // by Sign
	MAC                 // by GenerateMac
)

// Key usages as the API spells them.
const (
	encryptDecrypt = "ENCRYPT_DECRYPT"
	signVerify     = "SIGN_VERIFY"
	generateMac    = "GENERATE_VERIFY_MAC"
	anyUsage       = "any"
)

const symmetric = "SYMMETRIC_DEFAULT"

// operation is what a workload must know of an API operation.
type operation struct {
	usage     string // of its key; empty: it uses no key
	symmetric bool   // needs a symmetric key
	payload   string // member that takes payload bytes or a size; empty: none
	limit     int    // of the payload, bytes
	context   bool   // takes an encryption context (symmetric keys)
	algorithm string // member that names the algorithm; empty: none
	artifact  Artifact
}

// operations lists what a mix may contain. None of them uses a key up; CreateGrant leaves a grant on it with every hit, of which the
// service holds 50,000 a key. Limits: the AWS KMS API reference of each operation (Plaintext and Message 4,096 bytes,
// NumberOfBytes 1,024).
var operations = map[string]operation{
	"GenerateDataKeyPair":                 {usage: encryptDecrypt, symmetric: true, context: true},
	"GenerateDataKeyPairWithoutPlaintext": {usage: encryptDecrypt, symmetric: true, context: true},
	"Encrypt":                             {usage: encryptDecrypt, payload: "Plaintext", limit: 4096, context: true, algorithm: "EncryptionAlgorithm"},
	"Decrypt":                             {usage: encryptDecrypt, payload: "CiphertextBlob", limit: 4096, context: true, algorithm: "EncryptionAlgorithm", artifact: Ciphertext},
	"ReEncrypt":                           {usage: encryptDecrypt, symmetric: true, payload: "CiphertextBlob", limit: 4096, context: true, artifact: Ciphertext},
	"GenerateDataKey":                     {usage: encryptDecrypt, symmetric: true, payload: "NumberOfBytes", limit: 1024, context: true},
	"GenerateDataKeyWithoutPlaintext":     {usage: encryptDecrypt, symmetric: true, payload: "NumberOfBytes", limit: 1024, context: true},
	"GenerateRandom":                      {payload: "NumberOfBytes", limit: 1024},
	"Sign":                                {usage: signVerify, payload: "Message", limit: 4096, algorithm: "SigningAlgorithm"},
	"Verify":                              {usage: signVerify, payload: "Message", limit: 4096, algorithm: "SigningAlgorithm", artifact: Signature},
	"GenerateMac":                         {usage: generateMac, payload: "Message", limit: 4096, algorithm: "MacAlgorithm"},
	"VerifyMac":                           {usage: generateMac, payload: "Message", limit: 4096, algorithm: "MacAlgorithm", artifact: MAC},
	"GetPublicKey":                        {usage: anyUsage},
	"DescribeKey":                         {usage: anyUsage},
	"GetKeyPolicy":                        {usage: anyUsage},
	"ListKeyPolicies":                     {usage: anyUsage},
	"ListResourceTags":                    {usage: anyUsage},
	"ListAliases":                         {usage: anyUsage},
	"GetKeyRotationStatus":                {usage: anyUsage},
	"ListGrants":                          {usage: anyUsage},
	"ListKeyRotations":                    {usage: anyUsage},
	"CreateGrant":                         {usage: anyUsage},
	"ListKeys":                            {},
}

// spec is what a workload must know of a key spec: usages (the default first), algorithms by usage (the default first), digest
// sizes by signing algorithm through digestSize, and what the default padding leaves of the modulus.
type spec struct {
	usages     []string
	encryption []string
	signing    []string
	mac        []string
	modulus    int  // bytes, RSA only
	whole      bool // signs whole messages only, never digests
}

var (
	oaep = []string{"RSAES_OAEP_SHA_256", "RSAES_OAEP_SHA_1"}
	rsa  = []string{"RSASSA_PSS_SHA_256", "RSASSA_PSS_SHA_384", "RSASSA_PSS_SHA_512",
		"RSASSA_PKCS1_V1_5_SHA_256", "RSASSA_PKCS1_V1_5_SHA_384", "RSASSA_PKCS1_V1_5_SHA_512"}
)

// specs: "Key spec reference" of the AWS KMS developer guide.
var specs = map[string]spec{
	symmetric:               {usages: []string{encryptDecrypt}, encryption: []string{symmetric}},
	"RSA_2048":              {usages: []string{encryptDecrypt, signVerify}, encryption: oaep, signing: rsa, modulus: 256},
	"RSA_3072":              {usages: []string{encryptDecrypt, signVerify}, encryption: oaep, signing: rsa, modulus: 384},
	"RSA_4096":              {usages: []string{encryptDecrypt, signVerify}, encryption: oaep, signing: rsa, modulus: 512},
	"ECC_NIST_P256":         {usages: []string{signVerify}, signing: []string{"ECDSA_SHA_256"}},
	"ECC_NIST_P384":         {usages: []string{signVerify}, signing: []string{"ECDSA_SHA_384"}},
	"ECC_NIST_P521":         {usages: []string{signVerify}, signing: []string{"ECDSA_SHA_512"}},
	"ECC_SECG_P256K1":       {usages: []string{signVerify}, signing: []string{"ECDSA_SHA_256"}},
	"ECC_NIST_EDWARDS25519": {usages: []string{signVerify}, signing: []string{"ED25519_SHA_512"}, whole: true},
	"ML_DSA_44":             {usages: []string{signVerify}, signing: []string{"ML_DSA_SHAKE_256"}, whole: true},
	"ML_DSA_65":             {usages: []string{signVerify}, signing: []string{"ML_DSA_SHAKE_256"}, whole: true},
	"ML_DSA_87":             {usages: []string{signVerify}, signing: []string{"ML_DSA_SHAKE_256"}, whole: true},
	"HMAC_224":              {usages: []string{generateMac}, mac: []string{"HMAC_SHA_224"}},
	"HMAC_256":              {usages: []string{generateMac}, mac: []string{"HMAC_SHA_256"}},
	"HMAC_384":              {usages: []string{generateMac}, mac: []string{"HMAC_SHA_384"}},
	"HMAC_512":              {usages: []string{generateMac}, mac: []string{"HMAC_SHA_512"}},
}

// defaultPair is the spec of data key pairs where none is given.
const defaultPair = "ECC_NIST_P256"

// pairSpecs are the specs of data key pairs, "GenerateDataKeyPair" of the AWS KMS API reference.
var pairSpecs = []string{"ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_P521", "ECC_NIST_EDWARDS25519", "ECC_SECG_P256K1", "RSA_2048", "RSA_3072", "RSA_4096"}

// isPair reports whether an operation makes key pairs.
func isPair(operation string) bool { return strings.HasPrefix(operation, "GenerateDataKeyPair") }

// digestSizes are the bytes of a digest by the end of the algorithm's name.
var digestSizes = map[string]int{"_SHA_1": 20, "_256": 32, "_384": 48, "_512": 64}

func digestSize(algorithm string) int {
	for suffix, n := range digestSizes {
		if len(algorithm) > len(suffix) && algorithm[len(algorithm)-len(suffix):] == suffix {
			return n
		}
	}
	return 0
}

func (s *spec) algorithms(member string) []string {
	switch member {
	case "EncryptionAlgorithm":
		return s.encryption
	case "SigningAlgorithm":
		return s.signing
	case "MacAlgorithm":
		return s.mac
	}
	return nil
}

// payloadLimit is the most bytes of payload an operation takes with a key. OAEP leaves the modulus less two digests and two bytes
// (RFC 8017, section 7.1.1).
func (s *spec) payloadLimit(op *operation, algorithm string) int {
	if s.modulus > 0 && op.algorithm == "EncryptionAlgorithm" {
		return s.modulus - 2*digestSize(algorithm) - 2
	}
	return op.limit
}

func names[V any](m map[string]V) []string {
	all := make([]string, 0, len(m))
	for name := range m {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}
