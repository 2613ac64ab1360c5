package conformance_test

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

// peerOn is a key of somebody on a curve, and its public half in DER.
func peerOn(t testing.TB, curve elliptic.Curve) (*ecdsa.PrivateKey, []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	spki, err := x509.MarshalPKIXPublicKey(private.Public())
	if err != nil {
		t.Fatal(err)
	}
	return private, spki
}

// TestDeriveSharedSecret: both sides come to the x coordinate of one point, here by the standard library.
func TestDeriveSharedSecret(t *testing.T) {
	t.Parallel()
	for spec, c := range map[types.KeySpec]struct {
		curve elliptic.Curve
		size  int
	}{"ECC_NIST_P256": {elliptic.P256(), 32}, "ECC_NIST_P384": {elliptic.P384(), 48}, "ECC_NIST_P521": {elliptic.P521(), 66}} {
		t.Run(string(spec), func(t *testing.T) {
			t.Parallel()
			ctx, client := t.Context(), at.KMS()
			k := theKey(t, spec, "KEY_AGREEMENT", 0)
			private, spki := peerOn(t, c.curve)
			var remote *ecdh.PublicKey
			mine, err := private.ECDH()
			if err == nil {
				remote, err = publicKey(t, k).(*ecdsa.PublicKey).ECDH()
			}
			if err != nil {
				t.Fatal(err)
			}
			want, err := mine.ECDH(remote)
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{k.id, k.arn} {
				out, err := client.DeriveSharedSecret(ctx, &kms.DeriveSharedSecretInput{KeyId: &name, KeyAgreementAlgorithm: "ECDH", PublicKey: spki, DryRun: aws.Bool(false)})
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(out.SharedSecret, want) || len(want) != c.size || *out.KeyId != k.arn ||
					out.KeyAgreementAlgorithm != "ECDH" || out.KeyOrigin != "AWS_KMS" || out.CiphertextForRecipient != nil {
					t.Errorf("answer %+v", out)
				}
			}
			// A service key may be the peer of another.
			other := theKey(t, spec, "KEY_AGREEMENT", 1)
			public, err := client.GetPublicKey(ctx, &kms.GetPublicKeyInput{KeyId: &other.id})
			if err != nil {
				t.Fatal(err)
			}
			own, err := client.GetPublicKey(ctx, &kms.GetPublicKeyInput{KeyId: &k.id})
			if err != nil {
				t.Fatal(err)
			}
			var secrets [2]*kms.DeriveSharedSecretOutput
			for i, in := range []*kms.DeriveSharedSecretInput{{KeyId: &k.id, PublicKey: public.PublicKey}, {KeyId: &other.id, PublicKey: own.PublicKey}} {
				in.KeyAgreementAlgorithm = "ECDH"
				if secrets[i], err = client.DeriveSharedSecret(ctx, in); err != nil {
					t.Fatal(err)
				}
			}
			if !bytes.Equal(secrets[0].SharedSecret, secrets[1].SharedSecret) {
				t.Error("two keys of the service come to two secrets")
			}
		})
	}
}

// TestDeriveSharedSecretMembers checks presence on the wire.
func TestDeriveSharedSecretMembers(t *testing.T) {
	t.Parallel()
	k := theKey(t, "ECC_NIST_P256", "KEY_AGREEMENT", 0)
	_, spki := peerOn(t, elliptic.P256())
	got := decode[map[string]any](t, call(t, "DeriveSharedSecret", object{"KeyId": k.id, "KeyAgreementAlgorithm": "ECDH", "PublicKey": spki}))
	for _, member := range []string{"KeyId", "SharedSecret", "KeyAgreementAlgorithm", "KeyOrigin"} {
		if got[member] == nil {
			t.Errorf("no %s", member)
		}
	}
	if len(got) != 4 {
		t.Errorf("answer %v", got)
	}
}

func TestDeriveSharedSecretRefusals(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), at.KMS()
	k, sym, sign := theKey(t, "ECC_NIST_P256", "KEY_AGREEMENT", 0), symmetric(t), p256(t)
	_, spki := peerOn(t, elliptic.P256())
	_, other := peerOn(t, elliptic.P384())
	ed, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	edwards, err := x509.MarshalPKIXPublicKey(ed)
	if err != nil {
		t.Fatal(err)
	}
	offCurve := slices.Clone(spki)
	offCurve[len(spki)-1] ^= 1
	for name, bad := range map[string][]byte{
		"no key": []byte("no key"), "cut": spki[:len(spki)-1], "longer": append(slices.Clone(spki), 0), "another curve": other,
		"Ed25519": edwards, "not on the curve": offCurve, "a bare point": spki[len(spki)-65:],
	} {
		t.Run(name, func(t *testing.T) {
			_, err := client.DeriveSharedSecret(ctx, &kms.DeriveSharedSecretInput{KeyId: &k.id, KeyAgreementAlgorithm: "ECDH", PublicKey: bad})
			wantError(t, err, "ValidationException", "")
		})
	}
	disabled := newKey(t, &kms.CreateKeyInput{KeySpec: "ECC_NIST_P256", KeyUsage: "KEY_AGREEMENT"})
	if _, err := client.DisableKey(ctx, &kms.DisableKeyInput{KeyId: &disabled.id}); err != nil {
		t.Fatal(err)
	}
	pending := newKey(t, &kms.CreateKeyInput{KeySpec: "ECC_NIST_P256", KeyUsage: "KEY_AGREEMENT"})
	if _, err := client.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &pending.id}); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		in            kms.DeriveSharedSecretInput
		code, message string
	}{
		"symmetric": {kms.DeriveSharedSecretInput{KeyId: &sym.id}, "InvalidKeyUsageException", sym.arn + " key usage is ENCRYPT_DECRYPT which is not valid for DeriveSharedSecret."},
		"signing":   {kms.DeriveSharedSecretInput{KeyId: &sign.id}, "InvalidKeyUsageException", sign.arn + " key usage is SIGN_VERIFY which is not valid for DeriveSharedSecret."},
		"disabled":  {kms.DeriveSharedSecretInput{KeyId: &disabled.id}, "DisabledException", disabled.arn + " is disabled."},
		"disabled, then public key": {kms.DeriveSharedSecretInput{KeyId: &disabled.id, PublicKey: []byte("x")}, "DisabledException",
			disabled.arn + " is disabled."},
		"pending deletion": {kms.DeriveSharedSecretInput{KeyId: &pending.id}, "KMSInvalidStateException", pending.arn + " is pending deletion."},
		"absent":           {kms.DeriveSharedSecretInput{KeyId: aws.String(absentID)}, "NotFoundException", "Key '" + arnOf(absentID) + "' does not exist"},
		"algorithm": {kms.DeriveSharedSecretInput{KeyId: &k.id, KeyAgreementAlgorithm: "DH"}, "ValidationException",
			validation("'DH' ", "keyAgreementAlgorithm", "satisfy enum value set: [ECDH]")},
		"grant token":              {kms.DeriveSharedSecretInput{KeyId: &k.id, GrantTokens: []string{"x"}}, "InvalidGrantTokenException", ""},
		"dry run":                  {kms.DeriveSharedSecretInput{KeyId: &k.id, DryRun: aws.Bool(true)}, "DryRunOperationException", "The request would have succeeded, but the DryRun option is set."},
		"public key, then dry run": {kms.DeriveSharedSecretInput{KeyId: &k.id, PublicKey: []byte("x"), DryRun: aws.Bool(true)}, "ValidationException", ""},
	} {
		t.Run(name, func(t *testing.T) {
			if c.in.PublicKey == nil {
				c.in.PublicKey = spki
			}
			if c.in.KeyAgreementAlgorithm == "" {
				c.in.KeyAgreementAlgorithm = "ECDH"
			}
			_, err := client.DeriveSharedSecret(ctx, &c.in)
			wantError(t, err, c.code, c.message)
		})
	}
	_, err = client.Sign(ctx, &kms.SignInput{KeyId: &k.id, Message: []byte("x"), SigningAlgorithm: "ECDSA_SHA_256"})
	wantError(t, err, "InvalidKeyUsageException", k.arn+" key usage is KEY_AGREEMENT which is not valid for Sign.")
}

// TestDeriveSharedSecretByAlias: all forms of a key's name, and nobody else's key.
func TestDeriveSharedSecretByAlias(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), at.KMS()
	k, name := theKey(t, "ECC_NIST_P256", "KEY_AGREEMENT", 0), newAlias()
	if _, err := client.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: &name, TargetKeyId: &k.id}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = client.DeleteAlias(t.Context(), &kms.DeleteAliasInput{AliasName: &name}) })
	_, spki := peerOn(t, elliptic.P256())
	for _, form := range []string{name, aliasARN(name)} {
		out, err := client.DeriveSharedSecret(ctx, &kms.DeriveSharedSecretInput{KeyId: &form, KeyAgreementAlgorithm: "ECDH", PublicKey: spki})
		if err != nil || *out.KeyId != k.arn {
			t.Errorf("%s: %+v, %v", form, out, err)
		}
	}
	foreign := "arn:aws:kms:" + at.Region + ":999988887777:key/" + absentID
	a := call(t, "DeriveSharedSecret", object{"KeyId": foreign, "KeyAgreementAlgorithm": "ECDH", "PublicKey": spki})
	if code, _ := refusalOf(t, a); code != "AccessDeniedException" {
		t.Errorf("answer %s", a.Body)
	}
}
