package conformance_test

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
)

// TestAttestedConditions: a key policy that asks for an enclave's measurements lets only that enclave decrypt.
func TestAttestedConditions(t *testing.T) {
	t.Parallel()
	e := newEnclave(t)
	payload := e.Payload(t, e.now, &e.private.PublicKey)
	image := bytes.Repeat([]byte{0xab}, 48)
	payload["pcrs"] = map[int]any{0: image, 1: bytes.Repeat([]byte{1}, 48)}
	measured := hex.EncodeToString(image)
	recipient := to(e.Sign(t, payload))
	for name, c := range map[string]struct {
		condition string
		good      bool
	}{
		"PCR0":                   {`"StringEquals":{"kms:RecipientAttestation:PCR0":"` + measured + `"}`, true},
		"PCR0 in upper case":     {`"StringEqualsIgnoreCase":{"kms:RecipientAttestation:PCR0":"` + strings.ToUpper(measured) + `"}`, true},
		"ImageSha384":            {`"StringEqualsIgnoreCase":{"kms:RecipientAttestation:ImageSha384":"` + measured + `"}`, true},
		"another image":          {`"StringEqualsIgnoreCase":{"kms:RecipientAttestation:ImageSha384":"` + strings.Repeat("00", 48) + `"}`, false},
		"a PCR it does not have": {`"StringEquals":{"kms:RecipientAttestation:PCR31":"` + measured + `"}`, false},
		"a NitroTPM's":           {`"StringEquals":{"kms:RecipientAttestation:NitroTPMPCR0":"` + measured + `"}`, false},
	} {
		policy := statements(
			`{"Effect":"Allow","Principal":{"AWS":"`+rootOf(e.Account)+`"},"NotAction":"kms:Decrypt","Resource":"*"}`,
			`{"Effect":"Allow","Principal":{"AWS":"`+rootOf(e.Account)+`"},"Action":"kms:Decrypt","Resource":"*","Condition":{`+c.condition+`}}`)
		k := e.create(t, &kms.CreateKeyInput{Policy: aws.String(policy)})
		sealed, err := e.client.Encrypt(t.Context(), &kms.EncryptInput{KeyId: &k.id, Plaintext: []byte("x")})
		if err != nil {
			t.Fatal(err)
		}
		_, err = e.client.Decrypt(t.Context(), &kms.DecryptInput{KeyId: &k.id, CiphertextBlob: sealed.CiphertextBlob})
		wantError(t, err, "AccessDeniedException", noResourcePolicy(rootOf(e.Account), "Decrypt", k.arn))
		out, err := e.client.Decrypt(t.Context(), &kms.DecryptInput{KeyId: &k.id, CiphertextBlob: sealed.CiphertextBlob, Recipient: recipient})
		if c.good {
			if err != nil || out.Plaintext != nil || len(out.CiphertextForRecipient) == 0 {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		wantError(t, err, "AccessDeniedException", noResourcePolicy(rootOf(e.Account), "Decrypt", k.arn))
	}
}
