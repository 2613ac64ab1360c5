package conformance_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"trent/fastpath/servertest"
	"trent/hsm"
)

// pairSpecs are the specs of pairs outside of China Regions. The slow ones are left out under -short.
func pairSpecs() []types.DataKeyPairSpec {
	all := []types.DataKeyPairSpec{
		"RSA_2048", "ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_P521", "ECC_SECG_P256K1", "ECC_NIST_EDWARDS25519",
		"ML_KEM_512", "ML_KEM_768", "ML_KEM_1024",
	}
	if !testing.Short() {
		all = append(all, "RSA_3072", "RSA_4096")
	}
	return all
}

// wantPair compares the halves of a pair, PKCS #8 and SubjectPublicKeyInfo: one algorithm, and one key as far as the
// standard library knows the algorithm.
func wantPair(t *testing.T, spec types.DataKeyPairSpec, private, public []byte) {
	t.Helper()
	var half struct {
		Version   int
		Algorithm pkix.AlgorithmIdentifier
		Key       []byte
	}
	var other struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	if rest, err := asn1.Unmarshal(private, &half); err != nil || len(rest) > 0 || half.Version != 0 {
		t.Fatalf("%s: the private key is not PKCS #8: %v", spec, err)
	}
	if rest, err := asn1.Unmarshal(public, &other); err != nil || len(rest) > 0 {
		t.Fatalf("%s: the public key is not SubjectPublicKeyInfo: %v", spec, err)
	}
	if !half.Algorithm.Algorithm.Equal(other.Algorithm.Algorithm) || !bytes.Equal(half.Algorithm.Parameters.FullBytes, other.Algorithm.Parameters.FullBytes) {
		t.Errorf("%s: %v and %v", spec, half.Algorithm, other.Algorithm)
	}
	if want := map[types.DataKeyPairSpec]string{
		"ECC_SECG_P256K1": "1.2.840.10045.2.1", "SM2": "1.2.840.10045.2.1", "ML_KEM_512": "2.16.840.1.101.3.4.4.1",
		"ML_KEM_768": "2.16.840.1.101.3.4.4.2", "ML_KEM_1024": "2.16.840.1.101.3.4.4.3",
	}[spec]; want != "" {
		if got := other.Algorithm.Algorithm.String(); got != want {
			t.Errorf("%s: algorithm %s", spec, got)
		}
		return
	}
	wantKnownPair(t, spec, private, public)
}

func wantKnownPair(t *testing.T, spec types.DataKeyPairSpec, private, public []byte) {
	t.Helper()
	parsed, err := x509.ParsePKCS8PrivateKey(private)
	if err != nil {
		t.Fatalf("%s: %v", spec, err)
	}
	half, err := x509.ParsePKIXPublicKey(public)
	if err != nil {
		t.Fatalf("%s: %v", spec, err)
	}
	if !parsed.(crypto.Signer).Public().(interface {
		Equal(crypto.PublicKey) bool
	}).Equal(half) {
		t.Errorf("%s: the halves do not belong together", spec)
	}
	got := ""
	switch half := half.(type) {
	case *rsa.PublicKey:
		got = fmt.Sprintf("RSA_%d", half.N.BitLen())
	case *ecdsa.PublicKey:
		got = fmt.Sprintf("ECC_NIST_P%d", half.Curve.Params().BitSize)
	case ed25519.PublicKey:
		got = "ECC_NIST_EDWARDS25519"
	}
	if got != string(spec) {
		t.Errorf("%s: a key of %s", spec, got)
	}
}

func TestGenerateDataKeyPair(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), at.KMS()
	k := symmetric(t)
	material := *describe(t, k.id).CurrentKeyMaterialId
	bound := map[string]string{"purpose": "test"}
	for _, spec := range pairSpecs() {
		out, err := client.GenerateDataKeyPair(ctx, &kms.GenerateDataKeyPairInput{KeyId: &k.id, KeyPairSpec: spec, EncryptionContext: bound})
		if err != nil {
			t.Fatalf("%s: %v", spec, err)
		}
		wantPair(t, spec, out.PrivateKeyPlaintext, out.PublicKey)
		if *out.KeyId != k.arn || *out.KeyMaterialId != material || out.KeyPairSpec != spec || out.CiphertextForRecipient != nil || len(out.PrivateKeyCiphertextBlob) > 6144 {
			t.Errorf("%s: %s, %s, %s, %d bytes", spec, *out.KeyId, *out.KeyMaterialId, out.KeyPairSpec, len(out.PrivateKeyCiphertextBlob))
		}
		back, err := client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: out.PrivateKeyCiphertextBlob, EncryptionContext: bound})
		if err != nil || !bytes.Equal(back.Plaintext, out.PrivateKeyPlaintext) || *back.KeyId != k.arn || *back.KeyMaterialId != material {
			t.Errorf("%s: %v", spec, err)
		}
		_, err = client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: out.PrivateKeyCiphertextBlob})
		wantError(t, err, "InvalidCiphertextException", "")

		alone, err := client.GenerateDataKeyPairWithoutPlaintext(ctx, &kms.GenerateDataKeyPairWithoutPlaintextInput{KeyId: &k.arn, KeyPairSpec: spec, EncryptionContext: bound})
		if err != nil {
			t.Fatalf("%s: %v", spec, err)
		}
		if *alone.KeyId != k.arn || *alone.KeyMaterialId != material || alone.KeyPairSpec != spec || bytes.Equal(alone.PublicKey, out.PublicKey) {
			t.Errorf("%s without plaintext: %s, %s, %s", spec, *alone.KeyId, *alone.KeyMaterialId, alone.KeyPairSpec)
		}
		back, err = client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: alone.PrivateKeyCiphertextBlob, EncryptionContext: bound, KeyId: &k.id})
		if err != nil {
			t.Fatalf("%s: %v", spec, err)
		}
		wantPair(t, spec, back.Plaintext, alone.PublicKey)
	}
	a := call(t, "GenerateDataKeyPairWithoutPlaintext", object{"KeyId": k.id, "KeyPairSpec": "ECC_NIST_P256"})
	if a.Status != 200 || strings.Contains(a.Body, "Plaintext") {
		t.Errorf("answer %d %s", a.Status, a.Body)
	}
}

// TestDataKeyPairNames: all four forms of a key's name.
func TestDataKeyPairNames(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), at.KMS()
	k, alias := newSymmetric(t), newAlias()
	if _, err := client.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: &alias, TargetKeyId: &k.id}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{k.id, k.arn, alias, aliasARN(alias)} {
		out, err := client.GenerateDataKeyPair(ctx, &kms.GenerateDataKeyPairInput{KeyId: &name, KeyPairSpec: "ECC_NIST_P256"})
		if err != nil || *out.KeyId != k.arn {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestDataKeyPairsInChina: SM2 is there alone, under a key of SM4; ML-KEM is not there.
func TestDataKeyPairsInChina(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), inChina(t)
	made, err := client.CreateKey(ctx, &kms.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	for _, spec := range []types.DataKeyPairSpec{"SM2", "RSA_2048", "ECC_NIST_P256"} {
		out, err := client.GenerateDataKeyPair(ctx, &kms.GenerateDataKeyPairInput{KeyId: made.KeyMetadata.KeyId, KeyPairSpec: spec})
		if err != nil {
			t.Fatalf("%s: %v", spec, err)
		}
		wantPair(t, spec, out.PrivateKeyPlaintext, out.PublicKey)
		back, err := client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: out.PrivateKeyCiphertextBlob})
		if err != nil || !bytes.Equal(back.Plaintext, out.PrivateKeyPlaintext) || *out.KeyMaterialId != *back.KeyMaterialId {
			t.Errorf("%s: %v", spec, err)
		}
	}
	_, err = client.GenerateDataKeyPair(ctx, &kms.GenerateDataKeyPairInput{KeyId: made.KeyMetadata.KeyId, KeyPairSpec: "ML_KEM_768"})
	wantError(t, err, "UnsupportedOperationException", "KeyPairSpec ML_KEM_768 is not supported in this Region")
}

func TestGenerateDataKeyPairRefusals(t *testing.T) {
	t.Parallel()
	sym, rsaKey, mac, sign := symmetric(t), rsaCrypt(t), hmac256(t), rsaSign(t)
	disabled := inState(t, types.KeyStateDisabled, &kms.CreateKeyInput{})
	pending := inState(t, types.KeyStatePendingDeletion, &kms.CreateKeyInput{})
	imported := inState(t, types.KeyStatePendingImport, &kms.CreateKeyInput{})
	const specs = "satisfy enum value set: [RSA_2048, RSA_3072, RSA_4096, ECC_NIST_P256, ECC_NIST_P384, ECC_NIST_P521, ECC_SECG_P256K1, SM2, " +
		"ECC_NIST_EDWARDS25519, ML_KEM_512, ML_KEM_768, ML_KEM_1024]"
	usage := func(k key, usage string) func(string) string {
		return func(op string) string {
			return k.arn + " key usage is " + usage + " which is not valid for " + op + "."
		}
	}
	text := func(s string) func(string) string { return func(string) string { return s } }
	for name, c := range map[string]struct {
		in      kms.GenerateDataKeyPairInput
		code    string
		message func(op string) string
	}{
		"an unknown spec":  {kms.GenerateDataKeyPairInput{KeyId: &sym.id, KeyPairSpec: "AES_256"}, "ValidationException", text(validation("'AES_256' ", "keyPairSpec", specs))},
		"an absent key":    {kms.GenerateDataKeyPairInput{KeyId: aws.String(absentID), KeyPairSpec: "RSA_2048"}, "NotFoundException", text("Key '" + arnOf(absentID) + "' does not exist")},
		"RSA":              {kms.GenerateDataKeyPairInput{KeyId: &rsaKey.id, KeyPairSpec: "RSA_2048"}, "InvalidKeyUsageException", text("You cannot generate a data key with an asymmetric CMK")},
		"RSA for signing":  {kms.GenerateDataKeyPairInput{KeyId: &sign.id, KeyPairSpec: "RSA_2048"}, "InvalidKeyUsageException", usage(sign, "SIGN_VERIFY")},
		"HMAC":             {kms.GenerateDataKeyPairInput{KeyId: &mac.id, KeyPairSpec: "RSA_2048"}, "InvalidKeyUsageException", usage(mac, "GENERATE_VERIFY_MAC")},
		"disabled":         {kms.GenerateDataKeyPairInput{KeyId: &disabled.id, KeyPairSpec: "RSA_2048"}, "DisabledException", text(disabled.arn + " is disabled.")},
		"pending deletion": {kms.GenerateDataKeyPairInput{KeyId: &pending.id, KeyPairSpec: "RSA_2048"}, "KMSInvalidStateException", text(pending.arn + " is pending deletion.")},
		"pending import":   {kms.GenerateDataKeyPairInput{KeyId: &imported.id, KeyPairSpec: "RSA_2048"}, "KMSInvalidStateException", text(imported.arn + " is pending import.")},
		"SM2 elsewhere":    {kms.GenerateDataKeyPairInput{KeyId: &sym.id, KeyPairSpec: "SM2"}, "UnsupportedOperationException", text("KeyPairSpec SM2 is not supported in this Region")},
		"SM2, disabled":    {kms.GenerateDataKeyPairInput{KeyId: &disabled.id, KeyPairSpec: "SM2"}, "DisabledException", text(disabled.arn + " is disabled.")},
		"dry run":          {kms.GenerateDataKeyPairInput{KeyId: &sym.id, KeyPairSpec: "RSA_4096", DryRun: aws.Bool(true)}, "DryRunOperationException", text("The request would have succeeded, but the DryRun option is set.")},
		"dry run, disabled": {kms.GenerateDataKeyPairInput{KeyId: &disabled.id, KeyPairSpec: "RSA_4096", DryRun: aws.Bool(true)},
			"DisabledException", text(disabled.arn + " is disabled.")},
		"grant token": {kms.GenerateDataKeyPairInput{KeyId: &sym.id, KeyPairSpec: "RSA_2048", GrantTokens: []string{"x"}}, "InvalidGrantTokenException", text("")},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, client := t.Context(), at.KMS()
			_, err := client.GenerateDataKeyPair(ctx, &c.in)
			wantError(t, err, c.code, c.message("GenerateDataKeyPair"))
			_, err = client.GenerateDataKeyPairWithoutPlaintext(ctx, &kms.GenerateDataKeyPairWithoutPlaintextInput{
				KeyId: c.in.KeyId, KeyPairSpec: c.in.KeyPairSpec, DryRun: c.in.DryRun, GrantTokens: c.in.GrantTokens,
			})
			wantError(t, err, c.code, c.message("GenerateDataKeyPairWithoutPlaintext"))
		})
	}
	a := call(t, "GenerateDataKeyPair", object{"KeyId": sym.id})
	wantRefusal(t, a, "ValidationException", validation("null ", "keyPairSpec", "not be null"))
}

// TestPooledKeys: keys that were made ahead serve CreateKey, data key pairs and imports, each of them once.
func TestPooledKeys(t *testing.T) {
	t.Parallel()
	ownServer(t)
	ctx := context.Background()
	s := servertest.Start(t, servertest.Options{KeyPool: map[hsm.KeySpec]int{hsm.RSA2048: 3}})
	client := s.KMS()
	wrap, err := client.CreateKey(ctx, &kms.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	once := func(public []byte) {
		if seen[string(public)] {
			t.Error("a key twice")
		}
		seen[string(public)] = true
	}
	external, err := client.CreateKey(ctx, &kms.CreateKeyInput{Origin: "EXTERNAL"})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		waitForPool(t, s, `trent_key_pool_ready{spec="RSA_2048"} 3`)
		for _, usage := range []types.KeyUsageType{"SIGN_VERIFY", "ENCRYPT_DECRYPT"} {
			made, err := client.CreateKey(ctx, &kms.CreateKeyInput{KeySpec: "RSA_2048", KeyUsage: usage})
			if err != nil {
				t.Fatal(err)
			}
			out, err := client.GetPublicKey(ctx, &kms.GetPublicKeyInput{KeyId: made.KeyMetadata.KeyId})
			if err != nil || out.KeyUsage != usage {
				t.Fatalf("%+v, %v", out, err)
			}
			once(out.PublicKey)
			if usage == "SIGN_VERIFY" {
				signed, err := client.Sign(ctx, &kms.SignInput{KeyId: made.KeyMetadata.KeyId, Message: []byte("x"), SigningAlgorithm: "RSASSA_PSS_SHA_256"})
				if err != nil {
					t.Fatal(err)
				}
				if _, err := client.Verify(ctx, &kms.VerifyInput{KeyId: made.KeyMetadata.KeyId, Message: []byte("x"), Signature: signed.Signature, SigningAlgorithm: "RSASSA_PSS_SHA_256"}); err != nil {
					t.Error(err)
				}
			}
		}
		params, err := client.GetParametersForImport(ctx, &kms.GetParametersForImportInput{
			KeyId: external.KeyMetadata.KeyId, WrappingKeySpec: "RSA_2048", WrappingAlgorithm: "RSAES_OAEP_SHA_256",
		})
		if err != nil {
			t.Fatal(err)
		}
		once(params.PublicKey)
		for range 2 { // they find the pool empty
			pair, err := client.GenerateDataKeyPair(ctx, &kms.GenerateDataKeyPairInput{KeyId: wrap.KeyMetadata.KeyId, KeyPairSpec: "RSA_2048"})
			if err != nil {
				t.Fatal(err)
			}
			wantPair(t, "RSA_2048", pair.PrivateKeyPlaintext, pair.PublicKey)
			once(pair.PublicKey)
		}
	}
}

// waitForPool waits until a server's metrics have a line.
func waitForPool(t *testing.T, s *servertest.Server, line string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		var metrics strings.Builder
		if s.Core.WriteMetrics(&metrics); strings.Contains(metrics.String(), line+"\n") {
			return
		}
	}
	t.Fatalf("no %s within a minute", line)
}
