package conformance_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"trent/fastpath/servertest"
)

// window is how many bytes of a secret in one of its forms count as found: the store compresses what it
// writes, and may cut a text where a few of its characters stood before. By chance 16 of them never match.
const window = 16

// needle is something to look for in files, in the forms in which it could be written, in windows.
type needle struct {
	what    string
	windows [][]byte
}

func newNeedle(what string, secret []byte) needle {
	forms := [][]byte{secret, []byte(hex.EncodeToString(secret)), bytes.ToUpper([]byte(hex.EncodeToString(secret)))}
	// Within a longer text base64 depends on where the secret begins: the whole groups of each of three starts.
	for shift := range 3 {
		padded := append(make([]byte, shift), secret...)
		from, to := (shift*8+5)/6, len(padded)/3*4
		forms = append(forms, []byte(base64.RawStdEncoding.EncodeToString(padded)[from:to]), []byte(base64.RawURLEncoding.EncodeToString(padded)[from:to]))
	}
	n := needle{what: what}
	for _, form := range forms {
		for at := 0; at+window <= len(form); at += 4 {
			n.windows = append(n.windows, form[at:at+window])
		}
	}
	return n
}

// found says whether any file holds a part of the needle.
func (n needle) found(files map[string][]byte) (string, bool) {
	for path, content := range files {
		for _, w := range n.windows {
			if bytes.Contains(content, w) {
				return path, true
			}
		}
	}
	return "", false
}

// contents reads all files below dir. The store renames and removes files while it runs: then once more.
func contents(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	for {
		all := map[string][]byte{}
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || d.Type() == fs.ModeSocket {
				return err
			}
			all[path], err = os.ReadFile(path)
			return err
		})
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil || len(all) == 0:
			t.Fatalf("%d files in %s, %v", len(all), dir, err)
		default:
			return all
		}
	}
}

// TestNothingIsWritten looks through the whole data directory for what must never reach it: plaintexts, data
// keys, messages, encryption contexts, the seal key. A description is written, and must be found.
func TestNothingIsWritten(t *testing.T) {
	t.Parallel()
	ownServer(t)
	ctx := t.Context()
	s := servertest.Start(t, servertest.Options{})
	client := s.KMS()
	canary := func() []byte {
		b := make([]byte, 32)
		_, _ = rand.Read(b)
		return b
	}
	description := base64.StdEncoding.EncodeToString(canary())
	made, err := client.CreateKey(ctx, &kms.CreateKeyInput{Description: &description})
	if err != nil {
		t.Fatal(err)
	}
	id := made.KeyMetadata.KeyId
	mac, err := client.CreateKey(ctx, &kms.CreateKeyInput{KeySpec: "HMAC_256", KeyUsage: "GENERATE_VERIFY_MAC"})
	if err != nil {
		t.Fatal(err)
	}
	var secrets []needle
	hide := func(what string, b []byte) []byte {
		secrets = append(secrets, newNeedle(what, b))
		return b
	}
	bound := hex.EncodeToString(hide("the encryption context", canary()))
	for range 20 {
		plaintext := hide("a plaintext", canary())
		sealed, err := client.Encrypt(ctx, &kms.EncryptInput{KeyId: id, Plaintext: plaintext, EncryptionContext: map[string]string{"a": bound}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob, EncryptionContext: map[string]string{"a": bound}}); err != nil {
			t.Fatal(err)
		}
		key, err := client.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: id, KeySpec: "AES_256"})
		if err != nil {
			t.Fatal(err)
		}
		hide("a data key", key.Plaintext)
		pair, err := client.GenerateDataKeyPair(ctx, &kms.GenerateDataKeyPairInput{KeyId: id, KeyPairSpec: "ECC_NIST_P256"})
		if err != nil {
			t.Fatal(err)
		}
		private, err := x509.ParsePKCS8PrivateKey(pair.PrivateKeyPlaintext)
		if err != nil {
			t.Fatal(err)
		}
		number, err := private.(*ecdsa.PrivateKey).Bytes() // the rest of PKCS #8 is the same for all
		if err != nil {
			t.Fatal(err)
		}
		hide("a data key pair", number)
		random, err := client.GenerateRandom(ctx, &kms.GenerateRandomInput{NumberOfBytes: aws.Int32(32)})
		if err != nil {
			t.Fatal(err)
		}
		hide("random bytes", random.Plaintext)
		sum, err := client.GenerateMac(ctx, &kms.GenerateMacInput{KeyId: mac.KeyMetadata.KeyId, Message: hide("a message", canary()), MacAlgorithm: "HMAC_SHA_256"})
		if err != nil {
			t.Fatal(err)
		}
		hide("a MAC", sum.Mac)
	}
	seal, err := os.ReadFile(filepath.Join(s.Dir, "seal.key"))
	if err != nil {
		t.Fatal(err)
	}
	hide("the seal key", bytes.TrimSpace(seal)[:32])
	for _, when := range []string{"while it runs", "after a restart"} {
		files := contents(t, s.DataDir())
		if _, ok := newNeedle("the description", []byte(description)).found(files); !ok {
			t.Fatalf("%s: the description is not found, so that finding nothing would mean nothing", when)
		}
		for _, n := range secrets {
			if path, ok := n.found(files); ok {
				t.Errorf("%s: %s stands in %s", when, n.what, path)
			}
		}
		s.Restart(t)
	}
}

// TestNeedles: a secret is found in each form, wherever it begins in a longer text, and only there.
func TestNeedles(t *testing.T) {
	t.Parallel()
	secret := make([]byte, 32)
	_, _ = rand.Read(secret)
	n := newNeedle("a secret", secret)
	for before := range 8 {
		text := append(append(bytes.Repeat([]byte{0xfb}, before), secret...), 1, 2, 3)
		for _, form := range []string{string(text), hex.EncodeToString(text), base64.StdEncoding.EncodeToString(text), base64.RawURLEncoding.EncodeToString(text)} {
			if _, ok := n.found(map[string][]byte{"f": []byte("x" + form)}); !ok {
				t.Errorf("not found %d bytes into %.20q…", before, form)
			}
		}
	}
	other := make([]byte, 1<<20)
	_, _ = rand.Read(other)
	if _, ok := n.found(map[string][]byte{"f": other}); ok {
		t.Error("found where it is not")
	}
}
