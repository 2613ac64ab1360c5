package conformance_test

import (
	"context"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"trent/fastpath/servertest"
)

// TestImportKilled kills a server that imports and deletes: what was answered holds, and what was under way was done as a
// whole or not at all. The wrapping key made before goes on working.
func TestImportKilled(t *testing.T) {
	t.Parallel()
	ownServer(t)
	dir := t.TempDir()
	material := randomBytes(32)
	first := startChild(t, dir)
	k, p, id := newImported(t, first.KMS(), material)
	sealed, err := first.KMS().Encrypt(t.Context(), &kms.EncryptInput{KeyId: &k.id, Plaintext: []byte("x")})
	if err != nil {
		first.kill()
		t.Fatal(err)
	}
	state := "Enabled"
	for round := range 3 {
		last, under := state, "" // answered, under way when it was killed
		done := make(chan struct{})
		client := first.KMS()
		go func() {
			defer close(done)
			for {
				in := p.input(t, material)
				under = "Enabled"
				if _, err := client.ImportKeyMaterial(context.Background(), in); err != nil {
					return
				}
				last, under = under, "PendingImport"
				if _, err := client.DeleteImportedKeyMaterial(context.Background(), &kms.DeleteImportedKeyMaterialInput{KeyId: &k.id}); err != nil {
					return
				}
				last = under
			}
		}()
		time.Sleep(time.Duration(100+70*round) * time.Millisecond)
		first.kill()
		<-done
		first = startChild(t, dir)
		state = checkImported(t, &first.Endpoint, k, id, sealed.CiphertextBlob)
		if state != last && state != under {
			t.Errorf("round %d: %s, answered %s, under way %s", round, state, last, under)
		}
	}
	first.kill()
}

// checkImported says which state a key is in, after holding its metadata and its use to that.
func checkImported(t *testing.T, at *servertest.Endpoint, k key, id string, sealed []byte) string {
	t.Helper()
	out, err := at.KMS().DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: &k.id})
	if err != nil {
		t.Fatal(err)
	}
	m := out.KeyMetadata
	_, err = at.KMS().Decrypt(t.Context(), &kms.DecryptInput{CiphertextBlob: sealed})
	if enabled := m.KeyState == "Enabled"; enabled != (err == nil) || enabled != (m.ExpirationModel != "") || aws.ToString(m.CurrentKeyMaterialId) != id {
		t.Errorf("%s, model %q, material %s: %v", m.KeyState, m.ExpirationModel, aws.ToString(m.CurrentKeyMaterialId), err)
	}
	return string(m.KeyState)
}
