package conformance_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"
)

// TestImportedMaterialIsNowhere imports into a server of another process, uses the keys, and looks for the material in
// its memory, its files and all answers: raw, in text, and as the padded keys of HMAC. A description, which is no
// secret, must be found by the same search.
func TestImportedMaterialIsNowhere(t *testing.T) {
	t.Parallel()
	ownServer(t)
	ctx, dir := t.Context(), t.TempDir()
	c := startChild(t, dir)
	defer c.kill()
	client := c.KMS()
	canary := hex.EncodeToString(randomBytes(32))
	if _, err := client.CreateKey(ctx, &kms.CreateKeyInput{Description: &canary}); err != nil {
		t.Fatal(err)
	}
	var secrets [][]byte
	var answers bytes.Buffer
	for i := range 4 {
		material := randomBytes(32)
		secrets = append(secrets, material)
		k, p, _ := newImported(t, client, material)
		answers.Write(p.ImportToken)
		answers.Write(p.PublicKey)
		if i%2 == 0 {
			q := forImport(t, client, k.id, oaep1)
			if _, err := client.ImportKeyMaterial(ctx, q.input(t, material)); err != nil {
				t.Fatal(err)
			}
		}
		for range 10 {
			sealed, err := client.Encrypt(ctx, &kms.EncryptInput{KeyId: &k.id, Plaintext: []byte("x")})
			if err != nil {
				t.Fatal(err)
			}
			answers.Write(sealed.CiphertextBlob)
			if _, err := client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob}); err != nil {
				t.Fatal(err)
			}
		}
		for _, n := range []int{16, 31, 33} { // refused, and wiped all the same
			refused := randomBytes(n)
			secrets = append(secrets, refused)
			if _, err := client.ImportKeyMaterial(ctx, p.input(t, refused)); err == nil {
				t.Fatal("imported")
			}
		}
	}
	needles := map[string][]byte{}
	for i, s := range secrets {
		inner, outer := bytes.Clone(s), bytes.Clone(s)
		for j := range s {
			inner[j] ^= 0x36
			outer[j] ^= 0x5c
		}
		name := fmt.Sprintf("material %d of %d bytes, ", i, len(s))
		needles[name+"raw"], needles[name+"inner"], needles[name+"outer"] = s[:16], inner[:16], outer[:16]
		needles[name+"hexadecimal"], needles[name+"base64"] = []byte(hex.EncodeToString(s)[:32]), []byte(base64.StdEncoding.EncodeToString(s[:15]))
	}
	control := false
	read, unread := memoryOf(t, c.cmd.Process.Pid, 64, func(piece []byte) {
		control = control || bytes.Contains(piece, []byte(canary))
		for name, needle := range needles {
			if bytes.Contains(piece, needle) {
				t.Errorf("%s lies in the server's memory", name)
			}
		}
	})
	t.Logf("%d MiB read, %d KiB unreadable", read>>20, unread>>10)
	if !control {
		t.Error("the description is not in the server's memory, so that finding nothing means nothing")
	}
	files := contents(t, dir)
	files["the answers"] = answers.Bytes()
	for i, s := range secrets {
		if path, ok := newNeedle("material", s).found(files); ok {
			t.Errorf("material %d stands in %s", i, path)
		}
	}
	if _, ok := newNeedle("the description", []byte(canary)).found(files); !ok {
		t.Error("the description is not in the files")
	}
}
