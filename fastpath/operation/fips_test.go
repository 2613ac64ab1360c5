package operation_test

import (
	"crypto/fips140"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"

	"trent/fastpath/operation"
)

// TestEnforcedFIPS: where FIPS 140-3 is enforced, OAEP by SHA-1 is no algorithm of RSA keys, and nothing fails for an
// inner reason.
func TestEnforcedFIPS(t *testing.T) {
	t.Parallel()
	if !fips140.Enforced() {
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestEnforcedFIPS$")
		child.Env = append(os.Environ(), "GODEBUG=fips140=only")
		if out, err := child.CombinedOutput(); err != nil || !strings.HasSuffix(string(out), "PASS\n") {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	r := newRig(t)
	rsa, symmetric := r.create(t, `{"KeySpec":"RSA_2048","KeyUsage":"ENCRYPT_DECRYPT"}`), r.create(t, `{}`)
	const refused = "InvalidKeyUsageException: Algorithm RSAES_OAEP_SHA_1 is incompatible with key spec RSA_2048."
	blob := r.answer(t, "Encrypt", `{"KeyId":"`+rsa+`","Plaintext":"YQ==","EncryptionAlgorithm":"RSAES_OAEP_SHA_256"}`)["CiphertextBlob"].(string)
	from := `{"CiphertextBlob":"` + blob + `","SourceKeyId":"` + rsa + `","DestinationKeyId":"` + rsa + `","SourceEncryptionAlgorithm":`
	for body, want := range map[string]string{
		from + `"RSAES_OAEP_SHA_256","DestinationEncryptionAlgorithm":"RSAES_OAEP_SHA_256"}`: "",
		from + `"RSAES_OAEP_SHA_256","DestinationEncryptionAlgorithm":"RSAES_OAEP_SHA_1"}`:   refused,
		from + `"RSAES_OAEP_SHA_1","DestinationEncryptionAlgorithm":"RSAES_OAEP_SHA_256"}`:   refused,
	} {
		var c operation.Call
		if got := refusal(r.run(t, &c, "ReEncrypt", body)); got != want {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
	}
	for name, body := range map[string]string{
		"Encrypt": `{"KeyId":"` + rsa + `","Plaintext":"YQ==","EncryptionAlgorithm":"RSAES_OAEP_SHA_1"}`,
		"Decrypt": `{"KeyId":"` + rsa + `","CiphertextBlob":"` + blob + `","EncryptionAlgorithm":"RSAES_OAEP_SHA_1"}`,
	} {
		var c operation.Call
		if got := refusal(r.run(t, &c, name, body)); got != refused {
			t.Errorf("%s: %q", name, got)
		}
	}
	metadata := r.answer(t, "DescribeKey", `{"KeyId":"`+rsa+`"}`)["KeyMetadata"].(map[string]any)
	if list := metadata["EncryptionAlgorithms"].([]any); len(list) != 1 || list[0] != "RSAES_OAEP_SHA_256" {
		t.Errorf("EncryptionAlgorithms %v", list)
	}
	r.answer(t, "Encrypt", `{"KeyId":"`+symmetric+`","Plaintext":"YQ=="}`)
}

// answer is the answer to a request that succeeds.
func (r rig) answer(t *testing.T, name, body string) map[string]any {
	t.Helper()
	var c operation.Call
	if err := r.run(t, &c, name, body); err != nil {
		t.Fatalf("%s %s: %v", name, body, err)
	}
	var members map[string]any
	if err := json.Unmarshal(c.Response.AppendJSON(nil), &members); err != nil {
		t.Fatal(err)
	}
	return members
}
