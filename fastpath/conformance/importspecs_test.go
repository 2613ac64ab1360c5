package conformance_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	secp256k1ecdsa "github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/sm4"
)

// curvePKCS8 is a private key of a curve that crypto/x509 does not know, without its public half.
func curvePKCS8(t testing.TB, curve asn1.ObjectIdentifier, scalar []byte) []byte {
	t.Helper()
	inner, err := asn1.Marshal(struct {
		Version int
		Key     []byte
	}{1, scalar})
	if err != nil {
		t.Fatal(err)
	}
	type identifier struct{ Algorithm, Curve asn1.ObjectIdentifier }
	der, err := asn1.Marshal(struct {
		Version int
		Type    identifier
		Key     []byte
	}{0, identifier{asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}, curve}, inner})
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// TestImportOtherCurves imports keys of secp256k1 and Ed25519 by both ways of wrapping; their signatures are what the
// private keys outside would make, or verify under their public halves.
func TestImportOtherCurves(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), at.KMS()
	message := []byte("message")
	digest := sha256.Sum256(message)
	koblitz, err := secp256k1.GeneratePrivateKey()
	if err != nil {
		t.Fatal(err)
	}
	public, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	edwardsDER, err := x509.MarshalPKCS8PrivateKey(edwards)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		spec      types.KeySpec
		material  []byte
		algorithm types.SigningAlgorithmSpec
		verifies  func(signature []byte) bool
	}{
		{"ECC_SECG_P256K1", curvePKCS8(t, asn1.ObjectIdentifier{1, 3, 132, 0, 10}, koblitz.Serialize()), "ECDSA_SHA_256", func(signature []byte) bool {
			s, err := secp256k1ecdsa.ParseDERSignature(signature)
			return err == nil && s.Verify(digest[:], koblitz.PubKey())
		}},
		{"ECC_NIST_EDWARDS25519", edwardsDER, "ED25519_SHA_512", func(signature []byte) bool { return ed25519.Verify(public, message, signature) }},
	} {
		for _, how := range []types.AlgorithmSpec{oaep256, hybrid256} {
			k := newExternal(t, client, c.spec, "SIGN_VERIFY")
			p := forImport(t, client, k.id, how)
			if _, err := client.ImportKeyMaterial(ctx, p.input(t, c.material)); err != nil {
				t.Fatalf("%s by %s: %v", c.spec, how, err)
			}
			out, err := client.Sign(ctx, &kms.SignInput{KeyId: &k.id, Message: message, SigningAlgorithm: c.algorithm})
			if err != nil || !c.verifies(out.Signature) {
				t.Errorf("%s: %v", c.spec, err)
			}
			_, err = client.ImportKeyMaterial(ctx, p.input(t, materialOf(t, "ECC_NIST_P256")))
			wantError(t, err, "IncorrectKeyMaterialException", "")
		}
	}
	for _, spec := range []types.KeySpec{"ML_DSA_44", "ML_DSA_65", "ML_DSA_87"} {
		_, err := client.CreateKey(ctx, &kms.CreateKeyInput{Origin: "EXTERNAL", KeySpec: spec, KeyUsage: "SIGN_VERIFY"})
		wantError(t, err, "UnsupportedOperationException", "KeySpec "+string(spec)+" is not supported for Origin EXTERNAL")
	}
	agreement := newExternal(t, client, "ECC_NIST_P384", "KEY_AGREEMENT")
	p := forImport(t, client, agreement.id, hybrid1)
	if _, err := client.ImportKeyMaterial(ctx, p.input(t, materialOf(t, "ECC_NIST_P384"))); err != nil {
		t.Error(err)
	}
}

// TestImportInChina: SM4 keys have 16 bytes, wrapping is by SM2 or OAEP, never hybrid.
func TestImportInChina(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), inChina(t)
	bySM2 := func(k key) (*kms.GetParametersForImportOutput, *ecdsa.PublicKey) {
		t.Helper()
		out, err := client.GetParametersForImport(ctx, &kms.GetParametersForImportInput{KeyId: &k.id, WrappingAlgorithm: "SM2PKE", WrappingKeySpec: "SM2"})
		if err != nil {
			t.Fatal(err)
		}
		public, err := sm2.NewPublicKey(out.PublicKey[len(out.PublicKey)-65:])
		if err != nil {
			t.Fatal(err)
		}
		return out, public
	}
	send := func(k key, material []byte) error {
		t.Helper()
		out, public := bySM2(k)
		sealed, err := sm2.EncryptASN1(rand.Reader, public, material)
		if err != nil {
			t.Fatal(err)
		}
		_, err = client.ImportKeyMaterial(ctx, &kms.ImportKeyMaterialInput{
			KeyId: &k.id, ImportToken: out.ImportToken, EncryptedKeyMaterial: sealed, ExpirationModel: "KEY_MATERIAL_DOES_NOT_EXPIRE",
		})
		return err
	}
	sym := newExternal(t, client, "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT")
	wantError(t, send(sym, randomBytes(32)), "IncorrectKeyMaterialException", "")
	material := randomBytes(sm4.BlockSize)
	if err := send(sym, material); err != nil {
		t.Fatal(err)
	}
	p := forImport(t, client, sym.id, oaep256)
	if _, err := client.ImportKeyMaterial(ctx, p.input(t, material)); err != nil {
		t.Errorf("the same by OAEP: %v", err)
	}
	sealed, err := client.Encrypt(ctx, &kms.EncryptInput{KeyId: &sym.id, Plaintext: []byte("x")})
	if err != nil {
		t.Fatal(err)
	}
	if back, err := client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob}); err != nil || string(back.Plaintext) != "x" || len(aws.ToString(back.KeyMaterialId)) != 64 {
		t.Errorf("Decrypt: %v", err)
	}
	scalar := randomBytes(32)
	scalar[0] = 0 // below the order of the curve
	sign := newExternal(t, client, "SM2", "SIGN_VERIFY")
	if err := send(sign, curvePKCS8(t, asn1.ObjectIdentifier{1, 2, 156, 10197, 1, 301}, scalar)); err != nil {
		t.Fatal(err)
	}
	if err := send(newExternal(t, client, "RSA_4096", "SIGN_VERIFY"), materialOf(t, "RSA_4096")); err != nil {
		t.Error(err)
	}
	if err := send(newExternal(t, client, "HMAC_512", "GENERATE_VERIFY_MAC"), materialOf(t, "HMAC_512")); err != nil {
		t.Error(err)
	}
	_, err = client.GetParametersForImport(ctx, &kms.GetParametersForImportInput{KeyId: &sign.id, WrappingAlgorithm: hybrid256, WrappingKeySpec: "RSA_2048"})
	wantError(t, err, "UnsupportedOperationException", "WrappingAlgorithm RSA_AES_KEY_WRAP_SHA_256 is not supported in this Region")
	_, err = client.GetParametersForImport(ctx, &kms.GetParametersForImportInput{KeyId: &sign.id, WrappingAlgorithm: oaep256, WrappingKeySpec: "SM2"})
	wantError(t, err, "UnsupportedOperationException", "WrappingAlgorithm RSAES_OAEP_SHA_256 with WrappingKeySpec SM2 is not supported for KeySpec SM2")
}
