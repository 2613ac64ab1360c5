package conformance_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"trent/fastpath/attestation/enclavetest"
	"trent/fastpath/servertest"
	"trent/hsm/hsmtest"
)

// enclave is a server that trusts a test's own authority, and the key of an enclave under it.
type enclave struct {
	*servertest.Server
	*enclavetest.Authority
	private *rsa.PrivateKey
	client  *kms.Client
	now     time.Time
}

func newEnclave(t *testing.T) *enclave {
	t.Helper()
	ownServer(t)
	e := &enclave{now: time.Now()}
	e.Authority = enclavetest.NewAuthority(t, e.now)
	e.Server = servertest.Start(t, servertest.Options{AttestationRoot: e.RootPEM})
	var err error
	if e.private, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		t.Fatal(err)
	}
	e.client = e.KMS()
	return e
}

func (e *enclave) create(t *testing.T, in *kms.CreateKeyInput) key {
	t.Helper()
	made, err := e.client.CreateKey(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	return key{*made.KeyMetadata.KeyId, *made.KeyMetadata.Arn}
}

func (e *enclave) recipient(t *testing.T) *types.RecipientInfo {
	t.Helper()
	return to(e.Document(t, e.now, &e.private.PublicKey))
}

func to(document []byte) *types.RecipientInfo {
	return &types.RecipientInfo{AttestationDocument: document, KeyEncryptionAlgorithm: "RSAES_OAEP_SHA_256"}
}

// TestRecipient: with a document, the plaintext of every operation that takes one is for the enclave alone.
func TestRecipient(t *testing.T) {
	t.Parallel()
	e := newEnclave(t)
	ctx, client := t.Context(), e.client
	k := e.create(t, &kms.CreateKeyInput{})
	open := func(b []byte) []byte {
		t.Helper()
		if len(b) > 6144 {
			t.Errorf("%d bytes", len(b))
		}
		return hsmtest.OpenEnveloped(t, b, e.private)
	}
	bound := map[string]string{"purpose": "test"}
	dataKey, err := client.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: &k.id, KeySpec: "AES_256", EncryptionContext: bound, Recipient: e.recipient(t)})
	if err != nil {
		t.Fatal(err)
	}
	if dataKey.Plaintext != nil || dataKey.KeyMaterialId != nil || *dataKey.KeyId != k.arn {
		t.Errorf("GenerateDataKey: %d bytes of plaintext, %v", len(dataKey.Plaintext), dataKey.KeyMaterialId)
	}
	plain, err := client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: dataKey.CiphertextBlob, EncryptionContext: bound})
	if err != nil || !bytes.Equal(plain.Plaintext, open(dataKey.CiphertextForRecipient)) || plain.KeyMaterialId == nil {
		t.Errorf("GenerateDataKey: the two copies differ, %v", err)
	}
	pair, err := client.GenerateDataKeyPair(ctx, &kms.GenerateDataKeyPairInput{KeyId: &k.id, KeyPairSpec: "RSA_2048", Recipient: e.recipient(t)})
	if err != nil {
		t.Fatal(err)
	}
	if pair.PrivateKeyPlaintext != nil || pair.KeyMaterialId != nil || len(pair.PrivateKeyCiphertextBlob) == 0 {
		t.Errorf("GenerateDataKeyPair: %d bytes of plaintext, %v", len(pair.PrivateKeyPlaintext), pair.KeyMaterialId)
	}
	wantPair(t, "RSA_2048", open(pair.CiphertextForRecipient), pair.PublicKey)
	random, err := client.GenerateRandom(ctx, &kms.GenerateRandomInput{NumberOfBytes: aws.Int32(1024), Recipient: e.recipient(t)})
	if err != nil || random.Plaintext != nil || len(open(random.CiphertextForRecipient)) != 1024 {
		t.Errorf("GenerateRandom: %v", err)
	}
	for _, n := range []int{1, 4096} {
		plaintext := bytes.Repeat([]byte{'p'}, n)
		sealed, err := client.Encrypt(ctx, &kms.EncryptInput{KeyId: &k.id, Plaintext: plaintext})
		if err != nil {
			t.Fatal(err)
		}
		opened, err := client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob, Recipient: e.recipient(t)})
		if err != nil || opened.Plaintext != nil || opened.KeyMaterialId != nil || *opened.KeyId != k.arn || opened.EncryptionAlgorithm != "SYMMETRIC_DEFAULT" {
			t.Fatalf("Decrypt: %+v, %v", opened, err)
		}
		if !bytes.Equal(open(opened.CiphertextForRecipient), plaintext) {
			t.Error("Decrypt: another plaintext")
		}
	}
	e.asymmetric(t)
	e.agreement(t)
	e.members(t, k)
}

// asymmetric decrypts a bare RSA ciphertext for the enclave.
func (e *enclave) asymmetric(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	k := e.create(t, &kms.CreateKeyInput{KeySpec: "RSA_2048", KeyUsage: "ENCRYPT_DECRYPT"})
	sealed, err := e.client.Encrypt(ctx, &kms.EncryptInput{KeyId: &k.id, Plaintext: []byte("bare"), EncryptionAlgorithm: "RSAES_OAEP_SHA_256"})
	if err != nil {
		t.Fatal(err)
	}
	opened, err := e.client.Decrypt(ctx, &kms.DecryptInput{KeyId: &k.id, CiphertextBlob: sealed.CiphertextBlob, EncryptionAlgorithm: "RSAES_OAEP_SHA_256", Recipient: e.recipient(t)})
	if err != nil || opened.Plaintext != nil || string(hsmtest.OpenEnveloped(t, opened.CiphertextForRecipient, e.private)) != "bare" {
		t.Errorf("RSA: %+v, %v", opened, err)
	}
}

// agreement derives a shared secret for the enclave.
func (e *enclave) agreement(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	k := e.create(t, &kms.CreateKeyInput{KeySpec: "ECC_NIST_P256", KeyUsage: "KEY_AGREEMENT"})
	other := e.create(t, &kms.CreateKeyInput{KeySpec: "ECC_NIST_P256", KeyUsage: "KEY_AGREEMENT"})
	peer, err := e.client.GetPublicKey(ctx, &kms.GetPublicKeyInput{KeyId: &other.id})
	if err != nil {
		t.Fatal(err)
	}
	in := kms.DeriveSharedSecretInput{KeyId: &k.id, KeyAgreementAlgorithm: "ECDH", PublicKey: peer.PublicKey}
	plain, err := e.client.DeriveSharedSecret(ctx, &in)
	if err != nil {
		t.Fatal(err)
	}
	in.Recipient = e.recipient(t)
	derived, err := e.client.DeriveSharedSecret(ctx, &in)
	if err != nil || derived.SharedSecret != nil || *derived.KeyId != k.arn || derived.KeyOrigin != "AWS_KMS" {
		t.Fatalf("DeriveSharedSecret: %+v, %v", derived, err)
	}
	if got := hsmtest.OpenEnveloped(t, derived.CiphertextForRecipient, e.private); len(got) != 32 || !bytes.Equal(got, plain.SharedSecret) {
		t.Errorf("DeriveSharedSecret: another secret, of %d bytes", len(got))
	}
	in.Recipient = to([]byte("junk"))
	_, err = e.client.DeriveSharedSecret(ctx, &in)
	wantError(t, err, "ValidationException", "The attestation document in Recipient is malformed.")
}

// members looks at the bare answer: what is left out is not there at all.
func (e *enclave) members(t *testing.T, k key) {
	t.Helper()
	a := e.Call(t, "GenerateDataKey", marshal(t, object{"KeyId": k.id, "KeySpec": "AES_256", "Recipient": object{
		"AttestationDocument": e.Document(t, e.now, &e.private.PublicKey), "KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256",
	}}))
	var got map[string]any
	if err := json.Unmarshal([]byte(a.Body), &got); err != nil || a.Status != 200 {
		t.Fatalf("answer %d %s", a.Status, a.Body)
	}
	if len(got) != 3 || got["CiphertextBlob"] == nil || got["CiphertextForRecipient"] == nil || got["KeyId"] != k.arn {
		t.Errorf("members %v", got)
	}
}

// TestRecipientRefusals: nothing is revealed to a document that is not right, in whatever way.
func TestRecipientRefusals(t *testing.T) {
	t.Parallel()
	e := newEnclave(t)
	k := e.create(t, &kms.CreateKeyInput{})
	other := enclavetest.NewAuthority(t, e.now)
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	right := e.Document(t, e.now, &e.private.PublicKey)
	altered := bytes.Clone(right)
	altered[len(altered)-1] ^= 1
	old := enclavetest.NewAuthority(t, e.now.Add(-3*time.Hour))
	const (
		malformed = "The attestation document in Recipient is malformed."
		noKey     = "The attestation document in Recipient has no RSA public key of 2048 bits or more."
	)
	for name, c := range map[string]struct {
		recipient     *types.RecipientInfo
		code, message string
	}{
		"junk":           {to([]byte("x")), "ValidationException", malformed},
		"cut off":        {to(right[:len(right)-1]), "ValidationException", malformed},
		"no key":         {to(e.Document(t, e.now, nil)), "ValidationException", noKey},
		"a short key":    {to(e.Document(t, e.now, &short.PublicKey)), "ValidationException", noKey},
		"an altered one": {to(altered), "AccessDeniedException", "The signature of the attestation document in Recipient is not valid."},
		"another root":   {to(other.Document(t, e.now, &e.private.PublicKey)), "AccessDeniedException", "The attestation document in Recipient is not signed by a trusted authority."},
		"an expired one": {to(old.Document(t, e.now, &e.private.PublicKey)), "AccessDeniedException", "The attestation document in Recipient has expired."},
		"no document":    {&types.RecipientInfo{KeyEncryptionAlgorithm: "RSAES_OAEP_SHA_256"}, "ValidationException", validation("null ", "recipient.attestationDocument", "not be null")},
		"no algorithm":   {&types.RecipientInfo{AttestationDocument: right}, "ValidationException", validation("null ", "recipient.keyEncryptionAlgorithm", "not be null")},
		"another algorithm": {&types.RecipientInfo{AttestationDocument: right, KeyEncryptionAlgorithm: "RSAES_OAEP_SHA_1"},
			"ValidationException", validation("'RSAES_OAEP_SHA_1' ", "recipient.keyEncryptionAlgorithm", "satisfy enum value set: [RSAES_OAEP_SHA_256]")},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			for operation, run := range e.recipients(k) {
				t.Run(operation, func(t *testing.T) { wantError(t, run(ctx, c.recipient), c.code, c.message) })
			}
		})
	}
	_, err = e.client.GenerateDataKey(t.Context(), &kms.GenerateDataKeyInput{KeyId: &k.id, KeySpec: "AES_256", Recipient: to(right), DryRun: aws.Bool(true)})
	wantError(t, err, "DryRunOperationException", "The request would have succeeded, but the DryRun option is set.")
	_, err = e.client.DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: &k.id})
	if err != nil {
		t.Fatal(err)
	}
	_, err = e.client.GenerateDataKey(t.Context(), &kms.GenerateDataKeyInput{KeyId: &k.id, KeySpec: "AES_256", Recipient: to([]byte("x"))})
	wantError(t, err, "DisabledException", k.arn+" is disabled.")
}

// recipients are the operations that take a Recipient.
func (e *enclave) recipients(k key) map[string]func(context.Context, *types.RecipientInfo) error {
	return map[string]func(context.Context, *types.RecipientInfo) error{
		"GenerateDataKey": func(ctx context.Context, r *types.RecipientInfo) error {
			_, err := e.client.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: &k.id, KeySpec: "AES_256", Recipient: r})
			return err
		},
		"GenerateDataKeyPair": func(ctx context.Context, r *types.RecipientInfo) error {
			_, err := e.client.GenerateDataKeyPair(ctx, &kms.GenerateDataKeyPairInput{KeyId: &k.id, KeyPairSpec: "ECC_NIST_P256", Recipient: r})
			return err
		},
		"GenerateRandom": func(ctx context.Context, r *types.RecipientInfo) error {
			_, err := e.client.GenerateRandom(ctx, &kms.GenerateRandomInput{NumberOfBytes: aws.Int32(32), Recipient: r})
			return err
		},
		"Decrypt": func(ctx context.Context, r *types.RecipientInfo) error {
			sealed, err := e.client.Encrypt(ctx, &kms.EncryptInput{KeyId: &k.id, Plaintext: []byte("x")})
			if err != nil {
				return err
			}
			_, err = e.client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob, Recipient: r})
			return err
		},
	}
}

// TestRecipientWithoutRoot: a server that is told nothing trusts AWS's own root, under which no test can sign.
func TestRecipientWithoutRoot(t *testing.T) {
	t.Parallel()
	ownServer(t)
	now := time.Now()
	a := enclavetest.NewAuthority(t, now)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, err = at.KMS().GenerateRandom(t.Context(), &kms.GenerateRandomInput{NumberOfBytes: aws.Int32(32), Recipient: to(a.Document(t, now, &key.PublicKey))})
	wantError(t, err, "AccessDeniedException", "The attestation document in Recipient is not signed by a trusted authority.")
	_, err = at.KMS().GenerateRandom(t.Context(), &kms.GenerateRandomInput{NumberOfBytes: aws.Int32(32), Recipient: to(make([]byte, 262_145))})
	if err == nil || !strings.Contains(err.Error(), "'recipient.attestationDocument' failed to satisfy constraint: Member must have length less than or equal to 262144") {
		t.Errorf("a document of 262,145 bytes: %v", err)
	}
}
